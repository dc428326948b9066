/* report_store_test.c - files of reports: torn tails, damage, full disks, a killed writer, finding by number, few descriptors */
#include "actors/base/ama_str.h"
#include "actors/reporter/report_store.h"
#include "tests/unit/table.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    char dir[32];
    ama_report_store_t *store;
} place_t;

static ama_id_t run_id (unsigned n)
{
    ama_id_t id = { { 0 } };
    id.b[14] = (uint8_t) (n >> 8);
    id.b[15] = (uint8_t) n;
    return id;
}

static void path_of (const place_t *place, unsigned run, char path[128])
{
    char id[AMA_ID_TEXT];
    snprintf (path, 128, "%s/%s.log", place->dir, ama_id_text (run_id (run), id));
}

static void open_store (place_t *place)
{
    ama_err_t err = { 0 };
    if (ama_report_store_open (place->dir, false, &place->store, &err) < 0)
        fail_msg ("%s", err.text);
}

static int setup (void **state)
{
    place_t *place = ama_calloc (1, sizeof *place);

    strcpy (place->dir, "/tmp/ama-store-XXXXXX");
    if (!mkdtemp (place->dir))
        return -1;
    open_store (place);
    *state = place;
    return 0;
}

static int teardown (void **state)
{
    place_t *place = *state;
    DIR *dir = opendir (place->dir);

    ama_report_store_close (&place->store);
    for (struct dirent *entry; dir && (entry = readdir (dir));)
        (void) unlinkat (dirfd (dir), entry->d_name, 0);
    closedir (dir);
    rmdir (place->dir);
    free (place);
    return 0;
}

/* A line with about `size` bytes of JSON. */
static void make_line (uint64_t seq, ama_event_type_t type, size_t size, ama_str_t *out)
{
    ama_report_record_t record = { .seq = seq, .prev = seq - 1, .type = type, .source = run_id (1), .no = seq };
    ama_str_t json = { 0 };

    ama_str_printf (&json, "\"n\":%llu,\"x\":\"", (unsigned long long) seq);
    while (json.size < size)
        ama_str_putc (&json, 'x');
    ama_str_putc (&json, '"');
    record.json = json.data;
    record.json_size = json.size;
    ama_report_line_add (&record, out);
    ama_str_done (&json);
}

static void append (ama_report_file_t *file, uint64_t seq, size_t size)
{
    ama_str_t line = { 0 };
    make_line (seq, AMA_EVENT_TYPE_OUTPUT, size, &line);
    assert_int_equal (ama_report_file_append (file, line.data, line.size, NULL), 0);
    ama_str_done (&line);
}

typedef struct {
    uint64_t count, last, ended;
} seen_t;

static void see (const ama_report_record_t *record, void *arg)
{
    seen_t *seen = arg;

    if (record->seq != seen->last + 1)
        seen->count = UINT64_MAX / 2;
    seen->count++;
    seen->last = record->seq;
}

static void see_end (const ama_report_record_t *record, void *arg)
{
    ((seen_t *) arg)->ended = record->seq;
}

static int open_run (const place_t *place, unsigned run, ama_report_file_t **file, seen_t *seen, ama_err_t *err)
{
    *seen = (seen_t){ 0 };
    return ama_report_file_open (place->store, run_id (run), see, see_end, seen, file, err);
}

static ama_report_file_t *opened (const place_t *place, unsigned run, seen_t *seen)
{
    ama_report_file_t *file = NULL;
    ama_err_t err = { 0 };

    if (open_run (place, run, &file, seen, &err) < 0)
        fail_msg ("%s", err.text);
    return file;
}

static void test_no_file_until_something_is_written (void **state)
{
    place_t *place = *state;
    char path[128];
    seen_t seen;
    ama_report_file_t *file = opened (place, 1, &seen);
    char byte;

    path_of (place, 1, path);
    assert_int_equal (access (path, F_OK), -1);
    assert_int_equal (ama_report_file_size (file), 0);
    assert_int_equal (ama_report_file_read (file, 0, &byte, 1, NULL), 0);
    append (file, 1, 10);
    assert_int_equal (access (path, F_OK), 0);
    ama_report_file_close (&file);
    file = opened (place, 1, &seen);
    assert_int_equal (seen.count, 1);
    ama_report_file_close (&file);
}

/* Cut at every byte of the last line: always the same two lines are left, and one can go on. */
static void test_torn_tail (void **state)
{
    place_t *place = *state;
    seen_t seen;
    ama_report_file_t *file = opened (place, 1, &seen);
    uint64_t two, three;
    char path[128];

    path_of (place, 1, path);
    append (file, 1, 40);
    append (file, 2, 40);
    two = ama_report_file_size (file);
    append (file, 3, 40);
    three = ama_report_file_size (file);
    ama_report_file_close (&file);
    for (uint64_t size = three - 1; size >= two; size--) {
        struct stat st;
        assert_int_equal (truncate (path, (off_t) size), 0);
        file = opened (place, 1, &seen);
        assert_int_equal (seen.count, 2);
        assert_int_equal (ama_report_file_size (file), two);
        assert_int_equal (stat (path, &st), 0);
        assert_int_equal (st.st_size, two);
        append (file, 3, 40);
        assert_int_equal (ama_report_file_size (file), three);
        ama_report_file_close (&file);
    }
}

static void test_garbage_tail_and_damage_inside (void **state)
{
    place_t *place = *state;
    seen_t seen;
    ama_report_file_t *file = opened (place, 1, &seen);
    ama_err_t err = { 0 };
    char path[128];
    int fd;

    path_of (place, 1, path);
    for (uint64_t seq = 1; seq <= 3; seq++)
        append (file, seq, 40);
    ama_report_file_close (&file);

    /* zeroes, as a file system may leave them after a power cut */
    fd = open (path, O_WRONLY | O_APPEND);
    assert_int_equal (write (fd, "\0\0\0\0\n\0\0\0", 8), 8);
    close (fd);
    file = opened (place, 1, &seen);
    assert_int_equal (seen.count, 3);
    ama_report_file_close (&file);

    fd = open (path, O_WRONLY);
    assert_int_equal (pwrite (fd, "#", 1, 30), 1);
    close (fd);
    assert_int_equal (open_run (place, 1, &file, &seen, &err), AMA_E_INTEGRITY);
    assert_non_null (strstr (err.text, "damaged at byte 0"));
}

static void test_ended_run_is_read_from_its_end (void **state)
{
    place_t *place = *state;
    seen_t seen;
    ama_report_file_t *file = opened (place, 1, &seen);
    ama_str_t line = { 0 };

    for (uint64_t seq = 1; seq <= 200; seq++)
        append (file, seq, 1000);
    make_line (201, AMA_EVENT_TYPE_RUN_ENDED, 100, &line);
    assert_int_equal (ama_report_file_append (file, line.data, line.size, NULL), 0);
    ama_report_file_close (&file);
    file = opened (place, 1, &seen);
    assert_int_equal (seen.count, 0);
    assert_int_equal (seen.ended, 201);
    ama_report_file_close (&file);
    ama_str_done (&line);
}

/* The last line was on the disk before the power was cut, one before it was not. */
static void test_hole_before_the_end (void **state)
{
    place_t *place = *state;
    seen_t seen;
    ama_report_file_t *file = opened (place, 1, &seen);
    ama_str_t line = { 0 };
    char path[128], zeros[20] = { 0 };
    uint64_t before;
    struct stat st;
    int fd;

    path_of (place, 1, path);
    for (uint64_t seq = 1; seq <= 50; seq++)
        append (file, seq, 1000);
    before = ama_report_file_size (file);
    append (file, 51, 1000);
    make_line (52, AMA_EVENT_TYPE_RUN_ENDED, 100, &line);
    assert_int_equal (ama_report_file_append (file, line.data, line.size, NULL), 0);
    ama_report_file_close (&file);
    fd = open (path, O_WRONLY);
    assert_int_equal (pwrite (fd, zeros, sizeof zeros, (off_t) before + 100), sizeof zeros);
    close (fd);
    file = opened (place, 1, &seen);
    assert_int_equal (seen.count, 50);
    assert_int_equal (seen.ended, 0);
    assert_int_equal (ama_report_file_size (file), before);
    append (file, 51, 1000);
    assert_int_equal (ama_report_file_append (file, line.data, line.size, NULL), 0);
    ama_report_file_close (&file);
    for (int i = 0; i < 2; i++) { /* read whole, then believed */
        file = opened (place, 1, &seen);
        assert_int_equal (seen.count, 0);
        assert_int_equal (seen.ended, 52);
        ama_report_file_close (&file);
        assert_int_equal (stat (path, &st), 0);
        assert_int_equal (st.st_mode & 0777, 0400);
    }
    ama_str_done (&line);
}

/* Every number is found, in files whose lines are of very different length. */
static void test_seek (void **state)
{
    enum { LINES = 400 };
    place_t *place = *state;
    seen_t seen;
    ama_report_file_t *file = opened (place, 1, &seen);
    uint64_t starts[LINES + 2], offset;
    ama_report_record_t record;
    ama_str_t buf = { 0 };

    assert_int_equal (ama_report_file_seek (file, 5, &offset, NULL), 0);
    assert_int_equal (offset, 0);
    for (uint64_t seq = 1; seq <= LINES; seq++) {
        starts[seq] = ama_report_file_size (file);
        append (file, seq, seq == 50 || seq == LINES ? AMA_REPORT_ITEM_JSON_MAX - 20 : seq % 7 * 300 + 10);
    }
    starts[LINES + 1] = ama_report_file_size (file);
    for (uint64_t seq = 0; seq <= LINES + 1; seq++) {
        assert_int_equal (ama_report_file_seek (file, seq, &offset, NULL), 0);
        assert_int_equal (offset, starts[seq ? seq : 1]);
    }
    assert_int_equal (ama_report_file_record (file, 50, &buf, &record, NULL), 0);
    assert_int_equal (record.seq, 50);
    assert_int_equal (ama_report_file_record (file, LINES + 1, &buf, &record, NULL), AMA_E_NOT_FOUND);
    ama_str_done (&buf);
    ama_report_file_close (&file);
}

/* A child writes lines of odd sizes until it is killed: what is left is a whole beginning. */
static void test_killed_writer (void **state)
{
    place_t *place = *state;

    for (unsigned run = 1; run <= 5; run++) {
        char path[128];
        ama_report_file_t *file;
        struct stat st;
        seen_t seen;
        pid_t pid = fork ();

        if (pid == 0) {
            file = opened (place, run, &seen);
            for (uint64_t seq = 1;; seq++)
                append (file, seq, 10 + seq * 7919 % 3000);
        }
        path_of (place, run, path);
        do
            st.st_size = stat (path, &st) == 0 ? st.st_size : 0;
        while (st.st_size < 300000 * (long) run);
        kill (pid, SIGKILL);
        assert_int_equal (waitpid (pid, NULL, 0), pid);
        file = opened (place, run, &seen);
        assert_true (seen.count > 100 && seen.count == seen.last);
        append (file, seen.last + 1, 10);
        ama_report_file_close (&file);
    }
}

static unsigned open_descriptors (void)
{
    DIR *dir = opendir ("/proc/self/fd");
    unsigned count = 0;

    while (readdir (dir))
        count++;
    closedir (dir);
    return count;
}

static void test_many_runs_few_descriptors (void **state)
{
    enum { RUNS = 500 };
    place_t *place = *state;
    ama_report_file_t *files[RUNS];
    unsigned before = open_descriptors ();
    seen_t seen;

    for (unsigned run = 0; run < RUNS; run++)
        files[run] = opened (place, run, &seen);
    for (uint64_t seq = 1; seq <= 3; seq++)
        for (unsigned run = 0; run < RUNS; run++)
            append (files[run], seq, 20 + run);
    assert_true (open_descriptors () <= before + AMA_REPORT_OPEN_MAX);
    for (unsigned run = 0; run < RUNS; run++) {
        ama_report_file_close (&files[run]);
        files[run] = opened (place, run, &seen);
        assert_int_equal (seen.count, 3);
        ama_report_file_close (&files[run]);
    }
    assert_int_equal (open_descriptors (), before);
}

static void test_full_disk_writes_all_or_nothing (void **state)
{
    place_t *place = *state;
    char dir[32] = "/tmp/ama-full-XXXXXX";
    place_t small = { 0 };
    ama_report_file_t *file;
    ama_str_t line = { 0 };
    uint64_t seq, size;
    ama_err_t err = { 0 };
    seen_t seen;
    int rc = 0;

    (void) place;
    assert_non_null (mkdtemp (dir));
    if (mount ("none", dir, "tmpfs", 0, "size=256k") < 0) {
        rmdir (dir);
        skip ();
    }
    strcpy (small.dir, dir);
    open_store (&small);
    file = opened (&small, 1, &seen);
    for (seq = 1; rc == 0; seq++) {
        size = ama_report_file_size (file);
        ama_str_clear (&line);
        make_line (seq, AMA_EVENT_TYPE_OUTPUT, 3000, &line);
        rc = ama_report_file_append (file, line.data, line.size, &err);
    }
    assert_int_equal (rc, AMA_E_NOSPACE);
    assert_int_equal (ama_report_file_size (file), size);
    ama_report_file_close (&file);
    file = opened (&small, 1, &seen);
    assert_int_equal (seen.last, seq - 2);
    ama_report_file_close (&file);
    ama_report_store_close (&small.store);
    assert_int_equal (umount (dir), 0);
    rmdir (dir);
    ama_str_done (&line);
}

static void test_read_only_changes_nothing (void **state)
{
    place_t *place = *state;
    seen_t seen;
    ama_report_file_t *file = opened (place, 1, &seen);
    ama_report_store_t *reader;
    char path[128];
    struct stat st;
    int fd;

    append (file, 1, 40);
    ama_report_file_close (&file);
    path_of (place, 1, path);
    fd = open (path, O_WRONLY | O_APPEND);
    assert_int_equal (write (fd, "torn", 4), 4);
    close (fd);
    assert_int_equal (ama_report_store_open (place->dir, true, &reader, NULL), 0);
    seen = (seen_t){ 0 };
    assert_int_equal (ama_report_file_open (reader, run_id (1), see, see_end, &seen, &file, NULL), 0);
    assert_int_equal (seen.count, 1);
    assert_int_equal (stat (path, &st), 0);
    assert_int_equal (st.st_size, ama_report_file_size (file) + 4);
    ama_report_file_close (&file);
    ama_report_store_close (&reader);
    assert_int_equal (ama_report_store_open ("/nonexistent/reports", true, &reader, NULL), AMA_E_NOT_FOUND);
}

int main (void)
{
#define CASE(name) cmocka_unit_test_setup_teardown (name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE (test_no_file_until_something_is_written),
        CASE (test_torn_tail),
        CASE (test_garbage_tail_and_damage_inside),
        CASE (test_ended_run_is_read_from_its_end),
        CASE (test_hole_before_the_end),
        CASE (test_seek),
        CASE (test_killed_writer),
        CASE (test_many_runs_few_descriptors),
        CASE (test_full_disk_writes_all_or_nothing),
        CASE (test_read_only_changes_nothing),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
