/* slow_test.c - members of a hub that do not read: their answers wait for them, up to a bound, and what lies beyond it */
#include "tests/unit/runtime/hub_scene.h"

enum {
    STEP = 100,         /* answers between two looks whether the hub has them */
    SMALL_QUEUE = 100,  /* of a member, so that little fills it */
    MOST = 20000,       /* far beyond any bound here */
    BIG_BODY = 64 << 10 /* a backlog holds 256 of these */
};

static void join (peer_t *peer, const char *name, const char *role)
{
    char heard[256];

    say_hello (peer, name, role, 1);
    hear (peer, heard, sizeof heard);
    if (!strstr (heard, "control.welcome"))
        fail_msg ("%s heard \"%s\"", name, heard);
}

/* Another connection for the peer, with a small queue. */
static void shorten_queue (scene_t *scene, peer_t *peer, const char *endpoint)
{
    int small = SMALL_QUEUE, none = 0;

    (void) zmq_close (peer->socket);
    peer->socket = zmq_socket (scene->zmq, ZMQ_DEALER);
    (void) zmq_setsockopt (peer->socket, ZMQ_RCVHWM, &small, sizeof small);
    (void) zmq_setsockopt (peer->socket, ZMQ_LINGER, &none, sizeof none);
    assert_int_equal (zmq_connect (peer->socket, endpoint), 0);
}

static void answer (peer_t *peer, const char *dst, size_t size)
{
    ama_envelope_t envelope = { .type = AMA_MSG_FETCH_REPLY, .flags = AMA_FLAG_REPLY, .corr = 77 };
    ama_str_t body = { 0 };

    envelope.id = ++peer->id;
    (void) snprintf (envelope.src, sizeof envelope.src, "%s", peer->name);
    (void) snprintf (envelope.dst, sizeof envelope.dst, "%s", dst);
    while (body.size < size)
        ama_str_add (&body, "0123456789abcdef", 16);
    say (peer, &envelope, &body);
    ama_str_done (&body);
}

/* True: the hub has heard all that peer said. False: it told of somebody's end meanwhile. */
static bool in_step (peer_t *peer)
{
    char heard[256];
    bool all_there = true;

    say_ping (peer, "hub");
    for (hear (peer, heard, sizeof heard); strcmp (heard, "control.pong from hub (hub)") != 0;
         hear (peer, heard, sizeof heard)) {
        if (!strstr (heard, "control.peer_gone"))
            fail_msg ("heard \"%s\"", heard);
        all_there = false;
    }
    return all_there;
}

/* Reads answers, whose numbers have no gaps (hub_scene.h looks at that), until something else comes; returns how many. */
static int read_answers (peer_t *peer, char *other, size_t room)
{
    int n = 0;

    for (hear (peer, other, room); strstr (other, "fetch.reply"); hear (peer, other, room))
        n++;
    return n;
}

/* Likewise until nothing comes any more. Who says nothing for a while is pinged. */
static int drain (peer_t *peer)
{
    char heard[256];
    int n = 0;

    for (;; n += strstr (heard, "fetch.reply") != NULL) {
        hear_within (peer, heard, sizeof heard, 300);
        if (!strstr (heard, "fetch.reply") && !strstr (heard, "control.ping"))
            break;
    }
    assert_string_equal (heard, "nothing");
    return n;
}

/* Far more than the queues hold, far less than the backlog: all of them come, in order, and then the hub goes on as before. */
static void test_answers_wait (void **state)
{
    enum { MANY = 4000 };
    scene_t scene;
    peer_t *reader = &scene.peers[1], *sender = &scene.peers[0];
    char heard[256];

    (void) state;
    open_scene (&scene, 1);
    shorten_queue (&scene, reader, AMA_HUB_INPROC);
    join (reader, "supervisor", "supervisor");
    join (sender, "fetcher", "fetcher");
    for (int i = 1; i <= MANY; i++) {
        answer (sender, "supervisor", 16);
        if (i % STEP == 0)
            assert_true (in_step (sender)); /* the others are served meanwhile */
    }
    say_ping (reader, "hub"); /* its answer comes after what waits */
    assert_int_equal (read_answers (reader, heard, sizeof heard), MANY);
    assert_string_equal (heard, "control.pong from hub (hub)");
    say_request (reader, "fetcher", AMA_MSG_FETCH_REQUEST, AMA_FLAG_REQUEST, NULL, 0);
    hear (sender, heard, sizeof heard);
    assert_string_equal (heard, "fetch.request from supervisor (supervisor)");
    close_scene (&scene);
}

/* A thread is of this process, and can not be cut off: what its backlog has no room for is dropped and gets no number. */
static void test_thread_over_the_bound (void **state)
{
    enum { MANY = 1600 }; /* 1000 and 100 in the queues, 256 in the backlog */
    scene_t scene;
    peer_t *reader = &scene.peers[1], *sender = &scene.peers[0];
    char heard[256];

    (void) state;
    open_scene (&scene, 1);
    shorten_queue (&scene, reader, AMA_HUB_INPROC);
    join (reader, "supervisor", "supervisor");
    join (sender, "fetcher", "fetcher");
    for (int i = 1; i <= MANY; i++) {
        answer (sender, "supervisor", BIG_BODY);
        if (i % STEP == 0)
            assert_true (in_step (sender));
    }
    assert_in_range (drain (reader), 1000 + 256, MANY - STEP);
    say_ping (reader, "hub");
    hear (reader, heard, sizeof heard);
    assert_string_equal (heard, "control.pong from hub (hub)"); /* a member as before */
    close_scene (&scene);
}

/* A member of another process that lets so much lie is cut off, and the others are told; it may join again. */
static void test_process_over_the_bound (void **state)
{
    scene_t scene;
    peer_t *reader = &scene.peers[2], *sender = &scene.peers[0];
    char heard[256];
    int n = 0;

    (void) state;
    open_scene (&scene, 1);
    shorten_queue (&scene, reader, scene.endpoint);
    join (reader, "agent/1", "agent");
    join (sender, "fetcher", "fetcher");
    do {
        for (int i = 0; i < STEP; i++)
            answer (sender, "agent/1", BIG_BODY);
        n += STEP;
    } while (in_step (sender) && n < MOST);
    assert_in_range (n, 256, MOST - 1);
    assert_in_range (drain (reader), SMALL_QUEUE, n - 1); /* what was in the queues */
    say_ping (reader, "hub");
    hear (reader, heard, sizeof heard);
    assert_string_equal (heard, "control.who from hub (hub)");
    say_hello (reader, "agent/1", "agent", 2);
    hear (reader, heard, sizeof heard);
    assert_string_equal (heard, "control.welcome from hub (hub) agent 1");
    close_scene (&scene);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_answers_wait),
        cmocka_unit_test (test_thread_over_the_bound),
        cmocka_unit_test (test_process_over_the_bound),
    };
    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
