/* ama_hub_say.c - what the hub sends: messages that are passed on, its own, and its noes. On the hub's thread, called by ama_hub.c.
 *
 * Numbers are given here, one count per member, at the moment when the socket takes the message: those in a backlog have none yet,
 * and one that is refused because a queue is full leaves no gap.
 */
#include "actors/base/ama_log.h"
#include "actors/runtime/ama_ctx.h"
#include "actors/runtime/ama_hub_inside.h"
#include "messages/ama_message.h"

#include <errno.h>
#include <string.h>

enum { RETRY_MS = 5 };

static ama_hub_sent_t put (ama_hub_t *hub, ama_peer_t peer, ama_packet_t *packet)
{
    zmq_msg_t frame;

    ama_peer_frame (peer, &frame);
    ama_source_touch (hub->source);
    if (zmq_msg_send (&frame, hub->socket, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
        ama_hub_sent_t why = errno == EAGAIN ? AMA_HUB_FULL : AMA_HUB_GONE;
        (void) zmq_msg_close (&frame);
        return why;
    }
    (void) ama_packet_send (packet, hub->socket);
    return AMA_HUB_SENT;
}

static ama_hub_sent_t put_numbered (ama_hub_t *hub, ama_member_t *member, ama_packet_t *packet)
{
    ama_hub_sent_t sent;

    ama_packet_number (packet, member->told + 1);
    sent = put (hub, member->peer, packet);
    member->told += sent == AMA_HUB_SENT;
    return sent;
}

void ama_hub_mark_leaving (ama_hub_t *hub, ama_member_t *member)
{
    member->leaving = hub->any_leaving = true;
    ama_source_touch (hub->source); /* see_off comes after the next read */
}

/* Answers, and what belongs to them, are not lost because a receiver is slow. */
static void keep (ama_hub_t *hub, ama_member_t *member, ama_packet_t *packet)
{
    if (!ama_backlog_full (&member->backlog)) {
        ama_backlog_add (&member->backlog, packet);
        ama_timer_after (hub->retry, RETRY_MS);
        return;
    }
    hub->count.dropped++;
    if (member->remote) {
        hub->count.cut++;
        ama_hub_mark_leaving (hub, member);
    }
    ama_log (AMA_LOG_DEBUG, "hub", "%s does not read: its backlog is full", member->name);
}

ama_hub_sent_t ama_hub_send (ama_hub_t *hub, ama_member_t *member, ama_packet_t *packet, bool keeps)
{
    ama_hub_sent_t sent;

    if (member->leaving)
        return AMA_HUB_GONE;
    sent = member->backlog.first ? AMA_HUB_FULL : put_numbered (hub, member, packet);
    if (sent == AMA_HUB_GONE)
        ama_hub_mark_leaving (hub, member);
    if (sent != AMA_HUB_FULL || !keeps)
        return sent;
    keep (hub, member, packet);
    return AMA_HUB_SENT;
}

void ama_hub_flush (void *arg)
{
    ama_hub_t *hub = arg;
    bool again = false;

    for (ama_member_t *member = hub->members.by_peer; member; member = member->hh_peer.next) {
        ama_hub_sent_t sent = AMA_HUB_SENT;
        while (member->backlog.first && !member->leaving && sent == AMA_HUB_SENT) {
            sent = put_numbered (hub, member, member->backlog.first);
            if (sent == AMA_HUB_SENT)
                ama_backlog_drop_first (&member->backlog);
            if (sent == AMA_HUB_GONE)
                ama_hub_mark_leaving (hub, member);
        }
        again |= sent == AMA_HUB_FULL;
    }
    if (again)
        ama_timer_after (hub->retry, RETRY_MS);
}

/* ---- the hub's own messages ---- */

static void make_own (ama_hub_t *hub, ama_packet_t *packet, const char *dst, uint16_t type, uint32_t flags,
                      uint64_t corr, const void *body)
{
    ama_envelope_t envelope;

    ama_envelope_to (&envelope, dst, type, flags);
    memcpy (envelope.src, "hub", sizeof "hub");
    envelope.id = flags & AMA_FLAG_REQUEST ? ++hub->last_id : 0;
    envelope.corr = corr;
    envelope.epoch = hub->epoch;
    envelope.role = AMA_ROLE_HUB;
    ama_str_clear (&hub->body);
    if (body)
        ama_message_info (type)->encode (body, &hub->body);
    else
        ama_str_putc (&hub->body, (char) 0x80); /* a map without entries */
    ama_packet_make (packet, &envelope, &hub->body);
}

void ama_hub_say_to_peer (ama_hub_t *hub, ama_peer_t peer, uint16_t type, uint32_t flags, uint64_t corr,
                          const void *body)
{
    make_own (hub, &hub->out, "", type, flags, corr, body);
    (void) put (hub, peer, &hub->out);
}

void ama_hub_say (ama_hub_t *hub, ama_member_t *member, uint16_t type, uint32_t flags, uint64_t corr, const void *body)
{
    make_own (hub, &hub->out, member->name, type, flags, corr, body);
    (void) ama_hub_send (hub, member, &hub->out, true);
}

void ama_hub_answer (ama_hub_t *hub, ama_member_t *member, uint16_t type, uint64_t corr, const void *body)
{
    make_own (hub, hub->in, member->name, type, AMA_FLAG_REPLY, corr, body);
    (void) ama_hub_send (hub, member, hub->in, true);
}

void ama_hub_refuse (ama_hub_t *hub, ama_member_t *member, const ama_envelope_t *envelope, int code, const char *text)
{
    ama_control_error_t body = { .code = code, .text = (char *) text };

    hub->count.refused++;
    if (envelope->flags & AMA_FLAG_REQUEST)
        ama_hub_say (hub, member, AMA_MSG_CONTROL_ERROR, AMA_FLAG_REPLY | AMA_FLAG_ERROR, envelope->id, &body);
    else
        ama_log (AMA_LOG_DEBUG, "hub", "dropped 0x%04x from %s to %s: %s", envelope->type, member->name, envelope->dst,
                 text);
}

void ama_hub_deny (ama_hub_t *hub, ama_peer_t peer, const ama_envelope_t *envelope, int code, const char *text)
{
    ama_control_error_t body = { .code = code, .text = (char *) text };
    bool asked = envelope->flags & AMA_FLAG_REQUEST;

    hub->count.refused++;
    ama_hub_say_to_peer (hub, peer, AMA_MSG_CONTROL_ERROR, asked ? AMA_FLAG_REPLY | AMA_FLAG_ERROR : 0,
                         asked ? envelope->id : 0, &body);
}
