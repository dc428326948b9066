/* cast_part.h - what the stand-ins share among themselves (internal to cast*.c) */
#ifndef AMA_TESTS_SIM_CAST_PART_H
#define AMA_TESTS_SIM_CAST_PART_H

#include "tests/sim/cast.h"

#include "messages/attempt.h"

typedef struct {
    ama_ctx_t *ctx;
    cast_world_t *world;
    ama_timer_t *timer, *hello;
    uint64_t busy[CAST_RUNS]; /* client: its open ask, per run */
} cast_part_t;

int cast_part_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err);
void cast_part_done (void *state);
bool cast_chance (cast_world_t *world, unsigned percent); /* never once the world is calm */

/* cast_guard.c */
void cast_agent_in_touch (cast_agent_t *agent, bool yes);
bool cast_lease_is_over (const cast_agent_t *agent, int64_t lease_ms); /* the guard has ended what had that lease */
void cast_check_start (cast_world_t *world, const ama_attempt_start_t *start);

/* Does the job of a snapshot say on-lost: rerun? */
bool cast_repo_reruns (const char *snapshot);

/* A definition whose state is a cast_part_t; the rest are its handlers. */
#define CAST_PART(def_name, logical, granted, ...)                                                                     \
    static const ama_handler_t def_name##_handlers[] = { __VA_ARGS__, AMA_HANDLER_END };                               \
    const ama_actor_def_t def_name = {                                                                                 \
        .name = logical,                                                                                               \
        .role = granted,                                                                                               \
        .state_size = sizeof (cast_part_t),                                                                            \
        .init = cast_part_init,                                                                                        \
        .done = cast_part_done,                                                                                        \
        .handlers = def_name##_handlers,                                                                               \
    }

#endif
