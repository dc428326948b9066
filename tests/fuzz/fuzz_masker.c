/* fuzz_masker.c - no output shows a value or its common forms, whatever both are and in whatever pieces it comes
 *
 * Input: a byte that gives the length of the first value, the value, another length and value, then pieces of output: a byte for the length
 * of each. A value goes into the output where a piece begins with 0xf0 to 0xff, as it is, as base64, or cut short.
 */
#include "agent/masker.h"

#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

typedef struct {
    const uint8_t *at, *end;
} input_t;

static size_t take (input_t *input, size_t want, const uint8_t **ret_bytes)
{
    size_t left = (size_t) (input->end - input->at), got = want < left ? want : left;

    *ret_bytes = input->at;
    input->at += got;
    return got;
}

static size_t take_length (input_t *input)
{
    const uint8_t *byte;
    return take (input, 1, &byte) ? *byte : 0;
}

static void add_piece (const uint8_t *value, size_t value_size, unsigned kind, ama_str_t *piece)
{
    char text[512];

    if (kind & 1) {
        (void) sodium_bin2base64 (text, sizeof text, value, value_size, sodium_base64_VARIANT_ORIGINAL);
        ama_str_puts (piece, text);
    }
    else
        ama_str_add (piece, value, kind & 2 ? value_size / 2 : value_size);
}

/* Marks may stand beside bytes of the text that make another find; a value that has our mark's letter is left out. */
static void check (const ama_str_t *out, const uint8_t *value, size_t size)
{
    char text[512];

    if (size < AMA_MASK_MIN || memchr (value, '*', size) || !out->size)
        return;
    BUG_ON (memmem (out->data, out->size, value, size) != NULL);
    (void) sodium_bin2base64 (text, sizeof text, value, size / 3 * 3, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    if (size % 3 == 0)
        BUG_ON (memmem (out->data, out->size, text, strlen (text)) != NULL);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    input_t input = { data, data + size };
    ama_masker_t *masker = ama_masker_new ();
    ama_mask_stream_t *pieces = ama_mask_stream_new (masker), *whole = ama_mask_stream_new (masker);
    ama_str_t all = { 0 }, out = { 0 }, out_whole = { 0 };
    const uint8_t *values[2];
    size_t sizes[2];

    for (size_t i = 0; i < 2; i++) {
        sizes[i] = take (&input, take_length (&input), &values[i]);
        (void) ama_masker_add (masker, (const char *) values[i], sizes[i], NULL);
    }
    while (input.at < input.end && all.size < 65536) {
        size_t length = take_length (&input), got;
        const uint8_t *bytes;
        ama_str_t piece = { 0 };

        if (length >= 0xf0)
            add_piece (values[length & 1], sizes[length & 1], (unsigned) length >> 1, &piece);
        got = take (&input, length & 0x0f, &bytes);
        ama_str_add (&piece, bytes, got);
        ama_str_add (&all, piece.data ? piece.data : "", piece.size);
        ama_mask_stream_feed (pieces, piece.data ? piece.data : "", piece.size, &out);
        ama_str_done (&piece);
    }
    ama_mask_stream_end (pieces, &out);
    ama_mask_stream_feed (whole, all.data ? all.data : "", all.size, &out_whole);
    ama_mask_stream_end (whole, &out_whole);
    BUG_ON (out.size != out_whole.size || (out.size && memcmp (out.data, out_whole.data, out.size) != 0));
    for (size_t i = 0; i < 2; i++)
        check (&out, values[i], sizes[i]);
    ama_mask_stream_destroy (&pieces);
    ama_mask_stream_destroy (&whole);
    ama_masker_destroy (&masker);
    ama_str_done (&all);
    ama_str_done (&out);
    ama_str_done (&out_whole);
    return 0;
}
