/* ama_pulse.h - does every loop of this process still turn? (internal to actors/runtime)
 *
 * The main thread asks each loop for a turn, and looks at the next check whether it came. A thread can not be killed, so a loop that hangs
 * can only be named; what follows from it (no food for the watchdog, hence a new process) is the caller's affair.
 */
#ifndef AMA_RUNTIME_PULSE_H
#define AMA_RUNTIME_PULSE_H

#include "actors/runtime/ama_loop.h"

#include <stddef.h>

#define AMA_HUNG_MS 10000

typedef struct ama_pulse ama_pulse_t;

/* hung_ms: a loop that has not turned for so long hangs. */
ama_pulse_t *ama_pulse_new (int64_t hung_ms);
/* loop is borrowed until it is removed. */
void ama_pulse_add (ama_pulse_t *pulse, const char *name, ama_loop_t *loop, int64_t now_ms);
void ama_pulse_remove (ama_pulse_t *pulse, const ama_loop_t *loop);
/* How often ama_pulse_check wants to be called. */
int64_t ama_pulse_every_ms (const ama_pulse_t *pulse);
/* NULL: all turn. Else the name of one that hangs, borrowed; the log names each, once, and says when it goes on. */
const char *ama_pulse_check (ama_pulse_t *pulse, int64_t now_ms);
void ama_pulse_destroy (ama_pulse_t **pulse);

#endif
