/* event.h - an event of a report as a reader gets it: fields by name, from the members of a report.item */
#ifndef AMA_CLIENT_RENDER_EVENT_H
#define AMA_CLIENT_RENDER_EVENT_H

#include "actors/base/ama_str.h"
#include "messages/ama_types.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Texts are never NULL, numbers that are not there are 0. They belong to the event. */
typedef struct {
    json_t *object;
    ama_event_type_t type;
    int64_t ts; /* wall ms, 0 if it can not be read */
    const char *run, *job, *env, *repo, *commit, *ref;
    bool dirty;
    const char *phase, *status, *state, *detail, *cause;
    const char *action, *runner, *error_of, *file, *text, *value, *stream;
    uint32_t attempt, attempts, line, end_line;
    bool partial, has_exit, has_retry;
    int64_t ms, retry_in_ms, exit;
    const char *error_name, *error_message;
    const json_t *frames; /* array of {file, line}, or NULL */
    const char *name, *path, *media_type;
    uint64_t events, bytes, done, total;
} ama_event_t;

/* members: the text of report.item.json. False if it is no JSON; unknown types read as AMA_EVENT_TYPE_UNSPECIFIED. */
bool ama_event_read (const char *members, ama_event_t *ret_event);
void ama_event_done (ama_event_t *event);

/* "java.lang.ArithmeticException: / by zero"; a message that says the name itself is not given it twice. Adds nothing if there is no error. */
void ama_event_error (const ama_event_t *event, ama_str_t *out);

/* One of the frames; false behind the last. */
bool ama_event_frame (const ama_event_t *event, size_t index, const char **ret_file, uint32_t *ret_line);

#endif
