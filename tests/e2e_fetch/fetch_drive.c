/* fetch_drive.c - the fetcher in a node, driven by JSON lines: what the supervisor would ask, from a test script
 *
 * usage: fetch_drive CONFIG_JSON     stdin: {"id", "url", "ref", "commit", "worktree", "credential"} a line; ends when stdin has ended and
 * every ask is answered. stdout: {"id", "event": "progress" | "reply" | "error", …, "ms"} a line.
 */
#include "actors/base/ama_log.h"
#include "actors/fetcher/fetch_actor.h"
#include "actors/runtime/ama_node.h"
#include "messages/fetch.h"

#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct driver driver_t;

typedef struct ask {
    struct ask *next;
    driver_t *driver;
    char *id;
    ama_id_t key;
    int64_t since_us;
} ask_t;

struct driver {
    ama_ctx_t *ctx;
    ama_watch_t *watch;
    ama_str_t input;
    ask_t *asks;
    bool ended;
};

static int64_t now_us (void)
{
    return ama_clock_system ()->mono_us (ama_clock_system ());
}

static void print (const ask_t *ask, const char *event, json_t *more)
{
    char *text;

    (void) json_object_set_new (more, "id", json_string (ask->id));
    (void) json_object_set_new (more, "event", json_string (event));
    (void) json_object_set_new (more, "ms", json_real ((double) (now_us () - ask->since_us) / 1000));
    text = json_dumps (more, JSON_COMPACT);
    (void) printf ("%s\n", text);
    (void) fflush (stdout);
    free (text);
    json_decref (more);
}

static void end_if_over (driver_t *driver)
{
    if (driver->ended && !driver->asks)
        ama_exit (driver->ctx, 0, "done");
}

static void on_answer (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    ask_t *ask = arg, **at = &ask->driver->asks;
    driver_t *driver = ask->driver;
    const ama_fetch_reply_t *reply = body;
    json_t *more;

    (void) ctx;
    (void) envelope;
    if (err) {
        more = json_pack ("{s:s, s:s}", "code", ama_err_name (err->code), "text", err->text);
    }
    else {
        json_t *warnings = json_array ();
        for (size_t i = 0; i < reply->n_warnings; i++)
            (void) json_array_append_new (warnings, json_string (reply->warnings[i]));
        more = json_pack ("{s:s, s:s, s:i, s:I, s:s, s:s, s:b, s:b, s:o}", "commit", reply->commit, "snapshot",
                          reply->snapshot, "files", (int) reply->files, "bytes", (json_int_t) reply->bytes, "ref",
                          reply->ref, "subject", reply->subject, "dirty", reply->dirty, "cached", reply->cached,
                          "warnings", warnings);
    }
    print (ask, err ? "error" : "reply", more);
    while (*at != ask)
        at = &(*at)->next;
    *at = ask->next;
    free (ask->id);
    free (ask);
    end_if_over (driver);
}

static int on_progress (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    const ama_fetch_progress_t *progress = body;
    driver_t *driver = state;

    (void) ctx, (void) envelope, (void) err;
    for (const ask_t *ask = driver->asks; ask; ask = ask->next)
        if (ama_id_equal (ask->key, progress->key))
            print (ask, "progress",
                   json_pack ("{s:s, s:I, s:i, s:i}", "text", progress->text, "received",
                              (json_int_t) progress->received, "done", (int) progress->done, "total",
                              (int) progress->total));
    return 0;
}

static char *text_of (const json_t *object, const char *key)
{
    const char *text = json_string_value (json_object_get (object, key));
    return (char *) (text ? text : "");
}

static void take_line (driver_t *driver, const char *line, size_t size)
{
    json_t *object = json_loadb (line, size, 0, NULL);
    ask_t *ask = ama_calloc (1, sizeof *ask);
    ama_fetch_request_t request = { 0 };

    BUG_ON (!object);
    *ask = (ask_t){ driver->asks, driver, ama_strdup (text_of (object, "id")), ama_new_id (driver->ctx), now_us () };
    driver->asks = ask;
    request.key = ask->key;
    request.url = text_of (object, "url");
    request.ref = text_of (object, "ref");
    request.commit = text_of (object, "commit");
    request.credential = text_of (object, "credential");
    request.worktree = json_is_true (json_object_get (object, "worktree"));
    (void) ama_ask (driver->ctx, "fetcher", AMA_MSG_FETCH_REQUEST, &request, 0, 0, on_answer, ask);
    json_decref (object);
}

static void on_stdin (int fd, short revents, void *arg)
{
    driver_t *driver = arg;
    char block[65536], *end;
    ssize_t got = read (fd, block, sizeof block);

    (void) revents;
    if (got <= 0) {
        driver->ended = true;
        ama_watch_set (driver->watch, 0);
        end_if_over (driver);
        return;
    }
    ama_str_add (&driver->input, block, (size_t) got);
    while (driver->input.size && (end = memchr (driver->input.data, '\n', driver->input.size))) {
        size_t size = (size_t) (end - driver->input.data);
        take_line (driver, driver->input.data, size);
        ama_str_cut (&driver->input, size + 1);
    }
}

static int init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    driver_t *driver = state;

    (void) config, (void) err;
    driver->ctx = ctx;
    driver->watch = ama_watch_new (ctx, STDIN_FILENO, POLLIN, on_stdin, driver);
    return 0;
}

static void done (void *state)
{
    driver_t *driver = state;

    ama_watch_destroy (&driver->watch);
    ama_str_done (&driver->input);
}

static const ama_handler_t handlers[] = { { AMA_MSG_FETCH_PROGRESS, on_progress }, AMA_HANDLER_END };

static const ama_actor_def_t driver_def = {
    .name = "supervisor",
    .role = AMA_ROLE_SUPERVISOR,
    .state_size = sizeof (driver_t),
    .init = init,
    .done = done,
    .handlers = handlers,
};

/* ---- configuration ---- */

static const char *const *list_of (const json_t *conf, const char *key)
{
    const json_t *array = json_object_get (conf, key);
    const char **list = array ? ama_calloc (json_array_size (array) + 1, sizeof *list) : NULL;

    for (size_t i = 0; list && i < json_array_size (array); i++)
        list[i] = json_string_value (json_array_get (array, i));
    return list;
}

static void number (const json_t *conf, const char *key, void *ret, size_t size)
{
    const json_t *value = json_object_get (conf, key);
    int64_t number = json_integer_value (value);

    if (value && size == sizeof (uint32_t))
        *(uint32_t *) ret = (uint32_t) number;
    else if (value)
        *(int64_t *) ret = number;
}

#define NUMBER(object, field) number (conf, #field, &(object).field, sizeof (object).field)

int main (int argc, char **argv)
{
    json_t *conf = argc == 2 ? json_loads (argv[1], 0, NULL) : NULL;
    ama_fetch_rules_t rules;
    ama_fetch_settings_t limits;
    ama_node_t *node;
    ama_err_t err = { 0 };
    int rc;

    if (!conf)
        return 2;
    ama_node_prepare ();
    ama_log_setup (AMA_LOG_DEBUG, false, STDERR_FILENO);
    ama_fetch_rules_init (&rules);
    ama_fetch_settings_init (&limits);
    NUMBER (rules, connect_ms), NUMBER (rules, idle_ms), NUMBER (rules, total_ms), NUMBER (rules, retry_ms);
    NUMBER (limits, pack_bytes), NUMBER (limits, tree_bytes), NUMBER (limits, file_bytes), NUMBER (limits, files);
    NUMBER (limits, depth), NUMBER (limits, path), NUMBER (limits, refs);
    {
        const ama_fetcher_conf_t fetcher = {
            .cache_dir = json_string_value (json_object_get (conf, "cache_dir")),
            .helper = json_string_value (json_object_get (conf, "helper")),
            .home = json_string_value (json_object_get (conf, "home")),
            .ssh_key = json_string_value (json_object_get (conf, "ssh_key")),
            .known_hosts = json_string_value (json_object_get (conf, "known_hosts")),
            .credentials_file = json_string_value (json_object_get (conf, "credentials_file")),
            .credential_helpers = list_of (conf, "credential_helpers"),
            .schemes = list_of (conf, "schemes"),
            .hosts = list_of (conf, "hosts"),
            .local_paths = list_of (conf, "local_paths"),
            .rules = &rules,
            .limits = &limits,
        };
        node = ama_node_new (&(ama_node_conf_t){ .epoch = 1 }, &err);
        rc = node ? ama_node_start (node, &ama_fetcher_def, NULL, &fetcher, &err) : err.code;
        free ((void *) fetcher.credential_helpers);
        free ((void *) fetcher.schemes);
        free ((void *) fetcher.hosts);
        free ((void *) fetcher.local_paths);
    }
    if (rc == 0)
        rc = ama_node_run_here (node, &driver_def, NULL, NULL, &err);
    if (rc < 0)
        (void) fprintf (stderr, "fetch_drive: %s\n", err.text);
    ama_node_destroy (&node, 2000);
    json_decref (conf);
    return rc < 0 ? 1 : 0;
}
