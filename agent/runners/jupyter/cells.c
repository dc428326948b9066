/* cells.c - see cells.h. Pure; called by the runner of kernels. What comes from a kernel is hostile. */
#include "agent/runners/jupyter/cells.h"

#include "actors/base/ama_err.h"
#include "actors/base/ama_pattern.h"
#include "actors/base/ama_str.h"

#include <ctype.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

enum { STATEMENTS_MAX = 20000, LINE_MAX_BYTES = 4096, LINES_MAX = 2000 };

/* `# %%`, `#%% title`, `// %%`, `-- %%` … */
#define CELL "^[[:space:]]*(#|//|--|;+|%|!|\\(\\*|/\\*)[[:space:]]*%%"

/* ---- splitting ---- */

typedef struct {
    json_t *statements;
    const char *begin; /* of the part under way */
    uint32_t line;     /* of that */
} cut_t;

static bool is_blank (const char *at, const char *end)
{
    while (at < end && isspace ((unsigned char) *at))
        at++;
    return at == end;
}

/* The part up to end, without blank lines around it. */
static void add (cut_t *cut, const char *end)
{
    const char *at = cut->begin, *next;
    uint32_t line = cut->line, last;

    while (at < end && (next = memchr (at, '\n', (size_t) (end - at))) && is_blank (at, next)) {
        at = next + 1;
        line++;
    }
    while (end > at && isspace ((unsigned char) end[-1]))
        end--;
    if (at == end)
        return;
    last = line;
    for (const char *c = at; c < end; c++)
        last += *c == '\n';
    (void) json_array_append_new (cut->statements, json_pack ("{s:s%, s:i, s:i, s:i}", "code", at, (size_t) (end - at),
                                                              "line", (int) line, "end_line", (int) last, "column", 1));
}

static bool matches (const regex_t *regex, const char *at, size_t size)
{
    char line[LINE_MAX_BYTES];

    if (size >= sizeof line)
        size = sizeof line - 1;
    memcpy (line, at, size);
    line[size] = '\0';
    return regexec (regex, line, 0, NULL, 0) == 0;
}

/* How much of the line is no part of any statement; < 0: it does not begin one. */
static ptrdiff_t cuts (ama_kernel_split_t how, const regex_t *regex, const char *at, size_t size)
{
    switch (how) {
    case AMA_KERNEL_SPLIT_BLANK:
        return is_blank (at, at + size) ? 0 : -1;
    case AMA_KERNEL_SPLIT_CELLS:
        return matches (regex, at, size) ? (ptrdiff_t) size : -1;
    case AMA_KERNEL_SPLIT_MARKER:
        return matches (regex, at, size) ? 0 : -1;
    default:
        return -1;
    }
}

json_t *ama_cells_split (const char *text, ama_kernel_split_t how, const char *marker)
{
    cut_t cut = { json_array (), text, 1 };
    uint32_t line = 1;
    regex_t regex;
    bool compiled = false;

    if (how == AMA_KERNEL_SPLIT_CELLS || how == AMA_KERNEL_SPLIT_MARKER) {
        const char *begins = how == AMA_KERNEL_SPLIT_CELLS ? CELL : marker;
        compiled = ama_pattern_is_cheap (begins) && regcomp (&regex, begins, REG_EXTENDED | REG_NOSUB) == 0;
        how = compiled ? how : AMA_KERNEL_SPLIT_WHOLE;
    }
    for (const char *at = text; *at; line++) {
        size_t size = strcspn (at, "\n");
        ptrdiff_t skip = json_array_size (cut.statements) < STATEMENTS_MAX ? cuts (how, &regex, at, size) : -1;
        if (skip >= 0) {
            add (&cut, at);
            cut.begin = at + skip;
            cut.line = line;
        }
        at += size + (at[size] == '\n');
    }
    add (&cut, cut.begin + strlen (cut.begin));
    if (compiled)
        regfree (&regex);
    return cut.statements;
}

/* ---- what comes from terminals ---- */

/* Behind an escape sequence: CSI … letter, OSC … BEL or ESC \, or two bytes. */
static size_t escape_size (const char *at, size_t size)
{
    size_t n = 2;

    if (size < 2)
        return size;
    if (at[1] == '[') {
        while (n < size && !(at[n] >= 0x40 && at[n] <= 0x7e))
            n++;
        return n < size ? n + 1 : n;
    }
    if (at[1] == ']') {
        while (n < size && at[n] != '\a' && at[n] != '\033')
            n++;
        return n < size && at[n] == '\033' && n + 1 < size ? n + 2 : n < size ? n + 1 : n;
    }
    return 2;
}

char *ama_cells_plain (const char *text, size_t size)
{
    ama_str_t out = { 0 };

    for (size_t i = 0; i < size;)
        if (text[i] == '\033')
            i += escape_size (text + i, size - i);
        else
            ama_str_putc (&out, text[i++]);
    return ama_str_take (&out);
}

/* ---- where an error was ---- */

static const char *pattern_of (const char *language)
{
    return strcmp (language, "python") == 0 ? "^ *Cell In *\\[([0-9]+)\\], line ([0-9]+)" : "";
}

static uint32_t group (const char *line, const regmatch_t *match)
{
    unsigned long n = match->rm_so >= 0 ? strtoul (line + match->rm_so, NULL, 10) : 0;

    return n < 1000000000 ? (uint32_t) n : 0;
}

static bool find_place (const regex_t *regex, const char *line, ama_cells_place_t *ret_place)
{
    regmatch_t match[3] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
    bool two;

    if (regex->re_nsub < 1 || regexec (regex, line, ARRAY_SIZE (match), match, 0) != 0)
        return false;
    two = match[2].rm_so >= 0;
    *ret_place = (ama_cells_place_t){ two ? group (line, &match[1]) : 0, group (line, &match[two ? 2 : 1]) };
    return ret_place->line > 0;
}

/* The last that fit. */
static size_t keep (ama_cells_place_t *places, size_t count, size_t max, ama_cells_place_t place)
{
    memmove (places + 1, places, (count < max ? count : max - 1) * sizeof *places);
    places[0] = place;
    return count < max ? count + 1 : max;
}

size_t ama_cells_places (const json_t *lines, const char *pattern, const char *language, ama_cells_place_t *places,
                         size_t max)
{
    size_t count = 0, i, seen = 0;
    const json_t *entry;
    regex_t regex;

    pattern = *pattern ? pattern : pattern_of (language);
    if (!*pattern || !max || !ama_pattern_is_cheap (pattern) || regcomp (&regex, pattern, REG_EXTENDED) != 0)
        return 0;
    json_array_foreach (lines, i, entry)
    {
        char *plain =
                 ama_cells_plain (json_is_string (entry) ? json_string_value (entry) : "", json_string_length (entry)),
             *rest = plain, *line;
        while ((line = strsep (&rest, "\n")) && seen++ < LINES_MAX) {
            ama_cells_place_t place;
            line[strnlen (line, LINE_MAX_BYTES - 1)] = '\0';
            if (find_place (&regex, line, &place))
                count = keep (places, count, max, place);
        }
        free (plain);
    }
    regfree (&regex);
    return count;
}
