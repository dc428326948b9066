/* resolve_lock.h - the lock of one set: which files it is made of, by their bytes
 *
 * Pure. Written to <cache>/locks/<digest of the set>.json by resolve_store.c. A set that is locked needs no repository any more, and
 * can not silently become other files.
 */
#ifndef AMA_RESOLVER_RESOLVE_LOCK_H
#define AMA_RESOLVER_RESOLVE_LOCK_H

#include "actors/base/ama_digest.h"
#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

#include <stdbool.h>
#include <stdint.h>

enum { AMA_RESOLVE_LOCK_BYTES_MAX = 16 << 20 };

typedef struct {
    char *coordinates; /* owned */
    char *name;        /* file name in the store: one segment, unlike for unlike coordinates */
    ama_digest_t digest;
    uint64_t size;
} ama_resolve_locked_t;

typedef struct {
    ama_resolve_locked_t *files; /* in the order of the class path */
    size_t n_files;
} ama_resolve_lock_t;

void ama_resolve_lock_done (ama_resolve_lock_t *lock);

/* JSON text, appended. */
void ama_resolve_lock_encode (const ama_resolve_lock_t *lock, ama_str_t *out);
/* 0, or AMA_E_DECODE; nothing to free then. */
int ama_resolve_lock_decode (const char *text, size_t size, ama_resolve_lock_t *ret_lock, ama_err_t *err);

/* Of the sorted coordinates and digests: of the set, not of its order. */
ama_digest_t ama_resolve_lock_digest (const ama_resolve_lock_t *lock);

/* Some file is of a version that may change under its name. */
bool ama_resolve_lock_is_changing (const ama_resolve_lock_t *lock);

/* 0, or AMA_E_INTEGRITY: a released file has other bytes than before. */
int ama_resolve_lock_compare (const ama_resolve_lock_t *before, const ama_resolve_lock_t *now, ama_err_t *err);

/* The file name in the store: the group stands in it, because executors put all jars into one folder. path: for its extension.
 * Returns owned. */
char *ama_resolve_lock_name (const char *coordinates, const char *path);

#endif
