/* place.h - where amad is, and what a user means by a repository */
#ifndef AMA_CLIENT_PLACE_H
#define AMA_CLIENT_PLACE_H

#include "actors/base/ama_err.h"

#include <stdbool.h>

/* Does a process listen there, at ipc://…? 0; AMA_E_UNREACHABLE with what to do in err; AMA_E_USAGE for other endpoints. At once. */
int ama_place_probe (const char *endpoint, ama_err_t *err);

/* text: URL (https://…, ssh://…, git@host:path) or path. *ret_repo: the URL, or the absolute path without links; owned. *ret_folder: it is
 * a folder of this machine. AMA_E_NOT_FOUND: a path that leads nowhere. */
int ama_place_repo (const char *text, char **ret_repo, bool *ret_folder, ama_err_t *err);

/* The data dir that a configuration of amad names, owned; NULL: it names none. AMA_E_USAGE: it is not a configuration. */
int ama_place_data (const char *file, char **ret_dir, ama_err_t *err);

#endif
