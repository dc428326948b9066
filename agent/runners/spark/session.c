/* session.c - Spark sessions of runs: not there yet; every one fails with a clear text. On the agent's thread. */
#include "agent/session.h"

#include <stdlib.h>

void ama_session_open (ama_agent_t *agent, const ama_attempt_session_open_t *open)
{
    ama_attempt_session_status_t status = { .session = open->session,
                                            .run = open->run,
                                            .state = AMA_SESSION_STATE_FAILED,
                                            .detail = (char *) "this agent has no Spark yet" };
    ama_statuses_session (agent->statuses, &status);
}

ama_session_t *ama_session_find (const ama_agent_t *agent, ama_id_t id)
{
    ama_session_t *session;

    HASH_FIND (hh, agent->sessions, &id, sizeof id, session);
    return session;
}

void ama_session_close (ama_session_t *session, bool force)
{
    (void) session, (void) force;
}

void ama_session_drop (ama_session_t *session)
{
    (void) session;
}

static int start (ama_attempt_t *attempt, const ama_attempt_start_t *message, ama_err_t *err)
{
    (void) attempt, (void) message;
    return ama_err_set (err, AMA_E_UNSUPPORTED, "this agent has no Spark yet");
}

static void cancel (ama_attempt_t *attempt, bool force)
{
    (void) attempt, (void) force;
}

static void done (ama_attempt_t *attempt)
{
    (void) attempt;
}

const ama_runner_t ama_scala_runner = { .name = "spark-scala", .start = start, .cancel = cancel, .done = done };
