/* session_files.h - the folders and files of a Spark session, and what its kernel is told by them (internal to agent/)
 *
 * <dir>/runs/<run>/session-<id>/ holds kernel.log, spark.json (properties), connection.json, tmp/, and the documents of an attempt's folder (folder.h),
 * as it is the working directory of all the session's actions; the sockets lie in a folder of their own whose path is short enough for them.
 */
#ifndef AMA_AGENT_SESSION_FILES_H
#define AMA_AGENT_SESSION_FILES_H

#include "actors/runtime/ama_child.h"
#include "agent/agent.h"
#include "agent/confine.h"
#include "agent/secret_refs.h"

#include <jansson.h>

typedef struct {
    char *folder, *tmp, *log, *spark_json, *env_json, *connection; /* all owned */
    char *sockets;
    char *conf,
        *log4j2;  /* the folder of what the environment has for the JVM, and its log4j 2 configuration; NULL: none */
    char *kernel; /* the script */
    json_t *jars; /* array of paths */
    uint64_t memory;
    ama_env_t extra; /* spark_exec_env.yml, and what all actions of the run find */
    char *
        spark_secrets; /* JSON of the Spark properties that are not in spark.json, for the kernel's standard input; NULL: none */
    char *spark_home, *kernel_jar, *cds_archive; /* from install.sh */
    bool wants_s3;              /* the environment has addresses of it, and no jars of its own for them */
    char *s3_version, *s3_jars; /* of hadoop-aws, if it is to be got; then a list with : between. NULL: none */
    ama_confine_t *confine;     /* what the kernel and all actions in it may touch */
    char *note;                 /* what the run asked for and did not get of it; NULL: nothing */
} ama_session_files_t;

/* secrets: with their values, for what open refers to; files on the disk keep the references. 0, AMA_E_UNSUPPORTED (no scripts), AMA_E_NOSPACE or
 * AMA_E_IO. */
int ama_session_files_make (const ama_agent_t *agent, const ama_attempt_session_open_t *open,
                            const ama_secret_list_t *secrets, ama_session_files_t *files, ama_err_t *err);
/* Also removes the sockets. */
void ama_session_files_done (ama_session_files_t *files);

/* What install.sh has said on its standard output. 0 or AMA_E_CHILD. */
int ama_session_take_installed (ama_session_files_t *files, const char *said, ama_err_t *err);

/* Jars of the S3 file system. */
void ama_session_take_s3 (ama_session_files_t *files, char *const *jars, size_t n_jars);

/* What the next agent needs of it, and back; both are the caller's. */
json_t *ama_session_files_keep (const ama_session_files_t *files);
void ama_session_files_back (ama_session_files_t *files, const json_t *json);
/* The sockets are not to be removed. */
void ama_session_files_leave (ama_session_files_t *files);

/* Where a connection's sockets lie; the kernel's first one is "0". Returns owned. */
char *ama_session_files_prefix (const ama_session_files_t *files, const char *name);
int ama_session_write_connection (const ama_session_files_t *files, const char *key, ama_err_t *err);
void ama_session_kernel_env (const ama_session_files_t *files, const ama_agent_t *agent, ama_id_t session,
                             ama_env_t *env);

/* The Spark properties of an environment as JSON, without those that refer to secrets. Appends to out. */
void ama_session_spark_properties (const ama_plan_environment_t *env, const char *job, ama_str_t *out);

/* A Spark property of the environment as the plan has it: JSON text, borrowed. NULL: it has none of that name. */
const char *ama_session_spark_value (const ama_plan_environment_t *env, const char *key);

/* The variables that an environment gives to Spark; secrets: also those that refer to one. */
void ama_session_add_variables (const ama_plan_environment_t *env, bool secrets, ama_env_t *out);

/* Why the kernel ended, for a person, with the last lines of its log. *ret_oom: for want of memory. Returns owned. */
char *ama_session_explain (const ama_session_files_t *files, const ama_child_end_t *how, bool oom_seen, bool *ret_oom);

#endif
