/* refs.h - what a ref means among the names of a repository
 *
 * Order: nothing or HEAD is the default branch; 40 hex digits are a commit, whatever names there are; then a branch, a tag, a full name
 * (refs/…); then 4 to 39 hex digits as the beginning of a commit's id.
 */
#ifndef AMA_FETCHER_HELPER_REFS_H
#define AMA_FETCHER_HELPER_REFS_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum { AMA_FETCH_REF_DEFAULT, AMA_FETCH_REF_COMMIT, AMA_FETCH_REF_NAME } ama_fetch_ref_kind_t;

ama_fetch_ref_kind_t ama_fetch_ref_kind (const char *ref);
/* 4 to 39 hex digits: tried when no name matches. */
bool ama_fetch_ref_is_short (const char *ref);

/* The full names to try, in order; each at most AMA_FETCH_REF_MAX + 12 bytes. Returns how many (at most 3). */
size_t ama_fetch_ref_candidates (const char *ref, char names[3][280]);

/* "main" of "refs/heads/main", "v1" of "refs/tags/v1", else the name itself. Points into name. */
const char *ama_fetch_ref_short (const char *name);

/* Why a ref was not found, with the closest of the full names, or with some of them if none is close. Returns AMA_E_NOT_FOUND. */
int ama_fetch_ref_missing (const char *url, const char *ref, const char *const *names, size_t n, ama_err_t *err);

#endif
