/* ama_hub_owed.c - large requests of clients that were passed on and not answered yet: no more than fit. On the hub's thread.
 *
 * A queue of ZeroMQ counts messages, and a thousand messages may be 8 GB. What waits at an actor is known only by what was not answered, so that
 * is counted, for requests of clients that are large enough to matter: what actors and agents say is held back by credit of its own.
 */
#include "actors/runtime/ama_hub_inside.h"

#include <stdlib.h>
#include <string.h>

enum { SMALL = 4096, OWED_MAX = 16 << 20, FORGOTTEN_MS = 60000 };

struct ama_owed {
    struct {
        ama_peer_t peer;
        uint64_t id;
    } key;
    size_t size;
    int64_t since_ms;
    UT_hash_handle hh;
};

static void drop (ama_hub_t *hub, ama_owed_t *owed)
{
    hub->owed_bytes -= owed->size;
    /* uthash: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    HASH_DEL (hub->owed, owed);
    free (owed);
}

static bool counts (const ama_member_t *member, const ama_envelope_t *envelope, size_t size)
{
    return size >= SMALL && member->role >= AMA_ROLE_OPERATOR && envelope->flags & AMA_FLAG_REQUEST;
}

static bool has_room (const ama_hub_t *hub, size_t size)
{
    return !hub->owed_bytes || hub->owed_bytes + size <= OWED_MAX;
}

static void add (ama_hub_t *hub, const ama_member_t *member, const ama_envelope_t *envelope, size_t size)
{
    ama_owed_t *owed = ama_calloc (1, sizeof *owed);

    owed->key.peer = member->peer;
    owed->key.id = envelope->id;
    owed->size = size;
    owed->since_ms = ama_loop_turn_ms (hub->loop);
    hub->owed_bytes += size;
    HASH_ADD (hh, hub->owed, key, sizeof owed->key, owed);
}

static void answered (ama_hub_t *hub, const ama_member_t *asker, const ama_envelope_t *envelope)
{
    ama_owed_t like, *owed;

    memset (&like, 0, sizeof like);
    like.key.peer = asker->peer;
    like.key.id = envelope->corr;
    HASH_FIND (hh, hub->owed, &like.key, sizeof like.key, owed);
    if (owed)
        drop (hub, owed);
}

ama_hub_sent_t ama_hub_pass (ama_hub_t *hub, const ama_member_t *member, ama_member_t *dst,
                             const ama_envelope_t *envelope, bool keeps)
{
    size_t size = hub->in.body_size;
    bool large = counts (member, envelope, size);
    ama_hub_sent_t sent =
        large && !has_room (hub, size) ? AMA_HUB_FULL : ama_hub_send (hub, dst, &hub->in, hub->in_packet, keeps);

    if (sent == AMA_HUB_SENT && large)
        add (hub, member, envelope, size);
    if (sent == AMA_HUB_SENT && hub->owed && envelope->flags & AMA_FLAG_REPLY)
        answered (hub, dst, envelope);
    return sent;
}

/* An answer that was lost, with an actor that died or by a full backlog. */
void ama_hub_forget_owed (ama_hub_t *hub, bool all)
{
    ama_owed_t *owed, *next;

    HASH_ITER (hh, hub->owed, owed, next)
    {
        if (all || ama_loop_turn_ms (hub->loop) - owed->since_ms >= FORGOTTEN_MS)
            drop (hub, owed);
    }
}
