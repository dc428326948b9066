/* sweep.h - `ama run` removes what earlier ones have left, when its retention is over: working data first, later the run with its journal and report
 *
 * There is no daemon that could. A sweep is made of steps: some beside the run, which begin when that has long started, and when it has ended some more, for a
 * moment. What is not done then the next `ama run` does. When all is done nobody looks again for a while.
 */
#ifndef AMA_CLIENT_SWEEP_H
#define AMA_CLIENT_SWEEP_H

#include "actors/base/ama_err.h"
#include "agent/tidy_disk.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct ama_sweep ama_sweep_t;

typedef struct {
    int64_t work_age_ms; /* of working data, after the end of its run; 0: it stays */
    int64_t age_ms;      /* of runs, after their end; 0: they stay */
    uint64_t runs;       /* so many of those that ended, the newest, stay; 0: all */
} ama_sweep_conf_t;

/* state: the state folder, borrowed. NULL if nothing is to be done: it was done a while ago, or all stays. */
ama_sweep_t *ama_sweep_new (const char *state, const ama_sweep_conf_t *conf);
void ama_sweep_destroy (ama_sweep_t **sweep);

/* Removes at most so many files and folders. False: there is nothing more to do. Blocks; any thread, one at a time. */
bool ama_sweep_step (ama_sweep_t *sweep, size_t most);
/* Steps for at most about so long. */
void ama_sweep_go_on (ama_sweep_t *sweep, int64_t ms);

#endif
