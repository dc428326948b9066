/* kernel_scope.c - the place that a kernel of its own has in the run's Spark session
 *
 * Used by kernel_runner.c, on the agent's thread.
 *
 *     (jars) ─▶ open a scope in the session ─▶ attach the kernel to it ─▶ ready … the kernel has ended ─▶ close the scope (and publish)
 *
 * The session answers with a gateway and its token, which go to the kernel in a signed message, over a socket in a closed folder: they are in no file, no command line and no
 * environment. An installed kernel, which answers no requests of ours, is attached by kernel_attach.c. What the attempt leaves is put aside in the session by the kernel, and published when the scope is closed as succeeded.
 */
#include "agent/runners/jupyter/kernel_work.h"

#include "agent/session.h"

#include <stdlib.h>
#include <string.h>

#define ASK_MS    120000 /* the JVM may be busy */
#define ATTACH_MS 60000

struct kernel_scope {
    ama_session_t *session; /* NULL: it is lost */
    char id[AMA_ID_TEXT];
    json_t *env, *jars;
    json_t *gateway; /* the answer to the request that opened it; NULL: not open */
    bool asked, attaching, attached, closing;
};

typedef struct kernel_scope scope_t;

int kernel_scope_join (kernel_work_t *work, const ama_attempt_start_t *start, ama_err_t *err)
{
    ama_attempt_t *attempt = work->script.attempt;
    ama_session_t *session = ama_session_find (attempt->agent, attempt->session);
    ama_str_t env = { 0 };
    scope_t *scope;

    attempt->uncounted = !session; /* it may have been told of by the agent that died with it */
    if (!session || !ama_session_is_usable (session))
        return ama_err_set (err, AMA_E_UNREACHABLE, "the Spark session is not there any more");
    scope = work->scope = ama_calloc (1, sizeof *scope);
    scope->session = session;
    (void) ama_id_text (attempt->id, scope->id);
    ama_folder_env_json (start, &env);
    scope->env = json_loads (env.data, 0, NULL);
    ama_str_done (&env);
    scope->jars = json_array ();
    for (size_t i = 0; i < start->n_jars; i++)
        (void) json_array_append_new (scope->jars, json_string (start->jars[i]));
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
    return work->scope && work->scope->attached && work->scope->session;
}

/* ---- opening ---- */

/* err: there was no answer. */
static void go_wrong (kernel_work_t *work, const char *cause, const json_t *content, const ama_err_t *err)
{
    const char *name = err ? "kernel" : ama_jupyter_string (content, "ename");

    ama_script_fail (&work->script,
                     &(ama_outcome_t){ .state = AMA_ATTEMPT_STATE_ERRORED,
                                       .cause = cause,
                                       .exit = -1,
                                       .error = name[0] ? name : "kernel",
                                       .message = err ? err->text : ama_jupyter_string (content, "evalue"),
                                       .file = work->script.attempt->file });
}

static void on_attached (const json_t *content, const ama_err_t *err, void *arg)
{
    kernel_work_t *work = arg;

    if (!ama_script_is_ok (content)) {
        go_wrong (work, err ? "killed" : "error", content, err);
        return;
    }
    work->scope->attached = true;
    ama_script_go_on (&work->script);
}

void kernel_scope_attached (kernel_work_t *work, const json_t *reply)
{
    if (work->script.step == AMA_SCRIPT_OPENING)
        on_attached (reply, NULL, work);
}

static void attach (kernel_work_t *work)
{
    scope_t *scope = work->scope;
    json_t *content = json_copy (scope->gateway);
    ama_err_t err = { 0 };

    scope->attaching = true;
    (void) json_object_set_new (content, "scope", json_string (scope->id));
    if (kernel_stock_is_told (work)) {
        if (kernel_stock_attach (work, content, &err) < 0)
            go_wrong (work, "error", NULL, &err);
        json_decref (content);
        return;
    }
    if (work->stock) { /* it found no order */
        char run[AMA_ID_TEXT];
        (void) json_object_set (content, "env", scope->env);
        (void) json_object_set_new (content, "run", json_string (ama_id_text (work->script.attempt->run, run)));
    }
    ama_jupyter_control (work->client, "ama_attach_request", content, ATTACH_MS, on_attached, work);
}

static void on_opened (const json_t *content, const ama_err_t *err, void *arg)
{
    kernel_work_t *work = arg;
    scope_t *scope = work->scope;

    if (ama_script_is_ok (content))
        scope->gateway = json_deep_copy (content);
    if (work->script.step == AMA_SCRIPT_CLOSING) /* it ended meanwhile */
        kernel_settle (work);
    else if (!scope->gateway)
        go_wrong (work, "session-lost", content, err);
    else
        kernel_scope_ask (work);
}

static void open_it (kernel_work_t *work, ama_jupyter_t *control)
{
    const ama_attempt_t *attempt = work->script.attempt;
    char run[AMA_ID_TEXT];

    ama_jupyter_control (control, "ama_open_request",
                         json_pack ("{s:b, s:s, s:s, s:s, s:s, s:O?}", "peer", 1, "language", work->kind->folder,
                                    "scope", work->scope->id, "action", attempt->action, "run",
                                    ama_id_text (attempt->run, run), "env", work->scope->env),
                         ASK_MS, on_opened, work);
}

static void on_jars (const json_t *content, const ama_err_t *err, void *arg)
{
    kernel_work_t *work = arg;
    scope_t *scope = work->scope;
    ama_jupyter_t *control = scope->session ? ama_session_control (scope->session) : NULL;

    if (work->script.step == AMA_SCRIPT_CLOSING || !ama_script_is_ok (content) || !control) {
        scope->asked = false;
        if (work->script.step == AMA_SCRIPT_CLOSING)
            kernel_settle (work);
        else if (control)
            go_wrong (work, "session-lost", content, err);
        return;
    }
    open_it (work, control);
}

void kernel_scope_ask (kernel_work_t *work)
{
    scope_t *scope = work->scope;
    ama_jupyter_t *control;

    if (!scope || !scope->session || work->script.step == AMA_SCRIPT_CLOSING)
        return;
    control = ama_session_control (scope->session);
    if (!scope->asked && control) {
        scope->asked = true;
        if (json_array_size (scope->jars))
            ama_jupyter_control (control, "ama_jar_request", json_pack ("{s:O}", "paths", scope->jars), ASK_MS, on_jars,
                                 work);
        else
            open_it (work, control);
    }
    else if (scope->gateway && work->client && !scope->attaching
             && (!kernel_stock_is_told (work) || kernel_stock_can_attach (work)))
        attach (work);
}

void kernel_scope_cancel (kernel_work_t *work)
{
    scope_t *scope = work->scope;
    ama_jupyter_t *control = scope && scope->session ? ama_session_control (scope->session) : NULL;

    if (control && scope->attached)
        ama_jupyter_control (control, "ama_cancel_request", json_pack ("{s:s}", "scope", scope->id), 0, NULL, NULL);
}

/* ---- closing ---- */

static void forget (kernel_work_t *work)
{
    scope_t *scope = work->scope;

    if (scope->session)
        ama_session_forget (scope->session, work);
    json_decref (scope->gateway);
    scope->gateway = NULL;
    scope->asked = scope->closing = false;
}

static void on_closed (const json_t *content, const ama_err_t *err, void *arg)
{
    kernel_work_t *work = arg;

    if (!ama_script_is_ok (content))
        ama_script_spoil (&work->script, "publish", err ? err->text : ama_jupyter_string (content, "evalue"));
    forget (work);
    work->scope->session = NULL;
    kernel_settle (work);
}

bool kernel_scope_close (kernel_work_t *work)
{
    scope_t *scope = work->scope;
    ama_jupyter_t *control = scope && scope->session ? ama_session_control (scope->session) : NULL;
    bool publish = work->script.state == AMA_ATTEMPT_STATE_SUCCEEDED;

    if (!scope || !scope->session || !scope->asked)
        return false;
    if (scope->closing || !scope->gateway || !control) /* its answer, or the session's end, is still to come */
        return true;
    scope->closing = true;
    ama_jupyter_control (control, "ama_close_request",
                         json_pack ("{s:s, s:b}", "scope", scope->id, "publish", (int) publish), ASK_MS, on_closed,
                         work);
    return true;
}

/* ---- the session ---- */

void kernel_scope_back (ama_attempt_t *attempt)
{
    kernel_scope_ask (attempt->work);
    kernel_settle (attempt->work);
}

void kernel_scope_lost (ama_attempt_t *attempt, const char *cause, const char *reason)
{
    kernel_work_t *work = attempt->work;
    bool lost = strcmp (cause, "node-lost") == 0; /* its lease was over */

    if (!work->scope || !work->scope->session)
        return;
    work->scope->session = NULL;
    forget (work);
    if (work->script.step == AMA_SCRIPT_CLOSING)
        ama_script_spoil (&work->script, "publish", reason);
    ama_script_fail (&work->script,
                     &(ama_outcome_t){ .state = lost ? AMA_ATTEMPT_STATE_LOST : AMA_ATTEMPT_STATE_ERRORED,
                                       .cause = cause,
                                       .exit = -1,
                                       .error = lost ? "lost" : cause,
                                       .message = reason,
                                       .file = attempt->file });
    kernel_kill (work); /* what it could still say is of no use to anybody */
}

void kernel_scope_done (kernel_work_t *work)
{
    if (!work->scope)
        return;
    forget (work);
    json_decref (work->scope->env);
    json_decref (work->scope->jars);
    free (work->scope);
    work->scope = NULL;
}
