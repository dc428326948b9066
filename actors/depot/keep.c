/* keep.c - one look at a time: the list, then for its oldest entries the supervisor's word, then they go. On its actor's thread; the disk is the worker's. */
#include "actors/depot/keep.h"

#include "actors/base/ama_clock.h"
#include "actors/base/ama_log.h"
#include "actors/base/ama_str.h"
#include "actors/depot/cache_user.h"
#include "actors/depot/keep_disk.h"
#include "actors/runtime/ama_worker.h"
#include "messages/ama_types.h"
#include "messages/depot.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECENT_MS = 3600000, FIRST_MS = 10000, EVERY_MS = 600000, ANSWER_MS = 10000, AT_ONCE = 128 };

struct ama_keep {
    ama_ctx_t *ctx;
    char *cache, *home;
    ama_keep_limits_t limits;
    unsigned kinds;
    ama_keep_held_fn *held;
    void *arg;
    ama_worker_t *worker;
    ama_timer_t *timer;
    uint64_t ask;
    bool ending;
    /* of this look; the worker's while it has work */
    int64_t wall_ms;
    keep_list_t list, known; /* known: of the look before */
    size_t next;             /* entries before it were decided upon */
    uint64_t bytes;          /* what is left */
    size_t batch[AT_ONCE];   /* indexes */
    size_t n_batch;
    size_t n_removed;
    uint64_t freed;
    ama_err_t err; /* why nothing may be removed */
};

static void choose (ama_keep_t *keep);

static void over (ama_keep_t *keep)
{
    if (keep->n_removed)
        ama_log (AMA_LOG_INFO, ama_self (keep->ctx),
                 "%s: %zu files or folders removed that no run needs, %" PRIu64 " bytes", keep->cache, keep->n_removed,
                 keep->freed);
    else if (keep->err.code)
        ama_log (AMA_LOG_INFO, ama_self (keep->ctx), "nothing is removed from the cache: %s", keep->err.text);
    keep_list_done (&keep->known);
    keep->known = keep->list;
    keep->list = (keep_list_t){ 0 };
    ama_timer_after (keep->timer, keep->limits.every_ms);
}

/* ---- removing ---- */

static void do_remove (void *arg)
{
    ama_keep_t *keep = arg;
    int lock = ama_cache_lock (keep->cache, keep->home, &keep->err);

    if (lock < 0)
        return;
    for (size_t i = 0; i < keep->n_batch; i++) {
        const keep_entry_t *entry = &keep->list.items[keep->batch[i]];
        if (entry->needed || !keep_unname (keep->cache, entry))
            continue;
        keep->n_removed++;
        keep->freed += entry->bytes;
        keep->bytes -= entry->bytes;
    }
    (void) close (lock); /* the names are gone: to remove the files may take long, and needs no lock */
    keep_sweep (keep->cache, keep->kinds, keep->wall_ms);
}

static void on_removed (void *arg)
{
    ama_keep_t *keep = arg;

    if (keep->ending)
        return;
    if (keep->err.code)
        over (keep);
    else
        choose (keep);
}

/* ---- what nobody needs ---- */

static void on_needed (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    ama_keep_t *keep = arg;
    const ama_depot_needed_t *said = body;

    (void) ctx, (void) envelope;
    keep->ask = 0;
    if (err) {
        over (keep);
        return;
    }
    for (size_t i = 0; i < keep->n_batch; i++) {
        keep_entry_t *entry = &keep->list.items[keep->batch[i]];
        for (size_t k = 0; k < said->n_ids && !entry->needed; k++)
            entry->needed = strcmp (said->ids[k], entry->id) == 0 || strcmp (said->ids[k], entry->link) == 0;
    }
    ama_worker_submit (keep->worker, do_remove, on_removed, keep);
}

static bool is_held (const ama_keep_t *keep, const keep_entry_t *entry)
{
    return keep->held && (keep->held (keep->arg, entry->id) || (*entry->link && keep->held (keep->arg, entry->link)));
}

static void ask (ama_keep_t *keep)
{
    char *ids[2 * AT_ONCE];
    ama_depot_spare_t body = { .ids = ids };

    for (size_t i = 0; i < keep->n_batch; i++) {
        keep_entry_t *entry = &keep->list.items[keep->batch[i]];
        ids[body.n_ids++] = entry->id;
        if (*entry->link)
            ids[body.n_ids++] = entry->link;
    }
    keep->ask = ama_ask (keep->ctx, "supervisor", AMA_MSG_DEPOT_SPARE, &body, ANSWER_MS, 0, on_needed, keep);
}

static void choose (ama_keep_t *keep)
{
    const ama_keep_limits_t *limits = &keep->limits;
    uint64_t left = keep->bytes;

    keep->n_batch = 0;
    for (; keep->next < keep->list.n && keep->n_batch < AT_ONCE; keep->next++) {
        const keep_entry_t *entry = &keep->list.items[keep->next];
        int64_t unused_ms = keep->wall_ms - entry->used_ms;
        bool old = limits->age_ms && unused_ms > limits->age_ms, much = limits->bytes && left > limits->bytes;
        if (unused_ms < limits->recent_ms || (!old && !much))
            break; /* nor is any younger one */
        if (is_held (keep, entry))
            continue;
        keep->batch[keep->n_batch++] = keep->next;
        left -= entry->bytes;
    }
    if (keep->n_batch)
        ask (keep);
    else
        over (keep);
}

/* ---- a look ---- */

static void do_list (void *arg)
{
    ama_keep_t *keep = arg;

    keep->wall_ms = ama_wall_ms (ama_clock_system ()); /* as the disk's */
    keep_sweep (keep->cache, keep->kinds, keep->wall_ms);
    keep_list (keep->cache, keep->kinds, &keep->known, &keep->list);
}

static void on_listed (void *arg)
{
    ama_keep_t *keep = arg;

    if (keep->ending)
        return;
    keep->next = 0;
    keep->bytes = keep->list.bytes;
    keep->n_removed = 0;
    keep->freed = 0;
    keep->err = (ama_err_t){ 0 };
    choose (keep);
}

static void on_time (void *arg)
{
    ama_keep_t *keep = arg;

    ama_worker_submit (keep->worker, do_list, on_listed, keep);
}

ama_keep_t *ama_keep_new (ama_ctx_t *ctx, const char *cache, const ama_keep_limits_t *limits, unsigned kinds,
                          ama_keep_held_fn *held, void *arg)
{
    ama_keep_t *keep;

    if (!limits->home || (!limits->bytes && !limits->age_ms))
        return NULL;
    keep = ama_calloc (1, sizeof *keep);
    keep->ctx = ctx;
    keep->cache = ama_strdup (cache);
    keep->limits = *limits;
    keep->home = ama_strdup (limits->home);
    if (!keep->limits.recent_ms)
        keep->limits.recent_ms = RECENT_MS;
    if (!keep->limits.first_ms)
        keep->limits.first_ms = FIRST_MS;
    if (!keep->limits.every_ms)
        keep->limits.every_ms = EVERY_MS;
    keep->kinds = kinds;
    keep->held = held;
    keep->arg = arg;
    keep->worker = ama_worker_new (ctx, "keep");
    keep->timer = ama_timer_new (ctx, on_time, keep);
    ama_timer_after (keep->timer, keep->limits.first_ms);
    return keep;
}

void ama_keep_destroy (ama_keep_t **keep_p)
{
    ama_keep_t *keep = *keep_p;

    if (!keep)
        return;
    *keep_p = NULL;
    keep->ending = true;
    if (keep->ask)
        ama_ask_cancel (keep->ctx, keep->ask);
    ama_worker_destroy (&keep->worker);
    ama_timer_destroy (&keep->timer);
    keep_list_done (&keep->list);
    keep_list_done (&keep->known);
    free (keep->home);
    free (keep->cache);
    free (keep);
}
