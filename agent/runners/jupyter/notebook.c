/* notebook.c - see notebook.h. Pure; used by the runner of kernels, on the agent's thread */
#include "agent/runners/jupyter/notebook.h"

#include "agent/runners/jupyter/notebook_values.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS_MAX = 20000, OUTPUTS_MAX = 2000, DISPLAYS_MAX = 1000 };

#define STREAM_MAX (4u << 20) /* bytes of one stream output */

struct display {
    char *id;
    json_t *output; /* owned, too */
};

struct ama_notebook {
    json_t *json;
    json_t *cell; /* borrowed: the one under way */
    bool clear;   /* its outputs go when the next one comes */
    bool cut;     /* some of its outputs were left out, and that was said */
    size_t bytes; /* of all outputs */
    json_t *open; /* borrowed: the last output, a stream that may grow; its text is in the next until then */
    ama_str_t text;
    struct display displays[DISPLAYS_MAX];
    size_t n_displays;
};

static json_t *cells_of (const ama_notebook_t *notebook)
{
    return json_object_get (notebook->json, "cells");
}

/* ---- reading ---- */

static int check_cell (const json_t *cell, size_t number, ama_err_t *err)
{
    const char *type = json_string_value (json_object_get (cell, "cell_type"));
    const json_t *source = json_object_get (cell, "source"), *line;
    size_t i;

    if (!type || !json_is_object (json_object_get (cell, "metadata")))
        return ama_err_set (err, AMA_E_SYNTAX, "cell %zu is none: cell_type or metadata is missing", number);
    if (!json_is_string (source) && !json_is_array (source))
        return ama_err_set (err, AMA_E_SYNTAX, "cell %zu has no source", number);
    json_array_foreach (source, i, line)
    {
        if (!json_is_string (line))
            return ama_err_set (err, AMA_E_SYNTAX, "cell %zu has a source that is no text", number);
    }
    return 0;
}

static int check (const json_t *json, ama_err_t *err)
{
    const json_t *format = json_object_get (json, "nbformat"), *cells = json_object_get (json, "cells"), *cell;
    size_t i;

    if (!json_is_object (json) || !json_is_integer (format))
        return ama_err_set (err, AMA_E_SYNTAX, "it is no notebook: nbformat is missing");
    if (json_integer_value (format) != 4)
        return ama_err_set (err, AMA_E_UNSUPPORTED,
                            "a notebook of format %d, and 4 is needed: open and save it in Jupyter",
                            (int) json_integer_value (format));
    if (!json_is_array (cells) || !json_is_object (json_object_get (json, "metadata")))
        return ama_err_set (err, AMA_E_SYNTAX, "it is no notebook: cells or metadata are missing");
    if (json_array_size (cells) > CELLS_MAX)
        return ama_err_set (err, AMA_E_LIMIT, "a notebook with more than %d cells", CELLS_MAX);
    json_array_foreach (cells, i, cell)
    {
        int rc = check_cell (cell, i + 1, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int ama_notebook_parse (const char *text, size_t size, ama_notebook_t **ret_notebook, ama_err_t *err)
{
    json_error_t trouble;
    ama_notebook_t *notebook;
    json_t *json;
    int rc;

    *ret_notebook = NULL;
    if (size > AMA_NOTEBOOK_MAX)
        return ama_err_set (err, AMA_E_LIMIT, "a notebook of more than %u MiB", AMA_NOTEBOOK_MAX >> 20);
    json = json_loadb (text, size, 0, &trouble);
    if (!json)
        return ama_err_set (err, AMA_E_SYNTAX, "line %d: %s", trouble.line, trouble.text);
    rc = check (json, err);
    if (rc < 0) {
        json_decref (json);
        return rc;
    }
    notebook = *ret_notebook = ama_calloc (1, sizeof *notebook);
    notebook->json = json;
    return 0;
}

static void forget_displays (ama_notebook_t *notebook)
{
    for (size_t i = 0; i < notebook->n_displays; i++) {
        free (notebook->displays[i].id);
        json_decref (notebook->displays[i].output);
    }
    notebook->n_displays = 0;
}

void ama_notebook_destroy (ama_notebook_t **notebook)
{
    if (!*notebook)
        return;
    forget_displays (*notebook);
    ama_str_done (&(*notebook)->text);
    json_decref ((*notebook)->json);
    free (*notebook);
    *notebook = NULL;
}

static const char *meta (const ama_notebook_t *notebook, const char *part, const char *name)
{
    return ama_jupyter_string (json_object_get (json_object_get (notebook->json, "metadata"), part), name);
}

const char *ama_notebook_kernel (const ama_notebook_t *notebook)
{
    return meta (notebook, "kernelspec", "name");
}

static bool is_code (const json_t *cell)
{
    return strcmp (ama_jupyter_string (cell, "cell_type"), "code") == 0;
}

static void add_source (const json_t *cell, ama_str_t *out)
{
    const json_t *source = json_object_get (cell, "source"), *line;
    size_t i;

    if (json_is_string (source))
        ama_str_puts (out, json_string_value (source));
    json_array_foreach (source, i, line) ama_str_puts (out, json_string_value (line));
}

static bool has_tag (const json_t *cell, const char *tag)
{
    const json_t *tags = json_object_get (json_object_get (cell, "metadata"), "tags"), *one;
    size_t i;

    json_array_foreach (tags, i, one)
    {
        if (json_is_string (one) && strcmp (json_string_value (one), tag) == 0)
            return true;
    }
    return false;
}

json_t *ama_notebook_statements (const ama_notebook_t *notebook, const char *file)
{
    json_t *statements = json_array (), *cell;
    size_t i;

    json_array_foreach (cells_of (notebook), i, cell)
    {
        ama_str_t code = { 0 }, name = { 0 };
        int lines = 1;
        const char *at;

        if (!is_code (cell))
            continue;
        add_source (cell, &code);
        for (at = code.data ? code.data : ""; isspace ((unsigned char) *at);)
            at++;
        ama_str_printf (&name, "%s#%zu", file, json_array_size (statements) + 1);
        if (*at) {
            for (; *at; at++)
                lines += *at == '\n' && at[1];
            for (const char *c = code.data; isspace ((unsigned char) *c); c++)
                lines += *c == '\n';
            (void) json_array_append_new (statements,
                                          json_pack ("{s:s, s:i, s:i, s:i, s:s, s:i, s:b}", "code", code.data, "line",
                                                     1, "end_line", lines, "column", 1, "file", name.data, "cell",
                                                     (int) i, "may-fail", (int) has_tag (cell, "raises-exception")));
        }
        ama_str_done (&code);
        ama_str_done (&name);
    }
    return statements;
}

/* ---- outputs ---- */

static void set_empty (json_t *cell)
{
    (void) json_object_set_new (cell, "outputs", json_array ());
    (void) json_object_set_new (cell, "execution_count", json_null ());
}

/* A stream that comes in small pieces is not to be copied with each of them. */
static void close_stream (ama_notebook_t *notebook)
{
    if (notebook->open)
        (void) json_object_set_new (notebook->open, "text", json_stringn (notebook->text.data, notebook->text.size));
    notebook->open = NULL;
    ama_str_clear (&notebook->text);
}

void ama_notebook_begin (ama_notebook_t *notebook, const json_t *statement)
{
    close_stream (notebook);
    notebook->cell =
        json_array_get (cells_of (notebook), (size_t) json_integer_value (json_object_get (statement, "cell")));
    notebook->clear = notebook->cut = false;
    if (notebook->cell)
        set_empty (notebook->cell);
}

static json_t *outputs_of (const ama_notebook_t *notebook)
{
    return json_object_get (notebook->cell, "outputs");
}

static json_t *object_or_empty (json_t *json)
{
    return json_is_object (json) ? json_incref (json) : json_object ();
}

static json_t *stream_output (const char *name, const char *text, size_t size)
{
    return json_pack ("{s:s, s:s, s:s%}", "output_type", "stream", "name", name, "text", text, size);
}

static void add_output (ama_notebook_t *notebook, json_t *output, size_t bytes)
{
    json_t *outputs;

    close_stream (notebook);
    if (notebook->clear)
        (void) json_object_set_new (notebook->cell, "outputs", json_array ());
    notebook->clear = false;
    outputs = outputs_of (notebook);
    notebook->bytes += bytes;
    if (notebook->bytes <= AMA_NOTEBOOK_OUTPUTS_MAX && json_array_size (outputs) < OUTPUTS_MAX) {
        (void) json_array_append_new (outputs, output);
        return;
    }
    json_decref (output);
    if (!notebook->cut)
        (void) json_array_append_new (outputs, stream_output ("stderr", "(further outputs were left out)\n", 32));
    notebook->cut = true;
}

static bool may_grow (const ama_notebook_t *notebook, const char *name, size_t size)
{
    return notebook->open && !notebook->clear && strcmp (ama_jupyter_string (notebook->open, "name"), name) == 0
           && notebook->text.size + size <= STREAM_MAX && notebook->bytes + size <= AMA_NOTEBOOK_OUTPUTS_MAX;
}

/* Grows the last output if it is of the same stream. */
static void add_stream (ama_notebook_t *notebook, const json_t *content)
{
    const char *name = ama_jupyter_string (content, "name");
    const json_t *text = json_object_get (content, "text");
    size_t size = json_is_string (text) ? json_string_length (text) : 0;

    if (!size || (strcmp (name, "stdout") != 0 && strcmp (name, "stderr") != 0))
        return;
    if (may_grow (notebook, name, size))
        notebook->bytes += size;
    else {
        add_output (notebook, stream_output (name, json_string_value (text), size), size);
        if (notebook->cut)
            return;
        notebook->open = json_array_get (outputs_of (notebook), json_array_size (outputs_of (notebook)) - 1);
    }
    ama_str_add (&notebook->text, json_string_value (text), size);
}

static bool is_json_type (const char *mime)
{
    return ama_str_ends (mime, "json");
}

/* What nbformat allows of it. */
static json_t *take_data (json_t *data, size_t *ret_bytes)
{
    json_t *taken = json_object (), *value;
    const char *mime;

    *ret_bytes = 0;
    if (json_is_object (data))
        json_object_foreach (data, mime, value)
        {
            if (!json_is_string (value) && !is_json_type (mime))
                continue;
            *ret_bytes += json_is_string (value) ? json_string_length (value) : 4096;
            (void) json_object_set (taken, mime, value);
        }
    return taken;
}

static void remember_display (ama_notebook_t *notebook, const json_t *content, json_t *output)
{
    const char *id = ama_jupyter_string (json_object_get (content, "transient"), "display_id");

    if (!*id || notebook->n_displays == DISPLAYS_MAX)
        return;
    notebook->displays[notebook->n_displays++] = (struct display){ ama_strndup (id, 256), json_incref (output) };
}

static void add_display (ama_notebook_t *notebook, const json_t *content, bool result)
{
    size_t bytes;
    json_t *data = take_data (json_object_get (content, "data"), &bytes),
           *output = json_pack ("{s:s, s:o, s:o}", "output_type", result ? "execute_result" : "display_data", "data",
                                data, "metadata", object_or_empty (json_object_get (content, "metadata")));

    if (!output)
        return;
    if (result)
        (void) json_object_set_new (output, "execution_count",
                                    json_integer (json_integer_value (json_object_get (content, "execution_count"))));
    remember_display (notebook, content, output);
    add_output (notebook, output, bytes);
}

static void update_display (ama_notebook_t *notebook, const json_t *content)
{
    const char *id = ama_jupyter_string (json_object_get (content, "transient"), "display_id");
    size_t bytes;

    for (size_t i = 0; *id && i < notebook->n_displays; i++)
        if (strcmp (notebook->displays[i].id, id) == 0) {
            json_t *data = take_data (json_object_get (content, "data"), &bytes);
            if (notebook->bytes + bytes <= AMA_NOTEBOOK_OUTPUTS_MAX) {
                notebook->bytes += bytes;
                (void) json_object_set (notebook->displays[i].output, "data", data);
            }
            json_decref (data);
        }
}

static void add_error (ama_notebook_t *notebook, const json_t *content)
{
    json_t *lines = json_array (), *line, *output;
    const json_t *traceback = json_object_get (content, "traceback");
    size_t i, bytes = 256;

    json_array_foreach (traceback, i, line)
    {
        if (json_is_string (line) && i < OUTPUTS_MAX && json_array_append (lines, line) == 0)
            bytes += json_string_length (line);
    }
    output = json_pack ("{s:s, s:s, s:s, s:o}", "output_type", "error", "ename", ama_jupyter_string (content, "ename"),
                        "evalue", ama_jupyter_string (content, "evalue"), "traceback", lines);
    if (output)
        add_output (notebook, output, bytes);
}

static void clear_outputs (ama_notebook_t *notebook, const json_t *content)
{
    close_stream (notebook);
    notebook->clear = json_is_true (json_object_get (content, "wait"));
    if (!notebook->clear)
        (void) json_object_set_new (notebook->cell, "outputs", json_array ());
}

void ama_notebook_said (ama_notebook_t *notebook, const ama_jupyter_message_t *message)
{
    const char *type = message->type;

    if (!notebook->cell)
        return;
    if (strcmp (type, "stream") == 0)
        add_stream (notebook, message->content);
    else if (strcmp (type, "display_data") == 0)
        add_display (notebook, message->content, false);
    else if (strcmp (type, "execute_result") == 0)
        add_display (notebook, message->content, true);
    else if (strcmp (type, "update_display_data") == 0)
        update_display (notebook, message->content);
    else if (strcmp (type, "error") == 0)
        add_error (notebook, message->content);
    else if (strcmp (type, "clear_output") == 0)
        clear_outputs (notebook, message->content);
}

void ama_notebook_end (ama_notebook_t *notebook, json_int_t execution)
{
    close_stream (notebook);
    if (notebook->cell && execution > 0)
        (void) json_object_set_new (notebook->cell, "execution_count", json_integer (execution));
    notebook->cell = NULL;
}

void ama_notebook_fail (ama_notebook_t *notebook, const char *name, const char *message)
{
    json_t *content = json_pack ("{s:s, s:s}", "ename", name, "evalue", message);

    if (notebook->cell && content)
        add_error (notebook, content);
    json_decref (content);
    notebook->cell = NULL;
}

char *ama_notebook_text (ama_notebook_t *notebook)
{
    char *text;
    ama_str_t out = { 0 };

    close_stream (notebook);
    text = json_dumps (notebook->json, JSON_INDENT (1));
    ama_str_printf (&out, "%s\n", text ? text : "{}");
    free (text);
    return ama_str_take (&out);
}

/* ---- parameters ---- */

static void clear_old (const ama_notebook_t *notebook)
{
    json_t *cell;
    size_t i;

    json_array_foreach (cells_of (notebook), i, cell)
    {
        if (is_code (cell))
            set_empty (cell);
    }
}

static size_t place_of_parameters (json_t *cells)
{
    size_t i, at = 0;
    const json_t *cell;

    json_array_foreach (cells, i, cell)
    {
        if (has_tag (cell, "injected-parameters")) {
            (void) json_array_remove (cells, i);
            return i;
        }
    }
    json_array_foreach (cells, i, cell)
    {
        if (!at && has_tag (cell, "parameters"))
            at = i + 1;
    }
    return at;
}

int ama_notebook_inject (ama_notebook_t *notebook, const ama_plan_setting_t *params, size_t count, ama_err_t *err)
{
    const char *language = meta (notebook, "kernelspec", "language");
    ama_str_t source = { 0 };
    json_t *cell;
    int rc;

    clear_old (notebook);
    if (!count)
        return 0;
    rc = ama_notebook_values (*language ? language : meta (notebook, "language_info", "name"), params, count, &source,
                              err);
    if (rc == 0) {
        cell = json_pack ("{s:s, s:n, s:{s:[s]}, s:[], s:s}", "cell_type", "code", "execution_count", "metadata",
                          "tags", "injected-parameters", "outputs", "source", source.data);
        if (cell && json_integer_value (json_object_get (notebook->json, "nbformat_minor")) >= 5)
            (void) json_object_set_new (cell, "id", json_string ("ama-injected-parameters"));
        (void) json_array_insert_new (cells_of (notebook), place_of_parameters (cells_of (notebook)), cell);
    }
    ama_str_done (&source);
    return rc;
}
