/* scala_runner.c - a Scala file through the run's Spark session, statement by statement
 *
 * Used by attempt.c, on the agent's thread.
 *
 *     open a scope ─▶ connect ─┐
 *                              ├─▶ statement … statement ─▶ close the scope (and publish) ─▶ end
 *               split the file ┘
 *
 * A syntax error anywhere ends the attempt before its first statement. The first statement that fails ends it. A cancel interrupts the
 * statement, then stops its thread by force, then kills the JVM, each after the grace. Between two steps a cancel just ends the attempt.
 */
#include "agent/runners/spark/scala_work.h"

#include "actors/base/ama_failpoint.h"
#include "agent/open_beneath.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE_MAX 4194304

static uint32_t number (const json_t *object, const char *name)
{
    json_int_t n = json_integer_value (json_object_get (object, name));
    return n > 0 && n < 1000000000 ? (uint32_t) n : 0;
}

static bool is_ok (const json_t *content)
{
    return content && strcmp (ama_jupyter_string (content, "status"), "ok") == 0;
}

/* ---- the end ---- */

void scala_end (work_t *work)
{
    ama_attempt_end (work->attempt, &(ama_outcome_t){ .state = work->state,
                                                      .cause = work->cause,
                                                      .exit = -1,
                                                      .error = work->error,
                                                      .message = work->message,
                                                      .file = work->file,
                                                      .line = work->line });
}

void scala_settle (work_t *work)
{
    if (work->step != CLOSING || scala_waits (work) || scala_playing (work) || work->over)
        return;
    if (work->opened && work->session)
        scala_want (work, ASK_CLOSE);
    else {
        work->over = true;
        ama_timer_after (work->soon, 0);
    }
}

static void on_closed (work_t *work, const json_t *content)
{
    work->opened = false;
    if (!is_ok (content) && work->state == AMA_ATTEMPT_STATE_SUCCEEDED) {
        work->state = AMA_ATTEMPT_STATE_ERRORED;
        scala_set_text (&work->cause, "error");
        scala_set_text (&work->error, "publish");
        scala_set_text (&work->message, ama_jupyter_string (content, "evalue"));
    }
    scala_settle (work);
}

static void finish (work_t *work, ama_attempt_state_t state, const char *cause, const char *error, const char *message,
                    const char *file, uint32_t line)
{
    if (work->step == CLOSING)
        return;
    work->step = CLOSING;
    work->state = state;
    scala_set_text (&work->cause, cause);
    scala_set_text (&work->error, error);
    scala_set_text (&work->message, message);
    scala_set_text (&work->file, file);
    work->line = line;
    if (work->timer)
        ama_timer_cancel (work->timer);
    scala_settle (work);
}

void scala_finish (work_t *work, const ama_outcome_t *outcome)
{
    finish (work, outcome->state, outcome->cause, outcome->error, outcome->message, outcome->file, outcome->line);
}

static void finish_stopped (work_t *work)
{
    finish (work, AMA_ATTEMPT_STATE_CANCELLED, "", "", "", work->attempt->file, 0);
}

/* A control request was not answered, or not well. */
static void finish_trouble (work_t *work, const json_t *content)
{
    finish (work, AMA_ATTEMPT_STATE_ERRORED, "session-lost", ama_jupyter_string (content, "ename"),
            ama_jupyter_string (content, "evalue"), work->attempt->file, 0);
}

/* ---- statements ---- */

static ama_report_event_t statement_event (const work_t *work, ama_event_type_t type)
{
    const json_t *statement = json_array_get (work->statements, work->next);

    return (ama_report_event_t){
        .type = type,
        .file = work->attempt->file,
        .has_line = true,
        .line = number (statement, "line"),
        .has_end_line = true,
        .end_line = number (statement, "end_line"),
        .text = (char *) ama_jupyter_string (statement, "code"),
    };
}

static void post_warnings (work_t *work, const json_t *warnings)
{
    const json_t *warning;
    size_t i;

    json_array_foreach (warnings, i, warning)
        ama_attempt_warn (work->attempt, number (warning, "line"), ama_jupyter_string (warning, "text"));
}

static size_t take_frames (const json_t *list, ama_report_frame_t *frames, size_t max)
{
    const json_t *frame;
    size_t i, count = 0;

    json_array_foreach (list, i, frame) if (count < max) frames[count++] =
        (ama_report_frame_t){ .file = (char *) ama_jupyter_string (frame, "file"), .line = number (frame, "line") };
    return count;
}

static void on_failed_statement (work_t *work, const json_t *reply)
{
    const json_t *ama = json_object_get (reply, "ama");
    const char *kind = ama_jupyter_string (ama, "kind"), *name = ama_jupyter_string (reply, "ename");
    const char *text = ama_jupyter_string (reply, "evalue");
    ama_report_event_t event = statement_event (work, AMA_EVENT_TYPE_STATEMENT_ENDED);
    ama_report_frame_t frames[AMA_REPORT_EVENT_FRAMES_MAX];
    bool compile = strcmp (kind, "compile") == 0, session = strcmp (kind, "session") == 0;
    bool oom = strstr (name, "OutOfMemoryError") != NULL;

    if (work->attempt->cancelled) {
        name = work->attempt->timed_out ? "timeout" : "cancelled";
        text = work->attempt->timed_out ? "timeout while this was running" : "cancelled while this was running";
    }
    event.n_frames = take_frames (json_object_get (ama, "frames"), frames, ARRAY_SIZE (frames));
    event.frames = frames;
    event.status = (char *) "error";
    event.has_ms = true;
    event.ms = ama_replay_now (work->attempt) - work->begun_ms;
    event.error_name = (char *) name;
    event.error_message = (char *) text;
    ama_attempt_post (work->attempt, &event);
    finish (work, session ? AMA_ATTEMPT_STATE_ERRORED : AMA_ATTEMPT_STATE_FAILED,
            compile   ? "syntax"
            : session ? "session-lost"
            : oom     ? "oom"
                      : "error",
            name, text, event.n_frames ? frames[0].file : work->attempt->file,
            event.n_frames ? frames[0].line : event.line);
}

void scala_fail (work_t *work, const ama_outcome_t *outcome)
{
    ama_report_event_t event = { 0 };

    if (work->step == CLOSING) {
        scala_settle (work);
        return;
    }
    if (work->executing) {
        ama_attempt_flush (work->attempt);
        event = statement_event (work, AMA_EVENT_TYPE_STATEMENT_ENDED);
        event.status = (char *) "error";
        event.has_ms = true;
        event.ms = ama_replay_now (work->attempt) - work->begun_ms;
        event.error_name = (char *) outcome->error;
        event.error_message = (char *) outcome->message;
        ama_attempt_post (work->attempt, &event);
        work->executing = false;
    }
    finish (work, outcome->state, outcome->cause, outcome->error, outcome->message, outcome->file, event.line);
}

static void run_next (work_t *work);

static void on_reply (work_t *work, const json_t *reply)
{
    ama_report_event_t event;

    work->executing = false;
    if (work->timer)
        ama_timer_cancel (work->timer);
    ama_attempt_flush (work->attempt);
    post_warnings (work, json_object_get (json_object_get (reply, "ama"), "warnings"));
    if (!is_ok (reply)) {
        on_failed_statement (work, reply);
        return;
    }
    event = statement_event (work, AMA_EVENT_TYPE_STATEMENT_ENDED);
    event.status = (char *) "ok";
    event.has_ms = true;
    event.ms = ama_replay_now (work->attempt) - work->begun_ms;
    event.value = work->value && work->value[0] ? work->value : NULL;
    ama_attempt_post (work->attempt, &event);
    work->next++;
    run_next (work);
}

/* ---- what a statement says ---- */

static void on_progress (work_t *work, const json_t *content)
{
    const json_t *stages = json_object_get (content, "stages"), *stage;
    const json_t *statement = json_array_get (work->statements, work->next);
    uint64_t done = 0, total = 0;
    size_t i, over = 0, count = json_array_size (stages);
    char detail[64];

    if (scala_playing (work))
        return;
    json_array_foreach (stages, i, stage)
    {
        done += number (stage, "done");
        total += number (stage, "total");
        over += json_is_true (json_object_get (stage, "over"));
    }
    (void) snprintf (detail, sizeof detail, "stage %zu/%zu", over < count ? over + 1 : count, count);
    ama_attempt_progress (work->attempt, number (statement, "line"), done, total, detail);
}

/* The id of the request of the statement that is under way, which is the same whoever sends it. */
static const char *statement_id (const work_t *work, char buf[32])
{
    (void) snprintf (buf, 32, "statement-%zu", work->next + 1);
    return buf;
}

void scala_said (const ama_jupyter_message_t *message, void *arg)
{
    work_t *work = arg;
    const char *type = message->type;
    char id[32];

    if (!work->executing || strcmp (message->parent, statement_id (work, id)) != 0)
        return;
    if (strcmp (type, "stream") == 0) {
        const json_t *text = json_object_get (message->content, "text");
        int channel = strcmp (ama_jupyter_string (message->content, "name"), "stderr") == 0 ? 2 : 1;
        if (json_string_length (text))
            ama_attempt_output (work->attempt, channel, json_string_value (text), json_string_length (text));
    }
    else if (strcmp (type, "execute_result") == 0)
        scala_set_text (&work->value, ama_jupyter_string (json_object_get (message->content, "data"), "text/plain"));
    else if (strcmp (type, "ama_progress") == 0)
        on_progress (work, message->content);
    else if (strcmp (type, "execute_reply") == 0)
        on_reply (work, message->content);
}

void scala_send_statement (work_t *work)
{
    const json_t *statement = json_array_get (work->statements, work->next);
    char id[32];

    if (!work->executing || !work->client || scala_playing (work))
        return;
    AMA_FAILPOINT (session, statement);
    ama_jupyter_execute (work->client, statement_id (work, id), ama_jupyter_string (statement, "code"),
                         json_pack ("{s:{s:s, s:i, s:i, s:i, s:i}}", "ama", "file", work->attempt->file, "line",
                                    (int) number (statement, "line"), "end_line", (int) number (statement, "end_line"),
                                    "column", (int) number (statement, "column"), "serial", (int) work->next + 1));
}

static void run_next (work_t *work)
{
    const json_t *statement = json_array_get (work->statements, work->next);
    ama_report_event_t event;

    if (work->attempt->cancelled) {
        finish_stopped (work);
        return;
    }
    if (!statement) {
        finish (work, AMA_ATTEMPT_STATE_SUCCEEDED, "", "", "", "", 0);
        return;
    }
    event = statement_event (work, AMA_EVENT_TYPE_STATEMENT_STARTED);
    ama_attempt_post (work->attempt, &event);
    scala_set_text (&work->value, "");
    work->begun_ms = ama_replay_now (work->attempt);
    work->executing = true;
    scala_send_statement (work);
}

/* ---- the beginning ---- */

static void go_on (work_t *work)
{
    if (work->step != OPENING)
        return;
    if (work->attempt->cancelled)
        finish_stopped (work);
    else if (work->opened && work->statements && !scala_wants (work, ASK_JARS)) {
        work->step = RUNNING;
        run_next (work);
    }
}

static void post_syntax_error (work_t *work, uint32_t line, const char *message)
{
    ama_report_frame_t frame = { .file = work->attempt->file, .line = line };
    ama_report_event_t event = { .type = AMA_EVENT_TYPE_STATEMENT_STARTED, .file = work->attempt->file };
    const char *at = work->source;

    for (uint32_t l = 1; l < line && (at = strchr (at, '\n')); l++)
        at++;
    event.has_line = event.has_end_line = line > 0;
    event.line = event.end_line = line;
    event.text = at ? ama_strndup (at, strcspn (at, "\n")) : ama_strdup ("");
    ama_attempt_post (work->attempt, &event);
    event.type = AMA_EVENT_TYPE_STATEMENT_ENDED;
    event.status = (char *) "error";
    event.error_name = (char *) "SyntaxError";
    event.error_message = (char *) message;
    event.frames = &frame;
    event.n_frames = line > 0;
    ama_attempt_post (work->attempt, &event);
    free (event.text);
}

static void on_split (work_t *work, const json_t *content)
{
    uint32_t line = number (content, "line");

    if (strcmp (ama_jupyter_string (content, "ename"), "kernel") == 0) {
        finish_trouble (work, content);
        return;
    }
    if (!is_ok (content)) {
        post_syntax_error (work, line, ama_jupyter_string (content, "evalue"));
        finish (work, AMA_ATTEMPT_STATE_FAILED, "syntax", ama_jupyter_string (content, "ename"),
                ama_jupyter_string (content, "evalue"), work->attempt->file, line);
        return;
    }
    post_warnings (work, json_object_get (content, "warnings"));
    work->statements = json_incref (json_object_get (content, "statements"));
    go_on (work);
}

void scala_answered (work_t *work, ask_kind_t kind, const json_t *content)
{
    if (kind == ASK_CLOSE)
        on_closed (work, content);
    else if (kind == ASK_OPEN) {
        work->opened = is_ok (content);
        scala_connect (work);
    }
    if (work->step == CLOSING) /* it ended meanwhile */
        scala_settle (work);
    else if (kind == ASK_SPLIT)
        on_split (work, content);
    else if (!is_ok (content))
        finish_trouble (work, content);
    else
        go_on (work);
}

int scala_load (ama_attempt_t *attempt, ama_err_t *err)
{
    work_t *work = ama_calloc (1, sizeof *work);
    size_t size;
    int rc;

    attempt->work = work;
    work->attempt = attempt;
    rc = ama_read_beneath (attempt->snapshot, attempt->file, SOURCE_MAX, &work->source, &size, err);
    if (rc == 0 && (strlen (work->source) != size || !ama_utf8_valid (work->source, size)))
        rc = ama_err_set (err, AMA_E_SYNTAX, "%s is not UTF-8 text", attempt->file);
    return rc;
}

static int start (ama_attempt_t *attempt, const ama_attempt_start_t *message, ama_err_t *err)
{
    ama_err_t unread = { 0 };
    int rc = scala_load (attempt, &unread);

    if (rc == 0
        || !ama_session_find (attempt->agent, attempt->session)) /* that it is lost is told before a fault of ours */
        return scala_join (attempt, message, err);
    return ama_err_set (err, rc, "%s", unread.text);
}

/* ---- cancel ---- */

static void interrupt (work_t *work, bool force)
{
    ama_jupyter_control (work->client, "interrupt_request", json_pack ("{s:b}", "force", force), 0, NULL, NULL);
    work->stage = force ? 2 : 1;
    ama_timer_after (work->timer, work->attempt->agent->conf.grace_ms);
}

static void on_timer (void *arg)
{
    work_t *work = arg;

    if (!work->executing || !work->session)
        return;
    if (work->stage == 1)
        interrupt (work, true);
    else
        ama_session_kill (work->session, "a statement could not be stopped, so the Spark driver was killed");
}

void scala_cancel (ama_attempt_t *attempt, bool force)
{
    work_t *work = attempt->work;

    if (work->step == RUNNING && work->executing && work->client) {
        if (!work->timer)
            work->timer = ama_timer_new (attempt->agent->ctx, on_timer, work);
        if (force || !work->stage)
            interrupt (work, force);
    }
}

static void pause_output (ama_attempt_t *attempt, bool pause)
{
    work_t *work = attempt->work;

    if (work->relaying && attempt->ward)
        ama_ward_pause (attempt->ward, pause);
}

static void done (ama_attempt_t *attempt)
{
    work_t *work = attempt->work;

    if (!work)
        return;
    scala_leave (work);
    ama_timer_destroy (&work->timer);
    json_decref (work->statements);
    free (work->source);
    free (work->value);
    free (work->cause);
    free (work->error);
    free (work->message);
    free (work->file);
    free (work);
    attempt->work = NULL;
}

const ama_runner_t ama_scala_runner = {
    .name = "spark-scala",
    .start = start,
    .cancel = scala_cancel,
    .pause = pause_output,
    .done = done,
    .restore = scala_restore,
    .recall = scala_recall,
    .resume = scala_resume,
};
