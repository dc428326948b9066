/* event.c - JSON of a report item to fields. Called by the renderers; pure. */
#include "client/render/event.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *text_of (const json_t *object, const char *name)
{
    const char *text = json_string_value (json_object_get (object, name));
    return text ? text : "";
}

/* A word of the contract's, which is shown as it is; "" if it is none. */
static const char *word_of (const json_t *object, const char *name)
{
    const char *text = text_of (object, name);

    for (const char *at = text; *at; at++)
        if (!isgraph ((unsigned char) *at))
            return "";
    return text;
}

static int64_t number_of (const json_t *object, const char *name)
{
    return json_integer_value (json_object_get (object, name));
}

/* "2026-01-31T12:00:00.123Z" to wall ms; 0 if it is something else. */
static int64_t time_of (const char *text)
{
    struct tm tm = { 0 };
    int ms = 0, end = 0;

    if (sscanf (text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
                &tm.tm_sec, &ms, &end)
            != 7
        || text[end])
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (int64_t) timegm (&tm) * 1000 + ms;
}

/* The schema's names have _ where the contract's have a dot. */
static ama_event_type_t type_of (const char *name)
{
    ama_event_type_t type;
    char schema[32];

    snprintf (schema, sizeof schema, "%s", name);
    for (char *at = schema; (at = strchr (at, '.'));)
        *at = '_';
    return ama_event_type_parse (schema, &type) == 0 ? type : AMA_EVENT_TYPE_UNSPECIFIED;
}

static void read_texts (const json_t *object, ama_event_t *event)
{
    const struct {
        const char *name;
        const char **field;
        bool word;
    } texts[] = {
        { "run", &event->run, true },
        { "commit", &event->commit, true },
        { "phase", &event->phase, true },
        { "status", &event->status, true },
        { "state", &event->state, true },
        { "stream", &event->stream, true },
        { "job", &event->job, false },
        { "env", &event->env, false },
        { "repo", &event->repo, false },
        { "ref", &event->ref, false },
        { "detail", &event->detail, false },
        { "cause", &event->cause, false },
        { "action", &event->action, false },
        { "runner", &event->runner, false },
        { "error_of", &event->error_of, false },
        { "file", &event->file, false },
        { "text", &event->text, false },
        { "value", &event->value, false },
        { "name", &event->name, false },
        { "path", &event->path, false },
        { "media_type", &event->media_type, false },
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i].field = texts[i].word ? word_of (object, texts[i].name) : text_of (object, texts[i].name);
}

static void read_error (const json_t *object, ama_event_t *event)
{
    const json_t *error = json_object_get (object, "error"), *frames = json_object_get (error, "frames");

    event->error_name = text_of (error, "name");
    event->error_message = text_of (error, "message");
    event->frames = json_is_array (frames) ? frames : NULL;
}

bool ama_event_read (const char *members, ama_event_t *ret_event)
{
    ama_str_t whole = { 0 };
    ama_event_t event = { 0 };

    ama_str_printf (&whole, "{%s}", members);
    event.object = json_loadb (whole.data, whole.size, 0, NULL);
    ama_str_done (&whole);
    if (!event.object)
        return false;
    event.type = type_of (text_of (event.object, "type"));
    event.ts = time_of (text_of (event.object, "ts"));
    read_texts (event.object, &event);
    read_error (event.object, &event);
    event.dirty = json_is_true (json_object_get (event.object, "dirty"));
    event.partial = json_is_true (json_object_get (event.object, "partial"));
    event.has_exit = json_object_get (event.object, "exit") != NULL;
    event.exit = number_of (event.object, "exit");
    event.has_retry = json_object_get (event.object, "retry_in_ms") != NULL;
    event.retry_in_ms = number_of (event.object, "retry_in_ms");
    event.ms = number_of (event.object, "ms");
    event.attempt = (uint32_t) number_of (event.object, "attempt");
    event.attempts = (uint32_t) number_of (event.object, "attempts");
    event.line = (uint32_t) number_of (event.object, "line");
    event.end_line = (uint32_t) number_of (event.object, "end_line");
    event.events = (uint64_t) number_of (event.object, "events");
    event.bytes = (uint64_t) number_of (event.object, "bytes");
    event.done = (uint64_t) number_of (event.object, "done");
    event.total = (uint64_t) number_of (event.object, "total");
    *ret_event = event;
    return true;
}

void ama_event_done (ama_event_t *event)
{
    json_decref (event->object);
    *event = (ama_event_t){ 0 };
}

void ama_event_error (const ama_event_t *event, ama_str_t *out)
{
    if (!ama_str_starts (event->error_message, event->error_name))
        ama_str_printf (out, "%s%s", event->error_name, *event->error_message ? ": " : "");
    ama_str_puts (out, event->error_message);
}

bool ama_event_frame (const ama_event_t *event, size_t index, const char **ret_file, uint32_t *ret_line)
{
    const json_t *frame = json_array_get (event->frames, index);

    if (!frame)
        return false;
    *ret_file = text_of (frame, "file");
    *ret_line = (uint32_t) number_of (frame, "line");
    return true;
}
