/* notebook_action.c - see notebook_action.h; used by kernel_notebook.c and the Scala runner, on the agent's thread */
#include "agent/runners/jupyter/notebook_action.h"

#include "agent/runners/jupyter/cells.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHOWN_MAX 65536 /* bytes of a text that is shown */

/* ---- before ---- */

/* Of the run's own parameters those that the action has, too. */
static void take_params (ama_plan_kernel_t *plan, const ama_attempt_start_t *start)
{
    for (size_t i = 0; i < plan->n_params; i++)
        for (size_t k = 0; k < start->n_params; k++)
            if (strcmp (plan->params[i].key, start->params[k].name) == 0)
                ama_script_set_text (&plan->params[i].value, start->params[k].value);
}

int ama_notebook_open (const ama_script_t *script, const ama_plan_kernel_t *plan, const ama_attempt_start_t *start,
                       ama_notebook_t **ret_notebook, ama_err_t *err)
{
    ama_plan_kernel_t own;
    ama_err_t why;
    int rc = ama_notebook_parse (script->source, strlen (script->source), ret_notebook, &why);

    if (rc < 0)
        return ama_err_set (err, AMA_E_SYNTAX, "%s: %s", start->file, why.text);
    ama_plan_kernel_copy (plan, &own);
    take_params (&own, start);
    rc = ama_notebook_inject (*ret_notebook, own.params, own.n_params, &why);
    ama_plan_kernel_done (&own);
    return rc < 0 ? ama_err_set (err, rc, "%s: %s", start->file, why.text) : 0;
}

json_t *ama_notebook_split (const ama_notebook_t *notebook, const char *file)
{
    return json_pack ("{s:s, s:o}", "status", "ok", "statements", ama_notebook_statements (notebook, file));
}

bool ama_notebook_may_fail (const ama_script_t *script)
{
    return json_is_true (json_object_get (json_array_get (script->statements, script->next), "may-fail"))
           && !script->attempt->cancelled;
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

static void tell (ama_attempt_t *attempt, const char *name)
{
    ama_str_t path = { 0 };
    ama_report_event_t event = { .type = AMA_EVENT_TYPE_ARTIFACT,
                                 .name = (char *) name,
                                 .media_type = (char *) "application/x-ipynb+json" };

    ama_str_printf (&path, "%s/%s", attempt->folder.path, name);
    event.path = path.data;
    ama_attempt_post (attempt, &event);
    ama_str_done (&path);
}

/* By which it is known in the folder, and to people. */
static const char *name_of (const ama_script_t *script)
{
    const char *slash = strrchr (script->attempt->file, '/');

    return slash ? slash + 1 : script->attempt->file;
}

void ama_notebook_keep (const ama_script_t *script, ama_notebook_t *notebook)
{
    ama_attempt_t *attempt = script->attempt;
    char *text, *masked;
    ama_err_t err;

    if (script->error && script->error[0])
        ama_notebook_fail (notebook, script->error, script->message);
    text = ama_notebook_text (notebook);
    masked = ama_masker_text (ama_vault_masker (attempt->vault), text);
    if (replace (attempt->folder.path, name_of (script), masked ? masked : text, &err) == 0)
        tell (attempt, name_of (script));
    else
        ama_attempt_warn (attempt, 0, err.text);
    free (masked);
    free (text);
}

/* ---- what it shows ---- */

/* The type of a picture that stands for the text; NULL: there is none. */
static const char *picture_in (const json_t *data)
{
    const char *mime;
    json_t *value;

    json_object_foreach ((json_t *) (uintptr_t) data, mime, value)
    {
        if (ama_str_starts (mime, "image/"))
            return mime;
    }
    return NULL;
}

void ama_notebook_show (const ama_script_t *script, const json_t *data, bool notebook)
{
    const json_t *text = json_object_get (data, "text/plain");
    size_t size = json_is_string (text) ? json_string_length (text) : 0;
    char *bare = ama_cells_plain (size ? json_string_value (text) : "", size),
         *shown = ama_text_fit (bare, strlen (bare), SHOWN_MAX);
    const char *picture = notebook ? picture_in (data) : NULL;
    ama_str_t out = { 0 };

    ama_str_puts (&out, shown);
    if (picture)
        ama_str_printf (&out, "%s(%.64s in %s)", out.size ? " " : "", picture, name_of (script));
    if (out.size) {
        ama_str_putc (&out, '\n');
        ama_attempt_output (script->attempt, 1, out.data, out.size);
    }
    ama_str_done (&out);
    free (bare);
    free (shown);
}
