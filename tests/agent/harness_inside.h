/* harness_inside.h - what harness.c and harness_look.c share */
#ifndef AMA_TESTS_AGENT_HARNESS_INSIDE_H
#define AMA_TESTS_AGENT_HARNESS_INSIDE_H

#include "tests/agent/harness.h"

#include "actors/runtime/ama_node.h"

#include <pthread.h>

typedef struct heard {
    ama_id_t id;
    ama_attempt_status_t *end;
    unsigned told[16];                            /* by state */
    ama_attempt_session_status_t **told_sessions; /* every status; earlier ones may be in use */
    size_t n_sessions;
    ama_attempt_session_status_t *session; /* the last of them */
    ama_report_event_t **events;           /* by number, from 1; NULL: not here yet */
    size_t n_events;
    struct heard *next;
} heard_t;

typedef struct order {
    uint16_t type;
    void *body;
    struct order *next;
} order_t;

struct harness {
    harness_conf_t conf;
    char dir[64], repo[80], endpoint[96], agent_name[32];
    ama_node_t *node;
    uint64_t epoch;
    pid_t agent_pid;
    pthread_mutex_t lock;
    pthread_cond_t news;
    int wake; /* eventfd: orders for the supervisor */
    order_t *orders;
    heard_t *heard;
    bool deaf, mute, supervisor_mute;
    unsigned hellos;
    size_t last_held;
};

/* With the lock held. Never NULL. */
heard_t *harness_heard_of (harness_t *harness, ama_id_t id);

#endif
