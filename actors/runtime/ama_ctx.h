/* ama_ctx.h - the inside of an actor's context, and what carries its messages (internal to actors/runtime)
 *
 * ama_actor.c, ama_ask.c and ama_stream.c do the dialogues; they know the outside only as a port: a link to a hub, or the
 * simulator. The port calls the functions below with what comes in, from the loop, never from inside `send`.
 */
#ifndef AMA_RUNTIME_CTX_H
#define AMA_RUNTIME_CTX_H

#include "actors/runtime/ama_loop.h"

typedef struct ama_child ama_child_t;

typedef struct {
    /* Takes the bytes of body or copies them; src, role, id and epoch are filled in. 0, or AMA_E_BUSY, AMA_E_UNREACHABLE. */
    int (*send) (void *port, const ama_envelope_t *envelope, ama_str_t *body);
    ama_id_t (*new_id) (void *port);
    /* The process' ZeroMQ context, NULL in the simulator. */
    void *(*zmq) (void *port);
    /* What a child would do with its input; the simulator only. */
    int (*program) (void *port, ama_child_t *child, const void *input, size_t size);
    /* How long a worker's next job takes; the simulator only. */
    int64_t (*work_ms) (void *port);
} ama_port_ops_t;

typedef struct ama_asked ama_asked_t;

/* The open asks by their number, see ama_ask.c. */
typedef struct {
    ama_asked_t **lists;
    size_t room, count; /* room: a power of two */
    ama_timer_t timer;  /* of the earliest deadline, or of one that was */
} ama_asks_t;

struct ama_ctx {
    const ama_actor_def_t *def;
    void *state;
    char name[AMA_NAME_MAX];
    uint32_t role;
    uint64_t epoch, last_id;
    ama_loop_t *loop;
    const ama_port_ops_t *ops;
    void *port;
    ama_str_t out; /* body being sent */
    void *in;      /* body being handled, decoded */
    size_t in_room;
    ama_asks_t asks;
    ama_stream_t *streams; /* list */
    size_t n_streams;
    ama_child_t *children; /* list */
    int64_t clocks_ms;     /* by so much the clocks of those who ask may differ from ours */
    bool up;               /* between joined and parted */
    bool stopping, exiting;
    bool killed; /* by the simulator, as kill -9 does it */
    int exit_code;
    char exit_text[AMA_ERR_TEXT_MAX];
};

/* The state is zeroed; init is not called yet. Borrows def, loop and port. */
ama_ctx_t *ama_ctx_new (const ama_actor_def_t *def, const char *name, ama_loop_t *loop, const ama_port_ops_t *ops,
                        void *port);
/* Calls done; children left behind are killed. */
void ama_ctx_destroy (ama_ctx_t **ctx);
/* The stop callback, or the end at once if there is none. Only the first call counts. */
void ama_ctx_stop (ama_ctx_t *ctx);

/* ---- from the port ---- */

void ama_ctx_deliver (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, size_t size);
void ama_ctx_joined (ama_ctx_t *ctx, uint64_t epoch);
void ama_ctx_parted (ama_ctx_t *ctx);

/* ---- between ama_actor.c, ama_ask.c and ama_stream.c ---- */

/* Fills in src, role, id (unless set) and epoch, encodes and sends. body NULL: an empty one. */
int ama_ctx_send (ama_ctx_t *ctx, ama_envelope_t *envelope, const void *body);
/* As ama_ctx_send; *ret_size is the size of the encoded body. */
int ama_ctx_send_sized (ama_ctx_t *ctx, ama_envelope_t *envelope, const void *body, size_t *ret_size);
void ama_envelope_to (ama_envelope_t *envelope, const char *dst, uint16_t type, uint32_t flags);
/* The body decoded into ctx->in, to be freed with info->done; NULL and err if it is no such message. */
void *ama_ctx_decode (ama_ctx_t *ctx, const ama_message_info_t *info, const void *body, size_t size, ama_err_t *err);

/* Between hosts; allowed for at both ends. */
#define AMA_CLOCKS_MS 5000

/* A reader grants again when it has handled so much, or a quarter of its window if that is less. */
#define AMA_GRANT_BYTES (32 << 10)

/* All streams of an actor together may have about so much under way, whatever windows their readers have; but each the smaller figure, which is more
 * than a reader may keep for itself. */
#define AMA_STREAMS_BYTES (32 << 20)
#define AMA_STREAM_SHARE  (2 * AMA_GRANT_BYTES)

/* What one part of a stream costs of its window: its bytes, and something for being a message at all. */
#define AMA_PART_COST 128

void ama_asks_on_reply (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, size_t size);
/* Fails the asks to dst (NULL: all), now. */
void ama_asks_fail (ama_ctx_t *ctx, const char *dst, int code, const char *text);
void ama_asks_init (ama_ctx_t *ctx);
void ama_asks_done (ama_ctx_t *ctx);
void ama_streams_on_credit (ama_ctx_t *ctx, const ama_envelope_t *envelope, uint64_t bytes);
void ama_streams_on_cancel (ama_ctx_t *ctx, const ama_envelope_t *envelope);
/* Closes the streams read by name (NULL: all), now. */
void ama_streams_close (ama_ctx_t *ctx, const char *name);
void ama_streams_done (ama_ctx_t *ctx);
void ama_children_done (ama_ctx_t *ctx);

#endif
