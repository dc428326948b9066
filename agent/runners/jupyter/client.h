/* client.h - a client of one Jupyter connection: requests and their answers, statements
 *
 * Sockets over ipc, or over loopback: shell, control, heartbeat. What our own kernels say comes over a journal (journal.h), which misses nothing. For others there
 * are iopub and stdin, too; standard input is offered to nobody, but a kernel may ask for it. On the actor's thread.
 */
#ifndef AMA_AGENT_JUPYTER_CLIENT_H
#define AMA_AGENT_JUPYTER_CLIENT_H

#include "agent/runners/jupyter/wire.h"

typedef struct ama_jupyter ama_jupyter_t;

typedef struct {
    ama_jupyter_place_t place; /* prefix: copied */
    const char *key;           /* copied */
    /* What the kernel says on iopub and stdin, and its replies to statements; borrowed. The client may not be destroyed inside. NULL: it has a journal. Messages that
     * are not about a request of this client (ama_jupyter_is_ours) come, too. */
    void (*on_said) (const ama_jupyter_message_t *message, void *arg);
    /* The kernel has not echoed for a minute although it did before. Told once. May be NULL. */
    void (*on_silent) (void *arg);
    void *arg;
} ama_jupyter_conf_t;

/* Connects; the kernel need not be there yet. NULL and err: AMA_E_INVALID (a path too long for a socket). */
ama_jupyter_t *ama_jupyter_new (ama_ctx_t *ctx, const ama_jupyter_conf_t *conf, ama_err_t *err);
/* No callback comes any more. */
void ama_jupyter_destroy (ama_jupyter_t **client);

/* content: the answer's, borrowed; or NULL and err (AMA_E_TIMEOUT). Called once. */
typedef void (ama_jupyter_fn) (const json_t *content, const ama_err_t *err, void *arg);

/* A request on the control socket. content: stolen, NULL for an empty one. timeout_ms 0: none. fn may be NULL. */
void ama_jupyter_control (ama_jupyter_t *client, const char *type, json_t *content, int64_t timeout_ms,
                          ama_jupyter_fn *fn, void *arg);

/* Likewise on the shell socket: what a kernel knows about itself. */
void ama_jupyter_ask_info (ama_jupyter_t *client, ama_jupyter_fn *fn, void *arg);

/* It was caused by a request of this client. */
bool ama_jupyter_is_ours (const ama_jupyter_t *client, const ama_jupyter_message_t *message);
/* What it asks on stdin would arrive. */
bool ama_jupyter_can_be_asked (ama_jupyter_t *client);
/* It may have said more on iopub than came, since this was last asked. */
bool ama_jupyter_has_lagged (ama_jupyter_t *client);
/* When it last echoed, as ama_now_ms; 0: never. */
int64_t ama_jupyter_echoed_ms (const ama_jupyter_t *client);

/* No callback comes any more with this argument. */
void ama_jupyter_forget (ama_jupyter_t *client, const void *arg);

/* Runs code; one at a time. What it says, and its reply, come over the connection's journal or to on_said, by this id. metadata: stolen, may be NULL. */
void ama_jupyter_execute (ama_jupyter_t *client, const char *id, const char *code, json_t *metadata);

#endif
