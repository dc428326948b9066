/* own_conf.h - what `ama run` takes from its user's amad.yaml: the sandbox, and how long runs and their working data stay */
#ifndef AMA_MASTER_OWN_CONF_H
#define AMA_MASTER_OWN_CONF_H

#include "actors/base/ama_err.h"
#include "messages/ama_types.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    bool no_sandbox;
    int64_t work_age_ms;
    uint64_t keep_runs; /* 0: all */
    int64_t keep_ms;    /* 0: for ever */
    ama_sandbox_level_t sandbox_required;
    const char *const *sandbox_read; /* NULL-terminated, or NULL */
    const char *const *sandbox_write;
    const char *const *sandbox_cgroups;
    void *all; /* holds them */
} ama_own_conf_t;

/* An ama_conf_sandbox_require_t as a level of messages: there "none" is not the first. */
ama_sandbox_level_t ama_own_conf_required (int choice);

/* file is AMA_CONFIG or NULL; then it is usual_file, or the defaults if that is missing. 0, or AMA_E_USAGE with all that is wrong in err. */
int ama_own_conf_load (const char *file, const char *usual_file, ama_own_conf_t *ret_conf, ama_err_t *err);
void ama_own_conf_done (ama_own_conf_t *conf);

#endif
