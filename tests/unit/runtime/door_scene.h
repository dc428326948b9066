/* door_scene.h - for tests of tcp: a hub with a ZAP handler, a list of keys, and peers with any key or none */
#ifndef AMA_TESTS_DOOR_SCENE_H
#define AMA_TESTS_DOOR_SCENE_H

#include "tests/unit/runtime/hub_scene.h"

#include "actors/runtime/ama_keys.h"
#include "actors/runtime/ama_zap.h"

#include <arpa/inet.h>
#include <sys/socket.h>

enum { BOSS, MAKER, EYE, NODE7, FETCHER, NODE8, STRANGER, OWNERS };

static const char *const owners[] = { "boss", "maker", "eye", "node7", "fetcher", "node8", "stranger" };

typedef struct {
    void *zmq;
    ama_zap_t *zap;
    ama_hub_t *hub;
    ama_key_pair_t server, keys[OWNERS]; /* the stranger's is not in the list */
    ama_hub_door_t door;
    char folder[64], allowed[96], endpoint[64];
    int port;
} door_scene_t;

static inline int free_port (void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal (bind (fd, (struct sockaddr *) &address, sizeof address), 0);
    assert_int_equal (getsockname (fd, (struct sockaddr *) &address, &size), 0);
    (void) close (fd);
    return ntohs (address.sin_port);
}

static inline void open_door_scene (door_scene_t *scene, bool with_zap)
{
    static const ama_key_role_t roles[] = { AMA_KEY_OPERATOR, AMA_KEY_SUBMITTER, AMA_KEY_VIEWER,
                                            AMA_KEY_AGENT,    AMA_KEY_ACTOR,     AMA_KEY_AGENT };
    const char *listen[] = { scene->endpoint, NULL };
    ama_err_t err = { 0 };

    memset (scene, 0, sizeof *scene);
    (void) snprintf (scene->allowed, sizeof scene->allowed, "%s/allowed",
                     temp_folder (scene->folder, sizeof scene->folder));
    ama_key_pair_new (&scene->server);
    for (size_t i = 0; i < OWNERS; i++) {
        ama_key_t key = { .role = i < ARRAY_SIZE (roles) ? roles[i] : AMA_KEY_VIEWER };
        ama_key_pair_new (&scene->keys[i]);
        (void) snprintf (key.name, sizeof key.name, "%s", owners[i]);
        (void) snprintf (key.key, sizeof key.key, "%s", scene->keys[i].public_key);
        if (i != STRANGER)
            assert_int_equal (ama_keys_add (scene->allowed, &key, &err), 0);
    }
    scene->port = free_port ();
    (void) snprintf (scene->endpoint, sizeof scene->endpoint, "tcp://127.0.0.1:%d", scene->port);
    scene->door = (ama_hub_door_t){ scene->server.secret_key, scene->allowed };
    scene->zmq = zmq_ctx_new ();
    if (with_zap && !(scene->zap = ama_zap_new (scene->zmq, scene->allowed, &err)))
        fail_msg ("no handler: %s", err.text);
    scene->hub = ama_hub_new (scene->zmq, listen, &scene->door, NULL, 4, &err);
    if (!scene->hub)
        fail_msg ("no hub: %s", err.text);
}

static inline void close_door_scene (door_scene_t *scene)
{
    ama_hub_destroy (&scene->hub);
    ama_zap_destroy (&scene->zap);
    (void) zmq_ctx_term (scene->zmq);
    remove_folder (scene->folder);
}

/* A DEALER that is not connected yet. */
static inline void bare (door_scene_t *scene, peer_t *peer)
{
    int linger = 0;

    *peer = (peer_t){ .socket = zmq_socket (scene->zmq, ZMQ_DEALER) };
    assert_non_null (peer->socket);
    (void) zmq_setsockopt (peer->socket, ZMQ_LINGER, &linger, sizeof linger);
}

static inline void with_key (door_scene_t *scene, peer_t *peer, int owner)
{
    bare (scene, peer);
    ama_wire_curve_connect (peer->socket, scene->keys[owner].public_key, scene->keys[owner].secret_key,
                            scene->server.public_key);
    assert_int_equal (zmq_connect (peer->socket, scene->endpoint), 0);
}

static inline void expect_heard (peer_t *peer, const char *what, const char *wanted)
{
    char heard[256];

    do /* the hub pings who is silent, and tells of everybody that leaves */
        hear (peer, heard, sizeof heard);
    while ((strcmp (heard, "control.ping from hub (hub)") == 0
            || strncmp (heard, "control.peer_gone ", sizeof "control.peer_gone " - 1) == 0)
           && strcmp (wanted, heard) != 0);
    if (strcmp (heard, wanted) != 0)
        fail_msg ("%s: heard \"%s\", not \"%s\"", what, heard, wanted);
}

#endif
