/* broker_actor.h - the broker as an actor: leases of all agents that are there, and the life of the local one */
#ifndef AMA_BROKER_ACTOR_H
#define AMA_BROKER_ACTOR_H

#include "actors/runtime/ama_actor.h"

typedef struct {
    double cpus;     /* of this machine, for leases at its agent */
    uint64_t memory; /* bytes, likewise */
    const char *const *
        agent_argv; /* of the local agent, then the only one; NULL-terminated. NULL: agents are actors of this or another process and come by themselves */
    bool
        agent_joins; /* they may be of other machines, and any number: until they have come nobody knows what there is to lease */
    const char *const *agent_env; /* NULL: this process' own */
    const char *agent_lock;       /* file the agent holds with flock while it lives */
    const char *agent_log;        /* its stderr is appended here */
} ama_broker_conf_t;

/* Config: ama_broker_conf_t. */
extern const ama_actor_def_t ama_broker_def;

/* Leases that are granted now; state: of a live broker. For tests. */
size_t ama_broker_held (const void *state);

#endif
