/* ama_members.c - the table of a hub's members. Used by ama_hub.c on the hub's thread. */
#include "actors/runtime/ama_members.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

enum { PEER_BYTES = 5 };

ama_peer_t ama_peer_of (zmq_msg_t *frame)
{
    const uint8_t *bytes = zmq_msg_data (frame);
    ama_peer_t peer = 1; /* so that no peer is 0 */

    if (zmq_msg_size (frame) != PEER_BYTES || bytes[0] != 0)
        return 0;
    for (int i = 1; i < PEER_BYTES; i++)
        peer = peer << 8 | bytes[i];
    return peer;
}

void ama_peer_frame (ama_peer_t peer, zmq_msg_t *frame)
{
    uint8_t *bytes;

    BUG_ON (zmq_msg_init_size (frame, PEER_BYTES) < 0);
    bytes = zmq_msg_data (frame);
    bytes[0] = 0;
    for (int i = PEER_BYTES - 1; i > 0; i--, peer >>= 8)
        bytes[i] = (uint8_t) peer;
}

/* `planner.2`, and nothing that has a folder. */
static bool is_other (const char *name)
{
    return strchr (name, '.') && !strchr (name, '/');
}

ama_member_t *ama_members_add (ama_members_t *members, ama_peer_t peer, const char *name)
{
    ama_member_t *member = ama_calloc (1, sizeof *member);

    member->peer = peer;
    member->pidfd = -1;
    (void) snprintf (member->name, sizeof member->name, "%s", name);
    members->n_others += is_other (member->name);
    HASH_ADD (hh_peer, members->by_peer, peer, sizeof member->peer, member);
    HASH_ADD_KEYPTR (hh_name, members->by_name, member->name, strlen (member->name), member);
    return member;
}

ama_member_t *ama_members_of_peer (ama_members_t *members, ama_peer_t peer)
{
    ama_member_t *member = members->recent;

    if (member && member->peer == peer)
        return member;
    HASH_FIND (hh_peer, members->by_peer, &peer, sizeof peer, member);
    if (member)
        members->recent = member;
    return member;
}

ama_member_t *ama_members_named (const ama_members_t *members, const char *name)
{
    ama_member_t *member;

    HASH_FIND (hh_name, members->by_name, name, strlen (name), member);
    return member;
}

static bool is_one_of (const ama_member_t *member, const char *name)
{
    return !member->leaving && ama_name_means (name, member->name);
}

/* The role of the actor of that name, or AMA_ROLE_NONE. */
static ama_role_t role_of_actor (const char *name)
{
    char base[AMA_NAME_MAX];
    ama_role_t role;

    (void) snprintf (base, sizeof base, "%.*s", (int) strcspn (name, "."), name);
    if (ama_role_parse (base, &role) < 0 || role < AMA_ROLE_FETCHER || role > AMA_ROLE_DEPOT)
        return AMA_ROLE_NONE;
    return !strchr (name, '.') || role <= AMA_ROLE_RESOLVER ? role : AMA_ROLE_NONE;
}

ama_member_t *ama_members_share (ama_members_t *members, const char *name, uint64_t id)
{
    size_t n = 0, no;
    ama_role_t role = members->n_others ? role_of_actor (name) : AMA_ROLE_NONE;
    ama_member_t *member;

    if (role < AMA_ROLE_FETCHER || role > AMA_ROLE_RESOLVER)
        return ama_members_named (members, name);
    for (member = members->by_name; member; member = member->hh_name.next)
        n += is_one_of (member, name);
    no = n ? members->turns[role]++ % n : 0;
    for (member = members->by_name; member; member = member->hh_name.next)
        if (is_one_of (member, name) && no-- == 0) {
            members->asked[id % AMA_ASKED_MAX].id = id;
            members->asked[id % AMA_ASKED_MAX].peer = member->peer;
            return member;
        }
    return NULL;
}

ama_member_t *ama_members_asked (ama_members_t *members, const char *name, uint64_t id)
{
    if (id && members->asked[id % AMA_ASKED_MAX].id == id)
        return ama_members_of_peer (members, members->asked[id % AMA_ASKED_MAX].peer);
    return ama_members_named (members, name);
}

static ama_role_t placed_role (const ama_control_hello_t *hello, const char *const *placed)
{
    for (; placed && *placed; placed++)
        if (strcmp (*placed, hello->name) == 0)
            return role_of_actor (hello->name) == hello->role ? hello->role : AMA_ROLE_NONE;
    return AMA_ROLE_NONE;
}

ama_role_t ama_members_role (const ama_control_hello_t *hello, bool remote, const char *const *placed)
{
    bool agent_name = ama_str_starts (hello->name, "agent/");

    if (!remote)
        return strcmp (hello->name, "hub") != 0 && hello->role != AMA_ROLE_ATTEMPT ? hello->role : AMA_ROLE_NONE;
    if (!strchr (hello->name, '/'))
        return placed_role (hello, placed);
    switch (hello->role) {
    case AMA_ROLE_AGENT:
        return agent_name ? hello->role : AMA_ROLE_NONE;
    case AMA_ROLE_OPERATOR:
    case AMA_ROLE_SUBMITTER:
    case AMA_ROLE_VIEWER:
        return agent_name ? AMA_ROLE_NONE : hello->role;
    default:
        return AMA_ROLE_NONE;
    }
}

ama_role_t ama_members_far_role (const ama_control_hello_t *hello, const ama_key_t *key)
{
    static const ama_role_t people[] = { AMA_ROLE_OPERATOR, AMA_ROLE_SUBMITTER,
                                         AMA_ROLE_VIEWER }; /* by ama_key_role_t */
    bool agent = ama_str_starts (hello->name, "agent/");

    switch (key->role) {
    case AMA_KEY_AGENT:
        return agent && hello->role == AMA_ROLE_AGENT && strcmp (hello->name + strlen ("agent/"), key->name) == 0
                   ? AMA_ROLE_AGENT
                   : AMA_ROLE_NONE;
    case AMA_KEY_ACTOR:
        return strcmp (hello->name, key->name) == 0 && role_of_actor (hello->name) == hello->role ? hello->role
                                                                                                  : AMA_ROLE_NONE;
    default:
        if (agent || !strchr (hello->name, '/') || hello->role < AMA_ROLE_OPERATOR || hello->role > AMA_ROLE_VIEWER)
            return AMA_ROLE_NONE;
        return hello->role > people[key->role] ? hello->role : people[key->role];
    }
}

int ama_member_in_order (ama_member_t *member, uint64_t seq, ama_err_t *err)
{
    uint64_t last = member->heard;

    if (seq <= last)
        return ama_err_set (err, AMA_E_REPLAY, "message %llu came after message %llu", (unsigned long long) seq,
                            (unsigned long long) last);
    if (seq - last > 1 + member->unread)
        return ama_err_set (err, AMA_E_INTEGRITY, "message %llu came where %llu was due: what is between them is lost",
                            (unsigned long long) seq, (unsigned long long) last + 1);
    member->heard = seq;
    member->unread = 0;
    return 0;
}

int ama_member_in_time (ama_member_t *member, const ama_envelope_t *envelope, uint64_t epoch, const char **ret_text)
{
    bool request = envelope->flags & AMA_FLAG_REQUEST;

    if (envelope->epoch && envelope->epoch != epoch) {
        bool over = envelope->epoch < epoch;
        *ret_text = over ? "said in an epoch that is over" : "said in an epoch that has not begun";
        return over ? AMA_E_STALE : AMA_E_INVALID;
    }
    if (request && envelope->id <= member->asked) {
        *ret_text = "a request that was said before";
        return AMA_E_REPLAY;
    }
    if (request)
        member->asked = envelope->id;
    return 0;
}

void ama_members_bar (ama_members_t *members, ama_peer_t peer)
{
    members->barred[members->n_barred++ % AMA_BARRED_MAX] = peer;
}

bool ama_members_is_barred (const ama_members_t *members, ama_peer_t peer)
{
    size_t n = members->n_barred < AMA_BARRED_MAX ? members->n_barred : AMA_BARRED_MAX;

    for (size_t i = 0; i < n; i++)
        if (members->barred[i] == peer)
            return true;
    return false;
}

void ama_members_remove (ama_members_t *members, ama_member_t *member)
{
    if (members->recent == member)
        members->recent = NULL;
    members->n_others -= is_other (member->name);
    HASH_DELETE (hh_peer, members->by_peer, member);
    HASH_DELETE (hh_name, members->by_name, member);
    ama_watch_destroy (&member->watch);
    if (member->pidfd >= 0)
        (void) close (member->pidfd);
    ama_backlog_clear (&member->backlog);
    if (member->unsent)
        LL_DELETE2 (members->unsent, member, next_unsent);
    ama_bundle_done (&member->bundle);
    free (member);
}
