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
 * Encoding is canonical: keys rise, integers are as short as they can be, and optional fields without value, empty lists and
 * required fields of zero value (false, 0, "", the enum's 0) are left out; ids, digests and structs are always there. Equal values are
 * equal bytes, which digests rely on.
 *
 * Decoding is bounded before anything is allocated: depth, item counts, string lengths, strict UTF-8 without NUL, total size, and
 * memory (4 MiB and 16 times the bytes). Unknown keys are skipped, unknown enum values read as the value 0, a missing required field is the
 * type's zero or AMA_E_DECODE for ids, digests and structs; a key that stands twice or out of order is AMA_E_DECODE. Numbers must be
 * finite and within their type. AMA_E_LIMIT is for what is well-formed but longer, more or deeper than allowed. On failure ret_body is
 * zeroed, there is nothing to free, and err says which field at which byte.
 *
 * Limits of the schema are macros: AMA_FETCH_REQUEST_URL_MAX (bytes, or items of a list), AMA_…_ITEM_MAX (bytes of a string in it).
 * Encoding does not look at them; a sender that passes on what it was given uses ama_text_fit or ama_message_check.
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
    const struct ama_layout *layout; /* of messages/ama_codec.h */
} ama_message_info_t;

/* NULL for an unknown type. Static storage. */
const ama_message_info_t *ama_message_info (uint16_t type);

/* Would the receiver decode it? 0, AMA_E_LIMIT, AMA_E_INVALID (a string that is not UTF-8, a number that is not finite), or
 * AMA_E_UNSUPPORTED for an unknown type; err names the field. The size of the whole is not looked at. */
int ama_message_check (uint16_t type, const void *body, ama_err_t *err);

/* What a string field of `max` bytes takes of a text of any origin: bytes that are not UTF-8 and NULs become U+FFFD, what is too long
 * is cut at a character and ends in "…". Returns owned. */
char *ama_text_fit (const char *text, size_t size, size_t max);

/* All of them, ordered by type number. */
const ama_message_info_t *ama_message_all (size_t *ret_count);

#endif
