/* ama_problems.h - everything that is wrong with somebody's documents, collected so that it can be told at once
 *
 * A reader adds a problem and goes on; whoever started it asks at the end whether there are errors. Texts are UTF-8 without
 * control characters: values of the user must go through AMA_QUOTE / ama_quote, which escapes and shortens them.
 */
#ifndef AMA_CONFIG_PROBLEMS_H
#define AMA_CONFIG_PROBLEMS_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AMA_PROBLEMS_MAX      2000 /* at most half of them warnings; what follows is dropped, but still counted */
#define AMA_PROBLEM_TEXT_MAX  1000 /* bytes of message and of hint */
#define AMA_PROBLEM_QUOTE_MAX 80   /* bytes of a user's value that are shown */

typedef struct {
    int code;        /* ama_code_t */
    char *file;      /* as a person would name it; owned */
    uint32_t line;   /* from 1; 0: the file as a whole */
    uint32_t column; /* from 1; 0 with line 0 */
    char *message;   /* what is wrong; owned */
    char *hint;      /* what would be right; "" for none; owned */
    bool warning;
} ama_problem_t;

/* Embedded: zero-initialise, and ama_problems_done. */
typedef struct {
    ama_problem_t *items;
    size_t count;
    size_t room;
    size_t errors;         /* all that were added, also those above the maximum */
    size_t dropped;        /* not kept */
    size_t dropped_errors; /* errors among them */
} ama_problems_t;

void ama_problems_done (ama_problems_t *problems);

/* hint may be NULL. Everything is copied. problems may be NULL: then nothing is kept. Returns code. */
int ama_problems_add (ama_problems_t *problems, bool warning, int code, const char *file, uint32_t line,
                      uint32_t column, const char *hint, const char *format, ...)
    __attribute__ ((format (printf, 8, 9)));

/* By file, line, column; stable. A file that starts the list stays in front: files keep the order of their first problem. */
void ama_problems_sort (ama_problems_t *problems);

/* "file:line:col: error: message (hint) [AMA-E0004]\n" for each. */
void ama_problems_text (const ama_problems_t *problems, ama_str_t *out);
/* One of them, without the line feed. */
void ama_problem_text (const ama_problem_t *problem, ama_str_t *out);

/* ‘text’ for a person: escaped, at most AMA_PROBLEM_QUOTE_MAX bytes of it, in quotation marks. */
typedef struct {
    char text[AMA_PROBLEM_QUOTE_MAX * 8 + 16];
} ama_quote_t;
const char *ama_quote (ama_quote_t *buf, const char *text, size_t size);

/* For use inside an argument list: the quoted text lives as long as the enclosing block. */
#define AMA_QUOTE(value)             ama_quote (&(ama_quote_t){ { 0 } }, (value), strlen (value))
#define AMA_QUOTE_SIZED(value, size) ama_quote (&(ama_quote_t){ { 0 } }, (value), (size))

/* The candidate nearest to word, for "did you mean"; NULL if none is near enough. Case counts little. candidates may hold NULLs. */
const char *ama_nearest (const char *word, const char *const *candidates, size_t count);

#endif
