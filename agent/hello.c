/* hello.c - see hello.h; on the agent's thread */
#include "agent/hello.h"

#include "actors/base/ama_failpoint.h"
#include "actors/base/ama_log.h"
#include "agent/attempt.h"
#include "agent/gather.h"
#include "agent/session.h"
#include "agent/status.h"
#include "messages/ama_types.h"
#include "messages/lease.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    ANSWER_MS = 5000,
    TRY_MS = 200,
    SOON_MS = 250,   /* what the broker told of us may have been lost: the supervisor can come after the broker */
    AGAIN_MS = 30000 /* by doubled pauses */
};

static void on_welcome (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                        void *arg);

static void hold_session (ama_session_t *session, ama_id_t id, ama_id_t run, void *arg)
{
    ama_lease_agent_hello_t *hello = arg;

    (void) session;
    hello->held[hello->n_held++] = (ama_lease_held_t){ .id = id, .run = run, .session = true };
}

static void hold_end (ama_id_t id, ama_id_t run, void *arg)
{
    ama_lease_agent_hello_t *hello = arg;

    hello->held[hello->n_held++] = (ama_lease_held_t){ .id = id, .run = run, .ended = true };
}

static void say (ama_agent_t *agent)
{
    ama_lease_agent_hello_t hello = { .agent = (char *) ama_self (agent->ctx),
                                      .pid = agent->conf.far ? 0 : (uint32_t) getpid (),
                                      .cpus = agent->conf.cpus,
                                      .memory = agent->conf.memory,
                                      .incarnation = agent->incarnation };
    ama_attempt_t *attempt, *spare;

    hello.held = ama_calloc (HASH_COUNT (agent->attempts) + ama_session_list (agent, NULL, NULL)
                                 + ama_gather_count (agent) + ama_statuses_ends (agent->statuses, NULL, NULL),
                             sizeof *hello.held);
    HASH_ITER (hh, agent->attempts, attempt, spare)
    {
        hello.held[hello.n_held++] = (ama_lease_held_t){ .id = attempt->id, .run = attempt->run };
    }
    (void) ama_session_list (agent, hold_session, &hello);
    ama_gather_list (agent, &hello);
    (void) ama_statuses_ends (agent->statuses, hold_end, &hello);
    AMA_FAILPOINT (agent, hello);
    (void) ama_ask (agent->ctx, "broker", AMA_MSG_LEASE_AGENT_HELLO, &hello, ANSWER_MS, 0, on_welcome, agent);
    free (hello.held);
}

void ama_hello_again (void *arg)
{
    ama_agent_t *agent = arg;

    if (agent->hello_open || !agent->parted_ms)
        say (agent);
}

static void on_welcome (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                        void *arg)
{
    ama_agent_t *agent = arg;

    (void) ctx, (void) body;
    if (!err) {
        agent->hello_pause_ms = agent->hello_open ? SOON_MS : 2 * agent->hello_pause_ms;
        if (agent->hello_pause_ms > AGAIN_MS)
            agent->hello_pause_ms = AGAIN_MS;
        agent->hello_open = false;
        ama_timer_after (agent->hello, agent->hello_pause_ms);
    }
    else if (!agent->parted_ms) { /* the broker is not there yet, or has another agent */
        bool refused = envelope && envelope->role == AMA_ROLE_BROKER;
        if (refused)
            ama_log_err ("agent", err, "not wanted");
        ama_timer_after (agent->hello, refused ? ANSWER_MS : TRY_MS);
    }
}

void ama_hello_say (ama_agent_t *agent)
{
    agent->hello_open = true;
    say (agent);
}

void ama_hello_soon (ama_agent_t *agent)
{
    agent->hello_open = true;
    ama_timer_after (agent->hello, TRY_MS);
}
