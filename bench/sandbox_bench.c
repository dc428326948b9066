/* sandbox_bench.c - what the sandbox costs a shell action: from the start of its child to the first thing its first command says
 *
 * sandbox_bench [N]: a line of JSON for each of off and standard, taken in turns so that both see the same machine.
 */
#include "actors/base/ama_str.h"
#include "actors/runtime/ama_spawn.h"
#include "agent/sandbox.h"
#include "agent/sandbox_filter.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { N = 400, N_MAX = 100000 };

extern char **environ;

static int64_t now_ns (void)
{
    struct timespec at;

    (void) clock_gettime (CLOCK_MONOTONIC, &at);
    return (int64_t) at.tv_sec * 1000000000 + at.tv_nsec;
}

/* As ama_ward.c and its child do, on a thread that does nothing else than to start the child. */
static int enter (void *arg)
{
    const ama_confine_handed_t *handed = arg;
    int rc = ama_sandbox_give_up (ama_sandbox_filter_works ());

    return !rc && handed->ruleset >= 0 && syscall (SYS_landlock_restrict_self, handed->ruleset, 0) < 0 ? errno : rc;
}

/* Nanoseconds; negative if it did not work. */
static int64_t once (ama_sandbox_t *sandbox, const char *dir, const char *output)
{
    const char *const argv[] = { "/bin/bash", "-c", "echo x; exit", NULL };
    ama_str_t note = { 0 };
    ama_confine_handed_t handed;
    bool confined = ama_sandbox_level (sandbox) != AMA_SANDBOX_LEVEL_NONE;
    posix_spawn_file_actions_t actions;
    ama_confine_t *confine;
    int64_t begun, said = -1;
    int pipes[2], status;
    pid_t pid;
    char byte;

    if (pipe (pipes) < 0)
        return -1;
    (void) posix_spawn_file_actions_init (&actions);
    (void) posix_spawn_file_actions_adddup2 (&actions, pipes[1], STDOUT_FILENO);
    (void) posix_spawn_file_actions_addclose (&actions, pipes[0]);
    begun = now_ns ();
    confine = ama_confine_new (sandbox);
    ama_confine_write (confine, dir);
    ama_confine_job_write (confine, "outputRootPath", output, &note);
    if (ama_confine_hand (confine, &handed, NULL) == 0
        && ama_spawn (&(ama_spawn_t){ .argv = argv,
                                      .env = environ,
                                      .actions = &actions,
                                      .enter = confined ? enter : NULL,
                                      .enter_arg = &handed },
                      &pid)
               == 0) {
        ama_confine_destroy (&confine);
        (void) close (pipes[1]);
        pipes[1] = -1;
        if (read (pipes[0], &byte, 1) == 1)
            said = now_ns () - begun;
        (void) waitpid (pid, &status, 0);
    }
    ama_confine_destroy (&confine);
    ama_str_done (&note);
    (void) posix_spawn_file_actions_destroy (&actions);
    (void) close (pipes[0]);
    if (pipes[1] >= 0)
        (void) close (pipes[1]);
    return said;
}

static int by_size (const void *a, const void *b)
{
    int64_t left = *(const int64_t *) a, right = *(const int64_t *) b;

    return left < right ? -1 : left > right;
}

static void tell (const ama_sandbox_t *sandbox, int64_t *ns, size_t n)
{
    qsort (ns, n, sizeof *ns, by_size);
    (void) printf ("{\"sandbox\":\"%s\",\"n\":%zu,\"us\":{\"min\":%" PRId64 ",\"p50\":%" PRId64 ",\"p90\":%" PRId64
                   ",\"p99\":%" PRId64 "}}\n",
                   ama_sandbox_level_name (ama_sandbox_level (sandbox)), n, ns[0] / 1000, ns[n / 2] / 1000,
                   ns[n * 9 / 10] / 1000, ns[n * 99 / 100] / 1000);
}

int main (int argc, char **argv)
{
    long wanted = argc > 1 ? strtol (argv[1], NULL, 10) : N;
    size_t n = wanted > 0 && wanted <= N_MAX ? (size_t) wanted : N;
    const ama_sandbox_conf_t off = { .off = true }, on = { .path = getenv ("PATH") };
    ama_sandbox_t *sandboxes[] = { ama_sandbox_new (&off), ama_sandbox_new (&on) };
    int64_t *ns[] = { ama_calloc (n, sizeof **ns), ama_calloc (n, sizeof **ns) };
    char dir[] = "/tmp/ama-bench-XXXXXX";
    bool ok = mkdtemp (dir) != NULL;

    for (size_t i = 0; ok && i < n; i++)
        for (size_t k = 0; k < 2; k++)
            ok = (ns[k][i] = once (sandboxes[k], dir, dir)) > 0 && ok;
    for (size_t k = 0; k < 2; k++) {
        if (ok)
            tell (sandboxes[k], ns[k], n);
        free (ns[k]);
        ama_sandbox_destroy (&sandboxes[k]);
    }
    (void) rmdir (dir);
    return ok ? 0 : 1;
}
