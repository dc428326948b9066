/* fuzz_resolve_answer.c - no line of the child and no lock on disk crashes the resolver; what is taken can be told and kept */
#include "actors/resolver/resolve_answer.h"
#include "actors/resolver/resolve_lock.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void on_step (const ama_resolve_step_t *step, void *arg)
{
    (void) arg;
    BUG_ON (step->note && strlen (step->note) > 8 * AMA_RESOLVE_NOTE_MAX);
}

static void try_answer (const char *bytes, size_t size, size_t cut)
{
    ama_resolve_answer_t answer = { 0 };
    ama_err_t err = { 0 };

    (void) ama_resolve_answer_feed (&answer, bytes, cut, on_step, NULL, NULL);
    (void) ama_resolve_answer_feed (&answer, bytes + cut, size - cut, on_step, NULL, NULL);
    BUG_ON (ama_resolve_answer_end (&answer, &err) < 0 && !err.text[0]);
    for (size_t i = 0; i < answer.n_files; i++) {
        char *name = ama_resolve_lock_name (answer.files[i].coordinates, answer.files[i].path);
        BUG_ON (!*name || *name == '.' || strchr (name, '/') || strlen (name) > 255);
        free (name);
    }
    ama_resolve_answer_done (&answer);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    const char *bytes = (const char *) data;
    ama_resolve_lock_t lock, again;
    ama_str_t text = { 0 };

    try_answer (bytes, size, size / 2);
    if (ama_resolve_lock_decode (bytes, size, &lock, NULL) == 0) {
        ama_resolve_lock_encode (&lock, &text);
        BUG_ON (ama_resolve_lock_decode (text.data, text.size, &again, NULL) < 0);
        ama_resolve_lock_done (&again);
        ama_resolve_lock_done (&lock);
        ama_str_done (&text);
    }
    return 0;
}
