/* broker_actor.c - leases for the supervisor, who is there to run what is leased, and the life of the local agent
 *
 * Asked by the supervisor and by agents, on its actor's own loop. Holds nothing durable: after a restart the supervisor asks again for what it
 * held, and the agents say hello. The local one is meant to outlive this process, so before one is started its lock file is looked at; one that
 * lives already comes by itself. Its death is seen through its pidfd: then another is started, whose hello says what it knows.
 */
#include "actors/broker/broker_actor.h"

#include "actors/base/ama_failpoint.h"
#include "actors/base/ama_log.h"
#include "actors/base/ama_str.h"
#include "actors/broker/broker_core.h"
#include "actors/runtime/ama_child.h"
#include "messages/ama_types.h"
#include "messages/lease.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include <uthash.h>

enum { RESTART_MIN_MS = 100, RESTART_MAX_MS = 10000, LOOK_AGAIN_MS = 1000, TRIES_BEFORE_DEAD = 3 };

enum { SWEEP_MS = 100000 }; /* the supervisor asks again every 30 s for what it holds and wants */

/* In which agents that lived before this process say hello to it: they try every 5 s at the latest, and silence ends their old connection within 15 s. */
enum { COMPLETE_MS = 30000 };

typedef struct broker broker_t;

/* An agent that is there. */
typedef struct {
    UT_hash_handle hh;
    char name[AMA_NAME_MAX];
    broker_t *broker;
    bool near;            /* of this machine */
    uint64_t incarnation; /* as it said */
    int pidfd;            /* of the one that is watched, or -1 */
    ama_watch_t *death;
} agent_t;

/* Who waits for a lease. */
typedef struct wish {
    UT_hash_handle hh;
    ama_id_t lease;
    ama_waiter_t waiter;
} wish_t;

struct broker {
    ama_ctx_t *ctx;
    char **agent_argv, **agent_env; /* owned, NULL if not given; likewise below */
    char *agent_lock, *agent_log;
    ama_broker_core_t *core;
    ama_broker_limits_t own; /* of this machine */
    wish_t *wishes;
    agent_t *agents;
    ama_timer_t *start, *complete, *sweep;
    int64_t backoff_ms;
    unsigned tries; /* starts since the last hello */
};

static agent_t *find_agent (broker_t *self, const char *name)
{
    agent_t *agent;

    HASH_FIND_STR (self->agents, name, agent);
    return agent;
}

/* ---- effects ---- */

static void answer (broker_t *self, ama_id_t lease, const ama_broker_effect_t *effect)
{
    wish_t *wish;

    HASH_FIND (hh, self->wishes, &lease, sizeof lease, wish);
    if (!wish)
        return;
    if (effect->kind == AMA_BROKER_GRANT) {
        ama_lease_granted_t granted = *effect->granted;
        const agent_t *agent = find_agent (self, granted.agent);
        granted.incarnation = agent ? agent->incarnation : 0;
        AMA_FAILPOINT (broker, granted);
        (void) ama_reply (self->ctx, &wish->waiter, AMA_MSG_LEASE_GRANTED, &granted);
    }
    else
        (void) ama_refuse (self->ctx, &wish->waiter, effect->error->code, "%s", effect->error->text);
    HASH_DEL (self->wishes, wish);
    free (wish);
}

static void perform (const ama_broker_effect_t *effect, void *arg)
{
    broker_t *self = arg;

    if (effect->kind == AMA_BROKER_WAIT)
        (void) ama_tell (self->ctx, "supervisor", AMA_MSG_LEASE_WAITING, effect->waiting);
    else
        answer (self, effect->lease, effect);
}

static void tell_change (broker_t *self, const char *agent, ama_agent_change_t change,
                         const ama_lease_agent_hello_t *hello)
{
    ama_lease_agent_changed_t changed = { .agent = (char *) agent, .change = change };

    if (hello) {
        changed.held = hello->held;
        changed.n_held = hello->n_held;
        changed.incarnation = hello->incarnation;
    }
    (void) ama_tell (self->ctx, "supervisor", AMA_MSG_LEASE_AGENT_CHANGED, &changed);
}

/* ---- the local agent ---- */

static bool agent_lives (const broker_t *self)
{
    int fd = open (self->agent_lock, O_RDONLY | O_CLOEXEC);
    bool lives;

    if (fd < 0)
        return false;
    lives = flock (fd, LOCK_SH | LOCK_NB) != 0;
    (void) close (fd);
    return lives;
}

static void start_later (broker_t *self)
{
    ama_timer_after (self->start, self->backoff_ms);
    self->backoff_ms = self->backoff_ms * 2 < RESTART_MAX_MS ? self->backoff_ms * 2 : RESTART_MAX_MS;
}

static void start_agent (void *arg)
{
    broker_t *self = arg;
    ama_child_spec_t spec = { .argv = (const char *const *) self->agent_argv,
                              .env = (const char *const *) self->agent_env,
                              .stdout_file = self->agent_log,
                              .stderr_file = self->agent_log };
    ama_err_t err = { 0 };
    ama_child_t *child;

    if (!self->agent_argv || self->agents)
        return;
    if (agent_lives (self)) {
        ama_timer_after (self->start, LOOK_AGAIN_MS);
        return;
    }
    if (++self->tries == TRIES_BEFORE_DEAD)
        tell_change (self, "agent/local", AMA_AGENT_CHANGE_DEAD, NULL);
    AMA_FAILPOINT (broker, before_agent);
    child = ama_child_spawn (self->ctx, &spec, &err);
    AMA_FAILPOINT (broker, after_agent);
    if (child)
        ama_child_release (&child); /* it outlives us */
    else
        ama_log_err ("broker", &err, "the agent could not be started");
    start_later (self);
}

static void unwatch (agent_t *agent)
{
    ama_watch_destroy (&agent->death);
    if (agent->pidfd >= 0)
        (void) close (agent->pidfd);
    agent->pidfd = -1;
}

static void drop_agent (broker_t *self, agent_t *agent)
{
    unwatch (agent);
    /* uthash: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    HASH_DEL (self->agents, agent);
    free (agent);
}

/* The others go on. */
static void agent_gone (agent_t *agent)
{
    broker_t *self = agent->broker;
    char name[AMA_NAME_MAX];

    AMA_FAILPOINT (broker, agent_gone);
    memcpy (name, agent->name, sizeof name);
    drop_agent (self, agent);
    tell_change (self, name, AMA_AGENT_CHANGE_LOST, NULL);
    ama_broker_core_agent_gone (self->core, name);
    start_agent (self);
}

static void on_death (int fd, short events, void *arg)
{
    agent_t *agent = arg;

    (void) fd;
    (void) events;
    ama_log (AMA_LOG_WARN, "broker", "%s died", agent->name);
    agent_gone (agent);
}

/* ---- messages ---- */

/* An agent of this machine says its process id; there is one of these, for it is given all that this machine has to lease. */
static int is_welcome (const broker_t *self, const char *name, const ama_lease_agent_hello_t *hello, ama_err_t *err)
{
    const agent_t *agent;

    if (self->agent_argv && !hello->pid)
        return ama_err_set (err, AMA_E_ROLE, "amad has an agent of its own here; with --no-agent others may join");
    for (agent = self->agents; agent; agent = agent->hh.next) {
        if (agent->near && hello->pid && strcmp (agent->name, name) != 0)
            return ama_err_set (err, AMA_E_EXISTS, "%s has joined already, and one agent of this machine is enough",
                                agent->name);
    }
    if (!ama_broker_core_has_room (self->core, name))
        return ama_err_set (err, AMA_E_BUSY, "there are %d agents already", AMA_BROKER_AGENTS_MAX);
    return hello->cpus > 0 && hello->cpus < 1e6 ? 0 : ama_err_set (err, AMA_E_INVALID, "an agent without cpus");
}

static agent_t *agent_of (broker_t *self, const char *name)
{
    agent_t *agent = find_agent (self, name);

    if (!agent) {
        agent = ama_calloc (1, sizeof *agent);
        (void) snprintf (agent->name, sizeof agent->name, "%s", name);
        agent->broker = self;
        agent->pidfd = -1;
        HASH_ADD_STR (self->agents, name, agent);
    }
    return agent;
}

static void watch (agent_t *agent, pid_t pid)
{
    unwatch (agent);
    if (!agent->broker->agent_argv || pid <= 1)
        return;
    agent->pidfd = pidfd_open (pid, 0);
    if (agent->pidfd >= 0)
        agent->death = ama_watch_new (agent->broker->ctx, agent->pidfd, POLLIN, on_death, agent);
}

static int on_hello (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    broker_t *self = state;
    const ama_lease_agent_hello_t *hello = body;
    const ama_lease_agent_welcome_t welcome = { 0 };
    const ama_broker_limits_t far = { hello->cpus, hello->memory };
    ama_waiter_t waiter = ama_waiter (envelope);
    agent_t *agent;
    bool news;
    int rc = is_welcome (self, envelope->src, hello, err);

    if (rc < 0)
        return rc;
    AMA_FAILPOINT (broker, hello);
    agent = find_agent (self, envelope->src);
    news = !agent || agent->incarnation != hello->incarnation;
    agent = agent_of (self, envelope->src);
    agent->near = hello->pid != 0;
    agent->incarnation = hello->incarnation;
    watch (agent, (pid_t) hello->pid);
    self->tries = 0;
    self->backoff_ms = RESTART_MIN_MS;
    ama_timer_cancel (self->start);
    ama_log (news ? AMA_LOG_INFO : AMA_LOG_DEBUG, "broker", "%s is here and holds %zu", agent->name, hello->n_held);
    tell_change (self, agent->name, AMA_AGENT_CHANGE_UP, hello);
    (void) ama_reply (ctx, &waiter, AMA_MSG_LEASE_AGENT_WELCOME, &welcome);
    ama_broker_core_agent_up (self->core, agent->name, agent->near ? &self->own : &far);
    return 0;
}

static int on_request (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    broker_t *self = state;
    const ama_lease_request_t *request = body;
    wish_t *wish;

    (void) ctx;
    (void) err;
    HASH_FIND (hh, self->wishes, &request->lease, sizeof request->lease, wish);
    if (!wish) {
        wish = ama_calloc (1, sizeof *wish);
        wish->lease = request->lease;
        HASH_ADD (hh, self->wishes, lease, sizeof wish->lease, wish);
    }
    wish->waiter = ama_waiter (envelope); /* a repeated request: the newest is answered */
    ama_broker_core_request (self->core, request);
    return 0;
}

static int on_release (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    broker_t *self = state;
    const ama_lease_release_t *release = body;
    const ama_lease_released_t released = { 0 };
    ama_waiter_t waiter = ama_waiter (envelope);
    wish_t *wish;

    (void) err;
    HASH_FIND (hh, self->wishes, &release->lease, sizeof release->lease, wish);
    if (wish) {
        HASH_DEL (self->wishes, wish);
        free (wish);
    }
    ama_broker_core_release (self->core, release->lease);
    AMA_FAILPOINT (broker, released);
    return ama_reply (ctx, &waiter, AMA_MSG_LEASE_RELEASED, &released);
}

static void drop_wishes (broker_t *self)
{
    wish_t *wish, *next;

    HASH_ITER (hh, self->wishes, wish, next)
    {
        /* uthash: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        HASH_DEL (self->wishes, wish);
        free (wish);
    }
}

static void on_peer_gone (ama_ctx_t *ctx, void *state, const char *name)
{
    broker_t *self = state;

    (void) ctx;
    if (strcmp (name, "supervisor") == 0) {
        drop_wishes (self);
        ama_broker_core_forget_wishes (self->core);
    }
    else if (find_agent (self, name))
        agent_gone (find_agent (self, name));
}

/* Leases that nobody has asked for again for so long are held by nobody. */
static void on_sweep (void *arg)
{
    broker_t *self = arg;

    ama_broker_core_sweep (self->core);
    ama_timer_after (self->sweep, SWEEP_MS);
}

static void on_complete (void *arg)
{
    ama_broker_core_complete (((broker_t *) arg)->core);
}

/* ---- life ---- */

static int init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    broker_t *self = state;
    const ama_broker_conf_t *conf = config;

    (void) err;
    *self = (broker_t){ .ctx = ctx,
                        .backoff_ms = RESTART_MIN_MS,
                        .agent_argv = ama_strv_copy (conf->agent_argv),
                        .agent_env = ama_strv_copy (conf->agent_env),
                        .agent_lock = conf->agent_lock ? ama_strdup (conf->agent_lock) : NULL,
                        .agent_log = conf->agent_log ? ama_strdup (conf->agent_log) : NULL };
    self->own = (ama_broker_limits_t){ conf->cpus, conf->memory };
    self->core = ama_broker_core_new (conf->agent_joins ? NULL : &self->own, perform, self);
    self->start = ama_timer_new (ctx, start_agent, self);
    self->sweep = ama_timer_new (ctx, on_sweep, self);
    self->complete = ama_timer_new (ctx, on_complete, self);
    ama_timer_after (self->sweep, SWEEP_MS);
    if (conf->agent_joins)
        ama_timer_after (self->complete, COMPLETE_MS);
    if (self->agent_argv)
        ama_timer_after (self->start, 0);
    return 0;
}

size_t ama_broker_held (const void *state)
{
    return ama_broker_core_held (((const broker_t *) state)->core);
}

static void done (void *state)
{
    broker_t *self = state;

    drop_wishes (self);
    while (self->agents)
        drop_agent (self, self->agents); /* uthash: NOLINT(clang-analyzer-unix.Malloc) */
    ama_timer_destroy (&self->start);
    ama_timer_destroy (&self->complete);
    ama_timer_destroy (&self->sweep);
    ama_broker_core_destroy (&self->core);
    ama_strv_free (self->agent_argv);
    ama_strv_free (self->agent_env);
    free (self->agent_lock);
    free (self->agent_log);
}

static const ama_handler_t handlers[] = {
    { AMA_MSG_LEASE_REQUEST, on_request },
    { AMA_MSG_LEASE_RELEASE, on_release },
    { AMA_MSG_LEASE_AGENT_HELLO, on_hello },
    AMA_HANDLER_END,
};

const ama_actor_def_t ama_broker_def = {
    .name = "broker",
    .role = AMA_ROLE_BROKER,
    .state_size = sizeof (broker_t),
    .init = init,
    .done = done,
    .peer_gone = on_peer_gone,
    .handlers = handlers,
};
