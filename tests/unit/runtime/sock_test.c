/* sock_test.c - raw sockets in an actor's loop, against real ones of libzmq on another thread */
#include "tests/unit/runtime/rt_test.h"

#include "actors/runtime/ama_sock.h"

#include <pthread.h>
#include <zmq.h>

/* ---- the foreign side: a socket that echoes, or publishes ---- */

typedef struct {
    void *zmq, *socket;
    int type;
    char endpoint[64];
    pthread_t thread;
} foreign_t;

static void *serve_echo (void *arg)
{
    foreign_t *foreign = arg;
    zmq_msg_t msg;

    (void) zmq_msg_init (&msg);
    while (zmq_msg_recv (&msg, foreign->socket, 0) >= 0)
        (void) zmq_msg_send (&msg, foreign->socket, zmq_msg_more (&msg) ? ZMQ_SNDMORE : 0);
    (void) zmq_msg_close (&msg);
    (void) zmq_close (foreign->socket);
    return NULL;
}

static void *serve_publish (void *arg)
{
    foreign_t *foreign = arg;
    char subscription[8];

    /* an XPUB sees the subscription; only then does anybody hear */
    if (zmq_recv (foreign->socket, subscription, sizeof subscription, 0) == 1)
        for (int i = 0; i < 500; i++) {
            (void) zmq_send (foreign->socket, "topic", 5, ZMQ_SNDMORE);
            (void) zmq_send (foreign->socket, &i, sizeof i, 0);
        }
    (void) zmq_recv (foreign->socket, subscription, sizeof subscription, 0);
    (void) zmq_close (foreign->socket);
    return NULL;
}

static void open_foreign (foreign_t *foreign, int type)
{
    size_t size = sizeof foreign->endpoint;
    int none = 0;

    foreign->zmq = zmq_ctx_new ();
    foreign->type = type;
    foreign->socket = zmq_socket (foreign->zmq, type);
    (void) zmq_setsockopt (foreign->socket, ZMQ_LINGER, &none, sizeof none);
    assert_int_equal (zmq_bind (foreign->socket, "tcp://127.0.0.1:*"), 0);
    assert_int_equal (zmq_getsockopt (foreign->socket, ZMQ_LAST_ENDPOINT, foreign->endpoint, &size), 0);
    assert_int_equal (pthread_create (&foreign->thread, NULL, type == ZMQ_XPUB ? serve_publish : serve_echo, foreign),
                      0);
}

static void close_foreign (foreign_t *foreign)
{
    (void) zmq_ctx_shutdown (foreign->zmq);
    (void) pthread_join (foreign->thread, NULL);
    (void) zmq_ctx_term (foreign->zmq);
}

/* ---- our side ---- */

typedef struct {
    driver_t driver;
    foreign_t foreign;
    ama_sock_t *sock;
    ama_timer_t *timer;
    ama_sock_kind_t kind;
    size_t max_frame, frame_size;
    int n_frames, received, sent, held_at;
} scene_t;

static void end_scene (scene_t *scene)
{
    ama_timer_destroy (&scene->timer);
    ama_sock_destroy (&scene->sock); /* also from inside its callback */
    ama_exit (scene->driver.ctx, 0, NULL);
}

static void on_message (ama_sock_t *sock, const ama_frame_t *frames, size_t n_frames, void *arg);

static void begin (driver_t *driver)
{
    scene_t *scene = driver->arg;
    ama_sock_spec_t spec = { .kind = scene->kind,
                             .endpoint = scene->foreign.endpoint,
                             .routing_id = scene->kind == AMA_SOCK_DEALER ? "me" : NULL,
                             .max_frame = scene->max_frame,
                             .on_message = on_message,
                             .arg = scene };
    ama_err_t err = { 0 };

    scene->sock = ama_sock_new (driver->ctx, &spec, &err);
    if (!scene->sock)
        fail_msg ("%s", err.text);
}

static void run (scene_t *scene, int foreign_type, ama_sock_kind_t kind, void (*then) (driver_t *driver))
{
    ama_node_t *node = new_node (&(ama_node_conf_t){ 0 });

    open_foreign (&scene->foreign, foreign_type);
    scene->kind = kind;
    scene->driver.begin = then;
    scene->driver.arg = scene;
    assert_int_equal (drive (node, &scene->driver), 0);
    ama_node_destroy (&node, 1000);
    close_foreign (&scene->foreign);
}

/* Sends when the connection is there; before that it is BUSY. */
static void send_when_possible (void *arg)
{
    static const char content[1000] = "frame";
    scene_t *scene = arg;
    ama_frame_t frames[80];
    int rc;

    for (int i = 0; i < scene->n_frames; i++)
        frames[i] = (ama_frame_t){ content, scene->frame_size ? scene->frame_size : 5 };
    rc = ama_sock_send (scene->sock, frames, (size_t) scene->n_frames);
    assert_true (rc == 0 || rc == AMA_E_BUSY);
    if (rc < 0)
        ama_timer_after (scene->timer, 2);
    else
        scene->sent++;
}

static void begin_sending (driver_t *driver)
{
    scene_t *scene = driver->arg;

    begin (driver);
    scene->timer = ama_timer_new (driver->ctx, send_when_possible, scene);
    send_when_possible (scene);
}

static void go_on_reading (void *arg)
{
    scene_t *scene = arg;

    assert_int_equal (scene->received, scene->held_at); /* nothing came while paused */
    ama_sock_pause (scene->sock, false);
}

static void on_published (scene_t *scene, const ama_frame_t *frames, size_t n_frames)
{
    int number;

    assert_int_equal (n_frames, 2);
    memcpy (&number, frames[1].data, sizeof number);
    assert_int_equal (number, scene->received - 1);
    if (scene->received == 100) {
        ama_sock_pause (scene->sock, true);
        scene->held_at = 100;
        scene->timer = ama_timer_new (scene->driver.ctx, go_on_reading, scene);
        ama_timer_after (scene->timer, 50);
    }
    if (scene->received == 500)
        end_scene (scene);
}

static void on_message (ama_sock_t *sock, const ama_frame_t *frames, size_t n_frames, void *arg)
{
    scene_t *scene = arg;

    assert_ptr_equal (sock, scene->sock);
    scene->received++;
    if (scene->kind == AMA_SOCK_SUB) {
        on_published (scene, frames, n_frames);
        return;
    }
    assert_int_equal (n_frames, scene->n_frames);
    assert_memory_equal (frames[0].data, "frame", 5);
    end_scene (scene);
}

static void test_dealer (void **state)
{
    scene_t scene = { .n_frames = 7 };

    (void) state;
    run (&scene, ZMQ_ROUTER, AMA_SOCK_DEALER, begin_sending);
    assert_int_equal (scene.received, 1);
}

static void test_req (void **state)
{
    scene_t scene = { .n_frames = 1 };

    (void) state;
    run (&scene, ZMQ_REP, AMA_SOCK_REQ, begin_sending);
    assert_int_equal (scene.received, 1);
}

static void test_sub_with_a_pause (void **state)
{
    scene_t scene = { 0 };

    (void) state;
    run (&scene, ZMQ_XPUB, AMA_SOCK_SUB, begin);
    assert_int_equal (scene.received, 500);
}

/* 70 frames come back: thrown away; the message of 64 after it arrives. */
static void send_too_many_first (void *arg)
{
    scene_t *scene = arg;

    scene->n_frames = scene->sent ? 64 : 70;
    send_when_possible (scene);
    if (scene->sent == 1)
        ama_timer_after (scene->timer, 2);
}

static void begin_too_many (driver_t *driver)
{
    scene_t *scene = driver->arg;

    begin (driver);
    scene->timer = ama_timer_new (driver->ctx, send_too_many_first, scene);
    ama_timer_after (scene->timer, 0);
}

static void test_too_many_frames (void **state)
{
    scene_t scene = { 0 };

    (void) state;
    run (&scene, ZMQ_ROUTER, AMA_SOCK_DEALER, begin_too_many);
    assert_int_equal (scene.sent, 2);
    assert_int_equal (scene.received, 1);
}

/* A frame beyond the limit closes the connection; nothing of it arrives. */
static void give_up (void *arg)
{
    end_scene (arg);
}

static void begin_too_big (driver_t *driver)
{
    scene_t *scene = driver->arg;

    begin_sending (driver);
    ama_timer_destroy (&driver->watchdog);
    driver->watchdog = ama_timer_new (driver->ctx, give_up, scene);
    ama_timer_after (driver->watchdog, 200);
}

static void test_frame_too_big (void **state)
{
    scene_t scene = { .n_frames = 1, .max_frame = 500, .frame_size = 501 };

    (void) state;
    run (&scene, ZMQ_ROUTER, AMA_SOCK_DEALER, begin_too_big);
    assert_int_equal (scene.sent, 1);
    assert_int_equal (scene.received, 0);
}

static void begin_bad_endpoint (driver_t *driver)
{
    ama_sock_spec_t spec = { .kind = AMA_SOCK_DEALER, .endpoint = "nonsense", .on_message = on_message };
    ama_err_t err = { 0 };

    assert_null (ama_sock_new (driver->ctx, &spec, &err));
    assert_int_equal (err.code, AMA_E_INVALID);
    ama_exit (driver->ctx, 0, NULL);
}

static void test_bad_endpoint (void **state)
{
    scene_t scene = { 0 };

    (void) state;
    run (&scene, ZMQ_ROUTER, AMA_SOCK_DEALER, begin_bad_endpoint);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_dealer),           cmocka_unit_test (test_req),
        cmocka_unit_test (test_sub_with_a_pause), cmocka_unit_test (test_too_many_frames),
        cmocka_unit_test (test_frame_too_big),    cmocka_unit_test (test_bad_endpoint),
    };
    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
