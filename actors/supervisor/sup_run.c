/* sup_run.c - the runs in memory: made by a submit or by a replay, waiting for their turn, gone after their end
 *
 * On the actor's thread. A run is in memory from its submit until its end is durable; what is left of it then is in the journal.
 */
#include "actors/supervisor/sup.h"

#include "actors/base/ama_failpoint.h"
#include "messages/ama_types.h"

#include <stdlib.h>
#include <string.h>

/* One more is refused when so much is held: by what was submitted, and by what a run that waits for its turn costs. */
enum { HELD_MAX = 32 << 20, RUN_BYTES = 4096 };

/* ---- the port of a run core ---- */

static void hold (sup_run_t *run, size_t submitted)
{
    run->held_bytes = RUN_BYTES + submitted;
    run->sup->held_bytes += run->held_bytes;
}

static void count_news (const ama_report_event_t *event, void *arg)
{
    sup_run_t *run = arg;
    (void) event;
    run->told++;
}

static void add_news (const ama_report_event_t *event, void *arg)
{
    sup_run_t *run = arg;

    run->news = ama_realloc (run->news, (run->n_news + 1) * sizeof *run->news);
    ama_report_event_copy (event, &run->news[run->n_news++]);
}

static bool changes_summary (uint16_t type)
{
    switch (type) {
    case AMA_MSG_JOURNAL_SUBMITTED:
    case AMA_MSG_JOURNAL_PHASE_STARTED:
    case AMA_MSG_JOURNAL_FETCHED:
    case AMA_MSG_JOURNAL_PLANNED:
    case AMA_MSG_JOURNAL_RUN_STARTED:
    case AMA_MSG_JOURNAL_STOP_WANTED:
    case AMA_MSG_JOURNAL_RUN_ENDED:
        return true;
    default:
        return false;
    }
}

static void on_event (ama_run_core_t *core, uint16_t type, const void *body, ama_run_now_t now, void *arg)
{
    sup_run_t *run = arg;
    ama_str_t bytes = { 0 };

    ama_message_info (type)->encode (body, &bytes);
    if (type == AMA_MSG_JOURNAL_SUBMITTED)
        hold (run, bytes.size);
    ama_journal_batch_event (run->sup->open->rows, run->id, ++run->seq, now.wall_ms, type, bytes.data, bytes.size);
    ama_str_done (&bytes);
    run->summary_changed |= changes_summary (type);
    ama_run_report (core, type, body, now, add_news, run);
    sup_touch (run->sup, run);
}

static void on_effect (ama_run_core_t *core, const ama_run_effect_t *effect, void *arg)
{
    sup_run_t *run = arg;
    sup_step_t step = { .kind = STEP_EFFECT, .run = run, .effect = *effect };

    (void) core;
    if (effect->agent)
        step.name = ama_strdup (effect->agent);
    step.effect.agent = step.name;
    /* counted from the wish on, so that a lease that comes free in between is not kept */
    if (effect->kind == AMA_RUN_LEASE && !effect->agent) {
        run->lease_asks++;
        run->sup->lease_asks++;
    }
    sup_step (run->sup, &step);
}

/* Ids of runs rise even if the clock was set back since the last start. */
static ama_id_t next_run_id (sup_t *sup)
{
    ama_id_t id = ama_new_id (sup->ctx);

    if (ama_id_compare (id, sup->last_run) <= 0) {
        id = sup->last_run;
        for (int i = (int) sizeof id.b - 1; i >= 0 && ++id.b[i] == 0; i--)
            ;
    }
    sup->last_run = id;
    return id;
}

static ama_id_t on_new_id (void *arg)
{
    return ama_new_id (((sup_run_t *) arg)->sup->ctx);
}

static bool on_may_reuse (void *arg)
{
    const sup_run_t *run = arg;
    return run->sup->lease_asks == run->lease_asks;
}

void sup_run_on_timer (void *arg)
{
    sup_run_t *run = arg;
    ama_run_core_tick (run->core, sup_now (run->sup));
}

/* ---- life ---- */

sup_run_t *sup_run_new (sup_t *sup, ama_id_t id)
{
    sup_run_t *run = ama_calloc (1, sizeof *run);

    run->sup = sup;
    run->id = id;
    run->port = (ama_run_port_t){ on_event, on_effect, on_new_id, on_may_reuse, run };
    run->core = ama_run_core_new (id, &run->port);
    HASH_ADD (hh, sup->runs, id, sizeof run->id, run);
    return run;
}

static void unqueue (sup_run_t *run)
{
    sup_t *sup = run->sup;
    sup_run_t *before = NULL;

    if (!run->queued)
        return;
    run->queued = false;
    if (sup->queue_head != run) {
        before = sup->queue_head;
        while (before->next_queued != run)
            before = before->next_queued;
        before->next_queued = run->next_queued;
    }
    else
        sup->queue_head = run->next_queued;
    if (sup->queue_tail == run)
        sup->queue_tail = before;
}

void sup_run_destroy (sup_run_t **run_p)
{
    sup_run_t *run = *run_p;

    if (!run)
        return;
    *run_p = NULL;
    unqueue (run);
    sup_asks_drop (run);
    run->sup->lease_asks -= run->lease_asks;
    run->sup->held_bytes -= run->held_bytes;
    for (size_t i = 0; i < run->n_news; i++)
        ama_report_event_done (&run->news[i]);
    free (run->news);
    ama_timer_destroy (&run->timer);
    ama_run_core_destroy (&run->core);
    HASH_DEL (run->sup->runs, run);
    free (run);
}

sup_run_t *sup_run_find (sup_t *sup, ama_id_t id)
{
    sup_run_t *run;

    HASH_FIND (hh, sup->runs, &id, sizeof id, run);
    return run;
}

/* ---- turns ---- */

static void start_next (sup_t *sup)
{
    while (sup->queue_head && sup->n_active < sup->max_active) {
        sup_run_t *run = sup->queue_head;
        unqueue (run);
        run->active = true;
        sup->n_active++;
        ama_run_core_activate (run->core, sup_now (sup));
    }
}

static void enqueue (sup_run_t *run)
{
    sup_t *sup = run->sup;

    run->queued = true;
    run->next_queued = NULL;
    if (sup->queue_tail)
        sup->queue_tail->next_queued = run;
    else
        sup->queue_head = run;
    sup->queue_tail = run;
}

void sup_run_over (sup_run_t *run)
{
    unqueue (run);
    if (run->active) {
        run->active = false;
        run->sup->n_active--;
    }
    if (run->sup->closing)
        return;
    start_next (run->sup);
    sup_retain_soon (run->sup);
}

bool sup_may_submit (sup_t *sup, const ama_run_submit_t *body, const ama_waiter_t *waiter)
{
    ama_err_t err = { 0 };
    int rc = sup->may_submit ? sup->may_submit (sup->may_submit_arg, body, waiter->user, waiter->role, &err) : 0;

    if (rc < 0)
        (void) ama_refuse (sup->ctx, waiter, rc, "%s", err.text);
    else if (sup->held_bytes >= HELD_MAX) {
        rc = AMA_E_BUSY;
        (void) ama_refuse (sup->ctx, waiter, rc,
                           "%u runs have not ended, and no more can be kept in memory; try again when some have",
                           HASH_COUNT (sup->runs));
    }
    return rc == 0;
}

void sup_run_submit (sup_t *sup, const ama_run_submit_t *body, const char *own_token, const ama_digest_t *content,
                     const ama_waiter_t *waiter)
{
    sup_run_t *run = sup_run_new (sup, next_run_id (sup));
    sup_step_t step = { .kind = STEP_ACCEPTED, .run = run, .id = run->id, .waiter = ama_malloc (sizeof *waiter) };
    sup_batch_t *batch;

    *step.waiter = *waiter;
    ama_run_core_submit (run->core, body, waiter->user, sup_now (sup));
    batch = sup->open;
    if (content) {
        sup_token_t *token = ama_calloc (1, sizeof *token);
        token->token = ama_strdup (own_token);
        token->content = *content;
        token->run = run->id;
        HASH_ADD_KEYPTR (hh, sup->tokens, token->token, strlen (token->token), token);
        ama_journal_batch_token (batch->rows, own_token, content, run->id);
    }
    if (batch->n_fresh == batch->room_fresh) {
        batch->room_fresh = batch->room_fresh ? 2 * batch->room_fresh : 16;
        batch->fresh = ama_realloc (batch->fresh, batch->room_fresh * sizeof (sup_run_t *));
    }
    batch->fresh[batch->n_fresh++] = run;
    sup_step (sup, &step);
    enqueue (run);
    start_next (sup);
}

/* ---- after a restart ---- */

static int load_event (const ama_journal_event_t *event, void *arg, ama_err_t *err)
{
    sup_t *sup = arg;
    sup_run_t *run = sup_run_find (sup, event->run);
    const ama_message_info_t *info = ama_message_info (event->type);
    ama_run_now_t now = sup_now (sup);
    int64_t ago = now.wall_ms > event->wall_ms ? now.wall_ms - event->wall_ms : 0;
    char text[AMA_ID_TEXT];
    void *body;
    int rc;

    now = (ama_run_now_t){ now.mono_ms - ago, event->wall_ms };
    run = run ? run : sup_run_new (sup, event->run);
    if (event->type == AMA_MSG_JOURNAL_SUBMITTED)
        hold (run, event->size);
    if (!info || event->seq != run->seq + 1)
        return ama_err_set (err, AMA_E_INTEGRITY, "journal: run %s: event %u is of an unknown kind or out of order",
                            ama_id_text (event->run, text), event->seq);
    body = ama_calloc (1, info->size);
    rc = info->decode (event->body, event->size, body, err);
    if (rc == 0) {
        rc = ama_run_core_replay (run->core, event->type, body, now, err);
        if (rc == 0)
            ama_run_report (run->core, event->type, body, now, count_news, run);
        info->done (body);
    }
    free (body);
    run->seq = event->seq;
    if (rc < 0)
        (void) ama_err_prefix (err, "journal: run %s: event %u", ama_id_text (event->run, text), event->seq);
    return rc;
}

int sup_load (sup_t *sup, ama_err_t *err)
{
    const ama_id_t all = { { 0 } };

    sup->last_run = ama_journal_last_run (sup->journal);
    if (ama_journal_read_events (sup->journal, all, load_event, sup, err) < 0)
        return err->code;
    if (ama_journal_read_outbox (sup->journal, sup_post_restore, sup, err) < 0)
        return err->code;
    AMA_FAILPOINT (supervisor, loaded);
    return 0;
}

static int by_id (const sup_run_t *a, const sup_run_t *b)
{
    return ama_id_compare (a->id, b->id);
}

void sup_resume (sup_t *sup)
{
    sup_run_t *run, *next;

    HASH_SORT (sup->runs, by_id);
    HASH_ITER (hh, sup->runs, run, next)
    {
        if (ama_run_core_state (run->core) == AMA_RUN_STATE_QUEUED) {
            enqueue (run);
            continue;
        }
        run->active = true;
        sup->n_active++;
        ama_run_core_resume (run->core, sup_now (sup));
    }
    sup_post_all (sup);
    start_next (sup);
    AMA_FAILPOINT (supervisor, resumed);
}
