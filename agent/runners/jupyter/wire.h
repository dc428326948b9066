/* wire.h - the Jupyter wire format (messaging protocol 5.x): signed messages as frames
 *
 * identities…, "<IDS|MSG>", HMAC-SHA256 of the next four in hex, header, parent header, metadata, content; buffers may follow. Pure but for the
 * date in a header, which the caller gives.
 */
#ifndef AMA_AGENT_JUPYTER_WIRE_H
#define AMA_AGENT_JUPYTER_WIRE_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"
#include "actors/runtime/ama_sock.h"

#include <jansson.h>

#define AMA_JUPYTER_ID    96          /* bytes of a message id of ours, with NUL */
#define AMA_JUPYTER_FRAME (16u << 20) /* bytes of a frame */

/* A message that came. Strings borrow from the JSON beside them. */
typedef struct {
    const char *type;
    const char *parent;                                  /* id of the message that caused it, "" for none */
    json_t *header, *parent_header, *content, *metadata; /* objects; owned */
} ama_jupyter_message_t;

/* AMA_E_DECODE: no delimiter, frames missing, not JSON, a header without type; AMA_E_AUTH: wrong signature; AMA_E_LIMIT: a frame too long. The
 * signature is compared in constant time and before anything is parsed. key "": not signed. */
int ama_jupyter_unpack (const ama_frame_t *frames, size_t n_frames, const char *key, ama_jupyter_message_t *ret_message,
                        ama_err_t *err);
void ama_jupyter_message_done (ama_jupyter_message_t *message);

/* A message to be sent: six frames without identities. */
typedef struct {
    char signature[65];
    char *parts[4]; /* owned */
    ama_frame_t frames[6];
} ama_jupyter_packed_t;

typedef struct {
    const char *key;     /* "": not signed */
    const char *session; /* of this client */
    const char *id;      /* of this message */
    const char *type;
    const char *date;       /* ISO 8601 */
    const json_t *metadata; /* NULL: empty */
    const json_t *content;  /* NULL: empty */
} ama_jupyter_outgoing_t;
void ama_jupyter_pack (const ama_jupyter_outgoing_t *message, ama_jupyter_packed_t *ret_packed);
void ama_jupyter_packed_done (ama_jupyter_packed_t *packed);

/* Where the sockets of a connection are: shell, iopub, stdin, control, heartbeat, from 1. */
typedef struct {
    const char *prefix; /* ipc: <prefix>-1 … <prefix>-5; "" with ports */
    uint16_t ports[5];  /* of 127.0.0.1; 0: ipc */
} ama_jupyter_place_t;

#define AMA_JUPYTER_ENDPOINT 160
/* number: from 1. 0 or AMA_E_INVALID: the path is too long for a socket. */
int ama_jupyter_endpoint (const ama_jupyter_place_t *place, int number, char out[AMA_JUPYTER_ENDPOINT], ama_err_t *err);
/* The text of a connection file. Returns owned. */
json_t *ama_jupyter_connection (const ama_jupyter_place_t *place, const char *key);

/* A member that is a string, or "". */
const char *ama_jupyter_string (const json_t *object, const char *name);

#endif
