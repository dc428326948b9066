/* broker_core_test.c - who gets what, as a table: what happens, what the core wants done
 *
 * machine - - C M: an agent with another machine; sweep; ask L R C M = lease L for run R: C cpus ("all"), M megabytes; session/held likewise; free L; up, down: the agent.
 * Expected: grant L, refuse L, wait L TEXT (the number of runs ahead, "own" or "agent"). */
#include "actors/broker/broker_core.h"
#include "tests/unit/table.h"

#include "actors/base/ama_str.h"

typedef struct {
    const char *name, *events, *effects;
} row_t;

static const row_t rows[] = {
    { "it fits", "up; ask a x 1 100", "grant a" },
    { "the agent first", "ask a x 1 100; up", "wait a agent; grant a" },
    { "too many cpus", "up; ask a x 3 100", "refuse a" },
    { "no cpus", "up; ask a x 0 100", "refuse a" },
    { "too much memory", "up; ask a x 1 5000", "refuse a" },
    { "all cpus are what there is", "up; ask a x all 100; ask b y 0.1 100", "grant a; wait b 1" },
    { "freed, then granted", "up; ask a x 2 100; ask b y 1 100; free a", "grant a; wait b 1; grant b" },
    { "memory counts too", "up; ask a x 1 4000; ask b y 1 1000; free a", "grant a; wait b 1; grant b" },
    { "twenty small ones", "up; ask a x 0.1 1; ask b x 0.1 1; ask c x 0.1 1; ask d x 1.7 1; ask e x 0.1 1",
      "grant a; grant b; grant c; grant d; wait e own" },
    { "runs take turns", "up; ask a x 2 1; ask b x 2 1; ask c x 2 1; ask d y 2 1; free a; free b; free d",
      "grant a; wait b own; wait d 1; grant b; wait c 1; grant d; grant c" },
    { "a large one is not overtaken", "up; ask a x 1 1; ask b y 2 1; ask c z 1 1; free a; free b",
      "grant a; wait b 1; wait c 2; grant b; wait c 1; grant c" },
    { "repeated ask of a granted lease", "up; ask a x 1 1; ask a x 1 1", "grant a; grant a" },
    { "repeated ask of a waiting one", "up; ask a x 2 1; ask b y 1 1; ask b y 1 1", "grant a; wait b 1" },
    { "held before: granted whatever is used", "up; ask a x 2 1; held b y 2 1; ask c z 1 1",
      "grant a; grant b; wait c 2" },
    { "session and attempts of a run share", "up; session s x all 1000; ask a x 0.1 100; ask b y 0.1 100; free s",
      "grant s; grant a; wait b 1; grant b" },
    { "attempt first, then the session", "up; ask a x 0.1 1; session s x all 1000", "grant a; grant s" },
    { "session of another run waits", "up; ask a x 0.1 1; session s y all 1000; free a", "grant a; wait s 1; grant s" },
    { "an attempt in a run with a session passes the session that waits for it",
      "up; session s x all 1000; session t y all 1000; ask a x 0.1 100; free a; free s",
      "grant s; wait t 1; grant a; grant t" },
    { "others do not pass", "up; session s x all 1000; session t y all 1000; ask a z 0.1 100; free s; free t",
      "grant s; wait t 1; wait a 2; grant t; wait a 1; grant a" },
    { "two runs with sessions do not wait for each other's end",
      "up; session s x 1 1; session t y 1 1; ask a x 2 1; ask b y 2 1; free a",
      "grant s; grant t; grant a; wait b 1; grant b" },
    { "a lease nobody renews is free again", "up; ask a x 2 1; sweep; ask b y 2 1; sweep",
      "grant a; wait b 1; grant b" },
    { "a lease that is asked for again stays",
      "up; ask a x 2 1; sweep; ask b y 2 1; held a x 2 1; sweep; ask b y 2 1; sweep",
      "grant a; wait b 1; grant a; grant b" },
    { "a wish nobody renews is forgotten", "up; ask a x 2 1; ask b y 2 1; sweep; held a x 2 1; sweep; free a",
      "grant a; wait b 1; grant a" },
    { "a wish is taken back", "up; ask a x 2 1; ask b y 2 1; ask c z 1 1; free b; free a",
      "grant a; wait b 1; wait c 2; wait c 1; grant c" },
    { "agent lost: leases stay, wishes wait", "up; ask a x 1 1; down; ask b x 1 1; up",
      "grant a; wait b agent; grant b" },
    { "an agent with a larger machine", "machine - - 8 9000; ask a x 8 8000; ask b y all 1; free a",
      "grant a; wait b 1; grant b" },
    { "an agent with a smaller machine: what can not be done there is refused",
      "ask a x 2 100; ask b y all 100; ask c z 1 3000; machine - - 1 2000",
      "wait a agent; wait b agent; wait c agent; refuse a; refuse c; grant b" },
    { "unknown lease freed", "up; free q; ask a x 1 1", "grant a" },
    { "a request behind its release", "up; free a; ask a x 2 1; ask b y 2 1", "refuse a; grant b" },
    { "a second request behind its release", "up; ask a x 2 1; free a; ask a x 2 1; held a x 2 1; ask b y 2 1",
      "grant a; refuse a; refuse a; grant b" },
    { "given back, one sweep later", "up; ask a x 2 1; free a; sweep; ask a x 2 1", "grant a; refuse a" },
};

static ama_id_t id_of (const char *name)
{
    ama_id_t id = { { 0 } };
    id.b[15] = (uint8_t) name[0];
    return id;
}

static void note (const ama_broker_effect_t *effect, void *arg)
{
    ama_str_t *out = arg;
    const char *text = effect->kind == AMA_BROKER_WAIT ? effect->waiting->text : "";
    const char *colon = strchr (text, ':');

    if (out->size)
        ama_str_puts (out, "; ");
    ama_str_printf (out, "%s %c",
                    effect->kind == AMA_BROKER_GRANT    ? "grant"
                    : effect->kind == AMA_BROKER_REFUSE ? "refuse"
                                                        : "wait",
                    effect->lease.b[15]);
    if (effect->kind == AMA_BROKER_WAIT)
        ama_str_printf (out, " %.*s", strstr (text, "this run") || !colon ? 5 : (int) strcspn (colon + 2, " "),
                        strstr (text, "this run") ? "own"
                        : !colon                  ? "agent"
                                                  : colon + 2);
}

static void play (ama_broker_core_t *core, char *events)
{
    char *save = NULL;

    for (char *one = strtok_r (events, ";", &save); one; one = strtok_r (NULL, ";", &save)) {
        char verb[16] = "", lease[8] = "", run[8] = "", cpus[16] = "0";
        unsigned megabytes = 0;
        ama_lease_request_t request;

        (void) sscanf (one, "%15s %7s %7s %15s %u", verb, lease, run, cpus, &megabytes);
        request = (ama_lease_request_t){ .lease = id_of (lease),
                                         .run = id_of (run),
                                         .cpus = strtod (cpus, NULL),
                                         .memory = (uint64_t) megabytes << 20,
                                         .agent = strcmp (verb, "held") == 0 ? "agent/local" : "",
                                         .all_cpus = strcmp (cpus, "all") == 0,
                                         .session = strcmp (verb, "session") == 0 };
        if (strcmp (verb, "up") == 0)
            ama_broker_core_agent (core, "agent/local", NULL);
        else if (strcmp (verb, "down") == 0)
            ama_broker_core_agent (core, NULL, NULL);
        else if (strcmp (verb, "machine") == 0)
            ama_broker_core_agent (core, "agent/far", &(ama_broker_limits_t){ request.cpus, request.memory });
        else if (strcmp (verb, "sweep") == 0)
            ama_broker_core_sweep (core);
        else if (strcmp (verb, "free") == 0)
            ama_broker_core_release (core, id_of (lease));
        else
            ama_broker_core_request (core, &request);
    }
}

static void table (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_str_t effects = { 0 };
        char *events = ama_strdup (rows[i].events);
        ama_broker_core_t *core = ama_broker_core_new (&(ama_broker_limits_t){ 2, 4096ULL << 20 }, note, &effects);

        ama_str_puts (&effects, "");
        play (core, events);
        ROW_EQUAL (rows[i].name, effects.data, rows[i].effects);
        ama_broker_core_destroy (&core);
        ama_str_done (&effects);
        free (events);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (table) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
