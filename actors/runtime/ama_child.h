/* ama_child.h - child processes: spawn, pipes, limits, the kill ladder
 *
 * posix_spawn with a process group (or session) of its own, default signals, no inherited descriptor but those named; exit is seen
 * through a pidfd in the loop. Output is delivered as bytes; a reader that can not keep up pauses it, and the child blocks on its pipe.
 */
#ifndef AMA_RUNTIME_CHILD_H
#define AMA_RUNTIME_CHILD_H

#include "actors/runtime/ama_actor.h"

#include <sys/types.h>

typedef struct ama_child ama_child_t;

typedef struct {
    int code;   /* exit code, -1 if a signal ended it */
    int signal; /* 0 if it exited */
    int64_t ms; /* from spawn to exit */
    long max_rss_kb;
    bool timed_out; /* timeout_ms passed before it ended */
} ama_child_end_t;

typedef struct {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH unless it has a slash */
    const char *const *env;  /* NULL-terminated NAME=value; NULL: the parent's own */
    const char *cwd;         /* NULL: the parent's */
    const void *input;       /* written to stdin, then closed; NULL: stdin is /dev/null */
    size_t input_size;
    bool keep_input; /* stdin stays open for ama_child_write / ama_child_close_input */
    int extra_fds; /* 0..4: read pipes of the child's descriptors 3, 4, …: delivered like stdout, as `channel` 3, … */
    bool stderr_to_stdout;
    const char *stdout_file; /* append to this file instead of delivering; likewise stderr_file */
    const char *stderr_file;
    int64_t timeout_ms;    /* kill ladder after this; 0: none */
    int64_t grace_ms;      /* between SIGTERM and SIGKILL; 0: 2000 */
    uint64_t memory_limit; /* RLIMIT_AS in bytes, 0: none */
    /* Runs on a thread that then starts the child and ends: what it does to itself the child inherits. 0, or an errno: no child. NULL: nothing. */
    int (*enter) (void *arg);
    void *enter_arg;
    /* bytes of channel 1 (stdout), 2 (stderr), 3…; size 0: end of that channel. Borrowed. May be NULL. */
    void (*on_output) (ama_child_t *child, int channel, const char *bytes, size_t size, void *arg);
    /* It ended and every channel was read to its end or was cut 250 ms after the exit (a grandchild holds it). The child is
     * destroyed after the call; until then its group can still be signalled, to end what it has left behind. */
    void (*on_exit) (ama_child_t *child, const ama_child_end_t *end, void *arg);
    void *arg;
} ama_child_spec_t;

/* NULL and err (AMA_E_NOT_FOUND: no such program or cwd; AMA_E_IO) if it could not be started; no callback then. */
ama_child_t *ama_child_spawn (ama_ctx_t *ctx, const ama_child_spec_t *spec, ama_err_t *err);
pid_t ama_child_pid (const ama_child_t *child);
int ama_child_write (ama_child_t *child, const void *bytes, size_t size); /* queued; AMA_E_BUSY above 1 MiB */
void ama_child_close_input (ama_child_t *child);
void ama_child_pause (ama_child_t *child, bool pause); /* stops reading its output */
/* SIGTERM to the group, SIGKILL after the grace (at once if force). on_exit follows. */
void ama_child_kill (ama_child_t *child, bool force);
void ama_child_signal (ama_child_t *child, int signal); /* to the group */
/* Forgets it without killing: no callback will come. For children that outlive their actor. */
void ama_child_release (ama_child_t **child);

#endif
