/* ama_tree.h - what follows when an actor of a process ends: nothing, another start after a while, or the end of the process
 *
 * One level, one for one: actors know each other by messages only, so none has to be started again because another was. Pure: time and
 * chance come from the caller. Main thread.
 */
#ifndef AMA_RUNTIME_TREE_H
#define AMA_RUNTIME_TREE_H

#include <stdint.h>

typedef enum {
    AMA_ESSENTIAL, /* not started again; its error is the end of the process */
    AMA_PERMANENT, /* started again however it ended */
    AMA_TRANSIENT, /* started again if it ended with an error */
    AMA_TEMPORARY, /* never started again, and nobody minds */
} ama_restart_t;

typedef enum { AMA_TREE_LEAVE, AMA_TREE_RESTART, AMA_TREE_ESCALATE } ama_tree_verdict_t;

enum { AMA_TREE_INTENSITY = 3, AMA_TREE_PERIOD_MS = 60000, AMA_TREE_DELAY_MS = 500, AMA_TREE_DELAY_MAX_MS = 30000 };

/* Zero is a tree whose actors have not ended yet. */
typedef struct {
    int64_t restarts_ms[AMA_TREE_INTENSITY]; /* the latest, of all actors together */
    unsigned count;
} ama_tree_t;

/* code: negative for an error. One restart more than AMA_TREE_INTENSITY within AMA_TREE_PERIOD_MS escalates. *ret_at_ms: when to start it again,
 * after a delay that is a random part (random: any number) of one that doubles with each restart in the period. */
ama_tree_verdict_t ama_tree_ended (ama_tree_t *tree, ama_restart_t restart, int code, int64_t now_ms, uint32_t random,
                                   int64_t *ret_at_ms);

#endif
