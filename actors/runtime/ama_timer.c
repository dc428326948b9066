/* ama_timer.c - the heap of timers. Used by the loop; one thread; all times are monotonic milliseconds. */
#include "actors/runtime/ama_timer.h"

#include <stdlib.h>

static bool earlier (const ama_timer_t *a, const ama_timer_t *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void put (ama_timers_t *timers, size_t i, ama_timer_t *timer)
{
    timers->heap[i] = timer;
    timer->place = i + 1;
}

static void sift_up (ama_timers_t *timers, size_t i)
{
    ama_timer_t *timer = timers->heap[i];

    while (i > 0 && earlier (timer, timers->heap[(i - 1) / 2])) {
        put (timers, i, timers->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put (timers, i, timer);
}

static void sift_down (ama_timers_t *timers, size_t i)
{
    ama_timer_t *timer = timers->heap[i];

    for (size_t child; (child = 2 * i + 1) < timers->size; i = child) {
        if (child + 1 < timers->size && earlier (timers->heap[child + 1], timers->heap[child]))
            child++;
        if (!earlier (timers->heap[child], timer))
            break;
        put (timers, i, timers->heap[child]);
    }
    put (timers, i, timer);
}

void ama_timers_init (ama_timers_t *timers, const ama_clock_t *clock)
{
    *timers = (ama_timers_t){ .clock = clock };
}

void ama_timers_done (ama_timers_t *timers)
{
    for (size_t i = 0; i < timers->size; i++)
        timers->heap[i]->place = 0;
    free (timers->heap);
    timers->heap = NULL;
    timers->size = timers->room = 0;
}

int64_t ama_timers_next_ms (const ama_timers_t *timers)
{
    return timers->size ? timers->heap[0]->due_ms : INT64_MAX;
}

void ama_timers_fire (ama_timers_t *timers, int64_t now_ms, size_t most, void (*lap) (void *arg), void *arg)
{
    uint64_t before = timers->armed;

    while (most-- > 0 && timers->size) {
        ama_timer_t *timer = timers->heap[0];
        if (timer->due_ms > now_ms || timer->order > before)
            return;
        ama_timer_cancel (timer);
        timer->fn (timer->arg); /* may destroy it */
        if (lap)
            lap (arg);
    }
}

void ama_timer_init (ama_timer_t *timer, ama_timers_t *timers, void (*fn) (void *arg), void *arg)
{
    *timer = (ama_timer_t){ .timers = timers, .fn = fn, .arg = arg };
}

void ama_timer_at (ama_timer_t *timer, int64_t mono_ms)
{
    ama_timers_t *timers = timer->timers;

    ama_timer_cancel (timer);
    if (timers->size == timers->room) {
        timers->room = timers->room ? timers->room * 2 : 16;
        timers->heap = ama_realloc (timers->heap, timers->room * sizeof (ama_timer_t *));
    }
    timer->due_ms = mono_ms;
    timer->order = ++timers->armed;
    put (timers, timers->size++, timer);
    sift_up (timers, timers->size - 1);
}

void ama_timer_after (ama_timer_t *timer, int64_t ms)
{
    int64_t now_ms = ama_mono_ms (timer->timers->clock);

    ama_timer_at (timer, ms <= 0 ? now_ms : ms > INT64_MAX - now_ms ? INT64_MAX : now_ms + ms);
}

void ama_timer_cancel (ama_timer_t *timer)
{
    ama_timers_t *timers = timer->timers;
    size_t i = timer->place - 1;
    ama_timer_t *last;

    if (!timer->place)
        return;
    timer->place = 0;
    last = timers->heap[--timers->size];
    if (last == timer)
        return;
    put (timers, i, last);
    sift_up (timers, i);
    sift_down (timers, last->place - 1);
}

void ama_timer_destroy (ama_timer_t **timer)
{
    if (!*timer)
        return;
    ama_timer_cancel (*timer);
    free (*timer);
    *timer = NULL;
}
