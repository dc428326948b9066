/* kernel_asks.c - what a kernel of an action's own and its session are asked, and how another agent goes on with it
 *
 * Used by kernel_runner.c and kernel_scope.c, on the agent's thread.
 *
 * An answer is put on the attempt's tape before anything follows from it, as is what the kernel says. So another agent comes to the same state by playing the tape, and
 * asks once more for what it has no answer to: every request may come twice (a statement by its serial). Nothing is sent while the tape is played. An installed
 * kernel tells what it says to whoever listens just then, so its attempt ends with its agent, and none of this is on a tape.
 */
#include "agent/runners/jupyter/kernel_work.h"

#include "agent/replay.h"
#include "agent/runners/jupyter/sockets.h"
#include "agent/secret_start.h"

#include <stdlib.h>
#include <string.h>

enum { BEGUN = 'b', KILLED_BY_US = 'x' }; /* on the tape, beside the letters of requests */

typedef struct {
    kernel_ask_kind_t kind;
    bool of_session;
    const char *type;
    int64_t timeout_ms;
} request_t;

static const request_t requests[KERNEL_ASKS] = {
    { KERNEL_SPLIT, false, "ama_split_request", 60000 },     /* a file of 4 MiB */
    { KERNEL_ATTACH, false, "ama_attach_request", 60000 },   /**/
    { KERNEL_HAND_OVER, false, "ama_close_request", 30000 }, /**/
    { KERNEL_JARS, true, "ama_jar_request", 120000 },        /* the JVM may be busy */
    { KERNEL_OPEN, true, "ama_open_request", 120000 },       /**/
    { KERNEL_CLOSE, true, "ama_close_request", 120000 },
};

static bool playing (const kernel_work_t *work)
{
    return ama_replay_playing (work->script.attempt);
}

static void note (kernel_work_t *work, char kind, const char *text)
{
    ama_str_t bytes = { 0 };

    if (work->stock)
        return;
    ama_str_putc (&bytes, kind);
    ama_str_puts (&bytes, text);
    ama_attempt_note (work->script.attempt, AMA_TAPE_OWN, bytes.data, bytes.size);
    ama_str_done (&bytes);
}

static void note_json (kernel_work_t *work, char kind, const json_t *json)
{
    char *text = json_dumps (json, JSON_COMPACT | JSON_ENCODE_ANY);

    note (work, kind, text ? text : "{}");
    free (text);
}

/* ---- requests ---- */

static kernel_ask_t *ask_of (kernel_work_t *work, kernel_ask_kind_t kind, const request_t **ret_request)
{
    size_t i = 0;

    while (i + 1 < KERNEL_ASKS && requests[i].kind != kind)
        i++;
    *ret_request = &requests[i];
    return &work->asks[i];
}

static void on_answer (const json_t *content, const ama_err_t *err, void *arg)
{
    kernel_ask_t *ask = arg;
    json_t *own = err ? json_pack ("{s:s, s:s, s:s}", "status", "error", "ename", "kernel", "evalue", err->text)
                      : json_deep_copy (content);

    note_json (ask->work, (char) ask->kind, own);
    ask->wanted = false;
    kernel_answered (ask->work, ask->kind, own);
    json_decref (own);
}

static json_t *compose (const kernel_work_t *work, kernel_ask_kind_t kind)
{
    if (kind == KERNEL_SPLIT)
        return json_pack ("{s:s, s:s}", "code", work->script.source, "file", work->script.attempt->file);
    return kind == KERNEL_HAND_OVER ? NULL : kernel_scope_content (work, kind);
}

void kernel_send_asks (kernel_work_t *work)
{
    for (size_t i = 0; i < KERNEL_ASKS && !playing (work); i++) {
        ama_jupyter_t *control = requests[i].of_session ? kernel_scope_control (work) : work->client;
        kernel_ask_t *ask = &work->asks[i];

        if (!ask->wanted || ask->sent || !control)
            continue;
        ask->sent = true;
        ama_jupyter_control (control, requests[i].type, compose (work, ask->kind), requests[i].timeout_ms, on_answer,
                             ask);
    }
}

void kernel_want (kernel_work_t *work, kernel_ask_kind_t kind)
{
    const request_t *request;

    *ask_of (work, kind, &request) = (kernel_ask_t){ .work = work, .kind = kind, .wanted = true };
    kernel_send_asks (work);
}

void kernel_forget_asks (kernel_work_t *work, ama_session_t *session)
{
    for (size_t i = 0; i < KERNEL_ASKS; i++) {
        if (!requests[i].of_session)
            continue;
        if (session)
            ama_session_forget (session, &work->asks[i]);
        work->asks[i].wanted = work->asks[i].sent = false;
    }
}

/* ---- the tape ---- */

void kernel_note_begun (kernel_work_t *work)
{
    json_t *json = json_pack ("{s:s, s:s}", "sockets", work->sockets, "key", work->key);

    note_json (work, BEGUN, json);
    json_decref (json);
    for (size_t i = 0; i < KERNEL_ASKS; i++) /* what the session has answered before there was a tape */
        if (work->asks[i].work && !work->asks[i].wanted) {
            json = kernel_scope_answer (work, requests[i].kind);
            note_json (work, (char) requests[i].kind, json);
            json_decref (json);
        }
}

void kernel_note_killed (kernel_work_t *work)
{
    note (work, KILLED_BY_US, "");
}

void kernel_note_lost (kernel_work_t *work, const char *cause, const char *reason)
{
    json_t *json = json_pack ("{s:s, s:s}", "cause", cause, "reason", reason);

    note_json (work, KERNEL_LOST, json);
    json_decref (json);
}

static void recall_begun (kernel_work_t *work, const json_t *json)
{
    if (work->journal)
        return;
    work->sockets = ama_strdup (ama_jupyter_string (json, "sockets"));
    kernel_take_place (work, ama_jupyter_string (json, "key"));
    kernel_scope_ask (work);
}

void kernel_recall (ama_attempt_t *attempt, const char *bytes, size_t size)
{
    kernel_work_t *work = attempt->work;
    const request_t *request;
    json_t *json;

    if (size && bytes[0] == KILLED_BY_US)
        work->asked = KILLED;
    json = size ? json_loads (bytes + 1, JSON_DECODE_ANY, NULL) : NULL;
    if (!json)
        return;
    if (bytes[0] == BEGUN)
        recall_begun (work, json);
    else if (bytes[0] == KERNEL_LOST)
        kernel_scope_lose (work, ama_jupyter_string (json, "cause"), ama_jupyter_string (json, "reason"));
    else {
        ask_of (work, (kernel_ask_kind_t) bytes[0], &request)->wanted = false;
        kernel_answered (work, (kernel_ask_kind_t) bytes[0], json);
    }
    json_decref (json);
}

/* ---- the next agent ---- */

int kernel_restore (ama_attempt_t *attempt, const ama_attempt_start_t *message, const char *token,
                    ama_ward_port_t *ret_port, ama_err_t *err)
{
    kernel_work_t *work;
    int rc = kernel_load (attempt, err);

    (void) token;
    work = attempt->work;
    work->running = true;
    work->secret = ama_secret_start_wanted (&message->environment, message->settings, message->n_settings);
    kernel_scope_expect (work, message);
    kernel_take_exports (work, message);
    *ret_port = kernel_port (work);
    return rc;
}

/* What the session was to be given of it nobody knows any more. */
static bool is_hopeless (const kernel_work_t *work)
{
    const kernel_ask_t *ask = work->asks;

    for (size_t i = 0; work->secret && i < KERNEL_ASKS; i++)
        if (ask[i].wanted && (ask[i].kind == KERNEL_OPEN || ask[i].kind == KERNEL_JARS))
            return true;
    return !work->journal;
}

static void give_up (kernel_work_t *work)
{
    ama_script_fail (&work->script, &(ama_outcome_t){ .state = AMA_ATTEMPT_STATE_LOST,
                                                      .cause = "node-lost",
                                                      .exit = -1,
                                                      .error = "lost",
                                                      .message = "the agent died before it began",
                                                      .file = work->script.attempt->file });
    kernel_kill (work);
}

void kernel_resume (ama_attempt_t *attempt)
{
    kernel_work_t *work = attempt->work;

    kernel_connect (work);
    if (work->asked == KILLED)
        kernel_kill (work);
    else if (work->asked == SHUTTING_DOWN)
        kernel_shut_down (work);
    else if (work->script.step != AMA_SCRIPT_CLOSING && is_hopeless (work))
        give_up (work);
    else if (!work->bound)
        kernel_await (work);
    kernel_scope_resume (work);
    kernel_send_asks (work);
    work->script.host->send (&work->script);
    kernel_settle (work);
}
