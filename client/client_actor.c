/* client_actor.c - the life of a command: joining, following, signals, exit. On the main thread, in the loop of its actor. */
#include "client/client.h"

#include "client/exit_code.h"
#include "client/local.h"
#include "client/sweep.h"
#include "messages/ama_types.h"
#include "messages/run.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SWEEP_AFTER_MS = 1000, SWEEP_PAUSE_MS = 50, SWEEP_FILES = 500 };
enum { JOIN_MS = 2000, JOIN_FAR_MS = 10000, KEEP_MS = 2000, KEEP_AGAIN_MS = 2000 };

/* ---- the end ---- */

void ama_client_exit (ama_client_t *client, int code)
{
    if (client->ending)
        return;
    client->ending = true;
    ama_follow_destroy (&client->follow);
    ama_exit (client->ctx, code, NULL);
}

static void write_all (int fd, const char *bytes, size_t size)
{
    while (size) {
        ssize_t n = write (fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        bytes += n;
        size -= (size_t) n;
    }
}

void ama_client_say (ama_client_t *client, const char *format, ...)
{
    char text[AMA_ERR_TEXT_MAX];
    va_list args;

    va_start (args, format);
    (void) vsnprintf (text, sizeof text, format, args);
    va_end (args);
    if (client->follow)
        ama_follow_tell (client->follow, text);
    else {
        ama_str_t line = { 0 };
        ama_str_printf (&line, "ama: %s\n", text);
        write_all (STDERR_FILENO, line.data, line.size);
        ama_str_done (&line);
    }
}

void ama_client_fail (ama_client_t *client, const ama_err_t *err)
{
    if (!client->ending)
        ama_client_say (client, "%s", err->text);
    ama_client_exit (client, ama_exit_of_error (err->code));
}

void ama_client_print (ama_client_t *client, const ama_str_t *text)
{
    write_all (STDOUT_FILENO, text->data ? text->data : "", text->size);
    ama_client_exit (client, AMA_EXIT_OK);
}

/* ---- what is kept of a run of our own ---- */

static void on_shown (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err, void *arg)
{
    ama_client_t *client = arg;

    (void) ctx;
    (void) envelope;
    if (!err)
        ama_local_keep (client->conf->shown_file, body);
    if (client->has_code)
        ama_client_exit (client, client->code);
    else
        ama_timer_after (client->deadline, KEEP_AGAIN_MS);
}

/* Keeps what the supervisor says about the run. */
static void keep_shown (ama_client_t *client, bool brief)
{
    char id[AMA_ID_TEXT];
    ama_run_show_t body = { .selector = (char *) ama_id_text (client->run, id), .brief = brief };

    (void) ama_ask (client->ctx, "supervisor", AMA_MSG_RUN_SHOW, &body, KEEP_MS, 0, on_shown, client);
}

/* ---- what earlier runs of ours have left ---- */

static void do_sweep (void *arg)
{
    ama_client_t *client = arg;

    client->swept = !ama_sweep_step (client->conf->sweep, SWEEP_FILES);
}

static void on_swept (void *arg)
{
    ama_client_t *client = arg;

    if (!client->ending && !client->swept)
        ama_timer_after (client->sweep_next, SWEEP_PAUSE_MS);
}

/* At a pace that an action does not notice. */
static void on_sweep_next (void *arg)
{
    ama_client_t *client = arg;

    if (!client->sweeper)
        client->sweeper = ama_worker_new (client->ctx, "sweep");
    ama_worker_submit (client->sweeper, do_sweep, on_swept, client);
}

/* ---- following ---- */

static void on_report_end (int64_t exit, const ama_err_t *err, void *arg)
{
    ama_client_t *client = arg;
    bool rescued_ok = ama_args_flag (client->conf->args, "rescued-ok");

    if (err && err->code == AMA_E_CANCELLED) { /* as head(1) ends its writers */
        ama_client_exit (client, AMA_EXIT_INTERRUPTED + SIGPIPE);
        return;
    }
    if (err) {
        ama_client_fail (client, err);
        return;
    }
    client->code = ama_exit_of_run (exit, rescued_ok, client->first_signal);
    client->has_code = true;
    if (client->conf->shown_file)
        keep_shown (client, false);
    else
        ama_client_exit (client, client->code);
}

void ama_client_follow (ama_client_t *client, uint64_t from)
{
    const ama_follow_conf_t conf = {
        .run = client->run,
        .from = from,
        .render = client->conf->render,
        .out = STDOUT_FILENO,
        .talk = STDERR_FILENO,
        .patience_ms = client->conf->in_process ? 0 : client->conf->patience_ms,
        .to_the_end = client->cancels,
        .on_end = on_report_end,
        .arg = client,
    };

    client->follow = ama_follow_new (client->ctx, &conf);
    if (client->conf->shown_file)
        keep_shown (client, true);
}

/* ---- finding ---- */

static bool is_local_meant (const ama_client_t *client, const ama_run_shown_t *shown, const ama_err_t *err)
{
    const ama_client_conf_t *conf = client->conf;

    if (!conf->has_known_run)
        return false;
    return err ? err->code == AMA_E_NOT_FOUND : ama_id_compare (conf->known_run, shown->summary.run) > 0;
}

static void on_found (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err, void *arg)
{
    ama_client_t *client = arg;

    (void) ctx;
    (void) envelope;
    if (client->ending)
        return;
    if (is_local_meant (client, body, err))
        ama_client_exit (client, AMA_CLIENT_GO_LOCAL);
    else if (err)
        ama_client_fail (client, err);
    else
        client->on_found (client, body);
}

void ama_client_find (ama_client_t *client, bool brief, void (*fn) (ama_client_t *client, const ama_run_shown_t *shown))
{
    ama_run_show_t body = { .selector = (char *) client->conf->selector, .brief = brief };

    client->on_found = fn;
    (void) ama_ask (client->ctx, "supervisor", AMA_MSG_RUN_SHOW, &body, AMA_CLIENT_ASK_MS, 0, on_found, client);
}

/* ---- signals ---- */

static void on_cancelled (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                          void *arg)
{
    ama_client_t *client = arg;

    (void) ctx;
    (void) envelope;
    (void) body;
    if (err && err->code != AMA_E_NOT_FOUND && !client->ending)
        ama_client_say (client, "the wish to cancel was not recorded: %s", err->text);
}

void ama_client_cancel (ama_client_t *client, bool force)
{
    ama_run_cancel_t body = { .run = client->run, .force = force };

    (void) ama_ask (client->ctx, "supervisor", AMA_MSG_RUN_CANCEL, &body, AMA_CLIENT_ASK_MS, 0, on_cancelled, client);
}

void ama_client_signal (ama_node_t *node, int signal, void *arg)
{
    ama_client_conf_t *conf = arg;
    ama_client_t *client = conf->client;

    if (!client) {
        ama_node_stop (node);
        return;
    }
    client->signals++;
    if (!client->first_signal)
        client->first_signal = signal;
    if (!client->cancels || client->signals > 2)
        ama_client_exit (client, AMA_EXIT_INTERRUPTED + signal);
    else if (!client->has_run) {
        /* the submit is under way: what it becomes is cancelled as soon as it has a name; a second time nobody waits for that */
        if (client->signals > 1)
            ama_client_exit (client, AMA_EXIT_INTERRUPTED + signal);
    }
    else {
        ama_client_say (client, client->signals == 1 ? "cancelling the run (again: kill it at once)"
                                                     : "killing the run (again: leave it)");
        ama_client_cancel (client, client->signals > 1);
    }
}

/* ---- life ---- */

static void on_deadline (void *arg)
{
    ama_client_t *client = arg;
    ama_err_t err;

    if (client->joined) { /* from then on it is for keeping what is known of our own run */
        if (!client->has_code)
            keep_shown (client, true);
        return;
    }

    ama_err_set (&err, AMA_E_UNREACHABLE, "amad at %s does not answer", client->conf->endpoint);
    ama_client_fail (client, &err);
}

static int init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    ama_client_t *client = state;

    (void) err;
    client->ctx = ctx;
    client->conf = *(ama_client_conf_t *const *) config;
    client->conf->client = client;
    client->deadline = ama_timer_new (ctx, on_deadline, client);
    if (client->conf->sweep) {
        client->sweep_next = ama_timer_new (ctx, on_sweep_next, client);
        ama_timer_after (client->sweep_next, SWEEP_AFTER_MS);
    }
    if (!client->conf->in_process)
        ama_timer_after (client->deadline, client->conf->curve ? JOIN_FAR_MS : JOIN_MS);
    return 0;
}

static void joined (ama_ctx_t *ctx, void *state, uint64_t epoch)
{
    ama_client_t *client = state;

    (void) ctx;
    (void) epoch;
    ama_timer_cancel (client->deadline);
    if (client->ending)
        return;
    if (!client->joined) {
        client->joined = true;
        client->conf->start (client);
    }
    else if (client->follow)
        ama_follow_joined (client->follow);
}

/* The node ends although the command has not: one of the actors of this process could not go on. */
static void stop (ama_ctx_t *ctx, void *state)
{
    ama_client_t *client = state;

    (void) ctx;
    ama_client_exit (client, AMA_EXIT_INFRASTRUCTURE);
}

static void done (void *state)
{
    ama_client_t *client = state;

    if (client->conf)
        client->conf->client = NULL;
    if (client->sweeper)
        ama_worker_destroy (&client->sweeper);
    if (client->sweep_next)
        ama_timer_destroy (&client->sweep_next);
    ama_follow_destroy (&client->follow);
    ama_timer_destroy (&client->deadline);
    ama_timer_destroy (&client->again);
    ama_str_done (&client->token);
}

static const ama_handler_t handlers[] = { AMA_HANDLER_END };

const ama_actor_def_t ama_client_def = {
    .name = "client",
    .role = AMA_ROLE_OPERATOR,
    .state_size = sizeof (ama_client_t),
    .init = init,
    .stop = stop,
    .done = done,
    .joined = joined,
    .handlers = handlers,
};
