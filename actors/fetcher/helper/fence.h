/* fence.h - the helper shuts itself in: from here on it can write below the cache only */
#ifndef AMA_FETCHER_HELPER_FENCE_H
#define AMA_FETCHER_HELPER_FENCE_H

#include "actors/base/ama_err.h"

/* Landlock, if this kernel has it; makes the cache folder first. Once for the process's life: another cache_dir later is AMA_E_INVALID.
 * Reading, executing (credential helpers) and the network stay as they were. */
int ama_fetch_fence_raise (const char *cache_dir, ama_err_t *err);

#endif
