/* ama_sock.h - a raw ZeroMQ socket in an actor's loop, for foreign protocols over ZeroMQ (Jupyter kernels)
 *
 * Connects only. Sends never block. Everything on the actor's own thread.
 */
#ifndef AMA_RUNTIME_SOCK_H
#define AMA_RUNTIME_SOCK_H

#include "actors/runtime/ama_actor.h"

typedef struct ama_sock ama_sock_t;

typedef enum { AMA_SOCK_DEALER, AMA_SOCK_SUB, AMA_SOCK_REQ } ama_sock_kind_t;

typedef struct {
    const void *data;
    size_t size;
} ama_frame_t;

typedef struct {
    ama_sock_kind_t kind; /* SUB subscribes to everything; REQ may send again without an answer (relaxed, correlated) */
    const char *endpoint;
    const char *routing_id; /* may be NULL */
    size_t max_frame;       /* bytes; a longer frame closes the connection */
    /* One whole message, at most 64 frames (others are dropped). Borrowed. */
    void (*on_message) (ama_sock_t *sock, const ama_frame_t *frames, size_t n_frames, void *arg);
    void *arg;
} ama_sock_spec_t;

ama_sock_t *ama_sock_new (ama_ctx_t *ctx, const ama_sock_spec_t *spec, ama_err_t *err);
/* AMA_E_BUSY: not connected or full; nothing was sent. */
int ama_sock_send (ama_sock_t *sock, const ama_frame_t *frames, size_t n_frames);
/* A message can be sent, and one that the peer sends to this socket's routing id arrives. */
bool ama_sock_is_connected (ama_sock_t *sock);
/* So many messages came since this was last asked without the queue being empty that it may have been full: then who publishes drops what comes. */
bool ama_sock_was_full (ama_sock_t *sock);
void ama_sock_pause (ama_sock_t *sock, bool pause); /* stops reading: back-pressure */
void ama_sock_destroy (ama_sock_t **sock);

#endif
