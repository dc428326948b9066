/* report_store.h - the files of the reporter: one per run, append-only, DIR/<run id>.log in the format of report_line.h
 *
 * Knows bytes and lines, not events' meaning. At most AMA_REPORT_OPEN_MAX descriptors are open, however many runs there are. What is
 * appended can be read at once and is durable after ama_report_file_sync_fd's descriptor was synced.
 */
#ifndef AMA_REPORTER_STORE_H
#define AMA_REPORTER_STORE_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_id.h"
#include "actors/reporter/report_line.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define AMA_REPORT_OPEN_MAX 64

typedef struct ama_report_store ama_report_store_t;
typedef struct ama_report_file ama_report_file_t;

/* Makes the folder (its parent must exist). read_only: nothing is created, cut or written. AMA_E_IO, AMA_E_NOSPACE, AMA_E_NOT_FOUND. */
int ama_report_store_open (const char *dir, bool read_only, ama_report_store_t **ret_store, ama_err_t *err);
/* All its files must be closed before. */
void ama_report_store_close (ama_report_store_t **store);
/* A descriptor of the folder, to sync the names of new files. Owned by the store. */
int ama_report_store_dir_fd (const ama_report_store_t *store);

/* Name of the run's file in the folder. */
#define AMA_REPORT_NAME_MAX (AMA_ID_TEXT + 4)
void ama_report_file_name (ama_id_t run, char name[AMA_REPORT_NAME_MAX]);

typedef void (ama_report_scan_fn) (const ama_report_record_t *record, void *arg);

/* Opens the file of a run; a run without one has an empty file that comes into being with the first append.
 * A run that has ended is read from its end only, if the file is sealed or was found whole: `last` gets the record of run.ended. Any other is read
 * whole: `each` gets every record, and what a crash or a power cut took is cut off with all behind it. AMA_E_INTEGRITY: damaged elsewhere than at its end; AMA_E_IO. */
int ama_report_file_open (ama_report_store_t *store, ama_id_t run, ama_report_scan_fn *each, ama_report_scan_fn *last,
                          void *arg, ama_report_file_t **ret_file, ama_err_t *err);
void ama_report_file_close (ama_report_file_t **file);

uint64_t ama_report_file_size (const ama_report_file_t *file); /* bytes of whole lines */
/* Of these, those that survive a power cut: all that there were when it was opened, and what ama_report_file_synced was told of. */
uint64_t ama_report_file_told (const ama_report_file_t *file);
void ama_report_file_synced (ama_report_file_t *file, uint64_t size);
/* Its last line is run.ended, and all of it is synced. */
void ama_report_file_seal (ama_report_file_t *file);

/* All of the bytes or none. AMA_E_NOSPACE or AMA_E_IO. */
int ama_report_file_append (ama_report_file_t *file, const void *bytes, size_t size, ama_err_t *err);

/* A duplicate to be synced and closed by somebody else (the worker); -1 with err set. */
int ama_report_file_sync_fd (ama_report_file_t *file, ama_err_t *err);

/* Up to size bytes from offset. Returns how many, or AMA_E_IO. */
ssize_t ama_report_file_read (ama_report_file_t *file, uint64_t offset, void *buf, size_t size, ama_err_t *err);

/* Where the line of event `seq` starts, or the first behind it; the file's size if there is none yet. A few reads, whatever the size. */
int ama_report_file_seek (ama_report_file_t *file, uint64_t seq, uint64_t *ret_offset, ama_err_t *err);

/* One record by number; record->json lies in buf. AMA_E_NOT_FOUND. */
int ama_report_file_record (ama_report_file_t *file, uint64_t seq, ama_str_t *buf, ama_report_record_t *ret_record,
                            ama_err_t *err);

#endif
