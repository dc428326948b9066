/* ama_plan_jars.c - see ama_plan_jars.h; used by supervisor and client */
#include "messages/ama_plan_jars.h"

#include "actors/base/ama_str.h"

#include <string.h>

bool ama_plan_jars_for_all (const ama_plan_plan_t *plan, uint32_t index)
{
    if (plan->dependencies[index].python)
        return false;
    for (size_t i = 0; i < plan->n_actions; i++) {
        const ama_plan_action_t *action = &plan->actions[i];
        for (size_t k = 0; k < action->n_dependencies; k++)
            if (action->dependencies[k] == index)
                return false;
    }
    return true;
}

void ama_plan_jars_add (const ama_plan_dependencies_t *file, ama_resolve_request_t *request)
{
    request->repositories = ama_realloc (request->repositories, (request->n_repositories + file->n_repositories)
                                                                    * sizeof *request->repositories);
    request->artifacts =
        ama_realloc (request->artifacts, (request->n_artifacts + file->n_artifacts) * sizeof *request->artifacts);
    if (file->n_repositories)
        memcpy (request->repositories + request->n_repositories, file->repositories,
                file->n_repositories * sizeof *file->repositories);
    if (file->n_artifacts)
        memcpy (request->artifacts + request->n_artifacts, file->artifacts,
                file->n_artifacts * sizeof *file->artifacts);
    request->n_repositories += file->n_repositories;
    request->n_artifacts += file->n_artifacts;
}
