/* journal_scene.c - see the header */
#include "tests/unit/supervisor/journal_scene.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

char folder[64];

static int remove_one (const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void) status, (void) type, (void) ftw;
    return remove (path);
}

int make_folder (void **state)
{
    (void) state;
    (void) snprintf (folder, sizeof folder, "/tmp/ama-journal-XXXXXX");
    return mkdtemp (folder) ? 0 : -1;
}

int remove_folder (void **state)
{
    (void) state;
    return nftw (folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

ama_id_t id_of (uint64_t n)
{
    uint8_t random[10] = { 0 };

    for (int i = 0; i < 8; i++)
        random[9 - i] = (uint8_t) (n >> (8 * i));
    return ama_id_make (1000 + (int64_t) (n >> 8), random);
}

ama_journal_t *open_in (const char *dir, uint64_t max_bytes)
{
    ama_err_t err = { 0 };
    ama_journal_t *journal = ama_journal_open (&(ama_journal_conf_t){ dir, max_bytes }, &err);

    if (!journal)
        print_error ("open: %s\n", err.text);
    return journal;
}

ama_journal_t *must_open (void)
{
    ama_journal_t *journal = open_in (folder, 0);
    assert_non_null (journal);
    return journal;
}

/* One event of run n, with a body that can be found in the file. */
int commit_event (ama_journal_t *journal, uint64_t run, uint32_t seq, ama_err_t *err)
{
    ama_journal_batch_t *batch = ama_journal_batch_new ();
    ama_run_summary_t summary = { .run = id_of (run), .state = AMA_RUN_STATE_RUNNING, .accepted = 7, .exit = -1 };
    char body[64];
    int rc;

    (void) snprintf (body, sizeof body, "event %u of run %llu, to be found", seq, (unsigned long long) run);
    ama_journal_batch_event (batch, id_of (run), seq, 1234, AMA_MSG_JOURNAL_FETCHED, body, strlen (body));
    if (seq == 1)
        ama_journal_batch_summary (batch, &summary);
    rc = ama_journal_commit (journal, batch, err);
    ama_journal_batch_destroy (&batch);
    return rc;
}

int commit_events (ama_journal_t *journal, uint64_t run, uint32_t seq, uint32_t n)
{
    ama_journal_batch_t *batch = ama_journal_batch_new ();
    char body[64];
    int rc;

    for (uint32_t i = seq; i < seq + n; i++) {
        (void) snprintf (body, sizeof body, "event %u of run %llu, to be found", i, (unsigned long long) run);
        ama_journal_batch_event (batch, id_of (run), i, 1234, AMA_MSG_JOURNAL_FETCHED, body, strlen (body));
    }
    rc = ama_journal_commit (journal, batch, NULL);
    ama_journal_batch_destroy (&batch);
    return rc;
}

int count_event (const ama_journal_event_t *event, void *arg, ama_err_t *err)
{
    seen_t *seen = arg;
    char body[64];

    (void) err;
    seen->n++;
    (void) snprintf (body, sizeof body, "event %u of run", event->seq);
    seen->right &=
        event->seq == seen->n && event->size > strlen (body) && memcmp (event->body, body, strlen (body)) == 0;
    return 0;
}

uint32_t count_events (ama_journal_t *journal, uint64_t run)
{
    seen_t seen = { .right = true };
    ama_err_t err = { 0 };

    assert_int_equal (ama_journal_read_events (journal, id_of (run), count_event, &seen, &err), 0);
    assert_true (seen.right);
    return seen.n;
}

/* Commits as fast as it can and says after each commit how many are kept. */
static void commit_and_say (int fd, uint32_t from)
{
    ama_journal_t *journal = open_in (folder, 0);

    if (!journal)
        _exit (1);
    for (uint32_t i = from;; i++) {
        if (commit_event (journal, 1, i, NULL) < 0 || write (fd, &i, sizeof i) != sizeof i)
            _exit (1);
    }
}

/* Returns what the child had said when it was killed. */
uint32_t kill_one (uint32_t from, unsigned wait_for)
{
    int pipe_fd[2], status;
    uint32_t said = from - 1, number;
    pid_t pid;

    assert_int_equal (pipe (pipe_fd), 0);
    pid = fork ();
    if (pid == 0) {
        (void) close (pipe_fd[0]);
        commit_and_say (pipe_fd[1], from);
    }
    (void) close (pipe_fd[1]);
    while (wait_for-- > 0 && read (pipe_fd[0], &number, sizeof number) == sizeof number)
        said = number;
    assert_int_equal (kill (pid, SIGKILL), 0);
    while (read (pipe_fd[0], &number, sizeof number) == sizeof number)
        said = number;
    (void) close (pipe_fd[0]);
    assert_int_equal (waitpid (pid, &status, 0), pid);
    assert_true (WIFSIGNALED (status));
    return said;
}
