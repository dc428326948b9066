/* ama_hub_say.c - what the hub sends: messages that are passed on, its own, and its noes. On the hub's thread, called by ama_hub.c.
 *
 * Numbers are given here, one count per member, at the moment when the member's bundle or the socket takes the message: those in a backlog have
 * none yet, and one that is refused because a queue is full leaves no gap.
 */
#include "actors/base/ama_log.h"
#include "actors/runtime/ama_ctx.h"
#include "actors/runtime/ama_hub_inside.h"
#include "messages/ama_message.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

enum { RETRY_MS = 5 };

/* The frame that names the receiver; once it is in, what follows has its place. */
static ama_hub_sent_t address (ama_hub_t *hub, ama_peer_t peer)
{
    zmq_msg_t frame;
    ama_hub_sent_t why;

    ama_peer_frame (peer, &frame);
    ama_source_touch (hub->source);
    if (zmq_msg_send (&frame, hub->socket, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
        return AMA_HUB_SENT;
    why = errno == EAGAIN ? AMA_HUB_FULL : AMA_HUB_GONE;
    (void) zmq_msg_close (&frame);
    return why;
}

static ama_hub_sent_t put (ama_hub_t *hub, ama_peer_t peer, ama_packet_t *packet)
{
    ama_hub_sent_t sent = address (hub, peer);

    if (sent == AMA_HUB_SENT)
        (void) ama_packet_send (packet, hub->socket);
    return sent;
}

static ama_hub_sent_t send_bundle (ama_hub_t *hub, ama_member_t *member)
{
    ama_hub_sent_t sent = member->bundle.count ? address (hub, member->peer) : AMA_HUB_SENT;

    if (sent == AMA_HUB_SENT && member->bundle.count)
        (void) ama_bundle_send (&member->bundle, hub->socket);
    return sent;
}

static ama_hub_sent_t bundle_up (ama_hub_t *hub, ama_member_t *member, const ama_said_t *said)
{
    ama_hub_sent_t sent = ama_bundle_full (&member->bundle) ? send_bundle (hub, member) : AMA_HUB_SENT;

    if (sent != AMA_HUB_SENT)
        return sent;
    ama_bundle_add (&member->bundle, said, ++member->told);
    if (!member->unsent) {
        member->unsent = true;
        LL_PREPEND2 (hub->members.unsent, member, next_unsent);
    }
    return AMA_HUB_SENT;
}

static ama_hub_sent_t put_numbered (ama_hub_t *hub, ama_member_t *member, const ama_said_t *said, ama_packet_t *packet)
{
    ama_hub_sent_t sent;

    if (member->bundles && ama_bundle_takes (said->body_size))
        return bundle_up (hub, member, said);
    if ((sent = send_bundle (hub, member)) != AMA_HUB_SENT)
        return sent;
    if (!packet)
        ama_packet_fill (packet = &hub->out, said);
    ama_packet_number (packet, member->told + 1);
    sent = put (hub, member->peer, packet);
    member->told += sent == AMA_HUB_SENT;
    return sent;
}

void ama_hub_last_words (ama_hub_t *hub, ama_member_t *member)
{
    (void) send_bundle (hub, member);
}

void ama_hub_mark_leaving (ama_hub_t *hub, ama_member_t *member)
{
    member->leaving = hub->any_leaving = true;
    ama_source_touch (hub->source); /* see_off comes after the next read */
}

/* Answers, and what belongs to them, are not lost because a receiver is slow. */
static void keep (ama_hub_t *hub, ama_member_t *member, const ama_said_t *said, ama_packet_t *packet)
{
    if (!ama_backlog_full (&member->backlog)) {
        if (!packet)
            ama_packet_fill (packet = &hub->out, said);
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

ama_hub_sent_t ama_hub_send (ama_hub_t *hub, ama_member_t *member, const ama_said_t *said, ama_packet_t *packet,
                             bool keeps)
{
    ama_hub_sent_t sent;

    if (member->leaving)
        return AMA_HUB_GONE;
    sent = member->backlog.first ? AMA_HUB_FULL : put_numbered (hub, member, said, packet);
    if (sent == AMA_HUB_GONE)
        ama_hub_mark_leaving (hub, member);
    if (sent != AMA_HUB_FULL || !keeps)
        return sent;
    keep (hub, member, said, packet);
    return AMA_HUB_SENT;
}

/* True: there is more, and its queue is full. */
static bool flush_member (ama_hub_t *hub, ama_member_t *member)
{
    ama_hub_sent_t sent = member->leaving ? AMA_HUB_GONE : send_bundle (hub, member);

    while (member->backlog.first && sent == AMA_HUB_SENT) {
        ama_said_t said = ama_packet_said (member->backlog.first);
        sent = put_numbered (hub, member, &said, member->backlog.first);
        if (sent == AMA_HUB_SENT)
            ama_backlog_drop_first (&member->backlog);
    }
    if (sent == AMA_HUB_GONE && !member->leaving)
        ama_hub_mark_leaving (hub, member);
    return sent == AMA_HUB_FULL;
}

void ama_hub_flush (void *arg)
{
    ama_hub_t *hub = arg;
    bool again = false;

    for (ama_member_t *member = hub->members.by_peer; member; member = member->hh_peer.next)
        again |= flush_member (hub, member);
    if (again)
        ama_timer_after (hub->retry, RETRY_MS);
}

void ama_hub_flush_bundles (void *arg)
{
    ama_hub_t *hub = arg;
    ama_member_t *member;

    while ((member = hub->members.unsent)) {
        ama_hub_sent_t sent = send_bundle (hub, member);
        LL_DELETE2 (hub->members.unsent, member, next_unsent);
        member->unsent = false;
        if (sent == AMA_HUB_FULL)
            ama_timer_after (hub->retry, RETRY_MS);
        if (sent == AMA_HUB_GONE && !member->leaving)
            ama_hub_mark_leaving (hub, member);
    }
}

/* ---- the hub's own messages ---- */

static ama_said_t make_own (ama_hub_t *hub, const char *dst, uint16_t type, uint32_t flags, uint64_t corr,
                            const void *body)
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
    return (ama_said_t){ .envelope = hub->own,
                         .envelope_size = ama_envelope_write (&envelope, hub->own),
                         .body = hub->body.data,
                         .body_size = hub->body.size };
}

void ama_hub_say_to_peer (ama_hub_t *hub, ama_peer_t peer, uint16_t type, uint32_t flags, uint64_t corr,
                          const void *body)
{
    ama_said_t said = make_own (hub, "", type, flags, corr, body);

    ama_packet_fill (&hub->out, &said);
    (void) put (hub, peer, &hub->out);
}

void ama_hub_say (ama_hub_t *hub, ama_member_t *member, uint16_t type, uint32_t flags, uint64_t corr, const void *body)
{
    ama_said_t said = make_own (hub, member->name, type, flags, corr, body);

    (void) ama_hub_send (hub, member, &said, NULL, true);
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
