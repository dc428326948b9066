/* plan_persist.c - what is stored although no exports name it: persist, and readers that no live session reaches. A step of ama_plan_build.
 *
 *     always   what a later action reads
 *     auto     what one reads that is not in the run's Spark session, as it declares (reads:)
 *     never    nothing
 *
 * A read that a source was found to have may never be made, so that what it names need not be there; a declared one is meant.
 */
#include "actors/planner/plan_build.h"

#include <stdlib.h>
#include <string.h>

static const char *setting_of (const ama_plan_setting_t *settings, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp (settings[i].key, key) == 0)
            return settings[i].value;
    return NULL;
}

typedef enum { AUTO, ALWAYS, NEVER } policy_t;

/* The action's own, the environment's, the job's: the last is the environment's unless that says otherwise. */
static policy_t policy_of (const plan_build_t *self, const ama_plan_action_t *action)
{
    const char *value = setting_of (action->settings, action->n_settings, "persist");

    if (!value)
        value = setting_of (self->environment.settings, self->environment.n_settings, "persist");
    if (value && strcmp (value, "\"always\"") == 0)
        return ALWAYS;
    return value && strcmp (value, "\"never\"") == 0 ? NEVER : AUTO;
}

static void keep (plan_build_t *self, ama_plan_action_t *action, const ama_plan_edge_t *edge, bool declared)
{
    if (action->n_exports >= AMA_PLAN_ACTION_EXPORTS_MAX) {
        (void) ama_problems_add (&self->problems, true, AMA_E_LIMIT, "maki.yml", action->line, 0, NULL,
                                 "%s of %s is not stored: an action stores %d datasets at most",
                                 AMA_QUOTE (edge->dataset), AMA_QUOTE (action->name), AMA_PLAN_ACTION_EXPORTS_MAX);
        return;
    }
    action->exports = ama_realloc (action->exports, (action->n_exports + 1) * sizeof *action->exports);
    action->exports[action->n_exports++] = (ama_plan_export_t){
        .name = ama_strdup (edge->dataset), .format = ama_strdup ("parquet"), .persisted = true, .lenient = !declared
    };
}

/* What a reader declares is told to it by name. */
static void tell_reader (ama_plan_action_t *reader, const ama_plan_edge_t *edge)
{
    if (reader->n_datasets >= AMA_PLAN_ACTION_DATASETS_MAX)
        return;
    reader->datasets = ama_realloc (reader->datasets, (reader->n_datasets + 1) * sizeof *reader->datasets);
    reader->datasets[reader->n_datasets++] =
        (ama_plan_dataset_t){ .action = ama_strdup (edge->source), .name = ama_strdup (edge->dataset) };
}

void ama_plan_persist (plan_build_t *self)
{
    policy_t *policies = ama_calloc (self->maki.n_actions, sizeof *policies);
    bool has_place = *self->environment.working_dir, wanted = false;

    for (size_t i = 0; i < self->maki.n_actions; i++)
        policies[i] = policy_of (self, &self->maki.actions[i].plan);
    for (size_t i = 0; i < self->n_edges; i++) {
        const ama_plan_edge_t *edge = &self->edges[i];
        ptrdiff_t from = ama_plan_find (self, edge->source, strlen (edge->source));
        ptrdiff_t to = ama_plan_find (self, edge->target, strlen (edge->target));
        bool declared = strcmp (edge->file, "maki.yml") == 0;
        ama_maki_action_t *source;

        if (from < 0 || to < 0 || edge->uncertain)
            continue;
        source = &self->maki.actions[from];
        if (declared)
            tell_reader (&self->maki.actions[to].plan, edge);
        if (policies[from] == NEVER || (policies[from] == AUTO && ama_plan_leaves_values (self, (size_t) to))
            || !ama_plan_leaves_values (self, (size_t) from) || ama_maki_is_notebook (source)
            || ama_plan_is_exported (&source->plan, edge->dataset))
            continue;
        wanted = true;
        if (has_place)
            keep (self, &source->plan, edge, declared);
    }
    free (policies);
    if (wanted && !has_place)
        (void) ama_problems_add (&self->problems, true, AMA_E_NOT_FOUND, "maki.yml", 0, 0,
                                 "add workingDir to the environment",
                                 "what one action leaves for another is not stored: the environment has no workingDir");
}
