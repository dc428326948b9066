/* ama_sim.c - many actors, one thread, no time: the runtime's deterministic twin
 *
 * Called by tests only. It is hub and links in one: names, roles, refusals and peer_gone are those of ama_hub.c, and every message
 * goes through the real codec. What happens next is the earliest of the deliveries in a heap and the timers of the actors; a tie
 * between the two is decided by the seed, as are delays, losses and duplicates.
 *
 * Lost or doubled are requests, tells and single answers. Parts of streams, their ends and their credit are not: a real link that
 * loses one of them has broken, and both sides hear of it; to try that, crash one side.
 */
#include "actors/runtime/ama_sim.h"

#include "actors/runtime/ama_sim_in.h"
#include "messages/ama_types.h"
#include "messages/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { DUMP_MAX = 400 };

/* ---- time and chance ---- */

static int64_t sim_mono_us (const ama_clock_t *clock)
{
    return ((const ama_sim_t *) clock)->now_ms * 1000;
}

static int64_t sim_wall_us (const ama_clock_t *clock)
{
    return (SIM_FIRST_WALL_MS + ((const ama_sim_t *) clock)->now_ms) * 1000;
}

/* splitmix64 */
uint64_t ama_sim_random (ama_sim_t *sim)
{
    uint64_t z = sim->random += 0x9e3779b97f4a7c15U;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

static bool chance (ama_sim_t *sim, double p)
{
    return p > 0 && (double) (ama_sim_random (sim) >> 11) / (double) (1ULL << 53) < p;
}

static int64_t random_delay (ama_sim_t *sim)
{
    return sim->conf.delay_ms > 0 ? (int64_t) (ama_sim_random (sim) % (uint64_t) (sim->conf.delay_ms + 1)) : 0;
}

/* ---- the heap of events ---- */

static bool earlier (const sim_event_t *a, const sim_event_t *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void swap (ama_sim_t *sim, size_t i, size_t j)
{
    sim_event_t *kept = sim->heap[i];

    sim->heap[i] = sim->heap[j];
    sim->heap[j] = kept;
}

void sim_push (ama_sim_t *sim, sim_event_t *event, int64_t at_ms)
{
    event->at_ms = at_ms;
    event->order = ++sim->order;
    if (sim->n_events == sim->room) {
        sim->room = sim->room ? sim->room * 2 : 64;
        sim->heap = ama_realloc (sim->heap, sim->room * sizeof (sim_event_t *));
    }
    sim->heap[sim->n_events++] = event;
    for (size_t i = sim->n_events - 1; i > 0 && earlier (sim->heap[i], sim->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap (sim, i, (i - 1) / 2);
}

static sim_event_t *pop (ama_sim_t *sim)
{
    sim_event_t *first = sim->heap[0];

    sim->heap[0] = sim->heap[--sim->n_events];
    for (size_t i = 0, child; (child = 2 * i + 1) < sim->n_events; i = child) {
        if (child + 1 < sim->n_events && earlier (sim->heap[child + 1], sim->heap[child]))
            child++;
        if (!earlier (sim->heap[child], sim->heap[i]))
            break;
        swap (sim, i, child);
    }
    return first;
}

void sim_free_event (sim_event_t *event)
{
    ama_str_done (&event->envelope);
    ama_str_done (&event->body);
    free (event);
}

/* ---- trace ---- */

static void trace (ama_sim_t *sim, const char *what, const ama_envelope_t *envelope, const ama_str_t *body)
{
    const ama_message_info_t *info = ama_message_info (envelope->type);
    ama_str_t line = { 0 };
    void *decoded;

    if (!sim->conf.trace)
        return;
    ama_str_printf (&line, "%lld %s %s>%s %s #%llu", (long long) sim->now_ms, what, envelope->src, envelope->dst,
                    info ? info->name : "?", (unsigned long long) envelope->id);
    if (envelope->corr)
        ama_str_printf (&line, " re #%llu%s", (unsigned long long) envelope->corr,
                        envelope->flags & AMA_FLAG_MORE ? " more" : "");
    decoded = info ? ama_calloc (1, info->size) : NULL;
    if (decoded && info->decode (body->data, body->size, decoded, NULL) == 0) {
        ama_str_t dump = { 0 };
        info->dump (decoded, &dump);
        ama_str_printf (&line, " %.*s", DUMP_MAX, dump.data ? dump.data : "");
        ama_str_done (&dump);
        info->done (decoded);
    }
    free (decoded);
    sim->conf.trace (line.data, sim->conf.arg);
    ama_str_done (&line);
}

void sim_trace_actor (ama_sim_t *sim, const char *what, const sim_actor_t *actor)
{
    char line[64 + AMA_NAME_MAX];

    if (!sim->conf.trace)
        return;
    (void) snprintf (line, sizeof line, "%lld %s %s", (long long) sim->now_ms, what, actor->name);
    sim->conf.trace (line, sim->conf.arg);
}

/* ---- actors ---- */

sim_actor_t *sim_find (ama_sim_t *sim, const char *name)
{
    sim_actor_t *actor;

    DL_FOREACH (sim->actors, actor)
    if (strcmp (actor->name, name) == 0)
        return actor;
    return NULL;
}

static int64_t *last_of_pair (ama_sim_t *sim, const sim_actor_t *src, sim_actor_t *dst)
{
    if (dst->n_last < sim->n_actors + 1) {
        dst->last_ms = ama_realloc (dst->last_ms, (sim->n_actors + 1) * sizeof *dst->last_ms);
        while (dst->n_last < sim->n_actors + 1)
            dst->last_ms[dst->n_last++] = 0;
    }
    return &dst->last_ms[src ? src->number + 1 : 0];
}

void sim_send_event (ama_sim_t *sim, sim_event_t *event)
{
    int64_t at_ms = sim->now_ms + random_delay (sim), *last_ms = last_of_pair (sim, event->src, event->dst);

    if (!sim->conf.reorder && at_ms < *last_ms)
        at_ms = *last_ms;
    *last_ms = at_ms > *last_ms ? at_ms : *last_ms;
    sim_push (sim, event, at_ms);
}

static void send_event (ama_sim_t *sim, sim_actor_t *src, sim_actor_t *dst, const ama_envelope_t *envelope,
                        const ama_str_t *body)
{
    sim_event_t *event = ama_calloc (1, sizeof *event);

    event->kind = SIM_DELIVER;
    event->src = src;
    event->dst = dst;
    event->dst_incarnation = dst->incarnation;
    ama_envelope_encode (envelope, &event->envelope);
    ama_str_add (&event->body, body->data, body->size);
    sim_send_event (sim, event);
}

static void send_own (ama_sim_t *sim, sim_actor_t *dst, uint16_t type, uint32_t flags, uint64_t corr, const void *body)
{
    ama_envelope_t envelope = { .type = type, .flags = flags, .src = "hub", .corr = corr, .role = AMA_ROLE_HUB };
    ama_str_t bytes = { 0 };

    envelope.id = ++sim->hub_id;
    envelope.epoch = SIM_EPOCH;
    (void) snprintf (envelope.dst, sizeof envelope.dst, "%s", dst->name);
    ama_message_info (type)->encode (body, &bytes);
    send_event (sim, NULL, dst, &envelope, &bytes);
    ama_str_done (&bytes);
}

void sim_tell_gone (ama_sim_t *sim, sim_actor_t *gone)
{
    ama_control_peer_gone_t body = { .name = gone->name };
    sim_actor_t *actor;

    gone->member = false;
    sim_trace_actor (sim, "gone", gone);
    DL_FOREACH (sim->actors, actor)
    if (actor->ctx && actor != gone) {
        /* after the last words of the one that is gone */
        int64_t *hub_last = last_of_pair (sim, NULL, actor), *last = last_of_pair (sim, gone, actor);
        if (*last > *hub_last && !sim->conf.reorder)
            *hub_last = *last;
        send_own (sim, actor, AMA_MSG_CONTROL_PEER_GONE, 0, 0, &body);
    }
}

static void end_actor (sim_actor_t *actor, bool killed)
{
    actor->ctx->killed = killed;
    ama_ctx_destroy (&actor->ctx);
    ama_loop_destroy (&actor->loop);
}

static void see_off_if_over (ama_sim_t *sim, sim_actor_t *actor)
{
    if (!actor->ctx || !actor->ctx->exiting)
        return;
    end_actor (actor, false);
    sim_tell_gone (sim, actor);
}

/* ---- the port ---- */

static void refuse (ama_sim_t *sim, sim_actor_t *src, const ama_envelope_t *envelope, int code, const char *what)
{
    char text[64 + AMA_NAME_MAX];
    ama_control_error_t body = { .code = code, .text = text };

    (void) snprintf (text, sizeof text, "%s %s", code == AMA_E_ROLE ? envelope->src : envelope->dst, what);
    if (envelope->flags & AMA_FLAG_REQUEST)
        send_own (sim, src, AMA_MSG_CONTROL_ERROR, AMA_FLAG_REPLY | AMA_FLAG_ERROR, envelope->id, &body);
}

static bool of_a_stream (const ama_envelope_t *envelope)
{
    return envelope->flags & AMA_FLAG_MORE || envelope->type == AMA_MSG_CONTROL_CREDIT
           || envelope->type == AMA_MSG_CONTROL_CANCEL;
}

/* The end of a stream is a reply of a type that ends streams. */
static bool ends_a_stream (const ama_envelope_t *envelope)
{
    size_t count;
    const ama_message_info_t *all = ama_message_all (&count);

    for (size_t i = 0; i < count; i++)
        if (envelope->flags & AMA_FLAG_REPLY && all[i].stream && all[i].reply == envelope->type)
            return true;
    return false;
}

static int sim_send (void *port, const ama_envelope_t *envelope, ama_str_t *body)
{
    sim_actor_t *src = port;
    ama_sim_t *sim = src->sim;
    const ama_message_info_t *info = ama_message_info (envelope->type);
    sim_actor_t *dst = sim_find (sim, envelope->dst);
    bool steady = of_a_stream (envelope) || ends_a_stream (envelope);

    if (!src->ctx || src->ctx->killed || src->parted)
        return AMA_E_UNREACHABLE;
    if (!(info->from_roles & 1u << src->ctx->role))
        refuse (sim, src, envelope, AMA_E_ROLE, "may not send this");
    else if (!dst || !dst->member)
        refuse (sim, src, envelope, AMA_E_UNREACHABLE, "is not there");
    else if (!steady && chance (sim, sim->conf.loss))
        trace (sim, "lost", envelope, body);
    else {
        send_event (sim, src, dst, envelope, body);
        if (!steady && !envelope->window && chance (sim, sim->conf.duplicate))
            send_event (sim, src, dst, envelope, body);
    }
    return 0;
}

static ama_id_t sim_new_id (void *port)
{
    ama_sim_t *sim = ((sim_actor_t *) port)->sim;
    uint64_t a = ama_sim_random (sim), b = ama_sim_random (sim);
    uint8_t bytes[10];

    memcpy (bytes, &a, 8);
    memcpy (bytes + 8, &b, 2);
    return ama_id_make (SIM_FIRST_WALL_MS + sim->now_ms, bytes);
}

static void *sim_zmq (void *port)
{
    (void) port;
    return NULL;
}

static int sim_program (void *port, ama_child_t *child, const void *input, size_t size)
{
    const sim_actor_t *actor = port;
    const ama_sim_conf_t *conf = &actor->sim->conf;

    return conf->program ? conf->program (child, actor->name, input, size, conf->arg) : AMA_E_UNSUPPORTED;
}

static int64_t sim_work_ms (void *port)
{
    ama_sim_t *sim = ((sim_actor_t *) port)->sim;

    return sim->conf.work_ms > 1 ? 1 + (int64_t) (ama_sim_random (sim) % (uint64_t) sim->conf.work_ms) : 1;
}

static const ama_port_ops_t sim_port = { sim_send, sim_new_id, sim_zmq, sim_program, sim_work_ms };

/* ---- for the test ---- */

ama_sim_t *ama_sim_new (const ama_sim_conf_t *conf)
{
    ama_sim_t *sim = ama_calloc (1, sizeof *sim);

    sim->clock = (ama_clock_t){ sim_mono_us, sim_wall_us };
    sim->conf = *conf;
    sim->random = conf->seed;
    return sim;
}

void ama_sim_destroy (ama_sim_t **sim_p)
{
    ama_sim_t *sim = *sim_p;
    sim_event_t *held, *next;

    if (!sim)
        return;
    *sim_p = NULL;
    while (sim->actors) {
        sim_actor_t *actor = sim->actors;
        sim->actors = actor->next;
        if (actor->ctx)
            end_actor (actor, true);
        free (actor->last_ms);
        free (actor);
    }
    while (sim->n_events)
        sim_free_event (pop (sim));
    DL_FOREACH_SAFE (sim->held, held, next)
    sim_free_event (held);
    free (sim->heap);
    free (sim);
}

void sim_join (ama_sim_t *sim, sim_actor_t *actor)
{
    sim_event_t *join = ama_calloc (1, sizeof *join);

    join->kind = SIM_JOIN;
    join->dst = actor;
    join->dst_incarnation = actor->incarnation;
    sim_push (sim, join, sim->now_ms);
}

int ama_sim_start (ama_sim_t *sim, const ama_actor_def_t *def, const char *name, const void *config, ama_err_t *err)
{
    sim_actor_t *actor = sim_find (sim, name ? name : def->name);
    int rc;

    if (actor && actor->ctx)
        return ama_err_set (err, AMA_E_ROLE, "%s: the name belongs to another", actor->name);
    if (!actor) {
        actor = ama_calloc (1, sizeof *actor);
        (void) snprintf (actor->name, sizeof actor->name, "%s", name ? name : def->name);
        actor->sim = sim;
        actor->number = sim->n_actors++;
        DL_APPEND (sim->actors, actor);
    }
    if (actor->member) /* crashed, and nobody has noticed: its successor tells */
        sim_tell_gone (sim, actor);
    actor->incarnation++;
    actor->loop = ama_loop_new (&sim->clock, true);
    actor->ctx = ama_ctx_new (def, actor->name, actor->loop, &sim_port, actor);
    actor->ctx->epoch = SIM_EPOCH;
    actor->parted = actor->severed = actor->off != 0;
    actor->member = !actor->off;
    sim_trace_actor (sim, "start", actor);
    rc = def->init ? def->init (actor->ctx, actor->ctx->state, config, err) : 0;
    if (rc < 0) {
        end_actor (actor, false);
        sim_tell_gone (sim, actor);
        return rc;
    }
    if (!actor->off)
        sim_join (sim, actor);
    return 0;
}

void ama_sim_crash (ama_sim_t *sim, const char *name, int64_t detect_ms)
{
    sim_actor_t *actor = sim_find (sim, name);
    sim_event_t *notice;
    int64_t cut_ms;

    if (!actor || !actor->ctx)
        return;
    sim_trace_actor (sim, "crash", actor);
    end_actor (actor, true);
    cut_ms = sim->now_ms + random_delay (sim);
    for (size_t i = 0; i < sim->n_events; i++)
        if (sim->heap[i]->src == actor && sim->heap[i]->at_ms > cut_ms)
            sim->heap[i]->dropped = true;
    sim_drop_held (sim, actor, 0);
    actor->severed = true;
    notice = ama_calloc (1, sizeof *notice);
    notice->kind = SIM_NOTICE;
    notice->dst = actor;
    notice->dst_incarnation = actor->incarnation;
    sim_push (sim, notice, sim->now_ms + (detect_ms > 0 ? detect_ms : 0));
}

uint64_t ama_sim_said (const ama_sim_t *sim)
{
    return sim->order;
}

void ama_sim_unsay (ama_sim_t *sim, const char *name, uint64_t since)
{
    const sim_actor_t *actor = sim_find (sim, name);

    for (size_t i = 0; actor && i < sim->n_events; i++)
        if (sim->heap[i]->src == actor && sim->heap[i]->order > since)
            sim->heap[i]->dropped = true;
    if (actor)
        sim_drop_held (sim, actor, since);
}

void ama_sim_set_faults (ama_sim_t *sim, double loss, double duplicate)
{
    sim->conf.loss = loss;
    sim->conf.duplicate = duplicate;
}

int64_t ama_sim_now_ms (const ama_sim_t *sim)
{
    return sim->now_ms;
}

uint64_t ama_sim_delivered (const ama_sim_t *sim)
{
    return sim->delivered;
}

void *ama_sim_state (ama_sim_t *sim, const char *name)
{
    sim_actor_t *actor = sim_find (sim, name);

    return actor && actor->ctx ? actor->ctx->state : NULL;
}

/* ---- steps ---- */

static void deliver (ama_sim_t *sim, sim_event_t *event)
{
    sim_actor_t *dst = event->dst;
    ama_envelope_t envelope;

    BUG_ON (ama_envelope_decode (event->envelope.data, event->envelope.size, &envelope, NULL) < 0);
    if (!dst->ctx || dst->incarnation != event->dst_incarnation || event->dropped) {
        trace (sim, "cut", &envelope, &event->body);
        return;
    }
    trace (sim, "got", &envelope, &event->body);
    sim->delivered++;
    ama_ctx_deliver (dst->ctx, &envelope, event->body.data, event->body.size);
}

/* Returns the actor that was called back, or NULL. */
static sim_actor_t *step_event (ama_sim_t *sim)
{
    sim_event_t *event = pop (sim);
    sim_actor_t *actor = event->dst;
    bool same = actor->incarnation == event->dst_incarnation;

    sim->now_ms = event->at_ms > sim->now_ms ? event->at_ms : sim->now_ms;
    if (event->kind == SIM_DELIVER && sim_holds (sim, event))
        return actor;
    if (event->kind == SIM_DELIVER)
        deliver (sim, event);
    else if (event->kind == SIM_JOIN && same && actor->ctx) {
        actor->parted = false;
        ama_ctx_joined (actor->ctx, SIM_EPOCH);
    }
    else if (event->kind == SIM_NOTICE_HUB || event->kind == SIM_NOTICE_OWN)
        sim_notice_cut (sim, event);
    else if (event->kind == SIM_NOTICE && same && actor->member && !actor->ctx)
        sim_tell_gone (sim, actor);
    sim_free_event (event);
    return actor;
}

static sim_actor_t *earliest_timer (ama_sim_t *sim, int64_t *ret_at_ms)
{
    sim_actor_t *actor, *found = NULL;

    *ret_at_ms = INT64_MAX;
    DL_FOREACH (sim->actors, actor)
    {
        int64_t at_ms = actor->ctx ? ama_loop_next_ms (actor->loop) : INT64_MAX;
        if (at_ms < *ret_at_ms) {
            *ret_at_ms = at_ms;
            found = actor;
        }
    }
    return found;
}

static void end_step (ama_sim_t *sim, sim_actor_t *actor)
{
    if (!actor->ctx)
        return;
    ama_loop_run_deferred (actor->loop);
    see_off_if_over (sim, actor);
}

/* Calls put off in init, or by other such calls. */
static bool step_deferred (ama_sim_t *sim)
{
    sim_actor_t *actor;

    DL_FOREACH (sim->actors, actor)
    if (actor->ctx && ama_loop_has_deferred (actor->loop)) {
        end_step (sim, actor);
        return true;
    }
    return false;
}

static bool step (ama_sim_t *sim, int64_t until_ms)
{
    int64_t timer_ms, event_ms = sim->n_events ? sim->heap[0]->at_ms : INT64_MAX;
    sim_actor_t *actor = earliest_timer (sim, &timer_ms);

    if (step_deferred (sim))
        return true;
    if (timer_ms < sim->now_ms)
        timer_ms = sim->now_ms;
    if ((timer_ms >= until_ms || !actor) && event_ms >= until_ms)
        return false;
    if (event_ms < timer_ms || !actor || (event_ms == timer_ms && ama_sim_random (sim) & 1))
        actor = step_event (sim);
    else {
        sim->now_ms = timer_ms;
        ama_loop_fire_one (actor->loop);
    }
    end_step (sim, actor);
    return true;
}

uint64_t ama_sim_run (ama_sim_t *sim, int64_t until_ms, uint64_t steps)
{
    uint64_t made = 0;

    while (made < steps && step (sim, until_ms))
        made++;
    if (made < steps && until_ms != INT64_MAX && until_ms > sim->now_ms)
        sim->now_ms = until_ms;
    return made;
}
