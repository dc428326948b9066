/* report_runs.c - which runs are in memory. Part of the reporter, on its thread. */
#include "actors/reporter/report_runs.h"

#include <stdlib.h>

static void restore (const ama_report_record_t *record, void *arg)
{
    ama_report_core_restore (((ama_report_run_t *) arg)->core, record);
}

static void restore_ended (const ama_report_record_t *record, void *arg)
{
    ama_report_core_restore_ended (((ama_report_run_t *) arg)->core, record);
}

static int load (ama_report_run_t *run, ama_err_t *err)
{
    int rc;

    run->core = ama_report_core_new (run->id);
    rc = ama_report_file_open (run->reports->store, run->id, restore, restore_ended, run, &run->file, err);
    if (rc < 0)
        ama_report_core_destroy (&run->core);
    return rc;
}

void ama_report_run_moved_on (ama_report_run_t *run)
{
    free (run->progress);
    run->progress = NULL;
}

void ama_report_run_unload (ama_report_run_t *run)
{
    ama_report_read_forget (run);
    ama_report_core_destroy (&run->core);
    ama_report_file_close (&run->file);
}

static void forget (ama_report_run_t *run)
{
    HASH_DEL (run->reports->runs, run);
    run->reports->n_runs--;
    ama_report_follow_drop (run);
    ama_report_run_unload (run);
    ama_report_run_moved_on (run);
    free (run);
}

int ama_report_run_get (ama_reports_t *reports, ama_id_t id, ama_report_run_t **ret_run, ama_err_t *err)
{
    ama_report_run_t *run;
    int rc = 0;

    HASH_FIND (hh, reports->runs, &id, sizeof id, run);
    if (run)
        HASH_DEL (reports->runs, run);
    else {
        run = ama_calloc (1, sizeof *run);
        run->id = id;
        run->reports = reports;
        reports->n_runs++;
    }
    HASH_ADD (hh, reports->runs, id, sizeof run->id, run);
    if (!run->core)
        rc = load (run, err);
    if (rc == 0)
        *ret_run = run;
    return rc;
}

void ama_report_run_remove (ama_reports_t *reports, ama_id_t id, const char *text)
{
    ama_report_run_t *run;

    HASH_FIND (hh, reports->runs, &id, sizeof id, run);
    if (!run)
        return;
    ama_report_follow_fail (run, AMA_E_NOT_FOUND, text);
    forget (run);
}

void ama_report_runs_trim (ama_reports_t *reports)
{
    ama_report_run_t *run, *next;

    if (reports->n_runs <= AMA_REPORT_RUNS_MAX)
        return;
    HASH_ITER (hh, reports->runs, run, next)
    {
        if (reports->n_runs <= AMA_REPORT_RUNS_MAX)
            return;
        if (!run->followers && !run->unsynced)
            forget (run);
    }
}

void ama_report_runs_done (ama_reports_t *reports)
{
    ama_report_run_t *run, *next;

    HASH_ITER (hh, reports->runs, run, next)
    forget (run);
}
