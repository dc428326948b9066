/* output.c - cuts a byte stream into lines of valid text
 *
 * Called by the runners with what children write, on the agent's thread. Pure. Memory: one chunk of 64 KiB, and what the callback keeps.
 */
#include "agent/runners/output.h"

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"
#include "messages/ama_message.h"

#include <stdlib.h>
#include <string.h>

#define FEW_LINES 16    /* that come at once and still are events of their own */
#define JOINED    32768 /* bytes of lines that share an event */

struct ama_output {
    ama_output_fn *fn;
    void *arg;
    ama_str_t held; /* unfinished line; at most AMA_OUTPUT_CHUNK */
};

ama_output_t *ama_output_new (ama_output_fn *fn, void *arg)
{
    ama_output_t *output = ama_calloc (1, sizeof *output);
    output->fn = fn;
    output->arg = arg;
    return output;
}

void ama_output_destroy (ama_output_t **output)
{
    if (!*output)
        return;
    ama_str_done (&(*output)->held);
    free (*output);
    *output = NULL;
}

size_t ama_output_pending (const ama_output_t *output)
{
    return output->held.size;
}

/* Size without the bytes of a last character that may still be completed. */
static size_t whole_characters (const char *text, size_t size)
{
    for (size_t back = 1; back <= 3 && back <= size; back++) {
        unsigned char c = (unsigned char) text[size - back];
        if (c >= 0xc2 && c <= 0xf4) {
            size_t length = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
            return length > back ? size - back : size;
        }
        if ((c & 0xc0) != 0x80)
            break;
    }
    return size;
}

/* Replacing may triple the size, so a chunk that is not text goes out in two. */
static void emit (ama_output_t *output, const char *text, size_t size, bool partial)
{
    while (size > JOINED && (memchr (text, 0, size) || !ama_utf8_valid (text, size))) {
        size_t part = whole_characters (text, JOINED);
        char *fit = ama_text_fit (text, part, SIZE_MAX / 2);
        output->fn (fit, strlen (fit), true, output->arg);
        free (fit);
        text += part;
        size -= part;
    }
    if (!memchr (text, 0, size) && ama_utf8_valid (text, size)) {
        char *copy = ama_strndup (text, size);
        output->fn (copy, size, partial, output->arg);
        free (copy);
    }
    else {
        char *fit = ama_text_fit (text, size, SIZE_MAX / 2);
        output->fn (fit, strlen (fit), partial, output->arg);
        free (fit);
    }
}

void ama_output_flush (ama_output_t *output, bool all)
{
    size_t size = all ? output->held.size : whole_characters (output->held.data, output->held.size);

    if (!size)
        return;
    emit (output, output->held.data, size, true);
    ama_str_cut (&output->held, size);
}

static size_t count_lines (const char *bytes, size_t size)
{
    size_t count = 0;

    for (const char *at = bytes, *end = bytes + size; at < end && (at = memchr (at, '\n', (size_t) (end - at))); at++)
        count++;
    return count;
}

/* Appends part of a line; what does not fit goes out. */
static void hold (ama_output_t *output, const char *bytes, size_t size)
{
    while (output->held.size + size > AMA_OUTPUT_CHUNK) {
        size_t part = AMA_OUTPUT_CHUNK - output->held.size;
        ama_str_add (&output->held, bytes, part);
        bytes += part;
        size -= part;
        ama_output_flush (output, false);
    }
    ama_str_add (&output->held, bytes, size);
}

void ama_output_feed (ama_output_t *output, const char *bytes, size_t size)
{
    const char *end = bytes + size;
    bool join = count_lines (bytes, size) > FEW_LINES;

    while (bytes < end) {
        const char *newline = memchr (bytes, '\n', (size_t) (end - bytes));
        const char *stop = newline ? newline : end;

        if (join && newline && !output->held.size) { /* as many whole lines as an event takes */
            const char *limit = bytes + JOINED < end ? bytes + JOINED : end;
            const char *last = memrchr (bytes, '\n', (size_t) (limit - bytes));
            stop = newline = last ? last : newline;
        }
        if (newline && !output->held.size && stop - bytes <= AMA_OUTPUT_CHUNK)
            emit (output, bytes, (size_t) (stop - bytes), false);
        else {
            hold (output, bytes, (size_t) (stop - bytes));
            if (newline) {
                emit (output, output->held.data ? output->held.data : "", output->held.size, false);
                ama_str_clear (&output->held);
            }
        }
        bytes = newline ? newline + 1 : end;
    }
}
