/* ama_link_inside.h - the state of a link, and how it speaks (between ama_link.c and ama_link_say.c) */
#ifndef AMA_RUNTIME_LINK_INSIDE_H
#define AMA_RUNTIME_LINK_INSIDE_H

#include "actors/runtime/ama_link.h"
#include "actors/runtime/ama_loop.h"
#include "actors/runtime/ama_wire.h"

typedef enum { LINK_AWAY, LINK_GREETING, LINK_UP } link_state_t;

struct ama_link {
    void *zmq, *socket;
    char *endpoint;
    bool remote, far; /* far: over tcp */
    ama_loop_t *loop;
    ama_ctx_t *ctx;
    ama_source_t *source;
    link_state_t state;
    bool holding;               /* no welcome yet, and it may still come in time */
    ama_id_t incarnation;       /* of this joining; a hello that is repeated has the same */
    uint64_t hello_id, ping_id; /* envelope ids: whether an answer is to us or to the actor */
    uint64_t said, heard;       /* seq of the last message to the hub, and of the hub's last to us */
    int64_t heard_ms, hold_until_ms;
    ama_timer_t tick;
    int hub_pidfd; /* of the hub's process, or -1 */
    ama_watch_t *hub_watch;
    bool hub_ended;
    ama_backlog_t backlog;
    bool bundles;        /* the hub reads them */
    ama_bundle_t bundle; /* numbered, not sent yet */
    ama_packet_t *in;    /* the frames of what is being handled; they lie in burst */
    ama_packet_t out;
    ama_burst_t burst;
};

/* The port's: puts the message into the bundle, the socket or the backlog. */
int ama_link_send (void *port, const ama_envelope_t *envelope, ama_str_t *body);
/* What handlers said to the hub goes out together, after each of them. arg: the link. */
void ama_link_flush_bundle (void *arg);
/* What waits, as far as there is a way out. */
void ama_link_flush (ama_link_t *link);
/* To the hub itself, past the backlog; body NULL: an empty one. False: there is no way out now. */
bool ama_link_say (ama_link_t *link, uint16_t type, uint32_t flags, uint64_t corr, const void *body);

#endif
