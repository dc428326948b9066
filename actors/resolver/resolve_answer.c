/* resolve_answer.c - reads the child's lines. Called by resolver_actor.c on its thread, by tests and a fuzzer; no state of its own. */
#include "actors/resolver/resolve_answer.h"

#include "messages/resolve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES_MAX = 4 };

typedef struct {
    char *value[VALUES_MAX];
    size_t n;
} values_t;

static const struct {
    const char *word;
    int code;
} failures[] = {
    { "not_found", AMA_E_NOT_FOUND },
    { "unreachable", AMA_E_UNREACHABLE },
    { "auth", AMA_E_AUTH },
    { "integrity", AMA_E_INTEGRITY },
    { "url", AMA_E_URL },
    { "timeout", AMA_E_TIMEOUT },
    { "limit", AMA_E_LIMIT },
    { "nospace", AMA_E_NOSPACE },
    { "request", AMA_E_INVALID },
    { "setup", AMA_E_UNSUPPORTED },
    { "io", AMA_E_IO },
};

static int void_ (ama_err_t *err, const char *why)
{
    return ama_err_set (err, AMA_E_DECODE, "the resolver's child said %s", why);
}

/* In place; false for an escape that does not exist. */
static bool unescape (char *text)
{
    char *put = text;

    for (const char *get = text; *get; get++) {
        if (*get != '\\') {
            *put++ = *get;
            continue;
        }
        get++;
        if (*get == 't')
            *put++ = '\t';
        else if (*get == 'n')
            *put++ = '\n';
        else if (*get == 'r')
            *put++ = '\r';
        else if (*get == '0')
            *put++ = ' ';
        else if (*get == '\\')
            *put++ = '\\';
        else
            return false;
    }
    *put = '\0';
    return true;
}

/* line is cut up. Returns its word, or NULL. */
static const char *split (char *line, values_t *values)
{
    const char *word = strsep (&line, "\t");

    values->n = 0;
    for (char *value; (value = strsep (&line, "\t"));) {
        if (values->n == VALUES_MAX || !unescape (value))
            return NULL;
        values->value[values->n++] = value;
    }
    return word;
}

static bool number (const char *text, uint64_t *ret)
{
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *ret = strtoull (text, &end, 10);
    return !*end && errno == 0 && *ret <= INT64_MAX;
}

bool ama_resolve_coordinates_ok (const char *text)
{
    size_t parts = 1, size = 0;

    if (strlen (text) > AMA_RESOLVE_FILE_COORDINATES_MAX || strstr (text, ".."))
        return false;
    for (const char *c = text; *c; c++) {
        if (*c == ':') {
            if (!size)
                return false;
            parts++;
            size = 0;
            continue;
        }
        /* what a job writes is checked more strictly; this came along, and others' versions have odd characters */
        if (*c <= ' ' || *c >= 0x7f || strchr ("/\\\"'<>|*?", *c) || (*c == '.' && !size))
            return false;
        size++;
    }
    return size && (parts == 3 || parts == 4);
}

static int take_file (ama_resolve_answer_t *answer, const values_t *values, ama_err_t *err)
{
    ama_resolve_found_t found = { 0 };

    if (values->n != 3 || !ama_resolve_coordinates_ok (values->value[0]) || !number (values->value[1], &found.size))
        return void_ (err, "something that is no file");
    if (values->value[2][0] != '/' || strlen (values->value[2]) > AMA_RESOLVE_FILE_PATH_MAX)
        return void_ (err, "a path that is not one");
    if (answer->n_files == AMA_RESOLVE_REPLY_FILES_MAX) {
        (void) snprintf (answer->text, sizeof answer->text, "these dependencies are more than %d files",
                         AMA_RESOLVE_REPLY_FILES_MAX);
        answer->code = AMA_E_LIMIT;
        return ama_err_set (err, AMA_E_LIMIT, "%s", answer->text);
    }
    if ((answer->n_files & (answer->n_files - 1)) == 0)
        answer->files = ama_realloc (answer->files, (answer->n_files ? 2 * answer->n_files : 1) * sizeof found);
    found.coordinates = ama_strdup (values->value[0]);
    found.path = ama_strdup (values->value[2]);
    answer->files[answer->n_files++] = found;
    return 0;
}

static int take_failure (ama_resolve_answer_t *answer, const values_t *values, ama_err_t *err)
{
    ama_str_t text = { 0 };
    size_t i = 0;

    if (values->n != 2)
        return void_ (err, "something that is no failure");
    while (i < ARRAY_SIZE (failures) && strcmp (values->value[0], failures[i].word) != 0)
        i++;
    if (i == ARRAY_SIZE (failures))
        return void_ (err, "something that is no failure");
    /* servers had a say in it */
    ama_str_escape (&text, values->value[1], strlen (values->value[1]), sizeof answer->text - 8);
    (void) snprintf (answer->text, sizeof answer->text, "%s",
                     text.size ? text.data : "resolving failed and did not say why");
    ama_str_done (&text);
    answer->code = failures[i].code;
    answer->ended = true;
    return 0;
}

static int take_step (const values_t *values, bool note, ama_resolve_step_fn *on_step, void *arg, ama_err_t *err)
{
    ama_resolve_step_t step = { 0 };
    ama_str_t text = { 0 };

    if (note) {
        if (values->n != 1)
            return void_ (err, "something that is no note");
        ama_str_escape (&text, values->value[0], strlen (values->value[0]), AMA_RESOLVE_NOTE_MAX);
        step.note = text.data ? text.data : "";
    }
    else if (values->n != 3 || !number (values->value[0], &step.done) || !number (values->value[1], &step.total)
             || !number (values->value[2], &step.bytes)) {
        return void_ (err, "something that is no progress");
    }
    if (on_step)
        on_step (&step, arg);
    ama_str_done (&text);
    return 0;
}

static int take_done (ama_resolve_answer_t *answer, const values_t *values, ama_err_t *err)
{
    uint64_t files;

    if (values->n != 2 || !number (values->value[0], &files) || !number (values->value[1], &answer->downloads)
        || files != answer->n_files)
        return void_ (err, "an end that does not fit what was before");
    answer->ended = true;
    return 0;
}

static int take_line (ama_resolve_answer_t *answer, char *line, ama_resolve_step_fn *on_step, void *arg, ama_err_t *err)
{
    values_t values = { 0 };
    const char *word = split (line, &values);

    if (answer->ended)
        return void_ (err, "more after its end");
    if (!word)
        return void_ (err, "a line with too many values or an unknown escape");
    if (strcmp (word, "file") == 0)
        return take_file (answer, &values, err);
    if (strcmp (word, "done") == 0)
        return take_done (answer, &values, err);
    if (strcmp (word, "failed") == 0)
        return take_failure (answer, &values, err);
    if (strcmp (word, "progress") == 0 || strcmp (word, "note") == 0)
        return take_step (&values, *word == 'n', on_step, arg, err);
    return void_ (err, "a word that it does not have");
}

int ama_resolve_answer_feed (ama_resolve_answer_t *answer, const char *bytes, size_t size, ama_resolve_step_fn *on_step,
                             void *arg, ama_err_t *err)
{
    int rc = answer->broken ? AMA_E_DECODE : 0;

    while (size && rc == 0) {
        const char *end = memchr (bytes, '\n', size);
        size_t part = end ? (size_t) (end - bytes) : size;

        if (answer->rest.size + part > AMA_RESOLVE_LINE_MAX || memchr (bytes, '\0', part)) {
            rc = void_ (err, "a line too long or with a zero byte");
            break;
        }
        ama_str_add (&answer->rest, bytes, part);
        if (end) {
            rc = take_line (answer, answer->rest.data, on_step, arg, err);
            ama_str_clear (&answer->rest);
            part++;
        }
        bytes += part;
        size -= part;
    }
    answer->broken = rc < 0;
    return rc;
}

int ama_resolve_answer_end (const ama_resolve_answer_t *answer, ama_err_t *err)
{
    if (answer->code)
        return ama_err_set (err, answer->code, "%s", answer->text);
    if (answer->broken || !answer->ended)
        return ama_err_set (err, AMA_E_CHILD, "the resolver's child ended without an answer");
    return 0;
}

void ama_resolve_answer_done (ama_resolve_answer_t *answer)
{
    for (size_t i = 0; i < answer->n_files; i++) {
        free (answer->files[i].coordinates);
        free (answer->files[i].path);
    }
    free (answer->files);
    ama_str_done (&answer->rest);
    *answer = (ama_resolve_answer_t){ 0 };
}
