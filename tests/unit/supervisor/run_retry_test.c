/* run_retry_test.c - the rules of retry, as a table: cause by rule by what was used up */
#include "actors/supervisor/run_retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Blocks: their C is the YAML of maki.yml one to one. */
static char *oom[] = { (char *) "oom" }, *syntax[] = { (char *) "syntax", (char *) "timeout" };
static char *node[] = { (char *) "node-lost" }, *globs[] = { (char *) "java.io.*Exception" };
#define X10   "xxxxxxxxxx"
#define X100  X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X1200 X100 X100 X100 X100 X100 X100 X100 X100 X100 X100 X100 X100

static char *pattern[] = { (char *) "(connection|read) timed? ?out" };
static char *long_one[] = { (char *) "x{1200}" }, *braces[] = { (char *) "code \\{2000\\}" };
static char *bomb[] = { (char *) "((a{1000}){1000}){1000}" }, *backref[] = { (char *) "(.*)\\1" };
static int64_t exits[] = { 75, 111 };

static ama_plan_rule_t retry_oom = { .causes = oom, .n_causes = 1, .act = AMA_RULE_DO_RETRY, .delay_ms = 5000 };
static ama_plan_rule_t fail_oom = { .causes = oom, .n_causes = 1, .act = AMA_RULE_DO_FAIL, .delay_ms = -1 };
static ama_plan_rule_t retry_syntax = { .causes = syntax, .n_causes = 2, .act = AMA_RULE_DO_RETRY, .delay_ms = -1 };
static ama_plan_rule_t costly_node = { .causes = node, .n_causes = 1, .act = AMA_RULE_DO_RETRY, .delay_ms = -1 };
static ama_plan_rule_t fail_glob = { .errors = globs, .n_errors = 1, .act = AMA_RULE_DO_FAIL, .delay_ms = -1 };
static ama_plan_rule_t fail_pattern = { .messages = pattern, .n_messages = 1, .act = AMA_RULE_DO_FAIL, .delay_ms = -1 };
static ama_plan_rule_t free_exit = {
    .exits = exits, .n_exits = 2, .act = AMA_RULE_DO_RETRY, .delay_ms = -1, .free = true
};
static ama_plan_rule_t fail_all = { .act = AMA_RULE_DO_FAIL, .delay_ms = -1 };
static ama_plan_rule_t fail_long = { .messages = long_one, .n_messages = 1, .act = AMA_RULE_DO_FAIL, .delay_ms = -1 };
static ama_plan_rule_t fail_braces = { .messages = braces, .n_messages = 1, .act = AMA_RULE_DO_FAIL, .delay_ms = -1 };
static ama_plan_rule_t fail_bomb = { .messages = bomb, .n_messages = 1, .act = AMA_RULE_DO_FAIL, .delay_ms = -1 };
static ama_plan_rule_t fail_backref = { .messages = backref, .n_messages = 1, .act = AMA_RULE_DO_FAIL, .delay_ms = -1 };

typedef struct {
    const char *name;
    const ama_plan_rule_t *rules[3];
    ama_retry_failure_t failure;
    uint32_t counted, free_used;
    const char *verdict; /* with attempts 3, delay 100, linear, at most 1000 */
    int64_t delay_ms;
} row_t;

#define ERROR                                                                                                          \
    {                                                                                                                  \
        "error", "", "", -1                                                                                            \
    }
#define NO_RULE                                                                                                        \
    {                                                                                                                  \
        NULL                                                                                                           \
    }

static const row_t rows[] = {
    { "first failure", NO_RULE, ERROR, 0, 0, "retry", 100 },
    { "second failure waits longer", NO_RULE, ERROR, 1, 0, "retry", 200 },
    { "third is the last", NO_RULE, ERROR, 2, 0, "final", 0 },
    { "far above", NO_RULE, ERROR, 4000000000u, 0, "final", 0 },
    { "syntax is final", NO_RULE, { "syntax", "", "", -1 }, 0, 0, "final", 0 },
    { "unless a rule says otherwise", { &retry_syntax }, { "syntax", "", "", -1 }, 0, 0, "retry", 100 },
    { "a rule with two causes", { &retry_syntax }, { "timeout", "", "", -1 }, 1, 0, "retry", 200 },
    { "a retry rule gives no more attempts", { &retry_syntax }, { "syntax", "", "", -1 }, 2, 0, "final", 0 },
    { "timeout counts", NO_RULE, { "timeout", "", "", -1 }, 2, 0, "final", 0 },
    { "oom is retried", NO_RULE, { "oom", "", "", -1 }, 0, 0, "retry", 100 },
    { "with the rule's own delay", { &retry_oom }, { "oom", "", "", -1 }, 0, 0, "retry", 1000 },
    { "first matching rule wins", { &fail_oom, &retry_oom }, { "oom", "", "", -1 }, 0, 0, "final", 0 },
    { "a rule for another cause", { &fail_oom }, ERROR, 0, 0, "retry", 100 },
    { "node-lost is free", NO_RULE, { "node-lost", "", "", -1 }, 2, 0, "free", 300 },
    { "ten times", NO_RULE, { "node-lost", "", "", -1 }, 2, 9, "free", 1000 },
    { "then it counts", NO_RULE, { "node-lost", "", "", -1 }, 0, 10, "retry", 100 },
    { "and may be the last", NO_RULE, { "node-lost", "", "", -1 }, 2, 10, "final", 0 },
    { "preempted is free", NO_RULE, { "preempted", "", "", -1 }, 2, 0, "free", 300 },
    { "a rule makes node-lost cost", { &costly_node }, { "node-lost", "", "", -1 }, 2, 0, "final", 0 },
    { "session-lost counts", NO_RULE, { "session-lost", "", "", -1 }, 2, 0, "final", 0 },
    { "error glob", { &fail_glob }, { "error", "java.io.FileNotFoundException", "", -1 }, 0, 0, "final", 0 },
    { "error glob of another", { &fail_glob }, { "error", "java.lang.Error", "", -1 }, 0, 0, "retry", 100 },
    { "error glob without an error", { &fail_glob }, ERROR, 0, 0, "retry", 100 },
    { "message", { &fail_pattern }, { "error", "", "the connection timed out", -1 }, 0, 0, "final", 0 },
    { "message of another", { &fail_pattern }, { "error", "", "no route", -1 }, 0, 0, "retry", 100 },
    { "exit code", { &free_exit }, { "error", "", "", 111 }, 2, 0, "free", 300 },
    { "exit code of another", { &free_exit }, { "error", "", "", 1 }, 2, 0, "final", 0 },
    { "no exit code", { &free_exit }, ERROR, 2, 0, "final", 0 },
    { "a rule without a condition is for all", { &fail_all }, ERROR, 0, 0, "final", 0 },
    { "a pattern that would eat all memory matches nothing", { &fail_bomb }, ERROR, 0, 0, "retry", 100 },
    { "a long repetition", { &fail_long }, { "error", "", X1200, -1 }, 0, 0, "final", 0 },
    { "braces that stand for themselves", { &fail_braces }, { "error", "", "code {2000}", -1 }, 0, 0, "final", 0 },
    { "nor does one that looks back", { &fail_backref }, { "error", "", "aa", -1 }, 0, 0, "retry", 100 },
};

static void table (void **state)
{
    size_t wrong = 0;

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_plan_rule_t rules[3];
        ama_plan_retry_t retry = {
            .attempts = 3, .delay_ms = 100, .backoff = AMA_BACKOFF_LINEAR, .max_delay_ms = 1000, .rules = rules
        };
        ama_retry_t got;
        while (retry.n_rules < 3 && rows[i].rules[retry.n_rules]) {
            rules[retry.n_rules] = *rows[i].rules[retry.n_rules];
            retry.n_rules++;
        }
        got = ama_retry_decide (&retry, &rows[i].failure, rows[i].counted, rows[i].free_used);
        if (strcmp (ama_run_verdict_name (got.verdict), rows[i].verdict) != 0 || got.delay_ms != rows[i].delay_ms) {
            print_error ("%s: got %s %lld\n", rows[i].name, ama_run_verdict_name (got.verdict),
                         (long long) got.delay_ms);
            wrong++;
        }
    }
    assert_int_equal (wrong, 0);
}

typedef struct {
    ama_backoff_t backoff;
    int64_t delay_ms, max_delay_ms;
    int64_t expected[6]; /* of the first six retries */
} delay_row_t;

static const delay_row_t delays[] = {
    { AMA_BACKOFF_CONSTANT, 100, 0, { 100, 100, 100, 100, 100, 100 } },
    { AMA_BACKOFF_LINEAR, 100, 0, { 100, 200, 300, 400, 500, 600 } },
    { AMA_BACKOFF_LINEAR, 100, 250, { 100, 200, 250, 250, 250, 250 } },
    { AMA_BACKOFF_EXPONENTIAL, 100, 0, { 100, 200, 400, 800, 1600, 3200 } },
    { AMA_BACKOFF_EXPONENTIAL, 100, 1000, { 100, 200, 400, 800, 1000, 1000 } },
    { AMA_BACKOFF_EXPONENTIAL, 0, 1000, { 0, 0, 0, 0, 0, 0 } },
    { AMA_BACKOFF_CONSTANT, -5, 0, { 0, 0, 0, 0, 0, 0 } },
    { AMA_BACKOFF_EXPONENTIAL, INT64_MAX / 2, 0, { 86400000, 86400000, 86400000, 86400000, 86400000, 86400000 } },
    { AMA_BACKOFF_LINEAR, INT64_MAX / 2, 0, { 86400000, 86400000, 86400000, 86400000, 86400000, 86400000 } },
};

static void backoff (void **state)
{
    const ama_retry_failure_t failure = ERROR;

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (delays); i++) {
        ama_plan_retry_t retry = { .attempts = 1000,
                                   .delay_ms = delays[i].delay_ms,
                                   .backoff = delays[i].backoff,
                                   .max_delay_ms = delays[i].max_delay_ms };
        for (uint32_t k = 0; k < 6; k++)
            assert_int_equal (ama_retry_decide (&retry, &failure, k, 0).delay_ms, delays[i].expected[k]);
        assert_in_range (ama_retry_decide (&retry, &failure, 900, 0).delay_ms, 0, 86400000);
    }
}

static void causes (void **state)
{
    (void) state;
    assert_string_equal (ama_retry_cause (AMA_ATTEMPT_STATE_FAILED, ""), "error");
    assert_string_equal (ama_retry_cause (AMA_ATTEMPT_STATE_FAILED, NULL), "error");
    assert_string_equal (ama_retry_cause (AMA_ATTEMPT_STATE_FAILED, "oom"), "oom");
    assert_string_equal (ama_retry_cause (AMA_ATTEMPT_STATE_TIMED_OUT, ""), "timeout");
    assert_string_equal (ama_retry_cause (AMA_ATTEMPT_STATE_LOST, ""), "node-lost");
    assert_string_equal (ama_retry_cause (AMA_ATTEMPT_STATE_ERRORED, ""), "killed");
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (table), cmocka_unit_test (backoff),
                                        cmocka_unit_test (causes) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
