/* shell_trace.h - what bash's xtrace tells about where a script is
 *
 * The prelude (shell_prelude.h) makes bash write one record per simple command to a private descriptor:
 *     +⟨GS⟩TOKEN LINE TOP|SOURCE⟨GS⟩ the expanded words
 * with one `+` per level of eval, source and command substitution; LINE of the innermost command in SOURCE; TOP the line of the script
 * from which the outermost function or file was entered, empty outside of both. ⟨GS⟩ is the byte 0x1d. The expanded words are not used:
 * they may hold secrets and newlines; only who asks for ama_shell_command_t sees them, up to the first newline.
 *
 * Top-level commands run once and in order. So a record moves the position only forward, and what it jumps over (definitions, background
 * jobs, loops without a turn) has been passed. Records of background jobs and traps, which come late, move nothing.
 *
 * Pure.
 */
#ifndef AMA_AGENT_SHELL_TRACE_H
#define AMA_AGENT_SHELL_TRACE_H

#include "agent/runners/shell/shell_split.h"

#include <stdbool.h>

typedef struct ama_shell_trace ama_shell_trace_t;

/* begun: statement `index` begins now; otherwise it has ended, without an error. */
typedef void (ama_shell_step_fn) (size_t index, bool begun, void *arg);

/* split: borrowed while the trace lives. token: 1..63 bytes that no script writes by chance; copied. */
ama_shell_trace_t *ama_shell_trace_new (const ama_shell_split_t *split, const char *token, ama_shell_step_fn *step,
                                        void *arg);
void ama_shell_trace_destroy (ama_shell_trace_t **trace);

/* A record, told before the steps that it brings. Borrowed for the call. */
typedef struct {
    const char *source; /* as bash names the file */
    size_t source_size;
    uint32_t line; /* in that file */
    uint32_t top;  /* line of the script from which the outermost function or file was entered, 0 outside of both */
    const char *words;
    size_t words_size;
} ama_shell_command_t;
typedef void (ama_shell_command_fn) (const ama_shell_command_t *command, void *arg);
void ama_shell_trace_on_command (ama_shell_trace_t *trace, ama_shell_command_fn *fn);

/* Bytes as they come from the descriptor. */
void ama_shell_trace_feed (ama_shell_trace_t *trace, const char *bytes, size_t size);

/* The script has ended. ok: what is left open, and definitions after it, have been passed (unless the last command was an exit).
 * Otherwise nothing is stepped; ama_shell_trace_at tells what failed. */
void ama_shell_trace_end (ama_shell_trace_t *trace, bool ok);

typedef struct {
    long index; /* of the statement that is open, -1 for none */
    const char
        *source;   /* file of the innermost command of the last record, as bash names it; "" if unknown. Borrowed. */
    uint32_t line; /* in that file, 0 if unknown */
    bool nested;   /* that command ran inside a function or another file */
} ama_shell_at_t;
void ama_shell_trace_at (const ama_shell_trace_t *trace, ama_shell_at_t *ret_at);

#endif
