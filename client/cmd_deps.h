/* cmd_deps.h - `ama deps lock`: what the packages of a job come to, written into its folder */
#ifndef AMA_CLIENT_CMD_DEPS_H
#define AMA_CLIENT_CMD_DEPS_H

#include "client/options.h"
#include "config/ama_paths.h"

/* folder: of the job. Prints the locks that were written; returns the exit code, or an error. */
int ama_cmd_deps_lock (const ama_args_t *args, const char *folder, const ama_paths_t *paths, ama_err_t *err);

#endif
