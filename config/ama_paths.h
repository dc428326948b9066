/* ama_paths.h - where state, cache, sockets and configuration lie on this machine
 *
 * One answer for amad and ama, so that a client finds the daemon of its user without being told. Follows the XDG base directory
 * specification; under systemd the folders of the unit; with a data dir all but the cache lies below that. main() reads the variables and
 * passes them in: nothing here looks at the process environment.
 */
#ifndef AMA_CONFIG_PATHS_H
#define AMA_CONFIG_PATHS_H

#include "actors/base/ama_err.h"

/* Values as they stand in the environment; NULL or "" for unset. Borrowed for the call. */
typedef struct {
    const char *data_dir;     /* --data-dir or AMA_DATA_DIR; wins over all others; may be relative */
    const char *home;         /* HOME */
    const char *xdg_state;    /* XDG_STATE_HOME and so on; relative ones are ignored, as the specification says */
    const char *xdg_cache;    /* XDG_CACHE_HOME */
    const char *xdg_config;   /* XDG_CONFIG_HOME */
    const char *xdg_runtime;  /* XDG_RUNTIME_DIR */
    const char *unit_state;   /* STATE_DIRECTORY of a systemd unit; the first of a colon list */
    const char *unit_cache;   /* CACHE_DIRECTORY */
    const char *unit_config;  /* CONFIGURATION_DIRECTORY */
    const char *unit_runtime; /* RUNTIME_DIRECTORY */
    const char *tmp;          /* TMPDIR */
    unsigned uid;
} ama_paths_env_t;

/* Absolute paths; owned. */
typedef struct {
    char *state;        /* journal, reports, runs: kept */
    char *cache;        /* mirrors, jars, Spark: may be deleted when nothing runs */
    char *runtime;      /* sockets: 0700; short enough for 40 more bytes in a socket address */
    char *hub_endpoint; /* ipc://<runtime>/hub.sock */
    char *config_file;  /* amad.yaml, whether it exists or not */
    char *secrets_dir;  /* secrets beside it, likewise */
} ama_paths_t;

/* 0, AMA_E_NOT_FOUND (no HOME and nothing else to go by) or AMA_E_IO. Creates nothing. */
int ama_paths_init (ama_paths_t *paths, const ama_paths_env_t *env, ama_err_t *err);
void ama_paths_done (ama_paths_t *paths);

/* Makes the state, cache and runtime folders. The runtime folder must be ours, no link, and closed to others. 0, AMA_E_PATH or
 * AMA_E_IO / AMA_E_NOSPACE. */
int ama_paths_make (const ama_paths_t *paths, ama_err_t *err);

/* mkdir -p with 0700 for what is missing. 0, AMA_E_IO or AMA_E_NOSPACE. */
int ama_paths_mkdir (const char *path, ama_err_t *err);

#endif
