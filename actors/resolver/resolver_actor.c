/* resolver_actor.c - the resolver: Maven coordinates become a locked set of content-addressed jars
 *
 * Asked by the supervisor. Runs on its actor's own loop and never blocks: repositories are spoken to by a JVM in a child process
 * (resolve.sh), jars are read by a worker thread. Holds nothing durable but the cache: after a crash the supervisor asks again, and what
 * was locked is answered from disk.
 */
#include "actors/resolver/resolver.h"

#include "actors/base/ama_failpoint.h"
#include "actors/base/ama_log.h"
#include "actors/base/ama_parking.h"
#include "actors/base/ama_str.h"
#include "actors/depot/stock.h"
#include "actors/resolver/resolve_core.h"
#include "actors/resolver/resolve_store.h"
#include "actors/resolver/resolve_trim.h"
#include "actors/runtime/ama_child.h"
#include "actors/runtime/ama_worker.h"
#include "messages/ama_types.h"
#include "messages/depot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum {
    STDERR_KEPT = 2048,
    ARGV_MAX = 6,
    BY_SIGNAL = 128 /* what bash adds to the number of the signal that ended a program */
};

typedef struct resolver resolver_t;

/* A job that has a child, or has had one. */
typedef struct work {
    struct work *next;
    resolver_t *self;
    ama_resolve_job_id_t job;
    ama_digest_t set;
    bool wanted_dead;   /* its deadline passed, or nobody waits */
    ama_child_t *child; /* NULL once it is gone */
    ama_resolve_answer_t answer;
    ama_str_t said; /* the end of its stderr */
    ama_err_t err;  /* why it could not be started, or was sent away */
} work_t;

/* What the worker thread is given. It touches nothing else of the actor but the store. */
typedef struct task {
    struct task *prev, *next;
    resolver_t *self;
    ama_resolve_job_id_t job;
    ama_digest_t set;
    ama_resolve_answer_t answer; /* to be stored; ended is false for a look at the lock only */
    ama_resolve_lock_t lock;
    int rc;
    ama_err_t err;
} task_t;

/* An answer on its way by the depot. */
typedef struct told {
    struct told *prev, *next;
    resolver_t *self;
    ama_waiter_t waiter;
    ama_resolve_reply_t reply;
} told_t;

struct resolver {
    ama_ctx_t *ctx;
    ama_stock_t *stock; /* NULL: all have this disk */
    told_t *told;
    ama_resolve_core_t *core;
    ama_parking_t *parking; /* sets that children died of */
    ama_timer_t *wake;
    ama_worker_t *worker;
    ama_resolve_store_t *store;
    work_t *works;
    task_t *tasks;
    bool ending;
    ama_keep_t *keep;         /* NULL: all is kept */
    ama_resolve_trim_t *trim; /* likewise */
    char *coursier_dir, *credentials_file;
    char *argv[ARGV_MAX + 1]; /* of every child */
    char **hosts;
};

static char *join (const char *front, const char *back)
{
    ama_str_t text = { 0 };

    ama_str_puts (&text, front);
    ama_str_puts (&text, back);
    return ama_str_take (&text);
}

/* ---- locks and files, on the worker's thread ---- */

static void do_task (void *job)
{
    task_t *task = job;

    if (task->answer.ended)
        task->rc = ama_resolve_store_put (task->self->store, &task->set, task->answer.files, task->answer.n_files,
                                          &task->lock, &task->err);
    else
        task->rc = ama_resolve_store_find (task->self->store, &task->set, &task->lock, &task->err);
}

static void make_reply (const task_t *task, ama_resolve_reply_t *reply)
{
    const ama_resolve_lock_t *lock = &task->lock;

    *reply = (ama_resolve_reply_t){
        .lock = ama_resolve_lock_digest (lock),
        .files = ama_calloc (lock->n_files + 1, sizeof *reply->files),
        .n_files = lock->n_files,
        .cached = task->answer.downloads == 0,
    };
    for (size_t i = 0; i < lock->n_files; i++)
        reply->files[i] = (ama_resolve_file_t){
            .path = ama_resolve_store_path (task->self->store, &lock->files[i]),
            .digest = lock->files[i].digest,
            .coordinates = ama_strdup (lock->files[i].coordinates),
        };
}

static void free_task (task_t *task)
{
    DL_DELETE (task->self->tasks, task);
    ama_resolve_lock_done (&task->lock);
    ama_resolve_answer_done (&task->answer);
    free (task);
}

static void on_task (void *job)
{
    task_t *task = job;
    resolver_t *self = task->self;
    ama_resolve_reply_t reply = { 0 };
    bool found = task->rc == 0;
    int64_t now = ama_now_ms (self->ctx);

    AMA_FAILPOINT (resolve, stored);
    if (found)
        make_reply (task, &reply);
    if (!self->ending && task->answer.ended)
        ama_resolve_core_stored (self->core, task->job, &reply, found ? NULL : &task->err, now);
    else if (!self->ending)
        ama_resolve_core_checked (self->core, task->job, found ? &reply : NULL,
                                  found && ama_resolve_lock_is_changing (&task->lock), now);
    ama_resolve_reply_done (&reply);
    free_task (task);
}

static task_t *new_task (resolver_t *self, const ama_resolve_effect_t *effect)
{
    task_t *task = ama_calloc (1, sizeof *task);

    task->self = self;
    task->job = effect->job;
    task->set = effect->order->set;
    DL_APPEND (self->tasks, task);
    return task;
}

/* ---- children ---- */

static work_t *find_work (resolver_t *self, ama_resolve_job_id_t job)
{
    work_t *work;

    LL_SEARCH_SCALAR (self->works, work, job, job);
    return work;
}

static void drop_work (work_t *work)
{
    LL_DELETE (work->self->works, work);
    ama_resolve_answer_done (&work->answer);
    ama_str_done (&work->said);
    free (work);
}

static void size_text (uint64_t bytes, char *buf, size_t size)
{
    if (bytes < 1000 * 1000)
        (void) snprintf (buf, size, "%.0f kB", (double) bytes / 1e3);
    else
        (void) snprintf (buf, size, bytes < 1000 * 1000 * 1000 ? "%.1f MB" : "%.2f GB",
                         (double) bytes / (bytes < 1000 * 1000 * 1000 ? 1e6 : 1e9));
}

static void on_step (const ama_resolve_step_t *step, void *arg)
{
    work_t *work = arg;
    char text[AMA_RESOLVE_NOTE_MAX + 64], size[32];
    ama_resolve_progress_t progress = { .text = text, .bytes = step->bytes };

    size_text (step->bytes, size, sizeof size);
    if (step->note)
        (void) snprintf (text, sizeof text, "%.*s", AMA_RESOLVE_PROGRESS_TEXT_MAX - 64, step->note);
    else if (step->total)
        (void) snprintf (text, sizeof text, "%llu of %llu files, %s", (unsigned long long) step->done,
                         (unsigned long long) step->total, size);
    else
        (void) snprintf (text, sizeof text, "reading descriptions: %llu", (unsigned long long) step->done);
    ama_resolve_core_progress (work->self->core, work->job, &progress, ama_now_ms (work->self->ctx));
}

static void on_output (ama_child_t *child, int channel, const char *bytes, size_t size, void *arg)
{
    work_t *work = arg;

    if (channel == 2) {
        ama_str_add (&work->said, bytes, size);
        if (work->said.size > STDERR_KEPT)
            ama_str_cut (&work->said, work->said.size - STDERR_KEPT);
        return;
    }
    if (ama_resolve_answer_feed (&work->answer, bytes, size, on_step, work, &work->err) < 0)
        ama_child_kill (child, true);
}

/* What the child's last words were, if it has ended without an answer. */
static void explain_death (const work_t *work, const ama_child_end_t *end, ama_err_t *err)
{
    const char *said = work->said.data ? work->said.data : "", *line;
    ama_str_t text = { 0 };
    size_t size = strlen (said);

    while (size && said[size - 1] == '\n')
        size--;
    line = size ? memrchr (said, '\n', size) : NULL;
    line = line ? line + 1 : said;
    ama_str_escape (&text, line, size - (size_t) (line - said), 300);
    if (work->answer.broken)
        (void) ama_err_set (err, AMA_E_CHILD, "%s", work->err.text);
    else if (end->signal)
        (void) ama_err_set (err, AMA_E_CHILD, "the resolver's child was ended by signal %d%s%s", end->signal,
                            text.size ? ": " : "", text.size ? text.data : "");
    else
        (void) ama_err_set (err, AMA_E_CHILD, "the resolver's child ended with code %d and without an answer%s%s",
                            end->code, text.size ? ": " : "", text.size ? text.data : "");
    ama_str_done (&text);
}

/* Not one that ended by itself, however badly: a missing java is nothing that a set of dependencies does. */
static void count_death (const work_t *work, const ama_child_end_t *end, ama_err_t *err)
{
    resolver_t *self = work->self;
    const ama_err_t why = *err;
    ama_str_t how = { 0 };

    if (work->wanted_dead || !(end->signal || end->code > BY_SIGNAL || work->answer.broken))
        return;
    ama_str_printf (&how, "the resolver's child: %s", why.text);
    (void) ama_parking_crashed (self->parking, &work->set, how.data, ama_wall_now_ms (self->ctx), err);
    ama_str_done (&how);
}

static void on_exit_ (ama_child_t *child, const ama_child_end_t *end, void *arg)
{
    work_t *work = arg;
    resolver_t *self = work->self;
    ama_err_t err = { 0 };
    int rc = ama_resolve_answer_end (&work->answer, &err);

    (void) child;
    work->child = NULL;
    AMA_FAILPOINT (resolve, child_ended);
    if (rc == AMA_E_CHILD) {
        explain_death (work, end, &err);
        count_death (work, end, &err);
    }
    else
        (void) ama_parking_survived (self->parking, &work->set);
    ama_resolve_core_child_done (self->core, work->job, rc < 0 ? &err : NULL, ama_now_ms (self->ctx));
    /* whether the answer was taken over or not: the job has no child any more */
    drop_work (work);
}

static void on_not_started (void *arg)
{
    work_t *work = arg;
    ama_err_t err = work->err;
    ama_resolve_job_id_t job = work->job;
    resolver_t *self = work->self;

    drop_work (work);
    ama_resolve_core_child_done (self->core, job, &err, ama_now_ms (self->ctx));
}

/* One entry per repository, without user where there are none. */
static int find_credentials (const resolver_t *self, const ama_resolve_request_t *request, ama_credentials_t *found,
                             ama_err_t *err)
{
    int rc = 0;

    for (size_t i = 0; self->credentials_file && rc == 0 && i < request->n_repositories; i++) {
        const ama_plan_repository_t *one = &request->repositories[i];
        if (!*one->url)
            continue;
        rc = ama_credentials_find (self->credentials_file, one->id, one->url, &found[i], err);
        if (rc == AMA_E_NOT_FOUND)
            rc = 0;
    }
    return rc;
}

static int spawn (work_t *work, const ama_resolve_order_t *order, ama_err_t *err)
{
    resolver_t *self = work->self;
    const size_t n = order->request.n_repositories;
    ama_credentials_t *credentials = ama_calloc (n, sizeof *credentials);
    ama_str_t input = { 0 };
    int rc = find_credentials (self, &order->request, credentials, err);

    if (rc == 0) {
        ama_resolve_order_encode (order, self->coursier_dir, credentials, &input);
        work->child = ama_child_spawn (self->ctx,
                                       &(ama_child_spec_t){
                                           .argv = (const char *const *) self->argv,
                                           .cwd = "/",
                                           .input = input.data,
                                           .input_size = input.size,
                                           .on_output = on_output,
                                           .on_exit = on_exit_,
                                           .arg = work,
                                       },
                                       err);
        rc = work->child ? 0 : err->code;
        explicit_bzero (input.data, input.size);
    }
    for (size_t i = 0; i < n; i++)
        ama_credentials_done (&credentials[i]);
    free (credentials);
    ama_str_done (&input);
    return rc;
}

static void start_child (resolver_t *self, const ama_resolve_effect_t *effect)
{
    work_t *work = ama_calloc (1, sizeof *work);

    work->self = self;
    work->job = effect->job;
    work->set = effect->order->set;
    LL_APPEND (self->works, work);
    if (spawn (work, effect->order, &work->err) < 0)
        ama_defer (self->ctx, on_not_started, work);
}

/* ---- effects: the core decided, we do ---- */

static void store (resolver_t *self, const ama_resolve_effect_t *effect)
{
    task_t *task = new_task (self, effect);
    work_t *work = find_work (self, effect->job);

    BUG_ON (!work);
    task->answer = work->answer;
    work->answer = (ama_resolve_answer_t){ 0 };
    ama_worker_submit (self->worker, do_task, on_task, task);
}

static void kill_child (resolver_t *self, ama_resolve_job_id_t job)
{
    work_t *work = find_work (self, job);

    if (work && work->child) {
        work->wanted_dead = true;
        ama_child_kill (work->child, true);
    }
}

static void reply_to (resolver_t *self, const ama_waiter_t *waiter, const ama_resolve_reply_t *reply)
{
    if (ama_reply (self->ctx, waiter, AMA_MSG_RESOLVE_REPLY, reply) == AMA_E_LIMIT)
        (void) ama_refuse (self->ctx, waiter, AMA_E_LIMIT, "%zu files are more than one answer can hold",
                           reply->n_files);
}

static void free_told (told_t *told)
{
    /* utlist: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    DL_DELETE (told->self->told, told);
    ama_resolve_reply_done (&told->reply);
    free (told);
}

/* A depot that is not there makes us busy: then the supervisor asks again. */
static void on_kept (void *arg, const ama_err_t *err)
{
    told_t *told = arg;

    if (err)
        (void) ama_refuse (told->self->ctx, &told->waiter, AMA_E_BUSY, "the depot does not take the jars: %.900s",
                           err->text);
    else
        reply_to (told->self, &told->waiter, &told->reply);
    free_told (told);
}

static void answer_by_depot (resolver_t *self, const ama_waiter_t *waiter, const ama_resolve_reply_t *reply)
{
    told_t *told = ama_calloc (1, sizeof *told);
    ama_digest_t *digests = ama_calloc (reply->n_files + 1, sizeof *digests);

    told->self = self;
    told->waiter = *waiter;
    ama_message_info (AMA_MSG_RESOLVE_REPLY)->copy (reply, &told->reply);
    DL_APPEND (self->told, told);
    for (size_t i = 0; i < reply->n_files; i++)
        digests[i] = reply->files[i].digest;
    ama_stock_offer (self->stock, digests, reply->n_files, on_kept, told);
    free (digests);
}

static void answer (resolver_t *self, const ama_resolve_effect_t *effect)
{
    if (self->stock)
        answer_by_depot (self, &effect->asker->waiter, effect->reply);
    else
        reply_to (self, &effect->asker->waiter, effect->reply);
}

static void perform (const ama_resolve_effect_t *effect, void *arg)
{
    resolver_t *self = arg;

    switch (effect->kind) {
    case AMA_RESOLVE_CHECK:
        ama_worker_submit (self->worker, do_task, on_task, new_task (self, effect));
        break;
    case AMA_RESOLVE_START_CHILD:
        start_child (self, effect);
        break;
    case AMA_RESOLVE_KILL_CHILD:
        kill_child (self, effect->job);
        break;
    case AMA_RESOLVE_STORE:
        store (self, effect);
        break;
    case AMA_RESOLVE_TELL:
        (void) ama_tell (self->ctx, effect->asker->waiter.name, AMA_MSG_RESOLVE_PROGRESS, effect->progress);
        break;
    case AMA_RESOLVE_ANSWER:
        answer (self, effect);
        break;
    case AMA_RESOLVE_REFUSE:
        (void) ama_refuse (self->ctx, &effect->asker->waiter, effect->error->code, "%s", effect->error->text);
        break;
    case AMA_RESOLVE_WAKE_AT:
        ama_timer_at (self->wake, effect->when_ms);
        break;
    }
}

/* ---- messages ---- */

static int on_request (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    resolver_t *self = state;
    const ama_resolve_request_t *request = body;
    ama_resolve_asker_t asker = { .waiter = ama_waiter (envelope), .key = request->key, .part = request->part };
    ama_resolve_order_t order;
    int rc = ama_resolve_order_init (request, (const char *const *) self->hosts, &order, err);

    if (rc < 0)
        return rc;
    AMA_FAILPOINT (resolve, asked);
    if (!order.request.n_artifacts) {
        ama_resolve_reply_t none = { .cached = true, .lock = ama_resolve_lock_digest (&(ama_resolve_lock_t){ 0 }) };
        ama_resolve_order_done (&order);
        return ama_reply (ctx, &asker.waiter, AMA_MSG_RESOLVE_REPLY, &none);
    }
    rc = ama_parking_check (self->parking, &order.set, ama_wall_now_ms (ctx), err);
    if (rc < 0) {
        ama_resolve_order_done (&order);
        return rc;
    }
    return ama_resolve_core_ask (self->core, &order, &asker, ama_now_ms (ctx), err);
}

static int on_get (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    resolver_t *self = state;

    (void) ctx;
    return self->stock ? ama_stock_serve (self->stock, envelope, &((const ama_depot_get_t *) body)->digest, err)
                       : ama_err_set (err, AMA_E_NOT_FOUND, "no depot is used here");
}

static void on_peer_gone (ama_ctx_t *ctx, void *state, const char *name)
{
    resolver_t *self = state;

    ama_resolve_core_forget (self->core, name, ama_now_ms (ctx));
}

static void on_wake (void *arg)
{
    resolver_t *self = arg;

    ama_resolve_core_tick (self->core, ama_now_ms (self->ctx));
}

/* ---- life ---- */

/* bash resolve.sh OUT_DIR NAME=VALUE... */
static void set_argv (resolver_t *self, const ama_resolver_conf_t *conf)
{
    const struct {
        const char *name, *value;
    } given[] = { { "PATH=", conf->path }, { "HOME=", conf->home }, { "JAVA_HOME=", conf->java_home } };
    size_t n = 0;

    self->argv[n++] = ama_strdup ("bash");
    self->argv[n++] = join (conf->scripts_dir, "/resolve.sh");
    self->argv[n++] = join (conf->cache_dir, "/resolver");
    for (size_t i = 0; i < ARRAY_SIZE (given); i++)
        if (given[i].value)
            self->argv[n++] = join (given[i].name, given[i].value);
}

static int init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    resolver_t *self = state;
    const ama_resolver_conf_t *conf = config;
    ama_resolve_rules_t rules;

    if (!conf->cache_dir || *conf->cache_dir != '/' || !conf->scripts_dir || *conf->scripts_dir != '/')
        return ama_err_set (err, AMA_E_INVALID, "the resolver needs absolute folders for its cache and its scripts");
    ama_resolve_rules_init (&rules);
    rules.idle_ms = conf->idle_ms ? conf->idle_ms : rules.idle_ms;
    rules.total_ms = conf->total_ms ? conf->total_ms : rules.total_ms;
    rules.retry_ms = conf->retry_ms ? conf->retry_ms : rules.retry_ms;
    self->ctx = ctx;
    self->parking = ama_parking_new (conf->crashes, ama_wall_now_ms (ctx));
    self->coursier_dir = join (conf->cache_dir, "/coursier");
    self->credentials_file = conf->credentials_file ? ama_strdup (conf->credentials_file) : NULL;
    self->hosts = ama_strv_copy (conf->hosts);
    set_argv (self, conf);
    self->store = ama_resolve_store_new (conf->cache_dir);
    self->stock = conf->depot ? ama_stock_new (ctx, conf->cache_dir) : NULL;
    self->core = ama_resolve_core_new (&rules, perform, self);
    self->wake = ama_timer_new (ctx, on_wake, self);
    self->worker = ama_worker_new (ctx, "resolver-store");
    self->keep = ama_keep_new (ctx, conf->cache_dir, &conf->keep, AMA_KEEP_JARS, NULL, NULL);
    self->trim = ama_resolve_trim_new (ctx, self->core, self->store, self->worker, &conf->keep);
    return 0;
}

static void done (void *state)
{
    resolver_t *self = state;
    work_t *work, *next;

    self->ending = true;
    ama_keep_destroy (&self->keep);
    if (self->store)
        ama_resolve_store_stop (self->store);
    ama_worker_destroy (&self->worker);
    ama_resolve_trim_destroy (&self->trim);
    while (self->tasks)          /* of an actor that was killed, in the simulator */
        free_task (self->tasks); /* utlist: NOLINT(clang-analyzer-unix.Malloc) */
    ama_stock_destroy (&self->stock);
    while (self->told)
        free_told (self->told); /* utlist: NOLINT(clang-analyzer-unix.Malloc) */
    ama_timer_destroy (&self->wake);
    /* no callback will find them any more: the actor is gone when its children are ended */
    LL_FOREACH_SAFE (self->works, work, next)
    drop_work (work);
    ama_resolve_core_destroy (&self->core);
    ama_parking_destroy (&self->parking);
    ama_resolve_store_destroy (&self->store);
    for (size_t i = 0; self->argv[i]; i++)
        free (self->argv[i]);
    ama_strv_free (self->hosts);
    free (self->coursier_dir);
    free (self->credentials_file);
}

static const ama_handler_t handlers[] = {
    { AMA_MSG_RESOLVE_REQUEST, on_request },
    { AMA_MSG_DEPOT_GET, on_get },
    AMA_HANDLER_END,
};

const ama_actor_def_t ama_resolver_def = {
    .name = "resolver",
    .role = AMA_ROLE_RESOLVER,
    .state_size = sizeof (resolver_t),
    .init = init,
    .done = done,
    .peer_gone = on_peer_gone,
    .handlers = handlers,
};
