/* own_conf.h - what `ama run` takes from its user's amad.yaml: the sandbox */
#ifndef AMA_MASTER_OWN_CONF_H
#define AMA_MASTER_OWN_CONF_H

#include "actors/base/ama_err.h"

#include <stdbool.h>

typedef struct {
    bool no_sandbox;
    const char *const *sandbox_read; /* NULL-terminated, or NULL */
    const char *const *sandbox_write;
    void *all; /* holds them */
} ama_own_conf_t;

/* A missing file is one with the defaults. 0, or AMA_E_USAGE with all that is wrong in err. */
int ama_own_conf_load (const char *file, ama_own_conf_t *ret_conf, ama_err_t *err);
void ama_own_conf_done (ama_own_conf_t *conf);

#endif
