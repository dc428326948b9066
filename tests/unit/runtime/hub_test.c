/* hub_test.c - the dialogues of the hub, seen from raw sockets: what it forwards, stamps, refuses and drops
 *
 * A case is a conversation in one line each: who says what, what comes back. Peers are raw DEALERs, so that they can lie.
 */
#include "tests/unit/runtime/hub_scene.h"

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
    { "of several each is asked in its turn",
      { SUPERVISOR, FETCHER, "hello c fetcher.2 fetcher 1", "c: control.welcome from hub (hub) fetcher 4",
        "ask a fetcher", "b: fetch.request from supervisor (supervisor)", "ask a fetcher",
        "c: fetch.request from supervisor (supervisor)", "ask a fetcher.2",
        "c: fetch.request from supervisor (supervisor)", "reply c supervisor",
        "a: fetch.reply from fetcher.2 (fetcher)" } },
    { "an answer goes back", { SUPERVISOR, FETCHER, "reply b supervisor", "a: fetch.reply from fetcher (fetcher)" } },
    { "a sender without a name: the hub writes who he is",
      { FETCHER, SUPERVISOR, "nameless a fetcher", "b: fetch.request from supervisor (supervisor)" } },
    { "a role that is not the sender's: the hub writes the true one",
      { FETCHER, SUPERVISOR, "boast a fetcher", "b: fetch.request from supervisor (supervisor)" } },
    { "boasting does not give rights",
      { "hello a planner planner 1", "a: control.welcome from hub (hub) planner 4", FETCHER, "boast a fetcher",
        "a: control.error from hub (hub) AMA_E_ROLE" } },
    { "a sender writes who he is not: he is cut off for good, and the others are told",
      { FETCHER, SUPERVISOR, "lie a fetcher hub", "a: control.error from hub (hub) AMA_E_AUTH",
        "b: control.peer_gone from hub (hub) supervisor", "ask a fetcher", "a: control.error from hub (hub) AMA_E_AUTH",
        "hello a supervisor supervisor 2", "a: control.error from hub (hub) AMA_E_AUTH", "tell a fetcher",
        "a: control.error from hub (hub) AMA_E_AUTH" } },
    { "to the hub, too",
      { FETCHER, CLIENT, "lie c hub agent/1", "c: control.error from hub (hub) AMA_E_AUTH",
        "b: control.peer_gone from hub (hub) client/1", "ping c", "c: control.error from hub (hub) AMA_E_AUTH" } },
    { "an epoch that is over",
      { SUPERVISOR, FETCHER, "epoch a 3", "ask a fetcher", "a: control.error from hub (hub) AMA_E_STALE", "epoch a 4",
        "ask a fetcher", "b: fetch.request from supervisor (supervisor)" } },
    { "an epoch that has not begun",
      { SUPERVISOR, FETCHER, "epoch a 5", "ask a fetcher", "a: control.error from hub (hub) AMA_E_INVALID" } },
    { "a request said twice goes through once, an id that is left out does no harm",
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
    { "hello said twice", { SUPERVISOR, SUPERVISOR, "ping a", "a: control.pong from hub (hub)" } },
    { "a thread joins again",
      { SUPERVISOR, "hello a supervisor supervisor 2", "a: control.welcome from hub (hub) supervisor 4", "ping a",
        "a: control.pong from hub (hub)" } },
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
        say_ping (peer, "hub");
    else if (strcmp (verb, "bye") == 0)
        say_request (peer, "hub", AMA_MSG_CONTROL_BYE, 0, NULL, AMA_ROLE_FETCHER);
    else if (strcmp (verb, "raw") == 0)
        say_junk (peer, atoi (a));
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
