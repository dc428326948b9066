/* broker_core.h - who gets cpus and memory, in which order, and of which agent
 *
 * Pure: events in, effects out. The shell (broker_actor.c) performs the effects; tests drive the core alone.
 *
 * Invariants
 *  - the leases granted at an agent never add up to more than its machine has, except those that were held before this process started
 *  - a session of a run and the attempts of the same run at the same agent share: the run uses the larger of the two there
 *  - a lease is granted at an agent that is there and has room: where its run has a session, else where the smallest part of the machine
 *    is in use with it (of cpus or memory, whichever is scarcer); of equal ones at the one with more cpus, then at the first that came
 *  - runs take turns, first come first served within a run; the run whose turn it is is overtaken only by runs that hold a session,
 *    because it may be their session's end that it waits for, and at agents where its wish could never be granted
 *  - every request is answered once: granted, or refused because no agent that ever came could do it
 *  - a lease that was given back is not granted again: a request that comes late, or twice, finds it refused (for two sweeps at
 *    least, unless more than a hundred thousand others were given back meanwhile)
 */
#ifndef AMA_BROKER_CORE_H
#define AMA_BROKER_CORE_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_id.h"
#include "messages/lease.h"

typedef struct ama_broker_core ama_broker_core_t;

/* Known at a time, those that were there and may come again among them. */
#define AMA_BROKER_AGENTS_MAX 256

typedef struct {
    double cpus;     /* of an agent's machine, for leases; 0 < cpus < 1e6 */
    uint64_t memory; /* bytes, likewise */
} ama_broker_limits_t;

typedef enum {
    AMA_BROKER_GRANT,  /* answer the request for .granted */
    AMA_BROKER_REFUSE, /* answer it with .error; the lease is forgotten */
    AMA_BROKER_WAIT,   /* tell .waiting */
} ama_broker_effect_kind_t;

typedef struct {
    ama_broker_effect_kind_t kind;
    ama_id_t lease;
    const ama_lease_granted_t *granted; /* borrowed for the call, like those below */
    const ama_lease_waiting_t *waiting;
    const ama_err_t *error;
} ama_broker_effect_t;

/* Receives effects in the order in which they must be performed. May not call into the core. */
typedef void (ama_broker_effect_fn) (const ama_broker_effect_t *effect, void *arg);

/* own: what the one agent will have that is started here, by which requests are judged before it has come. NULL: agents join by themselves, and nothing
 * is refused for want of a larger one before ama_broker_core_complete. */
ama_broker_core_t *ama_broker_core_new (const ama_broker_limits_t *own, ama_broker_effect_fn *perform, void *arg);
void ama_broker_core_destroy (ama_broker_core_t **core);

/* A request came, or came again: one that is granted already is answered again at once. */
void ama_broker_core_request (ama_broker_core_t *core, const ama_lease_request_t *request);

/* A lease or a wish for one is no longer needed, or never will be: its request may still be on its way. */
void ama_broker_core_release (ama_broker_core_t *core, ama_id_t lease);

/* An agent is there, and its machine has this from now on; wishes that no agent can ever grant any more are refused. */
void ama_broker_core_agent_up (ama_broker_core_t *core, const char *name, const ama_broker_limits_t *limits);

/* May one more of that name come? One that is not there and has nothing leased is forgotten for it, the first that came before others. */
bool ama_broker_core_has_room (const ama_broker_core_t *core, const char *name);

/* It is not there any more: nothing is granted at it until it comes again. Its leases stay. */
void ama_broker_core_agent_gone (ama_broker_core_t *core, const char *name);

/* Agents that were there before this process have had the time to come: from now on what none of those that came could do is refused. */
void ama_broker_core_complete (ama_broker_core_t *core);

/* Forgets leases and wishes that were neither granted nor asked for again since the last sweep: whoever had them is gone, or what
 * gave them back was lost. */
void ama_broker_core_sweep (ama_broker_core_t *core);

/* Leases that are granted. */
size_t ama_broker_core_held (const ama_broker_core_t *core);

/* Wishes that nobody waits for any more (the supervisor went away) are dropped; granted leases stay. */
void ama_broker_core_forget_wishes (ama_broker_core_t *core);

#endif
