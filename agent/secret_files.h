/* secret_files.h - secrets in files: the operator's own and systemd's credentials (internal to agent/) */
#ifndef AMA_AGENT_SECRET_FILES_H
#define AMA_AGENT_SECRET_FILES_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

/* DIR/ENV/NAME, which must be ours and closed to others. Appends what it holds to out. 0, AMA_E_NOT_FOUND (no such file), AMA_E_AUTH (others may read it), AMA_E_LIMIT or
 * AMA_E_IO. Looked at through the descriptor that is read. */
int ama_secret_file_read (const char *dir, const char *env, const char *name, ama_str_t *out, ama_err_t *err);

/* DIR/ENV@NAME, likewise; as systemd makes them, it may be root's and open to a group. */
int ama_secret_credential_read (const char *dir, const char *env, const char *name, ama_str_t *out, ama_err_t *err);

/* Takes the newline at its end from a value, and checks the rest: UTF-8 without NUL. 0 or AMA_E_INVALID. */
int ama_secret_check (ama_str_t *value, ama_err_t *err);

#endif
