/* helper.h - a script of ours, waited for: what commands without actors use */
#ifndef AMA_CLIENT_HELPER_H
#define AMA_CLIENT_HELPER_H

#include "actors/base/ama_str.h"

#include <stdio.h>

/* Runs argv[0] with this process's environment and standard error. in, out: its standard input and output; NULL: /dev/null, ours. Its exit code, or -1. */
int ama_helper_run (char *const argv[], FILE *in, FILE *out);

/* All of the file from its beginning, but little more than max bytes; NUL-terminated. */
void ama_helper_read (FILE *file, size_t max, ama_str_t *out);

#endif
