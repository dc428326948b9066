/* fetch_actor.c - the repo fetcher: (url, ref) becomes a pinned, immutable snapshot in the cache
 *
 * Asked by the supervisor. Runs on its actor's own loop and never blocks: git is spoken by ama-fetch-helper in child processes, because
 * libgit2 can be stopped only by ending its process, and because a repository is hostile input. Holds nothing durable: after a crash the
 * supervisor repeats its asks, and the cache makes that cheap.
 *
 * Helpers serve one order at a time. One that has done with a repository of this disk stays for the next (starting one costs 10 ms, an
 * order 0.2 ms); what it says is checked as strictly as a message from outside.
 */
#include "actors/fetcher/fetch_actor.h"

#include "actors/base/ama_failpoint.h"
#include "actors/base/ama_log.h"
#include "actors/base/ama_parking.h"
#include "actors/base/ama_str.h"
#include "actors/depot/stock.h"
#include "actors/runtime/ama_child.h"
#include "messages/depot.h"
#include "messages/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum {
    KEPT_IDLE = 1, /* helpers that wait for the next order */
    ORDERS_PER_HELPER = 500,
    EXTRA_MEMORY = 512 << 20, /* of a helper, above the largest file */
};

typedef struct fetcher fetcher_t;

typedef struct helper {
    struct helper *prev, *next;
    fetcher_t *fetcher;
    ama_child_t *child;
    ama_fetch_job_id_t job; /* 0: idle */
    ama_digest_t input;     /* of its order; what: for a person */
    char *what;
    bool leaving;     /* gets no more orders */
    bool wanted_dead; /* its deadline passed, or nobody waits */
    unsigned orders;
    ama_str_t line; /* of its output, so far */
} helper_t;

/* An answer on its way by the depot. */
typedef struct told {
    struct told *prev, *next;
    fetcher_t *fetcher;
    ama_waiter_t waiter;
    ama_fetch_reply_t reply;
} told_t;

struct fetcher {
    ama_ctx_t *ctx;
    ama_fetch_core_t *core;
    ama_fetch_policy_t policy;
    ama_fetch_settings_t settings;
    ama_timer_t *wake;
    helper_t *helpers;
    char *program;
    ama_str_t snapshots;      /* what the path of every snapshot begins with */
    ama_stock_t *stock;       /* NULL: all have this disk */
    ama_keep_t *keep;         /* NULL: snapshots stay */
    ama_parking_t *parking;   /* orders that helpers died of */
    told_t *told;             /* answers whose trees are on their way to the depot */
    ama_fetch_job_id_t *dead; /* jobs whose helper could not be started, told to the core at the end of the turn */
    size_t n_dead;
};

static const char component[] = "fetcher";

/* ---- helpers ---- */

static void helper_leave (helper_t *helper)
{
    helper->leaving = true;
    ama_child_close_input (helper->child);
}

static void helper_end (helper_t *helper)
{
    helper->leaving = true;
    ama_child_kill (helper->child, true);
}

static size_t count_idle (const fetcher_t *self)
{
    const helper_t *helper;
    size_t n = 0;

    DL_FOREACH (self->helpers, helper)
    n += !helper->leaving && !helper->job;
    return n;
}

static bool is_ours (const fetcher_t *self, const ama_fetch_report_t *report)
{
    return report->kind != AMA_FETCH_DONE
           || (ama_str_starts (report->snapshot, self->snapshots.data) && !strstr (report->snapshot, ".."));
}

static void on_outcome (helper_t *helper, const ama_fetch_report_t *report)
{
    fetcher_t *self = helper->fetcher;
    ama_fetch_job_id_t job = helper->job;

    AMA_FAILPOINT (fetch, answered);
    (void) ama_parking_survived (self->parking, &helper->input);
    helper->job = 0;
    helper->orders++;
    if (report->last || helper->orders >= ORDERS_PER_HELPER)
        helper_leave (helper);
    ama_fetch_core_child_done (self->core, job, report, ama_now_ms (self->ctx));
    if (!helper->job && !helper->leaving && count_idle (self) > KEPT_IDLE)
        helper_leave (helper);
}

/* False: this is not how a helper talks. */
static bool on_line (helper_t *helper, const char *line, size_t size)
{
    fetcher_t *self = helper->fetcher;
    ama_fetch_report_t report = { 0 };
    ama_err_t err = { 0 };
    bool good = ama_fetch_report_decode (line, size, &report, &err) == 0 && helper->job && is_ours (self, &report);

    if (!good)
        ama_log (AMA_LOG_WARN, component, "a helper said what it may not%s%s", err.text[0] ? ": " : "", err.text);
    else if (report.kind == AMA_FETCH_PROGRESS)
        ama_fetch_core_progress (self->core, helper->job, &report, ama_now_ms (self->ctx));
    else
        on_outcome (helper, &report);
    ama_fetch_report_done (&report);
    return good;
}

static void on_output (ama_child_t *child, int channel, const char *bytes, size_t size, void *arg)
{
    helper_t *helper = arg;
    const char *end;

    (void) child;
    if (channel != 1) {
        if (size)
            ama_log (AMA_LOG_DEBUG, component, "helper: %.*s", (int) size, bytes);
        return;
    }
    ama_str_add (&helper->line, bytes, size);
    while (helper->line.size && (end = memchr (helper->line.data, '\n', helper->line.size))) {
        size_t length = (size_t) (end - helper->line.data);
        if (!on_line (helper, helper->line.data, length)) {
            ama_str_clear (&helper->line);
            helper_end (helper);
            return;
        }
        ama_str_cut (&helper->line, length + 1);
    }
    if (helper->line.size > AMA_FETCH_LINE_MAX)
        helper_end (helper);
}

/* It ended with an order in its hands. False: that order is to be left alone, and who waits for it was told. Not one that ended by itself, however badly:
 * a library that is missing is nothing that a repository does. */
static bool may_try_again (const helper_t *helper, const ama_child_end_t *end)
{
    fetcher_t *self = helper->fetcher;
    ama_fetch_report_t parked = { .kind = AMA_FETCH_FAILED };
    ama_err_t err = { 0 };
    ama_str_t how = { 0 };

    ama_str_printf (&how, "%s: %s %d", helper->what, end->signal ? "signal" : "exit code",
                    end->signal ? end->signal : end->code);
    ama_log (AMA_LOG_WARN, component, "%s", how.data);
    if (end->signal)
        parked.code = ama_parking_crashed (self->parking, &helper->input, how.data, ama_wall_now_ms (self->ctx), &err);
    parked.text = err.text;
    if (parked.code < 0)
        ama_fetch_core_child_done (self->core, helper->job, &parked, ama_now_ms (self->ctx));
    ama_str_done (&how);
    return parked.code == 0;
}

static void on_end (ama_child_t *child, const ama_child_end_t *end, void *arg)
{
    helper_t *helper = arg;
    fetcher_t *self = helper->fetcher;
    ama_fetch_job_id_t job = helper->job;

    (void) child;
    AMA_FAILPOINT (fetch, child_ended);
    DL_DELETE (self->helpers, helper);
    if (job && !helper->wanted_dead && !may_try_again (helper, end))
        job = 0;
    ama_str_done (&helper->line);
    free (helper->what);
    free (helper);
    if (job)
        ama_fetch_core_child_done (self->core, job, NULL, ama_now_ms (self->ctx));
}

static helper_t *helper_start (fetcher_t *self, ama_err_t *err)
{
    helper_t *helper = ama_calloc (1, sizeof *helper);
    const char *argv[] = { self->program, NULL };
    const ama_child_spec_t spec = {
        .argv = argv,
        .keep_input = true,
#ifndef __SANITIZE_ADDRESS__ /* which reserves terabytes of addresses */
        .memory_limit = self->settings.file_bytes * 2 + EXTRA_MEMORY,
#endif
        .on_output = on_output,
        .on_exit = on_end,
        .arg = helper,
    };

    helper->fetcher = self;
    helper->child = ama_child_spawn (self->ctx, &spec, err);
    if (!helper->child) {
        free (helper);
        return NULL;
    }
    DL_APPEND (self->helpers, helper);
    return helper;
}

static helper_t *helper_idle (fetcher_t *self)
{
    helper_t *helper;

    DL_FOREACH (self->helpers, helper)
    if (!helper->leaving && !helper->job)
        return helper;
    return NULL;
}

/* ---- effects: the core decided, we do ---- */

static void tell_dead (void *arg)
{
    fetcher_t *self = arg;
    ama_fetch_job_id_t *jobs = self->dead;
    size_t n = self->n_dead;

    self->dead = NULL;
    self->n_dead = 0;
    for (size_t i = 0; i < n; i++)
        ama_fetch_core_child_done (self->core, jobs[i], NULL, ama_now_ms (self->ctx));
    free (jobs);
}

static ama_digest_t digest_of (const ama_fetch_order_t *order)
{
    const char *const texts[] = { order->url, order->ref, order->commit, order->worktree ? "as it lies" : "" };
    ama_digest_state_t state;

    ama_digest_start (&state);
    for (size_t i = 0; i < ARRAY_SIZE (texts); i++)
        ama_digest_add (&state, texts[i], strlen (texts[i]) + 1);
    return ama_digest_end (&state);
}

/* Without the password that an address may have. */
static char *name_of (const ama_fetch_order_t *order)
{
    ama_fetch_url_t url = { 0 };
    ama_str_t name = { 0 };

    ama_str_puts (&name, "the fetch helper over ");
    if (ama_fetch_url_parse (order->url, strlen (order->url), &url, NULL) == 0)
        ama_str_escape (&name, url.normal, strlen (url.normal), 100);
    if (order->ref[0])
        ama_str_putc (&name, ' ');
    ama_str_escape (&name, order->ref, strlen (order->ref), 60);
    ama_fetch_url_done (&url);
    return ama_str_take (&name);
}

static void start_child (fetcher_t *self, const ama_fetch_effect_t *effect)
{
    helper_t *helper = helper_idle (self);
    ama_str_t line = { 0 };
    ama_err_t err = { 0 };

    if (!helper)
        helper = helper_start (self, &err);
    ama_fetch_order_encode (effect->order, &self->settings, &line);
    if (helper && ama_child_write (helper->child, line.data, line.size) == 0) {
        helper->job = effect->job;
        helper->input = digest_of (effect->order);
        free (helper->what);
        helper->what = name_of (effect->order);
        AMA_FAILPOINT (fetch, ordered);
    }
    else {
        ama_log (AMA_LOG_ERROR, component, "no fetch helper: %s", err.text[0] ? err.text : "it does not read");
        self->dead = ama_realloc (self->dead, (self->n_dead + 1) * sizeof *self->dead);
        self->dead[self->n_dead++] = effect->job;
        ama_defer (self->ctx, tell_dead, self);
    }
    ama_str_done (&line);
}

static void kill_child (fetcher_t *self, ama_fetch_job_id_t job)
{
    helper_t *helper;

    DL_FOREACH (self->helpers, helper)
    if (helper->job == job) {
        helper->wanted_dead = true;
        helper_end (helper);
        return;
    }
}

static void tell (fetcher_t *self, const ama_fetch_asker_t *asker, const ama_fetch_report_t *report)
{
    const ama_fetch_progress_t progress = {
        .key = asker->key,
        .text = report->phase,
        .received = report->bytes,
        .done = report->done,
        .total = report->total,
    };

    (void) ama_tell (self->ctx, asker->waiter.name, AMA_MSG_FETCH_PROGRESS, &progress); /* may be lost */
}

static void free_told (told_t *told)
{
    /* utlist: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    DL_DELETE (told->fetcher->told, told);
    ama_fetch_reply_done (&told->reply);
    free (told);
}

/* A depot that is not there makes us busy: then the supervisor asks again. */
static void on_kept (void *arg, const ama_err_t *err)
{
    told_t *told = arg;
    ama_ctx_t *ctx = told->fetcher->ctx;

    if (err)
        (void) ama_refuse (ctx, &told->waiter, AMA_E_BUSY, "the depot does not take the snapshot: %.900s", err->text);
    else
        (void) ama_reply (ctx, &told->waiter, AMA_MSG_FETCH_REPLY, &told->reply);
    free_told (told);
}

static void on_packed (void *arg, const char *path, const ama_digest_t *digest, const ama_err_t *err)
{
    told_t *told = arg;

    if (err) {
        (void) ama_refuse (told->fetcher->ctx, &told->waiter, err->code, "%s", err->text);
        free_told (told);
        return;
    }
    free (told->reply.snapshot);
    told->reply.snapshot = ama_strdup (path);
    ama_stock_offer (told->fetcher->stock, digest, 1, on_kept, told);
}

static void answer_by_depot (fetcher_t *self, const ama_waiter_t *waiter, const ama_fetch_reply_t *reply)
{
    told_t *told = ama_calloc (1, sizeof *told);

    told->fetcher = self;
    told->waiter = *waiter;
    ama_message_info (AMA_MSG_FETCH_REPLY)->copy (reply, &told->reply);
    DL_APPEND (self->told, told);
    ama_stock_add_tree (self->stock, reply->snapshot, on_packed, told);
}

static void answer (fetcher_t *self, const ama_fetch_asker_t *asker, const ama_fetch_report_t *report)
{
    const ama_fetch_reply_t reply = {
        .commit = report->commit,
        .snapshot = report->snapshot,
        .files = report->files,
        .bytes = report->bytes,
        .ref = report->ref,
        .subject = report->subject,
        .dirty = report->dirty,
        .cached = report->cached,
        .warnings = report->warnings,
        .n_warnings = report->n_warnings,
    };

    if (self->stock)
        answer_by_depot (self, &asker->waiter, &reply);
    else if (ama_reply (self->ctx, &asker->waiter, AMA_MSG_FETCH_REPLY, &reply) < 0)
        ama_log (AMA_LOG_DEBUG, component, "%s is gone, its answer is dropped", asker->waiter.name);
}

static void perform (const ama_fetch_effect_t *effect, void *arg)
{
    fetcher_t *self = arg;

    switch (effect->kind) {
    case AMA_FETCH_START_CHILD:
        start_child (self, effect);
        break;
    case AMA_FETCH_KILL_CHILD:
        kill_child (self, effect->job);
        break;
    case AMA_FETCH_TELL:
        tell (self, effect->asker, effect->report);
        break;
    case AMA_FETCH_ANSWER:
        answer (self, effect->asker, effect->report);
        break;
    case AMA_FETCH_REFUSE:
        (void) ama_refuse (self->ctx, &effect->asker->waiter, effect->error->code, "%s", effect->error->text);
        break;
    case AMA_FETCH_WAKE_AT:
        ama_timer_at (self->wake, effect->when_ms);
        break;
    }
}

/* ---- messages and time ---- */

static int on_request (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    fetcher_t *self = state;
    const ama_fetch_request_t *request = body;
    const ama_fetch_asker_t asker = { .waiter = ama_waiter (envelope), .key = request->key };
    const ama_fetch_order_t order = {
        .url = request->url,
        .ref = request->ref,
        .commit = request->commit,
        .credential = request->credential ? request->credential : (char *) "",
        .worktree = request->worktree,
    };
    const ama_digest_t input = digest_of (&order);
    int rc = ama_parking_check (self->parking, &input, ama_wall_now_ms (ctx), err);

    return rc < 0 ? rc : ama_fetch_core_ask (self->core, &order, &asker, ama_now_ms (ctx), err);
}

static int on_get (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    fetcher_t *self = state;

    (void) ctx;
    return self->stock ? ama_stock_serve (self->stock, envelope, &((const ama_depot_get_t *) body)->digest, err)
                       : ama_err_set (err, AMA_E_NOT_FOUND, "no depot is used here");
}

static void on_peer_gone (ama_ctx_t *ctx, void *state, const char *name)
{
    ama_fetch_core_forget (((fetcher_t *) state)->core, name, ama_now_ms (ctx));
}

static void on_wake (void *arg)
{
    fetcher_t *self = arg;
    ama_fetch_core_tick (self->core, ama_now_ms (self->ctx));
}

/* ---- life ---- */

static char *copy_text (const char *text)
{
    return text ? ama_strdup (text) : NULL;
}

static char *known_hosts (const ama_fetcher_conf_t *conf)
{
    ama_str_t path = { 0 };

    if (conf->known_hosts || !conf->home)
        return copy_text (conf->known_hosts);
    ama_str_printf (&path, "%s/.ssh/known_hosts", conf->home);
    return ama_str_take (&path);
}

static int check_texts (const ama_fetch_settings_t *settings, ama_err_t *err)
{
    const char *const texts[] = { settings->cache_dir, settings->ssh_key, settings->known_hosts,
                                  settings->credentials_file };

    for (size_t i = 0; i < ARRAY_SIZE (texts); i++)
        if (texts[i] && (texts[i][0] != '/' || !ama_utf8_valid (texts[i], strlen (texts[i]))))
            return ama_err_set (err, AMA_E_INVALID, "fetcher: %s is no absolute path of UTF-8", texts[i]);
    for (size_t i = 0; settings->credential_helpers && settings->credential_helpers[i]; i++)
        if (!ama_utf8_valid (settings->credential_helpers[i], strlen (settings->credential_helpers[i])))
            return ama_err_set (err, AMA_E_INVALID, "fetch.helpers: not UTF-8");
    return 0;
}

static int init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    fetcher_t *self = state;
    const ama_fetcher_conf_t *conf = config;
    ama_fetch_rules_t rules;
    int rc;

    self->ctx = ctx;
    self->stock = conf->depot ? ama_stock_new (ctx, conf->cache_dir) : NULL;
    self->keep = ama_keep_new (ctx, conf->cache_dir, &conf->keep,
                               AMA_KEEP_SNAPSHOTS | AMA_KEEP_MIRRORS | (self->stock ? AMA_KEEP_TREES : 0), NULL, NULL);
    if (conf->limits)
        self->settings = *conf->limits;
    else
        ama_fetch_settings_init (&self->settings);
    self->settings.cache_dir = copy_text (conf->cache_dir);
    self->settings.ssh_key = copy_text (conf->ssh_key);
    self->settings.known_hosts = known_hosts (conf);
    self->settings.credentials_file = copy_text (conf->credentials_file);
    self->settings.credential_helpers = ama_strv_copy (conf->credential_helpers);
    self->settings.local_paths = ama_strv_copy (conf->local_paths);
    self->program = ama_strdup (conf->helper);
    self->parking = ama_parking_new (conf->crashes, ama_wall_now_ms (ctx));
    rc = check_texts (&self->settings, err);
    if (rc == 0)
        rc = ama_fetch_policy_init (&self->policy, conf->schemes, conf->hosts, conf->local_paths, err);
    if (rc < 0)
        return rc;
    ama_str_printf (&self->snapshots, "%s/snapshots/", conf->cache_dir);
    if (conf->rules)
        rules = *conf->rules;
    else
        ama_fetch_rules_init (&rules);
    if (!conf->rules)
        (void) memcpy (&rules.seed, ama_new_id (ctx).b + 8, sizeof rules.seed);
    self->core = ama_fetch_core_new (&rules, &self->policy, perform, self);
    self->wake = ama_timer_new (ctx, on_wake, self);
    (void) helper_start (self,
                         NULL); /* so that the first order need not wait; if it can not be had, that order says so */
    return 0;
}

static void done (void *state)
{
    fetcher_t *self = state;
    helper_t *helper, *next;

    ama_keep_destroy (&self->keep);
    ama_stock_destroy (&self->stock);
    while (self->told)
        free_told (self->told); /* utlist: NOLINT(clang-analyzer-unix.Malloc) */
    /* the processes are gone already, with the loop */
    DL_FOREACH_SAFE (self->helpers, helper, next)
    {
        ama_str_done (&helper->line);
        free (helper->what);
        free (helper);
    }
    ama_timer_destroy (&self->wake);
    ama_fetch_core_destroy (&self->core);
    ama_fetch_policy_done (&self->policy);
    ama_fetch_settings_done (&self->settings);
    ama_str_done (&self->snapshots);
    ama_parking_destroy (&self->parking);
    free (self->program);
    free (self->dead);
}

static const ama_handler_t handlers[] = {
    { AMA_MSG_FETCH_REQUEST, on_request },
    { AMA_MSG_DEPOT_GET, on_get },
    AMA_HANDLER_END,
};

const ama_actor_def_t ama_fetcher_def = {
    .name = "fetcher",
    .role = AMA_ROLE_FETCHER,
    .state_size = sizeof (fetcher_t),
    .init = init,
    .done = done,
    .peer_gone = on_peer_gone,
    .handlers = handlers,
};
