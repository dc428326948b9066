/* roots.c - see roots.h; used by sessions and jar actions when they begin, on the agent's thread */
#include "agent/runners/spark/roots.h"

#include <string.h>

/* Of S3 first. */
static const char *const schemes[] = {
    "s3a://", "s3n://", "s3://", "hdfs://", "viewfs://", "webhdfs://", "swebhdfs://"
};
#define S3_SCHEMES 3

/* A root is plain text, a setting JSON text in which the address is a string of its own. */
static bool holds (const char *value, const char *scheme)
{
    if (ama_str_starts (value, scheme))
        return true;
    for (const char *at = strstr (value, scheme); at; at = strstr (at + 1, scheme))
        if (at > value && at[-1] == '"')
            return true;
    return false;
}

static void look (ama_roots_t *roots, const char *value)
{
    for (size_t i = 0; value && i < ARRAY_SIZE (schemes); i++)
        if (holds (value, schemes[i])) {
            roots->remote = true;
            roots->s3 |= i < S3_SCHEMES;
        }
}

static void look_at_all (ama_roots_t *roots, const ama_plan_setting_t *settings, size_t count)
{
    for (size_t i = 0; i < count; i++)
        look (roots, settings[i].value);
}

ama_roots_t ama_roots_of (const ama_plan_environment_t *env, const ama_plan_setting_t *paths, size_t n_paths)
{
    ama_roots_t roots = { 0 };

    look (&roots, env->input_root);
    look (&roots, env->output_root);
    look (&roots, env->working_dir);
    look_at_all (&roots, env->datasets, env->n_datasets);
    look_at_all (&roots, env->configuration, env->n_configuration);
    look_at_all (&roots, env->spark, env->n_spark);
    look_at_all (&roots, paths, n_paths);
    for (size_t i = 0; i < env->n_spark; i++)
        if (ama_str_starts (env->spark[i].key, "spark.hadoop.fs.s3a."))
            roots.s3 = roots.remote = true;
    return roots;
}

bool ama_roots_has_s3_jar (const ama_plan_environment_t *env, char *const *jars, size_t n_jars)
{
    for (size_t i = 0; i < n_jars; i++)
        if (strstr (jars[i], "hadoop-aws-"))
            return true;
    for (size_t i = 0; i < env->n_spark; i++)
        if ((strcmp (env->spark[i].key, "spark.jars") == 0 || ama_str_ends (env->spark[i].key, ".extraClassPath"))
            && strstr (env->spark[i].value, "hadoop-aws-"))
            return true;
    return false;
}

void ama_roots_core_site (const char *include, ama_str_t *out)
{
    /* times in milliseconds, as plain numbers: Hadoop before 3.4 knows no others here */
    static const char *const properties[][2] = {
        { "hadoop.tmp.dir", "${java.io.tmpdir}/hadoop" }, /* what goes to S3 is collected there; /tmp is closed */
        { "fs.s3.impl", "org.apache.hadoop.fs.s3a.S3AFileSystem" },
        { "fs.s3n.impl", "org.apache.hadoop.fs.s3a.S3AFileSystem" },
        { "fs.AbstractFileSystem.s3.impl", "org.apache.hadoop.fs.s3a.S3A" },
        { "fs.AbstractFileSystem.s3n.impl", "org.apache.hadoop.fs.s3a.S3A" },
        { "fs.s3a.attempts.maximum", "3" },
        { "fs.s3a.retry.limit", "2" },
        { "fs.s3a.connection.establish.timeout", "10000" },
        { "ipc.client.connect.max.retries.on.timeouts", "3" },
    };

    ama_str_puts (out, "<?xml version=\"1.0\"?>\n<configuration xmlns:xi=\"http://www.w3.org/2001/XInclude\">\n");
    for (size_t i = 0; i < ARRAY_SIZE (properties); i++)
        ama_str_printf (out, "  <property><name>%s</name><value>%s</value></property>\n", properties[i][0],
                        properties[i][1]);
    if (include)
        ama_str_printf (out, "  <xi:include href=\"%s\"/>\n", include);
    ama_str_puts (out, "</configuration>\n");
}
