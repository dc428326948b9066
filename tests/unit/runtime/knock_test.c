/* knock_test.c - what a client is told of an amad before it speaks to it: nobody there, another key, a key that is not known, or all well */
#include "tests/unit/runtime/door_scene.h"

#include "actors/runtime/ama_knock.h"

static void test_knock (void **state)
{
    door_scene_t scene;
    ama_key_pair_t other;
    char nobody[64];

    (void) state;
    open_door_scene (&scene, true);
    ama_key_pair_new (&other);
    (void) snprintf (nobody, sizeof nobody, "tcp://127.0.0.1:%d", free_port ());
    const struct {
        const char *what, *endpoint, *server_key;
        int owner, code;
        const char *text;
    } rows[] = {
        { "all well", scene.endpoint, scene.server.public_key, BOSS, 0, "" },
        { "an unknown key", scene.endpoint, scene.server.public_key, STRANGER, AMA_E_AUTH, "does not know this key" },
        { "another server", scene.endpoint, other.public_key, BOSS, AMA_E_AUTH, "another key than the one expected" },
        { "nobody there", nobody, scene.server.public_key, BOSS, AMA_E_UNREACHABLE, "nobody listens there" },
        { "no endpoint", "tcp://", scene.server.public_key, BOSS, AMA_E_INVALID, "tcp://" },
    };
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        const ama_key_pair_t *own = &scene.keys[rows[i].owner];
        const ama_node_curve_t curve = { .public_key = own->public_key,
                                         .secret_key = own->secret_key,
                                         .server_key = rows[i].server_key };
        ama_err_t err = { 0 };
        int rc = ama_knock (rows[i].endpoint, &curve, 20000, &err);
        if (rc != rows[i].code || !strstr (err.text, rows[i].text))
            fail_msg ("%s: %d %s", rows[i].what, rc, err.text);
    }
    close_door_scene (&scene);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_knock) };
    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
