/* jar_text.h - what spark-submit is given, and what it says when it fails. Pure (internal to agent/) */
#ifndef AMA_AGENT_JAR_TEXT_H
#define AMA_AGENT_JAR_TEXT_H

#include "actors/base/ama_str.h"
#include "messages/attempt.h"

/* The properties file (java.util.Properties, UTF-8) of an attempt: the environment's Spark settings; master, name, memory and jars over them. jars: those from the
 * first-th on; those that the environment names stay. May hold secrets. Appends to out. */
void ama_jar_properties (const ama_attempt_start_t *start, size_t first, ama_str_t *out);

/* The jars among them, with commas between; owned. */
char *ama_jar_list (const ama_attempt_start_t *start, size_t first);
/* A line that takes the place of theirs: list, as above and maybe NULL, and more. Appends to out. */
void ama_jar_more (const char *list, char *const *more, size_t n_more, ama_str_t *out);

/* The error in the last of its standard error: an exception of the main thread, or spark-submit's own complaint. Names are empty if there is none. */
typedef struct {
    char name[256];
    char message[1024];
    bool out_of_memory;
} ama_jar_error_t;
void ama_jar_error (const char *tail, size_t size, ama_jar_error_t *ret_error);

#endif
