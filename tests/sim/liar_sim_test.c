/* liar_sim_test.c - an agent that tells of what is not its own: of another's attempts, under other runs, of attempts that never were, of what is over
 *
 * The supervisor and the broker among the stand-ins of cast.h, without faults, and beside the true agent one that lies about each attempt as long
 * as it runs and when it is over. Whatever it says, every run's report tells what the true agent said, and the lies are counted.
 */
#include "actors/broker/broker_actor.h"
#include "actors/planner/plan_actor.h"
#include "actors/supervisor/sup.h"
#include "messages/ama_types.h"
#include "messages/attempt.h"
#include "tests/sim/cast.h"
#include "tests/sim/folder.h"
#include "tests/unit/table.h"

#include <stdlib.h>
#include <unistd.h>

enum { SEEDS = 12, TICK_MS = 20, STEP_MS = 1000, LONG_MS = 600000 };

typedef enum { OF_ANOTHER, OF_ANOTHER_RUN, WITHOUT_RUN, UNKNOWN, SESSION_OF_ANOTHER, AFTER_THE_END, N_LIES } lie_t;

typedef struct {
    cast_world_t world;
    ama_sim_t *sim;
    cast_world_t *config;
    cast_agent_t *agent;
    lie_t lie;
    uint64_t lies, acks;
} story_t;

typedef struct {
    ama_ctx_t *ctx;
    story_t *story;
    ama_timer_t *timer;
} liar_t;

static void tell_attempt (liar_t *self, ama_id_t attempt, ama_id_t run)
{
    ama_attempt_status_t status = { .attempt = attempt, .run = run, .state = AMA_ATTEMPT_STATE_SUCCEEDED, .exit = 0 };

    self->story->lies++;
    (void) ama_tell (self->ctx, "supervisor", AMA_MSG_ATTEMPT_STATUS, &status);
}

static void lie_of_attempt (liar_t *self, const cast_attempt_t *attempt)
{
    const cast_world_t *world = &self->story->world;
    const ama_id_t none = { { 0 } };
    ama_id_t other = attempt->id;

    other.b[15] ^= 1;
    switch (self->story->lie) {
    case OF_ANOTHER:
        if (attempt->running)
            tell_attempt (self, attempt->id, attempt->run);
        break;
    case OF_ANOTHER_RUN:
        for (size_t i = 0; attempt->running && i < world->n_runs; i++)
            if (!ama_id_is_zero (world->runs[i].id) && !ama_id_equal (world->runs[i].id, attempt->run))
                tell_attempt (self, attempt->id, world->runs[i].id);
        break;
    case WITHOUT_RUN:
        if (attempt->running)
            tell_attempt (self, attempt->id, none);
        break;
    case UNKNOWN:
        tell_attempt (self, other, attempt->run);
        tell_attempt (self, none, attempt->run);
        break;
    case AFTER_THE_END:
        if (attempt->acked)
            tell_attempt (self, attempt->id, attempt->run);
        break;
    default:
        break;
    }
}

static void lie_of_session (liar_t *self, const cast_session_t *session)
{
    ama_attempt_session_status_t status = { .session = session->id,
                                            .run = session->run,
                                            .state =
                                                session->ready ? AMA_SESSION_STATE_LOST : AMA_SESSION_STATE_READY };

    if (self->story->lie != SESSION_OF_ANOTHER || !session->open)
        return;
    self->story->lies++;
    (void) ama_tell (self->ctx, "supervisor", AMA_MSG_ATTEMPT_SESSION_STATUS, &status);
}

static void on_tick (void *arg)
{
    liar_t *self = arg;
    const cast_world_t *world = &self->story->world;

    for (size_t i = 0; i < world->n_attempts; i++)
        lie_of_attempt (self, &world->attempts[i]);
    for (size_t i = 0; i < world->n_sessions; i++)
        lie_of_session (self, &world->sessions[i]);
    ama_timer_after (self->timer, TICK_MS);
}

static int on_ack (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    (void) ctx, (void) envelope, (void) body, (void) err;
    ((liar_t *) state)->story->acks++;
    return 0;
}

static int on_close (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    (void) ctx, (void) state, (void) envelope, (void) body, (void) err;
    return 0;
}

static int liar_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    liar_t *self = state;

    (void) err;
    *self = (liar_t){ .ctx = ctx, .story = *(story_t *const *) config, .timer = ama_timer_new (ctx, on_tick, self) };
    ama_timer_after (self->timer, TICK_MS);
    return 0;
}

static void liar_done (void *state)
{
    ama_timer_destroy (&((liar_t *) state)->timer);
}

static const ama_handler_t handlers[] = {
    { AMA_MSG_ATTEMPT_ACK, on_ack },
    { AMA_MSG_ATTEMPT_SESSION_ACK, on_ack },
    { AMA_MSG_ATTEMPT_SESSION_CLOSE, on_close },
    { AMA_MSG_ATTEMPT_CANCEL, on_close },
    AMA_HANDLER_END,
};
static const ama_actor_def_t liar_def = {
    .name = "agent/liar",
    .role = AMA_ROLE_AGENT,
    .state_size = sizeof (liar_t),
    .init = liar_init,
    .done = liar_done,
    .handlers = handlers,
};

/* ---- a story ---- */

static void start (story_t *story, const ama_actor_def_t *def, const void *config)
{
    ama_err_t err = { 0 };

    if (ama_sim_start (story->sim, def, NULL, config, &err) < 0)
        fail_msg ("%s does not start: %s", def->name, err.text);
}

static bool all_ended (const story_t *story)
{
    for (size_t i = 0; i < story->world.n_runs; i++) {
        const cast_run_t *run = &story->world.runs[i];
        if (!run->kept || run->types[run->kept - 1] != AMA_EVENT_TYPE_RUN_ENDED)
            return false;
    }
    return true;
}

/* As many attempts are told to have succeeded as did. */
static void check_ends (const story_t *story, const char *what)
{
    size_t told = 0, true_ones = 0;

    for (size_t i = 0; i < story->world.n_runs; i++)
        for (size_t k = 0; k < story->world.runs[i].kept; k++)
            told += story->world.runs[i].types[k] == AMA_EVENT_TYPE_ATTEMPT_ENDED
                    && strcmp (story->world.runs[i].states[k], "succeeded") == 0;
    for (size_t i = 0; i < story->world.n_attempts; i++)
        true_ones += story->world.attempts[i].ended && story->world.attempts[i].outcome == AMA_ATTEMPT_STATE_SUCCEEDED;
    if (told != true_ones)
        fail_msg ("%s: %zu attempts succeeded, %zu are told to have", what, true_ones, told);
}

/* Adds to *ret_lies what the supervisor counted. */
static void tell (lie_t lie, uint64_t seed, const char *cache, const char *what, int code, uint64_t *ret_lies)
{
    story_t *story = ama_calloc (1, sizeof *story);
    const ama_sim_conf_t conf = { .seed = seed, .delay_ms = (int64_t) seed % 4 };
    const ama_supervisor_conf_t supervisor = { .max_active = 0 };
    const ama_broker_conf_t broker = { .cpus = 2, .memory = 4ull << 30 };
    const sup_t *sup;

    story->sim = ama_sim_new (&conf);
    story->config = &story->world;
    story->agent = &story->world.agents[0];
    story->lie = lie;
    cast_init (&story->world, story->sim, seed, 4);
    story->world.cache = cache;
    start (story, &cast_fetcher, &story->config);
    start (story, &ama_planner_def, NULL);
    start (story, &cast_resolver, &story->config);
    start (story, &cast_reporter, &story->config);
    start (story, &ama_broker_def, &broker);
    start (story, &ama_supervisor_def, &supervisor);
    start (story, &cast_agent, &story->agent);
    start (story, &liar_def, &story);
    start (story, &cast_client, &story->config);
    for (int64_t now = STEP_MS; now < LONG_MS && !all_ended (story); now += STEP_MS)
        (void) ama_sim_run (story->sim, now, UINT64_MAX);
    ROW_ASSERT (what, all_ended (story));
    if (story->world.broken.size)
        fail_msg ("%s: %s", what, story->world.broken.data);
    check_ends (story, what);
    sup = ama_sim_state (story->sim, "supervisor");
    assert_non_null (sup);
    *ret_lies += code == AMA_E_ROLE ? sup->not_theirs : sup->stale;
    /* what is another's is not answered; what is over is, or whoever tells of it would do so for ever */
    if (code == AMA_E_STALE && story->lies)
        ROW_ASSERT (what, story->acks > 0 && sup->not_theirs == 0);
    if (code == AMA_E_ROLE)
        ROW_ASSERT (what, story->acks <= sup->stale);
    cast_done (&story->world);
    ama_sim_destroy (&story->sim);
    free (story);
}

static void test_lies (void **state)
{
    static const struct {
        const char *what;
        int code;
    } rows[N_LIES] = {
        [OF_ANOTHER] = { "an attempt of another agent", AMA_E_ROLE },
        [OF_ANOTHER_RUN] = { "an attempt of another run", AMA_E_ROLE },
        [WITHOUT_RUN] = { "an attempt of another agent, without its run", AMA_E_ROLE },
        [UNKNOWN] = { "an attempt that never was", AMA_E_STALE },
        [SESSION_OF_ANOTHER] = { "a session of another agent", AMA_E_ROLE },
        [AFTER_THE_END] = { "success after the end", AMA_E_STALE },
    };

    for (lie_t lie = 0; lie < N_LIES; lie++) {
        uint64_t counted = 0;
        for (uint64_t seed = 1; seed <= SEEDS; seed++)
            tell (lie, seed, *state, rows[lie].what, rows[lie].code, &counted);
        ROW_ASSERT (rows[lie].what, counted > SEEDS);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_lies) };
    return cmocka_run_group_tests (tests, folder_setup, folder_teardown);
}
