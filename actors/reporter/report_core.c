/* report_core.c - numbers the events of one run. Called by the reporter's shell on its thread; pure. */
#include "actors/reporter/report_core.h"

#include "actors/reporter/report_json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

enum { JOB_MAX = 255 };

typedef struct {
    ama_id_t id;
    uint64_t upto;
    uint64_t wanted;  /* that an attempt.ended waits for, 0 for none */
    int64_t since_ms; /* while it is wanted: when that end came, or a post of the source after it */
    bool due;         /* that end is the run's next event: only what is kept counts as a post */
    UT_hash_handle hh;
} source_t;

/* An attempt whose start was told. */
typedef struct {
    UT_hash_handle hh;
    char key[]; /* ACTION/NO */
} begun_t;

/* A post that came before the start of its attempt, or one of the run that waits for events of an attempt. */
typedef struct parked {
    struct parked *prev, *next;
    ama_id_t source;
    uint64_t first;
    int64_t came_ms;
    ama_str_t bytes; /* of the post, encoded */
} parked_t;

enum { PARKED_BYTES = 1 << 20 };

struct ama_report_core {
    ama_id_t run;
    uint64_t seq;      /* last event */
    uint64_t prev;     /* last event of level execution */
    uint64_t artifact; /* last artifact event */
    char *job;
    char *env;
    bool accepted, ended; /* run.accepted, run.ended were kept */
    char *state;
    int64_t exit;
    source_t *sources;
    begun_t *begun;
    parked_t *parked; /* in the order of their coming */
    size_t parked_bytes;
    bool waits; /* the run's next event is an attempt.ended that is not to be kept yet */
};

ama_report_core_t *ama_report_core_new (ama_id_t run)
{
    ama_report_core_t *core = ama_calloc (1, sizeof *core);

    core->run = run;
    core->job = ama_strdup ("");
    core->env = ama_strdup ("");
    core->state = ama_strdup ("");
    return core;
}

static void forget_begun (ama_report_core_t *core)
{
    begun_t *begun, *next;

    HASH_ITER (hh, core->begun, begun, next)
    {
        /* uthash: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        HASH_DEL (core->begun, begun);
        free (begun);
    }
}

static void free_parked (parked_t *parked)
{
    ama_str_done (&parked->bytes);
    free (parked);
}

static parked_t *take_parked (ama_report_core_t *core)
{
    parked_t *all = core->parked;

    core->parked = NULL;
    core->parked_bytes = 0;
    return all;
}

void ama_report_core_destroy (ama_report_core_t **core)
{
    parked_t *parked, *next_parked;
    source_t *source, *next;

    if (!*core)
        return;
    HASH_ITER (hh, (*core)->sources, source, next)
    {
        /* uthash: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        HASH_DEL ((*core)->sources, source);
        free (source);
    }
    parked = take_parked (*core);
    DL_FOREACH_SAFE (parked, parked, next_parked)
    free_parked (parked);
    forget_begun (*core);
    free ((*core)->job);
    free ((*core)->env);
    free ((*core)->state);
    free (*core);
    *core = NULL;
}

static source_t *source_of (ama_report_core_t *core, ama_id_t id)
{
    source_t *source;

    HASH_FIND (hh, core->sources, &id, sizeof id, source);
    if (!source) {
        source = ama_calloc (1, sizeof *source);
        source->id = id;
        HASH_ADD (hh, core->sources, id, sizeof source->id, source);
    }
    return source;
}

static void begun_key (const char *action, uint32_t attempt, ama_str_t *out)
{
    ama_str_printf (out, "%s/%" PRIu32, action ? action : "", attempt);
}

static begun_t *find_begun (const ama_report_core_t *core, const ama_str_t *key)
{
    begun_t *begun;

    HASH_FIND (hh, core->begun, key->data, key->size, begun);
    return begun;
}

static void begin (ama_report_core_t *core, const char *action, uint32_t attempt)
{
    ama_str_t key = { 0 };

    begun_key (action, attempt, &key);
    if (!find_begun (core, &key)) {
        begun_t *begun = ama_calloc (1, sizeof *begun + key.size);
        memcpy (begun->key, key.data, key.size);
        HASH_ADD_KEYPTR (hh, core->begun, begun->key, key.size, begun);
    }
    ama_str_done (&key);
}

static void replace (char **text, const char *by)
{
    if (strcmp (*text, by) == 0)
        return;
    free (*text);
    *text = ama_strdup (by);
}

static void count (ama_report_core_t *core, const ama_report_record_t *record)
{
    core->seq = record->seq;
    if (!record->code)
        core->prev = record->seq;
    if (record->type == AMA_EVENT_TYPE_ARTIFACT)
        core->artifact = record->seq;
    core->accepted |= record->type == AMA_EVENT_TYPE_RUN_ACCEPTED;
}

/* ---- reading back ---- */

static void remember_tail (ama_report_core_t *core, const ama_report_record_t *record)
{
    ama_report_tail_t tail;

    if (!ama_report_json_tail (record->json, record->json_size, &tail))
        return;
    replace (&core->job, tail.job);
    replace (&core->env, tail.env);
    if (record->type == AMA_EVENT_TYPE_RUN_ENDED) {
        core->ended = true;
        replace (&core->state, tail.state);
        core->exit = tail.exit;
        forget_begun (core);
    }
    if (record->type == AMA_EVENT_TYPE_ATTEMPT_STARTED)
        begin (core, tail.action, tail.attempt);
    ama_report_tail_done (&tail);
}

void ama_report_core_restore (ama_report_core_t *core, const ama_report_record_t *record)
{
    count (core, record);
    source_of (core, record->source)->upto = record->no;
    /* the supervisor's events bring the names; they are few, the agents' many */
    if (!record->code)
        remember_tail (core, record);
}

void ama_report_core_restore_ended (ama_report_core_t *core, const ama_report_record_t *record)
{
    core->prev = record->prev;
    core->artifact = record->artifact;
    count (core, record);
    remember_tail (core, record);
}

/* ---- posts ---- */

/* Until a plan says what the job is called, it goes by the last part of its repository's name. */
static void name_by_repo (ama_report_core_t *core, const char *repo)
{
    size_t size = strlen (repo), start;
    char *name;

    while (size && repo[size - 1] == '/')
        size--;
    for (start = size; start && repo[start - 1] != '/' && repo[start - 1] != ':'; start--)
        continue;
    if (size - start > 4 && memcmp (repo + size - 4, ".git", 4) == 0)
        size -= 4;
    name = ama_strndup (repo + start, size - start < JOB_MAX ? size - start : JOB_MAX);
    replace (&core->job, name);
    free (name);
}

static void keep_event (ama_report_core_t *core, source_t *source, const ama_report_event_t *event,
                        ama_report_keep_fn *keep, void *arg)
{
    ama_str_t json = { 0 };
    ama_report_record_t record = {
        .seq = core->seq + 1,
        .prev = core->prev,
        .artifact = core->artifact,
        .code = ama_report_is_code (event->type),
        .type = event->type,
        .source = source->id,
        .no = source->upto + 1,
    };

    if (event->job && *event->job)
        replace (&core->job, event->job);
    if (event->env && *event->env)
        replace (&core->env, event->env);
    if (!*core->job && event->repo)
        name_by_repo (core, event->repo);
    ama_report_json (core->run, core->job, core->env, event, &json);
    record.json = json.data;
    record.json_size = json.size;
    keep (&record, arg);
    ama_str_done (&json);

    source->upto++;
    count (core, &record);
    if (event->type == AMA_EVENT_TYPE_RUN_ENDED) {
        core->ended = true;
        replace (&core->state, event->state ? event->state : "");
        core->exit = event->exit;
        forget_begun (core);
    }
    if (event->type == AMA_EVENT_TYPE_ATTEMPT_STARTED)
        begin (core, event->action, event->attempt);
}

static bool is_same_attempt (const ama_report_event_t *a, const ama_report_event_t *b)
{
    return a->attempt == b->attempt && strcmp (a->action ? a->action : "", b->action ? b->action : "") == 0;
}

/* Most posts are of one attempt, so that only a change of it is looked up. */
bool ama_report_core_may_tell (const ama_report_core_t *core, const ama_report_post_t *post)
{
    const ama_report_event_t *last = NULL;
    bool may = true;

    for (size_t i = 0; may && !core->ended && i < post->n_events; i++) {
        const ama_report_event_t *event = &post->events[i];
        ama_str_t key = { 0 };
        if (!event->has_attempt || (last && is_same_attempt (last, event)))
            continue;
        begun_key (event->action, event->attempt, &key);
        may = find_begun (core, &key) != NULL;
        ama_str_done (&key);
        last = event;
    }
    return may;
}

static void add_parked (ama_report_core_t *core, parked_t *parked)
{
    DL_APPEND (core->parked, parked);
    core->parked_bytes += parked->bytes.size;
}

/* Its source lives. */
static void hear (source_t *source, int64_t when_ms)
{
    if (source->wanted && when_ms > source->since_ms)
        source->since_ms = when_ms;
}

bool ama_report_core_park (ama_report_core_t *core, const ama_report_post_t *post, int64_t now_ms)
{
    source_t *source;
    parked_t *parked;

    HASH_FIND (hh, core->sources, &post->source, sizeof post->source, source);
    if (source && !source->due)
        hear (source, now_ms);
    DL_FOREACH (core->parked, parked)
    if (ama_id_equal (parked->source, post->source) && parked->first == post->first) {
        parked->came_ms = now_ms;
        return true;
    }
    parked = ama_calloc (1, sizeof *parked);
    parked->source = post->source;
    parked->first = post->first;
    parked->came_ms = now_ms;
    ama_report_post_encode (post, &parked->bytes);
    if (core->parked_bytes + parked->bytes.size > PARKED_BYTES) {
        free_parked (parked);
        return false;
    }
    add_parked (core, parked);
    return true;
}

static uint64_t tell_post (ama_report_core_t *core, const ama_report_post_t *post, int64_t came_ms, int64_t now_ms,
                           ama_report_keep_fn *keep, void *arg, size_t *ret_late);

static void tell_one (ama_report_core_t *core, parked_t *parked, int64_t now_ms, ama_report_keep_fn *keep, void *arg)
{
    ama_report_post_t post;
    size_t late;

    if (ama_report_post_decode (parked->bytes.data, parked->bytes.size, &post, NULL) < 0) {
        free_parked (parked); /* it comes again */
        return;
    }
    if (ama_id_equal (post.source, core->run) || ama_report_core_may_tell (core, &post)) {
        (void) tell_post (core, &post, parked->came_ms, now_ms, keep, arg, &late);
        free_parked (parked);
    }
    else
        add_parked (core, parked);
    ama_report_post_done (&post);
}

/* What still may not be told stays parked. The agents' word is first: the run's may be the end of what they speak of. */
static void tell_parked (ama_report_core_t *core, int64_t now_ms, ama_report_keep_fn *keep, void *arg)
{
    parked_t *of_run = NULL, *parked, *next;

    for (parked = take_parked (core); parked; parked = next) {
        next = parked->next;
        if (ama_id_equal (parked->source, core->run))
            DL_APPEND (of_run, parked);
        else
            tell_one (core, parked, now_ms, keep, arg);
    }
    for (parked = of_run; parked; parked = next) {
        next = parked->next;
        tell_one (core, parked, now_ms, keep, arg);
    }
}

/* ---- the end of an attempt comes behind its events ---- */

static uint64_t last_of (const ama_report_event_t *ended)
{
    return ended->events < INT64_MAX ? ended->events : INT64_MAX;
}

static bool names_last (const ama_report_core_t *core, const ama_report_event_t *event)
{
    return event->type == AMA_EVENT_TYPE_ATTEMPT_ENDED && event->has_source && event->has_events
           && !ama_id_equal (event->source, core->run);
}

static void want (source_t *of, const ama_report_event_t *ended, int64_t now_ms)
{
    if (of->wanted || of->upto >= last_of (ended))
        return;
    of->wanted = last_of (ended);
    of->since_ms = now_ms;
}

/* The time runs for all that have come, whatever they come behind: a chain of attempts whose agent died with their last events waits once. */
static void want_events (ama_report_core_t *core, const ama_report_post_t *post, int64_t now_ms)
{
    for (size_t i = 0; i < post->n_events; i++) {
        const ama_report_event_t *event = &post->events[i];
        if (names_last (core, event))
            want (source_of (core, event->source), event, now_ms);
    }
}

/* It will be the attempt's last number: whatever is missing and comes after all is taken for a repetition. */
static void keep_gap (ama_report_core_t *core, source_t *of, const ama_report_event_t *ended, ama_report_keep_fn *keep,
                      void *arg)
{
    const ama_report_event_t gap = { .type = AMA_EVENT_TYPE_GAP,
                                     .ts = ended->ts,
                                     .action = ended->action,
                                     .has_attempt = ended->has_attempt,
                                     .attempt = ended->attempt,
                                     .has_events = true,
                                     .events = last_of (ended) - of->upto };

    of->upto = last_of (ended) - 1;
    keep_event (core, of, &gap, keep, arg);
}

/* May this attempt.ended be kept, perhaps behind a gap that is kept here? */
static bool may_end (ama_report_core_t *core, const ama_report_event_t *ended, int64_t now_ms, ama_report_keep_fn *keep,
                     void *arg)
{
    source_t *of = source_of (core, ended->source);

    want (of, ended, now_ms);
    of->due = true;
    if (of->upto < last_of (ended)) {
        if (!ended->events_gone && now_ms - of->since_ms < AMA_REPORT_WAIT_MS)
            return false;
        keep_gap (core, of, ended, keep, arg);
    }
    of->wanted = 0;
    return true;
}

static bool keep_next (ama_report_core_t *core, source_t *source, const ama_report_event_t *event, int64_t now_ms,
                       ama_report_keep_fn *keep, void *arg)
{
    if (ama_id_equal (source->id, core->run)) {
        core->waits = names_last (core, event) && !may_end (core, event, now_ms, keep, arg);
        if (core->waits)
            return false;
    }
    keep_event (core, source, event, keep, arg);
    return true;
}

/* Parks what waits, or tells what has waited. */
static void settle (ama_report_core_t *core, source_t *source, const ama_report_post_t *post, bool waited,
                    int64_t now_ms, ama_report_keep_fn *keep, void *arg)
{
    if (source->wanted && source->upto >= source->wanted) {
        source->wanted = 0;
        tell_parked (core, now_ms, keep, arg);
    }
    if (!ama_id_equal (source->id, core->run))
        return;
    if (core->waits && source->upto < post->first + post->n_events - 1)
        (void) ama_report_core_park (core, post, now_ms);
    else if (waited && !core->waits)
        tell_parked (core, now_ms, keep, arg);
}

static uint64_t tell_post (ama_report_core_t *core, const ama_report_post_t *post, int64_t came_ms, int64_t now_ms,
                           ama_report_keep_fn *keep, void *arg, size_t *ret_late)
{
    bool waited = core->waits;
    source_t *source;
    uint64_t before;

    *ret_late = 0;
    if (core->ended && !core->sources) /* read back without its sources: nothing can be new */
        return post->n_events ? post->first + post->n_events - 1 : 0;
    source = source_of (core, post->source);
    before = source->upto;
    if (ama_id_equal (source->id, core->run))
        want_events (core, post, now_ms);
    for (size_t i = 0; i < post->n_events; i++) {
        if (post->first + i != source->upto + 1)
            continue;
        if (core->ended) {
            source->upto++;
            ++*ret_late;
        }
        else if (!keep_next (core, source, &post->events[i], now_ms, keep, arg))
            break;
        if (core->parked && post->events[i].type == AMA_EVENT_TYPE_ATTEMPT_STARTED)
            tell_parked (core, now_ms, keep, arg);
    }
    if (source->upto > before)
        hear (source, came_ms);
    settle (core, source, post, waited, now_ms, keep, arg);
    return source->upto;
}

uint64_t ama_report_core_post (ama_report_core_t *core, const ama_report_post_t *post, int64_t now_ms,
                               ama_report_keep_fn *keep, void *arg, size_t *ret_late)
{
    return tell_post (core, post, now_ms, now_ms, keep, arg, ret_late);
}

void ama_report_core_progress (const ama_report_core_t *core, const ama_report_event_t *event, ama_str_t *out)
{
    ama_report_event_t progress = *event;

    progress.type = AMA_EVENT_TYPE_PROGRESS;
    ama_report_json (core->run, core->job, core->env, &progress, out);
}

/* ---- what it knows ---- */

uint64_t ama_report_core_seq (const ama_report_core_t *core)
{
    return core->seq;
}

uint64_t ama_report_core_artifact (const ama_report_core_t *core)
{
    return core->artifact;
}

bool ama_report_core_accepted (const ama_report_core_t *core)
{
    return core->accepted || core->ended;
}

bool ama_report_core_waits (const ama_report_core_t *core)
{
    return core->waits;
}

bool ama_report_core_ended (const ama_report_core_t *core)
{
    return core->ended;
}

const char *ama_report_core_state (const ama_report_core_t *core)
{
    return core->state;
}

int64_t ama_report_core_exit (const ama_report_core_t *core)
{
    return core->exit;
}
