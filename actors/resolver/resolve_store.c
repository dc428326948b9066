/* resolve_store.c - the content-addressed jars and their locks. Called on the resolver's worker thread; see resolve_store.h.
 *
 * Invariants: a folder of the store is renamed into place with the file in it; a file of the store is read only and never changed,
 * only removed; a lock is written after its files.
 */
#include "actors/resolver/resolve_store.h"

#include "actors/base/ama_dir.h"
#include "actors/depot/cache_user.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

enum { PART = 1 << 18 };

/* A file whose bytes were read and found to be what its folder says. */
typedef struct {
    struct {
        dev_t dev;
        ino_t ino;
    } id;
    struct timespec changed;
    off_t size;
    ama_digest_t digest;
    UT_hash_handle hh;
} seen_t;

struct ama_resolve_store {
    char *cache;
    seen_t *seen;
    atomic_bool stop;
};

static char *format (const char *pattern, ...) __attribute__ ((format (printf, 1, 2)));
static char *format (const char *pattern, ...)
{
    char *text;
    va_list args;

    va_start (args, pattern);
    if (vasprintf (&text, pattern, args) < 0)
        text = NULL;
    va_end (args);
    BUG_ON (!text);
    return text;
}

ama_resolve_store_t *ama_resolve_store_new (const char *cache)
{
    ama_resolve_store_t *store = ama_calloc (1, sizeof *store);

    store->cache = ama_strdup (cache);
    return store;
}

void ama_resolve_store_destroy (ama_resolve_store_t **store)
{
    seen_t *seen, *next;

    if (!*store)
        return;
    HASH_ITER (hh, (*store)->seen, seen, next)
    {
        /* uthash: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        HASH_DEL ((*store)->seen, seen);
        free (seen);
    }
    free ((*store)->cache);
    free (*store);
    *store = NULL;
}

void ama_resolve_store_stop (ama_resolve_store_t *store)
{
    atomic_store (&store->stop, true);
}

static int from_errno (const char *what, const char *path, ama_err_t *err)
{
    int why = errno;

    return ama_err_set (err, why == ENOSPC || why == EDQUOT ? AMA_E_NOSPACE : AMA_E_IO, "%s %s: %s", what, path,
                        strerror (why));
}

static char *folder_of (const ama_resolve_store_t *store, const ama_digest_t *digest)
{
    char hex[AMA_DIGEST_TEXT];

    return format ("%s/jars/%s", store->cache, ama_digest_text (digest, hex));
}

char *ama_resolve_store_path (const ama_resolve_store_t *store, const ama_resolve_locked_t *file)
{
    char hex[AMA_DIGEST_TEXT];

    return format ("%s/jars/%s/%s", store->cache, ama_digest_text (&file->digest, hex), file->name);
}

static char *lock_path (const ama_resolve_store_t *store, const ama_digest_t *set)
{
    char hex[AMA_DIGEST_TEXT];

    return format ("%s/locks/%s.json", store->cache, ama_digest_text (set, hex));
}

static int make_folder (const char *path, ama_err_t *err)
{
    if (mkdir (path, 0700) < 0 && errno != EEXIST)
        return from_errno ("making the folder", path, err);
    return 0;
}

static int make_below (const ama_resolve_store_t *store, const char *name, ama_err_t *err)
{
    char *path = format ("%s/%s", store->cache, name);
    int rc = make_folder (store->cache, err);

    if (rc == 0)
        rc = make_folder (path, err);
    free (path);
    return rc;
}

/* ---- reading files ---- */

/* The digest of what fd holds, read to its end; copied to `to` unless that is negative. */
static int read_through (ama_resolve_store_t *store, int fd, int to, const char *path, ama_digest_t *ret,
                         ama_err_t *err)
{
    char *part = ama_malloc (PART);
    ama_digest_state_t state;
    ssize_t n = 1;
    int rc = 0;

    ama_digest_start (&state);
    while (rc == 0 && n > 0) {
        n = read (fd, part, PART);
        if (n < 0 && errno == EINTR) {
            n = 1;
            continue;
        }
        if (n < 0)
            rc = from_errno ("reading", path, err);
        else
            ama_digest_add (&state, part, (size_t) n);
        for (ssize_t put = 0; rc == 0 && to >= 0 && put < n;) {
            ssize_t one = write (to, part + put, (size_t) (n - put));
            if (one < 0 && errno != EINTR)
                rc = from_errno ("copying", path, err);
            put += one > 0 ? one : 0;
        }
        if (atomic_load (&store->stop))
            rc = ama_err_set (err, AMA_E_CANCELLED, "the resolver is ending");
    }
    free (part);
    *ret = ama_digest_end (&state);
    return rc;
}

/* -1 with errno. */
static int open_file (const char *path, struct stat *info)
{
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return -1;
    if (fstat (fd, info) == 0 && S_ISREG (info->st_mode))
        return fd;
    (void) close (fd);
    errno = EINVAL;
    return -1;
}

static seen_t *find_seen (const ama_resolve_store_t *store, const struct stat *info)
{
    seen_t key, *found;

    memset (&key.id, 0, sizeof key.id);
    key.id.dev = info->st_dev;
    key.id.ino = info->st_ino;
    HASH_FIND (hh, store->seen, &key.id, sizeof key.id, found);
    return found;
}

static void remember (ama_resolve_store_t *store, const struct stat *info, const ama_digest_t *digest)
{
    seen_t *seen = find_seen (store, info);

    if (!seen) {
        seen = ama_calloc (1, sizeof *seen);
        seen->id.dev = info->st_dev;
        seen->id.ino = info->st_ino;
        HASH_ADD (hh, store->seen, id, sizeof seen->id, seen);
    }
    seen->changed = info->st_mtim;
    seen->size = info->st_size;
    seen->digest = *digest;
}

static bool is_known (const ama_resolve_store_t *store, const struct stat *info, const ama_digest_t *digest)
{
    const seen_t *seen = find_seen (store, info);

    return seen && seen->size == info->st_size && seen->changed.tv_sec == info->st_mtim.tv_sec
           && seen->changed.tv_nsec == info->st_mtim.tv_nsec && ama_digest_equal (&seen->digest, digest);
}

/* 0: it is there and good. AMA_E_NOT_FOUND: it is not, or was damaged and is gone now. */
static int verify (ama_resolve_store_t *store, const ama_resolve_locked_t *file, ama_err_t *err)
{
    char *path = ama_resolve_store_path (store, file), *folder = folder_of (store, &file->digest);
    ama_digest_t digest;
    struct stat info;
    /* from now on it is not removed for a while, unless it is just being */
    int fd = ama_cache_touch (AT_FDCWD, folder) ? open_file (path, &info) : -1, rc = 0;
    bool good = false;

    if (fd >= 0) {
        if ((uint64_t) info.st_size == file->size && is_known (store, &info, &file->digest))
            good = true;
        else if ((uint64_t) info.st_size == file->size && (rc = read_through (store, fd, -1, path, &digest, err)) == 0)
            good = ama_digest_equal (&digest, &file->digest);
        (void) close (fd);
    }
    if (good)
        remember (store, &info, &file->digest);
    else if (rc == 0) {
        /* another file must not stay under this digest, whatever it is */
        (void) unlink (path);
        rc = ama_err_set (err, AMA_E_NOT_FOUND, "%s is missing or damaged", path);
    }
    free (folder);
    free (path);
    return rc;
}

/* ---- finding ---- */

static int load_lock (const char *path, ama_resolve_lock_t *ret_lock, ama_err_t *err)
{
    struct stat info;
    int fd = open_file (path, &info), rc;
    ssize_t n = 0;
    size_t size = 0;
    char *text;

    if (fd < 0)
        return ama_err_set (err, AMA_E_NOT_FOUND, "no lock %s", path);
    if (info.st_size > AMA_RESOLVE_LOCK_BYTES_MAX)
        info.st_size = 0;
    text = ama_malloc ((size_t) info.st_size + 1);
    while (size < (size_t) info.st_size
           && ((n = read (fd, text + size, (size_t) info.st_size - size)) > 0 || (n < 0 && errno == EINTR)))
        size += n > 0 ? (size_t) n : 0;
    (void) close (fd);
    rc = ama_resolve_lock_decode (text, size, ret_lock, err);
    free (text);
    return rc < 0 ? ama_err_set (err, AMA_E_NOT_FOUND, "%s is damaged", path) : 0;
}

int ama_resolve_store_find (ama_resolve_store_t *store, const ama_digest_t *set, ama_resolve_lock_t *ret_lock,
                            ama_err_t *err)
{
    char *path = lock_path (store, set);
    ama_resolve_lock_t lock;
    int rc = load_lock (path, &lock, err), first = 0;

    free (path);
    if (rc < 0)
        return rc;
    /* all are looked at, so that everything damaged is gone before the download begins */
    for (size_t i = 0; i < lock.n_files; i++) {
        int one = verify (store, &lock.files[i], first ? NULL : err);
        first = first ? first : one;
    }
    if (first) {
        ama_resolve_lock_done (&lock);
        return first;
    }
    *ret_lock = lock;
    return 0;
}

/* ---- putting ---- */

/* Into the temporary folder, linked if it can be, else copied; *ret_digest is of the bytes that lie there then. */
static int bring (ama_resolve_store_t *store, const char *from, const char *to, ama_resolve_locked_t *file,
                  struct stat *ret_info, ama_err_t *err)
{
    bool linked = link (from, to) == 0;
    int in, out = -1, rc;

    in = open_file (linked ? to : from, ret_info);
    if (in < 0)
        return errno == ENOENT || errno == ELOOP || errno == EINVAL
                   ? ama_err_set (err, AMA_E_CHILD, "%s is no file", from)
                   : from_errno ("opening", from, err);
    if (!linked) {
        out = open (to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (out < 0) {
            (void) close (in);
            return from_errno ("making", to, err);
        }
    }
    rc = read_through (store, in, out, from, &file->digest, err);
    if (rc == 0 && fchmod (linked ? in : out, 0444) < 0)
        rc = from_errno ("making read only", to, err);
    if (rc == 0 && fstat (linked ? in : out, ret_info) < 0)
        rc = from_errno ("looking at", to, err);
    file->size = rc == 0 ? (uint64_t) ret_info->st_size : 0;
    if (out >= 0 && close (out) < 0 && rc == 0)
        rc = from_errno ("copying", to, err);
    (void) close (in);
    return rc;
}

/* The folder may be there already: from before, from another set (another name), or from another process just now. */
static int place (ama_resolve_store_t *store, const char *tmp, const char *tmp_file, ama_resolve_locked_t *file,
                  ama_err_t *err)
{
    char *folder = folder_of (store, &file->digest), *path = ama_resolve_store_path (store, file);
    int rc = 0;

    if (rename (tmp, folder) < 0) {
        if (errno != EEXIST && errno != ENOTEMPTY)
            rc = from_errno ("moving to", folder, err);
        else if (verify (store, file, NULL) < 0 && rename (tmp_file, path) < 0)
            rc = from_errno ("moving to", path, err);
    }
    free (path);
    free (folder);
    return rc;
}

static int put_file (ama_resolve_store_t *store, const ama_resolve_found_t *found, ama_resolve_locked_t *file,
                     ama_err_t *err)
{
    char *root = format ("%s/coursier/", store->cache), *tmp, *tmp_file;
    struct stat info;
    int rc;

    *file = (ama_resolve_locked_t){ .coordinates = ama_strdup (found->coordinates),
                                    .name = ama_resolve_lock_name (found->coordinates, found->path) };
    if (!ama_str_starts (found->path, root) || strstr (found->path, "/../")) {
        free (root);
        return ama_err_set (err, AMA_E_CHILD, "a file from outside the cache: %s", found->path);
    }
    free (root);
    tmp = format ("%s/jars/tmp.XXXXXX", store->cache);
    rc = mkdtemp (tmp) ? 0 : from_errno ("making the folder", tmp, err);
    tmp_file = format ("%s/%s", tmp, file->name);
    if (rc == 0)
        rc = bring (store, found->path, tmp_file, file, &info, err);
    if (rc == 0)
        rc = place (store, tmp, tmp_file, file, err);
    if (rc == 0)
        remember (store, &info, &file->digest);
    (void) unlink (tmp_file);
    (void) rmdir (tmp);
    free (tmp_file);
    free (tmp);
    return rc;
}

static int write_lock (ama_resolve_store_t *store, const char *path, const ama_resolve_lock_t *lock, ama_err_t *err)
{
    char *tmp = format ("%s/locks/tmp.XXXXXX", store->cache);
    ama_str_t text = { 0 };
    int fd = mkostemp (tmp, O_CLOEXEC), rc = 0;

    ama_resolve_lock_encode (lock, &text);
    if (fd < 0)
        rc = from_errno ("making", tmp, err);
    for (size_t put = 0; rc == 0 && put < text.size;) {
        ssize_t n = write (fd, text.data + put, text.size - put);
        if (n < 0 && errno != EINTR)
            rc = from_errno ("writing", tmp, err);
        put += n > 0 ? (size_t) n : 0;
    }
    if (fd >= 0 && close (fd) < 0 && rc == 0)
        rc = from_errno ("writing", tmp, err);
    if (rc == 0 && rename (tmp, path) < 0)
        rc = from_errno ("writing", path, err);
    if (rc < 0)
        (void) unlink (tmp);
    ama_str_done (&text);
    free (tmp);
    return rc;
}

/* A set that was locked before must be the same files still. */
static int compare_with_before (const char *path, const ama_resolve_lock_t *now, ama_err_t *err)
{
    ama_resolve_lock_t before;
    int rc;

    if (load_lock (path, &before, NULL) < 0)
        return 0;
    rc = ama_resolve_lock_compare (&before, now, err);
    if (rc < 0 && err) {
        char *why = ama_strdup (err->text);
        (void) ama_err_set (err, rc, "%s; if the change is meant, remove %s", why, path);
        free (why);
    }
    ama_resolve_lock_done (&before);
    return rc;
}

int ama_resolve_store_put (ama_resolve_store_t *store, const ama_digest_t *set, const ama_resolve_found_t *files,
                           size_t n_files, ama_resolve_lock_t *ret_lock, ama_err_t *err)
{
    char *path = lock_path (store, set);
    ama_resolve_lock_t lock = { .files = ama_calloc (n_files + 1, sizeof *lock.files) };
    int rc = make_below (store, "jars", err);

    if (rc == 0)
        rc = make_below (store, "locks", err);
    while (rc == 0 && lock.n_files < n_files) {
        rc = put_file (store, &files[lock.n_files], &lock.files[lock.n_files], err);
        lock.n_files++;
    }
    if (rc == 0)
        rc = compare_with_before (path, &lock, err);
    if (rc == 0)
        rc = write_lock (store, path, &lock, err);
    free (path);
    if (rc < 0)
        ama_resolve_lock_done (&lock);
    else
        *ret_lock = lock;
    return rc;
}

/* ---- what coursier has besides ---- */

enum { TRIM_DEPTH = 32, TRIM_MOST = 20000 };

typedef struct {
    const ama_resolve_store_t *store;
    int64_t before_ms;
    size_t n;
    uint64_t bytes;
} trim_t;

static int64_t ms_of (const struct timespec *at)
{
    return (int64_t) at->tv_sec * 1000 + at->tv_nsec / 1000000;
}

/* By the time of its inode, too: the last change is the server's, and when a jar left the store only that tells. */
static bool is_unused (const struct stat *st, int64_t before_ms)
{
    return S_ISREG (st->st_mode) && st->st_nlink == 1 && ms_of (&st->st_atim) < before_ms
           && ms_of (&st->st_mtim) < before_ms && ms_of (&st->st_ctim) < before_ms;
}

static void trim_folder (trim_t *trim, int parent, const char *name, int depth)
{
    int fd = openat (parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir (fd);

    if (fd >= 0 && !dir)
        (void) close (fd);
    for (struct dirent *at;
         dir && trim->n < TRIM_MOST && !atomic_load (&trim->store->stop) && (at = ama_dir_next (dir));) {
        struct stat st;
        if (fstatat (fd, at->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISDIR (st.st_mode) && depth < TRIM_DEPTH) {
            trim_folder (trim, fd, at->d_name, depth + 1);
            (void) unlinkat (fd, at->d_name, AT_REMOVEDIR); /* if nothing is left in it */
        }
        else if (is_unused (&st, trim->before_ms) && unlinkat (fd, at->d_name, 0) == 0) {
            trim->n++;
            trim->bytes += (uint64_t) st.st_size;
        }
    }
    if (dir)
        (void) closedir (dir);
}

size_t ama_resolve_store_trim (ama_resolve_store_t *store, const char *home, int64_t before_ms, uint64_t *ret_bytes)
{
    trim_t trim = { .store = store, .before_ms = before_ms };
    char *folder = format ("%s/coursier", store->cache);
    int lock = ama_cache_lock (store->cache, home, NULL);

    if (lock >= 0) {
        trim_folder (&trim, AT_FDCWD, folder, 0);
        (void) close (lock);
    }
    free (folder);
    *ret_bytes = trim.bytes;
    return trim.n;
}
