/* journal.c - the journal's database: opened and written (verified in journal_verify.c, read in journal_read.c)
 *
 * Opened and closed on the actor's thread, used in between by the journal's worker thread. The connection is exclusive: no other process
 * can read it meanwhile, and no shared-memory file is needed. Invariants: events are only appended; their hash chain has no gap;
 * a transaction that failed for lack of space left nothing behind.
 */
#include "actors/supervisor/journal_db.h"

#include "actors/base/ama_failpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE_SIZE 4096

enum { ROWS_AT_ONCE = 16, EVENT_COLUMNS = 8 };

#define ROW       "(?, ?, ?, ?, ?, ?, ?, ?)"
#define FOUR_ROWS ROW ", " ROW ", " ROW ", " ROW

/* Migrations in order; user_version counts those that were made. Released ones never change. */
static const char *const migrations[] = {
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO meta VALUES ('epoch', 0);"
    "CREATE TABLE event (no INTEGER PRIMARY KEY, run BLOB NOT NULL, seq INTEGER NOT NULL, time INTEGER NOT NULL,"
    "  type INTEGER NOT NULL, body BLOB NOT NULL, chain BLOB NOT NULL);"
    "CREATE UNIQUE INDEX event_run ON event (run, seq);"
    "CREATE TABLE run (no INTEGER PRIMARY KEY, run BLOB NOT NULL UNIQUE, job TEXT NOT NULL, env TEXT NOT NULL,"
    "  state INTEGER NOT NULL, source TEXT NOT NULL, accepted INTEGER NOT NULL, ended INTEGER NOT NULL,"
    "  exit INTEGER NOT NULL, dirty INTEGER NOT NULL, repo TEXT NOT NULL);"
    "CREATE INDEX run_state ON run (state, no);"
    "CREATE TABLE outbox (run BLOB NOT NULL, first INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (run, first)) "
    "WITHOUT ROWID;"
    "CREATE TABLE token (token TEXT PRIMARY KEY, content BLOB NOT NULL, run BLOB NOT NULL) WITHOUT ROWID;",
    /* what the chain does not cover has a sum in each row */
    "ALTER TABLE meta ADD COLUMN sum BLOB NOT NULL DEFAULT x'';"
    "ALTER TABLE run ADD COLUMN sum BLOB NOT NULL DEFAULT x'';"
    "ALTER TABLE outbox ADD COLUMN sum BLOB NOT NULL DEFAULT x'';"
    "ALTER TABLE token ADD COLUMN sum BLOB NOT NULL DEFAULT x'';"
    "UPDATE meta SET sum = ama_sum (name, value);"
    "UPDATE run SET sum = ama_sum (run, job, env, state, source, accepted, ended, exit, dirty, repo);"
    "UPDATE outbox SET sum = ama_sum (run, first, body);"
    "UPDATE token SET sum = ama_sum (token, content, run);",
    /* what retention removed */
    "CREATE TABLE removed (run BLOB PRIMARY KEY, ended INTEGER NOT NULL, time INTEGER NOT NULL, busy INTEGER NOT NULL,"
    "  sum BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX removed_busy ON removed (run) WHERE busy <> 0;"
    "CREATE TABLE gap (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, chain BLOB NOT NULL, sum BLOB NOT NULL);"
    "CREATE INDEX run_ended ON run (ended) WHERE state >= 5;",
    /* an event names the one before it in its run, a run that ended its last one: an index would cost more than the event */
    "ALTER TABLE event ADD COLUMN prior INTEGER NOT NULL DEFAULT 0;"
    "UPDATE event SET prior = coalesce ((SELECT b.no FROM event b WHERE b.run = event.run AND b.seq = event.seq - 1), "
    "0)"
    "  WHERE seq > 1;"
    "ALTER TABLE run ADD COLUMN first INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE run ADD COLUMN last INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE run ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;"
    "UPDATE run SET first = coalesce ((SELECT no FROM event e WHERE e.run = run.run ORDER BY e.seq LIMIT 1), 0),"
    "  (last, seq) = (SELECT coalesce (max (no), 0), coalesce (max (seq), 0) FROM event e WHERE e.run = run.run);"
    "ALTER TABLE removed ADD COLUMN last INTEGER NOT NULL DEFAULT 0;"
    "UPDATE removed SET last = (SELECT coalesce (max (no), 0) FROM event e WHERE e.run = removed.run) WHERE busy <> 0;"
    "DROP INDEX event_run;",
};

static const char *const statement_text[N_STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ADD_EVENT] = "INSERT INTO event VALUES " ROW,
    /* many rows of one statement cost a fifth less; nothing is to be taken back of it alone, the transaction is as a whole */
    [ADD_EVENTS] = "INSERT OR FAIL INTO event VALUES " FOUR_ROWS ", " FOUR_ROWS ", " FOUR_ROWS ", " FOUR_ROWS,
    [PUT_RUN] =
        "INSERT INTO run (" RUN_COLUMNS ", first, last, seq, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
        " ?11, ?12, ?13, ama_sum (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)) ON CONFLICT (run) DO UPDATE SET"
        " job = excluded.job, env = excluded.env, state = excluded.state, source = excluded.source,"
        " accepted = excluded.accepted, ended = excluded.ended, exit = excluded.exit, dirty = excluded.dirty,"
        " repo = excluded.repo, first = excluded.first, last = excluded.last, seq = excluded.seq, sum = excluded.sum",
    [READ_ENDS] = "SELECT first, last, seq, state FROM run WHERE run = ?",
    [PUT_ENDS] = "UPDATE run SET first = ?2, last = ?3, seq = ?4 WHERE run = ?1",
    [ADD_POST] = "INSERT INTO outbox VALUES (?1, ?2, ?3, ama_sum (?1, ?2, ?3))",
    [DROP_POSTS] = "DELETE FROM outbox WHERE run = ? AND first <= ?",
    [ADD_TOKEN] = "INSERT INTO token VALUES (?1, ?2, ?3, ama_sum (?1, ?2, ?3))",
    [READ_OPEN] = "SELECT run FROM run WHERE state < 5 ORDER BY no",
    [READ_PRIOR] = "SELECT prior, chain FROM event WHERE no = ?",
    [READ_EVENT] = "SELECT run, seq, time, type, body FROM event WHERE no = ?",
    [READ_OUTBOX] = "SELECT run, first, body FROM outbox ORDER BY run, first",
    [LIST] = "SELECT " RUN_COLUMNS " FROM run WHERE run < ? ORDER BY no DESC",
    [READ_RUN] = "SELECT " RUN_COLUMNS " FROM run WHERE run = ?",
    [FIND_LATEST] = "SELECT run FROM run ORDER BY no DESC",
    [FIND_FAILED] = "SELECT run FROM run WHERE state IN (7, 9, 10) ORDER BY no DESC",
    [FIND_RUNNING] = "SELECT run FROM run WHERE state < 5 ORDER BY no DESC",
    [FIND_BETWEEN] = "SELECT run FROM run WHERE run BETWEEN ? AND ?",
    [READ_TOKEN] = "SELECT content, run FROM token WHERE token = ?",
    [FIND_OLD] = "SELECT run, ended FROM run WHERE state >= 5 AND ended < ?1"
                 " AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.run = run.run) ORDER BY ended LIMIT ?2",
    [FIND_SURPLUS] = "SELECT run, ended FROM run WHERE state >= 5 AND (ended, no) <="
                     " (SELECT ended, no FROM run WHERE state >= 5 ORDER BY ended DESC, no DESC LIMIT 1 OFFSET ?1)"
                     " AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.run = run.run) ORDER BY ended, no LIMIT ?2",
    [ADD_REMOVED] = "INSERT INTO removed (run, ended, time, busy, last, sum)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ama_sum (?1, ?2, ?3, ?4))",
    [DROP_RUN] = "DELETE FROM run WHERE run = ?",
    [NEXT_REMOVED] = "SELECT run FROM removed WHERE busy <> 0 LIMIT 1",
    [REMOVED_DONE] = "UPDATE removed SET busy = 0, sum = ama_sum (run, ended, time, 0) WHERE run = ?",
    [REMOVED_LAST] = "SELECT last FROM removed WHERE run = ?",
    [REMOVED_TO] = "UPDATE removed SET last = ?2 WHERE run = ?1",
    [FIND_REMOVED] = "SELECT run, ended, time FROM removed WHERE run BETWEEN ? AND ? LIMIT 1",
    [LAST_REMOVED] = "SELECT run FROM removed ORDER BY run DESC LIMIT 1",
    [DROP_EVENTS] = "DELETE FROM event WHERE no BETWEEN ? AND ?",
    [GAP_BEFORE] = "SELECT first, last, chain FROM gap WHERE first <= ? ORDER BY first DESC LIMIT 1",
    [GAP_AT] = "SELECT first, last, chain FROM gap WHERE first = ?",
    [DROP_GAP] = "DELETE FROM gap WHERE first = ?",
    [ADD_GAP] = "INSERT INTO gap VALUES (?1, ?2, ?3, ama_sum (?1, ?2, ?3))",
};

_Static_assert(AMA_RUN_STATE_SUCCEEDED == 5 && AMA_RUN_STATE_FAILED == 7 && AMA_RUN_STATE_ERRORED == 9
                   && AMA_RUN_STATE_TIMED_OUT == 10,
               "states are part of the statements above");

/* ---- errors ---- */

int journal_fail (const ama_journal_t *journal, ama_err_t *err, const char *what)
{
    int extended = sqlite3_extended_errcode (journal->db);
    const char *text = sqlite3_errmsg (journal->db);

    switch (extended & 0xff) {
    case SQLITE_FULL:
        return ama_err_set (err, AMA_E_NOSPACE, "journal: no space left (%s)", what);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ama_err_set (err, AMA_E_INTEGRITY, "journal %s/journal.db is damaged: %s (%s)",
                            journal->dir ? journal->dir : "", text, what);
    default:
        return ama_err_set (err, AMA_E_IO, "journal: %s: %s (%d)", what, text, extended);
    }
}

int journal_sql (const ama_journal_t *journal, const char *sql, ama_err_t *err)
{
    return sqlite3_exec (journal->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : journal_fail (journal, err, sql);
}

/* The one value of a pragma as text. */
static int read_pragma (const ama_journal_t *journal, const char *sql, char *buf, size_t size, ama_err_t *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = 0;

    if (sqlite3_prepare_v2 (journal->db, sql, -1, &statement, NULL) != SQLITE_OK
        || sqlite3_step (statement) != SQLITE_ROW)
        rc = journal_fail (journal, err, sql);
    else
        (void) snprintf (buf, size, "%s", (const char *) sqlite3_column_text (statement, 0));
    (void) sqlite3_finalize (statement);
    return rc;
}

/* ---- values ---- */

void journal_bind_id (sqlite3_stmt *statement, int at, const ama_id_t *id)
{
    (void) sqlite3_bind_blob (statement, at, id->b, sizeof id->b, SQLITE_STATIC);
}

void journal_bind_text (sqlite3_stmt *statement, int at, const char *text)
{
    (void) sqlite3_bind_text (statement, at, text ? text : "", -1, SQLITE_STATIC);
}

void journal_bind_place (sqlite3_stmt *statement, int at, const journal_place_t *place)
{
    (void) sqlite3_bind_int64 (statement, at, (sqlite3_int64) place->first);
    (void) sqlite3_bind_int64 (statement, at + 1, (sqlite3_int64) place->last);
    (void) sqlite3_bind_int64 (statement, at + 2, (sqlite3_int64) place->seq);
}

static void bind_bytes (sqlite3_stmt *statement, int at, const void *bytes, size_t size)
{
    (void) sqlite3_bind_blob64 (statement, at, size ? bytes : "", size, SQLITE_STATIC);
}

ama_id_t journal_column_id (sqlite3_stmt *statement, int at)
{
    ama_id_t id = { { 0 } };

    if (sqlite3_column_bytes (statement, at) == (int) sizeof id.b)
        memcpy (id.b, sqlite3_column_blob (statement, at), sizeof id.b);
    return id;
}

int journal_finish (ama_journal_t *journal, sqlite3_stmt *statement, const char *what, ama_err_t *err)
{
    int rc = sqlite3_reset (statement) == SQLITE_OK ? 0 : journal_fail (journal, err, what);

    (void) sqlite3_clear_bindings (statement);
    return rc;
}

static int run_statement (ama_journal_t *journal, statement_t which, ama_err_t *err)
{
    sqlite3_stmt *statement = journal->statements[which];
    int rc = sqlite3_step (statement) == SQLITE_DONE ? 0 : journal_fail (journal, err, statement_text[which]);

    (void) sqlite3_reset (statement);
    return rc;
}

/* ---- open ---- */

static int setup (ama_journal_t *journal, uint64_t max_bytes, ama_err_t *err)
{
    char text[256];
    ama_str_t sql = { 0 };
    int rc;

    /* the lock first: what reads the file without it makes a file of shared memory, for which a full disk has no space */
    ama_str_printf (
        &sql,
        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA page_size=%d; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA temp_store=MEMORY;"
        "PRAGMA cache_size=-2048; PRAGMA trusted_schema=OFF;",
        PAGE_SIZE);
    if (max_bytes)
        ama_str_printf (&sql, "PRAGMA max_page_count=%" PRIu64 ";", max_bytes / PAGE_SIZE + 1);
    rc = journal_sql (journal, sql.data, err);
    ama_str_done (&sql);
    if (rc < 0 || !journal->dir)
        return rc;
    if (read_pragma (journal, "PRAGMA journal_mode=WAL", text, sizeof text, err) < 0)
        return err ? err->code : AMA_E_IO;
    if (strcmp (text, "wal") != 0)
        return ama_err_set (err, AMA_E_IO, "journal: the disk does not allow a write-ahead log (mode %s)", text);
    /* a log that grows takes twice as long to be synced as one that is written over: it is to come to its size soon */
    if (journal_sql (journal,
                     "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=512;"
                     "PRAGMA journal_size_limit=8388608;",
                     err)
            < 0
        || read_pragma (journal, "PRAGMA synchronous", text, sizeof text, err) < 0)
        return err ? err->code : AMA_E_IO;
    if (strcmp (text, "2") != 0)
        return ama_err_set (err, AMA_E_IO, "journal: synchronous is %s, not FULL", text);
    if (read_pragma (journal, "PRAGMA integrity_check(1)", text, sizeof text, err) < 0)
        return err ? err->code : AMA_E_IO;
    if (strcmp (text, "ok") != 0)
        return ama_err_set (err, AMA_E_INTEGRITY, "journal %s/journal.db is damaged: %s", journal->dir, text);
    return 0;
}

static int migrate (ama_journal_t *journal, ama_err_t *err)
{
    int64_t version = journal_number (journal, "PRAGMA user_version");
    int64_t application = journal_number (journal, "PRAGMA application_id");

    if (version < 0 || (version ? application != JOURNAL_APPLICATION : application != 0))
        return ama_err_set (err, AMA_E_INTEGRITY, "%s/journal.db is not a journal of amad", journal->dir);
    if (version > (int64_t) ARRAY_SIZE (migrations))
        return ama_err_set (err, AMA_E_UNSUPPORTED, "%s/journal.db was written by a newer amad (version %" PRId64 ")",
                            journal->dir, version);
    for (; version < (int64_t) ARRAY_SIZE (migrations); version++) {
        ama_str_t sql = { 0 };
        int rc;
        ama_str_printf (&sql, "BEGIN IMMEDIATE; %s PRAGMA application_id=%d; PRAGMA user_version=%d",
                        migrations[version], JOURNAL_APPLICATION, (int) version + 1);
        rc = journal_sql (journal, sql.data, err);
        ama_str_done (&sql);
        AMA_FAILPOINT (journal, migrating);
        if (rc < 0 || (rc = journal_sql (journal, "COMMIT", err)) < 0)
            return rc;
    }
    AMA_FAILPOINT (journal, migrated);
    return 0;
}

/* The file of an older release is written anew, once, so that it can shrink; without the space for it, it stays as it is. */
static int make_shrinkable (ama_journal_t *journal, ama_err_t *err)
{
    int rc;

    if (journal_number (journal, "PRAGMA auto_vacuum") != 0 || !journal->dir)
        return 0;
    rc = journal_sql (journal, "PRAGMA auto_vacuum=INCREMENTAL; VACUUM", err);
    return rc == AMA_E_NOSPACE ? 0 : rc;
}

static int prepare (ama_journal_t *journal, ama_err_t *err)
{
    AMA_FAILPOINT (journal, verified);
    for (int i = 0; i < N_STATEMENTS; i++) {
        if (sqlite3_prepare_v3 (journal->db, statement_text[i], -1, SQLITE_PREPARE_PERSISTENT, &journal->statements[i],
                                NULL)
            != SQLITE_OK)
            return journal_fail (journal, err, statement_text[i]);
    }
    return 0;
}

static int begin_epoch (ama_journal_t *journal, ama_err_t *err)
{
    sqlite3_stmt *last = journal->statements[FIND_LATEST], *removed = journal->statements[LAST_REMOVED];

    if (journal_sql (journal, "UPDATE meta SET value = value + 1, sum = ama_sum (name, value + 1) WHERE name = 'epoch'",
                     err)
        < 0)
        return err ? err->code : AMA_E_IO;
    journal->epoch = (uint64_t) journal_number (journal, "SELECT value FROM meta WHERE name = 'epoch'");
    AMA_FAILPOINT (journal, epoch);
    if (sqlite3_step (last) == SQLITE_ROW)
        journal->last_run = journal_column_id (last, 0);
    if (journal_finish (journal, last, "epoch", err) < 0)
        return err ? err->code : AMA_E_IO;
    if (sqlite3_step (removed) == SQLITE_ROW && ama_id_compare (journal_column_id (removed, 0), journal->last_run) > 0)
        journal->last_run = journal_column_id (removed, 0);
    return journal_finish (journal, removed, "epoch", err);
}

static int open_all (ama_journal_t *journal, const ama_journal_conf_t *conf, ama_err_t *err)
{
    journal_head_t known;
    char path[4096] = ":memory:";
    bool has_head = false;

    if (journal->dir) {
        journal->lock_fd = journal_lock (journal->dir, err);
        if (journal->lock_fd < 0)
            return err ? err->code : AMA_E_IO;
        (void) snprintf (path, sizeof path, "%s/" JOURNAL_SALVAGE, journal->dir);
        if (access (path, F_OK) == 0)
            return ama_err_set (
                err, AMA_E_INTEGRITY,
                "journal %s/journal.db is half replaced: `ama fsck --salvage` was interrupted, and is to be "
                "started once more",
                journal->dir);
        has_head = journal_head_read (journal->dir, &known);
        journal->head_fd = journal_head_open (journal->dir, err);
        if (journal->head_fd < 0)
            return err ? err->code : AMA_E_IO;
        (void) snprintf (path, sizeof path, "%s/journal.db", journal->dir);
    }
    if (sqlite3_open_v2 (path, &journal->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL)
        != SQLITE_OK)
        return journal_fail (journal, err, path);
    (void) sqlite3_extended_result_codes (journal->db, 1);
    if (journal_sums (journal->db) != SQLITE_OK)
        return journal_fail (journal, err, "sums");
    if (setup (journal, conf->max_bytes, err) < 0 || migrate (journal, err) < 0
        || journal_verify (journal, has_head ? &known : NULL, err) < 0 || make_shrinkable (journal, err) < 0
        || prepare (journal, err) < 0 || begin_epoch (journal, err) < 0)
        return err ? err->code : AMA_E_IO;
    return 0;
}

ama_journal_t *ama_journal_open (const ama_journal_conf_t *conf, ama_err_t *err)
{
    ama_journal_t *journal = ama_calloc (1, sizeof *journal);
    ama_err_t local = { 0 };

    journal->lock_fd = journal->head_fd = -1;
    journal->dir = conf->dir ? ama_strdup (conf->dir) : NULL;
    if (open_all (journal, conf, err ? err : &local) < 0)
        ama_journal_close (&journal);
    return journal;
}

void ama_journal_close (ama_journal_t **journal)
{
    if (!*journal)
        return;
    for (int i = 0; i < N_STATEMENTS; i++)
        (void) sqlite3_finalize ((*journal)->statements[i]);
    (void) sqlite3_close ((*journal)->db);
    journal_ends_forget_all (*journal);
    if ((*journal)->head_fd >= 0)
        (void) close ((*journal)->head_fd);
    if ((*journal)->lock_fd >= 0)
        (void) close ((*journal)->lock_fd);
    free ((*journal)->dir);
    free (*journal);
    *journal = NULL;
}

uint64_t ama_journal_epoch (const ama_journal_t *journal)
{
    return journal->epoch;
}

ama_id_t ama_journal_last_run (const ama_journal_t *journal)
{
    return journal->last_run;
}

uint64_t ama_journal_events_total (const ama_journal_t *journal)
{
    return journal->head.no;
}

/* ---- commit ---- */

/* The next n events in one statement. */
static int write_rows (ama_journal_t *journal, const ama_journal_batch_t *batch, size_t from, size_t n,
                       journal_head_t *head, ama_err_t *err)
{
    statement_t which = n == ROWS_AT_ONCE ? ADD_EVENTS : ADD_EVENT;
    sqlite3_stmt *statement = journal->statements[which];
    ama_digest_t chains[ROWS_AT_ONCE];
    journal_ends_t *run = NULL;

    for (size_t i = 0; i < n; i++) {
        const journal_row_t *row = &batch->events.rows[from + i];
        const char *body = batch->bytes.data + row->at;
        int at = (int) i * EVENT_COLUMNS;
        if ((!run || !ama_id_equal (run->run, row->run))
            && (run = journal_ends_touch (journal, &row->run, err)) == NULL)
            return -1;
        chains[i] = head->chain = journal_chain (&head->chain, ++head->no, row, body);
        (void) sqlite3_bind_int64 (statement, at + 1, (sqlite3_int64) head->no);
        journal_bind_id (statement, at + 2, &row->run);
        (void) sqlite3_bind_int64 (statement, at + 3, (sqlite3_int64) row->no);
        (void) sqlite3_bind_int64 (statement, at + 4, row->wall_ms);
        (void) sqlite3_bind_int (statement, at + 5, row->type);
        bind_bytes (statement, at + 6, body, row->size);
        bind_bytes (statement, at + 7, chains[i].b, sizeof chains[i].b);
        (void) sqlite3_bind_int64 (statement, at + 8, (sqlite3_int64) run->at.last);
        run->at = (journal_place_t){ run->at.first ? run->at.first : head->no, head->no, row->no };
    }
    return run_statement (journal, which, err);
}

static int write_events (ama_journal_t *journal, const ama_journal_batch_t *batch, journal_head_t *head, ama_err_t *err)
{
    AMA_FAILPOINT (journal, begun);
    for (size_t i = 0, n; i < batch->events.n; i += n) {
        n = batch->events.n - i >= ROWS_AT_ONCE ? ROWS_AT_ONCE : 1;
        if (write_rows (journal, batch, i, n, head, err) < 0)
            return -1;
    }
    return 0;
}

static int write_summaries (ama_journal_t *journal, const ama_journal_batch_t *batch, ama_err_t *err)
{
    sqlite3_stmt *statement = journal->statements[PUT_RUN];

    for (size_t i = 0; i < batch->n_summaries; i++) {
        const ama_run_summary_t *run = &batch->summaries[i];
        journal_ends_t *ends = journal_ends_touch (journal, &run->run, err);
        if (!ends)
            return -1;
        ends->ended = run->state >= AMA_RUN_STATE_SUCCEEDED;
        ends->put = true;
        journal_bind_id (statement, 1, &run->run);
        journal_bind_text (statement, 2, run->job);
        journal_bind_text (statement, 3, run->env);
        (void) sqlite3_bind_int (statement, 4, (int) run->state);
        journal_bind_text (statement, 5, run->commit);
        (void) sqlite3_bind_int64 (statement, 6, run->accepted);
        (void) sqlite3_bind_int64 (statement, 7, run->ended);
        (void) sqlite3_bind_int64 (statement, 8, run->exit);
        (void) sqlite3_bind_int (statement, 9, run->dirty);
        journal_bind_text (statement, 10, run->repo);
        journal_bind_place (statement, 11, &ends->at);
        if (run_statement (journal, PUT_RUN, err) < 0)
            return -1;
    }
    return journal_ends_write (journal, err);
}

static int write_outbox (ama_journal_t *journal, const ama_journal_batch_t *batch, ama_err_t *err)
{
    sqlite3_stmt *add = journal->statements[ADD_POST], *drop = journal->statements[DROP_POSTS];

    for (size_t i = 0; i < batch->posts.n; i++) {
        const journal_row_t *row = &batch->posts.rows[i];
        journal_bind_id (add, 1, &row->run);
        (void) sqlite3_bind_int64 (add, 2, (sqlite3_int64) row->no);
        bind_bytes (add, 3, batch->bytes.data + row->at, row->size);
        if (run_statement (journal, ADD_POST, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < batch->posted.n; i++) {
        journal_bind_id (drop, 1, &batch->posted.rows[i].run);
        (void) sqlite3_bind_int64 (drop, 2, (sqlite3_int64) batch->posted.rows[i].no);
        if (run_statement (journal, DROP_POSTS, err) < 0)
            return -1;
    }
    return 0;
}

static int write_tokens (ama_journal_t *journal, const ama_journal_batch_t *batch, ama_err_t *err)
{
    sqlite3_stmt *statement = journal->statements[ADD_TOKEN];

    for (size_t i = 0; i < batch->n_tokens; i++) {
        journal_bind_text (statement, 1, batch->tokens[i].token);
        bind_bytes (statement, 2, batch->tokens[i].content.b, sizeof batch->tokens[i].content.b);
        journal_bind_id (statement, 3, &batch->tokens[i].run);
        if (run_statement (journal, ADD_TOKEN, err) < 0)
            return -1;
    }
    AMA_FAILPOINT (journal, before_commit);
    return 0;
}

int ama_journal_commit (ama_journal_t *journal, const ama_journal_batch_t *batch, ama_err_t *err)
{
    journal_head_t head = journal->head;
    ama_err_t local = { 0 };

    err = err ? err : &local;
    if (run_statement (journal, BEGIN, err) < 0 || write_events (journal, batch, &head, err) < 0
        || write_summaries (journal, batch, err) < 0 || write_outbox (journal, batch, err) < 0
        || write_tokens (journal, batch, err) < 0 || run_statement (journal, COMMIT, err) < 0) {
        int code = err->code;
        journal_ends_settle (journal, false);
        if (!sqlite3_get_autocommit (journal->db) && journal_sql (journal, "ROLLBACK", NULL) < 0)
            return ama_err_set (err, AMA_E_IO, "journal: a failed transaction could not be taken back");
        return code;
    }
    AMA_FAILPOINT (journal, after_commit);
    journal_ends_settle (journal, true);
    journal->head = head;
    if (journal->head_fd >= 0 && batch->events.n)
        journal_head_write (journal->head_fd, &head);
    AMA_FAILPOINT (journal, after_head);
    return 0;
}
