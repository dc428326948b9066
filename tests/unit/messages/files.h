/* files.h - reading the committed inputs of the message tests */
#ifndef AMA_TESTS_MESSAGES_FILES_H
#define AMA_TESTS_MESSAGES_FILES_H

#include "actors/base/ama_str.h"

/* The file at `path` below the project's root (AMA_SOURCE_DIR, or the current folder). Fails the test if it can not be read. */
ama_str_t test_file (const char *path);

/* How many entries of the folder end in `tail`. */
size_t test_files_count (const char *folder, const char *tail);

#endif
