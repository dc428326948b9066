/* shell_lexer.c - skips bash's words, expansions and here documents
 *
 * Called by shell_split.c only. Pure. A here document's body is skipped at the newline after its operator, at whatever depth that newline is.
 */
#include "agent/runners/shell/shell_lexer.h"

#include "actors/base/ama_err.h"

#include <string.h>

#define DEPTH_MAX 200 /* nested constructs; deeper ones end the analysis */

int ama_shell_peek (const ama_shell_lexer_t *lexer, size_t ahead)
{
    return lexer->at + ahead < lexer->size ? (unsigned char) lexer->text[lexer->at + ahead] : -1;
}

bool ama_shell_looking_at (const ama_shell_lexer_t *lexer, const char *text)
{
    size_t n = strlen (text);
    return lexer->at <= lexer->size && lexer->size - lexer->at >= n && memcmp (lexer->text + lexer->at, text, n) == 0;
}

bool ama_shell_enter (ama_shell_lexer_t *lexer)
{
    if (++lexer->depth > DEPTH_MAX)
        lexer->lost = true;
    if (lexer->lost)
        lexer->at = lexer->size;
    return !lexer->lost;
}

/* ---- words and what is inside them ---- */

static void skip_single (ama_shell_lexer_t *lexer, bool escapes)
{
    while (lexer->at < lexer->size && lexer->text[lexer->at] != '\'')
        lexer->at += escapes && lexer->text[lexer->at] == '\\' ? 2 : 1;
    lexer->at++;
}

static void skip_backquote (ama_shell_lexer_t *lexer)
{
    while (lexer->at < lexer->size && lexer->text[lexer->at] != '`')
        lexer->at += lexer->text[lexer->at] == '\\' ? 2 : 1;
    lexer->at++;
}

bool ama_shell_skip_arithmetic (ama_shell_lexer_t *lexer)
{
    size_t start = lexer->at;
    unsigned open = 0;

    while (lexer->at < lexer->size) {
        int c = ama_shell_peek (lexer, 0);
        lexer->at += c == '\\' ? 2 : 1;
        if (c == '\'')
            skip_single (lexer, false);
        else if (c == '(')
            open++;
        else if (c == ')' && open)
            open--;
        else if (c == ')') {
            if (ama_shell_peek (lexer, 0) == ')') {
                lexer->at++;
                return true;
            }
            break;
        }
    }
    lexer->at = start;
    return false;
}

static void skip_dollar (ama_shell_lexer_t *lexer, bool quoted);

/* After ${ or inside "…": up to the closing character. */
static void skip_until (ama_shell_lexer_t *lexer, char closer, bool quoted)
{
    if (!ama_shell_enter (lexer))
        return;
    while (lexer->at < lexer->size && lexer->text[lexer->at] != closer) {
        int c = ama_shell_peek (lexer, 0);
        lexer->at += c == '\\' ? 2 : 1;
        if (c == '$')
            skip_dollar (lexer, quoted);
        else if (c == '`')
            skip_backquote (lexer);
        else if (c == '"' && closer != '"')
            skip_until (lexer, '"', true);
        else if (c == '\'' && !quoted)
            skip_single (lexer, false);
    }
    lexer->at++;
    lexer->depth--;
}

/* After a $. */
static void skip_dollar (ama_shell_lexer_t *lexer, bool quoted)
{
    if (ama_shell_looking_at (lexer, "((")) {
        lexer->at += 2;
        if (ama_shell_skip_arithmetic (lexer))
            return;
        lexer->at -= 2;
    }
    if (ama_shell_peek (lexer, 0) == '(') {
        lexer->at++;
        ama_shell_skip_commands (lexer, ")");
    }
    else if (ama_shell_peek (lexer, 0) == '{') {
        lexer->at++;
        skip_until (lexer, '}', false); /* bash heeds single quotes here, even inside double ones */
    }
    else if (ama_shell_peek (lexer, 0) == '\'' && !quoted) {
        lexer->at++;
        skip_single (lexer, true);
    }
}

/* Inside name=( … ) or an extended glob: words up to the closing parenthesis. */
static void skip_parenthesised (ama_shell_lexer_t *lexer)
{
    if (!ama_shell_enter (lexer))
        return;
    while (lexer->at < lexer->size && ama_shell_peek (lexer, 0) != ')') {
        int c = ama_shell_peek (lexer, 0);
        if (c == '#') {
            while (lexer->at < lexer->size && ama_shell_peek (lexer, 0) != '\n')
                lexer->at++;
        }
        else if (strchr (" \t\n|&;<>(", c))
            lexer->at++;
        else
            ama_shell_skip_word (lexer);
    }
    lexer->at++;
    lexer->depth--;
}

bool ama_shell_word_ends (int c)
{
    return c < 0 || strchr (" \t\n|&;()<>", c) != NULL;
}

void ama_shell_skip_word (ama_shell_lexer_t *lexer)
{
    size_t start = lexer->at;

    while (lexer->at < lexer->size) {
        int c = ama_shell_peek (lexer, 0);
        if (c == '(' && lexer->at > start && strchr ("=@!*+?", lexer->text[lexer->at - 1])) {
            lexer->at++;
            skip_parenthesised (lexer);
            continue;
        }
        if (c != 0 && ama_shell_word_ends (c))
            return;
        lexer->at += c == '\\' ? 2 : 1;
        if (c == '\'')
            skip_single (lexer, false);
        else if (c == '"')
            skip_until (lexer, '"', true);
        else if (c == '`')
            skip_backquote (lexer);
        else if (c == '$')
            skip_dollar (lexer, false);
    }
}

/* ---- here documents ---- */

void ama_shell_open_heredoc (ama_shell_lexer_t *lexer)
{
    ama_shell_heredoc_t doc = { .tabs = ama_shell_peek (lexer, 0) == '-' };

    if (doc.tabs)
        lexer->at++;
    while (ama_shell_peek (lexer, 0) == ' ' || ama_shell_peek (lexer, 0) == '\t')
        lexer->at++;
    doc.word = lexer->at;
    ama_shell_skip_word (lexer);
    if (lexer->at > lexer->size)
        lexer->at = lexer->size;
    doc.word_size = lexer->at - doc.word;
    if (lexer->n_heredocs == AMA_SHELL_HEREDOC_MAX)
        lexer->lost = true;
    else
        lexer->heredocs[lexer->n_heredocs++] = doc;
}

/* True if the line is the delimiter with its quotes removed. */
static bool is_delimiter (const ama_shell_lexer_t *lexer, const ama_shell_heredoc_t *doc, const char *line, size_t size)
{
    const char *word = lexer->text + doc->word;
    size_t at = 0;

    for (size_t i = 0; i < doc->word_size; i++) {
        if (word[i] == '\'' || word[i] == '"')
            continue;
        if (word[i] == '\\' && i + 1 < doc->word_size)
            i++;
        if (at >= size || line[at++] != word[i])
            return false;
    }
    return at == size;
}

void ama_shell_skip_heredocs (ama_shell_lexer_t *lexer)
{
    for (size_t i = 0; i < lexer->n_heredocs; i++) {
        bool over = false;
        while (!over && lexer->at < lexer->size) {
            const char *line = lexer->text + lexer->at;
            const char *end = memchr (line, '\n', lexer->size - lexer->at);
            size_t length = end ? (size_t) (end - line) : lexer->size - lexer->at, tabs = 0;

            while (lexer->heredocs[i].tabs && tabs < length && line[tabs] == '\t')
                tabs++;
            over = is_delimiter (lexer, &lexer->heredocs[i], line + tabs, length - tabs);
            lexer->at += length + (end ? 1 : 0);
        }
    }
    lexer->n_heredocs = 0;
}
