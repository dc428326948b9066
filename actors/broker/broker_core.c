/* broker_core.c - leases of one machine: capacity, turns, reasons for waiting. No I/O. */
#include "actors/broker/broker_core.h"

#include "messages/ama_envelope.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include <uthash.h>

enum { AHEAD_EXACT = 10, TEXT_ROOM = 256, GIVEN_BACK_MAX = 100000 };

/* cpus are counted in thousandths, so that many small leases add up exactly */
typedef int64_t millis_t;

typedef struct lease {
    UT_hash_handle hh;
    struct lease *prev, *next; /* in the run's queue while it waits */
    ama_id_t id;
    ama_id_t run;
    millis_t cpus;
    uint64_t memory;
    bool session;
    bool all_cpus;
    bool granted;
    bool renewed;         /* asked for or granted since the last sweep */
    char told[TEXT_ROOM]; /* the last reason for waiting */
} lease_t;

typedef struct run {
    UT_hash_handle hh;
    struct run *prev, *next; /* in the order of turns while it has wishes */
    ama_id_t id;
    lease_t *queue;
    size_t leases; /* granted and wished for */
    millis_t session_cpus, attempt_cpus;
    uint64_t session_memory, attempt_memory;
} run_t;

/* A lease that was given back. */
typedef struct {
    UT_hash_handle hh;
    ama_id_t id;
    bool old; /* a sweep has seen it */
} given_back_t;

struct ama_broker_core {
    millis_t cpus, used_cpus;
    uint64_t memory, used_memory;
    millis_t attempt_cpus; /* of all runs, sessions left out */
    uint64_t attempt_memory;
    lease_t *leases;
    given_back_t *given_back; /* the one of longest ago first */
    run_t *runs;
    run_t *turns;   /* runs with wishes; the first one is next */
    size_t holders; /* runs that hold something */
    char agent[AMA_NAME_MAX];
    ama_broker_effect_fn *perform;
    void *arg;
};

static void set_limits (ama_broker_core_t *core, const ama_broker_limits_t *limits)
{
    core->cpus = (millis_t) (limits->cpus * 1000 + 0.5);
    core->memory = limits->memory;
}

ama_broker_core_t *ama_broker_core_new (const ama_broker_limits_t *limits, ama_broker_effect_fn *perform, void *arg)
{
    ama_broker_core_t *core = ama_calloc (1, sizeof *core);

    set_limits (core, limits);
    core->perform = perform;
    core->arg = arg;
    return core;
}

static void forget_given_back (ama_broker_core_t *core, given_back_t *given_back)
{
    /* uthash: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    HASH_DEL (core->given_back, given_back);
    free (given_back);
}

void ama_broker_core_destroy (ama_broker_core_t **core_p)
{
    ama_broker_core_t *core = *core_p;
    lease_t *lease, *next_lease;
    run_t *run, *next_run;

    if (!core)
        return;
    HASH_ITER (hh, core->leases, lease, next_lease)
    {
        /* uthash: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        HASH_DEL (core->leases, lease);
        free (lease);
    }
    HASH_ITER (hh, core->runs, run, next_run)
    {
        /* uthash: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        HASH_DEL (core->runs, run);
        free (run);
    }
    while (core->given_back)
        forget_given_back (core, core->given_back); /* uthash: NOLINT(clang-analyzer-unix.Malloc) */
    free (core);
    *core_p = NULL;
}

/* ---- what is used ---- */

static millis_t larger (millis_t a, millis_t b)
{
    return a > b ? a : b;
}

static uint64_t larger_size (uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Adds (sign 1) or takes away (sign -1) a granted lease of the run. */
static void account (ama_broker_core_t *core, run_t *run, const lease_t *lease, int sign)
{
    bool held = run->session_cpus || run->attempt_cpus;

    core->used_cpus -= larger (run->session_cpus, run->attempt_cpus);
    core->used_memory -= larger_size (run->session_memory, run->attempt_memory);
    core->attempt_cpus += lease->session ? 0 : sign * lease->cpus;
    core->attempt_memory += lease->session ? 0 : (uint64_t) sign * lease->memory;
    *(lease->session ? &run->session_cpus : &run->attempt_cpus) += sign * lease->cpus;
    *(lease->session ? &run->session_memory : &run->attempt_memory) += (uint64_t) sign * lease->memory;
    core->used_cpus += larger (run->session_cpus, run->attempt_cpus);
    core->used_memory += larger_size (run->session_memory, run->attempt_memory);
    core->holders = core->holders - held + (run->session_cpus || run->attempt_cpus);
}

static bool fits (const ama_broker_core_t *core, const run_t *run, const lease_t *lease)
{
    millis_t session = run->session_cpus + (lease->session ? lease->cpus : 0);
    millis_t attempts = run->attempt_cpus + (lease->session ? 0 : lease->cpus);
    uint64_t session_memory = run->session_memory + (lease->session ? lease->memory : 0);
    uint64_t attempt_memory = run->attempt_memory + (lease->session ? 0 : lease->memory);
    millis_t cpus = larger (session, attempts) - larger (run->session_cpus, run->attempt_cpus);
    uint64_t memory =
        larger_size (session_memory, attempt_memory) - larger_size (run->session_memory, run->attempt_memory);

    if ((cpus == 0 || core->used_cpus + cpus <= core->cpus)
        && (memory == 0 || core->used_memory + memory <= core->memory))
        return true;
    /* Two runs that hold sessions, each waiting for the other's to end, would wait for ever: their attempts overlook sessions. */
    return !lease->session && run->session_cpus && core->attempt_cpus + lease->cpus <= core->cpus
           && core->attempt_memory + lease->memory <= core->memory;
}

/* ---- runs and their turns ---- */

static run_t *run_of (ama_broker_core_t *core, ama_id_t id)
{
    run_t *run;

    HASH_FIND (hh, core->runs, &id, sizeof id, run);
    if (!run) {
        run = ama_calloc (1, sizeof *run);
        run->id = id;
        HASH_ADD (hh, core->runs, id, sizeof run->id, run);
    }
    return run;
}

static void wish (ama_broker_core_t *core, run_t *run, lease_t *lease)
{
    if (!run->queue)
        DL_APPEND (core->turns, run);
    DL_APPEND (run->queue, lease);
}

static void unwish (ama_broker_core_t *core, run_t *run, lease_t *lease)
{
    DL_DELETE (run->queue, lease);
    if (!run->queue)
        DL_DELETE (core->turns, run);
}

static void forget (ama_broker_core_t *core, run_t *run, lease_t *lease)
{
    if (lease->granted)
        account (core, run, lease, -1);
    else
        unwish (core, run, lease);
    HASH_DEL (core->leases, lease);
    free (lease);
    if (--run->leases == 0) {
        HASH_DEL (core->runs, run);
        free (run);
    }
}

/* ---- effects ---- */

static void tell_grant (ama_broker_core_t *core, const lease_t *lease)
{
    ama_lease_granted_t granted = {
        .lease = lease->id, .agent = core->agent, .cpus = (double) lease->cpus / 1000, .memory = lease->memory
    };

    core->perform (&(ama_broker_effect_t){ .kind = AMA_BROKER_GRANT, .lease = lease->id, .granted = &granted },
                   core->arg);
}

static void size_text (uint64_t bytes, char *buf, size_t size)
{
    if (bytes >= 1ULL << 30 && bytes % (1ULL << 30) == 0)
        (void) snprintf (buf, size, "%" PRIu64 "g", bytes >> 30);
    else
        (void) snprintf (buf, size, "%" PRIu64 "m", bytes >> 20);
}

static void cpus_text (millis_t cpus, char *buf, size_t size)
{
    (void) snprintf (buf, size, "%g cpu%s", (double) cpus / 1000, cpus == 1000 ? "" : "s");
}

static void ahead_text (size_t ahead, char *buf, size_t size)
{
    size_t round = AHEAD_EXACT;

    while (round * 10 < ahead)
        round *= 10;
    if (ahead <= AHEAD_EXACT)
        (void) snprintf (buf, size, "%zu run%s ahead", ahead, ahead == 1 ? "" : "s");
    else
        (void) snprintf (buf, size, "more than %zu runs ahead", round);
}

/* Says why the run's first wish waits, if that has changed. ahead: other runs that hold something or wait before it. */
static void tell_wait (ama_broker_core_t *core, const run_t *run, size_t ahead)
{
    lease_t *lease = run->queue;
    ama_lease_waiting_t waiting = { .lease = lease->id, .run = run->id };
    char text[TEXT_ROOM], cpus[40], memory[40], before[64];

    cpus_text (lease->cpus, cpus, sizeof cpus);
    size_text (lease->memory, memory, sizeof memory);
    ahead_text (ahead, before, sizeof before);
    if (!core->agent[0])
        (void) snprintf (text, sizeof text, "waiting for the agent to start");
    else if (ahead)
        (void) snprintf (text, sizeof text, "waiting for %s and %s: %s", cpus, memory, before);
    else
        (void) snprintf (text, sizeof text, "waiting for %s and %s: used by this run's other actions", cpus, memory);
    if (strcmp (text, lease->told) == 0)
        return;
    memcpy (lease->told, text, sizeof text);
    waiting.text = text;
    core->perform (&(ama_broker_effect_t){ .kind = AMA_BROKER_WAIT, .lease = lease->id, .waiting = &waiting },
                   core->arg);
}

/* ---- turns ---- */

/* The first in turn, or a run that holds a session: what the first waits for may be the end of that session. */
static run_t *next_served (const ama_broker_core_t *core)
{
    run_t *run;

    DL_FOREACH (core->turns, run)
    {
        if ((run == core->turns || run->session_cpus) && fits (core, run, run->queue))
            return run;
    }
    return NULL;
}

static bool grant_next (ama_broker_core_t *core)
{
    run_t *run = core->agent[0] ? next_served (core) : NULL;
    lease_t *lease;

    if (!run)
        return false;
    lease = run->queue;
    unwish (core, run, lease);
    if (run->queue) { /* its next wish waits for the others' turn */
        DL_DELETE (core->turns, run);
        DL_APPEND (core->turns, run);
    }
    lease->granted = lease->renewed = true;
    account (core, run, lease, 1);
    tell_grant (core, lease);
    return true;
}

static void settle (ama_broker_core_t *core)
{
    size_t before = 0;
    run_t *run;

    while (grant_next (core))
        ;
    DL_FOREACH (core->turns, run)
    {
        bool holds = run->session_cpus || run->attempt_cpus;
        tell_wait (core, run, core->holders - holds + before);
        before += !holds;
    }
}

/* ---- events ---- */

static void refuse (ama_broker_core_t *core, ama_id_t lease, const char *what, const char *asked, const char *has)
{
    ama_err_t error = { 0 };

    (void) ama_err_set (&error, AMA_E_INVALID, "%s of %s asked for, this machine has %s to give", asked, what, has);
    core->perform (&(ama_broker_effect_t){ .kind = AMA_BROKER_REFUSE, .lease = lease, .error = &error }, core->arg);
}

/* True if it was refused. */
static bool refused (ama_broker_core_t *core, ama_id_t lease, double cpus, millis_t millis, uint64_t memory)
{
    char asked[40], has[40];

    if (millis <= 0 || millis > core->cpus) {
        (void) snprintf (asked, sizeof asked, "%g", cpus);
        (void) snprintf (has, sizeof has, "%g", (double) core->cpus / 1000);
        refuse (core, lease, "cpus", asked, has);
        return true;
    }
    if (memory > core->memory) {
        size_text (memory, asked, sizeof asked);
        size_text (core->memory, has, sizeof has);
        refuse (core, lease, "memory", asked, has);
        return true;
    }
    return false;
}

static given_back_t *find_given_back (const ama_broker_core_t *core, ama_id_t id)
{
    given_back_t *given_back;

    HASH_FIND (hh, core->given_back, &id, sizeof id, given_back);
    return given_back;
}

static void remember_given_back (ama_broker_core_t *core, ama_id_t id)
{
    given_back_t *given_back = find_given_back (core, id);

    if (given_back) {
        given_back->old = false;
        return;
    }
    if (HASH_COUNT (core->given_back) >= GIVEN_BACK_MAX)
        forget_given_back (core, core->given_back);
    given_back = ama_calloc (1, sizeof *given_back);
    given_back->id = id;
    /* uthash: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    HASH_ADD (hh, core->given_back, id, sizeof given_back->id, given_back);
}

static void refuse_given_back (ama_broker_core_t *core, ama_id_t id)
{
    ama_err_t error = { 0 };

    (void) ama_err_set (&error, AMA_E_INVALID, "this lease was given back");
    core->perform (&(ama_broker_effect_t){ .kind = AMA_BROKER_REFUSE, .lease = id, .error = &error }, core->arg);
}

void ama_broker_core_request (ama_broker_core_t *core, const ama_lease_request_t *request)
{
    bool held = request->agent[0] != '\0';
    millis_t cpus = request->all_cpus                          ? core->cpus
                    : request->cpus > 0 && request->cpus < 1e6 ? (millis_t) (request->cpus * 1000 + 0.5)
                                                               : 0;
    lease_t *lease;
    run_t *run;

    HASH_FIND (hh, core->leases, &request->lease, sizeof request->lease, lease);
    if (lease) {
        lease->renewed = true;
        if (lease->granted)
            tell_grant (core, lease);
        return;
    }
    if (find_given_back (core, request->lease)) {
        refuse_given_back (core, request->lease);
        return;
    }
    if (!held && refused (core, request->lease, request->cpus, cpus, request->memory))
        return;
    lease = ama_calloc (1, sizeof *lease);
    *lease = (lease_t){
        .id = request->lease,
        .run = request->run,
        .cpus = cpus,
        .memory = request->memory,
        .session = request->session,
        .all_cpus = request->all_cpus,
        .renewed = true,
    };
    HASH_ADD (hh, core->leases, id, sizeof lease->id, lease);
    run = run_of (core, request->run);
    run->leases++;
    if (held) {
        lease->granted = lease->renewed = true;
        account (core, run, lease, 1);
        tell_grant (core, lease);
        return;
    }
    wish (core, run, lease);
    settle (core);
}

void ama_broker_core_release (ama_broker_core_t *core, ama_id_t id)
{
    lease_t *lease;

    remember_given_back (core, id);
    HASH_FIND (hh, core->leases, &id, sizeof id, lease);
    if (!lease)
        return;
    forget (core, run_of (core, lease->run), lease);
    settle (core);
}

/* Wishes were made for another machine. */
static void judge_again (ama_broker_core_t *core)
{
    lease_t *lease, *next;

    HASH_ITER (hh, core->leases, lease, next)
    {
        if (lease->granted)
            continue;
        if (lease->all_cpus)
            lease->cpus = core->cpus;
        if (refused (core, lease->id, (double) lease->cpus / 1000, lease->cpus, lease->memory))
            forget (core, run_of (core, lease->run), lease);
    }
}

void ama_broker_core_agent (ama_broker_core_t *core, const char *name, const ama_broker_limits_t *limits)
{
    if (limits) {
        set_limits (core, limits);
        judge_again (core);
    }
    (void) snprintf (core->agent, sizeof core->agent, "%s", name ? name : "");
    settle (core);
}

void ama_broker_core_sweep (ama_broker_core_t *core)
{
    given_back_t *given_back, *next_given_back;
    lease_t *lease, *next;

    HASH_ITER (hh, core->given_back, given_back, next_given_back)
    {
        if (given_back->old)
            forget_given_back (core, given_back);
        else
            given_back->old = true;
    }
    HASH_ITER (hh, core->leases, lease, next)
    {
        if (!lease->renewed)
            forget (core, run_of (core, lease->run), lease);
        else
            lease->renewed = false;
    }
    settle (core);
}

size_t ama_broker_core_held (const ama_broker_core_t *core)
{
    const lease_t *lease;
    size_t n = 0;

    for (lease = core->leases; lease; lease = lease->hh.next)
        n += lease->granted;
    return n;
}

void ama_broker_core_forget_wishes (ama_broker_core_t *core)
{
    lease_t *lease, *next;

    HASH_ITER (hh, core->leases, lease, next)
    {
        if (!lease->granted)
            forget (core, run_of (core, lease->run), lease);
    }
}
