/* child_start_test.c - the start of child processes where something is missing: descriptors, the standard ones, a consent; and ends that come
 * from inside a callback */
#include "tests/unit/runtime/child_scene.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* ---- descriptors are used up ---- */

enum { FEW = 64 };

static int count_descriptors (void)
{
    DIR *folder = opendir ("/proc/self/fd");
    int n = 0;

    assert_non_null (folder);
    while (readdir (folder))
        n++;
    (void) closedir (folder);
    return n;
}

/* How many could be opened now. */
static int count_free (void)
{
    int fds[FEW], n = 0, free_ones;

    while ((fds[n] = open ("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        n++;
    free_ones = n;
    while (n > 0)
        (void) close (fds[--n]);
    return free_ones;
}

static void limit_descriptors (rlim_t most)
{
    struct rlimit limit;

    assert_int_equal (getrlimit (RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = most ? most : limit.rlim_max;
    assert_int_equal (setrlimit (RLIMIT_NOFILE, &limit), 0);
}

/* Tries with no descriptor left, with one, with two … until the child starts. Whatever it was that failed is told and leaves nothing. */
static void begin_with_few (driver_t *driver)
{
    ama_child_spec_t spec = { .argv = SH ("cat; echo six >&6"),
                              .input = "line\n",
                              .input_size = 5,
                              .extra_fds = 4,
                              .on_output = on_output,
                              .on_exit = on_exit_,
                              .arg = driver->arg };
    kid_t *kid = driver->arg;
    int taken[FEW], n = 0, failed = 0;

    limit_descriptors (FEW);
    while ((taken[n] = open ("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        n++;
    assert_int_equal (errno, EMFILE);
    for (; !kid->child; failed++) {
        ama_err_t err = { 0 };
        kid->child = ama_child_spawn (driver->ctx, &spec, &err);
        if (kid->child)
            break;
        assert_int_equal (err.code, AMA_E_IO);
        assert_non_null (strstr (err.text, strerror (EMFILE)));
        assert_int_equal (count_free (), failed);
        assert_true (n > 0);
        (void) close (taken[--n]);
    }
    assert_true (failed >= 14); /* two for each of its seven, and what sees its end */
    while (n > 0)
        (void) close (taken[--n]);
    limit_descriptors (0);
}

static void test_few_descriptors (void **state)
{
    kid_t kid = { 0 };
    int before;

    (void) state;
    before = count_descriptors ();
    run_kid (&kid, begin_with_few);
    assert_int_equal (kid.end.code, 0);
    assert_string_equal (said (&kid, 1), "line\n");
    assert_string_equal (said (&kid, 6), "six\n");
    assert_int_equal (count_descriptors (), before);
    kid_done (&kid);
}

/* A program may have been started with its standard descriptors closed: its child has them nevertheless. */
static void begin_plain (driver_t *driver)
{
    ama_child_spec_t spec = { .argv = SH ("cat; echo out; echo err >&2"), .input = "in\n", .input_size = 3 };

    begin_kid (driver->arg, &spec);
}

static void test_without_standard (void **state)
{
    kid_t kid = { 0 };
    int kept[2];

    (void) state;
    for (int i = 0; i < 2; i++) {
        kept[i] = fcntl (i, F_DUPFD_CLOEXEC, 100);
        assert_true (kept[i] >= 0);
        (void) close (i);
    }
    run_kid (&kid, begin_plain);
    for (int i = 0; i < 2; i++) {
        int got = dup2 (kept[i], i);
        (void) close (kept[i]);
        assert_int_equal (got, i);
    }
    assert_string_equal (said (&kid, 1), "in\nout\n");
    assert_string_equal (said (&kid, 2), "err\n");
    kid_done (&kid);
}

/* ---- what is done on the way in ---- */

typedef struct {
    int rc;
    pthread_t thread;
} entry_t;

static int enter (void *arg)
{
    entry_t *entry = arg;

    entry->thread = pthread_self ();
    return entry->rc;
}

static void begin_refused (driver_t *driver)
{
    entry_t entry = { .rc = EPERM };
    ama_child_spec_t spec = { .argv = SH ("exit 0"), .enter = enter, .enter_arg = &entry };
    ama_err_t err = { 0 };

    assert_null (ama_child_spawn (driver->ctx, &spec, &err));
    assert_int_equal (err.code, AMA_E_IO);
    assert_string_equal (err.text, "sh: Operation not permitted");
    entry.rc = 0;
    begin_kid (driver->arg, &spec);
    assert_false (pthread_equal (entry.thread, pthread_self ())); /* what it gives up is not given up here */
}

static void test_enter (void **state)
{
    kid_t kid = { 0 };

    (void) state;
    run_kid (&kid, begin_refused);
    assert_int_equal (kid.end.code, 0);
    kid_done (&kid);
}

static void begin_empty_input (driver_t *driver)
{
    ama_child_spec_t spec = { .argv = SH ("cat; echo end"), .input = "" };

    begin_kid (driver->arg, &spec);
}

static void test_empty_input (void **state)
{
    kid_t kid = { 0 };

    (void) state;
    run_kid (&kid, begin_empty_input);
    assert_string_equal (said (&kid, 1), "end\n"); /* not waiting for more */
    kid_done (&kid);
}

/* ---- from inside callbacks ---- */

static pid_t released;

/* No callback comes after this one. */
static void release_it (void *arg, int channel)
{
    kid_t *kid = arg;

    if (channel != 1 || strcmp (said (kid, 1), kid->ticks ? "first\nlast\n" : "first\n") != 0)
        return;
    released = ama_child_pid (kid->child);
    ama_child_release (&kid->child);
    ama_child_release (&kid->child); /* there is none any more */
    kid->over = true;
    ama_exit (kid->driver->ctx, 0, NULL);
}

static void begin_to_be_released (driver_t *driver)
{
    kid_t *kid = driver->arg;
    ama_child_spec_t spec = { .argv = SH ("echo first; exec sleep 60") };

    kid->on_said = release_it;
    begin_kid (kid, &spec);
}

static void test_release_in_output (void **state)
{
    kid_t kid = { 0 };

    (void) state;
    run_kid (&kid, begin_to_be_released);
    assert_string_equal (said (&kid, 1), "first\n");
    assert_int_equal (kill (released, SIGKILL), 0); /* it lives on */
    assert_int_equal (waitpid (released, NULL, 0), released);
    kid_done (&kid);
}

/* The child has ended, and somebody else holds its pipe: its end is cut, and with the end comes the release. */
static void release_at_cut (void *arg, int channel)
{
    kid_t *kid = arg;

    if (channel != 1 || !kid->ended[1])
        return;
    ama_child_release (&kid->child);
    kid->over = true;
    ama_exit (kid->driver->ctx, 0, NULL);
}

static void begin_to_be_cut (driver_t *driver)
{
    kid_t *kid = driver->arg;
    ama_child_spec_t spec = { .argv = SH ("sleep 2 & echo first") };

    kid->on_said = release_at_cut;
    begin_kid (kid, &spec);
}

static void test_release_at_cut (void **state)
{
    kid_t kid = { 0 };

    (void) state;
    run_kid (&kid, begin_to_be_cut);
    assert_string_equal (said (&kid, 1), "first\n");
    assert_false (kid.ended[2]); /* nothing came after the release */
    kid_done (&kid);
}

/* The end is known: whoever wants it to end, or to rest, is not told otherwise. */
static void on_exit_kill (ama_child_t *child, const ama_child_end_t *end, void *arg)
{
    kid_t *kid = arg;

    ama_child_pause (child, true);
    ama_child_pause (child, true);
    ama_child_pause (child, false);
    on_exit_ (child, end, arg);
    ama_child_release (&child);
    assert_null (child);
    assert_null (kid->child);
}

static void begin_to_end (driver_t *driver)
{
    kid_t *kid = driver->arg;
    ama_err_t err = { 0 };
    ama_child_spec_t spec = { .argv = SH ("echo all"), .on_output = on_output, .on_exit = on_exit_kill, .arg = kid };

    kid->child = ama_child_spawn (driver->ctx, &spec, &err);
    assert_non_null (kid->child);
}

static void test_release_at_exit (void **state)
{
    kid_t kid = { 0 };

    (void) state;
    run_kid (&kid, begin_to_end);
    assert_string_equal (said (&kid, 1), "all\n");
    assert_int_equal (kid.end.code, 0);
    kid_done (&kid);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_few_descriptors),
        cmocka_unit_test (test_without_standard),
        cmocka_unit_test (test_enter),
        cmocka_unit_test (test_empty_input),
        cmocka_unit_test (test_release_in_output),
        cmocka_unit_test (test_release_at_cut),
        cmocka_unit_test (test_release_at_exit),
    };
    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
