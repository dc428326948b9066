/* hub_bench.c - requests answered per second: a bare libzmq echo, the hub itself, an actor behind the hub; one JSON line
 *
 * raw    DEALER → ROUTER → DEALER on inproc, two frames of the size of ours, nothing read or written in them
 * hub    ama_ask of a control.ping, answered by the hub: envelope, codec, ask table and deadline on the way
 * actor  the same, answered by an actor on another thread: the hub passes every message on twice
 *
 * The three take turns, several rounds; the median of each counts.
 */
#include "actors/runtime/ama_node.h"
#include "bench/rounds.h"
#include "messages/ama_types.h"
#include "messages/control.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { ENVELOPE_BYTES = 50, BODY_BYTES = 7 };

/* ---- raw ---- */

static void *echo (void *socket)
{
    zmq_msg_t frames[3];

    for (int i = 0; i < 3; i++)
        (void) zmq_msg_init (&frames[i]);
    for (bool more = true; more;) {
        for (int i = 0; i < 3; i++)
            (void) zmq_msg_recv (&frames[i], socket, 0);
        more = zmq_msg_size (&frames[2]) > 1; /* a body of one byte is the last */
        for (int i = 0; i < 3; i++)
            (void) zmq_msg_send (&frames[i], socket, i < 2 ? ZMQ_SNDMORE : 0);
    }
    (void) zmq_close (socket);
    return NULL;
}

static void send_raw (void *socket, size_t body_bytes)
{
    static const char zeros[64];

    (void) zmq_send (socket, zeros, ENVELOPE_BYTES, ZMQ_SNDMORE);
    (void) zmq_send (socket, zeros, body_bytes, 0);
}

static double raw_per_s (int window, int n)
{
    void *zmq = zmq_ctx_new (), *router = zmq_socket (zmq, ZMQ_ROUTER), *dealer = zmq_socket (zmq, ZMQ_DEALER);
    pthread_t thread;
    char buf[64];
    double start;

    if (zmq_bind (router, "inproc://echo") < 0 || zmq_connect (dealer, "inproc://echo") < 0
        || pthread_create (&thread, NULL, echo, router) != 0)
        exit (1);
    start = seconds ();
    for (int sent = 0, got = 0; got < n; got++) {
        for (; sent < n && sent - got < window; sent++)
            send_raw (dealer, BODY_BYTES);
        (void) zmq_recv (dealer, buf, sizeof buf, 0);
        (void) zmq_recv (dealer, buf, sizeof buf, 0);
    }
    start = seconds () - start;
    send_raw (dealer, 1);
    (void) pthread_join (thread, NULL);
    (void) zmq_close (dealer);
    (void) zmq_ctx_term (zmq);
    return n / start;
}

/* ---- ours ---- */

typedef struct {
    const char *dst;
    int window, n;
    double per_s;
} load_t;

typedef struct {
    load_t *load;
    int sent, got;
    double start;
} asker_t;

static void on_pong (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err, void *arg);

static void ask (ama_ctx_t *ctx, asker_t *self)
{
    ama_control_ping_t ping = { .stamp = (uint64_t) ++self->sent };

    (void) ama_ask (ctx, self->load->dst, AMA_MSG_CONTROL_PING, &ping, 10000, 0, on_pong, self);
}

static void on_pong (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err, void *arg)
{
    asker_t *self = arg;

    (void) envelope, (void) body;
    if (err) {
        (void) fprintf (stderr, "%s\n", err->text);
        exit (1);
    }
    if (++self->got == self->load->n) {
        self->load->per_s = self->load->n / (seconds () - self->start);
        ama_exit (ctx, 0, NULL);
    }
    else if (self->sent < self->load->n)
        ask (ctx, self);
}

static void on_joined (ama_ctx_t *ctx, void *state, uint64_t epoch)
{
    asker_t *self = state;

    (void) epoch;
    self->start = seconds ();
    for (int i = 0; i < self->load->window; i++)
        ask (ctx, self);
}

static int asker_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    (void) ctx, (void) err;
    ((asker_t *) state)->load = *(load_t *const *) config;
    return 0;
}

static double our_per_s (const char *dst, int window, int n)
{
    static const ama_actor_def_t asker = { .name = "supervisor",
                                           .role = AMA_ROLE_SUPERVISOR,
                                           .state_size = sizeof (asker_t),
                                           .init = asker_init,
                                           .joined = on_joined };
    static const ama_actor_def_t answerer = { .name = "planner", .role = AMA_ROLE_PLANNER };
    load_t load = { dst, window, n, 0 }, *config = &load;
    ama_err_t err = { 0 };
    ama_node_t *node = ama_node_new (&(ama_node_conf_t){ .epoch = 1 }, &err);

    if (!node || ama_node_start (node, &answerer, NULL, NULL, &err) < 0
        || ama_node_run_here (node, &asker, NULL, &config, &err) < 0) {
        (void) fprintf (stderr, "%s\n", err.text);
        exit (1);
    }
    ama_node_destroy (&node, 1000);
    return load.per_s;
}

/* ---- the table ---- */

int main (int argc, char **argv)
{
    static const struct {
        int window, n;
    } cases[] = { { 1, 50000 }, { 400, 500000 } };
    int divide = argc > 1 && strcmp (argv[1], "--quick") == 0 ? 10 : 1;

    ama_node_prepare ();
    printf ("{\"windows\": [");
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        double raw[ROUNDS], hub[ROUNDS], actor[ROUNDS];
        int n = cases[i].n / divide;
        for (int round = 0; round < ROUNDS; round++) {
            raw[round] = raw_per_s (cases[i].window, n);
            hub[round] = our_per_s ("hub", cases[i].window, n);
            actor[round] = our_per_s ("planner", cases[i].window, n);
        }
        printf ("%s{\"window\": %d, \"n\": %d, \"raw_per_s\": %.0f, \"hub_per_s\": %.0f, \"actor_per_s\": %.0f, "
                "\"ratio\": %.3f}",
                i ? ", " : "", cases[i].window, n, median (raw), median (hub), median (actor),
                median (hub) / median (raw));
    }
    printf ("]}\n");
    return 0;
}
