/* ama_hub_door.c - who comes in over tcp: the hub's own look at the key, and the end of those whose key was taken out. On the hub's thread.
 *
 * libzmq has asked the ZAP handler already. This is the second check: it holds when the handler is not there (then libzmq lets everybody in), when
 * a key was taken out after the handshake, and it is the only one that knows roles.
 */
#include "actors/base/ama_log.h"
#include "actors/runtime/ama_hub_inside.h"
#include "messages/ama_message.h"

#include <stdio.h>
#include <string.h>

enum { ALARM_EVERY_MS = 60000 };

const ama_key_t *ama_hub_key_of_sender (ama_hub_t *hub)
{
    const char *key = zmq_msg_gets (hub->peer_frame, "User-Id");

    return key && hub->allowed.file && !hub->allowed.broken ? ama_keys_find (&hub->allowed.keys, key) : NULL;
}

bool ama_hub_may_speak (ama_hub_t *hub, ama_peer_t peer)
{
    if (ama_packet_from (hub->peer_frame) != AMA_FROM_TCP || ama_hub_key_of_sender (hub))
        return true;
    ama_hub_check_keys (hub); /* the handler may have seen a new list before us */
    if (ama_hub_key_of_sender (hub))
        return true;
    hub->count.refused++;
    if (!ama_members_is_barred (&hub->members, peer)) {
        ama_control_error_t body = { .code = AMA_E_AUTH, .text = "the key is not allowed here" };
        ama_log (AMA_LOG_WARN, "hub", "a peer at %s without an allowed key is not heard",
                 zmq_msg_gets (hub->peer_frame, "Peer-Address"));
        ama_members_bar (&hub->members, peer);
        ama_hub_say_to_peer (hub, peer, AMA_MSG_CONTROL_ERROR, 0, 0, &body);
    }
    return false;
}

/* Whose key says something else now has to join again; whose key is not there any more may not. */
static void judge_again (ama_hub_t *hub, ama_member_t *member)
{
    const ama_key_t *key = ama_keys_find (&hub->allowed.keys, member->key);
    ama_control_error_t body = { .code = AMA_E_AUTH, .text = "the key was revoked" };

    if (key && key->role == member->key_role && strcmp (key->name, member->key_name) == 0)
        return;
    ama_log (AMA_LOG_INFO, "hub", "%s is cut off: the key of %s was %s", member->name, member->key_name,
             key ? "changed" : "revoked");
    hub->count.cut++;
    if (key)
        ama_hub_say (hub, member, AMA_MSG_CONTROL_WHO, 0, 0, NULL);
    else {
        ama_members_bar (&hub->members, member->peer);
        ama_hub_say (hub, member, AMA_MSG_CONTROL_ERROR, 0, 0, &body);
    }
    ama_hub_mark_leaving (hub, member);
}

void ama_hub_check_keys (ama_hub_t *hub)
{
    ama_err_t err;

    if (!hub->allowed.file || !ama_keys_refresh (&hub->allowed, &err) || hub->allowed.broken)
        return; /* that it can not be read is said by the ZAP handler */
    for (ama_member_t *member = hub->members.by_peer; member; member = member->hh_peer.next)
        if (member->far && !member->leaving)
            judge_again (hub, member);
}

void ama_hub_alarm (ama_hub_t *hub, ama_member_t *member)
{
    int64_t now_ms = ama_loop_turn_ms (hub->loop);

    if (member->alarmed_ms && now_ms - member->alarmed_ms < ALARM_EVERY_MS)
        return;
    member->alarmed_ms = now_ms;
    ama_log (AMA_LOG_ERROR, "hub",
             "the key of %s is used by a second peer, at %s: it is refused; if it is not the same host, revoke the key",
             member->key_name, zmq_msg_gets (hub->peer_frame, "Peer-Address"));
}

void ama_hub_know_key (ama_member_t *member, const ama_key_t *key)
{
    member->far = true;
    member->key_role = key->role;
    memcpy (member->key, key->key, sizeof member->key);
    memcpy (member->key_name, key->name, sizeof member->key_name);
}
