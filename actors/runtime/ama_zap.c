/* ama_zap.c - the ZAP handler: one thread, one REP socket, the list of keys
 *
 * The thread knows no way to fail: what can not be a request is refused, and an error of the socket is a mistake of ours that ends the
 * process. It reads the list again when its file has changed, so a key that was taken out is refused from then on.
 */
#include "actors/runtime/ama_zap.h"

#include "actors/base/ama_clock.h"
#include "actors/base/ama_log.h"
#include "actors/runtime/ama_keys.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"

enum {
    FRAMES_MAX = 7,
    FRAME_BYTES = 256,
    KEY_BYTES = 32,
    ADDRESSES_MAX = 64, /* that are remembered, so that each is named once a minute */
    QUIET_MS = 60000,
    SELF_TEST_MS = 10000,
};

typedef struct {
    char text[64];
    int64_t logged_ms;
    unsigned more; /* refusals since then */
} address_t;

struct ama_zap {
    void *socket;
    int stop; /* eventfd */
    pthread_t thread;
    bool running;
    char *file;
    ama_keys_watch_t allowed;
    address_t addresses[ADDRESSES_MAX];
};

/* version, request id, domain, address, identity, mechanism, credentials */
typedef struct {
    size_t count; /* of all frames there were */
    struct {
        uint8_t data[FRAME_BYTES + 1]; /* a NUL behind it */
        size_t size;
    } frames[FRAMES_MAX];
} request_t;

enum { VERSION, REQUEST_ID, DOMAIN, ADDRESS, IDENTITY, MECHANISM, CREDENTIALS };

/* ---- asked ---- */

static bool receive (void *socket, request_t *request)
{
    zmq_msg_t frame;
    bool fits = true;

    memset (request, 0, sizeof *request);
    for (bool more = true; more; request->count++) {
        (void) zmq_msg_init (&frame);
        if (zmq_msg_recv (&frame, socket, request->count ? 0 : ZMQ_DONTWAIT) < 0) {
            (void) zmq_msg_close (&frame);
            return false;
        }
        if (request->count < FRAMES_MAX && zmq_msg_size (&frame) <= FRAME_BYTES) {
            request->frames[request->count].size = zmq_msg_size (&frame);
            memcpy (request->frames[request->count].data, zmq_msg_data (&frame), zmq_msg_size (&frame));
        }
        else
            fits = false;
        more = zmq_msg_more (&frame);
        (void) zmq_msg_close (&frame);
    }
    if (!fits)
        request->count = 0;
    return true;
}

static bool is (const request_t *request, size_t frame, const char *text)
{
    return request->frames[frame].size == strlen (text)
           && memcmp (request->frames[frame].data, text, strlen (text)) == 0;
}

static void log_refused (ama_zap_t *zap, const char *text, const char *why)
{
    int64_t now_ms = ama_mono_ms (ama_clock_system ());
    address_t *address = &zap->addresses[0];

    for (size_t i = 0; i < ADDRESSES_MAX; i++) {
        if (strncmp (zap->addresses[i].text, text, sizeof address->text - 1) == 0) {
            address = &zap->addresses[i];
            break;
        }
        if (zap->addresses[i].logged_ms < address->logged_ms)
            address = &zap->addresses[i];
    }
    if (strncmp (address->text, text, sizeof address->text - 1) != 0) {
        *address = (address_t){ 0 };
        (void) snprintf (address->text, sizeof address->text, "%s", text);
    }
    else if (now_ms - address->logged_ms < QUIET_MS) {
        address->more++;
        return;
    }
    ama_log (AMA_LOG_WARN, "zap", "refused a peer at %s: %s (%u more in the time before)", text, why, address->more);
    address->logged_ms = now_ms;
    address->more = 0;
}

static void refresh (ama_zap_t *zap)
{
    ama_err_t err;

    if (ama_keys_refresh (&zap->allowed, &err) && err.code)
        ama_log (AMA_LOG_ERROR, "zap", "nobody new may join over tcp: %s", err.text);
}

/* NULL: he may not. */
static const ama_key_t *judge (ama_zap_t *zap, const request_t *request)
{
    const char *address = (const char *) request->frames[ADDRESS].data;
    char key[AMA_KEY_TEXT];
    const ama_key_t *known;

    if (request->count != FRAMES_MAX || !is (request, VERSION, "1.0") || !is (request, DOMAIN, AMA_ZAP_DOMAIN)
        || !is (request, MECHANISM, "CURVE") || request->frames[CREDENTIALS].size != KEY_BYTES) {
        log_refused (zap, address, "it does not speak CURVE");
        return NULL;
    }
    refresh (zap);
    (void) zmq_z85_encode (key, request->frames[CREDENTIALS].data, KEY_BYTES);
    known = zap->allowed.broken ? NULL : ama_keys_find (&zap->allowed.keys, key);
    if (!known && *address) /* the test of ourselves has none */
        log_refused (zap, address, "its key is unknown");
    return known;
}

static void answer (ama_zap_t *zap, const request_t *request, const ama_key_t *known)
{
    const struct {
        const void *data;
        size_t size;
    } frames[] = {
        { "1.0", 3 },
        { request->frames[REQUEST_ID].data, request->frames[REQUEST_ID].size },
        { known ? "200" : "400", 3 },
        { known ? "OK" : "no", 2 },
        { known ? known->key : "", known ? AMA_KEY_TEXT - 1 : 0 },
        { "", 0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE (frames); i++)
        BUG_ON (zmq_send (zap->socket, frames[i].data, frames[i].size, i + 1 < ARRAY_SIZE (frames) ? ZMQ_SNDMORE : 0)
                    < 0
                && errno != ETERM);
}

static void *serve (void *arg)
{
    ama_zap_t *zap = arg;
    zmq_pollitem_t items[] = { { .socket = zap->socket, .events = ZMQ_POLLIN },
                               { .fd = zap->stop, .events = ZMQ_POLLIN } };
    request_t request;

    (void) pthread_setname_np (pthread_self (), "zap");
    for (;;) {
        BUG_ON (zmq_poll (items, ARRAY_SIZE (items), -1) < 0 && errno != EINTR && errno != ETERM);
        if (items[1].revents)
            return NULL;
        while (receive (zap->socket, &request))
            answer (zap, &request, judge (zap, &request));
    }
}

/* ---- life ---- */

/* Asks as libzmq does, about a key that nobody can have. */
static int test_ourselves (void *zmq, ama_err_t *err)
{
    void *socket = zmq_socket (zmq, ZMQ_REQ);
    int patience_ms = SELF_TEST_MS, linger = 0;
    uint8_t key[KEY_BYTES];
    request_t reply = { 0 };
    zmq_pollitem_t item = { .socket = socket, .events = ZMQ_POLLIN };
    bool refused;

    if (!socket)
        return ama_err_set (err, AMA_E_IO, "no socket: %s", zmq_strerror (errno));
    (void) zmq_setsockopt (socket, ZMQ_LINGER, &linger, sizeof linger);
    randombytes_buf (key, sizeof key);
    refused = zmq_connect (socket, ZAP_ENDPOINT) == 0 && zmq_send (socket, "1.0", 3, ZMQ_SNDMORE) == 3
              && zmq_send (socket, "test", 4, ZMQ_SNDMORE) == 4
              && zmq_send (socket, AMA_ZAP_DOMAIN, strlen (AMA_ZAP_DOMAIN), ZMQ_SNDMORE) > 0
              && zmq_send (socket, "", 0, ZMQ_SNDMORE) == 0 && zmq_send (socket, "", 0, ZMQ_SNDMORE) == 0
              && zmq_send (socket, "CURVE", 5, ZMQ_SNDMORE) == 5 && zmq_send (socket, key, sizeof key, 0) > 0
              && zmq_poll (&item, 1, patience_ms) == 1 && receive (socket, &reply) && reply.count == 6
              && is (&reply, 1, "test") && is (&reply, 2, "400");
    (void) zmq_close (socket);
    return refused
               ? 0
               : ama_err_set (err, AMA_E_FATAL, "the test with an unknown key was not refused: no tcp port is opened");
}

static int open_zap (ama_zap_t *zap, void *zmq, ama_err_t *err)
{
    int linger = 0, rc;

    if (ama_keys_load (zap->file, &zap->allowed.keys, err) < 0)
        return AMA_E_AUTH;
    zap->stop = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
    zap->socket = zmq_socket (zmq, ZMQ_REP);
    if (zap->stop < 0 || !zap->socket)
        return ama_err_set (err, AMA_E_IO, "no socket: %s", zmq_strerror (errno));
    (void) zmq_setsockopt (zap->socket, ZMQ_LINGER, &linger, sizeof linger);
    if (zmq_bind (zap->socket, ZAP_ENDPOINT) < 0)
        return ama_err_set (err, AMA_E_IO, "%s: %s", ZAP_ENDPOINT, zmq_strerror (errno));
    rc = pthread_create (&zap->thread, NULL, serve, zap);
    if (rc)
        return ama_err_set (err, AMA_E_IO, "no thread: %s", strerror (rc));
    zap->running = true;
    return test_ourselves (zmq, err);
}

ama_zap_t *ama_zap_new (void *zmq, const char *allowed_file, ama_err_t *err)
{
    ama_zap_t *zap = ama_calloc (1, sizeof *zap);

    zap->file = ama_strdup (allowed_file);
    zap->allowed.file = zap->file;
    zap->stop = -1;
    if (open_zap (zap, zmq, err) < 0)
        ama_zap_destroy (&zap);
    return zap;
}

void ama_zap_destroy (ama_zap_t **zap_p)
{
    ama_zap_t *zap = *zap_p;
    uint64_t one = 1;

    if (!zap)
        return;
    *zap_p = NULL;
    if (zap->running) {
        BUG_ON (write (zap->stop, &one, sizeof one) < 0);
        (void) pthread_join (zap->thread, NULL);
    }
    if (zap->socket)
        (void) zmq_close (zap->socket);
    if (zap->stop >= 0)
        (void) close (zap->stop);
    ama_keys_done (&zap->allowed.keys);
    free (zap->file);
    free (zap);
}
