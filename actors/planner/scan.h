/* scan.h - which datasets of which actions a Scala source names: AmaContext.getDataFrame("start", "odd") and its kin
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

#endif
