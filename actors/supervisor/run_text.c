/* run_text.c - what a run says about itself to a person: why something failed, how it ended, what a phase did. Pure. */
#include "actors/supervisor/run_retry.h"
#include "actors/supervisor/run_state.h"

#include <inttypes.h>
#include <string.h>

#define MESSAGE_MAX 300
#define EDGES_MAX   6

static void add_first_line (ama_str_t *out, const char *text)
{
    size_t size = strcspn (text, "\r\n");

    ama_str_escape (out, text, size, MESSAGE_MAX);
}

static void add_duration (ama_str_t *out, int64_t ms)
{
    if (ms < 10000)
        ama_str_printf (out, "%" PRId64 "ms", ms);
    else if (ms < 600000)
        ama_str_printf (out, "%" PRId64 "s", ms / 1000);
    else
        ama_str_printf (out, "%" PRId64 "m", ms / 60000);
}

void run_text_failure (const ama_run_core_t *run, uint32_t index, const ama_journal_attempt_ended_t *end,
                       ama_str_t *out)
{
    const ama_plan_action_t *action = &run->plan->actions[index];
    uint32_t most = ama_retry_attempts (&action->retry), counted = run->actions[index].counted;

    if (end->state == AMA_ATTEMPT_STATE_TIMED_OUT) {
        ama_str_puts (out, "timed out");
        if (action->timeout_ms > 0) {
            ama_str_puts (out, " after ");
            add_duration (out, action->timeout_ms);
        }
    }
    else if (end->state == AMA_ATTEMPT_STATE_FAILED)
        ama_str_puts (out, "failed");
    else
        ama_str_puts (out, end->state == AMA_ATTEMPT_STATE_LOST ? "lost" : "errored");
    ama_str_printf (out, " %u of %u", counted, most > counted ? most : counted);
    if (end->error && *end->error && !(end->message && ama_str_starts (end->message, end->error)))
        ama_str_printf (out, ": %s", end->error);
    if (end->message && *end->message) {
        ama_str_puts (out, ": ");
        add_first_line (out, end->message);
    }
    else if (!end->error || !*end->error) {
        if (end->exit > 0)
            ama_str_printf (out, ": exit code %" PRId64, end->exit);
        else if (end->cause && *end->cause && strcmp (end->cause, "error") != 0)
            ama_str_printf (out, ": %s", end->cause);
    }
}

static ama_run_state_t stopped_outcome (ama_run_stop_t why, int *ret_exit, ama_str_t *cause)
{
    switch (why) {
    case AMA_RUN_STOP_RUN_TIMEOUT:
        ama_str_puts (cause, "the run's timeout passed");
        *ret_exit = 124;
        return AMA_RUN_STATE_TIMED_OUT;
    case AMA_RUN_STOP_QUEUE_TIMEOUT:
        ama_str_puts (cause, "no resources within the queue timeout");
        *ret_exit = 5;
        return AMA_RUN_STATE_ERRORED;
    default:
        ama_str_puts (cause, "cancelled");
        *ret_exit = 4;
        return AMA_RUN_STATE_CANCELLED;
    }
}

/* The action that speaks for the run: the first that failed and was not rescued, else that errored, else that was rescued. */
static int64_t spokesman (const ama_run_core_t *run, ama_run_state_t *ret_state)
{
    int64_t failed = -1, errored = -1, rescued = -1;

    for (uint32_t i = 0; i < run->plan->n_actions; i++) {
        ama_action_state_t state = run->actions[i].state;
        int64_t helper = run->plan->actions[i].error_action;
        if (run->plan->actions[i].error_of >= 0
            || (state != AMA_ACTION_STATE_FAILED && state != AMA_ACTION_STATE_ERRORED))
            continue;
        if (helper >= 0 && run->actions[helper].state == AMA_ACTION_STATE_SUCCEEDED)
            rescued = rescued < 0 ? i : rescued;
        else if (state == AMA_ACTION_STATE_FAILED)
            failed = failed < 0 ? i : failed;
        else
            errored = errored < 0 ? i : errored;
    }
    *ret_state = failed >= 0    ? AMA_RUN_STATE_FAILED
                 : errored >= 0 ? AMA_RUN_STATE_ERRORED
                 : rescued >= 0 ? AMA_RUN_STATE_RESCUED
                                : AMA_RUN_STATE_SUCCEEDED;
    return failed >= 0 ? failed : errored >= 0 ? errored : rescued;
}

ama_run_state_t run_outcome (const ama_run_core_t *run, int *ret_exit, int64_t *ret_action, ama_str_t *cause)
{
    static const int exits[] = { [AMA_RUN_STATE_SUCCEEDED] = 0,
                                 [AMA_RUN_STATE_RESCUED] = 3,
                                 [AMA_RUN_STATE_FAILED] = 1,
                                 [AMA_RUN_STATE_ERRORED] = 5 };
    ama_run_state_t state;
    int64_t index;

    if (ret_action)
        *ret_action = -1;
    if (run->stop != AMA_RUN_STOP_UNSPECIFIED)
        return stopped_outcome (run->stop, ret_exit, cause);
    index = spokesman (run, &state);
    *ret_exit = exits[state];
    if (index < 0)
        return state;
    if (ret_action)
        *ret_action = index;
    ama_str_printf (cause, "%s %s", run->plan->actions[index].name,
                    run->actions[index].cause ? run->actions[index].cause : "failed");
    if (state == AMA_RUN_STATE_RESCUED)
        ama_str_printf (cause, ", %s handled it", run->plan->actions[run->plan->actions[index].error_action].name);
    return state;
}

/* ---- phases ---- */

void run_text_problem (const ama_plan_problem_t *problem, ama_str_t *out)
{
    if (problem->file && *problem->file)
        ama_str_puts (out, problem->file);
    if (problem->line)
        ama_str_printf (out, ":%u", problem->line);
    ama_str_printf (out, "%s%s", out->size ? ": " : "", problem->message);
    if (problem->hint && *problem->hint)
        ama_str_printf (out, " (%s)", problem->hint);
}

static void add_bytes (ama_str_t *out, uint64_t bytes)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
    double value = (double) bytes;
    size_t unit = 0;

    while (value >= 1000 && unit + 1 < ARRAY_SIZE (units)) {
        value /= 1000;
        unit++;
    }
    ama_str_printf (out, unit && value < 10 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

void run_text_fetched (const ama_journal_fetched_t *source, ama_str_t *out)
{
    ama_str_printf (out, "%u file%s, ", source->files, source->files == 1 ? "" : "s");
    if (source->cached) /* a folder that is no repository has no mirror */
        ama_str_puts (out, *source->commit ? "mirror cached" : "same as before");
    else
        add_bytes (out, source->bytes);
    if (source->dirty)
        ama_str_puts (out, ", with uncommitted changes");
}

void run_text_plan (const ama_plan_plan_t *plan, ama_str_t *out)
{
    size_t on_error = 0, shown = 0;

    for (size_t i = 0; i < plan->n_actions; i++)
        on_error += plan->actions[i].error_of >= 0;
    ama_str_printf (out, "%zu action%s", plan->n_actions - on_error, plan->n_actions - on_error == 1 ? "" : "s");
    if (on_error)
        ama_str_printf (out, " + %zu on error", on_error);
    for (size_t i = 0; i < plan->n_edges && shown < EDGES_MAX; i++, shown++) {
        const ama_plan_edge_t *edge = &plan->edges[i];
        bool last = i + 1 == plan->n_edges || strcmp (plan->edges[i + 1].target, edge->target) != 0;
        ama_str_puts (out, shown == 0                                                   ? " · "
                           : i && strcmp (plan->edges[i - 1].target, edge->target) == 0 ? ", "
                                                                                        : "; ");
        ama_str_printf (out, "%s.%s", edge->source, edge->dataset);
        if (last || shown + 1 == EDGES_MAX)
            ama_str_printf (out, " → %s", edge->target);
    }
    if (plan->n_edges > EDGES_MAX)
        ama_str_puts (out, " …");
}

void run_text_resolved (const ama_run_core_t *run, ama_str_t *out)
{
    const ama_plan_plan_t *plan = run->plan;
    size_t jars = run->shared ? run->shared->n_jars : 0, files = 0;
    const char *first = "";

    for (uint32_t i = 0; i < plan->n_actions; i++)
        jars += run->actions[i].set ? run->actions[i].set->n_jars : 0;
    for (uint32_t i = 0; i < plan->n_dependencies; i++) {
        if (!plan->dependencies[i].python && !files++)
            first = plan->dependencies[i].file;
    }
    ama_str_printf (out, "%zu jar%s from %s", jars, jars == 1 ? "" : "s", first);
    if (files > 1)
        ama_str_printf (out, " and %zu more", files - 1);
    ama_str_puts (out, ", locked");
    for (uint32_t i = 0; i < plan->n_actions; i++) {
        if (run->actions[i].set && run->actions[i].set->state == RUN_SET_FAILED)
            ama_str_printf (out, "; none for %s", plan->actions[i].name);
    }
}
