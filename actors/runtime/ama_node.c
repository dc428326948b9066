/* ama_node.c - a process: its hub, its actors' threads, its signals
 *
 * Called by main() on the main thread; ama_node_stop and the ends of actors come from others. What threads share is in struct ama_node
 * (ama_node_in.h) under its mutex; who waits is woken through an eventfd. A thread can not be killed: one that does not end in its time is left behind
 * with its socket, and the ZeroMQ context with it, since the process is about to end.
 */
#include "actors/runtime/ama_node.h"

#include "actors/base/ama_log.h"
#include "actors/runtime/ama_node_in.h"
#include "actors/runtime/ama_wire.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

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
    /* Left alone, malloc takes to keeping what large messages took. */
    (void) mallopt (M_MMAP_THRESHOLD, 256 << 10);
    (void) mallopt (M_TRIM_THRESHOLD, 1 << 20);
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

static void announce_start (place_t *place, const ama_err_t *why)
{
    (void) pthread_mutex_lock (&place->node->mutex);
    place->started = true;
    place->why = *why;
    (void) pthread_cond_broadcast (&place->node->changed);
    (void) pthread_mutex_unlock (&place->node->mutex);
}

static void announce_end (place_t *place, const ama_err_t *why)
{
    ama_node_t *node = place->node;

    (void) pthread_mutex_lock (&node->mutex);
    place->ended = true;
    place->why = *why;
    (void) pthread_mutex_unlock (&node->mutex);
    wake (node);
}

static void *run_place (void *arg)
{
    place_t *place = arg;
    ama_err_t why = { 0 };
    int rc = open_place (place, &why);

    if (rc == 0)
        (void) pthread_setname_np (pthread_self (), place->ctx->def->name); /* refused if too long: then it has none */
    if (rc < 0) {
        why.code = rc;
        close_place (place);
        announce_start (place, &why);
        return NULL;
    }
    announce_start (place, &(ama_err_t){ 0 });
    ama_loop_run (place->loop);
    (void) ama_err_set (&why, place->ctx->exit_code, "%.100s: %.900s", place->ctx->name, place->ctx->exit_text);
    close_place (place);
    announce_end (place, &why);
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

static const char *name_of (const place_t *place)
{
    return place->name ? place->name : place->def->name;
}

/* Returns when its init has; the loop is gone if that went wrong. */
static int start_thread (place_t *place, ama_err_t *err)
{
    ama_node_t *node = place->node;
    ama_err_t why;
    int rc;

    place->started = place->ended = false;
    atomic_store (&place->stop, false);
    rc = pthread_create (&place->thread, NULL, run_place, place);
    if (rc)
        return ama_err_set (err, AMA_E_IO, "no thread for %s: %s", name_of (place), strerror (rc));
    (void) pthread_mutex_lock (&node->mutex);
    while (!place->started)
        (void) pthread_cond_wait (&node->changed, &node->mutex);
    why = place->why;
    if (place->ended) /* already: then it did start */
        why.code = 0;
    (void) pthread_mutex_unlock (&node->mutex);
    if (why.code < 0) {
        (void) pthread_join (place->thread, NULL);
        ama_loop_destroy (&place->loop);
        return ama_err_set (err, why.code, "%s: %s", name_of (place), why.text);
    }
    ama_pulse_add (node->pulse, name_of (place), place->loop, ama_mono_ms (ama_clock_system ()));
    return 0;
}

int ama_node_supervise (ama_node_t *node, const ama_node_spec_t *spec, ama_err_t *err)
{
    place_t *place = new_place (node, spec->def, spec->name, spec->config);
    int rc;

    place->restart = spec->restart;
    place->shutdown_ms = spec->shutdown_ms;
    rc = start_thread (place, err);
    if (rc < 0) {
        free_place (place);
        return rc;
    }
    place->next = node->places;
    node->places = place;
    return 0;
}

int ama_node_start (ama_node_t *node, const ama_actor_def_t *def, const char *name, const void *config, ama_err_t *err)
{
    return ama_node_supervise (node, &(ama_node_spec_t){ .def = def, .name = name, .config = config }, err);
}

static void stop_place (place_t *place)
{
    atomic_store (&place->stop, true);
    ama_loop_wake (place->loop);
}

/* ---- does everything turn? ---- */

static int64_t pulse_every_ms (const ama_node_t *node)
{
    int64_t every_ms = ama_pulse_every_ms (node->pulse), food_ms = ama_notify_watchdog_ms (node->conf.notify);

    return food_ms && food_ms < every_ms ? food_ms : every_ms;
}

/* Food for the watchdog, if all turn; without it the service manager ends us, and starts a process whose threads are well. */
static void feel_pulse (ama_node_t *node)
{
    const char *hung = ama_pulse_check (node->pulse, ama_mono_ms (ama_clock_system ()));

    if (node->hung != (hung != NULL))
        ama_notify_say (node->conf.notify, "STATUS=%s%s", hung ? hung : "serving", hung ? " hangs" : "");
    node->hung = hung != NULL;
    if (!hung && ama_notify_watchdog_ms (node->conf.notify))
        ama_notify_say (node->conf.notify, "WATCHDOG=1");
}

/* ---- actors that end ---- */

static void escalate (ama_node_t *node, const ama_err_t *why)
{
    (void) pthread_mutex_lock (&node->mutex);
    if (!node->fatal.code)
        (void) ama_err_set (&node->fatal, why->code < 0 ? why->code : AMA_E_FATAL, "%s", why->text);
    (void) pthread_mutex_unlock (&node->mutex);
}

static void decide (place_t *place, const ama_err_t *why)
{
    int64_t now_ms = ama_mono_ms (ama_clock_system ());

    place->over = true;
    place->restart_ms = INT64_MAX;
    switch (ama_tree_ended (&place->node->tree, place->restart, why->code, now_ms, randombytes_random (),
                            &place->restart_ms)) {
    case AMA_TREE_LEAVE:
        break;
    case AMA_TREE_RESTART:
        ama_log (AMA_LOG_WARN, "node", "%s; it is started again in %lld ms", why->text,
                 (long long) (place->restart_ms - now_ms));
        break;
    case AMA_TREE_ESCALATE:
        escalate (place->node, why);
        break;
    }
}

static void see_ended (place_t *place)
{
    ama_err_t why;
    bool ended;

    (void) pthread_mutex_lock (&place->node->mutex);
    ended = place->ended && !place->over;
    why = place->why;
    (void) pthread_mutex_unlock (&place->node->mutex);
    if (!ended)
        return;
    (void) pthread_join (place->thread, NULL);
    ama_pulse_remove (place->node->pulse, place->loop);
    ama_loop_destroy (&place->loop);
    decide (place, &why);
}

static void start_again (place_t *place)
{
    ama_err_t why = { 0 };

    place->over = false;
    if (start_thread (place, &why) < 0)
        decide (place, &why);
}

/* Looks after actors that have ended; returns when to come again, INT64_MAX: when one ends. */
static int64_t tend (ama_node_t *node)
{
    int64_t now_ms = ama_mono_ms (ama_clock_system ()), next_ms = INT64_MAX;

    for (place_t *place = node->places; place; place = place->next) {
        see_ended (place);
        if (place->over && place->restart_ms <= now_ms)
            start_again (place);
        if (place->over && place->restart_ms < next_ms)
            next_ms = place->restart_ms;
    }
    return next_ms;
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
    int64_t next_ms = 0, tend_ms;
    uint64_t count;
    int code;

    ama_notify_say (node->conf.notify, "READY=1");
    for (;;) {
        int64_t now_ms = ama_mono_ms (ama_clock_system ());
        tend_ms = tend (node);
        if (over (node, err))
            break;
        if (now_ms >= next_ms) {
            feel_pulse (node);
            next_ms = now_ms + pulse_every_ms (node);
        }
        tend_ms = tend_ms < next_ms ? tend_ms : next_ms;
        if (poll (fds, ARRAY_SIZE (fds), tend_ms > now_ms ? (int) (tend_ms - now_ms) : 0) < 0)
            continue; /* EINTR: somebody traces us */
        if (fds[0].revents && read (node->wake, &count, sizeof count) < 0)
            continue;
        if (fds[1].revents)
            on_signals (node);
    }
    ama_notify_say (node->conf.notify, "STOPPING=1");
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

/* On this thread's own loop: that it comes here shows that it turns. */
static void on_beat (void *arg)
{
    place_t *place = arg;
    ama_node_t *node = place->node;
    int64_t now_ms = ama_mono_ms (ama_clock_system ()), tend_ms = tend (node), next_ms;

    if (over (node, NULL))
        ama_ctx_stop (place->ctx);
    if (now_ms >= place->feel_ms) {
        feel_pulse (node);
        place->feel_ms = now_ms + pulse_every_ms (node);
    }
    next_ms = tend_ms < place->feel_ms ? tend_ms : place->feel_ms;
    ama_timer_after (place->beat, next_ms > now_ms ? next_ms - now_ms : 0);
}

/* An actor on a thread whose end is the process' takes the one on this thread with it. */
static void on_wake_watch (int fd, short revents, void *arg)
{
    place_t *place = arg;
    uint64_t count;

    (void) revents;
    if (read (fd, &count, sizeof count) > 0)
        on_beat (place);
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
    place->beat = ama_loop_timer (place->loop, on_beat, place);
    ama_timer_after (place->beat, 0);
    ama_notify_say (node->conf.notify, "READY=1");
    ama_loop_run (place->loop);
    ama_notify_say (node->conf.notify, "STOPPING=1");
    ama_timer_destroy (&place->beat);
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
    node->hub =
        ama_hub_new (node->zmq, node->conf.listen, far ? &node->door : NULL, node->conf.placed, node->conf.epoch, err);
    if (!node->hub)
        return AMA_E_IO;
    ama_pulse_add (node->pulse, "hub", ama_hub_loop (node->hub), ama_mono_ms (ama_clock_system ()));
    return 0;
}

void ama_node_hide (void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    (void) prctl (PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

ama_node_t *ama_node_new (const ama_node_conf_t *conf, ama_err_t *err)
{
    ama_node_t *node = ama_calloc (1, sizeof *node);

    node->conf = *conf;
    node->endpoint = ama_strdup (conf->connect ? conf->connect : AMA_HUB_INPROC);
    node->wake = node->signals = -1;
    node->pulse = ama_pulse_new (conf->hung_ms ? conf->hung_ms : AMA_HUNG_MS);
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
        int64_t allowed_ms = place->shutdown_ms ? place->shutdown_ms : grace_ms;
        ama_notify_say (node->conf.notify, "EXTEND_TIMEOUT_USEC=%lld", (long long) (allowed_ms + 1000) * 1000);
        if (place->over || end_place (place, allowed_ms))
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
    ama_pulse_destroy (&node->pulse);
    free (node->endpoint);
    free (node);
}
