/* speech.c - see speech.h; on the agent's thread */
#include "agent/speech.h"

#include "actors/base/ama_log.h"
#include "agent/replay.h"
#include "messages/ama_types.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { EXPIRED = 1, OVER = 2 };

/* ---- what is said ---- */

static void on_warn (const ama_attempt_warn_t *said, void *arg)
{
    ama_attempt_t *attempt = arg;
    ama_report_event_t event = { .type = AMA_EVENT_TYPE_WARNING,
                                 .text = said->text,
                                 .file = *said->file ? said->file : attempt->file,
                                 .has_line = said->line > 0,
                                 .line = said->line };

    ama_attempt_post (attempt, &event);
}

static void on_artifact (const ama_attempt_artifact_t *said, void *arg)
{
    ama_report_event_t event = {
        .type = AMA_EVENT_TYPE_ARTIFACT, .name = said->name, .path = said->path, .media_type = said->media_type
    };

    if (!*event.media_type)
        event.media_type = NULL;
    ama_attempt_post (arg, &event);
}

static void on_refused (ama_voice_reason_t reason, void *arg)
{
    ama_attempt_t *attempt = arg;
    char id[AMA_ID_TEXT];

    ama_log (AMA_LOG_WARN, "agent", "attempt %s of %s: refused, and not told again: %s", ama_id_text (attempt->id, id),
             attempt->action, ama_voice_reason_name (reason));
    if (reason == AMA_VOICE_LIMIT) {
        char text[96];
        (void) snprintf (text, sizeof text, "of what the action says only the first %d messages are kept",
                         AMA_VOICE_HEARD_MAX);
        ama_attempt_warn (attempt, 0, text);
    }
}

void ama_speech_add (ama_attempt_t *attempt, const char *bytes, size_t size)
{
    if (attempt->voice)
        ama_voice_add (attempt->voice, bytes, size);
}

void ama_speech_hear (ama_attempt_t *attempt, bool over)
{
    char flags;

    if (!attempt->voice || !ama_voice_waits (attempt->voice) || ama_replay_playing (attempt))
        return;
    flags = (char) ((over ? OVER : 0) | (ama_ward_expired (attempt->ward) ? EXPIRED : 0));
    ama_attempt_note (attempt, AMA_TAPE_VOICE, &flags, sizeof flags);
    ama_voice_hear (attempt->voice, flags & EXPIRED, over);
}

void ama_speech_play (ama_attempt_t *attempt, const char *flags, size_t size)
{
    if (attempt->voice && size == 1)
        ama_voice_hear (attempt->voice, *flags & EXPIRED, *flags & OVER);
}

/* ---- who may ---- */

static void make_voice (ama_attempt_t *attempt, const ama_voice_pass_t *pass)
{
    const ama_voice_port_t port = { on_warn, on_artifact, on_refused, attempt };

    attempt->voice = ama_voice_new (pass, attempt->action, &port);
}

static int seal (const ama_str_t *bytes, int *ret_fd, ama_err_t *err)
{
    int fd = memfd_create ("pass", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd >= 0 && write (fd, bytes->data, bytes->size) == (ssize_t) bytes->size
        && fcntl (fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0) {
        *ret_fd = fd;
        return 0;
    }
    (void) ama_err_set (err, AMA_E_IO, "no pass for an attempt: %s", strerror (errno));
    if (fd >= 0)
        (void) close (fd);
    return AMA_E_IO;
}

int ama_speech_open (ama_attempt_t *attempt, int *ret_fd, ama_err_t *err)
{
    uint8_t secret[AMA_VOICE_SECRET];
    ama_voice_pass_t pass = { .run = attempt->run, .no = attempt->no, .epoch = ama_epoch (attempt->agent->ctx) };
    ama_attempt_pass_t body = { .token = { .secret = { secret, sizeof secret },
                                           .run = pass.run,
                                           .action = attempt->action,
                                           .no = pass.no,
                                           .epoch = pass.epoch } };
    ama_str_t bytes = { 0 };
    int rc;

    randombytes_buf (secret, sizeof secret);
    pass.hash = ama_digest_of (secret, sizeof secret);
    ama_attempt_pass_encode (&body, &bytes);
    rc = seal (&bytes, ret_fd, err);
    sodium_memzero (bytes.data, bytes.size);
    sodium_memzero (secret, sizeof secret);
    ama_str_done (&bytes);
    if (rc == 0)
        make_voice (attempt, &pass);
    return rc;
}

void ama_speech_restore (ama_attempt_t *attempt, const ama_voice_pass_t *pass)
{
    make_voice (attempt, pass);
}

void ama_speech_close (ama_attempt_t *attempt)
{
    uint64_t refused = 0;
    char id[AMA_ID_TEXT];

    for (int reason = 0; attempt->voice && reason < AMA_VOICE_REASONS; reason++)
        refused += ama_voice_refused (attempt->voice, (ama_voice_reason_t) reason);
    if (refused)
        ama_log (AMA_LOG_WARN, "agent", "attempt %s of %s: %llu messages refused in all", ama_id_text (attempt->id, id),
                 attempt->action, (unsigned long long) refused);
    ama_voice_destroy (&attempt->voice);
}
