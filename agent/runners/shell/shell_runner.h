/* shell_runner.h - runs a bash script as an attempt, reported command by command */
#ifndef AMA_AGENT_SHELL_RUNNER_H
#define AMA_AGENT_SHELL_RUNNER_H

#include "agent/attempt.h"

extern const ama_runner_t ama_shell_runner;

#endif
