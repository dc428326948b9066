/* journal_db.h - the inside of the journal's database, shared by journal.c and journal_read.c only */
#ifndef AMA_SUPERVISOR_JOURNAL_DB_H
#define AMA_SUPERVISOR_JOURNAL_DB_H

#include "actors/supervisor/journal.h"
#include "actors/supervisor/journal_files.h"

#include <sqlite3.h>

/* Prepared when the journal is opened; their text is in journal.c. */
typedef enum {
    ADD_EVENT,
    PUT_RUN,
    ADD_POST,
    DROP_POSTS,
    ADD_TOKEN,
    READ_RUN_EVENTS,
    READ_OPEN_EVENTS,
    READ_OUTBOX,
    LIST,
    READ_RUN,
    FIND_LATEST,
    FIND_FAILED,
    FIND_RUNNING,
    FIND_BETWEEN,
    READ_TOKEN,
    N_STATEMENTS,
} statement_t;

struct ama_journal {
    sqlite3 *db;
    sqlite3_stmt *statements[N_STATEMENTS];
    char *dir; /* NULL: in memory */
    int lock_fd;
    int head_fd;
    uint64_t epoch;
    ama_id_t last_run;
    journal_head_t head;
};

/* Fills err from the database's last error: AMA_E_NOSPACE, AMA_E_INTEGRITY or AMA_E_IO; returns the code. */
int journal_fail (const ama_journal_t *journal, ama_err_t *err, const char *what);
/* After stepping: resets the statement and says whether something had gone wrong. */
int journal_finish (ama_journal_t *journal, sqlite3_stmt *statement, const char *what, ama_err_t *err);
/* id and text are borrowed until the statement was run. */
void journal_bind_id (sqlite3_stmt *statement, int at, const ama_id_t *id);
void journal_bind_text (sqlite3_stmt *statement, int at, const char *text);
ama_id_t journal_column_id (sqlite3_stmt *statement, int at); /* zero if it is none */

#endif
