/* text_test.c - what a sender can rely on: a text that fits, a body that is checked, names of enum values */
#include "messages/ama_message.h"
#include "messages/ama_types.h"
#include "messages/attempt.h"
#include "messages/lease.h"
#include "messages/plan.h"
#include "tests/unit/table.h"

#include <math.h>

static const struct {
    const char *label;
    const char *text;
    size_t size;
    size_t max;
    const char *result;
} fits[] = {
    { "short", "abc", 3, 8, "abc" },
    { "exactly", "abcdefgh", 8, 8, "abcdefgh" },
    { "one too many", "abcdefghi", 9, 8, "abcde…" },
    { "empty", "", 0, 8, "" },
    { "cut before a character, not in it", "abcd€fgh", 10, 8, "abcd…" },
    { "a character that just fits", "ab€fghi", 9, 8, "ab€…" },
    { "not UTF-8", "a\xff\x62", 3, 8, "a\xef\xbf\xbd\x62" },
    { "half a character", "a\xc3", 2, 8, "a\xef\xbf\xbd" },
    { "NUL", "a\0b", 3, 8, "a\xef\xbf\xbd\x62" },
    { "grows beyond the limit", "\xff\xff\xff", 3, 8, "\xef\xbf\xbd…" },
    { "no room for dots", "abcd", 4, 2, "ab" },
    { "no room at all", "abcd", 4, 0, "" },
};

static void test_fit (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (fits); i++) {
        char *got = ama_text_fit (fits[i].text, fits[i].size, fits[i].max);
        ROW_EQUAL (fits[i].label, got, fits[i].result);
        ROW_ASSERT (fits[i].label, strlen (got) <= fits[i].max);
        free (got);
    }
}

static void gives (uint16_t type, const void *body, int code, const char *text)
{
    ama_err_t err = { 0 };
    int rc = ama_message_check (type, body, &err);

    if (rc != code || (text && !strstr (err.text, text)))
        fail_msg ("%s: %s", ama_err_name (rc), err.text);
}

static void test_check (void **state)
{
    char long_word[65] = { 0 };
    char *causes[2] = { "error", NULL };
    ama_plan_rule_t rule = { .causes = causes, .n_causes = 2 };
    ama_plan_action_t action = { .retry = { .rules = &rule, .n_rules = 1 } };
    ama_plan_reply_t reply = { .has_plan = true, .plan = { .actions = &action, .n_actions = 1 } };
    ama_lease_granted_t granted = { .cpus = NAN };

    (void) state;
    memset (long_word, 'x', 64);
    gives (AMA_MSG_PLAN_REPLY, &reply, 0, NULL);
    causes[1] = long_word;
    gives (AMA_MSG_PLAN_REPLY, &reply, AMA_E_LIMIT,
           "plan.reply: plan: actions: item 0: retry: rules: item 0: causes: item 1: 64 bytes, the limit is 32");
    causes[1] = "\xff";
    gives (AMA_MSG_PLAN_REPLY, &reply, AMA_E_INVALID, "causes: item 1: not UTF-8");
    reply.has_plan = false;
    gives (AMA_MSG_PLAN_REPLY, &reply, 0, NULL);
    rule.n_causes = AMA_PLAN_RULE_CAUSES_MAX + 1;
    reply.has_plan = true;
    gives (AMA_MSG_PLAN_REPLY, &reply, AMA_E_LIMIT, "causes: 17 items, the limit is 16");
    gives (AMA_MSG_LEASE_GRANTED, &granted, AMA_E_INVALID, "lease.granted: cpus: not a finite number");
    gives (0xffff, &granted, AMA_E_UNSUPPORTED, "0xffff");
}

static void test_names (void **state)
{
    ama_attempt_state_t attempt = AMA_ATTEMPT_STATE_UNSPECIFIED;
    ama_role_t role;

    (void) state;
    assert_string_equal (ama_attempt_state_name (AMA_ATTEMPT_STATE_TIMED_OUT), "timed_out");
    assert_string_equal (ama_attempt_state_name ((ama_attempt_state_t) 99), "?");
    assert_int_equal (ama_attempt_state_parse ("lost", &attempt), 0);
    assert_int_equal (attempt, AMA_ATTEMPT_STATE_LOST);
    assert_int_equal (ama_attempt_state_parse ("Lost", &attempt), AMA_E_INVALID);
    assert_int_equal (attempt, AMA_ATTEMPT_STATE_LOST);
    assert_int_equal (ama_role_parse ("", &role), AMA_E_INVALID);
}

/* Optional means: absent, or there with any value, zero too. */
static void test_optional (void **state)
{
    ama_plan_reply_t reply = { .ok = true }, again;
    ama_str_t bytes = { 0 };

    (void) state;
    ama_plan_reply_encode (&reply, &bytes);
    assert_int_equal (ama_plan_reply_decode (bytes.data, bytes.size, &again, NULL), 0);
    assert_true (again.ok && !again.has_plan && !again.plan.job);
    ama_plan_reply_done (&again);
    reply.has_plan = true;
    ama_str_clear (&bytes);
    ama_plan_reply_encode (&reply, &bytes);
    assert_int_equal (ama_plan_reply_decode (bytes.data, bytes.size, &again, NULL), 0);
    assert_true (again.has_plan);
    assert_string_equal (again.plan.job, "");
    ama_plan_reply_done (&again);
    assert_false (again.has_plan);
    ama_str_done (&bytes);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_fit),
        cmocka_unit_test (test_check),
        cmocka_unit_test (test_names),
        cmocka_unit_test (test_optional),
    };

    return cmocka_run_group_tests_name ("messages: senders", tests, NULL, NULL);
}
