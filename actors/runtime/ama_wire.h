/* ama_wire.h - ZeroMQ sockets with every option set before they are used, packets of two frames, bundles of one (internal)
 *
 * The one place where socket options are written down. A packet is the envelope frame and the body frame.
 */
#ifndef AMA_RUNTIME_WIRE_H
#define AMA_RUNTIME_WIRE_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"
#include "actors/runtime/ama_bundle.h"

#include <stdbool.h>
#include <zmq.h>

#define AMA_WIRE_QUEUE 1000 /* messages per direction and peer */

typedef enum { AMA_WIRE_HUB, AMA_WIRE_LINK, AMA_WIRE_FOREIGN } ama_wire_use_t;

/* type: ZMQ_ROUTER … AMA_E_IO: out of sockets or descriptors. */
int ama_wire_socket (void *zmq, int type, ama_wire_use_t use, void **ret_socket, ama_err_t *err);

/* For the tcp endpoints that the socket binds from now on; those bound before stay as they are. */
void ama_wire_curve_serve (void *socket, const char *secret_key);
/* For what it connects to from now on. */
void ama_wire_curve_connect (void *socket, const char *public_key, const char *secret_key, const char *server_key);

typedef struct ama_packet {
    struct ama_packet *prev, *next; /* in a backlog */
    zmq_msg_t envelope, body;
} ama_packet_t;

void ama_packet_init (ama_packet_t *packet); /* empty frames */
void ama_packet_done (ama_packet_t *packet);
/* Bigger bodies are taken over without a copy (body is empty after), small ones copied (body stays). */
void ama_packet_make (ama_packet_t *packet, const ama_envelope_t *envelope, ama_str_t *body);
/* Another envelope, in the memory of the one before if both have the same size. */
void ama_packet_stamp (ama_packet_t *packet, const ama_envelope_t *envelope);
/* Another seq for the envelope frame, which must be one that was encoded or decoded. */
void ama_packet_number (ama_packet_t *packet, uint64_t seq);
/* Never blocks. true: sent, the frames are empty. false: EAGAIN (or no peer), the packet is untouched. */
bool ama_packet_send (ama_packet_t *packet, void *socket);
/* The message in its frames, as it is now. */
ama_said_t ama_packet_said (ama_packet_t *packet);
/* Copies the message into its frames. */
void ama_packet_fill (ama_packet_t *packet, const ama_said_t *said);
/* Never blocks. true: sent, the bundle is empty. false: EAGAIN (or no peer), it is untouched. */
bool ama_bundle_send (ama_bundle_t *bundle, void *socket);

#define AMA_GOT_PACKET 1
#define AMA_GOT_BUNDLE 2 /* in the packet's first frame, unchecked */
#define AMA_GOT_JUNK   (-1)

/* Never blocks. 0: nothing there; else AMA_GOT_…; junk was thrown away. frames of packet are replaced. */
int ama_packet_recv (ama_packet_t *packet, void *socket);
typedef struct {
    zmq_msg_t peer; /* the frame before the packet, if the socket is a ROUTER */
    ama_packet_t packet;
    int got; /* AMA_GOT_… */
} ama_received_t;

/* What was read from a socket in one go, to be handled one after the other. Two threads then meet less often at the queue between them. */
typedef struct {
    ama_received_t items[16];
    unsigned count, next;
} ama_burst_t;

void ama_burst_init (ama_burst_t *burst);
void ama_burst_done (ama_burst_t *burst);
/* Never blocks. Reads what is there, up to the room of the burst and to a mebibyte; burst must be used up. Returns how many came; only
 * when that is 0 has the socket nothing more, and will say so when it has. */
int ama_burst_fill (ama_burst_t *burst, void *socket, bool is_router);
/* The next of them, or NULL: they are used up. It lies in burst, and stays there until the next call; the taker may take its frames. */
ama_received_t *ama_burst_take (ama_burst_t *burst);

/* Packets that could not be sent at once, in order. Zero-initialise. */
typedef struct {
    ama_packet_t *first;
    size_t count, bytes;
} ama_backlog_t;

bool ama_backlog_full (const ama_backlog_t *backlog);
void ama_backlog_add (ama_backlog_t *backlog, ama_packet_t *packet); /* empties packet */
void ama_backlog_drop_first (ama_backlog_t *backlog);
void ama_backlog_clear (ama_backlog_t *backlog);

/* Where a frame came from. */
typedef enum { AMA_FROM_THREAD, AMA_FROM_PROCESS, AMA_FROM_TCP } ama_from_t;
ama_from_t ama_packet_from (zmq_msg_t *frame);

/* The process at the other end of a Unix socket, as the kernel knows it, from a frame that came from there. False: it came from inside
 * this process, or over something else. */
bool ama_peer_process (zmq_msg_t *frame, unsigned *ret_uid, int *ret_pid);

/* ipc://… : the path, else NULL. */
const char *ama_ipc_path (const char *endpoint);
/* A connected Unix stream socket, or -1: nobody listens there. */
int ama_ipc_probe (const char *path);
/* AMA_E_PATH: too long, or its folder is not a private one (0700) of this user. AMA_E_EXISTS: somebody listens there. On success
 * *ret_lock is a descriptor to be kept as long as the path is listened to. */
int ama_ipc_claim (const char *path, int *ret_lock, ama_err_t *err);

#endif
