/* ama_str.c - growing strings, JSON and display escapes, sizes and durations. Any thread; no state. */
#include "actors/base/ama_str.h"

#include "actors/base/ama_err.h"

#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ama_str_done (ama_str_t *str)
{
    free (str->data);
    *str = (ama_str_t){ 0 };
}

void ama_str_clear (ama_str_t *str)
{
    str->size = 0;
    if (str->data)
        str->data[0] = '\0';
}

static void reserve (ama_str_t *str, size_t more)
{
    size_t room = str->room ? str->room : 64;

    BUG_ON (more > SIZE_MAX / 4 - str->size);
    while (room < str->size + more + 1)
        room *= 2;
    if (room != str->room) {
        str->data = ama_realloc (str->data, room);
        str->room = room;
    }
}

void ama_str_reserve (ama_str_t *str, size_t more)
{
    reserve (str, more);
    str->data[str->size] = '\0';
}

void ama_str_add (ama_str_t *str, const void *bytes, size_t size)
{
    reserve (str, size);
    if (size)
        memcpy (str->data + str->size, bytes, size);
    str->size += size;
    str->data[str->size] = '\0';
}

void ama_str_puts (ama_str_t *str, const char *text)
{
    ama_str_add (str, text, strlen (text));
}

void ama_str_putc (ama_str_t *str, char c)
{
    ama_str_add (str, &c, 1);
}

void ama_str_printf (ama_str_t *str, const char *format, ...)
{
    va_list args;
    int needed;

    va_start (args, format);
    needed = vsnprintf (NULL, 0, format, args);
    va_end (args);
    BUG_ON (needed < 0);
    reserve (str, (size_t) needed);
    va_start (args, format);
    (void) vsnprintf (str->data + str->size, (size_t) needed + 1, format, args);
    va_end (args);
    str->size += (size_t) needed;
}

void ama_str_cut (ama_str_t *str, size_t front)
{
    BUG_ON (front > str->size);
    if (!front)
        return;
    memmove (str->data, str->data + front, str->size - front);
    str->size -= front;
    str->data[str->size] = '\0';
}

char *ama_str_take (ama_str_t *str)
{
    char *data = str->data ? str->data : ama_strdup ("");
    *str = (ama_str_t){ 0 };
    return data;
}

/* Length of the valid UTF-8 sequence at text, its code point in *cp; 0 if there is none. Table 3-7 of Unicode. */
static size_t utf8_one (const unsigned char *text, size_t size, uint32_t *cp)
{
    unsigned char a = text[0];
    size_t length = a < 0x80 ? 1 : a >= 0xc2 && a <= 0xdf ? 2 : (a & 0xf0) == 0xe0 ? 3 : a >= 0xf0 && a <= 0xf4 ? 4 : 0;

    if (!length || length > size)
        return 0;
    *cp = length == 1 ? a : length == 2 ? a & 0x1fU : length == 3 ? a & 0x0fU : a & 0x07U;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        *cp = (*cp << 6) | (text[i] & 0x3fU);
    }
    if ((length == 3 && *cp < 0x800) || (length == 4 && *cp < 0x10000) || *cp > 0x10ffff
        || (*cp >= 0xd800 && *cp <= 0xdfff))
        return 0;
    return length;
}

bool ama_utf8_valid (const char *text, size_t size)
{
    uint32_t cp;

    for (size_t i = 0, n; i < size; i += n)
        if (!(n = utf8_one ((const unsigned char *) text + i, size - i, &cp)))
            return false;
    return true;
}

/* How many bytes from here on stand for themselves in JSON: most of all text, so they are taken at once. */
static size_t plain_json (const char *text, size_t size)
{
    size_t n = 0;

    while (n < size && text[n] >= 0x20 && text[n] < 0x7f && text[n] != '"' && text[n] != '\\')
        n++;
    return n;
}

void ama_str_json (ama_str_t *str, const char *text, size_t size)
{
    for (size_t i = 0, n; i < size; i += n) {
        uint32_t cp = 0;
        if ((n = plain_json (text + i, size - i)) > 0) {
            ama_str_add (str, text + i, n);
            continue;
        }
        n = utf8_one ((const unsigned char *) text + i, size - i, &cp);
        if (!n) {
            ama_str_puts (str, "\xef\xbf\xbd");
            n = 1;
        }
        else if (cp == '"' || cp == '\\')
            ama_str_printf (str, "\\%c", (char) cp);
        else if (cp == '\n')
            ama_str_puts (str, "\\n");
        else if (cp == '\t')
            ama_str_puts (str, "\\t");
        else if (cp == '\r')
            ama_str_puts (str, "\\r");
        else if (cp < 0x20 || cp == 0x7f)
            ama_str_printf (str, "\\u%04x", cp);
        else
            ama_str_add (str, text + i, n);
    }
}

static bool is_hidden (uint32_t cp)
{
    return (cp >= 0x202a && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069) || cp == 0x200e || cp == 0x200f
           || cp == 0x2028 || cp == 0x2029 || cp == 0xfeff;
}

void ama_str_escape (ama_str_t *str, const char *text, size_t size, size_t max)
{
    size_t i = 0;

    while (i < size && i < max) {
        uint32_t cp = 0;
        size_t n = utf8_one ((const unsigned char *) text + i, size - i, &cp);
        if (!n || cp < 0x20 || (cp >= 0x7f && cp < 0xa0)) {
            ama_str_printf (str, "\\x%02x", (unsigned char) text[i]);
            i += 1;
        }
        else {
            if (is_hidden (cp))
                ama_str_printf (str, "\\u{%04x}", cp);
            else
                ama_str_add (str, text + i, n);
            i += n;
        }
    }
    if (i < size)
        ama_str_puts (str, "…");
}

unsigned ama_str_distance (const char *a, const char *b)
{
    enum { MAX = 32 };
    size_t n = strnlen (a, MAX), m = strnlen (b, MAX);
    unsigned d[MAX + 1][MAX + 1];

    for (size_t i = 0; i <= n; i++)
        d[i][0] = (unsigned) i;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = (unsigned) j;
    for (size_t i = 1; i <= n; i++)
        for (size_t j = 1; j <= m; j++) {
            unsigned best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = d[i - 1][j] + 1 < best ? d[i - 1][j] + 1 : best;
            best = d[i][j - 1] + 1 < best ? d[i][j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[n][m];
}

char **ama_strv_copy (const char *const *list)
{
    size_t count = 0;
    char **copy;

    if (!list)
        return NULL;
    while (list[count])
        count++;
    copy = ama_calloc (count + 1, sizeof *copy);
    for (size_t i = 0; i < count; i++)
        copy[i] = ama_strdup (list[i]);
    return copy;
}

void ama_strv_free (char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        free (list[i]);
    free (list);
}

bool ama_str_starts (const char *text, const char *prefix)
{
    return strncmp (text, prefix, strlen (prefix)) == 0;
}

bool ama_str_ends (const char *text, const char *suffix)
{
    size_t n = strlen (text), m = strlen (suffix);
    return n >= m && strcmp (text + n - m, suffix) == 0;
}

/* digits[.digits], a point in every locale. False if there is none at *at; *at moves behind it. */
static bool take_decimal (const char **at, double *ret)
{
    double value = 0, unit = 1;

    if (!isdigit ((unsigned char) **at))
        return false;
    for (; isdigit ((unsigned char) **at); (*at)++)
        value = value * 10 + (**at - '0');
    if (**at == '.' && isdigit ((unsigned char) (*at)[1]))
        for ((*at)++; isdigit ((unsigned char) **at); (*at)++) {
            value = value * 10 + (**at - '0');
            unit *= 10;
        }
    *ret = value / unit;
    return true;
}

static char lower (char c)
{
    return (char) (c >= 'A' && c <= 'Z' ? c + 32 : c);
}

int ama_parse_size (const char *text, uint64_t *ret_bytes)
{
    static const char units[] = "kmgtp";
    const char *at = text, *unit;
    double value;
    unsigned shift = 0;

    if (strlen (text) > 32 || !take_decimal (&at, &value))
        return AMA_E_INVALID;
    if (*at && (unit = strchr (units, lower (*at)))) {
        shift = (unsigned) (unit - units + 1) * 10;
        at++;
        at += lower (*at) == 'i';
    }
    at += lower (*at) == 'b';
    value *= (double) (1ULL << shift);
    if (*at || value > 9.0e18)
        return AMA_E_INVALID;
    *ret_bytes = (uint64_t) value;
    return 0;
}

/* The unit at *at in milliseconds, 0 for none; *at moves behind it. */
static double take_unit (const char **at)
{
    double ms = 0;

    switch (lower (**at)) {
    case 'd':
        ms = 86400e3;
        break;
    case 'h':
        ms = 3600e3;
        break;
    case 'm':
        ms = lower ((*at)[1]) == 's' ? 1 : 60e3;
        break;
    case 's':
        ms = 1e3;
        break;
    default:
        return 0;
    }
    *at += ms < 2 ? 2 : 1;
    return ms;
}

int ama_parse_duration (const char *text, int64_t *ret_ms)
{
    const char *at = text;
    double total = 0, value, unit;
    bool iso = *text == 'P', time = false, any = false;

    if (strlen (text) > 40)
        return AMA_E_INVALID;
    for (at += iso; *at; any = true) {
        if (iso && !time && *at == 'T') {
            time = true;
            at++;
        }
        if (!take_decimal (&at, &value))
            return AMA_E_INVALID;
        if (!*at && !iso && !any) { /* a bare number is seconds */
            total = value * 1e3;
            any = true;
            break;
        }
        unit = take_unit (&at);
        if (unit < 1
            || (iso
                && time != (unit < 86400e3))) /* of ISO's two parts the first holds days, the second what is shorter */
            return AMA_E_INVALID;
        total += value * unit;
    }
    if (!any || total > 3.2e14)
        return AMA_E_INVALID;
    *ret_ms = (int64_t) (total + 0.5);
    return 0;
}
