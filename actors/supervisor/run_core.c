/* run_core.c - the inputs of a run: what was asked for, answered, said by agents, and the passing of time
 *
 * Called by the supervisor's shell on its thread, and by tests and the simulator. See run_core.h for the states. Late, repeated and
 * unknown inputs are normal (delivery is at least once) and change nothing.
 */
#include "actors/supervisor/run_core.h"

#include "actors/supervisor/run_state.h"

#include <stdlib.h>
#include <string.h>

static const ama_id_t no_id;

/* ---- life ---- */

ama_run_core_t *ama_run_core_new (ama_id_t id, const ama_run_port_t *port)
{
    ama_run_core_t *run = ama_calloc (1, sizeof *run);

    run->id = id;
    run->port = port;
    run->exit = -1;
    run->failing = -1;
    run->wake_ms = INT64_MAX;
    run->session.agent = "";
    return run;
}

void ama_run_core_destroy (ama_run_core_t **run_p)
{
    ama_run_core_t *run = *run_p;

    if (!run)
        return;
    *run_p = NULL;
    run_dag_free (run);
    ama_journal_submitted_done (&run->submit);
    ama_journal_fetched_done (&run->source);
    run_timers_done (&run->timers);
    run_list_done (&run->ready);
    run_list_done (&run->asking);
    run_list_done (&run->in_line);
    run_list_done (&run->open);
    run_list_done (&run->fresh_sets);
    for (size_t i = 0; i < run->n_agents; i++)
        free (run->agents[i]);
    free (run->agents);
    free (run->session.detail);
    free (run->cause);
    free (run->waiting);
    free (run);
}

int ama_run_core_replay (ama_run_core_t *run, uint16_t type, const void *body, ama_run_now_t now, ama_err_t *err)
{
    return run_apply (run, type, body, now, err);
}

/* ---- submit, fetch ---- */

void ama_run_core_submit (ama_run_core_t *run, const ama_run_submit_t *submit, const char *owner, ama_run_now_t now)
{
    ama_journal_submitted_t submitted = {
        .repo = submit->repo,
        .ref = submit->ref,
        .env = submit->env,
        .name = submit->name,
        .params = submit->params,
        .n_params = submit->n_params,
        .worktree = submit->worktree,
        .strict = submit->strict,
        .owner = (char *) owner,
    };

    run_emit (run, AMA_MSG_JOURNAL_SUBMITTED, &submitted, now);
}

static void start_phase (ama_run_core_t *run, ama_run_phase_t phase, ama_run_now_t now)
{
    ama_journal_phase_started_t started = { .phase = phase };

    run_emit (run, AMA_MSG_JOURNAL_PHASE_STARTED, &started, now);
}

void ama_run_core_activate (ama_run_core_t *run, ama_run_now_t now)
{
    if (run->state != AMA_RUN_STATE_QUEUED)
        return;
    start_phase (run, AMA_RUN_PHASE_FETCH, now);
    run_effect (run, &(ama_run_effect_t){ .kind = AMA_RUN_FETCH });
}

/* The user's mistake, or the world's? */
static bool is_invalid_job (int code)
{
    switch (code) {
    case AMA_E_SYNTAX:
    case AMA_E_LIMIT:
    case AMA_E_DUPKEY:
    case AMA_E_PATH:
    case AMA_E_URL:
    case AMA_E_UNSUPPORTED:
    case AMA_E_NOT_FOUND:
    case AMA_E_INVALID:
    case AMA_E_USAGE:
        return true;
    default:
        return false;
    }
}

/* problems may be NULL; the first of them that is an error says why. */
static void fail_phase (ama_run_core_t *run, const ama_err_t *error, const ama_plan_reply_t *problems,
                        ama_run_now_t now)
{
    ama_journal_phase_failed_t failed = {
        .phase = run->phase,
        .code = error->code,
        .text = (char *) error->text,
        .ms = now.mono_ms - run->phase_ms,
    };
    bool invalid = is_invalid_job (error->code) && run->phase != AMA_RUN_PHASE_RESOLVE;
    ama_str_t cause = { 0 };

    if (problems) {
        failed.problems = problems->problems;
        failed.n_problems = problems->n_problems;
    }
    ama_str_printf (&cause, "%s: %s", ama_run_phase_name (run->phase), error->text);
    run_emit (run, AMA_MSG_JOURNAL_PHASE_FAILED, &failed, now);
    run_end (run, invalid ? AMA_RUN_STATE_FAILED : AMA_RUN_STATE_ERRORED, invalid ? 2 : 5, cause.data, now);
    ama_str_done (&cause);
}

void ama_run_core_fetched (ama_run_core_t *run, const ama_fetch_reply_t *reply, const ama_err_t *error,
                           ama_run_now_t now)
{
    if (run->phase != AMA_RUN_PHASE_FETCH)
        return;
    if (error) {
        fail_phase (run, error, NULL, now);
        return;
    }
    ama_journal_fetched_t fetched = {
        .commit = reply->commit,
        .snapshot = reply->snapshot,
        .files = reply->files,
        .bytes = reply->bytes,
        .ref = reply->ref,
        .subject = reply->subject,
        .dirty = reply->dirty,
        .cached = reply->cached,
        .warnings = reply->warnings,
        .n_warnings = reply->n_warnings,
        .ms = now.mono_ms - run->phase_ms,
    };
    run_emit (run, AMA_MSG_JOURNAL_FETCHED, &fetched, now);
    start_phase (run, AMA_RUN_PHASE_PLAN, now);
    run_effect (run, &(ama_run_effect_t){ .kind = AMA_RUN_PLAN });
}

/* ---- plan, resolve, start ---- */

static void begin (ama_run_core_t *run, int64_t resolve_ms, ama_run_now_t now)
{
    ama_journal_run_started_t started = { .resolve_ms = resolve_ms };

    run_emit (run, AMA_MSG_JOURNAL_RUN_STARTED, &started, now);
    for (uint32_t i = 0; i < run->plan->n_actions; i++) {
        if (run->actions[i].spark && run->actions[i].active) {
            run_session_want (run); /* opened while other actions run before it is needed */
            break;
        }
    }
    run_settle (run, now);
}

void run_ask_sets (ama_run_core_t *run)
{
    if (run->shared && run->shared->state == RUN_SET_WANTED)
        run_effect (run, &(ama_run_effect_t){ .kind = AMA_RUN_RESOLVE, .action = AMA_RUN_SHARED });
    for (uint32_t i = 0; i < run->plan->n_actions; i++) {
        if (run->actions[i].set && run->actions[i].set->state == RUN_SET_WANTED)
            run_effect (run, &(ama_run_effect_t){ .kind = AMA_RUN_RESOLVE, .action = i });
    }
}

static void refuse_plan (ama_run_core_t *run, const ama_plan_reply_t *reply, ama_run_now_t now)
{
    ama_err_t error = { .code = AMA_E_INVALID, .text = "the plan was refused" };
    const ama_plan_problem_t *first = NULL;
    ama_str_t text = { 0 };
    size_t errors = 0;

    for (size_t i = 0; i < reply->n_problems; i++) {
        if (reply->problems[i].warning)
            continue;
        if (!errors++)
            first = &reply->problems[i];
    }
    if (first) {
        run_text_problem (first, &text);
        (void) ama_err_set (&error, AMA_E_INVALID, "%.700s%s", text.data, errors > 1 ? " (and more)" : "");
        ama_str_done (&text);
    }
    fail_phase (run, &error, reply, now);
}

void ama_run_core_planned (ama_run_core_t *run, const ama_plan_reply_t *reply, const ama_err_t *error,
                           ama_run_now_t now)
{
    ama_journal_planned_t planned = { .ms = now.mono_ms - run->phase_ms };
    ama_err_t err = { 0 };

    if (run->phase != AMA_RUN_PHASE_PLAN)
        return;
    if (error) {
        fail_phase (run, error, NULL, now);
        return;
    }
    if (!reply->ok || !reply->has_plan) {
        refuse_plan (run, reply, now);
        return;
    }
    if (run_dag_check (&reply->plan, &err) < 0) {
        fail_phase (run, &err, NULL, now);
        return;
    }
    planned.plan = reply->plan;
    run_emit (run, AMA_MSG_JOURNAL_PLANNED, &planned, now);
    if (!run->n_sets_open) {
        begin (run, 0, now);
        return;
    }
    start_phase (run, AMA_RUN_PHASE_RESOLVE, now);
    run_ask_sets (run);
}

/* The artifact that is run comes first. False: it has no jar. */
static bool put_first (const ama_resolve_reply_t *reply, const char *name, ama_journal_resolved_t *resolved)
{
    size_t size = strlen (name);

    for (size_t i = 0; i < reply->n_files; i++) {
        const char *coordinates = reply->files[i].coordinates;
        if (strncmp (coordinates, name, size) != 0 || coordinates[size] != ':')
            continue;
        memmove (resolved->jars + 1, resolved->jars, i * sizeof *resolved->jars);
        resolved->jars[0] = reply->files[i].path;
        return true;
    }
    return false;
}

static void fill_resolved (const ama_resolve_reply_t *reply, const char *main_jar, ama_err_t *err,
                           ama_journal_resolved_t *resolved)
{
    resolved->cached = reply->cached;
    resolved->jars = ama_calloc (reply->n_files, sizeof *resolved->jars);
    resolved->n_jars = reply->n_files;
    for (size_t i = 0; i < reply->n_files; i++)
        resolved->jars[i] = reply->files[i].path;
    if (main_jar && *main_jar && !put_first (reply, main_jar, resolved)) {
        (void) ama_err_set (err, AMA_E_NOT_FOUND, "the artifact %s has no jar", main_jar);
        resolved->n_jars = 0;
    }
}

void ama_run_core_resolved (ama_run_core_t *run, uint32_t index, const ama_resolve_reply_t *reply,
                            const ama_err_t *error, ama_run_now_t now)
{
    const run_set_t *set = index == AMA_RUN_SHARED ? run->shared : run->plan ? run->actions[index].set : NULL;
    ama_journal_resolved_t resolved = { .action = index == AMA_RUN_SHARED ? -1 : (int64_t) index };
    ama_err_t none = { 0 };

    if (!set || set->state != RUN_SET_WANTED || ama_run_core_ended (run) || run->stop != AMA_RUN_STOP_UNSPECIFIED)
        return;
    if (error && index == AMA_RUN_SHARED) {
        fail_phase (run, error, NULL, now);
        return;
    }
    if (!error)
        fill_resolved (reply, index == AMA_RUN_SHARED ? "" : run->plan->actions[index].main_jar, &none, &resolved);
    if (none.code)
        error = &none;
    if (error) {
        resolved.code = error->code;
        resolved.text = (char *) error->text;
    }
    run_emit (run, AMA_MSG_JOURNAL_RESOLVED, &resolved, now);
    free (resolved.jars);
    if (run->phase == AMA_RUN_PHASE_RESOLVE) {
        if (!run->n_sets_open)
            begin (run, now.mono_ms - run->phase_ms, now);
        return;
    }
    if (run_list_remove (&run->fresh_sets, index)) {
        run_list_add (&run->ready, index);
        run_settle (run, now);
    }
}

/* ---- leases ---- */

static void refuse_lease (ama_run_core_t *run, uint32_t index, const ama_err_t *error, ama_run_now_t now)
{
    ama_str_t cause = { 0 };

    ama_str_printf (&cause, "no resources: %s", error->text);
    run_action_end (run, index, AMA_ACTION_STATE_ERRORED, cause.data, now);
    ama_str_done (&cause);
}

static void session_leased (ama_run_core_t *run, ama_id_t lease, const ama_lease_granted_t *granted,
                            const ama_err_t *error, ama_run_now_t now)
{
    if (granted) {
        run_session_open (run, lease, granted->agent, granted->cpus, granted->memory, now);
        return;
    }
    run->session.asked_lease = no_id;
    run_session_refuse (run, error->text, now);
}

void ama_run_core_leased (ama_run_core_t *run, ama_id_t lease, const ama_lease_granted_t *granted,
                          const ama_err_t *error, ama_run_now_t now)
{
    if (granted) {
        (void) run_agent_name (run, granted->agent);
        run_agent_heard (run, granted->agent, granted->incarnation);
        if (ama_run_core_wants_lease (run,
                                      lease)) /* of what is held already it is granted while its agent is away, too */
            run_agent_is_away (run, granted->agent, false);
    }
    if (!ama_id_is_zero (run->session.asked_lease) && ama_id_equal (run->session.asked_lease, lease)) {
        session_leased (run, lease, granted, error, now);
        run_settle (run, now);
        return;
    }
    for (size_t i = 0; i < run->asking.n; i++) {
        uint32_t index = run->asking.items[i];
        run_action_t *action = &run->actions[index];
        if (!ama_id_equal (action->asked_lease, lease))
            continue;
        run_list_remove_at (&run->asking, i);
        action->asked_lease = no_id;
        if (granted)
            run_attempt_start (run, index, lease, granted->agent, granted->cpus, granted->memory, now);
        else
            refuse_lease (run, index, error, now);
        run_settle (run, now);
        return;
    }
}

bool ama_run_core_wants_lease (const ama_run_core_t *run, ama_id_t lease)
{
    if (ama_id_equal (run->session.asked_lease, lease))
        return true;
    for (size_t i = 0; i < run->asking.n; i++) {
        if (ama_id_equal (run->actions[run->asking.items[i]].asked_lease, lease))
            return true;
    }
    return false;
}

void ama_run_core_lease_waiting (ama_run_core_t *run, ama_id_t lease, const char *text)
{
    if (!ama_run_core_wants_lease (run, lease))
        return;
    free (run->waiting);
    run->waiting = ama_strdup (text);
}

/* ---- stop ---- */

void ama_run_core_stop (ama_run_core_t *run, ama_run_stop_t why, bool force, ama_run_now_t now)
{
    ama_journal_stop_wanted_t stop = { .why = why, .force = force, .action = -1 };

    if (ama_run_core_ended (run) || (run->stop != AMA_RUN_STOP_UNSPECIFIED && (run->force || !force)))
        return;
    if (run->stop != AMA_RUN_STOP_UNSPECIFIED)
        stop.why = run->stop; /* the first reason stays */
    run_emit (run, AMA_MSG_JOURNAL_STOP_WANTED, &stop, now);
    if (run->plan && run->phase == AMA_RUN_PHASE_UNSPECIFIED)
        run_stop_all (run, now);
    else {
        ama_str_t cause = { 0 };
        int exit;
        ama_run_state_t state = run_outcome (run, &exit, NULL, &cause);
        run_effect (run, &(ama_run_effect_t){ .kind = AMA_RUN_DROP_ASKS });
        run_end (run, state, exit, cause.data ? cause.data : "", now);
        ama_str_done (&cause);
    }
    run_settle (run, now);
}

/* ---- time ---- */

static void stop_again (ama_run_core_t *run, uint32_t index, ama_run_now_t now)
{
    run_attempt_stop (run, index, run->actions[index].timed_out, run->force, now);
}

static void attempt_timer (ama_run_core_t *run, const run_timer_t *timer, ama_run_now_t now)
{
    run_action_t *action = &run->actions[timer->action];

    if (timer->serial != action->n_attempts)
        return;
    if (timer->kind == RUN_TIMER_BACKOFF) {
        if (action->state == AMA_ACTION_STATE_BACKOFF) {
            action->state = AMA_ACTION_STATE_READY;
            run_list_add (&run->ready, timer->action);
        }
        return;
    }
    if (ama_id_is_zero (action->attempt))
        return;
    if (timer->kind == RUN_TIMER_ATTEMPT && !action->stopping)
        run_attempt_stop (run, timer->action, true, false, now);
    else if (timer->kind == RUN_TIMER_STOP)
        stop_again (run, timer->action, now);
    else if (timer->kind == RUN_TIMER_SILENT)
        run_silent_timer (run, timer->action, now);
    else if (timer->kind == RUN_TIMER_LEASE)
        run_lease_timer (run, timer->action, now);
    else if (timer->kind == RUN_TIMER_SESSION_LOST)
        run_session_lost_timer (run, timer->action, now);
    else if (timer->kind == RUN_TIMER_DOUBT && action->doubt == RUN_DOUBT_NOT_HELD)
        run_doubt_timer (run, timer->action, now);
}

static void session_timer (ama_run_core_t *run, const run_timer_t *timer, ama_run_now_t now)
{
    run_session_t *session = &run->session;

    if (timer->serial != session->serial)
        return;
    if (timer->kind == RUN_TIMER_SESSION_AGAIN && session->state == RUN_SESSION_FAILED
        && ama_id_is_zero (session->asked_lease) && run->stop == AMA_RUN_STOP_UNSPECIFIED)
        run_session_ask (run);
    else if (timer->kind == RUN_TIMER_SESSION_SILENT)
        run_session_silent_timer (run, now);
    else if (timer->kind == RUN_TIMER_SESSION_DOUBT && session->doubt == RUN_DOUBT_NOT_HELD
             && session->state == RUN_SESSION_READY)
        run_session_end (run, AMA_SESSION_STATE_LOST, "the agent does not know the session", 0, false, now);
}

void ama_run_core_tick (ama_run_core_t *run, ama_run_now_t now)
{
    run_timer_t timer;

    run->wake_ms = INT64_MAX;
    while (!ama_run_core_ended (run) && run_timers_pop (&run->timers, now.mono_ms, &timer)) {
        switch (timer.kind) {
        case RUN_TIMER_RUN:
            ama_run_core_stop (run, AMA_RUN_STOP_RUN_TIMEOUT, false, now);
            break;
        case RUN_TIMER_QUEUE:
            if (!run->begun)
                ama_run_core_stop (run, AMA_RUN_STOP_QUEUE_TIMEOUT, false, now);
            break;
        case RUN_TIMER_SESSION_AGAIN:
        case RUN_TIMER_SESSION_DOUBT:
        case RUN_TIMER_SESSION_SILENT:
            session_timer (run, &timer, now);
            break;
        default:
            attempt_timer (run, &timer, now);
            break;
        }
    }
    run_settle (run, now);
}
