/* bad_test.c - every bad file of tests/bad gets the errors that its EXPECT names: code, line, text, and no other
 *
 * The files are also seeds of the fuzzers. What would be too large to keep is made by tests/bad/maki/huge.py.
 */
#include "tests/unit/planner/scratch.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const char good_maki[] = "job-name: good\nflow:\n  - {name: a, runner: shell, file: x.sh}\n";

/* Where a bad file belongs, by the beginning of its name. */
static const struct {
    const char *prefix, *target;
} targets[] = {
    { "maki/", "maki.yml" },
    { "jars/", "deps/jars.yml" },
    { "cran/", "deps/cran.yml" },
    { "runner/", "runners/x/runner.yml" },
    { "env/job-", "env/default/job.yml" },
    { "env/json-", "env/default.json" },
    { "env/spark-", "env/default/spark.yml" },
    { "env/conf-", "env/default/spark-defaults.conf" },
    { "env/exec-", "env/default/spark_exec_env.yml" },
    { "env/datasets-", "env/default/datasets.yml" },
    { "env/other-", "env/default/other.yml" },
};

static const char *target_of (const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE (targets); i++)
        if (ama_str_starts (name, targets[i].prefix))
            return targets[i].target;
    fail_msg ("%s belongs nowhere", name);
    return NULL;
}

static void base_repo (scratch_t *scratch)
{
    scratch_init (scratch);
    scratch_puts (scratch, "maki.yml", good_maki);
    scratch_puts (scratch, "env/default/job.yml", "master: local[*]\n");
    scratch_puts (scratch, "src/x.sh", "true\n");
    scratch_puts (scratch, "src/y.sh", "true\n");
    scratch_puts (scratch, "src/x.R", "1\n");
    scratch_puts (scratch, "src/a.scala", "val a = 1\n");
    scratch_puts (scratch, "src/zero.sh", "");
    scratch_puts (scratch, "src/a/readme", "a folder\n");
}

static bool holds (const char *text, const char *fragments)
{
    char copy[1024], *save = NULL;

    (void) snprintf (copy, sizeof copy, "%s", fragments);
    for (char *cut; (cut = strstr (copy, "…"));) /* three bytes */
        memcpy (cut, "\x01\x01\x01", 3);
    for (char *part = strtok_r (copy, "\x01", &save); part; part = strtok_r (NULL, "\x01", &save))
        if (!strstr (text, part))
            return false;
    return true;
}

/* One expectation: "CODE line fragment", w: in front for a warning. */
static bool is_met (const ama_plan_reply_t *reply, const char *expect)
{
    bool warning = ama_str_starts (expect, "w:");
    char code[64];
    unsigned line = 0;
    int used = 0;

    if (sscanf (expect + (warning ? 2 : 0), "%63s %u %n", code, &line, &used) < 2)
        fail_msg ("not understood: %s", expect);
    for (size_t i = 0; i < reply->n_problems; i++) {
        const ama_plan_problem_t *p = &reply->problems[i];
        char text[4096];
        (void) snprintf (text, sizeof text, "%s (%s)", p->message, p->hint);
        if (p->warning == warning && strcmp (ama_err_name ((int) p->code), code) == 0 && p->line == line
            && holds (text, expect + (warning ? 2 : 0) + used))
            return true;
    }
    return false;
}

/* name: "maki/x.yml"; expects: its lines of EXPECT, separated by line feeds. */
static void check (const char *name, const void *bytes, size_t size, const char *expects)
{
    ama_plan_reply_t reply;
    scratch_t scratch;
    size_t errors = 0, wanted = 0;
    char copy[8192], *save = NULL, *problems;

    base_repo (&scratch);
    if (ama_str_starts (name, "cran/")) /* nobody looks at it where no action is of R */
        scratch_puts (&scratch, "maki.yml", "flow:\n  - {name: a, runner: r, file: x.R}\n");
    scratch_put (&scratch, target_of (name), bytes, size);
    scratch_plan (&scratch, "", &reply);
    problems = scratch_problems (&reply);
    (void) snprintf (copy, sizeof copy, "%s", expects);
    for (char *line = strtok_r (copy, "\n", &save); line; line = strtok_r (NULL, "\n", &save)) {
        if (strcmp (line, "ok") == 0)
            continue;
        if (!is_met (&reply, line))
            fail_msg ("%s: expected %s, got\n%s", name, line, problems);
        wanted += !ama_str_starts (line, "w:");
    }
    for (size_t i = 0; i < reply.n_problems; i++)
        errors += !reply.problems[i].warning;
    if (errors != wanted || reply.ok != (wanted == 0))
        fail_msg ("%s: expected %zu errors, got\n%s", name, wanted, problems);
    free (problems);
    ama_plan_reply_done (&reply);
    scratch_done (&scratch);
}

/* Groups the lines of folder/EXPECT by file and checks each. */
static size_t walk (const char *folder)
{
    char path[512], file[256] = "", *table, *save = NULL;
    ama_str_t expects = { 0 };
    size_t size, count = 0;

    (void) snprintf (path, sizeof path, "tests/bad/%s/EXPECT", folder);
    table = scratch_source_file (path, &size);
    for (char *line = strtok_r (table, "\n", &save);; line = strtok_r (NULL, "\n", &save)) {
        char name[128] = "", next[256] = "";
        int used = 0;
        if (line && (*line == '#' || sscanf (line, "%127s %n", name, &used) < 1))
            continue;
        (void) snprintf (next, sizeof next, "%s/%s", folder, name);
        if (file[0] && strcmp (file, next) != 0) {
            size_t bytes_size;
            char *bytes;
            (void) snprintf (path, sizeof path, "tests/bad/%s", file);
            bytes = scratch_source_file (path, &bytes_size);
            check (file, bytes, bytes_size, expects.data);
            free (bytes);
            ama_str_clear (&expects);
            count++;
        }
        if (!line)
            break;
        memcpy (file, next, sizeof file);
        ama_str_printf (&expects, "%s\n", line + used);
    }
    free (table);
    ama_str_done (&expects);
    return count;
}

/* A file that nobody expects anything of would be no test. */
static size_t count_files (const char *folder)
{
    const char *source = getenv ("AMA_SOURCE_DIR");
    char path[512];
    size_t count = 0;
    DIR *dir;

    (void) snprintf (path, sizeof path, "%s/tests/bad/%s", source ? source : ".", folder);
    dir = opendir (path);
    assert_non_null (dir);
    for (struct dirent *entry; (entry = readdir (dir));)
        count +=
            entry->d_name[0] != '.' && strcmp (entry->d_name, "EXPECT") != 0 && strcmp (entry->d_name, "huge.py") != 0;
    (void) closedir (dir);
    return count;
}

static void test_maki (void **state)
{
    (void) state;
    assert_int_equal (walk ("maki"), count_files ("maki"));
}

static void test_env (void **state)
{
    (void) state;
    assert_int_equal (walk ("env"), count_files ("env"));
}

static void test_jars (void **state)
{
    (void) state;
    assert_int_equal (walk ("jars"), count_files ("jars"));
}

static void test_cran (void **state)
{
    (void) state;
    assert_int_equal (walk ("cran"), count_files ("cran"));
}

static void test_runner (void **state)
{
    (void) state;
    assert_int_equal (walk ("runner"), count_files ("runner"));
}

static void make_huge (const char *name, ama_str_t *out)
{
    const char *source = getenv ("AMA_SOURCE_DIR");
    char command[512], part[16384];
    FILE *pipe;
    size_t got;

    (void) snprintf (command, sizeof command, "python3 '%s/tests/bad/maki/huge.py' %s", source ? source : ".", name);
    pipe = popen (command, "re");
    assert_non_null (pipe);
    while ((got = fread (part, 1, sizeof part, pipe)) > 0)
        ama_str_add (out, part, got);
    assert_int_equal (pclose (pipe), 0);
}

/* Limits: the file is made, and refused. */
static void test_huge (void **state)
{
    static const struct {
        const char *name, *expect;
    } huge[] = {
        { "size", "AMA_E_LIMIT 1 larger than the limit of 4194304 bytes" },
        { "comment", "AMA_E_LIMIT 1 larger than the limit of 4194304 bytes" },
        { "scalar", "AMA_E_LIMIT 1 a value of 65537 bytes, the limit is 65536" },
        { "brackets", "AMA_E_LIMIT 1 nested deeper than depth 32" },
        { "questions", "AMA_E_LIMIT 1 nested deeper than depth 32" },
        { "maps", "AMA_E_LIMIT 33 nested deeper than depth 32" },
        { "nodes", "AMA_E_LIMIT 49999 more than 50000 nodes" },
        { "actions", "AMA_E_LIMIT 2002 more than 2000 actions" },
        { "error-actions", "AMA_E_LIMIT 1002 more than 2000 actions" },
        { "keys", "AMA_E_DUPKEY 20003 first on line 20002" },
        { "cycle", "AMA_E_SYNTAX 3 the flow waits for itself: a0 → a1999 → … (1988 more)" },
        { "directives", "AMA_E_SYNTAX 1 more than 8 directives" },
        { "strangers", "w:AMA_E_INVALID 3 unknown key ‘flw00000’ in the job" },
        { "patterns", "AMA_E_LIMIT 502 more than 1000 expressions in a job" },
        { "rules", "AMA_E_LIMIT 1 retry rules with" },
        { "inside", "ok" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (huge); i++) {
        ama_str_t text = { 0 };
        make_huge (huge[i].name, &text);
        check ("maki/huge", text.data, text.size, huge[i].expect);
        ama_str_done (&text);
    }
}

static double seconds_to_plan (const scratch_t *scratch, ama_plan_reply_t *reply)
{
    struct timespec before, after;

    assert_int_equal (clock_gettime (CLOCK_MONOTONIC, &before), 0);
    scratch_plan (scratch, "", reply);
    assert_int_equal (clock_gettime (CLOCK_MONOTONIC, &after), 0);
    return (double) (after.tv_sec - before.tv_sec) + (double) (after.tv_nsec - before.tv_nsec) / 1e9;
}

/* A job of legal size must not keep the planner busy. The bound is loose, for sanitizers and slow machines; what it guards against took minutes. */
static void test_floods (void **state)
{
    static const char *const floods[] = { "depends", "files", "scan", "reads", "strangers", "directives", "config" };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (floods); i++) {
        ama_str_t text = { 0 }, source = { 0 };
        ama_plan_reply_t reply;
        scratch_t scratch;
        double seconds;

        base_repo (&scratch);
        make_huge (floods[i], &text);
        scratch_put (&scratch, "maki.yml", text.data, text.size);
        if (strcmp (floods[i], "scan") == 0)
            for (int n = 0; n < 200000; n++)
                ama_str_printf (&source, "AmaContext.getRDD(\"a%d\",\"x%d\")\n", n % 3000, n % 12000);
        scratch_put (&scratch, "src/flood.scala", source.data ? source.data : "", source.size);
        for (int n = 0; n < 2000 && strcmp (floods[i], "config") == 0; n++) {
            char name[64];
            (void) snprintf (name, sizeof name, "cfg/%d.yml", n);
            scratch_puts (&scratch, name, "a: {b: 1}\n");
        }
        seconds = seconds_to_plan (&scratch, &reply);
        print_message ("%s: %.2f s\n", floods[i], seconds);
        assert_true (seconds < 20);
        ama_plan_reply_done (&reply);
        ama_str_done (&text);
        ama_str_done (&source);
        scratch_done (&scratch);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_maki),   cmocka_unit_test (test_env),    cmocka_unit_test (test_jars),
        cmocka_unit_test (test_cran),   cmocka_unit_test (test_runner), cmocka_unit_test (test_huge),
        cmocka_unit_test (test_floods),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
