/* plan_actor.c - the planner: (snapshot, environment) becomes a plan or a list of problems
 *
 * Asked by the supervisor. Holds nothing: an ask may be repeated, the same snapshot gives the same plan. The work is done in the handler: it reads small files of a
 * local folder and takes milliseconds, bounded by the limits of plan.h.
 */
#include "actors/planner/plan_actor.h"

#include "actors/base/ama_failpoint.h"
#include "actors/planner/plan.h"

typedef struct {
    bool unused; /* an actor has a state */
} planner_t;

static int on_request (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    ama_waiter_t waiter = ama_waiter (envelope);
    ama_plan_reply_t reply;
    int rc = ama_plan_build (body, &reply, err);

    (void) state;
    if (rc < 0)
        return rc;
    AMA_FAILPOINT (plan, made);
    rc = ama_reply (ctx, &waiter, AMA_MSG_PLAN_REPLY, &reply);
    ama_plan_reply_done (&reply);
    return rc < 0 ? ama_err_set (err, rc, "the plan could not be sent") : 0;
}

static const ama_handler_t handlers[] = {
    { AMA_MSG_PLAN_REQUEST, on_request },
    AMA_HANDLER_END,
};

const ama_actor_def_t ama_planner_def = {
    .name = "planner",
    .role = AMA_ROLE_PLANNER,
    .state_size = sizeof (planner_t),
    .handlers = handlers,
};
