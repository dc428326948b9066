/* broker_actor.h - the broker as an actor: leases of this machine, and the local agent that runs what is leased */
#ifndef AMA_BROKER_ACTOR_H
#define AMA_BROKER_ACTOR_H

#include "actors/runtime/ama_actor.h"

typedef struct {
    double cpus;     /* for leases of this machine */
    uint64_t memory; /* bytes, likewise */
    const char *const
        *agent_argv;  /* NULL-terminated; NULL: the agent is an actor of this or another process and comes by itself */
    bool agent_joins; /* it may be one of another machine: until it has come nobody knows what there is to lease */
    const char *const *agent_env; /* NULL: this process' own */
    const char *agent_lock;       /* file the agent holds with flock while it lives */
    const char *agent_log;        /* its stderr is appended here */
} ama_broker_conf_t;

/* Config: ama_broker_conf_t. */
extern const ama_actor_def_t ama_broker_def;

/* Leases that are granted now; state: of a live broker. For tests. */
size_t ama_broker_held (const void *state);

#endif
