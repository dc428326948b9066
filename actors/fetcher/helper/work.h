/* work.h - one order in the helper's hands: what was asked, what came out so far, how progress and errors are told
 *
 * The helper is one thread and does one order at a time.
 */
#ifndef AMA_FETCHER_HELPER_WORK_H
#define AMA_FETCHER_HELPER_WORK_H

#include "actors/base/ama_err.h"
#include "actors/fetcher/fetch_url.h"
#include "actors/fetcher/fetch_wire.h"

#include <stdint.h>

/* Of one pack: what a helper's memory can index. */
enum { AMA_FETCH_OBJECTS_MAX = 10 * 1000 * 1000 };

typedef struct {
    ama_fetch_order_t order;
    ama_fetch_settings_t settings;
    ama_fetch_url_t url;
    ama_fetch_report_t out; /* the outcome, filled step by step */
    ama_err_t verdict;      /* set by a callback of libgit2: why it said no; wins over libgit2's own error */
    bool connected;
    bool broken;       /* an object was missing, or not what its id says */
    int64_t told_ms;   /* when something was told last */
    const char *pass;  /* what is done with the entries of a snapshot: "writing files" */
    uint32_t entries;  /* of the snapshot being made, folders included */
    uint32_t files;    /* without folders */
    uint32_t expected; /* files there will be; 0 while unknown */
    uint64_t bytes;
} ama_fetch_work_t;

void ama_fetch_work_done (ama_fetch_work_t *work);

/* Tells the fetcher how far it is, at most ten times a second. */
void ama_fetch_tell (ama_fetch_work_t *work, const char *phase, uint32_t done, uint32_t total, uint64_t bytes);
/* At once. */
void ama_fetch_tell_now (ama_fetch_work_t *work, const char *phase);
/* With "connected" set, now and from here on; at once the first time. */
void ama_fetch_tell_connected (ama_fetch_work_t *work, const char *phase);

/* Adds to the outcome's warnings; the last of very many says that there are more. */
void ama_fetch_warn (ama_fetch_work_t *work, const char *format, ...) __attribute__ ((format (printf, 2, 3)));
void ama_fetch_forget_warnings (ama_fetch_work_t *work);

/* err from the verdict, else from libgit2's last error (rc is what its function returned); returns the code. what: "cloning" */
int ama_fetch_git_error (ama_fetch_work_t *work, int rc, const char *what, ama_err_t *err);

/* AMA_E_NOSPACE for a full disk or quota, else AMA_E_IO, with the text of errno. */
int ama_fetch_os_error (const char *path, ama_err_t *err);

/* Counts from nothing; name is a literal. */
void ama_fetch_begin_pass (ama_fetch_work_t *work, const char *name);

/* Checks another entry of a snapshot against the limits: number, depth (of the folder it lies in), path, its size and the size of all. */
int ama_fetch_count_file (ama_fetch_work_t *work, const char *path, uint32_t depth, uint64_t size, ama_err_t *err);
int ama_fetch_count_folder (ama_fetch_work_t *work, const char *path, uint32_t depth, ama_err_t *err);

#endif
