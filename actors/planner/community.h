/* community.h - runners that a repository brings: runners/NAME/runner.yml says how files go to an installed kernel (docs/runners.md) */
#ifndef AMA_PLANNER_COMMUNITY_H
#define AMA_PLANNER_COMMUNITY_H

#include "actors/planner/repo.h"
#include "config/ama_doc.h"
#include "messages/plan.h"

#define AMA_COMMUNITY_MAX       100          /* of a repository */
#define AMA_COMMUNITY_WORDS_MAX 32           /* types, and endings, of one */
#define AMA_COMMUNITY_DOCUMENT  (256u << 10) /* bytes of a runner.yml */

typedef struct {
    char *file;   /* its runner.yml; owned */
    char **types; /* names of runner.type, in lower case; owned, NULL-terminated */
    char **files; /* endings, with their dot; owned, NULL-terminated */
    ama_plan_kernel_t kernel;
} ama_community_runner_t;

typedef struct {
    ama_community_runner_t *items; /* in byte order of their folders */
    size_t count;
} ama_community_t;

/* All of runners/, problems with their places. community is usable in any case, and the caller's to clear. */
void ama_community_read (ama_repo_t *repo, ama_community_t *ret_community, ama_problems_t *problems);
void ama_community_done (ama_community_t *community);

/* One document. 0, or negative if an error was added; ret_runner is usable in both cases. */
int ama_community_parse (const ama_yaml_t *root, const char *file, ama_community_runner_t *ret_runner,
                         ama_problems_t *problems);
void ama_community_runner_done (ama_community_runner_t *runner);

/* NULL if there is none, also without a community. Case does not count. */
const ama_community_runner_t *ama_community_of_type (const ama_community_t *community, const char *type);
const ama_community_runner_t *ama_community_of_file (const ama_community_t *community, const char *file);

/* The runner's part of an action's plan. */
void ama_community_fill (const ama_community_runner_t *runner, ama_plan_kernel_t *ret_kernel);

#endif
