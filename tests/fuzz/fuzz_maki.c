/* fuzz_maki.c - no maki.yml crashes the parser, the order or the edges; without an error every action is complete */
#include "actors/planner/plan_build.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void check_action (const plan_build_t *self, size_t i)
{
    const ama_maki_action_t *action = &self->maki.actions[i];
    ama_str_t bytes = { 0 };
    ama_plan_action_t copy;

    BUG_ON (!action->plan.name || !action->plan.runner || !action->runner);
    BUG_ON (!action->plan.file && action->runner->needs_file);
    BUG_ON (action->plan.retry.attempts < 1 || action->plan.timeout_ms < 0);
    BUG_ON (action->plan.file && ama_repo_check_path (action->plan.file, NULL) < 0);
    BUG_ON (action->error_of >= 0 && self->maki.actions[action->error_of].error_action != (int64_t) i);
    ama_plan_action_encode (&action->plan, &bytes); /* within every limit of the schema */
    BUG_ON (ama_plan_action_decode (bytes.data, bytes.size, &copy, NULL) < 0);
    ama_plan_action_done (&copy);
    ama_str_done (&bytes);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    plan_build_t self = { .env = "default", .strict = size % 2 };
    ama_doc_t *doc = NULL;
    char *expanded;

    if (ama_doc_parse ("maki.yml", data, size, NULL, &doc, &self.problems) == 0) {
        (void) ama_maki_parse (&doc, self.strict, NULL, &self.maki, &self.problems);
        ama_plan_flow (&self);
        for (size_t i = 0; i < self.maki.n_actions && i < 4; i++)
            if (self.maki.actions[i].plan.file)
                ama_plan_scan_source (&self, i, (const char *) data, size);
        self.open_names = true; /* there are no files to look into */
        ama_plan_reads (&self);
        BUG_ON (!self.problems.errors && !self.order);
        for (size_t i = 0; !self.problems.errors && i < self.maki.n_actions; i++)
            check_action (&self, i);
        if (self.maki.config) {
            expanded = ama_maki_expand (self.maki.config->text, "e", "a");
            free (expanded);
        }
    }
    for (size_t i = 0; i < self.n_edges; i++)
        ama_plan_edge_done (&self.edges[i]);
    free (self.edges);
    ama_plan_reads_done (&self);
    ama_plan_flow_done (&self);
    ama_maki_done (&self.maki);
    ama_problems_done (&self.problems);
    return 0;
}
