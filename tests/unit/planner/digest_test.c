/* digest_test.c - the same files give the same plan and digest: in whatever order a folder is read, in whatever locale, wherever they lie
 *
 * readdir is this file's own: it gives the entries of a folder in an order drawn from `shuffle`. Locales that the machine lacks are made with localedef
 * where that is possible; C.UTF-8 is always there.
 */
#include "actors/planner/plan_json.h"
#include "tests/unit/planner/scratch.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ENTRIES = 256 };

static unsigned shuffle; /* 0: as the file system gives them */
static size_t shuffled;  /* folders that were read in another order */

static struct {
    DIR *dir; /* NULL: nothing is kept */
    struct dirent entries[ENTRIES];
    size_t count, next;
} kept;

/* Fisher and Yates, on numbers that only the seed decides. */
static void mix (void)
{
    unsigned random = shuffle;

    for (size_t i = kept.count; i > 1; i--) {
        struct dirent last = kept.entries[i - 1];
        size_t j;
        random = random * 1664525 + 1013904223;
        j = (random >> 8) % i;
        kept.entries[i - 1] = kept.entries[j];
        kept.entries[j] = last;
    }
    shuffled += kept.count > 3;
}

/* In place of the C library's. */
struct dirent *readdir (DIR *dir)
{
    static struct dirent *(*real) (DIR *);

    if (!real)
        real = (struct dirent * (*) (DIR *) ) dlsym (RTLD_NEXT, "readdir");
    if (!shuffle)
        return real (dir);
    if (kept.dir != dir || kept.next > kept.count) {
        kept.dir = dir;
        kept.count = kept.next = 0;
        for (struct dirent *entry; (entry = real (dir)); kept.count++) {
            assert_true (kept.count < ENTRIES);
            memcpy (&kept.entries[kept.count], entry, entry->d_reclen);
        }
        mix ();
    }
    if (kept.next < kept.count)
        return &kept.entries[kept.next++];
    kept.dir = NULL;
    return NULL;
}

static void fill (scratch_t *scratch)
{
    char path[128];

    scratch_init (scratch);
    scratch_puts (scratch, "maki.yml",
                  "job_name: IŞIK\nconfig: common/{env}\nlabels: {ISTANBUL: i}\nretry: {maxDelay: 1.5m}\nflow:\n"
                  "  - {name: a, RUNNER: {GROUP: SPARK, TYPE: SCALA}, file: a.scala}\n"
                  "  - {name: b, runner: SHELL, file: b.sh, dependsOn: [], timeout: 1.5h, resources: {cpus: 1.25, "
                  "memory: 1.5G}}\n"
                  "  - {name: c, runner: shell, file: b.sh, depends-on: [b, a], config: 'cfg', reads: [a.odd]}\n");
    scratch_puts (scratch, "src/a.scala", "val odd = 1\n");
    scratch_puts (scratch, "src/b.sh", "true\n");
    scratch_puts (scratch, "deps/jars.yml", "artifacts: ['g:x:1.10']\n");
    for (int i = 0; i < 12; i++) { /* the names' bytes are in another order than their letters in any language */
        static const char *const names[] = { "I", "i", "ı", "Z", "z", "ä", "Ä", "10", "9", "_", "a-b", "aB" };
        char text[128];
        (void) snprintf (text, sizeof text, "configuration: {last: %d, only%d: %d.5}\noutputRootPath: /%d\n", i, i, i,
                         i);
        (void) snprintf (path, sizeof path, "cfg/%s.yml", names[i]);
        scratch_puts (scratch, path, text);
        (void) snprintf (path, sizeof path, "common/dev/%s.yml", names[i]);
        scratch_puts (scratch, path, text);
        (void) snprintf (path, sizeof path, "src/b/env/dev/%s.yml", names[i]);
        scratch_puts (scratch, path, text);
        (void) snprintf (path, sizeof path, "env/dev/%s.yml", names[i]);
        (void) snprintf (text, sizeof text, "k%d: {x: %d}\n", i, i);
        scratch_puts (scratch, path, text);
    }
    scratch_puts (scratch, "env/dev/job.yml", "configuration: {İ: 1, i: 2, I: 3, ratio: 0.5}\n");
    scratch_puts (scratch, "env/dev/spark.yml", "spark.driver.memory: 1.5g\nspark.x: 1.0\n");
    scratch_puts (scratch, "env/dev/spark-defaults.conf", "spark.Z 1\nspark.a 2\nspark.i 3\nspark.I 4\n");
    scratch_puts (scratch, "env/default.json", "{\"configuration\": {\"limit\": 1.5e3}}\n");
}

/* The whole plan as bytes, its digest within. */
static void plan (const scratch_t *scratch, ama_str_t *bytes)
{
    ama_plan_reply_t reply;
    char *problems;

    scratch_plan (scratch, "dev", &reply);
    problems = scratch_problems (&reply);
    if (!reply.ok)
        fail_msg ("%s", problems);
    ama_str_clear (bytes);
    ama_plan_plan_encode (&reply.plan, bytes);
    free (problems);
    ama_plan_reply_done (&reply);
}

static void expect_same (const ama_str_t *first, const scratch_t *scratch, const char *what)
{
    ama_str_t again = { 0 };

    plan (scratch, &again);
    if (first->size != again.size || memcmp (first->data, again.data, first->size) != 0)
        fail_msg ("another plan: %s", what);
    ama_str_done (&again);
}

static void test_order (void **state)
{
    ama_str_t first = { 0 };
    scratch_t scratch;
    char what[64];

    (void) state;
    fill (&scratch);
    plan (&scratch, &first);
    for (unsigned seed = 1; seed <= 200; seed++) {
        (void) snprintf (what, sizeof what, "folders in the order of seed %u", seed);
        shuffle = seed;
        expect_same (&first, &scratch, what);
        shuffle = 0;
    }
    assert_true (shuffled >= 200 * 4);
    ama_str_done (&first);
    scratch_done (&scratch);
}

/* Another clone, its files made in another order at another time. */
static void test_place (void **state)
{
    ama_str_t first = { 0 };
    scratch_t scratch, other;

    (void) state;
    fill (&scratch);
    fill (&other);
    scratch_puts (&other, "src/unused.txt", "");
    assert_int_equal (unlink (scratch_path (&other, "src/unused.txt")), 0);
    assert_int_equal (unlink (scratch_path (&other, "cfg/9.yml")), 0);
    scratch_puts (&other, "cfg/9.yml", "configuration: {last: 8, only8: 8.5}\noutputRootPath: /8\n");
    plan (&scratch, &first);
    expect_same (&first, &other, "in another folder");
    ama_str_done (&first);
    scratch_done (&scratch);
    scratch_done (&other);
}

/* Made in a folder of ours first: the C library looks for a locale only once. */
static bool use_locale (const char *folder, const char *name)
{
    char command[512];

    (void) snprintf (command, sizeof command, "localedef -f UTF-8 -i %.5s '%s/%s' >'%s/log' 2>&1", name, folder, name,
                     folder);
    return (strcmp (name, "C.UTF-8") == 0 || system (command) == 0) && setlocale (LC_ALL, name);
}

static void test_locales (void **state)
{
    static const char *const names[] = { "C.UTF-8", "tr_TR.UTF-8", "de_DE.UTF-8" };
    ama_str_t first = { 0 };
    scratch_t scratch, locales;
    size_t used = 0;

    (void) state;
    fill (&scratch);
    plan (&scratch, &first);
    scratch_init (&locales);
    assert_int_equal (setenv ("LOCPATH", locales.root, 1), 0);
    for (size_t i = 0; i < ARRAY_SIZE (names); i++) {
        if (!use_locale (locales.root, names[i])) {
            print_message ("%s: this machine can not make it\n", names[i]);
            continue;
        }
        used++;
        expect_same (&first, &scratch, names[i]);
    }
    assert_non_null (setlocale (LC_ALL, "C"));
    print_message ("%zu locales\n", used);
    ama_str_done (&first);
    scratch_done (&scratch);
    scratch_done (&locales);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_order),
        cmocka_unit_test (test_place),
        cmocka_unit_test (test_locales),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
