/* ama_log.h - one line per fact: level, component, text, key=value fields (logfmt), to stderr or a file descriptor
 *
 * The logger is the one global of the house. Library code logs at debug only; shells and programs log, each error once.
 * Never pass a secret or a whole environment. Lines are cut at 4 KiB and written with one write(2).
 */
#ifndef AMA_BASE_LOG_H
#define AMA_BASE_LOG_H

#include "actors/base/ama_err.h"

#include <stdbool.h>

typedef enum { AMA_LOG_ERROR, AMA_LOG_WARN, AMA_LOG_INFO, AMA_LOG_DEBUG, AMA_LOG_TRACE } ama_log_level_t;

/* Before threads start. json: one JSON object per line instead of logfmt. */
void ama_log_setup (ama_log_level_t level, bool json, int fd);
/* "error" … "trace"; 0 or AMA_E_INVALID. */
int ama_log_level_parse (const char *text, ama_log_level_t *ret_level);
bool ama_log_enabled (ama_log_level_t level);

/* component: the actor or program. Control characters of the text are escaped. */
void ama_log (ama_log_level_t level, const char *component, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));
void ama_log_err (const char *component, const ama_err_t *err, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));

#endif
