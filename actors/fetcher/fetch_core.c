/* fetch_core.c - decisions of the fetcher. Pure; called by fetch_actor.c on its thread and by the table test.
 *
 * A job is one (url, ref) that at least one ask waits for. It waits, runs in a child, rests before another try, or is dying (asked to
 * end, not yet gone). Jobs stand in one list in the order of their first ask; there are at most a few hundred, so lists are walked.
 */
#include "actors/fetcher/fetch_core.h"

#include "actors/fetcher/fetch_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { WAITING, RUNNING, RESTING, DYING } state_t;

typedef struct job {
    struct job *next;
    ama_fetch_job_id_t id;
    state_t state;
    ama_fetch_order_t order;
    char *place; /* what only one child may work on */
    char *host;  /* "" for local paths */
    ama_fetch_asker_t *askers;
    size_t n_askers;
    uint32_t tries;
    bool connected;
    bool again;       /* dying, and to be tried again when it is gone */
    int64_t first_ms; /* of the first try */
    int64_t start_ms; /* of this try */
    int64_t heard_ms;
    int64_t rest_until_ms;
    ama_err_t why; /* of the last failure */
} job_t;

struct ama_fetch_core {
    ama_fetch_rules_t rules;
    const ama_fetch_policy_t *policy;
    ama_fetch_effect_fn *perform;
    void *arg;
    job_t *jobs;
    ama_fetch_job_id_t last_id;
    size_t n_asks;
    uint64_t random;
    int64_t wake_ms; /* last told, INT64_MAX if none */
};

void ama_fetch_rules_init (ama_fetch_rules_t *rules)
{
    *rules = (ama_fetch_rules_t){
        .max_children = 4,
        .per_host = 2,
        .max_asks = 10000,
        .tries = 3,
        .connect_ms = 10 * 1000,
        .idle_ms = 30 * 1000,
        .total_ms = 15 * 60 * 1000,
        .retry_ms = 1000,
    };
}

ama_fetch_core_t *ama_fetch_core_new (const ama_fetch_rules_t *rules, const ama_fetch_policy_t *policy,
                                      ama_fetch_effect_fn *perform, void *arg)
{
    ama_fetch_core_t *core = ama_calloc (1, sizeof *core);

    core->rules = *rules;
    core->policy = policy;
    core->perform = perform;
    core->arg = arg;
    core->random = rules->seed;
    core->wake_ms = INT64_MAX;
    return core;
}

static void job_free (job_t *job)
{
    ama_fetch_order_done (&job->order);
    free (job->place);
    free (job->host);
    free (job->askers);
    free (job);
}

void ama_fetch_core_destroy (ama_fetch_core_t **core)
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

size_t ama_fetch_core_jobs (const ama_fetch_core_t *core)
{
    size_t n = 0;
    for (const job_t *job = core->jobs; job; job = job->next)
        n++;
    return n;
}

static void effect (ama_fetch_core_t *core, ama_fetch_effect_t what)
{
    core->perform (&what, core->arg);
}

static job_t *find_job (ama_fetch_core_t *core, ama_fetch_job_id_t id)
{
    job_t *job = core->jobs;
    while (job && job->id != id)
        job = job->next;
    return job;
}

static void drop_job (ama_fetch_core_t *core, job_t *gone)
{
    job_t **at = &core->jobs;
    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    core->n_asks -= gone->n_askers;
    job_free (gone);
}

static bool has_child (const job_t *job)
{
    return job->state == RUNNING || job->state == DYING;
}

/* ---- answers ---- */

static void release_askers (ama_fetch_core_t *core, job_t *job)
{
    core->n_asks -= job->n_askers;
    job->n_askers = 0;
}

static void refuse_all (ama_fetch_core_t *core, job_t *job, const ama_err_t *why)
{
    for (size_t i = 0; i < job->n_askers; i++)
        effect (core, (ama_fetch_effect_t){
                          .kind = AMA_FETCH_REFUSE, .job = job->id, .asker = &job->askers[i], .error = why });
    release_askers (core, job);
}

static void send_all (ama_fetch_core_t *core, job_t *job, ama_fetch_effect_kind_t kind,
                      const ama_fetch_report_t *report)
{
    for (size_t i = 0; i < job->n_askers; i++)
        effect (core, (ama_fetch_effect_t){ .kind = kind, .job = job->id, .asker = &job->askers[i], .report = report });
}

/* ---- starting ---- */

static bool may_start (const ama_fetch_core_t *core, const job_t *wanted)
{
    uint32_t children = 0, of_host = 0;

    for (const job_t *job = core->jobs; job; job = job->next) {
        if (!has_child (job))
            continue;
        children++;
        if (wanted->host[0] && strcmp (job->host, wanted->host) == 0)
            of_host++;
        if (strcmp (job->place, wanted->place) == 0)
            return false;
    }
    return children < core->rules.max_children && of_host < core->rules.per_host;
}

static void start_what_may (ama_fetch_core_t *core, int64_t now_ms)
{
    for (job_t *job = core->jobs; job; job = job->next) {
        if (job->state == RESTING && job->rest_until_ms <= now_ms)
            job->state = WAITING;
        if (job->state != WAITING || !may_start (core, job))
            continue;
        if (!job->tries++)
            job->first_ms = now_ms;
        job->state = RUNNING;
        job->connected = job->host[0] == '\0';
        job->start_ms = job->heard_ms = now_ms;
        effect (core, (ama_fetch_effect_t){ .kind = AMA_FETCH_START_CHILD, .job = job->id, .order = &job->order });
    }
}

/* ---- deadlines ---- */

static int64_t next_deadline (const ama_fetch_core_t *core, const job_t *job)
{
    int64_t at = job->first_ms + core->rules.total_ms, also = at;

    if (job->state == DYING || !job->tries)
        return INT64_MAX;
    if (job->state == RESTING)
        also = job->rest_until_ms;
    else if (job->state == RUNNING && !job->connected)
        also = job->start_ms + core->rules.connect_ms;
    else if (job->state == RUNNING)
        also = job->heard_ms + core->rules.idle_ms;
    return also < at ? also : at;
}

static void set_wake (ama_fetch_core_t *core)
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
        effect (core, (ama_fetch_effect_t){ .kind = AMA_FETCH_WAKE_AT, .when_ms = at });
}

static void settle (ama_fetch_core_t *core, int64_t now_ms)
{
    start_what_may (core, now_ms);
    set_wake (core);
}

static void kill_child (ama_fetch_core_t *core, job_t *job)
{
    job->state = DYING;
    effect (core, (ama_fetch_effect_t){ .kind = AMA_FETCH_KILL_CHILD, .job = job->id });
}

static const char *seconds (int64_t ms, char *buf, size_t size)
{
    (void) snprintf (buf, size, ms % 1000 ? "%.3f s" : "%.0f s", (double) ms / 1000);
    return buf;
}

static const char *where (const job_t *job)
{
    return job->host[0] ? job->host : job->place;
}

/* The child is killed; the server may be better next time, so the askers wait on if there are tries left. */
static void on_connect_deadline (ama_fetch_core_t *core, job_t *job)
{
    char text[32];

    (void) ama_err_set (&job->why, AMA_E_UNREACHABLE, "%s did not answer within %s", where (job),
                        seconds (core->rules.connect_ms, text, sizeof text));
    job->again = true;
    kill_child (core, job);
}

static void on_deadline (ama_fetch_core_t *core, job_t *job, int64_t now_ms)
{
    char text[32];
    bool total = now_ms - job->first_ms >= core->rules.total_ms;

    if (total)
        (void) ama_err_set (&job->why, AMA_E_TIMEOUT, "fetching from %s was not done within %s", where (job),
                            seconds (core->rules.total_ms, text, sizeof text));
    else
        (void) ama_err_set (&job->why, AMA_E_TIMEOUT, "%s sent nothing for %s", where (job),
                            seconds (core->rules.idle_ms, text, sizeof text));
    refuse_all (core, job, &job->why);
    if (job->state == RUNNING)
        kill_child (core, job);
    else
        drop_job (core, job);
}

void ama_fetch_core_tick (ama_fetch_core_t *core, int64_t now_ms)
{
    core->wake_ms = INT64_MAX;
    for (job_t *job = core->jobs, *next; job; job = next) {
        next = job->next;
        if (job->state == DYING || next_deadline (core, job) > now_ms)
            continue;
        if (now_ms - job->first_ms < core->rules.total_ms) {
            if (job->state == RESTING)
                continue;
            if (!job->connected) {
                on_connect_deadline (core, job);
                continue;
            }
        }
        on_deadline (core, job, now_ms);
    }
    settle (core, now_ms);
}

/* ---- asks ---- */

static bool is_pinned (const ama_fetch_order_t *order)
{
    return order->commit[0] && !order->worktree;
}

static bool same_order (const ama_fetch_order_t *a, const ama_fetch_order_t *b)
{
    return strcmp (a->url, b->url) == 0 && strcmp (a->ref, b->ref) == 0 && strcmp (a->commit, b->commit) == 0
           && strcmp (a->credential, b->credential) == 0 && a->worktree == b->worktree;
}

static job_t *shared_job (ama_fetch_core_t *core, const ama_fetch_order_t *order)
{
    job_t *job = core->jobs;

    while (job
           && !((job->state == WAITING || job->state == RESTING || (job->state == RUNNING && is_pinned (order)))
                && same_order (&job->order, order)))
        job = job->next;
    return job;
}

static job_t *new_job (ama_fetch_core_t *core, const ama_fetch_order_t *order, const ama_fetch_url_t *url)
{
    job_t *job = ama_calloc (1, sizeof *job), **last = &core->jobs;
    ama_str_t place = { 0 };

    ama_str_printf (&place, "%s %s", url->normal, order->worktree ? "" : order->ref);
    job->place = ama_str_take (&place);
    job->host = ama_strdup (url->host);
    job->id = ++core->last_id;
    job->order = (ama_fetch_order_t){
        .url = ama_strdup (order->url),
        .ref = ama_strdup (order->ref),
        .commit = ama_strdup (order->commit),
        .credential = ama_strdup (order->credential),
        .worktree = order->worktree,
    };
    while (*last)
        last = &(*last)->next;
    return *last = job;
}

static int check_order (ama_fetch_core_t *core, const ama_fetch_order_t *order, ama_fetch_url_t *url, ama_err_t *err)
{
    int rc = ama_fetch_url_parse (order->url, strlen (order->url), url, err);

    if (rc < 0)
        return rc;
    rc = ama_fetch_policy_allow (core->policy, url, err);
    if (rc == 0 && order->worktree && url->scheme != AMA_FETCH_LOCAL)
        rc = ama_err_set (err, AMA_E_URL, "%s: only a folder of this machine can be taken as it lies", url->normal);
    if (rc == 0)
        rc = ama_fetch_ref_check (order->ref, err);
    if (rc == 0 && order->commit[0]
        && (strlen (order->commit) != 40 || strspn (order->commit, "0123456789abcdef") != 40))
        rc = ama_err_set (err, AMA_E_INVALID, "a pinned commit is 40 hex digits");
    if (rc < 0)
        ama_fetch_url_done (url);
    return rc;
}

/* An ask that is repeated is no younger than it was: it waits on for the answer that it waits for, or one that takes longer than the asker's patience
 * would never reach him. */
static bool is_repeated (ama_fetch_core_t *core, const ama_fetch_order_t *order, const ama_fetch_asker_t *asker)
{
    for (job_t *job = core->jobs; job; job = job->next) {
        if (!same_order (&job->order, order))
            continue;
        for (size_t i = 0; i < job->n_askers; i++) {
            if (!ama_id_equal (job->askers[i].key, asker->key)
                || strcmp (job->askers[i].waiter.name, asker->waiter.name) != 0)
                continue;
            job->askers[i] = *asker;
            return true;
        }
    }
    return false;
}

int ama_fetch_core_ask (ama_fetch_core_t *core, const ama_fetch_order_t *order, const ama_fetch_asker_t *asker,
                        int64_t now_ms, ama_err_t *err)
{
    ama_fetch_url_t url;
    job_t *job;
    int rc;

    if (is_repeated (core, order, asker))
        return 0;
    if (core->n_asks >= core->rules.max_asks)
        return ama_err_set (err, AMA_E_BUSY, "%zu fetches are waiting already", core->n_asks);
    rc = check_order (core, order, &url, err);
    if (rc < 0)
        return rc;
    job = shared_job (core, order);
    if (!job)
        job = new_job (core, order, &url);
    ama_fetch_url_done (&url);
    job->askers = ama_realloc (job->askers, (job->n_askers + 1) * sizeof *job->askers);
    job->askers[job->n_askers++] = *asker;
    core->n_asks++;
    settle (core, now_ms);
    return 0;
}

/* ---- children ---- */

void ama_fetch_core_progress (ama_fetch_core_t *core, ama_fetch_job_id_t id, const ama_fetch_report_t *report,
                              int64_t now_ms)
{
    job_t *job = find_job (core, id);

    if (!job || job->state != RUNNING)
        return;
    job->heard_ms = now_ms;
    job->connected = job->connected || report->connected;
    send_all (core, job, AMA_FETCH_TELL, report);
}

static int64_t rest_ms (ama_fetch_core_t *core, const job_t *job)
{
    int64_t ms = core->rules.retry_ms << (job->tries - 1);

    if (!core->rules.seed)
        return ms;
    core->random = core->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return ms / 2 + (int64_t) ((core->random >> 33) % (uint64_t) (ms / 2 + 1));
}

/* why is set; again: another try could help. */
static void failed (ama_fetch_core_t *core, job_t *job, bool again, int64_t now_ms)
{
    ama_err_t why = job->why;

    if (job->n_askers && again && job->tries < core->rules.tries) {
        job->state = RESTING;
        job->again = false;
        job->rest_until_ms = now_ms + rest_ms (core, job);
        return;
    }
    if (again && job->tries > 1)
        (void) ama_err_prefix (&why, "after %u tries", job->tries);
    refuse_all (core, job, &why);
    drop_job (core, job);
}

void ama_fetch_core_child_done (ama_fetch_core_t *core, ama_fetch_job_id_t id, const ama_fetch_report_t *report,
                                int64_t now_ms)
{
    job_t *job = find_job (core, id);

    if (!job || !has_child (job))
        return;
    if (job->state == DYING) {
        failed (core, job, job->again, now_ms);
    }
    else if (!report) {
        (void) ama_err_set (&job->why, AMA_E_CHILD, "the fetch helper ended without an answer");
        failed (core, job, true, now_ms);
    }
    else if (report->kind == AMA_FETCH_FAILED) {
        (void) ama_err_set (&job->why, report->code, "%s", report->text);
        failed (core, job, report->code == AMA_E_UNREACHABLE, now_ms);
    }
    else {
        send_all (core, job, AMA_FETCH_ANSWER, report);
        drop_job (core, job);
    }
    settle (core, now_ms);
}

void ama_fetch_core_forget (ama_fetch_core_t *core, const char *peer, int64_t now_ms)
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
        else if (job->state != DYING)
            drop_job (core, job);
    }
    settle (core, now_ms);
}
