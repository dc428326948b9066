/* ama_hub.c - forwards every message of a process, and knows who is who
 *
 * A thread of its own with one ROUTER and the loop; nothing of it is shared but the flag that stops it. What it does with a message is
 * in this order: is it a message at all, who sent it (a peer that has not said hello is asked `who`, one that says it is another is cut off
 * for good), is it the sender's next one (if others are missing, its membership ends), does anybody still wait for it, may this role send it,
 * is it of this epoch and new, is there such a receiver. It writes the true sender and role into every envelope; in the frames of a sender
 * that wrote the truth itself only the number is changed. Dialogues: messages/PROTOCOL.md.
 *
 * It never waits for a member. When a member's queue is full, a request is refused (BUSY), a tell is dropped and counted, an answer is
 * kept in a bounded backlog; a member of another process whose backlog is full is cut off.
 *
 * A member is gone when it says bye, when its process ends, when the socket says EHOSTUNREACH, or after 15 s of silence. What it sent
 * before is delivered first; then the others hear peer_gone.
 */
#include "actors/base/ama_clock.h"
#include "actors/base/ama_failpoint.h"
#include "actors/base/ama_log.h"
#include "actors/runtime/ama_ctx.h"
#include "actors/runtime/ama_hub_inside.h"
#include "messages/ama_message.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

enum { TICK_MS = 1000, IDLE_MS = 1500, SILENCE_MS = 15000, PROBE_MS = 10, PROBES = 500, ENDPOINT_MAX = 256 };

/* ---- leaving ---- */

void ama_hub_remove (ama_hub_t *hub, ama_member_t *member)
{
    char name[AMA_NAME_MAX];
    ama_control_peer_gone_t gone = { .name = name };

    (void) snprintf (name, sizeof name, "%s", member->name);
    ama_hub_last_words (hub, member);
    ama_members_remove (&hub->members, member);
    for (member = hub->members.by_peer; member; member = member->hh_peer.next)
        ama_hub_say (hub, member, AMA_MSG_CONTROL_PEER_GONE, 0, 0, &gone);
}

/* Only when the socket has nothing more to read: the last words of those who leave are heard. */
static void see_off (ama_hub_t *hub)
{
    ama_member_t *member = hub->members.by_peer;

    hub->any_leaving = false;
    while (member) {
        if (member->leaving) {
            ama_hub_remove (hub, member);
            member = hub->members.by_peer;
        }
        else
            member = member->hh_peer.next;
    }
}

void ama_hub_ping (ama_hub_t *hub, ama_member_t *member)
{
    ama_control_ping_t body = { .stamp = (uint64_t) ama_loop_turn_ms (hub->loop) };

    ama_hub_say (hub, member, AMA_MSG_CONTROL_PING, AMA_FLAG_REQUEST, 0, &body);
}

/* The process of a member has ended. Its last bytes may still be on their way; the socket says when it has them all. */
static void on_process_end (int fd, short revents, void *arg)
{
    ama_hub_t *hub = arg;

    (void) revents;
    for (ama_member_t *member = hub->members.by_peer; member; member = member->hh_peer.next)
        if (member->pidfd == fd) {
            ama_watch_destroy (&member->watch);
            ama_timer_after (hub->probe, 0);
        }
}

void ama_hub_watch_process (ama_hub_t *hub, ama_member_t *member, int pid)
{
    member->pidfd = pidfd_open (pid, 0);
    if (member->pidfd >= 0)
        member->watch = ama_loop_watch (hub->loop, member->pidfd, POLLIN, on_process_end, hub);
}

static void probe_ended (void *arg)
{
    ama_hub_t *hub = arg;

    for (ama_member_t *member = hub->members.by_peer; member; member = member->hh_peer.next)
        if (member->pidfd >= 0 && !member->watch && !member->leaving) {
            ama_hub_ping (hub, member);
            if (++member->probes == PROBES)
                ama_hub_mark_leaving (hub, member); /* something else has inherited its socket */
            ama_timer_after (hub->probe, PROBE_MS);
        }
}

static void on_tick (void *arg)
{
    ama_hub_t *hub = arg;
    int64_t now_ms = ama_loop_turn_ms (hub->loop);

    ama_timer_after (hub->tick, TICK_MS);
    ama_hub_check_keys (hub);
    ama_hub_forget_owed (hub, false);
    for (ama_member_t *member = hub->members.by_peer; member; member = member->hh_peer.next) {
        if (!member->remote || member->leaving)
            continue;
        if (now_ms - member->heard_ms >= SILENCE_MS)
            ama_hub_mark_leaving (hub, member);
        else if (now_ms - member->heard_ms >= IDLE_MS)
            ama_hub_ping (hub, member);
    }
}

/* ---- what comes in ---- */

static void on_unknown (ama_hub_t *hub, ama_peer_t peer, const ama_envelope_t *envelope)
{
    ama_control_hello_t hello;

    if (envelope->type != AMA_MSG_CONTROL_HELLO || strcmp (envelope->dst, "hub") != 0)
        ama_hub_say_to_peer (hub, peer, AMA_MSG_CONTROL_WHO, 0, 0, NULL);
    else if (ama_control_hello_decode (hub->in.body, hub->in.body_size, &hello, NULL) < 0)
        ama_hub_deny (hub, peer, envelope, AMA_E_DECODE, "a hello that can not be read");
    else {
        ama_hub_on_hello (hub, peer, envelope, &hello);
        ama_control_hello_done (&hello);
    }
}

static void on_own (ama_hub_t *hub, ama_member_t *member, const ama_envelope_t *envelope)
{
    ama_control_ping_t asked;
    ama_control_pong_t answer;

    switch (envelope->type) {
    case AMA_MSG_CONTROL_BYE:
        ama_hub_remove (hub, member);
        break;
    case AMA_MSG_CONTROL_PING:
        if (ama_control_ping_decode (hub->in.body, hub->in.body_size, &asked, NULL) < 0) {
            ama_hub_refuse (hub, member, envelope, AMA_E_DECODE, "a ping that can not be read");
            break;
        }
        answer = (ama_control_pong_t){ .stamp = asked.stamp };
        ama_hub_say (hub, member, AMA_MSG_CONTROL_PONG, AMA_FLAG_REPLY, envelope->id, &answer);
        break;
    default:
        ama_hub_refuse (hub, member, envelope, AMA_E_UNSUPPORTED, "the hub itself does not do that");
    }
}

static const char not_who_it_says[] = "the sender is not who it says it is";

static bool is_hello (const ama_envelope_t *envelope)
{
    return envelope->type == AMA_MSG_CONTROL_HELLO && strcmp (envelope->dst, "hub") == 0;
}

/* Who says that he is another is not heard any more, whatever he wanted, and can not join again from where he is. */
static bool is_forged (ama_hub_t *hub, ama_member_t *member, const ama_envelope_t *envelope)
{
    ama_peer_t peer = member->peer;

    if (!envelope->src[0] || strcmp (envelope->src, member->name) == 0 || is_hello (envelope))
        return false;
    ama_log (AMA_LOG_WARN, "hub", "%s says that it is %s, and is cut off", member->name, envelope->src);
    hub->count.cut++;
    ama_members_bar (&hub->members, peer);
    ama_hub_deny (hub, peer, envelope, AMA_E_AUTH, not_who_it_says);
    ama_hub_remove (hub, member);
    return true;
}

/* Whose messages were lost on the way is told so and joins again, whereupon both sides repeat what has to be repeated. As a tell: an
 * answer would be taken for one of the receiver. */
static void end_membership (ama_hub_t *hub, ama_member_t *member, const ama_err_t *why)
{
    ama_control_error_t body = { .code = why->code, .text = (char *) why->text };

    ama_log (AMA_LOG_WARN, "hub", "from %s %s; it has to join again", member->name, why->text);
    hub->count.refused++;
    hub->count.cut++;
    ama_hub_say (hub, member, AMA_MSG_CONTROL_ERROR, 0, 0, &body);
    ama_hub_remove (hub, member);
}

static bool is_next (ama_hub_t *hub, ama_member_t *member, const ama_envelope_t *envelope)
{
    ama_err_t why;
    int rc = ama_member_in_order (member, envelope->seq, &why);

    if (rc == AMA_E_INTEGRITY)
        end_membership (hub, member, &why);
    else if (rc < 0)
        ama_hub_refuse (hub, member, envelope, rc, why.text);
    return rc == 0;
}

/* Nobody waits for the answer any more. */
static bool is_late (ama_hub_t *hub, ama_member_t *member, const ama_envelope_t *envelope)
{
    uint64_t now_ms;
    char text[96];

    if (!envelope->deadline || !(envelope->flags & AMA_FLAG_REQUEST))
        return false;
    now_ms = (uint64_t) ama_loop_wall_ms (hub->loop, ama_loop_turn_ms (hub->loop));
    if (now_ms <= envelope->deadline)
        return false;
    (void) snprintf (text, sizeof text, "too late: its deadline was %llu ms ago",
                     (unsigned long long) (now_ms - envelope->deadline));
    ama_hub_refuse (hub, member, envelope, AMA_E_TIMEOUT, text);
    return true;
}

/* A peer on another host has a clock of its own. */
static void allow_for_clocks (ama_envelope_t *envelope)
{
    if (envelope->deadline && envelope->deadline <= UINT64_MAX - AMA_CLOCKS_MS)
        envelope->deadline += AMA_CLOCKS_MS;
}

/* The supervisor asks by kind: of several, its requests go to each in turn, and what belongs to one (a cancel) goes where it went. All else is for the
 * member of just that name. */
static ama_member_t *find_receiver (ama_hub_t *hub, const ama_member_t *sender, const ama_envelope_t *envelope)
{
    bool request = envelope->flags & AMA_FLAG_REQUEST;

    if (sender->role != AMA_ROLE_SUPERVISOR || envelope->flags & AMA_FLAG_REPLY)
        return ama_members_named (&hub->members, envelope->dst);
    return request ? ama_members_share (&hub->members, envelope->dst, envelope->id)
                   : ama_members_asked (&hub->members, envelope->dst, envelope->corr);
}

static void stamp (ama_hub_t *hub, const ama_envelope_t *envelope)
{
    if (hub->in_packet) {
        ama_packet_stamp (hub->in_packet, envelope);
        hub->in = ama_packet_said (hub->in_packet);
    }
    else {
        hub->in.envelope_size = ama_envelope_write (envelope, hub->stamped);
        hub->in.envelope = hub->stamped;
    }
}

static void forward (ama_hub_t *hub, ama_member_t *member, ama_envelope_t *envelope)
{
    const ama_message_info_t *info = ama_message_info (envelope->type);
    bool keeps = envelope->flags & AMA_FLAG_REPLY || envelope->type == AMA_MSG_CONTROL_CREDIT
                 || envelope->type == AMA_MSG_CONTROL_CANCEL;
    char text[128 + AMA_NAME_MAX];
    const char *late;
    ama_member_t *dst;
    int rc;

    if (!info || !(info->from_roles & 1u << member->role)) {
        if (info)
            (void) snprintf (text, sizeof text, "%s may not say %s: its role is %s", member->name, info->name,
                             ama_role_name (member->role));
        else
            (void) snprintf (text, sizeof text, "%s sends an unknown type", member->name);
        ama_hub_refuse (hub, member, envelope, info ? AMA_E_ROLE : AMA_E_UNSUPPORTED, text);
        return;
    }
    if ((rc = ama_member_in_time (member, envelope, hub->epoch, &late)) < 0) {
        ama_hub_refuse (hub, member, envelope, rc, late);
        return;
    }
    if (envelope->role != member->role || (member->far && envelope->deadline)
        || strcmp (envelope->src, member->name) != 0 || strcmp (envelope->user, member->key_name) != 0) {
        envelope->role = member->role;
        memcpy (envelope->user, member->key_name, sizeof envelope->user);
        (void) snprintf (envelope->src, sizeof envelope->src, "%s", member->name);
        stamp (hub, envelope);
    }
    dst = find_receiver (hub, member, envelope);
    switch (dst ? ama_hub_pass (hub, member, dst, envelope, keeps) : AMA_HUB_GONE) {
    case AMA_HUB_SENT:
        break;
    case AMA_HUB_FULL:
        hub->count.dropped++;
        (void) snprintf (text, sizeof text, "%s is busy", envelope->dst);
        ama_hub_refuse (hub, member, envelope, AMA_E_BUSY, text);
        break;
    case AMA_HUB_GONE:
        (void) snprintf (text, sizeof text, "%s is not there", envelope->dst);
        ama_hub_refuse (hub, member, envelope, AMA_E_UNREACHABLE, text);
        break;
    }
}

static void on_known (ama_hub_t *hub, ama_member_t *member, ama_envelope_t *envelope)
{
    if (strcmp (envelope->dst, "hub") == 0)
        on_own (hub, member, envelope);
    else
        forward (hub, member, envelope);
}

static void on_garbage (ama_hub_t *hub, ama_peer_t peer, int code, const char *text)
{
    ama_control_error_t body = { .code = code, .text = (char *) text };
    ama_member_t *member = peer ? ama_members_of_peer (&hub->members, peer) : NULL;

    hub->count.undecodable++;
    if (member)
        member->unread++;
    ama_log (AMA_LOG_DEBUG, "hub", "a message that can not be read: %s", text);
    if (peer)
        ama_hub_say_to_peer (hub, peer, AMA_MSG_CONTROL_ERROR, 0, 0, &body);
}

static void on_message (ama_hub_t *hub, ama_peer_t peer)
{
    ama_envelope_t envelope;
    ama_member_t *member;
    ama_err_t err;
    int rc;

    rc = ama_envelope_decode (hub->in.envelope, hub->in.envelope_size, &envelope, &err);
    if (rc == 0 && hub->in.body_size > AMA_BODY_MAX)
        rc = ama_err_set (&err, AMA_E_LIMIT, "a body of more than %u bytes", AMA_BODY_MAX);
    if (rc < 0) {
        on_garbage (hub, peer, rc, err.text);
        return;
    }
    member = ama_members_of_peer (&hub->members, peer);
    if (!member) {
        if (ama_members_is_barred (&hub->members, peer))
            ama_hub_deny (hub, peer, &envelope, AMA_E_AUTH, not_who_it_says);
        else
            on_unknown (hub, peer, &envelope);
        return;
    }
    if (is_forged (hub, member, &envelope))
        return;
    member->heard_ms = ama_loop_turn_ms (hub->loop);
    if (member->leaving && member->far)
        return; /* its key was revoked, or it does not read */
    if (member->far)
        allow_for_clocks (&envelope);
    if (is_hello (&envelope))
        on_unknown (hub, peer, &envelope);
    else if (is_next (hub, member, &envelope) && !is_late (hub, member, &envelope))
        on_known (hub, member, &envelope);
}

static void on_bundle (ama_hub_t *hub, ama_peer_t peer, ama_packet_t *packet)
{
    uint8_t *at = zmq_msg_data (&packet->envelope), *end = at + zmq_msg_size (&packet->envelope);
    ama_err_t err;
    int rc = ama_bundle_check (at, (size_t) (end - at), &err);

    if (rc < 0)
        on_garbage (hub, peer, rc, err.text);
    hub->in_packet = NULL;
    while (rc == 0 && ama_bundle_next (&at, end, &hub->in))
        on_message (hub, peer);
}

static void on_received (ama_hub_t *hub, ama_received_t *received)
{
    ama_peer_t peer = ama_peer_of (&received->peer);

    hub->peer_frame = &received->peer;
    if (peer && !ama_members_of_peer (&hub->members, peer) && !ama_hub_may_speak (hub, peer))
        return;
    if (!peer || received->got == AMA_GOT_JUNK) {
        on_garbage (hub, peer, AMA_E_DECODE,
                    "a message has two frames or one, and its sender no identity of its own choice");
        return;
    }
    if (received->got == AMA_GOT_BUNDLE) {
        on_bundle (hub, peer, &received->packet);
        return;
    }
    hub->in_packet = &received->packet;
    hub->in = ama_packet_said (hub->in_packet);
    on_message (hub, peer);
}

static bool on_readable (void *arg, int budget)
{
    ama_hub_t *hub = arg;

    while (budget > 0) {
        ama_received_t *received;
        int n = ama_burst_fill (&hub->burst, hub->socket, true);
        budget -= n;
        while ((received = ama_burst_take (&hub->burst)))
            on_received (hub, received);
        ama_hub_flush_bundles (hub);
        if (n)
            continue;
        if (!hub->any_leaving)
            return false;
        see_off (hub);
        return true; /* that has sent something */
    }
    return true;
}

/* ---- life ---- */

static void on_wake (void *arg)
{
    ama_hub_t *hub = arg;

    if (atomic_load (&hub->stop))
        ama_loop_stop (hub->loop);
}

static void close_all (ama_hub_t *hub)
{
    for (ama_member_t *member = hub->members.by_peer; member; member = member->hh_peer.next)
        if (member->remote)
            ama_hub_say (hub, member, AMA_MSG_CONTROL_BYE, 0, 0, NULL);
    ama_hub_flush_bundles (hub);
    while (hub->members.by_peer)
        ama_members_remove (&hub->members, hub->members.by_peer);
    ama_hub_forget_owed (hub, true);
}

static void *serve (void *arg)
{
    ama_hub_t *hub = arg;

    (void) pthread_setname_np (pthread_self (), "hub");
    ama_timer_after (hub->tick, TICK_MS);
    ama_loop_run (hub->loop);
    close_all (hub);
    return NULL;
}

static int bind_to (ama_hub_t *hub, const char *endpoint, ama_err_t *err)
{
    return zmq_bind (hub->socket, endpoint) < 0 ? ama_err_set (err, AMA_E_IO, "%s: %s", endpoint, zmq_strerror (errno))
                                                : 0;
}

static int bind_far (ama_hub_t *hub, const char *endpoint, ama_err_t *err)
{
    char bound[ENDPOINT_MAX] = "";
    size_t size = sizeof bound;
    int rc = bind_to (hub, endpoint, err);

    if (rc == 0 && zmq_getsockopt (hub->socket, ZMQ_LAST_ENDPOINT, bound, &size) == 0)
        ama_log (AMA_LOG_INFO, "hub", "listens on %s", bound);
    return rc;
}

/* What needs no key first: options of CURVE hold for what is bound after them. */
static int listen_on (ama_hub_t *hub, const char *const *listen, const ama_hub_door_t *door, ama_err_t *err)
{
    int rc = bind_to (hub, AMA_HUB_INPROC, err);
    bool far = false;

    for (size_t i = 0; rc == 0 && listen && listen[i]; i++)
        if (!ama_str_starts (listen[i], "tcp://"))
            rc = bind_to (hub, listen[i], err);
        else if (door)
            far = true;
        else
            rc = ama_err_set (err, AMA_E_INVALID, "%s: tcp is served with keys only", listen[i]);
    if (rc < 0 || !far)
        return rc;
    hub->allowed.file = door->allowed_file;
    ama_hub_check_keys (hub);
    ama_wire_curve_serve (hub->socket, door->secret_key);
    for (; rc == 0 && *listen; listen++)
        if (ama_str_starts (*listen, "tcp://"))
            rc = bind_far (hub, *listen, err);
    return rc;
}

/* Everything but the thread. */
static void free_hub (ama_hub_t *hub)
{
    ama_timer_destroy (&hub->tick);
    ama_timer_destroy (&hub->retry);
    ama_timer_destroy (&hub->probe);
    ama_source_destroy (&hub->source);
    if (hub->socket)
        (void) zmq_close (hub->socket);
    ama_loop_destroy (&hub->loop);
    ama_packet_done (&hub->out);
    ama_burst_done (&hub->burst);
    ama_str_done (&hub->body);
    ama_keys_done (&hub->allowed.keys);
    free (hub);
}

static int prepare (ama_hub_t *hub, void *zmq, const char *const *listen, const ama_hub_door_t *door, ama_err_t *err)
{
    int rc = ama_wire_socket (zmq, ZMQ_ROUTER, AMA_WIRE_HUB, &hub->socket, err);

    if (rc < 0 || (rc = listen_on (hub, listen, door, err)) < 0)
        return rc;
    hub->loop = ama_loop_new (ama_clock_system (), false);
    if (!hub->loop)
        return ama_err_set (err, AMA_E_IO, "no loop for the hub: %s", strerror (errno));
    hub->source = ama_loop_source (hub->loop, hub->socket, on_readable, NULL, hub);
    hub->tick = ama_loop_timer (hub->loop, on_tick, hub);
    hub->retry = ama_loop_timer (hub->loop, ama_hub_flush, hub);
    hub->probe = ama_loop_timer (hub->loop, probe_ended, hub);
    ama_loop_on_wake (hub->loop, on_wake, hub);
    ama_loop_after_each (hub->loop, ama_hub_flush_bundles, hub);
    rc = pthread_create (&hub->thread, NULL, serve, hub);
    return rc ? ama_err_set (err, AMA_E_IO, "no thread for the hub: %s", strerror (rc)) : 0;
}

ama_hub_t *ama_hub_new (void *zmq, const char *const *listen, const ama_hub_door_t *door, const char *const *placed,
                        uint64_t epoch, ama_err_t *err)
{
    ama_hub_t *hub = ama_calloc (1, sizeof *hub);

    hub->epoch = epoch;
    hub->placed = placed;
    ama_packet_init (&hub->out);
    ama_burst_init (&hub->burst);
    if (prepare (hub, zmq, listen, door, err) < 0) {
        free_hub (hub);
        return NULL;
    }
    return hub;
}

ama_loop_t *ama_hub_loop (ama_hub_t *hub)
{
    return hub->loop;
}

void ama_hub_destroy (ama_hub_t **hub_p)
{
    ama_hub_t *hub = *hub_p;

    if (!hub)
        return;
    *hub_p = NULL;
    atomic_store (&hub->stop, true);
    ama_loop_wake (hub->loop);
    (void) pthread_join (hub->thread, NULL);
    free_hub (hub);
}
