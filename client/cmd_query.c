/* cmd_query.c - ama list, show, cancel: one question to the supervisor, one answer on stdout. In the client's actor. */
#include "client/client.h"

#include "client/exit_code.h"
#include "client/show.h"
#include "messages/ama_types.h"
#include "messages/run.h"

#include <stdlib.h>

/* ---- list ---- */

static void on_listed (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    const ama_run_listed_t *listed = body;
    ama_client_t *client = arg;
    ama_str_t out = { 0 };

    (void) envelope;
    if (err) {
        ama_client_fail (client, err);
        return;
    }
    if (client->conf->json)
        ama_show_list_json (listed->runs, listed->n_runs, &out);
    else if (listed->n_runs)
        ama_show_list_text (listed->runs, listed->n_runs, &client->conf->render.term, ama_wall_now_ms (ctx), &out);
    else
        ama_client_say (client, "no runs yet");
    ama_client_print (client, &out);
    ama_str_done (&out);
}

void ama_cmd_list (ama_client_t *client)
{
    const char *limit = ama_args_get (client->conf->args, "limit");
    ama_run_list_t body = { .limit = limit ? (uint32_t) strtoul (limit, NULL, 10) : 0 };

    (void) ama_ask (client->ctx, "supervisor", AMA_MSG_RUN_LIST, &body, AMA_CLIENT_ASK_MS, 0, on_listed, client);
}

/* ---- show ---- */

static void on_shown (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err, void *arg)
{
    ama_client_t *client = arg;
    ama_str_t out = { 0 };

    (void) envelope;
    if (err) {
        ama_client_fail (client, err);
        return;
    }
    if (client->conf->json)
        ama_show_run_json (body, &out);
    else
        ama_show_run_text (body, &client->conf->render.term, ama_wall_now_ms (ctx), &out);
    ama_client_print (client, &out);
    ama_str_done (&out);
}

static void ask_for_run (ama_client_t *client, bool brief, ama_reply_fn *fn)
{
    ama_run_show_t body = { .selector = (char *) ama_args_operand (client->conf->args, 0), .brief = brief };

    (void) ama_ask (client->ctx, "supervisor", AMA_MSG_RUN_SHOW, &body, AMA_CLIENT_ASK_MS, 0, fn, client);
}

void ama_cmd_show (ama_client_t *client)
{
    ask_for_run (client, false, on_shown);
}

/* ---- cancel ---- */

static bool is_over (ama_run_state_t state)
{
    return state >= AMA_RUN_STATE_SUCCEEDED;
}

static void on_cancelled (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                          void *arg)
{
    const ama_run_cancelled_t *cancelled = body;
    ama_client_t *client = arg;
    char id[AMA_ID_TEXT];

    (void) ctx;
    (void) envelope;
    if (err) {
        ama_client_fail (client, err);
        return;
    }
    if (is_over (cancelled->state) && cancelled->state != AMA_RUN_STATE_CANCELLED)
        ama_client_say (client, "run %s has ended already: %s", ama_id_text (client->run, id),
                        ama_run_state_name (cancelled->state));
    ama_client_exit (client, AMA_EXIT_OK);
}

static void on_found (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err, void *arg)
{
    ama_client_t *client = arg;
    ama_run_cancel_t ask = { .force = ama_args_flag (client->conf->args, "force") };

    (void) envelope;
    if (err) {
        ama_client_fail (client, err);
        return;
    }
    client->run = ask.run = ((const ama_run_shown_t *) body)->summary.run;
    (void) ama_ask (ctx, "supervisor", AMA_MSG_RUN_CANCEL, &ask, AMA_CLIENT_ASK_MS, 0, on_cancelled, client);
}

void ama_cmd_cancel (ama_client_t *client)
{
    ask_for_run (client, true, on_found);
}
