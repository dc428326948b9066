/* kernel_replay.c - what a kernel of an action's own and its session are asked, and how another agent goes on with it
 *
 * Used by kernel_runner.c and kernel_scope.c, on the agent's thread.
 *
 * What the kernel says is on the attempt's tape, as what both have answered (requests.h). A statement may come twice as well, for it has a serial. An installed kernel tells what
 * it says to whoever listens just then, so its attempt ends with its agent, and none of this is on a tape.
 */
#include "agent/runners/jupyter/kernel_work.h"

#include "agent/outcome.h"
#include "agent/replay.h"
#include "agent/runners/jupyter/sockets.h"
#include "agent/secret_start.h"

#include <stdlib.h>
#include <string.h>

enum { BEGUN = 'b', KILLED_BY_US = 'x', LOST = 'l' }; /* on the tape, beside the letters of requests */

static ama_jupyter_t *control_of (void *owner, bool of_kernel)
{
    kernel_work_t *work = owner;

    return of_kernel ? work->client : kernel_scope_control (work);
}

static json_t *compose (void *owner, char kind)
{
    kernel_work_t *work = owner;

    if (kind == KERNEL_SPLIT)
        return json_pack ("{s:s, s:s}", "code", work->script.source, "file", work->script.attempt->file);
    return kind == KERNEL_HAND_OVER ? NULL : kernel_scope_content (work, kind);
}

static const ama_request_spec_t specs[] = {
    { KERNEL_SPLIT, "ama_split_request", 60000, true }, /* a file of 4 MiB */
    { KERNEL_ATTACH, "ama_attach_request", 60000, true }, { KERNEL_HAND_OVER, "ama_close_request", 30000, true },
    { KERNEL_JARS, "ama_jar_request", 120000, false }, /* the JVM may be busy */
    { KERNEL_OPEN, "ama_open_request", 120000, false },   { KERNEL_CLOSE, "ama_close_request", 120000, false },
};
static const ama_requests_host_t requests_host = { .specs = specs,
                                                   .n_specs = ARRAY_SIZE (specs),
                                                   .control = control_of,
                                                   .content = compose,
                                                   .answered = kernel_answered };

void kernel_requests_init (kernel_work_t *work)
{
    ama_requests_init (&work->requests, work->script.attempt, &requests_host, work);
    work->requests.off_tape = work->kind->stock;
}

/* ---- the tape ---- */

void kernel_note_begun (kernel_work_t *work)
{
    json_t *json = json_pack ("{s:s, s:s}", "sockets", work->sockets, "key", work->key);

    ama_requests_note_json (&work->requests, BEGUN, json);
    json_decref (json);
    kernel_scope_note (work);
}

void kernel_note_killed (kernel_work_t *work)
{
    ama_requests_note (&work->requests, KILLED_BY_US, "");
}

void kernel_note_lost (kernel_work_t *work, const char *cause, const char *reason)
{
    json_t *json = json_pack ("{s:s, s:s}", "cause", cause, "reason", reason);

    ama_requests_note_json (&work->requests, LOST, json);
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
    json_t *json;

    if (size && bytes[0] == KILLED_BY_US)
        work->asked = KILLED;
    json = size ? json_loads (bytes + 1, JSON_DECODE_ANY, NULL) : NULL;
    if (!json)
        return;
    if (bytes[0] == BEGUN)
        recall_begun (work, json);
    else if (bytes[0] == LOST)
        kernel_scope_lose (work, ama_jupyter_string (json, "cause"), ama_jupyter_string (json, "reason"));
    else
        ama_requests_recall (&work->requests, bytes[0], json);
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
    bool unopened =
        ama_requests_wants (&work->requests, KERNEL_OPEN) || ama_requests_wants (&work->requests, KERNEL_JARS);

    return (work->secret && unopened) || !work->journal;
}

static void give_up (kernel_work_t *work)
{
    const ama_outcome_t outcome = ama_outcome_of_earlier_agent (AMA_OUTCOME_NEVER_BEGAN, work->script.attempt->file);

    ama_script_fail (&work->script, &outcome);
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
    ama_requests_send (&work->requests);
    work->script.host->send (&work->script);
    kernel_settle (work);
}
