/* report_wait_test.c - an attempt's end stands behind all that its agent says of it, or behind a gap that says how much is missing */
#include "actors/reporter/report_core.h"
#include "tests/unit/table.h"

static ama_id_t source_id (char name)
{
    ama_id_t id = { { 0 } };
    id.b[15] = (uint8_t) name;
    return id;
}

static void add_type (const ama_report_record_t *record, void *arg)
{
    ama_str_putc (arg, record->type == AMA_EVENT_TYPE_OUTPUT            ? 'o'
                       : record->type == AMA_EVENT_TYPE_ATTEMPT_STARTED ? 's'
                       : record->type == AMA_EVENT_TYPE_ATTEMPT_ENDED   ? 'e'
                                                                        : 'r');
}

static void restore_into (const ama_report_record_t *record, void *arg)
{
    ama_report_core_restore (arg, record);
}

/* A run of two attempts at the same time, whose agents post two and three events. */
typedef struct {
    ama_report_event_t said[2][3], told[6];
    ama_report_post_t said_post[2], post, behind;
    ama_report_core_t *core;
    ama_str_t types;
    size_t late;
} pair_t;

static void set_pair (pair_t *pair)
{
    static const ama_event_type_t types[] = { AMA_EVENT_TYPE_ATTEMPT_STARTED, AMA_EVENT_TYPE_ATTEMPT_STARTED,
                                              AMA_EVENT_TYPE_ATTEMPT_ENDED,   AMA_EVENT_TYPE_ATTEMPT_ENDED,
                                              AMA_EVENT_TYPE_RUN_STARTED,     AMA_EVENT_TYPE_RUN_ENDED };

    *pair = (pair_t){ .core = ama_report_core_new (source_id ('R')) };
    for (size_t i = 0; i < 6; i++)
        pair->told[i] = (ama_report_event_t){ .type = types[i],
                                              .action = (char *) (i % 2 ? "b" : "a"),
                                              .has_attempt = true,
                                              .attempt = 1,
                                              .has_source = i / 2 == 1,
                                              .source = source_id ("AB"[i % 2]),
                                              .has_events = i / 2 == 1,
                                              .events = 2 + i % 2 };
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < 3; k++)
            pair->said[i][k] = (ama_report_event_t){
                .type = AMA_EVENT_TYPE_OUTPUT, .action = (char *) (i ? "b" : "a"), .has_attempt = true, .attempt = 1
            };
        pair->said_post[i] = (ama_report_post_t){
            .source = source_id ("AB"[i]), .first = 1, .events = pair->said[i], .n_events = 2 + i
        };
    }
    pair->post = (ama_report_post_t){
        .run = source_id ('R'), .source = source_id ('R'), .first = 1, .events = pair->told, .n_events = 5
    };
    pair->behind = (ama_report_post_t){
        .run = source_id ('R'), .source = source_id ('R'), .first = 6, .events = pair->told + 5, .n_events = 1
    };
}

static uint64_t post_of_pair (pair_t *pair, const ama_report_post_t *post, int64_t now_ms)
{
    return ama_report_core_post (pair->core, post, now_ms, add_type, &pair->types, &pair->late);
}

static void done_pair (pair_t *pair)
{
    ama_str_done (&pair->types);
    ama_report_core_destroy (&pair->core);
}

static void test_an_end_waits_for_its_events (void **state)
{
    pair_t pair;

    (void) state;
    set_pair (&pair);
    assert_int_equal (post_of_pair (&pair, &pair.post, 0), 2);
    assert_int_equal (post_of_pair (&pair, &pair.behind, 0), 2);
    assert_true (ama_report_core_waits (pair.core));
    assert_int_equal (post_of_pair (&pair, &pair.post, AMA_REPORT_WAIT_MS - 1), 2); /* repeated */
    assert_int_equal (post_of_pair (&pair, &pair.said_post[1], AMA_REPORT_WAIT_MS - 1), 3);
    assert_string_equal (pair.types.data, "ssooo");
    pair.said_post[0].n_events = 1;
    assert_int_equal (post_of_pair (&pair, &pair.said_post[0], AMA_REPORT_WAIT_MS - 1), 1);
    assert_int_equal (post_of_pair (&pair, &pair.post, 2 * AMA_REPORT_WAIT_MS - 2), 2); /* it is on its way */
    pair.said_post[0].n_events = 2;
    assert_int_equal (post_of_pair (&pair, &pair.said_post[0], 2 * AMA_REPORT_WAIT_MS - 2), 2);
    assert_string_equal (pair.types.data, "ssoooooeerr");
    assert_false (ama_report_core_waits (pair.core));
    assert_true (ama_report_core_ended (pair.core));
    assert_int_equal (post_of_pair (&pair, &pair.post, 2 * AMA_REPORT_WAIT_MS), 6);
    assert_int_equal (post_of_pair (&pair, &pair.behind, 2 * AMA_REPORT_WAIT_MS), 6);
    assert_int_equal (pair.late, 0);
    done_pair (&pair);
}

static void add_json (const ama_report_record_t *record, void *arg)
{
    ama_str_add (arg, record->json, record->json_size);
    ama_str_putc (arg, '\n');
}

/* Both agents died: nobody waits twice as long for two. What comes late after all is not told, or the gap would be a lie. */
static void test_what_never_comes_is_a_gap (void **state)
{
    ama_str_t json = { 0 };
    pair_t pair;
    char *gap;

    (void) state;
    set_pair (&pair);
    pair.said_post[0].n_events = 1;
    (void) post_of_pair (&pair, &pair.post, 0);
    (void) post_of_pair (&pair, &pair.said_post[0], 0);
    (void) post_of_pair (&pair, &pair.behind, 10);
    (void) ama_report_core_post (pair.core, &pair.post, AMA_REPORT_WAIT_MS, add_json, &json, &pair.late);
    gap = strstr (json.data, "\"type\":\"gap\",\"action\":\"a\",\"attempt\":1,\"events\":1\n");
    assert_non_null (gap);
    gap = strstr (gap, "\"type\":\"gap\",\"action\":\"b\",\"attempt\":1,\"events\":3\n");
    assert_non_null (gap);
    assert_non_null (strstr (gap, "\"type\":\"run.ended\""));
    pair.said_post[0].n_events = 2;
    assert_int_equal (post_of_pair (&pair, &pair.said_post[0], AMA_REPORT_WAIT_MS), 2);
    assert_int_equal (post_of_pair (&pair, &pair.said_post[1], AMA_REPORT_WAIT_MS), 3);
    assert_int_equal (pair.late, 0);
    ama_str_done (&json);
    done_pair (&pair);
}

/* The agent that had them died, and its successor says so: there is nothing to wait for. */
static void test_what_is_gone_is_not_waited_for (void **state)
{
    pair_t pair;

    (void) state;
    set_pair (&pair);
    pair.told[2].events_gone = pair.told[3].events_gone = true;
    pair.told[3].events = UINT64_MAX; /* an agent may say what it likes */
    assert_int_equal (post_of_pair (&pair, &pair.post, 0), 5);
    assert_string_equal (pair.types.data, "ssrerer");
    done_pair (&pair);
}

/* The reporter dies between a gap and the end behind it: the gap is not told twice. */
static void test_a_gap_is_read_back (void **state)
{
    ama_report_core_t *again = ama_report_core_new (source_id ('R'));
    pair_t pair;

    (void) state;
    set_pair (&pair);
    pair.told[2].events_gone = pair.told[3].events_gone = true;
    (void) ama_report_core_post (pair.core, &pair.post, 0, restore_into, again, &pair.late);
    ama_report_core_destroy (&pair.core);
    pair.core = again;
    assert_int_equal (post_of_pair (&pair, &pair.said_post[1], 0), 3);
    pair.post.source = source_id ('S'); /* all of it anew, by another */
    assert_int_equal (post_of_pair (&pair, &pair.post, 0), 5);
    assert_string_equal (pair.types.data, "sseer");
    done_pair (&pair);
}

/* Three attempts one after the other, each of which posts two events; all of it is told at once. */
typedef struct {
    ama_report_event_t said[2], told[6];
    ama_report_post_t post, said_post;
    ama_report_core_t *core;
    ama_str_t types;
    size_t late;
} chain_t;

static void set_chain (chain_t *chain)
{
    *chain = (chain_t){ .core = ama_report_core_new (source_id ('R')) };
    for (uint32_t i = 0; i < 6; i++)
        chain->told[i] =
            (ama_report_event_t){ .type = i % 2 ? AMA_EVENT_TYPE_ATTEMPT_ENDED : AMA_EVENT_TYPE_ATTEMPT_STARTED,
                                  .action = (char *) "a",
                                  .has_attempt = true,
                                  .attempt = 1 + i / 2,
                                  .has_source = i % 2,
                                  .source = source_id ("123"[i / 2]),
                                  .has_events = i % 2,
                                  .events = 2 };
    chain->post = (ama_report_post_t){
        .run = source_id ('R'), .source = source_id ('R'), .first = 1, .events = chain->told, .n_events = 6
    };
}

static uint64_t post_of_chain (chain_t *chain, int64_t now_ms)
{
    return ama_report_core_post (chain->core, &chain->post, now_ms, add_type, &chain->types, &chain->late);
}

/* What the agent of attempt no has to say; it is not told before that has begun, as the reporter's actor has it. */
static void say_of_chain (chain_t *chain, uint32_t no, size_t n_events, int64_t now_ms)
{
    for (size_t i = 0; i < 2; i++)
        chain->said[i] = (ama_report_event_t){
            .type = AMA_EVENT_TYPE_OUTPUT, .action = (char *) "a", .has_attempt = true, .attempt = no
        };
    chain->said_post = (ama_report_post_t){
        .source = source_id ("123"[no - 1]), .first = 1, .events = chain->said, .n_events = n_events
    };
    if (ama_report_core_may_tell (chain->core, &chain->said_post))
        (void) ama_report_core_post (chain->core, &chain->said_post, now_ms, add_type, &chain->types, &chain->late);
    else
        assert_true (ama_report_core_park (chain->core, &chain->said_post, now_ms));
}

static void done_chain (chain_t *chain)
{
    ama_str_done (&chain->types);
    ama_report_core_destroy (&chain->core);
}

/* The agents of all three died with what they had to say, one after a part of it: the report is not late by a wait for each. */
static void test_a_chain_waits_once (void **state)
{
    chain_t chain;

    (void) state;
    set_chain (&chain);
    assert_int_equal (post_of_chain (&chain, 0), 1);
    say_of_chain (&chain, 2, 1, 5);
    assert_int_equal (post_of_chain (&chain, AMA_REPORT_WAIT_MS - 1), 1);
    assert_int_equal (post_of_chain (&chain, AMA_REPORT_WAIT_MS + 4), 3);
    assert_int_equal (post_of_chain (&chain, AMA_REPORT_WAIT_MS + 5), 6);
    assert_string_equal (chain.types.data, "sresoresre");
    done_chain (&chain);
}

/* The last one's agent lives, and is refused until the attempt has begun in the stream: it is heard, and waited for. */
static void test_who_is_refused_lives (void **state)
{
    chain_t chain;

    (void) state;
    set_chain (&chain);
    assert_int_equal (post_of_chain (&chain, 0), 1);
    say_of_chain (&chain, 3, 1, 5);
    say_of_chain (&chain, 3, 1, AMA_REPORT_WAIT_MS - 1);
    assert_int_equal (post_of_chain (&chain, AMA_REPORT_WAIT_MS), 5);
    assert_int_equal (post_of_chain (&chain, 2 * AMA_REPORT_WAIT_MS - 2), 5);
    say_of_chain (&chain, 3, 2, 2 * AMA_REPORT_WAIT_MS - 2);
    assert_int_equal (post_of_chain (&chain, 2 * AMA_REPORT_WAIT_MS - 2), 6);
    assert_string_equal (chain.types.data, "sresresooe");
    done_chain (&chain);
}

/* So is one that has more to say than is kept meanwhile. */
static void test_who_is_too_loud_lives (void **state)
{
    enum { MUCH = 1 << 20 };
    char *text = ama_calloc (1, MUCH + 1);
    chain_t chain;

    (void) state;
    memset (text, 'x', MUCH);
    set_chain (&chain);
    assert_int_equal (post_of_chain (&chain, 0), 1);
    chain.said[0] = (ama_report_event_t){
        .type = AMA_EVENT_TYPE_OUTPUT, .action = (char *) "a", .has_attempt = true, .attempt = 3, .text = text
    };
    chain.said_post = (ama_report_post_t){ .source = source_id ('3'), .first = 1, .events = chain.said, .n_events = 1 };
    assert_false (ama_report_core_park (chain.core, &chain.said_post, AMA_REPORT_WAIT_MS - 1));
    assert_int_equal (post_of_chain (&chain, AMA_REPORT_WAIT_MS), 5);
    say_of_chain (&chain, 3, 2, AMA_REPORT_WAIT_MS + 500);
    assert_string_equal (chain.types.data, "sresresooe");
    done_chain (&chain);
    free (text);
}

/* Words that are not its next ones do not keep the report waiting for ever. */
static void test_who_says_nothing_new_is_not_waited_for (void **state)
{
    chain_t chain;

    (void) state;
    set_chain (&chain);
    assert_int_equal (post_of_chain (&chain, 0), 1);
    say_of_chain (&chain, 1, 1, 1);
    for (int64_t now = 2; now < AMA_REPORT_WAIT_MS; now += 500) {
        say_of_chain (&chain, 1, 1, now);
        chain.said[0].attempt = 9;
        assert_true (ama_report_core_park (chain.core, &chain.said_post, now));
    }
    assert_int_equal (post_of_chain (&chain, AMA_REPORT_WAIT_MS + 1), 6);
    done_chain (&chain);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_an_end_waits_for_its_events),
        cmocka_unit_test (test_what_never_comes_is_a_gap),
        cmocka_unit_test (test_what_is_gone_is_not_waited_for),
        cmocka_unit_test (test_a_gap_is_read_back),
        cmocka_unit_test (test_a_chain_waits_once),
        cmocka_unit_test (test_who_is_refused_lives),
        cmocka_unit_test (test_who_is_too_loud_lives),
        cmocka_unit_test (test_who_says_nothing_new_is_not_waited_for),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
