/* journal_retain_test.c - runs leave the journal: which ones, what is left of them, and what a kill in between leaves; on real files */
#include "actors/supervisor/journal_fsck.h"

#include "tests/unit/supervisor/journal_runs.h"
#include "tests/unit/supervisor/journal_scene.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { RUNS = 24, ENDED = RUNS / RUNS_STORIES * (RUNS_STORIES - RUNS_OPEN), NOW = 2000000000 };

static const ama_journal_retention_t keep_none = { .ms = 1 };

/* All that was told is with the reporter. */
static void empty_outbox (ama_journal_t *journal)
{
    ama_journal_batch_t *batch = ama_journal_batch_new ();

    for (size_t r = 1; r <= RUNS; r++)
        ama_journal_batch_posted (batch, id_of (r), 1000000);
    assert_int_equal (ama_journal_commit (journal, batch, NULL), 0);
    ama_journal_batch_destroy (&batch);
}

static uint64_t make_runs (void)
{
    ama_journal_t *journal = must_open ();
    uint64_t events = runs_write (journal, RUNS);

    empty_outbox (journal);
    ama_journal_close (&journal);
    return events;
}

static size_t retire (ama_journal_t *journal, ama_journal_retention_t keep, int64_t now, size_t most)
{
    size_t n;

    assert_int_equal (ama_journal_retire (journal, &keep, now, most, &n, NULL), 0);
    return n;
}

static void remove_retired (ama_journal_t *journal, size_t slice)
{
    ama_id_t run;
    bool done;
    int rc;

    while ((rc = ama_journal_retired (journal, &run, NULL)) == 0)
        do
            assert_int_equal (ama_journal_remove (journal, run, slice, &done, NULL), 0);
        while (!done);
    assert_int_equal (rc, AMA_E_NOT_FOUND);
}

static size_t listed (ama_journal_t *journal)
{
    ama_run_summary_t *runs;
    size_t n;

    assert_int_equal (ama_journal_list (journal, 1000, (ama_id_t){ { 0 } }, NULL, &runs, &n, NULL), 0);
    for (size_t i = 0; i < n; i++)
        ama_run_summary_done (&runs[i]);
    free (runs);
    return n;
}

/* A digest of what is left of the runs that are open. */
static ama_digest_t open_runs (ama_journal_t *journal)
{
    ama_digest_t digest;

    assert_true (runs_digest_open (journal, &digest));
    return digest;
}

static ama_fsck_report_t must_be_whole (void)
{
    ama_fsck_report_t report;
    ama_str_t text = { 0 };

    assert_int_equal (ama_fsck_check (folder, &report, NULL), 0);
    ama_fsck_text (&report, &text);
    if (report.n_problems)
        fail_msg ("%s", text.data);
    ama_str_done (&text);
    return report;
}

static bool has_ended (size_t run)
{
    return runs_ends ((run - 1) % RUNS_STORIES);
}

/* ---- which ---- */

static void newest_are_kept (void **state)
{
    ama_journal_t *journal;

    (void) state;
    make_runs ();
    journal = must_open ();
    assert_int_equal (retire (journal, (ama_journal_retention_t){ .runs = ENDED }, NOW, 100), 0);
    assert_int_equal (retire (journal, (ama_journal_retention_t){ .runs = ENDED - 3 }, NOW, 100), 3);
    assert_int_equal (retire (journal, (ama_journal_retention_t){ .runs = ENDED - 3 }, NOW, 100), 0);
    assert_int_equal (listed (journal), RUNS - 3);
    assert_int_equal (retire (journal, (ama_journal_retention_t){ .runs = 1 }, NOW, 2), 2);
    assert_int_equal (retire (journal, (ama_journal_retention_t){ .runs = 1 }, NOW, 100), ENDED - 6);
    assert_int_equal (listed (journal), RUNS - ENDED + 1);
    ama_journal_close (&journal);
}

static void old_ones_go (void **state)
{
    ama_journal_t *journal;

    (void) state;
    make_runs ();
    journal = must_open ();
    assert_int_equal (retire (journal, (ama_journal_retention_t){ .ms = NOW }, NOW - 1, 100), 0);
    assert_int_equal (retire (journal, (ama_journal_retention_t){ 0 }, NOW, 100), 0);
    assert_int_equal (retire (journal, (ama_journal_retention_t){ .runs = 5, .ms = 1 }, NOW, 100), ENDED);
    assert_int_equal (listed (journal), RUNS - ENDED);
    ama_journal_close (&journal);
}

/* The reporter does not have all of it yet. */
static void not_with_a_post (void **state)
{
    ama_journal_t *journal = must_open ();

    (void) state;
    runs_write (journal, RUNS);
    assert_int_equal (retire (journal, keep_none, NOW, 100), 0);
    empty_outbox (journal);
    assert_int_equal (retire (journal, keep_none, NOW, 100), ENDED);
    ama_journal_close (&journal);
}

/* ---- what is left ---- */

static void what_is_said (void **state)
{
    char id[AMA_ID_TEXT], token[32];
    ama_run_summary_t summary;
    ama_journal_t *journal;
    ama_digest_t content, before, after;
    ama_err_t err = { 0 };
    uint64_t events, epoch;
    ama_id_t run;

    (void) state;
    events = make_runs ();
    journal = must_open ();
    before = open_runs (journal);
    (void) retire (journal, keep_none, NOW, 100);
    remove_retired (journal, 3);
    for (size_t r = 1; r <= RUNS; r++) {
        (void) snprintf (token, sizeof token, "key-%zu", r);
        err = (ama_err_t){ 0 };
        if (!has_ended (r)) {
            assert_int_equal (ama_journal_token (journal, token, &content, &run, &err), 0);
            continue;
        }
        assert_int_equal (ama_journal_token (journal, token, &content, &run, &err), AMA_E_REPLAY);
        assert_non_null (strstr (err.text, "removed by the retention on 1970-01-24"));
        assert_int_equal (ama_journal_summary (journal, id_of (r), NULL, &summary, &err), AMA_E_NOT_FOUND);
        assert_non_null (strstr (err.text, "removed by the retention on 1970-01-24"));
        assert_int_equal (ama_journal_find (journal, ama_id_text (id_of (r), id), NULL, &run, &err), AMA_E_NOT_FOUND);
        assert_non_null (strstr (err.text, id));
        assert_non_null (strstr (err.text, "removed by the retention"));
        assert_int_equal (count_left (journal, id_of (r)), 0);
    }
    assert_int_equal (ama_journal_find (journal, "00000", NULL, &run, &err), AMA_E_INVALID);
    epoch = ama_journal_epoch (journal);
    ama_journal_close (&journal);
    assert_int_equal (must_be_whole ().removed, ENDED);

    journal = must_open ();
    assert_int_equal (ama_journal_epoch (journal), epoch + 1);
    assert_int_equal (ama_journal_events_total (journal), events);
    assert_true (ama_id_equal (ama_journal_last_run (journal), id_of (RUNS)));
    after = open_runs (journal);
    assert_true (ama_digest_equal (&before, &after));
    ama_journal_close (&journal);
}

/* Events go on behind a journal of which nothing is left. */
static void chained_to_a_gap (void **state)
{
    ama_run_summary_t ended = { .run = id_of (7), .state = AMA_RUN_STATE_SUCCEEDED, .accepted = 7, .ended = 9 };
    ama_journal_batch_t *batch = ama_journal_batch_new ();
    ama_journal_t *journal = must_open ();

    (void) state;
    for (uint32_t i = 1; i <= 40; i++)
        assert_int_equal (commit_event (journal, 7, i, NULL), 0);
    ama_journal_batch_summary (batch, &ended);
    assert_int_equal (ama_journal_commit (journal, batch, NULL), 0);
    ama_journal_batch_destroy (&batch);
    assert_int_equal (retire (journal, keep_none, NOW, 100), 1);
    remove_retired (journal, 7);
    assert_int_equal (ama_journal_events_total (journal), 40);
    ama_journal_close (&journal);
    journal = must_open ();
    assert_true (ama_id_equal (ama_journal_last_run (journal), id_of (7)));
    assert_int_equal (commit_event (journal, 8, 1, NULL), 0);
    assert_int_equal (commit_event (journal, 8, 2, NULL), 0);
    ama_journal_close (&journal);
    journal = must_open ();
    assert_int_equal (ama_journal_events_total (journal), 42);
    assert_int_equal (count_events (journal, 8), 2);
    ama_journal_close (&journal);
}

static int64_t size_of (const char *name)
{
    char path[128];
    struct stat status;

    (void) snprintf (path, sizeof path, "%s/%s", folder, name);
    return stat (path, &status) == 0 ? (int64_t) status.st_size : -1;
}

static void shrinks (void **state)
{
    ama_run_summary_t ended = { .run = id_of (1), .state = AMA_RUN_STATE_SUCCEEDED, .accepted = 7, .ended = 9 };
    ama_journal_t *journal = must_open ();
    ama_journal_batch_t *batch = ama_journal_batch_new ();
    char body[4096];
    int64_t before;
    bool done = false;

    (void) state;
    memset (body, 'x', sizeof body);
    for (uint32_t i = 1; i <= 3000; i++) {
        ama_journal_batch_event (batch, id_of (1), i, 1, AMA_MSG_JOURNAL_FETCHED, body, sizeof body);
        if (i % 500 == 0) {
            ama_journal_batch_summary (batch, &ended);
            assert_int_equal (ama_journal_commit (journal, batch, NULL), 0);
            ama_journal_batch_clear (batch);
        }
    }
    ama_journal_batch_destroy (&batch);
    assert_int_equal (ama_journal_shrink (journal, 100, &done, NULL), 0);
    assert_true (done);
    before = size_of ("journal.db");
    assert_true (before > 12000000);
    assert_int_equal (retire (journal, keep_none, NOW, 100), 1);
    remove_retired (journal, 100);
    for (done = false; !done;)
        assert_int_equal (ama_journal_shrink (journal, 100, &done, NULL), 0);
    assert_true (size_of ("journal.db") < 500000);
    assert_int_equal (size_of ("journal.db-wal"), 0);
    ama_journal_close (&journal);
    (void) must_be_whole ();
}

/* ---- kills ---- */

/* One transaction after the other, until nothing is left to do. */
static void retain_until_killed (int fd)
{
    ama_journal_t *journal = open_in (folder, 0);
    ama_id_t run;
    bool done;
    size_t n;

    while (journal && write (fd, "x", 1) == 1) {
        if (ama_journal_retired (journal, &run, NULL) == 0) {
            if (ama_journal_remove (journal, run, 2, &done, NULL) < 0)
                break;
        }
        else if (ama_journal_retire (journal, &keep_none, NOW, 3, &n, NULL) < 0
                 || (n == 0 && ama_journal_shrink (journal, 4, &done, NULL) < 0))
            break;
    }
    _exit (1);
}

/* Killed when it has begun so many transactions, somewhere in or behind the last. */
static void kill_in (unsigned transactions)
{
    int pipe_fd[2], status;
    char byte;
    pid_t pid;

    assert_int_equal (pipe (pipe_fd), 0);
    pid = fork ();
    if (pid == 0) {
        (void) close (pipe_fd[0]);
        retain_until_killed (pipe_fd[1]);
    }
    (void) close (pipe_fd[1]);
    while (transactions-- > 0)
        assert_int_equal (read (pipe_fd[0], &byte, 1), 1);
    assert_int_equal (kill (pid, SIGKILL), 0);
    assert_int_equal (waitpid (pid, &status, 0), pid);
    (void) close (pipe_fd[0]);
}

static void killed_at_any_moment (void **state)
{
    ama_digest_t before, after;
    ama_journal_t *journal;
    unsigned kills = 0;
    size_t left = RUNS;

    (void) state;
    make_runs ();
    journal = must_open ();
    before = open_runs (journal);
    ama_journal_close (&journal);
    for (; left > RUNS - ENDED || kills < 60; kills++) {
        kill_in (1 + kills % 7);
        (void) must_be_whole ();
        journal = must_open ();
        left = listed (journal);
        after = open_runs (journal);
        assert_true (ama_digest_equal (&before, &after));
        for (size_t r = 1; r <= RUNS; r++) {
            ama_digest_t content;
            char token[32];
            ama_id_t run;
            int rc;
            (void) snprintf (token, sizeof token, "key-%zu", r);
            rc = ama_journal_token (journal, token, &content, &run, NULL);
            assert_true (rc == 0 || (rc == AMA_E_REPLAY && has_ended (r)));
            /* a run that is shown has all its events */
            if (rc == 0)
                assert_int_equal (count_left (journal, id_of (r)), runs_events ((r - 1) % RUNS_STORIES));
        }
        ama_journal_close (&journal);
    }
    assert_int_equal (left, RUNS - ENDED);
    (void) printf ("%u kills\n", kills);
}

/* ---- damage ---- */

static void sqlite (const char *sql)
{
    char command[512];

    (void) snprintf (command, sizeof command, "sqlite3 %s/journal.db \"%s\" >%s/sql.log 2>&1", folder, sql, folder);
    assert_int_equal (system (command), 0);
}

static void half_removed (void)
{
    ama_journal_t *journal;

    make_runs ();
    journal = must_open ();
    (void) retire (journal, keep_none, NOW, ENDED / 2);
    remove_retired (journal, 5);
    ama_journal_close (&journal);
}

static void damaged (void **state)
{
    static const char *const alter[][2] = {
        { "UPDATE gap SET chain = zeroblob (32) WHERE first = (SELECT min (first) FROM gap)", "was altered" },
        { "UPDATE gap SET last = last + 1 WHERE first = (SELECT min (first) FROM gap)", "is missing" },
        { "UPDATE gap SET first = first - 1 WHERE first = (SELECT max (first) FROM gap)", "is missing" },
        { "DELETE FROM gap WHERE first = (SELECT min (first) FROM gap)", "is missing" },
        { "UPDATE removed SET ended = 5", "of table removed was altered" },
        { "UPDATE gap SET sum = x'00' WHERE first = (SELECT max (first) FROM gap)", "of table gap was altered" },
    };

    for (size_t i = 0; i < ARRAY_SIZE (alter); i++) {
        ama_fsck_report_t report;
        ama_journal_t *journal;
        ama_err_t err = { 0 };
        half_removed ();
        sqlite (alter[i][0]);
        assert_null (ama_journal_open (&(ama_journal_conf_t){ folder, 0 }, &err));
        assert_int_equal (err.code, AMA_E_INTEGRITY);
        if (!strstr (err.text, alter[i][1]))
            fail_msg ("%s: %s", alter[i][0], err.text);
        assert_int_equal (ama_fsck_check (folder, &report, NULL), 0);
        assert_true (report.n_problems > 0);
        ama_fsck_report_done (&report);
        assert_int_equal (ama_fsck_salvage (folder, &report, NULL), 0);
        ama_fsck_report_done (&report);
        (void) must_be_whole ();
        journal = must_open ();
        for (size_t r = 1; r <= RUNS; r++) {
            ama_digest_t content;
            char token[32];
            ama_id_t run;
            int rc;
            (void) snprintf (token, sizeof token, "key-%zu", r);
            rc = ama_journal_token (journal, token, &content, &run, NULL);
            assert_true (rc == 0 || rc == AMA_E_REPLAY);
        }
        ama_journal_close (&journal);
        assert_int_equal (remove_folder (state), 0);
        assert_int_equal (make_folder (state), 0);
    }
}

/* A run of which the last events are gone: where the others are stands in its row alone. */
static void left_half_way (void **state)
{
    static const char *const alter[] = { "UPDATE event SET seq = seq WHERE no = 1",
                                         "UPDATE removed SET last = last - 1 WHERE busy <> 0",
                                         "UPDATE removed SET last = 0 WHERE busy <> 0" };

    for (size_t i = 0; i < ARRAY_SIZE (alter); i++) {
        ama_fsck_report_t report;
        ama_journal_t *journal;
        ama_err_t err = { 0 };
        ama_id_t run;
        bool done;
        make_runs ();
        journal = must_open ();
        assert_int_equal (retire (journal, keep_none, NOW, 1), 1);
        assert_int_equal (ama_journal_retired (journal, &run, NULL), 0);
        assert_int_equal (ama_journal_remove (journal, run, 2, &done, NULL), 0);
        assert_false (done);
        ama_journal_close (&journal);
        sqlite (alter[i]);
        assert_int_equal (ama_fsck_check (folder, &report, NULL), 0);
        assert_int_equal (report.n_problems > 0, i > 0);
        ama_fsck_report_done (&report);
        journal = ama_journal_open (&(ama_journal_conf_t){ folder, 0 }, &err);
        if (i) {
            assert_null (journal);
            assert_non_null (strstr (err.text, "of table removed does not say where its events are"));
            assert_int_equal (ama_fsck_salvage (folder, &report, NULL), 0);
            ama_fsck_report_done (&report);
            journal = must_open ();
        }
        remove_retired (journal, 2);
        ama_journal_close (&journal);
        assert_int_equal (must_be_whole ().removed, 1);
        assert_int_equal (remove_folder (state), 0);
        assert_int_equal (make_folder (state), 0);
    }
}

/* Salvage of damage elsewhere: what was removed stays so. */
static void salvaged (void **state)
{
    ama_fsck_report_t report;
    ama_journal_t *journal;
    ama_run_summary_t summary;
    ama_err_t err = { 0 };
    size_t removed = 0;

    (void) state;
    half_removed ();
    sqlite ("UPDATE event SET body = x'00' WHERE no = (SELECT max (no) FROM event)");
    assert_int_equal (ama_fsck_salvage (folder, &report, NULL), 0);
    assert_int_equal (report.removed, ENDED / 2);
    assert_int_equal (report.n_losses, 1);
    ama_fsck_report_done (&report);
    assert_int_equal (must_be_whole ().removed, ENDED / 2);
    journal = must_open ();
    for (size_t r = 1; r <= RUNS; r++) {
        if (ama_journal_summary (journal, id_of (r), NULL, &summary, &err) == 0)
            ama_run_summary_done (&summary);
        else
            removed += strstr (err.text, "removed by the retention") != NULL;
    }
    assert_int_equal (removed, ENDED / 2);
    remove_retired (journal, 5);
    ama_journal_close (&journal);
    (void) must_be_whole ();
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, make_folder, remove_folder)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (newest_are_kept),  TEST (old_ones_go),   TEST (not_with_a_post), TEST (what_is_said),
        TEST (chained_to_a_gap), TEST (shrinks),       TEST (damaged),         TEST (killed_at_any_moment),
        TEST (salvaged),         TEST (left_half_way),
    };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
