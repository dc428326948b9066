/* ama_node.h - one process: a hub of its own or a link to another's, and the actors it hosts
 *
 * main() makes a node, starts actors, and runs it. A node with `listen` (or without `connect`) has a hub: one ROUTER socket bound to
 * inproc and to the endpoints given. A node with `connect` has none: its actors connect to that endpoint.
 */
#ifndef AMA_RUNTIME_NODE_H
#define AMA_RUNTIME_NODE_H

#include "actors/runtime/ama_actor.h"
#include "actors/runtime/ama_notify.h"
#include "actors/runtime/ama_tree.h"

typedef struct ama_node ama_node_t;

/* Keys for tcp, as Z85. Borrowed for the node's life. */
typedef struct {
    const char *public_key, *secret_key; /* our own */
    const char *server_key;              /* to connect: whom we expect there */
    const char *allowed_file;            /* to listen: who may join (ama_keys.h) */
} ama_node_curve_t;

typedef struct {
    const char *const *listen;     /* NULL-terminated ipc:// and tcp:// endpoints, or NULL: inproc only */
    const char *connect;           /* endpoint of another process' hub, or NULL */
    const ama_node_curve_t *curve; /* NULL if neither is tcp */
    const char *const *placed; /* NULL-terminated names of actors that join from other processes, over ipc; or NULL */
    uint64_t epoch;            /* told to everybody in control.welcome */
    bool handle_signals;       /* SIGINT and SIGTERM stop the node (or go to on_signal) through a signalfd */
    void (*on_signal) (ama_node_t *node, int signal, void *arg);
    void *arg;
    ama_notify_t *notify; /* borrowed, or NULL: hears READY, STOPPING, and WATCHDOG for as long as all loops turn */
    int64_t hung_ms;      /* an actor whose loop has not turned for so long hangs; 0: 10 s */
} ama_node_conf_t;

/* Block all signals before any thread: first call of main(). Also sets up sodium and the ZeroMQ libraries. */
void ama_node_prepare (void);

/* No process of this user's may look into this one from now on, and it leaves no core. Not in builds with a sanitizer, whose leak check does look. */
void ama_node_hide (void);

/* AMA_E_EXISTS: a live process listens on that ipc path already. AMA_E_AUTH: the list of allowed keys can not be read. The folder of an ipc path must be 0700 and our own. */
ama_node_t *ama_node_new (const ama_node_conf_t *conf, ama_err_t *err);

/* An actor, and what follows its end. */
typedef struct {
    const ama_actor_def_t *def;
    const char *name;   /* NULL: def->name */
    const void *config; /* borrowed until ama_node_destroy if it may be started again: each start gets it, unchanged */
    ama_restart_t restart;
    int64_t shutdown_ms; /* it may take so long to stop; 0: what ama_node_destroy says */
} ama_node_spec_t;

/* As ama_node_start; afterwards ama_node_wait and ama_node_run_here look after it as ama_tree.h says. */
int ama_node_supervise (ama_node_t *node, const ama_node_spec_t *spec, ama_err_t *err);

/* Essential (ama_tree.h). Runs def on a thread of its own; returns after its init (0, or init's error). name: NULL for def->name. config is borrowed
 * for the call. */
int ama_node_start (ama_node_t *node, const ama_actor_def_t *def, const char *name, const void *config, ama_err_t *err);

/* Runs def on the calling thread until it calls ama_exit or is stopped; returns the code given to ama_exit. */
int ama_node_run_here (ama_node_t *node, const ama_actor_def_t *def, const char *name, const void *config,
                       ama_err_t *err);

/* Waits until a signal or ama_node_stop; returns 0, or the code of an actor whose end is the node's (err says why). */
int ama_node_wait (ama_node_t *node, ama_err_t *err);
void ama_node_stop (ama_node_t *node); /* any thread */

/* Stops the actors in reverse order of their start, then the hub; waits grace_ms for each. */
void ama_node_destroy (ama_node_t **node, int64_t grace_ms);

#endif
