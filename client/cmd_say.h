/* cmd_say.h - ama say: what an action tells its agent of itself */
#ifndef AMA_CLIENT_CMD_SAY_H
#define AMA_CLIENT_CMD_SAY_H

#include "client/options.h"

bool ama_cmd_is_say (const ama_command_t *command);
/* descriptors: value of AMA_SAY, or NULL. 0, AMA_E_USAGE (not within an action, too long, no such file), AMA_E_UNREACHABLE (nobody listens any more). */
int ama_cmd_say (const ama_command_t *command, const ama_args_t *args, const char *descriptors, ama_err_t *err);

#endif
