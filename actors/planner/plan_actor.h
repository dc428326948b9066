/* plan_actor.h - the planner as an actor */
#ifndef AMA_PLANNER_PLAN_ACTOR_H
#define AMA_PLANNER_PLAN_ACTOR_H

#include "actors/depot/keep.h"
#include "actors/runtime/ama_actor.h"

/* NULL as config: snapshots lie where their paths say. */
typedef struct {
    const char
        *cache_dir; /* absolute; what paths of snapshots stand for here, got from the depot (actors/depot/stock.h) */
    ama_keep_limits_t keep; /* of what was got */
} ama_planner_conf_t;

extern const ama_actor_def_t ama_planner_def;

#endif
