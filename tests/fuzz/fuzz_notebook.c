/* fuzz_notebook.c - no notebook crashes, whatever its kernel says; what is written can be read again, with the same statements
 *
 * The input is a notebook, and after a line of dashes, if there is one, the messages of a kernel: a line each, its type and its content.
 */
#include "agent/runners/jupyter/notebook.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static const char dashes[] = "\n----\n";

static void say (ama_notebook_t *notebook, const char *line, size_t size)
{
    char *copy = ama_strndup (line, size), *space = strchr (copy, ' ');
    ama_jupyter_message_t message = { .type = copy, .parent = "" };

    if (space)
        *space = '\0';
    message.content = space ? json_loads (space + 1, JSON_ALLOW_NUL, NULL) : NULL;
    if (json_is_object (message.content))
        ama_notebook_said (notebook, &message);
    json_decref (message.content);
    free (copy);
}

static void run_all (ama_notebook_t *notebook, const json_t *statements, const char *said)
{
    const json_t *statement;
    size_t i;

    json_array_foreach (statements, i, statement)
    {
        BUG_ON (json_integer_value (json_object_get (statement, "end_line")) < 1);
        ama_notebook_begin (notebook, statement);
        for (const char *at = said; at && *at;) {
            size_t size = strcspn (at, "\n");
            say (notebook, at, size);
            at += size + (at[size] == '\n');
        }
        if (i % 2)
            ama_notebook_end (notebook, (json_int_t) i);
        else
            ama_notebook_fail (notebook, "name", "message");
    }
}

static void check_again (ama_notebook_t *notebook, const json_t *statements)
{
    char *text = ama_notebook_text (notebook);
    ama_notebook_t *again;
    ama_err_t err;
    json_t *same;

    if (strlen (text) <= AMA_NOTEBOOK_MAX) {
        BUG_ON (ama_notebook_parse (text, strlen (text), &again, &err) < 0);
        same = ama_notebook_statements (again, "f");
        BUG_ON (!json_equal (same, statements));
        json_decref (same);
        ama_notebook_destroy (&again);
    }
    free (text);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    ama_plan_setting_t params[] = { { .key = (char *) "a", .value = (char *) "[1, {\"b\": null}]" },
                                    { .key = (char *) "c", .value = (char *) "text" } };
    char *text = ama_strndup ((const char *) data, size), *said = strstr (text, dashes);
    ama_notebook_t *notebook;
    json_t *statements;
    ama_err_t err;

    if (said)
        *said = '\0';
    if (ama_notebook_parse (text, strlen (text), &notebook, &err) == 0) {
        (void) ama_notebook_inject (notebook, params, size % 3, &err);
        statements = ama_notebook_statements (notebook, "f");
        run_all (notebook, statements, said ? said + sizeof dashes - 1 : NULL);
        check_again (notebook, statements);
        json_decref (statements);
        ama_notebook_destroy (&notebook);
    }
    free (text);
    return 0;
}
