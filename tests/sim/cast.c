/* cast.c - see cast.h. Plans are made from the run's number, so that a repeated ask gets the same answer. */
#include "tests/sim/cast_part.h"

#include "messages/ama_types.h"
#include "messages/attempt.h"
#include "messages/lease.h"
#include "messages/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACTIONS_MAX 12

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
    world->random = seed * 7919 + 1;
    world->n_runs = n_runs;
    world->incarnation = 1;
    for (unsigned i = 0; i < CAST_READERS; i++)
        world->readers[i] = (cast_reader_t){ .world = world, .index = i };
    for (size_t i = 0; i < n_runs; i++) {
        (void) snprintf (world->runs[i].token, sizeof world->runs[i].token, "token-%zu", i);
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

/* ---- planner ---- */

typedef struct {
    ama_plan_action_t actions[2 * ACTIONS_MAX];
    uint32_t depends[2 * ACTIONS_MAX][ACTIONS_MAX];
    char names[2 * ACTIONS_MAX][8];
    ama_plan_dependencies_t dependencies;
    ama_plan_repository_t repository;
    ama_plan_artifact_t artifact;
} draft_t;

static uint64_t mix (uint64_t a, uint64_t b)
{
    uint64_t x = a * 0x9e3779b97f4a7c15u + b + 1;
    x = (x ^ (x >> 31)) * 0xbf58476d1ce4e5b9u;
    return x ^ (x >> 29);
}

static void draft_action (draft_t *draft, uint32_t i, const char *kind, uint64_t r)
{
    ama_plan_action_t *action = &draft->actions[i];

    (void) snprintf (draft->names[i], sizeof draft->names[i], "%s%u", kind, i);
    *action = (ama_plan_action_t){
        .name = draft->names[i],
        .runner = (char *) (r % 3 == 0 ? "spark-scala" : "shell"),
        .group = (char *) (r % 3 == 0 ? "spark" : "shell"),
        .type = (char *) "",
        .file = (char *) "src/a",
        .error_action = -1,
        .error_of = -1,
        .depends = draft->depends[i],
        .retry = { .attempts = (uint32_t) (r / 3 % 3) + 1, .delay_ms = (int64_t) (r / 9 % 4) * 100 },
        .timeout_ms = r / 36 % 5 == 0 ? 300 : 0,
    };
}

static void draft_plan (draft_t *draft, ama_plan_plan_t *plan, uint64_t seed)
{
    uint32_t n = 1 + (uint32_t) (mix (seed, 0) % 6), at = 0;
    uint32_t ordinary[ACTIONS_MAX];

    memset (draft, 0, sizeof *draft);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t r = mix (seed, i + 1);
        uint32_t me = at++;
        draft_action (draft, me, "a", r);
        for (uint32_t k = 0; k < i; k++) {
            if (mix (r, k) % 2)
                draft->depends[me][draft->actions[me].n_depends++] = ordinary[k];
        }
        ordinary[i] = me;
        if (mix (r, 99) % 3 == 0) {
            draft_action (draft, at, "e", mix (r, 98));
            draft->actions[at].error_of = me;
            draft->actions[me].error_action = at++;
        }
    }
    draft->repository = (ama_plan_repository_t){ .id = (char *) "r", .url = (char *) "https://repo.example/" };
    draft->artifact = (ama_plan_artifact_t){ .group = (char *) "g", .name = (char *) "a", .version = (char *) "1" };
    draft->dependencies = (ama_plan_dependencies_t){ .file = (char *) "deps/jars.yml",
                                                     .repositories = &draft->repository,
                                                     .n_repositories = 1,
                                                     .artifacts = &draft->artifact,
                                                     .n_artifacts = 1 };
    *plan = (ama_plan_plan_t){ .job = (char *) "job",
                               .env = (char *) "dev",
                               .commit = (char *) "3f2c1ab0000000000000000000000000000000ab",
                               .actions = draft->actions,
                               .n_actions = at,
                               .dependencies = &draft->dependencies,
                               .n_dependencies = mix (seed, 97) % 2,
                               .fail_fast = mix (seed, 96) % 4 == 0,
                               .environment = { .name = (char *) "dev",
                                                .label = (char *) "dev",
                                                .master = (char *) (mix (seed, 95) % 2 ? "local[*]" : "local[1]"),
                                                .input_root = (char *) "",
                                                .output_root = (char *) "",
                                                .working_dir = (char *) "" } };
}

static void note_plan (cast_world_t *world, ama_id_t run, const ama_plan_plan_t *plan)
{
    char text[AMA_ID_TEXT];
    ama_str_t actions = { 0 };

    for (size_t i = 0; i < plan->n_actions; i++) {
        const ama_plan_action_t *action = &plan->actions[i];
        ama_str_printf (&actions,
                        "%s{\"name\":\"%s\",\"attempts\":%u,\"error_action\":%lld,\"error_of\":%lld,\"depends\":[",
                        i ? "," : "", action->name, action->retry.attempts, (long long) action->error_action,
                        (long long) action->error_of);
        for (size_t k = 0; k < action->n_depends; k++)
            ama_str_printf (&actions, "%s%u", k ? "," : "", action->depends[k]);
        ama_str_puts (&actions, "]}");
    }
    cast_note (world, "plan", ",\"run\":\"%s\",\"fail_fast\":%s,\"actions\":[%s]", ama_id_text (run, text),
               plan->fail_fast ? "true" : "false", actions.data);
    ama_str_done (&actions);
}

static int on_plan (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    cast_part_t *self = state;
    const ama_plan_request_t *request = body;
    ama_waiter_t waiter = ama_waiter (envelope);
    ama_plan_reply_t reply = { .ok = true, .has_plan = true };
    uint64_t seed = 0;
    draft_t *draft;
    int rc;

    (void) err;
    for (size_t i = 0; i < sizeof request->key.b; i++)
        seed = seed * 31 + request->key.b[i];
    draft = ama_malloc (sizeof *draft);
    draft_plan (draft, &reply.plan, seed);
    note_plan (self->world, request->key, &reply.plan);
    rc = ama_reply (ctx, &waiter, AMA_MSG_PLAN_REPLY, &reply);
    free (draft);
    return rc;
}

/* ---- client ---- */

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
    char text[AMA_ID_TEXT];

    for (size_t i = 0; i < world->n_runs; i++) {
        cast_run_t *run = &world->runs[i];
        ama_run_submit_t submit = { .token = run->token,
                                    .repo = (char *) "/repo",
                                    .ref = (char *) "main",
                                    .env = (char *) "dev",
                                    .name = (char *) "" };
        ama_run_cancel_t cancel = { .run = run->id, .force = i % 2 };
        asked_of[i] = (asked_t){ self, i };
        if (self->busy[i])
            continue;
        /* also again for known ones: the same token is the same run */
        if (ama_id_is_zero (run->id) || cast_random (world) % 20 == 0)
            self->busy[i] =
                ama_ask (self->ctx, "supervisor", AMA_MSG_RUN_SUBMIT, &submit, 1000, 0, on_accepted, &asked_of[i]);
        else if (run->cancel_wanted && !run->cancelled && ama_now_ms (self->ctx) > run->cancel_at_ms) {
            cast_note (world, "cancel", ",\"run\":\"%s\"", ama_id_text (run->id, text));
            self->busy[i] =
                ama_ask (self->ctx, "supervisor", AMA_MSG_RUN_CANCEL, &cancel, 1000, 0, on_cancelled, &asked_of[i]);
        }
    }
    ama_timer_after (self->timer, 100);
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

CAST_PART (cast_planner, "planner", AMA_ROLE_PLANNER, { AMA_MSG_PLAN_REQUEST, on_plan });

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
