/* scan.c - the lexer behind scan.h. Pure; one pass, no memory of its own. */
#include "actors/planner/scan.h"

#include "actors/planner/lexer.h"

#include <stdbool.h>
#include <string.h>

enum { NAME_ROOM = 129 };

static bool is_name (char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$'
           || (unsigned char) c >= 0x80;
}

/* Over a comment, if one begins here. Scala's block comments nest. */
static bool skip_comment (lexer_t *lexer)
{
    unsigned depth = 0;

    if (looking_at (lexer, "//")) {
        while (lexer->at < lexer->end && *lexer->at != '\n')
            lexer->at++;
        return true;
    }
    if (!looking_at (lexer, "/*"))
        return false;
    do {
        if (looking_at (lexer, "/*")) {
            depth++;
            lexer->at += 2;
        }
        else if (looking_at (lexer, "*/")) {
            depth--;
            lexer->at += 2;
        }
        else
            step (lexer);
    } while (depth && lexer->at < lexer->end);
    return true;
}

/* Over a string, if one begins here; its text into out (NAME_ROOM) if it is short and plain, else "". */
static bool skip_string (lexer_t *lexer, char *out)
{
    size_t n = 0;
    bool plain = true;

    out[0] = '\0';
    if (looking_at (lexer, "\"\"\"")) {
        lexer->at += 3;
        while (lexer->at < lexer->end && !looking_at (lexer, "\"\"\""))
            step (lexer);
        lexer->at += lexer->end - lexer->at < 3 ? lexer->end - lexer->at : 3;
        return true;
    }
    if (!looking_at (lexer, "\""))
        return false;
    lexer->at++;
    while (lexer->at < lexer->end && *lexer->at != '"' && *lexer->at != '\n') {
        if (*lexer->at == '\\' && lexer->at + 1 < lexer->end) {
            plain = false;
            lexer->at++;
        }
        if (n < NAME_ROOM - 1)
            out[n] = *lexer->at;
        plain = plain && *lexer->at && n < NAME_ROOM - 1;
        n++;
        step (lexer);
    }
    if (lexer->at < lexer->end && *lexer->at == '"')
        lexer->at++;
    out[plain ? n : 0] = '\0';
    return true;
}

/* 'x' and '\'' are characters, not the beginning of a string; 'symbol is neither. */
static bool skip_char (lexer_t *lexer)
{
    size_t left = (size_t) (lexer->end - lexer->at);

    if (left >= 4 && lexer->at[0] == '\'' && lexer->at[1] == '\\' && lexer->at[3] == '\'') {
        lexer->at += 4;
        return true;
    }
    if (left >= 3 && lexer->at[0] == '\'' && lexer->at[1] != '\n' && lexer->at[2] == '\'') {
        lexer->at += 3;
        return true;
    }
    return false;
}

static void skip_blanks (lexer_t *lexer)
{
    while (lexer->at < lexer->end)
        if (strchr (" \t\r\n", *lexer->at) && *lexer->at)
            step (lexer);
        else if (!skip_comment (lexer))
            break;
}

static bool take (lexer_t *lexer, char c)
{
    skip_blanks (lexer);
    if (lexer->at >= lexer->end || *lexer->at != c)
        return false;
    lexer->at++;
    return true;
}

/* Over [Type[Args]], [(A, B)] and [A => B]. */
static bool skip_type (lexer_t *lexer)
{
    unsigned depth = 0;

    do {
        if (*lexer->at == '[' || *lexer->at == '(')
            depth++;
        else if (*lexer->at == ']' || *lexer->at == ')')
            depth--;
        else if (strchr ("{}\"", *lexer->at) && *lexer->at)
            return false;
        step (lexer);
    } while (depth && lexer->at < lexer->end);
    return depth == 0;
}

/* After the word AmaContext: .getX[T]("action", "dataset" */
static void read_call (lexer_t *lexer, ama_scan_fn *fn, void *arg)
{
    static const char *const calls[] = { "getRDD", "getDataFrame", "getDataset" };
    ama_scan_hit_t hit = { .line = lexer->line, .column = column_of (lexer) - (uint32_t) strlen ("AmaContext") };
    char action[NAME_ROOM], dataset[NAME_ROOM];
    size_t i = 0;

    if (!take (lexer, '.'))
        return;
    skip_blanks (lexer);
    while (i < 3 && !looking_at (lexer, calls[i]))
        i++;
    if (i == 3)
        return;
    lexer->at += strlen (calls[i]);
    skip_blanks (lexer);
    if (looking_at (lexer, "[") && !skip_type (lexer))
        return;
    if (!take (lexer, '('))
        return;
    skip_blanks (lexer);
    if (!skip_string (lexer, action) || !take (lexer, ','))
        return;
    skip_blanks (lexer);
    if (!skip_string (lexer, dataset))
        return;
    skip_blanks (lexer);
    if (!action[0] || !dataset[0] || (!looking_at (lexer, ")") && !looking_at (lexer, ",")))
        return;
    hit.action = action;
    hit.dataset = dataset;
    fn (&hit, arg);
}

void ama_scan_scala (const char *text, size_t size, ama_scan_fn *fn, void *arg)
{
    lexer_t lexer = lexer_of (text, size);
    char ignored[NAME_ROOM];

    while (lexer.at < lexer.end) {
        if (skip_comment (&lexer) || skip_string (&lexer, ignored) || skip_char (&lexer))
            continue;
        if (!is_name (*lexer.at)) {
            step (&lexer);
            continue;
        }
        const char *word = lexer.at;
        while (lexer.at < lexer.end && is_name (*lexer.at))
            lexer.at++;
        if (lexer.at - word == 10 && memcmp (word, "AmaContext", 10) == 0)
            read_call (&lexer, fn, arg);
    }
}
