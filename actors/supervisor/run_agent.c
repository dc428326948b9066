/* run_agent.c - the inputs of a run that come from agents, and the restart
 *
 * An agent tells each end until it is acknowledged, so its word is waited for as long as it may live. Only a proof (the broker
 * saw it die, or it is up and knows neither the attempt nor its end) ends an attempt without it. Same thread and rules as run_core.c.
 */
#include "actors/supervisor/run_state.h"

#include <stdlib.h>
#include <string.h>

void run_attempt_lose (ama_run_core_t *run, uint32_t index, const char *cause, const char *message,
                       ama_attempt_state_t state, bool agent_gone, ama_run_now_t now)
{
    const run_action_t *action = &run->actions[index];
    ama_attempt_status_t end = { .state = state,
                                 .cause = (char *) cause,
                                 .exit = -1,
                                 .error = (char *) "",
                                 .message = (char *) message,
                                 .file = (char *) "",
                                 .ms = now.mono_ms - action->since_ms };

    /* whatever still runs somewhere must not go on beside the next attempt */
    if (!agent_gone)
        run_effect (
            run,
            &(ama_run_effect_t){
                .kind = AMA_RUN_STOP, .action = index, .id = action->attempt, .agent = action->agent, .force = true });
    run_attempt_end (run, index, &end, agent_gone, now);
}

/* Index of the action whose open attempt it is, or -1. */
static int64_t find_attempt (const ama_run_core_t *run, ama_id_t attempt)
{
    for (size_t i = 0; i < run->open.n; i++) {
        if (ama_id_equal (run->actions[run->open.items[i]].attempt, attempt))
            return run->open.items[i];
    }
    return -1;
}

bool ama_run_core_holds (const ama_run_core_t *run, ama_id_t id)
{
    return ama_id_equal (run->session.id, id) || find_attempt (run, id) >= 0;
}

int ama_run_core_speaker (const ama_run_core_t *run, ama_id_t id, const char *agent, ama_err_t *err)
{
    int64_t index = find_attempt (run, id);
    bool session = !ama_id_is_zero (id) && ama_id_equal (run->session.id, id);
    const char *at = index >= 0 ? run->actions[index].agent : session ? run->session.agent : NULL;

    if (!at)
        return ama_err_set (err, AMA_E_STALE, "no such attempt or session is open");
    if (strcmp (at, agent) != 0)
        return ama_err_set (err, AMA_E_ROLE, "it is at %s", at);
    return 0;
}

void ama_run_core_taken (ama_run_core_t *run, ama_id_t attempt, const ama_err_t *error, ama_run_now_t now)
{
    int64_t index = find_attempt (run, attempt);
    ama_attempt_status_t end = { .state = AMA_ATTEMPT_STATE_ERRORED, .exit = -1, .file = (char *) "" };

    if (index < 0)
        return;
    run->actions[index].taken = true;
    run->actions[index].doubt = RUN_DOUBT_NONE;
    if (!error)
        return;
    end.cause = (char *) (run->actions[index].spark && error->code == AMA_E_NOT_FOUND ? "session-lost" : "killed");
    end.error = (char *) ama_err_name (error->code);
    end.message = (char *) error->text;
    end.ms = now.mono_ms - run->actions[index].since_ms;
    run_attempt_end (run, (uint32_t) index, &end, false, now);
    run_settle (run, now);
}

bool ama_run_core_status (ama_run_core_t *run, const ama_attempt_status_t *status, ama_run_now_t now)
{
    int64_t index = find_attempt (run, status->attempt);
    run_action_t *action;

    if (index < 0)
        return false;
    action = &run->actions[index];
    action->taken = true;
    action->doubt = RUN_DOUBT_NONE;
    if (status->state < AMA_ATTEMPT_STATE_SUCCEEDED) {
        run_attempt_heard (run, (uint32_t) index, now);
        action->heard_running = true;
        action->attempts[action->n_attempts - 1].state = AMA_ATTEMPT_STATE_RUNNING;
        return true;
    }
    /* the next attempt must not be sent into a session whose own word is still under way */
    if (status->cause && strcmp (status->cause, "session-lost") == 0 && !ama_id_is_zero (run->session.id)
        && ama_id_equal (action->session, run->session.id))
        run_session_end (run, AMA_SESSION_STATE_LOST, status->message, 0, false, now);
    run_attempt_end (run, (uint32_t) index, status, false, now);
    run_settle (run, now);
    return true;
}

/* ---- session ---- */

bool ama_run_core_session (ama_run_core_t *run, const ama_attempt_session_status_t *status, ama_run_now_t now)
{
    run_session_t *session = &run->session;
    ama_journal_session_changed_t changed = {
        .session = status->session, .state = status->state, .detail = status->detail, .ms = status->ms
    };

    if (ama_run_core_ended (run) || ama_id_is_zero (session->id) || !ama_id_equal (session->id, status->session))
        return false;
    session->doubt = RUN_DOUBT_NONE;
    switch (status->state) {
    case AMA_SESSION_STATE_READY:
        if (session->state != RUN_SESSION_OPENING)
            return true;
        run_emit (run, AMA_MSG_JOURNAL_SESSION_CHANGED, &changed, now);
        run_session_retry_line (run);
        break;
    case AMA_SESSION_STATE_FAILED:
    case AMA_SESSION_STATE_LOST:
    case AMA_SESSION_STATE_CLOSED:
        run_session_end (run, AMA_SESSION_STATE_LOST, status->detail, status->ms, false, now);
        break;
    default:
        return true;
    }
    run_settle (run, now);
    return true;
}

void ama_run_core_session_refused (ama_run_core_t *run, ama_id_t id, const ama_err_t *error, ama_run_now_t now)
{
    run_session_t *session = &run->session;

    if (ama_run_core_ended (run) || session->state != RUN_SESSION_OPENING || !ama_id_equal (session->id, id))
        return;
    run_session_end (run, AMA_SESSION_STATE_FAILED, error->text, 0, false, now);
    run_settle (run, now);
}

/* ---- agents ---- */

/* An attempt that runs there, or whose end will be told from there; a session that is open. */
static bool held (const ama_lease_agent_changed_t *change, ama_id_t id)
{
    for (size_t i = 0; i < change->n_held; i++) {
        if (ama_id_equal (change->held[i].id, id))
            return true;
    }
    return false;
}

/* Not told of before: the same process says nothing about it because it never heard of it, or has just told its end. */
static void repeat_start (ama_run_core_t *run, uint32_t index)
{
    run_action_t *action = &run->actions[index];

    action->doubt = RUN_DOUBT_NONE;
    run_effect (run, &(ama_run_effect_t){
                         .kind = AMA_RUN_START, .action = index, .id = action->attempt, .agent = action->agent });
}

static void look_again (ama_run_core_t *run, uint32_t index, int64_t due_ms)
{
    run_timers_add (&run->timers, (run_timer_t){ .due_ms = due_ms,
                                                 .kind = RUN_TIMER_DOUBT,
                                                 .action = index,
                                                 .serial = (uint32_t) run->actions[index].n_attempts });
}

static void not_held (ama_run_core_t *run, uint32_t index, uint64_t incarnation, ama_run_now_t now)
{
    run_action_t *action = &run->actions[index];
    bool known = incarnation && action->incarnation, other = known && incarnation != action->incarnation;

    if (known && !other) {
        if (!action->taken)
            repeat_start (run, index);
        return; /* it has it, or has just told its end: a process that lives loses nothing */
    }
    if (!other && !action->taken && action->doubt == RUN_DOUBT_NONE)
        return;
    action->doubt_heard_ms = now.mono_ms;
    if (action->doubt == RUN_DOUBT_NOT_HELD) {
        if (now.mono_ms - action->doubt_ms >= RUN_DOUBT_MS)
            look_again (run, index, now.mono_ms);
        return;
    }
    /* its end may have been written down by the process that died, and be on its way from this one */
    action->doubt = RUN_DOUBT_NOT_HELD;
    action->doubt_ms = now.mono_ms;
    look_again (run, index, now.mono_ms + RUN_DOUBT_MS);
}

void run_doubt_timer (ama_run_core_t *run, uint32_t index, ama_run_now_t now)
{
    run_action_t *action = &run->actions[index];
    int64_t due_ms =
        action->doubt_ms
        + (action->doubt_heard_ms - action->doubt_ms >= RUN_DOUBT_SAID_MS ? RUN_DOUBT_MS : RUN_DOUBT_MOST_MS);

    if (action->silent)
        action->doubt = RUN_DOUBT_RESTART; /* what it may have written down it tells when it is back */
    else if (now.mono_ms < due_ms)
        look_again (run, index, due_ms);
    else
        run_attempt_lose (run, index, "node-lost",
                          run_agent_incarnation (run, action->agent) != action->incarnation
                              ? "its agent died"
                              : "its agent does not know the attempt",
                          AMA_ATTEMPT_STATE_LOST, false, now);
}

static void session_not_held (ama_run_core_t *run, uint64_t incarnation, ama_run_now_t now)
{
    run_session_t *session = &run->session;
    bool known = incarnation && session->incarnation;

    if (known && incarnation != session->incarnation) {
        run_session_end (run, AMA_SESSION_STATE_LOST, "the agent died", 0, false, now);
        return;
    }
    if (session->state == RUN_SESSION_OPENING)
        run_effect (run,
                    &(ama_run_effect_t){ .kind = AMA_RUN_SESSION_OPEN, .id = session->id, .agent = session->agent });
    else if (!known && session->doubt != RUN_DOUBT_NOT_HELD) {
        session->doubt = RUN_DOUBT_NOT_HELD;
        run_timers_add (&run->timers, (run_timer_t){ .due_ms = now.mono_ms + RUN_DOUBT_MS,
                                                     .kind = RUN_TIMER_SESSION_DOUBT,
                                                     .serial = session->serial });
    }
}

/* It is up: what it holds goes on; what it should hold and does not is looked at. */
static void agent_up (ama_run_core_t *run, const ama_lease_agent_changed_t *change, const char *agent,
                      ama_run_now_t now)
{
    run_session_t *session = &run->session;

    run_agent_heard (run, agent, change->incarnation);
    run_agent_is_away (run, agent, false);
    if (session->agent == agent)
        run_session_heard (run);
    for (size_t i = 0; i < run->open.n; i++) {
        run_action_t *action = &run->actions[run->open.items[i]];
        if (action->agent != agent)
            continue;
        run_attempt_there (run, run->open.items[i], now);
        if (held (change, action->attempt)) {
            action->taken = true;
            action->doubt = RUN_DOUBT_NONE;
            run_attempt_heard (run, run->open.items[i], now);
        }
        else
            not_held (run, run->open.items[i], change->incarnation, now);
    }
    if (session->agent != agent || (session->state != RUN_SESSION_OPENING && session->state != RUN_SESSION_READY))
        return;
    if (held (change, session->id))
        session->doubt = RUN_DOUBT_NONE;
    else
        session_not_held (run, change->incarnation, now);
}

static void agent_lost (ama_run_core_t *run, const char *agent, ama_run_now_t now)
{
    run_agent_is_away (run, agent, true);
    if (run->session.agent == agent)
        run_session_silent (run, now);
    for (size_t i = 0; i < run->open.n; i++) {
        if (run->actions[run->open.items[i]].agent == agent)
            run_attempt_silent (run, run->open.items[i], false, now);
    }
}

/* It can not be started again; guards of its attempts may be there. */
static void agent_dead (ama_run_core_t *run, const char *agent, ama_run_now_t now)
{
    run_session_t *session = &run->session;
    bool used = false;

    run_agent_is_away (run, agent, true);
    for (size_t i = 0; i < run->open.n; i++) {
        const run_action_t *action = &run->actions[run->open.items[i]];
        if (action->agent != agent)
            continue;
        used |= ama_id_equal (action->session, session->id);
        run_attempt_silent (run, run->open.items[i], true, now);
    }
    if (session->agent == agent && !used
        && (session->state == RUN_SESSION_OPENING || session->state == RUN_SESSION_READY))
        run_session_end (run, AMA_SESSION_STATE_LOST, "the agent died", 0, true, now);
}

void ama_run_core_agent (ama_run_core_t *run, const ama_lease_agent_changed_t *change, ama_run_now_t now)
{
    const char *agent = run_agent_name (run, change->agent);

    if (ama_run_core_ended (run) || !*agent)
        return;
    if (change->change == AMA_AGENT_CHANGE_UP)
        agent_up (run, change, agent, now);
    else if (change->change == AMA_AGENT_CHANGE_DEAD)
        agent_dead (run, agent, now);
    else if (change->change == AMA_AGENT_CHANGE_LOST)
        agent_lost (run, agent, now);
    run_settle (run, now);
}

/* ---- restart ---- */

static int compare_indexes (const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;
    return x < y ? -1 : x > y;
}

void ama_run_core_renew (ama_run_core_t *run)
{
    const run_session_t *session = &run->session;

    if (ama_run_core_ended (run)) /* what it holds is given back when its end is durable */
        return;
    if (!ama_id_is_zero (session->lease))
        run_effect (run, &(ama_run_effect_t){ .kind = AMA_RUN_LEASE,
                                              .id = session->lease,
                                              .agent = session->agent,
                                              .cpus = session->cpus,
                                              .memory = session->memory,
                                              .session = true });
    for (size_t i = 0; i < run->open.n; i++) {
        const run_action_t *action = &run->actions[run->open.items[i]];
        if (!ama_id_is_zero (action->lease))
            run_effect (run, &(ama_run_effect_t){ .kind = AMA_RUN_LEASE,
                                                  .action = run->open.items[i],
                                                  .id = action->lease,
                                                  .agent = action->agent,
                                                  .cpus = action->cpus,
                                                  .memory = action->memory });
    }
}

static void resume_phase (ama_run_core_t *run, ama_run_now_t now)
{
    run->phase_ms = now.mono_ms < run->phase_ms ? now.mono_ms : run->phase_ms;
    if (run->phase == AMA_RUN_PHASE_FETCH)
        run_effect (run, &(ama_run_effect_t){ .kind = AMA_RUN_FETCH });
    else if (run->phase == AMA_RUN_PHASE_PLAN)
        run_effect (run, &(ama_run_effect_t){ .kind = AMA_RUN_PLAN });
    else if (run->phase == AMA_RUN_PHASE_RESOLVE)
        run_ask_sets (run);
}

static void resume_running (ama_run_core_t *run, ama_run_now_t now)
{
    run_session_t *session = &run->session;

    for (size_t i = 0; i < run->n_agents; i++)
        run->agents[i]->away = true;
    run_session_silent (run, now);
    for (size_t i = 0; i < run->open.n; i++) {
        run_action_t *action = &run->actions[run->open.items[i]];
        action->doubt = RUN_DOUBT_RESTART;
        run_resume_unknown (run, run->open.items[i], now);
        if (run->stop != AMA_RUN_STOP_UNSPECIFIED
            || (run->failing >= 0 && run->plan->actions[run->open.items[i]].error_of != run->failing))
            run_attempt_stop (run, run->open.items[i], false, run->force, now);
    }
    if (run->stop != AMA_RUN_STOP_UNSPECIFIED)
        return;
    if (session->state == RUN_SESSION_OPENING)
        run_effect (run,
                    &(ama_run_effect_t){ .kind = AMA_RUN_SESSION_OPEN, .id = session->id, .agent = session->agent });
    else if (session->state == RUN_SESSION_READY)
        session->doubt = RUN_DOUBT_RESTART;
    for (uint32_t i = 0; session->state == RUN_SESSION_NONE && i < run->plan->n_actions; i++) {
        if (run->actions[i].spark && run->actions[i].active && run->actions[i].state < AMA_ACTION_STATE_SUCCEEDED) {
            run_session_want (run);
            break;
        }
    }
    if (run->ready.n)
        qsort (run->ready.items, run->ready.n, sizeof *run->ready.items, compare_indexes);
}

void ama_run_core_resume (ama_run_core_t *run, ama_run_now_t now)
{
    if (ama_run_core_ended (run))
        return;
    run->wake_ms = INT64_MAX;
    if (run->state == AMA_RUN_STATE_PLANNING)
        resume_phase (run, now);
    else if (run->plan) {
        ama_run_core_renew (run);
        resume_running (run, now);
    }
    run_settle (run, now);
}
