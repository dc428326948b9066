/* journal_bench.c - durable events per second: the journal's group commit beside a bare SQLite that writes batches of the same size; JSON
 *
 *     journal_bench FOLDER [--quick]
 *
 * raw      BEGIN, one INSERT a row into a table of number and body, COMMIT; WAL and synchronous=FULL, the same page size and the same bodies
 * journal  ama_journal_commit of as many events, each with its hash, the index, and a summary now and then: 64 runs take turns, each says three
 *          events in its turn, a hundred in all
 *
 * Both on the same disk; they take turns, several rounds, and the median of the rounds' ratios counts.
 */
#include "actors/supervisor/journal.h"
#include "bench/rounds.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* as of twenty runs of twenty small actions at once: 2.8 events of a run follow one another */
enum { BODY = 120, TURN = 3, ACTIVE = 64, RUN_TURNS = 34 };

static _Noreturn void give_up (const char *what)
{
    (void) fprintf (stderr, "%s\n", what);
    exit (1);
}

static ama_id_t id_of (uint64_t n)
{
    ama_id_t id = { { 0 } };

    for (int i = 0; i < 8; i++)
        id.b[8 + i] = (uint8_t) (n >> (56 - 8 * i));
    return id;
}

static double raw_per_s (const char *folder, int batch, int n)
{
    static const char text[] =
        "PRAGMA page_size=4096; PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "CREATE TABLE event (no INTEGER PRIMARY KEY, body BLOB NOT NULL)";
    char path[512], body[BODY];
    sqlite3_stmt *insert;
    sqlite3 *db;
    double start;

    (void) snprintf (path, sizeof path, "%s/raw.db", folder);
    memset (body, 'x', sizeof body);
    if (sqlite3_open (path, &db) != SQLITE_OK || sqlite3_exec (db, text, NULL, NULL, NULL) != SQLITE_OK
        || sqlite3_prepare_v2 (db, "INSERT INTO event (body) VALUES (?)", -1, &insert, NULL) != SQLITE_OK)
        give_up ("raw");
    start = seconds ();
    for (int i = 0; i < n; i += batch) {
        if (sqlite3_exec (db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
            give_up ("raw");
        for (int j = 0; j < batch; j++) {
            (void) sqlite3_bind_blob (insert, 1, body, sizeof body, SQLITE_STATIC);
            if (sqlite3_step (insert) != SQLITE_DONE || sqlite3_reset (insert) != SQLITE_OK)
                give_up ("raw");
        }
        if (sqlite3_exec (db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
            give_up ("raw");
    }
    start = seconds () - start;
    (void) sqlite3_finalize (insert);
    (void) sqlite3_close (db);
    (void) remove (path);
    return n / start;
}

static double journal_per_s (const char *folder, int batch, int n)
{
    char dir[512], path[600], body[BODY];
    ama_journal_batch_t *rows = ama_journal_batch_new ();
    ama_err_t err = { 0 };
    ama_journal_t *journal;
    uint64_t turns = 0;
    double start;
    static const char *const files[] = { "journal.db", "journal.db-wal", "journal.head", "lock" };

    (void) snprintf (dir, sizeof dir, "%s/journal", folder);
    memset (body, 'x', sizeof body);
    journal = ama_journal_open (&(ama_journal_conf_t){ .dir = dir }, &err);
    if (!journal)
        give_up (err.text);
    start = seconds ();
    for (int i = 0; i < n;) {
        for (int j = 0; j < batch; turns++) {
            uint64_t round = turns / ACTIVE;
            ama_id_t run = id_of (1 + round / RUN_TURNS * ACTIVE + turns % ACTIVE);
            uint32_t seq = 1 + (uint32_t) (round % RUN_TURNS) * TURN;
            if (seq == 1) {
                ama_run_summary_t summary = { .run = run, .state = AMA_RUN_STATE_RUNNING };
                ama_journal_batch_summary (rows, &summary);
            }
            for (int k = 0; k < TURN && j < batch; k++, j++, i++)
                ama_journal_batch_event (rows, run, seq++, 1769860800000, AMA_MSG_JOURNAL_FETCHED, body, sizeof body);
        }
        if (ama_journal_commit (journal, rows, &err) < 0)
            give_up (err.text);
        ama_journal_batch_clear (rows);
    }
    start = seconds () - start;
    ama_journal_batch_destroy (&rows);
    ama_journal_close (&journal);
    for (size_t i = 0; i < ARRAY_SIZE (files); i++) {
        (void) snprintf (path, sizeof path, "%s/%s", dir, files[i]);
        (void) remove (path);
    }
    return n / start;
}

int main (int argc, char **argv)
{
    static const struct {
        int batch, n;
    } cases[] = { { 64, 64000 }, { 512, 256000 } };
    int divide = argc > 2 && strcmp (argv[2], "--quick") == 0 ? 10 : 1;

    if (argc < 2)
        return 2;
    (void) printf ("{\"batches\": [");
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        int n = cases[i].n / divide / cases[i].batch * cases[i].batch;
        double raw[ROUNDS], journal[ROUNDS], ratio[ROUNDS];
        for (int round = 0; round < ROUNDS; round++) {
            raw[round] = raw_per_s (argv[1], cases[i].batch, n);
            journal[round] = journal_per_s (argv[1], cases[i].batch, n);
        }
        for (int round = 0; round < ROUNDS; round++)
            ratio[round] = journal[round] / raw[round];
        (void) printf ("%s{\"batch\": %d, \"n\": %d, \"ratio\": %.3f, \"raw_per_s\": %.0f, \"journal_per_s\": %.0f}",
                       i ? ", " : "", cases[i].batch, n, median (ratio), median (raw), median (journal));
    }
    (void) printf ("]}\n");
    return 0;
}
