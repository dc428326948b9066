/* sim_pair.h - two actors in the simulator, for its tests */
#ifndef AMA_TESTS_SIM_PAIR_H
#define AMA_TESTS_SIM_PAIR_H

#include "tests/unit/runtime/rt_test.h"

#include "actors/runtime/ama_sim.h"

/* ---- a server that remembers what it was asked, and a client that asks until it is answered ---- */

enum { KEYS = 20 };

typedef struct {
    ama_ctx_t *ctx;
    int seen[KEYS]; /* how often each key came; dies with a crash */
    int total, order_breaks, last;
} server_t;

static int on_request (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    server_t *self = state;
    int key = atoi (((const ama_fetch_request_t *) body)->ref);
    ama_waiter_t waiter = ama_waiter (envelope);
    ama_fetch_reply_t reply = { .commit = ((const ama_fetch_request_t *) body)->ref };

    (void) err;
    self->seen[key]++;
    self->total++;
    self->order_breaks += key < self->last;
    self->last = key;
    return ama_reply (ctx, &waiter, AMA_MSG_FETCH_REPLY, &reply);
}

static const ama_handler_t server_handlers[] = { { AMA_MSG_FETCH_REQUEST, on_request }, AMA_HANDLER_END };

static const ama_actor_def_t server = {
    .name = "fetcher", .role = AMA_ROLE_FETCHER, .state_size = sizeof (server_t), .handlers = server_handlers
};

typedef struct client client_t;

typedef struct {
    client_t *client;
    int key;
    ama_timer_t *retry;
} want_t;

struct client {
    ama_ctx_t *ctx;
    want_t wants[KEYS];
    int answers[KEYS], failures, timeouts, gone;
    int64_t last_failure_ms;
    bool once; /* does not try again */
};

static void ask_for (void *arg);

static void on_answer (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    want_t *want = arg;

    (void) envelope;
    if (!err) {
        assert_int_equal (atoi (((const ama_fetch_reply_t *) body)->commit), want->key);
        want->client->answers[want->key]++;
        return;
    }
    assert_true (err->code == AMA_E_TIMEOUT || err->code == AMA_E_UNREACHABLE);
    want->client->failures++;
    want->client->timeouts += err->code == AMA_E_TIMEOUT;
    want->client->last_failure_ms = ama_now_ms (ctx);
    if (!want->client->once)
        ama_timer_after (want->retry, 50);
}

static void ask_for (void *arg)
{
    want_t *want = arg;
    char key[16];
    ama_fetch_request_t request = { .url = "u", .ref = key };

    (void) snprintf (key, sizeof key, "%d", want->key);
    request.key = ama_new_id (want->client->ctx);
    (void) ama_ask (want->client->ctx, "fetcher", AMA_MSG_FETCH_REQUEST, &request, 1000, 0, on_answer, want);
}

static int client_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    client_t *self = state;

    (void) err;
    self->ctx = ctx;
    self->once = config != NULL;
    for (int i = 0; i < KEYS; i++) {
        self->wants[i] = (want_t){ self, i, ama_timer_new (ctx, ask_for, &self->wants[i]) };
        ask_for (&self->wants[i]);
    }
    return 0;
}

static void client_done (void *state)
{
    for (int i = 0; i < KEYS; i++)
        ama_timer_destroy (&((client_t *) state)->wants[i].retry);
}

static void client_peer_gone (ama_ctx_t *ctx, void *state, const char *name)
{
    (void) ctx;
    assert_string_equal (name, "fetcher");
    ((client_t *) state)->gone++;
}

static const ama_actor_def_t client = { .name = "supervisor",
                                        .role = AMA_ROLE_SUPERVISOR,
                                        .state_size = sizeof (client_t),
                                        .init = client_init,
                                        .done = client_done,
                                        .peer_gone = client_peer_gone };

static void begin (ama_sim_t *sim, const ama_actor_def_t *def, const void *config)
{
    ama_err_t err = { 0 };

    if (ama_sim_start (sim, def, NULL, config, &err) < 0)
        fail_msg ("%s", err.text);
}

static int answered (const client_t *self)
{
    int n = 0;
    for (int i = 0; i < KEYS; i++)
        n += self->answers[i] == 1;
    return n;
}

#endif
