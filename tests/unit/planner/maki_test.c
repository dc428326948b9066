/* maki_test.c - every generation of maki.yml reads as it was meant; the words of the contract arrive as values */
#include "actors/planner/maki.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void parse (const char *text, ama_maki_t *maki, ama_problems_t *problems)
{
    ama_doc_t *doc = NULL;

    if (ama_doc_parse ("maki.yml", text, strlen (text), NULL, &doc, problems) < 0)
        fail_msg ("%s", problems->items[0].message);
    (void) ama_maki_parse (&doc, false, NULL, maki, problems);
    assert_null (doc);
}

static void expect_problems (const ama_problems_t *problems, size_t errors, const char *fragment)
{
    ama_str_t text = { 0 };

    ama_problems_text (problems, &text);
    if (problems->errors != errors || (fragment && !strstr (text.data ? text.data : "", fragment)))
        fail_msg ("expected %zu errors and %s, got\n%s", errors, fragment ? fragment : "no text",
                  text.data ? text.data : "nothing");
    ama_str_done (&text);
}

/* Three actions of the first release: flat types, markers, an error action. */
static void test_first_generation (void **state)
{
    static const char text[] = "---\n"
                               "job-name:  harbour-counts\n"
                               "flow:\n"
                               "    - name: load\n"
                               "      type: spark-scala\n"
                               "      file: load.scala\n"
                               "    - name: tally\n"
                               "      type: spark-scala\n"
                               "      file: tally.scala\n"
                               "      error:\n"
                               "        name: shout\n"
                               "        type: spark-scala\n"
                               "        file: shout.scala\n"
                               "...\n";
    ama_problems_t problems = { 0 };
    ama_maki_t maki;

    (void) state;
    parse (text, &maki, &problems);
    expect_problems (&problems, 0, NULL);
    assert_int_equal (problems.count, 0);
    assert_string_equal (maki.job, "harbour-counts");
    assert_int_equal (maki.n_actions, 3);
    assert_string_equal (maki.actions[0].plan.name, "load");
    assert_string_equal (maki.actions[0].plan.runner, "spark-scala");
    assert_string_equal (maki.actions[1].plan.name, "tally");
    assert_int_equal (maki.actions[1].error_action, 2);
    assert_string_equal (maki.actions[2].plan.name, "shout");
    assert_string_equal (maki.actions[2].plan.file, "shout.scala");
    assert_int_equal (maki.actions[2].error_of, 1);
    assert_int_equal (maki.actions[2].plan.retry.attempts, 3);
    ama_maki_done (&maki);
    ama_problems_done (&problems);
}

/* Mixed languages with exports; runners of later releases are told, not guessed. */
static void test_second_generation (void **state)
{
    static const char text[] = "job-name: rain-report\n"
                               "flow:\n"
                               "  - name: gather\n"
                               "    runner: { group: spark, type: scala }\n"
                               "    file: gather.scala\n"
                               "    exports: { wet_days: parquet, dry_days: json }\n"
                               "  - name: sift\n"
                               "    runner: { group: spark, type: sql }\n"
                               "    file: sift.sql          # select day\n"
                               "    exports: { heavy: parquet }\n"
                               "  - name: score\n"
                               "    runner: { group: spark, type: pyspark }\n"
                               "    file: score.py\n"
                               "    error:\n"
                               "      name: undo\n"
                               "      runner: { group: spark, type: pyspark }\n"
                               "      file: undo.py\n";
    ama_problems_t problems = { 0 };
    ama_maki_t maki;

    (void) state;
    parse (text, &maki, &problems);
    assert_int_equal (problems.errors, 0);
    assert_int_equal (maki.n_actions, 4);
    assert_string_equal (maki.actions[0].plan.exports[1].name, "dry_days");
    assert_string_equal (maki.actions[0].plan.exports[1].format, "json");
    assert_string_equal (maki.actions[1].plan.runner, "spark-sql");
    assert_string_equal (maki.actions[3].plan.runner, "pyspark");
    ama_maki_done (&maki);
    ama_problems_done (&problems);
}

/* Artifacts and configuration templates; a version keeps its text. */
static void test_third_generation (void **state)
{
    static const char text[] = "job-name: fleet-etl\n"
                               "flow:\n"
                               "  - name: pull\n"
                               "    config: settings/{env}/{action_name}.yml\n"
                               "    runner: { group: spark, type: jar }\n"
                               "    artifact: { groupId: org.example.fleet, artifactId: puller, version: 1.10 }\n"
                               "    repo: { id: house, type: default, url: \"https://maven.example.org/releases\" }\n"
                               "    class: org.example.fleet.Pull\n"
                               "    exports: { trips: orc }\n"
                               "  - name: model\n"
                               "    runner: { group: python, type: pandas }\n"
                               "    file: model.py\n"
                               "    error:\n"
                               "      name: page\n"
                               "      config: settings/{env}/page.yml\n"
                               "      runner: { group: python, type: python }\n"
                               "      file: page.py\n";
    ama_problems_t problems = { 0 };
    ama_maki_t maki;
    char *path;

    (void) state;
    parse (text, &maki, &problems);
    expect_problems (&problems, 0, NULL);
    assert_string_equal (maki.actions[0].plan.main_jar, "org.example.fleet:puller");
    assert_string_equal (maki.actions[0].artifact_deps.artifacts[0].version, "1.10");
    assert_string_equal (maki.actions[0].artifact_deps.repositories[0].id, "house");
    assert_string_equal (maki.actions[0].plan.main_class, "org.example.fleet.Pull");
    assert_string_equal (maki.actions[1].plan.runner, "pandas");
    assert_string_equal (maki.actions[2].plan.runner, "python");
    path = ama_maki_expand (maki.actions[0].config->text, "dev", "pull");
    assert_string_equal (path, "settings/dev/pull.yml");
    free (path);
    ama_maki_done (&maki);
    ama_problems_done (&problems);
}

/* What old jobs wrote in passing: seq, src, flat group and type, lower-case groupid. */
static void test_liberal_forms (void **state)
{
    static const char text[] = "job-name: odd-forms\n"
                               "seq:\n"
                               "  - { name: a, group: spark, type: pyspark, file: a.py }\n"
                               "  - { name: b, group: spark, type: spark, src: b.scala, config: b-cfg.yaml }\n"
                               "#  - { name: off, type: spark, file: off.scala }\n"
                               "  - name: c\n"
                               "    runner: { group: spark, type: scala-jar }\n"
                               "    artifact: { groupid: org.example, artifactId: c, version: 0.3 }\n"
                               "    repository: { id: x, url: \"https://maven.example.org/x\" }\n"
                               "    class: Main\n"
                               "  - { name: d, runner: { group: spark, type: scala-jar }, file: d.scala }\n";
    ama_problems_t problems = { 0 };
    ama_maki_t maki;

    (void) state;
    parse (text, &maki, &problems);
    assert_int_equal (problems.count, 0);
    assert_int_equal (maki.n_actions, 4);
    assert_string_equal (maki.actions[1].plan.runner, "spark-scala");
    assert_string_equal (maki.actions[1].plan.file, "b.scala");
    assert_string_equal (maki.actions[2].plan.runner, "jar");
    assert_string_equal (maki.actions[2].artifact_deps.artifacts[0].version, "0.3");
    assert_string_equal (maki.actions[2].artifact_deps.repositories[0].url, "https://maven.example.org/x");
    assert_string_equal (maki.actions[3].plan.runner, "spark-scala");
    ama_maki_done (&maki);
    ama_problems_done (&problems);
}

static void test_words (void **state)
{
    static const char text[] =
        "jobName: words\n"
        "fail_fast: true\n"
        "lease: 2h\n"
        "on_lost: rerun\n"
        "timeout: { queue: 10m, run: 1h }\n"
        "labels: { team: rain, on: yes }\n"
        "retry: { attempts: 5, delay: 2s }\n"
        "resources: { memory: 1g }\n"
        "flow:\n"
        "  - name: start\n"
        "    runner: shell\n"
        "    file: ./a.sh\n"
        "    timeout: 90\n"
        "    dependsOn: []\n"
        "    resources: { cpus: 0.5 }\n"
        "    retry:\n"
        "      backoff: linear\n"
        "      maxDelay: PT1H\n"
        "      rules:\n"
        "        - { on: { error: '*AnalysisException', message: [a, b.c] }, do: fail }\n"
        "        - { on: [oom, node_lost, { exit: [75, 76] }], do: retry, delay: 1m, free: true }\n"
        "  - { name: long, runner: shell, file: b.sh, retry: { rules: [{ on: oom, do: retry, delay: 10m }] } }\n"
        "  - { name: next, runner: { group: shell, type: bash }, file: b.sh, retries: 1, reads: start.odd }\n";
    ama_problems_t problems = { 0 };
    const ama_plan_action_t *start, *next;
    ama_maki_t maki;

    (void) state;
    parse (text, &maki, &problems);
    expect_problems (&problems, 0, NULL);
    assert_int_equal (problems.count, 0);
    assert_string_equal (maki.job, "words");
    assert_true (maki.fail_fast);
    assert_int_equal (maki.lease_ms, 7200000);
    assert_int_equal (maki.on_lost, AMA_ON_LOST_RERUN);
    assert_int_equal (maki.run_timeout_ms, 3600000);
    assert_int_equal (maki.queue_timeout_ms, 600000);
    assert_string_equal (maki.labels[1].name, "on");
    assert_string_equal (maki.labels[1].value, "yes");
    start = &maki.actions[0].plan;
    assert_int_equal (maki.actions[1].plan.retry.max_delay_ms, 600000);
    next = &maki.actions[2].plan;
    assert_string_equal (start->file, "a.sh");
    assert_int_equal (start->timeout_ms, 90000);
    assert_int_equal (start->memory, 1ULL << 30);
    assert_true (start->cpus > 0.49 && start->cpus < 0.51);
    assert_int_equal (start->retry.attempts, 5);
    assert_int_equal (start->retry.delay_ms, 2000);
    assert_int_equal (start->retry.backoff, AMA_BACKOFF_LINEAR);
    assert_int_equal (start->retry.max_delay_ms, 3600000);
    assert_int_equal (start->retry.n_rules, 2);
    assert_string_equal (start->retry.rules[0].errors[0], "*AnalysisException");
    assert_string_equal (start->retry.rules[0].messages[1], "b.c");
    assert_int_equal (start->retry.rules[0].act, AMA_RULE_DO_FAIL);
    assert_int_equal (start->retry.rules[0].delay_ms, -1);
    assert_string_equal (start->retry.rules[1].causes[1], "node-lost");
    assert_int_equal (start->retry.rules[1].exits[1], 76);
    assert_int_equal (start->retry.rules[1].delay_ms, 60000);
    assert_true (start->retry.rules[1].free);
    assert_non_null (maki.actions[0].depends);
    assert_null (maki.actions[1].depends);
    assert_int_equal (next->retry.attempts, 2);
    assert_int_equal (next->retry.n_rules, 0);
    assert_string_equal (next->reads[0], "start.odd");
    ama_maki_done (&maki);
    ama_problems_done (&problems);
}

/* Nothing said: three runs, a second apart and growing. */
static void test_defaults (void **state)
{
    ama_problems_t problems = { 0 };
    ama_maki_t maki;

    (void) state;
    parse ("flow: [{name: a, runner: shell, file: x.sh}]\n", &maki, &problems);
    assert_int_equal (maki.actions[0].plan.retry.attempts, 3);
    assert_int_equal (maki.actions[0].plan.retry.delay_ms, 1000);
    assert_int_equal (maki.actions[0].plan.retry.backoff, AMA_BACKOFF_EXPONENTIAL);
    assert_int_equal (maki.actions[0].plan.timeout_ms, 0);
    assert_true (maki.actions[0].plan.cpus <= 0);
    assert_int_equal (maki.actions[0].plan.memory, 0);
    assert_int_equal (maki.lease_ms, 0);
    assert_int_equal (maki.on_lost, AMA_ON_LOST_WAIT);
    assert_int_equal (maki.run_timeout_ms, 0);
    ama_maki_done (&maki);
    ama_problems_done (&problems);
}

static const struct {
    const char *group, *type, *expect;
} runners[] = {
    { NULL, "spark-scala", "spark-scala" },
    { "spark", "scala", "spark-scala" },
    { "Spark", "Scala", "spark-scala" },
    { "spark", "spark", "spark-scala" },
    { NULL, "scala-shell", "spark-scala" },
    { "spark", "scala-shell", "spark-scala" },
    { "spark-shell", "scala", "spark-scala" },
    { "scala-shell", "scala", "spark-scala" },
    { "spark", "scala-jar", "jar" },
    { NULL, "scala-jar", "jar" },
    { "spark", "jar", "jar" },
    { NULL, "jar", "jar" },
    { "spark", "pyspark", "pyspark" },
    { "pyspark", "pyspark", "pyspark" },
    { "spark", "python", "pyspark" },
    { NULL, "pyspark", "pyspark" },
    { NULL, "spark-python", "pyspark" },
    { "spark", "sql", "spark-sql" },
    { NULL, "spark-sql", "spark-sql" },
    { NULL, "sql", "spark-sql" },
    { "spark", "r", "sparkr" },
    { NULL, "spark-r", "sparkr" },
    { NULL, "r", "r" },
    { "r", "r", "r" },
    { "python", "python", "python" },
    { NULL, "python", "python" },
    { "python", "pandas", "pandas" },
    { NULL, "pandas", "pandas" },
    { "shell", "bash", "shell" },
    { NULL, "shell", "shell" },
    { NULL, "bash", "shell" },
    { "shell", NULL, "shell" },
    { "kernel", "kernel", "kernel" },
    { "kernel", NULL, "kernel" },
    { "spark-shell", NULL, "spark-scala" },
    { "scala-shell", NULL, "spark-scala" },
    { NULL, "kernel", "kernel" },
    { "spark", NULL, NULL },
    { "spark", "scla", NULL },
    { NULL, "fortran", NULL },
    { "shell", "scala", NULL },
    { NULL, "-", NULL },
    { NULL, NULL, NULL },
};

static void test_runners (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (runners); i++) {
        const ama_runner_t *found = ama_runner_find (runners[i].group, runners[i].type);
        if (!found != !runners[i].expect || (found && strcmp (found->name, runners[i].expect) != 0))
            fail_msg ("%s/%s: expected %s, got %s", runners[i].group ? runners[i].group : "",
                      runners[i].type ? runners[i].type : "", runners[i].expect ? runners[i].expect : "none",
                      found ? found->name : "none");
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_first_generation),
        cmocka_unit_test (test_second_generation),
        cmocka_unit_test (test_third_generation),
        cmocka_unit_test (test_liberal_forms),
        cmocka_unit_test (test_words),
        cmocka_unit_test (test_defaults),
        cmocka_unit_test (test_runners),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
