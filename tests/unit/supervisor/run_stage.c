/* run_stage.c - drives a run core with words and writes down what it wants
 *
 * In:  submit · activate · fetched · fetch-error CODE · plan SPEC · refused · resolved [A] · resolve-error [A] CODE · lease · lease-error ·
 *      running A · ok A · fail A [ERROR] · syntax A · end A STATE CAUSE · refuse-start A CODE · ready · session-failed · session-lost ·
 *      up [A…] · lost · dead · agent N (its incarnation) · at NAME (another agent, in what follows) · cancel · force · +MS (time passes, timers fire) · restart · no-reuse
 * SPEC: see run_spec.c.
 * Out: fetch · plan · resolve [A] · lease A · lease session CPUS|all · retake · unlease · open · close · start A1 · stop A1 [timeout] [force] · (open, start and stop at another agent: open@NAME …)
 *      drop · done, and of the events: A1 STATE(CAUSE) [retry|free DELAY] · A STATE [(cause)] · run STATE EXIT
 */
#include "tests/unit/supervisor/run_stage.h"

#include "tests/unit/supervisor/run_spec.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void note (ama_str_t *log, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

static void note (ama_str_t *log, const char *format, ...)
{
    char line[4096];
    va_list args;

    va_start (args, format);
    (void) vsnprintf (line, sizeof line, format, args);
    va_end (args);
    ama_str_printf (log, "%s%s", log->size ? "; " : "", line);
}

static const char *action_name (const stage_t *stage, uint32_t index)
{
    static char names[4][64];
    static unsigned turn;
    size_t n;
    ama_run_action_info_t *infos = ama_run_core_actions (stage->run, &n);
    char *name = names[turn++ % 4];

    assert_true (index < n);
    (void) snprintf (name, 64, "%s", infos[index].name);
    ama_run_core_free_actions (infos, n);
    return name;
}

static size_t attempts_of (const stage_t *stage, uint32_t index)
{
    size_t n, attempts;
    ama_run_action_info_t *infos = ama_run_core_actions (stage->run, &n);

    attempts = infos[index].n_attempts;
    ama_run_core_free_actions (infos, n);
    return attempts;
}

/* ---- the port ---- */

static void note_event (stage_t *stage, uint16_t type, const void *body)
{
    if (type == AMA_MSG_JOURNAL_ATTEMPT_ENDED) {
        const ama_journal_attempt_ended_t *ended = body;
        ama_str_t text = { 0 };
        ama_str_printf (&text, "%s%zu %s", action_name (stage, ended->action), attempts_of (stage, ended->action),
                        ama_attempt_state_name (ended->state));
        if (*ended->cause)
            ama_str_printf (&text, "(%s)", ended->cause);
        if (ended->verdict != AMA_RUN_VERDICT_FINAL)
            ama_str_printf (&text, " %s %" PRId64, ama_run_verdict_name (ended->verdict), ended->retry_in_ms);
        note (&stage->log, "%s", text.data);
        ama_str_done (&text);
    }
    else if (type == AMA_MSG_JOURNAL_ACTION_ENDED) {
        const ama_journal_action_ended_t *ended = body;
        bool skipped = ended->state == AMA_ACTION_STATE_SKIPPED;
        note (&stage->log, "%s %s%s%s%s", action_name (stage, ended->action), ama_action_state_name (ended->state),
              skipped ? " (" : "", skipped ? ended->cause : "", skipped ? ")" : "");
    }
    else if (type == AMA_MSG_JOURNAL_ATTEMPT_UNKNOWN) {
        const ama_journal_attempt_unknown_t *at = body;
        note (&stage->log, "%s%zu %s", action_name (stage, at->action), attempts_of (stage, at->action),
              at->unknown ? "unknown" : "known");
    }
    else if (type == AMA_MSG_JOURNAL_RUN_ENDED) {
        const ama_journal_run_ended_t *ended = body;
        note (&stage->log, "run %s %" PRId64, ama_run_state_name (ended->state), ended->exit);
    }
}

/* arg: where it is written down. */
static void note_report (const ama_report_event_t *event, void *arg)
{
    ama_str_t text = { 0 };

    char attempt[16] = "";
    const char *const parts[][3] = {
        { " ", event->phase, "" },    { " ", event->action, "" },
        { "#", attempt, "" },         { " ", event->status, "" },
        { " ", event->state, "" },    { " [", event->detail && *event->detail ? event->detail : NULL, "]" },
        { " \"", event->text, "\"" }, { " <", event->cause, ">" },
        { " ", event->repo, "" },     { " ", event->ref, "" },
    };

    (void) snprintf (attempt, sizeof attempt, "%u", event->attempt);
    ama_str_puts (&text, ama_event_type_name (event->type));
    for (size_t i = 0; i < ARRAY_SIZE (parts); i++)
        if (parts[i][1] && (parts[i][1] != attempt || event->has_attempt))
            ama_str_printf (&text, "%s%s%s", parts[i][0], parts[i][1], parts[i][2]);
    if (event->commit)
        ama_str_printf (&text, "@%s%s", event->commit, event->has_dirty ? event->dirty ? " dirty" : " clean" : "");
    note (arg, "%s", text.data);
    ama_str_done (&text);
}

static void on_event (ama_run_core_t *run, uint16_t type, const void *body, ama_run_now_t now, void *arg)
{
    stage_t *stage = arg;
    stage_event_t *event;

    stage->events = ama_realloc (stage->events, (stage->n_events + 1) * sizeof *event);
    event = &stage->events[stage->n_events++];
    *event = (stage_event_t){ .type = type, .now = now };
    ama_message_info (type)->encode (body, &event->body);
    if (stage->quiet)
        return;
    note_event (stage, type, body);
    ama_run_report (run, type, body, now, note_report, &stage->reports);
}

static void forget_lease (stage_t *stage, ama_id_t lease)
{
    for (size_t i = 0; i < stage->n_asked; i++) {
        if (ama_id_equal (stage->asked[i], lease)) {
            memmove (&stage->asked[i], &stage->asked[i + 1], (stage->n_asked - i - 1) * sizeof *stage->asked);
            stage->n_asked--;
            return;
        }
    }
    stage->session_held &= !ama_id_equal (stage->session_lease, lease);
    assert_true (stage->held > 0);
    stage->held--;
}

static void on_lease (stage_t *stage, const ama_run_effect_t *effect)
{
    if (effect->agent) {
        note (&stage->log, "retake");
        return;
    }
    assert_true (stage->n_asked < ARRAY_SIZE (stage->asked));
    stage->asked[stage->n_asked++] = effect->id;
    if (effect->session)
        stage->session_lease = effect->id;
    if (effect->session && !effect->all_cpus)
        note (&stage->log, "lease session %g", effect->cpus);
    else
        note (&stage->log, "lease %s", effect->session ? "session all" : action_name (stage, effect->action));
}

static const char *at_agent (const ama_run_effect_t *effect)
{
    static char at[40];

    (void) snprintf (at, sizeof at, "@%.32s", effect->agent);
    return strcmp (effect->agent, "local") == 0 ? "" : at;
}

static void on_effect (ama_run_core_t *run, const ama_run_effect_t *effect, void *arg)
{
    static const char *const plain[] = {
        [AMA_RUN_FETCH] = "fetch", [AMA_RUN_PLAN] = "plan", [AMA_RUN_DROP_ASKS] = "drop", [AMA_RUN_DONE] = "done"
    };
    stage_t *stage = arg;
    ama_str_t *log = &stage->log;

    (void) run;
    switch (effect->kind) {
    case AMA_RUN_FETCH:
    case AMA_RUN_PLAN:
    case AMA_RUN_DROP_ASKS:
    case AMA_RUN_DONE:
        note (log, "%s", plain[effect->kind]);
        break;
    case AMA_RUN_RESOLVE:
        if (effect->action == AMA_RUN_SHARED)
            note (log, "resolve");
        else
            note (log, "resolve %s", action_name (stage, effect->action));
        break;
    case AMA_RUN_LEASE:
        on_lease (stage, effect);
        break;
    case AMA_RUN_UNLEASE:
        forget_lease (stage, effect->id);
        note (log, "unlease");
        break;
    case AMA_RUN_SESSION_OPEN:
        stage->session = effect->id;
        note (log, "open%s", at_agent (effect));
        break;
    case AMA_RUN_SESSION_CLOSE:
        if (!ama_id_is_zero (effect->lease))
            forget_lease (stage, effect->lease);
        note (log, "close");
        break;
    case AMA_RUN_START:
        note (log, "start%s %s%zu", at_agent (effect), action_name (stage, effect->action),
              attempts_of (stage, effect->action));
        break;
    case AMA_RUN_STOP:
        note (log, "stop%s %s%zu%s%s", at_agent (effect), action_name (stage, effect->action),
              attempts_of (stage, effect->action), effect->timed_out ? " timeout" : "", effect->force ? " force" : "");
        break;
    case AMA_RUN_WAKE_AT:
        stage->wake_ms = effect->when_ms;
        break;
    }
}

static ama_id_t make_id (uint64_t n)
{
    uint8_t random[10] = { 0 };

    for (int i = 0; i < 8; i++)
        random[9 - i] = (uint8_t) (n >> (8 * i));
    return ama_id_make (1000, random);
}

static ama_id_t new_id (void *arg)
{
    stage_t *stage = arg;
    return make_id (++stage->ids);
}

static bool may_reuse (void *arg)
{
    return !((stage_t *) arg)->no_reuse;
}

static void step_plan (stage_t *stage, const char *text)
{
    run_spec_t *spec = run_spec_new (text);
    ama_plan_reply_t reply = { .ok = true, .has_plan = true, .plan = spec->plan };

    ama_run_core_planned (stage->run, &reply, NULL, stage->now);
    free (spec);
}

/* ---- steps ---- */

static int code_of (const char *name)
{
    for (int code = 0; code > -40; code--) {
        if (strcmp (ama_err_name (code), name) == 0)
            return code;
    }
    fail_msg ("no error code %s", name);
    return 0;
}

static int64_t index_of (const stage_t *stage, const char *name)
{
    size_t n;
    ama_run_action_info_t *infos = ama_run_core_actions (stage->run, &n);
    int64_t found = -1;

    for (size_t i = 0; i < n; i++) {
        if (strcmp (infos[i].name, name) == 0)
            found = (int64_t) i;
    }
    ama_run_core_free_actions (infos, n);
    return found;
}

bool stage_attempt (const stage_t *stage, const char *action, ama_id_t *ret_id)
{
    int64_t index = index_of (stage, action);
    bool open = false;

    for (size_t i = 0; i < stage->n_events; i++) {
        const stage_event_t *event = &stage->events[i];
        ama_journal_attempt_started_t started;
        ama_journal_attempt_ended_t ended;
        if (event->type == AMA_MSG_JOURNAL_ATTEMPT_STARTED) {
            assert_int_equal (ama_journal_attempt_started_decode (event->body.data, event->body.size, &started, NULL),
                              0);
            if (started.action == index) {
                *ret_id = started.attempt;
                open = true;
            }
            ama_journal_attempt_started_done (&started);
        }
        else if (event->type == AMA_MSG_JOURNAL_ATTEMPT_ENDED) {
            assert_int_equal (ama_journal_attempt_ended_decode (event->body.data, event->body.size, &ended, NULL), 0);
            if (ended.action == index)
                open = false;
            ama_journal_attempt_ended_done (&ended);
        }
    }
    return open;
}

static void status (stage_t *stage, const char *action, ama_attempt_state_t state, const char *cause, const char *error)
{
    ama_attempt_status_t body = { .state = state,
                                  .cause = (char *) cause,
                                  .exit = -1,
                                  .error = (char *) error,
                                  .message = (char *) "",
                                  .file = (char *) "",
                                  .ms = 7 };

    if (!stage_attempt (stage, action, &body.attempt))
        body.attempt = make_id (999999);
    (void) ama_run_core_status (stage->run, &body, stage->now);
}

static void step_session (stage_t *stage, ama_session_state_t state)
{
    ama_attempt_session_status_t body = {
        .session = stage->session, .state = state, .detail = (char *) "Spark 4", .ms = 5
    };

    (void) ama_run_core_session (stage->run, &body, stage->now);
}

static void step_agent (stage_t *stage, ama_agent_change_t change, char *names)
{
    ama_lease_held_t held[SPEC_MAX];
    ama_lease_agent_changed_t body = {
        .agent = stage->agent, .change = change, .held = held, .incarnation = stage->incarnation
    };
    char *save = NULL;

    for (char *name = strtok_r (names, " ", &save); name; name = strtok_r (NULL, " ", &save)) {
        ama_lease_held_t *one = &held[body.n_held++];
        *one = (ama_lease_held_t){ .session = strcmp (name, "session") == 0 };
        one->id = stage->session;
        assert_true (one->session || stage_attempt (stage, name, &one->id));
    }
    ama_run_core_agent (stage->run, &body, stage->now);
    if (change == AMA_AGENT_CHANGE_DEAD && !ama_run_core_holds (stage->run, stage->session)) {
        stage->held -= stage->session_held; /* else it may live under its guard */
        stage->session_held = false;
    }
}

static void step_lease (stage_t *stage, const char *error)
{
    ama_lease_granted_t granted = {
        .agent = stage->agent, .cpus = 0.1, .memory = 128u << 20, .incarnation = stage->incarnation
    };
    ama_err_t err = { 0 };
    ama_id_t lease;

    if (!stage->n_asked) {
        note (&stage->log, "NOBODY ASKED FOR A LEASE");
        return;
    }
    lease = stage->asked[0];
    stage->n_asked--;
    memmove (&stage->asked[0], &stage->asked[1], stage->n_asked * sizeof *stage->asked);
    if (error)
        (void) ama_err_set (&err, code_of (error), "64 cpus are more than there are");
    else {
        stage->held++;
        stage->session_held |= ama_id_equal (lease, stage->session_lease);
    }
    ama_run_core_leased (stage->run, lease, error ? NULL : &granted, error ? &err : NULL, stage->now);
}

static void step_resolved (stage_t *stage, const char *action, const char *error)
{
    ama_resolve_file_t file = { .path = (char *) "/cache/a.jar" };
    ama_resolve_reply_t reply = { .files = &file, .n_files = 1 };
    ama_err_t err = { 0 };

    if (error)
        (void) ama_err_set (&err, code_of (error), "nothing there");
    ama_run_core_resolved (stage->run, action ? (uint32_t) index_of (stage, action) : AMA_RUN_SHARED,
                           error ? NULL : &reply, error ? &err : NULL, stage->now);
}

static void step_time (stage_t *stage, int64_t ms)
{
    int64_t until = stage->now.mono_ms + ms, wall = stage->now.wall_ms + ms;

    while (stage->wake_ms <= until) {
        int64_t step = stage->wake_ms > stage->now.mono_ms ? stage->wake_ms - stage->now.mono_ms : 0;
        stage->now.mono_ms += step;
        stage->now.wall_ms += step;
        stage->wake_ms = INT64_MAX;
        ama_run_core_tick (stage->run, stage->now);
    }
    stage->now = (ama_run_now_t){ until, wall };
}

static void step_phases (stage_t *stage, const char *verb, const char *arg)
{
    ama_err_t err = { 0 };

    if (strcmp (verb, "submit") == 0) {
        ama_run_submit_t submit = { .token = (char *) "",
                                    .repo = (char *) "https://me:secret@host/r.git",
                                    .ref = (char *) "main",
                                    .env = (char *) "dev",
                                    .name = (char *) "" };
        ama_run_core_submit (stage->run, &submit, "", stage->now);
    }
    else if (strcmp (verb, "activate") == 0)
        ama_run_core_activate (stage->run, stage->now);
    else if (strcmp (verb, "fetched") == 0) {
        ama_fetch_reply_t reply = { .commit = (char *) "3f2c1ab",
                                    .snapshot = (char *) "/snapshot",
                                    .files = 12,
                                    .ref = (char *) "main",
                                    .subject = (char *) "",
                                    .cached = true };
        ama_run_core_fetched (stage->run, &reply, NULL, stage->now);
    }
    else if (strcmp (verb, "fetch-error") == 0) {
        (void) ama_err_set (&err, code_of (arg), "no way");
        ama_run_core_fetched (stage->run, NULL, &err, stage->now);
    }
    else if (strcmp (verb, "refused") == 0) {
        ama_plan_problem_t problem = { .code = AMA_E_INVALID,
                                       .file = (char *) "maki.yml",
                                       .line = 3,
                                       .message = (char *) "no flow",
                                       .hint = (char *) "add one" };
        ama_plan_reply_t reply = { .problems = &problem, .n_problems = 1 };
        ama_run_core_planned (stage->run, &reply, NULL, stage->now);
    }
    else if (strcmp (verb, "plan") == 0)
        step_plan (stage, arg);
    else
        fail_msg ("no such step: %s %s", verb, arg);
}

static bool step_attempts (stage_t *stage, const char *verb, char *arg, char *more)
{
    ama_id_t id;
    ama_err_t err = { 0 };

    if (strcmp (verb, "running") == 0)
        status (stage, arg, AMA_ATTEMPT_STATE_RUNNING, "", "");
    else if (strcmp (verb, "ok") == 0)
        status (stage, arg, AMA_ATTEMPT_STATE_SUCCEEDED, "", "");
    else if (strcmp (verb, "fail") == 0)
        status (stage, arg, AMA_ATTEMPT_STATE_FAILED, "", *more ? more : "");
    else if (strcmp (verb, "syntax") == 0)
        status (stage, arg, AMA_ATTEMPT_STATE_FAILED, "syntax", "");
    else if (strcmp (verb, "end") == 0) {
        char *cause = strchr (more, ' ');
        ama_attempt_state_t state;
        if (cause)
            *cause++ = '\0';
        assert_int_equal (ama_attempt_state_parse (more, &state), 0);
        status (stage, arg, state, cause ? cause : "", "");
    }
    else if (strcmp (verb, "refuse-start") == 0) {
        assert_true (stage_attempt (stage, arg, &id));
        (void) ama_err_set (&err, code_of (more), "no");
        ama_run_core_taken (stage->run, id, &err, stage->now);
    }
    else if (strcmp (verb, "taken") == 0) {
        assert_true (stage_attempt (stage, arg, &id));
        ama_run_core_taken (stage->run, id, NULL, stage->now);
    }
    else
        return false;
    return true;
}

void stage_step (stage_t *stage, const char *step)
{
    char copy[512], *arg, *more;

    (void) snprintf (copy, sizeof copy, "%s", step);
    if (*copy == '+') {
        step_time (stage, atoll (copy + 1));
        return;
    }
    arg = copy + strcspn (copy, " ");
    if (*arg)
        *arg++ = '\0';
    for (ama_agent_change_t change = AMA_AGENT_CHANGE_UP; change <= AMA_AGENT_CHANGE_DEAD; change++)
        if (strcmp (copy, ama_agent_change_name (change)) == 0) {
            step_agent (stage, change, arg);
            return;
        }
    more = arg + strcspn (arg, " ");
    if (*more)
        *more++ = '\0';
    if (strcmp (copy, "restart") == 0)
        stage_restart (stage);
    else if (strcmp (copy, "renew") == 0)
        ama_run_core_renew (stage->run);
    else if (strcmp (copy, "agent") == 0)
        stage->incarnation = (uint64_t) atoi (arg);
    else if (strcmp (copy, "at") == 0)
        (void) snprintf (stage->agent, sizeof stage->agent, "%s", arg);
    else if (strcmp (copy, "no-reuse") == 0)
        stage->no_reuse = true;
    else if (strcmp (copy, "cancel") == 0 || strcmp (copy, "force") == 0)
        ama_run_core_stop (stage->run, AMA_RUN_STOP_USER, *copy == 'f', stage->now);
    else if (strcmp (copy, "lease") == 0)
        step_lease (stage, NULL);
    else if (strcmp (copy, "lease-error") == 0)
        step_lease (stage, "AMA_E_INVALID");
    else if (strcmp (copy, "ready") == 0)
        step_session (stage, AMA_SESSION_STATE_READY);
    else if (strcmp (copy, "session-failed") == 0)
        step_session (stage, AMA_SESSION_STATE_FAILED);
    else if (strcmp (copy, "session-lost") == 0)
        step_session (stage, AMA_SESSION_STATE_LOST);
    else if (strcmp (copy, "resolved") == 0)
        step_resolved (stage, *arg ? arg : NULL, NULL);
    else if (strcmp (copy, "resolve-error") == 0)
        step_resolved (stage, *more ? arg : NULL, *more ? more : arg);
    else if (!step_attempts (stage, copy, arg, more))
        step_phases (stage, copy, arg);
}

void stage_play (stage_t *stage, const char *steps)
{
    char step[512];

    while (*steps) {
        size_t size = strcspn (steps, ";");
        (void) snprintf (step, sizeof step, "%.*s", (int) size, steps);
        stage_step (stage, step);
        steps += size;
        steps += strspn (steps, "; ");
    }
}

/* ---- life ---- */

void stage_init (stage_t *stage)
{
    *stage = (stage_t){
        .port = { .event = on_event, .effect = on_effect, .new_id = new_id, .may_reuse = may_reuse },
        .now = { 1000000, 2000000 },
        .wake_ms = INT64_MAX,
        .agent = "local",
    };
    stage->port.arg = stage;
    stage->run = ama_run_core_new (make_id (777777), &stage->port);
}

static ama_run_core_t *replay (stage_t *stage, ama_str_t *reports)
{
    ama_run_core_t *run = ama_run_core_new (ama_run_core_id (stage->run), &stage->port);

    for (size_t i = 0; i < stage->n_events; i++) {
        const stage_event_t *event = &stage->events[i];
        const ama_message_info_t *info = ama_message_info (event->type);
        void *body = ama_calloc (1, info->size);
        ama_err_t err = { 0 };
        assert_int_equal (info->decode (event->body.data, event->body.size, body, &err), 0);
        if (ama_run_core_replay (run, event->type, body, event->now, &err) < 0)
            fail_msg ("replay: %s", err.text);
        ama_run_report (run, event->type, body, event->now, note_report, reports);
        info->done (body);
        free (body);
    }
    return run;
}

void stage_restart (stage_t *stage)
{
    ama_str_t a = { 0 }, b = { 0 }, reports = { 0 };
    ama_run_core_t *again = replay (stage, &reports);

    assert_string_equal (ama_run_core_dump (again, &b), ama_run_core_dump (stage->run, &a));
    if (!stage->quiet && stage->reports.size)
        assert_string_equal (reports.data, stage->reports.data);
    ama_str_done (&a);
    ama_str_done (&b);
    ama_str_done (&reports);
    ama_run_core_destroy (&stage->run);
    stage->run = again;
    stage->n_asked = 0;
    stage->wake_ms = INT64_MAX;
    ama_run_core_resume (stage->run, stage->now);
}

void stage_done (stage_t *stage)
{
    ama_run_core_destroy (&stage->run);
    for (size_t i = 0; i < stage->n_events; i++)
        ama_str_done (&stage->events[i].body);
    free (stage->events);
    ama_str_done (&stage->log);
    ama_str_done (&stage->reports);
}
