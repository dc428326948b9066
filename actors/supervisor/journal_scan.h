/* journal_scan.h - a journal read event by event, whatever state it is in, without changing a byte of it; used by fsck only
 *
 * Every event is looked up by its number, so that a page that can not be read costs the events on it and no others. An event is vouched for by
 * the hash of the one before it; where that is gone, it is not sure.
 */
#ifndef AMA_SUPERVISOR_JOURNAL_SCAN_H
#define AMA_SUPERVISOR_JOURNAL_SCAN_H

#include "actors/supervisor/journal_db.h"

typedef enum {
    JOURNAL_EVENT_INTACT,
    JOURNAL_EVENT_HASH_ALTERED, /* only its hash; the next event, or the head, says so */
    JOURNAL_EVENT_ALTERED,
    JOURNAL_EVENT_NOT_SURE, /* the one before it is gone */
    JOURNAL_EVENT_MISSING,
    JOURNAL_EVENT_UNREADABLE,
    JOURNAL_EVENT_N,
} journal_verdict_t;

typedef struct {
    uint64_t no;
    journal_verdict_t verdict;
    ama_journal_event_t event; /* borrowed for the call; zero if it is missing or unreadable */
    bool owned;                /* not intact, but .owner and .owner_seq are known from what names it */
    uint64_t prior;            /* the event before it in its run, as it says; 0 if it is the first */
    ama_id_t owner;
    uint32_t owner_seq;
} journal_scanned_t;

typedef int (journal_scan_fn) (const journal_scanned_t *event, void *arg, ama_err_t *err);

/* Opened for reading: no epoch, no migration, no file made; the lock is shared with other readers. NULL and err: AMA_E_EXISTS,
 * AMA_E_NOT_FOUND (no journal there), AMA_E_UNSUPPORTED, AMA_E_INTEGRITY (not even its first page can be read), AMA_E_IO. */
ama_journal_t *journal_open_reading (const char *dir, ama_err_t *err);

/* journal.head: 1 it is there and right, 0 it is not there (or never reached the disk), -1 it was altered. */
int journal_known_head (const char *dir, journal_head_t *ret_head);
/* All events from 1 on. *ret_last: the last one that is, or was, there. 0, what fn returned, or an error of reading at all. */
int journal_scan (ama_journal_t *journal, const journal_head_t *known, journal_scan_fn *fn, void *arg,
                  uint64_t *ret_last, ama_err_t *err);

#endif
