/* members_test.c - which role a peer gets, as a table: by where it comes from, its name, the role it asks for, and its key */
#include "actors/runtime/ama_members.h"
#include "tests/unit/table.h"

#include "actors/base/ama_str.h"

#include <stdio.h>

typedef struct {
    const char *from; /* thread, process; over tcp: ROLE/NAME of its key */
    const char *name, *asks, *gets;
} row_t;

static const char *const placed[] = { "planner", "hub", "reporter", NULL };

static const row_t rows[] = {
    { "thread", "fetcher", "fetcher", "fetcher" },
    { "thread", "hub", "fetcher", "none" },
    { "process", "agent/local", "agent", "agent" },
    { "process", "agent/local", "operator", "none" },
    { "process", "client/1", "agent", "none" },
    { "process", "client/1", "viewer", "viewer" },
    { "process", "planner", "planner", "planner" },
    { "process", "planner", "fetcher", "none" },
    { "process", "planner", "operator", "none" },
    { "process", "fetcher", "fetcher", "none" },
    { "process", "supervisor", "supervisor", "none" },
    { "process", "hub", "hub", "none" },
    { "process", "planner/2", "planner", "none" },
    { "actor/fetcher", "fetcher", "fetcher", "fetcher" },
    { "actor/fetcher", "planner", "planner", "none" },
    { "actor/fetcher", "fetcher", "planner", "none" },
    { "actor/fetcher.2", "fetcher.2", "fetcher", "fetcher" },
    { "actor/fetcher.2", "fetcher", "fetcher", "none" },
    { "actor/fetcher.2", "fetcher.2", "planner", "none" },
    { "actor/broker.2", "broker.2", "broker", "none" },
    { "actor/hub", "hub", "hub", "none" },
    { "actor/viewer", "viewer", "viewer", "none" },
    { "agent/node7", "agent/node7", "agent", "agent" },
    { "agent/node7", "agent/node8", "agent", "none" },
    { "agent/node7", "agent/node7", "operator", "none" },
    { "submitter/ana", "client/1", "operator", "submitter" },
    { "submitter/ana", "client/1", "viewer", "viewer" },
    { "submitter/ana", "agent/ana", "submitter", "none" },
    { "submitter/ana", "fetcher", "submitter", "none" },
};

static ama_role_t judge (const row_t *row, const ama_control_hello_t *hello)
{
    ama_key_t key = { .key = "" };
    char role[32];
    const char *slash = strchr (row->from, '/');

    if (!slash)
        return ama_members_role (hello, strcmp (row->from, "process") == 0, placed);
    (void) snprintf (role, sizeof role, "%.*s", (int) (slash - row->from), row->from);
    assert_int_equal (ama_key_role_parse (role, &key.role, NULL), 0);
    (void) snprintf (key.name, sizeof key.name, "%s", slash + 1);
    return ama_members_far_role (hello, &key);
}

static void table (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_control_hello_t hello = { .name = (char *) rows[i].name };
        char name[160];

        assert_int_equal (ama_role_parse (rows[i].asks, &hello.role), 0);
        (void) snprintf (name, sizeof name, "%s as %s, a %s", rows[i].from, rows[i].name, rows[i].asks);
        ROW_EQUAL (name, ama_role_name (judge (&rows[i], &hello)), rows[i].gets);
    }
}

static void nobody_is_placed (void **state)
{
    ama_control_hello_t hello = { .name = (char *) "planner", .role = AMA_ROLE_PLANNER };

    (void) state;
    assert_int_equal (ama_members_role (&hello, true, NULL), AMA_ROLE_NONE);
}

static const char *name_of (const ama_member_t *member)
{
    return member ? member->name : "nobody";
}

static void several (void **state)
{
    ama_members_t members = { 0 };
    ama_member_t *third;

    (void) state;
    assert_string_equal (name_of (ama_members_share (&members, "planner", 7)), "nobody");
    (void) ama_members_add (&members, 1, "planner");
    (void) ama_members_add (&members, 2, "fetcher");
    assert_string_equal (name_of (ama_members_share (&members, "planner", 7)), "planner");
    (void) ama_members_add (&members, 3, "planner.2");
    third = ama_members_add (&members, 4, "planner.3");
    (void) ama_members_add (&members, 5, "agent/node.7");
    for (uint64_t id = 3; id < 30; id += 9) { /* each in its turn, whatever the numbers */
        assert_string_equal (name_of (ama_members_share (&members, "planner", id)), "planner");
        assert_string_equal (name_of (ama_members_share (&members, "fetcher", id + 1)), "fetcher");
        assert_string_equal (name_of (ama_members_share (&members, "planner", id + 3)), "planner.2");
        assert_string_equal (name_of (ama_members_share (&members, "planner", id + 6)), "planner.3");
    }
    assert_string_equal (name_of (ama_members_asked (&members, "planner", 6)), "planner.2");
    assert_string_equal (name_of (ama_members_asked (&members, "planner", 27)), "planner.3");
    assert_string_equal (name_of (ama_members_asked (&members, "planner", 1000)), "planner");
    assert_string_equal (name_of (ama_members_asked (&members, "planner", 0)), "planner");
    assert_string_equal (name_of (ama_members_share (&members, "planner.2", 50)), "planner.2");
    assert_string_equal (name_of (ama_members_share (&members, "agent/node.7", 51)), "agent/node.7");
    assert_string_equal (name_of (ama_members_share (&members, "plan", 52)), "nobody");
    third->leaving = true;
    for (uint64_t id = 60; id < 66; id++)
        assert_string_not_equal (name_of (ama_members_share (&members, "planner", id)), "planner.3");
    ama_members_remove (&members, third);
    assert_string_equal (name_of (ama_members_asked (&members, "planner", 27)), "nobody");
    ama_members_remove (&members, ama_members_named (&members, "planner"));
    assert_string_equal (name_of (ama_members_share (&members, "planner", 70)),
                         "planner.2"); /* alone, and not of that name */
    assert_string_equal (name_of (ama_members_asked (&members, "planner", 70)), "planner.2");
    while (members.by_peer)
        ama_members_remove (&members, members.by_peer);
    assert_int_equal (members.n_others, 0);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (table), cmocka_unit_test (nobody_is_placed),
                                        cmocka_unit_test (several) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
