/* reporter_actor.c - takes posts, keeps them, acknowledges them once they are durable, and serves followers
 *
 * Runs on its actor's thread; report_core numbers, report_store writes, report_follow tells. The disk is synced by a worker, some
 * milliseconds after the first post that waits for it, and all that came meanwhile are acknowledged together: nobody waits for that, while the
 * journal beside it, which people do wait for, would suffer from each sync. Sender and followers are told of a post once it is synced: what a
 * sender may forget survives a power cut, and so does what a follower has read, else it would read another event by the same number later.
 */
#include "actors/reporter/reporter.h"

#include "actors/base/ama_failpoint.h"
#include "actors/base/ama_log.h"
#include "actors/reporter/report_json.h"
#include "actors/reporter/report_runs.h"
#include "actors/runtime/ama_worker.h"
#include "messages/ama_types.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SYNC_MS = 5 };

typedef struct {
    ama_waiter_t waiter;
    ama_report_posted_t posted;
} ack_t;

typedef struct {
    ama_id_t run;
    uint64_t size; /* of its file */
} reach_t;

typedef struct {
    ama_waiter_t waiter;
    char name[AMA_REPORT_NAME_MAX];
} removal_t;

/* One sync: files to be removed, descriptors to be synced, then answers to be sent, and followers told. */
typedef struct {
    struct reporter *reporter;
    int *fds;
    size_t n_fds;
    reach_t *reached;
    size_t n_reached;
    ack_t *acks;
    size_t n_acks;
    removal_t *removals;
    size_t n_removals;
    int dir;   /* their folder, borrowed */
    int error; /* errno */
} sync_t;

typedef struct reporter {
    ama_ctx_t *ctx;
    ama_reports_t reports;
    ama_worker_t *worker;
    sync_t *next;    /* collects; NULL: nothing to sync */
    sync_t *running; /* the worker has it; NULL: it has nothing to do */
    ama_timer_t *due;
    bool waiting; /* for `due` */
    bool stopping;
} reporter_t;

/* ---- the disk ---- */

static void sync_destroy (sync_t *sync)
{
    if (!sync)
        return;
    for (size_t i = 0; i < sync->n_fds; i++)
        close (sync->fds[i]);
    free (sync->fds);
    free (sync->reached);
    free (sync->acks);
    free (sync->removals);
    free (sync);
}

/* On the worker's thread. */
static void sync_work (void *job)
{
    sync_t *sync = job;

    AMA_FAILPOINT (report, before_sync);
    for (size_t i = 0; i < sync->n_removals; i++)
        if (unlinkat (sync->dir, sync->removals[i].name, 0) < 0 && errno != ENOENT)
            sync->error = errno;
    for (size_t i = 0; i < sync->n_fds; i++)
        if (fdatasync (sync->fds[i]) < 0)
            sync->error = errno;
    AMA_FAILPOINT (report, synced);
}

static void sync_soon (reporter_t *self);

/* What is on the disk now may be told. */
static void tell_followers (reporter_t *self, const sync_t *sync)
{
    for (size_t i = 0; i < sync->n_reached; i++) {
        ama_report_run_t *run;
        HASH_FIND (hh, self->reports.runs, &sync->reached[i].run, sizeof run->id, run);
        if (run && run->file)
            ama_report_file_synced (run->file, sync->reached[i].size);
        if (run && run->file && run->core && ama_report_core_ended (run->core)
            && ama_report_file_told (run->file) == ama_report_file_size (run->file))
            ama_report_file_seal (run->file);
        if (run)
            ama_report_follow_pump (run);
    }
}

static void sync_completed (void *job)
{
    sync_t *sync = job;
    reporter_t *self = sync->reporter;

    self->running = NULL;
    if (sync->error) {
        /* What is on the disk is unknown now, and the kernel will not try again: whoever starts us again reads the file. */
        ama_log (AMA_LOG_ERROR, "reporter", "reports can not be made durable: %s", strerror (sync->error));
        ama_exit (self->ctx, AMA_E_IO, "reports can not be made durable");
    }
    else {
        const ama_report_removed_t removed = { 0 };
        for (size_t i = 0; i < sync->n_acks; i++)
            (void) ama_reply (self->ctx, &sync->acks[i].waiter, AMA_MSG_REPORT_POSTED, &sync->acks[i].posted);
        for (size_t i = 0; i < sync->n_removals; i++)
            (void) ama_reply (self->ctx, &sync->removals[i].waiter, AMA_MSG_REPORT_REMOVED, &removed);
        tell_followers (self, sync);
    }
    AMA_FAILPOINT (report, acknowledged);
    sync_destroy (sync);
    sync_soon (self);
}

static void add_fd (sync_t *sync, int fd)
{
    if (fd < 0) {
        sync->error = errno ? errno : EBADF;
        return;
    }
    sync->fds = ama_realloc (sync->fds, (sync->n_fds + 1) * sizeof *sync->fds);
    sync->fds[sync->n_fds++] = fd;
}

static void add_reach (sync_t *sync, const ama_report_run_t *run)
{
    sync->reached = ama_realloc (sync->reached, (sync->n_reached + 1) * sizeof *sync->reached);
    sync->reached[sync->n_reached++] = (reach_t){ .run = run->id, .size = ama_report_file_size (run->file) };
}

static void on_due (void *arg)
{
    reporter_t *self = arg;
    sync_t *sync = self->next;
    ama_report_run_t *run, *next;
    bool new_names = sync->n_removals > 0;

    self->waiting = false;
    self->next = NULL;
    HASH_ITER (hh, self->reports.runs, run, next)
    {
        if (!run->unsynced)
            continue;
        run->unsynced = false;
        new_names |= !run->named;
        run->named = true;
        add_fd (sync, ama_report_file_sync_fd (run->file, NULL));
        add_reach (sync, run);
    }
    if (new_names)
        add_fd (sync, fcntl (ama_report_store_dir_fd (self->reports.store), F_DUPFD_CLOEXEC, 0));
    self->running = sync;
    ama_worker_submit (self->worker, sync_work, sync_completed, sync);
}

static void sync_soon (reporter_t *self)
{
    if (self->stopping || self->running || self->waiting || !self->next)
        return;
    self->waiting = true;
    ama_timer_after (self->due, SYNC_MS);
}

static sync_t *next_sync (reporter_t *self)
{
    if (!self->next) {
        self->next = ama_calloc (1, sizeof *self->next);
        self->next->reporter = self;
        self->next->dir = ama_report_store_dir_fd (self->reports.store);
    }
    return self->next;
}

static void add_ack (reporter_t *self, const ama_envelope_t *envelope, ama_id_t source, uint64_t upto)
{
    (void) next_sync (self);
    self->next->acks = ama_realloc (self->next->acks, (self->next->n_acks + 1) * sizeof *self->next->acks);
    self->next->acks[self->next->n_acks++] =
        (ack_t){ .waiter = ama_waiter (envelope), .posted = { .source = source, .upto = upto } };
}

/* At the end of a turn: everything its messages brought, at once. */
static void flush (void *arg)
{
    reporter_t *self = arg;

    sync_soon (self);
    ama_report_runs_trim (&self->reports);
}

/* ---- messages ---- */

static void keep_line (const ama_report_record_t *record, void *arg)
{
    ama_report_line_add (record, arg);
}

/* Numbers were given to events that could not be written: what is in the file counts. Earlier events are still to be synced. */
static void drop_run (reporter_t *self, ama_report_run_t *run)
{
    if (run->unsynced)
        add_fd (self->next, ama_report_file_sync_fd (run->file, NULL));
    run->unsynced = false;
    ama_report_run_unload (run);
}

/* What happens inside an attempt; that it ended, or the run, is the supervisor's to say. */
static bool is_of_attempt (const ama_report_event_t *event)
{
    return event->type >= AMA_EVENT_TYPE_STATEMENT_STARTED && event->type <= AMA_EVENT_TYPE_GAP;
}

static int check_agents_word (const ama_report_post_t *post, ama_err_t *err)
{
    if (ama_id_equal (post->source, post->run))
        return ama_err_set (err, AMA_E_ROLE, "an agent does not speak for the run as a whole");
    for (size_t i = 0; i < post->n_events; i++)
        if (!is_of_attempt (&post->events[i]))
            return ama_err_set (err, AMA_E_ROLE, "an agent does not tell of events of type %d",
                                (int) post->events[i].type);
    return 0;
}

static int on_post (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    const ama_report_post_t *post = body;
    reporter_t *self = state;
    ama_report_run_t *run;
    ama_str_t lines = { 0 };
    uint64_t upto;
    size_t late;
    int rc;

    if (self->reports.read_only)
        return ama_err_set (err, AMA_E_UNSUPPORTED, "this reporter only reads");
    if (!post->first)
        return ama_err_set (err, AMA_E_INVALID, "events of a source are numbered from 1");
    if (envelope->role == AMA_ROLE_AGENT && (rc = check_agents_word (post, err)) < 0)
        return rc;
    if ((rc = ama_report_run_get (&self->reports, post->run, &run, err)) < 0)
        return rc;
    /* a report begins with what the run says of itself, however slow that comes */
    if (envelope->role == AMA_ROLE_AGENT
        && !(ama_report_core_accepted (run->core) && ama_report_core_may_tell (run->core, post))) {
        (void) ama_report_core_park (run->core, post, ama_now_ms (ctx));
        return ama_err_set (err, AMA_E_BUSY, "the start of this attempt was not told yet");
    }
    upto = ama_report_core_post (run->core, post, ama_now_ms (ctx), keep_line, &lines, &late);
    if (late)
        ama_log (AMA_LOG_DEBUG, "reporter", "%zu events came after the end of their run", late);
    if (lines.size) {
        AMA_FAILPOINT (report, before_append);
        rc = ama_report_file_append (run->file, lines.data, lines.size, err);
        AMA_FAILPOINT (report, appended);
        if (rc < 0)
            drop_run (self, run);
        else {
            run->unsynced = true;
            ama_report_run_moved_on (run);
        }
    }
    ama_str_done (&lines);
    if (rc < 0)
        return rc;
    add_ack (self, envelope, post->source, upto);
    ama_defer (ctx, flush, self);
    return 0;
}

static int on_remove (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    const ama_report_remove_t *remove = body;
    reporter_t *self = state;
    sync_t *sync;

    if (self->reports.read_only)
        return ama_err_set (err, AMA_E_UNSUPPORTED, "this reporter only reads");
    ama_report_run_remove (&self->reports, remove->run, remove->text);
    sync = next_sync (self);
    sync->removals = ama_realloc (sync->removals, (sync->n_removals + 1) * sizeof *sync->removals);
    sync->removals[sync->n_removals].waiter = ama_waiter (envelope);
    ama_report_file_name (remove->run, sync->removals[sync->n_removals++].name);
    ama_defer (ctx, flush, self);
    return 0;
}

static int on_progress (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    const ama_report_progress_t *progress = body;
    reporter_t *self = state;
    ama_report_run_t *run;

    (void) ctx;
    (void) envelope;
    (void) err;
    HASH_FIND (hh, self->reports.runs, &progress->run, sizeof progress->run, run);
    if (run)
        ama_report_follow_progress (run, &progress->event);
    return 0;
}

static int on_follow (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    reporter_t *self = state;

    (void) ctx;
    return ama_report_follow_start (&self->reports, envelope, body, err);
}

/* Walks the chain of artifact events backwards; *list is filled from its end. */
static int read_artifacts (ama_report_run_t *run, ama_run_artifact_info_t *list, size_t *count, size_t max,
                           ama_err_t *err)
{
    uint64_t seq = ama_report_core_artifact (run->core);
    ama_str_t buf = { 0 };
    int rc = 0;

    while (rc == 0 && seq && *count < max) {
        ama_report_record_t record;
        rc = ama_report_file_record (run->file, seq, &buf, &record, err);
        if (rc < 0)
            break;
        if (ama_report_json_artifact (record.json, record.json_size, &list[max - 1 - *count]))
            ++*count;
        seq = record.artifact < seq ? record.artifact : 0;
    }
    ama_str_done (&buf);
    return rc;
}

static int on_artifacts (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    enum { MAX = AMA_REPORT_ARTIFACTS_REPLY_ARTIFACTS_MAX };
    const ama_report_artifacts_t *ask = body;
    reporter_t *self = state;
    ama_run_artifact_info_t *list;
    ama_report_run_t *run;
    ama_waiter_t waiter = ama_waiter (envelope);
    size_t count = 0;
    int rc;

    if ((rc = ama_report_run_get (&self->reports, ask->run, &run, err)) < 0)
        return rc;
    list = ama_calloc (MAX, sizeof *list);
    rc = read_artifacts (run, list, &count, MAX, err);
    if (rc == 0) {
        ama_report_artifacts_reply_t reply = { .artifacts = list + MAX - count, .n_artifacts = count };
        rc = ama_reply (ctx, &waiter, AMA_MSG_REPORT_ARTIFACTS_REPLY, &reply);
    }
    for (size_t i = MAX - count; i < MAX; i++)
        ama_run_artifact_info_done (&list[i]);
    free (list);
    ama_defer (ctx, flush, self);
    return rc;
}

/* ---- life ---- */

static int init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    const ama_reporter_conf_t *conf = config;
    reporter_t *self = state;
    int rc;

    self->ctx = ctx;
    self->reports.ctx = ctx;
    self->reports.read_only = conf->read_only;
    rc = ama_report_store_open (conf->dir, conf->read_only, &self->reports.store, err);
    if (rc < 0)
        return rc;
    self->reports.more = ama_timer_new (ctx, ama_report_follow_more, &self->reports);
    self->reports.idle = ama_timer_new (ctx, ama_report_follow_idle, &self->reports);
    self->due = ama_timer_new (ctx, on_due, self);
    self->worker = ama_worker_new (ctx, "reports");
    return 0;
}

static void stop (ama_ctx_t *ctx, void *state)
{
    reporter_t *self = state;

    self->stopping = true;
    /* waits for a sync under way; who is not answered posts again to our successor */
    ama_worker_destroy (&self->worker);
    ama_exit (ctx, 0, NULL);
}

static void done (void *state)
{
    reporter_t *self = state;

    self->stopping = self->reports.closing = true;
    ama_worker_destroy (&self->worker);
    sync_destroy (self->running);
    ama_timer_destroy (&self->reports.more);
    ama_timer_destroy (&self->reports.idle);
    ama_timer_destroy (&self->due);
    sync_destroy (self->next);
    ama_report_runs_done (&self->reports);
    ama_report_store_close (&self->reports.store);
    ama_report_read_done (&self->reports);
}

static const ama_handler_t handlers[] = {
    { AMA_MSG_REPORT_POST, on_post },     { AMA_MSG_REPORT_PROGRESS, on_progress },
    { AMA_MSG_REPORT_FOLLOW, on_follow }, { AMA_MSG_REPORT_ARTIFACTS, on_artifacts },
    { AMA_MSG_REPORT_REMOVE, on_remove }, AMA_HANDLER_END,
};

const ama_actor_def_t ama_reporter_def = {
    .name = "reporter",
    .role = AMA_ROLE_REPORTER,
    .state_size = sizeof (reporter_t),
    .init = init,
    .stop = stop,
    .done = done,
    .handlers = handlers,
};
