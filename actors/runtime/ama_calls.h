/* ama_calls.h - calls that wait for the end of a loop's turn (internal to actors/runtime). Pure. */
#ifndef AMA_RUNTIME_CALLS_H
#define AMA_RUNTIME_CALLS_H

#include <stddef.h>

typedef struct {
    void (*fn) (void *arg); /* NULL: forgotten */
    void *arg;
} ama_call_t;

/* In the order in which they came. Zero-initialise. */
typedef struct {
    ama_call_t *of; /* ours */
    size_t size, room;
} ama_calls_t;

/* One that is there already is not added. */
void ama_calls_add (ama_calls_t *calls, void (*fn) (void *arg), void *arg);
/* Those with this arg are not made any more; the others keep their places. */
void ama_calls_forget (ama_calls_t *calls, const void *arg);
void ama_calls_done (ama_calls_t *calls);

#endif
