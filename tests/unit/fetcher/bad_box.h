/* bad_box.h - the helper's own code let loose on a hostile repository or server, in a folder of its own, and what must hold whatever it meets
 *
 *   <temp>/1/2/3/outside/canary   untouched for ever
 *   <temp>/1/2/3/repo             the hostile repository: read, never changed
 *   <temp>/1/2/3/cache            holds one whole snapshot and its mirror, or nothing
 *
 * There is no fence here: a write to another place shall be seen, not refused. One process, one box; whatever does not hold is a BUG_ON.
 */
#ifndef AMA_TESTS_FETCHER_BAD_BOX_H
#define AMA_TESTS_FETCHER_BAD_BOX_H

#include "actors/fetcher/helper/work.h"
#include "tests/unit/fetcher/bad_repo.h"

typedef struct {
    uint64_t file_bytes, tree_bytes, pack_bytes;
    uint32_t files, refs;
} bad_limits_t;

/* The first call makes the box, which goes when the process ends. */
const char *bad_box_outside (void);

/* Makes the described repository, and the fetcher a snapshot of it, twice: the second must be the first. Returns the code; `ret_out` and
 * err are as the helper reports them, ret_line as of bad_repo_make. bad_box_clear after it in any case. */
int bad_box_repo (const void *text, size_t size, const bad_limits_t *limits, ama_fetch_report_t *ret_out,
                  unsigned *ret_line, ama_err_t *err);

/* The same of a server that announces and sends these bytes (see bad_server.h, also for mend). */
int bad_box_server (const void *bytes, size_t size, const char *ref, bool mend, const bad_limits_t *limits,
                    ama_fetch_report_t *ret_out, ama_err_t *err);

/* Removes what the last call made; frees out. */
void bad_box_clear (ama_fetch_report_t *out);

#endif
