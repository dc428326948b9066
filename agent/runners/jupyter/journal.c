/* journal.c - see journal.h. Pure; used by the Scala runner, on the agent's thread. */
#include "agent/runners/jupyter/journal.h"

#include "actors/base/ama_log.h"

#include <stdlib.h>
#include <string.h>

enum { FRAMES = 6, SIZE = 4 };

struct ama_journal {
    char *key;
    ama_journal_fn *fn;
    void *arg;
    ama_str_t bytes; /* from the beginning of a record */
    bool lost;
};

ama_journal_t *ama_journal_new (const char *key, ama_journal_fn *fn, void *arg)
{
    ama_journal_t *journal = ama_calloc (1, sizeof *journal);

    *journal = (ama_journal_t){ .key = ama_strdup (key), .fn = fn, .arg = arg };
    return journal;
}

void ama_journal_destroy (ama_journal_t **journal)
{
    if (!*journal)
        return;
    ama_str_done (&(*journal)->bytes);
    free ((*journal)->key);
    free (*journal);
    *journal = NULL;
}

static size_t size_at (const char *at)
{
    const unsigned char *b = (const unsigned char *) at;

    return b[0] | (size_t) b[1] << 8 | (size_t) b[2] << 16 | (size_t) b[3] << 24;
}

/* False: it is no message of six frames. */
static bool take_record (ama_journal_t *journal, const char *at, size_t size)
{
    ama_frame_t frames[FRAMES];
    ama_jupyter_message_t message;
    ama_err_t err;

    for (size_t i = 0; i < FRAMES; i++) {
        size_t n;
        if (size < SIZE || (n = size_at (at)) > size - SIZE)
            return false;
        frames[i] = (ama_frame_t){ at + SIZE, n };
        at += SIZE + n;
        size -= SIZE + n;
    }
    if (size)
        return false;
    if (ama_jupyter_unpack (frames, FRAMES, journal->key, &message, &err) < 0) {
        ama_log (AMA_LOG_DEBUG, "jupyter", "a message was dropped: %s", err.text);
        return true;
    }
    journal->fn (&message, journal->arg);
    ama_jupyter_message_done (&message);
    return true;
}

static int lose (ama_journal_t *journal, ama_err_t *err, int code, const char *why)
{
    journal->lost = true;
    ama_str_done (&journal->bytes);
    return ama_err_set (err, code, "what the kernel says can not be understood: %s", why);
}

int ama_journal_feed (ama_journal_t *journal, const char *bytes, size_t size, ama_err_t *err)
{
    size_t at = 0, left;

    if (journal->lost)
        return 0;
    ama_str_add (&journal->bytes, bytes, size);
    while ((left = journal->bytes.size - at) >= SIZE) {
        size_t n = size_at (journal->bytes.data + at);
        if (n > AMA_JUPYTER_FRAME)
            return lose (journal, err, AMA_E_LIMIT, "a message is too long");
        if (n > left - SIZE)
            break;
        if (!take_record (journal, journal->bytes.data + at + SIZE, n))
            return lose (journal, err, AMA_E_DECODE, "a record is not made of frames");
        at += SIZE + n;
    }
    if (at)
        ama_str_cut (&journal->bytes, at);
    return 0;
}
