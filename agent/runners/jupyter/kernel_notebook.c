/* kernel_notebook.c - a notebook in a kernel of its own: which one, and what is left of it
 *
 * Used by kernel_stock.c and kernel_runner.c, on the agent's thread.
 */
#include "agent/runners/jupyter/kernel_stock_in.h"
#include "agent/runners/jupyter/notebook_action.h"

#include <string.h>

int stock_open_notebook (kernel_work_t *work, const ama_attempt_start_t *start, ama_err_t *err)
{
    stock_t *stock = work->stock;
    int rc = ama_notebook_open (&work->script, &stock->plan, start, &stock->notebook, err);
    const char *kernel = rc == 0 ? ama_notebook_kernel (stock->notebook) : "";

    if (work->kind->session)
        ama_script_set_text (&stock->plan.name, "python3"); /* ours, which is attached */
    else if (!stock->plan.name[0])
        ama_script_set_text (&stock->plan.name, *kernel ? kernel : "python3");
    return rc;
}

void kernel_stock_end (kernel_work_t *work)
{
    stock_raw_settle (work);
    if (work->stock->notebook)
        ama_notebook_keep (&work->script, work->stock->notebook);
}
