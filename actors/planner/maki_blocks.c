/* maki_blocks.c - the blocks that a job and an action share: retry, timeout, resources, labels. Pure. */
#include "actors/base/ama_pattern.h"
#include "actors/planner/maki_parse.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS       86400000LL
#define DELAY_MAX    DAY_MS
#define TIMEOUT_MAX  (365 * DAY_MS)
#define LEASE_MIN    10000LL
#define ATTEMPTS_MAX 100
#define MAX_PATTERNS 1000  /* expressions of a job */
#define MAX_RULES    16384 /* bytes of text in the rules of one block; every action may inherit them */

/* ---- lists of scalars ---- */

const ama_yaml_t *ama_maki_scalar_at (const ama_yaml_t *node, size_t i)
{
    if (!node)
        return NULL;
    if (node->kind == AMA_YAML_SCALAR)
        return i == 0 ? node : NULL;
    return i < node->count ? node->items[i] : NULL;
}

const ama_yaml_t *ama_maki_scalars (const ama_slot_t *slot, const char *what, size_t max, ama_problems_t *problems)
{
    const ama_yaml_t *node = ama_slot_value (slot), *item;
    const char *text;
    bool good = true;

    if (!node)
        return NULL;
    if (node->kind == AMA_YAML_MAP) {
        (void) ama_yaml_is_list (node, what, problems);
        return NULL;
    }
    if (node->kind == AMA_YAML_LIST && node->count > max) {
        (void) ama_yaml_error (node, AMA_E_LIMIT, problems, NULL, "%s has %zu entries, the limit is %zu", what,
                               node->count, max);
        return NULL;
    }
    for (size_t i = 0; (item = ama_maki_scalar_at (node, i)); i++)
        if (ama_yaml_line (item, what, AMA_PLAN_ACTION_FILE_MAX, &text, problems) < 0)
            good = false;
    return good ? node : NULL;
}

const ama_yaml_t *ama_maki_persist (const ama_slot_t *slot, ama_problems_t *problems)
{
    const ama_yaml_t *node = ama_slot_value (slot);
    int choice;

    return node && ama_yaml_choice (node, "persist", "auto always never", &choice, problems) == 0 ? node : NULL;
}

/* ---- retry rules ---- */

static char **add_text (char **list, size_t *count, const char *text)
{
    list = ama_realloc (list, (*count + 1) * sizeof *list);
    list[(*count)++] = ama_strdup (text);
    return list;
}

/* The letter after a backslash that means nothing to the C library, and something to other languages: \d, \t, \n; 0 for none. It would
 * match the letter itself, so that the rule never applies. */
static char foreign_escape (const char *pattern)
{
    for (const char *at = pattern; *at; at++)
        if (*at == '\\' && at[1]) {
            at++;
            if (((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z')) && !strchr ("wWsSbB", *at))
                return *at;
        }
    return 0;
}

static void add_message (maki_parse_t *self, ama_plan_rule_t *rule, const ama_yaml_t *node, const char *text)
{
    if (++self->patterns > MAX_PATTERNS) {
        if (self->patterns == MAX_PATTERNS + 1)
            (void) ama_yaml_error (node, AMA_E_LIMIT, self->problems, NULL, "more than %d expressions in a job",
                                   MAX_PATTERNS);
        return;
    }
    if (ama_maki_pattern (node, text, 0, self->problems) == 0)
        rule->messages = add_text (rule->messages, &rule->n_messages, text);
}

int ama_maki_pattern (const ama_yaml_t *node, const char *text, size_t groups, ama_problems_t *problems)
{
    char why[128];
    regex_t compiled;
    char escape;
    size_t found;
    int rc;

    if (!ama_pattern_is_cheap (text)) {
        (void) ama_yaml_error (
            node, AMA_E_LIMIT, problems,
            "its length times its {n} is at most 10000, + and {n} are not nested deeply, and it has no \\1",
            "the expression %s is too costly", AMA_QUOTE (text));
        return AMA_E_LIMIT;
    }
    if ((escape = foreign_escape (text))) {
        (void) ama_yaml_error (node, AMA_E_SYNTAX, problems, "POSIX extended: [0-9], [[:space:]] and the like",
                               "the expression %s has \\%c, which would mean the letter %c", AMA_QUOTE (text), escape,
                               escape);
        return AMA_E_SYNTAX;
    }
    if ((rc = regcomp (&compiled, text, REG_EXTENDED)) != 0) {
        (void) regerror (rc, &compiled, why, sizeof why);
        (void) ama_yaml_error (node, AMA_E_SYNTAX, problems, "a POSIX extended regular expression",
                               "%s is no regular expression: %s", AMA_QUOTE (text), why);
        return AMA_E_SYNTAX;
    }
    found = compiled.re_nsub;
    regfree (&compiled);
    if (found >= groups)
        return 0;
    return ama_yaml_error (node, AMA_E_SYNTAX, problems, "for example line ([0-9]+)", "the expression %s has no group",
                           AMA_QUOTE (text));
}

static void add_cause (ama_plan_rule_t *rule, const ama_yaml_t *node, ama_problems_t *problems)
{
    static const char *const causes[] = { "error",        "syntax",    "timeout",   "oom",       "killed",
                                          "session-lost", "node-lost", "preempted", "dependency" };
    char name[64], hint[256];
    const char *near;
    int used;

    (void) ama_word_normal (node->text, name, sizeof name);
    for (size_t i = 0; i < ARRAY_SIZE (causes); i++)
        if (strcmp (causes[i], name) == 0) {
            rule->causes = add_text (rule->causes, &rule->n_causes, name);
            return;
        }
    near = ama_nearest (node->text, causes, ARRAY_SIZE (causes));
    used = near ? snprintf (hint, sizeof hint, "did you mean %s?", near) : snprintf (hint, sizeof hint, "known:");
    for (size_t i = 0; !near && i < ARRAY_SIZE (causes); i++)
        used += snprintf (hint + used, sizeof hint - (size_t) used, " %s", causes[i]);
    (void) ama_yaml_error (node, AMA_E_INVALID, problems, hint, "unknown cause %s", AMA_QUOTE (node->text));
}

/* {error: GLOB}, {message: REGEX}, {exit: [N]}; each value one or a list. */
static void add_match (maki_parse_t *self, ama_plan_rule_t *rule, const ama_yaml_t *node)
{
    ama_problems_t *problems = self->problems;
    enum { ERROR, MESSAGE, EXIT, COUNT };
    static const ama_word_t words[COUNT] = { { "error", NULL, 0 }, { "message", NULL, 0 }, { "exit", NULL, 0 } };
    const ama_yaml_t *list, *item;
    ama_slot_t slots[COUNT];
    const char *text;
    int64_t number;

    (void) ama_words_match (node, "on", words, COUNT, slots, AMA_STRANGERS_ERROR, problems);
    list = ama_maki_scalars (&slots[ERROR], "error", AMA_PLAN_RULE_ERRORS_MAX, problems);
    for (size_t i = 0; (item = ama_maki_scalar_at (list, i)); i++)
        if (ama_yaml_line (item, "error", AMA_PLAN_RULE_ERRORS_ITEM_MAX, &text, problems) == 0)
            rule->errors = add_text (rule->errors, &rule->n_errors, text);
    list = ama_maki_scalars (&slots[MESSAGE], "message", AMA_PLAN_RULE_MESSAGES_MAX, problems);
    for (size_t i = 0; (item = ama_maki_scalar_at (list, i)); i++)
        if (ama_yaml_line (item, "message", AMA_PLAN_RULE_MESSAGES_ITEM_MAX, &text, problems) == 0)
            add_message (self, rule, item, text);
    list = ama_maki_scalars (&slots[EXIT], "exit", AMA_PLAN_RULE_EXITS_MAX, problems);
    for (size_t i = 0; (item = ama_maki_scalar_at (list, i)); i++)
        if (ama_yaml_int (item, "exit", 0, 255, &number, problems) == 0) {
            rule->exits = ama_realloc (rule->exits, (rule->n_exits + 1) * sizeof *rule->exits);
            rule->exits[rule->n_exits++] = number;
        }
}

static void read_on (maki_parse_t *self, ama_plan_rule_t *rule, const ama_yaml_t *on)
{
    ama_problems_t *problems = self->problems;
    size_t count = on->kind == AMA_YAML_LIST ? on->count : 1;

    if (count > AMA_PLAN_RULE_CAUSES_MAX) {
        (void) ama_yaml_error (on, AMA_E_LIMIT, problems, NULL, "on has %zu entries, the limit is %d", count,
                               AMA_PLAN_RULE_CAUSES_MAX);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const ama_yaml_t *item = on->kind == AMA_YAML_LIST ? on->items[i] : on;
        if (item->kind == AMA_YAML_MAP)
            add_match (self, rule, item);
        else if (item->kind == AMA_YAML_SCALAR && !ama_yaml_is_null (item))
            add_cause (rule, item, problems);
        else
            (void) ama_yaml_error (item, AMA_E_SYNTAX, problems, NULL,
                                   "on takes causes, {error: GLOB}, {message: REGEX} or {exit: [N]}, not %s",
                                   ama_yaml_kind_text (item));
    }
    if (rule->n_errors > AMA_PLAN_RULE_ERRORS_MAX || rule->n_messages > AMA_PLAN_RULE_MESSAGES_MAX
        || rule->n_exits > AMA_PLAN_RULE_EXITS_MAX)
        (void) ama_yaml_error (on, AMA_E_LIMIT, problems, "split it into several rules", "on holds too many entries");
}

static void read_rule (maki_parse_t *self, ama_plan_rule_t *rule, const ama_yaml_t *node)
{
    ama_problems_t *problems = self->problems;
    enum { ON, DO, DELAY, FREE, RESOURCES, COUNT };
    static const ama_word_t words[COUNT] = { { "on", NULL, 0 },
                                             { "do", NULL, 0 },
                                             { "delay", NULL, 0 },
                                             { "free", NULL, 0 },
                                             { "resources", NULL, AMA_WORD_LATER } };
    ama_slot_t slots[COUNT];
    const ama_yaml_t *value;
    int choice = 0;

    *rule = (ama_plan_rule_t){ .delay_ms = -1 };
    if (ama_yaml_is_map (node, "a retry rule", problems) < 0)
        return;
    (void) ama_words_match (node, "a retry rule", words, COUNT, slots, AMA_STRANGERS_ERROR, problems);
    if ((value = ama_slot_value (&slots[ON])))
        read_on (self, rule, value);
    else
        (void) ama_yaml_error (node, AMA_E_SYNTAX, problems, "on: says which failures it is for",
                               "a retry rule without on");
    if ((value = ama_slot_value (&slots[DO])))
        (void) ama_yaml_choice (value, "do", "retry fail", &choice, problems);
    else
        (void) ama_yaml_error (node, AMA_E_SYNTAX, problems, "do: retry or do: fail", "a retry rule without do");
    rule->act = choice == 1 ? AMA_RULE_DO_FAIL : AMA_RULE_DO_RETRY;
    if ((value = ama_slot_value (&slots[DELAY])))
        (void) ama_yaml_duration (value, "delay", 0, DELAY_MAX, &rule->delay_ms, problems);
    if ((value = ama_slot_value (&slots[FREE])))
        (void) ama_yaml_bool (value, "free", &rule->free, problems);
}

static size_t rule_bytes (const ama_plan_rule_t *rule)
{
    size_t bytes = 32 + 8 * rule->n_exits;

    for (size_t i = 0; i < rule->n_causes; i++)
        bytes += strlen (rule->causes[i]) + 2;
    for (size_t i = 0; i < rule->n_errors; i++)
        bytes += strlen (rule->errors[i]) + 2;
    for (size_t i = 0; i < rule->n_messages; i++)
        bytes += strlen (rule->messages[i]) + 2;
    return bytes;
}

static void read_rules (maki_parse_t *self, const ama_yaml_t *list, ama_plan_retry_t *out)
{
    ama_problems_t *problems = self->problems;
    size_t bytes = 0;

    if (ama_yaml_is_list (list, "rules", problems) < 0)
        return;
    if (list->count > AMA_PLAN_RETRY_RULES_MAX) {
        (void) ama_yaml_error (list, AMA_E_LIMIT, problems, NULL, "%zu retry rules, the limit is %d", list->count,
                               AMA_PLAN_RETRY_RULES_MAX);
        return;
    }
    for (size_t i = 0; i < out->n_rules; i++)
        ama_plan_rule_done (&out->rules[i]);
    free (out->rules);
    out->rules = ama_calloc (list->count, sizeof *out->rules);
    out->n_rules = list->count;
    for (size_t i = 0; i < list->count; i++)
        read_rule (self, &out->rules[i], list->items[i]);
    for (size_t i = 0; i < out->n_rules; i++)
        bytes += rule_bytes (&out->rules[i]);
    if (bytes > MAX_RULES)
        (void) ama_yaml_error (list, AMA_E_LIMIT, problems, NULL, "retry rules with %zu bytes, the limit is %d", bytes,
                               MAX_RULES);
}

static int64_t longest_delay (const ama_plan_retry_t *retry)
{
    int64_t longest = retry->delay_ms;

    for (size_t i = 0; i < retry->n_rules; i++)
        if (retry->rules[i].delay_ms > longest)
            longest = retry->rules[i].delay_ms;
    return longest;
}

static void read_retry (maki_parse_t *self, const ama_yaml_t *node, ama_plan_retry_t *out)
{
    ama_problems_t *problems = self->problems;
    enum { ATTEMPTS, DELAY, BACKOFF, MAX_DELAY, JITTER, RULES, COUNT };
    static const ama_word_t words[COUNT] = { { "attempts", NULL, 0 },
                                             { "delay", NULL, 0 },
                                             { "backoff", NULL, 0 },
                                             { "max-delay", NULL, 0 },
                                             { "jitter", NULL, AMA_WORD_LATER },
                                             { "rules", NULL, 0 } };
    int64_t attempts = out->attempts;
    int backoff = (int) out->backoff;
    int64_t longest;
    ama_slot_t slots[COUNT];
    const ama_yaml_t *value;

    if (node->kind == AMA_YAML_SCALAR) {
        (void) ama_yaml_error (node, AMA_E_SYNTAX, problems,
                               "retry: {attempts: 3} is three runs in all, retries: 2 is two more after the first",
                               "retry must be a map, not %s", AMA_QUOTE (node->text));
        return;
    }
    if (ama_yaml_is_map (node, "retry", problems) < 0)
        return;
    (void) ama_words_match (node, "retry", words, COUNT, slots, AMA_STRANGERS_ERROR, problems);
    if ((value = ama_slot_value (&slots[ATTEMPTS])))
        (void) ama_yaml_int (value, "attempts (runs in all)", 1, ATTEMPTS_MAX, &attempts, problems);
    if ((value = ama_slot_value (&slots[DELAY])))
        (void) ama_yaml_duration (value, "delay", 0, DELAY_MAX, &out->delay_ms, problems);
    if ((value = ama_slot_value (&slots[BACKOFF])))
        (void) ama_yaml_choice (value, "backoff", "constant linear exponential", &backoff, problems);
    if ((value = ama_slot_value (&slots[MAX_DELAY])))
        (void) ama_yaml_duration (value, "max-delay", 0, DELAY_MAX, &out->max_delay_ms, problems);
    if ((value = ama_slot_value (&slots[RULES])))
        read_rules (self, value, out);
    out->attempts = (uint32_t) attempts;
    out->backoff = (ama_backoff_t) backoff;
    longest = longest_delay (out);
    if (out->max_delay_ms < longest && ama_slot_value (&slots[MAX_DELAY]))
        (void) ama_yaml_error (slots[MAX_DELAY].value, AMA_E_INVALID, problems, NULL, "max-delay is shorter than %s",
                               longest > out->delay_ms ? "the delay of a rule" : "delay");
    else if (out->max_delay_ms < longest) /* nobody who asks for ten minutes means five */
        out->max_delay_ms = longest;
}

void ama_maki_retry (maki_parse_t *self, const ama_slot_t *retry, const ama_slot_t *retries, ama_plan_retry_t *out)
{
    ama_problems_t *problems = self->problems;
    const ama_yaml_t *extra = ama_slot_value (retries), *block = ama_slot_value (retry);
    int64_t more;

    if (block)
        read_retry (self, block, out);
    if (!extra || ama_yaml_int (extra, "retries (runs after the first)", 0, ATTEMPTS_MAX - 1, &more, problems) < 0)
        return;
    if (block && block->kind == AMA_YAML_MAP && ama_yaml_get (block, "attempts"))
        (void) ama_yaml_error (extra, AMA_E_INVALID, problems,
                               "attempts counts all runs, retries those after the first",
                               "both retries and retry.attempts are given");
    else
        out->attempts = (uint32_t) more + 1;
}

/* ---- timeout, resources, labels ---- */

void ama_maki_timeout (const ama_slot_t *slot, int64_t *run_ms, int64_t *queue_ms, ama_problems_t *problems)
{
    enum { RUN, QUEUE, COUNT };
    static const ama_word_t words[COUNT] = { { "run", NULL, 0 }, { "queue", NULL, 0 } };
    const ama_yaml_t *node = ama_slot_value (slot), *value;
    ama_slot_t slots[COUNT];

    if (!node)
        return;
    if (node->kind == AMA_YAML_SCALAR) {
        (void) ama_yaml_duration (node, "timeout", 1, TIMEOUT_MAX, run_ms, problems);
        return;
    }
    if (ama_yaml_is_map (node, "timeout", problems) < 0)
        return;
    (void) ama_words_match (node, "timeout", words, COUNT, slots, AMA_STRANGERS_ERROR, problems);
    if ((value = ama_slot_value (&slots[RUN])))
        (void) ama_yaml_duration (value, "timeout.run", 1, TIMEOUT_MAX, run_ms, problems);
    if (!(value = ama_slot_value (&slots[QUEUE])))
        return;
    if (queue_ms)
        (void) ama_yaml_duration (value, "timeout.queue", 1, TIMEOUT_MAX, queue_ms, problems);
    else
        (void) ama_yaml_error (value, AMA_E_INVALID, problems, "put it at the job's own timeout",
                               "an action has no timeout.queue");
}

void ama_maki_lease (const ama_slot_t *lease, const ama_slot_t *on_lost, ama_maki_t *maki, ama_problems_t *problems)
{
    const ama_yaml_t *node = ama_slot_value (lease);
    int choice;

    if (node && node->kind == AMA_YAML_SCALAR && strcmp (node->text, "never") == 0)
        maki->lease_ms = -1;
    else if (node)
        (void) ama_yaml_duration (node, "lease", LEASE_MIN, TIMEOUT_MAX, &maki->lease_ms, problems);
    if ((node = ama_slot_value (on_lost)) && ama_yaml_choice (node, "on-lost", "wait rerun", &choice, problems) == 0)
        maki->on_lost = choice == 1 ? AMA_ON_LOST_RERUN : AMA_ON_LOST_WAIT;
}

void ama_maki_resources (const ama_slot_t *slot, double *cpus, uint64_t *memory, ama_problems_t *problems)
{
    enum { CPUS, MEMORY, DISK, GPUS, CONSTRAINTS, COUNT };
    static const ama_word_t words[COUNT] = { { "cpus", NULL, 0 },
                                             { "memory", NULL, 0 },
                                             { "disk", NULL, AMA_WORD_LATER },
                                             { "gpus", NULL, AMA_WORD_LATER },
                                             { "constraints", NULL, AMA_WORD_LATER } };
    const ama_yaml_t *node = ama_slot_value (slot), *value;
    ama_slot_t slots[COUNT];

    if (!node || ama_yaml_is_map (node, "resources", problems) < 0)
        return;
    (void) ama_words_match (node, "resources", words, COUNT, slots, AMA_STRANGERS_ERROR, problems);
    if ((value = ama_slot_value (&slots[CPUS])))
        (void) ama_yaml_double (value, "cpus", 0.01, 4096, cpus, problems);
    if ((value = ama_slot_value (&slots[MEMORY])))
        (void) ama_yaml_size (value, "memory", 1u << 20, 64ULL << 40, memory, problems);
}

void ama_maki_labels (const ama_slot_t *slot, ama_plan_label_t **labels, size_t *n_labels, ama_problems_t *problems)
{
    const ama_yaml_t *node = ama_slot_value (slot);

    if (!node || ama_yaml_is_map (node, "labels", problems) < 0)
        return;
    if (node->count > AMA_PLAN_ACTION_LABELS_MAX) {
        (void) ama_yaml_error (node, AMA_E_LIMIT, problems, NULL, "%zu labels, the limit is %d", node->count,
                               AMA_PLAN_ACTION_LABELS_MAX);
        return;
    }
    *labels = ama_calloc (node->count, sizeof **labels);
    for (size_t i = 0; i < node->count; i++) {
        const ama_pair_t *pair = &node->pairs[i];
        const char *name, *value;
        if (ama_yaml_line (pair->key, "a label's name", AMA_PLAN_LABEL_NAME_MAX, &name, problems) == 0
            && ama_yaml_line (pair->value, "a label", AMA_PLAN_LABEL_VALUE_MAX, &value, problems) == 0)
            (*labels)[(*n_labels)++] = (ama_plan_label_t){ ama_strdup (name), ama_strdup (value) };
    }
}
