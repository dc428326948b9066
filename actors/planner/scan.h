/* scan.h - which datasets of which actions a source names: AmaContext.getDataFrame("start", "odd") and its kin, AMACONTEXT_start_odd in SQL
 *
 * A lexer, not a compiler: it knows comments and string literals, so that what stands in them does not count, and takes only calls whose two first arguments are
 * plain literals. What it can not see is declared with reads:.
 */
#ifndef AMA_PLANNER_SCAN_H
#define AMA_PLANNER_SCAN_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *action; /* NUL-terminated, borrowed for the call */
    const char *dataset;
    uint32_t line, column;
} ama_scan_hit_t;

typedef void (ama_scan_fn) (const ama_scan_hit_t *hit, void *arg);

/* Calls fn for every call in the text, in order. Names longer than 128 bytes are left out. */
void ama_scan_scala (const char *text, size_t size, ama_scan_fn *fn, void *arg);

/* names: what follows AMACONTEXT_ or ama_context_, in any case; where the action's name ends in it only the flow can say. Borrowed for the call. */
typedef void (ama_scan_word_fn) (const char *names, uint32_t line, uint32_t column, void *arg);

/* Calls fn for every such word in the text, bare or in backquotes, in order. Longer ones than 256 bytes are left out. */
void ama_scan_sql (const char *text, size_t size, ama_scan_word_fn *fn, void *arg);

#endif
