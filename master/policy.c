/* policy.c - the rules of the policy file, read and asked. Pure; on any thread. */
#include "master/policy.h"

#include "actors/fetcher/fetch_url.h"
#include "config/ama_doc.h"
#include "messages/ama_types.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { WORDS_MAX = 1000, WORD_MAX = 128 };

struct ama_policy_rule {
    char *repo;  /* normal, without .git; owned. "" with `below`: any */
    bool below;  /* repo ends with a slash, and all that begins with it is meant */
    char **envs; /* NULL-terminated, owned; "*" among them: any */
    char **keys; /* likewise; NULL for none */
    bool operators, submitters;
};

static const ama_doc_limits_t limits = {
    .bytes = 1u << 20, .depth = 8, .nodes = 50000, .scalar = AMA_FETCH_URL_MAX, .alias_nodes = 100
};

/* ---- addresses ---- */

/* As two addresses are compared; owned, NULL and err: it is none. */
static char *normal (const char *text, size_t size, ama_err_t *err)
{
    ama_fetch_url_t url;
    char *out;
    size_t length;

    if (ama_fetch_url_parse (text, size, &url, err) < 0)
        return NULL;
    out = ama_strdup (url.normal);
    ama_fetch_url_done (&url);
    length = strlen (out);
    if (length > 5 && strcmp (out + length - 4, ".git") == 0 && out[length - 5] != '/')
        out[length - 4] = '\0';
    return out;
}

/* Everything below an address: that of something below it, less its name. */
static char *normal_prefix (const char *text, size_t size, ama_err_t *err)
{
    ama_str_t inner = { 0 };
    char *out;

    ama_str_add (&inner, text, size);
    ama_str_putc (&inner, 'x');
    out = normal (inner.data, inner.size, err);
    ama_str_done (&inner);
    if (out)
        out[strlen (out) - 1] = '\0';
    return out;
}

/* ---- reading ---- */

static void read_repo (const ama_yaml_t *node, ama_policy_rule_t *rule, ama_problems_t *problems)
{
    const char *text = NULL;
    ama_err_t err = { 0 };
    size_t size;

    if (ama_yaml_line (node, "repo", AMA_FETCH_URL_MAX, &text, problems) < 0)
        return;
    size = strlen (text);
    rule->below = text[size - 1] == '*';
    if (strcmp (text, "*") == 0)
        rule->repo = ama_strdup ("");
    else if (memchr (text, '*', size - rule->below) || (rule->below && text[size - 2] != '/'))
        ama_yaml_error (node, AMA_E_INVALID, problems, "https://git.example.org/team/*",
                        "repo: a * stands alone, or at the end behind a slash: %s", AMA_QUOTE (text));
    else {
        rule->repo = rule->below ? normal_prefix (text, size - 1, &err) : normal (text, size, &err);
        if (!rule->repo)
            ama_yaml_error (node, AMA_E_URL, problems, NULL, "repo: %s", err.text);
    }
}

/* One word or a list of them; owned, NULL if there is none. */
static char **read_words (const ama_yaml_t *node, const char *what, ama_problems_t *problems)
{
    bool list = node && node->kind == AMA_YAML_LIST;
    size_t count = list ? node->count : 1, n = 0;
    char **words;

    if (!node)
        return NULL;
    if (count == 0 || count > WORDS_MAX) {
        ama_yaml_error (node, AMA_E_LIMIT, problems, NULL, "%s: a list of 1 to %d words", what, WORDS_MAX);
        return NULL;
    }
    words = ama_calloc (count + 1, sizeof *words);
    for (size_t i = 0; i < count; i++) {
        const char *word = NULL;
        if (ama_yaml_line (list ? node->items[i] : node, what, WORD_MAX, &word, problems) == 0)
            words[n++] = ama_strdup (word);
    }
    return words;
}

static void read_roles (const ama_yaml_t *node, ama_policy_rule_t *rule, ama_problems_t *problems)
{
    bool list = node && node->kind == AMA_YAML_LIST;

    for (size_t i = 0; node && i < (list ? node->count : 1); i++) {
        int role = -1;
        (void) ama_yaml_choice (list ? node->items[i] : node, "roles", "operator submitter", &role, problems);
        rule->operators |= role == 0;
        rule->submitters |= role == 1;
    }
}

static void check_keys (const ama_yaml_t *map, const char *const *allowed, size_t count, ama_problems_t *problems)
{
    for (size_t i = 0; i < map->count; i++) {
        const ama_yaml_t *key = map->pairs[i].key;
        ama_str_t hint = { 0 };
        const char *near;
        size_t at = 0;
        while (at < count && strcmp (key->text, allowed[at]) != 0)
            at++;
        if (at < count)
            continue;
        near = ama_nearest (key->text, allowed, count);
        if (near)
            ama_str_printf (&hint, "did you mean %s?", near);
        ama_yaml_error (key, AMA_E_INVALID, problems, hint.data, "unknown key %s", AMA_QUOTE (key->text));
        ama_str_done (&hint);
    }
}

static void read_rule (const ama_yaml_t *node, ama_policy_rule_t *rule, ama_problems_t *problems)
{
    static const char *const keys[] = { "repo", "env", "keys", "roles" };
    static const char *const needed[] = { "repo", "env" };

    if (ama_yaml_is_map (node, "a rule", problems) < 0)
        return;
    check_keys (node, keys, ARRAY_SIZE (keys), problems);
    for (size_t i = 0; i < ARRAY_SIZE (needed); i++)
        if (!ama_yaml_get (node, needed[i]))
            ama_yaml_error (node, AMA_E_INVALID, problems, NULL, "a rule needs %s", needed[i]);
    if (!ama_yaml_get (node, "keys") && !ama_yaml_get (node, "roles"))
        ama_yaml_error (node, AMA_E_INVALID, problems, "roles: [submitter]", "a rule needs keys or roles");
    if (ama_yaml_get (node, "repo"))
        read_repo (ama_yaml_get (node, "repo"), rule, problems);
    rule->envs = read_words (ama_yaml_get (node, "env"), "env", problems);
    rule->keys = read_words (ama_yaml_get (node, "keys"), "keys", problems);
    read_roles (ama_yaml_get (node, "roles"), rule, problems);
}

static void read_rules (const ama_yaml_t *root, ama_policy_t *policy, ama_problems_t *problems)
{
    static const char *const keys[] = { "rules" };
    const ama_yaml_t *rules;

    if (!root || ama_yaml_is_map (root, "a policy", problems) < 0)
        return;
    check_keys (root, keys, 1, problems);
    rules = ama_yaml_get (root, "rules");
    if (!rules || ama_yaml_is_null (rules) || ama_yaml_is_list (rules, "rules", problems) < 0)
        return;
    if (rules->count > AMA_POLICY_RULES_MAX) {
        ama_yaml_error (rules, AMA_E_LIMIT, problems, NULL, "rules: %zu of them, the limit is %d", rules->count,
                        AMA_POLICY_RULES_MAX);
        return;
    }
    policy->rules = ama_calloc (rules->count + 1, sizeof *policy->rules);
    policy->count = rules->count;
    for (size_t i = 0; i < rules->count; i++)
        read_rule (rules->items[i], &policy->rules[i], problems);
}

int ama_policy_parse (const char *name, const char *text, size_t size, ama_policy_t *ret_policy,
                      ama_problems_t *problems)
{
    size_t errors = problems->errors;
    ama_doc_t *doc = NULL;
    int rc = ama_doc_parse (name, text, size, &limits, &doc, problems);

    *ret_policy = (ama_policy_t){ 0 };
    if (rc == 0)
        read_rules (ama_doc_root (doc), ret_policy, problems);
    ama_doc_destroy (&doc);
    if (problems->errors == errors)
        return 0;
    ama_policy_done (ret_policy);
    return rc < 0 ? rc : AMA_E_INVALID;
}

void ama_policy_done (ama_policy_t *policy)
{
    for (size_t i = 0; i < policy->count; i++) {
        free (policy->rules[i].repo);
        ama_strv_free (policy->rules[i].envs);
        ama_strv_free (policy->rules[i].keys);
    }
    free (policy->rules);
    *policy = (ama_policy_t){ 0 };
}

/* ---- asking ---- */

static bool has_word (char *const *words, const char *word, bool or_star)
{
    for (; words && *words; words++)
        if (strcmp (*words, word) == 0 || (or_star && strcmp (*words, "*") == 0))
            return true;
    return false;
}

static bool allows (const ama_policy_rule_t *rule, const char *repo, const char *env, const ama_policy_ask_t *ask)
{
    bool who = (rule->operators && ask->role == AMA_ROLE_OPERATOR)
               || (rule->submitters && ask->role == AMA_ROLE_SUBMITTER)
               || (*ask->user && has_word (rule->keys, ask->user, false));
    bool what = rule->below ? strncmp (repo, rule->repo, strlen (rule->repo)) == 0 : strcmp (repo, rule->repo) == 0;

    return who && what && has_word (rule->envs, env, true);
}

/* ‘text’ as YAML reads it back. */
static void quote (const char *text, ama_str_t *out)
{
    bool plain = *text && strcasecmp (text, "null") != 0;

    for (const char *at = text; *at; at++)
        plain = plain && strchr ("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@+~", *at);
    plain = plain && !strchr ("-:@~", *text) && text[strlen (text) - 1] != ':';
    if (!plain)
        ama_str_putc (out, '\'');
    for (const char *at = text; *at; at++)
        if (*at == '\'')
            ama_str_puts (out, "''");
        else
            ama_str_escape (out, at, 1, SIZE_MAX);
    if (!plain)
        ama_str_putc (out, '\'');
}

static int refuse (const char *file, const char *repo, const char *env, const ama_policy_ask_t *ask, ama_err_t *err)
{
    const char *role = ask->role == AMA_ROLE_OPERATOR ? "operator" : "submitter";
    ama_str_t rule = { 0 };
    int rc;

    ama_str_puts (&rule, "{repo: ");
    quote (repo, &rule);
    ama_str_puts (&rule, ", env: [");
    quote (env, &rule);
    ama_str_puts (&rule, *ask->user ? "], keys: [" : "], roles: [");
    quote (*ask->user ? ask->user : role, &rule);
    ama_str_puts (&rule, "]}");
    rc = ama_err_set (err, AMA_E_ROLE,
                      "the policy here does not let %s%s run this repository in this environment; to allow it, add to "
                      "the rules of %s: %s",
                      *ask->user ? ask->user : role, *ask->user ? "" : "s",
                      file ? file : "a file that amad.yaml names, policy: {file: policy.yaml}", rule.data);
    ama_str_done (&rule);
    return rc;
}

int ama_policy_allow (const ama_policy_t *policy, const char *file, const ama_policy_ask_t *ask, ama_err_t *err)
{
    const char *env = *ask->env ? ask->env : "default";
    bool allowed = !file && ask->role == AMA_ROLE_OPERATOR;
    char *repo;
    int rc = 0;

    if (allowed)
        return 0;
    repo = normal (ask->repo, strlen (ask->repo), err);
    if (!repo)
        return AMA_E_URL;
    for (size_t i = 0; i < policy->count && !allowed; i++)
        allowed = allows (&policy->rules[i], repo, env, ask);
    if (!allowed)
        rc = refuse (file, repo, env, ask, err);
    free (repo);
    return rc;
}
