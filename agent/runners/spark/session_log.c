/* session_log.c - a masker before a file. Used by session.c, on the agent's thread. */
#include "agent/runners/spark/session_log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct ama_session_log {
    int fd;
    ama_mask_stream_t *mask;
};

ama_session_log_t *ama_session_log_new (const char *path, const ama_masker_t *masker)
{
    int fd = open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    ama_session_log_t *log;

    if (fd < 0)
        return NULL;
    log = ama_calloc (1, sizeof *log);
    log->fd = fd;
    log->mask = ama_mask_stream_new (masker);
    return log;
}

static void write_out (ama_session_log_t *log, ama_str_t *text)
{
    for (size_t at = 0; at < text->size;) {
        ssize_t n = write (log->fd, text->data + at, text->size - at);
        if (n <= 0)
            break;
        at += (size_t) n;
    }
    ama_str_done (text);
}

void ama_session_log_add (ama_session_log_t *log, const char *bytes, size_t size)
{
    ama_str_t text = { 0 };

    ama_mask_stream_feed (log->mask, bytes, size, &text);
    write_out (log, &text);
}

void ama_session_log_destroy (ama_session_log_t **log)
{
    ama_str_t text = { 0 };

    if (!*log)
        return;
    ama_mask_stream_end ((*log)->mask, &text);
    write_out (*log, &text);
    (void) close ((*log)->fd);
    ama_mask_stream_destroy (&(*log)->mask);
    free (*log);
    *log = NULL;
}
