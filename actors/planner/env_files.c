/* env_files.c - files of an environment that nobody here reads: the session's JVM does, as it always has. Called by the planner. */
#include "actors/planner/env.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SITE_OF_HIVE "hive-site.xml"

static bool is_for_session (const char *name)
{
    return strcmp (name, "log4j2.properties") == 0 || strcmp (name, "log4j2.xml") == 0
           || (ama_str_ends (name, "-site.xml") && strlen (name) > strlen ("-site.xml"));
}

static void put_path (ama_settings_t *settings, const char *key, const char *value, const char *path, bool flat,
                      ama_problems_t *problems)
{
    ama_str_t json = { 0 };

    ama_str_putc (&json, '"');
    ama_str_json (&json, value, strlen (value));
    ama_str_putc (&json, '"');
    ama_settings_set (settings, key, json.data, path, 0, 0, flat, problems);
    ama_str_done (&json);
}

void ama_env_session_file (ama_repo_t *repo, const char *path, const char *name, ama_settings_t *settings,
                           ama_problems_t *problems)
{
    ama_str_t key = { 0 };
    ama_err_t err;
    int fd;

    if (strcmp (name, "log4j.properties") == 0 || strcmp (name, "log4j.xml") == 0)
        (void) ama_problems_add (problems, true, AMA_E_UNSUPPORTED, path, 0, 0, "write a log4j2.properties",
                                 "the file has no effect: Spark logs by log4j 2");
    if (!is_for_session (name))
        return;
    fd = ama_repo_open_file (repo, path, AMA_ENV_FILE_MAX, false, &err);
    if (fd < 0) {
        (void) ama_problems_add (problems, false, fd, path, 0, 0, NULL, "the file %s", err.text);
        return;
    }
    (void) close (fd);
    ama_str_printf (&key, AMA_ENV_FILES "%s", name);
    put_path (settings, key.data, path, path, true, problems);
    ama_str_done (&key);
}

void ama_env_hive (ama_settings_t *settings, ama_problems_t *problems)
{
    ama_plan_setting_t *list;
    size_t count;

    ama_settings_take (settings, AMA_ENV_FILES, &list, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp (list[i].key, SITE_OF_HIVE) == 0 && !ama_settings_json (settings, "spark.sql.catalogImplementation"))
            put_path (settings, "spark.sql.catalogImplementation", "hive", list[i].file, true, problems);
        ama_plan_setting_done (&list[i]);
    }
    free (list);
}

void ama_env_take_files (const ama_settings_t *settings, ama_plan_environment_t *env)
{
    ama_plan_setting_t *list;
    size_t count;

    ama_settings_take (settings, AMA_ENV_FILES, &list, &count);
    env->files = ama_calloc (count, sizeof *env->files);
    for (size_t i = 0; i < count; i++) {
        if (env->n_files < AMA_PLAN_ENVIRONMENT_FILES_MAX)
            env->files[env->n_files++] = ama_strdup (list[i].file);
        ama_plan_setting_done (&list[i]);
    }
    free (list);
}
