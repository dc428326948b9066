/* roles_test.c - default deny: every message there is, said by every role there is, is passed on or refused with AMA_E_ROLE
 *
 * What must come out is tests/golden/roles.txt, a line for each type; the schema's `from` must say the same, so a right that somebody gets shows
 * in two places. AMA_UPDATE_GOLDEN=1 writes the file anew.
 */
#include "tests/unit/runtime/hub_scene.h"

#include "tests/unit/messages/files.h"

enum { ROLES = AMA_ROLE_VIEWER + 1 };

typedef struct {
    scene_t scene;
    peer_t peers[ROLES], receiver;
    ama_str_t table;
    int pairs;
} matrix_t;

/* "+": passed on; "-": AMA_E_ROLE; else a failure */
static bool may (matrix_t *matrix, uint32_t role, uint16_t type)
{
    peer_t *peer = &matrix->peers[role];
    ama_envelope_t envelope = { .type = type, .flags = AMA_FLAG_REQUEST, .dst = "reporter" };
    const char *name = ama_message_info (type)->name;
    ama_str_t body = { 0 };
    char at_peer[256], at_receiver[256], wanted[256];

    envelope.id = ++peer->id;
    (void) snprintf (envelope.src, sizeof envelope.src, "%s", peer->name);
    ama_str_putc (&body, (char) 0x80);
    say (peer, &envelope, &body);
    ama_str_done (&body);
    say_ping (peer, "hub");
    hear (peer, at_peer, sizeof at_peer);
    matrix->pairs++;
    if (strcmp (at_peer, "control.error from hub (hub) AMA_E_ROLE") == 0) {
        hear (peer, at_peer, sizeof at_peer);
        assert_string_equal (at_peer, "control.pong from hub (hub)");
        return false;
    }
    if (strcmp (at_peer, "control.pong from hub (hub)") != 0)
        fail_msg ("%s by %s: heard \"%s\"", name, peer->name, at_peer);
    hear (&matrix->receiver, at_receiver, sizeof at_receiver);
    (void) snprintf (wanted, sizeof wanted, "%s from %s (%s)", name, peer->name, ama_role_name ((ama_role_t) role));
    assert_true (strncmp (at_receiver, wanted, strlen (wanted)) == 0);
    return true;
}

static void open_matrix (matrix_t *matrix)
{
    memset (matrix, 0, sizeof *matrix);
    open_scene (&matrix->scene, 4);
    matrix->receiver.socket = new_dealer (&matrix->scene, AMA_HUB_INPROC);
    say_hello (&matrix->receiver, "reporter", "reporter", 1);
    for (uint32_t role = 1; role < ROLES; role++) {
        char name[32], heard[256];
        peer_t *peer = &matrix->peers[role];

        peer->socket = new_dealer (&matrix->scene, AMA_HUB_INPROC);
        (void) snprintf (name, sizeof name, "x/%s", ama_role_name ((ama_role_t) role));
        say_hello (peer, name, ama_role_name ((ama_role_t) role), 1);
        hear (peer, heard, sizeof heard);
        assert_non_null (strstr (heard, "control.welcome"));
    }
}

static void close_matrix (matrix_t *matrix)
{
    for (uint32_t role = 1; role < ROLES; role++)
        (void) zmq_close (matrix->peers[role].socket);
    (void) zmq_close (matrix->receiver.socket);
    close_scene (&matrix->scene);
    ama_str_done (&matrix->table);
}

static void test_every_type_and_role (void **state)
{
    matrix_t matrix;
    ama_str_t golden;
    char heard[256], path[512];
    int types = 0;

    (void) state;
    open_matrix (&matrix);
    hear (&matrix.receiver, heard, sizeof heard);
    for (uint32_t type = 1; type <= UINT16_MAX; type++) {
        const ama_message_info_t *info = ama_message_info ((uint16_t) type);
        if (!info)
            continue;
        types++;
        ama_str_printf (&matrix.table, "%s:", info->name);
        for (uint32_t role = 1; role < ROLES; role++) {
            bool passed = may (&matrix, role, (uint16_t) type);
            if (passed != (bool) (info->from_roles >> role & 1))
                fail_msg ("%s by %s: the schema says otherwise", info->name, ama_role_name ((ama_role_t) role));
            if (passed)
                ama_str_printf (&matrix.table, " %s", ama_role_name ((ama_role_t) role));
        }
        ama_str_putc (&matrix.table, '\n');
    }
    assert_int_equal (matrix.pairs, types * (ROLES - 1));
    if (getenv ("AMA_UPDATE_GOLDEN")) {
        FILE *file;
        (void) snprintf (path, sizeof path, "%s/tests/golden/roles.txt", getenv ("AMA_SOURCE_DIR"));
        file = fopen (path, "w");
        assert_true (file && fputs (matrix.table.data, file) >= 0 && fclose (file) == 0);
    }
    golden = test_file ("tests/golden/roles.txt");
    if (golden.size != matrix.table.size || memcmp (golden.data, matrix.table.data, golden.size) != 0)
        fail_msg ("not as in tests/golden/roles.txt:\n%s", matrix.table.data);
    ama_str_done (&golden);
    close_matrix (&matrix);
}

/* Who has no role is no member. */
static void test_none (void **state)
{
    scene_t scene;
    char heard[256];

    (void) state;
    open_scene (&scene, 4);
    say_hello (&scene.peers[0], "x/none", "none", 1);
    hear (&scene.peers[0], heard, sizeof heard);
    assert_string_equal (heard, "control.error from hub (hub) AMA_E_ROLE");
    close_scene (&scene);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_every_type_and_role), cmocka_unit_test (test_none) };

    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
