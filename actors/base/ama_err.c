/* ama_err.c - error values, the bug stop, and allocation that never returns NULL. Any thread. */
#include "actors/base/ama_err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    "AMA_OK",          "AMA_E_SYNTAX", "AMA_E_LIMIT",   "AMA_E_DUPKEY",      "AMA_E_PATH",        "AMA_E_URL",
    "AMA_E_AUTH",      "AMA_E_ROLE",   "AMA_E_DECODE",  "AMA_E_UNSUPPORTED", "AMA_E_UNREACHABLE", "AMA_E_TIMEOUT",
    "AMA_E_NOT_FOUND", "AMA_E_EXISTS", "AMA_E_BUSY",    "AMA_E_CANCELLED",   "AMA_E_NOSPACE",     "AMA_E_INTEGRITY",
    "AMA_E_REPLAY",    "AMA_E_STALE",  "AMA_E_INVALID", "AMA_E_IO",          "AMA_E_CHILD",       "AMA_E_FATAL",
    "AMA_E_USAGE",     "AMA_E_AGAIN",  "AMA_E_PARKED",
};

int ama_err_set (ama_err_t *err, int code, const char *format, ...)
{
    if (err) {
        va_list args;
        err->code = code;
        va_start (args, format);
        (void) vsnprintf (err->text, sizeof err->text, format, args);
        va_end (args);
    }
    return code;
}

int ama_err_prefix (ama_err_t *err, const char *format, ...)
{
    char old[AMA_ERR_TEXT_MAX];
    va_list args;
    size_t used;

    if (!err)
        return AMA_E_INVALID;
    memcpy (old, err->text, sizeof old);
    va_start (args, format);
    (void) vsnprintf (err->text, sizeof err->text, format, args);
    va_end (args);
    used = strlen (err->text);
    (void) snprintf (err->text + used, sizeof err->text - used, ": %s", old);
    return err->code;
}

const char *ama_err_name (int code)
{
    return code <= 0 && (size_t) -code < ARRAY_SIZE (names) ? names[-code] : "AMA_E_?";
}

const char *ama_err_public (int code, char *buf, size_t size)
{
    (void) snprintf (buf, size, "AMA-E%04d", code < 0 && code > -10000 ? -code : 0);
    return buf;
}

void ama_bug (const char *file, int line, const char *what)
{
    (void) fprintf (stderr, "BUG at %s:%d: %s\n", file, line, what);
    abort ();
}

static void *checked (void *block, size_t size)
{
    if (!block) {
        (void) fprintf (stderr, "out of memory (%zu bytes)\n", size);
        abort ();
    }
    return block;
}

void *ama_malloc (size_t size)
{
    return checked (malloc (size ? size : 1), size);
}

void *ama_calloc (size_t count, size_t size)
{
    return checked (calloc (count ? count : 1, size ? size : 1), count * size);
}

void *ama_realloc (void *old, size_t size)
{
    return checked (realloc (old, size ? size : 1), size);
}

char *ama_strdup (const char *text)
{
    return checked (strdup (text), strlen (text));
}

char *ama_strndup (const char *text, size_t size)
{
    size_t used = strnlen (text, size);
    char *copy = ama_malloc (used + 1);

    memcpy (copy, text, used);
    copy[used] = '\0';
    return copy;
}
