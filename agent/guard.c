/* guard.c - starts ama-guard and keeps it alive; on the agent's thread */
#include "agent/guard.h"

#include "actors/base/ama_log.h"
#include "actors/runtime/ama_child.h"

#include <stdlib.h>

#define RESTARTS 10

struct ama_guard {
    ama_agent_t *agent;
    ama_child_t *child;
    unsigned restarts;
};

static int start (ama_guard_t *guard, ama_err_t *err);

static void on_guard_exit (ama_child_t *child, const ama_child_end_t *end, void *arg)
{
    ama_guard_t *guard = arg;
    ama_err_t err = { 0 };

    (void) end;
    ama_leftovers_forget (guard->agent->leftovers, ama_child_pid (child));
    guard->child = NULL;
    if (guard->restarts++ >= RESTARTS || start (guard, &err) < 0)
        ama_log (AMA_LOG_ERROR, "agent",
                 "the guard ended and can not be started again: processes may outlive a killed agent");
}

static int start (ama_guard_t *guard, ama_err_t *err)
{
    const char *argv[] = { guard->agent->conf.guard, guard->agent->token, NULL };
    const char *env[] = { NULL };
    ama_child_spec_t spec = {
        .argv = argv, .env = env, .cwd = "/", .keep_input = true, .on_exit = on_guard_exit, .arg = guard
    };

    guard->child = ama_child_spawn (guard->agent->ctx, &spec, err);
    if (!guard->child)
        return err ? err->code : AMA_E_CHILD;
    ama_leftovers_know (guard->agent->leftovers, ama_child_pid (guard->child));
    return 0;
}

ama_guard_t *ama_guard_new (ama_agent_t *agent, ama_err_t *err)
{
    ama_guard_t *guard = ama_calloc (1, sizeof *guard);

    guard->agent = agent;
    if (start (guard, err) < 0) {
        free (guard);
        return NULL;
    }
    return guard;
}

void ama_guard_destroy (ama_guard_t **guard)
{
    if (!*guard)
        return;
    if ((*guard)->child) {
        ama_child_close_input ((*guard)->child);
        ama_child_release (&(*guard)->child);
    }
    free (*guard);
    *guard = NULL;
}
