/* hello.h - the agent tells the broker that it is there, and what it holds: at its joining, soon after, and ever more rarely
 *
 * On the agent's thread. What the broker makes of a hello it tells the supervisor once, and that may be lost; so it is said again.
 */
#ifndef AMA_AGENT_HELLO_H
#define AMA_AGENT_HELLO_H

#include "agent/agent.h"

/* To a hub that was just joined. */
void ama_hello_say (ama_agent_t *agent);
/* The broker went away: its successor is tried until it answers. */
void ama_hello_soon (ama_agent_t *agent);
/* The handler of agent->hello. */
void ama_hello_again (void *arg);

#endif
