/* journal_runs.c - see the header */
#include "tests/unit/supervisor/journal_runs.h"

#include "messages/ama_message.h"
#include "messages/report.h"
#include "tests/unit/supervisor/journal_scene.h"
#include "tests/unit/supervisor/run_stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BEGIN "submit; activate; fetched; "

static const char *const stories[RUNS_STORIES] = {
    BEGIN "plan a,b; lease; running a; ok a; ok b", BEGIN "plan a*2!e,b; lease; fail a; fail a; ok e",
    BEGIN "plan a<,b<,c<a+b; lease; lease; ok b",   BEGIN "plan a,b,c,d; lease; fail a",
    BEGIN "plan a*3,b; lease; fail a; ok a",        BEGIN "plan a,b; lease; cancel; end a cancelled",
};

typedef struct {
    stage_t stage;
    ama_run_core_t *core;
    size_t at;
    ama_report_event_t *told; /* of the event before */
    size_t n_told;
    uint64_t number;
} told_run_t;

static void play (size_t story, stage_t *stage)
{
    stage_init (stage);
    stage_play (stage, stories[story % RUNS_STORIES]);
}

uint32_t runs_events (size_t story)
{
    stage_t stage;
    uint32_t n;

    play (story, &stage);
    n = (uint32_t) stage.n_events;
    stage_done (&stage);
    return n;
}

bool runs_ends (size_t story)
{
    stage_t stage;
    bool ends;

    play (story, &stage);
    ends = ama_run_core_ended (stage.run);
    stage_done (&stage);
    return ends;
}

static void add_told (const ama_report_event_t *event, void *arg)
{
    told_run_t *run = arg;

    run->told = ama_realloc (run->told, (run->n_told + 1) * sizeof *run->told);
    ama_report_event_copy (event, &run->told[run->n_told++]);
}

static void forget_told (told_run_t *run)
{
    for (size_t i = 0; i < run->n_told; i++)
        ama_report_event_done (&run->told[i]);
    free (run->told);
    run->told = NULL;
    run->n_told = 0;
}

static void post (ama_journal_batch_t *batch, ama_id_t id, told_run_t *run)
{
    ama_report_post_t body = {
        .run = id, .source = id, .first = run->number + 1, .events = run->told, .n_events = run->n_told
    };
    ama_str_t bytes = { 0 };

    if (!run->n_told)
        return;
    ama_report_post_encode (&body, &bytes);
    ama_journal_batch_post (batch, id, body.first, bytes.data, bytes.size);
    ama_str_done (&bytes);
    run->number += run->n_told;
}

/* The next event of a run. */
static void add_one (ama_journal_batch_t *batch, size_t r, told_run_t *run)
{
    const stage_event_t *event = &run->stage.events[run->at];
    const ama_message_info_t *info = ama_message_info (event->type);
    ama_id_t id = id_of (r + 1);
    ama_digest_t content = ama_digest_of (&r, sizeof r);
    ama_run_summary_t summary;
    char token[32];
    void *body = ama_calloc (1, info->size);

    assert_int_equal (info->decode (event->body.data, event->body.size, body, NULL), 0);
    assert_int_equal (ama_run_core_replay (run->core, event->type, body, event->now, NULL), 0);
    ama_journal_batch_posted (batch, id, run->number);
    ama_run_report (run->core, event->type, body, event->now, add_told, run);
    info->done (body);
    free (body);
    ama_journal_batch_event (batch, id, (uint32_t) ++run->at, event->now.wall_ms, event->type, event->body.data,
                             event->body.size);
    ama_run_core_summary (run->core, &summary);
    ama_journal_batch_summary (batch, &summary);
    post (batch, id, run);
    forget_told (run);
    if (run->at == 1) {
        (void) snprintf (token, sizeof token, "key-%zu", r + 1);
        ama_journal_batch_token (batch, token, &content, id);
    }
}

uint64_t runs_write (ama_journal_t *journal, size_t n)
{
    ama_journal_batch_t *batch = ama_journal_batch_new ();
    told_run_t *runs = ama_calloc (n, sizeof *runs);
    uint64_t written = 0, before = 1;

    for (size_t r = 0; r < n; r++) {
        play (r, &runs[r].stage);
        runs[r].core = ama_run_core_new (id_of (r + 1), &runs[r].stage.port);
    }
    while (before != written) {
        before = written;
        for (size_t r = 0; r < n; r++) {
            if (runs[r].at == runs[r].stage.n_events)
                continue;
            ama_journal_batch_clear (batch);
            do {
                add_one (batch, r, &runs[r]);
                written++;
            } while (runs[r].at > 4 && runs[r].at % 3 && runs[r].at < runs[r].stage.n_events);
            assert_int_equal (ama_journal_commit (journal, batch, NULL), 0);
        }
    }
    for (size_t r = 0; r < n; r++) {
        ama_run_core_destroy (&runs[r].core);
        stage_done (&runs[r].stage);
    }
    free (runs);
    ama_journal_batch_destroy (&batch);
    return written;
}

/* ---- what is there ---- */

static void add_number (ama_digest_state_t *state, uint64_t number)
{
    ama_digest_add (state, &number, sizeof number);
}

static void add_text (ama_digest_state_t *state, const char *text)
{
    ama_digest_add (state, text, strlen (text) + 1);
}

static int see_event (const ama_journal_event_t *event, void *arg, ama_err_t *err)
{
    (void) err;
    add_number (arg, event->seq);
    add_number (arg, (uint64_t) event->wall_ms);
    add_number (arg, event->type);
    ama_digest_add (arg, event->run.b, sizeof event->run.b);
    ama_digest_add (arg, event->body, event->size);
    return 0;
}

static int see_post (ama_id_t run, uint64_t first, const void *body, size_t size, void *arg, ama_err_t *err)
{
    (void) err;
    add_number (arg, first);
    ama_digest_add (arg, run.b, sizeof run.b);
    ama_digest_add (arg, body, size);
    return 0;
}

static void see_summary (ama_digest_state_t *state, ama_run_summary_t *run)
{
    ama_digest_add (state, run->run.b, sizeof run->run.b);
    add_text (state, run->job);
    add_text (state, run->env);
    add_text (state, run->commit);
    add_text (state, run->repo);
    add_number (state, (uint64_t) run->state);
    add_number (state, (uint64_t) run->accepted);
    add_number (state, (uint64_t) run->ended);
    add_number (state, (uint64_t) run->exit);
    add_number (state, run->dirty);
    ama_run_summary_done (run);
}

bool runs_digest (ama_journal_t *journal, size_t n, ama_digest_t *ret_digest)
{
    ama_digest_state_t state;
    ama_run_summary_t *list;
    size_t listed;
    bool fine = true;

    ama_digest_start (&state);
    for (size_t r = 1; r <= n && fine; r++) {
        char token[32];
        ama_digest_t content;
        ama_id_t run;
        (void) snprintf (token, sizeof token, "key-%zu", r);
        fine = ama_journal_read_events (journal, id_of (r), see_event, &state, NULL) == 0
               && ama_journal_token (journal, token, &content, &run, NULL) == 0;
        if (fine) {
            ama_digest_add (&state, content.b, sizeof content.b);
            ama_digest_add (&state, run.b, sizeof run.b);
        }
    }
    fine = fine && ama_journal_read_events (journal, (ama_id_t){ { 0 } }, see_event, &state, NULL) == 0
           && ama_journal_read_outbox (journal, see_post, &state, NULL) == 0
           && ama_journal_list (journal, 2 * n, (ama_id_t){ { 0 } }, NULL, &list, &listed, NULL) == 0;
    if (fine) {
        for (size_t i = 0; i < listed; i++)
            see_summary (&state, &list[i]);
        free (list);
    }
    *ret_digest = ama_digest_end (&state);
    return fine;
}

bool runs_digest_open (ama_journal_t *journal, ama_digest_t *ret_digest)
{
    ama_digest_state_t state;
    bool fine;

    ama_digest_start (&state);
    fine = ama_journal_read_events (journal, (ama_id_t){ { 0 } }, see_event, &state, NULL) == 0;
    *ret_digest = ama_digest_end (&state);
    return fine;
}

static int count_one (const ama_journal_event_t *event, void *arg, ama_err_t *err)
{
    (void) event, (void) err;
    ++*(uint32_t *) arg;
    return 0;
}

uint32_t count_left (ama_journal_t *journal, ama_id_t run)
{
    uint32_t n = 0;

    assert_int_equal (ama_journal_read_events (journal, run, count_one, &n, NULL), 0);
    return n;
}
