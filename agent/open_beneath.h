/* open_beneath.h - reads a file of a snapshot that can lie nowhere else */
#ifndef AMA_AGENT_OPEN_BENEATH_H
#define AMA_AGENT_OPEN_BENEATH_H

#include "actors/base/ama_err.h"

/* The whole regular file `name` below folder; links that leave the folder, devices and pipes are refused. *ret_text is owned and
 * NUL-terminated behind its size. 0, AMA_E_PATH, AMA_E_NOT_FOUND, AMA_E_LIMIT or AMA_E_IO. */
int ama_read_beneath (const char *folder, const char *name, size_t max, char **ret_text, size_t *ret_size,
                      ama_err_t *err);

#endif
