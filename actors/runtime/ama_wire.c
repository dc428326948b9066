/* ama_wire.c - sockets, packets and ipc paths, for the hub, the links and foreign sockets. Any thread; no state of its own.
 *
 * Most options act only on later binds and connects, and LINGER must not be changed shortly before the close: so all are set here,
 * at creation. What each bounds is explained in README.md.
 */
#include "actors/runtime/ama_wire.h"

#include "actors/base/ama_lock.h"
#include "actors/runtime/ama_keys.h"
#include "actors/runtime/ama_zap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utlist.h>

enum {
    BURST_BYTES = 1 << 20,
    ZERO_COPY = 32 << 10, /* bytes of a body from which handing over is cheaper than copying */
    BACKLOG_COUNT = 1 << 16,
    BACKLOG_BYTES = 16 << 20,
};

/* ---- sockets ---- */

typedef struct {
    int option;
    int value[3]; /* by ama_wire_use_t */
} option_t;

#define NOT_SET (-2)

static const option_t options[] = {
    /*                        hub      link     foreign */
    { ZMQ_SNDHWM, { AMA_WIRE_QUEUE, AMA_WIRE_QUEUE, AMA_WIRE_QUEUE } },
    { ZMQ_RCVHWM, { AMA_WIRE_QUEUE, AMA_WIRE_QUEUE, AMA_WIRE_QUEUE } },
    { ZMQ_LINGER, { 1000, 1000, 0 } },                 /* ms for last words */
    { ZMQ_ROUTER_MANDATORY, { 1, NOT_SET, NOT_SET } }, /* no silent drop: EHOSTUNREACH, EAGAIN */
    { ZMQ_IMMEDIATE, { NOT_SET, 1, 1 } },              /* no queue towards a peer that is not there */
    { ZMQ_RECONNECT_IVL, { NOT_SET, 50, 20 } },        /* ms; a kernel is there in a moment */
    { ZMQ_RECONNECT_IVL_MAX, { NOT_SET, 1000, NOT_SET } },
    { ZMQ_HANDSHAKE_IVL, { 5000, 5000, 5000 } },
};

int ama_wire_socket (void *zmq, int type, ama_wire_use_t use, void **ret_socket, ama_err_t *err)
{
    static const int64_t max_frame[] = { AMA_BODY_MAX, AMA_BODY_MAX, -1 };
    void *socket = zmq_socket (zmq, type);

    if (!socket)
        return ama_err_set (err, AMA_E_IO, "no socket: %s", zmq_strerror (errno));
    for (size_t i = 0; i < ARRAY_SIZE (options); i++)
        if (options[i].value[use] != NOT_SET)
            BUG_ON (zmq_setsockopt (socket, options[i].option, &options[i].value[use], sizeof (int)) < 0);
    BUG_ON (zmq_setsockopt (socket, ZMQ_MAXMSGSIZE, &max_frame[use], sizeof max_frame[use]) < 0);
    *ret_socket = socket;
    return 0;
}

/* So does libzmq notice that a peer is gone whose host does not say so, and is not kept busy by those who never show a key. */
static void set_far (void *socket)
{
    static const struct {
        int option, value;
    } far[] = {
        { ZMQ_HANDSHAKE_IVL, 2000 },
        { ZMQ_HEARTBEAT_IVL, 5000 },
        { ZMQ_HEARTBEAT_TIMEOUT, 15000 },
        { ZMQ_HEARTBEAT_TTL, 15000 },
    };

    for (size_t i = 0; i < ARRAY_SIZE (far); i++)
        BUG_ON (zmq_setsockopt (socket, far[i].option, &far[i].value, sizeof far[i].value) < 0);
}

void ama_wire_curve_serve (void *socket, const char *secret_key)
{
    int yes = 1,
        backlog = 1024; /* with a short one, a wave of strangers makes others wait a second for their next SYN */

    set_far (socket);
    BUG_ON (zmq_setsockopt (socket, ZMQ_BACKLOG, &backlog, sizeof backlog) < 0);
    BUG_ON (zmq_setsockopt (socket, ZMQ_ZAP_DOMAIN, AMA_ZAP_DOMAIN, strlen (AMA_ZAP_DOMAIN)) < 0);
    BUG_ON (zmq_setsockopt (socket, ZMQ_CURVE_SERVER, &yes, sizeof yes) < 0);
    BUG_ON (zmq_setsockopt (socket, ZMQ_CURVE_SECRETKEY, secret_key, AMA_KEY_TEXT) < 0);
}

void ama_wire_curve_connect (void *socket, const char *public_key, const char *secret_key, const char *server_key)
{
    set_far (socket);
    BUG_ON (zmq_setsockopt (socket, ZMQ_CURVE_SERVERKEY, server_key, AMA_KEY_TEXT) < 0);
    BUG_ON (zmq_setsockopt (socket, ZMQ_CURVE_PUBLICKEY, public_key, AMA_KEY_TEXT) < 0);
    BUG_ON (zmq_setsockopt (socket, ZMQ_CURVE_SECRETKEY, secret_key, AMA_KEY_TEXT) < 0);
}

/* ---- packets ---- */

/* libzmq hands frames from thread to thread by means that ThreadSanitizer can not see; here it is told. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
void __tsan_acquire (void *address);
void __tsan_release (void *address);
#define GIVE(frame)       __tsan_release (zmq_msg_data (frame))
#define TAKE(frame)       __tsan_acquire (zmq_msg_data (frame))
#define TAKE_BYTES(bytes) __tsan_acquire (bytes)
#else
#define GIVE(frame)       (void) (frame)
#define TAKE(frame)       (void) (frame)
#define TAKE_BYTES(bytes) (void) (bytes)
#endif

void ama_packet_init (ama_packet_t *packet)
{
    packet->prev = packet->next = NULL;
    (void) zmq_msg_init (&packet->envelope);
    (void) zmq_msg_init (&packet->body);
}

void ama_packet_done (ama_packet_t *packet)
{
    (void) zmq_msg_close (&packet->envelope);
    (void) zmq_msg_close (&packet->body);
}

static void fill (zmq_msg_t *frame, const void *bytes, size_t size)
{
    (void) zmq_msg_close (frame);
    BUG_ON (zmq_msg_init_size (frame, size) < 0); /* out of memory */
    memcpy (zmq_msg_data (frame), bytes, size);
}

static void free_taken (void *data, void *hint)
{
    (void) hint;
    TAKE_BYTES (data); /* what goes to another process is freed by libzmq's thread */
    free (data);
}

void ama_packet_stamp (ama_packet_t *packet, const ama_envelope_t *envelope)
{
    uint8_t bytes[AMA_ENVELOPE_MAX];
    size_t size = ama_envelope_write (envelope, bytes);

    if (zmq_msg_size (&packet->envelope) == size)
        memcpy (zmq_msg_data (&packet->envelope), bytes, size);
    else
        fill (&packet->envelope, bytes, size);
}

void ama_packet_make (ama_packet_t *packet, const ama_envelope_t *envelope, ama_str_t *body)
{
    size_t size = body->size;

    ama_packet_stamp (packet, envelope);
    if (size < ZERO_COPY) {
        fill (&packet->body, body->data, size);
        return;
    }
    (void) zmq_msg_close (&packet->body);
    BUG_ON (zmq_msg_init_data (&packet->body, ama_str_take (body), size, free_taken, NULL) < 0);
}

void ama_packet_number (ama_packet_t *packet, uint64_t seq)
{
    ama_envelope_number (zmq_msg_data (&packet->envelope), zmq_msg_size (&packet->envelope), seq);
}

bool ama_packet_send (ama_packet_t *packet, void *socket)
{
    GIVE (&packet->envelope);
    GIVE (&packet->body);
    if (zmq_msg_send (&packet->envelope, socket, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return false;
    /* once the first frame is in, the rest of the message has its place */
    BUG_ON (zmq_msg_send (&packet->body, socket, ZMQ_DONTWAIT) < 0 && errno != ETERM && errno != EHOSTUNREACH);
    return true;
}

ama_said_t ama_packet_said (ama_packet_t *packet)
{
    return (ama_said_t){ .envelope = zmq_msg_data (&packet->envelope),
                         .envelope_size = zmq_msg_size (&packet->envelope),
                         .body = zmq_msg_data (&packet->body),
                         .body_size = zmq_msg_size (&packet->body) };
}

void ama_packet_fill (ama_packet_t *packet, const ama_said_t *said)
{
    fill (&packet->envelope, said->envelope, said->envelope_size);
    fill (&packet->body, said->body, said->body_size);
}

bool ama_bundle_send (ama_bundle_t *bundle, void *socket)
{
    zmq_msg_t frame;
    bool sent;

    BUG_ON (zmq_msg_init_size (&frame, bundle->size) < 0); /* out of memory */
    memcpy (zmq_msg_data (&frame), bundle->bytes, bundle->size);
    GIVE (&frame);
    sent = zmq_msg_send (&frame, socket, ZMQ_DONTWAIT) >= 0;
    if (sent)
        ama_bundle_clear (bundle);
    else
        (void) zmq_msg_close (&frame);
    return sent;
}

static bool more_after (const zmq_msg_t *frame)
{
    return zmq_msg_more (frame);
}

static int recv_rest (ama_packet_t *packet, void *socket)
{
    zmq_msg_t surplus;

    if (!more_after (&packet->envelope)) {
        TAKE (&packet->envelope);
        return AMA_GOT_BUNDLE;
    }
    if (zmq_msg_recv (&packet->body, socket, ZMQ_DONTWAIT) >= 0 && !more_after (&packet->body)) {
        TAKE (&packet->envelope);
        TAKE (&packet->body);
        return AMA_GOT_PACKET;
    }
    (void) zmq_msg_init (&surplus);
    for (bool more = more_after (&packet->body); more; more = more_after (&surplus))
        if (zmq_msg_recv (&surplus, socket, ZMQ_DONTWAIT) < 0)
            break;
    (void) zmq_msg_close (&surplus);
    return AMA_GOT_JUNK;
}

int ama_packet_recv (ama_packet_t *packet, void *socket)
{
    return zmq_msg_recv (&packet->envelope, socket, ZMQ_DONTWAIT) < 0 ? 0 : recv_rest (packet, socket);
}

/* Behind a frame that names the peer. */
static int recv_from (ama_packet_t *packet, zmq_msg_t *peer, void *socket)
{
    if (zmq_msg_recv (peer, socket, ZMQ_DONTWAIT) < 0)
        return 0;
    if (!more_after (peer) || zmq_msg_recv (&packet->envelope, socket, ZMQ_DONTWAIT) < 0)
        return AMA_GOT_JUNK;
    return recv_rest (packet, socket);
}

/* ---- bursts ---- */

void ama_burst_init (ama_burst_t *burst)
{
    burst->count = burst->next = 0;
    for (size_t i = 0; i < ARRAY_SIZE (burst->items); i++) {
        (void) zmq_msg_init (&burst->items[i].peer);
        ama_packet_init (&burst->items[i].packet);
    }
}

void ama_burst_done (ama_burst_t *burst)
{
    for (size_t i = 0; i < ARRAY_SIZE (burst->items); i++) {
        (void) zmq_msg_close (&burst->items[i].peer);
        ama_packet_done (&burst->items[i].packet);
    }
}

int ama_burst_fill (ama_burst_t *burst, void *socket, bool is_router)
{
    size_t bytes = 0;

    burst->count = burst->next = 0;
    while (burst->count < ARRAY_SIZE (burst->items) && bytes < BURST_BYTES) {
        ama_packet_t *packet = &burst->items[burst->count].packet;
        int got =
            is_router ? recv_from (packet, &burst->items[burst->count].peer, socket) : ama_packet_recv (packet, socket);
        if (!got)
            break;
        burst->items[burst->count++].got = got;
        bytes += zmq_msg_size (&packet->body);
    }
    return (int) burst->count;
}

ama_received_t *ama_burst_take (ama_burst_t *burst)
{
    return burst->next < burst->count ? &burst->items[burst->next++] : NULL;
}

/* ---- backlog ---- */

bool ama_backlog_full (const ama_backlog_t *backlog)
{
    return backlog->count >= BACKLOG_COUNT || backlog->bytes >= BACKLOG_BYTES;
}

void ama_backlog_add (ama_backlog_t *backlog, ama_packet_t *packet)
{
    ama_packet_t *kept = ama_malloc (sizeof *kept);

    ama_packet_init (kept);
    (void) zmq_msg_move (&kept->envelope, &packet->envelope);
    (void) zmq_msg_move (&kept->body, &packet->body);
    DL_APPEND (backlog->first, kept);
    backlog->count++;
    backlog->bytes += zmq_msg_size (&kept->body) + zmq_msg_size (&kept->envelope);
}

void ama_backlog_drop_first (ama_backlog_t *backlog)
{
    ama_packet_t *packet = backlog->first;

    DL_DELETE (backlog->first, packet);
    backlog->count--;
    ama_packet_done (packet);
    free (packet);
    if (!backlog->first)
        backlog->bytes = 0;
}

void ama_backlog_clear (ama_backlog_t *backlog)
{
    while (backlog->first)
        ama_backlog_drop_first (backlog);
}

/* ---- ipc ---- */

/* "localhost:UID:GID:PID" for one on a Unix socket. An address of tcp is a number, never a name. */
static const char unix_address[] = "localhost:";

ama_from_t ama_packet_from (zmq_msg_t *frame)
{
    const char *text = zmq_msg_gets (frame, "Peer-Address");

    return !text ? AMA_FROM_THREAD : ama_str_starts (text, unix_address) ? AMA_FROM_PROCESS : AMA_FROM_TCP;
}

bool ama_peer_process (zmq_msg_t *frame, unsigned *ret_uid, int *ret_pid)
{
    const char *text = zmq_msg_gets (frame, "Peer-Address");
    unsigned gid;

    return text && ama_str_starts (text, unix_address)
           && sscanf (text + strlen (unix_address), "%u:%u:%d", ret_uid, &gid, ret_pid) == 3;
}

const char *ama_ipc_path (const char *endpoint)
{
    return ama_str_starts (endpoint, "ipc://") ? endpoint + strlen ("ipc://") : NULL;
}

int ama_ipc_probe (const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd;

    if (strlen (path) >= sizeof address.sun_path)
        return -1;
    (void) snprintf (address.sun_path, sizeof address.sun_path, "%s", path);
    fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect (fd, (struct sockaddr *) &address, sizeof address) < 0 && errno != EAGAIN) {
        (void) close (fd);
        return -1;
    }
    return fd;
}

static int check_folder (const char *path, ama_err_t *err)
{
    char folder[sizeof ((struct sockaddr_un *) 0)->sun_path];
    struct stat st;
    char *slash;

    (void) snprintf (folder, sizeof folder, "%s", path);
    slash = strrchr (folder, '/');
    if (!slash || slash == folder)
        return ama_err_set (err, AMA_E_PATH, "%s: an endpoint needs a folder of its own", path);
    *slash = '\0';
    if (lstat (folder, &st) < 0)
        return ama_err_set (err, AMA_E_PATH, "%s: %s", folder, strerror (errno));
    if (!S_ISDIR (st.st_mode) || st.st_uid != geteuid () || st.st_mode & 077)
        return ama_err_set (err, AMA_E_PATH, "%s must be a folder of this user with mode 0700: its mode is %04o",
                            folder, (unsigned) st.st_mode & 07777);
    return 0;
}

int ama_ipc_claim (const char *path, int *ret_lock, ama_err_t *err)
{
    char lock_path[sizeof ((struct sockaddr_un *) 0)->sun_path + 8];
    int lock, fd;

    if (strlen (path) >= sizeof ((struct sockaddr_un *) 0)->sun_path - 1)
        return ama_err_set (err, AMA_E_PATH, "%s: %zu bytes, a socket's path has at most %zu", path, strlen (path),
                            sizeof ((struct sockaddr_un *) 0)->sun_path - 2);
    if (check_folder (path, err) < 0)
        return AMA_E_PATH;
    (void) snprintf (lock_path, sizeof lock_path, "%s.lock", path);
    lock = open (lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0)
        return ama_err_set (err, AMA_E_IO, "%s: %s", lock_path, strerror (errno));
    if (ama_lock (lock, LOCK_EX) < 0) {
        (void) close (lock);
        return ama_err_set (err, AMA_E_EXISTS, "another process listens on %s", path);
    }
    /* binding would steal the path from one that does not know of our lock */
    fd = ama_ipc_probe (path);
    if (fd >= 0) {
        (void) close (fd);
        (void) close (lock);
        return ama_err_set (err, AMA_E_EXISTS, "another process listens on %s", path);
    }
    *ret_lock = lock;
    return 0;
}
