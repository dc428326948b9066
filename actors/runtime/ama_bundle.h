/* ama_bundle.h - small messages to one receiver, put together into one frame (internal to actors/runtime)
 *
 * Pure. A frame costs a queue, a lock's worth of memory traffic and often an allocation, whatever is in it; who has much to say to one receiver
 * in one go says it in one. Layout: PROTOCOL.md §1.
 */
#ifndef AMA_RUNTIME_BUNDLE_H
#define AMA_RUNTIME_BUNDLE_H

#include "messages/ama_envelope.h"

#include <stdbool.h>

#define AMA_BUNDLE_SMALL 1024        /* bytes of a body that goes into one */
#define AMA_BUNDLE_COUNT 32          /* messages of one that we send */
#define AMA_BUNDLE_MAX   (64u << 10) /* bytes of one that is read */

/* A message as bytes, wherever they lie. */
typedef struct {
    uint8_t *envelope; /* may be written: the hub gives it another number */
    const void *body;
    size_t envelope_size, body_size;
} ama_said_t;

/* What was put together and is not sent yet. Zero-initialise. */
typedef struct {
    uint8_t *bytes; /* ours */
    size_t size;
    unsigned count;
} ama_bundle_t;

static inline bool ama_bundle_takes (size_t body_size)
{
    return body_size <= AMA_BUNDLE_SMALL;
}

/* No room for another small message. */
bool ama_bundle_full (const ama_bundle_t *bundle);
/* Appends a small message to one that is not full, with the number seq. */
void ama_bundle_add (ama_bundle_t *bundle, const ama_said_t *said, uint64_t seq);
void ama_bundle_clear (ama_bundle_t *bundle); /* keeps its memory */
void ama_bundle_done (ama_bundle_t *bundle);

/* Whether the bytes are messages one after the other, at least one, and nothing else; what is in them is not looked at. 0, AMA_E_LIMIT or AMA_E_DECODE. */
int ama_bundle_check (const void *bytes, size_t size, ama_err_t *err);
/* The message at *at of checked bytes, and moves *at behind it. ret_said points into them. False: there is none, *at is the end. */
bool ama_bundle_next (uint8_t **at, const uint8_t *end, ama_said_t *ret_said);

#endif
