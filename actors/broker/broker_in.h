/* broker_in.h - the inside of the broker's core, shared by broker_core.c, broker_place.c and broker_text.c, and by nobody else */
#ifndef AMA_BROKER_IN_H
#define AMA_BROKER_IN_H

#include "actors/broker/broker_core.h"
#include "messages/ama_envelope.h"

#include <uthash.h>

enum { BROKER_TEXT_ROOM = 256 };

/* cpus are counted in thousandths, so that many small leases add up exactly */
typedef int64_t millis_t;

typedef struct broker_agent {
    struct broker_agent *prev, *next; /* in the order in which they came */
    char name[AMA_NAME_MAX];
    bool known; /* it has said what its machine has; of another one only leases tell */
    bool here;
    bool kept; /* for a run in turn that waits for it; within one look for the next grant */
    millis_t cpus, used_cpus;
    uint64_t memory, used_memory;
    millis_t attempt_cpus; /* of all runs, sessions left out */
    uint64_t attempt_memory;
    size_t leases;
} broker_agent_t;

/* What a run holds at one agent. */
typedef struct {
    broker_agent_t *agent;
    size_t leases;
    millis_t session_cpus, attempt_cpus;
    uint64_t session_memory, attempt_memory;
} broker_share_t;

typedef struct broker_lease {
    UT_hash_handle hh;
    struct broker_lease *prev, *next; /* in the run's queue while it waits */
    ama_id_t id;
    ama_id_t run;
    millis_t cpus; /* all_cpus: known once it is granted */
    uint64_t memory;
    bool session;
    bool all_cpus;
    broker_agent_t *agent;       /* where it is granted; NULL while it waits */
    bool renewed;                /* asked for or granted since the last sweep */
    char told[BROKER_TEXT_ROOM]; /* the last reason for waiting */
} broker_lease_t;

typedef struct broker_run {
    UT_hash_handle hh;
    struct broker_run *prev, *next; /* in the order of turns while it has wishes */
    ama_id_t id;
    broker_lease_t *queue;
    size_t leases; /* granted and wished for */
    broker_share_t *shares;
    size_t n_shares;
} broker_run_t;

/* Of the agents that ever came; before that, of the one that will: what the largest has. n: how many there are. */
typedef struct {
    size_t n;
    millis_t cpus;
    uint64_t memory;
    bool both; /* one of them could do it */
} broker_best_t;

/* ---- broker_place.c: where there is room ---- */

/* What it has to lease, in thousandths of a cpu. */
millis_t broker_millis (double cpus);
/* NULL if there is none of that name. */
broker_agent_t *broker_agent_named (broker_agent_t *agents, const char *name);
/* Could the agent ever do it, if nothing else ran there? */
bool broker_could (const broker_agent_t *agent, const broker_lease_t *lease);
/* The agent to grant it at now, or NULL: where the run has its session, else where least is used. */
broker_agent_t *broker_choose (broker_agent_t *agents, const broker_run_t *run, const broker_lease_t *lease);
/* Takes the lease there, and gives back what was taken. */
void broker_take (broker_run_t *run, broker_lease_t *lease, broker_agent_t *agent);
void broker_give (broker_run_t *run, broker_lease_t *lease);

/* ---- broker_text.c ---- */

/* any: an agent is there; possible: one of those that are could do it; ahead: runs that hold something where it could be granted, or wait before it. */
void broker_text_wait (const broker_lease_t *lease, bool any, bool possible, size_t ahead, char text[BROKER_TEXT_ROOM]);
void broker_text_refusal (const broker_lease_t *lease, const broker_best_t *best, ama_err_t *ret_error);

#endif
