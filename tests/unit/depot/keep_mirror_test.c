/* keep_mirror_test.c - when a mirror was used stands on its lock, and who uses it holds that: as long as it takes to fetch, or to read a snapshot from it */
#include "actors/base/ama_clock.h"
#include "actors/base/ama_str.h"
#include "actors/depot/keep_disk.h"
#include "actors/depot/tree_file.h"
#include "config/ama_paths.h"
#include "tests/unit/table.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HOUR_MS = 3600000 };

static void age (const char *path, int64_t ms)
{
    int64_t at = ama_wall_ms (ama_clock_system ()) - ms;
    struct timespec times[2] = { { .tv_sec = at / 1000 }, { .tv_sec = at / 1000 } };

    assert_int_equal (utimensat (AT_FDCWD, path, times, 0), 0);
}

/* A folder as old as it is said; returns its lock's path, as old, open. */
static int make (const char *cache, char digit, int64_t hours, char lock[256])
{
    char id[KEEP_ID_TEXT], path[192];
    ama_err_t err = { 0 };
    int fd;

    memset (id, digit, sizeof id - 1);
    id[sizeof id - 1] = '\0';
    (void) snprintf (path, sizeof path, "%s/mirrors/%s", cache, id);
    (void) snprintf (lock, 256, "%s.lock", path);
    assert_int_equal (ama_paths_mkdir (path, &err), 0);
    fd = open (lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true (fd >= 0);
    age (path, hours * HOUR_MS);
    age (lock, hours * HOUR_MS);
    return fd;
}

static void used (void **state)
{
    char cache[] = "/tmp/ama-mirrors-XXXXXX", lock_a[256], lock_b[256];
    keep_list_t known = { 0 }, list;
    int a, b;

    (void) state;
    assert_non_null (mkdtemp (cache));
    a = make (cache, 'a', 99, lock_a);
    b = make (cache, 'b', 50, lock_b);
    age (lock_a, 2 * HOUR_MS); /* so it is the younger one */
    keep_list (cache, AMA_KEEP_MIRRORS, &known, &list);
    assert_int_equal (list.n, 2);
    assert_int_equal (list.items[0].id[0], 'b');
    assert_int_equal (flock (b, LOCK_SH), 0);
    assert_false (keep_unname (cache, &list.items[0])); /* it is being used */
    assert_int_equal (flock (b, LOCK_UN), 0);
    assert_true (keep_unname (cache, &list.items[0]));
    age (lock_a, HOUR_MS);
    assert_false (keep_unname (cache, &list.items[1])); /* it has been, since it was listed */
    keep_list_done (&list);
    keep_sweep (cache, AMA_KEEP_MIRRORS, 0);
    keep_list (cache, AMA_KEEP_MIRRORS, &known, &list);
    assert_int_equal (list.n, 1);
    assert_int_equal (list.items[0].id[0], 'a');
    assert_true (keep_unname (cache, &list.items[0]));
    keep_list_done (&list);
    assert_int_equal (access (lock_a, F_OK), 0); /* somebody may wait for it */
    (void) close (a), (void) close (b);
    ama_tree_remove (cache);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (used) };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
