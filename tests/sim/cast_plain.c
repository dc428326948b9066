/* cast_plain.c - the simplest fetcher, resolver and reporter, for simulations that are about others */
#include "tests/sim/cast_part.h"

#include "messages/ama_types.h"
#include "messages/fetch.h"
#include "messages/resolve.h"

#include <stdio.h>
#include <string.h>

static int on_fetch (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    cast_part_t *self = state;
    const ama_fetch_request_t *request = body;
    ama_waiter_t waiter = ama_waiter (envelope);
    char snapshot[96], commit[CAST_COMMIT];
    ama_fetch_reply_t reply = {
        .commit = commit, .snapshot = snapshot, .files = 3, .ref = (char *) "main", .subject = (char *) "x"
    };

    cast_repo_fetch (self->world, request->url, request->commit, commit, snapshot, sizeof snapshot);
    if (cast_chance (self->world, 3))
        return ama_err_set (err, AMA_E_UNREACHABLE, "the host does not answer");
    return ama_reply (ctx, &waiter, AMA_MSG_FETCH_REPLY, &reply);
}

static int on_resolve (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    ama_waiter_t waiter = ama_waiter (envelope);
    ama_resolve_file_t file = { .path = (char *) "/cache/a.jar", .coordinates = (char *) "g:a:1" };
    ama_resolve_reply_t reply = { .files = &file, .n_files = 1 };

    (void) state;
    (void) body;
    (void) err;
    return ama_reply (ctx, &waiter, AMA_MSG_RESOLVE_REPLY, &reply);
}

static cast_run_t *run_by_id (cast_world_t *world, ama_id_t id)
{
    for (size_t i = 0; i < world->n_runs; i++) {
        if (ama_id_equal (world->runs[i].id, id))
            return &world->runs[i];
    }
    return NULL;
}

static void keep (cast_world_t *world, cast_run_t *run, const ama_report_event_t *event)
{
    if (run->kept == CAST_EVENTS)
        return;
    if (run->kept && run->types[run->kept - 1] == AMA_EVENT_TYPE_RUN_ENDED)
        cast_break (world, "%s: an event after run.ended", run->token);
    run->types[run->kept] = event->type;
    (void) snprintf (run->states[run->kept], sizeof run->states[0], "%s", event->state ? event->state : "");
    run->kept++;
}

static int on_post (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    cast_part_t *self = state;
    const ama_report_post_t *post = body;
    ama_waiter_t waiter = ama_waiter (envelope);
    cast_run_t *run = run_by_id (self->world, post->run);
    ama_report_posted_t reply = { .source = post->source, .upto = post->first + post->n_events - 1 };

    if (!run) /* posted before its submitter heard of it */
        return ama_err_set (err, AMA_E_BUSY, "later");
    if (ama_id_equal (post->run, post->source)) { /* others' output is of no interest */
        for (size_t i = 0; i < post->n_events; i++) {
            if (post->first + i == run->kept + 1)
                keep (self->world, run, &post->events[i]);
        }
        reply.upto = run->kept;
    }
    return ama_reply (ctx, &waiter, AMA_MSG_REPORT_POSTED, &reply);
}

static int on_progress (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    (void) ctx, (void) state, (void) envelope, (void) body, (void) err;
    return 0;
}

CAST_PART (cast_fetcher, "fetcher", AMA_ROLE_FETCHER, { AMA_MSG_FETCH_REQUEST, on_fetch });
CAST_PART (cast_resolver, "resolver", AMA_ROLE_RESOLVER, { AMA_MSG_RESOLVE_REQUEST, on_resolve });
CAST_PART (cast_reporter, "reporter", AMA_ROLE_REPORTER, { AMA_MSG_REPORT_POST, on_post },
           { AMA_MSG_REPORT_PROGRESS, on_progress });
