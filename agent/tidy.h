/* tidy.h - working data of runs is removed: of those whose retention is over, and of those that an operator has done with (internal to agent/)
 *
 * When a run has ended is known by the supervisor alone, so it is asked before anything goes; without its answer nothing does. What this agent itself still has of a
 * run (an attempt, a session, a status or an event that is not acknowledged) is reason enough to leave it alone. A folder first loses its name, on the agent's
 * thread, then its files, on a worker's, a few at a time.
 */
#ifndef AMA_AGENT_TIDY_H
#define AMA_AGENT_TIDY_H

#include "agent/agent.h"
#include "messages/attempt.h"

typedef struct ama_tidy ama_tidy_t;

/* By conf.work_age_ms of the agent. */
ama_tidy_t *ama_tidy_new (ama_agent_t *agent);
/* Waits for its worker, which does not take long. */
void ama_tidy_destroy (ama_tidy_t **tidy);

/* attempt.clean; answered when it is done. What still goes on of the run is given some seconds to end. */
void ama_tidy_order (ama_tidy_t *tidy, const ama_waiter_t *waiter, const ama_attempt_clean_t *clean);

#endif
