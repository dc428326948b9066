/* sample.c - random bodies of any message, from a seed */
#include "tests/unit/messages/sample.h"

#include "messages/ama_message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

sample_t sample_start (void)
{
    const char *given = getenv ("AMA_TEST_SEED");
    struct timespec now;
    sample_t sample;

    (void) clock_gettime (CLOCK_REALTIME, &now);
    sample.state = given ? strtoull (given, NULL, 10) : (uint64_t) now.tv_sec * 1000000000U + (uint64_t) now.tv_nsec;
    printf ("AMA_TEST_SEED=%llu\n", (unsigned long long) sample.state);
    return sample;
}

/* splitmix64 */
uint64_t sample_next (sample_t *sample)
{
    uint64_t z = sample->state += 0x9e3779b97f4a7c15U;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

uint64_t sample_below (sample_t *sample, uint64_t bound)
{
    return sample_next (sample) % bound;
}

/* As many bits as fate wants: small numbers and the ends of the range are as frequent as any other length. */
static uint64_t number (sample_t *sample, unsigned bits)
{
    unsigned used = (unsigned) sample_below (sample, bits + 1);
    uint64_t value = used ? sample_next (sample) >> (64 - used) : 0;

    return sample_below (sample, 8) ? value : UINT64_MAX >> (64 - bits);
}

static double real (sample_t *sample)
{
    static const double some[] = { 0, -0.0, 0.1, 1, -1, 2.5, 1e308, -1e308, 5e-324 };
    uint64_t pick = sample_below (sample, 2 * ARRAY_SIZE (some));

    return pick < ARRAY_SIZE (some) ? some[pick] : (double) (int64_t) sample_next (sample) / 1024;
}

static char *text (sample_t *sample, size_t max)
{
    static const char *const characters[] = { "a",    "Z",    "0", " ", "\"", "\\",     "\n",    "\t",
                                              "\x01", "\x7f", "é", "€", "😀",  "\uFFFD", "\u202E" };
    size_t wanted = sample_below (sample, 16) ? sample_below (sample, (max < 40 ? max : 40) + 1) : max;
    ama_str_t out = { 0 };

    if (wanted > 70000)
        wanted = 70000; /* enough for every length form */
    for (;;) {
        const char *c = characters[sample_below (sample, ARRAY_SIZE (characters))];
        if (out.size + strlen (c) > wanted)
            return ama_str_take (&out);
        ama_str_puts (&out, c);
    }
}

static void fill_value (sample_t *sample, const ama_field_t *field, void *value)
{
    switch ((ama_kind_t) field->kind) {
    case AMA_KIND_BOOL:
        *(bool *) value = sample_below (sample, 2);
        break;
    case AMA_KIND_U32:
        *(uint32_t *) value = (uint32_t) number (sample, 32);
        break;
    case AMA_KIND_U64:
        *(uint64_t *) value = number (sample, 64);
        break;
    case AMA_KIND_I64:
        *(int64_t *) value = (int64_t) (sample_below (sample, 2) ? number (sample, 63) : ~number (sample, 63));
        break;
    case AMA_KIND_F64:
        *(double *) value = real (sample);
        break;
    case AMA_KIND_STRING:
        *(char **) value = text (sample, field->max);
        break;
    case AMA_KIND_BYTES: {
        char *bytes = text (sample, field->max);
        *(ama_bytes_t *) value = (ama_bytes_t){ .data = (uint8_t *) bytes, .size = strlen (bytes) };
        break;
    }
    case AMA_KIND_ID:
    case AMA_KIND_DIGEST:
        for (size_t i = 0; i < ama_codec_item_size (field); i++)
            ((uint8_t *) value)[i] = (uint8_t) sample_next (sample);
        break;
    case AMA_KIND_ENUM: {
        const ama_enum_names_t *names = field->of;
        do
            *(uint32_t *) value = (uint32_t) sample_below (sample, names->count);
        while (!names->words[*(uint32_t *) value]);
        break;
    }
    case AMA_KIND_STRUCT:
        sample_fill (sample, field->of, value);
        break;
    }
}

static void fill_list (sample_t *sample, const ama_field_t *field, char *body)
{
    size_t most = field->kind == AMA_KIND_STRUCT || sample_below (sample, 16) ? 4 : 300;
    size_t count = sample_below (sample, (field->items < most ? field->items : most) + 1);
    size_t step = ama_codec_item_size (field);
    char *items = count ? ama_calloc (count, step) : NULL;

    for (size_t i = 0; i < count; i++)
        fill_value (sample, field, items + i * step);
    *(void **) (body + field->offset) = items;
    *(size_t *) (body + field->beside) = count;
}

void sample_fill (sample_t *sample, const ama_layout_t *layout, void *ret_body)
{
    for (size_t i = 0; i < layout->n_fields; i++) {
        const ama_field_t *field = &layout->fields[i];
        char *body = ret_body;
        if (field->flags & AMA_FIELD_LIST) {
            fill_list (sample, field, body);
            continue;
        }
        if (field->flags & AMA_FIELD_OPTIONAL && sample_below (sample, 2))
            continue;
        fill_value (sample, field, body + field->offset);
        if (field->flags & AMA_FIELD_OPTIONAL && field->kind != AMA_KIND_STRING)
            *(bool *) (body + field->beside) = true;
    }
}
