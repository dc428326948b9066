/* store.h - snapshots on disk: <cache>/snapshots/<id>/{meta,tree/}, made in a private folder beside them and renamed into place
 *
 * id is a commit (40 hex digits) or the digest of a folder (64). A snapshot never changes; every helper may make one, the first wins.
 * meta is one line of JSON: files, bytes, warnings, the tree's digest, and the boot it was made in. Nothing is synced to disk, so a
 * snapshot of an earlier boot is read through once, and made again if it is not what meta says.
 */
#ifndef AMA_FETCHER_HELPER_STORE_H
#define AMA_FETCHER_HELPER_STORE_H

#include "actors/base/ama_digest.h"
#include "actors/fetcher/helper/work.h"

/* One snapshot under construction. Its folder is locked, so that others can tell it from one whose maker died. */
typedef struct {
    int store_fd; /* <cache>/snapshots */
    int fd;       /* its own folder */
    int tree_fd;  /* what is to be filled */
    char name[40];
} ama_fetch_stage_t;

/* *ret_found: there is a whole snapshot; then snapshot, files, bytes and warnings of work->out are set. */
int ama_fetch_store_find (ama_fetch_work_t *work, const char *id, bool *ret_found, ama_err_t *err);

/* Also removes what dead helpers left. */
int ama_fetch_stage_open (ama_fetch_work_t *work, ama_fetch_stage_t *ret_stage, ama_err_t *err);
/* Puts it into place as id; if another was faster, that one counts. Sets work->out as above. The stage is closed in any case. */
int ama_fetch_stage_publish (ama_fetch_work_t *work, ama_fetch_stage_t *stage, const char *id, const ama_digest_t *tree,
                             ama_err_t *err);
void ama_fetch_stage_drop (ama_fetch_stage_t *stage);

/* mkdir -p of a folder of the cache with 0700, and opens it; the descriptor or a negative code. */
int ama_fetch_cache_open (const char *cache_dir, const char *name, ama_err_t *err);

#endif
