/* env_master.c - which clusters there are to run on: what Spark calls a master. Pure. */
#include "actors/planner/env.h"

#include <string.h>

enum { LOCAL_THREADS_MAX = 100000 };

/* A number from 1 to most, or * if any is allowed; *at moves behind it. */
static bool take_number (const char **at, unsigned long most, bool star)
{
    unsigned long value = 0;

    if (star && **at == '*') {
        (*at)++;
        return true;
    }
    for (; **at >= '0' && **at <= '9' && value <= most; (*at)++)
        value = value * 10 + (unsigned long) (**at - '0');
    return value >= 1 && value <= most;
}

/* After "local[": N or *, and the failures that Spark allows a task. */
static bool is_local (const char *at)
{
    if (!take_number (&at, LOCAL_THREADS_MAX, true))
        return false;
    if (*at == ',') {
        at++;
        if (!take_number (&at, 1000, false))
            return false;
    }
    return strcmp (at, "]") == 0;
}

static bool is_cluster (const char *master)
{
    static const char *const names[] = { "local", "yarn", "yarn-client", "yarn-cluster" };
    static const char *const prefixes[] = { "spark://", "mesos://", "k8s://", "local-cluster[" };

    for (size_t i = 0; i < ARRAY_SIZE (names); i++)
        if (strcmp (master, names[i]) == 0)
            return true;
    for (size_t i = 0; i < ARRAY_SIZE (prefixes); i++)
        if (ama_str_starts (master, prefixes[i]) && master[strlen (prefixes[i])])
            return true;
    return false;
}

void ama_env_check_master (const ama_yaml_t *node, ama_problems_t *problems)
{
    if (ama_str_starts (node->text, "local[")) {
        if (!is_local (node->text + strlen ("local[")))
            (void) ama_yaml_error (node, AMA_E_INVALID, problems, "local[N] with N from 1 to 100000, or local[*]",
                                   "the master %s has no proper number of threads", AMA_QUOTE (node->text));
    }
    else if (!is_cluster (node->text))
        (void) ama_yaml_error (node, AMA_E_INVALID, problems,
                               "local[*], local[N], mesos://HOST:PORT, yarn or spark://HOST:PORT",
                               "the master %s is of no known kind", AMA_QUOTE (node->text));
}
