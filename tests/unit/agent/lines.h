/* lines.h - frames of a Jupyter message as the lines of a file, as tests/bad/jupyter has them */
#ifndef AMA_TESTS_AGENT_LINES_H
#define AMA_TESTS_AGENT_LINES_H

#include "agent/runners/jupyter/wire.h"

#include <string.h>

/* Borrows from data. No bytes: no frame. Lines beyond max are left away. */
static inline size_t frames_of_lines (const void *data, size_t size, ama_frame_t *frames, size_t max)
{
    const char *at = data, *end = at + size;
    size_t count = 0;

    for (const char *stop; size && count < max; at = stop + 1) {
        stop = memchr (at, '\n', (size_t) (end - at));
        if (!stop)
            stop = end;
        frames[count++] = (ama_frame_t){ at, (size_t) (stop - at) };
        if (stop == end)
            break;
    }
    return count;
}

#endif
