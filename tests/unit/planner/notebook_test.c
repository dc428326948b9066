/* notebook_test.c - which notebooks run in the Spark session, in which language, and which are refused */
#include "tests/unit/planner/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KERNEL(name, language)                                                                                         \
    "{\"nbformat\": 4, \"metadata\": {\"kernelspec\": {\"name\": \"" name "\", \"language\": \"" language              \
    "\"}}, \"cells\": [{\"cell_type\": \"code\", \"metadata\": {}, \"source\": [\"val a = 1\\n\", "                    \
    "\"AmaContext.getDataFrame(\\\"start\\\", \\\"odd\\\")\"]}]}"

/* What an action with these words and this notebook is planned as, or the problem. Owned. */
static char *planned (const char *words, const char *notebook)
{
    ama_plan_reply_t reply;
    scratch_t scratch;
    ama_str_t maki = { 0 }, out = { 0 };
    char *problems;

    scratch_init (&scratch);
    ama_str_printf (&maki,
                    "flow:\n  - {name: start, type: spark-scala, file: a.scala}\n  - {name: book, file: b.ipynb, "
                    "params: {n: 1}%s}\n",
                    words);
    scratch_puts (&scratch, "maki.yml", maki.data);
    scratch_puts (&scratch, "env/default/job.yml", "master: local\n");
    scratch_puts (&scratch, "src/a.scala", "val odd = 1\n");
    scratch_puts (&scratch, "src/b.ipynb", notebook);
    scratch_plan (&scratch, "", &reply);
    problems = scratch_problems (&reply);
    if (reply.ok) {
        const ama_plan_action_t *action = &reply.plan.actions[1];
        ama_str_printf (&out, "%s %s/%s %zu params %zu edges%s", action->runner, action->group, action->type,
                        action->kernel.n_params, reply.plan.n_edges, action->has_kernel ? "" : " without a kernel");
    }
    else
        ama_str_puts (&out, problems);
    free (problems);
    ama_str_done (&maki);
    ama_plan_reply_done (&reply);
    scratch_done (&scratch);
    return ama_str_take (&out);
}

static void test_all (void **state)
{
    static const char ours[] = KERNEL ("amaterasu-spark", "scala"),
                      named[] = KERNEL ("amaterasu-spark-rain-dev", "scala"), python[] = KERNEL ("python3", "python"),
                      other[] = KERNEL ("ir", "R"), near[] = KERNEL ("amaterasu-sparkle", "x"), bare[] = "{}";
    static const struct {
        const char *words, *notebook, *want;
    } table[] = {
        { "", ours, "spark-scala spark/scala 1 params 1 edges" },
        { "", named, "spark-scala spark/scala 1 params 1 edges" },
        { ", runner: {type: notebook}", ours, "spark-scala spark/scala 1 params 1 edges" },
        { ", runner: {group: spark, type: notebook}", ours, "spark-scala spark/scala 1 params 1 edges" },
        { ", runner: {group: spark, type: scala}", ours, "spark-scala spark/scala 1 params 1 edges" },
        { ", runner: {type: notebook, name: amaterasu-spark}", python, "spark-scala spark/scala 1 params 1 edges" },
        { "", near, "notebook notebook/notebook 1 params 0 edges" },
        { "", python, "notebook notebook/notebook 1 params 0 edges" },
        { "", other, "notebook notebook/notebook 1 params 0 edges" },
        { "", "[1", "notebook notebook/notebook 1 params 0 edges" }, /* told when it runs */
        { ", runner: {group: spark, type: notebook}", python, "pyspark spark/pyspark 1 params 0 edges" },
        { ", type: spark-notebook", python, "pyspark spark/pyspark 1 params 0 edges" },
        { ", runner: {group: spark, type: pyspark}", python, "pyspark spark/pyspark 1 params 0 edges" },
        { ", runner: {group: spark, type: pyspark}", bare, "pyspark spark/pyspark 1 params 0 edges" },
        { ", runner: {group: spark, type: notebook}", other,
          "is neither in Scala nor in Python, for its kernel is ir" },
        { ", runner: {group: spark, type: notebook}", bare, "for its kernel is not named" },
        { ", runner: {group: spark, type: notebook}", "[1", "is no notebook" },
        { ", runner: {group: spark, type: notebook}", "[1]", "it is no JSON object" },
        { ", runner: {group: spark, type: scala}", python, "is not in Scala, for its kernel is python3" },
        { ", runner: {group: spark, type: pyspark}", ours, "is not in Python, for its kernel is amaterasu-spark" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char *got = planned (table[i].words, table[i].notebook);
        if (!strstr (got, table[i].want) || strstr (got, "without a kernel"))
            fail_msg ("%s: %s, and not %s", table[i].words, got, table[i].want);
        free (got);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_all) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
