/* ama_codec.c - encodes and decodes any message by its layout. Called through the generated functions, on any thread.
 *
 * Wire: a map with the field numbers as keys, rising; absent are optional fields that are not there, empty lists, and required scalars
 * and strings of zero value. Ids, digests and structs are always there. So one value has one encoding, and digests of
 * encodings mean something.
 *
 * Decoding zeroes the body first and sets a count only with its array, so that ama_codec_done is right at every point where it
 * may fail.
 */
#include "messages/ama_codec.h"

#include "actors/base/ama_digest.h"
#include "actors/base/ama_id.h"
#include "messages/ama_envelope.h"
#include "messages/ama_message.h"
#include "messages/ama_mp.h"

#include <stdlib.h>
#include <string.h>

/* Memory that one body may take: a list of empty structs is small on the wire and large in memory. */
#define BUDGET_BASE   (4u << 20)
#define BUDGET_FACTOR 16
#define ALLOC_COST    16 /* of the allocator itself, per block */

typedef struct {
    ama_mp_t mp;
    size_t budget;
    ama_err_t *err;
} decoder_t;

size_t ama_codec_item_size (const ama_field_t *field)
{
    static const size_t sizes[] = {
        [AMA_KIND_BOOL] = sizeof (bool),           [AMA_KIND_U32] = sizeof (uint32_t),
        [AMA_KIND_U64] = sizeof (uint64_t),        [AMA_KIND_I64] = sizeof (int64_t),
        [AMA_KIND_F64] = sizeof (double),          [AMA_KIND_STRING] = sizeof (char *),
        [AMA_KIND_BYTES] = sizeof (ama_bytes_t),   [AMA_KIND_ID] = sizeof (ama_id_t),
        [AMA_KIND_DIGEST] = sizeof (ama_digest_t), [AMA_KIND_ENUM] = sizeof (int),
    };

    return field->kind == AMA_KIND_STRUCT ? ((const ama_layout_t *) field->of)->size : sizes[field->kind];
}

static const void *member (const void *body, uint32_t offset)
{
    return (const char *) body + offset;
}

static void *member_mut (void *body, uint32_t offset)
{
    return (char *) body + offset;
}

/* ---- encode ---- */

static bool is_zero (const ama_field_t *field, const void *value)
{
    switch ((ama_kind_t) field->kind) {
    case AMA_KIND_BOOL:
        return !*(const bool *) value;
    case AMA_KIND_U32:
    case AMA_KIND_ENUM:
        return !*(const uint32_t *) value;
    case AMA_KIND_U64:
    case AMA_KIND_I64:
    case AMA_KIND_F64: /* by its bits: -0.0 is another value */
        return !*(const uint64_t *) value;
    case AMA_KIND_STRING:
        return !*(char *const *) value || !**(char *const *) value;
    case AMA_KIND_BYTES:
        return !((const ama_bytes_t *) value)->size;
    case AMA_KIND_ID:
    case AMA_KIND_DIGEST:
    case AMA_KIND_STRUCT:
        break;
    }
    return false;
}

static bool is_absent (const ama_field_t *field, const void *body)
{
    const void *value = member (body, field->offset);

    if (field->flags & AMA_FIELD_LIST)
        return !*(const size_t *) member (body, field->beside);
    if (!(field->flags & AMA_FIELD_OPTIONAL))
        return is_zero (field, value);
    if (field->kind == AMA_KIND_STRING)
        return !*(char *const *) value;
    return !*(const bool *) member (body, field->beside);
}

static void put_value (const ama_field_t *field, const void *value, ama_str_t *out)
{
    switch ((ama_kind_t) field->kind) {
    case AMA_KIND_BOOL:
        ama_mp_put_bool (out, *(const bool *) value);
        break;
    case AMA_KIND_U32:
    case AMA_KIND_ENUM:
        ama_mp_put_u64 (out, *(const uint32_t *) value);
        break;
    case AMA_KIND_U64:
        ama_mp_put_u64 (out, *(const uint64_t *) value);
        break;
    case AMA_KIND_I64:
        ama_mp_put_i64 (out, *(const int64_t *) value);
        break;
    case AMA_KIND_F64:
        ama_mp_put_f64 (out, *(const double *) value);
        break;
    case AMA_KIND_STRING: {
        const char *text = *(char *const *) value;
        ama_mp_put_str (out, text ? text : "", text ? strlen (text) : 0);
        break;
    }
    case AMA_KIND_BYTES:
        ama_mp_put_bin (out, ((const ama_bytes_t *) value)->data, ((const ama_bytes_t *) value)->size);
        break;
    case AMA_KIND_ID:
        ama_mp_put_bin (out, value, sizeof (ama_id_t));
        break;
    case AMA_KIND_DIGEST:
        ama_mp_put_bin (out, value, sizeof (ama_digest_t));
        break;
    case AMA_KIND_STRUCT:
        ama_codec_encode (field->of, value, out);
        break;
    }
}

static void put_list (const ama_field_t *field, const void *body, ama_str_t *out)
{
    size_t count = *(const size_t *) member (body, field->beside), step = ama_codec_item_size (field);
    const char *items = *(void *const *) member (body, field->offset);

    ama_mp_put_array (out, (uint32_t) count);
    for (size_t i = 0; i < count; i++)
        put_value (field, items + i * step, out);
}

void ama_codec_encode (const ama_layout_t *layout, const void *body, ama_str_t *out)
{
    uint32_t present = 0;

    for (size_t i = 0; i < layout->n_fields; i++)
        present += !is_absent (&layout->fields[i], body);
    ama_mp_put_map (out, present);
    for (size_t i = 0; i < layout->n_fields; i++) {
        const ama_field_t *field = &layout->fields[i];
        if (is_absent (field, body))
            continue;
        ama_mp_put_u64 (out, field->n);
        if (field->flags & AMA_FIELD_LIST)
            put_list (field, body, out);
        else
            put_value (field, member (body, field->offset), out);
    }
}

/* ---- decode ---- */

static int read_layout (decoder_t *decoder, const ama_layout_t *layout, void *body);

/* The cursor refused: says where, once; the callers put the path in front. */
static int refuse (decoder_t *decoder, int code)
{
    return ama_err_set (decoder->err, code, "%s (byte %zu)", decoder->mp.why, ama_mp_offset (&decoder->mp));
}

static int allocate (decoder_t *decoder, size_t count, size_t size, void **ret_block)
{
    size_t cost = count * size + ALLOC_COST;

    *ret_block = NULL;
    if (cost > decoder->budget)
        return ama_err_set (decoder->err, AMA_E_LIMIT, "decoded, the body would take too much memory");
    decoder->budget -= cost;
    *ret_block = ama_calloc (count, size);
    return 0;
}

static int read_string (decoder_t *decoder, const ama_field_t *field, char **ret_text)
{
    const char *text;
    size_t size;
    void *block;
    int rc = ama_mp_get_str (&decoder->mp, field->max, &text, &size);

    if (rc < 0)
        return refuse (decoder, rc);
    if ((rc = allocate (decoder, size + 1, 1, &block)) < 0)
        return rc;
    memcpy (block, text, size);
    *ret_text = block;
    return 0;
}

static int read_bytes (decoder_t *decoder, const ama_field_t *field, ama_bytes_t *ret_bytes)
{
    const uint8_t *bytes;
    size_t size;
    void *block;
    int rc = ama_mp_get_bin (&decoder->mp, field->max, &bytes, &size);

    if (rc < 0)
        return refuse (decoder, rc);
    if (!size)
        return 0;
    if ((rc = allocate (decoder, size, 1, &block)) < 0)
        return rc;
    memcpy (block, bytes, size);
    *ret_bytes = (ama_bytes_t){ .data = block, .size = size };
    return 0;
}

static int read_fixed (decoder_t *decoder, void *ret_value, size_t size)
{
    const uint8_t *bytes;
    size_t got;
    int rc = ama_mp_get_bin (&decoder->mp, SIZE_MAX, &bytes, &got);

    if (rc < 0)
        return refuse (decoder, rc);
    if (got != size)
        return ama_err_set (decoder->err, AMA_E_DECODE, "%zu bytes where %zu belong", got, size);
    memcpy (ret_value, bytes, size);
    return 0;
}

static int read_small (decoder_t *decoder, const ama_field_t *field, uint32_t *ret_value)
{
    bool is_enum = field->kind == AMA_KIND_ENUM;
    uint64_t value;
    int rc = ama_mp_get_u64 (&decoder->mp, UINT32_MAX, &value);

    if (rc < 0)
        return refuse (decoder, rc);
    if (is_enum) {
        const ama_enum_names_t *names = field->of;
        if (value >= names->count || !names->words[value])
            value = 0;
    }
    *ret_value = (uint32_t) value;
    return 0;
}

static int read_value (decoder_t *decoder, const ama_field_t *field, void *value)
{
    ama_mp_t *mp = &decoder->mp;
    int rc = 0;

    switch ((ama_kind_t) field->kind) {
    case AMA_KIND_U32:
    case AMA_KIND_ENUM:
        return read_small (decoder, field, value);
    case AMA_KIND_STRING:
        return read_string (decoder, field, value);
    case AMA_KIND_BYTES:
        return read_bytes (decoder, field, value);
    case AMA_KIND_ID:
        return read_fixed (decoder, value, sizeof (ama_id_t));
    case AMA_KIND_DIGEST:
        return read_fixed (decoder, value, sizeof (ama_digest_t));
    case AMA_KIND_STRUCT:
        return read_layout (decoder, field->of, value);
    case AMA_KIND_BOOL:
        rc = ama_mp_get_bool (mp, value);
        break;
    case AMA_KIND_U64:
        rc = ama_mp_get_u64 (mp, UINT64_MAX, value);
        break;
    case AMA_KIND_I64:
        rc = ama_mp_get_i64 (mp, value);
        break;
    case AMA_KIND_F64:
        rc = ama_mp_get_f64 (mp, value);
        break;
    }
    return rc < 0 ? refuse (decoder, rc) : 0;
}

static int read_list (decoder_t *decoder, const ama_field_t *field, void *body)
{
    size_t step = ama_codec_item_size (field);
    size_t least = field->kind == AMA_KIND_STRUCT ? ((const ama_layout_t *) field->of)->least : 1;
    uint32_t count;
    void *items;
    int rc = ama_mp_get_array (&decoder->mp, least, field->items, &count);

    if (rc < 0)
        return refuse (decoder, rc);
    if (!count)
        return 0;
    if ((rc = allocate (decoder, count, step, &items)) < 0)
        return rc;
    *(void **) member_mut (body, field->offset) = items;
    *(size_t *) member_mut (body, field->beside) = count;
    for (uint32_t i = 0; i < count; i++)
        if ((rc = read_value (decoder, field, (char *) items + i * step)) < 0) {
            if (decoder->err)
                (void) ama_err_prefix (decoder->err, "item %u", i);
            return rc;
        }
    return 0;
}

static int read_field (decoder_t *decoder, const ama_field_t *field, void *body)
{
    int rc;

    if (field->flags & AMA_FIELD_LIST)
        rc = read_list (decoder, field, body);
    else
        rc = read_value (decoder, field, member_mut (body, field->offset));
    if (rc < 0) {
        if (decoder->err)
            (void) ama_err_prefix (decoder->err, "%s", field->name);
        return rc;
    }
    if (field->flags & AMA_FIELD_OPTIONAL && field->kind != AMA_KIND_STRING)
        *(bool *) member_mut (body, field->beside) = true;
    return 0;
}

/* A field that did not come. Strings are never NULL unless they are optional. */
static int read_absence (decoder_t *decoder, const ama_field_t *field, void *body)
{
    void *block;
    int rc;

    if (field->flags)
        return 0;
    if (field->kind == AMA_KIND_ID || field->kind == AMA_KIND_DIGEST || field->kind == AMA_KIND_STRUCT)
        return ama_err_set (decoder->err, AMA_E_DECODE, "%s is missing", field->name);
    if (field->kind == AMA_KIND_STRING) {
        if ((rc = allocate (decoder, 1, 1, &block)) < 0)
            return rc;
        *(void **) member_mut (body, field->offset) = block;
    }
    return 0;
}

static int read_key (decoder_t *decoder, uint64_t last, uint64_t *ret_key)
{
    int rc = ama_mp_get_u64 (&decoder->mp, UINT16_MAX, ret_key);

    if (rc < 0)
        return refuse (decoder, rc);
    if (*ret_key <= last)
        return ama_err_set (decoder->err, AMA_E_DECODE, "key %u stands twice or out of order", (unsigned) *ret_key);
    return 0;
}

static int read_layout (decoder_t *decoder, const ama_layout_t *layout, void *body)
{
    const ama_field_t *fields = layout->fields;
    uint64_t key, last = 0;
    uint32_t pairs;
    size_t i = 0; /* of the first field that was not dealt with; both keys and fields rise */
    int rc = ama_mp_get_map (&decoder->mp, &pairs);

    if (rc < 0)
        return refuse (decoder, rc);
    for (; pairs; pairs--, last = key) {
        if ((rc = read_key (decoder, last, &key)) < 0)
            return rc;
        for (; i < layout->n_fields && fields[i].n < key; i++)
            if ((rc = read_absence (decoder, &fields[i], body)) < 0)
                return rc;
        if (i == layout->n_fields || fields[i].n != key) {
            if ((rc = ama_mp_skip (&decoder->mp)) < 0)
                return refuse (decoder, rc);
            continue;
        }
        if ((rc = read_field (decoder, &fields[i++], body)) < 0)
            return rc;
    }
    for (; i < layout->n_fields; i++)
        if ((rc = read_absence (decoder, &fields[i], body)) < 0)
            return rc;
    return 0;
}

int ama_codec_decode (const ama_layout_t *layout, const void *bytes, size_t size, void *ret_body, ama_err_t *err)
{
    decoder_t decoder = { .budget = BUDGET_BASE + BUDGET_FACTOR * size, .err = err };
    int rc;

    memset (ret_body, 0, layout->size);
    if (size > AMA_BODY_MAX)
        return ama_err_set (err, AMA_E_LIMIT, "%s: %zu bytes, the limit is %u", layout->name, size, AMA_BODY_MAX);
    ama_mp_open (&decoder.mp, bytes, size);
    rc = read_layout (&decoder, layout, ret_body);
    if (rc == 0 && (rc = ama_mp_end (&decoder.mp)) < 0)
        (void) refuse (&decoder, rc);
    if (rc < 0) {
        ama_codec_done (layout, ret_body);
        if (err)
            (void) ama_err_prefix (err, "%s", layout->name);
    }
    return rc;
}
