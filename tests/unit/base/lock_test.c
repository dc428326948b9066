/* lock_test.c - the lock of one who has died is had although a child of his still holds it for a moment; that of one who lives is not */
#include "actors/base/ama_lock.h"

#include "tests/unit/table.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[] = "/tmp/ama-lock-test-XXXXXX";

static int open_it (void)
{
    int fd = open (path, O_RDWR | O_CLOEXEC);

    assert_true (fd >= 0);
    return fd;
}

/* A process that holds the lock until it is told to end, or for so long; it has it when this returns. */
static pid_t holder (int ms, int *ret_end)
{
    int fd = open_it (), ends[2];
    pid_t pid;

    assert_int_equal (flock (fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal (pipe (ends), 0);
    pid = fork ();
    if (pid == 0) {
        struct pollfd told = { .fd = ends[0], .events = POLLIN };
        (void) close (ends[1]);
        (void) poll (&told, 1, ms);
        _exit (0);
    }
    assert_true (pid > 0);
    (void) close (ends[0]);
    (void) close (fd); /* the lock is the child's alone now */
    *ret_end = ends[1];
    return pid;
}

static void test_child_of_one_who_died (void **state)
{
    int end, fd = open_it ();
    pid_t pid = holder (100, &end);

    (void) state;
    assert_int_equal (flock (fd, LOCK_EX | LOCK_NB), -1);
    assert_int_equal (ama_lock (fd, LOCK_EX), 0);
    assert_int_equal (waitpid (pid, NULL, 0), pid);
    (void) close (end);
    (void) close (fd);
}

static void test_one_who_lives (void **state)
{
    int end, fd = open_it ();
    pid_t pid = holder (-1, &end);

    (void) state;
    assert_int_equal (ama_lock (fd, LOCK_SH), -1);
    assert_int_equal (errno, EWOULDBLOCK);
    (void) close (end);
    assert_int_equal (waitpid (pid, NULL, 0), pid);
    assert_int_equal (ama_lock (fd, LOCK_SH), 0);
    assert_int_equal (ama_lock (fd, LOCK_EX), 0);
    (void) close (fd);
}

static void test_no_file (void **state)
{
    (void) state;
    assert_int_equal (ama_lock (-1, LOCK_EX), -1);
    assert_int_equal (errno, EBADF);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_child_of_one_who_died),
                                        cmocka_unit_test (test_one_who_lives), cmocka_unit_test (test_no_file) };
    int fd = mkstemp (path), failed;

    if (fd < 0)
        return 1;
    (void) close (fd);
    failed = cmocka_run_group_tests (tests, NULL, NULL);
    (void) unlink (path);
    return failed;
}
