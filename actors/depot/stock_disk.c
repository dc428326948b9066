/* stock_disk.c - names and files below the cache. What reads or writes much is called on the worker's thread only. */
#include "actors/depot/stock_in.h"

#include "actors/base/ama_str.h"
#include "actors/depot/cache_user.h"
#include "actors/depot/tree_file.h"
#include "config/ama_paths.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEX = AMA_DIGEST_TEXT - 1 };

/* What is known of a file whose bytes were good. */
struct stock_seen {
    UT_hash_handle hh;
    struct stat st;
    char path[];
};

static bool is_name (const char *name)
{
    return *name && !strchr (name, '/') && strcmp (name, ".") != 0 && strcmp (name, "..") != 0
           && strlen (name) <= NAME_MAX;
}

bool stock_parse (const char *path, stock_kind_t *ret_kind, ama_digest_t *ret_digest, const char **ret_name)
{
    const char *name = strrchr (path, '/'), *at;
    char hex[AMA_DIGEST_TEXT];

    if (*path != '/' || !name || name - path < HEX + 6 || !is_name (name + 1))
        return false;
    at = name - HEX;
    memcpy (hex, at, HEX);
    hex[HEX] = '\0';
    at -= 6; /* both words have five letters with the slash before them, and one behind */
    if (ama_digest_parse (hex, ret_digest) < 0)
        return false;
    *ret_name = name + 1;
    if (memcmp (at, "/jars/", 6) == 0) {
        *ret_kind = STOCK_JAR;
        return true;
    }
    *ret_kind = STOCK_TREE;
    return at > path && memcmp (at - 1, "/trees/", 7) == 0 && strcmp (*ret_name, "tree") == 0;
}

/* What appears and vanishes as a whole. */
static void print_entry (const ama_stock_t *stock, stock_kind_t kind, const ama_digest_t *digest, ama_str_t *path)
{
    static const char *const folders[] = { "depot", "jars", "trees" };
    char hex[AMA_DIGEST_TEXT];

    ama_str_printf (path, "%s/%s/%s", stock->cache, folders[kind], ama_digest_text (digest, hex));
}

char *stock_path (const ama_stock_t *stock, stock_kind_t kind, const ama_digest_t *digest, const char *name)
{
    ama_str_t path = { 0 };

    print_entry (stock, kind, digest, &path);
    if (kind != STOCK_BLOB)
        ama_str_printf (&path, "/%s", name);
    return ama_str_take (&path);
}

bool stock_use (const ama_stock_t *stock, stock_kind_t kind, const ama_digest_t *digest)
{
    ama_str_t path = { 0 };
    bool there;

    print_entry (stock, kind, digest, &path);
    there = ama_cache_touch (AT_FDCWD, path.data);
    ama_str_done (&path);
    return there;
}

/* The name, or for a tree its folder's, which is what appears at once. */
static size_t folder_size (const char *path)
{
    return (size_t) (strrchr (path, '/') - path);
}

char *stock_scratch (ama_stock_t *stock, const char *path)
{
    ama_str_t name = { 0 };

    ama_str_printf (&name, "%s.%ld-%llu.part", path, (long) getpid (), (unsigned long long) ++stock->serial);
    return ama_str_take (&name);
}

int stock_make_room (const char *path, ama_err_t *err)
{
    char *folder = ama_strdup (path);
    int rc;

    folder[folder_size (path)] = '\0';
    rc = ama_paths_mkdir (folder, err);
    free (folder);
    return rc;
}

/* ---- files ---- */

static bool same_file (const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec
           && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool stock_file_holds (ama_stock_t *stock, const char *path, const ama_digest_t *digest)
{
    stock_seen_t *seen;
    struct stat st;
    ama_digest_t is;

    HASH_FIND_STR (stock->seen, path, seen);
    if (stat (path, &st) < 0)
        return false;
    if (seen && same_file (&seen->st, &st))
        return true;
    if (!S_ISREG (st.st_mode) || ama_digest_file (path, &is, NULL) < 0 || !ama_digest_equal (&is, digest)) {
        (void) unlink (path);
        return false;
    }
    if (!seen) {
        seen = ama_calloc (1, sizeof *seen + strlen (path) + 1);
        memcpy (seen->path, path, strlen (path) + 1);
        HASH_ADD_STR (stock->seen, path, seen);
    }
    seen->st = st;
    return true;
}

void stock_forget_seen (ama_stock_t *stock)
{
    stock_seen_t *seen, *next;

    HASH_ITER (hh, stock->seen, seen, next)
    {
        /* uthash: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        HASH_DEL (stock->seen, seen);
        free (seen);
    }
}

/* The only file of the folder of a jar. */
static char *jar_of (const char *folder)
{
    DIR *dir = opendir (folder);
    ama_str_t path = { 0 };

    for (struct dirent *entry; dir && (entry = readdir (dir));)
        if (entry->d_name[0] != '.' && !strstr (entry->d_name, ".part")) {
            ama_str_clear (&path);
            ama_str_printf (&path, "%s/%s", folder, entry->d_name);
        }
    if (dir)
        (void) closedir (dir);
    return path.size ? ama_str_take (&path) : NULL;
}

char *stock_find (const ama_stock_t *stock, const ama_digest_t *digest)
{
    char *blob = stock_path (stock, STOCK_BLOB, digest, ""), *folder, *jar;

    if (stock_use (stock, STOCK_BLOB, digest))
        return blob;
    free (blob);
    if (!stock_use (stock, STOCK_JAR, digest))
        return NULL;
    folder = stock_path (stock, STOCK_JAR, digest, "");
    jar = jar_of (folder);
    free (folder);
    return jar;
}

/* ---- trees ---- */

static char *boot_file (const char *tree)
{
    ama_str_t path = { 0 };

    ama_str_printf (&path, "%.*s/boot", (int) folder_size (tree), tree);
    return ama_str_take (&path);
}

bool stock_tree_holds (const ama_stock_t *stock, const char *tree)
{
    char *path = boot_file (tree), boot[AMA_BOOT_TEXT] = "";
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read (fd, boot, sizeof boot - 1);
    struct stat st;

    if (fd >= 0)
        (void) close (fd);
    free (path);
    return n > 0 && strcmp (boot, stock->boot) == 0 && stat (tree, &st) == 0 && S_ISDIR (st.st_mode);
}

static int write_boot (const ama_stock_t *stock, const char *folder, ama_err_t *err)
{
    ama_str_t path = { 0 };
    size_t size = strlen (stock->boot);
    int fd, rc = 0;

    ama_str_printf (&path, "%s/boot", folder);
    fd = open (path.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write (fd, stock->boot, size) != (ssize_t) size)
        rc = ama_err_set (err, errno == ENOSPC ? AMA_E_NOSPACE : AMA_E_IO, "%s: %s", path.data, strerror (errno));
    if (fd >= 0)
        (void) close (fd);
    ama_str_done (&path);
    return rc;
}

/* Puts a finished folder into its place; one of another process that was faster is as good, one of an earlier boot gives way. */
static int place (const ama_stock_t *stock, const char *scratch, const char *tree, ama_err_t *err)
{
    char *folder = ama_strdup (tree);
    int rc = 0;

    folder[folder_size (tree)] = '\0';
    if (!stock_tree_holds (stock, tree)) {
        ama_tree_remove (folder);
        if (rename (scratch, folder) < 0 && !stock_tree_holds (stock, tree))
            rc = ama_err_set (err, AMA_E_IO, "%s: %s", folder, strerror (errno));
    }
    ama_tree_remove (scratch);
    free (folder);
    return rc;
}

static int begin (const char *tree, const char *scratch, ama_err_t *err)
{
    char *folder = ama_strdup (tree);
    int rc;

    folder[folder_size (tree)] = '\0';
    rc = stock_make_room (folder, err);
    free (folder);
    if (rc == 0 && mkdir (scratch, 0700) < 0)
        rc = ama_err_set (err, errno == ENOSPC ? AMA_E_NOSPACE : AMA_E_IO, "%s: %s", scratch, strerror (errno));
    return rc;
}

static int finish (const ama_stock_t *stock, const char *scratch, const char *tree, int rc, ama_err_t *err)
{
    if (rc == 0)
        rc = write_boot (stock, scratch, err);
    if (rc == 0)
        return place (stock, scratch, tree, err);
    ama_tree_remove (scratch);
    return rc;
}

int stock_unpack (const ama_stock_t *stock, const char *file, const ama_digest_t *digest, const char *tree,
                  const char *scratch, ama_err_t *err)
{
    ama_str_t inner = { 0 };
    int rc = begin (tree, scratch, err);

    ama_str_printf (&inner, "%s/tree", scratch);
    if (rc == 0)
        rc = ama_tree_unpack (file, digest, inner.data, err);
    ama_str_done (&inner);
    return finish (stock, scratch, tree, rc, err);
}

int stock_link_tree (const ama_stock_t *stock, const char *folder, const char *tree, const char *scratch,
                     ama_err_t *err)
{
    ama_str_t inner = { 0 };
    int rc = begin (tree, scratch, err);

    ama_str_printf (&inner, "%s/tree", scratch);
    if (rc == 0 && symlink (folder, inner.data) < 0)
        rc = ama_err_set (err, errno == ENOSPC ? AMA_E_NOSPACE : AMA_E_IO, "%s: %s", inner.data, strerror (errno));
    ama_str_done (&inner);
    return finish (stock, scratch, tree, rc, err);
}
