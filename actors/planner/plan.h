/* plan.h - a snapshot and the name of an environment become a plan, or a list of everything that is wrong
 *
 * The one entry point, used by the actor, by `ama validate`, `ama plan` and `ama config show`, and by tests. It reads files below the snapshot and does
 * nothing else: no clock, no locale, no order of a folder shows in the result, so the same files give the same bytes and the same digest.
 * Nothing that stands in a repository may crash it: it may run as a thread of amad.
 */
#ifndef AMA_PLANNER_PLAN_H
#define AMA_PLANNER_PLAN_H

#include "messages/plan.h"

#define AMA_PLAN_SOURCE_MAX (16u << 20) /* bytes of one source file */
#define AMA_PLAN_SIZE_MAX   (5u << 20)  /* bytes of an encoded plan, so that it fits a message beside its problems */

/* Strings of the request may be NULL for "". 0: ret_reply is set and the caller's to clear with ama_plan_reply_done; ok says whether there is a plan.
 * AMA_E_NOT_FOUND or AMA_E_IO: the snapshot itself can not be opened; ret_reply is not set. */
int ama_plan_build (const ama_plan_request_t *request, ama_plan_reply_t *ret_reply, ama_err_t *err);

/* The same, but a request without an environment is checked with `default` and then with each other that the repository has, the first
 * AMA_PLAN_CHECK_MAX of them: problems are those of all, each once, and ok says whether all have a plan. The plan is that of `default`. */
#define AMA_PLAN_CHECK_MAX 64
int ama_plan_check (const ama_plan_request_t *request, ama_plan_reply_t *ret_reply, ama_err_t *err);

/* The name of our own Jupyter kernel, or one that begins so and goes on with a dash: a notebook that names it runs in the run's Spark session. */
#define AMA_PLAN_OUR_KERNEL "amaterasu-spark"
/* As IRkernel installs itself. */
#define AMA_PLAN_R_KERNEL "ir"
bool ama_plan_is_our_kernel (const char *kernel);

#endif
