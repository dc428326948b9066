/* supervisor_actor.c - the supervisor: takes submits, runs them to their end, and answers for them
 *
 * The thinking is in run_core.h, the memory in journal.h; here messages become inputs. How a turn ends is told in sup.h.
 * Runs on its actor's own loop; the journal's worker is its only other thread.
 */
#include "actors/supervisor/supervisor.h"

#include "actors/base/ama_failpoint.h"
#include "actors/base/ama_log.h"
#include "actors/base/ama_str.h"
#include "actors/supervisor/sup.h"
#include "messages/ama_types.h"
#include "messages/resolve.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define MAX_ACTIVE    64
#define WARN_EVERY_MS 60000

/* ---- people ---- */

static int on_submit (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    sup_t *sup = state;
    const ama_run_submit_t *submit = body;
    ama_waiter_t waiter = ama_waiter (envelope);

    (void) ctx;
    AMA_FAILPOINT_OVER (supervisor, submitted, submit->repo);
    if (!*submit->repo)
        return ama_err_set (err, AMA_E_INVALID, "a submit needs a repository");
    if (submit->worktree && *submit->ref)
        return ama_err_set (err, AMA_E_INVALID, "a folder as it lies there has no ref");
    if (sup->no_space)
        return ama_err_set (err, AMA_E_NOSPACE,
                            "the journal has no space; running actions go on, new runs are refused");
    if (*submit->token)
        sup_submit_with_token (sup, submit, &waiter);
    else if (sup_may_submit (sup, submit, &waiter))
        sup_run_submit (sup, submit, NULL, NULL, &waiter);
    return 0;
}

static int on_cancel (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    sup_t *sup = state;
    const ama_run_cancel_t *cancel = body;
    sup_run_t *run = sup_run_find (sup, cancel->run);
    ama_waiter_t waiter = ama_waiter (envelope);
    sup_step_t step = { .kind = STEP_CANCELLED, .id = cancel->run };

    (void) ctx;
    (void) err;
    if (!run || !sup_may_know (&waiter, run)) {
        sup_answer_ended (sup, cancel->run, &waiter);
        return 0;
    }
    AMA_FAILPOINT (supervisor, cancelled);
    ama_run_core_stop (run->core, AMA_RUN_STOP_USER, cancel->force, sup_now (sup));
    step.state = (int) ama_run_core_state (run->core);
    step.waiter = ama_malloc (sizeof waiter);
    *step.waiter = waiter;
    sup_step (sup, &step);
    return 0;
}

/* ---- agents ---- */

static sup_run_t *holder_of (sup_t *sup, ama_id_t id)
{
    sup_run_t *run, *next;

    if (ama_id_is_zero (id))
        return NULL;
    HASH_ITER (hh, sup->runs, run, next)
    {
        if (ama_run_core_holds (run->core, id))
            return run;
    }
    return NULL;
}

/* An agent speaks for what it was given, and for nothing else. 0; AMA_E_STALE: it is over, or never was; AMA_E_ROLE: it is another's, of this run or
 * of a run that was not said. Such a one is not answered: it has no business with it. */
static int judge (sup_t *sup, const sup_run_t *run, ama_id_t id, const char *agent, ama_err_t *err)
{
    int rc = run ? ama_run_core_speaker (run->core, id, agent, err)
                 : ama_err_set (err, AMA_E_STALE, "the run is over, or never was");
    int64_t now_ms = ama_now_ms (sup->ctx);

    if (rc == AMA_E_STALE && holder_of (sup, id))
        rc = ama_err_set (err, AMA_E_ROLE, "it is of another run");
    sup->stale += rc == AMA_E_STALE;
    sup->not_theirs += rc == AMA_E_ROLE;
    if (rc == AMA_E_ROLE && (!sup->warned_ms || now_ms - sup->warned_ms >= WARN_EVERY_MS)) {
        sup->warned_ms = now_ms;
        ama_log (AMA_LOG_WARN, "supervisor", "%s told of an attempt that is not its own, and was not heard: %s", agent,
                 err->text);
    }
    return rc;
}

static int on_status (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    sup_t *sup = state;
    const ama_attempt_status_t *status = body;
    sup_run_t *run = sup_run_find (sup, status->run);
    sup_step_t ack = { .kind = STEP_ATTEMPT_ACK, .id = status->attempt, .state = (int) status->state };
    int rc;

    (void) ctx;
    AMA_FAILPOINT (supervisor, status);
    /* an agent that never heard of the attempt does not know its run either */
    if (ama_id_is_zero (status->run))
        run = holder_of (sup, status->attempt);
    rc = judge (sup, run, status->attempt, envelope->src, err);
    if (rc == AMA_E_ROLE)
        return rc;
    if (rc == 0)
        (void) ama_run_core_status (run->core, status, sup_now (sup));
    /* also of what is over: whoever tells of it has missed that, and may forget it */
    ack.name = ama_strdup (envelope->src);
    sup_step (sup, &ack);
    return rc;
}

static void session_opening (sup_t *sup, const ama_attempt_session_status_t *status)
{
    ama_report_event_t event = { .phase = (char *) "session", .text = status->detail };

    if (*status->detail)
        sup_progress (sup, status->run, &event);
}

static int on_session (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    sup_t *sup = state;
    const ama_attempt_session_status_t *status = body;
    sup_run_t *run = sup_run_find (sup, status->run);
    const ama_id_t none = { { 0 } };
    sup_step_t ack = { .kind = STEP_SESSION_ACK, .id = status->session, .state = (int) status->state };
    bool over = status->state == AMA_SESSION_STATE_FAILED || status->state == AMA_SESSION_STATE_LOST
                || status->state == AMA_SESSION_STATE_CLOSED;

    int rc = judge (sup, run, status->session, envelope->src, err);

    (void) ctx;
    if (rc == AMA_E_ROLE)
        return rc;
    if (status->state == AMA_SESSION_STATE_OPENING) {
        if (rc == 0)
            session_opening (sup, status);
        return rc;
    }
    if (rc < 0 || !ama_run_core_session (run->core, status, sup_now (sup))) {
        if (over)
            (void) sup_session_closed (sup, status->session, envelope->src);
        else
            sup_close_session (sup, status->session, none, 0, envelope->src);
    }
    ack.name = ama_strdup (envelope->src);
    sup_step (sup, &ack);
    return rc;
}

/* What an agent holds and nobody wants any more ends. */
static void end_unwanted (sup_t *sup, const ama_lease_agent_changed_t *change)
{
    const ama_id_t none = { { 0 } };

    for (size_t i = 0; i < change->n_held; i++) {
        const ama_lease_held_t *held = &change->held[i];
        sup_run_t *run = sup_run_find (sup, held->run);
        ama_attempt_cancel_t cancel = { .attempt = held->id, .force = true };
        if (held->ended || (run && ama_run_core_holds (run->core, held->id)))
            continue;
        if (held->session)
            sup_close_session (sup, held->id, none, 0, change->agent);
        else
            (void) ama_tell (sup->ctx, change->agent, AMA_MSG_ATTEMPT_CANCEL, &cancel);
    }
}

static int on_agent_changed (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body,
                             ama_err_t *err)
{
    sup_t *sup = state;
    const ama_lease_agent_changed_t *change = body;
    sup_run_t *run, *next;

    (void) ctx;
    (void) envelope;
    (void) err;
    HASH_ITER (hh, sup->runs, run, next)
    ama_run_core_agent (run->core, change, sup_now (sup));
    if (change->change == AMA_AGENT_CHANGE_UP) {
        sup_agent_there (sup, change->agent);
        end_unwanted (sup, change);
    }
    else if (change->change == AMA_AGENT_CHANGE_DEAD)
        sup_agent_died (sup, change->agent);
    return 0;
}

/* ---- progress ---- */

static int on_lease_waiting (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body,
                             ama_err_t *err)
{
    sup_t *sup = state;
    const ama_lease_waiting_t *waiting = body;
    sup_run_t *run = sup_run_find (sup, waiting->run);
    ama_report_event_t event = { .text = waiting->text };

    (void) ctx;
    (void) envelope;
    (void) err;
    if (!run || !ama_run_core_wants_lease (run->core, waiting->lease))
        return 0;
    ama_run_core_lease_waiting (run->core, waiting->lease, waiting->text);
    sup_progress (sup, waiting->run, &event);
    return 0;
}

static int on_fetch_progress (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body,
                              ama_err_t *err)
{
    sup_t *sup = state;
    const ama_fetch_progress_t *progress = body;
    ama_report_event_t event = {
        .phase = (char *) "fetch",
        .text = progress->text,
        .has_bytes = true,
        .bytes = progress->received,
        .has_done = true,
        .done = progress->done,
        .has_total = progress->total > 0,
        .total = progress->total,
    };

    (void) ctx;
    (void) envelope;
    (void) err;
    if (sup_run_find (sup, progress->key))
        sup_progress (sup, progress->key, &event);
    return 0;
}

static int on_resolve_progress (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body,
                                ama_err_t *err)
{
    sup_t *sup = state;
    const ama_resolve_progress_t *progress = body;
    ama_report_event_t event = {
        .phase = (char *) "resolve",
        .text = progress->text,
        .has_done = true,
        .done = progress->bytes,
        .has_total = progress->total > 0,
        .total = progress->total,
    };

    (void) ctx;
    (void) envelope;
    (void) err;
    if (sup_run_find (sup, progress->key))
        sup_progress (sup, progress->key, &event);
    return 0;
}

/* ---- life ---- */

static int open_journal (sup_t *sup, const ama_supervisor_conf_t *conf, ama_err_t *err)
{
    ama_journal_conf_t journal = { .dir = conf->data_dir, .max_bytes = conf->max_bytes };

    if (conf->journal) {
        sup->journal = *conf->journal;
        *conf->journal = NULL;
        return 0;
    }
    sup->journal = ama_journal_open (&journal, err);
    return sup->journal ? 0 : err->code;
}

static int init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    sup_t *sup = state;
    const ama_supervisor_conf_t *conf = config;

    *sup = (sup_t){
        .ctx = ctx,
        .may_submit = conf->may_submit,
        .may_submit_arg = conf->may_submit_arg,
        .max_active = conf->max_active ? conf->max_active : MAX_ACTIVE,
    };
    sup->open = sup_batch_new (sup);
    sup->lazy = ama_timer_new (ctx, sup_on_lazy, sup);
    sup->close_again = ama_timer_new (ctx, sup_on_close_again, sup);
    sup->release_again = ama_timer_new (ctx, sup_on_release_again, sup);
    sup->renew = ama_timer_new (ctx, sup_on_renew, sup);
    sup->retain = sup_retain_new (sup, &conf->retention);
    ama_timer_after (sup->renew, SUP_RENEW_MS);
    if (open_journal (sup, conf, err) < 0 || sup_load (sup, err) < 0)
        return err->code;
    sup->worker = ama_worker_new (ctx, "journal");
    return 0;
}

static void joined (ama_ctx_t *ctx, void *state, uint64_t epoch)
{
    sup_t *sup = state;

    (void) ctx;
    (void) epoch;
    if (sup->resumed)
        return;
    sup->resumed = true;
    sup_resume (sup);
    sup_retain_start (sup);
}

/* A broker that was started again may never have heard of the agent, and says nothing of its end. */
static void agent_gone (sup_t *sup, const char *name)
{
    const ama_lease_agent_changed_t change = { .agent = (char *) name, .change = AMA_AGENT_CHANGE_LOST };
    sup_run_t *run, *next;

    HASH_ITER (hh, sup->runs, run, next)
    ama_run_core_agent (run->core, &change, sup_now (sup));
}

/* The next broker knows nothing: what is held is said again before it has given it to others. */
static void on_peer_gone (ama_ctx_t *ctx, void *state, const char *name)
{
    sup_t *sup = state;

    (void) ctx;
    if (!sup->resumed || sup->stopping)
        return;
    if (strcmp (name, "broker") == 0)
        sup_on_renew (sup);
    else if (ama_str_starts (name, "agent/"))
        agent_gone (sup, name);
}

static void stop (ama_ctx_t *ctx, void *state)
{
    sup_t *sup = state;

    if (sup->stopping)
        return;
    sup->stopping = true;
    if (!sup->flying || sup->no_space)
        ama_exit (ctx, 0, "stopped");
}

static void done (void *state)
{
    sup_t *sup = state;
    sup_run_t *run, *next;
    sup_token_t *token, *next_token;
    sup_closing_t *closing, *next_closing;
    sup_release_t *release, *next_release;

    sup->closing = true;
    if (sup->worker)
        ama_worker_destroy (&sup->worker);
    sup_works_done (sup);
    sup_queries_done (sup);
    sup_batch_destroy (&sup->flying);
    sup_batch_destroy (&sup->open);
    HASH_ITER (hh, sup->runs, run, next)
    sup_run_destroy (&run);
    HASH_ITER (hh, sup->tokens, token, next_token)
    {
        /* uthash: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        HASH_DEL (sup->tokens, token);
        free (token->token);
        free (token);
    }
    DL_FOREACH_SAFE (sup->closing_sessions, closing, next_closing)
    {
        /* utlist: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
        DL_DELETE (sup->closing_sessions, closing);
        free (closing);
    }
    DL_FOREACH_SAFE (sup->releases, release, next_release)
    {
        /* utlist: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
        DL_DELETE (sup->releases, release);
        free (release);
    }
    sup_posts_done (sup);
    ama_timer_destroy (&sup->lazy);
    ama_timer_destroy (&sup->close_again);
    ama_timer_destroy (&sup->release_again);
    ama_timer_destroy (&sup->renew);
    sup_retain_destroy (&sup->retain);
    ama_journal_close (&sup->journal);
}

static const ama_handler_t handlers[] = {
    { AMA_MSG_RUN_SUBMIT, on_submit },
    { AMA_MSG_RUN_CANCEL, on_cancel },
    { AMA_MSG_RUN_LIST, sup_on_list },
    { AMA_MSG_RUN_SHOW, sup_on_show },
    { AMA_MSG_RUN_OWNER, sup_on_owner },
    { AMA_MSG_RUN_CLEAN, sup_on_clean },
    { AMA_MSG_DEPOT_SPARE, sup_on_spare },
    { AMA_MSG_ATTEMPT_SPARE, sup_on_work_spare },
    { AMA_MSG_ATTEMPT_STATUS, on_status },
    { AMA_MSG_ATTEMPT_SESSION_STATUS, on_session },
    { AMA_MSG_LEASE_AGENT_CHANGED, on_agent_changed },
    { AMA_MSG_LEASE_WAITING, on_lease_waiting },
    { AMA_MSG_FETCH_PROGRESS, on_fetch_progress },
    { AMA_MSG_RESOLVE_PROGRESS, on_resolve_progress },
    AMA_HANDLER_END,
};

const ama_actor_def_t ama_supervisor_def = {
    .name = "supervisor",
    .role = AMA_ROLE_SUPERVISOR,
    .state_size = sizeof (sup_t),
    .init = init,
    .stop = stop,
    .done = done,
    .joined = joined,
    .peer_gone = on_peer_gone,
    .handlers = handlers,
};
