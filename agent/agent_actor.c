/* agent_actor.c - the agent's messages, and its life with and without a hub
 *
 * On the actor's own loop. Attempts (attempt.c) and sessions (runners/spark/session.c) do the work; what they tell goes through poster.c and
 * status.c, which repeat it until it is durable elsewhere. Every request is idempotent by id, because its answer may have been lost.
 */
#include "agent/agent_actor.h"

#include "actors/base/ama_failpoint.h"
#include "actors/base/ama_log.h"
#include "agent/ahead.h"
#include "agent/attempt.h"
#include "agent/confine.h"
#include "agent/gather.h"
#include "agent/guard.h"
#include "agent/hello.h"
#include "agent/install.h"
#include "agent/replay.h"
#include "agent/runners/jupyter/kernel_runner.h"
#include "agent/runners/jupyter/kernelspec.h"
#include "agent/runners/shell/shell_prelude.h"
#include "agent/runners/shell/shell_runner.h"
#include "agent/runners/spark/jar_runner.h"
#include "agent/runners/spark/s3_jars.h"
#include "agent/sandbox.h"
#include "agent/session.h"
#include "agent/tidy.h"
#include "messages/ama_types.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const ama_runner_t *const runners[] = { &ama_shell_runner, &ama_scala_runner, &ama_sql_runner, &ama_jar_runner };

/* ---- what the parts share ---- */

void ama_agent_base_env (const ama_agent_t *agent, ama_env_t *env, bool mark)
{
    ama_env_set (env, "AMA_GUARD", mark ? agent->token : NULL);
    ama_env_set (env, "PATH", agent->conf.path);
    ama_env_set (env, "LANG", agent->conf.lang);
    ama_env_set (env, "TZ", agent->conf.tz);
}

void ama_agent_remember (ama_agent_t *agent, ama_id_t id)
{
    agent->ended[agent->n_ended++ % ARRAY_SIZE (agent->ended)] = id;
}

bool ama_agent_remembers (const ama_agent_t *agent, ama_id_t id)
{
    size_t count = agent->n_ended < ARRAY_SIZE (agent->ended) ? agent->n_ended : ARRAY_SIZE (agent->ended);

    for (size_t i = 0; i < count; i++)
        if (ama_id_equal (agent->ended[i], id))
            return true;
    return false;
}

static void take_turns (void *arg)
{
    ama_agent_t *agent = arg;
    ama_attempt_t *attempt, *spare;

    HASH_ITER (hh, agent->attempts, attempt, spare)
    {
        if (attempt->dirty && attempt->runner->turn)
            attempt->runner->turn (attempt);
    }
}

void ama_agent_dirty (ama_attempt_t *attempt)
{
    attempt->dirty = true;
    ama_defer (attempt->agent->ctx, take_turns, attempt->agent);
}

static uint64_t count_oom_kills (void)
{
    char text[16384];
    int fd = open ("/proc/vmstat", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read (fd, text, sizeof text - 1);
    const char *at;

    if (fd >= 0)
        (void) close (fd);
    text[n < 0 ? 0 : n] = '\0';
    at = strstr (text, "\noom_kill ");
    return at ? strtoull (at + 10, NULL, 10) : 0;
}

bool ama_agent_oom_seen (ama_agent_t *agent)
{
    uint64_t before = agent->oom_kills;

    agent->oom_kills = count_oom_kills ();
    return agent->oom_kills > before;
}

/* ---- with and without a hub ---- */

static void consider_leaving (void *arg)
{
    ama_agent_t *agent = arg;
    bool busy = agent->attempts || agent->sessions || ama_gather_count (agent);
    bool waiting = ama_statuses_pending (agent->statuses) || ama_poster_pending (agent->poster);
    int64_t limit = waiting ? agent->conf.idle_ms : agent->conf.orphan_ms, since;

    if (agent->stopping) {
        if (!busy && !ama_ahead_pending (agent))
            ama_exit (agent->ctx, 0, "stopped");
        return;
    }
    if (!agent->parted_ms || busy || limit <= 0)
        return;
    since = ama_now_ms (agent->ctx) - agent->parted_ms;
    if (since >= limit)
        ama_exit (agent->ctx, 0, "the hub has been away for long, and nothing runs here");
    else
        ama_timer_after (agent->idle, limit - since);
}

void ama_agent_less (ama_agent_t *agent)
{
    if (agent->stopping || agent->parted_ms)
        ama_timer_after (agent->idle, 0);
}

static void joined (ama_ctx_t *ctx, void *state, uint64_t epoch)
{
    ama_agent_t *agent = state;

    (void) ctx, (void) epoch;
    agent->parted_ms = 0;
    ama_wards_in_touch (agent->wards, true);
    ama_timer_cancel (agent->idle);
    ama_hello_say (agent);
    ama_poster_joined (agent->poster);
    ama_statuses_joined (agent->statuses);
}

static void parted (ama_ctx_t *ctx, void *state)
{
    ama_agent_t *agent = state;

    agent->parted_ms = ama_now_ms (ctx);
    ama_wards_in_touch (agent->wards, false);
    consider_leaving (agent);
}

/* A broker that was started again knows nothing of this agent. */
static void peer_gone (ama_ctx_t *ctx, void *state, const char *name)
{
    ama_agent_t *agent = state;

    (void) ctx;
    if (strcmp (name, "broker") != 0)
        return;
    ama_hello_soon (agent);
}

/* ---- messages ---- */

/* Commands of a master that has been replaced are not obeyed. */
static int fence (ama_ctx_t *ctx, const ama_envelope_t *envelope, ama_err_t *err)
{
    if (envelope->epoch && envelope->epoch < ama_epoch (ctx))
        return ama_err_set (err, AMA_E_STALE, "a command of epoch %llu, it is %llu now",
                            (unsigned long long) envelope->epoch, (unsigned long long) ama_epoch (ctx));
    return 0;
}

static ama_attempt_t *find_attempt (const ama_agent_t *agent, ama_id_t id)
{
    ama_attempt_t *attempt;

    HASH_FIND (hh, agent->attempts, &id, sizeof id, attempt);
    return attempt;
}

const ama_runner_t *ama_agent_runner (const char *name, const char *file)
{
    for (size_t i = 0; i < ARRAY_SIZE (runners); i++)
        if (strcmp (runners[i]->name, name) == 0)
            return runners[i];
    return ama_kernel_runner (name, file);
}

static void refuse_runner (ama_agent_t *agent, const ama_attempt_start_t *start)
{
    char message[256];
    ama_attempt_status_t status = { .attempt = start->attempt,
                                    .run = start->run,
                                    .state = AMA_ATTEMPT_STATE_ERRORED,
                                    .cause = (char *) "error",
                                    .exit = -1,
                                    .error = (char *) "unsupported",
                                    .message = message,
                                    .file = start->file };

    (void) snprintf (message, sizeof message, "this agent knows no runner %.32s: is it older than amad?",
                     start->runner);
    ama_agent_remember (agent, start->attempt);
    ama_statuses_attempt (agent->statuses, &status);
}

void ama_agent_begin (ama_agent_t *agent, const ama_attempt_start_t *start)
{
    const ama_runner_t *runner = ama_agent_runner (start->runner, start->file);

    if (runner)
        ama_attempt_begin (agent, start, runner);
    else
        refuse_runner (agent, start);
}

static int on_start (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    ama_agent_t *agent = state;
    const ama_attempt_start_t *start = body;
    ama_waiter_t waiter = ama_waiter (envelope);
    int rc = fence (ctx, envelope, err);

    if (rc < 0)
        return rc;
    if (agent->stopping)
        return ama_err_set (err, AMA_E_BUSY, "this agent is ending");
    (void) ama_reply (ctx, &waiter, AMA_MSG_ATTEMPT_TAKEN, NULL);
    if (find_attempt (agent, start->attempt) || ama_gather_has (agent, start->attempt)
        || ama_statuses_repeat (agent->statuses, start->attempt) || ama_agent_remembers (agent, start->attempt))
        return 0;
    AMA_FAILPOINT (agent, taken);
    ama_gather_attempt (agent, start);
    return 0;
}

static int on_prepare (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    ama_agent_t *agent = state;
    ama_attempt_prepare_t prepare = *(const ama_attempt_prepare_t *) body;
    char *path = NULL;
    int rc = fence (ctx, envelope, err);

    if (rc == 0 && !agent->stopping && ama_gather_prepare (agent, &prepare, &path))
        ama_ahead_prepare (agent, &prepare);
    free (path);
    return rc;
}

/* Nothing of that name runs here: it never came, or this agent was killed meanwhile and its guard did the rest. */
static void tell_not_running (ama_agent_t *agent, const ama_attempt_cancel_t *cancel)
{
    ama_attempt_status_t status = {
        .attempt = cancel->attempt,
        .state = cancel->timed_out ? AMA_ATTEMPT_STATE_TIMED_OUT : AMA_ATTEMPT_STATE_CANCELLED,
        .cause = (char *) (cancel->timed_out ? "timeout" : ""),
        .exit = -1,
    };

    ama_agent_remember (agent, cancel->attempt);
    ama_statuses_attempt (agent->statuses, &status);
}

static int on_cancel (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    ama_agent_t *agent = state;
    const ama_attempt_cancel_t *cancel = body;
    ama_attempt_t *attempt = find_attempt (agent, cancel->attempt);
    int rc = fence (ctx, envelope, err);

    if (rc < 0)
        return rc;
    ama_gather_drop (agent, cancel->attempt);
    AMA_FAILPOINT (agent, cancel);
    if (attempt)
        ama_attempt_cancel (attempt, cancel->timed_out, cancel->force);
    else if (!ama_statuses_repeat (agent->statuses, cancel->attempt) && !ama_agent_remembers (agent, cancel->attempt))
        tell_not_running (agent, cancel);
    return 0;
}

static int on_ack (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    ama_agent_t *agent = state;

    (void) ctx, (void) envelope, (void) err;
    ama_statuses_attempt_ack (agent->statuses, body);
    ama_agent_less (agent);
    return 0;
}

static int on_session_open (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body,
                            ama_err_t *err)
{
    ama_agent_t *agent = state;
    const ama_attempt_session_open_t *open = body;
    ama_waiter_t waiter = ama_waiter (envelope);
    int rc = fence (ctx, envelope, err);

    if (rc < 0)
        return rc;
    if (agent->stopping)
        return ama_err_set (err, AMA_E_BUSY, "this agent is ending");
    (void) ama_reply (ctx, &waiter, AMA_MSG_ATTEMPT_TAKEN, NULL);
    if (!ama_session_find (agent, open->session) && !ama_gather_has (agent, open->session)
        && !ama_statuses_repeat (agent->statuses, open->session) && !ama_agent_remembers (agent, open->session))
        ama_gather_session (agent, open);
    return 0;
}

static int on_session_ack (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body,
                           ama_err_t *err)
{
    ama_agent_t *agent = state;

    (void) ctx, (void) envelope, (void) err;
    ama_statuses_session_ack (agent->statuses, body);
    ama_agent_less (agent);
    return 0;
}

static int on_session_close (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body,
                             ama_err_t *err)
{
    ama_agent_t *agent = state;
    const ama_attempt_session_close_t *close_it = body;
    ama_session_t *session = ama_session_find (agent, close_it->session);
    int rc = fence (ctx, envelope, err);

    if (rc < 0)
        return rc;
    ama_gather_drop (agent, close_it->session);
    if (session)
        ama_session_close (session);
    else if (!ama_statuses_repeat (agent->statuses, close_it->session)) {
        /* also of one whose end was acknowledged: whoever asks waits for this word, and keeps its lease until it comes */
        ama_attempt_session_status_t status = { .session = close_it->session, .state = AMA_SESSION_STATE_CLOSED };
        ama_agent_remember (agent, close_it->session);
        ama_statuses_session (agent->statuses, &status);
    }
    return 0;
}

static int on_clean (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    ama_agent_t *agent = state;
    ama_waiter_t waiter = ama_waiter (envelope);
    int rc = fence (ctx, envelope, err);

    if (rc == 0 && agent->stopping)
        rc = ama_err_set (err, AMA_E_BUSY, "this agent is ending");
    if (rc == 0)
        ama_tidy_order (agent->tidy, &waiter, body);
    return rc;
}

static int on_resolve_progress (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body,
                                ama_err_t *err)
{
    (void) ctx, (void) envelope, (void) err;
    ama_s3_jars_progress (state, body);
    return 0;
}

/* ---- life ---- */

static const char *copied (const char *text)
{
    return text ? ama_strdup (text) : NULL;
}

static void copy_conf (ama_agent_conf_t *to, const ama_agent_conf_t *from)
{
    *to = *from;
    to->dir = copied (from->dir);
    to->cache_dir = copied (from->cache_dir);
    to->runners_dir = copied (from->runners_dir);
    to->guard = copied (from->guard);
    to->ward = copied (from->ward);
    to->path = copied (from->path ? from->path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    to->lang = copied (from->lang);
    to->tz = copied (from->tz);
    to->java_home = copied (from->java_home);
    to->spark_home = copied (from->spark_home);
    to->secrets_dir = copied (from->secrets_dir);
    to->credentials_dir = copied (from->credentials_dir);
    to->secrets_exec = (const char *const *) ama_strv_copy (from->secrets_exec);
    to->output_quota = from->output_quota ? from->output_quota : 1u << 30;
    to->grace_ms = from->grace_ms ? from->grace_ms : 2000;
    to->stall_ms = from->stall_ms ? from->stall_ms : 300000;
    to->ahead_ms = from->ahead_ms ? from->ahead_ms : 300000;
}

static void random_hex (char *out, size_t size)
{
    unsigned char bytes[16];

    randombytes_buf (bytes, sizeof bytes);
    (void) sodium_bin2hex (out, size, bytes, sizeof bytes);
}

/* The first bash of the path that actions get. */
static int find_bash (ama_agent_t *agent, ama_err_t *err)
{
    for (const char *at = agent->conf.path, *end; *at; at = *end ? end + 1 : end) {
        ama_str_t path = { 0 };

        end = at + strcspn (at, ":");
        ama_str_printf (&path, "%.*s/bash", (int) (end - at), at);
        if (path.data[0] == '/' && access (path.data, X_OK) == 0) {
            agent->bash = ama_str_take (&path);
            return 0;
        }
        ama_str_done (&path);
    }
    return ama_err_set (err, AMA_E_NOT_FOUND, "no bash in %s", agent->conf.path);
}

const char *ama_agent_state_dir (const ama_agent_conf_t *conf)
{
    return conf->state_dir ? conf->state_dir : conf->dir;
}

static char *below (const char *dir, const char *name)
{
    ama_str_t path = { 0 };
    ama_str_printf (&path, "%s/%s", dir, name);
    return ama_str_take (&path);
}

static int init_files (ama_agent_t *agent, ama_err_t *err)
{
    char *own = below (agent->conf.dir, "agent"), *ends = below (own, "ends");
    int rc = mkdir (own, 0700) < 0 && errno != EEXIST
                 ? ama_err_set (err, AMA_E_IO, "%s: %s", own, strerror (errno))
                 : ama_shell_prelude_write (own, agent->trace_token, &agent->prelude, err);

    if (rc == 0)
        rc = ama_statuses_new (agent->ctx, ends, &agent->statuses, err);
    if (rc == 0)
        ama_folder_prepare (agent->conf.dir);
    free (ends);
    free (own);
    return rc;
}

static int init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    ama_agent_t *agent = state;
    int rc;

    agent->ctx = ctx;
    copy_conf (&agent->conf, config);
    random_hex (agent->token, sizeof agent->token);
    random_hex (agent->trace_token, sizeof agent->trace_token);
    randombytes_buf (&agent->incarnation, sizeof agent->incarnation);
    agent->oom_kills = count_oom_kills ();
    agent->idle = ama_timer_new (ctx, consider_leaving, agent);
    agent->hello = ama_timer_new (ctx, ama_hello_again, agent);
    agent->poster = ama_poster_new (ctx);
    agent->aheads = ama_aheads_new (agent);
    agent->gather = ama_gather_new (agent);
    agent->vaults = ama_vaults_new ();
    agent->tidy = ama_tidy_new (agent);
    agent->leftovers = ama_leftovers_new (ctx, agent->conf.own_process, agent->token);
    agent->sandbox = ama_confine_sandbox (&agent->conf);
    agent->kernels = ama_kernelspec_folders (agent->conf.jupyter_path, agent->conf.home);
    agent->conf.state_dir = agent->conf.home = agent->conf.jupyter_path = NULL; /* the caller's */
    agent->conf.sandbox_read = agent->conf.sandbox_write = agent->conf.sandbox_cgroups = NULL;
    rc = find_bash (agent, err);
    if (rc == 0)
        rc = init_files (agent, err);
    if (rc == 0)
        rc = ama_replay_init (agent, err);
    if (rc == 0 && agent->conf.guard && !(agent->guard = ama_guard_new (agent, err)))
        rc = AMA_E_CHILD;
    if (rc == 0) {
        agent->parted_ms = ama_now_ms (ctx); /* no hub yet */
        consider_leaving (agent);
    }
    return rc;
}

static void close_session (ama_session_t *session, ama_id_t id, ama_id_t run, void *arg)
{
    (void) id, (void) run, (void) arg;
    ama_session_close (session);
}

/* Everything is cancelled at once; the last one to end lets the actor go. */
static void stop (ama_ctx_t *ctx, void *state)
{
    ama_agent_t *agent = state;
    ama_attempt_t *attempt, *spare;

    agent->stopping = true;
    if (agent->conf.leaves && *agent->conf.leaves && agent->conf.own_process) {
        agent->letting_go = true;
        ama_exit (ctx, 0, "stopped; what runs goes on under its guards");
        return;
    }
    HASH_ITER (hh, agent->attempts, attempt, spare)
    {
        ama_attempt_cancel (attempt, false, true);
    }
    (void) ama_session_list (agent, close_session, NULL);
    ama_ahead_drop (agent, NULL);
    ama_timer_after (agent->idle, 0);
}

static void free_conf (ama_agent_conf_t *conf)
{
    const char *const strings[] = { conf->dir,       conf->cache_dir,  conf->runners_dir, conf->guard,
                                    conf->ward,      conf->path,       conf->lang,        conf->tz,
                                    conf->java_home, conf->spark_home, conf->secrets_dir, conf->credentials_dir };

    for (size_t i = 0; i < ARRAY_SIZE (strings); i++)
        free ((void *) strings[i]);
    ama_strv_free ((char **) conf->secrets_exec);
}

static void done (void *state)
{
    ama_agent_t *agent = state;

    while (agent->attempts) {
        if (agent->letting_go)
            agent->attempts->ward = NULL; /* it is seen off with the others */
        ama_attempt_drop (agent->attempts);
    }
    while (agent->sessions)
        ama_session_drop (agent->sessions);
    ama_tidy_destroy (&agent->tidy);
    ama_gather_destroy (&agent->gather);
    ama_s3_jars_forget (agent);
    ama_aheads_destroy (&agent->aheads);
    ama_install_forget (agent);
    ama_wards_destroy (&agent->wards);
    ama_guard_destroy (&agent->guard);
    ama_leftovers_destroy (&agent->leftovers);
    ama_sandbox_destroy (&agent->sandbox);
    ama_statuses_destroy (&agent->statuses);
    ama_poster_destroy (&agent->poster);
    ama_vaults_destroy (&agent->vaults);
    ama_timer_destroy (&agent->hello);
    ama_timer_destroy (&agent->idle);
    free (agent->bash);
    ama_strv_free (agent->kernels);
    free (agent->prelude);
    free_conf (&agent->conf);
}

static const ama_handler_t handlers[] = {
    { AMA_MSG_ATTEMPT_START, on_start },
    { AMA_MSG_ATTEMPT_PREPARE, on_prepare },
    { AMA_MSG_ATTEMPT_CANCEL, on_cancel },
    { AMA_MSG_ATTEMPT_ACK, on_ack },
    { AMA_MSG_ATTEMPT_SESSION_OPEN, on_session_open },
    { AMA_MSG_ATTEMPT_SESSION_ACK, on_session_ack },
    { AMA_MSG_ATTEMPT_SESSION_CLOSE, on_session_close },
    { AMA_MSG_ATTEMPT_CLEAN, on_clean },
    { AMA_MSG_RESOLVE_PROGRESS, on_resolve_progress },
    AMA_HANDLER_END,
};

const ama_actor_def_t ama_agent_def = {
    .name = "agent/local",
    .role = AMA_ROLE_AGENT,
    .state_size = sizeof (ama_agent_t),
    .init = init,
    .stop = stop,
    .done = done,
    .peer_gone = peer_gone,
    .joined = joined,
    .parted = parted,
    .handlers = handlers,
};
