/* kernel_packages.c - the packages of an action, as its runner's install.sh finds them on its standard input
 *
 * Used by kernel_process.c, on the agent's thread.
 */
#include "agent/runners/jupyter/kernel_work.h"

#include "messages/ama_packages_json.h"

#include <stdlib.h>
#include <string.h>

/* Of the language that the runner's folder installs for. */
static bool is_of (const char *folder, const ama_plan_dependencies_t *file)
{
    return file->r == (strcmp (folder, "r") == 0) && (file->n_packages || file->n_options);
}

const char *kernel_installs (const kernel_work_t *work, const ama_attempt_start_t *start)
{
    if (!work->stock || kernel_stock_needs_python (work))
        return work->kind->folder;
    for (size_t i = 0; i < start->n_packages; i++)
        if (is_of ("r", &start->packages[i]))
            return "r";
    return NULL;
}

char *kernel_packages (const kernel_work_t *work, const char *folder, const ama_attempt_start_t *start)
{
    const ama_attempt_t *attempt = work->script.attempt;
    ama_plan_dependencies_t *own = ama_calloc (start->n_packages + 1, sizeof *own); /* its contents are borrowed */
    ama_str_t files = { 0 };
    size_t count = 0;
    json_t *order;
    char *text;

    for (size_t i = 0; i < start->n_packages; i++)
        if (is_of (folder, &start->packages[i]))
            own[count++] = start->packages[i];
    ama_packages_json (own, count, &files);
    free (own);
    order = json_pack ("{s:s, s:s, s:b, s:o, s:I}", "snapshot", attempt->snapshot, "lock",
                       start->python_lock ? start->python_lock : "", "session", (int) work->kind->session, "files",
                       json_loads (files.data, 0, NULL), "keep_ms", (json_int_t) attempt->agent->conf.cache_age_ms);
    text = order ? json_dumps (order, JSON_COMPACT) : ama_strdup ("{}");
    ama_str_clear (&files);
    ama_str_printf (&files, "%s\n", text); /* a line: more may follow */
    free (text);
    text = ama_str_take (&files);
    ama_str_done (&files);
    json_decref (order);
    return text;
}
