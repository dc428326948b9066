/* conf_files.h - what an environment's folder has for a JVM alone: log4j 2, and the sites of Hadoop and Hive (internal to agent/)
 *
 * They are copied from the snapshot into <folder>/conf, which has nothing else: all that lies in a folder of the class path can be found as a resource.
 */
#ifndef AMA_AGENT_CONF_FILES_H
#define AMA_AGENT_CONF_FILES_H

#include "actors/base/ama_err.h"
#include "messages/plan.h"

/* remote: the environment has addresses for which Hadoop is told something (roots.h); the job's own core-site.xml has the last word.
 * *ret_conf is the folder, *ret_log4j2 the configuration of log4j 2 in it; owned, NULL if there is none. 0, AMA_E_NOSPACE, AMA_E_IO, or what
 * open_beneath.h says; they may be set in any case. */
int ama_conf_files_make (const char *folder, const char *snapshot, const ama_plan_environment_t *env, bool remote,
                         char **ret_conf, char **ret_log4j2, ama_err_t *err);

#endif
