/* loop_test.c - timers, deferred calls, watches and fairness of the loop, with a clock the test moves */
#include "tests/unit/runtime/rt_test.h"

#include "actors/runtime/ama_loop.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <zmq.h>

/* ---- a clock, and timers that write down their firing ---- */

typedef struct {
    ama_clock_t clock;
    int64_t ms;
} hand_clock_t;

static int64_t hand_us (const ama_clock_t *clock)
{
    return ((const hand_clock_t *) clock)->ms * 1000;
}

static hand_clock_t hand_clock (void)
{
    return (hand_clock_t){ { hand_us, hand_us }, 1000 };
}

typedef struct mark mark_t;
struct mark {
    char name;
    char *log;
    ama_loop_t *loop;
    ama_timer_t *timer, *other;
    void (*then) (mark_t *mark);
};

static void on_mark (void *arg)
{
    mark_t *mark = arg;
    size_t used = strlen (mark->log);

    mark->log[used] = mark->name;
    mark->log[used + 1] = '\0';
    if (mark->then)
        mark->then (mark);
}

static void rearm_now (mark_t *mark)
{
    ama_timer_after (mark->timer, 0);
}

static void cancel_other (mark_t *mark)
{
    ama_timer_cancel (mark->other);
}

static void destroy_other (mark_t *mark)
{
    ama_timer_destroy (&mark->other);
}

static void destroy_self (mark_t *mark)
{
    ama_timer_destroy (&mark->timer);
}

/* ---- timers, as a table: arm NAME at MS, then the clock jumps; what fires in one turn ---- */

static const struct {
    const char *name;
    int a_ms, b_ms, c_ms; /* due after so many ms; -1: not armed */
    void (*then_a) (mark_t *mark);
    int jump_ms;
    const char *first, *second; /* fired in the first and in the second turn */
} timer_cases[] = {
    { "in the order of time", 30, 10, 20, NULL, 50, "bca", "" },
    { "equal times in the order of arming", 5, 5, 5, NULL, 5, "abc", "" },
    { "not before its time", 30, 10, 20, NULL, 19, "b", "" },
    { "never armed", -1, 10, -1, NULL, 50, "b", "" },
    { "armed for the past from inside: in the next turn", 1, 2, -1, rearm_now, 5, "ab", "a" },
    { "a cancelled one does not fire, though it was due", 1, 2, 3, cancel_other, 50, "ac", "" },
    { "a destroyed one neither", 1, 2, 3, destroy_other, 50, "ac", "" },
    { "one that destroys itself", 1, 2, 3, destroy_self, 50, "abc", "" },
    { "after a long stall once, not in a burst", 10, -1, -1, NULL, 100000, "a", "" },
};

static void test_timers (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (timer_cases); i++) {
        hand_clock_t clock = hand_clock ();
        ama_loop_t *loop = ama_loop_new (&clock.clock, false);
        char log[32] = "";
        mark_t a = { 'a', log, loop, NULL, NULL, timer_cases[i].then_a }, b = { 'b', log, loop, NULL, NULL, NULL },
               c = b;

        c.name = 'c';
        a.timer = ama_loop_timer (loop, on_mark, &a);
        b.timer = a.other = ama_loop_timer (loop, on_mark, &b);
        c.timer = ama_loop_timer (loop, on_mark, &c);
        if (timer_cases[i].a_ms >= 0)
            ama_timer_after (a.timer, timer_cases[i].a_ms);
        if (timer_cases[i].b_ms >= 0)
            ama_timer_after (b.timer, timer_cases[i].b_ms);
        if (timer_cases[i].c_ms >= 0)
            ama_timer_after (c.timer, timer_cases[i].c_ms);
        clock.ms += timer_cases[i].jump_ms;
        ama_loop_turn (loop, 0);
        if (strcmp (log, timer_cases[i].first) != 0)
            fail_msg ("%s: first \"%s\"", timer_cases[i].name, log);
        log[0] = '\0';
        ama_loop_turn (loop, 0);
        if (strcmp (log, timer_cases[i].second) != 0)
            fail_msg ("%s: second \"%s\"", timer_cases[i].name, log);
        ama_timer_destroy (&a.timer);
        if (a.other)
            ama_timer_destroy (&b.timer);
        ama_timer_destroy (&c.timer);
        ama_loop_destroy (&loop);
    }
}

/* The heap against a list: random armings, cancels and jumps. */
enum { TIMERS = 200, ROUNDS = 3000 };

typedef struct {
    ama_timer_t *timer;
    int64_t due_ms; /* 0: not armed */
    hand_clock_t *clock;
    int64_t *last_ms;
    int fired;
} model_t;

static void on_model (void *arg)
{
    model_t *model = arg;

    assert_true (model->due_ms > 0 && model->due_ms <= model->clock->ms);
    assert_true (model->due_ms >= *model->last_ms);
    *model->last_ms = model->due_ms;
    model->due_ms = 0;
    model->fired++;
}

static void test_timers_random (void **state)
{
    hand_clock_t clock = hand_clock ();
    ama_loop_t *loop = ama_loop_new (&clock.clock, false);
    model_t models[TIMERS];
    unsigned seed = (unsigned) getpid ();
    int64_t last_ms;

    (void) state;
    for (int i = 0; i < TIMERS; i++)
        models[i] = (model_t){ ama_loop_timer (loop, on_model, &models[i]), 0, &clock, &last_ms, 0 };
    for (int round = 0; round < ROUNDS; round++) {
        for (int k = 0; k < 5; k++) {
            model_t *model = &models[rand_r (&seed) % TIMERS];
            model->due_ms = rand_r (&seed) % 3 ? clock.ms + rand_r (&seed) % 300 : 0;
            if (model->due_ms)
                ama_timer_at (model->timer, model->due_ms);
            else
                ama_timer_cancel (model->timer);
        }
        clock.ms += rand_r (&seed) % 20;
        last_ms = 0;
        ama_loop_turn (loop, 0);
        for (int i = 0; i < TIMERS; i++)
            if (models[i].due_ms && models[i].due_ms <= clock.ms)
                fail_msg ("seed %u: a timer that was due did not fire", seed);
    }
    for (int i = 0; i < TIMERS; i++) {
        assert_true (models[i].fired > 0);
        ama_timer_destroy (&models[i].timer);
    }
    ama_loop_destroy (&loop);
}

/* ---- deferred calls ---- */

static void defer_again (mark_t *mark)
{
    ama_loop_defer (mark->loop, on_mark, mark);
    ama_loop_defer (mark->loop, on_mark, mark); /* kept once */
}

static void stop_loop (void *arg)
{
    ama_loop_stop (arg);
}

static void test_deferred (void **state)
{
    ama_loop_t *loop = ama_loop_new (ama_clock_system (), false);
    char log[32] = "";
    mark_t a = { 'a', log, loop, NULL, NULL, defer_again }, b = { 'b', log, loop, NULL, NULL, NULL };

    (void) state;
    ama_loop_defer (loop, on_mark, &a);
    ama_loop_defer (loop, on_mark, &b);
    ama_loop_defer (loop, on_mark, &a);
    ama_loop_turn (loop, 0);
    assert_string_equal (log, "ab");
    ama_loop_turn (loop, 10000); /* does not wait: there is a call */
    assert_string_equal (log, "aba");
    ama_loop_forget (loop, &a);
    ama_loop_defer (loop, stop_loop, loop);
    ama_loop_run (loop);
    assert_string_equal (log, "aba");
    ama_loop_destroy (&loop);
}

/* ---- descriptors ---- */

typedef struct {
    ama_loop_t *loop;
    ama_watch_t *watch, *other;
    int count;
} watcher_t;

static void on_event (int fd, short revents, void *arg)
{
    watcher_t *watcher = arg;

    (void) fd;
    assert_true (revents & POLLIN);
    watcher->count++;
    ama_watch_destroy (&watcher->other);
}

static void test_watches (void **state)
{
    ama_loop_t *loop = ama_loop_new (ama_clock_system (), false);
    int fd = eventfd (1, EFD_CLOEXEC), fd2 = eventfd (1, EFD_CLOEXEC);
    watcher_t a = { .loop = loop }, b = { .loop = loop }, c = { .loop = loop };

    (void) state;
    a.watch = ama_loop_watch (loop, fd, POLLIN, on_event, &a);
    b.watch = ama_loop_watch (loop, fd, POLLIN, on_event, &b); /* one descriptor, two watches */
    ama_loop_turn (loop, 1000);
    ama_loop_turn (loop, 1000); /* level-triggered */
    assert_int_equal (a.count, 2);
    assert_int_equal (b.count, 2);
    ama_watch_set (a.watch, 0);
    ama_loop_turn (loop, 1000);
    assert_int_equal (a.count, 2);
    assert_int_equal (b.count, 3);
    /* both are ready in one turn; whichever is called first destroys the other, which must not be called any more */
    ama_watch_set (a.watch, POLLIN);
    ama_watch_destroy (&b.watch);
    c.watch = ama_loop_watch (loop, fd2, POLLIN, on_event, &c);
    a.count = 0;
    a.other = c.watch;
    c.other = a.watch;
    ama_loop_turn (loop, 1000);
    assert_int_equal (a.count + c.count, 1);
    if (a.count)
        ama_watch_destroy (&a.watch);
    else
        ama_watch_destroy (&c.watch);
    (void) close (fd);
    (void) close (fd2);
    ama_loop_destroy (&loop);
}

/* A program's input may be a file. */
static void test_regular_file (void **state)
{
    ama_loop_t *loop = ama_loop_new (ama_clock_system (), false);
    int fd = open ("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    watcher_t watcher = { .loop = loop };

    (void) state;
    watcher.watch = ama_loop_watch (loop, fd, POLLIN, on_event, &watcher);
    ama_loop_turn (loop, 10000);
    ama_loop_turn (loop, 10000);
    assert_int_equal (watcher.count, 2);
    ama_watch_set (watcher.watch, 0);
    ama_loop_turn (loop, 10);
    assert_int_equal (watcher.count, 2);
    ama_watch_destroy (&watcher.watch);
    (void) close (fd);
    ama_loop_destroy (&loop);
}

static void count_wake (void *arg)
{
    ++*(int *) arg;
}

static void *wake_it (void *arg)
{
    ama_loop_wake (arg);
    return NULL;
}

static void test_wake (void **state)
{
    ama_loop_t *loop = ama_loop_new (ama_clock_system (), false);
    pthread_t thread;
    int wakes = 0;

    (void) state;
    ama_loop_on_wake (loop, count_wake, &wakes);
    assert_int_equal (pthread_create (&thread, NULL, wake_it, loop), 0);
    ama_loop_turn (loop, 10000);
    (void) pthread_join (thread, NULL);
    assert_int_equal (wakes, 1);
    ama_loop_wake (loop);
    ama_loop_wake (loop);
    ama_loop_turn (loop, 10000);
    assert_int_equal (wakes, 2);
    ama_loop_destroy (&loop);
}

/* ---- fairness: a flooded socket, and a quiet one with a watch and a timer beside it ---- */

typedef struct {
    void *socket;
    int received, turns_with_much;
} inbox_t;

static bool read_inbox (void *arg, int budget)
{
    inbox_t *inbox = arg;
    char buf[8];

    for (int n = 0; n < budget; n++, inbox->received++)
        if (zmq_recv (inbox->socket, buf, sizeof buf, ZMQ_DONTWAIT) < 0)
            return false;
    inbox->turns_with_much++;
    return true;
}

static void test_fairness (void **state)
{
    void *zmq = zmq_ctx_new ();
    ama_loop_t *loop = ama_loop_new (ama_clock_system (), false);
    inbox_t busy = { zmq_socket (zmq, ZMQ_PULL), 0, 0 }, quiet = { zmq_socket (zmq, ZMQ_PULL), 0, 0 };
    void *flood = zmq_socket (zmq, ZMQ_PUSH), *drip = zmq_socket (zmq, ZMQ_PUSH);
    ama_source_t *a, *b;
    int fd = eventfd (1, EFD_CLOEXEC), none = 0;
    watcher_t watcher = { .loop = loop };
    char log[32] = "";
    mark_t mark = { 't', log, loop, NULL, NULL, NULL };

    (void) state;
    (void) zmq_setsockopt (flood, ZMQ_SNDHWM, &none, sizeof none);
    (void) zmq_setsockopt (busy.socket, ZMQ_RCVHWM, &none, sizeof none);
    assert_int_equal (zmq_bind (busy.socket, "inproc://busy") | zmq_connect (flood, "inproc://busy"), 0);
    assert_int_equal (zmq_bind (quiet.socket, "inproc://quiet") | zmq_connect (drip, "inproc://quiet"), 0);
    a = ama_loop_source (loop, busy.socket, read_inbox, NULL, &busy);
    b = ama_loop_source (loop, quiet.socket, read_inbox, NULL, &quiet);
    watcher.watch = ama_loop_watch (loop, fd, POLLIN, on_event, &watcher);
    mark.timer = ama_loop_timer (loop, on_mark, &mark);
    for (int i = 0; i < 10000; i++)
        (void) zmq_send (flood, "x", 1, 0);
    (void) zmq_send (drip, "y", 1, 0);
    ama_timer_after (mark.timer, 0);
    ama_loop_turn (loop, 0);
    ama_loop_turn (loop, 0);
    /* after two turns everybody had his turn, and the flood is far from over */
    assert_int_equal (quiet.received, 1);
    assert_true (watcher.count >= 1);
    assert_string_equal (log, "t");
    assert_in_range (busy.received, 1, 1000);
    for (int i = 0; i < 1000 && busy.received < 10000; i++)
        ama_loop_turn (loop, 1000);
    assert_int_equal (busy.received, 10000);
    ama_timer_destroy (&mark.timer);
    ama_watch_destroy (&watcher.watch);
    ama_source_destroy (&a);
    ama_source_destroy (&b);
    ama_loop_destroy (&loop);
    (void) close (fd);
    (void) zmq_close (busy.socket);
    (void) zmq_close (quiet.socket);
    (void) zmq_close (flood);
    (void) zmq_close (drip);
    (void) zmq_ctx_term (zmq);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_timers),   cmocka_unit_test (test_timers_random), cmocka_unit_test (test_deferred),
        cmocka_unit_test (test_watches),  cmocka_unit_test (test_wake),          cmocka_unit_test (test_regular_file),
        cmocka_unit_test (test_fairness),
    };
    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
