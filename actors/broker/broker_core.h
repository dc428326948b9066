/* broker_core.h - who gets this machine's cpus and memory, and in which order
 *
 * Pure: events in, effects out. The shell (broker_actor.c) performs the effects; tests drive the core alone.
 *
 * Invariants
 *  - the leases granted never add up to more than the machine has, except those that were held before this process started
 *  - a session of a run and the attempts of the same run share: the run uses the larger of the two
 *  - runs take turns, first come first served within a run; the run whose turn it is is overtaken only by runs that hold a session,
 *    because it may be their session's end that it waits for
 *  - every request is answered once: granted, or refused because this machine could never do it
 *  - a lease that was given back is not granted again: a request that comes late, or twice, finds it refused (for two sweeps at
 *    least, unless more than a hundred thousand others were given back meanwhile)
 */
#ifndef AMA_BROKER_CORE_H
#define AMA_BROKER_CORE_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_id.h"
#include "messages/lease.h"

typedef struct ama_broker_core ama_broker_core_t;

typedef struct {
    double cpus;     /* of this machine, for leases */
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

ama_broker_core_t *ama_broker_core_new (const ama_broker_limits_t *limits, ama_broker_effect_fn *perform, void *arg);
void ama_broker_core_destroy (ama_broker_core_t **core);

/* A request came, or came again: one that is granted already is answered again at once. */
void ama_broker_core_request (ama_broker_core_t *core, const ama_lease_request_t *request);

/* A lease or a wish for one is no longer needed, or never will be: its request may still be on its way. */
void ama_broker_core_release (ama_broker_core_t *core, ama_id_t lease);

/* The agent that runs what is leased is there (name), or is not (NULL): then everybody waits. Leases stay. limits: of its machine from now on, or
 * NULL for those there were; wishes that can never be granted there are refused. */
void ama_broker_core_agent (ama_broker_core_t *core, const char *name, const ama_broker_limits_t *limits);

/* Forgets leases and wishes that were neither granted nor asked for again since the last sweep: whoever had them is gone, or what
 * gave them back was lost. */
void ama_broker_core_sweep (ama_broker_core_t *core);

/* Leases that are granted. */
size_t ama_broker_core_held (const ama_broker_core_t *core);

/* Wishes that nobody waits for any more (the supervisor went away) are dropped; granted leases stay. */
void ama_broker_core_forget_wishes (ama_broker_core_t *core);

#endif
