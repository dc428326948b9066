/* guard.h - a small process that ends what the agent started when the agent itself is killed
 *
 * Everything the agent starts carries AMA_GUARD=<token> in its environment. The program ama-guard reads a pipe whose other end only the agent
 * has; when that ends it kills every process with the token until none is left. A process that wipes its environment escapes it.
 */
#ifndef AMA_AGENT_GUARD_H
#define AMA_AGENT_GUARD_H

#include "agent/agent.h"

/* Starts agent->conf.guard. NULL and err if it can not be started. It is started again if it dies. */
ama_guard_t *ama_guard_new (ama_agent_t *agent, ama_err_t *err);
/* The guard sees the pipe end, finds nothing to kill, and exits. */
void ama_guard_destroy (ama_guard_t **guard);

#endif
