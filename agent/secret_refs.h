/* secret_refs.h - references to secrets in settings: which there are, and values in their place. Pure. (internal to agent/) */
#ifndef AMA_AGENT_SECRET_REFS_H
#define AMA_AGENT_SECRET_REFS_H

#include "messages/plan.h"

#include <stdbool.h>

#define AMA_SECRETS_MAX 256 /* of one action */

typedef struct {
    char *name; /* owned; as it stands after secret://, whether it is a good one or not */
    char *key, *file;
    uint32_t line; /* the first place that refers to it */
    bool needed;   /* else the reference stays where there is no value */
    char *value;   /* owned, NULL: not there */
} ama_secret_t;

typedef struct {
    ama_secret_t *items;
    size_t count;
    bool full; /* there are more */
} ama_secret_list_t;

/* Some setting refers to a secret. */
bool ama_secret_refs_in (const ama_plan_setting_t *settings, size_t count);

/* Adds those that are not in the list yet. */
void ama_secret_list_add (ama_secret_list_t *list, const ama_plan_setting_t *settings, size_t count, bool needed);
void ama_secret_list_done (ama_secret_list_t *list); /* wipes the values */

/* Values in the place of references. What is replaced is owned by the setting. */
void ama_secret_list_fill (const ama_secret_list_t *list, ama_plan_setting_t *settings, size_t count);

/* Overwrites the values of settings that are about to be freed. */
void ama_secret_wipe (ama_plan_setting_t *settings, size_t count);

#endif
