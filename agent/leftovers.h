/* leftovers.h - processes that a finished attempt left behind
 *
 * Orphans of what the agent starts become children of the agent's own process (PR_SET_CHILD_SUBREAPER), where they can be counted without
 * looking through all processes: when an attempt ends and there are none, that costs one read. Those that carry the mark of the attempt (or
 * session) are killed, and their descendants with them as these become orphans in turn.
 */
#ifndef AMA_AGENT_LEFTOVERS_H
#define AMA_AGENT_LEFTOVERS_H

#include "actors/runtime/ama_actor.h"

#include <sys/types.h>

#define AMA_MARK "AMA_OWNER" /* variable that marks a process: the id of its attempt or session */

typedef struct ama_leftovers ama_leftovers_t;

/* own_process: unmarked orphans are the agent's as well, once nothing runs that could own them. token: value of AMA_GUARD. */
ama_leftovers_t *ama_leftovers_new (ama_ctx_t *ctx, bool own_process, const char *token);
void ama_leftovers_destroy (ama_leftovers_t **leftovers);

/* Children of the agent that are no leftovers. */
void ama_leftovers_know (ama_leftovers_t *leftovers, pid_t pid);
void ama_leftovers_forget (ama_leftovers_t *leftovers, pid_t pid);

/* Kills what is left. done is called when nothing is (at once, from inside, if there was nothing), or after two seconds of trying; ok tells
 * which. */
typedef void (ama_leftovers_fn) (bool ok, void *arg);
typedef struct {
    pid_t group;   /* its leader has ended; 0: none */
    ama_id_t mark; /* value of AMA_OWNER */
    const char *
        folder; /* an orphan that works there belongs to it, marked or not; NULL: none. Borrowed until done is called. */
    bool last;  /* no other attempt or session is open */
} ama_leftovers_of_t;
void ama_leftovers_clear (ama_leftovers_t *leftovers, const ama_leftovers_of_t *of, ama_leftovers_fn *done, void *arg);

/* Kills everything that carries this mark, wherever it is: of an attempt whose guard died while no agent was there. */
void ama_leftovers_hunt (ama_id_t mark);

#endif
