/* core_test.c - decisions of the fetcher, as a table: what happens, what the core wants done
 *
 * Events, separated by ";":
 *   ask A REF [HOST]   waiter A asks for REF of a repository at HOST (default h; "local" for a path)
 *   pin A REF          the same with a pinned commit; tree A: a folder as it lies
 *   done N ok|died|gone|missing|CODE   the child of job N ended: snapshot, no answer, unreachable, no such ref
 *   tell N             a progress of job N, not yet connected; talk N: connected
 *   away A             the peer of waiter A is gone
 *   +MS                time passes
 * Effects: start N, kill N, answer A, refuse A CODE, tell A, wake MS (since the start).
 */
#include "actors/fetcher/fetch_core.h"
#include "tests/unit/table.h"

static const struct {
    const char *what, *events, *effects;
} cases[] = {
    { "one ask, one child, one answer", "ask a main; done 1 ok", "start 1; wake 10000; answer a" },
    { "an ask never joins a child older than itself", "ask a main; ask b main; done 1 ok; done 2 ok",
      "start 1; wake 10000; answer a; start 2; answer b" },
    { "asks that wait share one child", "ask a main; ask b main; ask c main; done 1 ok; done 2 ok",
      "start 1; wake 10000; answer a; start 2; answer b; answer c" },
    { "but the same ask, said again, does", "ask a main; ask a main; done 1 ok", "start 1; wake 10000; answer a" },
    { "said again by another", "ask a main; ask b main; ask a main; done 1 ok; done 2 ok",
      "start 1; wake 10000; answer a; start 2; answer b" },
    { "said again while it waits for another try", "ask a main; done 1 gone; ask a main; +1000; done 1 missing",
      "start 1; wake 10000; wake 1000; start 1; wake 11000; refuse a AMA_E_NOT_FOUND" },
    { "a pinned commit is shared with a running child", "pin a main; pin b main; done 1 ok",
      "start 1; wake 10000; answer a; answer b" },
    { "a folder as it lies is not", "tree a; tree b; done 1 ok; done 2 ok",
      "start 1; wake 30000; answer a; start 2; answer b" },
    { "third fetch of a host waits", "ask a x; ask b y; ask c z; done 1 ok",
      "start 1; wake 10000; start 2; answer a; start 3" },
    { "another host does not wait", "ask a x; ask b y; ask c z; ask d x other",
      "start 1; wake 10000; start 2; start 4" },
    { "four in all", "ask a x h1; ask b x h2; ask c x h3; ask d x h4; ask e x h5; done 3 ok",
      "start 1; wake 10000; start 2; start 3; start 4; answer c; start 5" },
    { "local paths have no host limit", "ask a x local; ask b y local; ask c z local",
      "start 1; wake 30000; start 2; start 3" },
    { "died without answer: one more try", "ask a main; done 1 died; +1000",
      "start 1; wake 10000; wake 1000; start 1; wake 11000" },
    { "gives up after three", "ask a main; done 1 died; +1000; done 1 died; +2000; done 1 died",
      "start 1; wake 10000; wake 1000; start 1; wake 11000; wake 3000; start 1; wake 13000; refuse a AMA_E_CHILD" },
    { "unreachable is tried again", "ask a main; done 1 gone; +1000; done 1 ok",
      "start 1; wake 10000; wake 1000; start 1; wake 11000; answer a" },
    { "no such ref is final", "ask a main; done 1 missing", "start 1; wake 10000; refuse a AMA_E_NOT_FOUND" },
    { "an ask joins a job that rests", "ask a main; done 1 gone; ask b main; +1000; done 1 ok",
      "start 1; wake 10000; wake 1000; start 1; wake 11000; answer a; answer b" },
    { "a rest does not end early", "ask a main; done 1 gone; +999", "start 1; wake 10000; wake 1000; wake 1000" },
    { "the place of a resting job is free", "ask a x; ask b y; ask c z; done 1 gone",
      "start 1; wake 10000; start 2; start 3; wake 1000" },
    { "nobody waits: child is killed", "ask a main; away a", "start 1; wake 10000; kill 1" },
    { "one of two waits on", "pin a main; pin b main; away a; done 1 ok", "start 1; wake 10000; answer b" },
    { "late answer of a killed child", "ask a main; away a; done 1 ok", "start 1; wake 10000; kill 1" },
    { "nobody waits: a waiting job is dropped", "ask a main; ask b main; away b; done 1 ok",
      "start 1; wake 10000; answer a" },
    { "nobody waits: a resting job is dropped", "ask a main; done 1 gone; away a; +1000",
      "start 1; wake 10000; wake 1000" },
    { "a dying child keeps its place", "ask a main; away a; ask b main; done 1 died; done 2 ok",
      "start 1; wake 10000; kill 1; start 2; wake 10000; answer b" },
    { "no connection: another try", "ask a main; +10000; done 1 died; +1000; talk 1; done 1 ok",
      "start 1; wake 10000; kill 1; wake 11000; start 1; wake 21000; tell a; answer a" },
    { "never a connection", "ask a main; +10000; done 1 died; +1000; +10000; done 1 died; +2000; +10000; done 1 died",
      "start 1; wake 10000; kill 1; wake 11000; start 1; wake 21000; kill 1; wake 23000; start 1; wake 33000; kill 1; "
      "refuse a AMA_E_UNREACHABLE" },
    { "a ping is no connection", "ask a main; +9000; tell 1; +1000",
      "start 1; wake 10000; wake 10000; tell a; kill 1" },
    { "silence", "ask a main; talk 1; +29999; talk 1; +29999; +1; done 1 died",
      "start 1; wake 10000; tell a; wake 30000; tell a; wake 59999; refuse a AMA_E_TIMEOUT; kill 1" },
    { "endless progress", "ask a main; talk 1; 90x; +1; done 1 died", "start 1; ...; refuse a AMA_E_TIMEOUT; kill 1" },
    { "the time in the queue does not count", "ask a x; ask b x; 90x; done 1 ok; talk 2; done 2 ok",
      "start 1; ...; refuse a AMA_E_TIMEOUT; kill 1; start 2; wake 910000; tell b; answer b" },
    { "reports of unknown jobs", "done 7 ok; talk 7; ask a main; done 1 ok; done 1 ok",
      "start 1; wake 10000; answer a" },
};

typedef struct {
    ama_fetch_core_t *core;
    ama_str_t log;
    int64_t now;
} world_t;

static const int64_t epoch_ms = 5000000; /* time 0 of the table */

static void perform (const ama_fetch_effect_t *effect, void *arg)
{
    world_t *world = arg;

    ama_str_puts (&world->log, world->log.size ? "; " : "");
    switch (effect->kind) {
    case AMA_FETCH_START_CHILD:
        ama_str_printf (&world->log, "start %u", effect->job);
        break;
    case AMA_FETCH_KILL_CHILD:
        ama_str_printf (&world->log, "kill %u", effect->job);
        break;
    case AMA_FETCH_TELL:
        ama_str_printf (&world->log, "tell %s", effect->asker->waiter.name);
        break;
    case AMA_FETCH_ANSWER:
        ama_str_printf (&world->log, "answer %s", effect->asker->waiter.name);
        break;
    case AMA_FETCH_REFUSE:
        ama_str_printf (&world->log, "refuse %s %s", effect->asker->waiter.name, ama_err_name (effect->error->code));
        break;
    case AMA_FETCH_WAKE_AT:
        ama_str_printf (&world->log, "wake %lld", (long long) (effect->when_ms - epoch_ms));
        break;
    }
}

static int ask (world_t *world, const char *verb, const char *who, const char *ref, const char *host, ama_err_t *err)
{
    char url[128], its_ref[64], commit[41] = "";
    ama_fetch_order_t order = { .url = url, .ref = its_ref, .commit = commit, .credential = (char[]){ "" } };
    ama_fetch_asker_t asker = { 0 };

    order.worktree = strcmp (verb, "tree") == 0;
    (void) snprintf (its_ref, sizeof its_ref, "%s", order.worktree ? "" : ref);
    if (order.worktree || strcmp (host, "local") == 0)
        (void) snprintf (url, sizeof url, "/srv/repo");
    else
        (void) snprintf (url, sizeof url, "https://%s/repo", *host ? host : "h");
    if (strcmp (verb, "pin") == 0)
        memset (commit, 'a', 40);
    (void) snprintf (asker.waiter.name, sizeof asker.waiter.name, "%s", who);
    asker.key.b[0] = (uint8_t) who[0];
    return ama_fetch_core_ask (world->core, &order, &asker, world->now, err);
}

static void done (world_t *world, ama_fetch_job_id_t job, const char *how)
{
    ama_fetch_report_t ok = { .kind = AMA_FETCH_DONE }, bad = { .kind = AMA_FETCH_FAILED, .text = (char[]){ "why" } };

    bad.code = strcmp (how, "gone") == 0 ? AMA_E_UNREACHABLE : AMA_E_NOT_FOUND;
    ama_fetch_core_child_done (world->core, job,
                               strcmp (how, "died") == 0 ? NULL
                               : strcmp (how, "ok") == 0 ? &ok
                                                         : &bad,
                               world->now);
}

static void progress (world_t *world, ama_fetch_job_id_t job, bool connected)
{
    ama_fetch_report_t report = { .kind = AMA_FETCH_PROGRESS, .connected = connected };

    ama_fetch_core_progress (world->core, job, &report, world->now);
}

static void event (world_t *world, const char *text)
{
    char verb[16] = "", one[32] = "", two[32] = "", three[32] = "";
    ama_fetch_job_id_t job;

    BUG_ON (sscanf (text, "%15s %31s %31s %31s", verb, one, two, three) < 1);
    job = (ama_fetch_job_id_t) atoi (one);
    if (verb[0] == '+') {
        world->now += atoi (verb + 1);
        ama_fetch_core_tick (world->core, world->now);
    }
    else if (strcmp (verb, "done") == 0) {
        done (world, job, two);
    }
    else if (strcmp (verb, "tell") == 0 || strcmp (verb, "talk") == 0) {
        progress (world, job, verb[1] == 'a');
    }
    else if (strcmp (verb, "away") == 0) {
        ama_fetch_core_forget (world->core, one, world->now);
    }
    else if (strcmp (verb, "90x")
             == 0) { /* a quarter of an hour of progress; what it causes is left out of the table */
        size_t size = world->log.size;
        for (int i = 0; i < 90; i++) {
            progress (world, 1, true);
            world->now += 10000;
            if (i == 89) {
                world->log.data[world->log.size = (size_t) (strchr (world->log.data, ';') - world->log.data)] = '\0';
                ama_str_puts (&world->log, "; ...");
            }
            ama_fetch_core_tick (world->core, world->now);
        }
        BUG_ON (size == 0);
    }
    else {
        assert_int_equal (ask (world, verb, one, two, three, NULL), 0);
    }
}

static void decisions (void **state)
{
    ama_fetch_policy_t policy;
    ama_fetch_rules_t rules;

    (void) state;
    ama_fetch_rules_init (&rules);
    assert_int_equal (ama_fetch_policy_init (&policy, NULL, NULL, NULL, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        world_t world = { .now = epoch_ms };
        char *events = ama_strdup (cases[i].events), *rest = events;
        world.core = ama_fetch_core_new (&rules, &policy, perform, &world);
        for (char *one; (one = strsep (&rest, ";"));)
            event (&world, one);
        ROW_EQUAL (cases[i].what, world.log.data, cases[i].effects);
        ama_fetch_core_destroy (&world.core);
        ama_str_done (&world.log);
        free (events);
    }
    ama_fetch_policy_done (&policy);
}

static void refused_asks (void **state)
{
    static const struct {
        const char *url, *ref, *commit;
        bool worktree;
        int code;
        const char *text;
    } rows[] = {
        { "../x", "", "", false, AMA_E_URL, "relative" },
        { "https://h/x", "", "", true, AMA_E_URL, "as it lies" },
        { "https://other/x", "", "", false, AMA_E_URL, "fetch: {hosts: [other]}" },
        { "https://h/x", "-x", "", false, AMA_E_NOT_FOUND, "\"-x\"" },
        { "https://h/x", "a..b", "", false, AMA_E_NOT_FOUND, "can not be the name" },
        { "https://h/x", "main~1", "", false, AMA_E_NOT_FOUND, "can not be the name" },
        { "https://h/x", "main@{1}", "", false, AMA_E_NOT_FOUND, "can not be the name" },
        { "https://h/x", "a b", "", false, AMA_E_NOT_FOUND, "can not be the name" },
        { "https://h/x", "a\x1b[2J", "", false, AMA_E_NOT_FOUND, "a\\x1b" },
        { "https://h/x", "refs/heads/../../x", "", false, AMA_E_NOT_FOUND, "can not be the name" },
        { "https://h/x", "main", "abc", false, AMA_E_INVALID, "40 hex" },
        { "https://h/x", "main", "../../../../../../../../../../../../aaaa", false, AMA_E_INVALID, "40 hex" },
    };
    static const char *const hosts[] = { "h", NULL };
    ama_fetch_policy_t policy;
    ama_fetch_rules_t rules;
    world_t world = { .now = epoch_ms };

    (void) state;
    ama_fetch_rules_init (&rules);
    assert_int_equal (ama_fetch_policy_init (&policy, NULL, hosts, NULL, NULL), 0);
    world.core = ama_fetch_core_new (&rules, &policy, perform, &world);
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_fetch_order_t order = { (char *) rows[i].url, (char *) rows[i].ref, (char *) rows[i].commit, (char[]){ "" },
                                    rows[i].worktree };
        ama_fetch_asker_t asker = { 0 };
        ama_err_t err = { 0 };
        ROW_ASSERT (rows[i].url, ama_fetch_core_ask (world.core, &order, &asker, 0, &err) == rows[i].code);
        ROW_ASSERT (rows[i].text, strstr (err.text, rows[i].text));
    }
    assert_int_equal (world.log.size, 0);
    assert_int_equal (ama_fetch_core_jobs (world.core), 0);
    ama_fetch_core_destroy (&world.core);
    ama_fetch_policy_done (&policy);
}

/* Fifty runs of one repository: two children, fifty answers; and no more asks than the rules say. */
static void fifty (void **state)
{
    ama_fetch_policy_t policy;
    ama_fetch_rules_t rules;
    world_t world = { .now = epoch_ms };
    ama_err_t err = { 0 };
    size_t answers = 0;

    (void) state;
    ama_fetch_rules_init (&rules);
    rules.max_asks = 50;
    assert_int_equal (ama_fetch_policy_init (&policy, NULL, NULL, NULL, NULL), 0);
    world.core = ama_fetch_core_new (&rules, &policy, perform, &world);
    for (char i = 0; i < 50; i++)
        assert_int_equal (ask (&world, "ask", (char[]){ (char) ('A' + i), '\0' }, "main", "h", NULL), 0);
    assert_int_equal (ask (&world, "ask", "x1", "main", "h", &err), AMA_E_BUSY);
    assert_int_equal (ask (&world, "ask", "B", "main", "h", NULL), 0); /* is not one more */
    assert_int_equal (ama_fetch_core_jobs (world.core), 2);
    done (&world, 1, "ok");
    done (&world, 2, "ok");
    for (const char *at = world.log.data; (at = strstr (at, "answer ")); at++)
        answers++;
    assert_int_equal (answers, 50);
    assert_int_equal (ama_fetch_core_jobs (world.core), 0);
    assert_int_equal (ask (&world, "ask", "a", "main", "h", &err), 0);
    ama_fetch_core_destroy (&world.core);
    ama_str_done (&world.log);
    ama_fetch_policy_done (&policy);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (decisions), cmocka_unit_test (refused_asks),
                                        cmocka_unit_test (fifty) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
