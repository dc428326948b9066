/* ama_node_in.h - the inside of a node, for ama_node.c alone: its actors' places, and what is under its mutex */
#ifndef AMA_RUNTIME_NODE_IN_H
#define AMA_RUNTIME_NODE_IN_H

#include "actors/runtime/ama_ctx.h"
#include "actors/runtime/ama_hub.h"
#include "actors/runtime/ama_link.h"
#include "actors/runtime/ama_node.h"
#include "actors/runtime/ama_pulse.h"
#include "actors/runtime/ama_zap.h"

#include <pthread.h>
#include <stdatomic.h>

enum { LISTEN_MAX = 8 };

/* One actor and its thread. */
typedef struct place {
    struct place *next; /* the one started before */
    ama_node_t *node;
    const ama_actor_def_t *def;
    const char *name;   /* borrowed until started */
    const void *config; /* likewise */
    ama_loop_t *loop;
    ama_link_t *link;
    ama_ctx_t *ctx;
    ama_timer_t *beat; /* of the one on the caller's thread; likewise when to feel the pulse */
    int64_t feel_ms;
    pthread_t thread;
    atomic_bool stop;
    bool started, ended; /* under the node's mutex; likewise why */
    ama_err_t why;       /* how it ended, or could not start */
    ama_restart_t restart;
    int64_t shutdown_ms; /* 0: what the node's end allows */
    bool over;           /* its thread is joined; it is started again at restart_ms, unless that is INT64_MAX */
    int64_t restart_ms;
} place_t;

struct ama_node {
    ama_node_conf_t conf;
    char *endpoint; /* of the hub the actors connect to */
    void *zmq;
    ama_hub_t *hub;
    ama_zap_t *zap; /* NULL without tcp */
    ama_hub_door_t door;
    struct {
        char *path;
        int lock;
    } claims[LISTEN_MAX]; /* ipc paths that are ours */
    size_t n_claims;
    int wake, signals; /* eventfd, signalfd or -1 */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    place_t *places;    /* the last started first; the list belongs to the main thread */
    ama_pulse_t *pulse; /* the main thread's, too */
    bool hung;          /* one of them does not turn */
    place_t *here;      /* the one that runs on the caller's thread; under the mutex */
    bool stopping;      /* under the mutex */
    ama_err_t fatal;    /* likewise */
    ama_tree_t tree;
};

#endif
