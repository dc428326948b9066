/* ama_codec_view.c - what is done with a decoded message but coding: free, copy, show as JSON. Any thread. */
#include "messages/ama_codec.h"

#include "actors/base/ama_digest.h"
#include "actors/base/ama_id.h"
#include "messages/ama_message.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *ama_enum_word (const ama_enum_names_t *names, uint32_t value)
{
    return value < names->count && names->words[value] ? names->words[value] : "?";
}

int ama_enum_parse (const ama_enum_names_t *names, const char *text, uint32_t *ret_value)
{
    for (uint32_t i = 0; i < names->count; i++)
        if (names->words[i] && strcmp (names->words[i], text) == 0) {
            *ret_value = i;
            return 0;
        }
    return AMA_E_INVALID;
}

bool ama_codec_is_there (const ama_field_t *field, const void *body)
{
    if (!(field->flags & AMA_FIELD_OPTIONAL))
        return true;
    if (field->kind == AMA_KIND_STRING)
        return *(char *const *) ((const char *) body + field->offset) != NULL;
    return *(const bool *) ((const char *) body + field->beside);
}

/* ---- free ---- */

static void done_value (const ama_field_t *field, void *value)
{
    if (field->kind == AMA_KIND_STRING)
        free (*(char **) value);
    else if (field->kind == AMA_KIND_BYTES)
        free (((ama_bytes_t *) value)->data);
    else if (field->kind == AMA_KIND_STRUCT)
        ama_codec_done (field->of, value);
}

void ama_codec_done (const ama_layout_t *layout, void *body)
{
    for (size_t i = 0; i < layout->n_fields; i++) {
        const ama_field_t *field = &layout->fields[i];
        char *value = (char *) body + field->offset;
        if (field->flags & AMA_FIELD_LIST) {
            size_t count = *(size_t *) ((char *) body + field->beside), step = ama_codec_item_size (field);
            char *items = *(void **) value;
            for (size_t j = 0; j < count; j++)
                done_value (field, items + j * step);
            free (items);
        }
        else
            done_value (field, value);
    }
    memset (body, 0, layout->size);
}

/* ---- copy ---- */

static void copy_value (const ama_field_t *field, const void *from, void *to)
{
    if (field->kind == AMA_KIND_STRING) {
        const char *text = *(char *const *) from;
        *(char **) to = text ? ama_strdup (text) : field->flags & AMA_FIELD_OPTIONAL ? NULL : ama_strdup ("");
    }
    else if (field->kind == AMA_KIND_BYTES) {
        const ama_bytes_t *bytes = from;
        ama_bytes_t copy = { .data = bytes->size ? ama_malloc (bytes->size) : NULL, .size = bytes->size };
        if (copy.size)
            memcpy (copy.data, bytes->data, copy.size);
        *(ama_bytes_t *) to = copy;
    }
    else if (field->kind == AMA_KIND_STRUCT)
        ama_codec_copy (field->of, from, to);
    else
        memcpy (to, from, ama_codec_item_size (field));
}

static void copy_list (const ama_field_t *field, const char *from, char *to)
{
    size_t count = *(const size_t *) (from + field->beside), step = ama_codec_item_size (field);
    const char *source = *(void *const *) (from + field->offset);
    char *items = count ? ama_calloc (count, step) : NULL;

    for (size_t i = 0; i < count; i++)
        copy_value (field, source + i * step, items + i * step);
    *(void **) (to + field->offset) = items;
    *(size_t *) (to + field->beside) = count;
}

void ama_codec_copy (const ama_layout_t *layout, const void *from, void *to)
{
    memset (to, 0, layout->size);
    for (size_t i = 0; i < layout->n_fields; i++) {
        const ama_field_t *field = &layout->fields[i];
        if (field->flags & AMA_FIELD_LIST) {
            copy_list (field, from, to);
            continue;
        }
        if (!ama_codec_is_there (field, from))
            continue;
        copy_value (field, (const char *) from + field->offset, (char *) to + field->offset);
        if (field->flags & AMA_FIELD_OPTIONAL && field->kind != AMA_KIND_STRING)
            *(bool *) ((char *) to + field->beside) = true;
    }
}

/* ---- JSON ---- */

static void dump_text (const char *text, size_t size, ama_str_t *out)
{
    ama_str_putc (out, '"');
    ama_str_json (out, text, size);
    ama_str_putc (out, '"');
}

static void dump_hex (const uint8_t *bytes, size_t size, ama_str_t *out)
{
    ama_str_putc (out, '"');
    for (size_t i = 0; i < size; i++)
        ama_str_printf (out, "%02x", bytes[i]);
    ama_str_putc (out, '"');
}

static void dump_number (double value, ama_str_t *out)
{
    char text[32];

    if (!isfinite (value)) {
        ama_str_puts (out, "null");
        return;
    }
    (void) snprintf (text, sizeof text, "%.15g", value);
    if (strtod (text, NULL) != value)
        (void) snprintf (text, sizeof text, "%.17g", value);
    ama_str_puts (out, text);
}

static void dump_value (const ama_field_t *field, const void *value, ama_str_t *out)
{
    char id[AMA_ID_TEXT];

    switch ((ama_kind_t) field->kind) {
    case AMA_KIND_BOOL:
        ama_str_puts (out, *(const bool *) value ? "true" : "false");
        break;
    case AMA_KIND_U32:
        ama_str_printf (out, "%" PRIu32, *(const uint32_t *) value);
        break;
    case AMA_KIND_U64:
        ama_str_printf (out, "%" PRIu64, *(const uint64_t *) value);
        break;
    case AMA_KIND_I64:
        ama_str_printf (out, "%" PRId64, *(const int64_t *) value);
        break;
    case AMA_KIND_F64:
        dump_number (*(const double *) value, out);
        break;
    case AMA_KIND_STRING: {
        const char *text = *(char *const *) value;
        dump_text (text ? text : "", text ? strlen (text) : 0, out);
        break;
    }
    case AMA_KIND_BYTES:
        dump_hex (((const ama_bytes_t *) value)->data, ((const ama_bytes_t *) value)->size, out);
        break;
    case AMA_KIND_ID:
        ama_str_printf (out, "\"%s\"", ama_id_text (*(const ama_id_t *) value, id));
        break;
    case AMA_KIND_DIGEST:
        dump_hex (value, sizeof (ama_digest_t), out);
        break;
    case AMA_KIND_ENUM:
        ama_str_printf (out, "\"%s\"", ama_enum_word (field->of, *(const uint32_t *) value));
        break;
    case AMA_KIND_STRUCT:
        ama_codec_dump (field->of, value, out);
        break;
    }
}

static void dump_list (const ama_field_t *field, const char *body, ama_str_t *out)
{
    size_t count = *(const size_t *) (body + field->beside), step = ama_codec_item_size (field);
    const char *items = *(void *const *) (body + field->offset);

    ama_str_putc (out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            ama_str_putc (out, ',');
        dump_value (field, items + i * step, out);
    }
    ama_str_putc (out, ']');
}

void ama_codec_dump (const ama_layout_t *layout, const void *body, ama_str_t *out)
{
    const char *separator = "";

    ama_str_putc (out, '{');
    for (size_t i = 0; i < layout->n_fields; i++) {
        const ama_field_t *field = &layout->fields[i];
        if (!ama_codec_is_there (field, body))
            continue;
        ama_str_printf (out, "%s\"%s\":", separator, field->name);
        separator = ",";
        if (field->flags & AMA_FIELD_LIST)
            dump_list (field, body, out);
        else
            dump_value (field, (const char *) body + field->offset, out);
    }
    ama_str_putc (out, '}');
}
