/* report_bench.c - one run's report, told live to ten followers, one of which has stopped reading; one JSON line
 *
 *     report_bench FOLDER EVENTS
 *
 * A child process is the daemon's part: hub, reporter with its files in FOLDER, and in the supervisor's place one who posts as the reporter keeps
 * up. The followers are actors of this process and come over ipc, as `ama attach` does. The clock runs from before the first post to the end of
 * each follower's stream; every number is checked.
 */
#include "actors/reporter/reporter.h"
#include "actors/runtime/ama_node.h"
#include "bench/rounds.h"
#include "messages/ama_types.h"
#include "messages/report.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FOLLOWERS = 10, LIVE = 9, PER_POST = 256, POSTS = 8, WINDOW = 1 << 20 };

static const ama_id_t run_id = { { 1, 2, 3 } };

static _Noreturn void give_up (const char *what, const ama_err_t *err)
{
    (void) fprintf (stderr, "%s: %s\n", what, err ? err->text : "");
    exit (1);
}

/* ---- who posts ---- */

typedef struct {
    uint64_t events;
    int go, posted; /* pipes: the followers are there; how long it took to post all */
} poster_conf_t;

typedef struct {
    const poster_conf_t *conf;
    ama_ctx_t *ctx;
    ama_watch_t *watch;
    uint64_t next; /* event */
    unsigned under_way;
    double start;
} poster_t;

static void post_more (poster_t *self);

static void on_posted (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    poster_t *self = arg;
    double took = seconds () - self->start;

    (void) ctx, (void) envelope, (void) body;
    if (err)
        give_up ("post", err);
    self->under_way--;
    post_more (self);
    if (!self->under_way && self->next > self->conf->events
        && write (self->conf->posted, &took, sizeof took) != (ssize_t) sizeof took)
        give_up ("pipe", NULL);
}

/* A line of output of an action, as a run of many tells them; the last is the end of the run. */
static void make_event (uint64_t n, uint64_t last, ama_report_event_t *event, char text[80])
{
    (void) snprintf (text, 80, "2026-01-31 12:00:00 INFO step %08" PRIu64 ": rows read, rows kept, all well", n);
    *event = (ama_report_event_t){
        .type = n == last ? AMA_EVENT_TYPE_RUN_ENDED : AMA_EVENT_TYPE_OUTPUT,
        .ts = 1769860800000 + (int64_t) (n / 100),
        .action = n == last ? NULL : (char *) "load",
        .has_attempt = n != last,
        .attempt = 1,
        .stream = n == last ? NULL : (char *) "stdout",
        .text = n == last ? NULL : text,
        .state = n == last ? (char *) "succeeded" : NULL,
        .has_exit = n == last,
    };
}

static void post_more (poster_t *self)
{
    static ama_report_event_t events[PER_POST];
    static char texts[PER_POST][80];

    while (self->under_way < POSTS && self->next <= self->conf->events) {
        ama_report_post_t post = { .run = run_id, .source = run_id, .first = self->next, .events = events };
        while (post.n_events < PER_POST && self->next <= self->conf->events) {
            make_event (self->next++, self->conf->events, &events[post.n_events], texts[post.n_events]);
            post.n_events++;
        }
        self->under_way++;
        (void) ama_ask (self->ctx, "reporter", AMA_MSG_REPORT_POST, &post, 0, 0, on_posted, self);
    }
}

static void on_go (int fd, short events, void *arg)
{
    poster_t *self = arg;
    char byte;

    (void) events;
    if (read (fd, &byte, 1) != 1)
        give_up ("pipe", NULL);
    ama_watch_destroy (&self->watch);
    self->start = seconds ();
    post_more (self);
}

static int poster_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    poster_t *self = state;

    (void) err;
    *self = (poster_t){ .conf = config, .ctx = ctx, .next = 1 };
    self->watch = ama_watch_new (ctx, self->conf->go, POLLIN, on_go, self);
    return 0;
}

static void poster_done (void *state)
{
    ama_watch_destroy (&((poster_t *) state)->watch);
}

static const ama_actor_def_t poster_def = {
    .name = "supervisor",
    .role = AMA_ROLE_SUPERVISOR,
    .state_size = sizeof (poster_t),
    .init = poster_init,
    .done = poster_done,
};

static void be_daemon (const char *folder, const poster_conf_t *poster)
{
    char endpoint[300], reports[300];
    const char *const listen[] = { endpoint, NULL };
    ama_err_t err = { 0 };
    ama_node_t *node;

    (void) snprintf (endpoint, sizeof endpoint, "ipc://%s/hub", folder);
    (void) snprintf (reports, sizeof reports, "%s/reports", folder);
    ama_node_prepare ();
    node = ama_node_new (&(ama_node_conf_t){ .listen = listen, .epoch = 1, .handle_signals = true }, &err);
    if (!node || ama_node_start (node, &ama_reporter_def, NULL, &(ama_reporter_conf_t){ .dir = reports }, &err) < 0
        || ama_node_start (node, &poster_def, NULL, poster, &err) < 0 || ama_node_wait (node, &err) < 0)
        give_up ("daemon", &err);
    ama_node_destroy (&node, 5000);
    _exit (0);
}

/* ---- who follows ---- */

static atomic_uint n_ready, n_ended;

typedef struct {
    bool stalled;
    uint64_t seq, gaps;
    double first, end;
    ama_node_t *node;
} follower_conf_t;

typedef struct {
    follower_conf_t *conf;
    ama_ctx_t *ctx;
} follower_t;

static void on_report (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    follower_conf_t *conf = ((follower_t *) arg)->conf;
    const ama_report_batch_t *batch = body;

    (void) ctx;
    if (err)
        give_up ("follow", err);
    if (!(envelope->flags & AMA_FLAG_MORE)) {
        conf->end = seconds ();
        if (++n_ended == LIVE)
            ama_node_stop (conf->node);
        return;
    }
    if (batch->caught_up)
        n_ready++;
    for (size_t i = 0; i < batch->n_items; i++) {
        conf->gaps += batch->items[i].seq != conf->seq + 1 || batch->items[i].prev != conf->seq;
        conf->seq = batch->items[i].seq;
    }
}

static void follow (ama_ctx_t *ctx, void *state, uint64_t epoch)
{
    const ama_report_follow_t all = { .run = run_id, .level = AMA_REPORT_LEVEL_CODE };
    follower_t *self = state;
    uint64_t ask;

    (void) epoch;
    ask = ama_ask (ctx, "reporter", AMA_MSG_REPORT_FOLLOW, &all, 0, WINDOW, on_report, self);
    if (self->conf->stalled)
        ama_ask_hold (ctx, ask, true);
}

static int follower_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    (void) err;
    *(follower_t *) state = (follower_t){ .conf = *(follower_conf_t *const *) config, .ctx = ctx };
    return 0;
}

static const ama_actor_def_t follower_def = {
    .name = "client",
    .role = AMA_ROLE_OPERATOR,
    .state_size = sizeof (follower_t),
    .init = follower_init,
    .joined = follow,
};

/* ---- the figures ---- */

int main (int argc, char **argv)
{
    follower_conf_t followers[FOLLOWERS] = { 0 };
    poster_conf_t poster = { .events = argc > 2 ? strtoull (argv[2], NULL, 10) : 0 };
    int go[2], posted[2];
    double start, slowest = 0, took_posting = 0;
    char endpoint[300];
    struct rusage usage;
    uint64_t gaps = 0;
    ama_err_t err = { 0 };
    ama_node_t *node;
    pid_t daemon;

    if (argc < 3 || !poster.events || pipe (go) < 0 || pipe (posted) < 0)
        return 2;
    (void) snprintf (endpoint, sizeof endpoint, "ipc://%s/hub", argv[1]);
    poster.go = go[0];
    poster.posted = posted[1];
    daemon = fork ();
    if (daemon == 0)
        be_daemon (argv[1], &poster);
    ama_node_prepare ();
    node = ama_node_new (&(ama_node_conf_t){ .connect = endpoint }, &err);
    for (int i = 0; node && i < FOLLOWERS; i++) {
        follower_conf_t *conf = &followers[i];
        char name[32];
        *conf = (follower_conf_t){ .stalled = i == LIVE, .node = node };
        (void) snprintf (name, sizeof name, "client/%d", i);
        if (ama_node_start (node, &follower_def, name, &conf, &err) < 0)
            give_up ("follower", &err);
    }
    if (!node)
        give_up ("node", &err);
    while (n_ready < LIVE) {
        if (waitpid (daemon, NULL, WNOHANG) == daemon)
            give_up ("the daemon is gone", NULL);
        (void) usleep (1000);
    }
    start = seconds ();
    if (write (go[1], "", 1) != 1 || ama_node_wait (node, &err) < 0)
        give_up ("followers", &err);
    for (int i = 0; i < LIVE; i++) {
        slowest = followers[i].end - start > slowest ? followers[i].end - start : slowest;
        gaps += followers[i].gaps + (followers[i].seq != poster.events);
    }
    if (read (posted[0], &took_posting, sizeof took_posting) != (ssize_t) sizeof took_posting)
        give_up ("pipe", NULL);
    ama_node_destroy (&node, 5000);
    if (kill (daemon, SIGTERM) < 0 || wait4 (daemon, NULL, 0, &usage) < 0)
        return 1;
    (void) printf ("{\"events\": %" PRIu64 ", \"followers\": %d, \"gaps\": %" PRIu64
                   ", \"per_s\": %.0f, \"posted_per_s\": %.0f, \"stalled_at\": %" PRIu64 ", \"rss_kb\": %ld, "
                   "\"cpu_s\": %.2f}\n",
                   poster.events, LIVE, gaps, (double) poster.events / slowest, (double) poster.events / took_posting,
                   followers[LIVE].seq, usage.ru_maxrss,
                   (double) usage.ru_utime.tv_sec + (double) usage.ru_stime.tv_sec
                       + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    return 0;
}
