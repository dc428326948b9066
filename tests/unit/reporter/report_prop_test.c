/* report_prop_test.c - whatever is posted, how often and in which order: what is kept has no gap and no duplicate
 *
 * Random sources cut their events into posts, lose some, repeat some, swap some, and go on from the answers they get; the core is thrown away and made
 * again from its lines at random moments. Seeds are printed; AMA_SEED repeats one.
 */
#include "actors/reporter/report_core.h"
#include "tests/unit/table.h"

enum { SOURCES = 4, EVENTS = 60, SEEDS = 400 };

typedef struct {
    uint64_t random;
    ama_report_core_t *core;
    ama_str_t lines;
    uint64_t seq, prev, last[SOURCES];
    const char *wrong;
} world_t;

static uint64_t roll (world_t *world, uint64_t below)
{
    world->random = world->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (world->random >> 33) % below;
}

static ama_id_t source_id (unsigned n)
{
    ama_id_t id = { { 0 } };
    id.b[0] = (uint8_t) n;
    return id;
}

static void keep (const ama_report_record_t *record, void *arg)
{
    world_t *world = arg;
    unsigned source = record->source.b[0];

    if (record->seq != world->seq + 1)
        world->wrong = "a gap in seq";
    if (record->prev != world->prev)
        world->wrong = "prev is not the execution event before";
    if (record->no != world->last[source] + 1)
        world->wrong = "an event of a source is missing, doubled or out of order";
    world->seq = record->seq;
    world->last[source] = record->no;
    if (!record->code)
        world->prev = record->seq;
    ama_report_line_add (record, &world->lines);
}

static void restart (world_t *world)
{
    ama_report_core_destroy (&world->core);
    world->core = ama_report_core_new (source_id (99));
    for (char *at = world->lines.data; at && *at;) {
        char *lf = strchr (at, '\n');
        ama_report_record_t record;
        if (ama_report_line_parse (at, (size_t) (lf - at), &record) < 0)
            world->wrong = "a line can not be read back";
        else
            ama_report_core_restore (world->core, &record);
        at = lf + 1;
    }
}

/* Some post of the source around where it believes to be. Its answer may get lost. */
static void post_something (world_t *world, unsigned source, uint64_t *believed)
{
    ama_report_event_t events[8] = { 0 };
    uint64_t back = roll (world, 4) ? 0 : roll (world, 6), ahead = roll (world, 5) ? 0 : roll (world, 3);
    ama_report_post_t post = { .source = source_id (source), .events = events, .n_events = 1 + roll (world, 8) };
    uint64_t upto;
    size_t late;

    post.first = *believed + 1 + ahead > back ? *believed + 1 + ahead - back : 1;
    if (post.first < 1 || post.first > EVENTS)
        post.first = 1;
    if (post.first + post.n_events > EVENTS + 1)
        post.n_events = EVENTS + 1 - post.first;
    for (size_t i = 0; i < post.n_events; i++)
        events[i].type = (post.first + i) % 3 ? AMA_EVENT_TYPE_OUTPUT : AMA_EVENT_TYPE_WARNING;
    upto = ama_report_core_post (world->core, &post, 0, keep, world, &late);
    if (upto != world->last[source])
        world->wrong = "the answer is not what was kept";
    if (roll (world, 5))
        *believed = upto;
}

static void run_seed (uint64_t seed)
{
    world_t world = { .random = seed * 2654435761U + 1 };
    uint64_t believed[SOURCES] = { 0 };

    world.core = ama_report_core_new (source_id (99));
    for (unsigned steps = 0; world.seq < SOURCES * EVENTS && steps < 100000 && !world.wrong; steps++) {
        unsigned source = (unsigned) roll (&world, SOURCES);
        post_something (&world, source, &believed[source]);
        if (!roll (&world, 40))
            restart (&world);
    }
    if (!world.wrong && world.seq != SOURCES * EVENTS)
        world.wrong = "not all events arrived";
    if (world.wrong)
        fail_msg ("seed %llu: %s", (unsigned long long) seed, world.wrong);
    ama_report_core_destroy (&world.core);
    ama_str_done (&world.lines);
}

static void test_gap_free (void **state)
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
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_gap_free) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
