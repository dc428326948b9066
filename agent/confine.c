/* confine.c - see confine.h; on the agent's thread */
#include "agent/confine.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

ama_sandbox_t *ama_confine_sandbox (const ama_agent_conf_t *conf)
{
    const char *const readable[] = { conf->runners_dir ? conf->runners_dir : "", conf->java_home ? conf->java_home : "",
                                     conf->spark_home ? conf->spark_home : "", NULL };
    const ama_sandbox_conf_t sandbox = { .off = conf->no_sandbox,
                                         .required = conf->sandbox_required,
                                         .state_dir = ama_agent_state_dir (conf),
                                         .cache_dir = conf->cache_dir,
                                         .home = conf->home,
                                         .path = conf->path,
                                         .readable = readable,
                                         .more_reads = conf->sandbox_read,
                                         .more_writes = conf->sandbox_write,
                                         .cgroups = conf->sandbox_cgroups,
                                         .memory = conf->memory };

    return ama_sandbox_new (&sandbox);
}

/* The folder in which a dataset lies, as one that is overwritten is removed first; if that is closed, its own. Of a pattern, what comes before it. */
static void open_dataset (ama_confine_t *confine, const char *address, ama_str_t *note)
{
    ama_str_t refused = { 0 };
    char *folder = ama_strdup (address);
    size_t plain = strcspn (folder, "*?[{");
    bool pattern = folder[plain] != '\0';
    char *slash;

    folder[plain] = '\0';
    while (plain > 1 && folder[plain - 1] == '/' && !pattern)
        folder[--plain] = '\0';
    slash = strrchr (folder, '/');
    if (slash && slash > folder && slash[-1] != '/' && slash[-1] != ':') {
        *slash = '\0';
        if (pattern)
            ama_confine_job_read (confine, "dataset", folder, note);
        else {
            ama_confine_job_write (confine, "dataset", folder, &refused);
            if (refused.size)
                ama_confine_job_write (confine, "dataset", address, note);
        }
    }
    ama_str_done (&refused);
    free (folder);
}

/* Where named datasets lie. Those of other types than files have no place, or one that their server opens. */
static void open_datasets (ama_confine_t *confine, const ama_plan_environment_t *env, ama_str_t *note)
{
    static const char *const words[] = { "uri", "url", "path" };

    for (size_t i = 0; i < env->n_datasets; i++) {
        json_t *entry = json_loads (env->datasets[i].value, 0, NULL);
        const char *type = json_string_value (json_object_get (entry, "type"));
        for (size_t k = 0; type && strcmp (type, "file") == 0 && k < ARRAY_SIZE (words); k++) {
            const char *address = json_string_value (json_object_get (entry, words[k]));
            if (address)
                open_dataset (confine, address, note);
        }
        json_decref (entry);
    }
}

static void read_below (ama_confine_t *confine, const char *dir, const char *name)
{
    ama_str_t path = { 0 };

    ama_str_printf (&path, "%s/%s", dir, name);
    (void) mkdir (path.data, 0700); /* what comes into it later, like the jars of a later action, is to be read, too */
    ama_confine_read (confine, path.data);
    ama_str_done (&path);
}

/* Of the cache only what is the same for all: its mirrors and snapshots are other repositories. */
static void read_dependencies (const ama_agent_t *agent, ama_confine_t *confine)
{
    static const char *const folders[] = { "coursier", "jars", "python", "spark" };

    for (size_t i = 0; i < ARRAY_SIZE (folders) && agent->conf.cache_dir; i++)
        read_below (confine, agent->conf.cache_dir, folders[i]);
}

ama_confine_t *ama_confine_run (const ama_agent_t *agent, const ama_attempt_start_t *start, const char *folder,
                                ama_str_t *note)
{
    const ama_plan_environment_t *env = &start->environment;
    ama_confine_t *confine = ama_confine_new (agent->sandbox);
    char *input = ama_folder_word (start, "inputRootPath", env->input_root),
         *output = ama_folder_word (start, "outputRootPath", env->output_root),
         *work = ama_folder_word (start, "workingDir", env->working_dir);

    ama_confine_write (confine, folder);
    ama_confine_read (confine, start->snapshot);
    ama_confine_read (confine, agent->prelude);
    read_dependencies (agent, confine);
    ama_confine_job_read (confine, "inputRootPath", input, note);
    ama_confine_job_write (confine, "outputRootPath", output, note);
    ama_confine_job_write (confine, "workingDir", work, note);
    open_datasets (confine, env, note);
    free (input);
    free (output);
    free (work);
    return confine;
}

/* A list of folders with commas between. */
static void write_each (ama_confine_t *confine, const char *what, const char *value, ama_str_t *note)
{
    char *copy = ama_strdup (value), *save = NULL;

    for (char *one = strtok_r (copy, ", ", &save); one; one = strtok_r (NULL, ", ", &save))
        ama_confine_job_write (confine, what, one, note);
    free (copy);
}

static void write_setting (ama_confine_t *confine, const ama_plan_setting_t *setting, const char *const *names,
                           size_t count, ama_str_t *note)
{
    for (size_t i = 0; i < count; i++) {
        json_t *json;

        if (strcmp (setting->key, names[i]) != 0)
            continue;
        json = json_loads (setting->value, JSON_DECODE_ANY, NULL);
        if (json_is_string (json))
            write_each (confine, setting->key, json_string_value (json), note);
        json_decref (json);
    }
}

static void open_own (ama_confine_t *confine, const ama_plan_setting_t *setting, ama_str_t *note)
{
    json_t *json = json_loads (setting->value, JSON_DECODE_ANY, NULL);
    const char *path = json_string_value (json);

    if (strcmp (setting->key, "inputRootPath") == 0)
        ama_confine_job_read (confine, setting->key, path, note);
    else if (strcmp (setting->key, "outputRootPath") == 0 || strcmp (setting->key, "workingDir") == 0)
        ama_confine_job_write (confine, setting->key, path, note);
    json_decref (json);
}

void ama_confine_spark (ama_confine_t *confine, const ama_attempt_session_open_t *open, ama_str_t *note)
{
    const ama_plan_environment_t *environment = &open->environment;

    static const char *const properties[] = { "spark.local.dir", "spark.sql.warehouse.dir", "spark.eventLog.dir",
                                              "spark.checkpoint.dir" };
    static const char *const variables[] = { "SPARK_LOCAL_DIRS", "SPARK_WORKER_DIR" };

    for (size_t i = 0; i < environment->n_spark; i++)
        write_setting (confine, &environment->spark[i], properties, ARRAY_SIZE (properties), note);
    for (size_t i = 0; i < environment->n_spark_env; i++)
        write_setting (confine, &environment->spark_env[i], variables, ARRAY_SIZE (variables), note);
    for (size_t i = 0; i < open->n_paths; i++)
        open_own (confine, &open->paths[i], note);
}
