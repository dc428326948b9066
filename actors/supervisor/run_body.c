/* run_body.c - a run put into words of the protocol: requests to other actors, and the documents of show and list. Pure. */
#include "actors/supervisor/run_state.h"

#include "messages/ama_plan_jars.h"

#include <stdlib.h>
#include <string.h>

/* ---- lists ---- */

void run_list_add (run_list_t *list, uint32_t item)
{
    if (list->n == list->room) {
        list->room = list->room ? 2 * list->room : 8;
        list->items = ama_realloc (list->items, list->room * sizeof *list->items);
    }
    list->items[list->n++] = item;
}

void run_list_remove_at (run_list_t *list, size_t at)
{
    list->items[at] = list->items[--list->n];
}

bool run_list_remove (run_list_t *list, uint32_t item)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i] == item) {
            run_list_remove_at (list, i);
            return true;
        }
    }
    return false;
}

void run_list_done (run_list_t *list)
{
    free (list->items);
    *list = (run_list_t){ 0 };
}

/* ---- what an action and a session need ---- */

/* "local", "local[4]", "local[*]", "local[4,3]" (the second number is Spark's own). Elsewhere only the driver runs here. */
static void master_cpus (const char *master, double *ret_cpus, bool *ret_all)
{
    unsigned long n;

    *ret_cpus = 1;
    *ret_all = !*master || strncmp (master, "local[*", 7) == 0;
    if (strncmp (master, "local[", 6) == 0 && !*ret_all) {
        n = strtoul (master + 6, NULL, 10);
        *ret_cpus = n >= 1 && n <= 100000 ? (double) n : 1;
    }
}

/* Spark's sizes: a bare number is MiB. value is the JSON text of the setting. */
static uint64_t spark_size (const char *value, uint64_t otherwise)
{
    char text[64];
    size_t size;
    uint64_t bytes;

    value += *value == '"';
    size = strcspn (value, "\"");
    if (!size || size >= sizeof text)
        return otherwise;
    memcpy (text, value, size);
    text[size] = '\0';
    if (ama_parse_size (text, &bytes) < 0 || !bytes)
        return otherwise;
    if (strspn (text, "0123456789") == size)
        return bytes < (1ull << 32) ? bytes << 20 : otherwise;
    return bytes;
}

void run_session_needs (const ama_run_core_t *run, double *ret_cpus, bool *ret_all, uint64_t *ret_memory)
{
    const ama_plan_environment_t *environment = &run->plan->environment;

    master_cpus (environment->master, ret_cpus, ret_all);
    *ret_memory = RUN_DRIVER_MEMORY;
    for (size_t i = 0; i < environment->n_spark; i++) {
        if (strcmp (environment->spark[i].key, "spark.driver.memory") == 0)
            *ret_memory = spark_size (environment->spark[i].value, RUN_DRIVER_MEMORY);
    }
}

bool run_is_jar (const ama_plan_action_t *action)
{
    return strcmp (action->runner, "jar") == 0;
}

void run_action_needs (const ama_run_core_t *run, uint32_t index, double *ret_cpus, bool *ret_all, uint64_t *ret_memory)
{
    const ama_plan_action_t *action = &run->plan->actions[index];

    *ret_cpus = RUN_SHELL_CPUS;
    *ret_all = false;
    *ret_memory = RUN_SHELL_MEMORY;
    if (run_is_jar (action)) /* a driver of its own, as large as a session */
        run_session_needs (run, ret_cpus, ret_all, ret_memory);
    if (action->cpus > 0) {
        *ret_cpus = action->cpus;
        *ret_all = false;
    }
    *ret_memory = action->memory ? action->memory : *ret_memory;
}

/* ---- requests ---- */

void ama_run_core_fetch_request (const ama_run_core_t *run, ama_fetch_request_t *ret_body)
{
    *ret_body = (ama_fetch_request_t){
        .key = run->id,
        .url = run->submit.repo,
        .ref = run->submit.ref,
        .worktree = run->submit.worktree,
        .commit = run->source.commit,
    };
}

void ama_run_core_plan_request (const ama_run_core_t *run, ama_plan_request_t *ret_body)
{
    *ret_body = (ama_plan_request_t){
        .key = run->id,
        .snapshot = run->source.snapshot,
        .env = run->submit.env,
        .commit = run->source.commit,
        .name = run->submit.name,
        .strict = run->submit.strict,
    };
}

static void add_shared (const ama_run_core_t *run, ama_resolve_request_t *body)
{
    for (uint32_t i = 0; i < run->plan->n_dependencies; i++)
        if (ama_plan_jars_for_all (run->plan, i))
            ama_plan_jars_add (&run->plan->dependencies[i], body);
}

void ama_run_core_resolve_request (const ama_run_core_t *run, uint32_t set, ama_resolve_request_t *ret_body)
{
    *ret_body = (ama_resolve_request_t){ .key = run->id, .part = set == AMA_RUN_SHARED ? 0 : set + 1 };
    if (set == AMA_RUN_SHARED) {
        add_shared (run, ret_body);
        return;
    }
    if (run_is_jar (&run->plan->actions[set])) /* others find those in their session */
        add_shared (run, ret_body);
    for (size_t i = 0; i < run->plan->actions[set].n_dependencies; i++)
        ama_plan_jars_add (&run->plan->dependencies[run->plan->actions[set].dependencies[i]], ret_body);
}

static void needs_set (const run_set_t *set, void (*fn) (const char *path, void *arg), void *arg)
{
    for (size_t i = 0; set && i < set->n_jars; i++)
        fn (set->jars[i], arg);
}

void ama_run_core_needs (const ama_run_core_t *run, void (*fn) (const char *path, void *arg), void *arg)
{
    if (run->source.snapshot)
        fn (run->source.snapshot, arg);
    needs_set (run->shared, fn, arg);
    for (size_t i = 0; run->plan && i < run->plan->n_actions; i++)
        needs_set (run->actions[i].set, fn, arg);
}

void ama_run_core_agents (const ama_run_core_t *run, void (*fn) (const char *agent, void *arg), void *arg)
{
    for (size_t i = 0; i < run->n_agents; i++)
        if (*run->agents[i]->name)
            fn (run->agents[i]->name, arg);
}

/* The origins of all settings are for `config show`; an agent has no use for them. */
static ama_plan_environment_t lean_environment (const ama_run_core_t *run)
{
    ama_plan_environment_t environment = run->plan->environment;

    environment.settings = NULL;
    environment.n_settings = 0;
    return environment;
}

static ama_attempt_next_t next_of (const ama_plan_action_t *planned, uint32_t no)
{
    return (ama_attempt_next_t){
        .action = planned->name,
        .no = no,
        .file = planned->file,
        .settings = planned->settings,
        .n_settings = planned->n_settings,
        .datasets = planned->datasets,
        .n_datasets = planned->n_datasets,
    };
}

/* What comes next without a choice: it waits for this one and for nothing else. NULL: nothing does. */
static const run_action_t *only_next (const ama_run_core_t *run, const run_action_t *before)
{
    const run_action_t *action = before->n_next == 1 ? &run->actions[run->next[before->first_next]] : NULL;

    return action && action->waiting == 1 && !action->n_attempts ? action : NULL;
}

static size_t next_shells (const ama_run_core_t *run, uint32_t index, ama_attempt_next_t next[AMA_RUN_NEXT_MAX])
{
    const run_action_t *action = &run->actions[index];
    size_t count = 0;

    while (count < AMA_RUN_NEXT_MAX && (action = only_next (run, action))) {
        const ama_plan_action_t *planned = &run->plan->actions[action - run->actions];
        if (strcmp (planned->runner, "shell") != 0)
            break;
        next[count++] = next_of (planned, 1);
    }
    return count;
}

/* The action of an open attempt; NULL if it must not be begun: a process that died may have done so under the same id. */
static const run_action_t *to_begin (const ama_run_core_t *run, ama_id_t attempt)
{
    for (size_t i = 0; i < run->open.n; i++) {
        const run_action_t *action = &run->actions[run->open.items[i]];
        if (ama_id_equal (action->attempt, attempt))
            return action->doubt == RUN_DOUBT_NOT_HELD ? NULL : action;
    }
    return NULL;
}

bool ama_run_core_prepare_request (const ama_run_core_t *run, ama_id_t attempt, ama_attempt_prepare_t *ret_body,
                                   ama_attempt_next_t next[1])
{
    const run_action_t *action = to_begin (run, attempt);
    const ama_plan_action_t *planned = action ? &run->plan->actions[action - run->actions] : NULL;

    /* that it follows a single other one, its start has told */
    if (!action || strcmp (planned->runner, "shell") != 0 || (action->n_attempts == 1 && planned->n_depends == 1))
        return false;
    next[0] = next_of (planned, (uint32_t) action->n_attempts);
    *ret_body = (ama_attempt_prepare_t){
        .run = run->id,
        .job = run->plan->job,
        .snapshot = run->source.snapshot,
        .environment = lean_environment (run),
        .params = run->submit.params,
        .n_params = run->submit.n_params,
        .next = next,
        .n_next = 1,
    };
    return true;
}

/* A list of the caller's, of what the plan has. */
static ama_plan_dependencies_t *packages_of (const ama_run_core_t *run, const ama_plan_action_t *planned,
                                             size_t *ret_count)
{
    ama_plan_dependencies_t *list = NULL;

    *ret_count = 0;
    for (size_t i = 0; i < planned->n_dependencies; i++) {
        const ama_plan_dependencies_t *one = &run->plan->dependencies[planned->dependencies[i]];
        if (!one->python)
            continue;
        list = list ? list : ama_calloc (planned->n_dependencies, sizeof *list);
        list[(*ret_count)++] = *one;
    }
    return list;
}

/* If its kernel takes a while to start, and it may be at the same agent: in the same session, or in none. */
static size_t next_kernel (const ama_run_core_t *run, uint32_t index, ama_attempt_next_t kernel[1])
{
    static const char *const runners[] = { "pandas", "pyspark", "python" };
    const run_action_t *before = &run->actions[index], *action = only_next (run, before);
    const ama_plan_action_t *planned;

    if (!action || (action->spark && !before->spark))
        return 0;
    planned = &run->plan->actions[action - run->actions];
    for (size_t i = 0; i < ARRAY_SIZE (runners); i++) {
        if (strcmp (planned->runner, runners[i]) != 0)
            continue;
        kernel[0] = next_of (planned, 1);
        kernel[0].runner = planned->runner;
        kernel[0].has_session = action->spark;
        kernel[0].session = action->spark ? before->session : (ama_id_t){ 0 };
        kernel[0].packages = packages_of (run, planned, &kernel[0].n_packages);
        kernel[0].python_lock = planned->python_lock;
        return 1;
    }
    return 0;
}

void ama_run_core_start_request_done (ama_attempt_start_t *body)
{
    free (body->packages);
    if (body->n_kernels)
        free (body->kernels[0].packages);
}

bool ama_run_core_start_request (const ama_run_core_t *run, ama_id_t attempt, ama_attempt_start_t *ret_body,
                                 ama_run_next_room_t *room)
{
    const run_action_t *action = to_begin (run, attempt);
    const ama_plan_action_t *planned;
    const run_set_t *set;
    uint32_t index;

    if (!action)
        return false;
    index = (uint32_t) (action - run->actions);
    planned = &run->plan->actions[index];
    set = action->set || !run_is_jar (planned) ? action->set : run->shared;
    *ret_body = (ama_attempt_start_t){
        .attempt = attempt,
        .run = run->id,
        .job = run->plan->job,
        .action = planned->name,
        .no = (uint32_t) action->n_attempts,
        .runner = planned->runner,
        .file = planned->file,
        .snapshot = run->source.snapshot,
        .environment = lean_environment (run),
        .params = run->submit.params,
        .n_params = run->submit.n_params,
        .session = action->session,
        .settings = planned->settings,
        .n_settings = planned->n_settings,
        .jars = set ? set->jars : NULL,
        .n_jars = set ? set->n_jars : 0,
        .main_class = planned->main_class,
        .args = planned->args,
        .n_args = planned->n_args,
        .exports = planned->exports,
        .n_exports = planned->n_exports,
        .datasets = planned->datasets,
        .n_datasets = planned->n_datasets,
        .has_kernel = planned->has_kernel,
        .kernel = planned->kernel,
        .lease_ms = run->plan->lease_ms,
        .cpus = action->cpus,
        .memory = action->memory,
        .next = room->next,
        .n_next = action->spark ? 0 : next_shells (run, index, room->next),
        .kernels = room->kernel,
        .n_kernels = next_kernel (run, index, room->kernel),
        .python_lock = planned->python_lock,
    };
    ret_body->packages = packages_of (run, planned, &ret_body->n_packages);
    return true;
}

enum { OWN_PATHS_MAX = 1000 };

static bool is_path_word (const char *key)
{
    return strcmp (key, "inputRootPath") == 0 || strcmp (key, "outputRootPath") == 0 || strcmp (key, "workingDir") == 0;
}

/* Of all actions that will be in the session: what it may touch is settled when it starts. */
static ama_plan_setting_t *own_paths (const ama_run_core_t *run, size_t *ret_count)
{
    ama_plan_setting_t *paths = NULL;
    size_t n = 0;

    for (size_t i = 0; i < run->plan->n_actions; i++) {
        const ama_plan_action_t *planned = &run->plan->actions[i];
        for (size_t k = 0; run->actions[i].spark && k < planned->n_settings && n < OWN_PATHS_MAX; k++)
            if (is_path_word (planned->settings[k].key)) {
                paths = ama_realloc (paths, (n + 1) * sizeof *paths);
                paths[n++] = planned->settings[k];
            }
    }
    *ret_count = n;
    return paths;
}

bool ama_run_core_open_request (const ama_run_core_t *run, ama_id_t id, ama_attempt_session_open_t *ret_body)
{
    const run_session_t *session = &run->session;

    if (ama_run_core_ended (run) || session->state != RUN_SESSION_OPENING || !ama_id_equal (session->id, id))
        return false;
    *ret_body = (ama_attempt_session_open_t){
        .session = id,
        .run = run->id,
        .job = run->plan->job,
        .environment = lean_environment (run),
        .jars = run->shared ? run->shared->jars : NULL,
        .n_jars = run->shared ? run->shared->n_jars : 0,
        .cpus = session->cpus,
        .memory = session->memory,
        .snapshot = run->source.snapshot,
        .lease_ms = run->plan->lease_ms,
    };
    ret_body->paths = own_paths (run, &ret_body->n_paths);
    return true;
}

/* ---- reading ---- */

ama_id_t ama_run_core_id (const ama_run_core_t *run)
{
    return run->id;
}

ama_run_state_t ama_run_core_state (const ama_run_core_t *run)
{
    return run->state;
}

bool ama_run_core_ended (const ama_run_core_t *run)
{
    return run->state >= AMA_RUN_STATE_SUCCEEDED;
}

static void add_waiting (const ama_run_core_t *run, ama_str_t *out)
{
    int64_t due;

    for (size_t i = 0; i < run->open.n; i++) {
        if (run->actions[run->open.items[i]].unknown) {
            run_text_unknown (run, run->open.items[i], out);
            return;
        }
    }
    if (run->phase != AMA_RUN_PHASE_UNSPECIFIED)
        ama_str_printf (out, "%s", ama_run_phase_name (run->phase));
    else if (run->asking.n || !ama_id_is_zero (run->session.asked_lease))
        ama_str_puts (out, run->waiting ? run->waiting : "waiting for resources");
    else if (run->open.n && run->actions[run->open.items[0]].doubt != RUN_DOUBT_NONE)
        ama_str_printf (out, "waiting for agent %s", run->actions[run->open.items[0]].agent);
    else if (run->open.n && run->state == AMA_RUN_STATE_CANCELLING)
        ama_str_printf (out, "waiting for %s to end", run->plan->actions[run->open.items[0]].name);
    else if (run->open.n)
        return;
    else if (run->session.state == RUN_SESSION_OPENING)
        ama_str_puts (out, "the Spark session starts");
    else if (run->fresh_sets.n)
        ama_str_puts (out, "resolve");
    else if (run_timers_first (&run->timers, &due))
        ama_str_puts (out, "waiting for the time of the next attempt");
}

const char *ama_run_core_waiting (const ama_run_core_t *run, ama_str_t *scratch)
{
    ama_str_clear (scratch);
    if (run->state == AMA_RUN_STATE_QUEUED)
        ama_str_puts (scratch, "waiting for its turn: as many runs as may be are under way");
    else if (!ama_run_core_ended (run))
        add_waiting (run, scratch);
    return scratch->data ? scratch->data : "";
}

void ama_run_core_summary (const ama_run_core_t *run, ama_run_summary_t *ret_body)
{
    const char *job = run->plan ? run->plan->job : run->submit.name;

    *ret_body = (ama_run_summary_t){
        .run = run->id,
        .job = (char *) job,
        .env = run->plan ? run->plan->env : run->submit.env,
        .state = run->state,
        .commit = run->source.commit,
        .accepted = run->accepted,
        .ended = run->ended,
        .exit = run->exit,
        .waiting = (char *) "",
        .dirty = run->source.dirty,
        .repo = run->submit.repo,
        .owner = run->submit.owner,
    };
}

const char *ama_run_core_owner (const ama_run_core_t *run)
{
    return run->submit.owner ? run->submit.owner : "";
}

const char *ama_run_core_cause (const ama_run_core_t *run)
{
    return run->cause && *run->cause ? run->cause : NULL;
}

ama_run_action_info_t *ama_run_core_actions (const ama_run_core_t *run, size_t *ret_n)
{
    size_t n = run->plan ? run->plan->n_actions : 0;
    ama_run_action_info_t *infos = ama_calloc (n, sizeof *infos);

    for (size_t i = 0; i < n; i++) {
        const run_action_t *action = &run->actions[i];
        const ama_plan_action_t *planned = &run->plan->actions[i];
        bool slept = !action->active && ama_run_core_ended (run);
        infos[i] = (ama_run_action_info_t){
            .name = planned->name,
            .state = slept ? AMA_ACTION_STATE_SKIPPED : action->state,
            .attempts = ama_calloc (action->n_attempts, sizeof *infos[i].attempts),
            .n_attempts = action->n_attempts,
            .error_of = planned->error_of >= 0 ? run->plan->actions[planned->error_of].name : (char *) "",
        };
        for (size_t k = 0; k < action->n_attempts; k++) {
            const run_attempt_t *attempt = &action->attempts[k];
            infos[i].attempts[k] = (ama_run_attempt_info_t){
                .no = attempt->no,
                .state = attempt->state,
                .cause = action->unknown && k + 1 == action->n_attempts ? (char *) "unknown: its agent is not heard of"
                         : attempt->cause                               ? attempt->cause
                                                                        : (char *) "",
                .started = attempt->started,
                .ended = attempt->ended,
                .node = (char *) attempt->node,
                .has_sandbox = attempt->sandbox != AMA_SANDBOX_LEVEL_UNSPECIFIED,
                .sandbox = attempt->sandbox,
            };
        }
    }
    *ret_n = n;
    return infos;
}

void ama_run_core_free_actions (ama_run_action_info_t *actions, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free (actions[i].attempts);
    free (actions);
}
