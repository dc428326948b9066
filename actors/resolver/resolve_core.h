/* resolve_core.h - what the resolver decides, without doing it
 *
 * Pure: events in, effects out; no I/O, no clock. The shell (resolver_actor.c) performs the effects; tests drive the core alone.
 *
 * Invariants
 *  - the lock is asked first; a child is started only for what it does not have
 *  - equal asks share one job, also a running one: files of a release do not change
 *  - at most one child per set, max_children in all; what can not start waits, in order
 *  - every ask gets exactly one answer or refusal, also across children that die; one that is repeated meanwhile is one
 *  - a child that was asked to die keeps its place until it is gone
 */
#ifndef AMA_RESOLVER_RESOLVE_CORE_H
#define AMA_RESOLVER_RESOLVE_CORE_H

#include "actors/resolver/resolve_order.h"
#include "actors/runtime/ama_actor.h"

typedef struct ama_resolve_core ama_resolve_core_t;

typedef uint32_t ama_resolve_job_id_t; /* > 0 */

typedef struct {
    uint32_t max_children;
    uint32_t max_asks; /* waiting at once */
    uint32_t tries;    /* while repositories are unreachable or the child dies */
    int64_t idle_ms;   /* the child says nothing */
    int64_t total_ms;  /* over all tries, from the first */
    int64_t retry_ms;  /* before the second try; doubles */
} ama_resolve_rules_t;

/* The shipped figures. */
void ama_resolve_rules_init (ama_resolve_rules_t *rules);

/* Who asked, and the key that its progress carries. Name, key and part are those of the ask before if it is repeated. */
typedef struct {
    ama_waiter_t waiter;
    ama_id_t key;
    uint32_t part;
} ama_resolve_asker_t;

typedef enum {
    AMA_RESOLVE_CHECK,       /* look for .order's lock and files; then ama_resolve_core_checked */
    AMA_RESOLVE_START_CHILD, /* give .order to a child, as .job                                 */
    AMA_RESOLVE_KILL_CHILD,  /* deadline passed or nobody waits any more                        */
    AMA_RESOLVE_STORE,       /* take what the child of .job found; then ama_resolve_core_stored */
    AMA_RESOLVE_TELL,        /* send .progress to .asker                                        */
    AMA_RESOLVE_ANSWER,      /* send .reply to .asker                                           */
    AMA_RESOLVE_REFUSE,      /* send .error to .asker                                           */
    AMA_RESOLVE_WAKE_AT,     /* call ama_resolve_core_tick at .when_ms                          */
} ama_resolve_effect_kind_t;

typedef struct {
    ama_resolve_effect_kind_t kind;
    ama_resolve_job_id_t job;
    const ama_resolve_order_t *order; /* this and the following are borrowed for the call */
    const ama_resolve_asker_t *asker;
    const ama_resolve_progress_t *progress;
    const ama_resolve_reply_t *reply;
    const ama_err_t *error;
    int64_t when_ms; /* monotonic */
} ama_resolve_effect_t;

/* Receives effects in the order in which they must be performed. Must not call into the core. */
typedef void (ama_resolve_effect_fn) (const ama_resolve_effect_t *effect, void *arg);

ama_resolve_core_t *ama_resolve_core_new (const ama_resolve_rules_t *rules, ama_resolve_effect_fn *perform, void *arg);
void ama_resolve_core_destroy (ama_resolve_core_t **core);

/* An ask arrived; takes *order (it is zeroed), also on error. 0; or AMA_E_BUSY with text in err: no waiter and no effect then. */
int ama_resolve_core_ask (ama_resolve_core_t *core, ama_resolve_order_t *order, const ama_resolve_asker_t *asker,
                          int64_t now_ms, ama_err_t *err);

/* The lock was looked for. reply: what it says, NULL if there is none or something is missing. changing: repositories may have
 * newer files, so they are asked if they may be. */
void ama_resolve_core_checked (ama_resolve_core_t *core, ama_resolve_job_id_t job, const ama_resolve_reply_t *reply,
                               bool changing, int64_t now_ms);

/* The child of job told how far it is; key is filled in. Reports of jobs that are no more are ignored, here and below. */
void ama_resolve_core_progress (ama_resolve_core_t *core, ama_resolve_job_id_t job,
                                const ama_resolve_progress_t *progress, int64_t now_ms);

/* The child of job is gone. error: NULL if it answered. */
void ama_resolve_core_child_done (ama_resolve_core_t *core, ama_resolve_job_id_t job, const ama_err_t *error,
                                  int64_t now_ms);

/* What it found is in the store (reply), or could not be taken (error). */
void ama_resolve_core_stored (ama_resolve_core_t *core, ama_resolve_job_id_t job, const ama_resolve_reply_t *reply,
                              const ama_err_t *error, int64_t now_ms);

/* A peer went away: all its asks are forgotten. */
void ama_resolve_core_forget (ama_resolve_core_t *core, const char *peer, int64_t now_ms);

void ama_resolve_core_tick (ama_resolve_core_t *core, int64_t now_ms);

/* Jobs that are looked up, wait, run, are stored or are dying: 0 when idle. */
size_t ama_resolve_core_jobs (const ama_resolve_core_t *core);

#endif
