/* harness.c - see harness.h. The stand-ins run on threads of a node; what they hear lies behind one lock. */
#include "tests/agent/harness_inside.h"

#include "actors/base/ama_str.h"
#include "messages/ama_types.h"
#include "messages/lease.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

#include <cmocka.h>

extern char **environ;

/* ---- stand-ins ---- */

typedef struct {
    harness_t *harness;
    ama_ctx_t *ctx;
    ama_watch_t *watch;
} stand_in_t;

heard_t *harness_heard_of (harness_t *harness, ama_id_t id)
{
    heard_t *heard;

    for (heard = harness->heard; heard; heard = heard->next)
        if (ama_id_equal (heard->id, id))
            return heard;
    heard = ama_calloc (1, sizeof *heard);
    heard->id = id;
    LL_PREPEND (harness->heard, heard);
    return heard;
}

static int on_post (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    harness_t *harness = ((stand_in_t *) state)->harness;
    const ama_report_post_t *post = body;
    ama_waiter_t waiter = ama_waiter (envelope);
    ama_report_posted_t posted = { .source = post->source };
    heard_t *heard;

    (void) err;
    (void) pthread_mutex_lock (&harness->lock);
    heard = harness_heard_of (harness, post->source);
    for (size_t i = 0; i < post->n_events && !harness->deaf; i++) {
        size_t no = post->first + i;
        if (no > heard->n_events) {
            heard->events = ama_realloc (heard->events, (no + 1) * sizeof *heard->events);
            memset (heard->events + heard->n_events + 1, 0, (no - heard->n_events) * sizeof *heard->events);
            heard->n_events = no;
        }
        if (!heard->events[no]) {
            heard->events[no] = ama_malloc (sizeof **heard->events);
            ama_report_event_copy (&post->events[i], heard->events[no]);
        }
    }
    while (posted.upto < heard->n_events && heard->events[posted.upto + 1])
        posted.upto++;
    if (!harness->deaf && !harness->mute)
        (void) ama_reply (ctx, &waiter, AMA_MSG_REPORT_POSTED, &posted);
    (void) pthread_cond_broadcast (&harness->news);
    (void) pthread_mutex_unlock (&harness->lock);
    return 0;
}

static int on_progress (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    (void) ctx, (void) state, (void) envelope, (void) body, (void) err;
    return 0;
}

typedef struct {
    harness_t *harness;
    ama_attempt_status_t end;
} ended_t;

static void on_reporter_knows (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                               void *arg)
{
    ended_t *ended = arg;
    harness_t *harness = ended->harness;
    heard_t *heard;

    (void) ctx, (void) envelope, (void) body, (void) err;
    (void) pthread_mutex_lock (&harness->lock);
    heard = harness_heard_of (harness, ended->end.attempt);
    if (!heard->end) {
        heard->end = ama_malloc (sizeof *heard->end);
        *heard->end = ended->end;
    }
    else
        ama_attempt_status_done (&ended->end);
    (void) pthread_cond_broadcast (&harness->news);
    (void) pthread_mutex_unlock (&harness->lock);
    free (ended);
}

/* As the real one does, the supervisor then posts an event of its own: what the agent sent before must be there before it. */
static void tell_reporter (ama_ctx_t *ctx, harness_t *harness, const ama_attempt_status_t *status)
{
    ended_t *ended = ama_malloc (sizeof *ended);
    ama_report_post_t post = { .first = 1 };

    ended->harness = harness;
    ama_attempt_status_copy (status, &ended->end);
    (void) ama_ask (ctx, "reporter", AMA_MSG_REPORT_POST, &post, 1000, 0, on_reporter_knows, ended);
}

static int on_status (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    harness_t *harness = ((stand_in_t *) state)->harness;
    const ama_attempt_status_t *status = body;
    ama_attempt_ack_t ack = { .attempt = status->attempt, .state = status->state };
    heard_t *heard;

    (void) err;
    (void) pthread_mutex_lock (&harness->lock);
    heard = harness_heard_of (harness, status->attempt);
    heard->told[status->state % 16]++;
    if (status->state >= AMA_ATTEMPT_STATE_SUCCEEDED && !heard->end)
        tell_reporter (ctx, harness, status);
    if (!harness->supervisor_mute)
        (void) ama_tell (ctx, envelope->src, AMA_MSG_ATTEMPT_ACK, &ack);
    (void) pthread_cond_broadcast (&harness->news);
    (void) pthread_mutex_unlock (&harness->lock);
    return 0;
}

static int on_session_status (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body,
                              ama_err_t *err)
{
    harness_t *harness = ((stand_in_t *) state)->harness;
    const ama_attempt_session_status_t *status = body;
    ama_attempt_session_ack_t ack = { .session = status->session, .state = status->state };
    heard_t *heard;

    (void) err;
    (void) pthread_mutex_lock (&harness->lock);
    heard = harness_heard_of (harness, status->session);
    heard->told[status->state % 16]++;
    heard->session = ama_malloc (sizeof *heard->session);
    heard->told_sessions = ama_realloc (heard->told_sessions, (heard->n_sessions + 1) * sizeof *heard->told_sessions);
    heard->told_sessions[heard->n_sessions++] = heard->session;
    ama_attempt_session_status_copy (status, heard->session);
    if (!harness->supervisor_mute)
        (void) ama_tell (ctx, envelope->src, AMA_MSG_ATTEMPT_SESSION_ACK, &ack);
    (void) pthread_cond_broadcast (&harness->news);
    (void) pthread_mutex_unlock (&harness->lock);
    return 0;
}

static int on_hello (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    harness_t *harness = ((stand_in_t *) state)->harness;
    const ama_lease_agent_hello_t *hello = body;
    ama_waiter_t waiter = ama_waiter (envelope);

    (void) err;
    (void) ama_reply (ctx, &waiter, AMA_MSG_LEASE_AGENT_WELCOME, NULL);
    (void) pthread_mutex_lock (&harness->lock);
    harness->hellos++;
    harness->last_held = hello->n_held;
    harness->agent_pid = (pid_t) hello->pid;
    (void) snprintf (harness->agent_name, sizeof harness->agent_name, "%.31s", hello->agent);
    (void) pthread_cond_broadcast (&harness->news);
    (void) pthread_mutex_unlock (&harness->lock);
    return 0;
}

static void on_taken (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err, void *arg)
{
    (void) ctx, (void) envelope, (void) body, (void) arg;
    if (err)
        (void) fprintf (stderr, "not taken: %s\n", err->text);
}

static void on_orders (int fd, short revents, void *arg)
{
    stand_in_t *self = arg;
    harness_t *harness = self->harness;
    uint64_t count;

    (void) revents;
    (void) !read (fd, &count, sizeof count);
    (void) pthread_mutex_lock (&harness->lock);
    while (harness->orders) {
        order_t *order = harness->orders;
        const ama_message_info_t *info = ama_message_info (order->type);

        LL_DELETE (harness->orders, order);
        if (info->reply)
            (void) ama_ask (self->ctx, "agent/local", order->type, order->body, 10000, 0, on_taken, NULL);
        else
            (void) ama_tell (self->ctx, "agent/local", order->type, order->body);
        info->done (order->body);
        free (order->body);
        free (order);
    }
    (void) pthread_mutex_unlock (&harness->lock);
}

static int init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    stand_in_t *self = state;

    (void) err;
    self->ctx = ctx;
    self->harness = *(harness_t *const *) config;
    if (strcmp (ama_self (ctx), "supervisor") == 0)
        self->watch = ama_watch_new (ctx, self->harness->wake, POLLIN, on_orders, self);
    return 0;
}

static void done (void *state)
{
    ama_watch_destroy (&((stand_in_t *) state)->watch);
}

static const ama_handler_t supervisor_handlers[] = { { AMA_MSG_ATTEMPT_STATUS, on_status },
                                                     { AMA_MSG_ATTEMPT_SESSION_STATUS, on_session_status },
                                                     AMA_HANDLER_END };
static const ama_handler_t broker_handlers[] = { { AMA_MSG_LEASE_AGENT_HELLO, on_hello }, AMA_HANDLER_END };
static const ama_handler_t reporter_handlers[] = { { AMA_MSG_REPORT_POST, on_post },
                                                   { AMA_MSG_REPORT_PROGRESS, on_progress },
                                                   AMA_HANDLER_END };

static const ama_actor_def_t stand_ins[] = {
    { .name = "supervisor",
      .role = AMA_ROLE_SUPERVISOR,
      .state_size = sizeof (stand_in_t),
      .init = init,
      .done = done,
      .handlers = supervisor_handlers },
    { .name = "broker",
      .role = AMA_ROLE_BROKER,
      .state_size = sizeof (stand_in_t),
      .init = init,
      .done = done,
      .handlers = broker_handlers },
    { .name = "reporter",
      .role = AMA_ROLE_REPORTER,
      .state_size = sizeof (stand_in_t),
      .init = init,
      .done = done,
      .handlers = reporter_handlers },
};

/* ---- life ---- */

static void start_hub (harness_t *harness)
{
    const char *listen[] = { harness->endpoint, NULL };
    ama_node_conf_t conf = { .listen = listen, .epoch = ++harness->epoch };
    ama_err_t err = { 0 };

    harness->node = ama_node_new (&conf, &err);
    if (!harness->node)
        fail_msg ("%s", err.text);
    for (size_t i = 0; i < ARRAY_SIZE (stand_ins); i++)
        if (ama_node_start (harness->node, &stand_ins[i], NULL, &harness, &err) < 0)
            fail_msg ("%s", err.text);
}

static void binary (char *path, size_t size, const char *name)
{
    (void) snprintf (path, size, "%s/bin/%s", getenv ("AMA_BINARY_DIR"), name);
}

static void start_process (harness_t *harness)
{
    char program[512], quota[32];
    const char *argv[24] = { program, "--connect", harness->endpoint, "--dir", harness->dir, "--log-level", "warn" };
    int n = 7;
    pid_t pid;

    binary (program, sizeof program, "ama-agent");
    (void) snprintf (quota, sizeof quota, "%d", 2);
    argv[n++] = "--cpus";
    argv[n++] = quota;
    if (harness->conf.runners_dir) {
        argv[n++] = "--runners";
        argv[n++] = harness->conf.runners_dir;
    }
    if (posix_spawn (&pid, program, NULL, NULL, (char *const *) argv, environ) != 0)
        fail_msg ("%s does not start", program);
    harness->agent_pid = pid;
}

static void start_thread (harness_t *harness)
{
    char guard[512], ward[512];
    ama_agent_conf_t conf = {
        .dir = harness->dir,
        .state_dir = "/nowhere", /* out and work lie in the agent's own folder here */
        .cache_dir = harness->conf.cache_dir ? harness->conf.cache_dir : "/nowhere",
        .runners_dir = harness->conf.runners_dir,
        .spark_home = harness->conf.spark_home,
        .java_home = harness->conf.java_home,
        .guard = harness->conf.guard ? guard : NULL,
        .ward = ward,
        .cpus = 2,
        .memory = 4ull << 30,
        .path = getenv ("PATH"),
        .lang = "C.UTF-8",
        .output_quota = harness->conf.output_quota,
        .grace_ms = harness->conf.grace_ms,
        .stall_ms = harness->conf.stall_ms,
        .ahead_ms = harness->conf.ahead_ms,
    };
    ama_err_t err = { 0 };

    binary (guard, sizeof guard, "ama-guard");
    binary (ward, sizeof ward, "ama-ward");
    if (ama_node_start (harness->node, &ama_agent_def, NULL, &conf, &err) < 0)
        fail_msg ("%s", err.text);
}

void harness_start_agent (harness_t *harness)
{
    unsigned before = harness_hellos (harness);

    if (harness->conf.process)
        start_process (harness);
    else
        start_thread (harness);
    harness_wait_hellos (harness, before + 1);
}

harness_t *harness_new (const harness_conf_t *conf)
{
    harness_t *harness = ama_calloc (1, sizeof *harness);
    static bool prepared;

    if (!prepared)
        ama_node_prepare ();
    prepared = true;
    harness->conf = *conf;
    (void) snprintf (harness->dir, sizeof harness->dir, "/tmp/ama-agent-test-XXXXXX");
    assert_non_null (mkdtemp (harness->dir));
    (void) snprintf (harness->repo, sizeof harness->repo, "%s/repo", harness->dir);
    assert_int_equal (mkdir (harness->repo, 0700), 0);
    (void) snprintf (harness->endpoint, sizeof harness->endpoint, "ipc://%s/hub.sock", harness->dir);
    (void) pthread_mutex_init (&harness->lock, NULL);
    (void) pthread_cond_init (&harness->news, NULL);
    harness->wake = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
    start_hub (harness);
    harness_start_agent (harness);
    return harness;
}

static void forget (heard_t *heard)
{
    if (heard->end)
        ama_attempt_status_done (heard->end);
    free (heard->end);
    for (size_t i = 0; i < heard->n_sessions; i++) {
        ama_attempt_session_status_done (heard->told_sessions[i]);
        free (heard->told_sessions[i]);
    }
    free (heard->told_sessions);
    for (size_t i = 1; i <= heard->n_events; i++)
        if (heard->events[i]) {
            ama_report_event_done (heard->events[i]);
            free (heard->events[i]);
        }
    free (heard->events);
    free (heard);
}

void harness_destroy (harness_t **harness)
{
    char command[128];
    pid_t pid = (*harness)->agent_pid;

    if ((*harness)->conf.process && pid > 0) {
        (void) kill (pid, SIGINT);
        (void) waitpid (pid, NULL, 0);
    }
    if ((*harness)->node)
        ama_node_destroy (&(*harness)->node, 15000);
    while ((*harness)->heard) {
        heard_t *heard = (*harness)->heard;
        LL_DELETE ((*harness)->heard, heard);
        forget (heard);
    }
    (void) close ((*harness)->wake);
    (void) snprintf (command, sizeof command, "rm -rf %s", (*harness)->dir);
    (void) !system (command);
    free (*harness);
    *harness = NULL;
}

const char *harness_dir (const harness_t *harness)
{
    return harness->dir;
}

const char *harness_repo (const harness_t *harness)
{
    return harness->repo;
}

pid_t harness_agent_pid (const harness_t *harness)
{
    return harness->agent_pid;
}

void harness_kill_agent (harness_t *harness)
{
    assert_true (harness->conf.process);
    (void) kill (harness->agent_pid, SIGKILL);
    (void) waitpid (harness->agent_pid, NULL, 0);
}

/* ---- sending ---- */

static void send_order (harness_t *harness, uint16_t type, void *body)
{
    order_t *order = ama_calloc (1, sizeof *order);
    uint64_t one = 1;

    order->type = type;
    order->body = body;
    (void) pthread_mutex_lock (&harness->lock);
    LL_APPEND (harness->orders, order);
    (void) pthread_mutex_unlock (&harness->lock);
    (void) !write (harness->wake, &one, sizeof one);
}

static ama_id_t new_id (void)
{
    return ama_id_new (ama_wall_ms (ama_clock_system ()));
}

void harness_file (harness_t *harness, const char *name, const char *text)
{
    char path[256];
    FILE *file;

    (void) snprintf (path, sizeof path, "%s/%s", harness->repo, name);
    file = fopen (path, "w");
    assert_non_null (file);
    (void) fputs (text, file);
    assert_int_equal (fclose (file), 0);
}

static char *under (const char *dir, const char *name)
{
    ama_str_t path = { 0 };
    ama_str_printf (&path, "%s/%s", dir, name);
    return ama_str_take (&path);
}

static void fill_environment (harness_t *harness, ama_plan_environment_t *env, const char *master)
{
    env->name = ama_strdup ("dev");
    env->label = ama_strdup ("development");
    env->master = ama_strdup (master);
    env->input_root = under (harness->dir, "in");
    env->output_root = under (harness->dir, "out");
    env->working_dir = under (harness->dir, "work");
}

ama_attempt_start_t *harness_prepare (harness_t *harness, const char *runner, const char *file)
{
    ama_attempt_start_t *start = ama_calloc (1, sizeof *start);

    start->attempt = new_id ();
    start->run = new_id ();
    start->job = ama_strdup ("a job");
    start->action = ama_strdup ("step");
    start->no = 1;
    start->runner = ama_strdup (runner);
    start->file = ama_strdup (file);
    start->snapshot = ama_strdup (harness->repo);
    fill_environment (harness, &start->environment, "local[2]");
    start->cpus = 0.1;
    return start;
}

ama_id_t harness_start (harness_t *harness, ama_attempt_start_t *start)
{
    ama_id_t id = start->attempt;

    send_order (harness, AMA_MSG_ATTEMPT_START, start);
    return id;
}

void harness_announce (harness_t *harness, const ama_attempt_start_t *start)
{
    ama_attempt_prepare_t *prepare = ama_calloc (1, sizeof *prepare);

    prepare->run = start->run;
    prepare->job = ama_strdup (start->job);
    prepare->snapshot = ama_strdup (start->snapshot);
    fill_environment (harness, &prepare->environment, "local[2]");
    prepare->next = ama_calloc (1, sizeof *prepare->next);
    prepare->n_next = 1;
    prepare->next[0] =
        (ama_attempt_next_t){ .action = ama_strdup (start->action), .no = start->no, .file = ama_strdup (start->file) };
    send_order (harness, AMA_MSG_ATTEMPT_PREPARE, prepare);
}

ama_id_t harness_shell (harness_t *harness, const char *script)
{
    static unsigned count;
    char name[32];

    (void) snprintf (name, sizeof name, "script%u.sh", ++count);
    harness_file (harness, name, script);
    return harness_start (harness, harness_prepare (harness, "shell", name));
}

void harness_cancel (harness_t *harness, ama_id_t attempt, bool timed_out, bool force)
{
    ama_attempt_cancel_t *cancel = ama_calloc (1, sizeof *cancel);

    *cancel = (ama_attempt_cancel_t){ .attempt = attempt, .timed_out = timed_out, .force = force };
    send_order (harness, AMA_MSG_ATTEMPT_CANCEL, cancel);
}

ama_id_t harness_session (harness_t *harness, const char *master, const char *const *jars, size_t n_jars)
{
    ama_attempt_session_open_t *open = ama_calloc (1, sizeof *open);

    open->session = new_id ();
    open->run = new_id ();
    open->job = ama_strdup ("a job");
    open->snapshot = ama_strdup (harness->repo);
    fill_environment (harness, &open->environment, master);
    open->cpus = 2;
    open->memory = 1u << 30;
    open->jars = ama_calloc (n_jars, sizeof *open->jars);
    for (; open->n_jars < n_jars; open->n_jars++)
        open->jars[open->n_jars] = ama_strdup (jars[open->n_jars]);
    ama_id_t id = open->session;
    send_order (harness, AMA_MSG_ATTEMPT_SESSION_OPEN, open);
    return id;
}

void harness_close_session (harness_t *harness, ama_id_t session)
{
    ama_attempt_session_close_t *close_it = ama_calloc (1, sizeof *close_it);

    close_it->session = session;
    send_order (harness, AMA_MSG_ATTEMPT_SESSION_CLOSE, close_it);
}
