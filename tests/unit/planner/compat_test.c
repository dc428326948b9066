/* compat_test.c - every key, alias and layout that repositories of all generations have (0.1, 0.2, the last sources, and what lay between them)
 *
 * A row is a repository of a few files and what must be in its plan, its configuration or its problems. A row without its own maki.yml has one action in
 * Scala, without an environment an empty one. `refused` has no plan.
 */
#include "actors/planner/plan_json.h"
#include "tests/unit/planner/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FLOW(words) "flow:\n  - { name: a, file: a.scala, " words " }\n"
#define RUNNER(words)                                                                                                  \
    {                                                                                                                  \
        "runner " words,                                                                                               \
        {                                                                                                              \
            {                                                                                                          \
                "maki.yml", FLOW (words)                                                                               \
            }                                                                                                          \
        }

typedef struct {
    const char *what;
    struct {
        const char *path, *text;
    } files[4];
    const char *has;                      /* empty: a plan is enough */
    enum { PLANNED, QUIET, REFUSED } how; /* QUIET: and nothing is warned of */
} row_t;

#define SCALA   "\"runner\":{\"group\":\"spark\",\"type\":\"scala\"}"
#define PYSPARK "\"runner\":{\"group\":\"spark\",\"type\":\"pyspark\"}"
#define SQL     "\"runner\":{\"group\":\"spark\",\"type\":\"sql\"}"
#define PYTHON  "\"runner\":{\"group\":\"python\",\"type\":\"python\"}"

static const row_t rows[] = {
    /* B1: the job */
    { "markers, blanks, comments", { { "maki.yml", "---\njob-name:  x   \nflow:\n    # - { name: off }\n  - {name: a, type: spark-scala, file: a.scala, }\n...\n" } }, "\"job\":\"x\"", QUIET },
    { "maki.yaml", { { "maki.yaml", "flow: [{name: a, type: spark-scala, file: a.scala}]\n" } }, SCALA, QUIET },
    { "seq", { { "maki.yml", "seq: [{name: a, type: spark-scala, file: a.scala}]\n" } }, SCALA, QUIET },
    { "no job-name", { { "maki.yml", FLOW ("type: spark-scala") } }, "\"job\":\"job\"", QUIET },
    { "config of the job", { { "maki.yml", "config: cfg/{env}\n" FLOW ("type: spark-scala") }, { "cfg/default/b.yml", "configuration: {x: 2}\n" }, { "cfg/default/a.yml", "configuration: {x: 1}\n" } }, "configuration.x = 2    cfg/default/b.yml:1", QUIET },
    { "job-config", { { "maki.yml", "job-config: 'one/{env}.yml, two.json'\n" FLOW ("type: spark-scala") }, { "one/default.yml", "configuration: {x: 1, y: 1}\n" }, { "two.json", "{\"configuration\": {\"x\": 2}}" } }, "configuration.y = 1    one/default.yml:1", QUIET },
    { "an unknown key", { { "maki.yml", "schedular: x\n" FLOW ("type: spark-scala, colour: red") } }, "unknown key", PLANNED },
    /* B1: actions */
    { "src for file", { { "maki.yml", "flow: [{name: a, type: spark-scala, src: a.scala}]\n" } }, "src/a.scala", QUIET },
    { "a source in a folder keeps its path", { { "maki.yml", "flow: [{name: a, type: spark-scala, file: deep/er/a.scala}]\n" }, { "src/deep/er/a.scala", "1\n" } }, "src/deep/er/a.scala", QUIET },
    { "exports, a map", { { "maki.yml", FLOW ("type: spark-scala, exports: {one: parquet, two: json}") } }, "", QUIET },
    { "an error action", { { "maki.yml", FLOW ("type: spark-scala, error: {name: b, type: spark-scala, file: a.scala}") } }, "\"error\":{\"name\":\"b\"," SCALA, QUIET },
    { "an error action's runner block", { { "maki.yml", FLOW ("type: spark-scala, error: {name: b, runner: {group: spark, type: pyspark}, file: a.scala}") } }, "\"error\":{\"name\":\"b\"," PYSPARK, QUIET },
    { "an error action's flat words", { { "maki.yml", FLOW ("type: spark-scala, error: {name: b, group: spark, type: pyspark, file: a.scala}") } }, "\"error\":{\"name\":\"b\"," PYSPARK, QUIET },
    { "config of an action", { { "maki.yml", FLOW ("type: spark-scala, config: 'cfg/{env}/{action_name}.yml'") }, { "cfg/default/a.yml", "configuration: {x: 1}\n" } }, "configuration.x = 1    cfg/default/a.yml:1", QUIET },
    { "config, a folder, all of its files", { { "maki.yml", FLOW ("type: spark-scala, config: cfg") }, { "cfg/1.yml", "x: 1\ny: 1\n" }, { "cfg/2.yml", "x: 2\n" } }, "y = 1    cfg/1.yml:2", QUIET },
    { "src/<action>/env/<env>/", { { "src/a/env/default/a.yml", "x: 1\n" } }, "x = 1    src/a/env/default/a.yml:1", QUIET },
    { "src/<action>/<env>/", { { "src/a/default/a.yml", "x: 1\n" } }, "x = 1    src/a/default/a.yml:1", QUIET },
    /* B1: runners */
    RUNNER ("type: spark-scala"), SCALA, QUIET },
    RUNNER ("group: spark, type: scala"), SCALA, QUIET
}
, RUNNER ("runner: {group: spark, type: scala}"), SCALA, QUIET
}
, RUNNER ("runner: {group: spark, type: scala-shell}"), SCALA, QUIET
}
, RUNNER ("runner: {group: spark, type: spark}"), SCALA, QUIET
}
, RUNNER ("runner: {group: spark-shell, type: scala}"), SCALA, QUIET
}
, RUNNER ("runner: {group: scala-shell, type: scala}"), SCALA, QUIET
}
, RUNNER ("type: scala-shell"), SCALA, QUIET
}
, RUNNER ("runner: {group: spark, type: scala-jar}"), SCALA, PLANNED
}
, /* with a .scala file it is a script */
    RUNNER ("runner: {group: spark, type: pyspark}"), PYSPARK, QUIET
}
, RUNNER ("runner: {group: pyspark, type: pyspark}"), PYSPARK, QUIET
}
, RUNNER ("runner: {group: spark, type: python}"), PYSPARK, QUIET
}
, RUNNER ("type: spark-pyspark"), PYSPARK, QUIET
}
, RUNNER ("runner: {group: spark, type: sql}"), SQL, QUIET
}
, RUNNER ("type: spark-sql"), SQL, QUIET
}
, RUNNER ("type: sql"), SQL, QUIET
}
, RUNNER ("runner: {group: python, type: python}"), PYTHON, QUIET
}
, RUNNER ("type: python-python"), PYTHON, QUIET
}
,
    /* B2 */
    { "env/<env>.json",
      { { "env/x.json", "{\"name\": \"x\", \"master\": \"local[2]\", \"configuration\": {\"n\": 1, \"b\": true, \"t\": "
                        "\"a\\nb,\"}}" } },
      "configuration.t = \"a\\nb,\"    env/x.json:1",
      QUIET },
    { "env/<env>/job.json",
      { { "env/x/job.json", "{\"master\": \"local[2]\"}" } },
      "master = \"local[2]\"    env/x/job.json:1",
      QUIET },
    { "env/<env>/job.yml",
      { { "env/x/job.yml", "master: local[2]\n" } },
      "master = \"local[2]\"    env/x/job.yml:1",
      QUIET },
    { "env/<env>/job.yaml",
      { { "env/x/job.yaml", "master: local[2]\n" } },
      "master = \"local[2]\"    env/x/job.yaml:1",
      QUIET },
    { "any file of the folder",
      { { "env/x/whatever.yaml", "master: local[2]\nname: x\n" } },
      "master = \"local[2]\"    env/x/whatever.yaml:1",
      QUIET },
    { "no master", { { "env/x/job.yml", "name: x\n" } }, "master = \"local[*]\"    built-in", QUIET },
    { "an empty master", { { "env/x/job.yml", "master: ''\n" } }, "master = \"local[*]\"    built-in", QUIET },
    { "yarn-client", { { "env/x/job.yml", "master: yarn-client\n" } }, "master = \"yarn-client\"", PLANNED },
    { "mesos", { { "env/x/job.yml", "master: mesos://host:5050\n" } }, "master = \"mesos://host:5050\"", PLANNED },
    { "a comma too many",
      { { "env/x/job.yml", "configuration:\n  a: b,\n" } },
      "configuration.a = \"b,\"    env/x/job.yml:2",
      QUIET },
    { "what is missing is of default",
      { { "env/x/job.yml", "name: x\n" }, { "env/default/job.yml", "name: d\nworkingDir: /w\n" } },
      "workingDir = \"/w\"    env/default/job.yml:2",
      QUIET },
    { "spark.yml, flat, with numbers and booleans",
      { { "env/x/spark.yml", "spark.a: 1\nspark.b: true\nspark.c: 1.50\n" } },
      "spark.c = \"1.50\"    env/x/spark.yml:3",
      QUIET },
    { "spark.yml, two maps",
      { { "env/x/spark.yml", "sparkProperties: {spark.a: 1}\nsparkOptions: {driver-cores: 2, driver-memory: 1g}\n" } },
      "spark.driver.cores = \"2\"    env/x/spark.yml:2",
      QUIET },
    { "the old memory",
      { { "env/x/spark.yml", "spark.driver.memeory: 1500mb\n" } },
      "spark.driver.memory = \"1500mb\"    env/x/spark.yml:1",
      QUIET },
    { "spark_exec_env.yml",
      { { "env/x/spark_exec_env.yml", "PATH_OF: /x\nN: 1\n" } },
      "spark_exec_env.N = \"1\"    env/x/spark_exec_env.yml:2",
      QUIET },
    { "another file, under its name",
      { { "env/x/kafka.yml", "topic: t\n" } },
      "kafka.topic = \"t\"    env/x/kafka.yml:1",
      QUIET },
    { "an empty file", { { "env/x/kafka.yml", "# nothing\n" } }, "", QUIET },
    { "swap files and folders",
      { { "env/x/.job.yml.swp", "[" }, { "env/x/job.yml~", "[" }, { "env/x/deeper/job.yml", "[" } },
      "",
      QUIET },
    /* B3 */
    { "a file, by url, without a mode",
      { { "env/x/datasets.yml", "file: [{name: d, url: /d, format: json}]\n" } },
      "datasets.d = {\"type\":\"file\"",
      QUIET },
    { "hive by name and table",
      { { "env/x/My-DATASETS.yaml", "hive: [{name: d, table: t}]\n" } },
      "datasets.d = {\"type\":\"hive\"",
      QUIET },
    { "generic, and keys that nobody knows",
      { { "env/x/datasets.yml", "generic: [{name: d, key: {type: aws-kms, id: x}, more: 1}]\n" } },
      "\"key\":{\"type\":\"aws-kms\",\"id\":\"x\"},\"more\":1}",
      QUIET },
    { "any other list",
      { { "env/x/datasets.yml", "redis: [{name: d}]\nfile:\n" } },
      "datasets.d = {\"type\":\"redis\"",
      QUIET },
    /* B4 */
    { "jars.yml",
      { { "deps/jars.yml", "repos: [{id: r, type: default, url: 'https://r.example.org'}]\nartifacts: [{groupId: g, "
                           "artifactId: a, version: 1.10}]\n" } },
      "deps/jars.yml: g:a:1.10",
      QUIET },
    { "jars.yaml, Repos",
      { { "deps/jars.yaml", "Repos: [{id: r, type: default, url: 'https://r.example.org'}]\nartifacts: [{groupId: g, "
                            "artifactId: a, version: 1}]\n" } },
      "deps/jars.yaml: r https://r.example.org",
      QUIET },
    { "jars of an action",
      { { "src/a/jars.yml", "artifacts: [{groupId: g, artifactId: a, version: 1}]\n" } },
      "src/a/jars.yml: g:a:1",
      QUIET },
    { "an empty python.yml", { { "deps/python.yml", "# none\n" } }, "", QUIET },
    /* what is wrong in every generation */
    { "a scalar", { { "maki.yml", "text\n" } }, "a job must be a map", REFUSED },
    { "no flow", { { "maki.yml", "job-name: x\n" } }, "there is no flow", REFUSED },
    { "flow is no list", { { "maki.yml", "flow: {a: b}\n" } }, "flow must be a list", REFUSED },
    { "an empty flow", { { "maki.yml", "flow: []\n" } }, "flow is empty", REFUSED },
    { "an action without name",
      { { "maki.yml", "flow: [{type: spark-scala, file: a.scala}]\n" } },
      "maki.yml:1:8: error: an action without name",
      REFUSED },
    { "two of a name",
      { { "maki.yml",
          "flow:\n- {name: a, type: spark-scala, file: a.scala}\n- {name: a, type: spark-scala, file: a.scala}\n" } },
      "maki.yml:3:",
      REFUSED },
    { "an unknown runner", { { "maki.yml", FLOW ("runner: {group: spark, type: scla}") } }, "unknown runner", REFUSED },
    { "a file outside of src",
      { { "maki.yml", "flow: [{name: a, type: spark-scala, file: ../x}]\n" } },
      "leaves the repository",
      REFUSED },
    { "a file that is an address",
      { { "maki.yml", "flow: [{name: a, type: spark-scala, file: 'https://example.org/a.scala'}]\n" } },
      "is an address",
      REFUSED },
    { "an environment that does not exist", { { "env/y/job.yml", "" } }, "has no environment ‘x’", REFUSED },
}
;

/* The environment is x, unless there is none of that name and no other either. */
static bool has_folder (const row_t *row, const char *folder)
{
    for (size_t i = 0; i < ARRAY_SIZE (row->files) && row->files[i].path; i++)
        if (strncmp (row->files[i].path, folder, strlen (folder)) == 0)
            return true;
    return false;
}

static void show (const row_t *row, ama_plan_reply_t *reply, ama_str_t *out)
{
    bool env = has_folder (row, "env/");
    scratch_t scratch;
    ama_err_t err;

    scratch_init (&scratch);
    scratch_puts (&scratch, "src/a.scala", "println(1)\n");
    if (!has_folder (row, "maki."))
        scratch_puts (&scratch, "maki.yml", FLOW ("type: spark-scala"));
    if (!env)
        scratch_puts (&scratch, "env/default/job.yml", "");
    for (size_t i = 0; i < ARRAY_SIZE (row->files) && row->files[i].path; i++)
        scratch_puts (&scratch, row->files[i].path, row->files[i].text);
    scratch_plan (&scratch, env ? "x" : "", reply);
    ama_plan_problems_text (reply->problems, reply->n_problems, out);
    if (reply->ok) {
        ama_plan_json (&reply->plan, out);
        ama_str_putc (out, '\n');
        assert_int_equal (ama_plan_config_text (&reply->plan, "a", out, &err), 0);
        scratch_dependencies (&reply->plan, out);
    }
    scratch_done (&scratch);
}

static void test_rows (void **state)
{
    size_t wrong = 0;

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_plan_reply_t reply;
        ama_str_t out = { 0 };

        show (&rows[i], &reply, &out);
        if (reply.ok != (rows[i].how != REFUSED) || !strstr (out.data, rows[i].has)
            || (rows[i].how == QUIET && reply.n_problems)) {
            print_error ("%s: not %s with %s but\n%s\n", rows[i].what, rows[i].how == REFUSED ? "refused" : "planned",
                         rows[i].has, out.data);
            wrong++;
        }
        ama_plan_reply_done (&reply);
        ama_str_done (&out);
    }
    assert_int_equal (wrong, 0);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_rows) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
