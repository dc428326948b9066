/* plan_notebook.c - of an action that is a notebook: whether it runs in the Spark session, and in which language. A step of ama_plan_build.
 *
 * Our own kernel runs nowhere else, so a notebook that names it is a Scala action. What runs a notebook of another kernel in the session is said by maki.yml. A file that
 * can not be read as a notebook is told by whoever runs it, unless the plan depends on what it holds.
 */
#include "actors/planner/plan.h"
#include "actors/planner/plan_build.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

typedef enum { SCALA, PYTHON, IN_R, OTHER, UNKNOWN } language_t;

static const char *text_at (const json_t *json, const char *name)
{
    const char *text = json_string_value (json_object_get (json, name));

    return text ? text : "";
}

bool ama_plan_is_our_kernel (const char *kernel)
{
    size_t size = strlen (AMA_PLAN_OUR_KERNEL);

    return strncmp (kernel, AMA_PLAN_OUR_KERNEL, size) == 0 && (!kernel[size] || kernel[size] == '-');
}

/* *ret_kernel: the one that it is to run in; borrowed. */
static language_t language_of (const ama_maki_action_t *action, const json_t *notebook, const char **ret_kernel)
{
    const json_t *metadata = json_object_get (notebook, "metadata"), *spec = json_object_get (metadata, "kernelspec");
    const char *language = text_at (spec, "language");
    bool named = action->plan.has_kernel && action->plan.kernel.name && *action->plan.kernel.name;

    *ret_kernel = named ? action->plan.kernel.name : text_at (spec, "name");
    if (ama_plan_is_our_kernel (*ret_kernel))
        return SCALA;
    if (!*language || named)
        language = named ? "" : text_at (json_object_get (metadata, "language_info"), "name");
    if (strcmp (language, "scala") == 0)
        return SCALA;
    if (strcmp (language, "python") == 0 || strcmp (*ret_kernel, "python3") == 0)
        return PYTHON;
    if (strcmp (language, "R") == 0 || strcmp (*ret_kernel, AMA_PLAN_R_KERNEL) == 0)
        return IN_R;
    return *language || **ret_kernel ? OTHER : UNKNOWN;
}

static void set_text (char **to, const char *text)
{
    free (*to);
    *to = ama_strdup (text);
}

static void become (ama_maki_action_t *action, const char *runner)
{
    ama_plan_action_t *plan = &action->plan;

    action->runner = ama_runner_named (runner);
    set_text (&plan->runner, action->runner->name);
    set_text (&plan->group, action->runner->group);
    set_text (&plan->type, action->runner->type);
}

/* Its code, cell by cell: what a scan can read. */
static void add_code (const json_t *notebook, ama_str_t *out)
{
    const json_t *cells = json_object_get (notebook, "cells"), *cell, *line;
    size_t i, k;

    json_array_foreach (cells, i, cell)
    {
        const json_t *source = json_object_get (cell, "source");
        if (strcmp (text_at (cell, "cell_type"), "code") != 0)
            continue;
        if (json_is_string (source))
            ama_str_puts (out, json_string_value (source));
        json_array_foreach (source, k, line) ama_str_puts (out, json_is_string (line) ? json_string_value (line) : "");
        ama_str_putc (out, '\n');
    }
}

static void refuse (plan_build_t *self, const ama_maki_action_t *action, const char *wanted, const char *kernel)
{
    (void) ama_yaml_error (action->file, AMA_E_UNSUPPORTED, &self->problems,
                           "in the session run those of the kernel " AMA_PLAN_OUR_KERNEL
                           ", and those in Python; leave the runner out, and others run by themselves",
                           "the notebook %s is %s, for its kernel is %s", AMA_QUOTE (action->plan.file), wanted,
                           *kernel ? kernel : "not named");
}

/* Neither maki.yml nor its runner says that it runs in the session. */
static bool is_plain (const ama_maki_action_t *action)
{
    return strcmp (action->runner->name, "notebook") == 0 && !action->in_session;
}

static void place (plan_build_t *self, ama_maki_action_t *action, language_t language, const char *kernel)
{
    const char *runner = action->runner->name;
    bool plain = is_plain (action);

    if (plain && ama_plan_is_our_kernel (kernel))
        become (action, "spark-scala");
    else if (plain)
        return;
    else if (action->in_session && language <= PYTHON)
        become (action, language == SCALA ? "spark-scala" : "pyspark");
    else if (action->in_session)
        refuse (self, action, "neither in Scala nor in Python", kernel);
    else if (strcmp (runner, "spark-scala") == 0 && language != SCALA && language != UNKNOWN)
        refuse (self, action, "not in Scala", kernel);
    else if (strcmp (runner, "pyspark") == 0 && language != PYTHON && language != UNKNOWN)
        refuse (self, action, "not in Python", kernel);
    action->plan.has_kernel = true;
    if (!action->plan.kernel.name)
        action->plan.kernel.name = ama_strdup ("");
}

void ama_plan_notebook (plan_build_t *self, size_t index, int fd)
{
    ama_maki_action_t *action = &self->maki.actions[index];
    ama_str_t text = { 0 }, code = { 0 };
    json_error_t trouble;
    const char *kernel;
    language_t language;
    json_t *notebook;

    ama_plan_read (fd, &text);
    notebook = json_loadb (text.data ? text.data : "", text.size, 0, &trouble);
    if (json_is_object (notebook)) {
        language = language_of (action, notebook, &kernel);
        action->in_r = language == IN_R;
        place (self, action, language, kernel);
        add_code (notebook, &code);
        ama_plan_scan (self, index, &code);
    }
    else if (!is_plain (action))
        (void) ama_yaml_error (action->file, AMA_E_SYNTAX, &self->problems, "open and save it in Jupyter",
                               "the file %s is no notebook: %s", AMA_QUOTE (action->plan.file),
                               notebook ? "it is no JSON object" : trouble.text);
    json_decref (notebook);
    ama_str_done (&text);
    ama_str_done (&code);
}
