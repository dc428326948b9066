/* ama_spawn.h - posix_spawn from a thread that may first do something to itself (internal to the runtime) */
#ifndef AMA_RUNTIME_SPAWN_H
#define AMA_RUNTIME_SPAWN_H

#include <spawn.h>
#include <sys/types.h>

typedef struct {
    const char *const *argv; /* argv[0] is looked up in PATH unless it has a slash */
    char *const *env;
    const posix_spawn_file_actions_t *actions;
    const posix_spawnattr_t *attributes;
    int (*enter) (void *arg); /* see ama_child_spec_t; NULL: the calling thread starts the child */
    void *enter_arg;
} ama_spawn_t;

/* 0, or an errno. */
int ama_spawn (const ama_spawn_t *spawn, pid_t *ret_pid);

#endif
