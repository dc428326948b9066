/* scala_work.h - the inside of the Scala runner, shared by scala_runner.c and scala_session.c and by nobody else */
#ifndef AMA_AGENT_SCALA_WORK_H
#define AMA_AGENT_SCALA_WORK_H

#include "agent/replay.h"
#include "agent/runners/jupyter/journal.h"
#include "agent/runners/jupyter/notebook.h"
#include "agent/runners/jupyter/requests.h"
#include "agent/runners/jupyter/script.h"
#include "agent/session.h"

/* Control requests, on the session's connection; their letters stand on the tape. */
enum { ASK_JARS = 'j', ASK_OPEN = 'o', ASK_SPLIT = 's', ASK_CLOSE = 'c' };

typedef struct work {
    ama_script_t script; /* the first: a script is its work */
    ama_timer_t *timer;
    int stage; /* of the cancel: 1 interrupted, 2 by force */
    bool over; /* all is closed */
    /* scala_notebook.c */
    ama_notebook_t *notebook; /* NULL: its file is none */
    size_t cells;             /* that have begun */
    /* scala_session.c */
    ama_session_t *session; /* NULL: none, or it is lost */
    char scope[AMA_ID_TEXT];
    char *prefix, *fifo, *key; /* key NULL: not begun */
    json_t *env, *jars, *exports;
    bool restored, secret; /* secret: a later agent does not know what is in env */
    ama_requests_t requests;
    bool opened;
    ama_jupyter_t *client; /* of the scope */
    ama_journal_t *journal;
    bool relaying;                  /* the journal has not ended */
    char *lost_cause, *lost_reason; /* the session has ended; told at the end of the journal */
    ama_timer_t *soon, *part;
} work_t;

/* ---- scala_runner.c ---- */

/* The answer to a control request (requests.h); owner is the work. */
void scala_answered (void *owner, char kind, const json_t *content);
void scala_cancel (ama_attempt_t *attempt, bool force);
/* What the statements are written in, as the kernel calls it. */
const char *scala_language (const ama_attempt_t *attempt);
/* All that needs no session. */
int scala_load (ama_attempt_t *attempt, const ama_attempt_start_t *message, ama_err_t *err);

/* ---- scala_notebook.c: nothing but what is displayed happens where the file is no notebook ---- */

bool scala_is_notebook (const ama_attempt_t *attempt);
int scala_open_notebook (work_t *work, const ama_attempt_start_t *message, ama_err_t *err);
/* A statement is about to be sent, maybe again. */
void scala_begin_cell (work_t *work);
/* An ama_journal_fn; arg is the work. */
void scala_said (const ama_jupyter_message_t *message, void *arg);
/* All is closed. */
void scala_keep_notebook (work_t *work);

/* ---- scala_session.c ---- */

/* True: no request is sent, no answer put on the tape. */
bool scala_playing (const work_t *work);
int scala_join (ama_attempt_t *attempt, const ama_attempt_start_t *message, ama_err_t *err);
void scala_connect (work_t *work);
int scala_restore (ama_attempt_t *attempt, const ama_attempt_start_t *message, const char *token,
                   ama_ward_port_t *ret_port, ama_err_t *err);
void scala_recall (ama_attempt_t *attempt, const char *bytes, size_t size);
void scala_resume (ama_attempt_t *attempt);
void scala_session_back (ama_attempt_t *attempt);
void scala_session_lost (ama_attempt_t *attempt, const char *cause, const char *reason);
/* Frees what is its own. */
void scala_leave (work_t *work);

#endif
