/* journal_copy.c - makes a large journal of a small one: the events of one run are written again for many more; one JSON line
 *
 *     journal_copy DATA-DIR RUN COPIES
 *
 * amad must not run. Each copy is as far as the run is, with a summary; what was told of it is told already.
 */
#include "actors/supervisor/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_RUNS = 20, TURN = 3 };

typedef struct {
    ama_journal_event_t *events; /* bodies owned */
    size_t n;
} story_t;

static int remember (const ama_journal_event_t *event, void *arg, ama_err_t *err)
{
    story_t *story = arg;
    void *body = ama_malloc (event->size + 1);

    (void) err;
    memcpy (body, event->body, event->size);
    story->events = ama_realloc (story->events, (story->n + 1) * sizeof *story->events);
    story->events[story->n] = *event;
    story->events[story->n++].body = body;
    return 0;
}

static _Noreturn void give_up (const ama_err_t *err)
{
    (void) fprintf (stderr, "%s\n", err->text);
    exit (1);
}

static void next_id (ama_id_t *id)
{
    for (int i = (int) sizeof id->b - 1; i >= 0 && ++id->b[i] == 0; i--)
        ;
}

/* The runs take turns, three events each, as in a journal of runs that went on side by side. */
static void weave (ama_journal_batch_t *batch, const story_t *story, const ama_id_t *runs, size_t n)
{
    for (size_t from = 0; from < story->n; from += TURN)
        for (size_t i = 0; i < n; i++)
            for (size_t e = from; e < story->n && e < from + TURN; e++) {
                const ama_journal_event_t *event = &story->events[e];
                ama_journal_batch_event (batch, runs[i], event->seq, event->wall_ms, event->type, event->body,
                                         event->size);
            }
}

int main (int argc, char **argv)
{
    ama_journal_batch_t *batch = ama_journal_batch_new ();
    unsigned long copies = argc == 4 ? strtoul (argv[3], NULL, 10) : 0;
    ama_run_summary_t summary;
    story_t story = { 0 };
    ama_err_t err = { 0 };
    ama_journal_t *journal;
    ama_id_t run, copy, runs[BATCH_RUNS];
    size_t n = 0;

    if (!copies || ama_id_parse (argv[2], &run) < 0)
        return 2;
    journal = ama_journal_open (&(ama_journal_conf_t){ .dir = argv[1] }, &err);
    if (!journal || ama_journal_read_events (journal, run, remember, &story, &err) < 0
        || ama_journal_summary (journal, run, NULL, &summary, &err) < 0)
        give_up (&err);
    copy = ama_journal_last_run (journal);
    for (unsigned long i = 1; i <= copies; i++) {
        next_id (&copy);
        summary.run = copy;
        runs[n++] = copy;
        ama_journal_batch_summary (batch, &summary);
        if (n < BATCH_RUNS && i != copies)
            continue;
        weave (batch, &story, runs, n);
        n = 0;
        if (ama_journal_commit (journal, batch, &err) < 0)
            give_up (&err);
        ama_journal_batch_clear (batch);
    }
    (void) printf ("{\"runs\": %lu, \"events\": %" PRIu64 ", \"each\": %zu}\n", copies,
                   ama_journal_events_total (journal), story.n);
    for (size_t e = 0; e < story.n; e++)
        free ((void *) (uintptr_t) story.events[e].body);
    free (story.events);
    ama_run_summary_done (&summary);
    ama_journal_batch_destroy (&batch);
    ama_journal_close (&journal);
    return 0;
}
