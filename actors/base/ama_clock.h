/* ama_clock.h - time, behind a struct so that tests and the simulator can drive it
 *
 * Durations, deadlines and timers use mono_ms only; wall_ms is for people, for ids, and for the deadline that a request tells others.
 */
#ifndef AMA_BASE_CLOCK_H
#define AMA_BASE_CLOCK_H

#include <stdint.h>

typedef struct ama_clock {
    int64_t (*mono_us) (const struct ama_clock *clock); /* since an arbitrary start, never goes back */
    int64_t (*wall_us) (const struct ama_clock *clock); /* since 1970, UTC */
} ama_clock_t;

/* The machine's clocks. */
const ama_clock_t *ama_clock_system (void);

int64_t ama_mono_ms (const ama_clock_t *clock);
int64_t ama_wall_ms (const ama_clock_t *clock);

/* "2026-01-31T12:00:00.123Z"; buf of at least 25 bytes; returns buf. */
const char *ama_time_text (int64_t wall_ms, char *buf);

/* The id of this boot of the machine, in the time of which mono_us counts: 36 characters, or none if the system does not tell. Returns buf. */
#define AMA_BOOT_TEXT 40
const char *ama_boot_text (char buf[AMA_BOOT_TEXT]);

#endif
