/* keep_test.c - what is removed from a cache, and what never is: tables of entries; other users; programs that are killed in the middle */
#include "actors/base/ama_clock.h"
#include "actors/base/ama_str.h"
#include "actors/depot/cache_user.h"
#include "actors/depot/keep.h"
#include "actors/depot/keep_disk.h"
#include "actors/depot/tree_file.h"
#include "actors/runtime/ama_sim.h"
#include "config/ama_paths.h"
#include "messages/ama_types.h"
#include "messages/depot.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { HOUR_MS = 3600000, KIB = 1024 };

typedef struct {
    char root[64];
    ama_sim_t *sim;
    ama_keep_limits_t limits;
    unsigned kinds;
    const char *
        needed; /* what the supervisor says of everything that holds it: an id's first digits; NULL: nothing is needed */
    const char *held; /* likewise, the actor itself */
    size_t asked;
} scene_t;

/* ---- the parties ---- */

typedef struct {
    scene_t *scene;
    ama_keep_t *keep;
} part_t;

static bool is_held (void *arg, const char *id)
{
    const scene_t *scene = arg;

    return scene->held && ama_str_starts (id, scene->held);
}

static int keeper_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    part_t *self = state;

    (void) err;
    self->scene = (scene_t *) (uintptr_t) config;
    self->keep = ama_keep_new (ctx, self->scene->root, &self->scene->limits, self->scene->kinds, is_held, self->scene);
    return 0;
}

static void keeper_done (void *state)
{
    ama_keep_destroy (&((part_t *) state)->keep);
}

static int init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    (void) ctx, (void) err;
    ((part_t *) state)->scene = (scene_t *) (uintptr_t) config;
    return 0;
}

static int on_spare (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    scene_t *scene = ((part_t *) state)->scene;
    const ama_depot_spare_t *ask = body;
    ama_waiter_t waiter = ama_waiter (envelope);
    ama_depot_needed_t reply = { .ids = ama_calloc (ask->n_ids + 1, sizeof *reply.ids) };

    (void) err;
    scene->asked += ask->n_ids;
    for (size_t i = 0; i < ask->n_ids; i++)
        if (scene->needed && ama_str_starts (ask->ids[i], scene->needed))
            reply.ids[reply.n_ids++] = ask->ids[i];
    (void) ama_reply (ctx, &waiter, AMA_MSG_DEPOT_NEEDED, &reply);
    free (reply.ids);
    return 0;
}

static const ama_handler_t no_handlers[] = { AMA_HANDLER_END };
static const ama_handler_t handlers[] = { { AMA_MSG_DEPOT_SPARE, on_spare }, AMA_HANDLER_END };

static const ama_actor_def_t keeper = {
    .name = "depot",
    .role = AMA_ROLE_DEPOT,
    .state_size = sizeof (part_t),
    .init = keeper_init,
    .done = keeper_done,
    .handlers = no_handlers,
};

static const ama_actor_def_t supervisor = {
    .name = "supervisor",
    .role = AMA_ROLE_SUPERVISOR,
    .state_size = sizeof (part_t),
    .init = init,
    .handlers = handlers,
};

/* ---- the cache ---- */

static char *in (const scene_t *scene, const char *name)
{
    ama_str_t path = { 0 };

    ama_str_printf (&path, "%s/%s", scene->root, name);
    return ama_str_take (&path);
}

/* An id that begins with that digit. */
static const char *id_of (char digit, char buf[KEEP_ID_TEXT])
{
    memset (buf, digit, KEEP_ID_TEXT - 1);
    buf[KEEP_ID_TEXT - 1] = '\0';
    return buf;
}

static void age (const char *path, int64_t ms)
{
    int64_t at = ama_wall_ms (ama_clock_system ()) - ms;
    struct timespec times[2] = { { .tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000 } };

    times[1] = times[0];
    assert_int_equal (utimensat (AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void spill (const char *path, size_t size)
{
    FILE *file = fopen (path, "w");

    assert_non_null (file);
    for (size_t i = 0; i < size; i++)
        (void) fputc ('x', file);
    assert_int_equal (fclose (file), 0);
}

/* "depot/a": a file of that many KiB; "trees/a", "jars/a", "snapshots/a": a folder with one. */
static void make (const scene_t *scene, const char *what, size_t kib, int64_t hours)
{
    const char *slash = strchr (what, '/');
    ama_str_t path = { 0 };
    char id[KEEP_ID_TEXT], *entry;
    ama_err_t err = { 0 };

    ama_str_printf (&path, "%.*s/%s", (int) (slash - what), what, id_of (slash[1], id));
    entry = in (scene, path.data);
    ama_str_clear (&path);
    if (ama_str_starts (what, "depot")) {
        ama_str_printf (&path, "%s/depot", scene->root);
        assert_int_equal (ama_paths_mkdir (path.data, &err), 0);
        spill (entry, kib * KIB);
    }
    else {
        ama_str_printf (&path, "%s/tree", entry);
        assert_int_equal (ama_paths_mkdir (path.data, &err), 0);
        ama_str_puts (&path, "/file");
        spill (path.data, kib * KIB);
        *strrchr (path.data, '/') = '\0';
        assert_int_equal (chmod (path.data, 0555), 0);
    }
    age (entry, hours * HOUR_MS);
    if (ama_str_starts (what, "mirrors")) {
        ama_str_printf ((ama_str_clear (&path), &path), "%s.lock", entry);
        spill (path.data, 0);
        age (path.data, hours * HOUR_MS);
    }
    free (entry);
    ama_str_done (&path);
}

static bool there (const scene_t *scene, const char *what)
{
    const char *slash = strchr (what, '/');
    ama_str_t path = { 0 };
    char id[KEEP_ID_TEXT];
    bool is;

    ama_str_printf (&path, "%s/%.*s/%s", scene->root, (int) (slash - what), what, id_of (slash[1], id));
    is = faccessat (AT_FDCWD, path.data, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    ama_str_done (&path);
    return is;
}

static void open_scene (scene_t *scene, ama_keep_limits_t limits)
{
    ama_err_t err = { 0 };

    *scene = (scene_t){ .limits = limits, .kinds = AMA_KEEP_DEPOT };
    (void) snprintf (scene->root, sizeof scene->root, "/tmp/ama-keep-XXXXXX");
    assert_non_null (mkdtemp (scene->root));
    scene->limits.home = in (scene, "home");
    assert_int_equal (mkdir (scene->limits.home, 0700), 0);
    assert_int_equal (ama_cache_join (scene->root, scene->limits.home, &err), 0);
    scene->sim = ama_sim_new (&(ama_sim_conf_t){ .seed = 1, .delay_ms = 5 });
}

static void start (scene_t *scene, const ama_actor_def_t *def)
{
    ama_err_t err = { 0 };

    assert_int_equal (ama_sim_start (scene->sim, def, NULL, scene, &err), 0);
}

static void run (scene_t *scene, int64_t ms)
{
    (void) ama_sim_run (scene->sim, ama_sim_now_ms (scene->sim) + ms, UINT64_MAX);
}

static void close_scene (scene_t *scene)
{
    ama_sim_destroy (&scene->sim);
    ama_tree_remove (scene->root);
    free ((char *) (uintptr_t) scene->limits.home);
}

/* ---- tables ---- */

/* entries: FOLDER/DIGIT:KIB:HOURS since it was used. */
static const struct {
    const char *what;
    uint64_t kib;
    int64_t hours;
    const char *needed, *held;
    const char *entries, *left;
} cases[] = {
    { "what was not used for long goes", 0, 48, NULL, NULL, "depot/a:1:47 depot/b:1:49 depot/c:1:2",
      "depot/a depot/c" },
    { "but not what an open run needs", 0, 48, "b", NULL, "depot/a:1:99 depot/b:1:49 depot/c:1:2", "depot/b depot/c" },
    { "nor what the actor uses itself", 0, 48, NULL, "a", "depot/a:1:99 depot/b:1:49", "depot/a" },
    { "of too much the longest unused goes", 5, 0, NULL, NULL, "depot/a:2:4 depot/b:2:9 depot/c:2:6 depot/d:2:3",
      "depot/a depot/d" },
    { "no more than has to", 6, 0, NULL, NULL, "depot/a:2:4 depot/b:2:9 depot/c:2:6 depot/d:2:3",
      "depot/a depot/c depot/d" },
    { "another goes instead of what is needed", 5, 0, "b", NULL, "depot/a:2:4 depot/b:2:9 depot/c:2:6 depot/d:2:3",
      "depot/b depot/d" },
    { "nothing of the last hour, however much it is", 1, 1, NULL, NULL, "depot/a:9:0 depot/b:9:0 depot/c:1:5",
      "depot/a depot/b" },
    { "size and age together", 100, 48, NULL, NULL, "depot/a:60:47 depot/b:60:30 depot/c:1:49", "depot/b" },
    { "trees and jars are folders", 0, 48, NULL, NULL, "trees/a:1:99 trees/b:1:1 jars/c:1:99 jars/d:1:1",
      "trees/b jars/d" },
    { "their size counts", 5, 0, NULL, NULL, "trees/a:3:7 trees/b:3:9 jars/c:1:8", "trees/a jars/c" },
    { "snapshots", 0, 48, NULL, NULL, "snapshots/a:1:99 snapshots/b:1:1", "snapshots/b" },
    { "mirrors", 0, 48, NULL, NULL, "mirrors/a:1:99 mirrors/b:1:1", "mirrors/b" },
    { "nothing there", 1, 1, NULL, NULL, "", "" },
};

static void make_all (const scene_t *scene, const char *entries)
{
    char what[32];
    size_t kib;
    long hours;
    int n;

    for (const char *at = entries; sscanf (at, " %31[^:]:%zu:%ld%n", what, &kib, &hours, &n) == 3; at += n)
        make (scene, what, kib, hours);
}

static void test_table (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        scene_t scene;
        char what[32];
        int n;
        open_scene (&scene, (ama_keep_limits_t){ .bytes = cases[i].kib * KIB, .age_ms = cases[i].hours * HOUR_MS });
        scene.kinds = AMA_KEEP_DEPOT | AMA_KEEP_TREES | AMA_KEEP_JARS | AMA_KEEP_SNAPSHOTS | AMA_KEEP_MIRRORS;
        scene.needed = cases[i].needed;
        scene.held = cases[i].held;
        make_all (&scene, cases[i].entries);
        start (&scene, &supervisor);
        start (&scene, &keeper);
        run (&scene, 3 * HOUR_MS); /* many looks come to the same */
        for (const char *at = cases[i].entries; sscanf (at, " %31[^:]:%*u:%*d%n", what, &n) == 1; at += n) {
            bool should = strstr (cases[i].left, what) != NULL;
            if (there (&scene, what) != should)
                fail_msg ("%s: %s is %s", cases[i].what, what, should ? "gone" : "there");
        }
        close_scene (&scene);
    }
}

/* More than one question holds, and the answer spares every second. */
static void test_many (void **state)
{
    scene_t scene;
    keep_list_t known = { 0 }, list;
    char *folder, path[256];

    (void) state;
    open_scene (&scene, (ama_keep_limits_t){ .age_ms = HOUR_MS });
    scene.needed = "0";
    folder = in (&scene, "depot");
    assert_int_equal (mkdir (folder, 0700), 0);
    for (unsigned i = 0; i < 600; i++) {
        (void) snprintf (path, sizeof path, "%s/%x%063x", folder, i % 2, i);
        spill (path, 10);
        age (path, 9 * HOUR_MS + i);
    }
    start (&scene, &supervisor);
    start (&scene, &keeper);
    run (&scene, 120000);
    keep_list (scene.root, AMA_KEEP_DEPOT, &known, &list);
    assert_int_equal (list.n, 300);
    for (size_t i = 0; i < list.n; i++)
        assert_int_equal (list.items[i].id[0], '0');
    assert_true (scene.asked >= 600);
    keep_list_done (&list);
    free (folder);
    close_scene (&scene);
}

/* ---- when nothing may be removed ---- */

static void test_without_supervisor (void **state)
{
    scene_t scene;

    (void) state;
    open_scene (&scene, (ama_keep_limits_t){ .age_ms = HOUR_MS });
    make (&scene, "depot/a", 1, 99);
    start (&scene, &keeper);
    run (&scene, 3 * HOUR_MS);
    assert_true (there (&scene, "depot/a"));
    start (&scene, &supervisor);
    run (&scene, HOUR_MS);
    assert_false (there (&scene, "depot/a"));
    close_scene (&scene);
}

static void test_other_users (void **state)
{
    scene_t scene;
    ama_err_t err = { 0 };
    char *other;
    int ready[2];
    pid_t pid;

    (void) state;
    open_scene (&scene, (ama_keep_limits_t){ .age_ms = HOUR_MS });
    make (&scene, "depot/a", 1, 99);
    other = in (&scene, "other");
    assert_int_equal (mkdir (other, 0700), 0);
    assert_int_equal (ama_cache_join (scene.root, other, &err), 0); /* another amad, which does not run */
    start (&scene, &supervisor);
    start (&scene, &keeper);
    run (&scene, 3 * HOUR_MS);
    assert_true (there (&scene, "depot/a"));
    assert_int_equal (ama_cache_lock (scene.root, scene.limits.home, &err), AMA_E_BUSY);
    assert_non_null (strstr (err.text, other));
    /* an `ama run` begins before that one is given up */
    assert_int_equal (pipe (ready), 0);
    pid = fork ();
    if (pid == 0) {
        _exit (ama_cache_join (scene.root, NULL, &err) < 0 || write (ready[1], "", 1) != 1 || pause ());
    }
    assert_int_equal (read (ready[0], &(char){ 0 }, 1), 1);
    assert_int_equal (rmdir (other), 0);
    run (&scene, HOUR_MS);
    assert_true (there (&scene, "depot/a"));
    assert_int_equal (kill (pid, SIGKILL), 0);
    assert_int_equal (waitpid (pid, NULL, 0), pid);
    run (&scene, HOUR_MS);
    assert_false (there (&scene, "depot/a"));
    (void) close (ready[0]), (void) close (ready[1]);
    free (other);
    close_scene (&scene);
}

/* Used between the look and the removal, or held by a fetch helper that reads it through. */
static void test_used_meanwhile (void **state)
{
    scene_t scene;
    keep_list_t known = { 0 }, list;
    char *path, id[KEEP_ID_TEXT];
    ama_str_t name = { 0 };
    int fd;

    (void) state;
    open_scene (&scene, (ama_keep_limits_t){ 0 });
    make (&scene, "trees/a", 1, 9);
    make (&scene, "trees/b", 1, 9);
    keep_list (scene.root, AMA_KEEP_TREES, &known, &list);
    assert_int_equal (list.n, 2);
    ama_str_printf (&name, "trees/%s", id_of ('a', id));
    path = in (&scene, name.data);
    ama_str_done (&name);
    assert_true (ama_cache_touch (AT_FDCWD, path));
    fd = open (path, O_RDONLY | O_CLOEXEC);
    path[strlen (path) - 1] = 'b'; /* no such */
    assert_false (ama_cache_touch (AT_FDCWD, path));
    for (size_t i = 0; i < 2; i++)
        assert_int_equal (keep_unname (scene.root, &list.items[i]), list.items[i].id[0] == 'b');
    keep_sweep (scene.root, AMA_KEEP_TREES, 0);
    keep_list_done (&list);
    make (&scene, "trees/a", 1, 9);
    keep_list (scene.root, AMA_KEEP_TREES, &known, &list);
    assert_int_equal (flock (fd, LOCK_SH), 0);
    assert_false (keep_unname (scene.root, &list.items[0]));
    (void) close (fd);
    assert_true (keep_unname (scene.root, &list.items[0]));
    assert_false (there (&scene, "trees/a"));
    keep_list_done (&list);
    free (path);
    close_scene (&scene);
}

/* ---- snapshots and the trees that are links to them ---- */

static void link_tree (const scene_t *scene, char tree, char snapshot, int64_t hours)
{
    char id[KEEP_ID_TEXT];
    ama_str_t path = { 0 }, target = { 0 };
    ama_err_t err = { 0 };

    ama_str_printf (&path, "%s/trees/%s", scene->root, id_of (tree, id));
    assert_int_equal (ama_paths_mkdir (path.data, &err), 0);
    ama_str_printf (&target, "%s/snapshots/%s/tree", scene->root, id_of (snapshot, id));
    ama_str_puts (&path, "/tree");
    assert_int_equal (symlink (target.data, path.data), 0);
    *strrchr (path.data, '/') = '\0';
    age (path.data, hours * HOUR_MS);
    ama_str_done (&path);
    ama_str_done (&target);
}

static void test_links (void **state)
{
    scene_t scene;

    (void) state;
    open_scene (&scene, (ama_keep_limits_t){ .age_ms = 48ll * HOUR_MS });
    scene.kinds = AMA_KEEP_SNAPSHOTS | AMA_KEEP_TREES;
    scene.needed = "1";
    make_all (&scene, "snapshots/a:1:99 snapshots/b:1:99 snapshots/c:1:99");
    link_tree (&scene, '1', 'a', 99); /* needed by the tree's name */
    link_tree (&scene, '2', 'b', 99);
    link_tree (&scene, '3', 'c', 5);  /* used by the tree's name */
    link_tree (&scene, '4', 'd', 99); /* what it leads to was removed by hand */
    start (&scene, &supervisor);
    start (&scene, &keeper);
    run (&scene, HOUR_MS);
    assert_true (there (&scene, "snapshots/a") && there (&scene, "trees/1"));
    assert_false (there (&scene, "snapshots/b") || there (&scene, "trees/2"));
    assert_true (there (&scene, "snapshots/c") && there (&scene, "trees/3"));
    assert_false (there (&scene, "trees/4"));
    close_scene (&scene);
}

/* ---- killed in the middle ---- */

enum { FILES = 20 };

static void make_tree (const scene_t *scene, unsigned number)
{
    char path[256];
    ama_err_t err = { 0 };

    (void) snprintf (path, sizeof path, "%s/trees/%064x/tree", scene->root, number);
    assert_int_equal (ama_paths_mkdir (path, &err), 0);
    for (int i = 0; i < FILES; i++) {
        char file[300];
        (void) snprintf (file, sizeof file, "%s/%d", path, i);
        spill (file, 1);
    }
    *strrchr (path, '/') = '\0';
    age (path, 9 * HOUR_MS);
}

/* What has a name is whole. */
static size_t count_whole (const scene_t *scene)
{
    keep_list_t known = { 0 }, list;
    size_t n;

    keep_list (scene->root, AMA_KEEP_TREES, &known, &list);
    for (size_t i = 0; i < list.n; i++)
        assert_int_equal (list.items[i].bytes, FILES);
    n = list.n;
    keep_list_done (&list);
    return n;
}

static size_t count_names (const scene_t *scene)
{
    char command[128], text[32] = "";
    FILE *pipe;

    (void) snprintf (command, sizeof command, "ls -A %s/trees | wc -l", scene->root);
    pipe = popen (command, "r"); /* NOLINT(cert-env33-c): a test, and a fixed command */
    assert_non_null (pipe);
    assert_non_null (fgets (text, sizeof text, pipe));
    (void) pclose (pipe);
    return (size_t) atoi (text);
}

static void remove_all (const char *cache, int begun)
{
    keep_list_t known = { 0 }, list;

    if (write (begun, "", 1) != 1)
        _exit (1);

    keep_list (cache, AMA_KEEP_TREES, &known, &list);
    for (size_t i = 0; i < list.n; i++)
        (void) keep_unname (cache, &list.items[i]);
    keep_sweep (cache, AMA_KEEP_TREES, 0);
    _exit (0);
}

static void test_killed (void **state)
{
    enum { ROUNDS = 40, TREES = 8 };
    scene_t scene;
    unsigned seed = 20260131, number = 0, whole_us = 0;
    const ama_clock_t *clock = ama_clock_system ();
    int64_t began_us;
    size_t cut = 0;
    int begun[2];

    (void) state;
    open_scene (&scene, (ama_keep_limits_t){ 0 });
    assert_int_equal (pipe (begun), 0);
    for (int round = 0; round < ROUNDS; round++) {
        size_t whole;
        pid_t pid;
        for (int i = 0; i < TREES; i++)
            make_tree (&scene, ++number);
        pid = fork ();
        if (pid == 0)
            remove_all (scene.root, begun[1]);
        assert_int_equal (read (begun[0], &(char){ 0 }, 1), 1);
        began_us = clock->mono_us (clock);
        if (round) {
            (void) usleep ((useconds_t) (rand_r (&seed) % (whole_us + 1)));
            (void) kill (pid, SIGKILL);
        }
        assert_int_equal (waitpid (pid, NULL, 0), pid);
        if (!round) /* how long it takes when nobody kills */
            whole_us = (unsigned) (clock->mono_us (clock) - began_us);
        whole = count_whole (&scene);
        cut += count_names (&scene) != whole;
        keep_sweep (scene.root, AMA_KEEP_TREES, ama_wall_ms (ama_clock_system ()));
        assert_int_equal (count_names (&scene), whole);
    }
    (void) close (begun[0]), (void) close (begun[1]);
    print_message ("%d kills, %zu of them within a removal\n", ROUNDS - 1, cut);
    close_scene (&scene);
}

/* Parts of a transfer whose program was killed go after a day. */
static void test_parts (void **state)
{
    scene_t scene;
    char *old, *young;

    (void) state;
    open_scene (&scene, (ama_keep_limits_t){ .age_ms = 999ll * HOUR_MS });
    make (&scene, "depot/a", 1, 0);
    old = in (&scene, "depot/new.17-1.part");
    young = in (&scene, "depot/new.17-2.part");
    spill (old, 5), spill (young, 5);
    age (old, 25 * HOUR_MS), age (young, HOUR_MS);
    start (&scene, &keeper);
    run (&scene, HOUR_MS);
    assert_int_equal (access (old, F_OK), -1);
    assert_int_equal (access (young, F_OK), 0);
    assert_true (there (&scene, "depot/a"));
    free (old), free (young);
    close_scene (&scene);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_table),
        cmocka_unit_test (test_many),
        cmocka_unit_test (test_without_supervisor),
        cmocka_unit_test (test_other_users),
        cmocka_unit_test (test_used_meanwhile),
        cmocka_unit_test (test_links),
        cmocka_unit_test (test_killed),
        cmocka_unit_test (test_parts),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
