/* session.h - what the agent knows of a Spark session: opened, found, closed (internal to agent/) */
#ifndef AMA_AGENT_SESSION_H
#define AMA_AGENT_SESSION_H

#include "agent/attempt.h"

/* The first members of every session; the rest is runners/spark's. */
struct ama_session {
    ama_id_t id, run;
    UT_hash_handle hh;
};

void ama_session_open (ama_agent_t *agent, const ama_attempt_session_open_t *open);
ama_session_t *ama_session_find (const ama_agent_t *agent, ama_id_t id);
void ama_session_close (ama_session_t *session, bool force);
void ama_session_drop (ama_session_t *session);

extern const ama_runner_t ama_scala_runner;

#endif
