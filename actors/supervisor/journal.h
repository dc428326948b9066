/* journal.h - the supervisor's durable memory: one SQLite file, one writer
 *
 * <dir>/journal.db  tables: meta, event (append-only, with a hash chain over all events; each names the one before it in its run),
 *                   run (summaries, derived, and where a run that ended has its events), outbox (report events the reporter has not acknowledged), token (idempotency keys of submits), removed (runs that retention removed),
 *                   gap (numbers of their events, and the hash that the next one is chained to)
 * <dir>/journal.head  number and hash of the last event, written after each commit without sync: a journal that ends before
 *                   it has lost something, which SQLite alone would not notice
 * <dir>/lock        held with flock for as long as the journal is open
 *
 * WAL with synchronous=FULL: what ama_journal_commit says is kept survives power loss. All functions but open and close may be called
 * from a worker thread; one thread at a time.
 */
#ifndef AMA_SUPERVISOR_JOURNAL_H
#define AMA_SUPERVISOR_JOURNAL_H

#include "actors/base/ama_digest.h"
#include "actors/base/ama_err.h"
#include "actors/base/ama_id.h"
#include "messages/ama_types.h"
#include "messages/run.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct ama_journal ama_journal_t;
typedef struct ama_journal_batch ama_journal_batch_t;

typedef struct {
    const char *dir;    /* made if it is missing; NULL: in memory, nothing survives */
    uint64_t max_bytes; /* of the database; above it: AMA_E_NOSPACE. 0: as much as the disk has */
} ama_journal_conf_t;

/* Checks the file, verifies every event, raises the epoch. NULL and err: AMA_E_EXISTS (another process has it open),
 * AMA_E_INTEGRITY (damaged: the text names the event), AMA_E_UNSUPPORTED (of a newer release), AMA_E_NOSPACE, AMA_E_IO. */
ama_journal_t *ama_journal_open (const ama_journal_conf_t *conf, ama_err_t *err);
void ama_journal_close (ama_journal_t **journal);

/* Number of this start; rises by one at each open. */
uint64_t ama_journal_epoch (const ama_journal_t *journal);
/* The newest run's id, zero if there are none: later ids must be above it even if the clock went back. */
ama_id_t ama_journal_last_run (const ama_journal_t *journal);
uint64_t ama_journal_events_total (const ama_journal_t *journal);

/* ---- writing ---- */

ama_journal_batch_t *ama_journal_batch_new (void);
void ama_journal_batch_destroy (ama_journal_batch_t **batch);
void ama_journal_batch_clear (ama_journal_batch_t *batch);
bool ama_journal_batch_empty (const ama_journal_batch_t *batch);
/* Everything is copied. seq numbers the events of a run from 1. */
void ama_journal_batch_event (ama_journal_batch_t *batch, ama_id_t run, uint32_t seq, int64_t wall_ms, uint16_t type,
                              const void *body, size_t size);
void ama_journal_batch_summary (ama_journal_batch_t *batch, const ama_run_summary_t *summary);
/* An encoded report.post whose first event has number `first`. */
void ama_journal_batch_post (ama_journal_batch_t *batch, ama_id_t run, uint64_t first, const void *body, size_t size);
/* The reporter keeps all posts of the run that begin at or before `upto`. */
void ama_journal_batch_posted (ama_journal_batch_t *batch, ama_id_t run, uint64_t upto);
void ama_journal_batch_token (ama_journal_batch_t *batch, const char *token, const ama_digest_t *content, ama_id_t run);
/* Takes back all that was added for a run. */
void ama_journal_batch_drop (ama_journal_batch_t *batch, ama_id_t run);

/* One transaction. 0: durable. AMA_E_NOSPACE: nothing was written, try later. Anything else: it is not known whether it was
 * written; the process must end without a word to anybody. */
int ama_journal_commit (ama_journal_t *journal, const ama_journal_batch_t *batch, ama_err_t *err);

/* ---- retention: each call is one short transaction; errors as of a commit ---- */

typedef struct {
    uint64_t runs; /* that ended, the newest are kept; 0: all */
    int64_t ms;    /* since the end; 0: for ever */
} ama_journal_retention_t;

/* Marks at most `most` runs that ended, are beyond what is to be kept, and have nothing in the outbox: they are not shown any more. */
int ama_journal_retire (ama_journal_t *journal, const ama_journal_retention_t *keep, int64_t wall_ms, size_t most,
                        size_t *ret_n, ama_err_t *err);
/* A marked run that still has events, also of an earlier start. AMA_E_NOT_FOUND. */
int ama_journal_retired (ama_journal_t *journal, ama_id_t *ret_run, ama_err_t *err);
/* Removes its next events, at most `most`. Done: none are left, only that it was removed, and its token. */
int ama_journal_remove (ama_journal_t *journal, ama_id_t run, size_t most, bool *ret_done, ama_err_t *err);
/* Gives pages that are free back to the disk, at most so many. Done: there are none, and the log was written into the file. */
int ama_journal_shrink (ama_journal_t *journal, size_t most_pages, bool *ret_done, ama_err_t *err);

/* ---- reading ---- */

typedef struct {
    ama_id_t run;
    uint32_t seq;
    int64_t wall_ms;
    uint16_t type;
    const void *body; /* borrowed for the call */
    size_t size;
} ama_journal_event_t;

/* Return not 0 to stop; the value is returned by the reader. */
typedef int (ama_journal_event_fn) (const ama_journal_event_t *event, void *arg, ama_err_t *err);
typedef int (ama_journal_post_fn) (ama_id_t run, uint64_t first, const void *body, size_t size, void *arg,
                                   ama_err_t *err);

/* Events of one run, or (run zero) of all runs that have not ended, each run's in order. */
int ama_journal_read_events (ama_journal_t *journal, ama_id_t run, ama_journal_event_fn *fn, void *arg, ama_err_t *err);
int ama_journal_read_outbox (ama_journal_t *journal, ama_journal_post_fn *fn, void *arg, ama_err_t *err);
/* For all that follow: owner is the name of a key ("" for none), and of all runs only those submitted with it are there; NULL: all are. */

/* Newest first; before: only those submitted before that one, zero: all. ret_runs is owned by the caller (ama_run_summary_done each, free). */
int ama_journal_list (ama_journal_t *journal, size_t limit, ama_id_t before, const char *owner,
                      ama_run_summary_t **ret_runs, size_t *ret_n, ama_err_t *err);
/* AMA_E_NOT_FOUND; the text says so if it was removed, unless owner is given: whose it was is not known any more. */
int ama_journal_summary (ama_journal_t *journal, ama_id_t run, const char *owner, ama_run_summary_t *ret_summary,
                         ama_err_t *err);
/* An id, a unique prefix of one, @latest, @failed, @running. AMA_E_NOT_FOUND, or AMA_E_INVALID (ambiguous, malformed). */
int ama_journal_find (ama_journal_t *journal, const char *selector, const char *owner, ama_id_t *ret_run,
                      ama_err_t *err);
/* AMA_E_NOT_FOUND: never used. AMA_E_REPLAY: used for a run that was removed. */
int ama_journal_token (ama_journal_t *journal, const char *token, ama_digest_t *ret_content, ama_id_t *ret_run,
                       ama_err_t *err);

#endif
