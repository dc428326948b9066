/* folder.c - walking and copying folders by descriptors. Helper program only. */
#include "actors/fetcher/helper/folder.h"

#include "actors/fetcher/fetch_name.h"
#include "actors/fetcher/helper/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    ama_fetch_work_t *work;
    const ama_fetch_folder_rules_t *rules;
    ama_str_t path; /* of the entry at hand, for texts and limits */
    ama_err_t *err;
} walk_t;

/* ---- writing ---- */

static int write_all (int fd, const char *bytes, size_t size)
{
    while (size) {
        ssize_t put = write (fd, bytes, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        bytes += put;
        size -= (size_t) put;
    }
    return 0;
}

int ama_fetch_create_error (const char *path, ama_err_t *err)
{
    if (errno == EEXIST)
        return ama_err_set (err, AMA_E_PATH, "%s: two entries of this name", path);
    return ama_fetch_os_error (path, err);
}

static int file_create (int dir_fd, const char *name, bool program, const char *path, ama_err_t *err)
{
    int fd = openat (dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, program ? 0555 : 0444);

    return fd < 0 ? ama_fetch_create_error (path, err) : fd;
}

int ama_fetch_file_write (int dir_fd, const char *name, bool program, const void *bytes, size_t size, const char *path,
                          ama_err_t *err)
{
    int fd = file_create (dir_fd, name, program, path, err), rc = 0;

    if (fd < 0)
        return fd;
    if (write_all (fd, bytes, size) < 0)
        rc = ama_fetch_os_error (path, err);
    if (close (fd) < 0 && rc == 0)
        rc = ama_fetch_os_error (path, err);
    return rc;
}

int ama_fetch_link_write (ama_fetch_work_t *work, int dir_fd, const char *name, const char *target, size_t size,
                          uint32_t depth, const char *path, bool *ret_link, ama_err_t *err)
{
    char text[PATH_MAX];

    *ret_link = ama_fetch_link_inside (target, size, depth);
    if (!*ret_link) {
        ama_fetch_warn (work, "%s: a link that leads outside (or could) became a file with its target", path);
        return dir_fd < 0 ? 0 : ama_fetch_file_write (dir_fd, name, false, target, size, path, err);
    }
    memcpy (text, target, size);
    text[size] = '\0';
    if (dir_fd >= 0 && symlinkat (text, dir_fd, name) < 0)
        return ama_fetch_create_error (path, err);
    return 0;
}

int ama_fetch_folder_make (int dir_fd, const char *name, const char *path, ama_err_t *err)
{
    int fd;

    if (mkdirat (dir_fd, name, 0755) < 0)
        return ama_fetch_create_error (path, err);
    fd = openat (dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? ama_fetch_os_error (path, err) : fd;
}

/* ---- reading ---- */

static int copy_bytes (walk_t *walk, int from, int to, const char *path, uint64_t size, ama_digest_t *ret_digest)
{
    static char block[128 * 1024];
    ama_digest_state_t state;
    uint64_t total = 0;
    ssize_t got;

    ama_digest_start (&state);
    while ((got = read (from, block, sizeof block)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ama_fetch_os_error (path, walk->err);
        total += (uint64_t) got;
        if (total > size) /* it grows while it is read: what was counted holds */
            return ama_err_set (walk->err, AMA_E_IO, "%s is being written to", path);
        ama_digest_add (&state, block, (size_t) got);
        if (to >= 0 && write_all (to, block, (size_t) got) < 0)
            return ama_fetch_os_error (path, walk->err);
        ama_fetch_tell (walk->work, walk->work->pass, walk->work->files, walk->work->expected, walk->work->bytes);
    }
    *ret_digest = ama_digest_end (&state);
    return 0;
}

static int read_file (walk_t *walk, int from_dir, int to_dir, const char *name, uint32_t depth,
                      ama_fetch_listing_t *listing)
{
    const char *path = walk->path.data;
    int from = openat (from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), to = -1, rc;
    ama_digest_t digest;
    struct stat st;
    bool program;

    if (from < 0)
        return ama_fetch_os_error (path, walk->err);
    if (fstat (from, &st) < 0 || !S_ISREG (st.st_mode)) {
        (void) close (from);
        return ama_err_set (walk->err, AMA_E_PATH, "%s was replaced while it was read", path);
    }
    program = (st.st_mode & 0111) != 0;
    rc = ama_fetch_count_file (walk->work, path, depth, (uint64_t) st.st_size, walk->err);
    if (rc == 0 && to_dir >= 0) {
        to = file_create (to_dir, name, program, path, walk->err);
        rc = to < 0 ? to : 0;
    }
    if (rc == 0)
        rc = copy_bytes (walk, from, to, path, (uint64_t) st.st_size, &digest);
    if (to >= 0 && close (to) < 0 && rc == 0)
        rc = ama_fetch_os_error (path, walk->err);
    (void) close (from);
    if (rc == 0)
        ama_fetch_listing_add (listing, program ? AMA_FETCH_PROGRAM : AMA_FETCH_FILE, name, digest);
    return rc;
}

static int read_link (walk_t *walk, int from_dir, int to_dir, const char *name, uint32_t depth,
                      ama_fetch_listing_t *listing)
{
    char target[PATH_MAX];
    ssize_t size = readlinkat (from_dir, name, target, sizeof target);
    bool link;
    int rc;

    if (size < 0 || size == sizeof target)
        return ama_fetch_os_error (walk->path.data, walk->err);
    rc = ama_fetch_count_file (walk->work, walk->path.data, depth, (uint64_t) size, walk->err);
    if (rc == 0)
        rc = ama_fetch_link_write (walk->work, to_dir, name, target, (size_t) size, depth, walk->path.data, &link,
                                   walk->err);
    if (rc == 0)
        ama_fetch_listing_add (listing, link ? AMA_FETCH_LINK : AMA_FETCH_FILE, name,
                               ama_digest_of (target, (size_t) size));
    return rc;
}

static int walk_folder (walk_t *walk, int from_fd, int to_fd, uint32_t depth, ama_digest_t *ret_digest);

static int read_folder (walk_t *walk, int from_dir, int to_dir, const char *name, uint32_t depth,
                        ama_fetch_listing_t *listing)
{
    int from = openat (from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), to = -1, rc;
    ama_digest_t digest;

    if (from < 0)
        return ama_fetch_os_error (walk->path.data, walk->err);
    rc = ama_fetch_count_folder (walk->work, walk->path.data, depth, walk->err);
    if (rc == 0 && to_dir >= 0) {
        to = ama_fetch_folder_make (to_dir, name, walk->path.data, walk->err);
        rc = to < 0 ? to : 0;
    }
    if (rc == 0)
        rc = walk_folder (walk, from, to, depth + 1, &digest);
    if (rc == 0 && to >= 0 && fchmod (to, 0555) < 0)
        rc = ama_fetch_os_error (walk->path.data, walk->err);
    if (to >= 0)
        (void) close (to);
    (void) close (from);
    if (rc == 0)
        ama_fetch_listing_add (listing, AMA_FETCH_FOLDER, name, digest);
    return rc;
}

static bool is_skipped (walk_t *walk, const char *name, const struct stat *st)
{
    const struct stat *skip = walk->rules->skip;

    if (walk->rules->strict)
        return false;
    return strcmp (name, ".git") == 0 || (skip && st->st_dev == skip->st_dev && st->st_ino == skip->st_ino);
}

static int read_entry (walk_t *walk, int from_fd, int to_fd, const char *name, uint32_t depth,
                       ama_fetch_listing_t *listing)
{
    size_t size = walk->path.size;
    struct stat st;
    int rc = 0;

    if (fstatat (from_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return ama_fetch_os_error (name, walk->err);
    if (is_skipped (walk, name, &st))
        return 0;
    if (walk->path.size)
        ama_str_putc (&walk->path, '/');
    ama_str_puts (&walk->path, name);
    if (ama_fetch_name_check (name, strlen (name), walk->err) < 0)
        rc = AMA_E_PATH;
    else if (S_ISREG (st.st_mode))
        rc = read_file (walk, from_fd, to_fd, name, depth, listing);
    else if (S_ISLNK (st.st_mode))
        rc = read_link (walk, from_fd, to_fd, name, depth, listing);
    else if (S_ISDIR (st.st_mode))
        rc = read_folder (walk, from_fd, to_fd, name, depth, listing);
    else if (walk->rules->strict)
        rc = ama_err_set (walk->err, AMA_E_PATH, "%s: neither file nor folder nor link", walk->path.data);
    else
        ama_fetch_warn (walk->work, "%s: left out, it is neither file nor folder nor link", walk->path.data);
    walk->path.size = size;
    walk->path.data[size] = '\0';
    return rc;
}

static int walk_folder (walk_t *walk, int from_fd, int to_fd, uint32_t depth, ama_digest_t *ret_digest)
{
    int fd = openat (from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0; /* closedir closes it */
    DIR *dir = fd >= 0 ? fdopendir (fd) : NULL;
    ama_fetch_listing_t listing = { 0 };

    if (!dir) {
        rc = ama_fetch_os_error (walk->path.data ? walk->path.data : ".", walk->err);
        if (fd >= 0)
            (void) close (fd);
        return rc;
    }
    for (struct dirent *entry; rc == 0 && (entry = readdir (dir));)
        if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
            rc = read_entry (walk, from_fd, to_fd, entry->d_name, depth, &listing);
    (void) closedir (dir);
    if (rc == 0)
        *ret_digest = ama_fetch_listing_end (&listing);
    ama_fetch_listing_done (&listing);
    return rc;
}

int ama_fetch_folder_read (ama_fetch_work_t *work, int from_fd, int to_fd, const ama_fetch_folder_rules_t *rules,
                           ama_digest_t *ret_digest, ama_err_t *err)
{
    walk_t walk = { .work = work, .rules = rules, .err = err };
    int rc;

    ama_str_puts (&walk.path, "");
    ama_fetch_begin_pass (work, to_fd < 0 ? "reading files" : "writing files");
    rc = walk_folder (&walk, from_fd, to_fd, 0, ret_digest);
    ama_str_done (&walk.path);
    return rc;
}

/* ---- removing ---- */

void ama_fetch_folder_remove (int dir_fd, const char *name)
{
    int fd;
    DIR *dir;

    if (unlinkat (dir_fd, name, 0) == 0 || errno == ENOENT)
        return;
    fd = openat (dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    (void) fchmod (fd, 0700);
    dir = fdopendir (fd);
    if (!dir) {
        (void) close (fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir (dir));)
        if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
            ama_fetch_folder_remove (fd, entry->d_name);
    (void) closedir (dir);
    (void) unlinkat (dir_fd, name, AT_REMOVEDIR);
}
