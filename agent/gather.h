/* gather.h - attempts and sessions whose snapshot and jars are on their way to this host (internal to agent/)
 *
 * Only where the agent has another disk than those who fetched and resolved (conf.depot). What is gathered counts as held: the supervisor has our word for it.
 */
#ifndef AMA_AGENT_GATHER_H
#define AMA_AGENT_GATHER_H

#include "agent/agent.h"
#include "messages/attempt.h"
#include "messages/lease.h"

typedef struct ama_gather ama_gather_t;

/* NULL if the agent's disk is that of all: every function takes it. */
ama_gather_t *ama_gather_new (ama_agent_t *agent);
void ama_gather_destroy (ama_gather_t **gather);

/* Calls ama_agent_begin or ama_session_open with this host's paths, at once without a gather; or tells that it failed. */
void ama_gather_attempt (ama_agent_t *agent, const ama_attempt_start_t *start);
void ama_gather_session (ama_agent_t *agent, const ama_attempt_session_open_t *open);

/* With a gather only: other files that a resolver has named come to this host; *path is then changed to where one lies here. */
void ama_gather_files (ama_agent_t *agent, const char *const *paths, size_t n,
                       void (*fn) (void *arg, const ama_err_t *err), void *arg);
void ama_gather_local (const ama_agent_t *agent, char **path);

/* Is the attempt or session gathered? */
bool ama_gather_has (const ama_agent_t *agent, ama_id_t id);
/* It is not wanted any more. */
void ama_gather_drop (ama_agent_t *agent, ama_id_t id);
size_t ama_gather_count (const ama_agent_t *agent);
/* Is something of the run gathered? */
bool ama_gather_of (const ama_agent_t *agent, ama_id_t run);
/* Adds all of them to what the hello says; there must be room. */
void ama_gather_list (const ama_agent_t *agent, ama_lease_agent_hello_t *hello);

/* What is made ahead of its time: only with a snapshot that is here. *body is changed to its path, which is owned and to be freed; false: not here. */
bool ama_gather_prepare (ama_agent_t *agent, ama_attempt_prepare_t *body, char **ret_path);

#endif
