/* ama_loop.c - the event loop: one epoll for everything, a heap of timers, deferred calls
 *
 * Used by each actor's thread, by the hub's, and (timers and deferred calls only) by the simulator. One thread; only
 * ama_loop_wake and what asks for a turn may be called from others.
 *
 * A turn: wait → timers that were due when it began → sockets, each up to a budget, starting with another one each turn → watches →
 * deferred calls. What is armed, deferred or sent during a turn is looked at in the next, so no source can starve another.
 *
 * A ZeroMQ socket's descriptor says only "look at me", and each send or receive may swallow that. So a socket is `hot` until a
 * receive answered EAGAIN with nothing sent since; while one is hot the loop does not block. Timers know their place in the heap:
 * a cancelled one is gone at once and can not fire any more.
 */
#include "actors/runtime/ama_loop.h"

#include "actors/base/ama_log.h"
#include "actors/runtime/ama_calls.h"
#include "actors/runtime/ama_timer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>
#include <zmq.h>

enum { EVENTS_PER_TURN = 64, BUDGET = 64, TIMERS_PER_TURN = 256, SLOW_HANDLER_US = 50000 };

typedef enum { KIND_WAKE, KIND_SOURCE, KIND_WATCH } kind_t;

struct ama_source {
    kind_t kind;
    ama_loop_t *loop;
    ama_source_t *prev, *next;
    void *socket;
    int fd;
    ama_source_fn *on_readable;
    void (*on_writable) (void *arg);
    void *arg;
    bool hot, paused, want_out, dead;
    bool look_again; /* asked for output while it was being served */
};

struct ama_watch {
    kind_t kind;
    ama_loop_t *loop;
    ama_watch_t *prev, *next;
    int fd;
    int own_fd; /* a duplicate, if the descriptor is watched twice; else -1 */
    short events;
    bool known;  /* epoll has it */
    bool always; /* epoll does not take regular files: they are ready all the time */
    bool dead;
    void (*fn) (int fd, short revents, void *arg);
    void *arg;
};

struct ama_loop {
    const ama_clock_t *clock;
    bool is_virtual, stopped;
    int epoll, wake;
    kind_t wake_kind; /* what epoll gives back for the wake-up descriptor */
    void (*on_wake) (void *arg);
    void *wake_arg;
    void (*after_each) (void *arg);
    void *after_arg;
    atomic_uint pinged, answered;
    int64_t turn_ms, lap_us;
    int64_t compared_ms,
        wall_ahead_ms; /* in which turn the clocks were compared, and how far the wall clock was ahead */
    ama_timers_t timers;
    ama_source_t *sources;
    ama_watch_t *watches;
    ama_source_t *dead_sources; /* destroyed during this turn: an event of the turn may still name them */
    ama_watch_t *dead_watches;
    unsigned n_sources, n_always, rotation;
    ama_calls_t deferred, running;
};

/* ---- life ---- */

ama_loop_t *ama_loop_new (const ama_clock_t *clock, bool is_virtual)
{
    ama_loop_t *loop = ama_calloc (1, sizeof *loop);
    struct epoll_event event = { .events = EPOLLIN };

    loop->clock = clock;
    loop->is_virtual = is_virtual;
    loop->epoll = loop->wake = -1;
    loop->wake_kind = KIND_WAKE;
    loop->turn_ms = ama_mono_ms (clock);
    loop->compared_ms = INT64_MIN;
    ama_timers_init (&loop->timers, clock);
    if (is_virtual)
        return loop;
    loop->epoll = epoll_create1 (EPOLL_CLOEXEC);
    loop->wake = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
    event.data.ptr = &loop->wake_kind;
    if (loop->epoll < 0 || loop->wake < 0 || epoll_ctl (loop->epoll, EPOLL_CTL_ADD, loop->wake, &event) < 0)
        ama_loop_destroy (&loop); /* out of descriptors: the caller says so */
    return loop;
}

static void bury (ama_loop_t *loop)
{
    ama_watch_t *watch, *next_watch;
    ama_source_t *source, *next_source;

    LL_FOREACH_SAFE (loop->dead_watches, watch, next_watch)
    free (watch);
    LL_FOREACH_SAFE (loop->dead_sources, source, next_source)
    free (source);
    loop->dead_watches = NULL;
    loop->dead_sources = NULL;
}

void ama_loop_destroy (ama_loop_t **loop_p)
{
    ama_loop_t *loop = *loop_p;

    if (!loop)
        return;
    *loop_p = NULL;
    while (loop->watches) {
        ama_watch_t *watch = loop->watches;
        ama_watch_destroy (&watch);
    }
    while (loop->sources) {
        ama_source_t *source = loop->sources;
        ama_source_destroy (&source);
    }
    bury (loop);
    ama_timers_done (&loop->timers);
    if (loop->epoll >= 0)
        (void) close (loop->epoll);
    if (loop->wake >= 0)
        (void) close (loop->wake);
    ama_calls_done (&loop->deferred);
    ama_calls_done (&loop->running);
    free (loop);
}

const ama_clock_t *ama_loop_clock (const ama_loop_t *loop)
{
    return loop->clock;
}

bool ama_loop_is_virtual (const ama_loop_t *loop)
{
    return loop->is_virtual;
}

int64_t ama_loop_turn_ms (const ama_loop_t *loop)
{
    return loop->is_virtual ? ama_mono_ms (loop->clock) : loop->turn_ms;
}

int64_t ama_loop_wall_ms (ama_loop_t *loop, int64_t mono_ms)
{
    int64_t turn_ms = ama_loop_turn_ms (loop);

    if (loop->compared_ms != turn_ms) {
        loop->compared_ms = turn_ms;
        loop->wall_ahead_ms = ama_wall_ms (loop->clock) - ama_mono_ms (loop->clock);
    }
    return mono_ms + loop->wall_ahead_ms;
}

/* ---- waking up and stopping ---- */

void ama_loop_wake (ama_loop_t *loop)
{
    uint64_t one = 1;

    if (write (loop->wake, &one, sizeof one) < 0) {
        /* the counter is at its top: the loop will wake up anyhow */
    }
}

void ama_loop_on_wake (ama_loop_t *loop, void (*fn) (void *arg), void *arg)
{
    loop->on_wake = fn;
    loop->wake_arg = arg;
}

void ama_loop_after_each (ama_loop_t *loop, void (*fn) (void *arg), void *arg)
{
    loop->after_each = fn;
    loop->after_arg = arg;
}

static void after_each (ama_loop_t *loop, const char *what)
{
    if (loop->after_each)
        loop->after_each (loop->after_arg);
    ama_loop_lap (loop, "loop", what);
}

void ama_loop_ping (ama_loop_t *loop)
{
    (void) atomic_fetch_add (&loop->pinged, 1);
    ama_loop_wake (loop);
}

bool ama_loop_answered (const ama_loop_t *loop)
{
    return atomic_load (&loop->answered) == atomic_load (&loop->pinged);
}

void ama_loop_stop (ama_loop_t *loop)
{
    loop->stopped = true;
}

/* ---- deferred calls ---- */

void ama_loop_defer (ama_loop_t *loop, void (*fn) (void *arg), void *arg)
{
    ama_calls_add (&loop->deferred, fn, arg);
}

void ama_loop_forget (ama_loop_t *loop, const void *arg)
{
    ama_calls_forget (&loop->deferred, arg);
    ama_calls_forget (&loop->running, arg);
}

bool ama_loop_has_deferred (const ama_loop_t *loop)
{
    return loop->deferred.size > 0;
}

void ama_loop_run_deferred (ama_loop_t *loop)
{
    ama_calls_t now = loop->deferred;

    if (!now.size)
        return;
    /* swapped first: what the calls defer belongs to the next turn */
    loop->deferred = loop->running;
    loop->running = now;
    for (size_t i = 0; i < loop->running.size; i++) {
        ama_call_t call = loop->running.of[i];
        if (call.fn) {
            call.fn (call.arg);
            after_each (loop, "a deferred call");
        }
    }
    loop->running.size = 0;
}

/* ---- timers ---- */

ama_timer_t *ama_loop_timer (ama_loop_t *loop, void (*fn) (void *arg), void *arg)
{
    ama_timer_t *timer = ama_malloc (sizeof *timer);

    ama_timer_init (timer, &loop->timers, fn, arg);
    return timer;
}

ama_timers_t *ama_loop_timers (ama_loop_t *loop)
{
    return &loop->timers;
}

/* ---- watches ---- */

static uint32_t to_epoll (short events)
{
    return (events & POLLIN ? (uint32_t) EPOLLIN : 0U) | (events & POLLOUT ? (uint32_t) EPOLLOUT : 0U)
           | (events & POLLPRI ? (uint32_t) EPOLLPRI : 0U);
}

static short from_epoll (uint32_t events)
{
    return (short) ((events & EPOLLIN ? POLLIN : 0) | (events & EPOLLOUT ? POLLOUT : 0)
                    | (events & EPOLLPRI ? POLLPRI : 0) | (events & EPOLLERR ? POLLERR : 0)
                    | (events & EPOLLHUP ? POLLHUP : 0));
}

static int watched_fd (const ama_watch_t *watch)
{
    return watch->own_fd >= 0 ? watch->own_fd : watch->fd;
}

/* A paused watch is taken out of epoll: with no events asked for, a hang-up would still be told again and again. */
static void watch_apply (ama_watch_t *watch)
{
    struct epoll_event event = { .events = to_epoll (watch->events), .data.ptr = watch };
    int epoll = watch->loop->epoll;

    if (watch->always)
        return;
    if (!watch->events) {
        if (watch->known)
            (void) epoll_ctl (epoll, EPOLL_CTL_DEL, watched_fd (watch), NULL);
        watch->known = false;
        return;
    }
    if (watch->known) {
        (void) epoll_ctl (epoll, EPOLL_CTL_MOD, watched_fd (watch), &event);
        return;
    }
    watch->known = true;
    if (epoll_ctl (epoll, EPOLL_CTL_ADD, watched_fd (watch), &event) == 0)
        return;
    if (errno == EEXIST && (watch->own_fd = fcntl (watch->fd, F_DUPFD_CLOEXEC, 0)) >= 0
        && epoll_ctl (epoll, EPOLL_CTL_ADD, watch->own_fd, &event) == 0)
        return; /* epoll knows a descriptor once */
    watch->known = false;
    watch->always = true;
    watch->loop->n_always++;
}

ama_watch_t *ama_loop_watch (ama_loop_t *loop, int fd, short events, void (*fn) (int fd, short revents, void *arg),
                             void *arg)
{
    ama_watch_t *watch;

    if (loop->is_virtual)
        return NULL;
    watch = ama_calloc (1, sizeof *watch);
    *watch = (ama_watch_t){
        .kind = KIND_WATCH, .loop = loop, .fd = fd, .own_fd = -1, .events = events, .fn = fn, .arg = arg
    };
    DL_APPEND (loop->watches, watch);
    watch_apply (watch);
    return watch;
}

void ama_watch_set (ama_watch_t *watch, short events)
{
    if (watch->events != events) {
        watch->events = events;
        watch_apply (watch);
    }
}

void ama_watch_destroy (ama_watch_t **watch_p)
{
    ama_watch_t *watch = *watch_p;

    if (!watch)
        return;
    *watch_p = NULL;
    ama_watch_set (watch, 0);
    if (watch->own_fd >= 0)
        (void) close (watch->own_fd);
    watch->dead = true;
    watch->loop->n_always -= watch->always;
    DL_DELETE (watch->loop->watches, watch);
    LL_PREPEND (watch->loop->dead_watches, watch);
}

/* ---- sources ---- */

ama_source_t *ama_loop_source (ama_loop_t *loop, void *socket, ama_source_fn *on_readable,
                               void (*on_writable) (void *arg), void *arg)
{
    ama_source_t *source = ama_calloc (1, sizeof *source);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = source };
    size_t size = sizeof source->fd;

    *source = (ama_source_t){ .kind = KIND_SOURCE,
                              .loop = loop,
                              .socket = socket,
                              .on_readable = on_readable,
                              .on_writable = on_writable,
                              .arg = arg,
                              .hot = true };
    BUG_ON (zmq_getsockopt (socket, ZMQ_FD, &source->fd, &size) < 0);
    (void) epoll_ctl (loop->epoll, EPOLL_CTL_ADD, source->fd, &event);
    DL_APPEND (loop->sources, source);
    loop->n_sources++;
    return source;
}

void ama_source_pause (ama_source_t *source, bool pause)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = source };

    if (source->paused == pause)
        return;
    source->paused = pause;
    source->hot = true;
    (void) epoll_ctl (source->loop->epoll, pause ? EPOLL_CTL_DEL : EPOLL_CTL_ADD, source->fd, &event);
}

bool ama_source_paused (const ama_source_t *source)
{
    return source->paused;
}

void ama_source_touch (ama_source_t *source)
{
    source->hot = true;
}

void ama_source_want_out (ama_source_t *source, bool want)
{
    source->want_out = want;
    source->hot = source->look_again = true;
}

void ama_source_destroy (ama_source_t **source_p)
{
    ama_source_t *source = *source_p;

    if (!source)
        return;
    *source_p = NULL;
    if (!source->paused)
        (void) epoll_ctl (source->loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
    source->dead = true;
    DL_DELETE (source->loop->sources, source);
    source->loop->n_sources--;
    LL_PREPEND (source->loop->dead_sources, source);
}

static bool writable (ama_source_t *source)
{
    int events = 0;
    size_t size = sizeof events;

    return zmq_getsockopt (source->socket, ZMQ_EVENTS, &events, &size) == 0 && events & ZMQ_POLLOUT;
}

static void serve (ama_source_t *source)
{
    source->look_again = false;
    if (source->want_out && writable (source))
        source->on_writable (source->arg);
    if (!source->dead && !source->paused)
        source->hot = source->on_readable (source->arg, BUDGET) || source->look_again;
}

/* ---- a turn ---- */

static bool anything_hot (const ama_loop_t *loop)
{
    const ama_source_t *source;

    DL_FOREACH (loop->sources, source)
    if (source->hot && !source->paused)
        return true;
    return false;
}

static bool anything_always_ready (const ama_loop_t *loop)
{
    const ama_watch_t *watch;

    if (loop->n_always)
        DL_FOREACH (loop->watches, watch)
    if (watch->always && watch->events)
        return true;
    return false;
}

static int wait_ms (const ama_loop_t *loop, int64_t max_wait_ms)
{
    int64_t next_ms = ama_timers_next_ms (&loop->timers), ms = max_wait_ms;

    if (loop->deferred.size || loop->stopped || anything_hot (loop) || anything_always_ready (loop))
        return 0;
    if (next_ms != INT64_MAX) {
        int64_t left_ms = next_ms - ama_mono_ms (loop->clock);
        if (left_ms < ms)
            ms = left_ms;
    }
    return ms < 0 ? 0 : ms > INT_MAX ? -1 : (int) ms;
}

static void serve_sources (ama_loop_t *loop)
{
    ama_source_t *all[loop->n_sources + 1]; /* one or two, six per Jupyter connection */
    ama_source_t *source;
    unsigned n = 0;

    DL_FOREACH (loop->sources, source)
    all[n++] = source;
    loop->rotation++;
    for (unsigned i = 0; i < n; i++) {
        source = all[(i + loop->rotation) % n];
        if (source->dead || !source->hot || source->paused)
            continue;
        serve (source);
        after_each (loop, "a socket");
    }
}

static void serve_events (ama_loop_t *loop, const struct epoll_event *events, int n)
{
    for (int i = 0; i < n; i++) {
        ama_watch_t *watch = events[i].data.ptr;
        uint64_t count;

        if (*(kind_t *) events[i].data.ptr == KIND_WATCH && !watch->dead && watch->events)
            watch->fn (watch->fd, from_epoll (events[i].events), watch->arg);
        else if (*(kind_t *) events[i].data.ptr == KIND_WAKE && read (loop->wake, &count, sizeof count) > 0
                 && loop->on_wake)
            loop->on_wake (loop->wake_arg);
        else
            continue;
        after_each (loop, "a descriptor");
    }
}

static void serve_always_ready (ama_loop_t *loop)
{
    ama_watch_t *watch, *next;

    if (loop->n_always)
        DL_FOREACH_SAFE (loop->watches, watch, next)
    if (watch->always && watch->events) {
        watch->fn (watch->fd, watch->events, watch->arg);
        after_each (loop, "a file");
        return; /* the list may have changed; the next turn is near */
    }
}

static void lap_timer (void *arg)
{
    after_each (arg, "a timer");
}

void ama_loop_turn (ama_loop_t *loop, int64_t max_wait_ms)
{
    struct epoll_event events[EVENTS_PER_TURN];
    unsigned pinged;
    int n;

    if (loop->after_each)
        loop->after_each (loop->after_arg); /* what was said before the first turn */
    n = epoll_wait (loop->epoll, events, EVENTS_PER_TURN, wait_ms (loop, max_wait_ms));
    pinged = atomic_load (&loop->pinged);
    loop->lap_us = loop->clock->mono_us (loop->clock);
    loop->turn_ms = loop->lap_us / 1000;
    for (int i = 0; i < n; i++)
        if (*(kind_t *) events[i].data.ptr == KIND_SOURCE)
            ((ama_source_t *) events[i].data.ptr)->hot = true;
    ama_timers_fire (&loop->timers, loop->turn_ms, TIMERS_PER_TURN, lap_timer, loop);
    serve_sources (loop);
    serve_events (loop, events, n);
    serve_always_ready (loop);
    ama_loop_run_deferred (loop);
    bury (loop);
    atomic_store (&loop->answered, pinged);
}

void ama_loop_run (ama_loop_t *loop)
{
    while (!loop->stopped)
        ama_loop_turn (loop, INT64_MAX);
}

/* ---- a virtual loop ---- */

int64_t ama_loop_next_ms (const ama_loop_t *loop)
{
    return ama_timers_next_ms (&loop->timers);
}

void ama_loop_fire_one (ama_loop_t *loop)
{
    loop->turn_ms = ama_mono_ms (loop->clock);
    ama_timers_fire (&loop->timers, loop->turn_ms, 1, NULL, NULL);
}

void ama_loop_lap (ama_loop_t *loop, const char *who, const char *what)
{
#ifdef NDEBUG
    (void) loop, (void) who, (void) what;
#else
    int64_t now_us = loop->clock->mono_us (loop->clock);

    if (now_us - loop->lap_us > SLOW_HANDLER_US && !loop->is_virtual)
        ama_log (AMA_LOG_DEBUG, who, "%s took %lld ms: something blocks", what,
                 (long long) ((now_us - loop->lap_us) / 1000));
    loop->lap_us = now_us;
#endif
}
