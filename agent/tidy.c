/* tidy.c - one look at a time: what was unnamed before is swept, then the list, then batch by batch the supervisor's word, and they go. On the agent's thread; the
 * disk is the worker's, but for renames. */
#include "agent/tidy.h"

#include "actors/base/ama_log.h"
#include "actors/runtime/ama_worker.h"
#include "agent/ahead.h"
#include "agent/gather.h"
#include "agent/session.h"
#include "agent/tidy_disk.h"
#include "messages/ama_types.h"

#include <inttypes.h>
#include <stdlib.h>
#include <utlist.h>

enum {
    FIRST_MS = 10000,
    EVERY_MS = 600000,
    SOON_MS = 1000,
    AT_ONCE = 128, /* runs in a question */
    ANSWER_MS = 10000,
    SLICE = 500,      /* files and folders, then a pause: who runs has the disk, too */
    PAUSE_MS = 50,    /* so at most 10,000 of them in a second */
    HURRY = 4000,     /* of a slice for which somebody waits */
    UNNAMES_MAX = 16, /* renames in one turn of the agent */
    HELD_MS = 20,
    GRACE_MS = 15000, /* a session that closes takes seconds */
};

typedef enum { SWEEP, LIST, ASK, UNNAME } phase_t;

typedef struct order {
    struct order *prev, *next;
    ama_tidy_t *tidy;
    ama_waiter_t waiter;
    ama_id_t run;
    bool count;
    int64_t patient_until; /* 0: it has begun */
    char name[AMA_TIDY_NAME];
    ama_tidy_sum_t sum;
    bool done;
    ama_err_t err;
} order_t;

struct ama_tidy {
    ama_agent_t *agent;
    ama_worker_t *worker; /* made when it is first needed */
    ama_timer_t *timer;
    uint64_t ask;
    bool ending;
    order_t *orders;
    ama_timer_t *held_timer; /* of orders that have not begun */
    /* of this look; the worker's while it has work */
    phase_t phase;
    bool listed;          /* the list has been made */
    ama_id_t *runs;       /* owned; longest ago first */
    size_t n, from, next; /* from there to before next they are asked about */
    ama_id_t go[AT_ONCE];
    size_t n_go;
    size_t n_removed;
    ama_tidy_sum_t sum;
    bool done;
    ama_err_t err;
};

static void go_on (ama_tidy_t *tidy, phase_t phase, int64_t after_ms)
{
    tidy->phase = phase;
    ama_timer_after (tidy->timer, after_ms);
}

static ama_worker_t *worker_of (ama_tidy_t *tidy)
{
    if (!tidy->worker)
        tidy->worker = ama_worker_new (tidy->agent->ctx, "tidy");
    return tidy->worker;
}

/* ---- what is still needed here ---- */

typedef struct {
    ama_id_t run;
    bool found;
} seek_t;

static void seek (ama_session_t *session, ama_id_t id, ama_id_t run, void *arg)
{
    seek_t *sought = arg;

    (void) session, (void) id;
    sought->found |= ama_id_equal (run, sought->run);
}

static bool is_held (const ama_agent_t *agent, ama_id_t run)
{
    seek_t sought = { .run = run };
    const ama_attempt_t *attempt, *next;

    HASH_ITER (hh, agent->attempts, attempt, next)
    {
        if (ama_id_equal (attempt->run, run))
            return true;
    }
    (void) ama_session_list (agent, seek, &sought);
    return sought.found || ama_ahead_of (agent, run) || ama_gather_of (agent, run)
           || ama_statuses_of (agent->statuses, run) || ama_poster_of (agent->poster, run);
}

/* ---- a look ---- */

static int64_t pause_of (const ama_agent_conf_t *conf)
{
    int64_t tenth = conf->work_age_ms / 10;

    return tenth > EVERY_MS ? EVERY_MS : tenth > SOON_MS ? tenth : SOON_MS;
}

static void over (ama_tidy_t *tidy)
{
    if (tidy->n_removed)
        ama_log (AMA_LOG_INFO, "agent", "working data of %zu runs removed: %" PRIu64 " files, %" PRIu64 " bytes",
                 tidy->n_removed, tidy->sum.files, tidy->sum.bytes);
    if (tidy->err.code)
        ama_log (AMA_LOG_WARN, "agent", "some of the working data of runs can not be removed: %s", tidy->err.text);
    free (tidy->runs);
    tidy->runs = NULL;
    tidy->n = tidy->from = tidy->next = tidy->n_removed = 0;
    tidy->sum = (ama_tidy_sum_t){ 0 };
    tidy->err = (ama_err_t){ 0 };
    tidy->listed = false;
    if (tidy->agent->conf.work_age_ms)
        go_on (tidy, SWEEP, pause_of (&tidy->agent->conf));
}

static void do_sweep (void *arg)
{
    ama_tidy_t *tidy = arg;

    if (ama_tidy_sweep (tidy->agent->conf.dir, NULL, SLICE, &tidy->sum, &tidy->done, &tidy->err) < 0)
        tidy->done = true;
}

static void on_swept (void *arg)
{
    ama_tidy_t *tidy = arg;

    if (tidy->ending)
        return;
    if (!tidy->done)
        go_on (tidy, SWEEP, PAUSE_MS);
    else if (!tidy->agent->conf.work_age_ms)
        over (tidy);
    else
        go_on (tidy, tidy->listed ? ASK : LIST, 0);
}

static void do_list (void *arg)
{
    ama_tidy_t *tidy = arg;

    tidy->n = ama_tidy_list (tidy->agent->conf.dir, ama_wall_ms (ama_clock_system ()) - tidy->agent->conf.work_age_ms,
                             &tidy->runs);
}

static void on_listed (void *arg)
{
    ama_tidy_t *tidy = arg;

    if (tidy->ending)
        return;
    tidy->next = 0;
    tidy->listed = true;
    go_on (tidy, ASK, 0);
}

static void on_spared (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    ama_tidy_t *tidy = arg;
    const ama_attempt_spared_t *spared = body;

    (void) ctx, (void) envelope;
    tidy->ask = 0;
    if (err) { /* it is away, or has too much to do: another time */
        over (tidy);
        return;
    }
    /* of a list of somebody else only what was asked about counts */
    for (size_t i = 0; i < spared->n_runs && tidy->n_go < AT_ONCE; i++)
        for (size_t k = tidy->from; k < tidy->next; k++)
            if (ama_id_equal (spared->runs[i], tidy->runs[k])) {
                tidy->go[tidy->n_go++] = spared->runs[i];
                break;
            }
    go_on (tidy, UNNAME, 0);
}

static void ask (ama_tidy_t *tidy)
{
    ama_id_t runs[AT_ONCE];
    ama_attempt_spare_t body = { .runs = runs, .age_ms = tidy->agent->conf.work_age_ms };

    tidy->n_go = 0;
    tidy->from = tidy->next;
    for (; tidy->next < tidy->n && body.n_runs < AT_ONCE; tidy->next++)
        if (!is_held (tidy->agent, tidy->runs[tidy->next]))
            runs[body.n_runs++] = tidy->runs[tidy->next];
    if (body.n_runs)
        tidy->ask =
            ama_ask (tidy->agent->ctx, "supervisor", AMA_MSG_ATTEMPT_SPARE, &body, ANSWER_MS, 0, on_spared, tidy);
    else
        over (tidy);
}

static void unname (ama_tidy_t *tidy)
{
    const ama_agent_t *agent = tidy->agent;

    for (unsigned turns = 0; tidy->n_go && turns < UNNAMES_MAX; turns++) {
        ama_id_t run = tidy->go[--tidy->n_go];
        char name[AMA_TIDY_NAME];
        if (is_held (agent, run))
            continue;
        if (ama_tidy_unname (agent->conf.dir, run, name, &tidy->err) == 0)
            tidy->n_removed++;
    }
    go_on (tidy, tidy->n_go ? UNNAME : SWEEP, 0);
}

static void on_time (void *arg)
{
    ama_tidy_t *tidy = arg;

    switch (tidy->phase) {
    case SWEEP:
        ama_worker_submit (worker_of (tidy), do_sweep, on_swept, tidy);
        break;
    case LIST:
        ama_worker_submit (worker_of (tidy), do_list, on_listed, tidy);
        break;
    case ASK:
        ask (tidy);
        break;
    default:
        unname (tidy);
        break;
    }
}

/* ---- orders ---- */

static void answer (const ama_tidy_t *tidy, const ama_waiter_t *waiter, bool found, const ama_tidy_sum_t *sum,
                    const char *left)
{
    const ama_attempt_cleaned_t body = {
        .found = found, .bytes = sum->bytes, .files = sum->files, .left = (char *) left
    };

    (void) ama_reply (tidy->agent->ctx, waiter, AMA_MSG_ATTEMPT_CLEANED, &body);
}

static void free_order (order_t *order)
{
    /* utlist: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    DL_DELETE (order->tidy->orders, order);
    free (order);
}

static void do_order (void *arg)
{
    order_t *order = arg;
    const char *dir = order->tidy->agent->conf.dir;

    order->done = true;
    if (order->count)
        ama_tidy_count (dir, order->run, &order->sum);
    else if (ama_tidy_sweep (dir, order->name, HURRY, &order->sum, &order->done, &order->err) < 0)
        order->done = true;
}

static void on_ordered (void *arg)
{
    order_t *order = arg;
    ama_tidy_t *tidy = order->tidy;

    if (tidy->ending)
        return; /* the list frees it */
    if (!order->done) {
        ama_worker_submit (tidy->worker, do_order, on_ordered, order);
        return;
    }
    answer (tidy, &order->waiter, true, &order->sum, order->err.code ? order->err.text : "");
    free_order (order);
}

static void begin (order_t *order)
{
    ama_tidy_t *tidy = order->tidy;
    const ama_tidy_sum_t none = { 0 };

    order->patient_until = 0;
    if (!order->count && ama_tidy_unname (tidy->agent->conf.dir, order->run, order->name, &order->err) < 0) {
        answer (tidy, &order->waiter, true, &none, order->err.text);
        free_order (order);
    }
    else
        ama_worker_submit (worker_of (tidy), do_order, on_ordered, order);
}

/* Whoever was told that a run has ended may order at once: what is held then is on its way out. */
static void on_held (void *arg)
{
    ama_tidy_t *tidy = arg;
    const ama_tidy_sum_t none = { 0 };
    int64_t now = ama_now_ms (tidy->agent->ctx);
    order_t *order, *next;
    bool more = false;

    DL_FOREACH_SAFE (tidy->orders, order, next)
    {
        if (!order->patient_until)
            continue;
        if (!is_held (tidy->agent, order->run))
            begin (order);
        else if (order->patient_until <= now) {
            answer (tidy, &order->waiter, true, &none, "something of it still goes on here, or was not told yet");
            free_order (order);
        }
        else
            more = true;
    }
    if (more)
        ama_timer_after (tidy->held_timer, HELD_MS);
}

void ama_tidy_order (ama_tidy_t *tidy, const ama_waiter_t *waiter, const ama_attempt_clean_t *clean)
{
    ama_agent_t *agent = tidy->agent;
    const ama_tidy_sum_t none = { 0 };
    order_t *order;
    bool found = ama_tidy_has (agent->conf.dir, clean->run);

    if (!found || clean->step == AMA_CLEAN_STEP_LOOK) {
        answer (tidy, waiter, found, &none, "");
        return;
    }
    order = ama_calloc (1, sizeof *order);
    *order = (order_t){ .tidy = tidy,
                        .waiter = *waiter,
                        .run = clean->run,
                        .count = clean->step != AMA_CLEAN_STEP_REMOVE,
                        .patient_until = ama_now_ms (agent->ctx) + GRACE_MS };
    DL_APPEND (tidy->orders, order);
    on_held (tidy);
}

/* ---- life ---- */

ama_tidy_t *ama_tidy_new (ama_agent_t *agent)
{
    ama_tidy_t *tidy = ama_calloc (1, sizeof *tidy);
    int64_t age_ms = agent->conf.work_age_ms;

    tidy->agent = agent;
    tidy->timer = ama_timer_new (agent->ctx, on_time, tidy);
    tidy->held_timer = ama_timer_new (agent->ctx, on_held, tidy);
    go_on (tidy, SWEEP, age_ms && age_ms < FIRST_MS ? SOON_MS : FIRST_MS);
    return tidy;
}

void ama_tidy_destroy (ama_tidy_t **tidy_p)
{
    ama_tidy_t *tidy = *tidy_p;

    if (!tidy)
        return;
    *tidy_p = NULL;
    tidy->ending = true;
    if (tidy->ask)
        ama_ask_cancel (tidy->agent->ctx, tidy->ask);
    if (tidy->worker)
        ama_worker_destroy (&tidy->worker);
    ama_timer_destroy (&tidy->timer);
    ama_timer_destroy (&tidy->held_timer);
    while (tidy->orders)
        free_order (tidy->orders); /* utlist: NOLINT(clang-analyzer-unix.Malloc) */
    free (tidy->runs);
    free (tidy);
}
