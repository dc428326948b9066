/* reporter_test.c - the reporter on a real node: followers early, late, slow, after the end; restarts; what it refuses
 *
 * The driver (an operator, on the test's thread) follows; a poster on another thread stands in for the supervisor and posts on demand: a
 * run.cancel to it means "post your next events".
 */
#include "actors/base/ama_str.h"
#include "actors/reporter/reporter.h"
#include "messages/run.h"
#include "tests/unit/runtime/rt_test.h"

enum { EVENTS = 3000, PER_STEP = 1000, TEXT = 300 };

static ama_id_t run_id (void)
{
    return (ama_id_t){ { 1, 2, 3 } };
}

/* ---- the poster ---- */

typedef struct {
    ama_ctx_t *ctx;
    uint64_t next; /* number of the next event */
    bool twice;    /* every post is sent a second time */
    ama_waiter_t waiter;
} poster_t;

/* Event n of the run: some of level execution, artifacts among them; the last is run.ended. */
static void make_event (uint64_t n, char *text, ama_report_event_t *event)
{
    memset (text, 'a' + (int) (n % 26), TEXT);
    text[n % TEXT] = '\0';
    *event = (ama_report_event_t){
        .type = n == EVENTS    ? AMA_EVENT_TYPE_RUN_ENDED
                : n % 100 == 0 ? AMA_EVENT_TYPE_ARTIFACT
                : n % 10 == 1  ? AMA_EVENT_TYPE_WARNING
                               : AMA_EVENT_TYPE_OUTPUT,
        .ts = 1769860800000 + (int64_t) n,
        .text = text,
        .name = n % 100 == 0 ? text : NULL,
        .state = n == EVENTS ? (char *) "failed" : NULL,
        .has_exit = n == EVENTS,
        .exit = 1,
    };
}

static void post_next (poster_t *self);

static void on_posted (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    const ama_report_posted_t *posted = body;
    poster_t *self = arg;
    ama_run_cancelled_t done = { .state = AMA_RUN_STATE_RUNNING };

    (void) envelope;
    if (err) {
        (void) ama_refuse (ctx, &self->waiter, err->code, "%s", err->text);
        return;
    }
    self->next = posted->upto + 1;
    if (posted->upto % PER_STEP)
        post_next (self);
    else
        (void) ama_reply (ctx, &self->waiter, AMA_MSG_RUN_CANCELLED, &done);
}

static void on_second (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    (void) ctx, (void) envelope, (void) body, (void) err, (void) arg;
}

static void post_next (poster_t *self)
{
    enum { BATCH = 40 };
    ama_report_event_t events[BATCH];
    char texts[BATCH][TEXT + 1];
    ama_report_post_t post = { .run = run_id (), .source = run_id (), .first = self->next, .events = events };

    for (; post.n_events < BATCH && (self->next + post.n_events - 1) % PER_STEP + 1 <= PER_STEP; post.n_events++) {
        make_event (self->next + post.n_events, texts[post.n_events], &events[post.n_events]);
        if ((self->next + post.n_events) % PER_STEP == 0) {
            post.n_events++;
            break;
        }
    }
    (void) ama_ask (self->ctx, "reporter", AMA_MSG_REPORT_POST, &post, 0, 0, on_posted, self);
    if (self->twice)
        (void) ama_ask (self->ctx, "reporter", AMA_MSG_REPORT_POST, &post, 0, 0, on_second, self);
}

static int on_go (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    const ama_run_cancel_t *go = body;
    poster_t *self = state;
    ama_report_event_t event = { .type = AMA_EVENT_TYPE_PROGRESS, .text = (char *) "stage 1/2" };
    ama_report_progress_t progress = { .run = run_id (), .event = event };

    (void) err;
    self->waiter = ama_waiter (envelope);
    if (go->force) { /* progress instead */
        ama_run_cancelled_t done = { .state = AMA_RUN_STATE_RUNNING };
        (void) ama_tell (ctx, "reporter", AMA_MSG_REPORT_PROGRESS, &progress);
        return ama_reply (ctx, &self->waiter, AMA_MSG_RUN_CANCELLED, &done);
    }
    post_next (self);
    return 0;
}

static int poster_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    poster_t *self = state;

    (void) err;
    *self = *(const poster_t *) config;
    self->ctx = ctx;
    return 0;
}

static const ama_handler_t poster_handlers[] = { { AMA_MSG_RUN_CANCEL, on_go }, AMA_HANDLER_END };
static const ama_actor_def_t poster_def = {
    .name = "supervisor",
    .role = AMA_ROLE_SUPERVISOR,
    .state_size = sizeof (poster_t),
    .init = poster_init,
    .handlers = poster_handlers,
};

/* ---- followers ---- */

enum { FOLLOWERS = 12 };

typedef struct {
    driver_t *driver;
    ama_str_t bytes;
    uint64_t ask, parts, largest, unnumbered;
    unsigned caught_up;
    uint64_t caught_up_at; /* last number then */
    uint64_t last;
    bool ended;
    int code;
    int64_t exit;
} reader_t;

typedef struct {
    char dir[64];
    reader_t readers[FOLLOWERS];
    unsigned step;
    bool released;                   /* the stalled reader */
    void (*next) (driver_t *driver); /* after a go of the poster, or when a reader has ended */
} scene_t;

static void on_part (reader_t *reader, const ama_report_batch_t *batch)
{
    size_t before = reader->bytes.size;

    for (size_t i = 0; i < batch->n_items; i++) {
        const ama_report_item_t *item = &batch->items[i];
        if (!item->seq) {
            reader->unnumbered++;
            continue;
        }
        ama_str_printf (&reader->bytes, "%llu %llu %s\n", (unsigned long long) item->seq,
                        (unsigned long long) item->prev, item->json);
        reader->last = item->seq;
    }
    if (batch->caught_up) {
        reader->caught_up++;
        reader->caught_up_at = reader->last;
    }
    reader->parts++;
    if (reader->bytes.size - before > reader->largest)
        reader->largest = reader->bytes.size - before;
}

static void on_report (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    reader_t *reader = arg;
    scene_t *scene = reader->driver->arg;

    (void) ctx;
    if (!err && envelope->flags & AMA_FLAG_MORE) {
        on_part (reader, body);
        return;
    }
    reader->ended = true;
    reader->code = err ? err->code : 0;
    reader->exit = err ? -1 : ((const ama_report_end_t *) body)->exit;
    scene->next (reader->driver);
}

static reader_t *follow (driver_t *driver, unsigned n, const ama_report_follow_t *how, uint32_t window)
{
    scene_t *scene = driver->arg;
    reader_t *reader = &scene->readers[n];

    reader->driver = driver;
    reader->ask = ama_ask (driver->ctx, "reporter", AMA_MSG_REPORT_FOLLOW, how, 0, window, on_report, reader);
    return reader;
}

static void on_gone (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err, void *arg)
{
    driver_t *driver = arg;
    scene_t *scene = driver->arg;

    (void) ctx, (void) envelope, (void) body;
    if (err)
        note (driver, "go: %s", err->text);
    scene->step++;
    scene->next (driver);
}

static void go (driver_t *driver, bool progress)
{
    ama_run_cancel_t body = { .run = run_id (), .force = progress };
    (void) ama_ask (driver->ctx, "supervisor", AMA_MSG_RUN_CANCEL, &body, 0, 0, on_gone, driver);
}

static void play (scene_t *scene, void (*begin) (driver_t *driver), void (*next) (driver_t *driver), poster_t poster)
{
    driver_t driver = { .begin = begin, .arg = scene, .role = AMA_ROLE_OPERATOR };
    ama_node_t *node = new_node (&(ama_node_conf_t){ .epoch = 1 });

    scene->next = next;
    start (node, &ama_reporter_def, NULL, &(ama_reporter_conf_t){ .dir = scene->dir });
    start (node, &poster_def, NULL, &poster);
    if (drive (node, &driver) != 0)
        fail_msg ("%s", driver.log);
    ama_node_destroy (&node, 5000);
}

static void scene_done (scene_t *scene)
{
    for (size_t i = 0; i < FOLLOWERS; i++)
        ama_str_done (&scene->readers[i].bytes);
    remove_folder (scene->dir);
}

static const ama_report_follow_t all = { .run = { { 1, 2, 3 } }, .level = AMA_REPORT_LEVEL_CODE };

/* What a follower must have read, made from the events themselves. */
static void check_whole (const reader_t *reader)
{
    const char *at = reader->bytes.data;

    for (uint64_t n = 1; n <= EVENTS; n++) {
        char head[64], text[TEXT + 1], body[TEXT + 32];
        ama_report_event_t event;
        const char *lf = strchr (at, '\n');

        make_event (n, text, &event);
        snprintf (head, sizeof head, "%llu %llu \"ts\":", (unsigned long long) n, (unsigned long long) n - 1);
        snprintf (body, sizeof body, "\"text\":\"%s\"", text);
        assert_memory_equal (at, head, strlen (head));
        assert_non_null (memmem (at, (size_t) (lf - at), body, strlen (body)));
        at = lf + 1;
    }
    assert_int_equal (*at, '\0');
}

/* ---- ten people, one late, one stalled, one after the end: all the same bytes ---- */

static void ten_begin (driver_t *driver)
{
    static const uint32_t windows[] = { 1, 1000, 4096, 65536, 1 << 20, 1 << 20, 300, 1 << 16 };
    scene_t *scene = driver->arg;

    for (unsigned i = 0; i < 8; i++)
        follow (driver, i, &all, windows[i]);
    follow (driver, 8, &all, 20000);
    ama_ask_hold (driver->ctx, scene->readers[8].ask, true);
    go (driver, false);
}

static void ten_next (driver_t *driver)
{
    scene_t *scene = driver->arg;
    unsigned ended = 0;

    for (unsigned i = 0; i < 11; i++)
        ended += scene->readers[i].ended;
    if (scene->step == 2 && !scene->readers[9].ask)
        follow (driver, 9, &all, 1 << 20); /* late */
    if (scene->step < 3 && !ended)
        go (driver, false);
    if (ended == 9 && !scene->released) { /* the stalled one goes on now; it had a window and a part at most */
        assert_true (scene->readers[8].bytes.size <= 2 * (20000 + scene->readers[8].largest));
        scene->released = true;
        ama_ask_hold (driver->ctx, scene->readers[8].ask, false);
    }
    if (ended == 10 && !scene->readers[10].ask)
        follow (driver, 10, &all, 1 << 16);
    if (ended == 11)
        ama_exit (driver->ctx, 0, NULL);
}

static void test_ten_followers (void **state)
{
    scene_t *scene = ama_calloc (1, sizeof *scene);

    (void) state;
    temp_folder (scene->dir, sizeof scene->dir);
    play (scene, ten_begin, ten_next, (poster_t){ .next = 1, .twice = true });
    check_whole (&scene->readers[0]);
    for (unsigned i = 0; i < 11; i++) {
        assert_string_equal (scene->readers[i].bytes.data, scene->readers[0].bytes.data);
        assert_int_equal (scene->readers[i].code, 0);
        assert_int_equal (scene->readers[i].exit, 1);
        assert_int_equal (scene->readers[i].caught_up, 1);
    }
    assert_int_equal (scene->readers[0].caught_up_at, 0);
    assert_int_equal (scene->readers[9].caught_up_at, 2 * PER_STEP);
    assert_int_equal (scene->readers[10].caught_up_at, EVENTS);
    scene_done (scene);
    free (scene);
}

/* ---- levels and beginnings ---- */

static void levels_begin (driver_t *driver)
{
    go (driver, false);
}

static void levels_next (driver_t *driver)
{
    scene_t *scene = driver->arg;
    ama_report_follow_t how = all;
    unsigned ended = 0;

    for (unsigned i = 0; i < FOLLOWERS; i++)
        ended += scene->readers[i].ended;
    if (scene->step < 3)
        go (driver, false);
    else if (!scene->readers[0].ask) {
        follow (driver, 0, &how, 1 << 20);
        how.level = AMA_REPORT_LEVEL_EXECUTION;
        follow (driver, 1, &how, 1 << 20);
        how.from = 1535;
        follow (driver, 2, &how, 1 << 20);
        how.level = AMA_REPORT_LEVEL_CODE;
        follow (driver, 3, &how, 1 << 20);
        how.level = AMA_REPORT_LEVEL_NONE;
        follow (driver, 4, &how, 1 << 20);
        how.level = AMA_REPORT_LEVEL_CODE;
        how.from = 1000000;
        follow (driver, 5, &how, 1 << 20);
    }
    else if (ended == 6)
        ama_exit (driver->ctx, 0, NULL);
}

/* The lines of `whole` that are of level execution and number >= from, with prev as that stream has it. */
static void expect_execution (const char *whole, uint64_t from, ama_str_t *out)
{
    uint64_t last = 0;

    for (const char *at = whole, *lf; *at; at = lf + 1) {
        const char *json = strchr (at, '"');
        uint64_t seq = strtoull (at, NULL, 10);
        lf = strchr (at, '\n');
        if (!memmem (json, (size_t) (lf - json), "\"level\":\"execution\"", 19))
            continue;
        if (seq >= from)
            ama_str_printf (out, "%llu %llu %.*s\n", (unsigned long long) seq, (unsigned long long) last,
                            (int) (lf - json), json);
        last = seq;
    }
}

static void test_levels_and_from (void **state)
{
    scene_t *scene = ama_calloc (1, sizeof *scene);
    ama_str_t expected = { 0 };

    (void) state;
    temp_folder (scene->dir, sizeof scene->dir);
    play (scene, levels_begin, levels_next, (poster_t){ .next = 1 });
    check_whole (&scene->readers[0]);
    expect_execution (scene->readers[0].bytes.data, 0, &expected);
    assert_string_equal (scene->readers[1].bytes.data, expected.data);
    ama_str_clear (&expected);
    expect_execution (scene->readers[0].bytes.data, 1535, &expected);
    assert_string_equal (scene->readers[2].bytes.data, expected.data);
    assert_string_equal (scene->readers[3].bytes.data, strstr (scene->readers[0].bytes.data, "\n1535 1534 ") + 1);
    assert_int_equal (scene->readers[4].bytes.size, 0);
    assert_int_equal (scene->readers[5].bytes.size, 0);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal (scene->readers[i].exit, 1);
        assert_int_equal (scene->readers[i].caught_up, 1);
    }
    ama_str_done (&expected);
    scene_done (scene);
    free (scene);
}

/* ---- a second life on the same folder ---- */

static void half_begin (driver_t *driver)
{
    follow (driver, 0, &all, 1 << 20);
    go (driver, false);
}

static void half_next (driver_t *driver)
{
    ama_exit (driver->ctx, 0, NULL);
}

static void rest_begin (driver_t *driver)
{
    follow (driver, 1, &all, 1 << 20);
    go (driver, false);
}

static void rest_next (driver_t *driver)
{
    scene_t *scene = driver->arg;

    if (scene->readers[1].ended)
        ama_exit (driver->ctx, 0, NULL);
    else if (scene->step < 4)
        go (driver, false);
}

static void test_restart_goes_on (void **state)
{
    scene_t *scene = ama_calloc (1, sizeof *scene);

    (void) state;
    temp_folder (scene->dir, sizeof scene->dir);
    play (scene, half_begin, half_next, (poster_t){ .next = 1 });
    assert_int_equal (scene->step, 1);
    /* the poster has forgotten what was acknowledged and starts from its first event */
    play (scene, rest_begin, rest_next, (poster_t){ .next = 1 });
    check_whole (&scene->readers[1]);
    scene_done (scene);
    free (scene);
}

/* ---- progress ---- */

static void progress_begin (driver_t *driver)
{
    ama_report_follow_t how = all;

    follow (driver, 0, &how, 1 << 20);
    how.progress = true;
    follow (driver, 1, &how, 1 << 20);
    follow (driver, 2, &how, 1);
    ama_ask_hold (driver->ctx, ((scene_t *) driver->arg)->readers[2].ask, true);
    go (driver, false);
}

static void progress_next (driver_t *driver)
{
    ama_report_follow_t how = all;
    scene_t *scene = driver->arg;

    how.progress = true;
    if (scene->step == 2 && !scene->readers[3].ask) /* who comes now wants to know, too, what the run is waiting for */
        follow (driver, 3, &how, 1 << 20);
    if (scene->step == 3 && !scene->readers[4].ask) /* and who comes now does not: the run has gone on */
        follow (driver, 4, &how, 1 << 20);
    if (scene->step == 1)
        go (driver, true);
    else if (scene->step == 2 || scene->step == 3)
        go (driver, false);
    else if (!scene->readers[2].ended && scene->readers[0].ended && scene->readers[1].ended && scene->readers[3].ended
             && scene->readers[4].ended)
        ama_ask_hold (driver->ctx, scene->readers[2].ask, false);
    else if (scene->readers[2].ended)
        ama_exit (driver->ctx, 0, NULL);
}

static void test_progress_is_for_those_who_are_there (void **state)
{
    scene_t *scene = ama_calloc (1, sizeof *scene);

    (void) state;
    temp_folder (scene->dir, sizeof scene->dir);
    play (scene, progress_begin, progress_next, (poster_t){ .next = 1 });
    assert_int_equal (scene->readers[0].unnumbered, 0);
    assert_int_equal (scene->readers[1].unnumbered, 1);
    assert_int_equal (scene->readers[2].unnumbered, 0); /* was behind */
    assert_int_equal (scene->readers[3].unnumbered, 1);
    assert_int_equal (scene->readers[4].unnumbered, 0);
    for (unsigned i = 0; i < 5; i++)
        check_whole (&scene->readers[i]);
    scene_done (scene);
    free (scene);
}

/* ---- artifacts, and what is refused: a driver that is the supervisor or an agent ---- */

typedef struct {
    const ama_report_post_t *post;
    int code;
    size_t artifacts;
    char first[TEXT + 1], last[TEXT + 1];
} question_t;

static void on_answer (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    question_t *question = arg;

    (void) envelope;
    question->code = err ? err->code : 0;
    if (!err && !question->post) {
        const ama_report_artifacts_reply_t *reply = body;
        question->artifacts = reply->n_artifacts;
        snprintf (question->first, sizeof question->first, "%s", reply->n_artifacts ? reply->artifacts[0].name : "");
        snprintf (question->last, sizeof question->last, "%s",
                  reply->n_artifacts ? reply->artifacts[reply->n_artifacts - 1].name : "");
    }
    ama_exit (ctx, 0, NULL);
}

static void ask_question (driver_t *driver)
{
    question_t *question = driver->arg;
    ama_report_artifacts_t artifacts = { .run = run_id () };

    if (question->post)
        (void) ama_ask (driver->ctx, "reporter", AMA_MSG_REPORT_POST, question->post, 0, 0, on_answer, question);
    else
        (void) ama_ask (driver->ctx, "reporter", AMA_MSG_REPORT_ARTIFACTS, &artifacts, 0, 0, on_answer, question);
}

static void question (const char *dir, bool read_only, uint32_t role, question_t *question)
{
    driver_t driver = { .begin = ask_question, .arg = question, .role = role };
    ama_node_t *node = new_node (&(ama_node_conf_t){ .epoch = 1 });

    start (node, &ama_reporter_def, NULL, &(ama_reporter_conf_t){ .dir = dir, .read_only = read_only });
    if (drive (node, &driver) != 0)
        fail_msg ("%s", driver.log);
    ama_node_destroy (&node, 5000);
}

static void test_artifacts (void **state)
{
    scene_t *scene = ama_calloc (1, sizeof *scene);
    question_t asked = { 0 };
    char text[TEXT + 1];
    ama_report_event_t event;

    (void) state;
    temp_folder (scene->dir, sizeof scene->dir);
    question (scene->dir, false, AMA_ROLE_SUPERVISOR, &asked);
    assert_int_equal (asked.artifacts, 0);
    play (scene, levels_begin, levels_next, (poster_t){ .next = 1 });
    question (scene->dir, true, AMA_ROLE_SUPERVISOR, &asked);
    assert_int_equal (asked.artifacts, EVENTS / 100 - 1);
    make_event (100, text, &event);
    assert_string_equal (asked.first, text);
    make_event (2900, text, &event);
    assert_string_equal (asked.last, text);
    scene_done (scene);
    free (scene);
}

static void test_refusals (void **state)
{
    char dir[64];
    ama_report_event_t event = { .type = AMA_EVENT_TYPE_OUTPUT, .has_attempt = true };
    ama_report_post_t post = { .run = run_id (), .source = { { 9 } }, .first = 1, .events = &event, .n_events = 1 };
    question_t asked = { .post = &post };

    (void) state;
    temp_folder (dir, sizeof dir);
    question (dir, true, AMA_ROLE_AGENT, &asked);
    assert_int_equal (asked.code, AMA_E_UNSUPPORTED);
    for (event.type = 0; event.type <= AMA_EVENT_TYPE_PROGRESS + 1; event.type++) {
        bool may = event.type >= AMA_EVENT_TYPE_STATEMENT_STARTED && event.type <= AMA_EVENT_TYPE_GAP;
        question (dir, false, AMA_ROLE_AGENT, &asked);
        assert_int_equal (asked.code, may ? AMA_E_BUSY : AMA_E_ROLE); /* nobody has said that the attempt began */
    }
    post.source = run_id ();
    question (dir, false, AMA_ROLE_AGENT, &asked);
    assert_int_equal (asked.code, AMA_E_ROLE);
    post.first = 0;
    question (dir, false, AMA_ROLE_SUPERVISOR, &asked);
    assert_int_equal (asked.code, AMA_E_INVALID);
    remove_folder (dir);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_ten_followers),   cmocka_unit_test (test_levels_and_from),
        cmocka_unit_test (test_restart_goes_on), cmocka_unit_test (test_progress_is_for_those_who_are_there),
        cmocka_unit_test (test_artifacts),       cmocka_unit_test (test_refusals),
    };
    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
