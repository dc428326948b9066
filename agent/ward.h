/* ward.h - a program under a guard of its own, which outlives the agent
 *
 * ama-ward (ama_ward.c) starts the program, holds its pipes and knows its end; here is the agent's side. Wards are made ahead, and used again, so a
 * start costs a message. What is read is on the attempt's tape (tape.h) before it is given to anybody. All on the agent's thread.
 */
#ifndef AMA_AGENT_WARD_H
#define AMA_AGENT_WARD_H

#include "actors/runtime/ama_actor.h"
#include "actors/runtime/ama_child.h"
#include "agent/sandbox.h"
#include "agent/tape.h"

typedef struct ama_wards ama_wards_t;
typedef struct ama_ward ama_ward_t;

typedef struct {
    const char *program; /* ama-ward; borrowed */
    const char *confine; /* what it gives up: ama_sandbox_word */
    uint64_t tape_bytes; /* of one tape */
    bool outlive;        /* the agent's death ends no child before its lease does */
} ama_wards_conf_t;

/* folder: made if absent, for sockets and tapes. NULL and err: AMA_E_IO. */
ama_wards_t *ama_wards_new (ama_ctx_t *ctx, const char *folder, const ama_wards_conf_t *conf, ama_err_t *err);
/* Children that still run end, unless the conf says that they outlive the agent and they hold a lease. */
void ama_wards_destroy (ama_wards_t **wards);
/* Is somebody there who may extend leases? While not, they run out. */
void ama_wards_in_touch (ama_wards_t *wards, bool yes);

typedef struct {
    const char *const *argv; /* argv[0] is a path; NULL-terminated, like env */
    const char *const *env;
    const char *cwd;
    int pass;          /* what its descriptor 5 is; borrowed; -1: nothing */
    const void *input; /* what its stdin begins with: at most what a pipe takes (1 MiB). NULL: nothing */
    size_t input_size;
    bool gated;       /* its stdin then waits for ama_ward_let_go, and input is 4 KiB at most; else that is all */
    int64_t grace_ms; /* between SIGTERM and SIGKILL */
    ama_confine_handed_t confine; /* its descriptors are borrowed until on_started */
} ama_ward_spec_t;

/* As in ama_child.h, of the channels 1 to 4. Output is not read before ama_ward_listen. on_exit follows if it does not start. */
typedef struct {
    void (*on_started) (void *arg); /* may be NULL */
    void (*on_output) (int channel, const char *bytes, size_t size, void *arg);
    /* trouble: an errno, it could not be started; -1, its guard died, and it with it. lease_over: nobody extended its lease. The ward stays until ama_ward_release. */
    void (*on_exit) (const ama_child_end_t *end, int trouble, bool lease_over, void *arg);
    bool off_tape; /* what it writes is not recorded: the next agent has what comes to it alone */
    void *arg;
} ama_ward_port_t;

/* NULL and err: AMA_E_IO, AMA_E_CHILD. */
ama_ward_t *ama_ward_start (ama_wards_t *wards, const ama_ward_spec_t *spec, const ama_ward_port_t *port,
                            ama_err_t *err);
/* What comes out of it is read from now on. */
void ama_ward_listen (ama_ward_t *ward);
/* It may live for lease_ms after the last sign that somebody cares; -1: without end. Before this it ends with the agent. */
void ama_ward_lease (ama_ward_t *ward, int64_t lease_ms, bool now); /* now: this is such a sign */
/* Its lease is over, as far as is known here: its guard ends it about now. */
bool ama_ward_expired (const ama_ward_t *ward);
/* The end of the stdin of one that is gated, called once. 0, or AMA_E_LIMIT: more than a pipe takes. */
int ama_ward_let_go (ama_ward_t *ward, const char *bytes, size_t size, ama_err_t *err);
void ama_ward_kill (ama_ward_t *ward, bool force);
/* To it and what it has started, as a terminal does. It goes on unless it does not want to. */
void ama_ward_interrupt (ama_ward_t *ward);
void ama_ward_pause (ama_ward_t *ward, bool pause);
/* Ends what is left of it when it has ended; done is called then, or after two seconds of trying, or at once. False: its guard is gone, nobody knows. */
bool ama_ward_clear (ama_ward_t *ward, void (*done) (bool ok, void *arg), void *arg);
/* Its end is written down elsewhere: the tape is emptied. A child that still runs is killed. */
void ama_ward_release (ama_ward_t **ward);

/* What comes from now on, and what came, is kept in memory alone, which the ward holds: a secret may be in it. The file keeps what is the attempt's. */
void ama_ward_veil (ama_ward_t *ward);
ama_tape_t *ama_ward_tape (ama_ward_t *ward);

/* ---- those of an earlier agent ---- */

/* Calls found for each whose tape is not empty; the port of those it wants is set with ama_ward_adopt, the others end. */
void ama_wards_look (ama_wards_t *wards, void (*found) (ama_ward_t *ward, void *arg), void *arg);
/* on_ready: it is known how things stand, and ama_ward_listen may be called; alive: the child runs, or has ended and its guard knows how. Not alive: the guard is
 * gone and so is the child; on_exit will not come. */
void ama_ward_adopt (ama_ward_t *ward, const ama_ward_port_t *port, int64_t grace_ms,
                     void (*on_ready) (bool alive, void *arg), void *arg);
/* What its tape lacks of the last output is still in a pipe, and is put on it. 0, or -1: it is not there. */
int ama_ward_complete (ama_ward_t *ward);
/* Its end was on the tape: on_exit will not come. */
void ama_ward_over (ama_ward_t *ward);

#endif
