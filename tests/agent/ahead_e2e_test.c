/* ahead_e2e_test.c - bash and kernels that are started before their action's time: they wait, go when they are asked to, and leave nothing when they are not */
#include "tests/agent/harness.h"

#include "actors/base/ama_str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static harness_t *harness;
static char action[64], variable[96]; /* of the action that follows; no other test has one of that name */

static int setup (void **state)
{
    static char runners[512], cache[512];
    const char *source = getenv ("AMA_SOURCE_DIR"), *xdg = getenv ("XDG_CACHE_HOME");

    (void) state;
    (void) snprintf (runners, sizeof runners, "%s/agent/runners", source);
    (void) snprintf (cache, sizeof cache, "%s%s/amaterasu", xdg ? xdg : source, xdg ? "" : "/.cache");
    harness = harness_new (&(harness_conf_t){ .grace_ms = 300,
                                              .output_quota = 3u << 20,
                                              .guard = true,
                                              .runners_dir = runners,
                                              .cache_dir = cache,
                                              .ahead_ms = 4000 });
    (void) snprintf (action, sizeof action, "ahead-%d", (int) getpid ());
    (void) snprintf (variable, sizeof variable, "AMA_ACTION=%s", action);
    return 0;
}

static int teardown (void **state)
{
    (void) state;
    harness_destroy (&harness);
    return 0;
}

static void set (char **text, const char *value)
{
    free (*text);
    *text = ama_strdup (value);
}

static char *path_of (ama_id_t run, const char *rest)
{
    char text[AMA_ID_TEXT];
    ama_str_t path = { 0 };

    ama_str_printf (&path, "%s/runs/%s/%s", harness_dir (harness), ama_id_text (run, text), rest);
    return ama_str_take (&path);
}

static char *folder_of_next (ama_id_t run)
{
    return path_of (run, action);
}

/* Starts an action that another follows, of this runner. It ends when it is let go. */
static ama_id_t start_before (const char *runner, const char *script, ama_id_t *ret_run)
{
    static unsigned number; /* a file of its own: bash of another one may be about to read */
    ama_attempt_start_t *start;
    ama_attempt_next_t *next;
    ama_str_t text = { 0 };
    char file[32];

    (void) snprintf (file, sizeof file, "first-%u.sh", number++);
    ama_str_printf (&text, "while [ ! -e go ]; do sleep 0.02; done\n%s\n", script);
    harness_file (harness, file, text.data);
    ama_str_done (&text);
    start = harness_prepare (harness, "shell", file);
    set (&start->action, "first");
    next = ama_calloc (1, sizeof *next);
    *next = (ama_attempt_next_t){ .action = ama_strdup (action), .no = 1, .runner = ama_strdup (runner) };
    next->file = ama_strdup (runner[0] ? "second.py" : "second.sh");
    *(runner[0] ? &start->kernels : &start->next) = next;
    *(runner[0] ? &start->n_kernels : &start->n_next) = 1;
    *ret_run = start->run;
    return harness_start (harness, start);
}

static ama_id_t start_first (const char *script, ama_id_t *ret_run)
{
    return start_before ("", script, ret_run);
}

static void let_go (ama_id_t run)
{
    char *path = path_of (run, "first/1/go");
    FILE *file = fopen (path, "w");

    assert_non_null (file);
    assert_int_equal (fclose (file), 0);
    free (path);
}

static ama_id_t start_second (ama_id_t run, const char *file)
{
    ama_attempt_start_t *start = harness_prepare (harness, "shell", file);

    start->run = run;
    set (&start->action, action);
    return harness_start (harness, start);
}

static void assert_written (ama_id_t attempt, const char *expected)
{
    size_t size;
    char *out;

    assert_int_equal (harness_end (harness, attempt)->state, AMA_ATTEMPT_STATE_SUCCEEDED);
    out = harness_written (harness, attempt, "stdout", &size);
    assert_string_equal (out, expected);
    free (out);
}

static void assert_nothing_left (ama_id_t run)
{
    char *folder = folder_of_next (run);

    harness_wait_count (variable, 0);
    assert_int_equal (access (folder, F_OK), -1);
    free (folder);
}

/* The script finds what it would find in a bash of its own. */
static void goes_when_asked (void **state)
{
    static const char script[] =
        "cat\necho \"$AMA_ATTEMPT $SECONDS ${0##*/} ${AMA_SHELL_GATE-unset} ${BASH_ENV-unset}\"\n"
        "tr '\\0' '\\n' </proc/$$/environ | grep -c '^AMA_SHELL_GATE='\n";
    ama_id_t run, first, second;
    char *story;

    (void) state;
    harness_file (harness, "second.sh", script);
    first = start_first (":", &run);
    harness_wait_count (variable, 1);
    let_go (run);
    assert_int_equal (harness_end (harness, first)->state, AMA_ATTEMPT_STATE_SUCCEEDED);
    second = start_second (run, "second.sh");
    assert_written (second, "1 0 second.sh unset unset\n1\n");
    story = harness_story (harness, second);
    assert_true (ama_str_starts (story, "begin 1 | cat\nend 1 ok\n"));
    free (story);
    harness_wait_count (variable, 0);
}

/* What is started ahead is not needed: it ends without a trace. */
static const struct {
    const char *name;
    const char *script; /* of the first, once it is let go */
    bool cancelled;     /* instead */
    ama_attempt_state_t end;
} unneeded[] = {
    { "the first fails", "false", false, AMA_ATTEMPT_STATE_FAILED },
    { "the first is cancelled", ":", true, AMA_ATTEMPT_STATE_CANCELLED },
    { "nobody asks", ":", false, AMA_ATTEMPT_STATE_SUCCEEDED },
};

static void ends_if_not_needed (void **state)
{
    (void) state;
    harness_file (harness, "second.sh", "echo never\n");
    for (size_t i = 0; i < ARRAY_SIZE (unneeded); i++) {
        ama_id_t run, first = start_first (unneeded[i].script, &run);

        print_message ("%s\n", unneeded[i].name);
        harness_wait_count (variable, 1);
        if (unneeded[i].cancelled)
            harness_cancel (harness, first, false, false);
        else
            let_go (run);
        assert_int_equal (harness_end (harness, first)->state, unneeded[i].end);
        assert_nothing_left (run);
    }
}

static void another_file_is_asked_for (void **state)
{
    ama_id_t run, first;

    (void) state;
    harness_file (harness, "second.sh", "echo never\n");
    harness_file (harness, "other.sh", "echo other\n");
    first = start_first (":", &run);
    harness_wait_count (variable, 1);
    let_go (run);
    assert_int_equal (harness_end (harness, first)->state, AMA_ATTEMPT_STATE_SUCCEEDED);
    assert_written (start_second (run, "other.sh"), "other\n");
    harness_wait_count (variable, 0);
}

/* The folder of the one that is ended must not be taken from the one that begins. */
static void asked_for_after_all (void **state)
{
    ama_id_t run, first;

    (void) state;
    harness_file (harness, "second.sh", "echo \"lives\"\n");
    first = start_first (":", &run);
    harness_wait_count (variable, 1);
    harness_cancel (harness, first, false, true);
    assert_int_equal (harness_end (harness, first)->state, AMA_ATTEMPT_STATE_CANCELLED);
    assert_written (start_second (run, "second.sh"), "lives\n");
}

/* Announced while its start is still on its way. Twice is once. */
static ama_attempt_start_t *announce (void)
{
    ama_attempt_start_t *start;

    harness_file (harness, "first.sh", "echo \"$AMA_ACTION $AMA_ATTEMPT\"\n");
    start = harness_prepare (harness, "shell", "first.sh");
    set (&start->action, action);
    harness_announce (harness, start);
    harness_announce (harness, start);
    harness_wait_count (variable, 1);
    return start;
}

static void announced_and_started (void **state)
{
    char expected[80];

    (void) state;
    (void) snprintf (expected, sizeof expected, "%s 1\n", action);
    assert_written (harness_start (harness, announce ()), expected);
    harness_wait_count (variable, 0);
}

static void announced_and_never_started (void **state)
{
    ama_attempt_start_t *start = announce ();

    (void) state;
    assert_nothing_left (start->run);
    ama_attempt_start_done (start);
    free (start);
}

static ama_id_t start_second_of (ama_id_t run, const char *runner, ama_id_t session)
{
    ama_attempt_start_t *start = harness_prepare (harness, runner, "second.py");

    start->run = run;
    start->session = session;
    set (&start->action, action);
    return harness_start (harness, start);
}

/* A process that becomes another program is not counted for a moment, so its folder tells. */
static void wait_until_dropped (ama_id_t run)
{
    char *folder = folder_of_next (run);

    for (int i = 0; i < 3000 && access (folder, F_OK) == 0; i++)
        (void) usleep (10000);
    free (folder);
    assert_nothing_left (run);
}

/* It takes memory: it does not wait for ever, and then its action has one of its own. */
static void a_kernel_waits_only_so_long (void **state)
{
    ama_id_t run, first;

    (void) state;
    harness_file (harness, "second.py", "print('lives')\n");
    first = start_before ("python", ":", &run);
    harness_wait_count (variable, 1);
    wait_until_dropped (run);
    let_go (run);
    assert_int_equal (harness_end (harness, first)->state, AMA_ATTEMPT_STATE_SUCCEEDED);
    assert_written (start_second_of (run, "python", (ama_id_t){ 0 }), "lives\n");
    harness_wait_count (variable, 0);
}

/* Made for another runner, it is not taken; nor is one made whose session is not here. */
static void a_kernel_of_another_kind (void **state)
{
    const ama_attempt_status_t *end;
    ama_id_t run, first;

    (void) state;
    harness_file (harness, "second.py", "print('lives')\n");
    first = start_before ("python", ":", &run);
    harness_wait_count (variable, 1);
    end = harness_end (harness, start_second_of (run, "pyspark", (ama_id_t){ { 7 } }));
    assert_string_equal (end->cause, "session-lost");
    harness_wait_count (variable, 0);
    let_go (run);
    assert_int_equal (harness_end (harness, first)->state, AMA_ATTEMPT_STATE_SUCCEEDED);
    first = start_before ("pyspark", ":", &run);
    (void) harness_event (harness, first, AMA_EVENT_TYPE_STATEMENT_STARTED, NULL);
    let_go (run);
    assert_int_equal (harness_end (harness, first)->state, AMA_ATTEMPT_STATE_SUCCEEDED);
    assert_nothing_left (run);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (goes_when_asked),
        cmocka_unit_test (ends_if_not_needed),
        cmocka_unit_test (another_file_is_asked_for),
        cmocka_unit_test (asked_for_after_all),
        cmocka_unit_test (announced_and_started),
        cmocka_unit_test (announced_and_never_started),
        cmocka_unit_test (a_kernel_waits_only_so_long),
        cmocka_unit_test (a_kernel_of_another_kind),
    };
    return cmocka_run_group_tests (tests, setup, teardown);
}
