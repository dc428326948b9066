/* journal_fsck.c - see the header */
#include "actors/base/ama_clock.h"
#include "actors/supervisor/journal_replay.h"
#include "actors/supervisor/run_report.h"
#include "messages/ama_message.h"
#include "messages/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INTEGRITY_ROWS = 100 };

/* ---- problems ---- */

static void problem (fsck_t *fsck, const char *kind, uint64_t event, ama_id_t run, uint32_t seq, const char *format,
                     ...) __attribute__ ((format (printf, 6, 7)));

static void problem (fsck_t *fsck, const char *kind, uint64_t event, ama_id_t run, uint32_t seq, const char *format,
                     ...)
{
    ama_fsck_report_t *report = fsck->report;
    char text[1024];
    va_list args;

    if (report->n_problems == AMA_FSCK_PROBLEMS) {
        report->more++;
        return;
    }
    va_start (args, format);
    (void) vsnprintf (text, sizeof text, format, args);
    va_end (args);
    if ((report->n_problems & (report->n_problems - 1)) == 0)
        report->problems = ama_realloc (report->problems,
                                        (report->n_problems ? 2 * report->n_problems : 1) * sizeof *report->problems);
    report->problems[report->n_problems++] = (ama_fsck_problem_t){ kind, event, run, seq, ama_strdup (text) };
}

static const ama_id_t nobody = { { 0 } };

/* ---- runs ---- */

static void on_event (ama_run_core_t *core, uint16_t type, const void *body, ama_run_now_t now, void *arg)
{
    (void) core, (void) type, (void) body, (void) now, (void) arg;
}

static void on_effect (ama_run_core_t *core, const ama_run_effect_t *effect, void *arg)
{
    (void) core, (void) effect, (void) arg;
}

static ama_id_t on_new_id (void *arg)
{
    (void) arg;
    return nobody;
}

static bool on_may_reuse (void *arg)
{
    (void) arg;
    return false;
}

/* A fold decides nothing, so it wants nothing of its port. */
static const ama_run_port_t port = { on_event, on_effect, on_new_id, on_may_reuse, NULL };

fsck_run_t *fsck_run (fsck_t *fsck, ama_id_t id, bool make)
{
    fsck_run_t *run;

    HASH_FIND (hh, fsck->runs, &id, sizeof id, run);
    if (run || !make)
        return run;
    run = ama_calloc (1, sizeof *run);
    run->id = id;
    run->core = ama_run_core_new (id, &port);
    HASH_ADD (hh, fsck->runs, id, sizeof run->id, run);
    return run;
}

static void keep_summary (fsck_run_t *run)
{
    ama_run_summary_t borrowed;

    if (run->has_summary)
        ama_run_summary_done (&run->summary);
    ama_run_core_summary (run->core, &borrowed);
    ama_run_summary_copy (&borrowed, &run->summary);
    run->has_summary = true;
}

static void count_told (const ama_report_event_t *event, void *arg)
{
    (void) event;
    (*(uint64_t *) arg)++;
}

int fsck_fold (fsck_run_t *run, const ama_journal_event_t *event, ama_run_report_fn *add, void *arg, ama_err_t *err)
{
    const ama_message_info_t *info = ama_message_info (event->type);
    ama_run_now_t now = { event->wall_ms, event->wall_ms };
    void *body;
    int rc;

    if (!info || run->ended)
        return ama_err_set (err, AMA_E_INTEGRITY, info ? "comes after the end" : "is of an unknown kind");
    body = ama_calloc (1, info->size);
    rc = info->decode (event->body, event->size, body, err);
    if (rc == 0) {
        rc = ama_run_core_replay (run->core, event->type, body, now, err);
        if (rc == 0)
            ama_run_report (run->core, event->type, body, now, add ? add : count_told, add ? arg : &run->told);
        info->done (body);
    }
    free (body);
    if (rc < 0)
        return rc;
    run->seq = event->seq;
    if (ama_run_core_ended (run->core)) {
        keep_summary (run);
        ama_run_core_destroy (&run->core);
        run->ended = true;
    }
    return 0;
}

/* ---- events ---- */

static void lose (fsck_run_t *run, uint64_t event, const char *why)
{
    if (run->lost || run->removed)
        return;
    run->lost = true;
    run->lost_event = event;
    run->why = why;
}

static const char *const verdict_text[JOURNAL_EVENT_N] = {
    [JOURNAL_EVENT_HASH_ALTERED] = "its hash was altered, not what it says",
    [JOURNAL_EVENT_ALTERED] = "was altered",
    [JOURNAL_EVENT_NOT_SURE] = "can not be vouched for: the event before it is gone",
    [JOURNAL_EVENT_MISSING] = "is missing",
    [JOURNAL_EVENT_UNREADABLE] = "can not be read",
};

static void on_lost (fsck_t *fsck, const journal_scanned_t *event)
{
    const char *text = verdict_text[event->verdict];
    bool doubted =
        event->event.seq && (!ama_id_equal (event->event.run, event->owner) || event->event.seq != event->owner_seq);

    if (event->owned && !doubted) {
        fsck_run_t *run = fsck_run (fsck, event->owner, true);
        problem (fsck, "event", event->no, event->owner, event->owner_seq, "event %" PRIu64 " %s", event->no, text);
        lose (run, event->no, text);
        run->last = event->no;
        return;
    }
    problem (fsck, "event", event->no, nobody, 0, "event %" PRIu64 " %s, and nothing says whose it was", event->no,
             text);
    if ((fsck->n_lost & (fsck->n_lost - 1)) == 0)
        fsck->lost = ama_realloc (fsck->lost, (fsck->n_lost ? 2 * fsck->n_lost : 1) * sizeof *fsck->lost);
    fsck->lost[fsck->n_lost++] = event->no;
}

static int on_scanned (const journal_scanned_t *scanned, void *arg, ama_err_t *err)
{
    const ama_journal_event_t *event = &scanned->event;
    fsck_t *fsck = arg;
    fsck_run_t *run;
    ama_err_t why = { 0 };

    (void) err;
    if (scanned->verdict == JOURNAL_EVENT_HASH_ALTERED)
        problem (fsck, "event", scanned->no, event->run, event->seq, "event %" PRIu64 ": %s", scanned->no,
                 verdict_text[scanned->verdict]);
    else if (scanned->verdict != JOURNAL_EVENT_INTACT) {
        on_lost (fsck, scanned);
        return 0;
    }
    fsck->report->events++;
    run = fsck_run (fsck, event->run, true);
    if (fsck->version >= 4 && !run->lost && !fsck->n_lost && scanned->prior != run->last)
        problem (fsck, "link", scanned->no, event->run, event->seq,
                 "event %" PRIu64 " does not name the one before it in its run", scanned->no);
    run->first = run->first ? run->first : scanned->no;
    run->last = scanned->no;
    if (run->lost || run->removed)
        return 0;
    if (event->seq != run->seq + 1) {
        problem (fsck, "replay", scanned->no, event->run, event->seq,
                 "event %" PRIu64 " is number %u of its run, which had %u before", scanned->no, event->seq, run->seq);
        lose (run, scanned->no, "events before it are missing");
    }
    else if (fsck_fold (run, event, NULL, NULL, &why) < 0) {
        problem (fsck, "replay", scanned->no, event->run, event->seq, "event %" PRIu64 " %s", scanned->no, why.text);
        lose (run, scanned->no, "does not follow from what was before it");
    }
    return 0;
}

/* An event of nobody may have been the next one of any run that was open then and has said nothing since. */
static void suspect (fsck_t *fsck)
{
    fsck_run_t *run, *next;
    uint64_t last = fsck->n_lost ? fsck->lost[fsck->n_lost - 1] : 0;

    HASH_ITER (hh, fsck->runs, run, next)
    {
        if (!run->ended && run->last < last)
            lose (run, last, "an event that nobody can be found for may have been its");
        if (run->core && run->seq)
            keep_summary (run);
    }
}

static void check_head (fsck_t *fsck, int has_head, const journal_head_t *known)
{
    ama_digest_t chain = { { 0 } };
    sqlite3_stmt *statement = NULL;

    if (has_head < 0)
        problem (fsck, "head", 0, nobody, 0,
                 "journal.head is damaged; whether events are missing at the end is not known");
    if (has_head <= 0 || !known->no)
        return;
    if (sqlite3_prepare_v2 (fsck->journal->db, "SELECT chain FROM event WHERE no = ?", -1, &statement, NULL)
            == SQLITE_OK
        && sqlite3_bind_int64 (statement, 1, (sqlite3_int64) known->no) == SQLITE_OK
        && sqlite3_step (statement) == SQLITE_ROW && sqlite3_column_bytes (statement, 0) == (int) sizeof chain.b) {
        memcpy (chain.b, sqlite3_column_blob (statement, 0), sizeof chain.b);
        if (!ama_digest_equal (&chain, &known->chain))
            problem (fsck, "head", known->no, nobody, 0, "event %" PRIu64 " is not the one that was written last",
                     known->no);
    }
    (void) sqlite3_finalize (statement);
}

/* ---- tables ---- */

sqlite3_stmt *fsck_rows (const fsck_t *fsck, const char *table, const char *columns)
{
    sqlite3_stmt *statement = NULL;
    char sql[512];

    for (const journal_table_t *at = journal_tables; at->name; at++) {
        if (strcmp (at->name, table) != 0 || (fsck->sums && at->since > fsck->version))
            continue;
        (void) snprintf (sql, sizeof sql,
                         fsck->sums ? "SELECT %s FROM %s WHERE sum IS ama_sum (%s)" : "SELECT %s FROM %s", columns,
                         table, at->columns);
        if (sqlite3_prepare_v2 (fsck->journal->db, sql, -1, &statement, NULL) != SQLITE_OK)
            statement = NULL;
    }
    return statement;
}

static void check_sums (fsck_t *fsck)
{
    for (const journal_table_t *table = journal_tables; table->name; table++) {
        sqlite3_stmt *statement = NULL;
        int step = SQLITE_ERROR;
        if (!fsck->sums || table->since > fsck->version)
            continue;
        if (sqlite3_prepare_v2 (fsck->journal->db, table->altered, -1, &statement, NULL) == SQLITE_OK)
            while ((step = sqlite3_step (statement)) == SQLITE_ROW)
                problem (fsck, table->kind, 0, nobody, 0, "row %.100s of table %s was altered",
                         (const char *) sqlite3_column_text (statement, 0), table->name);
        if (step != SQLITE_DONE)
            problem (fsck, table->kind, 0, nobody, 0, "table %s can not be read to its end", table->name);
        (void) sqlite3_finalize (statement);
    }
}

static void check_summary (fsck_t *fsck, const fsck_run_t *run)
{
    const ama_run_summary_t *is = &run->row, *should = &run->summary;
    const struct {
        const char *name;
        bool equal;
    } columns[] = {
        { "job", strcmp (is->job, should->job ? should->job : "") == 0 },
        { "env", strcmp (is->env, should->env ? should->env : "") == 0 },
        { "state", is->state == should->state },
        { "commit", strcmp (is->commit, should->commit ? should->commit : "") == 0 },
        { "accepted", is->accepted == should->accepted },
        { "ended", is->ended == should->ended },
        { "exit", is->exit == should->exit },
        { "dirty", is->dirty == should->dirty },
        { "repo", strcmp (is->repo, should->repo ? should->repo : "") == 0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE (columns); i++)
        if (!columns[i].equal)
            problem (fsck, "summary", 0, run->id, 0, "%s of its summary is not what its events give", columns[i].name);
}

/* Before the events: what is left of these is not replayed. */
static void read_removed (fsck_t *fsck)
{
    sqlite3_stmt *rows = fsck->version >= 3 ? fsck_rows (fsck, "removed", "run") : NULL;

    while (rows && sqlite3_step (rows) == SQLITE_ROW)
        fsck_run (fsck, journal_column_id (rows, 0), true)->removed = true;
    (void) sqlite3_finalize (rows);
}

static void check_runs (fsck_t *fsck)
{
    sqlite3_stmt *rows = fsck_rows (fsck, "run", RUN_COLUMNS);
    fsck_run_t *run, *next;

    while (rows && sqlite3_step (rows) == SQLITE_ROW) {
        ama_id_t id = journal_column_id (rows, 0);
        bool known = fsck_run (fsck, id, false) != NULL;
        run = fsck_run (fsck, id, true);
        if (run->removed)
            problem (fsck, "summary", 0, id, 0, "there is a summary of a run that was removed");
        if (run->has_row || run->removed)
            continue;
        run->has_row = true;
        run->row = journal_column_summary (rows);
        if (!known) {
            problem (fsck, "summary", 0, id, 0, "there is a summary and no event");
            lose (run, 0, "all of its events are gone");
        }
        else if (!run->lost)
            check_summary (fsck, run);
    }
    (void) sqlite3_finalize (rows);
    HASH_ITER (hh, fsck->runs, run, next)
    {
        if (!run->has_row && run->seq)
            problem (fsck, "summary", 0, run->id, 0, "there are events and no summary");
    }
}

/* Where the events of a run are that has ended or is being removed stands in its row, without a sum: its events say the same. */
static void check_ends (fsck_t *fsck)
{
    sqlite3_stmt *rows = NULL;
    static const char sql[] = "SELECT run, first, last, seq, 0 FROM run WHERE state >= 5 UNION ALL"
                              " SELECT run, 0, last, 0, 1 FROM removed WHERE busy <> 0";
    int step = SQLITE_ERROR;

    if (fsck->version < 4)
        return;
    if (sqlite3_prepare_v2 (fsck->journal->db, sql, -1, &rows, NULL) == SQLITE_OK)
        step = SQLITE_ROW;
    while (step == SQLITE_ROW && (step = sqlite3_step (rows)) == SQLITE_ROW) {
        ama_id_t id = journal_column_id (rows, 0);
        const fsck_run_t *run = fsck_run (fsck, id, false);
        bool is_removed = sqlite3_column_int (rows, 4) != 0;
        if (!run || run->lost || fsck->n_lost)
            continue;
        if ((uint64_t) sqlite3_column_int64 (rows, 2) != run->last
            || (!is_removed
                && ((uint64_t) sqlite3_column_int64 (rows, 1) != run->first
                    || sqlite3_column_int64 (rows, 3) != run->seq)))
            problem (fsck, "link", 0, id, 0, "the row of table %s does not say where its events are",
                     is_removed ? "removed" : "run");
    }
    if (step != SQLITE_DONE)
        problem (fsck, "link", 0, nobody, 0, "where the events of runs are can not be read: %.900s",
                 sqlite3_errmsg (fsck->journal->db));
    (void) sqlite3_finalize (rows);
}

static void check_outbox (fsck_t *fsck)
{
    sqlite3_stmt *rows = fsck_rows (fsck, "outbox", "run, first, body");
    ama_report_post_t post;
    ama_err_t err = { 0 };

    while (rows && sqlite3_step (rows) == SQLITE_ROW) {
        ama_id_t run = journal_column_id (rows, 0);
        fsck->report->posts++;
        if (ama_report_post_decode (sqlite3_column_blob (rows, 2), (size_t) sqlite3_column_bytes (rows, 2), &post, &err)
            < 0) {
            problem (fsck, "outbox", 0, run, 0, "its report from number %" PRId64 " on does not decode: %s",
                     (int64_t) sqlite3_column_int64 (rows, 1), err.text);
            continue;
        }
        if (!ama_id_equal (post.run, run) || !fsck_run (fsck, run, false))
            problem (fsck, "outbox", 0, run, 0, "its report is of a run that is not there");
        ama_report_post_done (&post);
    }
    (void) sqlite3_finalize (rows);
}

static void check_tokens (fsck_t *fsck)
{
    sqlite3_stmt *rows = fsck_rows (fsck, "token", "token, run");

    while (rows && sqlite3_step (rows) == SQLITE_ROW) {
        ama_id_t id = journal_column_id (rows, 1);
        fsck->report->tokens++;
        if (fsck_run (fsck, id, false))
            continue;
        problem (fsck, "token", 0, id, 0, "token %.100s gives a run that is not there",
                 (const char *) sqlite3_column_text (rows, 0));
        lose (fsck_run (fsck, id, true), 0, "all of its events are gone");
    }
    (void) sqlite3_finalize (rows);
}

static void check_epoch (fsck_t *fsck)
{
    sqlite3_stmt *rows = fsck_rows (fsck, "meta", "name, value");

    while (rows && sqlite3_step (rows) == SQLITE_ROW) {
        const char *name = (const char *) sqlite3_column_text (rows, 0);
        if (name && strcmp (name, "epoch") == 0) {
            fsck->has_epoch = true;
            fsck->epoch = (uint64_t) sqlite3_column_int64 (rows, 1);
        }
    }
    (void) sqlite3_finalize (rows);
    if (!fsck->has_epoch)
        problem (fsck, "meta", 0, nobody, 0, "the number of starts (epoch) is gone");
}

/* A database whose header asks for a newer SQLite can be read, but not written to: amad would refuse it. */
static void check_header (fsck_t *fsck, const char *dir)
{
    ama_str_t path = { 0 };
    uint8_t header[20] = { 0 };
    FILE *file;

    ama_str_printf (&path, "%s/journal.db", dir);
    file = fopen (path.data, "re");
    if (!file || fread (header, 1, sizeof header, file) != sizeof header || header[18] > 2 || header[19] > 2)
        problem (fsck, "database", 0, nobody, 0, "the header of journal.db was altered");
    if (file)
        (void) fclose (file);
    ama_str_done (&path);
}

static void check_database (fsck_t *fsck)
{
    sqlite3_stmt *rows = NULL;
    char sql[64];

    (void) snprintf (sql, sizeof sql, "PRAGMA integrity_check(%d)", INTEGRITY_ROWS);
    if (journal_number (fsck->journal, "PRAGMA application_id") != JOURNAL_APPLICATION)
        problem (fsck, "database", 0, nobody, 0, "journal.db does not say that it is a journal of amad");
    else if (journal_number (fsck->journal, "PRAGMA user_version") != fsck->version)
        problem (fsck, "database", 0, nobody, 0, "the version of journal.db was altered");
    if (sqlite3_prepare_v2 (fsck->journal->db, sql, -1, &rows, NULL) == SQLITE_OK) {
        int step;
        while ((step = sqlite3_step (rows)) == SQLITE_ROW) {
            const char *text = (const char *) sqlite3_column_text (rows, 0);
            if (text && strcmp (text, "ok") != 0)
                problem (fsck, "database", 0, nobody, 0, "%.900s", text);
        }
        if (step != SQLITE_DONE)
            problem (fsck, "database", 0, nobody, 0, "%.900s", sqlite3_errmsg (fsck->journal->db));
    }
    else
        problem (fsck, "database", 0, nobody, 0, "%.900s", sqlite3_errmsg (fsck->journal->db));
    (void) sqlite3_finalize (rows);
}

/* ---- all of it ---- */

static void conclude (fsck_t *fsck)
{
    ama_fsck_report_t *report = fsck->report;
    fsck_run_t *run, *next;

    HASH_ITER (hh, fsck->runs, run, next)
    {
        if (run->removed) {
            report->removed++;
            continue;
        }
        report->runs++;
        report->open += !run->ended && !run->lost;
        if (!run->lost)
            continue;
        report->losses = ama_realloc (report->losses, (report->n_losses + 1) * sizeof *report->losses);
        report->losses[report->n_losses++] =
            (ama_fsck_loss_t){ .run = run->id, .kept = run->seq, .event = run->lost_event, .why = run->why };
    }
}

static int by_id (const fsck_run_t *a, const fsck_run_t *b)
{
    return ama_id_compare (a->id, b->id);
}

static bool has_table (const fsck_t *fsck, const char *name)
{
    char sql[128];

    (void) snprintf (sql, sizeof sql, "SELECT count (*) FROM sqlite_schema WHERE name = '%s'", name);
    return journal_number (fsck->journal, sql) > 0;
}

int fsck_read (fsck_t *fsck, const char *dir, ama_err_t *err)
{
    int64_t start = ama_mono_ms (ama_clock_system ());
    journal_head_t known = { 0 };
    int has_head = journal_known_head (dir, &known);
    uint64_t last = 0;
    int rc;

    fsck->journal = journal_open_reading (dir, err);
    if (!fsck->journal && err->code == AMA_E_INTEGRITY) {
        problem (fsck, "database", 0, nobody, 0, "%s", err->text);
        return 0;
    }
    if (!fsck->journal)
        return err->code;
    fsck->sums =
        journal_number (fsck->journal, "SELECT count (*) FROM pragma_table_info ('token') WHERE name = 'sum'") > 0;
    fsck->version = !fsck->sums                                             ? 1
                    : journal_number (fsck->journal, JOURNAL_IS_LINKED) > 0 ? 4
                    : has_table (fsck, "gap")                               ? 3
                                                                            : 2;
    /* killed before its first transaction: the next start begins it */
    if (!known.no && journal_number (fsck->journal, "SELECT count (*) FROM sqlite_schema") == 0)
        return 0;
    check_header (fsck, dir);
    check_database (fsck);
    read_removed (fsck);
    rc = journal_scan (fsck->journal, has_head > 0 ? &known : NULL, on_scanned, fsck, &last, err);
    if (rc < 0) {
        problem (fsck, "database", 0, nobody, 0, "%s", err->text);
        ama_journal_close (&fsck->journal);
        return 0;
    }
    suspect (fsck);
    check_head (fsck, has_head, &known);
    check_sums (fsck);
    check_runs (fsck);
    check_ends (fsck);
    check_tokens (fsck);
    check_outbox (fsck);
    check_epoch (fsck);
    HASH_SORT (fsck->runs, by_id);
    conclude (fsck);
    fsck->report->ms = ama_mono_ms (ama_clock_system ()) - start;
    return 0;
}

void fsck_done (fsck_t *fsck)
{
    fsck_run_t *run, *next;

    HASH_ITER (hh, fsck->runs, run, next)
    {
        HASH_DEL (fsck->runs, run);
        ama_run_core_destroy (&run->core);
        if (run->has_summary)
            ama_run_summary_done (&run->summary);
        if (run->has_row)
            ama_run_summary_done (&run->row);
        free (run);
    }
    free (fsck->lost);
    ama_journal_close (&fsck->journal);
}

int ama_fsck_check (const char *dir, ama_fsck_report_t *ret_report, ama_err_t *err)
{
    fsck_t fsck = { .report = ret_report };
    int rc;

    *ret_report = (ama_fsck_report_t){ 0 };
    rc = fsck_read (&fsck, dir, err);
    fsck_done (&fsck);
    return rc;
}
