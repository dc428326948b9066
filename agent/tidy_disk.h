/* tidy_disk.h - the working data of runs on the disk: what there is, and removing of it
 *
 *     <dir>/runs/RUN        the working data of a run (folder.h)
 *     <dir>/runs/.gone-ID   what is on its way out: nobody finds it by its run any more, and whoever is killed before its files are gone leaves it to the next
 *                           sweep
 *
 * All of it blocks, and may be called on any thread. What actions have left is not trusted: no link is followed, no other file system entered, depth and
 * permissions do not matter.
 */
#ifndef AMA_AGENT_TIDY_DISK_H
#define AMA_AGENT_TIDY_DISK_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AMA_TIDY_LIST_MAX = 100000, AMA_TIDY_NAME = 6 + AMA_ID_TEXT };

typedef struct {
    uint64_t bytes; /* on the disk; of files that have other names elsewhere: none */
    uint64_t files; /* all that are not folders */
} ama_tidy_sum_t;

/* Runs whose folder was last changed before that moment, which is before their end: longest ago first, at most AMA_TIDY_LIST_MAX. Returns how many; the list is
 * owned by the caller. */
size_t ama_tidy_list (const char *dir, int64_t before_wall_ms, ama_id_t **ret_runs);

/* Is there working data of the run? */
bool ama_tidy_has (const char *dir, ama_id_t run);

/* Adds what is there to *sum; what lies too deep, or is beyond a million files, is not counted. */
void ama_tidy_count (const char *dir, ama_id_t run, ama_tidy_sum_t *sum);

/* Takes its name from it, at once; ret_name is the new one, for a sweep. 0; AMA_E_NOT_FOUND: there is nothing; AMA_E_IO. */
int ama_tidy_unname (const char *dir, ama_id_t run, char ret_name[AMA_TIDY_NAME], ama_err_t *err);

/* Removes at most so many files and folders of what has lost its name so; NULL: of all that has. Adds to *sum. *ret_done: nothing is left of it.
 * 0; AMA_E_IO: what is left can not be removed, and why. */
int ama_tidy_sweep (const char *dir, const char *name, size_t most, ama_tidy_sum_t *sum, bool *ret_done,
                    ama_err_t *err);

#endif
