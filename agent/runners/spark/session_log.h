/* session_log.h - kernel.log, written by the agent when it may have secrets to mask in it (internal to agent/) */
#ifndef AMA_AGENT_SESSION_LOG_H
#define AMA_AGENT_SESSION_LOG_H

#include "agent/masker.h"

typedef struct ama_session_log ama_session_log_t;

/* Appends to path; masker is borrowed. NULL if it can not be opened. */
ama_session_log_t *ama_session_log_new (const char *path, const ama_masker_t *masker);
/* What the disk does not take is lost. */
void ama_session_log_add (ama_session_log_t *log, const char *bytes, size_t size);
void ama_session_log_destroy (ama_session_log_t **log); /* nothing more comes: all of it is in the file */

#endif
