/* cmd_kernel.h - `ama kernel install` and `ama kernel start`: the Spark kernel for notebooks, without any actor */
#ifndef AMA_CLIENT_CMD_KERNEL_H
#define AMA_CLIENT_CMD_KERNEL_H

#include "client/options.h"
#include "config/ama_paths.h"

#include <stdbool.h>

/* From the environment; each may be NULL. */
typedef struct {
    const char *home, *xdg_data, *jupyter_data;
} ama_kernel_env_t;

/* True for the commands below. */
bool ama_cmd_is_kernel (const ama_command_t *command);
/* Returns the exit code, or an error; a kernel that is started takes the place of this process. */
int ama_cmd_kernel (const ama_command_t *command, const ama_args_t *args, const ama_paths_t *paths,
                    const ama_kernel_env_t *env, ama_err_t *err);

#endif
