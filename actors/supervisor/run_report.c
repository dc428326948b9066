/* run_report.c - the report of a run's decisions (contract: Events). Called by the supervisor's shell after each event. Pure. */
#include "actors/supervisor/run_report.h"

#include "actors/supervisor/run_retry.h"
#include "actors/supervisor/run_state.h"

#include <string.h>

typedef struct {
    const ama_run_core_t *run;
    ama_run_now_t now;
    ama_run_report_fn *add;
    void *arg;
} sink_t;

static void add (const sink_t *sink, ama_report_event_t event)
{
    event.ts = sink->now.wall_ms;
    sink->add (&event, sink->arg);
}

/* https://user:secret@host/… is shown as https://host/… */
static void strip_credentials (const char *repo, ama_str_t *out)
{
    const char *host = strstr (repo, "://");
    const char *at;

    host = host ? host + 3 : repo;
    at = host == repo ? NULL : memchr (host, '@', strcspn (host, "/"));
    ama_str_add (out, repo, (size_t) (host - repo));
    ama_str_puts (out, at ? at + 1 : host);
}

/* The events that say what was submitted; event: what else there is to say. */
static void introduce (const sink_t *sink, ama_report_event_t event)
{
    const ama_journal_submitted_t *submit = &sink->run->submit;
    ama_str_t repo = { 0 };

    strip_credentials (submit->repo, &repo);
    event.job = submit->name;
    event.env = *submit->env ? submit->env : (char *) "default";
    event.repo = repo.data ? repo.data : (char *) "";
    if (!event.ref)
        event.ref = submit->ref;
    add (sink, event);
    ama_str_done (&repo);
}

static void phase_started (const sink_t *sink, ama_run_phase_t phase)
{
    ama_report_event_t event = { .type = AMA_EVENT_TYPE_PHASE_STARTED, .phase = (char *) ama_run_phase_name (phase) };

    if (phase == AMA_RUN_PHASE_FETCH)
        introduce (sink, event);
    else
        add (sink, event);
}

/* Nobody will ever know which commit it would have been. */
static void accepted_without_commit (const sink_t *sink)
{
    introduce (sink, (ama_report_event_t){ .type = AMA_EVENT_TYPE_RUN_ACCEPTED });
}

static void phase_ended (const sink_t *sink, const char *phase, bool ok, int64_t ms, const char *detail)
{
    add (sink, (ama_report_event_t){
                   .type = AMA_EVENT_TYPE_PHASE_ENDED,
                   .phase = (char *) phase,
                   .status = (char *) (ok ? "ok" : "error"),
                   .has_ms = true,
                   .ms = ms,
                   .detail = (char *) (detail ? detail : ""),
               });
}

static void problem (const sink_t *sink, const ama_plan_problem_t *what)
{
    ama_str_t text = { 0 };
    char code[16];

    ama_str_puts (&text, what->message);
    if (what->hint && *what->hint)
        ama_str_printf (&text, " (%s)", what->hint);
    if (what->code)
        ama_str_printf (&text, " [%s]", ama_err_public ((int) what->code, code, sizeof code));
    add (sink, (ama_report_event_t){
                   .type = AMA_EVENT_TYPE_WARNING,
                   .text = text.data,
                   .status = (char *) (what->warning ? NULL : "error"),
                   .file = what->file && *what->file ? what->file : NULL,
                   .has_line = what->line > 0,
                   .line = what->line,
               });
    ama_str_done (&text);
}

static void on_phase_failed (const sink_t *sink, const ama_journal_phase_failed_t *body)
{
    if (body->phase == AMA_RUN_PHASE_FETCH)
        accepted_without_commit (sink);
    for (size_t i = 0; i < body->n_problems; i++)
        problem (sink, &body->problems[i]);
    phase_ended (sink, ama_run_phase_name (body->phase), false, body->ms, body->text);
}

static void on_fetched (const sink_t *sink, const ama_journal_fetched_t *body)
{
    ama_str_t detail = { 0 };

    introduce (sink, (ama_report_event_t){ .type = AMA_EVENT_TYPE_RUN_ACCEPTED,
                                           .commit = body->commit,
                                           .ref = body->ref,
                                           .has_dirty = true,
                                           .dirty = body->dirty });
    for (size_t i = 0; i < body->n_warnings; i++)
        add (sink, (ama_report_event_t){ .type = AMA_EVENT_TYPE_WARNING, .text = body->warnings[i] });
    run_text_fetched (body, &detail);
    add (sink, (ama_report_event_t){
                   .type = AMA_EVENT_TYPE_PHASE_ENDED,
                   .phase = (char *) "fetch",
                   .status = (char *) "ok",
                   .has_ms = true,
                   .ms = body->ms,
                   .detail = detail.data,
                   .commit = body->commit,
                   .ref = body->ref,
                   .has_dirty = true,
                   .dirty = body->dirty,
                   .text = body->subject && *body->subject ? body->subject : NULL,
               });
    ama_str_done (&detail);
}

static void on_planned (const sink_t *sink, const ama_journal_planned_t *body)
{
    const ama_plan_plan_t *plan = sink->run->plan;
    ama_str_t detail = { 0 };

    for (size_t i = 0; i < plan->n_warnings; i++)
        problem (sink, &plan->warnings[i]);
    run_text_plan (plan, &detail);
    phase_ended (sink, "plan", true, body->ms, detail.data);
    ama_str_done (&detail);
}

static void on_run_started (const sink_t *sink, const ama_journal_run_started_t *body)
{
    const ama_run_core_t *run = sink->run;
    ama_str_t detail = { 0 };
    bool resolved = run->shared != NULL;

    for (uint32_t i = 0; i < run->plan->n_actions && !resolved; i++)
        resolved = run->actions[i].set != NULL;
    if (resolved) {
        run_text_resolved (run, &detail);
        phase_ended (sink, "resolve", true, body->resolve_ms, detail.data);
        ama_str_done (&detail);
    }
    add (sink, (ama_report_event_t){
                   .type = AMA_EVENT_TYPE_RUN_STARTED,
                   .job = run->plan->job,
                   .env = run->plan->env,
                   .commit = run->source.commit,
                   .ref = run->source.ref,
                   .has_dirty = true,
                   .dirty = run->source.dirty,
                   .text = run->source.subject && *run->source.subject ? run->source.subject : NULL,
               });
}

static void on_session_changed (const sink_t *sink, const ama_journal_session_changed_t *body)
{
    ama_str_t text = { 0 };

    switch (body->state) {
    case AMA_SESSION_STATE_READY:
        phase_ended (sink, "session", true, body->ms, body->detail);
        break;
    case AMA_SESSION_STATE_FAILED:
        phase_ended (sink, "session", false, body->ms, body->detail);
        break;
    default:
        ama_str_printf (&text, "the Spark session was lost: %s", body->detail ? body->detail : "");
        add (sink, (ama_report_event_t){ .type = AMA_EVENT_TYPE_WARNING, .text = text.data });
        ama_str_done (&text);
    }
}

/* ---- attempts and actions ---- */

static void on_attempt_started (const sink_t *sink, const ama_journal_attempt_started_t *body)
{
    const ama_plan_action_t *action = &sink->run->plan->actions[body->action];

    add (sink, (ama_report_event_t){
                   .type = AMA_EVENT_TYPE_ATTEMPT_STARTED,
                   .action = action->name,
                   .has_attempt = true,
                   .attempt = body->no,
                   .state = (char *) "running",
                   .runner = action->runner,
                   .file = action->file,
                   .has_attempts = true,
                   .attempts = ama_retry_attempts (&action->retry),
                   .error_of = action->error_of >= 0 ? sink->run->plan->actions[action->error_of].name : NULL,
               });
}

static void on_attempt_unknown (const sink_t *sink, const ama_journal_attempt_unknown_t *body)
{
    const ama_plan_action_t *action = &sink->run->plan->actions[body->action];
    ama_str_t text = { 0 };

    if (body->unknown)
        run_text_unknown (sink->run, body->action, &text);
    else
        ama_str_printf (&text, "%s is back, and %s goes on", sink->run->actions[body->action].agent, action->name);
    add (sink, (ama_report_event_t){ .type = AMA_EVENT_TYPE_WARNING, .action = action->name, .text = text.data });
    ama_str_done (&text);
}

static void on_attempt_ended (const sink_t *sink, const ama_journal_attempt_ended_t *body)
{
    bool again = body->verdict == AMA_RUN_VERDICT_RETRY || body->verdict == AMA_RUN_VERDICT_FREE;

    add (sink, (ama_report_event_t){
                   .type = AMA_EVENT_TYPE_ATTEMPT_ENDED,
                   .action = sink->run->plan->actions[body->action].name,
                   .has_attempt = true,
                   .attempt = (uint32_t) sink->run->actions[body->action].n_attempts,
                   .state = (char *) ama_attempt_state_name (body->state),
                   .cause = body->cause && *body->cause ? body->cause : NULL,
                   .has_ms = true,
                   .ms = body->ms,
                   .has_retry_in_ms = again,
                   .retry_in_ms = body->retry_in_ms,
                   .has_exit = body->exit > 0,
                   .exit = body->exit,
                   .error_name = body->error && *body->error ? body->error : NULL,
                   .error_message = body->message && *body->message ? body->message : NULL,
                   .file = body->file && *body->file ? body->file : NULL,
                   .has_line = body->line > 0,
                   .line = body->line,
                   .has_source = body->has_events,
                   .source = body->attempt,
                   .has_events = body->has_events,
                   .events = body->events,
                   .events_gone = body->events_gone,
               });
}

static void on_action_ended (const sink_t *sink, const ama_journal_action_ended_t *body)
{
    add (sink, (ama_report_event_t){
                   .type = AMA_EVENT_TYPE_ACTION_ENDED,
                   .action = sink->run->plan->actions[body->action].name,
                   .state = (char *) ama_action_state_name (body->state),
                   .cause = body->cause && *body->cause ? body->cause : NULL,
               });
}

static void on_run_ended (const sink_t *sink, const ama_journal_run_ended_t *body)
{
    const ama_run_core_t *run = sink->run;
    ama_str_t unused = { 0 };
    int64_t index = -1;
    int exit;

    if (!run->fetch_over)
        accepted_without_commit (sink);
    if (run->plan)
        (void) run_outcome (run, &exit, &index, &unused);
    ama_str_done (&unused);
    add (sink, (ama_report_event_t){
                   .type = AMA_EVENT_TYPE_RUN_ENDED,
                   .job = run->plan ? run->plan->job : run->submit.name,
                   .state = (char *) ama_run_state_name (body->state),
                   .has_exit = true,
                   .exit = body->exit,
                   .cause = body->cause && *body->cause ? body->cause : NULL,
                   .action = index >= 0 ? run->plan->actions[index].name : NULL,
                   .has_ms = true,
                   .ms = run->ended - run->accepted,
               });
}

void ama_run_report (const ama_run_core_t *run, uint16_t type, const void *body, ama_run_now_t now,
                     ama_run_report_fn *add_fn, void *arg)
{
    const sink_t sink = { run, now, add_fn, arg };

    switch (type) {
    case AMA_MSG_JOURNAL_PHASE_STARTED:
        phase_started (&sink, ((const ama_journal_phase_started_t *) body)->phase);
        break;
    case AMA_MSG_JOURNAL_PHASE_FAILED:
        on_phase_failed (&sink, body);
        break;
    case AMA_MSG_JOURNAL_FETCHED:
        on_fetched (&sink, body);
        break;
    case AMA_MSG_JOURNAL_PLANNED:
        on_planned (&sink, body);
        break;
    case AMA_MSG_JOURNAL_RUN_STARTED:
        on_run_started (&sink, body);
        break;
    case AMA_MSG_JOURNAL_SESSION_OPENED:
        phase_started (&sink, AMA_RUN_PHASE_SESSION);
        break;
    case AMA_MSG_JOURNAL_SESSION_CHANGED:
        on_session_changed (&sink, body);
        break;
    case AMA_MSG_JOURNAL_ATTEMPT_STARTED:
        on_attempt_started (&sink, body);
        break;
    case AMA_MSG_JOURNAL_ATTEMPT_UNKNOWN:
        on_attempt_unknown (&sink, body);
        break;
    case AMA_MSG_JOURNAL_ATTEMPT_ENDED:
        on_attempt_ended (&sink, body);
        break;
    case AMA_MSG_JOURNAL_ACTION_ENDED:
        on_action_ended (&sink, body);
        break;
    case AMA_MSG_JOURNAL_RUN_ENDED:
        on_run_ended (&sink, body);
        break;
    default:
        break;
    }
}
