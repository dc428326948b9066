/* ama_plan_jars.h - which files of jars of a plan are for all of its actions, and what the resolver is asked of a file */
#ifndef AMA_PLAN_JARS_H
#define AMA_PLAN_JARS_H

#include "messages/plan.h"
#include "messages/resolve.h"

/* It is a file of jars that no action names: the run's session has them. index: below n_dependencies. Pure. */
bool ama_plan_jars_for_all (const ama_plan_plan_t *plan, uint32_t index);

/* Its repositories and artifacts behind those of the request, whose two lists are the caller's to free; what they hold is borrowed from the file. */
void ama_plan_jars_add (const ama_plan_dependencies_t *file, ama_resolve_request_t *request);

#endif
