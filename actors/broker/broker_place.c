/* broker_place.c - agents, what is used of them, and at which of them a lease is granted. No I/O. */
#include "actors/broker/broker_in.h"

#include "actors/base/ama_str.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

millis_t broker_millis (double cpus)
{
    return cpus > 0 && cpus < 1e6 ? (millis_t) (cpus * 1000 + 0.5) : 0;
}

broker_agent_t *broker_agent_named (broker_agent_t *agents, const char *name)
{
    broker_agent_t *agent;

    DL_FOREACH (agents, agent)
    {
        if (strcmp (agent->name, name) == 0)
            return agent;
    }
    return NULL;
}

static millis_t larger (millis_t a, millis_t b)
{
    return a > b ? a : b;
}

static uint64_t larger_size (uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static broker_share_t *share_at (const broker_run_t *run, const broker_agent_t *agent)
{
    for (size_t i = 0; i < run->n_shares; i++) {
        if (run->shares[i].agent == agent)
            return &run->shares[i];
    }
    return NULL;
}

static bool holds_session (const broker_run_t *run)
{
    for (size_t i = 0; i < run->n_shares; i++) {
        if (run->shares[i].session_cpus)
            return true;
    }
    return false;
}

static millis_t wanted (const broker_agent_t *agent, const broker_lease_t *lease)
{
    return lease->all_cpus ? agent->cpus : lease->cpus;
}

bool broker_could (const broker_agent_t *agent, const broker_lease_t *lease)
{
    return agent->known && wanted (agent, lease) <= agent->cpus && lease->memory <= agent->memory;
}

/* What the agent would have to give beyond what it gives the run already: its session and its attempts there share. */
static void more (const broker_agent_t *agent, const broker_share_t *share, const broker_lease_t *lease,
                  millis_t *ret_cpus, uint64_t *ret_memory)
{
    const broker_share_t none = { 0 };
    const broker_share_t *now = share ? share : &none;
    millis_t cpus = wanted (agent, lease);
    millis_t session = now->session_cpus + (lease->session ? cpus : 0);
    millis_t attempts = now->attempt_cpus + (lease->session ? 0 : cpus);
    uint64_t session_memory = now->session_memory + (lease->session ? lease->memory : 0);
    uint64_t attempt_memory = now->attempt_memory + (lease->session ? 0 : lease->memory);

    *ret_cpus = larger (session, attempts) - larger (now->session_cpus, now->attempt_cpus);
    *ret_memory = larger_size (session_memory, attempt_memory) - larger_size (now->session_memory, now->attempt_memory);
}

static bool fits (const broker_agent_t *agent, const broker_share_t *share, const broker_lease_t *lease)
{
    millis_t cpus;
    uint64_t memory;

    more (agent, share, lease, &cpus, &memory);
    return (cpus == 0 || agent->used_cpus + cpus <= agent->cpus)
           && (memory == 0 || agent->used_memory + memory <= agent->memory);
}

/* Two runs that hold sessions, each waiting for the other's to end, would wait for ever: their attempts there overlook sessions, if they must. */
static bool fits_beside_sessions (const broker_agent_t *agent, const broker_share_t *share, const broker_lease_t *lease)
{
    return !lease->session && share && share->session_cpus && agent->attempt_cpus + wanted (agent, lease) <= agent->cpus
           && agent->attempt_memory + lease->memory <= agent->memory;
}

/* Part of the machine that is in use when the lease is granted there: of cpus or of memory, whichever is scarcer. */
static double load_with (const broker_agent_t *agent, const broker_share_t *share, const broker_lease_t *lease)
{
    millis_t cpus;
    uint64_t memory;
    double of_cpus, of_memory;

    more (agent, share, lease, &cpus, &memory);
    of_cpus = (double) (agent->used_cpus + cpus) / (double) agent->cpus;
    of_memory = agent->memory ? (double) (agent->used_memory + memory) / (double) agent->memory : 0;
    return of_cpus > of_memory ? of_cpus : of_memory;
}

broker_agent_t *broker_choose (broker_agent_t *agents, const broker_run_t *run, const broker_lease_t *lease)
{
    bool passes = holds_session (run); /* what a run before it waits for may be the end of that session */
    broker_agent_t *agent, *best = NULL, *last_resort = NULL;
    double least = 0;

    DL_FOREACH (agents, agent)
    {
        const broker_share_t *share = share_at (run, agent);
        double load;

        if (!agent->here || (agent->kept && !passes) || !broker_could (agent, lease))
            continue;
        if (!fits (agent, share, lease)) {
            if (!last_resort && fits_beside_sessions (agent, share, lease))
                last_resort = agent;
            continue;
        }
        if (share && share->session_cpus)
            return agent;
        load = load_with (agent, share, lease);
        if (!best || load < least || (!(load > least) && agent->cpus > best->cpus)) {
            best = agent;
            least = load;
        }
    }
    return best ? best : last_resort;
}

/* Adds (sign 1) or takes away (sign -1). */
static void account (broker_share_t *share, const broker_lease_t *lease, int sign)
{
    broker_agent_t *agent = share->agent;

    agent->used_cpus -= larger (share->session_cpus, share->attempt_cpus);
    agent->used_memory -= larger_size (share->session_memory, share->attempt_memory);
    agent->attempt_cpus += lease->session ? 0 : sign * lease->cpus;
    agent->attempt_memory += lease->session ? 0 : (uint64_t) sign * lease->memory;
    *(lease->session ? &share->session_cpus : &share->attempt_cpus) += sign * lease->cpus;
    *(lease->session ? &share->session_memory : &share->attempt_memory) += (uint64_t) sign * lease->memory;
    agent->used_cpus += larger (share->session_cpus, share->attempt_cpus);
    agent->used_memory += larger_size (share->session_memory, share->attempt_memory);
}

void broker_take (broker_run_t *run, broker_lease_t *lease, broker_agent_t *agent)
{
    broker_share_t *share = share_at (run, agent);

    if (!share) {
        run->shares = ama_realloc (run->shares, (run->n_shares + 1) * sizeof *run->shares);
        share = &run->shares[run->n_shares++];
        *share = (broker_share_t){ .agent = agent };
    }
    lease->cpus = lease->all_cpus && !lease->cpus ? agent->cpus : lease->cpus;
    lease->agent = agent;
    agent->leases++;
    share->leases++;
    account (share, lease, 1);
}

void broker_give (broker_run_t *run, broker_lease_t *lease)
{
    broker_share_t *share = share_at (run, lease->agent);

    account (share, lease, -1);
    lease->agent->leases--;
    lease->agent = NULL;
    if (--share->leases == 0)
        *share = run->shares[--run->n_shares];
}
