/* reads.h - which datasets a source in Scala, Python or R reads, and which named datasets it writes, in every spelling of AmaContext
 *
 * Scala getDataFrame, getRDD, getDataset; Python get_dataframe, get_dataset; R getDataFrame, getDataset; persist in all three. Pure.
 */
#ifndef AMA_PLANNER_READS_H
#define AMA_PLANNER_READS_H

#include "actors/planner/tree.h"

typedef enum {
    AMA_READS_ACTION, /* what an action left */
    AMA_READS_NAMED,  /* a named dataset of the environment */
    AMA_WRITES_NAMED,
} ama_read_kind_t;

typedef struct {
    ama_read_kind_t kind;
    const char *action;  /* borrowed for the call; NULL: no plain literal, or kind is of named ones */
    const char *dataset; /* likewise */
    uint32_t line, column;
    bool known; /* the context is AmaContext beyond doubt, or the language's own name for it */
    bool sure;  /* known, and the call is made whenever the source is run */
} ama_read_t;

typedef void (ama_read_fn) (const ama_read_t *read, void *arg);

/* Calls fn for each, in order. Names longer than 128 bytes are no plain literals. A source that nowhere has such a name is not parsed.
 * 0; AMA_E_LIMIT: it is beyond the limits of tree.h, and calls may be missing; AMA_E_UNSUPPORTED. */
int ama_reads_find (ama_tree_language_t language, const char *text, size_t size, ama_read_fn *fn, void *arg);

#endif
