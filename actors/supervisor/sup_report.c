/* sup_report.c - the outbox: report events go to the reporter until it says that it keeps them
 *
 * Events of a run are numbered from 1 in the order of its journal. What is posted together lies in the outbox table as one body; rows
 * go with the next commit after the acknowledgement. Posts of a run are sent in order; after a failure everything that was not
 * acknowledged is sent again (the reporter drops what it has).
 */
#include "actors/supervisor/sup.h"

#include "actors/base/ama_failpoint.h"
#include "messages/ama_types.h"
#include "messages/report.h"

#include <stdlib.h>
#include <utlist.h>

#define POST_MS        10000
#define RETRY_FIRST_MS 100
#define RETRY_MOST_MS  5000
#define POST_EVENTS    1024 /* in one message */

typedef struct post {
    struct post *prev, *next;
    sup_posts_t *posts;
    ama_id_t source; /* the run, or what a salvage of the journal says of it */
    uint64_t first;  /* in the outbox */
    uint64_t number; /* of its first event within its source */
    ama_report_event_t *events;
    size_t n;
    bool ready;   /* durable */
    uint64_t ask; /* under way, 0 for none */
} post_t;

struct sup_posts {
    sup_t *sup;
    ama_id_t run;
    post_t *list; /* in order of numbers */
    ama_timer_t *again;
    bool waits; /* a post failed: nothing is sent until the timer fires */
    int64_t pause_ms;
    UT_hash_handle hh;
};

static sup_posts_t *posts_of (sup_t *sup, ama_id_t run, bool make)
{
    sup_posts_t *posts;

    HASH_FIND (hh, sup->posts, &run, sizeof run, posts);
    if (posts || !make)
        return posts;
    posts = ama_calloc (1, sizeof *posts);
    posts->sup = sup;
    posts->run = run;
    HASH_ADD (hh, sup->posts, run, sizeof posts->run, posts);
    return posts;
}

static void recall (post_t *post)
{
    if (post->ask && !post->posts->sup->closing)
        ama_ask_cancel (post->posts->sup->ctx, post->ask);
    post->ask = 0;
}

static void post_destroy (sup_posts_t *posts, post_t *post)
{
    recall (post);
    /* utlist: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    DL_DELETE (posts->list, post);
    for (size_t i = 0; i < post->n; i++)
        ama_report_event_done (&post->events[i]);
    free (post->events);
    free (post);
}

static void posts_destroy (sup_posts_t *posts)
{
    post_t *post, *next;

    DL_FOREACH_SAFE (posts->list, post, next)
    post_destroy (posts, post);
    ama_timer_destroy (&posts->again);
    HASH_DEL (posts->sup->posts, posts);
    free (posts);
}

void sup_posts_forget (sup_t *sup, ama_id_t run)
{
    sup_posts_t *posts = posts_of (sup, run, false);

    if (posts)
        posts_destroy (posts);
}

void sup_posts_done (sup_t *sup)
{
    sup_posts_t *posts, *next;

    HASH_ITER (hh, sup->posts, posts, next)
    posts_destroy (posts);
}

/* ---- making ---- */

static void add_post (sup_run_t *run, sup_batch_t *batch, ama_report_event_t *events, size_t n)
{
    sup_posts_t *posts = posts_of (run->sup, run->id, true);
    post_t *post = ama_calloc (1, sizeof *post);
    ama_report_post_t body = {
        .run = run->id, .source = run->id, .first = run->told + 1, .events = events, .n_events = n
    };
    ama_str_t bytes = { 0 };

    post->posts = posts;
    post->source = run->id;
    post->first = post->number = body.first;
    post->n = n;
    post->events = ama_malloc (n * sizeof *events);
    for (size_t i = 0; i < n; i++)
        post->events[i] = events[i];
    run->told += n;
    DL_APPEND (posts->list, post);
    ama_report_post_encode (&body, &bytes);
    ama_journal_batch_post (batch->rows, run->id, body.first, bytes.data, bytes.size);
    ama_str_done (&bytes);
}

void sup_news_to_post (sup_run_t *run, sup_batch_t *batch)
{
    for (size_t at = 0; at < run->n_news; at += POST_EVENTS) {
        size_t n = run->n_news - at < POST_EVENTS ? run->n_news - at : POST_EVENTS;
        add_post (run, batch, run->news + at, n);
    }
    free (run->news); /* the events themselves moved */
    run->news = NULL;
    run->n_news = 0;
}

int sup_post_restore (ama_id_t run, uint64_t first, const void *body, size_t size, void *arg, ama_err_t *err)
{
    sup_t *sup = arg;
    ama_report_post_t decoded;
    post_t *post;
    char text[AMA_ID_TEXT];

    if (ama_report_post_decode (body, size, &decoded, err) < 0)
        return ama_err_prefix (err, "journal: report of run %s", ama_id_text (run, text));
    post = ama_calloc (1, sizeof *post);
    post->posts = posts_of (sup, run, true);
    post->source = decoded.source;
    post->first = first;
    post->number = decoded.first;
    post->events = decoded.events;
    post->n = decoded.n_events;
    post->ready = true;
    decoded.events = NULL;
    decoded.n_events = 0;
    ama_report_post_done (&decoded);
    DL_APPEND (post->posts->list, post);
    return 0;
}

/* ---- sending ---- */

static void send_all (sup_posts_t *posts);

static void on_again (void *arg)
{
    sup_posts_t *posts = arg;

    posts->waits = false;
    send_all (posts);
}

static void send_again_later (sup_posts_t *posts)
{
    post_t *post;

    DL_FOREACH (posts->list, post)
    recall (post);
    if (posts->waits)
        return;
    posts->pause_ms = posts->pause_ms ? 2 * posts->pause_ms : RETRY_FIRST_MS;
    if (posts->pause_ms > RETRY_MOST_MS)
        posts->pause_ms = RETRY_MOST_MS;
    posts->waits = true;
    if (!posts->again)
        posts->again = ama_timer_new (posts->sup->ctx, on_again, posts);
    ama_timer_after (posts->again, posts->pause_ms);
}

/* Drops what is kept now; true if something was. */
static bool drop_kept (sup_posts_t *posts, ama_id_t source, uint64_t upto)
{
    post_t *post, *next;
    uint64_t last = 0;

    DL_FOREACH_SAFE (posts->list, post, next)
    {
        if (!post->ready || !ama_id_equal (post->source, source) || post->number + post->n - 1 > upto)
            break;
        last = post->first;
        post_destroy (posts, post);
    }
    if (!last)
        return false;
    AMA_FAILPOINT (outbox, dropped);
    ama_journal_batch_posted (posts->sup->open->rows, posts->run, last);
    sup_flush_soon (posts->sup);
    return true;
}

static bool one_is_under_way (const sup_posts_t *posts)
{
    const post_t *post;

    DL_FOREACH (posts->list, post)
    {
        if (post->ask)
            return true;
    }
    return false;
}

static void on_posted (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    post_t *post = arg;
    sup_posts_t *posts = post->posts;
    const ama_report_posted_t *posted = body;

    (void) ctx;
    (void) envelope;
    post->ask = 0;
    if (posts->sup->stopping)
        return;
    if (err || !posted) {
        send_again_later (posts);
        return;
    }
    if (drop_kept (posts, posted->source, posted->upto))
        posts->pause_ms = 0;
    if (!posts->list)
        posts_destroy (posts);
    else if (posts->list->ready && !one_is_under_way (posts))
        send_again_later (posts); /* it keeps less than it was sent: there was a hole */
}

static void send_all (sup_posts_t *posts)
{
    post_t *post;

    if (posts->waits)
        return;
    DL_FOREACH (posts->list, post)
    {
        ama_report_post_t body = { .run = posts->run,
                                   .source = post->source,
                                   .first = post->number,
                                   .events = post->events,
                                   .n_events = post->n };
        if (!post->ready)
            break;
        if (!post->ask)
            post->ask = ama_ask (posts->sup->ctx, "reporter", AMA_MSG_REPORT_POST, &body, POST_MS, 0, on_posted, post);
    }
    AMA_FAILPOINT (outbox, posted);
}

void sup_post (sup_t *sup, ama_id_t run)
{
    sup_posts_t *posts = posts_of (sup, run, false);
    post_t *post;

    if (!posts)
        return;
    DL_FOREACH (posts->list, post)
    post->ready = true;
    send_all (posts);
}

void sup_post_all (sup_t *sup)
{
    sup_posts_t *posts, *next;

    HASH_ITER (hh, sup->posts, posts, next)
    send_all (posts);
}

void sup_progress (sup_t *sup, ama_id_t run, const ama_report_event_t *event)
{
    ama_report_progress_t body = { .run = run, .event = *event };

    body.event.type = AMA_EVENT_TYPE_PROGRESS;
    body.event.ts = ama_wall_now_ms (sup->ctx);
    (void) ama_tell (sup->ctx, "reporter", AMA_MSG_REPORT_PROGRESS, &body);
}
