/* spark_e2e_test.c - Scala files through a real Spark session: statements, hand-over, errors, cancel, loss. Spark is installed into the cache
 * (AMA_CACHE, else that of scripts/) if SPARK_HOME is not set. */
#include "tests/agent/harness.h"

#include "actors/base/ama_str.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static harness_t *harness;
static ama_id_t session, run;

static int setup (void **state)
{
    static char runners[512], cache[512];
    const char *source = getenv ("AMA_SOURCE_DIR"), *own = getenv ("AMA_CACHE"), *xdg = getenv ("XDG_CACHE_HOME");
    harness_conf_t conf = { .runners_dir = runners,
                            .cache_dir = cache,
                            .guard = true,
                            .spark_home = getenv ("SPARK_HOME"),
                            .java_home = getenv ("JAVA_HOME"),
                            .grace_ms = 1000 };

    (void) state;
    (void) snprintf (runners, sizeof runners, "%s/agent/runners", source);
    if (own)
        (void) snprintf (cache, sizeof cache, "%s", own);
    else
        (void) snprintf (cache, sizeof cache, "%s%s/amaterasu", xdg ? xdg : source, xdg ? "" : "/.cache");
    harness = harness_new (&conf);
    session = harness_session (harness, "local[2]", NULL, 0);
    return 0;
}

static int teardown (void **state)
{
    (void) state;
    harness_destroy (&harness);
    return 0;
}

/* An attempt of action `action` of this session. */
static ama_id_t scala (const char *action, const char *code)
{
    static unsigned count;
    ama_attempt_start_t *start;
    char name[32];

    (void) snprintf (name, sizeof name, "src%u.scala", ++count);
    harness_file (harness, name, code);
    start = harness_prepare (harness, "spark-scala", name);
    free (start->action);
    start->action = ama_strdup (action);
    start->session = session;
    start->run = run;
    start->environment.configuration = ama_calloc (1, sizeof (ama_plan_setting_t));
    start->environment.n_configuration = 1;
    start->environment.configuration[0] =
        (ama_plan_setting_t){ .key = ama_strdup ("limit"), .value = ama_strdup ("12"), .file = ama_strdup ("") };
    return harness_start (harness, start);
}

static void expect_story (ama_id_t id, const char *expected)
{
    char *story = harness_story (harness, id);

    if (strcmp (story, expected) != 0)
        fail_msg ("%s-- not --\n%s", story, expected);
    free (story);
}

/* Its final state; fails with the story if it is another. */
static const ama_attempt_status_t *expect_end (ama_id_t id, ama_attempt_state_t state, const char *cause)
{
    const ama_attempt_status_t *end = harness_end (harness, id);

    if (end->state != state || strcmp (end->cause, cause) != 0)
        fail_msg ("%s, %s: %s: %s\n%s", ama_attempt_state_name (end->state), end->cause, end->error, end->message,
                  harness_story (harness, id));
    return end;
}

static void becomes_ready (void **state)
{
    const ama_attempt_session_status_t *status = harness_session_state (harness, session, AMA_SESSION_STATE_READY);

    (void) state;
    run = status->run;
    assert_non_null (strstr (status->detail, "Spark 4."));
    assert_non_null (strstr (status->detail, "local[2], 2 cores"));
    assert_true (status->ms > 0);
}

static void statements (void **state)
{
    ama_id_t id = scala ("start", "// a comment\n"
                                  "val data = 1 to 10\n"
                                  "\n"
                                  "def twice (n: Int): Int = {\n"
                                  "  2 * n\n"
                                  "}\n"
                                  "println (twice (21)); println (\"two\")\n"
                                  "val odd = sc.parallelize (data).filter (_ % 2 == 1).toDF (\"n\")\n"
                                  "odd.count\n"
                                  "env.configuration (\"limit\")\n");

    (void) state;
    (void) expect_end (id, AMA_ATTEMPT_STATE_SUCCEEDED, "");
    expect_story (id, "begin 2 | val data = 1 to 10\n"
                      "end 2 ok = data: Range.Inclusive = Range 1 to 10\n"
                      "begin 4 | def twice (n: Int): Int = {\n  2 * n\n}\n"
                      "end 4 ok = def twice(n: Int): Int\n"
                      "begin 7 | println (twice (21))\nout 42\nend 7 ok\n"
                      "begin 7 | println (\"two\")\nout two\nend 7 ok\n"
                      "begin 8 | val odd = sc.parallelize (data).filter (_ % 2 == 1).toDF (\"n\")\n"
                      "end 8 ok = odd: DataFrame = [n: int]\n"
                      "begin 9 | odd.count\nend 9 ok = res2: Long = 5\n"
                      "begin 10 | env.configuration (\"limit\")\nend 10 ok = res3: String = 12\n");
}

static void later_actions_see_it (void **state)
{
    ama_id_t id = scala ("step2", "val odd = AmaContext.getDataFrame (\"start\", \"odd\")\nprintln (odd.count)\n");
    size_t size;
    char *out;

    (void) state;
    (void) expect_end (id, AMA_ATTEMPT_STATE_SUCCEEDED, "");
    out = harness_written (harness, id, "stdout", &size);
    assert_string_equal (out, "5\n");
    free (out);
}

/* One process serves all actions of a run, so what is the same for all of them is in its environment and its working directory. */
static void what_it_finds (void **state)
{
    ama_id_t id = scala (
        "finds",
        "println (Seq (\"AMA_JOB\", \"AMA_MASTER\", \"AMA_ENV\", \"AMA_ACTION\").map (sys.env.get (_)))\n"
        "new java.io.File (sys.env (\"AMA_REPO\"), \"src1.scala\").exists\n"
        "scala.io.Source.fromFile (sys.env (\"AMA_ENV_JSON\")).mkString.contains (\"workingDir\")\n"
        "Seq (\"env.yaml\", \"runtime.yaml\", \"datasets.yaml\").forall (new java.io.File (_).exists)\n"
        "scala.io.Source.fromFile (\"runtime.yaml\").mkString == s\"jobId: \\\"${sys.env (\"AMA_RUN\")}\\\"\\n\"\n");
    char *story;

    (void) state;
    (void) expect_end (id, AMA_ATTEMPT_STATE_SUCCEEDED, "");
    story = harness_story (harness, id);
    assert_non_null (strstr (story, "out List(Some(a job), Some(local[2]), Some(dev), None)\n"));
    for (int i = 1; i <= 4; i++) {
        char line[64];
        (void) snprintf (line, sizeof line, "res%d: Boolean = true\n", i);
        if (!strstr (story, line))
            fail_msg ("no %s in\n%s", line, story);
    }
    free (story);
}

static void exception (void **state)
{
    ama_id_t id = scala ("fails", "val a = 1\ndef f (n: Int) = {\n  10 / n\n}\nf (0)\nprintln (\"never\")\n");
    const ama_attempt_status_t *end = expect_end (id, AMA_ATTEMPT_STATE_FAILED, "error");

    (void) state;
    assert_string_equal (end->error, "java.lang.ArithmeticException");
    assert_int_equal (end->line, 3);
    expect_story (id, "begin 1 | val a = 1\nend 1 ok = a: Int = 1\n"
                      "begin 2 | def f (n: Int) = {\n  10 / n\n}\nend 2 ok = def f(n: Int): Int\n"
                      "begin 5 | f (0)\n"
                      "end 5 error java.lang.ArithmeticException: / by zero @src4.scala:3 @src4.scala:5\n");
}

static void syntax_error (void **state)
{
    ama_id_t id = scala ("syntax", "println (1)\nval x = (1 +\n");
    const ama_attempt_status_t *end = expect_end (id, AMA_ATTEMPT_STATE_FAILED, "syntax");
    char *story = harness_story (harness, id);

    (void) state;
    assert_true (end->line >= 2);
    assert_null (strstr (story, "println (1)"));
    assert_non_null (strstr (story, "error SyntaxError: "));
    free (story);
}

static void compile_error (void **state)
{
    ama_id_t id = scala ("compile", "val a = 1\nval b: Int = \"text\"\n");
    const ama_attempt_status_t *end = expect_end (id, AMA_ATTEMPT_STATE_FAILED, "syntax");

    (void) state;
    assert_int_equal (end->line, 2);
    assert_non_null (strstr (end->message, "type mismatch"));
}

static void odd_bytes (void **state)
{
    ama_id_t id = scala ("bytes", "print (\"a\\u0000b\\u20ac\")\nSystem.err.println (\"err\")\n\"x\" * 100000\n");
    size_t count, size;
    const ama_report_event_t *const *events;
    char *out;

    (void) state;
    (void) expect_end (id, AMA_ATTEMPT_STATE_SUCCEEDED, "");
    out = harness_written (harness, id, "stdout", &size);
    assert_string_equal (out, "a\xef\xbf\xbd"
                              "b\xe2\x82\xac");
    free (out);
    events = harness_events (harness, id, &count);
    assert_int_equal (events[count - 1]->type, AMA_EVENT_TYPE_STATEMENT_ENDED);
    assert_true (strlen (events[count - 1]->value) > 60000);
    assert_true (strlen (events[count - 1]->value) <= 65536);
}

/* A loop that never waits, and a job: both end, the session goes on. */
static void timeouts (void **state)
{
    static const char *const codes[] = {
        "println (\"begun\")\nwhile (true) {}\n",
        "println (\"begun\")\nsc.parallelize (1 to 2, 2).foreach (_ => Thread.sleep (100000))\n"
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (codes); i++) {
        ama_id_t id = scala ("slow", codes[i]), after;
        const ama_attempt_status_t *end;

        (void) harness_event (harness, id, AMA_EVENT_TYPE_OUTPUT, "begun");
        harness_cancel (harness, id, true, false);
        end = expect_end (id, AMA_ATTEMPT_STATE_TIMED_OUT, "timeout");
        assert_true (end->ms < 20000);
        after = scala ("after", "println (sc.parallelize (1 to 100, 2).count)\n");
        (void) expect_end (after, AMA_ATTEMPT_STATE_SUCCEEDED, "");
    }
}

static void side_by_side (void **state)
{
    ama_id_t ids[4];

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (ids); i++)
        ids[i] =
            scala (i % 2 ? "left" : "right",
                   "case class P (n: Int)\nval x = sc.parallelize (1 to 10).map (P (_)).toDS ()\nprintln (x.count)\n");
    for (size_t i = 0; i < ARRAY_SIZE (ids); i++) {
        size_t size;
        char *out;

        (void) expect_end (ids[i], AMA_ATTEMPT_STATE_SUCCEEDED, "");
        out = harness_written (harness, ids[i], "stdout", &size);
        assert_string_equal (out, "10\n");
        free (out);
    }
}

static void two_hundred_statements (void **state)
{
    ama_str_t code = { 0 };
    const ama_attempt_status_t *end;
    size_t count;

    (void) state;
    for (int i = 0; i < 200; i++)
        ama_str_printf (&code, "val v%d = %d\n", i, i);
    end = expect_end (scala ("many", code.data), AMA_ATTEMPT_STATE_SUCCEEDED, "");
    (void) harness_events (harness, end->attempt, &count);
    assert_int_equal (count, 400);
    ama_str_done (&code);
}

static void unknown_session (void **state)
{
    ama_attempt_start_t *start = harness_prepare (harness, "spark-scala", "src1.scala");

    (void) state;
    start->session = start->attempt;
    (void) expect_end (harness_start (harness, start), AMA_ATTEMPT_STATE_ERRORED, "session-lost");
}

/* Must come last of those with this session: the JVM is killed in the middle of a statement. */
static void killed_driver (void **state)
{
    char mark[64], text[AMA_ID_TEXT], command[256];
    ama_id_t id = scala ("dies", "println (\"begun\")\nThread.sleep (100000)\n");
    const ama_attempt_status_t *end;
    const ama_attempt_session_status_t *status;

    (void) state;
    (void) snprintf (mark, sizeof mark, "AMA_OWNER=%s", ama_id_text (session, text));
    (void) harness_event (harness, id, AMA_EVENT_TYPE_OUTPUT, "begun");
    assert_true (harness_count (mark) >= 1);
    (void) snprintf (command, sizeof command, "kill -9 $(grep -lz %s /proc/[0-9]*/environ 2> /dev/null | cut -d/ -f3)",
                     mark);
    (void) !system (command);
    end = expect_end (id, AMA_ATTEMPT_STATE_ERRORED, "session-lost");
    assert_non_null (strstr (end->message, "SIGKILL"));
    status = harness_session_state (harness, session, AMA_SESSION_STATE_LOST);
    assert_non_null (strstr (status->detail, "SIGKILL"));
    assert_int_equal (harness_count (mark), 0);
}

/* The one who called it failed; to the other it happened. */
static void exit_by_an_action (void **state)
{
    ama_id_t beside, leaves;
    const ama_attempt_status_t *end;

    (void) state;
    session = harness_session (harness, "local[2]", NULL, 0);
    run = harness_session_state (harness, session, AMA_SESSION_STATE_READY)->run;
    beside = scala ("beside", "println (\"up\")\nwhile (true) sc.parallelize (1 to 2).count\n");
    (void) harness_event (harness, beside, AMA_EVENT_TYPE_OUTPUT, "up");
    leaves = scala ("leaves", "println (\"last\")\nSystem.exit (3)\n");
    end = expect_end (leaves, AMA_ATTEMPT_STATE_FAILED, "error");
    assert_string_equal (end->error, "SystemExit");
    end = expect_end (beside, AMA_ATTEMPT_STATE_ERRORED, "session-lost");
    assert_true (ama_str_starts (end->message, "the Spark driver ended with exit code 3"));
    assert_null (strstr (end->message, " kernel: bound ")); /* Spark's own last lines may follow, but no chatter */
    (void) harness_session_state (harness, session, AMA_SESSION_STATE_LOST);
}

static void master_that_does_not_exist (void **state)
{
    ama_id_t bad = harness_session (harness, "nonsense://here", NULL, 0);
    const ama_attempt_session_status_t *status = harness_session_state (harness, bad, AMA_SESSION_STATE_FAILED);

    (void) state;
    assert_non_null (strstr (status->detail, "nonsense://here"));
}

static void closed_session (void **state)
{
    char mark[64], text[AMA_ID_TEXT];
    ama_id_t id = harness_session (harness, "local[1]", NULL, 0);

    (void) state;
    (void) snprintf (mark, sizeof mark, "AMA_OWNER=%s", ama_id_text (id, text));
    (void) harness_session_state (harness, id, AMA_SESSION_STATE_READY);
    harness_close_session (harness, id);
    (void) harness_session_state (harness, id, AMA_SESSION_STATE_CLOSED);
    assert_int_equal (harness_count (mark), 0);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (becomes_ready),
        cmocka_unit_test (statements),
        cmocka_unit_test (later_actions_see_it),
        cmocka_unit_test (what_it_finds),
        cmocka_unit_test (exception),
        cmocka_unit_test (syntax_error),
        cmocka_unit_test (compile_error),
        cmocka_unit_test (odd_bytes),
        cmocka_unit_test (timeouts),
        cmocka_unit_test (side_by_side),
        cmocka_unit_test (two_hundred_statements),
        cmocka_unit_test (unknown_session),
        cmocka_unit_test (killed_driver),
        cmocka_unit_test (exit_by_an_action),
        cmocka_unit_test (master_that_does_not_exist),
        cmocka_unit_test (closed_session),
    };
    return cmocka_run_group_tests (tests, setup, teardown);
}
