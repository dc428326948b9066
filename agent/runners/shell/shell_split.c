/* shell_split.c - knows where a top-level command of bash ends
 *
 * Called by the shell runner once per attempt, on the agent's thread. Pure.
 *
 * One function walks a list of commands up to a closing parenthesis, and the lexer calls it for what nests. Only the outermost call records
 * statements. Reserved words count only where a command may begin.
 */
#include "agent/runners/shell/shell_split.h"

#include "actors/base/ama_err.h"
#include "agent/runners/shell/shell_lexer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- commands ---- */

typedef enum { PLAIN, OPENS, CLOSES, KEEPS, CASE, FOR, FUNCTION, TEST, TAKES_NAME } word_kind_t;

static const struct {
    const char *word;
    word_kind_t kind;
} reserved[] = {
    { "if", OPENS },    { "while", OPENS }, { "until", OPENS },       { "{", OPENS },    { "fi", CLOSES },
    { "done", CLOSES }, { "}", CLOSES },    { "esac", CLOSES },       { "then", KEEPS }, { "else", KEEPS },
    { "elif", KEEPS },  { "do", KEEPS },    { "!", KEEPS },           { "time", KEEPS }, { "case", CASE },
    { "for", FOR },     { "select", FOR },  { "function", FUNCTION }, { "[[", TEST },    { "coproc", TAKES_NAME },
};

static word_kind_t kind_of (const char *word, size_t size)
{
    for (size_t i = 0; i < ARRAY_SIZE (reserved); i++)
        if (strlen (reserved[i].word) == size && memcmp (reserved[i].word, word, size) == 0)
            return reserved[i].kind;
    return PLAIN;
}

typedef struct {
    bool command;     /* a command may begin here: reserved words count */
    bool continued;   /* after | || && and the like: a newline ends nothing */
    bool body;        /* after the head of a function: a compound command follows */
    bool word_before; /* the token before was a plain word in command position: name () may follow */
    bool head;        /* after for: do, or a brace instead of do and done, follows */
    unsigned open;    /* if, while, for, {, case, within this list */
    unsigned cases;   /* how many of those are case, counted to know that ;; may be followed by a pattern */
} list_t;

static void skip_blanks (ama_shell_lexer_t *lexer)
{
    while (lexer->at < lexer->size) {
        if (ama_shell_peek (lexer, 0) == ' ' || ama_shell_peek (lexer, 0) == '\t')
            lexer->at++;
        else if (ama_shell_looking_at (lexer, "\\\n"))
            lexer->at += 2;
        else
            return;
    }
}

static void skip_comment (ama_shell_lexer_t *lexer)
{
    while (lexer->at < lexer->size && ama_shell_peek (lexer, 0) != '\n')
        lexer->at++;
}

static void skip_newlines (ama_shell_lexer_t *lexer)
{
    for (;;) {
        skip_blanks (lexer);
        if (ama_shell_peek (lexer, 0) == '#')
            skip_comment (lexer);
        if (ama_shell_peek (lexer, 0) != '\n')
            return;
        lexer->at++;
        ama_shell_skip_heredocs (lexer);
    }
}

/* [[ … ]]: words, whatever stands between them. */
static void skip_test (ama_shell_lexer_t *lexer)
{
    while (lexer->at < lexer->size) {
        size_t start;

        skip_newlines (lexer);
        start = lexer->at;
        ama_shell_skip_word (lexer);
        if (lexer->at == start)
            lexer->at++;
        else if (lexer->at - start == 2 && lexer->at <= lexer->size && memcmp (lexer->text + start, "]]", 2) == 0)
            return;
    }
}

/* A pattern list of case, up to its closing parenthesis; false at esac. */
static bool skip_pattern (ama_shell_lexer_t *lexer)
{
    skip_newlines (lexer);
    if (ama_shell_looking_at (lexer, "esac")
        && (lexer->at + 4 >= lexer->size || ama_shell_word_ends (ama_shell_peek (lexer, 4))))
        return false;
    if (ama_shell_peek (lexer, 0) == '(')
        lexer->at++;
    while (lexer->at < lexer->size && ama_shell_peek (lexer, 0) != ')') {
        size_t start = lexer->at;
        ama_shell_skip_word (lexer);
        if (lexer->at == start)
            lexer->at++;
    }
    lexer->at++;
    return true;
}

/* After the word case: case WORD in, and the first pattern. */
static void enter_case (ama_shell_lexer_t *lexer, list_t *list)
{
    skip_newlines (lexer);
    ama_shell_skip_word (lexer);
    skip_newlines (lexer);
    if (!ama_shell_looking_at (lexer, "in"))
        return; /* no case after all: bash will complain */
    lexer->at += 2;
    list->open++;
    list->cases++;
    (void) skip_pattern (lexer);
    list->command = true;
}

static void enter_for (ama_shell_lexer_t *lexer, list_t *list)
{
    list->open++;
    list->head = true;
    skip_blanks (lexer);
    if (ama_shell_looking_at (lexer, "((")) {
        lexer->at += 2;
        (void) ama_shell_skip_arithmetic (lexer);
        list->command = true;
    }
    else {
        ama_shell_skip_word (lexer); /* the variable; `in WORDS` follow as plain words, up to ; or newline */
        skip_newlines (lexer);
        list->command = !ama_shell_looking_at (lexer, "in");
    }
}

static void enter_function (ama_shell_lexer_t *lexer, list_t *list)
{
    skip_blanks (lexer);
    ama_shell_skip_word (lexer);
    skip_blanks (lexer);
    if (ama_shell_looking_at (lexer, "(")) {
        lexer->at++;
        skip_blanks (lexer);
        if (ama_shell_peek (lexer, 0) == ')')
            lexer->at++;
    }
    list->body = list->command = true;
}

static void on_word (ama_shell_lexer_t *lexer, list_t *list)
{
    size_t start = lexer->at, size;
    word_kind_t kind;

    ama_shell_skip_word (lexer);
    if (lexer->at > lexer->size)
        lexer->at = lexer->size;
    size = lexer->at - start;
    kind = list->command ? kind_of (lexer->text + start, size) : PLAIN;
    list->word_before = list->command && kind == PLAIN;
    if (kind != PLAIN)
        list->body = false;
    list->command = kind == OPENS || kind == KEEPS;
    if (kind == KEEPS && lexer->text[start] == 'd')
        list->head = false;
    switch (kind) {
    case OPENS:
        if (!list->head || lexer->text[start] != '{')
            list->open++;
        list->head = false;
        break;
    case CLOSES:
        if (lexer->text[start] == 'e' && list->cases)
            list->cases--;
        if (list->open)
            list->open--;
        break;
    case CASE:
        enter_case (lexer, list);
        break;
    case FOR:
        enter_for (lexer, list);
        break;
    case FUNCTION:
        enter_function (lexer, list);
        break;
    case TEST:
        skip_test (lexer);
        break;
    case TAKES_NAME: /* coproc NAME { … } or coproc COMMAND */
        skip_blanks (lexer);
        start = lexer->at;
        ama_shell_skip_word (lexer);
        skip_blanks (lexer);
        if (ama_shell_peek (lexer, 0) != '{' && ama_shell_peek (lexer, 0) != '(')
            lexer->at = start;
        list->command = true;
        break;
    default:
        break;
    }
}

static void on_parenthesis (ama_shell_lexer_t *lexer, list_t *list)
{
    lexer->at++;
    if (list->word_before) { /* name () */
        skip_blanks (lexer);
        if (ama_shell_peek (lexer, 0) == ')') {
            lexer->at++;
            list->body = list->command = true;
            list->word_before = false;
            return;
        }
    }
    list->body = list->word_before = false;
    if (list->command && ama_shell_peek (lexer, 0) == '(') {
        lexer->at++;
        if (ama_shell_skip_arithmetic (lexer)) {
            list->command = false;
            return;
        }
        lexer->at--;
    }
    ama_shell_skip_commands (lexer, ")");
    list->command = false;
}

static void on_redirection (ama_shell_lexer_t *lexer, list_t *list)
{
    list->word_before = false;
    if (ama_shell_looking_at (lexer, "<<<"))
        lexer->at += 3;
    else if (ama_shell_looking_at (lexer, "<<")) {
        lexer->at += 2;
        ama_shell_open_heredoc (lexer);
        return;
    }
    else if (ama_shell_peek (lexer, 1) == '(') { /* <( … ) */
        lexer->at += 2;
        ama_shell_skip_commands (lexer, ")");
        return;
    }
    else
        lexer->at++;
    while (ama_shell_peek (lexer, 0) >= 0 && strchr ("<>&|", ama_shell_peek (lexer, 0)))
        lexer->at++;
    skip_blanks (lexer); /* the target is no command word */
    ama_shell_skip_word (lexer);
}

static void on_operator (ama_shell_lexer_t *lexer, list_t *list)
{
    int c = ama_shell_peek (lexer, 0);

    if (c == '&' && ama_shell_peek (lexer, 1) == '>') { /* &> file */
        lexer->at += 2;
        skip_blanks (lexer);
        return;
    }
    if (c == ';' && (ama_shell_peek (lexer, 1) == ';' || ama_shell_peek (lexer, 1) == '&') && list->cases) {
        while (ama_shell_peek (lexer, 0) == ';' || ama_shell_peek (lexer, 0) == '&')
            lexer->at++;
        (void) skip_pattern (lexer);
    }
    else {
        list->continued = c == '|' || (c == '&' && ama_shell_peek (lexer, 1) == '&');
        lexer->at += (c == '|' && (ama_shell_peek (lexer, 1) == '|' || ama_shell_peek (lexer, 1) == '&'))
                             || ama_shell_peek (lexer, 1) == c
                         ? 2
                         : 1;
    }
    list->command = true;
    list->word_before = false;
}

/* ---- statements ---- */

static void record (ama_shell_lexer_t *lexer, size_t start, size_t end)
{
    ama_shell_split_t *split = lexer->split;
    ama_shell_statement_t *item;

    while (end > start && strchr (" \t\n", lexer->text[end - 1]))
        end--;
    if (end == start)
        return;
    if (split->count == lexer->max) {
        item = &split->items[split->count - 1];
        item->size = end - item->offset;
        return;
    }
    if ((split->count & (split->count - 1)) == 0)
        split->items = ama_realloc (split->items, (split->count ? split->count * 2 : 1) * sizeof *split->items);
    split->items[split->count++] = (ama_shell_statement_t){ .offset = start, .size = end - start };
}

void ama_shell_skip_commands (ama_shell_lexer_t *lexer, const char *closer)
{
    list_t list = { .command = true };
    size_t start = 0;
    bool begun = false;

    if (!ama_shell_enter (lexer))
        return;
    while (lexer->at < lexer->size) {
        int c;

        skip_blanks (lexer);
        c = ama_shell_peek (lexer, 0);
        if (c < 0)
            break;
        if (c == '#') {
            skip_comment (lexer);
            continue;
        }
        if (c != '\n' && !begun) {
            begun = true;
            start = lexer->at;
        }
        if (c == '\n') {
            lexer->at++;
            ama_shell_skip_heredocs (lexer);
            if (!list.continued && !list.body) {
                list.command = true;
                list.word_before = false;
            }
            if (begun && !closer && !list.open && !list.continued && !list.body) {
                record (lexer, start, lexer->at);
                begun = false;
            }
            continue;
        }
        list.continued = false;
        if (c == ')' && closer) {
            lexer->at++;
            break;
        }
        if (c == '(')
            on_parenthesis (lexer, &list);
        else if (c == '<' || c == '>')
            on_redirection (lexer, &list);
        else if (strchr ("|&;)", c) && c)
            on_operator (lexer, &list);
        else
            on_word (lexer, &list);
    }
    if (lexer->at > lexer->size)
        lexer->at = lexer->size;
    if (!closer && begun)
        record (lexer, start, lexer->size);
    lexer->depth--;
}

/* Widens each statement to whole lines and counts the lines. */
static void number_lines (ama_shell_split_t *split, const char *text)
{
    size_t at = 0;
    uint32_t line = 1;

    for (size_t i = 0; i < split->count; i++) {
        ama_shell_statement_t *item = &split->items[i];
        size_t end = item->offset + item->size;

        for (; at < item->offset; at++)
            line += text[at] == '\n';
        item->line = line;
        for (; at < end; at++)
            line += text[at] == '\n';
        item->end_line = line;
        while (item->offset && text[item->offset - 1] != '\n')
            item->offset--;
        item->size = end - item->offset;
    }
}

void ama_shell_split (ama_shell_split_t *split, const char *text, size_t size, size_t max)
{
    ama_shell_lexer_t lexer = { .text = text, .size = size, .split = split, .max = max ? max : 1 };

    *split = (ama_shell_split_t){ 0 };
    ama_shell_skip_commands (&lexer, NULL);
    number_lines (split, text);
}

void ama_shell_split_done (ama_shell_split_t *split)
{
    free (split->items);
    *split = (ama_shell_split_t){ 0 };
}

long ama_shell_split_find (const ama_shell_split_t *split, uint32_t line)
{
    size_t low = 0, high = split->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (split->items[middle].end_line < line)
            low = middle + 1;
        else
            high = middle;
    }
    return low < split->count && split->items[low].line <= line ? (long) low : -1;
}
