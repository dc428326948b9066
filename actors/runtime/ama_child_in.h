/* ama_child_in.h - the inside of a child, shared by ama_child.c and the simulator's stand-in (internal to actors/runtime) */
#ifndef AMA_RUNTIME_CHILD_IN_H
#define AMA_RUNTIME_CHILD_IN_H

#include "actors/runtime/ama_child.h"
#include "actors/runtime/ama_ctx.h"

#define AMA_CHILD_EXTRA_MAX 4
#define AMA_CHILD_CHANNELS  (2 + AMA_CHILD_EXTRA_MAX) /* stdout, stderr, 3 … 6 */

typedef struct ama_stand_in ama_stand_in_t;

typedef struct {
    ama_child_t *child;
    int number; /* 1, 2, 3 … */
    int fd;     /* -1: closed */
    ama_watch_t *watch;
} ama_child_channel_t;

struct ama_child {
    ama_child_t *next; /* of ctx->children */
    ama_ctx_t *ctx;
    ama_child_spec_t spec; /* the strings in it are not kept */
    pid_t pid;
    int pidfd;
    ama_stand_in_t *stand_in; /* in the simulator, instead of a process */
    ama_watch_t *exit_watch;
    ama_child_channel_t channels[AMA_CHILD_CHANNELS];
    int input_fd;
    ama_watch_t *input_watch;
    ama_str_t input;
    ama_timer_t timeout, grace, cut;
    int64_t started_us;
    ama_child_end_t end;
    bool paused, killing, exited, cut_once, done;
    int busy; /* callbacks under way */
};

/* It said something; false: the child is gone. */
bool ama_child_deliver (ama_child_t *child, int channel, const char *bytes, size_t size);
/* It ended; code -1 if a signal did that. The child may be gone afterwards. */
void ama_child_ended (ama_child_t *child, int code, int signal);

/* ---- ama_sim_child.c ---- */

/* Starts what the simulation has in place of the program. AMA_E_UNSUPPORTED: nothing. */
int ama_stand_in_new (ama_child_t *child, ama_err_t *err);
void ama_stand_in_destroy (ama_stand_in_t **stand_in);
int ama_stand_in_hear (ama_stand_in_t *stand_in, const void *bytes, size_t size);
void ama_stand_in_kill (ama_stand_in_t *stand_in, int signal);

#endif
