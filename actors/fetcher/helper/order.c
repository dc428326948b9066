/* order.c - libgit2's settings, and which way an order goes. Helper program only. */
#include "actors/fetcher/helper/order.h"

#include "actors/fetcher/helper/local.h"
#include "actors/fetcher/helper/remote.h"

#include <git2.h>

/* No configuration of the user or the machine, no ownership check (nothing of a repository's own configuration is obeyed), and windows
 * onto packs that fit into a limited address space. */
int ama_fetch_git_start (ama_err_t *err)
{
    static const int levels[] = { GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG,
                                  GIT_CONFIG_LEVEL_GLOBAL };
    int rc = git_libgit2_init ();

    for (size_t i = 0; rc >= 0 && i < ARRAY_SIZE (levels); i++)
        rc = git_libgit2_opts (GIT_OPT_SET_SEARCH_PATH, levels[i], "");
    if (rc >= 0)
        rc = git_libgit2_opts (GIT_OPT_SET_OWNER_VALIDATION, 0);
    if (rc >= 0)
        rc = git_libgit2_opts (GIT_OPT_SET_MWINDOW_SIZE, (size_t) 32 << 20);
    if (rc >= 0)
        rc = git_libgit2_opts (GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, (size_t) 256 << 20);
    if (rc >= 0)
        rc = git_libgit2_opts (GIT_OPT_SET_PACK_MAX_OBJECTS, (size_t) AMA_FETCH_OBJECTS_MAX);
    if (rc < 0)
        return ama_err_set (err, AMA_E_FATAL, "libgit2 can not be set up: %s",
                            git_error_last () ? git_error_last ()->message : "?");
    return 0;
}

int ama_fetch_order_perform (ama_fetch_work_t *work, ama_err_t *err)
{
    (void) git_libgit2_opts (GIT_OPT_SET_PACK_MAX_OBJECT_SIZE, (size_t) work->settings.file_bytes);
    if (work->url.scheme != AMA_FETCH_LOCAL)
        return ama_fetch_remote_commit (work, err);
    return work->order.worktree ? ama_fetch_local_folder (work, err) : ama_fetch_local_commit (work, err);
}
