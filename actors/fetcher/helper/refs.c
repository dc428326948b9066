/* refs.c - choosing among names. Helper program only; no state. */
#include "actors/fetcher/helper/refs.h"

#include "actors/fetcher/fetch_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 5, GUESSES = 3 };

static bool is_hex (const char *text)
{
    return strspn (text, "0123456789abcdefABCDEF") == strlen (text);
}

ama_fetch_ref_kind_t ama_fetch_ref_kind (const char *ref)
{
    if (!*ref || strcmp (ref, "HEAD") == 0)
        return AMA_FETCH_REF_DEFAULT;
    return strlen (ref) == 40 && is_hex (ref) ? AMA_FETCH_REF_COMMIT : AMA_FETCH_REF_NAME;
}

bool ama_fetch_ref_is_short (const char *ref)
{
    return strlen (ref) >= 4 && strlen (ref) < 40 && is_hex (ref);
}

size_t ama_fetch_ref_candidates (const char *ref, char names[3][280])
{
    size_t n = 0;

    if (ama_str_starts (ref, "refs/"))
        (void) snprintf (names[n++], sizeof names[0], "%s", ref);
    (void) snprintf (names[n++], sizeof names[0], "refs/heads/%s", ref);
    (void) snprintf (names[n++], sizeof names[0], "refs/tags/%s", ref);
    return n;
}

const char *ama_fetch_ref_short (const char *name)
{
    if (ama_str_starts (name, "refs/heads/"))
        return name + 11;
    return ama_str_starts (name, "refs/tags/") ? name + 10 : name;
}

/* ---- did you mean ---- */

typedef struct {
    const char *name;
    unsigned distance;
} guess_t;

/* Edits that still look like a slip of the fingers. */
static unsigned slip (const char *ref)
{
    size_t size = strlen (ref);
    return size <= 4 ? 1 : size <= 8 ? 2 : 3;
}

static unsigned distance (const char *ref, const char *name)
{
    unsigned edits = ama_str_distance (ref, name);

    if (edits > slip (ref) && strlen (ref) >= 2 && strcasestr (name, ref))
        return slip (ref); /* a part of the name was given */
    return edits;
}

static int by_distance (const void *a, const void *b)
{
    const guess_t *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return strcmp (x->name, y->name);
}

static bool is_choice (const char *name)
{
    return (ama_str_starts (name, "refs/heads/") || ama_str_starts (name, "refs/tags/")) && !ama_str_ends (name, "^{}");
}

static void add_names (ama_str_t *text, const guess_t *guesses, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ama_str_puts (text, i == 0 ? "" : i + 1 == n ? " or " : ", ");
        ama_str_escape (text, guesses[i].name, strlen (guesses[i].name), 60);
    }
}

int ama_fetch_ref_missing (const char *url, const char *ref, const char *const *names, size_t n, ama_err_t *err)
{
    guess_t *guesses = ama_calloc (n + 1, sizeof *guesses);
    size_t count = 0, close = 0;
    ama_str_t hint = { 0 };

    for (size_t i = 0; i < n; i++)
        if (is_choice (names[i])) {
            const char *name = ama_fetch_ref_short (names[i]);
            guesses[count++] = (guess_t){ name, distance (ref, name) };
        }
    qsort (guesses, count, sizeof *guesses, by_distance);
    while (close < count && close < GUESSES && guesses[close].distance <= slip (ref))
        close++;
    if (close) {
        ama_str_puts (&hint, "did you mean ");
        add_names (&hint, guesses, close);
        ama_str_puts (&hint, "?");
    }
    else if (count) {
        ama_str_puts (&hint, "it has ");
        add_names (&hint, guesses, count < SHOWN ? count : SHOWN);
        if (count > SHOWN)
            ama_str_printf (&hint, " and %zu more", count - SHOWN);
    }
    else {
        ama_str_puts (&hint, "it has no branches");
    }
    (void) ama_err_set (err, AMA_E_NOT_FOUND, "%s has no branch, tag or commit %s; %s", url, ref, hint.data);
    ama_str_done (&hint);
    free (guesses);
    return AMA_E_NOT_FOUND;
}
