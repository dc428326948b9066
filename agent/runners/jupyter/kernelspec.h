/* kernelspec.h - how an installed kernel is started: kernel.json of Jupyter's data folders
 *
 * What is installed is the operator's, and yet read with bounds. Blocks on the disk for a moment.
 */
#ifndef AMA_AGENT_JUPYTER_KERNELSPEC_H
#define AMA_AGENT_JUPYTER_KERNELSPEC_H

#include "actors/base/ama_err.h"

#include <stdbool.h>

/* Owned by whoever has it: ama_kernelspec_done. */
typedef struct {
    char *folder;    /* that kernel.json lies in, absolute */
    char **argv;     /* as written; at least one word */
    char **env;      /* NAME=value; may be empty, not NULL */
    char *language;  /* "" if it says none */
    bool by_message; /* it is interrupted by a message, not by a signal */
} ama_kernelspec_t;

/* The text of a kernel.json, without the folder. 0, AMA_E_SYNTAX or AMA_E_LIMIT. */
int ama_kernelspec_parse (const char *text, size_t size, ama_kernelspec_t *ret_spec, ama_err_t *err);

/* The folders where Jupyter's data is, the first that counts first: those of jupyter_path (as JUPYTER_PATH, may be NULL), the user's (home may be NULL), the system's.
 * Owned, NULL-terminated. */
char **ama_kernelspec_folders (const char *jupyter_path, const char *home);

/* By its name, which has no upper and lower case; data: folders with kernels/NAME/kernel.json. 0; AMA_E_NOT_FOUND, with the names of those that are there; or as parsing. */
int ama_kernelspec_find (const char *const *data, const char *name, ama_kernelspec_t *ret_spec, ama_err_t *err);

/* Its command for this connection file. Owned, NULL-terminated. */
char **ama_kernelspec_command (const ama_kernelspec_t *spec, const char *connection_file);

void ama_kernelspec_done (ama_kernelspec_t *spec);

#endif
