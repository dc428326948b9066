/* term.h - what the place where a report goes can show, and text made fit for it
 *
 * Pure: main collects the facts, everything else is decided here.
 */
#ifndef AMA_CLIENT_RENDER_TERM_H
#define AMA_CLIENT_RENDER_TERM_H

#include "actors/base/ama_str.h"

#include <stdbool.h>
#include <stddef.h>

/* Values of the environment, NULL for unset. */
typedef struct {
    bool is_tty;        /* of stdout */
    unsigned columns;   /* of the terminal, 0 if unknown */
    const char *option; /* --color: "auto", "always", "never" or NULL */
    const char *no_color, *clicolor_force, *force_color, *term, *ci, *columns_variable;
    const char *lc_all, *lc_ctype, *lang;
} ama_term_facts_t;

typedef struct {
    bool tty; /* a line may be drawn again */
    bool color;
    bool utf8;      /* signs beyond ASCII */
    unsigned width; /* columns of the layout */
} ama_term_t;

void ama_term_decide (const ama_term_facts_t *facts, ama_term_t *ret_term);
/* The terminal has so many columns now. */
void ama_term_resize (ama_term_t *term, unsigned columns);

typedef enum {
    AMA_STYLE_PLAIN,
    AMA_STYLE_BOLD,
    AMA_STYLE_DIM,
    AMA_STYLE_RED,
    AMA_STYLE_GREEN,
    AMA_STYLE_YELLOW,
    AMA_STYLE_BLUE,
} ama_style_t;

/* Columns that UTF-8 text without control characters takes: 0 for combining characters, 2 for wide ones. */
size_t ama_show_columns (const char *text, size_t size);
/* Bytes of the longest start of text that fits into so many columns. */
size_t ama_show_fit (const char *text, size_t size, size_t columns);

/* What users wrote, made harmless (reliability: L1): control characters and bytes that are no UTF-8 are shown as \xNN, hidden ones as
 * \u{NNNN}; a tab becomes spaces. On a terminal without UTF-8 other characters become \u{NNNN} too.
 * sgr: colour sequences pass on a terminal with colour, and vanish elsewhere; otherwise they are shown like the rest. */
void ama_show_clean (const ama_term_t *term, const char *text, size_t size, bool sgr, ama_str_t *out);
/* The same on one line: runs of white space become one space. */
void ama_show_clean_line (const ama_term_t *term, const char *text, size_t size, ama_str_t *out);

/* A statement on one line: where its lines end shows, but not in a chain of calls. */
void ama_show_statement (const ama_term_t *term, const char *text, size_t size, ama_str_t *out);

/* "38ms", "2.6s", "1m 04s", "2h 05m". */
void ama_show_duration (int64_t ms, ama_str_t *out);
/* Where a tenth of a second does not matter: "16s", "1m 04s". */
void ama_show_seconds (int64_t ms, ama_str_t *out);
/* "812 B", "3.4 MB". */
void ama_show_bytes (uint64_t bytes, ama_str_t *out);

#endif
