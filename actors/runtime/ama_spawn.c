/* ama_spawn.c - see ama_spawn.h; called by ama_child.c on the actor's thread
 *
 * What a thread gives up (privileges, access by Landlock) it has given up for good, and its children with it, while the threads beside it go
 * on as before. So one is made for each such child: some 40 µs, less than a program between us and the child would cost.
 */
#include "actors/runtime/ama_spawn.h"

#include <pthread.h>

#define STACK_BYTES (256u << 10)

typedef struct {
    const ama_spawn_t *spawn;
    pid_t pid;
    int rc;
} job_t;

static void *run (void *arg)
{
    job_t *job = arg;
    const ama_spawn_t *spawn = job->spawn;

    job->rc = spawn->enter ? spawn->enter (spawn->enter_arg) : 0;
    if (!job->rc)
        job->rc = posix_spawnp (&job->pid, spawn->argv[0], spawn->actions, spawn->attributes,
                                (char *const *) spawn->argv, spawn->env);
    return NULL;
}

int ama_spawn (const ama_spawn_t *spawn, pid_t *ret_pid)
{
    job_t job = { .spawn = spawn };
    pthread_attr_t attributes;
    pthread_t thread;
    int rc; /* of the thread; job.rc is the thread's own to write, maybe before pthread_create returns */

    if (!spawn->enter)
        (void) run (&job);
    else {
        (void) pthread_attr_init (&attributes);
        (void) pthread_attr_setstacksize (&attributes, STACK_BYTES);
        rc = pthread_create (&thread, &attributes, run, &job);
        (void) pthread_attr_destroy (&attributes);
        if (rc)
            return rc;
        (void) pthread_join (thread, NULL);
    }
    if (!job.rc)
        *ret_pid = job.pid;
    return job.rc;
}
