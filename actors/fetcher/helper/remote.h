/* remote.h - commits of repositories on servers, by way of a mirror per address */
#ifndef AMA_FETCHER_HELPER_REMOTE_H
#define AMA_FETCHER_HELPER_REMOTE_H

#include "actors/fetcher/helper/work.h"

/* Brings the wanted ref into the mirror and makes the snapshot. A commit named by its whole id that the mirror has needs no server. */
int ama_fetch_remote_commit (ama_fetch_work_t *work, ama_err_t *err);

#endif
