/* ama_link.c - the link of an actor to its hub: hello, welcome, liveness, and what happens when it breaks
 *
 * On the actor's thread, from its loop. A link to a hub in the same process is up from its first welcome to its end. A link to
 * another process' hub goes
 *
 *     AWAY ──connected: hello──▶ GREETING ──welcome──▶ UP ──who, bye, silence, no way out──▶ AWAY …
 *
 * Leaving UP means that anything under way may be lost: open asks fail, streams close, the actor hears parted. Before the first
 * welcome messages are held, so that an actor need not wait for it; if nobody listens, or not soon enough, they fail.
 * Every joining has an incarnation of its own, newer than the one before: the hub refuses replays of old ones.
 *
 * Messages are numbered in both directions, from hello and from welcome on.
 */
#include "actors/runtime/ama_link_inside.h"

#include "actors/base/ama_log.h"
#include "messages/ama_types.h"
#include "messages/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

enum {
    TICK_MS = 1000,     /* hello again, ping when idle */
    LAST_WORDS_MS = 20, /* between the end of the hub's process and our parting */
    NO_WAY_MS = 2000,   /* silent for so long and nothing can be sent: the connection is gone */
    SILENCE_MS = 15000, /* the hub is gone, whatever the socket says */
    FIRST_JOIN_MS = 2000,
    INPROC_JOIN_MS = 10000,
};

static int64_t now_ms (const ama_link_t *link)
{
    return ama_mono_ms (ama_loop_clock (link->loop));
}

/* ---- joining and parting ---- */

static void renew (ama_link_t *link)
{
    link->incarnation = ama_id_new (ama_wall_ms (ama_loop_clock (link->loop)));
}

static void greet (ama_link_t *link)
{
    ama_control_hello_t hello = { .name = link->ctx->name,
                                  .role = link->ctx->role,
                                  .incarnation = link->incarnation,
                                  .pid = (uint32_t) getpid (),
                                  .bundles = true };

    uint64_t said = link->said;

    link->said = 0; /* hello is 1, also when it is repeated */
    if (ama_link_say (link, AMA_MSG_CONTROL_HELLO, AMA_FLAG_REQUEST, 0, &hello))
        link->state = LINK_GREETING;
    else {
        link->said = said;
        link->state = LINK_AWAY;
    }
    if (link->source)
        ama_source_want_out (link->source, link->state == LINK_AWAY);
}

static void give_up_holding (ama_link_t *link, const char *why)
{
    if (!link->holding)
        return;
    link->holding = false;
    ama_backlog_clear (&link->backlog);
    ama_asks_fail (link->ctx, NULL, AMA_E_UNREACHABLE, why);
    ama_streams_close (link->ctx, NULL);
}

static void forget_process (ama_link_t *link)
{
    ama_watch_destroy (&link->hub_watch);
    if (link->hub_pidfd >= 0)
        (void) close (link->hub_pidfd);
    link->hub_pidfd = -1;
    link->hub_ended = false;
}

static void on_hub_end (int fd, short revents, void *arg)
{
    ama_link_t *link = arg;

    (void) fd, (void) revents;
    ama_watch_destroy (&link->hub_watch);
    link->hub_ended = true;
    ama_timer_after (&link->tick, LAST_WORDS_MS);
}

/* The kernel tells at once when the hub's process ends; pings would take seconds. */
static void watch_process (ama_link_t *link)
{
    unsigned uid;
    int pid;

    forget_process (link);
    if (!ama_peer_process (&link->in->envelope, &uid, &pid) || pid <= 0 || (link->hub_pidfd = pidfd_open (pid, 0)) < 0)
        return;
    link->hub_watch = ama_loop_watch (link->loop, link->hub_pidfd, POLLIN, on_hub_end, link);
}

static void part (ama_link_t *link, const char *why)
{
    forget_process (link);
    ama_log (AMA_LOG_DEBUG, link->ctx->name, "parted from the hub: %s", why);
    link->state = LINK_AWAY;
    renew (link);
    ama_backlog_clear (&link->backlog);
    ama_bundle_clear (&link->bundle);
    link->bundles = false;
    ama_source_want_out (link->source, true);
    ama_ctx_parted (link->ctx);
}

static void tell_joined (void *arg)
{
    ama_link_t *link = arg;

    if (link->state == LINK_UP)
        ama_ctx_joined (link->ctx, link->ctx->epoch);
}

static void on_welcome (ama_link_t *link, const ama_control_welcome_t *welcome)
{
    if (link->state == LINK_UP)
        return; /* the answer to a hello that was repeated */
    link->state = LINK_UP;
    link->holding = false;
    link->ctx->epoch = welcome->epoch;
    link->ctx->role = welcome->role;
    link->bundles = welcome->bundles;
    if (link->remote)
        watch_process (link);
    ama_link_flush (link);
    if (link->source)
        ama_ctx_joined (link->ctx, welcome->epoch);
    else
        ama_loop_defer (link->loop, tell_joined, link); /* not before init */
}

/* The hub said no to our hello, took the name from us, missed something we said, or does not believe us any more. */
static void on_denied (ama_link_t *link, const ama_envelope_t *envelope, const void *body, size_t size)
{
    ama_control_error_t denied;
    bool about_hello = link->state != LINK_UP && envelope->corr == link->hello_id;

    if (ama_control_error_decode (body, size, &denied, NULL) < 0)
        return;
    if (denied.code == AMA_E_AUTH || (about_hello && denied.code != AMA_E_EXISTS))
        ama_exit (link->ctx, (int) denied.code, denied.text);
    else if (about_hello) { /* the hub has not noticed yet that our former self is gone: the next tick tries again */
        link->state = LINK_AWAY;
        renew (link);
    }
    else if (!(envelope->flags & AMA_FLAG_REPLY) && denied.code == AMA_E_STALE)
        ama_exit (link->ctx, AMA_E_STALE, denied.text);
    else if (!(envelope->flags & AMA_FLAG_REPLY) && denied.code == AMA_E_INTEGRITY && link->state == LINK_UP)
        part (link, denied.text);
    ama_control_error_done (&denied);
}

/* What is said by the hub to the link, not to the actor. */
static bool from_hub (ama_link_t *link, const ama_envelope_t *envelope, const void *body, size_t size)
{
    ama_control_welcome_t welcome;
    ama_control_ping_t ping;

    if (envelope->role != AMA_ROLE_HUB || strcmp (envelope->src, "hub") != 0)
        return false;
    switch (envelope->type) {
    case AMA_MSG_CONTROL_WELCOME:
        if (ama_control_welcome_decode (body, size, &welcome, NULL) == 0)
            on_welcome (link, &welcome);
        return true;
    case AMA_MSG_CONTROL_WHO:
        if (link->state == LINK_UP)
            part (link, "the hub does not know us");
        return true;
    case AMA_MSG_CONTROL_BYE:
        if (link->state == LINK_UP)
            part (link, "the hub ends");
        return true;
    case AMA_MSG_CONTROL_PING:
        if (ama_control_ping_decode (body, size, &ping, NULL) == 0) {
            ama_control_pong_t pong = { .stamp = ping.stamp };
            (void) ama_link_say (link, AMA_MSG_CONTROL_PONG, AMA_FLAG_REPLY, envelope->id,
                                 &pong); /* lost: the next one */
        }
        return true;
    case AMA_MSG_CONTROL_PONG:
        return envelope->corr == link->ping_id; /* others are for the actor, which may ask too */
    case AMA_MSG_CONTROL_ERROR:
        if (envelope->flags & AMA_FLAG_REPLY && envelope->corr != link->hello_id && envelope->corr != link->ping_id)
            return false;
        on_denied (link, envelope, body, size);
        return true;
    default:
        return false;
    }
}

/* Welcome begins the count; what the hub says to one it does not count as a member has no number. */
static bool is_next (ama_link_t *link, const ama_envelope_t *envelope)
{
    uint64_t due = link->heard + 1;
    char why[80];

    if (!envelope->seq || (link->state != LINK_UP && envelope->type != AMA_MSG_CONTROL_WELCOME))
        return true;
    if (envelope->seq == due || envelope->type == AMA_MSG_CONTROL_WELCOME) {
        link->heard = envelope->seq;
        return true;
    }
    (void) snprintf (why, sizeof why, "message %llu came where %llu was due", (unsigned long long) envelope->seq,
                     (unsigned long long) due);
    if (envelope->seq < due) {
        ama_log (AMA_LOG_DEBUG, link->ctx->name, "dropped 0x%04x from %s: %s", envelope->type, envelope->src, why);
        return false;
    }
    ama_log (AMA_LOG_WARN, link->ctx->name, "from the hub %s: what is between them is lost", why);
    part (link, why);
    return false;
}

static void on_message (ama_link_t *link, const ama_said_t *said)
{
    ama_envelope_t envelope;

    link->heard_ms = ama_loop_turn_ms (link->loop);
    if (ama_envelope_decode (said->envelope, said->envelope_size, &envelope, NULL) < 0)
        return;
    if (is_next (link, &envelope) && !from_hub (link, &envelope, said->body, said->body_size) && link->state == LINK_UP)
        ama_ctx_deliver (link->ctx, &envelope, said->body, said->body_size);
}

static void on_bundle (ama_link_t *link)
{
    uint8_t *at = zmq_msg_data (&link->in->envelope), *end = at + zmq_msg_size (&link->in->envelope);
    ama_said_t said;

    if (ama_bundle_check (at, (size_t) (end - at), NULL) < 0)
        return;
    while (!link->ctx->exiting && ama_bundle_next (&at, end, &said))
        on_message (link, &said);
}

static void on_received (ama_link_t *link, int got)
{
    ama_said_t said = ama_packet_said (link->in);

    if (got == AMA_GOT_PACKET)
        on_message (link, &said);
    else if (got == AMA_GOT_BUNDLE)
        on_bundle (link);
}

static bool on_readable (void *arg, int budget)
{
    ama_link_t *link = arg;

    while (budget > 0) {
        ama_received_t *received;
        int n = ama_burst_fill (&link->burst, link->socket, false);
        if (!n)
            return false;
        budget -= n;
        while ((received = ama_burst_take (&link->burst))) {
            link->in = &received->packet;
            on_received (link, received->got);
            ama_link_flush_bundle (link);
            if (link->ctx->exiting)
                return true;
        }
    }
    return true;
}

static void on_writable (void *arg)
{
    ama_link_t *link = arg;

    if (link->state == LINK_AWAY)
        greet (link);
    else if (link->state == LINK_UP)
        ama_link_flush (link);
}

/* ---- liveness ---- */

static void tick_up (ama_link_t *link)
{
    int64_t silent_ms = now_ms (link) - link->heard_ms;
    ama_control_ping_t ping = { .stamp = (uint64_t) now_ms (link) };

    if (link->hub_ended)
        part (link, "the hub's process has ended");
    else if (silent_ms >= SILENCE_MS)
        part (link, "silence");
    else if (silent_ms >= TICK_MS && !ama_link_say (link, AMA_MSG_CONTROL_PING, AMA_FLAG_REQUEST, 0, &ping)
             && silent_ms >= NO_WAY_MS)
        part (link, "no way out");
}

static void on_tick (void *arg)
{
    ama_link_t *link = arg;

    ama_timer_after (&link->tick, TICK_MS);
    if (link->state == LINK_UP)
        tick_up (link);
    else
        greet (link);
    if (link->holding && now_ms (link) >= link->hold_until_ms)
        give_up_holding (link, "the hub does not answer");
}

static void nobody_listens (void *arg)
{
    give_up_holding (arg, "nobody listens there");
}

/* ---- life ---- */

static ama_id_t port_new_id (void *port)
{
    ama_link_t *link = port;

    return ama_id_new (ama_wall_ms (ama_loop_clock (link->loop)));
}

static void *port_zmq (void *port)
{
    return ((ama_link_t *) port)->zmq;
}

const ama_port_ops_t ama_link_port = { .send = ama_link_send, .new_id = port_new_id, .zmq = port_zmq };

ama_link_t *ama_link_new (void *zmq, const char *endpoint, const ama_node_curve_t *curve, ama_loop_t *loop,
                          ama_err_t *err)
{
    ama_link_t *link = ama_calloc (1, sizeof *link);

    link->zmq = zmq;
    link->endpoint = ama_strdup (endpoint);
    link->remote = !ama_str_starts (endpoint, "inproc://");
    link->loop = loop;
    link->hub_pidfd = -1;
    ama_burst_init (&link->burst);
    ama_packet_init (&link->out);
    ama_timer_init (&link->tick, ama_loop_timers (loop), on_tick, link);
    if (ama_wire_socket (zmq, ZMQ_DEALER, AMA_WIRE_LINK, &link->socket, err) < 0) {
        ama_link_destroy (&link);
        return NULL;
    }
    link->far = ama_str_starts (endpoint, "tcp://");
    if (link->far && curve)
        ama_wire_curve_connect (link->socket, curve->public_key, curve->secret_key, curve->server_key);
    if (link->far && !curve) {
        (void) ama_err_set (err, AMA_E_INVALID, "%s: over tcp a key is needed", endpoint);
        ama_link_destroy (&link);
        return NULL;
    }
    if (zmq_connect (link->socket, endpoint) < 0) {
        (void) ama_err_set (err, AMA_E_INVALID, "%s: %s", endpoint, zmq_strerror (errno));
        ama_link_destroy (&link);
        return NULL;
    }
    return link;
}

/* The hub of our own process is there: it answers at once, or it is broken. */
static int join_inproc (ama_link_t *link, ama_err_t *err)
{
    int64_t until_ms = now_ms (link) + INPROC_JOIN_MS;
    ama_packet_t packet;

    ama_packet_init (&packet);
    link->in = &packet;
    greet (link);
    while (link->state == LINK_GREETING && !link->ctx->exiting && now_ms (link) < until_ms) {
        zmq_pollitem_t item = { .socket = link->socket, .events = ZMQ_POLLIN };
        (void) zmq_poll (&item, 1, until_ms - now_ms (link));
        on_received (link, ama_packet_recv (&packet, link->socket));
    }
    ama_packet_done (&packet);
    if (link->ctx->exiting)
        return ama_err_set (err, link->ctx->exit_code, "%s", link->ctx->exit_text);
    if (link->state == LINK_AWAY)
        return ama_err_set (err, AMA_E_EXISTS, "an actor named %s has joined already", link->ctx->name);
    if (link->state != LINK_UP)
        return ama_err_set (err, AMA_E_UNREACHABLE, "the hub does not answer");
    return 0;
}

int ama_link_join (ama_link_t *link, ama_ctx_t *ctx, ama_err_t *err)
{
    const char *path = ama_ipc_path (link->endpoint);
    int fd;

    link->ctx = ctx;
    ctx->clocks_ms = link->far ? AMA_CLOCKS_MS : 0;
    renew (link);
    if (!link->remote && join_inproc (link, err) < 0)
        return err ? err->code : AMA_E_FATAL;
    link->source = ama_loop_source (link->loop, link->socket, on_readable, on_writable, link);
    ama_loop_after_each (link->loop, ama_link_flush_bundle, link);
    link->heard_ms = now_ms (link);
    if (!link->remote)
        return 0;
    link->holding = true;
    link->hold_until_ms = now_ms (link) + FIRST_JOIN_MS;
    ama_source_want_out (link->source, true);
    ama_timer_after (&link->tick, TICK_MS);
    fd = path ? ama_ipc_probe (path) : -1;
    if (path && fd < 0)
        ama_loop_defer (link->loop, nobody_listens, link);
    if (fd >= 0)
        (void) close (fd);
    return 0;
}

/* Bye is one of them: nobody else tells the hub that a thread has ended. */
static void say_last_words (ama_link_t *link)
{
    int64_t until_ms = now_ms (link) + TICK_MS;

    for (ama_link_flush (link);
         (link->backlog.first || link->bundle.count || !ama_link_say (link, AMA_MSG_CONTROL_BYE, 0, 0, NULL))
         && now_ms (link) < until_ms;
         ama_link_flush (link)) {
        zmq_pollitem_t item = { .socket = link->socket, .events = ZMQ_POLLOUT };
        (void) zmq_poll (&item, 1, until_ms - now_ms (link));
    }
}

void ama_link_close (ama_link_t *link)
{
    if (!link->socket)
        return;
    if (link->state == LINK_UP)
        say_last_words (link);
    ama_timer_cancel (&link->tick);
    forget_process (link);
    ama_loop_after_each (link->loop, NULL, NULL);
    ama_source_destroy (&link->source);
    (void) zmq_close (link->socket);
    link->socket = NULL;
}

void ama_link_destroy (ama_link_t **link_p)
{
    ama_link_t *link = *link_p;

    if (!link)
        return;
    *link_p = NULL;
    ama_link_close (link);
    ama_backlog_clear (&link->backlog);
    ama_burst_done (&link->burst);
    ama_bundle_done (&link->bundle);
    ama_packet_done (&link->out);
    free (link->endpoint);
    free (link);
}
