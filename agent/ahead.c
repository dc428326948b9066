/* ahead.c - attempts whose bash or kernel was started before their time; see ahead.h
 *
 * On the agent's thread. An item is wanted (attempt NULL), made, or dropped: then it only waits for its process to end.
 */
#include "agent/ahead.h"

#include "agent/runners/jupyter/kernel_runner.h"
#include "agent/runners/shell/shell_runner.h"
#include "agent/sandbox.h"
#include "agent/secret_start.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { ITEMS_MAX = 8, MAKE_MS = 2, KEEP_MS = 1000 };

typedef struct item {
    ama_attempt_start_t start; /* owned; without attempt, next and kernels */
    const ama_runner_t *runner;
    int64_t wanted_ms;
    ama_attempt_t *attempt;
    bool dropped;
    struct item *prev, *next;
} item_t;

struct ama_aheads {
    ama_agent_t *agent;
    item_t *items;
    ama_timer_t *make;
    ama_timer_t *sweep;
    ama_timer_t *late; /* for kernels that have waited for long enough */
};

static void item_free (ama_aheads_t *aheads, item_t *item)
{
    /* utlist: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    DL_DELETE (aheads->items, item);
    ama_attempt_start_done (&item->start);
    free (item);
}

static void item_fail (item_t *item)
{
    item->dropped = true;
    ama_folder_remove (&item->attempt->folder); /* now: the same attempt may yet begin, in a folder of the same name */
}

static void item_drop (ama_aheads_t *aheads, item_t *item)
{
    if (item->dropped)
        return;
    if (!item->attempt) {
        item_free (aheads, item);
        return;
    }
    item_fail (item);
    item->attempt->runner->cancel (item->attempt, true);
}

static bool run_is_alive (const ama_agent_t *agent, ama_id_t run)
{
    ama_attempt_t *attempt, *spare;

    HASH_ITER (hh, agent->attempts, attempt, spare)
    {
        if (ama_id_equal (attempt->run, run))
            return true;
    }
    return false;
}

static void on_sweep (void *arg)
{
    ama_aheads_t *aheads = arg;
    item_t *item, *next;

    DL_FOREACH_SAFE (aheads->items, item, next)
    {
        if (!run_is_alive (aheads->agent, item->start.run))
            item_drop (aheads, item);
    }
}

static void on_late (void *arg)
{
    ama_aheads_t *aheads = arg;
    int64_t left_ms, soon_ms = INT64_MAX, now_ms = ama_now_ms (aheads->agent->ctx);
    item_t *item, *next;

    DL_FOREACH_SAFE (aheads->items, item, next)
    {
        if (item->runner == &ama_shell_runner || item->dropped)
            continue;
        left_ms = item->wanted_ms + aheads->agent->conf.ahead_ms - now_ms;
        if (left_ms <= 0)
            item_drop (aheads, item);
        else if (left_ms < soon_ms)
            soon_ms = left_ms;
    }
    if (soon_ms < INT64_MAX)
        ama_timer_after (aheads->late, soon_ms);
}

static void make_items (ama_aheads_t *aheads, bool soon)
{
    item_t *item, *next;

    DL_FOREACH_SAFE (aheads->items, item, next)
    {
        if (item->attempt)
            continue;
        item->attempt = ama_attempt_make_ahead (aheads->agent, &item->start, soon, item->runner);
        if (!item->attempt)
            item_free (aheads, item); /* its time will tell why */
    }
}

static void on_make (void *arg)
{
    ama_aheads_t *aheads = arg;

    make_items (aheads, false);
    ama_folder_prepare (aheads->agent->conf.dir);
    ama_sandbox_prepare (aheads->agent->sandbox);
}

ama_aheads_t *ama_aheads_new (ama_agent_t *agent)
{
    ama_aheads_t *aheads = ama_calloc (1, sizeof *aheads);

    aheads->agent = agent;
    aheads->make = ama_timer_new (agent->ctx, on_make, aheads);
    aheads->sweep = ama_timer_new (agent->ctx, on_sweep, aheads);
    aheads->late = ama_timer_new (agent->ctx, on_late, aheads);
    return aheads;
}

void ama_aheads_destroy (ama_aheads_t **aheads)
{
    item_t *item, *next;

    if (!*aheads)
        return;
    DL_FOREACH_SAFE ((*aheads)->items, item, next)
    {
        if (item->attempt)
            ama_attempt_free (item->attempt);
        item_free (*aheads, item);
    }
    ama_timer_destroy (&(*aheads)->make);
    ama_timer_destroy (&(*aheads)->sweep);
    ama_timer_destroy (&(*aheads)->late);
    free (*aheads);
    *aheads = NULL;
}

static bool is_for (const item_t *item, const ama_attempt_start_t *start, const char *action, uint32_t no)
{
    return !item->dropped && ama_id_equal (item->start.run, start->run) && item->start.no == no
           && strcmp (item->start.action, action) == 0;
}

static bool is_known (const ama_aheads_t *aheads, const ama_attempt_start_t *start, const ama_attempt_next_t *next)
{
    const item_t *item;

    DL_FOREACH (aheads->items, item)
    {
        if (is_for (item, start, next->action, next->no))
            return true;
    }
    return false;
}

static size_t count_items (const ama_aheads_t *aheads)
{
    const item_t *item;
    size_t count = 0;

    DL_FOREACH (aheads->items, item)
    count += !item->dropped;
    return count;
}

static const ama_runner_t *runner_of (const ama_attempt_next_t *next)
{
    const ama_runner_t *runner =
        next->runner && next->runner[0] ? ama_kernel_runner (next->runner, next->file) : &ama_shell_runner;

    return runner && runner->prepare ? runner : NULL;
}

/* Is it new, and can it be made? */
static bool add_item (ama_aheads_t *aheads, const ama_attempt_start_t *start, const ama_attempt_next_t *next)
{
    const ama_runner_t *runner = runner_of (next);
    ama_attempt_start_t like = *start;
    item_t *item;

    if (!runner || count_items (aheads) >= ITEMS_MAX || is_known (aheads, start, next)
        || ama_secret_start_wanted (&start->environment, next->settings, next->n_settings)) /* got when it starts */
        return false;
    like.attempt = (ama_id_t){ 0 };
    like.action = next->action;
    like.no = next->no;
    like.runner = (char *) runner->name;
    like.file = next->file;
    like.session = next->session;
    like.settings = next->settings;
    like.n_settings = next->n_settings;
    like.packages = next->packages;
    like.n_packages = next->n_packages;
    like.datasets = next->datasets;
    like.n_datasets = next->n_datasets;
    like.python_lock = next->python_lock;
    like.has_kernel = false;
    like.n_next = like.n_kernels = like.n_jars = like.n_args = like.n_exports = 0;
    item = ama_calloc (1, sizeof *item);
    item->runner = runner;
    item->wanted_ms = ama_now_ms (aheads->agent->ctx);
    ama_attempt_start_copy (&like, &item->start);
    DL_APPEND (aheads->items, item);
    return true;
}

/* Those among the next that are new. */
static bool add_items (ama_aheads_t *aheads, const ama_attempt_start_t *start)
{
    bool added = false;

    for (size_t i = 0; i < start->n_next; i++)
        added |= add_item (aheads, start, &start->next[i]);
    for (size_t i = 0; i < start->n_kernels; i++)
        added |= add_item (aheads, start, &start->kernels[i]);
    return added;
}

void ama_ahead_want (ama_agent_t *agent, const ama_attempt_start_t *start)
{
    if (add_items (agent->aheads, start))
        ama_timer_after (agent->aheads->make, MAKE_MS);
    on_late (agent->aheads);
}

void ama_ahead_prepare (ama_agent_t *agent, const ama_attempt_prepare_t *prepare)
{
    ama_attempt_start_t start = {
        .run = prepare->run,
        .job = prepare->job,
        .runner = (char *) ama_shell_runner.name,
        .snapshot = prepare->snapshot,
        .environment = prepare->environment,
        .params = prepare->params,
        .n_params = prepare->n_params,
        .next = prepare->next,
        .n_next = prepare->n_next,
    };

    if (add_items (agent->aheads, &start)) {
        ama_timer_after (agent->aheads->sweep, KEEP_MS);
        make_items (agent->aheads, true);
        ama_timer_after (agent->aheads->make, MAKE_MS);
    }
}

ama_attempt_t *ama_ahead_take (ama_agent_t *agent, const ama_attempt_start_t *start, const ama_runner_t *runner)
{
    ama_aheads_t *aheads = agent->aheads;
    ama_attempt_t *attempt;
    item_t *item, *next;

    DL_FOREACH_SAFE (aheads->items, item, next)
    {
        if (!is_for (item, start, start->action, start->no))
            continue;
        if (!item->attempt || item->runner != runner || strcmp (item->start.file, start->file) != 0
            || strcmp (item->start.snapshot, start->snapshot) != 0
            || !ama_id_equal (item->start.session, start->session)) {
            item_drop (aheads, item);
            return NULL;
        }
        attempt = item->attempt;
        attempt->ahead = false;
        item_free (aheads, item);
        return attempt;
    }
    return NULL;
}

void ama_ahead_after (ama_agent_t *agent, ama_id_t run, bool succeeded)
{
    ama_aheads_t *aheads = agent->aheads;

    if (!succeeded)
        ama_ahead_drop (agent, &run);
    if (!aheads->items)
        return;
    ama_timer_after (aheads->make, 0);
    ama_timer_after (aheads->sweep, KEEP_MS);
}

void ama_ahead_drop (ama_agent_t *agent, const ama_id_t *run)
{
    ama_aheads_t *aheads = agent->aheads;
    item_t *item, *next;

    DL_FOREACH_SAFE (aheads->items, item, next)
    {
        if (!run || ama_id_equal (item->start.run, *run))
            item_drop (aheads, item);
    }
}

bool ama_ahead_of (const ama_agent_t *agent, ama_id_t run)
{
    for (const item_t *item = agent->aheads->items; item; item = item->next)
        if (ama_id_equal (item->start.run, run))
            return true;
    return false;
}

bool ama_ahead_pending (const ama_agent_t *agent)
{
    return agent->aheads->items != NULL;
}

void ama_ahead_failed (ama_attempt_t *attempt)
{
    item_t *item;

    DL_FOREACH (attempt->agent->aheads->items, item)
    {
        if (item->attempt == attempt && !item->dropped)
            item_fail (item);
    }
}

void ama_ahead_ended (ama_attempt_t *attempt)
{
    ama_agent_t *agent = attempt->agent;
    ama_aheads_t *aheads = agent->aheads;
    item_t *item, *next;

    DL_FOREACH_SAFE (aheads->items, item, next)
    {
        if (item->attempt != attempt)
            continue;
        if (!item->dropped)
            ama_folder_remove (&attempt->folder);
        item_free (aheads, item);
    }
    ama_attempt_free (attempt);
    ama_agent_less (agent);
}
