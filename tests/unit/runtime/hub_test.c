/* hub_test.c - the dialogues of the hub, seen from raw sockets: what it forwards, stamps, refuses and drops
 *
 * A case is a conversation in one line each: who says what, what comes back. Peers are raw DEALERs, so that they can lie.
 */
#include "tests/unit/runtime/rt_test.h"

#include "messages/ama_message.h"

#include <zmq.h>

#include "actors/runtime/ama_hub.h"
#include "actors/runtime/ama_wire.h"

typedef struct {
    void *socket;
    uint64_t id, epoch;
    char name[32]; /* as it last said hello */
} peer_t;

typedef struct {
    void *zmq;
    ama_hub_t *hub;
    peer_t peers[3]; /* a, b inside the process; c over ipc */
    char folder[64], endpoint[96];
} scene_t;

static void *new_dealer (scene_t *scene, const char *endpoint)
{
    void *socket = zmq_socket (scene->zmq, ZMQ_DEALER);
    int linger = 0;

    assert_non_null (socket);
    (void) zmq_setsockopt (socket, ZMQ_LINGER, &linger, sizeof linger);
    assert_int_equal (zmq_connect (socket, endpoint), 0);
    return socket;
}

static void open_scene (scene_t *scene, uint64_t epoch)
{
    const char *listen[2] = { scene->endpoint, NULL };
    ama_err_t err = { 0 };

    memset (scene, 0, sizeof *scene);
    (void) snprintf (scene->endpoint, sizeof scene->endpoint, "ipc://%s/hub",
                     temp_folder (scene->folder, sizeof scene->folder));
    scene->zmq = zmq_ctx_new ();
    scene->hub = ama_hub_new (scene->zmq, listen, epoch, &err);
    if (!scene->hub)
        fail_msg ("no hub: %s", err.text);
    scene->peers[0].socket = new_dealer (scene, AMA_HUB_INPROC);
    scene->peers[1].socket = new_dealer (scene, AMA_HUB_INPROC);
    scene->peers[2].socket = new_dealer (scene, scene->endpoint);
}

static void close_scene (scene_t *scene)
{
    for (int i = 0; i < 3; i++)
        (void) zmq_close (scene->peers[i].socket);
    ama_hub_destroy (&scene->hub);
    (void) zmq_ctx_term (scene->zmq);
    remove_folder (scene->folder);
}

/* ---- the words of a conversation ---- */

static void say (peer_t *peer, const ama_envelope_t *envelope, ama_str_t *body)
{
    ama_str_t scratch = { 0 };
    ama_packet_t packet;

    ama_packet_init (&packet);
    ama_packet_make (&packet, envelope, body, &scratch);
    while (!ama_packet_send (&packet, peer->socket)) { /* not connected yet, or full for a moment */
        zmq_pollitem_t item = { .socket = peer->socket, .events = ZMQ_POLLOUT };
        assert_int_equal (zmq_poll (&item, 1, 5000), 1);
    }
    ama_packet_done (&packet);
    ama_str_done (&scratch);
}

/* hello as NAME ROLE AGE; name may be claimed for another src by NAME=SRC */
static void say_hello (peer_t *peer, const char *name, const char *role, int age)
{
    ama_control_hello_t hello = { .name = (char *) name, .pid = 1 };
    ama_envelope_t envelope = { .type = AMA_MSG_CONTROL_HELLO, .flags = AMA_FLAG_REQUEST, .dst = "hub" };
    ama_str_t body = { 0 };

    assert_int_equal (ama_role_parse (role, &hello.role), 0);
    hello.incarnation.b[15] = (uint8_t) age;
    envelope.id = ++peer->id;
    (void) snprintf (peer->name, sizeof peer->name, "%s", name);
    (void) snprintf (envelope.src, sizeof envelope.src, "%s", name);
    ama_control_hello_encode (&hello, &body);
    say (peer, &envelope, &body);
    ama_str_done (&body);
}

/* src NULL: the truth */
static void say_request (peer_t *peer, const char *dst, uint16_t type, uint32_t flags, const char *src, uint32_t role)
{
    ama_envelope_t envelope = { .type = type, .flags = flags, .role = role, .epoch = peer->epoch };
    ama_fetch_request_t request = { .url = "u", .ref = "r" };
    ama_str_t body = { 0 };

    envelope.id = ++peer->id;
    envelope.corr = flags & AMA_FLAG_REPLY ? 77 : 0;
    (void) snprintf (envelope.src, sizeof envelope.src, "%s", src ? src : peer->name);
    (void) snprintf (envelope.dst, sizeof envelope.dst, "%s", dst);
    if (type >> 8 == 0) /* control: missing fields are zero */
        ama_str_putc (&body, (char) 0x80);
    else
        ama_fetch_request_encode (&request, &body);
    say (peer, &envelope, &body);
    ama_str_done (&body);
}

static void describe (const ama_envelope_t *envelope, const void *body, size_t size, char *text, size_t room)
{
    const ama_message_info_t *info = ama_message_info (envelope->type);
    ama_control_error_t error;
    ama_control_welcome_t welcome;
    ama_control_peer_gone_t gone;
    size_t used =
        (size_t) snprintf (text, room, "%s from %s (%s)", info->name, envelope->src, ama_role_name (envelope->role));

    if (envelope->type == AMA_MSG_CONTROL_ERROR && ama_control_error_decode (body, size, &error, NULL) == 0) {
        (void) snprintf (text + used, room - used, " %s", ama_err_name ((int) error.code));
        ama_control_error_done (&error);
    }
    if (envelope->type == AMA_MSG_CONTROL_WELCOME && ama_control_welcome_decode (body, size, &welcome, NULL) == 0)
        (void) snprintf (text + used, room - used, " %s %d", ama_role_name (welcome.role), (int) welcome.epoch);
    if (envelope->type == AMA_MSG_CONTROL_PEER_GONE && ama_control_peer_gone_decode (body, size, &gone, NULL) == 0) {
        (void) snprintf (text + used, room - used, " %s", gone.name);
        ama_control_peer_gone_done (&gone);
    }
}

static void hear_within (peer_t *peer, char *text, size_t room, int ms)
{
    zmq_pollitem_t item = { .socket = peer->socket, .events = ZMQ_POLLIN };
    ama_packet_t packet;
    ama_envelope_t envelope;

    ama_packet_init (&packet);
    (void) snprintf (text, room, "nothing");
    if (zmq_poll (&item, 1, ms) == 1 && ama_packet_recv (&packet, peer->socket) == 1
        && ama_envelope_decode (zmq_msg_data (&packet.envelope), zmq_msg_size (&packet.envelope), &envelope, NULL) == 0)
        describe (&envelope, zmq_msg_data (&packet.body), zmq_msg_size (&packet.body), text, room);
    ama_packet_done (&packet);
}

static void hear (peer_t *peer, char *text, size_t room)
{
    hear_within (peer, text, room, 5000);
}

/* ---- the table ---- */

/* Said: "hello PEER NAME ROLE AGE", "ask PEER DST", "tell PEER DST", "reply PEER DST", "lie PEER DST SRC", "boast PEER DST" (of the hub's role),
 * "nameless PEER DST", "epoch PEER N", "back PEER N" (in its ids), "unknown PEER DST" (type), "ping PEER", "bye PEER", "raw PEER N" (N junk frames). Expected: "PEER: MESSAGE". */
typedef struct {
    const char *name;
    const char *lines[16];
} talk_t;

#define SUPERVISOR "hello a supervisor supervisor 1", "a: control.welcome from hub (hub) supervisor 4"
#define FETCHER    "hello b fetcher fetcher 1", "b: control.welcome from hub (hub) fetcher 4"
#define CLIENT     "hello c client/1 viewer 5", "c: control.welcome from hub (hub) viewer 4"

static const talk_t talks[] = {
    { "a request goes through",
      { SUPERVISOR, FETCHER, "ask a fetcher", "b: fetch.request from supervisor (supervisor)" } },
    { "an answer goes back", { SUPERVISOR, FETCHER, "reply b supervisor", "a: fetch.reply from fetcher (fetcher)" } },
    { "a sender without a name: the hub writes who he is",
      { FETCHER, SUPERVISOR, "nameless a fetcher", "b: fetch.request from supervisor (supervisor)" } },
    { "a role that is not the sender's: the hub writes the true one",
      { FETCHER, SUPERVISOR, "boast a fetcher", "b: fetch.request from supervisor (supervisor)" } },
    { "boasting does not give rights",
      { "hello a planner planner 1", "a: control.welcome from hub (hub) planner 4", FETCHER, "boast a fetcher",
        "a: control.error from hub (hub) AMA_E_ROLE" } },
    { "a sender writes who he is not: he is cut off, and the others are told",
      { FETCHER, SUPERVISOR, "lie a fetcher hub", "a: control.error from hub (hub) AMA_E_AUTH",
        "b: control.peer_gone from hub (hub) supervisor", "ask a fetcher", "a: control.who from hub (hub)" } },
    { "to the hub, too",
      { FETCHER, CLIENT, "lie c hub agent/1", "c: control.error from hub (hub) AMA_E_AUTH",
        "b: control.peer_gone from hub (hub) client/1", "ping c", "c: control.who from hub (hub)" } },
    { "an epoch that is over",
      { SUPERVISOR, FETCHER, "epoch a 3", "ask a fetcher", "a: control.error from hub (hub) AMA_E_STALE", "epoch a 4",
        "ask a fetcher", "b: fetch.request from supervisor (supervisor)" } },
    { "an epoch that has not begun",
      { SUPERVISOR, FETCHER, "epoch a 5", "ask a fetcher", "a: control.error from hub (hub) AMA_E_INVALID" } },
    { "a request said twice goes through once, one that is left out does no harm",
      { SUPERVISOR, FETCHER, "ask a fetcher", "b: fetch.request from supervisor (supervisor)", "back a 1",
        "ask a fetcher", "a: control.error from hub (hub) AMA_E_REPLAY", "back a -9", "ask a fetcher",
        "b: fetch.request from supervisor (supervisor)" } },
    { "nobody of that name", { SUPERVISOR, "ask a fetcher", "a: control.error from hub (hub) AMA_E_UNREACHABLE" } },
    { "a tell to nobody is dropped, the next goes on",
      { SUPERVISOR, "tell a nobody", "ping a", "a: control.pong from hub (hub)" } },
    { "an unknown type",
      { SUPERVISOR, FETCHER, "unknown a fetcher", "a: control.error from hub (hub) AMA_E_UNSUPPORTED" } },
    { "the hub is not an actor", { SUPERVISOR, "ask a hub", "a: control.error from hub (hub) AMA_E_UNSUPPORTED" } },
    { "who are you", { "ask a fetcher", "a: control.who from hub (hub)", SUPERVISOR } },
    { "hello said twice", { SUPERVISOR, SUPERVISOR } },
    { "the name of another thread",
      { SUPERVISOR, "hello b supervisor supervisor 2", "b: control.error from hub (hub) AMA_E_ROLE" } },
    { "a second name", { SUPERVISOR, "hello a planner planner 1", "a: control.error from hub (hub) AMA_E_INVALID" } },
    { "no role at all", { "hello a x none 1", "a: control.error from hub (hub) AMA_E_ROLE" } },
    { "the hub's own name", { "hello a hub supervisor 1", "a: control.error from hub (hub) AMA_E_ROLE" } },
    { "a peer of another process", { CLIENT, "ping c", "c: control.pong from hub (hub)" } },
    { "its role is checked, too", { CLIENT, FETCHER, "ask c fetcher", "c: control.error from hub (hub) AMA_E_ROLE" } },
    { "it can not be an actor", { "hello c supervisor supervisor 1", "c: control.error from hub (hub) AMA_E_ROLE" } },
    { "nor play one under another name",
      { "hello c client/1 supervisor 1", "c: control.error from hub (hub) AMA_E_ROLE" } },
    { "nor be an operator under an actor's name",
      { "hello c supervisor operator 1", "c: control.error from hub (hub) AMA_E_ROLE" } },
    { "an agent is called agent/…",
      { "hello c client/1 agent 1", "c: control.error from hub (hub) AMA_E_ROLE", "hello c agent/1 agent 1",
        "c: control.welcome from hub (hub) agent 4" } },
    { "its rejoining is told",
      { SUPERVISOR, CLIENT, "hello c client/1 viewer 6", "c: control.welcome from hub (hub) viewer 4",
        "a: control.peer_gone from hub (hub) client/1" } },
    { "an older self is refused",
      { CLIENT, "hello c client/1 viewer 4", "c: control.error from hub (hub) AMA_E_EXISTS",
        "c: control.ping from hub (hub)" } },
    { "bye is told to the others",
      { SUPERVISOR, FETCHER, "bye b", "a: control.peer_gone from hub (hub) fetcher", "ask b supervisor",
        "b: control.who from hub (hub)" } },
    { "one frame", { SUPERVISOR, "raw a 1", "a: control.error from hub (hub) AMA_E_DECODE" } },
    { "two frames of junk", { SUPERVISOR, "raw a 2", "a: control.error from hub (hub) AMA_E_DECODE" } },
    { "ten thousand frames, then a good message",
      { SUPERVISOR, "raw a 10000", "a: control.error from hub (hub) AMA_E_DECODE", "ping a",
        "a: control.pong from hub (hub)" } },
    { "nine frames, then a good message",
      { SUPERVISOR, "raw a 9", "a: control.error from hub (hub) AMA_E_DECODE", "ping a",
        "a: control.pong from hub (hub)" } },
    { "only the hub says welcome, who and gone",
      { SUPERVISOR, FETCHER, "gone b supervisor", "b: control.error from hub (hub) AMA_E_ROLE" } },
};

static void raw (peer_t *peer, int n)
{
    for (int i = 0; i < n; i++)
        assert_true (zmq_send (peer->socket, "junk", 4, i + 1 < n ? ZMQ_SNDMORE : 0) == 4);
}

static void perform (peer_t *peer, const char *verb, const char *a, const char *b, int n)
{
    if (strcmp (verb, "hello") == 0)
        say_hello (peer, a, b, n);
    else if (strcmp (verb, "ask") == 0)
        say_request (peer, a, AMA_MSG_FETCH_REQUEST, AMA_FLAG_REQUEST, NULL, 0);
    else if (strcmp (verb, "tell") == 0)
        say_request (peer, a, AMA_MSG_FETCH_REQUEST, 0, NULL, AMA_ROLE_SUPERVISOR);
    else if (strcmp (verb, "lie") == 0)
        say_request (peer, a, AMA_MSG_FETCH_REQUEST, AMA_FLAG_REQUEST, b, AMA_ROLE_HUB);
    else if (strcmp (verb, "boast") == 0)
        say_request (peer, a, AMA_MSG_FETCH_REQUEST, AMA_FLAG_REQUEST, NULL, AMA_ROLE_HUB);
    else if (strcmp (verb, "nameless") == 0)
        say_request (peer, a, AMA_MSG_FETCH_REQUEST, AMA_FLAG_REQUEST, "", 0);
    else if (strcmp (verb, "reply") == 0)
        say_request (peer, a, AMA_MSG_FETCH_REPLY, AMA_FLAG_REPLY, NULL, AMA_ROLE_FETCHER);
    else if (strcmp (verb, "unknown") == 0)
        say_request (peer, a, 0x7fff, AMA_FLAG_REQUEST, NULL, AMA_ROLE_SUPERVISOR);
    else if (strcmp (verb, "gone") == 0)
        say_request (peer, a, AMA_MSG_CONTROL_PEER_GONE, AMA_FLAG_REQUEST, NULL, AMA_ROLE_FETCHER);
    else if (strcmp (verb, "ping") == 0)
        say_request (peer, "hub", AMA_MSG_CONTROL_PING, AMA_FLAG_REQUEST, NULL, AMA_ROLE_SUPERVISOR);
    else if (strcmp (verb, "bye") == 0)
        say_request (peer, "hub", AMA_MSG_CONTROL_BYE, 0, NULL, AMA_ROLE_FETCHER);
    else if (strcmp (verb, "raw") == 0)
        raw (peer, atoi (a));
    else if (strcmp (verb, "epoch") == 0)
        peer->epoch = (uint64_t) atoi (a);
    else if (strcmp (verb, "back") == 0)
        peer->id -= (uint64_t) atoi (a);
    else
        fail_msg ("no such verb: %s", verb);
}

static void test_talks (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (talks); i++) {
        scene_t scene;

        open_scene (&scene, 4);
        for (const char *const *line = talks[i].lines; *line; line++) {
            char verb[16] = "", who = 0, a[64] = "", b[64] = "", heard[256];
            int n = 0;

            if ((*line)[1] == ':') {
                hear (&scene.peers[(*line)[0] - 'a'], heard, sizeof heard);
                if (strcmp (heard, *line + 3) != 0)
                    fail_msg ("%s: %c heard \"%s\", not \"%s\"", talks[i].name, (*line)[0], heard, *line + 3);
                continue;
            }
            assert_true (sscanf (*line, "%15s %c %63s %63s %d", verb, &who, a, b, &n) >= 2);
            perform (&scene.peers[who - 'a'], verb, a, b, n);
        }
        close_scene (&scene);
    }
}

/* ---- sockets ---- */

static void test_chosen_identity (void **state)
{
    scene_t scene;
    char heard[256];
    peer_t liar = { 0 };

    (void) state;
    open_scene (&scene, 1);
    liar.socket = zmq_socket (scene.zmq, ZMQ_DEALER);
    (void) zmq_setsockopt (liar.socket, ZMQ_ROUTING_ID, "me", 2);
    assert_int_equal (zmq_connect (liar.socket, AMA_HUB_INPROC), 0);
    say_hello (&liar, "planner", "planner", 1);
    say_hello (&scene.peers[0], "planner", "planner", 1); /* had the liar been let in, this would be refused */
    hear (&scene.peers[0], heard, sizeof heard);
    assert_string_equal (heard, "control.welcome from hub (hub) planner 1");
    (void) zmq_close (liar.socket);
    close_scene (&scene);
}

/* A member that does not read: requests to it are refused, it gets no more than its queue holds, the others are served. */
static void test_full_member (void **state)
{
    enum { MANY = 6000 };
    scene_t scene;
    char heard[256];
    int delivered = 0, busy = 0;
    int small = 100, none = 0;

    (void) state;
    open_scene (&scene, 1);
    (void) zmq_close (scene.peers[1].socket);
    scene.peers[1].socket = zmq_socket (scene.zmq, ZMQ_DEALER);
    (void) zmq_setsockopt (scene.peers[1].socket, ZMQ_RCVHWM, &small, sizeof small);
    (void) zmq_setsockopt (scene.peers[1].socket, ZMQ_LINGER, &none, sizeof none);
    assert_int_equal (zmq_connect (scene.peers[1].socket, AMA_HUB_INPROC), 0);
    say_hello (&scene.peers[1], "fetcher", "fetcher", 1);
    hear (&scene.peers[1], heard, sizeof heard);
    say_hello (&scene.peers[0], "supervisor", "supervisor", 1);
    hear (&scene.peers[0], heard, sizeof heard);
    for (int i = 0; i < MANY; i++) {
        say_request (&scene.peers[0], "fetcher", AMA_MSG_FETCH_REQUEST, AMA_FLAG_REQUEST, "supervisor", 6);
        if (i % 500 == 499) { /* in step with the hub, so that our own queue is not the one that fills */
            perform (&scene.peers[0], "ping", "", "", 0);
            for (hear (&scene.peers[0], heard, sizeof heard); strstr (heard, "BUSY"); busy++)
                hear (&scene.peers[0], heard, sizeof heard);
            assert_string_equal (heard, "control.pong from hub (hub)");
        }
    }
    for (; hear_within (&scene.peers[1], heard, sizeof heard, 100), strcmp (heard, "nothing") != 0; delivered++) {
    }
    assert_true (busy > 0);
    assert_int_equal (delivered + busy, MANY); /* each is delivered or refused */
    assert_in_range (delivered, 1000, 1200);   /* 1000 on the hub's side, 100 on its own */
    close_scene (&scene);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_talks),
        cmocka_unit_test (test_chosen_identity),
        cmocka_unit_test (test_full_member),
    };
    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
