/* resolve_trim.c - see resolve_trim.h. On the resolver's own loop; the disk is the worker's. */
#include "actors/resolver/resolve_trim.h"

#include "actors/base/ama_clock.h"
#include "actors/base/ama_log.h"
#include "actors/base/ama_str.h"

#include <inttypes.h>
#include <stdlib.h>

enum { FIRST_MS = 60000, EVERY_MS = 3600000 };

struct ama_resolve_trim {
    const ama_resolve_core_t *core;
    ama_resolve_store_t *store;
    ama_worker_t *worker;
    ama_timer_t *timer;
    char *home;
    int64_t age_ms;
    size_t n; /* the worker's while it has work; likewise bytes */
    uint64_t bytes;
};

static void do_trim (void *arg)
{
    ama_resolve_trim_t *trim = arg;

    trim->n = ama_resolve_store_trim (trim->store, trim->home, ama_wall_ms (ama_clock_system ()) - trim->age_ms,
                                      &trim->bytes);
}

static void on_trimmed (void *arg)
{
    const ama_resolve_trim_t *trim = arg;

    if (trim->n)
        ama_log (AMA_LOG_INFO, "resolver",
                 "coursier: %zu files removed that nobody has read for long, %" PRIu64 " bytes", trim->n, trim->bytes);
}

static void on_time (void *arg)
{
    ama_resolve_trim_t *trim = arg;
    bool busy = ama_resolve_core_jobs (trim->core) > 0;

    if (!busy)
        ama_worker_submit (trim->worker, do_trim, on_trimmed, trim);
    ama_timer_after (trim->timer, busy ? FIRST_MS : EVERY_MS);
}

ama_resolve_trim_t *ama_resolve_trim_new (ama_ctx_t *ctx, const ama_resolve_core_t *core, ama_resolve_store_t *store,
                                          ama_worker_t *worker, const ama_keep_limits_t *limits)
{
    ama_resolve_trim_t *trim;

    if (!limits->home || !limits->age_ms)
        return NULL;
    trim = ama_calloc (1, sizeof *trim);
    *trim = (ama_resolve_trim_t){
        .core = core, .store = store, .worker = worker, .home = ama_strdup (limits->home), .age_ms = limits->age_ms
    };
    trim->timer = ama_timer_new (ctx, on_time, trim);
    ama_timer_after (trim->timer, FIRST_MS);
    return trim;
}

void ama_resolve_trim_destroy (ama_resolve_trim_t **trim)
{
    if (!*trim)
        return;
    ama_timer_destroy (&(*trim)->timer);
    free ((*trim)->home);
    free (*trim);
    *trim = NULL;
}
