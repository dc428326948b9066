/* ama_text.c - for senders: makes bodies that their receiver will take. Any thread; no state. */
#include "messages/ama_codec.h"
#include "messages/ama_message.h"

#include "actors/base/ama_digest.h"
#include "actors/base/ama_id.h"

#include <math.h>
#include <string.h>

/* Bytes of the character at text, 0 if it is none. */
static size_t character (const char *text, size_t size)
{
    for (size_t n = 1; n <= 4 && n <= size; n++)
        if (ama_utf8_valid (text, n))
            return n;
    return 0;
}

char *ama_text_fit (const char *text, size_t size, size_t max)
{
    static const char dots[] = "\xe2\x80\xa6", strange[] = "\xef\xbf\xbd";
    size_t room = max >= sizeof dots - 1 ? max - (sizeof dots - 1) : max, cut = 0;
    ama_str_t out = { 0 };

    for (size_t i = 0; i < size;) {
        size_t n = text[i] ? character (text + i, size - i) : 0;
        const char *piece = n ? text + i : strange;
        size_t piece_size = n ? n : sizeof strange - 1;
        if (out.size + piece_size > max) {
            out.size = cut;
            if (max >= sizeof dots - 1)
                ama_str_puts (&out, dots);
            break;
        }
        ama_str_add (&out, piece, piece_size);
        if (out.size <= room)
            cut = out.size;
        i += n ? n : 1;
    }
    if (out.data)
        out.data[out.size] = '\0';
    return ama_str_take (&out);
}

static int check_string (const ama_field_t *field, const char *text, ama_err_t *err)
{
    size_t size = text ? strlen (text) : 0;

    if (size > field->max)
        return ama_err_set (err, AMA_E_LIMIT, "%zu bytes, the limit is %u", size, field->max);
    if (!ama_utf8_valid (text ? text : "", size))
        return ama_err_set (err, AMA_E_INVALID, "not UTF-8");
    return 0;
}

static int check_value (const ama_field_t *field, const void *value, ama_err_t *err)
{
    if (field->kind == AMA_KIND_STRING)
        return check_string (field, *(char *const *) value, err);
    if (field->kind == AMA_KIND_BYTES && ((const ama_bytes_t *) value)->size > field->max)
        return ama_err_set (err, AMA_E_LIMIT, "%zu bytes, the limit is %u", ((const ama_bytes_t *) value)->size,
                            field->max);
    if (field->kind == AMA_KIND_F64 && !isfinite (*(const double *) value))
        return ama_err_set (err, AMA_E_INVALID, "not a finite number");
    return field->kind == AMA_KIND_STRUCT ? ama_codec_check (field->of, value, err) : 0;
}

static int check_list (const ama_field_t *field, const char *body, ama_err_t *err)
{
    size_t count = *(const size_t *) (body + field->beside), step = ama_codec_item_size (field);
    const char *items = *(void *const *) (body + field->offset);
    int rc = 0;

    if (count > field->items)
        return ama_err_set (err, AMA_E_LIMIT, "%zu items, the limit is %u", count, field->items);
    for (size_t i = 0; rc == 0 && i < count; i++)
        if ((rc = check_value (field, items + i * step, err)) < 0 && err)
            (void) ama_err_prefix (err, "item %zu", i);
    return rc;
}

int ama_codec_check (const ama_layout_t *layout, const void *body, ama_err_t *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < layout->n_fields; i++) {
        const ama_field_t *field = &layout->fields[i];
        if (field->flags & AMA_FIELD_LIST)
            rc = check_list (field, body, err);
        else if (ama_codec_is_there (field, body))
            rc = check_value (field, (const char *) body + field->offset, err);
        if (rc < 0 && err)
            (void) ama_err_prefix (err, "%s", field->name);
    }
    return rc;
}

int ama_message_check (uint16_t type, const void *body, ama_err_t *err)
{
    const ama_message_info_t *info = ama_message_info (type);
    int rc;

    if (!info)
        return ama_err_set (err, AMA_E_UNSUPPORTED, "no message has type 0x%04x", type);
    if ((rc = ama_codec_check (info->layout, body, err)) < 0 && err)
        (void) ama_err_prefix (err, "%s", info->name);
    return rc;
}
