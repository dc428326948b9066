/* crowd.c - many clients at the door of an amad, as actors of one process; for tests of what they cost it
 *
 *     crowd ENDPOINT follow RUN STREAMS    follows a run that often and reads nothing beyond the first credit. Says "held N" when all have begun, ends with its input
 *     crowd ENDPOINT submit REPO COUNT BYTES   submits that often, with BYTES of parameters, 64 at a time for each of 8 clients; says how many were accepted and refused
 *     crowd ENDPOINT junk SECONDS          peers that never join and say what is no message, in frames up to the limit, as fast as it goes
 */
#include "actors/runtime/ama_node.h"
#include "messages/ama_types.h"
#include "messages/report.h"
#include "messages/run.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { CLIENTS = 8, AT_A_TIME = 64, WINDOW = 1 << 20, PEERS = 16, PARAM = 16000 };

typedef struct {
    ama_id_t run;
    const char *repo;
    size_t count, bytes; /* each client's */
    unsigned index;
    bool submits;
} order_t;

typedef struct {
    const order_t *order;
    ama_ctx_t *ctx;
    ama_timer_t *again;
    size_t said, under_way, begun;
    ama_run_param_t *params;
    size_t n_params;
} client_t;

static atomic_size_t accepted, refused, held;

static void say_more (void *arg);

/* ---- who follows ---- */

static void on_report (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    client_t *self = arg;

    (void) ctx, (void) body;
    if (err)
        refused++;
    else if (envelope->flags & AMA_FLAG_MORE && self->begun < self->order->count) {
        self->begun++;
        held++;
    }
}

static void follow (client_t *self)
{
    const ama_report_follow_t all = { .run = self->order->run, .level = AMA_REPORT_LEVEL_CODE };

    for (size_t i = 0; i < self->order->count; i++) {
        uint64_t ask = ama_ask (self->ctx, "reporter", AMA_MSG_REPORT_FOLLOW, &all, 0, WINDOW, on_report, self);
        ama_ask_hold (self->ctx, ask, true);
    }
}

/* ---- who submits ---- */

static void on_accepted (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                         void *arg)
{
    client_t *self = arg;

    (void) ctx, (void) envelope, (void) body;
    self->under_way--;
    if (err)
        refused++;
    else
        accepted++;
    if (err && err->code == AMA_E_BUSY)
        ama_timer_after (self->again, 20);
    else
        say_more (self);
}

static void say_more (void *arg)
{
    client_t *self = arg;

    while (self->under_way < AT_A_TIME && self->said < self->order->count) {
        char token[64];
        ama_run_submit_t submit = { .token = token,
                                    .repo = (char *) self->order->repo,
                                    .ref = (char *) "",
                                    .env = (char *) "default",
                                    .name = (char *) "",
                                    .params = self->params,
                                    .n_params = self->n_params };
        (void) snprintf (token, sizeof token, "crowd-%ld-%u-%zu", (long) getpid (), self->order->index, self->said);
        self->said++;
        self->under_way++;
        (void) ama_ask (self->ctx, "supervisor", AMA_MSG_RUN_SUBMIT, &submit, 60000, 0, on_accepted, self);
    }
}

static void make_params (client_t *self)
{
    size_t left = self->order->bytes;

    self->params = calloc (left / PARAM + 1, sizeof *self->params);
    while (left) {
        size_t size = left < PARAM ? left : PARAM;
        char *value = calloc (1, size + 1), name[32];
        memset (value, 'v', size);
        (void) snprintf (name, sizeof name, "p%zu", self->n_params);
        self->params[self->n_params++] = (ama_run_param_t){ .name = strdup (name), .value = value };
        left -= size;
    }
}

/* ---- both ---- */

static int client_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    client_t *self = state;

    (void) err;
    *self = (client_t){ .ctx = ctx, .order = *(order_t *const *) config };
    self->again = ama_timer_new (ctx, say_more, self);
    make_params (self);
    return 0;
}

static void client_joined (ama_ctx_t *ctx, void *state, uint64_t epoch)
{
    client_t *self = state;

    (void) ctx, (void) epoch;
    if (!self->order->submits)
        follow (self);
    else if (!self->said)
        say_more (self);
}

static void client_done (void *state)
{
    client_t *self = state;

    ama_timer_destroy (&self->again);
    for (size_t i = 0; i < self->n_params; i++) {
        free (self->params[i].name);
        free (self->params[i].value);
    }
    free (self->params);
}

static const ama_actor_def_t client_def = {
    .name = "client",
    .role = AMA_ROLE_OPERATOR,
    .state_size = sizeof (client_t),
    .init = client_init,
    .joined = client_joined,
    .done = client_done,
};

static int be_clients (const char *endpoint, order_t all)
{
    order_t orders[CLIENTS];
    ama_err_t err = { 0 };
    ama_node_t *node;
    char byte;

    ama_node_prepare ();
    node = ama_node_new (&(ama_node_conf_t){ .connect = endpoint }, &err);
    for (unsigned i = 0; node && i < CLIENTS; i++) {
        const order_t *its = &orders[i];
        char name[32];
        orders[i] = all;
        orders[i].index = i;
        orders[i].count = all.count / CLIENTS + (i < all.count % CLIENTS);
        (void) snprintf (name, sizeof name, "client/%ld.%u", (long) getpid (), i);
        if (ama_node_start (node, &client_def, name, &its, &err) < 0)
            return 1;
    }
    if (!node)
        return 1;
    while (all.submits ? accepted + refused < all.count : held < all.count && !refused)
        (void) usleep (2000);
    if (all.submits)
        (void) printf ("accepted %zu refused %zu\n", (size_t) accepted, (size_t) refused);
    else {
        (void) printf ("held %zu refused %zu\n", (size_t) held, (size_t) refused);
        (void) fflush (stdout);
        (void) !read (STDIN_FILENO, &byte, 1);
    }
    ama_node_destroy (&node, 1000);
    return 0;
}

/* ---- who never joins ---- */

static int be_junk (const char *endpoint, int64_t how_long_s)
{
    static char junk[8 << 20];
    void *zmq = zmq_ctx_new (), *peers[PEERS];
    time_t end = time (NULL) + how_long_s;
    uint64_t x = 88172645463325252u, frames = 0;
    int no_linger = 0;

    for (size_t i = 0; i < sizeof junk; i++)
        junk[i] = (char) (i * 2654435761u >> 13);
    for (int i = 0; i < PEERS; i++) {
        peers[i] = zmq_socket (zmq, ZMQ_DEALER);
        if (!peers[i] || zmq_setsockopt (peers[i], ZMQ_LINGER, &no_linger, sizeof no_linger) < 0
            || zmq_connect (peers[i], endpoint) < 0)
            return 1;
    }
    while (time (NULL) < end) {
        void *peer = peers[(x >> 8) % PEERS];
        size_t size;
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        size = x % 2000 == 0 ? sizeof junk : x % 50 == 0 ? sizeof junk / 16 : (x >> 20) % 3000;
        frames += zmq_send (peer, junk + size % 77, size - size % 77, ZMQ_DONTWAIT | (x % 3 ? ZMQ_SNDMORE : 0)) >= 0;
    }
    (void) printf ("said %" PRIu64 "\n", frames);
    for (int i = 0; i < PEERS; i++)
        (void) zmq_close (peers[i]);
    (void) zmq_ctx_term (zmq);
    return 0;
}

int main (int argc, char **argv)
{
    order_t order = { 0 };

    if (argc == 4 && strcmp (argv[2], "junk") == 0)
        return be_junk (argv[1], strtol (argv[3], NULL, 10));
    if (argc == 5 && strcmp (argv[2], "follow") == 0 && ama_id_parse (argv[3], &order.run) == 0) {
        order.count = strtoul (argv[4], NULL, 10);
        return be_clients (argv[1], order);
    }
    if (argc == 6 && strcmp (argv[2], "submit") == 0) {
        order = (order_t){
            .repo = argv[3], .count = strtoul (argv[4], NULL, 10), .bytes = strtoul (argv[5], NULL, 10), .submits = true
        };
        return be_clients (argv[1], order);
    }
    (void) fputs ("usage: crowd ENDPOINT follow RUN STREAMS | submit REPO COUNT BYTES | junk SECONDS\n", stderr);
    return 2;
}
