/* variables.h - the environment of a process that is to be started. Pure (internal to agent/) */
#ifndef AMA_AGENT_VARIABLES_H
#define AMA_AGENT_VARIABLES_H

#include <stddef.h>

/* NAME=value, NULL-terminated; owned. A name set twice has its last value. */
typedef struct {
    char **items;
    size_t count;
    struct ama_env_entry *names; /* hash by name */
} ama_env_t;

void ama_env_set (ama_env_t *env, const char *name, const char *value); /* value NULL: nothing is set */
/* NAME=value as one text; without = the value is empty. */
void ama_env_set_pair (ama_env_t *env, const char *pair);
void ama_env_done (ama_env_t *env);

#endif
