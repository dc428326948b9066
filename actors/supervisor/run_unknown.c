/* run_unknown.c - attempts whose agent is not heard of
 *
 * Such an attempt is unknown: it may run, and may have ended. Its guard ends it when nobody has extended its lease for that long; so another one starts after the
 * lease and a grace, and earlier only with proof: the agent is back and says so (run_agent.c), or the job accepts two beside each other. A Spark session has the same
 * lease, and is lost with the first of its attempts whose time is over, or, if the job accepts it, as soon as it is silent. Same thread and rules as run_core.c.
 */
#include "actors/supervisor/run_state.h"

#include <string.h>

int64_t run_lease_ms (const ama_run_core_t *run)
{
    return run->plan->lease_ms ? run->plan->lease_ms : RUN_LEASE_MS;
}

static int64_t lost_at (const ama_run_core_t *run, ama_run_now_t now)
{
    if (run->plan->on_lost == AMA_ON_LOST_RERUN)
        return now.mono_ms;
    return run_lease_ms (run) < 0 ? INT64_MAX : now.mono_ms + run_lease_ms (run) + RUN_GRACE_MS;
}

static void add_timer (ama_run_core_t *run, run_timer_kind_t kind, uint32_t index, int64_t due_ms)
{
    run_timers_add (&run->timers, (run_timer_t){ .due_ms = due_ms,
                                                 .kind = kind,
                                                 .action = index,
                                                 .serial = (uint32_t) run->actions[index].n_attempts });
}

int run_apply_unknown (ama_run_core_t *run, const ama_journal_attempt_unknown_t *body, ama_run_now_t now)
{
    run_action_t *action;

    if (!run->plan || body->action >= run->plan->n_actions)
        return AMA_E_INTEGRITY;
    action = &run->actions[body->action];
    if (ama_id_is_zero (action->attempt) || !ama_id_equal (action->attempt, body->attempt))
        return AMA_E_INTEGRITY;
    action->unknown = body->unknown;
    action->lost_ms = lost_at (run, now);
    if (action->unknown && action->lost_ms != INT64_MAX)
        add_timer (run, RUN_TIMER_LEASE, body->action, action->lost_ms);
    return 0;
}

static void emit (ama_run_core_t *run, uint32_t index, bool unknown, ama_run_now_t now)
{
    const ama_journal_attempt_unknown_t body = { .attempt = run->actions[index].attempt,
                                                 .action = index,
                                                 .unknown = unknown };

    run_emit (run, AMA_MSG_JOURNAL_ATTEMPT_UNKNOWN, &body, now);
}

static void give_up (ama_run_core_t *run, uint32_t index, const char *why, ama_run_now_t now)
{
    ama_id_t lease = run->actions[index].lease;

    run_attempt_lose (run, index, "node-lost", why, AMA_ATTEMPT_STATE_LOST, true, now);
    if (!ama_id_is_zero (lease))
        run_effect (run, &(ama_run_effect_t){ .kind = AMA_RUN_UNLEASE, .id = lease });
}

static void become_unknown (ama_run_core_t *run, uint32_t index, ama_run_now_t now)
{
    emit (run, index, true, now);
    if (run->force)
        give_up (run, index, "its agent is not heard of", now);
}

void run_give_up_unknown (ama_run_core_t *run, ama_run_now_t now)
{
    for (size_t i = 0; i < run->open.n && run->force;) {
        if (run->actions[run->open.items[i]].unknown)
            give_up (run, run->open.items[i], "its agent is not heard of",
                     now); /* another one takes its place in the list */
        else
            i++;
    }
}

void run_attempt_silent (ama_run_core_t *run, uint32_t index, bool at_once, ama_run_now_t now)
{
    run_action_t *action = &run->actions[index];
    bool before = action->silent;

    action->silent = true;
    if (!before)
        action->silent_ms = now.mono_ms;
    if (action->unknown)
        return;
    if (at_once)
        become_unknown (run, index, now);
    else if (!before)
        add_timer (run, RUN_TIMER_SILENT, index, now.mono_ms + RUN_SILENT_MS);
}

void run_attempt_there (ama_run_core_t *run, uint32_t index, ama_run_now_t now)
{
    run_action_t *action = &run->actions[index];

    if (action->silent)
        action->silent_ms = now.mono_ms;
    action->silent = false;
}

void run_attempt_heard (ama_run_core_t *run, uint32_t index, ama_run_now_t now)
{
    run_attempt_there (run, index, now);
    if (run->actions[index].unknown)
        emit (run, index, false, now);
}

void run_silent_timer (ama_run_core_t *run, uint32_t index, ama_run_now_t now)
{
    const run_action_t *action = &run->actions[index];

    /* it may have been there meanwhile */
    if (action->silent && !action->unknown && now.mono_ms - action->silent_ms >= RUN_SILENT_MS)
        become_unknown (run, index, now);
}

void run_lease_timer (ama_run_core_t *run, uint32_t index, ama_run_now_t now)
{
    const run_action_t *action = &run->actions[index];

    if (!action->unknown || now.mono_ms < action->lost_ms)
        return;
    if (action->spark && ama_id_equal (action->session, run->session.id) && run->session.state == RUN_SESSION_READY)
        run_session_end (run, AMA_SESSION_STATE_LOST, "its agent is not heard of", 0, false, now);
    give_up (run, index,
             run->plan->on_lost == AMA_ON_LOST_RERUN ? "its agent is not heard of"
                                                     : "its agent is not heard of, and its lease has run out",
             now);
}

/* The end of an attempt, a success even, may be with an agent that is away. */
void run_session_lost_timer (ama_run_core_t *run, uint32_t index, ama_run_now_t now)
{
    const run_action_t *action = &run->actions[index];

    if (action->silent || now.mono_ms - action->silent_ms < RUN_SESSION_LOST_MS)
        add_timer (run, RUN_TIMER_SESSION_LOST, index, now.mono_ms + RUN_SESSION_LOST_MS);
    else
        run_attempt_lose (run, index, "session-lost", "the Spark session was lost", AMA_ATTEMPT_STATE_ERRORED, false,
                          now);
}

void run_session_silent (ama_run_core_t *run, ama_run_now_t now)
{
    run_session_t *session = &run->session;

    if ((session->state != RUN_SESSION_OPENING && session->state != RUN_SESSION_READY)
        || session->silent_ms != INT64_MAX)
        return;
    session->silent_ms = now.mono_ms;
    run_timers_add (&run->timers, (run_timer_t){ .due_ms = now.mono_ms + RUN_SILENT_MS,
                                                 .kind = RUN_TIMER_SESSION_SILENT,
                                                 .serial = session->serial });
}

void run_session_heard (ama_run_core_t *run)
{
    run->session.silent_ms = INT64_MAX;
}

/* Nothing has run yet in one that opens. What one that is ready has is waited for, unless the job says otherwise; its attempts become unknown by themselves. */
void run_session_silent_timer (ama_run_core_t *run, ama_run_now_t now)
{
    run_session_t *session = &run->session;
    ama_journal_session_changed_t changed = { .session = session->id,
                                              .state = AMA_SESSION_STATE_LOST,
                                              .detail = (char *) "its agent is not heard of",
                                              .retry_in_ms = -1 };
    ama_id_t lease = session->lease;

    if (session->silent_ms == INT64_MAX || now.mono_ms - session->silent_ms < RUN_SILENT_MS
        || (session->state != RUN_SESSION_OPENING
            && (session->state != RUN_SESSION_READY || run->plan->on_lost != AMA_ON_LOST_RERUN)))
        return;
    run_emit (run, AMA_MSG_JOURNAL_SESSION_CHANGED, &changed, now);
    if (!ama_id_is_zero (lease))
        run_effect (run, &(ama_run_effect_t){ .kind = AMA_RUN_UNLEASE, .id = lease });
    run_session_retry_line (run);
}

/* An agent that has joined since has extended its leases, and will say so within the grace. */
void run_resume_unknown (ama_run_core_t *run, uint32_t index, ama_run_now_t now)
{
    run_action_t *action = &run->actions[index];

    if (!action->unknown)
        run_attempt_silent (run, index, false, now);
    else if (action->lost_ms != INT64_MAX) {
        action->silent = true;
        if (action->lost_ms < now.mono_ms + RUN_GRACE_MS)
            action->lost_ms = now.mono_ms + RUN_GRACE_MS;
        add_timer (run, RUN_TIMER_LEASE, index, action->lost_ms);
    }
}

void run_text_unknown (const ama_run_core_t *run, uint32_t index, ama_str_t *out)
{
    const run_action_t *action = &run->actions[index];
    int64_t minutes = (run_lease_ms (run) + RUN_GRACE_MS + 59999) / 60000;

    ama_str_printf (out, "%s is not heard of; whether %s runs is unknown: ", action->agent,
                    run->plan->actions[index].name);
    if (action->lost_ms == INT64_MAX)
        ama_str_puts (out, "waiting for its word");
    else if (run->plan->on_lost == AMA_ON_LOST_RERUN)
        ama_str_puts (out, "it is run again (on-lost: rerun)");
    else
        ama_str_printf (out, "waiting for its word, at most %lld min, for its lease ends then", (long long) minutes);
}
