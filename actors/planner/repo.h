/* repo.h - files of a snapshot: opened below its root only, without following a link, bounded
 *
 * Paths are relative to the root of the repository and come from whoever wrote it. The check of the text is for the message; what
 * protects is the open itself (openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, or the same component by component on
 * kernels without it).
 */
#ifndef AMA_PLANNER_REPO_H
#define AMA_PLANNER_REPO_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

#include <stdbool.h>
#include <stddef.h>

#define AMA_REPO_PATH_MAX   1024        /* bytes of a path that a job may name */
#define AMA_REPO_BUDGET_MAX (16u << 20) /* bytes of all documents; each counts 512 more, each entry of a list 64 */

typedef struct ama_repo ama_repo_t;

/* root: an absolute path; links in it are followed, it is ours. AMA_E_NOT_FOUND, AMA_E_IO. */
int ama_repo_open (const char *root, ama_repo_t **ret_repo, ama_err_t *err);
void ama_repo_close (ama_repo_t **repo);

/* Grammar: relative, no empty, "." or ".." component, no backslash, no control character, nothing called .git, no drive letter, at most
 * AMA_REPO_PATH_MAX bytes. A leading "./" is for the caller to skip. 0 or AMA_E_PATH and why: "leaves the repository". */
int ama_repo_check_path (const char *path, ama_err_t *err);

/* Opens a regular file of 1 (or, with empty_ok, 0) to max bytes for reading. Returns the descriptor, the caller's to close, or AMA_E_NOT_FOUND,
 * AMA_E_PATH (a link, a folder, a device, too large, empty, grammar) or AMA_E_IO; err says why without the path. */
int ama_repo_open_file (const ama_repo_t *repo, const char *path, size_t max, bool empty_ok, ama_err_t *err);

/* The same for a document that will be read as a whole: empty is fine, and all documents and lists of one repository together have a budget, so that
 * no job can name more of them than can be read in a moment. AMA_E_LIMIT when it is used up. */
int ama_repo_open_document (ama_repo_t *repo, const char *path, size_t max, ama_err_t *err);

/* Appends the file's bytes to out; counts as a document. 0 or as above. */
int ama_repo_read (ama_repo_t *repo, const char *path, size_t max, ama_str_t *out, ama_err_t *err);

typedef struct {
    char *name;
    bool folder; /* else a regular file; whatever else a folder holds is left out */
} ama_repo_entry_t;

typedef struct {
    ama_repo_entry_t *items; /* in byte order */
    size_t count;
} ama_repo_list_t;

/* What a folder holds, without names that begin with a dot, end in ~ or are no UTF-8. AMA_E_NOT_FOUND (no such folder), AMA_E_PATH (a link), AMA_E_LIMIT
 * (more than 10,000 entries, or the budget), AMA_E_IO. list is set in any case. */
int ama_repo_list (ama_repo_t *repo, const char *folder, ama_repo_list_t *ret_list, ama_err_t *err);
void ama_repo_list_done (ama_repo_list_t *list);
/* The entry of that name, NULL if there is none. */
const ama_repo_entry_t *ama_repo_list_find (const ama_repo_list_t *list, const char *name);

#endif
