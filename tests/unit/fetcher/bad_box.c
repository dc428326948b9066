/* bad_box.c - runs the helper's code on hostile input, and checks what must hold */
#include "tests/unit/fetcher/bad_box.h"

#include "actors/fetcher/fetch_name.h"
#include "actors/fetcher/helper/folder.h"
#include "actors/fetcher/helper/order.h"
#include "actors/fetcher/helper/surroundings.h"
#include "tests/unit/fetcher/bad_server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const levels[] = { "1", "2", "3" }; /* so that a climb of a few folders is still seen */

static struct {
    char base[PATH_MAX], root[PATH_MAX], outside[PATH_MAX], repo[PATH_MAX], cache[PATH_MAX];
    int base_fd, root_fd;
    uint64_t outside_state;
} box = { .base_fd = -1 };

const ama_fetch_surroundings_t *ama_fetch_surroundings (void)
{
    static const ama_fetch_surroundings_t none;
    return &none;
}

/* libgit2 1.5 keeps what it matches patterns with; in the fetcher it is a process that ends. */
__attribute__ ((visibility ("default"))) const char *__lsan_default_suppressions (void);
const char *__lsan_default_suppressions (void)
{
    return "leak:libpcre2";
}

/* ---- what lies where ---- */

typedef struct {
    uint64_t state;   /* of names, modes, sizes and times */
    uint64_t entries; /* without the folder itself */
    uint64_t files;   /* links too */
    uint64_t bytes;
} seen_t;

static void mix (seen_t *seen, uint64_t value)
{
    seen->state = (seen->state ^ value) * 0x100000001b3;
}

/* Of a snapshot every entry is one that the fetcher may write. */
static void check_entry (int dir_fd, const char *name, const struct stat *st, unsigned depth)
{
    char target[PATH_MAX];
    ssize_t size;

    BUG_ON (ama_fetch_name_check (name, strlen (name), NULL) < 0);
    if (S_ISDIR (st->st_mode)) {
        BUG_ON ((st->st_mode & 07777) != 0555);
    }
    else if (S_ISREG (st->st_mode)) {
        BUG_ON (((st->st_mode & 07777) != 0444 && (st->st_mode & 07777) != 0555) || st->st_nlink != 1);
    }
    else {
        BUG_ON (!S_ISLNK (st->st_mode));
        size = readlinkat (dir_fd, name, target, sizeof target);
        BUG_ON (size <= 0 || !ama_fetch_link_inside (target, (size_t) size, depth));
    }
}

static void look (int dir_fd, const char *name, bool snapshot, unsigned depth, seen_t *seen)
{
    int fd = openat (dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir (fd) : NULL;
    uint64_t all = 0;

    BUG_ON (!dir);
    for (struct dirent *entry; (entry = readdir (dir));) {
        struct stat st;
        seen_t one = { .state = 0xcbf29ce484222325 };
        if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0)
            continue;
        BUG_ON (fstatat (fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0);
        if (snapshot)
            check_entry (fd, entry->d_name, &st, depth);
        for (const char *c = entry->d_name; *c; c++)
            mix (&one, (unsigned char) *c);
        mix (&one, st.st_mode);
        mix (&one, st.st_ino);
        mix (&one, (uint64_t) st.st_mtim.tv_sec << 30 | (uint64_t) st.st_mtim.tv_nsec);
        mix (&one, S_ISDIR (st.st_mode) ? 0 : (uint64_t) st.st_size);
        if (S_ISDIR (st.st_mode))
            look (fd, entry->d_name, snapshot, depth + 1, &one);
        all += one.state; /* in any order */
        seen->entries += one.entries + 1;
        seen->files += one.files + !S_ISDIR (st.st_mode);
        seen->bytes += one.bytes + (S_ISDIR (st.st_mode) ? 0 : (uint64_t) st.st_size);
    }
    (void) closedir (dir);
    mix (seen, all);
}

static seen_t state_of (const char *name)
{
    seen_t seen = { .state = 1 };

    look (box.root_fd, name, false, 0, &seen);
    return seen;
}

static size_t count (const char *path, const char *tail)
{
    DIR *dir = opendir (path);
    size_t n = 0;

    for (struct dirent *entry; dir && (entry = readdir (dir));)
        n += strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0
             && (!tail || !ama_str_ends (entry->d_name, tail));
    if (dir)
        (void) closedir (dir);
    return n;
}

/* ---- the box ---- */

static void box_remove (void)
{
    ama_fetch_folder_remove (box.base_fd, levels[0]);
    (void) rmdir (box.base);
}

static void join (char buf[PATH_MAX], const char *folder, const char *name)
{
    BUG_ON ((size_t) snprintf (buf, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX);
}

static void write_canary (void)
{
    int fd = ama_fetch_folder_make (box.root_fd, "outside", "outside", NULL);

    BUG_ON (fd < 0 || ama_fetch_file_write (fd, "canary", false, "untouched\n", 10, "canary", NULL) < 0);
    (void) close (fd);
}

static void box_open (void)
{
    const char *temp = getenv ("TMPDIR");
    char path[PATH_MAX];

    if (box.base_fd >= 0)
        return;
    (void) umask (022); /* as the helper's main */
    BUG_ON (sodium_init () < 0 || ama_fetch_git_start (NULL) < 0);
    join (path, temp ? temp : "/tmp", "ama-bad-XXXXXX");
    BUG_ON (!mkdtemp (path) || !realpath (path, box.base));
    box.base_fd = open (box.base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    memcpy (box.root, box.base, sizeof box.root);
    for (size_t i = 0; i < ARRAY_SIZE (levels); i++) {
        join (path, box.root, levels[i]);
        BUG_ON (mkdir (path, 0755) < 0);
        memcpy (box.root, path, sizeof box.root);
    }
    box.root_fd = open (box.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    BUG_ON (box.base_fd < 0 || box.root_fd < 0);
    join (box.outside, box.root, "outside");
    join (box.repo, box.root, "repo");
    join (box.cache, box.root, "cache");
    write_canary ();
    box.outside_state = state_of ("outside").state;
    (void) atexit (box_remove);
}

static void check_outside (void)
{
    char path[PATH_MAX];

    memcpy (path, box.base, sizeof path);
    for (size_t i = 0; i < ARRAY_SIZE (levels); i++) {
        char inner[PATH_MAX];
        BUG_ON (count (path, NULL) != 1);
        join (inner, path, levels[i]);
        memcpy (path, inner, sizeof path);
    }
    BUG_ON (count (box.root, NULL)
            != 1 + (size_t) (access (box.repo, F_OK) == 0) + (size_t) (access (box.cache, F_OK) == 0));
    BUG_ON (state_of ("outside").state != box.outside_state);
}

/* ---- the snapshot ---- */

static void check_digest (ama_fetch_work_t *work, int fd)
{
    static const ama_fetch_folder_rules_t strict = { .strict = true };
    char meta_path[PATH_MAX], text[AMA_DIGEST_TEXT];
    ama_digest_t digest;
    json_t *meta;

    BUG_ON (ama_fetch_folder_read (work, fd, -1, &strict, &digest, NULL) < 0); /* within the limits, too */
    (void) snprintf (meta_path, sizeof meta_path, "%.*s/meta", (int) (strlen (work->out.snapshot) - strlen ("/tree")),
                     work->out.snapshot);
    meta = json_load_file (meta_path, 0, NULL);
    BUG_ON (!meta || strcmp (json_string_value (json_object_get (meta, "tree")), ama_digest_text (&digest, text)) != 0);
    json_decref (meta);
}

static void check_snapshot (ama_fetch_work_t *work)
{
    seen_t seen = { .state = 1 };
    char store[PATH_MAX];
    struct stat st;
    int fd;

    join (store, box.cache, "snapshots");
    BUG_ON (!work->out.snapshot || !ama_str_starts (work->out.snapshot, store) || count (store, NULL) != 1);
    fd = open (work->out.snapshot, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    BUG_ON (fd < 0 || fstat (fd, &st) < 0 || (st.st_mode & 07777) != 0555);
    look (AT_FDCWD, work->out.snapshot, true, 0, &seen);
    BUG_ON (seen.files != work->out.files || seen.bytes != work->out.bytes);
    BUG_ON (seen.entries > work->settings.files || seen.bytes > work->settings.tree_bytes);
    check_digest (work, fd);
    (void) close (fd);
}

static void check_nothing (const ama_err_t *err, int rc)
{
    char store[PATH_MAX], mirrors[PATH_MAX];

    join (store, box.cache, "snapshots");
    join (mirrors, box.cache, "mirrors");
    /* good objects that make no snapshot stay in their mirror; bad ones do not */
    BUG_ON (count (store, NULL) != 0 || count (mirrors, ".lock") > (rc == AMA_E_LIMIT || rc == AMA_E_PATH ? 1 : 0));
    BUG_ON (err->code != rc || !err->text[0]);
    switch (rc) {
    case AMA_E_PATH:
    case AMA_E_LIMIT:
    case AMA_E_INTEGRITY:
    case AMA_E_NOT_FOUND:
    case AMA_E_INVALID:
    case AMA_E_UNREACHABLE:
    case AMA_E_AUTH: /* a server may say so */
        break;
    default:
        (void) fprintf (stderr, "%s: %s\n", ama_err_name (rc), err->text);
        BUG_ON (rc != 0); /* no repository and no server may cause this */
    }
}

/* ---- one order ---- */

static int perform (const char *url, const bad_ask_t *ask, const bad_limits_t *limits, ama_fetch_report_t *ret_out,
                    ama_err_t *err)
{
    ama_fetch_work_t work = { .told_ms = INT64_MAX / 2 }; /* no progress lines */
    int rc;

    ama_fetch_settings_init (&work.settings);
    work.settings.cache_dir = ama_strdup (box.cache);
    work.settings.file_bytes = limits->file_bytes;
    work.settings.tree_bytes = limits->tree_bytes;
    work.settings.pack_bytes = limits->pack_bytes;
    work.settings.files = limits->files;
    work.settings.refs = limits->refs;
    work.order = (ama_fetch_order_t){ ama_strdup (url), ama_strdup (ask->ref), ama_strdup (ask->commit),
                                      ama_strdup (""), false };
    BUG_ON (ama_fetch_url_parse (url, strlen (url), &work.url, NULL) < 0);
    rc = ama_fetch_ref_check (ask->ref, err); /* the actor's, before there is a helper */
    if (rc == 0)
        rc = ama_fetch_order_perform (&work, err);
    check_outside ();
    if (rc == 0)
        check_snapshot (&work);
    else
        check_nothing (err, rc);
    *ret_out = work.out;
    work.out = (ama_fetch_report_t){ 0 };
    ama_fetch_work_done (&work);
    return rc;
}

static void check_same (const ama_fetch_report_t *one, const ama_fetch_report_t *two)
{
    BUG_ON (!two->cached || strcmp (one->commit, two->commit) != 0 || strcmp (one->snapshot, two->snapshot) != 0);
    BUG_ON (one->files != two->files || one->bytes != two->bytes || one->n_warnings != two->n_warnings);
    for (size_t i = 0; i < one->n_warnings; i++)
        BUG_ON (strcmp (one->warnings[i], two->warnings[i]) != 0);
}

const char *bad_box_outside (void)
{
    box_open ();
    return box.outside;
}

int bad_box_repo (const void *text, size_t size, const bad_limits_t *limits, ama_fetch_report_t *ret_out,
                  unsigned *ret_line, ama_err_t *err)
{
    ama_fetch_report_t again;
    uint64_t before;
    bad_ask_t ask;
    int rc;

    box_open ();
    BUG_ON (mkdir (box.repo, 0755) < 0 || mkdir (box.cache, 0755) < 0);
    *ret_line = bad_repo_make (text, size, box.repo, box.outside, &ask);
    before = state_of ("repo").state;
    rc = perform (box.repo, &ask, limits, ret_out, err);
    if (rc == 0) {
        BUG_ON (perform (box.repo, &ask, limits, &again, NULL) < 0);
        check_same (ret_out, &again);
        ama_fetch_report_done (&again);
    }
    BUG_ON (state_of ("repo").state != before);
    return rc;
}

int bad_box_server (const void *bytes, size_t size, const char *ref, bool mend, const bad_limits_t *limits,
                    ama_fetch_report_t *ret_out, ama_err_t *err)
{
    bad_ask_t ask = { "", "" };
    int out = dup (STDOUT_FILENO), null = open ("/dev/null", O_WRONLY | O_CLOEXEC), rc;

    box_open ();
    BUG_ON (mkdir (box.cache, 0755) < 0);
    (void) snprintf (ask.ref, sizeof ask.ref, "%s", ref);
    bad_server_set (bytes, size, mend);
    (void) fflush (stdout);
    (void) dup2 (null, STDOUT_FILENO); /* "connecting" and the like */
    rc = perform ("http://bad.example.org/x.git", &ask, limits, ret_out, err);
    (void) dup2 (out, STDOUT_FILENO);
    (void) close (out);
    (void) close (null);
    return rc;
}

void bad_box_clear (ama_fetch_report_t *out)
{
    ama_fetch_report_done (out);
    ama_fetch_folder_remove (box.root_fd, "repo");
    ama_fetch_folder_remove (box.root_fd, "cache");
}
