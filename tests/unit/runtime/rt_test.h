/* rt_test.h - what the tests of the runtime share: a driver actor on the test's own thread, a few services on others
 *
 * A test starts services with ama_node_start, then runs a driver with drive (): its steps run on the calling thread, so they need no
 * locks. A driver that is not done after ten seconds fails its test.
 */
#ifndef AMA_TESTS_RT_TEST_H
#define AMA_TESTS_RT_TEST_H

#include "actors/runtime/ama_node.h"
#include "messages/ama_types.h"
#include "messages/control.h"
#include "messages/fetch.h"
#include "messages/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct driver driver_t;
struct driver {
    ama_ctx_t *ctx;
    ama_timer_t *watchdog;
    void (*begin) (driver_t *driver); /* from init */
    void (*on_joined) (driver_t *driver, uint64_t epoch);
    void (*on_parted) (driver_t *driver);
    void (*on_peer_gone) (driver_t *driver, const char *name);
    const ama_handler_t *handlers;
    uint32_t role;    /* 0: supervisor */
    const char *name; /* NULL: "driver" */
    void *arg;
    char log[4096]; /* what happened, in the test's own words */
};

static inline void note (driver_t *driver, const char *format, ...) __attribute__ ((format (printf, 2, 3)));
static inline void note (driver_t *driver, const char *format, ...)
{
    size_t used = strlen (driver->log);
    va_list args;

    if (used)
        used += (size_t) snprintf (driver->log + used, sizeof driver->log - used, "; ");
    va_start (args, format);
    (void) vsnprintf (driver->log + used, sizeof driver->log - used, format, args);
    va_end (args);
}

static inline void driver_late (void *arg)
{
    driver_t *driver = arg;
    note (driver, "LATE");
    ama_exit (driver->ctx, 99, "late");
}

static inline int driver_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    driver_t *driver = *(driver_t **) state = *(driver_t *const *) config;

    (void) err;
    driver->ctx = ctx;
    driver->watchdog = ama_timer_new (ctx, driver_late, driver);
    ama_timer_after (driver->watchdog, 10000);
    if (driver->begin)
        driver->begin (driver);
    return 0;
}

static inline void driver_done (void *state)
{
    driver_t *driver = *(driver_t **) state;
    if (driver)
        ama_timer_destroy (&driver->watchdog);
}

static inline void driver_joined (ama_ctx_t *ctx, void *state, uint64_t epoch)
{
    driver_t *driver = *(driver_t **) state;
    (void) ctx;
    if (driver->on_joined)
        driver->on_joined (driver, epoch);
}

static inline void driver_parted (ama_ctx_t *ctx, void *state)
{
    driver_t *driver = *(driver_t **) state;
    (void) ctx;
    if (driver->on_parted)
        driver->on_parted (driver);
}

static inline void driver_peer_gone (ama_ctx_t *ctx, void *state, const char *name)
{
    driver_t *driver = *(driver_t **) state;
    (void) ctx;
    if (driver->on_peer_gone)
        driver->on_peer_gone (driver, name);
}

/* Runs the driver until it calls ama_exit; returns its code. */
static inline int drive (ama_node_t *node, driver_t *driver)
{
    ama_actor_def_t def = {
        .name = driver->name ? driver->name : "driver",
        .role = driver->role ? driver->role : AMA_ROLE_SUPERVISOR,
        .state_size = sizeof (driver_t *),
        .init = driver_init,
        .done = driver_done,
        .joined = driver_joined,
        .parted = driver_parted,
        .peer_gone = driver_peer_gone,
        .handlers = driver->handlers,
    };
    ama_err_t err = { 0 };
    int rc = ama_node_run_here (node, &def, NULL, &driver, &err);

    if (err.code)
        note (driver, "%s %s", ama_err_name (err.code), err.text);
    return rc;
}

static inline ama_node_t *new_node (const ama_node_conf_t *conf)
{
    ama_err_t err = { 0 };
    ama_node_t *node = ama_node_new (conf, &err);

    if (!node)
        fail_msg ("no node: %s", err.text);
    return node;
}

static inline void start (ama_node_t *node, const ama_actor_def_t *def, const char *name, const void *config)
{
    ama_err_t err = { 0 };

    if (ama_node_start (node, def, name, config, &err) < 0)
        fail_msg ("%s did not start: %s", name ? name : def->name, err.text);
}

/* A private folder, gone at the end of the program's success; path is written to buf. */
static inline const char *temp_folder (char *buf, size_t size)
{
    (void) snprintf (buf, size, "/tmp/ama-test-XXXXXX");
    assert_non_null (mkdtemp (buf));
    return buf;
}

static inline void remove_folder (const char *folder)
{
    char command[256];

    (void) snprintf (command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal (system (command), 0);
}

#endif
