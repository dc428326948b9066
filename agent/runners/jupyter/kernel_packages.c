/* kernel_packages.c - the packages of an action, as its runner's install.sh finds them on its standard input
 *
 * Used by kernel_process.c, on the agent's thread.
 */
#include "agent/runners/jupyter/kernel_work.h"

#include <stdlib.h>
#include <string.h>

static json_t *packages_of (const ama_plan_dependencies_t *file)
{
    json_t *list = json_array ();

    for (size_t i = 0; i < file->n_packages; i++)
        (void) json_array_append_new (list, json_pack ("{s:s, s:s, s:i, s:b}", "text", file->packages[i].text, "file",
                                                       file->packages[i].file, "line", (int) file->packages[i].line,
                                                       "constraint", (int) file->packages[i].constraint));
    return list;
}

char *kernel_packages (const ama_kernel_kind_t *kind, const ama_attempt_t *attempt, const ama_attempt_start_t *start)
{
    json_t *files = json_array (), *order;
    char *text;

    for (size_t i = 0; i < start->n_packages; i++) {
        const ama_plan_dependencies_t *file = &start->packages[i];
        json_t *options = json_array ();
        for (size_t k = 0; k < file->n_options; k++)
            (void) json_array_append_new (options, json_string (file->options[k]));
        (void) json_array_append_new (files, json_pack ("{s:s, s:o, s:o}", "file", file->file, "options", options,
                                                        "packages", packages_of (file)));
    }
    order = json_pack ("{s:s, s:s, s:b, s:o, s:I, s:s}", "snapshot", attempt->snapshot, "lock",
                       start->python_lock ? start->python_lock : "", "session", (int) kind->session, "files", files,
                       "keep_ms", (json_int_t) attempt->agent->conf.cache_age_ms, "runner", start->runner);
    text = json_dumps (order, JSON_COMPACT);
    json_decref (order);
    return text;
}
