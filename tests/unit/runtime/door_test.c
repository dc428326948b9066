/* door_test.c - tcp: who is let in, as what, and who is not heard whatever he does; good peers are answered meanwhile */
#include "tests/unit/runtime/door_scene.h"

#include "actors/base/ama_log.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const char pong[] = "control.pong from hub (hub)";

static void good_is_answered (door_scene_t *scene, const char *what)
{
    int64_t begun_ms = ama_mono_ms (ama_clock_system ());
    static int n;
    char name[32];
    peer_t good;

    with_key (scene, &good, BOSS);
    (void) snprintf (name, sizeof name, "client/good%d", n++);
    say_hello (&good, name, "operator", 1);
    expect_heard (&good, what, "control.welcome from hub (hub) operator 4");
    say_ping (&good, "hub");
    expect_heard (&good, what, pong);
    if (ama_mono_ms (ama_clock_system ()) - begun_ms > 1000)
        fail_msg ("%s: a good peer waited %d ms", what, (int) (ama_mono_ms (ama_clock_system ()) - begun_ms));
    (void) zmq_close (good.socket);
}

/* ---- who has no allowed key ---- */

static void no_mechanism (door_scene_t *scene, peer_t *peer)
{
    (void) scene, (void) peer;
}

static void plain (door_scene_t *scene, peer_t *peer)
{
    (void) scene;
    (void) zmq_setsockopt (peer->socket, ZMQ_PLAIN_USERNAME, "boss", 4);
    (void) zmq_setsockopt (peer->socket, ZMQ_PLAIN_PASSWORD, "boss", 4);
}

static void curve (peer_t *peer, const ama_key_pair_t *own, const char *server)
{
    ama_wire_curve_connect (peer->socket, own->public_key, own->secret_key, server);
}

static void wrong_server (door_scene_t *scene, peer_t *peer)
{
    curve (peer, &scene->keys[BOSS], scene->keys[STRANGER].public_key);
}

static void unknown (door_scene_t *scene, peer_t *peer)
{
    curve (peer, &scene->keys[STRANGER], scene->server.public_key);
}

static void revoked (door_scene_t *scene, peer_t *peer)
{
    curve (peer, &scene->keys[EYE], scene->server.public_key);
}

static void stolen_name (door_scene_t *scene, peer_t *peer)
{
    ama_key_pair_t pair = scene->keys[STRANGER];

    /* the public key of one who may, without the secret of it */
    memcpy (pair.public_key, scene->keys[BOSS].public_key, sizeof pair.public_key);
    curve (peer, &pair, scene->server.public_key);
}

static const struct {
    const char *name;
    void (*set) (door_scene_t *scene, peer_t *peer);
} outsiders[] = {
    { "NULL", no_mechanism },      { "PLAIN", plain },           { "another server's key", wrong_server },
    { "an unknown key", unknown }, { "a revoked key", revoked }, { "a public key of another", stolen_name },
};

static void test_outsiders (void **state)
{
    door_scene_t scene;
    peer_t peers[ARRAY_SIZE (outsiders)];
    char heard[256];
    ama_err_t err;

    (void) state;
    open_door_scene (&scene, true);
    assert_int_equal (ama_keys_revoke (scene.allowed, "eye", &err), 0);
    for (size_t i = 0; i < ARRAY_SIZE (outsiders); i++) {
        bare (&scene, &peers[i]);
        outsiders[i].set (&scene, &peers[i]);
        assert_int_equal (zmq_connect (peers[i].socket, scene.endpoint), 0);
        say_hello (&peers[i], "client/bad", "operator", 1);
    }
    for (int i = 0; i < 10; i++)
        good_is_answered (&scene, "beside outsiders");
    for (size_t i = 0; i < ARRAY_SIZE (outsiders); i++) {
        hear_within (&peers[i], heard, sizeof heard, 300);
        if (strcmp (heard, "nothing") != 0)
            fail_msg ("%s: heard \"%s\"", outsiders[i].name, heard);
        (void) zmq_close (peers[i].socket);
    }
    close_door_scene (&scene);
}

/* Without a handler libzmq lets everybody in: the hub does not, and says so once. */
static void test_without_handler (void **state)
{
    static const int who[] = { STRANGER, BOSS };
    door_scene_t scene;
    char heard[256];
    peer_t peer;

    (void) state;
    open_door_scene (&scene, false);
    for (size_t i = 0; i < ARRAY_SIZE (who); i++) {
        with_key (&scene, &peer, who[i]);
        say_hello (&peer, "client/x", "operator", 1);
        expect_heard (&peer, owners[who[i]], "control.error from hub (hub) AMA_E_AUTH");
        say_hello (&peer, "client/x", "operator", 2);
        say_junk (&peer, 1);
        say_junk (&peer, 5);
        hear_within (&peer, heard, sizeof heard, 200);
        assert_string_equal (heard, "nothing");
        (void) zmq_close (peer.socket);
    }
    close_door_scene (&scene);
}

/* However often one comes without a key, his address is named once a minute, and no key at all. */
static void test_log (void **state)
{
    char text[8192] = "", heard[64];
    door_scene_t scene;
    int pipes[2];
    ssize_t size;

    (void) state;
    assert_int_equal (pipe (pipes), 0);
    ama_log_setup (AMA_LOG_TRACE, false, pipes[1]);
    open_door_scene (&scene, true);
    for (int i = 0; i < 5; i++) {
        peer_t peer;
        with_key (&scene, &peer, STRANGER);
        say_hello (&peer, "client/x", "operator", 1);
        hear_within (&peer, heard, sizeof heard, 50);
        (void) zmq_close (peer.socket);
    }
    good_is_answered (&scene, "log");
    close_door_scene (&scene);
    ama_log_setup (AMA_LOG_WARN, false, STDERR_FILENO);
    (void) close (pipes[1]);
    size = read (pipes[0], text, sizeof text - 1);
    assert_true (size > 0 && size < (ssize_t) sizeof text - 1);
    (void) close (pipes[0]);
    assert_non_null (strstr (text, "refused a peer at 127.0.0.1: its key is unknown"));
    assert_null (strstr (strstr (text, "its key is unknown") + 1, "its key is unknown"));
    assert_null (strstr (text, scene.server.secret_key));
    for (size_t i = 0; i < OWNERS; i++)
        assert_null (strstr (text, scene.keys[i].secret_key));
}

/* ---- who has one ---- */

static const struct {
    int owner;
    const char *name, *role, *heard; /* heard: the role granted, or the error */
} hellos[] = {
    { BOSS, "client/1", "operator", "operator" },       { BOSS, "client/1", "submitter", "submitter" },
    { BOSS, "client/1", "viewer", "viewer" },           { MAKER, "client/1", "operator", "submitter" },
    { MAKER, "client/1", "submitter", "submitter" },    { MAKER, "client/1", "viewer", "viewer" },
    { EYE, "client/1", "operator", "viewer" },          { EYE, "client/1", "viewer", "viewer" },
    { NODE7, "agent/node7", "agent", "agent" },         { FETCHER, "fetcher", "fetcher", "fetcher" },
    { BOSS, "supervisor", "supervisor", "AMA_E_ROLE" }, { BOSS, "agent/boss", "agent", "AMA_E_ROLE" },
    { BOSS, "agent/boss", "operator", "AMA_E_ROLE" },   { BOSS, "client/1", "hub", "AMA_E_ROLE" },
    { BOSS, "client/1", "none", "AMA_E_ROLE" },         { BOSS, "client/1", "supervisor", "AMA_E_ROLE" },
    { BOSS, "boss", "operator", "AMA_E_ROLE" },         { BOSS, "hub", "operator", "AMA_E_ROLE" },
    { EYE, "fetcher", "fetcher", "AMA_E_ROLE" },        { NODE7, "agent/node8", "agent", "AMA_E_ROLE" },
    { NODE7, "agent/local", "agent", "AMA_E_ROLE" },    { NODE7, "client/1", "operator", "AMA_E_ROLE" },
    { NODE7, "client/1", "viewer", "AMA_E_ROLE" },      { NODE7, "agent/node7", "operator", "AMA_E_ROLE" },
    { FETCHER, "planner", "planner", "AMA_E_ROLE" },    { FETCHER, "fetcher", "supervisor", "AMA_E_ROLE" },
    { FETCHER, "client/1", "viewer", "AMA_E_ROLE" },    { FETCHER, "hub", "hub", "AMA_E_ROLE" },
};

static void test_roles (void **state)
{
    door_scene_t scene;

    (void) state;
    open_door_scene (&scene, true);
    for (size_t i = 0; i < ARRAY_SIZE (hellos); i++) {
        char wanted[64], what[96];
        peer_t peer;

        (void) snprintf (what, sizeof what, "%s as %s, %s", owners[hellos[i].owner], hellos[i].name, hellos[i].role);
        if (hellos[i].heard[0] == 'A')
            (void) snprintf (wanted, sizeof wanted, "control.error from hub (hub) %s", hellos[i].heard);
        else
            (void) snprintf (wanted, sizeof wanted, "control.welcome from hub (hub) %s 4", hellos[i].heard);
        with_key (&scene, &peer, hellos[i].owner);
        say_hello (&peer, hellos[i].name, hellos[i].role, 1);
        expect_heard (&peer, what, wanted);
        if (hellos[i].heard[0] != 'A') {
            say_request (&peer, "hub", AMA_MSG_CONTROL_BYE, 0, NULL, 0);
            say_ping (&peer, "hub");
            expect_heard (&peer, what, "control.who from hub (hub)");
        }
        (void) zmq_close (peer.socket);
    }
    close_door_scene (&scene);
}

/* One agent's key, two peers; and a client's name, two keys. */
static void test_twice (void **state)
{
    door_scene_t scene;
    peer_t first, second;

    (void) state;
    open_door_scene (&scene, true);
    with_key (&scene, &first, NODE7);
    with_key (&scene, &second, NODE7);
    say_hello (&first, "agent/node7", "agent", 1);
    expect_heard (&first, "the first", "control.welcome from hub (hub) agent 4");
    for (int age = 2; age < 4; age++) {
        say_hello (&second, "agent/node7", "agent", age);
        expect_heard (&second, "the second", "control.error from hub (hub) AMA_E_EXISTS");
        expect_heard (&first, "the first", "control.ping from hub (hub)");
    }
    say_ping (&first, "hub");
    expect_heard (&first, "the first", pong);
    (void) zmq_close (first.socket);
    (void) zmq_close (second.socket);

    with_key (&scene, &first, BOSS);
    with_key (&scene, &second, MAKER);
    say_hello (&first, "client/1", "submitter", 1);
    expect_heard (&first, "boss", "control.welcome from hub (hub) submitter 4");
    say_hello (&second, "client/1", "submitter", 2);
    expect_heard (&second, "maker", "control.error from hub (hub) AMA_E_ROLE");
    (void) zmq_close (first.socket);
    (void) zmq_close (second.socket);
    close_door_scene (&scene);
}

/* A clock that is a few seconds behind or ahead does not make a request late. */
static void test_clocks (void **state)
{
    static const struct {
        int from_now_ms;
        bool arrives;
    } rows[] = { { 3000, true }, { -3000, true }, { -6000, false } };
    door_scene_t scene;
    peer_t boss, fetcher;

    (void) state;
    open_door_scene (&scene, true);
    with_key (&scene, &boss, BOSS);
    with_key (&scene, &fetcher, FETCHER);
    say_hello (&fetcher, "fetcher", "fetcher", 1);
    expect_heard (&fetcher, "clocks", "control.welcome from hub (hub) fetcher 4");
    say_hello (&boss, "client/1", "operator", 1);
    expect_heard (&boss, "clocks", "control.welcome from hub (hub) operator 4");
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        boss.deadline = (uint64_t) (ama_wall_ms (ama_clock_system ()) + rows[i].from_now_ms);
        say_ping (&boss, "fetcher");
        if (rows[i].arrives)
            expect_heard (&fetcher, "in time", "control.ping from client/1 (operator) by boss");
        else
            expect_heard (&boss, "too late", "control.error from hub (hub) AMA_E_TIMEOUT");
    }
    (void) zmq_close (boss.socket);
    (void) zmq_close (fetcher.socket);
    close_door_scene (&scene);
}

/* Whose key it is, the hub says and nobody else. */
static void test_user (void **state)
{
    door_scene_t scene;
    peer_t maker, fetcher, near;

    (void) state;
    open_door_scene (&scene, true);
    with_key (&scene, &maker, MAKER);
    with_key (&scene, &fetcher, FETCHER);
    bare (&scene, &near);
    assert_int_equal (zmq_connect (near.socket, AMA_HUB_INPROC), 0);
    say_hello (&fetcher, "fetcher", "fetcher", 1);
    expect_heard (&fetcher, "fetcher", "control.welcome from hub (hub) fetcher 4");
    say_hello (&maker, "client/1", "submitter", 1);
    expect_heard (&maker, "maker", "control.welcome from hub (hub) submitter 4");
    say_hello (&near, "client/2", "operator", 1);
    expect_heard (&near, "near", "control.welcome from hub (hub) operator 4");
    for (int forged = 0; forged < 2; forged++) {
        say_ping (&maker, "fetcher");
        expect_heard (&fetcher, "over tcp", "control.ping from client/1 (submitter) by maker");
        say_ping (&near, "fetcher");
        expect_heard (&fetcher, "without a key", "control.ping from client/2 (operator)");
        (void) snprintf (maker.user, sizeof maker.user, "boss");
        (void) snprintf (near.user, sizeof near.user, "boss");
    }
    (void) zmq_close (maker.socket);
    (void) zmq_close (fetcher.socket);
    (void) zmq_close (near.socket);
    close_door_scene (&scene);
}

/* ---- revoking ---- */

static void test_revoke (void **state)
{
    ama_key_t changed = { "maker", AMA_KEY_VIEWER, "" };
    door_scene_t scene;
    peer_t eye, maker, again;
    char heard[256];
    ama_err_t err;

    (void) state;
    open_door_scene (&scene, true);
    with_key (&scene, &eye, EYE);
    with_key (&scene, &maker, MAKER);
    say_hello (&eye, "client/eye", "viewer", 1);
    say_hello (&maker, "client/maker", "operator", 1);
    expect_heard (&eye, "eye", "control.welcome from hub (hub) viewer 4");
    expect_heard (&maker, "maker", "control.welcome from hub (hub) submitter 4");
    assert_int_equal (ama_keys_revoke (scene.allowed, "eye", &err), 0);
    expect_heard (&eye, "revoked", "control.error from hub (hub) AMA_E_AUTH");
    expect_heard (&maker, "the others hear", "control.peer_gone from hub (hub) client/eye");
    for (int i = 0; i < 3; i++) {
        say_ping (&eye, "hub");
        say_hello (&eye, "client/eye", "viewer", 2 + i);
    }
    with_key (&scene, &again, EYE);
    say_hello (&again, "client/eye", "viewer", 9);
    hear_within (&eye, heard, sizeof heard, 300);
    assert_string_equal (heard, "nothing");
    hear_within (&again, heard, sizeof heard, 300);
    assert_string_equal (heard, "nothing");
    say_ping (&maker, "hub");
    expect_heard (&maker, "who was not revoked", pong);

    assert_int_equal (ama_keys_revoke (scene.allowed, "maker", &err), 0);
    memcpy (changed.key, scene.keys[MAKER].public_key, sizeof changed.key);
    assert_int_equal (ama_keys_add (scene.allowed, &changed, &err), 0);
    do
        hear (&maker, heard, sizeof heard);
    while (strcmp (heard, "control.ping from hub (hub)") == 0);
    if (strcmp (heard, "control.who from hub (hub)")
        == 0) { /* else the hub has looked between the two: it was cut off */
        for (int i = 0; i < 20;
             i++) { /* again, as links do: a hello that comes while the hub still sees it off is not heard */
            say_hello (&maker, "client/maker", "operator", 2 + i);
            hear_within (&maker, heard, sizeof heard, 500);
            if (strcmp (heard, "control.welcome from hub (hub) viewer 4") == 0)
                break;
        }
        assert_string_equal (heard, "control.welcome from hub (hub) viewer 4");
    }
    else
        assert_string_equal (heard, "control.error from hub (hub) AMA_E_AUTH");
    (void) zmq_close (eye.socket);
    (void) zmq_close (maker.socket);
    (void) zmq_close (again.socket);
    close_door_scene (&scene);
}

/* A list that can not be read lets nobody new in, and cuts nobody off. */
static void test_broken_list (void **state)
{
    door_scene_t scene;
    peer_t inside, outside;
    char heard[256];
    FILE *file;

    (void) state;
    open_door_scene (&scene, true);
    with_key (&scene, &inside, BOSS);
    say_hello (&inside, "client/in", "operator", 1);
    expect_heard (&inside, "before", "control.welcome from hub (hub) operator 4");
    file = fopen (scene.allowed, "a");
    assert_true (file && fputs ("what is this\n", file) >= 0 && fclose (file) == 0);
    with_key (&scene, &outside, MAKER);
    say_hello (&outside, "client/out", "operator", 1);
    hear_within (&outside, heard, sizeof heard, 1500);
    assert_string_equal (heard, "nothing");
    say_ping (&inside, "hub");
    for (int i = 0; i < 5 && strcmp (heard, pong) != 0; i++)
        hear (&inside, heard, sizeof heard); /* a ping of the hub may come first */
    assert_string_equal (heard, pong);
    (void) zmq_close (inside.socket);
    (void) zmq_close (outside.socket);
    close_door_scene (&scene);
}

/* ---- bytes that are no ZMTP, and none at all ---- */

static int raw (int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_port = htons ((uint16_t) port);
    if (fd >= 0 && connect (fd, (struct sockaddr *) &address, sizeof address) < 0) {
        (void) close (fd);
        return -1;
    }
    return fd;
}

static void test_garbage (void **state)
{
    static const char *const words[] = {
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\x01",
        "\x05\x00hello",
        "\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "AMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAMAM",
    };
    static const uint8_t greeting[] = { 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0, 'C', 'U', 'R', 'V', 'E' };
    door_scene_t scene;
    int fds[ARRAY_SIZE (words) + 1];

    (void) state;
    open_door_scene (&scene, true);
    for (size_t i = 0; i < ARRAY_SIZE (words); i++) {
        fds[i] = raw (scene.port);
        assert_true (write (fds[i], words[i], strlen (words[i])) > 0);
    }
    fds[ARRAY_SIZE (words)] = raw (scene.port);
    (void) write (fds[ARRAY_SIZE (words)], greeting, sizeof greeting);
    for (int i = 0; i < 5; i++)
        good_is_answered (&scene, "beside garbage");
    for (size_t i = 0; i < ARRAY_SIZE (fds); i++) {
        struct pollfd item = { .fd = fds[i], .events = POLLIN };
        char bytes[512];
        ssize_t n = 1, all = 0;

        while (n > 0 && poll (&item, 1, 4000) == 1 && (n = read (fds[i], bytes, sizeof bytes)) > 0)
            all += n;
        if (n > 0)
            fail_msg ("garbage %zu is still connected", i);
        assert_true (all <= 64); /* a greeting at most */
        (void) close (fds[i]);
    }
    close_door_scene (&scene);
}

enum { SILENT = 200, FILES = 256 };

/* In a process of its own: its descriptors are not ours. Comes again when it is thrown out. */
static void be_silent (int in)
{
    struct pollfd items[SILENT + 1] = { { .fd = in, .events = POLLIN } };
    int port;

    if (read (in, &port, sizeof port) != sizeof port)
        _exit (1);
    for (int i = 1; i <= SILENT; i++)
        items[i] = (struct pollfd){ .fd = raw (port), .events = POLLIN };
    for (;;) {
        char bytes[64];
        (void) poll (items, SILENT + 1, -1);
        if (items[0].revents)
            _exit (0);
        for (int i = 1; i <= SILENT; i++)
            if (items[i].revents && read (items[i].fd, bytes, sizeof bytes) <= 0) {
                (void) close (items[i].fd);
                items[i].fd = raw (port);
            }
    }
}

static void test_silent (void **state)
{
    struct rlimit before, few;
    door_scene_t scene;
    int pipes[2], status;
    pid_t child;

    (void) state;
    assert_int_equal (pipe (pipes), 0);
    child = fork (); /* there is no thread yet: all scenes are closed */
    if (child == 0) {
        (void) close (pipes[1]);
        be_silent (pipes[0]);
    }
    (void) close (pipes[0]);
    assert_int_equal (getrlimit (RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = FILES;
    assert_int_equal (setrlimit (RLIMIT_NOFILE, &few), 0);
    open_door_scene (&scene, true);
    assert_true (write (pipes[1], &scene.port, sizeof scene.port) == sizeof scene.port);
    for (int i = 0; i < 20; i++) { /* over more than one handshake deadline */
        good_is_answered (&scene, "beside 200 silent ones");
        (void) usleep (200000);
    }
    (void) close (pipes[1]);
    close_door_scene (&scene);
    (void) setrlimit (RLIMIT_NOFILE, &before);
    assert_int_equal (waitpid (child, &status, 0), child);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_silent),      cmocka_unit_test (test_outsiders), cmocka_unit_test (test_without_handler),
        cmocka_unit_test (test_roles),       cmocka_unit_test (test_twice),     cmocka_unit_test (test_revoke),
        cmocka_unit_test (test_broken_list), cmocka_unit_test (test_garbage),   cmocka_unit_test (test_clocks),
        cmocka_unit_test (test_log),         cmocka_unit_test (test_user),
    };
    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
