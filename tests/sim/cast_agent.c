/* cast_agent.c - the stand-in of an agent: attempts and sessions that take their time
 *
 * What speaks to others is the real agent's: agent/status.h tells ends until they are acknowledged, and keeps them in its file; agent/poster.h posts output. What is
 * played here are the processes, and what the real agent_actor.c remembers of them. An attempt's end is noted when it is in the file.
 */
#include "tests/sim/cast_part.h"

#include "agent/poster.h"
#include "agent/status.h"
#include "messages/ama_types.h"
#include "messages/lease.h"
#include "messages/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS        50
#define HELLO_SOON_MS  250 /* as in agent/hello.c */
#define HELLO_MS       30000
#define REPORT_WAIT_MS 10000 /* as in agent/attempt.c */

typedef struct {
    ama_ctx_t *ctx;
    cast_world_t *world;
    cast_agent_t *agent;
    ama_timer_t *timer, *hello;
    int64_t pause_ms; /* before the next hello, 0 for the first */
    bool parted;
    ama_statuses_t *statuses;
} self_t;

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

/* Of what an earlier process had, one knows the file of ends only. */
static bool knows_attempt (self_t *self, ama_id_t id)
{
    const cast_attempt_t *attempt = find_attempt (self->world, id);

    return ama_statuses_repeat (self->statuses, id)
           || (attempt && attempt->agent == self->agent->index && attempt->incarnation == self->agent->incarnation);
}

static bool knows_session (self_t *self, ama_id_t id)
{
    const cast_session_t *session = find_session (self->world, id);

    return ama_statuses_repeat (self->statuses, id)
           || (session && session->agent == self->agent->index && session->incarnation == self->agent->incarnation);
}

static cast_attempt_t *attempt_of (self_t *self, ama_id_t id)
{
    cast_world_t *world = self->world;
    cast_attempt_t *attempt = find_attempt (world, id);

    if (!attempt && world->n_attempts == CAST_ATTEMPTS) {
        cast_break (world, "too many attempts");
        return NULL;
    }
    if (!attempt)
        attempt = &world->attempts[world->n_attempts++];
    else if (attempt->agent != self->agent->index)
        cast_break (world, "agents %u and %u are told of the same attempt", attempt->agent, self->agent->index);
    *attempt = (cast_attempt_t){ .id = id, .agent = self->agent->index, .incarnation = self->agent->incarnation };
    return attempt;
}

static cast_session_t *session_of (self_t *self, ama_id_t id)
{
    cast_world_t *world = self->world;
    cast_session_t *session = find_session (world, id);

    if (!session && world->n_sessions == CAST_SESSIONS) {
        cast_break (world, "too many sessions");
        return NULL;
    }
    if (!session)
        session = &world->sessions[world->n_sessions++];
    else if (session->agent != self->agent->index)
        cast_break (world, "agents %u and %u are told of the same session", session->agent, self->agent->index);
    *session = (cast_session_t){ .id = id, .agent = self->agent->index, .incarnation = self->agent->incarnation };
    return session;
}

void cast_agent_crashed (cast_agent_t *agent)
{
    cast_world_t *world = agent->world;

    cast_note (world, "agent_died", ",\"agent\":%u", agent->index);
    agent->incarnation++;
    cast_agent_in_touch (agent, false);
    for (size_t i = 0; i < world->n_attempts; i++) {
        cast_attempt_t *attempt = &world->attempts[i];
        if (attempt->agent != agent->index || (!attempt->running && !attempt->ending))
            continue;
        if (!ama_id_is_zero (attempt->session) || cast_chance (world, 25)) /* no guard, or it died, too */
            attempt->running = attempt->ending = false;
        else
            attempt->incarnation = agent->incarnation;
    }
    for (size_t i = 0; i < world->n_sessions; i++)
        world->sessions[i].open &= world->sessions[i].agent != agent->index;
}

/* ---- attempts ---- */

/* Its process is gone; that is told when its output was sent. */
static void end_attempt (cast_attempt_t *attempt, ama_attempt_state_t outcome, const char *cause, int64_t now)
{
    attempt->running = false;
    attempt->ending = true;
    attempt->outcome = outcome;
    attempt->cause = cause;
    attempt->end_at_ms = now;
    ama_feed_flush (attempt->feed);
}

static void tell_outcome (self_t *self, cast_attempt_t *attempt)
{
    char text[AMA_ID_TEXT], lines[40];
    ama_attempt_status_t status = { .attempt = attempt->id,
                                    .run = attempt->run,
                                    .state = attempt->outcome,
                                    .cause = (char *) attempt->cause,
                                    .exit = -1,
                                    .has_events = !attempt->uncounted,
                                    .events = attempt->uncounted ? 0 : ama_feed_last (attempt->feed) };

    attempt->ending = false;
    attempt->ended = true;
    (void) snprintf (lines, sizeof lines, ",\"lines\":%llu", (unsigned long long) attempt->lines);
    cast_note (self->world, "ended", ",\"attempt\":\"%s\",\"state\":\"%s\",\"cause\":\"%s\"%s",
               ama_id_text (attempt->id, text), ama_attempt_state_name (attempt->outcome), attempt->cause,
               attempt->uncounted ? "" : lines);
    ama_statuses_attempt (self->statuses, &status);
    ama_feed_close (&attempt->feed);
}

static void begin (self_t *self, const ama_attempt_start_t *start)
{
    cast_world_t *world = self->world;
    cast_attempt_t *attempt = attempt_of (self, start->attempt);
    const cast_session_t *session = find_session (world, start->session);
    ama_attempt_status_t running = {
        .attempt = start->attempt, .run = start->run, .state = AMA_ATTEMPT_STATE_RUNNING, .exit = -1
    };
    char text[AMA_ID_TEXT], run_text[AMA_ID_TEXT];

    if (!attempt)
        return;
    if (session && session->agent != self->agent->index)
        cast_break (world, "%s is started at agent %u, its session is at %u", start->action, self->agent->index,
                    session->agent);
    attempt->run = start->run;
    attempt->session = start->session;
    attempt->no = start->no;
    attempt->running = true;
    attempt->begun_ms = ama_now_ms (self->ctx);
    attempt->lease_ms = start->lease_ms;
    attempt->rerun = cast_repo_reruns (start->snapshot);
    attempt->end_at_ms = ama_now_ms (self->ctx) + 1 + (int64_t) (cast_random (world) % 400);
    (void) snprintf (attempt->action, sizeof attempt->action, "%s", start->action);
    attempt->poster = ama_poster_new (self->ctx);
    attempt->feed = ama_feed_new (attempt->poster, start->run, start->attempt, NULL, NULL);
    cast_note (world, "started",
               ",\"run\":\"%s\",\"action\":\"%s\",\"no\":%u,\"attempt\":\"%s\",\"snapshot\":\"%s\",\"agent\":%u",
               ama_id_text (start->run, run_text), start->action, start->no, ama_id_text (start->attempt, text),
               start->snapshot, self->agent->index);
    ama_statuses_attempt (self->statuses, &running);
    attempt->uncounted =
        !ama_id_is_zero (start->session) && (!session || session->incarnation != self->agent->incarnation);
    if (!ama_id_is_zero (start->session) && (!session || !session->open))
        end_attempt (attempt, AMA_ATTEMPT_STATE_ERRORED, "session-lost", ama_now_ms (self->ctx));
}

/* It died with its guard, when no agent was there: its tape is found, and nobody knows how it ended. */
static bool tell_lost (self_t *self, const ama_attempt_start_t *start)
{
    ama_attempt_status_t status = { .attempt = start->attempt,
                                    .run = start->run,
                                    .state = AMA_ATTEMPT_STATE_LOST,
                                    .cause = (char *) "node-lost",
                                    .exit = -1 };
    cast_attempt_t *attempt = find_attempt (self->world, start->attempt);

    if (!attempt || attempt->ended || attempt->agent != self->agent->index || !ama_id_is_zero (start->session))
        return false;
    attempt->incarnation = self->agent->incarnation;
    ama_statuses_attempt (self->statuses, &status);
    return true;
}

static int on_start (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    self_t *self = state;
    const ama_attempt_start_t *start = body;
    ama_waiter_t waiter = ama_waiter (envelope);

    (void) err;
    (void) ama_reply (ctx, &waiter, AMA_MSG_ATTEMPT_TAKEN, NULL);
    if (knows_attempt (self, start->attempt) || tell_lost (self, start))
        return 0;
    cast_check_start (self->world, start);
    begin (self, start);
    return 0;
}

/* One that never came, or died with an earlier process: nobody knows how, so that is not noted as its end. */
static void tell_not_running (self_t *self, const ama_attempt_cancel_t *cancel)
{
    ama_attempt_status_t status = {
        .attempt = cancel->attempt,
        .state = cancel->timed_out ? AMA_ATTEMPT_STATE_TIMED_OUT : AMA_ATTEMPT_STATE_CANCELLED,
        .cause = (char *) (cancel->timed_out ? "timeout" : ""),
        .exit = -1,
    };
    cast_attempt_t *attempt = find_attempt (self->world, cancel->attempt);

    if (attempt)
        attempt->incarnation = self->agent->incarnation;
    else
        (void) attempt_of (self, cancel->attempt);
    ama_statuses_attempt (self->statuses, &status);
}

static int on_cancel (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    self_t *self = state;
    const ama_attempt_cancel_t *cancel = body;
    cast_attempt_t *attempt = find_attempt (self->world, cancel->attempt);

    (void) envelope;
    (void) err;
    if (attempt && attempt->running)
        end_attempt (attempt, cancel->timed_out ? AMA_ATTEMPT_STATE_TIMED_OUT : AMA_ATTEMPT_STATE_CANCELLED, "",
                     ama_now_ms (ctx));
    else if (!knows_attempt (self, cancel->attempt))
        tell_not_running (self, cancel);
    return 0;
}

static int on_ack (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    self_t *self = state;
    const ama_attempt_ack_t *ack = body;
    cast_attempt_t *attempt = find_attempt (self->world, ack->attempt);

    (void) ctx, (void) envelope, (void) err;
    ama_statuses_attempt_ack (self->statuses, ack);
    if (attempt && attempt->ended && ack->state == attempt->outcome)
        attempt->acked = true;
    return 0;
}

static void add_line (self_t *self, cast_attempt_t *attempt, uint64_t number)
{
    char line[24];
    ama_report_event_t event = { .type = AMA_EVENT_TYPE_OUTPUT,
                                 .ts = ama_wall_now_ms (self->ctx),
                                 .action = attempt->action,
                                 .has_attempt = true,
                                 .attempt = attempt->no,
                                 .stream = (char *) "stdout",
                                 .text = line };

    (void) snprintf (line, sizeof line, "%llu", (unsigned long long) number);
    ama_feed_add (attempt->feed, &event);
}

/* An earlier agent's: what it said is said again, under the same numbers. */
static void take_over (self_t *self, cast_attempt_t *attempt)
{
    attempt->poster = ama_poster_new (self->ctx);
    attempt->feed = ama_feed_new (attempt->poster, attempt->run, attempt->id, NULL, NULL);
    for (uint64_t i = 1; i <= attempt->lines; i++)
        add_line (self, attempt, i);
    if (attempt->ending)
        ama_feed_flush (attempt->feed);
}

/* What the reporter has acknowledged is noted; a poster of its own for each attempt lets us see that. */
static void print (self_t *self, cast_attempt_t *attempt)
{
    char id[AMA_ID_TEXT];

    if (!attempt->poster)
        return;
    if (attempt->posted < attempt->lines && !ama_poster_pending (attempt->poster)) {
        attempt->posted = attempt->lines;
        cast_note (self->world, "posted", ",\"attempt\":\"%s\",\"upto\":%llu", ama_id_text (attempt->id, id),
                   (unsigned long long) attempt->posted);
    }
    if (!attempt->running || cast_random (self->world) % 4)
        return;
    add_line (self, attempt, ++attempt->lines);
}

static void finish (cast_world_t *world, cast_attempt_t *attempt, int64_t now)
{
    if (cast_chance (world, 20))
        end_attempt (attempt, AMA_ATTEMPT_STATE_FAILED, cast_chance (world, 20) ? "syntax" : "error", now);
    else if (cast_chance (world, 5))
        end_attempt (attempt, AMA_ATTEMPT_STATE_ERRORED, "oom", now);
    else
        end_attempt (attempt, AMA_ATTEMPT_STATE_SUCCEEDED, "", now);
}

static void tend_attempts (self_t *self, int64_t now)
{
    cast_world_t *world = self->world;

    for (size_t i = 0; i < world->n_attempts; i++) {
        cast_attempt_t *attempt = &world->attempts[i];
        if (attempt->agent != self->agent->index)
            continue;
        print (self, attempt);
        if (attempt->running && cast_lease_is_over (self->agent, attempt->lease_ms))
            end_attempt (attempt, AMA_ATTEMPT_STATE_LOST, "node-lost", now);
        else if (attempt->running && now >= attempt->end_at_ms)
            finish (world, attempt, now);
        if (attempt->ending && (ama_feed_sent (attempt->feed) || now >= attempt->end_at_ms + REPORT_WAIT_MS))
            tell_outcome (self, attempt);
    }
}

/* ---- sessions ---- */

static void tell_session (self_t *self, const cast_session_t *session, ama_session_state_t state)
{
    ama_attempt_session_status_t status = {
        .session = session->id, .run = session->run, .state = state, .detail = (char *) "Spark"
    };

    ama_statuses_session (self->statuses, &status);
}

static int on_session_open (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body,
                            ama_err_t *err)
{
    self_t *self = state;
    const ama_attempt_session_open_t *open = body;
    ama_waiter_t waiter = ama_waiter (envelope);
    cast_session_t *session;

    (void) err;
    (void) ama_reply (ctx, &waiter, AMA_MSG_ATTEMPT_TAKEN, NULL);
    if (knows_session (self, open->session) || !(session = session_of (self, open->session)))
        return 0;
    session->run = open->run;
    session->lease_ms = open->lease_ms;
    session->open = true;
    session->ready_at_ms = ama_now_ms (ctx) + 1 + (int64_t) (cast_random (self->world) % 300);
    return 0;
}

static void session_over (self_t *self, cast_session_t *session, ama_session_state_t state)
{
    cast_world_t *world = self->world;

    session->open = false;
    for (size_t i = 0; i < world->n_attempts; i++) {
        if (world->attempts[i].running && ama_id_equal (world->attempts[i].session, session->id))
            end_attempt (&world->attempts[i], AMA_ATTEMPT_STATE_ERRORED, "session-lost", ama_now_ms (self->ctx));
    }
    tell_session (self, session, state);
}

static int on_session_close (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body,
                             ama_err_t *err)
{
    self_t *self = state;
    const ama_attempt_session_close_t *close = body;
    cast_session_t *session = find_session (self->world, close->session);

    (void) ctx;
    (void) envelope;
    (void) err;
    if (session && session->open)
        session_over (self, session, AMA_SESSION_STATE_CLOSED);
    else if (!ama_statuses_repeat (self->statuses, close->session) && (session = session_of (self, close->session)))
        tell_session (self, session, AMA_SESSION_STATE_CLOSED);
    return 0;
}

static int on_session_ack (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body,
                           ama_err_t *err)
{
    (void) ctx, (void) envelope, (void) err;
    ama_statuses_session_ack (((self_t *) state)->statuses, body);
    return 0;
}

static void tend_sessions (self_t *self, int64_t now)
{
    cast_world_t *world = self->world;

    for (size_t i = 0; i < world->n_sessions; i++) {
        cast_session_t *session = &world->sessions[i];
        if (!session->open || session->agent != self->agent->index)
            continue;
        if (cast_lease_is_over (self->agent, session->lease_ms))
            session_over (self, session, AMA_SESSION_STATE_LOST);
        else if (!session->ready && now >= session->ready_at_ms) {
            session->ready = true;
            if (cast_chance (world, 10))
                session_over (self, session, AMA_SESSION_STATE_FAILED);
            else
                tell_session (self, session, AMA_SESSION_STATE_READY);
        }
        else if (session->ready && cast_random (world) % 400 == 0 && !world->calm)
            session_over (self, session, AMA_SESSION_STATE_LOST);
    }
}

/* ---- hub and broker ---- */

static void on_tick (void *arg)
{
    self_t *self = arg;
    int64_t now = ama_now_ms (self->ctx);

    tend_attempts (self, now);
    tend_sessions (self, now);
    ama_timer_after (self->timer, TICK_MS);
}

static void on_welcome (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                        void *arg);

static void hold_end (ama_id_t id, ama_id_t run, void *arg)
{
    ama_lease_agent_hello_t *hello = arg;

    hello->held[hello->n_held++] = (ama_lease_held_t){ .id = id, .run = run, .ended = true };
}

static void say_hello (self_t *self)
{
    cast_world_t *world = self->world;
    ama_lease_held_t *held = ama_calloc (
        world->n_attempts + world->n_sessions + ama_statuses_ends (self->statuses, NULL, NULL), sizeof *held);
    ama_lease_agent_hello_t hello = { .agent = (char *) ama_self (self->ctx),
                                      .cpus = 2,
                                      .memory = 4ull << 30,
                                      .held = held,
                                      .incarnation = self->agent->incarnation };

    for (size_t i = 0; i < world->n_attempts; i++) {
        const cast_attempt_t *attempt = &world->attempts[i];
        if (attempt->agent == self->agent->index && (attempt->running || attempt->ending))
            held[hello.n_held++] = (ama_lease_held_t){ .id = attempt->id, .run = attempt->run };
    }
    for (size_t i = 0; i < world->n_sessions; i++) {
        if (world->sessions[i].open && world->sessions[i].agent == self->agent->index)
            held[hello.n_held++] =
                (ama_lease_held_t){ .id = world->sessions[i].id, .run = world->sessions[i].run, .session = true };
    }
    (void) ama_statuses_ends (self->statuses, hold_end, &hello);
    (void) ama_ask (self->ctx, "broker", AMA_MSG_LEASE_AGENT_HELLO, &hello, 500, 0, on_welcome, self);
    free (held);
}

static void on_welcome (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                        void *arg)
{
    self_t *self = arg;

    (void) ctx;
    (void) envelope;
    (void) body;
    self->pause_ms = self->pause_ms ? 2 * self->pause_ms : HELLO_SOON_MS;
    if (self->pause_ms > HELLO_MS)
        self->pause_ms = HELLO_MS;
    if (!self->parted)
        ama_timer_after (self->hello, err ? 200 : self->pause_ms);
}

static void on_hello_time (void *arg)
{
    say_hello (arg);
}

/* ---- life ---- */

static int init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    self_t *self = state;
    cast_agent_t *agent = *(cast_agent_t *const *) config;
    cast_world_t *world = agent->world;

    *self = (self_t){ .ctx = ctx, .world = world, .agent = agent };
    self->timer = ama_timer_new (ctx, on_tick, self);
    self->hello = ama_timer_new (ctx, on_hello_time, self);
    for (size_t i = 0; i < world->n_attempts; i++)
        if (world->attempts[i].agent == agent->index && (world->attempts[i].running || world->attempts[i].ending))
            take_over (self, &world->attempts[i]);
    ama_timer_after (self->timer, TICK_MS); /* their guards do not wait for it to join */
    return ama_statuses_new (ctx, agent->ends, &self->statuses, err);
}

static void done (void *state)
{
    self_t *self = state;

    for (size_t i = 0; self->world && i < self->world->n_attempts; i++) {
        if (self->world->attempts[i].agent != self->agent->index)
            continue;
        self->world->attempts[i].feed = NULL;
        if (self->world->attempts[i].poster)
            ama_poster_destroy (&self->world->attempts[i].poster);
    }
    ama_statuses_destroy (&self->statuses);
    ama_timer_destroy (&self->timer);
    ama_timer_destroy (&self->hello);
}

static void joined (ama_ctx_t *ctx, void *state, uint64_t epoch)
{
    self_t *self = state;

    (void) ctx;
    (void) epoch;
    ama_timer_after (self->timer, TICK_MS);
    self->pause_ms = 0;
    self->parted = false;
    cast_agent_in_touch (self->agent, true);
    say_hello (self);
    for (size_t i = 0; i < self->world->n_attempts; i++)
        if (self->world->attempts[i].poster && self->world->attempts[i].agent == self->agent->index)
            ama_poster_joined (self->world->attempts[i].poster);
    ama_statuses_joined (self->statuses);
}

static void parted (ama_ctx_t *ctx, void *state)
{
    self_t *self = state;

    (void) ctx;
    self->parted = true;
    cast_agent_in_touch (self->agent, false);
}

static void peer_gone (ama_ctx_t *ctx, void *state, const char *name)
{
    (void) ctx;
    if (strcmp (name, "broker") != 0)
        return;
    ((self_t *) state)->pause_ms = 0;
    ama_timer_after (((self_t *) state)->hello, 200);
}

static const ama_handler_t handlers[] = {
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
    .state_size = sizeof (self_t),
    .init = init,
    .done = done,
    .joined = joined,
    .parted = parted,
    .peer_gone = peer_gone,
    .handlers = handlers,
};
