/* run_dag.c - the plan's actions as a graph: who waits for whom
 *
 * Called by the fold when a plan is known. Pure. After run_dag_build every index in run->next is valid.
 */
#include "actors/supervisor/run_state.h"

#include "messages/ama_plan_jars.h"

#include <stdlib.h>
#include <string.h>

static int check_error_pair (const ama_plan_plan_t *plan, uint32_t i, ama_err_t *err)
{
    const ama_plan_action_t *action = &plan->actions[i];
    int64_t owned = action->error_action, owner = action->error_of;

    if (owned >= (int64_t) plan->n_actions || owned == i || owner >= (int64_t) plan->n_actions || owner == i)
        return ama_err_set (err, AMA_E_INVALID, "plan: action %s: error action out of range", action->name);
    if (owned >= 0 && plan->actions[owned].error_of != i)
        return ama_err_set (err, AMA_E_INVALID, "plan: action %s: its error action does not know it", action->name);
    if (owner >= 0 && (plan->actions[owner].error_action != i || owned >= 0 || action->n_depends))
        return ama_err_set (err, AMA_E_INVALID, "plan: error action %s is not a leaf", action->name);
    return 0;
}

int run_dag_check (const ama_plan_plan_t *plan, ama_err_t *err)
{
    for (uint32_t i = 0; i < plan->n_actions; i++) {
        const ama_plan_action_t *action = &plan->actions[i];
        for (size_t k = 0; k < action->n_depends; k++) {
            if (action->depends[k] >= i || plan->actions[action->depends[k]].error_of >= 0)
                return ama_err_set (err, AMA_E_INVALID, "plan: action %s depends on a later one", action->name);
        }
        for (size_t k = 0; k < action->n_dependencies; k++) {
            if (action->dependencies[k] >= plan->n_dependencies)
                return ama_err_set (err, AMA_E_INVALID, "plan: action %s: no such dependency set", action->name);
        }
        if (check_error_pair (plan, i, err) < 0)
            return err ? err->code : AMA_E_INVALID;
    }
    return 0;
}

/* A jar is a driver of its own. */
static bool on_spark (const ama_plan_action_t *action)
{
    return strcmp (action->group, "spark") == 0 && !run_is_jar (action);
}

static void link_dependants (ama_run_core_t *run)
{
    const ama_plan_plan_t *plan = run->plan;
    uint32_t total = 0;

    for (uint32_t i = 0; i < plan->n_actions; i++) {
        for (size_t k = 0; k < plan->actions[i].n_depends; k++)
            run->actions[plan->actions[i].depends[k]].n_next++;
    }
    for (uint32_t i = 0; i < plan->n_actions; i++) {
        run->actions[i].first_next = total;
        total += run->actions[i].n_next;
        run->actions[i].n_next = 0;
    }
    run->next = ama_calloc (total, sizeof *run->next);
    for (uint32_t i = 0; i < plan->n_actions; i++) {
        for (size_t k = 0; k < plan->actions[i].n_depends; k++) {
            run_action_t *before = &run->actions[plan->actions[i].depends[k]];
            run->next[before->first_next + before->n_next++] = i;
        }
    }
}

/* Environments of Python are made where they are used: the resolver has nothing to do with them. */
static bool has_jars (const ama_plan_plan_t *plan, const ama_plan_action_t *action)
{
    for (size_t k = 0; k < action->n_dependencies; k++)
        if (!plan->dependencies[action->dependencies[k]].python)
            return true;
    return false;
}

void run_dag_build (ama_run_core_t *run)
{
    const ama_plan_plan_t *plan = run->plan;

    run->actions = ama_calloc (plan->n_actions, sizeof *run->actions);
    for (uint32_t i = 0; i < plan->n_actions; i++) {
        run_action_t *action = &run->actions[i];
        action->state = AMA_ACTION_STATE_BLOCKED;
        action->active = plan->actions[i].error_of < 0;
        action->spark = on_spark (&plan->actions[i]);
        action->waiting = (uint32_t) plan->actions[i].n_depends;
        action->blame = -1;
        action->agent = "";
        run->n_open += action->active;
        if (has_jars (plan, &plan->actions[i])) {
            action->set = ama_calloc (1, sizeof *action->set);
            run->n_sets_open++;
        }
    }
    for (uint32_t d = 0; d < plan->n_dependencies && !run->shared; d++) {
        if (ama_plan_jars_for_all (plan, d)) {
            run->shared = ama_calloc (1, sizeof *run->shared);
            run->n_sets_open++;
        }
    }
    link_dependants (run);
}

void run_dag_free (ama_run_core_t *run)
{
    for (uint32_t i = 0; run->plan && i < run->plan->n_actions; i++) {
        run_action_t *action = &run->actions[i];
        for (size_t k = 0; k < action->n_attempts; k++)
            free (action->attempts[k].cause);
        free (action->attempts);
        free (action->cause);
        run_set_free (&action->set);
    }
    run_set_free (&run->shared);
    free (run->actions);
    free (run->next);
    if (run->plan)
        ama_plan_plan_done (run->plan);
    free (run->plan);
}
