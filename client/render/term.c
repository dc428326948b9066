/* term.c - colours, widths and harmless text. Called by the renderers; pure. */
#include "client/render/term.h"

#include "actors/base/ama_err.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { WIDTH_MAX = 100, WIDTH_PIPE = 88, WIDTH_MIN = 20, TAB = 8, SGR_MAX = 32 };

/* ---- decisions ---- */

static bool is_set (const char *value)
{
    return value && *value;
}

static bool is_on (const char *value)
{
    return is_set (value) && strcmp (value, "0") != 0;
}

static bool wants_color (const ama_term_facts_t *facts)
{
    bool dumb = facts->term && strcmp (facts->term, "dumb") == 0;

    if (facts->option && strcasecmp (facts->option, "always") == 0)
        return true;
    if (facts->option && strcasecmp (facts->option, "never") == 0)
        return false;
    if (is_set (facts->no_color))
        return false;
    if (is_on (facts->clicolor_force) || is_on (facts->force_color))
        return true;
    return facts->is_tty && is_set (facts->term) && !dumb;
}

static bool speaks_utf8 (const ama_term_facts_t *facts)
{
    const char *locale = is_set (facts->lc_all)     ? facts->lc_all
                         : is_set (facts->lc_ctype) ? facts->lc_ctype
                         : is_set (facts->lang)     ? facts->lang
                                                    : "C";
    return strcasestr (locale, "utf-8") || strcasestr (locale, "utf8");
}

void ama_term_decide (const ama_term_facts_t *facts, ama_term_t *ret_term)
{
    bool dumb = !is_set (facts->term) || strcmp (facts->term, "dumb") == 0;
    unsigned long wanted = facts->columns_variable ? strtoul (facts->columns_variable, NULL, 10) : 0;
    unsigned width = facts->columns ? facts->columns : facts->is_tty ? 80 : WIDTH_PIPE;

    if (wanted >= WIDTH_MIN && wanted <= 1000 && !facts->columns)
        width = (unsigned) wanted;
    *ret_term = (ama_term_t){
        .tty = facts->is_tty && !dumb && !is_on (facts->ci),
        .color = wants_color (facts),
        .utf8 = speaks_utf8 (facts),
    };
    ama_term_resize (ret_term, width);
}

void ama_term_resize (ama_term_t *term, unsigned columns)
{
    term->width = columns > WIDTH_MAX ? WIDTH_MAX : columns < WIDTH_MIN ? WIDTH_MIN : columns;
}

/* ---- code points ---- */

/* Decodes one code point; 0 if there is none (then *ret_cp is the byte). The bytes were or will be checked by ama_utf8_valid. */
static size_t decode (const char *text, size_t size, uint32_t *ret_cp)
{
    unsigned char first = (unsigned char) text[0];
    size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    *ret_cp = first;
    if (length > size || !ama_utf8_valid (text, length))
        return 0;
    if (length > 1)
        *ret_cp = first & (0xffU >> (length + 1));
    for (size_t i = 1; i < length; i++)
        *ret_cp = (*ret_cp << 6) | ((unsigned char) text[i] & 0x3fU);
    return length;
}

typedef struct {
    uint32_t first, last;
} range_t;

/* The common combining marks and what takes two columns, of Unicode 15; locale-free, unlike wcwidth. */
static const range_t zero_width[] = {
    { 0x0300, 0x036f },   { 0x0483, 0x0489 }, { 0x0591, 0x05bd }, { 0x0610, 0x061a }, { 0x064b, 0x065f },
    { 0x06d6, 0x06dc },   { 0x093a, 0x093a }, { 0x093c, 0x093c }, { 0x0941, 0x0948 }, { 0x094d, 0x094d },
    { 0x0e31, 0x0e31 },   { 0x0e34, 0x0e3a }, { 0x0e47, 0x0e4e }, { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff },
    { 0x200b, 0x200d },   { 0x20d0, 0x20f0 }, { 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f }, { 0x1f3fb, 0x1f3ff },
    { 0xe0100, 0xe01ef },
};
static const range_t double_width[] = {
    { 0x1100, 0x115f },   { 0x231a, 0x231b },   { 0x23e9, 0x23ec },   { 0x2705, 0x2705 },   { 0x274c, 0x274c },
    { 0x2e80, 0x303e },   { 0x3041, 0x33ff },   { 0x3400, 0x4dbf },   { 0x4e00, 0x9fff },   { 0xa000, 0xa4cf },
    { 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },   { 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },   { 0xffe0, 0xffe6 },
    { 0x1f300, 0x1f3fa }, { 0x1f400, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff }, { 0x1fa70, 0x1faff },
    { 0x20000, 0x3fffd },
};

static bool is_in (uint32_t cp, const range_t *ranges, size_t count)
{
    for (size_t i = 0; i < count && cp >= ranges[i].first; i++)
        if (cp <= ranges[i].last)
            return true;
    return false;
}

static size_t columns_of (uint32_t cp)
{
    if (cp < 0x300)
        return 1;
    return is_in (cp, zero_width, ARRAY_SIZE (zero_width))       ? 0
           : is_in (cp, double_width, ARRAY_SIZE (double_width)) ? 2
                                                                 : 1;
}

size_t ama_show_fit (const char *text, size_t size, size_t columns)
{
    size_t at = 0, used = 0;

    while (at < size) {
        uint32_t cp;
        size_t length = decode (text + at, size - at, &cp);
        used += length ? columns_of (cp) : 1;
        if (used > columns)
            break;
        at += length ? length : 1;
    }
    return at;
}

size_t ama_show_columns (const char *text, size_t size)
{
    size_t at = 0, used = 0;

    while (at < size) {
        uint32_t cp;
        size_t length = decode (text + at, size - at, &cp);
        used += length ? columns_of (cp) : 1;
        at += length ? length : 1;
    }
    return used;
}

/* ---- harmless text ---- */

/* A colour or weight parameter; not those that hide text (8) or blink. */
static bool is_harmless_sgr (unsigned long n)
{
    return n <= 4 || n == 7 || (n >= 21 && n <= 24) || n == 27 || (n >= 30 && n <= 49) || (n >= 90 && n <= 107);
}

/* Length of a colour sequence at text, 0 if it is none. 38;5;N and 38;2;R;G;B carry free numbers behind. */
static size_t sgr_length (const char *text, size_t size)
{
    size_t at = 2;
    unsigned free_numbers = 0;

    if (size < 3 || text[0] != '\x1b' || text[1] != '[')
        return 0;
    while (at < size && at < SGR_MAX) {
        unsigned long n = 0;
        while (at < size && at < SGR_MAX && text[at] >= '0' && text[at] <= '9')
            n = n * 10 + (unsigned long) (text[at++] - '0');
        if (at == size || n > 255)
            return 0;
        if (free_numbers == 10) /* the kind: 5 or 2 */
            free_numbers = n == 5 ? 1 : n == 2 ? 3 : 0;
        else if (free_numbers)
            free_numbers--;
        else if (!is_harmless_sgr (n))
            return 0;
        else if (n == 38 || n == 48)
            free_numbers = 10;
        if (text[at] == 'm')
            return at + 1;
        if (text[at++] != ';')
            return 0;
    }
    return 0;
}

/* What we write ourselves beyond ASCII, for a locale without UTF-8; NULL for anything else. */
static const char *plain_spelling (uint32_t cp)
{
    switch (cp) {
    case 0xb7: /* middle dot */
    case 0x2013:
    case 0x2014:
        return "-";
    case 0x2018:
    case 0x2019:
        return "'";
    case 0x201c:
    case 0x201d:
        return "\"";
    case 0x2026:
        return "...";
    case 0x2192:
        return "->";
    default:
        return NULL;
    }
}

static void clean_one (const ama_term_t *term, const char *text, size_t length, uint32_t cp, ama_str_t *out)
{
    const char *plain = term->utf8 || length < 2 ? NULL : plain_spelling (cp);

    if (plain)
        ama_str_puts (out, plain);
    else if (length > 1 && !term->utf8 && term->tty)
        ama_str_printf (out, "\\u{%04" PRIx32 "}", cp);
    else
        ama_str_escape (out, text, length ? length : 1, SIZE_MAX);
}

void ama_show_clean (const ama_term_t *term, const char *text, size_t size, bool sgr, ama_str_t *out)
{
    size_t start = out->size, column = 0;
    bool colored = false;

    for (size_t at = 0, length; at < size; at += length) {
        uint32_t cp;
        size_t before = out->size;

        length = sgr && text[at] == '\x1b' ? sgr_length (text + at, size - at) : 0;
        if (length) {
            if (term->color) {
                ama_str_add (out, text + at, length);
                colored = true;
            }
            continue;
        }
        length = decode (text + at, size - at, &cp);
        if (cp == '\t') {
            do
                ama_str_putc (out, ' ');
            while (++column % TAB);
            continue;
        }
        clean_one (term, text + at, length, cp, out);
        length = length ? length : 1;
        column += ama_show_columns (out->data + before, out->size - before);
    }
    if (colored)
        ama_str_puts (out, "\x1b[0m");
    if (out->size == start)
        ama_str_puts (out, "");
}

/* One line of it: runs of blanks become one; lines are joined by `joint`, or by nothing in front of a dot (a chain of calls). */
static void clean_joined (const ama_term_t *term, const char *text, size_t size, const char *joint, ama_str_t *out)
{
    ama_str_t one = { 0 };
    bool space = false, broken = false;

    for (size_t i = 0; i < size; i++) {
        if (strchr (" \t\r\n", text[i]) && text[i]) {
            space = one.size > 0;
            broken = broken || text[i] == '\n';
            continue;
        }
        if (space && broken)
            ama_str_puts (&one, text[i] == '.' ? "" : joint);
        else if (space)
            ama_str_putc (&one, ' ');
        space = broken = false;
        ama_str_putc (&one, text[i]);
    }
    ama_show_clean (term, one.data ? one.data : "", one.size, false, out);
    ama_str_done (&one);
}

void ama_show_clean_line (const ama_term_t *term, const char *text, size_t size, ama_str_t *out)
{
    clean_joined (term, text, size, " ", out);
}

void ama_show_statement (const ama_term_t *term, const char *text, size_t size, ama_str_t *out)
{
    clean_joined (term, text, size, term->utf8 ? " ⏎ " : " \\ ", out);
}

/* ---- numbers ---- */

void ama_show_duration (int64_t ms, ama_str_t *out)
{
    int64_t s = ms / 1000;

    if (ms < 1000)
        ama_str_printf (out, "%" PRId64 "ms", ms < 0 ? 0 : ms);
    else if (s < 60)
        ama_str_printf (out, "%" PRId64 ".%" PRId64 "s", s, ms % 1000 / 100);
    else if (s < 3600)
        ama_str_printf (out, "%" PRId64 "m %02" PRId64 "s", s / 60, s % 60);
    else
        ama_str_printf (out, "%" PRId64 "h %02" PRId64 "m", s / 3600, s / 60 % 60);
}

void ama_show_seconds (int64_t ms, ama_str_t *out)
{
    if (ms < 60000)
        ama_str_printf (out, "%" PRId64 "s", ms < 0 ? 0 : ms / 1000);
    else
        ama_show_duration (ms, out);
}

void ama_show_bytes (uint64_t bytes, ama_str_t *out)
{
    static const char units[] = "kMGTP";
    double value = (double) bytes / 1000;
    size_t unit = 0;

    if (bytes < 1000) {
        ama_str_printf (out, "%" PRIu64 " B", bytes);
        return;
    }
    while (value >= 999.5 && unit < sizeof units - 2) {
        value /= 1000;
        unit++;
    }
    ama_str_printf (out, value < 9.95 ? "%.1f %cB" : "%.0f %cB", value, units[unit]);
}
