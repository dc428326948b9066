/* ama_crash.c - see ama_crash.h. What each thread handles is found by the signal's handler in a table of places; what is remembered of earlier processes is
 * behind a mutex, and is looked at only if there is anything. */
#include "actors/base/ama_crash.h"

#include "actors/base/ama_parking.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PLACES = 64, STACK = 32 << 10 };

static const int deadly[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

static int watching = -1; /* the file, open */
static char *path;
static struct sigaction before[sizeof deadly / sizeof *deadly];
static _Atomic (ama_crash_work_t *) places[PLACES];
static _Thread_local int my_place = -1;
static _Thread_local bool has_stack;
/* A stack that overflowed is a crash, too. */
static _Thread_local _Alignas(64) char my_stack[STACK];

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static ama_parking_t *parking;
static atomic_bool any; /* remembered */

static int64_t now_ms (clockid_t clock)
{
    struct timespec at;

    (void) clock_gettime (clock, &at);
    return (int64_t) at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

static ama_digest_t digest_of (const char *what, const void *input, size_t size)
{
    ama_digest_state_t state;

    ama_digest_start (&state);
    ama_digest_add (&state, what, strlen (what) + 1);
    ama_digest_add (&state, input, size);
    return ama_digest_end (&state);
}

/* ---- in the handler: nothing but what may be called there ---- */

static char *put_text (char *at, const char *end, const char *text)
{
    while (*text && at < end)
        *at++ = *text++;
    return at;
}

static char *put_number (char *at, const char *end, int64_t number)
{
    char digits[24], *first = digits + sizeof digits - 1;

    *first = '\0';
    do
        *--first = (char) ('0' + number % 10);
    while (number /= 10);
    return put_text (at, end, first);
}

static void note (const ama_crash_work_t *work, int signal_no)
{
    char line[AMA_DIGEST_TEXT + AMA_PARKING_HOW + 32], hex[AMA_DIGEST_TEXT], *at = line;
    const char *end = line + sizeof line - 32;
    ama_digest_t digest = digest_of (work->what, work->input, work->size);

    at = put_text (at, end, ama_digest_text (&digest, hex));
    at = put_text (at, end, " 1 ");
    at = put_number (at, end, now_ms (CLOCK_REALTIME));
    at = put_text (at, end, " ");
    at = put_text (at, end, work->what);
    at = put_text (at, line + sizeof line - 1, ": signal ");
    at = put_number (at, line + sizeof line - 1, signal_no);
    *at++ = '\n';
    if (write (watching, line, (size_t) (at - line)) < 0)
        return; /* nobody is left to be told */
}

static void on_deadly (int signal_no, siginfo_t *info, void *context)
{
    const ama_crash_work_t *mine = my_place < 0 ? NULL : atomic_load (&places[my_place]);
    bool from_outside = info->si_code == SI_USER && info->si_pid != getpid ();

    (void) context;
    if (mine && !from_outside)
        note (mine, signal_no);
    for (size_t i = 0; from_outside && i < PLACES; i++) {
        const ama_crash_work_t *its = atomic_load (&places[i]);
        if (its && now_ms (CLOCK_MONOTONIC) - its->since_ms >= AMA_CRASH_HUNG_MS)
            note (its, signal_no);
    }
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
        if (deadly[i] == signal_no)
            (void) sigaction (signal_no, &before[i], NULL);
    (void) raise (signal_no);
}

/* ---- before it comes to that ---- */

int ama_crash_watch (const char *file, ama_err_t *err)
{
    struct sigaction action = { .sa_sigaction = on_deadly, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };

    path = ama_strdup (file);
    parking = ama_parking_new (file, now_ms (CLOCK_REALTIME));
    atomic_store (&any, ama_parking_count (parking) > 0);
    watching = open (file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (watching < 0)
        return ama_err_set (err, AMA_E_IO, "%s: %s", file, strerror (errno));
    (void) sigemptyset (&action.sa_mask);
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
        BUG_ON (sigaction (deadly[i], &action, &before[i]) < 0);
    return 0;
}

static void claim_place (ama_crash_work_t *work)
{
    for (int i = 0; i < PLACES; i++) {
        ama_crash_work_t *none = NULL;
        if (atomic_compare_exchange_strong (&places[i], &none, work)) {
            my_place = i;
            return;
        }
    }
}

/* Whoever has given this thread one, as sanitizers do, takes it back at its end. */
static void need_stack (void)
{
    stack_t given;

    has_stack = true;
    if (sigaltstack (NULL, &given) == 0 && given.ss_flags & SS_DISABLE)
        (void) sigaltstack (&(stack_t){ .ss_sp = my_stack, .ss_size = sizeof my_stack }, NULL);
}

void ama_crash_begin (ama_crash_work_t *work, const char *what, const void *input, size_t size)
{
    *work = (ama_crash_work_t){ .what = what, .input = input, .size = size };
    if (watching < 0)
        return;
    if (!has_stack)
        need_stack ();
    work->since_ms = now_ms (CLOCK_MONOTONIC);
    if (my_place < 0) {
        claim_place (work);
        return;
    }
    work->outer = atomic_load (&places[my_place]);
    atomic_store (&places[my_place], work);
}

/* The file is another one now. */
static void reopen (void)
{
    int fd = open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return; /* what this process dies of is not counted */
    (void) dup3 (fd, watching, O_CLOEXEC);
    (void) close (fd);
}

static void survived (const ama_crash_work_t *work)
{
    const ama_digest_t digest = digest_of (work->what, work->input, work->size);

    (void) pthread_mutex_lock (&mutex);
    if (ama_parking_survived (parking, &digest))
        reopen ();
    atomic_store (&any, ama_parking_count (parking) > 0);
    (void) pthread_mutex_unlock (&mutex);
}

void ama_crash_end (ama_crash_work_t *work)
{
    if (watching < 0)
        return;
    if (my_place >= 0) {
        atomic_store (&places[my_place], work->outer);
        if (!work->outer)
            my_place = -1;
    }
    if (atomic_load (&any))
        survived (work);
}

int ama_crash_check (const char *what, const void *input, size_t size, ama_err_t *err)
{
    ama_digest_t digest;
    int rc;

    if (watching < 0 || !atomic_load (&any))
        return 0;
    digest = digest_of (what, input, size);
    (void) pthread_mutex_lock (&mutex);
    rc = ama_parking_check (parking, &digest, now_ms (CLOCK_REALTIME), err);
    (void) pthread_mutex_unlock (&mutex);
    return rc;
}
