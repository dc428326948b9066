/* ama_ask.c - asks: who waits for which answer until when, and what it has granted to the sender of a stream
 *
 * On the actor's thread. An ask leaves the table before its last callback, so a callback may ask, cancel and exit as it likes.
 * What goes wrong inside ama_ask is told at the end of the turn. Answers nobody waits for are dropped; a part of a stream
 * nobody waits for is answered with a cancel, so that its sender stops.
 */
#include "actors/runtime/ama_ctx.h"
#include "messages/ama_types.h"
#include "messages/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct ama_asked {
    uint64_t id;
    ama_ctx_t *ctx;
    const ama_message_info_t *info;
    int64_t timeout_ms;
    uint32_t window;
    uint64_t owed; /* bytes of parts that were handled and not granted again yet */
    bool held;
    int failed; /* code, told at the end of the turn */
    ama_timer_t timer;
    ama_reply_fn *fn;
    void *arg;
    UT_hash_handle hh;
    char dst[AMA_NAME_MAX];
};

static void forget (ama_asked_t *ask)
{
    ama_timer_cancel (&ask->timer);
    HASH_DEL (ask->ctx->asks, ask);
    free (ask);
}

static void finish (ama_asked_t *ask, const ama_envelope_t *envelope, const void *body, const ama_err_t *err)
{
    ama_ctx_t *ctx = ask->ctx;
    ama_reply_fn *fn = ask->fn;
    void *arg = ask->arg;

    forget (ask);
    fn (ctx, envelope, body, err, arg);
}

static void finish_with (ama_asked_t *ask, int code, const char *text)
{
    ama_err_t err;

    (void) ama_err_set (&err, code, "%s to %s: %s", ask->info->name, ask->dst, text);
    finish (ask, NULL, NULL, &err);
}

/* About an ask, to the one who was asked: cancel or credit. */
static void send_about (ama_ctx_t *ctx, const char *dst, uint64_t id, uint16_t type, const void *body)
{
    ama_envelope_t envelope;

    ama_envelope_to (&envelope, dst, type, 0);
    envelope.corr = id;
    (void) ama_ctx_send (ctx, &envelope, body);
}

static void on_deadline (void *arg)
{
    ama_asked_t *ask = arg;
    char text[64];

    if (ask->window)
        send_about (ask->ctx, ask->dst, ask->id, AMA_MSG_CONTROL_CANCEL, NULL);
    (void) snprintf (text, sizeof text, "no answer within %lld ms", (long long) ask->timeout_ms);
    finish_with (ask, AMA_E_TIMEOUT, text);
}

static const char *why_not_sent (int code)
{
    return code == AMA_E_LIMIT  ? "the message is too big"
           : code == AMA_E_BUSY ? "too many messages wait to be sent"
                                : "the hub can not be reached";
}

static void tell_failed (void *arg)
{
    ama_ctx_t *ctx = arg;

    for (ama_asked_t *ask = ctx->asks, *next; ask && !ctx->exiting; ask = next) {
        next = ask->hh.next;
        if (!ask->failed)
            continue;
        finish_with (ask, ask->failed, why_not_sent (ask->failed));
        next = ctx->asks; /* the callback may have changed the table */
    }
}

uint64_t ama_ask (ama_ctx_t *ctx, const char *dst, uint16_t type, const void *body, int64_t timeout_ms, uint32_t window,
                  ama_reply_fn *fn, void *arg)
{
    ama_asked_t *ask = ama_malloc (sizeof *ask);
    ama_envelope_t envelope;

    ama_envelope_to (&envelope, dst, type, AMA_FLAG_REQUEST);
    envelope.id = ++ctx->last_id;
    envelope.window = window;
    memset (ask, 0, offsetof (ama_asked_t, dst));
    ask->id = envelope.id;
    ask->ctx = ctx;
    ask->info = ama_message_info (type);
    ask->timeout_ms = timeout_ms;
    ask->window = window;
    ask->fn = fn;
    ask->arg = arg;
    (void) memcpy (ask->dst, envelope.dst, strlen (envelope.dst) + 1);
    ama_timer_init (&ask->timer, ama_loop_timers (ctx->loop), on_deadline, ask);
    HASH_ADD (hh, ctx->asks, id, sizeof ask->id, ask);
    ask->failed = ama_ctx_send (ctx, &envelope, body);
    if (ask->failed)
        ama_loop_defer (ctx->loop, tell_failed, ctx);
    else if (timeout_ms > 0)
        ama_timer_after (&ask->timer, timeout_ms);
    return ask->id;
}

static ama_asked_t *find (ama_ctx_t *ctx, uint64_t id)
{
    ama_asked_t *ask;

    HASH_FIND (hh, ctx->asks, &id, sizeof id, ask);
    return ask;
}

void ama_ask_cancel (ama_ctx_t *ctx, uint64_t id)
{
    ama_asked_t *ask = find (ctx, id);

    if (!ask)
        return;
    if (!ask->failed)
        send_about (ctx, ask->dst, id, AMA_MSG_CONTROL_CANCEL, NULL);
    forget (ask);
}

/* Grants are put together, so that a stream of small parts does not cause a message each. */
static void grant (ama_asked_t *ask)
{
    ama_control_credit_t credit = { .bytes = ask->owed };

    if (ask->held || ask->owed < (ask->window + 3) / 4)
        return;
    ask->owed = 0;
    send_about (ask->ctx, ask->dst, ask->id, AMA_MSG_CONTROL_CREDIT, &credit);
}

void ama_ask_hold (ama_ctx_t *ctx, uint64_t id, bool hold)
{
    ama_asked_t *ask = find (ctx, id);

    if (!ask || ask->held == hold)
        return;
    ask->held = hold;
    if (hold)
        ama_timer_cancel (&ask->timer); /* the silence is our own wish */
    else if (ask->timeout_ms > 0)
        ama_timer_after (&ask->timer, ask->timeout_ms);
    grant (ask);
}

/* ---- answers ---- */

static void on_part (ama_ctx_t *ctx, ama_asked_t *ask, const ama_envelope_t *envelope, const void *body, size_t size)
{
    uint64_t id = ask->id;

    if (ask->timeout_ms > 0 && !ask->held)
        ama_timer_after (&ask->timer, ask->timeout_ms);
    ask->fn (ctx, envelope, body, NULL, ask->arg);
    ask = find (ctx, id); /* it may have been cancelled */
    if (!ask)
        return;
    ask->owed += size + AMA_PART_COST;
    grant (ask);
}

static void on_refusal (ama_asked_t *ask, const ama_envelope_t *envelope, const void *body, size_t size)
{
    ama_control_error_t refusal;
    ama_err_t err;

    if (ama_control_error_decode (body, size, &refusal, NULL) < 0) {
        finish_with (ask, AMA_E_DECODE, "the refusal can not be read");
        return;
    }
    (void) ama_err_set (&err, refusal.code < 0 && refusal.code > -1000 ? (int) refusal.code : AMA_E_DECODE, "%s",
                        refusal.text);
    ama_control_error_done (&refusal);
    finish (ask, envelope, NULL, &err);
}

void ama_asks_on_reply (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *bytes, size_t size)
{
    ama_asked_t *ask = find (ctx, envelope->corr);
    bool more = envelope->flags & AMA_FLAG_MORE;
    const ama_message_info_t *info;
    ama_err_t err = { 0 };
    void *body;

    if (!ask || ask->failed) {
        if (more)
            send_about (ctx, envelope->src, envelope->corr, AMA_MSG_CONTROL_CANCEL, NULL);
        return;
    }
    if (strcmp (envelope->src, ask->dst) != 0 && envelope->role != AMA_ROLE_HUB)
        return; /* not the one that was asked */
    if (envelope->flags & AMA_FLAG_ERROR && envelope->type == AMA_MSG_CONTROL_ERROR) {
        on_refusal (ask, envelope, bytes, size);
        return;
    }
    if (envelope->type != (more ? ask->info->stream : ask->info->reply)) {
        finish_with (ask, AMA_E_DECODE, "an answer of another type came");
        return;
    }
    info = ama_message_info (envelope->type);
    body = ama_ctx_decode (ctx, info, bytes, size, &err);
    if (!body) {
        finish_with (ask, AMA_E_DECODE, err.text);
        return;
    }
    if (more)
        on_part (ctx, ask, envelope, body, size);
    else
        finish (ask, envelope, body, NULL);
    info->done (body);
    ama_loop_lap (ctx->loop, ctx->name, info->name);
}

/* ---- ends ---- */

void ama_asks_fail (ama_ctx_t *ctx, const char *dst, int code, const char *text)
{
    uint64_t last = ctx->last_id; /* what the callbacks ask anew is not meant */

    for (ama_asked_t *ask = ctx->asks, *next; ask && !ctx->exiting; ask = next) {
        next = ask->hh.next;
        if (ask->id > last || (dst && strcmp (ask->dst, dst) != 0))
            continue;
        finish_with (ask, code, text);
        next = ctx->asks;
    }
}

void ama_asks_done (ama_ctx_t *ctx)
{
    while (ctx->asks)
        forget (ctx->asks);
}
