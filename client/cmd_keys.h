/* cmd_keys.h - `ama keygen` and `ama keys …`: files, and nothing else */
#ifndef AMA_CLIENT_CMD_KEYS_H
#define AMA_CLIENT_CMD_KEYS_H

#include "client/options.h"
#include "config/ama_paths.h"

#include <stdbool.h>

/* True for the commands below. */
bool ama_cmd_is_keys (const ama_command_t *command);
/* Returns the exit code, or an error. */
int ama_cmd_keys (const ama_command_t *command, const ama_args_t *args, const ama_paths_t *paths, ama_err_t *err);

#endif
