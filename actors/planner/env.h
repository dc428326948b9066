/* env.h - an environment of the repository: its documents, Spark's settings, and what `default` and the release fill in
 *
 * Forms of every generation: env/<name>.json, env/<name>/job.json, job.yml or job.yaml; beside them spark.yml, spark-defaults.conf,
 * spark_exec_env.yml, *datasets*.yml, and any other *.yml: a part of the document if it has words of it, else values under its own name. Layers, low to high: built in, env `default`, the chosen one; within one:
 * spark-defaults.conf, spark.yml, the document. docs/reference/maki.md tells it to users.
 */
#ifndef AMA_PLANNER_ENV_H
#define AMA_PLANNER_ENV_H

#include "actors/planner/maki.h"
#include "actors/planner/repo.h"
#include "actors/planner/settings.h"

/* A file of this name under env/<name>/ is Spark's own format. */
#define AMA_ENV_DOCUMENT_MAX (4u << 20)
#define AMA_ENV_FILE_MAX     (1u << 20) /* of one that only the session reads */

/* name: as asked for, never empty. maki: for config, job-config and persist of the job. origins: also what the settings replaced. 0 and an owned environment, or negative after adding an
 * error; ret_env is set in any case and the caller's to clear. AMA_E_NOT_FOUND if the repository has no such environment: the problem lists those
 * that it has. */
int ama_env_read (ama_repo_t *repo, const char *name, const ama_maki_t *maki, bool strict, bool origins,
                  ama_plan_environment_t *ret_env, ama_problems_t *problems);

/* Calls fn for the name of every environment that the repository has, each once, in byte order. */
typedef void (ama_env_name_fn) (const char *name, void *arg);
void ama_env_each (ama_repo_t *repo, ama_env_name_fn *fn, void *arg);

/* Adds the error that there is no such environment, with those that there are; its code. */
int ama_env_unknown (ama_repo_t *repo, const char *name, ama_problems_t *problems);

/* One document of a path; root is borrowed for the call. */
typedef void (ama_env_document_fn) (const ama_yaml_t *root, void *arg);

/* Calls fn for every document that a path names: a file, or the *.yml, *.yaml and *.json of a folder in byte order. 1 if there were any, 0 if the
 * path does not exist, negative after adding an error, at `at` (may be NULL) if it is the path's. */
int ama_env_merge_path (ama_repo_t *repo, const char *path, const ama_yaml_t *at, ama_env_document_fn *fn, void *arg,
                        ama_problems_t *problems);

/* A document of one action's configuration, as a layer of its own over what settings holds: an environment's words, and whatever else
 * it has. What the actions of a run share (master, Spark's settings) is left out with a warning. Pure. */
void ama_env_action_document (const ama_yaml_t *root, ama_settings_t *settings, ama_problems_t *problems);

/* Spark's properties format (that of Java) into the layer, keys as they stand. Pure. */
void ama_env_spark_conf (const char *name, const char *text, size_t size, ama_settings_t *settings,
                         ama_problems_t *problems);

/* spark.yml: flat properties, or the maps sparkProperties and sparkOptions. Pure. */
void ama_env_spark_yml (const ama_yaml_t *root, ama_settings_t *settings, ama_problems_t *problems);
/* One property and, if its value is a map, those below it. */
void ama_env_spark_property (const char *key, const ama_yaml_t *value, ama_settings_t *settings,
                             ama_problems_t *problems);
/* One of the two maps. */
void ama_env_spark_map (const ama_yaml_t *map, bool options, ama_settings_t *settings, ama_problems_t *problems);

/* An error unless it is a master that Spark knows, with a number of threads that can be leased. Pure. */
void ama_env_check_master (const ama_yaml_t *node, ama_problems_t *problems);

#define AMA_ENV_DATASETS "datasets." /* keys of settings: the dataset's name behind it */

/* True for the base name of a file of named datasets: datasets.yml, my-Datasets.yaml. */
bool ama_env_is_datasets (const char *base);
/* Named datasets, each as a setting: a JSON object of all its keys and its list's name as `type`. since: the first layer of this environment's files; one
 * that was set since then is named twice. Refuses addresses of system folders and connections that run scripts. Pure. */
void ama_env_datasets (const ama_yaml_t *root, unsigned since, ama_settings_t *settings, ama_problems_t *problems);

#define AMA_ENV_FILES "session-file." /* likewise: the file's name behind it */

/* If this file of the environment's folder is one that the session's JVM reads (log4j2.properties, log4j2.xml, *-site.xml of Hadoop and Hive), notes it as a
 * setting. An error if it can not be read, a warning if it is log4j's of old. */
void ama_env_session_file (ama_repo_t *repo, const char *path, const char *name, ama_settings_t *settings,
                           ama_problems_t *problems);
/* With a hive-site.xml Spark's tables are Hive's, unless the job says otherwise. Pure. */
void ama_env_hive (ama_settings_t *settings, ama_problems_t *problems);
/* The files that were noted. Pure. */
void ama_env_take_files (const ama_settings_t *settings, ama_plan_environment_t *env);

#endif
