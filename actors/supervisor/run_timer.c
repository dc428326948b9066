/* run_timer.c - a binary heap of due times. Used by the run core only. */
#include "actors/supervisor/run_timer.h"

#include "actors/base/ama_err.h"

#include <stdlib.h>

void run_timers_done (run_timers_t *timers)
{
    free (timers->heap);
    *timers = (run_timers_t){ 0 };
}

static bool before (const run_timer_t *a, const run_timer_t *b)
{
    return a->due_ms < b->due_ms;
}

void run_timers_add (run_timers_t *timers, run_timer_t timer)
{
    size_t i = timers->n++;

    if (timers->n > timers->room) {
        timers->room = timers->room ? 2 * timers->room : 4;
        timers->heap = ama_realloc (timers->heap, timers->room * sizeof timer);
    }
    for (; i > 0 && before (&timer, &timers->heap[(i - 1) / 2]); i = (i - 1) / 2)
        timers->heap[i] = timers->heap[(i - 1) / 2];
    timers->heap[i] = timer;
}

static void take_first (run_timers_t *timers)
{
    run_timer_t last = timers->heap[--timers->n];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= timers->n)
            break;
        if (child + 1 < timers->n && before (&timers->heap[child + 1], &timers->heap[child]))
            child++;
        if (!before (&timers->heap[child], &last))
            break;
        timers->heap[i] = timers->heap[child];
        i = child;
    }
    if (timers->n)
        timers->heap[i] = last;
}

bool run_timers_pop (run_timers_t *timers, int64_t now_ms, run_timer_t *ret_timer)
{
    if (!timers->n || timers->heap[0].due_ms > now_ms)
        return false;
    *ret_timer = timers->heap[0];
    take_first (timers);
    return true;
}

bool run_timers_first (const run_timers_t *timers, int64_t *ret_due_ms)
{
    if (!timers->n)
        return false;
    *ret_due_ms = timers->heap[0].due_ms;
    return true;
}
