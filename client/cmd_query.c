/* cmd_query.c - ama list, show, cancel: one question to the supervisor, one answer on stdout. In the client's actor. */
#include "client/client.h"

#include "client/exit_code.h"
#include "client/local.h"
#include "client/show.h"
#include "messages/ama_types.h"
#include "messages/run.h"

#include <stdlib.h>

/* ---- list ---- */

static int newest_first (const void *a, const void *b)
{
    return ama_id_compare (((const ama_run_summary_t *) b)->run, ((const ama_run_summary_t *) a)->run);
}

/* amad's runs and those of `ama run`, newest first. The former are borrowed. */
static void print_list (ama_client_t *client, const ama_run_listed_t *listed)
{
    const ama_client_conf_t *conf = client->conf;
    ama_run_summary_t *local = NULL, *all;
    size_t n_local = conf->local_state ? ama_local_summaries (conf->local_state, conf->limit, &local) : 0;
    size_t count = listed->n_runs + n_local, shown = count < conf->limit ? count : conf->limit;
    ama_str_t out = { 0 };

    all = ama_calloc (count + 1, sizeof *all);
    for (size_t i = 0; i < count; i++)
        all[i] = i < n_local ? local[i] : listed->runs[i - n_local];
    qsort (all, count, sizeof *all, newest_first);
    if (conf->json)
        ama_show_list_json (all, shown, &out);
    else if (shown)
        ama_show_list_text (all, shown, &conf->render.term, ama_wall_now_ms (client->ctx), &out);
    else
        ama_client_say (client, "no runs yet");
    ama_client_print (client, &out);
    ama_str_done (&out);
    free (all);
    ama_local_summaries_free (&local, n_local);
}

static void on_listed (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    ama_client_t *client = arg;

    (void) ctx;
    (void) envelope;
    if (err)
        ama_client_fail (client, err);
    else
        print_list (client, body);
}

void ama_cmd_list (ama_client_t *client)
{
    ama_run_list_t body = { .limit = client->conf->limit };

    (void) ama_ask (client->ctx, "supervisor", AMA_MSG_RUN_LIST, &body, AMA_CLIENT_ASK_MS, 0, on_listed, client);
}

/* ---- show ---- */

static void on_shown (ama_client_t *client, const ama_run_shown_t *shown)
{
    ama_str_t out = { 0 };

    if (client->conf->json)
        ama_show_run_json (shown, &out);
    else
        ama_show_run_text (shown, &client->conf->render.term, ama_wall_now_ms (client->ctx), &out);
    ama_client_print (client, &out);
    ama_str_done (&out);
}

void ama_cmd_show (ama_client_t *client)
{
    ama_client_find (client, false, on_shown);
}

/* ---- cancel ---- */

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
    if (cancelled->state >= AMA_RUN_STATE_SUCCEEDED && cancelled->state != AMA_RUN_STATE_CANCELLED)
        ama_client_say (client, "run %s has ended already: %s", ama_id_text (client->run, id),
                        ama_run_state_name (cancelled->state));
    ama_client_exit (client, AMA_EXIT_OK);
}

static void on_found (ama_client_t *client, const ama_run_shown_t *shown)
{
    ama_run_cancel_t body = { .run = shown->summary.run, .force = ama_args_flag (client->conf->args, "force") };

    client->run = body.run;
    (void) ama_ask (client->ctx, "supervisor", AMA_MSG_RUN_CANCEL, &body, AMA_CLIENT_ASK_MS, 0, on_cancelled, client);
}

void ama_cmd_cancel (ama_client_t *client)
{
    ama_client_find (client, true, on_found);
}
