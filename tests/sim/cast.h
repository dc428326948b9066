/* cast.h - stand-ins for the actors around the supervisor and the broker, for simulations
 *
 * Each stand-in is an actor definition; its config is the world. The world is what would be on disks and in people's memories: it lives
 * on when an actor crashes. Promises are checked where they could be broken; a broken one is a line in `world->broken`.
 */
#ifndef AMA_TESTS_SIM_CAST_H
#define AMA_TESTS_SIM_CAST_H

#include "actors/base/ama_str.h"
#include "actors/runtime/ama_actor.h"
#include "actors/runtime/ama_sim.h"
#include "agent/poster.h"
#include "messages/report.h"
#include "messages/run.h"

#include <stdio.h>

#define CAST_RUNS     12
#define CAST_ATTEMPTS 4096
#define CAST_SESSIONS 512
#define CAST_READERS  4
#define CAST_AGENTS   3
#define CAST_EVENTS   1024
#define CAST_REPOS    6
#define CAST_COMMIT   41 /* bytes of a commit's name with its end */

/* One attempt as the agent's disk knows it. */
typedef struct {
    ama_id_t id, run, session;
    char action[65];
    unsigned agent;       /* index of the one that was given it */
    uint64_t incarnation; /* of the process of it that knows it */
    bool running;         /* until it ends or dies in a crash of its agent */
    bool ending;          /* its output is on its way */
    bool ended;           /* written down */
    bool acked;           /* its end */
    bool uncounted;       /* an earlier agent may have told of it */
    int64_t begun_ms, end_at_ms;
    int64_t lease_ms;   /* as it was told */
    bool rerun;         /* its job says on-lost: rerun */
    int64_t cut_off_ms; /* longest time that its agent was cut off, since it began */
    ama_attempt_state_t outcome;
    const char *cause;
    uint64_t lines, posted; /* of its output, and of these those that the reporter has acknowledged */
    ama_poster_t *poster;   /* of the agent that lives; likewise feed */
    ama_feed_t *feed;
    uint32_t no;
} cast_attempt_t;

typedef struct {
    ama_id_t id, run;
    unsigned agent;
    uint64_t incarnation;
    bool open, ready;
    int64_t ready_at_ms, lease_ms;
} cast_session_t;

typedef struct {
    ama_id_t id; /* zero: not accepted yet */
    char token[32];
    unsigned repo;
    bool cancel_wanted, cancelled;
    int64_t cancel_at_ms;
    uint64_t told; /* events that stand in the history, for all readers together */
    /* as cast_reporter keeps it */
    uint64_t kept;
    ama_event_type_t types[CAST_EVENTS];
    char states[CAST_EVENTS][16];
} cast_run_t;

typedef struct cast_world cast_world_t;

/* What a reader has got, on whatever it keeps that. */
typedef struct {
    cast_world_t *world;
    unsigned index;
    struct {
        uint64_t last;
        bool has_end, ended;
        int64_t exit;
        int fd; /* of the real client's output; 0: none */
    } runs[CAST_RUNS];
} cast_reader_t;

/* An agent's machine. */
typedef struct {
    cast_world_t *world;
    unsigned index;
    uint64_t incarnation; /* of its process */
    const char *ends;     /* its file; NULL: memory only */
    bool away;            /* nobody extends leases, since away_ms: it is dead, or parted from the hub */
    bool off; /* nothing that it says can be heard, since off_ms: it is cut off or dead, and has not joined since */
    bool cut; /* from the hub */
    int64_t away_ms, off_ms;
} cast_agent_t;

struct cast_world {
    ama_sim_t *sim;
    uint64_t random;
    uint64_t seed;
    unsigned versions[CAST_REPOS]; /* pushes to main so far */
    bool calm;                     /* no more failures of the stand-ins' own */
    cast_run_t runs[CAST_RUNS];
    size_t n_runs;
    cast_attempt_t attempts[CAST_ATTEMPTS];
    size_t n_attempts;
    cast_session_t sessions[CAST_SESSIONS];
    size_t n_sessions;
    cast_reader_t readers[CAST_READERS];
    cast_agent_t agents[CAST_AGENTS];
    const char *cache; /* folder of fetcher and resolver; exists */
    ama_str_t broken;  /* promises that were broken; empty if all is well */
    FILE *history;     /* what happened, a JSON object a line, for check.py; NULL: nobody reads it */
};

extern const ama_actor_def_t cast_client;
extern const ama_actor_def_t cast_agent; /* its config: a pointer to its cast_agent_t */
extern const ama_actor_def_t cast_fetcher, cast_resolver,
    cast_reporter;                        /* cast_plain.c: where the real ones are of no interest */
extern const ama_actor_def_t cast_reader; /* its config: a pointer to its cast_reader_t */

void cast_init (cast_world_t *world, ama_sim_t *sim, uint64_t seed, size_t n_runs);
void cast_done (cast_world_t *world);
uint64_t cast_random (cast_world_t *world); /* its own stream: does not depend on what actors do */
/* The agent's process dies: its sessions are gone, attempts of their own go on under their guards, or die with these; what was written down stays. */
void cast_agent_crashed (cast_agent_t *agent);
/* It is cut off from the hub, or back. */
void cast_agent_cut_off (cast_agent_t *agent, bool yes);
/* The programs that actors start; arg is the world. For ama_sim_conf_t. */
int cast_program (ama_child_t *child, const char *actor, const void *input, size_t size, void *arg);
/* Somebody moves a branch. */
void cast_repo_push (cast_world_t *world);
void cast_repo_url (unsigned repo, char *url, size_t size);
/* Makes the snapshot of a commit in the cache, if it is not there. wanted: "" or NULL for what main is now. ret_commit: room for CAST_COMMIT bytes. */
void cast_repo_fetch (cast_world_t *world, const char *url, const char *wanted, char *ret_commit, char *ret_snapshot,
                      size_t size);
/* Its process dies: the real client begins anew, and is to read all once more. */
void cast_reader_crashed (cast_reader_t *reader);
/* The story is over: what the real client has written becomes history. */
void cast_reader_over (cast_reader_t *reader);
void cast_break (cast_world_t *world, const char *format, ...) __attribute__ ((format (printf, 2, 3)));
/* One line of the history: `what`, the time, and more members. */
void cast_note (cast_world_t *world, const char *what, const char *format, ...) __attribute__ ((format (printf, 3, 4)));

#endif
