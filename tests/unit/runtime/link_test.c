/* link_test.c - a link and a hub that says what it should not, does not answer, does not read, or ends: what its actor sees of it */
#include "tests/unit/runtime/process_scene.h"

#include "tests/unit/runtime/fake_hub.h"

#include <semaphore.h>
#include <stddef.h>
#include <time.h>

/* ---- what a hub says after the first welcome, as a table ---- */

static void say_who (fake_hub_t *hub)
{
    fake_say (hub, AMA_MSG_CONTROL_WHO, 0, 0, 0, NULL);
}

static void say_gone (fake_hub_t *hub, uint64_t seq)
{
    ama_control_peer_gone_t gone = { .name = "x" };

    fake_say (hub, AMA_MSG_CONTROL_PEER_GONE, 0, 0, seq, &gone);
}

static void gone (fake_hub_t *hub)
{
    say_gone (hub, 2);
    say_who (hub);
}

static void gone_again (fake_hub_t *hub)
{
    say_gone (hub, 2);
    say_gone (hub, 2);
    say_gone (hub, 1);
    say_who (hub);
}

static void welcome_again (fake_hub_t *hub)
{
    ama_envelope_t hello = { .id = 1 };

    fake_welcome (hub, &hello);
    hub->epoch--;
    say_who (hub);
}

static void no_envelope (fake_hub_t *hub)
{
    (void) zmq_send (hub->socket, hub->peer, (size_t) hub->n_peer, ZMQ_SNDMORE);
    (void) zmq_send (hub->socket, "junk", 4, ZMQ_SNDMORE);
    (void) zmq_send (hub->socket, "junk", 4, 0);
    say_who (hub);
}

static void no_body (fake_hub_t *hub)
{
    static const uint16_t types[] = { AMA_MSG_CONTROL_ERROR, AMA_MSG_CONTROL_PEER_GONE, AMA_MSG_CONTROL_PING,
                                      AMA_MSG_CONTROL_WELCOME };

    for (size_t i = 0; i < ARRAY_SIZE (types); i++) {
        ama_envelope_t envelope = { .src = "hub", .role = AMA_ROLE_HUB, .id = 1, .type = types[i] };
        fake_send (hub, &envelope, "\xc1", 1);
    }
    say_who (hub);
}

static void bye (fake_hub_t *hub)
{
    fake_say (hub, AMA_MSG_CONTROL_BYE, 0, 0, 2, NULL);
}

static void ask_it (fake_hub_t *hub)
{
    ama_control_ping_t ping = { .stamp = 42 };

    fake_say (hub, AMA_MSG_CONTROL_PING, AMA_FLAG_REQUEST, 0, 2, &ping);
}

static const struct {
    const char *name;
    void (*say) (fake_hub_t *hub);
    const char *log;
} sayings[] = {
    { "a peer is gone", gone, "joined 7; gone x; parted; joined 8" },
    { "what was said before is dropped", gone_again, "joined 7; gone x; parted; joined 8" },
    { "a second welcome changes nothing", welcome_again, "joined 7; parted; joined 8" },
    { "no envelope", no_envelope, "joined 7; parted; joined 8" },
    { "bodies that can not be read", no_body, "joined 7; parted; joined 8" },
    { "bye", bye, "joined 7; parted; joined 8" },
    { "is it alive? It answers, then the hub forgets it", ask_it, "joined 7; parted; joined 8" },
};

static void say_after_welcome (fake_hub_t *hub, const ama_envelope_t *said, const void *body, size_t size)
{
    ama_control_pong_t pong;

    if (said->type == AMA_MSG_CONTROL_HELLO)
        fake_welcome (hub, said);
    else if (said->type == AMA_MSG_CONTROL_PONG && ama_control_pong_decode (body, size, &pong, NULL) == 0
             && pong.stamp == 42)
        say_who (hub);
    else if (said->type == AMA_MSG_CONTROL_CANCEL)
        sayings[hub->step].say (hub);
}

static void joined (driver_t *driver, uint64_t epoch)
{
    note (driver, "joined %d", (int) epoch);
    if (epoch == 8)
        end_scene (driver->arg);
    else
        assert_int_equal (ama_tell (driver->ctx, "nobody", AMA_MSG_CONTROL_CANCEL, NULL), 0); /* now it is said */
}

static void parted (driver_t *driver)
{
    note (driver, "parted");
}

static void gone_is_noted (driver_t *driver, const char *name)
{
    note (driver, "gone %s", name);
}

static void open_agent (scene_t *scene, fake_hub_t *hub)
{
    open_scene (scene);
    open_fake (hub, scene->endpoint);
    scene->driver.name = "agent/1";
    scene->driver.role = AMA_ROLE_AGENT;
    scene->driver.on_joined = joined;
    scene->driver.on_parted = parted;
    scene->driver.on_peer_gone = gone_is_noted;
}

static void run_agent (scene_t *scene, fake_hub_t *hub)
{
    run_scene (scene, new_node (&(ama_node_conf_t){ .connect = scene->endpoint }));
    close_fake (hub);
}

static void test_sayings (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (sayings); i++) {
        fake_hub_t hub = { .on_said = say_after_welcome, .step = (int) i };
        scene_t scene;

        open_agent (&scene, &hub);
        run_agent (&scene, &hub);
        if (strcmp (scene.driver.log, sayings[i].log) != 0)
            fail_msg ("%s: %s", sayings[i].name, scene.driver.log);
    }
}

/* ---- hellos ---- */

typedef struct {
    ama_id_t incarnations[4];
    int n;
} hellos_t;

static int count_hello (fake_hub_t *hub, const void *body, size_t size)
{
    hellos_t *hellos = hub->arg;
    ama_control_hello_t hello;

    if (hellos->n < (int) ARRAY_SIZE (hellos->incarnations)
        && ama_control_hello_decode (body, size, &hello, NULL) == 0) {
        hellos->incarnations[hellos->n++] = hello.incarnation;
        ama_control_hello_done (&hello);
    }
    return hellos->n;
}

static void ends_when_joined (driver_t *driver, uint64_t epoch)
{
    note (driver, "joined %d", (int) epoch);
    end_scene (driver->arg);
}

static void exists_at_first (fake_hub_t *hub, const ama_envelope_t *said, const void *body, size_t size)
{
    if (said->type != AMA_MSG_CONTROL_HELLO)
        return;
    if (count_hello (hub, body, size) == 1)
        fake_error (hub, AMA_FLAG_REPLY | AMA_FLAG_ERROR, said->id, 0, AMA_E_EXISTS);
    else
        fake_welcome (hub, said);
}

/* The hub has not noticed yet that our former self is gone: we come again, as a newer one. */
static void test_former_self (void **state)
{
    hellos_t hellos = { 0 };
    fake_hub_t hub = { .on_said = exists_at_first, .arg = &hellos };
    scene_t scene;

    (void) state;
    open_agent (&scene, &hub);
    scene.driver.on_joined = ends_when_joined;
    run_agent (&scene, &hub);
    assert_string_equal (scene.driver.log, "joined 7");
    assert_int_equal (hellos.n, 2);
    assert_true (ama_id_compare (hellos.incarnations[0], hellos.incarnations[1]) < 0);
}

enum { DEAF_HELLOS = 4 }; /* one a second: the last is heard when nothing is held any more */

static void deaf_at_first (fake_hub_t *hub, const ama_envelope_t *said, const void *body, size_t size)
{
    if (said->type == AMA_MSG_CONTROL_HELLO && count_hello (hub, body, size) == DEAF_HELLOS)
        fake_welcome (hub, said);
}

static void no_way (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err, void *arg)
{
    driver_t *driver = arg;

    (void) ctx, (void) envelope, (void) body;
    note (driver, "%s %s", ama_err_name (err->code), err->text);
}

/* What is said from now on is refused at once. */
static void held_for_nothing (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                              void *arg)
{
    scene_t *scene = ((driver_t *) arg)->arg;
    ama_control_ping_t ping = { 0 };

    assert_true (ama_now_ms (ctx) - scene->since_ms >= 2000);
    no_way (ctx, envelope, body, err, arg);
    assert_int_equal (ama_tell (ctx, "hub", AMA_MSG_CONTROL_CANCEL, NULL), AMA_E_UNREACHABLE);
    (void) ama_ask (ctx, "hub", AMA_MSG_CONTROL_PING, &ping, 0, 0, no_way, arg);
    note (arg, "asked"); /* not from inside ama_ask */
}

static void ask_held (driver_t *driver)
{
    scene_t *scene = driver->arg;
    ama_control_ping_t ping = { 0 };

    scene->since_ms = ama_now_ms (driver->ctx);
    (void) ama_ask (driver->ctx, "hub", AMA_MSG_CONTROL_PING, &ping, 0, 0, held_for_nothing, driver);
}

/* Somebody listens, but does not answer. What was asked is held two seconds; hello is repeated as the same until it is heard. */
static void test_deaf_hub (void **state)
{
    hellos_t hellos = { 0 };
    fake_hub_t hub = { .on_said = deaf_at_first, .arg = &hellos };
    scene_t scene;

    (void) state;
    open_agent (&scene, &hub);
    scene.driver.begin = ask_held;
    scene.driver.on_joined = ends_when_joined;
    run_agent (&scene, &hub);
    assert_string_equal (scene.driver.log,
                         "AMA_E_UNREACHABLE control.ping to hub: the hub does not answer; asked; "
                         "AMA_E_UNREACHABLE control.ping to hub: the hub can not be reached; joined 7");
    for (int i = 1; i < DEAF_HELLOS; i++)
        assert_int_equal (ama_id_compare (hellos.incarnations[0], hellos.incarnations[i]), 0);
}

/* ---- a hub that does not read ---- */

typedef struct {
    scene_t scene;
    fake_hub_t hub;
    sem_t go_on;    /* the hub reads again */
    sem_t said_bye; /* the actor did, and the hub has read it */
    ama_stream_t *stream;
    uint64_t heard, told; /* messages of ours that came there; posts */
    bool in_order, answered;
} full_t;

/* On the hub's thread: it welcomes, asks for a stream, and falls asleep. */
static void fall_asleep (fake_hub_t *hub, const ama_envelope_t *said, const void *body, size_t size)
{
    full_t *full = hub->arg;
    ama_envelope_t request = { .src = "supervisor",
                               .role = AMA_ROLE_SUPERVISOR,
                               .id = 5,
                               .seq = 2,
                               .dst = "agent/1",
                               .type = AMA_MSG_FETCH_REQUEST,
                               .flags = AMA_FLAG_REQUEST };

    (void) body, (void) size;
    if (said->type == AMA_MSG_CONTROL_HELLO) {
        ama_fetch_request_t fetch = { .url = "u", .ref = "r" };
        ama_str_t bytes = { 0 };
        full->heard = 1;
        full->in_order = true;
        fake_welcome (hub, said);
        request.window = 1u << 30;
        ama_fetch_request_encode (&fetch, &bytes);
        if (hub->step++ == 0) {
            fake_send (hub, &request, bytes.data, bytes.size);
            (void) sem_wait (&full->go_on);
        }
        ama_str_done (&bytes);
        return;
    }
    full->in_order = full->in_order && said->seq == ++full->heard;
    full->told += said->type == AMA_MSG_REPORT_POST;
    if (said->type == AMA_MSG_CONTROL_BYE)
        (void) sem_post (&full->said_bye);
    if (said->type == AMA_MSG_FETCH_REPLY && !(said->flags & AMA_FLAG_MORE)) {
        full->answered = true;
        say_gone (hub, 3);
    }
}

static full_t *full_of (ama_ctx_t *ctx, void *state)
{
    (void) ctx;
    return (full_t *) (*(driver_t **) state)->arg;
}

/* Tells until it is refused; returns how many went in. */
static uint64_t tell_all (ama_ctx_t *ctx)
{
    static char text[16 << 10];
    ama_report_event_t event = { .type = AMA_EVENT_TYPE_OUTPUT, .text = text };
    ama_report_post_t post = { .events = &event, .n_events = 1 };
    int rc;

    memset (text, 'x', sizeof text - 1);
    for (post.first = 1; (rc = ama_tell (ctx, "reporter", AMA_MSG_REPORT_POST, &post)) == 0; post.first++) {
    }
    assert_int_equal (rc, AMA_E_BUSY);
    return post.first - 1;
}

static void closed (ama_stream_t *stream, void *arg)
{
    full_t *full = arg;

    assert_ptr_equal (stream, full->stream);
    note (&full->scene.driver, "closed");
    full->stream = NULL;
}

static void writable (ama_stream_t *stream, void *arg)
{
    full_t *full = arg;
    ama_fetch_reply_t reply = { .commit = "part" };

    if (ama_stream_send (stream, AMA_MSG_FETCH_REPLY, &reply) == AMA_E_AGAIN)
        return; /* still full: it looks again soon */
    note (&full->scene.driver, "writable");
    ama_stream_end (&full->stream, AMA_MSG_FETCH_REPLY, &reply);
    ama_stream_end (&full->stream, AMA_MSG_FETCH_REPLY, &reply); /* there is none any more */
    ama_stream_fail (&full->stream, AMA_E_IO, "no");
}

static void too_many (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err, void *arg)
{
    full_t *full = arg;

    no_way (ctx, envelope, body, err, &full->scene.driver);
    if (full->scene.step)
        (void) sem_post (&full->go_on);
}

static int on_stream_request (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body,
                              ama_err_t *err)
{
    full_t *full = full_of (ctx, state);
    ama_control_ping_t ping = { 0 };
    ama_fetch_reply_t reply = { .commit = "part" };

    (void) body, (void) err;
    full->stream = ama_stream_new (ctx, envelope, writable, closed, full);
    full->scene.posts = tell_all (ctx);
    assert_int_equal (ama_stream_send (full->stream, AMA_MSG_FETCH_REPLY, &reply), AMA_E_AGAIN);
    (void) ama_ask (ctx, "reporter", AMA_MSG_CONTROL_PING, &ping, 0, 0, too_many, full);
    return 0;
}

static const ama_handler_t full_handlers[] = { { AMA_MSG_FETCH_REQUEST, on_stream_request }, AMA_HANDLER_END };

static void note_joined (driver_t *driver, uint64_t epoch)
{
    note (driver, "joined %d", (int) epoch);
    if (epoch == 8)
        end_scene (driver->arg);
}

static void gone_ends (driver_t *driver, const char *name)
{
    (void) name;
    end_scene (driver->arg);
}

static void parted_wakes (driver_t *driver)
{
    full_t *full = driver->arg;

    note (driver, "parted");
    assert_in_range (ama_now_ms (driver->ctx) - full->scene.since_ms, 2000, 8000);
    (void) sem_post (&full->go_on);
}

static void since_now (driver_t *driver)
{
    ((scene_t *) driver->arg)->since_ms = ama_now_ms (driver->ctx);
}

static void open_full (full_t *full, bool roomy)
{
    _Static_assert(offsetof (full_t, scene) == 0, "the scene's functions get the whole");
    full->hub = (fake_hub_t){ .on_said = fall_asleep, .arg = full, .roomy = roomy };
    assert_int_equal (sem_init (&full->go_on, 0, 0), 0);
    assert_int_equal (sem_init (&full->said_bye, 0, 0), 0);
    open_agent (&full->scene, &full->hub);
    full->scene.driver.begin = since_now;
    full->scene.driver.handlers = full_handlers;
    full->scene.driver.on_joined = note_joined;
}

/* ends: the actor has ended, and the hub reads what it has said, until its bye. */
static void run_full (full_t *full, bool ends)
{
    struct timespec until;

    run_scene (&full->scene, new_node (&(ama_node_conf_t){ .connect = full->scene.endpoint }));
    (void) clock_gettime (CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    if (ends && sem_timedwait (&full->said_bye, &until) < 0)
        fail_msg ("no bye after message %d", (int) full->heard);
    close_fake (&full->hub);
}

static void close_full (full_t *full)
{
    (void) sem_destroy (&full->said_bye);
    (void) sem_destroy (&full->go_on);
    free (full);
}

/* Beyond the bound all is refused but answers; once the hub reads again everything that was taken comes, in order, and nothing else. */
static void test_full_way_out (void **state)
{
    full_t *full = ama_calloc (1, sizeof *full);

    (void) state;
    open_full (full, false);
    full->scene.step = 1;
    full->scene.driver.on_peer_gone = gone_ends;
    run_full (full, true);
    assert_string_equal (full->scene.driver.log,
                         "joined 7; AMA_E_BUSY control.ping to reporter: too many messages wait to be sent; writable");
    assert_true (full->in_order);
    assert_true (full->answered);
    assert_int_equal (full->told, full->scene.posts);
    close_full (full);
}

/* If it never reads again the link is given up, long before the silence would tell. */
static void test_no_way_out (void **state)
{
    full_t *full = ama_calloc (1, sizeof *full);

    (void) state;
    open_full (full, false);
    full->scene.step = 0;
    full->scene.driver.on_parted = parted_wakes;
    run_full (full, false);
    assert_string_equal (full->scene.driver.log,
                         "joined 7; AMA_E_BUSY control.ping to reporter: too many messages wait to be sent; "
                         "closed; parted; joined 8");
    close_full (full);
}

/* ---- the end ---- */

/* More than the link's queue holds, and at once the end: the last words are waited for. The hub has room, since libzmq does not read on from a
 * connection that was closed while the queue behind it was full. */
enum { LAST_WORDS = 8000 };

static int on_last_request (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body,
                            ama_err_t *err)
{
    full_t *full = full_of (ctx, state);
    ama_report_post_t post = { 0 };

    (void) envelope, (void) body, (void) err;
    for (post.first = 1; post.first <= LAST_WORDS; post.first++)
        assert_int_equal (ama_tell (ctx, "reporter", AMA_MSG_REPORT_POST, &post), 0);
    (void) sem_post (&full->go_on);
    ama_exit (ctx, 0, NULL);
    return 0;
}

static const ama_handler_t last_handlers[] = { { AMA_MSG_FETCH_REQUEST, on_last_request }, AMA_HANDLER_END };

static void test_last_words (void **state)
{
    full_t *full = ama_calloc (1, sizeof *full);

    (void) state;
    open_full (full, true);
    full->scene.driver.handlers = last_handlers;
    run_full (full, true);
    assert_true (full->in_order);
    assert_int_equal (full->told, LAST_WORDS);
    close_full (full);
}

/* The hub of a process that lives on: only its own word can tell. */
typedef struct {
    scene_t scene;
    ama_node_t *node;
} with_hub_t;

static void end_hub (driver_t *driver, uint64_t epoch)
{
    scene_t *scene = driver->arg;

    note (driver, "joined %d", (int) epoch);
    scene->since_ms = ama_now_ms (driver->ctx);
    ama_node_destroy (&((with_hub_t *) scene)->node, 1000);
}

static void parted_ends (driver_t *driver)
{
    scene_t *scene = driver->arg;

    note (driver, "parted %s", ama_now_ms (driver->ctx) - scene->since_ms < 5000 ? "soon" : "late");
    end_scene (scene);
}

static void test_hub_ends (void **state)
{
    with_hub_t with_hub = { 0 };
    scene_t *scene = &with_hub.scene;

    (void) state;
    open_scene (scene);
    with_hub.node = node_with_hub (scene);
    scene->driver.name = "agent/1";
    scene->driver.role = AMA_ROLE_AGENT;
    scene->driver.on_joined = end_hub;
    scene->driver.on_parted = parted_ends;
    run_scene (scene, new_node (&(ama_node_conf_t){ .connect = scene->endpoint }));
    assert_string_equal (scene->driver.log, "joined 1; parted soon");
}

/* An endpoint that is none ends the start. */
static void test_no_endpoint (void **state)
{
    static const struct {
        const char *endpoint, *text;
    } rows[] = { { "nonsense", "nonsense" }, { "tcp://127.0.0.1:1", "over tcp a key is needed" } };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_node_t *node = new_node (&(ama_node_conf_t){ .connect = rows[i].endpoint });
        driver_t driver = { 0 };
        assert_true (drive (node, &driver) < 0);
        if (!strstr (driver.log, "AMA_E_INVALID") || !strstr (driver.log, rows[i].text))
            fail_msg ("%s: %s", rows[i].endpoint, driver.log);
        ama_node_destroy (&node, 1000);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_sayings),      cmocka_unit_test (test_former_self), cmocka_unit_test (test_deaf_hub),
        cmocka_unit_test (test_full_way_out), cmocka_unit_test (test_no_way_out),  cmocka_unit_test (test_last_words),
        cmocka_unit_test (test_hub_ends),     cmocka_unit_test (test_no_endpoint),
    };
    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
