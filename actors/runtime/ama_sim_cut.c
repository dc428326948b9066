/* ama_sim_cut.c - actors that live and are cut off from the hub; see ama_sim.h
 *
 * As a connection over tcp: what is said meanwhile waits in its buffers, in both directions. If it ends before either side has found out, all arrives, late; else the
 * connection is another one when it ends, what waited is lost, others have heard that the actor is gone, and it joins anew.
 */
#include "actors/runtime/ama_sim_in.h"

#include <stdlib.h>
#include <utlist.h>

static void notice (ama_sim_t *sim, sim_actor_t *actor, sim_kind_t kind, int64_t after_ms)
{
    sim_event_t *event = ama_calloc (1, sizeof *event);

    event->kind = kind;
    event->dst = actor;
    event->dst_incarnation = actor->incarnation;
    event->off = actor->off;
    sim_push (sim, event, sim->now_ms + after_ms);
}

void ama_sim_cut_off (ama_sim_t *sim, const char *name, int64_t hub_ms, int64_t own_ms)
{
    sim_actor_t *actor = sim_find (sim, name);

    if (!actor || actor->off)
        return;
    actor->off = ++sim->n_off;
    actor->severed = !actor->ctx;
    sim_trace_actor (sim, "off", actor);
    notice (sim, actor, SIM_NOTICE_HUB, hub_ms);
    notice (sim, actor, SIM_NOTICE_OWN, own_ms);
}

static void part (ama_sim_t *sim, sim_actor_t *actor)
{
    actor->parted = true;
    sim_trace_actor (sim, "parted", actor);
    ama_ctx_parted (actor->ctx);
}

void sim_notice_cut (ama_sim_t *sim, sim_event_t *found)
{
    sim_actor_t *actor = found->dst;

    if (actor->off != found->off || (found->kind == SIM_NOTICE_OWN && found->dst_incarnation != actor->incarnation))
        return;
    actor->severed = true;
    if (found->kind == SIM_NOTICE_HUB && actor->member)
        sim_tell_gone (sim, actor);
    if (found->kind == SIM_NOTICE_OWN && actor->ctx)
        part (sim, actor);
}

static bool crosses (const sim_event_t *event, const sim_actor_t *actor)
{
    return event->kind == SIM_DELIVER && (event->src == actor || event->dst == actor);
}

bool sim_holds (ama_sim_t *sim, sim_event_t *event)
{
    if (event->dropped || (!event->dst->off && !(event->src && event->src->off)))
        return false;
    DL_APPEND (sim->held, event);
    return true;
}

void sim_drop_held (ama_sim_t *sim, const sim_actor_t *src, uint64_t since)
{
    sim_event_t *event;

    DL_FOREACH (sim->held, event)
    {
        event->dropped |= event->src == src && event->order > since;
    }
}

/* What waited for this connection goes on, or is lost with it. */
static void release (ama_sim_t *sim, const sim_actor_t *actor, bool lost)
{
    sim_event_t *event, *next;

    for (size_t i = 0; lost && i < sim->n_events; i++)
        sim->heap[i]->dropped |= crosses (sim->heap[i], actor);
    DL_FOREACH_SAFE (sim->held, event, next)
    {
        if (!crosses (event, actor))
            continue;
        DL_DELETE (sim->held, event);
        event->dropped |= lost;
        sim_send_event (sim, event);
    }
}

void ama_sim_reconnect (ama_sim_t *sim, const char *name)
{
    sim_actor_t *actor = sim_find (sim, name);

    if (!actor || !actor->off)
        return;
    actor->off = 0;
    sim_trace_actor (sim, "back", actor);
    release (sim, actor, actor->severed);
    if (!actor->severed)
        return;
    if (actor->member)
        sim_tell_gone (sim, actor);
    if (!actor->ctx)
        return;
    if (!actor->parted)
        part (sim, actor);
    actor->member = true;
    sim_join (sim, actor);
}
