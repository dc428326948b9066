/* host.c - a node of our own with actors in it. Called by main; the actors are threads, the command runs on this one.
 *
 * Every `ama run` has a state folder of its own, <state>/local/<word>, so that any number run side by side; <state>/local/<run id> is a
 * link to it. What is in there stays: journal, report, and what `ama show` tells about it.
 */
#include "client/host.h"

#include "actors/base/ama_str.h"
#include "actors/depot/cache_user.h"
#include "actors/fetcher/fetch_actor.h"
#include "client/cmd_deps.h"
#include "client/cmd_plan.h"
#include "client/exit_code.h"
#include "client/local.h"
#include "client/sweep.h"
#include "master/own_conf.h"
#include "master/wiring.h"
#include "messages/ama_types.h"
#include "messages/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SWEEP_MS = 100 /* after the end of a run, if there is something to remove */ };
enum { STOP_GRACE_MS = 10000, FETCH_MS = 60 * 60 * 1000 };

static char *below (const char *dir, const char *name)
{
    ama_str_t path = { 0 };

    ama_str_printf (&path, "%s/%s", dir, name);
    return ama_str_take (&path);
}

/* ---- ama run ---- */

static int start_system (ama_node_t *node, const char *dir, const ama_paths_t *paths, const ama_host_env_t *env,
                         const ama_own_conf_t *own, ama_journal_t **journal, ama_system_t **ret_system, ama_err_t *err)
{
    char *program_dir = ama_system_program_dir (err),
         *share_dir = program_dir ? ama_system_share_dir (program_dir, err) : NULL;
    const ama_system_conf_t conf = {
        .state_dir = dir,
        .cache_dir = paths->cache,
        .program_dir = program_dir,
        .share_dir = share_dir,
        .agent_thread = true,
        .java_home = env->java_home,
        .spark_home = env->spark_home,
        .path = env->path,
        .lang = env->lang,
        .tz = env->tz,
        .home = env->home,
        .jupyter_path = env->jupyter_path,
        .no_sandbox = own->no_sandbox,
        .sandbox_required = own->sandbox_required,
        .sandbox_read = own->sandbox_read,
        .sandbox_write = own->sandbox_write,
        .sandbox_cgroups = own->sandbox_cgroups,
        .secrets_dir = paths->secrets_dir,
        .credentials_dir = env->credentials_dir,
    };
    int rc = share_dir ? ama_system_start (node, &conf, journal, ret_system, err) : AMA_E_NOT_FOUND;

    free (program_dir);
    free (share_dir);
    return rc;
}

static int run_in (const ama_local_dir_t *local, ama_client_conf_t *conf, const ama_paths_t *paths,
                   const ama_host_env_t *env, ama_err_t *err)
{
    const char *listen[] = { local->endpoint, NULL };
    ama_node_conf_t node_conf = {
        .listen = local->endpoint ? listen : NULL, .handle_signals = true, .on_signal = ama_client_signal, .arg = conf
    };
    ama_journal_t *journal = NULL;
    ama_system_t *system = NULL;
    ama_own_conf_t own = { 0 };
    ama_node_t *node = NULL;
    int rc = ama_own_conf_load (env->config, paths->config_file, &own, err);

    if (rc == 0) {
        const ama_sweep_conf_t keep = { .work_age_ms = own.work_age_ms, .age_ms = own.keep_ms, .runs = own.keep_runs };
        conf->sweep = ama_sweep_new (paths->state, &keep);
    }
    if (rc == 0)
        rc = ama_system_claim (local->dir, &journal, &node_conf.epoch, err);
    if (rc == 0 && !(node = ama_node_new (&node_conf, err)))
        rc = err->code;
    if (rc == 0)
        rc = start_system (node, local->dir, paths, env, &own, &journal, &system, err);
    if (rc == 0)
        rc = ama_node_run_here (node, &ama_client_def, "client/run", &conf, err);
    ama_node_destroy (&node, STOP_GRACE_MS);
    ama_system_destroy (&system);
    ama_system_disclaim (&journal);
    if (conf->sweep)
        ama_sweep_go_on (conf->sweep, SWEEP_MS);
    ama_sweep_destroy (&conf->sweep);
    ama_own_conf_done (&own);
    return rc;
}

int ama_host_run (ama_client_conf_t *conf, const ama_paths_t *paths, const ama_host_env_t *env, ama_err_t *err)
{
    ama_local_dir_t local = { 0 };
    int rc;

    ama_node_prepare ();
    ama_node_hide ();
    rc = ama_local_make (paths->state, &local, err);
    if (rc < 0)
        return rc;
    conf->in_process = true;
    conf->start = ama_cmd_submit;
    conf->on_run = ama_local_name;
    conf->arg = &local;
    conf->shown_file = local.shown;
    rc = run_in (&local, conf, paths, env, err);
    ama_local_done (&local);
    return rc;
}

/* ---- a snapshot, for plan and its like ---- */

typedef struct {
    ama_fetch_request_t request;
    char *snapshot, *commit; /* out */
    ama_err_t error;         /* out */
} fetch_t;

typedef struct {
    fetch_t *fetch;
} asker_t;

static void on_fetched (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                        void *arg)
{
    const ama_fetch_reply_t *reply = body;
    fetch_t *fetch = arg;

    (void) envelope;
    if (err)
        fetch->error = *err;
    else {
        fetch->snapshot = ama_strdup (reply->snapshot);
        fetch->commit = ama_strdup (reply->commit);
    }
    ama_exit (ctx, 0, NULL);
}

static int asker_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    asker_t *self = state;

    (void) err;
    self->fetch = *(fetch_t *const *) config;
    self->fetch->request.key = ama_new_id (ctx);
    (void) ama_ask (ctx, "fetcher", AMA_MSG_FETCH_REQUEST, &self->fetch->request, FETCH_MS, 0, on_fetched, self->fetch);
    return 0;
}

static const ama_handler_t asker_handlers[] = { AMA_HANDLER_END };

/* Takes the supervisor's place towards the fetcher: there is no other in this node. */
static const ama_actor_def_t asker_def = {
    .name = "supervisor",
    .role = AMA_ROLE_SUPERVISOR,
    .state_size = sizeof (asker_t),
    .init = asker_init,
    .handlers = asker_handlers,
};

static int fetch_in (ama_node_t *node, fetch_t *fetch, const ama_paths_t *paths, const ama_host_env_t *env,
                     ama_err_t *err)
{
    char *program_dir = ama_system_program_dir (err),
         *helper = program_dir ? below (program_dir, "ama-fetch-helper") : NULL;
    const ama_fetcher_conf_t conf = { .cache_dir = paths->cache, .helper = helper, .home = env->home };
    int rc = helper ? ama_cache_join (paths->cache, NULL, err) : err->code;

    if (rc == 0)
        rc = ama_node_start (node, &ama_fetcher_def, NULL, &conf, err);
    if (rc == 0)
        rc = ama_node_run_here (node, &asker_def, NULL, &fetch, err);
    free (program_dir);
    free (helper);
    if (rc == 0 && fetch->error.code) {
        *err = fetch->error;
        rc = err->code;
    }
    if (rc == 0 && !fetch->snapshot)
        rc = ama_err_set (err, AMA_E_CANCELLED, "interrupted");
    return rc;
}

int ama_host_plan (const char *command, ama_client_conf_t *conf, const ama_paths_t *paths, const ama_host_env_t *env,
                   ama_err_t *err)
{
    const char *ref = ama_args_get (conf->args, "ref"), *branch = ama_args_get (conf->args, "branch");
    fetch_t fetch = { .request = { .url = (char *) conf->repo, .ref = (char *) (ref ? ref : branch ? branch : "") } };
    ama_node_t *node;
    int rc;

    if (strcmp (command, "deps lock") == 0)
        return conf->worktree ? ama_cmd_deps_lock (conf->args, conf->repo, paths, err)
                              : ama_err_set (err, AMA_E_USAGE, "ama deps lock takes the folder of a job");
    if (conf->worktree)
        return ama_cmd_plan (command, conf->args, conf->repo, "");
    ama_node_prepare ();
    node = ama_node_new (&(ama_node_conf_t){ .epoch = 1, .handle_signals = true }, err);
    rc = node ? fetch_in (node, &fetch, paths, env, err) : err->code;
    ama_node_destroy (&node, STOP_GRACE_MS);
    if (rc == 0)
        rc = ama_cmd_plan (command, conf->args, fetch.snapshot, fetch.commit);
    free (fetch.snapshot);
    free (fetch.commit);
    return rc;
}
