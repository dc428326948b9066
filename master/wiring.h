/* wiring.h - the actors of a whole system, started on one node: what amad and `ama run` have in common
 *
 * Knows every actor's configuration and the order of start: reporter, fetcher, planner, resolver, broker, supervisor, and (if asked for)
 * the agent as one more thread. What is placed elsewhere it leaves out, or starts as a process.
 */
#ifndef AMA_MASTER_WIRING_H
#define AMA_MASTER_WIRING_H

#include "actors/base/ama_err.h"
#include "actors/runtime/ama_node.h"
#include "messages/ama_types.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct ama_journal ama_journal_t;

typedef struct ama_system ama_system_t;
typedef struct ama_policy_file ama_policy_file_t;

/* Strings are borrowed until ama_system_destroy, but those of program_dir and share_dir only until ama_system_start returns. */
typedef struct {
    const char *state_dir;   /* reports, agent's files; made 0700 if absent */
    const char *cache_dir;   /* mirrors, snapshots, jars, Spark */
    const char *program_dir; /* where ama-agent and ama-fetch-helper lie */
    const char
        *share_dir; /* where the runners' scripts lie (agent/runners of the source tree, or its installed copy) */
    const char *hub_endpoint; /* for agents in processes of their own; NULL: none may join */
    const char *const
        *processes;             /* NULL-terminated names of actors in processes of their own, or NULL; likewise below */
    const char *const *remotes; /* actors that join by themselves */
    const char *const
        *again;            /* NULL-terminated options that amad was started with, for its actors' processes; or NULL */
    bool agent_thread;     /* true: the agent is a thread of this process (`ama run`) */
    bool depot;            /* not all have this disk: files go by the depot */
    bool agent_joins;      /* true: it is a service of its own, nobody starts it here */
    double cpus;           /* 0: this machine's */
    uint64_t memory;       /* bytes for leases; 0: this machine's less a reserve */
    const char *java_home; /* environment of main, may be NULL; likewise below */
    const char *spark_home;
    const char *path;
    const char *lang;
    const char *tz;
    const char *home;
    const char *jupyter_path;
    const char *ssh_key; /* fetch.ssh-key of amad.yaml, or NULL; likewise below */
    const char *known_hosts;
    const char *credentials_file;          /* 0600: lines `NAME-OR-URL USER PASSWORD` */
    const char *const *credential_helpers; /* NULL-terminated, or NULL */
    const char *const *fetch_schemes;      /* NULL: the defaults for a system without tcp listener */
    const char *const *fetch_hosts;        /* NULL: any */
    uint64_t keep_runs;                    /* that ended; 0: all */
    int64_t keep_ms;                       /* since the end of a run; 0: for ever */
    int64_t cache_age_ms;                  /* of what no run uses; 0: for ever */
    int64_t work_age_ms;                   /* working data of runs, since their end; 0: for ever */
    uint64_t cache_bytes;                  /* 0: any number */
    const char *const *fetch_local_paths;  /* NULL: all, unless schemes leave out `file` */
    ama_policy_file_t *policy;             /* NULL: whoever has the role for it may submit everything */
    bool no_sandbox;                       /* sandbox: none */
    ama_sandbox_level_t sandbox_required;  /* no action runs with less; unspecified: whatever the machine gives */
    const char *const *sandbox_read;       /* NULL-terminated, or NULL; likewise below */
    const char *const *sandbox_write;
    const char *const *sandbox_cgroups;
    const char *secrets_dir;         /* files ENV/NAME, or NULL */
    const char *credentials_dir;     /* systemd's, for the agent as a thread; or NULL */
    const char *const *secrets_exec; /* words of a program, or NULL */
} ama_system_conf_t;

/* Where the scripts of the runners lie for a program in program_dir: <program_dir>/../share/amaterasu of an installation, else the source tree
 * above a build folder. Returns owned, or NULL with AMA_E_NOT_FOUND in err. */
char *ama_system_share_dir (const char *program_dir, ama_err_t *err);

/* The folder of the running program. Returns owned, or NULL with AMA_E_IO in err. */
char *ama_system_program_dir (ama_err_t *err);

/* Opens the journal of the state folder (made if absent), which takes its lock. AMA_E_EXISTS: another process holds it. *ret_epoch is for
 * ama_node_conf_t.epoch; the journal is for ama_system_start. */
int ama_system_claim (const char *state_dir, ama_journal_t **ret_journal, uint64_t *ret_epoch, ama_err_t *err);
void ama_system_disclaim (ama_journal_t **journal); /* if it was not started after all */

/* Starts all actors on node. Takes *journal. On error those already started are stopped by ama_node_destroy. *ret_system holds what they were
 * configured with, also on error: destroy it after the node. */
int ama_system_start (ama_node_t *node, const ama_system_conf_t *conf, ama_journal_t **journal,
                      ama_system_t **ret_system, ama_err_t *err);
void ama_system_destroy (ama_system_t **system);

/* Runs one actor on node, which is connected to the hub of another process, until it ends or is stopped. AMA_E_USAGE: name is none of those that can
 * be elsewhere; else what it ended with. *ret_system as above. */
int ama_system_run_actor (ama_node_t *node, const ama_system_conf_t *conf, const char *name, ama_system_t **ret_system,
                          ama_err_t *err);

/* AMA_E_USAGE: there is none of that name that can be elsewhere; the text says why. */
int ama_system_may_be_elsewhere (const char *name, ama_err_t *err);

#endif
