/* env_test.c - environments of every form, layered key by key, every value with its origin */
#include "actors/planner/env.h"
#include "actors/planner/plan_json.h"
#include "tests/unit/planner/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
    const char *path, *text;
} file_t;

/* Plans a one-action job over the files; the configuration as text and, after it, the problems. */
static char *show (const file_t *files, size_t count, const char *env, const char *action, ama_plan_reply_t *reply)
{
    ama_str_t out = { 0 };
    scratch_t scratch;
    ama_err_t err;

    scratch_init (&scratch);
    scratch_puts (&scratch, "maki.yml", "flow:\n  - {name: a, runner: shell, file: x.sh}\n");
    scratch_puts (&scratch, "src/x.sh", "true\n");
    for (size_t i = 0; i < count; i++)
        scratch_puts (&scratch, files[i].path, files[i].text);
    scratch_plan (&scratch, env, reply);
    if (reply->ok && ama_plan_config_text (&reply->plan, action, &out, &err) < 0)
        fail_msg ("%s", err.text);
    ama_plan_problems_text (reply->problems, reply->n_problems, &out);
    scratch_done (&scratch);
    return ama_str_take (&out);
}

#define SHOW(files, env, action, expect)                                                                               \
    do {                                                                                                               \
        ama_plan_reply_t replied;                                                                                      \
        char *got = show (files, ARRAY_SIZE (files), env, action, &replied);                                           \
        assert_string_equal (got, expect);                                                                             \
        free (got);                                                                                                    \
        ama_plan_reply_done (&replied);                                                                                \
    } while (0)

static void test_json (void **state)
{
    static const file_t files[] = {
        { "env/pier.json",
          "{ \"name\": \"pier\", \"master\": \"local[2]\",\n"
          "  \"inputRootPath\": \"hdfs://nn:8020/harbour/in\", \"outputRootPath\": \"hdfs://nn:8020/harbour/out\",\n"
          "  \"workingDir\": \"hdfs://nn:8020/harbour/work\",\n"
          "  \"configuration\": { \"limit\": 40, \"quiet\": true, \"note\": \"line one\\nline two\" } }\n" },
    };

    (void) state;
    SHOW (files, "pier", NULL,
          "configuration.limit = 40    env/pier.json:4\n"
          "configuration.note = \"line one\\nline two\"    env/pier.json:4\n"
          "configuration.quiet = true    env/pier.json:4\n"
          "inputRootPath = \"hdfs://nn:8020/harbour/in\"    env/pier.json:2\n"
          "master = \"local[2]\"    env/pier.json:1\n"
          "name = \"pier\"    env/pier.json:1\n"
          "outputRootPath = \"hdfs://nn:8020/harbour/out\"    env/pier.json:2\n"
          "workingDir = \"hdfs://nn:8020/harbour/work\"    env/pier.json:3\n");
}

static void test_folder (void **state)
{
    static const file_t files[] = {
        { "env/lab/job.yml", "name: lab\nmaster: yarn\nconfiguration:\n  station: 17\n  on: yes\n" },
        { "env/lab/spark.yml", "spark.executor.memory: 2g\nspark.driver.cores: 2\nspark.driver.memeory: 1500mb\n" },
        { "env/lab/spark-defaults.conf",
          "# comment\n\nspark.executor.memory   1g\nspark.a=b c  \nspark.long = x,\\\n   y\n" },
        { "env/lab/spark_exec_env.yml", "PYTHONPATH: lib\nN: 4\n" },
        { "env/lab/kafka.yml", "brokers: [a, b]\ntopic: {in: x, out: y}\n" },
        { "env/lab/.job.yml.swp", "not yaml: [" },
        { "env/lab/notes.txt", "nothing" },
        { "env/lab/deeper/job.yml", "master: nowhere" },
    };
    ama_plan_reply_t reply;
    char *got = show (files, ARRAY_SIZE (files), "lab", NULL, &reply);

    (void) state;
    assert_string_equal (got, "configuration.on = \"yes\"    env/lab/job.yml:5\n"
                              "configuration.station = 17    env/lab/job.yml:4\n"
                              "kafka.brokers = [\"a\",\"b\"]    env/lab/kafka.yml:1\n"
                              "kafka.topic.in = \"x\"    env/lab/kafka.yml:2\n"
                              "kafka.topic.out = \"y\"    env/lab/kafka.yml:2\n"
                              "master = \"yarn\"    env/lab/job.yml:2\n"
                              "name = \"lab\"    env/lab/job.yml:1\n"
                              "spark.a = \"b c\"    env/lab/spark-defaults.conf:4\n"
                              "spark.driver.cores = \"2\"    env/lab/spark.yml:2\n"
                              "spark.driver.memory = \"1500mb\"    env/lab/spark.yml:3\n"
                              "spark.executor.memory = \"2g\"    env/lab/spark.yml:1\n"
                              "spark.long = \"x,y\"    env/lab/spark-defaults.conf:5\n"
                              "spark_exec_env.N = \"4\"    env/lab/spark_exec_env.yml:2\n"
                              "spark_exec_env.PYTHONPATH = \"lib\"    env/lab/spark_exec_env.yml:1\n");
    assert_string_equal (reply.plan.environment.label, "lab");
    assert_string_equal (reply.plan.environment.master, "yarn");
    assert_int_equal (reply.plan.environment.n_spark, 5);
    assert_string_equal (reply.plan.environment.spark[0].key, "spark.a");
    assert_string_equal (reply.plan.environment.spark_env[0].key, "N");
    assert_int_equal (reply.plan.environment.n_configuration, 5); /* what other files say is for actions, too */
    assert_string_equal (reply.plan.environment.configuration[0].key, "kafka.brokers");
    assert_string_equal (reply.plan.environment.configuration[3].key, "on");
    free (got);
    ama_plan_reply_done (&reply);
}

/* The last releases knew no job.yml: whichever file has words of the environment is a part of it, in byte order; job.yml comes last if it is there. */
static void test_any_file (void **state)
{
    static const file_t files[] = {
        { "env/dev/20-more.yaml", "input_root_path: /b\nconfiguration: {limit: 2}\ntopic: rain\n" },
        { "env/dev/10-base.yml",
          "name: any\nmaster: local[3]\ninputRootPath: /a\noutputRootPath: /out\nworkingDir: /w\n"
          "configuration: {limit: 1, x: 1}\nsparkProperties: {spark.x: 1}\n" },
        { "env/dev/redis.yml", "master: host1\nname: own\nport: 1\n" },
        { "env/dev/solr.yml", "master: host2\n" },
    };
    static const file_t beside_job[] = {
        { "env/dev/z.yml", "workingDir: /z\noutputRootPath: /z\n" },
        { "env/dev/job.yml", "workingDir: /w\n" },
    };

    (void) state;
    SHOW (files, "dev", NULL,
          "configuration.limit = 2    env/dev/20-more.yaml:2\n"
          "configuration.x = 1    env/dev/10-base.yml:6\n"
          "inputRootPath = \"/b\"    env/dev/20-more.yaml:1\n"
          "master = \"local[3]\"    env/dev/10-base.yml:2\n"
          "name = \"any\"    env/dev/10-base.yml:1\n"
          "outputRootPath = \"/out\"    env/dev/10-base.yml:4\n"
          "redis.master = \"host1\"    env/dev/redis.yml:1\n"
          "redis.name = \"own\"    env/dev/redis.yml:2\n"
          "redis.port = 1    env/dev/redis.yml:3\n"
          "solr.master = \"host2\"    env/dev/solr.yml:1\n"
          "spark.x = \"1\"    env/dev/10-base.yml:7\n"
          "topic = \"rain\"    env/dev/20-more.yaml:3\n"
          "workingDir = \"/w\"    env/dev/10-base.yml:5\n"
          "env/dev/20-more.yaml:3:1: warning: unknown key ‘topic’ in the environment [AMA-E0020]\n");
    SHOW (beside_job, "dev", NULL,
          "master = \"local[*]\"    built-in\n"
          "outputRootPath = \"/z\"    env/dev/z.yml:2\n"
          "workingDir = \"/w\"    env/dev/job.yml:1\n");
}

/* All files whose name says so, in byte order; the chosen environment's over those of default, by name alone. */
static void test_datasets (void **state)
{
    static const file_t files[] = {
        { "env/default/datasets.yml", "file:\n  - {name: trips, uri: /d/t, format: csv, separator: ';'}\n  - {name: "
                                      "old, uri: /d/o, format: orc}\n" },
        { "env/dev/My-DataSets.yaml", "file: [{name: trips, uri: 'secret://trips', format: parquet, type: x}]\nhive:\n "
                                      " - {name: drivers, table: d}\n" },
        { "env/dev/datasets_2.yml", "redis: [{name: cache, uri: [a, b]}]\ngeneric:\n" },
        { "env/dev/datasets_3.yml", "" },
    };
    static const file_t wrong[] = {
        { "env/default/datasets.yml", "file:\n  - {uri: /d}\n  - {name: a, format: csv}\n  - {name: b, uri: /b}\n  - "
                                      "{name: b, url: /c, format: csv, "
                                      "mode: replace}\n  - c\nhive: [{name: d}]\nnote: text\n" },
        { "env/default/datasets2.yml", "[1]\n" },
    };
    ama_plan_reply_t reply;

    (void) state;
    free (show (files, ARRAY_SIZE (files), "dev", NULL, &reply));
    SHOW (files, "dev", NULL,
          "datasets.cache = {\"type\":\"redis\",\"name\":\"cache\",\"uri\":[\"a\",\"b\"]}    env/dev/datasets_2.yml:1\n"
          "datasets.drivers = {\"type\":\"hive\",\"name\":\"drivers\",\"table\":\"d\"}    env/dev/My-DataSets.yaml:3\n"
          "datasets.old = {\"type\":\"file\",\"name\":\"old\",\"uri\":\"/d/o\",\"format\":\"orc\"}    "
          "env/default/datasets.yml:3\n"
          "datasets.trips = "
          "{\"type\":\"file\",\"name\":\"trips\",\"uri\":\"secret://trips\",\"format\":\"parquet\"}    "
          "env/dev/My-DataSets.yaml:1\n"
          "master = \"local[*]\"    built-in\n");
    assert_int_equal (reply.plan.environment.n_datasets, 4);
    assert_string_equal (reply.plan.environment.datasets[3].key, "trips");
    assert_int_equal (reply.plan.environment.n_configuration, 0);
    ama_plan_reply_done (&reply);
    SHOW (wrong, "", NULL,
          "env/default/datasets.yml:2:5: error: a dataset without name (name: is what it is loaded by) [AMA-E0001]\n"
          "env/default/datasets.yml:3:5: error: the dataset ‘a’ has no uri (uri: says where it lies) [AMA-E0001]\n"
          "env/default/datasets.yml:4:5: warning: the dataset ‘b’ has no format, so it is parquet (format: parquet, "
          "csv, json, orc …) [AMA-E0001]\n"
          "env/default/datasets.yml:5:12: warning: the dataset ‘b’ is there before; this one counts (keep one of them) "
          "[AMA-E0013]\n"
          "env/default/datasets.yml:5:43: error: the dataset's mode is ‘replace’ (append, overwrite, ignore or error) "
          "[AMA-E0020]\n"
          "env/default/datasets.yml:6:5: error: a dataset must be a map, not text [AMA-E0001]\n"
          "env/default/datasets.yml:7:8: error: the dataset ‘d’ has no table (table: is what is read and written) "
          "[AMA-E0001]\n"
          "env/default/datasets.yml:8:7: warning: ‘note’ has no effect: it is no list (a list of datasets, each with a "
          "name) [AMA-E0020]\n"
          "env/default/datasets2.yml:1:1: error: a file of datasets must be a map, not a list [AMA-E0001]\n");
}

/* What only the session's JVM reads: by name over default; Hive's site makes Spark's tables Hive's, unless the job has its own word. */
static void test_session_files (void **state)
{
    static const file_t files[] = {
        { "env/default/core-site.xml", "<configuration/>" },
        { "env/default/log4j2.properties", "a = b" },
        { "env/dev/core-site.xml", "<configuration/>" },
        { "env/dev/hive-site.xml", "<configuration/>" },
        { "env/dev/log4j.properties", "a = b" },
        { "env/dev/site.xml", "<configuration/>" },
    };
    static const file_t with_word[] = {
        { "env/dev/hive-site.xml", "<configuration/>" },
        { "env/dev/spark.yml", "spark.sql.catalogImplementation: in-memory\n" },
    };
    static const file_t empty[] = { { "env/dev/hive-site.xml", "" } };

    (void) state;
    SHOW (files, "dev", NULL,
          "master = \"local[*]\"    built-in\n"
          "session-file.core-site.xml = \"env/dev/core-site.xml\"    env/dev/core-site.xml\n"
          "session-file.hive-site.xml = \"env/dev/hive-site.xml\"    env/dev/hive-site.xml\n"
          "session-file.log4j2.properties = \"env/default/log4j2.properties\"    env/default/log4j2.properties\n"
          "spark.sql.catalogImplementation = \"hive\"    env/dev/hive-site.xml\n"
          "env/dev/log4j.properties: warning: the file has no effect: Spark logs by log4j 2 (write a "
          "log4j2.properties) [AMA-E0009]\n");
    SHOW (with_word, "dev", NULL,
          "master = \"local[*]\"    built-in\n"
          "session-file.hive-site.xml = \"env/dev/hive-site.xml\"    env/dev/hive-site.xml\n"
          "spark.sql.catalogImplementation = \"in-memory\"    env/dev/spark.yml:1\n");
    SHOW (empty, "dev", NULL, "env/dev/hive-site.xml: error: the file is empty [AMA-E0004]\n");
}

/* A missing key comes from default, then from the release; the name does not. */
static void test_fallback (void **state)
{
    static const file_t files[] = {
        { "env/default.json",
          "{\"name\": \"laptop\", \"outputRootPath\": \"/tmp/out\", \"workingDir\": \"\",\n"
          "\"configuration\": {\"limit\": 3, \"other\": \"x\", \"db\": {\"host\": \"a\", \"port\": 1}}}" },
        { "env/default/spark.yml", "spark.sql.shuffle.partitions: 4\n" },
        { "env/prod/job.yaml", "configuration:\n  limit: 40\n  db: {host: b}\n  empty: ~\n" },
    };

    (void) state;
    SHOW (files, "prod", NULL,
          "configuration.db.host = \"b\"    env/prod/job.yaml:3\n"
          "configuration.db.port = 1    env/default.json:2\n"
          "configuration.empty = null    env/prod/job.yaml:4\n"
          "configuration.limit = 40    env/prod/job.yaml:2\n"
          "configuration.other = \"x\"    env/default.json:2\n"
          "master = \"local[*]\"    built-in\n"
          "outputRootPath = \"/tmp/out\"    env/default.json:1\n"
          "spark.sql.shuffle.partitions = \"4\"    env/default/spark.yml:1\n");
}

/* A map gives way to a scalar of a later layer, and the other way round. */
static void test_shapes (void **state)
{
    static const file_t files[] = {
        { "env/default/job.yml", "configuration: {a: {b: 1, c: 2}, d: 1, list: [1, 2]}\n" },
        { "env/dev/job.yml", "configuration: {a: off, d: {e: 2}, list: [3]}\n" },
    };

    (void) state;
    SHOW (files, "dev", NULL,
          "configuration.a = \"off\"    env/dev/job.yml:1\n"
          "configuration.d.e = 2    env/dev/job.yml:1\n"
          "configuration.list = [3]    env/dev/job.yml:1\n"
          "master = \"local[*]\"    built-in\n");
}

/* What was said before, of all layers and files, is told behind the value that counts. */
static void test_origins (void **state)
{
    ama_plan_request_t request = { .env = (char *) "dev", .origins = true };
    ama_plan_reply_t reply;
    ama_str_t out = { 0 };
    scratch_t scratch;
    ama_err_t err;

    (void) state;
    scratch_init (&scratch);
    scratch_puts (&scratch, "maki.yml", "flow:\n  - {name: a, runner: shell, file: x.sh, config: a.yml}\n");
    scratch_puts (&scratch, "src/x.sh", "true\n");
    scratch_puts (&scratch, "a.yml", "x: 3\n");
    scratch_puts (&scratch, "env/default/job.yml", "master: local[1]\nx: 1\nconfiguration: {a: 1, b: {c: 1}}\n");
    scratch_puts (&scratch, "env/dev/spark-defaults.conf", "spark.a 1\n");
    scratch_puts (&scratch, "env/dev/spark.yml", "spark.a: 2\n");
    scratch_puts (&scratch, "env/dev/job.yml", "x: 2\nspark.a: 3\nconfiguration: {a: 2, b: d}\n");
    request.snapshot = scratch.root;
    assert_int_equal (ama_plan_build (&request, &reply, &err), 0);
    assert_int_equal (ama_plan_config_text (&reply.plan, "a", &out, &err), 0);
    assert_string_equal (out.data,
                         "configuration.a = 2    env/dev/job.yml:3    instead of 1 env/default/job.yml:3\n"
                         "configuration.b = \"d\"    env/dev/job.yml:3\n"
                         "master = \"local[1]\"    env/default/job.yml:1    instead of \"local[*]\" built-in\n"
                         "spark.a = \"3\"    env/dev/job.yml:2    instead of \"2\" env/dev/spark.yml:1, \"1\" "
                         "env/dev/spark-defaults.conf:1\n"
                         "x = 3    a.yml:1    instead of 2 env/dev/job.yml:1, 1 env/default/job.yml:2\n");
    ama_plan_reply_done (&reply);
    request.origins = false; /* a plan that is run is the same whether somebody asked or not */
    assert_int_equal (ama_plan_build (&request, &reply, &err), 0);
    assert_int_equal (reply.plan.environment.n_overridden, 0);
    ama_plan_reply_done (&reply);
    ama_str_done (&out);
    scratch_done (&scratch);
}

static void test_spark_sections (void **state)
{
    static const file_t files[] = {
        { "env/default/job.yml", "sparkProperties: {spark.ui.enabled: false, spark.x: 1}\n"
                                 "sparkOptions: {driver-memory: 2g, --num-executors: 3, deploy-mode: client}\n"
                                 "spark.y: 2\nspark: {z: 3}\n" },
        { "env/default/spark.yml",
          "sparkProperties:\n  spark.x: 0\n  spark.driver.memeory: 1g\n  spark.driver.memory: 3g\n"
          "spark: {executor: {cores: 2}}\n" },
    };

    (void) state;
    SHOW (files, "", NULL,
          "master = \"local[*]\"    built-in\n"
          "spark.driver.memory = \"2g\"    env/default/job.yml:2\n"
          "spark.executor.cores = \"2\"    env/default/spark.yml:5\n"
          "spark.executor.instances = \"3\"    env/default/job.yml:2\n"
          "spark.submit.deployMode = \"client\"    env/default/job.yml:2\n"
          "spark.ui.enabled = \"false\"    env/default/job.yml:1\n"
          "spark.x = \"1\"    env/default/job.yml:1\n"
          "spark.y = \"2\"    env/default/job.yml:3\n"
          "spark.z = \"3\"    env/default/job.yml:4\n");
}

/* Every size that Spark, or an older parser, took; those that Spark does not take are written as it does. What is none is told with its line. */
static void test_memory (void **state)
{
    static const struct {
        const char *written, *value;
    } sizes[] = {
        { "512m", "\"512m\"" },
        { "1500mb", "\"1500mb\"" },
        { "2g", "\"2g\"" },
        { "2GB", "\"2GB\"" },
        { "1t", "\"1t\"" },
        { "512k", "\"512k\"" },
        { "1024", "\"1024\"" },
        { "1.5g", "\"1536m\"" },
        { "1GiB", "\"1024m\"" },
        { "0.5t", "\"524288m\"" },
        { "some", NULL },
        { "2 g", NULL },
        { "-1g", NULL },
        { "1x", NULL },
        { "", NULL },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (sizes); i++) {
        char text[128];
        const file_t files[] = { { "env/default/spark.yml", text } };
        ama_plan_reply_t reply;
        (void) snprintf (text, sizeof text, "\nspark.executor.memory: '%s'\n", sizes[i].written);
        free (show (files, 1, "", NULL, &reply));
        assert_int_equal (reply.ok, sizes[i].value != NULL);
        if (sizes[i].value)
            assert_string_equal (reply.plan.environment.spark[0].value, sizes[i].value);
        else {
            assert_int_equal (reply.problems[0].line, 2);
            assert_string_equal (reply.problems[0].file, "env/default/spark.yml");
        }
        ama_plan_reply_done (&reply);
    }
}

static void test_two_documents (void **state)
{
    static const file_t files[] = {
        { "env/default.json", "{\"master\": \"local[1]\", \"configuration\": {\"a\": 1}}" },
        { "env/default/job.yml", "master: local[2]\n" },
    };

    (void) state;
    SHOW (files, "", NULL,
          "configuration.a = 1    env/default.json:1\n"
          "master = \"local[2]\"    env/default/job.yml:1\n"
          "env/default/job.yml: warning: the environment ‘default’ stands in env/default.json too; this one's keys win "
          "(keep one of them) [AMA-E0020]\n");
}

/* Configuration of an action: a template, or the folders of its name, in byte order. */
static void test_action (void **state)
{
    static const file_t by_folder[] = {
        { "env/dev/job.yml", "configuration: {limit: 1, x: 1}\n" },
        { "src/a/env/dev/20.yml", "configuration: {limit: 3}\n" },
        { "src/a/env/dev/10.yml", "configuration: {limit: 2, y: 2}\n" },
        { "src/a/env/prod/10.yml", "configuration: {limit: 9}\n" },
    };
    static const file_t by_docs_folder[] = {
        { "env/dev/job.yml", "configuration: {limit: 1}\n" },
        { "src/a/dev/a.json", "{\"configuration\": {\"limit\": 5}}" },
    };
    static const file_t by_template[] = {
        { "maki.yml", "persist: always\nconfig: common/{env}.yml\nflow:\n  - {name: a, runner: shell, file: x.sh, "
                      "config: 'cfg/{env}/{action_name}.yml', "
                      "persist: never}\n" },
        { "env/dev/job.yml", "configuration: {limit: 1}\n" },
        { "common/dev.yml", "configuration: {common: true}\n" },
        { "cfg/dev/a.yml", "configuration: {limit: 7}\n" },
        { "src/a/env/dev/10.yml", "configuration: {limit: 2}\n" },
    };
    static const file_t missing[] = {
        { "maki.yml", "flow:\n  - {name: a, runner: shell, file: x.sh, config: 'cfg/{env}'}\n" },
        { "env/dev/job.yml", "" },
    };

    (void) state;
    SHOW (by_folder, "dev", "a",
          "configuration.limit = 3    src/a/env/dev/20.yml:1    instead of 1 env/dev/job.yml:1\n"
          "configuration.x = 1    env/dev/job.yml:1\n"
          "configuration.y = 2    src/a/env/dev/10.yml:1\n"
          "master = \"local[*]\"    built-in\n");
    SHOW (by_docs_folder, "dev", "a",
          "configuration.limit = 5    src/a/dev/a.json:1    instead of 1 env/dev/job.yml:1\n"
          "master = \"local[*]\"    built-in\n");
    SHOW (by_template, "dev", "a",
          "configuration.common = true    common/dev.yml:1\n"
          "configuration.limit = 7    cfg/dev/a.yml:1    instead of 1 env/dev/job.yml:1\n"
          "master = \"local[*]\"    built-in\n"
          "persist = \"never\"    maki.yml:4    instead of \"always\" maki.yml:1\n");
    SHOW (missing, "dev", "a",
          "master = \"local[*]\"    built-in\n"
          "maki.yml:2:50: warning: config: there is no ‘cfg/dev’ [AMA-E0012]\n");
}

/* An action's document is one of the environment, in all spellings; what the actions of a run share is not for one of them. */
static void test_action_document (void **state)
{
    static const file_t files[] = {
        { "maki.yml", "flow:\n  - {name: a, runner: shell, file: x.sh, config: a.yml, persist: never}\n" },
        { "env/default/job.yml", "outputRootPath: /one\nconfiguration: {limit: 1}\n" },
        { "a.yml", "output_root_path: /two\nworking-dir: ''\nmaster: local[8]\nspark.x: 1\nspark: {y: 2}\n"
                   "sparkOptions: {driver-memory: 2g}\nconfiguration: {limit: 2}\ntopic: rain\npersist: auto\n" },
    };
    static const file_t wrong[] = {
        { "maki.yml", "flow:\n  - {name: a, runner: shell, file: x.sh, config: a.yml}\n" },
        { "env/default/job.yml", "" },
        { "a.yml", "outputRootPath: [x]\ninput-root-path: a\ninputRootPath: b\npersist: often\nconfiguration: text\n" },
    };

    (void) state;
    SHOW (
        files, "", "a",
        "configuration.limit = 2    a.yml:7    instead of 1 env/default/job.yml:2\n"
        "master = \"local[*]\"    built-in\n"
        "outputRootPath = \"/two\"    a.yml:1    instead of \"/one\" env/default/job.yml:1\n"
        "persist = \"never\"    maki.yml:2\n"
        "topic = \"rain\"    a.yml:8\n"
        "a.yml:3:1: warning: ‘master’ has no effect for one action (put it into the environment) [AMA-E0009]\n"
        "a.yml:4:1: warning: ‘spark.x’ has no effect for one action (put it into the environment) [AMA-E0009]\n"
        "a.yml:5:1: warning: ‘spark’ has no effect for one action (put it into the environment) [AMA-E0009]\n"
        "a.yml:6:1: warning: ‘sparkOptions’ has no effect for one action (put it into the environment) [AMA-E0009]\n");
    SHOW (wrong, "", "a",
          "a.yml:1:17: error: outputRootPath must be text, not a list [AMA-E0001]\n"
          "a.yml:3:1: error: ‘inputRootPath’ is the same key as ‘input-root-path’ on line 2 (two spellings of one key; "
          "keep "
          "one of them) [AMA-E0003]\n"
          "a.yml:4:10: error: persist is ‘often’, allowed is one of: auto always never [AMA-E0020]\n"
          "a.yml:5:16: error: configuration must be a map, not text [AMA-E0001]\n");
}

static void test_unknown (void **state)
{
    static const file_t files[] = {
        { "env/dev/job.yml", "" },
        { "env/production.json", "{}" },
        { "env/production/spark.yml", "" },
    };
    static const file_t none[] = { { "readme", "" } };

    (void) state;
    SHOW (files, "prod", NULL,
          "env: error: the repository has no environment ‘prod’ (it has: dev, production) [AMA-E0012]\n");
    SHOW (files, "", NULL,
          "env: error: the repository has no environment ‘default’ (it has: dev, production) [AMA-E0012]\n");
    SHOW (files, "../dev", NULL,
          "env: error: the repository has no environment ‘../dev’ (it has: dev, production) [AMA-E0012]\n");
    SHOW (none, "", NULL,
          "env: error: the repository has no environment ‘default’ (it has none; an empty env/default/job.yml will do) "
          "[AMA-E0012]\n");
}

static void test_conf_format (void **state)
{
    static const char text[] =
        "spark.a 1\nspark.b:2\nspark.c = 3\n  spark.d\t4\nspark.e\\ f 5\nspark.g \\u0041\\n\\\\x\n! no\n"
        "spark.h\nspark.i 1 = 2\r\nspark.j last";
    ama_settings_t *settings = ama_settings_new (false);
    ama_problems_t problems = { 0 };

    (void) state;
    ama_settings_layer (settings);
    ama_env_spark_conf ("c", text, sizeof text - 1, settings, &problems);
    assert_int_equal (problems.count, 0);
    assert_string_equal (ama_settings_json (settings, "spark.a"), "\"1\"");
    assert_string_equal (ama_settings_json (settings, "spark.b"), "\"2\"");
    assert_string_equal (ama_settings_json (settings, "spark.c"), "\"3\"");
    assert_string_equal (ama_settings_json (settings, "spark.d"), "\"4\"");
    assert_string_equal (ama_settings_json (settings, "spark.e f"), "\"5\"");
    assert_string_equal (ama_settings_json (settings, "spark.g"), "\"A\\n\\\\x\"");
    assert_string_equal (ama_settings_json (settings, "spark.h"), "\"\"");
    assert_string_equal (ama_settings_json (settings, "spark.i"), "\"1 = 2\"");
    assert_string_equal (ama_settings_json (settings, "spark.j"), "\"last\"");
    ama_settings_destroy (&settings);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_json),          cmocka_unit_test (test_folder),
        cmocka_unit_test (test_any_file),      cmocka_unit_test (test_datasets),
        cmocka_unit_test (test_session_files), cmocka_unit_test (test_fallback),
        cmocka_unit_test (test_shapes),        cmocka_unit_test (test_spark_sections),
        cmocka_unit_test (test_memory),        cmocka_unit_test (test_two_documents),
        cmocka_unit_test (test_action),        cmocka_unit_test (test_action_document),
        cmocka_unit_test (test_origins),       cmocka_unit_test (test_unknown),
        cmocka_unit_test (test_conf_format),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
