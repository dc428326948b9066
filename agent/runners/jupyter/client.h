/* client.h - a client of one Jupyter connection: requests and their answers, statements and all they say
 *
 * Four sockets over ipc: shell, iopub, control, heartbeat (standard input is not offered to kernels). Works with any kernel of the protocol;
 * what ours says beyond it comes as it is. On the actor's thread.
 */
#ifndef AMA_AGENT_JUPYTER_CLIENT_H
#define AMA_AGENT_JUPYTER_CLIENT_H

#include "agent/runners/jupyter/wire.h"

typedef struct ama_jupyter ama_jupyter_t;

typedef struct {
    const char *prefix; /* as of ama_jupyter_connection; copied */
    const char *key;    /* copied */
    /* The kernel has not echoed for a minute although it did before. Told once. May be NULL. */
    void (*on_silent) (void *arg);
    void *arg;
} ama_jupyter_conf_t;

/* Connects; the kernel need not be there yet. NULL and err: AMA_E_INVALID (a path too long for a socket). */
ama_jupyter_t *ama_jupyter_new (ama_ctx_t *ctx, const ama_jupyter_conf_t *conf, ama_err_t *err);
/* No callback comes any more. */
void ama_jupyter_destroy (ama_jupyter_t **client);

/* The shell answers and iopub is heard: nothing that a statement says will be missed. Called once. */
void ama_jupyter_when_ready (ama_jupyter_t *client, void (*fn) (void *arg), void *arg);

/* content: the answer's, borrowed; or NULL and err (AMA_E_TIMEOUT). Called once. */
typedef void (ama_jupyter_fn) (const json_t *content, const ama_err_t *err, void *arg);

/* A request on the control socket. content: stolen, NULL for an empty one. timeout_ms 0: none. fn may be NULL. */
void ama_jupyter_control (ama_jupyter_t *client, const char *type, json_t *content, int64_t timeout_ms,
                          ama_jupyter_fn *fn, void *arg);

/* What a statement says while it runs: type and content of each message on iopub that it caused, but its status. Borrowed. */
typedef void (ama_jupyter_said_fn) (const char *type, const json_t *content, void *arg);

/* Runs code; one at a time. fn: the reply, after everything it has said. metadata: stolen, may be NULL. */
void ama_jupyter_execute (ama_jupyter_t *client, const char *code, json_t *metadata, ama_jupyter_said_fn *said,
                          ama_jupyter_fn *fn, void *arg);

/* Stops reading what statements say: the kernel will block. */
void ama_jupyter_pause (ama_jupyter_t *client, bool pause);

#endif
