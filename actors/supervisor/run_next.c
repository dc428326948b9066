/* run_next.c - what follows from the state of a run: leases asked for, attempts started and ended, actions skipped, the end
 *
 * Called by the inputs in run_core.c. Every step that decides something goes through run_emit, which applies the event and hands
 * it to the journal before the effects that follow from it. Work per input is in proportion to what changed, not to the plan.
 */
#include "actors/supervisor/run_retry.h"
#include "actors/supervisor/run_state.h"

#include <stdlib.h>
#include <string.h>

static const ama_id_t no_id;

void run_emit (ama_run_core_t *run, uint16_t type, const void *body, ama_run_now_t now)
{
    BUG_ON (run_apply (run, type, body, now, NULL) < 0);
    run->port->event (run, type, body, now, run->port->arg);
}

void run_effect (ama_run_core_t *run, const ama_run_effect_t *effect)
{
    run->port->effect (run, effect, run->port->arg);
}

static ama_id_t new_id (ama_run_core_t *run)
{
    return run->port->new_id (run->port->arg);
}

/* ---- leases ---- */

static void unlease (ama_run_core_t *run, ama_id_t *lease)
{
    if (!ama_id_is_zero (*lease))
        run_effect (run, &(ama_run_effect_t){ .kind = AMA_RUN_UNLEASE, .id = *lease });
    *lease = no_id;
}

static void keep_spare (ama_run_core_t *run, const run_action_t *action)
{
    unlease (run, &run->spare.id);
    run->spare.id = action->lease;
    run->spare.agent = action->agent;
    run->spare.cpus = action->cpus;
    run->spare.memory = action->memory;
}

static bool take_spare (ama_run_core_t *run, uint32_t index, double cpus, uint64_t memory, ama_run_now_t now)
{
    ama_id_t lease = run->spare.id;

    if (ama_id_is_zero (lease) || run->spare.cpus != cpus || run->spare.memory != memory
        || !run->port->may_reuse (run->port->arg))
        return false;
    run->spare.id = no_id;
    run_attempt_start (run, index, lease, run->spare.agent, cpus, memory, now);
    return true;
}

static void ask_lease (ama_run_core_t *run, uint32_t index, ama_run_now_t now)
{
    ama_run_effect_t effect = { .kind = AMA_RUN_LEASE, .action = index };

    run_action_needs (run, index, &effect.cpus, &effect.all_cpus, &effect.memory);
    if (!effect.all_cpus && take_spare (run, index, effect.cpus, effect.memory, now))
        return;
    effect.id = run->actions[index].asked_lease = new_id (run);
    run_list_add (&run->asking, index);
    run_effect (run, &effect);
}

/* ---- session ---- */

void run_session_want (ama_run_core_t *run)
{
    const run_session_t *session = &run->session;

    if (session->state != RUN_SESSION_NONE || !ama_id_is_zero (session->asked_lease))
        return;
    run_session_ask (run);
}

void run_session_ask (ama_run_core_t *run)
{
    run_session_t *session = &run->session;
    ama_run_effect_t effect = { .kind = AMA_RUN_LEASE, .session = true };

    run_session_needs (run, &effect.cpus, &effect.all_cpus, &effect.memory);
    effect.id = session->asked_lease = new_id (run);
    run_effect (run, &effect);
}

void run_session_open (ama_run_core_t *run, ama_id_t lease, const char *agent, double cpus, uint64_t memory,
                       ama_run_now_t now)
{
    ama_journal_session_opened_t opened = {
        .session = new_id (run),
        .lease = lease,
        .agent = (char *) agent,
        .cpus = cpus,
        .memory = memory,
        .incarnation = run_agent_incarnation (run, agent),
    };

    run->session.asked_lease = no_id;
    run_emit (run, AMA_MSG_JOURNAL_SESSION_OPENED, &opened, now);
    run_effect (run,
                &(ama_run_effect_t){ .kind = AMA_RUN_SESSION_OPEN, .id = opened.session, .agent = run->session.agent });
}

/* It can never be had: opened on paper and failed at once, so that the report says why. */
void run_session_refuse (ama_run_core_t *run, const char *why, ama_run_now_t now)
{
    ama_journal_session_opened_t opened = { .session = new_id (run), .agent = (char *) "" };
    ama_journal_session_changed_t changed = {
        .session = opened.session, .state = AMA_SESSION_STATE_FAILED, .detail = (char *) why, .retry_in_ms = -1
    };

    run_emit (run, AMA_MSG_JOURNAL_SESSION_OPENED, &opened, now);
    run_emit (run, AMA_MSG_JOURNAL_SESSION_CHANGED, &changed, now);
    run_session_retry_line (run);
}

static uint32_t session_tries (const ama_run_core_t *run)
{
    for (uint32_t i = 0; i < run->plan->n_actions; i++) {
        if (run->actions[i].spark && run->actions[i].active)
            return ama_retry_attempts (&run->plan->actions[i].retry);
    }
    return RUN_SESSION_TRIES;
}

void run_session_end (ama_run_core_t *run, ama_session_state_t state, const char *detail, int64_t ms, bool agent_gone,
                      ama_run_now_t now)
{
    run_session_t *session = &run->session;
    ama_journal_session_changed_t changed = {
        .session = session->id, .state = state, .detail = (char *) detail, .ms = ms, .retry_in_ms = -1
    };
    ama_id_t lease = session->lease;

    if (session->state == RUN_SESSION_OPENING)
        changed.state = AMA_SESSION_STATE_FAILED;
    if (changed.state == AMA_SESSION_STATE_FAILED && session->tries + 1 < session_tries (run))
        changed.retry_in_ms = (int64_t) RUN_SESSION_DELAY_MS << (session->tries < 6 ? session->tries : 6);
    run_emit (run, AMA_MSG_JOURNAL_SESSION_CHANGED, &changed, now);
    if (!agent_gone)
        unlease (run, &lease);
    for (size_t i = 0; i < run->open.n; i++) {
        const run_action_t *action = &run->actions[run->open.items[i]];
        if (ama_id_equal (action->session, changed.session))
            run_timers_add (&run->timers, (run_timer_t){ .due_ms = now.mono_ms + RUN_SESSION_LOST_MS,
                                                         .kind = RUN_TIMER_SESSION_LOST,
                                                         .action = run->open.items[i],
                                                         .serial = (uint32_t) action->n_attempts });
    }
    if (session->state == RUN_SESSION_GIVEN_UP || session->state == RUN_SESSION_NONE)
        run_session_retry_line (run);
}

/* Those in line for the session look again: it is ready, or must be opened anew, or never will be. */
void run_session_retry_line (ama_run_core_t *run)
{
    for (size_t i = 0; i < run->in_line.n; i++)
        run_list_add (&run->ready, run->in_line.items[i]);
    run->in_line.n = 0;
}

/* ---- attempts ---- */

void run_attempt_start (ama_run_core_t *run, uint32_t index, ama_id_t lease, const char *agent, double cpus,
                        uint64_t memory, ama_run_now_t now)
{
    run_action_t *action = &run->actions[index];
    ama_journal_attempt_started_t started = {
        .attempt = new_id (run),
        .action = index,
        .no = (uint32_t) action->n_attempts + 1,
        .lease = lease,
        .agent = (char *) agent,
        .cpus = cpus,
        .memory = memory,
        .session = action->spark ? run->session.id : no_id,
        .incarnation = run_agent_incarnation (run, agent),
    };

    run_emit (run, AMA_MSG_JOURNAL_ATTEMPT_STARTED, &started, now);
    if (run_agent_away (run, agent))
        run_attempt_silent (run, index, false, now);
    if (*agent)
        run_effect (run, &(ama_run_effect_t){
                             .kind = AMA_RUN_START, .action = index, .id = started.attempt, .agent = action->agent });
}

void run_attempt_stop (ama_run_core_t *run, uint32_t index, bool timed_out, bool force, ama_run_now_t now)
{
    run_action_t *action = &run->actions[index];

    action->stopping = true;
    action->timed_out |= timed_out;
    run_effect (run, &(ama_run_effect_t){ .kind = AMA_RUN_STOP,
                                          .action = index,
                                          .id = action->attempt,
                                          .agent = action->agent,
                                          .timed_out = action->timed_out,
                                          .force = force });
    run_timers_add (&run->timers, (run_timer_t){ .due_ms = now.mono_ms + RUN_STOP_AGAIN_MS,
                                                 .kind = RUN_TIMER_STOP,
                                                 .action = index,
                                                 .serial = (uint32_t) action->n_attempts });
}

/* What an agent calls cancelled is only that if we asked for it. */
static ama_attempt_state_t truthful_state (const ama_run_core_t *run, const run_action_t *action,
                                           ama_attempt_state_t state)
{
    if (state == AMA_ATTEMPT_STATE_CANCELLED) {
        if (run->stop != AMA_RUN_STOP_UNSPECIFIED || run->failing >= 0)
            return state;
        return action->timed_out ? AMA_ATTEMPT_STATE_TIMED_OUT : AMA_ATTEMPT_STATE_ERRORED;
    }
    return state >= AMA_ATTEMPT_STATE_SUCCEEDED && state <= AMA_ATTEMPT_STATE_TIMED_OUT ? state
                                                                                        : AMA_ATTEMPT_STATE_ERRORED;
}

static ama_action_state_t action_state_after (ama_attempt_state_t state)
{
    switch (state) {
    case AMA_ATTEMPT_STATE_SUCCEEDED:
        return AMA_ACTION_STATE_SUCCEEDED;
    case AMA_ATTEMPT_STATE_FAILED:
    case AMA_ATTEMPT_STATE_TIMED_OUT:
        return AMA_ACTION_STATE_FAILED;
    case AMA_ATTEMPT_STATE_CANCELLED:
        return AMA_ACTION_STATE_CANCELLED;
    default:
        return AMA_ACTION_STATE_ERRORED;
    }
}

static bool stopping (const ama_run_core_t *run, uint32_t index)
{
    return run->stop != AMA_RUN_STOP_UNSPECIFIED
           || (run->failing >= 0 && run->plan->actions[index].error_of != run->failing);
}

static ama_retry_t decide_retry (const ama_run_core_t *run, uint32_t index, const ama_journal_attempt_ended_t *ended)
{
    const run_action_t *action = &run->actions[index];
    ama_retry_failure_t failure = { ended->cause, ended->error, ended->message, ended->exit };

    if (ended->state == AMA_ATTEMPT_STATE_SUCCEEDED || stopping (run, index))
        return (ama_retry_t){ .verdict = AMA_RUN_VERDICT_FINAL };
    return ama_retry_decide (&run->plan->actions[index].retry, &failure, action->counted, action->free_used);
}

void run_attempt_end (ama_run_core_t *run, uint32_t index, const ama_attempt_status_t *end, bool agent_gone,
                      ama_run_now_t now)
{
    run_action_t *action = &run->actions[index];
    run_action_t left = *action;
    ama_journal_attempt_ended_t ended = {
        .attempt = action->attempt,
        .action = index,
        .state = truthful_state (run, action, end->state),
        .exit = end->exit,
        .error = end->error,
        .message = end->message,
        .file = end->file,
        .line = end->line,
        .ms = end->ms,
        .has_sandbox = end->has_sandbox,
        .sandbox = end->sandbox,
        .has_events = end->has_events,
        .events = end->events,
        .events_gone = end->events_gone,
    };
    ama_retry_t retry;

    if (ended.state == AMA_ATTEMPT_STATE_TIMED_OUT)
        ended.cause = (char *) "timeout";
    else if (ended.state != AMA_ATTEMPT_STATE_SUCCEEDED && ended.state != AMA_ATTEMPT_STATE_CANCELLED)
        ended.cause = (char *) ama_retry_cause (ended.state, end->cause);
    else
        ended.cause = (char *) "";
    retry = decide_retry (run, index, &ended);
    ended.verdict = retry.verdict;
    ended.retry_in_ms = retry.delay_ms;
    run_emit (run, AMA_MSG_JOURNAL_ATTEMPT_ENDED, &ended, now);
    if (!ama_id_is_zero (left.lease) && !agent_gone)
        keep_spare (run, &left);
    if (retry.verdict == AMA_RUN_VERDICT_FINAL) {
        ama_str_t cause = { 0 };
        if (ended.state != AMA_ATTEMPT_STATE_SUCCEEDED && ended.state != AMA_ATTEMPT_STATE_CANCELLED)
            run_text_failure (run, index, &ended, &cause);
        run_action_end (run, index, action_state_after (ended.state), cause.data ? cause.data : "", now);
        ama_str_done (&cause);
    }
}

/* ---- actions ---- */

static void end_one (ama_run_core_t *run, uint32_t index, ama_action_state_t state, const char *cause, int64_t blame,
                     ama_run_now_t now)
{
    ama_journal_action_ended_t ended = { .action = index, .state = state, .cause = (char *) cause, .blame = blame };

    if (!ama_id_is_zero (run->actions[index].asked_lease)) {
        unlease (run, &run->actions[index].asked_lease);
        run_list_remove (&run->asking, index);
    }
    run_list_remove (&run->in_line, index);
    run_emit (run, AMA_MSG_JOURNAL_ACTION_ENDED, &ended, now);
}

/* Everything that depends on `first`, directly or not, will not run. */
static void skip_dependants (ama_run_core_t *run, uint32_t first, ama_run_now_t now)
{
    run_list_t stack = { 0 };
    ama_str_t cause = { 0 };

    ama_str_printf (&cause, "%s %s", run->plan->actions[first].name,
                    run->actions[first].state == AMA_ACTION_STATE_FAILED    ? "failed"
                    : run->actions[first].state == AMA_ACTION_STATE_ERRORED ? "errored"
                                                                            : "was cancelled");
    run_list_add (&stack, first);
    for (size_t at = 0; at < stack.n; at++) {
        const run_action_t *action = &run->actions[stack.items[at]];
        for (uint32_t i = 0; i < action->n_next; i++) {
            uint32_t next = run->next[action->first_next + i];
            if (run->actions[next].state != AMA_ACTION_STATE_BLOCKED)
                continue;
            end_one (run, next, AMA_ACTION_STATE_SKIPPED, cause.data, first, now);
            run_list_add (&stack, next);
        }
    }
    run_list_done (&stack);
    ama_str_done (&cause);
}

/* fail-fast: running siblings are stopped, so are those that wait to be tried again, the others are skipped; the error action of `failed` still has its turn. */
static void fail_fast (ama_run_core_t *run, uint32_t failed, ama_run_now_t now)
{
    ama_journal_stop_wanted_t stop = { .why = AMA_RUN_STOP_FAIL_FAST, .action = failed };
    ama_str_t cause = { 0 };

    run_emit (run, AMA_MSG_JOURNAL_STOP_WANTED, &stop, now);
    ama_str_printf (&cause, "fail-fast: %s failed", run->plan->actions[failed].name);
    for (size_t i = 0; i < run->open.n; i++) {
        if (stopping (run, run->open.items[i]))
            run_attempt_stop (run, run->open.items[i], false, false, now);
    }
    for (uint32_t i = 0; i < run->plan->n_actions; i++) {
        const run_action_t *action = &run->actions[i];
        if (action->active && action->state < AMA_ACTION_STATE_SUCCEEDED && action->state != AMA_ACTION_STATE_RUNNING
            && stopping (run, i))
            end_one (run, i, action->n_attempts ? AMA_ACTION_STATE_CANCELLED : AMA_ACTION_STATE_SKIPPED, cause.data,
                     failed, now);
    }
    ama_str_done (&cause);
}

void run_action_end (ama_run_core_t *run, uint32_t index, ama_action_state_t state, const char *cause,
                     ama_run_now_t now)
{
    end_one (run, index, state, cause, -1, now);
    if (state == AMA_ACTION_STATE_SUCCEEDED)
        return;
    skip_dependants (run, index, now);
    if (run->plan->fail_fast && run->failing < 0 && run->stop == AMA_RUN_STOP_UNSPECIFIED
        && run->plan->actions[index].error_of < 0 && state != AMA_ACTION_STATE_CANCELLED)
        fail_fast (run, index, now);
}

void run_stop_all (ama_run_core_t *run, ama_run_now_t now)
{
    for (size_t i = 0; i < run->open.n; i++)
        run_attempt_stop (run, run->open.items[i], false, run->force, now);
    run_give_up_unknown (run, now);
    for (uint32_t i = 0; i < run->plan->n_actions; i++) {
        const run_action_t *action = &run->actions[i];
        if (action->active && action->state < AMA_ACTION_STATE_SUCCEEDED && action->state != AMA_ACTION_STATE_RUNNING)
            end_one (run, i, AMA_ACTION_STATE_CANCELLED, "", -1, now);
    }
    unlease (run, &run->session.asked_lease);
}

/* ---- settling ---- */

/* The action's own dependencies can not be had: an attempt that ends where it begins, so that retry rules apply. */
static void start_without_dependencies (ama_run_core_t *run, uint32_t index, ama_run_now_t now)
{
    const run_set_t *set = run->actions[index].set;
    ama_attempt_status_t end = { .state = AMA_ATTEMPT_STATE_ERRORED,
                                 .cause = (char *) "dependency",
                                 .exit = -1,
                                 .error = (char *) ama_err_name ((int) set->code),
                                 .message = (char *) (set->text ? set->text : "") };
    char *text = ama_strdup (end.message);

    end.message = text; /* the retry forgets the set's own */
    run_attempt_start (run, index, no_id, "", 0, 0, now);
    run_attempt_end (run, index, &end, false, now);
    free (text);
}

static void start_in_session (ama_run_core_t *run, uint32_t index, ama_run_now_t now)
{
    run_session_t *session = &run->session;

    if (session->state == RUN_SESSION_READY)
        run_attempt_start (run, index, no_id, session->agent, 0, 0, now);
    else if (session->state == RUN_SESSION_GIVEN_UP) {
        ama_str_t cause = { 0 };
        ama_str_printf (&cause, "no Spark session: %s", session->detail ? session->detail : "it does not start");
        run_action_end (run, index, AMA_ACTION_STATE_ERRORED, cause.data, now);
        ama_str_done (&cause);
    }
    else {
        run_list_add (&run->in_line, index);
        run_session_want (run);
    }
}

static void start_one (ama_run_core_t *run, uint32_t index, ama_run_now_t now)
{
    const run_set_t *set = run->actions[index].set;

    if (set && set->state == RUN_SET_FAILED)
        start_without_dependencies (run, index, now);
    else if (set && set->state == RUN_SET_WANTED) {
        run_list_add (&run->fresh_sets, index);
        run_effect (run, &(ama_run_effect_t){ .kind = AMA_RUN_RESOLVE, .action = index });
    }
    else if (run->actions[index].spark)
        start_in_session (run, index, now);
    else
        ask_lease (run, index, now);
}

static void start_ready (ama_run_core_t *run, ama_run_now_t now)
{
    while (run->ready.n) {
        run_list_t batch = run->ready;
        run->ready = (run_list_t){ 0 };
        for (size_t i = 0; i < batch.n; i++) {
            if (run->actions[batch.items[i]].state == AMA_ACTION_STATE_READY)
                start_one (run, batch.items[i], now);
        }
        run_list_done (&batch);
    }
}

void run_end (ama_run_core_t *run, ama_run_state_t state, int exit, const char *cause, ama_run_now_t now)
{
    run_session_t *session = &run->session;
    ama_journal_run_ended_t ended = { .state = state, .exit = exit, .cause = (char *) cause };
    int64_t gone_ms;

    run_emit (run, AMA_MSG_JOURNAL_RUN_ENDED, &ended, now);
    unlease (run, &run->spare.id);
    unlease (run, &session->asked_lease);
    gone_ms = run->plan ? run_lease_ms (run) : 0;
    if (session->state == RUN_SESSION_OPENING || session->state == RUN_SESSION_READY)
        run_effect (run, &(ama_run_effect_t){ .kind = AMA_RUN_SESSION_CLOSE,
                                              .id = session->id,
                                              .lease = session->lease,
                                              .agent = session->agent,
                                              .gone_ms = gone_ms < 0 ? -1 : gone_ms + RUN_GRACE_MS });
    else
        unlease (run, &session->lease);
    run_effect (run, &(ama_run_effect_t){ .kind = AMA_RUN_DONE });
}

static void set_timer (ama_run_core_t *run)
{
    int64_t due;

    if (!run_timers_first (&run->timers, &due) || due == run->wake_ms)
        return;
    run->wake_ms = due;
    run_effect (run, &(ama_run_effect_t){ .kind = AMA_RUN_WAKE_AT, .when_ms = due });
}

void run_settle (ama_run_core_t *run, ama_run_now_t now)
{
    if (run->state == AMA_RUN_STATE_RUNNING)
        start_ready (run, now);
    unlease (run, &run->spare.id);
    if (run->plan && !run->n_open && !ama_run_core_ended (run)
        && (run->state == AMA_RUN_STATE_RUNNING || run->state == AMA_RUN_STATE_CANCELLING)) {
        ama_str_t cause = { 0 };
        int exit;
        ama_run_state_t state = run_outcome (run, &exit, NULL, &cause);
        run_end (run, state, exit, cause.data ? cause.data : "", now);
        ama_str_done (&cause);
    }
    if (!ama_run_core_ended (run))
        set_timer (run);
}
