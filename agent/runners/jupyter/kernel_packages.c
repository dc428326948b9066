/* kernel_packages.c - the packages of an action, as its runner's install.sh finds them on its standard input
 *
 * Used by kernel_process.c, on the agent's thread.
 */
#include "agent/runners/jupyter/kernel_work.h"

#include "messages/ama_packages_json.h"

#include <stdlib.h>

char *kernel_packages (const ama_kernel_kind_t *kind, const ama_attempt_t *attempt, const ama_attempt_start_t *start)
{
    ama_str_t files = { 0 };
    json_t *order;
    char *text;

    ama_packages_json (start->packages, start->n_packages, &files);
    order = json_pack ("{s:s, s:s, s:b, s:o, s:I}", "snapshot", attempt->snapshot, "lock",
                       start->python_lock ? start->python_lock : "", "session", (int) kind->session, "files",
                       json_loads (files.data, 0, NULL), "keep_ms", (json_int_t) attempt->agent->conf.cache_age_ms);
    text = order ? json_dumps (order, JSON_COMPACT) : ama_strdup ("{}");
    ama_str_done (&files);
    json_decref (order);
    return text;
}
