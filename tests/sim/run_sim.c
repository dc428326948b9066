/* run_sim.c - supervisor and broker among stand-ins: one seed, one story; checks of what must hold whatever happens
 *
 *     run_sim [--first SEED] [--seeds N] [--trace] [--history FILE]
 *
 * --trace prints every delivery; --history writes what happened, for check.py.
 * Messages are lost, doubled and late; amad (supervisor and broker together), the agent and the reporter crash. Then the world calms
 * down, and every run that was accepted must end, sooner than the broker would sweep a lease that nobody gave back, with a report that has
 * no hole. Prints the seed of every story that does not.
 */
#include "actors/broker/broker_actor.h"
#include "actors/supervisor/sup.h"
#include "tests/sim/cast.h"

#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORM_MS 8000
#define CALM_MS  150000
#define STEP_MS  50

typedef struct {
    cast_world_t world;
    ama_sim_t *sim;
    ama_supervisor_conf_t supervisor;
    ama_broker_conf_t broker;
    cast_world_t *config;                                  /* what the stand-ins are given */
    int64_t amad_back_ms, agent_back_ms, reporter_back_ms; /* 0: it is up */
    unsigned crashes;
} story_t;

static void start (story_t *story, const ama_actor_def_t *def, const void *config)
{
    ama_err_t err = { 0 };

    if (ama_sim_start (story->sim, def, NULL, config, &err) < 0)
        cast_break (&story->world, "%s does not start: %s", def->name, err.text);
}

static void start_amad (story_t *story)
{
    start (story, &ama_broker_def, &story->broker);
    start (story, &ama_supervisor_def, &story->supervisor);
    story->amad_back_ms = 0;
}

static void crash (story_t *story, uint64_t what)
{
    int64_t now = ama_sim_now_ms (story->sim), away = 50 + (int64_t) (cast_random (&story->world) % 1500);

    story->crashes++;
    cast_note (&story->world, "crash", ",\"who\":\"%s\"", what == 0 ? "amad" : what == 1 ? "agent" : "reporter");
    if (what == 0 && !story->amad_back_ms) {
        ama_sim_crash (story->sim, "supervisor", 1 + away / 10);
        ama_sim_crash (story->sim, "broker", 1 + away / 10);
        story->amad_back_ms = now + away;
    }
    else if (what == 1 && !story->agent_back_ms) {
        ama_sim_crash (story->sim, "agent/local", 1 + away / 10);
        cast_agent_crashed (&story->world);
        story->agent_back_ms = now + away;
    }
    else if (what == 2 && !story->reporter_back_ms) {
        ama_sim_crash (story->sim, "reporter", 1 + away / 10);
        story->reporter_back_ms = now + away;
    }
}

static void revive (story_t *story)
{
    int64_t now = ama_sim_now_ms (story->sim);

    if (story->amad_back_ms && now >= story->amad_back_ms)
        start_amad (story);
    if (story->agent_back_ms && now >= story->agent_back_ms) {
        story->agent_back_ms = 0;
        start (story, &cast_agent, &story->config);
    }
    if (story->reporter_back_ms && now >= story->reporter_back_ms) {
        story->reporter_back_ms = 0;
        start (story, &cast_reporter, &story->config);
    }
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

static void storm (story_t *story)
{
    for (int64_t now = 0; now < STORM_MS; now += STEP_MS) {
        (void) ama_sim_run (story->sim, now, UINT64_MAX);
        revive (story);
        if (cast_random (&story->world) % 40 == 0)
            crash (story, cast_random (&story->world) % 3);
    }
}

static void calm (story_t *story)
{
    story->world.calm = true;
    cast_note (&story->world, "calm", " ");
    ama_sim_set_faults (story->sim, 0, 0);
    for (int64_t now = STORM_MS; now < STORM_MS + CALM_MS && !all_ended (story); now += 1000) {
        (void) ama_sim_run (story->sim, now, UINT64_MAX);
        revive (story);
    }
}

/* What was told of attempts fits together: each one that began ended. */
static void check_report (story_t *story, const cast_run_t *run)
{
    size_t started = 0, ended = 0;

    for (size_t i = 0; i < run->kept; i++) {
        started += run->types[i] == AMA_EVENT_TYPE_ATTEMPT_STARTED;
        ended += run->types[i] == AMA_EVENT_TYPE_ATTEMPT_ENDED;
    }
    if (started != ended)
        cast_break (&story->world, "%s: %zu attempts started, %zu ended", run->token, started, ended);
    if (run->cancelled && run->exit == -1)
        cast_break (&story->world, "%s: no exit code", run->token);
}

/* Why it has not, as the supervisor sees it. */
static void explain (story_t *story, const cast_run_t *run)
{
    sup_t *sup = ama_sim_state (story->sim, "supervisor");
    sup_run_t *open = sup ? sup_run_find (sup, run->id) : NULL;
    ama_str_t text = { 0 };

    cast_break (&story->world, "%s has not ended", run->token);
    if (open) {
        ama_str_printf (&story->world.broken, "%s\n", ama_run_core_waiting (open->core, &text));
        ama_str_clear (&text);
        ama_str_puts (&story->world.broken, ama_run_core_dump (open->core, &text));
    }
    ama_str_done (&text);
}

static int remove_one (const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void) status, (void) type, (void) ftw;
    return remove (path);
}

static void trace (const char *line, void *arg)
{
    (void) arg;
    (void) puts (line);
}

/* 0 if the story ended well. */
static int tell (uint64_t seed, bool traced, FILE *history)
{
    char dir[] = "/dev/shm/ama-sim-XXXXXX", fallback[] = "/tmp/ama-sim-XXXXXX";
    story_t *story = ama_calloc (1, sizeof *story);
    ama_sim_conf_t conf = { .seed = seed,
                            .loss = seed % 5 == 0 ? 0 : 0.05,
                            .duplicate = seed % 3 == 0 ? 0 : 0.05,
                            .delay_ms = (int64_t) (seed % 4) * 5,
                            .reorder = seed % 2,
                            .trace = traced ? trace : NULL };
    char *folder = mkdtemp (dir);
    int rc;

    folder = folder ? folder : mkdtemp (fallback);
    story->sim = ama_sim_new (&conf);
    story->supervisor = (ama_supervisor_conf_t){ .data_dir = folder, .max_active = seed % 7 == 0 ? 2 : 0 };
    story->broker = (ama_broker_conf_t){ .cpus = 2, .memory = 4ull << 30 };
    story->config = &story->world;
    story->world.history = history;
    cast_init (&story->world, story->sim, seed, 1 + seed % CAST_RUNS);
    cast_note (&story->world, "story", ",\"seed\":%llu", (unsigned long long) seed);
    start (story, &cast_fetcher, &story->config);
    start (story, &cast_planner, &story->config);
    start (story, &cast_resolver, &story->config);
    start (story, &cast_reporter, &story->config);
    start_amad (story);
    start (story, &cast_agent, &story->config);
    start (story, &cast_client, &story->config);
    storm (story);
    calm (story);
    for (size_t i = 0; i < story->world.n_runs; i++) {
        const cast_run_t *run = &story->world.runs[i];
        if (!run->kept || run->types[run->kept - 1] != AMA_EVENT_TYPE_RUN_ENDED)
            explain (story, run);
        else
            check_report (story, run);
    }
    rc = story->world.broken.size != 0;
    cast_note (&story->world, "over", " ");
    if (rc)
        (void) printf ("seed %llu (%u crashes):\n%s", (unsigned long long) seed, story->crashes,
                       story->world.broken.data);
    ama_sim_destroy (&story->sim);
    cast_done (&story->world);
    (void) nftw (folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free (story);
    return rc;
}

int main (int argc, char **argv)
{
    static const struct option options[] = {
        { "first", required_argument, NULL, 'f' },
        { "seeds", required_argument, NULL, 'n' },
        { "trace", no_argument, NULL, 't' },
        { "history", required_argument, NULL, 'h' },
        { 0 },
    };
    uint64_t first = 1, count = 200, broken = 0;
    bool traced = false;
    FILE *history = NULL;
    int option;

    while ((option = getopt_long (argc, argv, "", options, NULL)) != -1) {
        if (option == 'f')
            first = strtoull (optarg, NULL, 10);
        else if (option == 'n')
            count = strtoull (optarg, NULL, 10);
        else if (option == 't')
            traced = true;
        else if (option != 'h' || !(history = fopen (optarg, "w")))
            return 2;
    }
    for (uint64_t seed = first; seed < first + count; seed++)
        broken += (uint64_t) tell (seed, traced, history);
    if (history && fclose (history) != 0)
        return 2;
    (void) fprintf (stderr, "%llu stories from seed %llu, %llu went wrong\n", (unsigned long long) count,
                    (unsigned long long) first, (unsigned long long) broken);
    return broken != 0;
}
