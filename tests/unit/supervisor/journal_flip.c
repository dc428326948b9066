/* journal_flip.c - a campaign against a journal of real runs: bits are flipped and files cut, and each damage must be refused or do no harm
 *
 * usage: journal_flip [--flips N] [--cuts N] [--seed S]. Prints per class of position how many were injected, how many of them were refused at open
 * (and how many of these refusals name the event or the row), and how many did no harm: then all that a reader can see is as it was.
 * Anything else is a failure, printed with the seed, file, byte and bit. fsck must see what amad refuses, too.
 */
#include "actors/supervisor/journal_fsck.h"
#include "tests/unit/supervisor/journal_runs.h"
#include "tests/unit/supervisor/journal_scene.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { RUNS = 30, PAGE = 4096, FILES = 3 };

typedef struct {
    char *bytes;
    size_t size;
} file_t;

/* What a flip aims at. */
typedef enum {
    HEADER, /* the first 100 bytes of the database */
    SCHEMA,
    EVENT,
    INDEX,
    TABLES, /* run, outbox, token, meta */
    LOG,
    HEAD,
    N_CLASSES,
} class_t;

static const char *const class_names[N_CLASSES] = { "db header",    "schema page", "event pages", "index pages",
                                                    "other tables", "log (wal)",   "head file" };
static const char *const file_names[FILES] = { "journal.db", "journal.db-wal", "journal.head" };

typedef struct {
    unsigned long injected, refused, named, harmless, missed;
} count_t;

static struct {
    unsigned long flips, cuts;
    unsigned long long seed;
} options = { 350, 70, 1 };

static unsigned long long state_of_random;

static size_t pick (size_t n)
{
    state_of_random ^= state_of_random << 13;
    state_of_random ^= state_of_random >> 7;
    state_of_random ^= state_of_random << 17;
    return n ? (size_t) (state_of_random % n) : 0;
}

/* ---- files ---- */

static void path_of (size_t file, char path[160])
{
    (void) snprintf (path, 160, "%s/%s", folder, file_names[file]);
}

static file_t read_file (size_t file)
{
    file_t ret = { 0 };
    struct stat status;
    char path[160];
    int fd;

    path_of (file, path);
    fd = open (path, O_RDONLY);
    if (fd < 0)
        return ret;
    assert_int_equal (fstat (fd, &status), 0);
    ret.size = (size_t) status.st_size;
    ret.bytes = ama_malloc (ret.size + 1);
    assert_int_equal (read (fd, ret.bytes, ret.size), ret.size);
    (void) close (fd);
    return ret;
}

static void write_file (size_t file, const file_t *what)
{
    char path[160];
    int fd;

    path_of (file, path);
    (void) unlink (path);
    if (!what->bytes)
        return;
    fd = open (path, O_WRONLY | O_CREAT, 0600);
    assert_true (fd >= 0);
    assert_int_equal (write (fd, what->bytes, what->size), what->size);
    (void) close (fd);
}

/* ---- classes of pages ---- */

static void classify (class_t *pages, size_t n_pages)
{
    static const struct {
        const char *names;
        class_t class;
    } rows[] = {
        { "'event'", EVENT },
        { "'run_state','sqlite_autoindex_run_1'", INDEX },
        { "'run','outbox','token','meta'", TABLES },
    };
    char path[160], sql[256];
    sqlite3 *db;

    pages[0] = SCHEMA;
    for (size_t i = 1; i < n_pages; i++)
        pages[i] = N_CLASSES;
    path_of (0, path);
    assert_int_equal (sqlite3_open_v2 (path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        sqlite3_stmt *statement;
        (void) snprintf (sql, sizeof sql, "SELECT pageno FROM dbstat WHERE name IN (%s)", rows[i].names);
        if (sqlite3_prepare_v2 (db, sql, -1, &statement, NULL) != SQLITE_OK)
            continue; /* without dbstat every page is of no class, and is still aimed at */
        while (sqlite3_step (statement) == SQLITE_ROW)
            pages[sqlite3_column_int64 (statement, 0) - 1] = rows[i].class;
        (void) sqlite3_finalize (statement);
    }
    (void) sqlite3_close (db);
}

/* ---- one damage ---- */

typedef enum { REFUSED, HARMLESS, MISSED } verdict_t;

static verdict_t judge (const ama_digest_t *whole, uint64_t events, bool *ret_named)
{
    ama_err_t err = { 0 };
    ama_journal_t *journal = ama_journal_open (&(ama_journal_conf_t){ folder, 0 }, &err);
    ama_digest_t digest;
    bool same;

    *ret_named = !journal && (strstr (err.text, ": event ") || strstr (err.text, ": row "));
    if (!journal)
        return err.code == AMA_E_INTEGRITY || err.code == AMA_E_UNSUPPORTED || err.code == AMA_E_IO ? REFUSED : MISSED;
    same = runs_digest (journal, RUNS, &digest) && ama_digest_equal (&digest, whole)
           && ama_journal_events_total (journal) == events && ama_journal_epoch (journal) > 1;
    ama_journal_close (&journal);
    return same ? HARMLESS : MISSED;
}

/* Before amad has seen it: what it will refuse, fsck must tell. */
static bool fsck_sees (void)
{
    ama_fsck_report_t report;
    ama_err_t err = { 0 };
    bool sees = ama_fsck_check (folder, &report, &err) < 0 || report.n_problems > 0;

    ama_fsck_report_done (&report);
    return sees;
}

static void try_one (const file_t whole[FILES], size_t file, const file_t *damaged, const ama_digest_t *digest,
                     uint64_t events, count_t *count, const char *what)
{
    bool sees, named;

    for (size_t i = 0; i < FILES; i++)
        write_file (i, i == file ? damaged : &whole[i]);
    sees = fsck_sees ();
    count->injected++;
    switch (judge (digest, events, &named)) {
    case REFUSED:
        count->refused++;
        count->named += named;
        if (!sees) {
            count->missed++;
            print_error ("fsck does not see it: %s\n", what);
        }
        break;
    case HARMLESS:
        count->harmless++;
        break;
    case MISSED:
        count->missed++;
        print_error ("not detected: %s\n", what);
        break;
    }
}

static void flip (const file_t whole[FILES], size_t file, size_t at, const ama_digest_t *digest, uint64_t events,
                  count_t *count)
{
    file_t damaged = { ama_malloc (whole[file].size), whole[file].size };
    unsigned bit = (unsigned) pick (8);
    char what[160];

    memcpy (damaged.bytes, whole[file].bytes, damaged.size);
    damaged.bytes[at] = (char) (damaged.bytes[at] ^ 1 << bit);
    (void) snprintf (what, sizeof what, "seed %llu: %s, byte %zu, bit %u", options.seed, file_names[file], at, bit);
    try_one (whole, file, &damaged, digest, events, count, what);
    free (damaged.bytes);
}

static void cut (const file_t whole[FILES], size_t file, const ama_digest_t *digest, uint64_t events, count_t *count)
{
    file_t damaged = { whole[file].bytes, pick (whole[file].size) };
    char what[160];

    (void) snprintf (what, sizeof what, "seed %llu: %s cut to %zu bytes", options.seed, file_names[file], damaged.size);
    try_one (whole, file, &damaged, digest, events, count, what);
}

static size_t in_class (const class_t *pages, size_t n_pages, class_t class)
{
    for (int tries = 0; tries < 100000; tries++) {
        size_t page = pick (n_pages);
        if (pages[page] == class)
            return page * PAGE + pick (PAGE);
    }
    return 100 + pick (n_pages * PAGE - 100);
}

/* ---- the campaign ---- */

/* Killed behind its last commit: what it wrote last is in the log alone. closed: all is in the database. */
static void make_journal (bool closed, file_t whole[FILES], ama_digest_t *ret_digest, uint64_t *ret_events)
{
    ama_journal_t *journal;
    int status;
    pid_t pid = fork ();

    assert_true (pid >= 0);
    if (pid == 0) {
        journal = open_in (folder, 0);
        *ret_events = runs_write (journal, RUNS);
        if (closed)
            ama_journal_close (&journal);
        _exit (0);
    }
    assert_int_equal (waitpid (pid, &status, 0), pid);
    assert_int_equal (status, 0);
    for (size_t i = 0; i < FILES; i++)
        whole[i] = read_file (i);
    journal = must_open ();
    *ret_events = ama_journal_events_total (journal);
    assert_true (runs_digest (journal, RUNS, ret_digest));
    ama_journal_close (&journal);
}

static unsigned long report (const char *what, const count_t *count)
{
    print_message ("%-14s injected %6lu  refused %6lu (named %6lu)  harmless %6lu  not detected %lu\n", what,
                   count->injected, count->refused, count->named, count->harmless, count->missed);
    return count->missed;
}

static void campaign (void **state)
{
    count_t counts[N_CLASSES] = { 0 }, cuts = { 0 }, all = { 0 };
    file_t closed[FILES], killed[FILES];
    ama_digest_t closed_digest, killed_digest;
    uint64_t closed_events, killed_events;
    class_t *pages;
    size_t n_pages;

    make_journal (true, closed, &closed_digest, &closed_events);
    n_pages = closed[0].size / PAGE;
    pages = ama_calloc (n_pages, sizeof *pages);
    write_file (0, &closed[0]);
    classify (pages, n_pages);
    assert_int_equal (remove_folder (state), 0);
    assert_int_equal (make_folder (state), 0);
    make_journal (false, killed, &killed_digest, &killed_events);
    assert_true (killed[1].size > PAGE);
    print_message ("%d runs, %d events, %zu pages, log of %zu bytes, seed %llu\n", (int) RUNS, (int) closed_events,
                   n_pages, killed[1].size, options.seed);
    for (unsigned long i = 0; i < options.flips; i++) {
        class_t class = (class_t) (i % N_CLASSES);
        if (class == LOG)
            flip (killed, 1, pick (killed[1].size), &killed_digest, killed_events, &counts[class]);
        else if (class == HEAD)
            flip (closed, 2, pick (closed[2].size), &closed_digest, closed_events, &counts[class]);
        else if (class == HEADER)
            flip (closed, 0, pick (100), &closed_digest, closed_events, &counts[class]);
        else
            flip (closed, 0, class == SCHEMA ? 100 + pick (PAGE - 100) : in_class (pages, n_pages, class),
                  &closed_digest, closed_events, &counts[class]);
    }
    for (unsigned long i = 0; i < options.cuts; i++) {
        if (i % FILES == 1)
            cut (killed, 1, &killed_digest, killed_events, &cuts);
        else
            cut (closed, i % FILES, &closed_digest, closed_events, &cuts);
    }
    for (size_t i = 0; i < N_CLASSES; i++) {
        (void) report (class_names[i], &counts[i]);
        all.injected += counts[i].injected;
        all.refused += counts[i].refused;
        all.named += counts[i].named;
        all.harmless += counts[i].harmless;
        all.missed += counts[i].missed;
    }
    (void) report ("all flips", &all);
    all.missed += report ("cuts", &cuts);
    free (pages);
    for (size_t i = 0; i < FILES; i++) {
        free (closed[i].bytes);
        free (killed[i].bytes);
    }
    assert_int_equal (all.missed, 0);
}

int main (int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown (campaign, make_folder, remove_folder) };

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp (argv[i], "--flips") == 0)
            options.flips = strtoul (argv[i + 1], NULL, 10);
        else if (strcmp (argv[i], "--cuts") == 0)
            options.cuts = strtoul (argv[i + 1], NULL, 10);
        else
            options.seed = strtoull (argv[i + 1], NULL, 10);
    }
    state_of_random = options.seed * 0x9e3779b97f4a7c15ull + 1;
    return cmocka_run_group_tests (tests, NULL, NULL);
}
