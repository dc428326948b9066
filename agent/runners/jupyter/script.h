/* script.h - a file run by a kernel, statement by statement, as an attempt: what the runners over kernels have in common
 *
 * The kernel has split the file; its statements are sent one after the other, and what is said of each becomes events. A syntax error anywhere ends the
 * attempt before its first statement; the first statement that fails ends it. Between two statements a cancel just ends it. How the kernel is
 * reached, and what is to be done before the attempt ends, is its host's. On the agent's thread.
 */
#ifndef AMA_AGENT_JUPYTER_SCRIPT_H
#define AMA_AGENT_JUPYTER_SCRIPT_H

#include "agent/attempt.h"
#include "agent/runners/jupyter/client.h"

typedef struct ama_script ama_script_t;

typedef struct {
    const char *lost; /* the cause of an end by its kernel's fault */
    /* The statement under way, by ama_script_execute, if that can be now; else the host does it later. */
    void (*send) (ama_script_t *script);
    /* All that its statements need is there. */
    bool (*ready) (const ama_script_t *script);
    /* The statement under way has ended, however: a cancel of it has nothing to do any more. */
    void (*calm) (ama_script_t *script);
    /* The outcome is known: when all is closed, ama_script_end. May be called again. */
    void (*settle) (ama_script_t *script);
} ama_script_host_t;

typedef enum { AMA_SCRIPT_OPENING, AMA_SCRIPT_RUNNING, AMA_SCRIPT_CLOSING } ama_script_step_t;

/* Part of a runner's work, and the first of it. Fields are read by hosts, and written by script.c. */
struct ama_script {
    ama_attempt_t *attempt;
    const ama_script_host_t *host;
    ama_script_step_t step;
    char *source;
    json_t *exports;    /* statements that store what is exported, when those of the file have ended; NULL: none */
    json_t *statements; /* NULL: not split yet */
    size_t next;        /* of them: the one under way, if there is one */
    bool executing;
    int64_t begun_ms;
    char *value; /* of the statement under way */
    /* the outcome, in the last step */
    ama_attempt_state_t state;
    int64_t exit;
    char *cause, *error, *message, *file;
    uint32_t line;
};

#define AMA_SCRIPT_MAX 4194304 /* bytes of a file of statements */
/* The file of the attempt, of at most max bytes. 0, or as ama_read_beneath, or AMA_E_SYNTAX: it is no text. */
int ama_script_load (ama_script_t *script, ama_attempt_t *attempt, const ama_script_host_t *host, size_t max,
                     ama_err_t *err);
void ama_script_done (ama_script_t *script);

/* What the action exports is stored below the environment's workingDir, if there is one: before ama_script_split. function: what a kernel is told that does not know of
 * exports, with name and format as its arguments; NULL: it finds them in the metadata (spark/README.md). */
void ama_script_export (ama_script_t *script, const ama_attempt_start_t *start, const char *function);

/* The answer to ama_split_request (spark/README.md). One that did not come is {"status": "error", "ename": "kernel", …}. */
void ama_script_split (ama_script_t *script, const json_t *content);
/* Something that statements need has come. */
void ama_script_go_on (ama_script_t *script);
/* A message of the kernel. An ama_journal_fn; arg is the script. */
void ama_script_said (const ama_jupyter_message_t *message, void *arg);
/* Sends the statement under way, if there is one, and before it code that is no part of it. It may be sent again: the kernel knows it by its serial. */
void ama_script_execute (const ama_script_t *script, ama_jupyter_t *client, const char *before);

/* The file of one of its statements, for events. */
const char *ama_script_file (const ama_script_t *script, const json_t *statement);

/* The outcome; the first one counts. */
void ama_script_finish (ama_script_t *script, const ama_outcome_t *outcome);
/* A request was not answered, or not well. */
void ama_script_trouble (ama_script_t *script, const json_t *content);
/* The end of the statement under way, if there is one, and the outcome: for this reason, and not by what the kernel said. */
void ama_script_fail (ama_script_t *script, const ama_outcome_t *outcome);
/* It has succeeded but for this. */
void ama_script_spoil (ama_script_t *script, const char *error, const char *message);
/* Tells the outcome; the attempt may be gone when this returns. */
void ama_script_end (ama_script_t *script);

/* An answer that says ok. */
bool ama_script_is_ok (const json_t *content);
void ama_script_set_text (char **to, const char *text);

#endif
