/* ama_link_say.c - what a link sends: small messages in bundles, others in packets, and what waits. On the actor's thread, called by ama_link.c and the port.
 *
 * A number is given to a message when it goes into a bundle or the socket has taken it, not before: what waits in the backlog has none, and what is
 * refused takes none.
 */
#include "actors/runtime/ama_link_inside.h"
#include "messages/ama_types.h"
#include "messages/control.h"

#include <string.h>

/* False: it does not go out now. */
static bool send_bundle (ama_link_t *link)
{
    bool sent = !link->bundle.count || ama_bundle_send (&link->bundle, link->socket);

    if (link->source)
        ama_source_touch (link->source);
    return sent;
}

void ama_link_flush_bundle (void *arg)
{
    ama_link_t *link = arg;

    if (link->bundle.count && !send_bundle (link))
        ama_source_want_out (link->source, true);
}

static bool bundle_up (ama_link_t *link, const ama_envelope_t *envelope, const ama_str_t *body)
{
    uint8_t bytes[AMA_ENVELOPE_MAX];
    ama_said_t said = { .envelope = bytes, .body = body->data, .body_size = body->size };

    if (!link->bundles || !ama_bundle_takes (body->size) || (ama_bundle_full (&link->bundle) && !send_bundle (link)))
        return false;
    said.envelope_size = ama_envelope_write (envelope, bytes);
    ama_bundle_add (&link->bundle, &said, ++link->said);
    return true;
}

static bool put (ama_link_t *link, ama_packet_t *packet)
{
    bool sent;

    if (!send_bundle (link))
        return false;
    ama_packet_number (packet, link->said + 1);
    sent = ama_packet_send (packet, link->socket);
    link->said += sent;
    if (link->source)
        ama_source_touch (link->source);
    return sent;
}

static void queue (ama_link_t *link)
{
    ama_backlog_add (&link->backlog, &link->out);
    if (link->source)
        ama_source_want_out (link->source, true);
}

int ama_link_send (void *port, const ama_envelope_t *envelope, ama_str_t *body)
{
    ama_link_t *link = port;

    if (!link->socket || (link->state != LINK_UP && !link->holding))
        return AMA_E_UNREACHABLE;
    /* an answer is never refused: whoever waits for it bounds how many there are */
    if (ama_backlog_full (&link->backlog) && (envelope->flags & (AMA_FLAG_REPLY | AMA_FLAG_MORE)) != AMA_FLAG_REPLY)
        return AMA_E_BUSY;
    if (link->state == LINK_UP && !link->backlog.first && bundle_up (link, envelope, body))
        return 0;
    ama_packet_make (&link->out, envelope, body);
    if (link->state != LINK_UP || link->backlog.first || !put (link, &link->out))
        queue (link);
    return 0;
}

void ama_link_flush (ama_link_t *link)
{
    while (send_bundle (link) && link->backlog.first && put (link, link->backlog.first))
        ama_backlog_drop_first (&link->backlog);
    if (link->source)
        ama_source_want_out (link->source, link->backlog.first || link->bundle.count);
}

bool ama_link_say (ama_link_t *link, uint16_t type, uint32_t flags, uint64_t corr, const void *body)
{
    ama_str_t bytes = { 0 };
    ama_envelope_t envelope;
    bool sent;

    ama_envelope_to (&envelope, "hub", type, flags);
    memcpy (envelope.src, link->ctx->name, sizeof envelope.src);
    envelope.id = ++link->ctx->last_id;
    envelope.corr = corr;
    envelope.role = link->ctx->role;
    envelope.epoch = link->ctx->epoch;
    if (body)
        ama_message_info (type)->encode (body, &bytes);
    else
        ama_str_putc (&bytes, (char) 0x80); /* a map without entries */
    ama_packet_make (&link->out, &envelope, &bytes);
    ama_str_done (&bytes);
    sent = put (link, &link->out);
    if (sent && type == AMA_MSG_CONTROL_HELLO)
        link->hello_id = envelope.id;
    if (sent && type == AMA_MSG_CONTROL_PING)
        link->ping_id = envelope.id;
    return sent;
}
