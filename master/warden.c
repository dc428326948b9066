/* warden.c - starts the processes of actors, and starts them again. On its actor's own loop; their last words go to our stderr. */
#include "master/warden.h"

#include "actors/base/ama_log.h"
#include "actors/base/ama_str.h"
#include "actors/runtime/ama_child.h"
#include "messages/ama_types.h"

#include <stdlib.h>
#include <unistd.h>

enum { PAUSE_MIN_MS = 100, PAUSE_MAX_MS = 10000, SETTLED_MS = 60000 };

typedef struct warden warden_t;

typedef struct {
    warden_t *warden;
    const ama_ward_t *ward;
    ama_child_t *child; /* NULL while it pauses */
    ama_timer_t *again;
    int64_t pause_ms;
} kept_t;

struct warden {
    ama_ctx_t *ctx;
    kept_t *kept;
    size_t count;
    bool stopping;
};

static void leave_if_done (warden_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->kept[i].child)
            return;
    if (self->stopping)
        ama_exit (self->ctx, 0, "stopped");
}

static void pause_it (kept_t *kept)
{
    ama_timer_after (kept->again, kept->pause_ms);
    kept->pause_ms = kept->pause_ms * 2 < PAUSE_MAX_MS ? kept->pause_ms * 2 : PAUSE_MAX_MS;
}

static void on_exit_of (ama_child_t *child, const ama_child_end_t *end, void *arg)
{
    kept_t *kept = arg;

    (void) child;
    kept->child = NULL;
    if (kept->warden->stopping) {
        leave_if_done (kept->warden);
        return;
    }
    if (end->ms >= SETTLED_MS)
        kept->pause_ms = PAUSE_MIN_MS;
    ama_log (AMA_LOG_WARN, "warden", "the process of %s ended (%s %d); it is started again in %lld ms",
             kept->ward->name, end->signal ? "signal" : "exit code", end->signal ? end->signal : end->code,
             (long long) kept->pause_ms);
    pause_it (kept);
}

static void on_output (ama_child_t *child, int channel, const char *bytes, size_t size, void *arg)
{
    (void) child, (void) channel, (void) arg;
    while (size) {
        ssize_t n = write (STDERR_FILENO, bytes, size);
        if (n <= 0)
            return; /* nobody reads what we log either */
        bytes += n;
        size -= (size_t) n;
    }
}

static void start (void *arg)
{
    kept_t *kept = arg;
    ama_child_spec_t spec = { .argv = kept->ward->argv, .on_output = on_output, .on_exit = on_exit_of, .arg = kept };
    ama_err_t err = { 0 };

    kept->child = ama_child_spawn (kept->warden->ctx, &spec, &err);
    if (kept->child)
        return;
    ama_log_err ("warden", &err, "the process could not be started");
    pause_it (kept);
}

static int init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    warden_t *self = state;
    const ama_warden_conf_t *conf = config;

    (void) err;
    self->ctx = ctx;
    self->count = conf->count;
    self->kept = ama_calloc (conf->count, sizeof *self->kept);
    for (size_t i = 0; i < conf->count; i++) {
        kept_t *kept = &self->kept[i];
        *kept = (kept_t){ .warden = self, .ward = &conf->wards[i], .pause_ms = PAUSE_MIN_MS };
        kept->again = ama_timer_new (ctx, start, kept);
        start (kept);
    }
    return 0;
}

static void stop (ama_ctx_t *ctx, void *state)
{
    warden_t *self = state;

    (void) ctx;
    self->stopping = true;
    for (size_t i = 0; i < self->count; i++) {
        ama_timer_cancel (self->kept[i].again);
        if (self->kept[i].child)
            ama_child_kill (self->kept[i].child, false);
    }
    leave_if_done (self);
}

static void done (void *state)
{
    warden_t *self = state;

    for (size_t i = 0; i < self->count; i++)
        ama_timer_destroy (&self->kept[i].again);
    free (self->kept);
}

static const ama_handler_t handlers[] = { AMA_HANDLER_END };

const ama_actor_def_t ama_warden_def = {
    .name = "warden",
    .role = AMA_ROLE_VIEWER, /* it says nothing, so it may say least */
    .state_size = sizeof (warden_t),
    .init = init,
    .stop = stop,
    .done = done,
    .handlers = handlers,
};
