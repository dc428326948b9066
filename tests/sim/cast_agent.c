/* cast_agent.c - the stand-in of the agent: attempts and sessions that take their time, ends that are written down and told until acknowledged */
#include "tests/sim/cast_part.h"

#include "messages/ama_types.h"
#include "messages/attempt.h"
#include "messages/lease.h"
#include "messages/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 50
#define TELL_MS 200

static cast_attempt_t *find_attempt (cast_world_t *world, ama_id_t id)
{
    for (size_t i = world->n_attempts; i-- > 0;) {
        if (ama_id_equal (world->attempts[i].id, id))
            return &world->attempts[i];
    }
    return NULL;
}

static cast_session_t *find_session (cast_world_t *world, ama_id_t id)
{
    for (size_t i = world->n_sessions; i-- > 0;) {
        if (ama_id_equal (world->sessions[i].id, id))
            return &world->sessions[i];
    }
    return NULL;
}

static void end_attempt (cast_world_t *world, cast_attempt_t *attempt, ama_attempt_state_t outcome, const char *cause)
{
    char text[AMA_ID_TEXT];

    cast_note (world, "ended", ",\"attempt\":\"%s\",\"state\":\"%s\",\"cause\":\"%s\"", ama_id_text (attempt->id, text),
               ama_attempt_state_name (outcome), cause);
    attempt->running = false;
    attempt->ended = true;
    attempt->outcome = outcome;
    attempt->cause = cause;
    attempt->told_ms = -TELL_MS;
}

void cast_agent_crashed (cast_world_t *world)
{
    cast_note (world, "agent_died", " ");
    world->incarnation++;
    for (size_t i = 0; i < world->n_attempts; i++) {
        cast_attempt_t *attempt = &world->attempts[i];
        if (!ama_id_is_zero (attempt->session) || cast_chance (world, 25)) /* no guard, or it died, too */
            attempt->running = false;
        attempt->post = 0;
    }
    for (size_t i = 0; i < world->n_sessions; i++) {
        world->sessions[i].open = false;
        world->sessions[i].acked = true; /* sessions are not written down */
    }
}

/* No attempt of an action that succeeded, none beside another. */
static void check_start (cast_world_t *world, const ama_attempt_start_t *start)
{
    for (size_t i = 0; i < world->n_attempts; i++) {
        const cast_attempt_t *other = &world->attempts[i];
        if (!ama_id_equal (other->run, start->run) || strcmp (other->action, start->action) != 0)
            continue;
        if (other->ended && other->outcome == AMA_ATTEMPT_STATE_SUCCEEDED)
            cast_break (world, "%s is started again after it succeeded", start->action);
        if (other->running)
            cast_break (world, "%s is started beside an attempt that runs", start->action);
    }
}

static int on_start (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    cast_part_t *self = state;
    cast_world_t *world = self->world;
    const ama_attempt_start_t *start = body;
    ama_waiter_t waiter = ama_waiter (envelope);
    cast_attempt_t *attempt = find_attempt (world, start->attempt);
    char text[AMA_ID_TEXT], run_text[AMA_ID_TEXT];

    (void) err;
    (void) ama_reply (ctx, &waiter, AMA_MSG_ATTEMPT_TAKEN, NULL);
    if (attempt)
        return 0;
    check_start (world, start);
    if (world->n_attempts == CAST_ATTEMPTS) {
        cast_break (world, "too many attempts");
        return 0;
    }
    attempt = &world->attempts[world->n_attempts++];
    *attempt = (cast_attempt_t){
        .id = start->attempt,
        .run = start->run,
        .session = start->session,
        .no = start->no,
        .running = true,
        .end_at_ms = ama_now_ms (ctx) + 1 + (int64_t) (cast_random (world) % 400),
    };
    (void) snprintf (attempt->action, sizeof attempt->action, "%s", start->action);
    cast_note (world, "started", ",\"run\":\"%s\",\"action\":\"%s\",\"no\":%u,\"attempt\":\"%s\"",
               ama_id_text (start->run, run_text), start->action, start->no, ama_id_text (start->attempt, text));
    if (!ama_id_is_zero (start->session)) {
        const cast_session_t *session = find_session (world, start->session);
        if (!session || !session->open)
            end_attempt (world, attempt, AMA_ATTEMPT_STATE_ERRORED, "session-lost");
    }
    return 0;
}

static int on_cancel (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    cast_part_t *self = state;
    const ama_attempt_cancel_t *cancel = body;
    cast_attempt_t *attempt = find_attempt (self->world, cancel->attempt);

    (void) ctx;
    (void) envelope;
    (void) err;
    if (attempt && attempt->running)
        end_attempt (self->world, attempt,
                     cancel->timed_out ? AMA_ATTEMPT_STATE_TIMED_OUT : AMA_ATTEMPT_STATE_CANCELLED, "");
    return 0;
}

static int on_ack (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    cast_part_t *self = state;
    const ama_attempt_ack_t *ack = body;
    cast_attempt_t *attempt = find_attempt (self->world, ack->attempt);

    (void) ctx;
    (void) envelope;
    (void) err;
    if (attempt && attempt->ended && ack->state == attempt->outcome)
        attempt->acked = true;
    return 0;
}

static int on_session_open (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body,
                            ama_err_t *err)
{
    cast_part_t *self = state;
    cast_world_t *world = self->world;
    const ama_attempt_session_open_t *open = body;
    ama_waiter_t waiter = ama_waiter (envelope);

    (void) err;
    (void) ama_reply (ctx, &waiter, AMA_MSG_ATTEMPT_TAKEN, NULL);
    if (find_session (world, open->session))
        return 0;
    if (world->n_sessions == CAST_SESSIONS) {
        cast_break (world, "too many sessions");
        return 0;
    }
    world->sessions[world->n_sessions++] =
        (cast_session_t){ .id = open->session,
                          .run = open->run,
                          .open = true,
                          .acked = true,
                          .ready_at_ms = ama_now_ms (ctx) + 1 + (int64_t) (cast_random (world) % 300) };
    return 0;
}

static void session_over (cast_world_t *world, cast_session_t *session, ama_session_state_t state)
{
    session->open = false;
    session->state = state;
    session->acked = false;
    session->told_ms = -TELL_MS;
    for (size_t i = 0; i < world->n_attempts; i++) {
        if (world->attempts[i].running && ama_id_equal (world->attempts[i].session, session->id))
            end_attempt (world, &world->attempts[i], AMA_ATTEMPT_STATE_ERRORED, "session-lost");
    }
}

static int on_session_close (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body,
                             ama_err_t *err)
{
    cast_part_t *self = state;
    const ama_attempt_session_close_t *close = body;
    cast_session_t *session = find_session (self->world, close->session);
    cast_session_t unknown = { .id = close->session };

    (void) ctx;
    (void) envelope;
    (void) err;
    if (!session && self->world->n_sessions < CAST_SESSIONS) {
        session = &self->world->sessions[self->world->n_sessions++];
        *session = unknown;
    }
    if (session && (session->open || session->acked))
        session_over (self->world, session, AMA_SESSION_STATE_CLOSED);
    return 0;
}

static int on_session_ack (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body,
                           ama_err_t *err)
{
    cast_part_t *self = state;
    const ama_attempt_session_ack_t *ack = body;
    cast_session_t *session = find_session (self->world, ack->session);

    (void) ctx;
    (void) envelope;
    (void) err;
    if (session && ack->state == session->state)
        session->acked = true;
    return 0;
}

/* ---- output: written down, and posted until it is acknowledged ---- */

static void on_posted (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                       void *arg)
{
    cast_attempt_t *attempt = arg;
    const ama_report_posted_t *posted = body;

    (void) ctx, (void) envelope;
    attempt->post = 0;
    if (err || posted->upto <= attempt->posted)
        return;
    attempt->posted = posted->upto;
    attempt->news = true;
}

static void post_output (cast_part_t *self, cast_attempt_t *attempt)
{
    enum { AT_ONCE = 3 };
    char texts[AT_ONCE][24], id[AMA_ID_TEXT];
    ama_report_event_t events[AT_ONCE] = { 0 };
    ama_report_post_t post = {
        .run = attempt->run, .source = attempt->id, .first = attempt->posted + 1, .events = events
    };

    if (attempt->news)
        cast_note (self->world, "posted", ",\"attempt\":\"%s\",\"upto\":%llu", ama_id_text (attempt->id, id),
                   (unsigned long long) attempt->posted);
    attempt->news = false;
    if (attempt->running && cast_random (self->world) % 4 == 0)
        attempt->lines++;
    for (; post.n_events < AT_ONCE && attempt->posted + post.n_events < attempt->lines; post.n_events++) {
        (void) snprintf (texts[post.n_events], sizeof texts[0], "%llu",
                         (unsigned long long) (post.first + post.n_events));
        events[post.n_events] = (ama_report_event_t){ .type = AMA_EVENT_TYPE_OUTPUT,
                                                      .ts = ama_wall_now_ms (self->ctx),
                                                      .action = attempt->action,
                                                      .has_attempt = true,
                                                      .attempt = attempt->no,
                                                      .stream = (char *) "stdout",
                                                      .text = texts[post.n_events] };
    }
    if (post.n_events && !attempt->post)
        attempt->post = ama_ask (self->ctx, "reporter", AMA_MSG_REPORT_POST, &post, 500, 0, on_posted, attempt);
}

static void finish_attempts (cast_part_t *self, int64_t now)
{
    cast_world_t *world = self->world;

    for (size_t i = 0; i < world->n_attempts; i++) {
        cast_attempt_t *attempt = &world->attempts[i];
        post_output (self, attempt);
        if (attempt->running && now >= attempt->end_at_ms) {
            if (cast_chance (world, 20))
                end_attempt (world, attempt, AMA_ATTEMPT_STATE_FAILED, cast_chance (world, 20) ? "syntax" : "error");
            else if (cast_chance (world, 5))
                end_attempt (world, attempt, AMA_ATTEMPT_STATE_ERRORED, "oom");
            else
                end_attempt (world, attempt, AMA_ATTEMPT_STATE_SUCCEEDED, "");
        }
        if (attempt->ended && !attempt->acked && now >= attempt->told_ms + TELL_MS) {
            ama_attempt_status_t status = { .attempt = attempt->id,
                                            .run = attempt->run,
                                            .state = attempt->outcome,
                                            .cause = (char *) attempt->cause,
                                            .exit = -1 };
            attempt->told_ms = now;
            (void) ama_tell (self->ctx, "supervisor", AMA_MSG_ATTEMPT_STATUS, &status);
        }
    }
}

static void tend_sessions (cast_part_t *self, int64_t now)
{
    cast_world_t *world = self->world;

    for (size_t i = 0; i < world->n_sessions; i++) {
        cast_session_t *session = &world->sessions[i];
        if (session->open && !session->ready && now >= session->ready_at_ms) {
            if (cast_chance (world, 10))
                session_over (world, session, AMA_SESSION_STATE_FAILED);
            else {
                session->ready = true;
                session->state = AMA_SESSION_STATE_READY;
                session->acked = false;
                session->told_ms = -TELL_MS;
            }
        }
        else if (session->open && session->ready && cast_random (world) % 400 == 0 && !world->calm)
            session_over (world, session, AMA_SESSION_STATE_LOST);
        if (!session->acked && now >= session->told_ms + TELL_MS) {
            ama_attempt_session_status_t status = {
                .session = session->id, .run = session->run, .state = session->state, .detail = (char *) "Spark"
            };
            session->told_ms = now;
            (void) ama_tell (self->ctx, "supervisor", AMA_MSG_ATTEMPT_SESSION_STATUS, &status);
        }
    }
}

static void agent_tick (void *arg)
{
    cast_part_t *self = arg;
    int64_t now = ama_now_ms (self->ctx);

    finish_attempts (self, now);
    tend_sessions (self, now);
    ama_timer_after (self->timer, TICK_MS);
}

static void on_welcome (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                        void *arg);

static void say_hello (cast_part_t *self)
{
    cast_world_t *world = self->world;
    ama_lease_held_t *held = ama_calloc (world->n_attempts + world->n_sessions, sizeof *held);
    ama_lease_agent_hello_t hello = { .agent = (char *) "agent/local",
                                      .cpus = 2,
                                      .memory = 4ull << 30,
                                      .held = held,
                                      .incarnation = world->incarnation };

    for (size_t i = 0; i < world->n_attempts; i++) {
        if (world->attempts[i].running)
            held[hello.n_held++] = (ama_lease_held_t){ .id = world->attempts[i].id, .run = world->attempts[i].run };
    }
    for (size_t i = 0; i < world->n_sessions; i++) {
        if (world->sessions[i].open)
            held[hello.n_held++] =
                (ama_lease_held_t){ .id = world->sessions[i].id, .run = world->sessions[i].run, .session = true };
    }
    (void) ama_ask (self->ctx, "broker", AMA_MSG_LEASE_AGENT_HELLO, &hello, 500, 0, on_welcome, self);
    free (held);
}

static void on_welcome (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                        void *arg)
{
    (void) ctx;
    (void) envelope;
    (void) body;
    ama_timer_after (((cast_part_t *) arg)->hello, err ? 200 : 30000);
}

static void on_hello_time (void *arg)
{
    say_hello (arg);
}

static void agent_joined (ama_ctx_t *ctx, void *state, uint64_t epoch)
{
    cast_part_t *self = state;

    (void) epoch;
    if (!self->timer) {
        self->timer = ama_timer_new (ctx, agent_tick, self);
        self->hello = ama_timer_new (ctx, on_hello_time, self);
    }
    ama_timer_after (self->timer, TICK_MS);
    say_hello (self);
}

static void agent_peer_gone (ama_ctx_t *ctx, void *state, const char *name)
{
    cast_part_t *self = state;

    (void) ctx;
    if (strcmp (name, "broker") == 0 && self->hello)
        ama_timer_after (self->hello, 200);
}

static const ama_handler_t agent_handlers[] = {
    { AMA_MSG_ATTEMPT_START, on_start },
    { AMA_MSG_ATTEMPT_CANCEL, on_cancel },
    { AMA_MSG_ATTEMPT_ACK, on_ack },
    { AMA_MSG_ATTEMPT_SESSION_OPEN, on_session_open },
    { AMA_MSG_ATTEMPT_SESSION_CLOSE, on_session_close },
    { AMA_MSG_ATTEMPT_SESSION_ACK, on_session_ack },
    AMA_HANDLER_END,
};

const ama_actor_def_t cast_agent = {
    .name = "agent/local",
    .role = AMA_ROLE_AGENT,
    .state_size = sizeof (cast_part_t),
    .init = cast_part_init,
    .done = cast_part_done,
    .joined = agent_joined,
    .peer_gone = agent_peer_gone,
    .handlers = agent_handlers,
};
