/* ama_pulse.c - asks loops for a turn, and remembers when each answered. Main thread only. */
#include "actors/runtime/ama_pulse.h"

#include "actors/base/ama_log.h"

#include <stdbool.h>
#include <stdlib.h>
#include <utlist.h>

enum { CHECKS = 4 }; /* within the time that makes a loop a hung one */

typedef struct beat {
    struct beat *prev, *next;
    char *name;
    ama_loop_t *loop;
    int64_t heard_ms;
    bool hung;
} beat_t;

struct ama_pulse {
    int64_t hung_ms;
    beat_t *beats;
};

ama_pulse_t *ama_pulse_new (int64_t hung_ms)
{
    ama_pulse_t *pulse = ama_calloc (1, sizeof *pulse);

    pulse->hung_ms = hung_ms;
    return pulse;
}

void ama_pulse_add (ama_pulse_t *pulse, const char *name, ama_loop_t *loop, int64_t now_ms)
{
    beat_t *beat = ama_calloc (1, sizeof *beat);

    *beat = (beat_t){ .name = ama_strdup (name), .loop = loop, .heard_ms = now_ms };
    DL_APPEND (pulse->beats, beat);
    ama_loop_ping (loop);
}

static void free_beat (beat_t *beat)
{
    free (beat->name);
    free (beat);
}

void ama_pulse_remove (ama_pulse_t *pulse, const ama_loop_t *loop)
{
    beat_t *beat, *next;

    DL_FOREACH_SAFE (pulse->beats, beat, next)
    if (beat->loop == loop) {
        /* utlist: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
        DL_DELETE (pulse->beats, beat);
        free_beat (beat);
    }
}

int64_t ama_pulse_every_ms (const ama_pulse_t *pulse)
{
    return pulse->hung_ms / CHECKS;
}

static void look_at (beat_t *beat, int64_t hung_ms, int64_t now_ms)
{
    if (ama_loop_answered (beat->loop)) {
        if (beat->hung)
            ama_log (AMA_LOG_WARN, beat->name, "goes on after %lld ms without a turn",
                     (long long) (now_ms - beat->heard_ms));
        beat->hung = false;
        beat->heard_ms = now_ms;
        ama_loop_ping (beat->loop);
        return;
    }
    if (!beat->hung && now_ms - beat->heard_ms >= hung_ms) {
        beat->hung = true;
        ama_log (AMA_LOG_ERROR, beat->name, "hangs: its loop has not turned for %lld ms",
                 (long long) (now_ms - beat->heard_ms));
    }
}

const char *ama_pulse_check (ama_pulse_t *pulse, int64_t now_ms)
{
    const char *hung = NULL;
    beat_t *beat;

    DL_FOREACH (pulse->beats, beat)
    {
        look_at (beat, pulse->hung_ms, now_ms);
        if (beat->hung)
            hung = beat->name;
    }
    return hung;
}

void ama_pulse_destroy (ama_pulse_t **pulse_p)
{
    ama_pulse_t *pulse = *pulse_p;
    beat_t *beat, *next;

    if (!pulse)
        return;
    *pulse_p = NULL;
    DL_FOREACH_SAFE (pulse->beats, beat, next)
    free_beat (beat);
    free (pulse);
}
