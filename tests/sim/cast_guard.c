/* cast_guard.c - what the guards of an agent that is out of touch do, and whether an attempt may begin */
#include "tests/sim/cast_part.h"

#include <string.h>

enum {
    LEASE_MS = 1800000, /* of a job that does not say */
    SILENT_MS =
        12000, /* 15 s by docs/reference/maki.md; for 3 of them it may have been unheard before it was cut off */
    GRACE_MS = 60000
};

static int64_t real_lease_ms (int64_t lease_ms)
{
    return lease_ms ? lease_ms : LEASE_MS;
}

bool cast_lease_is_over (const cast_agent_t *agent, int64_t lease_ms)
{
    return agent->away && lease_ms >= 0
           && ama_sim_now_ms (agent->world->sim) - agent->away_ms >= real_lease_ms (lease_ms);
}

/* For how long its agent was cut off in one piece since it began, at most. */
static int64_t cut_off_ms (const cast_world_t *world, const cast_attempt_t *attempt)
{
    const cast_agent_t *agent = &world->agents[attempt->agent];
    int64_t since_ms = agent->off_ms > attempt->begun_ms ? agent->off_ms : attempt->begun_ms,
            now_ms = agent->off ? ama_sim_now_ms (world->sim) - since_ms : 0;

    return now_ms > attempt->cut_off_ms ? now_ms : attempt->cut_off_ms;
}

/* Nothing that it says can be heard, or it can again. */
static void unheard (cast_agent_t *agent, bool yes)
{
    cast_world_t *world = agent->world;

    if (agent->off == yes)
        return;
    cast_note (world, yes ? "cut_off" : "back", ",\"agent\":%u", agent->index);
    for (size_t i = 0; i < world->n_attempts; i++)
        if (world->attempts[i].agent == agent->index)
            world->attempts[i].cut_off_ms = cut_off_ms (world, &world->attempts[i]);
    agent->off = yes;
    agent->off_ms = ama_sim_now_ms (world->sim);
}

void cast_agent_cut_off (cast_agent_t *agent, bool yes)
{
    agent->cut = yes;
    if (yes || !agent->away) /* else it has to join first */
        unheard (agent, yes);
}

void cast_agent_in_touch (cast_agent_t *agent, bool yes)
{
    if (!yes && !agent->away)
        agent->away_ms = ama_sim_now_ms (agent->world->sim);
    agent->away = !yes;
    unheard (agent, !yes || agent->cut); /* one that begins as it is cut off joins, and is not heard all the same */
}

/* Nobody could hear of it, and its job says that nobody need wait, or its time and a grace are over. */
static bool may_be_given_up (const cast_world_t *world, const cast_attempt_t *attempt)
{
    int64_t least_ms = attempt->rerun ? SILENT_MS : real_lease_ms (attempt->lease_ms) + GRACE_MS;

    return (attempt->rerun || attempt->lease_ms >= 0) && cut_off_ms (world, attempt) >= least_ms;
}

/* No attempt of an action that succeeded, none beside another. */
void cast_check_start (cast_world_t *world, const ama_attempt_start_t *start)
{
    for (size_t i = 0; i < world->n_attempts; i++) {
        const cast_attempt_t *other = &world->attempts[i];
        if (!ama_id_equal (other->run, start->run) || strcmp (other->action, start->action) != 0)
            continue;
        if (other->ended && other->outcome == AMA_ATTEMPT_STATE_SUCCEEDED && !may_be_given_up (world, other))
            cast_break (world, "%s is started again after it succeeded", start->action);
        if (other->running && !cast_lease_is_over (&world->agents[other->agent], other->lease_ms)
            && !(other->rerun && may_be_given_up (world, other)))
            cast_break (world, "%s is started beside an attempt that runs", start->action);
    }
}
