/* sim_test.c - the simulator: one seed one trace, faults that are asked for and no others, virtual time, crashes */
#include "tests/unit/runtime/sim_pair.h"

#include "actors/runtime/ama_child.h"
#include "actors/runtime/ama_sim.h"
#include "actors/runtime/ama_sock.h"
#include "actors/runtime/ama_worker.h"

#include <poll.h>

/* ---- without faults ---- */

static void test_plain (void **state)
{
    ama_sim_t *sim = ama_sim_new (&(ama_sim_conf_t){ .seed = 1, .delay_ms = 10 });
    client_t *self;
    server_t *other;

    (void) state;
    begin (sim, &server, NULL);
    begin (sim, &client, NULL);
    assert_true (ama_sim_run (sim, 500, UINT64_MAX) > 2 * KEYS);
    assert_int_equal (ama_sim_now_ms (sim), 500);
    self = ama_sim_state (sim, "supervisor");
    other = ama_sim_state (sim, "fetcher");
    assert_int_equal (answered (self), KEYS);
    assert_int_equal (other->total, KEYS);
    assert_int_equal (other->order_breaks, 0);
    assert_null (ama_sim_state (sim, "nobody"));
    assert_int_equal (ama_sim_run (sim, 100000, UINT64_MAX), 0); /* deadlines of answered asks are gone */
    ama_sim_destroy (&sim);
}

static void test_reorder (void **state)
{
    ama_sim_t *sim = ama_sim_new (&(ama_sim_conf_t){ .seed = 1, .delay_ms = 10, .reorder = true });

    (void) state;
    begin (sim, &server, NULL);
    begin (sim, &client, NULL);
    (void) ama_sim_run (sim, 500, UINT64_MAX);
    assert_true (((server_t *) ama_sim_state (sim, "fetcher"))->order_breaks > 0);
    assert_int_equal (answered (ama_sim_state (sim, "supervisor")), KEYS);
    ama_sim_destroy (&sim);
}

/* ---- faults ---- */

/* A request that comes when nobody waits for it any more is not served; one that comes in time is. */
static int on_dated (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    assert_true (envelope->deadline >= 1000 && (uint64_t) ama_wall_now_ms (ctx) <= envelope->deadline);
    return on_request (ctx, state, envelope, body, err);
}

static void test_late (void **state)
{
    static const ama_handler_t handlers[] = { { AMA_MSG_FETCH_REQUEST, on_dated }, AMA_HANDLER_END };
    ama_sim_t *sim = ama_sim_new (&(ama_sim_conf_t){ .seed = 5, .delay_ms = 1500, .reorder = true });
    ama_actor_def_t dated = server;
    int total;

    (void) state;
    dated.handlers = handlers;
    begin (sim, &dated, NULL);
    begin (sim, &client, "once"); /* with a deadline of 1 s */
    (void) ama_sim_run (sim, 10000, UINT64_MAX);
    total = ((server_t *) ama_sim_state (sim, "fetcher"))->total;
    assert_in_range (total, 1, KEYS - 1);
    assert_in_range (answered (ama_sim_state (sim, "supervisor")), 1, total);
    ama_sim_destroy (&sim);
}

static void test_loss (void **state)
{
    ama_sim_t *sim = ama_sim_new (&(ama_sim_conf_t){ .seed = 1, .loss = 1 });
    client_t *self;

    (void) state;
    begin (sim, &server, NULL);
    begin (sim, &client, "once");
    (void) ama_sim_run (sim, 999, UINT64_MAX);
    self = ama_sim_state (sim, "supervisor");
    assert_int_equal (self->failures, 0);
    (void) ama_sim_run (sim, 5000, UINT64_MAX);
    assert_int_equal (self->timeouts, KEYS);
    assert_int_equal (self->last_failure_ms, 1000); /* to the virtual millisecond */
    ama_sim_destroy (&sim);
}

static void test_duplicates (void **state)
{
    ama_sim_t *sim = ama_sim_new (&(ama_sim_conf_t){ .seed = 1, .duplicate = 1, .delay_ms = 5 });

    (void) state;
    begin (sim, &server, NULL);
    begin (sim, &client, NULL);
    (void) ama_sim_run (sim, 5000, UINT64_MAX);
    assert_int_equal (((server_t *) ama_sim_state (sim, "fetcher"))->total, 2 * KEYS);
    assert_int_equal (answered (ama_sim_state (sim, "supervisor")), KEYS); /* one answer each all the same */
    ama_sim_destroy (&sim);
}

static void test_crash (void **state)
{
    ama_sim_t *sim = ama_sim_new (&(ama_sim_conf_t){ .seed = 1, .delay_ms = 20 });
    client_t *self;

    (void) state;
    begin (sim, &server, NULL);
    begin (sim, &client, NULL);
    (void) ama_sim_run (sim, 5, UINT64_MAX);
    ama_sim_crash (sim, "fetcher", 100);
    assert_null (ama_sim_state (sim, "fetcher"));
    (void) ama_sim_run (sim, 104, UINT64_MAX);
    self = ama_sim_state (sim, "supervisor");
    assert_int_equal (self->failures, 0); /* nobody has noticed yet */
    (void) ama_sim_run (sim, 140, UINT64_MAX);
    assert_int_equal (self->gone, 1);
    assert_true (self->failures > 0);
    assert_int_equal (self->timeouts, 0);
    begin (sim, &server, NULL);
    (void) ama_sim_run (sim, 3000, UINT64_MAX);
    assert_int_equal (answered (self), KEYS);
    assert_true (((server_t *) ama_sim_state (sim, "fetcher"))->total <= KEYS); /* a new life without memories */
    ama_sim_destroy (&sim);
}

static void test_restart_before_notice (void **state)
{
    ama_sim_t *sim = ama_sim_new (&(ama_sim_conf_t){ .seed = 3, .delay_ms = 20 });
    client_t *self;

    (void) state;
    begin (sim, &server, NULL);
    begin (sim, &client, NULL);
    (void) ama_sim_run (sim, 5, UINT64_MAX);
    ama_sim_crash (sim, "fetcher", 100000);
    begin (sim, &server, NULL);
    (void) ama_sim_run (sim, 2000, UINT64_MAX);
    self = ama_sim_state (sim, "supervisor");
    assert_int_equal (self->gone, 1); /* told by the successor */
    assert_int_equal (answered (self), KEYS);
    ama_sim_destroy (&sim);
}

/* Answers the first one only when there is a second: after the life of who asked. */
static int on_slow (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    ama_waiter_t waiter = ama_waiter (envelope), *earlier = state;
    ama_fetch_reply_t old = { .commit = (char *) "old" }, new = { .commit = (char *) "new" };

    (void) body;
    (void) err;
    if (!earlier->name[0]) {
        *earlier = waiter;
        return 0;
    }
    (void) ama_reply (ctx, earlier, AMA_MSG_FETCH_REPLY, &old);
    return ama_reply (ctx, &waiter, AMA_MSG_FETCH_REPLY, &new);
}

static void on_commit (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    (void) ctx, (void) envelope;
    assert_null (err);
    (void) snprintf (arg, 8, "%s", ((const ama_fetch_reply_t *) body)->commit);
}

static int ask_once (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    ama_fetch_request_t request = { .url = (char *) "u", .ref = (char *) "r" };

    (void) config, (void) err;
    (void) ama_ask (ctx, "fetcher", AMA_MSG_FETCH_REQUEST, &request, 1000, 0, on_commit, state);
    return 0;
}

static void test_answer_to_an_earlier_life (void **state)
{
    static const ama_handler_t slow_handlers[] = { { AMA_MSG_FETCH_REQUEST, on_slow }, AMA_HANDLER_END };
    static const ama_handler_t none[] = { AMA_HANDLER_END };
    static const ama_actor_def_t slow = {
        .name = "fetcher", .role = AMA_ROLE_FETCHER, .state_size = sizeof (ama_waiter_t), .handlers = slow_handlers
    };
    static const ama_actor_def_t asker = {
        .name = "supervisor", .role = AMA_ROLE_SUPERVISOR, .state_size = 8, .init = ask_once, .handlers = none
    };
    ama_sim_t *sim = ama_sim_new (&(ama_sim_conf_t){ .seed = 1 });

    (void) state;
    begin (sim, &slow, NULL);
    begin (sim, &asker, NULL);
    (void) ama_sim_run (sim, 10, UINT64_MAX);
    ama_sim_crash (sim, "supervisor", 5);
    (void) ama_sim_run (sim, 50, UINT64_MAX);
    begin (sim, &asker, NULL);
    (void) ama_sim_run (sim, 100, UINT64_MAX);
    assert_string_equal (ama_sim_state (sim, "supervisor"), "new");
    ama_sim_destroy (&sim);
}

/* Everything at once, many seeds: whatever happens, in the end each key is answered exactly once. */
static void test_seeds (void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        ama_sim_t *sim = ama_sim_new (
            &(ama_sim_conf_t){ .seed = seed, .loss = 0.2, .duplicate = 0.2, .delay_ms = 30, .reorder = seed & 1 });

        begin (sim, &server, NULL);
        begin (sim, &client, NULL);
        for (int i = 0; i < 5; i++) {
            (void) ama_sim_run (sim, INT64_MAX, ama_sim_random (sim) % 60);
            ama_sim_crash (sim, "fetcher", (int64_t) (ama_sim_random (sim) % 50));
            (void) ama_sim_run (sim, ama_sim_now_ms (sim) + (int64_t) (ama_sim_random (sim) % 100), UINT64_MAX);
            begin (sim, &server, NULL);
        }
        ama_sim_set_faults (sim, 0, 0);
        (void) ama_sim_run (sim, ama_sim_now_ms (sim) + 10000, UINT64_MAX);
        if (answered (ama_sim_state (sim, "supervisor")) != KEYS)
            fail_msg ("seed %d: %d of %d answered", (int) seed, answered (ama_sim_state (sim, "supervisor")), KEYS);
        ama_sim_destroy (&sim);
    }
}

/* ---- one seed, one trace ---- */

static void add_line (const char *line, void *arg)
{
    ama_str_puts (arg, line);
    ama_str_putc (arg, '\n');
}

static ama_str_t trace_of (uint64_t seed)
{
    ama_str_t trace = { 0 };
    ama_sim_t *sim = ama_sim_new (&(ama_sim_conf_t){
        .seed = seed, .loss = 0.1, .duplicate = 0.1, .delay_ms = 25, .trace = add_line, .arg = &trace });

    begin (sim, &server, NULL);
    begin (sim, &client, NULL);
    (void) ama_sim_run (sim, 20, UINT64_MAX);
    ama_sim_crash (sim, "fetcher", 10);
    (void) ama_sim_run (sim, 60, UINT64_MAX);
    begin (sim, &server, NULL);
    (void) ama_sim_run (sim, 10000, UINT64_MAX);
    ama_sim_destroy (&sim);
    return trace;
}

static void test_trace (void **state)
{
    ama_str_t a = trace_of (7), b = trace_of (7), c = trace_of (8);

    (void) state;
    assert_true (a.size > 2000);
    assert_string_equal (a.data, b.data);
    assert_string_not_equal (a.data, c.data);
    assert_non_null (strstr (a.data, "20 crash fetcher\n"));
    assert_non_null (strstr (a.data, "fetch.request"));
    assert_non_null (strstr (a.data, "control.peer_gone"));
    ama_str_done (&a);
    ama_str_done (&b);
    ama_str_done (&c);
}

/* ---- who may, who is there ---- */

static int wrong_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    ama_fetch_reply_t reply = { .commit = "x" };

    (void) state, (void) config, (void) err;
    (void) ama_tell (ctx, "fetcher", AMA_MSG_FETCH_REPLY, &reply); /* only a fetcher may */
    return 0;
}

static void test_roles_and_names (void **state)
{
    static const ama_actor_def_t wrong = { .name = "planner", .role = AMA_ROLE_PLANNER, .init = wrong_init };
    ama_sim_t *sim = ama_sim_new (&(ama_sim_conf_t){ .seed = 1 });
    ama_err_t err = { 0 };
    client_t *self;

    (void) state;
    begin (sim, &wrong, NULL);
    begin (sim, &client, "once");
    assert_int_equal (ama_sim_start (sim, &wrong, NULL, NULL, &err), AMA_E_ROLE);
    (void) ama_sim_run (sim, 100, UINT64_MAX);
    self = ama_sim_state (sim, "supervisor");
    assert_int_equal (self->failures, KEYS); /* no fetcher: said at once */
    assert_int_equal (self->timeouts, 0);
    ama_sim_destroy (&sim);
}

/* ---- what there is not, and workers ---- */

typedef struct {
    ama_worker_t *worker;
    int worked, completed;
} busy_t;

static void do_work (void *job)
{
    ((busy_t *) job)->worked++;
}

static void did_work (void *job)
{
    ((busy_t *) job)->completed++;
}

static void no_event (int fd, short revents, void *arg)
{
    (void) fd, (void) revents, (void) arg;
}

static int busy_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    busy_t *self = state, **shown = *(busy_t ***) config;
    ama_child_spec_t child = { .argv = (const char *const[]){ "true", NULL } };
    ama_sock_spec_t sock = { .endpoint = "ipc:///none" };

    *shown = self;
    assert_null (ama_child_spawn (ctx, &child, err));
    assert_int_equal (err->code, AMA_E_UNSUPPORTED);
    assert_null (ama_sock_new (ctx, &sock, err));
    assert_int_equal (err->code, AMA_E_UNSUPPORTED);
    assert_null (ama_watch_new (ctx, 0, POLLIN, no_event, NULL));
    self->worker = ama_worker_new (ctx, "journal");
    for (int i = 0; i < 10; i++)
        ama_worker_submit (self->worker, do_work, did_work, self);
    assert_int_equal (self->worked, 0);
    return 0;
}

static int worked_before_crash;

static void busy_done (void *state)
{
    busy_t *self = state;

    ama_worker_destroy (&self->worker);
    worked_before_crash = self->worked;
}

static void test_worker (void **state)
{
    static const ama_actor_def_t busy = { .name = "supervisor",
                                          .role = AMA_ROLE_SUPERVISOR,
                                          .state_size = sizeof (busy_t),
                                          .init = busy_init,
                                          .done = busy_done };
    ama_sim_t *sim = ama_sim_new (&(ama_sim_conf_t){ .seed = 1 });
    busy_t *self, **shown = &self;

    (void) state;
    begin (sim, &busy, &shown);
    (void) ama_sim_run (sim, 5, UINT64_MAX);
    assert_in_range (self->worked, 3, 5);
    assert_int_equal (self->worked, self->completed);
    ama_sim_crash (sim, "supervisor", 0);
    assert_in_range (worked_before_crash, 3, 5); /* the others never happened */
    begin (sim, &busy, &shown);
    (void) ama_sim_run (sim, 100, UINT64_MAX);
    assert_int_equal (self->completed, 10);
    ama_sim_destroy (&sim);
}

/* ---- streams are not torn by loss ---- */

typedef struct {
    ama_stream_t *stream;
    int next, got;
    bool ended;
} flow_t;

static void send_parts (ama_stream_t *stream, void *arg)
{
    flow_t *self = arg;
    ama_report_end_t end = { .state = "succeeded" };

    (void) stream;
    while (self->next < 500) {
        ama_report_item_t item = { .seq = (uint64_t) self->next, .json = "{}" };
        ama_report_batch_t batch = { .items = &item, .n_items = 1 };
        if (ama_stream_send (self->stream, AMA_MSG_REPORT_BATCH, &batch) < 0)
            return;
        self->next++;
    }
    ama_stream_end (&self->stream, AMA_MSG_REPORT_END, &end);
}

static int on_follow (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    flow_t *self = state;

    (void) body, (void) err;
    self->stream = ama_stream_new (ctx, envelope, send_parts, NULL, self);
    send_parts (self->stream, self);
    return 0;
}

static void on_flow (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err, void *arg)
{
    flow_t *self = arg;

    (void) ctx;
    assert_null (err);
    if (envelope->flags & AMA_FLAG_MORE)
        assert_int_equal (((const ama_report_batch_t *) body)->items[0].seq, self->got++);
    else
        self->ended = true;
}

static int flow_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    ama_report_follow_t follow = { .from = 1 };

    (void) config, (void) err;
    (void) ama_ask (ctx, "reporter", AMA_MSG_REPORT_FOLLOW, &follow, 0, 2000, on_flow, state);
    return 0;
}

static void test_streams (void **state)
{
    static const ama_handler_t handlers[] = { { AMA_MSG_REPORT_FOLLOW, on_follow }, AMA_HANDLER_END };
    static const ama_actor_def_t source = {
        .name = "reporter", .role = AMA_ROLE_REPORTER, .state_size = sizeof (flow_t), .handlers = handlers
    };
    static const ama_actor_def_t reader = {
        .name = "client/1", .role = AMA_ROLE_VIEWER, .state_size = sizeof (flow_t), .init = flow_init
    };
    ama_sim_t *sim = ama_sim_new (&(ama_sim_conf_t){ .seed = 5, .delay_ms = 10 });
    flow_t *self;

    (void) state;
    begin (sim, &source, NULL);
    begin (sim, &reader, NULL);
    (void) ama_sim_run (sim, 10, UINT64_MAX); /* the request itself has arrived */
    ama_sim_set_faults (sim, 0.3, 0.3);
    (void) ama_sim_run (sim, 100000, UINT64_MAX);
    self = ama_sim_state (sim, "client/1");
    assert_int_equal (self->got, 500);
    assert_true (self->ended);
    ama_sim_destroy (&sim);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_plain),
        cmocka_unit_test (test_reorder),
        cmocka_unit_test (test_late),
        cmocka_unit_test (test_loss),
        cmocka_unit_test (test_duplicates),
        cmocka_unit_test (test_crash),
        cmocka_unit_test (test_restart_before_notice),
        cmocka_unit_test (test_answer_to_an_earlier_life),
        cmocka_unit_test (test_seeds),
        cmocka_unit_test (test_trace),
        cmocka_unit_test (test_roles_and_names),
        cmocka_unit_test (test_worker),
        cmocka_unit_test (test_streams),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
