/* roots_test.c - which addresses take a file system that Spark does not bring, and what Hadoop is told */
#include "agent/runners/spark/roots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static ama_plan_setting_t setting (const char *key, const char *value)
{
    return (ama_plan_setting_t){ .key = (char *) key, .value = (char *) value };
}

static void of_roots (void **state)
{
    static const struct {
        const char *root;
        bool s3, remote;
    } table[] = {
        { "s3a://lake/out", true, true },     { "s3n://lake", true, true },
        { "s3://lake", true, true },          { "hdfs://name:8020/out", false, true },
        { "viewfs://one/out", false, true },  { "/data/out", false, false },
        { "file:///data/s3a", false, false }, { "gs://lake/out", false, false },
        { "/data/s3a://odd", false, false },  { "xs3a://lake", false, false },
        { "S3A://no-scheme", false, false },  { "", false, false },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (table); i++)
        for (int which = 0; which < 3; which++) {
            char *root = (char *) table[i].root;
            const ama_plan_environment_t env = { .input_root = which == 0 ? root : (char *) "",
                                                 .output_root = which == 1 ? root : (char *) "",
                                                 .working_dir = which == 2 ? root : (char *) "" };
            ama_roots_t roots = ama_roots_of (&env, NULL, 0);
            assert_int_equal (roots.s3, table[i].s3);
            assert_int_equal (roots.remote, table[i].remote);
        }
}

static void of_settings (void **state)
{
    ama_plan_setting_t dataset = setting ("trips", "{\"type\":\"file\",\"uri\":\"s3a://fleet/trips\"}"),
                       text = setting ("note", "\"see s3a://fleet for more\""),
                       list = setting ("from", "[\"/data\",\"s3n://old/x\"]"),
                       logs = setting ("spark.eventLog.dir", "\"hdfs://name/logs\""),
                       end = setting ("spark.hadoop.fs.s3a.endpoint", "\"https://storage.example.org\""),
                       path = setting ("outputRootPath", "\"s3a://lake/own\"");
    ama_plan_environment_t env = { .datasets = &dataset, .n_datasets = 1 };

    (void) state;
    assert_true (ama_roots_of (&env, NULL, 0).s3);
    env = (ama_plan_environment_t){ .configuration = &text, .n_configuration = 1 };
    assert_false (ama_roots_of (&env, NULL, 0).remote);
    assert_true (ama_roots_of (&env, &path, 1).s3);
    env = (ama_plan_environment_t){ .configuration = &list, .n_configuration = 1 };
    assert_true (ama_roots_of (&env, NULL, 0).s3);
    env = (ama_plan_environment_t){ .spark = &logs, .n_spark = 1 };
    assert_true (ama_roots_of (&env, NULL, 0).remote);
    assert_false (ama_roots_of (&env, NULL, 0).s3);
    env = (ama_plan_environment_t){ .spark = &end, .n_spark = 1 };
    assert_true (ama_roots_of (&env, NULL, 0).s3);
}

static void of_its_own (void **state)
{
    char *jars[] = { (char *) "/c/jars/1/org.example_x-1.jar",
                     (char *) "/c/jars/2/org.apache.hadoop_hadoop-aws-3.4.1.jar" };
    ama_plan_setting_t own = setting ("spark.jars", "\"/opt/hadoop-aws-3.4.1.jar,/opt/bundle.jar\""),
                       path = setting ("spark.driver.extraClassPath", "\"/opt/hadoop-aws-3.4.1.jar\""),
                       other = setting ("spark.app.name", "\"hadoop-aws-3\"");
    ama_plan_environment_t env = { 0 };

    (void) state;
    assert_false (ama_roots_has_s3_jar (&env, jars, 1));
    assert_true (ama_roots_has_s3_jar (&env, jars, 2));
    env = (ama_plan_environment_t){ .spark = &own, .n_spark = 1 };
    assert_true (ama_roots_has_s3_jar (&env, NULL, 0));
    env.spark = &path;
    assert_true (ama_roots_has_s3_jar (&env, NULL, 0));
    env.spark = &other;
    assert_false (ama_roots_has_s3_jar (&env, NULL, 0));
}

/* Hadoop takes the last of two properties: what is included comes behind. */
static void what_hadoop_is_told (void **state)
{
    ama_str_t alone = { 0 }, with = { 0 };

    (void) state;
    ama_roots_core_site (NULL, &alone);
    ama_roots_core_site ("own.xml", &with);
    assert_null (strstr (alone.data, "include"));
    assert_non_null (
        strstr (strstr (with.data, "fs.s3a.retry.limit"), "<xi:include href=\"own.xml\"/>\n</configuration>\n"));
    ama_str_done (&alone);
    ama_str_done (&with);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (of_roots),
        cmocka_unit_test (of_settings),
        cmocka_unit_test (of_its_own),
        cmocka_unit_test (what_hadoop_is_told),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
