/* cache_user.h - a cache that several programs of one user share: who uses it, and what of it was used when
 *
 *     <cache>/.lock             locked, shared, by each program that has no state and uses the cache as long as it lives (`ama run`); exclusively by who
 *                               removes, for that moment
 *     <cache>/users/DIGEST      the state folder of an amad or an agent: while that exists, runs may be open there that need files of the cache
 *
 * An entry of the cache is a file or folder that appears as a whole. When it was last used is its time on the disk.
 */
#ifndef AMA_DEPOT_CACHE_USER_H
#define AMA_DEPOT_CACHE_USER_H

#include "actors/base/ama_err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* From now on this program uses the cache. home: its state folder, absolute, in which open runs outlive it; NULL: none, then the lock that says so ends with
 * the program. 0, AMA_E_IO, AMA_E_NOSPACE: it may be used all the same, but others may remove from it. */
int ama_cache_join (const char *cache, const char *home, ama_err_t *err);

/* May be removed from by the one whose home that is? A descriptor, to be closed soon: until then no program without state begins to use it; AMA_E_BUSY: others
 * use it; AMA_E_IO. Never waits. */
int ama_cache_lock (const char *cache, const char *home, ama_err_t *err);

/* The entry is used now: then it is not removed for a while. False: it is not there, or being removed. Waits for nobody but who removes it. */
bool ama_cache_touch (int dir_fd, const char *path);

/* Wall milliseconds. */
int64_t ama_cache_used_ms (const struct stat *entry);

#endif
