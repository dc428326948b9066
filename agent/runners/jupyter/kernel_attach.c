/* kernel_attach.c - an installed kernel in the run's Spark session: attached, and made to hand over what it leaves, by code of ours that is said to it
 *
 * Used by kernel_stock.c, kernel_scope.c and kernel_runner.c, on the agent's thread. R's is the only such kernel so far: agent/runners/r.
 *
 * What is said to a kernel, it repeats on iopub, which any process of this user may hear that finds its socket. So the token of the session's gateway is not said: it is in a
 * file of the closed folder in which the kernel's key lies, too, and the code there reads and removes it.
 */
#include "agent/folder.h"
#include "agent/open_beneath.h"
#include "agent/runners/jupyter/kernel_stock_in.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define ATTACH    "attach"
#define HAND_OVER "hand-over"
#define GIVEN     "session.json"

enum { CODE_MAX = 262144 };

static const char *const parts[] = { "columns.R", "spark.R" };

bool kernel_stock_is_told (const kernel_work_t *work)
{
    return work->kind->prelude != NULL;
}

bool kernel_stock_can_attach (const kernel_work_t *work)
{
    return work->stock->ready && work->script.statements && !work->stock->id[0];
}

static int write_given (const kernel_work_t *work, const json_t *given, ama_err_t *err)
{
    char *text = json_dumps (given, JSON_COMPACT);
    int rc = ama_folder_write (work->sockets, GIVEN, text, strlen (text), err);

    sodium_memzero (text, strlen (text));
    free (text);
    return rc;
}

/* In an environment of its own: nothing of it is among the action's names. */
static int put_code (const kernel_work_t *work, ama_str_t *code, ama_err_t *err)
{
    int rc = 0;

    ama_str_puts (code, "local({\n");
    for (size_t i = 0; rc == 0 && i < ARRAY_SIZE (parts); i++) {
        ama_str_t name = { 0 };
        char *part = NULL;
        size_t size;
        ama_str_printf (&name, "%s/%s", work->kind->folder, parts[i]);
        rc = ama_read_beneath (work->script.attempt->agent->conf.runners_dir, name.data, CODE_MAX, &part, &size, err);
        ama_str_printf (code, "%s\n", rc == 0 ? part : "");
        ama_str_done (&name);
        free (part);
    }
    ama_str_puts (code, "amaterasu_attach(\"");
    ama_str_json (code, work->sockets, strlen (work->sockets));
    ama_str_puts (code, "/" GIVEN "\")\n})\n");
    return rc;
}

int kernel_stock_attach (kernel_work_t *work, const json_t *given, ama_err_t *err)
{
    ama_str_t code = { 0 };
    int rc = put_code (work, &code, err);

    if (rc == 0)
        rc = write_given (work, given, err);
    if (rc == 0)
        kernel_stock_say (work, ATTACH, code.data);
    ama_str_done (&code);
    return rc;
}

const char *kernel_stock_store (void)
{
    return "as.environment(\"amaterasu\")$amaterasu_store";
}

void kernel_stock_hand_over (kernel_work_t *work)
{
    kernel_stock_say (work, HAND_OVER, "as.environment(\"amaterasu\")$amaterasu_hand_over()");
}

bool stock_is_handing_over (const stock_t *stock)
{
    return strcmp (stock->id, HAND_OVER) == 0;
}

bool stock_attach_end (kernel_work_t *work, const char *id, const json_t *reply)
{
    if (strcmp (id, ATTACH) == 0)
        kernel_scope_attached (work, reply);
    else if (strcmp (id, HAND_OVER) == 0)
        kernel_handed_over (work, reply, NULL);
    else
        return false;
    return true;
}

void stock_attach_before (const kernel_work_t *work, const json_t *statement, ama_str_t *code)
{
    const char *file = work->script.attempt->file;

    if (!work->scope || !kernel_stock_is_told (work))
        return;
    ama_str_puts (code, "as.environment(\"amaterasu\")$amaterasu_begin(\"");
    ama_str_json (code, file, strlen (file));
    ama_str_printf (code, ":%d\")\n", (int) json_integer_value (json_object_get (statement, "line")));
}
