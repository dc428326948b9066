/* journal_fsck_test.c - what fsck finds and what salvage keeps, on journals of real runs */
#include "actors/supervisor/journal_fsck.h"

#include "tests/unit/supervisor/journal_runs.h"
#include "tests/unit/supervisor/journal_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { RUNS = 12 };

static uint64_t make_runs (void)
{
    ama_journal_t *journal = must_open ();
    uint64_t events = runs_write (journal, RUNS);

    ama_journal_close (&journal);
    return events;
}

static void sqlite (const char *sql)
{
    char command[1024];

    (void) snprintf (command, sizeof command, "sqlite3 %s/journal.db \"%s\" >%s/sql.log 2>&1", folder, sql, folder);
    assert_int_equal (system (command), 0);
}

/* Names, sizes, times and bytes of all files. */
static void fingerprint (char text[4096])
{
    char command[256];
    FILE *pipe;
    size_t size;

    (void) snprintf (command, sizeof command,
                     "cd %s && stat -c '%%n %%s %%y %%i' * && stat -c '%%y' . && cat * | sha256sum", folder);
    pipe = popen (command, "r");
    assert_non_null (pipe);
    size = fread (text, 1, 4095, pipe);
    text[size] = '\0';
    assert_int_equal (pclose (pipe), 0);
}

static ama_fsck_report_t check (void)
{
    char before[4096], after[4096];
    ama_fsck_report_t report;
    ama_err_t err = { 0 };

    fingerprint (before);
    if (ama_fsck_check (folder, &report, &err) < 0)
        fail_msg ("%s", err.text);
    fingerprint (after);
    assert_string_equal (before, after);
    return report;
}

/* Some problem of the kind that says it. */
static void must_say (const ama_fsck_report_t *report, const char *kind, const char *text)
{
    ama_str_t all = { 0 };

    for (size_t i = 0; i < report->n_problems; i++)
        if (strcmp (report->problems[i].kind, kind) == 0 && strstr (report->problems[i].text, text))
            return;
    ama_fsck_text (report, &all);
    fail_msg ("no problem %s \"%s\" in:\n%s", kind, text, all.data);
}

static void whole (void **state)
{
    uint64_t events = make_runs ();
    ama_fsck_report_t report = check ();
    ama_str_t text = { 0 };

    (void) state;
    ama_fsck_text (&report, &text);
    if (report.n_problems)
        fail_msg ("%s", text.data);
    assert_int_equal (report.events, events);
    assert_int_equal (report.runs, RUNS);
    assert_int_equal (report.open, RUNS / RUNS_STORIES * RUNS_OPEN);
    assert_int_equal (report.tokens, RUNS);
    assert_in_range (report.posts, 1, RUNS);
    ama_str_clear (&text);
    ama_fsck_json (&report, &text);
    assert_non_null (strstr (text.data, "{\"ok\":true,\"events\":"));
    ama_str_done (&text);
    ama_fsck_report_done (&report);
}

/* A write-ahead log that a killed process left is read, and neither folded in nor removed. */
static void with_log (void **state)
{
    ama_fsck_report_t report;
    uint32_t said = kill_one (1, 20);
    char log[128];

    (void) state;
    (void) snprintf (log, sizeof log, "%s/journal.db-wal", folder);
    assert_int_equal (access (log, F_OK), 0);
    report = check ();
    assert_in_range (report.events, said, said + 1);
    ama_fsck_report_done (&report);
}

static void in_use (void **state)
{
    ama_journal_t *journal = must_open ();
    ama_fsck_report_t report;
    ama_err_t err = { 0 };

    (void) state;
    assert_int_equal (ama_fsck_check (folder, &report, &err), AMA_E_EXISTS);
    assert_non_null (strstr (err.text, "in use by another process"));
    ama_fsck_report_done (&report);
    assert_int_equal (ama_fsck_salvage (folder, &report, &err), AMA_E_EXISTS);
    ama_fsck_report_done (&report);
    ama_journal_close (&journal);
}

static void nothing_there (void **state)
{
    ama_fsck_report_t report;
    ama_err_t err = { 0 };

    (void) state;
    assert_int_equal (ama_fsck_check (folder, &report, &err), AMA_E_NOT_FOUND);
    ama_fsck_report_done (&report);
}

/* An amad that was killed at its very first start. */
static void not_begun (void **state)
{
    ama_fsck_report_t report;

    (void) state;
    sqlite ("PRAGMA journal_mode = WAL");
    report = check ();
    assert_int_equal (report.n_problems, 0);
    ama_fsck_report_done (&report);
}

static void each_problem (void **state)
{
    static const struct {
        const char *sql, *kind, *text;
    } rows[] = {
        { "UPDATE event SET body = body || x'00' WHERE no = 7", "event", "event 7 was altered" },
        { "UPDATE event SET chain = zeroblob (32) WHERE no = 7", "event", "event 7: its hash was altered" },
        { "DELETE FROM event WHERE no = 9", "event", "event 9 is missing" },
        { "UPDATE event SET prior = 0 WHERE prior = 9; DELETE FROM event WHERE no = 9", "event",
          "event 9 is missing, and nothing says whose it was" },
        { "DELETE FROM event WHERE no = 9", "event", "event 10 can not be vouched for" },
        { "DELETE FROM event WHERE no > 60", "event", "event 61 is missing" },
        { "UPDATE run SET state = 5 WHERE no = 2", "summary", "row 2 of table run was altered" },
        { "DELETE FROM run WHERE no = 2", "summary", "there are events and no summary" },
        { "UPDATE outbox SET body = x'c1'", "outbox", "of table outbox was altered" },
        { "UPDATE token SET run = zeroblob (16) WHERE token = 'key-3'", "token",
          "row key-3 of table token was altered" },
        { "UPDATE meta SET value = 99", "meta", "row epoch of table meta was altered" },
        { "PRAGMA application_id = 7", "database", "does not say that it is a journal" },
        { "PRAGMA user_version = 0", "database", "the version of journal.db was altered" },
        { "PRAGMA user_version = 1", "database", "the version of journal.db was altered" },
        { "DROP INDEX run_state", NULL, NULL },
        { "UPDATE event SET prior = 3 WHERE no = 20", "link", "event 20 does not name the one before it" },
        { "UPDATE event SET prior = 0 WHERE no = 20", "link", "event 20 does not name the one before it" },
        { "ALTER TABLE removed RENAME COLUMN last TO lasv", "link", "no such column: last" },
        { "UPDATE run SET first = 2 WHERE no = 1", "link", "does not say where its events are" },
        { "UPDATE run SET last = last + 1 WHERE no = 1", "link", "does not say where its events are" },
    };

    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_fsck_report_t report;
        (void) make_runs ();
        sqlite (rows[i].sql);
        report = check ();
        if (rows[i].kind)
            must_say (&report, rows[i].kind, rows[i].text);
        ama_fsck_report_done (&report);
        assert_int_equal (remove_folder (state), 0);
        assert_int_equal (make_folder (state), 0);
    }
}

/* Two damages, both told. */
static void more_than_one (void **state)
{
    ama_fsck_report_t report;

    (void) state;
    (void) make_runs ();
    sqlite (
        "UPDATE event SET time = time + 1 WHERE no IN (5, 50); UPDATE token SET content = zeroblob (32) WHERE token = "
        "'key-1'");
    report = check ();
    must_say (&report, "event", "event 5 was altered");
    must_say (&report, "event", "event 50 was altered");
    must_say (&report, "token", "row key-1");
    assert_int_equal (report.n_problems, 3);
    assert_int_equal (report.n_losses, 2);
    ama_fsck_report_done (&report);
}

static void head_damaged (void **state)
{
    ama_fsck_report_t report;
    char path[128];
    FILE *file;

    (void) state;
    (void) make_runs ();
    (void) snprintf (path, sizeof path, "%s/journal.head", folder);
    file = fopen (path, "r+");
    assert_non_null (file);
    assert_int_equal (fseek (file, 20, SEEK_SET), 0);
    assert_int_equal (fputs ("!!", file) >= 0 && fclose (file) == 0, 1);
    report = check ();
    must_say (&report, "head", "journal.head is damaged");
    ama_fsck_report_done (&report);
    assert_int_equal (unlink (path), 0);
    report = check ();
    assert_int_equal (report.n_problems, 0); /* a power cut may take it: it says nothing then */
    ama_fsck_report_done (&report);
}

/* ---- salvage ---- */

static ama_fsck_report_t salvage (void)
{
    ama_fsck_report_t report;
    ama_err_t err = { 0 };

    if (ama_fsck_salvage (folder, &report, &err) < 0)
        fail_msg ("%s", err.text);
    return report;
}

static void must_be_whole (void)
{
    ama_fsck_report_t report = check ();
    ama_str_t text = { 0 };

    ama_fsck_text (&report, &text);
    if (report.n_problems)
        fail_msg ("%s", text.data);
    ama_str_done (&text);
    ama_fsck_report_done (&report);
}

static void nothing_to_salvage (void **state)
{
    char before[4096], after[4096];
    ama_fsck_report_t report;

    (void) state;
    (void) make_runs ();
    fingerprint (before);
    report = salvage ();
    fingerprint (after);
    assert_string_equal (before, after);
    assert_null (report.damaged);
    ama_fsck_report_done (&report);
}

static uint32_t kept_of (const ama_fsck_report_t *report, uint64_t run)
{
    for (size_t i = 0; i < report->n_losses; i++)
        if (ama_id_equal (report->losses[i].run, id_of (run)))
            return report->losses[i].kept;
    return runs_events ((size_t) run - 1);
}

static int last_type (const ama_journal_event_t *event, void *arg, ama_err_t *err)
{
    (void) err;
    ((uint32_t *) arg)[0] = event->seq;
    ((uint32_t *) arg)[1] = event->type;
    return 0;
}

/* All runs are there with what was kept, the lost ones closed; tokens are as they were; the old file is the old file. */
static void must_have (const ama_fsck_report_t *report, uint64_t epoch)
{
    ama_journal_t *journal;
    struct stat status;

    assert_int_equal (stat (report->damaged, &status), 0);
    must_be_whole ();
    journal = must_open ();
    assert_true (ama_journal_epoch (journal) > epoch);
    for (uint64_t run = 1; run <= RUNS; run++) {
        uint32_t last[2] = { 0 }, kept = kept_of (report, run);
        bool lost = false;
        ama_run_summary_t summary;
        ama_digest_t content;
        ama_id_t found;
        char token[32];
        for (size_t i = 0; i < report->n_losses; i++)
            lost |= ama_id_equal (report->losses[i].run, id_of (run));
        assert_int_equal (ama_journal_read_events (journal, id_of (run), last_type, last, NULL), 0);
        assert_int_equal (last[0], kept + lost + (lost && !kept));
        assert_int_equal (ama_journal_summary (journal, id_of (run), NULL, &summary, NULL), 0);
        if (lost) {
            assert_int_equal (last[1], AMA_MSG_JOURNAL_RUN_ENDED);
            assert_true (summary.state >= AMA_RUN_STATE_SUCCEEDED);
        }
        ama_run_summary_done (&summary);
        (void) snprintf (token, sizeof token, "key-%d", (int) run);
        assert_int_equal (ama_journal_token (journal, token, &content, &found, NULL), 0);
        assert_true (ama_id_equal (found, id_of (run)));
    }
    ama_journal_close (&journal);
}

/* An open run that lost an event ends as errored; one that had ended keeps its end. */
static void salvage_one (void **state)
{
    ama_fsck_report_t report;
    ama_run_summary_t summary;
    ama_journal_t *journal;

    (void) state;
    (void) make_runs ();
    sqlite ("UPDATE event SET time = time + 1 WHERE no IN (3 + 12, 1 + 24)"); /* run 3: its second; run 1: its third */
    report = salvage ();
    assert_int_equal (report.n_losses, 2);
    assert_int_equal (kept_of (&report, 1), 2);
    assert_int_equal (kept_of (&report, 3), 1);
    must_have (&report, 1);
    journal = must_open ();
    assert_int_equal (ama_journal_summary (journal, id_of (3), NULL, &summary, NULL), 0);
    assert_int_equal (summary.state, AMA_RUN_STATE_ERRORED);
    assert_int_equal (summary.exit, 5);
    ama_run_summary_done (&summary);
    assert_int_equal (ama_journal_summary (journal, id_of (1), NULL, &summary, NULL), 0);
    assert_int_equal (summary.state, AMA_RUN_STATE_SUCCEEDED);
    ama_run_summary_done (&summary);
    ama_journal_close (&journal);
    ama_fsck_report_done (&report);
}

/* The first event of a run: the run stays, without actions, so that its token starts nothing. */
static void salvage_first (void **state)
{
    ama_fsck_report_t report;

    (void) state;
    (void) make_runs ();
    sqlite ("UPDATE event SET body = zeroblob (3) WHERE no = 3; DELETE FROM event WHERE run = (SELECT run FROM run "
            "WHERE no "
            "= 4)");
    report = salvage ();
    assert_int_equal (kept_of (&report, 3), 0);
    assert_int_equal (kept_of (&report, 4), 0);
    must_have (&report, 1);
    ama_fsck_report_done (&report);
}

/* The end of the journal is gone, and nobody knows whose it was: every open run is closed, none goes on. */
static void salvage_tail (void **state)
{
    ama_fsck_report_t report;
    uint64_t events;
    char sql[128];

    (void) state;
    events = make_runs ();
    (void) snprintf (sql, sizeof sql, "DELETE FROM event WHERE no > %d", (int) events - 4);
    sqlite (sql);
    report = salvage ();
    assert_true (report.n_losses >= RUNS / RUNS_STORIES * RUNS_OPEN);
    must_have (&report, 1);
    ama_fsck_report_done (&report);
    report = check ();
    assert_int_equal (report.open, 0);
    ama_fsck_report_done (&report);
}

/* All events are there: nothing is lost. */
static void salvage_links (void **state)
{
    ama_fsck_report_t report;

    (void) state;
    (void) make_runs ();
    sqlite ("UPDATE event SET prior = 1 WHERE no > 9; UPDATE run SET last = 5");
    report = salvage ();
    assert_int_equal (report.n_losses, 0);
    must_have (&report, 1);
    ama_fsck_report_done (&report);
}

/* A journal that amad wrote before events named one another: half of it was removed by the retention. */
static void golden (void **state)
{
    const char *source = getenv ("AMA_SOURCE_DIR");
    char command[512], text[AMA_DIGEST_TEXT];
    ama_fsck_report_t report;
    ama_journal_t *journal;
    ama_digest_t digest;
    ama_id_t run;
    bool done = false;

    (void) state;
    (void) snprintf (command, sizeof command, "cp %s/tests/golden/journal-v3/* %s/", source ? source : ".", folder);
    assert_int_equal (system (command), 0);
    must_be_whole ();
    journal = must_open ();
    assert_int_equal (ama_journal_events_total (journal), 152);
    assert_int_equal (ama_journal_epoch (journal), 2);
    assert_true (runs_digest_open (journal, &digest));
    assert_string_equal (ama_digest_text (&digest, text),
                         "fa0e2c00e7f5754037d605ed573a1a8b71df3e5365ba7a3ccddd856019b08f58");
    assert_int_equal (count_left (journal, id_of (3)), runs_events (2));
    while (ama_journal_retired (journal, &run, NULL) == 0)
        for (done = false; !done;)
            assert_int_equal (ama_journal_remove (journal, run, 3, &done, NULL), 0);
    assert_true (done);
    assert_int_equal (commit_event (journal, 99, 1, NULL), 0);
    ama_journal_close (&journal);
    journal = must_open ();
    assert_int_equal (ama_journal_events_total (journal), 153);
    ama_journal_close (&journal);
    report = check ();
    assert_int_equal (report.removed, 2);
    ama_fsck_report_done (&report);
}

/* Nothing of the events can be read; the epoch is gone, too. */
static void salvage_little (void **state)
{
    ama_fsck_report_t report;

    (void) state;
    (void) make_runs ();
    sqlite ("DELETE FROM event; DELETE FROM meta");
    report = salvage ();
    assert_int_equal (report.n_losses, RUNS);
    must_have (&report, 1000000000);
    ama_fsck_report_done (&report);
}

/* Twice: the second damaged file gets the next number, and the first stays. */
static void salvage_again (void **state)
{
    ama_fsck_report_t first, second;

    (void) state;
    (void) make_runs ();
    sqlite ("UPDATE event SET time = 0 WHERE no = 20");
    first = salvage ();
    sqlite ("UPDATE event SET time = 0 WHERE no = 10");
    second = salvage ();
    assert_non_null (strstr (first.damaged, "journal.db.damaged-1"));
    assert_non_null (strstr (second.damaged, "journal.db.damaged-2"));
    assert_int_equal (access (first.damaged, F_OK), 0);
    ama_fsck_report_done (&first);
    ama_fsck_report_done (&second);
    must_be_whole ();
}

/* Killed between its renames: amad does not start, and salvage finishes. */
static void salvage_interrupted (void **state)
{
#define MOVED_HEAD "mv journal.head journal.head.damaged-1"
#define MOVED_BOTH MOVED_HEAD " && mv journal.db journal.db.damaged-1"
    static const char *const moves[] = {
        "true",
        MOVED_HEAD,
        MOVED_BOTH,
        MOVED_BOTH " && mv journal.salvage/journal.head .",
        MOVED_BOTH " && mv journal.salvage/* .",
    };

    for (size_t i = 0; i < ARRAY_SIZE (moves); i++) {
        ama_fsck_report_t report;
        ama_err_t err = { 0 };
        char command[512];
        (void) make_runs ();
        (void) snprintf (
            command, sizeof command,
            "cd %s && mkdir aside && cp journal.db journal.head aside/ && sqlite3 journal.db 'UPDATE event SET "
            "time = 0 WHERE no = 9'",
            folder);
        assert_int_equal (system (command), 0);
        /* stands for the salvaged one */
        (void) snprintf (command, sizeof command, "cd %s && mv aside journal.salvage && { %s; }", folder, moves[i]);
        assert_int_equal (system (command), 0);
        assert_null (ama_journal_open (&(ama_journal_conf_t){ folder, 0 }, &err));
        assert_int_equal (err.code, AMA_E_INTEGRITY);
        assert_non_null (strstr (err.text, "salvage"));
        report = salvage ();
        assert_non_null (report.damaged);
        ama_fsck_report_done (&report);
        must_be_whole ();
        assert_int_equal (remove_folder (state), 0);
        assert_int_equal (make_folder (state), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, make_folder, remove_folder)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (whole),          TEST (with_log),      TEST (in_use),
        TEST (nothing_there),  TEST (not_begun),     TEST (each_problem),
        TEST (more_than_one),  TEST (head_damaged),  TEST (nothing_to_salvage),
        TEST (salvage_one),    TEST (salvage_first), TEST (salvage_tail),
        TEST (salvage_little), TEST (salvage_again), TEST (salvage_interrupted),

        TEST (salvage_links),  TEST (golden),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
