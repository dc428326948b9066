/* shell_order.h - puts what a script writes between its commands, though each comes through a pipe of its own
 *
 * bash writes a record before it runs a command, so all that was written before the record is in the pipes when the record is read. What a
 * command writes at once is there by then, too: the owner reads until nothing more comes, and the records are looked at one by one. For each,
 * what is known is used, in this order:
 *  - echo, and printf with a simple format: the words of the record say what it writes. They are compared, never shown.
 *  - a complaint of bash itself begins with the file and line of the command.
 *  - what was read later than the only record there is was written after it.
 *  - another builtin that prints (pwd): after its record. Everything else, such as a program, takes longer than a turn of the loop before it
 *    writes: what is there was written before the record.
 * So what programs wrote may stand with a neighbouring statement if the owner was held up while several ran; what background jobs write stands
 * where it happens to come. No byte is lost, and each stream keeps its order.
 *
 * Pure. Time is linear in what comes, memory is what was read since the last ama_shell_order_settle.
 */
#ifndef AMA_AGENT_SHELL_ORDER_H
#define AMA_AGENT_SHELL_ORDER_H

#include "agent/runners/shell/shell_trace.h"

typedef struct ama_shell_order ama_shell_order_t;

/* channel: 1 or 2. Not called with nothing. */
typedef void (ama_shell_output_fn) (int channel, const char *bytes, size_t size, void *arg);

ama_shell_order_t *ama_shell_order_new (ama_shell_step_fn *step, ama_shell_output_fn *output, void *arg);
void ama_shell_order_destroy (ama_shell_order_t **order);

/* ---- what was read ---- */

void ama_shell_order_output (ama_shell_order_t *order, int channel, const char *bytes, size_t size);
/* The end of a turn. No record came in it: what was read before it goes out, for it was written before any record that will come. */
void ama_shell_order_pass (ama_shell_order_t *order);
/* The end of a turn with the first records since the last settle, which are given later: output that is read from now on was written after the first. */
void ama_shell_order_mark (ama_shell_order_t *order);
/* A record, given when all output is that was read with it or before; the steps that follow belong to it. plain: nothing sends what it writes
 * elsewhere, as far as its source tells. */
void ama_shell_order_command (ama_shell_order_t *order, const ama_shell_command_t *command, bool plain);
void ama_shell_order_step (ama_shell_order_t *order, size_t index, bool begun);

/* Everything that was written before the last record has been given: all of it goes out. */
void ama_shell_order_settle (ama_shell_order_t *order);

#endif
