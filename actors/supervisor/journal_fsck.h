/* journal_fsck.h - is a journal whole, and if not, what can be saved of it
 *
 * The check changes nothing: not the epoch, not a byte, and makes no file. It looks at what ama_journal_open looks at and at more: it goes on after
 * the first problem, folds the events of every run and compares the outcome with its summary, decodes the outbox, and follows the tokens.
 *
 * Whose event is lost?  The next event of its run names it, or the row of the run, if it was its last one. If these are silent, too, it may
 * have been the next one of any run that is open behind it: all of these have lost something.
 *
 * Salvage makes a new journal with the events of each run up to the first one that it lost. A run that lost something is closed by an event
 * of its own: as it had ended, if its summary is whole and says so, else as errored, with the cause "journal damaged". It is never
 * continued: nobody knows any more which of its actions are done. A run of which nothing is left but a summary or a token keeps these,
 * closed likewise, so that the token does not start the job a second time. What retention removed stays removed.
 */
#ifndef AMA_SUPERVISOR_JOURNAL_FSCK_H
#define AMA_SUPERVISOR_JOURNAL_FSCK_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_id.h"
#include "actors/base/ama_str.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    const char *kind; /* database, event, head, replay, summary, outbox, token, meta, removed, gap, link */
    uint64_t event;   /* number in the journal, 0 for none */
    ama_id_t run;     /* zero for none */
    uint32_t seq;     /* number within the run, 0 for none */
    char *text;
} ama_fsck_problem_t;

/* A run that lost something. */
typedef struct {
    ama_id_t run;
    uint32_t kept;  /* events from its first on */
    uint64_t event; /* where it was noticed, 0: it left no event */
    const char *why;
    char *state; /* how salvage closes it; NULL after a mere check */
} ama_fsck_loss_t;

enum { AMA_FSCK_PROBLEMS = 10000 }; /* told one by one; the others are counted */

typedef struct {
    uint64_t events; /* intact ones */
    uint64_t runs;
    uint64_t open;    /* runs that have not ended */
    uint64_t removed; /* runs that retention removed; not among those above */
    uint64_t posts;
    uint64_t tokens;
    int64_t ms;
    ama_fsck_problem_t *problems;
    size_t n_problems;
    uint64_t more; /* problems that are only counted */
    ama_fsck_loss_t *losses;
    size_t n_losses;
    /* of a salvage */
    uint64_t kept_events;
    uint64_t lost_tokens;
    uint64_t lost_posts;
    char *damaged; /* what the old file is called now */
    char *list;    /* the list of what is missing, without .txt and .json */
} ama_fsck_report_t;

/* 0: checked, whatever was found. AMA_E_EXISTS: an amad has it open; AMA_E_NOT_FOUND, AMA_E_UNSUPPORTED, AMA_E_IO. */
int ama_fsck_check (const char *dir, ama_fsck_report_t *ret_report, ama_err_t *err);
/* Checks, and puts a journal of what is left in the place of a damaged one; does nothing to one that is whole. Also finishes a salvage that was
 * interrupted. AMA_E_INTEGRITY: nothing can be read of it. Others as above, and AMA_E_NOSPACE; then the old one is in its place. */
int ama_fsck_salvage (const char *dir, ama_fsck_report_t *ret_report, ama_err_t *err);
void ama_fsck_report_done (ama_fsck_report_t *report);

/* For people; as {"ok", "events", ..., "problems": [...]}. */
void ama_fsck_text (const ama_fsck_report_t *report, ama_str_t *out);
void ama_fsck_json (const ama_fsck_report_t *report, ama_str_t *out);

#endif
