/* masker.h - puts *** in the place of secrets, in whatever is about to leave the agent
 *
 * A masker knows values; it finds each as it is, as base64 wherever it stands in what was encoded, url-encoded and as the inside of a JSON string, and each line of
 * a value of several lines. A beginning of at least four bytes that was cut and says so ("...", "…"), as tables and results do, is masked too, and so is
 * one of eight bytes at the end of it all. A stream gives the same bytes however it comes in pieces. Pure; one thread.
 *
 * What nobody can find: a value reversed, in other letters, encrypted, or with something else put between its bytes.
 */
#ifndef AMA_AGENT_MASKER_H
#define AMA_AGENT_MASKER_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

#include <stdbool.h>
#include <stddef.h>

#define AMA_MASK_MIN       8       /* bytes of a value: masking shorter ones would hide too much else */
#define AMA_MASK_VALUE_MAX 16384   /* bytes of one value */
#define AMA_MASK_NODES_MAX 2000000 /* memory: 24 bytes each */

typedef struct ama_masker ama_masker_t;
typedef struct ama_mask_stream ama_mask_stream_t;

ama_masker_t *ama_masker_new (void);
void ama_masker_destroy (ama_masker_t **masker); /* its memory is wiped */

/* Any bytes. Again: nothing new. AMA_E_INVALID: shorter than AMA_MASK_MIN; AMA_E_LIMIT: too long, or too many of them. */
int ama_masker_add (ama_masker_t *masker, const char *value, size_t size, ama_err_t *err);
bool ama_masker_is_empty (const ama_masker_t *masker);

/* A text as a whole. Returns owned, or NULL if there was nothing to mask. */
char *ama_masker_text (const ama_masker_t *masker, const char *text);

/* masker is borrowed; values may be added to it meanwhile. */
ama_mask_stream_t *ama_mask_stream_new (const ama_masker_t *masker);
void ama_mask_stream_destroy (ama_mask_stream_t **stream);

/* Appends to out what can not be, or become, part of a value; the rest waits for what comes next. */
void ama_mask_stream_feed (ama_mask_stream_t *stream, const char *bytes, size_t size, ama_str_t *out);
/* Nothing more comes: what waits goes out. The stream can begin anew. */
void ama_mask_stream_end (ama_mask_stream_t *stream, ama_str_t *out);

#endif
