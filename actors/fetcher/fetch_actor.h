/* fetch_actor.h - the fetcher as an actor: (url, ref) becomes a pinned, immutable snapshot in the cache */
#ifndef AMA_FETCHER_FETCH_ACTOR_H
#define AMA_FETCHER_FETCH_ACTOR_H

#include "actors/depot/keep.h"
#include "actors/fetcher/fetch_core.h"
#include "actors/fetcher/fetch_wire.h"
#include "actors/runtime/ama_actor.h"

/* The config of ama_node_start. The helper gets this process' environment (proxies, certificate authorities, an ssh agent, what credential
 * helpers need) and nothing secret from us in it. Everything is borrowed until init returns; lists are NULL-terminated; NULL is "not set". */
typedef struct {
    const char *cache_dir; /* absolute */
    bool depot; /* others have other disks: a snapshot is told by the digest of its tree, when the depot has it */
    ama_keep_limits_t keep; /* of the snapshots */
    const char *helper;     /* path of the program ama-fetch-helper */
    const char *
        crashes; /* file: which orders helpers died of, see actors/base/ama_parking.h; NULL: forgotten with the actor */
    const char *home; /* with known_hosts not set, .ssh/known_hosts in here counts */
    const char *ssh_key;
    const char *known_hosts;
    const char *credentials_file;
    const char *const *credential_helpers;
    const char *const *schemes;         /* NULL: all */
    const char *const *hosts;           /* NULL: any */
    const char *const *local_paths;     /* NULL: any, if `file` is among the schemes */
    const ama_fetch_rules_t *rules;     /* NULL: the shipped deadlines and numbers */
    const ama_fetch_settings_t *limits; /* NULL: the shipped limits; only the numbers count */
} ama_fetcher_conf_t;

extern const ama_actor_def_t ama_fetcher_def;

#endif
