/* tidy_disk_test.c - working data on the disk: what is listed, what is removed, and that nothing else is, whatever lies there and whoever is killed */
#include "actors/base/ama_clock.h"
#include "actors/base/ama_str.h"
#include "agent/tidy_disk.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
    char dir[64];
    unsigned n;
} scene_t;

static void sh (const scene_t *scene, const char *command)
{
    ama_str_t line = { 0 };

    ama_str_printf (&line, "set -e; cd %s; %s", scene->dir, command);
    assert_int_equal (system (line.data), 0); /* NOLINT(cert-env33-c): a test, and fixed commands */
    ama_str_done (&line);
}

static void open_scene (scene_t *scene)
{
    *scene = (scene_t){ 0 };
    (void) snprintf (scene->dir, sizeof scene->dir, "/tmp/ama-tidy-XXXXXX");
    assert_non_null (mkdtemp (scene->dir));
    sh (scene, "mkdir runs outside; echo kept >outside/file");
}

static void close_scene (const scene_t *scene)
{
    sh (scene,
        "test \"$(cat outside/file)\" = kept; chmod -R u+rwx . 2>/dev/null || true; rm -rf runs outside; rmdir $PWD");
}

/* Its working data is made by that command, in its folder, which then is so old. */
static ama_id_t make (scene_t *scene, const char *command, int64_t hours)
{
    const uint8_t random[10] = { (uint8_t) (scene->n >> 8), (uint8_t) scene->n };
    ama_id_t run = ama_id_make (1000000 + scene->n++, random);
    char id[AMA_ID_TEXT], path[160];
    int64_t at = ama_wall_ms (ama_clock_system ()) / 1000 - hours * 3600;
    struct timespec times[2] = { { .tv_sec = at }, { .tv_sec = at } };
    ama_str_t line = { 0 };

    (void) snprintf (path, sizeof path, "%s/runs/%s", scene->dir, ama_id_text (run, id));
    assert_int_equal (mkdir (path, 0700), 0);
    ama_str_printf (&line, "cd runs/%s; %s", id, command);
    sh (scene, line.data);
    ama_str_done (&line);
    assert_int_equal (utimensat (AT_FDCWD, path, times, 0), 0);
    return run;
}

static size_t names (const scene_t *scene)
{
    char command[128], text[32] = "";
    FILE *pipe;

    (void) snprintf (command, sizeof command, "ls -A %s/runs | wc -l", scene->dir);
    pipe = popen (command, "r"); /* NOLINT(cert-env33-c): a test, and a fixed command */
    assert_non_null (pipe);
    assert_non_null (fgets (text, sizeof text, pipe));
    (void) pclose (pipe);
    return (size_t) atoi (text);
}

/* In slices; returns how many that took. */
static size_t sweep (const scene_t *scene, const char *name, size_t most, ama_tidy_sum_t *sum)
{
    ama_err_t err = { 0 };
    bool done = false;
    size_t slices = 0;

    while (!done) {
        assert_int_equal (ama_tidy_sweep (scene->dir, name, most, sum, &done, &err), 0);
        assert_true (++slices < 100000);
    }
    return slices;
}

static void test_list (void **state)
{
    scene_t scene;
    ama_id_t *runs, young, old, older;
    int64_t now = ama_wall_ms (ama_clock_system ());

    (void) state;
    open_scene (&scene);
    assert_int_equal (ama_tidy_list ("/nowhere", now, &runs), 0);
    free (runs);
    young = make (&scene, "true", 1);
    old = make (&scene, "true", 9);
    older = make (&scene, "true", 12);
    sh (&scene, "mkdir runs/.gone-x runs/else; touch runs/file");
    assert_int_equal (ama_tidy_list (scene.dir, now - 8 * 3600000, &runs), 2);
    assert_true (ama_id_equal (runs[0], older) && ama_id_equal (runs[1], old));
    free (runs);
    assert_true (ama_tidy_has (scene.dir, young));
    assert_false (ama_tidy_has (scene.dir, ama_id_make (1, (const uint8_t[10]){ 0 })));
    close_scene (&scene);
}

/* What an action can leave, and may not lead us astray by. */
static const struct {
    const char *what, *made;
    uint64_t files;
} left[] = {
    { "nothing", "true", 0 },
    { "files and folders", "mkdir -p a/1/tmp; echo 1 >a/1/x; echo 2 >a/1/tmp/y", 2 },
    { "links that lead out", "ln -s ../../outside out; ln -s ../../outside/file f; ln -s / root", 3 },
    { "folders that nobody may enter", "mkdir -p a/b; echo 1 >a/b/c; chmod 0 a/b; chmod 0555 a", 1 },
    { "deeper than anybody looks", "for i in $(seq 300); do mkdir d; cd d; done; echo 1 >deepest", 1 },
    { "pipes and sockets", "mkfifo p; mkdir q", 1 },
    { "names that look like ours", "mkdir .gone-a 0 1 2; echo 1 >.gone-a/0; echo 2 >0/0", 2 },
    { "a second name of a file outside", "ln ../../outside/file second", 1 },
};

static void test_removed (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (left); i++)
        for (size_t most = 1; most < 5000; most *= 293) {
            scene_t scene;
            ama_tidy_sum_t sum = { 0 };
            ama_err_t err = { 0 };
            char name[AMA_TIDY_NAME];
            ama_id_t run, other;
            open_scene (&scene);
            run = make (&scene, left[i].made, 9);
            other = make (&scene, "echo 1 >file", 9);
            assert_int_equal (ama_tidy_unname (scene.dir, run, name, &err), 0);
            assert_false (ama_tidy_has (scene.dir, run));
            assert_int_equal (ama_tidy_unname (scene.dir, run, name, &err), AMA_E_NOT_FOUND);
            (void) sweep (&scene, NULL, most, &sum);
            assert_int_equal (names (&scene), 1);
            assert_int_equal (sum.files, left[i].files);
            assert_true (ama_tidy_has (scene.dir, other));
            close_scene (&scene);
        }
}

static void test_count (void **state)
{
    scene_t scene;
    ama_tidy_sum_t counted = { 0 }, freed = { 0 };
    ama_err_t err = { 0 };
    char name[AMA_TIDY_NAME];
    ama_id_t run;

    (void) state;
    open_scene (&scene);
    run =
        make (&scene, "mkdir a; head -c 100000 /dev/zero >a/x; head -c 5000 /dev/zero >y; ln ../../outside/file z", 0);
    ama_tidy_count (scene.dir, run, &counted);
    assert_int_equal (counted.files, 3);
    assert_in_range (counted.bytes, 105000, 130000);
    assert_int_equal (ama_tidy_unname (scene.dir, run, name, &err), 0);
    (void) sweep (&scene, name, 100, &freed);
    assert_memory_equal (&freed, &counted, sizeof freed);
    close_scene (&scene);
}

/* A slice is no larger than it was said. */
static void test_slices (void **state)
{
    scene_t scene;
    ama_tidy_sum_t sum = { 0 };
    ama_err_t err = { 0 };
    char name[AMA_TIDY_NAME];
    bool done;

    (void) state;
    open_scene (&scene);
    assert_int_equal (ama_tidy_unname (scene.dir, make (&scene, "touch $(seq 1000)", 9), name, &err), 0);
    for (size_t i = 1; i <= 10; i++) {
        assert_int_equal (ama_tidy_sweep (scene.dir, NULL, 100, &sum, &done, &err), 0);
        assert_false (done);
        assert_int_equal (sum.files, 100 * i);
    }
    assert_int_equal (sweep (&scene, NULL, 100, &sum), 1);
    close_scene (&scene);
}

/* Something is mounted within it, as an action of root could have left: another file system, and a folder of the same one, which does not look different. It stays,
 * which is told, and the rest goes. */
static void test_mounted (void **state)
{
    static const char *const mounts[] = { "mount -t tmpfs none at", "mount --bind ../../outside at" };
    bool all = true;

    (void) state;
    if (unshare (CLONE_NEWNS) < 0 || mount ("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        skip (); /* only root may mount, and nobody but us is to see it */
    for (size_t i = 0; i < ARRAY_SIZE (mounts); i++) {
        scene_t scene;
        ama_tidy_sum_t sum = { 0 }, counted = { 0 };
        ama_err_t err = { 0 };
        char name[AMA_TIDY_NAME], command[256];
        bool done = false, mounted;
        ama_id_t run;
        int rc = 0;
        open_scene (&scene);
        run = make (&scene, "mkdir at; touch $(seq 20)", 9);
        assert_int_equal (ama_tidy_unname (scene.dir, run, name, &err), 0);
        (void) snprintf (command, sizeof command, "cd %s/runs/%s && %s 2>/dev/null && touch at/file", scene.dir, name,
                         mounts[i]);
        mounted = system (command) == 0; /* NOLINT(cert-env33-c): a test, and a fixed command */
        for (int k = 0; mounted && k < 3 && rc == 0; k++)
            rc = ama_tidy_sweep (scene.dir, NULL, 100, &sum, &done, &err);
        ama_tidy_count (scene.dir, run, &counted);
        (void) snprintf (command, sizeof command, "test -e %s/runs/%s/at/file && umount %s/runs/%s/at", scene.dir, name,
                         scene.dir, name);
        if (mounted) {
            assert_int_equal (system (command), 0); /* NOLINT(cert-env33-c): a test, and a fixed command */
            assert_int_equal (rc, AMA_E_IO);
            assert_non_null (strstr (err.text, "at: "));
            assert_int_equal (sum.files, 20);
        }
        (void) sweep (&scene, NULL, 100, &sum);
        assert_int_equal (names (&scene), 0);
        close_scene (&scene);
        all &= mounted;
    }
    if (!all)
        skip ();
}

static void remove_all (const scene_t *scene, const ama_id_t *runs, size_t n, int begun)
{
    ama_tidy_sum_t sum = { 0 };
    char name[AMA_TIDY_NAME];

    if (write (begun, "", 1) != 1)
        _exit (1);
    for (size_t i = 0; i < n; i++) {
        (void) ama_tidy_unname (scene->dir, runs[i], name, NULL);
        (void) sweep (scene, NULL, 7, &sum);
    }
    _exit (0);
}

/* What has a run's name is whole, and what has none goes with the next sweep. */
static void test_killed (void **state)
{
    enum { ROUNDS = 20, RUNS = 3, FILES = 30 };
    scene_t scene;
    ama_id_t runs[RUNS];
    unsigned seed = 20261127, whole_us = 0;
    const ama_clock_t *clock = ama_clock_system ();
    size_t cut = 0;
    int begun[2];

    (void) state;
    open_scene (&scene);
    assert_int_equal (pipe (begun), 0);
    for (int round = 0; round < ROUNDS; round++) {
        size_t whole = 0;
        ama_tidy_sum_t sum = { 0 };
        int64_t began_us;
        pid_t pid;
        for (int i = 0; i < RUNS; i++)
            runs[i] = make (&scene, "mkdir a; cd a; touch $(seq 30)", 9);
        pid = fork ();
        if (pid == 0)
            remove_all (&scene, runs, RUNS, begun[1]);
        assert_int_equal (read (begun[0], &(char){ 0 }, 1), 1);
        began_us = clock->mono_us (clock);
        if (round) {
            (void) usleep ((useconds_t) (rand_r (&seed) % (whole_us + 1)));
            (void) kill (pid, SIGKILL);
        }
        assert_int_equal (waitpid (pid, NULL, 0), pid);
        if (!round) /* how long it takes when nobody kills */
            whole_us = (unsigned) (clock->mono_us (clock) - began_us);
        for (int i = 0; i < RUNS; i++) {
            ama_tidy_sum_t here = { 0 };
            if (!ama_tidy_has (scene.dir, runs[i]))
                continue;
            ama_tidy_count (scene.dir, runs[i], &here);
            assert_int_equal (here.files, FILES);
            whole++;
        }
        cut += names (&scene) != whole;
        (void) sweep (&scene, NULL, 50, &sum);
        assert_int_equal (names (&scene), whole);
        sh (&scene, "rm -rf runs; mkdir runs");
    }
    (void) close (begun[0]), (void) close (begun[1]);
    print_message ("%d kills, %zu of them within a removal\n", ROUNDS - 1, cut);
    close_scene (&scene);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_list),   cmocka_unit_test (test_removed), cmocka_unit_test (test_count),
        cmocka_unit_test (test_slices), cmocka_unit_test (test_mounted), cmocka_unit_test (test_killed),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
