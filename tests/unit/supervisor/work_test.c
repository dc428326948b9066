/* work_test.c - the real supervisor about working data: which of it may go, and whose orders it follows */
#include "actors/runtime/ama_sim.h"
#include "actors/supervisor/supervisor.h"
#include "messages/ama_types.h"
#include "messages/attempt.h"
#include "messages/run.h"
#include "tests/unit/table.h"

#include <string.h>

enum { HOUR_MS = 3600000 };

/* Somebody who asks; what he was answered last. */
typedef struct {
    const char *name;
    ama_role_t role;
    ama_ctx_t *ctx;
    int code;
    char text[AMA_ERR_TEXT_MAX];
    ama_id_t run;
    size_t n_spared;
    ama_run_cleaned_t cleaned;
} party_t;

typedef struct {
    ama_sim_t *sim;
    party_t agent, operator_, viewer;
} scene_t;

static int init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    party_t *party = (party_t *) (uintptr_t) config;

    (void) err;
    *(party_t **) state = party;
    party->ctx = ctx;
    return 0;
}

static void on_answer (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    party_t *party = arg;

    (void) ctx;
    party->code = err ? err->code : 0;
    (void) snprintf (party->text, sizeof party->text, "%s", err ? err->text : "");
    if (err)
        return;
    if (envelope->type == AMA_MSG_RUN_ACCEPTED)
        party->run = ((const ama_run_accepted_t *) body)->run;
    else if (envelope->type == AMA_MSG_ATTEMPT_SPARED) {
        party->n_spared = ((const ama_attempt_spared_t *) body)->n_runs;
        if (party->n_spared)
            party->run = ((const ama_attempt_spared_t *) body)->runs[0];
    }
    else if (envelope->type == AMA_MSG_RUN_CLEANED) {
        party->cleaned = *(const ama_run_cleaned_t *) body;
        (void) snprintf (party->text, sizeof party->text, "%s", party->cleaned.left);
    }
}

static void start (scene_t *scene, const ama_actor_def_t *def, const void *config)
{
    ama_err_t err = { 0 };

    assert_int_equal (ama_sim_start (scene->sim, def, NULL, config, &err), 0);
}

static void run (scene_t *scene, int64_t ms)
{
    (void) ama_sim_run (scene->sim, ama_sim_now_ms (scene->sim) + ms, UINT64_MAX);
}

static void ask (scene_t *scene, party_t *party, uint16_t type, const void *body)
{
    party->code = 1;
    (void) ama_ask (party->ctx, "supervisor", type, body, 5000, 0, on_answer, party);
    run (scene, 2000);
    assert_int_not_equal (party->code, 1);
}

static const ama_handler_t handlers[] = { AMA_HANDLER_END };
#define PARTY(its_name, its_role)                                                                                      \
    {                                                                                                                  \
        .name = its_name, .role = its_role, .state_size = sizeof (party_t *), .init = init, .handlers = handlers       \
    }
static const ama_actor_def_t agent = PARTY ("agent/a", AMA_ROLE_AGENT), boss = PARTY ("client/b", AMA_ROLE_OPERATOR),
                             eye = PARTY ("client/c", AMA_ROLE_VIEWER);

static void open_scene (scene_t *scene)
{
    static ama_supervisor_conf_t supervisor;

    *scene = (scene_t){ .sim = ama_sim_new (&(ama_sim_conf_t){ .seed = 1, .delay_ms = 5 }) };
    supervisor = (ama_supervisor_conf_t){ .data_dir = NULL };
    start (scene, &ama_supervisor_def, &supervisor);
    start (scene, &agent, &scene->agent);
    start (scene, &boss, &scene->operator_);
    start (scene, &eye, &scene->viewer);
    run (scene, 1000);
}

/* How many of these two are spared. */
static size_t spared (scene_t *scene, ama_id_t one, ama_id_t two, int64_t age_ms)
{
    ama_id_t runs[] = { one, two };
    const ama_attempt_spare_t body = { .runs = runs, .n_runs = 2, .age_ms = age_ms };

    ask (scene, &scene->agent, AMA_MSG_ATTEMPT_SPARE, &body);
    assert_int_equal (scene->agent.code, 0);
    return scene->agent.n_spared;
}

static void by_the_end_of_the_run (void **state)
{
    const ama_run_submit_t submit = { .repo = (char *) "/job", .worktree = true };
    const ama_id_t unknown = ama_id_make (7, (const uint8_t[10]){ 7 });
    ama_run_cancel_t cancel = { .force = true };
    ama_run_clean_t clean;
    scene_t scene;

    (void) state;
    open_scene (&scene);
    ask (&scene, &scene.operator_, AMA_MSG_RUN_SUBMIT, &submit);
    assert_int_equal (scene.operator_.code, 0);
    cancel.run = scene.operator_.run;
    clean = (ama_run_clean_t){ .run = cancel.run };
    assert_int_equal (spared (&scene, cancel.run, unknown, 0), 1); /* it is open */
    assert_true (ama_id_equal (scene.agent.run, unknown));
    ask (&scene, &scene.operator_, AMA_MSG_RUN_CLEAN, &clean);
    assert_int_equal (scene.operator_.code, 0);
    assert_string_equal (scene.operator_.text, "it has not ended");
    ask (&scene, &scene.viewer, AMA_MSG_RUN_CLEAN, &clean);
    assert_int_equal (scene.viewer.code, AMA_E_ROLE);
    ask (&scene, &scene.operator_, AMA_MSG_RUN_CANCEL, &cancel);
    run (&scene, 60000);
    assert_int_equal (spared (&scene, cancel.run, unknown, 0), 2);
    assert_int_equal (spared (&scene, cancel.run, unknown, HOUR_MS), 1);
    run (&scene, HOUR_MS);
    assert_int_equal (spared (&scene, cancel.run, unknown, HOUR_MS), 2);
    assert_int_equal (spared (&scene, cancel.run, unknown, INT64_MAX), 1);
    ask (&scene, &scene.operator_, AMA_MSG_RUN_CLEAN, &clean); /* which no agent ever had */
    assert_int_equal (scene.operator_.code, 0);
    assert_false (scene.operator_.cleaned.found || scene.operator_.cleaned.away);
    assert_string_equal (scene.operator_.text, "");
    clean.run = unknown;
    ask (&scene, &scene.operator_, AMA_MSG_RUN_CLEAN, &clean);
    assert_int_equal (scene.operator_.code, AMA_E_NOT_FOUND);
    ama_sim_destroy (&scene.sim);
}

static void no_age (void **state)
{
    scene_t scene;
    const ama_attempt_spare_t body = { .age_ms = -1 };

    (void) state;
    open_scene (&scene);
    ask (&scene, &scene.agent, AMA_MSG_ATTEMPT_SPARE, &body);
    assert_int_equal (scene.agent.code, AMA_E_INVALID);
    ama_sim_destroy (&scene.sim);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (by_the_end_of_the_run), cmocka_unit_test (no_age) };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
