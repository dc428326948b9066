/* folder.h - reads a folder as it lies there, and writes a copy of it if asked to; removes folders that are read-only
 *
 * Descriptors and O_NOFOLLOW throughout: no link is ever followed, also if somebody swaps entries meanwhile.
 */
#ifndef AMA_FETCHER_HELPER_FOLDER_H
#define AMA_FETCHER_HELPER_FOLDER_H

#include "actors/base/ama_digest.h"
#include "actors/fetcher/helper/work.h"

#include <sys/stat.h>

typedef struct {
    bool strict;       /* a finished snapshot: nothing is left out, whatever is odd is an error */
    struct stat *skip; /* a folder to leave out (our own cache), or NULL */
} ama_fetch_folder_rules_t;

/* Digest of the folder open as from_fd, which stays the caller's; copies it below to_fd if that is not -1. Counts into work->files and
 * work->bytes. 0 or AMA_E_PATH, AMA_E_LIMIT, AMA_E_IO, AMA_E_NOSPACE. */
int ama_fetch_folder_read (ama_fetch_work_t *work, int from_fd, int to_fd, const ama_fetch_folder_rules_t *rules,
                           ama_digest_t *ret_digest, ama_err_t *err);

/* Of errno after something could not be made: AMA_E_PATH for a name that stands twice, else as ama_fetch_os_error. */
int ama_fetch_create_error (const char *path, ama_err_t *err);

/* One file of a snapshot: mode 0444 or 0555, must not exist. */
int ama_fetch_file_write (int dir_fd, const char *name, bool program, const void *bytes, size_t size, const char *path,
                          ama_err_t *err);
/* A link of a foreign tree: as a link if it stays inside, else as a file that holds its target, with a warning. *ret_kind says which. */
int ama_fetch_link_write (ama_fetch_work_t *work, int dir_fd, const char *name, const char *target, size_t size,
                          uint32_t depth, const char *path, bool *ret_link, ama_err_t *err);
/* Makes and opens a folder; the descriptor, or a negative code. */
int ama_fetch_folder_make (int dir_fd, const char *name, const char *path, ama_err_t *err);

/* rm -rf of an entry, read-only folders included. Best effort. */
void ama_fetch_folder_remove (int dir_fd, const char *name);

#endif
