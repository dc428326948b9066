/* wiring.h - the actors of a whole system, started on one node: what amad and `ama run` have in common
 *
 * Knows every actor's configuration and the order of start: reporter, fetcher, planner, resolver, broker, supervisor, and (if asked for)
 * the agent as one more thread.
 */
#ifndef AMA_MASTER_WIRING_H
#define AMA_MASTER_WIRING_H

#include "actors/base/ama_err.h"
#include "actors/runtime/ama_node.h"

#include <stdbool.h>
#include <stdint.h>

/* All strings are borrowed until ama_system_start returns. */
typedef struct {
    const char *state_dir;    /* journal, reports, agent's files; made 0700 if absent */
    const char *cache_dir;    /* mirrors, snapshots, jars, Spark */
    const char *program_dir;  /* where ama-agent and ama-fetch-helper lie */
    const char *share_dir;    /* where the runners' scripts lie (agent/runners of the source tree, or its installed copy) */
    const char *hub_endpoint; /* for agents in processes of their own; NULL: none may join */
    bool agent_thread;        /* true: the agent is a thread of this process (`ama run`) */
    double cpus;              /* 0: this machine's */
    uint64_t memory;          /* bytes for leases; 0: this machine's less a reserve */
    const char *java_home;    /* environment of main, may be NULL; likewise below */
    const char *spark_home;
    const char *path;
    const char *lang;
    const char *tz;
    const char *home;
    const char *ssh_key;          /* fetch.ssh-key of amad.yaml, or NULL; likewise below */
    const char *known_hosts;
    const char *credentials_file; /* 0600: lines `NAME-OR-URL USER PASSWORD` */
    const char *const *credential_helpers; /* NULL-terminated, or NULL */
    const char *const *fetch_schemes;      /* NULL: the defaults for a system without tcp listener */
    const char *const *fetch_hosts;        /* NULL: any */
} ama_system_conf_t;

/* Reads and raises the epoch of the state folder, takes its lock. AMA_E_EXISTS: another process holds it (err names it).
 * *ret_epoch is for ama_node_conf_t.epoch. The lock is held until the process ends. */
int ama_system_claim (const char *state_dir, uint64_t *ret_epoch, ama_err_t *err);

/* Starts all actors on node. On error those already started are stopped by ama_node_destroy. */
int ama_system_start (ama_node_t *node, const ama_system_conf_t *conf, ama_err_t *err);

#endif
