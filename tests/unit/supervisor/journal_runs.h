/* journal_runs.h - a journal of real runs: stories of run_stage.c, their events woven into one another as an amad would write them
 *
 * Story r % RUNS_STORIES is that of run r. RUNS_OPEN of the stories do not end.
 */
#ifndef AMA_TESTS_JOURNAL_RUNS_H
#define AMA_TESTS_JOURNAL_RUNS_H

#include "actors/supervisor/journal.h"

#include <stddef.h>

enum { RUNS_STORIES = 6, RUNS_OPEN = 2 };

/* The first four events of each are a transaction each, then up to three are one.
 * Runs id_of (1) to id_of (n) with summaries, a token "key-r" each, and a report in the outbox for the last event of each. Returns the
 * number of events. */
uint64_t runs_write (ama_journal_t *journal, size_t n);
/* Events of one run. */
uint32_t runs_events (size_t story);
bool runs_ends (size_t story);
/* Events of a run that the journal has. */
uint32_t count_left (ama_journal_t *journal, ama_id_t run);
/* A digest of the events of all runs that have not ended. */
bool runs_digest_open (ama_journal_t *journal, ama_digest_t *ret_digest);
/* A digest of all that a reader can see: events, summaries, outbox, tokens of n runs. False: it can not be read. */
bool runs_digest (ama_journal_t *journal, size_t n, ama_digest_t *ret_digest);

#endif
