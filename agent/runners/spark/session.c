/* session.c - a Spark session: installing, starting, ready, ending
 *
 * Called by the agent actor and the Scala runner, on the agent's thread.
 *
 *     INSTALLING ──install.sh has said where things are, jars for S3 are here──▶ STARTING ──ama_session_reply, jars are in──▶ READY ──close──▶ CLOSING
 *
 * The kernel runs under a guard (ward.h) that outlives the agent; its tape says what the next agent needs to go on with it, which begins in RETURNING until the guard
 * has told how things stand, and then is STARTING or READY. From every state the end of the child leads to ENDED: leftovers are cleared, attempts and supervisor are
 * told. What ended it is known by then: `reason` if we killed it, else the exit status and the last lines of the kernel's log.
 */
#include "agent/runners/spark/session_in.h"

#include "actors/base/ama_failpoint.h"
#include "actors/base/ama_log.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLOSE_MS 8000
#define PREFIX   12 /* characters of an attempt's id that tell its sockets from those of others */

/* ---- telling ---- */

void session_tell (ama_session_t *session, ama_session_state_t state, const char *detail)
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
    ama_install_destroy (&session->install);
    ama_s3_jars_destroy (&session->s3);
    end_ask (session);
    ama_ward_release (&session->ward);
    ama_session_log_destroy (&session->log);
    ama_vault_release (agent->vaults, &session->vault);
    ama_session_files_done (&session->files);
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
    session_tell (session, session->end, session->end_detail);
    release (session);
}

static void end_attempts (ama_session_t *session, const char *cause, const char *reason)
{
    ama_attempt_t *attempt, *spare;

    HASH_ITER (hh, session->agent->attempts, attempt, spare)
    {
        if (attempt->runner->session_lost && ama_id_equal (attempt->session, session->id)
            && !ama_attempt_has_ended (attempt))
            attempt->runner->session_lost (attempt, cause, reason);
    }
}

/* Takes detail. */
void session_end (ama_session_t *session, ama_session_state_t state, char *detail, const char *cause)
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

void session_end_unasked (ama_session_t *session, ama_session_state_t state)
{
    bool oom = false;
    char *detail;

    if (session->reason)
        detail = ama_strdup (session->reason);
    else
        detail = ama_session_explain (&session->files, &session->how, ama_agent_oom_seen (session->agent), &oom);
    session_end (session, state, detail, session->lease_over ? "node-lost" : oom ? "oom" : "session-lost");
}

void session_note_reason (ama_session_t *session, const char *reason)
{
    if (!session->reason)
        session->reason = ama_strdup (reason);
}

void session_kill_it (ama_session_t *session)
{
    if (session->install)
        ama_install_kill (session->install);
    if (session->ward)
        ama_ward_kill (session->ward, true);
}

void session_on_kernel_end (const ama_child_end_t *how, int trouble, bool lease_over, void *arg)
{
    ama_session_t *session = arg;

    session->how = *how;
    session->lease_over = lease_over;
    ama_session_log_destroy (&session->log); /* its last lines are looked at */
    if (lease_over)
        session_note_reason (session, "its lease ran out: nobody was there who could extend it");
    else if (trouble)
        session_note_reason (session, trouble < 0 ? "its guard died" : strerror (trouble));
    if (session->state == CLOSING)
        session_end (session, AMA_SESSION_STATE_CLOSED, ama_strdup (""), "session-lost");
    else
        session_end_unasked (session, session->state == READY ? AMA_SESSION_STATE_LOST : AMA_SESSION_STATE_FAILED);
}

void ama_session_kill (ama_session_t *session, const char *reason)
{
    session_note_reason (session, reason);
    session_kill_it (session);
}

static void on_timer (void *arg)
{
    ama_session_t *session = arg;

    ama_session_kill (session, session->state == CLOSING ? "it did not end when asked to"
                                                         : "Spark did not start within ten minutes");
}

void session_on_silent (void *arg)
{
    ama_session_kill (arg, "the Spark driver has not reacted for a minute");
}

void ama_session_close (ama_session_t *session)
{
    if (session->state >= CLOSING)
        return;
    if (session->ask || session->s3) {
        end_ask (session);
        ama_s3_jars_destroy (&session->s3);
        session_end (session, AMA_SESSION_STATE_CLOSED, ama_strdup (""), "session-lost");
        return;
    }
    if (session->state < READY || !session->client) {
        session->state = CLOSING;
        session_kill_it (session);
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

/* ---- installing ---- */

static void on_told (const char *line, void *arg)
{
    session_tell (arg, AMA_SESSION_STATE_OPENING, line);
}

/* Takes why not, NULL if it can be started. */
static void start_or_end (ama_session_t *session, char *detail)
{
    ama_err_t err = { 0 };

    if (!detail) {
        session->state = STARTING;
        session_tell (session, AMA_SESSION_STATE_OPENING, "starting Spark");
        if (session_start_kernel (session, &err) < 0)
            detail = ama_strdup (err.text);
    }
    if (detail)
        session_end (session, AMA_SESSION_STATE_FAILED, detail, "session-lost");
}

static void on_s3_jars (char *const *jars, size_t n_jars, const ama_err_t *err, void *arg)
{
    ama_session_t *session = arg;

    session->s3 = NULL;
    ama_session_take_s3 (&session->files, jars, n_jars);
    start_or_end (session, err ? ama_strdup (err->text) : NULL);
}

static void on_installed (const char *said, const char *trouble, void *arg)
{
    ama_session_t *session = arg;
    ama_session_files_t *files = &session->files;
    ama_err_t err = { 0 };

    session->install = NULL;
    if (session->state == CLOSING) {
        session_end (session, AMA_SESSION_STATE_CLOSED, ama_strdup (""), "session-lost");
        return;
    }
    if (!trouble && ama_session_take_installed (files, said, &err) == 0 && files->s3_version)
        session->s3 = ama_s3_jars_get (session->agent, &(ama_s3_jars_conf_t){ .key = session->id,
                                                                              .version = files->s3_version,
                                                                              .on_told = on_told,
                                                                              .on_done = on_s3_jars,
                                                                              .arg = session });
    else
        start_or_end (session, trouble ? ama_strdup (trouble) : err.code ? ama_strdup (err.text) : NULL);
}

static int start_installer (ama_session_t *session, ama_err_t *err)
{
    session->install = ama_install_start (session->agent,
                                          &(ama_install_conf_t){ .runner = "spark",
                                                                 .cwd = session->files.folder,
                                                                 .mark = session->id,
                                                                 .on_told = on_told,
                                                                 .on_done = on_installed,
                                                                 .arg = session },
                                          err);
    if (!session->install)
        return AMA_E_CHILD;
    session->group = ama_install_group (session->install);
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
        session_end (session, AMA_SESSION_STATE_FAILED, detail, "session-lost");
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

ama_session_t *session_new (ama_agent_t *agent, ama_id_t id, ama_id_t run, int64_t begun_ms)
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
        session_end (session, AMA_SESSION_STATE_FAILED, ama_strdup (err.text), "session-lost");
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

const char *ama_session_spark_home (const ama_session_t *session)
{
    return session->files.spark_home ? session->files.spark_home : "";
}

const char *ama_session_folder (const ama_session_t *session)
{
    return session->files.folder;
}

const char *ama_session_note (const ama_session_t *session)
{
    return session->files.note;
}

const char *ama_session_key (const ama_session_t *session)
{
    return session->key;
}
