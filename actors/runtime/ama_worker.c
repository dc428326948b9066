/* ama_worker.c - a thread for what blocks: jobs go over in order, and come back in order
 *
 * Everything is called on the actor's thread but `serve`. Shared between the two are the lists under the mutex; the loop is woken
 * through an eventfd. In the simulator there is no thread: each job runs on a turn of its own, some virtual time after the last.
 */
#include "actors/runtime/ama_worker.h"

#include "actors/runtime/ama_ctx.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

typedef struct task {
    struct task *prev, *next;
    void (*work) (void *job);
    void (*completed) (void *job);
    void *job;
} task_t;

struct ama_worker {
    ama_ctx_t *ctx;
    size_t pending;
    ama_watch_t *watch;
    ama_timer_t *virtual_turn; /* only in the simulator */
    int wake;                  /* eventfd, readable when something is in finished */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t more;
    task_t *waiting, *finished; /* under the mutex */
    bool ending;                /* under the mutex */
};

static void *serve (void *arg)
{
    ama_worker_t *worker = arg;
    uint64_t one = 1;

    (void) pthread_mutex_lock (&worker->mutex);
    while (worker->waiting || !worker->ending) {
        task_t *task = worker->waiting;
        if (!task) {
            (void) pthread_cond_wait (&worker->more, &worker->mutex);
            continue;
        }
        DL_DELETE (worker->waiting, task);
        (void) pthread_mutex_unlock (&worker->mutex);
        task->work (task->job);
        (void) pthread_mutex_lock (&worker->mutex);
        DL_APPEND (worker->finished, task);
        if (write (worker->wake, &one, sizeof one) < 0) {
            /* the loop knows already */
        }
    }
    (void) pthread_mutex_unlock (&worker->mutex);
    return NULL;
}

static void complete (ama_worker_t *worker, task_t *tasks)
{
    task_t *task, *next;

    DL_FOREACH_SAFE (tasks, task, next)
    {
        worker->pending--;
        if (task->completed)
            task->completed (task->job);
        free (task);
    }
}

static void on_finished (int fd, short revents, void *arg)
{
    ama_worker_t *worker = arg;
    uint64_t count;
    task_t *tasks;

    (void) revents;
    if (read (fd, &count, sizeof count) < 0)
        return;
    (void) pthread_mutex_lock (&worker->mutex);
    tasks = worker->finished;
    worker->finished = NULL;
    (void) pthread_mutex_unlock (&worker->mutex);
    complete (worker, tasks);
}

static void next_turn (ama_worker_t *worker)
{
    ama_timer_after (worker->virtual_turn, worker->ctx->ops->work_ms (worker->ctx->port));
}

static void run_virtual (void *arg)
{
    ama_worker_t *worker = arg;
    task_t *task = worker->waiting;

    DL_DELETE (worker->waiting, task);
    if (worker->waiting)
        next_turn (worker);
    task->work (task->job);
    task->prev = task; /* a list of one */
    task->next = NULL;
    complete (worker, task);
}

ama_worker_t *ama_worker_new (ama_ctx_t *ctx, const char *name)
{
    ama_worker_t *worker = ama_calloc (1, sizeof *worker);

    worker->ctx = ctx;
    worker->wake = -1;
    if (ama_loop_is_virtual (ctx->loop)) {
        worker->virtual_turn = ama_timer_new (ctx, run_virtual, worker);
        return worker;
    }
    worker->wake = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
    (void) pthread_mutex_init (&worker->mutex, NULL);
    (void) pthread_cond_init (&worker->more, NULL);
    /* a process that can not have one more thread at its start is of no use */
    BUG_ON (worker->wake < 0 || pthread_create (&worker->thread, NULL, serve, worker) != 0);
    (void) pthread_setname_np (worker->thread, name);
    worker->watch = ama_watch_new (ctx, worker->wake, POLLIN, on_finished, worker);
    return worker;
}

void ama_worker_submit (ama_worker_t *worker, void (*work) (void *job), void (*completed) (void *job), void *job)
{
    task_t *task = ama_malloc (sizeof *task);

    *task = (task_t){ .work = work, .completed = completed, .job = job };
    worker->pending++;
    if (worker->virtual_turn) {
        if (!worker->waiting)
            next_turn (worker);
        DL_APPEND (worker->waiting, task);
        return;
    }
    (void) pthread_mutex_lock (&worker->mutex);
    DL_APPEND (worker->waiting, task);
    (void) pthread_cond_signal (&worker->more);
    (void) pthread_mutex_unlock (&worker->mutex);
}

size_t ama_worker_pending (const ama_worker_t *worker)
{
    return worker->pending;
}

static void end_virtual (ama_worker_t *worker)
{
    ama_timer_destroy (&worker->virtual_turn);
    while (worker->waiting) {
        task_t *task = worker->waiting;
        DL_DELETE (worker->waiting, task);
        if (!worker->ctx->killed) {
            task->work (task->job);
            if (task->completed)
                task->completed (task->job);
        }
        free (task);
    }
}

static void end_thread (ama_worker_t *worker)
{
    (void) pthread_mutex_lock (&worker->mutex);
    worker->ending = true;
    (void) pthread_cond_signal (&worker->more);
    (void) pthread_mutex_unlock (&worker->mutex);
    (void) pthread_join (worker->thread, NULL);
    ama_watch_destroy (&worker->watch);
    complete (worker, worker->finished);
    (void) close (worker->wake);
    (void) pthread_mutex_destroy (&worker->mutex);
    (void) pthread_cond_destroy (&worker->more);
}

void ama_worker_destroy (ama_worker_t **worker_p)
{
    ama_worker_t *worker = *worker_p;

    if (!worker)
        return;
    *worker_p = NULL;
    if (worker->virtual_turn)
        end_virtual (worker);
    else
        end_thread (worker);
    free (worker);
}
