/* fuzz_voice.c - whatever an action says: what is heard does not depend on the pieces in which it comes, and only who has the token is heard
 *
 * The first octet is the size of the pieces, the rest what comes in them. The token of the seeds is the right one.
 */
#include "agent/voice.h"

#include "messages/ama_types.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static const uint8_t secret[AMA_VOICE_SECRET] = "0123456789abcdef";
static const ama_id_t run = { { 1, 2, 3 } };

static void check_token (const ama_attempt_token_t *token)
{
    BUG_ON (token->secret.size != sizeof secret || memcmp (token->secret.data, secret, sizeof secret) != 0);
    BUG_ON (!ama_id_equal (token->run, run) || strcmp (token->action, "load") != 0 || token->no != 2
            || token->epoch != 7);
}

static void on_warn (const ama_attempt_warn_t *said, void *arg)
{
    check_token (&said->token);
    ama_str_printf (arg, "warn %s %s %u;", said->text, said->file, (unsigned) said->line);
}

static void on_artifact (const ama_attempt_artifact_t *said, void *arg)
{
    check_token (&said->token);
    BUG_ON (said->path[0] != '/' || !*said->name);
    ama_str_printf (arg, "artifact %s %s;", said->name, said->path);
}

static void on_refused (ama_voice_reason_t reason, void *arg)
{
    ama_str_printf (arg, "refused %s;", ama_voice_reason_name (reason));
}

/* What is heard if it comes in pieces of at most so many octets. */
static void hear (const uint8_t *data, size_t size, size_t piece, ama_str_t *log)
{
    ama_voice_pass_t pass = { .hash = ama_digest_of (secret, sizeof secret), .run = run, .no = 2, .epoch = 7 };
    ama_voice_port_t port = { on_warn, on_artifact, on_refused, log };
    ama_voice_t *voice = ama_voice_new (&pass, "load", &port);
    uint64_t refused = 0;

    for (size_t at = 0; at < size; at += piece) {
        ama_voice_add (voice, data + at, size - at < piece ? size - at : piece);
        ama_voice_hear (voice, false, false);
    }
    ama_voice_hear (voice, false, true);
    BUG_ON (ama_voice_waits (voice) || ama_voice_heard (voice) > AMA_VOICE_HEARD_MAX);
    for (int i = 0; i < AMA_VOICE_REASONS; i++)
        refused += ama_voice_refused (voice, (ama_voice_reason_t) i);
    ama_str_printf (log, "%llu heard, %llu not", (unsigned long long) ama_voice_heard (voice),
                    (unsigned long long) refused);
    ama_voice_destroy (&voice);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    ama_str_t whole = { 0 }, parts = { 0 };

    if (size < 2)
        return 0;
    hear (data + 1, size - 1, size, &whole);
    hear (data + 1, size - 1, (size_t) data[0] + 1, &parts);
    BUG_ON (strcmp (whole.data, parts.data) != 0);
    ama_str_done (&whole);
    ama_str_done (&parts);
    return 0;
}
