/* refusal_test.c - what a hub says to a member that does not keep to the protocol, and what becomes of that member
 *
 * One table: each wrong has an error of its own, by code and text, inside the process and over a Unix socket alike; then the member, as if
 * nothing had been, pings the hub.
 */
#include "tests/unit/runtime/hub_scene.h"

#include "tests/unit/messages/files.h"

typedef enum {
    GOES_ON, /* still a member */
    IS_OUT,  /* not a member any more; may join again */
    BARRED,  /* not a member any more, and never again on this connection */
} after_t;

static const char *const afters[] = { "control.pong from hub (hub)", "control.who from hub (hub)",
                                      "control.error from hub (hub) AMA_E_AUTH" };

enum { ONLY_INPROC = 1, FIRST_ARRIVES = 2 };

typedef struct {
    const char *name;
    void (*wrong) (peer_t *peer, const char *arg);
    const char *arg;
    const char *error, *text;
    after_t after;
    int flags;
} refusal_t;

/* ---- wrongs ---- */

static void say_frame (peer_t *peer, const char *name)
{
    char path[128];
    ama_str_t frame;

    (void) snprintf (path, sizeof path, "tests/bad/wire/envelope/%s.bin", name);
    frame = test_file (path);
    assert_true (zmq_send (peer->socket, frame.data, frame.size, ZMQ_SNDMORE) == (int) frame.size);
    assert_true (zmq_send (peer->socket, "\x80", 1, 0) == 1);
    ama_str_done (&frame);
}

static void say_frames (peer_t *peer, const char *n)
{
    say_junk (peer, atoi (n));
}

static void say_unknown (peer_t *peer, const char *flags)
{
    say_request (peer, "fetcher", 0x7fff, (uint32_t) atoi (flags), NULL, 0);
}

static void forge (peer_t *peer, const char *src)
{
    say_request (peer, "fetcher", AMA_MSG_CONTROL_PING, AMA_FLAG_REQUEST, src, AMA_ROLE_HUB);
}

static void forge_tell (peer_t *peer, const char *src)
{
    say_request (peer, "fetcher", AMA_MSG_CONTROL_CANCEL, 0, src, AMA_ROLE_HUB);
}

static void in_epoch (peer_t *peer, const char *epoch)
{
    peer->epoch = (uint64_t) atoi (epoch);
    say_ping (peer, "fetcher");
    peer->epoch = 0;
}

static void number (peer_t *peer, const char *seq)
{
    uint64_t said = peer->said;

    peer->said = (uint64_t) atoi (seq) - 1;
    say_ping (peer, "fetcher");
    peer->said = said;
}

static void number_tell (peer_t *peer, const char *seq)
{
    peer->said = (uint64_t) atoi (seq) - 1;
    say_request (peer, "fetcher", AMA_MSG_CONTROL_CANCEL, 0, NULL, 0);
}

static void hello_numbered (peer_t *peer, const char *seq)
{
    ama_envelope_t envelope = { .type = AMA_MSG_CONTROL_HELLO, .flags = AMA_FLAG_REQUEST, .dst = "hub" };
    ama_control_hello_t hello = { .name = peer->name, .role = AMA_ROLE_AGENT, .incarnation.b[15] = 9 };
    uint64_t said = peer->said;
    ama_str_t body = { 0 };

    (void) snprintf (envelope.src, sizeof envelope.src, "%s", peer->name);
    envelope.id = ++peer->id;
    ama_control_hello_encode (&hello, &body);
    peer->said = (uint64_t) atoi (seq) - 1;
    say (peer, &envelope, &body);
    peer->said = said;
    ama_str_done (&body);
}

static void ask_twice (peer_t *peer, const char *arg)
{
    (void) arg;
    say_ping (peer, "fetcher");
    peer->id--;
    say_ping (peer, "fetcher");
}

static void with_deadline (peer_t *peer, const char *from_now_ms)
{
    peer->deadline = (uint64_t) (ama_wall_ms (ama_clock_system ()) + atoi (from_now_ms));
    say_ping (peer, "fetcher");
    peer->deadline = 0;
}

static void say_much (peer_t *peer, const char *arg)
{
    ama_envelope_t envelope = { .type = AMA_MSG_CONTROL_PING, .flags = AMA_FLAG_REQUEST, .dst = "fetcher" };
    ama_str_t body = { 0 };

    (void) arg;
    envelope.id = ++peer->id;
    while (body.size <= AMA_BODY_MAX)
        ama_str_add (&body, "0123456789abcdef", body.size < AMA_BODY_MAX ? 16 : 1);
    assert_int_equal (body.size, AMA_BODY_MAX + 1);
    say (peer, &envelope, &body);
    ama_str_done (&body);
}

/* To the hub itself, with a body that is none. */
static void say_unread (peer_t *peer, uint16_t type)
{
    ama_envelope_t envelope = { .type = type, .flags = AMA_FLAG_REQUEST, .dst = "hub" };
    ama_str_t body = { 0 };

    (void) snprintf (envelope.src, sizeof envelope.src, "%s", peer->name);
    envelope.id = ++peer->id;
    ama_str_putc (&body, (char) 0xc1);
    say (peer, &envelope, &body);
    ama_str_done (&body);
}

static void say_no_ping (peer_t *peer, const char *arg)
{
    (void) arg;
    say_unread (peer, AMA_MSG_CONTROL_PING);
}

static void say_no_hello (peer_t *peer, const char *arg)
{
    (void) arg;
    say_unread (peer, AMA_MSG_CONTROL_HELLO);
    peer->said--; /* a hello is not counted */
}

/* ---- the table: a peer has said hello and one ping, so its next number is 3 ---- */

static const refusal_t refusals[] = {
    { "another magic", say_frame, "magic", "AMA_E_DECODE", "wrong magic", GOES_ON, 0 },
    { "version 2", say_frame, "version-2", "AMA_E_UNSUPPORTED", "version 2", GOES_ON, 0 },
    { "an unknown flag", say_frame, "flag-unknown", "AMA_E_UNSUPPORTED", "unknown flags 0x10", GOES_ON, 0 },
    { "an unknown type", say_unknown, "1", "AMA_E_UNSUPPORTED", "an unknown type", GOES_ON, 0 },
    { "a forged sender", forge, "supervisor", "AMA_E_AUTH", "the sender is not who it says it is", BARRED, 0 },
    { "a forged sender of a tell", forge_tell, "hub", "AMA_E_AUTH", "the sender is not who it says it is", BARRED, 0 },
    { "an epoch that is over", in_epoch, "3", "AMA_E_STALE", "an epoch that is over", GOES_ON, 0 },
    { "an epoch that has not begun", in_epoch, "5", "AMA_E_INVALID", "an epoch that has not begun", GOES_ON, 0 },
    { "a number left out", number, "4", "AMA_E_INTEGRITY", "message 4 came where 3 was due", IS_OUT, 0 },
    { "a thousand numbers left out", number, "1003", "AMA_E_INTEGRITY", "message 1003 came where 3 was due", IS_OUT,
      0 },
    { "a number left out before a tell", number_tell, "5", "AMA_E_INTEGRITY", "5 came where 3 was due", IS_OUT, 0 },
    { "a number that was there", number, "2", "AMA_E_REPLAY", "message 2 came after message 2", GOES_ON, 0 },
    { "a number further back", number, "1", "AMA_E_REPLAY", "message 1 came after message 2", GOES_ON, 0 },
    { "no number", number, "0", "AMA_E_REPLAY", "message 0 came after message 2", GOES_ON, 0 },
    { "a hello that is not the first", hello_numbered, "3", "AMA_E_INVALID", "hello is message 1", GOES_ON, 0 },
    { "a request said twice", ask_twice, NULL, "AMA_E_REPLAY", "a request that was said before", GOES_ON,
      FIRST_ARRIVES },
    { "a deadline that has passed", with_deadline, "-5500", "AMA_E_TIMEOUT", "its deadline was 5", GOES_ON, 0 },
    { "a ping that can not be read", say_no_ping, NULL, "AMA_E_DECODE", "a ping that can not be read", GOES_ON, 0 },
    { "a hello that can not be read", say_no_hello, NULL, "AMA_E_DECODE", "a hello that can not be read", GOES_ON, 0 },
    { "one frame", say_frames, "1", "AMA_E_DECODE", "a bundle ends within a message", GOES_ON, 0 },
    { "ten thousand frames", say_frames, "10000", "AMA_E_DECODE", "a message has two frames", GOES_ON, 0 },
    { "a body of 8 MiB and a byte", say_much, NULL, "AMA_E_LIMIT", "more than 8388608 bytes", GOES_ON, ONLY_INPROC },
};

static void join (peer_t *peer, const char *name, const char *role, int age)
{
    char heard[256];

    say_hello (peer, name, role, age);
    hear (peer, heard, sizeof heard);
    if (!strstr (heard, "control.welcome"))
        fail_msg ("%s heard \"%s\"", name, heard);
}

static void expect (peer_t *peer, const char *what, const char *wanted)
{
    char heard[256];

    hear (peer, heard, sizeof heard);
    if (strcmp (heard, wanted) != 0)
        fail_msg ("%s: heard \"%s\", not \"%s\"", what, heard, wanted);
}

static void refuse (const refusal_t *row, bool inside)
{
    scene_t scene;
    peer_t *peer, *fetcher;
    char heard[512], name[128], wanted[64];

    open_scene (&scene, 4);
    peer = &scene.peers[inside ? 0 : 2];
    fetcher = &scene.peers[1];
    (void) snprintf (name, sizeof name, "%s (%s)", row->name, inside ? "inproc" : "ipc");
    join (fetcher, "fetcher", "fetcher", 1);
    join (peer, "agent/1", "agent", 1);
    say_ping (peer, "hub");
    expect (peer, name, afters[GOES_ON]);
    row->wrong (peer, row->arg);
    hear_more (peer, true, heard, sizeof heard, 5000);
    (void) snprintf (wanted, sizeof wanted, "control.error from hub (hub) %s: ", row->error);
    if (!strstr (heard, wanted) || !strstr (heard, row->text))
        fail_msg ("%s: heard \"%s\", not \"%s…%s\"", name, heard, wanted, row->text);
    say_ping (peer, "hub");
    expect (peer, name, afters[row->after]);
    if (row->flags & FIRST_ARRIVES)
        expect (fetcher, name, "control.ping from agent/1 (agent)");
    if (row->after != GOES_ON)
        expect (fetcher, name, "control.peer_gone from hub (hub) agent/1");
    say_ping (fetcher, "hub"); /* had more been passed on, it would hear that first */
    expect (fetcher, name, afters[GOES_ON]);
    if (row->after != GOES_ON) {
        say_hello (peer, "agent/1", "agent", 2);
        expect (peer, name, row->after == BARRED ? afters[BARRED] : "control.welcome from hub (hub) agent 4");
    }
    close_scene (&scene);
}

static void test_refusals (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (refusals); i++) {
        refuse (&refusals[i], true);
        if (!(refusals[i].flags & ONLY_INPROC))
            refuse (&refusals[i], false);
    }
}

/* Over a socket so much is not even read: the connection ends. */
static void test_too_much_over_ipc (void **state)
{
    scene_t scene;
    peer_t *peer = &scene.peers[2];

    (void) state;
    open_scene (&scene, 4);
    join (&scene.peers[1], "fetcher", "fetcher", 1);
    join (peer, "agent/1", "agent", 1);
    say_much (peer, NULL);
    say_ping (peer, "hub");
    expect (peer, "8 MiB + 1", afters[IS_OUT]); /* connected again, as another */
    say_ping (&scene.peers[1], "hub");
    expect (&scene.peers[1], "8 MiB + 1", afters[GOES_ON]); /* not the body */
    close_scene (&scene);
}

/* What is left out of the count: a message that could not be read may have had a number, or none. */
static void test_unread_numbers (void **state)
{
    scene_t scene;
    peer_t *peer = &scene.peers[0];

    (void) state;
    open_scene (&scene, 4);
    join (peer, "agent/1", "agent", 1);
    for (int i = 0; i < 3; i++) {
        say_frame (peer, "flag-unknown");
        expect (peer, "flag", "control.error from hub (hub) AMA_E_UNSUPPORTED");
    }
    peer->said += 2; /* two of the three had one */
    say_ping (peer, "hub");
    expect (peer, "after them", afters[GOES_ON]);
    peer->said++;
    say_ping (peer, "hub");
    expect (peer, "once they are made up for", "control.error from hub (hub) AMA_E_INTEGRITY");
    close_scene (&scene);
}

/* Who still has time is heard. */
static void test_deadline_ahead (void **state)
{
    scene_t scene;

    (void) state;
    open_scene (&scene, 4);
    join (&scene.peers[1], "fetcher", "fetcher", 1);
    join (&scene.peers[0], "agent/1", "agent", 1);
    with_deadline (&scene.peers[0], "5000");
    expect (&scene.peers[1], "ahead", "control.ping from agent/1 (agent)");
    close_scene (&scene);
}

/* The name is not barred, only the connection; and after a thousand others the hub has forgotten it. */
static void test_barred (void **state)
{
    enum { MANY = 1024 };
    scene_t scene;
    peer_t *forger = &scene.peers[0];

    (void) state;
    open_scene (&scene, 4);
    join (forger, "agent/1", "agent", 1);
    forge (forger, "hub");
    expect (forger, "forged", afters[BARRED]);
    join (&scene.peers[1], "agent/1", "agent", 2);
    for (int i = 0; i < MANY; i++) {
        peer_t other = { .socket = new_dealer (&scene, AMA_HUB_INPROC) };
        say_hello (forger, "agent/2", "agent", 3);
        expect (forger, "still known", afters[BARRED]);
        join (&other, "agent/3", "agent", i % 200 + 1);
        forge (&other, "hub");
        expect (&other, "forged", afters[BARRED]);
        (void) zmq_close (other.socket);
        while (i + 1 < MANY && i % 100 == 99) { /* the others are told, and have to read it */
            char heard[256];
            hear_within (&scene.peers[1], heard, sizeof heard, 0);
            if (strcmp (heard, "nothing") == 0)
                break;
        }
    }
    join (forger, "agent/2", "agent", 4);
    close_scene (&scene);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_refusals),       cmocka_unit_test (test_too_much_over_ipc),
        cmocka_unit_test (test_unread_numbers), cmocka_unit_test (test_deadline_ahead),
        cmocka_unit_test (test_barred),
    };
    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
