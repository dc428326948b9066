/* hub_scene.h - for tests of the hub: a hub, and raw DEALERs that can lie to it
 *
 * Every peer numbers what it says as a link does, and looks at the numbers of what it hears.
 */
#ifndef AMA_TESTS_HUB_SCENE_H
#define AMA_TESTS_HUB_SCENE_H

#include "tests/unit/runtime/rt_test.h"

#include "messages/ama_message.h"

#include <zmq.h>

#include "actors/runtime/ama_hub.h"
#include "actors/runtime/ama_wire.h"

typedef struct {
    void *socket;
    uint64_t id, epoch, deadline;
    uint64_t said, heard; /* seq of the last message to the hub, and of the hub's last to it */
    char name[32];        /* as it last said hello */
    char user[32];        /* the key it says it has */
} peer_t;

typedef struct {
    void *zmq;
    ama_hub_t *hub;
    peer_t peers[3]; /* a, b inside the process; c over ipc */
    char folder[64], endpoint[96];
} scene_t;

static inline void *new_dealer (scene_t *scene, const char *endpoint)
{
    void *socket = zmq_socket (scene->zmq, ZMQ_DEALER);
    int linger = 0;

    assert_non_null (socket);
    (void) zmq_setsockopt (socket, ZMQ_LINGER, &linger, sizeof linger);
    assert_int_equal (zmq_connect (socket, endpoint), 0);
    return socket;
}

static inline void open_scene (scene_t *scene, uint64_t epoch)
{
    static const char *const placed[] = { "fetcher.2", NULL };
    const char *listen[2] = { scene->endpoint, NULL };
    ama_err_t err = { 0 };

    memset (scene, 0, sizeof *scene);
    (void) snprintf (scene->endpoint, sizeof scene->endpoint, "ipc://%s/hub",
                     temp_folder (scene->folder, sizeof scene->folder));
    scene->zmq = zmq_ctx_new ();
    scene->hub = ama_hub_new (scene->zmq, listen, NULL, placed, epoch, &err);
    if (!scene->hub)
        fail_msg ("no hub: %s", err.text);
    scene->peers[0].socket = new_dealer (scene, AMA_HUB_INPROC);
    scene->peers[1].socket = new_dealer (scene, AMA_HUB_INPROC);
    scene->peers[2].socket = new_dealer (scene, scene->endpoint);
}

static inline void close_scene (scene_t *scene)
{
    for (int i = 0; i < 3; i++)
        (void) zmq_close (scene->peers[i].socket);
    ama_hub_destroy (&scene->hub);
    (void) zmq_ctx_term (scene->zmq);
    remove_folder (scene->folder);
}

/* ---- the words of a conversation ---- */

static inline void say (peer_t *peer, const ama_envelope_t *envelope, ama_str_t *body)
{
    ama_packet_t packet;

    ama_packet_init (&packet);
    ama_packet_make (&packet, envelope, body);
    ama_packet_number (&packet, ++peer->said);
    while (!ama_packet_send (&packet, peer->socket)) { /* not connected yet, or full for a moment */
        zmq_pollitem_t item = { .socket = peer->socket, .events = ZMQ_POLLOUT };
        assert_int_equal (zmq_poll (&item, 1, 5000), 1);
    }
    ama_packet_done (&packet);
}

static inline void say_hello (peer_t *peer, const char *name, const char *role, int age)
{
    ama_control_hello_t hello = { .name = (char *) name, .pid = 1 };
    ama_envelope_t envelope = { .type = AMA_MSG_CONTROL_HELLO, .flags = AMA_FLAG_REQUEST, .dst = "hub" };
    ama_str_t body = { 0 };

    assert_int_equal (ama_role_parse (role, &hello.role), 0);
    hello.incarnation.b[15] = (uint8_t) age;
    envelope.id = ++peer->id;
    peer->said = 0;
    (void) snprintf (peer->name, sizeof peer->name, "%s", name);
    (void) snprintf (envelope.src, sizeof envelope.src, "%s", name);
    ama_control_hello_encode (&hello, &body);
    say (peer, &envelope, &body);
    ama_str_done (&body);
}

/* src NULL: the truth */
static inline void say_request (peer_t *peer, const char *dst, uint16_t type, uint32_t flags, const char *src,
                                uint32_t role)
{
    ama_envelope_t envelope = {
        .type = type, .flags = flags, .role = role, .epoch = peer->epoch, .deadline = peer->deadline
    };
    ama_fetch_request_t request = { .url = "u", .ref = "r" };
    ama_str_t body = { 0 };

    envelope.id = ++peer->id;
    envelope.corr = flags & AMA_FLAG_REPLY ? 77 : 0;
    (void) snprintf (envelope.user, sizeof envelope.user, "%s", peer->user);
    (void) snprintf (envelope.src, sizeof envelope.src, "%s", src ? src : peer->name);
    (void) snprintf (envelope.dst, sizeof envelope.dst, "%s", dst);
    if (type >> 8 == 0) /* control: missing fields are zero */
        ama_str_putc (&body, (char) 0x80);
    else
        ama_fetch_request_encode (&request, &body);
    say (peer, &envelope, &body);
    ama_str_done (&body);
}

/* texts: of errors, too */
static inline void describe (const ama_envelope_t *envelope, const void *body, size_t size, bool texts, char *text,
                             size_t room)
{
    const ama_message_info_t *info = ama_message_info (envelope->type);
    ama_control_error_t error;
    ama_control_welcome_t welcome;
    ama_control_peer_gone_t gone;
    size_t used =
        (size_t) snprintf (text, room, "%s from %s (%s)", info->name, envelope->src, ama_role_name (envelope->role));

    if (envelope->user[0])
        used += (size_t) snprintf (text + used, room - used, " by %s", envelope->user);
    if (envelope->type == AMA_MSG_CONTROL_ERROR && ama_control_error_decode (body, size, &error, NULL) == 0) {
        (void) snprintf (text + used, room - used, " %s%s%s", ama_err_name ((int) error.code), texts ? ": " : "",
                         texts ? error.text : "");
        ama_control_error_done (&error);
    }
    if (envelope->type == AMA_MSG_CONTROL_WELCOME && ama_control_welcome_decode (body, size, &welcome, NULL) == 0)
        (void) snprintf (text + used, room - used, " %s %d", ama_role_name (welcome.role), (int) welcome.epoch);
    if (envelope->type == AMA_MSG_CONTROL_PEER_GONE && ama_control_peer_gone_decode (body, size, &gone, NULL) == 0) {
        (void) snprintf (text + used, room - used, " %s", gone.name);
        ama_control_peer_gone_done (&gone);
    }
}

static inline void check_number (peer_t *peer, const ama_envelope_t *envelope)
{
    if (!envelope->seq) /* said to one who is no member */
        return;
    if (envelope->type != AMA_MSG_CONTROL_WELCOME)
        assert_int_equal (envelope->seq, peer->heard + 1);
    peer->heard = envelope->seq;
}

static inline void hear_more (peer_t *peer, bool texts, char *text, size_t room, int ms)
{
    zmq_pollitem_t item = { .socket = peer->socket, .events = ZMQ_POLLIN };
    ama_packet_t packet;
    ama_envelope_t envelope;

    ama_packet_init (&packet);
    (void) snprintf (text, room, "nothing");
    if (zmq_poll (&item, 1, ms) == 1 && ama_packet_recv (&packet, peer->socket) == 1
        && ama_envelope_decode (zmq_msg_data (&packet.envelope), zmq_msg_size (&packet.envelope), &envelope, NULL)
               == 0) {
        describe (&envelope, zmq_msg_data (&packet.body), zmq_msg_size (&packet.body), texts, text, room);
        check_number (peer, &envelope);
    }
    ama_packet_done (&packet);
}

static inline void hear_within (peer_t *peer, char *text, size_t room, int ms)
{
    hear_more (peer, false, text, room, ms);
}

static inline void say_ping (peer_t *peer, const char *dst)
{
    say_request (peer, dst, AMA_MSG_CONTROL_PING, AMA_FLAG_REQUEST, NULL, 0);
}

/* Frames that are no message. */
static inline void say_junk (peer_t *peer, int n)
{
    for (int i = 0; i < n; i++)
        assert_true (zmq_send (peer->socket, "junk", 4, i + 1 < n ? ZMQ_SNDMORE : 0) == 4);
}

static inline void hear (peer_t *peer, char *text, size_t room)
{
    hear_within (peer, text, room, 5000);
}

#endif
