/* sink.h - bytes on their way to stdout, when the reader may be slow, and must not hold up the actor */
#ifndef AMA_CLIENT_SINK_H
#define AMA_CLIENT_SINK_H

#include "actors/runtime/ama_actor.h"

typedef struct ama_sink ama_sink_t;

/* fd stays the caller's. on_change: there is less to write than AMA_SINK_MAX again, or writing has become impossible. May be NULL. */
ama_sink_t *ama_sink_new (ama_ctx_t *ctx, int fd, void (*on_change) (void *arg), void *arg);
void ama_sink_destroy (ama_sink_t **sink); /* what was not written is lost */

#define AMA_SINK_MAX (256u << 10) /* bytes after which one should not add more */

void ama_sink_add (ama_sink_t *sink, const char *bytes, size_t size);
bool ama_sink_is_full (const ama_sink_t *sink);
bool ama_sink_is_broken (const ama_sink_t *sink); /* nobody reads any more, or the disk is full */
/* Waits until everything is written. For the end. */
void ama_sink_finish (ama_sink_t *sink);

#endif
