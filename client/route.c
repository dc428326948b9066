/* route.c - finds the run that is meant, and whom to ask about it. Called by main; actors run on this thread.
 *
 * amad knows its runs; what `ama run` ran lies in folders. @latest and @failed are the newer one of both. With --server only that amad
 * is asked.
 */
#include "client/route.h"

#include "client/exit_code.h"
#include "client/local.h"
#include "client/place.h"
#include "client/remote.h"
#include "client/show.h"

#include "actors/reporter/reporter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- amad, or another hub ---- */

static int ask_hub (ama_client_conf_t *conf, const char *endpoint, ama_err_t *err)
{
    ama_node_conf_t node_conf = {
        .connect = endpoint, .curve = conf->curve, .handle_signals = true, .on_signal = ama_client_signal, .arg = conf
    };
    ama_id_t id = ama_id_new (ama_wall_ms (ama_clock_system ()));
    char text[AMA_ID_TEXT], name[64];
    ama_node_t *node;
    int rc;

    conf->endpoint = endpoint;
    ama_node_prepare ();
    node = ama_node_new (&node_conf, err);
    if (!node)
        return err->code;
    (void) snprintf (name, sizeof name, "client/%s", ama_id_text (id, text));
    rc = ama_node_run_here (node, &ama_client_def, name, &conf, err);
    ama_node_destroy (&node, 1000);
    return rc;
}

/* ---- runs of `ama run` ---- */

static int print_local (const ama_run_shown_t *shown, const ama_client_conf_t *conf)
{
    ama_str_t out = { 0 };

    if (conf->json)
        ama_show_run_json (shown, &out);
    else
        ama_show_run_text (shown, &conf->render.term, ama_wall_ms (ama_clock_system ()), &out);
    (void) fwrite (out.data, 1, out.size, stdout);
    ama_str_done (&out);
    return AMA_EXIT_OK;
}

static int attach_local (ama_client_conf_t *conf, const char *reports, ama_err_t *err)
{
    ama_node_conf_t node_conf = { .epoch = 1, .handle_signals = true, .on_signal = ama_client_signal, .arg = conf };
    ama_node_t *node;
    int rc;

    conf->in_process = true;
    conf->start = ama_cmd_attach_known;
    ama_node_prepare ();
    node = ama_node_new (&node_conf, err);
    rc = node ? ama_node_start (node, &ama_reporter_def, NULL,
                                &(ama_reporter_conf_t){ .dir = reports, .read_only = true }, err)
              : err->code;
    if (rc == 0)
        rc = ama_node_run_here (node, &ama_client_def, "client/local", &conf, err);
    ama_node_destroy (&node, 1000);
    return rc;
}

static int ended_local (const ama_command_t *command, ama_client_conf_t *conf, const char *state, ama_err_t *err)
{
    char *reports = ama_local_reports (state, conf->known_run), id[AMA_ID_TEXT];
    ama_run_shown_t shown;
    int rc = ama_local_shown (state, conf->known_run, &shown, err);

    if (rc == 0) {
        ama_local_mark_gone (&shown);
        if (strcmp (command->name, "show") == 0)
            rc = print_local (&shown, conf);
        else if (strcmp (command->name, "attach") == 0)
            rc = attach_local (conf, reports, err);
        else
            (void) fprintf (stderr, "ama: run %s has ended already: %s\n", ama_id_text (conf->known_run, id),
                            ama_run_state_name (shown.summary.state));
        ama_run_shown_done (&shown);
    }
    free (reports);
    return rc;
}

/* conf->known_run is one of ours: its own process answers while it lives. */
static int about_local (const ama_command_t *command, ama_client_conf_t *conf, const char *state, ama_err_t *err)
{
    char *endpoint = ama_local_endpoint (state, conf->known_run), id[AMA_ID_TEXT];
    int rc;

    if (ama_place_probe (endpoint, NULL) == 0) {
        conf->selector = ama_id_text (conf->known_run, id);
        conf->has_known_run = false;
        rc = ask_hub (conf, endpoint, err);
    }
    else
        rc = ended_local (command, conf, state, err);
    free (endpoint);
    return rc;
}

static int list_local (const ama_client_conf_t *conf, const char *state, ama_err_t *err)
{
    ama_run_summary_t *runs = NULL;
    size_t count = ama_local_summaries (state, conf->limit, &runs);
    ama_str_t out = { 0 };

    if (!count) {
        ama_local_summaries_free (&runs, count);
        return err->code;
    }
    (void) fprintf (stderr, "ama: no amad is running; these are the runs of `ama run`\n");
    if (conf->json)
        ama_show_list_json (runs, count, &out);
    else
        ama_show_list_text (runs, count, &conf->render.term, ama_wall_ms (ama_clock_system ()), &out);
    (void) fwrite (out.data, 1, out.size, stdout);
    ama_str_done (&out);
    ama_local_summaries_free (&runs, count);
    return AMA_EXIT_OK;
}

/* ---- the way ---- */

static int ask_far (ama_client_conf_t *conf, const char *endpoint, const ama_paths_t *paths, ama_err_t *err)
{
    ama_remote_t remote;
    int rc = ama_remote_open (&remote, endpoint, conf->args, paths, err);

    if (rc == 0) {
        conf->curve = &remote.curve;
        rc = ask_hub (conf, endpoint, err);
        conf->curve = NULL;
    }
    ama_remote_done (&remote);
    return rc;
}

int ama_route_ask (ama_client_conf_t *conf, const char *endpoint, const ama_paths_t *paths, ama_err_t *err)
{
    return ama_str_starts (endpoint, "tcp://") ? ask_far (conf, endpoint, paths, err) : ask_hub (conf, endpoint, err);
}

int ama_route (const ama_command_t *command, ama_client_conf_t *conf, const ama_paths_t *paths, ama_err_t *err)
{
    const char *server = ama_args_get (conf->args, "server");
    const char *endpoint = server && strcmp (server, "default") != 0 ? server : paths->hub_endpoint;
    bool about_run = ama_str_starts (command->operands, "RUN"), relative;
    int rc;

    conf->selector = about_run ? ama_args_operand (conf->args, 0) : NULL;
    if (ama_str_starts (endpoint, "tcp://"))
        return ask_far (conf, endpoint, paths, err);
    rc = ama_place_probe (endpoint, err);
    relative = conf->selector && conf->selector[0] == '@';
    if (server)
        return rc < 0 ? rc : ask_hub (conf, endpoint, err);
    conf->local_state = paths->state;
    if (about_run)
        conf->has_known_run = ama_local_find (paths->state, conf->selector, &conf->known_run, NULL) == 0;
    if (conf->has_known_run && (rc < 0 || !relative))
        return about_local (command, conf, paths->state, err);
    if (rc < 0)
        return strcmp (command->name, "list") == 0 ? list_local (conf, paths->state, err) : rc;
    rc = ask_hub (conf, endpoint, err);
    return rc == AMA_CLIENT_GO_LOCAL ? about_local (command, conf, paths->state, err) : rc;
}
