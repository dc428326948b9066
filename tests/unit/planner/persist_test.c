/* persist_test.c - what is stored without being named by exports, by every policy and for every reader; what readers are told */
#include "tests/unit/planner/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char flow[] = "  - {name: start, type: spark-scala, file: start.scala%s}\n"
                           "  - {name: near, runner: {group: spark, type: pyspark}, file: near.py}\n"
                           "  - {name: far, runner: shell, file: far.sh, reads: [start.odd]}\n";

/* job, environment and action say this. */
static void plan (const char *job, const char *environment, const char *action, ama_plan_reply_t *ret_reply)
{
    ama_str_t text = { 0 };
    scratch_t scratch;

    scratch_init (&scratch);
    ama_str_printf (&text, "%sflow:\n", job);
    ama_str_printf (&text, flow, action);
    scratch_puts (&scratch, "maki.yml", text.data);
    scratch_puts (&scratch, "env/default/job.yml", environment);
    scratch_puts (&scratch, "src/start.scala", "val odd = spark.range(1)\nval even = odd\nval unread = odd\n");
    scratch_puts (&scratch, "src/near.py",
                  "a = ama_context.get_dataframe('start', 'even')\n"
                  "if a.count():\n    ama_context.get_dataframe('start', 'even2' + '')\n");
    scratch_puts (&scratch, "src/far.sh", "true\n");
    scratch_plan (&scratch, NULL, ret_reply);
    ama_str_done (&text);
    scratch_done (&scratch);
}

/* "odd=parquet" for exports, then for those of persist "odd:parquet", with ? if they need not be there. */
static char *stored (const ama_plan_reply_t *reply)
{
    const ama_plan_action_t *action = scratch_action (&reply->plan, "start");
    ama_str_t out = { 0 };

    ama_str_puts (&out, "");
    for (size_t i = 0; i < action->n_exports; i++)
        ama_str_printf (&out, "%s%s%s%s%s", i ? " " : "", action->exports[i].name,
                        action->exports[i].persisted ? ":" : "=", action->exports[i].format,
                        action->exports[i].lenient ? "?" : "");
    return ama_str_take (&out);
}

static void test_policies (void **state)
{
    static const struct {
        const char *job, *environment, *action, *stored;
    } table[] = {
        { "", "workingDir: /w\n", "", "odd:parquet" }, /* no session has it for a shell */
        { "", "workingDir: /w\npersist: always\n", "", "even:parquet? odd:parquet" },
        { "persist: always\n", "workingDir: /w\n", "", "even:parquet? odd:parquet" },
        { "persist: always\n", "workingDir: /w\npersist: auto\n", "", "odd:parquet" },
        { "", "workingDir: /w\npersist: never\n", "", "" },
        { "", "workingDir: /w\npersist: never\n", ", persist: always", "even:parquet? odd:parquet" },
        { "", "workingDir: /w\npersist: always\n", ", persist: never", "" },
        { "", "workingDir: /w\npersist: never\n", ", exports: {odd: csv}", "odd=csv" },
        { "", "workingDir: /w\npersist: always\n", ", exports: {odd: csv}", "odd=csv even:parquet?" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (table); i++) {
        ama_plan_reply_t reply;
        char *text;
        plan (table[i].job, table[i].environment, table[i].action, &reply);
        assert_true (reply.ok);
        text = stored (&reply);
        if (strcmp (text, table[i].stored) != 0)
            fail_msg ("%zu: %s, not %s", i, text, table[i].stored);
        free (text);
        ama_plan_reply_done (&reply);
    }
}

static void test_readers_are_told (void **state)
{
    const ama_plan_action_t *far;
    ama_plan_reply_t reply;

    (void) state;
    plan ("", "workingDir: /w\n", "", &reply);
    far = scratch_action (&reply.plan, "far");
    assert_int_equal (far->n_datasets, 1);
    assert_string_equal (far->datasets[0].action, "start");
    assert_string_equal (far->datasets[0].name, "odd");
    assert_int_equal (scratch_action (&reply.plan, "near")->n_datasets, 0);
    ama_plan_reply_done (&reply);
}

static void test_nowhere (void **state)
{
    ama_plan_reply_t reply;
    char *text;

    (void) state;
    plan ("", "master: local[1]\n", "", &reply);
    assert_true (reply.ok);
    scratch_expect_problems (&reply,
                             "maki.yml: warning: what one action leaves for another is not stored: the environment has "
                             "no workingDir (add workingDir to the environment) [AMA-E0012]\n");
    text = stored (&reply);
    assert_string_equal (text, "");
    free (text);
    ama_plan_reply_done (&reply);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_policies),
        cmocka_unit_test (test_readers_are_told),
        cmocka_unit_test (test_nowhere),
    };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
