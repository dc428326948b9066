/* client.h - one command as an actor: joins amad's hub (or the one in this process), asks, follows, ends with an exit code
 *
 * main makes the configuration and runs ama_client_def with ama_node_run_here; the commands are the cmd_*.c files.
 */
#ifndef AMA_CLIENT_CLIENT_H
#define AMA_CLIENT_CLIENT_H

#include "actors/base/ama_str.h"
#include "actors/runtime/ama_actor.h"
#include "actors/runtime/ama_node.h"
#include "actors/runtime/ama_worker.h"
#include "client/follow.h"
#include "client/options.h"
#include "client/render/render.h"
#include "messages/run.h"

typedef struct ama_client ama_client_t;
struct ama_clean;
struct ama_sweep;

typedef struct {
    const ama_args_t *args;
    void (*start) (ama_client_t *client); /* called once the hub was joined */
    ama_render_conf_t render;
    bool json;                     /* -o json */
    bool in_process;               /* the actors run in this process: the run is ours, and ends with us */
    const char *endpoint;          /* of amad, for messages; NULL in process */
    const ama_node_curve_t *curve; /* for an endpoint of tcp */
    const char *repo;              /* submit and run: URL or absolute path */
    bool worktree;                 /* run the folder as it lies there */
    const char *selector;          /* show, attach, cancel: the run that is meant */
    uint32_t limit;                /* list: at most so many */
    uint64_t from;                 /* attach: first event */
    const char *local_state;       /* runs of `ama run` below this state folder count too; NULL: not */
    bool has_known_run;            /* known_run is what the selector names among those; for attach_known: the run */
    ama_id_t known_run;
    struct ama_clean *clean; /* clean: what is wanted, and becomes of it */
    struct ama_sweep *sweep; /* run: what earlier ones have left; NULL: nothing is to be done about it */
    const char *shown_file;  /* run.shown is kept here, at the start and at the end; NULL: nowhere */
    int64_t patience_ms;     /* how long an amad that went away is waited for */
    /* The run was accepted, or resolved from a selector. May be NULL. */
    void (*on_run) (ama_id_t run, void *arg);
    void *arg;
    ama_client_t *client; /* out: for ama_client_signal; NULL before and after its life */
} ama_client_conf_t;

/* Config: ama_client_conf_t *. */
extern const ama_actor_def_t ama_client_def;

/* For ama_node_conf_t.on_signal; arg: the ama_client_conf_t. Runs on the actor's thread. */
void ama_client_signal (ama_node_t *node, int signal, void *conf);

struct ama_client {
    ama_ctx_t *ctx;
    ama_client_conf_t *conf;
    ama_timer_t *deadline; /* for joining; later for keeping run.shown */
    ama_timer_t *again;    /* submit, made when needed */
    bool joined, ending;
    ama_id_t run;
    bool has_run, cancels; /* Ctrl-C cancels the run */
    unsigned signals;
    int first_signal;
    bool has_code; /* the run has ended */
    int code;
    ama_follow_t *follow;
    void (*on_found) (ama_client_t *client, const ama_run_shown_t *shown);
    ama_str_t token;       /* submit */
    ama_worker_t *sweeper; /* run */
    ama_timer_t *sweep_next;
    bool swept; /* there is nothing more to do */
    int64_t submit_until_ms;
};

/* ---- for the commands ---- */

#define AMA_CLIENT_ASK_MS 30000
/* Exit code for main's eyes only: the run that is meant is conf->known_run, which amad does not know. */
#define AMA_CLIENT_GO_LOCAL 1000

void ama_client_exit (ama_client_t *client, int code);
/* Says why on stderr and exits with the code of the error. */
void ama_client_fail (ama_client_t *client, const ama_err_t *err);
/* Writes to stdout, whole; then the command is done. */
void ama_client_print (ama_client_t *client, const ama_str_t *text);
void ama_client_say (ama_client_t *client, const char *format, ...) __attribute__ ((format (printf, 2, 3)));
/* Follows client->run to its end and exits as it did. */
void ama_client_follow (ama_client_t *client, uint64_t from);
/* Sends the wish to cancel client->run. */
void ama_client_cancel (ama_client_t *client, bool force);
/* Asks the supervisor for the run of conf->selector. Answers where a run of `ama run` is meant do not come: the command ends with
 * AMA_CLIENT_GO_LOCAL. So fn gets a run or has nothing more to do than ama_client_fail. */
void ama_client_find (ama_client_t *client, bool brief,
                      void (*fn) (ama_client_t *client, const ama_run_shown_t *shown));

void ama_cmd_submit (ama_client_t *client); /* and run */
void ama_cmd_attach (ama_client_t *client);
void ama_cmd_attach_known (ama_client_t *client); /* conf->known_run, without asking a supervisor */
void ama_cmd_list (ama_client_t *client);
void ama_cmd_show (ama_client_t *client);
void ama_cmd_cancel (ama_client_t *client);
void ama_cmd_clean (ama_client_t *client);

#endif
