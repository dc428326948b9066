/* talk_test.c - asks, tells, answers and refusals between actors on threads, through a real hub */
#include "tests/unit/runtime/rt_test.h"

#include <signal.h>
#include <stdatomic.h>

static atomic_int counted;

/* ---- a service: the url of a fetch.request says what it does ---- */

typedef struct {
    ama_ctx_t *ctx;
    ama_timer_t *timer;
    ama_waiter_t waiter;
} service_t;

static void answer_later (void *arg)
{
    service_t *self = arg;
    ama_fetch_reply_t reply = { .commit = "late" };
    (void) ama_reply (self->ctx, &self->waiter, AMA_MSG_FETCH_REPLY, &reply);
}

static int on_request (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    service_t *self = state;
    const ama_fetch_request_t *request = body;
    ama_waiter_t waiter = ama_waiter (envelope);
    ama_fetch_reply_t reply = { .commit = request->ref, .files = 7 };

    if (strcmp (request->url, "echo") == 0)
        return ama_reply (ctx, &waiter, AMA_MSG_FETCH_REPLY, &reply);
    if (strcmp (request->url, "refuse") == 0)
        return ama_err_set (err, AMA_E_AUTH, "no key for %s", request->ref);
    if (strcmp (request->url, "wrong type") == 0)
        return ama_reply (ctx, &waiter, AMA_MSG_CONTROL_PONG, NULL);
    if (strcmp (request->url, "later") == 0) {
        self->waiter = waiter;
        ama_timer_after (self->timer, 30);
    }
    if (strcmp (request->url, "tell first") == 0) {
        ama_fetch_progress_t progress = { .text = "told", .received = 42 };
        (void) ama_tell (ctx, envelope->src, AMA_MSG_FETCH_PROGRESS, &progress);
        return ama_reply (ctx, &waiter, AMA_MSG_FETCH_REPLY, &reply);
    }
    if (strcmp (request->url, "twice") == 0) {
        (void) ama_reply (ctx, &waiter, AMA_MSG_FETCH_REPLY, &reply);
        return ama_reply (ctx, &waiter, AMA_MSG_FETCH_REPLY, &reply);
    }
    if (strcmp (request->url, "end") == 0)
        ama_exit (ctx, 0, "asked to");
    if (strcmp (request->url, "block") == 0) {
        (void) usleep (400000);
        return ama_reply (ctx, &waiter, AMA_MSG_FETCH_REPLY, &reply);
    }
    if (strcmp (request->url, "count") == 0)
        atomic_fetch_add (&counted, 1);
    return 0; /* "silence" */
}

static int service_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    service_t *self = state;

    if (config)
        return ama_err_set (err, AMA_E_INVALID, "%s", (const char *) config);
    self->ctx = ctx;
    self->timer = ama_timer_new (ctx, answer_later, self);
    return 0;
}

static void service_done (void *state)
{
    ama_timer_destroy (&((service_t *) state)->timer);
}

static const ama_handler_t service_handlers[] = { { AMA_MSG_FETCH_REQUEST, on_request }, AMA_HANDLER_END };

static const ama_actor_def_t service = {
    .name = "fetcher",
    .role = AMA_ROLE_FETCHER,
    .state_size = sizeof (service_t),
    .init = service_init,
    .done = service_done,
    .handlers = service_handlers,
};

/* ---- one ask each, as a table ---- */

typedef struct {
    const char *name, *dst, *url, *ref;
    int64_t timeout_ms;
    uint32_t role;
    const char *expected;
} ask_case_t;

static const ask_case_t cases[] = {
    { "an answer", "fetcher", "echo", "main", 1000, 0, "reply main 7 from fetcher" },
    { "an answer without a deadline", "fetcher", "echo", "x", 0, 0, "reply x 7 from fetcher" },
    { "a refusal", "fetcher", "refuse", "main", 1000, 0, "AMA_E_AUTH no key for main" },
    { "an answer that takes its time", "fetcher", "later", "", 5000, 0, "reply late 0 from fetcher" },
    { "no answer", "fetcher", "silence", "", 40, 0, "AMA_E_TIMEOUT fetch.request to fetcher: no answer within 40 ms" },
    { "the first of two answers", "fetcher", "twice", "a", 1000, 0, "reply a 7 from fetcher" },
    { "an answer of another type", "fetcher", "wrong type", "", 1000, 0,
      "AMA_E_DECODE fetch.request to fetcher: an answer of another type came" },
    { "a tell overtakes nothing", "fetcher", "tell first", "b", 1000, 0, "told 42; reply b 7 from fetcher" },
    { "nobody of that name", "nobody", "echo", "", 1000, 0, "AMA_E_UNREACHABLE nobody is not there" },
    { "a role that may not", "fetcher", "echo", "", 1000, AMA_ROLE_PLANNER,
      "AMA_E_ROLE driver may not say fetch.request: its role is planner" },
    { "an actor that ends instead", "fetcher", "end", "", 5000, 0,
      "AMA_E_UNREACHABLE fetch.request to fetcher: the peer is gone" },
};

static void note_answer (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                         void *arg)
{
    driver_t *driver = arg;
    const ama_fetch_reply_t *reply = body;

    (void) ctx;
    if (err)
        note (driver, "%s %s", ama_err_name (err->code), err->text);
    else
        note (driver, "reply %s %u from %s", reply->commit, reply->files, envelope->src);
}

static void on_answer (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    note_answer (ctx, envelope, body, err, arg);
    ama_exit (ctx, 0, NULL);
}

static void ask_one (driver_t *driver)
{
    const ask_case_t *c = driver->arg;
    ama_fetch_request_t request = { .url = (char *) c->url, .ref = (char *) c->ref };

    assert_true (ama_ask (driver->ctx, c->dst, AMA_MSG_FETCH_REQUEST, &request, c->timeout_ms, 0, on_answer, driver)
                 > 0);
    assert_string_equal (driver->log, ""); /* never from inside ama_ask */
}

static int on_progress (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    driver_t *driver = *(driver_t **) state;
    const ama_fetch_progress_t *progress = body;

    (void) ctx, (void) envelope, (void) err;
    note (driver, "%s %d", progress->text, (int) progress->received);
    return 0;
}

static const ama_handler_t driver_handlers[] = { { AMA_MSG_FETCH_PROGRESS, on_progress }, AMA_HANDLER_END };

static void test_asks (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        ama_node_t *node = new_node (&(ama_node_conf_t){ .epoch = 3 });
        driver_t driver = { .begin = ask_one, .handlers = driver_handlers, .role = cases[i].role };

        driver.arg = (void *) &cases[i];
        start (node, &service, NULL, NULL);
        assert_int_equal (drive (node, &driver), 0);
        if (strcmp (driver.log, cases[i].expected) != 0)
            fail_msg ("%s: got \"%s\"", cases[i].name, driver.log);
        ama_node_destroy (&node, 1000);
    }
}

/* ---- cancel ---- */

static void must_not_come (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                           void *arg)
{
    (void) ctx, (void) envelope, (void) body, (void) err;
    note (arg, "came");
}

static void ask_and_cancel (driver_t *driver)
{
    ama_fetch_request_t request = { .url = "echo", .ref = "" };
    uint64_t ask = ama_ask (driver->ctx, "fetcher", AMA_MSG_FETCH_REQUEST, &request, 1000, 0, must_not_come, driver);
    uint64_t unsent = ama_ask (driver->ctx, "nobody", AMA_MSG_FETCH_REQUEST, &request, 1000, 0, must_not_come, driver);

    ama_ask_cancel (driver->ctx, ask);
    ama_ask_cancel (driver->ctx, unsent);
    ama_ask_cancel (driver->ctx, 12345); /* none of ours */
    /* answers come in the order of the asks: after this one, nothing can follow */
    (void) ama_ask (driver->ctx, "fetcher", AMA_MSG_FETCH_REQUEST, &request, 1000, 0, on_answer, driver);
}

/* While the service is busy two requests come to lie in front of it: one has no time left when its turn comes. */
static void begin_late (driver_t *driver)
{
    ama_fetch_request_t block = { .url = "block", .ref = "" }, count = { .url = "count", .ref = "" };
    ama_fetch_request_t last = { .url = "echo", .ref = "last" };

    (void) ama_ask (driver->ctx, "fetcher", AMA_MSG_FETCH_REQUEST, &block, 0, 0, note_answer, driver);
    (void) ama_ask (driver->ctx, "fetcher", AMA_MSG_FETCH_REQUEST, &count, 50, 0, note_answer, driver);
    (void) ama_ask (driver->ctx, "fetcher", AMA_MSG_FETCH_REQUEST, &last, 9000, 0, on_answer, driver);
}

static void test_late (void **state)
{
    ama_node_t *node = new_node (&(ama_node_conf_t){ 0 });
    driver_t driver = { .begin = begin_late };

    (void) state;
    start (node, &service, NULL, NULL);
    assert_int_equal (drive (node, &driver), 0);
    assert_string_equal (driver.log, "AMA_E_TIMEOUT fetch.request to fetcher: no answer within 50 ms; reply  7 from "
                                     "fetcher; reply last 7 from fetcher");
    ama_node_destroy (&node, 1000);
    assert_int_equal (atomic_load (&counted), 0);
}

static void test_cancel (void **state)
{
    ama_node_t *node = new_node (&(ama_node_conf_t){ 0 });
    driver_t driver = { .begin = ask_and_cancel };

    (void) state;
    start (node, &service, NULL, NULL);
    assert_int_equal (drive (node, &driver), 0);
    assert_string_equal (driver.log, "reply  7 from fetcher");
    ama_node_destroy (&node, 1000);
}

/* More asks than the table begins with, all open at once: each hears its own answer, in order. */
enum { MANY_ASKS = 300 };

static void next_answer (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                         void *arg)
{
    driver_t *driver = arg;
    int *heard = driver->arg;

    (void) envelope;
    assert_null (err);
    assert_int_equal (atoi (((const ama_fetch_reply_t *) body)->commit), *heard);
    if (++*heard == MANY_ASKS)
        ama_exit (ctx, 0, NULL);
}

static void ask_many (driver_t *driver)
{
    char number[16];
    ama_fetch_request_t request = { .url = "echo", .ref = number };

    for (int i = 0; i < MANY_ASKS; i++) {
        (void) snprintf (number, sizeof number, "%d", i);
        (void) ama_ask (driver->ctx, "fetcher", AMA_MSG_FETCH_REQUEST, &request, 0, 0, next_answer, driver);
    }
}

static void test_many_asks (void **state)
{
    ama_node_t *node = new_node (&(ama_node_conf_t){ 0 });
    int heard = 0;
    driver_t driver = { .begin = ask_many, .arg = &heard };

    (void) state;
    start (node, &service, NULL, NULL);
    assert_int_equal (drive (node, &driver), 0);
    assert_int_equal (heard, MANY_ASKS);
    ama_node_destroy (&node, 1000);
}

/* What is bigger than a message may be is refused here, and the link is as good as before. */
static void say_much (driver_t *driver)
{
    static char text[128 << 10];
    static ama_report_event_t events[70];
    ama_report_post_t post = { .events = events, .n_events = ARRAY_SIZE (events) };
    ama_fetch_request_t request = { .url = "echo", .ref = "after" };

    memset (text, 'x', sizeof text - 1);
    for (size_t i = 0; i < ARRAY_SIZE (events); i++)
        events[i] = (ama_report_event_t){ .type = 11, .text = text };
    assert_int_equal (ama_tell (driver->ctx, "fetcher", AMA_MSG_REPORT_POST, &post), AMA_E_LIMIT);
    (void) ama_ask (driver->ctx, "fetcher", AMA_MSG_REPORT_POST, &post, 0, 0, note_answer, driver);
    (void) ama_ask (driver->ctx, "fetcher", AMA_MSG_FETCH_REQUEST, &request, 0, 0, on_answer, driver);
}

static void test_too_big (void **state)
{
    ama_node_t *node = new_node (&(ama_node_conf_t){ 0 });
    driver_t driver = { .begin = say_much };

    (void) state;
    start (node, &service, NULL, NULL);
    assert_int_equal (drive (node, &driver), 0);
    assert_string_equal (driver.log, "AMA_E_LIMIT report.post to fetcher: the message is too big; "
                                     "reply after 7 from fetcher");
    ama_node_destroy (&node, 1000);
}

/* ---- joining ---- */

static void say_epoch (driver_t *driver, uint64_t epoch)
{
    assert_int_equal (ama_epoch (driver->ctx), epoch);
    note (driver, "joined %d as %s", (int) epoch, ama_self (driver->ctx));
    ama_exit (driver->ctx, 5, "enough");
}

static void note_epoch (driver_t *driver)
{
    note (driver, "init %d", (int) ama_epoch (driver->ctx));
}

static void test_joined (void **state)
{
    ama_node_t *node = new_node (&(ama_node_conf_t){ .epoch = 9 });
    driver_t driver = { .begin = note_epoch, .on_joined = say_epoch, .name = "me" };

    (void) state;
    assert_int_equal (drive (node, &driver), 5);
    assert_string_equal (driver.log, "init 9; joined 9 as me");
    ama_node_destroy (&node, 1000);
}

static void test_start_errors (void **state)
{
    ama_node_t *node = new_node (&(ama_node_conf_t){ 0 });
    ama_err_t err = { 0 };

    (void) state;
    assert_int_equal (ama_node_start (node, &service, "a", "no such mirror folder", &err), AMA_E_INVALID);
    assert_string_equal (err.text, "a: no such mirror folder");
    start (node, &service, "a", NULL); /* the name is free again */
    assert_int_equal (ama_node_start (node, &service, "a", NULL, &err), AMA_E_ROLE);
    assert_string_equal (err.text, "a: the name belongs to another");
    assert_int_equal (ama_node_start (node, &service, "hub", NULL, &err), AMA_E_ROLE);
    ama_node_destroy (&node, 1000);
}

/* ---- the end of actors ---- */

static int on_fatal (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    (void) ctx, (void) state, (void) envelope, (void) body;
    return ama_err_set (err, AMA_E_FATAL, "the journal is gone");
}

static void ask_fatal (driver_t *driver)
{
    ama_fetch_request_t request = { .url = "", .ref = "" };
    (void) ama_ask (driver->ctx, "fetcher", AMA_MSG_FETCH_REQUEST, &request, 0, 0, on_answer, driver);
}

static void test_fatal (void **state)
{
    static const ama_handler_t handlers[] = { { AMA_MSG_FETCH_REQUEST, on_fatal }, AMA_HANDLER_END };
    static const ama_actor_def_t fatal = { .name = "fetcher", .role = AMA_ROLE_FETCHER, .handlers = handlers };
    ama_node_t *node = new_node (&(ama_node_conf_t){ 0 });
    driver_t driver = { .begin = ask_fatal };
    ama_err_t err = { 0 };

    (void) state;
    start (node, &fatal, NULL, NULL);
    (void) drive (node, &driver); /* ends with the answer, or because an actor of the node failed */
    if (driver.log[0])
        assert_string_equal (driver.log, "AMA_E_FATAL the journal is gone");
    assert_int_equal (ama_node_wait (node, &err), AMA_E_FATAL);
    assert_string_equal (err.text, "fetcher: the journal is gone");
    ama_node_destroy (&node, 1000);
}

/* An actor that needs two turns to stop, and writes down the order in which actors end. */
typedef struct {
    ama_ctx_t *ctx;
    ama_timer_t *timer;
    char *order;
} slow_end_t;

static void now_end (void *arg)
{
    slow_end_t *self = arg;
    (void) strcat (self->order, ama_self (self->ctx));
    ama_exit (self->ctx, 0, NULL);
}

static int slow_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    slow_end_t *self = state;
    (void) err;
    *self = (slow_end_t){ ctx, ama_timer_new (ctx, now_end, self), *(char *const *) config };
    return 0;
}

static void slow_stop (ama_ctx_t *ctx, void *state)
{
    (void) ctx;
    ama_timer_after (((slow_end_t *) state)->timer, 5);
}

static void slow_done (void *state)
{
    ama_timer_destroy (&((slow_end_t *) state)->timer);
}

static void test_stop_order (void **state)
{
    static const ama_actor_def_t slow = { .name = "slow",
                                          .role = AMA_ROLE_PLANNER,
                                          .state_size = sizeof (slow_end_t),
                                          .init = slow_init,
                                          .stop = slow_stop,
                                          .done = slow_done };
    ama_node_t *node = new_node (&(ama_node_conf_t){ 0 });
    char order[16] = "", *config = order;

    (void) state;
    start (node, &slow, "a", &config);
    start (node, &slow, "b", &config);
    start (node, &slow, "c", &config);
    ama_node_stop (node);
    assert_int_equal (ama_node_wait (node, NULL), 0);
    ama_node_destroy (&node, 5000);
    assert_string_equal (order, "cba");
}

/* ---- signals ---- */

static int stops;

static void count_stop (ama_ctx_t *ctx, void *state)
{
    (void) state;
    stops++;
    ama_exit (ctx, 7, "stopped");
}

static int here_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    (void) ctx, (void) state, (void) config, (void) err;
    (void) kill (getpid (), SIGTERM); /* blocked: the signalfd has it */
    return 0;
}

static void test_signal_stops_here (void **state)
{
    static const ama_actor_def_t here = {
        .name = "client/1", .role = AMA_ROLE_VIEWER, .init = here_init, .stop = count_stop
    };
    ama_node_t *node = new_node (&(ama_node_conf_t){ .handle_signals = true });

    (void) state;
    assert_int_equal (ama_node_run_here (node, &here, NULL, NULL, NULL), 7);
    assert_int_equal (stops, 1);
    ama_node_destroy (&node, 1000);
}

static void note_signal (ama_node_t *node, int signal, void *arg)
{
    *(int *) arg = signal;
    ama_node_stop (node);
}

static void test_signal_reaches_the_program (void **state)
{
    int signal = 0;
    ama_node_t *node =
        new_node (&(ama_node_conf_t){ .handle_signals = true, .on_signal = note_signal, .arg = &signal });

    (void) state;
    (void) kill (getpid (), SIGINT);
    assert_int_equal (ama_node_wait (node, NULL), 0);
    assert_int_equal (signal, SIGINT);
    ama_node_destroy (&node, 1000);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_asks),
        cmocka_unit_test (test_late),
        cmocka_unit_test (test_cancel),
        cmocka_unit_test (test_many_asks),
        cmocka_unit_test (test_too_big),
        cmocka_unit_test (test_joined),
        cmocka_unit_test (test_start_errors),
        cmocka_unit_test (test_fatal),
        cmocka_unit_test (test_stop_order),
        cmocka_unit_test (test_signal_stops_here),
        cmocka_unit_test (test_signal_reaches_the_program),
    };
    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
