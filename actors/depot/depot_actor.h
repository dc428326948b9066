/* depot_actor.h - the depot: keeps files by their digests, for actors and agents that have another disk than those who made them */
#ifndef AMA_DEPOT_DEPOT_ACTOR_H
#define AMA_DEPOT_DEPOT_ACTOR_H

#include "actors/depot/keep.h"

typedef struct {
    const char *cache_dir; /* absolute; copied */
    ama_keep_limits_t keep;
} ama_depot_conf_t;

/* Config: ama_depot_conf_t. */
extern const ama_actor_def_t ama_depot_def;

#endif
