/* scala_runner.c - a Scala file through the run's Spark session, statement by statement
 *
 * Used by attempt.c, on the agent's thread.
 *
 *     open a scope ─▶ connect ─┐
 *                              ├─▶ statement … statement ─▶ close the scope (and publish) ─▶ end
 *               split the file ┘
 *
 * A syntax error anywhere ends the attempt before its first statement. The first statement that fails ends it. A cancel interrupts the
 * statement, then stops its thread by force, then kills the JVM, each after the grace. Between two steps a cancel just ends the attempt.
 */
#include "agent/runners/spark/scala_work.h"

#include "actors/base/ama_failpoint.h"

#include <stdlib.h>

static work_t *work_of (ama_script_t *script)
{
    return (work_t *) script;
}

/* ---- what the script asks of its host ---- */

static void settle (ama_script_t *script)
{
    work_t *work = work_of (script);

    if (work->script.step != AMA_SCRIPT_CLOSING || ama_requests_wait (&work->requests) || scala_playing (work)
        || work->over)
        return;
    if (work->opened && work->session)
        ama_requests_want (&work->requests, ASK_CLOSE);
    else {
        work->over = true;
        scala_keep_notebook (work);
        ama_timer_after (work->soon, 0);
    }
}

static void send (ama_script_t *script)
{
    work_t *work = work_of (script);

    scala_begin_cell (work);
    if (!script->executing || !work->client || scala_playing (work))
        return;
    AMA_FAILPOINT (session, statement);
    ama_script_execute (script, work->client, "");
}

static bool ready (const ama_script_t *script)
{
    const work_t *work = (const work_t *) script;

    return work->opened && !ama_requests_wants (&work->requests, ASK_JARS);
}

static void calm (ama_script_t *script)
{
    if (work_of (script)->timer)
        ama_timer_cancel (work_of (script)->timer);
}

/* ---- answers ---- */

static void on_closed (work_t *work, const json_t *content)
{
    work->opened = false;
    if (!ama_script_is_ok (content))
        ama_script_spoil (&work->script, "publish", ama_jupyter_string (content, "evalue"));
    settle (&work->script);
}

void scala_answered (void *owner, char kind, const json_t *content)
{
    work_t *work = owner;

    if (kind == ASK_CLOSE)
        on_closed (work, content);
    else if (kind == ASK_OPEN) {
        work->opened = ama_script_is_ok (content);
        scala_connect (work);
    }
    if (work->script.step == AMA_SCRIPT_CLOSING) /* it ended meanwhile */
        settle (&work->script);
    else if (kind == ASK_SPLIT)
        ama_script_split (&work->script, content);
    else if (!ama_script_is_ok (content))
        ama_script_trouble (&work->script, content);
    else
        ama_script_go_on (&work->script);
}

int scala_load (ama_attempt_t *attempt, const ama_attempt_start_t *message, ama_err_t *err)
{
    static const ama_script_host_t host = {
        .lost = "session-lost", .send = send, .ready = ready, .calm = calm, .settle = settle
    };
    work_t *work = ama_calloc (1, sizeof *work);
    bool notebook = scala_is_notebook (attempt);
    int rc;

    attempt->work = work;
    rc = ama_script_load (&work->script, attempt, &host, notebook ? AMA_NOTEBOOK_MAX : AMA_SCRIPT_MAX, err);
    return rc == 0 && notebook ? scala_open_notebook (work, message, err) : rc;
}

static int start (ama_attempt_t *attempt, const ama_attempt_start_t *message, ama_err_t *err)
{
    ama_err_t unread = { 0 };
    int rc = scala_load (attempt, message, &unread);

    if (rc == 0
        || !ama_session_find (attempt->agent, attempt->session)) /* that it is lost is told before a fault of ours */
        return scala_join (attempt, message, err);
    return ama_err_set (err, rc, "%s", unread.text);
}

/* ---- cancel ---- */

static void interrupt (work_t *work, bool force)
{
    ama_jupyter_control (work->client, "interrupt_request", json_pack ("{s:b}", "force", force), 0, NULL, NULL);
    work->stage = force ? 2 : 1;
    ama_timer_after (work->timer, work->script.attempt->agent->conf.grace_ms);
}

static void on_timer (void *arg)
{
    work_t *work = arg;

    if (!work->script.executing || !work->session)
        return;
    if (work->stage == 1)
        interrupt (work, true);
    else
        ama_session_kill (work->session, "a statement could not be stopped, so the Spark driver was killed");
}

void scala_cancel (ama_attempt_t *attempt, bool force)
{
    work_t *work = attempt->work;

    if (work->script.step == AMA_SCRIPT_RUNNING && work->script.executing && work->client) {
        if (!work->timer)
            work->timer = ama_timer_new (attempt->agent->ctx, on_timer, work);
        if (force || !work->stage)
            interrupt (work, force);
    }
}

static void pause_output (ama_attempt_t *attempt, bool pause)
{
    work_t *work = attempt->work;

    if (work->relaying && attempt->ward)
        ama_ward_pause (attempt->ward, pause);
}

static void done (ama_attempt_t *attempt)
{
    work_t *work = attempt->work;

    if (!work)
        return;
    scala_leave (work);
    ama_notebook_destroy (&work->notebook);
    ama_timer_destroy (&work->timer);
    ama_script_done (&work->script);
    free (work);
    attempt->work = NULL;
}

#define SCOPE_RUNNER(of)                                                                                               \
    {                                                                                                                  \
        .name = (of), .start = start, .cancel = scala_cancel, .pause = pause_output, .done = done,                     \
        .restore = scala_restore, .recall = scala_recall, .resume = scala_resume, .session_back = scala_session_back,  \
        .session_lost = scala_session_lost,                                                                            \
    }

const ama_runner_t ama_scala_runner = SCOPE_RUNNER ("spark-scala"), ama_sql_runner = SCOPE_RUNNER ("spark-sql");

const char *scala_language (const ama_attempt_t *attempt)
{
    return attempt->runner == &ama_sql_runner ? "sql" : "scala";
}
