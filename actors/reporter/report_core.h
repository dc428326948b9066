/* report_core.h - the numbering of one run's events, without storing them
 *
 * Pure. Posts arrive at least once and from several sources; what comes out is one sequence.
 *
 * Invariants
 *  - seq rises by one for every kept event, whatever its level
 *  - an event is kept at most once: each source numbers its own from 1, and only the next number of a source is new
 *  - nothing is kept after run.ended, so that every reader's stream ends with it
 *  - what an agent says of an attempt comes behind its attempt.started (ama_report_core_may_tell), and before its attempt.ended: that waits for the
 *    events up to the number that it names, and what the run says next waits behind it. They may be lost with their agent, so that after
 *    AMA_REPORT_WAIT_MS without one of them a gap event says how many are missing. That time runs from when the end came, though others stand
 *    before it in the stream; a post that is parked tells as well as one that is kept that its agent lives
 *
 * If what was handed to `keep` can not be written, the core is thrown away and made again from what was.
 */
#ifndef AMA_REPORTER_CORE_H
#define AMA_REPORTER_CORE_H

#include "actors/base/ama_err.h"
#include "actors/reporter/report_line.h"
#include "messages/report.h"

typedef struct ama_report_core ama_report_core_t;

ama_report_core_t *ama_report_core_new (ama_id_t run);
void ama_report_core_destroy (ama_report_core_t **core);

/* A record read back from the store, in order. */
void ama_report_core_restore (ama_report_core_t *core, const ama_report_record_t *record);

/* The last record of a run that has ended, read back alone: the dedupe state is not needed any more. */
void ama_report_core_restore_ended (ama_report_core_t *core, const ama_report_record_t *record);

typedef void (ama_report_keep_fn) (const ama_report_record_t *record, void *arg);

/* Longer than a post of an agent may be under way in vain, its repetition included. */
#define AMA_REPORT_WAIT_MS 20000

/* Hands what is new of the post to keep, in order. Returns the number up to which the source's events are kept (or, after the end
 * of the run, dropped for good: *ret_late counts those). A post that starts behind a hole keeps nothing: the source sees from the
 * answer where to go on. What may not be told yet is parked, as below. now_ms: monotonic. */
uint64_t ama_report_core_post (ama_report_core_t *core, const ama_report_post_t *post, int64_t now_ms,
                               ama_report_keep_fn *keep, void *arg, size_t *ret_late);
/* An attempt.ended waits for events of its attempt. */
bool ama_report_core_waits (const ama_report_core_t *core);

/* Was the start of every attempt told that an agent's post speaks of, or is the run over? In one process the supervisor's word always comes
 * first; but when amad dies between a start and its report, the agent is back before the supervisor has said it again. */
bool ama_report_core_may_tell (const ama_report_core_t *core, const ama_report_post_t *post);
/* A post that may not be told yet is kept (a copy) until that start is told, and told right behind it, before anything that the supervisor says next:
 * the run may be over by the time it is repeated. Nobody is promised anything: it is to be posted again until acknowledged. False: more than a mebibyte would wait. */
bool ama_report_core_park (ama_report_core_t *core, const ama_report_post_t *post, int64_t now_ms);

/* The unnumbered members of a progress event. */
void ama_report_core_progress (const ama_report_core_t *core, const ama_report_event_t *event, ama_str_t *out);

uint64_t ama_report_core_seq (const ama_report_core_t *core);      /* of the last kept event, 0 for none */
uint64_t ama_report_core_artifact (const ama_report_core_t *core); /* seq of the last artifact event, 0 for none */
bool ama_report_core_accepted (
    const ama_report_core_t *core); /* run.accepted was kept: others than the run may speak */
bool ama_report_core_ended (const ama_report_core_t *core);
/* State and exit code of run.ended; "" and 0 before. Borrowed. */
const char *ama_report_core_state (const ama_report_core_t *core);
int64_t ama_report_core_exit (const ama_report_core_t *core);

#endif
