/* script.c - see script.h */
#include "agent/runners/jupyter/script.h"

#include "agent/open_beneath.h"
#include "agent/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ama_script_set_text (char **to, const char *text)
{
    free (*to);
    *to = ama_strdup (text ? text : "");
}

static uint32_t number (const json_t *object, const char *name)
{
    json_int_t n = json_integer_value (json_object_get (object, name));
    return n > 0 && n < 1000000000 ? (uint32_t) n : 0;
}

bool ama_script_is_ok (const json_t *content)
{
    return content && strcmp (ama_jupyter_string (content, "status"), "ok") == 0;
}

/* ---- the end ---- */

void ama_script_end (ama_script_t *script)
{
    ama_attempt_end (script->attempt, &(ama_outcome_t){ .state = script->state,
                                                        .cause = script->cause,
                                                        .exit = script->exit,
                                                        .error = script->error,
                                                        .message = script->message,
                                                        .file = script->file,
                                                        .line = script->line });
}

static void finish (ama_script_t *script, ama_attempt_state_t state, const char *cause, const char *error,
                    const char *message, const char *file, uint32_t line)
{
    if (script->step == AMA_SCRIPT_CLOSING)
        return;
    script->step = AMA_SCRIPT_CLOSING;
    script->state = state;
    ama_script_set_text (&script->cause, cause);
    ama_script_set_text (&script->error, error);
    ama_script_set_text (&script->message, message);
    ama_script_set_text (&script->file, file);
    script->line = line;
    script->host->calm (script);
    script->host->settle (script);
}

void ama_script_finish (ama_script_t *script, const ama_outcome_t *outcome)
{
    if (script->step != AMA_SCRIPT_CLOSING)
        script->exit = outcome->exit;
    finish (script, outcome->state, outcome->cause, outcome->error, outcome->message, outcome->file, outcome->line);
}

static void finish_stopped (ama_script_t *script)
{
    finish (script, AMA_ATTEMPT_STATE_CANCELLED, "", "", "", script->attempt->file, 0);
}

/* A control request was not answered, or not well. */
void ama_script_trouble (ama_script_t *script, const json_t *content)
{
    finish (script, AMA_ATTEMPT_STATE_ERRORED, script->host->lost, ama_jupyter_string (content, "ename"),
            ama_jupyter_string (content, "evalue"), script->attempt->file, 0);
}

/* ---- statements ---- */

const char *ama_script_file (const ama_script_t *script, const json_t *statement)
{
    const char *file = ama_jupyter_string (statement, "file");

    return *file ? file : script->attempt->file;
}

static ama_report_event_t statement_event (const ama_script_t *script, ama_event_type_t type)
{
    const json_t *statement = json_array_get (script->statements, script->next);

    return (ama_report_event_t){
        .type = type,
        .file = (char *) ama_script_file (script, statement),
        .has_line = true,
        .line = number (statement, "line"),
        .has_end_line = true,
        .end_line = number (statement, "end_line"),
        .text = (char *) ama_jupyter_string (statement, "code"),
    };
}

/* It has ended now. */
static ama_report_event_t ended_event (const ama_script_t *script, const char *status)
{
    ama_report_event_t event = statement_event (script, AMA_EVENT_TYPE_STATEMENT_ENDED);

    event.status = (char *) status;
    event.has_ms = true;
    event.ms = ama_replay_now (script->attempt) - script->begun_ms;
    return event;
}

static void post_warnings (ama_script_t *script, const json_t *warnings)
{
    const json_t *warning;
    size_t i;

    json_array_foreach (warnings, i, warning)
        ama_attempt_warn (script->attempt, number (warning, "line"), ama_jupyter_string (warning, "text"));
}

static size_t take_frames (const json_t *list, ama_report_frame_t *frames, size_t max)
{
    const json_t *frame;
    size_t i, count = 0;

    json_array_foreach (list, i, frame) if (count < max) frames[count++] =
        (ama_report_frame_t){ .file = (char *) ama_jupyter_string (frame, "file"), .line = number (frame, "line") };
    return count;
}

/* The code has ended itself. */
static bool ends (const json_t *reply)
{
    return strcmp (ama_jupyter_string (json_object_get (reply, "ama"), "kind"), "exit") == 0;
}

static void on_failed_statement (ama_script_t *script, const json_t *reply)
{
    const json_t *ama = json_object_get (reply, "ama");
    const char *kind = ama_jupyter_string (ama, "kind"), *name = ama_jupyter_string (reply, "ename");
    const char *text = ama_jupyter_string (reply, "evalue");
    ama_report_event_t event = ended_event (script, "error");
    ama_report_frame_t frames[AMA_REPORT_EVENT_FRAMES_MAX];
    bool compile = strcmp (kind, "compile") == 0, session = strcmp (kind, "session") == 0;
    bool oom = strstr (name, "OutOfMemoryError") || strcmp (name, "MemoryError") == 0;

    if (script->attempt->cancelled) {
        name = script->attempt->timed_out ? "timeout" : "cancelled";
        text = script->attempt->timed_out ? "timeout while this was running" : "cancelled while this was running";
    }
    event.n_frames = take_frames (json_object_get (ama, "frames"), frames, ARRAY_SIZE (frames));
    event.frames = frames;
    event.error_name = (char *) name;
    event.error_message = (char *) text;
    ama_attempt_post (script->attempt, &event);
    if (ends (reply))
        script->exit = number (ama, "code");
    finish (script, session ? AMA_ATTEMPT_STATE_ERRORED : AMA_ATTEMPT_STATE_FAILED,
            compile   ? "syntax"
            : session ? "session-lost"
            : oom     ? "oom"
                      : "error",
            name, text, event.n_frames ? frames[0].file : event.file, event.n_frames ? frames[0].line : event.line);
}

void ama_script_fail (ama_script_t *script, const ama_outcome_t *outcome)
{
    ama_report_event_t event = { 0 };

    if (script->step == AMA_SCRIPT_CLOSING) {
        script->host->settle (script);
        return;
    }
    script->exit = outcome->exit;
    if (script->executing) {
        ama_attempt_flush (script->attempt);
        event = ended_event (script, "error");
        event.error_name = (char *) outcome->error;
        event.error_message = (char *) outcome->message;
        ama_attempt_post (script->attempt, &event);
        script->executing = false;
    }
    finish (script, outcome->state, outcome->cause, outcome->error, outcome->message, outcome->file, event.line);
}

static void run_next (ama_script_t *script);

static void on_reply (ama_script_t *script, const json_t *reply)
{
    ama_report_event_t event;
    bool ended;

    script->executing = false;
    script->host->calm (script);
    ama_attempt_flush (script->attempt);
    post_warnings (script, json_object_get (json_object_get (reply, "ama"), "warnings"));
    ended = ends (reply) && !number (json_object_get (reply, "ama"), "code");
    if (!ama_script_is_ok (reply) && !ended) {
        on_failed_statement (script, reply);
        return;
    }
    event = ended_event (script, "ok");
    event.value = script->value && script->value[0] ? script->value : NULL;
    ama_attempt_post (script->attempt, &event);
    script->next++;
    if (ended && !script->attempt->cancelled)
        finish (script, AMA_ATTEMPT_STATE_SUCCEEDED, "", "", "", "", 0);
    else
        run_next (script);
}

/* ---- what a statement says ---- */

static void on_progress (ama_script_t *script, const json_t *content)
{
    const json_t *stages = json_object_get (content, "stages"), *stage;
    const json_t *statement = json_array_get (script->statements, script->next);
    uint64_t done = 0, total = 0;
    size_t i, over = 0, count = json_array_size (stages);
    char detail[64];

    if (ama_replay_playing (script->attempt))
        return;
    json_array_foreach (stages, i, stage)
    {
        done += number (stage, "done");
        total += number (stage, "total");
        over += json_is_true (json_object_get (stage, "over"));
    }
    (void) snprintf (detail, sizeof detail, "stage %zu/%zu", over < count ? over + 1 : count, count);
    ama_attempt_progress (script->attempt, number (statement, "line"), done, total, detail);
}

/* The id of the request of the statement that is under way, which is the same whoever sends it. */
static const char *statement_id (const ama_script_t *script, char buf[32])
{
    (void) snprintf (buf, 32, "statement-%zu", script->next + 1);
    return buf;
}

void ama_script_said (const ama_jupyter_message_t *message, void *arg)
{
    ama_script_t *script = arg;
    const char *type = message->type;
    char id[32];

    if (strcmp (type, "stream") == 0) { /* also of what runs on behind its statement */
        const json_t *text = json_object_get (message->content, "text");
        int channel = strcmp (ama_jupyter_string (message->content, "name"), "stderr") == 0 ? 2 : 1;
        if (json_string_length (text))
            ama_attempt_output (script->attempt, channel, json_string_value (text), json_string_length (text));
    }
    else if (!script->executing || strcmp (message->parent, statement_id (script, id)) != 0)
        return;
    else if (strcmp (type, "execute_result") == 0)
        ama_script_set_text (&script->value,
                             ama_jupyter_string (json_object_get (message->content, "data"), "text/plain"));
    else if (strcmp (type, "ama_progress") == 0)
        on_progress (script, message->content);
    else if (strcmp (type, "execute_reply") == 0)
        on_reply (script, message->content);
}

void ama_script_execute (const ama_script_t *script, ama_jupyter_t *client, const char *before)
{
    const json_t *statement = json_array_get (script->statements, script->next);
    const char *call = ama_jupyter_string (statement, "call");
    ama_str_t code = { 0 };
    char id[32];

    if (!script->executing)
        return;
    ama_str_printf (&code, "%s%s", before, *call ? call : ama_jupyter_string (statement, "code"));
    ama_jupyter_execute (
        client, statement_id (script, id), code.data,
        json_pack ("{s:{s:s, s:b, s:i, s:i, s:i, s:i, s:O*}}", "ama", "file", ama_script_file (script, statement),
                   "cell", json_object_get (statement, "cell") != NULL, "line", (int) number (statement, "line"),
                   "end_line", (int) number (statement, "end_line"), "column", (int) number (statement, "column"),
                   "serial", (int) script->next + 1, "export", json_object_get (statement, "export")));
    ama_str_done (&code);
}

static void run_next (ama_script_t *script)
{
    const json_t *statement = json_array_get (script->statements, script->next);
    ama_report_event_t event;

    if (script->attempt->cancelled) {
        finish_stopped (script);
        return;
    }
    if (!statement) {
        finish (script, AMA_ATTEMPT_STATE_SUCCEEDED, "", "", "", "", 0);
        return;
    }
    event = statement_event (script, AMA_EVENT_TYPE_STATEMENT_STARTED);
    ama_attempt_post (script->attempt, &event);
    ama_script_set_text (&script->value, "");
    script->begun_ms = ama_replay_now (script->attempt);
    script->executing = true;
    script->host->send (script);
}

/* ---- the beginning ---- */

void ama_script_go_on (ama_script_t *script)
{
    if (script->step != AMA_SCRIPT_OPENING)
        return;
    if (script->attempt->cancelled)
        finish_stopped (script);
    else if (script->statements && script->host->ready (script)) {
        script->step = AMA_SCRIPT_RUNNING;
        run_next (script);
    }
}

static void post_syntax_error (ama_script_t *script, uint32_t line, const char *message)
{
    ama_report_frame_t frame = { .file = script->attempt->file, .line = line };
    ama_report_event_t event = { .type = AMA_EVENT_TYPE_STATEMENT_STARTED, .file = script->attempt->file };
    const char *at = script->source;

    for (uint32_t l = 1; l < line && (at = strchr (at, '\n')); l++)
        at++;
    event.has_line = event.has_end_line = line > 0;
    event.line = event.end_line = line;
    event.text = at ? ama_strndup (at, strcspn (at, "\n")) : ama_strdup ("");
    ama_attempt_post (script->attempt, &event);
    event.type = AMA_EVENT_TYPE_STATEMENT_ENDED;
    event.status = (char *) "error";
    event.error_name = (char *) "SyntaxError";
    event.error_message = (char *) message;
    event.frames = &frame;
    event.n_frames = line > 0;
    ama_attempt_post (script->attempt, &event);
    free (event.text);
}

static json_t *export_of (const ama_plan_export_t *export, const char *function)
{
    ama_str_t code = { 0 }, call = { 0 };
    json_t *statement;

    if (export->persisted)
        ama_str_printf (&code, "persist: %s", export->name);
    else
        ama_str_printf (&code, "exports: { %s: %s }", export->name, export->format);
    statement = json_pack ("{s:s, s:{s:s, s:s, s:b}}", "code", code.data, "export", "name", export->name, "format",
                           export->format, "lenient", export->lenient);
    if (function) {
        ama_str_printf (&call, "%s(\"", function);
        ama_str_json (&call, export->name, strlen (export->name));
        ama_str_puts (&call, "\", \"");
        ama_str_json (&call, export->format, strlen (export->format));
        ama_str_puts (&call, export->lenient ? "\", TRUE)" : "\")");
        (void) json_object_set_new (statement, "call", json_string (call.data));
    }
    ama_str_done (&code);
    ama_str_done (&call);
    return statement;
}

void ama_script_export (ama_script_t *script, const ama_attempt_start_t *start, const char *function)
{
    char *folder = ama_folder_word (start, "workingDir", start->environment.working_dir);

    if (*folder && !script->exports)
        script->exports = json_array ();
    for (size_t i = 0; *folder && i < start->n_exports; i++)
        (void) json_array_append_new (script->exports, export_of (&start->exports[i], function));
    free (folder);
}

/* They stand behind the last line. */
static void add_exports (ama_script_t *script)
{
    const json_t *last = json_array_get (script->statements, json_array_size (script->statements) - 1);
    json_t *export;
    size_t i;

    json_array_foreach (script->exports, i, export)
    {
        (void) json_object_set_new (export, "line", json_integer (number (last, "end_line")));
        (void) json_object_set_new (export, "end_line", json_integer (number (last, "end_line")));
        (void) json_array_append (script->statements, export);
    }
}

void ama_script_split (ama_script_t *script, const json_t *content)
{
    uint32_t line = number (content, "line");

    if (strcmp (ama_jupyter_string (content, "ename"), "kernel") == 0
        || (ama_script_is_ok (content) && !json_is_array (json_object_get (content, "statements")))) {
        ama_script_trouble (script, content);
        return;
    }
    if (!ama_script_is_ok (content)) {
        post_syntax_error (script, line, ama_jupyter_string (content, "evalue"));
        finish (script, AMA_ATTEMPT_STATE_FAILED, "syntax", ama_jupyter_string (content, "ename"),
                ama_jupyter_string (content, "evalue"), script->attempt->file, line);
        return;
    }
    post_warnings (script, json_object_get (content, "warnings"));
    script->statements = json_copy (json_object_get (content, "statements"));
    add_exports (script);
    ama_script_go_on (script);
}

void ama_script_spoil (ama_script_t *script, const char *error, const char *message)
{
    if (script->step != AMA_SCRIPT_CLOSING || script->state != AMA_ATTEMPT_STATE_SUCCEEDED)
        return;
    script->state = AMA_ATTEMPT_STATE_ERRORED;
    ama_script_set_text (&script->cause, "error");
    ama_script_set_text (&script->error, error);
    ama_script_set_text (&script->message, message);
}

int ama_script_load (ama_script_t *script, ama_attempt_t *attempt, const ama_script_host_t *host, size_t max,
                     ama_err_t *err)
{
    size_t size;
    int rc;

    script->attempt = attempt;
    script->host = host;
    script->exit = -1;
    rc = ama_read_beneath (attempt->snapshot, attempt->file, max, &script->source, &size, err);
    if (rc == 0 && (strlen (script->source) != size || !ama_utf8_valid (script->source, size)))
        rc = ama_err_set (err, AMA_E_SYNTAX, "%s is not UTF-8 text", attempt->file);
    return rc;
}

void ama_script_done (ama_script_t *script)
{
    json_decref (script->exports);
    json_decref (script->statements);
    free (script->source);
    free (script->value);
    free (script->cause);
    free (script->error);
    free (script->message);
    free (script->file);
}
