/* stock_test.c - files between three disks: a fetcher packs a tree and offers it, the depot pulls it, a planner gets it */
#include "actors/base/ama_str.h"
#include "actors/depot/depot_actor.h"
#include "actors/depot/stock.h"
#include "actors/depot/tree_file.h"
#include "actors/runtime/ama_sim.h"
#include "messages/ama_types.h"
#include "messages/depot.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { BIG = 3 << 20 }; /* more than is ever under way */

typedef struct {
    char root[64];
    ama_sim_t *sim;
    char *tree; /* as the fetcher tells it */
    bool kept;  /* the depot has it */
    int code;   /* of the planner's want */
    size_t wants;
} scene_t;

typedef struct {
    scene_t *scene;
    ama_ctx_t *ctx;
    ama_stock_t *stock;
} part_t;

static char *in (const scene_t *scene, const char *name)
{
    ama_str_t path = { 0 };

    ama_str_printf (&path, "%s/%s", scene->root, name);
    return ama_str_take (&path);
}

/* ---- a fetcher ---- */

static void on_kept (void *arg, const ama_err_t *err)
{
    ((part_t *) arg)->scene->kept = !err;
}

static void on_packed (void *arg, const char *path, const ama_digest_t *digest, const ama_err_t *err)
{
    part_t *self = arg;

    assert_null (err);
    free (self->scene->tree);
    self->scene->tree = ama_strdup (path);
    ama_stock_offer (self->stock, digest, 1, on_kept, self);
}

static void fetcher_joined (ama_ctx_t *ctx, void *state, uint64_t epoch)
{
    part_t *self = state;
    char *folder = in (self->scene, "made");

    (void) ctx, (void) epoch;
    ama_stock_add_tree (self->stock, folder, on_packed, self);
    free (folder);
}

static int on_get (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    (void) ctx;
    return ama_stock_serve (((part_t *) state)->stock, envelope, &((const ama_depot_get_t *) body)->digest, err);
}

/* ---- a planner ---- */

static void on_here (void *arg, const ama_err_t *err)
{
    part_t *self = arg;

    self->scene->wants++;
    self->scene->code = err ? err->code : 0;
}

static void want (part_t *self, const char *path, int64_t patience_ms)
{
    ama_stock_want (self->stock, &path, 1, patience_ms, on_here, self);
}

static int init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    part_t *self = state;
    char *cache;

    (void) err;
    self->scene = (scene_t *) (uintptr_t) config;
    self->ctx = ctx;
    cache = in (self->scene, ama_self (ctx));
    self->stock = ama_stock_new (ctx, cache);
    free (cache);
    return 0;
}

static void done (void *state)
{
    ama_stock_destroy (&((part_t *) state)->stock);
}

static const ama_handler_t fetcher_handlers[] = { { AMA_MSG_DEPOT_GET, on_get }, AMA_HANDLER_END };
static const ama_handler_t no_handlers[] = { AMA_HANDLER_END };

static const ama_actor_def_t fetcher = {
    .name = "fetcher",
    .role = AMA_ROLE_FETCHER,
    .state_size = sizeof (part_t),
    .init = init,
    .done = done,
    .joined = fetcher_joined,
    .handlers = fetcher_handlers,
};

static const ama_actor_def_t planner = {
    .name = "planner",
    .role = AMA_ROLE_PLANNER,
    .state_size = sizeof (part_t),
    .init = init,
    .done = done,
    .handlers = no_handlers,
};

/* ---- the scene ---- */

static void spill (const char *path, size_t size)
{
    FILE *file = fopen (path, "w");

    assert_non_null (file);
    for (size_t i = 0; i < size; i++)
        (void) fputc ((int) (i * 7 % 251), file);
    assert_int_equal (fclose (file), 0);
}

static void start (scene_t *scene, const ama_actor_def_t *def)
{
    ama_err_t err = { 0 };
    char *cache = in (scene, "depot");
    ama_depot_conf_t conf = { .cache_dir = cache, .keep = { .age_ms = 86400000, .home = scene->root } };

    assert_int_equal (ama_sim_start (scene->sim, def, NULL, def == &ama_depot_def ? (void *) &conf : scene, &err), 0);
    free (cache);
}

static void run (scene_t *scene, int64_t ms)
{
    (void) ama_sim_run (scene->sim, ama_sim_now_ms (scene->sim) + ms, UINT64_MAX);
}

static void open_scene (scene_t *scene, bool depot)
{
    char *made, *file;

    *scene = (scene_t){ .code = 1 };
    (void) snprintf (scene->root, sizeof scene->root, "/tmp/ama-stock-XXXXXX");
    assert_non_null (mkdtemp (scene->root));
    made = in (scene, "made");
    file = in (scene, "made/big");
    assert_int_equal (mkdir (made, 0755), 0);
    spill (file, BIG);
    free (made), free (file);
    scene->sim = ama_sim_new (&(ama_sim_conf_t){ .seed = 1, .delay_ms = 5 });
    if (depot)
        start (scene, &ama_depot_def);
    start (scene, &fetcher);
    start (scene, &planner);
    run (scene, 20000);
}

static void close_scene (scene_t *scene)
{
    ama_sim_destroy (&scene->sim);
    ama_tree_remove (scene->root);
    free (scene->tree);
}

static part_t *the_planner (scene_t *scene)
{
    return ama_sim_state (scene->sim, "planner");
}

static void test_brought (void **state)
{
    scene_t scene;
    char *local, file[256];
    struct stat st;

    (void) state;
    open_scene (&scene, true);
    assert_true (scene.kept);
    assert_false (ama_stock_has (the_planner (&scene)->stock, scene.tree));
    want (the_planner (&scene), scene.tree, 1000);
    want (the_planner (&scene), scene.tree, 1000);
    want (the_planner (&scene), "/srv/some/folder", 1000);
    run (&scene, 20000);
    assert_int_equal (scene.wants, 3);
    assert_int_equal (scene.code, 0);
    assert_true (ama_stock_has (the_planner (&scene)->stock, scene.tree));
    local = ama_stock_local (the_planner (&scene)->stock, scene.tree);
    (void) snprintf (file, sizeof file, "%s/big", local);
    assert_int_equal (stat (file, &st), 0);
    assert_int_equal (st.st_size, BIG);
    free (local);
    ama_sim_crash (scene.sim, "depot", 0); /* it is not needed a second time */
    want (the_planner (&scene), scene.tree, 0);
    run (&scene, 20000);
    assert_int_equal (scene.wants, 4);
    assert_int_equal (scene.code, 0);
    close_scene (&scene);
}

static void test_depot_comes_late (void **state)
{
    scene_t scene;

    (void) state;
    open_scene (&scene, false);
    assert_false (scene.kept);
    want (the_planner (&scene), scene.tree, 600000);
    run (&scene, 3000);
    assert_int_equal (scene.wants, 0);
    ama_sim_crash (scene.sim, "fetcher", 0);
    start (&scene, &ama_depot_def);
    start (&scene, &fetcher); /* offers it again */
    run (&scene, 30000);
    assert_true (scene.kept);
    assert_int_equal (scene.wants, 1);
    close_scene (&scene);
}

static void test_not_there (void **state)
{
    scene_t scene;
    static const char jar[] = "/x/jars/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b856/none.jar";

    (void) state;
    open_scene (&scene, true);
    want (the_planner (&scene), jar, 600000);
    run (&scene, 20000);
    assert_int_equal (scene.code, AMA_E_NOT_FOUND);
    ama_sim_crash (scene.sim, "depot", 0);
    want (the_planner (&scene), jar, 2000);
    run (&scene, 20000);
    assert_int_equal (scene.wants, 2);
    assert_int_equal (scene.code, AMA_E_UNREACHABLE);
    close_scene (&scene);
}

static char *blob_of (const scene_t *scene)
{
    const char *at = strstr (scene->tree, "/trees/") + 7;
    char name[128];

    (void) snprintf (name, sizeof name, "depot/depot/%.64s", at);
    return in (scene, name);
}

/* The fetcher, started anew, makes it again, and the planner has it. */
static void comes_again (scene_t *scene)
{
    scene->kept = false;
    ama_sim_crash (scene->sim, "fetcher", 0);
    start (scene, &fetcher);
    run (scene, 20000);
    assert_true (scene->kept);
    want (the_planner (scene), scene->tree, 0);
    run (scene, 20000);
    assert_int_equal (scene->code, 0);
}

/* What the depot has is not what it was: nothing of it is used, and the next offer mends it. */
static void test_damaged (void **state)
{
    scene_t scene;
    char *blob;
    FILE *file;

    (void) state;
    open_scene (&scene, true);
    blob = blob_of (&scene);
    assert_int_equal (chmod (blob, 0600), 0);
    file = fopen (blob, "r+");
    assert_non_null (file);
    assert_int_equal (fseek (file, BIG / 2, SEEK_SET), 0);
    (void) fputs ("damaged", file);
    (void) fclose (file);
    want (the_planner (&scene), scene.tree, 0);
    run (&scene, 20000);
    assert_int_equal (scene.code, AMA_E_INTEGRITY);
    assert_false (ama_stock_has (the_planner (&scene)->stock, scene.tree));
    comes_again (&scene);
    free (blob);
    close_scene (&scene);
}

/* The supervisor, to whom no run is open. */
static int on_spare (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    const ama_depot_needed_t reply = { 0 };
    ama_waiter_t waiter = ama_waiter (envelope);

    (void) state, (void) body, (void) err;
    (void) ama_reply (ctx, &waiter, AMA_MSG_DEPOT_NEEDED, &reply);
    return 0;
}

static const ama_handler_t spare_handlers[] = { { AMA_MSG_DEPOT_SPARE, on_spare }, AMA_HANDLER_END };

static const ama_actor_def_t supervisor = {
    .name = "supervisor",
    .role = AMA_ROLE_SUPERVISOR,
    .state_size = 1,
    .handlers = spare_handlers,
};

/* What was removed is not there, which is said; and is there again when its maker offers it again. */
static void test_removed (void **state)
{
    scene_t scene;
    char *blob, *trees;
    const struct timespec long_ago[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

    (void) state;
    open_scene (&scene, true);
    start (&scene, &supervisor);
    blob = blob_of (&scene);
    run (&scene, 1200000);
    assert_int_equal (access (blob, F_OK), 0); /* it is young */
    assert_int_equal (utimensat (AT_FDCWD, blob, long_ago, 0), 0);
    run (&scene, 1200000);
    assert_int_equal (access (blob, F_OK), -1);
    want (the_planner (&scene), scene.tree, 0);
    run (&scene, 20000);
    assert_int_equal (scene.code, AMA_E_NOT_FOUND);
    comes_again (&scene);
    /* that it was sent counts as use */
    assert_int_equal (utimensat (AT_FDCWD, blob, long_ago, 0), 0);
    trees = in (&scene, "planner/trees");
    ama_tree_remove (trees);
    want (the_planner (&scene), scene.tree, 0);
    run (&scene, 1200000);
    assert_int_equal (scene.code, 0);
    assert_int_equal (access (blob, F_OK), 0);
    free (trees);
    free (blob);
    close_scene (&scene);
}

/* The fetcher goes away in the middle: the depot says no, and has nothing. */
static void test_offerer_dies (void **state)
{
    scene_t scene;
    char *blob;

    (void) state;
    open_scene (&scene, false);
    start (&scene, &ama_depot_def);
    ama_sim_crash (scene.sim, "fetcher", 0);
    start (&scene, &fetcher);
    for (int i = 0; i < 3000 && !scene.kept; i++) {
        (void) ama_sim_run (scene.sim, ama_sim_now_ms (scene.sim) + 1000, 3);
        if (i == 12)
            ama_sim_crash (scene.sim, "fetcher", 0);
    }
    run (&scene, 60000);
    blob = blob_of (&scene);
    assert_int_equal (access (blob, F_OK), scene.kept ? 0 : -1);
    start (&scene, &fetcher);
    run (&scene, 60000);
    assert_true (scene.kept);
    free (blob);
    close_scene (&scene);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_brought),      cmocka_unit_test (test_depot_comes_late),
                                        cmocka_unit_test (test_not_there),    cmocka_unit_test (test_damaged),
                                        cmocka_unit_test (test_offerer_dies), cmocka_unit_test (test_removed) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
