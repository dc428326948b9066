/* kernel_runner.c - a file through a kernel of the action's own, statement by statement
 *
 * Used by attempt.c, on the agent's thread.
 *
 *     install ─▶ start ─▶ bound ─▶ split the file ─▶ statement … statement ─▶ (hand over) ─▶ shut down ─▶ end
 *
 * A cancel interrupts the statement; if that goes on after the grace, because it does not want to end or because the kernel hangs, the kernel is killed. Before the
 * first statement it is killed at once. A kernel that dies is the end of its attempt, and what it has said by then is told.
 */
#include "agent/ahead.h"
#include "agent/outcome.h"
#include "agent/runners/jupyter/kernel_work.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HAND_OVER_MS 30000 /* of one that is told */

static kernel_work_t *work_of (ama_script_t *script)
{
    return (kernel_work_t *) script;
}

/* ---- closing ---- */

void kernel_shut_down (kernel_work_t *work)
{
    work->asked = SHUTTING_DOWN;
    if (!work->client) /* its tape is being played */
        return;
    ama_jupyter_control (work->client, "shutdown_request", json_pack ("{s:b}", "restart", 0), 0, NULL, NULL);
    ama_timer_after (work->timer, work->script.attempt->agent->conf.grace_ms);
}

void kernel_handed_over (kernel_work_t *work, const json_t *reply, const ama_err_t *err)
{
    if (work->asked != HANDING_OVER)
        return;
    if (!ama_script_is_ok (reply))
        ama_script_spoil (&work->script, "publish", err ? err->text : ama_jupyter_string (reply, "evalue"));
    kernel_shut_down (work);
}

static void hand_over (kernel_work_t *work)
{
    work->asked = HANDING_OVER;
    if (!kernel_stock_is_told (work)) {
        ama_requests_want (&work->requests, KERNEL_HAND_OVER);
        return;
    }
    kernel_stock_hand_over (work);
    ama_timer_after (work->timer, HAND_OVER_MS);
}

static void close_kernel (kernel_work_t *work)
{
    if (work->asked >= HANDING_OVER)
        return;
    if (work->stock ? !work->client || !kernel_stock_is_ready (work) : !work->bound)
        kernel_kill (work);
    else if (work->script.state == AMA_ATTEMPT_STATE_SUCCEEDED && kernel_scope_has_values (work))
        hand_over (work);
    else
        kernel_shut_down (work);
}

static void settle (ama_script_t *script)
{
    kernel_work_t *work = work_of (script);

    if (script->step != AMA_SCRIPT_CLOSING || work->over || work->install || work->draining)
        return;
    if (work->running) {
        close_kernel (work);
        return;
    }
    if (kernel_scope_close (work))
        return;
    if (work->stock)
        kernel_stock_end (work);
    work->over = true;
    ama_timer_after (work->soon, 0);
}

void kernel_settle (kernel_work_t *work)
{
    settle (&work->script);
}

static void on_soon (void *arg)
{
    kernel_work_t *work = arg;

    if (work->waits)
        ama_ahead_ended (work->script.attempt);
    else
        ama_script_end (&work->script);
}

/* It has not begun, or not ended, in its time. */
static void on_timer (void *arg)
{
    kernel_work_t *work = arg;
    ama_err_t late = { 0 };

    if (work->asked == HANDING_OVER) {
        (void) ama_err_set (&late, AMA_E_TIMEOUT, "it did not hand over in time what it leaves");
        kernel_handed_over (work, NULL, &late);
    }
    else if (work->stock && work->asked == SHUTTING_DOWN && work->running) {
        work->asked = KILLED;
        ama_ward_kill (work->script.attempt->ward, false); /* by force after the grace */
    }
    else
        kernel_kill (work);
}

/* ---- what the script asks of its host ---- */

static void send (ama_script_t *script)
{
    kernel_work_t *work = work_of (script);

    if (work->client && work->stock)
        kernel_stock_send (work);
    else if (work->client)
        ama_script_execute (script, work->client, "");
}

static bool ready (const ama_script_t *script)
{
    const kernel_work_t *work = (const kernel_work_t *) script;

    return kernel_scope_is_ready (work) && (work->stock ? work->client && kernel_stock_is_ready (work) : work->bound);
}

static void calm (ama_script_t *script)
{
    kernel_work_t *work = work_of (script);

    if (work->asked == INTERRUPTED) {
        work->asked = NOTHING_ASKED;
        ama_timer_cancel (work->timer);
    }
}

/* ---- the beginning ---- */

static void on_split (kernel_work_t *work, const json_t *content)
{
    ama_timer_cancel (work->timer);
    if (work->script.step == AMA_SCRIPT_OPENING)
        ama_script_split (&work->script, content);
}

void kernel_answered (void *owner, char kind, const json_t *content)
{
    kernel_work_t *work = owner;

    if (kind == KERNEL_SPLIT)
        on_split (work, content);
    else if (kind == KERNEL_HAND_OVER)
        kernel_handed_over (work, content, NULL);
    else
        kernel_scope_answered (work, kind, content);
}

void kernel_bound (kernel_work_t *work)
{
    if (work->script.step != AMA_SCRIPT_OPENING)
        return;
    if (work->stock)
        kernel_stock_open (work);
    else
        ama_requests_want (&work->requests, KERNEL_SPLIT);
    kernel_scope_ask (work);
}

/* ---- an end that the kernel did not tell ---- */

void kernel_failed (kernel_work_t *work, const char *error, const char *message)
{
    bool stopped = work->script.attempt->cancelled,
         missing = strcmp (error, "install") == 0 || strcmp (error, "resolution") == 0;

    if (work->waits) { /* its own time will tell why */
        ama_ahead_failed (work->script.attempt);
        ama_timer_after (work->soon, 0);
        return;
    }
    ama_script_fail (&work->script, &(ama_outcome_t){ .state = AMA_ATTEMPT_STATE_ERRORED,
                                                      .cause = missing ? "dependency" : "error",
                                                      .exit = -1,
                                                      .error = stopped ? "cancelled" : error,
                                                      .message = message,
                                                      .file = work->script.attempt->file });
}

/* For people. */
static const char *name_of (const kernel_work_t *work)
{
    return work->stock ? kernel_stock_name (work) : work->kind->folder;
}

static void fail_ended (kernel_work_t *work, const ama_child_end_t *how)
{
    ama_attempt_t *attempt = work->script.attempt;
    const char *name = name_of (work);
    bool begun = work->script.step == AMA_SCRIPT_RUNNING;
    ama_outcome_t outcome = { .state = begun || how->signal ? AMA_ATTEMPT_STATE_FAILED : AMA_ATTEMPT_STATE_ERRORED,
                              .cause = "error",
                              .exit = how->code,
                              .error = begun ? "exit" : "start",
                              .file = attempt->file };
    bool oom = how->signal && ama_agent_oom_seen (attempt->agent);
    char message[256];

    if (attempt->cancelled) {
        outcome.error = attempt->timed_out ? "timeout" : "cancelled";
        (void) snprintf (message, sizeof message, "%s while this was running", outcome.error);
    }
    else if (work->asked == KILLED) {
        outcome.state = AMA_ATTEMPT_STATE_ERRORED;
        outcome.cause = "killed";
        outcome.error = "kernel";
        (void) snprintf (message, sizeof message, "%s did not react any more, and was killed", name);
    }
    else if (how->signal) {
        outcome.cause = oom ? "oom" : "killed";
        outcome.error = "signal";
        (void) snprintf (message, sizeof message, "%s was ended by SIG%s%s", name, sigabbrev_np (how->signal),
                         oom ? ": out of memory" : "");
    }
    else
        (void) snprintf (message, sizeof message, "%s ended with exit code %d%s", name, how->code,
                         begun ? " in the middle of a statement" : " before the first statement");
    outcome.message = message;
    ama_script_fail (&work->script, &outcome);
}

static void fail_lost (kernel_work_t *work, int trouble, bool lease_over)
{
    char text[AMA_OUTCOME_TEXT], start[AMA_OUTCOME_TEXT];
    ama_outcome_t outcome;

    (void) snprintf (start, sizeof start, "%s can not be started", name_of (work));
    outcome = ama_outcome_lost (start, trouble, lease_over, text);
    outcome.file = work->script.attempt->file;
    ama_script_fail (&work->script, &outcome);
}

void kernel_ended (kernel_work_t *work, const ama_child_end_t *how, int trouble, bool lease_over)
{
    if (work->script.step == AMA_SCRIPT_CLOSING) {
        if (work->asked == HANDING_OVER)
            ama_script_spoil (&work->script, "publish", "it ended before it had handed over what it leaves");
        settle (&work->script);
    }
    else if (trouble || lease_over)
        fail_lost (work, trouble, lease_over);
    else
        fail_ended (work, how);
}

/* ---- cancel ---- */

static void cancel (ama_attempt_t *attempt, bool force)
{
    kernel_work_t *work = attempt->work;

    if (work->waits)
        kernel_kill (work);
    if (work->install)
        ama_install_kill (work->install);
    else if (!work->running || work->asked == KILLED)
        return;
    else if (force || work->script.step == AMA_SCRIPT_OPENING || work->asked == HANDING_OVER)
        kernel_kill (work);
    else if (work->script.executing && work->asked == NOTHING_ASKED) {
        work->asked = INTERRUPTED;
        if (work->stock) {
            kernel_stock_interrupt (work);
            if (kernel_stock_is_told (work))
                kernel_scope_cancel (work);
        }
        else
            ama_jupyter_control (work->client, "interrupt_request", NULL, 0, NULL, NULL);
        ama_timer_after (work->timer, attempt->agent->conf.grace_ms);
    }
}

/* ---- the runner ---- */

/* Not of a notebook: its cells are all that is in it. */
void kernel_take_exports (kernel_work_t *work, const ama_attempt_start_t *start)
{
    if (work->kind->session && !work->kind->notebook)
        ama_script_export (&work->script, start, work->stock ? kernel_stock_store () : NULL);
}

int kernel_load (ama_attempt_t *attempt, ama_err_t *err)
{
    static const ama_script_host_t host = {
        .lost = "killed", .send = send, .ready = ready, .calm = calm, .settle = settle
    };
    kernel_work_t *work = ama_calloc (1, sizeof *work);
    int rc;

    attempt->work = work;
    work->kind = (const ama_kernel_kind_t *) (const void *) attempt->runner;
    work->soon = ama_timer_new (attempt->agent->ctx, on_soon, work);
    work->timer = ama_timer_new (attempt->agent->ctx, on_timer, work);
    rc = ama_script_load (&work->script, attempt, &host, work->kind->max, err);
    kernel_requests_init (work);
    return rc;
}

static int begin (ama_attempt_t *attempt, const ama_attempt_start_t *message, bool waits, ama_err_t *err)
{
    kernel_work_t *work;
    ama_str_t env = { 0 }, path = { 0 };
    char run[AMA_ID_TEXT];
    json_t *order;
    int rc = kernel_load (attempt, err);

    work = attempt->work;
    work->waits = waits;
    if (rc == 0 && work->kind->session)
        rc = kernel_scope_join (work, message, err);
    if (rc == 0 && work->kind->stock)
        rc = kernel_stock_join (work, message, err);
    if (rc < 0)
        return rc;
    ama_folder_env_json (message, &env);
    ama_str_printf (&path, "%s/%s", attempt->snapshot, attempt->file);
    order = json_pack ("{s:o?, s:s, s:s, s:s, s:s, s:s}", "env", json_loads (env.data, 0, NULL), "file", attempt->file,
                       "path", path.data, "repo", attempt->snapshot, "action", attempt->action, "run",
                       ama_id_text (attempt->run, run));
    ama_str_done (&env);
    ama_str_done (&path);
    if (!order)
        return ama_err_set (err, AMA_E_INVALID, "no order can be made");
    rc = kernel_start (work, message, order, err);
    if (waits)
        kernel_scope_done (work); /* joined again when it goes: much may happen by then */
    else if (rc == 0) {
        kernel_take_exports (work, message);
        kernel_scope_ask (work);
    }
    return rc;
}

static int start (ama_attempt_t *attempt, const ama_attempt_start_t *message, ama_err_t *err)
{
    return begin (attempt, message, false, err);
}

static int prepare (ama_attempt_t *attempt, const ama_attempt_start_t *message, ama_err_t *err)
{
    return begin (attempt, message, true, err);
}

static void go (ama_attempt_t *attempt, const ama_attempt_start_t *message)
{
    kernel_work_t *work = attempt->work;
    ama_err_t err = { 0 };

    kernel_let_go (work);
    if (!work->kind->session)
        return;
    kernel_take_exports (work, message);
    if (kernel_scope_join (work, message, &err) == 0)
        kernel_scope_ask (work);
    else
        ama_script_fail (&work->script, &(ama_outcome_t){ .state = AMA_ATTEMPT_STATE_ERRORED,
                                                          .cause = "session-lost",
                                                          .exit = -1,
                                                          .error = "session-lost",
                                                          .message = err.text,
                                                          .file = attempt->file });
}

static void pause_output (ama_attempt_t *attempt, bool pause)
{
    kernel_work_t *work = attempt->work;

    if (work->running)
        ama_ward_pause (attempt->ward, pause);
}

static void done (ama_attempt_t *attempt)
{
    kernel_work_t *work = attempt->work;

    if (!work)
        return;
    kernel_scope_done (work);
    kernel_stock_done (work);
    kernel_done (work);
    ama_timer_destroy (&work->soon);
    ama_timer_destroy (&work->timer);
    ama_script_done (&work->script);
    free (work);
    attempt->work = NULL;
}

#define RUNNER(NAME, ...)                                                                                              \
    {                                                                                                                  \
        .name = (NAME), .start = start, .cancel = cancel, .pause = pause_output, .done = done,                         \
        .session_back = kernel_scope_back, .session_lost = kernel_scope_lost __VA_OPT__ (, ) __VA_ARGS__               \
    }
/* Ours, which wait for their order, and outlive the agent. */
#define OURS(NAME)                                                                                                     \
    RUNNER (NAME, .prepare = prepare, .go = go, .restore = kernel_restore, .recall = kernel_recall,                    \
            .resume = kernel_resume)

static const ama_kernel_kind_t kinds[] = {
    { OURS ("python"), "python", AMA_SCRIPT_MAX, false, false, false, NULL },
    { OURS ("pandas"), "python", AMA_SCRIPT_MAX, false, false, false, NULL },
    { OURS ("pyspark"), "python", AMA_SCRIPT_MAX, true, false, false, NULL },
    { RUNNER ("pyspark"), "python", AMA_NOTEBOOK_MAX, true, true, true, NULL },
    { RUNNER ("kernel"), "python", AMA_SCRIPT_MAX, false, true, false, NULL },
    { RUNNER ("notebook"), "python", AMA_NOTEBOOK_MAX, false, true, true, NULL },
    { RUNNER ("r"), "r", AMA_SCRIPT_MAX, false, true, false, "prelude.R" },
    { RUNNER ("sparkr"), "r", AMA_SCRIPT_MAX, true, true, false, "prelude.R" },
};

/* Of several of one name the last that can read the file. */
const ama_runner_t *ama_kernel_runner (const char *name, const char *file)
{
    const ama_runner_t *found = NULL;

    for (size_t i = 0; i < ARRAY_SIZE (kinds); i++)
        if (strcmp (kinds[i].runner.name, name) == 0
            && (!found || (kinds[i].notebook && ama_str_ends (file, ".ipynb"))))
            found = &kinds[i].runner;
    return found;
}
