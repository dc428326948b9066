/* ama_sim_in.h - what the parts of the simulator share (internal to ama_sim*.c) */
#ifndef AMA_RUNTIME_SIM_IN_H
#define AMA_RUNTIME_SIM_IN_H

#include "actors/runtime/ama_ctx.h"
#include "actors/runtime/ama_sim.h"

#define SIM_FIRST_WALL_MS 1767225600000 /* a fixed day */
#define SIM_EPOCH         1

typedef struct sim_actor {
    struct sim_actor *prev, *next; /* in the order of their first start */
    ama_sim_t *sim;
    uint32_t number;
    char name[AMA_NAME_MAX];
    ama_loop_t *loop;
    ama_ctx_t *ctx;       /* NULL: not alive */
    uint32_t incarnation; /* counts starts */
    bool member;          /* the hub still believes in it */
    int64_t
        *last_ms; /* by number of the sender + 1 (0: the hub): when its last message arrives; order is kept per pair */
    uint32_t n_last;
    uint32_t off; /* it is cut off: for which time; 0: it is not */
    bool severed; /* while it is: one of the two sides has found out */
    bool parted;  /* it has, or has started since: nothing is sent */
} sim_actor_t;

typedef enum {
    SIM_DELIVER,
    SIM_JOIN,
    SIM_NOTICE,     /* the hub finds out that an actor is dead */
    SIM_NOTICE_HUB, /* … that it is cut off */
    SIM_NOTICE_OWN, /* the actor finds out */
} sim_kind_t;

typedef struct sim_event {
    struct sim_event *prev, *next; /* of those that wait for a connection */
    sim_kind_t kind;
    int64_t at_ms;
    uint64_t order;
    sim_actor_t *src, *dst; /* src NULL: the hub */
    uint32_t dst_incarnation;
    uint32_t off; /* of a notice */
    bool dropped; /* it was in the buffers of a process that crashed, or of a connection that is gone */
    ama_str_t envelope, body;
} sim_event_t;

struct ama_sim {
    ama_clock_t clock; /* first: the clock's functions find us by it */
    ama_sim_conf_t conf;
    int64_t now_ms;
    uint64_t random;
    sim_actor_t *actors;
    uint32_t n_actors;
    sim_event_t **heap;
    size_t n_events, room;
    sim_event_t *held; /* what can not arrive while somebody is cut off */
    uint32_t n_off;    /* times that somebody was */
    uint64_t order, delivered;
    uint64_t hub_id;
};

sim_actor_t *sim_find (ama_sim_t *sim, const char *name); /* NULL: there was none of that name */
void sim_push (ama_sim_t *sim, sim_event_t *event, int64_t at_ms);
/* A message goes to its receiver from now on, behind the earlier ones of that pair. */
void sim_send_event (ama_sim_t *sim, sim_event_t *event);
void sim_free_event (sim_event_t *event);
void sim_trace_actor (ama_sim_t *sim, const char *what, const sim_actor_t *actor);
void sim_tell_gone (ama_sim_t *sim, sim_actor_t *gone);
void sim_join (ama_sim_t *sim, sim_actor_t *actor);

/* True if the message has to wait: its sender or receiver is cut off. Takes it then. */
bool sim_holds (ama_sim_t *sim, sim_event_t *event);
void sim_notice_cut (ama_sim_t *sim, sim_event_t *notice);
/* What the actor has said after `since` and nobody has heard, was never said. */
void sim_drop_held (ama_sim_t *sim, const sim_actor_t *src, uint64_t since);

#endif
