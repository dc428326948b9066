/* ama_hub_inside.h - the state of a hub, and how it speaks (between the files of the hub) */
#ifndef AMA_RUNTIME_HUB_INSIDE_H
#define AMA_RUNTIME_HUB_INSIDE_H

#include "actors/runtime/ama_hub.h"
#include "actors/runtime/ama_loop.h"
#include "actors/runtime/ama_members.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct ama_owed ama_owed_t;

struct ama_hub {
    void *socket;
    ama_loop_t *loop;
    ama_source_t *source;
    pthread_t thread;
    atomic_bool stop;
    uint64_t epoch, last_id;
    ama_members_t members;
    const char *const *placed; /* actors that may join over ipc */
    ama_keys_watch_t allowed;  /* over tcp; file NULL: nobody */
    bool any_leaving;
    ama_owed_t *owed; /* hash: large requests of clients without an answer */
    size_t owed_bytes;
    ama_timer_t *tick, *retry, *probe;
    struct {
        uint64_t undecodable, refused, dropped, cut;
    } count;
    ama_said_t in;           /* what is being handled */
    ama_packet_t *in_packet; /* its frames in burst, or NULL: it came in a bundle */
    zmq_msg_t *peer_frame;   /* of it */
    uint8_t stamped[AMA_ENVELOPE_MAX], own[AMA_ENVELOPE_MAX];
    ama_packet_t out;
    ama_burst_t burst;
    ama_str_t body;
};

typedef enum { AMA_HUB_SENT, AMA_HUB_FULL, AMA_HUB_GONE } ama_hub_sent_t;

/* Gives the message the member's next number and sends it, soon together with others if it is a small one and the member reads bundles; a number is
 * used up only if it was sent. packet: the frames in which it lies, or NULL; they are taken. keeps: what finds a full queue goes to the member's
 * backlog, and counts as sent. */
ama_hub_sent_t ama_hub_send (ama_hub_t *hub, ama_member_t *member, const ama_said_t *said, ama_packet_t *packet,
                             bool keeps);
/* The retry timer's: what waits in bundles and backlogs. arg: the hub. */
void ama_hub_flush (void *arg);
/* After each callback of the loop: what was put together meanwhile. arg: the hub. */
void ama_hub_flush_bundles (void *arg);
/* What was put together for one that is about to be removed. */
void ama_hub_last_words (ama_hub_t *hub, ama_member_t *member);
/* It is removed, and the others told, after the next read: what it said before is heard. */
void ama_hub_mark_leaving (ama_hub_t *hub, ama_member_t *member);

/* A message of the hub's own; body NULL: an empty one. */
void ama_hub_say (ama_hub_t *hub, ama_member_t *member, uint16_t type, uint32_t flags, uint64_t corr, const void *body);
/* To one that is no member, or not spoken to as one: without a number. */
void ama_hub_say_to_peer (ama_hub_t *hub, ama_peer_t peer, uint16_t type, uint32_t flags, uint64_t corr,
                          const void *body);
/* A request of a member is answered with the error, all else dropped. */
void ama_hub_refuse (ama_hub_t *hub, ama_member_t *member, const ama_envelope_t *envelope, int code, const char *text);
/* Says no to a peer: in answer to a request, else as a tell. */
void ama_hub_deny (ama_hub_t *hub, ama_peer_t peer, const ama_envelope_t *envelope, int code, const char *text);

/* ---- members ---- */

/* A hello that could be read: its sender is a member afterwards, or has been told why not. */
void ama_hub_on_hello (ama_hub_t *hub, ama_peer_t peer, const ama_envelope_t *envelope,
                       const ama_control_hello_t *hello);
/* Frees it, and tells the others. */
void ama_hub_remove (ama_hub_t *hub, ama_member_t *member);
/* The kernel says when it ends; its last words are heard before the member is removed. */
void ama_hub_watch_process (ama_hub_t *hub, ama_member_t *member, int pid);
/* An answer shows that it is there; EHOSTUNREACH that it is not. */
void ama_hub_ping (ama_hub_t *hub, ama_member_t *member);

/* ---- large requests of clients ---- */

/* Passes the message in `in` on from member to dst, as ama_hub_send; full also if so much waits for answers that a large one has no room. */
ama_hub_sent_t ama_hub_pass (ama_hub_t *hub, const ama_member_t *member, ama_member_t *dst,
                             const ama_envelope_t *envelope, bool keeps);
/* all: the hub ends; else those of a while ago. */
void ama_hub_forget_owed (ama_hub_t *hub, bool all);

/* ---- over tcp ---- */

/* The key that is allowed of the sender of the message in `in`, or NULL. */
const ama_key_t *ama_hub_key_of_sender (ama_hub_t *hub);
/* False: over tcp without an allowed key. It has been told so and is barred; nothing of what it says is looked at. */
bool ama_hub_may_speak (ama_hub_t *hub, ama_peer_t peer);
/* Looks whether the list has changed, and cuts off whose key was taken out. */
void ama_hub_check_keys (ama_hub_t *hub);
/* Another peer came with the key of a member that is one of a kind. */
void ama_hub_alarm (ama_hub_t *hub, ama_member_t *member);
void ama_hub_know_key (ama_member_t *member, const ama_key_t *key);

#endif
