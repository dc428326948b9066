/* host.h - actors inside this process: all of them for `ama run`, the fetcher alone for a plan of a URL or a ref */
#ifndef AMA_CLIENT_HOST_H
#define AMA_CLIENT_HOST_H

#include "client/client.h"
#include "config/ama_paths.h"

/* From the environment; may be NULL. */
typedef struct {
    const char *java_home, *spark_home, *path, *lang, *tz, *home, *jupyter_path, *config, *credentials_dir;
} ama_host_env_t;

/* Runs conf's job with all the actors as threads, to its end; nothing is left running. Returns the exit code, or an error. */
int ama_host_run (ama_client_conf_t *conf, const ama_paths_t *paths, const ama_host_env_t *env, ama_err_t *err);

/* plan, validate, config show of conf->repo. Returns the exit code, or an error. */
int ama_host_plan (const char *command, ama_client_conf_t *conf, const ama_paths_t *paths, const ama_host_env_t *env,
                   ama_err_t *err);

#endif
