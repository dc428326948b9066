/* kernel_work.h - the inside of the runner of kernels, shared by kernel_runner.c, kernel_process.c, kernel_replay.c, kernel_scope.c, kernel_stock.c and what is behind that, and by
 * nobody else */
#ifndef AMA_AGENT_JUPYTER_KERNEL_WORK_H
#define AMA_AGENT_JUPYTER_KERNEL_WORK_H

#include "agent/confine.h"
#include "agent/install.h"
#include "agent/runners/jupyter/journal.h"
#include "agent/runners/jupyter/kernel_runner.h"
#include "agent/runners/jupyter/notebook.h"
#include "agent/runners/jupyter/requests.h"
#include "agent/runners/jupyter/script.h"
#include "agent/session.h"

/* What the kernel, or its session, is asked (requests.h). */
enum {
    KERNEL_SPLIT = 's',
    KERNEL_ATTACH = 'a',
    KERNEL_HAND_OVER = 'h',
    KERNEL_JARS = 'j',
    KERNEL_OPEN = 'o',
    KERNEL_CLOSE = 'c',
};

typedef struct kernel_work {
    ama_script_t script; /* the first: a script is its work */
    const ama_kernel_kind_t *kind;
    ama_timer_t *soon; /* all is closed */
    bool over;
    bool waits; /* it was started ahead, and is not let go yet (agent/ahead.h) */
    /* the process */
    ama_install_t *install;
    char *packages; /* what the installation is told of them */
    char *hint;     /* what it may load before it has its order */
    ama_env_t env;  /* until it runs, as the next two */
    char *order;
    ama_confine_t *confine;
    char *sockets, *prefix;
    ama_jupyter_place_t place; /* prefix borrowed from the above */
    char key[33];
    ama_journal_t *journal;
    ama_jupyter_t *client; /* NULL: not bound yet, or gone, or its tape is being played */
    bool bound;            /* its sockets are there */
    bool secret;           /* another agent goes on with it, and does not know what is secret in its environment */
    ama_requests_t requests;
    bool running, draining; /* draining: it has ended, and what it said is still on its way */
    ama_timer_t *drain;
    ama_child_end_t how;
    ama_timer_t *timer; /* of what is to happen soon: its beginning, or its end */
    enum { NOTHING_ASKED, INTERRUPTED, HANDING_OVER, SHUTTING_DOWN, KILLED } asked;
    /* its place in a session: kernel_scope.c */
    struct kernel_scope *scope; /* NULL: it has none */
    /* what a kernel lacks that knows nothing of the agent: kernel_stock.c */
    struct kernel_stock *stock; /* NULL: it is one of ours */
} kernel_work_t;

/* ---- kernel_runner.c ---- */

/* The kernel answers: what it is to be asked first. */
void kernel_bound (kernel_work_t *work);
/* All that needs neither a process nor a session. */
int kernel_load (ama_attempt_t *attempt, ama_err_t *err);
void kernel_take_exports (kernel_work_t *work, const ama_attempt_start_t *start);
/* The answer to a request (requests.h); owner is the work. */
void kernel_answered (void *owner, char kind, const json_t *content);
/* It has told all: it is asked to end. */
void kernel_shut_down (kernel_work_t *work);
/* The process has ended. */
void kernel_ended (kernel_work_t *work, const ama_child_end_t *how, int trouble, bool lease_over);
/* It could not be started. Of one that waits nobody is told: its own time will tell why. */
void kernel_failed (kernel_work_t *work, const char *error, const char *message);

/* It has put aside what it leaves, or did not; err: there was no answer. */
void kernel_handed_over (kernel_work_t *work, const json_t *reply, const ama_err_t *err);
/* All is closed but the process's place in its session: settle, or go on. */
void kernel_settle (kernel_work_t *work);

/* ---- kernel_replay.c ---- */

/* Before anything is asked. */
void kernel_requests_init (kernel_work_t *work);
/* Its process has begun, of which the tape now knows; it is killed by the agent; its session is lost. */
void kernel_note_begun (kernel_work_t *work);
void kernel_note_killed (kernel_work_t *work);
void kernel_note_lost (kernel_work_t *work, const char *cause, const char *reason);
int kernel_restore (ama_attempt_t *attempt, const ama_attempt_start_t *message, const char *token,
                    ama_ward_port_t *ret_port, ama_err_t *err);
void kernel_recall (ama_attempt_t *attempt, const char *bytes, size_t size);
void kernel_resume (ama_attempt_t *attempt);

/* ---- kernel_scope.c: nothing happens to a work without a scope ---- */

/* Takes a place in the attempt's session. 0 or AMA_E_UNREACHABLE. */
int kernel_scope_join (kernel_work_t *work, const ama_attempt_start_t *start, ama_err_t *err);
/* The session's Spark; "" without one. */
const char *kernel_scope_spark_home (const kernel_work_t *work);
/* What the session's JVM and the kernel pass one another by files. */
void kernel_scope_confine (kernel_work_t *work);
/* Likewise for another agent, which finds the session when the tape has been played. */
void kernel_scope_expect (kernel_work_t *work, const ama_attempt_start_t *start);
void kernel_scope_resume (kernel_work_t *work);
/* What comes next is asked for, if it can be now. */
void kernel_scope_ask (kernel_work_t *work);
/* NULL: the session is not there, or not yet. */
ama_jupyter_t *kernel_scope_control (const kernel_work_t *work);
/* What is said with a request of the scope's; owned. */
json_t *kernel_scope_content (const kernel_work_t *work, char kind);
/* What the session has answered before there was a tape. */
void kernel_scope_note (kernel_work_t *work);
void kernel_scope_answered (kernel_work_t *work, char kind, const json_t *content);
void kernel_scope_lose (kernel_work_t *work, const char *cause, const char *reason);
/* The kernel is attached, or needs not be. */
bool kernel_scope_is_ready (const kernel_work_t *work);
/* An installed kernel was told to attach itself. */
void kernel_scope_attached (kernel_work_t *work, const json_t *reply);
/* Ends the jobs of the statement under way, for a kernel that does not do so itself. */
void kernel_scope_cancel (kernel_work_t *work);
/* It has values that may be handed over. */
bool kernel_scope_has_values (const kernel_work_t *work);
/* True: it is being closed, and kernel_settle follows. */
bool kernel_scope_close (kernel_work_t *work);
void kernel_scope_back (ama_attempt_t *attempt);
void kernel_scope_lost (ama_attempt_t *attempt, const char *cause, const char *reason);
void kernel_scope_done (kernel_work_t *work);

/* ---- kernel_packages.c ---- */

/* The runner's folder whose install.sh is to be asked first: of our own kernels, of Python's, and of others that have packages of R. NULL: none. */
const char *kernel_installs (const kernel_work_t *work, const ama_attempt_start_t *start);
/* What that is told of the action's packages, as a line of JSON; owned. */
char *kernel_packages (const kernel_work_t *work, const char *folder, const ama_attempt_start_t *start);

/* ---- kernel_stock.c, kernel_find.c, kernel_attach.c, kernel_notebook.c: kernels that are installed, and know nothing of the agent ---- */

/* What the plan says of it. 0, or AMA_E_INVALID. */
int kernel_stock_join (kernel_work_t *work, const ama_attempt_start_t *start, ama_err_t *err);
/* The environment of the Python runner is to be made first: its kernel is there. */
bool kernel_stock_needs_python (const kernel_work_t *work);
/* Ports, if it can not do ipc. */
void kernel_stock_place (kernel_work_t *work);
/* Its kernelspec; python: folders of the environment's programs. Writes the connection file, sets the environment, opens what the kernel is made of. *ret_exec: its command, owned.
 * 0, AMA_E_NOT_FOUND, AMA_E_IO or as of kernelspec.h. */
int kernel_stock_prepare (kernel_work_t *work, char *const *python, char ***ret_exec, ama_err_t *err);
/* It has been started: asks until it answers, and is heard; then kernel_bound. */
void kernel_stock_begin (kernel_work_t *work);
/* What its process writes, channel 1 or 2. */
void kernel_stock_wrote (kernel_work_t *work, int channel, const char *bytes, size_t size);
/* It has died: what it wrote before it answered says why. */
void kernel_stock_confess (kernel_work_t *work);
/* Cuts the file; what comes before its first statement is done. */
void kernel_stock_open (kernel_work_t *work);
bool kernel_stock_is_ready (const kernel_work_t *work);
/* Says code of ours to it, as the request with this id; no other may be under way. */
void kernel_stock_say (kernel_work_t *work, const char *id, const char *code);
/* It answers no request of ours: what they are for is said to it as code, by the three below. */
bool kernel_stock_is_told (const kernel_work_t *work);
/* Nothing is in the way of kernel_stock_attach. */
bool kernel_stock_can_attach (const kernel_work_t *work);
/* Attaches it to the session by what that has answered; kernel_scope_attached follows. 0, or as of open_beneath.h and folder.h. */
int kernel_stock_attach (kernel_work_t *work, const json_t *given, ama_err_t *err);
/* The function of ours there that stores an export. */
const char *kernel_stock_store (void);
/* What it leaves is put aside in the session; kernel_handed_over follows. */
void kernel_stock_hand_over (kernel_work_t *work);
/* The statement under way. */
void kernel_stock_send (kernel_work_t *work);
/* An ama_jupyter_conf_t.on_said. */
void kernel_stock_said (const ama_jupyter_message_t *message, void *arg);
/* It has not echoed for a minute. True: it must be dead, for it did so while it was working. */
bool kernel_stock_is_silent (const kernel_work_t *work);
void kernel_stock_interrupt (kernel_work_t *work);
/* A name of it for people. */
const char *kernel_stock_name (const kernel_work_t *work);
/* Nothing more comes: the notebook, if it is one, is written and told. */
void kernel_stock_end (kernel_work_t *work);
void kernel_stock_done (kernel_work_t *work);

/* ---- kernel_process.c ---- */

/* Begins with what the kernel needs; kernel_bound or kernel_failed follows. order: what it finds on its standard input, but for its connection; stolen. */
int kernel_start (kernel_work_t *work, const ama_attempt_start_t *start, json_t *order, ama_err_t *err);
/* It has a minute to say that its sockets are there. */
void kernel_await (kernel_work_t *work);
/* What comes out of it, for its ward. */
ama_ward_port_t kernel_port (kernel_work_t *work);
/* Where its sockets are, in work->sockets, and the key of its messages; NULL: a new one. */
void kernel_take_place (kernel_work_t *work, const char *key);
/* To one that is bound, unless its tape is being played. */
void kernel_connect (kernel_work_t *work);
/* One that waits gets its order. */
void kernel_let_go (kernel_work_t *work);
void kernel_kill (kernel_work_t *work);
void kernel_done (kernel_work_t *work);

#endif
