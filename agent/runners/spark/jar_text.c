/* jar_text.c - see jar_text.h; used by jar_runner.c */
#include "agent/runners/spark/jar_text.h"

#include "agent/folder.h"
#include "agent/runners/spark/session_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- properties ---- */

/* java.util.Properties.load: the blank, = and : end a key, # and ! begin a comment, the backslash escapes. */
static void add_escaped (ama_str_t *out, const char *text, bool key)
{
    bool begins = true; /* blanks there would be left out */

    for (; *text; text++) {
        if (*text == '\n' || *text == '\r' || *text == '\t' || *text == '\f') {
            ama_str_putc (out, '\\');
            ama_str_putc (out, *text == '\n' ? 'n' : *text == '\r' ? 'r' : *text == '\t' ? 't' : 'f');
            begins = false;
            continue;
        }
        if (*text == '\\' || (*text == ' ' && (key || begins)) || (key && strchr ("=:#!", *text)))
            ama_str_putc (out, '\\');
        begins = begins && *text == ' ';
        ama_str_putc (out, *text);
    }
}

static void add (ama_str_t *out, const char *prefix, const char *key, const char *value)
{
    add_escaped (out, prefix, true);
    add_escaped (out, key, true);
    ama_str_putc (out, '=');
    add_escaped (out, value, false);
    ama_str_putc (out, '\n');
}

static void add_settings (ama_str_t *out, const char *prefix, const ama_plan_setting_t *settings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *text = ama_folder_text (settings[i].value);
        add (out, prefix, settings[i].key, text);
        free (text);
    }
}

char *ama_jar_list (const ama_attempt_start_t *start, size_t first)
{
    const char *own = ama_session_spark_value (&start->environment, "spark.jars");
    char *text = own ? ama_folder_text (own) : NULL;
    ama_str_t list = { 0 };

    if (text)
        ama_str_puts (&list, text);
    for (size_t i = first; i < start->n_jars; i++)
        ama_str_printf (&list, "%s%s", list.size ? "," : "", start->jars[i]);
    free (text);
    return ama_str_take (&list);
}

void ama_jar_more (const char *list, char *const *more, size_t n_more, ama_str_t *out)
{
    ama_str_t all = { 0 };

    ama_str_puts (&all, list ? list : "");
    for (size_t i = 0; i < n_more; i++)
        ama_str_printf (&all, "%s%s", all.size ? "," : "", more[i]);
    if (all.size)
        add (out, "", "spark.jars", all.data);
    ama_str_done (&all);
}

void ama_jar_properties (const ama_attempt_start_t *start, size_t first, ama_str_t *out)
{
    const ama_plan_environment_t *env = &start->environment;
    char memory[32], *list;

    /* as in the session; the last of two lines counts */
    add (out, "", "spark.master", "local[*]");
    add (out, "", "spark.app.name", start->job[0] ? start->job : "amaterasu");
    add (out, "", "spark.ui.enabled", "false");
    add (out, "", "spark.ui.showConsoleProgress", "false");
    add_settings (out, "", env->spark, env->n_spark);
    add_settings (out, "spark.executorEnv.", env->spark_env, env->n_spark_env);
    if (env->master[0])
        add (out, "", "spark.master", env->master);
    if (start->memory) {
        (void) snprintf (memory, sizeof memory, "%llum", (unsigned long long) (start->memory >> 20));
        add (out, "", "spark.driver.memory", memory);
    }
    list = ama_jar_list (start, first);
    ama_jar_more (list, NULL, 0, out);
    free (list);
}

/* ---- errors ---- */

static void take (const char *at, size_t size, char *out, size_t room)
{
    size = size < room ? size : room - 1;
    memcpy (out, at, size);
    out[size] = '\0';
}

/* "org.example.Trouble: why" or "org.example.Trouble" */
static void take_exception (const char *at, size_t size, ama_jar_error_t *error)
{
    const char *colon = memmem (at, size, ": ", 2);
    size_t name = colon ? (size_t) (colon - at) : size;

    take (at, name, error->name, sizeof error->name);
    if (colon)
        take (colon + 2, size - name - 2, error->message, sizeof error->message);
    else
        error->message[0] = '\0';
}

static bool begins (const char *line, size_t size, const char *with)
{
    size_t n = strlen (with);

    return size >= n && memcmp (line, with, n) == 0;
}

void ama_jar_error (const char *tail, size_t size, ama_jar_error_t *ret_error)
{
    static const char thread[] = "Exception in thread \"main\" ", own[] = "Error: ", memory[] = "OutOfMemoryError";
    const char *end = tail + size;

    *ret_error = (ama_jar_error_t){ 0 };
    for (const char *line = tail, *next; line < end; line = next) {
        const char *feed = memchr (line, '\n', (size_t) (end - line));
        size_t length = (size_t) ((feed ? feed : end) - line);
        next = feed ? feed + 1 : end;
        if (begins (line, length, thread))
            take_exception (line + sizeof thread - 1, length - (sizeof thread - 1), ret_error);
        else if (begins (line, length, own) && !ret_error->name[0]) {
            (void) snprintf (ret_error->name, sizeof ret_error->name, "spark-submit");
            take (line + sizeof own - 1, length - (sizeof own - 1), ret_error->message, sizeof ret_error->message);
        }
    }
    ret_error->out_of_memory = size && memmem (tail, size, memory, sizeof memory - 1);
}
