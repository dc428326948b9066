/* sup_commit.c - the supervisor's turn: what was decided is committed, then done
 *
 * Questions alone (fetch, plan, resolve, lease) are asked ahead of the commit: they change nothing, and are asked again after a crash.
 *
 * On the actor's thread; commit_work alone runs on the journal's worker, on a batch nobody else touches meanwhile. At most one batch
 * is in flight. A disk that is full refuses new runs and tries everything else again; any other failure of a commit means that
 * nobody knows what is on the disk, and ends the actor without a word to anybody.
 */
#include "actors/supervisor/sup.h"

#include "actors/base/ama_failpoint.h"
#include "actors/base/ama_log.h"
#include "messages/ama_types.h"

#include <stdlib.h>

#define LAZY_MS     500
#define NO_SPACE_MS 1000

ama_run_now_t sup_now (const sup_t *sup)
{
    return (ama_run_now_t){ ama_now_ms (sup->ctx), ama_wall_now_ms (sup->ctx) };
}

sup_batch_t *sup_batch_new (sup_t *sup)
{
    sup_batch_t *batch = ama_calloc (1, sizeof *batch);

    batch->sup = sup;
    batch->rows = ama_journal_batch_new ();
    return batch;
}

static void step_done (sup_step_t *step)
{
    free (step->waiter);
    free (step->name);
}

void sup_batch_destroy (sup_batch_t **batch)
{
    if (!*batch)
        return;
    for (size_t i = 0; i < (*batch)->n_steps; i++)
        step_done (&(*batch)->steps[i]);
    free ((*batch)->steps);
    free ((*batch)->runs);
    free ((*batch)->fresh);
    ama_journal_batch_destroy (&(*batch)->rows);
    free (*batch);
    *batch = NULL;
}

static void batch_clear (sup_batch_t *batch)
{
    for (size_t i = 0; i < batch->n_steps; i++)
        step_done (&batch->steps[i]);
    batch->n_steps = batch->n_runs = batch->n_fresh = 0;
    batch->urgent = false;
    ama_journal_batch_clear (batch->rows);
}

static void add_step (sup_batch_t *batch, const sup_step_t *step)
{
    if (batch->n_steps == batch->room_steps) {
        batch->room_steps = batch->room_steps ? 2 * batch->room_steps : 16;
        batch->steps = ama_realloc (batch->steps, batch->room_steps * sizeof *batch->steps);
    }
    batch->steps[batch->n_steps++] = *step;
}

void sup_step (sup_t *sup, const sup_step_t *step)
{
    add_step (sup->open, step);
    sup_flush_soon (sup);
}

/* Doing them may bring new ones. Returns owned. */
static sup_step_t *take_steps (sup_batch_t *batch, size_t *ret_count)
{
    sup_step_t *steps = batch->steps;

    *ret_count = batch->n_steps;
    batch->steps = NULL;
    batch->n_steps = batch->room_steps = 0;
    return steps;
}

void sup_touch (sup_t *sup, sup_run_t *run)
{
    sup_batch_t *batch = sup->open;

    batch->urgent = true;
    if (!run->touched) {
        run->touched = true;
        if (batch->n_runs == batch->room_runs) {
            batch->room_runs = batch->room_runs ? 2 * batch->room_runs : 16;
            batch->runs = ama_realloc (batch->runs, batch->room_runs * sizeof (sup_run_t *));
        }
        batch->runs[batch->n_runs++] = run;
    }
    sup_flush_soon (sup);
}

/* ---- after the commit ---- */

static void reply_accepted (sup_t *sup, const sup_step_t *step)
{
    ama_run_accepted_t body = { .run = step->id, .known = step->known };
    (void) ama_reply (sup->ctx, step->waiter, AMA_MSG_RUN_ACCEPTED, &body);
}

static void reply_cancelled (sup_t *sup, const sup_step_t *step)
{
    ama_run_cancelled_t body = { .state = (ama_run_state_t) step->state };
    (void) ama_reply (sup->ctx, step->waiter, AMA_MSG_RUN_CANCELLED, &body);
}

static void acknowledge (sup_t *sup, const sup_step_t *step)
{
    ama_attempt_ack_t attempt = { .attempt = step->id, .state = (ama_attempt_state_t) step->state };
    ama_attempt_session_ack_t session = { .session = step->id, .state = (ama_session_state_t) step->state };

    AMA_FAILPOINT (supervisor, before_ack);
    /* lost ones are repeated: the agent tells the status again */
    if (step->kind == STEP_ATTEMPT_ACK)
        (void) ama_tell (sup->ctx, step->name, AMA_MSG_ATTEMPT_ACK, &attempt);
    else
        (void) ama_tell (sup->ctx, step->name, AMA_MSG_ATTEMPT_SESSION_ACK, &session);
    AMA_FAILPOINT (supervisor, after_ack);
}

static void do_step (sup_t *sup, const sup_step_t *step)
{
    AMA_FAILPOINT (supervisor, step);
    switch (step->kind) {
    case STEP_EFFECT:
        sup_perform (step->run, &step->effect);
        break;
    case STEP_ACCEPTED:
        reply_accepted (sup, step);
        AMA_FAILPOINT (supervisor, accepted);
        break;
    case STEP_CANCELLED:
        reply_cancelled (sup, step);
        break;
    case STEP_ATTEMPT_ACK:
    case STEP_SESSION_ACK:
        acknowledge (sup, step);
        break;
    }
}

static void forget_tokens (sup_t *sup, const sup_batch_t *batch)
{
    sup_token_t *token, *next;

    HASH_ITER (hh, sup->tokens, token, next)
    {
        for (size_t i = 0; i < batch->n_fresh; i++) {
            if (ama_id_equal (batch->fresh[i]->id, token->run)) {
                /* uthash: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
                HASH_DEL (sup->tokens, token);
                free (token->token);
                free (token);
                break;
            }
        }
    }
}

/* The batch is durable: people hear of it first, then it happens. */
static void do_batch (sup_t *sup, sup_batch_t *batch)
{
    AMA_FAILPOINT (supervisor, before_dispatch);
    forget_tokens (sup, batch);
    for (size_t i = 0; i < batch->n_runs; i++)
        sup_post (sup, batch->runs[i]->id);
    for (size_t i = 0; i < batch->n_steps; i++)
        do_step (sup, &batch->steps[i]);
    AMA_FAILPOINT (supervisor, after_dispatch);
    batch_clear (batch);
}

/* ---- the commit ---- */

static void commit_work (void *job)
{
    sup_batch_t *batch = job;
    batch->code = ama_journal_commit (batch->sup->journal, batch->rows, &batch->err);
}

/* Nothing of the run is left in the batch. */
static void purge (sup_batch_t *batch, const sup_run_t *run)
{
    size_t kept = 0;

    ama_journal_batch_drop (batch->rows, run->id);
    for (size_t i = 0; i < batch->n_runs; i++) {
        if (batch->runs[i] != run)
            batch->runs[kept++] = batch->runs[i];
    }
    batch->n_runs = kept;
    kept = 0;
    for (size_t i = 0; i < batch->n_steps; i++) {
        if (batch->steps[i].run == run)
            step_done (&batch->steps[i]);
        else
            batch->steps[kept++] = batch->steps[i];
    }
    batch->n_steps = kept;
}

static void refuse_fresh (sup_t *sup, sup_batch_t *batch)
{
    for (size_t i = 0; i < batch->n_steps; i++) {
        if (batch->steps[i].kind == STEP_ACCEPTED)
            (void) ama_refuse (sup->ctx, batch->steps[i].waiter, AMA_E_NOSPACE, "%s", batch->err.text);
    }
    forget_tokens (sup, batch);
    for (size_t i = 0; i < batch->n_fresh; i++) {
        sup_run_t *run = batch->fresh[i];
        sup_run_over (run);
        purge (batch, run);
        purge (sup->open, run);
        sup_posts_forget (sup, run->id);
        sup_run_destroy (&run);
    }
    batch->n_fresh = 0;
}

static void on_no_space (sup_t *sup, sup_batch_t *batch)
{
    if (!sup->no_space)
        ama_log_err ("supervisor", &batch->err, "new runs are refused until there is space again");
    sup->no_space = true;
    refuse_fresh (sup, batch);
    if (ama_journal_batch_empty (batch->rows)) {
        sup->flying = NULL;
        do_batch (sup, batch);
        sup_batch_destroy (&batch);
        return;
    }
    /* stays in flight: what comes meanwhile is held back, and committed after it */
    ama_timer_after (sup->lazy, NO_SPACE_MS);
}

void sup_commit_failed (sup_t *sup, const ama_err_t *err)
{
    ama_log_err ("supervisor", err, "the journal can not be written; ending to find out at the next start");
    sup->stopping = true;
    ama_exit (sup->ctx, err->code, err->text);
}

static void commit_completed (void *job)
{
    sup_batch_t *batch = job;
    sup_t *sup = batch->sup;

    if (sup->closing)
        return;
    if (batch->code == AMA_E_NOSPACE) {
        on_no_space (sup, batch);
        return;
    }
    if (batch->code < 0) {
        /* it may or may not be on the disk: only a replay can tell */
        sup_commit_failed (sup, &batch->err);
        return;
    }
    if (sup->no_space)
        ama_log (AMA_LOG_INFO, "supervisor", "there is space for the journal again");
    sup->no_space = false;
    sup->flying = NULL;
    do_batch (sup, batch);
    sup_batch_destroy (&batch);
    if (sup->stopping)
        ama_exit (sup->ctx, 0, "stopped");
    else if (!ama_journal_batch_empty (sup->open->rows) || sup->open->n_steps)
        sup_flush_soon (sup);
}

static void add_summaries (sup_batch_t *batch)
{
    for (size_t i = 0; i < batch->n_runs; i++) {
        sup_run_t *run = batch->runs[i];
        ama_run_summary_t summary;
        run->touched = false;
        sup_news_to_post (run, batch);
        if (!run->summary_changed)
            continue;
        run->summary_changed = false;
        ama_run_core_summary (run->core, &summary);
        ama_journal_batch_summary (batch->rows, &summary);
    }
}

/* Nothing in the world changes by it, and nobody needs it after a crash: then it is asked again. */
static bool is_question (const sup_step_t *step)
{
    if (step->kind != STEP_EFFECT)
        return false;
    switch (step->effect.kind) {
    case AMA_RUN_FETCH:
    case AMA_RUN_PLAN:
    case AMA_RUN_RESOLVE:
        return true;
    case AMA_RUN_LEASE:
        return !step->effect.agent;
    default:
        return false;
    }
}

/* Questions do not wait for the disk, and an agent may prepare for what is to come after it. */
static void ask_ahead (sup_t *sup)
{
    size_t count;
    sup_step_t *steps;

    if (sup->no_space)
        return;
    steps = take_steps (sup->open, &count);
    for (size_t i = 0; i < count; i++) {
        if (is_question (&steps[i])) {
            sup_perform (steps[i].run, &steps[i].effect);
            step_done (&steps[i]);
        }
        else {
            if (steps[i].kind == STEP_EFFECT && steps[i].effect.kind == AMA_RUN_START && !steps[i].announced)
                sup_announce (steps[i].run, &steps[i].effect);
            steps[i].announced = true;
            add_step (sup->open, &steps[i]);
        }
    }
    free (steps);
}

/* What is to be done follows from what is durable already: rows that can wait are not committed for it. */
static void do_at_once (sup_t *sup)
{
    size_t count;
    sup_step_t *steps = take_steps (sup->open, &count);

    for (size_t i = 0; i < count; i++) {
        do_step (sup, &steps[i]);
        step_done (&steps[i]);
    }
    free (steps);
    if (count && !sup->stopping && !ama_journal_batch_empty (sup->open->rows))
        sup_flush_soon (sup);
}

static void flush (void *arg)
{
    sup_t *sup = arg;
    sup_batch_t *batch = sup->open;

    if (sup->stopping || sup->closing)
        return;
    ask_ahead (sup);
    if (sup->flying)
        return;
    if (!batch->urgent) {
        do_at_once (sup);
        return;
    }
    add_summaries (batch);
    sup->open = sup_batch_new (sup);
    if (ama_journal_batch_empty (batch->rows)) {
        do_batch (sup, batch);
        sup_batch_destroy (&batch);
        return;
    }
    sup->flying = batch;
    ama_worker_submit (sup->worker, commit_work, commit_completed, batch);
}

void sup_flush_soon (sup_t *sup)
{
    if (sup->open->urgent || sup->open->n_steps)
        ama_defer (sup->ctx, flush, sup);
    else if (!sup->no_space)
        ama_timer_after (sup->lazy, LAZY_MS);
}

void sup_on_lazy (void *arg)
{
    sup_t *sup = arg;

    if (sup->no_space && sup->flying)
        ama_worker_submit (sup->worker, commit_work, commit_completed, sup->flying);
    else if (!ama_journal_batch_empty (sup->open->rows)) {
        sup->open->urgent = true;
        sup_flush_soon (sup);
    }
}
