/* keep.h - an actor that keeps files in a cache removes those that nobody needs: what was not used for long, and the longest unused of too much
 *
 * Never removed: what the supervisor says an open run needs, what this actor says it uses itself, what was used within the last hour (a transfer, an answer on
 * its way), and anything at all while another amad, agent or `ama run` uses the cache. Without the supervisor's answer nothing is removed. What was removed comes
 * again from who makes it, when it is asked for.
 */
#ifndef AMA_DEPOT_KEEP_H
#define AMA_DEPOT_KEEP_H

#include "actors/runtime/ama_actor.h"

enum { AMA_KEEP_ENTRIES_MAX = 100000 };

typedef enum {
    AMA_KEEP_DEPOT = 1 << 0,     /* <cache>/depot/SHA-256        */
    AMA_KEEP_TREES = 1 << 1,     /* <cache>/trees/SHA-256/       */
    AMA_KEEP_JARS = 1 << 2,      /* <cache>/jars/SHA-256/        */
    AMA_KEEP_SNAPSHOTS = 1 << 3, /* <cache>/snapshots/COMMIT/, with the trees that are links to them */
    AMA_KEEP_MIRRORS =
        1 << 4, /* <cache>/mirrors/SHA-256/; who uses one holds SHA-256.lock beside it, and touches that */
} ama_keep_kind_t;

typedef struct {
    uint64_t bytes; /* of all that this actor keeps; 0: any number */
    int64_t age_ms; /* since it was last used; 0: any */
    const char *
        home; /* state folder of this program, with which it has joined the cache (cache_user.h); NULL: nothing is ever removed */
    int64_t recent_ms, first_ms, every_ms; /* for tests; 0: an hour, ten seconds, ten minutes */
} ama_keep_limits_t;

typedef struct ama_keep ama_keep_t;

/* In use by the actor itself? May be NULL. */
typedef bool (ama_keep_held_fn) (void *arg, const char *id);

/* cache: absolute. NULL if the limits say that nothing is removed. */
ama_keep_t *ama_keep_new (ama_ctx_t *ctx, const char *cache, const ama_keep_limits_t *limits, unsigned kinds,
                          ama_keep_held_fn *held, void *arg);
/* From the actor's done. Waits for the worker. */
void ama_keep_destroy (ama_keep_t **keep);

#endif
