/* stream_test.c - streamed answers: order, credit in bytes, slow and vanishing readers, senders that fail */
#include "tests/unit/runtime/rt_test.h"

#include <stdatomic.h>

/* ---- the sender: report.follow.from says how many parts, its config how big and what happens then ---- */

typedef enum { END, FAIL, SILENCE, EXIT } then_t;

typedef struct {
    size_t part;     /* bytes of text in each part */
    int64_t pace_ms; /* between parts, 0: as fast as credit allows */
    then_t then;
} plan_t;

/* What the sender has done, for the reader's thread to look at. */
static struct {
    atomic_int sent, blocked, closed, open;
} seen;

typedef struct sender {
    ama_ctx_t *ctx;
    plan_t plan;
} sender_t;

typedef struct {
    sender_t *sender;
    ama_stream_t *stream;
    ama_timer_t *timer;
    uint64_t next, last;
    char *text;
} feed_t;

static void free_feed (feed_t *feed)
{
    ama_timer_destroy (&feed->timer);
    free (feed->text);
    free (feed);
    atomic_fetch_sub (&seen.open, 1);
}

static void finish_feed (feed_t *feed)
{
    ama_report_end_t end = { .state = "succeeded", .exit = 0 };

    switch (feed->sender->plan.then) {
    case END:
        ama_stream_end (&feed->stream, AMA_MSG_REPORT_END, &end);
        break;
    case FAIL:
        ama_stream_fail (&feed->stream, AMA_E_IO, "the store can not be read");
        break;
    case SILENCE:
        return; /* until it is closed */
    case EXIT:
        ama_exit (feed->sender->ctx, 0, NULL);
        break;
    }
    free_feed (feed);
}

static int send_part (feed_t *feed)
{
    ama_report_item_t item = { .seq = feed->next, .json = feed->text };
    ama_report_batch_t batch = { .items = &item, .n_items = 1 };
    int rc = ama_stream_send (feed->stream, AMA_MSG_REPORT_BATCH, &batch);

    if (rc == 0) {
        feed->next++;
        atomic_fetch_add (&seen.sent, 1);
    }
    else if (rc == AMA_E_AGAIN)
        atomic_fetch_add (&seen.blocked, 1);
    return rc;
}

static void pump (feed_t *feed)
{
    if (feed->sender->plan.pace_ms) {
        (void) send_part (feed);
        ama_timer_after (feed->timer, feed->sender->plan.pace_ms);
        if (feed->next > feed->last) {
            ama_timer_cancel (feed->timer);
            finish_feed (feed);
        }
        return;
    }
    while (feed->next <= feed->last)
        if (send_part (feed) < 0)
            return; /* on_writable goes on */
    finish_feed (feed);
}

static void on_tick (void *arg)
{
    pump (arg);
}

static void on_writable (ama_stream_t *stream, void *arg)
{
    (void) stream;
    pump (arg);
}

static void on_closed (ama_stream_t *stream, void *arg)
{
    feed_t *feed = arg;

    assert_ptr_equal (stream, feed->stream);
    atomic_fetch_add (&seen.closed, 1);
    free_feed (feed);
}

static int on_follow (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    sender_t *self = state;
    feed_t *feed = ama_calloc (1, sizeof *feed);

    (void) err;
    atomic_fetch_add (&seen.open, 1);
    feed->sender = self;
    feed->timer = ama_timer_new (ctx, on_tick, feed);
    feed->next = 1;
    feed->last = ((const ama_report_follow_t *) body)->from;
    feed->text = ama_calloc (1, self->plan.part + 1);
    memset (feed->text, 'x', self->plan.part);
    feed->stream = ama_stream_new (ctx, envelope, on_writable, on_closed, feed);
    pump (feed);
    return 0;
}

static int sender_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    (void) err;
    *(sender_t *) state = (sender_t){ ctx, *(const plan_t *) config };
    return 0;
}

static const ama_handler_t sender_handlers[] = { { AMA_MSG_REPORT_FOLLOW, on_follow }, AMA_HANDLER_END };

static const ama_actor_def_t sender = { .name = "reporter",
                                        .role = AMA_ROLE_REPORTER,
                                        .state_size = sizeof (sender_t),
                                        .init = sender_init,
                                        .handlers = sender_handlers };

/* ---- the reader ---- */

typedef struct {
    driver_t *driver;
    plan_t plan;
    uint64_t parts;
    uint32_t window;
    int64_t timeout_ms;
    uint64_t ask;
    uint64_t got;
    ama_timer_t *timer;
    int held_at; /* seen.sent when we looked while holding */
    int *left;   /* readers that have not finished */
    uint64_t hold_at, cancel_at, exit_at;
    bool ended;
    char outcome[200];
} reader_t;

static void end_reader (reader_t *reader)
{
    ama_timer_destroy (&reader->timer);
    if (!reader->left || --*reader->left == 0)
        ama_exit (reader->driver->ctx, 0, NULL);
}

/* Goes on once the sender has no credit any more. */
static void look_while_holding (void *arg)
{
    reader_t *reader = arg;

    if (!atomic_load (&seen.blocked)) {
        ama_timer_after (reader->timer, 2);
        return;
    }
    reader->held_at = atomic_load (&seen.sent);
    ama_ask_hold (reader->driver->ctx, reader->ask, false);
}

static void wait_for_close (void *arg)
{
    reader_t *reader = arg;

    if (atomic_load (&seen.closed))
        end_reader (reader);
    else
        ama_timer_after (reader->timer, 2);
}

static void on_part (reader_t *reader, const ama_report_batch_t *batch)
{
    assert_int_equal (batch->n_items, 1);
    assert_int_equal (batch->items[0].seq, ++reader->got);
    assert_int_equal (strlen (batch->items[0].json), reader->plan.part);
    if (reader->got == reader->hold_at) {
        ama_ask_hold (reader->driver->ctx, reader->ask, true);
        reader->timer = ama_timer_new (reader->driver->ctx, look_while_holding, reader);
        ama_timer_after (reader->timer, 2);
    }
    if (reader->got == reader->cancel_at) {
        ama_ask_cancel (reader->driver->ctx, reader->ask);
        reader->timer = ama_timer_new (reader->driver->ctx, wait_for_close, reader);
        ama_timer_after (reader->timer, 2);
    }
    if (reader->got == reader->exit_at)
        ama_exit (reader->driver->ctx, 0, NULL);
}

static void on_answer (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    reader_t *reader = arg;

    (void) ctx;
    assert_false (reader->ended);
    if (envelope && envelope->flags & AMA_FLAG_MORE) {
        on_part (reader, body);
        return;
    }
    reader->ended = true;
    if (err)
        (void) snprintf (reader->outcome, sizeof reader->outcome, "%s %.150s", ama_err_name (err->code), err->text);
    else
        (void) snprintf (reader->outcome, sizeof reader->outcome, "%s", ((const ama_report_end_t *) body)->state);
    end_reader (reader);
}

static void begin_reader (reader_t *reader, driver_t *driver)
{
    ama_report_follow_t follow = { .from = reader->parts };

    reader->driver = driver;
    reader->ask = ama_ask (driver->ctx, "reporter", AMA_MSG_REPORT_FOLLOW, &follow, reader->timeout_ms, reader->window,
                           on_answer, reader);
}

static void begin (driver_t *driver)
{
    begin_reader (driver->arg, driver);
}

static void run (reader_t *reader)
{
    ama_node_t *node = new_node (&(ama_node_conf_t){ 0 });
    driver_t driver = { .begin = begin, .arg = reader, .role = AMA_ROLE_VIEWER, .name = "client/1" };

    memset (&seen, 0, sizeof seen);
    start (node, &sender, NULL, &reader->plan);
    assert_int_equal (drive (node, &driver), 0);
    assert_string_equal (driver.log, "");
    for (int i = 0; i < 400 && atomic_load (&seen.open); i++)
        (void) usleep (5000); /* the sender hears of our end a moment later */
    ama_node_destroy (&node, 1000);
}

static void test_whole (void **state)
{
    reader_t reader = { .plan = { .part = 50 }, .parts = 5000, .window = 16384 };

    (void) state;
    run (&reader);
    assert_string_equal (reader.outcome, "succeeded");
    assert_int_equal (reader.got, 5000);
    assert_true (atomic_load (&seen.blocked) > 0);
    assert_int_equal (atomic_load (&seen.closed), 0);
}

static void test_stalled (void **state)
{
    /* a part is its text, and less than 200 bytes around it */
    reader_t reader = { .plan = { .part = 1000 }, .parts = 3000, .window = 65536, .hold_at = 1, .timeout_ms = 5000 };
    int bound = 65536 / 1000 + 1;

    (void) state;
    run (&reader);
    assert_string_equal (reader.outcome, "succeeded");
    assert_int_equal (reader.got, 3000);
    assert_in_range (reader.held_at, 65536 / 1200, bound);
}

static void test_small_window (void **state)
{
    /* one part exceeds the window: one at a time is under way */
    reader_t reader = { .plan = { .part = 100000 }, .parts = 20, .window = 1 };

    (void) state;
    run (&reader);
    assert_string_equal (reader.outcome, "succeeded");
    assert_int_equal (reader.got, 20);
}

static void test_big_parts (void **state)
{
    reader_t reader = { .plan = { .part = 500000 }, .parts = 40, .window = 1 << 20 };

    (void) state;
    run (&reader);
    assert_string_equal (reader.outcome, "succeeded");
}

static void test_cancel (void **state)
{
    reader_t reader = { .plan = { .part = 100 }, .parts = 100000, .window = 4096, .cancel_at = 10 };

    (void) state;
    run (&reader);
    assert_string_equal (reader.outcome, ""); /* no callback after the cancel */
    assert_int_equal (reader.got, 10);
    assert_int_equal (atomic_load (&seen.closed), 1);
}

static void test_reader_leaves (void **state)
{
    reader_t reader = { .plan = { .part = 100 }, .parts = 100000, .window = 4096, .exit_at = 5 };

    (void) state;
    run (&reader);
    assert_int_equal (atomic_load (&seen.closed), 1);
}

static void test_sender_fails (void **state)
{
    reader_t reader = { .plan = { .part = 10, .then = FAIL }, .parts = 3, .window = 4096 };

    (void) state;
    run (&reader);
    assert_int_equal (reader.got, 3);
    assert_string_equal (reader.outcome, "AMA_E_IO the store can not be read");
}

static void test_sender_ends (void **state)
{
    reader_t reader = { .plan = { .part = 10, .then = EXIT }, .parts = 3, .window = 4096 };

    (void) state;
    run (&reader);
    assert_int_equal (reader.got, 3); /* its last words are heard */
    assert_string_equal (reader.outcome, "AMA_E_UNREACHABLE report.follow to reporter: the peer is gone");
}

static void test_deadline_of_parts (void **state)
{
    /* 8 parts at 80 ms each take longer than the deadline of 500 ms, which counts from the last part */
    reader_t reader = {
        .plan = { .part = 10, .pace_ms = 80, .then = SILENCE }, .parts = 8, .window = 4096, .timeout_ms = 500
    };

    (void) state;
    run (&reader);
    assert_int_equal (reader.got, 8);
    assert_string_equal (reader.outcome, "AMA_E_TIMEOUT report.follow to reporter: no answer within 500 ms");
    assert_int_equal (atomic_load (&seen.closed), 1); /* the sender was told */
}

/* ---- ten readers, one of them stalled ---- */

enum { READERS = 10 };

static void begin_ten (driver_t *driver)
{
    reader_t *readers = driver->arg;
    for (int i = 0; i < READERS; i++)
        begin_reader (&readers[i], driver);
}

static void test_ten (void **state)
{
    ama_node_t *node = new_node (&(ama_node_conf_t){ 0 });
    plan_t plan = { .part = 300 };
    int left = READERS - 1;
    reader_t readers[READERS];
    driver_t driver = { .begin = begin_ten, .arg = readers, .role = AMA_ROLE_VIEWER, .name = "client/1" };

    (void) state;
    memset (&seen, 0, sizeof seen);
    for (int i = 0; i < READERS; i++)
        readers[i] = (reader_t){ .plan = plan, .parts = 400, .window = 8192, .left = &left };
    readers[3].cancel_at = 0;
    readers[3].left = &(int){ 100 }; /* does not count */
    readers[3].window = 0;           /* grants nothing at all */
    start (node, &sender, NULL, &plan);
    assert_int_equal (drive (node, &driver), 0);
    for (int i = 0; i < READERS; i++)
        assert_int_equal (readers[i].got, i == 3 ? 0 : 400);
    for (int i = 0; i < 400 && atomic_load (&seen.open); i++)
        (void) usleep (5000);
    ama_node_destroy (&node, 1000);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_whole),
        cmocka_unit_test (test_stalled),
        cmocka_unit_test (test_small_window),
        cmocka_unit_test (test_big_parts),
        cmocka_unit_test (test_cancel),
        cmocka_unit_test (test_reader_leaves),
        cmocka_unit_test (test_sender_fails),
        cmocka_unit_test (test_sender_ends),
        cmocka_unit_test (test_deadline_of_parts),
        cmocka_unit_test (test_ten),
    };
    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
