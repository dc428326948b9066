/* reporter_remove_test.c - a run is removed while somebody follows it: he is told why, the file is gone, and a second removal finds nothing
 *
 * The driver is the supervisor. The follower, on another thread, says by a run.cancel that he has read something, and by another, with force, that he
 * was told of the removal.
 */
#include "actors/reporter/reporter.h"
#include "messages/run.h"
#include "tests/unit/runtime/rt_test.h"

static const ama_id_t run_id = { { 1, 2, 3 } }, other_id = { { 1, 2, 4 } };

/* ---- who follows ---- */

typedef struct {
    ama_ctx_t *ctx;
    bool said;
} follower_t;

static void on_said (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err, void *arg)
{
    (void) ctx, (void) envelope, (void) body, (void) err, (void) arg;
}

static void say (follower_t *self, bool told)
{
    ama_run_cancel_t body = { .run = run_id, .force = told };
    (void) ama_ask (self->ctx, "supervisor", AMA_MSG_RUN_CANCEL, &body, 0, 0, on_said, self);
}

static void on_report (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    follower_t *self = arg;
    const ama_report_batch_t *batch = body;

    (void) ctx;
    if (err)
        say (self, err->code == AMA_E_NOT_FOUND && strcmp (err->text, "gone for good") == 0);
    else if (envelope->flags & AMA_FLAG_MORE && batch->n_items && !self->said) {
        self->said = true;
        say (self, false);
    }
}

static void follow (ama_ctx_t *ctx, void *state, uint64_t epoch)
{
    const ama_report_follow_t all = { .run = run_id, .level = AMA_REPORT_LEVEL_CODE };
    follower_t *self = state;

    (void) epoch;
    self->ctx = ctx;
    (void) ama_ask (ctx, "reporter", AMA_MSG_REPORT_FOLLOW, &all, 0, 1 << 20, on_report, self);
}

static const ama_actor_def_t follower_def = {
    .name = "client", .role = AMA_ROLE_OPERATOR, .state_size = sizeof (follower_t), .joined = follow
};

/* ---- the supervisor ---- */

typedef struct {
    char dir[64];
    unsigned removed;
    bool told;
} scene_t;

static void ask_removal (driver_t *driver);

static void next (driver_t *driver)
{
    scene_t *scene = driver->arg;

    if (scene->removed == 1 && scene->told)
        ask_removal (driver);
    else if (scene->removed == 2)
        ama_exit (driver->ctx, 0, NULL);
}

static void on_removed (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                        void *arg)
{
    driver_t *driver = arg;
    scene_t *scene = driver->arg;

    (void) ctx, (void) envelope, (void) body;
    if (err)
        note (driver, "remove: %s", err->text);
    scene->removed++;
    next (driver);
}

static void ask_removal (driver_t *driver)
{
    ama_report_remove_t body = { .run = run_id, .text = (char *) "gone for good" };
    (void) ama_ask (driver->ctx, "reporter", AMA_MSG_REPORT_REMOVE, &body, 0, 0, on_removed, driver);
}

static int on_cancel (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    driver_t *driver = *(driver_t **) state;
    scene_t *scene = driver->arg;

    (void) ctx, (void) envelope, (void) err;
    if (((const ama_run_cancel_t *) body)->force) {
        scene->told = true;
        next (driver);
    }
    else
        ask_removal (driver);
    return 0;
}

static void on_posted (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    (void) ctx, (void) envelope, (void) body;
    if (err)
        note (arg, "post: %s", err->text);
}

static void begin (driver_t *driver)
{
    ama_report_event_t event = { .type = AMA_EVENT_TYPE_OUTPUT, .text = (char *) "hello" };
    ama_report_post_t post = { .run = run_id, .source = run_id, .first = 1, .events = &event, .n_events = 1 };

    (void) ama_ask (driver->ctx, "reporter", AMA_MSG_REPORT_POST, &post, 0, 0, on_posted, driver);
    post.run = post.source = other_id;
    (void) ama_ask (driver->ctx, "reporter", AMA_MSG_REPORT_POST, &post, 0, 0, on_posted, driver);
}

static bool has_file (const scene_t *scene, ama_id_t run)
{
    char path[128], id[AMA_ID_TEXT];

    (void) snprintf (path, sizeof path, "%s/%s.log", scene->dir, ama_id_text (run, id));
    return access (path, F_OK) == 0;
}

static void test_removed_while_followed (void **state)
{
    static const ama_handler_t handlers[] = { { AMA_MSG_RUN_CANCEL, on_cancel }, AMA_HANDLER_END };
    scene_t scene = { .removed = 0 };
    driver_t driver = {
        .begin = begin, .arg = &scene, .name = "supervisor", .role = AMA_ROLE_SUPERVISOR, .handlers = handlers
    };
    ama_node_t *node = new_node (&(ama_node_conf_t){ .epoch = 1 });

    (void) state;
    temp_folder (scene.dir, sizeof scene.dir);
    start (node, &ama_reporter_def, NULL, &(ama_reporter_conf_t){ .dir = scene.dir });
    start (node, &follower_def, NULL, NULL);
    if (drive (node, &driver) != 0)
        fail_msg ("%s", driver.log);
    ama_node_destroy (&node, 5000);
    assert_string_equal (driver.log, "");
    assert_false (has_file (&scene, run_id));
    assert_true (has_file (&scene, other_id));
    remove_folder (scene.dir);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_removed_while_followed) };

    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
