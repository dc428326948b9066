/* session.c - a Spark session: installing, starting, ready, ending
 *
 * Called by the agent actor and the Scala runner, on the agent's thread.
 *
 *     INSTALLING ──install.sh has said where things are──▶ STARTING ──ama_session_reply, jars are in──▶ READY ──close──▶ CLOSING
 *
 * From every state the end of the child leads to ENDED: leftovers are cleared, attempts and supervisor are told. What ended it is known by then:
 * `reason` if we killed it, else the exit status and the last lines of the kernel's log. A kernel that leaves on its own in the middle of a
 * statement has said why on its sockets, and its end may be seen first: PARTING gives those words a moment.
 */
#include "agent/session.h"

#include "actors/base/ama_failpoint.h"
#include "actors/base/ama_log.h"
#include "actors/runtime/ama_child.h"
#include "agent/runners/spark/session_files.h"
#include "agent/runners/spark/session_log.h"
#include "agent/secret_ask.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define START_MS 600000 /* for the JVM until Spark is up */
#define CLOSE_MS 8000
#define PART_MS  100

typedef enum { INSTALLING, STARTING, READY, CLOSING, PARTING, ENDED } state_t;

struct ama_session {
    ama_agent_t *agent;
    ama_id_t id, run;
    state_t state;
    ama_session_files_t files;
    ama_vault_t *vault;
    ama_attempt_session_open_t asked; /* owned while ask is not NULL */
    ama_secret_list_t secrets;
    ama_secret_ask_t *ask;
    ama_session_log_t *log; /* NULL: the kernel writes it itself */
    char key[33];
    ama_jupyter_t *client;
    ama_child_t *child;
    pid_t group;
    ama_str_t said;    /* by install.sh on its standard output */
    ama_str_t telling; /* a line of its standard error */
    char *last_told;
    ama_timer_t *timer; /* of the state */
    int64_t begun_ms;
    unsigned connections;
    char *reason; /* why we ended it, NULL if we did not */
    ama_child_end_t how;
    ama_session_state_t end;
    char *end_detail;
    UT_hash_handle hh;
};

/* ---- telling ---- */

static void tell (ama_session_t *session, ama_session_state_t state, const char *detail)
{
    char *masked = ama_vault_mask (session->vault, detail);
    ama_attempt_session_status_t status = {
        .session = session->id,
        .run = session->run,
        .state = state,
        .detail = ama_text_fit (masked, strlen (masked), AMA_ATTEMPT_SESSION_STATUS_DETAIL_MAX),
        .ms = ama_now_ms (session->agent->ctx) - session->begun_ms,
    };

    ama_statuses_session (session->agent->statuses, &status);
    free (status.detail);
    free (masked);
}

/* ---- the end ---- */

static void end_ask (ama_session_t *session)
{
    if (session->ask)
        ama_attempt_session_open_done (&session->asked);
    ama_secret_ask_destroy (&session->ask);
    ama_secret_list_done (&session->secrets);
}

static void release (ama_session_t *session)
{
    ama_agent_t *agent = session->agent;

    HASH_DEL (agent->sessions, session);
    ama_jupyter_destroy (&session->client);
    if (session->child) {
        ama_child_kill (session->child, true);
        ama_leftovers_forget (agent->leftovers, ama_child_pid (session->child));
        ama_child_release (&session->child);
    }
    end_ask (session);
    ama_session_log_destroy (&session->log);
    ama_vault_release (agent->vaults, &session->vault);
    ama_session_files_done (&session->files);
    ama_str_done (&session->said);
    ama_str_done (&session->telling);
    ama_timer_destroy (&session->timer);
    free (session->last_told);
    free (session->reason);
    free (session->end_detail);
    free (session);
    ama_agent_less (agent);
}

static void on_cleared (bool ok, void *arg)
{
    ama_session_t *session = arg;

    if (!ok)
        ama_log (AMA_LOG_ERROR, "agent", "a Spark session left processes that can not be killed");
    ama_agent_remember (session->agent, session->id);
    tell (session, session->end, session->end_detail);
    release (session);
}

static void end_attempts (ama_session_t *session, const char *cause, const char *reason)
{
    ama_attempt_t *attempt, *spare;

    HASH_ITER (hh, session->agent->attempts, attempt, spare)
    {
        if (attempt->runner == &ama_scala_runner && ama_id_equal (attempt->session, session->id)
            && !ama_attempt_has_ended (attempt))
            ama_scala_session_lost (attempt, cause, reason);
    }
}

/* Takes detail. */
static void end (ama_session_t *session, ama_session_state_t state, char *detail, const char *cause)
{
    session->state = ENDED;
    session->end = state;
    session->end_detail = detail;
    ama_timer_cancel (session->timer);
    ama_jupyter_destroy (&session->client);
    end_attempts (session, cause, detail);
    ama_leftovers_clear (
        session->agent->leftovers,
        &(ama_leftovers_of_t){ .group = session->group,
                               .mark = session->id,
                               .folder = session->files.folder,
                               .last = !session->agent->attempts && HASH_COUNT (session->agent->sessions) == 1 },
        on_cleared, session);
}

static void end_unasked (ama_session_t *session, ama_session_state_t state)
{
    bool oom = false;
    char *detail;

    if (session->reason)
        detail = ama_strdup (session->reason);
    else
        detail = ama_session_explain (&session->files, &session->how, ama_agent_oom_seen (session->agent), &oom);
    end (session, state, detail, oom ? "oom" : "session-lost");
}

static void on_kernel_end (ama_child_t *child, const ama_child_end_t *how, void *arg)
{
    ama_session_t *session = arg;

    ama_leftovers_forget (session->agent->leftovers, ama_child_pid (child));
    session->child = NULL;
    session->how = *how;
    ama_session_log_destroy (&session->log); /* its last lines are looked at */
    if (session->state == CLOSING)
        end (session, AMA_SESSION_STATE_CLOSED, ama_strdup (""), "session-lost");
    else if (session->state == READY && !how->signal) {
        session->state = PARTING;
        ama_timer_after (session->timer, PART_MS);
    }
    else
        end_unasked (session, session->state == READY ? AMA_SESSION_STATE_LOST : AMA_SESSION_STATE_FAILED);
}

void ama_session_kill (ama_session_t *session, const char *reason)
{
    if (!session->reason)
        session->reason = ama_strdup (reason);
    if (session->child)
        ama_child_kill (session->child, true);
}

static void on_timer (void *arg)
{
    ama_session_t *session = arg;

    if (session->state == PARTING) {
        end_unasked (session, AMA_SESSION_STATE_LOST);
        return;
    }
    ama_session_kill (session, session->state == CLOSING ? "it did not end when asked to"
                                                         : "Spark did not start within ten minutes");
}

static void on_silent (void *arg)
{
    ama_session_kill (arg, "the Spark driver has not reacted for a minute");
}

void ama_session_close (ama_session_t *session)
{
    if (session->state >= CLOSING)
        return;
    if (session->ask) {
        end_ask (session);
        end (session, AMA_SESSION_STATE_CLOSED, ama_strdup (""), "session-lost");
        return;
    }
    if (session->state < READY || !session->client) {
        session->state = CLOSING;
        ama_child_kill (session->child, true);
        return;
    }
    AMA_FAILPOINT (session, closing);
    session->state = CLOSING;
    ama_jupyter_control (session->client, "shutdown_request", json_pack ("{s:b}", "restart", 0), 0, NULL, NULL);
    ama_timer_after (session->timer, CLOSE_MS);
}

void ama_session_drop (ama_session_t *session)
{
    release (session);
}

/* ---- ready ---- */

static void become_ready (ama_session_t *session, const char *detail)
{
    AMA_FAILPOINT (session, ready);
    session->state = READY;
    ama_timer_cancel (session->timer);
    tell (session, AMA_SESSION_STATE_READY, detail);
}

static void on_jars (const json_t *content, const ama_err_t *err, void *arg)
{
    ama_session_t *session = arg;

    if (session->state != STARTING)
        return;
    if (err || strcmp (ama_jupyter_string (content, "status"), "ok") != 0)
        ama_session_kill (session, err ? err->text : ama_jupyter_string (content, "evalue"));
    else
        become_ready (session, session->last_told);
}

static void on_spark (const json_t *content, const ama_err_t *err, void *arg)
{
    ama_session_t *session = arg;
    json_int_t cores;
    ama_str_t detail = { 0 };

    if (session->state != STARTING)
        return;
    if (err || strcmp (ama_jupyter_string (content, "status"), "ok") != 0) {
        ama_session_kill (session, err ? err->text : ama_jupyter_string (content, "evalue"));
        return;
    }
    cores = json_integer_value (json_object_get (content, "cores"));
    ama_str_printf (&detail, "Spark %s %s, %lld core%s", ama_jupyter_string (content, "version"),
                    ama_jupyter_string (content, "master"), (long long) cores, cores == 1 ? "" : "s");
    free (session->last_told);
    session->last_told = ama_str_take (&detail);
    if (json_array_size (session->files.jars))
        ama_jupyter_control (session->client, "ama_jar_request", json_pack ("{s:O}", "paths", session->files.jars),
                             START_MS, on_jars, session);
    else
        become_ready (session, session->last_told);
}

/* ---- starting ---- */

static void on_kernel_output (ama_child_t *child, int channel, const char *bytes, size_t size, void *arg)
{
    ama_session_t *session = arg;

    (void) child, (void) channel;
    ama_session_log_add (session->log, bytes, size);
}

/* What is written where it can not be masked is written through the agent. */
static void set_log (ama_session_t *session, ama_child_spec_t *spec)
{
    if (ama_secrets_possible (session->agent)
        && (session->log = ama_session_log_new (session->files.log, ama_vault_masker (session->vault)))) {
        spec->on_output = on_kernel_output;
        spec->stderr_to_stdout = true;
    }
    else
        spec->stdout_file = spec->stderr_file = session->files.log;
}

static int start_kernel (ama_session_t *session, ama_err_t *err)
{
    ama_agent_t *agent = session->agent;
    const char *argv[] = { agent->bash, session->files.kernel, session->files.connection, NULL };
    ama_jupyter_conf_t conf = { .key = session->key, .on_silent = on_silent, .arg = session };
    char *prefix = ama_session_prefix (session);
    ama_env_t env = { 0 };
    ama_child_spec_t spec = { .argv = argv,
                              .cwd = session->files.folder,
                              .input = session->files.spark_secrets,
                              .input_size = session->files.spark_secrets ? strlen (session->files.spark_secrets) : 0,
                              .on_exit = on_kernel_end,
                              .arg = session };
    int rc = ama_session_write_connection (&session->files, prefix, session->key, err);

    conf.prefix = prefix;
    if (rc == 0 && !(session->client = ama_jupyter_new (agent->ctx, &conf, err)))
        rc = AMA_E_INVALID;
    free (prefix);
    if (rc < 0)
        return rc;
    ama_session_kernel_env (&session->files, agent, session->id, &env);
    spec.env = (const char *const *) env.items;
    set_log (session, &spec);
    ama_confine_read (session->files.confine, session->files.spark_home);
    ama_confine_read (session->files.confine, session->files.kernel_jar);
    ama_confine_read (session->files.confine, session->files.cds_archive);
    AMA_FAILPOINT (session, before_spawn);
    if (ama_confine_apply (session->files.confine, &spec, err) == 0)
        session->child = ama_child_spawn (agent->ctx, &spec, err);
    AMA_FAILPOINT (session, after_spawn);
    ama_env_done (&env);
    if (!session->child)
        return AMA_E_CHILD;
    session->group = ama_child_pid (session->child);
    ama_sandbox_settle (agent->sandbox, session->group);
    ama_leftovers_know (agent->leftovers, session->group);
    ama_jupyter_control (session->client, "ama_session_request", NULL, 0, on_spark, session);
    ama_timer_after (session->timer, START_MS);
    return 0;
}

/* ---- installing ---- */

static void tell_line (ama_session_t *session)
{
    static const char prefix[] = "spark:";
    const char *line = session->telling.data;

    if (ama_str_starts (line, prefix))
        line += sizeof prefix - 1;
    line += strspn (line, " \t");
    if (!*line)
        return;
    free (session->last_told);
    session->last_told = ama_text_fit (line, strlen (line), AMA_ATTEMPT_SESSION_STATUS_DETAIL_MAX);
    tell (session, AMA_SESSION_STATE_OPENING, session->last_told);
}

static void on_installer_output (ama_child_t *child, int channel, const char *bytes, size_t size, void *arg)
{
    ama_session_t *session = arg;

    (void) child;
    if (channel == 1 && session->said.size + size < 65536)
        ama_str_add (&session->said, bytes, size);
    for (size_t i = 0; channel == 2 && i < size; i++) {
        if (bytes[i] != '\n' && session->telling.size < 2000)
            ama_str_putc (&session->telling, bytes[i]);
        if (bytes[i] == '\n' && session->telling.size) {
            tell_line (session);
            ama_str_clear (&session->telling);
        }
    }
}

static void on_installed (ama_child_t *child, const ama_child_end_t *how, void *arg)
{
    ama_session_t *session = arg;
    ama_err_t err = { 0 };
    char *detail = NULL;

    ama_leftovers_forget (session->agent->leftovers, ama_child_pid (child));
    session->child = NULL;
    if (session->state == CLOSING) {
        end (session, AMA_SESSION_STATE_CLOSED, ama_strdup (""), "session-lost");
        return;
    }
    if (how->code != 0)
        detail = ama_strdup (session->last_told ? session->last_told : "Spark could not be installed");
    else if (ama_session_take_installed (&session->files, session->said.data, &err) < 0)
        detail = ama_strdup (err.text);
    if (!detail) {
        session->state = STARTING;
        tell (session, AMA_SESSION_STATE_OPENING, "starting Spark");
        if (start_kernel (session, &err) < 0)
            detail = ama_strdup (err.text);
    }
    if (detail)
        end (session, AMA_SESSION_STATE_FAILED, detail, "session-lost");
}

/* With the agent's own environment, since it may need a proxy; `env` adds the marks. */
static int start_installer (ama_session_t *session, ama_err_t *err)
{
    ama_agent_t *agent = session->agent;
    char guard[64], mark[64], java[1024], spark[1024], id[AMA_ID_TEXT];
    const char *argv[10] = { "env", guard, mark };
    int n = 3;
    ama_child_spec_t spec = { .argv = argv,
                              .cwd = session->files.folder,
                              .on_output = on_installer_output,
                              .on_exit = on_installed,
                              .arg = session };

    (void) snprintf (guard, sizeof guard, "AMA_GUARD=%s", agent->token);
    (void) snprintf (mark, sizeof mark, AMA_MARK "=%s", ama_id_text (session->id, id));
    if (agent->conf.java_home
        && snprintf (java, sizeof java, "JAVA_HOME=%s", agent->conf.java_home) < (int) sizeof java)
        argv[n++] = java;
    if (agent->conf.spark_home
        && snprintf (spark, sizeof spark, "SPARK_HOME=%s", agent->conf.spark_home) < (int) sizeof spark)
        argv[n++] = spark;
    argv[n++] = agent->bash;
    argv[n++] = session->files.install;
    argv[n++] = agent->conf.cache_dir;
    session->child = ama_child_spawn (agent->ctx, &spec, err);
    if (!session->child)
        return AMA_E_CHILD;
    session->group = ama_child_pid (session->child);
    ama_leftovers_know (agent->leftovers, session->group);
    return 0;
}

static int begin (ama_session_t *session, const ama_attempt_session_open_t *open, ama_err_t *err)
{
    int rc = ama_session_files_make (session->agent, open, &session->secrets, &session->files, err);

    return rc == 0 ? start_installer (session, err) : rc;
}

static void on_asked (const ama_secret_trouble_t *trouble, void *arg)
{
    ama_session_t *session = arg;
    char *detail = trouble ? ama_strdup (trouble->message) : NULL;
    ama_err_t err = { 0 };

    if (!detail && begin (session, &session->asked, &err) < 0)
        detail = ama_strdup (err.text);
    end_ask (session);
    if (detail)
        end (session, AMA_SESSION_STATE_FAILED, detail, "session-lost");
}

/* Of its actions' configuration it needs none itself: an action that lacks one says so. */
static void ask_for_secrets (ama_session_t *session, const ama_attempt_session_open_t *open)
{
    const ama_plan_environment_t *env = &open->environment;

    ama_attempt_session_open_copy (open, &session->asked);
    ama_secret_list_add (&session->secrets, env->spark, env->n_spark, true);
    ama_secret_list_add (&session->secrets, env->spark_env, env->n_spark_env, true);
    ama_secret_list_add (&session->secrets, env->configuration, env->n_configuration, false);
    session->ask = ama_secret_ask_new (session->agent, open->run, session->vault, &session->secrets, env->name,
                                       open->job, session->id, on_asked, session);
}

static bool refers_to_secrets (const ama_plan_environment_t *env)
{
    return ama_secret_refs_in (env->configuration, env->n_configuration)
           || ama_secret_refs_in (env->spark, env->n_spark) || ama_secret_refs_in (env->spark_env, env->n_spark_env);
}

void ama_session_open (ama_agent_t *agent, const ama_attempt_session_open_t *open)
{
    ama_session_t *session = ama_calloc (1, sizeof *session);
    unsigned char bytes[16];
    ama_err_t err = { 0 };

    session->agent = agent;
    session->id = open->session;
    session->run = open->run;
    session->begun_ms = ama_now_ms (agent->ctx);
    session->timer = ama_timer_new (agent->ctx, on_timer, session);
    session->vault = ama_vault_hold (agent->vaults, open->run);
    randombytes_buf (bytes, sizeof bytes);
    (void) sodium_bin2hex (session->key, sizeof session->key, bytes, sizeof bytes);
    HASH_ADD (hh, agent->sessions, id, sizeof session->id, session);
    if (refers_to_secrets (&open->environment))
        ask_for_secrets (session, open);
    else if (begin (session, open, &err) < 0)
        end (session, AMA_SESSION_STATE_FAILED, ama_strdup (err.text), "session-lost");
}

/* ---- what others ask ---- */

ama_session_t *ama_session_find (const ama_agent_t *agent, ama_id_t id)
{
    ama_session_t *session;

    HASH_FIND (hh, agent->sessions, &id, sizeof id, session);
    return session;
}

size_t ama_session_list (const ama_agent_t *agent,
                         void (*fn) (ama_session_t *session, ama_id_t id, ama_id_t run, void *arg), void *arg)
{
    ama_session_t *session, *spare;
    size_t count = HASH_COUNT (agent->sessions);

    HASH_ITER (hh, agent->sessions, session, spare)
    {
        if (fn)
            fn (session, session->id, session->run, arg);
    }
    return count;
}

bool ama_session_is_ready (const ama_session_t *session)
{
    return session->state == READY && !session->reason;
}

ama_jupyter_t *ama_session_control (ama_session_t *session)
{
    return session->client;
}

char *ama_session_prefix (ama_session_t *session)
{
    ama_str_t prefix = { 0 };
    ama_str_printf (&prefix, "%s/%u", session->files.sockets, session->connections++);
    return ama_str_take (&prefix);
}

const char *ama_session_note (const ama_session_t *session)
{
    return session->files.note;
}

const char *ama_session_key (const ama_session_t *session)
{
    return session->key;
}
