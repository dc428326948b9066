/* resolve_store.h - locks and jars on disk: <cache>/locks/<set>.json, <cache>/jars/<sha256>/<name>
 *
 * Blocks; used on one worker thread. Shared with other processes of the same user: everything appears whole or not at all. A file is
 * handed out only if its bytes have its digest; each is read once per process, and again when it looks different.
 */
#ifndef AMA_RESOLVER_RESOLVE_STORE_H
#define AMA_RESOLVER_RESOLVE_STORE_H

#include "actors/resolver/resolve_answer.h"
#include "actors/resolver/resolve_lock.h"

typedef struct ama_resolve_store ama_resolve_store_t;

/* cache: absolute; folders are made when they are needed. */
ama_resolve_store_t *ama_resolve_store_new (const char *cache);
void ama_resolve_store_destroy (ama_resolve_store_t **store);

/* Any thread: what is going on ends soon, with AMA_E_CANCELLED. */
void ama_resolve_store_stop (ama_resolve_store_t *store);

/* The lock of a set, all files there and good. 0; AMA_E_NOT_FOUND: no lock, or files are missing; those that were damaged are gone
 * now. AMA_E_IO. */
int ama_resolve_store_find (ama_resolve_store_t *store, const ama_digest_t *set, ama_resolve_lock_t *ret_lock,
                            ama_err_t *err);

/* Takes files from below <cache>/coursier into the store and writes the lock. 0, AMA_E_INTEGRITY (not what was locked before),
 * AMA_E_CHILD (a path from elsewhere, a file that is not there), AMA_E_NOSPACE or AMA_E_IO. */
int ama_resolve_store_put (ama_resolve_store_t *store, const ama_digest_t *set, const ama_resolve_found_t *files,
                           size_t n_files, ama_resolve_lock_t *ret_lock, ama_err_t *err);

/* Removes from <cache>/coursier what nobody has read for long: files that are in no set any more, and descriptions. They were last used before that moment, wall
 * milliseconds. home: as of ama_cache_lock, which is held meanwhile. No child may be there. Returns how many, and their bytes; none while others use the cache. */
size_t ama_resolve_store_trim (ama_resolve_store_t *store, const char *home, int64_t before_ms, uint64_t *ret_bytes);

/* Absolute path of a locked file. Any thread. Returns owned. */
char *ama_resolve_store_path (const ama_resolve_store_t *store, const ama_resolve_locked_t *file);

#endif
