/* tree_test.c - actors that end: the decisions on a clock of our own, then real threads that are started again */
#include "tests/unit/runtime/rt_test.h"

#include "actors/runtime/ama_tree.h"

#include <stdatomic.h>

/* ---- decisions ---- */

static void test_who_is_restarted (void **state)
{
    static const struct {
        ama_restart_t restart;
        int code;
        ama_tree_verdict_t verdict;
    } table[] = {
        { AMA_ESSENTIAL, 0, AMA_TREE_LEAVE },   { AMA_ESSENTIAL, AMA_E_FATAL, AMA_TREE_ESCALATE },
        { AMA_PERMANENT, 0, AMA_TREE_RESTART }, { AMA_PERMANENT, AMA_E_FATAL, AMA_TREE_RESTART },
        { AMA_TRANSIENT, 0, AMA_TREE_LEAVE },   { AMA_TRANSIENT, AMA_E_FATAL, AMA_TREE_RESTART },
        { AMA_TEMPORARY, 0, AMA_TREE_LEAVE },   { AMA_TEMPORARY, AMA_E_FATAL, AMA_TREE_LEAVE },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (table); i++) {
        ama_tree_t tree = { 0 };
        int64_t at_ms;
        assert_int_equal (ama_tree_ended (&tree, table[i].restart, table[i].code, 5, 0, &at_ms), table[i].verdict);
    }
}

static void test_delays (void **state)
{
    ama_tree_t tree = { 0 };
    int64_t at_ms;

    (void) state;
    assert_int_equal (ama_tree_ended (&tree, AMA_PERMANENT, 0, 1000, UINT32_MAX, &at_ms), AMA_TREE_RESTART);
    assert_int_equal (at_ms, 1500);
    assert_int_equal (ama_tree_ended (&tree, AMA_PERMANENT, 0, 2000, UINT32_MAX, &at_ms), AMA_TREE_RESTART);
    assert_int_equal (at_ms, 3000);
    assert_int_equal (ama_tree_ended (&tree, AMA_PERMANENT, 0, 3000, UINT32_MAX / 2, &at_ms), AMA_TREE_RESTART);
    assert_int_equal (at_ms, 4000);
    /* calm for long enough: as if nothing had been */
    assert_int_equal (ama_tree_ended (&tree, AMA_PERMANENT, 0, 3000 + AMA_TREE_PERIOD_MS, 0, &at_ms), AMA_TREE_RESTART);
    assert_int_equal (at_ms, 3000 + AMA_TREE_PERIOD_MS);
    assert_int_equal (tree.count, 1);
}

static void test_intensity (void **state)
{
    ama_tree_t tree = { 0 };
    int64_t at_ms;

    (void) state;
    for (int64_t i = 0; i < AMA_TREE_INTENSITY; i++)
        assert_int_equal (ama_tree_ended (&tree, AMA_TRANSIENT, -1, i * 1000, 0, &at_ms), AMA_TREE_RESTART);
    assert_int_equal (ama_tree_ended (&tree, AMA_TRANSIENT, -1, AMA_TREE_PERIOD_MS - 1, 0, &at_ms), AMA_TREE_ESCALATE);
    /* the first is forgotten, the others are not */
    assert_int_equal (ama_tree_ended (&tree, AMA_TRANSIENT, -1, AMA_TREE_PERIOD_MS, 0, &at_ms), AMA_TREE_RESTART);
    assert_int_equal (ama_tree_ended (&tree, AMA_TRANSIENT, -1, AMA_TREE_PERIOD_MS, 0, &at_ms), AMA_TREE_ESCALATE);
}

/* ---- threads ---- */

typedef struct {
    const char *name;
    atomic_int starts, lives; /* how often it began; how many lives end with an error */
    bool fails_in_init, hangs_at_end;
    ama_node_t *node; /* stopped by the life that goes well */
    char *log;
} fate_t;

typedef struct {
    fate_t *fate;
    ama_timer_t *timer;
    ama_ctx_t *ctx;
} mortal_t;

static void mortal_ends (void *arg)
{
    mortal_t *self = arg;

    if (atomic_load (&self->fate->starts) <= atomic_load (&self->fate->lives))
        ama_exit (self->ctx, AMA_E_FATAL, "it was not to be");
    else if (self->fate->node)
        ama_node_stop (self->fate->node);
}

static int mortal_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    mortal_t *self = state;

    *self = (mortal_t){ *(fate_t *const *) config, ama_timer_new (ctx, mortal_ends, self), ctx };
    if (atomic_fetch_add (&self->fate->starts, 1) && self->fate->fails_in_init)
        return ama_err_set (err, AMA_E_IO, "no second time");
    ama_timer_after (self->timer, 1);
    return 0;
}

static void mortal_stop (ama_ctx_t *ctx, void *state)
{
    fate_t *fate = ((mortal_t *) state)->fate;

    if (fate->log)
        fate->log[strlen (fate->log)] = fate->name[0];
    if (!fate->hangs_at_end)
        ama_exit (ctx, 0, NULL);
}

static void mortal_done (void *state)
{
    ama_timer_destroy (&((mortal_t *) state)->timer);
}

static const ama_handler_t no_handlers[] = { AMA_HANDLER_END };

static const ama_actor_def_t mortal_def = { .name = "mortal",
                                            .role = AMA_ROLE_PLANNER,
                                            .state_size = sizeof (mortal_t),
                                            .init = mortal_init,
                                            .stop = mortal_stop,
                                            .done = mortal_done,
                                            .handlers = no_handlers };

static void supervise (ama_node_t *node, fate_t **fate, ama_restart_t restart, int64_t shutdown_ms)
{
    const ama_node_spec_t spec = { &mortal_def, (*fate)->name, fate, restart, shutdown_ms };
    ama_err_t err = { 0 };

    if (ama_node_supervise (node, &spec, &err) < 0)
        fail_msg ("%s", err.text);
}

static int live (fate_t *fate, ama_restart_t restart, ama_err_t *err)
{
    ama_node_t *node = new_node (&(ama_node_conf_t){ .epoch = 1 });
    int rc;

    fate->node = node;
    supervise (node, &fate, restart, 0);
    rc = ama_node_wait (node, err);
    ama_node_destroy (&node, 1000);
    return rc;
}

static void test_restarted_in_place (void **state)
{
    fate_t fate = { .lives = 2 };
    ama_err_t err = { 0 };

    (void) state;
    assert_int_equal (live (&fate, AMA_PERMANENT, &err), 0);
    assert_int_equal (fate.starts, 3);
}

static void test_too_often (void **state)
{
    fate_t fate = { .lives = 100 };
    ama_err_t err = { 0 };

    (void) state;
    assert_int_equal (live (&fate, AMA_TRANSIENT, &err), AMA_E_FATAL);
    assert_string_equal (err.text, "mortal: it was not to be");
    assert_int_equal (fate.starts, 1 + AMA_TREE_INTENSITY);
}

static void test_can_not_start_again (void **state)
{
    fate_t fate = { .lives = 1, .fails_in_init = true };
    ama_err_t err = { 0 };

    (void) state;
    assert_int_equal (live (&fate, AMA_PERMANENT, &err), AMA_E_IO);
    assert_string_equal (err.text, "mortal: no second time");
    assert_int_equal (fate.starts, 1 + AMA_TREE_INTENSITY);
}

static void test_essential (void **state)
{
    fate_t fate = { .lives = 1 };
    ama_err_t err = { 0 };

    (void) state;
    assert_int_equal (live (&fate, AMA_ESSENTIAL, &err), AMA_E_FATAL);
    assert_int_equal (fate.starts, 1);
}

/* ---- under an actor on the caller's thread ---- */

static void look (void *arg)
{
    driver_t *driver = arg;
    fate_t *fate = driver->arg;

    if (atomic_load (&fate->starts) == 2)
        ama_exit (driver->ctx, 0, NULL);
    else
        ama_timer_after (*(ama_timer_t **) fate->log, 5);
}

static ama_timer_t *looking;

static void begin_looking (driver_t *driver)
{
    looking = ama_timer_new (driver->ctx, look, driver);
    ((fate_t *) driver->arg)->log = (char *) &looking;
    ama_timer_after (looking, 5);
}

static void test_beside_ones_own (void **state)
{
    ama_node_t *node = new_node (&(ama_node_conf_t){ .epoch = 1 });
    fate_t fate = { .lives = 1 }, *pointer = &fate;
    driver_t driver = { .begin = begin_looking, .arg = &fate };

    (void) state;
    supervise (node, &pointer, AMA_PERMANENT, 0);
    assert_int_equal (drive (node, &driver), 0);
    ama_timer_destroy (&looking);
    fate.log = NULL;
    ama_node_destroy (&node, 1000);
    assert_int_equal (fate.starts, 2);
}

/* ---- stopping ---- */

static void test_stop_order (void **state)
{
    ama_node_t *node = new_node (&(ama_node_conf_t){ .epoch = 1 });
    char log[16] = "";
    fate_t a = { .name = "a", .log = log }, b = { .name = "b", .log = log }, c = { .name = "c", .log = log };
    fate_t *all[] = { &a, &b, &c };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (all); i++)
        supervise (node, &all[i], AMA_PERMANENT, 0);
    ama_node_destroy (&node, 1000);
    assert_string_equal (log, "cba");
}

/* Last: the one that hangs is left behind. */
static void test_deadline (void **state)
{
    ama_node_t *node = new_node (&(ama_node_conf_t){ .epoch = 1 });
    char log[16] = "";
    static fate_t a = { .name = "a" }, b = { .name = "b", .hangs_at_end = true };
    fate_t *all[] = { &a, &b };
    int64_t since_ms = ama_mono_ms (ama_clock_system ());

    (void) state;
    a.log = log;
    for (size_t i = 0; i < ARRAY_SIZE (all); i++)
        supervise (node, &all[i], AMA_PERMANENT, 100);
    ama_node_destroy (&node, 60000);
    assert_in_range (ama_mono_ms (ama_clock_system ()) - since_ms, 100, 10000);
    assert_string_equal (log, "a");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_who_is_restarted), cmocka_unit_test (test_delays),
        cmocka_unit_test (test_intensity),        cmocka_unit_test (test_restarted_in_place),
        cmocka_unit_test (test_too_often),        cmocka_unit_test (test_can_not_start_again),
        cmocka_unit_test (test_essential),        cmocka_unit_test (test_beside_ones_own),
        cmocka_unit_test (test_stop_order),       cmocka_unit_test (test_deadline),
    };

    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
