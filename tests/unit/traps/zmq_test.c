/* zmq_test.c - traps of libzmq, and what the runtime relies on in it */
#include "tests/unit/traps/trap.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <zmq.h>

static void *zmq;

static void *open_socket (int type)
{
    int none = 0, ms = 10000;
    void *socket;

    if (!zmq)
        zmq = zmq_ctx_new ();
    socket = zmq_socket (zmq, type);
    (void) zmq_setsockopt (socket, ZMQ_LINGER, &none, sizeof none);
    (void) zmq_setsockopt (socket, ZMQ_RCVTIMEO, &ms, sizeof ms);
    return socket;
}

static void set (void *socket, int option, int value)
{
    SHOW (zmq_setsockopt (socket, option, &value, sizeof value) == 0);
}

static void *bound (int type, const char *endpoint)
{
    void *socket = open_socket (type);

    SHOW (zmq_bind (socket, endpoint) == 0);
    return socket;
}

static void *connected (int type, const char *endpoint)
{
    void *socket = open_socket (type);

    SHOW (zmq_connect (socket, endpoint) == 0);
    return socket;
}

static bool hears (void *socket, const char *text)
{
    char buf[64] = "";

    for (int more = 1, n; more;) { /* the last frame counts */
        size_t size = sizeof more;
        if ((n = zmq_recv (socket, buf, sizeof buf - 1, 0)) < 0)
            return false;
        buf[n] = '\0';
        (void) zmq_getsockopt (socket, ZMQ_RCVMORE, &more, &size);
    }
    return strcmp (buf, text) == 0;
}

/* For what is expected not to come. */
static bool hears_soon (void *socket, const char *text)
{
    bool heard;

    set (socket, ZMQ_RCVTIMEO, 200);
    heard = hears (socket, text);
    set (socket, ZMQ_RCVTIMEO, 10000);
    return heard;
}

static bool is_readable (void *socket)
{
    zmq_pollitem_t item = { .socket = socket, .events = ZMQ_POLLIN };

    return zmq_poll (&item, 1, 10000) == 1;
}

/* Becomes readable when something of that kind happens to the socket. */
static void *watch (void *socket, const char *name, int event)
{
    SHOW (zmq_socket_monitor (socket, name, event) == 0);
    return connected (ZMQ_PAIR, name);
}

static const char *ipc_endpoint (void)
{
    static char endpoint[96];
    char folder[] = "/tmp/ama-trap-XXXXXX";

    SHOW (mkdtemp (folder) != NULL);
    (void) snprintf (endpoint, sizeof endpoint, "ipc://%s/s", folder);
    return endpoint;
}

static void clean_up (const char *endpoint)
{
    char path[96];

    (void) snprintf (path, sizeof path, "%s", endpoint + strlen ("ipc://"));
    (void) unlink (path);
    *strrchr (path, '/') = '\0';
    (void) rmdir (path);
}

/* ---- losing messages ---- */

/* A ROUTER drops what it can not route, and says it went well. The hub's has ROUTER_MANDATORY (ama_wire.c). */
static void router_drops (void)
{
    void *router = bound (ZMQ_ROUTER, "inproc://r");
    zmq_msg_t msg;

    SHOW (zmq_send (router, "nobody", 6, ZMQ_SNDMORE) == 6);
    SHOW (zmq_send (router, "x", 1, 0) == 1);
    set (router, ZMQ_ROUTER_MANDATORY, 1);
    (void) zmq_msg_init_size (&msg, 6);
    memcpy (zmq_msg_data (&msg), "nobody", 6);
    SHOW (zmq_msg_send (&msg, router, ZMQ_SNDMORE) == -1 && errno == EHOSTUNREACH);
    SHOW (zmq_msg_size (&msg) == 6); /* still ours */
    (void) zmq_msg_close (&msg);
}

/* A second peer with a known identity is not let in, and not told. The hub's members choose none (ama_members.h). */
static void duplicate_identity (void)
{
    void *router = bound (ZMQ_ROUTER, "inproc://r"), *first = open_socket (ZMQ_DEALER),
         *second = open_socket (ZMQ_DEALER);

    (void) zmq_setsockopt (first, ZMQ_ROUTING_ID, "me", 2);
    (void) zmq_setsockopt (second, ZMQ_ROUTING_ID, "me", 2);
    SHOW (zmq_connect (first, "inproc://r") == 0 && zmq_connect (second, "inproc://r") == 0);
    SHOW (zmq_send (first, "one", 3, 0) == 3 && zmq_send (second, "two", 3, 0) == 3);
    SHOW (hears (router, "one"));
    SHOW (!hears_soon (router, "two"));
}

/* What a peer has accepted dies with it. Hence: only an application's own answer means that something has arrived. */
static void dead_peer_takes_messages_along (void)
{
    const char *endpoint = ipc_endpoint ();
    void *router = bound (ZMQ_ROUTER, endpoint), *dealer = connected (ZMQ_DEALER, endpoint);
    void *closed = watch (router, "inproc://closed", ZMQ_EVENT_CLOSED);
    void *parted = watch (dealer, "inproc://parted", ZMQ_EVENT_DISCONNECTED);

    for (int i = 0; i < 100; i++)
        SHOW (zmq_send (dealer, "old", 3, 0) == 3);
    for (int i = 0; i < 99; i++)
        SHOW (hears (router, "old"));
    SHOW (is_readable (router)); /* the last one has arrived */
    SHOW (zmq_unbind (router, endpoint) == 0 && is_readable (closed));
    (void) zmq_close (router);
    SHOW (is_readable (parted));
    router = bound (ZMQ_ROUTER, endpoint);
    SHOW (zmq_send (dealer, "new", 3, 0) == 3);
    SHOW (hears (router, "new"));
    clean_up (endpoint);
}

/* Without IMMEDIATE a DEALER queues for a peer that is not there; with it, it says EAGAIN, which the link takes for "no way out". */
static void dealer_queues_for_nobody (void)
{
    const char *endpoint = ipc_endpoint ();
    void *eager = connected (ZMQ_DEALER, endpoint), *careful = open_socket (ZMQ_DEALER);

    SHOW (zmq_send (eager, "x", 1, ZMQ_DONTWAIT) == 1);
    set (careful, ZMQ_IMMEDIATE, 1);
    SHOW (zmq_connect (careful, endpoint) == 0);
    SHOW (zmq_send (careful, "x", 1, ZMQ_DONTWAIT) == -1 && errno == EAGAIN);
    clean_up (endpoint);
}

/* A publisher loses what comes before the subscription. Hence no PUB for reports, but streamed answers. It is a race: the subscription may be
 * quick, once, though not ten times. */
static void slow_joiner (void)
{
    void *pub = bound (ZMQ_PUB, "tcp://127.0.0.1:*");
    char endpoint[64];
    size_t size = sizeof endpoint;
    int lost = 0;

    (void) zmq_getsockopt (pub, ZMQ_LAST_ENDPOINT, endpoint, &size);
    for (int i = 0; i < 10 && !lost; i++) {
        void *sub = connected (ZMQ_SUB, endpoint);
        (void) zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "", 0);
        SHOW (zmq_send (pub, "early", 5, 0) == 5);
        lost += !hears_soon (sub, "early");
        (void) zmq_close (sub);
    }
    SHOW (lost);
}

/* ... and what does not fit into the queue, without a word. */
static void publisher_drops_when_full (void)
{
    enum { SENT = 20000 };
    void *pub = open_socket (ZMQ_XPUB), *sub = open_socket (ZMQ_SUB);
    char byte;
    int received = 0;

    set (pub, ZMQ_SNDHWM, 10);
    set (sub, ZMQ_RCVHWM, 10);
    SHOW (zmq_bind (pub, "inproc://p") == 0 && zmq_connect (sub, "inproc://p") == 0);
    (void) zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "", 0);
    SHOW (zmq_recv (pub, &byte, 1, 0) == 1); /* the subscription has arrived */
    for (int i = 0; i < SENT; i++)
        SHOW (zmq_send (pub, "x", 1, 0) == 1);
    set (sub, ZMQ_RCVTIMEO, 200);
    while (zmq_recv (sub, &byte, 1, 0) == 1)
        received++;
    SHOW (received < SENT / 10);
}

/* The high-water mark counts messages, whatever their size. Hence credit in bytes on streams. */
static void hwm_counts_messages (void)
{
    enum { BIG = 1 << 20 };
    char *big = ama_calloc (1, BIG);
    void *pull = open_socket (ZMQ_PULL), *push = open_socket (ZMQ_PUSH);
    int accepted = 0;

    set (pull, ZMQ_RCVHWM, 5);
    set (push, ZMQ_SNDHWM, 5);
    SHOW (zmq_bind (pull, "inproc://h") == 0 && zmq_connect (push, "inproc://h") == 0);
    while (zmq_send (push, big, BIG, ZMQ_DONTWAIT) == BIG)
        accepted++;
    SHOW (accepted == 10); /* inside a process both sides add up */
    free (big);
}

/* Most options act on later binds and connects only. Hence one table, set at creation (ama_wire_socket). */
static void options_come_too_late (void)
{
    const char *endpoint = ipc_endpoint ();
    void *dealer = connected (ZMQ_DEALER, endpoint);

    set (dealer, ZMQ_IMMEDIATE, 1);
    SHOW (zmq_send (dealer, "x", 1, ZMQ_DONTWAIT) == 1); /* queued for nobody all the same */
    clean_up (endpoint);
}

static void say_and_close (void *context, const char *endpoint, int linger_ms)
{
    void *dealer = zmq_socket (context, ZMQ_DEALER);
    int linger = 0;
    size_t size = sizeof linger;

    SHOW (zmq_getsockopt (dealer, ZMQ_LINGER, &linger, &size) == 0 && linger == -1); /* by default: for ever */
    set (dealer, ZMQ_LINGER, linger_ms);
    SHOW (zmq_connect (dealer, endpoint) == 0);
    SHOW (zmq_send (dealer, "last", 4, 0) == 4);
    SHOW (zmq_close (dealer) == 0);
}

/* Last words to a peer that is not there yet are gone at once without LINGER; with it they wait for him. By default they would hold up the exit
 * for ever. */
static void last_words_and_linger (void)
{
    const char *endpoint = ipc_endpoint ();
    void *context = zmq_ctx_new (), *router;

    say_and_close (context, endpoint, 0);
    SHOW (zmq_ctx_term (context) == 0);
    router = bound (ZMQ_ROUTER, endpoint);
    SHOW (!hears_soon (router, "last"));
    (void) zmq_close (router);
    clean_up (endpoint);

    endpoint = ipc_endpoint ();
    say_and_close (zmq_ctx_new (), endpoint, 10000);
    router = bound (ZMQ_ROUTER, endpoint);
    SHOW (hears (router, "last"));
    clean_up (endpoint);
}

/* A REQ that got no answer can not ask again, unless it is relaxed. The heartbeat of kernels is (ama_sock.c). */
static void lock_step (void)
{
    void *rep = bound (ZMQ_REP, "inproc://l"), *strict = connected (ZMQ_REQ, "inproc://l"), *relaxed;

    SHOW (zmq_send (strict, "a", 1, 0) == 1);
    SHOW (zmq_send (strict, "b", 1, ZMQ_DONTWAIT) == -1 && errno == EFSM);
    relaxed = open_socket (ZMQ_REQ);
    set (relaxed, ZMQ_REQ_RELAXED, 1);
    set (relaxed, ZMQ_REQ_CORRELATE, 1);
    SHOW (zmq_connect (relaxed, "inproc://l") == 0);
    SHOW (zmq_send (relaxed, "c", 1, 0) == 1 && zmq_send (relaxed, "d", 1, 0) == 1);
    SHOW (hears (rep, "a"));
}

/* ---- liveness ---- */

/* ZMTP's heartbeats are answered by the I/O thread: a peer that never looks at its socket lives on. Hence pings from the loop (ama_link.c). */
static void heartbeats_prove_no_loop (void)
{
    const char *endpoint = ipc_endpoint ();
    void *router = open_socket (ZMQ_ROUTER), *hung = open_socket (ZMQ_DEALER);
    char peer[8];

    set (router, ZMQ_ROUTER_MANDATORY, 1);
    set (router, ZMQ_HEARTBEAT_IVL, 20);
    set (router, ZMQ_HEARTBEAT_TIMEOUT, 100);
    SHOW (zmq_bind (router, endpoint) == 0 && zmq_connect (hung, endpoint) == 0);
    SHOW (zmq_send (hung, "x", 1, 0) == 1);
    SHOW (zmq_recv (router, peer, 5, 0) == 5 && hears (router, "x"));
    (void) usleep (500000); /* five times the timeout */
    SHOW (zmq_send (router, peer, 5, ZMQ_SNDMORE) == 5 && zmq_send (router, "?", 1, 0) == 1);
    clean_up (endpoint);
}

/* A time to live is kept in tenths of a second: what is below is none. */
static void short_ttl_is_none (void)
{
    void *socket = open_socket (ZMQ_DEALER);
    int ttl_ms = -1;
    size_t size = sizeof ttl_ms;

    set (socket, ZMQ_HEARTBEAT_TTL, 99);
    SHOW (zmq_getsockopt (socket, ZMQ_HEARTBEAT_TTL, &ttl_ms, &size) == 0 && ttl_ms == 0);
}

/* ---- endpoints ---- */

/* Inside a process a connect before the bind is taken, and looks as if somebody were there. Hence a node binds first (ama_node.c). */
static void connect_before_bind (void)
{
    void *eager = connected (ZMQ_DEALER, "inproc://later"), *router;

    SHOW (zmq_send (eager, "x", 1, ZMQ_DONTWAIT) == 1);
    router = bound (ZMQ_ROUTER, "inproc://later");
    SHOW (hears (router, "x"));
}

/* Debian builds without the draft interface: no poller, no notice of peers, no enforced domain for keys. */
static void no_drafts (void)
{
    SHOW (zmq_has ("draft") == 0);
}

/* A second bind on the same ipc path succeeds, and the first listener is deaf from then on. Hence lock file and probe (ama_ipc_claim). */
static void second_bind_steals (void)
{
    const char *endpoint = ipc_endpoint ();
    void *first = bound (ZMQ_PULL, endpoint), *second = bound (ZMQ_PULL, endpoint),
         *push = connected (ZMQ_PUSH, endpoint);

    SHOW (zmq_send (push, "x", 1, 0) == 1);
    SHOW (hears (second, "x"));
    SHOW (!hears_soon (first, "x"));
    clean_up (endpoint);
}

/* Closing leaves the path behind (this release does; others have taken it away, from another thread and later). Hence the node unlinks it,
 * and holds the lock until the context has ended (ama_node.c). */
static void close_leaves_the_path (void)
{
    const char *endpoint = ipc_endpoint (), *path = endpoint + strlen ("ipc://");
    void *socket = bound (ZMQ_PULL, endpoint);

    SHOW (access (path, F_OK) == 0);
    (void) zmq_close (socket);
    (void) zmq_ctx_term (zmq);
    SHOW (access (path, F_OK) == 0);
    clean_up (endpoint);
}

/* MAXMSGSIZE holds for the handshake, too: a very small one makes a socket that never connects. */
static void max_size_and_handshake (void)
{
    void *router = bound (ZMQ_ROUTER, "tcp://127.0.0.1:*"), *dealer = open_socket (ZMQ_DEALER);
    char endpoint[64];
    size_t size = sizeof endpoint;
    int64_t four = 4;

    (void) zmq_getsockopt (router, ZMQ_LAST_ENDPOINT, endpoint, &size);
    (void) zmq_setsockopt (dealer, ZMQ_MAXMSGSIZE, &four, sizeof four);
    SHOW (zmq_connect (dealer, endpoint) == 0);
    SHOW (zmq_send (dealer, "x", 1, 0) == 1);
    SHOW (!hears_soon (router, "x"));
}

/* ---- what the runtime relies on ---- */

/* The descriptor is only a hint: a send reads the mailbox and takes the hint away although a message waits (ama_loop.c: hot). */
static void send_swallows_the_signal (void)
{
    void *a = bound (ZMQ_PAIR, "inproc://f"), *b = connected (ZMQ_PAIR, "inproc://f");
    struct pollfd fd = { .events = POLLIN };
    size_t size = sizeof fd.fd;
    int events = 0;
    char byte;

    SHOW (zmq_getsockopt (b, ZMQ_FD, &fd.fd, &size) == 0);
    SHOW (zmq_recv (b, &byte, 1, ZMQ_DONTWAIT) < 0); /* reads what the connection itself has caused */
    SHOW (zmq_send (a, "x", 1, 0) == 1);
    SHOW (poll (&fd, 1, 1000) == 1);
    size = sizeof events;
    SHOW (zmq_getsockopt (b, ZMQ_EVENTS, &events, &size) == 0 && events & ZMQ_POLLIN);
    SHOW (poll (&fd, 1, 50) == 0); /* silent, and yet */
    SHOW (zmq_recv (b, &byte, 1, ZMQ_DONTWAIT) == 1);
}

/* A ROUTER calls a peer without identity by five bytes, the first of which is zero; and it tells who is at the other end of a Unix
 * socket, but says nothing of a peer inside the process (ama_members.c, ama_peer_process). */
static void names_of_peers (void)
{
    const char *endpoint = ipc_endpoint ();
    void *router = bound (ZMQ_ROUTER, endpoint), *remote = connected (ZMQ_DEALER, endpoint), *local;
    char expected[64];
    zmq_msg_t msg;

    SHOW (zmq_bind (router, "inproc://n") == 0);
    local = connected (ZMQ_DEALER, "inproc://n");
    (void) zmq_msg_init (&msg);
    SHOW (zmq_send (local, "x", 1, 0) == 1);
    SHOW (zmq_msg_recv (&msg, router, 0) == 5 && ((char *) zmq_msg_data (&msg))[0] == 0);
    SHOW (zmq_msg_recv (&msg, router, 0) == 1 && zmq_msg_gets (&msg, "Peer-Address") == NULL);
    SHOW (zmq_send (remote, "x", 1, 0) == 1);
    SHOW (zmq_msg_recv (&msg, router, 0) == 5 && ((char *) zmq_msg_data (&msg))[0] == 0);
    SHOW (zmq_msg_recv (&msg, router, 0) == 1 && zmq_msg_gets (&msg, "Peer-Address") != NULL);
    (void) snprintf (expected, sizeof expected, ":%u:%u:%d", geteuid (), getegid (), getpid ());
    SHOW (strstr (zmq_msg_gets (&msg, "Peer-Address"), expected) != NULL);
    (void) zmq_msg_close (&msg);
    clean_up (endpoint);
}

/* Against the documentation a peer may choose an identity of the kind the ROUTER makes up, though not one that is in use: so nobody can take
 * another's place, and the hub may take such a name for one of the socket's own. */
static void identities_that_begin_with_zero (void)
{
    void *router = bound (ZMQ_ROUTER, "inproc://z"), *honest = connected (ZMQ_DEALER, "inproc://z");
    void *thief = open_socket (ZMQ_DEALER), *odd = open_socket (ZMQ_DEALER);
    char peer[8];

    SHOW (zmq_send (honest, "x", 1, 0) == 1);
    SHOW (zmq_recv (router, peer, sizeof peer, 0) == 5 && hears (router, "x"));
    SHOW (zmq_setsockopt (thief, ZMQ_ROUTING_ID, peer, 5) == 0 && zmq_connect (thief, "inproc://z") == 0);
    SHOW (zmq_send (thief, "mine", 4, 0) == 4);
    SHOW (!hears_soon (router, "mine"));
    SHOW (zmq_setsockopt (odd, ZMQ_ROUTING_ID, "\0abcd", 5) == 0 && zmq_connect (odd, "inproc://z") == 0);
    SHOW (zmq_send (odd, "y", 1, 0) == 1);
    SHOW (hears (router, "y"));
}

/* A ROUTER whose peer has closed says EHOSTUNREACH once it has read what the peer sent (ama_hub.c: see_off). */
static void last_words_before_unreachable (void)
{
    const char *endpoint = ipc_endpoint ();
    void *router = bound (ZMQ_ROUTER, endpoint), *dealer = open_socket (ZMQ_DEALER);
    char peer[8];
    int rc, heard = 0;

    set (router, ZMQ_ROUTER_MANDATORY, 1);
    set (dealer, ZMQ_LINGER, 1000);
    SHOW (zmq_connect (dealer, endpoint) == 0);
    SHOW (zmq_send (dealer, "hello", 5, 0) == 5);
    SHOW (zmq_recv (router, peer, 5, 0) == 5 && hears (router, "hello"));
    for (int i = 0; i < 50; i++)
        SHOW (zmq_send (dealer, "word", 4, 0) == 4);
    (void) zmq_close (dealer);
    for (int i = 0; i < 100; i++) {
        if ((rc = zmq_send (router, peer, 5, ZMQ_SNDMORE | ZMQ_DONTWAIT)) < 0)
            break;
        (void) zmq_send (router, "?", 1, ZMQ_DONTWAIT);
        (void) usleep (10000);
    }
    SHOW (rc < 0 && errno == EHOSTUNREACH);
    while (hears_soon (router, "word"))
        heard++;
    SHOW (heard == 50);
    clean_up (endpoint);
}

TRAP (router_drops)
TRAP (duplicate_identity)
TRAP (dead_peer_takes_messages_along)
TRAP (dealer_queues_for_nobody)
TRAP (slow_joiner)
TRAP (publisher_drops_when_full)
TRAP (hwm_counts_messages)
TRAP (options_come_too_late)
TRAP (last_words_and_linger)
TRAP (lock_step)
TRAP (heartbeats_prove_no_loop)
TRAP (short_ttl_is_none)
TRAP (connect_before_bind)
TRAP (no_drafts)
TRAP (second_bind_steals)
TRAP (close_leaves_the_path)
TRAP (max_size_and_handshake)
TRAP (send_swallows_the_signal)
TRAP (names_of_peers)
TRAP (identities_that_begin_with_zero)
TRAP (last_words_before_unreachable)

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_router_drops),
        cmocka_unit_test (test_duplicate_identity),
        cmocka_unit_test (test_dead_peer_takes_messages_along),
        cmocka_unit_test (test_dealer_queues_for_nobody),
        cmocka_unit_test (test_slow_joiner),
        cmocka_unit_test (test_publisher_drops_when_full),
        cmocka_unit_test (test_hwm_counts_messages),
        cmocka_unit_test (test_options_come_too_late),
        cmocka_unit_test (test_last_words_and_linger),
        cmocka_unit_test (test_lock_step),
        cmocka_unit_test (test_heartbeats_prove_no_loop),
        cmocka_unit_test (test_short_ttl_is_none),
        cmocka_unit_test (test_connect_before_bind),
        cmocka_unit_test (test_no_drafts),
        cmocka_unit_test (test_second_bind_steals),
        cmocka_unit_test (test_close_leaves_the_path),
        cmocka_unit_test (test_max_size_and_handshake),
        cmocka_unit_test (test_send_swallows_the_signal),
        cmocka_unit_test (test_names_of_peers),
        cmocka_unit_test (test_identities_that_begin_with_zero),
        cmocka_unit_test (test_last_words_before_unreachable),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
