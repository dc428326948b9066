/* journal_scan.c - see the header
 *
 * SQLite would make a write-ahead log that is not there, and fold in one that is, when the file is closed. So a file without a log is opened as
 * immutable, and one with a log is opened for reading, exclusively and without locks of its own: ours is held.
 */
#include "actors/supervisor/journal_scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LEAST_EVENT = 48, VERSION = 4 }; /* bytes of the smallest event: its hash and some */

/* ---- opening ---- */

static void uri_of (const char *path, ama_str_t *out)
{
    ama_str_puts (out, "file:");
    for (; *path; path++)
        ama_str_printf (out, strchr ("%?#", *path) ? "%%%02X" : "%c", (unsigned char) *path);
    ama_str_puts (out, "?immutable=1");
}

static int check_kind (ama_journal_t *journal, ama_err_t *err)
{
    int64_t version = journal_number (journal, "PRAGMA user_version");

    if (version < -1)
        return ama_err_set (err, AMA_E_INTEGRITY, "%s/journal.db is not a journal of amad", journal->dir);
    if (version < 0)
        return journal_fail (journal, err, "version");
    if (version > VERSION)
        return ama_err_set (err, AMA_E_UNSUPPORTED, "%s/journal.db was written by a newer amad (version %d)",
                            journal->dir, (int) version);
    if (journal_number (journal, "SELECT count (*) FROM sqlite_schema") < 0)
        return journal_fail (journal, err, "schema");
    return 0;
}

static int open_reading (ama_journal_t *journal, ama_err_t *err)
{
    ama_str_t path = { 0 }, log = { 0 }, uri = { 0 };
    struct stat status;
    int rc = 0, flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;

    ama_str_printf (&path, "%s/journal.db", journal->dir);
    ama_str_printf (&log, "%s-wal", path.data);
    uri_of (path.data, &uri);
    if (stat (path.data, &status) < 0)
        rc = errno == ENOENT ? ama_err_set (err, AMA_E_NOT_FOUND, "there is no journal in %s", journal->dir)
                             : ama_err_set (err, AMA_E_IO, "%s: %s", path.data, strerror (errno));
    else if (status.st_size == 0) /* SQLite takes an empty file for a new one, and deletes its log */
        rc = ama_err_set (err, AMA_E_INTEGRITY, "journal %s is damaged: it is empty", path.data);
    else if ((journal->lock_fd = journal_lock_reading (journal->dir, err)) == -2)
        rc = err->code;
    else if ((stat (log.data, &status) == 0 ? sqlite3_open_v2 (path.data, &journal->db, flags, "unix-none")
                                            : sqlite3_open_v2 (uri.data, &journal->db, flags | SQLITE_OPEN_URI, NULL))
             != SQLITE_OK)
        rc = journal_fail (journal, err, path.data);
    ama_str_done (&path);
    ama_str_done (&log);
    ama_str_done (&uri);
    if (rc < 0)
        return rc;
    (void) sqlite3_extended_result_codes (journal->db, 1);
    (void) sqlite3_db_config (journal->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (journal_sums (journal->db) != SQLITE_OK
        || journal_sql (journal,
                        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-8192;"
                        "PRAGMA trusted_schema=OFF",
                        err)
               < 0)
        return err->code ? err->code : journal_fail (journal, err, "sums");
    return check_kind (journal, err);
}

ama_journal_t *journal_open_reading (const char *dir, ama_err_t *err)
{
    ama_journal_t *journal = ama_calloc (1, sizeof *journal);
    ama_err_t local = { 0 };

    journal->lock_fd = journal->head_fd = -1;
    journal->dir = ama_strdup (dir);
    err = err ? err : &local;
    *err = (ama_err_t){ 0 };
    if (open_reading (journal, err) < 0)
        ama_journal_close (&journal);
    return journal;
}

int journal_known_head (const char *dir, journal_head_t *ret_head)
{
    ama_str_t path = { 0 };
    uint8_t bytes[128] = { 0 }, zeros[128] = { 0 };
    FILE *file;

    if (journal_head_read (dir, ret_head))
        return 1;
    ama_str_printf (&path, "%s/journal.head", dir);
    file = fopen (path.data, "re");
    ama_str_done (&path);
    if (!file)
        return 0;
    if (fread (bytes, 1, sizeof bytes, file) == 0) {
        /* as below */
    }
    (void) fclose (file);
    /* it is not synced: empty or zeros are what a power cut may leave of the first one */
    return memcmp (bytes, zeros, sizeof bytes) == 0 ? 0 : -1;
}

/* ---- what was removed ---- */

typedef struct {
    uint64_t first, last;
    ama_digest_t chain;
} gap_t;

typedef struct {
    gap_t *list; /* in order */
    size_t n, at;
} gaps_t;

/* Also those whose sum is wrong: that is told of the row, and need not cost the events behind it. */
static void read_gaps (ama_journal_t *journal, gaps_t *gaps)
{
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2 (journal->db, "SELECT first, last, chain FROM gap ORDER BY first", -1, &statement, NULL)
        == SQLITE_OK)
        while (sqlite3_step (statement) == SQLITE_ROW) {
            gap_t gap = { (uint64_t) sqlite3_column_int64 (statement, 0),
                          (uint64_t) sqlite3_column_int64 (statement, 1),
                          { { 0 } } };
            if (sqlite3_column_bytes (statement, 2) == (int) sizeof gap.chain.b)
                memcpy (gap.chain.b, sqlite3_column_blob (statement, 2), sizeof gap.chain.b);
            if ((gaps->n & (gaps->n - 1)) == 0)
                gaps->list = ama_realloc (gaps->list, (gaps->n ? 2 * gaps->n : 1) * sizeof *gaps->list);
            gaps->list[gaps->n++] = gap;
        }
    (void) sqlite3_finalize (statement);
}

/* The gap whose first or last number is that of the hole from first to last; NULL: none. */
static const gap_t *gap_of (gaps_t *gaps, uint64_t first, uint64_t last)
{
    for (; gaps->at < gaps->n; gaps->at++) {
        const gap_t *gap = &gaps->list[gaps->at];
        if (gap->first == first || gap->last == last)
            return &gaps->list[gaps->at++];
        if (gap->first > first)
            return NULL;
    }
    return NULL;
}

/* ---- one event ---- */

typedef enum { FOUND, MISSING, UNREADABLE } found_t;

typedef struct {
    found_t found;
    journal_row_t row;
    ama_str_t body;
    ama_digest_t chain;
    uint64_t prior;
} stored_t;

typedef struct {
    ama_id_t run;
    uint32_t seq; /* 0: nothing names it, or two do */
    bool twice;
} owner_t;

typedef struct {
    ama_journal_t *journal;
    sqlite3_stmt *one;
    owner_t *owners; /* of all numbers up to last */
    uint64_t last;
    uint64_t named; /* the last one that something names */
    bool linked;    /* events name one another; if not, there is an index */
    const journal_head_t *known;
    stored_t stored[2]; /* the event that is judged, and the next */
    bool sure;          /* before is the hash of the event before */
    ama_digest_t before;
    gaps_t gaps;
} scan_t;

static void read_event (scan_t *scan, uint64_t no, stored_t *ret)
{
    int step;

    ama_str_clear (&ret->body);
    ret->found = MISSING;
    if (no > scan->last)
        return;
    (void) sqlite3_bind_int64 (scan->one, 1, (sqlite3_int64) no);
    step = sqlite3_step (scan->one);
    if (step == SQLITE_ROW) {
        ret->found = FOUND;
        ret->row = (journal_row_t){ .run = journal_column_id (scan->one, 0),
                                    .no = (uint64_t) sqlite3_column_int64 (scan->one, 1),
                                    .wall_ms = sqlite3_column_int64 (scan->one, 2),
                                    .type = (uint16_t) sqlite3_column_int (scan->one, 3),
                                    .size = (size_t) sqlite3_column_bytes (scan->one, 4) };
        ret->prior = scan->linked ? (uint64_t) sqlite3_column_int64 (scan->one, 6) : 0;
        ama_str_add (&ret->body, sqlite3_column_blob (scan->one, 4), ret->row.size);
        memset (&ret->chain, 0, sizeof ret->chain);
        if (sqlite3_column_bytes (scan->one, 5) == (int) sizeof ret->chain.b)
            memcpy (ret->chain.b, sqlite3_column_blob (scan->one, 5), sizeof ret->chain.b);
    }
    else if (step != SQLITE_DONE)
        ret->found = UNREADABLE;
    (void) sqlite3_reset (scan->one);
}

/* Does what comes after the event say that its hash should be `chain`? */
static bool confirmed (const scan_t *scan, uint64_t no, const ama_digest_t *chain, const stored_t *next)
{
    ama_digest_t after;

    if (scan->known && scan->known->no == no && ama_digest_equal (&scan->known->chain, chain))
        return true;
    if (next->found != FOUND)
        return false;
    after = journal_chain (chain, no + 1, &next->row, next->body.data);
    return ama_digest_equal (&after, &next->chain);
}

static journal_verdict_t judge (scan_t *scan, uint64_t no, const stored_t *at, const stored_t *next)
{
    ama_digest_t chain;
    bool sure = scan->sure;

    scan->sure = at->found == FOUND;
    if (at->found != FOUND)
        return at->found == MISSING ? JOURNAL_EVENT_MISSING : JOURNAL_EVENT_UNREADABLE;
    chain = journal_chain (&scan->before, no, &at->row, at->body.data);
    scan->before = at->chain;
    if (!sure)
        return JOURNAL_EVENT_NOT_SURE;
    if (ama_digest_equal (&chain, &at->chain))
        return JOURNAL_EVENT_INTACT;
    if (!confirmed (scan, no, &chain, next))
        return JOURNAL_EVENT_ALTERED;
    scan->before = chain;
    return JOURNAL_EVENT_HASH_ALTERED;
}

/* ---- all events ---- */

static void add_owner (scan_t *scan, uint64_t no, ama_id_t run, int64_t seq)
{
    owner_t *owner = &scan->owners[no <= scan->last ? no : 0];
    bool twice = owner->seq || owner->twice;

    if (!no || no > scan->last || seq <= 0)
        return;
    *owner = twice ? (owner_t){ .twice = true } : (owner_t){ .run = run, .seq = (uint32_t) seq };
    if (no > scan->named)
        scan->named = no;
}

static void read_owners_by (scan_t *scan, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2 (scan->journal->db, sql, -1, &statement, NULL) == SQLITE_OK)
        while (sqlite3_step (statement) == SQLITE_ROW)
            add_owner (scan, (uint64_t) sqlite3_column_int64 (statement, 0), journal_column_id (statement, 1),
                       sqlite3_column_int64 (statement, 2));
    (void) sqlite3_finalize (statement);
}

/* Run and number of an event stand a second time in what names it: the next one of its run, or, if it is the last one of a run that has ended,
 * the run. Before there were such names there was an index. */
static void read_owners (scan_t *scan)
{
    scan->named = scan->known ? scan->known->no : 0;
    scan->owners = ama_calloc ((size_t) scan->last + 1, sizeof *scan->owners);
    if (!scan->linked) {
        read_owners_by (scan, "SELECT no, run, seq FROM event INDEXED BY event_run ORDER BY run, seq");
        return;
    }
    for (uint64_t no = 1; no <= scan->last; no++) {
        (void) sqlite3_bind_int64 (scan->one, 1, (sqlite3_int64) no);
        if (sqlite3_step (scan->one) == SQLITE_ROW)
            add_owner (scan, (uint64_t) sqlite3_column_int64 (scan->one, 6), journal_column_id (scan->one, 0),
                       sqlite3_column_int64 (scan->one, 1) - 1);
        (void) sqlite3_reset (scan->one);
    }
    read_owners_by (scan, "SELECT last, run, seq FROM run WHERE state >= 5 AND last > 0");
}

/* Not more than fit into the file: a number may be what was altered. */
static uint64_t find_last (ama_journal_t *journal, const journal_head_t *known)
{
    int64_t last = journal_number (journal, "SELECT max (no) FROM event");
    int64_t pages = journal_number (journal, "PRAGMA page_count"), size = journal_number (journal, "PRAGMA page_size");
    uint64_t most = (uint64_t) (pages > 0 ? pages : 0) * (uint64_t) (size > 0 ? size : 0) / LEAST_EVENT;
    uint64_t found = last > 0 ? (uint64_t) last : 0;
    int64_t removed = journal_number (journal, "SELECT max (last) FROM gap WHERE sum IS ama_sum (first, last, chain)");
    int64_t named = journal_number (journal, "SELECT max (last) FROM run"); /* -1 without such a column */

    if (known && known->no > most)
        most = known->no;
    if (removed > 0 && (uint64_t) removed > most)
        most = (uint64_t) removed;
    if (removed > 0 && (uint64_t) removed > found)
        found = (uint64_t) removed;
    if (last < 0) /* the last page can not be read */
        found = most;
    if (known && known->no > found)
        found = known->no;
    if (named > 0 && (uint64_t) named > found && (uint64_t) named <= most)
        found = (uint64_t) named;
    return found < most ? found : most;
}

static int tell (const scan_t *scan, uint64_t no, const stored_t *at, journal_verdict_t verdict, journal_scan_fn *fn,
                 void *arg, ama_err_t *err)
{
    journal_scanned_t event = { .no = no, .verdict = verdict };
    const owner_t *owner = &scan->owners[no];

    if (at->found == FOUND)
        event.event = (ama_journal_event_t){ at->row.run,  (uint32_t) at->row.no, at->row.wall_ms,
                                             at->row.type, at->body.data,         at->row.size };
    event.prior = at->prior;
    event.owned = owner->seq != 0;
    event.owner = owner->run;
    event.owner_seq = owner->seq;
    return fn (&event, arg, err);
}

/* The last number of a hole that begins at `no`. */
static uint64_t end_of_hole (const scan_t *scan, uint64_t no)
{
    sqlite3_stmt *statement = NULL;
    uint64_t end = scan->last;

    if (sqlite3_prepare_v2 (scan->journal->db, "SELECT no FROM event WHERE no > ? ORDER BY no LIMIT 1", -1, &statement,
                            NULL)
            == SQLITE_OK
        && sqlite3_bind_int64 (statement, 1, (sqlite3_int64) no) == SQLITE_OK)
        switch (sqlite3_step (statement)) {
        case SQLITE_ROW:
            end = (uint64_t) sqlite3_column_int64 (statement, 0) - 1;
            break;
        case SQLITE_DONE:
            break;
        default:
            end = no;
        }
    (void) sqlite3_finalize (statement);
    return end < scan->last ? end : scan->last;
}

/* True if `no` and what follows up to *ret_end was removed, as far as anything says. */
static bool was_removed (scan_t *scan, uint64_t no, uint64_t *ret_end)
{
    uint64_t end;
    const gap_t *gap;

    if (scan->gaps.at == scan->gaps.n || scan->owners[no].seq)
        return false;
    end = end_of_hole (scan, no);
    for (uint64_t i = no; i <= end; i++)
        if (scan->owners[i].seq)
            return false;
    gap = gap_of (&scan->gaps, no, end);
    if (!gap)
        return false;
    scan->sure = true;
    scan->before = gap->chain;
    *ret_end = end;
    return true;
}

int journal_scan (ama_journal_t *journal, const journal_head_t *known, journal_scan_fn *fn, void *arg,
                  uint64_t *ret_last, ama_err_t *err)
{
    scan_t scan = { .journal = journal, .known = known, .last = find_last (journal, known), .sure = true };
    bool guessed = journal_number (journal, "SELECT max (no) FROM event") < 0;
    uint64_t no = 1, end;
    int rc = 0;

    scan.linked = journal_number (journal, JOURNAL_IS_LINKED) > 0;
    if (sqlite3_prepare_v2 (journal->db,
                            scan.linked ? "SELECT run, seq, time, type, body, chain, prior FROM event WHERE no = ?"
                                        : "SELECT run, seq, time, type, body, chain FROM event WHERE no = ?",
                            -1, &scan.one, NULL)
        != SQLITE_OK)
        return journal_fail (journal, err, "events");
    read_owners (&scan);
    read_gaps (journal, &scan.gaps);
    read_event (&scan, 1, &scan.stored[1]);
    for (; rc == 0 && no <= scan.last; no++) {
        stored_t *at = &scan.stored[no & 1], *next = &scan.stored[~no & 1];
        if (at->found == MISSING && was_removed (&scan, no, &end)) {
            no = end;
            read_event (&scan, no + 1, &scan.stored[~no & 1]);
            continue;
        }
        read_event (&scan, no + 1, next);
        if (guessed && at->found != FOUND && next->found != FOUND && no > scan.named)
            break;
        rc = tell (&scan, no, at, judge (&scan, no, at, next), fn, arg, err);
    }
    *ret_last = no - 1;
    (void) sqlite3_finalize (scan.one);
    free (scan.owners);
    free (scan.gaps.list);
    ama_str_done (&scan.stored[0].body);
    ama_str_done (&scan.stored[1].body);
    return rc;
}
