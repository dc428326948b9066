/* status.h - what became of attempts and sessions, told to the supervisor until it is durable there
 *
 * The latest status of each attempt and session is kept until the supervisor acknowledges that very state; ends are also appended to a small
 * file, so that an agent that was killed and started again still tells them.
 */
#ifndef AMA_AGENT_STATUS_H
#define AMA_AGENT_STATUS_H

#include "actors/runtime/ama_actor.h"
#include "messages/attempt.h"

typedef struct ama_statuses ama_statuses_t;

/* path: the file; what it holds from before is taken over. NULL: memory only. 0 or AMA_E_IO. */
int ama_statuses_new (ama_ctx_t *ctx, const char *path, ama_statuses_t **ret_statuses, ama_err_t *err);
void ama_statuses_destroy (ama_statuses_t **statuses);

/* Copies, sends, and sends again until acknowledged. Opening sessions are told once. */
void ama_statuses_attempt (ama_statuses_t *statuses, const ama_attempt_status_t *status);
void ama_statuses_session (ama_statuses_t *statuses, const ama_attempt_session_status_t *status);

void ama_statuses_attempt_ack (ama_statuses_t *statuses, const ama_attempt_ack_t *ack);
void ama_statuses_session_ack (ama_statuses_t *statuses, const ama_attempt_session_ack_t *ack);

/* Is an end of this attempt or session waiting to be acknowledged? If so it is told again. */
bool ama_statuses_repeat (ama_statuses_t *statuses, ama_id_t id);
bool ama_statuses_has_end (const ama_statuses_t *statuses, ama_id_t id);
typedef void (ama_statuses_end_fn) (ama_id_t attempt, ama_id_t run, void *arg);
/* Attempts whose end is not acknowledged; returns their number. fn may be NULL. */
size_t ama_statuses_ends (const ama_statuses_t *statuses, ama_statuses_end_fn *fn, void *arg);
/* Tells everything that is not acknowledged, after joining a hub. */
void ama_statuses_joined (ama_statuses_t *statuses);
size_t ama_statuses_pending (const ama_statuses_t *statuses);
/* Is something of the run not acknowledged? */
bool ama_statuses_of (const ama_statuses_t *statuses, ama_id_t run);

bool ama_attempt_state_is_end (ama_attempt_state_t state);
bool ama_session_state_is_end (ama_session_state_t state);

#endif
