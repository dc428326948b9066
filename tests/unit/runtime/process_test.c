/* process_test.c - links between processes: joining, dying, a hub that comes back with another epoch, paths of endpoints */
#include "tests/unit/runtime/process_scene.h"

#include <sys/stat.h>

static void ask_and_kill (scene_t *scene);

static int on_post (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    scene_t *scene = (*(driver_t **) state)->arg;
    const ama_report_post_t *post = body;

    (void) ctx, (void) err;
    assert_string_equal (envelope->src, "agent/1");
    assert_int_equal (envelope->role, AMA_ROLE_AGENT);
    assert_int_equal (post->first, ++scene->posts);
    if (scene->posts == scene->kill_at)
        ask_and_kill (scene);
    return 0;
}

static const ama_handler_t handlers[] = { { AMA_MSG_REPORT_POST, on_post }, AMA_HANDLER_END };

/* ---- a peer that leaves, and one that is killed ---- */

static void gone_ends (driver_t *driver, const char *name)
{
    scene_t *scene = driver->arg;

    note (driver, "gone %s after %d posts", name, (int) scene->posts);
    end_scene (scene);
}

/* Fewer than a queue holds: a tell to one who does not keep up may be dropped. */
static void begin_leaving (driver_t *driver)
{
    start_kid (driver->arg, "--peer", "agent/1", "900", "leave");
}

static void test_last_words (void **state)
{
    scene_t scene;

    (void) state;
    open_scene (&scene);
    scene.driver.begin = begin_leaving;
    scene.driver.handlers = handlers;
    scene.driver.on_peer_gone = gone_ends;
    run_scene (&scene, node_with_hub (&scene));
    assert_string_equal (scene.driver.log, "gone agent/1 after 900 posts");
}

static void begin_staying (driver_t *driver)
{
    start_kid (driver->arg, "--peer", "agent/1", "10", "stay");
}

static void no_answer (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    scene_t *scene = arg;

    (void) ctx, (void) envelope, (void) body;
    assert_non_null (err);
    if (strstr (err->text, "is not there")) /* the hub had noticed before the ask came to it */
        note (&scene->driver, "AMA_E_UNREACHABLE control.ping to agent/1: the peer is gone");
    else
        note (&scene->driver, "%s %s", ama_err_name (err->code), err->text);
}

/* The kid is stopped before it is asked, so that the ask is open when it dies. */
static void ask_and_kill (scene_t *scene)
{
    ama_control_ping_t ping = { 0 };

    ama_child_signal (scene->kid, SIGSTOP);
    (void) ama_ask (scene->driver.ctx, "agent/1", AMA_MSG_CONTROL_PING, &ping, 0, 0, no_answer, scene);
    ama_child_signal (scene->kid, SIGKILL);
    scene->since_ms = ama_now_ms (scene->driver.ctx);
}

static void test_killed (void **state)
{
    scene_t scene;

    (void) state;
    open_scene (&scene);
    scene.driver.begin = begin_staying;
    scene.driver.handlers = handlers;
    scene.driver.on_peer_gone = gone_ends;
    scene.kill_at = 10;
    run_scene (&scene, node_with_hub (&scene));
    assert_string_equal (scene.driver.log,
                         "AMA_E_UNREACHABLE control.ping to agent/1: the peer is gone; gone agent/1 after 10 posts");
    assert_in_range (ama_mono_ms (ama_clock_system ()) - scene.since_ms, 0, 2000);
}

/* ---- a hub that dies and comes back ---- */

static void begin_with_hub (driver_t *driver)
{
    start_kid (driver->arg, "--hub", "7", NULL, NULL);
}

static void start_next_hub (scene_t *scene)
{
    start_kid (scene, "--hub", "8", NULL, NULL);
}

static void kill_hub_once (driver_t *driver, uint64_t epoch)
{
    scene_t *scene = driver->arg;
    ama_control_ping_t ping = { 0 };

    note (driver, "joined %d", (int) epoch);
    if (epoch == 8) {
        ama_child_kill (scene->kid, true);
        scene->on_kid_end = end_scene;
        return;
    }
    ama_child_signal (scene->kid, SIGSTOP);
    (void) ama_ask (driver->ctx, "hub", AMA_MSG_CONTROL_PING, &ping, 0, 0, no_answer, scene);
    ama_child_signal (scene->kid, SIGKILL);
}

static void note_parted (driver_t *driver)
{
    scene_t *scene = driver->arg;

    note (driver, "parted");
    if (!scene->kid)
        start_next_hub (scene);
    else
        scene->on_kid_end = start_next_hub;
}

static void test_hub_restart (void **state)
{
    scene_t scene;

    (void) state;
    open_scene (&scene);
    scene.driver.name = "agent/1";
    scene.driver.role = AMA_ROLE_AGENT;
    scene.driver.begin = begin_with_hub;
    scene.driver.on_joined = kill_hub_once;
    scene.driver.on_parted = note_parted;
    run_scene (&scene, new_node (&(ama_node_conf_t){ .connect = scene.endpoint }));
    assert_string_equal (
        scene.driver.log,
        "joined 7; AMA_E_UNREACHABLE control.ping to hub: the link to the hub was lost; parted; joined 8");
}

static void end_hub_orderly (driver_t *driver, uint64_t epoch)
{
    scene_t *scene = driver->arg;

    (void) epoch;
    scene->since_ms = ama_now_ms (driver->ctx);
    ama_child_kill (scene->kid, false);
}

static void parted_ends (driver_t *driver)
{
    scene_t *scene = driver->arg;

    note (driver, "parted %s", ama_now_ms (driver->ctx) - scene->since_ms < 900 ? "at once" : "late");
    if (scene->kid)
        scene->on_kid_end = end_scene;
    else
        end_scene (scene);
}

static void test_hub_says_bye (void **state)
{
    scene_t scene;

    (void) state;
    open_scene (&scene);
    scene.driver.name = "agent/1";
    scene.driver.role = AMA_ROLE_AGENT;
    scene.driver.begin = begin_with_hub;
    scene.driver.on_joined = end_hub_orderly;
    scene.driver.on_parted = parted_ends;
    run_scene (&scene, new_node (&(ama_node_conf_t){ .connect = scene.endpoint }));
    assert_string_equal (scene.driver.log, "parted at once");
}

/* ---- no hub yet ---- */

static void nobody_there (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                          void *arg)
{
    scene_t *scene = arg;

    no_answer (ctx, envelope, body, err, arg);
    assert_in_range (ama_now_ms (ctx) - scene->since_ms, 0, 500);
    start_kid (scene, "--hub", "7", NULL, NULL); /* later it is there after all */
}

static void ask_nobody (driver_t *driver)
{
    scene_t *scene = driver->arg;
    ama_control_ping_t ping = { 0 };

    scene->since_ms = ama_now_ms (driver->ctx);
    (void) ama_ask (driver->ctx, "hub", AMA_MSG_CONTROL_PING, &ping, 0, 0, nobody_there, scene);
}

static void joined_ends (driver_t *driver, uint64_t epoch)
{
    scene_t *scene = driver->arg;

    note (driver, "joined %d", (int) epoch);
    ama_child_kill (scene->kid, true);
    scene->on_kid_end = end_scene;
}

static void test_nobody_listens (void **state)
{
    scene_t scene;

    (void) state;
    open_scene (&scene);
    scene.driver.name = "agent/1";
    scene.driver.role = AMA_ROLE_AGENT;
    scene.driver.begin = ask_nobody;
    scene.driver.on_joined = joined_ends;
    run_scene (&scene, new_node (&(ama_node_conf_t){ .connect = scene.endpoint }));
    assert_string_equal (scene.driver.log, "AMA_E_UNREACHABLE control.ping to hub: nobody listens there; joined 7");
}

static void pong_ends (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    driver_t *driver = arg;

    (void) envelope;
    note (driver, err ? "no answer" : "pong %d", body ? (int) ((const ama_control_pong_t *) body)->stamp : 0);
    ama_exit (ctx, 0, NULL);
}

/* Asked in init, before the link is up: held until then. */
static void ask_early (driver_t *driver)
{
    ama_control_ping_t ping = { .stamp = 5 };

    assert_int_equal (ama_epoch (driver->ctx), 0);
    (void) ama_ask (driver->ctx, "hub", AMA_MSG_CONTROL_PING, &ping, 5000, 0, pong_ends, driver);
}

static void test_ask_before_welcome (void **state)
{
    scene_t scene;
    ama_node_t *hub;

    (void) state;
    open_scene (&scene);
    hub = node_with_hub (&scene);
    scene.driver.name = "client/1";
    scene.driver.role = AMA_ROLE_VIEWER;
    scene.driver.begin = ask_early;
    run_scene (&scene, new_node (&(ama_node_conf_t){ .connect = scene.endpoint }));
    ama_node_destroy (&hub, 1000);
    assert_string_equal (scene.driver.log, "pong 5");
}

/* ---- refused ---- */

static void test_role_refused (void **state)
{
    scene_t scene;
    ama_node_t *hub, *node;

    (void) state;
    open_scene (&scene);
    hub = node_with_hub (&scene);
    node = new_node (&(ama_node_conf_t){ .connect = scene.endpoint });
    scene.driver.name = "supervisor";
    scene.driver.role = AMA_ROLE_SUPERVISOR;
    assert_int_equal (drive (node, &scene.driver), AMA_E_ROLE);
    ama_node_destroy (&node, 1000);
    ama_node_destroy (&hub, 1000);
    remove_folder (scene.folder);
}

/* Of two processes under one name the newer one stays. */
static void second_stays (scene_t *scene)
{
    start_kid (scene, "--peer", "agent/1", "0", "stay");
}

static void wait_for_replacement (driver_t *driver, uint64_t epoch)
{
    (void) epoch;
    second_stays (driver->arg);
}

static void test_replaced (void **state)
{
    scene_t scene;
    ama_node_t *hub, *node;

    (void) state;
    open_scene (&scene);
    hub = node_with_hub (&scene);
    node = new_node (&(ama_node_conf_t){ .connect = scene.endpoint });
    scene.driver.name = "agent/1";
    scene.driver.role = AMA_ROLE_AGENT;
    scene.driver.on_joined = wait_for_replacement;
    assert_int_equal (drive (node, &scene.driver), AMA_E_STALE); /* our kid dies with us */
    assert_string_equal (scene.driver.log, "AMA_E_STALE another process has joined under this name");
    ama_node_destroy (&node, 1000);
    ama_node_destroy (&hub, 1000);
    remove_folder (scene.folder);
}

/* ---- paths ---- */

static void test_paths (void **state)
{
    scene_t scene;
    char long_path[200];
    const char *listen[] = { scene.endpoint, NULL };
    ama_node_conf_t conf = { .listen = listen };
    ama_err_t err = { 0 };
    ama_node_t *first;

    (void) state;
    open_scene (&scene);
    first = node_with_hub (&scene);
    assert_null (ama_node_new (&conf, &err));
    assert_int_equal (err.code, AMA_E_EXISTS);
    ama_node_destroy (&first, 1000);
    first = new_node (&conf); /* free again, and what a dead process leaves does no harm */
    ama_node_destroy (&first, 1000);
    assert_int_equal (chmod (scene.folder, 0750), 0);
    assert_null (ama_node_new (&conf, &err));
    assert_int_equal (err.code, AMA_E_PATH);
    assert_non_null (strstr (err.text, "0750"));
    assert_int_equal (chmod (scene.folder, 0700), 0);
    (void) snprintf (long_path, sizeof long_path, "ipc://%s/%0100d", scene.folder, 1);
    listen[0] = long_path;
    assert_null (ama_node_new (&conf, &err));
    assert_int_equal (err.code, AMA_E_PATH);
    listen[0] = "tcp://127.0.0.1:*";
    assert_null (ama_node_new (&conf, &err));
    assert_int_equal (err.code, AMA_E_INVALID);
    remove_folder (scene.folder);
}

static void crash_then_listen_again (scene_t *scene)
{
    if (scene->step++ == 0) {
        ama_child_kill (scene->kid, true);
        return;
    }
    note (&scene->driver, "again");
    ama_child_kill (scene->kid, true);
}

static void after_crash (scene_t *scene)
{
    if (scene->step == 1)
        start_kid (scene, "--hub", "8", NULL, NULL); /* the path and its lock file are still there */
    else
        end_scene (scene);
}

static void test_path_of_a_killed_hub (void **state)
{
    scene_t scene;

    (void) state;
    open_scene (&scene);
    scene.driver.begin = begin_with_hub;
    scene.on_ready = crash_then_listen_again;
    scene.on_kid_end = after_crash;
    run_scene (&scene, new_node (&(ama_node_conf_t){ 0 }));
    assert_string_equal (scene.driver.log, "again");
}

int main (int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_last_words),     cmocka_unit_test (test_killed),
        cmocka_unit_test (test_hub_restart),    cmocka_unit_test (test_hub_says_bye),
        cmocka_unit_test (test_nobody_listens), cmocka_unit_test (test_ask_before_welcome),
        cmocka_unit_test (test_role_refused),   cmocka_unit_test (test_replaced),
        cmocka_unit_test (test_paths),          cmocka_unit_test (test_path_of_a_killed_hub),
    };
    int code;

    ama_node_prepare ();
    return is_other_process (argc, argv, &code) ? code : cmocka_run_group_tests (tests, NULL, NULL);
}
