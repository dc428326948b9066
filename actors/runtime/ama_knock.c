/* ama_knock.c - what a CURVE handshake comes to, told by libzmq's monitor. Called before there is a node; a link hides all of this. */
#include "actors/runtime/ama_knock.h"

#include "actors/base/ama_clock.h"
#include "actors/runtime/ama_wire.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MONITOR "inproc://knock"

static int next_event (void *monitor, int patience_ms)
{
    zmq_pollitem_t item = { .socket = monitor, .events = ZMQ_POLLIN };
    uint16_t event = 0;
    zmq_msg_t frame;
    bool more = true;

    if (zmq_poll (&item, 1, patience_ms) <= 0)
        return 0;
    for (int n = 0; more; n++) {
        (void) zmq_msg_init (&frame);
        more = zmq_msg_recv (&frame, monitor, 0) >= 0 && zmq_msg_more (&frame);
        if (n == 0 && zmq_msg_size (&frame) >= sizeof event)
            memcpy (&event, zmq_msg_data (&frame), sizeof event);
        (void) zmq_msg_close (&frame);
    }
    return event;
}

static int wait_for (void *monitor, const char *endpoint, int patience_ms, ama_err_t *err)
{
    int64_t now_ms = ama_mono_ms (ama_clock_system ()), until_ms = now_ms + patience_ms;
    bool connected = false;

    for (; now_ms < until_ms; now_ms = ama_mono_ms (ama_clock_system ())) {
        switch (next_event (monitor, (int) (until_ms - now_ms))) {
        case ZMQ_EVENT_CONNECTED:
            connected = true;
            break;
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
            return 0;
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
            return ama_err_set (
                err, AMA_E_AUTH,
                "%s does not know this key; there, `ama keys add NAME --role ROLE --key PUB` makes it known", endpoint);
        case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        case ZMQ_EVENT_DISCONNECTED:
            return ama_err_set (err, AMA_E_AUTH, "%s has another key than the one expected, or is no amad", endpoint);
        case ZMQ_EVENT_CLOSED:
        case ZMQ_EVENT_CONNECT_RETRIED:
            return ama_err_set (err, AMA_E_UNREACHABLE, "no amad serves %s: nobody listens there", endpoint);
        default:
            break;
        }
    }
    return ama_err_set (err, AMA_E_UNREACHABLE, "%s does not answer%s", endpoint, connected ? " the handshake" : "");
}

int ama_knock (const char *endpoint, const ama_node_curve_t *curve, int patience_ms, ama_err_t *err)
{
    void *zmq = zmq_ctx_new (), *socket = NULL, *monitor = NULL;
    int linger = 0, rc = zmq ? ama_wire_socket (zmq, ZMQ_DEALER, AMA_WIRE_FOREIGN, &socket, err) : 0;

    if (!zmq || (rc == 0 && !(monitor = zmq_socket (zmq, ZMQ_PAIR))))
        rc = ama_err_set (err, AMA_E_IO, "no socket: %s", zmq_strerror (errno));
    if (rc == 0) {
        (void) zmq_setsockopt (monitor, ZMQ_LINGER, &linger, sizeof linger);
        ama_wire_curve_connect (socket, curve->public_key, curve->secret_key, curve->server_key);
        if (zmq_socket_monitor (socket, MONITOR, ZMQ_EVENT_ALL) < 0 || zmq_connect (monitor, MONITOR) < 0)
            rc = ama_err_set (err, AMA_E_IO, "no monitor: %s", zmq_strerror (errno));
        else if (zmq_connect (socket, endpoint) < 0)
            rc = ama_err_set (err, AMA_E_INVALID, "%s: %s", endpoint, zmq_strerror (errno));
        else
            rc = wait_for (monitor, endpoint, patience_ms, err);
    }
    if (socket)
        (void) zmq_close (socket);
    if (monitor)
        (void) zmq_close (monitor);
    if (zmq)
        (void) zmq_ctx_term (zmq);
    return rc;
}
