/* ama_clock.c - the machine's clocks and its boot, and RFC 3339 text. Any thread. */
#include "actors/base/ama_clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t read_us (clockid_t which)
{
    struct timespec now;

    (void) clock_gettime (which, &now);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t system_mono (const ama_clock_t *clock)
{
    (void) clock;
    return read_us (CLOCK_MONOTONIC);
}

static int64_t system_wall (const ama_clock_t *clock)
{
    (void) clock;
    return read_us (CLOCK_REALTIME);
}

const ama_clock_t *ama_clock_system (void)
{
    static const ama_clock_t system_clock = { system_mono, system_wall };
    return &system_clock;
}

int64_t ama_mono_ms (const ama_clock_t *clock)
{
    return clock->mono_us (clock) / 1000;
}

int64_t ama_wall_ms (const ama_clock_t *clock)
{
    return clock->wall_us (clock) / 1000;
}

/* Reports have a time in each line: by hand, since printf takes longer than all else of it. */
static char *put_digits (char *at, unsigned value, int digits)
{
    for (int i = digits - 1; i >= 0; i--, value /= 10)
        at[i] = (char) ('0' + value % 10);
    return at + digits;
}

const char *ama_time_text (int64_t wall_ms, char *buf)
{
    time_t seconds = (time_t) (wall_ms / 1000);
    struct tm parts;

    if (wall_ms < 0 || wall_ms > 253402300799999 || !gmtime_r (&seconds, &parts))
        (void) snprintf (buf, 25, "1970-01-01T00:00:00.000Z");
    else {
        const struct {
            int value, digits;
            char behind;
        } fields[] = {
            { parts.tm_year + 1900, 4, '-' },   { parts.tm_mon + 1, 2, '-' }, { parts.tm_mday, 2, 'T' },
            { parts.tm_hour, 2, ':' },          { parts.tm_min, 2, ':' },     { parts.tm_sec, 2, '.' },
            { (int) (wall_ms % 1000), 3, 'Z' },
        };
        char *at = buf;
        for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
            at = put_digits (at, (unsigned) fields[i].value, fields[i].digits);
            *at++ = fields[i].behind;
        }
        *at = '\0';
    }
    return buf;
}

const char *ama_boot_text (char buf[AMA_BOOT_TEXT])
{
    int fd = open ("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read (fd, buf, AMA_BOOT_TEXT - 1);

    if (fd >= 0)
        (void) close (fd);
    buf[n > 0 ? n : 0] = '\0';
    buf[strcspn (buf, "\n")] = '\0';
    return buf;
}
