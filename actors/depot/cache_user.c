/* cache_user.c - marks of who uses a cache. Blocks for moments; any thread, any program. */
#include "actors/depot/cache_user.h"

#include "actors/base/ama_digest.h"
#include "actors/base/ama_str.h"
#include "config/ama_paths.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int os_error (const char *what, ama_err_t *err)
{
    return ama_err_set (err, errno == ENOSPC || errno == EDQUOT ? AMA_E_NOSPACE : AMA_E_IO, "%s: %s", what,
                        strerror (errno));
}

static int open_in (const char *cache, const char *name, int flags)
{
    ama_str_t path = { 0 };
    int fd;

    ama_str_printf (&path, "%s/%s", cache, name);
    fd = open (path.data, flags | O_CLOEXEC, 0600);
    ama_str_done (&path);
    return fd;
}

static int users_of (const char *cache, ama_err_t *err)
{
    ama_str_t path = { 0 };
    int fd, rc;

    ama_str_printf (&path, "%s/users", cache);
    rc = ama_paths_mkdir (path.data, err);
    fd = rc < 0 ? rc : open (path.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (rc == 0 && fd < 0)
        fd = os_error (path.data, err);
    ama_str_done (&path);
    return fd;
}

static char *name_of (const char *home)
{
    ama_digest_t digest = ama_digest_of (home, strlen (home));
    char hex[AMA_DIGEST_TEXT];

    return ama_strdup (ama_digest_text (&digest, hex));
}

/* NULL: nothing that can be read. */
static char *home_of (int users, const char *name)
{
    char text[PATH_MAX];
    int fd = openat (users, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read (fd, text, sizeof text - 1);

    if (fd >= 0)
        (void) close (fd);
    if (n <= 0)
        return NULL;
    text[n] = '\0';
    return ama_strdup (text);
}

static bool is_gone (const char *home)
{
    struct stat st;

    return stat (home, &st) < 0 && errno == ENOENT;
}

/* Another's home, or NULL; marks of homes that are no more are removed. */
static char *another (int users, const char *home)
{
    int fd = openat (users, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir (fd);
    char *found = NULL;

    for (struct dirent *entry; dir && (entry = readdir (dir));) {
        char *its = entry->d_name[0] == '.' ? NULL : home_of (users, entry->d_name);
        if (its && is_gone (its))
            (void) unlinkat (users, entry->d_name, 0);
        else if (its && !found && strcmp (its, home) != 0) {
            found = its;
            its = NULL;
        }
        free (its);
    }
    if (dir)
        (void) closedir (dir);
    return found;
}

/* A mark that was cut short by a kill says another home, which is not there: written again, since the home's own name does not hold it. */
static int mark (int users, const char *home, ama_err_t *err)
{
    char *name = name_of (home), *now = home_of (users, name);
    size_t size = strlen (home);
    int rc = 0;

    if (!now || strcmp (now, home) != 0) {
        int fd = openat (users, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 || write (fd, home, size) != (ssize_t) size)
            rc = os_error (home, err);
        if (fd >= 0)
            (void) close (fd);
    }
    free (now);
    free (name);
    return rc;
}

int ama_cache_join (const char *cache, const char *home, ama_err_t *err)
{
    int users, rc;

    if (!home) {
        rc = ama_paths_mkdir (cache, err);
        if (rc < 0)
            return rc;
        /* stays open: the lock is to end with the program */
        int fd = open_in (cache, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW);
        return fd < 0 || flock (fd, LOCK_SH) < 0 ? os_error (cache, err) : 0;
    }
    users = users_of (cache, err);
    if (users < 0)
        return users;
    free (another (users, home));
    rc = mark (users, home, err);
    (void) close (users);
    return rc;
}

int ama_cache_lock (const char *cache, const char *home, ama_err_t *err)
{
    int users = users_of (cache, err), fd;
    char *other;

    if (users < 0)
        return users;
    other = another (users, home);
    (void) close (users);
    if (other) {
        (void) ama_err_set (err, AMA_E_BUSY, "%s is used from %s, too", cache, other);
        free (other);
        return AMA_E_BUSY;
    }
    fd = open_in (cache, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW);
    if (fd < 0)
        return os_error (cache, err);
    if (flock (fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    (void) close (fd);
    return ama_err_set (err, AMA_E_BUSY, "%s is used by a program that runs without a daemon", cache);
}

bool ama_cache_touch (int dir_fd, const char *path)
{
    int fd = openat (dir_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat ours, named;
    bool there;

    if (fd < 0)
        return false;
    there = flock (fd, LOCK_SH) == 0 && fstat (fd, &ours) == 0
            && fstatat (dir_fd, path, &named, AT_SYMLINK_NOFOLLOW) == 0 && ours.st_ino == named.st_ino
            && ours.st_dev == named.st_dev;
    /* by the time of its last change it is seen whether a file's bytes are to be read again, so that one stays */
    if (there)
        (void) futimens (fd,
                         (const struct timespec[]){ { .tv_nsec = UTIME_NOW },
                                                    { .tv_nsec = S_ISDIR (ours.st_mode) ? UTIME_NOW : UTIME_OMIT } });
    (void) close (fd);
    return there;
}

static int64_t ms_of (const struct timespec *at)
{
    return (int64_t) at->tv_sec * 1000 + at->tv_nsec / 1000000;
}

/* Of a folder whoever looks into it changes the time of access. */
int64_t ama_cache_used_ms (const struct stat *entry)
{
    int64_t changed = ms_of (&entry->st_mtim), read = S_ISDIR (entry->st_mode) ? 0 : ms_of (&entry->st_atim);

    return read > changed ? read : changed;
}
