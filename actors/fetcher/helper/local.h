/* local.h - repositories and folders of this machine */
#ifndef AMA_FETCHER_HELPER_LOCAL_H
#define AMA_FETCHER_HELPER_LOCAL_H

#include "actors/fetcher/helper/work.h"

/* A commit of a repository on this disk: read where it lies, no mirror. */
int ama_fetch_local_commit (ama_fetch_work_t *work, ama_err_t *err);

/* A folder as it lies there; it need not be a work tree. */
int ama_fetch_local_folder (ama_fetch_work_t *work, ama_err_t *err);

#endif
