/* shell_split.h - where the top-level commands of a bash script begin and end
 *
 * Bash runs a script one complete command at a time, each exactly once and in order; the report shows one statement for each.
 * The splitter knows as much of bash's grammar as is needed to tell where a newline ends a command: quotes, expansions, here
 * documents, compound commands, functions, continuation. It does not judge: what it does not understand becomes one statement up
 * to the end of the file, and bash itself will say what is wrong.
 *
 * Pure; any bytes are legal input; time and memory grow linearly.
 */
#ifndef AMA_AGENT_SHELL_SPLIT_H
#define AMA_AGENT_SHELL_SPLIT_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    size_t offset; /* of the first byte of its first line */
    size_t size;   /* up to the last byte of its last line, without the newline */
    uint32_t line; /* from 1 */
    uint32_t end_line;
} ama_shell_statement_t;

typedef struct {
    ama_shell_statement_t *items; /* owned */
    size_t count;
} ama_shell_split_t;

/* Commands that share a line are one statement. At most max statements; the last one then holds the rest. */
void ama_shell_split (ama_shell_split_t *split, const char *text, size_t size, size_t max);
void ama_shell_split_done (ama_shell_split_t *split);

/* Index of the statement that `line` lies in, or -1. */
long ama_shell_split_find (const ama_shell_split_t *split, uint32_t line);

#endif
