/* kernel_runner.h - actions whose kernel is a process of their own, and what a kind of them is
 *
 * A kind is a description: a name of the plan, and a folder of agent/runners whose install.sh makes what the kernel needs and says how it is started
 * (README.md, A kernel of an action's own). Nothing of a language is known here.
 */
#ifndef AMA_AGENT_JUPYTER_KERNEL_RUNNER_H
#define AMA_AGENT_JUPYTER_KERNEL_RUNNER_H

#include "agent/attempt.h"

typedef struct {
    ama_runner_t runner; /* the first */
    const char *folder;
    size_t max;   /* bytes of a file */
    bool session; /* it is attached to the run's Spark session */
    bool stock;   /* any kernel that is installed */
    bool notebook;
    const char *
        prelude; /* file in its folder that is said to an installed kernel first, and cuts the action's file; NULL: none */
} ama_kernel_kind_t;

/* By plan.action.runner and the action's file; NULL: none of these. */
const ama_runner_t *ama_kernel_runner (const char *name, const char *file);

#endif
