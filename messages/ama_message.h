/* ama_message.h - the generic view of the generated messages: by type number, for runtime, dumps and tests
 *
 * messages/gen/amagen.py makes from the files of messages/schema, per family: messages/<family>.h and .c with, for each message
 * and struct `family.name`,
 *     typedef struct { … } ama_family_name_t;
 *     void ama_family_name_encode (const ama_family_name_t *body, ama_str_t *out);
 *     int  ama_family_name_decode (const void *bytes, size_t size, ama_family_name_t *ret_body, ama_err_t *err);
 *     void ama_family_name_done (ama_family_name_t *body);          frees what decode allocated, zeroes the struct
 *     void ama_family_name_dump (const ama_family_name_t *body, ama_str_t *out);     JSON
 *     void ama_family_name_copy (const ama_family_name_t *from, ama_family_name_t *to);   deep
 * and messages/ama_types.h with AMA_MSG_FAMILY_NAME numbers, the enums (ama_role_t, AMA_ROLE_AGENT; with _name() and
 * _parse()), and the table below.
 *
 * C types: bool, uint32_t, uint64_t, int64_t, double; string → char * (NUL-terminated, never with NUL inside; a required
 * string is never NULL after decode, an optional one may be); bytes → ama_bytes_t; id → ama_id_t; digest → ama_digest_t; enum →
 * its enum; struct → embedded; list → `T *x; size_t n_x`; optional scalars, enums and structs have `bool has_x` beside them.
 * For encoding, fields may point to borrowed memory; a NULL required string is encoded as "". After decode the struct owns everything.
 *
 * Decoding is bounded before anything is allocated: depth, item counts, string lengths, strict UTF-8, total size. Unknown
 * keys are skipped, unknown enum values read as the value 0, a missing required field is the type's zero or AMA_E_DECODE for ids,
 * digests and structs; a key that stands twice is AMA_E_DECODE.
 */
#ifndef AMA_MESSAGES_MESSAGE_H
#define AMA_MESSAGES_MESSAGE_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t *data;
    size_t size;
} ama_bytes_t;

typedef struct {
    uint16_t type;
    const char *name;    /* "fetch.request" */
    uint32_t from_roles; /* bit 1u << AMA_ROLE_X for each role that may send it; 0xffffffff for any */
    uint16_t reply;      /* type of the answer, 0 for a tell */
    uint16_t stream;     /* type of the parts before the answer, 0 for none */
    size_t size;         /* sizeof the struct */
    void (*encode) (const void *body, ama_str_t *out);
    int (*decode) (const void *bytes, size_t size, void *ret_body, ama_err_t *err);
    void (*done) (void *body);
    void (*dump) (const void *body, ama_str_t *out);
    void (*copy) (const void *from, void *to);
} ama_message_info_t;

/* NULL for an unknown type. Static storage. */
const ama_message_info_t *ama_message_info (uint16_t type);

/* All of them, ordered by type number. */
const ama_message_info_t *ama_message_all (size_t *ret_count);

#endif
