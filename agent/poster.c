/* poster.c - posts events to the reporter, go-back-N
 *
 * Called by attempts, on the agent's thread. A feed holds its events in a list; `next` points at the first one that was not sent.
 * Posts that fail rewind `next` to the first that is not acknowledged, after a pause. Small events wait up to FLUSH_MS for company, because a
 * short attempt then needs one post instead of three.
 */
#include "agent/poster.h"

#include "actors/base/ama_failpoint.h"
#include "messages/ama_types.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define FLUSH_MS 3
#define RETRY_MS 500
/* A post that is not answered was lost, or the reporter has much to do. The end of an attempt waits for its output, but not for ever: so it is said again after this
 * long, then after twice as long, and so on to POST_MOST_MS. */
#define POST_FIRST_MS  4000
#define POST_MOST_MS   15000
#define POSTS_UNDERWAY 8
#define POST_EVENTS    256
#define POST_BYTES     (512u << 10)

typedef struct event {
    ama_report_event_t body;
    uint64_t no;
    size_t size;
    struct event *prev, *next;
} event_t;

typedef struct post {
    ama_feed_t *feed;
    uint32_t turn; /* of the feed, when it was sent */
    uint64_t upto;
    struct post *prev, *next;
} post_t;

struct ama_feed {
    ama_poster_t *poster;
    ama_id_t run, id;
    void (*on_change) (void *arg);
    void *arg;
    event_t *events;         /* not acknowledged, in order */
    event_t *unsent;         /* within events, NULL: all were sent */
    size_t size;             /* of events */
    size_t wait_size;        /* of those from unsent on */
    uint64_t last_no, known; /* known: to the reporter, from before */
    uint32_t turn;           /* rises with every rewind */
    unsigned underway;       /* posts of this turn */
    post_t *posts;           /* of any turn, that will still be answered */
    int64_t retry_at;        /* 0: may send */
    int64_t patience_ms;     /* of the next post, for its answer */
    bool was_full, closed;
    struct ama_feed *prev, *next;
};

struct ama_poster {
    ama_ctx_t *ctx;
    ama_feed_t *feeds;
    ama_timer_t *timer;
    int64_t timer_at; /* 0: not armed */
};

static void on_timer (void *arg);

ama_poster_t *ama_poster_new (ama_ctx_t *ctx)
{
    ama_poster_t *poster = ama_calloc (1, sizeof *poster);
    poster->ctx = ctx;
    poster->timer = ama_timer_new (ctx, on_timer, poster);
    return poster;
}

static void wake_at (ama_poster_t *poster, int64_t when_ms)
{
    if (poster->timer_at && poster->timer_at <= when_ms)
        return;
    poster->timer_at = when_ms;
    ama_timer_at (poster->timer, when_ms);
}

/* ---- one feed ---- */

static void drop_event (ama_feed_t *feed, event_t *event)
{
    DL_DELETE (feed->events, event);
    feed->size -= event->size;
    ama_report_event_done (&event->body);
    free (event);
}

static void free_feed (ama_feed_t *feed)
{
    post_t *post;

    DL_DELETE (feed->poster->feeds, feed);
    while (feed->events)
        drop_event (feed, feed->events);
    while ((post = feed->posts)) {
        DL_DELETE (feed->posts, post);
        free (post);
    }
    free (feed);
}

static void changed (ama_feed_t *feed)
{
    if (feed->closed && !feed->events && !feed->posts)
        free_feed (feed);
    else if (feed->on_change && (ama_feed_sent (feed) || (feed->was_full && !ama_feed_full (feed)))) {
        feed->was_full = ama_feed_full (feed);
        feed->on_change (feed->arg);
    }
}

static void acknowledge (ama_feed_t *feed, uint64_t upto)
{
    while (feed->events && feed->events->no <= upto) {
        if (feed->events == feed->unsent) { /* the reporter had it from before */
            feed->wait_size -= feed->unsent->size;
            feed->unsent = feed->unsent->next;
        }
        drop_event (feed, feed->events);
    }
}

static void rewind_later (ama_feed_t *feed, int64_t delay_ms)
{
    feed->turn++;
    feed->underway = 0;
    feed->unsent = feed->events;
    feed->wait_size = feed->size;
    feed->retry_at = ama_now_ms (feed->poster->ctx) + delay_ms;
    wake_at (feed->poster, feed->retry_at);
}

static void send_waiting (ama_feed_t *feed);

static void on_posted (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    post_t *post = arg;
    ama_feed_t *feed = post->feed;
    const ama_report_posted_t *posted = body;
    bool current = post->turn == feed->turn;

    (void) ctx, (void) envelope;
    DL_DELETE (feed->posts, post);
    if (current)
        feed->underway--;
    AMA_FAILPOINT (poster, acknowledged);
    if (!err) {
        acknowledge (feed, posted->upto);
        feed->patience_ms = POST_FIRST_MS;
    }
    else if (current && err->code == AMA_E_TIMEOUT)
        feed->patience_ms = 2 * feed->patience_ms < POST_MOST_MS ? 2 * feed->patience_ms : POST_MOST_MS;
    if (current && (err || posted->upto < post->upto))
        rewind_later (feed, RETRY_MS);
    free (post);
    if (!feed->retry_at)
        send_waiting (feed);
    changed (feed);
}

/* The next post's worth of events, from unsent on; the array's items share the events' memory. */
static size_t gather (ama_feed_t *feed, ama_report_event_t *items)
{
    size_t count = 0, size = 0;

    while (feed->unsent && count < POST_EVENTS && (!count || size + feed->unsent->size <= POST_BYTES)) {
        items[count++] = feed->unsent->body;
        size += feed->unsent->size;
        feed->unsent = feed->unsent->next;
    }
    feed->wait_size -= size;
    return count;
}

static void send_waiting (ama_feed_t *feed)
{
    ama_poster_t *poster = feed->poster;

    while (feed->unsent && feed->underway < POSTS_UNDERWAY) {
        ama_report_event_t *items = ama_malloc (POST_EVENTS * sizeof *items);
        uint64_t first = feed->unsent->no;
        ama_report_post_t body = { .run = feed->run, .source = feed->id, .first = first, .events = items };
        post_t *post = ama_calloc (1, sizeof *post);

        body.n_events = gather (feed, items);
        *post = (post_t){ .feed = feed, .turn = feed->turn, .upto = first + body.n_events - 1 };
        feed->underway++;
        DL_APPEND (feed->posts, post);
        (void) ama_ask (poster->ctx, "reporter", AMA_MSG_REPORT_POST, &body, feed->patience_ms, 0, on_posted, post);
        AMA_FAILPOINT (poster, sent);
        free (items);
    }
}

ama_feed_t *ama_feed_new (ama_poster_t *poster, ama_id_t run, ama_id_t id, void (*on_change) (void *arg), void *arg)
{
    ama_feed_t *feed = ama_calloc (1, sizeof *feed);

    feed->poster = poster;
    feed->run = run;
    feed->id = id;
    feed->on_change = on_change;
    feed->arg = arg;
    feed->patience_ms = POST_FIRST_MS;
    DL_APPEND (poster->feeds, feed);
    return feed;
}

static size_t length (const char *text)
{
    return text ? strlen (text) : 0;
}

void ama_feed_add (ama_feed_t *feed, const ama_report_event_t *body)
{
    event_t *event;

    if (feed->last_no < feed->known) {
        feed->last_no++;
        return;
    }
    event = ama_calloc (1, sizeof *event);
    ama_report_event_copy (body, &event->body);
    event->no = ++feed->last_no;
    event->size = sizeof *event + length (body->file) + length (body->text) + length (body->value)
                  + length (body->error_name) + length (body->error_message) + length (body->detail)
                  + 64 * body->n_frames;
    DL_APPEND (feed->events, event);
    feed->size += event->size;
    feed->wait_size += event->size;
    if (!feed->unsent)
        feed->unsent = event;
    feed->was_full |= ama_feed_full (feed);
    if (feed->retry_at)
        return;
    if (feed->wait_size >= POST_BYTES)
        send_waiting (feed);
    else
        wake_at (feed->poster, ama_now_ms (feed->poster->ctx) + FLUSH_MS);
}

void ama_feed_known (ama_feed_t *feed, uint64_t upto)
{
    feed->known = upto;
}

void ama_feed_flush (ama_feed_t *feed)
{
    if (!feed->retry_at)
        send_waiting (feed);
}

bool ama_feed_full (const ama_feed_t *feed)
{
    return feed->size >= AMA_FEED_ROOM;
}

bool ama_feed_sent (const ama_feed_t *feed)
{
    return !feed->unsent;
}

uint64_t ama_feed_last (const ama_feed_t *feed)
{
    return feed->last_no;
}

void ama_feed_close (ama_feed_t **feed)
{
    ama_feed_t *gone = *feed;

    *feed = NULL;
    if (!gone)
        return;
    gone->closed = true;
    gone->on_change = NULL;
    ama_feed_flush (gone);
    changed (gone);
}

/* ---- all feeds ---- */

static void on_timer (void *arg)
{
    ama_poster_t *poster = arg;
    int64_t now = ama_now_ms (poster->ctx);
    ama_feed_t *feed, *spare;

    poster->timer_at = 0;
    DL_FOREACH_SAFE (poster->feeds, feed, spare)
    {
        if (feed->retry_at > now) {
            wake_at (poster, feed->retry_at);
            continue;
        }
        feed->retry_at = 0;
        if (feed->unsent) {
            send_waiting (feed);
            changed (feed);
        }
    }
}

void ama_poster_joined (ama_poster_t *poster)
{
    ama_feed_t *feed;

    DL_FOREACH (poster->feeds, feed)
    {
        if (feed->events)
            rewind_later (feed, 0);
    }
}

size_t ama_poster_pending (const ama_poster_t *poster)
{
    const ama_feed_t *feed;
    size_t count = 0;

    DL_FOREACH (poster->feeds, feed)
    {
        count += feed->events != NULL;
    }
    return count;
}

bool ama_poster_of (const ama_poster_t *poster, ama_id_t run)
{
    const ama_feed_t *feed;

    DL_FOREACH (poster->feeds, feed)
    {
        if (ama_id_equal (feed->run, run))
            return true;
    }
    return false;
}

void ama_poster_destroy (ama_poster_t **poster)
{
    if (!*poster)
        return;
    while ((*poster)->feeds)
        /* utlist: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        free_feed ((*poster)->feeds);
    ama_timer_destroy (&(*poster)->timer);
    free (*poster);
    *poster = NULL;
}
