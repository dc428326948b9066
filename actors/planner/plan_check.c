/* plan_check.c - a repository with every one of its environments. For ama validate; on the caller's thread. */
#include "actors/planner/env.h"
#include "actors/planner/plan.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    ama_plan_request_t request;
    ama_plan_reply_t *reply; /* that of `default`; gathers the rest */
    size_t environments;
} check_t;

static bool is_same (const ama_plan_problem_t *a, const ama_plan_problem_t *b)
{
    return a->code == b->code && a->line == b->line && a->column == b->column && strcmp (a->file, b->file) == 0
           && strcmp (a->message, b->message) == 0 && strcmp (a->hint, b->hint) == 0;
}

/* What `default` and the job itself have is told already. */
static bool is_told (const ama_plan_reply_t *reply, size_t count, const ama_plan_problem_t *problem)
{
    for (size_t i = 0; i < count; i++)
        if (is_same (&reply->problems[i], problem))
            return true;
    return false;
}

static void take_problems (ama_plan_reply_t *into, ama_plan_reply_t *from)
{
    size_t before = into->n_problems;

    for (size_t i = 0; i < from->n_problems && into->n_problems < AMA_PLAN_REPLY_PROBLEMS_MAX; i++) {
        if (is_told (into, before, &from->problems[i]))
            continue;
        into->problems = ama_realloc (into->problems, (into->n_problems + 1) * sizeof *into->problems);
        into->problems[into->n_problems++] = from->problems[i];
        from->problems[i] = (ama_plan_problem_t){ 0 };
    }
}

static void check_environment (const char *name, void *arg)
{
    check_t *check = arg;
    ama_plan_reply_t reply;

    if (strcmp (name, "default") == 0 || check->environments++ >= AMA_PLAN_CHECK_MAX)
        return;
    check->request.env = (char *) name;
    if (ama_plan_build (&check->request, &reply, NULL) < 0)
        return;
    check->reply->ok = check->reply->ok && reply.ok;
    take_problems (check->reply, &reply);
    ama_plan_reply_done (&reply);
}

int ama_plan_check (const ama_plan_request_t *request, ama_plan_reply_t *ret_reply, ama_err_t *err)
{
    check_t check = { .request = *request, .reply = ret_reply };
    ama_repo_t *repo = NULL;
    int rc = ama_plan_build (request, ret_reply, err);

    if (rc < 0 || (request->env && *request->env))
        return rc;
    if (ama_repo_open (request->snapshot, &repo, NULL) == 0)
        ama_env_each (repo, check_environment, &check);
    ama_repo_close (&repo);
    return 0;
}
