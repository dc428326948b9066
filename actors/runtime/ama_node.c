/* ama_node.c - a process: its hub, its actors' threads, its signals
 *
 * Called by main() on the main thread; ama_node_stop and the ends of actors come from others. What threads share is in struct ama_node
 * under its mutex; who waits is woken through an eventfd. A thread can not be killed: one that does not end in its time is left behind
 * with its socket, and the ZeroMQ context with it, since the process is about to end.
 */
#include "actors/runtime/ama_node.h"

#include "actors/base/ama_log.h"
#include "actors/runtime/ama_ctx.h"
#include "actors/runtime/ama_hub.h"
#include "actors/runtime/ama_link.h"
#include "actors/runtime/ama_wire.h"
#include "actors/runtime/ama_zap.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

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
    pthread_t thread;
    atomic_bool stop;
    bool started, ended; /* under the node's mutex */
    int start_rc;
    ama_err_t *start_err;
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
    place_t *places; /* the last started first; the list belongs to the main thread */
    place_t *here;   /* the one that runs on the caller's thread; under the mutex */
    bool stopping;   /* under the mutex */
    ama_err_t fatal; /* likewise */
};

/* ---- the process ---- */

void ama_node_prepare (void)
{
    static const int not_blocked[] = { SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGABRT, SIGTRAP, SIGSYS,
                                       SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGPROF };
    sigset_t set;

    (void) sigfillset (&set);
    for (size_t i = 0; i < ARRAY_SIZE (not_blocked); i++)
        (void) sigdelset (&set, not_blocked[i]);
    BUG_ON (pthread_sigmask (SIG_BLOCK, &set, NULL) != 0);
    BUG_ON (sodium_init () < 0);
}

static void wake (ama_node_t *node)
{
    uint64_t one = 1;

    if (write (node->wake, &one, sizeof one) < 0) {
        /* it is awake */
    }
}

/* ---- an actor ---- */

static void on_place_wake (void *arg)
{
    place_t *place = arg;

    if (atomic_load (&place->stop))
        ama_ctx_stop (place->ctx);
}

static int open_place (place_t *place, ama_err_t *err)
{
    ama_node_t *node = place->node;
    int rc;

    place->loop = ama_loop_new (ama_clock_system (), false);
    if (!place->loop)
        return ama_err_set (err, AMA_E_IO, "no loop: %s", strerror (errno));
    place->link = ama_link_new (node->zmq, node->endpoint, node->conf.curve, place->loop, err);
    if (!place->link)
        return AMA_E_IO;
    place->ctx = ama_ctx_new (place->def, place->name, place->loop, &ama_link_port, place->link);
    ama_loop_on_wake (place->loop, on_place_wake, place);
    if ((rc = ama_link_join (place->link, place->ctx, err)) < 0)
        return rc;
    return place->def->init ? place->def->init (place->ctx, place->ctx->state, place->config, err) : 0;
}

static void close_place (place_t *place)
{
    if (place->link)
        ama_link_close (place->link);
    ama_ctx_destroy (&place->ctx);
    ama_link_destroy (&place->link);
}

/* After close_place and the end of the thread: whoever stops a place may use its loop until then. */
static void free_place (place_t *place)
{
    ama_loop_destroy (&place->loop);
    free (place);
}

static void announce_start (place_t *place, int rc)
{
    (void) pthread_mutex_lock (&place->node->mutex);
    place->started = true;
    place->start_rc = rc;
    (void) pthread_cond_broadcast (&place->node->changed);
    (void) pthread_mutex_unlock (&place->node->mutex);
}

static void announce_end (place_t *place, int code, const char *text)
{
    ama_node_t *node = place->node;

    (void) pthread_mutex_lock (&node->mutex);
    place->ended = true;
    if (code < 0 && !node->fatal.code)
        (void) ama_err_set (&node->fatal, code, "%s", text);
    (void) pthread_mutex_unlock (&node->mutex);
    wake (node);
}

static void *run_place (void *arg)
{
    place_t *place = arg;
    char text[AMA_ERR_TEXT_MAX];
    int rc, code;

    rc = open_place (place, place->start_err);
    if (rc == 0)
        (void) pthread_setname_np (pthread_self (), place->ctx->def->name); /* refused if too long: then it has none */
    if (rc < 0) {
        close_place (place);
        announce_start (place, rc);
        return NULL;
    }
    announce_start (place, 0);
    ama_loop_run (place->loop);
    code = place->ctx->exit_code;
    (void) snprintf (text, sizeof text, "%.100s: %.900s", place->ctx->name, place->ctx->exit_text);
    close_place (place);
    announce_end (place, code, text);
    return NULL;
}

static place_t *new_place (ama_node_t *node, const ama_actor_def_t *def, const char *name, const void *config)
{
    place_t *place = ama_calloc (1, sizeof *place);

    place->node = node;
    place->def = def;
    place->name = name;
    place->config = config;
    return place;
}

int ama_node_start (ama_node_t *node, const ama_actor_def_t *def, const char *name, const void *config, ama_err_t *err)
{
    place_t *place = new_place (node, def, name, config);
    ama_err_t why = { 0 };
    int rc;

    place->start_err = &why;
    rc = pthread_create (&place->thread, NULL, run_place, place);
    if (rc) {
        free (place);
        return ama_err_set (err, AMA_E_IO, "no thread for %s: %s", name ? name : def->name, strerror (rc));
    }
    (void) pthread_mutex_lock (&node->mutex);
    while (!place->started)
        (void) pthread_cond_wait (&node->changed, &node->mutex);
    rc = place->start_rc;
    (void) pthread_mutex_unlock (&node->mutex);
    if (rc < 0) {
        (void) pthread_join (place->thread, NULL);
        free_place (place);
        return ama_err_set (err, rc, "%s: %s", name ? name : def->name, why.text);
    }
    place->next = node->places;
    node->places = place;
    return 0;
}

static void stop_place (place_t *place)
{
    atomic_store (&place->stop, true);
    ama_loop_wake (place->loop);
}

/* ---- waiting ---- */

/* Returns 0 if there was none. */
static int next_signal (const ama_node_t *node)
{
    struct signalfd_siginfo info;

    return node->signals >= 0 && read (node->signals, &info, sizeof info) == sizeof info ? (int) info.ssi_signo : 0;
}

static void on_signals (ama_node_t *node)
{
    for (int signal; (signal = next_signal (node)) != 0;) {
        if (node->conf.on_signal)
            node->conf.on_signal (node, signal, node->conf.arg);
        else
            ama_node_stop (node);
    }
}

static bool over (ama_node_t *node, ama_err_t *err)
{
    bool is_over;

    (void) pthread_mutex_lock (&node->mutex);
    is_over = node->stopping || node->fatal.code;
    if (node->fatal.code && err)
        *err = node->fatal;
    (void) pthread_mutex_unlock (&node->mutex);
    return is_over;
}

int ama_node_wait (ama_node_t *node, ama_err_t *err)
{
    struct pollfd fds[] = { { .fd = node->wake, .events = POLLIN }, { .fd = node->signals, .events = POLLIN } };
    uint64_t count;
    int code;

    while (!over (node, err)) {
        if (poll (fds, ARRAY_SIZE (fds), -1) < 0)
            continue; /* EINTR: somebody traces us */
        if (fds[0].revents && read (node->wake, &count, sizeof count) < 0)
            continue;
        if (fds[1].revents)
            on_signals (node);
    }
    (void) pthread_mutex_lock (&node->mutex);
    code = node->fatal.code;
    (void) pthread_mutex_unlock (&node->mutex);
    return code;
}

void ama_node_stop (ama_node_t *node)
{
    (void) pthread_mutex_lock (&node->mutex);
    node->stopping = true;
    if (node->here)
        stop_place (node->here);
    (void) pthread_mutex_unlock (&node->mutex);
    wake (node);
}

static void on_signal_watch (int fd, short revents, void *arg)
{
    (void) fd, (void) revents;
    on_signals (arg);
}

/* An actor on a thread that fails takes the one on this thread with it. */
static void on_wake_watch (int fd, short revents, void *arg)
{
    place_t *place = arg;
    uint64_t count;

    (void) revents;
    if (read (fd, &count, sizeof count) > 0 && over (place->node, NULL))
        ama_ctx_stop (place->ctx);
}

static void run_open_place (place_t *place)
{
    ama_node_t *node = place->node;
    ama_watch_t *signals = NULL, *wakes = ama_loop_watch (place->loop, node->wake, POLLIN, on_wake_watch, place);

    if (node->signals >= 0)
        signals = ama_loop_watch (place->loop, node->signals, POLLIN, on_signal_watch, node);
    (void) pthread_mutex_lock (&node->mutex);
    node->here = place;
    if (node->stopping)
        stop_place (place);
    (void) pthread_mutex_unlock (&node->mutex);
    ama_loop_run (place->loop);
    (void) pthread_mutex_lock (&node->mutex);
    node->here = NULL;
    (void) pthread_mutex_unlock (&node->mutex);
    ama_watch_destroy (&signals);
    ama_watch_destroy (&wakes);
}

int ama_node_run_here (ama_node_t *node, const ama_actor_def_t *def, const char *name, const void *config,
                       ama_err_t *err)
{
    place_t *place = new_place (node, def, name, config);
    int rc = open_place (place, err);

    if (rc == 0) {
        run_open_place (place);
        rc = place->ctx->exit_code;
        if (rc < 0)
            (void) ama_err_set (err, rc, "%s", place->ctx->exit_text);
    }
    close_place (place);
    free_place (place);
    return rc;
}

/* ---- life ---- */

static int open_node (ama_node_t *node, ama_err_t *err)
{
    const char *const *listen = node->conf.listen;
    bool far = false;
    sigset_t set;

    (void) sigemptyset (&set);
    (void) sigaddset (&set, SIGINT);
    (void) sigaddset (&set, SIGTERM);
    node->wake = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (node->conf.handle_signals)
        node->signals = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    node->zmq = zmq_ctx_new ();
    if (node->wake < 0 || (node->conf.handle_signals && node->signals < 0) || !node->zmq)
        return ama_err_set (err, AMA_E_IO, "no descriptors: %s", strerror (errno));
    (void) zmq_ctx_set (node->zmq, ZMQ_MAX_SOCKETS, 4096);
    if (node->conf.connect)
        return 0;
    for (; listen && *listen; listen++) {
        const char *path = ama_ipc_path (*listen);
        int rc;
        if (ama_str_starts (*listen, "tcp://")) {
            far = true;
            continue;
        }
        if (!path || node->n_claims == LISTEN_MAX)
            return ama_err_set (err, AMA_E_INVALID, "%s: only ipc:// and tcp:// endpoints are served, and at most %d",
                                *listen, LISTEN_MAX);
        if ((rc = ama_ipc_claim (path, &node->claims[node->n_claims].lock, err)) < 0)
            return rc;
        node->claims[node->n_claims++].path = ama_strdup (path);
    }
    if (far && (!node->conf.curve || !node->conf.curve->allowed_file))
        return ama_err_set (err, AMA_E_INVALID, "tcp is served with keys only");
    if (far) {
        node->door = (ama_hub_door_t){ node->conf.curve->secret_key, node->conf.curve->allowed_file };
        node->zap = ama_zap_new (node->zmq, node->door.allowed_file, err);
        if (!node->zap)
            return AMA_E_AUTH;
    }
    node->hub = ama_hub_new (node->zmq, node->conf.listen, far ? &node->door : NULL, node->conf.epoch, err);
    return node->hub ? 0 : AMA_E_IO;
}

ama_node_t *ama_node_new (const ama_node_conf_t *conf, ama_err_t *err)
{
    ama_node_t *node = ama_calloc (1, sizeof *node);

    node->conf = *conf;
    node->endpoint = ama_strdup (conf->connect ? conf->connect : AMA_HUB_INPROC);
    node->wake = node->signals = -1;
    (void) pthread_mutex_init (&node->mutex, NULL);
    (void) pthread_cond_init (&node->changed, NULL);
    if (open_node (node, err) < 0)
        ama_node_destroy (&node, 0);
    return node;
}

/* False: it hangs. */
static bool end_place (place_t *place, int64_t grace_ms)
{
    struct timespec until;

    stop_place (place);
    (void) clock_gettime (CLOCK_REALTIME, &until);
    until.tv_sec += grace_ms / 1000;
    until.tv_nsec += grace_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return pthread_timedjoin_np (place->thread, NULL, &until) == 0;
}

void ama_node_destroy (ama_node_t **node_p, int64_t grace_ms)
{
    ama_node_t *node = *node_p;
    bool hung = false;

    if (!node)
        return;
    *node_p = NULL;
    while (node->places) {
        place_t *place = node->places;
        node->places = place->next;
        if (end_place (place, grace_ms))
            free_place (place);
        else
            hung = true;
    }
    if (hung) {
        ama_log (AMA_LOG_DEBUG, "node", "an actor does not end: it is left behind");
        return;
    }
    ama_hub_destroy (&node->hub);
    ama_zap_destroy (&node->zap);
    if (node->zmq)
        (void) zmq_ctx_term (node->zmq);
    while (node->n_claims) { /* only now, when the sockets are truly closed, may a successor bind */
        node->n_claims--;
        (void) unlink (node->claims[node->n_claims].path);
        free (node->claims[node->n_claims].path);
        (void) close (node->claims[node->n_claims].lock);
    }
    if (node->wake >= 0)
        (void) close (node->wake);
    if (node->signals >= 0)
        (void) close (node->signals);
    (void) pthread_mutex_destroy (&node->mutex);
    (void) pthread_cond_destroy (&node->changed);
    free (node->endpoint);
    free (node);
}
