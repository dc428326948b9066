/* journal_verify.c - is the journal what was written?
 *
 * Events carry the hash of all before them, and name the one before them in their run; rows of the other tables the sum of their own columns. SQLite's integrity_check sees neither: it
 * knows the shape of its pages, not their contents.
 */
#include "actors/supervisor/journal_batch.h"
#include "actors/supervisor/journal_db.h"

#include <inttypes.h>
#include <string.h>

enum { SUM_SIZE = 8 };

/* ---- the chain ---- */

ama_digest_t journal_chain (const ama_digest_t *before, uint64_t no, const journal_row_t *row, const void *body)
{
    ama_digest_state_t state;
    struct {
        uint8_t before[32], no[8], seq[8], time[8], type[2], run[16];
    } head; /* what it is hashed with, at once: many small pieces cost more than the hash of them */

    _Static_assert(sizeof head == 74, "bytes alone, none between them");
    memcpy (head.before, before->b, sizeof head.before);
    for (int i = 0; i < 8; i++) {
        head.no[i] = (uint8_t) (no >> (8 * i));
        head.seq[i] = (uint8_t) (row->no >> (8 * i));
        head.time[i] = (uint8_t) ((uint64_t) row->wall_ms >> (8 * i));
    }
    head.type[0] = (uint8_t) row->type;
    head.type[1] = (uint8_t) (row->type >> 8);
    memcpy (head.run, row->run.b, sizeof head.run);
    ama_digest_start (&state);
    ama_digest_add (&state, &head, sizeof head);
    ama_digest_add (&state, body, row->size);
    return ama_digest_end (&state);
}

static int damaged (const ama_journal_t *journal, uint64_t no, const char *what, ama_err_t *err)
{
    return ama_err_set (err, AMA_E_INTEGRITY, "journal %s/journal.db is damaged: event %" PRIu64 " %s",
                        journal->dir ? journal->dir : "", no, what);
}

/* What was removed, in order of numbers. */
typedef struct {
    sqlite3_stmt *statement;
    bool found; /* one is at hand */
    uint64_t first, last;
    ama_digest_t chain;
} gaps_t;

static void next_gap (gaps_t *gaps)
{
    gaps->found = sqlite3_step (gaps->statement) == SQLITE_ROW
                  && sqlite3_column_bytes (gaps->statement, 2) == (int) sizeof gaps->chain.b;
    if (!gaps->found)
        return;
    gaps->first = (uint64_t) sqlite3_column_int64 (gaps->statement, 0);
    gaps->last = (uint64_t) sqlite3_column_int64 (gaps->statement, 1);
    memcpy (gaps->chain.b, sqlite3_column_blob (gaps->statement, 2), sizeof gaps->chain.b);
}

/* Over the gaps that follow the head. */
static int pass_gaps (ama_journal_t *journal, gaps_t *gaps, const journal_head_t *known, ama_err_t *err)
{
    for (; gaps->found && gaps->first == journal->head.no + 1 && gaps->last >= gaps->first; next_gap (gaps)) {
        if (known && known->no == gaps->last && !ama_digest_equal (&known->chain, &gaps->chain))
            return damaged (journal, gaps->last, "is not the one that was written last", err);
        journal->head = (journal_head_t){ gaps->last, gaps->chain };
    }
    return 0;
}

/* Each event names the one before it in its run: no hash holds that, but the walk knows it. */
static int follow_run (ama_journal_t *journal, uint64_t no, const journal_row_t *row, uint64_t prior, ama_err_t *err)
{
    journal_ends_t *run = journal_ends_make (journal, &row->run);

    if (prior != run->at.last)
        return damaged (journal, no, "does not name the one before it in its run", err);
    run->at = (journal_place_t){ run->at.first ? run->at.first : no, no, row->no };
    return 0;
}

static int verify_event (ama_journal_t *journal, sqlite3_stmt *statement, const journal_head_t *known, ama_err_t *err)
{
    uint64_t no = (uint64_t) sqlite3_column_int64 (statement, 0);
    journal_row_t row = { .run = journal_column_id (statement, 1),
                          .no = (uint64_t) sqlite3_column_int64 (statement, 2),
                          .wall_ms = sqlite3_column_int64 (statement, 3),
                          .type = (uint16_t) sqlite3_column_int (statement, 4),
                          .size = (size_t) sqlite3_column_bytes (statement, 5) };
    ama_digest_t chain = journal_chain (&journal->head.chain, no, &row, sqlite3_column_blob (statement, 5));

    if (no != journal->head.no + 1)
        return damaged (journal, journal->head.no + 1, "is missing", err);
    if (sqlite3_column_bytes (statement, 6) != (int) sizeof chain.b
        || memcmp (chain.b, sqlite3_column_blob (statement, 6), sizeof chain.b) != 0)
        return damaged (journal, no, "was altered", err);
    if (known && known->no == no && !ama_digest_equal (&known->chain, &chain))
        return damaged (journal, no, "is not the one that was written last", err);
    journal->head = (journal_head_t){ no, chain };
    return follow_run (journal, no, &row, (uint64_t) sqlite3_column_int64 (statement, 7), err);
}

/* Walks all events; journal->head becomes the last one. */
static int verify_events (ama_journal_t *journal, const journal_head_t *known, ama_err_t *err)
{
    sqlite3_stmt *statement = NULL;
    gaps_t gaps = { 0 };
    int rc = 0, step = SQLITE_ROW;

    if (sqlite3_prepare_v2 (journal->db, "SELECT no, run, seq, time, type, body, chain, prior FROM event ORDER BY no",
                            -1, &statement, NULL)
            != SQLITE_OK
        || sqlite3_prepare_v2 (journal->db, "SELECT first, last, chain FROM gap ORDER BY first", -1, &gaps.statement,
                               NULL)
               != SQLITE_OK)
        rc = journal_fail (journal, err, "verify");
    else
        next_gap (&gaps);
    while (!rc && step == SQLITE_ROW) {
        rc = pass_gaps (journal, &gaps, known, err);
        if (!rc && (step = sqlite3_step (statement)) == SQLITE_ROW)
            rc = verify_event (journal, statement, known, err);
    }
    if (!rc && step != SQLITE_DONE)
        rc = journal_fail (journal, err, "verify");
    if (!rc && gaps.found)
        rc = damaged (journal, journal->head.no + 1, "is missing", err);
    (void) sqlite3_finalize (statement);
    (void) sqlite3_finalize (gaps.statement);
    if (!rc && known && known->no > journal->head.no)
        rc = damaged (journal, journal->head.no + 1, "and later ones are missing", err);
    return rc;
}

/* ---- where runs begin and end ---- */

/* What a row says of a run that has ended, or is being removed; its place in memory is not needed any more. */
static int verify_ends (ama_journal_t *journal, const ama_id_t *id, const journal_place_t *said, bool is_all,
                        const char *table, ama_err_t *err)
{
    journal_ends_t *run = journal_ends_make (journal, id);
    bool right = said->last == run->at.last && (!is_all || (said->first == run->at.first && said->seq == run->at.seq));
    char text[AMA_ID_TEXT];

    journal_ends_forget (journal, run);
    return right
               ? 0
               : ama_err_set (err, AMA_E_INTEGRITY,
                              "journal %s/journal.db is damaged: row %s of table %s does not say where its events are",
                              journal->dir ? journal->dir : "", ama_id_text (*id, text), table);
}

/* Of an open run the row is not asked, unless it has no event. */
static int verify_all_ends (ama_journal_t *journal, ama_err_t *err)
{
    sqlite3_stmt *runs = NULL, *removed = NULL;
    int rc = 0;

    if (sqlite3_prepare_v2 (journal->db, "SELECT run, first, last, seq, state FROM run", -1, &runs, NULL) != SQLITE_OK
        || sqlite3_prepare_v2 (journal->db, "SELECT run, last FROM removed WHERE busy <> 0", -1, &removed, NULL)
               != SQLITE_OK)
        rc = journal_fail (journal, err, "verify");
    while (!rc && sqlite3_step (runs) == SQLITE_ROW) {
        ama_id_t id = journal_column_id (runs, 0);
        journal_place_t said = { (uint64_t) sqlite3_column_int64 (runs, 1), (uint64_t) sqlite3_column_int64 (runs, 2),
                                 (uint64_t) sqlite3_column_int64 (runs, 3) };
        journal_ends_t *run = journal_ends_make (journal, &id);
        if (sqlite3_column_int (runs, 4) >= AMA_RUN_STATE_SUCCEEDED || !run->at.last)
            rc = verify_ends (journal, &id, &said, true, "run", err);
    }
    while (!rc && sqlite3_step (removed) == SQLITE_ROW) {
        ama_id_t id = journal_column_id (removed, 0);
        journal_place_t said = { .last = (uint64_t) sqlite3_column_int64 (removed, 1) };
        rc = verify_ends (journal, &id, &said, false, "removed", err);
    }
    if (!rc && (sqlite3_reset (runs) != SQLITE_OK || sqlite3_reset (removed) != SQLITE_OK))
        rc = journal_fail (journal, err, "verify");
    (void) sqlite3_finalize (runs);
    (void) sqlite3_finalize (removed);
    return rc;
}

/* ---- sums ---- */

/* ama_sum (values...): type, length and bytes of each go in, so that nothing can move from one to the next. */
static void sum_values (sqlite3_context *context, int n, sqlite3_value **values)
{
    ama_digest_state_t state;
    ama_digest_t sum;

    ama_digest_start (&state);
    for (int i = 0; i < n; i++) {
        int type = sqlite3_value_type (values[i]);
        bool is_number = type == SQLITE_INTEGER;
        const void *bytes = is_number ? NULL : sqlite3_value_blob (values[i]);
        size_t size = is_number ? 0 : (size_t) sqlite3_value_bytes (values[i]);
        uint64_t number = is_number ? (uint64_t) sqlite3_value_int64 (values[i]) : size;
        uint8_t head[9] = { (uint8_t) type };
        for (int j = 0; j < 8; j++)
            head[1 + j] = (uint8_t) (number >> (8 * j));
        ama_digest_add (&state, head, sizeof head);
        if (size)
            ama_digest_add (&state, bytes, size);
    }
    sum = ama_digest_end (&state);
    sqlite3_result_blob (context, sum.b, SUM_SIZE, SQLITE_TRANSIENT);
}

int journal_sums (sqlite3 *db)
{
    return sqlite3_create_function (db, "ama_sum", -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL,
                                    sum_values, NULL, NULL);
}

#define TABLE(name, since, kind, row, columns)                                                                         \
    {                                                                                                                  \
        name, since, kind, columns, "SELECT " row " FROM " name " WHERE sum IS NOT ama_sum (" columns ")"              \
    }

const journal_table_t journal_tables[] = {
    TABLE ("meta", 2, "meta", "name", "name, value"),
    TABLE ("run", 2, "summary", "no", "run, job, env, state, source, accepted, ended, exit, dirty, repo"),
    TABLE ("outbox", 2, "outbox", "hex (run) || ' ' || first", "run, first, body"),
    TABLE ("token", 2, "token", "token", "token, content, run"),
    TABLE ("removed", 3, "removed", "hex (run)", "run, ended, time, busy"),
    TABLE ("gap", 3, "gap", "first", "first, last, chain"),
    { 0 },
};

static int verify_rows (ama_journal_t *journal, ama_err_t *err)
{
    int rc = 0;

    for (const journal_table_t *table = journal_tables; table->name && rc == 0; table++) {
        sqlite3_stmt *statement = NULL;
        int step = SQLITE_ERROR;
        if (sqlite3_prepare_v2 (journal->db, table->altered, -1, &statement, NULL) == SQLITE_OK)
            step = sqlite3_step (statement);
        if (step == SQLITE_ROW)
            rc = ama_err_set (
                err, AMA_E_INTEGRITY, "journal %s/journal.db is damaged: row %.100s of table %s was altered",
                journal->dir ? journal->dir : "", (const char *) sqlite3_column_text (statement, 0), table->name);
        else if (step != SQLITE_DONE)
            rc = journal_fail (journal, err, table->name);
        (void) sqlite3_finalize (statement);
    }
    return rc;
}

int journal_verify (ama_journal_t *journal, const journal_head_t *known, ama_err_t *err)
{
    int rc = verify_events (journal, known, err);

    rc = rc ? rc : verify_rows (journal, err);
    return rc ? rc : verify_all_ends (journal, err);
}
