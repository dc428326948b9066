/* tape_test.c - what goes on a tape comes off it, also when it was cut at any byte, and what a cut leaves in the pipe is not lost */
#include "agent/tape.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir_name[] = "/tmp/ama-tape-XXXXXX";
static int dir;

static int set_up (void **state)
{
    (void) state;
    dir = mkdtemp (dir_name) ? open (dir_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    return dir < 0;
}

static int tear_down (void **state)
{
    (void) state;
    (void) unlinkat (dir, "t", 0);
    (void) close (dir);
    return rmdir (dir_name);
}

static ama_tape_t *open_tape (uint64_t most)
{
    ama_tape_t *tape = NULL;

    assert_int_equal (ama_tape_open (dir, "t", most, &tape, NULL), 0);
    return tape;
}

static void make_pipe (int ends[2], const char *bytes)
{
    assert_int_equal (pipe2 (ends, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal (write (ends[1], bytes, strlen (bytes)), (ssize_t) strlen (bytes));
}

/* "S:begin 1:hello T: " and so on. */
static void story (ama_tape_t *tape, char *out, size_t size)
{
    ama_tape_record_t record;
    size_t at = 0;

    out[0] = '\0';
    for (bool more = ama_tape_first (tape, &record); more; more = ama_tape_next (tape, &record))
        at += (size_t) snprintf (out + at, size - at, "%d.%d@%d:%s ", (int) record.kind, record.channel,
                                 (int) record.when_ms, record.bytes);
}

static void record_some (ama_tape_t *tape)
{
    int out[2], err[2];
    char buf[64];

    make_pipe (out, "hello");
    make_pipe (err, "oh");
    ama_tape_note (tape, AMA_TAPE_START, 1, "begin", 5);
    assert_int_equal (ama_tape_take (tape, 1, 2, out[0], buf, sizeof buf), 5);
    assert_memory_equal (buf, "hello", 5);
    assert_int_equal (ama_tape_take (tape, 1, 3, out[0], buf, sizeof buf), -1);
    assert_int_equal (errno, EAGAIN);
    ama_tape_note (tape, AMA_TAPE_TURN, 3, NULL, 0);
    assert_int_equal (ama_tape_take (tape, 2, 4, err[0], buf, 1), 1);
    assert_int_equal (ama_tape_take (tape, 2, 5, err[0], buf, 1), 1);
    (void) close (out[1]);
    assert_int_equal (ama_tape_take (tape, 1, 6, out[0], buf, sizeof buf), 0);
    (void) close (out[0]);
    (void) close (err[0]);
    (void) close (err[1]);
}

static const char all[] = "1.0@1:begin 3.1@2:hello 4.0@3: 3.2@4:o 3.2@5:h ";

static void what_was_recorded (void **state)
{
    ama_tape_t *tape = open_tape (1 << 20);
    char text[256];

    (void) state;
    record_some (tape);
    story (tape, text, sizeof text);
    assert_string_equal (text, all);
    ama_tape_close (&tape);
    tape = open_tape (1 << 20);
    story (tape, text, sizeof text);
    assert_string_equal (text, all);
    ama_tape_clear (tape);
    story (tape, text, sizeof text);
    assert_string_equal (text, "");
    ama_tape_close (&tape);
}

/* Cut at every byte: the story is a beginning of the whole one, and more can be recorded behind it. */
static void cut_anywhere (void **state)
{
    ama_tape_t *tape = open_tape (1 << 20);
    char text[256];
    struct stat st;

    (void) state;
    record_some (tape);
    ama_tape_close (&tape);
    assert_int_equal (fstatat (dir, "t", &st, 0), 0);
    for (off_t size = st.st_size; size >= 0; size--) {
        int fd = openat (dir, "t", O_RDWR | O_CLOEXEC);
        assert_int_equal (ftruncate (fd, size), 0);
        (void) close (fd);
        tape = open_tape (1 << 20);
        story (tape, text, sizeof text);
        assert_memory_equal (text, all, strlen (text) ? strlen (text) - 1 : 0);
        ama_tape_close (&tape);
    }
}

/* Killed in the middle of a splice: the head promises five bytes, two are there, three in the pipe. */
static void the_rest_is_in_the_pipe (void **state)
{
    ama_tape_t *tape = open_tape (1 << 20);
    int ends[2], fd, channel = 0;
    char text[256], buf[8];
    struct stat st;

    (void) state;
    make_pipe (ends, "hello");
    ama_tape_note (tape, AMA_TAPE_START, 1, "begin", 5);
    assert_int_equal (ama_tape_take (tape, 1, 2, ends[0], buf, sizeof buf), 5);
    ama_tape_close (&tape);
    assert_int_equal (fstatat (dir, "t", &st, 0), 0);
    fd = openat (dir, "t", O_RDWR | O_CLOEXEC);
    assert_int_equal (ftruncate (fd, st.st_size - 3), 0);
    (void) close (fd);
    assert_int_equal (write (ends[1], "llo, more", 9), 9);
    tape = open_tape (1 << 20);
    assert_int_equal (ama_tape_missing (tape, &channel), 3);
    assert_int_equal (channel, 1);
    assert_int_equal (ama_tape_complete (tape, ends[0]), 0);
    story (tape, text, sizeof text);
    assert_string_equal (text, "1.0@1:begin 3.1@2:hello ");
    assert_int_equal (ama_tape_take (tape, 1, 3, ends[0], buf, sizeof buf), 6);
    assert_memory_equal (buf, ", more", 6);
    ama_tape_close (&tape);
    (void) close (ends[0]);
    (void) close (ends[1]);
    (void) unlinkat (dir, "t", 0);
}

/* A tape that may not grow is given up; the bytes still come. */
static void too_long (void **state)
{
    ama_tape_t *tape = open_tape (64);
    int ends[2];
    char text[64], buf[8];

    (void) state;
    make_pipe (ends, "hello");
    ama_tape_note (tape, AMA_TAPE_START, 1, "begin", 5);
    assert_int_equal (ama_tape_take (tape, 1, 2, ends[0], buf, 2), 2);
    assert_int_equal (ama_tape_take (tape, 1, 2, ends[0], buf, 8), 3);
    assert_memory_equal (buf, "llo", 3);
    story (tape, text, sizeof text);
    assert_string_equal (text, "");
    ama_tape_close (&tape);
    (void) close (ends[0]);
    (void) close (ends[1]);
}

static void assert_file (const char *want, const char * not )
{
    char bytes[4096];
    int fd = openat (dir, "t", O_RDONLY | O_CLOEXEC);
    ssize_t n = read (fd, bytes, sizeof bytes);

    assert_true (n >= 0);
    assert_true (!want || memmem (bytes, (size_t) n, want, strlen (want)));
    assert_null (memmem (bytes, (size_t) n, not, strlen (not )));
    (void) close (fd);
}

/* What may be secret is in memory that another holds; the file only tells whose it is. */
static void veiled (void **state)
{
    ama_tape_t *tape = open_tape (1 << 20);
    char text[128], buf[64];
    int ends[2], held;

    (void) state;
    make_pipe (ends, "hello");
    ama_tape_note (tape, AMA_TAPE_START, 1, "begin", 5);
    ama_tape_note (tape, AMA_TAPE_CHILD, 2, "child", 5);
    assert_int_equal (ama_tape_take (tape, 1, 3, ends[0], buf, sizeof buf), 5);
    assert_file ("hello", "hunter22");
    held = dup (ama_tape_veil (tape));
    assert_true (held >= 0);
    ama_tape_veiled (tape);
    assert_true (ama_tape_is_veiled (tape));
    assert_int_equal (ama_tape_veil (tape), -1);
    assert_file ("begin", "hello");
    ama_tape_note (tape, AMA_TAPE_SECRET, 4, "hunter22", 8);
    assert_int_equal (write (ends[1], "is hunter22", 11), 11);
    assert_int_equal (ama_tape_take (tape, 2, 5, ends[0], buf, sizeof buf), 11);
    assert_file ("child", "hunter22");
    ama_tape_close (&tape);

    tape = open_tape (1 << 20);
    story (tape, text, sizeof text);
    assert_string_equal (text, "1.0@1:begin 2.0@2:child ");
    ama_tape_unveil (tape, held);
    story (tape, text, sizeof text);
    assert_string_equal (text, "1.0@1:begin 2.0@2:child 3.1@3:hello 12.0@4:hunter22 3.2@5:is hunter22 ");
    ama_tape_clear (tape);
    assert_false (ama_tape_is_veiled (tape));
    ama_tape_note (tape, AMA_TAPE_START, 6, "next", 4);
    story (tape, text, sizeof text);
    assert_string_equal (text, "1.0@6:next ");
    ama_tape_clear (tape);
    ama_tape_close (&tape);
    (void) close (ends[0]);
    (void) close (ends[1]);
}

/* Begun in memory: the file has nothing until it is shown. */
static void veiled_from_the_start (void **state)
{
    ama_tape_t *tape = open_tape (1 << 20);
    char text[64];
    int held = dup (ama_tape_veil (tape));

    (void) state;
    ama_tape_veiled (tape);
    ama_tape_note (tape, AMA_TAPE_START, 1, "begin", 5);
    ama_tape_note (tape, AMA_TAPE_SECRET, 2, "hunter22", 8);
    assert_file (NULL, "begin");
    ama_tape_show (tape, AMA_TAPE_START, 1, "begin", 5);
    assert_file ("begin", "hunter22");
    ama_tape_give_up (tape);
    assert_file (NULL, "begin");
    story (tape, text, sizeof text);
    assert_string_equal (text, "");
    ama_tape_close (&tape);
    (void) close (held);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_was_recorded),
        cmocka_unit_test (cut_anywhere),
        cmocka_unit_test (the_rest_is_in_the_pipe),
        cmocka_unit_test (too_long),
        cmocka_unit_test (veiled),
        cmocka_unit_test (veiled_from_the_start),
    };

    return cmocka_run_group_tests (tests, set_up, tear_down);
}
