/* crash_test.c - processes that die of an input, in every way there is, and what the next one knows of it */
#include "actors/base/ama_crash.h"
#include "actors/base/ama_str.h"
#include "tests/unit/table.h"

#ifdef AMA_COVERAGE
#include <gcov.h>
#endif
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef enum { NOTHING, FAULT, ABORT, BUG, DEEP, KILL, IDLE_FAULT, BESIDE, INNER, WATCHDOG } death_t;

static char folder[32], file[64];

static int make_file (void **state)
{
    (void) state;
    (void) snprintf (folder, sizeof folder, "/tmp/ama-crash-XXXXXX");
    if (!mkdtemp (folder))
        return -1;
    (void) snprintf (file, sizeof file, "%s/it", folder);
    return 0;
}

static int drop_file (void **state)
{
    (void) state;
    (void) unlink (file);
    return rmdir (folder);
}

#ifdef AMA_COVERAGE
static void dump (int signal_no)
{
    __gcov_dump ();
    (void) signal (signal_no, SIG_DFL);
    (void) raise (signal_no);
}
#endif

/* A process that dies by a signal does not say which lines it ran, and here all do. */
static void leave_counts (void)
{
#ifdef AMA_COVERAGE
    static const int deadly[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
    const struct sigaction action = { .sa_handler = dump, .sa_flags = SA_ONSTACK | SA_NODEFER };

    for (size_t i = 0; i < ARRAY_SIZE (deadly); i++)
        (void) sigaction (deadly[i], &action, NULL);
#endif
}

static void die_deep (volatile char *above)
{
    volatile char here[4096];

    here[0] = above[0];
    here[sizeof here - 1] = here[0];
    if (!here[0]) /* as ever */
        die_deep (here);
}

static void *handle_beside (void *arg)
{
    ama_crash_work_t work;

    ama_crash_begin (&work, "beside", "b", 1);
    (void) pthread_barrier_wait (arg);
    for (;;)
        (void) pause ();
    return NULL;
}

static void start_beside (void)
{
    static pthread_barrier_t barrier;
    pthread_t thread;

    (void) pthread_barrier_init (&barrier, NULL, 2);
    (void) pthread_create (&thread, NULL, handle_beside, &barrier);
    (void) pthread_barrier_wait (&barrier);
}

/* Somebody's SIGABRT, long after the work began; that is pretended. */
static void be_shot (ama_crash_work_t *work)
{
    pid_t shooter, me = getpid ();

    work->since_ms -= AMA_CRASH_HUNG_MS;
    shooter = fork ();
    if (shooter == 0) {
        (void) kill (me, SIGABRT);
        _exit (0);
    }
    (void) waitpid (shooter, NULL, 0);
    for (;;)
        (void) pause ();
}

static void die (death_t how, ama_crash_work_t *work)
{
    ama_crash_work_t inner;
    volatile int *nowhere = mmap (NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    switch (how) {
    case NOTHING:
        return;
    case ABORT:
        abort ();
    case BUG:
        BUG_ON (how == BUG);
        return;
    case DEEP:
        die_deep ((char[1]){ 0 });
        return;
    case KILL:
        (void) raise (SIGKILL);
        return;
    case BESIDE:
        start_beside ();
        break;
    case INNER:
        ama_crash_begin (&inner, "within", "w", 1);
        break;
    case WATCHDOG:
        start_beside ();
        be_shot (work);
        return;
    case FAULT:
    case IDLE_FAULT:
        break;
    }
    *nowhere = 1;
}

/* One process that handles `input`; returns what it was: 0 handled, 1 parked, or minus the signal of its end. */
static int one_process (death_t how)
{
    pid_t child = fork ();
    int status;

    if (child == 0) {
        ama_crash_work_t work;
        ama_err_t err = { 0 };
        const struct rlimit stack = { 1 << 20, 1 << 20 };

        (void) setrlimit (RLIMIT_STACK, &stack);
        (void) signal (SIGSEGV, SIG_DFL); /* cmocka has its own */
        leave_counts ();
        if (!freopen ("/dev/null", "w", stderr) || ama_crash_watch (file, &err) < 0)
            _exit (9);
        if (ama_crash_check ("the work", "input", 5, &err) < 0)
            _exit (strstr (err.text, "the work: signal") ? 1 : 8);
        ama_crash_begin (&work, "the work", "input", 5);
        if (how == IDLE_FAULT)
            ama_crash_end (&work);
        die (how, &work);
        ama_crash_end (&work);
        _exit (0);
    }
    assert_int_equal (waitpid (child, &status, 0), child);
    return WIFSIGNALED (status) ? -WTERMSIG (status) : WEXITSTATUS (status);
}

static size_t lines_with (const char *text)
{
    FILE *stream = fopen (file, "r");
    char line[1024];
    size_t n = 0;

    while (stream && fgets (line, sizeof line, stream))
        n += strstr (line, text) != NULL;
    if (stream)
        (void) fclose (stream);
    return n;
}

static void every_way (void **state)
{
    static const struct {
        const char *what;
        death_t how;
        int signal_no;
        const char *counted; /* and nothing else */
    } ways[] = {
        { "a fault", FAULT, SIGSEGV, "the work" },
        { "an abort", ABORT, SIGABRT, "the work" },
        { "a bug", BUG, SIGABRT, "the work" },
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* which have stacks of their own */
        { "a stack that is used up", DEEP, SIGSEGV, "the work" },
#endif
        { "an innermost one", INNER, SIGSEGV, "within" },
        { "one beside another", BESIDE, SIGSEGV, "the work" },
        { "one that hangs and is ended", WATCHDOG, SIGABRT, "the work" },
        { "an end from outside", KILL, SIGKILL, NULL },
        { "a fault when nothing is handled", IDLE_FAULT, SIGSEGV, NULL },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (ways); i++) {
        int ended = one_process (ways[i].how);
        ROW_ASSERT (ways[i].what, ended == -ways[i].signal_no);
        ROW_ASSERT (ways[i].what, lines_with (": signal ") == (ways[i].counted ? 1 : 0));
        ROW_ASSERT (ways[i].what, !ways[i].counted || lines_with (ways[i].counted) == 1);
        (void) unlink (file);
    }
}

static void parked_after_three (void **state)
{
    (void) state;
    for (int i = 0; i < 3; i++)
        assert_int_equal (one_process (ABORT), -SIGABRT);
    assert_int_equal (one_process (ABORT), 1);
    assert_int_equal (one_process (NOTHING), 1);
    assert_int_equal (lines_with ("the work: signal 6"), 3);
}

/* What is handled well after two crashes begins anew, and the file goes on to be written. */
static void in_a_row (void **state)
{
    (void) state;
    (void) unlink (file);
    for (int round = 0; round < 2; round++) {
        assert_int_equal (one_process (ABORT), -SIGABRT);
        assert_int_equal (one_process (ABORT), -SIGABRT);
        assert_int_equal (one_process (NOTHING), 0);
        assert_int_equal (lines_with ("the work"), 0);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_way),
        cmocka_unit_test (parked_after_three),
        cmocka_unit_test (in_a_row),
    };

    return cmocka_run_group_tests (tests, make_file, drop_file);
}
