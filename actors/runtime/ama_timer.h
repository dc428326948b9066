/* ama_timer.h - timers of one thread in a binary heap (internal to actors/runtime)
 *
 * A timer knows its place in the heap, so that cancelling takes it out at once. One that is armed while timers are being fired waits
 * for the next round, also if its time has passed: a timer that re-arms itself for the past can not lock up its thread.
 */
#ifndef AMA_RUNTIME_TIMER_H
#define AMA_RUNTIME_TIMER_H

#include "actors/runtime/ama_actor.h"

#include <stddef.h>

typedef struct {
    const ama_clock_t *clock; /* borrowed */
    ama_timer_t **heap;
    size_t size, room;
    uint64_t armed; /* armings so far: equal times fire in the order of arming */
} ama_timers_t;

struct ama_timer {
    ama_timers_t *timers;
    void (*fn) (void *arg);
    void *arg;
    int64_t due_ms;
    uint64_t order;
    size_t place; /* index in the heap + 1, 0 when not armed */
};

void ama_timers_init (ama_timers_t *timers, const ama_clock_t *clock);
void ama_timers_done (ama_timers_t *timers);
/* INT64_MAX if none is armed. */
int64_t ama_timers_next_ms (const ama_timers_t *timers);
/* Fires what was armed before this call and is due at now_ms, at most `most`; after each, lap (arg) unless NULL. */
void ama_timers_fire (ama_timers_t *timers, int64_t now_ms, size_t most, void (*lap) (void *arg), void *arg);

/* For a timer embedded in another struct: instead of ama_timer_new and ama_timer_destroy, init and ama_timer_cancel. */
void ama_timer_init (ama_timer_t *timer, ama_timers_t *timers, void (*fn) (void *arg), void *arg);

#endif
