/* ama_actor.c - an actor's context: who it is, what it sends, how what arrives finds its handler
 *
 * Called by the actor on its own thread, and by its port (ama_link.c or ama_sim.c) with what came in. Nothing here blocks.
 * Roles are checked here although the hub has checked them: a process trusts its own table, not another process.
 */
#include "actors/base/ama_crash.h"
#include "actors/base/ama_log.h"
#include "actors/runtime/ama_ctx.h"
#include "messages/ama_types.h"
#include "messages/control.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

/* Somewhere: an answer to an earlier life of this name must not be taken for one to what is asked now. */
static uint64_t first_number (const ama_port_ops_t *ops, void *port)
{
    const ama_id_t id = ops->new_id (port);
    uint32_t number;

    memcpy (&number, id.b + sizeof id.b - sizeof number, sizeof number);
    return (uint64_t) number << 20;
}

ama_ctx_t *ama_ctx_new (const ama_actor_def_t *def, const char *name, ama_loop_t *loop, const ama_port_ops_t *ops,
                        void *port)
{
    ama_ctx_t *ctx = ama_calloc (1, sizeof *ctx);

    *ctx = (ama_ctx_t){ .def = def, .role = def->role, .loop = loop, .ops = ops, .port = port };
    (void) snprintf (ctx->name, sizeof ctx->name, "%s", name ? name : def->name);
    ctx->last_id = first_number (ops, port);
    ama_asks_init (ctx);
    ctx->state = ama_calloc (1, def->state_size ? def->state_size : 1);
    return ctx;
}

void ama_ctx_destroy (ama_ctx_t **ctx_p)
{
    ama_ctx_t *ctx = *ctx_p;

    if (!ctx)
        return;
    *ctx_p = NULL;
    ctx->exiting = true;
    if (ctx->def->done)
        ctx->def->done (ctx->state);
    ama_children_done (ctx);
    ama_asks_done (ctx);
    ama_streams_done (ctx);
    ama_str_done (&ctx->out);
    free (ctx->in);
    free (ctx->state);
    free (ctx);
}

void ama_ctx_stop (ama_ctx_t *ctx)
{
    if (ctx->exiting || ctx->stopping)
        return;
    ctx->stopping = true;
    if (ctx->def->stop)
        ctx->def->stop (ctx, ctx->state);
    else
        ama_exit (ctx, 0, "stopped");
}

void ama_exit (ama_ctx_t *ctx, int code, const char *text)
{
    if (ctx->exiting)
        return;
    ctx->exiting = true;
    ctx->exit_code = code;
    (void) snprintf (ctx->exit_text, sizeof ctx->exit_text, "%s", text ? text : "");
    ama_loop_stop (ctx->loop);
}

void ama_ctx_joined (ama_ctx_t *ctx, uint64_t epoch)
{
    ctx->up = true;
    ctx->epoch = epoch;
    if (ctx->def->joined && !ctx->exiting)
        ctx->def->joined (ctx, ctx->state, epoch);
}

void ama_ctx_parted (ama_ctx_t *ctx)
{
    bool was_up = ctx->up;

    ctx->up = false;
    ama_asks_fail (ctx, NULL, AMA_E_UNREACHABLE, "the link to the hub was lost");
    ama_streams_close (ctx, NULL);
    if (was_up && ctx->def->parted && !ctx->exiting)
        ctx->def->parted (ctx, ctx->state);
}

/* ---- itself ---- */

const char *ama_self (const ama_ctx_t *ctx)
{
    return ctx->name;
}

uint64_t ama_epoch (const ama_ctx_t *ctx)
{
    return ctx->epoch;
}

const ama_clock_t *ama_ctx_clock (const ama_ctx_t *ctx)
{
    return ama_loop_clock (ctx->loop);
}

int64_t ama_now_ms (const ama_ctx_t *ctx)
{
    return ama_mono_ms (ama_ctx_clock (ctx));
}

int64_t ama_wall_now_ms (const ama_ctx_t *ctx)
{
    return ama_wall_ms (ama_ctx_clock (ctx));
}

ama_id_t ama_new_id (ama_ctx_t *ctx)
{
    return ctx->ops->new_id (ctx->port);
}

void ama_defer (ama_ctx_t *ctx, void (*fn) (void *arg), void *arg)
{
    ama_loop_defer (ctx->loop, fn, arg);
}

ama_timer_t *ama_timer_new (ama_ctx_t *ctx, void (*fn) (void *arg), void *arg)
{
    return ama_loop_timer (ctx->loop, fn, arg);
}

ama_watch_t *ama_watch_new (ama_ctx_t *ctx, int fd, short events, void (*fn) (int fd, short revents, void *arg),
                            void *arg)
{
    return ama_loop_watch (ctx->loop, fd, events, fn, arg);
}

/* ---- sending ---- */

void ama_envelope_to (ama_envelope_t *envelope, const char *dst, uint16_t type, uint32_t flags)
{
    size_t size = strnlen (dst, AMA_NAME_MAX - 1);

    /* not a compound literal: that would clear 300 bytes for every message */
    envelope->type = type;
    envelope->flags = flags;
    envelope->id = envelope->corr = 0;
    envelope->window = 0;
    envelope->seq = envelope->deadline = 0;
    memcpy (envelope->dst, dst, size);
    envelope->dst[size] = '\0';
    envelope->user[0] = '\0';
}

int ama_ctx_send_sized (ama_ctx_t *ctx, ama_envelope_t *envelope, const void *body, size_t *ret_size)
{
    const ama_message_info_t *info = ama_message_info (envelope->type);

    BUG_ON (!info);
    ama_str_clear (&ctx->out);
    if (body)
        info->encode (body, &ctx->out);
    else
        ama_str_putc (&ctx->out, (char) 0x80); /* a map without entries */
    if (ctx->out.size > AMA_BODY_MAX)
        return AMA_E_LIMIT;
    *ret_size = ctx->out.size;
    if (!envelope->id)
        envelope->id = ++ctx->last_id;
    (void) memcpy (envelope->src, ctx->name, strlen (ctx->name) + 1);
    envelope->role = ctx->role;
    envelope->epoch = ctx->epoch;
    return ctx->ops->send (ctx->port, envelope, &ctx->out);
}

int ama_ctx_send (ama_ctx_t *ctx, ama_envelope_t *envelope, const void *body)
{
    size_t size;

    return ama_ctx_send_sized (ctx, envelope, body, &size);
}

int ama_tell (ama_ctx_t *ctx, const char *dst, uint16_t type, const void *body)
{
    ama_envelope_t envelope;

    ama_envelope_to (&envelope, dst, type, 0);
    return ama_ctx_send (ctx, &envelope, body);
}

ama_waiter_t ama_waiter (const ama_envelope_t *request)
{
    ama_waiter_t waiter = { .id = request->id, .role = request->role };

    (void) snprintf (waiter.name, sizeof waiter.name, "%s", request->src);
    memcpy (waiter.user, request->user, sizeof waiter.user);
    return waiter;
}

int ama_reply (ama_ctx_t *ctx, const ama_waiter_t *waiter, uint16_t type, const void *body)
{
    ama_envelope_t envelope;

    ama_envelope_to (&envelope, waiter->name, type, AMA_FLAG_REPLY);
    envelope.corr = waiter->id;
    return ama_ctx_send (ctx, &envelope, body);
}

int ama_refuse (ama_ctx_t *ctx, const ama_waiter_t *waiter, int code, const char *format, ...)
{
    char text[AMA_ERR_TEXT_MAX];
    ama_control_error_t body = { .code = code, .text = text };
    ama_envelope_t envelope;
    va_list args;

    va_start (args, format);
    (void) vsnprintf (text, sizeof text, format, args);
    va_end (args);
    ama_envelope_to (&envelope, waiter->name, AMA_MSG_CONTROL_ERROR, AMA_FLAG_REPLY | AMA_FLAG_ERROR);
    envelope.corr = waiter->id;
    return ama_ctx_send (ctx, &envelope, &body);
}

/* ---- what arrives ---- */

void *ama_ctx_decode (ama_ctx_t *ctx, const ama_message_info_t *info, const void *body, size_t size, ama_err_t *err)
{
    if (info->size > ctx->in_room) {
        free (ctx->in);
        ctx->in = ama_malloc (info->size);
        ctx->in_room = info->size;
    }
    return info->decode (body, size, ctx->in, err) == 0 ? ctx->in : NULL;
}

static void dead_letter (const ama_ctx_t *ctx, const ama_envelope_t *envelope, const ama_err_t *err)
{
    const ama_message_info_t *info = ama_message_info (envelope->type);

    ama_log (AMA_LOG_DEBUG, ctx->name, "dead letter %s (0x%04x) from %s: %s %s", info ? info->name : "?",
             envelope->type, envelope->src, ama_err_name (err->code), err->text);
}

/* Somebody else's mistake, or a handler's no: the sender of a request hears of it. */
static void turn_down (ama_ctx_t *ctx, const ama_envelope_t *envelope, const ama_err_t *err)
{
    ama_waiter_t waiter;

    if (!(envelope->flags & AMA_FLAG_REQUEST)) {
        dead_letter (ctx, envelope, err);
        return;
    }
    waiter = ama_waiter (envelope);
    (void) ama_refuse (ctx, &waiter, err->code, "%s", err->text);
}

static void handle (ama_ctx_t *ctx, const ama_envelope_t *envelope, const ama_message_info_t *info, ama_handler_fn *fn,
                    const void *bytes, size_t size)
{
    ama_err_t err = { 0 };
    ama_crash_work_t work;
    void *body;
    int rc;

    if (ama_crash_check (info->name, bytes, size, &err) < 0) {
        turn_down (ctx, envelope, &err);
        return;
    }
    ama_crash_begin (&work, info->name, bytes, size);
    body = ama_ctx_decode (ctx, info, bytes, size, &err);
    if (!body) {
        ama_crash_end (&work);
        err.code = AMA_E_DECODE;
        turn_down (ctx, envelope, &err);
        return;
    }
    rc = fn (ctx, ctx->state, envelope, body, &err);
    info->done (body);
    ama_crash_end (&work);
    ama_loop_lap (ctx->loop, ctx->name, info->name);
    if (rc >= 0)
        return;
    err.code = rc;
    turn_down (ctx, envelope, &err);
    if (rc == AMA_E_FATAL)
        ama_exit (ctx, AMA_E_FATAL, err.text);
}

/* Its sender has stopped waiting while it lay here. It is dropped and not answered: whoever does wait after all, because a clock was set,
 * hears from his own timer, and an answer of ours would look like the result of the work. */
static bool is_late (ama_ctx_t *ctx, const ama_envelope_t *envelope)
{
    uint64_t now_ms;
    ama_err_t err;

    if (!envelope->deadline || !(envelope->flags & AMA_FLAG_REQUEST))
        return false;
    now_ms = (uint64_t) ama_loop_wall_ms (ctx->loop, ama_now_ms (ctx));
    if (now_ms <= envelope->deadline || now_ms - envelope->deadline <= (uint64_t) ctx->clocks_ms)
        return false;
    (void) ama_err_set (&err, AMA_E_TIMEOUT, "too late: its deadline was %llu ms ago",
                        (unsigned long long) (now_ms - envelope->deadline));
    dead_letter (ctx, envelope, &err);
    return true;
}

static void on_message (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, size_t size)
{
    const ama_message_info_t *info = ama_message_info (envelope->type);
    const ama_handler_t *handler = ctx->def->handlers;
    ama_err_t err = { 0 };

    while (handler && handler->fn && handler->type != envelope->type)
        handler++;
    if (!info || !handler || !handler->fn) {
        (void) ama_err_set (&err, AMA_E_UNSUPPORTED, "%s knows no message of type 0x%04x", ctx->name, envelope->type);
        turn_down (ctx, envelope, &err);
    }
    else if (envelope->role > 31 || !(info->from_roles & 1u << envelope->role)) {
        (void) ama_err_set (&err, AMA_E_ROLE, "%s may not send %s", envelope->src, info->name);
        turn_down (ctx, envelope, &err);
    }
    else if (!is_late (ctx, envelope))
        handle (ctx, envelope, info, handler->fn, body, size);
}

static void on_ping (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, size_t size)
{
    const ama_control_ping_t *ping = ama_ctx_decode (ctx, ama_message_info (AMA_MSG_CONTROL_PING), body, size, NULL);
    ama_waiter_t waiter = ama_waiter (envelope);
    ama_control_pong_t pong = { .stamp = ping ? ping->stamp : 0 };

    if (ping)
        (void) ama_reply (ctx, &waiter, AMA_MSG_CONTROL_PONG, &pong);
}

static void on_credit (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, size_t size)
{
    ama_control_credit_t credit;

    if (ama_control_credit_decode (body, size, &credit, NULL) == 0)
        ama_streams_on_credit (ctx, envelope, credit.bytes);
}

static void on_peer_gone (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, size_t size)
{
    ama_control_peer_gone_t gone;

    if (envelope->role != AMA_ROLE_HUB || ama_control_peer_gone_decode (body, size, &gone, NULL) < 0)
        return;
    ama_asks_fail (ctx, gone.name, AMA_E_UNREACHABLE, "the peer is gone");
    ama_streams_close (ctx, gone.name);
    if (ctx->def->peer_gone && !ctx->exiting)
        ctx->def->peer_gone (ctx, ctx->state, gone.name);
    ama_control_peer_gone_done (&gone);
}

void ama_ctx_deliver (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, size_t size)
{
    if (ctx->exiting)
        return;
    if (envelope->flags & AMA_FLAG_REPLY)
        ama_asks_on_reply (ctx, envelope, body, size);
    else if (envelope->type == AMA_MSG_CONTROL_PING)
        on_ping (ctx, envelope, body, size);
    else if (envelope->type == AMA_MSG_CONTROL_CREDIT)
        on_credit (ctx, envelope, body, size);
    else if (envelope->type == AMA_MSG_CONTROL_CANCEL)
        ama_streams_on_cancel (ctx, envelope);
    else if (envelope->type == AMA_MSG_CONTROL_PEER_GONE)
        on_peer_gone (ctx, envelope, body, size);
    else
        on_message (ctx, envelope, body, size);
}
