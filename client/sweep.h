/* sweep.h - `ama run` removes working data that earlier ones have left, when its retention is over
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

/* state: the state folder, borrowed. NULL if nothing is to be done: it was done a while ago, or age_ms is 0. */
ama_sweep_t *ama_sweep_new (const char *state, int64_t age_ms);
void ama_sweep_destroy (ama_sweep_t **sweep);

/* Removes at most so many files and folders. False: there is nothing more to do. Blocks; any thread, one at a time. */
bool ama_sweep_step (ama_sweep_t *sweep, size_t most);
/* Steps for at most about so long. */
void ama_sweep_go_on (ama_sweep_t *sweep, int64_t ms);

#endif
