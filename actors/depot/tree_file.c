/* tree_file.c - packs and unpacks trees. On a worker's thread.
 *
 * Packing trusts the tree no more than its name says: nothing is followed, sizes are those that were read. Unpacking trusts the file only as far as its
 * digest, which is known at its end, so every path is checked: relative, no empty, `.` or `..` part, below a folder that came before, never through a link.
 */
#include "actors/depot/tree_file.h"

#include "actors/base/ama_str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CHUNK = 256 << 10, LINK_MAX_SIZE = 4096 };

static const char magic[] = "ama-tree 1\n";

static int os_error (const char *what, ama_err_t *err)
{
    return ama_err_set (err, errno == ENOSPC || errno == EDQUOT ? AMA_E_NOSPACE : AMA_E_IO, "%s: %s", what,
                        strerror (errno));
}

/* ---- packing ---- */

typedef struct {
    FILE *out;
    ama_digest_state_t state;
    const char *file; /* for errors */
    uint64_t bytes;
    uint32_t entries;
    char *chunk;
} packer_t;

static int put (packer_t *self, const void *bytes, size_t size, ama_err_t *err)
{
    ama_digest_add (&self->state, bytes, size);
    self->bytes += size;
    if (self->bytes > AMA_TREE_BYTES_MAX)
        return ama_err_set (err, AMA_E_LIMIT, "the tree has more than %llu bytes", AMA_TREE_BYTES_MAX);
    return fwrite (bytes, 1, size, self->out) == size ? 0 : os_error (self->file, err);
}

static void number (uint8_t *out, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++, value >>= 8)
        out[i] = (uint8_t) value;
}

static int put_entry (packer_t *self, char kind, const char *path, uint64_t size, ama_err_t *err)
{
    uint8_t head[5] = { (uint8_t) kind }, tail[8];
    size_t length = strlen (path);
    int rc;

    if (++self->entries > AMA_TREE_ENTRIES_MAX || length > AMA_TREE_PATH_MAX)
        return ama_err_set (err, AMA_E_LIMIT, "%s: too many entries, or too long a path", path);
    number (head + 1, length, 4);
    number (tail, size, 8);
    if ((rc = put (self, head, sizeof head, err)) < 0 || (rc = put (self, path, length, err)) < 0)
        return rc;
    return put (self, tail, sizeof tail, err);
}

static int put_file (packer_t *self, int dir, const char *name, const char *path, ama_err_t *err)
{
    int fd = openat (dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), rc;
    struct stat st;
    uint64_t left;

    if (fd < 0 || fstat (fd, &st) < 0 || !S_ISREG (st.st_mode)) {
        rc = os_error (path, err);
        if (fd >= 0)
            (void) close (fd);
        return rc;
    }
    left = (uint64_t) st.st_size;
    rc = put_entry (self, st.st_mode & S_IXUSR ? 'x' : 'f', path, left, err);
    while (rc == 0 && left) {
        ssize_t n = read (fd, self->chunk, left < CHUNK ? (size_t) left : CHUNK);
        if (n <= 0)
            rc = n < 0 ? os_error (path, err) : ama_err_set (err, AMA_E_INTEGRITY, "%s became shorter", path);
        else
            rc = put (self, self->chunk, (size_t) n, err);
        left -= n > 0 ? (uint64_t) n : 0;
    }
    (void) close (fd);
    return rc;
}

static int put_link (packer_t *self, int dir, const char *name, const char *path, ama_err_t *err)
{
    char target[LINK_MAX_SIZE];
    ssize_t size = readlinkat (dir, name, target, sizeof target);
    int rc;

    if (size < 0 || size == sizeof target)
        return os_error (path, err);
    rc = put_entry (self, 'l', path, (uint64_t) size, err);
    return rc < 0 ? rc : put (self, target, (size_t) size, err);
}

static int is_entry (const struct dirent *entry)
{
    return strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0;
}

static int by_name (const struct dirent **a, const struct dirent **b)
{
    return strcmp ((*a)->d_name, (*b)->d_name);
}

static int put_folder (packer_t *self, int parent, const char *name, const char *path, int depth, ama_err_t *err);

static int put_any (packer_t *self, int dir, const char *name, const char *path, int depth, ama_err_t *err)
{
    struct stat st;

    if (fstatat (dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return os_error (path, err);
    if (S_ISREG (st.st_mode))
        return put_file (self, dir, name, path, err);
    if (S_ISLNK (st.st_mode))
        return put_link (self, dir, name, path, err);
    if (!S_ISDIR (st.st_mode))
        return ama_err_set (err, AMA_E_PATH, "%s is neither file, folder nor link", path);
    int rc = put_entry (self, 'd', path, 0, err);
    return rc < 0 ? rc : put_folder (self, dir, name, path, depth + 1, err);
}

static int put_folder (packer_t *self, int parent, const char *name, const char *path, int depth, ama_err_t *err)
{
    int fd = openat (parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (depth ? O_NOFOLLOW : 0)), rc = 0;
    struct dirent **names = NULL;
    ama_str_t below = { 0 };
    int n = fd < 0 ? -1 : scandirat (fd, ".", &names, is_entry, by_name);

    if (n < 0)
        rc = os_error (path, err);
    else if (depth > AMA_TREE_DEPTH_MAX)
        rc = ama_err_set (err, AMA_E_LIMIT, "%s: folders in folders in folders", path);
    for (int i = 0; i < n; i++) {
        ama_str_clear (&below);
        ama_str_printf (&below, "%s%s%s", path, *path ? "/" : "", names[i]->d_name);
        if (rc == 0)
            rc = put_any (self, fd, names[i]->d_name, below.data, depth, err);
        free (names[i]);
    }
    ama_str_done (&below);
    free (names);
    if (fd >= 0)
        (void) close (fd);
    return rc;
}

int ama_tree_pack (const char *folder, const char *file, ama_digest_t *ret_digest, ama_err_t *err)
{
    int fd = open (file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600), rc;
    packer_t self = { .out = fd < 0 ? NULL : fdopen (fd, "w"), .file = file };

    if (!self.out)
        return os_error (file, err);
    self.chunk = ama_malloc (CHUNK);
    ama_digest_start (&self.state);
    rc = put (&self, magic, sizeof magic - 1, err);
    if (rc == 0)
        rc = put_folder (&self, AT_FDCWD, folder, "", 0, err);
    if (rc == 0)
        rc = put (&self, ".", 1, err);
    if (fclose (self.out) != 0 && rc == 0)
        rc = os_error (file, err);
    free (self.chunk);
    if (rc < 0)
        (void) unlink (file);
    else
        *ret_digest = ama_digest_end (&self.state);
    return rc;
}

/* ---- unpacking ---- */

typedef struct {
    FILE *in;
    ama_digest_state_t state;
    int root;
    uint64_t bytes;
    uint32_t entries;
    char *chunk;
    char path[AMA_TREE_PATH_MAX + 1];
} unpacker_t;

static int take (unpacker_t *self, void *bytes, size_t size, ama_err_t *err)
{
    if (fread (bytes, 1, size, self->in) != size)
        return ama_err_set (err, AMA_E_DECODE, "the tree breaks off");
    self->bytes += size;
    if (self->bytes > AMA_TREE_BYTES_MAX)
        return ama_err_set (err, AMA_E_LIMIT, "the tree has more than %llu bytes", AMA_TREE_BYTES_MAX);
    ama_digest_add (&self->state, bytes, size);
    return 0;
}

static int take_number (unpacker_t *self, size_t size, uint64_t *ret, ama_err_t *err)
{
    uint8_t bytes[8];
    int rc = take (self, bytes, size, err);

    *ret = 0;
    for (size_t i = size; rc == 0 && i-- > 0;)
        *ret = *ret << 8 | bytes[i];
    return rc;
}

static bool is_path (const char *path, size_t size)
{
    size_t start = 0;
    unsigned depth = 0;

    if (memchr (path, '\0', size))
        return false;
    for (size_t i = 0; i <= size; i++)
        if (i == size || path[i] == '/') {
            size_t n = i - start;
            if (n == 0 || (n == 1 && path[start] == '.') || (n == 2 && memcmp (path + start, "..", 2) == 0)
                || ++depth > AMA_TREE_DEPTH_MAX)
                return false;
            start = i + 1;
        }
    return true;
}

static int take_path (unpacker_t *self, ama_err_t *err)
{
    uint64_t size;
    int rc = take_number (self, 4, &size, err);

    if (rc == 0 && (size > AMA_TREE_PATH_MAX || ++self->entries > AMA_TREE_ENTRIES_MAX))
        rc = ama_err_set (err, AMA_E_LIMIT, "too many entries, or too long a path");
    if (rc == 0)
        rc = take (self, self->path, (size_t) size, err);
    if (rc < 0)
        return rc;
    self->path[size] = '\0';
    return is_path (self->path, (size_t) size) ? 0 : ama_err_set (err, AMA_E_DECODE, "a path that may not be");
}

/* The folder of the path, without following any link; the name in it. */
static int open_parent (const unpacker_t *self, const char **ret_name)
{
    struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
    const char *slash = strrchr (self->path, '/');
    char parent[AMA_TREE_PATH_MAX + 1] = ".";

    if (slash)
        (void) snprintf (parent, sizeof parent, "%.*s", (int) (slash - self->path), self->path);
    *ret_name = slash ? slash + 1 : self->path;
    return (int) syscall (SYS_openat2, self->root, parent, &how, sizeof how);
}

static int make_file (unpacker_t *self, int dir, const char *name, uint64_t left, bool executable, ama_err_t *err)
{
    int fd = openat (dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), rc = 0;

    if (fd < 0)
        return os_error (self->path, err);
    while (rc == 0 && left) {
        size_t size = left < CHUNK ? (size_t) left : CHUNK;
        rc = take (self, self->chunk, size, err);
        if (rc == 0 && write (fd, self->chunk, size) != (ssize_t) size)
            rc = os_error (self->path, err);
        left -= size;
    }
    if (rc == 0 && fchmod (fd, executable ? 0555 : 0444) < 0)
        rc = os_error (self->path, err);
    (void) close (fd);
    return rc;
}

/* Links of a snapshot can not lead out of it: relative, `..` only in front, and not above the root (fetcher/README.md). */
static bool is_target (const char *path, const char *target)
{
    unsigned depth = 0, up = 0;

    for (const char *at = path; *at; at++)
        depth += *at == '/';
    while (strncmp (target, "../", 3) == 0 || strcmp (target, "..") == 0) {
        up++;
        target += target[2] ? 3 : 2;
    }
    if (*target == '/' || up > depth)
        return false;
    for (const char *at = target; (at = strstr (at, "..")); at += 2)
        if ((at == target || at[-1] == '/') && (at[2] == '/' || !at[2]))
            return false;
    return true;
}

static int make_link (unpacker_t *self, int dir, const char *name, uint64_t size, ama_err_t *err)
{
    char target[LINK_MAX_SIZE + 1];
    int rc;

    if (size > LINK_MAX_SIZE)
        return ama_err_set (err, AMA_E_LIMIT, "a link of %llu bytes", (unsigned long long) size);
    rc = take (self, target, (size_t) size, err);
    if (rc < 0)
        return rc;
    target[size] = '\0';
    if (!size || strlen (target) != size || !is_target (self->path, target))
        return ama_err_set (err, AMA_E_DECODE, "%s: a link that leads out", self->path);
    return symlinkat (target, dir, name) < 0 ? os_error (self->path, err) : 0;
}

static int take_entry (unpacker_t *self, char kind, ama_err_t *err)
{
    const char *name;
    uint64_t size = 0;
    int rc = take_path (self, err), dir;

    if (rc == 0)
        rc = take_number (self, 8, &size, err);
    if (rc < 0)
        return rc;
    dir = open_parent (self, &name);
    if (dir < 0)
        return ama_err_set (err, AMA_E_DECODE, "%s: its folder did not come before it", self->path);
    if (kind == 'd')
        rc = size                            ? ama_err_set (err, AMA_E_DECODE, "a folder with bytes")
             : mkdirat (dir, name, 0700) < 0 ? os_error (self->path, err)
                                             : 0;
    else if (kind == 'l')
        rc = make_link (self, dir, name, size, err);
    else if (kind == 'f' || kind == 'x')
        rc = make_file (self, dir, name, size, kind == 'x', err);
    else
        rc = ama_err_set (err, AMA_E_DECODE, "an entry of no kind");
    (void) close (dir);
    return rc;
}

static int take_all (unpacker_t *self, ama_err_t *err)
{
    char start[sizeof magic], kind;
    int rc = take (self, start, sizeof magic - 1, err);

    if (rc == 0 && memcmp (start, magic, sizeof magic - 1) != 0)
        rc = ama_err_set (err, AMA_E_DECODE, "that is no tree");
    while (rc == 0 && (rc = take (self, &kind, 1, err)) == 0 && kind != '.')
        rc = take_entry (self, kind, err);
    if (rc == 0 && fgetc (self->in) != EOF)
        rc = ama_err_set (err, AMA_E_DECODE, "bytes behind the tree");
    return rc;
}

static int seal_one (const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void) st, (void) ftw;
    return kind == FTW_DP ? chmod (path, 0555) : 0;
}

int ama_tree_unpack (const char *file, const ama_digest_t *digest, const char *folder, ama_err_t *err)
{
    unpacker_t self = { .in = fopen (file, "re"), .root = -1 };
    ama_digest_t is;
    int rc;

    if (!self.in)
        return os_error (file, err);
    self.chunk = ama_malloc (CHUNK);
    ama_digest_start (&self.state);
    if (mkdir (folder, 0700) < 0 || (self.root = open (folder, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0)
        rc = os_error (folder, err);
    else
        rc = take_all (&self, err);
    is = ama_digest_end (&self.state);
    if ((rc == 0 || rc == AMA_E_DECODE) && !ama_digest_equal (&is, digest))
        rc = ama_err_set (err, AMA_E_INTEGRITY, "%s: its bytes are not those of its name", file);
    if (rc == 0 && nftw (folder, seal_one, 32, FTW_DEPTH | FTW_PHYS) != 0)
        rc = os_error (folder, err);
    if (self.root >= 0)
        (void) close (self.root);
    (void) fclose (self.in);
    free (self.chunk);
    return rc;
}

static int open_up (const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void) st, (void) ftw;
    if (kind == FTW_D)
        (void) chmod (path, 0700);
    return 0;
}

static int remove_one (const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void) st, (void) ftw, (void) kind;
    (void) remove (path);
    return 0;
}

void ama_tree_remove (const char *folder)
{
    (void) nftw (folder, open_up, 32, FTW_PHYS);
    (void) nftw (folder, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}
