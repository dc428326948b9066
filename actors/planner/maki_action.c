/* maki_action.c - one entry of the flow: name, runner in all its spellings, file, artifact, error action. Pure. */
#include "actors/base/ama_secret.h"
#include "actors/planner/deps.h"
#include "actors/planner/maki_parse.h"
#include "actors/planner/repo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    NAME,
    RUNNER,
    GROUP,
    TYPE,
    FILE_,
    ARTIFACT,
    REPOSITORY,
    CLASS,
    ARGS,
    ERROR,
    EXPORTS,
    CONFIG,
    DEPENDS_ON,
    READS,
    PERSIST,
    DEPS,
    RETRY,
    RETRIES,
    TIMEOUT,
    RESOURCES,
    LABELS,
    PARAMS,
    SESSION,
    SECRETS,
    WHEN,
    NOTIFY,
    DESCRIPTION,
    WORDS
};

static const ama_word_t words[WORDS] = {
    [NAME] = { "name", NULL, AMA_WORD_PLAIN },
    [RUNNER] = { "runner", NULL, AMA_WORD_PLAIN },
    [GROUP] = { "group", NULL, AMA_WORD_PLAIN },
    [TYPE] = { "type", NULL, AMA_WORD_PLAIN },
    [FILE_] = { "file", "src", AMA_WORD_PLAIN },
    [ARTIFACT] = { "artifact", NULL, AMA_WORD_PLAIN },
    [REPOSITORY] = { "repo", "repository", AMA_WORD_PLAIN },
    [CLASS] = { "class", NULL, AMA_WORD_PLAIN },
    [ARGS] = { "args", NULL, AMA_WORD_PLAIN },
    [ERROR] = { "error", NULL, AMA_WORD_PLAIN },
    [EXPORTS] = { "exports", NULL, AMA_WORD_PLAIN },
    [CONFIG] = { "config", NULL, AMA_WORD_PLAIN },
    [DEPENDS_ON] = { "depends-on", NULL, AMA_WORD_PLAIN },
    [READS] = { "reads", NULL, AMA_WORD_PLAIN },
    [PERSIST] = { "persist", NULL, AMA_WORD_PLAIN },
    [DEPS] = { "deps", NULL, AMA_WORD_PLAIN },
    [RETRY] = { "retry", NULL, AMA_WORD_PLAIN },
    [RETRIES] = { "retries", NULL, AMA_WORD_PLAIN },
    [TIMEOUT] = { "timeout", NULL, AMA_WORD_PLAIN },
    [RESOURCES] = { "resources", NULL, AMA_WORD_PLAIN },
    [LABELS] = { "labels", NULL, AMA_WORD_PLAIN },
    [PARAMS] = { "params", NULL, AMA_WORD_PLAIN },
    [SESSION] = { "session", NULL, AMA_WORD_LATER },
    [SECRETS] = { "secrets", NULL, AMA_WORD_LATER },
    [WHEN] = { "when", NULL, AMA_WORD_LATER },
    [NOTIFY] = { "notify", NULL, AMA_WORD_LATER },
    [DESCRIPTION] = { "description", NULL, AMA_WORD_PLAIN },
};

static bool is_word_char (char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* ---- name ---- */

static bool is_name (const char *text, size_t size)
{
    if (!size || size > AMA_MAKI_NAME_MAX || !is_word_char (text[0]) || text[0] == '_')
        return false;
    for (size_t i = 1; i < size; i++)
        if (!is_word_char (text[i]) && text[i] != '.' && text[i] != '-')
            return false;
    return true;
}

/* The nearest name that would do, "" if nothing is left of it. */
static void propose_name (const char *text, char *out)
{
    size_t n = 0;

    for (; *text && n < AMA_MAKI_NAME_MAX; text++) {
        bool good = is_word_char (*text) || *text == '.' || *text == '-';
        if (good && (n || (is_word_char (*text) && *text != '_')))
            out[n++] = *text;
        else if (!good && n && out[n - 1] != '-')
            out[n++] = '-';
    }
    while (n && (out[n - 1] == '-' || out[n - 1] == '.'))
        n--;
    out[n] = '\0';
}

static void read_name (maki_parse_t *self, ama_maki_action_t *action, const ama_slot_t *slot, const char *owner)
{
    const ama_yaml_t *node = ama_slot_value (slot);
    char proposal[AMA_MAKI_NAME_MAX + 1], hint[AMA_MAKI_NAME_MAX + 64];

    if (!node && owner && strlen (owner) + 6 <= AMA_MAKI_NAME_MAX) { /* an error action may go without */
        (void) snprintf (proposal, sizeof proposal, "%s-error", owner);
        action->plan.name = ama_strdup (proposal);
        return;
    }
    if (!node || node->kind != AMA_YAML_SCALAR) {
        (void) ama_yaml_error (node ? node : action->node, AMA_E_SYNTAX, self->problems, "name: identifies the action",
                               node ? "name must be text, not %s" : "an action without %s",
                               node ? ama_yaml_kind_text (node) : "name");
        return;
    }
    action->name = node;
    if (is_name (node->text, node->size)) {
        action->plan.name = ama_strdup (node->text);
        return;
    }
    propose_name (node->text, proposal);
    (void) snprintf (hint, sizeof hint, "write %s", proposal);
    (void) ama_yaml_error (
        node, AMA_E_INVALID, self->problems, proposal[0] ? hint : NULL,
        "the action name %s is not made of letters, digits, . _ and -, at most %d, beginning with a letter "
        "or digit",
        AMA_QUOTE (node->text), AMA_MAKI_NAME_MAX);
}

/* ---- runner ---- */

static const char *word_of (const ama_slot_t *slot, const char *what, ama_problems_t *problems, bool *good)
{
    const ama_yaml_t *node = ama_slot_value (slot);
    const char *text = NULL;

    if (node && ama_yaml_line (node, what, 64, &text, problems) < 0)
        *good = false;
    return text;
}

static void unknown_runner (const ama_yaml_t *at, const char *group, const char *type, const maki_parse_t *self)
{
    ama_problems_t *problems = self->problems;
    const ama_community_t *community = self->community;
    const char *near = ama_runner_nearest (group, type);
    const ama_runner_t *all;
    ama_str_t hint = { 0 };
    size_t count;

    if (near)
        ama_str_printf (&hint, "did you mean %s? ", near);
    ama_str_puts (&hint, "known:");
    all = ama_runner_all (&count);
    for (size_t i = 0; i < count; i++)
        ama_str_printf (&hint, " %s", all[i].name);
    for (size_t i = 0; community && i < community->count; i++)
        for (char **name = community->items[i].types; name && *name; name++)
            ama_str_printf (&hint, " %s", *name);
    if (group && type)
        (void) ama_yaml_error (at, AMA_E_INVALID, problems, hint.data, "unknown runner: group %s, type %s",
                               AMA_QUOTE (group), AMA_QUOTE (type));
    else
        (void) ama_yaml_error (at, AMA_E_INVALID, problems, hint.data,
                               group ? "runner group %s without a type" : "unknown runner %s",
                               AMA_QUOTE (group ? group : type));
    ama_str_done (&hint);
}

/* One that the repository brings, by its type, or by the file if nothing else is said. */
static void take_community (maki_parse_t *self, ama_maki_action_t *action, const char *group, const char *type)
{
    bool ours = !group || (type && strcasecmp (group, "kernel") == 0); /* as a plan shows it */
    const ama_community_runner_t *found = !ours  ? NULL
                                          : type ? ama_community_of_type (self->community, type)
                                                 : ama_community_of_file (self->community, action->plan.file);

    if (!found)
        return;
    action->runner = ama_runner_named ("kernel");
    action->plan.has_kernel = true;
    ama_community_fill (found, &action->plan.kernel);
    action->plan.type = ama_strdup (type ? type : found->types[0] ? found->types[0] : "");
}

static void read_runner (maki_parse_t *self, ama_maki_action_t *action, const ama_slot_t *slots)
{
    enum { IN_GROUP, IN_TYPE, IN_NAME, IN_COUNT };
    static const ama_word_t inner[IN_COUNT] = { { "group", NULL, 0 }, { "type", NULL, 0 }, { "name", NULL, 0 } };
    const ama_yaml_t *block = ama_slot_value (&slots[RUNNER]), *at = action->node;
    const char *group = NULL, *type = NULL, *name = NULL;
    ama_slot_t in[IN_COUNT] = { 0 };
    bool good = true;

    if (block && block->kind == AMA_YAML_SCALAR) {
        at = block;
        type = word_of (&slots[RUNNER], "runner", self->problems, &good);
    }
    else if (block) {
        at = block;
        if (ama_yaml_is_map (block, "runner", self->problems) < 0)
            return;
        (void) ama_words_match (block, "runner", inner, IN_COUNT, in, AMA_STRANGERS_ERROR, self->problems);
        group = word_of (&in[IN_GROUP], "runner.group", self->problems, &good);
        type = word_of (&in[IN_TYPE], "runner.type", self->problems, &good);
        name = word_of (&in[IN_NAME], "runner.name", self->problems, &good);
        at = type ? in[IN_TYPE].value : at;
    }
    else {
        group = word_of (&slots[GROUP], "group", self->problems, &good);
        type = word_of (&slots[TYPE], "type", self->problems, &good);
        at = type ? slots[TYPE].value : group ? slots[GROUP].value : at;
    }
    if (!good)
        return;
    action->runner = ama_runner_find (group, type);
    action->in_session = action->runner && strcmp (action->runner->name, "notebook") == 0
                         && (group  ? strcasecmp (group, "spark") == 0
                             : type ? strncasecmp (type, "spark", strlen ("spark")) == 0
                                    : false);
    if (!action->runner)
        take_community (self, action, group, type);
    if (!action->runner && !group && !type && action->plan.file && ama_str_ends (action->plan.file, ".ipynb"))
        action->runner = ama_runner_named ("notebook");
    if (action->runner && strcmp (action->runner->name, "jar") == 0 && action->plan.file
        && ama_str_ends (action->plan.file, ".scala")) /* old repositories say scala-jar for a script */
        action->runner = ama_runner_named ("spark-scala");
    if (!action->runner && !group && !type)
        (void) ama_yaml_error (at, AMA_E_SYNTAX, self->problems, "for example runner: {group: spark, type: scala}",
                               "an action without a runner");
    else if (!action->runner)
        unknown_runner (at, group, type, self);
    else
        ama_maki_kernel (self, action, at, &in[IN_NAME], name);
}

/* ---- file ---- */

static void read_file (maki_parse_t *self, ama_maki_action_t *action, const ama_slot_t *slot)
{
    const ama_yaml_t *node = ama_slot_value (slot);
    const char *text;
    ama_err_t err;

    if (slot->key && !node) {
        (void) ama_yaml_error (slot->key, AMA_E_PATH, self->problems, NULL, "file is empty");
        return;
    }
    if (!node || ama_yaml_text (node, "file", 64u << 10, &text, self->problems) < 0)
        return;
    action->file = node;
    if (strstr (text, "://")) {
        (void) ama_yaml_error (node, AMA_E_UNSUPPORTED, self->problems, "put the file under src/",
                               "the file %s is an address", AMA_QUOTE (text));
        return;
    }
    while (ama_str_starts (text, "./"))
        text += 2;
    if (ama_repo_check_path (text, &err) < 0)
        (void) ama_yaml_error (node, AMA_E_PATH, self->problems, "a path below src/", "the file %s %s",
                               AMA_QUOTE (node->text), err.text);
    else
        action->plan.file = ama_strdup (text);
}

/* ---- what a jar is run with ---- */

static void read_artifact (maki_parse_t *self, ama_maki_action_t *action, const ama_slot_t *slots)
{
    const ama_yaml_t *repository = ama_slot_value (&slots[REPOSITORY]);
    ama_plan_dependencies_t *deps = &action->artifact_deps;
    ama_str_t name = { 0 };

    action->artifact = ama_slot_value (&slots[ARTIFACT]);
    if (!action->artifact) {
        if (repository)
            (void) ama_yaml_warn (slots[REPOSITORY].key, AMA_E_INVALID, self->problems, "artifact: names what is there",
                                  "repo has no effect without artifact");
        return;
    }
    if (ama_deps_of_action (action->artifact, repository, ama_doc_name (self->maki->doc), deps, self->problems) < 0)
        return;
    ama_str_printf (&name, "%s:%s", deps->artifacts[0].group, deps->artifacts[0].name);
    action->plan.main_jar = ama_str_take (&name);
}

static void read_args (maki_parse_t *self, ama_maki_action_t *action, const ama_slot_t *slot)
{
    const ama_yaml_t *node = ama_slot_value (slot);
    ama_plan_action_t *plan = &action->plan;

    if (!node || ama_yaml_is_list (node, "args", self->problems) < 0)
        return;
    if (node->count > AMA_PLAN_ACTION_ARGS_MAX) {
        (void) ama_yaml_error (node, AMA_E_LIMIT, self->problems, NULL, "%zu args, the limit is %d", node->count,
                               AMA_PLAN_ACTION_ARGS_MAX);
        return;
    }
    plan->args = ama_calloc (node->count, sizeof *plan->args);
    for (size_t i = 0; i < node->count; i++) {
        const ama_yaml_t *item = node->items[i];
        const char *text;
        if (ama_yaml_text (item, "an argument", AMA_PLAN_ACTION_ARGS_ITEM_MAX, &text, self->problems) < 0)
            continue;
        if (ama_secret_is_ref (text))
            (void) ama_yaml_error (item, AMA_E_INVALID, self->problems,
                                   "put it into configuration: it is in env.yaml of the action's folder",
                                   "a secret as an argument: every process of the machine could read it");
        else
            plan->args[plan->n_args++] = ama_strdup (text);
    }
}

/* Of other runners than jar nobody would read it. */
static void check_jar_words (maki_parse_t *self, const ama_maki_action_t *action, const ama_slot_t *slots)
{
    static const int only[] = { ARTIFACT, CLASS, ARGS };
    bool jar = strcmp (action->runner->name, "jar") == 0;

    for (size_t i = 0; !jar && i < ARRAY_SIZE (only); i++)
        if (slots[only[i]].key)
            (void) ama_yaml_warn (slots[only[i]].key, AMA_E_INVALID, self->problems,
                                  "runner: {group: spark, type: jar}", "%s has no effect with the runner %s",
                                  words[only[i]].name, action->runner->name);
    if (jar && slots[FILE_].key && action->artifact)
        (void) ama_yaml_error (action->artifact, AMA_E_INVALID, self->problems, "leave one of them out",
                               "an action with file and artifact");
    else if (jar && !slots[FILE_].key && !slots[ARTIFACT].key)
        (void) ama_yaml_error (action->node, AMA_E_SYNTAX, self->problems,
                               "artifact: {groupId: …, artifactId: …, version: …}, or file: with a jar under src/",
                               "a jar action without artifact or file");
}

/* ---- exports, reads ---- */

static bool is_dataset (const char *text, size_t size)
{
    if (!size || size > AMA_PLAN_EXPORT_NAME_MAX || !is_word_char (text[0]))
        return false;
    for (size_t i = 0; i < size; i++)
        if (!is_word_char (text[i]) && text[i] != '.' && text[i] != '-' && text[i] != '$')
            return false;
    return true;
}

static int check_dataset (const ama_yaml_t *node, const char *what, ama_problems_t *problems)
{
    if (node->kind != AMA_YAML_SCALAR || ama_yaml_is_null (node))
        return ama_yaml_error (node, AMA_E_SYNTAX, problems, NULL, "%s must be text, not %s", what,
                               ama_yaml_kind_text (node));
    if (is_dataset (node->text, node->size) && !strstr (node->text, ".."))
        return 0;
    return ama_yaml_error (node, strpbrk (node->text, "/\\") || strstr (node->text, "..") ? AMA_E_PATH : AMA_E_INVALID,
                           problems, "letters, digits, . _ and -", "%s %s is no name", what, AMA_QUOTE (node->text));
}

static void read_exports (maki_parse_t *self, ama_maki_action_t *action, const ama_slot_t *slot)
{
    const ama_yaml_t *node = ama_slot_value (slot);
    ama_plan_action_t *plan = &action->plan;

    if (!node)
        return;
    if (node->kind == AMA_YAML_SCALAR) {
        (void) ama_yaml_error (node, AMA_E_SYNTAX, self->problems, "exports: {odd: parquet}",
                               "exports must be a map from dataset to format, not text");
        return;
    }
    if (node->count > AMA_PLAN_ACTION_EXPORTS_MAX) {
        (void) ama_yaml_error (node, AMA_E_LIMIT, self->problems, NULL, "%zu exports, the limit is %d", node->count,
                               AMA_PLAN_ACTION_EXPORTS_MAX);
        return;
    }
    plan->exports = ama_calloc (node->count, sizeof *plan->exports);
    for (size_t i = 0; i < node->count; i++) {
        const ama_yaml_t *name = node->kind == AMA_YAML_MAP ? node->pairs[i].key : node->items[i];
        const ama_yaml_t *value = node->kind == AMA_YAML_MAP ? node->pairs[i].value : NULL;
        const ama_yaml_t *format = value && !ama_yaml_is_null (value) ? value : NULL;
        if (check_dataset (name, "the dataset", self->problems) < 0)
            continue;
        if (format && check_dataset (format, "the format", self->problems) < 0)
            continue;
        if (format && format->size > AMA_PLAN_EXPORT_FORMAT_MAX) {
            (void) ama_yaml_error (format, AMA_E_LIMIT, self->problems, NULL, "a format of %zu bytes", format->size);
            continue;
        }
        plan->exports[plan->n_exports++] = (ama_plan_export_t){
            .name = ama_strdup (name->text),
            .format = ama_strdup (format ? format->text : "parquet"),
        };
    }
}

static void read_reads (maki_parse_t *self, ama_maki_action_t *action, const ama_slot_t *slot)
{
    const ama_yaml_t *item;
    ama_plan_action_t *plan = &action->plan;

    action->reads = ama_maki_scalars (slot, "reads", AMA_PLAN_ACTION_READS_MAX, self->problems);
    for (size_t i = 0; (item = ama_maki_scalar_at (action->reads, i)); i++) {
        const char *dot = strchr (item->text, '.');
        if (!dot || dot == item->text || !dot[1] || item->size > AMA_PLAN_ACTION_READS_ITEM_MAX) {
            (void) ama_yaml_error (item, AMA_E_INVALID, self->problems, "ACTION.DATASET, for example start.odd",
                                   "reads %s names no dataset", AMA_QUOTE (item->text));
            continue;
        }
        plan->reads = ama_realloc (plan->reads, (plan->n_reads + 1) * sizeof *plan->reads);
        plan->reads[plan->n_reads++] = ama_strdup (item->text);
    }
}

/* ---- the whole ---- */

static void read_fields (maki_parse_t *self, ama_maki_action_t *action, const ama_slot_t *slots, const char *owner)
{
    ama_problems_t *problems = self->problems;
    const ama_yaml_t *config = ama_slot_value (&slots[CONFIG]), *class_node = ama_slot_value (&slots[CLASS]);
    const char *text;

    read_name (self, action, &slots[NAME], owner);
    read_file (self, action, &slots[FILE_]);
    read_runner (self, action, slots);
    ama_maki_params (self, action, &slots[PARAMS]);
    read_artifact (self, action, slots);
    read_exports (self, action, &slots[EXPORTS]);
    read_reads (self, action, &slots[READS]);
    if (config && ama_yaml_line (config, "config", 4096, &text, problems) == 0)
        action->config = config;
    action->deps = ama_maki_scalars (&slots[DEPS], "deps", AMA_PLAN_ACTION_DEPENDENCIES_MAX - 2, problems);
    action->persist = ama_maki_persist (&slots[PERSIST], problems);
    ama_plan_retry_copy (&self->retry, &action->plan.retry);
    ama_maki_retry (self, &slots[RETRY], &slots[RETRIES], &action->plan.retry);
    ama_maki_timeout (&slots[TIMEOUT], &action->plan.timeout_ms, NULL, problems);
    action->plan.cpus = self->cpus;
    action->plan.memory = self->memory;
    ama_maki_resources (&slots[RESOURCES], &action->plan.cpus, &action->plan.memory, problems);
    if (ama_slot_value (&slots[RESOURCES]) && action->runner && strcmp (action->runner->group, "spark") == 0
        && strcmp (action->runner->name, "jar") != 0)
        (void) ama_yaml_warn (slots[RESOURCES].key, AMA_E_UNSUPPORTED, problems,
                              "the environment's master and spark.driver.memory say how large it is",
                              "resources have no effect: Spark actions share the session's");
    ama_maki_labels (&slots[LABELS], &action->plan.labels, &action->plan.n_labels, problems);
    if (!slots[FILE_].key && !action->artifact && (!action->runner || action->runner->needs_file))
        (void) ama_yaml_error (action->node, AMA_E_SYNTAX, problems, "file: names its source under src/",
                               "an action without file");
    if (class_node && ama_yaml_line (class_node, "class", AMA_PLAN_ACTION_MAIN_CLASS_MAX, &text, problems) == 0)
        action->plan.main_class = ama_strdup (text);
    read_args (self, action, &slots[ARGS]);
    if (!action->runner)
        return;
    check_jar_words (self, action, slots);
    action->plan.runner = ama_strdup (action->runner->name);
    action->plan.group = ama_strdup (action->runner->group);
    if (!action->plan.type)
        action->plan.type = ama_strdup (action->runner->type);
}

static void read_error_action (maki_parse_t *self, size_t owner, const ama_slot_t *slot)
{
    const ama_yaml_t *node = ama_slot_value (slot);
    ama_maki_action_t *action;
    ama_slot_t slots[WORDS];
    size_t index;

    if (!node)
        return;
    if (node->kind != AMA_YAML_MAP) {
        (void) ama_yaml_error (node, AMA_E_SYNTAX, self->problems,
                               "error: holds an action of its own, with name, runner and file",
                               "error must be a map, not %s", ama_yaml_kind_text (node));
        return;
    }
    if (!(action = ama_maki_new_action (self, node, &index)))
        return;
    action->error_of = (int64_t) owner;
    self->maki->actions[owner].error_action = (int64_t) index;
    (void) ama_words_match (node, "the error action", words, WORDS, slots, self->strangers, self->problems);
    read_fields (self, action, slots, self->maki->actions[owner].plan.name);
    if (ama_slot_value (&slots[ERROR]))
        (void) ama_yaml_error (slots[ERROR].key, AMA_E_SYNTAX, self->problems, "leave it out",
                               "an error action has no error action");
    if (ama_slot_value (&slots[DEPENDS_ON]))
        (void) ama_yaml_error (slots[DEPENDS_ON].key, AMA_E_SYNTAX, self->problems, "leave it out",
                               "an error action depends on its owner alone");
}

void ama_maki_action (maki_parse_t *self, const ama_yaml_t *node)
{
    ama_maki_action_t *action;
    ama_slot_t slots[WORDS];
    size_t index;

    if (ama_yaml_is_map (node, "an action", self->problems) < 0 || !(action = ama_maki_new_action (self, node, &index)))
        return;
    (void) ama_words_match (node, "the action", words, WORDS, slots, self->strangers, self->problems);
    read_fields (self, action, slots, NULL);
    if (slots[DEPENDS_ON].key) {
        static const ama_yaml_t none = { .kind = AMA_YAML_LIST, .text = "" };
        action->depends = ama_slot_value (&slots[DEPENDS_ON]) ? ama_maki_scalars (&slots[DEPENDS_ON], "depends-on",
                                                                                  AMA_MAKI_ACTIONS_MAX, self->problems)
                                                              : &none;
    }
    read_error_action (self, index, &slots[ERROR]);
}
