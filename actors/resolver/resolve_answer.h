/* resolve_answer.h - what the child says: one word and its values a line, separated by tabs
 *
 * Pure. The child reads what servers sent, so its lines are believed as little as a message from outside: README.md has the table,
 * everything is bounded, and what is not understood makes the whole answer void.
 */
#ifndef AMA_RESOLVER_RESOLVE_ANSWER_H
#define AMA_RESOLVER_RESOLVE_ANSWER_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

#include <stdbool.h>
#include <stdint.h>

enum { AMA_RESOLVE_LINE_MAX = 16 * 1024, AMA_RESOLVE_NOTE_MAX = 400 };

typedef struct {
    char *coordinates; /* group:name:version, and :classifier if there is one; ama_resolve_coordinates_ok */
    char *path;        /* absolute */
    uint64_t size;
} ama_resolve_found_t;

typedef struct {
    uint64_t done, total; /* files; total 0 while unknown */
    uint64_t bytes;
    const char *note; /* in words instead, or NULL; borrowed for the call */
} ama_resolve_step_t;

typedef struct {
    ama_resolve_found_t *files;
    size_t n_files;
    uint64_t downloads; /* files that were transferred */
    int code;           /* ama_code_t: 0, or why there is no answer */
    char text[AMA_ERR_TEXT_MAX];
    bool ended; /* the last line came: files and code hold */
    bool broken;
    ama_str_t rest; /* an unfinished line */
} ama_resolve_answer_t;

/* A line about how far it is. */
typedef void (ama_resolve_step_fn) (const ama_resolve_step_t *step, void *arg);

/* Zero-initialise. Bytes as they come; after a line that is not understood (broken) nothing more is taken. 0 or AMA_E_DECODE. */
int ama_resolve_answer_feed (ama_resolve_answer_t *answer, const char *bytes, size_t size, ama_resolve_step_fn *on_step,
                             void *arg, ama_err_t *err);
/* The child has ended. 0 if it answered; else its failure, or AMA_E_CHILD. */
int ama_resolve_answer_end (const ama_resolve_answer_t *answer, ama_err_t *err);
void ama_resolve_answer_done (ama_resolve_answer_t *answer);

/* True if these could be coordinates of a file: three or four parts of printable ASCII, none of which is a path or hidden. */
bool ama_resolve_coordinates_ok (const char *text);

#endif
