/* scratch.h - a repository in a temporary folder, for the planner's tests */
#ifndef AMA_TEST_PLANNER_SCRATCH_H
#define AMA_TEST_PLANNER_SCRATCH_H

#include "actors/planner/plan.h"

typedef struct {
    char root[64];
} scratch_t;

void scratch_init (scratch_t *scratch);
/* Makes folders as needed. */
void scratch_put (const scratch_t *scratch, const char *path, const void *bytes, size_t size);
void scratch_puts (const scratch_t *scratch, const char *path, const char *text);
/* "root/path" in a static buffer. */
const char *scratch_path (const scratch_t *scratch, const char *path);
void scratch_done (scratch_t *scratch);

/* Must not fail for want of the folder. */
void scratch_plan (const scratch_t *scratch, const char *env, ama_plan_reply_t *ret_reply);
/* All problems as text; owned. */
char *scratch_problems (const ama_plan_reply_t *reply);
void scratch_expect_problems (const ama_plan_reply_t *reply, const char *text);

/* Must be there. */
const ama_plan_action_t *scratch_action (const ama_plan_plan_t *plan, const char *name);
/* The action has just these dependency files, named with blanks between. */
void scratch_expect_files (const ama_plan_plan_t *plan, const char *action, const char *files);
/* Writes the lock at path that the action is to have, of what its files name; its lines: text. */
void scratch_lock (const scratch_t *scratch, const char *path, const char *action, const char *text);

/* Appends what the plan's dependency files hold, a line each. */
void scratch_dependencies (const ama_plan_plan_t *plan, ama_str_t *out);

/* The bytes of a file of the source tree; owned. */
char *scratch_source_file (const char *path, size_t *ret_size);

#endif
