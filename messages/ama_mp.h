/* ama_mp.h - msgpack, bounded: a writer over ama_str_t and a cursor over bytes that come from outside
 *
 * The writer is msgpack-c's packer: shortest integers, so that equal values are equal bytes. The reader is our own: it never
 * believes a count or a length before it was compared with the bytes that are left, and allocates nothing itself.
 * Format: https://github.com/msgpack/msgpack/blob/master/spec.md. Any thread; no state but the struct's.
 */
#ifndef AMA_MESSAGES_MP_H
#define AMA_MESSAGES_MP_H

#include "actors/base/ama_str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AMA_MP_DEPTH 16 /* containers within one another: of a schema, and of a value that is skipped */

void ama_mp_put_map (ama_str_t *out, uint32_t count); /* that many pairs follow */
void ama_mp_put_array (ama_str_t *out, uint32_t count);
void ama_mp_put_u64 (ama_str_t *out, uint64_t value);
void ama_mp_put_i64 (ama_str_t *out, int64_t value);
void ama_mp_put_f64 (ama_str_t *out, double value); /* always 8 bytes */
void ama_mp_put_bool (ama_str_t *out, bool value);
void ama_mp_put_str (ama_str_t *out, const char *text, size_t size);
void ama_mp_put_bin (ama_str_t *out, const void *bytes, size_t size);

typedef struct {
    const uint8_t *start;
    const uint8_t *at;
    const uint8_t *end;
    const char *why; /* of the last failure, for a person. Static storage. */
} ama_mp_t;

void ama_mp_open (ama_mp_t *mp, const void *bytes, size_t size);
size_t ama_mp_left (const ama_mp_t *mp);
size_t ama_mp_offset (const ama_mp_t *mp);

/* All return 0, AMA_E_DECODE (truncated, another type, out of range) or AMA_E_LIMIT, with mp->why set; ret_ is untouched then
 * and the cursor is of no further use. */

/* Each pair takes at least two bytes. */
int ama_mp_get_map (ama_mp_t *mp, uint32_t *ret_count);
/* least: fewest bytes one item can take (> 0); max: most items. */
int ama_mp_get_array (ama_mp_t *mp, size_t least, uint32_t max, uint32_t *ret_count);
int ama_mp_get_u64 (ama_mp_t *mp, uint64_t max, uint64_t *ret_value);
int ama_mp_get_i64 (ama_mp_t *mp, int64_t *ret_value);
/* 4 or 8 bytes; finite. */
int ama_mp_get_f64 (ama_mp_t *mp, double *ret_value);
int ama_mp_get_bool (ama_mp_t *mp, bool *ret_value);
/* Strict UTF-8 without NUL. *ret_text points into the bytes and has no NUL behind it. */
int ama_mp_get_str (ama_mp_t *mp, size_t max, const char **ret_text, size_t *ret_size);
int ama_mp_get_bin (ama_mp_t *mp, size_t max, const uint8_t **ret_bytes, size_t *ret_size);
/* Any one value, at most AMA_MP_DEPTH deep, in time linear in its bytes. Extension types are refused here too. */
int ama_mp_skip (ama_mp_t *mp);
/* AMA_E_DECODE if bytes are left. */
int ama_mp_end (ama_mp_t *mp);

#endif
