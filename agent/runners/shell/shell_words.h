/* shell_words.h - what a command will write, as far as the words that bash traces tell. Part of shell_order; pure */
#ifndef AMA_AGENT_SHELL_WORDS_H
#define AMA_AGENT_SHELL_WORDS_H

#include "actors/base/ama_str.h"

typedef enum {
    AMA_SHELL_SAYS_NOTHING,   /* or not at once: most commands */
    AMA_SHELL_SAYS_SOMETHING, /* a builtin that prints */
    AMA_SHELL_SAYS_THIS,      /* what was appended to `said`, unless its output was sent elsewhere */
} ama_shell_says_t;

/* words: expanded and quoted as xtrace does; a record's first line only, so they may end within quotes. */
ama_shell_says_t ama_shell_words_say (const char *words, size_t size, ama_str_t *said);

#endif
