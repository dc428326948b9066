/* runner.c - the table of runners and their aliases. Pure. */
#include "actors/planner/runner.h"

#include "config/ama_problems.h"

#include <stdio.h>
#include <string.h>

enum { NAME_ROOM = 64 };

static const ama_runner_t runners[] = {
    { "spark-scala", "spark", "scala", .needs_file = true }, { "shell", "shell", "bash", .needs_file = true },
    { "pyspark", "spark", "pyspark", .needs_file = true },   { "spark-sql", "spark", "sql", .needs_file = true },
    { "sparkr", "spark", "r", .needs_file = true },          { "python", "python", "python", .needs_file = true },
    { "pandas", "python", "pandas", .needs_file = true },    { "r", "r", "r", .needs_file = true },
    { "jar", "spark", "jar", .needs_file = false },          { "notebook", "notebook", "notebook", .needs_file = true },
    { "kernel", "kernel", "kernel", .needs_file = true },
};

/* What repositories of all ages write. An empty group is the flat form with a type alone. */
static const struct {
    const char *group, *type, *name;
} aliases[] = {
    { "spark", "spark", "spark-scala" },
    { "spark", "scala-shell", "spark-scala" },
    { "spark", "spark-scala", "spark-scala" },
    { "spark", "shell", "spark-scala" },
    { "spark-shell", "scala", "spark-scala" },
    { "spark-shell", "spark", "spark-scala" },
    { "spark-shell", "spark-shell", "spark-scala" },
    { "scala-shell", "scala", "spark-scala" },
    { "scala-shell", "spark", "spark-scala" },
    { "scala-shell", "scala-shell", "spark-scala" },
    { "spark-scala", "spark-scala", "spark-scala" },
    { "scala", "scala", "spark-scala" },
    { "", "scala", "spark-scala" },
    { "", "spark", "spark-scala" },
    { "", "scala-shell", "spark-scala" },
    { "spark", "scala-jar", "jar" },
    { "spark", "jar", "jar" },
    { "jar", "jar", "jar" },
    { "", "scala-jar", "jar" },
    { "spark", "python", "pyspark" },
    { "pyspark", "pyspark", "pyspark" },
    { "pyspark", "python", "pyspark" },
    { "", "pyspark", "pyspark" },
    { "spark", "spark-sql", "spark-sql" },
    { "sql", "sql", "spark-sql" },
    { "", "sql", "spark-sql" },
    { "spark", "sparkr", "sparkr" },
    { "spark", "spark-r", "sparkr" },
    { "", "spark-r", "sparkr" },
    { "pandas", "pandas", "pandas" },
    { "python", "python3", "python" },
    { "", "python3", "python" },
    { "shell", "shell", "shell" },
    { "shell", "sh", "shell" },
    { "bash", "bash", "shell" },
    { "", "bash", "shell" },
    { "", "sh", "shell" },
    { "", "ipynb", "notebook" },
    { "spark", "notebook", "notebook" }, /* in the session: plan_notebook.c */
    { "spark", "ipynb", "notebook" },
};

/* Groups that say all. */
static const struct {
    const char *group, *name;
} lone_groups[] = {
    { "shell", "shell" },
    { "r", "r" },
    { "kernel", "kernel" },
    { "notebook", "notebook" },
    { "spark-shell", "spark-scala" },
    { "scala-shell", "spark-scala" },
};

static char *fold (const char *text, char *buf)
{
    size_t n = 0;

    for (; text && text[n] && n < NAME_ROOM - 1; n++)
        buf[n] = (char) (text[n] >= 'A' && text[n] <= 'Z' ? text[n] + 32 : text[n]);
    buf[n] = '\0';
    return buf;
}

const ama_runner_t *ama_runner_named (const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE (runners); i++)
        if (strcmp (runners[i].name, name) == 0)
            return &runners[i];
    return NULL;
}

const ama_runner_t *ama_runner_all (size_t *ret_count)
{
    *ret_count = ARRAY_SIZE (runners);
    return runners;
}

static const ama_runner_t *find_pair (const char *group, const char *type)
{
    for (size_t i = 0; *group && i < ARRAY_SIZE (runners); i++)
        if (strcmp (runners[i].group, group) == 0 && strcmp (runners[i].type, type) == 0)
            return &runners[i];
    for (size_t i = 0; i < ARRAY_SIZE (aliases); i++)
        if (strcmp (aliases[i].group, group) == 0 && strcmp (aliases[i].type, type) == 0)
            return ama_runner_named (aliases[i].name);
    return NULL;
}

const ama_runner_t *ama_runner_find (const char *group, const char *type)
{
    char folded_group[NAME_ROOM], folded_type[NAME_ROOM];
    const ama_runner_t *found;
    char *dash;

    fold (group, folded_group);
    fold (type, folded_type);
    if (*folded_group && *folded_type)
        return find_pair (folded_group, folded_type);
    if (!*folded_type) { /* a group that has only one type */
        for (size_t i = 0; i < ARRAY_SIZE (lone_groups); i++)
            if (strcmp (lone_groups[i].group, folded_group) == 0)
                return ama_runner_named (lone_groups[i].name);
        return NULL;
    }
    if ((found = ama_runner_named (folded_type)) || (found = find_pair ("", folded_type)))
        return found;
    if (!(dash = strchr (folded_type, '-')))
        return NULL;
    *dash = '\0';
    return find_pair (folded_type, dash + 1);
}

const char *ama_runner_nearest (const char *group, const char *type)
{
    static const char *const pairs[] = { "spark/scala",   "shell/bash",    "spark/pyspark", "spark/sql", "spark/r",
                                         "python/python", "python/pandas", "r/r",           "spark/jar" };
    const char *names[ARRAY_SIZE (runners)], *near;
    char both[2 * NAME_ROOM + 2];

    for (size_t i = 0; i < ARRAY_SIZE (runners); i++)
        names[i] = runners[i].name;
    if (group && *group && type && *type) {
        (void) snprintf (both, sizeof both, "%.60s/%.60s", group, type);
        return ama_nearest (both, pairs, ARRAY_SIZE (pairs));
    }
    near = type ? ama_nearest (type, names, ARRAY_SIZE (names)) : NULL;
    return near;
}
