/* output.h - bytes that a child writes become output events: lines, as they come
 *
 * One per stream of an attempt. A line is one event; many lines that come at once share events of up to 32 KiB, separated by '\n'; a line longer than
 * 64 KiB, and one that stays unfinished, goes out in parts that are marked. Concatenating the texts, with '\n' after each that is not
 * partial, gives what was written, with U+FFFD for what is not UTF-8 and for NUL.
 *
 * Pure: the owner has the timer that calls ama_output_flush when an unfinished line has waited long enough.
 */
#ifndef AMA_AGENT_OUTPUT_H
#define AMA_AGENT_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#define AMA_OUTPUT_CHUNK 65536

typedef struct ama_output ama_output_t;

/* text: valid UTF-8, NUL-terminated, without its last newline. Borrowed for the call. */
typedef void (ama_output_fn) (const char *text, size_t size, bool partial, void *arg);

ama_output_t *ama_output_new (ama_output_fn *fn, void *arg);
void ama_output_destroy (ama_output_t **output);

void ama_output_feed (ama_output_t *output, const char *bytes, size_t size);

/* Hands out an unfinished line, as partial. all: also the first bytes of a character that never came. */
void ama_output_flush (ama_output_t *output, bool all);

/* Bytes that wait for the end of their line. */
size_t ama_output_pending (const ama_output_t *output);

#endif
