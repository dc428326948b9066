/* ama_yaml.c - looking at nodes and reading them as types. Any thread; documents are immutable.
 *
 * Every message names the key, quotes the value and says the allowed range. Numbers are read without strtol's liberties: no sign
 * tricks, no hexadecimal, no underscores, no infinities, no locale.
 */
#include "config/ama_yaml.h"

#include <ctype.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- looking ---- */

const ama_pair_t *ama_yaml_pair (const ama_yaml_t *node, const char *key)
{
    size_t low = 0, high = node && node->kind == AMA_YAML_MAP ? node->count : 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const ama_pair_t *pair = &node->pairs[node->sorted[middle]];
        int order = strcmp (key, pair->key->text);
        if (order == 0)
            return pair;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const ama_yaml_t *ama_yaml_get (const ama_yaml_t *node, const char *key)
{
    const ama_pair_t *pair = ama_yaml_pair (node, key);

    return pair ? pair->value : NULL;
}

bool ama_yaml_is_null (const ama_yaml_t *node)
{
    return !node
           || (node->kind == AMA_YAML_SCALAR && !node->quoted
               && (!node->size || strcmp (node->text, "~") == 0 || strcmp (node->text, "null") == 0
                   || strcmp (node->text, "Null") == 0 || strcmp (node->text, "NULL") == 0));
}

const char *ama_yaml_kind_text (const ama_yaml_t *node)
{
    if (ama_yaml_is_null (node))
        return "nothing";
    return node->kind == AMA_YAML_MAP ? "a map" : node->kind == AMA_YAML_LIST ? "a list" : "text";
}

/* In the C locale, whose object needs no memory. */
static bool is_finite (const char *text)
{
    locale_t c = newlocale (LC_ALL_MASK, "C", (locale_t) 0);
    bool finite = c && isfinite (strtod_l (text, NULL, c));

    if (c)
        freelocale (c);
    return finite;
}

/* A number that every JSON reader takes: JSON's grammar, and an integer that fits 64 bits or a finite double. */
static bool is_json_number (const char *text)
{
    const char *at = text + (*text == '-');
    bool whole = true;
    size_t digits = strspn (at, "0123456789");

    if (!digits || (digits > 1 && *at == '0'))
        return false;
    at += digits;
    if (*at == '.') {
        whole = false;
        digits = strspn (++at, "0123456789");
        if (!digits)
            return false;
        at += digits;
    }
    if (*at == 'e' || *at == 'E') {
        whole = false;
        at++;
        at += *at == '-' || *at == '+';
        digits = strspn (at, "0123456789");
        if (!digits || digits > 3)
            return false;
        at += digits;
    }
    if (*at || strlen (text) > 300)
        return false;
    return whole ? strlen (text) <= 18 : strlen (text) < 40 && is_finite (text);
}

static void scalar_json (const ama_yaml_t *node, ama_str_t *out)
{
    if (!node || ama_yaml_is_null (node))
        ama_str_puts (out, "null");
    else if (!node->quoted
             && (strcmp (node->text, "true") == 0 || strcmp (node->text, "false") == 0 || is_json_number (node->text)))
        ama_str_puts (out, node->text);
    else {
        ama_str_putc (out, '"');
        ama_str_json (out, node->text, node->size);
        ama_str_putc (out, '"');
    }
}

/* Recursion is bounded by the depth of the document. */
void ama_yaml_json (const ama_yaml_t *node, ama_str_t *out)
{
    bool map = node && node->kind == AMA_YAML_MAP;

    if (!node || node->kind == AMA_YAML_SCALAR) {
        scalar_json (node, out);
        return;
    }
    ama_str_putc (out, map ? '{' : '[');
    for (size_t i = 0; i < node->count; i++) {
        if (i)
            ama_str_putc (out, ',');
        if (map) {
            ama_str_putc (out, '"');
            ama_str_json (out, node->pairs[i].key->text, node->pairs[i].key->size);
            ama_str_puts (out, "\":");
        }
        ama_yaml_json (map ? node->pairs[i].value : node->items[i], out);
    }
    ama_str_putc (out, map ? '}' : ']');
}

/* ---- complaining ---- */

static int add_at (const ama_yaml_t *node, bool warning, int code, ama_problems_t *problems, const char *hint,
                   const char *format, va_list args)
{
    char text[AMA_PROBLEM_TEXT_MAX];

    (void) vsnprintf (text, sizeof text, format, args);
    return ama_problems_add (problems, warning, code, node->file, node->line, node->column, hint, "%s", text);
}

int ama_yaml_error (const ama_yaml_t *node, int code, ama_problems_t *problems, const char *hint, const char *format,
                    ...)
{
    va_list args;

    va_start (args, format);
    (void) add_at (node, false, code, problems, hint, format, args);
    va_end (args);
    return code;
}

int ama_yaml_warn (const ama_yaml_t *node, int code, ama_problems_t *problems, const char *hint, const char *format,
                   ...)
{
    va_list args;

    va_start (args, format);
    (void) add_at (node, true, code, problems, hint, format, args);
    va_end (args);
    return code;
}

/* ---- reading ---- */

int ama_yaml_is_map (const ama_yaml_t *node, const char *what, ama_problems_t *problems)
{
    if (node->kind == AMA_YAML_MAP)
        return 0;
    return ama_yaml_error (node, AMA_E_SYNTAX, problems, NULL, "%s must be a map, not %s", what,
                           ama_yaml_kind_text (node));
}

int ama_yaml_is_list (const ama_yaml_t *node, const char *what, ama_problems_t *problems)
{
    if (node->kind == AMA_YAML_LIST)
        return 0;
    return ama_yaml_error (node, AMA_E_SYNTAX, problems, NULL, "%s must be a list, not %s", what,
                           ama_yaml_kind_text (node));
}

int ama_yaml_text (const ama_yaml_t *node, const char *what, size_t max, const char **ret, ama_problems_t *problems)
{
    if (node->kind != AMA_YAML_SCALAR || ama_yaml_is_null (node))
        return ama_yaml_error (node, AMA_E_SYNTAX, problems, NULL, "%s must be text, not %s", what,
                               ama_yaml_kind_text (node));
    if (node->size > max)
        return ama_yaml_error (node, AMA_E_LIMIT, problems, NULL, "%s has %zu bytes, the limit is %zu", what,
                               node->size, max);
    *ret = node->text;
    return 0;
}

int ama_yaml_line (const ama_yaml_t *node, const char *what, size_t max, const char **ret, ama_problems_t *problems)
{
    const char *text = "";
    ama_str_t shown = { 0 };
    bool odd;
    int rc = ama_yaml_text (node, what, max, &text, problems);

    if (rc < 0)
        return rc;
    if (!node->size)
        return ama_yaml_error (node, AMA_E_INVALID, problems, NULL, "%s is empty", what);
    ama_str_escape (&shown, text, node->size, SIZE_MAX);
    odd = strcmp (shown.data, text) != 0;
    ama_str_done (&shown);
    if (odd)
        return ama_yaml_error (node, AMA_E_INVALID, problems, NULL, "%s holds control characters: %s", what,
                               AMA_QUOTE (text));
    *ret = text;
    return 0;
}

int ama_yaml_bool (const ama_yaml_t *node, const char *what, bool *ret, ama_problems_t *problems)
{
    bool yes = strcmp (node->text, "true") == 0;

    if (node->kind == AMA_YAML_SCALAR && !node->quoted && (yes || strcmp (node->text, "false") == 0)) {
        *ret = yes;
        return 0;
    }
    if (node->kind != AMA_YAML_SCALAR)
        return ama_yaml_error (node, AMA_E_SYNTAX, problems, NULL, "%s must be true or false, not %s", what,
                               ama_yaml_kind_text (node));
    return ama_yaml_error (node, AMA_E_INVALID, problems, "booleans are true and false, without quotes",
                           "%s must be true or false, not %s", what, AMA_QUOTE (node->text));
}

static int not_scalar (const ama_yaml_t *node, const char *what, const char *wanted, ama_problems_t *problems)
{
    if (node->kind == AMA_YAML_SCALAR && !ama_yaml_is_null (node))
        return 0;
    return ama_yaml_error (node, AMA_E_SYNTAX, problems, NULL, "%s must be %s, not %s", what, wanted,
                           ama_yaml_kind_text (node));
}

/* [-]digits[.digits], as a double; false for anything else. */
static bool read_decimal (const char *text, bool fraction, double *ret)
{
    const char *at = text + (*text == '-');
    double value = 0, unit = 1;

    if (!isdigit ((unsigned char) *at) || strlen (text) > 40)
        return false;
    for (; isdigit ((unsigned char) *at); at++)
        value = value * 10 + (*at - '0');
    if (*at == '.' && fraction) {
        at++;
        if (!isdigit ((unsigned char) *at))
            return false;
        for (; isdigit ((unsigned char) *at); at++) {
            unit *= 10;
            value = value * 10 + (*at - '0');
        }
    }
    *ret = (*text == '-' ? -value : value) / unit;
    return !*at;
}

int ama_yaml_int (const ama_yaml_t *node, const char *what, int64_t min, int64_t max, int64_t *ret,
                  ama_problems_t *problems)
{
    double about;
    int rc = not_scalar (node, what, "a whole number", problems);

    if (rc < 0)
        return rc;
    if (!read_decimal (node->text, false, &about))
        return ama_yaml_error (node, AMA_E_INVALID, problems, NULL,
                               "%s must be a whole number from %" PRId64 " to %" PRId64 ", not %s", what, min, max,
                               AMA_QUOTE (node->text));
    if (about < -9.0e15 || about > 9.0e15 || (int64_t) about < min || (int64_t) about > max)
        return ama_yaml_error (node, AMA_E_INVALID, problems, NULL, "%s is %s, allowed is %" PRId64 " to %" PRId64,
                               what, AMA_QUOTE (node->text), min, max);
    *ret = (int64_t) about;
    return 0;
}

int ama_yaml_double (const ama_yaml_t *node, const char *what, double min, double max, double *ret,
                     ama_problems_t *problems)
{
    double value;
    int rc = not_scalar (node, what, "a number", problems);

    if (rc < 0)
        return rc;
    if (!read_decimal (node->text, true, &value))
        return ama_yaml_error (node, AMA_E_INVALID, problems, NULL, "%s must be a number from %g to %g, not %s", what,
                               min, max, AMA_QUOTE (node->text));
    if (value < min || value > max)
        return ama_yaml_error (node, AMA_E_INVALID, problems, NULL, "%s is %s, allowed is %g to %g", what,
                               AMA_QUOTE (node->text), min, max);
    *ret = value;
    return 0;
}

const char *ama_size_text (uint64_t bytes, char *buf)
{
    static const char units[] = "kmgtp";
    int unit = -1;

    while (bytes && bytes % 1024 == 0 && unit < 4) {
        bytes /= 1024;
        unit++;
    }
    (void) snprintf (buf, 32, "%" PRIu64 "%.*s", bytes, unit < 0 ? 0 : 1, units + (unit < 0 ? 0 : unit));
    return buf;
}

int ama_yaml_size (const ama_yaml_t *node, const char *what, uint64_t min, uint64_t max, uint64_t *ret,
                   ama_problems_t *problems)
{
    char low[32], high[32];
    uint64_t value;
    int rc = not_scalar (node, what, "a size", problems);

    if (rc < 0)
        return rc;
    if (ama_parse_size (node->text, &value) < 0)
        return ama_yaml_error (node, AMA_E_INVALID, problems, "for example 512m or 1.5g", "%s must be a size, not %s",
                               what, AMA_QUOTE (node->text));
    if (value < min || value > max)
        return ama_yaml_error (node, AMA_E_INVALID, problems,
                               node->text[strspn (node->text, "0123456789")] ? NULL : "a number alone is bytes",
                               "%s is %s, allowed is %s to %s", what, AMA_QUOTE (node->text), ama_size_text (min, low),
                               ama_size_text (max, high));
    *ret = value;
    return 0;
}

const char *ama_duration_text (int64_t ms, char *buf)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" }, { 1, "ms" } };
    size_t used = 0;

    (void) snprintf (buf, 32, "0s");
    for (size_t i = 0; i < ARRAY_SIZE (units) && used < 32; i++)
        if (ms >= units[i].ms) {
            used += (size_t) snprintf (buf + used, 32 - used, "%" PRId64 "%s", ms / units[i].ms, units[i].name);
            ms %= units[i].ms;
        }
    return buf;
}

int ama_yaml_duration (const ama_yaml_t *node, const char *what, int64_t min_ms, int64_t max_ms, int64_t *ret,
                       ama_problems_t *problems)
{
    char low[32], high[32];
    int64_t value;
    int rc = not_scalar (node, what, "a duration", problems);

    if (rc < 0)
        return rc;
    if (node->text[strspn (node->text, "0123456789.dhmsDHMSPT")] || ama_parse_duration (node->text, &value) < 0)
        return ama_yaml_error (node, AMA_E_INVALID, problems, "for example 90s, 1h30m or PT1H30M",
                               "%s must be a duration from %s to %s, not %s", what, ama_duration_text (min_ms, low),
                               ama_duration_text (max_ms, high), AMA_QUOTE (node->text));
    if (value < min_ms || value > max_ms)
        return ama_yaml_error (node, AMA_E_INVALID, problems,
                               node->text[strspn (node->text, "0123456789")] ? NULL : "a number alone is seconds",
                               "%s is %s, allowed is %s to %s", what, AMA_QUOTE (node->text),
                               ama_duration_text (min_ms, low), ama_duration_text (max_ms, high));
    *ret = value;
    return 0;
}

int ama_yaml_choice (const ama_yaml_t *node, const char *what, const char *names, int *ret, ama_problems_t *problems)
{
    int rc = not_scalar (node, what, "a word", problems), index = 0;

    if (rc < 0)
        return rc;
    for (const char *at = names; *at; index++) {
        size_t size = strcspn (at, " ");
        if (size == node->size && memcmp (at, node->text, size) == 0) {
            *ret = index;
            return 0;
        }
        at += size + (at[size] == ' ');
    }
    return ama_yaml_error (node, AMA_E_INVALID, problems, NULL, "%s is %s, allowed is one of: %s", what,
                           AMA_QUOTE (node->text), names);
}
