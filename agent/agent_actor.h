/* agent_actor.h - the agent: runs attempts and the Spark sessions they share, and tells what becomes of them
 *
 * Hosted by the program ama-agent, whose hub is amad's, or by a thread of `ama run`. Asked by the supervisor; tells the broker what it holds at
 * every (re)connection, the reporter what happens, the supervisor what becomes of it. While the hub is away attempts go on.
 */
#ifndef AMA_AGENT_ACTOR_H
#define AMA_AGENT_ACTOR_H

#include "actors/runtime/ama_actor.h"
#include "messages/ama_types.h"

#include <stdbool.h>
#include <stdint.h>

extern const ama_actor_def_t ama_agent_def;

/* Strings are copied by init. */
typedef struct {
    const char *dir;         /* absolute, exists: folders of runs, unacknowledged ends, sockets of kernels */
    const char *cache_dir;   /* Spark, class archives; shared with others */
    const char *runners_dir; /* agent/runners of the source tree, or its installed copy; NULL: shell only */
    const char *guard;       /* path of ama-guard; NULL: no guard */
    const char *ward;        /* path of ama-ward */
    double cpus;             /* offered for leases */
    uint64_t memory;         /* bytes, likewise */
    const char *path;        /* PATH, LANG, TZ of actions; path NULL: the system's usual one, others NULL: unset */
    const char *lang;
    const char *tz;
    const char *java_home;                /* for sessions; NULL: found by the scripts */
    const char *spark_home;               /* NULL: Spark is installed into the cache */
    bool no_sandbox;                      /* actions may touch what this user may */
    ama_sandbox_level_t sandbox_required; /* attempts are refused below it; unspecified: never */
    const char *state_dir;           /* what actions are kept out of, however their job asks for it; NULL: dir alone */
    const char *home;                /* of this user; NULL: unknown */
    const char *jupyter_path;        /* folders with kernels, as JUPYTER_PATH; beside the usual ones. NULL: none */
    const char *const *sandbox_read; /* the operator's, NULL-terminated; NULL: none. Likewise sandbox_write */
    const char *const *sandbox_write;
    const char *const *sandbox_cgroups;
    const char *secrets_dir;         /* files ENV/NAME, 0600; NULL: none */
    const char *credentials_dir;     /* files ENV@NAME, as systemd makes them; NULL: none */
    const char *const *secrets_exec; /* the words of a program that prints the secret whose name it reads; NULL: none */
    bool far;                        /* of another machine than the hub */
    bool depot; /* with another disk than fetcher and resolver: their files come from the depot, into cache_dir */
    uint64_t cache_bytes; /* of these files; 0: any number */
    int64_t cache_age_ms; /* since they were last used; 0: any */
    int64_t work_age_ms;  /* working data of a run goes so long after its end; 0: never by itself */
    const bool *
        leaves; /* looked at when it is stopped: true, and what runs goes on under its guards for the next agent. NULL: no */
    bool own_process;      /* every child of this process is the agent's: true in ama-agent, false in `ama run` */
    int64_t orphan_ms;     /* exits when the hub has been away so long and nothing is held; 0: never */
    int64_t idle_ms;       /* exits when the hub has been away so long and nothing runs; 0: never */
    uint64_t output_quota; /* bytes of output one attempt may report; 0: 1 GiB */
    int64_t grace_ms;      /* between SIGTERM and SIGKILL of a cancelled attempt; 0: 2000 */
    int64_t
        stall_ms; /* a child may be blocked so long because nobody takes its output; then output is dropped; 0: 5 min */
    int64_t ahead_ms; /* a kernel that was started ahead waits so long for its action; 0: 5 min */
} ama_agent_conf_t;

/* Where amad's state is, or that of an agent by itself. */
const char *ama_agent_state_dir (const ama_agent_conf_t *conf);

#endif
