/* ask_resolver.c - a resolver in a node of its own, and an asker that reads requests from stdin: what resolve_test.py drives
 *
 * usage: ask_resolver CACHE_DIR SCRIPTS_DIR [CREDENTIALS_FILE]. One JSON object a line on stdin:
 *   {"id": 1, "repositories": [["house", "http://…"]], "artifacts": ["g:n:v"], "offline": false}
 * One a line on stdout, as it happens: {"id", "progress"}, {"id", "lock", "cached", "ms", "files": […]}, {"id", "error", "text", "ms"}.
 * Ends when stdin does and everything was answered, or with {"stop": true}.
 */
#include "actors/resolver/resolver.h"
#include "actors/runtime/ama_node.h"
#include "messages/ama_types.h"
#include "messages/resolve.h"

#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

typedef struct asker asker_t;

typedef struct ask {
    struct ask *next;
    asker_t *asker;
    json_int_t id;
    int64_t since_ms;
} ask_t;

struct asker {
    ama_ctx_t *ctx;
    ama_watch_t *watch;
    ama_str_t input;
    ask_t *asks; /* without an answer */
    bool ended;
};

static void put (json_t *object)
{
    char *text = json_dumps (object, JSON_COMPACT);

    BUG_ON (!text || puts (text) < 0 || fflush (stdout) != 0);
    free (text);
    json_decref (object);
}

static void end_if_done (asker_t *asker)
{
    if (asker->ended && !asker->asks)
        ama_exit (asker->ctx, 0, NULL);
}

static json_t *files_of (const ama_resolve_reply_t *reply)
{
    json_t *files = json_array ();
    char hex[AMA_DIGEST_TEXT];

    for (size_t i = 0; i < reply->n_files; i++)
        BUG_ON (json_array_append_new (files, json_pack ("{s:s, s:s, s:s}", "coordinates", reply->files[i].coordinates,
                                                         "path", reply->files[i].path, "sha256",
                                                         ama_digest_text (&reply->files[i].digest, hex)))
                < 0);
    return files;
}

static void on_reply (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err, void *arg)
{
    ask_t *ask = arg;
    asker_t *asker = ask->asker;
    const ama_resolve_reply_t *reply = body;
    json_int_t ms = ama_now_ms (ctx) - ask->since_ms;
    char hex[AMA_DIGEST_TEXT];

    (void) envelope;
    if (err)
        put (json_pack ("{s:I, s:s, s:s, s:I}", "id", ask->id, "error", ama_err_name (err->code), "text", err->text,
                        "ms", ms));
    else
        put (json_pack ("{s:I, s:s, s:b, s:I, s:o}", "id", ask->id, "lock", ama_digest_text (&reply->lock, hex),
                        "cached", reply->cached, "ms", ms, "files", files_of (reply)));
    LL_DELETE (asker->asks, ask);
    free (ask);
    end_if_done (asker);
}

static int on_progress (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    const ama_resolve_progress_t *progress = body;

    (void) ctx, (void) state, (void) envelope, (void) err;
    put (json_pack ("{s:i, s:s, s:I}", "id", progress->key.b[15], "progress", progress->text, "bytes",
                    (json_int_t) progress->bytes));
    return 0;
}

static char *text_of (const json_t *array, size_t index)
{
    return (char *) json_string_value (json_array_get (array, index));
}

/* "g:n:v" cut up; a part that is missing is "". */
static ama_plan_artifact_t artifact_of (const char *text)
{
    char *parts = ama_strdup (text), *rest = parts, *part[3];
    ama_plan_artifact_t artifact;

    for (int i = 0; i < 3; i++)
        part[i] = (part[i] = strsep (&rest, ":")) ? part[i] : (char[]){ "" };
    artifact = (ama_plan_artifact_t){ ama_strdup (part[0]), ama_strdup (part[1]), ama_strdup (part[2]) };
    free (parts);
    return artifact;
}

static void ask_for (asker_t *asker, const char *line)
{
    json_t *object = json_loads (line, 0, NULL), *repositories = json_object_get (object, "repositories"),
           *artifacts = json_object_get (object, "artifacts");
    ama_resolve_request_t request = { .offline = json_is_true (json_object_get (object, "offline")),
                                      .lean = json_is_true (json_object_get (object, "lean")) };
    ask_t *ask = ama_calloc (1, sizeof *ask);

    BUG_ON (!object);
    *ask = (ask_t){ NULL, asker, json_integer_value (json_object_get (object, "id")), ama_now_ms (asker->ctx) };
    request.key.b[15] = (uint8_t) ask->id;
    request.n_repositories = json_array_size (repositories);
    request.n_artifacts = json_array_size (artifacts);
    request.repositories = ama_calloc (request.n_repositories + 1, sizeof *request.repositories);
    request.artifacts = ama_calloc (request.n_artifacts + 1, sizeof *request.artifacts);
    for (size_t i = 0; i < request.n_repositories; i++) {
        const json_t *one = json_array_get (repositories, i);
        request.repositories[i] =
            (ama_plan_repository_t){ ama_strdup (text_of (one, 0)), ama_strdup (text_of (one, 1)) };
    }
    for (size_t i = 0; i < request.n_artifacts; i++)
        request.artifacts[i] = artifact_of (text_of (artifacts, i));
    LL_PREPEND (asker->asks, ask);
    (void) ama_ask (asker->ctx, "resolver", AMA_MSG_RESOLVE_REQUEST, &request, 10 * 60 * 1000, 0, on_reply, ask);
    ama_resolve_request_done (&request);
    json_decref (object);
}

static void on_input (int fd, short revents, void *arg)
{
    asker_t *asker = arg;
    ssize_t n;
    char *end;

    (void) revents;
    ama_str_reserve (&asker->input, 65536);
    n = read (fd, asker->input.data + asker->input.size, 65535);
    if (n <= 0) {
        asker->ended = true;
        ama_watch_set (asker->watch, 0);
        end_if_done (asker);
        return;
    }
    asker->input.size += (size_t) n;
    asker->input.data[asker->input.size] = '\0';
    while ((end = memchr (asker->input.data, '\n', asker->input.size))) {
        *end = '\0';
        if (strcmp (asker->input.data, "{\"stop\": true}") == 0)
            ama_exit (asker->ctx, 0, NULL);
        else
            ask_for (asker, asker->input.data);
        ama_str_cut (&asker->input, (size_t) (end - asker->input.data) + 1);
    }
}

static int init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    asker_t *asker = state;

    (void) config, (void) err;
    asker->ctx = ctx;
    return 0;
}

static void joined (ama_ctx_t *ctx, void *state, uint64_t epoch)
{
    asker_t *asker = state;

    (void) epoch;
    if (!asker->watch)
        asker->watch = ama_watch_new (ctx, STDIN_FILENO, POLLIN, on_input, asker);
}

static void done (void *state)
{
    asker_t *asker = state;
    ask_t *ask, *next;

    LL_FOREACH_SAFE (asker->asks, ask, next)
    free (ask);
    ama_watch_destroy (&asker->watch);
    ama_str_done (&asker->input);
}

static const ama_handler_t handlers[] = { { AMA_MSG_RESOLVE_PROGRESS, on_progress }, AMA_HANDLER_END };

static const ama_actor_def_t asker_def = {
    .name = "supervisor",
    .role = AMA_ROLE_SUPERVISOR,
    .state_size = sizeof (asker_t),
    .init = init,
    .done = done,
    .joined = joined,
    .handlers = handlers,
};

int main (int argc, char **argv)
{
    ama_resolver_conf_t conf = { .retry_ms = 100 };
    ama_node_t *node;
    ama_err_t err = { 0 };
    const char *idle = getenv ("ASK_IDLE_MS");
    int code = 1;

    if (argc < 3) {
        (void) fprintf (stderr, "usage: ask_resolver CACHE_DIR SCRIPTS_DIR [CREDENTIALS_FILE]\n");
        return 2;
    }
    conf.cache_dir = argv[1];
    conf.scripts_dir = argv[2];
    conf.credentials_file = argc > 3 ? argv[3] : NULL;
    conf.idle_ms = idle ? atoi (idle) : 0;
    ama_node_prepare ();
    node = ama_node_new (&(ama_node_conf_t){ .epoch = 1 }, &err);
    if (node && ama_node_start (node, &ama_resolver_def, NULL, &conf, &err) == 0)
        code = ama_node_run_here (node, &asker_def, NULL, NULL, &err);
    if (code)
        (void) fprintf (stderr, "ask_resolver: %s\n", err.text);
    ama_node_destroy (&node, 2000);
    return code;
}
