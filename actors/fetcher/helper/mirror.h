/* mirror.h - <cache>/mirrors/<digest of the address>: a bare repository of ours that holds what was fetched from one address
 *
 * Its configuration is libgit2's default and nothing of the server's. Its refs are refs/ama/<digest of the server's name>: a flat list,
 * so that no name of the server's can be in the way of another. <digest>.lock beside it is held exclusively while objects come in or go,
 * shared while they are read.
 */
#ifndef AMA_FETCHER_HELPER_MIRROR_H
#define AMA_FETCHER_HELPER_MIRROR_H

#include "actors/fetcher/helper/work.h"

#include <git2.h>

typedef struct {
    int store_fd; /* <cache>/mirrors */
    int lock_fd;
    char name[65];
    git_repository *repo; /* NULL until opened */
    bool made;            /* by this order */
} ama_fetch_mirror_t;

/* Opens the lock of the mirror of work->url; locks nothing yet. */
int ama_fetch_mirror_init (ama_fetch_work_t *work, ama_fetch_mirror_t *ret_mirror, ama_err_t *err);
void ama_fetch_mirror_done (ama_fetch_mirror_t *mirror);

/* Waits for the lock (and says so); changes a lock already held. */
int ama_fetch_mirror_lock (ama_fetch_work_t *work, ama_fetch_mirror_t *mirror, bool exclusive, ama_err_t *err);

/* Opens it. make (with the exclusive lock only): makes it if there is none or it can not be opened, and removes what an interrupted
 * fetch left. Without make repo stays NULL if there is none. */
int ama_fetch_mirror_open (ama_fetch_work_t *work, ama_fetch_mirror_t *mirror, bool make, ama_err_t *err);

/* Keeps the objects of a fetched head: they are what the next fetch need not transfer. */
int ama_fetch_mirror_remember (ama_fetch_work_t *work, ama_fetch_mirror_t *mirror, const char *name, const git_oid *id,
                               ama_err_t *err);

/* One pack out of many, when there are many. With the exclusive lock only. */
int ama_fetch_mirror_tidy (ama_fetch_work_t *work, ama_fetch_mirror_t *mirror, ama_err_t *err);

/* It is broken: the next fetch begins anew. */
void ama_fetch_mirror_discard (ama_fetch_work_t *work, ama_fetch_mirror_t *mirror);

#endif
