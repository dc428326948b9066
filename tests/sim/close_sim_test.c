/* close_sim_test.c - a run ends, and the agent that has its Spark session never says that this has, too: nothing is repeated or held for ever */
#include "actors/broker/broker_actor.h"
#include "actors/planner/plan_actor.h"
#include "actors/supervisor/sup.h"
#include "tests/sim/cast.h"
#include "tests/sim/folder.h"
#include "tests/unit/table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEEDS = 40, STEPS_MAX = 200000, TOLD_MS = 65000, LEASE_MS = 10000, GRACE_MS = 60000, SLACK_MS = 10000 };

typedef struct {
    cast_world_t world;
    ama_sim_t *sim;
    cast_world_t *config;
    cast_agent_t *agent;
    unsigned closes; /* that were told, or could not be */
} story_t;

static void count (const char *line, void *arg)
{
    story_t *story = arg;

    story->closes += strstr (line, ">agent/local attempt.session_close ") != NULL;
}

static void start (story_t *story, const ama_actor_def_t *def, const void *config)
{
    ama_err_t err = { 0 };

    if (ama_sim_start (story->sim, def, NULL, config, &err) < 0)
        fail_msg ("%s does not start: %s", def->name, err.text);
}

static const sup_closing_t *closing (const story_t *story)
{
    return ((const sup_t *) ama_sim_state (story->sim, "supervisor"))->closing_sessions;
}

static size_t held (const story_t *story)
{
    return ama_broker_held (ama_sim_state (story->sim, "broker"));
}

static void begin (story_t *story, uint64_t seed, const char *cache)
{
    static const ama_supervisor_conf_t supervisor = { .max_active = 0 };
    static const ama_broker_conf_t broker = { .cpus = 2, .memory = 4ull << 30 };
    const ama_sim_conf_t conf = { .seed = seed, .delay_ms = 1, .trace = count, .arg = story };

    story->sim = ama_sim_new (&conf);
    story->config = &story->world;
    story->agent = &story->world.agents[0];
    cast_init (&story->world, story->sim, seed, 1);
    story->world.runs[0].cancel_wanted = false;
    story->world.cache = cache;
    start (story, &cast_fetcher, &story->config);
    start (story, &ama_planner_def, NULL);
    start (story, &cast_resolver, &story->config);
    start (story, &cast_reporter, &story->config);
    start (story, &ama_broker_def, &broker);
    start (story, &ama_supervisor_def, &supervisor);
    start (story, &cast_agent, &story->agent);
    start (story, &cast_client, &story->config);
}

static void end (story_t *story)
{
    cast_done (&story->world);
    ama_sim_destroy (&story->sim);
    free (story);
}

/* Up to the moment in which the run has ended, and its session is to. False: it has none. */
static bool reach_close (story_t *story)
{
    for (int i = 0; i < STEPS_MAX && !closing (story); i++)
        (void) ama_sim_run (story->sim, INT64_MAX, 1);
    return closing (story) && !ama_id_is_zero (closing (story)->lease);
}

static void run_for (story_t *story, int64_t ms)
{
    (void) ama_sim_run (story->sim, ama_sim_now_ms (story->sim) + ms, UINT64_MAX);
}

/* Its lease may be the shortest or the longest; after the former and a grace its guard has ended it. */
static void test_an_agent_that_never_comes_back (void **state)
{
    unsigned given_up = 0, kept = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        story_t *story = ama_calloc (1, sizeof *story);
        unsigned told;
        begin (story, seed, *state);
        if (reach_close (story)) {
            bool is_short = closing (story)->gone_ms == LEASE_MS + GRACE_MS;
            ama_sim_crash (story->sim, "agent/local", 1);
            run_for (story, TOLD_MS);
            told = story->closes;
            assert_int_equal (held (story), 1);
            run_for (story, LEASE_MS + GRACE_MS - TOLD_MS + SLACK_MS);
            assert_int_equal (story->closes, told); /* it is not there to hear it */
            assert_int_equal (closing (story) == NULL, is_short);
            assert_int_equal (held (story), !is_short);
            given_up += is_short;
            kept += !is_short;
        }
        end (story);
    }
    assert_true (given_up > 0 && kept > 0);
}

/* Away for longer than anything is repeated: it says what it holds, and is told then. */
static void test_an_agent_that_comes_back (void **state)
{
    unsigned stories = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        story_t *story = ama_calloc (1, sizeof *story);
        begin (story, seed, *state);
        if (reach_close (story) && closing (story)->gone_ms > LEASE_MS + GRACE_MS) {
            ama_sim_cut_off (story->sim, "agent/local", 1, 1);
            run_for (story, 2 * TOLD_MS);
            assert_non_null (closing (story));
            ama_sim_reconnect (story->sim, "agent/local");
            run_for (story, SLACK_MS);
            assert_null (closing (story));
            assert_int_equal (held (story), 0);
            stories++;
        }
        end (story);
    }
    assert_true (stories > 0);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_an_agent_that_never_comes_back),
                                        cmocka_unit_test (test_an_agent_that_comes_back) };
    return cmocka_run_group_tests (tests, folder_setup, folder_teardown);
}
