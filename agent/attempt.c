/* attempt.c - an attempt from its folder to its final status
 *
 * Called by the agent actor and by runners, on the agent's thread.
 *
 * Life: begin (folder, runner) → running → end (the runner says so) → cleared (no process left) → every event sent → final status → freed. The
 * last two wait for the reporter, but not for ever: a status is worth more than the order of events.
 */
#include "agent/attempt.h"

#include "actors/base/ama_failpoint.h"
#include "actors/base/ama_log.h"
#include "agent/ahead.h"
#include "agent/replay.h"
#include "agent/sandbox.h"
#include "agent/secret_start.h"
#include "agent/speech.h"
#include "messages/ama_types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNFINISHED_MS  200   /* an unfinished line waits so long for its end */
#define REPORT_WAIT_MS 10000 /* the final status waits so long for events to be sent */
#define STALL_MS       300000
#define OUTPUT_QUOTA   (1u << 30)

/* ---- events ---- */

/* Masked before it is cut: a part of a secret can not be found any more. */
static char *fit (const ama_attempt_t *attempt, const char *text, size_t max)
{
    char *masked = ama_vault_mask (attempt->vault, text);
    char *fitting = masked ? ama_text_fit (masked, strlen (masked), max) : NULL;

    free (masked);
    return fitting;
}

static void take_frames (const ama_attempt_t *attempt, const ama_report_event_t *event, ama_report_event_t *copy)
{
    copy->n_frames = event->n_frames < AMA_REPORT_EVENT_FRAMES_MAX ? event->n_frames : AMA_REPORT_EVENT_FRAMES_MAX;
    copy->frames = ama_calloc (copy->n_frames + 1, sizeof *copy->frames);
    for (size_t i = 0; i < copy->n_frames; i++) {
        copy->frames[i] = event->frames[i];
        copy->frames[i].file = fit (attempt, event->frames[i].file, AMA_REPORT_FRAME_FILE_MAX);
    }
}

void ama_attempt_post (ama_attempt_t *attempt, const ama_report_event_t *event)
{
    ama_report_event_t copy = *event;

    copy.ts = ama_wall_now_ms (attempt->agent->ctx) - (ama_now_ms (attempt->agent->ctx) - ama_replay_now (attempt));
    copy.action = attempt->action;
    copy.has_attempt = true;
    copy.attempt = attempt->no;
    copy.file = fit (attempt, event->file, AMA_REPORT_EVENT_FILE_MAX);
    copy.text = fit (attempt, event->text, AMA_REPORT_EVENT_TEXT_MAX);
    copy.name = fit (attempt, event->name, AMA_REPORT_EVENT_NAME_MAX);
    copy.path = fit (attempt, event->path, AMA_REPORT_EVENT_PATH_MAX);
    copy.media_type = fit (attempt, event->media_type, AMA_REPORT_EVENT_MEDIA_TYPE_MAX);
    copy.value = fit (attempt, event->value, AMA_REPORT_EVENT_VALUE_MAX);
    copy.error_name = fit (attempt, event->error_name, AMA_REPORT_EVENT_ERROR_NAME_MAX);
    copy.error_message = fit (attempt, event->error_message, AMA_REPORT_EVENT_ERROR_MESSAGE_MAX);
    take_frames (attempt, event, &copy);
    ama_feed_add (attempt->feed, &copy);
    for (size_t i = 0; i < copy.n_frames; i++)
        free (copy.frames[i].file);
    free (copy.frames);
    free (copy.file);
    free (copy.text);
    free (copy.name);
    free (copy.path);
    free (copy.media_type);
    free (copy.value);
    free (copy.error_name);
    free (copy.error_message);
}

void ama_attempt_warn (ama_attempt_t *attempt, uint32_t line, const char *text)
{
    ama_report_event_t event = { .type = AMA_EVENT_TYPE_WARNING, .text = (char *) text, .file = attempt->file };

    event.has_line = line > 0;
    event.line = line;
    ama_attempt_post (attempt, &event);
}

void ama_attempt_progress (ama_attempt_t *attempt, uint32_t line, uint64_t done, uint64_t total, const char *text)
{
    ama_report_progress_t body = { .run = attempt->run };

    body.event = (ama_report_event_t){
        .type = AMA_EVENT_TYPE_PROGRESS,
        .ts = ama_wall_now_ms (attempt->agent->ctx),
        .action = attempt->action,
        .has_attempt = true,
        .attempt = attempt->no,
        .has_line = line > 0,
        .line = line,
        .has_done = true,
        .done = done,
        .has_total = true,
        .total = total,
        .text = fit (attempt, text, AMA_REPORT_EVENT_TEXT_MAX),
    };
    (void) ama_tell (attempt->agent->ctx, "reporter", AMA_MSG_REPORT_PROGRESS, &body);
    free (body.event.text);
}

/* ---- output ---- */

static void post_gap (ama_attempt_t *attempt)
{
    ama_report_event_t event = { .type = AMA_EVENT_TYPE_GAP,
                                 .has_events = true,
                                 .events = attempt->dropped_events,
                                 .has_bytes = true,
                                 .bytes = attempt->dropped_bytes };

    if (!attempt->dropped_events)
        return;
    ama_attempt_post (attempt, &event);
    attempt->dropped_events = attempt->dropped_bytes = 0;
}

static void post_text (ama_attempt_t *attempt, const char *stream, const char *text, size_t size, bool partial)
{
    uint64_t quota = attempt->agent->conf.output_quota;
    ama_report_event_t event = { .type = AMA_EVENT_TYPE_OUTPUT,
                                 .text = (char *) text,
                                 .stream = (char *) stream,
                                 .has_partial = partial,
                                 .partial = partial };

    if (attempt->reported + size > quota && !attempt->over_quota) {
        char warning[128];
        attempt->over_quota = true;
        (void) snprintf (warning, sizeof warning, "output beyond %llu bytes is not kept", (unsigned long long) quota);
        ama_attempt_warn (attempt, 0, warning);
    }
    if (attempt->over_quota || attempt->dropping) {
        attempt->dropped_events++;
        attempt->dropped_bytes += size + !partial;
        return;
    }
    attempt->reported += size + 1;
    ama_attempt_post (attempt, &event);
}

static void on_stdout (const char *text, size_t size, bool partial, void *arg)
{
    post_text (arg, "stdout", text, size, partial);
}

static void on_stderr (const char *text, size_t size, bool partial, void *arg)
{
    post_text (arg, "stderr", text, size, partial);
}

static void pause_runner (ama_attempt_t *attempt, bool pause)
{
    if (attempt->paused == pause || attempt->outcome || !attempt->runner->pause)
        return;
    attempt->paused = pause;
    attempt->runner->pause (attempt, pause);
    if (pause)
        ama_timer_after (attempt->stall, attempt->agent->conf.stall_ms);
    else
        ama_timer_cancel (attempt->stall);
}

void ama_attempt_output (ama_attempt_t *attempt, int channel, const char *bytes, size_t size)
{
    ama_output_t *output = attempt->output[channel - 1];
    ama_str_t masked = { 0 };

    if (ama_masker_is_empty (ama_vault_masker (attempt->vault)))
        ama_output_feed (output, bytes, size);
    else {
        ama_mask_stream_feed (attempt->mask[channel - 1], bytes, size, &masked);
        if (masked.size)
            ama_output_feed (output, masked.data, masked.size);
        ama_str_done (&masked);
    }
    if (ama_output_pending (output))
        ama_timer_after (attempt->timer, UNFINISHED_MS);
    if (ama_feed_full (attempt->feed) && !attempt->dropping)
        pause_runner (attempt, true);
}

void ama_attempt_flush (ama_attempt_t *attempt)
{
    for (int i = 0; i < 2; i++)
        ama_output_flush (attempt->output[i], true);
}

/* Nothing more comes: what could have become a secret goes out. */
static void end_output (ama_attempt_t *attempt)
{
    for (int i = 0; i < 2; i++) {
        ama_str_t rest = { 0 };
        ama_mask_stream_end (attempt->mask[i], &rest);
        if (rest.size)
            ama_output_feed (attempt->output[i], rest.data, rest.size);
        ama_str_done (&rest);
    }
    ama_attempt_flush (attempt);
}

/* Also when it has been blocked for too long: the child goes on, its output is counted instead of kept until there is room again. */
void ama_attempt_shed (void *arg)
{
    ama_attempt_t *attempt = arg;

    if (!attempt->paused)
        return;
    ama_attempt_note (attempt, AMA_TAPE_DROP, NULL, 0);
    attempt->dropping = true;
    pause_runner (attempt, false);
}

/* ---- end ---- */

static void forget_told (ama_attempt_t *attempt)
{
    if (!attempt->told)
        return;
    ama_attempt_start_done (attempt->told);
    free (attempt->told);
    attempt->told = NULL;
}

void ama_attempt_free (ama_attempt_t *attempt)
{
    forget_told (attempt);
    if (attempt->outcome) {
        ama_attempt_status_done (attempt->outcome);
        free (attempt->outcome);
    }
    if (attempt->feed)
        ama_feed_close (&attempt->feed);
    for (int i = 0; i < 2; i++)
        ama_output_destroy (&attempt->output[i]);
    ama_replay_done (attempt);
    attempt->runner->done (attempt);
    ama_ward_release (&attempt->ward);
    ama_speech_close (attempt);
    for (int i = 0; i < 2; i++)
        ama_mask_stream_destroy (&attempt->mask[i]);
    ama_vault_release (attempt->agent->vaults, &attempt->vault);
    ama_vault_release (attempt->agent->vaults, &attempt->runs);
    ama_timer_destroy (&attempt->timer);
    ama_timer_destroy (&attempt->stall);
    ama_folder_done (&attempt->folder);
    free (attempt->action);
    free (attempt->file);
    free (attempt->snapshot);
    free (attempt->note);
    free (attempt);
}

static void release (ama_attempt_t *attempt)
{
    ama_agent_t *agent = attempt->agent;

    HASH_DEL (agent->attempts, attempt);
    ama_attempt_free (attempt);
    ama_agent_less (agent);
}

static void tell_outcome (ama_attempt_t *attempt)
{
    attempt->outcome->has_events = !attempt->uncounted;
    attempt->outcome->events = attempt->uncounted ? 0 : ama_feed_last (attempt->feed);
    ama_agent_remember (attempt->agent, attempt->id);
    ama_statuses_attempt (attempt->agent->statuses, attempt->outcome);
    ama_ahead_after (attempt->agent, attempt->run, attempt->outcome->state == AMA_ATTEMPT_STATE_SUCCEEDED);
    release (attempt);
}

static void on_feed_change (void *arg)
{
    ama_attempt_t *attempt = arg;

    if (attempt->cleared) {
        if (ama_feed_sent (attempt->feed))
            tell_outcome (attempt);
        return;
    }
    if (ama_feed_full (attempt->feed))
        return;
    if (attempt->dropping) {
        ama_attempt_note (attempt, AMA_TAPE_KEEP, NULL, 0);
        attempt->dropping = false;
        post_gap (attempt);
    }
    pause_runner (attempt, false);
}

static void flush_unfinished (ama_attempt_t *attempt)
{
    ama_attempt_note (attempt, AMA_TAPE_FLUSH, NULL, 0);
    for (int i = 0; i < 2; i++)
        ama_output_flush (attempt->output[i], false);
}

void ama_attempt_play (ama_attempt_t *attempt, ama_tape_kind_t kind)
{
    switch (kind) {
    case AMA_TAPE_START: /* all of the tape was played */
        on_feed_change (attempt);
        break;
    case AMA_TAPE_TURN:
        attempt->runner->turn (attempt);
        break;
    case AMA_TAPE_FLUSH:
        flush_unfinished (attempt);
        break;
    case AMA_TAPE_DROP:
        attempt->dropping = true;
        break;
    case AMA_TAPE_KEEP:
        attempt->dropping = false;
        post_gap (attempt);
        break;
    default:
        break;
    }
}

static void on_timer (void *arg)
{
    ama_attempt_t *attempt = arg;

    if (attempt->cleared)
        tell_outcome (attempt);
    else if (!attempt->replay)
        flush_unfinished (attempt);
}

static void on_cleared (bool ok, void *arg)
{
    ama_attempt_t *attempt = arg;
    char id[AMA_ID_TEXT];

    if (!ok)
        ama_log (AMA_LOG_ERROR, "agent", "attempt %s of %s left processes that can not be killed",
                 ama_id_text (attempt->id, id), attempt->action);
    AMA_FAILPOINT (agent, cleared);
    attempt->cleared = true;
    ama_feed_flush (attempt->feed);
    if (ama_feed_sent (attempt->feed) || attempt->agent->stopping)
        tell_outcome (attempt);
    else
        ama_timer_after (attempt->timer, REPORT_WAIT_MS);
}

void ama_attempt_end (ama_attempt_t *attempt, const ama_outcome_t *outcome)
{
    ama_agent_t *agent = attempt->agent;
    bool stopped = attempt->cancelled && outcome->state != AMA_ATTEMPT_STATE_SUCCEEDED;
    ama_attempt_status_t status = {
        .attempt = attempt->id,
        .run = attempt->run,
        .state = outcome->state,
        .cause = fit (attempt, outcome->cause ? outcome->cause : "", AMA_ATTEMPT_STATUS_CAUSE_MAX),
        .exit = outcome->exit,
        .error = fit (attempt, outcome->error ? outcome->error : "", AMA_ATTEMPT_STATUS_ERROR_MAX),
        .message = fit (attempt, outcome->message ? outcome->message : "", AMA_ATTEMPT_STATUS_MESSAGE_MAX),
        .file = fit (attempt, outcome->file ? outcome->file : "", AMA_ATTEMPT_STATUS_FILE_MAX),
        .line = outcome->line,
        .ms = ama_now_ms (agent->ctx) - attempt->started_ms,
        .has_sandbox = true,
        .sandbox = ama_sandbox_level (agent->sandbox),
    };

    BUG_ON (attempt->outcome != NULL);
    end_output (attempt);
    post_gap (attempt);
    if (stopped) {
        status.state = attempt->timed_out ? AMA_ATTEMPT_STATE_TIMED_OUT : AMA_ATTEMPT_STATE_CANCELLED;
        free (status.cause);
        status.cause = ama_strdup (attempt->timed_out ? "timeout" : "");
    }
    attempt->outcome = ama_malloc (sizeof status);
    *attempt->outcome = status;
    ama_timer_cancel (attempt->timer);
    ama_timer_cancel (attempt->stall);
    if (attempt->ward && ama_ward_clear (attempt->ward, on_cleared, attempt))
        return;
    ama_leftovers_clear (agent->leftovers,
                         &(ama_leftovers_of_t){ .group = attempt->group,
                                                .mark = attempt->mark,
                                                .folder = attempt->folder.path,
                                                .last = HASH_COUNT (agent->attempts) == 1 && !agent->sessions },
                         on_cleared, attempt);
}

bool ama_attempt_has_ended (const ama_attempt_t *attempt)
{
    return attempt->outcome != NULL;
}

/* ---- begin ---- */

/* It could not be started. */
static void end_at_once (ama_attempt_t *attempt, const ama_err_t *err)
{
    ama_outcome_t outcome = { .state = AMA_ATTEMPT_STATE_ERRORED,
                              .cause = "error",
                              .exit = -1,
                              .error = "start",
                              .message = err->text,
                              .file = attempt->file };

    switch (err->code) {
    case AMA_E_NOSPACE:
        outcome.error = "no-space";
        break;
    case AMA_E_UNREACHABLE:
        outcome.cause = outcome.error = "session-lost";
        break;
    case AMA_E_UNSUPPORTED:
        outcome.error = "sandbox";
        break;
    case AMA_E_SYNTAX:
        outcome.state = AMA_ATTEMPT_STATE_FAILED;
        outcome.cause = "syntax";
        outcome.error = "SyntaxError";
        break;
    default:
        break;
    }
    ama_attempt_end (attempt, &outcome);
}

static void prepare_next (void *arg)
{
    ama_agent_t *agent = arg;

    ama_folder_prepare (agent->conf.dir);
    ama_sandbox_prepare (agent->sandbox);
}

static void tell_note (ama_attempt_t *attempt)
{
    if (!attempt->note)
        return;
    ama_attempt_note (attempt, AMA_TAPE_NOTE, attempt->note, strlen (attempt->note));
    ama_attempt_warn (attempt, 0, attempt->note);
}

static ama_attempt_t *attempt_new (ama_agent_t *agent, const ama_attempt_start_t *start, const ama_runner_t *runner,
                                   ama_vault_t *vault)
{
    ama_attempt_t *attempt = ama_calloc (1, sizeof *attempt);

    *attempt = (ama_attempt_t){
        .agent = agent,
        .run = start->run,
        .session = start->session,
        .action = ama_strdup (start->action),
        .no = start->no,
        .file = ama_strdup (start->file),
        .snapshot = ama_strdup (start->snapshot),
        .runner = runner,
        .timer = ama_timer_new (agent->ctx, on_timer, attempt),
        .stall = ama_timer_new (agent->ctx, ama_attempt_shed, attempt),
        .output = { ama_output_new (on_stdout, attempt), ama_output_new (on_stderr, attempt) },
        .vault = vault,
    };
    for (int i = 0; i < 2; i++)
        attempt->mask[i] = ama_mask_stream_new (ama_vault_masker (attempt->vault));
    return attempt;
}

ama_attempt_t *ama_attempt_make_ahead (ama_agent_t *agent, const ama_attempt_start_t *start, bool soon,
                                       const ama_runner_t *runner)
{
    ama_attempt_t *attempt = attempt_new (agent, start, runner, ama_vault_hold (agent->vaults, start->run));
    ama_err_t err = { 0 };

    attempt->ahead = true;
    attempt->mark = ama_new_id (agent->ctx);
    if (ama_folder_make (agent->conf.dir, start, soon, &attempt->folder, &err) == 0
        && runner->prepare (attempt, start, &err) == 0)
        return attempt;
    ama_folder_remove (&attempt->folder); /* when its time comes, it is made again */
    ama_attempt_free (attempt);
    return NULL;
}

ama_attempt_t *ama_attempt_make_again (ama_agent_t *agent, const ama_attempt_start_t *start, const ama_runner_t *runner,
                                       ama_id_t mark, int64_t started_ms)
{
    ama_attempt_t *attempt = attempt_new (agent, start, runner, ama_vault_alone ());

    attempt->runs = ama_vault_hold (agent->vaults, start->run);
    attempt->id = start->attempt;
    attempt->mark = mark;
    attempt->started_ms = started_ms;
    attempt->feed = ama_feed_new (agent->poster, start->run, start->attempt, on_feed_change, attempt);
    ama_folder_name (agent->conf.dir, start, &attempt->folder);
    HASH_ADD (hh, agent->attempts, id, sizeof attempt->id, attempt);
    return attempt;
}

void ama_attempt_begin (ama_agent_t *agent, const ama_attempt_start_t *start, const ama_runner_t *runner)
{
    ama_attempt_t *attempt = ama_ahead_take (agent, start, runner);
    ama_attempt_status_t running = {
        .attempt = start->attempt,
        .run = start->run,
        .state = AMA_ATTEMPT_STATE_RUNNING,
        .exit = -1,
        .has_sandbox = true,
        .sandbox = ama_sandbox_level (agent->sandbox),
    };
    bool ready = attempt != NULL;
    ama_err_t err = { 0 };
    int rc = 0;

    if (!ready) {
        attempt = attempt_new (agent, start, runner, ama_vault_hold (agent->vaults, start->run));
        attempt->mark = start->attempt;
        if (ama_secret_start_wanted (&start->environment, start->settings, start->n_settings)) {
            attempt->then = runner;
            attempt->runner = runner = &ama_secret_runner;
        }
    }
    attempt->id = start->attempt;
    attempt->started_ms = ama_now_ms (agent->ctx);
    attempt->feed = ama_feed_new (agent->poster, start->run, start->attempt, on_feed_change, attempt);
    HASH_ADD (hh, agent->attempts, id, sizeof attempt->id, attempt);
    if (ready) {
        ama_attempt_record (attempt, start, true);
        runner->go (attempt, start);
    }
    else {
        rc = ama_folder_make (agent->conf.dir, start, true, &attempt->folder, &err);
        if (rc == 0)
            rc = runner->start (attempt, start, &err);
        if (rc == 0)
            ama_attempt_record (attempt, start, false);
        ama_defer (agent->ctx, prepare_next, agent);
    }
    tell_note (attempt);
    AMA_FAILPOINT (agent, started);
    if (rc == 0) {
        ama_statuses_attempt (agent->statuses, &running);
        ama_ahead_want (agent, start);
        return;
    }
    end_at_once (attempt, &err);
}

void ama_attempt_launch (ama_attempt_t *attempt, const ama_attempt_start_t *start, const ama_attempt_start_t *told)
{
    ama_err_t err = { 0 };
    int rc = attempt->runner->start (attempt, start, &err);

    if (rc == 0)
        ama_attempt_record (attempt, told, false);
    tell_note (attempt);
    if (rc < 0)
        end_at_once (attempt, &err);
}

void ama_attempt_guarded (ama_attempt_t *attempt)
{
    if (!attempt->told) /* its start has not returned yet */
        return;
    ama_attempt_record (attempt, attempt->told, false);
    if (attempt->note) /* was told before; whoever plays the tape tells it, too */
        ama_attempt_note (attempt, AMA_TAPE_NOTE, attempt->note, strlen (attempt->note));
    forget_told (attempt);
}

void ama_attempt_cancel (ama_attempt_t *attempt, bool timed_out, bool force)
{
    if (attempt->outcome)
        return;
    if (!attempt->cancelled)
        attempt->timed_out = timed_out;
    attempt->cancelled = true;
    if (attempt->replay) /* when it is known what to cancel */
        return;
    ama_attempt_note (attempt, AMA_TAPE_CANCEL, &(char){ attempt->timed_out }, 1);
    pause_runner (attempt, false);
    attempt->runner->cancel (attempt, force);
}

void ama_attempt_drop (ama_attempt_t *attempt)
{
    release (attempt);
}
