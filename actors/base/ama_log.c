/* ama_log.c - the logger. Set up once in main; ama_log is safe on any thread (one write per line). */
#include "actors/base/ama_log.h"

#include "actors/base/ama_clock.h"
#include "actors/base/ama_str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096 };

static struct {
    ama_log_level_t level;
    bool json;
    int fd;
} logger = { AMA_LOG_WARN, false, 2 };

static const char *const level_names[] = { "error", "warn", "info", "debug", "trace" };

void ama_log_setup (ama_log_level_t level, bool json, int fd)
{
    logger.level = level;
    logger.json = json;
    logger.fd = fd;
}

int ama_log_level_parse (const char *text, ama_log_level_t *ret_level)
{
    for (size_t i = 0; i < ARRAY_SIZE (level_names); i++)
        if (strcmp (text, level_names[i]) == 0) {
            *ret_level = (ama_log_level_t) i;
            return 0;
        }
    return AMA_E_INVALID;
}

bool ama_log_enabled (ama_log_level_t level)
{
    return level <= logger.level;
}

static void write_line (ama_log_level_t level, const char *component, const char *text, const ama_err_t *err)
{
    ama_str_t line = { 0 };
    char when[25];

    (void) ama_time_text (ama_wall_ms (ama_clock_system ()), when);
    ama_str_printf (&line,
                    logger.json ? "{\"ts\":\"%s\",\"level\":\"%s\",\"component\":\"%s\",\"msg\":\""
                                : "ts=%s level=%s component=%s msg=\"",
                    when, level_names[level], component);
    ama_str_json (&line, text, strnlen (text, LINE_MAX_BYTES));
    if (err) {
        ama_str_printf (&line, logger.json ? "\",\"code\":\"%s\",\"err\":\"" : "\" code=%s err=\"",
                        ama_err_name (err->code));
        ama_str_json (&line, err->text, strlen (err->text));
    }
    ama_str_puts (&line, logger.json ? "\"}\n" : "\"\n");
    if (write (logger.fd, line.data, line.size) < 0) {
        /* nowhere left to say so */
    }
    ama_str_done (&line);
}

void ama_log (ama_log_level_t level, const char *component, const char *format, ...)
{
    char text[LINE_MAX_BYTES];
    va_list args;

    if (!ama_log_enabled (level))
        return;
    va_start (args, format);
    (void) vsnprintf (text, sizeof text, format, args);
    va_end (args);
    write_line (level, component, text, NULL);
}

void ama_log_err (const char *component, const ama_err_t *err, const char *format, ...)
{
    char text[LINE_MAX_BYTES];
    va_list args;

    va_start (args, format);
    (void) vsnprintf (text, sizeof text, format, args);
    va_end (args);
    write_line (AMA_LOG_ERROR, component, text, err);
}
