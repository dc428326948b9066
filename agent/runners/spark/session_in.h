/* session_in.h - the inside of Spark sessions, shared by session.c and session_kernel.c and by nobody else */
#ifndef AMA_AGENT_SESSION_IN_H
#define AMA_AGENT_SESSION_IN_H

#include "actors/runtime/ama_child.h"
#include "agent/install.h"
#include "agent/runners/spark/s3_jars.h"
#include "agent/runners/spark/session_files.h"
#include "agent/runners/spark/session_log.h"
#include "agent/secret_ask.h"
#include "agent/session.h"

#define SESSION_START_MS 600000 /* for the JVM until Spark is up */

typedef enum { INSTALLING, STARTING, RETURNING, READY, CLOSING, ENDED } state_t;

struct ama_session {
    ama_agent_t *agent;
    ama_id_t id, run;
    state_t state;
    ama_session_files_t files;
    ama_vault_t *vault;
    ama_attempt_session_open_t asked; /* owned while ask is not NULL */
    ama_secret_list_t secrets;
    ama_secret_ask_t *ask;
    ama_session_log_t *log; /* NULL: the kernel writes it itself */
    char key[33];
    ama_jupyter_t *client;
    ama_install_t *install;
    ama_s3_jars_t *s3; /* after install, as long as they are on their way; NULL: none are */
    pid_t group;       /* the installer's; while it is RETURNING, the kernel's */
    uint64_t kernel_since;
    ama_ward_t *ward;                 /* the kernel's */
    int64_t lease_ms, asked_lease_ms; /* lease_ms 0: it does not outlive the agent */
    char *last_told;
    ama_timer_t *timer; /* of the state */
    int64_t begun_ms;
    char *reason; /* why we ended it, NULL if we did not */
    ama_child_end_t how;
    bool lease_over;
    ama_session_state_t end;
    char *end_detail;
    UT_hash_handle hh;
};

/* ---- session.c ---- */

ama_session_t *session_new (ama_agent_t *agent, ama_id_t id, ama_id_t run, int64_t begun_ms);
void session_tell (ama_session_t *session, ama_session_state_t state, const char *detail);
/* The session may be gone when these return. Takes detail. */
void session_end (ama_session_t *session, ama_session_state_t state, char *detail, const char *cause);
void session_end_unasked (ama_session_t *session, ama_session_state_t state);
/* The first one counts. */
void session_note_reason (ama_session_t *session, const char *reason);
void session_kill_it (ama_session_t *session);
/* Of the kernel's guard, and of its heartbeat; arg is the session. */
void session_on_kernel_end (const ama_child_end_t *how, int trouble, bool lease_over, void *arg);
void session_on_silent (void *arg);

/* ---- session_kernel.c ---- */

/* 0, or err, and the session is to be ended. */
int session_start_kernel (ama_session_t *session, ama_err_t *err);

#endif
