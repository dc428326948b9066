/* ama_sim_child.c - children in the simulator: what a program would say and how it would end, at virtual times
 *
 * Part of the actor that has the child, on the simulator's one thread. A killed actor takes its children along.
 */
#include "actors/runtime/ama_child_in.h"
#include "actors/runtime/ama_sim.h"

#include <stdlib.h>
#include <utlist.h>

typedef struct line {
    struct line *next;
    int64_t at_ms;
    int channel; /* 0: the end */
    int code, signal;
    ama_str_t bytes;
} line_t;

struct ama_stand_in {
    ama_child_t *child;
    ama_timer_t *turn;
    line_t *lines; /* in the order in which they were said */
};

static void free_line (line_t *line)
{
    ama_str_done (&line->bytes);
    free (line);
}

static void arm (ama_stand_in_t *self)
{
    if (self->lines)
        ama_timer_at (self->turn, self->lines->at_ms);
}

static void on_turn (void *arg)
{
    ama_stand_in_t *self = arg;
    line_t *line = self->lines;
    bool lives = true;

    LL_DELETE (self->lines, line);
    if (line->channel)
        lives = ama_child_deliver (self->child, line->channel, line->bytes.data, line->bytes.size);
    else {
        lives = false;
        ama_child_ended (self->child, line->code, line->signal);
    }
    free_line (line);
    if (lives)
        arm (self);
}

static void add (ama_stand_in_t *self, int64_t after_ms, line_t line)
{
    line_t *added = ama_malloc (sizeof *added), *last = NULL;

    LL_FOREACH (self->lines, last)
    if (!last->next)
        break;
    *added = line;
    added->at_ms = ama_now_ms (self->child->ctx) + after_ms;
    if (last && added->at_ms < last->at_ms)
        added->at_ms = last->at_ms;
    LL_APPEND (self->lines, added);
    arm (self);
}

void ama_sim_child_say (ama_child_t *child, int64_t after_ms, int channel, const void *bytes, size_t size)
{
    line_t line = { .channel = channel };

    ama_str_add (&line.bytes, bytes, size);
    add (child->stand_in, after_ms, line);
}

void ama_sim_child_exit (ama_child_t *child, int64_t after_ms, int code, int signal)
{
    add (child->stand_in, after_ms, (line_t){ .code = code, .signal = signal });
}

/* ---- for ama_child.c ---- */

int ama_stand_in_hear (ama_stand_in_t *self, const void *bytes, size_t size)
{
    const ama_ctx_t *ctx = self->child->ctx;

    return ctx->ops->program (ctx->port, self->child, bytes, size);
}

int ama_stand_in_new (ama_child_t *child, ama_err_t *err)
{
    ama_stand_in_t *self = ama_calloc (1, sizeof *self);
    int rc;

    self->child = child;
    self->turn = ama_timer_new (child->ctx, on_turn, self);
    child->stand_in = self;
    rc = ama_stand_in_hear (self, child->spec.input, child->spec.input_size);
    return rc < 0 ? ama_err_set (err, rc, "%s: no such process in the simulator", child->spec.argv[0]) : 0;
}

void ama_stand_in_destroy (ama_stand_in_t **stand_in)
{
    ama_stand_in_t *self = *stand_in;

    if (!self)
        return;
    *stand_in = NULL;
    while (self->lines) {
        line_t *line = self->lines;
        LL_DELETE (self->lines, line);
        free_line (line);
    }
    ama_timer_destroy (&self->turn);
    free (self);
}

/* What it had still to say is not said any more. */
void ama_stand_in_kill (ama_stand_in_t *self, int signal)
{
    while (self->lines) {
        line_t *line = self->lines;
        LL_DELETE (self->lines, line);
        free_line (line);
    }
    add (self, 0, (line_t){ .code = -1, .signal = signal });
}
