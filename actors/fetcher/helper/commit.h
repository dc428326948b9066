/* commit.h - a commit of an open repository becomes a snapshot */
#ifndef AMA_FETCHER_HELPER_COMMIT_H
#define AMA_FETCHER_HELPER_COMMIT_H

#include "actors/fetcher/helper/work.h"

#include <git2.h>

/* Sets commit, subject, snapshot, files, bytes and warnings of work->out, and cached if the snapshot was there. The bytes of every object
 * are checked against its id. 0 or AMA_E_NOT_FOUND (no such commit), AMA_E_PATH, AMA_E_LIMIT, AMA_E_INTEGRITY, AMA_E_IO, AMA_E_NOSPACE. */
int ama_fetch_commit_snapshot (ama_fetch_work_t *work, git_repository *repo, const git_oid *id, ama_err_t *err);

/* commit and subject of work->out only. */
void ama_fetch_commit_describe (ama_fetch_work_t *work, const git_commit *commit);

#endif
