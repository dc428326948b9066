/* settings.h - values by dotted key, put down in layers; the later layer wins, key by key, and every value knows where it stands
 *
 * Maps of a document are taken apart: {a: {b: 1}} is the key a.b. Lists are one value. When a later layer has a scalar where an earlier one had
 * a map, or the other way round, the later one replaces it as a whole; flat sections, whose keys contain dots themselves (Spark's
 * properties), never do that.
 */
#ifndef AMA_PLANNER_SETTINGS_H
#define AMA_PLANNER_SETTINGS_H

#include "config/ama_yaml.h"
#include "messages/plan.h"

typedef struct ama_settings ama_settings_t;

/* history: what a key had before is kept, too. */
ama_settings_t *ama_settings_new (bool history);
void ama_settings_destroy (ama_settings_t **settings);

/* Begins the next layer. */
void ama_settings_layer (ama_settings_t *settings);
/* Which one it is. */
unsigned ama_settings_now (const ama_settings_t *settings);
/* True if the key was set in that layer or a later one. */
bool ama_settings_has_since (const ama_settings_t *settings, const char *key, unsigned layer);

/* json: the value; file is copied. Problems: key or value too long, too many keys; they are told once per key at file:line. */
void ama_settings_set (ama_settings_t *settings, const char *key, const char *json, const char *file, uint32_t line,
                       uint32_t column, bool flat, ama_problems_t *problems);

/* Takes node apart below prefix ("" for none): maps become keys, everything else a value. */
void ama_settings_add (ama_settings_t *settings, const char *prefix, const ama_yaml_t *node, ama_problems_t *problems);

/* The value, NULL if there is none. Borrowed until the next set. */
const char *ama_settings_json (const ama_settings_t *settings, const char *key);

/* What settings that there are replaced: in byte order of the key, the latest first; owned. Empty without history. A map that gave way to a scalar, or the other
 * way round, has no value of its own and is not told. */
void ama_settings_take_overridden (const ama_settings_t *settings, ama_plan_setting_t **ret_list, size_t *ret_count);

/* Every setting whose key begins with prefix, without it, in byte order of the key; owned. */
void ama_settings_take (const ama_settings_t *settings, const char *prefix, ama_plan_setting_t **ret_list,
                        size_t *ret_count);

#endif
