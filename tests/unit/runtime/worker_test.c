/* worker_test.c - jobs on a worker's thread: order, threads, the end with work left */
#include "tests/unit/runtime/rt_test.h"

#include "actors/runtime/ama_worker.h"

#include <pthread.h>
#include <stdatomic.h>

enum { JOBS = 1000 };

typedef struct scene scene_t;

typedef struct {
    scene_t *scene;
    int number;
} job_t;

struct scene {
    driver_t driver;
    ama_worker_t *worker;
    pthread_t actor, other;
    atomic_int worked;
    int completed;
    job_t jobs[JOBS];
};

static void work (void *arg)
{
    job_t *job = arg;

    job->scene->other = pthread_self ();
    assert_int_equal (atomic_fetch_add (&job->scene->worked, 1), job->number);
}

static void completed (void *arg)
{
    job_t *job = arg;
    scene_t *scene = job->scene;

    assert_true (pthread_equal (pthread_self (), scene->actor));
    assert_int_equal (scene->completed++, job->number);
    if (scene->completed == JOBS) {
        assert_int_equal (ama_worker_pending (scene->worker), 0);
        ama_worker_destroy (&scene->worker);
        ama_exit (scene->driver.ctx, 0, NULL);
    }
}

static void begin (driver_t *driver)
{
    scene_t *scene = driver->arg;

    scene->actor = pthread_self ();
    scene->worker = ama_worker_new (driver->ctx, "journal");
    for (int i = 0; i < JOBS; i++) {
        scene->jobs[i] = (job_t){ scene, i };
        ama_worker_submit (scene->worker, work, completed, &scene->jobs[i]);
    }
    assert_int_equal (ama_worker_pending (scene->worker), JOBS); /* no completion from inside submit */
}

static void test_order (void **state)
{
    ama_node_t *node = new_node (&(ama_node_conf_t){ 0 });
    scene_t *scene = ama_calloc (1, sizeof *scene);

    (void) state;
    scene->driver = (driver_t){ .begin = begin, .arg = scene };
    assert_int_equal (drive (node, &scene->driver), 0);
    assert_int_equal (scene->completed, JOBS);
    assert_false (pthread_equal (scene->actor, scene->other));
    free (scene);
    ama_node_destroy (&node, 1000);
}

/* ---- destroyed with jobs waiting ---- */

static void work_slowly (void *arg)
{
    (void) usleep (2000);
    work (arg);
}

static void count_only (void *arg)
{
    ((job_t *) arg)->scene->completed++;
}

static void begin_and_end (driver_t *driver)
{
    scene_t *scene = driver->arg;

    scene->worker = ama_worker_new (driver->ctx, "journal");
    for (int i = 0; i < 20; i++) {
        scene->jobs[i] = (job_t){ scene, i };
        ama_worker_submit (scene->worker, work_slowly, count_only, &scene->jobs[i]);
    }
    ama_worker_destroy (&scene->worker);
    assert_int_equal (atomic_load (&scene->worked), 20);
    assert_int_equal (scene->completed, 20);
    ama_exit (driver->ctx, 0, NULL);
}

static void test_destroy_waits (void **state)
{
    ama_node_t *node = new_node (&(ama_node_conf_t){ 0 });
    scene_t *scene = ama_calloc (1, sizeof *scene);

    (void) state;
    scene->driver = (driver_t){ .begin = begin_and_end, .arg = scene };
    assert_int_equal (drive (node, &scene->driver), 0);
    free (scene);
    ama_node_destroy (&node, 1000);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_order),
        cmocka_unit_test (test_destroy_waits),
    };
    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
