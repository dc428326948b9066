/* report_json.h - an event as the members of a JSON object, in one fixed order (docs/reference/events.md) */
#ifndef AMA_REPORTER_JSON_H
#define AMA_REPORTER_JSON_H

#include "actors/base/ama_id.h"
#include "actors/base/ama_str.h"
#include "messages/report.h"

#include <stdbool.h>

/* True for what a report at level execution leaves out. */
bool ama_report_is_code (ama_event_type_t type);

/* Adds `"ts":…,"run":…,…` without braces, at most AMA_REPORT_ITEM_JSON_MAX bytes: texts that would make it longer are cut. job and env
 * may be "". Fields that the event does not have stay away. */
void ama_report_json (ama_id_t run, const char *job, const char *env, const ama_report_event_t *event, ama_str_t *out);

/* Members of such a text that a reader of kept events needs; false if it is not one. Strings are owned by the caller. */
typedef struct {
    char *job;
    char *env;
    char *state;
    char *action;
    uint32_t attempt;
    int64_t exit;
} ama_report_tail_t;
bool ama_report_json_tail (const char *json, size_t size, ama_report_tail_t *ret_tail);
void ama_report_tail_done (ama_report_tail_t *tail);

/* What the event of an artifact says; to be freed with ama_run_artifact_info_done. */
bool ama_report_json_artifact (const char *json, size_t size, ama_run_artifact_info_t *ret_info);

#endif
