/* ward_in.h - the inside of wards, shared by ward.c and ward_pool.c and by nobody else */
#ifndef AMA_AGENT_WARD_IN_H
#define AMA_AGENT_WARD_IN_H

#include "agent/ward.h"
#include "agent/ward_wire.h"

enum {
    SPARE = 2,
    SPARE_MOST = 4,
    REFILL_MS = 5,
    RENEW_MOST_MS = 10000,
    CUT_MS = 250,
    CLEAR_MS = 250, /* a machine that was frozen in between has lost one of these, not all */
    CLEAR_TRIES = 8,
    DRAIN_READS = 16,
    READ_BYTES = 64 << 10,
    PIPE_ROOM = 64 << 10, /* that a pipe has unasked */
    PIPE_HELD = 8 << 10,  /* of what a gated program finds at first */
    LAST_WAIT_MS = 1000
};

typedef struct {
    ama_ward_t *ward;
    int number, fd;
    ama_watch_t *watch;
} channel_t;

struct ama_ward {
    ama_wards_t *wards;
    char name[32];
    int conn, pidfd; /* -1: gone; not our child */
    pid_t process;   /* of the ward, 0: not our child */
    ama_watch_t *watch, *death;
    ama_tape_t *tape;
    bool busy;    /* not in the pool */
    bool adopted; /* of an earlier agent: what it has lives on, whether or not it was heard of here yet */
    bool leaving, listening, paused, killing, exited, empty, over, lease_over;
    ama_ward_port_t port;
    pid_t pid;
    uint64_t start_time; /* of pid */
    channel_t channels[AMA_WARD_PIPES];
    int input;
    int64_t lease_ms, extended_ms, grace_ms; /* extended: when it was last sent, ama_now_ms */
    ama_child_end_t end;
    int trouble;
    ama_timer_t *cut, *grace, *clearing;
    unsigned clear_tries;
    void (*cleared) (bool ok, void *arg);
    void *cleared_arg;
    void (*on_ready) (bool alive, void *arg);
    void *ready_arg;
    ama_ward_t *prev, *next;
};

struct ama_wards {
    ama_ctx_t *ctx;
    ama_wards_conf_t conf;
    char *path; /* of the folder; shown in the list of processes */
    int folder;
    ama_ward_t *all;
    unsigned idle;
    uint64_t serial;
    char word[9]; /* tells the names of this agent's from those of others */
    bool in_touch;
    ama_timer_t *refill, *renew;
};

void ward_close_fd (int *fd);
void ward_tell (ama_ward_t *ward, ama_ward_kind_t kind, int64_t value);
void ward_file_name (const ama_ward_t *ward, const char *suffix, char *buf, size_t size);
void ward_disconnect (ama_ward_t *ward);
void ward_free (ama_ward_t *ward, bool keep_files);
/* Gone as soon as its process is reaped. */
void ward_leave (ama_ward_t *ward);
void ward_on_conn (int fd, short revents, void *arg);
void ward_on_process_end (int fd, short revents, void *arg);
void ward_on_cut (void *arg);
void ward_on_grace (void *arg);
void ward_on_clear_time (void *arg);
void ward_tape_child (ama_ward_t *ward);
/* One that serves nobody, made if there is none; it is busy now. NULL and err. */
ama_ward_t *ward_take_idle (ama_wards_t *wards, ama_err_t *err);
/* Its connection and its child are sent the lease. */
void ward_extend (ama_ward_t *ward);

#endif
