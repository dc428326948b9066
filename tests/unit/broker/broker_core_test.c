/* broker_core_test.c - who gets what, and where, as a table: what happens, what the core wants done
 *
 * up: agent/local with 2 cpus and 4096 megabytes, down: it goes. agent A - C M: agent A is there with C cpus and M megabytes; gone A. all-came: nobody else is waited for; sweep;
 * ask L R C M = lease L for run R: C cpus ("all"), M megabytes; session likewise; held L R C M [A] (local); free L.
 * Expected: grant L [@A, unless it is local], refuse L, wait L TEXT (the number of runs ahead, "own", "agent", or "none" for: none that is here has as much). */
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
    { "an agent with a larger machine", "agent f - 8 9000; ask a x 8 8000; ask b y all 1; free a",
      "grant a@f; wait b 1; grant b@f" },
    { "an agent with a smaller machine: what can not be done there is refused",
      "ask a x 2 100; ask b y all 100; ask c z 1 3000; agent f - 1 2000",
      "wait a agent; wait b agent; wait c agent; refuse a; refuse c; grant b@f" },
    { "unknown lease freed", "up; free q; ask a x 1 1", "grant a" },
    { "a request behind its release", "up; free a; ask a x 2 1; ask b y 2 1", "refuse a; grant b" },
    { "a second request behind its release", "up; ask a x 2 1; free a; ask a x 2 1; held a x 2 1; ask b y 2 1",
      "grant a; refuse a; refuse a; grant b" },
    { "given back, one sweep later", "up; ask a x 2 1; free a; sweep; ask a x 2 1", "grant a; refuse a" },
    { "where least is used", "agent f - 2 4096; agent g - 2 4096; ask a x 1 1; ask b x 1 1; ask c x 1 1; ask d x 1 1",
      "grant a@f; grant b@g; grant c@f; grant d@g" },
    { "a large agent gets more of it",
      "agent f - 1 4096; agent g - 4 4096; ask a x 1 1; ask b x 1 1; ask c x 1 1; ask d x 1 1; ask e x 1 1",
      "grant a@g; grant b@g; grant c@g; grant d@g; grant e@f" },
    { "memory may be the scarcer", "agent f - 8 1000; agent g - 2 8000; ask a x 0.1 900; ask b x 0.1 900",
      "grant a@g; grant b@g" },
    { "what one is too small for goes to the other",
      "agent f - 2 8000; agent g - 8 1000; ask a x 4 100; ask b x 1 4000", "grant a@g; grant b@f" },
    { "no agent has both: refused", "agent f - 2 8000; agent g - 8 1000; all-came; ask a x 4 4000", "refuse a" },
    { "more than each has, less than all have: refused", "agent f - 2 100; agent g - 2 100; all-came; ask a x 3 1",
      "refuse a" },
    { "a larger agent may yet come", "joins; agent f - 1 100; ask a x 2 1; agent g - 2 100", "wait a none; grant a@g" },
    { "it does not come", "joins; agent f - 1 100; ask a x 2 1; all-came; ask b x 2 1",
      "wait a none; refuse a; refuse b" },
    { "no agent came yet: nothing is refused", "joins; all-came; ask a x 99 1; agent f - 2 100",
      "wait a agent; refuse a" },
    { "the one that has as much is away: it is waited for, and nobody waits behind that",
      "agent f - 1 100; agent g - 4 100; gone g; ask a x 2 1; ask b y 1 1; agent g - 4 100",
      "wait a none; grant b@f; grant a@g" },
    { "all cpus are those of one agent",
      "agent f - 2 4096; agent g - 4 4096; ask a x all 1; ask b y all 1; ask c z all 1; free b",
      "grant a@g; grant b@f; wait c 2; grant c@f" },
    { "a run's session and its attempts stay together",
      "agent f - 2 4096; agent g - 2 4096; session s x all 100; ask a x 1 1; ask b x 1 1; ask c y 1 1",
      "grant s@f; grant a@f; grant b@f; grant c@g" },
    { "an attempt for which there is no room beside the session goes elsewhere",
      "agent f - 2 4096; agent g - 2 4096; session s x 2 100; ask a x 2 1; ask b x 1 1",
      "grant s@f; grant a@f; grant b@g" },
    { "sessions are overlooked where there is no other agent with room",
      "agent f - 2 4096; session s x 1 1; session t y 1 1; agent g - 2 4096; ask a x 2 1; ask b y 2 1",
      "grant s@f; grant t@f; grant a@g; grant b@f" },
    { "a session shares with attempts of its run where they are",
      "agent f - 2 4096; agent g - 2 4096; ask a x 1 1; session s x 1 1; ask b y 2 1; ask c z 1 1",
      "grant a@f; grant s@f; grant b@g; grant c@f" },
    { "a session at another agent than its run's attempts is leased whole",
      "agent f - 2 4096; ask a x 1 1; agent g - 4 4096; session s x 1 1; ask b y 4 1; free s",
      "grant a@f; grant s@g; wait b 1; grant b@g" },
    { "one goes: what it runs stays leased, the rest goes to the other",
      "agent f - 1 4096; agent g - 1 4096; ask a x 1 1; gone f; ask b x 1 1; ask c y 1 1; agent f - 1 4096; free a",
      "grant a@f; grant b@g; wait c 1; grant c@f" },
    { "a grant that nobody has heard of when its agent goes is made anew",
      "agent f - 1 1; agent g - 2 1; ask a x all 1; gone g; ask a x all 1; agent g - 2 1; ask b y 2 1",
      "grant a@g; grant a@f; grant b@g" },
    { "one that was heard of: where the supervisor holds it counts",
      "agent f - 1 1; agent g - 1 1; ask a x 1 1; gone f; ask a x 1 1; held a x 1 1 f; ask b y 1 1; agent f - 1 1; ask "
      "c z "
      "1 1; free a",
      "grant a@f; grant a@g; grant a@f; grant b@g; wait c 2; grant c@f" },
    { "none is left", "agent f - 1 1; agent g - 1 1; gone f; gone g; ask a x 1 1; agent g - 1 1",
      "wait a agent; grant a@g" },
    { "a session's agent has gone: attempts of its run go to the other",
      "agent f - 2 4096; agent g - 2 4096; session s x 2 100; gone f; ask a x 1 1", "grant s@f; grant a@g" },
    { "who waits for a large agent is passed at a small one",
      "agent f - 4 4096; agent g - 1 4096; ask a x 4 1; ask b y 4 1; ask c z 1 1; ask d z 1 1; free a",
      "grant a@f; wait b 1; grant c@g; wait d 2; grant b@f; wait d 1" },
    { "held before at agents that have not come yet",
      "joins; held a x 2 1 f; held b y 1 1 g; ask c z 1 1; agent f - 2 100; agent g - 2 100",
      "grant a@f; grant b@g; wait c agent; wait c 1; grant c@g" },
    { "held at an agent that never comes, and given back",
      "joins; held a x 2 1 f; free a; agent g - 2 100; ask b x 2 1", "grant a@f; grant b@g" },
    { "the same agent on another machine", "agent f - 2 100; ask a x 2 1; agent f - 4 100; ask b x 2 1",
      "grant a@f; grant b@f" },
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
    const char *colon = strchr (text, ':'), *own = strstr (text, "this run"), *none = strstr (text, "as much");
    const char *at = effect->kind == AMA_BROKER_GRANT && strcmp (effect->granted->agent, "agent/local") != 0
                         ? effect->granted->agent
                         : NULL;

    if (out->size)
        ama_str_puts (out, "; ");
    ama_str_printf (out, "%s %c%s%s",
                    effect->kind == AMA_BROKER_GRANT    ? "grant"
                    : effect->kind == AMA_BROKER_REFUSE ? "refuse"
                                                        : "wait",
                    effect->lease.b[15], at ? "@" : "", at ? at : "");
    if (effect->kind == AMA_BROKER_WAIT)
        ama_str_printf (out, " %.*s", own || none || !colon ? 5 : (int) strcspn (colon + 2, " "),
                        own      ? "own"
                        : none   ? "none"
                        : !colon ? "agent"
                                 : colon + 2);
}

static const ama_broker_limits_t own = { 2, 4096ULL << 20 };

static void play (ama_broker_core_t *core, char *events)
{
    char *save = NULL;

    for (char *one = strtok_r (events, ";", &save); one; one = strtok_r (NULL, ";", &save)) {
        char verb[16] = "", lease[8] = "", run[8] = "", cpus[16] = "0", at[8] = "";
        unsigned megabytes = 0;
        ama_lease_request_t request;

        (void) sscanf (one, "%15s %7s %7s %15s %u %7s", verb, lease, run, cpus, &megabytes, at);
        request = (ama_lease_request_t){ .lease = id_of (lease),
                                         .run = id_of (run),
                                         .cpus = strtod (cpus, NULL),
                                         .memory = (uint64_t) megabytes << 20,
                                         .agent = strcmp (verb, "held") != 0 ? ""
                                                  : *at                      ? at
                                                                             : "agent/local",
                                         .all_cpus = strcmp (cpus, "all") == 0,
                                         .session = strcmp (verb, "session") == 0 };
        if (strcmp (verb, "up") == 0)
            ama_broker_core_agent_up (core, "agent/local", &own);
        else if (strcmp (verb, "down") == 0)
            ama_broker_core_agent_gone (core, "agent/local");
        else if (strcmp (verb, "agent") == 0)
            ama_broker_core_agent_up (core, lease, &(ama_broker_limits_t){ request.cpus, request.memory });
        else if (strcmp (verb, "gone") == 0)
            ama_broker_core_agent_gone (core, lease);
        else if (strcmp (verb, "all-came") == 0)
            ama_broker_core_complete (core);
        else if (strcmp (verb, "sweep") == 0)
            ama_broker_core_sweep (core);
        else if (strcmp (verb, "free") == 0)
            ama_broker_core_release (core, id_of (lease));
        else if (strcmp (verb, "joins") != 0)
            ama_broker_core_request (core, &request);
    }
}

static void table (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_str_t effects = { 0 };
        char *events = ama_strdup (rows[i].events);
        ama_broker_core_t *core = ama_broker_core_new (ama_str_starts (events, "joins") ? NULL : &own, note, &effects);

        ama_str_puts (&effects, "");
        play (core, events);
        ROW_EQUAL (rows[i].name, effects.data, rows[i].effects);
        ama_broker_core_destroy (&core);
        ama_str_done (&effects);
        free (events);
    }
}

static void as_many_as_there_may_be (void **state)
{
    ama_str_t effects = { 0 };
    ama_broker_core_t *core = ama_broker_core_new (NULL, note, &effects);
    char name[32];

    (void) state;
    for (int i = 0; i < AMA_BROKER_AGENTS_MAX; i++) {
        (void) snprintf (name, sizeof name, "agent/%d", i);
        assert_true (ama_broker_core_has_room (core, name));
        ama_broker_core_agent_up (core, name, &own);
    }
    assert_false (ama_broker_core_has_room (core, "agent/new"));
    assert_true (ama_broker_core_has_room (core, "agent/7"));
    ama_broker_core_agent_gone (core, "agent/7");
    assert_true (ama_broker_core_has_room (core, "agent/new"));
    ama_broker_core_agent_up (core, "agent/new", &own);
    assert_false (ama_broker_core_has_room (core, "agent/7"));
    ama_broker_core_destroy (&core);
    ama_str_done (&effects);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (table), cmocka_unit_test (as_many_as_there_may_be) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
