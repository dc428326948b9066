/* tidy_test.c - which working data an agent removes: what the supervisor spares and nothing of it goes on here; and what it answers to an order */
#include "actors/base/ama_clock.h"
#include "actors/base/ama_str.h"
#include "actors/runtime/ama_sim.h"
#include "agent/ahead.h"
#include "agent/attempt.h"
#include "agent/tidy.h"
#include "agent/tidy_disk.h"
#include "messages/ama_types.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { HOUR_MS = 3600000, RUNS = 300 };

typedef struct {
    char dir[64];
    ama_sim_t *sim;
    int64_t age_ms;
    ama_agent_t *agent; /* while it lives */
    /* of the supervisor */
    unsigned needs; /* every so many-th run is needed; 0: none */
    bool lies;      /* it spares a run that nobody asked about */
    size_t asked, most;
    ama_clean_step_t order; /* unspecified: none */
    unsigned ordered;       /* that run */
    ama_attempt_cleaned_t said;
    char left[AMA_ATTEMPT_CLEANED_LEFT_MAX + 1];
    bool answered;
} scene_t;

static ama_id_t run_of (unsigned number)
{
    const uint8_t random[10] = { (uint8_t) (number >> 8), (uint8_t) number };

    return ama_id_make (1000000, random);
}

static unsigned number_of (ama_id_t run)
{
    return (unsigned) run.b[6] << 8 | run.b[7];
}

/* ---- the parties ---- */

typedef struct {
    ama_agent_t agent;
    scene_t *scene;
} party_t;

static int agent_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    party_t *self = state;

    self->scene = (scene_t *) (uintptr_t) config;
    self->agent.ctx = ctx;
    self->agent.conf = (ama_agent_conf_t){ .dir = self->scene->dir, .work_age_ms = self->scene->age_ms };
    self->agent.poster = ama_poster_new (ctx);
    self->agent.aheads = ama_aheads_new (&self->agent);
    self->agent.tidy = ama_tidy_new (&self->agent);
    self->scene->agent = &self->agent;
    return ama_statuses_new (ctx, NULL, &self->agent.statuses, err);
}

static void agent_done (void *state)
{
    party_t *self = state;

    ama_tidy_destroy (&self->agent.tidy);
    ama_aheads_destroy (&self->agent.aheads);
    ama_statuses_destroy (&self->agent.statuses);
    ama_poster_destroy (&self->agent.poster);
    self->scene->agent = NULL;
}

static int on_clean (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    ama_waiter_t waiter = ama_waiter (envelope);

    (void) ctx, (void) err;
    ama_tidy_order (((party_t *) state)->agent.tidy, &waiter, body);
    return 0;
}

static void on_cleaned (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                        void *arg)
{
    scene_t *scene = arg;

    (void) ctx, (void) envelope;
    assert_null (err);
    scene->said = *(const ama_attempt_cleaned_t *) body;
    (void) snprintf (scene->left, sizeof scene->left, "%s", scene->said.left);
    scene->answered = true;
}

static int supervisor_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    party_t *self = state;

    (void) err, (void) ctx;
    self->scene = (scene_t *) (uintptr_t) config;
    return 0;
}

static void supervisor_joined (ama_ctx_t *ctx, void *state, uint64_t epoch)
{
    scene_t *scene = ((party_t *) state)->scene;
    const ama_attempt_clean_t clean = { .run = run_of (scene->ordered), .step = scene->order };

    (void) epoch;
    if (scene->order)
        (void) ama_ask (ctx, "agent/local", AMA_MSG_ATTEMPT_CLEAN, &clean, HOUR_MS, 0, on_cleaned, scene);
}

static int on_spare (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    scene_t *scene = ((party_t *) state)->scene;
    const ama_attempt_spare_t *ask = body;
    ama_waiter_t waiter = ama_waiter (envelope);
    ama_attempt_spared_t reply = { .runs = ama_calloc (ask->n_runs + 1, sizeof *reply.runs) };

    (void) err;
    assert_int_equal (ask->age_ms, scene->age_ms);
    scene->asked += ask->n_runs;
    scene->most = ask->n_runs > scene->most ? ask->n_runs : scene->most;
    for (size_t i = 0; i < ask->n_runs; i++)
        if (!scene->needs || number_of (ask->runs[i]) % scene->needs)
            reply.runs[reply.n_runs++] = ask->runs[i];
    if (scene->lies)
        reply.runs[reply.n_runs++] = run_of (999);
    (void) ama_reply (ctx, &waiter, AMA_MSG_ATTEMPT_SPARED, &reply);
    free (reply.runs);
    return 0;
}

static const ama_handler_t agent_handlers[] = { { AMA_MSG_ATTEMPT_CLEAN, on_clean }, AMA_HANDLER_END };
static const ama_handler_t supervisor_handlers[] = { { AMA_MSG_ATTEMPT_SPARE, on_spare }, AMA_HANDLER_END };

static const ama_actor_def_t agent_def = {
    .name = "agent/local",
    .role = AMA_ROLE_AGENT,
    .state_size = sizeof (party_t),
    .init = agent_init,
    .done = agent_done,
    .handlers = agent_handlers,
};

static const ama_actor_def_t supervisor_def = {
    .name = "supervisor",
    .role = AMA_ROLE_SUPERVISOR,
    .state_size = sizeof (party_t),
    .init = supervisor_init,
    .joined = supervisor_joined,
    .handlers = supervisor_handlers,
};

/* ---- the scene ---- */

static void make (const scene_t *scene, unsigned number, int64_t hours)
{
    char id[AMA_ID_TEXT], path[128];
    int64_t at = ama_wall_ms (ama_clock_system ()) / 1000 - hours * 3600 - number;
    struct timespec times[2] = { { .tv_sec = at }, { .tv_sec = at } };

    (void) snprintf (path, sizeof path, "%s/runs/%s", scene->dir, ama_id_text (run_of (number), id));
    assert_int_equal (mkdir (path, 0700), 0);
    assert_int_equal (utimensat (AT_FDCWD, path, times, 0), 0);
}

static void open_scene (scene_t *scene, int64_t age_ms)
{
    char path[80];

    *scene = (scene_t){ .age_ms = age_ms };
    (void) snprintf (scene->dir, sizeof scene->dir, "/tmp/ama-tidy-XXXXXX");
    assert_non_null (mkdtemp (scene->dir));
    (void) snprintf (path, sizeof path, "%s/runs", scene->dir);
    assert_int_equal (mkdir (path, 0700), 0);
    scene->sim = ama_sim_new (&(ama_sim_conf_t){ .seed = 1, .delay_ms = 5 });
}

static void start (scene_t *scene, const ama_actor_def_t *def)
{
    ama_err_t err = { 0 };

    assert_int_equal (ama_sim_start (scene->sim, def, NULL, scene, &err), 0);
}

static void run (scene_t *scene, int64_t ms)
{
    (void) ama_sim_run (scene->sim, ama_sim_now_ms (scene->sim) + ms, UINT64_MAX);
}

static bool there (const scene_t *scene, unsigned number)
{
    return ama_tidy_has (scene->dir, run_of (number));
}

static void close_scene (scene_t *scene)
{
    char command[96];

    ama_sim_destroy (&scene->sim);
    (void) snprintf (command, sizeof command, "rm -rf %s", scene->dir);
    assert_int_equal (system (command), 0); /* NOLINT(cert-env33-c): a test, and a fixed command */
}

/* ---- retention ---- */

static void test_what_is_spared_goes (void **state)
{
    scene_t scene;

    (void) state;
    open_scene (&scene, 48ll * HOUR_MS);
    scene.needs = 3;
    for (unsigned i = 0; i < RUNS; i++)
        make (&scene, i, i % 2 ? 47 : 48); /* too young to be asked about, every second one */
    start (&scene, &supervisor_def);
    start (&scene, &agent_def);
    run (&scene, 5 * 60000);
    for (unsigned i = 0; i < RUNS; i++)
        assert_int_equal (there (&scene, i), i % 2 || i % 3 == 0);
    assert_int_equal (scene.asked, RUNS / 2); /* once */
    assert_true (scene.most <= 128);
    scene.needs = 0; /* they end */
    run (&scene, HOUR_MS);
    for (unsigned i = 0; i < RUNS; i++)
        assert_int_equal (there (&scene, i), i % 2);
    close_scene (&scene);
}

static void test_without_supervisor (void **state)
{
    scene_t scene;

    (void) state;
    open_scene (&scene, 48ll * HOUR_MS);
    make (&scene, 1, 99);
    start (&scene, &agent_def);
    run (&scene, 3 * HOUR_MS);
    assert_true (there (&scene, 1));
    start (&scene, &supervisor_def);
    run (&scene, HOUR_MS);
    assert_false (there (&scene, 1));
    close_scene (&scene);
}

static void test_what_was_not_asked_about (void **state)
{
    scene_t scene;

    (void) state;
    open_scene (&scene, 48ll * HOUR_MS);
    scene.lies = true;
    make (&scene, 1, 99);
    make (&scene, 999, 1);
    start (&scene, &supervisor_def);
    start (&scene, &agent_def);
    run (&scene, HOUR_MS);
    assert_false (there (&scene, 1));
    assert_true (there (&scene, 999));
    close_scene (&scene);
}

static void test_never (void **state)
{
    scene_t scene;
    char path[96];

    (void) state;
    open_scene (&scene, 0);
    make (&scene, 1, 99999);
    (void) snprintf (path, sizeof path, "%s/runs/.gone-x", scene.dir);
    assert_int_equal (mkdir (path, 0700), 0);
    start (&scene, &supervisor_def);
    start (&scene, &agent_def);
    run (&scene, 3 * HOUR_MS);
    assert_true (there (&scene, 1));
    assert_int_equal (access (path, F_OK), -1); /* what an order before a kill left */
    assert_int_equal (scene.asked, 0);
    close_scene (&scene);
}

/* ---- what goes on here ---- */

typedef enum { AN_ATTEMPT, A_STATUS, A_SESSIONS_END, EVENTS, HOLDERS } holder_t;

static ama_attempt_t attempt;
static ama_feed_t *feed;

static void hold (ama_agent_t *agent, holder_t what, ama_id_t run)
{
    const ama_report_event_t event = { .text = (char *) "said" };

    switch (what) {
    case AN_ATTEMPT:
        attempt = (ama_attempt_t){ .id = run_of (77), .run = run };
        HASH_ADD (hh, agent->attempts, id, sizeof attempt.id, &attempt);
        break;
    case A_STATUS:
        ama_statuses_attempt (
            agent->statuses,
            &(ama_attempt_status_t){ .attempt = run_of (78), .run = run, .state = AMA_ATTEMPT_STATE_SUCCEEDED });
        break;
    case A_SESSIONS_END:
        ama_statuses_session (
            agent->statuses,
            &(ama_attempt_session_status_t){ .session = run_of (79), .run = run, .state = AMA_SESSION_STATE_CLOSED });
        break;
    default:
        feed = ama_feed_new (agent->poster, run, run_of (80), NULL, NULL);
        ama_feed_add (feed, &event);
        ama_feed_close (&feed);
        break;
    }
}

static void let_go (ama_agent_t *agent, holder_t what)
{
    const ama_attempt_ack_t ack = { .attempt = run_of (78), .state = AMA_ATTEMPT_STATE_SUCCEEDED };
    const ama_attempt_session_ack_t session_ack = { .session = run_of (79), .state = AMA_SESSION_STATE_CLOSED };

    if (what == AN_ATTEMPT)
        HASH_DEL (agent->attempts, &attempt);
    else if (what == A_STATUS)
        ama_statuses_attempt_ack (agent->statuses, &ack);
    else if (what == A_SESSIONS_END)
        ama_statuses_session_ack (agent->statuses, &session_ack);
}

/* Run 1 is ordered to be removed while that is held of it. */
static void order_while_held (scene_t *scene, holder_t what, int64_t ms)
{
    scene->order = AMA_CLEAN_STEP_REMOVE;
    scene->ordered = 1;
    start (scene, &agent_def);
    run (scene, 100);
    hold (scene->agent, what, run_of (1));
    start (scene, &supervisor_def);
    run (scene, ms);
}

static void test_what_goes_on_here_stays (void **state)
{
    (void) state;
    for (holder_t what = 0; what < HOLDERS; what++) {
        scene_t scene;
        open_scene (&scene, 48ll * HOUR_MS);
        make (&scene, 1, 99);
        make (&scene, 2, 99);
        order_while_held (&scene, what, HOUR_MS);
        assert_true (there (&scene, 1));
        assert_false (there (&scene, 2));
        assert_true (scene.answered && scene.said.found && *scene.left);
        let_go (scene.agent, what);
        run (&scene, HOUR_MS);
        assert_int_equal (there (&scene, 1), what == EVENTS); /* which nobody takes here */
        close_scene (&scene);
    }
}

/* ---- orders ---- */

static void test_an_order_waits_for_what_is_about_to_end (void **state)
{
    (void) state;
    for (holder_t what = 0; what < EVENTS; what++) {
        scene_t scene;
        open_scene (&scene, 0);
        make (&scene, 1, 0);
        order_while_held (&scene, what, 3000);
        assert_true (there (&scene, 1) && !scene.answered);
        let_go (scene.agent, what);
        run (&scene, 1000);
        assert_true (scene.answered && scene.said.found);
        assert_string_equal (scene.left, "");
        assert_false (there (&scene, 1));
        close_scene (&scene);
    }
}

static void test_orders (void **state)
{
    static const struct {
        ama_clean_step_t step;
        unsigned run;
        bool found, stays;
    } orders[] = {
        { AMA_CLEAN_STEP_LOOK, 1, true, true },
        { AMA_CLEAN_STEP_COUNT, 1, true, true },
        { AMA_CLEAN_STEP_REMOVE, 1, true, false },
        { AMA_CLEAN_STEP_LOOK, 5, false, false },
        { AMA_CLEAN_STEP_COUNT, 5, false, false },
        { AMA_CLEAN_STEP_REMOVE, 5, false, false },
        { 77, 1, true, true }, /* of a later release */
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (orders); i++) {
        scene_t scene;
        open_scene (&scene, 0);
        make (&scene, 1, 0);
        make (&scene, 2, 0);
        scene.order = orders[i].step;
        scene.ordered = orders[i].run;
        start (&scene, &agent_def);
        start (&scene, &supervisor_def);
        run (&scene, 5000);
        assert_true (scene.answered);
        assert_int_equal (scene.said.found, orders[i].found);
        assert_string_equal (scene.left, "");
        if (orders[i].run == 1)
            assert_int_equal (there (&scene, 1), orders[i].stays);
        assert_true (there (&scene, 2));
        close_scene (&scene);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_what_is_spared_goes),
        cmocka_unit_test (test_without_supervisor),
        cmocka_unit_test (test_what_was_not_asked_about),
        cmocka_unit_test (test_never),
        cmocka_unit_test (test_what_goes_on_here_stays),
        cmocka_unit_test (test_orders),
        cmocka_unit_test (test_an_order_waits_for_what_is_about_to_end),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
