/* scala_notebook.c - a notebook in the run's Spark session: its cells are the statements of a Scala attempt, and what they say is kept in it
 *
 * Used by scala_runner.c and scala_session.c, on the agent's thread. All of it follows from the journal, so another agent comes to the same notebook.
 */
#include "agent/runners/jupyter/notebook_action.h"
#include "agent/runners/spark/scala_work.h"

#include <stdio.h>
#include <string.h>

bool scala_is_notebook (const ama_attempt_t *attempt)
{
    return attempt->runner == &ama_scala_runner && ama_str_ends (attempt->file, ".ipynb");
}

int scala_open_notebook (work_t *work, const ama_attempt_start_t *message, ama_err_t *err)
{
    return ama_notebook_open (&work->script, &message->kernel, message, &work->notebook, err);
}

static const json_t *cell_of (const work_t *work)
{
    return json_array_get (work->script.statements, work->script.next);
}

void scala_begin_cell (work_t *work)
{
    if (!work->notebook || !work->script.executing || work->cells > work->script.next)
        return;
    work->cells = work->script.next + 1;
    ama_notebook_begin (work->notebook, cell_of (work));
}

/* Of the statement under way. */
static bool is_its (const work_t *work, const ama_jupyter_message_t *message)
{
    char id[32];

    (void) snprintf (id, sizeof id, "statement-%zu", work->script.next + 1);
    return work->script.executing && strcmp (message->parent, id) == 0;
}

static void end_cell (work_t *work, const ama_jupyter_message_t *message)
{
    ama_jupyter_message_t well = *message;
    json_t *ok = NULL;

    ama_notebook_end (work->notebook, json_integer_value (json_object_get (message->content, "execution_count")));
    if (ama_notebook_may_fail (&work->script) && !ama_script_is_ok (message->content)) {
        ok = json_pack ("{s:s}", "status", "ok");
        well.content = ok;
    }
    ama_script_said (&well, &work->script);
    json_decref (ok);
}

void scala_said (const ama_jupyter_message_t *message, void *arg)
{
    work_t *work = arg;
    bool its = is_its (work, message);

    if (its && work->notebook)
        ama_notebook_said (work->notebook, message);
    if (its && strcmp (message->type, "display_data") == 0)
        ama_notebook_show (&work->script, json_object_get (message->content, "data"), work->notebook != NULL);
    else if (its && work->notebook && strcmp (message->type, "execute_reply") == 0)
        end_cell (work, message);
    else
        ama_script_said (message, &work->script);
}

void scala_keep_notebook (work_t *work)
{
    if (work->notebook)
        ama_notebook_keep (&work->script, work->notebook);
}
