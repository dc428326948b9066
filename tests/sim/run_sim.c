/* run_sim.c - all actors, one to three agents played with their own parts, among stand-ins: one seed, one story; checks of what must hold whatever happens
 *
 *     run_sim [--first SEED] [--seeds N] [--trace] [--history FILE]
 *
 * --trace prints every delivery; --history writes what happened, for check.py.
 * Messages are lost, doubled and late; everybody crashes, supervisor and broker also together; agents are cut off. Then the world calms
 * down, and every run that was accepted must end, sooner than the broker would sweep a lease that nobody gave back, with a report that has
 * no hole. Prints the seed of every story that does not.
 */
#include "actors/broker/broker_actor.h"
#include "actors/fetcher/fetch_actor.h"
#include "actors/planner/plan_actor.h"
#include "actors/reporter/reporter.h"
#include "actors/resolver/resolver.h"
#include "actors/supervisor/sup.h"
#include "tests/sim/cast.h"
#include "tests/sim/disk.h"
#include "tests/sim/folder.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORM_MS 8000
#define CALM_MS  600000
#define STEP_MS  50

/* In which hub and agent find out that they are cut off from each other. */
#define NOTICE_MS 15000

/* Sessions are told to end every 5 s, releases every 2. */
#define SETTLE_MS 15000

/* Who may crash. */
typedef enum {
    SUPERVISOR,
    BROKER,
    REPORTER,
    AGENT,
    FETCHER = AGENT + CAST_AGENTS,
    PLANNER,
    RESOLVER,
    CLIENT,
    READER,
    PARTS = READER + CAST_READERS
} part_t;

typedef struct {
    cast_world_t world;
    ama_sim_t *sim;
    ama_supervisor_conf_t supervisor;
    ama_broker_conf_t broker;
    ama_reporter_conf_t reporter;
    ama_fetcher_conf_t fetcher;
    ama_resolver_conf_t resolver;
    cast_world_t *config; /* what the stand-ins are given */
    cast_reader_t *readers[CAST_READERS];
    cast_agent_t *agents[CAST_AGENTS];
    unsigned n_agents; /* one to three */
    char ends[CAST_AGENTS][32];
    struct {
        char name[AMA_NAME_MAX];
        const ama_actor_def_t *def;
        const void *config;
        int64_t back_ms; /* 0: it is up */
    } parts[PARTS];
    int64_t off_until_ms[CAST_AGENTS]; /* 0: it is not cut off */
    bool cuts_off;                     /* in this story agents are */
    char folder[32], cache[48], amad_disk[48], reporter_disk[48],
        reports[64]; /* the reporter may live on a machine of its own */
    unsigned crashes, cuts;
} story_t;

static void add_part (story_t *story, part_t which, const ama_actor_def_t *def, const char *name, const void *config)
{
    (void) snprintf (story->parts[which].name, sizeof story->parts[which].name, "%s", name ? name : def->name);
    story->parts[which].def = def;
    story->parts[which].config = config;
}

static void start (story_t *story, part_t which)
{
    ama_err_t err = { 0 };

    story->parts[which].back_ms = 0;
    if (ama_sim_start (story->sim, story->parts[which].def, story->parts[which].name, story->parts[which].config, &err)
        < 0)
        cast_break (&story->world, "%s does not start: %s", story->parts[which].name, err.text);
}

/* Its process is gone; what it gave to the kernel is not. */
static void end (story_t *story, part_t which, int64_t away_ms)
{
    if (story->parts[which].back_ms || !story->parts[which].def)
        return;
    disk_freeze (true);
    ama_sim_crash (story->sim, story->parts[which].name, 1 + away_ms / 10);
    disk_freeze (false);
    if (which >= AGENT && which < FETCHER)
        cast_agent_crashed (story->agents[which - AGENT]);
    if (which >= READER)
        cast_reader_crashed (story->readers[which - READER]);
    story->parts[which].back_ms = ama_sim_now_ms (story->sim) + away_ms;
}

/* Power is lost between any two writes: at once, or some writes later. */
static void cut (story_t *story, const char *disk, int64_t away_ms)
{
    bool reporters = strcmp (disk, story->reporter_disk) == 0;

    if (cast_random (&story->world) % 2) {
        int64_t last_ms = ama_sim_now_ms (story->sim) + 200;
        uint64_t said = 0;
        disk_freeze_after (disk, 1 + (unsigned) (cast_random (&story->world) % 16));
        do
            said = ama_sim_said (story->sim);
        while (ama_sim_run (story->sim, last_ms, 1) && !disk_is_frozen ());
        for (part_t i = 0; i < AGENT; i++) /* whoever failed to write was dead then */
            if (disk_is_frozen ())
                ama_sim_unsay (story->sim, story->parts[i].name, said);
    }
    if (strcmp (disk, story->amad_disk) == 0) {
        end (story, SUPERVISOR, away_ms);
        end (story, BROKER, away_ms);
    }
    if (reporters)
        end (story, REPORTER, away_ms);
    disk_cut (disk);
    disk_freeze (false);
    story->cuts++;
}

/* Any but the supervisor; the agents take turns as one. */
static part_t any_part (story_t *story, uint64_t number)
{
    part_t which = (part_t) (BROKER + number % (PARTS - BROKER - (CAST_AGENTS - 1)));

    if (which > AGENT)
        return which + CAST_AGENTS - 1;
    return which < AGENT ? which : AGENT + (part_t) (cast_random (&story->world) % story->n_agents);
}

static void crash (story_t *story)
{
    enum { AMAD, AMAD_POWER, REPORTER_POWER, ONE };
    cast_world_t *world = &story->world;
    uint64_t what = cast_random (world) % 14;
    int64_t away_ms = 50 + (int64_t) (cast_random (world) % 1500);
    part_t which = what >= ONE ? any_part (story, what - ONE) : SUPERVISOR;

    story->crashes++;
    cast_note (world, what == AMAD_POWER || what == REPORTER_POWER ? "cut" : "crash", ",\"who\":\"%s\"",
               what == AMAD             ? "amad"
               : what == AMAD_POWER     ? story->amad_disk + strlen (story->folder)
               : what == REPORTER_POWER ? story->reporter_disk + strlen (story->folder)
                                        : story->parts[which].name);
    if (what == AMAD_POWER)
        cut (story, story->amad_disk, away_ms);
    else if (what == REPORTER_POWER)
        cut (story, story->reporter_disk, away_ms);
    else if (what == AMAD) {
        end (story, SUPERVISOR, away_ms);
        end (story, BROKER, away_ms);
    }
    else
        end (story, which, away_ms);
}

static void revive (story_t *story)
{
    int64_t now = ama_sim_now_ms (story->sim);

    for (part_t i = 0; i < PARTS; i++) {
        if (!story->parts[i].def)
            continue;
        if (story->parts[i].back_ms && now >= story->parts[i].back_ms)
            start (story, i);
        else if (!story->parts[i].back_ms && !ama_sim_state (story->sim, story->parts[i].name)) {
            cast_note (&story->world, "gave_up", ",\"who\":\"%s\"", story->parts[i].name);
            story->parts[i].back_ms = now + 100;
        }
    }
}

static bool has_ended (const story_t *story, size_t run)
{
    for (size_t i = 0; i < CAST_READERS; i++)
        if (!story->world.readers[i].runs[run].ended)
            return false;
    return true;
}

static bool all_ended (const story_t *story)
{
    for (size_t i = 0; i < story->world.n_runs; i++)
        if (!has_ended (story, i))
            return false;
    return true;
}

/* For a moment, longer than an agent may be silent, than a short lease, than that and a grace. */
static void cut_off (story_t *story, int64_t now)
{
    static const int64_t lasts_ms[] = { 2000, 20000, 40000, 110000 };
    cast_world_t *world = &story->world;
    unsigned which = (unsigned) (cast_random (world) % story->n_agents);
    int64_t lasting_ms = lasts_ms[cast_random (world) % 4] + (int64_t) (cast_random (world) % 5000);
    int64_t hub_ms = (int64_t) (cast_random (world) % NOTICE_MS), own_ms = (int64_t) (cast_random (world) % NOTICE_MS);

    if (story->off_until_ms[which])
        return;
    story->off_until_ms[which] = now + lasting_ms;
    cast_agent_cut_off (story->agents[which], true);
    ama_sim_cut_off (story->sim, story->parts[AGENT + which].name, hub_ms, own_ms);
}

/* False if some agent still is. */
static bool reconnect (story_t *story, int64_t now)
{
    bool all = true;

    for (unsigned i = 0; i < story->n_agents; i++) {
        if (story->off_until_ms[i] && now >= story->off_until_ms[i]) {
            story->off_until_ms[i] = 0;
            cast_agent_cut_off (story->agents[i], false);
            ama_sim_reconnect (story->sim, story->parts[AGENT + i].name);
        }
        all &= story->off_until_ms[i] == 0;
    }
    return all;
}

/* It lasts until all agents are back. While nothing else is waited for, others crash more rarely, and no message is lost: the reporter waits for
 * output for 20 s, in which a post may be lost once, and no real connection loses one. */
static void storm (story_t *story)
{
    for (int64_t now = 0; !reconnect (story, now) || now < STORM_MS; now += STEP_MS) {
        (void) ama_sim_run (story->sim, now, UINT64_MAX);
        revive (story);
        if (now == STORM_MS)
            ama_sim_set_faults (story->sim, 0, 0);
        if (story->cuts_off && now < STORM_MS && cast_random (&story->world) % 100 == 0)
            cut_off (story, now);
        if (cast_random (&story->world) % 20 == 0 && (now < STORM_MS || cast_random (&story->world) % 20 == 0))
            crash (story);
        if (cast_random (&story->world) % 20 == 0)
            cast_repo_push (&story->world);
    }
}

static void calm (story_t *story)
{
    int64_t first_ms = ama_sim_now_ms (story->sim) + STEP_MS;

    story->world.calm = true;
    cast_note (&story->world, "calm", " ");
    ama_sim_set_faults (story->sim, 0, 0);
    for (int64_t now = first_ms; now < first_ms + CALM_MS && !all_ended (story); now += 1000) {
        (void) ama_sim_run (story->sim, now, UINT64_MAX);
        revive (story);
    }
}

static size_t held (story_t *story)
{
    const void *broker = ama_sim_state (story->sim, "broker");

    return broker ? ama_broker_held (broker) : 0;
}

/* A lease that nobody has keeps others waiting: when all runs have ended there is none, once what tells of it had its time. */
static void settle (story_t *story)
{
    int64_t now = ama_sim_now_ms (story->sim), last_ms = now + SETTLE_MS;

    while (held (story) && now < last_ms) {
        now += 1000;
        (void) ama_sim_run (story->sim, now, UINT64_MAX);
        revive (story);
    }
    if (held (story))
        cast_break (&story->world, "P7: all runs have ended, and %zu leases are still held", held (story));
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

static void trace (const char *line, void *arg)
{
    (void) arg;
    (void) puts (line);
}

/* The one jar that there is, as the resolver's child would have brought it. */
static void make_cache (story_t *story)
{
    char path[80];
    FILE *jar;

    if (chdir (story->folder) < 0)
        cast_break (&story->world, "%s can not be entered", story->folder);
    (void) snprintf (story->cache, sizeof story->cache,
                     "/proc/self/cwd/cache"); /* messages say it: it is the same in each story */
    (void) mkdir (story->cache, 0700);
    (void) snprintf (path, sizeof path, "%s/coursier", story->cache);
    (void) mkdir (path, 0700);
    (void) snprintf (path, sizeof path, "%s/coursier/a.jar", story->cache);
    jar = fopen (path, "w");
    if (!jar || fputs ("jar\n", jar) < 0 || fclose (jar) != 0)
        cast_break (&story->world, "%s can not be written", path);
    story->world.cache = story->cache;
}

/* Who is there, and where. */
static void set_up (story_t *story, uint64_t seed)
{
    bool together = seed % 2;

    story->n_agents = 1 + (unsigned) (seed / 3 % CAST_AGENTS);
    story->cuts_off = seed / 12 % 3 == 0;
    (void) snprintf (story->amad_disk, sizeof story->amad_disk, "%s/amad", story->folder);
    (void) snprintf (story->reporter_disk, sizeof story->reporter_disk, "%s/%s", story->folder,
                     together ? "amad" : "reporter");
    (void) snprintf (story->reports, sizeof story->reports, "%s/reports", story->reporter_disk);
    (void) mkdir (story->amad_disk, 0700);
    (void) mkdir (story->reporter_disk, 0700);
    story->supervisor = (ama_supervisor_conf_t){ .data_dir = story->amad_disk, .max_active = seed % 7 == 0 ? 2 : 0 };
    story->broker = (ama_broker_conf_t){ .cpus = 2, .memory = 4ull << 30, .agent_joins = story->n_agents > 1 };
    story->reporter = (ama_reporter_conf_t){ .dir = story->reports };
    story->fetcher = (ama_fetcher_conf_t){ .cache_dir = story->cache, .helper = "helper" };
    story->resolver =
        (ama_resolver_conf_t){ .cache_dir = story->cache, .scripts_dir = "/scripts", .idle_ms = 5000, .retry_ms = 500 };
    story->config = &story->world;
    make_cache (story);
    add_part (story, SUPERVISOR, &ama_supervisor_def, NULL, &story->supervisor);
    add_part (story, BROKER, &ama_broker_def, NULL, &story->broker);
    add_part (story, REPORTER, &ama_reporter_def, NULL, &story->reporter);
    for (unsigned i = 0; i < story->n_agents; i++) {
        static const char *const names[CAST_AGENTS] = { "agent/local", "agent/two", "agent/three" };
        (void) snprintf (story->ends[i], sizeof story->ends[i], "/proc/self/cwd/ends%u", i);
        story->agents[i] = &story->world.agents[i];
        story->agents[i]->ends = story->ends[i];
        add_part (story, AGENT + i, &cast_agent, names[i], &story->agents[i]);
    }
    add_part (story, FETCHER, &ama_fetcher_def, NULL, &story->fetcher);
    add_part (story, PLANNER, &ama_planner_def, NULL, NULL);
    add_part (story, RESOLVER, &ama_resolver_def, NULL, &story->resolver);
    add_part (story, CLIENT, &cast_client, NULL, &story->config);
    for (unsigned i = 0; i < CAST_READERS; i++) {
        static const char *const names[CAST_READERS] = { "client/r0", "client/r1", "client/r2", "client/r3" };
        story->readers[i] = &story->world.readers[i];
        add_part (story, READER + i, &cast_reader, names[i], &story->readers[i]);
    }
}

/* 0 if the story ended well. */
static int tell (uint64_t seed, bool traced, FILE *history)
{
    static const int64_t disks_ms[] = { 1, 20, 60, 300 };
    story_t *story = ama_calloc (1, sizeof *story);
    ama_sim_conf_t conf = { .seed = seed,
                            .loss = seed % 5 == 0 ? 0 : 0.05,
                            .duplicate = seed % 3 == 0 ? 0 : 0.05,
                            .delay_ms = (int64_t) (seed % 4) * 5,
                            .reorder = seed % 2,
                            .work_ms = disks_ms[seed / 4 % 4],
                            .program = cast_program,
                            .trace = traced ? trace : NULL,
                            .arg = &story->world };
    int rc;

    for (size_t i = 0; i < 2 && !*story->amad_disk; i++) {
        (void) snprintf (story->folder, sizeof story->folder, "%s/ama-sim-XXXXXX", i ? "/tmp" : "/dev/shm");
        *story->amad_disk = mkdtemp (story->folder) != NULL;
    }
    story->sim = ama_sim_new (&conf);
    story->world.history = history;
    disk_begin (seed);
    cast_init (&story->world, story->sim, seed, 1 + seed % CAST_RUNS);
    cast_note (&story->world, "story", ",\"seed\":%llu,\"readers\":%d", (unsigned long long) seed, CAST_READERS);
    set_up (story, seed);
    for (part_t i = 0; i < PARTS; i++)
        if (story->parts[i].def)
            start (story, i);
    storm (story);
    calm (story);
    for (size_t i = 0; i < story->world.n_runs; i++)
        if (!has_ended (story, i))
            explain (story, &story->world.runs[i]);
    if (all_ended (story))
        settle (story);
    cast_reader_over (&story->world.readers[CAST_READERS - 1]);
    rc = story->world.broken.size != 0;
    cast_note (&story->world, "over", ",\"steps\":%llu,\"cuts\":%u,\"lost\":%llu",
               (unsigned long long) ama_sim_delivered (story->sim), story->cuts, (unsigned long long) disk_lost ());
    if (rc)
        (void) printf ("seed %llu (%u crashes):\n%s", (unsigned long long) seed, story->crashes,
                       story->world.broken.data);
    ama_sim_destroy (&story->sim);
    disk_end ();
    cast_done (&story->world);
    (void) chdir ("/");
    (void) folder_remove (story->folder);
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
    disk_install ();
    for (uint64_t seed = first; seed < first + count; seed++)
        broken += (uint64_t) tell (seed, traced, history);
    if (history && fclose (history) != 0)
        return 2;
    (void) fprintf (stderr, "%llu stories from seed %llu, %llu went wrong\n", (unsigned long long) count,
                    (unsigned long long) first, (unsigned long long) broken);
    return broken != 0;
}
