/* session_kernel.c - the kernel of a Spark session: started under its guard, recorded for the next agent, found by it
 *
 * Used by session.c, on the agent's thread.
 */
#include "agent/runners/spark/session_in.h"

#include "actors/base/ama_failpoint.h"
#include "agent/replay.h"
#include "agent/ward_spawn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    session_tell (session, AMA_SESSION_STATE_READY, detail);
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
                             SESSION_START_MS, on_jars, session);
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
    return (ama_ward_port_t){
        .on_output = on_kernel_output, .on_exit = session_on_kernel_end, .off_tape = true, .arg = session
    };
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
    const ama_jupyter_conf_t conf = {
        .place.prefix = prefix, .key = session->key, .on_silent = session_on_silent, .arg = session
    };

    session->client = ama_jupyter_new (session->agent->ctx, &conf, err);
    free (prefix);
    return session->client ? 0 : AMA_E_INVALID;
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
    ama_replay_head (agent, AMA_KEPT_SESSION, session->id, session->begun_ms, NULL, &bytes);
    ama_str_puts (&bytes, text);
    ama_replay_begin (agent, session->ward, session->vault, &bytes, false, session->lease_ms);
    ama_str_done (&bytes);
    free (text);
    json_decref (json);
}

static void ask_for_spark (ama_session_t *session)
{
    ama_jupyter_control (session->client, "ama_session_request", NULL, 0, on_spark, session);
    ama_timer_after (session->timer, SESSION_START_MS);
}

int session_start_kernel (ama_session_t *session, ama_err_t *err)
{
    ama_agent_t *agent = session->agent;
    const char *argv[] = { agent->bash, session->files.kernel, session->files.connection, NULL };
    const ama_ward_port_t port = port_of (session);
    ama_env_t env = { 0 };
    ama_ward_spec_t spec = { .argv = argv,
                             .pass = -1,
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

/* ---- of an earlier agent ---- */

static void tell_attempts (ama_session_t *session)
{
    ama_attempt_t *attempt, *spare;

    HASH_ITER (hh, session->agent->attempts, attempt, spare)
    {
        if (attempt->runner->session_back && ama_id_equal (attempt->session, session->id)
            && !ama_attempt_has_ended (attempt))
            attempt->runner->session_back (attempt);
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
        session_note_reason (session, "its guard died while no agent was there");
        session_end_unasked (session, AMA_SESSION_STATE_LOST);
        return;
    }
    session->group = 0;
    ama_ward_lease (session->ward, session->lease_ms, false);
    (void) open_log (session);
    if (session->state == RETURNING) {
        session->state = ready ? READY : STARTING;
        if (!session->reason && connect_kernel (session, &err) < 0)
            session_note_reason (session, err.text);
    }
    if (session->reason || session->state == CLOSING)
        session_kill_it (session);
    else if (ready) {
        session_tell (session, AMA_SESSION_STATE_READY, session->last_told);
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
        note (session, AMA_TAPE_SECRET, value, size);
    }
}
