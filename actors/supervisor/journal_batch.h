/* journal_batch.h - what one transaction of the journal will write; shared by journal.c and journal_batch.c only */
#ifndef AMA_SUPERVISOR_JOURNAL_BATCH_H
#define AMA_SUPERVISOR_JOURNAL_BATCH_H

#include "actors/base/ama_str.h"
#include "actors/supervisor/journal.h"

typedef struct {
    ama_id_t run;
    uint64_t no; /* event: seq; post: first; posted: upto */
    int64_t wall_ms;
    uint16_t type; /* of an event; 0 for posts */
    size_t at;     /* of the body in `bytes` */
    size_t size;
} journal_row_t;

typedef struct {
    journal_row_t *rows;
    size_t n;
    size_t room;
} journal_rows_t;

typedef struct {
    char *token;
    ama_digest_t content;
    ama_id_t run;
} journal_token_t;

struct ama_journal_batch {
    journal_rows_t events;
    journal_rows_t posts;
    journal_rows_t posted;
    ama_run_summary_t *summaries;
    size_t n_summaries;
    journal_token_t *tokens;
    size_t n_tokens;
    ama_str_t bytes;
};

#endif
