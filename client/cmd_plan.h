/* cmd_plan.h - the commands that need no daemon */
#ifndef AMA_CLIENT_CMD_PLAN_H
#define AMA_CLIENT_CMD_PLAN_H

#include "client/options.h"

/* plan, validate, or config show of the job in the folder `snapshot`. commit may be "". Prints; returns the exit code. */
int ama_cmd_plan (const char *command, const ama_args_t *args, const char *snapshot, const char *commit);

#endif
