/* run_spec.h - plans from words, for tests of the run core; the grammar is in run_spec.c */
#ifndef AMA_TESTS_RUN_SPEC_H
#define AMA_TESTS_RUN_SPEC_H

#include "messages/plan.h"

#define SPEC_MAX 64

typedef struct {
    ama_plan_plan_t plan;
    ama_plan_action_t actions[SPEC_MAX];
    uint32_t depends[SPEC_MAX][SPEC_MAX];
    uint32_t own[SPEC_MAX];
    ama_plan_dependencies_t dependencies[SPEC_MAX];
    char names[SPEC_MAX][32];
    char master[64];
} run_spec_t;

/* Freed with free. */
run_spec_t *run_spec_new (const char *text);

#endif
