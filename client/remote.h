/* remote.h - an amad reached over tcp: our key, its key, and the first handshake */
#ifndef AMA_CLIENT_REMOTE_H
#define AMA_CLIENT_REMOTE_H

#include "actors/runtime/ama_keys.h"
#include "actors/runtime/ama_node.h"
#include "client/options.h"
#include "config/ama_paths.h"

typedef struct {
    ama_key_pair_t pair;
    char server_key[AMA_KEY_TEXT];
    ama_node_curve_t curve; /* points at the others */
} ama_remote_t;

/* Reads --key, and --server-key or what `ama keys trust` was told about the endpoint; then knocks there. AMA_E_USAGE: one of them is missing;
 * AMA_E_AUTH, AMA_E_UNREACHABLE: see ama_knock. */
int ama_remote_open (ama_remote_t *remote, const char *endpoint, const ama_args_t *args, const ama_paths_t *paths,
                     ama_err_t *err);
void ama_remote_done (ama_remote_t *remote);

/* Remembers the key of an endpoint. AMA_E_EXISTS: another one is known; who means it takes that line out first. */
int ama_remote_trust (const ama_paths_t *paths, const char *endpoint, const char *key, ama_err_t *err);

#endif
