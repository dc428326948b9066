/* cast.c - see cast.h: what all stand-ins share, and the client */
#include "tests/sim/cast_part.h"

#include "client/client.h"
#include "messages/ama_types.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t cast_random (cast_world_t *world)
{
    uint64_t x = world->random += 0x9e3779b97f4a7c15u;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

bool cast_chance (cast_world_t *world, unsigned percent)
{
    return !world->calm && cast_random (world) % 100 < percent;
}

void cast_break (cast_world_t *world, const char *format, ...)
{
    enum { ENOUGH = 4000 };
    char line[512];
    va_list args;

    if (world->broken.size > ENOUGH)
        return;
    va_start (args, format);
    (void) vsnprintf (line, sizeof line, format, args);
    va_end (args);
    ama_str_printf (&world->broken, "[%lld ms] %s\n", (long long) ama_sim_now_ms (world->sim), line);
}

void cast_note (cast_world_t *world, const char *what, const char *format, ...)
{
    va_list args;

    if (!world->history)
        return;
    (void) fprintf (world->history, "{\"at\":%lld,\"what\":\"%s\"", (long long) ama_sim_now_ms (world->sim), what);
    va_start (args, format);
    (void) vfprintf (world->history, format, args);
    va_end (args);
    (void) fputs ("}\n", world->history);
}

void cast_init (cast_world_t *world, ama_sim_t *sim, uint64_t seed, size_t n_runs)
{
    FILE *history = world->history;

    memset (world, 0, sizeof *world);
    world->history = history;
    world->sim = sim;
    world->seed = seed;
    world->random = seed * 7919 + 1;
    world->n_runs = n_runs;
    for (unsigned i = 0; i < CAST_READERS; i++)
        world->readers[i] = (cast_reader_t){ .world = world, .index = i };
    for (unsigned i = 0; i < CAST_AGENTS; i++)
        world->agents[i] = (cast_agent_t){ .world = world, .index = i, .incarnation = 1 };
    for (size_t i = 0; i < n_runs; i++) {
        (void) snprintf (world->runs[i].token, sizeof world->runs[i].token, "token-%zu", i);
        world->runs[i].repo = (unsigned) (cast_random (world) % CAST_REPOS);
        world->runs[i].cancel_wanted = cast_random (world) % 6 == 0;
        world->runs[i].cancel_at_ms = 1 + (int64_t) (cast_random (world) % 3000);
    }
}

void cast_done (cast_world_t *world)
{
    ama_str_done (&world->broken);
}

/* ---- every part ---- */

int cast_part_init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    (void) err;
    *(cast_part_t *) state = (cast_part_t){ .ctx = ctx, .world = *(cast_world_t *const *) config };
    return 0;
}

void cast_part_done (void *state)
{
    cast_part_t *self = state;
    ama_timer_destroy (&self->timer);
    ama_timer_destroy (&self->hello);
}

/* ---- client ---- */

enum { AGAIN_MS = 300 }; /* as the real one, cmd_submit.c */

typedef struct {
    cast_part_t *self;
    size_t run;
} asked_t;

static asked_t asked_of[CAST_RUNS]; /* of the one client there is */

static void on_accepted (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                         void *arg)
{
    asked_t *asked = arg;
    cast_world_t *world = asked->self->world;
    cast_run_t *run = &world->runs[asked->run];
    const ama_run_accepted_t *accepted = body;
    char text[AMA_ID_TEXT];

    (void) ctx;
    (void) envelope;
    asked->self->busy[asked->run] = 0;
    if (err)
        return;
    cast_note (world, "accepted", ",\"token\":\"%s\",\"run\":\"%s\"", run->token, ama_id_text (accepted->run, text));
    if (!ama_id_is_zero (run->id) && !ama_id_equal (run->id, accepted->run))
        cast_break (world, "%s became two runs", run->token);
    run->id = accepted->run;
}

static void on_cancelled (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err,
                          void *arg)
{
    asked_t *asked = arg;
    cast_world_t *world = asked->self->world;
    char text[AMA_ID_TEXT];

    (void) ctx;
    (void) envelope;
    (void) body;
    asked->self->busy[asked->run] = 0;
    if (err)
        return;
    world->runs[asked->run].cancelled = true;
    cast_note (world, "cancelled", ",\"run\":\"%s\"", ama_id_text (world->runs[asked->run].id, text));
}

static void client_tick (void *arg)
{
    cast_part_t *self = arg;
    cast_world_t *world = self->world;
    char text[AMA_ID_TEXT], url[32];

    for (size_t i = 0; i < world->n_runs; i++) {
        cast_run_t *run = &world->runs[i];
        ama_run_submit_t submit = {
            .token = run->token, .repo = url, .ref = (char *) "main", .env = (char *) "dev", .name = (char *) ""
        };
        ama_run_cancel_t cancel = { .run = run->id, .force = i % 2 };
        cast_repo_url (run->repo, url, sizeof url);
        asked_of[i] = (asked_t){ self, i };
        if (self->busy[i])
            continue;
        /* also again for known ones: the same token is the same run */
        if (ama_id_is_zero (run->id) || cast_random (world) % 20 == 0)
            self->busy[i] = ama_ask (self->ctx, "supervisor", AMA_MSG_RUN_SUBMIT, &submit, AMA_CLIENT_ASK_MS, 0,
                                     on_accepted, &asked_of[i]);
        else if (run->cancel_wanted && !run->cancelled && ama_now_ms (self->ctx) > run->cancel_at_ms) {
            cast_note (world, "cancel", ",\"run\":\"%s\"", ama_id_text (run->id, text));
            self->busy[i] = ama_ask (self->ctx, "supervisor", AMA_MSG_RUN_CANCEL, &cancel, AMA_CLIENT_ASK_MS, 0,
                                     on_cancelled, &asked_of[i]);
        }
    }
    ama_timer_after (self->timer, AGAIN_MS);
}

static void client_joined (ama_ctx_t *ctx, void *state, uint64_t epoch)
{
    cast_part_t *self = state;

    (void) epoch;
    if (!self->timer)
        self->timer = ama_timer_new (ctx, client_tick, self);
    ama_timer_after (self->timer, 10);
}

/* ---- definitions ---- */

static const ama_handler_t client_handlers[] = { AMA_HANDLER_END };

const ama_actor_def_t cast_client = {
    .name = "client/1",
    .role = AMA_ROLE_SUBMITTER,
    .state_size = sizeof (cast_part_t),
    .init = cast_part_init,
    .done = cast_part_done,
    .joined = client_joined,
    .handlers = client_handlers,
};
