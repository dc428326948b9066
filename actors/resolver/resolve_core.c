/* resolve_core.c - decisions of the resolver. Pure; called by resolver_actor.c on its thread and by the table test.
 *
 * A job is one set that at least one ask waits for. Its lock is looked up; if that does not settle it, it waits, runs in a child, is
 * stored, or rests before another try. Dying: its child was asked to end and is not yet gone. Jobs stand in one list in the order of
 * their first ask; there are at most a few hundred, so lists are walked.
 */
#include "actors/resolver/resolve_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { CHECKING, WAITING, RUNNING, STORING, RESTING, DYING } state_t;

typedef struct job {
    struct job *next;
    ama_resolve_job_id_t id;
    state_t state;
    ama_resolve_order_t order;
    ama_resolve_asker_t *askers;
    size_t n_askers;
    uint32_t tries;
    int64_t first_ms; /* of the first try */
    int64_t heard_ms;
    int64_t rest_until_ms;
    ama_err_t why; /* of the last failure */
} job_t;

struct ama_resolve_core {
    ama_resolve_rules_t rules;
    ama_resolve_effect_fn *perform;
    void *arg;
    job_t *jobs;
    ama_resolve_job_id_t last_id;
    size_t n_asks;
    int64_t wake_ms; /* last told, INT64_MAX if none */
};

void ama_resolve_rules_init (ama_resolve_rules_t *rules)
{
    *rules = (ama_resolve_rules_t){
        .max_children = 2,
        .max_asks = 10000,
        .tries = 3,
        .idle_ms = 3 * 60 * 1000,
        .total_ms = 30 * 60 * 1000,
        .retry_ms = 1000,
    };
}

ama_resolve_core_t *ama_resolve_core_new (const ama_resolve_rules_t *rules, ama_resolve_effect_fn *perform, void *arg)
{
    ama_resolve_core_t *core = ama_calloc (1, sizeof *core);

    core->rules = *rules;
    core->perform = perform;
    core->arg = arg;
    core->wake_ms = INT64_MAX;
    return core;
}

static void job_free (job_t *job)
{
    ama_resolve_order_done (&job->order);
    free (job->askers);
    free (job);
}

void ama_resolve_core_destroy (ama_resolve_core_t **core)
{
    if (!*core)
        return;
    while ((*core)->jobs) {
        job_t *job = (*core)->jobs;
        (*core)->jobs = job->next;
        job_free (job);
    }
    free (*core);
    *core = NULL;
}

size_t ama_resolve_core_jobs (const ama_resolve_core_t *core)
{
    size_t n = 0;

    for (const job_t *job = core->jobs; job; job = job->next)
        n++;
    return n;
}

static void effect (ama_resolve_core_t *core, ama_resolve_effect_t what)
{
    core->perform (&what, core->arg);
}

static job_t *find_job (ama_resolve_core_t *core, ama_resolve_job_id_t id, state_t state)
{
    job_t *job = core->jobs;

    while (job && (job->id != id || job->state != state))
        job = job->next;
    return job;
}

static void drop_job (ama_resolve_core_t *core, job_t *gone)
{
    job_t **at = &core->jobs;

    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    core->n_asks -= gone->n_askers;
    job_free (gone);
}

/* ---- answers ---- */

static void release_askers (ama_resolve_core_t *core, job_t *job)
{
    core->n_asks -= job->n_askers;
    job->n_askers = 0;
}

static void refuse_all (ama_resolve_core_t *core, job_t *job, const ama_err_t *why)
{
    for (size_t i = 0; i < job->n_askers; i++)
        effect (core, (ama_resolve_effect_t){
                          .kind = AMA_RESOLVE_REFUSE, .job = job->id, .asker = &job->askers[i], .error = why });
    release_askers (core, job);
}

static void answer_all (ama_resolve_core_t *core, job_t *job, const ama_resolve_reply_t *reply)
{
    for (size_t i = 0; i < job->n_askers; i++)
        effect (core, (ama_resolve_effect_t){
                          .kind = AMA_RESOLVE_ANSWER, .job = job->id, .asker = &job->askers[i], .reply = reply });
    release_askers (core, job);
}

/* ---- starting ---- */

static bool has_child (const job_t *job)
{
    return job->state == RUNNING || job->state == DYING;
}

/* The store of a set is part of its turn: two children of one set would bring the same files twice. */
static bool may_start (const ama_resolve_core_t *core, const job_t *wanted)
{
    uint32_t children = 0;

    for (const job_t *job = core->jobs; job; job = job->next) {
        children += has_child (job);
        if ((has_child (job) || job->state == STORING) && ama_digest_equal (&job->order.set, &wanted->order.set))
            return false;
    }
    return children < core->rules.max_children;
}

static void start_what_may (ama_resolve_core_t *core, int64_t now_ms)
{
    for (job_t *job = core->jobs; job; job = job->next) {
        if (job->state == RESTING && job->rest_until_ms <= now_ms)
            job->state = WAITING;
        if (job->state != WAITING || !may_start (core, job))
            continue;
        if (!job->tries++)
            job->first_ms = now_ms;
        job->state = RUNNING;
        job->heard_ms = now_ms;
        effect (core, (ama_resolve_effect_t){ .kind = AMA_RESOLVE_START_CHILD, .job = job->id, .order = &job->order });
    }
}

static void check (ama_resolve_core_t *core, job_t *job)
{
    job->state = CHECKING;
    effect (core, (ama_resolve_effect_t){ .kind = AMA_RESOLVE_CHECK, .job = job->id, .order = &job->order });
}

/* ---- deadlines ---- */

static int64_t next_deadline (const ama_resolve_core_t *core, const job_t *job)
{
    int64_t at = job->first_ms + core->rules.total_ms, also = at;

    if (job->state == DYING || job->state == STORING || job->state == CHECKING || !job->tries)
        return INT64_MAX;
    if (job->state == RESTING)
        also = job->rest_until_ms;
    else if (job->state == RUNNING)
        also = job->heard_ms + core->rules.idle_ms;
    return also < at ? also : at;
}

static void set_wake (ama_resolve_core_t *core)
{
    int64_t at = INT64_MAX;

    for (const job_t *job = core->jobs; job; job = job->next) {
        int64_t its = next_deadline (core, job);
        if (its < at)
            at = its;
    }
    if (at == core->wake_ms)
        return;
    core->wake_ms = at;
    if (at != INT64_MAX)
        effect (core, (ama_resolve_effect_t){ .kind = AMA_RESOLVE_WAKE_AT, .when_ms = at });
}

static void settle (ama_resolve_core_t *core, int64_t now_ms)
{
    start_what_may (core, now_ms);
    set_wake (core);
}

static void kill_child (ama_resolve_core_t *core, job_t *job)
{
    job->state = DYING;
    effect (core, (ama_resolve_effect_t){ .kind = AMA_RESOLVE_KILL_CHILD, .job = job->id });
}

static void on_deadline (ama_resolve_core_t *core, job_t *job, bool total)
{
    ama_err_t last = job->why;

    if (!total)
        (void) ama_err_set (&job->why, AMA_E_TIMEOUT, "resolving made no progress for %lld s",
                            (long long) core->rules.idle_ms / 1000);
    else
        (void) ama_err_set (&job->why, AMA_E_TIMEOUT, "resolving was not done within %lld s%s%.700s",
                            (long long) core->rules.total_ms / 1000, last.code ? "; the last try: " : "",
                            last.code ? last.text : "");
    refuse_all (core, job, &job->why);
    if (job->state == RUNNING)
        kill_child (core, job);
    else
        drop_job (core, job);
}

void ama_resolve_core_tick (ama_resolve_core_t *core, int64_t now_ms)
{
    core->wake_ms = INT64_MAX;
    for (job_t *job = core->jobs, *next; job; job = next) {
        bool total = job->tries && now_ms - job->first_ms >= core->rules.total_ms;
        next = job->next;
        if (next_deadline (core, job) <= now_ms && (total || job->state == RUNNING))
            on_deadline (core, job, total);
    }
    settle (core, now_ms);
}

/* ---- asks ---- */

static job_t *shared_job (ama_resolve_core_t *core, const ama_resolve_order_t *order)
{
    job_t *job = core->jobs;

    while (job && (job->state == DYING || !ama_resolve_order_equal (&job->order, order)))
        job = job->next;
    return job;
}

/* An ask that is repeated takes the place of the one before: nobody waits for that any more. */
static bool is_repeated (ama_resolve_core_t *core, const ama_resolve_order_t *order, const ama_resolve_asker_t *asker)
{
    for (job_t *job = core->jobs; job; job = job->next) {
        if (!ama_resolve_order_equal (&job->order, order))
            continue;
        for (size_t i = 0; i < job->n_askers; i++) {
            if (!ama_id_equal (job->askers[i].key, asker->key) || job->askers[i].part != asker->part
                || strcmp (job->askers[i].waiter.name, asker->waiter.name) != 0)
                continue;
            job->askers[i] = *asker;
            return true;
        }
    }
    return false;
}

int ama_resolve_core_ask (ama_resolve_core_t *core, ama_resolve_order_t *order, const ama_resolve_asker_t *asker,
                          int64_t now_ms, ama_err_t *err)
{
    job_t *job = shared_job (core, order), **last = &core->jobs;
    bool is_new = !job;

    if (is_repeated (core, order, asker)) {
        ama_resolve_order_done (order);
        return 0;
    }
    if (core->n_asks >= core->rules.max_asks) {
        ama_resolve_order_done (order);
        return ama_err_set (err, AMA_E_BUSY, "%zu requests for dependencies are waiting already", core->n_asks);
    }
    if (is_new) {
        job = ama_calloc (1, sizeof *job);
        job->id = ++core->last_id;
        job->order = *order;
        *order = (ama_resolve_order_t){ 0 };
        while (*last)
            last = &(*last)->next;
        *last = job;
    }
    ama_resolve_order_done (order);
    job->askers = ama_realloc (job->askers, (job->n_askers + 1) * sizeof *job->askers);
    job->askers[job->n_askers++] = *asker;
    core->n_asks++;
    if (is_new)
        check (core, job);
    settle (core, now_ms);
    return 0;
}

void ama_resolve_core_checked (ama_resolve_core_t *core, ama_resolve_job_id_t id, const ama_resolve_reply_t *reply,
                               bool changing, int64_t now_ms)
{
    job_t *job = find_job (core, id, CHECKING);

    if (!job)
        return;
    if (reply && (!changing || job->order.request.offline)) {
        answer_all (core, job, reply);
        drop_job (core, job);
    }
    else if (job->n_askers) {
        job->state = WAITING;
    }
    else {
        drop_job (core, job);
    }
    settle (core, now_ms);
}

/* ---- children ---- */

void ama_resolve_core_progress (ama_resolve_core_t *core, ama_resolve_job_id_t id,
                                const ama_resolve_progress_t *progress, int64_t now_ms)
{
    job_t *job = find_job (core, id, RUNNING);

    if (!job)
        return;
    job->heard_ms = now_ms;
    for (size_t i = 0; i < job->n_askers; i++) {
        ama_resolve_progress_t its = *progress;
        its.key = job->askers[i].key;
        effect (core, (ama_resolve_effect_t){
                          .kind = AMA_RESOLVE_TELL, .job = job->id, .asker = &job->askers[i], .progress = &its });
    }
    set_wake (core);
}

/* Asks that wait for the same set may find its lock now. */
static void check_waiting (ama_resolve_core_t *core, const ama_digest_t *set)
{
    for (job_t *job = core->jobs; job; job = job->next)
        if ((job->state == WAITING || job->state == RESTING) && ama_digest_equal (&job->order.set, set))
            check (core, job);
}

static void failed (ama_resolve_core_t *core, job_t *job, const ama_err_t *error, int64_t now_ms)
{
    bool again = error->code == AMA_E_UNREACHABLE || error->code == AMA_E_CHILD;

    job->why = *error;
    if (job->n_askers && again && job->tries < core->rules.tries) {
        job->state = RESTING;
        job->rest_until_ms = now_ms + (core->rules.retry_ms << (job->tries - 1));
        return;
    }
    if (again && job->tries > 1)
        (void) ama_err_prefix (&job->why, "after %u tries", job->tries);
    refuse_all (core, job, &job->why);
    drop_job (core, job);
}

void ama_resolve_core_child_done (ama_resolve_core_t *core, ama_resolve_job_id_t id, const ama_err_t *error,
                                  int64_t now_ms)
{
    job_t *running = find_job (core, id, RUNNING), *dying = find_job (core, id, DYING);

    if (running && error) {
        failed (core, running, error, now_ms);
    }
    else if (running) {
        running->state = STORING;
        effect (core, (ama_resolve_effect_t){ .kind = AMA_RESOLVE_STORE, .job = id, .order = &running->order });
    }
    else if (dying) {
        drop_job (core, dying);
    }
    settle (core, now_ms);
}

void ama_resolve_core_stored (ama_resolve_core_t *core, ama_resolve_job_id_t id, const ama_resolve_reply_t *reply,
                              const ama_err_t *error, int64_t now_ms)
{
    job_t *job = find_job (core, id, STORING);
    ama_digest_t set;

    if (!job)
        return;
    if (error) {
        failed (core, job, error, now_ms);
    }
    else {
        set = job->order.set;
        answer_all (core, job, reply);
        drop_job (core, job);
        check_waiting (core, &set);
    }
    settle (core, now_ms);
}

void ama_resolve_core_forget (ama_resolve_core_t *core, const char *peer, int64_t now_ms)
{
    for (job_t *job = core->jobs, *next; job; job = next) {
        size_t kept = 0;
        next = job->next;
        for (size_t i = 0; i < job->n_askers; i++)
            if (strcmp (job->askers[i].waiter.name, peer) != 0)
                job->askers[kept++] = job->askers[i];
        core->n_asks -= job->n_askers - kept;
        job->n_askers = kept;
        if (kept)
            continue;
        if (job->state == RUNNING)
            kill_child (core, job);
        else if (job->state == WAITING || job->state == RESTING)
            drop_job (core, job);
    }
    settle (core, now_ms);
}
