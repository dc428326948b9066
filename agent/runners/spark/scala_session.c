/* scala_session.c - what ties an attempt to its Spark session: requests, the journal, loss, and the next agent
 *
 * Used by scala_runner.c and by the session, on the agent's thread.
 *
 * What the scope says comes as a journal (jupyter/journal.h) through a named pipe. The program under the attempt's guard does nothing but move it from there into the
 * guard's pipe, and so onto the tape. Answers to control requests are put on the tape before anything follows from them. So another agent comes to the same state by
 * playing it, and asks once more for what it has no answer to: every request may come twice (a statement by its serial). Nothing is sent while the tape is played.
 *
 * A session's end and that of the journal come in any order: it is told when both are there, so that the last words are heard.
 */
#include "agent/runners/spark/scala_work.h"

#include "agent/outcome.h"
#include "agent/runners/jupyter/notebook_action.h"
#include "agent/secret_start.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ASK_MS  120000 /* for each control request: the JVM may be busy */
#define PART_MS 5000   /* between the two ends */

enum { BEGUN = 'b', LOST = 'l' }; /* on the tape, beside the letters of requests */

bool scala_playing (const work_t *work)
{
    return ama_replay_playing (work->script.attempt);
}

/* ---- control requests ---- */

static json_t *compose (void *owner, char kind)
{
    work_t *work = owner;
    char run[AMA_ID_TEXT];

    switch (kind) {
    case ASK_JARS:
        return json_pack ("{s:O}", "paths", work->jars);
    case ASK_OPEN:
        return json_pack ("{s:o, s:s, s:s, s:s, s:s, s:O, s:s, s:O}", "connection",
                          ama_jupyter_connection (&(ama_jupyter_place_t){ .prefix = work->prefix }, work->key),
                          "journal", work->fifo, "scope", work->scope, "action", work->script.attempt->action, "run",
                          ama_id_text (work->script.attempt->run, run), "env", work->env, "language",
                          scala_language (work->script.attempt), "exports", work->exports);
    case ASK_SPLIT:
        return json_pack ("{s:s, s:s, s:s}", "code", work->script.source, "file", work->script.attempt->file,
                          "language", scala_language (work->script.attempt));
    default:
        return json_pack ("{s:s, s:b}", "scope", work->scope, "publish",
                          work->script.state == AMA_ATTEMPT_STATE_SUCCEEDED);
    }
}

static ama_jupyter_t *control_of (void *owner, bool of_kernel)
{
    work_t *work = owner;

    (void) of_kernel; /* it has none of its own */
    return work->session ? ama_session_control (work->session) : NULL;
}

static const ama_request_spec_t specs[] = {
    { ASK_JARS, "ama_jar_request", ASK_MS, false },
    { ASK_OPEN, "ama_open_request", ASK_MS, false },
    { ASK_SPLIT, "ama_split_request", ASK_MS, false },
    { ASK_CLOSE, "ama_close_request", ASK_MS, false },
};
static const ama_requests_host_t requests_host = {
    .specs = specs, .n_specs = ARRAY_SIZE (specs), .control = control_of, .content = compose, .answered = scala_answered
};

/* Only when its sockets are bound: a connection tried before would be tried again after some 50 ms. */
void scala_connect (work_t *work)
{
    ama_jupyter_conf_t conf = { .place.prefix = work->prefix, .key = work->key };

    if (work->opened && !work->client && work->session && !scala_playing (work))
        work->client = ama_jupyter_new (work->script.attempt->agent->ctx, &conf, NULL);
}

/* ---- loss ---- */

static void drop_session (work_t *work)
{
    ama_requests_forget (&work->requests, work->session);
    ama_jupyter_destroy (&work->client);
    work->session = NULL;
    work->opened = false;
}

static void lose (work_t *work, const json_t *json)
{
    drop_session (work);
    ama_script_fail (&work->script, &(ama_outcome_t){ .state = (ama_attempt_state_t) json_integer_value (
                                                          json_object_get (json, "state")),
                                                      .cause = ama_jupyter_string (json, "cause"),
                                                      .exit = -1,
                                                      .error = ama_jupyter_string (json, "error"),
                                                      .message = ama_jupyter_string (json, "message"),
                                                      .file = work->script.attempt->file });
}

static void tell_lost (work_t *work, ama_attempt_state_t state, const char *cause, const char *error,
                       const char *message)
{
    json_t *json =
        json_pack ("{s:i, s:s, s:s, s:s}", "state", (int) state, "cause", cause, "error", error, "message", message);

    if (work->script.step != AMA_SCRIPT_CLOSING)
        ama_requests_note_json (&work->requests, LOST, json);
    lose (work, json);
    json_decref (json);
}

/* Its end without that of the session: nothing that it does can be followed any more. */
static void lose_alone (work_t *work, ama_attempt_state_t state, const char *cause, const char *error,
                        const char *message)
{
    if (work->session)
        ama_session_kill (work->session, "an attempt in it could not be followed any more");
    tell_lost (work, state, cause, error, message);
}

static void lose_with_session (work_t *work)
{
    bool lost = strcmp (work->lost_cause, "node-lost") == 0; /* its lease was over */

    tell_lost (work, lost ? AMA_ATTEMPT_STATE_LOST : AMA_ATTEMPT_STATE_ERRORED, work->lost_cause,
               lost ? "lost" : work->lost_cause, work->lost_reason);
}

static void on_part (void *arg)
{
    work_t *work = arg;

    if (work->script.step == AMA_SCRIPT_CLOSING)
        return;
    if (work->lost_cause)
        lose_with_session (work);
    else
        lose_alone (work, AMA_ATTEMPT_STATE_ERRORED, "session-lost", "kernel", "the kernel says nothing more");
}

static void note_session_end (work_t *work, const char *cause, const char *reason)
{
    drop_session (work);
    if (!work->lost_cause) {
        ama_script_set_text (&work->lost_cause, cause);
        ama_script_set_text (&work->lost_reason, reason);
    }
    if (work->script.attempt->replay)
        return; /* when its tape has been played */
    if (work->script.step == AMA_SCRIPT_CLOSING)
        work->script.host->settle (&work->script);
    else if (work->relaying)
        ama_timer_after (work->part, PART_MS);
    else
        lose_with_session (work);
}

void scala_session_lost (ama_attempt_t *attempt, const char *cause, const char *reason)
{
    note_session_end (attempt->work, cause, reason);
}

/* ---- the journal ---- */

static void on_bytes (int channel, const char *bytes, size_t size, void *arg)
{
    work_t *work = arg;
    ama_err_t err;

    if (channel == 1 && work->journal && ama_journal_feed (work->journal, bytes, size, &err) < 0
        && work->script.step != AMA_SCRIPT_CLOSING)
        lose_alone (work, AMA_ATTEMPT_STATE_ERRORED, "session-lost", "kernel", err.text);
}

static void on_relayed (const ama_child_end_t *how, int trouble, bool lease_over, void *arg)
{
    work_t *work = arg;

    work->relaying = false;
    if (work->script.step == AMA_SCRIPT_CLOSING)
        return;
    if (work->lost_cause)
        lose_with_session (work);
    else if (lease_over)
        lose_alone (work, AMA_ATTEMPT_STATE_LOST, "node-lost", "lost",
                    "its lease ran out: nobody was there who could extend it");
    else if (trouble || how->code != 0)
        lose_alone (work, AMA_ATTEMPT_STATE_ERRORED, "killed", "guard", "its guard died");
    else
        ama_timer_after (work->part, PART_MS);
}

/* ---- the beginning ---- */

/* Noted first, as what is on the tape before is not of this runner. */
static void begin (work_t *work, const char *key)
{
    json_t *cells = work->notebook ? ama_notebook_split (work->notebook, work->script.attempt->file) : NULL;

    work->key = ama_strdup (key);
    work->journal = ama_journal_new (key, scala_said, work);
    ama_requests_note (&work->requests, BEGUN, key);
    if (json_array_size (work->jars))
        ama_requests_want (&work->requests, ASK_JARS);
    ama_requests_want (&work->requests, ASK_OPEN);
    if (work->notebook)
        scala_answered (work, ASK_SPLIT, cells);
    else
        ama_requests_want (&work->requests, ASK_SPLIT);
    json_decref (cells);
}

static void go_live (work_t *work);

static void on_soon (void *arg)
{
    work_t *work = arg;

    if (work->over)
        ama_script_end (&work->script);
    else if (scala_playing (work))
        return;
    else if (!work->key && !work->restored && work->session)
        begin (work, ama_session_key (work->session));
    else
        go_live (work);
}

static json_t *environment_of (const ama_attempt_start_t *start)
{
    ama_str_t text = { 0 };
    json_t *json;

    ama_folder_env_json (start, &text);
    json = json_loads (text.data, 0, NULL);
    ama_str_done (&text);
    return json ? json : json_object ();
}

static void prepare (work_t *work, const ama_attempt_start_t *message)
{
    ama_ctx_t *ctx = work->script.attempt->agent->ctx;

    ama_requests_init (&work->requests, work->script.attempt, &requests_host, work);
    work->soon = ama_timer_new (ctx, on_soon, work);
    work->part = ama_timer_new (ctx, on_part, work);
    (void) ama_id_text (work->script.attempt->id, work->scope);
    work->env = environment_of (message);
    work->jars = json_array ();
    for (size_t i = 0; i < message->n_jars; i++)
        (void) json_array_append_new (work->jars, json_string (message->jars[i]));
    work->exports = json_array ();
    for (size_t i = 0; i < message->n_exports; i++)
        if (!message->exports[i].persisted)
            (void) json_array_append_new (work->exports, json_string (message->exports[i].name));
    if (!work->notebook)
        ama_script_export (&work->script, message, NULL);
}

static void join_session (work_t *work, ama_session_t *session)
{
    ama_str_t fifo = { 0 };

    work->session = session;
    work->prefix = ama_session_prefix (session, work->script.attempt->id);
    ama_str_printf (&fifo, "%s-j", work->prefix);
    work->fifo = ama_str_take (&fifo);
}

static int start_relay (work_t *work, ama_err_t *err)
{
    ama_attempt_t *attempt = work->script.attempt;
    const ama_agent_conf_t *conf = &attempt->agent->conf;
    char mark[64], id[AMA_ID_TEXT];
    const char *argv[] = { conf->ward, "relay", work->fifo, NULL }, *env[] = { mark, NULL };
    const ama_ward_spec_t spec = {
        .argv = argv, .env = env, .cwd = "/", .pass = -1, .grace_ms = conf->grace_ms, .confine = { .ruleset = -1 }
    };
    const ama_ward_port_t port = { .on_output = on_bytes, .on_exit = on_relayed, .arg = work };

    if (mkfifo (work->fifo, 0600) < 0)
        return ama_err_set (err, AMA_E_IO, "%s: %s", work->fifo, strerror (errno));
    (void) snprintf (mark, sizeof mark, AMA_MARK "=%s", ama_id_text (attempt->mark, id));
    attempt->ward = ama_ward_start (attempt->agent->wards, &spec, &port, err);
    if (!attempt->ward)
        return err->code;
    work->relaying = true;
    ama_ward_listen (attempt->ward);
    return 0;
}

int scala_join (ama_attempt_t *attempt, const ama_attempt_start_t *message, ama_err_t *err)
{
    work_t *work = attempt->work;
    ama_session_t *session = ama_session_find (attempt->agent, attempt->session);
    int rc;

    attempt->uncounted = !session; /* it may have been told of by the agent that died with it */
    if (!session || !ama_session_is_usable (session))
        return ama_err_set (err, AMA_E_UNREACHABLE, "the Spark session is not there any more");
    prepare (work, message);
    join_session (work, session);
    if (ama_session_note (session))
        attempt->note = ama_strdup (ama_session_note (session));
    rc = start_relay (work, err);
    if (rc == 0)
        ama_timer_after (work->soon, 0); /* when the tape has begun */
    return rc;
}

/* ---- the next agent ---- */

int scala_restore (ama_attempt_t *attempt, const ama_attempt_start_t *message, const char *token,
                   ama_ward_port_t *ret_port, ama_err_t *err)
{
    int rc = scala_load (attempt, message, err);
    work_t *work = attempt->work;

    (void) token;
    prepare (work, message);
    work->restored = work->relaying = true;
    work->secret = ama_secret_start_wanted (&message->environment, message->settings, message->n_settings);
    *ret_port = (ama_ward_port_t){ .on_output = on_bytes, .on_exit = on_relayed, .arg = work };
    return rc;
}

void scala_recall (ama_attempt_t *attempt, const char *bytes, size_t size)
{
    work_t *work = attempt->work;
    json_t *json;

    if (!size)
        return;
    if (bytes[0] == BEGUN) {
        if (!work->key)
            begin (work, bytes + 1);
        return;
    }
    json = json_loads (bytes + 1, JSON_DECODE_ANY, NULL);
    if (json && bytes[0] == LOST)
        lose (work, json);
    else if (json)
        ama_requests_recall (&work->requests, bytes[0], json);
    json_decref (json);
}

void scala_resume (ama_attempt_t *attempt)
{
    work_t *work = attempt->work;
    ama_session_t *session = ama_session_find (attempt->agent, attempt->session);

    if (session && ama_session_is_usable (session) && !work->lost_cause)
        join_session (work, session);
    else if (!work->lost_cause) {
        ama_script_set_text (&work->lost_cause, "session-lost");
        ama_script_set_text (&work->lost_reason, "its Spark session has not outlived the agent");
    }
    ama_timer_after (work->soon, 0);
}

/* Nobody knows any more what it was to be given. */
static void give_back (work_t *work)
{
    const ama_outcome_t outcome = ama_outcome_of_earlier_agent (AMA_OUTCOME_NEVER_BEGAN, work->script.attempt->file);

    ama_requests_forget (&work->requests, work->session);
    work->opened = true; /* it may be */
    ama_script_finish (&work->script, &outcome);
}

/* What has no answer is asked for (again). */
static void go_live (work_t *work)
{
    if (!work->session) {
        if (work->lost_cause)
            note_session_end (work, work->lost_cause, work->lost_reason);
        return;
    }
    if (!ama_session_control (work->session))
        return; /* it will say when */
    if (work->script.step != AMA_SCRIPT_CLOSING
        && (!work->key || (work->secret && ama_requests_wants (&work->requests, ASK_OPEN)))) {
        give_back (work);
        return;
    }
    scala_connect (work);
    ama_requests_send (&work->requests);
    work->script.host->send (&work->script);
    if (work->script.attempt->cancelled)
        scala_cancel (work->script.attempt, false);
    if (!work->relaying && work->script.step != AMA_SCRIPT_CLOSING)
        ama_timer_after (work->part, PART_MS);
    work->script.host->settle (&work->script);
}

void scala_session_back (ama_attempt_t *attempt)
{
    work_t *work = attempt->work;

    if (!attempt->replay && work->session)
        ama_timer_after (work->soon, 0);
}

/* ---- the end ---- */

void scala_leave (work_t *work)
{
    if (work->fifo && !work->script.attempt->agent->letting_go)
        (void) unlink (work->fifo);
    ama_requests_forget (&work->requests, work->session);
    ama_jupyter_destroy (&work->client);
    ama_journal_destroy (&work->journal);
    if (work->soon)
        ama_timer_destroy (&work->soon);
    if (work->part)
        ama_timer_destroy (&work->part);
    json_decref (work->env);
    json_decref (work->jars);
    json_decref (work->exports);
    free (work->prefix);
    free (work->fifo);
    free (work->key);
    free (work->lost_cause);
    free (work->lost_reason);
}
