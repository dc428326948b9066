/* ama_link.h - an actor's one socket: a DEALER to a hub, and the dialogue of joining it (internal to actors/runtime) */
#ifndef AMA_RUNTIME_LINK_H
#define AMA_RUNTIME_LINK_H

#include "actors/runtime/ama_ctx.h"
#include "actors/runtime/ama_node.h"

typedef struct ama_link ama_link_t;

/* A port of actors: ama_ctx_new (def, name, loop, &ama_link_port, link). */
extern const ama_port_ops_t ama_link_port;

/* zmq is borrowed; endpoint is copied. curve: NULL unless the endpoint is tcp. */
ama_link_t *ama_link_new (void *zmq, const char *endpoint, const ama_node_curve_t *curve, ama_loop_t *loop,
                          ama_err_t *err);

/* ctx: the actor served. For an inproc hub: waits until it said welcome (AMA_E_EXISTS, AMA_E_ROLE: it said no). For another process'
 * hub: returns at once, and goes on trying for as long as the link exists. */
int ama_link_join (ama_link_t *link, ama_ctx_t *ctx, ama_err_t *err);

/* Says bye, waits up to a second until what was sent is on its way, closes. Before ama_ctx_destroy. */
void ama_link_close (ama_link_t *link);
void ama_link_destroy (ama_link_t **link);

#endif
