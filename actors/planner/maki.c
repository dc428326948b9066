/* maki.c - maki.yml, the job level. Called by the planner; pure. The words of an action are in maki_action.c, the blocks that job
 * and action share in maki_blocks.c. */
#include "actors/planner/maki.h"

#include "actors/planner/maki_parse.h"

#include <stdlib.h>
#include <string.h>

enum {
    JOB_NAME,
    FLOW,
    CONFIG,
    JOB_CONFIG,
    RETRY,
    RETRIES,
    TIMEOUT,
    RESOURCES,
    LABELS,
    FAIL_FAST,
    PERSIST,
    LEASE,
    ON_LOST,
    DEPS,
    PARAMS,
    SESSION,
    SECRETS,
    SCHEDULE,
    TRIGGERS,
    CONCURRENCY,
    FINALLY,
    NOTIFY,
    WHEN,
    VERSION,
    DESCRIPTION,
    WORDS
};

static const ama_word_t words[WORDS] = {
    [JOB_NAME] = { "job-name", "jobname name", AMA_WORD_PLAIN },
    [FLOW] = { "flow", "seq", AMA_WORD_PLAIN },
    [CONFIG] = { "config", NULL, AMA_WORD_PLAIN },
    [JOB_CONFIG] = { "job-config", NULL, AMA_WORD_PLAIN },
    [RETRY] = { "retry", NULL, AMA_WORD_PLAIN },
    [RETRIES] = { "retries", NULL, AMA_WORD_PLAIN },
    [TIMEOUT] = { "timeout", NULL, AMA_WORD_PLAIN },
    [RESOURCES] = { "resources", NULL, AMA_WORD_PLAIN },
    [LABELS] = { "labels", NULL, AMA_WORD_PLAIN },
    [FAIL_FAST] = { "fail-fast", NULL, AMA_WORD_PLAIN },
    [PERSIST] = { "persist", NULL, AMA_WORD_PLAIN },
    [LEASE] = { "lease", NULL, AMA_WORD_PLAIN },
    [ON_LOST] = { "on-lost", NULL, AMA_WORD_PLAIN },
    [DEPS] = { "deps", NULL, AMA_WORD_PLAIN },
    [PARAMS] = { "params", NULL, AMA_WORD_LATER },
    [SESSION] = { "session", NULL, AMA_WORD_LATER },
    [SECRETS] = { "secrets", NULL, AMA_WORD_LATER },
    [SCHEDULE] = { "schedule", NULL, AMA_WORD_LATER },
    [TRIGGERS] = { "triggers", NULL, AMA_WORD_LATER },
    [CONCURRENCY] = { "concurrency", NULL, AMA_WORD_LATER },
    [FINALLY] = { "finally", NULL, AMA_WORD_LATER },
    [NOTIFY] = { "notify", NULL, AMA_WORD_LATER },
    [WHEN] = { "when", NULL, AMA_WORD_LATER },
    [VERSION] = { "version", NULL, AMA_WORD_PLAIN },
    [DESCRIPTION] = { "description", NULL, AMA_WORD_PLAIN },
};

ama_maki_action_t *ama_maki_new_action (maki_parse_t *self, const ama_yaml_t *node, size_t *ret_index)
{
    ama_maki_t *maki = self->maki;
    ama_maki_action_t *action;

    if (maki->n_actions >= AMA_MAKI_ACTIONS_MAX) {
        if (maki->n_actions == AMA_MAKI_ACTIONS_MAX && self->room) /* once is enough */
            (void) ama_yaml_error (node, AMA_E_LIMIT, self->problems, "error actions count", "more than %d actions",
                                   AMA_MAKI_ACTIONS_MAX);
        self->room = 0;
        return NULL;
    }
    if (maki->n_actions == self->room) {
        self->room = self->room ? self->room * 2 : 16;
        maki->actions = ama_realloc (maki->actions, self->room * sizeof *maki->actions);
    }
    if (ret_index)
        *ret_index = maki->n_actions;
    action = &maki->actions[maki->n_actions++];
    *action = (ama_maki_action_t){ .node = node, .name = node, .error_action = -1, .error_of = -1 };
    action->plan.line = node->line;
    action->plan.error_action = action->plan.error_of = -1;
    return action;
}

static const ama_yaml_t *read_template (const ama_slot_t *slot, const char *what, ama_problems_t *problems)
{
    const ama_yaml_t *node = ama_slot_value (slot);
    const char *text;

    return node && ama_yaml_line (node, what, 4096, &text, problems) == 0 ? node : NULL;
}

static void read_flow (maki_parse_t *self, const ama_yaml_t *root, const ama_slot_t *slot)
{
    const ama_yaml_t *flow = ama_slot_value (slot);

    if (!flow) {
        (void) ama_yaml_error (slot->key ? slot->key : root, AMA_E_SYNTAX, self->problems,
                               "flow: lists the actions of the job", slot->key ? "flow is empty" : "there is no flow");
        return;
    }
    if (ama_yaml_is_list (flow, slot->key->text, self->problems) < 0)
        return;
    if (!flow->count)
        (void) ama_yaml_error (flow, AMA_E_SYNTAX, self->problems, "a job has at least one action", "flow is empty");
    for (size_t i = 0; i < flow->count; i++)
        ama_maki_action (self, flow->items[i]);
}

static void read_job (maki_parse_t *self, const ama_yaml_t *root)
{
    ama_maki_t *maki = self->maki;
    ama_problems_t *problems = self->problems;
    ama_slot_t slots[WORDS];
    const ama_yaml_t *node;
    const char *text = "";

    (void) ama_words_match (root, "the job", words, WORDS, slots, self->strangers, problems);
    if ((node = ama_slot_value (&slots[JOB_NAME])))
        (void) ama_yaml_line (node, "job-name", AMA_PLAN_PLAN_JOB_MAX, &text, problems);
    maki->job = ama_strdup (text);
    ama_maki_retry (self, &slots[RETRY], &slots[RETRIES], &self->retry);
    ama_maki_timeout (&slots[TIMEOUT], &maki->run_timeout_ms, &maki->queue_timeout_ms, problems);
    ama_maki_resources (&slots[RESOURCES], &self->cpus, &self->memory, problems);
    ama_maki_lease (&slots[LEASE], &slots[ON_LOST], maki, problems);
    ama_maki_labels (&slots[LABELS], &maki->labels, &maki->n_labels, problems);
    if ((node = ama_slot_value (&slots[FAIL_FAST])))
        (void) ama_yaml_bool (node, "fail-fast", &maki->fail_fast, problems);
    maki->config = read_template (&slots[CONFIG], "config", problems);
    maki->job_config = read_template (&slots[JOB_CONFIG], "job-config", problems);
    maki->deps = ama_maki_scalars (&slots[DEPS], "deps", AMA_PLAN_ACTION_DEPENDENCIES_MAX - 2, problems);
    maki->persist = ama_maki_persist (&slots[PERSIST], problems);
    read_flow (self, root, &slots[FLOW]);
}

int ama_maki_parse (ama_doc_t **doc, bool strict, const ama_community_t *community, ama_maki_t *ret_maki,
                    ama_problems_t *problems)
{
    const ama_yaml_t *root = ama_doc_root (*doc);
    size_t errors = problems->errors;
    maki_parse_t self = {
        .maki = ret_maki,
        .problems = problems,
        .community = community,
        .strangers = strict ? AMA_STRANGERS_ERROR : AMA_STRANGERS_WARN,
        .retry = MAKI_RETRY_DEFAULT,
    };

    *ret_maki = (ama_maki_t){ .doc = *doc };
    if (!root)
        (void) ama_problems_add (problems, false, AMA_E_SYNTAX, ama_doc_name (*doc), 1, 1, "a job has at least a flow",
                                 "the file is empty");
    else if (ama_yaml_is_map (root, "a job", problems) == 0)
        read_job (&self, root);
    *doc = NULL;
    if (!ret_maki->job)
        ret_maki->job = ama_strdup ("");
    ama_plan_retry_done (&self.retry);
    return problems->errors > errors ? AMA_E_INVALID : 0;
}

void ama_maki_done (ama_maki_t *maki)
{
    for (size_t i = 0; i < maki->n_actions; i++) {
        ama_plan_action_done (&maki->actions[i].plan);
        ama_plan_dependencies_done (&maki->actions[i].artifact_deps);
    }
    for (size_t i = 0; i < maki->n_labels; i++)
        ama_plan_label_done (&maki->labels[i]);
    free (maki->actions);
    free (maki->labels);
    free (maki->job);
    ama_doc_destroy (&maki->doc);
    *maki = (ama_maki_t){ 0 };
}

char *ama_maki_expand (const char *template, const char *env, const char *action)
{
    static const char *const names[] = { "{env}", "{action_name}", "{action-name}" };
    ama_str_t out = { 0 };

    while (*template) {
        size_t i = 0;
        while (i < ARRAY_SIZE (names) && !ama_str_starts (template, names[i]))
            i++;
        if (i == ARRAY_SIZE (names))
            ama_str_putc (&out, *template ++);
        else {
            ama_str_puts (&out, i == 0 ? env : action);
            template += strlen (names[i]);
        }
    }
    return ama_str_take (&out);
}
