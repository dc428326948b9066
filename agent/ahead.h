/* ahead.h - attempts whose bash or kernel was started before their time
 *
 * A start names the shell actions that can only follow it (attempt.start, next), and the action whose kernel can (kernels); of other shell actions the agent hears
 * while their start is still being written to the journal (attempt.prepare). Their folders are made and bash is started, which waits in the prelude, or the kernel, which
 * waits for its order; when the start of such an action comes, it only has to be let go. What is not needed after all ends without a trace: at once when an
 * attempt of its run did not succeed, else a second after the last one. A kernel, which takes memory, waits for five minutes at most (ahead_ms).
 */
#ifndef AMA_AGENT_AHEAD_H
#define AMA_AGENT_AHEAD_H

#include "agent/attempt.h"

ama_aheads_t *ama_aheads_new (ama_agent_t *agent);
void ama_aheads_destroy (ama_aheads_t **aheads);

/* An attempt begins: what start->next names will be made. */
void ama_ahead_want (ama_agent_t *agent, const ama_attempt_start_t *start);
/* The starts of these will come next, or within a second not at all: they are made now. */
void ama_ahead_prepare (ama_agent_t *agent, const ama_attempt_prepare_t *prepare);
/* The attempt made ahead for this start and runner; NULL if there is none. It is the caller's. */
ama_attempt_t *ama_ahead_take (ama_agent_t *agent, const ama_attempt_start_t *start, const ama_runner_t *runner);
/* An attempt of the run has ended. */
void ama_ahead_after (ama_agent_t *agent, ama_id_t run, bool succeeded);
/* Ends those of a run, or all if run is NULL. */
void ama_ahead_drop (ama_agent_t *agent, const ama_id_t *run);
/* Some of the run are wanted, or have not ended. */
bool ama_ahead_of (const ama_agent_t *agent, ama_id_t run);
/* Some have not ended yet. */
bool ama_ahead_pending (const ama_agent_t *agent);

/* For runners: the processes of an attempt that has not begun are gone. It is freed. */
void ama_ahead_ended (ama_attempt_t *attempt);
/* It will never begin, and ama_ahead_ended follows. */
void ama_ahead_failed (ama_attempt_t *attempt);

#endif
