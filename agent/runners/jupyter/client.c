/* client.c - a Jupyter connection's client side, in the actor's loop
 *
 * Used by the Spark session and its runner. A request may find its socket not connected yet; it then waits in a queue that a timer tries
 * again. A kernel that has bound its sockets may still not know of our subscription, so kernel_info is asked until it answers *and* iopub
 * speaks. A statement has ended when its reply and its idle status are both there, in whatever order. Messages that are malformed or
 * badly signed are dropped, and counted in the log at debug.
 */
#include "agent/runners/jupyter/client.h"

#include "actors/base/ama_log.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#define NUDGE_MS   50 /* between kernel_info requests while not ready */
#define RETRY_MS   5  /* between tries of what could not be sent */
#define BEAT_MS    5000
#define SILENCE_MS 60000

typedef enum { SHELL, IOPUB, CONTROL, HEARTBEAT, SOCKETS } socket_t;

typedef struct request {
    char id[AMA_JUPYTER_ID];
    ama_jupyter_t *client;
    socket_t socket;
    ama_jupyter_packed_t packed; /* until it is sent */
    bool sent;
    ama_timer_t *timer; /* deadline, or NULL */
    ama_jupyter_fn *fn;
    void *arg;
    /* of a statement */
    bool statement, idle;
    json_t *reply;
    ama_jupyter_said_fn *said;
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
    ama_timer_t *retry, *nudge, *beat;
    bool answered, heard, beaten;
    int64_t echo_ms; /* last echo of the heartbeat, 0: none yet */
    void (*ready) (void *arg);
    void *ready_arg;
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

static request_t *new_request (ama_jupyter_t *client, socket_t socket, const char *type, json_t *metadata,
                               json_t *content)
{
    request_t *request = ama_calloc (1, sizeof *request);
    char date[32];

    request->client = client;
    request->socket = socket;
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
        if (!request->statement || request->idle)
            finish (request, NULL);
    }
    ama_jupyter_message_done (&message);
}

static void become_ready (ama_jupyter_t *client)
{
    void (*fn) (void *arg) = client->ready;

    if (!client->answered || !client->heard || !fn)
        return;
    client->ready = NULL;
    ama_timer_cancel (client->nudge);
    fn (client->ready_arg);
}

static void on_said (ama_sock_t *sock, const ama_frame_t *frames, size_t n_frames, void *arg)
{
    ama_jupyter_t *client = arg;
    ama_jupyter_message_t message;
    ama_err_t err;
    request_t *request;

    (void) sock;
    if (ama_jupyter_unpack (frames, n_frames, client->conf.key, &message, &err) < 0) {
        ama_log (AMA_LOG_DEBUG, "jupyter", "a message was dropped: %s", err.text);
        return;
    }
    client->heard = true;
    request = find (client, message.parent);
    if (!request || !request->statement)
        become_ready (client);
    else if (strcmp (message.type, "status") == 0) {
        if (strcmp (ama_jupyter_string (message.content, "execution_state"), "idle") == 0)
            request->idle = true;
        if (request->idle && request->reply)
            finish (request, NULL);
    }
    else if (request->said)
        request->said (message.type, message.content, request->arg);
    ama_jupyter_message_done (&message);
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

/* ---- readiness ---- */

static void on_info (const json_t *content, const ama_err_t *err, void *arg)
{
    ama_jupyter_t *client = arg;

    if (!content || err)
        return;
    client->answered = true;
    become_ready (client);
}

static void on_nudge (void *arg)
{
    ama_jupyter_t *client = arg;
    request_t *request;

    if (!client->ready)
        return;
    ama_timer_after (client->nudge, NUDGE_MS);
    for (request = client->unsent; request; request = request->next)
        if (request->socket == SHELL)
            return; /* the last one has not even left */
    request = new_request (client, SHELL, "kernel_info_request", NULL, NULL);
    request->fn = on_info;
    request->arg = client;
    send_request (request);
}

void ama_jupyter_when_ready (ama_jupyter_t *client, void (*fn) (void *arg), void *arg)
{
    client->ready = fn;
    client->ready_arg = arg;
    on_nudge (client);
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
    request_t *request = new_request (client, CONTROL, type, NULL, content);

    request->fn = fn;
    request->arg = arg;
    if (timeout_ms > 0) {
        request->timer = ama_timer_new (client->ctx, on_deadline, request);
        ama_timer_after (request->timer, timeout_ms);
    }
    send_request (request);
}

void ama_jupyter_execute (ama_jupyter_t *client, const char *code, json_t *metadata, ama_jupyter_said_fn *said,
                          ama_jupyter_fn *fn, void *arg)
{
    json_t *content = json_pack ("{s:s, s:b, s:b, s:{}, s:b, s:b}", "code", code, "silent", 0, "store_history", 0,
                                 "user_expressions", "allow_stdin", 0, "stop_on_error", 1);
    request_t *request = new_request (client, SHELL, "execute_request", metadata, content);

    request->statement = true;
    request->said = said;
    request->fn = fn;
    request->arg = arg;
    send_request (request);
}

void ama_jupyter_pause (ama_jupyter_t *client, bool pause)
{
    ama_sock_pause (client->socks[IOPUB], pause);
}

/* ---- life ---- */

static int connect_all (ama_jupyter_t *client, ama_err_t *err)
{
    static const struct {
        ama_sock_kind_t kind;
        int port;
        void (*fn) (ama_sock_t *sock, const ama_frame_t *frames, size_t n_frames, void *arg);
    } table[SOCKETS] = { [SHELL] = { AMA_SOCK_DEALER, 1, on_answer },
                         [IOPUB] = { AMA_SOCK_SUB, 2, on_said },
                         [CONTROL] = { AMA_SOCK_DEALER, 4, on_answer },
                         [HEARTBEAT] = { AMA_SOCK_REQ, 5, on_echo } };

    for (int i = 0; i < SOCKETS; i++) {
        char endpoint[160];
        ama_sock_spec_t spec = { .kind = table[i].kind,
                                 .endpoint = endpoint,
                                 .routing_id = table[i].kind == AMA_SOCK_DEALER ? client->session : NULL,
                                 .max_frame = AMA_JUPYTER_FRAME,
                                 .on_message = table[i].fn,
                                 .arg = client };

        if (snprintf (endpoint, sizeof endpoint, "ipc://%s-%d", client->conf.prefix, table[i].port) > 6 + 106)
            return ama_err_set (err, AMA_E_INVALID, "%s is too long for a socket's path", client->conf.prefix);
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
    client->conf.prefix = ama_strdup (conf->prefix);
    client->conf.key = ama_strdup (conf->key);
    randombytes_buf (bytes, sizeof bytes);
    (void) sodium_bin2hex (client->session, sizeof client->session, bytes, sizeof bytes);
    client->retry = ama_timer_new (ctx, on_retry, client);
    client->nudge = ama_timer_new (ctx, on_nudge, client);
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
    ama_timer_destroy (&gone->nudge);
    ama_timer_destroy (&gone->beat);
    free ((char *) gone->conf.prefix);
    free ((char *) gone->conf.key);
    free (gone);
}
