/* fuzz_jupyter.c - no message of a kernel crashes the agent; what is signed wrongly is never parsed; what is taken can be said again
 *
 * A line of the input is a frame. It is tried as it is, with the key of tests/bad/jupyter, then without a key and without its signature,
 * so that the JSON behind the signature is reached although nobody can guess it.
 */
#include "agent/runners/jupyter/journal.h"
#include "tests/unit/agent/lines.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define MAX_FRAMES 64 /* as of ama_sock.h */

/* Said again by us, it says the same. */
static void say_again (const ama_jupyter_message_t *message)
{
    ama_jupyter_packed_t packed;
    ama_jupyter_message_t again;

    ama_jupyter_pack (&(ama_jupyter_outgoing_t){ .key = "other",
                                                 .session = "s",
                                                 .id = message->parent,
                                                 .type = "x",
                                                 .date = "",
                                                 .metadata = message->metadata,
                                                 .content = message->content },
                      &packed);
    BUG_ON (ama_jupyter_unpack (packed.frames, 6, "other", &again, NULL) < 0);
    BUG_ON (!json_equal (again.content, message->content) || !json_equal (again.metadata, message->metadata));
    ama_jupyter_message_done (&again);
    ama_jupyter_packed_done (&packed);
}

static int take (const ama_frame_t *frames, size_t n_frames, const char *key)
{
    ama_jupyter_message_t message = { 0 };
    ama_err_t err = { 0 };
    int rc = ama_jupyter_unpack (frames, n_frames, key, &message, &err);

    if (rc < 0) {
        BUG_ON (err.code != rc || message.header || message.content);
        BUG_ON (rc != AMA_E_DECODE && rc != AMA_E_AUTH && rc != AMA_E_LIMIT);
        return rc;
    }
    BUG_ON (!message.type[0] || !message.parent);
    BUG_ON (!json_is_object (message.header) || !json_is_object (message.parent_header));
    BUG_ON (!json_is_object (message.metadata) || !json_is_object (message.content));
    say_again (&message);
    ama_jupyter_message_done (&message);
    return 0;
}

static void on_journal (const ama_jupyter_message_t *message, void *arg)
{
    (void) arg;
    BUG_ON (!message->type[0] || !message->parent || !json_is_object (message->content));
}

/* Whatever a user's code writes into the pipe of a scope. */
static void read_journal (const char *bytes, size_t size)
{
    ama_journal_t *journal = ama_journal_new ("", on_journal, NULL);
    ama_err_t err = { 0 };
    int rc = ama_journal_feed (journal, bytes, size / 2, &err);

    if (rc == 0)
        rc = ama_journal_feed (journal, bytes + size / 2, size - size / 2, &err);
    BUG_ON (rc < 0 && rc != AMA_E_DECODE && rc != AMA_E_LIMIT);
    ama_journal_destroy (&journal);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    ama_frame_t frames[MAX_FRAMES] = { { 0 } };
    size_t n_frames = frames_of_lines (data, size, frames, MAX_FRAMES);

    read_journal ((const char *) data, size);
    (void) take (frames, n_frames, "0123456789abcdef");
    for (size_t i = 0; i + 1 < n_frames; i++)
        if (frames[i].size == 9 && memcmp (frames[i].data, "<IDS|MSG>", 9) == 0) {
            frames[i + 1].size = 0;
            break;
        }
    (void) take (frames, n_frames, "");
    return 0;
}
