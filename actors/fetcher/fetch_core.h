/* fetch_core.h - what the fetcher decides, without doing it
 *
 * Pure: events in, effects out; no I/O, no clock. The shell (fetch_actor.c) performs the effects; tests drive the core alone.
 *
 * Invariants
 *  - at most one child per (url, ref), per_host children per host and max_children in all; what can not start waits in order, and
 *    a job that waits does not hold up others
 *  - every ask gets exactly one answer or refusal, also across children that die
 *  - an ask never shares a child that was started before it: a ref must not be older than the ask. It shares one that still waits.
 *    Only an ask for a pinned commit may share a running child: a commit never changes
 *  - a child that was asked to die keeps its place until it is gone
 */
#ifndef AMA_FETCHER_FETCH_CORE_H
#define AMA_FETCHER_FETCH_CORE_H

#include "actors/base/ama_err.h"
#include "actors/fetcher/fetch_url.h"
#include "actors/fetcher/fetch_wire.h"
#include "actors/runtime/ama_actor.h"

#include <stdint.h>

typedef struct ama_fetch_core ama_fetch_core_t;

typedef uint32_t ama_fetch_job_id_t; /* > 0 */

typedef struct {
    uint32_t max_children;
    uint32_t per_host; /* of remote hosts; local paths are limited by max_children only */
    uint32_t max_asks; /* waiting at once */
    uint32_t tries;    /* while the server is unreachable or the child dies */
    int64_t connect_ms;
    int64_t idle_ms;  /* without any report */
    int64_t total_ms; /* over all tries */
    int64_t retry_ms; /* before the second try; doubles */
    uint64_t seed;    /* of the jitter of retries; 0: none */
} ama_fetch_rules_t;

/* The shipped figures. */
void ama_fetch_rules_init (ama_fetch_rules_t *rules);

/* Who asked, and the key that its progress carries. */
typedef struct {
    ama_waiter_t waiter;
    ama_id_t key;
} ama_fetch_asker_t;

typedef enum {
    AMA_FETCH_START_CHILD, /* give .order to a helper, as .job                  */
    AMA_FETCH_KILL_CHILD,  /* deadline passed or nobody waits any more          */
    AMA_FETCH_TELL,        /* send .report, a progress, to .asker               */
    AMA_FETCH_ANSWER,      /* send .report, an outcome, to .asker               */
    AMA_FETCH_REFUSE,      /* send .error to .asker                             */
    AMA_FETCH_WAKE_AT,     /* call ama_fetch_core_tick at .when_ms               */
} ama_fetch_effect_kind_t;

typedef struct {
    ama_fetch_effect_kind_t kind;
    ama_fetch_job_id_t job;
    const ama_fetch_order_t *order; /* this and the following are borrowed for the call */
    const ama_fetch_asker_t *asker;
    const ama_fetch_report_t *report;
    const ama_err_t *error;
    int64_t when_ms; /* monotonic */
} ama_fetch_effect_t;

/* Receives effects in the order in which they must be performed. Must not call into the core. */
typedef void (ama_fetch_effect_fn) (const ama_fetch_effect_t *effect, void *arg);

/* policy is borrowed for the core's life. */
ama_fetch_core_t *ama_fetch_core_new (const ama_fetch_rules_t *rules, const ama_fetch_policy_t *policy,
                                      ama_fetch_effect_fn *perform, void *arg);
void ama_fetch_core_destroy (ama_fetch_core_t **core);

/* An ask arrived. 0; or AMA_E_URL, AMA_E_NOT_FOUND (a ref that no repository can have), AMA_E_BUSY with text in err: then there is
 * no waiter and no effect. */
int ama_fetch_core_ask (ama_fetch_core_t *core, const ama_fetch_order_t *order, const ama_fetch_asker_t *asker,
                        int64_t now_ms, ama_err_t *err);

/* The child of job told how far it is. Reports of jobs that are no more are ignored, here and below. */
void ama_fetch_core_progress (ama_fetch_core_t *core, ama_fetch_job_id_t job, const ama_fetch_report_t *report,
                              int64_t now_ms);

/* The child of job has nothing more to do with it. report: its outcome, or NULL if it ended (or answered nonsense) without one. */
void ama_fetch_core_child_done (ama_fetch_core_t *core, ama_fetch_job_id_t job, const ama_fetch_report_t *report,
                                int64_t now_ms);

/* A peer went away: all its asks are forgotten. */
void ama_fetch_core_forget (ama_fetch_core_t *core, const char *peer, int64_t now_ms);

void ama_fetch_core_tick (ama_fetch_core_t *core, int64_t now_ms);

/* Jobs that wait, run or are dying: 0 when idle. */
size_t ama_fetch_core_jobs (const ama_fetch_core_t *core);

#endif
