/* ama_hub_join.c - who may join a hub, under which name and role, and who makes room for whom. On the hub's thread, called by ama_hub.c. */
#include "actors/base/ama_failpoint.h"
#include "actors/runtime/ama_hub_inside.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void welcome (ama_hub_t *hub, ama_member_t *member, const ama_envelope_t *envelope)
{
    ama_control_welcome_t body = { .epoch = hub->epoch, .role = member->role, .bundles = true };

    ama_hub_say (hub, member, AMA_MSG_CONTROL_WELCOME, AMA_FLAG_REPLY, envelope->id, &body);
}

/* A name is taken over only by a newer self of the same kind. False: answered already. */
static bool make_room (ama_hub_t *hub, ama_peer_t peer, const ama_envelope_t *envelope,
                       const ama_control_hello_t *hello, ama_role_t role, bool remote, const ama_key_t *key)
{
    ama_member_t *old = ama_members_named (&hub->members, hello->name);
    ama_control_error_t stale = { .code = AMA_E_STALE, .text = "another process has joined under this name" };

    if (!old)
        return true;
    if (ama_id_compare (hello->incarnation, old->incarnation) == 0 && old->peer == peer) {
        old->heard = envelope->seq;
        welcome (hub, old, envelope); /* said twice */
        return false;
    }
    if ((old->peer != peer && (!old->remote || !remote)) || old->role != role
        || strcmp (old->key, key ? key->key : "") != 0) {
        ama_hub_deny (hub, peer, envelope, AMA_E_ROLE, "the name belongs to another");
        return false;
    }
    if (key && old->peer != peer && role < AMA_ROLE_OPERATOR) { /* of two agents with one key, one has stolen it */
        ama_hub_alarm (hub, old);
        ama_hub_deny (hub, peer, envelope, AMA_E_EXISTS, "another process has joined with this key");
        ama_hub_ping (hub, old);
        return false;
    }
    if (ama_id_compare (hello->incarnation, old->incarnation) <= 0) {
        ama_hub_deny (hub, peer, envelope, AMA_E_EXISTS, "a newer process has joined under this name");
        ama_hub_ping (hub, old); /* if it is dead, the socket says so now, and the next hello succeeds */
        return false;
    }
    if (old->peer != peer)
        ama_hub_say (hub, old, AMA_MSG_CONTROL_ERROR, 0, 0, &stale);
    ama_hub_remove (hub, old);
    return true;
}

void ama_hub_on_hello (ama_hub_t *hub, ama_peer_t peer, const ama_envelope_t *envelope,
                       const ama_control_hello_t *hello)
{
    unsigned uid = 0;
    int pid = 0;
    ama_from_t from = ama_packet_from (hub->peer_frame);
    bool remote = from != AMA_FROM_THREAD;
    const ama_key_t *key = from == AMA_FROM_TCP ? ama_hub_key_of_sender (hub) : NULL;
    ama_role_t role = from != AMA_FROM_TCP ? ama_members_role (hello, remote, hub->placed)
                      : key                ? ama_members_far_role (hello, key)
                                           : AMA_ROLE_NONE;
    ama_member_t *member = ama_members_of_peer (&hub->members, peer);

    if (envelope->seq != 1) {
        ama_hub_deny (hub, peer, envelope, AMA_E_INVALID, "a hello is message 1 of its sender");
        return;
    }
    /* the decoded envelope has shown that src is a proper name */
    if (!hello->name[0] || strcmp (hello->name, envelope->src) != 0
        || (member && strcmp (member->name, hello->name) != 0)) {
        ama_hub_deny (hub, peer, envelope, AMA_E_INVALID, "the name is not the sender's");
        return;
    }
    if (from == AMA_FROM_PROCESS && (!ama_peer_process (hub->peer_frame, &uid, &pid) || uid != geteuid ()))
        role = AMA_ROLE_NONE;
    if (role == AMA_ROLE_NONE) {
        ama_hub_deny (hub, peer, envelope, AMA_E_ROLE, "this peer may not have that name and role");
        return;
    }
    if (!make_room (hub, peer, envelope, hello, role, remote, key))
        return;
    member = ama_members_add (&hub->members, peer, hello->name);
    member->role = role;
    member->incarnation = hello->incarnation;
    member->remote = remote;
    if (key)
        ama_hub_know_key (member, key);
    member->heard = envelope->seq;
    member->heard_ms = ama_loop_turn_ms (hub->loop);
    if (pid > 0)
        ama_hub_watch_process (hub, member, pid);
    AMA_FAILPOINT (hub, registered);
    welcome (hub, member, envelope);
    member->bundles = hello->bundles; /* not before: it does not know yet that we do */
}
