/* fetch_name.h - names and links that a foreign tree may put on our disk
 *
 * Pure. A tree is written entry by entry below an open folder, so a name is one path segment; a link is written as a link only if it
 * can not lead outside whatever the other entries are.
 */
#ifndef AMA_FETCHER_FETCH_NAME_H
#define AMA_FETCHER_FETCH_NAME_H

#include "actors/base/ama_err.h"

#include <stdbool.h>
#include <stddef.h>

/* 0, or AMA_E_PATH: empty, "." or "..", a slash, NUL or control character, longer than 255 bytes, or .git in one of the spellings that some
 * file system takes for it. Bytes need not be UTF-8: git does not ask for that either. */
int ama_fetch_name_check (const char *name, size_t size, ama_err_t *err);

/* True if a link with this target, lying `depth` folders below the root (0: in the root), stays inside: relative, every ".." in front
 * of the first name, and no more of them than depth. A ".." behind a name could climb from where another link led. */
bool ama_fetch_link_inside (const char *target, size_t size, unsigned depth);

/* A ref of an order, before anything is started for it: 0 or AMA_E_NOT_FOUND. */
int ama_fetch_ref_check (const char *ref, ama_err_t *err);

#endif
