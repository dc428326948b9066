/* row.h - one line of a report: signs, styled text on the left, times on the right */
#ifndef AMA_CLIENT_RENDER_ROW_H
#define AMA_CLIENT_RENDER_ROW_H

#include "client/render/term.h"

/* Signs for a UTF-8 terminal and for any other; never a colour alone. The first group takes `width` columns each. */
typedef struct {
    const char *ok, *bad, *retry, *flag, *warn, *stop, *skip, *going, *artifact;
    size_t width;
    const char *run;                /* in front of a run and an action */
    const char *dot, *arrow, *dots; /* in running text */
    const char *bar, *bar_stderr;   /* in front of user output */
    const char *full, *tip, *empty; /* progress bar */
    const char *spinner[10];        /* NULL-terminated unless full */
} ama_signs_t;

const ama_signs_t *ama_signs (const ama_term_t *term);

typedef struct {
    const ama_term_t *term;
    ama_str_t left, right;
    size_t left_columns, right_columns;
    bool strict; /* on a terminal the line is never longer than the width: what is too much on the left is cut */
} ama_row_t;

void ama_row_start (ama_row_t *row, const ama_term_t *term);
/* Text of ours, without control characters. */
void ama_row_add (ama_row_t *row, ama_style_t style, const char *format, ...) __attribute__ ((format (printf, 3, 4)));
void ama_row_right (ama_row_t *row, ama_style_t style, const char *format, ...) __attribute__ ((format (printf, 3, 4)));
/* A sign, and blanks up to the width of signs. */
void ama_row_sign (ama_row_t *row, ama_style_t style, const char *sign);
/* Text of somebody else, made harmless, on one line. On a terminal it is cut to what is left beside the right part, which must
 * have been added before. */
void ama_row_fill (ama_row_t *row, ama_style_t style, const char *text);
/* The same for a statement, where one sees its line breaks. */
void ama_row_statement (ama_row_t *row, ama_style_t style, const char *text);
/* As ama_row_fill, never cut. */
void ama_row_text (ama_row_t *row, ama_style_t style, const char *text);
/* Text that was made harmless already, as it is. */
void ama_row_styled (ama_row_t *row, ama_style_t style, const char *text, size_t size);
/* Adds the whole line to out, with LF unless it is to be drawn over. */
void ama_row_end (ama_row_t *row, ama_str_t *out);
void ama_row_end_open (ama_row_t *row, ama_str_t *out);

#endif
