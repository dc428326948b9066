/* journal_db.h - the inside of the journal's database, shared by the journal_*.c files only */
#ifndef AMA_SUPERVISOR_JOURNAL_DB_H
#define AMA_SUPERVISOR_JOURNAL_DB_H

#include "actors/supervisor/journal.h"
#include "actors/supervisor/journal_batch.h"
#include "actors/supervisor/journal_files.h"

#include <sqlite3.h>
#include <uthash.h>

#define JOURNAL_APPLICATION 0x414d414a /* "AMAJ" */
/* 1 from version 4 on */
#define JOURNAL_IS_LINKED "SELECT count (*) FROM pragma_table_info ('event') WHERE name = 'prior'"

/* Prepared when the journal is opened; their text is in journal.c. */
typedef enum {
    BEGIN,
    COMMIT,
    ADD_EVENT,
    ADD_EVENTS,
    PUT_RUN,
    READ_ENDS,
    PUT_ENDS,
    ADD_POST,
    DROP_POSTS,
    ADD_TOKEN,
    READ_OPEN,
    READ_PRIOR,
    READ_EVENT,
    READ_OUTBOX,
    LIST,
    READ_RUN,
    FIND_LATEST,
    FIND_FAILED,
    FIND_RUNNING,
    FIND_BETWEEN,
    READ_TOKEN,
    FIND_OLD,
    FIND_SURPLUS,
    ADD_REMOVED,
    DROP_RUN,
    NEXT_REMOVED,
    REMOVED_DONE,
    REMOVED_LAST,
    REMOVED_TO,
    FIND_REMOVED,
    LAST_REMOVED,
    DROP_EVENTS,
    GAP_BEFORE,
    GAP_AT,
    DROP_GAP,
    ADD_GAP,
    N_STATEMENTS,
} statement_t;

/* Numbers in the journal; 0: there is none. */
typedef struct {
    uint64_t first, last;
    uint64_t seq; /* of the last, in its run */
} journal_place_t;

typedef struct journal_ends {
    ama_id_t run;
    journal_place_t at, was; /* was: before this commit */
    bool ended, had_ended;   /* its summary says so, and where it ends, too */
    bool touched, fresh;     /* by this commit; was not in memory before it */
    bool put;                /* the summary is part of this commit */
    struct journal_ends *next;
    UT_hash_handle hh;
} journal_ends_t;

struct ama_journal {
    sqlite3 *db;
    sqlite3_stmt *statements[N_STATEMENTS];
    char *dir; /* NULL: in memory */
    int lock_fd;
    int head_fd;
    uint64_t epoch;
    ama_id_t last_run;
    journal_head_t head;
    journal_ends_t *ends;    /* of all runs that have not ended */
    journal_ends_t *touched; /* by this commit */
};

/* Fills err from the database's last error: AMA_E_NOSPACE, AMA_E_INTEGRITY or AMA_E_IO; returns the code. */
int journal_fail (const ama_journal_t *journal, ama_err_t *err, const char *what);
int journal_sql (const ama_journal_t *journal, const char *sql, ama_err_t *err);
/* The number a statement gives; -1 if it can not be had. */
int64_t journal_number (ama_journal_t *journal, const char *sql);
/* After stepping: resets the statement and says whether something had gone wrong. */
int journal_finish (ama_journal_t *journal, sqlite3_stmt *statement, const char *what, ama_err_t *err);
/* id and text are borrowed until the statement was run. */
void journal_bind_id (sqlite3_stmt *statement, int at, const ama_id_t *id);
void journal_bind_text (sqlite3_stmt *statement, int at, const char *text);
ama_id_t journal_column_id (sqlite3_stmt *statement, int at); /* zero if it is none */
#define RUN_COLUMNS "run, job, env, state, source, accepted, ended, exit, dirty, repo"
/* A row of RUN_COLUMNS; owned by the caller (ama_run_summary_done). */
ama_run_summary_t journal_column_summary (sqlite3_stmt *statement);

void journal_bind_place (sqlite3_stmt *statement, int at, const journal_place_t *place); /* three values */

/* ---- journal_ends.c ---- */

/* Those of a run that is in memory; if it is not: made, with no events. */
journal_ends_t *journal_ends_make (ama_journal_t *journal, const ama_id_t *run);
void journal_ends_forget (ama_journal_t *journal, journal_ends_t *ends);
void journal_ends_forget_all (ama_journal_t *journal);
/* Of any run. */
int journal_ends_of (ama_journal_t *journal, const ama_id_t *run, journal_place_t *ret_at, ama_err_t *err);
/* Those that this commit will change; NULL: they can not be read. */
journal_ends_t *journal_ends_touch (ama_journal_t *journal, const ama_id_t *run, ama_err_t *err);
/* Into summaries that are not written anew, though there are events behind the end. */
int journal_ends_write (ama_journal_t *journal, ama_err_t *err);
/* After the commit. */
void journal_ends_settle (ama_journal_t *journal, bool committed);

/* ---- journal_verify.c ---- */

/* The hash of event `no`, which follows the one with hash *before. */
ama_digest_t journal_chain (const ama_digest_t *before, uint64_t no, const journal_row_t *row, const void *body);
/* Makes the function ama_sum of SQL; SQLITE_OK. */
int journal_sums (sqlite3 *db);
/* Walks all events and all rows; journal->head becomes the last event. known: what journal.head says, or NULL. */
int journal_verify (ama_journal_t *journal, const journal_head_t *known, ama_err_t *err);

/* ---- journal_retain.c ---- */

/* AMA_E_NOT_FOUND and a text that says so, if retention has removed a run of these ids; 0 if not. */
int journal_was_removed (ama_journal_t *journal, const ama_id_t *from, const ama_id_t *to, ama_err_t *err);

typedef struct {
    const char *name;
    int since;           /* version of the journal */
    const char *kind;    /* of what is in it, for a person */
    const char *columns; /* that the sum is of */
    const char *altered; /* a statement: what names each row that is not as it was written */
} journal_table_t;
extern const journal_table_t journal_tables[]; /* to name NULL */

#endif
