/* follow_owner_test.c - who may follow a run: the reporter asks the supervisor whose it is, before it tells a submitter anything */
#include "actors/reporter/reporter.h"
#include "messages/run.h"
#include "tests/unit/runtime/rt_test.h"

typedef struct {
    const char *what;
    uint32_t role;
    const char *owner; /* what the supervisor says; NULL: that there is no such run */
    bool silent;       /* it says nothing */
    int code;          /* of the answer, 0: the report */
} row_t;

/* ---- the supervisor ---- */

static int on_owner (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    const row_t *row = *(const row_t *const *) state;
    ama_waiter_t waiter = ama_waiter (envelope);
    ama_run_owned_t owned = { .owner = (char *) row->owner };

    (void) body;
    if (row->silent)
        return 0;
    if (!row->owner)
        return ama_err_set (err, AMA_E_NOT_FOUND, "there is no such run");
    return ama_reply (ctx, &waiter, AMA_MSG_RUN_OWNED, &owned);
}

static int supervisor_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    (void) ctx, (void) err;
    *(const row_t **) state = config;
    return 0;
}

static const ama_handler_t handlers[] = { { AMA_MSG_RUN_OWNER, on_owner }, AMA_HANDLER_END };
static const ama_actor_def_t supervisor_def = {
    .name = "supervisor",
    .role = AMA_ROLE_SUPERVISOR,
    .state_size = sizeof (row_t *),
    .init = supervisor_init,
    .handlers = handlers,
};

/* ---- a follower ---- */

typedef struct {
    const row_t *row;
    uint64_t ask;
    bool told; /* something of the report */
    int code;
    char text[AMA_ERR_TEXT_MAX];
    ama_timer_t *timer;
} reader_t;

static void on_report (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    driver_t *driver = arg;
    reader_t *reader = driver->arg;

    (void) envelope, (void) body;
    reader->told = !err;
    reader->code = err ? err->code : 0;
    (void) snprintf (reader->text, sizeof reader->text, "%s", err ? err->text : "");
    ama_exit (ctx, 0, NULL);
}

/* The reader goes while the question is open: nobody is told anything, and nothing is left. */
static void on_enough (void *arg)
{
    driver_t *driver = arg;
    reader_t *reader = driver->arg;

    ama_ask_cancel (driver->ctx, reader->ask);
    ama_timer_destroy (&reader->timer);
    ama_exit (driver->ctx, 0, NULL);
}

static void begin (driver_t *driver)
{
    ama_report_follow_t follow = { .run = { { 7 } }, .level = AMA_REPORT_LEVEL_CODE };
    reader_t *reader = driver->arg;

    reader->ask = ama_ask (driver->ctx, "reporter", AMA_MSG_REPORT_FOLLOW, &follow, 0, 65536, on_report, driver);
    if (reader->row->silent) {
        reader->timer = ama_timer_new (driver->ctx, on_enough, driver);
        ama_timer_after (reader->timer, 100);
    }
}

static void test_who_may (void **state)
{
    static const row_t rows[] = {
        { "his own", AMA_ROLE_SUBMITTER, "", false, 0 },
        { "another's", AMA_ROLE_SUBMITTER, "ana", false, AMA_E_NOT_FOUND },
        { "nobody's", AMA_ROLE_SUBMITTER, NULL, false, AMA_E_NOT_FOUND },
        { "a viewer, any", AMA_ROLE_VIEWER, "ana", false, 0 },
        { "an operator, any", AMA_ROLE_OPERATOR, "ana", false, 0 },
        { "one who does not wait", AMA_ROLE_SUBMITTER, "", true, 1 },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        reader_t reader = { .row = &rows[i], .code = 1 };
        driver_t driver = { .begin = begin, .arg = &reader, .role = rows[i].role };
        ama_node_t *node = new_node (&(ama_node_conf_t){ .epoch = 1 });
        char dir[64];

        temp_folder (dir, sizeof dir);
        start (node, &ama_reporter_def, NULL, &(ama_reporter_conf_t){ .dir = dir });
        start (node, &supervisor_def, NULL, &rows[i]);
        if (drive (node, &driver) != 0)
            fail_msg ("%s", driver.log);
        ama_node_destroy (&node, 5000);
        if (reader.code != rows[i].code || reader.told != !rows[i].code)
            fail_msg ("%s: %d %s", rows[i].what, reader.code, reader.text);
        if (reader.code == AMA_E_NOT_FOUND)
            assert_string_equal (reader.text, "there is no such run");
        remove_folder (dir);
    }
}

/* Without the supervisor nobody knows. */
static void test_nobody_to_ask (void **state)
{
    static const row_t row = { "nobody to ask", AMA_ROLE_SUBMITTER, "", false, AMA_E_UNREACHABLE };
    reader_t reader = { .row = &row, .code = 1 };
    driver_t driver = { .begin = begin, .arg = &reader, .role = AMA_ROLE_SUBMITTER };
    ama_node_t *node = new_node (&(ama_node_conf_t){ .epoch = 1 });
    char dir[64];

    (void) state;
    temp_folder (dir, sizeof dir);
    start (node, &ama_reporter_def, NULL, &(ama_reporter_conf_t){ .dir = dir });
    if (drive (node, &driver) != 0)
        fail_msg ("%s", driver.log);
    ama_node_destroy (&node, 5000);
    assert_int_equal (reader.code, AMA_E_UNREACHABLE);
    assert_false (reader.told);
    remove_folder (dir);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_who_may), cmocka_unit_test (test_nobody_to_ask) };
    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
