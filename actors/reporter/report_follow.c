/* report_follow.c - followers: the backlog from the file as credit allows, a mark, then live; part of the reporter, on its thread
 *
 * A follower is an offset into its run's file and a stream. Live events too are read from the file (they were just written, the kernel
 * has them): so everybody gets the same bytes, and one that stalls costs nothing but its place.
 */
#include "actors/reporter/report_runs.h"

#include "messages/ama_types.h"
#include "messages/run.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum {
    CHUNK = 128 * 1024, /* bytes of one batch, unless a single line is longer */
    MANY = 64,          /* followers; of more, each gets */
    CHUNK_OF_MANY = 32 * 1024,
    SLACK = 4096, /* most lines that begin before the end of a chunk end within so much */
    ITEMS_MAX = 2048,
    IDLE_MS = 10000,      /* a reader that hears nothing for several times as long asks again */
    OWNER_MS = 10000,     /* the supervisor is restarted within */
    CHUNKS_PER_TURN = 32, /* so that a follower who filters gigabytes away does not hold up the others */
};

struct ama_report_follower {
    ama_report_run_t *run;
    ama_stream_t *stream;
    uint64_t offset;  /* in the file: what is before was told or was not wanted */
    uint64_t backlog; /* size of the file when the request came, with what was not synced yet */
    uint64_t from;    /* first number wanted */
    ama_report_level_t level;
    bool progress;
    bool caught_up; /* said so */
    uint64_t asked; /* of the supervisor: whose run it is; nothing is told meanwhile. 0: it may follow */
    ama_waiter_t reader;
    ama_report_follower_t *prev, *next;
};

/* A stretch of a run's file as items, for one level: good for everybody who has told the same up to there. */
struct ama_report_read {
    ama_report_item_t items[ITEMS_MAX];
    size_t count;
    size_t bytes; /* whole lines; 0: nothing was read */
    ama_str_t chunk;
    const ama_report_run_t *run;
    uint64_t offset;
    ama_report_level_t level;
    uint64_t from; /* the least number that a follower for whom this is right may want */
};

static void forget (ama_report_follower_t *follower)
{
    DL_DELETE (follower->run->followers, follower);
    follower->run->reports->n_followers--;
    if (follower->asked && !follower->run->reports->closing)
        ama_ask_cancel (follower->run->reports->ctx, follower->asked);
    free (follower);
}

/* ---- reading ---- */

static bool is_wanted (const ama_report_read_t *read, const ama_report_record_t *record, uint64_t from)
{
    return record->seq >= from && (read->level == AMA_REPORT_LEVEL_CODE || !record->code);
}

/* The whole lines at the start of what was read become items, as far as they begin before `end`; the LF behind each becomes the end of its
 * string. */
static int parse_lines (ama_report_read_t *read, uint64_t from, size_t end)
{
    while (read->count < ITEMS_MAX && read->bytes < end) {
        char *line = read->chunk.data + read->bytes, *lf = memchr (line, '\n', read->chunk.size - read->bytes);
        ama_report_record_t record;

        if (!lf)
            return 0;
        if (ama_report_line_parse (line, (size_t) (lf - line), &record) < 0)
            return AMA_E_INTEGRITY;
        *lf = '\0';
        if (!read->bytes)
            read->from = record.seq;
        read->bytes = (size_t) (lf - read->chunk.data) + 1;
        if (is_wanted (read, &record, from))
            read->items[read->count++] = (ama_report_item_t){
                .seq = record.seq,
                .prev = read->level == AMA_REPORT_LEVEL_CODE ? record.seq - 1 : record.prev,
                .json = line + (record.json - line),
            };
    }
    return 0;
}

/* Is what was read for somebody else what this one wants, too? */
static bool is_read (const ama_report_read_t *read, const ama_report_follower_t *follower)
{
    return read && read->bytes && read->run == follower->run && read->offset == follower->offset
           && read->level == follower->level && follower->from <= read->from;
}

/* The one of the reads that it has, or one to read into, which becomes the newest. */
static ama_report_read_t *pick_read (const ama_report_follower_t *follower)
{
    ama_report_read_t **reads = follower->run->reports->reads, *read;
    size_t i = 0;

    while (i < AMA_REPORT_READS - 1 && !is_read (reads[i], follower))
        i++;
    read = reads[i] ? reads[i] : ama_calloc (1, sizeof *read);
    memmove (reads + 1, reads, i * sizeof (ama_report_read_t *));
    reads[0] = read;
    return read;
}

/* A read ends at a multiple of its size in the file (or behind the line there), so that followers who went apart come together again. */
static int read_batch (const ama_report_follower_t *follower, const ama_report_read_t **ret_read, ama_err_t *err)
{
    ama_report_read_t *read = pick_read (follower);
    size_t most = follower->run->reports->n_followers > MANY ? CHUNK_OF_MANY : CHUNK;
    size_t end = most - (size_t) (follower->offset % most);
    uint64_t told = ama_report_file_told (follower->run->file);
    uint64_t left = told > follower->offset ? told - follower->offset : 0;

    *ret_read = read;
    if (is_read (read, follower))
        return 0;
    read->run = follower->run;
    read->offset = follower->offset;
    read->level = follower->level;
    read->count = read->bytes = 0;
    for (size_t size = end + SLACK;; size = AMA_REPORT_LINE_MAX) {
        ssize_t got;
        int rc;

        ama_str_clear (&read->chunk);
        ama_str_reserve (&read->chunk, size);
        got = ama_report_file_read (follower->run->file, follower->offset, read->chunk.data, size < left ? size : left,
                                    err);
        if (got < 0) {
            read->run = NULL;
            return (int) got;
        }
        read->chunk.size = (size_t) got;
        rc = parse_lines (read, follower->from, end);
        if (follower->from > read->from) /* some were left out for this one */
            read->run = NULL;
        if (rc == 0 && !read->bytes && got && size == AMA_REPORT_LINE_MAX)
            rc = AMA_E_INTEGRITY;
        if (rc < 0) {
            read->run = NULL;
            return ama_err_set (err, rc, "the report of this run is damaged from byte %llu on",
                                (unsigned long long) follower->offset + read->bytes);
        }
        if (read->bytes || !got)
            return 0;
    }
}

void ama_report_read_forget (ama_report_run_t *run)
{
    ama_report_read_t **reads = run->reports->reads;

    for (size_t i = 0; i < AMA_REPORT_READS; i++)
        if (reads[i] && reads[i]->run == run)
            reads[i]->run = NULL;
}

void ama_report_read_done (ama_reports_t *reports)
{
    for (size_t i = 0; i < AMA_REPORT_READS; i++) {
        if (reports->reads[i])
            ama_str_done (&reports->reads[i]->chunk);
        free (reports->reads[i]);
        reports->reads[i] = NULL;
    }
}

/* ---- telling ---- */

/* The end of what there is. True if the follower is gone. */
static bool tell_end (ama_report_follower_t *follower)
{
    const ama_report_run_t *run = follower->run;

    if (follower->offset < ama_report_file_size (run->file)) /* its end, perhaps, is being synced */
        return false;
    if (ama_report_core_ended (run->core)) {
        ama_report_end_t end = { .state = (char *) ama_report_core_state (run->core),
                                 .exit = ama_report_core_exit (run->core) };
        ama_stream_end (&follower->stream, AMA_MSG_REPORT_END, &end);
    }
    else if (run->reports->read_only)
        ama_stream_fail (&follower->stream, AMA_E_UNREACHABLE,
                         "the report breaks off here: whoever ran this run is gone");
    else
        return false;
    forget (follower);
    return true;
}

/* Who is behind gets none: it speaks of now. */
static void tell_progress (const ama_report_follower_t *follower)
{
    const ama_report_run_t *run = follower->run;
    ama_report_item_t item = { .json = run->progress };
    ama_report_batch_t batch = { .items = &item, .n_items = 1 };

    if (run->progress && follower->progress && follower->caught_up
        && follower->offset >= ama_report_file_told (run->file))
        (void) ama_stream_send (follower->stream, AMA_MSG_REPORT_BATCH, &batch);
}

/* Sends a batch, or only moves on if there is nothing in it to tell. 0, AMA_E_AGAIN or an error. */
static int tell_batch (ama_report_follower_t *follower, const ama_report_read_t *read)
{
    uint64_t behind = follower->offset + (read ? read->bytes : 0);
    ama_report_batch_t body = {
        .items = read ? (ama_report_item_t *) read->items : NULL,
        .n_items = read ? read->count : 0,
        .caught_up = !follower->caught_up && behind >= follower->backlog,
    };
    int rc = 0;

    if (body.n_items || body.caught_up)
        rc = ama_stream_send (follower->stream, AMA_MSG_REPORT_BATCH, &body);
    if (rc == 0) {
        follower->offset = behind;
        follower->caught_up = follower->caught_up || body.caught_up;
        if (body.caught_up) /* what is waited for was told before this follower came */
            tell_progress (follower);
    }
    return rc;
}

static void fail (ama_report_follower_t *follower, const ama_err_t *err)
{
    ama_stream_fail (&follower->stream, err->code, err->text);
    forget (follower);
}

/* The next batch. True if there may be more to tell it now; if not, it may be gone. */
static bool pump_once (ama_report_follower_t *follower)
{
    ama_report_run_t *run = follower->run;
    const ama_report_read_t *read = NULL;
    ama_err_t err = { 0 };
    int rc = 0;

    if (follower->asked)
        return false;
    if (!run->core && ama_report_run_get (run->reports, run->id, &run, &err) < 0) {
        fail (follower, &err);
        return false;
    }
    if (follower->level == AMA_REPORT_LEVEL_NONE && follower->caught_up)
        follower->offset = ama_report_file_told (run->file);
    if (follower->offset >= ama_report_file_told (run->file)
        && (follower->caught_up || follower->offset < follower->backlog)) { /* the rest is being synced */
        (void) tell_end (follower);
        return false;
    }
    if (follower->level != AMA_REPORT_LEVEL_NONE)
        rc = read_batch (follower, &read, &err);
    else
        follower->backlog = 0;
    if (rc == 0)
        rc = tell_batch (follower, read);
    if (rc < 0 && rc != AMA_E_AGAIN) {
        if (!err.code)
            ama_err_set (&err, rc, "the report can not be sent on");
        fail (follower, &err);
    }
    return rc == 0;
}

static void pump (ama_report_follower_t *follower)
{
    ama_reports_t *reports = follower->run->reports;
    unsigned chunks = 0;

    while (pump_once (follower))
        if (++chunks == CHUNKS_PER_TURN) {
            ama_timer_after (reports->more, 0);
            return;
        }
}

static void on_writable (ama_stream_t *stream, void *arg)
{
    (void) stream;
    pump (arg);
}

static void on_closed (ama_stream_t *stream, void *arg)
{
    (void) stream;
    forget (arg);
}

/* ---- may it? ---- */

/* Another's run is refused as one that is not there. */
static void on_owner (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err, void *arg)
{
    ama_report_follower_t *follower = arg;
    const ama_run_owned_t *owned = body;
    ama_err_t none = { 0 };

    (void) ctx;
    (void) envelope;
    follower->asked = 0;
    if (err)
        fail (follower, err);
    else if (strcmp (owned->owner, follower->reader.user) != 0) {
        (void) ama_err_set (&none, AMA_E_NOT_FOUND, "there is no such run");
        fail (follower, &none);
    }
    else
        pump (follower);
}

static void ask_owner (ama_report_follower_t *follower)
{
    const ama_run_owner_t ask = { .run = follower->run->id };

    follower->asked =
        ama_ask (follower->run->reports->ctx, "supervisor", AMA_MSG_RUN_OWNER, &ask, OWNER_MS, 0, on_owner, follower);
}

int ama_report_follow_start (ama_reports_t *reports, const ama_envelope_t *envelope, const ama_report_follow_t *follow,
                             ama_err_t *err)
{
    ama_report_follower_t *follower;
    ama_report_run_t *run;
    uint64_t offset = 0;
    int rc;

    if (reports->n_followers >= AMA_REPORT_FOLLOWERS_MAX)
        return ama_err_set (err, AMA_E_BUSY, "%u people follow already", reports->n_followers);
    if ((rc = ama_report_run_get (reports, follow->run, &run, err)) < 0
        || (rc = ama_report_file_seek (run->file, follow->from, &offset, err)) < 0)
        return rc;
    follower = ama_calloc (1, sizeof *follower);
    *follower = (ama_report_follower_t){
        .run = run,
        .stream = ama_stream_new (reports->ctx, envelope, on_writable, on_closed, follower),
        .offset = offset,
        .backlog = ama_report_file_size (run->file),
        .from = follow->from,
        .level = follow->level,
        .progress = follow->progress,
        .reader = ama_waiter (envelope),
    };
    DL_APPEND (run->followers, follower);
    if (!reports->n_followers++)
        ama_timer_after (reports->idle, IDLE_MS);
    if (envelope->role == AMA_ROLE_SUBMITTER)
        ask_owner (follower);
    pump (follower);
    return 0;
}

void ama_report_follow_pump (ama_report_run_t *run)
{
    ama_report_follower_t *follower, *next;
    bool more = true;

    /* a batch each in turn: with all of them for one and then for the next, what was read is forgotten before the others come to it */
    for (unsigned chunks = 0; more; chunks++) {
        if (chunks == CHUNKS_PER_TURN) {
            ama_timer_after (run->reports->more, 0);
            return;
        }
        more = false;
        DL_FOREACH_SAFE (run->followers, follower, next)
        more |= pump_once (follower);
    }
}

void ama_report_follow_more (void *arg)
{
    ama_reports_t *reports = arg;
    ama_report_run_t *run, *next;

    HASH_ITER (hh, reports->runs, run, next)
    ama_report_follow_pump (run);
}

void ama_report_follow_drop (ama_report_run_t *run)
{
    while (run->followers)
        /* utlist: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        forget (run->followers);
}

void ama_report_follow_fail (ama_report_run_t *run, int code, const char *text)
{
    ama_err_t err = { 0 };

    (void) ama_err_set (&err, code, "%s", text);
    while (run->followers)
        /* utlist: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        fail (run->followers, &err);
}

static void say_alive (const ama_report_run_t *run)
{
    const ama_report_batch_t empty = { 0 };
    ama_report_follower_t *follower, *next;

    DL_FOREACH_SAFE (run->followers, follower, next)
    if (follower->caught_up)
        (void) ama_stream_send (follower->stream, AMA_MSG_REPORT_BATCH, &empty);
}

void ama_report_follow_idle (void *arg)
{
    ama_reports_t *reports = arg;
    ama_report_run_t *run, *next;

    HASH_ITER (hh, reports->runs, run, next)
    say_alive (run);
    if (reports->n_followers)
        ama_timer_after (reports->idle, IDLE_MS);
}

void ama_report_follow_progress (ama_report_run_t *run, const ama_report_event_t *event)
{
    ama_report_follower_t *follower, *next;
    ama_str_t json = { 0 };

    if (!run->core)
        return;
    ama_report_core_progress (run->core, event, &json);
    ama_report_run_moved_on (run);
    run->progress = ama_str_take (&json);
    DL_FOREACH_SAFE (run->followers, follower, next)
    tell_progress (follower);
}
