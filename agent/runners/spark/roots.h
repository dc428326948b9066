/* roots.h - which file systems an environment's addresses take, and what Hadoop is told about them. Pure (internal to agent/) */
#ifndef AMA_AGENT_ROOTS_H
#define AMA_AGENT_ROOTS_H

#include "actors/base/ama_str.h"
#include "messages/plan.h"

typedef struct {
    bool s3;     /* a value begins with s3a://, s3n:// or s3://, or a property of that file system is set */
    bool remote; /* likewise, or with hdfs://, viewfs:// or webhdfs:// */
} ama_roots_t;

/* Of the environment's roots, named datasets, configuration and Spark properties, and of paths: more settings, as an action's. */
ama_roots_t ama_roots_of (const ama_plan_environment_t *env, const ama_plan_setting_t *paths, size_t n_paths);

/* hadoop-aws is among the job's own: jars, or those that a property of Spark names. */
bool ama_roots_has_s3_jar (const ama_plan_environment_t *env, char *const *jars, size_t n_jars);

/* A core-site.xml for where there are such addresses: an s3:// or s3n:// address is an s3a:// one, temporary files lie where an action
 * may have some, and what is not there or does not answer is told within minutes, not tens
 * of them. include: a file beside it that has the last word, NULL for none. Properties of Spark stand over both. Appends to out. */
void ama_roots_core_site (const char *include, ama_str_t *out);

#endif
