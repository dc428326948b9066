/* kernel_prelude.c - an installed kernel that cuts a file itself: code of ours is said to it first, and what that prints is the answer
 *
 * Used by kernel_stock.c, on the agent's thread. The code lies in agent/runners, in R, whose kernel is the only one of this kind so far; it ends with a call of amaterasu_begin, repository
 * and file. What is printed comes from a process that has not run any code of the user's yet; what is said of an error later may be anything.
 */
#include "agent/open_beneath.h"
#include "agent/runners/jupyter/kernel_stock_in.h"

#include <stdlib.h>
#include <string.h>

enum { PRELUDE_MAX = 65536, ANSWER_MAX = 64 << 20, TRACE_MAX = 65536, FRAMES = 32 };

char *stock_prelude_code (const kernel_work_t *work, ama_err_t *err)
{
    const ama_attempt_t *attempt = work->script.attempt;
    ama_str_t name = { 0 }, code = { 0 };
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
    ama_str_puts (&code, prelude);
    ama_str_puts (&code, "\namaterasu_begin(\"");
    ama_str_json (&code, attempt->snapshot, strlen (attempt->snapshot));
    ama_str_puts (&code, "\", \"");
    ama_str_json (&code, attempt->file, strlen (attempt->file));
    ama_str_puts (&code, "\")\n");
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
    kernel_scope_ask (work);
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

void stock_prelude_before (const kernel_work_t *work, const json_t *statement, ama_str_t *code)
{
    const char *file = work->script.attempt->file;

    ama_str_printf (code, "#line %d \"", (int) json_integer_value (json_object_get (statement, "line")));
    ama_str_json (code, file, strlen (file));
    ama_str_puts (code, "\"\n");
}

/* ---- errors ---- */

/* What prelude.R has added to a traceback, {"name", "frames"}. Owned; NULL: nothing. */
static json_t *trace_of (const json_t *traceback)
{
    static const char word[] = "amaterasu-trace ";
    const json_t *last = json_array_get (traceback, json_array_size (traceback) - 1);
    const char *text = json_is_string (last) ? json_string_value (last) : "";

    if (!ama_str_starts (text, word) || json_string_length (last) > TRACE_MAX)
        return NULL;
    return json_loads (text + sizeof word - 1, 0, NULL);
}

/* A place of the statement under way itself. */
static bool is_within (const kernel_work_t *work, const json_t *statement, const json_t *frame)
{
    json_int_t line = json_integer_value (json_object_get (frame, "line"));

    return strcmp (ama_jupyter_string (frame, "file"), work->script.attempt->file) == 0
           && line >= json_integer_value (json_object_get (statement, "line"))
           && line <= json_integer_value (json_object_get (statement, "end_line"));
}

static bool is_good (const json_t *frame)
{
    size_t size = json_string_length (json_object_get (frame, "file"));
    json_int_t line = json_integer_value (json_object_get (frame, "line"));

    return size && size <= AMA_REPORT_FRAME_FILE_MAX && line > 0 && line < 1000000000;
}

/* The places that were said, and behind them where the statement begins, unless one is within it. */
static json_t *frames_of (const kernel_work_t *work, const json_t *said)
{
    const json_t *statement = json_array_get (work->script.statements, work->script.next);
    json_t *frames = json_array (), *frame;
    bool within = false;
    size_t i;

    json_array_foreach (said, i, frame)
    {
        if (!is_good (frame) || json_array_size (frames) >= FRAMES)
            continue;
        within = within || is_within (work, statement, frame);
        (void) json_array_append (frames, frame);
    }
    if (!within && json_array_size (frames))
        (void) json_array_append_new (frames, json_pack ("{s:s, s:O}", "file", work->script.attempt->file, "line",
                                                         json_object_get (statement, "line")));
    return frames;
}

json_t *stock_prelude_error (const kernel_work_t *work, const json_t *reply, const char *text)
{
    json_t *trace = trace_of (json_object_get (reply, "traceback")), *error;
    const char *name = ama_jupyter_string (trace, "name");
    bool session = work->scope && strcmp (name, "SessionError") == 0;

    if (!*name || strlen (name) > AMA_REPORT_EVENT_ERROR_NAME_MAX)
        name = "Error"; /* most of R's have none */
    error = json_pack ("{s:s, s:s, s:s, s:{s:s, s:o}}", "status", "error", "ename", name, "evalue", text, "ama", "kind",
                       session ? "session" : "runtime", "frames", frames_of (work, json_object_get (trace, "frames")));
    json_decref (trace);
    return error ? error : json_pack ("{s:s, s:s, s:s}", "status", "error", "ename", "Error", "evalue", "");
}
