/* shell_prelude.h - what bash reads before the script */
#ifndef AMA_AGENT_SHELL_PRELUDE_H
#define AMA_AGENT_SHELL_PRELUDE_H

#include "actors/base/ama_err.h"

/* Writes the prelude for records with this token (see shell_trace.h) into folder. *ret_path is owned. 0, AMA_E_NOSPACE or AMA_E_IO. */
int ama_shell_prelude_write (const char *folder, const char *token, char **ret_path, ama_err_t *err);

#endif
