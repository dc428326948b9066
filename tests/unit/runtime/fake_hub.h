/* fake_hub.h - a hub played by a thread with a raw ROUTER: it says what a test wants it to, at the moment the test wants */
#ifndef AMA_TESTS_FAKE_HUB_H
#define AMA_TESTS_FAKE_HUB_H

#include "tests/unit/runtime/rt_test.h"

#include "messages/ama_message.h"

#include <pthread.h>
#include <zmq.h>

typedef struct fake_hub fake_hub_t;
struct fake_hub {
    /* On the hub's thread, for everything that it hears. hello is said is not answered but by this. */
    void (*on_said) (fake_hub_t *hub, const ama_envelope_t *said, const void *body, size_t size);
    uint64_t epoch; /* of the next welcome */
    void *arg;
    bool roomy;    /* its queue has no bound */
    int step;      /* the test's own */
    uint64_t said; /* number of the last message of ours */
    void *zmq, *socket;
    pthread_t thread;
    char peer[8]; /* who spoke last */
    int n_peer;
};

static inline void fake_send (fake_hub_t *hub, const ama_envelope_t *envelope, const void *body, size_t size)
{
    ama_str_t bytes = { 0 };

    ama_envelope_encode (envelope, &bytes);
    (void) zmq_send (hub->socket, hub->peer, (size_t) hub->n_peer, ZMQ_SNDMORE);
    (void) zmq_send (hub->socket, bytes.data, bytes.size, ZMQ_SNDMORE);
    (void) zmq_send (hub->socket, body, size, 0);
    ama_str_done (&bytes);
}

/* body NULL: an empty map */
static inline void fake_say (fake_hub_t *hub, uint16_t type, uint32_t flags, uint64_t corr, uint64_t seq,
                             const void *body)
{
    ama_envelope_t envelope = {
        .src = "hub", .role = AMA_ROLE_HUB, .id = 1, .type = type, .flags = flags, .corr = corr, .seq = seq
    };
    ama_str_t bytes = { 0 };

    if (body)
        ama_message_info (type)->encode (body, &bytes);
    else
        ama_str_putc (&bytes, (char) 0x80);
    fake_send (hub, &envelope, bytes.data, bytes.size);
    ama_str_done (&bytes);
}

static inline void fake_error (fake_hub_t *hub, uint32_t flags, uint64_t corr, uint64_t seq, int code)
{
    ama_control_error_t error = { .code = code, .text = "because" };

    fake_say (hub, AMA_MSG_CONTROL_ERROR, flags, corr, seq, &error);
}

static inline void fake_welcome (fake_hub_t *hub, const ama_envelope_t *hello)
{
    ama_control_welcome_t welcome = { .epoch = hub->epoch++, .role = AMA_ROLE_AGENT };

    hub->said = 1;
    fake_say (hub, AMA_MSG_CONTROL_WELCOME, AMA_FLAG_REPLY, hello->id, 1, &welcome);
}

static inline void *serve_fake (void *arg)
{
    fake_hub_t *hub = arg;
    zmq_msg_t frame, body;
    ama_envelope_t said;

    (void) zmq_msg_init (&frame);
    (void) zmq_msg_init (&body);
    while ((hub->n_peer = zmq_recv (hub->socket, hub->peer, sizeof hub->peer, 0)) > 0
           && zmq_msg_recv (&frame, hub->socket, 0) >= 0 && zmq_msg_recv (&body, hub->socket, 0) >= 0
           && ama_envelope_decode (zmq_msg_data (&frame), zmq_msg_size (&frame), &said, NULL) == 0)
        hub->on_said (hub, &said, zmq_msg_data (&body), zmq_msg_size (&body));
    (void) zmq_msg_close (&frame);
    (void) zmq_msg_close (&body);
    (void) zmq_close (hub->socket);
    return NULL;
}

static inline void open_fake (fake_hub_t *hub, const char *endpoint)
{
    int none = 0;

    if (!hub->epoch)
        hub->epoch = 7;
    hub->zmq = zmq_ctx_new ();
    hub->socket = zmq_socket (hub->zmq, ZMQ_ROUTER);
    (void) zmq_setsockopt (hub->socket, ZMQ_LINGER, &none, sizeof none);
    if (hub->roomy)
        (void) zmq_setsockopt (hub->socket, ZMQ_RCVHWM, &none, sizeof none);
    assert_int_equal (zmq_bind (hub->socket, endpoint), 0);
    assert_int_equal (pthread_create (&hub->thread, NULL, serve_fake, hub), 0);
}

static inline void close_fake (fake_hub_t *hub)
{
    (void) zmq_ctx_shutdown (hub->zmq); /* ends its recv */
    (void) pthread_join (hub->thread, NULL);
    (void) zmq_ctx_term (hub->zmq);
}

#endif
