/* show_test.c - ama list and ama show as documents: golden/show.*.txt. AMA_GOLDEN_UPDATE=1 writes them. */
#include "client/show.h"
#include "messages/ama_types.h"
#include "tests/unit/table.h"

#define T(seconds) (1769860800000 + (seconds) *1000LL)

static ama_id_t id_of (const char *text)
{
    ama_id_t id;
    assert_int_equal (ama_id_parse (text, &id), 0);
    return id;
}

static char *s (const char *text)
{
    return (char *) text;
}

static void compare (const char *name, const ama_str_t *got)
{
    const char *root = getenv ("AMA_SOURCE_DIR");
    char path[512], expected[16384];
    FILE *file;
    size_t size;

    snprintf (path, sizeof path, "%s/tests/unit/client/golden/show.%s.txt", root ? root : ".", name);
    if (getenv ("AMA_GOLDEN_UPDATE")) {
        file = fopen (path, "w");
        assert_non_null (file);
        fwrite (got->data, 1, got->size, file);
        fclose (file);
    }
    file = fopen (path, "r");
    if (!file)
        fail_msg ("%s can not be read", path);
    size = fread (expected, 1, sizeof expected - 1, file);
    expected[size] = '\0';
    fclose (file);
    ROW_EQUAL (name, got->data, expected);
}

static const ama_term_t plain = { .utf8 = true, .width = 88 }, ascii = { .width = 88 },
                        bright = { .tty = true, .color = true, .utf8 = true, .width = 80 };

static void test_list (void **state)
{
    ama_run_summary_t runs[] = {
        { .run = id_of ("01KG9YJ3WQ4ZT6V5Y8N2B1C09K"),
          .job = s (""),
          .env = s ("dev"),
          .state = AMA_RUN_STATE_QUEUED,
          .commit = s (""),
          .accepted = T (600),
          .exit = -1,
          .waiting = s ("waiting for 2 cpus: 3 runs ahead"),
          .repo = s ("/r") },
        { .run = id_of ("01KG9YJ3WQ4ZT6V5Y8N2B1C09J"),
          .job = s ("counts"),
          .env = s ("dev"),
          .state = AMA_RUN_STATE_RUNNING,
          .commit = s ("3f2c1ab09d7e5a64f1c2b3d4e5f60718293a4b5c"),
          .accepted = T (500),
          .exit = -1,
          .waiting = s (""),
          .repo = s ("/r") },
        { .run = id_of ("01KG9YJ3WQ4ZT6V5Y8N2B1C09H"),
          .job = s ("a-job-with-a-name-that-is-far-too-long"),
          .env = s ("production-europe-west"),
          .state = AMA_RUN_STATE_RESCUED,
          .commit = s ("aaaaaaaaaaaa"),
          .accepted = T (100),
          .ended = T (109),
          .exit = 3,
          .waiting = s (""),
          .repo = s ("/r") },
        { .run = id_of ("01KG9YJ3WQ4ZT6V5Y8N2B1C09G"),
          .job = s ("evil\x1b[2J"),
          .env = s ("dev"),
          .state = AMA_RUN_STATE_TIMED_OUT,
          .commit = s ("b"),
          .accepted = T (1),
          .ended = T (7300),
          .exit = 124,
          .waiting = s (""),
          .repo = s ("/r") },
    };
    ama_str_t out = { 0 };

    (void) state;
    ama_show_list_text (runs, ARRAY_SIZE (runs), &plain, T (660), &out);
    compare ("list", &out);
    ama_str_clear (&out);
    ama_show_list_text (runs, ARRAY_SIZE (runs), &ascii, T (660), &out);
    compare ("list-ascii", &out);
    ama_str_clear (&out);
    ama_show_list_json (runs, ARRAY_SIZE (runs), &out);
    compare ("list-json", &out);
    ama_str_clear (&out);
    ama_show_list_json (NULL, 0, &out);
    assert_string_equal (out.data, "{\"runs\":[]}\n");
    ama_str_done (&out);
}

static void test_run (void **state)
{
    ama_run_attempt_info_t one[] = { { .no = 1,
                                       .state = AMA_ATTEMPT_STATE_SUCCEEDED,
                                       .cause = s (""),
                                       .started = T (1),
                                       .ended = T (3),
                                       .node = s ("agent/local") } };
    ama_run_attempt_info_t three[] = {
        { .no = 1,
          .state = AMA_ATTEMPT_STATE_FAILED,
          .cause = s ("error"),
          .started = T (3),
          .ended = T (4),
          .node = s ("agent/local") },
        { .no = 2,
          .state = AMA_ATTEMPT_STATE_LOST,
          .cause = s ("node-lost"),
          .started = T (5),
          .ended = T (65),
          .node = s ("agent/local") },
        { .no = 3,
          .state = AMA_ATTEMPT_STATE_TIMED_OUT,
          .cause = s ("timeout"),
          .started = T (70),
          .ended = T (130),
          .node = s ("agent/local") },
    };
    ama_run_attempt_info_t now[] = {
        { .no = 1, .state = AMA_ATTEMPT_STATE_RUNNING, .cause = s (""), .started = T (131), .node = s ("agent/local") }
    };
    ama_run_action_info_t actions[] = {
        { .name = s ("start"),
          .state = AMA_ACTION_STATE_SUCCEEDED,
          .attempts = one,
          .n_attempts = 1,
          .error_of = s ("") },
        { .name = s ("step2"),
          .state = AMA_ACTION_STATE_FAILED,
          .attempts = three,
          .n_attempts = 3,
          .error_of = s ("") },
        { .name = s ("alert"),
          .state = AMA_ACTION_STATE_RUNNING,
          .attempts = now,
          .n_attempts = 1,
          .error_of = s ("step2") },
        { .name = s ("after"), .state = AMA_ACTION_STATE_BLOCKED, .error_of = s ("") },
    };
    ama_run_artifact_info_t artifacts[] = { { .action = s ("start"),
                                              .name = s ("plot.png"),
                                              .path = s ("/home/me/plot.png"),
                                              .media_type = s ("image/png") } };
    ama_run_shown_t run = {
        .summary = { .run = id_of ("01KG9YJ3WQ4ZT6V5Y8N2B1C09J"),
                     .job = s ("counts"),
                     .env = s ("dev"),
                     .state = AMA_RUN_STATE_RUNNING,
                     .commit = s ("3f2c1ab09d7e5a64f1c2b3d4e5f60718293a4b5c"),
                     .accepted = T (0),
                     .exit = -1,
                     .waiting = s ("alert: waiting for 2 cpus"),
                     .dirty = true,
                     .repo = s ("https://git.example/team/counts.git") },
        .actions = actions,
        .n_actions = ARRAY_SIZE (actions),
        .artifacts = artifacts,
        .n_artifacts = 1,
    };
    ama_str_t out = { 0 };

    (void) state;
    ama_show_run_text (&run, &plain, T (140), &out);
    compare ("run", &out);
    ama_str_clear (&out);
    ama_show_run_json (&run, &out);
    compare ("run-json", &out);
    ama_str_clear (&out);
    run.summary.state = AMA_RUN_STATE_RESCUED;
    run.summary.exit = 3;
    run.summary.ended = T (139);
    run.summary.waiting = s ("");
    run.cause = s ("step2 failed 3 of 3: java.lang.ArithmeticException: / by zero, alert handled it");
    run.summary.dirty = false;
    actions[2].state = AMA_ACTION_STATE_SUCCEEDED;
    actions[3].state = AMA_ACTION_STATE_SKIPPED;
    now[0].state = AMA_ATTEMPT_STATE_SUCCEEDED;
    now[0].ended = T (139);
    ama_show_run_text (&run, &bright, T (140), &out);
    compare ("run-color", &out);
    ama_str_clear (&out);
    ama_show_run_json (&run, &out);
    compare ("run-ended-json", &out);
    ama_str_done (&out);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_list), cmocka_unit_test (test_run) };

    (void) setenv ("TZ", "UTC", 1);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
