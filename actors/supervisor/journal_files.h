/* journal_files.h - the files beside the database: the lock and the head; used by journal.c only */
#ifndef AMA_SUPERVISOR_JOURNAL_FILES_H
#define AMA_SUPERVISOR_JOURNAL_FILES_H

#include "actors/base/ama_digest.h"
#include "actors/base/ama_err.h"

#include <stdbool.h>

/* Makes the folder (0700, with parents) and takes the lock. Returns the descriptor; AMA_E_EXISTS says which process has it. */
int journal_lock (const char *dir, ama_err_t *err);
/* Shared with other readers, and makes no file: -1 if there is none to lock (no amad was ever here), -2 and err if an amad holds it. */
int journal_lock_reading (const char *dir, ama_err_t *err);

/* A folder in the data dir: a salvaged journal that is complete, and not in its place yet. */
#define JOURNAL_SALVAGE "journal.salvage"

typedef struct {
    uint64_t no; /* of the last event, 0 for none */
    ama_digest_t chain;
} journal_head_t;

/* False: no head, or one that was cut by a power loss; then it says nothing. */
bool journal_head_read (const char *dir, journal_head_t *ret_head);
int journal_head_open (const char *dir, ama_err_t *err);
/* Best effort: without it only the detection of a lost tail is weaker. */
void journal_head_write (int fd, const journal_head_t *head);

#endif
