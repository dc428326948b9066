/* run_retry.h - is a failed attempt followed by another one, when, and does it use up an attempt?
 *
 * Rules of the contract ("retry" in maki.yml): the job's rules in order, the first that matches wins; then the built-in ones: neither syntax
 * nor a missing secret is retried, node-lost and preempted are free. No match: retry. Pure.
 */
#ifndef AMA_SUPERVISOR_RUN_RETRY_H
#define AMA_SUPERVISOR_RUN_RETRY_H

#include "messages/ama_types.h"
#include "messages/plan.h"

#define AMA_RETRY_FREE_MAX 10 /* free attempts of one action; further ones count */

typedef struct {
    const char *cause; /* a cause word, never empty: ama_retry_cause */
    const char *error;
    const char *message;
    int64_t exit; /* -1: there is none */
} ama_retry_failure_t;

typedef struct {
    ama_run_verdict_t verdict; /* FINAL, RETRY or FREE */
    int64_t delay_ms;
} ama_retry_t;

/* counted: attempts used up before this one; free_used: free ones. */
ama_retry_t ama_retry_decide (const ama_plan_retry_t *retry, const ama_retry_failure_t *failure, uint32_t counted,
                              uint32_t free_used);

/* How many attempts may count, at least 1. */
uint32_t ama_retry_attempts (const ama_plan_retry_t *retry);

/* The cause word of an end: the given one, or what the state says when the agent gave none. */
const char *ama_retry_cause (ama_attempt_state_t state, const char *given);

#endif
