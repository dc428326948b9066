/* kernel_scope.c - the place that a kernel of its own has in the run's Spark session
 *
 * Used by kernel_runner.c, on the agent's thread.
 *
 *     (jars) ─▶ open a scope in the session ─▶ attach the kernel to it ─▶ ready … the kernel has ended ─▶ close the scope (and publish)
 *
 * The session answers with a gateway and its token, which go to the kernel in a signed message, over a socket in a closed folder: they are on no command line and in no
 * environment, and in no file but the attempt's tape, which no action can open. An installed kernel, which answers no requests of ours, is attached by kernel_attach.c. What the attempt leaves is put aside in the session by the kernel, and published when the scope is closed as succeeded.
 */
#include "agent/runners/jupyter/kernel_work.h"

#include <stdlib.h>
#include <string.h>

struct kernel_scope {
    ama_session_t *session; /* NULL: it is not there any more, or the tape is being played */
    char id[AMA_ID_TEXT];
    json_t *env, *jars;
    json_t *gateway; /* the answer to the request that opened it; NULL: not open */
    bool asked, attaching, attached, closing;
    bool over;                      /* it is closed, or lost */
    char *lost_cause, *lost_reason; /* told when the tape has been played */
};

typedef struct kernel_scope scope_t;

void kernel_scope_expect (kernel_work_t *work, const ama_attempt_start_t *start)
{
    ama_str_t env = { 0 };
    scope_t *scope;

    if (!work->kind->session)
        return;
    scope = work->scope = ama_calloc (1, sizeof *scope);
    (void) ama_id_text (work->script.attempt->id, scope->id);
    ama_folder_env_json (start, &env);
    scope->env = json_loads (env.data, 0, NULL);
    ama_str_done (&env);
    scope->jars = json_array ();
    for (size_t i = 0; i < start->n_jars; i++)
        (void) json_array_append_new (scope->jars, json_string (start->jars[i]));
}

int kernel_scope_join (kernel_work_t *work, const ama_attempt_start_t *start, ama_err_t *err)
{
    ama_attempt_t *attempt = work->script.attempt;
    ama_session_t *session = ama_session_find (attempt->agent, attempt->session);

    attempt->uncounted = !session; /* it may have been told of by the agent that died with it */
    if (!session || !ama_session_is_usable (session))
        return ama_err_set (err, AMA_E_UNREACHABLE, "the Spark session is not there any more");
    kernel_scope_expect (work, start);
    work->scope->session = session;
    return 0;
}

void kernel_scope_confine (kernel_work_t *work)
{
    ama_str_t tmp = { 0 };

    if (!work->scope)
        return;
    ama_str_printf (&tmp, "%s/tmp", ama_session_folder (work->scope->session));
    ama_confine_write (work->confine, tmp.data);
    ama_str_done (&tmp);
}

const char *kernel_scope_spark_home (const kernel_work_t *work)
{
    return work->scope ? ama_session_spark_home (work->scope->session) : "";
}

bool kernel_scope_is_ready (const kernel_work_t *work)
{
    return !work->scope || work->scope->attached;
}

bool kernel_scope_has_values (const kernel_work_t *work)
{
    return work->scope && work->scope->attached && !work->scope->over;
}

/* ---- opening ---- */

static void go_wrong (kernel_work_t *work, const char *cause, const json_t *content)
{
    const char *name = ama_jupyter_string (content, "ename");

    ama_script_fail (&work->script, &(ama_outcome_t){ .state = AMA_ATTEMPT_STATE_ERRORED,
                                                      .cause = cause,
                                                      .exit = -1,
                                                      .error = name[0] ? name : "kernel",
                                                      .message = ama_jupyter_string (content, "evalue"),
                                                      .file = work->script.attempt->file });
}

void kernel_scope_attached (kernel_work_t *work, const json_t *reply)
{
    bool silent = strcmp (ama_jupyter_string (reply, "ename"), "kernel") == 0; /* there was no answer */

    if (work->script.step != AMA_SCRIPT_OPENING)
        return;
    if (!ama_script_is_ok (reply)) {
        go_wrong (work, silent ? "killed" : "error", reply);
        return;
    }
    work->scope->attached = true;
    ama_script_go_on (&work->script);
}

/* By code of ours that is said to it. */
static void attach_told (kernel_work_t *work)
{
    json_t *given = kernel_scope_content (work, KERNEL_ATTACH), *trouble;
    ama_err_t err = { 0 };

    if (kernel_stock_attach (work, given, &err) < 0) {
        trouble = json_pack ("{s:s, s:s}", "ename", "attach", "evalue", err.text);
        go_wrong (work, "error", trouble);
        json_decref (trouble);
    }
    json_decref (given);
}

static void attach (kernel_work_t *work)
{
    work->scope->attaching = true;
    if (kernel_stock_is_told (work))
        attach_told (work);
    else
        ama_requests_want (&work->requests, KERNEL_ATTACH);
}

static void on_opened (kernel_work_t *work, const json_t *content)
{
    scope_t *scope = work->scope;

    if (ama_script_is_ok (content))
        scope->gateway = json_deep_copy (content);
    else
        scope->asked = false;                    /* there is nothing to be closed */
    if (work->script.step == AMA_SCRIPT_CLOSING) /* it ended meanwhile */
        kernel_settle (work);
    else if (!scope->gateway)
        go_wrong (work, "session-lost", content);
    else
        kernel_scope_ask (work);
}

static void on_jars (kernel_work_t *work, const json_t *content)
{
    if (work->script.step == AMA_SCRIPT_CLOSING || !ama_script_is_ok (content)) {
        work->scope->asked = false;
        if (work->script.step == AMA_SCRIPT_CLOSING)
            kernel_settle (work);
        else
            go_wrong (work, "session-lost", content);
        return;
    }
    ama_requests_want (&work->requests, KERNEL_OPEN);
}

static bool can_be_asked (const kernel_work_t *work)
{
    return work->stock ? work->client != NULL : work->bound;
}

void kernel_scope_ask (kernel_work_t *work)
{
    scope_t *scope = work->scope;

    if (!scope || scope->over || work->script.step == AMA_SCRIPT_CLOSING)
        return;
    if (!scope->asked) {
        scope->asked = true;
        ama_requests_want (&work->requests, json_array_size (scope->jars) ? KERNEL_JARS : KERNEL_OPEN);
    }
    else if (scope->gateway && can_be_asked (work) && !scope->attaching
             && (!kernel_stock_is_told (work) || kernel_stock_can_attach (work)))
        attach (work);
}

ama_jupyter_t *kernel_scope_control (const kernel_work_t *work)
{
    return work->scope && work->scope->session ? ama_session_control (work->scope->session) : NULL;
}

/* An installed kernel has found no order. */
static json_t *attach_content (const kernel_work_t *work, const char *run)
{
    json_t *content = json_copy (work->scope->gateway);

    (void) json_object_set_new (content, "scope", json_string (work->scope->id));
    if (work->stock && !kernel_stock_is_told (work)) {
        (void) json_object_set (content, "env", work->scope->env);
        (void) json_object_set_new (content, "run", json_string (run));
    }
    return content;
}

json_t *kernel_scope_content (const kernel_work_t *work, char kind)
{
    const ama_attempt_t *attempt = work->script.attempt;
    const scope_t *scope = work->scope;
    char run[AMA_ID_TEXT];

    (void) ama_id_text (attempt->run, run);
    switch (kind) {
    case KERNEL_JARS:
        return json_pack ("{s:O}", "paths", scope->jars);
    case KERNEL_OPEN:
        return json_pack ("{s:b, s:s, s:s, s:s, s:s, s:O?}", "peer", 1, "language", work->kind->folder, "scope",
                          scope->id, "action", attempt->action, "run", run, "env", scope->env);
    case KERNEL_ATTACH:
        return attach_content (work, run);
    default:
        return json_pack ("{s:s, s:b}", "scope", scope->id, "publish",
                          work->script.state == AMA_ATTEMPT_STATE_SUCCEEDED);
    }
}

void kernel_scope_note (kernel_work_t *work)
{
    json_t *ok = json_pack ("{s:s}", "status", "ok");

    if (ama_requests_has (&work->requests, KERNEL_JARS))
        ama_requests_note_json (&work->requests, KERNEL_JARS, ok);
    if (ama_requests_has (&work->requests, KERNEL_OPEN))
        ama_requests_note_json (&work->requests, KERNEL_OPEN, work->scope->gateway);
    json_decref (ok);
}

void kernel_scope_cancel (kernel_work_t *work)
{
    ama_jupyter_t *control = kernel_scope_control (work);

    if (control && work->scope->attached)
        ama_jupyter_control (control, "ama_cancel_request", json_pack ("{s:s}", "scope", work->scope->id), 0, NULL,
                             NULL);
}

/* ---- closing ---- */

static void forget (kernel_work_t *work)
{
    scope_t *scope = work->scope;

    ama_requests_forget (&work->requests, scope->session);
    json_decref (scope->gateway);
    scope->gateway = NULL;
    scope->asked = scope->closing = false;
}

static void on_closed (kernel_work_t *work, const json_t *content)
{
    if (!ama_script_is_ok (content))
        ama_script_spoil (&work->script, "publish", ama_jupyter_string (content, "evalue"));
    forget (work);
    work->scope->over = true;
    kernel_settle (work);
}

bool kernel_scope_close (kernel_work_t *work)
{
    scope_t *scope = work->scope;

    if (!scope || scope->over || !scope->asked)
        return false;
    if (scope->closing || !scope->gateway) /* an answer, or the session's end, is still to come */
        return true;
    scope->closing = true;
    ama_requests_want (&work->requests, KERNEL_CLOSE);
    return true;
}

void kernel_scope_answered (kernel_work_t *work, char kind, const json_t *content)
{
    if (!work->scope)
        return;
    if (kind == KERNEL_JARS)
        on_jars (work, content);
    else if (kind == KERNEL_OPEN)
        on_opened (work, content);
    else if (kind == KERNEL_ATTACH)
        kernel_scope_attached (work, content);
    else
        on_closed (work, content);
}

/* ---- the session ---- */

void kernel_scope_back (ama_attempt_t *attempt)
{
    kernel_work_t *work = attempt->work;

    if (attempt->replay) /* it is looked for when the tape has been played */
        return;
    kernel_scope_ask (work);
    ama_requests_send (&work->requests);
    kernel_settle (work);
}

void kernel_scope_lose (kernel_work_t *work, const char *cause, const char *reason)
{
    bool lost = strcmp (cause, "node-lost") == 0; /* its lease was over */
    scope_t *scope = work->scope;

    if (!scope || scope->over)
        return;
    kernel_note_lost (work, cause, reason);
    forget (work);
    scope->session = NULL;
    scope->over = true;
    if (work->script.step == AMA_SCRIPT_CLOSING)
        ama_script_spoil (&work->script, "publish", reason);
    ama_script_fail (&work->script,
                     &(ama_outcome_t){ .state = lost ? AMA_ATTEMPT_STATE_LOST : AMA_ATTEMPT_STATE_ERRORED,
                                       .cause = cause,
                                       .exit = -1,
                                       .error = lost ? "lost" : cause,
                                       .message = reason,
                                       .file = work->script.attempt->file });
    kernel_kill (work); /* what it could still say is of no use to anybody */
}

void kernel_scope_lost (ama_attempt_t *attempt, const char *cause, const char *reason)
{
    kernel_work_t *work = attempt->work;

    if (work->scope && attempt->replay) {
        ama_script_set_text (&work->scope->lost_cause, cause);
        ama_script_set_text (&work->scope->lost_reason, reason);
    }
    else
        kernel_scope_lose (work, cause, reason);
}

void kernel_scope_resume (kernel_work_t *work)
{
    ama_attempt_t *attempt = work->script.attempt;
    scope_t *scope = work->scope;
    ama_session_t *session = ama_session_find (attempt->agent, attempt->session);

    if (!scope || scope->over)
        return;
    if (scope->lost_cause)
        kernel_scope_lose (work, scope->lost_cause, scope->lost_reason);
    else if (!session || !ama_session_is_usable (session))
        kernel_scope_lose (work, "session-lost", "its Spark session has not outlived the agent");
    else
        scope->session = session;
}

void kernel_scope_done (kernel_work_t *work)
{
    if (!work->scope)
        return;
    forget (work);
    json_decref (work->scope->env);
    json_decref (work->scope->jars);
    free (work->scope->lost_cause);
    free (work->scope->lost_reason);
    free (work->scope);
    work->scope = NULL;
}
