/* sim_cut_test.c - the simulator: an actor that lives and is cut off, and comes back */
#include "tests/unit/runtime/sim_pair.h"

/* Before anybody has found out: all arrives, late. */
static void test_cut_off_for_a_moment (void **state)
{
    ama_sim_t *sim = ama_sim_new (&(ama_sim_conf_t){ .seed = 1, .delay_ms = 20 });
    const client_t *self;
    const server_t *other;

    (void) state;
    begin (sim, &server, NULL);
    begin (sim, &client, "once");
    (void) ama_sim_run (sim, 5, UINT64_MAX);
    ama_sim_cut_off (sim, "fetcher", 900, 900);
    (void) ama_sim_run (sim, 800, UINT64_MAX);
    self = ama_sim_state (sim, "supervisor");
    other = ama_sim_state (sim, "fetcher");
    assert_in_range (other->total, 0, KEYS - 1);
    ama_sim_reconnect (sim, "fetcher");
    (void) ama_sim_run (sim, 10000, UINT64_MAX);
    assert_int_equal (other->total, KEYS);
    assert_int_equal (other->order_breaks, 0);
    assert_int_equal (answered (self), KEYS);
    assert_int_equal (self->gone, 0);
    ama_sim_destroy (&sim);
}

/* The hub, itself, both or, in time, neither find out. Nobody dies: who was cut off remembers all. */
static void test_cut_off_for_long (void **state)
{
    static const struct {
        int64_t hub_ms, own_ms;
        int gone;
    } rows[] = { { 100, 100, 1 }, { 100, 9999, 1 }, { 9999, 100, 1 }, { 9999, 9999, 0 } };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_sim_t *sim = ama_sim_new (&(ama_sim_conf_t){ .seed = 3, .delay_ms = 20, .reorder = true });
        const client_t *self;
        int before;

        begin (sim, &server, NULL);
        begin (sim, &client, NULL);
        (void) ama_sim_run (sim, 10, UINT64_MAX);
        before = ((const server_t *) ama_sim_state (sim, "fetcher"))->total;
        assert_in_range (before, 1, KEYS - 1);
        ama_sim_cut_off (sim, "fetcher", rows[i].hub_ms, rows[i].own_ms);
        (void) ama_sim_run (sim, 500, UINT64_MAX);
        self = ama_sim_state (sim, "supervisor");
        assert_int_equal (((const server_t *) ama_sim_state (sim, "fetcher"))->total, before);
        assert_int_equal (self->failures > 0, rows[i].hub_ms == 100);
        ama_sim_reconnect (sim, "fetcher");
        (void) ama_sim_run (sim, 20000, UINT64_MAX);
        assert_int_equal (self->gone, rows[i].gone);
        assert_int_equal (answered (self), KEYS);
        assert_true (((const server_t *) ama_sim_state (sim, "fetcher"))->total >= KEYS);
        ama_sim_destroy (&sim);
    }
}

/* It dies behind the wall, and its successor is there before the wall is gone: what the dead one said is not heard. */
static void test_cut_off_and_dead (void **state)
{
    ama_sim_t *sim = ama_sim_new (&(ama_sim_conf_t){ .seed = 1, .delay_ms = 20 });
    client_t *self;

    (void) state;
    begin (sim, &server, NULL);
    begin (sim, &client, NULL);
    (void) ama_sim_run (sim, 10, UINT64_MAX);
    ama_sim_cut_off (sim, "fetcher", 100, 100);
    ama_sim_crash (sim, "fetcher", 1);
    (void) ama_sim_run (sim, 200, UINT64_MAX);
    begin (sim, &server, NULL);
    (void) ama_sim_run (sim, 400, UINT64_MAX);
    self = ama_sim_state (sim, "supervisor");
    assert_int_equal (((server_t *) ama_sim_state (sim, "fetcher"))->total, 0);
    ama_sim_reconnect (sim, "fetcher");
    (void) ama_sim_run (sim, 5000, UINT64_MAX);
    assert_int_equal (self->gone, 1);
    assert_int_equal (answered (self), KEYS);
    ama_sim_destroy (&sim);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_cut_off_for_a_moment),
        cmocka_unit_test (test_cut_off_for_long),
        cmocka_unit_test (test_cut_off_and_dead),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
