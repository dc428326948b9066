/* report_sim_test.c - posts, a reporter that crashes, and followers, over a link that loses, doubles and reorders; faults from a seed
 *
 * The reporter, its files and the client's follower are the real ones. The supervisor and two agents are stand-ins: each posts its events until
 * they are acknowledged. Whatever happens: every follower reads every event once, in one and the same order, and comes to the end.
 * AMA_SEED repeats one seed.
 */
#include "actors/base/ama_str.h"
#include "actors/reporter/reporter.h"
#include "actors/runtime/ama_sim.h"
#include "client/follow.h"
#include "messages/ama_types.h"
#include "tests/unit/table.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOURCES = 3, EVENTS = 150, FOLLOWERS = 5, SEEDS = 300, HOUR = 3600 * 1000 };

typedef struct {
    ama_id_t id;
    uint64_t made, acked; /* numbers of events */
} source_t;

typedef struct {
    char path[64];
    int fd;
    bool ended;
    int64_t exit;
    int code;
} reader_t;

/* What lives on when actors crash. */
typedef struct {
    ama_sim_t *sim;
    char dir[48];
    source_t sources[SOURCES];
    reader_t readers[FOLLOWERS];
} world_t;

static const ama_id_t run = { { 7 } };

/* ---- who posts ---- */

typedef struct {
    ama_ctx_t *ctx;
    world_t *world;
    source_t *source;
    ama_timer_t *timer;
    uint64_t ask;
} poster_t;

typedef struct {
    world_t *world;
    unsigned source;
} poster_conf_t;

static void on_posted (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    poster_t *self = arg;

    (void) ctx, (void) envelope;
    self->ask = 0;
    if (!err && ((const ama_report_posted_t *) body)->upto > self->source->acked)
        self->source->acked = ((const ama_report_posted_t *) body)->upto;
}

static bool all_acked (const world_t *world)
{
    for (unsigned i = 1; i < SOURCES; i++)
        if (world->sources[i].acked < EVENTS)
            return false;
    return true;
}

/* Some more happens; what is not acknowledged is posted (again). The run ends when the agents have no more to say. */
static void on_timer (void *arg)
{
    poster_t *self = arg;
    source_t *source = self->source;
    bool is_run = source == &self->world->sources[0];
    ama_report_event_t events[16] = { 0 };
    ama_report_post_t post = { .run = run, .source = source->id, .first = source->acked + 1, .events = events };
    char texts[16][32];

    source->made += ama_sim_random (self->world->sim) % 7;
    if (source->made >= EVENTS)
        source->made = is_run && !all_acked (self->world) ? EVENTS - 1 : EVENTS;
    for (; post.n_events < 16 && post.first + post.n_events <= source->made; post.n_events++) {
        uint64_t n = post.first + post.n_events;
        snprintf (texts[post.n_events], 32, "%c%llu", "RAB"[source - self->world->sources], (unsigned long long) n);
        events[post.n_events] = (ama_report_event_t){
            .type = is_run && n == EVENTS ? AMA_EVENT_TYPE_RUN_ENDED
                    : is_run && n == 1    ? AMA_EVENT_TYPE_RUN_ACCEPTED
                    : is_run              ? AMA_EVENT_TYPE_WARNING
                                          : AMA_EVENT_TYPE_OUTPUT,
            .text = texts[post.n_events],
            .state = is_run && n == EVENTS ? (char *) "succeeded" : NULL,
            .has_exit = is_run && n == EVENTS,
        };
    }
    if (post.n_events && !self->ask)
        self->ask = ama_ask (self->ctx, "reporter", AMA_MSG_REPORT_POST, &post, 500, 0, on_posted, self);
    if (source->acked < EVENTS)
        ama_timer_after (self->timer, 50);
}

static int poster_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    const poster_conf_t *conf = config;
    poster_t *self = state;

    (void) err;
    *self = (poster_t){ .ctx = ctx, .world = conf->world, .source = &conf->world->sources[conf->source] };
    self->timer = ama_timer_new (ctx, on_timer, self);
    ama_timer_after (self->timer, 0);
    return 0;
}

static void poster_done (void *state)
{
    ama_timer_destroy (&((poster_t *) state)->timer);
}

static const ama_handler_t none[] = { AMA_HANDLER_END };

/* ---- who follows ---- */

typedef struct {
    reader_t *reader;
    ama_follow_t *follow;
} follower_t;

static void on_end (int64_t exit, const ama_err_t *err, void *arg)
{
    reader_t *reader = arg;

    reader->ended = true;
    reader->exit = exit;
    reader->code = err ? err->code : 0;
}

static int follower_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    follower_t *self = state;
    ama_follow_conf_t conf = {
        .run = run,
        .render = { .format = AMA_FORMAT_NDJSON, .level = AMA_REPORT_LEVEL_CODE },
        .talk = -1,
        .patience_ms = HOUR,
        .on_end = on_end,
    };

    (void) err;
    self->reader = *(reader_t *const *) config;
    conf.out = self->reader->fd;
    conf.arg = self->reader;
    self->follow = ama_follow_new (ctx, &conf);
    return 0;
}

static void follower_done (void *state)
{
    ama_follow_destroy (&((follower_t *) state)->follow);
}

/* ---- one seed ---- */

static const ama_actor_def_t poster_defs[] = {
    { .name = "supervisor",
      .role = AMA_ROLE_SUPERVISOR,
      .state_size = sizeof (poster_t),
      .init = poster_init,
      .done = poster_done,
      .handlers = none },
    { .name = "agent",
      .role = AMA_ROLE_AGENT,
      .state_size = sizeof (poster_t),
      .init = poster_init,
      .done = poster_done,
      .handlers = none },
};
static const ama_actor_def_t follower_def = { .name = "client",
                                              .role = AMA_ROLE_VIEWER,
                                              .state_size = sizeof (follower_t),
                                              .init = follower_init,
                                              .done = follower_done,
                                              .handlers = none };

static void add (world_t *world, const ama_actor_def_t *def, const char *name, const void *config)
{
    ama_err_t err = { 0 };

    if (ama_sim_start (world->sim, def, name, config, &err) < 0)
        fail_msg ("%s: %s", name, err.text);
}

static void start_reporter (world_t *world)
{
    ama_err_t err = { 0 };
    if (ama_sim_start (world->sim, &ama_reporter_def, NULL, &(ama_reporter_conf_t){ .dir = world->dir }, &err) < 0)
        fail_msg ("reporter: %s", err.text);
}

static void start_follower (world_t *world, unsigned n)
{
    static const char *const names[] = { "client/0", "client/1", "client/2", "client/3", "client/4" };
    reader_t *reader = &world->readers[n];

    snprintf (reader->path, sizeof reader->path, "%s/out%u", world->dir, n);
    reader->fd = open (reader->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true (reader->fd >= 0);
    add (world, &follower_def, names[n], &reader);
}

static char *text_of (const reader_t *reader)
{
    int fd = open (reader->path, O_RDONLY | O_CLOEXEC);
    ama_str_t text = { 0 };
    ssize_t n;

    do {
        ama_str_reserve (&text, 65536);
        n = read (fd, text.data + text.size, 65536);
        text.size += n > 0 ? (size_t) n : 0;
        text.data[text.size] = '\0';
    } while (n > 0);
    close (fd);
    return ama_str_take (&text);
}

/* Every event of every source, each source's in its order, numbered without a gap. */
static const char *wrong_with (const char *text)
{
    uint64_t seq = 0, next[SOURCES] = { 1, 1, 1 };

    for (const char *line = text; *line; line = strchr (line, '\n') + 1) {
        unsigned long long got, prev;
        const char *word = strstr (line, "\"text\":\"");
        size_t source;
        if (sscanf (line, "{\"v\":1,\"seq\":%llu,\"prev\":%llu,", &got, &prev) != 2 || got != seq + 1 || prev != seq)
            return "the numbers have a gap";
        seq = got;
        source = (size_t) (strchr ("RAB", word[8]) - "RAB");
        if (strtoull (word + 9, NULL, 10) != next[source]++)
            return "an event is missing, doubled or out of order";
    }
    return seq == SOURCES * EVENTS ? NULL : "not all events are there";
}

static void check (world_t *world, uint64_t seed)
{
    char *first = text_of (&world->readers[0]);
    const char *wrong = wrong_with (first);

    for (unsigned i = 0; i < FOLLOWERS; i++) {
        char *text = text_of (&world->readers[i]);
        if (!world->readers[i].ended || world->readers[i].code)
            fail_msg ("seed %llu: follower %u did not come to the end: %s", (unsigned long long) seed, i,
                      ama_err_name (world->readers[i].code));
        if (wrong || strcmp (text, first) != 0)
            fail_msg ("seed %llu: follower %u: %s", (unsigned long long) seed, i,
                      wrong ? wrong : "other bytes than the first");
        free (text);
    }
    free (first);
}

static void run_seed (uint64_t seed)
{
    world_t world = { 0 };
    poster_conf_t posters[SOURCES];
    static const char *const names[SOURCES] = { "supervisor", "agent/a", "agent/b" };
    char command[64];

    /* what is synced thousands of times lies in memory where that is possible */
    snprintf (world.dir, sizeof world.dir, "%s/ama-report-XXXXXX",
              access ("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null (mkdtemp (world.dir));
    world.sim = ama_sim_new (
        &(ama_sim_conf_t){ .seed = seed, .loss = 0.03, .duplicate = 0.1, .delay_ms = 40, .reorder = seed % 2 });
    start_reporter (&world);
    for (unsigned i = 0; i < SOURCES; i++) {
        world.sources[i].id = i ? (ama_id_t){ { 8, (uint8_t) i } } : run;
        posters[i] = (poster_conf_t){ &world, i };
        add (&world, &poster_defs[i > 0], names[i], &posters[i]);
    }
    for (unsigned i = 0; i < 3; i++)
        start_follower (&world, i);
    for (unsigned crash = 0; crash < 4; crash++) {
        ama_sim_run (world.sim, ama_sim_now_ms (world.sim) + 200 + (int64_t) (ama_sim_random (world.sim) % 2000),
                     UINT64_MAX);
        ama_sim_crash (world.sim, "reporter", (int64_t) (ama_sim_random (world.sim) % 500));
        ama_sim_run (world.sim, ama_sim_now_ms (world.sim) + (int64_t) (ama_sim_random (world.sim) % 1000), UINT64_MAX);
        start_reporter (&world);
    }
    start_follower (&world, 3);
    ama_sim_run (world.sim, ama_sim_now_ms (world.sim) + 60 * 1000, UINT64_MAX);
    ama_sim_set_faults (world.sim, 0, 0);
    ama_sim_run (world.sim, ama_sim_now_ms (world.sim) + 10 * 60 * 1000, UINT64_MAX);
    start_follower (&world, 4); /* after the end */
    ama_sim_run (world.sim, ama_sim_now_ms (world.sim) + 60 * 1000, UINT64_MAX);
    ama_sim_destroy (&world.sim);
    check (&world, seed);
    for (unsigned i = 0; i < FOLLOWERS; i++)
        close (world.readers[i].fd);
    snprintf (command, sizeof command, "rm -rf %s", world.dir);
    assert_int_equal (system (command), 0);
}

static void test_seeds (void **state)
{
    const char *one = getenv ("AMA_SEED");

    (void) state;
    if (one)
        run_seed (strtoull (one, NULL, 10));
    for (uint64_t seed = 1; !one && seed <= SEEDS; seed++)
        run_seed (seed);
    print_message ("seeds 1 to %d\n", SEEDS);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_seeds) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
