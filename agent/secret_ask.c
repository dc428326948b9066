/* secret_ask.c - one secret after the other: files at once, the operator's program as a child
 *
 * Called by secret_start.c and by sessions, on the agent's thread. The program is `secrets.exec` of amad.yaml: it gets the name as a line on its standard
 * input, AMA_ENV and AMA_JOB in its environment, and prints the value. Nothing printed: it knows none of that name. What it says on
 * standard error is thrown away, as it may hold anything.
 */
#include "agent/secret_ask.h"

#include "actors/base/ama_secret.h"
#include "actors/runtime/ama_child.h"
#include "agent/replay.h"
#include "agent/secret_files.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARGS_MAX = 32, EXEC_MS = 10000, GRACE_MS = 500 };

struct ama_secret_ask {
    ama_agent_t *agent;
    ama_id_t run;
    ama_vault_t *vault;
    ama_secret_list_t *list;
    size_t at; /* the one that is looked for */
    char *env, *job;
    ama_id_t owner;
    ama_secret_ask_fn *fn;
    void *arg;
    ama_timer_t *turn;
    ama_child_t *child;
    ama_str_t said;
    bool too_long;
};

bool ama_secrets_possible (const ama_agent_t *agent)
{
    const ama_agent_conf_t *conf = &agent->conf;
    return (conf->secrets_dir && access (conf->secrets_dir, F_OK) == 0) || conf->credentials_dir
           || (conf->secrets_exec && conf->secrets_exec[0]);
}

static void wipe (ama_str_t *text)
{
    if (text->data)
        sodium_memzero (text->data, text->room);
    ama_str_clear (text);
}

/* ---- the end ---- */

static void complain (ama_secret_ask_t *ask, const ama_err_t *err, bool passing)
{
    const ama_secret_t *secret = &ask->list->items[ask->at];
    ama_str_t message = { 0 }, shown = { 0 };
    ama_secret_trouble_t trouble = { .passing = passing, .file = secret->file, .line = secret->line };

    ama_str_escape (&shown, secret->name, strlen (secret->name), AMA_SECRET_NAME_MAX + 16);
    ama_str_printf (&message, "%s:%u: %s: secret://%s: %s", secret->file, secret->line, secret->key,
                    shown.data ? shown.data : "", err->text);
    trouble.message = message.data;
    ask->fn (&trouble, ask->arg); /* the ask may be gone */
    ama_str_done (&message);
    ama_str_done (&shown);
}

static int unknown (const ama_secret_ask_t *ask, const char *name, ama_err_t *err)
{
    const char *dir = ask->agent->conf.secrets_dir;

    if (!dir)
        return ama_err_set (err, AMA_E_NOT_FOUND, "there is no such secret for the environment %s", ask->env);
    return ama_err_set (err, AMA_E_NOT_FOUND, "there is no such secret for the environment %s, no file %s/%s/%s",
                        ask->env, dir, ask->env, name);
}

/* Takes it over from ask->said. */
static int take_value (ama_secret_ask_t *ask, ama_err_t *err)
{
    ama_str_t *said = &ask->said;
    int rc = ama_secret_check (said, err);

    if (rc == 0)
        rc = ama_attempts_learn (ask->agent, ask->run, ask->vault, said->data ? said->data : "", said->size, err);
    if (rc == 0)
        ask->list->items[ask->at].value = ama_strdup (said->data);
    wipe (said);
    return rc;
}

/* ---- the operator's program ---- */

static void on_output (ama_child_t *child, int channel, const char *bytes, size_t size, void *arg)
{
    ama_secret_ask_t *ask = arg;

    if (channel != 1 || ask->too_long)
        return;
    ask->too_long = ask->said.size + size > AMA_MASK_VALUE_MAX + 2;
    if (ask->too_long)
        ama_child_kill (child, true);
    else
        ama_str_add (&ask->said, bytes, size);
}

static void on_program_end (ama_child_t *child, const ama_child_end_t *end, void *arg)
{
    ama_secret_ask_t *ask = arg;
    ama_err_t err = { 0 };
    int rc = 0;

    ama_leftovers_forget (ask->agent->leftovers, ama_child_pid (child));
    ask->child = NULL;
    if (ask->too_long)
        rc = ama_err_set (&err, AMA_E_LIMIT, "secrets.exec has printed more than %d bytes", AMA_MASK_VALUE_MAX);
    else if (end->timed_out)
        rc = ama_err_set (&err, AMA_E_TIMEOUT, "secrets.exec has not answered within %d s", EXEC_MS / 1000);
    else if (end->code != 0)
        rc = ama_err_set (&err, AMA_E_CHILD, "secrets.exec has ended with exit code %d", end->code);
    else if (!ask->said.size)
        rc = unknown (ask, ask->list->items[ask->at].name, &err);
    else
        rc = take_value (ask, &err);
    wipe (&ask->said);
    if (rc < 0 && ask->list->items[ask->at].needed) {
        complain (ask, &err, rc == AMA_E_TIMEOUT || rc == AMA_E_CHILD);
        return;
    }
    ask->at++;
    ama_timer_after (ask->turn, 0);
}

/* With the agent's own environment, as it may need a proxy or a home; `env` adds the rest. */
static int start_program (ama_secret_ask_t *ask, ama_err_t *err)
{
    ama_agent_t *agent = ask->agent;
    const char *argv[ARGS_MAX + 8] = { "env" };
    char guard[64], mark[64], id[AMA_ID_TEXT];
    ama_str_t env = { 0 }, job = { 0 }, line = { 0 };
    ama_child_spec_t spec = { .argv = argv,
                              .timeout_ms = EXEC_MS,
                              .grace_ms = GRACE_MS,
                              .on_output = on_output,
                              .on_exit = on_program_end,
                              .arg = ask };
    size_t n = 1;

    (void) snprintf (guard, sizeof guard, "AMA_GUARD=%s", agent->token);
    (void) snprintf (mark, sizeof mark, AMA_MARK "=%s", ama_id_text (ask->owner, id));
    ama_str_printf (&env, "AMA_ENV=%s", ask->env);
    ama_str_printf (&job, "AMA_JOB=%s", ask->job);
    ama_str_printf (&line, "%s\n", ask->list->items[ask->at].name);
    argv[n++] = guard;
    argv[n++] = mark;
    argv[n++] = env.data;
    argv[n++] = job.data;
    for (size_t i = 0; agent->conf.secrets_exec[i] && i < ARGS_MAX; i++)
        argv[n++] = agent->conf.secrets_exec[i];
    spec.input = line.data;
    spec.input_size = line.size;
    ask->too_long = false;
    ask->child = ama_child_spawn (agent->ctx, &spec, err);
    ama_str_done (&env);
    ama_str_done (&job);
    ama_str_done (&line);
    if (!ask->child)
        return AMA_E_CHILD;
    ama_leftovers_know (agent->leftovers, ama_child_pid (ask->child));
    return 0;
}

/* ---- one after the other ---- */

/* 0: its value is in ask->said; AMA_E_NOT_FOUND: no file knows it. */
static int look_in_files (ama_secret_ask_t *ask, const char *name, ama_err_t *err)
{
    const ama_agent_conf_t *conf = &ask->agent->conf;
    int rc = AMA_E_NOT_FOUND;

    if (conf->secrets_dir)
        rc = ama_secret_file_read (conf->secrets_dir, ask->env, name, &ask->said, err);
    if (rc == AMA_E_NOT_FOUND && conf->credentials_dir)
        rc = ama_secret_credential_read (conf->credentials_dir, ask->env, name, &ask->said, err);
    return rc;
}

/* 1: its program will answer. */
static int look_for (ama_secret_ask_t *ask, ama_secret_t *secret, ama_err_t *err)
{
    char *const *exec = (char *const *) ask->agent->conf.secrets_exec;
    ama_str_t ref = { 0 };
    bool good;
    int rc;

    ama_str_printf (&ref, "secret://%s", secret->name);
    good = ama_secret_name (ref.data) != NULL;
    ama_str_done (&ref);
    if (!good)
        return ama_err_set (err, AMA_E_INVALID, "that is no name of a secret");
    rc = look_in_files (ask, secret->name, err);
    if (rc == 0)
        return take_value (ask, err);
    if (rc != AMA_E_NOT_FOUND)
        return rc;
    if (exec && exec[0]) {
        rc = start_program (ask, err);
        return rc < 0 ? rc : 1;
    }
    return unknown (ask, secret->name, err);
}

static void on_turn (void *arg)
{
    ama_secret_ask_t *ask = arg;
    ama_err_t err = { 0 };

    if (ask->list->full) {
        ask->at = 0;
        (void) ama_err_set (&err, AMA_E_LIMIT, "more than %d secrets for one action", AMA_SECRETS_MAX);
        complain (ask, &err, false);
        return;
    }
    for (; ask->at < ask->list->count; ask->at++) {
        ama_secret_t *secret = &ask->list->items[ask->at];
        int rc = look_for (ask, secret, &err);

        wipe (&ask->said);
        if (rc > 0)
            return;
        if (rc < 0 && secret->needed) {
            complain (ask, &err, rc == AMA_E_IO || rc == AMA_E_CHILD);
            return;
        }
    }
    ask->fn (NULL, ask->arg);
}

ama_secret_ask_t *ama_secret_ask_new (ama_agent_t *agent, ama_id_t run, ama_vault_t *vault, ama_secret_list_t *list,
                                      const char *env, const char *job, ama_id_t owner, ama_secret_ask_fn *fn,
                                      void *arg)
{
    ama_secret_ask_t *ask = ama_calloc (1, sizeof *ask);

    *ask = (ama_secret_ask_t){
        .agent = agent,
        .run = run,
        .vault = vault,
        .list = list,
        .env = ama_strdup (env),
        .job = ama_strdup (job),
        .owner = owner,
        .fn = fn,
        .arg = arg,
        .turn = ama_timer_new (agent->ctx, on_turn, ask),
    };
    ama_timer_after (ask->turn, 0);
    return ask;
}

void ama_secret_ask_destroy (ama_secret_ask_t **ask_p)
{
    ama_secret_ask_t *ask = *ask_p;

    if (!ask)
        return;
    *ask_p = NULL;
    if (ask->child) {
        ama_child_kill (ask->child, true);
        ama_leftovers_forget (ask->agent->leftovers, ama_child_pid (ask->child));
        ama_child_release (&ask->child);
    }
    ama_timer_destroy (&ask->turn);
    wipe (&ask->said);
    ama_str_done (&ask->said);
    free (ask->env);
    free (ask->job);
    free (ask);
}
