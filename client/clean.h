/* clean.h - ama clean: what is wanted, and what becomes of each run
 *
 * Runs of amad are cleaned by it (cmd_clean.c, in the client's actor), those of `ama run` here, by main (clean.c). Both fill one list, which is told at the end.
 */
#ifndef AMA_CLIENT_CLEAN_H
#define AMA_CLIENT_CLEAN_H

#include "client/client.h"
#include "client/commands.h"
#include "config/ama_paths.h"

typedef struct {
    ama_id_t run;
    char *job;  /* owned; "" if unknown */
    bool local; /* of `ama run` */
    bool named;
    bool found; /* there was something */
    uint64_t bytes, files;
    char *left;   /* owned: why it, or something of it, stays; NULL: nothing does */
    bool trouble; /* and that is not because it has not ended */
} ama_clean_row_t;

typedef struct ama_clean {
    bool dry, all;
    int64_t ended_before_ms; /* wall; INT64_MAX: whenever it was */
    const char *state;       /* of this user's own runs; NULL: those of amad alone */
    ama_clean_row_t *rows;
    size_t n, room;
    /* cmd_clean.c */
    size_t next, under_way;
    ama_id_t last_listed;
} ama_clean_t;

/* That of the run, added if there is none. Valid until the next call. */
ama_clean_row_t *ama_clean_add (ama_clean_t *clean, ama_id_t run, const char *job);

/* Returns the exit code, or an error. */
int ama_clean (ama_client_conf_t *conf, const ama_paths_t *paths, ama_err_t *err);

#endif
