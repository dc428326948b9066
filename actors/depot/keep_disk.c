/* keep_disk.c - lists and removes entries of a cache. On a worker's thread only. */
#include "actors/depot/keep_disk.h"

#include "actors/base/ama_dir.h"
#include "actors/base/ama_str.h"
#include "actors/depot/cache_user.h"
#include "actors/depot/tree_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static const char gone_prefix[] = ".gone-";
static const ama_keep_kind_t all_kinds[] = { AMA_KEEP_SNAPSHOTS, AMA_KEEP_TREES, AMA_KEEP_JARS, AMA_KEEP_DEPOT,
                                             AMA_KEEP_MIRRORS };
enum { PART_MS = 24 * 3600 * 1000 };

static const char *folder_of (ama_keep_kind_t kind)
{
    return kind == AMA_KEEP_DEPOT     ? "depot"
           : kind == AMA_KEEP_TREES   ? "trees"
           : kind == AMA_KEEP_JARS    ? "jars"
           : kind == AMA_KEEP_MIRRORS ? "mirrors"
                                      : "snapshots";
}

/* A digest, or the commit of a snapshot. */
static bool is_id (const char *name, ama_keep_kind_t kind)
{
    size_t size = strspn (name, "0123456789abcdef");

    return name[size] == '\0' && (size == KEEP_ID_TEXT - 1 || (kind == AMA_KEEP_SNAPSHOTS && size == 40));
}

static int open_kind (const char *cache, ama_keep_kind_t kind)
{
    ama_str_t path = { 0 };
    int fd;

    ama_str_printf (&path, "%s/%s", cache, folder_of (kind));
    fd = open (path.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ama_str_done (&path);
    return fd;
}

/* ---- how much it is ---- */

static uint64_t bytes_below (int parent, const char *name, int depth)
{
    int fd = depth > AMA_TREE_DEPTH_MAX ? -1 : openat (parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : ama_dir_open (fd);
    uint64_t sum = 0;

    for (struct dirent *entry; dir && (entry = ama_dir_next (dir));) {
        struct stat st;
        if (fstatat (fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        sum += S_ISDIR (st.st_mode) ? bytes_below (fd, entry->d_name, depth + 1) : (uint64_t) st.st_size;
    }
    if (dir)
        (void) closedir (dir);
    if (fd >= 0)
        (void) close (fd);
    return sum;
}

/* Where a tree leads that is a link to a snapshot of this cache; false: it is none. */
static bool snapshot_of (const char *cache, int trees, const char *id, char ret_id[KEEP_ID_TEXT])
{
    char at[KEEP_ID_TEXT + 8], target[PATH_MAX];
    ama_str_t prefix = { 0 };
    ssize_t n;
    bool found = false;

    (void) snprintf (at, sizeof at, "%s/tree", id);
    n = readlinkat (trees, at, target, sizeof target - 1);
    ama_str_printf (&prefix, "%s/snapshots/", cache);
    if (n > 0) {
        char *name = target + prefix.size, *end;
        target[n] = '\0';
        end = ama_str_starts (target, prefix.data) ? strchr (name, '/') : NULL;
        if (end && strcmp (end, "/tree") == 0) {
            *end = '\0';
            found = is_id (name, AMA_KEEP_SNAPSHOTS);
            if (found)
                (void) snprintf (ret_id, KEEP_ID_TEXT, "%.64s", name);
        }
    }
    ama_str_done (&prefix);
    return found;
}

/* ---- the list ---- */

static void add (keep_list_t *list, const keep_entry_t *entry)
{
    if ((list->n & (list->n + 1)) == 0)
        list->items = ama_realloc (list->items, 2 * (list->n + 1) * sizeof *list->items);
    list->items[list->n++] = *entry;
    list->bytes += entry->bytes;
}

static int by_id (const void *a, const void *b)
{
    const keep_entry_t *one = a, *two = b;

    return one->kind != two->kind ? (one->kind < two->kind ? -1 : 1) : strcmp (one->id, two->id);
}

static const char *lock_of (const char *id, char buf[KEEP_ID_TEXT + 8])
{
    (void) snprintf (buf, KEEP_ID_TEXT + 8, "%s.lock", id);
    return buf;
}

static int64_t used_ms (int folder, ama_keep_kind_t kind, const char *id, const struct stat *st)
{
    int64_t used = ama_cache_used_ms (st);
    char lock[KEEP_ID_TEXT + 8];
    struct stat locked;

    if (kind == AMA_KEEP_MIRRORS && fstatat (folder, lock_of (id, lock), &locked, AT_SYMLINK_NOFOLLOW) == 0
        && ama_cache_used_ms (&locked) > used)
        used = ama_cache_used_ms (&locked);
    return used;
}

/* What has a digest never changes; a mirror has that of its address, and changes when it is used. */
static uint64_t bytes_of (int folder, const keep_entry_t *entry, const struct stat *st, const keep_list_t *known)
{
    const keep_entry_t *before = known->n ? bsearch (entry, known->items, known->n, sizeof *known->items, by_id) : NULL;

    if (before && entry->kind == AMA_KEEP_MIRRORS && before->used_ms != entry->used_ms)
        before = NULL;

    return S_ISREG (st->st_mode) ? (uint64_t) st->st_size : before ? before->bytes : bytes_below (folder, entry->id, 0);
}

static void list_kind (const char *cache, ama_keep_kind_t kind, const keep_list_t *known, keep_list_t *list)
{
    int fd = open_kind (cache, kind);
    DIR *dir = fd < 0 ? NULL : ama_dir_open (fd);
    size_t n = 0;

    for (struct dirent *at; dir && n < AMA_KEEP_ENTRIES_MAX && (at = ama_dir_next (dir));) {
        keep_entry_t entry = { .kind = kind };
        char snapshot[KEEP_ID_TEXT];
        struct stat st;
        if (!is_id (at->d_name, kind) || fstatat (fd, at->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        /* as long as there is the snapshot, its link is a part of that */
        if (kind == AMA_KEEP_TREES && snapshot_of (cache, fd, at->d_name, snapshot)) {
            char path[KEEP_ID_TEXT + 32];
            (void) snprintf (path, sizeof path, "../snapshots/%s", snapshot);
            if (faccessat (fd, path, F_OK, 0) == 0)
                continue;
        }
        (void) snprintf (entry.id, sizeof entry.id, "%.64s", at->d_name);
        entry.used_ms = used_ms (fd, kind, entry.id, &st);
        entry.bytes = bytes_of (fd, &entry, &st, known);
        add (list, &entry);
        n++;
    }
    if (dir)
        (void) closedir (dir);
    if (fd >= 0)
        (void) close (fd);
}

static int by_use (const void *a, const void *b)
{
    const keep_entry_t *one = a, *two = b;

    return one->used_ms < two->used_ms ? -1 : one->used_ms > two->used_ms ? 1 : strcmp (one->id, two->id);
}

/* Snapshots are what the list has so far. */
static void join_links (const char *cache, keep_list_t *list)
{
    int fd = open_kind (cache, AMA_KEEP_TREES);
    DIR *dir = fd < 0 ? NULL : ama_dir_open (fd);

    if (list->n)
        qsort (list->items, list->n, sizeof *list->items, by_id);
    for (struct dirent *at; dir && (at = ama_dir_next (dir));) {
        keep_entry_t key = { .kind = AMA_KEEP_SNAPSHOTS }, *entry;
        struct stat st;
        if (!is_id (at->d_name, AMA_KEEP_TREES) || !snapshot_of (cache, fd, at->d_name, key.id) || !list->n)
            continue;
        entry = bsearch (&key, list->items, list->n, sizeof *list->items, by_id);
        if (!entry)
            continue;
        (void) snprintf (entry->link, sizeof entry->link, "%.64s", at->d_name);
        if (fstatat (fd, at->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && ama_cache_used_ms (&st) > entry->used_ms)
            entry->used_ms = ama_cache_used_ms (&st);
    }
    if (dir)
        (void) closedir (dir);
    if (fd >= 0)
        (void) close (fd);
}

void keep_list (const char *cache, unsigned kinds, keep_list_t *known, keep_list_t *ret_list)
{
    *ret_list = (keep_list_t){ 0 };
    if (known->n)
        qsort (known->items, known->n, sizeof *known->items, by_id);
    if (kinds & AMA_KEEP_SNAPSHOTS) {
        list_kind (cache, AMA_KEEP_SNAPSHOTS, known, ret_list);
        join_links (cache, ret_list);
    }
    for (size_t i = 1; i < ARRAY_SIZE (all_kinds); i++)
        if (kinds & all_kinds[i])
            list_kind (cache, all_kinds[i], known, ret_list);
    if (ret_list->n)
        qsort (ret_list->items, ret_list->n, sizeof *ret_list->items, by_use);
}

void keep_list_done (keep_list_t *list)
{
    free (list->items);
    *list = (keep_list_t){ 0 };
}

/* ---- removing ---- */

static void remove_named (const char *cache, ama_keep_kind_t kind, const char *name)
{
    ama_str_t path = { 0 };

    ama_str_printf (&path, "%s/%s/%s", cache, folder_of (kind), name);
    ama_tree_remove (path.data); /* a file as well */
    ama_str_done (&path);
}

/* Its descriptor with the lock, or -1: it is not to be removed. */
static int take (int folder, const char *id, int64_t listed_ms)
{
    int fd = openat (folder, id, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat ours, named;

    if (fd < 0)
        return -1;
    if (flock (fd, LOCK_EX | LOCK_NB) == 0 && fstat (fd, &ours) == 0
        && fstatat (folder, id, &named, AT_SYMLINK_NOFOLLOW) == 0 && ours.st_ino == named.st_ino
        && ours.st_dev == named.st_dev && ama_cache_used_ms (&ours) <= listed_ms)
        return fd;
    (void) close (fd);
    return -1;
}

/* Of a mirror the file beside it is locked, which stays: another may wait for it. One without any gets it, and its time begins. */
static int take_mirror (int folder, const char *id, int64_t listed_ms)
{
    char lock[KEEP_ID_TEXT + 8];
    int fd = openat (folder, lock_of (id, lock), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    struct stat st;

    if (fd >= 0 && flock (fd, LOCK_EX | LOCK_NB) == 0 && fstatat (folder, id, &st, AT_SYMLINK_NOFOLLOW) == 0
        && used_ms (folder, AMA_KEEP_MIRRORS, id, &st) <= listed_ms)
        return fd;
    if (fd >= 0)
        (void) close (fd);
    return -1;
}

/* True: nobody finds it any more. */
static bool unname (const char *cache, ama_keep_kind_t kind, const char *id, int64_t listed_ms)
{
    int folder = open_kind (cache, kind), fd = folder < 0                 ? -1
                                               : kind == AMA_KEEP_MIRRORS ? take_mirror (folder, id, listed_ms)
                                                                          : take (folder, id, listed_ms);
    char gone[KEEP_ID_TEXT + sizeof gone_prefix];
    bool unnamed = false;

    if (fd >= 0) {
        (void) snprintf (gone, sizeof gone, "%s%s", gone_prefix, id);
        unnamed = renameat (folder, id, folder, gone) == 0;
        (void) close (fd);
    }
    if (folder >= 0)
        (void) close (folder);
    return unnamed;
}

bool keep_unname (const char *cache, const keep_entry_t *entry)
{
    /* the link first: a link to nothing is no tree, but a snapshot without one is whole */
    if (*entry->link && !unname (cache, AMA_KEEP_TREES, entry->link, entry->used_ms))
        return false;
    return unname (cache, entry->kind, entry->id, entry->used_ms);
}

static bool is_part (const char *name)
{
    size_t size = strlen (name);

    return size > 5 && strcmp (name + size - 5, ".part") == 0;
}

void keep_sweep (const char *cache, unsigned kinds, int64_t wall_ms)
{
    for (size_t i = 0; i < ARRAY_SIZE (all_kinds); i++) {
        int fd = kinds & all_kinds[i] ? open_kind (cache, all_kinds[i]) : -1;
        DIR *dir = fd < 0 ? NULL : ama_dir_open (fd);
        for (struct dirent *at; dir && (at = ama_dir_next (dir));) {
            struct stat st;
            if (ama_str_starts (at->d_name, gone_prefix)
                || (is_part (at->d_name) && fstatat (fd, at->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0
                    && wall_ms - ama_cache_used_ms (&st) > PART_MS))
                remove_named (cache, all_kinds[i], at->d_name);
        }
        if (dir)
            (void) closedir (dir);
        if (fd >= 0)
            (void) close (fd);
    }
}
