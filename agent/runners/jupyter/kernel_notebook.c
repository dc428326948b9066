/* kernel_notebook.c - an action that is a notebook: its kernel and parameters before, the executed notebook after
 *
 * Used by kernel_stock.c and kernel_runner.c, on the agent's thread.
 */
#include "agent/runners/jupyter/kernel_stock_in.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of the run's own parameters those that the action has, too. */
static void take_params (stock_t *stock, const ama_attempt_start_t *start)
{
    for (size_t i = 0; i < stock->plan.n_params; i++)
        for (size_t k = 0; k < start->n_params; k++)
            if (strcmp (stock->plan.params[i].key, start->params[k].name) == 0)
                ama_script_set_text (&stock->plan.params[i].value, start->params[k].value);
}

int stock_open_notebook (kernel_work_t *work, const ama_attempt_start_t *start, ama_err_t *err)
{
    stock_t *stock = work->stock;
    const char *kernel;
    ama_err_t why;
    int rc = ama_notebook_parse (work->script.source, strlen (work->script.source), &stock->notebook, &why);

    if (rc < 0)
        return ama_err_set (err, AMA_E_SYNTAX, "%s: %s", start->file, why.text);
    kernel = ama_notebook_kernel (stock->notebook);
    if (!stock->plan.name[0])
        ama_script_set_text (&stock->plan.name, *kernel ? kernel : "python3");
    take_params (stock, start);
    rc = ama_notebook_inject (stock->notebook, stock->plan.params, stock->plan.n_params, &why);
    return rc < 0 ? ama_err_set (err, rc, "%s: %s", start->file, why.text) : 0;
}

/* ---- the executed notebook ---- */

/* The folder is the action's, so what is there by this name may be anything: it is replaced. */
static int replace (const char *folder, const char *name, const char *text, ama_err_t *err)
{
    ama_str_t temp = { 0 }, path = { 0 };
    size_t size = strlen (text), at = 0;
    ssize_t put = 1;
    int fd;

    ama_str_printf (&temp, "%s/.notebook-XXXXXX", folder);
    ama_str_printf (&path, "%s/%s", folder, name);
    fd = mkostemp (temp.data, O_CLOEXEC);
    while (fd >= 0 && at < size && (put = write (fd, text + at, size - at)) > 0)
        at += (size_t) put;
    if (fd < 0 || at < size || rename (temp.data, path.data) < 0)
        (void) ama_err_set (err, AMA_E_IO, "%s: %s", path.data, strerror (errno));
    else
        at = SIZE_MAX;
    if (fd >= 0 && close (fd) == 0 && at != SIZE_MAX)
        (void) unlink (temp.data);
    ama_str_done (&temp);
    ama_str_done (&path);
    return at == SIZE_MAX ? 0 : AMA_E_IO;
}

static void tell_notebook (const kernel_work_t *work, const char *name)
{
    ama_attempt_t *attempt = work->script.attempt;
    ama_str_t path = { 0 };
    ama_report_event_t event = { .type = AMA_EVENT_TYPE_ARTIFACT,
                                 .name = (char *) name,
                                 .media_type = (char *) "application/x-ipynb+json" };

    ama_str_printf (&path, "%s/%s", attempt->folder.path, name);
    event.path = path.data;
    ama_attempt_post (attempt, &event);
    ama_str_done (&path);
}

void kernel_stock_end (kernel_work_t *work)
{
    ama_attempt_t *attempt = work->script.attempt;
    ama_notebook_t *notebook = work->stock->notebook;
    const char *slash = strrchr (attempt->file, '/'), *name = slash ? slash + 1 : attempt->file;
    char *text, *masked;
    ama_err_t err;

    stock_raw_settle (work);
    if (!notebook)
        return;
    if (work->script.error && work->script.error[0])
        ama_notebook_fail (notebook, work->script.error, work->script.message);
    text = ama_notebook_text (notebook);
    masked = ama_masker_text (ama_vault_masker (attempt->vault), text);
    if (replace (attempt->folder.path, name, masked ? masked : text, &err) == 0)
        tell_notebook (work, name);
    else
        ama_attempt_warn (attempt, 0, err.text);
    free (masked);
    free (text);
}
