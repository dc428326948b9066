/* session.h - Spark sessions: one JVM with the kernel of runners/spark, shared by the Spark attempts of a run (internal to agent/) */
#ifndef AMA_AGENT_SESSION_H
#define AMA_AGENT_SESSION_H

#include "agent/attempt.h"
#include "agent/runners/jupyter/client.h"

/* ---- for the agent ---- */

/* Installs what is missing, starts the kernel, tells the supervisor; whatever goes wrong becomes the session's end. */
void ama_session_open (ama_agent_t *agent, const ama_attempt_session_open_t *open);
ama_session_t *ama_session_find (const ama_agent_t *agent, ama_id_t id);
/* Ends it: asked for at first, killed after a while. */
void ama_session_close (ama_session_t *session);
/* At once, without any message: the agent ends. */
void ama_session_drop (ama_session_t *session);
/* One of an earlier agent, with what it has recorded of it (replay.h); the ward is taken unless that is of no use. */
void ama_session_take_over (ama_agent_t *agent, ama_ward_t *ward, ama_id_t id, int64_t begun_ms, const char *kept);
/* As ama_attempts_learn, for the sessions of the run. */
void ama_sessions_learn (ama_agent_t *agent, ama_id_t run, const char *value, size_t size);

/* Every session of the agent, whether it is open, opening or ending; returns how many there are. */
size_t ama_session_list (const ama_agent_t *agent,
                         void (*fn) (ama_session_t *session, ama_id_t id, ama_id_t run, void *arg), void *arg);

/* ---- for the runner ---- */

extern const ama_runner_t ama_scala_runner, ama_sql_runner;

/* It is ready, or was, and will be when its guard has said how things stand. */
bool ama_session_is_usable (const ama_session_t *session);
/* The kernel's first connection: control requests go here. Borrowed; gone when the session ends, before its attempts are told. NULL: the runner's
 * session_back follows, or session_lost. */
ama_jupyter_t *ama_session_control (ama_session_t *session);
/* No answer comes any more to what was asked there with this argument. */
void ama_session_forget (ama_session_t *session, const void *arg);
/* Where an attempt's sockets lie; returns owned. */
char *ama_session_prefix (ama_session_t *session, ama_id_t attempt);
/* Which paths the sandbox does not open for its actions although the run names them; NULL: none such. */
const char *ama_session_note (const ama_session_t *session);
const char *ama_session_key (const ama_session_t *session);
/* The JVM does not obey: it is killed, and the session is lost for this reason. */
void ama_session_kill (ama_session_t *session, const char *reason);
/* Where its Spark is. */
const char *ama_session_spark_home (const ama_session_t *session);
/* Its own folder, where the JVM has its temporary files, in tmp/. */
const char *ama_session_folder (const ama_session_t *session);

#endif
