/* ama_actor.h - what an actor is, and all that it can do
 *
 * An actor is data and a table: a state of `state_size` bytes, an init, a done, and one handler per message type. It runs on
 * one thread, owns one link to a hub, and is called back from one loop; no call here ever blocks. The same actor runs as a
 * thread, in another process, or in the simulator; it can not tell.
 *
 * Bodies arrive decoded, bounded and authorised (the roles of the schema's `from`); they are borrowed for the call. A request for
 * whose answer nobody waits any more does not arrive.
 */
#ifndef AMA_RUNTIME_ACTOR_H
#define AMA_RUNTIME_ACTOR_H

#include "actors/base/ama_clock.h"
#include "actors/base/ama_err.h"
#include "actors/base/ama_id.h"
#include "messages/ama_envelope.h"
#include "messages/ama_message.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct ama_ctx ama_ctx_t;

/* A negative return becomes an error reply if the message was a request, a logged dead letter if not. AMA_E_FATAL ends the
 * actor with err as the reason. */
typedef int (ama_handler_fn) (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body,
                              ama_err_t *err);

typedef struct {
    uint16_t type;
    ama_handler_fn *fn;
} ama_handler_t;

#define AMA_HANDLER_END                                                                                                \
    {                                                                                                                  \
        0, NULL                                                                                                        \
    }

typedef struct {
    const char *name; /* default logical name: "planner" */
    uint32_t role;    /* ama_role_t */
    size_t state_size;
    /* config is what the parent passed to ama_node_start, borrowed for the call. */
    int (*init) (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err);
    /* Asked to end: tidy up over several turns if need be, then call ama_exit. NULL: ends at once. */
    void (*stop) (ama_ctx_t *ctx, void *state);
    /* Frees the state. The link is gone already. Called also when init failed, on the zeroed or half-made state. */
    void (*done) (void *state);
    /* A peer left or died. May be NULL. Asks to it have failed already. */
    void (*peer_gone) (ama_ctx_t *ctx, void *state, const char *name);
    /* The link to the hub is (again) up; epoch is the hub's. After a change of epoch peers have lost what was sent. May be NULL. */
    void (*joined) (ama_ctx_t *ctx, void *state, uint64_t epoch);
    /* The link to the hub was lost (hub silent or gone). May be NULL. */
    void (*parted) (ama_ctx_t *ctx, void *state);
    const ama_handler_t *handlers;
} ama_actor_def_t;

/* ---- itself ---- */

const char *ama_self (const ama_ctx_t *ctx);             /* logical name */
uint64_t ama_epoch (const ama_ctx_t *ctx);               /* of the hub, 0 before the first welcome */
const ama_clock_t *ama_ctx_clock (const ama_ctx_t *ctx); /* virtual in the simulator */
int64_t ama_now_ms (const ama_ctx_t *ctx);               /* monotonic */
int64_t ama_wall_now_ms (const ama_ctx_t *ctx);
ama_id_t ama_new_id (ama_ctx_t *ctx); /* deterministic in the simulator */
/* Ends this actor after the current turn. code and text reach the parent (exit code of a program's main actor). */
void ama_exit (ama_ctx_t *ctx, int code, const char *text);
/* Called at the end of the current turn of the loop, before it waits: to batch what several messages of one turn caused.
 * The same (fn, arg) is kept once. */
void ama_defer (ama_ctx_t *ctx, void (*fn) (void *arg), void *arg);

/* ---- messages ---- */

/* Who waits for an answer: a plain value, may be copied and kept for as long as one likes. */
typedef struct {
    char name[AMA_NAME_MAX];
    uint64_t id;
    uint32_t role;
    char user[AMA_USER_MAX];
} ama_waiter_t;

ama_waiter_t ama_waiter (const ama_envelope_t *request);

/* Sends; no answer is expected. 0, or AMA_E_UNREACHABLE / AMA_E_BUSY / AMA_E_LIMIT (body above AMA_BODY_MAX): not sent. */
int ama_tell (ama_ctx_t *ctx, const char *dst, uint16_t type, const void *body);

/* Exactly one of: body (the answer; of type `type`), or err. envelope is that of the answer or refusal, whose role says whether the peer or the
 * hub spoke, and NULL if none came (deadline, peer gone). Borrowed. Called exactly once per ask, never from inside ama_ask,
 * and not at all after ama_ask_cancel. A part of a stream comes with envelope->flags & AMA_FLAG_MORE and does not end the ask. */
typedef void (ama_reply_fn) (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                             void *arg);

/* Returns the ask's number (> 0). timeout_ms <= 0: none; for streams it counts from the last part, for others it travels with the
 * request. A request that can not be sent, a peer that goes away and a passed deadline are reported through fn (UNREACHABLE, TIMEOUT).
 * window: bytes of stream parts that may be under way (0 if the answer is no stream); re-granted as fn returns. */
uint64_t ama_ask (ama_ctx_t *ctx, const char *dst, uint16_t type, const void *body, int64_t timeout_ms, uint32_t window,
                  ama_reply_fn *fn, void *arg);
/* Forgets the ask and tells the peer. */
void ama_ask_cancel (ama_ctx_t *ctx, uint64_t ask);
/* Stops granting credit for a stream (a slow reader), and starts again: bytes handled meanwhile are granted then. */
void ama_ask_hold (ama_ctx_t *ctx, uint64_t ask, bool hold);

int ama_reply (ama_ctx_t *ctx, const ama_waiter_t *waiter, uint16_t type, const void *body);
int ama_refuse (ama_ctx_t *ctx, const ama_waiter_t *waiter, int code, const char *format, ...)
    __attribute__ ((format (printf, 4, 5)));

/* ---- answering with a stream ---- */

typedef struct ama_stream ama_stream_t;

/* on_writable: credit came (again). on_closed: the reader is gone or cancelled; the stream is destroyed after the call.
 * Credit starts at the window of the ask, which travels with the request. */
typedef void (ama_stream_fn) (ama_stream_t *stream, void *arg);
ama_stream_t *ama_stream_new (ama_ctx_t *ctx, const ama_envelope_t *request, ama_stream_fn *on_writable,
                              ama_stream_fn *on_closed, void *arg);
/* 0, or AMA_E_AGAIN: nothing was sent, on_writable will be called. A part may exceed the credit that is left as long as some is. */
int ama_stream_send (ama_stream_t *stream, uint16_t type, const void *body);
/* Ends with the answer (or with an error) and destroys the stream; on_closed is not called. Takes *stream. */
void ama_stream_end (ama_stream_t **stream, uint16_t type, const void *body);
void ama_stream_fail (ama_stream_t **stream, int code, const char *text);

/* ---- time ---- */

typedef struct ama_timer ama_timer_t;

/* fn is called once per arming. */
ama_timer_t *ama_timer_new (ama_ctx_t *ctx, void (*fn) (void *arg), void *arg);
void ama_timer_at (ama_timer_t *timer, int64_t mono_ms); /* re-arms; a time that has passed fires in the next turn */
void ama_timer_after (ama_timer_t *timer, int64_t ms);
void ama_timer_cancel (ama_timer_t *timer);
void ama_timer_destroy (ama_timer_t **timer);

/* ---- file descriptors ---- */

typedef struct ama_watch ama_watch_t;

/* events: POLLIN, POLLOUT of poll.h. Level-triggered. fd stays the caller's. */
ama_watch_t *ama_watch_new (ama_ctx_t *ctx, int fd, short events, void (*fn) (int fd, short revents, void *arg),
                            void *arg);
void ama_watch_set (ama_watch_t *watch, short events); /* 0 pauses */
void ama_watch_destroy (ama_watch_t **watch);

#endif
