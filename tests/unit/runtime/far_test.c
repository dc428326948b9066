/* far_test.c - a program that joins over tcp: what it is told of its keys before it begins, and the link with them */
#include "tests/unit/runtime/door_scene.h"

#include "actors/base/ama_log.h"
#include "actors/runtime/ama_far.h"

#include <fcntl.h>
#include <sys/stat.h>

/* A key pair as a file, as `ama keygen` writes it. */
static const char *write_pair (door_scene_t *scene, const ama_key_pair_t *pair, const char *name, char *path,
                               size_t room)
{
    ama_err_t err = { 0 };

    (void) snprintf (path, room, "%s/%s", scene->folder, name);
    if (ama_key_pair_write (path, pair, &err) < 0)
        fail_msg ("%s", err.text);
    return path;
}

static void test_open (void **state)
{
    door_scene_t scene;
    char boss[96], stranger[96], open_to_all[96], missing[96], nobody[64], text[512] = "";
    int pipes[2];

    (void) state;
    assert_int_equal (pipe2 (pipes, O_CLOEXEC | O_NONBLOCK), 0);
    ama_log_setup (AMA_LOG_WARN, false, pipes[1]);
    open_door_scene (&scene, true);
    (void) write_pair (&scene, &scene.keys[BOSS], "boss", boss, sizeof boss);
    (void) write_pair (&scene, &scene.keys[STRANGER], "stranger", stranger, sizeof stranger);
    (void) write_pair (&scene, &scene.keys[BOSS], "open", open_to_all, sizeof open_to_all);
    assert_int_equal (chmod (open_to_all, 0644), 0);
    (void) snprintf (missing, sizeof missing, "%s/none", scene.folder);
    (void) snprintf (nobody, sizeof nobody, "tcp://127.0.0.1:%d", free_port ());
    const struct {
        const char *what, *endpoint, *key_file, *server_key;
        int code;
        const char *text;
    } rows[] = {
        { "all well", scene.endpoint, boss, scene.server.public_key, 0, "" },
        { "no key", scene.endpoint, NULL, scene.server.public_key, AMA_E_USAGE, "--key FILE" },
        { "no server key", scene.endpoint, boss, NULL, AMA_E_USAGE, "--server-key PUB" },
        { "no such file", scene.endpoint, missing, scene.server.public_key, AMA_E_NOT_FOUND, "none" },
        { "a file open to others", scene.endpoint, open_to_all, scene.server.public_key, AMA_E_AUTH, "open" },
        { "no server key at all", scene.endpoint, boss, "nonsense", AMA_E_NOT_FOUND, "nonsense" },
        { "a key that is not known", scene.endpoint, stranger, scene.server.public_key, AMA_E_AUTH, "does not know" },
        { "another server", scene.endpoint, boss, scene.keys[MAKER].public_key, AMA_E_AUTH, "another key" },
        { "nobody there yet", nobody, boss, scene.server.public_key, 0, "" },
    };
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_far_t far;
        ama_err_t err = { 0 };
        int rc = ama_far_open (&far, rows[i].endpoint, rows[i].key_file, rows[i].server_key, &err);
        if (rc != rows[i].code || !strstr (err.text, rows[i].text))
            fail_msg ("%s: %s %s", rows[i].what, ama_err_name (rc), err.text);
        if (rc == 0)
            assert_string_equal (far.curve.server_key, scene.server.public_key);
        ama_far_done (&far);
        assert_int_equal (far.pair.secret_key[0], '\0'); /* nothing of it stays in memory */
    }
    close_door_scene (&scene);
    ama_log_setup (AMA_LOG_WARN, false, STDERR_FILENO);
    (void) close (pipes[1]);
    while (read (pipes[0], text + strlen (text), sizeof text - 1 - strlen (text)) > 0) {
    }
    (void) close (pipes[0]);
    assert_non_null (strstr (text, "nobody listens there; it goes on trying"));
}

/* ---- the link ---- */

static void pong_ends (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    const ama_control_pong_t *pong = body;

    assert_null (err);
    note (arg, "pong %d from %s", (int) pong->stamp, envelope->src);
    ama_exit (ctx, 0, NULL);
}

static void joined_asks (driver_t *driver, uint64_t epoch)
{
    ama_control_ping_t ping = { .stamp = 5 };

    note (driver, "joined %d", (int) epoch);
    (void) ama_ask (driver->ctx, "hub", AMA_MSG_CONTROL_PING, &ping, 0, 0, pong_ends, driver);
}

static void test_link (void **state)
{
    door_scene_t scene;
    driver_t driver = { .name = "agent/node7", .role = AMA_ROLE_AGENT, .on_joined = joined_asks };
    char path[96];
    ama_far_t far;
    ama_err_t err = { 0 };
    ama_node_t *node;

    (void) state;
    open_door_scene (&scene, true);
    (void) write_pair (&scene, &scene.keys[NODE7], "node7", path, sizeof path);
    if (ama_far_open (&far, scene.endpoint, path, scene.server.public_key, &err) < 0)
        fail_msg ("%s", err.text);
    node = new_node (&(ama_node_conf_t){ .connect = scene.endpoint, .curve = &far.curve });
    assert_int_equal (drive (node, &driver), 0);
    assert_string_equal (driver.log, "joined 4; pong 5 from hub");
    ama_node_destroy (&node, 1000);
    driver = (driver_t){ .name = "agent/node8", .role = AMA_ROLE_AGENT, .on_joined = joined_asks }; /* not its name */
    node = new_node (&(ama_node_conf_t){ .connect = scene.endpoint, .curve = &far.curve });
    assert_int_equal (drive (node, &driver), AMA_E_ROLE);
    ama_node_destroy (&node, 1000);
    ama_far_done (&far);
    close_door_scene (&scene);
}

/* A node that listens over tcp lets in who has a key, and does not begin without a list that can be read. */
static void test_node (void **state)
{
    door_scene_t scene; /* its hub is not used */
    char path[96], endpoint[64];
    const char *listen[] = { endpoint, NULL };
    driver_t driver = { .name = "agent/node7", .role = AMA_ROLE_AGENT, .on_joined = joined_asks };
    ama_node_curve_t curve;
    ama_node_conf_t conf = { .listen = listen, .epoch = 8, .curve = &curve };
    ama_node_t *door, *node;
    ama_err_t err = { 0 };
    ama_far_t far;

    (void) state;
    open_door_scene (&scene, true);
    (void) write_pair (&scene, &scene.keys[NODE7], "node7", path, sizeof path);
    (void) snprintf (endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", free_port ());
    curve = (ama_node_curve_t){ .public_key = scene.server.public_key,
                                .secret_key = scene.server.secret_key,
                                .allowed_file = path }; /* a key, not a list */
    assert_null (ama_node_new (&conf, &err));
    assert_int_equal (err.code, AMA_E_SYNTAX);
    curve.allowed_file = scene.allowed;
    door = new_node (&conf);
    if (ama_far_open (&far, endpoint, path, scene.server.public_key, &err) < 0)
        fail_msg ("%s", err.text);
    node = new_node (&(ama_node_conf_t){ .connect = endpoint, .curve = &far.curve });
    assert_int_equal (drive (node, &driver), 0);
    assert_string_equal (driver.log, "joined 8; pong 5 from hub");
    ama_node_destroy (&node, 1000);
    ama_node_destroy (&door, 1000);
    ama_far_done (&far);
    listen[0] = "inproc://x";
    assert_null (ama_node_new (&conf, &err));
    assert_int_equal (err.code, AMA_E_INVALID);
    close_door_scene (&scene);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_open), cmocka_unit_test (test_link),
                                        cmocka_unit_test (test_node) };

    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
