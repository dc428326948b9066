/* run_timer.h - the timers of one run: a heap of due times
 *
 * A timer is never removed; when it is due its owner looks whether it still means something (serial). Monotonic milliseconds.
 */
#ifndef AMA_SUPERVISOR_RUN_TIMER_H
#define AMA_SUPERVISOR_RUN_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    RUN_TIMER_BACKOFF,        /* an action may be tried again                          */
    RUN_TIMER_ATTEMPT,        /* an attempt's own timeout                              */
    RUN_TIMER_STOP,           /* a cancel has not been obeyed: say it again            */
    RUN_TIMER_DOUBT,          /* the agent does not know the attempt: lost by now      */
    RUN_TIMER_SILENT,         /* its agent has not been heard of: unknown by now       */
    RUN_TIMER_LEASE,          /* nor within the lease: lost by now                     */
    RUN_TIMER_SESSION_LOST,   /* the session is lost, its attempt did not say so       */
    RUN_TIMER_SESSION_AGAIN,  /* try to open a session again                           */
    RUN_TIMER_SESSION_DOUBT,  /* the agent does not know the session: lost by now      */
    RUN_TIMER_SESSION_SILENT, /* its agent has not been heard of                      */
    RUN_TIMER_RUN,            /* the run's timeout                                     */
    RUN_TIMER_QUEUE,          /* the queue timeout                                     */
} run_timer_kind_t;

typedef struct {
    int64_t due_ms;
    run_timer_kind_t kind;
    uint32_t action;
    uint32_t serial; /* number of the attempt, or of the session's try */
} run_timer_t;

typedef struct {
    run_timer_t *heap;
    size_t n;
    size_t room;
} run_timers_t;

void run_timers_done (run_timers_t *timers);
void run_timers_add (run_timers_t *timers, run_timer_t timer);
/* Takes the first timer that is due at now_ms; false if there is none. */
bool run_timers_pop (run_timers_t *timers, int64_t now_ms, run_timer_t *ret_timer);
/* The time of the first one; false if there are none. */
bool run_timers_first (const run_timers_t *timers, int64_t *ret_due_ms);

#endif
