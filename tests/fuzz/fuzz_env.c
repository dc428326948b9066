/* fuzz_env.c - no document of an environment crashes, in whichever of its files it stands; what is read is within the limits of the plan
 *
 * A folder in shared memory holds the environment; the input becomes one of its files or, at some sizes,
 * all of them. It goes at the end.
 */
#include "actors/planner/env.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static char root[] = "/dev/shm/ama-fuzz-env-XXXXXX";
static const char *const folders[] = { "env", "env/default" };
static const char *const files[] = { "env/default.json",
                                     "env/default/job.yml",
                                     "env/default/spark.yml",
                                     "env/default/spark_exec_env.yml",
                                     "env/default/other.yml",
                                     "env/default/datasets.yml",
                                     "env/default/spark-defaults.conf",
                                     "env/default/hive-site.xml" };

static const char *path_of (const char *name)
{
    static char path[256];

    (void) snprintf (path, sizeof path, "%s/%s", root, name);
    return path;
}

static void remove_all (void)
{
    for (size_t i = 0; i < ARRAY_SIZE (files); i++)
        (void) unlink (path_of (files[i]));
    for (size_t i = ARRAY_SIZE (folders); i--;)
        (void) rmdir (path_of (folders[i]));
    (void) rmdir (root);
}

static void write_file (const char *name, const uint8_t *data, size_t size)
{
    int fd = open (path_of (name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    BUG_ON (fd < 0 || write (fd, data, size) != (ssize_t) size);
    (void) close (fd);
}

static void plan_one (ama_repo_t *repo)
{
    ama_maki_t maki = { 0 };
    ama_problems_t problems = { 0 };
    ama_plan_environment_t env, copy;
    ama_str_t bytes = { 0 };
    ama_err_t err;

    if (ama_env_read (repo, "default", &maki, false, true, &env, &problems) == 0) {
        BUG_ON (problems.errors || !*env.master);
        ama_plan_environment_encode (&env, &bytes);
        if (ama_plan_environment_decode (bytes.data, bytes.size, &copy, &err) < 0)
            ama_bug (__FILE__, __LINE__, err.text);
        ama_plan_environment_done (&copy);
    }
    else
        BUG_ON (!problems.errors);
    ama_str_done (&bytes);
    ama_plan_environment_done (&env);
    ama_problems_done (&problems);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static bool ready;
    ama_repo_t *repo = NULL;
    ama_problems_t problems = { 0 };
    ama_settings_t *settings = ama_settings_new (false);

    if (!ready) {
        BUG_ON (!mkdtemp (root) || atexit (remove_all) != 0);
        for (size_t i = 0; i < ARRAY_SIZE (folders); i++)
            BUG_ON (mkdir (path_of (folders[i]), 0700) != 0);
        ready = true;
    }
    BUG_ON (ama_repo_open (root, &repo, NULL) < 0); /* with a fresh budget */
    /* all at once, or one alone, so that the others' errors do not hide its result */
    for (size_t i = 0; i < ARRAY_SIZE (files); i++)
        if (size % (ARRAY_SIZE (files) + 1) == ARRAY_SIZE (files) || size % (ARRAY_SIZE (files) + 1) == i)
            write_file (files[i], data, size);
        else
            (void) unlink (path_of (files[i]));
    plan_one (repo);
    ama_repo_close (&repo);
    ama_settings_layer (settings);
    ama_env_spark_conf ("c", (const char *) data, size, settings, &problems);
    ama_settings_destroy (&settings);
    ama_problems_done (&problems);
    return 0;
}
