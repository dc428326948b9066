/* wire.c - packs, signs, checks and unpacks Jupyter messages. Called by client.c, any thread. Everything that comes in is hostile: a kernel runs
 * users' code. */
#include "agent/runners/jupyter/wire.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char delimiter[] = "<IDS|MSG>";
#define DELIMITER_SIZE (sizeof delimiter - 1)

static void sign (const char *key, const ama_frame_t parts[4], char out[65])
{
    crypto_auth_hmacsha256_state state;
    unsigned char mac[crypto_auth_hmacsha256_BYTES];

    out[0] = '\0';
    if (!key[0])
        return;
    (void) crypto_auth_hmacsha256_init (&state, (const unsigned char *) key, strlen (key));
    for (int i = 0; i < 4; i++)
        if (parts[i].size)
            (void) crypto_auth_hmacsha256_update (&state, parts[i].data, parts[i].size);
    (void) crypto_auth_hmacsha256_final (&state, mac);
    (void) sodium_bin2hex (out, 65, mac, sizeof mac);
}

static bool signed_well (const char *key, const ama_frame_t *signature, const ama_frame_t parts[4])
{
    char expected[65];

    sign (key, parts, expected);
    return signature->size == strlen (expected)
           && (!signature->size || sodium_memcmp (signature->data, expected, signature->size) == 0);
}

/* An object; jansson itself bounds the depth. NULs are legal in what a program prints. */
static json_t *parse (const ama_frame_t *frame)
{
    json_t *json = json_loadb (frame->data ? frame->data : "", frame->size, JSON_ALLOW_NUL, NULL);

    if (json_is_object (json))
        return json;
    json_decref (json);
    return NULL;
}

int ama_jupyter_unpack (const ama_frame_t *frames, size_t n_frames, const char *key, ama_jupyter_message_t *ret_message,
                        ama_err_t *err)
{
    ama_jupyter_message_t message = { 0 };
    size_t at = 0;

    while (at < n_frames
           && !(frames[at].size == DELIMITER_SIZE && memcmp (frames[at].data, delimiter, DELIMITER_SIZE) == 0))
        at++;
    if (n_frames < 6 || at > n_frames - 6)
        return ama_err_set (err, AMA_E_DECODE, "a message of %zu frames without its six", n_frames);
    for (size_t i = 1; i < 6; i++)
        if (frames[at + i].size > AMA_JUPYTER_FRAME)
            return ama_err_set (err, AMA_E_LIMIT, "a frame of %zu bytes, the limit is %u", frames[at + i].size,
                                AMA_JUPYTER_FRAME);
    if (!signed_well (key, &frames[at + 1], &frames[at + 2]))
        return ama_err_set (err, AMA_E_AUTH, "wrong signature");
    message.header = parse (&frames[at + 2]);
    message.parent_header = parse (&frames[at + 3]);
    message.metadata = parse (&frames[at + 4]);
    message.content = parse (&frames[at + 5]);
    message.type = ama_jupyter_string (message.header, "msg_type");
    message.parent = ama_jupyter_string (message.parent_header, "msg_id");
    if (!message.header || !message.parent_header || !message.metadata || !message.content || !message.type[0]) {
        ama_jupyter_message_done (&message);
        return ama_err_set (err, AMA_E_DECODE, "a part is no JSON object, or the type is missing");
    }
    *ret_message = message;
    return 0;
}

void ama_jupyter_message_done (ama_jupyter_message_t *message)
{
    json_decref (message->header);
    json_decref (message->parent_header);
    json_decref (message->content);
    json_decref (message->metadata);
    *message = (ama_jupyter_message_t){ 0 };
}

static char *dump (const json_t *json)
{
    char *text = json ? json_dumps (json, JSON_COMPACT) : NULL;
    char *copy = ama_strdup (text ? text : "{}");

    free (text);
    return copy;
}

void ama_jupyter_pack (const ama_jupyter_outgoing_t *message, ama_jupyter_packed_t *ret_packed)
{
    json_t *header =
        json_pack ("{s:s, s:s, s:s, s:s, s:s, s:s}", "msg_id", message->id, "session", message->session, "username",
                   "agent", "date", message->date, "msg_type", message->type, "version", "5.3");

    BUG_ON (!header);
    ret_packed->parts[0] = dump (header);
    ret_packed->parts[1] = ama_strdup ("{}");
    ret_packed->parts[2] = dump (message->metadata);
    ret_packed->parts[3] = dump (message->content);
    json_decref (header);
    ret_packed->frames[0] = (ama_frame_t){ delimiter, DELIMITER_SIZE };
    for (int i = 0; i < 4; i++)
        ret_packed->frames[i + 2] = (ama_frame_t){ ret_packed->parts[i], strlen (ret_packed->parts[i]) };
    sign (message->key, &ret_packed->frames[2], ret_packed->signature);
    ret_packed->frames[1] = (ama_frame_t){ ret_packed->signature, strlen (ret_packed->signature) };
}

void ama_jupyter_packed_done (ama_jupyter_packed_t *packed)
{
    for (int i = 0; i < 4; i++)
        free (packed->parts[i]);
}

int ama_jupyter_endpoint (const ama_jupyter_place_t *place, int number, char out[AMA_JUPYTER_ENDPOINT], ama_err_t *err)
{
    if (place->ports[0])
        (void) snprintf (out, AMA_JUPYTER_ENDPOINT, "tcp://127.0.0.1:%d", place->ports[number - 1]);
    else if (snprintf (out, AMA_JUPYTER_ENDPOINT, "ipc://%s-%d", place->prefix, number) > 6 + 106)
        return ama_err_set (err, AMA_E_INVALID, "%s is too long for a socket's path", place->prefix);
    return 0;
}

json_t *ama_jupyter_connection (const ama_jupyter_place_t *place, const char *key)
{
    bool tcp = place->ports[0] != 0;
    json_t *json = json_pack ("{s:s, s:s, s:s, s:s}", "transport", tcp ? "tcp" : "ipc", "ip",
                              tcp ? "127.0.0.1" : place->prefix, "key", key, "signature_scheme", "hmac-sha256");
    static const char *const names[] = { "shell_port", "iopub_port", "stdin_port", "control_port", "hb_port" };

    BUG_ON (!json);
    for (int i = 0; i < 5; i++)
        (void) json_object_set_new (json, names[i], json_integer (tcp ? place->ports[i] : i + 1));
    return json;
}

const char *ama_jupyter_string (const json_t *object, const char *name)
{
    const char *text = json_string_value (json_object_get (object, name));
    return text ? text : "";
}
