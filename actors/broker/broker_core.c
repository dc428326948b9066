/* broker_core.c - leases at all agents: turns, reasons for waiting. No I/O. */
#include "actors/broker/broker_in.h"

#include "actors/base/ama_str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { GIVEN_BACK_MAX = 100000 };

/* A lease that was given back. */
typedef struct {
    UT_hash_handle hh;
    ama_id_t id;
    bool old; /* a sweep has seen it */
} given_back_t;

struct ama_broker_core {
    broker_agent_t *agents;
    broker_agent_t own; /* until an agent has come: what its machine will have; known if that is known */
    bool complete;      /* who has not come yet is not waited for */
    broker_lease_t *leases;
    given_back_t *given_back; /* the one of longest ago first */
    broker_run_t *runs;
    broker_run_t *turns; /* runs with wishes; the first one is next */
    size_t holders;      /* runs that hold something */
    ama_broker_effect_fn *perform;
    void *arg;
};

static void set_limits (broker_agent_t *agent, const ama_broker_limits_t *limits)
{
    agent->known = true;
    agent->cpus = broker_millis (limits->cpus);
    agent->memory = limits->memory;
}

ama_broker_core_t *ama_broker_core_new (const ama_broker_limits_t *own, ama_broker_effect_fn *perform, void *arg)
{
    ama_broker_core_t *core = ama_calloc (1, sizeof *core);

    if (own)
        set_limits (&core->own, own);
    core->complete = own != NULL;
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

static void forget_agent (ama_broker_core_t *core, broker_agent_t *agent)
{
    /* utlist: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    DL_DELETE (core->agents, agent);
    free (agent);
}

void ama_broker_core_destroy (ama_broker_core_t **core_p)
{
    ama_broker_core_t *core = *core_p;
    broker_lease_t *lease, *next_lease;
    broker_run_t *run, *next_run;

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
        free (run->shares);
        free (run);
    }
    while (core->agents)
        forget_agent (core, core->agents);
    while (core->given_back)
        forget_given_back (core, core->given_back); /* uthash: NOLINT(clang-analyzer-unix.Malloc) */
    free (core);
    *core_p = NULL;
}

/* ---- agents ---- */

static broker_agent_t *agent_of (ama_broker_core_t *core, const char *name)
{
    broker_agent_t *agent = broker_agent_named (core->agents, name);

    if (!agent) {
        agent = ama_calloc (1, sizeof *agent);
        (void) snprintf (agent->name, sizeof agent->name, "%s", name);
        DL_APPEND (core->agents, agent);
    }
    return agent;
}

static void take (ama_broker_core_t *core, broker_run_t *run, broker_lease_t *lease, broker_agent_t *agent)
{
    core->holders += run->n_shares == 0;
    broker_take (run, lease, agent);
    lease->renewed = true;
}

static void give (ama_broker_core_t *core, broker_run_t *run, broker_lease_t *lease)
{
    broker_agent_t *agent = lease->agent;

    broker_give (run, lease);
    core->holders -= run->n_shares == 0;
    if (!agent->known && !agent->leases)
        forget_agent (core, agent);
}

/* ---- runs and their turns ---- */

static broker_run_t *run_of (ama_broker_core_t *core, ama_id_t id)
{
    broker_run_t *run;

    HASH_FIND (hh, core->runs, &id, sizeof id, run);
    if (!run) {
        run = ama_calloc (1, sizeof *run);
        run->id = id;
        HASH_ADD (hh, core->runs, id, sizeof run->id, run);
    }
    return run;
}

static void wish (ama_broker_core_t *core, broker_run_t *run, broker_lease_t *lease)
{
    if (!run->queue)
        DL_APPEND (core->turns, run);
    DL_APPEND (run->queue, lease);
}

static void unwish (ama_broker_core_t *core, broker_run_t *run, broker_lease_t *lease)
{
    DL_DELETE (run->queue, lease);
    if (!run->queue)
        DL_DELETE (core->turns, run);
}

static void forget (ama_broker_core_t *core, broker_run_t *run, broker_lease_t *lease)
{
    if (lease->agent)
        give (core, run, lease);
    else
        unwish (core, run, lease);
    HASH_DEL (core->leases, lease);
    free (lease);
    if (--run->leases == 0) {
        HASH_DEL (core->runs, run);
        free (run->shares);
        free (run);
    }
}

/* ---- effects ---- */

static void tell_grant (ama_broker_core_t *core, const broker_lease_t *lease)
{
    ama_lease_granted_t granted = {
        .lease = lease->id, .agent = lease->agent->name, .cpus = (double) lease->cpus / 1000, .memory = lease->memory
    };

    core->perform (&(ama_broker_effect_t){ .kind = AMA_BROKER_GRANT, .lease = lease->id, .granted = &granted },
                   core->arg);
}

static bool is_possible_here (const ama_broker_core_t *core, const broker_lease_t *lease, bool *ret_any)
{
    const broker_agent_t *agent;
    bool possible = false;

    *ret_any = false;
    DL_FOREACH (core->agents, agent)
    {
        *ret_any |= agent->here;
        possible |= agent->here && broker_could (agent, lease);
    }
    return possible;
}

/* Says why the run's first wish waits, if that has changed. ahead: other runs that hold something or wait before it. */
static void tell_wait (ama_broker_core_t *core, const broker_run_t *run, size_t ahead)
{
    broker_lease_t *lease = run->queue;
    ama_lease_waiting_t waiting = { .lease = lease->id, .run = run->id };
    char text[BROKER_TEXT_ROOM];
    bool any, possible = is_possible_here (core, lease, &any);

    broker_text_wait (lease, any, possible, ahead, text);
    if (strcmp (text, lease->told) == 0)
        return;
    memcpy (lease->told, text, sizeof text);
    waiting.text = text;
    core->perform (&(ama_broker_effect_t){ .kind = AMA_BROKER_WAIT, .lease = lease->id, .waiting = &waiting },
                   core->arg);
}

/* ---- turns ---- */

/* Who waits keeps the agents that could do it from those whose turn comes later: it would never find one of them free. */
static void keep (ama_broker_core_t *core, const broker_lease_t *lease)
{
    broker_agent_t *agent;

    DL_FOREACH (core->agents, agent)
    {
        agent->kept |= broker_could (agent, lease);
    }
}

/* The first in turn for which there is room, and where. */
static broker_run_t *next_served (ama_broker_core_t *core, broker_agent_t **ret_agent)
{
    broker_agent_t *agent;
    broker_run_t *run;

    DL_FOREACH (core->agents, agent)
    {
        agent->kept = false;
    }
    DL_FOREACH (core->turns, run)
    {
        *ret_agent = broker_choose (core->agents, run, run->queue);
        if (*ret_agent)
            return run;
        keep (core, run->queue);
    }
    return NULL;
}

static bool grant_next (ama_broker_core_t *core)
{
    broker_agent_t *agent;
    broker_run_t *run = next_served (core, &agent);
    broker_lease_t *lease;

    if (!run)
        return false;
    lease = run->queue;
    unwish (core, run, lease);
    if (run->queue) { /* its next wish waits for the others' turn */
        DL_DELETE (core->turns, run);
        DL_APPEND (core->turns, run);
    }
    take (core, run, lease, agent);
    tell_grant (core, lease);
    return true;
}

static bool holds_where (const broker_run_t *run, const broker_lease_t *lease)
{
    for (size_t i = 0; i < run->n_shares; i++) {
        if (broker_could (run->shares[i].agent, lease))
            return true;
    }
    return false;
}

/* Other runs that hold something where the wish could be granted. */
static size_t holders_ahead (const ama_broker_core_t *core, const broker_run_t *run)
{
    const broker_run_t *other;
    size_t n = 0;

    if (!core->agents || !core->agents->next)
        return core->holders - (run->n_shares > 0);
    for (other = core->runs; other; other = other->hh.next)
        n += other != run && holds_where (other, run->queue);
    return n;
}

static void settle (ama_broker_core_t *core)
{
    size_t before = 0;
    broker_run_t *run;

    while (grant_next (core))
        ;
    DL_FOREACH (core->turns, run)
    {
        tell_wait (core, run, holders_ahead (core, run) + before);
        before += run->n_shares == 0;
    }
}

/* ---- what can never be ---- */

static void look_at (broker_best_t *best, const broker_agent_t *agent, const broker_lease_t *lease)
{
    if (!agent->known)
        return;
    best->n++;
    best->cpus = agent->cpus > best->cpus ? agent->cpus : best->cpus;
    best->memory = agent->memory > best->memory ? agent->memory : best->memory;
    best->both |= broker_could (agent, lease);
}

static broker_best_t best_of (const ama_broker_core_t *core, const broker_lease_t *lease)
{
    const broker_agent_t *agent;
    broker_best_t best = { 0 };

    DL_FOREACH (core->agents, agent)
    {
        look_at (&best, agent, lease);
    }
    if (!best.n)
        look_at (&best, &core->own, lease);
    return best;
}

static void refuse (ama_broker_core_t *core, const broker_lease_t *lease, const broker_best_t *best)
{
    ama_err_t error = { 0 };

    broker_text_refusal (lease, best, &error);
    core->perform (&(ama_broker_effect_t){ .kind = AMA_BROKER_REFUSE, .lease = lease->id, .error = &error }, core->arg);
}

/* True if it was refused. */
static bool refused (ama_broker_core_t *core, const broker_lease_t *lease)
{
    broker_best_t best = best_of (core, lease);
    bool senseless = !lease->all_cpus && lease->cpus <= 0;

    if (!senseless && (best.both || !best.n || !core->complete))
        return false;
    refuse (core, lease, &best);
    return true;
}

/* ---- events ---- */

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

/* agent: where the supervisor holds it, "" if it does not know of a grant. */
static void request_again (ama_broker_core_t *core, broker_lease_t *lease, const char *agent)
{
    broker_run_t *run = run_of (core, lease->run);

    lease->renewed = true;
    if (*agent && (!lease->agent || strcmp (lease->agent->name, agent) != 0)) {
        if (lease->agent)
            give (core, run, lease);
        else
            unwish (core, run, lease);
        take (core, run, lease, agent_of (core, agent));
        tell_grant (core, lease);
        settle (core);
        return;
    }
    if (!*agent && lease->agent && !lease->agent->here) { /* nobody uses it there, or ever will */
        give (core, run, lease);
        lease->cpus = lease->all_cpus ? 0 : lease->cpus;
        wish (core, run, lease);
        settle (core);
        return;
    }
    if (lease->agent)
        tell_grant (core, lease);
}

void ama_broker_core_request (ama_broker_core_t *core, const ama_lease_request_t *request)
{
    bool held = request->agent[0] != '\0';
    broker_lease_t *lease, asked = { .id = request->lease,
                                     .run = request->run,
                                     .cpus = request->all_cpus && !held ? 0 : broker_millis (request->cpus),
                                     .memory = request->memory,
                                     .session = request->session,
                                     .all_cpus = request->all_cpus,
                                     .renewed = true };
    broker_run_t *run;

    HASH_FIND (hh, core->leases, &request->lease, sizeof request->lease, lease);
    if (lease) {
        request_again (core, lease, request->agent);
        return;
    }
    if (find_given_back (core, request->lease)) {
        refuse_given_back (core, request->lease);
        return;
    }
    if (!held && refused (core, &asked))
        return;
    lease = ama_calloc (1, sizeof *lease);
    *lease = asked;
    HASH_ADD (hh, core->leases, id, sizeof lease->id, lease);
    run = run_of (core, request->run);
    run->leases++;
    if (held) {
        take (core, run, lease, agent_of (core, request->agent));
        tell_grant (core, lease);
        return;
    }
    wish (core, run, lease);
    settle (core);
}

void ama_broker_core_release (ama_broker_core_t *core, ama_id_t id)
{
    broker_lease_t *lease;

    remember_given_back (core, id);
    HASH_FIND (hh, core->leases, &id, sizeof id, lease);
    if (!lease)
        return;
    forget (core, run_of (core, lease->run), lease);
    settle (core);
}

/* Of other agents than when they were made. */
static void judge_again (ama_broker_core_t *core)
{
    broker_lease_t *lease, *next;

    HASH_ITER (hh, core->leases, lease, next)
    {
        if (!lease->agent && refused (core, lease))
            forget (core, run_of (core, lease->run), lease);
    }
}

/* Who is not there and has nothing makes room for others. */
static bool is_forgettable (const broker_agent_t *agent)
{
    return !agent->here && !agent->leases;
}

bool ama_broker_core_has_room (const ama_broker_core_t *core, const char *name)
{
    const broker_agent_t *agent;
    size_t n = 0;

    DL_FOREACH (core->agents, agent)
    {
        if (strcmp (agent->name, name) == 0)
            return true;
        n += !is_forgettable (agent);
    }
    return n < AMA_BROKER_AGENTS_MAX;
}

static void make_room (ama_broker_core_t *core)
{
    broker_agent_t *agent, *oldest = NULL;
    size_t n = 0;

    DL_FOREACH (core->agents, agent)
    {
        n++;
        if (!oldest && is_forgettable (agent))
            oldest = agent;
    }
    if (n >= AMA_BROKER_AGENTS_MAX && oldest)
        forget_agent (core, oldest);
}

void ama_broker_core_agent_up (ama_broker_core_t *core, const char *name, const ama_broker_limits_t *limits)
{
    broker_agent_t *agent;

    if (!broker_agent_named (core->agents, name))
        make_room (core);
    agent = agent_of (core, name);
    set_limits (agent, limits);
    agent->here = true;
    judge_again (core);
    settle (core);
}

void ama_broker_core_agent_gone (ama_broker_core_t *core, const char *name)
{
    broker_agent_t *agent = broker_agent_named (core->agents, name);

    if (!agent)
        return;
    agent->here = false;
    settle (core);
}

void ama_broker_core_complete (ama_broker_core_t *core)
{
    core->complete = true;
    judge_again (core);
}

void ama_broker_core_sweep (ama_broker_core_t *core)
{
    given_back_t *given_back, *next_given_back;
    broker_lease_t *lease, *next;

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
    const broker_lease_t *lease;
    size_t n = 0;

    for (lease = core->leases; lease; lease = lease->hh.next)
        n += lease->agent != NULL;
    return n;
}

void ama_broker_core_forget_wishes (ama_broker_core_t *core)
{
    broker_lease_t *lease, *next;

    HASH_ITER (hh, core->leases, lease, next)
    {
        if (!lease->agent)
            forget (core, run_of (core, lease->run), lease);
    }
}
