/* ama_worker.h - one dedicated thread for one blocking resource (the journal's database)
 *
 * Jobs run in order on the worker's thread; completions are called on the actor's thread, in order.
 */
#ifndef AMA_RUNTIME_WORKER_H
#define AMA_RUNTIME_WORKER_H

#include "actors/runtime/ama_actor.h"

typedef struct ama_worker ama_worker_t;

ama_worker_t *ama_worker_new (ama_ctx_t *ctx, const char *name);
/* work runs on the worker's thread, completed on the actor's; job stays the caller's and must live until completed. In the simulator
 * work runs when the virtual clock reaches the job's turn. */
void ama_worker_submit (ama_worker_t *worker, void (*work) (void *job), void (*completed) (void *job), void *job);
size_t ama_worker_pending (const ama_worker_t *worker);
/* Waits for the running and queued jobs; completions of jobs still queued are called before it returns. */
void ama_worker_destroy (ama_worker_t **worker);

#endif
