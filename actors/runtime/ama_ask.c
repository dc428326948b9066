/* ama_ask.c - asks: who waits for which answer until when, and what it has granted to the sender of a stream
 *
 * On the actor's thread. An ask leaves the table before its last callback, so a callback may ask, cancel and exit as it likes.
 * What goes wrong inside ama_ask is told at the end of the turn. Answers nobody waits for are dropped; a part of a stream
 * nobody waits for is answered with a cancel, so that its sender stops.
 */
#include "actors/base/ama_crash.h"
#include "actors/runtime/ama_ctx.h"
#include "messages/ama_types.h"
#include "messages/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ama_asked {
    uint64_t id;
    ama_asked_t *next;
    ama_ctx_t *ctx;
    const ama_message_info_t *info;
    int64_t timeout_ms, due_ms; /* due: INT64_MAX without a deadline */
    uint32_t window;
    uint64_t owed; /* bytes of parts that were handled and not granted again yet */
    bool held;
    int failed; /* code, told at the end of the turn */
    ama_reply_fn *fn;
    void *arg;
    char dst[AMA_NAME_MAX];
};

/* ---- the table: lists by the low bits of the number; numbers rise by one, so the lists are short ---- */

enum { FIRST_ROOM = 64 };

static ama_asked_t **list_of (const ama_asks_t *asks, uint64_t id)
{
    return &asks->lists[id & (asks->room - 1)];
}

static ama_asked_t *find (const ama_asks_t *asks, uint64_t id)
{
    ama_asked_t *ask = asks->room ? *list_of (asks, id) : NULL;

    while (ask && ask->id != id)
        ask = ask->next;
    return ask;
}

static void put (ama_asks_t *asks, ama_asked_t *ask)
{
    ama_asked_t **list = list_of (asks, ask->id);

    ask->next = *list;
    *list = ask;
}

static void grow (ama_asks_t *asks)
{
    ama_asks_t old = *asks;

    asks->room = old.room ? 2 * old.room : FIRST_ROOM;
    asks->lists = ama_calloc (asks->room, sizeof (ama_asked_t *));
    for (size_t i = 0; i < old.room; i++)
        for (ama_asked_t *ask = old.lists[i], *next; ask; ask = next) {
            next = ask->next;
            put (asks, ask);
        }
    free (old.lists);
}

static void add (ama_asks_t *asks, ama_asked_t *ask)
{
    if (asks->count == asks->room)
        grow (asks);
    put (asks, ask);
    asks->count++;
}

static void take_out (ama_asks_t *asks, const ama_asked_t *ask)
{
    ama_asked_t **at = list_of (asks, ask->id);

    while (*at != ask)
        at = &(*at)->next;
    *at = ask->next;
    asks->count--;
}

static void forget (ama_asked_t *ask)
{
    ama_asks_t *asks = &ask->ctx->asks;

    take_out (asks, ask);
    if (!asks->count)
        ama_timer_cancel (&asks->timer);
    free (ask);
}

static int compare_ids (const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return x < y ? -1 : x > y;
}

typedef bool (choice_fn) (const ama_asked_t *ask, const void *arg);

/* Numbers of the asks that were chosen, in the order of asking; the caller frees them. Callbacks may change the table meanwhile. */
static uint64_t *choose (const ama_asks_t *asks, choice_fn *choice, const void *arg, size_t *ret_count)
{
    uint64_t *ids = ama_calloc (asks->count + 1, sizeof *ids);

    *ret_count = 0;
    for (size_t i = 0; i < asks->room; i++)
        for (const ama_asked_t *ask = asks->lists[i]; ask; ask = ask->next)
            if (choice (ask, arg))
                ids[(*ret_count)++] = ask->id;
    qsort (ids, *ret_count, sizeof *ids, compare_ids);
    return ids;
}

/* ---- the end of an ask ---- */

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

/* ---- deadlines: one timer for all, set to the earliest there was; asks that are answered do not touch it ---- */

static void set_deadline (ama_asked_t *ask, int64_t due_ms)
{
    ama_timer_t *timer = &ask->ctx->asks.timer;

    ask->due_ms = due_ms;
    if (ask->due_ms != INT64_MAX && (!timer->place || ask->due_ms < timer->due_ms))
        ama_timer_at (timer, ask->due_ms);
}

static void begin_again (ama_asked_t *ask)
{
    set_deadline (ask, ask->timeout_ms > 0 && !ask->held ? ama_now_ms (ask->ctx) + ask->timeout_ms : INT64_MAX);
}

static bool is_due (const ama_asked_t *ask, const void *arg)
{
    return ask->due_ms <= *(const int64_t *) arg;
}

static void time_out (ama_asked_t *ask)
{
    char text[64];

    if (ask->window)
        send_about (ask->ctx, ask->dst, ask->id, AMA_MSG_CONTROL_CANCEL, NULL);
    (void) snprintf (text, sizeof text, "no answer within %lld ms", (long long) ask->timeout_ms);
    finish_with (ask, AMA_E_TIMEOUT, text);
}

static void on_deadline (void *arg)
{
    ama_ctx_t *ctx = arg;
    ama_asks_t *asks = &ctx->asks;
    int64_t now_ms = ama_now_ms (ctx), next_ms = INT64_MAX;
    size_t n;
    uint64_t *ids = choose (asks, is_due, &now_ms, &n);

    for (size_t i = 0; i < n && !ctx->exiting; i++) {
        ama_asked_t *ask = find (asks, ids[i]);
        if (ask && ask->due_ms <= now_ms)
            time_out (ask);
    }
    free (ids);
    for (size_t i = 0; i < asks->room; i++)
        for (const ama_asked_t *ask = asks->lists[i]; ask; ask = ask->next)
            next_ms = ask->due_ms < next_ms ? ask->due_ms : next_ms;
    if (next_ms != INT64_MAX)
        ama_timer_at (&asks->timer, next_ms);
}

/* ---- asking ---- */

static const char *why_not_sent (int code)
{
    return code == AMA_E_LIMIT  ? "the message is too big"
           : code == AMA_E_BUSY ? "too many messages wait to be sent"
                                : "the hub can not be reached";
}

static bool has_failed (const ama_asked_t *ask, const void *arg)
{
    (void) arg;
    return ask->failed;
}

static void tell_failed (void *arg)
{
    ama_ctx_t *ctx = arg;
    size_t n;
    uint64_t *ids = choose (&ctx->asks, has_failed, NULL, &n);

    for (size_t i = 0; i < n && !ctx->exiting; i++) {
        ama_asked_t *ask = find (&ctx->asks, ids[i]);
        if (ask)
            finish_with (ask, ask->failed, why_not_sent (ask->failed));
    }
    free (ids);
}

uint64_t ama_ask (ama_ctx_t *ctx, const char *dst, uint16_t type, const void *body, int64_t timeout_ms, uint32_t window,
                  ama_reply_fn *fn, void *arg)
{
    ama_asked_t *ask = ama_malloc (sizeof *ask);
    int64_t due_ms = timeout_ms > 0 ? ama_now_ms (ctx) + timeout_ms : INT64_MAX;
    ama_envelope_t envelope;

    ama_envelope_to (&envelope, dst, type, AMA_FLAG_REQUEST);
    envelope.id = ++ctx->last_id;
    envelope.window = window;
    memset (ask, 0, offsetof (ama_asked_t, dst));
    ask->id = envelope.id;
    ask->ctx = ctx;
    ask->info = ama_message_info (type);
    /* not with streams: their time begins again with every part, and stops while the reader holds them */
    if (timeout_ms > 0 && !ask->info->stream)
        envelope.deadline = (uint64_t) ama_loop_wall_ms (ctx->loop, due_ms);
    ask->timeout_ms = timeout_ms;
    ask->window = window;
    ask->fn = fn;
    ask->arg = arg;
    (void) memcpy (ask->dst, envelope.dst, strlen (envelope.dst) + 1);
    ask->due_ms = INT64_MAX;
    add (&ctx->asks, ask);
    ask->failed = ama_ctx_send (ctx, &envelope, body);
    if (ask->failed)
        ama_loop_defer (ctx->loop, tell_failed, ctx);
    else
        set_deadline (ask, due_ms);
    return ask->id;
}

void ama_ask_cancel (ama_ctx_t *ctx, uint64_t id)
{
    ama_asked_t *ask = find (&ctx->asks, id);

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

    if (ask->held || (ask->owed < (ask->window + 3) / 4 && ask->owed < AMA_GRANT_BYTES))
        return;
    ask->owed = 0;
    send_about (ask->ctx, ask->dst, ask->id, AMA_MSG_CONTROL_CREDIT, &credit);
}

void ama_ask_hold (ama_ctx_t *ctx, uint64_t id, bool hold)
{
    ama_asked_t *ask = find (&ctx->asks, id);

    if (!ask || ask->held == hold)
        return;
    ask->held = hold;
    begin_again (ask); /* while we hold, the silence is our own wish */
    grant (ask);
}

/* ---- answers ---- */

static void on_part (ama_ctx_t *ctx, ama_asked_t *ask, const ama_envelope_t *envelope, const void *body, size_t size)
{
    uint64_t id = ask->id;

    begin_again (ask);
    ask->fn (ctx, envelope, body, NULL, ask->arg);
    ask = find (&ctx->asks, id); /* it may have been cancelled */
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
    ama_asked_t *ask = find (&ctx->asks, envelope->corr);
    bool more = envelope->flags & AMA_FLAG_MORE;
    const ama_message_info_t *info;
    ama_crash_work_t work;
    ama_err_t err;
    void *body;

    if (!ask || ask->failed) {
        if (more)
            send_about (ctx, envelope->src, envelope->corr, AMA_MSG_CONTROL_CANCEL, NULL);
        return;
    }
    if (!ama_name_means (ask->dst, envelope->src) && envelope->role != AMA_ROLE_HUB)
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
    if (ama_crash_check (info->name, bytes, size, &err) < 0) {
        finish_with (ask, err.code, err.text);
        return;
    }
    ama_crash_begin (&work, info->name, bytes, size);
    body = ama_ctx_decode (ctx, info, bytes, size, &err);
    if (!body) {
        ama_crash_end (&work);
        finish_with (ask, AMA_E_DECODE, err.text);
        return;
    }
    if (more)
        on_part (ctx, ask, envelope, body, size);
    else
        finish (ask, envelope, body, NULL);
    info->done (body);
    ama_crash_end (&work);
    ama_loop_lap (ctx->loop, ctx->name, info->name);
}

/* ---- ends ---- */

static bool is_asked (const ama_asked_t *ask, const void *dst)
{
    return !dst || ama_name_means (ask->dst, dst); /* of several, nobody knows which it was */
}

void ama_asks_fail (ama_ctx_t *ctx, const char *dst, int code, const char *text)
{
    size_t n;
    uint64_t *ids = choose (&ctx->asks, is_asked, dst, &n);

    for (size_t i = 0; i < n && !ctx->exiting; i++) {
        ama_asked_t *ask = find (&ctx->asks, ids[i]);
        if (ask)
            finish_with (ask, code, text);
    }
    free (ids);
}

void ama_asks_init (ama_ctx_t *ctx)
{
    ama_timer_init (&ctx->asks.timer, ama_loop_timers (ctx->loop), on_deadline, ctx);
}

void ama_asks_done (ama_ctx_t *ctx)
{
    ama_asks_t *asks = &ctx->asks;

    ama_timer_cancel (&asks->timer);
    for (size_t i = 0; i < asks->room; i++)
        while (asks->lists[i]) {
            ama_asked_t *ask = asks->lists[i];
            asks->lists[i] = ask->next;
            free (ask);
        }
    free (asks->lists);
    *asks = (ama_asks_t){ 0 };
}
