/* ama_loop.h - the event loop of one thread: sockets, descriptors, timers, deferred calls (internal to actors/runtime)
 *
 * Two kinds behind one interface: a real loop waits in epoll; a virtual one is stepped by the simulator, has timers and deferred
 * calls only, and takes its time from the clock it was given. Everything but ama_loop_wake belongs to the loop's own thread.
 */
#ifndef AMA_RUNTIME_LOOP_H
#define AMA_RUNTIME_LOOP_H

#include "actors/runtime/ama_timer.h"

typedef struct ama_loop ama_loop_t;
typedef struct ama_source ama_source_t;

/* clock is borrowed. A virtual loop has no descriptors. NULL: out of descriptors (errno). */
ama_loop_t *ama_loop_new (const ama_clock_t *clock, bool is_virtual);
/* Frees timers and watches that were left behind, too. */
void ama_loop_destroy (ama_loop_t **loop);

const ama_clock_t *ama_loop_clock (const ama_loop_t *loop);
bool ama_loop_is_virtual (const ama_loop_t *loop);
/* Monotonic time at which the current turn began to work; now, on a virtual loop. */
int64_t ama_loop_turn_ms (const ama_loop_t *loop);
/* The wall clock at a moment of the monotonic one, past or to come. The two are compared once a turn at most. */
int64_t ama_loop_wall_ms (ama_loop_t *loop, int64_t mono_ms);

/* Turns until ama_loop_stop was called (also if that was before). */
void ama_loop_run (ama_loop_t *loop);
/* One turn; waits at most max_wait_ms for work. */
void ama_loop_turn (ama_loop_t *loop, int64_t max_wait_ms);
void ama_loop_stop (ama_loop_t *loop);

/* Any thread: makes the loop call what ama_loop_on_wake set. Wake-ups that come together count as one. */
void ama_loop_wake (ama_loop_t *loop);
void ama_loop_on_wake (ama_loop_t *loop, void (*fn) (void *arg), void *arg);
/* Any thread: asks for one turn; was the last ask followed by one? */
void ama_loop_ping (ama_loop_t *loop);
bool ama_loop_answered (const ama_loop_t *loop);

/* Called after every callback of the loop, and before it waits; fn NULL: nothing is. */
void ama_loop_after_each (ama_loop_t *loop, void (*fn) (void *arg), void *arg);

void ama_loop_defer (ama_loop_t *loop, void (*fn) (void *arg), void *arg);
/* Drops deferred calls that were made for arg. */
void ama_loop_forget (ama_loop_t *loop, const void *arg);

ama_timer_t *ama_loop_timer (ama_loop_t *loop, void (*fn) (void *arg), void *arg);
ama_timers_t *ama_loop_timers (ama_loop_t *loop); /* for embedded timers */
/* NULL on a virtual loop. */
ama_watch_t *ama_loop_watch (ama_loop_t *loop, int fd, short events, void (*fn) (int fd, short revents, void *arg),
                             void *arg);

/* ---- ZeroMQ sockets: sources ---- */

/* Handles at most budget messages. Returns true if more may be waiting, false right after a receive that said EAGAIN. */
typedef bool (ama_source_fn) (void *arg, int budget);

ama_source_t *ama_loop_source (ama_loop_t *loop, void *socket, ama_source_fn *on_readable,
                               void (*on_writable) (void *arg), void *arg);
void ama_source_pause (ama_source_t *source, bool pause);
bool ama_source_paused (const ama_source_t *source);
/* After each send: it may have consumed the socket's signal that something came in. */
void ama_source_touch (ama_source_t *source);
void ama_source_want_out (ama_source_t *source, bool want);
void ama_source_destroy (ama_source_t **source);

/* ---- stepping a virtual loop ---- */

/* Due time of the earliest timer, INT64_MAX if there is none. */
int64_t ama_loop_next_ms (const ama_loop_t *loop);
/* Fires the earliest timer if it is due. */
void ama_loop_fire_one (ama_loop_t *loop);
bool ama_loop_has_deferred (const ama_loop_t *loop);
void ama_loop_run_deferred (ama_loop_t *loop);

/* Debug builds: says so if more than 50 ms passed since the last call (or since the turn began). */
void ama_loop_lap (ama_loop_t *loop, const char *who, const char *what);

#endif
