/* client.c - a Jupyter connection's client side, in the actor's loop
 *
 * Used by the Spark session and its runner. A request may find its socket not connected yet; it then waits in a queue that a timer tries
 * again. Messages that are malformed or badly signed are dropped, and counted in the log at debug.
 */
#include "agent/runners/jupyter/client.h"

#include "actors/base/ama_log.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#define RETRY_MS   5 /* between tries of what could not be sent */
#define BEAT_MS    5000
#define SILENCE_MS 60000

typedef enum { SHELL, CONTROL, HEARTBEAT, IOPUB, STDIN, SOCKETS } socket_t;

typedef struct request {
    char id[AMA_JUPYTER_ID];
    ama_jupyter_t *client;
    socket_t socket;
    ama_jupyter_packed_t packed; /* until it is sent */
    bool sent;
    ama_timer_t *timer; /* deadline, or NULL */
    ama_jupyter_fn *fn;
    void *arg;
    json_t *reply;
    struct request *prev, *next; /* in unsent */
    UT_hash_handle hh;           /* in requests, by id */
} request_t;

struct ama_jupyter {
    ama_ctx_t *ctx;
    ama_jupyter_conf_t conf; /* strings owned */
    char session[33];
    unsigned serial;
    ama_sock_t *socks[SOCKETS];
    request_t *requests, *unsent;
    ama_timer_t *retry, *beat;
    int64_t echo_ms; /* last echo of the heartbeat, 0: none yet */
};

/* ---- sending ---- */

static void free_request (request_t *request)
{
    ama_jupyter_t *client = request->client;

    HASH_DEL (client->requests, request);
    if (!request->sent) {
        DL_DELETE (client->unsent, request);
        ama_jupyter_packed_done (&request->packed);
    }
    json_decref (request->reply);
    ama_timer_destroy (&request->timer);
    free (request);
}

static bool try_send (request_t *request)
{
    if (ama_sock_send (request->client->socks[request->socket], request->packed.frames, 6) < 0)
        return false;
    request->sent = true;
    DL_DELETE (request->client->unsent, request);
    ama_jupyter_packed_done (&request->packed);
    return true;
}

static void on_retry (void *arg)
{
    ama_jupyter_t *client = arg;
    request_t *request, *spare;

    DL_FOREACH_SAFE (client->unsent, request, spare)
    {
        (void) try_send (request);
    }
    if (client->unsent)
        ama_timer_after (client->retry, RETRY_MS);
}

/* id NULL: one of our own. */
static request_t *new_request (ama_jupyter_t *client, socket_t socket, const char *id, const char *type,
                               json_t *metadata, json_t *content)
{
    request_t *request = ama_calloc (1, sizeof *request);
    char date[32];

    request->client = client;
    request->socket = socket;
    if (id)
        (void) snprintf (request->id, sizeof request->id, "%s", id);
    else
        (void) snprintf (request->id, sizeof request->id, "%s_%u", client->session, ++client->serial);
    ama_jupyter_pack (&(ama_jupyter_outgoing_t){ .key = client->conf.key,
                                                 .session = client->session,
                                                 .id = request->id,
                                                 .type = type,
                                                 .date = ama_time_text (ama_wall_now_ms (client->ctx), date),
                                                 .metadata = metadata,
                                                 .content = content },
                      &request->packed);
    json_decref (metadata);
    json_decref (content);
    HASH_ADD_STR (client->requests, id, request);
    DL_APPEND (client->unsent, request);
    return request;
}

static void send_request (request_t *request)
{
    if (!try_send (request))
        ama_timer_after (request->client->retry, RETRY_MS);
}

/* ---- receiving ---- */

static void finish (request_t *request, const ama_err_t *err)
{
    ama_jupyter_fn *fn = request->fn;
    void *arg = request->arg;
    json_t *reply = json_incref (request->reply);

    free_request (request);
    if (fn)
        fn (err ? NULL : reply, err, arg);
    json_decref (reply);
}

static request_t *find (ama_jupyter_t *client, const char *id)
{
    request_t *request;

    HASH_FIND_STR (client->requests, id, request);
    return request;
}

/* The answer to a request of ours, on shell or control. */
static void on_answer (ama_sock_t *sock, const ama_frame_t *frames, size_t n_frames, void *arg)
{
    ama_jupyter_t *client = arg;
    ama_jupyter_message_t message;
    ama_err_t err;
    request_t *request;

    (void) sock;
    if (ama_jupyter_unpack (frames, n_frames, client->conf.key, &message, &err) < 0) {
        ama_log (AMA_LOG_DEBUG, "jupyter", "an answer was dropped: %s", err.text);
        return;
    }
    request = find (client, message.parent);
    if (request && !request->reply && ama_str_ends (message.type, "_reply")) {
        request->reply = json_incref (message.content);
        finish (request, NULL);
    }
    if (client->conf.on_said && strcmp (message.type, "execute_reply") == 0)
        client->conf.on_said (&message, client->conf.arg);
    ama_jupyter_message_done (&message);
}

/* On iopub or stdin. */
static void on_word (ama_sock_t *sock, const ama_frame_t *frames, size_t n_frames, void *arg)
{
    ama_jupyter_t *client = arg;
    ama_jupyter_message_t message;
    ama_err_t err;

    (void) sock;
    if (ama_jupyter_unpack (frames, n_frames, client->conf.key, &message, &err) < 0) {
        ama_log (AMA_LOG_DEBUG, "jupyter", "a message was dropped: %s", err.text);
        return;
    }
    client->conf.on_said (&message, client->conf.arg);
    ama_jupyter_message_done (&message);
}

bool ama_jupyter_is_ours (const ama_jupyter_t *client, const ama_jupyter_message_t *message)
{
    return strcmp (ama_jupyter_string (message->parent_header, "session"), client->session) == 0;
}

bool ama_jupyter_can_be_asked (ama_jupyter_t *client)
{
    return client->socks[STDIN] && ama_sock_is_connected (client->socks[STDIN]);
}

bool ama_jupyter_has_lagged (ama_jupyter_t *client)
{
    return client->socks[IOPUB] && ama_sock_was_full (client->socks[IOPUB]);
}

int64_t ama_jupyter_echoed_ms (const ama_jupyter_t *client)
{
    return client->echo_ms;
}

static void on_echo (ama_sock_t *sock, const ama_frame_t *frames, size_t n_frames, void *arg)
{
    ama_jupyter_t *client = arg;

    (void) sock, (void) frames, (void) n_frames;
    client->echo_ms = ama_now_ms (client->ctx);
}

static void on_beat (void *arg)
{
    ama_jupyter_t *client = arg;
    const ama_frame_t ping = { "ping", 4 };

    if (client->echo_ms && ama_now_ms (client->ctx) - client->echo_ms > SILENCE_MS) {
        if (client->conf.on_silent)
            client->conf.on_silent (client->conf.arg);
        return;
    }
    (void) ama_sock_send (client->socks[HEARTBEAT], &ping, 1);
    ama_timer_after (client->beat, BEAT_MS);
}

/* ---- requests ---- */

static void on_deadline (void *arg)
{
    request_t *request = arg;
    ama_err_t err;

    (void) ama_err_set (&err, AMA_E_TIMEOUT, "the kernel did not answer in time");
    finish (request, &err);
}

void ama_jupyter_control (ama_jupyter_t *client, const char *type, json_t *content, int64_t timeout_ms,
                          ama_jupyter_fn *fn, void *arg)
{
    request_t *request = new_request (client, CONTROL, NULL, type, NULL, content);

    request->fn = fn;
    request->arg = arg;
    if (timeout_ms > 0) {
        request->timer = ama_timer_new (client->ctx, on_deadline, request);
        ama_timer_after (request->timer, timeout_ms);
    }
    send_request (request);
}

void ama_jupyter_ask_info (ama_jupyter_t *client, ama_jupyter_fn *fn, void *arg)
{
    request_t *request = new_request (client, SHELL, NULL, "kernel_info_request", NULL, NULL);

    request->fn = fn;
    request->arg = arg;
    send_request (request);
}

void ama_jupyter_forget (ama_jupyter_t *client, const void *arg)
{
    for (request_t *request = client->requests; request; request = request->hh.next)
        if (request->arg == arg)
            request->fn = NULL;
}

void ama_jupyter_execute (ama_jupyter_t *client, const char *id, const char *code, json_t *metadata)
{
    json_t *content = json_pack ("{s:s, s:b, s:b, s:{}, s:b, s:b}", "code", code, "silent", 0, "store_history",
                                 client->conf.on_said != NULL, "user_expressions", "allow_stdin", 0, "stop_on_error",
                                 0); /* who asks one by one decides himself */

    send_request (new_request (client, SHELL, id, "execute_request", metadata, content));
}

/* ---- life ---- */

static int connect_all (ama_jupyter_t *client, ama_err_t *err)
{
    static const struct {
        ama_sock_kind_t kind;
        int port;
        void (*fn) (ama_sock_t *sock, const ama_frame_t *frames, size_t n_frames, void *arg);
    } table[SOCKETS] = { [SHELL] = { AMA_SOCK_DEALER, 1, on_answer },
                         [CONTROL] = { AMA_SOCK_DEALER, 4, on_answer },
                         [HEARTBEAT] = { AMA_SOCK_REQ, 5, on_echo },
                         [IOPUB] = { AMA_SOCK_SUB, 2, on_word },
                         [STDIN] = { AMA_SOCK_DEALER, 3, on_word } };
    const int sockets = client->conf.on_said ? SOCKETS : IOPUB;

    for (int i = 0; i < sockets; i++) {
        char endpoint[AMA_JUPYTER_ENDPOINT];
        ama_sock_spec_t spec = { .kind = table[i].kind,
                                 .endpoint = endpoint,
                                 .routing_id = table[i].kind == AMA_SOCK_DEALER ? client->session : NULL,
                                 .max_frame = AMA_JUPYTER_FRAME,
                                 .on_message = table[i].fn,
                                 .arg = client };

        if (ama_jupyter_endpoint (&client->conf.place, table[i].port, endpoint, err) < 0)
            return AMA_E_INVALID;
        client->socks[i] = ama_sock_new (client->ctx, &spec, err);
        if (!client->socks[i])
            return AMA_E_INVALID;
    }
    return 0;
}

ama_jupyter_t *ama_jupyter_new (ama_ctx_t *ctx, const ama_jupyter_conf_t *conf, ama_err_t *err)
{
    ama_jupyter_t *client = ama_calloc (1, sizeof *client);
    unsigned char bytes[16];

    client->ctx = ctx;
    client->conf = *conf;
    client->conf.place.prefix = ama_strdup (conf->place.prefix);
    client->conf.key = ama_strdup (conf->key);
    randombytes_buf (bytes, sizeof bytes);
    (void) sodium_bin2hex (client->session, sizeof client->session, bytes, sizeof bytes);
    client->retry = ama_timer_new (ctx, on_retry, client);
    client->beat = ama_timer_new (ctx, on_beat, client);
    if (connect_all (client, err) < 0)
        ama_jupyter_destroy (&client);
    else if (conf->on_silent)
        ama_timer_after (client->beat, BEAT_MS);
    return client;
}

void ama_jupyter_destroy (ama_jupyter_t **client)
{
    ama_jupyter_t *gone = *client;

    *client = NULL;
    if (!gone)
        return;
    while (gone->requests)
        /* uthash: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        free_request (gone->requests);
    for (int i = 0; i < SOCKETS; i++)
        ama_sock_destroy (&gone->socks[i]);
    ama_timer_destroy (&gone->retry);
    ama_timer_destroy (&gone->beat);
    free ((char *) gone->conf.place.prefix);
    free ((char *) gone->conf.key);
    free (gone);
}
