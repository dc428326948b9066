/* confine.h - the sandbox of an attempt and of a Spark session: which paths a run needs (internal to agent/) */
#ifndef AMA_AGENT_CONFINE_H
#define AMA_AGENT_CONFINE_H

#include "agent/agent.h"
#include "agent/sandbox.h"

/* As the agent's configuration says. The caller owns it. */
ama_sandbox_t *ama_confine_sandbox (const ama_agent_conf_t *conf);

/* For a child of this run whose own folder is `folder`. What a job asks for and does not get is added to note, for a person. */
ama_confine_t *ama_confine_run (const ama_agent_t *agent, const ama_attempt_start_t *start, const char *folder,
                                ama_str_t *note);

/* The folders that the environment's Spark settings name, and the paths that single actions of the session have of their own. */
void ama_confine_spark (ama_confine_t *confine, const ama_attempt_session_open_t *open, ama_str_t *note);

#endif
