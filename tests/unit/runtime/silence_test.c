/* silence_test.c - a hub that forgets its members, loses messages or does not believe them, and processes that are there but do not speak
 *
 * The silence takes its true fifteen seconds.
 */
#include "tests/unit/runtime/process_scene.h"

#include "tests/unit/runtime/fake_hub.h"

/* Of what is said after the first welcome. */
typedef struct {
    uint16_t type; /* 0: who */
    uint64_t seq;
    int code; /* of an error */
} answer_t;

static void welcome_and_answer (fake_hub_t *hub, const ama_envelope_t *said, const void *body, size_t size)
{
    const answer_t *answer = hub->arg;

    (void) body, (void) size;
    if (said->type == AMA_MSG_CONTROL_HELLO)
        fake_welcome (hub, said);
    else if (answer->code)
        fake_error (hub, 0, 0, answer->seq, answer->code);
    else
        fake_say (hub, answer->type ? answer->type : AMA_MSG_CONTROL_WHO, 0, 0, answer->seq, NULL);
}

static void only_welcome (fake_hub_t *hub, const ama_envelope_t *said, const void *body, size_t size)
{
    (void) body, (void) size;
    if (said->type == AMA_MSG_CONTROL_HELLO)
        fake_welcome (hub, said);
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
    static struct {
        answer_t answer;
        int code;
        const char *log;
    } cases[] = {
        { { .seq = 0 }, 0, "joined 7; parted; joined 8" },                                  /* it does not know us */
        { { AMA_MSG_CONTROL_PEER_GONE, 3, 0 }, 0, "joined 7; parted; joined 8" },           /* number 2 is lost */
        { { AMA_MSG_CONTROL_ERROR, 2, AMA_E_INTEGRITY }, 0, "joined 7; parted; joined 8" }, /* one of ours */
        { { AMA_MSG_CONTROL_ERROR, 0, AMA_E_AUTH }, AMA_E_AUTH, "joined 7; AMA_E_AUTH because" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        fake_hub_t hub = { .on_said = welcome_and_answer, .arg = &cases[i].answer };
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
    fake_hub_t hub = { .on_said = only_welcome };
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
