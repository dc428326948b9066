/* core_test.c - decisions of the resolver, as a table: what happens, what the core wants done
 *
 * Events, separated by ";":
 *   ask A SET / off A SET    waiter A asks for SET; off: offline; A2: another request of A
 *   none N / found N / old N the lock of job N: none; there; there, but of files that may change
 *   done N / fail N CODE     the child of job N ended with an answer; with unreachable, died, missing
 *   put N / bad N            what it found is stored; could not be stored
 *   tell N                   a progress of job N
 *   away A                   the peer of waiter A is gone
 *   +MS                      time passes
 * Effects: check N, start N, kill N, store N, answer A, refuse A CODE, tell A, wake MS (since the start).
 */
#include "actors/resolver/resolve_core.h"
#include "tests/unit/table.h"

static const struct {
    const char *what, *events, *effects;
} cases[] = {
    { "a known set needs no child", "ask a x; found 1", "check 1; answer a" },
    { "one ask, one child, one answer", "ask a x; none 1; done 1; put 1",
      "check 1; start 1; wake 180000; store 1; answer a" },
    { "equal asks share, also a running child", "ask a x; none 1; ask b x; done 1; ask c x; put 1",
      "check 1; start 1; wake 180000; store 1; answer a; answer b; answer c" },
    { "two children at most, in order", "ask a x; ask b y; ask c z; none 1; none 2; none 3; done 2; put 2; done 1",
      "check 1; check 2; check 3; start 1; wake 180000; start 2; store 2; start 3; answer b; store 1" },
    { "a known set does not wait for others", "ask a x; ask b y; none 1; none 2; ask c z; found 3",
      "check 1; check 2; start 1; wake 180000; start 2; check 3; answer c" },
    { "offline is another job, and waits for the one of the same set",
      "ask a x; off b x; none 1; none 2; done 1; put 1; found 2",
      "check 1; check 2; start 1; wake 180000; store 1; answer a; check 2; answer b" },
    { "offline after one that failed has its own try",
      "ask a x; off b x; none 1; none 2; fail 1 missing; done 2; put 2",
      "check 1; check 2; start 1; wake 180000; refuse a AMA_E_NOT_FOUND; start 2; store 2; answer b" },
    { "what may change is asked for again", "ask a x; old 1; done 1; put 1",
      "check 1; start 1; wake 180000; store 1; answer a" },
    { "but not offline", "off a x; old 1", "check 1; answer a" },
    { "unreachable is tried again", "ask a x; none 1; fail 1 gone; +1000; done 1; put 1",
      "check 1; start 1; wake 180000; wake 1000; start 1; wake 181000; store 1; answer a" },
    { "three times, later and later", "ask a x; none 1; fail 1 gone; +1000; fail 1 gone; +2000; fail 1 gone",
      "check 1; start 1; wake 180000; wake 1000; start 1; wake 181000; wake 3000; start 1; wake 183000; "
      "refuse a AMA_E_UNREACHABLE" },
    { "a rest does not end early", "ask a x; none 1; fail 1 gone; +999",
      "check 1; start 1; wake 180000; wake 1000; wake 1000" },
    { "a child that dies is started again", "ask a x; none 1; fail 1 died; +1000; fail 1 died; +2000; fail 1 died",
      "check 1; start 1; wake 180000; wake 1000; start 1; wake 181000; wake 3000; start 1; wake 183000; "
      "refuse a AMA_E_CHILD" },
    { "what is missing is final", "ask a x; none 1; fail 1 missing",
      "check 1; start 1; wake 180000; refuse a AMA_E_NOT_FOUND" },
    { "what can not be stored is final", "ask a x; none 1; done 1; bad 1",
      "check 1; start 1; wake 180000; store 1; refuse a AMA_E_INTEGRITY" },
    { "an ask joins a job that rests", "ask a x; none 1; fail 1 gone; ask b x; +1000; done 1; put 1",
      "check 1; start 1; wake 180000; wake 1000; start 1; wake 181000; store 1; answer a; answer b" },
    { "the place of a resting job is free", "ask a x; ask b y; ask c z; none 1; none 2; none 3; fail 1 gone",
      "check 1; check 2; check 3; start 1; wake 180000; start 2; start 3; wake 1000" },
    { "an ask that is repeated is one, whatever the job does",
      "ask a x; ask a x; none 1; ask a x; ask b x; fail 1 gone; ask a x; +1000; done 1; ask a x; put 1",
      "check 1; start 1; wake 180000; wake 1000; start 1; wake 181000; store 1; answer a; answer b" },
    { "two requests of one run for the same set are two", "ask a x; ask a2 x; ask a x; ask a2 x; found 1",
      "check 1; answer a; answer a" },
    { "so are two sets", "ask a x; ask a y; off a x; found 1; found 2; found 3",
      "check 1; check 2; check 3; answer a; answer a; answer a" },
    { "nobody waits: child is killed", "ask a x; none 1; away a; fail 1 died",
      "check 1; start 1; wake 180000; kill 1" },
    { "a dying child keeps its place, and the set",
      "ask a x; none 1; away a; ask b x; none 2; fail 1 died; done 2; put 2",
      "check 1; start 1; wake 180000; kill 1; check 2; start 2; wake 180000; store 2; answer b" },
    { "late answer of a killed child", "ask a x; none 1; away a; done 1", "check 1; start 1; wake 180000; kill 1" },
    { "one of two waits on", "ask a x; ask b x; none 1; away a; done 1; put 1",
      "check 1; start 1; wake 180000; store 1; answer b" },
    { "nobody waits for a lock any more", "ask a x; away a; none 1; found 1", "check 1" },
    { "nobody waits: a resting job is dropped", "ask a x; none 1; fail 1 gone; away a; +1000",
      "check 1; start 1; wake 180000; wake 1000" },
    { "nobody waits while it is stored", "ask a x; none 1; done 1; away a; put 1; ask b x; found 2",
      "check 1; start 1; wake 180000; store 1; check 2; answer b" },
    { "silence", "ask a x; none 1; +179999; tell 1; +180000; fail 1 died",
      "check 1; start 1; wake 180000; wake 180000; tell a; wake 359999; refuse a AMA_E_TIMEOUT; kill 1" },
    { "endless progress", "ask a x; none 1; 20x; fail 1 died",
      "check 1; start 1; ...; refuse a AMA_E_TIMEOUT; kill 1" },
    { "the time in the queue does not count",
      "ask a x; ask b y; ask c z; none 1; none 2; none 3; 20x; fail 1 died; done 3; put 3",
      "check 1; ...; refuse a AMA_E_TIMEOUT; kill 1; refuse b AMA_E_TIMEOUT; kill 2; start 3; wake 1980000; store 3; "
      "answer c" },
    { "reports of unknown jobs", "none 7; done 7; put 7; tell 7; ask a x; found 1; found 1; done 1",
      "check 1; answer a" },
};

typedef struct {
    ama_resolve_core_t *core;
    ama_str_t log;
    int64_t now;
    uint32_t part; /* of the next ask */
} world_t;

static const int64_t epoch_ms = 5000000; /* time 0 of the table */

static void perform (const ama_resolve_effect_t *effect, void *arg)
{
    static const char *const words[] = { "check", "start", "kill", "store", "tell", "answer", "refuse", "wake" };
    world_t *world = arg;

    ama_str_printf (&world->log, "%s%s ", world->log.size ? "; " : "", words[effect->kind]);
    switch (effect->kind) {
    case AMA_RESOLVE_CHECK:
    case AMA_RESOLVE_START_CHILD:
    case AMA_RESOLVE_STORE:
        assert_non_null (effect->order);
        ama_str_printf (&world->log, "%u", effect->job);
        break;
    case AMA_RESOLVE_KILL_CHILD:
        ama_str_printf (&world->log, "%u", effect->job);
        break;
    case AMA_RESOLVE_TELL:
        assert_true (ama_id_equal (effect->progress->key, effect->asker->key));
        ama_str_puts (&world->log, effect->asker->waiter.name);
        break;
    case AMA_RESOLVE_ANSWER:
        assert_non_null (effect->reply);
        ama_str_puts (&world->log, effect->asker->waiter.name);
        break;
    case AMA_RESOLVE_REFUSE:
        ama_str_printf (&world->log, "%s %s", effect->asker->waiter.name, ama_err_name (effect->error->code));
        break;
    case AMA_RESOLVE_WAKE_AT:
        ama_str_printf (&world->log, "%lld", (long long) (effect->when_ms - epoch_ms));
        break;
    }
}

/* `a2`: the second request of a. */
static int ask (world_t *world, const char *who, const char *set, bool offline, ama_err_t *err)
{
    ama_plan_artifact_t artifact = { (char[]){ "g" }, (char *) set, (char[]){ "1" } };
    ama_resolve_request_t request = { .artifacts = &artifact, .n_artifacts = 1, .offline = offline };
    ama_resolve_asker_t asker = { .key.b = { (uint8_t) *who }, .part = world->part };
    ama_resolve_order_t order;

    if (who[1])
        asker.part = (uint32_t) atoi (who + 1);
    (void) snprintf (asker.waiter.name, sizeof asker.waiter.name, "%c", *who);
    assert_int_equal (ama_resolve_order_init (&request, NULL, &order, NULL), 0);
    return ama_resolve_core_ask (world->core, &order, &asker, world->now, err);
}

static void child_failed (world_t *world, ama_resolve_job_id_t job, const char *how)
{
    ama_err_t why = { .text = "why" };

    why.code = strcmp (how, "gone") == 0   ? AMA_E_UNREACHABLE
               : strcmp (how, "died") == 0 ? AMA_E_CHILD
                                           : AMA_E_NOT_FOUND;
    ama_resolve_core_child_done (world->core, job, &why, world->now);
}

/* Half an hour of progress; what it causes is left out of the table but for the end. */
static void long_time (world_t *world)
{
    ama_resolve_progress_t progress = { .text = (char[]){ "" } };
    const char *cut;

    for (int i = 0; i < 20; i++) {
        ama_resolve_core_progress (world->core, 1, &progress, world->now);
        ama_resolve_core_progress (world->core, 2, &progress, world->now);
        world->now += 90000;
        if (i == 19) {
            cut = strstr (world->log.data, strstr (world->log.data, "check 2") ? "; check 2" : "; wake");
            world->log.data[world->log.size = (size_t) (cut - world->log.data)] = '\0';
            ama_str_puts (&world->log, "; ...");
        }
        ama_resolve_core_tick (world->core, world->now);
    }
}

static void event (world_t *world, const char *text)
{
    ama_resolve_progress_t progress = { .text = (char[]){ "text" } };
    ama_resolve_reply_t reply = { .cached = true };
    ama_err_t bad = { AMA_E_INTEGRITY, "why" };
    char verb[16] = "", one[32] = "", two[32] = "";
    ama_resolve_job_id_t job;

    BUG_ON (sscanf (text, "%15s %31s %31s", verb, one, two) < 1);
    job = (ama_resolve_job_id_t) atoi (one);
    if (verb[0] == '+') {
        world->now += atoi (verb + 1);
        ama_resolve_core_tick (world->core, world->now);
    }
    else if (strcmp (verb, "ask") == 0 || strcmp (verb, "off") == 0)
        assert_int_equal (ask (world, one, two, *verb == 'o', NULL), 0);
    else if (strcmp (verb, "none") == 0)
        ama_resolve_core_checked (world->core, job, NULL, false, world->now);
    else if (strcmp (verb, "found") == 0 || strcmp (verb, "old") == 0)
        ama_resolve_core_checked (world->core, job, &reply, *verb == 'o', world->now);
    else if (strcmp (verb, "done") == 0)
        ama_resolve_core_child_done (world->core, job, NULL, world->now);
    else if (strcmp (verb, "fail") == 0)
        child_failed (world, job, two);
    else if (strcmp (verb, "put") == 0)
        ama_resolve_core_stored (world->core, job, &reply, NULL, world->now);
    else if (strcmp (verb, "bad") == 0)
        ama_resolve_core_stored (world->core, job, NULL, &bad, world->now);
    else if (strcmp (verb, "tell") == 0)
        ama_resolve_core_progress (world->core, job, &progress, world->now);
    else if (strcmp (verb, "away") == 0)
        ama_resolve_core_forget (world->core, one, world->now);
    else if (strcmp (verb, "20x") == 0)
        long_time (world);
    else
        fail_msg ("no such event: %s", text);
}

static void decisions (void **state)
{
    ama_resolve_rules_t rules;

    (void) state;
    ama_resolve_rules_init (&rules);
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        world_t world = { .now = epoch_ms };
        char *events = ama_strdup (cases[i].events), *rest = events;
        world.core = ama_resolve_core_new (&rules, perform, &world);
        for (char *one; (one = strsep (&rest, ";"));)
            event (&world, one);
        ROW_EQUAL (cases[i].what, world.log.data, cases[i].effects);
        ama_resolve_core_destroy (&world.core);
        ama_str_done (&world.log);
        free (events);
    }
}

/* Random events: every ask is answered or refused exactly once, or its asker went away; no more than two children; nothing is left. */
static void every_ask_once (void **state)
{
    ama_resolve_rules_t rules;
    unsigned seed = 20260131;

    (void) state;
    ama_resolve_rules_init (&rules);
    for (int round = 0; round < 200; round++) {
        world_t world = { .now = epoch_ms };
        char name[8], text[64];
        size_t asked = 0, answered = 0;
        world.core = ama_resolve_core_new (&rules, perform, &world);
        for (int step = 0; step < 200; step++) {
            static const char *const verbs[] = {
                "none %d", "found %d",     "done %d",         "put %d",       "bad %d",
                "tell %d", "fail %d gone", "fail %d missing", "fail %d died", "+%d000"
            };
            int job = 1 + rand_r (&seed) % 30;
            if (rand_r (&seed) % 4 == 0) {
                (void) snprintf (name, sizeof name, "%c", 'x' + rand_r (&seed) % 3);
                world.part = (uint32_t) ++asked;
                assert_int_equal (ask (&world, "w", name, rand_r (&seed) % 4 == 0, NULL), 0);
                continue;
            }
            (void) snprintf (text, sizeof text, verbs[(size_t) rand_r (&seed) % ARRAY_SIZE (verbs)], job);
            event (&world, text);
        }
        for (int turn = 0; ama_resolve_core_jobs (world.core) && turn < 1000; turn++)
            for (int job = 1; job <= 100; job++)
                for (const char *const *verb =
                         (const char *const[]){ "found %d", "none %d", "put %d", "fail %d missing", NULL };
                     *verb; verb++) {
                    (void) snprintf (text, sizeof text, *verb, job);
                    event (&world, text);
                    if (job == 100)
                        event (&world, "+5000");
                }
        for (const char *at = world.log.data; at && (at = strpbrk (at, "ar")); at++)
            answered += strncmp (at, "answer w", 8) == 0 || strncmp (at, "refuse w", 8) == 0;
        assert_int_equal (ama_resolve_core_jobs (world.core), 0);
        assert_int_equal (answered, asked);
        ama_resolve_core_destroy (&world.core);
        ama_str_done (&world.log);
    }
}

static void busy (void **state)
{
    ama_resolve_rules_t rules;
    world_t world = { .now = epoch_ms };
    ama_err_t err = { 0 };

    (void) state;
    ama_resolve_rules_init (&rules);
    rules.max_asks = 2;
    world.core = ama_resolve_core_new (&rules, perform, &world);
    assert_int_equal (ask (&world, "a", "x", false, NULL), 0);
    assert_int_equal (ask (&world, "b", "x", false, NULL), 0);
    assert_int_equal (ask (&world, "c", "x", false, &err), AMA_E_BUSY);
    assert_int_equal (ask (&world, "a", "x", false, &err), 0); /* repeated */
    event (&world, "away b");
    assert_int_equal (ask (&world, "c", "x", false, &err), 0);
    ama_resolve_core_destroy (&world.core);
    ama_str_done (&world.log);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (decisions), cmocka_unit_test (every_ask_once),
                                        cmocka_unit_test (busy) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
