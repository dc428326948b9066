/* sup_dialog.c - effects of run cores become messages, and answers inputs of run cores
 *
 * On the actor's thread, after the commit the effect belongs to (questions: ahead of it). A request whose receiver is not there (or says nothing) is repeated
 * with growing pauses for as long as the run wants it: every receiver knows it again by its id. What the receiver itself answers
 * goes to the core.
 */
#include "actors/supervisor/sup.h"

#include "messages/ama_types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define RETRY_FIRST_MS 100
#define RETRY_MOST_MS  5000
/* After this long the request is sent again: it, or its answer, may have been lost. The receivers' own deadlines are theirs. */
#define ASK_AGAIN_MS   30000
#define START_AGAIN_MS 10000
#define CLOSE_AGAIN_MS 5000
#define CLOSE_TELL_MS  60000 /* an agent that is there says so every 30 s */
/* A lease that is not known to be free yet keeps others waiting, and so does one that is not known to be granted: its run holds others. The wish for it is said
 * again after this long, then after twice as long, and so on to SUP_RENEW_MS. */
#define LEASE_AGAIN_MS    2000
#define RELEASE_ANSWER_MS 2000
#define RELEASE_AGAIN_MS  200

struct sup_ask {
    sup_run_t *run;
    ama_run_effect_t effect; /* its agent is `agent`, or NULL */
    char agent[AMA_NAME_MAX];
    uint64_t no; /* of the runtime's ask, 0 while it waits to be repeated */
    int64_t pause_ms;
    int64_t patience_ms; /* of a lease */
    ama_timer_t *again;
    sup_ask_t *prev, *next;
};

static void send_ask (sup_ask_t *ask);

/* ---- asks ---- */

static bool is_new_lease (const sup_ask_t *ask)
{
    return ask->effect.kind == AMA_RUN_LEASE && !ask->effect.agent;
}

static void ask_destroy (sup_ask_t *ask)
{
    sup_run_t *run = ask->run;

    if (is_new_lease (ask)) {
        run->lease_asks--;
        run->sup->lease_asks--;
    }
    /* utlist: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    DL_DELETE (run->asks, ask);
    ama_timer_destroy (&ask->again);
    free (ask);
}

static void ask_cancel (sup_ask_t *ask)
{
    if (ask->no && !ask->run->sup->closing)
        ama_ask_cancel (ask->run->sup->ctx, ask->no);
    ask_destroy (ask);
}

void sup_asks_drop (sup_run_t *run)
{
    while (run->asks)
        ask_cancel (run->asks);
}

static void on_again (void *arg)
{
    send_ask (arg);
}

/* Was it the receiver who said so, or is there none? */
static bool nobody_answered (const ama_envelope_t *envelope, const ama_err_t *err)
{
    return err && (!envelope || envelope->role == AMA_ROLE_HUB || err->code == AMA_E_BUSY);
}

static void deliver (sup_ask_t *ask, const void *body, const ama_err_t *err)
{
    sup_run_t *run = ask->run;
    const ama_run_effect_t effect = ask->effect;
    ama_run_now_t now = sup_now (run->sup);

    ask_destroy (ask);
    switch (effect.kind) {
    case AMA_RUN_FETCH:
        ama_run_core_fetched (run->core, body, err, now);
        break;
    case AMA_RUN_PLAN:
        ama_run_core_planned (run->core, body, err, now);
        break;
    case AMA_RUN_RESOLVE:
        ama_run_core_resolved (run->core, effect.action, body, err, now);
        break;
    case AMA_RUN_LEASE:
        ama_run_core_leased (run->core, effect.id, body, err, now);
        break;
    case AMA_RUN_START:
        ama_run_core_taken (run->core, effect.id, err, now);
        break;
    case AMA_RUN_SESSION_OPEN:
        if (err)
            ama_run_core_session_refused (run->core, effect.id, err, now);
        break;
    default:
        break;
    }
}

static void on_answer (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    sup_ask_t *ask = arg;

    (void) ctx;
    ask->no = 0;
    if (ask->run->sup->stopping)
        return;
    if (!nobody_answered (envelope, err)) {
        deliver (ask, body, err);
        return;
    }
    if (err->code == AMA_E_TIMEOUT)
        ask->pause_ms = 0; /* the pause has been long enough */
    ask->pause_ms = ask->pause_ms ? 2 * ask->pause_ms : RETRY_FIRST_MS;
    if (ask->pause_ms > RETRY_MOST_MS)
        ask->pause_ms = RETRY_MOST_MS;
    if (!ask->again)
        ask->again = ama_timer_new (ask->run->sup->ctx, on_again, ask);
    ama_timer_after (ask->again, ask->pause_ms);
}

static void ask_with (sup_ask_t *ask, const char *dst, uint16_t type, const void *body, int64_t timeout_ms)
{
    ask->no = ama_ask (ask->run->sup->ctx, dst, type, body, timeout_ms, 0, on_answer, ask);
}

static void ask_lease (sup_ask_t *ask)
{
    const ama_run_effect_t *effect = &ask->effect;
    ama_lease_request_t body = {
        .lease = effect->id,
        .run = ask->run->id,
        .cpus = effect->cpus,
        .memory = effect->memory,
        .agent = ask->agent,
        .all_cpus = effect->all_cpus,
        .session = effect->session,
    };

    ask->patience_ms = ask->patience_ms ? 2 * ask->patience_ms : LEASE_AGAIN_MS;
    if (ask->patience_ms > SUP_RENEW_MS)
        ask->patience_ms = SUP_RENEW_MS;
    ask_with (ask, "broker", AMA_MSG_LEASE_REQUEST, &body, ask->patience_ms);
}

static void ask_resolve (sup_ask_t *ask)
{
    ama_resolve_request_t body;

    ama_run_core_resolve_request (ask->run->core, ask->effect.action, &body);
    ask_with (ask, "resolver", AMA_MSG_RESOLVE_REQUEST, &body, ASK_AGAIN_MS);
    free (body.repositories);
    free (body.artifacts);
}

static void send_ask (sup_ask_t *ask)
{
    ama_run_core_t *core = ask->run->core;
    ama_fetch_request_t fetch;
    ama_plan_request_t plan;
    ama_attempt_start_t start;
    ama_run_next_room_t room;
    ama_attempt_session_open_t open;

    switch (ask->effect.kind) {
    case AMA_RUN_FETCH:
        ama_run_core_fetch_request (core, &fetch);
        ask_with (ask, "fetcher", AMA_MSG_FETCH_REQUEST, &fetch, ASK_AGAIN_MS);
        break;
    case AMA_RUN_PLAN:
        ama_run_core_plan_request (core, &plan);
        ask_with (ask, "planner", AMA_MSG_PLAN_REQUEST, &plan, ASK_AGAIN_MS);
        break;
    case AMA_RUN_RESOLVE:
        ask_resolve (ask);
        break;
    case AMA_RUN_LEASE:
        ask_lease (ask);
        break;
    case AMA_RUN_START:
        if (ama_run_core_start_request (core, ask->effect.id, &start, &room)) {
            ask_with (ask, ask->agent, AMA_MSG_ATTEMPT_START, &start, START_AGAIN_MS);
            ama_run_core_start_request_done (&start);
        }
        else
            ask_destroy (ask);
        break;
    case AMA_RUN_SESSION_OPEN:
        if (ama_run_core_open_request (core, ask->effect.id, &open)) {
            ask_with (ask, ask->agent, AMA_MSG_ATTEMPT_SESSION_OPEN, &open, START_AGAIN_MS);
            free (open.paths);
        }
        else
            ask_destroy (ask);
        break;
    default:
        BUG_ON (true);
    }
}

void sup_announce (sup_run_t *run, const ama_run_effect_t *effect)
{
    ama_attempt_prepare_t prepare;
    ama_attempt_next_t next[1];

    if (effect->agent && ama_run_core_prepare_request (run->core, effect->id, &prepare, next))
        (void) ama_tell (run->sup->ctx, effect->agent, AMA_MSG_ATTEMPT_PREPARE, &prepare);
}

static void ask_new (sup_run_t *run, const ama_run_effect_t *effect)
{
    sup_ask_t *ask = ama_calloc (1, sizeof *ask);

    ask->run = run;
    ask->effect = *effect;
    (void) snprintf (ask->agent, sizeof ask->agent, "%s", effect->agent ? effect->agent : "");
    ask->effect.agent = effect->agent ? ask->agent : NULL;
    DL_APPEND (run->asks, ask);
    send_ask (ask);
}

static bool same (const sup_ask_t *ask, const ama_run_effect_t *effect)
{
    return ask->effect.kind == effect->kind && ask->effect.action == effect->action
           && ama_id_equal (ask->effect.id, effect->id);
}

/* What is asked already is not asked again. */
static void ask_once (sup_run_t *run, const ama_run_effect_t *effect)
{
    sup_ask_t *ask;

    DL_FOREACH (run->asks, ask)
    {
        if (same (ask, effect))
            return;
    }
    ask_new (run, effect);
}

/* ---- leases, stops, sessions ---- */

static void on_released (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                         void *arg)
{
    sup_release_t *released = arg;
    sup_t *sup = released->sup;

    (void) ctx;
    (void) envelope;
    (void) body;
    released->under_way = false;
    if (sup->stopping)
        return;
    if (err) {
        ama_timer_after (sup->release_again, RELEASE_AGAIN_MS);
        return;
    }
    DL_DELETE (sup->releases, released);
    free (released);
}

static void ask_release (sup_release_t *released)
{
    ama_lease_release_t body = { .lease = released->lease };

    released->under_way = true;
    (void) ama_ask (released->sup->ctx, "broker", AMA_MSG_LEASE_RELEASE, &body, RELEASE_ANSWER_MS, 0, on_released,
                    released);
}

static void release (sup_t *sup, ama_id_t lease)
{
    sup_release_t *released;

    if (ama_id_is_zero (lease))
        return;
    released = ama_calloc (1, sizeof *released);
    released->sup = sup;
    released->lease = lease;
    DL_APPEND (sup->releases, released);
    ask_release (released);
}

void sup_on_release_again (void *arg)
{
    sup_t *sup = arg;
    sup_release_t *released, *next;

    DL_FOREACH_SAFE (sup->releases, released, next)
    {
        if (!released->under_way)
            ask_release (released);
    }
}

static void unlease (sup_run_t *run, ama_id_t lease)
{
    sup_ask_t *ask, *next;

    DL_FOREACH_SAFE (run->asks, ask, next)
    {
        if (ask->effect.kind == AMA_RUN_LEASE && ama_id_equal (ask->effect.id, lease))
            ask_cancel (ask);
    }
    release (run->sup, lease);
}

static void stop_attempt (sup_run_t *run, const ama_run_effect_t *effect)
{
    ama_attempt_cancel_t body = { .attempt = effect->id, .timed_out = effect->timed_out, .force = effect->force };

    (void) ama_tell (run->sup->ctx, effect->agent, AMA_MSG_ATTEMPT_CANCEL, &body);
}

static void tell_close (sup_t *sup, const sup_closing_t *closing)
{
    ama_attempt_session_close_t body = { .session = closing->id };
    (void) ama_tell (sup->ctx, closing->agent, AMA_MSG_ATTEMPT_SESSION_CLOSE, &body);
}

void sup_close_session (sup_t *sup, ama_id_t session, ama_id_t lease, int64_t gone_ms, const char *agent)
{
    sup_closing_t *closing;

    DL_FOREACH (sup->closing_sessions, closing)
    {
        if (!ama_id_equal (closing->id, session))
            continue;
        if (ama_id_is_zero (closing->lease)) { /* its agent told of it before what its run's end asks for was durable */
            closing->lease = lease;
            closing->gone_ms = gone_ms;
        }
        return;
    }
    closing = ama_calloc (1, sizeof *closing);
    closing->id = session;
    closing->lease = lease;
    closing->gone_ms = gone_ms;
    closing->heard_ms = ama_now_ms (sup->ctx);
    (void) snprintf (closing->agent, sizeof closing->agent, "%s", agent);
    DL_APPEND (sup->closing_sessions, closing);
    tell_close (sup, closing);
    ama_timer_after (sup->close_again, CLOSE_AGAIN_MS);
}

static void closing_done (sup_t *sup, sup_closing_t *closing)
{
    release (sup, closing->lease);
    /* utlist: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    DL_DELETE (sup->closing_sessions, closing);
    free (closing);
}

bool sup_session_closed (sup_t *sup, ama_id_t session, const char *agent)
{
    sup_closing_t *closing;

    DL_FOREACH (sup->closing_sessions, closing)
    {
        if (ama_id_equal (closing->id, session) && strcmp (closing->agent, agent) == 0) {
            closing_done (sup, closing);
            return true;
        }
    }
    return false;
}

void sup_agent_there (sup_t *sup, const char *agent)
{
    sup_closing_t *closing;

    DL_FOREACH (sup->closing_sessions, closing)
    {
        if (strcmp (closing->agent, agent) == 0)
            closing->heard_ms = ama_now_ms (sup->ctx);
    }
}

void sup_agent_died (sup_t *sup, const char *agent)
{
    sup_closing_t *closing, *next;

    DL_FOREACH_SAFE (sup->closing_sessions, closing, next)
    {
        if (strcmp (closing->agent, agent) == 0)
            closing_done (sup, closing);
    }
}

void sup_on_renew (void *arg)
{
    sup_t *sup = arg;
    sup_run_t *run, *next;

    HASH_ITER (hh, sup->runs, run, next)
    ama_run_core_renew (run->core);
    ama_timer_after (sup->renew, SUP_RENEW_MS);
}

void sup_on_close_again (void *arg)
{
    sup_t *sup = arg;
    sup_closing_t *closing, *next;

    /* to one that is away nothing is said, and what nobody has extended for long has ended: when the agent is back after all, it says what it holds */
    DL_FOREACH_SAFE (sup->closing_sessions, closing, next)
    {
        int64_t silent_ms = ama_now_ms (sup->ctx) - closing->heard_ms;
        if (silent_ms < CLOSE_TELL_MS)
            tell_close (sup, closing);
        else if (closing->gone_ms >= 0 && silent_ms >= closing->gone_ms)
            closing_done (sup, closing);
    }
    if (sup->closing_sessions)
        ama_timer_after (sup->close_again, CLOSE_AGAIN_MS);
}

/* ---- effects ---- */

static void drop_phase_asks (sup_run_t *run)
{
    sup_ask_t *ask, *next;

    DL_FOREACH_SAFE (run->asks, ask, next)
    {
        if (ask->effect.kind == AMA_RUN_FETCH || ask->effect.kind == AMA_RUN_PLAN
            || ask->effect.kind == AMA_RUN_RESOLVE)
            ask_cancel (ask);
    }
}

static void wake_at (sup_run_t *run, int64_t when_ms)
{
    if (!run->timer)
        run->timer = ama_timer_new (run->sup->ctx, sup_run_on_timer, run);
    ama_timer_at (run->timer, when_ms);
}

void sup_perform (sup_run_t *run, const ama_run_effect_t *effect)
{
    switch (effect->kind) {
    case AMA_RUN_FETCH:
    case AMA_RUN_PLAN:
    case AMA_RUN_RESOLVE:
    case AMA_RUN_START:
    case AMA_RUN_SESSION_OPEN:
    case AMA_RUN_LEASE:
        ask_once (run, effect);
        break;
    case AMA_RUN_UNLEASE:
        unlease (run, effect->id);
        break;
    case AMA_RUN_SESSION_CLOSE:
        sup_close_session (run->sup, effect->id, effect->lease, effect->gone_ms, effect->agent);
        break;
    case AMA_RUN_STOP:
        stop_attempt (run, effect);
        break;
    case AMA_RUN_WAKE_AT:
        wake_at (run, effect->when_ms);
        break;
    case AMA_RUN_DROP_ASKS:
        drop_phase_asks (run);
        break;
    case AMA_RUN_DONE:
        sup_run_over (run);
        sup_run_destroy (&run);
        break;
    }
}
