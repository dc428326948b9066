/* ama_far.h - what a program needs to join the hub of an amad on another machine: its own key, and that of amad */
#ifndef AMA_RUNTIME_FAR_H
#define AMA_RUNTIME_FAR_H

#include "actors/runtime/ama_keys.h"
#include "actors/runtime/ama_node.h"

typedef struct {
    ama_key_pair_t pair;
    char server_key[AMA_KEY_TEXT];
    ama_node_curve_t curve; /* points at the others: not to be copied */
} ama_far_t;

/* Reads key_file and server_key (a public key, or a file that holds one), and knocks at the endpoint. An amad that is not there yet is no error, but
 * logged: the link goes on trying. AMA_E_USAGE: one of the two is NULL; AMA_E_AUTH: they are not the right ones (ama_knock.h), or the file
 * is open to others; AMA_E_NOT_FOUND, AMA_E_INVALID. ret_far is to be done with after any outcome. Blocks for seconds at most. */
int ama_far_open (ama_far_t *ret_far, const char *endpoint, const char *key_file, const char *server_key,
                  ama_err_t *err);
void ama_far_done (ama_far_t *far);

#endif
