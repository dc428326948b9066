/* kernel_raw.c - what a stock kernel's process writes past Jupyter
 *
 * Used by kernel_stock.c, on the agent's thread. A kernel may pass on what its programs write (ipykernel does, and writes it as well), or know nothing of it (R's). So a
 * line is told at the end of its statement, unless the kernel has said the same.
 */
#include "agent/runners/jupyter/kernel_stock_in.h"

#include <stdlib.h>
#include <string.h>

enum { RAW_MAX = 64 << 10, SAID_MAX = 256 << 10, SAID_KEPT = 64 << 10 };

struct stock_raw {
    ama_str_t wrote[2], said[2];
};

static struct stock_raw *raw_of (kernel_work_t *work)
{
    if (!work->stock->raw)
        work->stock->raw = ama_calloc (1, sizeof *work->stock->raw);
    return work->stock->raw;
}

void stock_raw_wrote (kernel_work_t *work, int channel, const char *bytes, size_t size)
{
    ama_str_t *wrote = &raw_of (work)->wrote[channel - 1];

    ama_str_add (wrote, bytes, size);
    if (wrote->size > RAW_MAX)
        stock_raw_settle (work);
}

void stock_raw_said (kernel_work_t *work, const ama_jupyter_message_t *message)
{
    const json_t *text = json_object_get (message->content, "text");
    bool wrong = strcmp (ama_jupyter_string (message->content, "name"), "stderr") == 0;
    ama_str_t *said = &raw_of (work)->said[wrong];
    size_t size = json_is_string (text) ? json_string_length (text) : 0;
    const char *bytes = json_string_value (text);

    if (size > SAID_KEPT) {
        bytes += size - SAID_KEPT;
        size = SAID_KEPT;
    }
    if (size)
        ama_str_add (said, bytes, size);
    if (said->size > SAID_MAX)
        ama_str_cut (said, said->size - SAID_KEPT);
}

/* With its line feed, if it has one. */
static bool was_said (const ama_str_t *said, const char *line, size_t size)
{
    return said->size && memmem (said->data, said->size, line, size);
}

void stock_raw_settle (kernel_work_t *work)
{
    struct stock_raw *raw = work->stock->raw;

    for (int i = 0; raw && i < 2; i++) {
        ama_str_t *wrote = &raw->wrote[i];
        for (size_t at = 0, size; at < wrote->size; at += size) {
            const char *end = memchr (wrote->data + at, '\n', wrote->size - at);
            size = end ? (size_t) (end + 1 - wrote->data) - at : wrote->size - at;
            if (!was_said (&raw->said[i], wrote->data + at, size))
                ama_attempt_output (work->script.attempt, i + 1, wrote->data + at, size);
        }
        ama_str_clear (wrote);
    }
}

void stock_raw_done (stock_t *stock)
{
    for (int i = 0; stock->raw && i < 2; i++) {
        ama_str_done (&stock->raw->wrote[i]);
        ama_str_done (&stock->raw->said[i]);
    }
    free (stock->raw);
    stock->raw = NULL;
}
