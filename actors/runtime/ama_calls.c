/* ama_calls.c - see its header. Used by ama_loop.c. */
#include "actors/runtime/ama_calls.h"

#include "actors/base/ama_err.h"

#include <stdlib.h>

void ama_calls_add (ama_calls_t *calls, void (*fn) (void *arg), void *arg)
{
    for (size_t i = 0; i < calls->size; i++)
        if (calls->of[i].fn == fn && calls->of[i].arg == arg)
            return;
    if (calls->size == calls->room) {
        calls->room = calls->room ? calls->room * 2 : 8;
        calls->of = ama_realloc (calls->of, calls->room * sizeof *calls->of);
    }
    calls->of[calls->size++] = (ama_call_t){ fn, arg };
}

void ama_calls_forget (ama_calls_t *calls, const void *arg)
{
    for (size_t i = 0; i < calls->size; i++)
        if (calls->of[i].arg == arg)
            calls->of[i].fn = NULL;
}

void ama_calls_done (ama_calls_t *calls)
{
    free (calls->of);
    *calls = (ama_calls_t){ 0 };
}
