/* scan_sql.c - see scan.h. Pure; one pass, no memory of its own. */
#include "actors/planner/scan.h"

#include "actors/planner/lexer.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { NAME_ROOM = 257 };

static bool is_word (char c)
{
    return isalnum ((unsigned char) c) || c == '_' || (unsigned char) c >= 0x80;
}

static bool skip_comment (lexer_t *lexer)
{
    bool block = looking_at (lexer, "/*");

    if (!block && !looking_at (lexer, "--"))
        return false;
    while (lexer->at < lexer->end && !(block ? looking_at (lexer, "*/") : *lexer->at == '\n'))
        step (lexer);
    lexer->at += block && lexer->at < lexer->end ? 2 : 0;
    return true;
}

/* A literal, or a name in backquotes; ret_text is what lies between the quotes. */
static bool skip_quoted (lexer_t *lexer, char quote, const char **ret_text, size_t *ret_size)
{
    if (lexer->at >= lexer->end || *lexer->at != quote)
        return false;
    lexer->at++;
    *ret_text = lexer->at;
    while (lexer->at < lexer->end && *lexer->at != quote) {
        if (*lexer->at == '\\' && quote != '`' && lexer->at + 1 < lexer->end)
            step (lexer);
        step (lexer);
    }
    *ret_size = (size_t) (lexer->at - *ret_text);
    lexer->at += lexer->at < lexer->end;
    return true;
}

/* How many bytes of a word stand before the names; 0: it is no word for a dataset. */
static size_t prefix_of (const char *word, size_t size)
{
    static const char *const prefixes[] = { "amacontext_", "ama_context_" };

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (size > strlen (prefixes[i]) && strncasecmp (word, prefixes[i], strlen (prefixes[i])) == 0)
            return strlen (prefixes[i]);
    return 0;
}

static void hit (const char *word, size_t size, uint32_t line, uint32_t column, ama_scan_word_fn *fn, void *arg)
{
    size_t prefix = prefix_of (word, size);
    char names[NAME_ROOM];

    if (!prefix || size - prefix >= sizeof names)
        return;
    memcpy (names, word + prefix, size - prefix);
    names[size - prefix] = '\0';
    fn (names, line, column, arg);
}

void ama_scan_sql (const char *text, size_t size, ama_scan_word_fn *fn, void *arg)
{
    lexer_t lexer = lexer_of (text, size);

    while (lexer.at < lexer.end) {
        uint32_t line = lexer.line, column = column_of (&lexer);
        const char *word = lexer.at;
        size_t length;
        if (skip_comment (&lexer) || skip_quoted (&lexer, '\'', &word, &length)
            || skip_quoted (&lexer, '"', &word, &length))
            continue;
        if (skip_quoted (&lexer, '`', &word, &length)) {
            hit (word, length, line, column, fn, arg);
            continue;
        }
        while (lexer.at < lexer.end && is_word (*lexer.at))
            lexer.at++;
        if (lexer.at > word)
            hit (word, (size_t) (lexer.at - word), line, column, fn, arg);
        else
            step (&lexer);
    }
}
