/* report_runs.h - the runs that the reporter has at hand, and the people who follow them (internal to actors/reporter) */
#ifndef AMA_REPORTER_RUNS_H
#define AMA_REPORTER_RUNS_H

#include "actors/reporter/report_core.h"
#include "actors/reporter/report_store.h"
#include "actors/runtime/ama_actor.h"

#include <uthash.h>

#define AMA_REPORT_RUNS_MAX      1024 /* runs in memory beyond those that are followed, not yet synced, or wait */
#define AMA_REPORT_FOLLOWERS_MAX 1000

typedef struct ama_reports ama_reports_t;
typedef struct ama_report_follower ama_report_follower_t;
typedef struct ama_report_read ama_report_read_t;

/* What was read last, so that those who follow at about the same place share it. */
#define AMA_REPORT_READS 4

typedef struct ama_report_run {
    ama_id_t id;
    ama_reports_t *reports;
    ama_report_core_t *core; /* NULL: to be read (again) from the file */
    ama_report_file_t *file;
    ama_report_follower_t *followers;
    char *progress; /* JSON of what was told last, while no event came after it; or NULL */
    bool unsynced;  /* written since the last sync was started */
    bool named;     /* its file's name is on the disk, or on its way there */
    UT_hash_handle hh;
} ama_report_run_t;

struct ama_reports {
    ama_ctx_t *ctx;
    ama_report_store_t *store;
    bool read_only;
    bool closing;           /* the link is gone */
    ama_report_run_t *runs; /* used last at the end */
    unsigned n_runs, n_followers;
    ama_timer_t *idle;                          /* while somebody follows: a sign of life now and then */
    ama_timer_t *more;                          /* some follower has more to read than fits into one turn */
    ama_report_read_t *reads[AMA_REPORT_READS]; /* the newest first; NULL: none yet */
};

/* What was told as progress is no longer so. */
void ama_report_run_moved_on (ama_report_run_t *run);
/* The run, read from its file if need be. AMA_E_INTEGRITY, AMA_E_IO. Stays valid until the next turn. */
int ama_report_run_get (ama_reports_t *reports, ama_id_t id, ama_report_run_t **ret_run, ama_err_t *err);
/* What is in memory is not what is in the file: forget the former. */
void ama_report_run_unload (ama_report_run_t *run);
/* The run is to be removed: those who follow it are told text, it is forgotten, and its file closed. */
void ama_report_run_remove (ama_reports_t *reports, ama_id_t id, const char *text);
/* Forgets runs that nobody needs, the one used longest ago first. Only between turns. */
void ama_report_runs_trim (ama_reports_t *reports);
void ama_report_runs_done (ama_reports_t *reports);

/* Answers a follow: the stream is the follower from here on. AMA_E_BUSY, AMA_E_INTEGRITY, AMA_E_IO. */
int ama_report_follow_start (ama_reports_t *reports, const ama_envelope_t *envelope, const ama_report_follow_t *follow,
                             ama_err_t *err);
/* Tells the run's followers what they have not read yet, as far as they can take it. */
void ama_report_follow_pump (ama_report_run_t *run);
void ama_report_follow_progress (ama_report_run_t *run, const ama_report_event_t *event);
/* Ends the streams of the run's followers. */
void ama_report_follow_fail (ama_report_run_t *run, int code, const char *text);
/* Forgets the run's followers; their streams are gone or go by themselves. */
void ama_report_follow_drop (ama_report_run_t *run);
/* What was read of the run is not in its file any more, or the run is forgotten. */
void ama_report_read_forget (ama_report_run_t *run);
void ama_report_read_done (ama_reports_t *reports);
/* Timers: all followers of all runs. */
void ama_report_follow_more (void *reports);
void ama_report_follow_idle (void *reports);

#endif
