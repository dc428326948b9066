/* journal_salvage.c - a journal of what is intact takes the place of a damaged one
 *
 * It is made in <dir>/journal.salvage.new, synced, and renamed to journal.salvage: from here on amad refuses to start until all files are in
 * their places, which another salvage finishes. Nothing of the old files is written to; they are renamed to *.damaged-N, the log with them.
 */
#include "actors/base/ama_clock.h"
#include "actors/base/ama_lock.h"
#include "actors/supervisor/journal_replay.h"
#include "messages/ama_message.h"
#include "messages/ama_types.h"
#include "messages/report.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ROWS = 500, NEWEST = 1000000, EXIT_ERRORED = 5 };

#define UNFINISHED "journal.salvage.new"
#define POST_LAST  ((uint64_t) 1 << 40) /* behind every post of the run itself */

typedef struct {
    fsck_t *fsck;
    ama_journal_t *journal; /* the new one */
    ama_journal_batch_t *batch;
    size_t n_batch;
} salvage_t;

/* ---- files ---- */

static char *join (const char *dir, const char *name)
{
    ama_str_t path = { 0 };

    ama_str_printf (&path, "%s/%s", dir, name);
    return ama_str_take (&path);
}

static bool exists (const char *dir, const char *name)
{
    char *path = join (dir, name);
    bool is = access (path, F_OK) == 0;

    free (path);
    return is;
}

static int sync_path (const char *path, ama_err_t *err)
{
    int fd = open (path, O_RDONLY | O_CLOEXEC), rc = fd < 0 || fsync (fd) < 0 ? errno : 0;

    if (fd >= 0)
        (void) close (fd);
    return rc ? ama_err_set (err, AMA_E_IO, "%s: %s", path, strerror (rc)) : 0;
}

/* Renames from_dir/from to to_dir/to, if it is there. */
static int move (const char *from_dir, const char *from, const char *to_dir, const char *to, ama_err_t *err)
{
    char *old = join (from_dir, from), *new = join (to_dir, to);
    int rc = 0;

    if (rename (old, new) < 0 && errno != ENOENT)
        rc = ama_err_set (err, AMA_E_IO, "%s: %s", old, strerror (errno));
    free (old);
    free (new);
    return rc;
}

static void remove_folder (const char *path)
{
    DIR *dir = opendir (path);

    for (struct dirent *entry; dir && (entry = readdir (dir));)
        if (entry->d_name[0] != '.')
            (void) unlinkat (dirfd (dir), entry->d_name, 0);
    if (dir)
        (void) closedir (dir);
    (void) rmdir (path);
}

/* Every step may have been done already. The database moves last of the old files, so that N is the same in each try. */
static int finish (const char *dir, char **ret_damaged, ama_err_t *err)
{
    char *made = join (dir, JOURNAL_SALVAGE), db[64], log[64], head[64];
    int n = 1, rc = 0;

    do {
        (void) snprintf (db, sizeof db, "journal.db.damaged-%d", n);
        (void) snprintf (log, sizeof log, "journal.db.damaged-%d-wal", n);
        (void) snprintf (head, sizeof head, "journal.head.damaged-%d", n);
    } while (exists (dir, db) && ++n < NEWEST);
    if (exists (made, "journal.db") && exists (dir, "journal.db")
        && ((rc = move (dir, "journal.db-wal", dir, log, err)) < 0
            || (rc = move (dir, "journal.head", dir, head, err)) < 0
            || (rc = move (dir, "journal.db", dir, db, err)) < 0))
        goto out;
    if ((rc = move (made, "journal.head", dir, "journal.head", err)) < 0
        || (rc = move (made, "journal.db", dir, "journal.db", err)) < 0 || (rc = sync_path (dir, err)) < 0)
        goto out;
    remove_folder (made);
    rc = sync_path (dir, err);
    *ret_damaged = join (dir, db);
out:
    free (made);
    return rc;
}

/* ---- rows ---- */

static int commit (salvage_t *salvage, size_t at_least, ama_err_t *err)
{
    int rc = 0;

    if (salvage->n_batch >= at_least) {
        rc = ama_journal_commit (salvage->journal, salvage->batch, err);
        ama_journal_batch_clear (salvage->batch);
        salvage->n_batch = 0;
    }
    return rc;
}

static int copy_event (const journal_scanned_t *scanned, void *arg, ama_err_t *err)
{
    salvage_t *salvage = arg;
    const ama_journal_event_t *event = &scanned->event;
    fsck_run_t *run;

    if (scanned->verdict > JOURNAL_EVENT_HASH_ALTERED)
        return 0;
    run = fsck_run (salvage->fsck, event->run, false);
    if (!run || run->removed || event->seq != run->copied + 1 || event->seq > run->seq)
        return 0;
    run->copied++;
    salvage->fsck->report->kept_events++;
    ama_journal_batch_event (salvage->batch, event->run, event->seq, event->wall_ms, event->type, event->body,
                             event->size);
    salvage->n_batch++;
    return commit (salvage, ROWS, err);
}

typedef struct {
    ama_report_event_t *events;
    size_t n;
} told_t;

static void add_told (const ama_report_event_t *event, void *arg)
{
    told_t *told = arg;

    told->events = ama_realloc (told->events, (told->n + 1) * sizeof *told->events);
    ama_report_event_copy (event, &told->events[told->n++]);
}

static int add_event (salvage_t *salvage, fsck_run_t *run, int64_t wall_ms, uint16_t type, const void *body,
                      told_t *told, ama_err_t *err)
{
    ama_str_t bytes = { 0 };
    ama_journal_event_t event = { .run = run->id, .seq = run->seq + 1, .wall_ms = wall_ms, .type = type };
    int rc;

    ama_message_info (type)->encode (body, &bytes);
    event.body = bytes.data;
    event.size = bytes.size;
    ama_journal_batch_event (salvage->batch, run->id, event.seq, wall_ms, type, bytes.data, bytes.size);
    rc = fsck_fold (run, &event, add_told, told, err);
    ama_str_done (&bytes);
    salvage->n_batch++;
    return rc;
}

/* Under a source of its own: the reporter may have more from the run itself than is left here. */
static void add_post (salvage_t *salvage, const fsck_run_t *run, int64_t now, const told_t *told)
{
    ama_report_post_t post = {
        .run = run->id, .source = ama_id_new (now), .first = 1, .events = told->events, .n_events = told->n
    };
    ama_str_t bytes = { 0 };

    ama_report_post_encode (&post, &bytes);
    ama_journal_batch_post (salvage->batch, run->id, POST_LAST, bytes.data, bytes.size);
    ama_str_done (&bytes);
}

static int close_run (salvage_t *salvage, fsck_run_t *run, ama_fsck_loss_t *loss, ama_err_t *err)
{
    int64_t now = ama_wall_ms (ama_clock_system ());
    bool had_ended = run->has_row && run->row.state >= AMA_RUN_STATE_SUCCEEDED;
    ama_journal_submitted_t submitted = {
        .repo = run->has_row ? run->row.repo : (char *) "",
        .ref = (char *) "",
        .env = run->has_row ? run->row.env : (char *) "",
        .name = run->has_row ? run->row.job : (char *) "",
    };
    ama_journal_run_ended_t ended = { .state = had_ended ? run->row.state : AMA_RUN_STATE_ERRORED,
                                      .exit = had_ended ? run->row.exit : EXIT_ERRORED };
    ama_str_t cause = { 0 };
    told_t told = { 0 };
    int rc = 0;

    ama_str_printf (&cause, "journal damaged: lost from its event %u on", run->seq + 1);
    ended.cause = cause.data;
    if (!run->seq)
        rc = add_event (salvage, run, run->has_row ? run->row.accepted : ama_id_ms (run->id), AMA_MSG_JOURNAL_SUBMITTED,
                        &submitted, &told, err);
    if (rc == 0)
        rc = add_event (salvage, run, had_ended ? run->row.ended : now, AMA_MSG_JOURNAL_RUN_ENDED, &ended, &told, err);
    if (rc == 0)
        add_post (salvage, run, now, &told);
    loss->state = ama_strdup (ama_run_state_name (ended.state));
    for (size_t i = 0; i < told.n; i++)
        ama_report_event_done (&told.events[i]);
    free (told.events);
    ama_str_done (&cause);
    return rc;
}

static int write_runs (salvage_t *salvage, ama_err_t *err)
{
    ama_fsck_loss_t *loss = salvage->fsck->report->losses;
    fsck_run_t *run, *next;
    int rc = 0;

    HASH_ITER (hh, salvage->fsck->runs, run, next)
    {
        if (run->removed)
            continue;
        if (run->lost)
            rc = close_run (salvage, run, loss++, err);
        if (rc < 0)
            return rc;
        ama_journal_batch_summary (salvage->batch, &run->summary);
        salvage->n_batch++;
        if ((rc = commit (salvage, ROWS, err)) < 0)
            return rc;
    }
    return 0;
}

static int write_tokens (salvage_t *salvage, ama_err_t *err)
{
    sqlite3_stmt *rows = fsck_rows (salvage->fsck, "token", "token, content, run");
    int64_t all = journal_number (salvage->fsck->journal, "SELECT count (*) FROM token"), kept = 0;
    int rc = 0;

    while (rc == 0 && rows && sqlite3_step (rows) == SQLITE_ROW) {
        ama_digest_t content;
        if (sqlite3_column_bytes (rows, 1) != (int) sizeof content)
            continue;
        memcpy (content.b, sqlite3_column_blob (rows, 1), sizeof content.b);
        ama_journal_batch_token (salvage->batch, (const char *) sqlite3_column_text (rows, 0), &content,
                                 journal_column_id (rows, 2));
        kept++;
        salvage->n_batch++;
        rc = commit (salvage, ROWS, err);
    }
    (void) sqlite3_finalize (rows);
    salvage->fsck->report->lost_tokens = all > kept ? (uint64_t) (all - kept) : 0;
    return rc;
}

/* As marked, not as done: then amad sees to it that the reporter has nothing of them either. */
static int write_removed (salvage_t *salvage, ama_err_t *err)
{
    sqlite3_stmt *rows = salvage->fsck->version >= 3 ? fsck_rows (salvage->fsck, "removed", "run, ended, time") : NULL;
    sqlite3_stmt *add = salvage->journal->statements[ADD_REMOVED];
    int rc = rows ? journal_sql (salvage->journal, "BEGIN IMMEDIATE", err) : 0;

    while (rc == 0 && rows && sqlite3_step (rows) == SQLITE_ROW) {
        ama_id_t run = journal_column_id (rows, 0);
        journal_bind_id (add, 1, &run);
        (void) sqlite3_bind_int64 (add, 2, sqlite3_column_int64 (rows, 1));
        (void) sqlite3_bind_int64 (add, 3, sqlite3_column_int64 (rows, 2));
        (void) sqlite3_bind_int (add, 4, 1);
        (void) sqlite3_bind_int64 (add, 5, 0); /* its events are left behind */
        (void) sqlite3_step (add);
        rc = journal_finish (salvage->journal, add, "removed", err);
    }
    if (rc == 0 && rows)
        rc = journal_sql (salvage->journal, "COMMIT", err);
    (void) sqlite3_finalize (rows);
    return rc;
}

static int write_posts (salvage_t *salvage, ama_err_t *err)
{
    sqlite3_stmt *rows = fsck_rows (salvage->fsck, "outbox", "run, first, body");
    int64_t all = journal_number (salvage->fsck->journal, "SELECT count (*) FROM outbox"), kept = 0;
    int rc = 0;

    while (rc == 0 && rows && sqlite3_step (rows) == SQLITE_ROW) {
        const void *body = sqlite3_column_blob (rows, 2);
        size_t size = (size_t) sqlite3_column_bytes (rows, 2);
        ama_id_t run = journal_column_id (rows, 0);
        ama_report_post_t post;
        if (!fsck_run (salvage->fsck, run, false) || ama_report_post_decode (body, size, &post, NULL) < 0)
            continue;
        ama_report_post_done (&post);
        ama_journal_batch_post (salvage->batch, run, (uint64_t) sqlite3_column_int64 (rows, 1), body, size);
        kept++;
        salvage->n_batch++;
        rc = commit (salvage, ROWS, err);
    }
    (void) sqlite3_finalize (rows);
    salvage->fsck->report->lost_posts = all > kept ? (uint64_t) (all - kept) : 0;
    return rc;
}

/* Agents refuse a start number below one that they have seen. The time is above every count of starts. */
static int write_epoch (const salvage_t *salvage, ama_err_t *err)
{
    const fsck_t *fsck = salvage->fsck;
    uint64_t epoch = fsck->has_epoch ? fsck->epoch : (uint64_t) (ama_wall_ms (ama_clock_system ()) / 1000);
    char sql[128];

    (void) snprintf (sql, sizeof sql,
                     "UPDATE meta SET value = %" PRIu64 ", sum = ama_sum (name, %" PRIu64 ") WHERE name = 'epoch'",
                     epoch, epoch);
    return journal_sql (salvage->journal, sql, err);
}

/* ---- all of it ---- */

static int make (fsck_t *fsck, const char *dir, ama_err_t *err)
{
    salvage_t salvage = { .fsck = fsck, .batch = ama_journal_batch_new () };
    char *unfinished = join (dir, UNFINISHED), *db = join (unfinished, "journal.db");
    char *head = join (unfinished, "journal.head"), *made = join (dir, JOURNAL_SALVAGE);
    journal_head_t known = { 0 };
    uint64_t last;
    int rc = 0;

    remove_folder (unfinished);
    salvage.journal = ama_journal_open (&(ama_journal_conf_t){ unfinished, 0 }, err);
    if (!salvage.journal)
        rc = err->code;
    else if ((rc = journal_scan (fsck->journal, journal_known_head (dir, &known) > 0 ? &known : NULL, copy_event,
                                 &salvage, &last, err))
                 == 0
             && (rc = write_runs (&salvage, err)) == 0 && (rc = write_tokens (&salvage, err)) == 0
             && (rc = write_removed (&salvage, err)) == 0 && (rc = write_posts (&salvage, err)) == 0
             && (rc = commit (&salvage, 1, err)) == 0)
        rc = write_epoch (&salvage, err);
    ama_journal_close (&salvage.journal);
    ama_journal_batch_destroy (&salvage.batch);
    if (rc == 0 && (rc = sync_path (db, err)) == 0 && (rc = sync_path (head, err)) == 0
        && (rc = sync_path (unfinished, err)) == 0 && rename (unfinished, made) < 0)
        rc = ama_err_set (err, AMA_E_IO, "%s: %s", made, strerror (errno));
    if (rc < 0)
        remove_folder (unfinished);
    else
        rc = sync_path (dir, err);
    free (unfinished);
    free (db);
    free (head);
    free (made);
    return rc;
}

static int write_file (const char *path, const ama_str_t *text, ama_err_t *err)
{
    int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), rc = 0;

    if (fd < 0 || write (fd, text->data, text->size) != (ssize_t) text->size || fsync (fd) < 0)
        rc = ama_err_set (err, errno == ENOSPC ? AMA_E_NOSPACE : AMA_E_IO, "%s: %s", path, strerror (errno));
    if (fd >= 0)
        (void) close (fd);
    return rc;
}

static int write_list (ama_fsck_report_t *report, const char *dir, ama_err_t *err)
{
    time_t now = (time_t) (ama_wall_ms (ama_clock_system ()) / 1000);
    ama_str_t list = { 0 }, path = { 0 }, text = { 0 };
    char stamp[32];
    struct tm tm;
    int rc;

    (void) strftime (stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", gmtime_r (&now, &tm));
    for (int n = 1; !list.size || access (path.data, F_OK) == 0; n++) {
        ama_str_clear (&list);
        ama_str_clear (&path);
        ama_str_printf (&list, n > 1 ? "%s/salvage-%s-%d" : "%s/salvage-%s", dir, stamp, n);
        ama_str_printf (&path, "%s.txt", list.data);
    }
    report->list = ama_str_take (&list);
    ama_fsck_text (report, &text);
    rc = write_file (path.data, &text, err);
    ama_str_clear (&path);
    ama_str_clear (&text);
    ama_str_printf (&path, "%s.json", report->list);
    ama_fsck_json (report, &text);
    if (rc == 0)
        rc = write_file (path.data, &text, err);
    ama_str_done (&path);
    ama_str_done (&text);
    return rc;
}

/* Before anything is moved the lock must be ours alone. */
static int lock_alone (fsck_t *fsck, const char *dir, ama_err_t *err)
{
    ama_journal_t *journal = fsck->journal;

    if (journal->lock_fd < 0)
        journal->lock_fd = journal_lock (dir, err);
    else if (ama_lock (journal->lock_fd, LOCK_EX) < 0)
        return ama_err_set (err, AMA_E_EXISTS, "%s is in use by another process", dir);
    return journal->lock_fd < 0 ? err->code : 0;
}

static int finish_earlier (const char *dir, char **ret_damaged, ama_err_t *err)
{
    int fd, rc;

    if (!exists (dir, JOURNAL_SALVAGE))
        return 0;
    fd = journal_lock (dir, err);
    if (fd < 0)
        return err->code;
    rc = finish (dir, ret_damaged, err);
    (void) close (fd);
    return rc;
}

int ama_fsck_salvage (const char *dir, ama_fsck_report_t *ret_report, ama_err_t *err)
{
    fsck_t fsck = { .report = ret_report };
    char *damaged = NULL;
    int rc;

    *ret_report = (ama_fsck_report_t){ 0 };
    rc = finish_earlier (dir, &ret_report->damaged, err);
    if (rc == 0)
        rc = fsck_read (&fsck, dir, err);
    if (rc == 0 && ret_report->n_problems && !fsck.journal)
        rc = ama_err_set (err, AMA_E_INTEGRITY, "nothing can be read of %s/journal.db; it stays as it is", dir);
    else if (rc == 0 && ret_report->n_problems && (rc = lock_alone (&fsck, dir, err)) == 0
             && (rc = make (&fsck, dir, err)) == 0 && (rc = finish (dir, &damaged, err)) == 0) {
        free (ret_report->damaged);
        ret_report->damaged = damaged;
        rc = write_list (ret_report, dir, err);
    }
    else if (rc == 0 && ret_report->damaged) {
        ret_report->kept_events = ret_report->events;
        rc = write_list (ret_report, dir, err);
    }
    fsck_done (&fsck);
    return rc;
}
