/* journal_replay.h - what fsck knows of each run of a journal; shared by journal_fsck.c and journal_salvage.c only */
#ifndef AMA_SUPERVISOR_JOURNAL_REPLAY_H
#define AMA_SUPERVISOR_JOURNAL_REPLAY_H

#include "actors/supervisor/journal_fsck.h"
#include "actors/supervisor/journal_scan.h"
#include "actors/supervisor/run_report.h"

#include <uthash.h>

typedef struct fsck_run {
    ama_id_t id;
    ama_run_core_t *core; /* NULL once it has ended; its summary is below */
    uint32_t copied;      /* events in the new journal */
    uint32_t seq;         /* the last event that is intact, with all before it */
    uint64_t last;        /* its number in the journal, or that of a later one */
    uint64_t first;       /* the number of its first one that is there */
    uint64_t told;        /* report events of these */
    bool lost;            /* something after seq */
    uint64_t lost_event;
    const char *why;
    bool ended;
    bool has_summary; /* it was submitted */
    ama_run_summary_t summary;
    bool removed; /* by retention; what is left of its events means nothing */
    bool has_row; /* of table run, with a right sum, or without sums */
    ama_run_summary_t row;
    UT_hash_handle hh;
} fsck_run_t;

typedef struct {
    ama_journal_t *journal;
    fsck_run_t *runs;
    uint64_t *lost; /* numbers of events that nobody can be found for */
    size_t n_lost;
    bool sums; /* the tables have sums */
    int version;
    uint64_t epoch;
    bool has_epoch;
    ama_fsck_report_t *report;
} fsck_t;

/* Reads everything; fills report. 0 or an error of reading at all. */
int fsck_read (fsck_t *fsck, const char *dir, ama_err_t *err);
void fsck_done (fsck_t *fsck);
fsck_run_t *fsck_run (fsck_t *fsck, ama_id_t id, bool make);
/* Folds one more event; what is told of it goes to add, or (NULL) is counted. 0, or AMA_E_DECODE, AMA_E_INTEGRITY. */
int fsck_fold (fsck_run_t *run, const ama_journal_event_t *event, ama_run_report_fn *add, void *arg, ama_err_t *err);
/* The statement for the good rows of a table, prepared with these columns; NULL: it can not be read. */
sqlite3_stmt *fsck_rows (const fsck_t *fsck, const char *table, const char *columns);

#endif
