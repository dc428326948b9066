/* journal_ends.c - the first and the last event of each run: where its events are found
 *
 * Every event names the one before it in its run, so a run is read from its last event back. Of runs that have ended the last one stands in their
 * summary; of others it is kept here, and found at a start by the walk over all events: to write it down in each commit would alter a page for
 * each run. So what is kept in memory is bounded by the runs that are open.
 */
#include "actors/supervisor/journal_db.h"

#include <stdlib.h>

static journal_ends_t *find (const ama_journal_t *journal, const ama_id_t *run)
{
    journal_ends_t *ends;

    HASH_FIND (hh, journal->ends, run, sizeof *run, ends);
    return ends;
}

journal_ends_t *journal_ends_make (ama_journal_t *journal, const ama_id_t *run)
{
    journal_ends_t *ends = find (journal, run);

    if (ends)
        return ends;
    ends = ama_calloc (1, sizeof *ends);
    ends->run = *run;
    HASH_ADD (hh, journal->ends, run, sizeof ends->run, ends);
    return ends;
}

void journal_ends_forget (ama_journal_t *journal, journal_ends_t *ends)
{
    /* uthash: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    HASH_DEL (journal->ends, ends);
    free (ends);
}

void journal_ends_forget_all (ama_journal_t *journal)
{
    journal_ends_t *ends, *next;

    HASH_ITER (hh, journal->ends, ends, next)
    {
        journal_ends_forget (journal, ends);
    }
}

/* Of a run that is not in memory. */
static int read_row (ama_journal_t *journal, const ama_id_t *run, journal_place_t *ret_at, bool *ret_ended,
                     ama_err_t *err)
{
    sqlite3_stmt *statement = journal->statements[READ_ENDS];

    journal_bind_id (statement, 1, run);
    *ret_at = (journal_place_t){ 0 };
    *ret_ended = false;
    if (sqlite3_step (statement) == SQLITE_ROW) {
        *ret_at = (journal_place_t){ (uint64_t) sqlite3_column_int64 (statement, 0),
                                     (uint64_t) sqlite3_column_int64 (statement, 1),
                                     (uint64_t) sqlite3_column_int64 (statement, 2) };
        *ret_ended = sqlite3_column_int (statement, 3) >= AMA_RUN_STATE_SUCCEEDED;
    }
    return journal_finish (journal, statement, "run", err);
}

int journal_ends_of (ama_journal_t *journal, const ama_id_t *run, journal_place_t *ret_at, ama_err_t *err)
{
    const journal_ends_t *ends = find (journal, run);
    bool ended;

    if (!ends)
        return read_row (journal, run, ret_at, &ended, err);
    *ret_at = ends->at;
    return 0;
}

/* ---- in a commit ---- */

journal_ends_t *journal_ends_touch (ama_journal_t *journal, const ama_id_t *run, ama_err_t *err)
{
    journal_ends_t *ends = find (journal, run);
    bool fresh = !ends;

    if (ends && ends->touched)
        return ends;
    if (fresh) {
        journal_place_t at;
        bool ended;
        if (read_row (journal, run, &at, &ended, err) < 0)
            return NULL;
        ends = journal_ends_make (journal, run);
        ends->at = at;
        ends->ended = ended;
    }
    ends->fresh = fresh;
    ends->touched = true;
    ends->was = ends->at;
    ends->had_ended = ends->ended;
    ends->next = journal->touched;
    journal->touched = ends;
    return ends;
}

int journal_ends_write (ama_journal_t *journal, ama_err_t *err)
{
    sqlite3_stmt *statement = journal->statements[PUT_ENDS];
    int rc = 0;

    for (const journal_ends_t *ends = journal->touched; ends && rc == 0; ends = ends->next) {
        if (!ends->ended || ends->put)
            continue;
        journal_bind_id (statement, 1, &ends->run);
        journal_bind_place (statement, 2, &ends->at);
        (void) sqlite3_step (statement);
        rc = journal_finish (journal, statement, "run", err);
    }
    return rc;
}

void journal_ends_settle (ama_journal_t *journal, bool committed)
{
    journal_ends_t *next;

    for (journal_ends_t *ends = journal->touched; ends; ends = next) {
        next = ends->next;
        if (!committed) {
            ends->at = ends->was;
            ends->ended = ends->had_ended;
        }
        ends->touched = ends->put = false;
        if (committed ? ends->ended || !ends->at.last : ends->fresh)
            journal_ends_forget (journal, ends);
    }
    journal->touched = NULL;
}
