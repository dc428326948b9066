/* ama_codec.h - one codec for all messages, driven by tables that messages/gen/amagen.py makes from the schema
 *
 * The functions of the generated headers (ama_fetch_request_encode, …) are these with the message's layout. Used directly only by
 * generated code and by tests. What decoding promises is said in ama_message.h.
 */
#ifndef AMA_MESSAGES_CODEC_H
#define AMA_MESSAGES_CODEC_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    AMA_KIND_BOOL,
    AMA_KIND_U32,
    AMA_KIND_U64,
    AMA_KIND_I64,
    AMA_KIND_F64,
    AMA_KIND_STRING,
    AMA_KIND_BYTES,
    AMA_KIND_ID,
    AMA_KIND_DIGEST,
    AMA_KIND_ENUM,
    AMA_KIND_STRUCT,
} ama_kind_t;

typedef enum { AMA_FIELD_LIST = 1, AMA_FIELD_OPTIONAL = 2 } ama_field_flag_t;

typedef struct {
    const char *name;
    const char *const *words; /* by number; NULL for a number that is not used */
    uint32_t count;
} ama_enum_names_t;

typedef struct {
    const char *name;
    uint16_t n;      /* key on the wire, rising within a layout */
    uint8_t kind;    /* ama_kind_t of the value, or of each item of a list */
    uint8_t flags;   /* ama_field_flag_t */
    uint32_t max;    /* bytes of one string */
    uint32_t items;  /* items of a list */
    uint32_t offset; /* of the member; of the pointer if it is a list */
    uint32_t beside; /* offset of has_ or n_ */
    const void *of;  /* const ama_enum_names_t * of an enum, const ama_layout_t * of a struct */
} ama_field_t;

typedef struct ama_layout {
    const char *name;
    const ama_field_t *fields;
    size_t n_fields;
    size_t size;  /* of the C struct */
    size_t least; /* fewest bytes on the wire */
} ama_layout_t;

void ama_codec_encode (const ama_layout_t *layout, const void *body, ama_str_t *out);
int ama_codec_decode (const ama_layout_t *layout, const void *bytes, size_t size, void *ret_body, ama_err_t *err);
void ama_codec_done (const ama_layout_t *layout, void *body);
void ama_codec_dump (const ama_layout_t *layout, const void *body, ama_str_t *out);
void ama_codec_copy (const ama_layout_t *layout, const void *from, void *to);
/* Would a decoder take what encode makes of it? As ama_message_check. */
int ama_codec_check (const ama_layout_t *layout, const void *body, ama_err_t *err);

/* Bytes that one value of this kind takes in memory; of a struct, its size. */
size_t ama_codec_item_size (const ama_field_t *field);
/* False for an optional field without value. */
bool ama_codec_is_there (const ama_field_t *field, const void *body);

const char *ama_enum_word (const ama_enum_names_t *names, uint32_t value); /* "?" if there is none */
int ama_enum_parse (const ama_enum_names_t *names, const char *text, uint32_t *ret_value);

#endif
