/* kernel_jars.h - the jars of a job for the kernel of its notebooks, without any actor (internal to client/) */
#ifndef AMA_CLIENT_KERNEL_JARS_H
#define AMA_CLIENT_KERNEL_JARS_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"
#include "messages/plan.h"

/* What the files of jars for all actions come to, by the resolver's own script: absolute paths, colons between, appended. What it does is told on standard error.
 * share: where our scripts lie; cache: Amaterasu's. Repositories that want a password refuse. 0, or why there is no such set. */
int ama_kernel_jars (const ama_plan_plan_t *plan, const char *share, const char *cache, ama_str_t *out, ama_err_t *err);

#endif
