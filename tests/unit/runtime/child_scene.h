/* child_scene.h - tests of child processes: one child of a driver, and all that it has said */
#ifndef AMA_TESTS_CHILD_SCENE_H
#define AMA_TESTS_CHILD_SCENE_H

#include "tests/unit/runtime/rt_test.h"

#include "actors/runtime/ama_child.h"

enum { CHANNELS = 7 };

/* One child of a test, and all that it has said. */
typedef struct {
    driver_t *driver;
    ama_child_t *child;
    ama_str_t said[CHANNELS];
    bool ended[CHANNELS]; /* its end was delivered */
    ama_child_end_t end;
    bool over;
    int *left; /* counts down to the end of the driver */
    void (*on_said) (void *kid, int channel);
    ama_timer_t *timer;
    int ticks;
} kid_t;

static inline void on_output (ama_child_t *child, int channel, const char *bytes, size_t size, void *arg)
{
    kid_t *kid = arg;

    assert_ptr_equal (child, kid->child);
    assert_false (kid->ended[channel]);
    kid->ended[channel] = size == 0;
    ama_str_add (&kid->said[channel], bytes, size);
    if (kid->on_said)
        kid->on_said (kid, channel);
}

static inline void on_exit_ (ama_child_t *child, const ama_child_end_t *end, void *arg)
{
    kid_t *kid = arg;

    assert_ptr_equal (child, kid->child);
    assert_false (kid->over);
    kid->over = true;
    kid->end = *end;
    kid->child = NULL;
    if (!kid->left || --*kid->left == 0)
        ama_exit (kid->driver->ctx, 0, NULL);
}

static inline void begin_kid (kid_t *kid, const ama_child_spec_t *spec)
{
    ama_child_spec_t full = *spec;
    ama_err_t err = { 0 };

    full.on_output = on_output;
    full.on_exit = on_exit_;
    full.arg = kid;
    kid->child = ama_child_spawn (kid->driver->ctx, &full, &err);
    if (!kid->child)
        fail_msg ("not started: %s", err.text);
}

static const char *said (const kid_t *kid, int channel)
{
    return kid->said[channel].data ? kid->said[channel].data : "";
}

static inline void kid_done (kid_t *kid)
{
    for (int i = 0; i < CHANNELS; i++)
        ama_str_done (&kid->said[i]);
    ama_timer_destroy (&kid->timer);
}

/* Drives one child described by spec to its end. begin may do more than start it. */
static inline void run_kid (kid_t *kid, void (*begin) (driver_t *driver))
{
    ama_node_t *node = new_node (&(ama_node_conf_t){ 0 });
    driver_t driver = { .begin = begin, .arg = kid };

    kid->driver = &driver;
    assert_int_equal (drive (node, &driver), 0);
    assert_string_equal (driver.log, "");
    assert_true (kid->over);
    ama_node_destroy (&node, 1000);
}

#define SH(script)                                                                                                     \
    (const char *const[])                                                                                              \
    {                                                                                                                  \
        "sh", "-c", script, NULL                                                                                       \
    }

#endif
