/* report_core_test.c - what the reporter keeps, as a table: posts in, numbered lines out; and the JSON of events, field by field */
#include "actors/reporter/report_core.h"
#include "actors/reporter/report_json.h"
#include "tests/unit/table.h"

#include <jansson.h>

/* ---- the table ---- */

static ama_id_t source_id (char name)
{
    ama_id_t id = { { 0 } };
    id.b[15] = (uint8_t) name;
    return id;
}

static void describe (const ama_report_record_t *record, void *arg)
{
    ama_str_printf (arg, "%s%llu%c%llu%s", ((ama_str_t *) arg)->size ? " " : "", (unsigned long long) record->seq,
                    record->code ? 'c' : 'e', (unsigned long long) record->prev, record->artifact ? "a" : "");
}

static ama_event_type_t type_of (char letter)
{
    switch (letter) {
    case 'r':
        return AMA_EVENT_TYPE_RUN_STARTED;
    case 's':
        return AMA_EVENT_TYPE_STATEMENT_ENDED;
    case 'o':
        return AMA_EVENT_TYPE_OUTPUT;
    case 'f':
        return AMA_EVENT_TYPE_ARTIFACT;
    case 'E':
        return AMA_EVENT_TYPE_RUN_ENDED;
    default:
        return AMA_EVENT_TYPE_UNSPECIFIED;
    }
}

/* "A1:rso" = source A posts events from its number 1 on: r run.started, s statement.ended, o output, f artifact, E run.ended, ? unknown.
 * Out: for each kept event seq, level, prev (and an a once there was an artifact before); then =upto, +late if there were any. */
static char *drive (const char *input)
{
    ama_report_core_t *core = ama_report_core_new (source_id ('R'));
    ama_str_t out = { 0 };
    char *copy = ama_strdup (input), *save = NULL;

    for (char *word = strtok_r (copy, " ;", &save); word; word = strtok_r (NULL, " ;", &save)) {
        ama_report_event_t events[16] = { 0 };
        char *letters = strchr (word, ':') + 1;
        ama_report_post_t post = { .source = source_id (word[0]),
                                   .first = strtoull (word + 1, NULL, 10),
                                   .events = events };
        unsigned long long upto;
        size_t late;

        for (; letters[post.n_events]; post.n_events++)
            events[post.n_events].type = type_of (letters[post.n_events]);
        upto = ama_report_core_post (core, &post, 0, describe, &out, &late);
        ama_str_printf (&out, "%s=%llu", out.size ? " " : "", upto);
        if (late)
            ama_str_printf (&out, "+%zu", late);
    }
    free (copy);
    ama_report_core_destroy (&core);
    return ama_str_take (&out);
}

static const struct {
    const char *name, *posts, *kept;
} cases[] = {
    { "nothing", "A1:", "=0" },
    { "one after the other", "A1:rso", "1e0 2c1 3c1 =3" },
    { "the same again keeps nothing", "A1:rso A1:rso", "1e0 2c1 3c1 =3 =3" },
    { "overlap keeps the rest", "A1:rs A2:soo", "1e0 2c1 =2 3c1 4c1 =4" },
    { "a hole keeps nothing and says where to go on", "A1:r A5:s", "1e0 =1 =1" },
    { "a post that starts before and ends in a known part", "A1:rsoo A2:so", "1e0 2c1 3c1 4c1 =4 =4" },
    { "two sources share one sequence", "A1:r B1:so A2:r B3:o", "1e0 =1 2c1 3c1 =2 4e1 =2 5c4 =3" },
    { "prev skips code events", "A1:rooor", "1e0 2c1 3c1 4c1 5e1 =5" },
    { "a chain of artifacts", "A1:rfof", "1e0 2e1 3c2a 4e2a =4" },
    { "unknown events are kept, or their source would stall", "A1:r?r", "1e0 2c1 3e1 =3" },
    { "nothing comes after the end", "A1:rE B1:oo A3:r", "1e0 2e1 =2 =2+2 =3+1" },
    { "the end in the middle of a post", "A1:rEs", "1e0 2e1 =3+1" },
    { "late ones again are not even late", "A1:E B1:o B1:o", "1e0 =1 =1+1 =1" },
};

/* ---- restoring ---- */

typedef struct {
    ama_str_t lines;
    ama_report_core_t *copy;
} twin_t;

static void keep_twice (const ama_report_record_t *record, void *arg)
{
    twin_t *twin = arg;

    ama_report_line_add (record, &twin->lines);
    ama_report_core_restore (twin->copy, record);
}

static void ignore (const ama_report_record_t *record, void *arg)
{
    (void) record;
    ++*(size_t *) arg;
}

static void test_restored_core_goes_on (void **state)
{
    ama_report_event_t events[] = {
        { .type = AMA_EVENT_TYPE_RUN_STARTED, .job = (char *) "counts", .env = (char *) "dev" },
        { .type = AMA_EVENT_TYPE_ARTIFACT, .job = (char *) "counts", .env = (char *) "dev" },
        { .type = AMA_EVENT_TYPE_OUTPUT, .text = (char *) "x" },
    };
    ama_report_post_t post = { .source = source_id ('A'), .first = 1, .events = events, .n_events = 3 };
    ama_report_core_t *core = ama_report_core_new (source_id ('R'));
    twin_t twin = { .copy = ama_report_core_new (source_id ('R')) };
    ama_str_t json = { 0 };
    size_t late, kept = 0;

    (void) state;
    ama_report_core_post (core, &post, 0, keep_twice, &twin, &late);
    assert_int_equal (ama_report_core_seq (twin.copy), 3);
    assert_int_equal (ama_report_core_artifact (twin.copy), 2);
    assert_int_equal (ama_report_core_post (twin.copy, &post, 0, ignore, &kept, &late), 3);
    assert_int_equal (kept, 0);
    ama_report_core_progress (twin.copy, &events[2], &json);
    assert_non_null (strstr (json.data, "\"job\":\"counts\",\"env\":\"dev\",\"type\":\"progress\""));
    ama_str_done (&json);
    ama_str_done (&twin.lines);
    ama_report_core_destroy (&twin.copy);
    ama_report_core_destroy (&core);
}

static void take_last (const ama_report_record_t *record, void *arg)
{
    ama_str_t *line = arg;

    ama_str_clear (line);
    ama_report_line_add (record, line);
}

static void restore_into (const ama_report_record_t *record, void *arg)
{
    ama_report_core_restore (arg, record);
}

/* After a crash of amad an agent may be back before the supervisor has repeated what it said of the attempt. */
static void test_an_attempt_is_told_of_after_its_start (void **state)
{
    ama_report_event_t output = { .type = AMA_EVENT_TYPE_OUTPUT, .action = "a", .has_attempt = true, .attempt = 2 };
    ama_report_event_t start = { .type = AMA_EVENT_TYPE_ATTEMPT_STARTED, .action = "a", .has_attempt = true };
    ama_report_post_t said = { .source = source_id ('A'), .first = 1, .events = &output, .n_events = 1 };
    ama_report_post_t started = { .source = source_id ('R'), .events = &start, .n_events = 1 };
    ama_report_core_t *core = ama_report_core_new (source_id ('R')), *again = ama_report_core_new (source_id ('R'));
    size_t late;

    (void) state;
    for (uint32_t no = 1; no <= 2; no++) {
        assert_false (ama_report_core_may_tell (core, &said));
        assert_false (ama_report_core_may_tell (again, &said));
        started.first = start.attempt = no;
        (void) ama_report_core_post (core, &started, 0, restore_into, again, &late);
    }
    assert_true (ama_report_core_may_tell (core, &said));
    assert_true (ama_report_core_may_tell (again, &said));
    output.action = "b";
    assert_false (ama_report_core_may_tell (core, &said));
    start.type = AMA_EVENT_TYPE_RUN_ENDED;
    started.first = 3;
    (void) ama_report_core_post (core, &started, 0, restore_into, again, &late);
    assert_true (ama_report_core_may_tell (core, &said)); /* for a run that is over nobody waits */
    assert_true (ama_report_core_may_tell (again, &said));
    ama_report_core_destroy (&core);
    ama_report_core_destroy (&again);
}

static void add_type (const ama_report_record_t *record, void *arg)
{
    ama_str_putc (arg, record->type == AMA_EVENT_TYPE_OUTPUT            ? 'o'
                       : record->type == AMA_EVENT_TYPE_ATTEMPT_STARTED ? 's'
                       : record->type == AMA_EVENT_TYPE_ATTEMPT_ENDED   ? 'e'
                                                                        : 'r');
}

/* Start and end of a short attempt, and the run's, may be said in one breath, before the agent repeats what came too early. */
static void test_what_came_too_early_stands_behind_its_start (void **state)
{
    ama_report_event_t output = { .type = AMA_EVENT_TYPE_OUTPUT, .action = "a", .has_attempt = true, .attempt = 1 };
    ama_report_event_t told[] = {
        { .type = AMA_EVENT_TYPE_ATTEMPT_STARTED, .action = "a", .has_attempt = true, .attempt = 1 },
        { .type = AMA_EVENT_TYPE_ATTEMPT_ENDED, .action = "a", .has_attempt = true, .attempt = 1 },
        { .type = AMA_EVENT_TYPE_RUN_ENDED },
    };
    ama_report_post_t said = { .source = source_id ('A'), .first = 1, .events = &output, .n_events = 1 };
    ama_report_post_t post = { .source = source_id ('R'), .first = 1, .events = told, .n_events = 3 };
    ama_report_core_t *core = ama_report_core_new (source_id ('R'));
    ama_str_t types = { 0 };
    size_t late;

    (void) state;
    assert_true (ama_report_core_park (core, &said, 0));
    assert_true (ama_report_core_park (core, &said, 0)); /* it was repeated meanwhile */
    (void) ama_report_core_post (core, &post, 0, add_type, &types, &late);
    assert_string_equal (types.data, "soer");
    assert_int_equal (ama_report_core_post (core, &said, 0, add_type, &types, &late), 1);
    assert_int_equal (late, 0);
    assert_string_equal (types.data, "soer");
    ama_str_done (&types);
    ama_report_core_destroy (&core);
}

static void test_what_came_too_early_takes_bounded_room (void **state)
{
    char text[1 << 16];
    ama_report_event_t output = {
        .type = AMA_EVENT_TYPE_OUTPUT, .action = "a", .has_attempt = true, .attempt = 1, .text = text
    };
    ama_report_post_t said = { .source = source_id ('A'), .first = 1, .events = &output, .n_events = 1 };
    ama_report_core_t *core = ama_report_core_new (source_id ('R'));
    int parked = 0;

    (void) state;
    memset (text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < 100; i++)
        assert_true (ama_report_core_park (core, &said, 0)); /* the same, repeated */
    while (parked < 1000 && ama_report_core_park (core, &said, 0)) {
        said.first++;
        parked++;
    }
    assert_in_range (parked, 8, 16); /* a mebibyte */
    ama_report_core_destroy (&core);
}

static void test_ended_core_knows_the_end_only (void **state)
{
    ama_report_event_t events[] = {
        { .type = AMA_EVENT_TYPE_ARTIFACT },
        { .type = AMA_EVENT_TYPE_RUN_ENDED, .state = (char *) "rescued", .has_exit = true, .exit = 3 },
    };
    ama_report_post_t post = { .source = source_id ('A'), .first = 1, .events = events, .n_events = 2 };
    ama_report_core_t *core = ama_report_core_new (source_id ('R'));
    ama_report_record_t record;
    ama_str_t line = { 0 };
    size_t late, kept = 0;

    (void) state;
    ama_report_core_post (core, &post, 0, take_last, &line, &late);
    ama_report_core_destroy (&core);

    core = ama_report_core_new (source_id ('R'));
    assert_int_equal (ama_report_line_parse (line.data, line.size - 1, &record), 0);
    ama_report_core_restore_ended (core, &record);
    assert_true (ama_report_core_ended (core));
    assert_string_equal (ama_report_core_state (core), "rescued");
    assert_int_equal (ama_report_core_exit (core), 3);
    assert_int_equal (ama_report_core_artifact (core), 1);
    assert_int_equal (ama_report_core_post (core, &post, 0, ignore, &kept, &late), 2);
    assert_int_equal (kept, 0);
    ama_str_done (&line);
    ama_report_core_destroy (&core);
}

static void take_json (const ama_report_record_t *record, void *arg)
{
    ama_str_add (arg, record->json, record->json_size);
    ama_str_putc (arg, '\n');
}

static void test_job_goes_by_its_repository_until_it_has_a_name (void **state)
{
    static const struct {
        const char *repo, *job;
    } rows[] = {
        { "https://git.example/team/counts.git", "counts" },
        { "git@git.example:counts", "counts" },
        { "/home/me/counts/", "counts" },
        { "/", "" },
        { ".git", ".git" },
        { "", "" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_report_event_t events[] = {
            { .type = AMA_EVENT_TYPE_RUN_ACCEPTED, .repo = (char *) rows[i].repo, .job = (char *) "" },
            { .type = AMA_EVENT_TYPE_RUN_STARTED, .job = (char *) "real" },
        };
        ama_report_post_t post = { .source = source_id ('A'), .first = 1, .events = events, .n_events = 2 };
        ama_report_core_t *core = ama_report_core_new (source_id ('R'));
        ama_str_t json = { 0 }, member = { 0 };
        size_t late;

        ama_report_core_post (core, &post, 0, take_json, &json, &late);
        ama_str_printf (&member, "\"job\":\"%s\"", rows[i].job);
        ROW_ASSERT (rows[i].repo, strstr (json.data, member.data) != NULL);
        ROW_ASSERT (rows[i].repo, strstr (strchr (json.data, '\n'), "\"job\":\"real\"") != NULL);
        ama_str_done (&json);
        ama_str_done (&member);
        ama_report_core_destroy (&core);
    }
}

/* ---- JSON ---- */

static char *json_of (const ama_report_event_t *event)
{
    ama_str_t out = { 0 };
    ama_report_json (source_id ('R'), "counts", "dev", event, &out);
    return ama_str_take (&out);
}

#define HEAD                                                                                                           \
    "\"ts\":\"2026-01-31T12:00:00.123Z\",\"run\":\"0000000000000000000000002J\",\"job\":\"counts\",\"env\":\"dev\","
#define TS .ts = 1769860800123

static void test_json (void **state)
{
    ama_report_frame_t frames[] = { { .file = (char *) "src/a.scala", .line = 7 },
                                    { .file = (char *) "src/b.scala", .line = 9 } };
    const struct {
        ama_report_event_t event;
        const char *json;
    } rows[] = {
        { { TS, .type = AMA_EVENT_TYPE_RUN_ACCEPTED, .repo = (char *) "/r", .ref = (char *) "main" },
          HEAD "\"level\":\"execution\",\"type\":\"run.accepted\",\"repo\":\"/r\",\"ref\":\"main\"" },
        { { TS, .type = AMA_EVENT_TYPE_RUN_STARTED, .commit = (char *) "3f2c1ab", .ref = (char *) "main",
            .has_dirty = true },
          HEAD
          "\"level\":\"execution\",\"type\":\"run.started\",\"commit\":\"3f2c1ab\",\"ref\":\"main\",\"dirty\":false" },
        { { TS, .type = AMA_EVENT_TYPE_PHASE_ENDED, .phase = (char *) "fetch", .status = (char *) "ok", .has_ms = true,
            .ms = 38, .detail = (char *) "12 files" },
          HEAD "\"level\":\"execution\",\"type\":\"phase.ended\",\"phase\":\"fetch\",\"status\":\"ok\",\"ms\":38,"
               "\"detail\":\"12 "
               "files\"" },
        { { TS, .type = AMA_EVENT_TYPE_ATTEMPT_STARTED, .action = (char *) "alert", .has_attempt = true, .attempt = 1,
            .state = (char *) "running", .runner = (char *) "shell", .has_attempts = true, .attempts = 3,
            .error_of = (char *) "step2", .file = (char *) "src/e.sh" },
          HEAD "\"level\":\"execution\",\"type\":\"attempt.started\",\"action\":\"alert\",\"attempt\":1,\"attempts\":3,"
               "\"runner\":"
               "\"shell\",\"error_of\":\"step2\",\"file\":\"src/e.sh\",\"state\":\"running\"" },
        { { TS, .type = AMA_EVENT_TYPE_STATEMENT_ENDED, .action = (char *) "a", .has_attempt = true, .attempt = 2,
            .file = (char *) "src/a.scala", .has_line = true, .line = 7, .has_end_line = true, .end_line = 8,
            .text = (char *) "1/0\n", .status = (char *) "error", .has_ms = true, .ms = 7, .error_name = (char *) "E",
            .error_message = (char *) "by \"zero\"", .frames = frames, .n_frames = 2 },
          HEAD "\"level\":\"code\",\"type\":\"statement.ended\",\"action\":\"a\",\"attempt\":2,\"file\":\"src/"
               "a.scala\",\"line\":7,\"end_line\":8,\"text\":\"1/"
               "0\\n\",\"status\":\"error\",\"ms\":7,\"error\":{\"name\":\"E\","
               "\"message\":\"by \\\"zero\\\"\",\"frames\":[{\"file\":\"src/a.scala\",\"line\":7},{\"file\":\"src/"
               "b.scala\",\"line\":9}]}" },
        { { TS, .type = AMA_EVENT_TYPE_OUTPUT, .action = (char *) "a", .has_attempt = true, .attempt = 1,
            .stream = (char *) "stdout", .text = (char *) "\x1b[1mbold\n", .has_partial = true, .partial = true },
          HEAD "\"level\":\"code\",\"type\":\"output\",\"action\":\"a\",\"attempt\":1,\"stream\":\"stdout\",\"text\":"
               "\"\\u001b["
               "1mbold\\n\",\"partial\":true" },
        { { TS, .type = AMA_EVENT_TYPE_GAP, .has_events = true, .events = 12, .has_bytes = true, .bytes = 1UL << 40 },
          HEAD "\"level\":\"code\",\"type\":\"gap\",\"events\":12,\"bytes\":1099511627776" },
        { { TS, .type = AMA_EVENT_TYPE_RUN_ENDED, .state = (char *) "failed", .cause = (char *) "a failed",
            .has_exit = true, .exit = 1 },
          HEAD
          "\"level\":\"execution\",\"type\":\"run.ended\",\"state\":\"failed\",\"cause\":\"a failed\",\"exit\":1" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        char *json = json_of (&rows[i].event);
        assert_string_equal (json, rows[i].json);
        free (json);
    }
}

/* Texts at their limits, all control characters: still one item, still JSON. */
static void test_json_is_bounded (void **state)
{
    char *text = ama_malloc (AMA_REPORT_EVENT_TEXT_MAX + 1), *json;
    ama_report_event_t event = { .type = AMA_EVENT_TYPE_STATEMENT_ENDED, .text = text, .value = text, .cause = text };
    ama_str_t whole = { 0 };
    json_t *object;

    (void) state;
    memset (text, 1, AMA_REPORT_EVENT_TEXT_MAX);
    text[AMA_REPORT_EVENT_TEXT_MAX] = '\0';
    json = json_of (&event);
    assert_true (strlen (json) < AMA_REPORT_ITEM_JSON_MAX);
    assert_true (strlen (json) > 100000);
    ama_str_printf (&whole, "{%s}", json);
    object = json_loads (whole.data, 0, NULL);
    assert_non_null (object);
    json_decref (object);
    ama_str_done (&whole);
    free (json);
    free (text);
}

/* What is cut ends with a whole character. */
static void test_json_is_cut_between_characters (void **state)
{
    char *text = ama_malloc (AMA_REPORT_EVENT_TEXT_MAX + 1), *controls = ama_malloc (AMA_REPORT_EVENT_TEXT_MAX + 1);
    ama_report_event_t event = {
        .type = AMA_EVENT_TYPE_STATEMENT_ENDED, .text = text, .value = controls, .cause = controls
    };
    char *json;

    (void) state;
    memset (controls, 1, AMA_REPORT_EVENT_TEXT_MAX);
    controls[AMA_REPORT_EVENT_TEXT_MAX] = '\0';
    text[0] = 'x'; /* so that every cut at an even size is within a character */
    for (size_t i = 1; i + 1 < AMA_REPORT_EVENT_TEXT_MAX; i += 2)
        memcpy (text + i, "\xc3\xbc", 2);
    text[AMA_REPORT_EVENT_TEXT_MAX - 1] = text[AMA_REPORT_EVENT_TEXT_MAX] = '\0';
    json = json_of (&event);
    assert_non_null (strstr (json, "\xc3\xbc\",\""));
    assert_null (strstr (json, "\xef\xbf\xbd"));
    free (json);
    free (text);
    free (controls);
}

/* ---- lines ---- */

static void test_line_notices_every_flipped_bit (void **state)
{
    ama_report_record_t record = { .seq = 12345678901ULL,
                                   .prev = 7,
                                   .artifact = 3,
                                   .code = true,
                                   .type = AMA_EVENT_TYPE_OUTPUT,
                                   .source = source_id ('A'),
                                   .no = 9,
                                   .json = "\"ts\":\"x\",\"run\":\"y\"",
                                   .json_size = 18 };
    ama_report_record_t again;
    ama_str_t line = { 0 };

    (void) state;
    ama_report_line_add (&record, &line);
    assert_int_equal (line.data[line.size - 1], '\n');
    assert_int_equal (ama_report_line_parse (line.data, line.size - 1, &again), 0);
    assert_true (again.seq == record.seq && again.prev == 7 && again.artifact == 3 && again.code && again.no == 9);
    assert_int_equal (again.type, AMA_EVENT_TYPE_OUTPUT);
    assert_int_equal (again.json_size, 18);
    assert_memory_equal (again.json, record.json, 18);
    for (size_t bit = 0; bit < (line.size - 1) * 8; bit++) {
        line.data[bit / 8] ^= (char) (1 << bit % 8);
        assert_int_equal (ama_report_line_parse (line.data, line.size - 1, &again), AMA_E_INTEGRITY);
        line.data[bit / 8] ^= (char) (1 << bit % 8);
    }
    for (size_t size = 0; size < line.size - 1; size++)
        assert_int_equal (ama_report_line_parse (line.data, size, &again), AMA_E_INTEGRITY);
    ama_str_done (&line);
}

static void test_table (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        char *kept = drive (cases[i].posts);
        ROW_EQUAL (cases[i].name, kept, cases[i].kept);
        free (kept);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_table),
        cmocka_unit_test (test_restored_core_goes_on),
        cmocka_unit_test (test_an_attempt_is_told_of_after_its_start),
        cmocka_unit_test (test_what_came_too_early_stands_behind_its_start),
        cmocka_unit_test (test_what_came_too_early_takes_bounded_room),
        cmocka_unit_test (test_ended_core_knows_the_end_only),
        cmocka_unit_test (test_job_goes_by_its_repository_until_it_has_a_name),
        cmocka_unit_test (test_json),
        cmocka_unit_test (test_json_is_bounded),
        cmocka_unit_test (test_json_is_cut_between_characters),
        cmocka_unit_test (test_line_notices_every_flipped_bit),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
