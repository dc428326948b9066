/* journal_test.c - what is kept, through restarts, kills and full disks; on real files */
#include "messages/journal.h"
#include "tests/unit/supervisor/journal_scene.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- restart ---- */

static int count_post (ama_id_t run, uint64_t first, const void *body, size_t size, void *arg, ama_err_t *err)
{
    (void) run, (void) err;
    assert_int_equal (size, 4);
    assert_memory_equal (body, "post", 4);
    *(uint64_t *) arg = *(uint64_t *) arg * 10 + first;
    return 0;
}

static void restart (void **state)
{
    ama_journal_t *journal = must_open ();
    ama_journal_batch_t *batch = ama_journal_batch_new ();
    ama_digest_t content = ama_digest_of ("x", 1), found;
    uint64_t epoch = ama_journal_epoch (journal), posts = 0;
    ama_run_summary_t summary = { .run = id_of (1),
                                  .job = (char *) "job",
                                  .env = (char *) "dev",
                                  .state = AMA_RUN_STATE_SUCCEEDED,
                                  .commit = (char *) "3f2c1ab",
                                  .accepted = 5,
                                  .ended = 9,
                                  .dirty = true,
                                  .repo = (char *) "/r" };
    ama_run_summary_t back;
    ama_id_t run;

    (void) state;
    assert_int_equal (epoch, 1);
    for (uint32_t i = 1; i <= 3; i++)
        assert_int_equal (commit_event (journal, 1, i, NULL), 0);
    ama_journal_batch_summary (batch, &summary);
    ama_journal_batch_token (batch, "key", &content, id_of (1));
    ama_journal_batch_post (batch, id_of (1), 1, "post", 4);
    ama_journal_batch_post (batch, id_of (1), 3, "post", 4);
    ama_journal_batch_post (batch, id_of (1), 7, "post", 4);
    assert_int_equal (ama_journal_commit (journal, batch, NULL), 0);
    ama_journal_batch_clear (batch);
    ama_journal_batch_posted (batch, id_of (1), 3);
    assert_int_equal (ama_journal_commit (journal, batch, NULL), 0);
    ama_journal_batch_destroy (&batch);
    ama_journal_close (&journal);

    journal = must_open ();
    assert_int_equal (ama_journal_epoch (journal), 2);
    assert_int_equal (ama_journal_events_total (journal), 3);
    assert_int_equal (count_events (journal, 1), 3);
    assert_true (ama_id_equal (ama_journal_last_run (journal), id_of (1)));
    assert_int_equal (ama_journal_summary (journal, id_of (1), NULL, &back, NULL), 0);
    assert_string_equal (back.job, "job");
    assert_string_equal (back.commit, "3f2c1ab");
    assert_int_equal (back.state, AMA_RUN_STATE_SUCCEEDED);
    assert_true (back.dirty);
    ama_run_summary_done (&back);
    assert_int_equal (ama_journal_token (journal, "key", &found, &run, NULL), 0);
    assert_true (ama_digest_equal (&found, &content) && ama_id_equal (run, id_of (1)));
    assert_int_equal (ama_journal_token (journal, "other", &found, &run, NULL), AMA_E_NOT_FOUND);
    assert_int_equal (ama_journal_read_outbox (journal, count_post, &posts, NULL), 0);
    assert_int_equal (posts, 7);
    ama_journal_close (&journal);
}

static void second_start (void **state)
{
    ama_journal_t *journal = must_open ();
    ama_err_t err = { 0 };
    char pid[32];

    (void) state;
    assert_null (ama_journal_open (&(ama_journal_conf_t){ folder, 0 }, &err));
    assert_int_equal (err.code, AMA_E_EXISTS);
    (void) snprintf (pid, sizeof pid, "pid %ld", (long) getpid ());
    assert_non_null (strstr (err.text, pid));
    assert_int_equal (commit_event (journal, 1, 1, NULL), 0);
    ama_journal_close (&journal);
    journal = must_open ();
    ama_journal_close (&journal);
}

static void in_memory (void **state)
{
    ama_journal_t *journal = open_in (NULL, 0);

    (void) state;
    assert_non_null (journal);
    assert_int_equal (commit_event (journal, 1, 1, NULL), 0);
    assert_int_equal (count_events (journal, 1), 1);
    ama_journal_close (&journal);
}

static void one_batch_or_none (void **state)
{
    ama_journal_t *journal = must_open ();
    ama_journal_batch_t *batch = ama_journal_batch_new ();

    (void) state;
    for (uint64_t run = 1; run <= 3; run++) {
        ama_run_summary_t summary = { .run = id_of (run), .state = AMA_RUN_STATE_QUEUED };
        ama_journal_batch_event (batch, id_of (run), 1, 0, AMA_MSG_JOURNAL_SUBMITTED, "event 1 of run x", 16);
        ama_journal_batch_post (batch, id_of (run), 1, "post", 4);
        ama_journal_batch_summary (batch, &summary);
    }
    ama_journal_batch_drop (batch, id_of (2));
    assert_int_equal (ama_journal_commit (journal, batch, NULL), 0);
    assert_int_equal (count_events (journal, 1) + count_events (journal, 3), 2);
    assert_int_equal (count_events (journal, 2), 0);
    ama_journal_batch_destroy (&batch);
    ama_journal_close (&journal);
}

/* More than one statement takes at once, less, and of several runs in turn. */
static void any_size (void **state)
{
    static const uint32_t sizes[] = { 1, 15, 16, 17, 31, 33, 64, 500 };
    ama_journal_t *journal = must_open ();
    uint32_t seq[3] = { 1, 1, 1 };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (sizes); i++)
        for (uint64_t run = 0; run < 3; run++) {
            assert_int_equal (commit_events (journal, run + 1, seq[run], sizes[i] + (uint32_t) run), 0);
            seq[run] += sizes[i] + (uint32_t) run;
        }
    for (int opened = 0; opened < 2; opened++) {
        for (uint64_t run = 0; run < 3; run++)
            assert_int_equal (count_events (journal, run + 1), seq[run] - 1);
        assert_int_equal (ama_journal_events_total (journal), seq[0] + seq[1] + seq[2] - 3);
        ama_journal_close (&journal);
        journal = must_open ();
    }
    ama_journal_close (&journal);
}

/* ---- selectors ---- */

static const ama_id_t none;

static void selectors (void **state)
{
    static const struct {
        const char *selector;
        int code;
        uint64_t run;
    } rows[] = {
        { "@latest", 0, 513 },
        { "@failed", 0, 2 },
        { "@running", 0, 513 },
        { "@nonsense", AMA_E_INVALID, 0 },
        { "", AMA_E_NOT_FOUND, 0 },
        { "0", AMA_E_INVALID, 0 },
        { "7ZZZ", AMA_E_NOT_FOUND, 0 },
        { "!!", AMA_E_NOT_FOUND, 0 },
        { "0000000000000000000000000000", AMA_E_NOT_FOUND, 0 },
    };
    ama_journal_t *journal = must_open ();
    ama_journal_batch_t *batch = ama_journal_batch_new ();
    const ama_run_state_t states[] = { AMA_RUN_STATE_SUCCEEDED, AMA_RUN_STATE_ERRORED, AMA_RUN_STATE_QUEUED };
    const uint64_t runs[] = { 1, 2, 513 };
    ama_run_summary_t *list;
    char text[AMA_ID_TEXT];
    ama_id_t found;
    size_t n;

    (void) state;
    assert_int_equal (ama_journal_find (journal, "@latest", NULL, &found, NULL), AMA_E_NOT_FOUND);
    for (size_t i = 0; i < 3; i++) {
        ama_run_summary_t summary = { .run = id_of (runs[i]), .state = states[i] };
        ama_journal_batch_summary (batch, &summary);
    }
    assert_int_equal (ama_journal_commit (journal, batch, NULL), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal (ama_journal_find (journal, rows[i].selector, NULL, &found, NULL), rows[i].code);
        if (!rows[i].code)
            assert_true (ama_id_equal (found, id_of (rows[i].run)));
    }
    (void) ama_id_text (id_of (513), text);
    for (size_t size = strlen (text); size >= 12; size--) {
        text[size] = '\0';
        assert_int_equal (ama_journal_find (journal, text, NULL, &found, NULL), 0);
        assert_true (ama_id_equal (found, id_of (513)));
    }
    assert_int_equal (ama_journal_list (journal, 2, none, NULL, &list, &n, NULL), 0);
    assert_int_equal (n, 2);
    assert_true (ama_id_equal (list[0].run, id_of (513)) && ama_id_equal (list[1].run, id_of (2)));
    for (size_t i = 0; i < n; i++)
        ama_run_summary_done (&list[i]);
    free (list);
    assert_int_equal (ama_journal_list (journal, 2, id_of (513), NULL, &list, &n, NULL), 0);
    assert_int_equal (n, 2);
    assert_true (ama_id_equal (list[0].run, id_of (2)) && ama_id_equal (list[1].run, id_of (1)));
    for (size_t i = 0; i < n; i++)
        ama_run_summary_done (&list[i]);
    free (list);
    ama_journal_batch_destroy (&batch);
    ama_journal_close (&journal);
}

static void put_owned (ama_journal_batch_t *batch, uint64_t run, const char *owner, ama_run_state_t run_state)
{
    ama_run_summary_t summary = { .run = id_of (run), .state = run_state };
    ama_journal_submitted_t submitted = { .repo = (char *) "r", .owner = (char *) owner };
    ama_str_t bytes = { 0 };

    ama_journal_submitted_encode (&submitted, &bytes);
    ama_journal_batch_event (batch, id_of (run), 1, 0, AMA_MSG_JOURNAL_SUBMITTED, bytes.data, bytes.size);
    ama_journal_batch_summary (batch, &summary);
    ama_str_done (&bytes);
}

/* What is another's is not there. Run 4 has a summary and no event: nobody's, and for those alone who see all. */
static void owners (void **state)
{
    static const struct {
        const char *owner, *selector;
        uint64_t run; /* 0: not found */
    } rows[] = {
        { NULL, "@latest", 4 },  { "ana", "@latest", 3 },  { "bob", "@latest", 2 },  { "", "@latest", 1 },
        { "eve", "@latest", 0 }, { "an", "@latest", 0 },   { "ana", "@failed", 3 },  { "bob", "@failed", 0 },
        { "", "@failed", 1 },    { "bob", "@running", 2 }, { "ana", "@running", 0 }, { NULL, "@failed", 3 },
    };
    ama_journal_t *journal = must_open ();
    ama_journal_batch_t *batch = ama_journal_batch_new ();
    const char *const names[] = { "", "bob", "ana" };
    ama_run_summary_t *list, summary;
    char text[AMA_ID_TEXT];
    ama_id_t found;
    size_t n;

    (void) state;
    put_owned (batch, 1, "", AMA_RUN_STATE_FAILED);
    put_owned (batch, 2, "bob", AMA_RUN_STATE_RUNNING);
    put_owned (batch, 3, "ana", AMA_RUN_STATE_FAILED);
    summary = (ama_run_summary_t){ .run = id_of (4), .state = AMA_RUN_STATE_SUCCEEDED };
    ama_journal_batch_summary (batch, &summary);
    assert_int_equal (ama_journal_commit (journal, batch, NULL), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int rc = ama_journal_find (journal, rows[i].selector, rows[i].owner, &found, NULL);
        if (rc != (rows[i].run ? 0 : AMA_E_NOT_FOUND) || (rows[i].run && !ama_id_equal (found, id_of (rows[i].run))))
            fail_msg ("%s of %s: %d", rows[i].selector, rows[i].owner ? rows[i].owner : "all", rc);
    }
    for (uint64_t run = 1; run <= 4; run++)
        for (size_t i = 0; i < 3; i++) {
            bool own = run == i + 1;
            ama_err_t by_id = { 0 }, unknown = { 0 };
            (void) ama_id_text (id_of (run), text);
            assert_int_equal (ama_journal_find (journal, text, names[i], &found, &by_id), own ? 0 : AMA_E_NOT_FOUND);
            assert_int_equal (ama_journal_summary (journal, id_of (run), names[i], &summary, &by_id),
                              own ? 0 : AMA_E_NOT_FOUND);
            assert_int_equal (ama_journal_list (journal, 10, none, names[i], &list, &n, NULL), 0);
            assert_int_equal (n, 1);
            assert_string_equal (list[0].owner, names[i]);
            ama_run_summary_done (&list[0]);
            free (list);
            if (own) {
                assert_string_equal (summary.owner, names[i]);
                ama_run_summary_done (&summary);
                continue;
            }
            assert_int_equal (ama_journal_summary (journal, id_of (99), names[i], &summary, &unknown), AMA_E_NOT_FOUND);
            assert_string_equal (by_id.text, unknown.text);
        }
    assert_int_equal (ama_journal_list (journal, 10, none, NULL, &list, &n, NULL), 0);
    assert_int_equal (n, 4);
    for (size_t i = 0; i < n; i++)
        ama_run_summary_done (&list[i]);
    free (list);
    ama_journal_batch_destroy (&batch);
    ama_journal_close (&journal);
}

/* ---- no space ---- */

/* Commits until there is no space; returns how many were kept, 0 if anything but AMA_E_NOSPACE went wrong. */
static uint32_t fill (ama_journal_t *journal)
{
    ama_err_t err = { 0 };

    for (uint32_t i = 1; i < 100000; i++) {
        int rc = commit_event (journal, 1, i, &err);
        if (rc == AMA_E_NOSPACE)
            return i - 1;
        if (rc < 0) {
            print_error ("commit: %s\n", err.text);
            return 0;
        }
    }
    return 0;
}

static void no_space (void **state)
{
    ama_journal_t *journal = open_in (folder, 128 * 1024);
    uint32_t kept;

    (void) state;
    assert_non_null (journal);
    kept = fill (journal);
    assert_true (kept > 10);
    assert_int_equal (count_events (journal, 1), kept);
    assert_int_equal (commit_event (journal, 1, kept + 1, NULL), AMA_E_NOSPACE);
    ama_journal_close (&journal);
    journal = must_open ();
    assert_int_equal (count_events (journal, 1), kept);
    assert_int_equal (commit_event (journal, 1, kept + 1, NULL), 0);
    ama_journal_close (&journal);
}

/* In a child: a disk of 512 KiB of its own that fills up, then has room again. Exit code 0, or the line that failed; 77: may not mount. */
static int on_small_disk (void)
{
    char filler[128];
    ama_journal_t *journal;
    uint32_t kept;
    int fd;

    if (unshare (CLONE_NEWNS) < 0 || mount ("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0
        || mount ("none", folder, "tmpfs", 0, "size=512k") < 0)
        return 77;
    (void) snprintf (filler, sizeof filler, "%s/filler", folder);
    fd = open (filler, O_WRONLY | O_CREAT, 0600);
    if (fd < 0 || ftruncate (fd, 200 * 1024) < 0 || posix_fallocate (fd, 0, 200 * 1024) != 0)
        return __LINE__ & 63;
    (void) close (fd);
    journal = open_in (folder, 0);
    if (!journal || (kept = fill (journal)) < 10 || count_events (journal, 1) != kept)
        return __LINE__ & 63;
    if (unlink (filler) < 0 || commit_event (journal, 1, kept + 1, NULL) < 0)
        return __LINE__ & 63;
    ama_journal_close (&journal);
    journal = open_in (folder, 0);
    return journal && count_events (journal, 1) == kept + 1 ? 0 : __LINE__ & 63;
}

/* In a child: the system refuses to write, for a reason that is not lack of space. Whether it is kept is unknown. */
static int on_broken_disk (void)
{
    struct rlimit limit = { 256 * 1024, 256 * 1024 };
    ama_journal_t *journal = open_in (folder, 0);
    ama_err_t err = { 0 };

    (void) signal (SIGXFSZ, SIG_IGN);
    if (!journal || setrlimit (RLIMIT_FSIZE, &limit) < 0)
        return 1;
    for (uint32_t i = 1; i < 100000; i++) {
        int rc = commit_event (journal, 1, i, &err);
        if (rc < 0)
            return rc == AMA_E_IO ? 0 : 2;
    }
    return 3;
}

static int in_child (int (*what) (void))
{
    int status;
    pid_t pid = fork ();

    if (pid == 0)
        _exit (what ());
    assert_true (pid > 0);
    assert_int_equal (waitpid (pid, &status, 0), pid);
    return WIFEXITED (status) ? WEXITSTATUS (status) : -WTERMSIG (status);
}

static void full_disk (void **state)
{
    int rc = in_child (on_small_disk);

    (void) state;
    if (rc == 77)
        skip ();
    assert_int_equal (rc, 0);
}

static void broken_disk (void **state)
{
    (void) state;
    assert_int_equal (in_child (on_broken_disk), 0);
}

/* ---- kill -9 ---- */

static void killed (void **state)
{
    uint32_t kept = 0;

    (void) state;
    for (unsigned round = 0; round < 25; round++) {
        uint32_t said = kill_one (kept + 1, 1 + round * 7 % 40);
        ama_journal_t *journal = must_open ();
        kept = count_events (journal, 1);
        assert_in_range (kept, said, said + 1); /* the last one may be kept and not said */
        assert_int_equal (ama_journal_epoch (journal), 2 * round + 2);
        ama_journal_close (&journal);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, make_folder, remove_folder)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (restart),     TEST (second_start), TEST (in_memory), TEST (one_batch_or_none),
        TEST (selectors),   TEST (owners),       TEST (no_space),  TEST (full_disk),
        TEST (broken_disk), TEST (killed),       TEST (any_size),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
