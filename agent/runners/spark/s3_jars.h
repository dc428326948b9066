/* s3_jars.h - the S3 file system of Hadoop, which Spark does not bring: jars, got by the resolver (internal to agent/)
 *
 * hadoop-aws in the version of the Hadoop inside Spark, which only the agent that has that Spark knows. So it is the agent that asks; what was got once is in
 * the cache, and needs no network.
 */
#ifndef AMA_AGENT_S3_JARS_H
#define AMA_AGENT_S3_JARS_H

#include "agent/agent.h"
#include "messages/resolve.h"

typedef struct ama_s3_jars ama_s3_jars_t;

typedef struct {
    ama_id_t key;        /* of the session or attempt */
    const char *version; /* of Hadoop; borrowed for the call */
    void (*on_told) (const char *line, void *arg);
    /* Paths on this host, or err. Both borrowed; the object is gone. Never from inside the call. */
    void (*on_done) (char *const *jars, size_t n_jars, const ama_err_t *err, void *arg);
    void *arg;
} ama_s3_jars_conf_t;

ama_s3_jars_t *ama_s3_jars_get (ama_agent_t *agent, const ama_s3_jars_conf_t *conf);
/* on_done does not follow. */
void ama_s3_jars_destroy (ama_s3_jars_t **jars);

/* For the agent: what the resolver says meanwhile; what is left when the agent ends, after its gather. */
void ama_s3_jars_progress (ama_agent_t *agent, const ama_resolve_progress_t *progress);
void ama_s3_jars_forget (ama_agent_t *agent);

#endif
