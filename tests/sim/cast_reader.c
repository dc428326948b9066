/* cast_reader.c - people who follow all runs: one attentive, one slow, one that dies and comes back, and one with the real client
 *
 * Each takes what it has not got yet, as any reader of the protocol has to, and writes into the history what it took.
 */
#include "tests/sim/cast_part.h"

#include "client/follow.h"
#include "messages/ama_types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TICK_MS = 100, SILENCE_MS = 15000, ATTENTIVE = 0, SLOW = 1, MORTAL = 2, REAL = 3 };

typedef struct self self_t;

typedef struct {
    self_t *self;
    size_t run;
    uint64_t ask; /* 0: none is open */
    bool held;
    ama_follow_t *follow; /* of the real client */
} following_t;

struct self {
    ama_ctx_t *ctx;
    cast_reader_t *reader;
    ama_timer_t *timer;
    following_t runs[CAST_RUNS];
};

static ama_report_level_t level_of (const cast_reader_t *reader)
{
    return reader->index == MORTAL ? AMA_REPORT_LEVEL_EXECUTION : AMA_REPORT_LEVEL_CODE;
}

/* ---- what is noted ---- */

static uint64_t sum_of (const char *text, size_t size)
{
    uint64_t sum = 0xcbf29ce484222325u;

    for (size_t i = 0; i < size; i++)
        sum = (sum ^ (uint8_t) text[i]) * 0x100000001b3u;
    return sum;
}

/* The event itself is noted where it is news. */
static void note_item (ama_str_t *items, cast_run_t *run, bool code, uint64_t seq, uint64_t prev, const char *json,
                       size_t size)
{
    bool news = code && seq == run->told + 1;

    run->told += news;
    ama_str_printf (items, "%s[%llu,%llu,\"%016llx\"", items->size ? "," : "", (unsigned long long) seq,
                    (unsigned long long) prev, (unsigned long long) sum_of (json, size));
    if (news)
        ama_str_printf (items, ",{%.*s}", (int) size, json);
    ama_str_putc (items, ']');
}

static void note_read (const cast_reader_t *reader, const cast_run_t *run, ama_str_t *items)
{
    char text[AMA_ID_TEXT];

    if (items->size)
        cast_note (reader->world, "read", ",\"reader\":%u,\"code\":%s,\"run\":\"%s\",\"items\":[%s]", reader->index,
                   level_of (reader) == AMA_REPORT_LEVEL_CODE ? "true" : "false", ama_id_text (run->id, text),
                   items->data);
    ama_str_done (items);
}

static void note_end (cast_reader_t *reader, size_t run, int64_t exit)
{
    char text[AMA_ID_TEXT];

    reader->runs[run].ended = true;
    cast_note (reader->world, "read_end", ",\"reader\":%u,\"run\":\"%s\",\"exit\":%lld", reader->index,
               ama_id_text (reader->world->runs[run].id, text), (long long) exit);
}

/* ---- readers of our own ---- */

static void drop (following_t *one)
{
    if (one->ask)
        ama_ask_cancel (one->self->ctx, one->ask);
    one->ask = 0;
    one->held = false;
}

/* False: something is missing, which may have got lost on the way. */
static bool take (following_t *one, const ama_report_batch_t *batch)
{
    cast_reader_t *reader = one->self->reader;
    cast_run_t *run = &reader->world->runs[one->run];
    uint64_t *last = &reader->runs[one->run].last;
    ama_str_t items = { 0 };
    bool whole = true;

    for (size_t i = 0; i < batch->n_items && whole; i++) {
        const ama_report_item_t *item = &batch->items[i];
        if (item->seq <= *last)
            continue;
        whole = item->prev == *last;
        if (!whole)
            break;
        note_item (&items, run, level_of (reader) == AMA_REPORT_LEVEL_CODE, item->seq, item->prev, item->json,
                   strlen (item->json));
        *last = item->seq;
        reader->runs[one->run].has_end = strstr (item->json, "\"type\":\"run.ended\"") != NULL;
    }
    note_read (reader, run, &items);
    return whole;
}

static void on_reply (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err, void *arg)
{
    following_t *one = arg;
    cast_reader_t *reader = one->self->reader;

    (void) ctx;
    if (!err && envelope->flags & AMA_FLAG_MORE) {
        if (!take (one, body))
            drop (one);
        return;
    }
    one->ask = 0;
    one->held = false;
    if (!err && reader->runs[one->run].has_end)
        note_end (reader, one->run, ((const ama_report_end_t *) body)->exit);
}

static void ask (following_t *one)
{
    static const uint32_t windows[] = { [ATTENTIVE] = 1 << 20, [SLOW] = 600, [MORTAL] = 4096 };
    const cast_reader_t *reader = one->self->reader;
    ama_report_follow_t follow = { .run = reader->world->runs[one->run].id,
                                   .from = reader->runs[one->run].last + 1,
                                   .level = level_of (reader),
                                   .progress = one->run % 2 };

    one->ask = ama_ask (one->self->ctx, "reporter", AMA_MSG_REPORT_FOLLOW, &follow, SILENCE_MS, windows[reader->index],
                        on_reply, one);
}

static void tend (following_t *one)
{
    const cast_reader_t *reader = one->self->reader;
    cast_world_t *world = reader->world;

    if (!one->ask) {
        ask (one);
        return;
    }
    if (reader->index == SLOW && (one->held ? world->calm || cast_chance (world, 20) : cast_chance (world, 20))) {
        one->held = !one->held;
        ama_ask_hold (one->self->ctx, one->ask, one->held);
    }
    else if (cast_chance (world, 3))
        drop (one);
}

/* ---- the real one ---- */

static void on_end (int64_t exit, const ama_err_t *err, void *arg)
{
    following_t *one = arg;
    cast_reader_t *reader = one->self->reader;

    if (err)
        cast_break (reader->world, "the client gave up: %s", err->text);
    else
        reader->runs[one->run].ended = true;
    reader->runs[one->run].exit = exit;
}

static void follow (following_t *one)
{
    cast_reader_t *reader = one->self->reader;
    ama_follow_conf_t conf = {
        .run = reader->world->runs[one->run].id,
        .render = { .format = AMA_FORMAT_NDJSON, .level = AMA_REPORT_LEVEL_CODE },
        .talk = -1,
        .patience_ms = INT64_MAX,
        .on_end = on_end,
        .arg = one,
    };

    if (one->follow)
        return;
    conf.out = memfd_create ("report", MFD_CLOEXEC);
    if (conf.out < 0) {
        cast_break (reader->world, "no file for a report");
        return;
    }
    if (reader->runs[one->run].fd > 0)
        (void) close (reader->runs[one->run].fd); /* of the client that died */
    reader->runs[one->run].fd = conf.out;
    one->follow = ama_follow_new (one->self->ctx, &conf);
}

void cast_reader_crashed (cast_reader_t *reader)
{
    for (size_t i = 0; reader->index == REAL && i < CAST_RUNS; i++)
        reader->runs[i].ended = false;
}

void cast_reader_over (cast_reader_t *reader)
{
    for (size_t i = 0; i < CAST_RUNS; i++) {
        int fd = reader->runs[i].fd;
        cast_run_t *run = &reader->world->runs[i];
        off_t size = fd > 0 ? lseek (fd, 0, SEEK_END) : 0;
        char *text = ama_calloc ((size_t) size + 1, 1), *line = text, *lf;
        ama_str_t items = { 0 };

        if (size && pread (fd, text, (size_t) size, 0) != size)
            cast_break (reader->world, "a report can not be read back");
        for (; (lf = strchr (line, '\n')); line = lf + 1) {
            unsigned long long seq, prev;
            int at = 0;
            if (sscanf (line, "{\"v\":1,\"seq\":%llu,\"prev\":%llu,%n", &seq, &prev, &at) == 2 && at)
                note_item (&items, run, true, seq, prev, line + at, (size_t) (lf - line - at) - 1);
        }
        note_read (reader, run, &items);
        if (fd > 0 && reader->runs[i].ended)
            note_end (reader, i, reader->runs[i].exit);
        free (text);
        if (fd > 0)
            (void) close (fd);
    }
}

/* ---- all of them ---- */

static void on_tick (void *arg)
{
    self_t *self = arg;
    const cast_world_t *world = self->reader->world;

    for (size_t i = 0; i < world->n_runs; i++) {
        following_t *one = &self->runs[i];
        if (ama_id_is_zero (world->runs[i].id) || self->reader->runs[i].ended)
            continue;
        *one = (following_t){ self, i, one->ask, one->held, one->follow };
        if (self->reader->index == REAL)
            follow (one);
        else
            tend (one);
    }
    ama_timer_after (self->timer, TICK_MS);
}

static int init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    self_t *self = state;

    (void) err;
    self->ctx = ctx;
    self->reader = *(cast_reader_t *const *) config;
    self->timer = ama_timer_new (ctx, on_tick, self);
    cast_reader_crashed (self->reader); /* or it gave up */
    return 0;
}

static void done (void *state)
{
    self_t *self = state;

    for (size_t i = 0; i < CAST_RUNS; i++)
        ama_follow_destroy (&self->runs[i].follow);
    ama_timer_destroy (&self->timer);
}

static void joined (ama_ctx_t *ctx, void *state, uint64_t epoch)
{
    self_t *self = state;

    (void) ctx;
    (void) epoch;
    ama_timer_after (self->timer, 10);
    for (size_t i = 0; i < CAST_RUNS; i++)
        if (self->runs[i].follow)
            ama_follow_joined (self->runs[i].follow);
}

static const ama_handler_t none[] = { AMA_HANDLER_END };

const ama_actor_def_t cast_reader = {
    .name = "client/reader",
    .role = AMA_ROLE_VIEWER,
    .state_size = sizeof (self_t),
    .init = init,
    .done = done,
    .joined = joined,
    .handlers = none,
};
