/* unread_test.c - what an actor does with messages that are not what they should be, when its hub has let them pass */
#include "tests/unit/runtime/process_scene.h"

#include "tests/unit/runtime/fake_hub.h"

/* ---- requests ---- */

static const struct {
    const char *name;
    uint16_t type;
    uint32_t role;
    const char *body;
    const char *answer; /* NULL: none */
} requests[] = {
    { "a request", AMA_MSG_FETCH_REQUEST, AMA_ROLE_SUPERVISOR, NULL, "fetch.reply" },
    { "a body that can not be read", AMA_MSG_FETCH_REQUEST, AMA_ROLE_SUPERVISOR, "\xc1", "AMA_E_DECODE" },
    { "a role that may not", AMA_MSG_FETCH_REQUEST, AMA_ROLE_VIEWER, NULL,
      "AMA_E_ROLE other may not send fetch.request" },
    { "a type without handler", AMA_MSG_PLAN_REQUEST, AMA_ROLE_SUPERVISOR, NULL,
      "AMA_E_UNSUPPORTED agent/1 knows no message of type 0x0301" },
    { "an unknown type", 0x7fff, AMA_ROLE_SUPERVISOR, NULL,
      "AMA_E_UNSUPPORTED agent/1 knows no message of type 0x7fff" },
    { "a ping that can not be read", AMA_MSG_CONTROL_PING, AMA_ROLE_SUPERVISOR, "\xc1", NULL },
    { "credit that can not be read", AMA_MSG_CONTROL_CREDIT, AMA_ROLE_SUPERVISOR, "\xc1", NULL },
    { "credit for no stream", AMA_MSG_CONTROL_CREDIT, AMA_ROLE_SUPERVISOR, NULL, NULL },
    { "a cancel of nothing", AMA_MSG_CONTROL_CANCEL, AMA_ROLE_SUPERVISOR, NULL, NULL },
    { "an end of a peer that the hub did not tell", AMA_MSG_CONTROL_PEER_GONE, AMA_ROLE_SUPERVISOR, NULL, NULL },
    { "a ping", AMA_MSG_CONTROL_PING, AMA_ROLE_SUPERVISOR, NULL, "control.pong" },
};

/* Heard of the actor; by the hub's thread. */
typedef struct {
    scene_t scene;
    char answers[ARRAY_SIZE (requests)][128];
} unread_t;

static void say_request (fake_hub_t *hub, size_t i)
{
    ama_envelope_t envelope = { .src = "other", .dst = "agent/1", .type = requests[i].type };
    ama_fetch_request_t fetch = { .url = "u", .ref = "r" };
    ama_str_t body = { 0 };

    envelope.role = requests[i].role;
    envelope.id = i + 1;
    envelope.seq = i + 2;
    if (requests[i].type != AMA_MSG_CONTROL_CREDIT && requests[i].type != AMA_MSG_CONTROL_CANCEL
        && requests[i].type != AMA_MSG_CONTROL_PEER_GONE)
        envelope.flags = AMA_FLAG_REQUEST;
    if (requests[i].body)
        ama_str_puts (&body, requests[i].body);
    else if (requests[i].type == AMA_MSG_FETCH_REQUEST)
        ama_fetch_request_encode (&fetch, &body);
    else
        ama_str_putc (&body, (char) 0x80);
    fake_send (hub, &envelope, body.data, body.size);
    ama_str_done (&body);
}

static void say_them_all (fake_hub_t *hub, const ama_envelope_t *said, const void *body, size_t size)
{
    unread_t *unread = hub->arg;
    ama_control_peer_gone_t gone = { .name = "x" };
    ama_control_error_t error;

    if (said->type == AMA_MSG_CONTROL_HELLO) {
        fake_welcome (hub, said);
        for (size_t i = 0; i < ARRAY_SIZE (requests); i++)
            say_request (hub, i);
        fake_say (hub, AMA_MSG_CONTROL_PEER_GONE, 0, 0, ARRAY_SIZE (requests) + 2, &gone);
        return;
    }
    if (!said->corr || said->corr > ARRAY_SIZE (requests) || strcmp (said->dst, "other") != 0)
        return;
    if (said->type == AMA_MSG_CONTROL_ERROR && ama_control_error_decode (body, size, &error, NULL) == 0) {
        (void) snprintf (unread->answers[said->corr - 1], sizeof unread->answers[0], "%s %s",
                         ama_err_name ((int) error.code), error.text);
        ama_control_error_done (&error);
    }
    else
        (void) snprintf (unread->answers[said->corr - 1], sizeof unread->answers[0], "%s",
                         ama_message_info (said->type)->name);
}

static int on_request (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    ama_waiter_t waiter = ama_waiter (envelope);
    ama_fetch_reply_t reply = { .commit = "c" };

    (void) state, (void) body, (void) err;
    return ama_reply (ctx, &waiter, AMA_MSG_FETCH_REPLY, &reply);
}

static void gone_ends (driver_t *driver, const char *name)
{
    note (driver, "gone %s", name);
    end_scene (driver->arg);
}

static const ama_handler_t handlers[] = { { AMA_MSG_FETCH_REQUEST, on_request }, AMA_HANDLER_END };

static void open_agent (scene_t *scene, fake_hub_t *hub)
{
    open_scene (scene);
    open_fake (hub, scene->endpoint);
    scene->driver.name = "agent/1";
    scene->driver.role = AMA_ROLE_AGENT;
    scene->driver.on_peer_gone = gone_ends;
}

static void test_requests (void **state)
{
    unread_t unread = { 0 };
    fake_hub_t hub = { .on_said = say_them_all, .arg = &unread };

    (void) state;
    open_agent (&unread.scene, &hub);
    unread.scene.driver.handlers = handlers;
    run_scene (&unread.scene, new_node (&(ama_node_conf_t){ .connect = unread.scene.endpoint }));
    close_fake (&hub);
    assert_string_equal (unread.scene.driver.log, "gone x"); /* one, and the actor lives */
    for (size_t i = 0; i < ARRAY_SIZE (requests); i++)
        if (requests[i].answer ? !strstr (unread.answers[i], requests[i].answer) : unread.answers[i][0])
            fail_msg ("%s: answered \"%s\"", requests[i].name, unread.answers[i]);
}

/* ---- answers ---- */

static const struct {
    const char *name, *src;
    uint16_t type;
    uint32_t flags;
    const char *body;
    const char *heard; /* by the asker; then the true answer comes too late, else in time */
} answers[] = {
    { "a body that can not be read", "fetcher", AMA_MSG_FETCH_REPLY, AMA_FLAG_REPLY, "\xc1", "AMA_E_DECODE" },
    { "a refusal that can not be read", "fetcher", AMA_MSG_CONTROL_ERROR, AMA_FLAG_REPLY | AMA_FLAG_ERROR, "\xc1",
      "AMA_E_DECODE fetch.request to fetcher: the refusal can not be read" },
    { "not from the one that was asked", "planner", AMA_MSG_CONTROL_ERROR, AMA_FLAG_REPLY | AMA_FLAG_ERROR, "\x80",
      "the true one" },
    { "from one of its kind", "fetcher.2", AMA_MSG_CONTROL_ERROR, AMA_FLAG_REPLY | AMA_FLAG_ERROR, "\xc1",
      "AMA_E_DECODE" },
};

static void answer_badly (fake_hub_t *hub, const ama_envelope_t *said, const void *body, size_t size)
{
    const size_t *i = hub->arg;
    ama_envelope_t bad = { .role = AMA_ROLE_FETCHER, .dst = "agent/1", .id = 1, .seq = 2 };
    ama_envelope_t good = { .role = AMA_ROLE_FETCHER, .dst = "agent/1", .id = 2, .seq = 3, .src = "fetcher" };
    ama_fetch_reply_t reply = { .commit = "the true one" };
    ama_str_t bytes = { 0 };

    (void) body, (void) size;
    if (said->type == AMA_MSG_CONTROL_HELLO)
        fake_welcome (hub, said);
    if (said->type != AMA_MSG_FETCH_REQUEST)
        return;
    (void) snprintf (bad.src, sizeof bad.src, "%s", answers[*i].src);
    bad.type = answers[*i].type;
    bad.flags = answers[*i].flags;
    bad.corr = good.corr = said->id;
    fake_send (hub, &bad, answers[*i].body, 1);
    good.type = AMA_MSG_FETCH_REPLY;
    good.flags = AMA_FLAG_REPLY;
    ama_fetch_reply_encode (&reply, &bytes);
    fake_send (hub, &good, bytes.data, bytes.size);
    ama_str_done (&bytes);
}

static void on_answer (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    (void) envelope;
    if (err)
        note (arg, "%s %s", ama_err_name (err->code), err->text);
    else
        note (arg, "%s", ((const ama_fetch_reply_t *) body)->commit);
    ama_exit (ctx, 0, NULL);
}

static void ask (driver_t *driver)
{
    ama_fetch_request_t request = { .url = "u", .ref = "r" };

    (void) ama_ask (driver->ctx, "fetcher", AMA_MSG_FETCH_REQUEST, &request, 0, 0, on_answer, driver);
}

static void test_answers (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (answers); i++) {
        fake_hub_t hub = { .on_said = answer_badly, .arg = &i };
        scene_t scene;

        open_agent (&scene, &hub);
        scene.driver.begin = ask;
        run_scene (&scene, new_node (&(ama_node_conf_t){ .connect = scene.endpoint }));
        close_fake (&hub);
        if (!strstr (scene.driver.log, answers[i].heard))
            fail_msg ("%s: %s", answers[i].name, scene.driver.log);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_requests), cmocka_unit_test (test_answers) };

    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
