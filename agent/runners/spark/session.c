/* session.c - a Spark session: installing, starting, ready, ending
 *
 * Called by the agent actor and the Scala runner, on the agent's thread.
 *
 *     INSTALLING ──install.sh has said where things are──▶ STARTING ──ama_session_reply, jars are in──▶ READY ──close──▶ CLOSING
 *
 * The kernel runs under a guard (ward.h) that outlives the agent; its tape says what the next agent needs to go on with it, which begins in RETURNING until the guard
 * has told how things stand, and then is STARTING or READY. From every state the end of the child leads to ENDED: leftovers are cleared, attempts and supervisor are
 * told. What ended it is known by then: `reason` if we killed it, else the exit status and the last lines of the kernel's log.
 */
#include "agent/session.h"

#include "actors/base/ama_failpoint.h"
#include "actors/base/ama_log.h"
#include "actors/runtime/ama_child.h"
#include "agent/replay.h"
#include "agent/runners/spark/session_files.h"
#include "agent/runners/spark/session_log.h"
#include "agent/secret_ask.h"
#include "agent/ward_spawn.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define START_MS 600000 /* for the JVM until Spark is up */
#define CLOSE_MS 8000
#define PREFIX   12 /* characters of an attempt's id that tell its sockets from those of others */

typedef enum { INSTALLING, STARTING, RETURNING, READY, CLOSING, ENDED } state_t;

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
    ama_child_t *child; /* the installer */
    pid_t group;        /* its; while it is RETURNING, the kernel's */
    uint64_t kernel_since;
    ama_ward_t *ward;                 /* the kernel's */
    int64_t lease_ms, asked_lease_ms; /* lease_ms 0: it does not outlive the agent */
    ama_str_t said;                   /* by install.sh on its standard output */
    ama_str_t telling;                /* a line of its standard error */
    char *last_told;
    ama_timer_t *timer; /* of the state */
    int64_t begun_ms;
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
    ama_ward_release (&session->ward);
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
    if (session->ward && ama_ward_clear (session->ward, on_cleared, session))
        return;
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

static void note_reason (ama_session_t *session, const char *reason)
{
    if (!session->reason)
        session->reason = ama_strdup (reason);
}

static void kill_it (ama_session_t *session)
{
    if (session->child)
        ama_child_kill (session->child, true);
    if (session->ward)
        ama_ward_kill (session->ward, true);
}

static void on_kernel_end (const ama_child_end_t *how, int trouble, bool lease_over, void *arg)
{
    ama_session_t *session = arg;

    session->how = *how;
    ama_session_log_destroy (&session->log); /* its last lines are looked at */
    if (lease_over)
        note_reason (session, "its lease ran out: nobody was there who could extend it");
    else if (trouble)
        note_reason (session, trouble < 0 ? "its guard died" : strerror (trouble));
    if (session->state == CLOSING)
        end (session, AMA_SESSION_STATE_CLOSED, ama_strdup (""), "session-lost");
    else
        end_unasked (session, session->state == READY ? AMA_SESSION_STATE_LOST : AMA_SESSION_STATE_FAILED);
}

void ama_session_kill (ama_session_t *session, const char *reason)
{
    note_reason (session, reason);
    kill_it (session);
}

static void on_timer (void *arg)
{
    ama_session_t *session = arg;

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
        kill_it (session);
        return;
    }
    AMA_FAILPOINT (session, closing);
    session->state = CLOSING;
    ama_jupyter_control (session->client, "shutdown_request", json_pack ("{s:b}", "restart", 0), 0, NULL, NULL);
    ama_timer_after (session->timer, CLOSE_MS);
}

void ama_session_drop (ama_session_t *session)
{
    if (session->agent->letting_go && session->ward) {
        session->ward = NULL; /* it is seen off with the others */
        ama_session_files_leave (&session->files);
    }
    release (session);
}

/* ---- ready ---- */

static void note (ama_session_t *session, ama_tape_kind_t kind, const void *bytes, size_t size)
{
    if (session->lease_ms)
        ama_tape_note (ama_ward_tape (session->ward), kind, ama_now_ms (session->agent->ctx), bytes, size);
}

static void become_ready (ama_session_t *session, const char *detail)
{
    AMA_FAILPOINT (session, ready);
    note (session, AMA_TAPE_OWN, detail, strlen (detail));
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

static void on_kernel_output (int channel, const char *bytes, size_t size, void *arg)
{
    ama_session_t *session = arg;

    (void) channel;
    if (session->log)
        ama_session_log_add (session->log, bytes, size);
}

static ama_ward_port_t port_of (ama_session_t *session)
{
    return (
        ama_ward_port_t){ .on_output = on_kernel_output, .on_exit = on_kernel_end, .off_tape = true, .arg = session };
}

/* What is written where it can not be masked is written through the agent. */
static bool open_log (ama_session_t *session)
{
    if (ama_secrets_possible (session->agent))
        session->log = ama_session_log_new (session->files.log, ama_vault_masker (session->vault));
    return session->log != NULL;
}

static int connect_kernel (ama_session_t *session, ama_err_t *err)
{
    char *prefix = ama_session_files_prefix (&session->files, "0");
    const ama_jupyter_conf_t conf = { .prefix = prefix, .key = session->key, .on_silent = on_silent, .arg = session };

    session->client = ama_jupyter_new (session->agent->ctx, &conf, err);
    free (prefix);
    return session->client ? 0 : AMA_E_INVALID;
}

static void note_secret (const char *value, size_t size, void *arg)
{
    note (arg, AMA_TAPE_SECRET, value, size);
}

/* What the next agent needs. From now on the kernel outlives this one. */
static void record (ama_session_t *session)
{
    ama_agent_t *agent = session->agent;
    ama_str_t bytes = { 0 };
    char run[AMA_ID_TEXT];
    json_t *json;
    char *text;

    if (!agent->conf.own_process)
        return;
    session->lease_ms = ama_replay_lease (session->asked_lease_ms);
    json = ama_session_files_keep (&session->files);
    (void) json_object_set_new (json, "run", json_string (ama_id_text (session->run, run)));
    (void) json_object_set_new (json, "key", json_string (session->key));
    (void) json_object_set_new (json, "lease", json_integer (session->lease_ms));
    text = json_dumps (json, JSON_COMPACT);
    ama_replay_head (agent, AMA_KEPT_SESSION, session->id, session->begun_ms, &bytes);
    ama_str_puts (&bytes, text);
    if (!ama_masker_is_empty (ama_vault_masker (session->vault)))
        ama_ward_veil (session->ward);
    note (session, AMA_TAPE_START, bytes.data, bytes.size);
    ama_vault_each (session->vault, note_secret, session);
    ama_tape_show (ama_ward_tape (session->ward), AMA_TAPE_START, 0, bytes.data, bytes.size);
    ama_str_done (&bytes);
    free (text);
    json_decref (json);
    ama_ward_lease (session->ward, session->lease_ms, true);
}

static void ask_for_spark (ama_session_t *session)
{
    ama_jupyter_control (session->client, "ama_session_request", NULL, 0, on_spark, session);
    ama_timer_after (session->timer, START_MS);
}

static int start_kernel (ama_session_t *session, ama_err_t *err)
{
    ama_agent_t *agent = session->agent;
    const char *argv[] = { agent->bash, session->files.kernel, session->files.connection, NULL };
    const ama_ward_port_t port = port_of (session);
    ama_env_t env = { 0 };
    ama_ward_spec_t spec = { .argv = argv,
                             .cwd = session->files.folder,
                             .input = session->files.spark_secrets,
                             .input_size = session->files.spark_secrets ? strlen (session->files.spark_secrets) : 0,
                             .grace_ms = agent->conf.grace_ms };
    int rc = ama_session_write_connection (&session->files, session->key, err);

    if (rc == 0)
        rc = connect_kernel (session, err);
    if (rc < 0)
        return rc;
    ama_session_kernel_env (&session->files, agent, session->id, &env);
    if (!open_log (session))
        ama_env_set (&env, "AMA_KERNEL_LOG", session->files.log);
    spec.env = (const char *const *) env.items;
    ama_confine_read (session->files.confine, session->files.spark_home);
    ama_confine_read (session->files.confine, session->files.kernel_jar);
    ama_confine_read (session->files.confine, session->files.cds_archive);
    AMA_FAILPOINT (session, before_spawn);
    if (ama_confine_hand (session->files.confine, &spec.confine, err) == 0)
        session->ward = ama_ward_start (agent->wards, &spec, &port, err);
    AMA_FAILPOINT (session, after_spawn);
    ama_env_done (&env);
    if (!session->ward)
        return AMA_E_CHILD;
    record (session);
    ama_ward_listen (session->ward);
    ask_for_spark (session);
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

static ama_session_t *session_new (ama_agent_t *agent, ama_id_t id, ama_id_t run, int64_t begun_ms)
{
    ama_session_t *session = ama_calloc (1, sizeof *session);

    session->agent = agent;
    session->id = id;
    session->run = run;
    session->begun_ms = begun_ms;
    session->timer = ama_timer_new (agent->ctx, on_timer, session);
    session->vault = ama_vault_hold (agent->vaults, run);
    HASH_ADD (hh, agent->sessions, id, sizeof session->id, session);
    return session;
}

void ama_session_open (ama_agent_t *agent, const ama_attempt_session_open_t *open)
{
    ama_session_t *session = session_new (agent, open->session, open->run, ama_now_ms (agent->ctx));
    unsigned char bytes[16];
    ama_err_t err = { 0 };

    session->asked_lease_ms = open->lease_ms;
    randombytes_buf (bytes, sizeof bytes);
    (void) sodium_bin2hex (session->key, sizeof session->key, bytes, sizeof bytes);
    if (refers_to_secrets (&open->environment))
        ask_for_secrets (session, open);
    else if (begin (session, open, &err) < 0)
        end (session, AMA_SESSION_STATE_FAILED, ama_strdup (err.text), "session-lost");
}

/* ---- of an earlier agent ---- */

static void tell_attempts (ama_session_t *session)
{
    ama_attempt_t *attempt, *spare;

    HASH_ITER (hh, session->agent->attempts, attempt, spare)
    {
        if (attempt->runner == &ama_scala_runner && ama_id_equal (attempt->session, session->id)
            && !ama_attempt_has_ended (attempt))
            ama_scala_session_back (attempt);
    }
}

/* True: it was ready. */
static bool play (ama_session_t *session)
{
    ama_tape_record_t record;
    uint64_t start_time = 0;
    bool ready = false;

    while (ama_tape_next (ama_ward_tape (session->ward), &record)) {
        if (record.kind == AMA_TAPE_SECRET)
            (void) ama_vault_add (session->vault, record.bytes, record.size, NULL, NULL);
        else if (record.kind == AMA_TAPE_CHILD && record.size == sizeof start_time) {
            session->group = (pid_t) record.when_ms;
            memcpy (&start_time, record.bytes, sizeof start_time);
        }
        else if (record.kind == AMA_TAPE_OWN) {
            free (session->last_told);
            session->last_told = ama_strndup (record.bytes, record.size);
            ready = true;
        }
    }
    session->kernel_since = start_time;
    return ready;
}

static void on_back (bool alive, void *arg)
{
    ama_session_t *session = arg;
    bool ready = play (session);
    ama_err_t err = { 0 };

    if (!alive) {
        ama_ward_kill_if (session->group, session->kernel_since);
        ama_leftovers_hunt (session->id);
        note_reason (session, "its guard died while no agent was there");
        end_unasked (session, AMA_SESSION_STATE_LOST);
        return;
    }
    session->group = 0;
    ama_ward_lease (session->ward, session->lease_ms, false);
    (void) open_log (session);
    if (session->state == RETURNING) {
        session->state = ready ? READY : STARTING;
        if (!session->reason && connect_kernel (session, &err) < 0)
            note_reason (session, err.text);
    }
    if (session->reason || session->state == CLOSING)
        kill_it (session);
    else if (ready) {
        tell (session, AMA_SESSION_STATE_READY, session->last_told);
        tell_attempts (session);
    }
    else
        ask_for_spark (session);
    ama_ward_listen (session->ward);
}

void ama_session_take_over (ama_agent_t *agent, ama_ward_t *ward, ama_id_t id, int64_t begun_ms, const char *kept)
{
    json_t *json = json_loads (kept, 0, NULL);
    ama_session_t *session;
    ama_ward_port_t port;
    ama_id_t run;

    if (!json || ama_id_parse (ama_jupyter_string (json, "run"), &run) < 0 || ama_statuses_has_end (agent->statuses, id)
        || strlen (ama_jupyter_string (json, "key")) >= sizeof session->key) {
        json_decref (json);
        return;
    }
    session = session_new (agent, id, run, begun_ms);
    session->state = RETURNING;
    session->lease_ms = json_integer_value (json_object_get (json, "lease"));
    (void) snprintf (session->key, sizeof session->key, "%s", ama_jupyter_string (json, "key"));
    ama_session_files_back (&session->files, json);
    json_decref (json);
    session->ward = ward;
    port = port_of (session);
    ama_ward_adopt (ward, &port, agent->conf.grace_ms, on_back, session);
}

void ama_sessions_learn (ama_agent_t *agent, ama_id_t run, const char *value, size_t size)
{
    ama_session_t *session, *spare;

    HASH_ITER (hh, agent->sessions, session, spare)
    {
        if (!ama_id_equal (session->run, run) || !session->lease_ms || session->state == RETURNING
            || session->state == ENDED)
            continue;
        ama_ward_veil (session->ward);
        note_secret (value, size, session);
    }
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

bool ama_session_is_usable (const ama_session_t *session)
{
    return (session->state == READY || session->state == RETURNING) && !session->reason;
}

ama_jupyter_t *ama_session_control (ama_session_t *session)
{
    return session->state == READY ? session->client : NULL;
}

void ama_session_forget (ama_session_t *session, const void *arg)
{
    if (session->client)
        ama_jupyter_forget (session->client, arg);
}

char *ama_session_prefix (ama_session_t *session, ama_id_t attempt)
{
    char id[AMA_ID_TEXT];
    return ama_session_files_prefix (&session->files, ama_id_text (attempt, id) + AMA_ID_TEXT - 1 - PREFIX);
}

const char *ama_session_note (const ama_session_t *session)
{
    return session->files.note;
}

const char *ama_session_key (const ama_session_t *session)
{
    return session->key;
}
