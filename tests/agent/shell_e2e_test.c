/* shell_e2e_test.c - real bash scripts through the agent: what is reported, how they end, what they find, what they leave */
#include "tests/agent/harness.h"

#include "actors/base/ama_clock.h"
#include "actors/base/ama_str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static harness_t *harness;

static int setup (void **state)
{
    harness_conf_t conf = { .grace_ms = 300, .output_quota = 3u << 20 };

    (void) state;
    (void) setenv ("SECRET_OF_THE_DAEMON", "canary", 1);
    harness = harness_new (&conf);
    return 0;
}

static int teardown (void **state)
{
    (void) state;
    harness_destroy (&harness);
    return 0;
}

/* ---- what is reported ---- */

typedef struct {
    const char *name;
    const char *script;
    const char *end;   /* state cause exit error */
    const char *story; /* statements and output; where it is not certain where it stands, NULL */
} case_t;

static const case_t cases[] = {
    { "nothing", "", "succeeded  0 ", "" },
    { "one command", "true\n", "succeeded  0 ", "begin 1 | true\nend 1 ok\n" },
    { "comments and blank lines are no statements", "#!/bin/bash\n\n# why\n: a # b\n\n\n: b\n", "succeeded  0 ",
      "begin 4 | : a # b\nend 4 ok\nbegin 7 | : b\nend 7 ok\n" },
    { "several lines", "if true; then\n  :\nfi\nfor i in 1 2 3; do\n  : $i\ndone\n", "succeeded  0 ",
      "begin 1 | if true; then\n  :\nfi\nend 1 ok\nbegin 4 | for i in 1 2 3; do\n  : $i\ndone\nend 4 ok\n" },
    { "functions are passed over", "f () {\n  :\n}\nf\ng () { :; }\n", "succeeded  0 ",
      "begin 1 | f () {\n  :\n}\nend 1 ok\nbegin 4 | f\nend 4 ok\nbegin 5 | g () { :; }\nend 5 ok\n" },
    { "errexit", ":\nfalse\n:\n", "failed error 1 exit",
      "begin 1 | :\nend 1 ok\nbegin 2 | false\nend 2 error exit: exit code 1 @FILE:2\n" },
    { "pipefail", "false | :\n", "failed error 1 exit",
      "begin 1 | false | :\nend 1 error exit: exit code 1 @FILE:1\n" },
    { "an exit code of the script's own", "exit 7\n", "failed error 7 exit",
      "begin 1 | exit 7\nend 1 error exit: exit code 7 @FILE:1\n" },
    { "a good exit in the middle", "exit 0\n:\n", "succeeded  0 ", "begin 1 | exit 0\nend 1 ok\n" },
    { "failure inside a function", "f () {\n  false\n}\n:\nf\n", "failed error 1 exit",
      "begin 1 | f () {\n  false\n}\nend 1 ok\nbegin 4 | :\nend 4 ok\nbegin 5 | f\n"
      "end 5 error exit: exit code 1 @FILE:2 @FILE:5\n" },
    { "no such command", "no-such-command-here\n", "failed error 127 exit", NULL },
    { "a failure that is handled", "false || :\n! true\n:\n", "succeeded  0 ",
      "begin 1 | false || :\nend 1 ok\nbegin 2 | ! true\nend 2 ok\nbegin 3 | :\nend 3 ok\n" },
    { "killed from inside", "kill -9 $$\n", "failed killed -1 signal",
      "begin 1 | kill -9 $$\nend 1 error signal: bash was ended by SIGKILL @FILE:1\n" },
    { "a trap at exit", "trap ': bye' EXIT\n:\n", "succeeded  0 ",
      "begin 1 | trap ': bye' EXIT\nend 1 ok\nbegin 2 | :\nend 2 ok\n" },
    { "turning tracing off ends the statements, not the script", "set +x\n:\n", "succeeded  0 ",
      "begin 1 | set +x\nend 1 ok\nbegin 2 | :\nend 2 ok\n" },
    { "output", "echo a; echo b >&2\n", "succeeded  0 ", "begin 1 | echo a; echo b >&2\nout a\nerr b\nend 1 ok\n" },
    { "exit code 2 without a syntax error", ":\nexit 2\n", "failed error 2 exit",
      "begin 1 | :\nend 1 ok\nbegin 2 | exit 2\nend 2 error exit: exit code 2 @FILE:2\n" },
    { "own descriptor 3", "exec 3> three\necho x >&3\n[ \"$(cat three)\" = x ]\n", "succeeded  0 ",
      "begin 1 | exec 3> three\nend 1 ok\nbegin 2 | echo x >&3\nend 2 ok\nbegin 3 | [ \"$(cat three)\" = x ]\nend 3 "
      "ok\n" },
    { "descriptors swapped", "{ echo a >&2; } 3>&1 1>&2 2>&3 | cat > /dev/null\n", "succeeded  0 ",
      "begin 1 | { echo a >&2; } 3>&1 1>&2 2>&3 | cat > /dev/null\nend 1 ok\n" },
    { "a script of its own is not traced", "bash -c 'set -x; :' 2> /dev/null\n[ -z \"${BASH_ENV-}\" ]\n",
      "succeeded  0 ",
      "begin 1 | bash -c 'set -x; :' 2> /dev/null\nend 1 ok\nbegin 2 | [ -z \"${BASH_ENV-}\" ]\nend 2 ok\n" },
    { "where it is", "[ \"$0\" = \"$AMA_REPO/${0##*/}\" ]\n[ $LINENO = 2 ]\n[ \"${BASH_SOURCE[0]}\" = \"$0\" ]\n",
      "succeeded  0 ", NULL },
};

static char *ended (const ama_attempt_status_t *end)
{
    ama_str_t text = { 0 };
    ama_str_printf (&text, "%s %s %d %s", ama_attempt_state_name (end->state), end->cause, (int) end->exit, end->error);
    return ama_str_take (&text);
}

/* The story with the name of the script as FILE. */
static char *story_of (ama_id_t id, const char *file)
{
    char *story = harness_story (harness, id), *at;
    ama_str_t text = { 0 };

    for (at = story; *at;)
        if (strncmp (at, file, strlen (file)) == 0) {
            ama_str_puts (&text, "FILE");
            at += strlen (file);
        }
        else
            ama_str_putc (&text, *at++);
    free (story);
    return ama_str_take (&text);
}

static void scripts (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        ama_attempt_start_t *start = harness_prepare (harness, "shell", "case.sh");
        char *end, *story;
        ama_id_t id;

        harness_file (harness, "case.sh", cases[i].script);
        id = harness_start (harness, start);
        end = ended (harness_end (harness, id));
        story = story_of (id, "case.sh");
        if (strcmp (end, cases[i].end) != 0)
            fail_msg ("%s: ended \"%s\", not \"%s\"\n%s", cases[i].name, end, cases[i].end, story);
        if (cases[i].story && strcmp (story, cases[i].story) != 0)
            fail_msg ("%s:\n%s-- not --\n%s", cases[i].name, story, cases[i].story);
        free (end);
        free (story);
    }
}

static void syntax_error (void **state)
{
    ama_id_t id = harness_shell (harness, ":\nif true; then\n  echo ${\nfi\n");
    const ama_attempt_status_t *end = harness_end (harness, id);
    char *story = harness_story (harness, id);

    (void) state;
    assert_int_equal (end->state, AMA_ATTEMPT_STATE_FAILED);
    assert_string_equal (end->cause, "syntax");
    assert_string_equal (end->error, "SyntaxError");
    assert_true (end->line >= 2);
    assert_non_null (strstr (story, "begin 1 | :\n"));
    assert_non_null (strstr (story, "end 1 ok\n"));
    assert_non_null (strstr (story, "begin 3 |   echo ${\n"));
    assert_non_null (strstr (story, " error SyntaxError: "));
    free (story);
}

static void script_that_can_not_be_read (void **state)
{
    static const struct {
        const char *file, *word;
    } bad[] = { { "absent.sh", "No such file" },
                { "../harness", "leads out" },
                { "out.sh", "leads out" },
                { ".", "no ordinary file" },
                { "pipe", "no ordinary file" } };
    char path[256];

    (void) state;
    (void) snprintf (path, sizeof path, "%s/out.sh", harness_repo (harness));
    assert_int_equal (symlink ("/etc/passwd", path), 0);
    (void) snprintf (path, sizeof path, "mkfifo %s/pipe", harness_repo (harness));
    assert_int_equal (system (path), 0);
    for (size_t i = 0; i < ARRAY_SIZE (bad); i++) {
        ama_id_t id = harness_start (harness, harness_prepare (harness, "shell", bad[i].file));
        const ama_attempt_status_t *end = harness_end (harness, id);

        assert_int_equal (end->state, AMA_ATTEMPT_STATE_ERRORED);
        if (!strstr (end->message, bad[i].word))
            fail_msg ("%s: %s", bad[i].file, end->message);
    }
}

static void unknown_runner (void **state)
{
    ama_id_t id = harness_start (harness, harness_prepare (harness, "cobol", "x"));
    const ama_attempt_status_t *end = harness_end (harness, id);

    (void) state;
    assert_int_equal (end->state, AMA_ATTEMPT_STATE_ERRORED);
    assert_string_equal (end->error, "unsupported");
    assert_non_null (strstr (end->message, "cobol"));
}

/* ---- output ---- */

/* Such a start comes again when its agent died before it had answered: what that one has told of the attempt stands, and is not counted here. */
static void a_session_of_an_agent_that_died (void **state)
{
    ama_attempt_start_t *start = harness_prepare (harness, "spark-scala", "x.scala");
    const ama_attempt_status_t *end;

    (void) state;
    start->session.b[0] = 7;
    end = harness_end (harness, harness_start (harness, start));
    assert_int_equal (end->state, AMA_ATTEMPT_STATE_ERRORED);
    assert_string_equal (end->cause, "session-lost");
    assert_false (end->has_events);
}

static void output_bytes (void **state)
{
    static const struct {
        const char *script;
        size_t size;
        const char *bytes; /* NULL: only the size */
    } outputs[] = {
        { "echo a; echo b; printf c", 5, "a\nb\nc" },
        { "printf 'a\\0b\\377\\n'", 9,
          "a\xef\xbf\xbd"
          "b\xef\xbf\xbd\n" },
        { "printf 'a'; sleep 0.4; echo b", 3, "ab\n" },
        { "seq 1 100000", 588895, NULL },
        { "head -c 2000000 /dev/zero | tr '\\0' x", 2000000, NULL },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (outputs); i++) {
        ama_id_t id = harness_shell (harness, outputs[i].script);
        size_t size;
        char *bytes;

        assert_int_equal (harness_end (harness, id)->state, AMA_ATTEMPT_STATE_SUCCEEDED);
        bytes = harness_written (harness, id, "stdout", &size);
        assert_int_equal (size, outputs[i].size);
        if (outputs[i].bytes)
            assert_memory_equal (bytes, outputs[i].bytes, size);
        free (bytes);
    }
}

static void streams_are_told_apart (void **state)
{
    ama_id_t id = harness_shell (harness, "echo a; echo b >&2");
    size_t size;
    char *out, *err;

    (void) state;
    (void) harness_end (harness, id);
    out = harness_written (harness, id, "stdout", &size);
    err = harness_written (harness, id, "stderr", &size);
    assert_string_equal (out, "a\n");
    assert_string_equal (err, "b\n");
    free (out);
    free (err);
}

/* It is there while the script still runs. */
static void output_as_it_appears (void **state)
{
    ama_id_t id = harness_shell (harness, "echo now\nwhile [ ! -e go ]; do sleep 0.02; done\n");
    char run[AMA_ID_TEXT], command[256];

    (void) state;
    (void) harness_event (harness, id, AMA_EVENT_TYPE_OUTPUT, "now");
    (void) harness_event (harness, id, AMA_EVENT_TYPE_STATEMENT_STARTED, "while [ ! -e go ]; do sleep 0.02; done");
    assert_int_equal (harness_statuses (harness, id, AMA_ATTEMPT_STATE_SUCCEEDED), 0);
    assert_true (harness_statuses (harness, id, AMA_ATTEMPT_STATE_RUNNING) >= 1);
    (void) run;
    (void) snprintf (command, sizeof command, "for d in %s/runs/*/step/1; do touch $d/go; done", harness_dir (harness));
    assert_int_equal (system (command), 0);
    assert_int_equal (harness_end (harness, id)->state, AMA_ATTEMPT_STATE_SUCCEEDED);
}

static void quota (void **state)
{
    ama_id_t id = harness_shell (harness, "head -c 10000000 /dev/zero | tr '\\0' x\necho\necho the end\n");
    char *story, *gap;
    size_t size;

    (void) state;
    assert_int_equal (harness_end (harness, id)->state, AMA_ATTEMPT_STATE_SUCCEEDED);
    free (harness_written (harness, id, "stdout", &size));
    assert_true (size <= (3u << 20));
    assert_true (size > (3u << 20) - 70000);
    story = harness_story (harness, id);
    gap = strstr (story, "\ngap ");
    assert_non_null (gap);
    assert_non_null (strstr (story, "warn 0 output beyond 3145728 bytes is not kept"));
    assert_int_equal (size + strtoull (strchr (gap + 5, ' '), NULL, 10), 10000000 + 1 + 8);
    free (story);
}

static long peak_kb (void)
{
    FILE *file = fopen ("/proc/self/status", "r");
    char line[128];
    long peak = 0;

    assert_non_null (file);
    while (fgets (line, sizeof line, file))
        (void) sscanf (line, "VmHWM: %ld", &peak);
    (void) fclose (file);
    return peak;
}

/* A line of 300 MB: the agent's memory does not grow with it. */
static void endless_line (void **state)
{
    ama_id_t id = harness_shell (harness, "head -c 300000000 /dev/zero | tr '\\0' x\n");
    long before = peak_kb ();

    (void) state;
    (void) harness_end (harness, id);
#ifndef __SANITIZE_ADDRESS__
    assert_true (peak_kb () - before < 30000);
#else
    (void) before;
#endif
}

/* ---- what it finds ---- */

static ama_plan_setting_t setting (const char *key, const char *value)
{
    return (ama_plan_setting_t){ .key = ama_strdup (key), .value = ama_strdup (value), .file = ama_strdup ("") };
}

static void environment (void **state)
{
    ama_attempt_start_t *start = harness_prepare (harness, "shell", "env.sh");
    char run[AMA_ID_TEXT], expected[4096];
    size_t size;
    char *out;
    ama_id_t id;

    (void) state;
    start->environment.configuration = ama_calloc (3, sizeof (ama_plan_setting_t));
    start->environment.n_configuration = 3;
    start->environment.configuration[0] = setting ("err-msg", "\"it \\\"broke\\\"\\nbadly\"");
    start->environment.configuration[1] = setting ("limit", "12");
    start->environment.configuration[2] = setting ("on", "true");
    start->environment.spark = ama_calloc (1, sizeof (ama_plan_setting_t));
    start->environment.n_spark = 1;
    start->environment.spark[0] = setting ("spark.x", "\"1\"");
    start->environment.datasets = ama_calloc (2, sizeof (ama_plan_setting_t));
    start->environment.n_datasets = 2;
    start->environment.datasets[0] = setting ("api", "{\"type\":\"generic\",\"name\":\"api\",\"n\":1}");
    start->environment.datasets[1] = setting ("d", "{\"type\":\"file\",\"name\":\"d\",\"uri\":\"s3a://x\"}");
    start->settings = ama_calloc (4, sizeof (ama_plan_setting_t));
    start->n_settings = 4;
    start->settings[0] = setting ("configuration.limit", "\"of the action\"");
    start->settings[1] = setting ("configuration.name", "1");
    start->settings[2] = setting ("outputRootPath", "\"hdfs:/own \\\"out\\\"\"");
    start->settings[3] = setting ("persist", "\"never\"");
    start->no = 2;
    (void) ama_id_text (start->run, run);
    harness_file (harness, "env.sh",
                  "pwd\n"
                  "ls -A\n"
                  "env -0 | sort -z | tr '\\0\\n' '\\n~' | sed 's/^AMA_SAY=[0-9]*:[0-9]*$/AMA_SAY=two/' | grep -v "
                  "'^AMA_GUARD=\\|^AMA_OWNER=\\|^PATH=\\|^_=\\|^SHLVL=\\|^PWD='\n"
                  "[ -d \"$TMPDIR\" ]\n"
                  "cat env.yaml runtime.yaml datasets.yaml \"$AMA_ENV_JSON\"\n"
                  "[ \"$(id -u)\" = \"$UID\" ]\n");
    id = harness_start (harness, start);
    assert_int_equal (harness_end (harness, id)->state, AMA_ATTEMPT_STATE_SUCCEEDED);
    out = harness_written (harness, id, "stdout", &size);
    (void) snprintf (
        expected, sizeof expected,
        "D/runs/%s/step/2\n.env.json\ndatasets.yaml\nenv.yaml\nruntime.yaml\ntmp\n"
        "AMA_ACTION=step\nAMA_ATTEMPT=2\nAMA_CONF_ERR_MSG=it \"broke\"~badly\nAMA_CONF_LIMIT=of the action\n"
        "AMA_CONF_NAME=1\nAMA_CONF_ON=true\nAMA_ENV=dev\nAMA_ENV_JSON=D/runs/%s/step/2/.env.json\nAMA_INPUT_ROOT=D/in\n"
        "AMA_JOB=a job\nAMA_MASTER=local[2]\nAMA_OUTPUT_ROOT=hdfs:/own "
        "\"out\"\nAMA_REPO=D/repo\nAMA_RUN=%s\nAMA_SAY=two\n"
        "AMA_WORKING_DIR=D/work\nHOME=D/runs/%s/step/2\nLANG=C.UTF-8\nTMPDIR=D/runs/%s/step/2/tmp\n"
        "name: \"development\"\nmaster: \"local[2]\"\ninputRootPath: \"D/in\"\noutputRootPath: \"hdfs:/own "
        "\\\"out\\\"\"\n"
        "workingDir: \"D/work\"\nconfiguration:\n  \"err-msg\": \"it \\\"broke\\\"\\nbadly\"\n"
        "  \"limit\": \"of the action\"\n  \"on\": true\n  \"name\": 1\nsparkProperties:\n  \"spark.x\": \"1\"\njobId: "
        "\"%s\"\nactionName: \"step\"\n"
        "\"generic\":\n  - {\"name\":\"api\",\"n\":1}\n\"file\":\n  - {\"name\":\"d\",\"uri\":\"s3a://x\"}\n"
        "{\"name\":\"dev\",\"label\":\"development\",\"master\":\"local[2]\",\"inputRootPath\":\"D/in\","
        "\"outputRootPath\":\"hdfs:/own \\\"out\\\"\",\"workingDir\":\"D/work\",\"configuration\":{\"err-msg\":\"it "
        "\\\"broke\\\"\\nbadly\",\"limit\":\"of the action\",\"on\":true,\"name\":1},\"spark\":{\"spark.x\":\"1\"},"
        "\"datasets\":{\"api\":{\"type\":\"generic\",\"name\":\"api\",\"n\":1},"
        "\"d\":{\"type\":\"file\",\"name\":\"d\",\"uri\":\"s3a://x\"}},\"params\":{}}\n",
        run, run, run, run, run, run);
    { /* the folder's own name as D */
        ama_str_t got = { 0 };
        size_t length = strlen (harness_dir (harness));
        for (const char *at = out; *at;)
            if (strncmp (at, harness_dir (harness), length) == 0) {
                ama_str_putc (&got, 'D');
                at += length;
            }
            else
                ama_str_putc (&got, *at++);
        if (strcmp (got.data, expected) != 0)
            fail_msg ("%s\n-- not --\n%s", got.data, expected);
        ama_str_done (&got);
    }
    free (out);
}

/* ---- the end ---- */

static void stubborn_is_killed (void **state)
{
    static const char script[] =
        "export ama_agent_test_mark=1\n"
        "trap '' TERM\n"
        "(trap '' TERM; setsid bash -c 'trap \"\" TERM; (while :; do sleep 0.1; done) & echo "
        "away; while :; do sleep 0.1; done' & )\n"
        "env -i PATH=\"$PATH\" ama_agent_test_mark=1 setsid bash -c 'echo bare; exec sleep 1000' &\n"
        "bash -c 'echo plain; exec sleep 1000' &\n"
        "echo ready\n"
        "while :; do sleep 0.1; done\n";
    ama_id_t id = harness_shell (harness, script);
    const ama_attempt_status_t *end;

    (void) state;
    (void) harness_event (harness, id, AMA_EVENT_TYPE_OUTPUT, "ready");
    (void) harness_event (harness, id, AMA_EVENT_TYPE_OUTPUT, "away");
    (void) harness_event (harness, id, AMA_EVENT_TYPE_OUTPUT, "bare");
    (void) harness_event (harness, id, AMA_EVENT_TYPE_OUTPUT, "plain");
    assert_true (harness_count ("ama_agent_test_mark=1") >= 4);
    harness_cancel (harness, id, true, false);
    end = harness_end (harness, id);
    assert_int_equal (end->state, AMA_ATTEMPT_STATE_TIMED_OUT);
    assert_string_equal (end->cause, "timeout");
    assert_true (end->ms >= 300);
    assert_int_equal (harness_count ("ama_agent_test_mark=1"), 0);
}

static void cancel_is_polite_first (void **state)
{
    ama_id_t id = harness_shell (harness, "trap 'echo bye; exit 3' TERM\necho ready\nwhile :; do sleep 0.02; done\n");
    const ama_attempt_status_t *end;

    (void) state;
    (void) harness_event (harness, id, AMA_EVENT_TYPE_OUTPUT, "ready");
    harness_cancel (harness, id, false, false);
    end = harness_end (harness, id);
    assert_int_equal (end->state, AMA_ATTEMPT_STATE_CANCELLED);
    (void) harness_event (harness, id, AMA_EVENT_TYPE_OUTPUT, "bye");
}

static void cancel_by_force (void **state)
{
    ama_id_t id = harness_shell (harness, "trap '' TERM\necho ready\nwhile :; do sleep 0.02; done\n");

    (void) state;
    (void) harness_event (harness, id, AMA_EVENT_TYPE_OUTPUT, "ready");
    harness_cancel (harness, id, false, true);
    assert_int_equal (harness_end (harness, id)->state, AMA_ATTEMPT_STATE_CANCELLED);
}

static void cancel_of_nothing (void **state)
{
    ama_id_t id = ama_id_new (ama_wall_ms (ama_clock_system ()));

    (void) state;
    harness_cancel (harness, id, false, false);
    assert_int_equal (harness_end (harness, id)->state, AMA_ATTEMPT_STATE_CANCELLED);
}

static void background_jobs_end_with_the_script (void **state)
{
    ama_id_t id =
        harness_shell (harness, "export ama_agent_test_mark=2\nsleep 1000 &\nsetsid sleep 1000 &\n(sleep 1000 & )\n");

    (void) state;
    assert_int_equal (harness_end (harness, id)->state, AMA_ATTEMPT_STATE_SUCCEEDED);
    assert_int_equal (harness_count ("ama_agent_test_mark=2"), 0);
}

static void the_same_start_twice (void **state)
{
    ama_attempt_start_t *start = harness_prepare (harness, "shell", "twice.sh"), *again = ama_calloc (1, sizeof *again),
                        *late = ama_calloc (1, sizeof *late);
    size_t size;
    char *out;
    ama_id_t id;

    (void) state;
    harness_file (harness, "twice.sh",
                  "echo once >> \"$AMA_OUTPUT_ROOT/log\"\nsleep 0.1\ncat \"$AMA_OUTPUT_ROOT/log\"\n");
    ama_attempt_start_copy (start, again);
    ama_attempt_start_copy (start, late);
    id = harness_start (harness, start);
    (void) harness_start (harness, again);
    assert_int_equal (harness_end (harness, id)->state, AMA_ATTEMPT_STATE_SUCCEEDED);
    (void) harness_start (harness, late);
    out = harness_written (harness, id, "stdout", &size);
    assert_string_equal (out, "once\n");
    free (out);
}

static void many_at_once (void **state)
{
    ama_id_t ids[50];

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (ids); i++)
        ids[i] = harness_shell (harness, "echo a\nsleep 0.05\necho b\n");
    for (size_t i = 0; i < ARRAY_SIZE (ids); i++) {
        size_t size;
        char *out;
        assert_int_equal (harness_end (harness, ids[i])->state, AMA_ATTEMPT_STATE_SUCCEEDED);
        out = harness_written (harness, ids[i], "stdout", &size);
        assert_string_equal (out, "a\nb\n");
        free (out);
    }
}

/* The supervisor may join the hub a moment after the broker, which tells it of the agent: that word is lost, and work waits for the next. */
static void says_hello_again_soon (void **state)
{
    int64_t began = ama_mono_ms (ama_clock_system ());

    (void) state;
    harness_wait_hellos (harness, 4); /* it has just come */
    assert_in_range (ama_mono_ms (ama_clock_system ()) - began, 0, 20000);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (says_hello_again_soon),
        cmocka_unit_test (scripts),
        cmocka_unit_test (syntax_error),
        cmocka_unit_test (script_that_can_not_be_read),
        cmocka_unit_test (unknown_runner),
        cmocka_unit_test (a_session_of_an_agent_that_died),
        cmocka_unit_test (output_bytes),
        cmocka_unit_test (streams_are_told_apart),
        cmocka_unit_test (output_as_it_appears),
        cmocka_unit_test (quota),
        cmocka_unit_test (endless_line),
        cmocka_unit_test (environment),
        cmocka_unit_test (stubborn_is_killed),
        cmocka_unit_test (cancel_is_polite_first),
        cmocka_unit_test (cancel_by_force),
        cmocka_unit_test (cancel_of_nothing),
        cmocka_unit_test (background_jobs_end_with_the_script),
        cmocka_unit_test (the_same_start_twice),
        cmocka_unit_test (many_at_once),
    };
    return cmocka_run_group_tests (tests, setup, teardown);
}
