/* env_names.c - which environments a repository has. Called by the planner. */
#include "actors/planner/env.h"

#include <stdlib.h>
#include <string.h>

static int by_text (const void *a, const void *b)
{
    return strcmp (*(char *const *) a, *(char *const *) b);
}

void ama_env_each (ama_repo_t *repo, ama_env_name_fn *fn, void *arg)
{
    ama_repo_list_t list;
    const char **names;
    size_t count = 0;

    (void) ama_repo_list (repo, "env", &list, NULL);
    names = ama_calloc (list.count, sizeof *names);
    for (size_t i = 0; i < list.count; i++) {
        char *name = list.items[i].name;
        if (!list.items[i].folder) {
            if (!ama_str_ends (name, ".json"))
                continue;
            name[strlen (name) - 5] = '\0';
        }
        if (*name)
            names[count++] = name;
    }
    if (count)
        qsort (names, count, sizeof *names, by_text);
    for (size_t i = 0; i < count; i++) /* x and x.json are one */
        if (!i || strcmp (names[i], names[i - 1]) != 0)
            fn (names[i], arg);
    free (names);
    ama_repo_list_done (&list);
}

static void add_name (const char *name, void *arg)
{
    ama_str_t *out = arg;

    if (out->size >= 600)
        return;
    if (out->size)
        ama_str_puts (out, ", ");
    ama_str_escape (out, name, strlen (name), AMA_PROBLEM_QUOTE_MAX);
}

int ama_env_unknown (ama_repo_t *repo, const char *name, ama_problems_t *problems)
{
    ama_str_t has = { 0 }, hint = { 0 };
    int rc;

    ama_env_each (repo, add_name, &has);
    if (has.size)
        ama_str_printf (&hint, "it has: %s", has.data);
    else
        ama_str_puts (&hint, "it has none; an empty env/default/job.yml will do");
    rc = ama_problems_add (problems, false, AMA_E_NOT_FOUND, "env", 0, 0, hint.data,
                           "the repository has no environment %s", AMA_QUOTE (name));
    ama_str_done (&has);
    ama_str_done (&hint);
    return rc;
}
