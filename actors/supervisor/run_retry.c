/* run_retry.c - retry rules. Called by the run core, on the supervisor's thread. Pure; patterns come from a repository and are bounded. */
#include "actors/supervisor/run_retry.h"

#include "actors/base/ama_pattern.h"

#include <fnmatch.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#define DELAY_MAX_MS (24 * 3600 * 1000LL)

uint32_t ama_retry_attempts (const ama_plan_retry_t *retry)
{
    return retry->attempts ? retry->attempts : 1;
}

const char *ama_retry_cause (ama_attempt_state_t state, const char *given)
{
    if (given && *given)
        return given;
    switch (state) {
    case AMA_ATTEMPT_STATE_TIMED_OUT:
        return "timeout";
    case AMA_ATTEMPT_STATE_LOST:
        return "node-lost";
    case AMA_ATTEMPT_STATE_ERRORED:
    case AMA_ATTEMPT_STATE_CANCELLED:
        return "killed";
    default:
        return "error";
    }
}

static bool message_matches (const char *pattern, const char *message)
{
    regex_t regex;
    bool matches;

    if (!ama_pattern_is_cheap (pattern) || regcomp (&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    matches = regexec (&regex, message, 0, NULL, 0) == 0;
    regfree (&regex);
    return matches;
}

/* A rule without any condition is for every failure. */
static bool rule_matches (const ama_plan_rule_t *rule, const ama_retry_failure_t *failure)
{
    if (!rule->n_causes && !rule->n_errors && !rule->n_messages && !rule->n_exits)
        return true;
    for (size_t i = 0; i < rule->n_causes; i++) {
        if (strcmp (rule->causes[i], failure->cause) == 0)
            return true;
    }
    for (size_t i = 0; i < rule->n_errors; i++) {
        if (failure->error && *failure->error && fnmatch (rule->errors[i], failure->error, 0) == 0)
            return true;
    }
    for (size_t i = 0; i < rule->n_messages; i++) {
        if (failure->message && message_matches (rule->messages[i], failure->message))
            return true;
    }
    for (size_t i = 0; i < rule->n_exits; i++) {
        if (failure->exit >= 0 && rule->exits[i] == failure->exit)
            return true;
    }
    return false;
}

/* nth: 1 for the first retry. */
static int64_t delay_of (const ama_plan_retry_t *retry, int64_t base, uint32_t nth)
{
    int64_t most = retry->max_delay_ms > 0 && retry->max_delay_ms < DELAY_MAX_MS ? retry->max_delay_ms : DELAY_MAX_MS;
    int64_t delay = base < 0 ? 0 : base;

    if (delay > most)
        return most;
    switch (retry->backoff) {
    case AMA_BACKOFF_LINEAR:
        delay = nth > 0 && delay > most / nth ? most : delay * nth;
        break;
    case AMA_BACKOFF_EXPONENTIAL:
        for (uint32_t i = 1; i < nth && delay > 0 && delay < most; i++)
            delay = delay > most / 2 ? most : delay * 2;
        break;
    default:
        break;
    }
    return delay < most ? delay : most;
}

ama_retry_t ama_retry_decide (const ama_plan_retry_t *retry, const ama_retry_failure_t *failure, uint32_t counted,
                              uint32_t free_used)
{
    const ama_plan_rule_t *rule = NULL;
    int64_t base = retry->delay_ms;
    bool again = true, costs = true;

    for (size_t i = 0; i < retry->n_rules && !rule; i++) {
        if (rule_matches (&retry->rules[i], failure))
            rule = &retry->rules[i];
    }
    if (rule) {
        again = rule->act == AMA_RULE_DO_RETRY;
        costs = !rule->free;
        if (rule->delay_ms >= 0)
            base = rule->delay_ms;
    }
    else if (strcmp (failure->cause, "syntax") == 0
             || (failure->error
                 && (strcmp (failure->error, "secret") == 0 || strcmp (failure->error, "resolution") == 0)))
        again = false; /* it would only fail again: a missing secret or another version comes from a person */
    else if (strcmp (failure->cause, "node-lost") == 0 || strcmp (failure->cause, "preempted") == 0)
        costs = false;

    if (!again)
        return (ama_retry_t){ .verdict = AMA_RUN_VERDICT_FINAL };
    if (!costs && free_used < AMA_RETRY_FREE_MAX)
        return (ama_retry_t){ AMA_RUN_VERDICT_FREE, delay_of (retry, base, counted + free_used + 1) };
    if (counted + 1 >= ama_retry_attempts (retry))
        return (ama_retry_t){ .verdict = AMA_RUN_VERDICT_FINAL };
    return (ama_retry_t){ AMA_RUN_VERDICT_RETRY, delay_of (retry, base, counted + 1) };
}
