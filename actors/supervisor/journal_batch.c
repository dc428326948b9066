/* journal_batch.c - collects what one transaction writes. Filled on the actor's thread, read by the worker while nobody touches it. */
#include "actors/supervisor/journal_batch.h"

#include <stdlib.h>

ama_journal_batch_t *ama_journal_batch_new (void)
{
    return ama_calloc (1, sizeof (ama_journal_batch_t));
}

void ama_journal_batch_destroy (ama_journal_batch_t **batch)
{
    if (!*batch)
        return;
    ama_journal_batch_clear (*batch);
    free ((*batch)->events.rows);
    free ((*batch)->posts.rows);
    free ((*batch)->posted.rows);
    free ((*batch)->summaries);
    free ((*batch)->tokens);
    ama_str_done (&(*batch)->bytes);
    free (*batch);
    *batch = NULL;
}

void ama_journal_batch_clear (ama_journal_batch_t *batch)
{
    for (size_t i = 0; i < batch->n_summaries; i++)
        ama_run_summary_done (&batch->summaries[i]);
    for (size_t i = 0; i < batch->n_tokens; i++)
        free (batch->tokens[i].token);
    batch->n_summaries = batch->n_tokens = 0;
    batch->events.n = batch->posts.n = batch->posted.n = 0;
    ama_str_clear (&batch->bytes);
}

bool ama_journal_batch_empty (const ama_journal_batch_t *batch)
{
    return !batch->events.n && !batch->posts.n && !batch->posted.n && !batch->n_summaries && !batch->n_tokens;
}

static void add_row (journal_rows_t *rows, journal_row_t row)
{
    if (rows->n == rows->room) {
        rows->room = rows->room ? 2 * rows->room : 16;
        rows->rows = ama_realloc (rows->rows, rows->room * sizeof row);
    }
    rows->rows[rows->n++] = row;
}

static size_t add_bytes (ama_journal_batch_t *batch, const void *body, size_t size)
{
    size_t at = batch->bytes.size;

    ama_str_add (&batch->bytes, body, size);
    return at;
}

void ama_journal_batch_event (ama_journal_batch_t *batch, ama_id_t run, uint32_t seq, int64_t wall_ms, uint16_t type,
                              const void *body, size_t size)
{
    add_row (&batch->events, (journal_row_t){ run, seq, wall_ms, type, add_bytes (batch, body, size), size });
}

void ama_journal_batch_post (ama_journal_batch_t *batch, ama_id_t run, uint64_t first, const void *body, size_t size)
{
    add_row (&batch->posts, (journal_row_t){ run, first, 0, 0, add_bytes (batch, body, size), size });
}

void ama_journal_batch_posted (ama_journal_batch_t *batch, ama_id_t run, uint64_t upto)
{
    add_row (&batch->posted, (journal_row_t){ .run = run, .no = upto });
}

void ama_journal_batch_summary (ama_journal_batch_t *batch, const ama_run_summary_t *summary)
{
    size_t i = 0;

    while (i < batch->n_summaries && !ama_id_equal (batch->summaries[i].run, summary->run))
        i++;
    if (i < batch->n_summaries)
        ama_run_summary_done (&batch->summaries[i]);
    else
        batch->summaries = ama_realloc (batch->summaries, ++batch->n_summaries * sizeof *summary);
    ama_run_summary_copy (summary, &batch->summaries[i]);
}

void ama_journal_batch_token (ama_journal_batch_t *batch, const char *token, const ama_digest_t *content, ama_id_t run)
{
    batch->tokens = ama_realloc (batch->tokens, (batch->n_tokens + 1) * sizeof *batch->tokens);
    batch->tokens[batch->n_tokens++] =
        (journal_token_t){ .token = ama_strdup (token), .content = *content, .run = run };
}

static void drop_rows (journal_rows_t *rows, ama_id_t run)
{
    size_t kept = 0;

    for (size_t i = 0; i < rows->n; i++) {
        if (!ama_id_equal (rows->rows[i].run, run))
            rows->rows[kept++] = rows->rows[i];
    }
    rows->n = kept;
}

void ama_journal_batch_drop (ama_journal_batch_t *batch, ama_id_t run)
{
    drop_rows (&batch->events, run);
    drop_rows (&batch->posts, run);
    drop_rows (&batch->posted, run);
    for (size_t i = 0; i < batch->n_summaries; i++) {
        if (ama_id_equal (batch->summaries[i].run, run)) {
            ama_run_summary_done (&batch->summaries[i]);
            batch->summaries[i--] = batch->summaries[--batch->n_summaries];
        }
    }
    for (size_t i = 0; i < batch->n_tokens; i++) {
        if (ama_id_equal (batch->tokens[i].run, run)) {
            free (batch->tokens[i].token);
            batch->tokens[i--] = batch->tokens[--batch->n_tokens];
        }
    }
}
