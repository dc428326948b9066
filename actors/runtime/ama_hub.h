/* ama_hub.h - the one ROUTER of a process, on a thread of its own (internal to actors/runtime) */
#ifndef AMA_RUNTIME_HUB_H
#define AMA_RUNTIME_HUB_H

#include "actors/base/ama_err.h"
#include "actors/runtime/ama_loop.h"

#include <stdint.h>

#define AMA_HUB_INPROC "inproc://hub"

typedef struct ama_hub ama_hub_t;

/* What tcp endpoints need; the strings are borrowed for the hub's life. */
typedef struct {
    const char *secret_key;   /* Z85 */
    const char *allowed_file; /* ama_keys.h; the ZAP handler reads the same one */
} ama_hub_door_t;

/* Binds to AMA_HUB_INPROC and to the NULL-terminated ipc and tcp endpoints (listen may be NULL; ipc paths are claimed: ama_ipc_claim),
 * then serves. door: NULL without tcp. placed: actors that are other processes of this user, borrowed for the hub's life, or NULL. Logs what it listens on over tcp. zmq is borrowed. AMA_E_IO. */
ama_hub_t *ama_hub_new (void *zmq, const char *const *listen, const ama_hub_door_t *door, const char *const *placed,
                        uint64_t epoch, ama_err_t *err);
/* The loop of its thread, for ama_pulse. */
ama_loop_t *ama_hub_loop (ama_hub_t *hub);
/* Tells the members of other processes, and ends the thread. */
void ama_hub_destroy (ama_hub_t **hub);

#endif
