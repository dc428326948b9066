/* notify_test.c - the service manager's view of a process: a real datagram socket stands for it, and an actor hangs */
#include "tests/unit/runtime/rt_test.h"

#include "actors/runtime/ama_notify.h"

#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { HUNG_MS = 200, PATIENCE_MS = 10000 };

/* ---- the manager ---- */

typedef struct {
    int fd;
    char folder[64], name[108];
} manager_t;

static void open_manager (manager_t *manager, bool abstract)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    socklen_t size;

    (void) snprintf (manager->name, sizeof manager->name, "%s/notify",
                     temp_folder (manager->folder, sizeof manager->folder));
    if (abstract)
        manager->name[0] = '@';
    memcpy (address.sun_path, manager->name, strlen (manager->name));
    if (abstract)
        address.sun_path[0] = '\0';
    size = (socklen_t) (offsetof (struct sockaddr_un, sun_path) + strlen (manager->name));
    manager->fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true (manager->fd >= 0);
    assert_int_equal (bind (manager->fd, (struct sockaddr *) &address, abstract ? size : size + 1), 0);
}

static void close_manager (manager_t *manager)
{
    (void) close (manager->fd);
    remove_folder (manager->folder);
}

/* False: nothing came in time. */
static bool hear (const manager_t *manager, int64_t ms, char *text, size_t room)
{
    struct pollfd fd = { .fd = manager->fd, .events = POLLIN };
    ssize_t size;

    if (poll (&fd, 1, (int) ms) <= 0)
        return false;
    size = recv (manager->fd, text, room - 1, 0);
    text[size > 0 ? size : 0] = '\0';
    return size > 0;
}

/* ---- datagrams ---- */

static void say_and_hear (bool abstract)
{
    manager_t manager;
    char text[256];
    ama_notify_t *notify;

    open_manager (&manager, abstract);
    notify = ama_notify_new (&(ama_notify_env_t){ .socket = manager.name, .watchdog_usec = "20000000" });
    assert_non_null (notify);
    assert_int_equal (ama_notify_watchdog_ms (notify), 10000);
    ama_notify_say (notify, "READY=1\nSTATUS=%s", "up");
    assert_true (hear (&manager, PATIENCE_MS, text, sizeof text));
    assert_string_equal (text, "READY=1\nSTATUS=up");
    ama_notify_destroy (&notify);
    close_manager (&manager);
}

static void test_path (void **state)
{
    (void) state;
    say_and_hear (false);
}

static void test_abstract (void **state)
{
    (void) state;
    say_and_hear (true);
}

static void test_nobody (void **state)
{
    static const char *const none[] = { NULL, "", "/", "relative", "vsock:2:1234" };
    char long_name[200] = "/";
    ama_notify_t *notify;

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (none); i++)
        assert_null (ama_notify_new (&(ama_notify_env_t){ .socket = none[i] }));
    memset (long_name + 1, 'a', sizeof long_name - 2);
    assert_null (ama_notify_new (&(ama_notify_env_t){ .socket = long_name }));
    ama_notify_say (NULL, "READY=1");
    assert_int_equal (ama_notify_watchdog_ms (NULL), 0);
    notify = ama_notify_new (&(ama_notify_env_t){ .socket = "/nowhere/at/all" });
    ama_notify_say (notify, "READY=1"); /* lost, and no harm done */
    ama_notify_destroy (&notify);
}

static void test_watchdog_of_another (void **state)
{
    static const struct {
        const char *usec, *pid;
    } none[] = { { "1000000", "1" }, { "", NULL }, { "soon", NULL }, { "-5", NULL }, { NULL, NULL } };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (none); i++) {
        ama_notify_t *notify = ama_notify_new (&(ama_notify_env_t){ "/nowhere", none[i].usec, none[i].pid });
        assert_int_equal (ama_notify_watchdog_ms (notify), 0);
        ama_notify_destroy (&notify);
    }
}

static void test_environment (void **state)
{
    char pid[32];
    ama_notify_t *notify;

    (void) state;
    (void) snprintf (pid, sizeof pid, "%d", (int) getpid ());
    (void) setenv ("NOTIFY_SOCKET", "/nowhere", 1);
    (void) setenv ("WATCHDOG_USEC", "4000000", 1);
    (void) setenv ("WATCHDOG_PID", pid, 1);
    notify = ama_notify_of_process ();
    assert_int_equal (ama_notify_watchdog_ms (notify), 2000);
    assert_null (getenv ("NOTIFY_SOCKET"));
    assert_null (getenv ("WATCHDOG_USEC"));
    assert_null (getenv ("WATCHDOG_PID"));
    ama_notify_destroy (&notify);
}

/* ---- an actor that hangs ---- */

typedef struct {
    int hang[2], go_on[2]; /* pipes */
} ropes_t;

static void on_hang (int fd, short revents, void *arg)
{
    const ropes_t *ropes = arg;
    char byte;

    (void) revents;
    if (read (fd, &byte, 1) != 1 || read (ropes->go_on[0], &byte, 1) != 1)
        abort ();
}

typedef struct {
    ama_watch_t *watch;
} sleeper_t;

static int sleeper_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    ropes_t *ropes = *(ropes_t *const *) config;

    (void) err;
    ((sleeper_t *) state)->watch = ama_watch_new (ctx, ropes->hang[0], POLLIN, on_hang, ropes);
    return 0;
}

static void sleeper_done (void *state)
{
    ama_watch_destroy (&((sleeper_t *) state)->watch);
}

static const ama_handler_t no_handlers[] = { AMA_HANDLER_END };

static const ama_actor_def_t sleeper_def = { .name = "sleeper",
                                             .role = AMA_ROLE_PLANNER,
                                             .state_size = sizeof (sleeper_t),
                                             .init = sleeper_init,
                                             .done = sleeper_done,
                                             .handlers = no_handlers };

typedef struct {
    manager_t manager;
    ropes_t ropes;
    ama_node_t *node;
    char log[1024]; /* without what comes again and again */
    bool fed_while_hung, fed_again;
} story_t;

static void keep (story_t *story, const char *text)
{
    size_t used = strlen (story->log);

    (void) snprintf (story->log + used, sizeof story->log - used, "%s;", text);
}

/* Until that was said; everything but food is kept. */
static bool until (story_t *story, const char *wanted)
{
    char text[256];

    while (hear (&story->manager, PATIENCE_MS, text, sizeof text)) {
        if (strcmp (text, "WATCHDOG=1") != 0)
            keep (story, text);
        if (strcmp (text, wanted) == 0)
            return true;
    }
    keep (story, "NOTHING");
    return false;
}

static void *be_manager (void *arg)
{
    story_t *story = arg;
    char text[256];
    bool well = until (story, "READY=1") && until (story, "WATCHDOG=1") && until (story, "WATCHDOG=1");

    if (well && write (story->ropes.hang[1], "x", 1) == 1 && until (story, "STATUS=sleeper hangs"))
        story->fed_while_hung = hear (&story->manager, (int64_t) 3 * HUNG_MS, text, sizeof text);
    if (write (story->ropes.go_on[1], "x", 1) == 1 && until (story, "STATUS=serving"))
        story->fed_again = until (story, "WATCHDOG=1");
    ama_node_stop (story->node);
    (void) until (story, "STOPPING=1");
    return NULL;
}

static void test_hung_actor (void **state)
{
    story_t story = { 0 };
    ropes_t *ropes = &story.ropes;
    ama_notify_t *notify;
    ama_err_t err = { 0 };
    pthread_t thread;
    char text[256];

    (void) state;
    open_manager (&story.manager, false);
    assert_int_equal (pipe (ropes->hang), 0);
    assert_int_equal (pipe (ropes->go_on), 0);
    notify = ama_notify_new (&(ama_notify_env_t){ .socket = story.manager.name, .watchdog_usec = "60000" });
    story.node = new_node (&(ama_node_conf_t){ .epoch = 1, .notify = notify, .hung_ms = HUNG_MS });
    start (story.node, &sleeper_def, NULL, &ropes);
    assert_int_equal (pthread_create (&thread, NULL, be_manager, &story), 0);
    assert_int_equal (ama_node_wait (story.node, &err), 0);
    (void) pthread_join (thread, NULL);
    ama_node_destroy (&story.node, 1000);
    assert_string_equal (story.log, "READY=1;STATUS=sleeper hangs;STATUS=serving;STOPPING=1;");
    assert_false (story.fed_while_hung);
    assert_true (story.fed_again);
    assert_true (hear (&story.manager, PATIENCE_MS, text, sizeof text));
    assert_string_equal (text, "EXTEND_TIMEOUT_USEC=2000000");
    ama_notify_destroy (&notify);
    for (int i = 0; i < 2; i++) {
        (void) close (ropes->hang[i]);
        (void) close (ropes->go_on[i]);
    }
    close_manager (&story.manager);
}

/* ---- an actor on the caller's own thread: the agent's way ---- */

static void exit_soon (void *arg)
{
    driver_t *driver = arg;
    ama_exit (driver->ctx, 0, NULL);
}

static void begin_short_life (driver_t *driver)
{
    driver->arg = ama_timer_new (driver->ctx, exit_soon, driver);
    ama_timer_after (driver->arg, 100);
}

static void test_fed_from_its_own_loop (void **state)
{
    driver_t driver = { .begin = begin_short_life };
    manager_t manager;
    ama_notify_t *notify;
    ama_node_t *node;
    char text[256], first[256];
    unsigned fed = 0;

    (void) state;
    open_manager (&manager, false);
    notify = ama_notify_new (
        &(ama_notify_env_t){ .socket = manager.name, .watchdog_usec = "60000" }); /* a socket holds few datagrams */
    node = new_node (&(ama_node_conf_t){ .epoch = 1, .notify = notify });
    assert_int_equal (drive (node, &driver), 0);
    ama_timer_destroy ((ama_timer_t **) &driver.arg);
    ama_node_destroy (&node, 1000);
    assert_true (hear (&manager, 0, first, sizeof first));
    assert_string_equal (first, "READY=1");
    while (hear (&manager, 0, text, sizeof text) && strcmp (text, "WATCHDOG=1") == 0)
        fed++;
    assert_string_equal (text, "STOPPING=1");
    assert_true (fed >= 2);
    ama_notify_destroy (&notify);
    close_manager (&manager);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_path),
        cmocka_unit_test (test_abstract),
        cmocka_unit_test (test_nobody),
        cmocka_unit_test (test_watchdog_of_another),
        cmocka_unit_test (test_environment),
        cmocka_unit_test (test_hung_actor),
        cmocka_unit_test (test_fed_from_its_own_loop),
    };

    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
