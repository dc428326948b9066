/* plan_actor.h - the planner as an actor; takes no configuration */
#ifndef AMA_PLANNER_PLAN_ACTOR_H
#define AMA_PLANNER_PLAN_ACTOR_H

#include "actors/runtime/ama_actor.h"

extern const ama_actor_def_t ama_planner_def;

#endif
