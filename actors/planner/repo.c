/* repo.c - opens what a job names, and nothing else. Called by the planner on its own thread; blocks only as long as a local disk does.
 *
 * A repository is hostile input: a path may lead out by "..", by a link, by a link made a moment ago, or to a pipe that never answers. So
 * every open is relative to the root's descriptor, never follows a link, never waits (O_NONBLOCK), and the descriptor is looked at,
 * not the name.
 */
#include "actors/planner/repo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_ENTRIES = 10000 };

struct ama_repo {
    int fd;
    size_t spent; /* of AMA_REPO_BUDGET_MAX */
};

int ama_repo_open (const char *root, ama_repo_t **ret_repo, ama_err_t *err)
{
    int fd = open (root, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return ama_err_set (err, errno == ENOENT || errno == ENOTDIR ? AMA_E_NOT_FOUND : AMA_E_IO,
                            "the repository %s can not be opened: %s", root, strerror (errno));
    *ret_repo = ama_malloc (sizeof **ret_repo);
    **ret_repo = (ama_repo_t){ .fd = fd };
    return 0;
}

void ama_repo_close (ama_repo_t **repo)
{
    if (!*repo)
        return;
    (void) close ((*repo)->fd);
    free (*repo);
    *repo = NULL;
}

/* ---- grammar ---- */

static int check_component (const char *name, size_t size, ama_err_t *err)
{
    if (size == 0)
        return ama_err_set (err, AMA_E_PATH, "has an empty part");
    if (size == 2 && memcmp (name, "..", 2) == 0)
        return ama_err_set (err, AMA_E_PATH, "leaves the repository by ..");
    if (size == 1 && *name == '.')
        return ama_err_set (err, AMA_E_PATH, "has a part that is only a dot");
    if (size == 4 && strncasecmp (name, ".git", 4) == 0)
        return ama_err_set (err, AMA_E_PATH, "names git's own folder");
    if (size > 255)
        return ama_err_set (err, AMA_E_PATH, "has a part of %zu bytes, the limit is 255", size);
    return 0;
}

int ama_repo_check_path (const char *path, ama_err_t *err)
{
    size_t size = strlen (path);

    if (!size)
        return ama_err_set (err, AMA_E_PATH, "is empty");
    if (size > AMA_REPO_PATH_MAX)
        return ama_err_set (err, AMA_E_PATH, "has %zu bytes, the limit is %d", size, AMA_REPO_PATH_MAX);
    if (*path == '/')
        return ama_err_set (err, AMA_E_PATH, "is absolute");
    if (path[size - 1] == '/')
        return ama_err_set (err, AMA_E_PATH, "names a folder");
    if (size > 1 && path[1] == ':' && ((*path >= 'a' && *path <= 'z') || (*path >= 'A' && *path <= 'Z')))
        return ama_err_set (err, AMA_E_PATH, "begins with a drive letter");
    for (const char *at = path; *at; at++)
        if (*at == '\\' || (unsigned char) *at < 0x20 || *at == 0x7f)
            return ama_err_set (err, AMA_E_PATH, "holds a %s", *at == '\\' ? "backslash" : "control character");
    if (!ama_utf8_valid (path, size))
        return ama_err_set (err, AMA_E_PATH, "is not UTF-8");
    for (const char *at = path;;) {
        size_t part = strcspn (at, "/");
        int rc = check_component (at, part, err);
        if (rc < 0)
            return rc;
        if (!at[part])
            return 0;
        at += part + 1;
    }
}

/* ---- opening ---- */

static int spend (ama_repo_t *repo, size_t bytes, ama_err_t *err)
{
    repo->spent += bytes;
    if (repo->spent <= AMA_REPO_BUDGET_MAX)
        return 0;
    return ama_err_set (err, AMA_E_LIMIT, "is one document too many: the job's documents have more than %u MiB in all",
                        AMA_REPO_BUDGET_MAX >> 20);
}

/* The same as openat2 below, for kernels and sandboxes without it. The path has passed the grammar. */
static int open_by_parts (int root, const char *path, int flags)
{
    char part[256];
    int at = root;

    for (;;) {
        size_t size = strcspn (path, "/");
        bool last = !path[size];
        int next;
        memcpy (part, path, size);
        part[size] = '\0';
        next = openat (at, part, O_NOFOLLOW | O_CLOEXEC | (last ? flags : O_PATH | O_DIRECTORY));
        if (at != root) {
            int saved = errno;
            (void) close (at);
            errno = saved;
        }
        if (next < 0 || last)
            return next;
        at = next;
        path += size + 1;
    }
}

static int open_below (const ama_repo_t *repo, const char *path, int flags)
{
    struct open_how how = { .flags = (unsigned) (flags | O_CLOEXEC),
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
    long fd;

    for (int tries = 0; tries < 8; tries++) { /* EAGAIN: somebody renames while we look */
        fd = syscall (SYS_openat2, repo->fd, path, &how, sizeof how);
        if (fd >= 0 || errno != EAGAIN)
            break;
    }
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        return open_by_parts (repo->fd, path, flags);
    return (int) fd;
}

static int open_failed (ama_err_t *err)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
        return ama_err_set (err, AMA_E_NOT_FOUND, "does not exist");
    case ELOOP:
        return ama_err_set (err, AMA_E_PATH, "is or goes through a symbolic link");
    case EXDEV:
        return ama_err_set (err, AMA_E_PATH, "leaves the repository");
    case ENXIO:
        return ama_err_set (err, AMA_E_PATH, "is not a regular file");
    case ENAMETOOLONG:
        return ama_err_set (err, AMA_E_PATH, "is too long");
    default:
        return ama_err_set (err, AMA_E_IO, "can not be opened: %s", strerror (errno));
    }
}

static int check_file (int fd, size_t max, bool empty_ok, ama_err_t *err)
{
    struct stat st;

    if (fstat (fd, &st) < 0)
        return ama_err_set (err, AMA_E_IO, "can not be looked at: %s", strerror (errno));
    if (!S_ISREG (st.st_mode))
        return ama_err_set (err, AMA_E_PATH, "is %s, not a regular file",
                            S_ISDIR (st.st_mode)    ? "a folder"
                            : S_ISFIFO (st.st_mode) ? "a pipe"
                            : S_ISSOCK (st.st_mode) ? "a socket"
                                                    : "a device");
    if ((uintmax_t) st.st_size > max)
        return ama_err_set (err, AMA_E_PATH, "has %jd bytes, the limit is %zu", (intmax_t) st.st_size, max);
    if (!st.st_size && !empty_ok)
        return ama_err_set (err, AMA_E_PATH, "is empty");
    return 0;
}

int ama_repo_open_file (const ama_repo_t *repo, const char *path, size_t max, bool empty_ok, ama_err_t *err)
{
    int rc = ama_repo_check_path (path, err), fd;

    if (rc < 0)
        return rc;
    if ((fd = open_below (repo, path, O_RDONLY | O_NONBLOCK | O_NOCTTY)) < 0)
        return open_failed (err);
    if ((rc = check_file (fd, max, empty_ok, err)) < 0) {
        (void) close (fd);
        return rc;
    }
    return fd;
}

int ama_repo_open_document (ama_repo_t *repo, const char *path, size_t max, ama_err_t *err)
{
    int fd = AMA_E_LIMIT, rc = spend (repo, 0, err);
    struct stat st;

    if (rc < 0 || (fd = ama_repo_open_file (repo, path, max, true, err)) < 0)
        return fd;
    rc = spend (repo, 512 + (fstat (fd, &st) == 0 ? (size_t) st.st_size : 0), err);
    if (rc == 0)
        return fd;
    (void) close (fd);
    return rc;
}

int ama_repo_read (ama_repo_t *repo, const char *path, size_t max, ama_str_t *out, ama_err_t *err)
{
    int fd = ama_repo_open_document (repo, path, max, err), rc = 0;
    size_t start = out->size;

    if (fd < 0)
        return fd;
    for (;;) {
        char part[16384];
        ssize_t got = read (fd, part, sizeof part);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            rc = ama_err_set (err, AMA_E_IO, "can not be read: %s", strerror (errno));
        else
            ama_str_add (out, part, (size_t) got);
        if (rc == 0 && out->size - start > max) /* it grew meanwhile */
            rc = ama_err_set (err, AMA_E_PATH, "has more than %zu bytes", max);
        if (got <= 0 || rc < 0)
            break;
    }
    (void) close (fd);
    return rc;
}

/* ---- folders ---- */

static int by_name (const void *a, const void *b)
{
    const ama_repo_entry_t *x = a, *y = b;

    return strcmp (x->name, y->name);
}

/* 1: a folder, 0: a regular file, -1: neither. */
static int kind_of (int fd, const struct dirent *entry)
{
    struct stat st;

    if (entry->d_type == DT_DIR)
        return 1;
    if (entry->d_type == DT_REG)
        return 0;
    if (entry->d_type != DT_UNKNOWN || fstatat (fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    return S_ISDIR (st.st_mode) ? 1 : S_ISREG (st.st_mode) ? 0 : -1;
}

static int read_folder (DIR *dir, ama_repo_list_t *list, ama_err_t *err)
{
    size_t room = 0;

    for (struct dirent *entry; (entry = readdir (dir));) {
        size_t size = strlen (entry->d_name);
        int kind;
        if (entry->d_name[0] == '.' || entry->d_name[size - 1] == '~' || !ama_utf8_valid (entry->d_name, size)
            || (kind = kind_of (dirfd (dir), entry)) < 0)
            continue;
        if (list->count >= MAX_ENTRIES)
            return ama_err_set (err, AMA_E_LIMIT, "has more than %d entries", MAX_ENTRIES);
        if (list->count == room) {
            room = room ? room * 2 : 32;
            list->items = ama_realloc (list->items, room * sizeof *list->items);
        }
        list->items[list->count++] = (ama_repo_entry_t){ ama_strdup (entry->d_name), kind == 1 };
    }
    return 0;
}

int ama_repo_list (ama_repo_t *repo, const char *folder, ama_repo_list_t *ret_list, ama_err_t *err)
{
    int rc = ama_repo_check_path (folder, err), fd;
    DIR *dir;

    *ret_list = (ama_repo_list_t){ 0 };
    if (rc < 0 || (rc = spend (repo, 0, err)) < 0)
        return rc;
    if ((fd = open_below (repo, folder, O_RDONLY | O_DIRECTORY)) < 0)
        return open_failed (err);
    if (!(dir = fdopendir (fd))) {
        (void) close (fd);
        return ama_err_set (err, AMA_E_IO, "can not be read: %s", strerror (errno));
    }
    rc = read_folder (dir, ret_list, err);
    (void) closedir (dir);
    if (rc == 0)
        rc = spend (repo, 64 * (ret_list->count + 1), err);
    if (ret_list->count)
        qsort (ret_list->items, ret_list->count, sizeof *ret_list->items, by_name);
    return rc;
}

void ama_repo_list_done (ama_repo_list_t *list)
{
    for (size_t i = 0; i < list->count; i++)
        free (list->items[i].name);
    free (list->items);
    *list = (ama_repo_list_t){ 0 };
}

const ama_repo_entry_t *ama_repo_list_find (const ama_repo_list_t *list, const char *name)
{
    ama_repo_entry_t key = { .name = (char *) name };

    return list->count ? bsearch (&key, list->items, list->count, sizeof key, by_name) : NULL;
}
