/* local.h - the runs of `ama run` on this machine: their folders, and what is known of them without a daemon
 *
 * <state>/local/<word> is the state folder of one `ama run`; <state>/local/<run id> a link to it; the file `shown` in it holds run.shown as it
 * was told last. A run whose process ended without a word is told as errored.
 */
#ifndef AMA_CLIENT_LOCAL_H
#define AMA_CLIENT_LOCAL_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_id.h"
#include "messages/run.h"

#include <stdbool.h>

typedef struct {
    char *root;     /* <state>/local */
    char *dir;      /* the folder */
    char *shown;    /* the file in it */
    char *endpoint; /* where its hub listens while it lives; NULL: the path would be too long */
} ama_local_dir_t;

/* A new folder below <state>/local. AMA_E_IO, AMA_E_NOSPACE. */
int ama_local_make (const char *state, ama_local_dir_t *ret_local, ama_err_t *err);
/* Links the run's id to the folder; arg: ama_local_dir_t. */
void ama_local_name (ama_id_t run, void *arg);
void ama_local_done (ama_local_dir_t *local);

/* Keeps what was told of the run; replaces what was told before, whole or not at all. */
void ama_local_keep (const char *shown_file, const ama_run_shown_t *shown);

/* The runs that are there, newest first; at most max. Returns owned ids in *ret_runs, and how many. */
size_t ama_local_list (const char *state, size_t max, ama_id_t **ret_runs);
/* What is known of one. 0, AMA_E_NOT_FOUND or AMA_E_DECODE. */
int ama_local_shown (const char *state, ama_id_t run, ama_run_shown_t *ret_shown, ama_err_t *err);
/* The run that a selector names: id, its beginning, @latest, @failed. 0; AMA_E_NOT_FOUND; AMA_E_INVALID: several begin so. */
int ama_local_find (const char *state, const char *selector, ama_id_t *ret_run, ama_err_t *err);
/* Folder of the run's reports, and the endpoint of its process; owned. */
char *ama_local_reports (const char *state, ama_id_t run);
char *ama_local_endpoint (const char *state, ama_id_t run);

/* Is the process of that run still there? */
bool ama_local_is_alive (const char *state, ama_id_t run);
/* Nobody finds the run any more; its files are below the graves, in runs/.gone-ID (agent/tidy_disk.h). */
void ama_local_forget (const char *state, ama_id_t run);
char *ama_local_graves (const char *state); /* owned */
/* The folder of its agent, in which its working data is (agent/tidy_disk.h); owned. */
char *ama_local_agent (const char *state, ama_id_t run);
/* Marks artifacts that lay in the run's working data and are not there any more. */
void ama_local_mark_gone (ama_run_shown_t *shown);

/* What is known of the runs that are there, newest first; at most max. Owned. */
size_t ama_local_summaries (const char *state, size_t max, ama_run_summary_t **ret_runs);
void ama_local_summaries_free (ama_run_summary_t **runs, size_t count);

#endif
