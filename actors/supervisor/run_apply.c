/* run_apply.c - the fold: one journal event changes the state of a run
 *
 * Used for events just decided and for replayed ones alike, so both give the same state. No effects, no decisions. Events of a
 * journal are checked: what does not fit is AMA_E_INTEGRITY, never a crash.
 */
#include "actors/supervisor/run_state.h"

#include <stdlib.h>
#include <string.h>

static run_agent_t *find_agent (const ama_run_core_t *run, const char *name)
{
    for (size_t i = 0; i < run->n_agents; i++) {
        if (strcmp (run->agents[i]->name, name) == 0)
            return run->agents[i];
    }
    return NULL;
}

const char *run_agent_name (ama_run_core_t *run, const char *name)
{
    run_agent_t *agent;

    if (!name || !*name)
        return "";
    agent = find_agent (run, name);
    if (agent)
        return agent->name;
    /* an array of pointers: NOLINTNEXTLINE(bugprone-sizeof-expression) */
    run->agents = ama_realloc (run->agents, (run->n_agents + 1) * sizeof *run->agents);
    agent = run->agents[run->n_agents++] = ama_calloc (1, sizeof *agent + strlen (name) + 1);
    memcpy (agent->name, name, strlen (name) + 1);
    return agent->name;
}

void run_agent_heard (ama_run_core_t *run, const char *name, uint64_t incarnation)
{
    run_agent_t *agent = incarnation ? find_agent (run, name) : NULL;

    if (agent)
        agent->incarnation = incarnation;
}

void run_agent_is_away (ama_run_core_t *run, const char *name, bool away)
{
    run_agent_t *agent = find_agent (run, name);

    if (agent)
        agent->away = away;
}

bool run_agent_away (const ama_run_core_t *run, const char *name)
{
    const run_agent_t *agent = find_agent (run, name);

    return agent && agent->away;
}

uint64_t run_agent_incarnation (const ama_run_core_t *run, const char *name)
{
    const run_agent_t *agent = find_agent (run, name);

    return agent ? agent->incarnation : 0;
}

void run_set_free (run_set_t **set)
{
    if (!*set)
        return;
    for (size_t i = 0; i < (*set)->n_jars; i++)
        free ((*set)->jars[i]);
    free ((*set)->jars);
    free ((*set)->text);
    free (*set);
    *set = NULL;
}

static void replace (char **text, const char *with)
{
    free (*text);
    *text = with && *with ? ama_strdup (with) : NULL;
}

static int misfit (ama_err_t *err, const char *what)
{
    return ama_err_set (err, AMA_E_INTEGRITY, "event does not fit the run: %s", what);
}

static run_action_t *action_of (ama_run_core_t *run, uint32_t index)
{
    return run->plan && index < run->plan->n_actions ? &run->actions[index] : NULL;
}

/* ---- phases ---- */

static int apply_submitted (ama_run_core_t *run, const ama_journal_submitted_t *body, ama_run_now_t now, ama_err_t *err)
{
    if (run->state != AMA_RUN_STATE_UNSPECIFIED)
        return misfit (err, "submitted twice");
    ama_journal_submitted_copy (body, &run->submit);
    run->state = AMA_RUN_STATE_QUEUED;
    run->accepted = now.wall_ms;
    return 0;
}

static int apply_phase_started (ama_run_core_t *run, const ama_journal_phase_started_t *body, ama_run_now_t now)
{
    run->phase = body->phase;
    run->phase_ms = now.mono_ms;
    if (run->state == AMA_RUN_STATE_QUEUED)
        run->state = AMA_RUN_STATE_PLANNING;
    return 0;
}

static int apply_fetched (ama_run_core_t *run, const ama_journal_fetched_t *body)
{
    ama_journal_fetched_done (&run->source);
    ama_journal_fetched_copy (body, &run->source);
    run->fetch_over = true;
    run->phase = AMA_RUN_PHASE_UNSPECIFIED;
    return 0;
}

static int apply_planned (ama_run_core_t *run, const ama_journal_planned_t *body, ama_err_t *err)
{
    if (run->plan)
        return misfit (err, "planned twice");
    if (run_dag_check (&body->plan, err) < 0)
        return AMA_E_INTEGRITY;
    run->plan = ama_calloc (1, sizeof *run->plan);
    ama_plan_plan_copy (&body->plan, run->plan);
    run_dag_build (run);
    run->phase = AMA_RUN_PHASE_UNSPECIFIED;
    return 0;
}

static int apply_resolved (ama_run_core_t *run, const ama_journal_resolved_t *body, ama_err_t *err)
{
    run_action_t *action = body->action < 0 ? NULL : action_of (run, (uint32_t) body->action);
    run_set_t *set = body->action < 0 ? run->shared : action ? action->set : NULL;

    if (!set)
        return misfit (err, "a dependency set that the plan does not have");
    for (size_t i = 0; i < set->n_jars; i++)
        free (set->jars[i]);
    set->jars = ama_realloc (set->jars, body->n_jars * sizeof *set->jars);
    set->n_jars = body->n_jars;
    for (size_t i = 0; i < body->n_jars; i++)
        set->jars[i] = ama_strdup (body->jars[i]);
    if (set->state == RUN_SET_WANTED && run->n_sets_open)
        run->n_sets_open--;
    set->state = body->code ? RUN_SET_FAILED : RUN_SET_READY;
    set->cached = body->cached;
    set->code = body->code;
    replace (&set->text, body->text);
    return 0;
}

static void make_ready (ama_run_core_t *run, uint32_t index)
{
    run->actions[index].state = AMA_ACTION_STATE_READY;
    run_list_add (&run->ready, index);
}

static int apply_run_started (ama_run_core_t *run, ama_run_now_t now, ama_err_t *err)
{
    if (!run->plan || run->state != AMA_RUN_STATE_PLANNING)
        return misfit (err, "started without a plan");
    run->state = AMA_RUN_STATE_RUNNING;
    run->phase = AMA_RUN_PHASE_UNSPECIFIED;
    for (uint32_t i = 0; i < run->plan->n_actions; i++) {
        if (run->actions[i].active && !run->actions[i].waiting)
            make_ready (run, i);
    }
    if (run->plan->run_timeout_ms > 0)
        run_timers_add (&run->timers,
                        (run_timer_t){ .due_ms = now.mono_ms + run->plan->run_timeout_ms, .kind = RUN_TIMER_RUN });
    if (run->plan->queue_timeout_ms > 0)
        run_timers_add (&run->timers,
                        (run_timer_t){ .due_ms = now.mono_ms + run->plan->queue_timeout_ms, .kind = RUN_TIMER_QUEUE });
    return 0;
}

/* ---- session ---- */

static int apply_session_opened (ama_run_core_t *run, const ama_journal_session_opened_t *body, ama_run_now_t now)
{
    run_session_t *session = &run->session;

    session->state = RUN_SESSION_OPENING;
    session->id = body->session;
    session->lease = body->lease;
    session->agent = run_agent_name (run, body->agent);
    session->incarnation = body->incarnation;
    session->cpus = body->cpus;
    session->memory = body->memory;
    session->serial++;
    session->since_ms = now.mono_ms;
    session->silent_ms = INT64_MAX;
    session->doubt = RUN_DOUBT_NONE;
    return 0;
}

static int apply_session_changed (ama_run_core_t *run, const ama_journal_session_changed_t *body, ama_run_now_t now,
                                  ama_err_t *err)
{
    run_session_t *session = &run->session;

    if (!ama_id_equal (body->session, session->id))
        return misfit (err, "a session that is not open");
    replace (&session->detail, body->detail);
    switch (body->state) {
    case AMA_SESSION_STATE_READY:
        session->state = RUN_SESSION_READY;
        session->tries = 0;
        return 0;
    case AMA_SESSION_STATE_FAILED:
        session->id = session->lease = (ama_id_t){ { 0 } };
        session->state = body->retry_in_ms < 0 ? RUN_SESSION_GIVEN_UP : RUN_SESSION_FAILED;
        session->tries++;
        if (body->retry_in_ms >= 0)
            run_timers_add (&run->timers, (run_timer_t){ .due_ms = now.mono_ms + body->retry_in_ms,
                                                         .kind = RUN_TIMER_SESSION_AGAIN,
                                                         .serial = session->serial });
        return 0;
    case AMA_SESSION_STATE_LOST:
    case AMA_SESSION_STATE_CLOSED:
        session->state = RUN_SESSION_NONE;
        session->id = session->lease = (ama_id_t){ { 0 } };
        return 0;
    default:
        return misfit (err, "a session state that is none");
    }
}

/* ---- attempts ---- */

static int apply_attempt_started (ama_run_core_t *run, const ama_journal_attempt_started_t *body, ama_run_now_t now,
                                  ama_err_t *err)
{
    run_action_t *action = action_of (run, body->action);
    int64_t timeout;

    if (!action || !ama_id_is_zero (action->attempt) || body->no != action->n_attempts + 1
        || (action->state != AMA_ACTION_STATE_READY && action->state != AMA_ACTION_STATE_BACKOFF))
        return misfit (err, "an attempt of an action that can have none");
    timeout = run->plan->actions[body->action].timeout_ms;
    run_list_remove (&run->ready, body->action);
    action->attempts = ama_realloc (action->attempts, body->no * sizeof *action->attempts);
    action->attempts[action->n_attempts++] = (run_attempt_t){ .no = body->no,
                                                              .state = AMA_ATTEMPT_STATE_STARTING,
                                                              .started = now.wall_ms,
                                                              .node = run_agent_name (run, body->agent) };
    action->state = AMA_ACTION_STATE_RUNNING;
    action->attempt = body->attempt;
    action->lease = body->lease;
    action->session = body->session;
    action->agent = run_agent_name (run, body->agent);
    action->incarnation = body->incarnation;
    action->cpus = body->cpus;
    action->memory = body->memory;
    action->since_ms = now.mono_ms;
    action->taken = action->heard_running = action->stopping = action->timed_out = false;
    action->unknown = action->silent = false;
    action->doubt = RUN_DOUBT_NONE;
    run->begun = true;
    run_list_add (&run->open, body->action);
    if (timeout > 0)
        run_timers_add (&run->timers, (run_timer_t){ .due_ms = now.mono_ms + timeout,
                                                     .kind = RUN_TIMER_ATTEMPT,
                                                     .action = body->action,
                                                     .serial = body->no });
    return 0;
}

static void wait_or_ready (ama_run_core_t *run, uint32_t index, int64_t delay_ms, ama_run_now_t now)
{
    run_action_t *action = &run->actions[index];

    if (delay_ms <= 0) {
        make_ready (run, index);
        return;
    }
    action->state = AMA_ACTION_STATE_BACKOFF;
    run_timers_add (&run->timers, (run_timer_t){ .due_ms = now.mono_ms + delay_ms,
                                                 .kind = RUN_TIMER_BACKOFF,
                                                 .action = index,
                                                 .serial = (uint32_t) action->n_attempts });
}

static int apply_attempt_ended (ama_run_core_t *run, const ama_journal_attempt_ended_t *body, ama_run_now_t now,
                                ama_err_t *err)
{
    run_action_t *action = action_of (run, body->action);
    run_attempt_t *attempt;

    if (!action || !action->n_attempts || !ama_id_equal (action->attempt, body->attempt))
        return misfit (err, "an attempt that is not open");
    attempt = &action->attempts[action->n_attempts - 1];
    attempt->state = body->state;
    attempt->ended = now.wall_ms;
    if (body->has_sandbox)
        attempt->sandbox = body->sandbox;
    replace (&attempt->cause, body->cause);
    action->attempt = action->lease = action->session = (ama_id_t){ { 0 } };
    action->agent = "";
    action->unknown = action->silent = false;
    run_list_remove (&run->open, body->action);
    if (body->verdict == AMA_RUN_VERDICT_FREE)
        action->free_used++;
    else
        action->counted++;
    if (body->verdict != AMA_RUN_VERDICT_FINAL) {
        /* a dependency set that failed is asked for again by the next attempt */
        if (action->set && action->set->state == RUN_SET_FAILED) {
            action->set->state = RUN_SET_WANTED;
            run->n_sets_open++;
        }
        wait_or_ready (run, body->action, body->retry_in_ms, now);
    }
    return 0;
}

static void wake_error_action (ama_run_core_t *run, uint32_t owner)
{
    int64_t index = run->plan->actions[owner].error_action;

    if (index < 0 || run->stop != AMA_RUN_STOP_UNSPECIFIED || run->actions[index].active)
        return;
    run->actions[index].active = true;
    run->n_open++;
    make_ready (run, (uint32_t) index);
}

static int apply_action_ended (ama_run_core_t *run, const ama_journal_action_ended_t *body, ama_err_t *err)
{
    run_action_t *action = action_of (run, body->action);

    if (!action || !action->active || action->state >= AMA_ACTION_STATE_SUCCEEDED
        || body->state < AMA_ACTION_STATE_SUCCEEDED)
        return misfit (err, "an action that has ended already, or does not end");
    run_list_remove (&run->ready, body->action);
    action->state = body->state;
    action->blame = body->blame;
    replace (&action->cause, body->cause);
    run->n_open--;
    if (body->state == AMA_ACTION_STATE_FAILED || body->state == AMA_ACTION_STATE_ERRORED)
        wake_error_action (run, body->action);
    for (uint32_t i = 0; body->state == AMA_ACTION_STATE_SUCCEEDED && i < action->n_next; i++) {
        uint32_t next = run->next[action->first_next + i];
        if (--run->actions[next].waiting == 0 && run->actions[next].state == AMA_ACTION_STATE_BLOCKED)
            make_ready (run, next);
    }
    return 0;
}

/* ---- end ---- */

static int apply_stop_wanted (ama_run_core_t *run, const ama_journal_stop_wanted_t *body)
{
    run->force |= body->force;
    if (body->why == AMA_RUN_STOP_FAIL_FAST) {
        run->failing = body->action;
        return 0;
    }
    run->stop = body->why;
    run->state = AMA_RUN_STATE_CANCELLING;
    return 0;
}

static int apply_run_ended (ama_run_core_t *run, const ama_journal_run_ended_t *body, ama_run_now_t now)
{
    run->state = body->state;
    run->exit = body->exit;
    run->ended = now.wall_ms;
    run->phase = AMA_RUN_PHASE_UNSPECIFIED;
    replace (&run->cause, body->cause);
    return 0;
}

int run_apply (ama_run_core_t *run, uint16_t type, const void *body, ama_run_now_t now, ama_err_t *err)
{
    if (ama_run_core_ended (run))
        return misfit (err, "the run has ended");
    if (run->state == AMA_RUN_STATE_UNSPECIFIED && type != AMA_MSG_JOURNAL_SUBMITTED)
        return misfit (err, "nothing was submitted");
    switch (type) {
    case AMA_MSG_JOURNAL_SUBMITTED:
        return apply_submitted (run, body, now, err);
    case AMA_MSG_JOURNAL_PHASE_STARTED:
        return apply_phase_started (run, body, now);
    case AMA_MSG_JOURNAL_PHASE_FAILED:
        run->fetch_over = true;
        run->phase = AMA_RUN_PHASE_UNSPECIFIED;
        return 0;
    case AMA_MSG_JOURNAL_FETCHED:
        return apply_fetched (run, body);
    case AMA_MSG_JOURNAL_PLANNED:
        return apply_planned (run, body, err);
    case AMA_MSG_JOURNAL_RESOLVED:
        return apply_resolved (run, body, err);
    case AMA_MSG_JOURNAL_RUN_STARTED:
        return apply_run_started (run, now, err);
    case AMA_MSG_JOURNAL_SESSION_OPENED:
        return apply_session_opened (run, body, now);
    case AMA_MSG_JOURNAL_SESSION_CHANGED:
        return apply_session_changed (run, body, now, err);
    case AMA_MSG_JOURNAL_ATTEMPT_STARTED:
        return apply_attempt_started (run, body, now, err);
    case AMA_MSG_JOURNAL_ATTEMPT_UNKNOWN:
        return run_apply_unknown (run, body, now) < 0 ? misfit (err, "an attempt that is not open") : 0;
    case AMA_MSG_JOURNAL_ATTEMPT_ENDED:
        return apply_attempt_ended (run, body, now, err);
    case AMA_MSG_JOURNAL_ACTION_ENDED:
        return apply_action_ended (run, body, err);
    case AMA_MSG_JOURNAL_STOP_WANTED:
        return apply_stop_wanted (run, body);
    case AMA_MSG_JOURNAL_RUN_ENDED:
        return apply_run_ended (run, body, now);
    default:
        return misfit (err, "an event of an unknown kind");
    }
}
