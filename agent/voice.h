/* voice.h - what an action itself says to its agent, and whether it may
 *
 * It comes as bytes of a pipe that every process of the action may hold: messages of a frame each, u16 type, u16 size (little-endian), then the body as msgpack,
 * AMA_VOICE_FRAME_MAX bytes in all, so that a write of one is not mixed with others. Nothing that is not expressly allowed is heard: the type must be one that
 * the role `attempt` alone may send, and the token in it that of this attempt, of its epoch, while its lease is good; no message counts twice. What is refused
 * changes nothing, is counted, and told once for each reason. Bytes that are no frame end it: nothing after them is read.
 *
 * Pure: no I/O, no clock, no random. What comes is heard when ama_voice_hear says so.
 */
#ifndef AMA_AGENT_VOICE_H
#define AMA_AGENT_VOICE_H

#include "actors/base/ama_digest.h"
#include "messages/attempt.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    AMA_VOICE_FRAME_MAX = 4096, /* PIPE_BUF */
    AMA_VOICE_HEAD = 4,
    AMA_VOICE_SECRET = 16,
    AMA_VOICE_HEARD_MAX = 1000, /* messages of one attempt */
};

typedef enum {
    AMA_VOICE_NO_FRAME, /* bytes that are none, or one that is cut off */
    AMA_VOICE_ROLE,     /* a message that no action may send */
    AMA_VOICE_DECODE,
    AMA_VOICE_TOKEN,   /* guessed, or another attempt's, running or ended */
    AMA_VOICE_STALE,   /* the right token with another run, action, try or epoch */
    AMA_VOICE_EXPIRED, /* the lease is over */
    AMA_VOICE_REPLAY,
    AMA_VOICE_INVALID, /* a path that is not absolute, an empty name */
    AMA_VOICE_LIMIT,   /* it has said enough */
    AMA_VOICE_REASONS,
} ama_voice_reason_t;

const char *ama_voice_reason_name (ama_voice_reason_t reason);

/* Who may speak. */
typedef struct {
    ama_digest_t hash; /* of the secret */
    ama_id_t run;
    uint32_t no;
    uint64_t epoch;
} ama_voice_pass_t;

/* Borrowed for the call. */
typedef struct {
    void (*warn) (const ama_attempt_warn_t *said, void *arg);
    void (*artifact) (const ama_attempt_artifact_t *said, void *arg);
    void (*refused) (ama_voice_reason_t reason, void *arg); /* the first of that reason */
    void *arg;
} ama_voice_port_t;

typedef struct ama_voice ama_voice_t;

ama_voice_t *ama_voice_new (const ama_voice_pass_t *pass, const char *action, const ama_voice_port_t *port);
void ama_voice_destroy (ama_voice_t **voice);
const ama_voice_pass_t *ama_voice_pass (const ama_voice_t *voice);

void ama_voice_add (ama_voice_t *voice, const void *bytes, size_t size);
/* Is there anything to be heard? */
bool ama_voice_waits (const ama_voice_t *voice);
/* What has come; expired: the lease is over. A frame of which a part is missing waits, unless over: nothing more comes. */
void ama_voice_hear (ama_voice_t *voice, bool expired, bool over);

uint64_t ama_voice_heard (const ama_voice_t *voice);
uint64_t ama_voice_refused (const ama_voice_t *voice, ama_voice_reason_t reason);

/* For who speaks: appends a frame. AMA_E_LIMIT: too long; nothing is appended. body: of `type`. */
int ama_voice_frame (uint16_t type, const void *body, ama_str_t *out, ama_err_t *err);

#endif
