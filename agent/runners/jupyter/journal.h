/* journal.h - what a kernel's connection says, once and in its order, out of the bytes of a pipe
 *
 * A record is the size of what follows, then the frames of a signed message (wire.h), each after its own size; sizes are of four bytes, the lowest first. Everything
 * that comes is hostile, for a kernel runs users' code.
 */
#ifndef AMA_AGENT_JUPYTER_JOURNAL_H
#define AMA_AGENT_JUPYTER_JOURNAL_H

#include "agent/runners/jupyter/wire.h"

typedef struct ama_journal ama_journal_t;

/* A message that came; borrowed. The journal may not be destroyed inside. */
typedef void (ama_journal_fn) (const ama_jupyter_message_t *message, void *arg);

/* key: copied. */
ama_journal_t *ama_journal_new (const char *key, ama_journal_fn *fn, void *arg);
void ama_journal_destroy (ama_journal_t **journal);
/* Bytes as they come. 0; AMA_E_DECODE, AMA_E_LIMIT: it has lost its place, and nothing more comes of it. What is badly signed is dropped. */
int ama_journal_feed (ama_journal_t *journal, const char *bytes, size_t size, ama_err_t *err);

#endif
