/* secret_start.h - an attempt that is to be given secrets begins with a runner that gets them, and makes way for its own (internal to agent/) */
#ifndef AMA_AGENT_SECRET_START_H
#define AMA_AGENT_SECRET_START_H

#include "agent/attempt.h"

/* Its settings, or those of its environment, refer to secrets. */
bool ama_secret_start_wanted (const ama_plan_environment_t *environment, const ama_plan_setting_t *settings,
                              size_t n_settings);

/* Gets the secrets, then starts attempt->then with them. */
extern const ama_runner_t ama_secret_runner;

#endif
