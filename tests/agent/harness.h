/* harness.h - an agent with stand-ins for the supervisor, the broker and the reporter around it, for tests
 *
 * The stand-ins are actors on a node of the test's own; the agent runs on a thread of that node or as the program ama-agent. The test's thread
 * sends through them and waits for what they have heard; every wait ends with the event or fails the test after a minute.
 */
#ifndef AMA_TESTS_AGENT_HARNESS_H
#define AMA_TESTS_AGENT_HARNESS_H

#include "agent/agent_actor.h"
#include "messages/attempt.h"
#include "messages/report.h"

#include <stdbool.h>
#include <sys/types.h>

typedef struct harness harness_t;

typedef struct {
    bool process;            /* the program ama-agent instead of a thread */
    bool guard;              /* with ama-guard; always with a process */
    const char *runners_dir; /* may be NULL; likewise below */
    const char *spark_home;
    const char *java_home;
    const char *cache_dir;
    uint64_t output_quota;
    int64_t grace_ms;
    int64_t stall_ms;
    int64_t ahead_ms;
} harness_conf_t;

harness_t *harness_new (const harness_conf_t *conf);
/* Stops everything; fails the test if a process with the agent's marks is left. */
void harness_destroy (harness_t **harness);

const char *harness_dir (const harness_t *harness);  /* the agent's folder */
const char *harness_repo (const harness_t *harness); /* the snapshot */
pid_t harness_agent_pid (const harness_t *harness);

/* Writes a file of the snapshot. */
void harness_file (harness_t *harness, const char *name, const char *text);

/* A start message with everything filled in that tests do not care about; the caller changes it and sends it. Freed by harness_start. */
ama_attempt_start_t *harness_prepare (harness_t *harness, const char *runner, const char *file);
ama_id_t harness_start (harness_t *harness, ama_attempt_start_t *start);
/* Tells the agent that such a start will come (attempt.prepare). `start` stays the caller's. */
void harness_announce (harness_t *harness, const ama_attempt_start_t *start);
/* prepare + start of a shell attempt with this text as its script. */
ama_id_t harness_shell (harness_t *harness, const char *script);
void harness_cancel (harness_t *harness, ama_id_t attempt, bool timed_out, bool force);
ama_id_t harness_session (harness_t *harness, const char *master, const char *const *jars, size_t n_jars);
void harness_close_session (harness_t *harness, ama_id_t session);

/* Waits for the final status; borrowed until the harness ends. */
const ama_attempt_status_t *harness_end (harness_t *harness, ama_id_t attempt);
/* Waits until the session is in that state (or an end, which fails the test if it is another). */
const ama_attempt_session_status_t *harness_session_state (harness_t *harness, ama_id_t session,
                                                           ama_session_state_t state);
/* Waits until an event of the attempt is one of type with this text (NULL: any). */
const ama_report_event_t *harness_event (harness_t *harness, ama_id_t attempt, ama_event_type_t type, const char *text);

/* Everything reported about the attempt so far, each number once; fails the test if a number is missing. Borrowed. */
const ama_report_event_t *const *harness_events (harness_t *harness, ama_id_t attempt, size_t *ret_count);
/* One line per event: "begin 3 | echo a", "end 3 ok", "out a", "err b", "part c", "gap 3 100", "warn …". Owned. */
char *harness_story (harness_t *harness, ama_id_t attempt);
/* What the attempt wrote to a stream, put together again. Owned; *ret_size without the NUL. */
char *harness_written (harness_t *harness, ama_id_t attempt, const char *stream, size_t *ret_size);

/* ---- trouble ---- */

void harness_reporter_deaf (harness_t *harness, bool deaf);   /* posts are lost */
void harness_reporter_mute (harness_t *harness, bool mute);   /* posts are kept, answers are lost */
void harness_supervisor_mute (harness_t *harness, bool mute); /* statuses are not acknowledged */
unsigned harness_statuses (harness_t *harness, ama_id_t attempt, ama_attempt_state_t state); /* how often it was told */
unsigned harness_hellos (harness_t *harness);
void harness_wait_hellos (harness_t *harness, unsigned count);
size_t harness_last_held (harness_t *harness); /* things in the last hello */
/* The program ama-agent, killed and started again. */
void harness_kill_agent (harness_t *harness);
void harness_start_agent (harness_t *harness);

/* Processes whose environment has NAME=value; waits until there are as many as that. */
unsigned harness_count (const char *item);
void harness_wait_count (const char *item, unsigned count);

#endif
