/* gather.c - waits for files, then begins what needs them. On the agent's own loop. */
#include "agent/gather.h"

#include "actors/base/ama_str.h"
#include "actors/depot/keep.h"
#include "actors/depot/stock.h"
#include "agent/session.h"

#include <stdlib.h>
#include <utlist.h>

enum { PATIENCE_MS = 600000 };

typedef struct item {
    struct item *prev, *next;
    ama_agent_t *agent;
    ama_id_t id, run;
    bool session;
    bool dropped; /* its files may come all the same */
    ama_attempt_start_t start;
    ama_attempt_session_open_t open;
} item_t;

struct ama_gather {
    ama_stock_t *stock;
    ama_keep_t *keep;
    item_t *items;
};

/* An attempt that the supervisor has given up may still run. Jars are a session's, and that ends with its run. */
static bool is_held (void *arg, const char *id)
{
    const ama_agent_t *agent = arg;
    const ama_attempt_t *attempt, *next;

    HASH_ITER (hh, agent->attempts, attempt, next)
    {
        if (attempt->snapshot && strstr (attempt->snapshot, id))
            return true;
    }
    return false;
}

ama_gather_t *ama_gather_new (ama_agent_t *agent)
{
    ama_gather_t *gather;

    if (!agent->conf.depot)
        return NULL;
    gather = ama_calloc (1, sizeof *gather);
    gather->stock = ama_stock_new (agent->ctx, agent->conf.cache_dir);
    gather->keep = ama_keep_new (agent->ctx, agent->conf.cache_dir,
                                 &(ama_keep_limits_t){ .bytes = agent->conf.cache_bytes,
                                                       .age_ms = agent->conf.cache_age_ms,
                                                       .home = ama_agent_state_dir (&agent->conf) },
                                 AMA_KEEP_TREES | AMA_KEEP_JARS, is_held, agent);
    return gather;
}

static void free_item (item_t *item)
{
    /* utlist: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    DL_DELETE (item->agent->gather->items, item);
    if (item->session)
        ama_attempt_session_open_done (&item->open);
    else
        ama_attempt_start_done (&item->start);
    free (item);
}

void ama_gather_destroy (ama_gather_t **gather_p)
{
    ama_gather_t *gather = *gather_p;

    if (!gather)
        return;
    ama_keep_destroy (&gather->keep);
    ama_stock_destroy (&gather->stock);
    while (gather->items)
        free_item (gather->items);
    free (gather);
    *gather_p = NULL;
}

/* ---- it is here, or it is not to be had ---- */

static void make_local (const ama_gather_t *gather, char **path)
{
    char *local = ama_stock_local (gather->stock, *path);

    if (!local)
        return;
    free (*path);
    *path = local;
}

static void fail (const item_t *item, const ama_err_t *err)
{
    ama_attempt_status_t status = { .attempt = item->id,
                                    .run = item->run,
                                    .state = AMA_ATTEMPT_STATE_ERRORED,
                                    .cause = (char *) "dependency",
                                    .exit = -1,
                                    .error = (char *) ama_err_name (err->code),
                                    .message = (char *) err->text };
    ama_attempt_session_status_t failed = {
        .session = item->id, .run = item->run, .state = AMA_SESSION_STATE_FAILED, .detail = (char *) err->text
    };

    ama_agent_remember (item->agent, item->id);
    if (item->session)
        ama_statuses_session (item->agent->statuses, &failed);
    else
        ama_statuses_attempt (item->agent->statuses, &status);
}

static void begin (item_t *item)
{
    const ama_gather_t *gather = item->agent->gather;

    make_local (gather, item->session ? &item->open.snapshot : &item->start.snapshot);
    for (size_t i = 0; i < item->open.n_jars; i++)
        make_local (gather, &item->open.jars[i]);
    for (size_t i = 0; i < item->start.n_jars; i++)
        make_local (gather, &item->start.jars[i]);
    if (item->session)
        ama_session_open (item->agent, &item->open);
    else
        ama_agent_begin (item->agent, &item->start);
}

static void on_here (void *arg, const ama_err_t *err)
{
    item_t *item = arg;
    ama_agent_t *agent = item->agent;

    if (!item->dropped && !agent->stopping && err)
        fail (item, err);
    else if (!item->dropped && !agent->stopping)
        begin (item);
    free_item (item);
    ama_agent_less (agent);
}

/* ---- asked for ---- */

static void want (item_t *item, char *snapshot, char *const *jars, size_t n_jars)
{
    ama_agent_t *agent = item->agent;
    const char **paths = ama_calloc (n_jars + 1, sizeof *paths);

    paths[0] = snapshot;
    for (size_t i = 0; i < n_jars; i++)
        paths[i + 1] = jars[i];
    DL_APPEND (agent->gather->items, item);
    ama_stock_want (agent->gather->stock, paths, n_jars + 1, PATIENCE_MS, on_here, item);
    free (paths);
}

void ama_gather_attempt (ama_agent_t *agent, const ama_attempt_start_t *start)
{
    item_t *item;

    if (!agent->gather) {
        ama_agent_begin (agent, start);
        return;
    }
    item = ama_calloc (1, sizeof *item);
    *item = (item_t){ .agent = agent, .id = start->attempt, .run = start->run };
    ama_attempt_start_copy (start, &item->start);
    want (item, start->snapshot, start->jars, start->n_jars);
}

void ama_gather_session (ama_agent_t *agent, const ama_attempt_session_open_t *open)
{
    item_t *item;

    if (!agent->gather) {
        ama_session_open (agent, open);
        return;
    }
    item = ama_calloc (1, sizeof *item);
    *item = (item_t){ .agent = agent, .id = open->session, .run = open->run, .session = true };
    ama_attempt_session_open_copy (open, &item->open);
    want (item, open->snapshot, open->jars, open->n_jars);
}

void ama_gather_files (ama_agent_t *agent, const char *const *paths, size_t n,
                       void (*fn) (void *arg, const ama_err_t *err), void *arg)
{
    ama_stock_want (agent->gather->stock, paths, n, PATIENCE_MS, fn, arg);
}

void ama_gather_local (const ama_agent_t *agent, char **path)
{
    make_local (agent->gather, path);
}

/* ---- what is gathered ---- */

static item_t *find (const ama_agent_t *agent, ama_id_t id)
{
    item_t *item = agent->gather ? agent->gather->items : NULL;

    while (item && (item->dropped || !ama_id_equal (item->id, id)))
        item = item->next;
    return item;
}

bool ama_gather_has (const ama_agent_t *agent, ama_id_t id)
{
    return find (agent, id) != NULL;
}

void ama_gather_drop (ama_agent_t *agent, ama_id_t id)
{
    item_t *item = find (agent, id);

    if (item)
        item->dropped = true;
}

size_t ama_gather_count (const ama_agent_t *agent)
{
    size_t n = 0;

    for (const item_t *item = agent->gather ? agent->gather->items : NULL; item; item = item->next)
        n += !item->dropped;
    return n;
}

bool ama_gather_of (const ama_agent_t *agent, ama_id_t run)
{
    for (const item_t *item = agent->gather ? agent->gather->items : NULL; item; item = item->next)
        if (!item->dropped && ama_id_equal (item->run, run))
            return true;
    return false;
}

void ama_gather_list (const ama_agent_t *agent, ama_lease_agent_hello_t *hello)
{
    for (const item_t *item = agent->gather ? agent->gather->items : NULL; item; item = item->next)
        if (!item->dropped)
            hello->held[hello->n_held++] =
                (ama_lease_held_t){ .id = item->id, .run = item->run, .session = item->session };
}

bool ama_gather_prepare (ama_agent_t *agent, ama_attempt_prepare_t *body, char **ret_path)
{
    *ret_path = NULL;
    if (!agent->gather)
        return true;
    if (!ama_stock_has (agent->gather->stock, body->snapshot))
        return false;
    *ret_path = body->snapshot = ama_stock_local (agent->gather->stock, body->snapshot);
    return true;
}
