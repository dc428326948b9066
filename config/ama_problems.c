/* ama_problems.c - the list of problems, its text form, and "did you mean". Any thread; no state of its own. */
#include "config/ama_problems.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ama_problems_done (ama_problems_t *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        free (problems->items[i].file);
        free (problems->items[i].message);
        free (problems->items[i].hint);
    }
    free (problems->items);
    *problems = (ama_problems_t){ 0 };
}

/* A copy of at most max bytes that does not end inside a character. */
static char *copy_cut (const char *text, size_t max)
{
    size_t size = strlen (text);

    if (size > max) {
        size = max;
        while (size && ((unsigned char) text[size] & 0xc0) == 0x80)
            size--;
    }
    return ama_strndup (text, size);
}

int ama_problems_add (ama_problems_t *problems, bool warning, int code, const char *file, uint32_t line,
                      uint32_t column, const char *hint, const char *format, ...)
{
    ama_str_t message = { 0 };
    ama_problem_t *problem;
    va_list args;
    char *text = NULL;

    if (!problems)
        return code;
    if (!warning)
        problems->errors++;
    if (problems->count >= AMA_PROBLEMS_MAX
        || (warning && problems->count - (problems->errors - problems->dropped_errors) >= AMA_PROBLEMS_MAX / 2)) {
        problems->dropped++;
        problems->dropped_errors += !warning;
        return code;
    }
    if (problems->count == problems->room) {
        problems->room = problems->room ? problems->room * 2 : 16;
        problems->items = ama_realloc (problems->items, problems->room * sizeof *problems->items);
    }
    va_start (args, format);
    if (vasprintf (&text, format, args) < 0)
        text = NULL;
    va_end (args);
    ama_str_escape (&message, text ? text : "", text ? strlen (text) : 0, SIZE_MAX);
    free (text);
    problem = &problems->items[problems->count++];
    *problem = (ama_problem_t){
        .code = code,
        .file = copy_cut (file, 4096),
        .line = line,
        .column = column,
        .message = copy_cut (message.data ? message.data : "", AMA_PROBLEM_TEXT_MAX),
        .hint = copy_cut (hint ? hint : "", AMA_PROBLEM_TEXT_MAX),
        .warning = warning,
    };
    ama_str_done (&message);
    return code;
}

typedef struct {
    ama_problem_t problem;
    size_t file_rank, rank;
} ranked_t;

static int by_place (const void *a, const void *b)
{
    const ranked_t *x = a, *y = b;

    if (x->file_rank != y->file_rank)
        return x->file_rank < y->file_rank ? -1 : 1;
    if (x->problem.line != y->problem.line)
        return x->problem.line < y->problem.line ? -1 : 1;
    if (x->problem.column != y->problem.column)
        return x->problem.column < y->problem.column ? -1 : 1;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

void ama_problems_sort (ama_problems_t *problems)
{
    ranked_t *ranked = ama_calloc (problems->count, sizeof *ranked);

    for (size_t i = 0; i < problems->count; i++) {
        size_t j = 0;
        while (strcmp (problems->items[j].file, problems->items[i].file) != 0)
            j++;
        ranked[i] = (ranked_t){ .problem = problems->items[i], .file_rank = j, .rank = i };
    }
    if (problems->count)
        qsort (ranked, problems->count, sizeof *ranked, by_place);
    for (size_t i = 0; i < problems->count; i++)
        problems->items[i] = ranked[i].problem;
    free (ranked);
}

void ama_problem_text (const ama_problem_t *problem, ama_str_t *out)
{
    char code[16];

    ama_str_escape (out, problem->file, strlen (problem->file), SIZE_MAX);
    if (problem->line)
        ama_str_printf (out, ":%u:%u", problem->line, problem->column ? problem->column : 1);
    ama_str_puts (out, problem->warning ? ": warning: " : ": error: ");
    ama_str_escape (out, problem->message, strlen (problem->message), SIZE_MAX);
    if (problem->hint[0]) {
        ama_str_puts (out, " (");
        ama_str_escape (out, problem->hint, strlen (problem->hint), SIZE_MAX);
        ama_str_putc (out, ')');
    }
    ama_str_printf (out, " [%s]", ama_err_public (problem->code, code, sizeof code));
}

void ama_problems_text (const ama_problems_t *problems, ama_str_t *out)
{
    for (size_t i = 0; i < problems->count; i++) {
        ama_problem_text (&problems->items[i], out);
        ama_str_putc (out, '\n');
    }
    if (problems->dropped)
        ama_str_printf (out, "%zu more problems are not shown\n", problems->dropped);
}

const char *ama_quote (ama_quote_t *buf, const char *text, size_t size)
{
    ama_str_t escaped = { 0 };

    ama_str_escape (&escaped, text, size, AMA_PROBLEM_QUOTE_MAX);
    (void) snprintf (buf->text, sizeof buf->text, "‘%s’", escaped.data ? escaped.data : "");
    ama_str_done (&escaped);
    return buf->text;
}

static void fold (const char *word, char *out, size_t room)
{
    size_t n = 0;

    for (; *word && n + 1 < room; word++)
        if (*word != '-' && *word != '_' && *word != ' ')
            out[n++] = (char) ((*word >= 'A' && *word <= 'Z') ? *word + 32 : *word);
    out[n] = '\0';
}

const char *ama_nearest (const char *word, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    unsigned best_distance = UINT32_MAX;
    char folded[34], other[34];

    fold (word, folded, sizeof folded);
    for (size_t i = 0; i < count; i++) {
        unsigned distance;
        size_t length;
        if (!candidates[i])
            continue;
        fold (candidates[i], other, sizeof other);
        distance = ama_str_distance (folded, other);
        length = strlen (other) > strlen (folded) ? strlen (other) : strlen (folded);
        if (distance < best_distance && distance <= (length <= 3 ? 1 : length <= 7 ? 2 : 3) && distance < length) {
            best_distance = distance;
            best = candidates[i];
        }
    }
    return best;
}
