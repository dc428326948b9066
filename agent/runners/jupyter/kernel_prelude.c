/* kernel_prelude.c - an installed kernel that cuts a file itself: code of ours is said to it first, and what that prints is the answer
 *
 * Used by kernel_stock.c, on the agent's thread. The code lies in agent/runners, in the kernel's own language; it ends with a call of amaterasu_begin and the file's path.
 * What is printed comes from a process that has not run any code of the user's yet.
 */
#include "agent/open_beneath.h"
#include "agent/runners/jupyter/kernel_stock_in.h"

#include <stdlib.h>
#include <string.h>

enum { PRELUDE_MAX = 65536, ANSWER_MAX = 64 << 20 };

char *stock_prelude_code (const kernel_work_t *work, ama_err_t *err)
{
    const ama_attempt_t *attempt = work->script.attempt;
    ama_str_t name = { 0 }, source = { 0 }, code = { 0 };
    char *prelude = NULL;
    size_t size;
    int rc;

    if (!attempt->agent->conf.runners_dir) {
        (void) ama_err_set (err, AMA_E_CHILD, "this agent has no runners but shell");
        return NULL;
    }
    ama_str_printf (&name, "%s/%s", work->kind->folder, work->kind->prelude);
    rc = ama_read_beneath (attempt->agent->conf.runners_dir, name.data, PRELUDE_MAX, &prelude, &size, err);
    ama_str_done (&name);
    if (rc < 0)
        return NULL;
    ama_str_printf (&source, "%s/%s", attempt->snapshot, attempt->file);
    ama_str_puts (&code, prelude);
    ama_str_puts (&code, "\namaterasu_begin(\"");
    ama_str_json (&code, source.data, source.size);
    ama_str_puts (&code, "\")\n");
    ama_str_done (&source);
    free (prelude);
    return ama_str_take (&code);
}

bool stock_prelude_said (stock_t *stock, const ama_jupyter_message_t *message)
{
    const json_t *text = json_object_get (message->content, "text");

    if (strcmp (stock->id, "prelude") != 0 || strcmp (message->parent, stock->id) != 0)
        return false;
    if (json_is_string (text) && stock->answer.size <= ANSWER_MAX
        && strcmp (ama_jupyter_string (message->content, "name"), "stdout") == 0)
        ama_str_add (&stock->answer, json_string_value (text), json_string_length (text));
    return true;
}

void stock_prelude_end (kernel_work_t *work, const json_t *reply)
{
    ama_str_t *said = &work->stock->answer;
    json_t *answer = NULL;

    if (ama_script_is_ok (reply) && said->size && said->size <= ANSWER_MAX)
        answer = json_loadb (said->data, said->size, 0, NULL);
    ama_str_done (said);
    if (work->script.step != AMA_SCRIPT_OPENING)
        ;
    else if (answer)
        ama_script_split (&work->script, answer);
    else
        kernel_failed (work, "start",
                       ama_script_is_ok (reply) ? "the kernel did not say what the file is made of"
                                                : ama_jupyter_string (reply, "evalue"));
    json_decref (answer);
}

const char *stock_prelude_message (const kernel_work_t *work, const char *message)
{
    static const char *const words[] = { "Error in ", "Error: " };

    for (size_t i = 0; work->kind->prelude && i < ARRAY_SIZE (words); i++)
        if (ama_str_starts (message, words[i]))
            return message + strlen (words[i]);
    return message;
}

int stock_prelude_exit (const kernel_work_t *work, const char *message)
{
    static const char word[] = "amaterasu-exit ";

    if (!work->kind->prelude || strncmp (message, word, sizeof word - 1) != 0)
        return -1;
    return atoi (message + sizeof word - 1) & 0xff;
}
