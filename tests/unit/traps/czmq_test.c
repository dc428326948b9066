/* czmq_test.c - traps of czmq. Together they are why the runtime uses libzmq directly, with a loop and threads of its own */
#include "tests/unit/traps/trap.h"

#include <czmq.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

/* ---- signals ---- */

static bool is_default (int signal)
{
    struct sigaction action;

    return sigaction (signal, NULL, &action) == 0 && action.sa_handler == SIG_DFL;
}

/* The first socket takes SIGINT and SIGTERM. */
static void takes_signals (void)
{
    zsock_t *socket;

    SHOW (is_default (SIGTERM) && is_default (SIGINT));
    socket = zsock_new (ZMQ_PULL);
    SHOW (!is_default (SIGTERM) && !is_default (SIGINT));
    zsock_destroy (&socket);
}

static void takes_none_if_told (void)
{
    zsock_t *socket;

    zsys_handler_set (NULL);
    socket = zsock_new (ZMQ_PULL);
    SHOW (is_default (SIGTERM) && is_default (SIGINT));
    zsock_destroy (&socket);
}

static void nothing (int signal)
{
    (void) signal;
}

static void *signal_main (void *arg)
{
    (void) usleep (100000);
    (void) pthread_kill (*(pthread_t *) arg, SIGUSR1);
    return NULL;
}

static int too_late (zloop_t *loop, int id, void *arg)
{
    (void) loop, (void) id;
    *(bool *) arg = true;
    return -1;
}

/* A loop that must not stop for signals stops for one. Ours looks at EINTR and goes on. */
static void eintr_ends_the_loop (void)
{
    struct sigaction action = { .sa_handler = nothing, .sa_flags = SA_RESTART };
    pthread_t self = pthread_self (), thread;
    zloop_t *loop;
    bool lasted = false;

    zsys_handler_set (NULL);
    (void) sigaction (SIGUSR1, &action, NULL);
    loop = zloop_new ();
    zloop_set_nonstop (loop, true);
    (void) zloop_timer (loop, 3000, 1, too_late, &lasted);
    (void) pthread_create (&thread, NULL, signal_main, &self);
    (void) zloop_start (loop);
    SHOW (!lasted);
    (void) pthread_join (thread, NULL);
    zloop_destroy (&loop);
}

/* ---- actors ---- */

static atomic_bool still_running;

static void busy_actor (zsock_t *pipe, void *arg)
{
    (void) arg;
    (void) zsock_signal (pipe, 0);
    still_running = true;
    for (int i = 0; i < 50; i++)
        (void) usleep (100000); /* does not look at its pipe */
    still_running = false;
}

/* Destroying an actor whose pipe is full returns at once, and its thread goes on. */
static void destroy_leaves_the_thread (void)
{
    zactor_t *actor;
    int64_t start;

    zsys_handler_set (NULL);
    zsys_set_pipehwm (1);
    actor = zactor_new (busy_actor, NULL);
    while (!still_running)
        zclock_sleep (1);
    zsock_set_sndtimeo (actor, 0);
    while (zstr_send (actor, "x") == 0) {
    }
    start = zclock_mono ();
    zactor_destroy (&actor);
    SHOW (zclock_mono () - start < 1000);
    SHOW (still_running);
}

static void failing_actor (zsock_t *pipe, void *arg)
{
    (void) arg;
    (void) zsock_signal (pipe, 42); /* "I could not start" */
}

static void start_error_is_ignored (void)
{
    zactor_t *actor;

    zsys_handler_set (NULL);
    actor = zactor_new (failing_actor, NULL);
    SHOW (actor != NULL);
    zactor_destroy (&actor);
}

static void silent_actor (zsock_t *pipe, void *arg)
{
    (void) zsock_signal (pipe, 0);
    while (!atomic_load ((atomic_bool *) arg))
        (void) usleep (1000);
}

/* The pipe of an actor holds its high-water mark, and a thousand more on the other side. */
static void pipe_capacity_adds_up (void)
{
    zactor_t *actor;
    atomic_bool end = false;
    int accepted = 0;

    zsys_handler_set (NULL);
    zsys_set_pipehwm (5);
    actor = zactor_new (silent_actor, &end);
    zsock_set_sndtimeo (actor, 0);
    while (accepted < 5000 && zstr_send (actor, "x") == 0)
        accepted++;
    SHOW (accepted > 500 && accepted < 5000);
    end = true;
}

/* ---- timers ---- */

typedef struct {
    int fired, bursts;
    int64_t last_ms;
    zsock_t *socket;
} timers_t;

static int no_message (zloop_t *loop, zsock_t *reader, void *arg)
{
    (void) loop, (void) reader, (void) arg;
    return 0;
}

/* Cancels itself, and changes the set of readers as a handler well may. */
static int on_victim (zloop_t *loop, int id, void *arg)
{
    timers_t *timers = arg;

    timers->fired++;
    (void) zloop_timer_end (loop, id);
    zloop_reader_end (loop, timers->socket);
    (void) zloop_reader (loop, timers->socket, no_message, timers);
    return timers->fired == 7 ? -1 : 0;
}

static int end_loop (zloop_t *loop, int id, void *arg)
{
    (void) loop, (void) id, (void) arg;
    return -1;
}

/* A cancelled timer goes on firing as long as a timer's handler changes the set of readers. Ours is out of the heap at once (ama_timer.c). */
static void cancelled_timer_fires (void)
{
    timers_t timers = { 0 };
    zloop_t *loop;

    zsys_handler_set (NULL);
    timers.socket = zsock_new_pull ("@inproc://quiet");
    loop = zloop_new ();
    zloop_set_nonstop (loop, true);
    (void) zloop_reader (loop, timers.socket, no_message, &timers);
    (void) zloop_timer (loop, 5, 0, on_victim, &timers);
    (void) zloop_timer (loop, 2000, 1, end_loop, NULL);
    (void) zloop_start (loop);
    SHOW (timers.fired == 7);
    zloop_destroy (&loop);
    zsock_destroy (&timers.socket);
}

static int on_regular (zloop_t *loop, int id, void *arg)
{
    timers_t *timers = arg;
    int64_t now_ms = zclock_mono ();

    (void) loop, (void) id;
    if (timers->fired++ == 0) {
        zclock_sleep (90); /* the stall */
        now_ms = zclock_mono ();
    }
    else
        timers->bursts += now_ms - timers->last_ms < 5;
    timers->last_ms = now_ms;
    return timers->fired == 12 ? -1 : 0;
}

/* After a stall a timer of 10 ms makes up for what it has missed, in one go. Ours fire once per arming. */
static void timers_fire_in_bursts (void)
{
    timers_t timers = { 0 };
    zloop_t *loop;

    zsys_handler_set (NULL);
    loop = zloop_new ();
    zloop_set_nonstop (loop, true);
    (void) zloop_timer (loop, 10, 0, on_regular, &timers);
    (void) zloop_start (loop);
    SHOW (timers.bursts >= 4);
    zloop_destroy (&loop);
}

/* ---- turns ---- */

typedef struct {
    zsock_t *first, *second;
    int served;
} turns_t;

static int on_second (zloop_t *loop, zsock_t *reader, void *arg);

static int on_first (zloop_t *loop, zsock_t *reader, void *arg)
{
    turns_t *turns = arg;
    char *text = zstr_recv (reader);

    freen (text);
    turns->served++;
    zloop_reader_end (loop,
                      turns->second); /* as a handler well may: the round is broken off, and the next begins in front */
    (void) zloop_reader (loop, turns->second, on_second, turns);
    return turns->served == 50 ? -1 : 0;
}

static int on_second (zloop_t *loop, zsock_t *reader, void *arg)
{
    (void) loop, (void) reader;
    ((turns_t *) arg)->served = -1000;
    return -1;
}

/* The first socket is served as long as it has something, if its handler changes the set of readers; the second waits. In ours sockets take turns
 * in being first, and each has its budget (ama_loop.c). */
static void first_socket_starves_the_second (void)
{
    turns_t turns = { 0 };
    zsock_t *to_first, *to_second;
    zloop_t *loop;

    zsys_handler_set (NULL);
    turns.first = zsock_new_pull ("@inproc://first");
    turns.second = zsock_new_pull ("@inproc://second");
    to_first = zsock_new_push (">inproc://first");
    to_second = zsock_new_push (">inproc://second");
    for (int i = 0; i < 50; i++)
        (void) zstr_send (to_first, "x");
    (void) zstr_send (to_second, "x");
    loop = zloop_new ();
    zloop_set_nonstop (loop, true);
    (void) zloop_reader (loop, turns.first, on_first, &turns);
    (void) zloop_reader (loop, turns.second, on_second, &turns);
    (void) zloop_start (loop);
    SHOW (turns.served == 50);
    zloop_destroy (&loop);
    zsock_destroy (&to_first);
    zsock_destroy (&to_second);
    zsock_destroy (&turns.first);
    zsock_destroy (&turns.second);
}

/* ---- strings ---- */

/* A string of more than 255 bytes is cut, what follows it is garbage, and the call succeeds. Our codec is our own. */
static void bsend_cuts_strings (void)
{
    zsock_t *push, *pull;
    char text[301], *got = NULL;
    uint32_t after = 0;

    zsys_handler_set (NULL);
    push = zsock_new_push ("@inproc://b");
    pull = zsock_new_pull (">inproc://b");
    memset (text, 'a', 300);
    text[300] = '\0';
    SHOW (zsock_bsend (push, "s4", text, 7U) == 0);
    (void) zsock_brecv (pull, "s4", &got, &after);
    SHOW (!got || strlen (got) != 300 || after != 7);
    zsock_destroy (&push);
    zsock_destroy (&pull);
}

TRAP (takes_signals)
TRAP (takes_none_if_told)
TRAP (eintr_ends_the_loop)
TRAP (destroy_leaves_the_thread)
TRAP (start_error_is_ignored)
TRAP (pipe_capacity_adds_up)
TRAP (cancelled_timer_fires)
TRAP (timers_fire_in_bursts)
TRAP (first_socket_starves_the_second)
TRAP (bsend_cuts_strings)

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_takes_signals),
        cmocka_unit_test (test_takes_none_if_told),
        cmocka_unit_test (test_eintr_ends_the_loop),
        cmocka_unit_test (test_destroy_leaves_the_thread),
        cmocka_unit_test (test_start_error_is_ignored),
        cmocka_unit_test (test_pipe_capacity_adds_up),
        cmocka_unit_test (test_cancelled_timer_fires),
        cmocka_unit_test (test_timers_fire_in_bursts),
        cmocka_unit_test (test_first_socket_starves_the_second),
        cmocka_unit_test (test_bsend_cuts_strings),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
