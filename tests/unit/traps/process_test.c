/* process_test.c - what the child processes of the runtime rely on in kernel, glibc and libzmq (ama_child.c) */
#include "tests/unit/traps/trap.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <zmq.h>

static int forks;

static void count_fork (void)
{
    forks++;
}

static pid_t spawn (const char *script)
{
    char *argv[] = { "sh", "-c", (char *) script, NULL };
    pid_t pid = 0;

    SHOW (posix_spawnp (&pid, "sh", NULL, NULL, argv, environ) == 0);
    return pid;
}

/* posix_spawn does not run atfork handlers: those of libraries can not break between start and exec. */
static void spawn_is_not_fork (void)
{
    pid_t pid;

    SHOW (pthread_atfork (count_fork, count_fork, NULL) == 0);
    pid = spawn ("exit 0");
    SHOW (waitpid (pid, NULL, 0) == pid);
    SHOW (forks == 0);
    if ((pid = fork ()) == 0)
        _exit (0);
    SHOW (waitpid (pid, NULL, 0) == pid);
    SHOW (forks == 2);
}

/* An end is seen by poll on a pidfd; with WNOWAIT it can be read before the process is reaped, and its number stays taken. */
static void pidfd_tells_the_end (void)
{
    pid_t pid = spawn ("exit 7");
    struct pollfd fd = { .fd = pidfd_open (pid, 0), .events = POLLIN };
    siginfo_t info = { 0 };

    SHOW (fd.fd >= 0 && fcntl (fd.fd, F_GETFD) & FD_CLOEXEC);
    SHOW (poll (&fd, 1, 5000) == 1 && fd.revents & POLLIN);
    SHOW (waitid (P_PIDFD, (id_t) fd.fd, &info, WEXITED | WNOWAIT) == 0 && info.si_status == 7);
    SHOW (kill (pid, 0) == 0); /* a zombie, still there to be signalled */
    SHOW (waitid (P_PIDFD, (id_t) fd.fd, &info, WEXITED) == 0);
    SHOW (kill (pid, 0) < 0);
}

/* Every descriptor of libzmq is close-on-exec. */
static void descriptors_of_libzmq (void)
{
    void *zmq = zmq_ctx_new (), *socket = zmq_socket (zmq, ZMQ_ROUTER);
    int seen = 0;

    SHOW (zmq_bind (socket, "tcp://127.0.0.1:*") == 0);
    for (int fd = 3; fd < 256; fd++) {
        char path[64], target[256] = "";
        int flags = fcntl (fd, F_GETFD);
        (void) snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
        if (flags < 0 || readlink (path, target, sizeof target - 1) < 0)
            continue;
        if (strstr (target, "socket:") || strstr (target, "eventfd") || strstr (target, "eventpoll")) {
            SHOW (flags & FD_CLOEXEC);
            seen++;
        }
    }
    SHOW (seen >= 3);
}

TRAP (spawn_is_not_fork)
TRAP (pidfd_tells_the_end)
TRAP (descriptors_of_libzmq)

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_spawn_is_not_fork),
        cmocka_unit_test (test_pidfd_tells_the_end),
        cmocka_unit_test (test_descriptors_of_libzmq),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
