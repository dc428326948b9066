/* cmd_clean.c - ama clean, at an amad: first all that is meant is found, so that a mistake removes nothing; then run by run. In the client's actor. */
#include "client/clean.h"

#include "client/exit_code.h"
#include "client/local.h"
#include "messages/ama_types.h"

#include <stdlib.h>

enum { AT_ONCE = 8, PAGE = 1000, CLEAN_MS = 660000 };

typedef struct {
    ama_client_t *client;
    size_t row;
} job_t;

/* ---- removing ---- */

static void go_on (ama_client_t *client);

static void on_cleaned (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                        void *arg)
{
    job_t *job = arg;
    ama_client_t *client = job->client;
    ama_clean_t *clean = client->conf->clean;
    ama_clean_row_t *row = &clean->rows[job->row];
    const ama_run_cleaned_t *cleaned = body;

    (void) ctx, (void) envelope;
    free (job);
    clean->under_way--;
    if (err) {
        row->left = ama_strdup (err->text);
        row->trouble = row->found = true;
    }
    else {
        row->found = cleaned->found;
        row->bytes = cleaned->bytes;
        row->files = cleaned->files;
        row->trouble = cleaned->away;
        if (*cleaned->left)
            row->left = ama_strdup (cleaned->left);
    }
    if (!client->ending)
        go_on (client);
}

static void go_on (ama_client_t *client)
{
    ama_clean_t *clean = client->conf->clean;

    for (; clean->next < clean->n && clean->under_way < AT_ONCE; clean->next++) {
        ama_run_clean_t body = { .run = clean->rows[clean->next].run, .dry = clean->dry };
        job_t *job;
        if (clean->rows[clean->next].local || clean->rows[clean->next].left)
            continue;
        job = ama_calloc (1, sizeof *job);
        *job = (job_t){ client, clean->next };
        clean->under_way++;
        (void) ama_ask (client->ctx, "supervisor", AMA_MSG_RUN_CLEAN, &body, CLEAN_MS, 0, on_cleaned, job);
    }
    if (!clean->under_way)
        ama_client_exit (client, AMA_EXIT_OK);
}

/* ---- all, or those older ---- */

static void list (ama_client_t *client);

static void add_listed (ama_clean_t *clean, const ama_run_summary_t *run)
{
    ama_clean_row_t *row;

    if (run->ended ? run->ended > clean->ended_before_ms : !clean->all)
        return;
    row = ama_clean_add (clean, run->run, run->job);
    if (!run->ended) {
        row->found = true;
        row->left = ama_strdup ("it has not ended");
    }
}

static void on_listed (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    ama_client_t *client = arg;
    ama_clean_t *clean = client->conf->clean;
    const ama_run_listed_t *listed = body;

    (void) ctx, (void) envelope;
    if (client->ending)
        return;
    if (err) {
        ama_client_fail (client, err);
        return;
    }
    for (size_t i = 0; i < listed->n_runs; i++)
        add_listed (clean, &listed->runs[i]);
    if (listed->n_runs < PAGE) {
        go_on (client);
        return;
    }
    clean->last_listed = listed->runs[listed->n_runs - 1].run;
    list (client);
}

static void list (ama_client_t *client)
{
    ama_id_t before = client->conf->clean->last_listed;
    const ama_run_list_t body = { .limit = PAGE, .before = before, .has_before = !ama_id_is_zero (before) };

    (void) ama_ask (client->ctx, "supervisor", AMA_MSG_RUN_LIST, &body, AMA_CLIENT_ASK_MS, 0, on_listed, client);
}

/* ---- those that are named ---- */

static void find_next (ama_client_t *client);

static void on_found (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err, void *arg)
{
    ama_client_t *client = arg;
    ama_clean_t *clean = client->conf->clean;
    const char *selector = ama_args_operand (client->conf->args, clean->next);
    const ama_run_shown_t *shown = body;
    ama_id_t own;
    bool has_own = clean->state && ama_local_find (clean->state, selector, &own, NULL) == 0;
    ama_clean_row_t *row;

    (void) ctx, (void) envelope;
    if (client->ending)
        return;
    if (err && !(has_own && err->code == AMA_E_NOT_FOUND)) {
        ama_client_fail (client, err);
        return;
    }
    has_own = has_own && (err || ama_id_compare (own, shown->summary.run) > 0);
    row = ama_clean_add (clean, has_own ? own : shown->summary.run, has_own ? "" : shown->summary.job);
    row->named = true;
    row->local |= has_own;
    clean->next++;
    find_next (client);
}

static void find_next (ama_client_t *client)
{
    ama_clean_t *clean = client->conf->clean;
    const char *selector = ama_args_operand (client->conf->args, clean->next);
    const ama_run_show_t body = { .selector = (char *) selector, .brief = true };
    ama_id_t own;

    if (!selector) {
        clean->next = 0;
        go_on (client);
    }
    else if (*selector != '@' && clean->state && ama_local_find (clean->state, selector, &own, NULL) == 0) {
        ama_clean_row_t *row = ama_clean_add (clean, own, "");
        row->named = row->local = true;
        clean->next++;
        find_next (client);
    }
    else
        (void) ama_ask (client->ctx, "supervisor", AMA_MSG_RUN_SHOW, &body, AMA_CLIENT_ASK_MS, 0, on_found, client);
}

void ama_cmd_clean (ama_client_t *client)
{
    if (ama_args_operands (client->conf->args))
        find_next (client);
    else
        list (client);
}
