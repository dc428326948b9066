/* sup_work.c - working data of runs: which of it agents may remove, and orders to remove it
 *
 * On the actor's thread; the *_work functions run on the journal's worker. The data lies at the agents that a run's events name. Here it is only known whether a
 * run has ended, and when.
 */
#include "actors/supervisor/sup.h"

#include "messages/ama_types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum {
    LOOK_MS = 2000,
    CLEAN_MS = 600000, /* millions of files */
};

typedef enum { SPARE, CLEAN, LOOK } kind_t;

/* What an agent has said. */
typedef struct {
    sup_work_t *work;
    char name[AMA_NAME_MAX];
    bool answered, found;
} place_t;

struct sup_work {
    struct sup_work *prev, *next;
    sup_t *sup;
    kind_t kind;
    ama_waiter_t waiter;
    int code;
    ama_err_t err;
    /* spare */
    ama_id_t *runs; /* owned; those that may go are put first */
    size_t n_runs;
    int64_t before_ms; /* the last moment at which they may have ended */
    /* clean */
    ama_id_t run;
    ama_clean_step_t step;
    ama_run_summary_t summary;
    ama_run_core_t *past;
    ama_run_cleaned_t result;
    char left[AMA_RUN_CLEANED_LEFT_MAX + 1];
    /* clean and look */
    place_t *places; /* owned */
    size_t n_places, n_asked;
    /* look */
    const ama_run_core_t *looked_at;
    ama_run_artifact_info_t *artifacts;
    size_t n_artifacts;
    void (*fn) (void *arg);
    void *arg;
};

static sup_work_t *work_new (sup_t *sup, kind_t kind)
{
    sup_work_t *work = ama_calloc (1, sizeof *work);

    work->sup = sup;
    work->kind = kind;
    DL_APPEND (sup->works, work);
    return work;
}

static void work_destroy (sup_work_t *work)
{
    /* utlist: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    DL_DELETE (work->sup->works, work);
    if (work->past) {
        ama_run_summary_done (&work->summary);
        ama_run_core_destroy (&work->past);
    }
    free (work->runs);
    free (work->places);
    free (work);
}

void sup_works_done (sup_t *sup)
{
    while (sup->works)
        work_destroy (sup->works); /* utlist: NOLINT(clang-analyzer-unix.Malloc) */
}

/* ---- which may go ---- */

/* One that the journal does not know was removed from it, or is of another journal: the agent has looked how old its folder is. */
static void spare_work (void *job)
{
    sup_work_t *work = job;
    size_t n = 0;

    for (size_t i = 0; i < work->n_runs; i++) {
        ama_run_summary_t summary;
        int rc = ama_journal_summary (work->sup->journal, work->runs[i], NULL, &summary, &work->err);
        bool may_go = rc == AMA_E_NOT_FOUND;
        if (rc == 0) {
            may_go = summary.ended > 0 && summary.ended <= work->before_ms;
            ama_run_summary_done (&summary);
        }
        else if (rc != AMA_E_NOT_FOUND) {
            work->code = rc;
            return;
        }
        if (may_go)
            work->runs[n++] = work->runs[i];
    }
    work->n_runs = n;
}

static void spare_completed (void *job)
{
    sup_work_t *work = job;
    const ama_attempt_spared_t body = { .runs = work->runs, .n_runs = work->n_runs };

    if (work->sup->closing)
        return; /* the list frees it */
    if (work->code < 0)
        (void) ama_refuse (work->sup->ctx, &work->waiter, work->code, "%s", work->err.text);
    else
        (void) ama_reply (work->sup->ctx, &work->waiter, AMA_MSG_ATTEMPT_SPARED, &body);
    work_destroy (work);
}

int sup_on_work_spare (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    const ama_attempt_spare_t *ask = body;
    sup_t *sup = state;
    sup_work_t *work;

    (void) ctx;
    if (ask->age_ms < 0)
        return ama_err_set (err, AMA_E_INVALID, "an age below zero");
    work = work_new (sup, SPARE);
    work->waiter = ama_waiter (envelope);
    work->before_ms = sup_now (sup).wall_ms - ask->age_ms;
    work->runs = ama_calloc (ask->n_runs + 1, sizeof *work->runs);
    for (size_t i = 0; i < ask->n_runs; i++)
        if (!sup_run_find (sup, ask->runs[i])) /* every run that has not ended is in memory, from the start on */
            work->runs[work->n_runs++] = ask->runs[i];
    ama_worker_submit (sup->worker, spare_work, spare_completed, work);
    return 0;
}

/* ---- agents are asked ---- */

static void add_place (const char *agent, void *arg)
{
    sup_work_t *work = arg;
    place_t *place = &work->places[work->n_places++];

    place->work = work;
    (void) snprintf (place->name, sizeof place->name, "%s", agent);
}

static void count_place (const char *agent, void *arg)
{
    (void) agent;
    ++*(size_t *) arg;
}

static void ask_places (sup_work_t *work, const ama_run_core_t *past, int64_t patience_ms, ama_reply_fn *on_cleaned)
{
    const ama_attempt_clean_t body = { .run = ama_run_core_id (past), .step = work->step };
    size_t n = 0;

    ama_run_core_agents (past, count_place, &n);
    work->places = ama_calloc (n + 1, sizeof *work->places);
    ama_run_core_agents (past, add_place, work);
    work->n_asked = work->n_places;
    for (size_t i = 0; i < work->n_places; i++)
        (void) ama_ask (work->sup->ctx, work->places[i].name, AMA_MSG_ATTEMPT_CLEAN, &body, patience_ms, 0, on_cleaned,
                        &work->places[i]);
}

/* ---- clean ---- */

static void answer_clean (sup_work_t *work)
{
    work->result.left = work->left;
    (void) ama_reply (work->sup->ctx, &work->waiter, AMA_MSG_RUN_CLEANED, &work->result);
    work_destroy (work);
}

static void leave (sup_work_t *work, const char *agent, const char *why)
{
    size_t size = strlen (work->left);

    (void) snprintf (work->left + size, sizeof work->left - size, "%s%.60s%s%.200s", size ? "; " : "", agent,
                     *agent ? ": " : "", why);
}

static void on_cleaned (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                        void *arg)
{
    place_t *place = arg;
    sup_work_t *work = place->work;
    const ama_attempt_cleaned_t *cleaned = body;

    (void) ctx, (void) envelope;
    if (err && err->code == AMA_E_UNREACHABLE)
        leave (work, place->name, "is not there now; what lies there goes by its own retention");
    else if (err)
        leave (work, place->name, err->text);
    else {
        work->result.found |= cleaned->found;
        work->result.bytes += cleaned->bytes;
        work->result.files += cleaned->files;
        if (*cleaned->left)
            leave (work, place->name, cleaned->left);
    }
    work->result.away |= err != NULL;
    if (--work->n_asked == 0)
        answer_clean (work);
}

static void clean_work (void *job)
{
    sup_work_t *work = job;

    work->code = sup_read_past (work->sup->journal, work->run, sup_limit_of (&work->waiter), &work->summary,
                                &work->past, &work->err);
}

static void clean_completed (void *job)
{
    sup_work_t *work = job;

    if (work->sup->closing)
        return;
    if (work->code < 0) {
        (void) ama_refuse (work->sup->ctx, &work->waiter, work->code, "%s", work->err.text);
        work_destroy (work);
        return;
    }
    ask_places (work, work->past, CLEAN_MS, on_cleaned);
    if (!work->n_places)
        answer_clean (work);
}

int sup_on_clean (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    const ama_run_clean_t *clean = body;
    sup_t *sup = state;
    sup_run_t *run = sup_run_find (sup, clean->run);
    sup_work_t *work;

    (void) ctx, (void) err;
    work = work_new (sup, CLEAN);
    work->waiter = ama_waiter (envelope);
    work->run = clean->run;
    work->step = clean->dry ? AMA_CLEAN_STEP_COUNT : AMA_CLEAN_STEP_REMOVE;
    if (run && sup_may_know (&work->waiter, run)) {
        work->result.found = true;
        leave (work, "", "it has not ended");
        answer_clean (work);
    }
    else /* another's is not there, in the very words of the journal */
        ama_worker_submit (sup->worker, clean_work, clean_completed, work);
    return 0;
}

/* ---- look ---- */

static bool is_gone_at (const sup_work_t *work, const char *node)
{
    for (size_t i = 0; i < work->n_places; i++)
        if (strcmp (work->places[i].name, node) == 0)
            return work->places[i].answered && !work->places[i].found;
    return false;
}

/* Of which attempt it is nobody has written down: it is gone if it is gone wherever the action has run. */
static bool is_gone (const sup_work_t *work, const ama_run_action_info_t *actions, size_t n, const char *action)
{
    for (size_t i = 0; i < n; i++) {
        bool gone = actions[i].n_attempts > 0;
        if (strcmp (actions[i].name, action) != 0)
            continue;
        for (size_t k = 0; k < actions[i].n_attempts; k++)
            gone &= is_gone_at (work, actions[i].attempts[k].node);
        return gone;
    }
    return false;
}

static void tell_looked (sup_work_t *work)
{
    char part[AMA_ID_TEXT + 8], id[AMA_ID_TEXT];
    size_t n;
    ama_run_action_info_t *actions = ama_run_core_actions (work->looked_at, &n);

    (void) snprintf (part, sizeof part, "/runs/%s/", ama_id_text (ama_run_core_id (work->looked_at), id));
    for (size_t i = 0; i < work->n_artifacts; i++)
        if (strstr (work->artifacts[i].path, part))
            work->artifacts[i].gone = is_gone (work, actions, n, work->artifacts[i].action);
    ama_run_core_free_actions (actions, n);
    work->fn (work->arg);
    work_destroy (work);
}

static void on_looked (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    place_t *place = arg;

    (void) ctx, (void) envelope;
    place->answered = !err;
    place->found = !err && ((const ama_attempt_cleaned_t *) body)->found;
    if (--place->work->n_asked == 0)
        tell_looked (place->work);
}

void sup_work_look (sup_t *sup, const ama_run_core_t *past, ama_run_artifact_info_t *artifacts, size_t n_artifacts,
                    void (*fn) (void *arg), void *arg)
{
    sup_work_t *work = work_new (sup, LOOK);

    work->step = AMA_CLEAN_STEP_LOOK;
    work->looked_at = past;
    work->artifacts = artifacts;
    work->n_artifacts = n_artifacts;
    work->fn = fn;
    work->arg = arg;
    ask_places (work, past, LOOK_MS, on_looked);
    if (!work->n_places)
        tell_looked (work);
}
