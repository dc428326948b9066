/* ama_envelope.h - the frame in front of every message body
 *
 * Wire: frame 0 is the msgpack array [magic, version, type, flags, src, dst, id, corr, epoch, role, user, window, seq, deadline], frame 1 the
 * body, a msgpack map with integer keys (PROTOCOL.md). Names are of [A-Za-z0-9._/@-] and may be empty before the hub has stamped them.
 * The hub stamps `src`, `role` and `user` from what it knows of the peer; a sender can not forge them. `seq` belongs to one link: whoever puts
 * the frame on a socket writes it.
 */
#ifndef AMA_MESSAGES_ENVELOPE_H
#define AMA_MESSAGES_ENVELOPE_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

#include <stdint.h>

#define AMA_ENVELOPE_MAGIC   0x414d /* "AM" */
#define AMA_ENVELOPE_VERSION 1
#define AMA_NAME_MAX         128        /* bytes of a logical name, with NUL */
#define AMA_USER_MAX         65         /* likewise of the name of a key */
#define AMA_BODY_MAX         (8u << 20) /* bytes of one body */
#define AMA_ENVELOPE_MAX     512        /* bytes of frame 0 */

typedef enum {
    AMA_FLAG_REQUEST = 1, /* an answer is expected: `id` is the correlation id of it */
    AMA_FLAG_REPLY = 2,   /* answers the request named by `corr` */
    AMA_FLAG_MORE = 4,    /* with REPLY: one part of a stream, others follow */
    AMA_FLAG_ERROR = 8,   /* with REPLY: the body is control.error */
} ama_flag_t;

typedef struct {
    uint16_t type;          /* AMA_MSG_… */
    uint32_t flags;         /* ama_flag_t */
    char src[AMA_NAME_MAX]; /* logical name of the sender */
    char dst[AMA_NAME_MAX]; /* logical name of the receiver */
    uint64_t id;            /* rises per sender */
    uint64_t corr;          /* id of the request answered; 0 otherwise */
    uint64_t epoch;         /* of the sender's hub at the moment of sending; 0 before welcome */
    uint32_t role;          /* ama_role_t of the sender, stamped by the hub */
    char user
        [AMA_USER_MAX]; /* name of the key the sender came with, stamped by the hub; empty: from this machine, of amad's own user */
    uint32_t window;   /* of a request: bytes of stream parts that may be under way; 0 otherwise */
    uint64_t seq;      /* number of the message on this membership, in this direction; 0 outside of one */
    uint64_t deadline; /* of a request: when its sender stops waiting, ms since 1970, UTC; 0: not known */
} ama_envelope_t;

/* Names are cut at their NUL and not looked at: they are ours. bytes has room for AMA_ENVELOPE_MAX. Returns how many were written. */
size_t ama_envelope_write (const ama_envelope_t *envelope, uint8_t *bytes);
/* The same, appended. */
void ama_envelope_encode (const ama_envelope_t *envelope, ama_str_t *out);

/* Another seq for an encoded envelope, in place: a frame that is passed on is not written anew for its number. */
void ama_envelope_number (void *bytes, size_t size, uint64_t seq);

/* Strict: exact length, types and limits. 0, AMA_E_UNSUPPORTED (another version, an unknown flag), AMA_E_LIMIT (a name or the whole
 * is too long) or AMA_E_DECODE (everything else: magic, length, a character that names do not have, a role above 31, type 0, flags
 * that contradict each other, a request without id, a reply without corr). Whether the type is known, the sender may send it and the
 * epoch is current is for the caller. On failure *ret_envelope is undefined. */
int ama_envelope_decode (const void *bytes, size_t size, ama_envelope_t *ret_envelope, ama_err_t *err);

/* Is who the actor of that name, or one of several of its kind: `planner.2` for `planner`? */
bool ama_name_means (const char *name, const char *who);

#endif
