/* sockets.h - a folder for the sockets of a kernel's connections (internal to agent/) */
#ifndef AMA_AGENT_JUPYTER_SOCKETS_H
#define AMA_AGENT_JUPYTER_SOCKETS_H

#include "actors/base/ama_err.h"

/* Of mode 0700, below dir/agent, or where temporary files are if that path is too long for sockets. Returns owned in *ret_path. 0 or AMA_E_IO. */
int ama_sockets_make (const char *dir, char **ret_path, ama_err_t *err);
/* With what is in it. */
void ama_sockets_remove (const char *path);

#endif
