/* secret_start.c - see secret_start.h; used by attempt.c, on the agent's thread
 *
 * A runner of its own, so that an attempt that waits for its secrets is one like any other: known, said to be held, cancelled. The files of its folder
 * were written from the references; only what its own runner puts into environments and messages is made from the values.
 */
#include "agent/secret_start.h"

#include "agent/secret_ask.h"

#include <stdlib.h>

typedef struct {
    ama_attempt_start_t start; /* owned, with references */
    ama_secret_list_t list;
    ama_secret_ask_t *ask;
} work_t;

bool ama_secret_start_wanted (const ama_plan_environment_t *environment, const ama_plan_setting_t *settings,
                              size_t n_settings)
{
    return ama_secret_refs_in (environment->configuration, environment->n_configuration)
           || ama_secret_refs_in (environment->spark, environment->n_spark)
           || ama_secret_refs_in (environment->spark_env, environment->n_spark_env)
           || ama_secret_refs_in (environment->datasets, environment->n_datasets)
           || ama_secret_refs_in (settings, n_settings);
}

static void done (ama_attempt_t *attempt)
{
    work_t *work = attempt->work;

    if (!work)
        return;
    ama_secret_ask_destroy (&work->ask);
    ama_secret_list_done (&work->list);
    ama_attempt_start_done (&work->start);
    free (work);
    attempt->work = NULL;
}

/* The attempt may be gone when this returns. */
static void go_on (ama_attempt_t *attempt)
{
    work_t *work = attempt->work;
    ama_attempt_start_t filled, told;
    ama_plan_environment_t *env = &filled.environment;

    ama_attempt_start_copy (&work->start, &filled);
    ama_attempt_start_copy (&work->start, &told);
    ama_secret_list_fill (&work->list, env->configuration, env->n_configuration);
    ama_secret_list_fill (&work->list, env->spark, env->n_spark);
    ama_secret_list_fill (&work->list, env->spark_env, env->n_spark_env);
    ama_secret_list_fill (&work->list, env->datasets, env->n_datasets);
    ama_secret_list_fill (&work->list, filled.settings, filled.n_settings);
    done (attempt);
    attempt->runner = attempt->then;
    ama_attempt_launch (attempt, &filled, &told);
    ama_attempt_start_done (&told);
    ama_secret_wipe (env->configuration, env->n_configuration);
    ama_secret_wipe (env->spark, env->n_spark);
    ama_secret_wipe (env->spark_env, env->n_spark_env);
    ama_secret_wipe (env->datasets, env->n_datasets);
    ama_secret_wipe (filled.settings, filled.n_settings);
    ama_attempt_start_done (&filled);
}

static void on_asked (const ama_secret_trouble_t *trouble, void *arg)
{
    ama_attempt_t *attempt = arg;

    if (!trouble) {
        go_on (attempt);
        return;
    }
    ama_attempt_end (attempt, &(ama_outcome_t){ .state = AMA_ATTEMPT_STATE_ERRORED,
                                                .cause = "dependency",
                                                .exit = -1,
                                                .error = trouble->passing ? "secret-provider" : "secret",
                                                .message = trouble->message,
                                                .file = trouble->file,
                                                .line = trouble->line });
}

static int start (ama_attempt_t *attempt, const ama_attempt_start_t *message, ama_err_t *err)
{
    work_t *work = ama_calloc (1, sizeof *work);
    const ama_plan_environment_t *env = &message->environment;
    bool own_spark = attempt->then->own_spark;

    (void) err;
    attempt->work = work;
    ama_attempt_start_copy (message, &work->start);
    ama_secret_list_add (&work->list, message->settings, message->n_settings, true);
    ama_secret_list_add (&work->list, env->configuration, env->n_configuration, true);
    ama_secret_list_add (&work->list, env->spark, env->n_spark, own_spark); /* else the session's, which needs them */
    ama_secret_list_add (&work->list, env->spark_env, env->n_spark_env, own_spark);
    ama_secret_list_add (&work->list, env->datasets, env->n_datasets, true);
    work->ask = ama_secret_ask_new (attempt->agent, attempt->run, attempt->vault, &work->list, env->name, message->job,
                                    attempt->mark, on_asked, attempt);
    return 0;
}

static void cancel (ama_attempt_t *attempt, bool force)
{
    work_t *work = attempt->work;

    (void) force;
    ama_secret_ask_destroy (&work->ask);
    ama_attempt_end (attempt, &(ama_outcome_t){ .state = AMA_ATTEMPT_STATE_CANCELLED, .exit = -1 });
}

const ama_runner_t ama_secret_runner = {
    .name = "secrets",
    .start = start,
    .cancel = cancel,
    .done = done,
};
