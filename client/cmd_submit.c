/* cmd_submit.c - ama submit, ama run, ama attach: a run is made or found, then followed. In the client's actor. */
#include "client/client.h"

#include "client/exit_code.h"
#include "messages/ama_types.h"
#include "messages/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUBMIT_PATIENCE_MS = 15000, SUBMIT_AGAIN_MS = 300 };

static void have_run (ama_client_t *client, ama_id_t run)
{
    client->run = run;
    client->has_run = true;
    if (client->conf->on_run)
        client->conf->on_run (run, client->conf->arg);
}

/* ---- submit ---- */

static void send_submit (ama_client_t *client);

static void on_again (void *arg)
{
    send_submit (arg);
}

static void on_accepted (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                         void *arg)
{
    const ama_run_accepted_t *accepted = body;
    ama_client_t *client = arg;
    char id[AMA_ID_TEXT];

    (void) envelope;
    if (client->ending)
        return;
    if (err && (err->code == AMA_E_UNREACHABLE || err->code == AMA_E_TIMEOUT || err->code == AMA_E_BUSY)
        && ama_now_ms (ctx) < client->submit_until_ms) {
        /* accepted or not, nobody knows; with the same token it is one run in any case */
        if (!client->again)
            client->again = ama_timer_new (ctx, on_again, client);
        ama_timer_after (client->again, SUBMIT_AGAIN_MS);
        return;
    }
    if (err) {
        ama_client_fail (client, err);
        return;
    }
    have_run (client, accepted->run);
    if (ama_args_flag (client->conf->args, "detach")) {
        ama_str_t line = { 0 };
        ama_str_printf (&line, "%s\n", ama_id_text (accepted->run, id));
        ama_client_print (client, &line);
        ama_str_done (&line);
        return;
    }
    ama_client_follow (client, 0);
    if (client->signals)
        ama_client_cancel (client, false);
}

/* "name=value". False if it is none. */
static bool split_param (const char *text, ama_run_param_t *ret_param)
{
    const char *equals = strchr (text, '=');

    if (!equals || equals == text)
        return false;
    ret_param->name = ama_strndup (text, (size_t) (equals - text));
    ret_param->value = ama_strdup (equals + 1);
    return true;
}

static int read_params (const ama_args_t *args, ama_run_submit_t *body, ama_err_t *err)
{
    size_t count = ama_args_count (args, "param");

    body->params = ama_calloc (count + 1, sizeof *body->params);
    for (size_t i = 0; i < count; i++) {
        const char *text = ama_args_item (args, "param", i);
        if (!split_param (text, &body->params[i]))
            return ama_err_set (err, AMA_E_USAGE, "--param %s: it takes NAME=VALUE", text);
        body->n_params++;
    }
    return 0;
}

static char *word (const char *text)
{
    return (char *) (text ? text : "");
}

static void send_submit (ama_client_t *client)
{
    const ama_args_t *args = client->conf->args;
    const char *ref = ama_args_get (args, "ref");
    ama_run_submit_t body = {
        .token = client->token.data,
        .repo = word (client->conf->repo),
        .ref = word (ref ? ref : ama_args_get (args, "branch")),
        .env = word (ama_args_get (args, "env")),
        .name = word (ama_args_get (args, "name")),
        .worktree = client->conf->worktree,
        .strict = ama_args_flag (args, "strict"),
    };
    ama_err_t err;

    if (read_params (args, &body, &err) < 0 || ama_message_check (AMA_MSG_RUN_SUBMIT, &body, &err) < 0)
        ama_client_fail (client, &err);
    else
        (void) ama_ask (client->ctx, "supervisor", AMA_MSG_RUN_SUBMIT, &body, AMA_CLIENT_ASK_MS, 0, on_accepted,
                        client);
    for (size_t i = 0; i < body.n_params; i++)
        ama_run_param_done (&body.params[i]);
    free (body.params);
}

void ama_cmd_submit (ama_client_t *client)
{
    const ama_args_t *args = client->conf->args;
    const char *token = ama_args_get (args, "idempotency-key");
    char id[AMA_ID_TEXT];

    client->cancels =
        client->conf->in_process || !(ama_args_flag (args, "keep-running") || ama_args_flag (args, "detach"));
    client->submit_until_ms = ama_now_ms (client->ctx) + SUBMIT_PATIENCE_MS;
    ama_str_puts (&client->token, token ? token : ama_id_text (ama_new_id (client->ctx), id));
    send_submit (client);
}

/* ---- attach ---- */

static void on_found (ama_client_t *client, const ama_run_shown_t *shown)
{
    have_run (client, shown->summary.run);
    ama_client_follow (client, client->conf->from);
}

void ama_cmd_attach (ama_client_t *client)
{
    ama_client_find (client, true, on_found);
}

void ama_cmd_attach_known (ama_client_t *client)
{
    have_run (client, client->conf->known_run);
    ama_client_follow (client, client->conf->from);
}
