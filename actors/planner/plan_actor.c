/* plan_actor.c - the planner: (snapshot, environment) becomes a plan or a list of problems
 *
 * Asked by the supervisor. Holds nothing: an ask may be repeated, the same snapshot gives the same plan. The work is done in the handler: it reads small files of a
 * local folder and takes milliseconds, bounded by the limits of plan.h.
 */
#include "actors/planner/plan_actor.h"

#include "actors/base/ama_crash.h"
#include "actors/base/ama_failpoint.h"
#include "actors/base/ama_str.h"
#include "actors/depot/stock.h"
#include "actors/planner/plan.h"
#include "messages/ama_types.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

typedef struct planner planner_t;

/* A request whose snapshot is on its way. */
typedef struct waiting {
    struct waiting *prev, *next;
    planner_t *planner;
    ama_waiter_t waiter;
    ama_plan_request_t request;
} waiting_t;

struct planner {
    ama_ctx_t *ctx;
    ama_stock_t *stock; /* NULL: snapshots are on this disk */
    ama_keep_t *keep;   /* NULL: likewise, or they stay */
    waiting_t *waiting;
};

enum {
    PATIENCE_MS = 60000, /* then the supervisor has asked again */
    NAMED_MAX = 64
};

/* What killed its planner before, again and again, is refused: the same files, whichever run they are of. */
static int build (const ama_plan_request_t *request, ama_plan_reply_t *ret_reply, ama_err_t *err)
{
    ama_plan_request_t same = *request;
    ama_crash_work_t work;
    ama_str_t what = { 0 }, input = { 0 };
    int rc;

    same.key = (ama_id_t){ 0 };
    ama_plan_request_encode (&same, &input);
    ama_str_puts (&what, "the planner over ");
    ama_str_escape (&what, request->commit[0] ? request->commit : request->snapshot,
                    strlen (request->commit[0] ? request->commit : request->snapshot), NAMED_MAX);
    ama_str_puts (&what, ", environment ");
    ama_str_escape (&what, request->env, strlen (request->env), NAMED_MAX);
    rc = ama_crash_check (what.data, input.data, input.size, err);
    if (rc == 0) {
        ama_crash_begin (&work, what.data, input.data, input.size);
        AMA_FAILPOINT_OVER (plan, begun, request->env);
        rc = ama_plan_build (request, ret_reply, err);
        ama_crash_end (&work);
    }
    ama_str_done (&what);
    ama_str_done (&input);
    return rc;
}

static int answer (ama_ctx_t *ctx, const ama_waiter_t *waiter, const ama_plan_request_t *request, ama_err_t *err)
{
    ama_plan_reply_t reply;
    int rc = build (request, &reply, err);

    if (rc < 0)
        return rc;
    AMA_FAILPOINT (plan, made);
    rc = ama_reply (ctx, waiter, AMA_MSG_PLAN_REPLY, &reply);
    ama_plan_reply_done (&reply);
    return rc < 0 ? ama_err_set (err, rc, "the plan could not be sent") : 0;
}

static void free_waiting (waiting_t *waiting)
{
    /* utlist: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    DL_DELETE (waiting->planner->waiting, waiting);
    ama_plan_request_done (&waiting->request);
    free (waiting);
}

static void on_snapshot (void *arg, const ama_err_t *err)
{
    waiting_t *waiting = arg;
    planner_t *self = waiting->planner;
    ama_err_t why = { 0 };
    char *local = ama_stock_local (self->stock, waiting->request.snapshot);

    if (local) {
        free (waiting->request.snapshot);
        waiting->request.snapshot = local;
    }
    if (err)
        why = *err;
    else
        (void) answer (self->ctx, &waiting->waiter, &waiting->request, &why);
    if (why.code < 0)
        (void) ama_refuse (self->ctx, &waiting->waiter, why.code, "%s", why.text);
    free_waiting (waiting);
}

static int on_request (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    planner_t *self = state;
    const ama_plan_request_t *request = body;
    ama_waiter_t waiter = ama_waiter (envelope);
    waiting_t *waiting;

    if (!self->stock)
        return answer (ctx, &waiter, request, err);
    waiting = ama_calloc (1, sizeof *waiting);
    waiting->planner = self;
    waiting->waiter = waiter;
    ama_message_info (AMA_MSG_PLAN_REQUEST)->copy (request, &waiting->request);
    DL_APPEND (self->waiting, waiting);
    ama_stock_want (self->stock, (const char *const *) &waiting->request.snapshot, 1, PATIENCE_MS, on_snapshot,
                    waiting);
    return 0;
}

static int init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    planner_t *self = state;
    const ama_planner_conf_t *conf = config;

    (void) err;
    self->ctx = ctx;
    self->stock = conf ? ama_stock_new (ctx, conf->cache_dir) : NULL;
    self->keep = conf ? ama_keep_new (ctx, conf->cache_dir, &conf->keep, AMA_KEEP_TREES, NULL, NULL) : NULL;
    return 0;
}

static void done (void *state)
{
    planner_t *self = state;

    ama_keep_destroy (&self->keep);
    ama_stock_destroy (&self->stock);
    while (self->waiting)
        free_waiting (self->waiting); /* utlist: NOLINT(clang-analyzer-unix.Malloc) */
}

static const ama_handler_t handlers[] = {
    { AMA_MSG_PLAN_REQUEST, on_request },
    AMA_HANDLER_END,
};

const ama_actor_def_t ama_planner_def = {
    .name = "planner",
    .role = AMA_ROLE_PLANNER,
    .state_size = sizeof (planner_t),
    .init = init,
    .done = done,
    .handlers = handlers,
};
