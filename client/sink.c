/* sink.c - writes when the descriptor can take it. Part of the client's actor, on its thread.
 *
 * The descriptor is shared with whoever started us and so is not made non-blocking: a pipe or terminal that poll calls writable takes PIPE_BUF
 * bytes at once. Files are always written at once.
 */
#include "client/sink.h"

#include "actors/base/ama_str.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct ama_sink {
    int fd;
    bool at_once, broken, was_full;
    ama_str_t bytes;
    size_t written; /* of bytes */
    ama_watch_t *watch;
    void (*on_change) (void *arg);
    void *arg;
};

/* Writes up to `size` bytes; false if it can not go on. */
static bool write_some (ama_sink_t *sink, size_t size)
{
    size_t left = sink->bytes.size - sink->written;
    ssize_t n;

    do
        n = write (sink->fd, sink->bytes.data + sink->written, left < size ? left : size);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) /* somebody else made it non-blocking */
        return false;
    if (n < 0) {
        sink->broken = true;
        sink->written = sink->bytes.size;
        return false;
    }
    sink->written += (size_t) n;
    return true;
}

static void tidy (ama_sink_t *sink)
{
    if (sink->written == sink->bytes.size) {
        ama_str_clear (&sink->bytes);
        sink->written = 0;
    }
    else if (sink->written > AMA_SINK_MAX) {
        ama_str_cut (&sink->bytes, sink->written);
        sink->written = 0;
    }
    if (sink->watch)
        ama_watch_set (sink->watch, sink->bytes.size ? POLLOUT : 0);
    if (sink->on_change && (sink->broken || (sink->was_full && !ama_sink_is_full (sink))))
        sink->on_change (sink->arg);
    sink->was_full = ama_sink_is_full (sink);
}

static void on_writable (int fd, short revents, void *arg)
{
    ama_sink_t *sink = arg;

    (void) fd;
    if (revents & (POLLERR | POLLNVAL))
        sink->broken = true;
    else
        (void) write_some (sink, PIPE_BUF);
    tidy (sink);
}

ama_sink_t *ama_sink_new (ama_ctx_t *ctx, int fd, void (*on_change) (void *arg), void *arg)
{
    ama_sink_t *sink = ama_calloc (1, sizeof *sink);
    struct stat st;

    sink->fd = fd;
    sink->at_once = fstat (fd, &st) < 0 || !(S_ISFIFO (st.st_mode) || S_ISSOCK (st.st_mode) || isatty (fd));
    sink->on_change = on_change;
    sink->arg = arg;
    if (!sink->at_once)
        sink->watch = ama_watch_new (ctx, fd, 0, on_writable, sink);
    return sink;
}

void ama_sink_destroy (ama_sink_t **sink)
{
    if (!*sink)
        return;
    ama_watch_destroy (&(*sink)->watch);
    ama_str_done (&(*sink)->bytes);
    free (*sink);
    *sink = NULL;
}

/* Everything the descriptor takes without waiting. */
static void write_now (ama_sink_t *sink)
{
    struct pollfd poll_fd = { .fd = sink->fd, .events = POLLOUT };

    while (sink->written < sink->bytes.size) {
        if (!sink->at_once && (poll (&poll_fd, 1, 0) != 1 || !(poll_fd.revents & POLLOUT)))
            return;
        if (!write_some (sink, sink->at_once ? SIZE_MAX : PIPE_BUF))
            return;
    }
}

void ama_sink_add (ama_sink_t *sink, const char *bytes, size_t size)
{
    if (sink->broken || !size)
        return;
    ama_str_add (&sink->bytes, bytes, size);
    write_now (sink);
    tidy (sink);
}

bool ama_sink_is_full (const ama_sink_t *sink)
{
    return sink->bytes.size - sink->written > AMA_SINK_MAX;
}

bool ama_sink_is_broken (const ama_sink_t *sink)
{
    return sink->broken;
}

void ama_sink_finish (ama_sink_t *sink)
{
    struct pollfd poll_fd = { .fd = sink->fd, .events = POLLOUT };

    while (sink->written < sink->bytes.size && !sink->broken)
        if (!write_some (sink, PIPE_BUF) && !sink->broken)
            (void) poll (&poll_fd, 1, -1);
    ama_str_clear (&sink->bytes);
    sink->written = 0;
}
