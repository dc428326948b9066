/* cmd_fsck.h - ama fsck: is amad's journal whole, and what can be saved of it */
#ifndef AMA_CLIENT_CMD_FSCK_H
#define AMA_CLIENT_CMD_FSCK_H

#include "client/options.h"
#include "config/ama_paths.h"

/* Returns the exit code: 0 whole (or salvaged), 1 damaged, 75 an amad has it open; or negative and err. */
int ama_cmd_fsck (const ama_args_t *args, const ama_paths_t *paths, ama_err_t *err);

#endif
