/* ama_stream.c - the sending side of a stream: parts as long as there is credit, then the answer
 *
 * On the actor's thread. Credit is in bytes: the window of the request, less what was sent, plus what the reader grants after it has
 * handled it. It may go below zero by one part. Of many streams each gets a share of what may be under way in all. A stream is known by its reader's name and the number of the reader's ask.
 */
#include "actors/runtime/ama_ctx.h"
#include "messages/ama_types.h"
#include "messages/control.h"

#include <stdlib.h>
#include <string.h>

enum { RETRY_MS = 2 };

struct ama_stream {
    ama_stream_t *next; /* of ctx->streams: as many as there are readers, so a list will do */
    ama_ctx_t *ctx;
    ama_waiter_t reader;
    int64_t credit, window;
    bool waits; /* ama_stream_send said AGAIN */
    ama_timer_t retry;
    ama_stream_fn *on_writable, *on_closed;
    void *arg;
};

static ama_stream_t *find (ama_ctx_t *ctx, const ama_envelope_t *envelope)
{
    ama_stream_t *stream = ctx->streams;

    while (stream && (stream->reader.id != envelope->corr || strcmp (stream->reader.name, envelope->src) != 0))
        stream = stream->next;
    return stream;
}

static void take_out (ama_ctx_t *ctx, ama_stream_t *stream)
{
    ama_stream_t **at = &ctx->streams;

    ama_timer_cancel (&stream->retry);
    while (*at != stream)
        at = &(*at)->next;
    *at = stream->next;
    ctx->n_streams--;
}

static void forget (ama_stream_t *stream)
{
    take_out (stream->ctx, stream);
    free (stream);
}

/* Many readers that stall at once must not be given all that they have windows for. */
static bool has_credit (const ama_stream_t *stream)
{
    int64_t share = AMA_STREAMS_BYTES / (int64_t) stream->ctx->n_streams;

    if (share < AMA_STREAM_SHARE)
        share = AMA_STREAM_SHARE;
    return stream->credit > 0 && stream->window - stream->credit < share;
}

static void writable_again (ama_stream_t *stream)
{
    ama_timer_cancel (&stream->retry);
    if (!stream->waits || !has_credit (stream))
        return;
    stream->waits = false;
    stream->on_writable (stream, stream->arg); /* may end it */
}

static void on_retry (void *arg)
{
    writable_again (arg);
}

ama_stream_t *ama_stream_new (ama_ctx_t *ctx, const ama_envelope_t *request, ama_stream_fn *on_writable,
                              ama_stream_fn *on_closed, void *arg)
{
    ama_stream_t *stream = ama_calloc (1, sizeof *stream);

    stream->ctx = ctx;
    stream->reader = ama_waiter (request);
    stream->credit = stream->window = request->window;
    stream->on_writable = on_writable;
    stream->on_closed = on_closed;
    stream->arg = arg;
    ama_timer_init (&stream->retry, ama_loop_timers (ctx->loop), on_retry, stream);
    /* a reader that uses a number twice gets two streams under one key, and only harms itself */
    stream->next = ctx->streams;
    ctx->streams = stream;
    ctx->n_streams++;
    return stream;
}

static void make_envelope (const ama_stream_t *stream, ama_envelope_t *envelope, uint16_t type, uint32_t flags)
{
    ama_envelope_to (envelope, stream->reader.name, type, AMA_FLAG_REPLY | flags);
    envelope->corr = stream->reader.id;
}

int ama_stream_send (ama_stream_t *stream, uint16_t type, const void *body)
{
    ama_envelope_t envelope;
    size_t size = 0;
    int rc;

    if (!has_credit (stream)) {
        stream->waits = true;
        return AMA_E_AGAIN;
    }
    make_envelope (stream, &envelope, type, AMA_FLAG_MORE);
    rc = ama_ctx_send_sized (stream->ctx, &envelope, body, &size);
    if (rc == AMA_E_BUSY) { /* our own way out is full: no credit will come for that */
        stream->waits = true;
        ama_timer_after (&stream->retry, RETRY_MS);
        return AMA_E_AGAIN;
    }
    if (rc == 0)
        stream->credit -= (int64_t) size + AMA_PART_COST;
    return rc;
}

void ama_stream_end (ama_stream_t **stream, uint16_t type, const void *body)
{
    ama_envelope_t envelope;

    if (!*stream)
        return;
    make_envelope (*stream, &envelope, type, 0);
    (void) ama_ctx_send ((*stream)->ctx, &envelope, body);
    forget (*stream);
    *stream = NULL;
}

void ama_stream_fail (ama_stream_t **stream, int code, const char *text)
{
    if (!*stream)
        return;
    (void) ama_refuse ((*stream)->ctx, &(*stream)->reader, code, "%s", text);
    forget (*stream);
    *stream = NULL;
}

/* ---- what the reader says ---- */

void ama_streams_on_credit (ama_ctx_t *ctx, const ama_envelope_t *envelope, uint64_t bytes)
{
    ama_stream_t *stream = find (ctx, envelope);

    if (!stream)
        return;
    /* a reader can not widen its window by granting what it never received */
    stream->credit =
        bytes > (uint64_t) (stream->window - stream->credit) ? stream->window : stream->credit + (int64_t) bytes;
    writable_again (stream);
}

static void close_stream (ama_ctx_t *ctx, ama_stream_t *stream)
{
    ama_stream_fn *on_closed = stream->on_closed;

    take_out (ctx, stream);
    if (on_closed && !ctx->exiting)
        on_closed (stream, stream->arg);
    free (stream);
}

void ama_streams_on_cancel (ama_ctx_t *ctx, const ama_envelope_t *envelope)
{
    ama_stream_t *stream = find (ctx, envelope);

    if (stream)
        close_stream (ctx, stream);
}

void ama_streams_close (ama_ctx_t *ctx, const char *name)
{
    for (ama_stream_t *stream = ctx->streams, *next; stream; stream = next) {
        next = stream->next;
        if (name && strcmp (stream->reader.name, name) != 0)
            continue;
        close_stream (ctx, stream);
        next = ctx->streams; /* the callback may have ended others */
    }
}

void ama_streams_done (ama_ctx_t *ctx)
{
    while (ctx->streams) {
        ama_stream_t *stream = ctx->streams;
        ctx->streams = stream->next;
        ctx->n_streams--;
        ama_timer_cancel (&stream->retry);
        free (stream);
    }
}
