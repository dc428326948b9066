/* shell_lexer.h - the words of bash: quotes, expansions, here documents. Part of the splitter; see shell_split.h
 *
 * Every function takes the text from lexer->at on and leaves lexer->at behind what it has read; at may then lie up to two bytes behind the
 * end. Pure.
 */
#ifndef AMA_AGENT_SHELL_LEXER_H
#define AMA_AGENT_SHELL_LEXER_H

#include "agent/runners/shell/shell_split.h"

#include <stdbool.h>

#define AMA_SHELL_HEREDOC_MAX 16 /* here documents opened in one line */

typedef struct {
    size_t word; /* of the delimiter as written */
    size_t word_size;
    bool tabs; /* <<- */
} ama_shell_heredoc_t;

typedef struct {
    const char *text;
    size_t size;
    size_t at;
    unsigned depth;
    bool lost; /* not understood: all the rest is one piece */
    ama_shell_heredoc_t heredocs[AMA_SHELL_HEREDOC_MAX];
    size_t n_heredocs;
    ama_shell_split_t *split; /* where statements are recorded */
    size_t max;
} ama_shell_lexer_t;

/* Byte `ahead` of the position, -1 behind the end. */
int ama_shell_peek (const ama_shell_lexer_t *lexer, size_t ahead);
bool ama_shell_looking_at (const ama_shell_lexer_t *lexer, const char *text);
bool ama_shell_word_ends (int c);

/* One level deeper; false (and the rest is given up) if that is too deep. */
bool ama_shell_enter (ama_shell_lexer_t *lexer);

void ama_shell_skip_word (ama_shell_lexer_t *lexer);
/* After an opening (( or $((: up to the matching )). False if it was no arithmetic: the position is unchanged then. */
bool ama_shell_skip_arithmetic (ama_shell_lexer_t *lexer);

/* After <<: remembers the delimiter. */
void ama_shell_open_heredoc (ama_shell_lexer_t *lexer);
/* At the first byte after a newline: skips the bodies of the documents which that line opened. */
void ama_shell_skip_heredocs (ama_shell_lexer_t *lexer);

/* In shell_split.c: a list of commands, up to ")" (taken) when closer is given, else the whole file, each statement recorded. */
void ama_shell_skip_commands (ama_shell_lexer_t *lexer, const char *closer);

#endif
