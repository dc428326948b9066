/* ama_bundle.c - see its header. Used by ama_link.c and the hub, each on its thread. */
#include "actors/runtime/ama_bundle.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD = 4, ROOM = AMA_BUNDLE_COUNT * 128 + HEAD + AMA_ENVELOPE_MAX + AMA_BUNDLE_SMALL };

_Static_assert(ROOM <= AMA_BUNDLE_MAX, "what is sent can be read");

bool ama_bundle_full (const ama_bundle_t *bundle)
{
    return bundle->count == AMA_BUNDLE_COUNT || bundle->size + HEAD + AMA_ENVELOPE_MAX + AMA_BUNDLE_SMALL > ROOM;
}

static void put_size (uint8_t *at, size_t size)
{
    at[0] = (uint8_t) (size >> 8);
    at[1] = (uint8_t) size;
}

static size_t get_size (const uint8_t *at)
{
    return (size_t) at[0] << 8 | at[1];
}

void ama_bundle_add (ama_bundle_t *bundle, const ama_said_t *said, uint64_t seq)
{
    uint8_t *at;

    if (!bundle->bytes)
        bundle->bytes = ama_malloc (ROOM);
    BUG_ON (ama_bundle_full (bundle) || said->envelope_size > AMA_ENVELOPE_MAX || !ama_bundle_takes (said->body_size));
    at = bundle->bytes + bundle->size;
    put_size (at, said->envelope_size);
    put_size (at + 2, said->body_size);
    memcpy (at + HEAD, said->envelope, said->envelope_size);
    ama_envelope_number (at + HEAD, said->envelope_size, seq);
    if (said->body_size)
        memcpy (at + HEAD + said->envelope_size, said->body, said->body_size);
    bundle->size += HEAD + said->envelope_size + said->body_size;
    bundle->count++;
}

void ama_bundle_clear (ama_bundle_t *bundle)
{
    bundle->size = 0;
    bundle->count = 0;
}

void ama_bundle_done (ama_bundle_t *bundle)
{
    free (bundle->bytes);
    *bundle = (ama_bundle_t){ 0 };
}

bool ama_bundle_next (uint8_t **at, const uint8_t *end, ama_said_t *ret_said)
{
    uint8_t *head = *at;

    if (head == end)
        return false;
    ret_said->envelope = head + HEAD;
    ret_said->envelope_size = get_size (head);
    ret_said->body = head + HEAD + ret_said->envelope_size;
    ret_said->body_size = get_size (head + 2);
    *at = ret_said->envelope + ret_said->envelope_size + ret_said->body_size;
    return true;
}

int ama_bundle_check (const void *bytes, size_t size, ama_err_t *err)
{
    const uint8_t *head = bytes, *end = head + size;

    if (size > AMA_BUNDLE_MAX)
        return ama_err_set (err, AMA_E_LIMIT, "a bundle of %zu bytes, the limit is %u", size, AMA_BUNDLE_MAX);
    if (!size)
        return ama_err_set (err, AMA_E_DECODE, "an empty bundle");
    while (head < end) {
        size_t left = (size_t) (end - head);
        if (left < HEAD || left - HEAD < get_size (head) + get_size (head + 2))
            return ama_err_set (err, AMA_E_DECODE, "a bundle ends within a message");
        head += HEAD + get_size (head) + get_size (head + 2);
    }
    return 0;
}
