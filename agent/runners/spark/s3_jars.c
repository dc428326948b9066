/* s3_jars.c - see s3_jars.h; used by sessions and jar actions, on the agent's thread */
#include "agent/runners/spark/s3_jars.h"

#include "agent/gather.h"

#include <stdlib.h>
#include <utlist.h>

enum { ASK_AGAIN_MS = 30000, PAUSE_MS = 1000, PATIENCE_MS = 30 * 60 * 1000 };

struct ama_s3_jars {
    struct ama_s3_jars *prev, *next;
    ama_agent_t *agent;
    ama_s3_jars_conf_t conf;
    char *version;
    uint64_t ask; /* 0: none is open */
    ama_timer_t *again;
    int64_t until_ms;
    char **jars; /* of the resolver's disk, then of this one's; NULL-terminated */
    size_t n_jars;
    bool gathering, dropped;
};

static void release (ama_s3_jars_t *jars)
{
    /* utlist: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    DL_DELETE (jars->agent->s3_jars, jars);
    if (jars->ask)
        ama_ask_cancel (jars->agent->ctx, jars->ask);
    ama_timer_destroy (&jars->again);
    ama_strv_free (jars->jars);
    free (jars->version);
    free (jars);
}

void ama_s3_jars_destroy (ama_s3_jars_t **jars_p)
{
    ama_s3_jars_t *jars = *jars_p;

    *jars_p = NULL;
    if (!jars)
        return;
    jars->dropped = true;
    if (!jars->gathering) /* else its files come all the same */
        release (jars);
}

void ama_s3_jars_forget (ama_agent_t *agent)
{
    while (agent->s3_jars)
        release (agent->s3_jars); /* utlist: NOLINT(clang-analyzer-unix.Malloc) */
}

static void done (ama_s3_jars_t *jars, const ama_err_t *err)
{
    const ama_s3_jars_conf_t conf = jars->conf;
    char **list = jars->jars;
    size_t n = jars->n_jars;
    ama_err_t why;

    if (err)
        (void) ama_err_set (&why, err->code, "hadoop-aws %s, which S3 addresses take, can not be had: %.800s",
                            jars->version, err->text);
    jars->jars = NULL;
    release (jars);
    conf.on_done (list, err ? 0 : n, err ? &why : NULL, conf.arg);
    ama_strv_free (list);
}

static void on_here (void *arg, const ama_err_t *err)
{
    ama_s3_jars_t *jars = arg;

    jars->gathering = false;
    if (jars->dropped) {
        release (jars);
        return;
    }
    for (size_t i = 0; !err && i < jars->n_jars; i++)
        ama_gather_local (jars->agent, &jars->jars[i]);
    done (jars, err);
}

static void take (ama_s3_jars_t *jars, const ama_resolve_reply_t *reply)
{
    jars->n_jars = reply->n_files;
    jars->jars = ama_calloc (reply->n_files + 1, sizeof *jars->jars);
    for (size_t i = 0; i < reply->n_files; i++)
        jars->jars[i] = ama_strdup (reply->files[i].path);
    if (!jars->agent->gather) {
        done (jars, NULL);
        return;
    }
    jars->gathering = true;
    ama_gather_files (jars->agent, (const char *const *) jars->jars, jars->n_jars, on_here, jars);
}

static void on_reply (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err, void *arg)
{
    ama_s3_jars_t *jars = arg;
    bool nobody = err && (!envelope || envelope->role == AMA_ROLE_HUB || err->code == AMA_E_BUSY);

    jars->ask = 0;
    if (nobody && ama_now_ms (ctx) < jars->until_ms)
        ama_timer_after (jars->again, PAUSE_MS);
    else if (err)
        done (jars, err);
    else
        take (jars, body);
}

static void on_again (void *arg)
{
    ama_s3_jars_t *jars = arg;
    ama_plan_artifact_t artifact = { .group = (char *) "org.apache.hadoop",
                                     .name = (char *) "hadoop-aws",
                                     .version = jars->version };
    const ama_resolve_request_t body = {
        .key = jars->conf.key, .artifacts = &artifact, .n_artifacts = 1, .lean = true
    };

    jars->ask = ama_ask (jars->agent->ctx, "resolver", AMA_MSG_RESOLVE_REQUEST, &body, ASK_AGAIN_MS, 0, on_reply, jars);
}

ama_s3_jars_t *ama_s3_jars_get (ama_agent_t *agent, const ama_s3_jars_conf_t *conf)
{
    ama_s3_jars_t *jars = ama_calloc (1, sizeof *jars);

    jars->agent = agent;
    jars->conf = *conf;
    jars->version = ama_strdup (conf->version);
    jars->conf.version = NULL;
    jars->until_ms = ama_now_ms (agent->ctx) + PATIENCE_MS;
    jars->again = ama_timer_new (agent->ctx, on_again, jars);
    DL_APPEND (agent->s3_jars, jars);
    ama_timer_after (jars->again, 0);
    return jars;
}

void ama_s3_jars_progress (ama_agent_t *agent, const ama_resolve_progress_t *progress)
{
    ama_str_t line = { 0 };
    ama_s3_jars_t *jars;

    DL_FOREACH (agent->s3_jars, jars)
    {
        if (jars->dropped || !jars->conf.on_told || !ama_id_equal (jars->conf.key, progress->key))
            continue;
        ama_str_clear (&line);
        ama_str_printf (&line, "hadoop-aws %s: %s", jars->version, progress->text);
        jars->conf.on_told (line.data, jars->conf.arg);
    }
    ama_str_done (&line);
}
