/* bundle_test.c - small messages in one frame: the bytes; what the hub does with them, and for whom it makes them */
#include "tests/unit/runtime/hub_scene.h"

#include "actors/runtime/ama_bundle.h"

/* ---- bytes ---- */

static void add (ama_bundle_t *bundle, const char *dst, const void *body, size_t size, uint64_t seq)
{
    uint8_t bytes[AMA_ENVELOPE_MAX];
    ama_envelope_t envelope = { .type = AMA_MSG_CONTROL_PING, .flags = AMA_FLAG_REQUEST, .id = seq };
    ama_said_t said = { .envelope = bytes, .body = body, .body_size = size };

    (void) snprintf (envelope.dst, sizeof envelope.dst, "%s", dst);
    said.envelope_size = ama_envelope_write (&envelope, bytes);
    ama_bundle_add (bundle, &said, seq);
}

static void test_what_goes_in_comes_out (void **state)
{
    static const size_t sizes[] = { 0, 1, 7, 255, 256, AMA_BUNDLE_SMALL };
    static const char body[AMA_BUNDLE_SMALL] = "body";
    ama_bundle_t bundle = { 0 };
    ama_envelope_t envelope;
    ama_said_t said;
    uint8_t *at;

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (sizes); i++)
        add (&bundle, "hub", body, sizes[i], i + 10);
    assert_int_equal (ama_bundle_check (bundle.bytes, bundle.size, NULL), 0);
    at = bundle.bytes;
    for (size_t i = 0; i < ARRAY_SIZE (sizes); i++) {
        assert_true (ama_bundle_next (&at, bundle.bytes + bundle.size, &said));
        assert_int_equal (ama_envelope_decode (said.envelope, said.envelope_size, &envelope, NULL), 0);
        assert_int_equal (envelope.seq, i + 10);
        assert_int_equal (said.body_size, sizes[i]);
        assert_memory_equal (said.body, body, sizes[i]);
    }
    assert_false (ama_bundle_next (&at, bundle.bytes + bundle.size, &said));
    ama_bundle_done (&bundle);
}

static void test_it_gets_full (void **state)
{
    static const char body[AMA_BUNDLE_SMALL];
    ama_bundle_t bundle = { 0 };
    uint64_t n = 0;

    (void) state;
    while (!ama_bundle_full (&bundle))
        add (&bundle, "hub", body, 1, ++n);
    assert_int_equal (n, AMA_BUNDLE_COUNT);
    ama_bundle_clear (&bundle);
    for (n = 0; !ama_bundle_full (&bundle);)
        add (&bundle, "hub", body, sizeof body, ++n);
    assert_in_range (n, 2, AMA_BUNDLE_COUNT - 1);
    assert_in_range (bundle.size, n * sizeof body, AMA_BUNDLE_MAX);
    ama_bundle_done (&bundle);
}

static void test_every_cut_is_seen (void **state)
{
    static const char zeros[AMA_BUNDLE_MAX + 4];
    ama_bundle_t bundle = { 0 };
    size_t whole = 0;
    ama_err_t err;

    (void) state;
    add (&bundle, "hub", "1234567", 7, 1);
    whole = bundle.size;
    add (&bundle, "planner", "1234567", 7, 2);
    for (size_t size = 0; size < bundle.size; size++)
        assert_int_equal (ama_bundle_check (bundle.bytes, size, &err), size == whole ? 0 : AMA_E_DECODE);
    ama_bundle_done (&bundle);
    assert_int_equal (ama_bundle_check (zeros, AMA_BUNDLE_MAX, &err),
                      0); /* empty messages: for the decoder of envelopes */
    assert_int_equal (ama_bundle_check (zeros, AMA_BUNDLE_MAX + 4, &err), AMA_E_LIMIT);
}

/* ---- at the hub ---- */

static void send_bundle (peer_t *peer, ama_bundle_t *bundle)
{
    while (!ama_bundle_send (bundle, peer->socket)) {
        zmq_pollitem_t item = { .socket = peer->socket, .events = ZMQ_POLLOUT };
        assert_int_equal (zmq_poll (&item, 1, 5000), 1);
    }
}

/* src NULL: the truth */
static void add_ping (ama_bundle_t *bundle, peer_t *peer, const char *dst, const char *src)
{
    uint8_t bytes[AMA_ENVELOPE_MAX];
    ama_envelope_t envelope = { .type = AMA_MSG_CONTROL_PING, .flags = AMA_FLAG_REQUEST, .id = ++peer->id };
    ama_said_t said = { .envelope = bytes, .body = "\x80", .body_size = 1 };

    (void) snprintf (envelope.src, sizeof envelope.src, "%s", src ? src : peer->name);
    (void) snprintf (envelope.dst, sizeof envelope.dst, "%s", dst);
    said.envelope_size = ama_envelope_write (&envelope, bytes);
    ama_bundle_add (bundle, &said, ++peer->said);
}

static void join (peer_t *peer, const char *name, ama_role_t role, bool bundles)
{
    ama_control_hello_t hello = { .name = (char *) name, .role = role, .pid = 1, .bundles = bundles };
    ama_envelope_t envelope = { .type = AMA_MSG_CONTROL_HELLO, .flags = AMA_FLAG_REQUEST, .dst = "hub" };
    ama_str_t body = { 0 };
    char heard[256];

    hello.incarnation.b[15] = 1;
    envelope.id = ++peer->id;
    (void) snprintf (peer->name, sizeof peer->name, "%s", name);
    (void) snprintf (envelope.src, sizeof envelope.src, "%s", name);
    ama_control_hello_encode (&hello, &body);
    say (peer, &envelope, &body);
    ama_str_done (&body);
    hear (peer, heard, sizeof heard); /* in two frames, whatever was said */
    if (!strstr (heard, "control.welcome"))
        fail_msg ("%s heard \"%s\"", name, heard);
}

/* The messages of one bundle, described, one a line. */
static void hear_bundle (peer_t *peer, char *text, size_t room)
{
    zmq_pollitem_t item = { .socket = peer->socket, .events = ZMQ_POLLIN };
    ama_packet_t packet;
    ama_envelope_t envelope;
    ama_said_t said;
    uint8_t *at, *end;

    ama_packet_init (&packet);
    text[0] = '\0';
    assert_int_equal (zmq_poll (&item, 1, 5000), 1);
    assert_int_equal (ama_packet_recv (&packet, peer->socket), AMA_GOT_BUNDLE);
    at = zmq_msg_data (&packet.envelope);
    end = at + zmq_msg_size (&packet.envelope);
    assert_int_equal (ama_bundle_check (at, (size_t) (end - at), NULL), 0);
    while (ama_bundle_next (&at, end, &said)) {
        size_t used = strlen (text);
        assert_int_equal (ama_envelope_decode (said.envelope, said.envelope_size, &envelope, NULL), 0);
        check_number (peer, &envelope);
        describe (&envelope, said.body, said.body_size, false, text + used, room - used);
        used = strlen (text);
        (void) snprintf (text + used, room - used, "\n");
    }
    ama_packet_done (&packet);
}

static const char pong[] = "control.pong from hub (hub)\n";

static void test_three_pings (void **state)
{
    scene_t scene;
    ama_bundle_t bundle = { 0 };
    char heard[512], wanted[128];

    (void) state;
    for (int i = 0; i < 3; i += 2) { /* inproc, ipc */
        open_scene (&scene, 4);
        join (&scene.peers[i], "agent/1", AMA_ROLE_AGENT, true);
        for (int n = 0; n < 3; n++)
            add_ping (&bundle, &scene.peers[i], "hub", NULL);
        send_bundle (&scene.peers[i], &bundle);
        hear_bundle (&scene.peers[i], heard, sizeof heard);
        (void) snprintf (wanted, sizeof wanted, "%s%s%s", pong, pong, pong);
        assert_string_equal (heard, wanted);
        close_scene (&scene);
    }
    ama_bundle_done (&bundle);
}

/* Who did not say that it reads them gets two frames a message; who did not hear that the hub does may send two. */
static void test_both_kinds_of_members (void **state)
{
    scene_t scene;
    ama_bundle_t bundle = { 0 };
    char heard[512];
    peer_t *new, *old;

    (void) state;
    open_scene (&scene, 4);
    new = &scene.peers[0];
    old = &scene.peers[1];
    join (new, "agent/1", AMA_ROLE_AGENT, true);
    join (old, "fetcher", AMA_ROLE_FETCHER, false);
    add_ping (&bundle, new, "fetcher", NULL);
    add_ping (&bundle, new, "fetcher", ""); /* stamped by the hub */
    send_bundle (new, &bundle);
    for (int i = 0; i < 2; i++) {
        hear (old, heard, sizeof heard);
        assert_string_equal (heard, "control.ping from agent/1 (agent)");
    }
    say_ping (old, "agent/1");
    hear_bundle (new, heard, sizeof heard);
    assert_string_equal (heard, "control.ping from fetcher (fetcher)\n");
    ama_bundle_done (&bundle);
    close_scene (&scene);
}

/* What stands before the lie is heard, what stands behind it is not. */
static void test_a_liar_in_the_middle (void **state)
{
    scene_t scene;
    ama_bundle_t bundle = { 0 };
    char heard[512];
    peer_t *liar, *other;

    (void) state;
    open_scene (&scene, 4);
    liar = &scene.peers[0];
    other = &scene.peers[1];
    join (liar, "agent/1", AMA_ROLE_AGENT, true);
    join (other, "fetcher", AMA_ROLE_FETCHER, true);
    add_ping (&bundle, liar, "fetcher", NULL);
    add_ping (&bundle, liar, "fetcher", "supervisor");
    add_ping (&bundle, liar, "fetcher", NULL);
    send_bundle (liar, &bundle);
    hear_bundle (other, heard, sizeof heard);
    assert_string_equal (heard, "control.ping from agent/1 (agent)\ncontrol.peer_gone from hub (hub) agent/1\n");
    for (int i = 0; i < 2; i++) { /* to the lie, and to what came behind it */
        hear (liar, heard, sizeof heard);
        assert_string_equal (heard, "control.error from hub (hub) AMA_E_AUTH");
    }
    ama_bundle_done (&bundle);
    close_scene (&scene);
}

/* The last words to a member that is replaced go out before it is forgotten. */
static void test_a_member_that_is_told_why (void **state)
{
    scene_t scene;
    ama_bundle_t bundle = { 0 };
    char heard[512];

    (void) state;
    open_scene (&scene, 4);
    join (&scene.peers[0], "agent/1", AMA_ROLE_AGENT, true);
    scene.peers[0].said++; /* one is missing */
    add_ping (&bundle, &scene.peers[0], "hub", NULL);
    send_bundle (&scene.peers[0], &bundle);
    hear_bundle (&scene.peers[0], heard, sizeof heard);
    assert_string_equal (heard, "control.error from hub (hub) AMA_E_INTEGRITY\n");
    ama_bundle_done (&bundle);
    close_scene (&scene);
}

/* Answers find full queues, then a backlog: each comes once, and in its order (check_number). */
static void test_one_that_does_not_read (void **state)
{
    enum { BUNDLES = 2500 };
    scene_t scene;
    ama_bundle_t bundle = { 0 };
    static char heard[8192];
    unsigned n = 0;

    (void) state;
    open_scene (&scene, 4);
    join (&scene.peers[0], "agent/1", AMA_ROLE_AGENT, true);
    for (int i = 0; i < BUNDLES; i++) {
        while (!ama_bundle_full (&bundle))
            add_ping (&bundle, &scene.peers[0], "hub", NULL);
        send_bundle (&scene.peers[0], &bundle);
    }
    while (n < BUNDLES * AMA_BUNDLE_COUNT) {
        hear_bundle (&scene.peers[0], heard, sizeof heard);
        for (const char *at = heard; (at = strstr (at, pong)); at++)
            n++;
    }
    assert_int_equal (n, BUNDLES * AMA_BUNDLE_COUNT);
    ama_bundle_done (&bundle);
    close_scene (&scene);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_what_goes_in_comes_out),    cmocka_unit_test (test_it_gets_full),
        cmocka_unit_test (test_every_cut_is_seen),         cmocka_unit_test (test_three_pings),
        cmocka_unit_test (test_both_kinds_of_members),     cmocka_unit_test (test_a_liar_in_the_middle),
        cmocka_unit_test (test_a_member_that_is_told_why), cmocka_unit_test (test_one_that_does_not_read),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
