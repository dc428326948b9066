/* plan.c - the steps from a snapshot to a plan, and the reply. Called by the planner actor on its thread, and by programs and tests directly. */
#include "actors/planner/plan.h"

#include "actors/planner/env.h"
#include "actors/planner/plan_build.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPLY_TEXT_MAX (1u << 20) /* bytes of all problems of a reply */

/* ---- maki.yml ---- */

static void read_maki (plan_build_t *self)
{
    static const char *const names[] = { "maki.yml", "maki.yaml" };
    const char *found = NULL;

    for (size_t i = 0; i < ARRAY_SIZE (names); i++) {
        ama_doc_t *doc = NULL;
        ama_err_t err;
        int fd = ama_repo_open_file (self->repo, names[i], SIZE_MAX, true, &err);
        if (fd == AMA_E_NOT_FOUND)
            continue;
        if (found)
            (void) ama_problems_add (&self->problems, true, AMA_E_EXISTS, names[i], 0, 0, "keep one of them",
                                     "the file has no effect, as there is a %s", found);
        else if (fd < 0)
            (void) ama_problems_add (&self->problems, false, fd, names[i], 0, 0, NULL, "the file %s", err.text);
        else if (ama_doc_read (names[i], fd, NULL, &doc, &self->problems) == 0)
            (void) ama_maki_parse (&doc, self->strict, &self->community, &self->maki, &self->problems);
        found = found ? found : names[i];
        if (fd >= 0)
            (void) close (fd);
    }
    if (!found)
        (void) ama_problems_add (&self->problems, false, AMA_E_NOT_FOUND, "maki.yml", 0, 0,
                                 "a job begins with a maki.yml in its root", "the file does not exist");
}

/* ---- the reply ---- */

static ama_plan_problem_t copy_problem (const ama_problem_t *problem)
{
    return (ama_plan_problem_t){
        .code = problem->code,
        .file = ama_strdup (problem->file),
        .line = problem->line,
        .column = problem->column,
        .message = ama_strdup (problem->message),
        .hint = ama_strdup (problem->hint),
        .warning = problem->warning,
    };
}

static ama_plan_problem_t more_problems (size_t count)
{
    ama_str_t message = { 0 };

    ama_str_printf (&message, "%zu more problem%s not shown", count, count == 1 ? " is" : "s are");
    return (ama_plan_problem_t){
        .code = AMA_E_LIMIT,
        .file = ama_strdup ("maki.yml"),
        .message = ama_str_take (&message),
        .hint = ama_strdup ("correct those above and look again"),
        .warning = true,
    };
}

static void copy_problems (const ama_problems_t *problems, ama_plan_problem_t **ret_list, size_t *ret_count)
{
    size_t errors = 0, warnings = 0; /* bytes: a flood of the ones does not hide the others */
    size_t left_out = problems->dropped;

    *ret_list = ama_calloc (problems->count + 1, sizeof **ret_list);
    *ret_count = 0;
    for (size_t i = 0; i < problems->count; i++) {
        const ama_problem_t *problem = &problems->items[i];
        size_t *bytes = problem->warning ? &warnings : &errors;
        *bytes += strlen (problem->file) + strlen (problem->message) + strlen (problem->hint) + 64;
        if (*bytes > REPLY_TEXT_MAX / 2 || *ret_count >= AMA_PLAN_REPLY_PROBLEMS_MAX - 1)
            left_out++;
        else
            (*ret_list)[(*ret_count)++] = copy_problem (problem);
    }
    if (left_out)
        (*ret_list)[(*ret_count)++] = more_problems (left_out);
}

/* ---- the plan ---- */

static void place (plan_build_t *self, ama_plan_plan_t *plan, size_t from, uint32_t *place_of)
{
    place_of[from] = (uint32_t) plan->n_actions;
    plan->actions[plan->n_actions++] = self->maki.actions[from].plan;
    self->maki.actions[from].plan = (ama_plan_action_t){ 0 };
}

static int by_number (const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

    return x < y ? -1 : x > y;
}

static void link_action (const plan_build_t *self, ama_plan_plan_t *plan, size_t from, const uint32_t *place_of)
{
    const ama_maki_action_t *maki = &self->maki.actions[from];
    const struct ama_dag_node *node = &self->dag.nodes[from];
    ama_plan_action_t *action = &plan->actions[place_of[from]];

    action->error_action = maki->error_action >= 0 ? (int64_t) place_of[maki->error_action] : -1;
    action->error_of = maki->error_of >= 0 ? (int64_t) place_of[maki->error_of] : -1;
    if (maki->error_of >= 0) /* it waits for its owner's failure, not for its success */
        return;
    action->depends = ama_calloc (node->n_before, sizeof *action->depends);
    action->n_depends = node->n_before;
    for (size_t i = 0; i < node->n_before; i++)
        action->depends[i] = place_of[node->before[i]];
    if (node->n_before)
        qsort (action->depends, node->n_before, sizeof *action->depends, by_number);
}

/* Start order, every error action directly after its owner. */
static void place_actions (plan_build_t *self, ama_plan_plan_t *plan)
{
    size_t count = self->maki.n_actions;
    uint32_t *place_of = ama_calloc (count, sizeof *place_of);

    plan->actions = ama_calloc (count, sizeof *plan->actions);
    for (size_t i = 0; i < count; i++) {
        uint32_t from = self->order[i];
        if (self->maki.actions[from].error_of >= 0)
            continue;
        place (self, plan, from, place_of);
        if (self->maki.actions[from].error_action >= 0)
            place (self, plan, (size_t) self->maki.actions[from].error_action, place_of);
    }
    for (size_t i = 0; i < count; i++)
        link_action (self, plan, i, place_of);
    free (place_of);
}

static const char *text (const char *value)
{
    return value ? value : "";
}

static void fill_plan (plan_build_t *self, const ama_plan_request_t *request, ama_plan_plan_t *plan)
{
    const char *job = *text (request->name) ? request->name : *self->maki.job ? self->maki.job : "job";

    *plan = (ama_plan_plan_t){
        .job = ama_strdup (job),
        .env = ama_strdup (self->env),
        .commit = ama_strdup (text (request->commit)),
        .edges = self->edges,
        .n_edges = self->n_edges,
        .environment = self->environment,
        .dependencies = self->dependencies,
        .n_dependencies = self->n_dependencies,
        .fail_fast = self->maki.fail_fast,
        .run_timeout_ms = self->maki.run_timeout_ms,
        .queue_timeout_ms = self->maki.queue_timeout_ms,
        .lease_ms = self->maki.lease_ms,
        .on_lost = self->maki.on_lost,
        .labels = self->maki.labels,
        .n_labels = self->maki.n_labels,
    };
    self->edges = NULL;
    self->dependencies = NULL;
    self->environment = (ama_plan_environment_t){ 0 };
    self->n_edges = self->n_dependencies = self->maki.n_labels = 0;
    self->maki.labels = NULL;
    place_actions (self, plan);
    copy_problems (&self->problems, &plan->warnings, &plan->n_warnings);
}

/* False, with the problem told, if the plan is too large to travel. */
static bool seal (plan_build_t *self, ama_plan_plan_t *plan)
{
    ama_str_t bytes = { 0 };
    bool fits;

    ama_plan_plan_encode (plan, &bytes);
    fits = bytes.size <= AMA_PLAN_SIZE_MAX;
    if (fits)
        plan->digest = ama_digest_of (bytes.data, bytes.size);
    else
        (void) ama_problems_add (&self->problems, false, AMA_E_LIMIT, "maki.yml", 0, 0,
                                 "large values do not belong into an environment",
                                 "the plan has %zu bytes, the limit is %u", bytes.size, AMA_PLAN_SIZE_MAX);
    ama_str_done (&bytes);
    return fits;
}

static void done (plan_build_t *self)
{
    ama_plan_reads_done (self);
    ama_plan_flow_done (self);
    ama_maki_done (&self->maki);
    ama_community_done (&self->community);
    ama_repo_list_done (&self->src);
    ama_plan_environment_done (&self->environment);
    for (size_t i = 0; i < self->n_dependencies; i++)
        ama_plan_dependencies_done (&self->dependencies[i]);
    for (size_t i = 0; i < self->n_edges; i++)
        ama_plan_edge_done (&self->edges[i]);
    free (self->dependencies);
    free (self->edges);
    ama_problems_done (&self->problems);
    ama_repo_close (&self->repo);
}

int ama_plan_build (const ama_plan_request_t *request, ama_plan_reply_t *ret_reply, ama_err_t *err)
{
    plan_build_t self = { .env = *text (request->env) ? request->env : "default",
                          .strict = request->strict,
                          .unlocked = request->unlocked,
                          .check_sources = request->check_sources,
                          .origins = request->origins };
    int rc = ama_repo_open (text (request->snapshot), &self.repo, err);

    if (rc < 0)
        return rc;
    *ret_reply = (ama_plan_reply_t){ 0 };
    ama_community_read (self.repo, &self.community, &self.problems);
    read_maki (&self);
    ama_plan_flow (&self);
    (void) ama_env_read (self.repo, self.env, &self.maki, self.strict, self.origins, &self.environment, &self.problems);
    ama_plan_files (&self);
    if (!self.problems.errors)
        ama_plan_persist (&self);
    ama_problems_sort (&self.problems);
    if (!self.problems.errors) {
        fill_plan (&self, request, &ret_reply->plan);
        ret_reply->ok = ret_reply->has_plan = seal (&self, &ret_reply->plan);
        if (!ret_reply->ok)
            ama_plan_plan_done (&ret_reply->plan);
    }
    copy_problems (&self.problems, &ret_reply->problems, &ret_reply->n_problems);
    done (&self);
    return 0;
}
