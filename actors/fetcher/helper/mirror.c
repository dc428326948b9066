/* mirror.c - the bare repositories of the cache. Helper program only; any number of helpers at once on one mirror. */
#include "actors/fetcher/helper/mirror.h"

#include "actors/base/ama_digest.h"
#include "actors/fetcher/helper/folder.h"
#include "actors/fetcher/helper/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

enum { MANY_PACKS = 30 };

int ama_fetch_mirror_init (ama_fetch_work_t *work, ama_fetch_mirror_t *ret_mirror, ama_err_t *err)
{
    ama_digest_t digest = ama_digest_of (work->url.normal, strlen (work->url.normal));
    ama_fetch_mirror_t mirror = { .store_fd = ama_fetch_cache_open (work->settings.cache_dir, "mirrors", err) };
    char lock[80];

    if (mirror.store_fd < 0)
        return mirror.store_fd;
    (void) ama_digest_text (&digest, mirror.name);
    (void) snprintf (lock, sizeof lock, "%s.lock", mirror.name);
    mirror.lock_fd = openat (mirror.store_fd, lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (mirror.lock_fd < 0) {
        int rc = ama_fetch_os_error (lock, err);
        (void) close (mirror.store_fd);
        return rc;
    }
    *ret_mirror = mirror;
    return 0;
}

void ama_fetch_mirror_done (ama_fetch_mirror_t *mirror)
{
    git_repository_free (mirror->repo);
    (void) close (mirror->lock_fd); /* ends the lock */
    (void) close (mirror->store_fd);
    *mirror = (ama_fetch_mirror_t){ .store_fd = -1, .lock_fd = -1 };
}

/* ---- lock ---- */

static void on_alarm (int signal)
{
    (void) signal; /* only to end flock once a second */
}

/* When it was used last is told by its lock; who removes those that nobody uses looks at it (actors/depot/keep.h). */
static int touched (const ama_fetch_mirror_t *mirror)
{
    (void) futimens (mirror->lock_fd, NULL);
    return 0;
}

int ama_fetch_mirror_lock (ama_fetch_work_t *work, ama_fetch_mirror_t *mirror, bool exclusive, ama_err_t *err)
{
    const struct itimerval every_second = { { 1, 0 }, { 1, 0 } }, never = { { 0, 0 }, { 0, 0 } };
    const struct sigaction wake = { .sa_handler = on_alarm };
    int how = exclusive ? LOCK_EX : LOCK_SH, rc;

    if (flock (mirror->lock_fd, how | LOCK_NB) == 0)
        return touched (mirror);
    (void) sigaction (SIGALRM, &wake, NULL);
    (void) setitimer (ITIMER_REAL, &every_second, NULL);
    work->connected = true; /* it waits for its like, not for the server */
    do {
        ama_fetch_tell_now (work, "waiting for another fetch of this repository");
        rc = flock (mirror->lock_fd, how);
    } while (rc < 0 && errno == EINTR);
    (void) setitimer (ITIMER_REAL, &never, NULL);
    return rc < 0 ? ama_fetch_os_error (mirror->name, err) : touched (mirror);
}

/* ---- opening ---- */

static int path_of (ama_fetch_work_t *work, const char *name, char buf[PATH_MAX], ama_err_t *err)
{
    if ((size_t) snprintf (buf, PATH_MAX, "%s/mirrors/%s", work->settings.cache_dir, name) >= PATH_MAX)
        return ama_err_set (err, AMA_E_PATH, "%.80s…: the path is too long", work->settings.cache_dir);
    return 0;
}

/* Made beside its place and renamed, so that a mirror is never half there. */
static int make_repository (ama_fetch_work_t *work, ama_fetch_mirror_t *mirror, ama_err_t *err)
{
    git_repository_init_options options = GIT_REPOSITORY_INIT_OPTIONS_INIT;
    git_repository *repo = NULL;
    char name[80], path[PATH_MAX];
    int rc;

    (void) snprintf (name, sizeof name, "%s.new", mirror->name);
    ama_fetch_folder_remove (mirror->store_fd, name);
    ama_fetch_folder_remove (mirror->store_fd, mirror->name);
    rc = path_of (work, name, path, err);
    if (rc < 0)
        return rc;
    options.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_NO_REINIT | GIT_REPOSITORY_INIT_MKDIR;
    rc = git_repository_init_ext (&repo, path, &options);
    git_repository_free (repo);
    if (rc < 0)
        return ama_fetch_git_error (work, rc, "making its mirror", err);
    if (renameat (mirror->store_fd, name, mirror->store_fd, mirror->name) < 0)
        return ama_fetch_os_error (path, err);
    mirror->made = true;
    return 0;
}

static void for_each_pack (ama_fetch_mirror_t *mirror, void (*fn) (int dir_fd, const char *name, void *arg), void *arg)
{
    char path[128];
    int fd;
    DIR *dir;

    (void) snprintf (path, sizeof path, "%s/objects/pack", mirror->name);
    fd = openat (mirror->store_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dir = fd >= 0 ? fdopendir (fd) : NULL;
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir (dir));)
        if (entry->d_name[0] != '.')
            fn (fd, entry->d_name, arg);
    (void) closedir (dir);
}

static void remove_unfinished (int dir_fd, const char *name, void *arg)
{
    (void) arg;
    if (!ama_str_ends (name, ".pack") && !ama_str_ends (name, ".idx"))
        (void) unlinkat (dir_fd, name, 0);
}

int ama_fetch_mirror_open (ama_fetch_work_t *work, ama_fetch_mirror_t *mirror, bool make, ama_err_t *err)
{
    char path[PATH_MAX];
    int rc = path_of (work, mirror->name, path, err);

    if (rc < 0)
        return rc;
    git_repository_free (mirror->repo);
    mirror->repo = NULL;
    rc = git_repository_open_bare (&mirror->repo, path);
    if (!make)
        return 0;
    if (rc < 0) {
        rc = make_repository (work, mirror, err);
        if (rc < 0)
            return rc;
        rc = git_repository_open_bare (&mirror->repo, path);
    }
    if (rc < 0)
        return ama_fetch_git_error (work, rc, "opening its mirror", err);
    for_each_pack (mirror, remove_unfinished, NULL);
    return 0;
}

int ama_fetch_mirror_remember (ama_fetch_work_t *work, ama_fetch_mirror_t *mirror, const char *name, const git_oid *id,
                               ama_err_t *err)
{
    ama_digest_t digest = ama_digest_of (name, strlen (name));
    char hex[AMA_DIGEST_TEXT], ref[96];
    git_reference *made = NULL;
    int rc;

    (void) snprintf (ref, sizeof ref, "refs/ama/%s", ama_digest_text (&digest, hex));
    rc = git_reference_create (&made, mirror->repo, ref, id, 1, NULL);
    git_reference_free (made);
    return rc < 0 ? ama_fetch_git_error (work, rc, name, err) : 0;
}

/* ---- tidying ---- */

typedef struct {
    size_t n;
    const char *keep; /* "pack-<hex>" */
} packs_t;

static void count_pack (int dir_fd, const char *name, void *arg)
{
    packs_t *packs = arg;
    (void) dir_fd;
    packs->n += ama_str_ends (name, ".pack");
}

static void remove_old_pack (int dir_fd, const char *name, void *arg)
{
    packs_t *packs = arg;
    if (!ama_str_starts (name, packs->keep))
        (void) unlinkat (dir_fd, name, 0);
}

static int insert_all (git_packbuilder *builder, git_repository *repo)
{
    git_revwalk *walk = NULL;
    git_reference_iterator *refs = NULL;
    git_reference *ref = NULL;
    int rc = git_revwalk_new (&walk, repo);

    if (rc == 0)
        rc = git_reference_iterator_new (&refs, repo);
    while (rc == 0 && (rc = git_reference_next (&ref, refs)) == 0) {
        const git_oid *id = git_reference_target (ref);
        git_object *object = NULL;
        rc = id ? git_object_lookup (&object, repo, id, GIT_OBJECT_ANY) : 0;
        if (rc == 0 && object && git_object_type (object) == GIT_OBJECT_COMMIT)
            rc = git_revwalk_push (walk, id);
        else if (rc == 0 && object) /* a tag: itself and all that it names */
            rc = git_packbuilder_insert_recur (builder, id, NULL);
        git_object_free (object);
        git_reference_free (ref);
    }
    if (rc == GIT_ITEROVER)
        rc = git_packbuilder_insert_walk (builder, walk);
    git_reference_iterator_free (refs);
    git_revwalk_free (walk);
    return rc;
}

int ama_fetch_mirror_tidy (ama_fetch_work_t *work, ama_fetch_mirror_t *mirror, ama_err_t *err)
{
    git_packbuilder *builder = NULL;
    packs_t packs = { 0 };
    char keep[64];
    int rc;

    for_each_pack (mirror, count_pack, &packs);
    if (packs.n < MANY_PACKS)
        return 0;
    ama_fetch_tell (work, "tidying the mirror", 0, 0, 0);
    rc = git_packbuilder_new (&builder, mirror->repo);
    if (rc == 0)
        rc = insert_all (builder, mirror->repo);
    if (rc == 0)
        rc = git_packbuilder_write (builder, NULL, 0, NULL, NULL);
    if (rc == 0) {
        (void) snprintf (keep, sizeof keep, "pack-%s", git_packbuilder_name (builder));
        packs.keep = keep;
        for_each_pack (mirror, remove_old_pack, &packs);
    }
    else {
        rc = ama_fetch_git_error (work, rc, "tidying its mirror", err);
    }
    git_packbuilder_free (builder);
    return rc;
}

void ama_fetch_mirror_discard (ama_fetch_work_t *work, ama_fetch_mirror_t *mirror)
{
    if (ama_fetch_mirror_lock (work, mirror, true, NULL) == 0)
        ama_fetch_folder_remove (mirror->store_fd, mirror->name);
}
