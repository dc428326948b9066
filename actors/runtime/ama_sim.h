/* ama_sim.h - the runtime's in-memory twin: all actors on one thread, a virtual clock, faults from a seed
 *
 * Actors see the same ama_actor.h. One seed gives one trace, byte for byte. Descriptors and raw sockets are not available
 * (AMA_E_UNSUPPORTED), and in place of child processes there is what the simulation makes of them; actors that need more are stand-ins.
 */
#ifndef AMA_RUNTIME_SIM_H
#define AMA_RUNTIME_SIM_H

#include "actors/runtime/ama_actor.h"

typedef struct ama_sim ama_sim_t;
typedef struct ama_child ama_child_t;

typedef struct {
    uint64_t seed;
    double loss; /* probability that a message is lost, 0..1; likewise duplicate */
    double duplicate;
    int64_t delay_ms; /* every message takes 0..delay_ms; order between one pair of actors is kept unless reorder */
    bool reorder;
    int64_t work_ms; /* a job of a worker, as a commit, takes 1..work_ms; 0 as 1 */
    /* What a child of an actor would do: called at its start, with the input that it gets then, and for whatever is written to it later; answers
     * with ama_sim_child_say and ama_sim_child_exit. 0, or AMA_E_UNSUPPORTED: there is no such program. NULL: there are none. */
    int (*program) (ama_child_t *child, const char *actor, const void *input, size_t size, void *arg);
    void (*trace) (const char *line, void *arg); /* one line per delivery, may be NULL */
    void *arg;
} ama_sim_conf_t;

ama_sim_t *ama_sim_new (const ama_sim_conf_t *conf);
int ama_sim_start (ama_sim_t *sim, const ama_actor_def_t *def, const char *name, const void *config, ama_err_t *err);
/* As kill -9: state is dropped without stop; peers are told after detect_ms. Start it again with ama_sim_start. */
void ama_sim_crash (ama_sim_t *sim, const char *name, int64_t detect_ms);
/* It lives, and is cut off from all others: what is said to it and by it waits. hub_ms, own_ms: after which the hub and it find out, if that lasts so long; others are told
 * that it is gone, and it that it is parted. Once it is back, what waited arrives, or, if either has found out, is lost, and it joins anew. */
void ama_sim_cut_off (ama_sim_t *sim, const char *name, int64_t hub_ms, int64_t own_ms);
void ama_sim_reconnect (ama_sim_t *sim, const char *name);
/* What an actor has said since a moment (ama_sim_said) and nobody has heard yet is not said: it was dead by then. */
uint64_t ama_sim_said (const ama_sim_t *sim);
void ama_sim_unsay (ama_sim_t *sim, const char *name, uint64_t since);
void ama_sim_set_faults (ama_sim_t *sim, double loss, double duplicate); /* e.g. 0, 0 to let it settle */
/* Runs until nothing is to be done before until_ms of virtual time, or steps callbacks were made; returns the steps made. */
uint64_t ama_sim_run (ama_sim_t *sim, int64_t until_ms, uint64_t steps);
int64_t ama_sim_now_ms (const ama_sim_t *sim);
uint64_t ama_sim_delivered (const ama_sim_t *sim);      /* messages that reached an actor */
uint64_t ama_sim_random (ama_sim_t *sim);               /* the seed's stream, for the test's own choices */
void *ama_sim_state (ama_sim_t *sim, const char *name); /* of a live actor, or NULL */
/* After the actor's current turn, and not before what was said earlier. size 0: the channel's end. */
void ama_sim_child_say (ama_child_t *child, int64_t after_ms, int channel, const void *bytes, size_t size);
void ama_sim_child_exit (ama_child_t *child, int64_t after_ms, int code, int signal); /* code -1 if a signal ended it */
void ama_sim_destroy (ama_sim_t **sim);

#endif
