/* voice.c - see voice.h */
#include "agent/voice.h"

#include "messages/ama_types.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct ama_voice {
    ama_voice_pass_t pass;
    char *action;
    ama_voice_port_t port;
    ama_str_t bytes;
    bool deaf;
    uint64_t *nonces; /* of what was heard */
    size_t n_heard;
    uint64_t refused[AMA_VOICE_REASONS];
};

const char *ama_voice_reason_name (ama_voice_reason_t reason)
{
    static const char *const names[] = {
        [AMA_VOICE_NO_FRAME] = "what came is no message, and nothing more is read",
        [AMA_VOICE_ROLE] = "an action may not say that",
        [AMA_VOICE_DECODE] = "a message that can not be read",
        [AMA_VOICE_TOKEN] = "a token that is not this attempt's",
        [AMA_VOICE_STALE] = "this attempt's token, for another run, action, try or epoch",
        [AMA_VOICE_EXPIRED] = "the lease is over",
        [AMA_VOICE_REPLAY] = "a message that was said before",
        [AMA_VOICE_INVALID] = "no name, or a path that is not absolute",
        [AMA_VOICE_LIMIT] = "it has said as much as one attempt may",
    };

    return names[reason];
}

ama_voice_t *ama_voice_new (const ama_voice_pass_t *pass, const char *action, const ama_voice_port_t *port)
{
    ama_voice_t *voice = ama_calloc (1, sizeof *voice);

    *voice = (ama_voice_t){ .pass = *pass, .action = ama_strdup (action), .port = *port };
    return voice;
}

void ama_voice_destroy (ama_voice_t **voice_p)
{
    ama_voice_t *voice = *voice_p;

    if (!voice)
        return;
    *voice_p = NULL;
    ama_str_done (&voice->bytes);
    free (voice->nonces);
    free (voice->action);
    free (voice);
}

const ama_voice_pass_t *ama_voice_pass (const ama_voice_t *voice)
{
    return &voice->pass;
}

uint64_t ama_voice_heard (const ama_voice_t *voice)
{
    return voice->n_heard;
}

uint64_t ama_voice_refused (const ama_voice_t *voice, ama_voice_reason_t reason)
{
    return voice->refused[reason];
}

static void refuse (ama_voice_t *voice, ama_voice_reason_t reason)
{
    if (voice->refused[reason]++ == 0)
        voice->port.refused (reason, voice->port.arg);
}

/* ---- who speaks ---- */

/* Takes as long for any token. */
static bool is_ours (const ama_voice_t *voice, const ama_attempt_token_t *token)
{
    ama_digest_t hash = ama_digest_of (token->secret.data, token->secret.size);
    bool same = sodium_memcmp (&hash, &voice->pass.hash, sizeof hash) == 0;

    return same && token->secret.size == AMA_VOICE_SECRET;
}

static bool was_heard (const ama_voice_t *voice, uint64_t nonce)
{
    for (size_t i = 0; i < voice->n_heard; i++)
        if (voice->nonces[i] == nonce)
            return true;
    return false;
}

/* 0: it may. */
static int judge (ama_voice_t *voice, const ama_attempt_token_t *token, bool expired, ama_voice_reason_t *ret_reason)
{
    if (!is_ours (voice, token))
        *ret_reason = AMA_VOICE_TOKEN;
    else if (!ama_id_equal (token->run, voice->pass.run) || strcmp (token->action, voice->action) != 0
             || token->no != voice->pass.no || token->epoch != voice->pass.epoch)
        *ret_reason = AMA_VOICE_STALE;
    else if (expired)
        *ret_reason = AMA_VOICE_EXPIRED;
    else if (was_heard (voice, token->nonce))
        *ret_reason = AMA_VOICE_REPLAY;
    else if (voice->n_heard == AMA_VOICE_HEARD_MAX)
        *ret_reason = AMA_VOICE_LIMIT;
    else
        return 0;
    return -1;
}

static void remember (ama_voice_t *voice, uint64_t nonce)
{
    if ((voice->n_heard & (voice->n_heard + 1)) == 0)
        voice->nonces = ama_realloc (voice->nonces, 2 * (voice->n_heard + 1) * sizeof *voice->nonces);
    voice->nonces[voice->n_heard++] = nonce;
}

/* ---- what is said ---- */

static bool is_valid (uint16_t type, const void *body)
{
    const ama_attempt_artifact_t *artifact = body;

    return type != AMA_MSG_ATTEMPT_ARTIFACT || (*artifact->name && artifact->path[0] == '/');
}

static void on_body (ama_voice_t *voice, uint16_t type, const void *body, bool expired)
{
    /* both begin with it */
    const ama_attempt_token_t *token = type == AMA_MSG_ATTEMPT_WARN ? &((const ama_attempt_warn_t *) body)->token
                                                                    : &((const ama_attempt_artifact_t *) body)->token;
    ama_voice_reason_t reason;

    if (judge (voice, token, expired, &reason) < 0) {
        refuse (voice, reason);
        return;
    }
    if (!is_valid (type, body)) {
        refuse (voice, AMA_VOICE_INVALID);
        return;
    }
    remember (voice, token->nonce);
    if (type == AMA_MSG_ATTEMPT_WARN)
        voice->port.warn (body, voice->port.arg);
    else
        voice->port.artifact (body, voice->port.arg);
}

static void on_frame (ama_voice_t *voice, uint16_t type, const char *bytes, size_t size, bool expired)
{
    const ama_message_info_t *info = ama_message_info (type);
    union {
        ama_attempt_warn_t warn;
        ama_attempt_artifact_t artifact;
    } body;

    /* what anybody may say on the hub is not meant here */
    if (!info || info->from_roles != 1u << AMA_ROLE_ATTEMPT
        || (type != AMA_MSG_ATTEMPT_WARN && type != AMA_MSG_ATTEMPT_ARTIFACT)) {
        refuse (voice, AMA_VOICE_ROLE);
        return;
    }
    if (info->decode (bytes, size, &body, NULL) < 0) {
        refuse (voice, AMA_VOICE_DECODE);
        return;
    }
    on_body (voice, type, &body, expired);
    if (type == AMA_MSG_ATTEMPT_WARN)
        ama_attempt_warn_done (&body.warn);
    else
        ama_attempt_artifact_done (&body.artifact);
}

void ama_voice_add (ama_voice_t *voice, const void *bytes, size_t size)
{
    if (!voice->deaf)
        ama_str_add (&voice->bytes, bytes, size);
}

bool ama_voice_waits (const ama_voice_t *voice)
{
    return voice->bytes.size > 0;
}

static uint16_t number (const char *at)
{
    const unsigned char *two = (const unsigned char *) at;

    return (uint16_t) (two[0] | two[1] << 8);
}

void ama_voice_hear (ama_voice_t *voice, bool expired, bool over)
{
    const char *at = voice->bytes.data, *end = at + voice->bytes.size;
    bool whole = true;

    while (whole && end - at >= AMA_VOICE_HEAD) {
        size_t size = number (at + 2);
        if (size > AMA_VOICE_FRAME_MAX - AMA_VOICE_HEAD) {
            voice->deaf = true;
            break;
        }
        whole = (size_t) (end - at) >= AMA_VOICE_HEAD + size;
        if (whole) {
            on_frame (voice, number (at), at + AMA_VOICE_HEAD, size, expired);
            at += AMA_VOICE_HEAD + size;
        }
    }
    if (over && at < end)
        voice->deaf = true;
    if (voice->deaf && at < end) {
        refuse (voice, AMA_VOICE_NO_FRAME);
        at = end;
    }
    ama_str_cut (&voice->bytes, (size_t) (at - voice->bytes.data));
}

/* ---- for who speaks ---- */

int ama_voice_frame (uint16_t type, const void *body, ama_str_t *out, ama_err_t *err)
{
    ama_str_t bytes = { 0 };
    int rc = 0;

    ama_message_info (type)->encode (body, &bytes);
    if (bytes.size > AMA_VOICE_FRAME_MAX - AMA_VOICE_HEAD)
        rc = ama_err_set (err, AMA_E_LIMIT, "that is too long to be said at once: %zu bytes of %d", bytes.size,
                          AMA_VOICE_FRAME_MAX - AMA_VOICE_HEAD);
    else {
        const unsigned char head[AMA_VOICE_HEAD] = { (unsigned char) (type & 0xff), (unsigned char) (type >> 8),
                                                     (unsigned char) (bytes.size & 0xff),
                                                     (unsigned char) (bytes.size >> 8) };
        ama_str_add (out, head, sizeof head);
        ama_str_add (out, bytes.data, bytes.size);
    }
    ama_str_done (&bytes);
    return rc;
}
