/* fence.c - Landlock rules for the helper. Helper program only; once per process. */
#include "actors/fetcher/helper/fence.h"

#include "actors/base/ama_str.h"
#include "actors/fetcher/helper/store.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

static const uint64_t basic_rights = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR
                                     | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR
                                     | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG
                                     | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO
                                     | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;

static void allow (int rules_fd, int fd, uint64_t rights)
{
    struct landlock_path_beneath_attr attr = { .allowed_access = rights, .parent_fd = fd };

    if (fd >= 0) {
        (void) syscall (SYS_landlock_add_rule, rules_fd, LANDLOCK_RULE_PATH_BENEATH, &attr, 0);
        (void) close (fd);
    }
}

static void raise_fence (int cache_fd)
{
    long abi = syscall (SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct landlock_ruleset_attr attr = { .handled_access_fs = basic_rights };
    int rules_fd;

    if (abi >= 2)
        attr.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3)
        attr.handled_access_fs |= LANDLOCK_ACCESS_FS_TRUNCATE;
    rules_fd = abi >= 1 ? (int) syscall (SYS_landlock_create_ruleset, &attr, sizeof attr, 0) : -1;
    if (rules_fd < 0) {
        (void) close (cache_fd);
        return;
    }
    allow (rules_fd, cache_fd, attr.handled_access_fs);
    allow (rules_fd, open ("/dev/null", O_PATH | O_CLOEXEC),
           LANDLOCK_ACCESS_FS_WRITE_FILE | (attr.handled_access_fs & LANDLOCK_ACCESS_FS_TRUNCATE));
    if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        (void) syscall (SYS_landlock_restrict_self, rules_fd, 0);
    (void) close (rules_fd);
}

int ama_fetch_fence_raise (const char *cache_dir, ama_err_t *err)
{
    static char raised_for[4096];
    int fd;

    if (raised_for[0])
        return strcmp (raised_for, cache_dir) == 0
                   ? 0
                   : ama_err_set (err, AMA_E_INVALID, "this helper serves the cache %s only", raised_for);
    if (strlen (cache_dir) >= sizeof raised_for)
        return ama_err_set (err, AMA_E_PATH, "%.80s…: the path is too long", cache_dir);
    fd = ama_fetch_cache_open (cache_dir, ".", err);
    if (fd < 0)
        return fd;
    raise_fence (fd);
    (void) memcpy (raised_for, cache_dir, strlen (cache_dir) + 1);
    return 0;
}
