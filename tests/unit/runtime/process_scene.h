/* process_scene.h - tests with a second process: a driver that starts it, and what it does
 *
 * The other process is the test program again: `--peer ENDPOINT NAME POSTS stay|leave` joins a hub, `--hub ENDPOINT EPOCH` is one. Both say
 * "ready" when they are. The driver starts and kills them.
 */
#ifndef AMA_TESTS_PROCESS_SCENE_H
#define AMA_TESTS_PROCESS_SCENE_H

#include "tests/unit/runtime/rt_test.h"

#include "actors/runtime/ama_child.h"

#include <signal.h>

/* ---- the other process ---- */

typedef struct {
    ama_ctx_t *ctx;
    char **args; /* NAME POSTS stay|leave */
} other_t;

static inline int other_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    (void) err;
    *(other_t *) state = (other_t){ ctx, *(char **const *) config };
    return 0;
}

static inline void other_joined (ama_ctx_t *ctx, void *state, uint64_t epoch)
{
    other_t *self = state;
    ama_report_post_t post = { .first = 1 };

    (void) epoch;
    for (int i = atoi (self->args[1]); i > 0; i--, post.first++)
        if (ama_tell (ctx, "reporter", AMA_MSG_REPORT_POST, &post) < 0)
            ama_exit (ctx, 3, "a post was not taken");
    if (write (1, "ready\n", 6) != 6 || strcmp (self->args[2], "leave") == 0)
        ama_exit (ctx, 0, NULL);
}

static inline int be_peer (const char *endpoint, char **args)
{
    static const ama_actor_def_t def = {
        .role = AMA_ROLE_AGENT, .state_size = sizeof (other_t), .init = other_init, .joined = other_joined
    };
    ama_err_t err = { 0 };
    ama_node_t *node = ama_node_new (&(ama_node_conf_t){ .connect = endpoint, .handle_signals = true }, &err);
    int rc = node ? ama_node_run_here (node, &def, args[0], &args, &err) : 1;

    if (err.code)
        (void) fprintf (stderr, "%s %s\n", ama_err_name (err.code), err.text);
    ama_node_destroy (&node, 1000);
    return rc < 0 ? -rc : rc;
}

static inline int be_hub (const char *endpoint, const char *epoch)
{
    const char *listen[] = { endpoint, NULL };
    ama_node_conf_t conf = { .listen = listen, .epoch = (uint64_t) atoi (epoch), .handle_signals = true };
    ama_err_t err = { 0 };
    ama_node_t *node = ama_node_new (&conf, &err);

    if (!node) {
        (void) fprintf (stderr, "%s %s\n", ama_err_name (err.code), err.text);
        return -err.code;
    }
    if (write (1, "ready\n", 6) == 6)
        (void) ama_node_wait (node, &err);
    ama_node_destroy (&node, 1000);
    return 0;
}

/* ---- the scene of a test ---- */

typedef struct scene {
    driver_t driver;
    char folder[64], endpoint[96], log_of_kid[256];
    ama_child_t *kid;
    int kid_code, step;
    uint64_t posts, kill_at;
    int64_t since_ms;
    ama_timer_t *timer;
    void (*on_ready) (struct scene *scene); /* the kid said so */
    void (*on_kid_end) (struct scene *scene);
} scene_t;

static inline void kid_output (ama_child_t *child, int channel, const char *bytes, size_t size, void *arg)
{
    scene_t *scene = arg;

    (void) child;
    if (channel == 2 && size)
        (void) snprintf (scene->log_of_kid, sizeof scene->log_of_kid, "%.*s", (int) size, bytes);
    if (channel == 1 && size && scene->on_ready)
        scene->on_ready (scene);
}

static inline void kid_exit (ama_child_t *child, const ama_child_end_t *end, void *arg)
{
    scene_t *scene = arg;

    (void) child;
    scene->kid = NULL;
    scene->kid_code = end->code;
    if (scene->on_kid_end)
        scene->on_kid_end (scene);
}

static inline void start_kid (scene_t *scene, const char *mode, const char *a, const char *b, const char *c)
{
    const char *argv[] = { "/proc/self/exe", mode, scene->endpoint, a, b, c, NULL };
    ama_child_spec_t spec = { .argv = argv, .on_output = kid_output, .on_exit = kid_exit, .arg = scene };
    ama_err_t err = { 0 };

    scene->kid = ama_child_spawn (scene->driver.ctx, &spec, &err);
    if (!scene->kid)
        fail_msg ("%s", err.text);
}

static inline void open_scene (scene_t *scene)
{
    memset (scene, 0, sizeof *scene);
    (void) snprintf (scene->endpoint, sizeof scene->endpoint, "ipc://%s/hub",
                     temp_folder (scene->folder, sizeof scene->folder));
    scene->driver.arg = scene;
    scene->driver.role = AMA_ROLE_REPORTER;
    scene->driver.name = "reporter";
}

static inline ama_node_t *node_with_hub (scene_t *scene)
{
    const char *listen[] = { scene->endpoint, NULL };
    return new_node (&(ama_node_conf_t){ .listen = listen, .epoch = 1 });
}

static inline void run_scene (scene_t *scene, ama_node_t *node)
{
    assert_int_equal (drive (node, &scene->driver), 0);
    ama_timer_destroy (&scene->timer);
    ama_node_destroy (&node, 1000);
    remove_folder (scene->folder);
}

static inline void end_scene (scene_t *scene)
{
    ama_timer_destroy (&scene->timer);
    ama_exit (scene->driver.ctx, 0, NULL);
}

/* For main: true if this is the other process; *ret_code is then how it ended. */
static inline bool is_other_process (int argc, char **argv, int *ret_code)
{
    if (argc == 6 && strcmp (argv[1], "--peer") == 0)
        *ret_code = be_peer (argv[2], argv + 3);
    else if (argc == 4 && strcmp (argv[1], "--hub") == 0)
        *ret_code = be_hub (argv[2], argv[3]);
    else
        return false;
    return true;
}

#endif
