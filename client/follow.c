/* follow.c - asks the reporter for a run's events and renders them. Part of the client's actor, on its thread. */
#include "client/follow.h"

#include "actors/base/ama_str.h"
#include "client/sink.h"
#include "messages/ama_types.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    WINDOW = 1024 * 1024,
    SILENCE_MS = 45000, /* the reporter gives a sign of life every ten seconds */
    RETRY_MS = 100,
    RETRY_MAX_MS = 2000,
    SAY_GONE_AFTER_MS = 1500,
    HOLES_MAX = 20, /* in a row, with nothing new between: then it is no accident of the way */
};

struct ama_follow {
    ama_ctx_t *ctx;
    ama_follow_conf_t conf;
    ama_render_t *render;
    ama_sink_t *out;
    ama_timer_t *draw, *retry;
    uint64_t ask;    /* 0: waiting for amad */
    uint64_t last;   /* number of the last event that was rendered */
    bool any;        /* there was one */
    bool knows_last; /* the next event must follow `last`: not so at level execution before the first one */
    bool has_end;    /* it was run.ended */
    bool held, ended, said_gone;
    unsigned holes;
    int64_t gone_since, retry_ms;
};

static void ask (ama_follow_t *self);

/* ---- writing ---- */

/* Asked again and again rather than by a signal: lines are drawn again anyway. */
static void fit_terminal (const ama_follow_t *self)
{
    struct winsize size;

    if (self->conf.render.term.tty && ioctl (self->conf.out, TIOCGWINSZ, &size) == 0 && size.ws_col)
        ama_render_resize (self->render, size.ws_col);
}

static void flush (ama_follow_t *self)
{
    ama_str_t out = { 0 }, talk = { 0 };
    int64_t now = ama_wall_now_ms (self->ctx), wait;

    fit_terminal (self);
    ama_render_flush (self->render, now, &out, &talk);
    if (talk.size && write (self->conf.talk, talk.data, talk.size) < 0) {
        /* nobody listens */
    }
    ama_sink_add (self->out, out.data, out.size);
    wait = ama_render_wait_ms (self->render, now);
    if (wait >= 0)
        ama_timer_after (self->draw, wait);
    ama_str_done (&out);
    ama_str_done (&talk);
}

static void on_draw (void *arg)
{
    flush (arg);
}

static void end (ama_follow_t *self, int64_t exit, const ama_err_t *err)
{
    if (self->ended)
        return;
    self->ended = true;
    ama_timer_cancel (self->draw);
    ama_timer_cancel (self->retry);
    if (self->ask)
        ama_ask_cancel (self->ctx, self->ask);
    self->ask = 0;
    self->conf.on_end (exit, err, self->conf.arg);
}

/* A reader that is slower than the run holds up the stream, not us. */
static void on_sink_change (void *arg)
{
    ama_follow_t *self = arg;
    bool full = ama_sink_is_full (self->out);

    if (ama_sink_is_broken (self->out)) {
        if (!self->ended && !self->conf.to_the_end) /* not from inside of what wrote */
            ama_timer_after (self->retry, 0);
        return;
    }
    if (self->ask && self->held != full)
        ama_ask_hold (self->ctx, self->ask, full);
    self->held = full;
}

/* ---- reading ---- */

/* 0, or AMA_E_INTEGRITY: something is missing. */
static int take (ama_follow_t *self, const ama_report_item_t *item, ama_err_t *err)
{
    if (item->seq) {
        if (item->seq <= self->last)
            return 0; /* again, after an interruption */
        if (self->knows_last && item->prev != self->last)
            return ama_err_set (err, AMA_E_INTEGRITY, "the report is not whole: event %llu follows %llu",
                                (unsigned long long) item->seq, (unsigned long long) self->last);
        self->last = item->seq;
        self->any = self->knows_last = true;
        self->has_end = strstr (item->json, "\"type\":\"run.ended\"") != NULL; /* quotes in texts are escaped */
        self->holes = 0;
    }
    ama_render_item (self->render, item);
    return 0;
}

/* What is missing may have got lost on the way: it is asked for again. */
static void on_hole (ama_follow_t *self, const ama_err_t *err)
{
    if (++self->holes > HOLES_MAX) {
        end (self, 0, err);
        return;
    }
    if (self->ask)
        ama_ask_cancel (self->ctx, self->ask);
    self->ask = 0;
    ama_timer_after (self->retry, self->holes * RETRY_MS);
}

static void on_batch (ama_follow_t *self, const ama_report_batch_t *batch)
{
    ama_err_t err = { 0 };
    int rc = 0;

    self->gone_since = 0;
    self->retry_ms = RETRY_MS;
    if (self->said_gone)
        ama_follow_tell (self, "amad is back");
    self->said_gone = false;
    for (size_t i = 0; rc == 0 && i < batch->n_items; i++)
        rc = take (self, &batch->items[i], &err);
    if (rc == 0 && batch->caught_up)
        ama_render_caught_up (self->render);
    flush (self);
    if (rc < 0)
        on_hole (self, &err);
    else if (ama_sink_is_full (self->out))
        on_sink_change (self);
}

static bool is_worth_waiting (int code)
{
    return code == AMA_E_UNREACHABLE || code == AMA_E_TIMEOUT || code == AMA_E_BUSY || code == AMA_E_STALE;
}

/* The teller is gone, the run perhaps not. */
static void wait_for_it (ama_follow_t *self, const ama_err_t *err)
{
    int64_t now = ama_now_ms (self->ctx);

    if (!self->gone_since)
        self->gone_since = now;
    if (self->held) { /* it is we who take nothing */
        ask (self);
        return;
    }
    if (!is_worth_waiting (err->code) || now - self->gone_since >= self->conf.patience_ms) {
        end (self, 0, err);
        return;
    }
    if (!self->said_gone && now - self->gone_since >= SAY_GONE_AFTER_MS) {
        ama_follow_tell (self, "amad does not answer; waiting for it to come back, the run is not lost");
        self->said_gone = true;
    }
    ama_timer_after (self->retry, self->retry_ms);
    self->retry_ms = self->retry_ms * 2 < RETRY_MAX_MS ? self->retry_ms * 2 : RETRY_MAX_MS;
}

static void on_reply (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err, void *arg)
{
    ama_follow_t *self = arg;

    (void) ctx;
    if (!err && envelope->flags & AMA_FLAG_MORE) {
        on_batch (self, body);
        return;
    }
    self->ask = 0;
    if (!err && !self->has_end && (self->any || self->conf.from <= 1)) {
        ama_err_t hole;
        ama_err_set (&hole, AMA_E_INTEGRITY, "the report is not whole: its end is missing");
        on_hole (self, &hole);
    }
    else if (err)
        wait_for_it (self, err);
    else
        end (self, ((const ama_report_end_t *) body)->exit, NULL);
}

static void ask (ama_follow_t *self)
{
    ama_report_follow_t body = {
        .run = self->conf.run,
        .from = self->knows_last ? self->last + 1 : self->conf.from,
        .level = ama_render_wants (&self->conf.render),
        .progress = ama_render_wants_progress (&self->conf.render),
    };

    if (self->ended || self->ask)
        return;
    ama_timer_cancel (self->retry);
    self->ask = ama_ask (self->ctx, "reporter", AMA_MSG_REPORT_FOLLOW, &body, SILENCE_MS, WINDOW, on_reply, self);
    if (self->held)
        ama_ask_hold (self->ctx, self->ask, true);
}

static void on_retry (void *arg)
{
    ama_follow_t *self = arg;
    ama_err_t err;

    if (!ama_sink_is_broken (self->out) || self->conf.to_the_end) {
        ask (self);
        return;
    }
    ama_err_set (&err, AMA_E_CANCELLED, "nobody reads the report any more");
    end (self, 0, &err);
}

/* ---- life ---- */

ama_follow_t *ama_follow_new (ama_ctx_t *ctx, const ama_follow_conf_t *conf)
{
    ama_follow_t *self = ama_calloc (1, sizeof *self);

    self->ctx = ctx;
    self->conf = *conf;
    self->retry_ms = RETRY_MS;
    self->last = conf->from > 1 ? conf->from - 1 : 0;
    self->knows_last = conf->from <= 1 || ama_render_wants (&conf->render) == AMA_REPORT_LEVEL_CODE;
    self->render = ama_render_new (&conf->render);
    self->out = ama_sink_new (ctx, conf->out, on_sink_change, self);
    self->draw = ama_timer_new (ctx, on_draw, self);
    self->retry = ama_timer_new (ctx, on_retry, self);
    ask (self);
    return self;
}

void ama_follow_destroy (ama_follow_t **follow)
{
    ama_follow_t *self = *follow;
    ama_str_t out = { 0 };

    if (!self)
        return;
    *follow = NULL;
    if (self->ask)
        ama_ask_cancel (self->ctx, self->ask);
    ama_render_leave (self->render, &out);
    self->ended = true;
    ama_sink_add (self->out, out.data, out.size);
    ama_sink_finish (self->out);
    ama_str_done (&out);
    ama_timer_destroy (&self->draw);
    ama_timer_destroy (&self->retry);
    ama_render_destroy (&self->render);
    ama_sink_destroy (&self->out);
    free (self);
}

void ama_follow_joined (ama_follow_t *follow)
{
    ask (follow);
}

void ama_follow_tell (ama_follow_t *follow, const char *text)
{
    ama_str_t line = { 0 };

    if (follow->conf.render.term.tty) {
        ama_render_leave (follow->render, &line);
        ama_sink_add (follow->out, line.data, line.size);
        ama_str_clear (&line);
    }
    ama_str_printf (&line, "ama: %s\n", text);
    if (write (follow->conf.talk, line.data, line.size) < 0) {
        /* nobody listens */
    }
    ama_str_done (&line);
}
