/* journal_damage_test.c - damaged files are refused with the event that is wrong, or do no harm */
#include "tests/unit/supervisor/journal_scene.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void make_some (uint32_t events)
{
    ama_journal_t *journal = must_open ();

    for (uint32_t i = 1; i <= events; i++)
        assert_int_equal (commit_event (journal, 1, i, NULL), 0);
    ama_journal_close (&journal);
}

static void path_of (const char *name, char *path, size_t size)
{
    (void) snprintf (path, size, "%s/%s", folder, name);
}

static void sqlite (const char *sql)
{
    char command[1024];

    (void) snprintf (command, sizeof command, "sqlite3 %s/journal.db \"%s\" >%s/sql.log 2>&1", folder, sql, folder);
    assert_int_equal (system (command), 0);
}

static void must_refuse (int code, const char *text)
{
    ama_err_t err = { 0 };
    ama_journal_t *journal = ama_journal_open (&(ama_journal_conf_t){ folder, 0 }, &err);

    assert_null (journal);
    assert_int_equal (err.code, code);
    if (!strstr (err.text, text))
        fail_msg ("\"%s\" does not say \"%s\"", err.text, text);
}

static void altered (void **state)
{
    (void) state;
    make_some (9);
    sqlite ("UPDATE event SET body = replace (body, 'found', 'gone!') WHERE no = 4");
    must_refuse (AMA_E_INTEGRITY, "event 4 was altered");
}

static void time_altered (void **state)
{
    (void) state;
    make_some (9);
    sqlite ("UPDATE event SET time = time + 1 WHERE no = 9");
    must_refuse (AMA_E_INTEGRITY, "event 9 was altered");
}

static void one_missing (void **state)
{
    (void) state;
    make_some (9);
    sqlite ("DELETE FROM event WHERE no = 5");
    must_refuse (AMA_E_INTEGRITY, "event 5 is missing");
}

static void tail_missing (void **state)
{
    (void) state;
    make_some (9);
    sqlite ("DELETE FROM event WHERE no > 7");
    must_refuse (AMA_E_INTEGRITY, "event 8 and later ones are missing");
}

/* A journal of the first release: its rows have no sums yet. */
static void to_first_version (void)
{
    sqlite ("ALTER TABLE meta DROP COLUMN sum; ALTER TABLE run DROP COLUMN sum; ALTER TABLE outbox DROP COLUMN sum;"
            "ALTER TABLE token DROP COLUMN sum; DROP TABLE removed; DROP TABLE gap; DROP INDEX run_ended;"
            "ALTER TABLE event DROP COLUMN prior; ALTER TABLE run DROP COLUMN first; ALTER TABLE run DROP COLUMN last;"
            "ALTER TABLE run DROP COLUMN seq; CREATE UNIQUE INDEX event_run ON event (run, seq);"
            "PRAGMA user_version = 1; PRAGMA auto_vacuum = NONE; VACUUM");
}

static void make_rows (void)
{
    ama_journal_t *journal = must_open ();
    ama_journal_batch_t *batch = ama_journal_batch_new ();
    ama_digest_t content = ama_digest_of ("x", 1);

    assert_int_equal (commit_event (journal, 1, 1, NULL), 0);
    ama_journal_batch_token (batch, "key", &content, id_of (1));
    ama_journal_batch_post (batch, id_of (1), 1, "post", 4);
    assert_int_equal (ama_journal_commit (journal, batch, NULL), 0);
    ama_journal_batch_destroy (&batch);
    ama_journal_close (&journal);
}

/* What no event holds: SQLite would serve it altered. */
static void row_altered (void **state)
{
    static const char *const alter[][2] = {
        { "UPDATE meta SET value = 0", "row epoch of table meta was altered" },
        { "UPDATE run SET state = 5", "row 1 of table run was altered" },
        { "UPDATE run SET accepted = 8", "row 1 of table run was altered" },
        { "UPDATE outbox SET body = 'pest'", "of table outbox was altered" },
        { "UPDATE outbox SET first = 2", "of table outbox was altered" },
        { "UPDATE token SET token = 'kex'", "row kex of table token was altered" },
        { "UPDATE token SET run = zeroblob (16)", "row key of table token was altered" },
    };

    for (size_t i = 0; i < ARRAY_SIZE (alter); i++) {
        make_rows ();
        sqlite (alter[i][0]);
        must_refuse (AMA_E_INTEGRITY, alter[i][1]);
        assert_int_equal (remove_folder (state), 0);
        assert_int_equal (make_folder (state), 0);
    }
}

/* What leads to the events of a run is under no hash. */
static void link_altered (void **state)
{
    static const char *const alter[][2] = {
        { "UPDATE event SET prior = 4 WHERE no = 6", "event 6 does not name the one before it" },
        { "UPDATE event SET prior = 0 WHERE no = 6", "event 6 does not name the one before it" },
        { "UPDATE event SET prior = 9 WHERE no = 6", "event 6 does not name the one before it" },
        { "UPDATE event SET prior = 1 WHERE no = 1", "event 1 does not name the one before it" },
        { "UPDATE run SET last = 8", "does not say where its events are" },
        { "UPDATE run SET first = 0", "does not say where its events are" },
        { "UPDATE run SET seq = 1", "does not say where its events are" },
    };
    ama_run_summary_t ended = { .run = id_of (1), .state = AMA_RUN_STATE_SUCCEEDED, .accepted = 7, .ended = 9 };

    for (size_t i = 0; i < ARRAY_SIZE (alter); i++) {
        ama_journal_t *journal = must_open ();
        ama_journal_batch_t *batch = ama_journal_batch_new ();
        for (uint32_t seq = 1; seq <= 6; seq++)
            assert_int_equal (commit_event (journal, 1, seq, NULL), 0);
        ama_journal_batch_summary (batch, &ended);
        assert_int_equal (ama_journal_commit (journal, batch, NULL), 0);
        ama_journal_batch_destroy (&batch);
        assert_int_equal (commit_events (journal, 1, 7, 3), 0); /* behind the end: the row must follow */
        assert_int_equal (count_events (journal, 1), 9);
        ama_journal_close (&journal);
        journal = must_open ();
        assert_int_equal (count_events (journal, 1), 9);
        ama_journal_close (&journal);
        sqlite (alter[i][0]);
        must_refuse (AMA_E_INTEGRITY, alter[i][1]);
        assert_int_equal (remove_folder (state), 0);
        assert_int_equal (make_folder (state), 0);
    }
}

static void migrated (void **state)
{
    ama_journal_t *journal;
    ama_digest_t found;
    ama_id_t run;

    (void) state;
    make_rows ();
    to_first_version ();
    journal = must_open ();
    assert_int_equal (ama_journal_epoch (journal), 2);
    assert_int_equal (count_events (journal, 1), 1);
    assert_int_equal (ama_journal_token (journal, "key", &found, &run, NULL), 0);
    ama_journal_close (&journal);
    sqlite ("UPDATE token SET token = 'kex'");
    must_refuse (AMA_E_INTEGRITY, "was altered");
}

static void other_program (void **state)
{
    (void) state;
    make_some (1);
    sqlite ("PRAGMA application_id = 7");
    must_refuse (AMA_E_INTEGRITY, "not a journal");
    sqlite ("PRAGMA application_id = 1095582026; PRAGMA user_version = 0");
    must_refuse (AMA_E_INTEGRITY, "not a journal");
    sqlite ("PRAGMA user_version = -2147483646");
    must_refuse (AMA_E_INTEGRITY, "not a journal");
}

static void newer_release (void **state)
{
    (void) state;
    make_some (1);
    sqlite ("PRAGMA user_version = 99");
    must_refuse (AMA_E_UNSUPPORTED, "newer");
}

static void no_database (void **state)
{
    char path[128];
    int fd;

    (void) state;
    path_of ("journal.db", path, sizeof path);
    fd = open (path, O_WRONLY | O_CREAT, 0600);
    assert_true (fd >= 0);
    assert_int_equal (write (fd, "this is a diary, not a database, and it is rather long for a diary", 66), 66);
    (void) close (fd);
    must_refuse (AMA_E_INTEGRITY, "damaged");
}

static char *read_all (const char *path, size_t *ret_size)
{
    struct stat status;
    int fd = open (path, O_RDONLY);
    char *bytes;

    assert_true (fd >= 0 && fstat (fd, &status) == 0);
    bytes = ama_malloc ((size_t) status.st_size);
    assert_int_equal (read (fd, bytes, (size_t) status.st_size), status.st_size);
    (void) close (fd);
    *ret_size = (size_t) status.st_size;
    return bytes;
}

static void write_all (const char *path, const char *bytes, size_t size)
{
    int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true (fd >= 0);
    assert_int_equal (write (fd, bytes, size), size);
    (void) close (fd);
}

/* Opens what is left after damage: refused, or all events are there as they were. */
static bool harmless_or_detected (uint32_t events)
{
    ama_err_t err = { 0 };
    ama_journal_t *journal = ama_journal_open (&(ama_journal_conf_t){ folder, 0 }, &err);
    seen_t seen = { .right = true };
    bool fine;

    if (!journal)
        return err.code == AMA_E_INTEGRITY || err.code == AMA_E_UNSUPPORTED || err.code == AMA_E_IO;
    fine = ama_journal_read_events (journal, id_of (1), count_event, &seen, &err) < 0
           || (seen.right && seen.n == events && ama_journal_events_total (journal) == events);
    ama_journal_close (&journal);
    return fine;
}

/* Any one bit of the closed database; any length. */
static void flipped (void **state)
{
    enum { EVENTS = 40 };
    char db[128], wal[128], head[128];
    size_t size, head_size, undetected = 0;
    char *bytes, *head_bytes;
    unsigned random = 12345;

    (void) state;
    make_some (EVENTS);
    path_of ("journal.db", db, sizeof db);
    path_of ("journal.db-wal", wal, sizeof wal);
    path_of ("journal.head", head, sizeof head);
    bytes = read_all (db, &size);
    head_bytes = read_all (head, &head_size);
    for (int i = 0; i < 400; i++) {
        size_t at = (random = random * 1103515245 + 12345) % size;
        bytes[at] = (char) (bytes[at] ^ 1 << i % 8);
        write_all (db, bytes, i % 10 == 9 ? at : size);
        bytes[at] = (char) (bytes[at] ^ 1 << i % 8);
        write_all (head, head_bytes, head_size);
        (void) unlink (wal);
        undetected += !harmless_or_detected (EVENTS);
    }
    free (bytes);
    free (head_bytes);
    assert_int_equal (undetected, 0);
}

/* Any one bit of the write-ahead log that a killed process left: SQLite itself would silently drop what follows it. */
static void flipped_log (void **state)
{
    enum { EVENTS = 30 };
    char db[128], wal[128], head[128];
    size_t db_size, wal_size, head_size, undetected = 0, refused = 0;
    char *db_bytes, *wal_bytes, *head_bytes;
    unsigned random = 54321;
    uint32_t said;

    (void) state;
    said = kill_one (1, EVENTS);
    path_of ("journal.db", db, sizeof db);
    path_of ("journal.db-wal", wal, sizeof wal);
    path_of ("journal.head", head, sizeof head);
    db_bytes = read_all (db, &db_size);
    wal_bytes = read_all (wal, &wal_size);
    head_bytes = read_all (head, &head_size);
    assert_true (wal_size > 4096);
    for (int i = 0; i < 200; i++) {
        size_t at = (random = random * 1103515245 + 12345) % wal_size;
        ama_err_t err = { 0 };
        ama_journal_t *journal;
        write_all (db, db_bytes, db_size);
        wal_bytes[at] = (char) (wal_bytes[at] ^ 1 << i % 8);
        write_all (wal, wal_bytes, wal_size);
        wal_bytes[at] = (char) (wal_bytes[at] ^ 1 << i % 8);
        write_all (head, head_bytes, head_size);
        journal = ama_journal_open (&(ama_journal_conf_t){ folder, 0 }, &err);
        if (!journal) {
            refused++;
            continue;
        }
        undetected += count_events (journal, 1) < said;
        ama_journal_close (&journal);
    }
    free (db_bytes);
    free (wal_bytes);
    free (head_bytes);
    assert_int_equal (undetected, 0);
    assert_true (refused > 50);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, make_folder, remove_folder)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (altered),     TEST (time_altered), TEST (one_missing),   TEST (tail_missing),
        TEST (row_altered), TEST (migrated),     TEST (other_program), TEST (newer_release),
        TEST (no_database), TEST (flipped),      TEST (flipped_log),   TEST (link_altered),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
