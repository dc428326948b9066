/* sup_retain.c - runs that ended long ago, or are too many, are removed: from the journal, and from the reporter
 *
 * On the actor's thread; the *_work functions run on the journal's worker, one short transaction each, with pauses between, so that a commit
 * waits for one of them at most. The order makes every kill harmless: a run is marked in the journal (nobody is shown it any more), then
 * the reporter removes its report, then its events go. What is marked and not done is gone on with at the next start.
 */
#include "actors/supervisor/sup.h"

#include "actors/base/ama_log.h"
#include "messages/ama_types.h"
#include "messages/report.h"

#include <stdlib.h>

enum {
    CHECK_MS = 60000,  /* between looks at what is there */
    SOON_MS = 1000,    /* after the end of a run */
    PAUSE_MS = 20,     /* between transactions */
    AGAIN_MS = 5000,   /* after the reporter did not answer */
    ANSWER_MS = 10000, /* of the reporter */
    DEFER_MOST = 50,   /* pauses that a transaction waits for people's commits */
    MARK_RUNS = 64,
    SLICE_EVENTS = 256,
    SHRINK_PAGES = 256,
};

typedef enum { LOOK, NEXT, REPORT, SLICE, SHRINK } phase_t;

struct sup_retain {
    sup_t *sup;
    ama_journal_retention_t keep;
    ama_timer_t *timer;
    phase_t phase;
    bool busy; /* a transaction or a question is under way */
    bool idle; /* the timer is for the next look */
    unsigned deferred;
    bool shrink;      /* something was removed, or may have been by an earlier start */
    uint64_t removed; /* runs since the file was made smaller */
    /* the worker's */
    int64_t wall_ms;
    ama_id_t run;
    size_t n;
    bool done;
    int code;
    ama_err_t err;
};

static void go_on (sup_retain_t *retain, phase_t phase, int64_t after_ms)
{
    retain->phase = phase;
    retain->idle = phase == LOOK;
    ama_timer_after (retain->timer, after_ms);
}

static void over (sup_retain_t *retain)
{
    if (retain->removed)
        ama_log (AMA_LOG_INFO, "supervisor", "retention removed %llu runs", (unsigned long long) retain->removed);
    retain->removed = 0;
    retain->shrink = false;
    if (retain->keep.runs || retain->keep.ms)
        go_on (retain, LOOK, CHECK_MS);
}

/* ---- transactions ---- */

static void work (void *job)
{
    sup_retain_t *retain = job;
    ama_journal_t *journal = retain->sup->journal;

    retain->err = (ama_err_t){ 0 };
    switch (retain->phase) {
    case LOOK:
        retain->code =
            ama_journal_retire (journal, &retain->keep, retain->wall_ms, MARK_RUNS, &retain->n, &retain->err);
        break;
    case NEXT:
        retain->code = ama_journal_retired (journal, &retain->run, &retain->err);
        break;
    case SLICE:
        retain->code = ama_journal_remove (journal, retain->run, SLICE_EVENTS, &retain->done, &retain->err);
        break;
    default:
        retain->code = ama_journal_shrink (journal, SHRINK_PAGES, &retain->done, &retain->err);
        break;
    }
}

static void completed (void *job)
{
    sup_retain_t *retain = job;

    retain->busy = false;
    if (retain->sup->closing || retain->sup->stopping)
        return;
    if (retain->code == AMA_E_NOSPACE) { /* what is removed needs a place in the log */
        go_on (retain, LOOK, CHECK_MS);
        return;
    }
    if (retain->code < 0 && !(retain->phase == NEXT && retain->code == AMA_E_NOT_FOUND)) {
        sup_commit_failed (retain->sup, &retain->err);
        return;
    }
    switch (retain->phase) {
    case LOOK:
        go_on (retain, NEXT, 0);
        break;
    case NEXT:
        if (retain->code == 0)
            go_on (retain, REPORT, 0);
        else if (retain->n == MARK_RUNS) /* there may be more */
            go_on (retain, LOOK, PAUSE_MS);
        else if (retain->shrink)
            go_on (retain, SHRINK, PAUSE_MS);
        else
            over (retain);
        break;
    case SLICE:
        retain->removed += retain->done;
        retain->shrink = true;
        go_on (retain, retain->done ? NEXT : SLICE, PAUSE_MS);
        break;
    default:
        if (retain->done)
            over (retain);
        else
            go_on (retain, SHRINK, PAUSE_MS);
        break;
    }
}

/* ---- the report ---- */

static void on_removed (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                        void *arg)
{
    sup_retain_t *retain = arg;

    (void) ctx;
    (void) envelope;
    (void) body;
    retain->busy = false;
    if (!retain->sup->stopping)
        go_on (retain, err ? REPORT : SLICE, err ? AGAIN_MS : 0);
}

static void remove_report (sup_retain_t *retain)
{
    ama_report_remove_t body = { .run = retain->run, .text = (char *) "this run was removed by the retention" };

    retain->busy = true;
    (void) ama_ask (retain->sup->ctx, "reporter", AMA_MSG_REPORT_REMOVE, &body, ANSWER_MS, 0, on_removed, retain);
}

/* ---- life ---- */

static void on_timer (void *arg)
{
    sup_retain_t *retain = arg;
    sup_t *sup = retain->sup;

    if (retain->busy || sup->stopping || sup->closing)
        return;
    if (retain->phase == REPORT) {
        remove_report (retain);
        return;
    }
    if ((sup->flying || sup->open->urgent) && retain->deferred++ < DEFER_MOST) {
        ama_timer_after (retain->timer, PAUSE_MS);
        return;
    }
    retain->deferred = 0;
    retain->busy = true;
    retain->idle = false;
    retain->wall_ms = ama_wall_now_ms (sup->ctx);
    ama_worker_submit (sup->worker, work, completed, retain);
}

sup_retain_t *sup_retain_new (sup_t *sup, const ama_journal_retention_t *keep)
{
    sup_retain_t *retain = ama_calloc (1, sizeof *retain);

    retain->sup = sup;
    retain->keep = *keep;
    retain->shrink = true;
    retain->timer = ama_timer_new (sup->ctx, on_timer, retain);
    return retain;
}

void sup_retain_start (sup_t *sup)
{
    go_on (sup->retain, LOOK, SOON_MS);
}

void sup_retain_soon (sup_t *sup)
{
    if (sup->retain->idle && sup->retain->keep.runs)
        go_on (sup->retain, LOOK, SOON_MS);
}

void sup_retain_destroy (sup_retain_t **retain)
{
    if (!*retain)
        return;
    ama_timer_destroy (&(*retain)->timer);
    free (*retain);
    *retain = NULL;
}
