/* ama_sock.c - sockets of foreign ZeroMQ protocols in an actor's loop. On the actor's thread. */
#include "actors/runtime/ama_sock.h"

#include "actors/runtime/ama_ctx.h"
#include "actors/runtime/ama_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES_MAX = 64 };

struct ama_sock {
    ama_sock_spec_t spec; /* the strings in it are not kept */
    void *socket;
    ama_source_t *source;
    bool busy, done; /* in a callback; destroyed in it */
    unsigned run;    /* messages since the queue was empty */
    bool was_full;
};

static void free_sock (ama_sock_t *sock)
{
    ama_source_destroy (&sock->source);
    if (sock->socket)
        (void) zmq_close (sock->socket);
    free (sock);
}

/* The rest of a message. Returns the number of frames in msgs, or -1 if there are too many: then none is kept. */
static int receive (ama_sock_t *sock, zmq_msg_t *msgs)
{
    int n = 0;
    bool more = true, kept = true;

    while (more) {
        zmq_msg_t *msg = &msgs[n];
        (void) zmq_msg_init (msg);
        if (zmq_msg_recv (msg, sock->socket, ZMQ_DONTWAIT) < 0) {
            (void) zmq_msg_close (msg);
            break; /* before the first frame: there is no message */
        }
        more = zmq_msg_more (msg);
        if (n == FRAMES_MAX - 1 && more)
            kept = false;
        if (kept || n < FRAMES_MAX - 1)
            n++;
        else
            (void) zmq_msg_close (msg);
    }
    if (kept)
        return n;
    while (n > 0)
        (void) zmq_msg_close (&msgs[--n]);
    return -1;
}

/* False: the socket was destroyed in the callback. */
static bool deliver (ama_sock_t *sock, zmq_msg_t *msgs, int n)
{
    ama_frame_t frames[FRAMES_MAX];

    for (int i = 0; i < n; i++)
        frames[i] = (ama_frame_t){ zmq_msg_data (&msgs[i]), zmq_msg_size (&msgs[i]) };
    sock->busy = true;
    sock->spec.on_message (sock, frames, (size_t) n, sock->spec.arg);
    sock->busy = false;
    for (int i = 0; i < n; i++)
        (void) zmq_msg_close (&msgs[i]);
    return !sock->done;
}

static bool on_readable (void *arg, int budget)
{
    ama_sock_t *sock = arg;
    zmq_msg_t msgs[FRAMES_MAX];

    while (budget-- > 0) {
        int n = receive (sock, msgs);
        sock->run = n ? sock->run + 1 : 0;
        sock->was_full = sock->was_full || sock->run >= AMA_WIRE_QUEUE;
        if (n == 0)
            return false;
        if (n > 0 && !deliver (sock, msgs, n)) {
            free_sock (sock);
            return false;
        }
        if (ama_source_paused (sock->source))
            return true;
    }
    return true;
}

static int set_options (ama_sock_t *sock)
{
    const ama_sock_spec_t *spec = &sock->spec;
    int64_t max_frame = spec->max_frame ? (int64_t) spec->max_frame : -1;
    int yes = 1, rc = zmq_setsockopt (sock->socket, ZMQ_MAXMSGSIZE, &max_frame, sizeof max_frame);

    if (spec->routing_id)
        rc |= zmq_setsockopt (sock->socket, ZMQ_ROUTING_ID, spec->routing_id, strlen (spec->routing_id));
    if (spec->kind == AMA_SOCK_SUB)
        rc |= zmq_setsockopt (sock->socket, ZMQ_SUBSCRIBE, "", 0);
    if (spec->kind == AMA_SOCK_REQ) {
        rc |= zmq_setsockopt (sock->socket, ZMQ_REQ_RELAXED, &yes, sizeof yes);
        rc |= zmq_setsockopt (sock->socket, ZMQ_REQ_CORRELATE, &yes, sizeof yes);
    }
    return rc;
}

ama_sock_t *ama_sock_new (ama_ctx_t *ctx, const ama_sock_spec_t *spec, ama_err_t *err)
{
    static const int types[] = { [AMA_SOCK_DEALER] = ZMQ_DEALER, [AMA_SOCK_SUB] = ZMQ_SUB, [AMA_SOCK_REQ] = ZMQ_REQ };
    void *zmq = ctx->ops->zmq (ctx->port);
    ama_sock_t *sock;

    if (!zmq) {
        (void) ama_err_set (err, AMA_E_UNSUPPORTED, "%s: no sockets in the simulator", spec->endpoint);
        return NULL;
    }
    sock = ama_calloc (1, sizeof *sock);
    sock->spec = *spec;
    if (ama_wire_socket (zmq, types[spec->kind], AMA_WIRE_FOREIGN, &sock->socket, err) < 0) {
        free_sock (sock);
        return NULL;
    }
    if (set_options (sock) != 0 || zmq_connect (sock->socket, spec->endpoint) < 0) {
        (void) ama_err_set (err, AMA_E_INVALID, "%s: %s", spec->endpoint, zmq_strerror (errno));
        free_sock (sock);
        return NULL;
    }
    sock->source = ama_loop_source (ctx->loop, sock->socket, on_readable, NULL, sock);
    return sock;
}

int ama_sock_send (ama_sock_t *sock, const ama_frame_t *frames, size_t n_frames)
{
    ama_source_touch (sock->source);
    for (size_t i = 0; i < n_frames; i++) {
        int flags = ZMQ_DONTWAIT | (i + 1 < n_frames ? ZMQ_SNDMORE : 0);
        /* only the first frame can find no room */
        if (zmq_send (sock->socket, frames[i].data, frames[i].size, flags) < 0)
            return AMA_E_BUSY;
    }
    return 0;
}

bool ama_sock_is_connected (ama_sock_t *sock)
{
    int events = 0;
    size_t size = sizeof events;

    ama_source_touch (sock->source);
    return zmq_getsockopt (sock->socket, ZMQ_EVENTS, &events, &size) == 0 && events & ZMQ_POLLOUT;
}

bool ama_sock_was_full (ama_sock_t *sock)
{
    bool was = sock->was_full;

    sock->was_full = false;
    return was;
}

void ama_sock_pause (ama_sock_t *sock, bool pause)
{
    ama_source_pause (sock->source, pause);
}

void ama_sock_destroy (ama_sock_t **sock_p)
{
    ama_sock_t *sock = *sock_p;

    if (!sock)
        return;
    *sock_p = NULL;
    sock->done = true;
    if (!sock->busy)
        free_sock (sock);
}
