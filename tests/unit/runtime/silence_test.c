/* silence_test.c - a hub that forgets its members, loses messages or does not believe them, and processes that are there but do not speak
 *
 * The hub is played by a thread with a raw ROUTER. The silence takes its true fifteen seconds.
 */
#include "tests/unit/runtime/process_scene.h"

#include <pthread.h>
#include <zmq.h>

typedef struct {
    void *zmq, *socket;
    pthread_t thread;
    uint64_t epoch;
    bool silent;
    struct {
        uint16_t type; /* 0: who */
        uint64_t seq;
        int code; /* of an error */
    } answer;
} fake_hub_t;

/* Welcomes every hello; the first thing said after it gets the answer, unless it is a silent hub. */
static void *serve_fake (void *arg)
{
    fake_hub_t *hub = arg;
    char peer[8], frame[512], body[512];
    int n_peer, n_frame;

    while ((n_peer = zmq_recv (hub->socket, peer, sizeof peer, 0)) > 0) {
        ama_envelope_t said, answer = { .src = "hub", .role = AMA_ROLE_HUB, .id = 1 };
        ama_control_welcome_t welcome = { .epoch = hub->epoch, .role = AMA_ROLE_AGENT };
        ama_str_t bytes = { 0 }, content = { 0 };

        n_frame = zmq_recv (hub->socket, frame, sizeof frame, 0);
        (void) zmq_recv (hub->socket, body, sizeof body, 0);
        if (ama_envelope_decode (frame, (size_t) n_frame, &said, NULL) < 0)
            break;
        answer.type = hub->answer.type ? hub->answer.type : AMA_MSG_CONTROL_WHO;
        answer.seq = hub->answer.seq;
        if (said.type == AMA_MSG_CONTROL_HELLO) {
            answer.type = AMA_MSG_CONTROL_WELCOME;
            answer.flags = AMA_FLAG_REPLY;
            answer.corr = said.id;
            answer.seq = 1;
            hub->epoch++;
            ama_control_welcome_encode (&welcome, &content);
        }
        else {
            ama_control_error_t error = { .code = hub->answer.code, .text = "because" };
            if (hub->silent)
                continue;
            if (hub->answer.code)
                ama_control_error_encode (&error, &content);
            else
                ama_str_putc (&content, (char) 0x80);
        }
        ama_envelope_encode (&answer, &bytes);
        (void) zmq_send (hub->socket, peer, (size_t) n_peer, ZMQ_SNDMORE);
        (void) zmq_send (hub->socket, bytes.data, bytes.size, ZMQ_SNDMORE);
        (void) zmq_send (hub->socket, content.data, content.size, 0);
        ama_str_done (&bytes);
        ama_str_done (&content);
    }
    (void) zmq_close (hub->socket);
    return NULL;
}

static void open_fake (fake_hub_t *hub, const char *endpoint)
{
    int none = 0;

    hub->epoch = 7;
    hub->zmq = zmq_ctx_new ();
    hub->socket = zmq_socket (hub->zmq, ZMQ_ROUTER);
    (void) zmq_setsockopt (hub->socket, ZMQ_LINGER, &none, sizeof none);
    assert_int_equal (zmq_bind (hub->socket, endpoint), 0);
    assert_int_equal (pthread_create (&hub->thread, NULL, serve_fake, hub), 0);
}

static void close_fake (fake_hub_t *hub)
{
    (void) zmq_ctx_shutdown (hub->zmq); /* ends its recv */
    (void) pthread_join (hub->thread, NULL);
    (void) zmq_ctx_term (hub->zmq);
}

static void twice_joined (driver_t *driver, uint64_t epoch)
{
    note (driver, "joined %d", (int) epoch);
    if (epoch == 8)
        end_scene (driver->arg);
    else
        assert_int_equal (ama_tell (driver->ctx, "nobody", AMA_MSG_CONTROL_CANCEL, NULL), 0); /* provokes `who` */
}

static void only_note_parted (driver_t *driver)
{
    note (driver, "parted");
}

/* The hub answers so after the first welcome: what becomes of the member? */
static void test_hub_answers (void **state)
{
    static const struct {
        fake_hub_t hub;
        int code;
        const char *log;
    } cases[] = {
        { { .answer.seq = 0 }, 0, "joined 7; parted; joined 8" }, /* it does not know us */
        { { .answer = { AMA_MSG_CONTROL_PEER_GONE, 3, 0 } }, 0, "joined 7; parted; joined 8" }, /* number 2 is lost */
        { { .answer = { AMA_MSG_CONTROL_ERROR, 2, AMA_E_INTEGRITY } },
          0,
          "joined 7; parted; joined 8" }, /* one of ours */
        { { .answer = { AMA_MSG_CONTROL_ERROR, 0, AMA_E_AUTH } }, AMA_E_AUTH, "joined 7; AMA_E_AUTH because" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        fake_hub_t hub = cases[i].hub;
        scene_t scene;
        ama_node_t *node;
        open_scene (&scene);
        open_fake (&hub, scene.endpoint);
        scene.driver.name = "agent/1";
        scene.driver.role = AMA_ROLE_AGENT;
        scene.driver.on_joined = twice_joined;
        scene.driver.on_parted = only_note_parted;
        node = new_node (&(ama_node_conf_t){ .connect = scene.endpoint });
        assert_int_equal (drive (node, &scene.driver), cases[i].code);
        ama_node_destroy (&node, 1000);
        close_fake (&hub);
        assert_string_equal (scene.driver.log, cases[i].log);
        remove_folder (scene.folder);
    }
}

static void be_patient (driver_t *driver)
{
    scene_t *scene = driver->arg;

    scene->since_ms = ama_now_ms (driver->ctx);
    ama_timer_after (driver->watchdog, 25000);
}

static void silence_noticed (driver_t *driver)
{
    scene_t *scene = driver->arg;

    assert_in_range (ama_now_ms (driver->ctx) - scene->since_ms, 15000, 18000);
    note (driver, "parted");
    end_scene (scene);
}

static void stop_peer (scene_t *scene)
{
    ama_child_signal (scene->kid, SIGSTOP);
}

static void gone_after_silence (driver_t *driver, const char *name)
{
    scene_t *scene = driver->arg;

    assert_in_range (ama_now_ms (driver->ctx) - scene->since_ms, 15000, 18000);
    note (driver, "gone %s", name);
    end_scene (scene);
}

static void begin_patient (driver_t *driver)
{
    be_patient (driver);
    start_kid (driver->arg, "--peer", "agent/1", "0", "stay");
}

/* A process that is there but does not speak: both sides give up after 15 s, here at the same time. */
static void *silent_peer (void *arg)
{
    scene_t *scene = arg;

    run_scene (scene, node_with_hub (scene));
    return NULL;
}

static void test_silence (void **state)
{
    fake_hub_t hub = { .silent = true };
    scene_t of_hub, of_peer;
    pthread_t thread;

    (void) state;
    open_scene (&of_peer);
    of_peer.driver.begin = begin_patient;
    of_peer.driver.on_peer_gone = gone_after_silence;
    of_peer.on_ready = stop_peer;
    assert_int_equal (pthread_create (&thread, NULL, silent_peer, &of_peer), 0);
    open_scene (&of_hub);
    open_fake (&hub, of_hub.endpoint);
    of_hub.driver.name = "agent/1";
    of_hub.driver.role = AMA_ROLE_AGENT;
    of_hub.driver.begin = be_patient;
    of_hub.driver.on_parted = silence_noticed;
    run_scene (&of_hub, new_node (&(ama_node_conf_t){ .connect = of_hub.endpoint }));
    close_fake (&hub);
    (void) pthread_join (thread, NULL);
    assert_string_equal (of_hub.driver.log, "parted");
    assert_string_equal (of_peer.driver.log, "gone agent/1");
}

int main (int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_hub_answers),
        cmocka_unit_test (test_silence),
    };
    int code;

    ama_node_prepare ();
    return is_other_process (argc, argv, &code) ? code : cmocka_run_group_tests (tests, NULL, NULL);
}
