/* report_json.c - events to JSON text. Called by the reporter's core; pure. */
#include "actors/reporter/report_json.h"

#include "actors/base/ama_clock.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* By ama_event_type_t. */
static const struct {
    const char *name;
    const char *level;
} types[] = {
    [AMA_EVENT_TYPE_UNSPECIFIED] = { "unknown", "code" },
    [AMA_EVENT_TYPE_RUN_ACCEPTED] = { "run.accepted", "execution" },
    [AMA_EVENT_TYPE_RUN_STARTED] = { "run.started", "execution" },
    [AMA_EVENT_TYPE_RUN_ENDED] = { "run.ended", "execution" },
    [AMA_EVENT_TYPE_PHASE_STARTED] = { "phase.started", "execution" },
    [AMA_EVENT_TYPE_PHASE_ENDED] = { "phase.ended", "execution" },
    [AMA_EVENT_TYPE_ATTEMPT_STARTED] = { "attempt.started", "execution" },
    [AMA_EVENT_TYPE_ATTEMPT_ENDED] = { "attempt.ended", "execution" },
    [AMA_EVENT_TYPE_ACTION_ENDED] = { "action.ended", "execution" },
    [AMA_EVENT_TYPE_STATEMENT_STARTED] = { "statement.started", "code" },
    [AMA_EVENT_TYPE_STATEMENT_ENDED] = { "statement.ended", "code" },
    [AMA_EVENT_TYPE_OUTPUT] = { "output", "code" },
    [AMA_EVENT_TYPE_WARNING] = { "warning", "execution" },
    [AMA_EVENT_TYPE_ARTIFACT] = { "artifact", "execution" },
    [AMA_EVENT_TYPE_GAP] = { "gap", "code" },
    [AMA_EVENT_TYPE_PROGRESS] = { "progress", NULL },
};

enum { CUT_TEXT = 16384, USUAL = 480 };

bool ama_report_is_code (ama_event_type_t type)
{
    return !types[type].level || strcmp (types[type].level, "code") == 0;
}

static void add_name (ama_str_t *out, const char *name)
{
    ama_str_add (out, ",\"", 2);
    ama_str_puts (out, name);
    ama_str_add (out, "\":", 2);
}

static void add_text (ama_str_t *out, const char *name, const char *text, size_t max)
{
    size_t size;

    if (!text)
        return;
    size = strnlen (text, max);
    if (size == max) /* cut: not within a character */
        while (size && ((unsigned char) text[size] & 0xc0) == 0x80)
            size--;
    add_name (out, name);
    ama_str_putc (out, '"');
    ama_str_json (out, text, size);
    ama_str_putc (out, '"');
}

static void add_number (ama_str_t *out, const char *name, bool has, int64_t value)
{
    if (!has)
        return;
    add_name (out, name);
    ama_str_printf (out, "%" PRId64, value);
}

static void add_count (ama_str_t *out, const char *name, bool has, uint64_t value)
{
    if (has) /* more is no JSON number to many readers */
        ama_str_printf (out, ",\"%s\":%" PRIu64, name, value < INT64_MAX ? value : INT64_MAX);
}

static void add_bool (ama_str_t *out, const char *name, bool has, bool value)
{
    if (has)
        ama_str_printf (out, ",\"%s\":%s", name, value ? "true" : "false");
}

static void add_error (ama_str_t *out, const ama_report_event_t *event, size_t max)
{
    ama_str_t inside = { 0 };

    if (!event->error_name && !event->error_message && !event->n_frames)
        return;
    add_text (&inside, "name", event->error_name ? event->error_name : "", max);
    add_text (&inside, "message", event->error_message ? event->error_message : "", max);
    ama_str_puts (&inside, ",\"frames\":[");
    for (size_t i = 0; i < event->n_frames; i++) {
        ama_str_t frame = { 0 };
        add_text (&frame, "file", event->frames[i].file, max);
        add_number (&frame, "line", true, event->frames[i].line);
        ama_str_printf (&inside, "%s{%s}", i ? "," : "", frame.data + 1);
        ama_str_done (&frame);
    }
    ama_str_printf (out, ",\"error\":{%s]}", inside.data + 1);
    ama_str_done (&inside);
}

static void add_members (ama_str_t *out, ama_id_t run, const char *job, const char *env,
                         const ama_report_event_t *event, size_t max)
{
    char ts[32], id[AMA_ID_TEXT];

    ama_str_puts (out, "\"ts\":\"");
    ama_str_puts (out, ama_time_text (event->ts, ts));
    ama_str_putc (out, '"');
    add_text (out, "run", ama_id_text (run, id), max);
    add_text (out, "job", job, max);
    add_text (out, "env", env, max);
    add_text (out, "level", types[event->type].level, max);
    add_text (out, "type", types[event->type].name, max);
    add_text (out, "repo", event->repo, max);
    add_text (out, "commit", event->commit, max);
    add_text (out, "ref", event->ref, max);
    add_bool (out, "dirty", event->has_dirty, event->dirty);
    add_text (out, "phase", event->phase, max);
    add_text (out, "action", event->action, max);
    add_number (out, "attempt", event->has_attempt, event->attempt);
    add_number (out, "attempts", event->has_attempts, event->attempts);
    add_text (out, "runner", event->runner, max);
    add_text (out, "error_of", event->error_of, max);
    add_text (out, "file", event->file, max);
    add_number (out, "line", event->has_line, event->line);
    add_number (out, "end_line", event->has_end_line, event->end_line);
    add_text (out, "stream", event->stream, max);
    add_text (out, "text", event->text, max);
    add_bool (out, "partial", event->has_partial, event->partial);
    add_text (out, "status", event->status, max);
    add_text (out, "state", event->state, max);
    add_text (out, "cause", event->cause, max);
    add_number (out, "exit", event->has_exit, event->exit);
    add_number (out, "ms", event->has_ms, event->ms);
    add_number (out, "retry_in_ms", event->has_retry_in_ms, event->retry_in_ms);
    add_text (out, "detail", event->detail, max);
    add_text (out, "value", event->value, max);
    add_error (out, event, max);
    add_text (out, "name", event->name, max);
    add_text (out, "path", event->path, max);
    add_text (out, "media_type", event->media_type, max);
    add_count (out, "events", event->has_events, event->events);
    add_count (out, "bytes", event->has_bytes, event->bytes);
    add_count (out, "done", event->has_done, event->done);
    add_count (out, "total", event->has_total, event->total);
}

void ama_report_json (ama_id_t run, const char *job, const char *env, const ama_report_event_t *event, ama_str_t *out)
{
    size_t start = out->size;

    ama_str_reserve (out, USUAL);
    /* Control characters take six bytes each: only then, or with every field at its limit, is it too long. */
    for (size_t max = SIZE_MAX; max >= 64; max = max == SIZE_MAX ? CUT_TEXT : max / 4) {
        out->size = start;
        add_members (out, run, job, env, event, max);
        if (out->size - start < AMA_REPORT_ITEM_JSON_MAX)
            return;
    }
    BUG_ON (out->size - start >= AMA_REPORT_ITEM_JSON_MAX);
}

/* ---- reading back ---- */

static char *text_of (const json_t *object, const char *name)
{
    const char *text = json_string_value (json_object_get (object, name));
    return ama_strdup (text ? text : "");
}

static json_t *load_members (const char *members, size_t size)
{
    ama_str_t whole = { 0 };
    json_t *object;

    ama_str_putc (&whole, '{');
    ama_str_add (&whole, members, size);
    ama_str_putc (&whole, '}');
    object = json_loadb (whole.data, whole.size, 0, NULL);
    ama_str_done (&whole);
    return object;
}

bool ama_report_json_tail (const char *json, size_t size, ama_report_tail_t *ret_tail)
{
    json_t *object = load_members (json, size);

    if (!object)
        return false;
    *ret_tail = (ama_report_tail_t){
        .job = text_of (object, "job"),
        .env = text_of (object, "env"),
        .state = text_of (object, "state"),
        .action = text_of (object, "action"),
        .attempt = (uint32_t) json_integer_value (json_object_get (object, "attempt")),
        .exit = json_integer_value (json_object_get (object, "exit")),
    };
    json_decref (object);
    return true;
}

void ama_report_tail_done (ama_report_tail_t *tail)
{
    free (tail->job);
    free (tail->env);
    free (tail->state);
    free (tail->action);
    *tail = (ama_report_tail_t){ 0 };
}

bool ama_report_json_artifact (const char *json, size_t size, ama_run_artifact_info_t *ret_info)
{
    json_t *object = load_members (json, size);

    if (!object)
        return false;
    *ret_info = (ama_run_artifact_info_t){
        .action = text_of (object, "action"),
        .name = text_of (object, "name"),
        .path = text_of (object, "path"),
        .media_type = text_of (object, "media_type"),
    };
    json_decref (object);
    return true;
}
