/* sandbox_path.h - paths that a job names: which of them the sandbox opens for it (internal to sandbox.c)
 *
 * An environment's outputRootPath is written by whoever writes the job; it must not open the agent's own files, the system's, or a user's keys.
 * What counts is where a path leads, not how it is written.
 */
#ifndef AMA_AGENT_SANDBOX_PATH_H
#define AMA_AGENT_SANDBOX_PATH_H

#include "actors/base/ama_err.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    char *own[4]; /* real paths */
    size_t n_own;
    char *home;
} ama_sandbox_closed_t;

/* NULLs are passed over. */
void ama_sandbox_closed_init (ama_sandbox_closed_t *closed, const char *const *own, size_t n_own, const char *home);
void ama_sandbox_closed_done (ama_sandbox_closed_t *closed);

/* Is a real path one that a job can not have? */
bool ama_sandbox_is_closed (const ama_sandbox_closed_t *closed, const char *real, bool write);

/* Is it above one of ours, home, or a dot folder of home itself? */
bool ama_sandbox_holds_private (const ama_sandbox_closed_t *closed, const char *real);

/* The path in value, which may be a file: URI; NULL if it is not a local, absolute one. */
const char *ama_sandbox_local_path (const char *value);

/* An O_PATH descriptor. A missing folder is made if it is to be written. AMA_E_PATH: it is closed; AMA_E_NOT_FOUND: not there and not made. */
int ama_sandbox_open (const ama_sandbox_closed_t *closed, const char *path, bool write);

#endif
