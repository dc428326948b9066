/* local.c - snapshots of repositories and folders on this disk. Helper program only.
 *
 * Reads and never writes outside the cache; of a repository's configuration nothing is used that could start a program.
 */
#include "actors/fetcher/helper/local.h"

#include "actors/fetcher/helper/commit.h"
#include "actors/fetcher/helper/folder.h"
#include "actors/fetcher/helper/refs.h"
#include "actors/fetcher/helper/store.h"

#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- roots ---- */

static int check_root (ama_fetch_work_t *work, const char *path, ama_err_t *err)
{
    char real[PATH_MAX], root[PATH_MAX];

    if (!realpath (path, real))
        return ama_err_set (err, errno == ENOENT ? AMA_E_NOT_FOUND : AMA_E_IO, "%s: %s", path, strerror (errno));
    if (!work->settings.local_paths)
        return 0;
    for (size_t i = 0; work->settings.local_paths[i]; i++)
        if (realpath (work->settings.local_paths[i], root) && ama_fetch_path_below (real, root))
            return 0;
    return ama_err_set (err, AMA_E_URL, "%s lies outside the folders of fetch.local-paths", path);
}

/* A repository may borrow objects of others; within roots it may borrow only from below them. */
static int check_alternates (ama_fetch_work_t *work, git_repository *repo, ama_err_t *err)
{
    char path[PATH_MAX], line[PATH_MAX];
    const char *base = git_repository_commondir (repo);
    FILE *file;
    int rc = check_root (work, base, err);

    if (rc < 0 || !work->settings.local_paths)
        return rc;
    if ((size_t) snprintf (path, sizeof path, "%sobjects/info/alternates", base) >= sizeof path)
        return ama_err_set (err, AMA_E_PATH, "%.80s…: the path is too long", base);
    file = fopen (path, "re");
    while (file && rc == 0 && fgets (line, sizeof line, file)) {
        line[strcspn (line, "\n")] = '\0';
        if (line[0] != '/' && line[0] != '\0' && line[0] != '#')
            rc = ama_err_set (err, AMA_E_URL, "%s: a relative alternate is not allowed within fetch.local-paths", path);
        else if (line[0] == '/')
            rc = check_root (work, line, err);
    }
    if (file)
        (void) fclose (file);
    return rc;
}

/* ---- a commit ---- */

static int open_repository (ama_fetch_work_t *work, git_repository **ret_repo, ama_err_t *err)
{
    const char *path = work->url.path;
    struct stat st;
    int rc = check_root (work, path, err);

    if (rc < 0)
        return rc;
    rc = git_repository_open_ext (ret_repo, path, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL);
    if (rc == GIT_ENOTFOUND)
        return ama_err_set (
            err, AMA_E_NOT_FOUND, "%s is no git repository%s", path,
            stat (path, &st) == 0 && S_ISDIR (st.st_mode) ? "; `ama run` takes a folder as it lies there" : "");
    if (rc < 0)
        return ama_fetch_git_error (work, rc, "opening it", err);
    rc = check_alternates (work, *ret_repo, err);
    if (rc < 0) {
        git_repository_free (*ret_repo);
        *ret_repo = NULL;
    }
    return rc;
}

static int missing (ama_fetch_work_t *work, git_repository *repo, ama_err_t *err)
{
    git_strarray names = { 0 };
    int rc;

    (void) git_reference_list (&names, repo);
    rc = ama_fetch_ref_missing (work->url.normal, work->order.ref, (const char *const *) names.strings, names.count,
                                err);
    git_strarray_dispose (&names);
    return rc;
}

static void set_ref (ama_fetch_work_t *work, const char *full_name)
{
    const char *name = ama_fetch_ref_short (full_name);

    free (work->out.ref);
    work->out.ref = ama_fetch_clean_text (name, strlen (name), AMA_FETCH_REF_MAX - 4);
}

static int peel (ama_fetch_work_t *work, git_reference *ref, git_oid *ret_id, ama_err_t *err)
{
    git_object *object = NULL;
    int rc = git_reference_peel (&object, ref, GIT_OBJECT_COMMIT);

    if (rc == 0)
        git_oid_cpy (ret_id, git_object_id (object));
    else if (rc == GIT_EINVALIDSPEC || rc == GIT_EPEEL || rc == GIT_EAMBIGUOUS)
        rc = ama_err_set (err, AMA_E_NOT_FOUND, "%s: %s names no commit", work->url.normal,
                          git_reference_shorthand (ref));
    else
        rc = ama_fetch_git_error (work, rc, git_reference_shorthand (ref), err);
    git_object_free (object);
    return rc;
}

static int resolve_default (ama_fetch_work_t *work, git_repository *repo, git_oid *ret_id, ama_err_t *err)
{
    git_reference *head = NULL;
    int rc = git_repository_head (&head, repo);

    if (rc == GIT_EUNBORNBRANCH || rc == GIT_ENOTFOUND)
        return ama_err_set (err, AMA_E_NOT_FOUND, "%s has no commit on its default branch yet", work->url.normal);
    if (rc < 0)
        return ama_fetch_git_error (work, rc, "HEAD", err);
    if (git_reference_is_branch (head))
        set_ref (work, git_reference_name (head));
    rc = peel (work, head, ret_id, err);
    git_reference_free (head);
    return rc;
}

static int resolve_short (ama_fetch_work_t *work, git_repository *repo, git_oid *ret_id, ama_err_t *err)
{
    size_t size = strlen (work->order.ref);
    git_object *object = NULL;
    git_oid prefix;
    int rc = git_oid_fromstrn (&prefix, work->order.ref, size);

    if (rc == 0)
        rc = git_object_lookup_prefix (&object, repo, &prefix, size, GIT_OBJECT_COMMIT);
    if (rc == GIT_EAMBIGUOUS)
        return ama_err_set (err, AMA_E_NOT_FOUND, "%s: %s is the beginning of several ids; give more digits",
                            work->url.normal, work->order.ref);
    if (rc < 0)
        return missing (work, repo, err);
    git_oid_cpy (ret_id, git_object_id (object));
    git_object_free (object);
    return 0;
}

static int resolve_name (ama_fetch_work_t *work, git_repository *repo, git_oid *ret_id, ama_err_t *err)
{
    char names[3][280];
    size_t n = ama_fetch_ref_candidates (work->order.ref, names);

    for (size_t i = 0; i < n; i++) {
        git_reference *ref = NULL;
        int rc = git_reference_lookup (&ref, repo, names[i]);
        if (rc == 0) {
            set_ref (work, git_reference_name (ref));
            rc = peel (work, ref, ret_id, err);
            git_reference_free (ref);
            return rc;
        }
        if (rc != GIT_ENOTFOUND && rc != GIT_EINVALIDSPEC)
            return ama_fetch_git_error (work, rc, names[i], err);
    }
    return ama_fetch_ref_is_short (work->order.ref) ? resolve_short (work, repo, ret_id, err)
                                                    : missing (work, repo, err);
}

static int resolve (ama_fetch_work_t *work, git_repository *repo, git_oid *ret_id, ama_err_t *err)
{
    const char *ref = work->order.ref;

    if (work->order.commit[0]) { /* pinned: whatever the ref means by now */
        if (ama_fetch_ref_kind (ref) == AMA_FETCH_REF_NAME)
            set_ref (work, ref);
        return git_oid_fromstr (ret_id, work->order.commit) < 0
                   ? ama_err_set (err, AMA_E_INVALID, "%s is no commit id", work->order.commit)
                   : 0;
    }
    switch (ama_fetch_ref_kind (ref)) {
    case AMA_FETCH_REF_DEFAULT:
        return resolve_default (work, repo, ret_id, err);
    case AMA_FETCH_REF_COMMIT:
        return git_oid_fromstr (ret_id, ref) < 0 ? AMA_E_NOT_FOUND : 0;
    default:
        return resolve_name (work, repo, ret_id, err);
    }
}

int ama_fetch_local_commit (ama_fetch_work_t *work, ama_err_t *err)
{
    git_repository *repo = NULL;
    git_oid id;
    int rc = open_repository (work, &repo, err);

    if (rc < 0)
        return rc;
    rc = resolve (work, repo, &id, err);
    if (rc == 0)
        rc = ama_fetch_commit_snapshot (work, repo, &id, err);
    if (rc == AMA_E_NOT_FOUND && work->order.commit[0])
        rc = ama_err_set (err, AMA_E_INTEGRITY, "%s no longer has commit %s, which this run is pinned to",
                          work->url.normal, work->order.commit);
    git_repository_free (repo);
    return rc;
}

/* ---- a folder ---- */

/* Of an enclosing work tree: what is checked out, and whether anything below the folder differs from it. Left empty if there is none. */
static int describe_history (ama_fetch_work_t *work, ama_err_t *err)
{
    git_status_options options = GIT_STATUS_OPTIONS_INIT;
    git_repository *repo = NULL;
    git_reference *head = NULL;
    git_commit *commit = NULL;
    git_status_list *list = NULL;
    char real[PATH_MAX], *inside;
    const char *root;
    int rc;

    if (!realpath (work->url.path, real) || git_repository_open_ext (&repo, real, 0, NULL) < 0)
        return 0;
    root = git_repository_workdir (repo);
    if (!root || strncmp (real, root, strlen (root) - 1) != 0 || check_alternates (work, repo, NULL) < 0) {
        git_repository_free (repo);
        return 0;
    }
    inside = strlen (real) >= strlen (root) ? real + strlen (root) : (char[]){ "" };
    if (*inside) {
        options.pathspec.strings = &inside;
        options.pathspec.count = 1;
    }
    options.flags =
        GIT_STATUS_OPT_INCLUDE_UNTRACKED | GIT_STATUS_OPT_EXCLUDE_SUBMODULES | GIT_STATUS_OPT_DISABLE_PATHSPEC_MATCH;
    rc = git_repository_head (&head, repo);
    if (rc == 0)
        rc = git_reference_peel ((git_object **) &commit, head, GIT_OBJECT_COMMIT);
    if (rc == 0) {
        if (git_reference_is_branch (head))
            set_ref (work, git_reference_name (head));
        ama_fetch_commit_describe (work, commit);
    }
    else if (rc == GIT_EUNBORNBRANCH || rc == GIT_ENOTFOUND) {
        rc = 0;
    }
    if (rc == 0)
        rc = git_status_list_new (&list, repo, &options);
    if (rc == 0)
        work->out.dirty = git_status_list_entrycount (list) > 0;
    else
        rc = ama_fetch_git_error (work, rc, "looking for changes", err);
    git_status_list_free (list);
    git_commit_free (commit);
    git_reference_free (head);
    git_repository_free (repo);
    return rc;
}

static int copy_folder (ama_fetch_work_t *work, int from_fd, const ama_fetch_folder_rules_t *rules, ama_err_t *err)
{
    char id[AMA_DIGEST_TEXT];
    ama_fetch_stage_t stage;
    ama_digest_t digest;
    int rc = ama_fetch_stage_open (work, &stage, err);

    if (rc < 0)
        return rc;
    ama_fetch_forget_warnings (work);
    rc = ama_fetch_folder_read (work, from_fd, stage.tree_fd, rules, &digest, err);
    if (rc < 0) {
        ama_fetch_stage_drop (&stage);
        return rc;
    }
    /* the digest of what was copied, which may be newer than what was looked at first */
    return ama_fetch_stage_publish (work, &stage, ama_digest_text (&digest, id), &digest, err);
}

int ama_fetch_local_folder (ama_fetch_work_t *work, ama_err_t *err)
{
    ama_fetch_folder_rules_t rules = { .strict = false };
    char id[AMA_DIGEST_TEXT];
    struct stat cache;
    ama_digest_t digest;
    int fd, rc = check_root (work, work->url.path, err);

    if (rc < 0)
        return rc;
    fd = open (work->url.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ama_err_set (err, errno == ENOENT || errno == ENOTDIR ? AMA_E_NOT_FOUND : AMA_E_IO, "%s: %s",
                            work->url.path, strerror (errno));
    if (stat (work->settings.cache_dir, &cache) == 0)
        rules.skip = &cache;
    rc = describe_history (work, err);
    if (rc == 0)
        rc = ama_fetch_folder_read (work, fd, -1, &rules, &digest, err);
    if (rc == 0)
        rc = ama_fetch_store_find (work, ama_digest_text (&digest, id), &work->out.cached, err);
    if (rc == 0 && !work->out.cached)
        rc = copy_folder (work, fd, &rules, err);
    (void) close (fd);
    return rc;
}
