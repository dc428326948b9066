/* env.c - finds the documents of an environment, lays them over one another, and takes the result apart for the plan. Called by the planner. */
#include "actors/planner/env.h"

#include "actors/base/ama_secret.h"
#include "config/ama_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME, MASTER, INPUT, OUTPUT, WORKING, CONFIGURATION, PERSIST, SPARK_PROPERTIES, SPARK_OPTIONS, SPARK, WORDS };

static const ama_word_t words[WORDS] = {
    [NAME] = { "name", NULL, 0 },
    [MASTER] = { "master", NULL, 0 },
    [INPUT] = { "input-root-path", NULL, 0 },
    [OUTPUT] = { "output-root-path", NULL, 0 },
    [WORKING] = { "working-dir", NULL, 0 },
    [CONFIGURATION] = { "configuration", NULL, 0 },
    [PERSIST] = { "persist", NULL, 0 },
    [SPARK_PROPERTIES] = { "spark-properties", NULL, 0 },
    [SPARK_OPTIONS] = { "spark-options", NULL, 0 },
    [SPARK] = { "spark", NULL, AMA_WORD_FAMILY },
};

static const char *const fixed_keys[] = { [NAME] = "name",
                                          [MASTER] = "master",
                                          [INPUT] = "inputRootPath",
                                          [OUTPUT] = "outputRootPath",
                                          [WORKING] = "workingDir" };
static const size_t fixed_max[] = { [NAME] = AMA_PLAN_ENVIRONMENT_LABEL_MAX,
                                    [MASTER] = AMA_PLAN_ENVIRONMENT_MASTER_MAX,
                                    [INPUT] = AMA_PLAN_ENVIRONMENT_INPUT_ROOT_MAX,
                                    [OUTPUT] = AMA_PLAN_ENVIRONMENT_OUTPUT_ROOT_MAX,
                                    [WORKING] = AMA_PLAN_ENVIRONMENT_WORKING_DIR_MAX };

typedef struct {
    ama_repo_t *repo;
    const char *env; /* whose documents are read now */
    bool chosen;     /* it is the one asked for, not `default` behind it */
    bool action;     /* the documents are those of one action, laid over the environment */
    unsigned since;  /* the first layer of its files */
    ama_strangers_t strangers;
    ama_settings_t *settings;
    ama_problems_t *problems;
} reader_t;

/* ---- one document ---- */

/* NULL without a problem if there is no such file; NULL with one if it can not be read. */
static ama_doc_t *read_doc (ama_repo_t *repo, const char *path, ama_problems_t *problems)
{
    ama_doc_t *doc = NULL;
    ama_err_t err;
    int fd = ama_repo_open_document (repo, path, AMA_ENV_DOCUMENT_MAX, &err);

    if (fd == AMA_E_NOT_FOUND)
        return NULL;
    if (fd < 0) {
        (void) ama_problems_add (problems, false, fd, path, 0, 0, NULL, "the file %s", err.text);
        return NULL;
    }
    (void) ama_doc_read (path, fd, NULL, &doc, problems);
    (void) close (fd);
    return doc;
}

static void read_fixed (reader_t *self, int word, const ama_yaml_t *node)
{
    ama_str_t json = { 0 };
    const char *text;

    if (node->kind == AMA_YAML_SCALAR && !node->size) /* an empty string is a missing key, as it always was */
        return;
    if (word == NAME && !self->chosen) /* a name is not inherited */
        return;
    if (ama_yaml_line (node, fixed_keys[word], fixed_max[word], &text, self->problems) < 0)
        return;
    if (ama_secret_is_ref (text)) {
        (void) ama_yaml_error (node, AMA_E_INVALID, self->problems, "put it into configuration",
                               "%s is shown to everybody, so it can not be a secret", fixed_keys[word]);
        return;
    }
    if (word == MASTER)
        ama_env_check_master (node, self->problems);
    ama_str_putc (&json, '"');
    ama_str_json (&json, text, strlen (text));
    ama_str_putc (&json, '"');
    ama_settings_set (self->settings, fixed_keys[word], json.data, node->file, node->line, node->column, false,
                      self->problems);
    ama_str_done (&json);
}

/* What all actions of a run share can not be set for one of them. */
static bool has_effect (const reader_t *self, const ama_yaml_t *key)
{
    if (self->action)
        (void) ama_yaml_warn (key, AMA_E_UNSUPPORTED, self->problems, "put it into the environment",
                              "%s has no effect for one action", AMA_QUOTE (key->text));
    return !self->action;
}

/* A key that would stand below a word that is one text, as master.x: it would be in that one's place. */
static bool is_below_text (const char *key)
{
    size_t first = strcspn (key, ".");

    for (size_t i = 0; key[first] && i < ARRAY_SIZE (fixed_keys); i++)
        if (strlen (fixed_keys[i]) == first && strncmp (key, fixed_keys[i], first) == 0)
            return true;
    return false;
}

static void read_stranger (reader_t *self, const char *name, const ama_pair_t *pair)
{
    const char *key = pair->key->text;

    if (is_below_text (key))
        (void) ama_yaml_error (pair->key, AMA_E_INVALID, self->problems, "a key of its own, or one below configuration",
                               "%.*s is one text, and %s would stand below it", (int) strcspn (key, "."), key,
                               AMA_QUOTE (key));
    else if (strcmp (name, "spark") != 0 && !ama_str_starts (name, "spark."))
        ama_settings_add (self->settings, key, pair->value, self->problems);
    else if (has_effect (self, pair->key))
        ama_env_spark_property (key, pair->value, self->settings, self->problems);
}

static void read_env_document (const ama_yaml_t *root, void *arg)
{
    reader_t *self = arg;
    ama_slot_t slots[WORDS];
    const ama_yaml_t *node;
    char name[64];
    int choice;

    ama_settings_layer (self->settings);
    if (ama_yaml_is_map (root, self->action ? "a configuration" : "an environment", self->problems) < 0)
        return;
    (void) ama_words_match (root, "the environment", words, WORDS, slots, self->strangers, self->problems);
    for (int i = 0; i < (int) ARRAY_SIZE (fixed_keys); i++)
        if ((node = ama_slot_value (&slots[i])) && (i != MASTER || has_effect (self, slots[i].key)))
            read_fixed (self, i, node);
    if ((node = ama_slot_value (&slots[CONFIGURATION])) && ama_yaml_is_map (node, "configuration", self->problems) == 0
        && node->count)
        ama_settings_add (self->settings, "configuration", node, self->problems);
    if ((node = ama_slot_value (&slots[PERSIST]))
        && ama_yaml_choice (node, "persist", "auto always never", &choice, self->problems) == 0)
        ama_settings_add (self->settings, "persist", node, self->problems);
    if ((node = ama_slot_value (&slots[SPARK_PROPERTIES])) && has_effect (self, slots[SPARK_PROPERTIES].key))
        ama_env_spark_map (node, false, self->settings, self->problems);
    if ((node = ama_slot_value (&slots[SPARK_OPTIONS])) && has_effect (self, slots[SPARK_OPTIONS].key))
        ama_env_spark_map (node, true, self->settings, self->problems);
    for (size_t i = 0; i < root->count; i++) { /* strangers are kept, for config show and whoever reads them */
        size_t w = 0;
        (void) ama_word_normal (root->pairs[i].key->text, name, sizeof name);
        while (w < SPARK && strcmp (words[w].name, name) != 0)
            w++;
        if (w == SPARK)
            read_stranger (self, name, &root->pairs[i]);
    }
}

void ama_env_action_document (const ama_yaml_t *root, ama_settings_t *settings, ama_problems_t *problems)
{
    reader_t self = {
        .chosen = true,
        .action = true,
        .strangers = AMA_STRANGERS_KEEP,
        .settings = settings,
        .problems = problems,
    };

    read_env_document (root, &self);
}

/* ---- the documents of one environment ---- */

static void read_spark_env (reader_t *self, const ama_yaml_t *root)
{
    if (ama_yaml_is_map (root, "spark_exec_env", self->problems) < 0)
        return;
    for (size_t i = 0; i < root->count; i++) {
        const ama_pair_t *pair = &root->pairs[i];
        const char *key = pair->key->text, *text;
        ama_str_t full = { 0 }, json = { 0 };
        if (!*key || (*key >= '0' && *key <= '9')
            || key[strspn (key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")])
            (void) ama_yaml_error (pair->key, AMA_E_INVALID, self->problems, "letters, digits and _",
                                   "%s is no name of an environment variable", AMA_QUOTE (key));
        else if (ama_yaml_text (pair->value, key, 32768, &text, self->problems) == 0) {
            ama_str_printf (&full, "spark_exec_env.%s", key);
            ama_str_putc (&json, '"');
            ama_str_json (&json, text, strlen (text));
            ama_str_putc (&json, '"');
            ama_settings_set (self->settings, full.data, json.data, pair->value->file, pair->value->line,
                              pair->value->column, false, self->problems);
        }
        ama_str_done (&full);
        ama_str_done (&json);
    }
}

static bool read_env_file (reader_t *self, const char *path)
{
    ama_doc_t *doc = read_doc (self->repo, path, self->problems);

    if (!doc)
        return false;
    if (ama_doc_root (doc))
        read_env_document (ama_doc_root (doc), self);
    ama_doc_destroy (&doc);
    return true;
}

static void read_conf (reader_t *self, const char *path)
{
    ama_str_t text = { 0 };
    ama_err_t err;
    int rc = ama_repo_read (self->repo, path, AMA_ENV_DOCUMENT_MAX, &text, &err);

    if (rc == 0)
        ama_env_spark_conf (path, text.data ? text.data : "", text.size, self->settings, self->problems);
    else if (rc != AMA_E_NOT_FOUND)
        (void) ama_problems_add (self->problems, false, rc, path, 0, 0, NULL, "the file %s", err.text);
    ama_str_done (&text);
}

static bool is_fixed (const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE (fixed_keys); i++)
        if (strcmp (fixed_keys[i], key) == 0)
            return true;
    return strcmp (key, "persist") == 0;
}

/* The last releases took the environment's words from any file of the folder. A name and a master may be another program's, unless there is nothing else. */
static bool is_env_document (const ama_yaml_t *root)
{
    ama_problems_t unheard = { 0 };
    ama_slot_t slots[WORDS];
    bool found = false;
    size_t known = 0;

    if (root->kind != AMA_YAML_MAP)
        return false;
    (void) ama_words_match (root, "", words, WORDS, slots, AMA_STRANGERS_KEEP, &unheard);
    ama_problems_done (&unheard);
    for (int i = NAME; i <= SPARK_OPTIONS; i++) {
        known += slots[i].key != NULL;
        found |= slots[i].key && i != NAME && i != MASTER && i != PERSIST;
    }
    return found || (slots[NAME].key && slots[MASTER].key && known == root->count);
}

/* Every other YAML file of the folder: datasets, Spark's, a part of the environment, or values under the file's own name. */
static void read_other (reader_t *self, const char *path, const char *base)
{
    ama_doc_t *doc = read_doc (self->repo, path, self->problems);
    const ama_yaml_t *root = doc ? ama_doc_root (doc) : NULL;

    if (root && ama_env_is_datasets (base))
        ama_env_datasets (root, self->since, self->settings, self->problems);
    else if (root && strcmp (base, "spark") == 0)
        ama_env_spark_yml (root, self->settings, self->problems);
    else if (root && strcmp (base, "spark_exec_env") == 0)
        read_spark_env (self, root);
    else if (root && is_env_document (root))
        read_env_document (root, self);
    else if (root && root->kind == AMA_YAML_MAP && root->count && !is_fixed (base))
        ama_settings_add (self->settings, base, root, self->problems);
    else if (root && root->count)
        (void) ama_yaml_warn (root, AMA_E_INVALID, self->problems, NULL, "the file has no effect: %s",
                              root->kind == AMA_YAML_MAP ? "its name is that of a key" : "it is no map");
    ama_doc_destroy (&doc);
}

/* The part before .yml or .yaml; false if it is neither, or the environment's own document. */
static bool yaml_base (const char *name, char *base, size_t room)
{
    size_t size = strlen (name);
    size_t suffix = ama_str_ends (name, ".yml") ? 4 : ama_str_ends (name, ".yaml") ? 5 : 0;

    if (!suffix || size == suffix || size - suffix >= room)
        return false;
    memcpy (base, name, size - suffix);
    base[size - suffix] = '\0';
    for (char *dot = strchr (base, '.'); dot; dot = strchr (dot, '.')) /* a dot begins an inner key */
        *dot = '_';
    return strcmp (base, "job") != 0;
}

/* spark-defaults.conf before spark.yml before the rest, the environment's own document last. */
static void read_folder (reader_t *self, const ama_repo_list_t *list)
{
    char base[256], path[1024];

    (void) snprintf (path, sizeof path, "env/%s/spark-defaults.conf", self->env);
    if (ama_repo_list_find (list, "spark-defaults.conf"))
        read_conf (self, path);
    for (size_t i = 0; i < list->count; i++) {
        const char *name = list->items[i].name;
        if (list->items[i].folder)
            continue;
        (void) snprintf (path, sizeof path, "env/%s/%s", self->env, name);
        if (yaml_base (name, base, sizeof base))
            read_other (self, path, base);
        else
            ama_env_session_file (self->repo, path, name, self->settings, self->problems);
    }
}

/* True if the repository has this environment. */
static bool read_env (reader_t *self)
{
    static const char *const forms[] = { ".json", "/job.json", "/job.yml", "/job.yaml" };
    char folder[512], path[1024], first[1024] = "";
    ama_repo_list_t list = { 0 };
    bool found = false;
    ama_err_t err;
    int rc;

    ama_settings_layer (self->settings);
    self->since = ama_settings_now (self->settings);
    (void) snprintf (folder, sizeof folder, "env/%s", self->env);
    rc = ama_repo_list (self->repo, folder, &list, &err);
    if (rc == 0) {
        found = true;
        read_folder (self, &list);
    }
    else if (rc != AMA_E_NOT_FOUND)
        (void) ama_problems_add (self->problems, false, rc, folder, 0, 0, NULL, "the folder %s", err.text);
    for (size_t i = 0; i < ARRAY_SIZE (forms); i++) {
        (void) snprintf (path, sizeof path, "env/%s%s", self->env, forms[i]);
        if (!read_env_file (self, path))
            continue;
        found = true;
        if (first[0])
            (void) ama_problems_add (self->problems, true, AMA_E_INVALID, path, 0, 0, "keep one of them",
                                     "the environment %s stands in %s too; this one's keys win", AMA_QUOTE (self->env),
                                     first);
        (void) snprintf (first, sizeof first, "%s", path);
    }
    ama_repo_list_done (&list);
    return found;
}

static bool is_env_name (const char *name)
{
    ama_err_t err;

    return strlen (name) <= AMA_PLAN_ENVIRONMENT_NAME_MAX && !strchr (name, '/') && *name != '.'
           && ama_repo_check_path (name, &err) == 0;
}

/* ---- paths that a job names ---- */

/* 1, 0 if there is no such file, negative after an error. */
static int merge_file (ama_repo_t *repo, const char *path, ama_env_document_fn *fn, void *arg, ama_problems_t *problems)
{
    size_t errors = problems->errors;
    ama_doc_t *doc = read_doc (repo, path, problems);

    if (!doc)
        return problems->errors > errors ? AMA_E_INVALID : 0;
    if (ama_doc_root (doc))
        fn (ama_doc_root (doc), arg);
    ama_doc_destroy (&doc);
    return 1;
}

static int merge_folder (ama_repo_t *repo, const char *path, const ama_repo_list_t *list, ama_env_document_fn *fn,
                         void *arg, ama_problems_t *problems)
{
    int found = 0;

    for (size_t i = 0; i < list->count; i++) {
        const char *name = list->items[i].name;
        ama_str_t full = { 0 };
        if (list->items[i].folder
            || !(ama_str_ends (name, ".yml") || ama_str_ends (name, ".yaml") || ama_str_ends (name, ".json")))
            continue;
        ama_str_printf (&full, "%s/%s", path, name);
        if (merge_file (repo, full.data, fn, arg, problems) > 0)
            found = 1;
        ama_str_done (&full);
    }
    return found;
}

int ama_env_merge_path (ama_repo_t *repo, const char *path, const ama_yaml_t *at, ama_env_document_fn *fn, void *arg,
                        ama_problems_t *problems)
{
    char *clean = ama_strdup (path);
    size_t size = strlen (clean);
    ama_repo_list_t list = { 0 };
    ama_err_t err;
    int rc;

    while (size > 1 && clean[size - 1] == '/')
        clean[--size] = '\0';
    if ((rc = ama_repo_check_path (clean, &err)) < 0
        || ((rc = ama_repo_list (repo, clean, &list, &err)) < 0 && rc != AMA_E_NOT_FOUND)) {
        if (at)
            (void) ama_yaml_error (at, rc, problems, "a path below the repository", "the path %s %s", AMA_QUOTE (path),
                                   err.text);
        else
            (void) ama_problems_add (problems, false, rc, clean, 0, 0, NULL, "the folder %s", err.text);
    }
    else
        rc = rc == 0 ? merge_folder (repo, clean, &list, fn, arg, problems)
                     : merge_file (repo, clean, fn, arg, problems);
    ama_repo_list_done (&list);
    free (clean);
    return rc;
}

static void read_job_config (reader_t *self, const ama_maki_t *maki)
{
    char *list, *save = NULL, *expanded;

    if (maki->config) {
        expanded = ama_maki_expand (maki->config->text, self->env, "");
        if (ama_env_merge_path (self->repo, expanded, maki->config, read_env_document, self, self->problems) == 0)
            (void) ama_yaml_warn (maki->config, AMA_E_NOT_FOUND, self->problems, NULL, "config: there is no %s",
                                  AMA_QUOTE (expanded));
        free (expanded);
    }
    if (!maki->job_config)
        return;
    list = ama_maki_expand (maki->job_config->text, self->env, "");
    for (char *path = strtok_r (list, ", ", &save); path; path = strtok_r (NULL, ", ", &save))
        if (ama_env_merge_path (self->repo, path, maki->job_config, read_env_document, self, self->problems) == 0)
            (void) ama_yaml_warn (maki->job_config, AMA_E_NOT_FOUND, self->problems, NULL, "job-config: there is no %s",
                                  AMA_QUOTE (path));
    free (list);
}

/* ---- the result ---- */

/* The text of a JSON string of ours, without its quotes and escapes; "" if there is none. */
static char *fixed_text (const ama_settings_t *settings, int word)
{
    const char *json = ama_settings_json (settings, fixed_keys[word]);
    ama_str_t out = { 0 };

    for (size_t i = 1; json && *json == '"' && json[i] && json[i] != '"'; i++) {
        if (json[i] == '\\' && json[i + 1])
            i++;
        ama_str_putc (&out, json[i]);
    }
    if (json && *json != '"')
        ama_str_puts (&out, json);
    return ama_str_take (&out);
}

static void add_spark_prefix (ama_plan_setting_t *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ama_str_t key = { 0 };
        ama_str_printf (&key, "spark.%s", list[i].key);
        free (list[i].key);
        list[i].key = ama_str_take (&key);
    }
}

static bool is_value (const char *key)
{
    static const char *const sections[] = { "configuration.", "spark.", "spark_exec_env.", AMA_ENV_DATASETS,
                                            AMA_ENV_FILES };

    for (size_t i = 0; i < ARRAY_SIZE (sections); i++)
        if (ama_str_starts (key, sections[i]))
            return false;
    return !is_fixed (key);
}

static int by_setting_key (const void *a, const void *b)
{
    return strcmp (((const ama_plan_setting_t *) a)->key, ((const ama_plan_setting_t *) b)->key);
}

/* What stands under configuration, and whatever else the documents have, under its own key: for the code of actions it is all one. */
static void take_configuration (const ama_settings_t *settings, ama_plan_environment_t *env)
{
    ama_plan_setting_t *all;
    size_t n_all, own;

    ama_settings_take (settings, "configuration.", &env->configuration, &env->n_configuration);
    ama_settings_take (settings, "", &all, &n_all);
    own = env->n_configuration;
    env->configuration = ama_realloc (env->configuration, (own + n_all + 1) * sizeof *all);
    for (size_t i = 0; i < n_all; i++)
        if (is_value (all[i].key) && !(own && bsearch (&all[i], env->configuration, own, sizeof *all, by_setting_key)))
            env->configuration[env->n_configuration++] = all[i];
        else
            ama_plan_setting_done (&all[i]);
    free (all);
    if (env->n_configuration)
        qsort (env->configuration, env->n_configuration, sizeof *all, by_setting_key);
}

static void take (const ama_settings_t *settings, const char *name, ama_plan_environment_t *env,
                  ama_problems_t *problems)
{
    env->name = ama_strdup (name);
    env->label = fixed_text (settings, NAME);
    env->master = fixed_text (settings, MASTER);
    env->input_root = fixed_text (settings, INPUT);
    env->output_root = fixed_text (settings, OUTPUT);
    env->working_dir = fixed_text (settings, WORKING);
    if (!*env->label) {
        free (env->label);
        env->label = ama_strdup (name);
    }
    take_configuration (settings, env);
    ama_settings_take (settings, "spark.", &env->spark, &env->n_spark);
    ama_settings_take (settings, "spark_exec_env.", &env->spark_env, &env->n_spark_env);
    ama_settings_take (settings, "", &env->settings, &env->n_settings);
    ama_settings_take (settings, AMA_ENV_DATASETS, &env->datasets, &env->n_datasets);
    ama_env_take_files (settings, env);
    ama_settings_take_overridden (settings, &env->overridden, &env->n_overridden);
    add_spark_prefix (env->spark, env->n_spark);
    if (env->n_spark_env > AMA_PLAN_ENVIRONMENT_SPARK_ENV_MAX)
        (void) ama_problems_add (problems, false, AMA_E_LIMIT, env->spark_env[0].file, 0, 0, NULL,
                                 "%zu variables, the limit is %d", env->n_spark_env,
                                 AMA_PLAN_ENVIRONMENT_SPARK_ENV_MAX);
    if (env->n_datasets > AMA_PLAN_ENVIRONMENT_DATASETS_MAX)
        (void) ama_problems_add (problems, false, AMA_E_LIMIT, env->datasets[0].file, 0, 0, NULL,
                                 "%zu datasets, the limit is %d", env->n_datasets, AMA_PLAN_ENVIRONMENT_DATASETS_MAX);
}

int ama_env_read (ama_repo_t *repo, const char *name, const ama_maki_t *maki, bool strict, bool origins,
                  ama_plan_environment_t *ret_env, ama_problems_t *problems)
{
    size_t errors = problems->errors;
    reader_t self = {
        .repo = repo,
        .strangers = strict ? AMA_STRANGERS_ERROR : AMA_STRANGERS_WARN,
        .settings = ama_settings_new (origins),
        .problems = problems,
    };

    *ret_env = (ama_plan_environment_t){ 0 };
    ama_settings_layer (self.settings);
    ama_settings_set (self.settings, "master", "\"local[*]\"", "built-in", 0, 0, false, problems);
    if (maki->persist)
        ama_settings_add (self.settings, "persist", maki->persist, problems);
    if (is_env_name (name) && strcmp (name, "default") != 0) {
        self.env = "default";
        (void) read_env (&self);
    }
    self.env = name;
    self.chosen = true;
    if (!is_env_name (name) || !read_env (&self)) {
        if (problems->errors == errors)
            (void) ama_env_unknown (repo, name, problems);
    }
    else
        read_job_config (&self, maki);
    ama_env_hive (self.settings, problems);
    take (self.settings, name, ret_env, problems);
    ama_settings_destroy (&self.settings);
    return problems->errors > errors ? AMA_E_INVALID : 0;
}
