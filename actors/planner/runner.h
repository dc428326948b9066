/* runner.h - the names under which runners were and are known */
#ifndef AMA_PLANNER_RUNNER_H
#define AMA_PLANNER_RUNNER_H

#include "actors/base/ama_err.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    const char *name;  /* canonical: "spark-scala" */
    const char *group; /* "spark" */
    const char *type;  /* "scala" */
    bool needs_file;   /* false: an artifact or nothing will do */
} ama_runner_t;

/* group and type as written; either may be NULL. A type alone may be a canonical name, a group and a type joined by a dash, or one of
 * the old short forms. Upper and lower case are the same. NULL if there is no such runner. Static storage. */
const ama_runner_t *ama_runner_find (const char *group, const char *type);

/* By canonical name; never NULL for a name that this module gave out. */
const ama_runner_t *ama_runner_named (const char *name);

/* All of them; *ret_count entries. */
const ama_runner_t *ama_runner_all (size_t *ret_count);

/* For an unknown pair: what was probably meant ("spark/scala", "pyspark"), or NULL. Static storage. */
const char *ama_runner_nearest (const char *group, const char *type);

#endif
