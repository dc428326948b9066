/* store_test.c - the store on a real folder: files come in, are found again, and are not believed when they look different */
#include "actors/base/ama_clock.h"
#include "actors/base/ama_str.h"
#include "actors/depot/cache_user.h"
#include "actors/resolver/resolve_store.h"
#include "tests/unit/table.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    char cache[64];
    ama_resolve_store_t *store;
    ama_digest_t set;
} world_t;

static void write_file (const char *path, const char *text)
{
    FILE *file = fopen (path, "w");

    assert_non_null (file);
    assert_true (fputs (text, file) >= 0);
    assert_int_equal (fclose (file), 0);
}

static int setup (void **state)
{
    world_t *world = ama_calloc (1, sizeof *world);
    char path[128];

    (void) snprintf (world->cache, sizeof world->cache, "/tmp/ama-store-XXXXXX");
    assert_non_null (mkdtemp (world->cache));
    (void) snprintf (path, sizeof path, "%s/coursier", world->cache);
    assert_int_equal (mkdir (path, 0700), 0);
    world->store = ama_resolve_store_new (world->cache);
    world->set = ama_digest_of ("set", 3);
    *state = world;
    return 0;
}

static int remove_one (const char *path, const struct stat *info, int flag, struct FTW *ftw)
{
    (void) info, (void) flag, (void) ftw;
    return remove (path);
}

static int teardown (void **state)
{
    world_t *world = *state;

    ama_resolve_store_destroy (&world->store);
    (void) nftw (world->cache, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free (world);
    return 0;
}

/* Makes <cache>/coursier/NAME and puts it as g:NAME:1. */
static int put (world_t *world, const char *name, const char *text, ama_resolve_lock_t *lock, ama_err_t *err)
{
    char path[256], coordinates[128];
    ama_resolve_found_t found = { coordinates, path, strlen (text) };

    (void) snprintf (path, sizeof path, "%s/coursier/%s", world->cache, name);
    (void) snprintf (coordinates, sizeof coordinates, "g:%s:1", name);
    (void) unlink (path);
    write_file (path, text);
    return ama_resolve_store_put (world->store, &world->set, &found, 1, lock, err);
}

static int find (world_t *world, ama_resolve_lock_t *lock)
{
    return ama_resolve_store_find (world->store, &world->set, lock, NULL);
}

static char *path_of (const world_t *world, const ama_resolve_lock_t *lock)
{
    return ama_resolve_store_path (world->store, &lock->files[0]);
}

static void put_and_found (void **state)
{
    world_t *world = *state;
    ama_resolve_lock_t one, two;
    ama_digest_t digest = ama_digest_of ("bytes", 5), real;
    struct stat info;
    char *path;

    assert_int_equal (find (world, &one), AMA_E_NOT_FOUND);
    assert_int_equal (put (world, "a", "bytes", &one, NULL), 0);
    path = path_of (world, &one);
    assert_true (ama_digest_equal (&one.files[0].digest, &digest));
    assert_int_equal (ama_digest_file (path, &real, NULL), 0);
    assert_true (ama_digest_equal (&real, &digest));
    assert_int_equal (stat (path, &info), 0);
    assert_int_equal (info.st_mode & 0777, 0444);
    assert_int_equal (info.st_nlink, 2); /* not a second copy */
    assert_int_equal (find (world, &two), 0);
    assert_string_equal (two.files[0].coordinates, "g:a:1");
    assert_int_equal (two.files[0].size, 5);
    ama_resolve_lock_done (&two);
    /* the same again, and the same bytes under another name */
    assert_int_equal (put (world, "a", "bytes", &two, NULL), 0);
    ama_resolve_lock_done (&two);
    world->set = ama_digest_of ("other", 5);
    assert_int_equal (put (world, "b", "bytes", &two, NULL), 0);
    assert_int_equal (access (path, F_OK), 0);
    free (path);
    path = path_of (world, &two);
    assert_int_equal (access (path, F_OK), 0);
    free (path);
    ama_resolve_lock_done (&one);
    ama_resolve_lock_done (&two);
}

/* What is looked for was used then; what nobody has read for long goes from coursier's folder, but no file that is in the store, too. */
static void used_and_unused (void **state)
{
    world_t *world = *state;
    int64_t now = ama_wall_ms (ama_clock_system ());
    const struct timespec long_ago[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    ama_resolve_lock_t lock, again;
    char home[96], other[96], jar[96], pom[128], *path, *folder;
    ama_err_t err = { 0 };
    struct stat info;
    uint64_t bytes;

    (void) snprintf (home, sizeof home, "%s/home", world->cache);
    (void) snprintf (other, sizeof other, "%s/other", world->cache);
    (void) snprintf (jar, sizeof jar, "%s/coursier/a", world->cache);
    (void) snprintf (pom, sizeof pom, "%s/coursier/of/many", world->cache);
    assert_int_equal (mkdir (home, 0700), 0);
    assert_int_equal (mkdir (other, 0700), 0);
    assert_int_equal (put (world, "a", "bytes", &lock, NULL), 0);
    path = path_of (world, &lock);
    folder = ama_strndup (path, (size_t) (strrchr (path, '/') - path));
    assert_int_equal (utimensat (AT_FDCWD, folder, long_ago, 0), 0);
    assert_int_equal (find (world, &again), 0);
    ama_resolve_lock_done (&again);
    assert_int_equal (stat (folder, &info), 0);
    assert_true (info.st_mtim.tv_sec >= now / 1000 - 1);

    (void) snprintf (pom, sizeof pom, "%s/coursier/of", world->cache);
    assert_int_equal (mkdir (pom, 0700), 0);
    (void) snprintf (pom, sizeof pom, "%s/coursier/of/many", world->cache);
    write_file (pom, "described");
    assert_int_equal (ama_cache_join (world->cache, home, &err), 0);
    assert_int_equal (ama_resolve_store_trim (world->store, home, now - 60000, &bytes), 0); /* it is young */
    assert_int_equal (ama_cache_join (world->cache, other, &err), 0);
    assert_int_equal (ama_resolve_store_trim (world->store, home, now + 60000, &bytes), 0); /* another uses it, too */
    assert_int_equal (rmdir (other), 0);
    assert_int_equal (ama_resolve_store_trim (world->store, home, now + 60000, &bytes), 1);
    assert_int_equal (bytes, 9);
    assert_int_equal (access (pom, F_OK), -1);
    *strrchr (pom, '/') = '\0';
    assert_int_equal (access (pom, F_OK), -1); /* and its folder */
    assert_int_equal (access (jar, F_OK), 0);
    assert_int_equal (unlink (path), 0); /* as it goes from the store when no run needs it */
    assert_int_equal (ama_resolve_store_trim (world->store, home, now + 60000, &bytes), 1);
    assert_int_equal (access (jar, F_OK), -1);
    free (folder);
    free (path);
    ama_resolve_lock_done (&lock);
}

/* Each kind of damage is seen by a process that has read the file, and by a new one; the bad file is gone then. */
static void damage (void **state)
{
    static const struct {
        const char *what, *text; /* NULL: the file is removed; "->": a link instead; "/": a folder */
    } rows[] = { { "same size", "BYTES" }, { "shorter", "b" }, { "longer", "bytes+" }, { "empty", "" },
                 { "gone", NULL },         { "a link", "->" }, { "a folder", "/" } };
    world_t *world = *state;

    for (size_t i = 0; i < ARRAY_SIZE (rows) * 2; i++) {
        const char *text = rows[i / 2].text, *what = rows[i / 2].what;
        ama_resolve_lock_t lock, found;
        struct stat info;
        char *path;
        ROW_ASSERT (what, put (world, "a", "bytes", &lock, NULL) == 0);
        path = path_of (world, &lock);
        if (i % 2) {
            ama_resolve_store_destroy (&world->store);
            world->store = ama_resolve_store_new (world->cache);
        }
        (void) unlink (path);
        if (text && *text == '-')
            ROW_ASSERT (what, symlink ("/etc/hostname", path) == 0);
        else if (text && *text == '/')
            ROW_ASSERT (what, mkdir (path, 0700) == 0);
        else if (text)
            write_file (path, text);
        ROW_ASSERT (what, find (world, &found) == AMA_E_NOT_FOUND);
        ROW_ASSERT (what, lstat (path, &info) < 0 || S_ISDIR (info.st_mode));
        (void) rmdir (path);
        free (path);
        ama_resolve_lock_done (&lock);
    }
}

static void in_place_change_is_seen (void **state)
{
    world_t *world = *state;
    ama_resolve_lock_t lock, found;
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 1000000000 } };
    char *path;

    assert_int_equal (put (world, "a", "bytes", &lock, NULL), 0);
    path = path_of (world, &lock);
    assert_int_equal (find (world, &found), 0);
    ama_resolve_lock_done (&found);
    /* another time, the same bytes: read again, and good */
    assert_int_equal (utimensat (AT_FDCWD, path, times, 0), 0);
    assert_int_equal (find (world, &found), 0);
    ama_resolve_lock_done (&found);
    assert_int_equal (chmod (path, 0600), 0);
    write_file (path, "BYTES");
    assert_int_equal (find (world, &found), AMA_E_NOT_FOUND);
    /* and it can be had again */
    ama_resolve_lock_done (&lock);
    assert_int_equal (put (world, "a", "bytes", &lock, NULL), 0);
    assert_int_equal (find (world, &found), 0);
    ama_resolve_lock_done (&found);
    ama_resolve_lock_done (&lock);
    free (path);
}

static void changed_release (void **state)
{
    world_t *world = *state;
    ama_resolve_lock_t lock;
    ama_err_t err = { 0 };

    assert_int_equal (put (world, "a", "bytes", &lock, NULL), 0);
    ama_resolve_lock_done (&lock);
    assert_int_equal (put (world, "a", "other", &lock, &err), AMA_E_INTEGRITY);
    assert_non_null (strstr (err.text, "g:a:1 is not the file it was"));
    assert_non_null (strstr (err.text, "/locks/"));
    assert_int_equal (find (world, &lock), 0); /* the lock is what it was */
    assert_int_equal (lock.files[0].size, 5);
    ama_resolve_lock_done (&lock);
}

static void only_from_the_cache (void **state)
{
    world_t *world = *state;
    char inside[160], link_[160], folder[160], up[200];
    ama_resolve_found_t rows[] = { { (char[]){ "g:a:1" }, (char[]){ "/etc/hostname" }, 1 },
                                   { (char[]){ "g:a:1" }, inside, 1 },
                                   { (char[]){ "g:a:1" }, link_, 1 },
                                   { (char[]){ "g:a:1" }, folder, 1 },
                                   { (char[]){ "g:a:1" }, up, 1 } };

    (void) snprintf (inside, sizeof inside, "%s/coursier/nothing", world->cache);
    (void) snprintf (link_, sizeof link_, "%s/coursier/link", world->cache);
    (void) snprintf (folder, sizeof folder, "%s/coursier/folder", world->cache);
    (void) snprintf (up, sizeof up, "%s/coursier/../../../etc/hostname", world->cache);
    assert_int_equal (symlink ("/etc/hostname", link_), 0);
    assert_int_equal (mkdir (folder, 0700), 0);
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_resolve_lock_t lock;
        ama_err_t err = { 0 };
        if (ama_resolve_store_put (world->store, &world->set, &rows[i], 1, &lock, &err) != AMA_E_CHILD)
            fail_msg ("%s: %s %s", rows[i].path, ama_err_name (err.code), err.text);
    }
}

static void locks_that_are_none (void **state)
{
    static const char *const texts[] = { "", "{", "{\"version\": 1}" };
    world_t *world = *state;
    ama_resolve_lock_t lock;
    char hex[AMA_DIGEST_TEXT], path[256];

    (void) snprintf (path, sizeof path, "%s/locks/%s.json", world->cache, ama_digest_text (&world->set, hex));
    for (size_t i = 0; i < ARRAY_SIZE (texts); i++) {
        assert_int_equal (put (world, "a", "bytes", &lock, NULL), 0);
        ama_resolve_lock_done (&lock);
        write_file (path, texts[i]);
        assert_int_equal (find (world, &lock), AMA_E_NOT_FOUND);
    }
    assert_int_equal (unlink (path), 0);
    assert_int_equal (mkfifo (path, 0600), 0); /* does not block */
    assert_int_equal (find (world, &lock), AMA_E_NOT_FOUND);
}

static void nothing_is_left_behind (void **state)
{
    world_t *world = *state;
    ama_resolve_found_t bad = { (char[]){ "g:a:1" }, (char[]){ "/etc/hostname" }, 1 };
    ama_resolve_lock_t lock;
    char command[256];

    assert_int_equal (put (world, "a", "bytes", &lock, NULL), 0);
    ama_resolve_lock_done (&lock);
    assert_int_equal (put (world, "a", "other", &lock, NULL), AMA_E_INTEGRITY);
    assert_int_equal (ama_resolve_store_put (world->store, &world->set, &bad, 1, &lock, NULL), AMA_E_CHILD);
    (void) snprintf (command, sizeof command, "test -z \"$(find %s -name 'tmp.*')\"", world->cache);
    assert_int_equal (system (command), 0);
}

static void stopped (void **state)
{
    world_t *world = *state;
    ama_resolve_lock_t lock;

    ama_resolve_store_stop (world->store);
    assert_int_equal (put (world, "a", "bytes", &lock, NULL), AMA_E_CANCELLED);
}

static void no_room (void **state)
{
    world_t *world = *state;
    ama_resolve_lock_t lock;
    ama_err_t err = { 0 };
    char jars[128];

    (void) snprintf (jars, sizeof jars, "%s/jars", world->cache);
    write_file (jars, "a file where a folder belongs");
    assert_int_equal (put (world, "a", "bytes", &lock, &err), AMA_E_IO);
    assert_non_null (strstr (err.text, jars));
}

#define ONE(test) cmocka_unit_test_setup_teardown (test, setup, teardown)

int main (void)
{
    const struct CMUnitTest tests[] = { ONE (put_and_found),
                                        ONE (used_and_unused),
                                        ONE (damage),
                                        ONE (in_place_change_is_seen),
                                        ONE (changed_release),
                                        ONE (only_from_the_cache),
                                        ONE (locks_that_are_none),
                                        ONE (stopped),
                                        ONE (nothing_is_left_behind),
                                        ONE (no_room) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
