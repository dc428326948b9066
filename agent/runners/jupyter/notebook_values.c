/* notebook_values.c - the values of parameters as a notebook's language writes them. Pure; used by notebook.c. */
#include "agent/runners/jupyter/notebook_values.h"

#include "actors/base/ama_str.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 32 };

typedef struct {
    const char *names; /* with blanks around each */
    const char *assign, *yes, *no, *none;
    const char *list, *list_end, *map, *map_end, *of; /* NULL: it has none here */
    bool shell;                                       /* text in single quotes */
} language_t;

static const language_t languages[] = {
    { " python ipython ", "%s = ", "True", "False", "None", "[", "]", "{", "}", ": ", false },
    { " R r ", "%s = ", "TRUE", "FALSE", "NULL", "list(", ")", "list(", ")", " = ", false },
    { " bash sh ", "%s=", "true", "false", "''", NULL, NULL, NULL, NULL, NULL, true },
    { " scala ", "val %s = ", "true", "false", "None", "Seq(", ")", "Map(", ")", " -> ", false },
    { " julia ", "%s = ", "true", "false", "nothing", "[", "]", "Dict(", ")", " => ", false },
};

static const language_t *find (const char *name)
{
    ama_str_t word = { 0 };
    const language_t *found = NULL;

    ama_str_printf (&word, " %s ", name);
    for (size_t i = 0; !found && i < ARRAY_SIZE (languages); i++)
        found = *name && strstr (languages[i].names, word.data) ? &languages[i] : NULL;
    ama_str_done (&word);
    return found;
}

/* JSON's escapes are those of all languages here but bash; $ is no more than a letter in them, but in Julia. */
static void put_text (const language_t *language, const json_t *value, ama_str_t *out)
{
    const char *text = json_string_value (value);

    if (!language->shell) {
        ama_str_putc (out, '"');
        for (; *text; text++) {
            if (*text == '$' && strcmp (language->none, "nothing") == 0)
                ama_str_putc (out, '\\');
            if (*text == '$' || (signed char) *text < 0)
                ama_str_putc (out, *text);
            else
                ama_str_json (out, text, 1);
        }
        ama_str_putc (out, '"');
        return;
    }
    ama_str_putc (out, '\'');
    for (; *text; text++)
        if (*text == '\'')
            ama_str_puts (out, "'\\''");
        else
            ama_str_putc (out, *text);
    ama_str_putc (out, '\'');
}

static int put (const language_t *language, json_t *value, int depth, ama_str_t *out);

static int put_list (const language_t *language, json_t *list, int depth, ama_str_t *out)
{
    json_t *item;
    size_t i;
    int rc = 0;

    ama_str_puts (out, language->list);
    json_array_foreach (list, i, item)
    {
        if (i)
            ama_str_puts (out, ", ");
        if (rc == 0)
            rc = put (language, item, depth + 1, out);
    }
    ama_str_puts (out, language->list_end);
    return rc;
}

static int put_map (const language_t *language, json_t *map, int depth, ama_str_t *out)
{
    const char *key;
    json_t *value;
    bool more = false;
    int rc = 0;

    ama_str_puts (out, language->map);
    json_object_foreach (map, key, value)
    {
        json_t *name = json_string (key);
        if (more)
            ama_str_puts (out, ", ");
        more = true;
        put_text (language, name, out);
        json_decref (name);
        ama_str_puts (out, language->of);
        if (rc == 0)
            rc = put (language, value, depth + 1, out);
    }
    ama_str_puts (out, language->map_end);
    return rc;
}

static int put (const language_t *language, json_t *value, int depth, ama_str_t *out)
{
    char *number;

    if (depth > DEPTH_MAX || ((json_is_array (value) || json_is_object (value)) && !language->list))
        return -1;
    switch (json_typeof (value)) {
    case JSON_STRING:
        put_text (language, value, out);
        break;
    case JSON_ARRAY:
        return put_list (language, value, depth, out);
    case JSON_OBJECT:
        return put_map (language, value, depth, out);
    case JSON_TRUE:
    case JSON_FALSE:
        ama_str_puts (out, json_is_true (value) ? language->yes : language->no);
        break;
    case JSON_NULL:
        ama_str_puts (out, language->none);
        break;
    default:
        number = json_dumps (value, JSON_ENCODE_ANY | JSON_REAL_PRECISION (15));
        ama_str_puts (out, number ? number : "0");
        free (number);
        break;
    }
    return 0;
}

int ama_notebook_values (const char *language, const ama_plan_setting_t *params, size_t count, ama_str_t *out,
                         ama_err_t *err)
{
    const language_t *known = find (language);

    if (!known)
        return ama_err_set (err, AMA_E_UNSUPPORTED, "parameters can not be given to a notebook of the language %.60s",
                            *language ? language : "that it does not name");
    ama_str_puts (out, strcmp (known->assign, "val %s = ") == 0 ? "// Parameters\n" : "# Parameters\n");
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_loads (params[i].value, JSON_DECODE_ANY, NULL);
        int rc;
        const char *at = strstr (known->assign, "%s");

        ama_str_add (out, known->assign, (size_t) (at - known->assign));
        ama_str_puts (out, params[i].key);
        ama_str_puts (out, at + 2);
        if (!value)
            value = json_string (params[i].value);
        rc = value ? put (known, value, 0, out) : -1;
        json_decref (value);
        if (rc < 0)
            return ama_err_set (err, AMA_E_UNSUPPORTED, "the parameter %.60s can not be written in %s", params[i].key,
                                language);
        ama_str_putc (out, '\n');
    }
    return 0;
}
