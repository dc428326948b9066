/* jar_runner.h - jar: a program of its own by spark-submit, outside the run's session (internal to agent/)
 *
 * What it writes is output, its exit code is the outcome; there are no statements. Its process outlives the agent.
 */
#ifndef AMA_AGENT_JAR_RUNNER_H
#define AMA_AGENT_JAR_RUNNER_H

#include "agent/attempt.h"

extern const ama_runner_t ama_jar_runner;

#endif
