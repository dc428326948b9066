/* tidy_disk.c - see tidy_disk.h. Everything is reached by descriptors, from the folder of runs down. */
#include "agent/tidy_disk.h"

#include "actors/base/ama_clock.h"
#include "actors/base/ama_dir.h"
#include "actors/base/ama_str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DEPTH_MAX = 64, COUNT_MAX = 1000000, BLOCK = 512 };

static const char gone_prefix[] = ".gone-";

/* Of one pass over something that is removed, or counted. */
typedef struct {
    size_t left; /* entries that it may still take */
    int top;     /* of what is removed: too deep ones are moved there */
    unsigned depth, moved;
    ama_tidy_sum_t *sum;
    ama_err_t *err; /* the first thing that went wrong */
} pass_t;

static int open_runs (const char *dir)
{
    ama_str_t path = { 0 };
    int fd;

    ama_str_printf (&path, "%s/runs", dir);
    fd = open (path.data, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    ama_str_done (&path);
    return fd;
}

static void complain (pass_t *pass, const char *name)
{
    if (pass->err && !pass->err->code)
        (void) ama_err_set (pass->err, AMA_E_IO, "%.200s: %s", name, strerror (errno));
}

/* What is mounted there is not entered: not even a folder of the same file system in another place, which by its device looks as if it were ours. */
static int open_place (int parent, const char *name)
{
    const struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                                  .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS };

    return (int) syscall (SYS_openat2, parent, name, &how, sizeof how);
}

/* A folder that may be read, searched and changed, whatever its mode was. By a path of /proc, since fchmod wants one that may be read, and chmod follows links. */
static int open_folder (int parent, const char *name)
{
    int place = open_place (parent, name), fd = -1;
    char path[32];
    struct stat st;

    if (place < 0)
        return -1;
    (void) snprintf (path, sizeof path, "/proc/self/fd/%d", place);
    if (fstat (place, &st) == 0 && (st.st_mode & 0700) != 0700)
        (void) chmod (path, 0700);
    fd = openat (place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void) close (place);
    return fd;
}

static void add (pass_t *pass, const struct stat *st)
{
    pass->sum->files++;
    if (st->st_nlink == 1)
        pass->sum->bytes += (uint64_t) st->st_blocks * BLOCK;
}

/* ---- removing ---- */

static bool move_up (pass_t *pass, int folder, const char *name)
{
    char to[16];

    for (unsigned tries = 0; tries < 1000; tries++) {
        (void) snprintf (to, sizeof to, "%u", pass->moved++);
        if (renameat2 (folder, name, pass->top, to, RENAME_NOREPLACE) == 0)
            return true;
        if (errno != EEXIST)
            return false;
    }
    return false;
}

static void empty_folder (pass_t *pass, int folder);

static void remove_folder (pass_t *pass, int parent, const char *name)
{
    int fd;

    if (unlinkat (parent, name, AT_REMOVEDIR) == 0) {
        pass->left--;
        return;
    }
    fd = open_folder (parent, name);
    if (fd < 0) {
        complain (pass, name);
        return;
    }
    if (pass->depth >= DEPTH_MAX) {
        (void) close (fd);
        if (move_up (pass, parent, name))
            pass->left--;
        else
            complain (pass, name);
        return;
    }
    pass->depth++;
    empty_folder (pass, fd);
    pass->depth--;
    (void) close (fd);
    if (!pass->left)
        return;
    if (unlinkat (parent, name, AT_REMOVEDIR) == 0)
        pass->left--;
    else if (errno != ENOTEMPTY) /* what is in it was complained of */
        complain (pass, name);
}

static void empty_folder (pass_t *pass, int folder)
{
    DIR *dir = ama_dir_open (folder);

    for (struct dirent *at; dir && pass->left && (at = ama_dir_next (dir));) {
        struct stat st;
        if (fstatat (folder, at->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISDIR (st.st_mode))
            remove_folder (pass, folder, at->d_name);
        else if (unlinkat (folder, at->d_name, 0) == 0) {
            pass->left--;
            add (pass, &st);
        }
        else
            complain (pass, at->d_name);
    }
    if (dir)
        (void) closedir (dir);
}

/* 0, or what is left can not be removed. */
static int sweep_one (int runs, const char *name, size_t *left, ama_tidy_sum_t *sum, bool *ret_done, ama_err_t *err)
{
    ama_err_t first = { 0 };
    pass_t pass = { .left = *left, .sum = sum, .err = &first };
    struct stat st;

    *ret_done = false;
    if (fstatat (runs, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        *ret_done = errno == ENOENT;
        return *ret_done ? 0 : ama_err_set (err, AMA_E_IO, "%s: %s", name, strerror (errno));
    }
    pass.top = open_folder (runs, name);
    if (pass.top >= 0) {
        empty_folder (&pass, pass.top);
        (void) close (pass.top);
    }
    if (pass.left && unlinkat (runs, name, pass.top < 0 ? 0 : AT_REMOVEDIR) == 0) {
        pass.left--;
        *ret_done = true;
    }
    else if (pass.left == *left && !first.code)
        complain (&pass, name);
    if (!*ret_done && pass.left == *left)
        return ama_err_set (err, AMA_E_IO, "%s", first.text);
    *left = pass.left;
    return 0;
}

int ama_tidy_sweep (const char *dir, const char *name, size_t most, ama_tidy_sum_t *sum, bool *ret_done, ama_err_t *err)
{
    int runs = open_runs (dir), rc = 0;
    DIR *all = name || runs < 0 ? NULL : ama_dir_open (runs);
    bool done;

    *ret_done = true;
    if (runs >= 0 && name)
        rc = sweep_one (runs, name, &most, sum, ret_done, err);
    for (struct dirent *at; all && most && (at = ama_dir_next (all));) {
        if (!ama_str_starts (at->d_name, gone_prefix))
            continue;
        if (sweep_one (runs, at->d_name, &most, sum, &done, err) < 0)
            rc = AMA_E_IO; /* the others go all the same */
        else
            *ret_done &= done;
    }
    if (all) {
        *ret_done &= most > 0;
        (void) closedir (all);
    }
    if (runs >= 0)
        (void) close (runs);
    return rc;
}

/* ---- names ---- */

bool ama_tidy_has (const char *dir, ama_id_t run)
{
    int runs = open_runs (dir);
    char text[AMA_ID_TEXT];
    bool has = runs >= 0 && faccessat (runs, ama_id_text (run, text), F_OK, AT_SYMLINK_NOFOLLOW) == 0;

    if (runs >= 0)
        (void) close (runs);
    return has;
}

int ama_tidy_unname (const char *dir, ama_id_t run, char ret_name[AMA_TIDY_NAME], ama_err_t *err)
{
    int runs = open_runs (dir), rc = 0;
    char text[AMA_ID_TEXT], other[AMA_ID_TEXT];

    (void) snprintf (ret_name, AMA_TIDY_NAME, "%s%s", gone_prefix,
                     ama_id_text (ama_id_new (ama_wall_ms (ama_clock_system ())), other));
    if (runs < 0 || renameat2 (runs, ama_id_text (run, text), runs, ret_name, RENAME_NOREPLACE) < 0)
        rc = ama_err_set (err, errno == ENOENT ? AMA_E_NOT_FOUND : AMA_E_IO, "%s/runs/%s: %s", dir,
                          ama_id_text (run, text), strerror (errno));
    if (runs >= 0)
        (void) close (runs);
    return rc;
}

/* ---- looking ---- */

typedef struct {
    int64_t changed_ms;
    ama_id_t run;
} found_t;

static int longest_ago_first (const void *a, const void *b)
{
    const found_t *one = a, *two = b;

    return one->changed_ms != two->changed_ms ? (one->changed_ms < two->changed_ms ? -1 : 1)
                                              : ama_id_compare (one->run, two->run);
}

size_t ama_tidy_list (const char *dir, int64_t before_wall_ms, ama_id_t **ret_runs)
{
    int runs = open_runs (dir);
    DIR *all = runs < 0 ? NULL : ama_dir_open (runs);
    found_t *found = NULL;
    size_t n = 0, room = 0;

    for (struct dirent *at; all && n < AMA_TIDY_LIST_MAX && (at = ama_dir_next (all));) {
        found_t one;
        struct stat st;
        if (strlen (at->d_name) != AMA_ID_TEXT - 1 || ama_id_parse (at->d_name, &one.run) < 0
            || fstatat (runs, at->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        one.changed_ms = (int64_t) st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
        if (one.changed_ms >= before_wall_ms)
            continue;
        if (n == room) {
            room = room ? 2 * room : 64;
            found = ama_realloc (found, room * sizeof *found);
        }
        found[n++] = one;
    }
    if (all)
        (void) closedir (all);
    if (runs >= 0)
        (void) close (runs);
    if (n)
        qsort (found, n, sizeof *found, longest_ago_first);
    *ret_runs = ama_calloc (n + 1, sizeof **ret_runs);
    for (size_t i = 0; i < n; i++)
        (*ret_runs)[i] = found[i].run;
    free (found);
    return n;
}

static int open_to_read (int parent, const char *name)
{
    int place = open_place (parent, name),
        fd = place < 0 ? -1 : openat (place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (place >= 0)
        (void) close (place);
    return fd;
}

static void count_folder (pass_t *pass, int folder)
{
    DIR *dir = ama_dir_open (folder);

    for (struct dirent *at; dir && pass->left && (at = ama_dir_next (dir));) {
        struct stat st;
        int fd;
        if (fstatat (folder, at->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        pass->left--;
        if (!S_ISDIR (st.st_mode)) {
            add (pass, &st);
            continue;
        }
        fd = pass->depth >= DEPTH_MAX ? -1 : open_to_read (folder, at->d_name);
        if (fd < 0)
            continue;
        pass->depth++;
        count_folder (pass, fd);
        pass->depth--;
        (void) close (fd);
    }
    if (dir)
        (void) closedir (dir);
}

void ama_tidy_count (const char *dir, ama_id_t run, ama_tidy_sum_t *sum)
{
    pass_t pass = { .left = COUNT_MAX, .sum = sum };
    int runs = open_runs (dir), fd;
    char text[AMA_ID_TEXT];

    if (runs < 0)
        return;
    fd = open_to_read (runs, ama_id_text (run, text));
    if (fd >= 0) {
        count_folder (&pass, fd);
        (void) close (fd);
    }
    (void) close (runs);
}
