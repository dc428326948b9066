/* stock.h - an actor's own share of the content-addressed files: what is on its disk, what it gets from others and gives to them
 *
 * A path that ends in trees/SHA-256/tree or jars/SHA-256/NAME names its content, so on a host with another disk it stands for the same files below that
 * host's own cache. What is missing there is got from the depot, over the hub, with credit; nothing is used before its bytes were found to have their
 * digest. Everything appears whole or not at all; other processes of the same user may share the cache.
 *
 *     <cache>/depot/SHA-256             files that may be asked for: trees packed by tree_file.h, what the depot keeps
 *     <cache>/trees/SHA-256/tree, boot  a tree, or a link to where it lies; boot: the boot it was made in (nothing is synced, so it holds for that one)
 *     <cache>/jars/SHA-256/NAME         as in resolver/README.md
 *
 * Used on the actor's thread; what blocks is done on a worker's. Bounds: a file 8 GiB, 4 transfers at a time, 1 MiB under way in each.
 */
#ifndef AMA_DEPOT_STOCK_H
#define AMA_DEPOT_STOCK_H

#include "actors/base/ama_digest.h"
#include "actors/runtime/ama_actor.h"

typedef struct ama_stock ama_stock_t;

/* cache_dir: absolute; folders are made when they are needed. */
ama_stock_t *ama_stock_new (ama_ctx_t *ctx, const char *cache_dir);
/* From the actor's done: no callback comes any more. Waits for the worker. */
void ama_stock_destroy (ama_stock_t **stock);

/* err NULL: all is there. Never from inside the call that it answers. */
typedef void (ama_stock_fn) (void *arg, const ama_err_t *err);

/* What the path stands for here: owned, or NULL if it names no content (then it is what it is). */
char *ama_stock_local (const ama_stock_t *stock, const char *path);
/* Is the tree that path stands for here already, without asking anybody? */
bool ama_stock_has (const ama_stock_t *stock, const char *path);

/* Gets what the paths stand for, as far as it is missing or damaged; paths that name no content are passed over. A depot that is not there is waited for
 * (patience_ms); AMA_E_NOT_FOUND: it does not have one of them. */
void ama_stock_want (ama_stock_t *stock, const char *const *paths, size_t n, int64_t patience_ms, ama_stock_fn *fn,
                     void *arg);

/* Gets files by digest into depot/, from an actor that has offered them. */
void ama_stock_pull (ama_stock_t *stock, const char *from, const ama_digest_t *digests, size_t n, ama_stock_fn *fn,
                     void *arg);

/* Answers depot.get with a file of depot/ or jars/. For a handler: 0, or AMA_E_NOT_FOUND, AMA_E_IO, AMA_E_BUSY (very many at a time). */
int ama_stock_serve (ama_stock_t *stock, const ama_envelope_t *request, const ama_digest_t *digest, ama_err_t *err);

/* path: of the tree, as others may be told it; NULL with an error. */
typedef void (ama_stock_tree_fn) (void *arg, const char *path, const ama_digest_t *digest, const ama_err_t *err);

/* Packs a folder that does not change any more, so that it can be offered. */
void ama_stock_add_tree (ama_stock_t *stock, const char *folder, ama_stock_tree_fn *fn, void *arg);

/* Tells the depot of files of ours; it has them when fn is called without error. */
void ama_stock_offer (ama_stock_t *stock, const ama_digest_t *digests, size_t n, ama_stock_fn *fn, void *arg);

#endif
