/* warden.h - an actor that keeps other actors' processes alive: `placement: process`
 *
 * It starts one program per entry and starts it again when it ends, after a pause that doubles up to ten seconds and begins anew after a minute of
 * life. When it ends, so do they. Nobody speaks to it.
 */
#ifndef AMA_MASTER_WARDEN_H
#define AMA_MASTER_WARDEN_H

#include "actors/runtime/ama_actor.h"

typedef struct {
    const char *name;        /* for the log */
    const char *const *argv; /* NULL-terminated */
} ama_ward_t;

/* Borrowed as long as the actor lives. */
typedef struct {
    const ama_ward_t *wards;
    size_t count;
} ama_warden_conf_t;

/* Config: ama_warden_conf_t. */
extern const ama_actor_def_t ama_warden_def;

#endif
