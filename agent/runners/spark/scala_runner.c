/* scala_runner.c - a Scala file through the run's Spark session, statement by statement
 *
 * Used by attempt.c, on the agent's thread.
 *
 *     open a scope ─▶ connect, wait until it is heard ─┐
 *                                                      ├─▶ statement … statement ─▶ close the scope (and publish) ─▶ end
 *                                       split the file ┘
 *
 * A syntax error anywhere ends the attempt before its first statement. The first statement that fails ends it. A cancel interrupts the
 * statement, then stops its thread by force, then kills the JVM, each after the grace. Between two steps a cancel just ends the attempt.
 */
#include "actors/base/ama_failpoint.h"
#include "agent/open_beneath.h"
#include "agent/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE_MAX 4194304
#define ASK_MS     120000 /* for each control request: the JVM may be busy */

typedef enum { OPENING, CONNECTING, RUNNING, CLOSING } step_t;

typedef struct {
    ama_attempt_t *attempt;
    ama_session_t *session; /* NULL when it is lost */
    step_t step;
    char scope[AMA_ID_TEXT];
    char *prefix; /* of the scope's sockets */
    char *source;
    json_t *env;
    bool opened, connected;
    unsigned pending; /* control requests that will still be answered */
    ama_jupyter_t *client;
    json_t *statements; /* NULL: not split yet */
    size_t next;
    bool executing;
    int64_t begun_ms;
    char *value; /* of the statement under way */
    ama_timer_t *timer;
    int stage; /* of the cancel: 1 interrupted, 2 by force */
    /* the outcome, kept until the scope is closed */
    ama_attempt_state_t state;
    char *cause, *error, *message, *file;
    uint32_t line;
} work_t;

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

static void end (work_t *work)
{
    ama_attempt_end (work->attempt, &(ama_outcome_t){ .state = work->state,
                                                      .cause = work->cause,
                                                      .exit = -1,
                                                      .error = work->error,
                                                      .message = work->message,
                                                      .file = work->file,
                                                      .line = work->line });
}

static void set_text (char **to, const char *text)
{
    free (*to);
    *to = ama_strdup (text ? text : "");
}

static void on_closed (const json_t *content, const ama_err_t *err, void *arg);

/* On the session's connection, with work as the callback's argument: the attempt stays until all of these are answered. */
static void ask (work_t *work, const char *type, json_t *content, ama_jupyter_fn *fn)
{
    work->pending++;
    ama_jupyter_control (ama_session_control (work->session), type, content, ASK_MS, fn, work);
}

/* When the outcome is known: the scope is closed, then the attempt ends. */
static void settle (work_t *work)
{
    if (work->step != CLOSING || work->pending)
        return;
    if (work->opened && work->session) {
        work->opened = false;
        ask (work, "ama_close_request",
             json_pack ("{s:s, s:b}", "scope", work->scope, "publish", work->state == AMA_ATTEMPT_STATE_SUCCEEDED),
             on_closed);
    }
    else
        end (work);
}

static void on_closed (const json_t *content, const ama_err_t *err, void *arg)
{
    work_t *work = arg;

    work->pending--;
    if (!is_ok (content) && work->state == AMA_ATTEMPT_STATE_SUCCEEDED) {
        work->state = AMA_ATTEMPT_STATE_ERRORED;
        set_text (&work->cause, "error");
        set_text (&work->error, "publish");
        set_text (&work->message, err ? err->text : ama_jupyter_string (content, "evalue"));
    }
    settle (work);
}

/* The attempt may be gone when this returns. */
static void finish (work_t *work, ama_attempt_state_t state, const char *cause, const char *error, const char *message,
                    const char *file, uint32_t line)
{
    if (work->step == CLOSING)
        return;
    work->step = CLOSING;
    work->state = state;
    set_text (&work->cause, cause);
    set_text (&work->error, error);
    set_text (&work->message, message);
    set_text (&work->file, file);
    work->line = line;
    if (work->timer)
        ama_timer_cancel (work->timer);
    settle (work);
}

static void finish_stopped (work_t *work)
{
    finish (work, AMA_ATTEMPT_STATE_CANCELLED, "", "", "", work->attempt->file, 0);
}

/* A control request was not answered, or not well. */
static void finish_trouble (work_t *work, const json_t *content, const ama_err_t *err)
{
    finish (work, AMA_ATTEMPT_STATE_ERRORED, "session-lost", err ? "kernel" : ama_jupyter_string (content, "ename"),
            err ? err->text : ama_jupyter_string (content, "evalue"), work->attempt->file, 0);
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
    event.ms = ama_now_ms (work->attempt->agent->ctx) - work->begun_ms;
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

static void run_next (work_t *work);

static void on_reply (const json_t *reply, const ama_err_t *err, void *arg)
{
    work_t *work = arg;
    ama_report_event_t event;

    (void) err;
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
    event.ms = ama_now_ms (work->attempt->agent->ctx) - work->begun_ms;
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

    json_array_foreach (stages, i, stage)
    {
        done += number (stage, "done");
        total += number (stage, "total");
        over += json_is_true (json_object_get (stage, "over"));
    }
    (void) snprintf (detail, sizeof detail, "stage %zu/%zu", over < count ? over + 1 : count, count);
    ama_attempt_progress (work->attempt, number (statement, "line"), done, total, detail);
}

static void on_said (const char *type, const json_t *content, void *arg)
{
    work_t *work = arg;

    if (strcmp (type, "stream") == 0) {
        const json_t *text = json_object_get (content, "text");
        int channel = strcmp (ama_jupyter_string (content, "name"), "stderr") == 0 ? 2 : 1;
        if (json_string_length (text))
            ama_attempt_output (work->attempt, channel, json_string_value (text), json_string_length (text));
    }
    else if (strcmp (type, "execute_result") == 0)
        set_text (&work->value, ama_jupyter_string (json_object_get (content, "data"), "text/plain"));
    else if (strcmp (type, "ama_progress") == 0)
        on_progress (work, content);
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
    set_text (&work->value, "");
    work->begun_ms = ama_now_ms (work->attempt->agent->ctx);
    work->executing = true;
    AMA_FAILPOINT (session, statement);
    ama_jupyter_execute (work->client, event.text,
                         json_pack ("{s:{s:s, s:i, s:i, s:i}}", "ama", "file", work->attempt->file, "line",
                                    (int) event.line, "end_line", (int) event.end_line, "column",
                                    (int) number (statement, "column")),
                         on_said, on_reply, work);
}

/* ---- the beginning ---- */

static void go_on (work_t *work)
{
    if (work->step == CLOSING)
        return;
    if (work->attempt->cancelled)
        finish_stopped (work);
    else if (work->connected && work->statements) {
        work->step = RUNNING;
        run_next (work);
    }
}

static void on_connected (void *arg)
{
    work_t *work = arg;

    work->connected = true;
    go_on (work);
}

/* Only now that its sockets are bound: a connection tried before would be tried again after some 50 ms. */
static int connect_scope (work_t *work, ama_err_t *err)
{
    ama_jupyter_conf_t conf = { .prefix = work->prefix, .key = ama_session_key (work->session) };

    work->client = ama_jupyter_new (work->attempt->agent->ctx, &conf, err);
    return work->client ? 0 : err->code;
}

static void on_opened (const json_t *content, const ama_err_t *err, void *arg)
{
    work_t *work = arg;
    ama_err_t trouble;

    work->pending--;
    work->opened = is_ok (content);
    if (work->step == CLOSING) /* it ended meanwhile */
        settle (work);
    else if (!work->opened)
        finish_trouble (work, content, err);
    else if (connect_scope (work, &trouble) < 0)
        finish_trouble (work, NULL, &trouble);
    else {
        work->step = CONNECTING;
        ama_jupyter_when_ready (work->client, on_connected, work);
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

static void on_split (const json_t *content, const ama_err_t *err, void *arg)
{
    work_t *work = arg;
    uint32_t line = number (content, "line");

    work->pending--;
    if (work->step == CLOSING) {
        settle (work);
        return;
    }
    if (err) {
        finish_trouble (work, content, err);
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

static void open_scope (work_t *work)
{
    json_t *connection;
    char run[AMA_ID_TEXT];

    work->prefix = ama_session_prefix (work->session);
    connection = ama_jupyter_connection (work->prefix, ama_session_key (work->session));
    ask (work, "ama_open_request",
         json_pack ("{s:o, s:s, s:s, s:s, s:O}", "connection", connection, "scope", work->scope, "action",
                    work->attempt->action, "run", ama_id_text (work->attempt->run, run), "env", work->env),
         on_opened);
}

static void on_jars (const json_t *content, const ama_err_t *err, void *arg)
{
    work_t *work = arg;

    work->pending--;
    if (work->step == CLOSING)
        settle (work);
    else if (!is_ok (content))
        finish_trouble (work, content, err);
}

static void add_jars (work_t *work, const ama_attempt_start_t *start)
{
    json_t *paths = json_array ();

    for (size_t i = 0; i < start->n_jars; i++)
        (void) json_array_append_new (paths, json_string (start->jars[i]));
    if (start->n_jars)
        ask (work, "ama_jar_request", json_pack ("{s:o}", "paths", paths), on_jars);
    else
        json_decref (paths);
}

static json_t *environment_of (const ama_attempt_start_t *start)
{
    ama_str_t text = { 0 };
    json_t *json;

    ama_folder_env_json (start, &text);
    json = json_loads (text.data, 0, NULL);
    ama_str_done (&text);
    return json ? json : json_object ();
}

static int start (ama_attempt_t *attempt, const ama_attempt_start_t *message, ama_err_t *err)
{
    work_t *work = ama_calloc (1, sizeof *work);
    size_t size;
    int rc;

    attempt->work = work;
    work->attempt = attempt;
    work->session = ama_session_find (attempt->agent, attempt->session);
    attempt->uncounted = !work->session; /* it may have been told of by the agent that died with it */
    if (!work->session || !ama_session_is_ready (work->session))
        return ama_err_set (err, AMA_E_UNREACHABLE, "the Spark session is not there any more");
    rc = ama_read_beneath (attempt->snapshot, attempt->file, SOURCE_MAX, &work->source, &size, err);
    if (rc < 0)
        return rc;
    if (strlen (work->source) != size || !ama_utf8_valid (work->source, size))
        return ama_err_set (err, AMA_E_SYNTAX, "%s is not UTF-8 text", attempt->file);
    if (ama_session_note (work->session))
        attempt->note = ama_strdup (ama_session_note (work->session));
    (void) ama_id_text (attempt->id, work->scope);
    work->env = environment_of (message);
    add_jars (work, message);
    open_scope (work);
    ask (work, "ama_split_request", json_pack ("{s:s, s:s}", "code", work->source, "file", attempt->file), on_split);
    return 0;
}

/* ---- cancel, loss ---- */

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

static void cancel (ama_attempt_t *attempt, bool force)
{
    work_t *work = attempt->work;

    if (work->step == RUNNING && work->executing) {
        if (!work->timer)
            work->timer = ama_timer_new (attempt->agent->ctx, on_timer, work);
        if (force || !work->stage)
            interrupt (work, force);
    }
}

void ama_scala_session_lost (ama_attempt_t *attempt, const char *cause, const char *reason)
{
    work_t *work = attempt->work;
    ama_report_event_t event = { 0 };

    work->pending = 0; /* who would have answered is gone */
    work->session = NULL;
    ama_jupyter_destroy (&work->client);
    if (work->step == CLOSING) {
        settle (work);
        return;
    }
    if (work->executing) {
        ama_attempt_flush (attempt);
        event = statement_event (work, AMA_EVENT_TYPE_STATEMENT_ENDED);
        event.status = (char *) "error";
        event.has_ms = true;
        event.ms = ama_now_ms (attempt->agent->ctx) - work->begun_ms;
        event.error_name = (char *) cause;
        event.error_message = (char *) reason;
        ama_attempt_post (attempt, &event);
    }
    finish (work, AMA_ATTEMPT_STATE_ERRORED, cause, cause, reason, attempt->file, event.line);
}

static void pause_output (ama_attempt_t *attempt, bool pause)
{
    work_t *work = attempt->work;

    if (work->client)
        ama_jupyter_pause (work->client, pause);
}

static void done (ama_attempt_t *attempt)
{
    work_t *work = attempt->work;

    if (!work)
        return;
    ama_jupyter_destroy (&work->client);
    ama_timer_destroy (&work->timer);
    json_decref (work->statements);
    json_decref (work->env);
    free (work->prefix);
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
    .cancel = cancel,
    .pause = pause_output,
    .done = done,
};
