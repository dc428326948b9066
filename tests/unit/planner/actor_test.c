/* actor_test.c - the planner as an actor: asked by a supervisor, answers with a plan, with problems, or refuses */
#include "actors/planner/plan_actor.h"

#include "actors/runtime/ama_sim.h"
#include "tests/unit/planner/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
    char *snapshots[3];
    bool ok[3];
    size_t actions[3];
    int codes[3];
    size_t answers;
} asker_config_t;

typedef struct {
    asker_config_t *config;
} asker_t;

static void on_reply (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err, void *arg)
{
    asker_config_t *config = arg;
    const ama_plan_reply_t *reply = body;
    size_t i = config->answers++;

    (void) ctx, (void) envelope;
    config->codes[i] = err ? err->code : 0;
    config->ok[i] = !err && reply->ok;
    config->actions[i] = !err && reply->has_plan ? reply->plan.n_actions : 0;
}

static void on_joined (ama_ctx_t *ctx, void *state, uint64_t epoch)
{
    asker_t *self = state;

    (void) epoch;
    for (size_t i = 0; i < 3; i++) {
        ama_plan_request_t request = { .key = ama_new_id (ctx), .snapshot = self->config->snapshots[i] };
        (void) ama_ask (ctx, "planner", AMA_MSG_PLAN_REQUEST, &request, 10000, 0, on_reply, self->config);
    }
}

static int asker_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    (void) ctx, (void) err;
    ((asker_t *) state)->config = (asker_config_t *) (uintptr_t) config;
    return 0;
}

static const ama_handler_t no_handlers[] = { AMA_HANDLER_END };

static const ama_actor_def_t asker = {
    .name = "supervisor",
    .role = AMA_ROLE_SUPERVISOR,
    .state_size = sizeof (asker_t),
    .init = asker_init,
    .joined = on_joined,
    .handlers = no_handlers,
};

static void test_answers (void **state)
{
    ama_sim_conf_t conf = { .seed = 1 };
    ama_sim_t *sim = ama_sim_new (&conf);
    asker_config_t config = { .snapshots = { NULL, NULL, "/nonexistent/snapshot" } };
    scratch_t good, bad;
    ama_err_t err;

    (void) state;
    scratch_init (&good);
    scratch_init (&bad);
    scratch_puts (&good, "maki.yml", "flow: [{name: a, runner: shell, file: x.sh}]\n");
    scratch_puts (&good, "src/x.sh", "true\n");
    scratch_puts (&good, "env/default/job.yml", "");
    scratch_puts (&bad, "maki.yml", "flow: []\n");
    config.snapshots[0] = good.root;
    config.snapshots[1] = bad.root;
    assert_int_equal (ama_sim_start (sim, &ama_planner_def, NULL, NULL, &err), 0);
    assert_int_equal (ama_sim_start (sim, &asker, NULL, &config, &err), 0);
    (void) ama_sim_run (sim, 60000, 10000);
    assert_int_equal (config.answers, 3);
    assert_true (config.ok[0]);
    assert_int_equal (config.actions[0], 1);
    assert_false (config.ok[1]);
    assert_int_equal (config.codes[1], 0);
    assert_int_equal (config.codes[2], AMA_E_NOT_FOUND);
    ama_sim_destroy (&sim);
    scratch_done (&good);
    scratch_done (&bad);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_answers) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
