/* journal_retain.c - runs that ended leave the journal: marked, removed slice by slice, and the file shrinks
 *
 * On the journal's worker thread, between commits; each function is one short transaction. A run is marked first: its summary becomes a row
 * of `removed`, and nobody is shown it any more. Then its events go, the last ones first; what is left of each stretch of them is a row of `gap`: their numbers, and
 * the hash of the last one, to which the next event is chained. Neighbouring gaps become one, so that a journal whose old runs are all gone has a
 * single one at its start. A kill between two transactions leaves a run that is marked, and is gone on with.
 */
#include "actors/base/ama_clock.h"
#include "actors/supervisor/journal_db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FREE_PAGES_KEPT = 64, SLICE_MAX = 1024 };

static int transaction (ama_journal_t *journal, int (*work) (ama_journal_t *, void *, ama_err_t *), void *arg,
                        ama_err_t *err)
{
    ama_err_t local = { 0 };
    int code;

    err = err ? err : &local;
    *err = (ama_err_t){ 0 };
    if (journal_sql (journal, "BEGIN IMMEDIATE", err) == 0 && work (journal, arg, err) == 0
        && journal_sql (journal, "COMMIT", err) == 0)
        return 0;
    code = err->code;
    if (!sqlite3_get_autocommit (journal->db) && journal_sql (journal, "ROLLBACK", NULL) < 0)
        return ama_err_set (err, AMA_E_IO, "journal: a failed transaction could not be taken back");
    return code;
}

/* Runs a statement that gives no row. */
static int run (ama_journal_t *journal, statement_t which, ama_err_t *err)
{
    sqlite3_stmt *statement = journal->statements[which];

    (void) sqlite3_step (statement);
    return journal_finish (journal, statement, "retention", err);
}

/* ---- marking ---- */

typedef struct {
    const ama_journal_retention_t *keep;
    int64_t wall_ms;
    size_t most;
    ama_id_t *runs;
    int64_t *ended;
    size_t n;
} mark_t;

static int find_beyond (ama_journal_t *journal, mark_t *mark, statement_t which, sqlite3_int64 limit, ama_err_t *err)
{
    sqlite3_stmt *statement = journal->statements[which];

    (void) sqlite3_bind_int64 (statement, 1, limit);
    (void) sqlite3_bind_int64 (statement, 2, (sqlite3_int64) (mark->most - mark->n));
    while (mark->n < mark->most && sqlite3_step (statement) == SQLITE_ROW) {
        mark->runs[mark->n] = journal_column_id (statement, 0);
        mark->ended[mark->n++] = sqlite3_column_int64 (statement, 1);
    }
    return journal_finish (journal, statement, "retention", err);
}

static int mark_all (ama_journal_t *journal, mark_t *mark, size_t from, ama_err_t *err)
{
    for (size_t i = from; i < mark->n; i++) {
        sqlite3_stmt *add = journal->statements[ADD_REMOVED], *drop = journal->statements[DROP_RUN];
        journal_place_t at;
        if (journal_ends_of (journal, &mark->runs[i], &at, err) < 0)
            return err->code;
        journal_bind_id (add, 1, &mark->runs[i]);
        (void) sqlite3_bind_int64 (add, 2, mark->ended[i]);
        (void) sqlite3_bind_int64 (add, 3, mark->wall_ms);
        (void) sqlite3_bind_int (add, 4, 1);
        (void) sqlite3_bind_int64 (add, 5, (sqlite3_int64) at.last);
        journal_bind_id (drop, 1, &mark->runs[i]);
        if (run (journal, ADD_REMOVED, err) < 0 || run (journal, DROP_RUN, err) < 0)
            return err->code;
    }
    return 0;
}

static int mark_work (ama_journal_t *journal, void *arg, ama_err_t *err)
{
    mark_t *mark = arg;
    size_t old;

    if (mark->keep->ms
        && find_beyond (journal, mark, FIND_OLD, (sqlite3_int64) (mark->wall_ms - mark->keep->ms), err) < 0)
        return err->code;
    old = mark->n;
    if (mark_all (journal, mark, 0, err) < 0)
        return err->code;
    /* those are gone from the table now, so that none is found twice */
    if (mark->keep->runs && find_beyond (journal, mark, FIND_SURPLUS, (sqlite3_int64) mark->keep->runs, err) < 0)
        return err->code;
    return mark_all (journal, mark, old, err);
}

int ama_journal_retire (ama_journal_t *journal, const ama_journal_retention_t *keep, int64_t wall_ms, size_t most,
                        size_t *ret_n, ama_err_t *err)
{
    mark_t mark = { .keep = keep, .wall_ms = wall_ms, .most = most };
    int rc;

    mark.runs = ama_calloc (most, sizeof *mark.runs);
    mark.ended = ama_calloc (most, sizeof *mark.ended);
    rc = transaction (journal, mark_work, &mark, err);
    *ret_n = mark.n;
    free (mark.runs);
    free (mark.ended);
    return rc;
}

int ama_journal_retired (ama_journal_t *journal, ama_id_t *ret_run, ama_err_t *err)
{
    sqlite3_stmt *statement = journal->statements[NEXT_REMOVED];
    bool found = sqlite3_step (statement) == SQLITE_ROW;
    int rc;

    if (found)
        *ret_run = journal_column_id (statement, 0);
    rc = journal_finish (journal, statement, "retention", err);
    return rc || found ? rc : ama_err_set (err, AMA_E_NOT_FOUND, "no run is to be removed");
}

/* ---- removing ---- */

typedef struct {
    uint64_t first, last;
    ama_digest_t chain; /* of the last */
} gap_t;

typedef struct {
    ama_id_t run;
    size_t most;
    bool done;
} slice_t;

/* The gap that ends right before `no`, or the one that begins at it. */
static int find_gap (ama_journal_t *journal, statement_t which, uint64_t no, gap_t *ret_gap, bool *ret_found,
                     ama_err_t *err)
{
    sqlite3_stmt *statement = journal->statements[which];

    (void) sqlite3_bind_int64 (statement, 1, (sqlite3_int64) no);
    *ret_found =
        sqlite3_step (statement) == SQLITE_ROW && sqlite3_column_bytes (statement, 2) == (int) sizeof ret_gap->chain.b;
    if (*ret_found) {
        ret_gap->first = (uint64_t) sqlite3_column_int64 (statement, 0);
        ret_gap->last = (uint64_t) sqlite3_column_int64 (statement, 1);
        memcpy (ret_gap->chain.b, sqlite3_column_blob (statement, 2), sizeof ret_gap->chain.b);
    }
    return journal_finish (journal, statement, "gap", err);
}

static int drop_gap (ama_journal_t *journal, uint64_t first, ama_err_t *err)
{
    (void) sqlite3_bind_int64 (journal->statements[DROP_GAP], 1, (sqlite3_int64) first);
    return run (journal, DROP_GAP, err);
}

/* Events first to last, all of one run, become a gap, or part of one. */
static int make_gap (ama_journal_t *journal, gap_t gap, ama_err_t *err)
{
    sqlite3_stmt *drop = journal->statements[DROP_EVENTS], *add = journal->statements[ADD_GAP];
    bool has_left, has_right;
    gap_t left, right;

    (void) sqlite3_bind_int64 (drop, 1, (sqlite3_int64) gap.first);
    (void) sqlite3_bind_int64 (drop, 2, (sqlite3_int64) gap.last);
    if (run (journal, DROP_EVENTS, err) < 0 || find_gap (journal, GAP_BEFORE, gap.first - 1, &left, &has_left, err) < 0
        || find_gap (journal, GAP_AT, gap.last + 1, &right, &has_right, err) < 0)
        return err->code;
    if (has_left && left.last + 1 == gap.first) {
        if (drop_gap (journal, left.first, err) < 0)
            return err->code;
        gap.first = left.first;
    }
    if (has_right) {
        if (drop_gap (journal, right.first, err) < 0)
            return err->code;
        gap.last = right.last;
        gap.chain = right.chain;
    }
    (void) sqlite3_bind_int64 (add, 1, (sqlite3_int64) gap.first);
    (void) sqlite3_bind_int64 (add, 2, (sqlite3_int64) gap.last);
    (void) sqlite3_bind_blob (add, 3, gap.chain.b, sizeof gap.chain.b, SQLITE_STATIC);
    return run (journal, ADD_GAP, err);
}

static int read_last (ama_journal_t *journal, const ama_id_t *run_id, uint64_t *ret_last, ama_err_t *err)
{
    sqlite3_stmt *statement = journal->statements[REMOVED_LAST];

    journal_bind_id (statement, 1, run_id);
    *ret_last = sqlite3_step (statement) == SQLITE_ROW ? (uint64_t) sqlite3_column_int64 (statement, 0) : 0;
    return journal_finish (journal, statement, "retention", err);
}

/* The event and the one before it. */
static int read_prior (ama_journal_t *journal, uint64_t no, ama_digest_t *ret_chain, uint64_t *ret_prior,
                       ama_err_t *err)
{
    sqlite3_stmt *statement = journal->statements[READ_PRIOR];
    bool found;
    int rc;

    (void) sqlite3_bind_int64 (statement, 1, (sqlite3_int64) no);
    found = sqlite3_step (statement) == SQLITE_ROW && sqlite3_column_bytes (statement, 1) == (int) sizeof ret_chain->b
            && (uint64_t) sqlite3_column_int64 (statement, 0) < no;
    if (found) {
        *ret_prior = (uint64_t) sqlite3_column_int64 (statement, 0);
        memcpy (ret_chain->b, sqlite3_column_blob (statement, 1), sizeof ret_chain->b);
    }
    rc = journal_finish (journal, statement, "retention", err);
    return rc || found ? rc
                       : ama_err_set (err, AMA_E_INTEGRITY, "journal: an event that is to be removed is not there");
}

/* The last events of the run, from *last on, as stretches of numbers without a hole; *last becomes the one before all of them. */
static int find_stretches (ama_journal_t *journal, size_t most, uint64_t *last, gap_t *stretches, size_t *ret_n,
                           ama_err_t *err)
{
    size_t n = 0;

    for (size_t i = 0; *last && i < most; i++) {
        ama_digest_t chain;
        uint64_t no = *last;
        if (read_prior (journal, no, &chain, last, err) < 0)
            return err->code;
        if (n && stretches[n - 1].first == no + 1)
            stretches[n - 1].first = no;
        else
            stretches[n++] = (gap_t){ no, no, chain };
    }
    *ret_n = n;
    return 0;
}

/* From the last one on, so that what is left is a run that is read like every other. */
static int slice_work (ama_journal_t *journal, void *arg, ama_err_t *err)
{
    slice_t *slice = arg;
    gap_t *stretches = ama_calloc (slice->most, sizeof *stretches);
    sqlite3_stmt *to = journal->statements[REMOVED_TO];
    uint64_t last;
    size_t n = 0;
    int rc = read_last (journal, &slice->run, &last, err);

    if (rc == 0)
        rc = find_stretches (journal, slice->most, &last, stretches, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = make_gap (journal, stretches[i], err);
    free (stretches);
    if (rc == 0) {
        journal_bind_id (to, 1, &slice->run);
        (void) sqlite3_bind_int64 (to, 2, (sqlite3_int64) last);
        rc = run (journal, REMOVED_TO, err);
    }
    slice->done = !last;
    if (rc == 0 && slice->done) {
        journal_bind_id (journal->statements[REMOVED_DONE], 1, &slice->run);
        rc = run (journal, REMOVED_DONE, err);
    }
    return rc;
}

int ama_journal_remove (ama_journal_t *journal, ama_id_t run_id, size_t most, bool *ret_done, ama_err_t *err)
{
    slice_t slice = { .run = run_id, .most = most && most < SLICE_MAX ? most : SLICE_MAX };
    int rc = transaction (journal, slice_work, &slice, err);

    *ret_done = rc == 0 && slice.done;
    return rc;
}

/* ---- the file ---- */

int ama_journal_shrink (ama_journal_t *journal, size_t most_pages, bool *ret_done, ama_err_t *err)
{
    int64_t spare = journal_number (journal, "PRAGMA freelist_count");
    char sql[64];

    *ret_done = spare <= FREE_PAGES_KEPT;
    if (spare < 0)
        return journal_fail (journal, err, "shrink");
    if (*ret_done) /* what is in the log moves to the file, which becomes shorter, and the log empty */
        return journal->dir ? journal_sql (journal, "PRAGMA wal_checkpoint(TRUNCATE)", err) : 0;
    (void) snprintf (sql, sizeof sql, "PRAGMA incremental_vacuum(%zu)", most_pages);
    if (journal_sql (journal, sql, err) < 0)
        return err ? err->code : AMA_E_IO;
    /* a file that was not made for it, because there was no space, stays as it is */
    *ret_done = journal_number (journal, "PRAGMA freelist_count") >= spare;
    return 0;
}

int journal_was_removed (ama_journal_t *journal, const ama_id_t *from, const ama_id_t *to, ama_err_t *err)
{
    sqlite3_stmt *statement = journal->statements[FIND_REMOVED];
    char id[AMA_ID_TEXT], ended[32], removed[32];
    bool found;
    int rc;

    journal_bind_id (statement, 1, from);
    journal_bind_id (statement, 2, to);
    found = sqlite3_step (statement) == SQLITE_ROW;
    if (found) {
        (void) ama_id_text (journal_column_id (statement, 0), id);
        (void) ama_time_text (sqlite3_column_int64 (statement, 1), ended);
        (void) ama_time_text (sqlite3_column_int64 (statement, 2), removed);
    }
    rc = journal_finish (journal, statement, "removed", err);
    if (rc < 0 || !found)
        return rc;
    return ama_err_set (err, AMA_E_NOT_FOUND, "run %s ended on %.10s and was removed by the retention on %.10s", id,
                        ended, removed);
}
