/* ama_dir.h - what is in a folder that is open
 *
 * Any thread; one thread a stream.
 */
#ifndef AMA_BASE_DIR_H
#define AMA_BASE_DIR_H

#include <dirent.h>

/* A stream of its own, so that fd, which may also be O_PATH, stays as it is. NULL and errno; else the caller's, for closedir. */
DIR *ama_dir_open (int fd);

/* The next entry but "." and ".."; NULL: no more. Good until the next call. */
struct dirent *ama_dir_next (DIR *dir);

#endif
