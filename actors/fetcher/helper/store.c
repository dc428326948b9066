/* store.c - finding and publishing snapshots. Helper program only; any number of helpers at once on one cache. */
#include "actors/fetcher/helper/store.h"

#include "actors/base/ama_clock.h"
#include "actors/depot/cache_user.h"
#include "actors/fetcher/helper/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char stage_prefix[] = ".making-";

/* ---- folders ---- */

static int mkdir_parents (const char *path, ama_err_t *err)
{
    char part[PATH_MAX];

    if (strlen (path) >= sizeof part)
        return ama_err_set (err, AMA_E_PATH, "%.80s…: the path is too long", path);
    for (const char *slash = strchr (path + 1, '/');; slash = strchr (slash + 1, '/')) {
        size_t size = slash ? (size_t) (slash - path) : strlen (path);
        memcpy (part, path, size);
        part[size] = '\0';
        if (mkdir (part, 0700) < 0 && errno != EEXIST)
            return ama_fetch_os_error (part, err);
        if (!slash)
            return 0;
    }
}

int ama_fetch_cache_open (const char *cache_dir, const char *name, ama_err_t *err)
{
    char path[PATH_MAX];
    int fd;

    if ((size_t) snprintf (path, sizeof path, "%s/%s", cache_dir, name) >= sizeof path)
        return ama_err_set (err, AMA_E_PATH, "%.80s…: the path is too long", cache_dir);
    fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        int rc = mkdir_parents (path, err);
        if (rc < 0)
            return rc;
        fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    return fd < 0 ? ama_fetch_os_error (path, err) : fd;
}

/* ---- meta ---- */

static int meta_write (int dir_fd, const ama_fetch_report_t *out, const ama_digest_t *tree, ama_err_t *err)
{
    char boot[AMA_BOOT_TEXT], digest[AMA_DIGEST_TEXT];
    json_t *warnings = json_array (), *meta;
    char *text;
    int rc;

    (void) ama_boot_text (boot);
    for (size_t i = 0; i < out->n_warnings; i++)
        (void) json_array_append_new (warnings, json_string (out->warnings[i]));
    meta = json_pack ("{s:i, s:I, s:s, s:s, s:o}", "files", (int) out->files, "bytes", (json_int_t) out->bytes, "tree",
                      ama_digest_text (tree, digest), "boot", boot, "warnings", warnings);
    BUG_ON (!meta);
    text = json_dumps (meta, JSON_COMPACT);
    BUG_ON (!text);
    (void) unlinkat (dir_fd, "meta.new", 0);
    rc = ama_fetch_file_write (dir_fd, "meta.new", false, text, strlen (text), "meta", err);
    if (rc == 0 && renameat (dir_fd, "meta.new", dir_fd, "meta") < 0)
        rc = ama_fetch_os_error ("meta", err);
    free (text);
    json_decref (meta);
    return rc;
}

/* NULL if there is none, or none that can be read. */
static json_t *meta_read (int dir_fd)
{
    char text[AMA_FETCH_LINE_MAX];
    int fd = openat (dir_fd, "meta", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read (fd, text, sizeof text) : -1;

    if (fd >= 0)
        (void) close (fd);
    return got > 0 ? json_loadb (text, (size_t) got, 0, NULL) : NULL;
}

/* A snapshot of an earlier boot: is it what it says? Then it counts as one of this boot. */
static bool is_whole (ama_fetch_work_t *work, int dir_fd, const json_t *meta)
{
    const ama_fetch_folder_rules_t rules = { .strict = true };
    int tree_fd = openat (dir_fd, "tree", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    const char *text = json_string_value (json_object_get (meta, "tree"));
    ama_digest_t is, should;
    bool whole = tree_fd >= 0 && text && ama_digest_parse (text, &should) == 0
                 && ama_fetch_folder_read (work, tree_fd, -1, &rules, &is, NULL) == 0
                 && ama_digest_equal (&is, &should);

    if (tree_fd >= 0)
        (void) close (tree_fd);
    return whole && meta_write (dir_fd, &work->out, &should, NULL) == 0;
}

static void set_snapshot (ama_fetch_work_t *work, const char *id)
{
    ama_str_t path = { 0 };

    ama_str_printf (&path, "%s/snapshots/%s/tree", work->settings.cache_dir, id);
    free (work->out.snapshot);
    work->out.snapshot = ama_str_take (&path);
}

static void set_out (ama_fetch_work_t *work, const json_t *meta)
{
    const json_t *warning;
    size_t i;

    work->out.files = (uint32_t) json_integer_value (json_object_get (meta, "files"));
    work->out.bytes = (uint64_t) json_integer_value (json_object_get (meta, "bytes"));
    ama_fetch_forget_warnings (work);
    json_array_foreach (json_object_get (meta, "warnings"), i, warning)
    {
        if (json_is_string (warning))
            ama_fetch_warn (work, "%s", json_string_value (warning));
    }
}

static bool is_good (ama_fetch_work_t *work, int dir_fd)
{
    json_t *meta = meta_read (dir_fd);
    const char *its_boot = json_string_value (json_object_get (meta, "boot"));
    char boot[AMA_BOOT_TEXT];
    bool good = false;

    (void) ama_boot_text (boot);
    if (its_boot) {
        set_out (work, meta);
        good = strcmp (its_boot, boot) == 0 || is_whole (work, dir_fd, meta);
    }
    json_decref (meta);
    return good;
}

/* Removes a snapshot that is not what it should be. Others may find that at the same moment: only who holds the lock of the very folder
 * that the name still stands for removes it. */
static void discard (int store_fd, const char *id, int dir_fd)
{
    struct stat named, ours;

    if (flock (dir_fd, LOCK_EX) == 0 && fstat (dir_fd, &ours) == 0
        && fstatat (store_fd, id, &named, AT_SYMLINK_NOFOLLOW) == 0 && ours.st_ino == named.st_ino
        && ours.st_dev == named.st_dev)
        ama_fetch_folder_remove (store_fd, id);
}

int ama_fetch_store_find (ama_fetch_work_t *work, const char *id, bool *ret_found, ama_err_t *err)
{
    int store_fd = ama_fetch_cache_open (work->settings.cache_dir, "snapshots", err), fd;

    *ret_found = false;
    if (store_fd < 0)
        return store_fd;
    fd = ama_cache_touch (store_fd, id) ? openat (store_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (fd >= 0) {
        *ret_found = is_good (work, fd);
        if (*ret_found)
            set_snapshot (work, id);
        else
            discard (store_fd, id, fd);
        (void) close (fd);
    }
    (void) close (store_fd);
    return 0;
}

/* ---- stages ---- */

/* A stage whose lock can be had has no living maker. */
static void sweep (int store_fd)
{
    int fd = openat (store_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir (fd) : NULL;

    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir (dir));) {
        int stage;
        if (!ama_str_starts (entry->d_name, stage_prefix))
            continue;
        stage = openat (store_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (stage >= 0 && flock (stage, LOCK_EX | LOCK_NB) == 0)
            ama_fetch_folder_remove (store_fd, entry->d_name);
        if (stage >= 0)
            (void) close (stage);
    }
    (void) closedir (dir);
}

/* Until it is locked another helper may take the folder for a dead one's and remove it: making the tree tells. */
static int stage_try (ama_fetch_stage_t *stage, ama_err_t *err)
{
    uint64_t number;

    randombytes_buf (&number, sizeof number);
    (void) snprintf (stage->name, sizeof stage->name, "%s%016llx", stage_prefix, (unsigned long long) number);
    stage->fd = ama_fetch_folder_make (stage->store_fd, stage->name, stage->name, err);
    if (stage->fd < 0)
        return stage->fd;
    if (flock (stage->fd, LOCK_EX | LOCK_NB) < 0)
        return ama_fetch_os_error (stage->name, err);
    stage->tree_fd = ama_fetch_folder_make (stage->fd, "tree", "tree", err);
    return stage->tree_fd < 0 ? stage->tree_fd : 0;
}

int ama_fetch_stage_open (ama_fetch_work_t *work, ama_fetch_stage_t *ret_stage, ama_err_t *err)
{
    enum { TRIES = 3 };
    ama_fetch_stage_t stage;
    int rc = -1;

    for (int i = 0; rc < 0 && i < TRIES; i++) {
        stage = (ama_fetch_stage_t){ ama_fetch_cache_open (work->settings.cache_dir, "snapshots", err), -1, -1, "" };
        if (stage.store_fd < 0)
            return stage.store_fd;
        sweep (stage.store_fd);
        rc = stage_try (&stage, err);
        if (rc < 0)
            ama_fetch_stage_drop (&stage);
    }
    if (rc == 0)
        *ret_stage = stage;
    return rc;
}

static void stage_close (ama_fetch_stage_t *stage)
{
    if (stage->tree_fd >= 0)
        (void) close (stage->tree_fd);
    if (stage->fd >= 0)
        (void) close (stage->fd);
    if (stage->store_fd >= 0)
        (void) close (stage->store_fd);
    *stage = (ama_fetch_stage_t){ -1, -1, -1, "" };
}

void ama_fetch_stage_drop (ama_fetch_stage_t *stage)
{
    if (stage->fd >= 0)
        ama_fetch_folder_remove (stage->store_fd, stage->name);
    stage_close (stage);
}

int ama_fetch_stage_publish (ama_fetch_work_t *work, ama_fetch_stage_t *stage, const char *id, const ama_digest_t *tree,
                             ama_err_t *err)
{
    int rc;

    work->out.files = work->files;
    work->out.bytes = work->bytes;
    rc = meta_write (stage->fd, &work->out, tree, err);
    if (rc == 0 && fchmod (stage->tree_fd, 0555) < 0)
        rc = ama_fetch_os_error (id, err);
    if (rc == 0 && renameat (stage->store_fd, stage->name, stage->store_fd, id) < 0) {
        if (errno != EEXIST && errno != ENOTEMPTY)
            rc = ama_fetch_os_error (id, err);
        ama_fetch_folder_remove (stage->store_fd, stage->name);
    }
    if (rc < 0) {
        ama_fetch_stage_drop (stage);
        return rc;
    }
    stage_close (stage);
    set_snapshot (work, id);
    return 0;
}
