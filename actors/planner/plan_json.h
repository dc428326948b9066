/* plan_json.h - a plan, a configuration and problems as documents for machines and as text for people
 *
 * The JSON documents `plan`, `config show` and `problems` of docs/reference/documents.md. Everything is appended to out, JSON without a line feed at its end,
 * text with one after each line. Nothing of a repository's text can break a line or move a cursor.
 */
#ifndef AMA_PLANNER_PLAN_JSON_H
#define AMA_PLANNER_PLAN_JSON_H

#include "messages/plan.h"

/* timeout is in seconds, null for none; so is error without an error action. */
void ama_plan_json (const ama_plan_plan_t *plan, ama_str_t *out);
/* One line per action: "step2  spark-scala  src/b.scala  after start  3 attempts, on error alert". */
void ama_plan_text (const ama_plan_plan_t *plan, ama_str_t *out);

void ama_plan_problems_json (const ama_plan_problem_t *problems, size_t count, ama_str_t *out);
/* "file:line:col: error: message (hint) [AMA-E0004]" */
void ama_plan_problems_text (const ama_plan_problem_t *problems, size_t count, ama_str_t *out);

/* Every setting of the environment and, with an action, of that over it. 0 or AMA_E_NOT_FOUND: no such action; nothing was appended. */
int ama_plan_config_json (const ama_plan_plan_t *plan, const char *action, ama_str_t *out, ama_err_t *err);
int ama_plan_config_text (const ama_plan_plan_t *plan, const char *action, ama_str_t *out, ama_err_t *err);

#endif
