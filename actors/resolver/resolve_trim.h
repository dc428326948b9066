/* resolve_trim.h - now and then, while nobody is answered, coursier's folder loses what nobody has read for long (internal to the resolver) */
#ifndef AMA_RESOLVER_RESOLVE_TRIM_H
#define AMA_RESOLVER_RESOLVE_TRIM_H

#include "actors/depot/keep.h"
#include "actors/resolver/resolve_core.h"
#include "actors/resolver/resolve_store.h"
#include "actors/runtime/ama_worker.h"

typedef struct ama_resolve_trim ama_resolve_trim_t;

/* worker: the one that looks at locks before a child starts, so no child reads there while something is removed. All must outlive it but the worker, which is to be
 * destroyed before. NULL if nothing is ever to be removed. */
ama_resolve_trim_t *ama_resolve_trim_new (ama_ctx_t *ctx, const ama_resolve_core_t *core, ama_resolve_store_t *store,
                                          ama_worker_t *worker, const ama_keep_limits_t *limits);
void ama_resolve_trim_destroy (ama_resolve_trim_t **trim);

#endif
