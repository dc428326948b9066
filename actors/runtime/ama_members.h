/* ama_members.h - who has joined a hub: by socket peer and by name (internal to actors/runtime) */
#ifndef AMA_RUNTIME_MEMBERS_H
#define AMA_RUNTIME_MEMBERS_H

#include "actors/runtime/ama_actor.h"
#include "actors/runtime/ama_keys.h"
#include "actors/runtime/ama_wire.h"
#include "messages/ama_types.h"
#include "messages/control.h"

#include <uthash.h>

/* What a ROUTER calls a peer that has not chosen an identity: five bytes, the first is zero. As a number; 0 for any other. */
typedef uint64_t ama_peer_t;

ama_peer_t ama_peer_of (zmq_msg_t *frame);
void ama_peer_frame (ama_peer_t peer, zmq_msg_t *frame); /* frame is overwritten */

typedef struct ama_member {
    ama_peer_t peer;
    char name[AMA_NAME_MAX];
    ama_role_t role;
    ama_id_t incarnation;
    bool remote;                                        /* in another process */
    bool far;                                           /* on another host, for all we know: over tcp */
    char key[AMA_KEY_TEXT], key_name[AMA_KEY_NAME_MAX]; /* of a far member; likewise below */
    ama_key_role_t key_role;
    int64_t alarmed_ms; /* when it was last said that another has its key */
    bool leaving;       /* nothing can be sent to it any more; what it sent before may still be in the socket */
    int64_t heard_ms;   /* monotonic */
    uint64_t asked;     /* id of its last request to another member */
    uint64_t heard;     /* seq of its last message */
    uint64_t told;      /* seq of the last message to it */
    uint64_t unread;    /* messages of it that could not be read since: whether they had a number nobody knows */
    int pidfd;          /* of the process of a remote member, or -1 */
    ama_watch_t *watch;
    int probes; /* since the process has ended */
    ama_backlog_t backlog;
    bool bundles;        /* it reads them */
    ama_bundle_t bundle; /* numbered, not sent yet */
    bool unsent;         /* it is in the list of those whose bundle goes out soon */
    struct ama_member *next_unsent;
    UT_hash_handle hh_peer, hh_name;
} ama_member_t;

_Static_assert(AMA_KEY_NAME_MAX == AMA_USER_MAX, "the name of a key fits into an envelope");

#define AMA_BARRED_MAX 1024
#define AMA_ASKED_MAX  1024

typedef struct {
    ama_member_t *by_peer, *by_name;
    size_t n_others;                  /* members like `planner.2` */
    size_t turns[AMA_ROLE_DEPOT + 1]; /* requests that were shared out, by role */
    struct {
        uint64_t id;
        ama_peer_t peer;
    } asked[AMA_ASKED_MAX];            /* to whom: the last of them */
    ama_member_t *recent;              /* messages come in runs */
    ama_member_t *unsent;              /* list */
    ama_peer_t barred[AMA_BARRED_MAX]; /* the last that were; a ROUTER does not use a name twice */
    size_t n_barred;                   /* ever */
} ama_members_t;

ama_member_t *ama_members_add (ama_members_t *members, ama_peer_t peer, const char *name);
ama_member_t *ama_members_of_peer (ama_members_t *members, ama_peer_t peer);
ama_member_t *ama_members_named (const ama_members_t *members, const char *name);
/* The role a peer gets, or AMA_ROLE_NONE. Inside the process everybody is what he says. Names without a slash are those of actors; in another process
 * (remote) only those that were placed there (NULL-terminated, or NULL) are theirs. */
ama_role_t ama_members_role (const ama_control_hello_t *hello, bool remote, const char *const *placed);
/* The same for a peer over tcp, by its key: never more than the key file grants. A person's key gives the lower of his role and of what he asks for;
 * an agent's key NAME makes it agent/NAME, an actor's the actor NAME, and nothing else. Of fetcher, planner and resolver there may be several: `planner.2`. */
ama_role_t ama_members_far_role (const ama_control_hello_t *hello, const ama_key_t *key);
/* Who gets a request for the actor of that name: of several, the next in turn. NULL if nobody is there. */
ama_member_t *ama_members_share (ama_members_t *members, const char *name, uint64_t id);
/* Who got the request of that number, if it was one of the last AMA_ASKED_MAX that were shared out; else the member of that name, or NULL. */
ama_member_t *ama_members_asked (ama_members_t *members, const char *name, uint64_t id);
/* Is it the next message of the member? 0 (it counts as heard), AMA_E_REPLAY (its number was there), AMA_E_INTEGRITY (others before
 * it are missing). */
int ama_member_in_order (ama_member_t *member, uint64_t seq, ama_err_t *err);
/* Is what it says to another member of this epoch, and new? Ids rise with every request; gaps do no harm. 0 (a request counts as said), or
 * AMA_E_STALE, AMA_E_INVALID (an epoch that has not begun), AMA_E_REPLAY and a text. */
int ama_member_in_time (ama_member_t *member, const ama_envelope_t *envelope, uint64_t epoch, const char **ret_text);
/* A peer that will not be heard again on its connection. */
void ama_members_bar (ama_members_t *members, ama_peer_t peer);
bool ama_members_is_barred (const ama_members_t *members, ama_peer_t peer);
/* Frees it. */
void ama_members_remove (ama_members_t *members, ama_member_t *member);

#endif
