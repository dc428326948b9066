/* tree_file.h - a folder as one file, so that it has one digest: a snapshot on its way to another disk
 *
 * The same tree gives the same bytes. Format: "ama-tree 1\n", then entries in order of their paths, a folder before what is in it:
 * kind (f x d l: file, executable file, folder, link), u32 length of the path, path, u64 size, bytes (of a link: its target). Numbers are little-endian;
 * kind `.` ends it. Files become 0444 or 0555, folders 0555, as the fetcher makes them.
 *
 * All of it blocks: for a worker's thread.
 */
#ifndef AMA_DEPOT_TREE_FILE_H
#define AMA_DEPOT_TREE_FILE_H

#include "actors/base/ama_digest.h"

enum {
    AMA_TREE_ENTRIES_MAX = 400000,
    AMA_TREE_DEPTH_MAX = 80,
    AMA_TREE_PATH_MAX = 2048,
};
#define AMA_TREE_BYTES_MAX (8ull << 30)

/* Writes the folder to file (made 0600, replaced if it is there). AMA_E_LIMIT, AMA_E_PATH (something that is none of the kinds), AMA_E_NOSPACE,
 * AMA_E_IO; then there is no file. */
int ama_tree_pack (const char *folder, const char *file, ama_digest_t *ret_digest, ama_err_t *err);

/* Makes folder, which must not exist, from a file whose bytes have that digest. AMA_E_INTEGRITY: they have another; AMA_E_DECODE: that is no tree, or
 * one that would lead out of the folder; AMA_E_LIMIT, AMA_E_NOSPACE, AMA_E_IO. What was made before an error stays: for the caller to remove. */
int ama_tree_unpack (const char *file, const ama_digest_t *digest, const char *folder, ama_err_t *err);

/* rm -r, also of folders that are 0555. What is not there is removed already. */
void ama_tree_remove (const char *folder);

#endif
