/* sup_query.c - questions: list, show, what became of a run that has ended, and whether a token was used before
 *
 * On the actor's thread; the *_work functions run on the journal's worker and touch only their job and the journal. Runs that are
 * in memory speak for themselves, the others are read back from the journal.
 */
#include "actors/supervisor/sup.h"

#include "messages/ama_types.h"
#include "messages/depot.h"
#include "messages/report.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define LIST_DEFAULT 100
#define LIST_MOST    10000
#define ARTIFACTS_MS 2000

struct sup_query {
    struct sup_query *prev, *next;
    sup_t *sup;
    ama_waiter_t waiter;
    char selector[AMA_RUN_SHOW_SELECTOR_MAX + 1];
    bool brief;
    size_t limit;
    ama_id_t before;
    ama_id_t run;
    ama_run_summary_t *runs; /* owned */
    size_t n_runs;
    ama_run_core_t *past; /* made by the worker from the journal */
    ama_report_artifacts_reply_t artifacts;
    ama_run_submit_t submit;
    char *token; /* owned: of the submit, among those of its sender */
    ama_digest_t content;
    int code;
    ama_err_t err;
};

typedef sup_query_t query_t;

const char *sup_limit_of (const ama_waiter_t *waiter)
{
    return waiter->role == AMA_ROLE_SUBMITTER ? waiter->user : NULL;
}

bool sup_may_know (const ama_waiter_t *waiter, const sup_run_t *run)
{
    const char *owner = sup_limit_of (waiter);

    return !owner || strcmp (owner, ama_run_core_owner (run->core)) == 0;
}

static query_t *query_new (sup_t *sup, const ama_waiter_t *waiter)
{
    query_t *query = ama_calloc (1, sizeof *query);

    query->sup = sup;
    query->waiter = *waiter;
    DL_APPEND (sup->queries, query);
    return query;
}

static void query_destroy (query_t *query)
{
    /* utlist: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    DL_DELETE (query->sup->queries, query);
    for (size_t i = 0; i < query->n_runs; i++)
        ama_run_summary_done (&query->runs[i]);
    free (query->runs);
    ama_run_core_destroy (&query->past);
    ama_report_artifacts_reply_done (&query->artifacts);
    ama_run_submit_done (&query->submit);
    free (query->token);
    free (query);
}

void sup_queries_done (sup_t *sup)
{
    while (sup->queries)
        query_destroy (sup->queries); /* utlist: NOLINT(clang-analyzer-unix.Malloc) */
}

static bool failed (query_t *query)
{
    if (!query->sup->closing && query->code < 0)
        (void) ama_refuse (query->sup->ctx, &query->waiter, query->code, "%s", query->err.text);
    return query->sup->closing || query->code < 0;
}

/* ---- list ---- */

static void list_work (void *job)
{
    query_t *query = job;
    query->code = ama_journal_list (query->sup->journal, query->limit, query->before, sup_limit_of (&query->waiter),
                                    &query->runs, &query->n_runs, &query->err);
}

static void list_completed (void *job)
{
    query_t *query = job;

    if (!failed (query)) {
        ama_run_listed_t body = { .runs = query->runs, .n_runs = query->n_runs };
        ama_str_t waiting = { 0 };
        for (size_t i = 0; i < query->n_runs; i++) {
            sup_run_t *run = sup_run_find (query->sup, query->runs[i].run);
            if (!run)
                continue;
            free (query->runs[i].waiting);
            query->runs[i].waiting = ama_strdup (ama_run_core_waiting (run->core, &waiting));
        }
        ama_str_done (&waiting);
        (void) ama_reply (query->sup->ctx, &query->waiter, AMA_MSG_RUN_LISTED, &body);
    }
    query_destroy (query);
}

int sup_on_list (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    const ama_run_list_t *list = body;
    ama_waiter_t waiter = ama_waiter (envelope);
    query_t *query = query_new (state, &waiter);

    (void) ctx;
    (void) err;
    query->limit = list->limit == 0 ? LIST_DEFAULT : list->limit < LIST_MOST ? list->limit : LIST_MOST;
    if (list->has_before)
        query->before = list->before;
    ama_worker_submit (query->sup->worker, list_work, list_completed, query);
    return 0;
}

/* ---- show ---- */

static void no_event (ama_run_core_t *run, uint16_t type, const void *body, ama_run_now_t now, void *arg)
{
    (void) run, (void) type, (void) body, (void) now, (void) arg;
}

static void no_effect (ama_run_core_t *run, const ama_run_effect_t *effect, void *arg)
{
    (void) run, (void) effect, (void) arg;
}

/* A run that is only looked at decides nothing. */
static const ama_run_port_t past_port = { .event = no_event, .effect = no_effect };

static int fold (const ama_journal_event_t *event, void *arg, ama_err_t *err)
{
    ama_run_core_t *run = arg;
    const ama_message_info_t *info = ama_message_info (event->type);
    void *body;
    int rc;

    if (!info)
        return ama_err_set (err, AMA_E_INTEGRITY, "journal: an event of an unknown kind");
    body = ama_calloc (1, info->size);
    rc = info->decode (event->body, event->size, body, err);
    if (rc == 0) {
        rc = ama_run_core_replay (run, event->type, body, (ama_run_now_t){ event->wall_ms, event->wall_ms }, err);
        info->done (body);
    }
    free (body);
    return rc;
}

int sup_read_past (ama_journal_t *journal, ama_id_t run, const char *owner, ama_run_summary_t *ret_summary,
                   ama_run_core_t **ret_past, ama_err_t *err)
{
    int rc = ama_journal_summary (journal, run, owner, ret_summary, err);

    if (rc < 0)
        return rc;
    *ret_past = ama_run_core_new (run, &past_port);
    rc = ama_journal_read_events (journal, run, fold, *ret_past, err);
    if (rc < 0) {
        ama_run_core_destroy (ret_past);
        ama_run_summary_done (ret_summary);
    }
    return rc;
}

static void show_work (void *job)
{
    query_t *query = job;
    ama_journal_t *journal = query->sup->journal;
    const char *owner = sup_limit_of (&query->waiter);

    query->code = *query->selector ? ama_journal_find (journal, query->selector, owner, &query->run, &query->err) : 0;
    if (query->code < 0)
        return;
    query->runs = ama_calloc (1, sizeof *query->runs);
    query->code = query->brief ? ama_journal_summary (journal, query->run, owner, query->runs, &query->err)
                               : sup_read_past (journal, query->run, owner, query->runs, &query->past, &query->err);
    query->n_runs = query->code == 0;
}

static void answer_show (query_t *query)
{
    const ama_report_artifacts_reply_t *artifacts = &query->artifacts;
    sup_run_t *run = sup_run_find (query->sup, query->run);
    ama_run_core_t *core = run ? run->core : query->past;
    ama_run_shown_t body = { .summary = query->runs[0] };
    ama_str_t waiting = { 0 };

    if (core) {
        ama_run_core_summary (core, &body.summary);
        body.summary.waiting = (char *) ama_run_core_waiting (core, &waiting);
        body.cause = (char *) ama_run_core_cause (core);
    }
    if (!query->brief)
        body.actions = ama_run_core_actions (core, &body.n_actions);
    body.artifacts = artifacts->artifacts;
    body.n_artifacts = artifacts->n_artifacts;
    (void) ama_reply (query->sup->ctx, &query->waiter, AMA_MSG_RUN_SHOWN, &body);
    ama_run_core_free_actions (body.actions, body.n_actions);
    ama_str_done (&waiting);
    query_destroy (query);
}

static void on_looked (void *arg)
{
    answer_show (arg);
}

static void on_artifacts (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                          void *arg)
{
    query_t *query = arg;

    (void) ctx;
    (void) envelope;
    if (!err) /* without the reporter the document is shown without them */
        ama_report_artifacts_reply_copy (body, &query->artifacts);
    if (query->artifacts.n_artifacts && query->past && !sup_run_find (query->sup, query->run))
        sup_work_look (query->sup, query->past, query->artifacts.artifacts, query->artifacts.n_artifacts, on_looked,
                       query);
    else
        answer_show (query);
}

static void show_completed (void *job)
{
    query_t *query = job;
    ama_report_artifacts_t ask = { .run = query->run };

    if (failed (query))
        query_destroy (query);
    else if (query->brief)
        answer_show (query);
    else
        (void) ama_ask (query->sup->ctx, "reporter", AMA_MSG_REPORT_ARTIFACTS, &ask, ARTIFACTS_MS, 0, on_artifacts,
                        query);
}

int sup_on_show (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    const ama_run_show_t *show = body;
    ama_waiter_t waiter = ama_waiter (envelope);
    query_t *query;

    (void) ctx;
    if (!*show->selector)
        return ama_err_set (err, AMA_E_INVALID, "which run? an id, a prefix of one, @latest, @failed, @running");
    query = query_new (state, &waiter);
    (void) memcpy (query->selector, show->selector, strlen (show->selector) + 1);
    query->brief = show->brief;
    ama_worker_submit (query->sup->worker, show_work, show_completed, query);
    return 0;
}

/* ---- cancel of a run that is not in memory ---- */

static void ended_completed (void *job)
{
    query_t *query = job;

    if (!failed (query)) {
        ama_run_cancelled_t body = { .state = query->runs[0].state };
        (void) ama_reply (query->sup->ctx, &query->waiter, AMA_MSG_RUN_CANCELLED, &body);
    }
    query_destroy (query);
}

void sup_answer_ended (sup_t *sup, ama_id_t run, const ama_waiter_t *waiter)
{
    query_t *query = query_new (sup, waiter);

    query->run = run;
    query->brief = true;
    ama_worker_submit (sup->worker, show_work, ended_completed, query);
}

/* ---- whose run it is ---- */

static void owner_completed (void *job)
{
    query_t *query = job;

    if (!failed (query)) {
        ama_run_owned_t body = { .owner = query->runs[0].owner };
        (void) ama_reply (query->sup->ctx, &query->waiter, AMA_MSG_RUN_OWNED, &body);
    }
    query_destroy (query);
}

int sup_on_owner (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    const ama_run_owner_t *ask = body;
    ama_waiter_t waiter = ama_waiter (envelope);
    query_t *query = query_new (state, &waiter);

    (void) ctx;
    (void) err;
    query->run = ask->run;
    query->brief = true;
    ama_worker_submit (query->sup->worker, show_work, owner_completed, query);
    return 0;
}

/* ---- files ---- */

typedef struct {
    UT_hash_handle hh;
    char *id; /* borrowed */
    bool needed;
} asked_t;

/* A path names its content by the folder that its last part is in: trees/SHA-256/tree, snapshots/COMMIT/tree, jars/SHA-256/NAME. */
static void mark_needed (const char *path, void *arg)
{
    asked_t **asked = arg, *it;
    const char *end = strrchr (path, '/'), *from = end;

    while (from && from > path && from[-1] != '/')
        from--;
    if (!from || from == end)
        return;
    HASH_FIND (hh, *asked, from, (size_t) (end - from), it);
    if (it)
        it->needed = true;
}

/* Every run that has not ended is in memory, from the start on. */
int sup_on_spare (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    const ama_depot_spare_t *ask = body;
    sup_t *sup = state;
    asked_t *asked = NULL, *items = ama_calloc (ask->n_ids + 1, sizeof *items), *it, *next;
    ama_depot_needed_t reply = { .ids = ama_calloc (ask->n_ids + 1, sizeof *reply.ids) };
    ama_waiter_t waiter = ama_waiter (envelope);
    sup_run_t *run, *next_run;

    (void) err;
    for (size_t i = 0; i < ask->n_ids; i++) {
        HASH_FIND_STR (asked, ask->ids[i], it);
        if (it)
            continue;
        items[i].id = ask->ids[i];
        HASH_ADD_KEYPTR (hh, asked, items[i].id, strlen (items[i].id), &items[i]);
    }
    HASH_ITER (hh, sup->runs, run, next_run)
    ama_run_core_needs (run->core, mark_needed, &asked);
    HASH_ITER (hh, asked, it, next)
    {
        if (it->needed)
            reply.ids[reply.n_ids++] = it->id;
    }
    (void) ama_reply (ctx, &waiter, AMA_MSG_DEPOT_NEEDED, &reply);
    HASH_CLEAR (hh, asked);
    free (reply.ids);
    free (items);
    return 0;
}

/* ---- tokens ---- */

static void token_work (void *job)
{
    query_t *query = job;
    query->code = ama_journal_token (query->sup->journal, query->token, &query->content, &query->run, &query->err);
}

static void answer_known (query_t *query, const ama_digest_t *content, const ama_digest_t *known)
{
    sup_step_t step = { .kind = STEP_ACCEPTED, .id = query->run, .known = true };

    if (!ama_digest_equal (content, known)) {
        (void) ama_refuse (query->sup->ctx, &query->waiter, AMA_E_REPLAY,
                           "the idempotency key was used with another submit");
        return;
    }
    step.waiter = ama_malloc (sizeof query->waiter);
    *step.waiter = query->waiter;
    sup_step (query->sup, &step); /* behind the commit of the run, if that is under way */
}

static ama_digest_t digest_of (const ama_run_submit_t *body)
{
    ama_run_submit_t bare = *body;
    ama_str_t bytes = { 0 };
    ama_digest_t digest;

    bare.token = (char *) "";
    ama_run_submit_encode (&bare, &bytes);
    digest = ama_digest_of (bytes.data, bytes.size);
    ama_str_done (&bytes);
    return digest;
}

static void token_completed (void *job)
{
    query_t *query = job;
    sup_t *sup = query->sup;
    ama_digest_t content = digest_of (&query->submit);
    sup_token_t *pending;

    if (sup->closing || sup->stopping) {
        query_destroy (query);
        return;
    }
    HASH_FIND_STR (sup->tokens, query->token, pending);
    if (pending) {
        query->run = pending->run;
        answer_known (query, &content, &pending->content);
    }
    else if (query->code == 0)
        answer_known (query, &content, &query->content);
    else if (query->code == AMA_E_NOT_FOUND) {
        /* only now: who repeats a submit hears of its run, whatever became of the rules */
        if (sup_may_submit (sup, &query->submit, &query->waiter))
            sup_run_submit (sup, &query->submit, query->token, &content, &query->waiter);
    }
    else
        (void) failed (query);
    query_destroy (query);
}

void sup_submit_with_token (sup_t *sup, const ama_run_submit_t *body, const ama_waiter_t *waiter)
{
    query_t *query = query_new (sup, waiter);
    ama_str_t token = { 0 };

    /* two people may use the same words; no name of a key has a line feed in it */
    if (*waiter->user)
        ama_str_printf (&token, "%s\n", waiter->user);
    ama_str_puts (&token, body->token);
    query->token = ama_str_take (&token);
    ama_run_submit_copy (body, &query->submit);
    ama_worker_submit (sup->worker, token_work, token_completed, query);
}
