/* broker_text.c - why a wish waits, or can never be granted, for a person. No I/O. */
#include "actors/broker/broker_in.h"

#include <inttypes.h>
#include <stdio.h>

enum { AHEAD_EXACT = 10 };

static void size_text (uint64_t bytes, char *buf, size_t size)
{
    if (bytes >= 1ULL << 30 && bytes % (1ULL << 30) == 0)
        (void) snprintf (buf, size, "%" PRIu64 "g", bytes >> 30);
    else
        (void) snprintf (buf, size, "%" PRIu64 "m", bytes >> 20);
}

static void cpus_text (millis_t cpus, char *buf, size_t size)
{
    (void) snprintf (buf, size, "%g cpu%s", (double) cpus / 1000, cpus == 1000 ? "" : "s");
}

static void ahead_text (size_t ahead, char *buf, size_t size)
{
    size_t round = AHEAD_EXACT;

    while (round * 10 < ahead)
        round *= 10;
    if (ahead <= AHEAD_EXACT)
        (void) snprintf (buf, size, "%zu run%s ahead", ahead, ahead == 1 ? "" : "s");
    else
        (void) snprintf (buf, size, "more than %zu runs ahead", round);
}

void broker_text_wait (const broker_lease_t *lease, bool any, bool possible, size_t ahead, char text[BROKER_TEXT_ROOM])
{
    char cpus[40] = "all cpus of an agent", memory[40], before[64];

    if (!lease->all_cpus)
        cpus_text (lease->cpus, cpus, sizeof cpus);
    size_text (lease->memory, memory, sizeof memory);
    ahead_text (ahead, before, sizeof before);
    if (!any)
        (void) snprintf (text, BROKER_TEXT_ROOM, "waiting for the agent to start");
    else if (!possible)
        (void) snprintf (text, BROKER_TEXT_ROOM, "waiting for %s and %s: no agent that is here has as much", cpus,
                         memory);
    else if (ahead)
        (void) snprintf (text, BROKER_TEXT_ROOM, "waiting for %s and %s: %s", cpus, memory, before);
    else
        (void) snprintf (text, BROKER_TEXT_ROOM, "waiting for %s and %s: used by this run's other actions", cpus,
                         memory);
}

void broker_text_refusal (const broker_lease_t *lease, const broker_best_t *best, ama_err_t *ret_error)
{
    bool cpus_do = lease->all_cpus || (lease->cpus > 0 && lease->cpus <= best->cpus);
    const char *what = cpus_do ? "memory" : "cpus";
    char asked[40], has[40], memory[40];

    size_text (lease->memory, memory, sizeof memory);
    if (cpus_do) {
        (void) snprintf (asked, sizeof asked, "%s", memory);
        size_text (best->memory, has, sizeof has);
    }
    else {
        (void) snprintf (asked, sizeof asked, "%g", (double) lease->cpus / 1000);
        (void) snprintf (has, sizeof has, "%g", (double) best->cpus / 1000);
    }
    if (cpus_do && lease->memory <= best->memory)
        (void) ama_err_set (ret_error, AMA_E_INVALID, "%g cpus and %s of memory asked for, no agent has both",
                            (double) lease->cpus / 1000, memory);
    else if (best->n > 1)
        (void) ama_err_set (ret_error, AMA_E_INVALID, "%s of %s asked for, no agent has more than %s to give", what,
                            asked, has);
    else
        (void) ama_err_set (ret_error, AMA_E_INVALID, "%s of %s asked for, the agent's machine has %s to give", what,
                            asked, has);
}
