/* journal_read.c - questions to the journal: events, summaries, selectors, tokens. On the journal's worker thread, between commits. */
#include "actors/supervisor/journal_db.h"

#include "messages/journal.h"

#include <stdlib.h>
#include <string.h>

static char *column_text (sqlite3_stmt *statement, int at)
{
    const char *text = (const char *) sqlite3_column_text (statement, at);
    return ama_strdup (text ? text : "");
}

int64_t journal_number (ama_journal_t *journal, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int64_t number = -1;

    if (sqlite3_prepare_v2 (journal->db, sql, -1, &statement, NULL) == SQLITE_OK
        && sqlite3_step (statement) == SQLITE_ROW)
        number = sqlite3_column_int64 (statement, 0);
    (void) sqlite3_finalize (statement);
    return number;
}

/* Numbers of a run's events, the last one first, in *ret_list, which grows as it must. */
static int read_numbers (ama_journal_t *journal, ama_id_t run, uint64_t **list, size_t *room, size_t *ret_n,
                         ama_err_t *err)
{
    sqlite3_stmt *statement = journal->statements[READ_PRIOR];
    journal_place_t at;
    uint64_t no, before;
    int rc = journal_ends_of (journal, &run, &at, err);

    *ret_n = 0;
    for (no = at.last; rc == 0 && no; no = before) {
        if (*ret_n == *room) {
            *room = *room ? 2 * *room : 64;
            *list = ama_realloc (*list, *room * sizeof **list);
        }
        (*list)[(*ret_n)++] = no;
        (void) sqlite3_bind_int64 (statement, 1, (sqlite3_int64) no);
        before = sqlite3_step (statement) == SQLITE_ROW ? (uint64_t) sqlite3_column_int64 (statement, 0) : 0;
        rc = journal_finish (journal, statement, "events", err);
        if (rc == 0 && before >= no) /* it was verified: this would be a journal that changed meanwhile */
            rc = ama_err_set (err, AMA_E_INTEGRITY, "journal: an event names a later one as the one before it");
    }
    return rc;
}

static int read_event (ama_journal_t *journal, uint64_t no, ama_journal_event_fn *fn, void *arg, ama_err_t *err)
{
    sqlite3_stmt *statement = journal->statements[READ_EVENT];
    int rc = 0, done;

    (void) sqlite3_bind_int64 (statement, 1, (sqlite3_int64) no);
    if (sqlite3_step (statement) == SQLITE_ROW) {
        ama_journal_event_t event = {
            .run = journal_column_id (statement, 0),
            .seq = (uint32_t) sqlite3_column_int64 (statement, 1),
            .wall_ms = sqlite3_column_int64 (statement, 2),
            .type = (uint16_t) sqlite3_column_int (statement, 3),
            .body = sqlite3_column_blob (statement, 4),
            .size = (size_t) sqlite3_column_bytes (statement, 4),
        };
        rc = fn (&event, arg, err);
    }
    done = journal_finish (journal, statement, "events", err);
    return rc ? rc : done;
}

int ama_journal_read_events (ama_journal_t *journal, ama_id_t run, ama_journal_event_fn *fn, void *arg, ama_err_t *err)
{
    sqlite3_stmt *open = journal->statements[READ_OPEN];
    bool all = ama_id_is_zero (run);
    uint64_t *list = NULL;
    size_t room = 0, n;
    int rc = 0, done = 0;

    while (!rc && (!all || sqlite3_step (open) == SQLITE_ROW)) {
        rc = read_numbers (journal, all ? journal_column_id (open, 0) : run, &list, &room, &n, err);
        while (!rc && n)
            rc = read_event (journal, list[--n], fn, arg, err);
        if (!all)
            break;
    }
    if (all)
        done = journal_finish (journal, open, "open runs", err);
    free (list);
    return rc ? rc : done;
}

int ama_journal_read_outbox (ama_journal_t *journal, ama_journal_post_fn *fn, void *arg, ama_err_t *err)
{
    sqlite3_stmt *statement = journal->statements[READ_OUTBOX];
    int rc = 0, done;

    while (!rc && sqlite3_step (statement) == SQLITE_ROW)
        rc = fn (journal_column_id (statement, 0), (uint64_t) sqlite3_column_int64 (statement, 1),
                 sqlite3_column_blob (statement, 2), (size_t) sqlite3_column_bytes (statement, 2), arg, err);
    done = journal_finish (journal, statement, "outbox", err);
    return rc ? rc : done;
}

ama_run_summary_t journal_column_summary (sqlite3_stmt *statement)
{
    return (ama_run_summary_t){
        .run = journal_column_id (statement, 0),
        .job = column_text (statement, 1),
        .env = column_text (statement, 2),
        .state = (ama_run_state_t) sqlite3_column_int (statement, 3),
        .commit = column_text (statement, 4),
        .accepted = sqlite3_column_int64 (statement, 5),
        .ended = sqlite3_column_int64 (statement, 6),
        .exit = sqlite3_column_int64 (statement, 7),
        .dirty = sqlite3_column_int (statement, 8) != 0,
        .repo = column_text (statement, 9),
        .waiting = ama_strdup (""),
        .owner = ama_strdup (""),
    };
}

/* Whose run it is stands in its first event, and nowhere else: one truth, under the hash chain. Returns owned. */
static char *owner_of (ama_journal_t *journal, ama_id_t run)
{
    sqlite3_stmt *statement = journal->statements[READ_EVENT];
    ama_journal_submitted_t submitted;
    journal_place_t at;
    char *owner = NULL;

    if (journal_ends_of (journal, &run, &at, NULL) < 0 || !at.first)
        return NULL;
    (void) sqlite3_bind_int64 (statement, 1, (sqlite3_int64) at.first);
    if (sqlite3_step (statement) == SQLITE_ROW && sqlite3_column_int (statement, 3) == AMA_MSG_JOURNAL_SUBMITTED
        && ama_journal_submitted_decode (sqlite3_column_blob (statement, 4),
                                         (size_t) sqlite3_column_bytes (statement, 4), &submitted, NULL)
               == 0) {
        owner = ama_strdup (submitted.owner);
        ama_journal_submitted_done (&submitted);
    }
    (void) sqlite3_reset (statement);
    return owner;
}

/* *ret_owner: owned, also if it is another. */
static bool is_of (ama_journal_t *journal, ama_id_t run, const char *wanted, char **ret_owner)
{
    char *owner = owner_of (journal, run);

    *ret_owner = owner ? owner : ama_strdup ("");
    return !wanted || (owner && strcmp (owner, wanted) == 0);
}

int ama_journal_list (ama_journal_t *journal, size_t limit, ama_id_t before, const char *wanted,
                      ama_run_summary_t **ret_runs, size_t *ret_n, ama_err_t *err)
{
    sqlite3_stmt *statement = journal->statements[LIST];
    ama_run_summary_t *runs = NULL;
    size_t n = 0, room = 0;

    if (ama_id_is_zero (before)) /* ids rise, whatever the clock does */
        memset (before.b, 0xff, sizeof before.b);
    journal_bind_id (statement, 1, &before);
    while (n < limit && sqlite3_step (statement) == SQLITE_ROW) {
        char *owner;
        if (!is_of (journal, journal_column_id (statement, 0), wanted, &owner)) {
            free (owner);
            continue;
        }
        if (n == room) {
            room = room ? 2 * room : 16;
            runs = ama_realloc (runs, room * sizeof *runs);
        }
        runs[n] = journal_column_summary (statement);
        free (runs[n].owner);
        runs[n++].owner = owner;
    }
    *ret_runs = runs;
    *ret_n = n;
    return journal_finish (journal, statement, "list", err);
}

int ama_journal_summary (ama_journal_t *journal, ama_id_t run, const char *wanted, ama_run_summary_t *ret_summary,
                         ama_err_t *err)
{
    sqlite3_stmt *statement = journal->statements[READ_RUN];
    char *owner;
    bool found;
    int rc;

    journal_bind_id (statement, 1, &run);
    found = is_of (journal, run, wanted, &owner) && sqlite3_step (statement) == SQLITE_ROW;
    if (found) {
        *ret_summary = journal_column_summary (statement);
        free (ret_summary->owner);
        ret_summary->owner = ama_strdup (owner);
    }
    free (owner);
    rc = journal_finish (journal, statement, "summary", err);
    if (rc == 0 && !found && !wanted)
        rc = journal_was_removed (journal, &run, &run, err);
    return rc || found ? rc : ama_err_set (err, AMA_E_NOT_FOUND, "there is no such run");
}

static int find_one (ama_journal_t *journal, statement_t which, const char *selector, const char *wanted,
                     ama_id_t *ret_run, ama_err_t *err)
{
    sqlite3_stmt *statement = journal->statements[which];
    size_t most = which == FIND_BETWEEN ? 2 : 1, found = 0; /* a prefix is of one run or of none */
    ama_id_t run = { { 0 } };
    int rc;

    while (found < most && sqlite3_step (statement) == SQLITE_ROW) {
        ama_id_t id = journal_column_id (statement, 0);
        char *owner;
        if (is_of (journal, id, wanted, &owner)) {
            run = id;
            found++;
        }
        free (owner);
    }
    rc = journal_finish (journal, statement, "find", err);
    if (rc < 0)
        return rc;
    if (!found)
        return ama_err_set (err, AMA_E_NOT_FOUND, "there is no run %.64s", selector);
    if (found > 1)
        return ama_err_set (err, AMA_E_INVALID, "more than one run begins with %.64s", selector);
    *ret_run = run;
    return 0;
}

static int find_prefix (ama_journal_t *journal, const char *prefix, const char *wanted, ama_id_t *ret_run,
                        ama_err_t *err)
{
    char low[AMA_ID_TEXT], high[AMA_ID_TEXT];
    size_t size = strlen (prefix);
    ama_id_t from, to;
    int rc, removed;

    if (size == 0 || size >= sizeof low)
        return ama_err_set (err, AMA_E_NOT_FOUND, "there is no run %.64s", prefix);
    memset (low, '0', sizeof low);
    memset (high, 'Z', sizeof high);
    memcpy (low, prefix, size);
    memcpy (high, prefix, size);
    low[AMA_ID_TEXT - 1] = high[AMA_ID_TEXT - 1] = '\0';
    if (ama_id_parse (low, &from) < 0 || ama_id_parse (high, &to) < 0)
        return ama_err_set (err, AMA_E_NOT_FOUND, "there is no run %.64s", prefix);
    journal_bind_id (journal->statements[FIND_BETWEEN], 1, &from);
    journal_bind_id (journal->statements[FIND_BETWEEN], 2, &to);
    rc = find_one (journal, FIND_BETWEEN, prefix, wanted, ret_run, err);
    removed = rc == AMA_E_NOT_FOUND && !wanted ? journal_was_removed (journal, &from, &to, err) : 0;
    return removed < 0 ? removed : rc;
}

int ama_journal_find (ama_journal_t *journal, const char *selector, const char *wanted, ama_id_t *ret_run,
                      ama_err_t *err)
{
    if (strcmp (selector, "@latest") == 0)
        return find_one (journal, FIND_LATEST, selector, wanted, ret_run, err);
    if (strcmp (selector, "@failed") == 0)
        return find_one (journal, FIND_FAILED, selector, wanted, ret_run, err);
    if (strcmp (selector, "@running") == 0)
        return find_one (journal, FIND_RUNNING, selector, wanted, ret_run, err);
    if (*selector == '@')
        return ama_err_set (err, AMA_E_INVALID, "%.64s is none of @latest, @failed, @running", selector);
    return find_prefix (journal, selector, wanted, ret_run, err);
}

int ama_journal_token (ama_journal_t *journal, const char *token, ama_digest_t *ret_content, ama_id_t *ret_run,
                       ama_err_t *err)
{
    sqlite3_stmt *statement = journal->statements[READ_TOKEN];
    ama_err_t removed = { 0 };
    bool found;
    int rc;

    journal_bind_text (statement, 1, token);
    found = sqlite3_step (statement) == SQLITE_ROW && sqlite3_column_bytes (statement, 0) == (int) sizeof *ret_content;
    if (found) {
        memcpy (ret_content->b, sqlite3_column_blob (statement, 0), sizeof ret_content->b);
        *ret_run = journal_column_id (statement, 1);
    }
    rc = journal_finish (journal, statement, "token", err);
    if (rc == 0 && found && journal_was_removed (journal, ret_run, ret_run, &removed) == AMA_E_NOT_FOUND)
        rc = ama_err_set (err, AMA_E_REPLAY, "the idempotency key was used before: %s", removed.text);
    return rc || found ? rc : ama_err_set (err, AMA_E_NOT_FOUND, "the key was never used");
}
