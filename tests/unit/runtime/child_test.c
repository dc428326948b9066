/* child_test.c - child processes: how they end, what they find, what they say */
#include "tests/unit/runtime/child_scene.h"

#include <fcntl.h>
#include <signal.h>

/* ---- ends, as a table ---- */

typedef struct {
    const char *name, *script;
    int code, signal;
    const char *out, *err;
} end_case_t;

static const end_case_t ends[] = {
    { "true", "exit 0", 0, 0, "", "" },
    { "an exit code", "echo out; echo err >&2; exit 7", 7, 0, "out\n", "err\n" },
    { "the highest code", "exit 255", 255, 0, "", "" },
    { "killed by a signal", "kill -9 $$", -1, SIGKILL, "", "" },
    { "ended by a signal", "kill -15 $$", -1, SIGTERM, "", "" },
    { "bytes that are no text", "printf 'a\\000b\\377'", 0, 0, "a", "" },
    { "no signal is blocked", "grep SigBlk /proc/self/status | tr -s '\\t' ' '", 0, 0, "SigBlk: 0000000000000000\n",
      "" },
    { "no signal is ignored but the two of glibc",
      "set -- $(grep SigIgn /proc/self/status); echo $((0x$2 & 0x7fffffff))", 0, 0, "0\n", "" },
    { "a session of its own", "set -- $(cat /proc/$$/stat); test $5 = $$ && test $6 = $$", 0, 0, "", "" },
    { "no descriptor of ours (3 is the folder)", "exec ls /proc/self/fd", 0, 0, "0\n1\n2\n3\n", "" },
    { "nothing to read", "cat", 0, 0, "", "" },
    { "a grandchild that keeps the pipe", "sleep 5 & echo here", 0, 0, "here\n", "" },
};

static const end_case_t *end_case;

static void begin_end (driver_t *driver)
{
    ama_child_spec_t spec = { .argv = SH (end_case->script) };
    begin_kid (driver->arg, &spec);
}

static void test_ends (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (ends); i++) {
        kid_t kid = { 0 };
        end_case = &ends[i];
        run_kid (&kid, begin_end);
        if (kid.end.code != ends[i].code || kid.end.signal != ends[i].signal
            || strcmp (said (&kid, 1), ends[i].out) != 0 || strcmp (said (&kid, 2), ends[i].err) != 0)
            fail_msg ("%s: code %d signal %d out \"%s\" err \"%s\"", ends[i].name, kid.end.code, kid.end.signal,
                      said (&kid, 1), said (&kid, 2));
        assert_true (kid.ended[1] && kid.ended[2]);
        assert_false (kid.end.timed_out);
        assert_true (kid.end.max_rss_kb > 0);
        assert_in_range (kid.end.ms, 0, 4000);
        kid_done (&kid);
    }
}

/* ---- starts that fail ---- */

static void begin_missing (driver_t *driver)
{
    static const struct {
        const char *program, *cwd, *file;
        int code;
        const char *text;
    } missing[] = {
        { "no-such-program-here", NULL, NULL, AMA_E_NOT_FOUND, "no-such-program-here: No such file or directory" },
        { "/no/such/program", NULL, NULL, AMA_E_NOT_FOUND, "/no/such/program: No such file or directory" },
        { "true", "/no/such/folder", NULL, AMA_E_NOT_FOUND, "folder /no/such/folder: No such file or directory" },
        { "/etc/passwd", NULL, NULL, AMA_E_IO, "/etc/passwd: Permission denied" },
        { "true", NULL, "/no/such/folder/log", AMA_E_IO, "/no/such/folder/log: No such file or directory" },
    };

    for (size_t i = 0; i < ARRAY_SIZE (missing); i++) {
        const char *argv[] = { missing[i].program, NULL };
        ama_child_spec_t spec = { .argv = argv, .cwd = missing[i].cwd, .stdout_file = missing[i].file };
        ama_err_t err = { 0 };
        assert_null (ama_child_spawn (driver->ctx, &spec, &err));
        assert_int_equal (err.code, missing[i].code);
        assert_string_equal (err.text, missing[i].text);
    }
    ama_exit (driver->ctx, 0, NULL);
}

static void test_missing (void **state)
{
    ama_node_t *node = new_node (&(ama_node_conf_t){ 0 });
    driver_t driver = { .begin = begin_missing };

    (void) state;
    assert_int_equal (drive (node, &driver), 0);
    ama_node_destroy (&node, 1000);
}

/* ---- surroundings ---- */

static void begin_surroundings (driver_t *driver)
{
    static const char *const env[] = { "COLOUR=blue", "PATH=/usr/bin:/bin", NULL };
    ama_child_spec_t spec = { .argv = SH ("pwd; env | grep -c .; echo $COLOUR; cat"),
                              .env = env,
                              .cwd = "/usr",
                              .input = "line\n",
                              .input_size = 5,
                              .stderr_to_stdout = true };
    begin_kid (driver->arg, &spec);
}

static void test_surroundings (void **state)
{
    kid_t kid = { 0 };

    (void) state;
    run_kid (&kid, begin_surroundings);
    assert_string_equal (said (&kid, 1), "/usr\n3\nblue\nline\n"); /* PWD is the shell's own */
    kid_done (&kid);
}

static void begin_fds (driver_t *driver)
{
    ama_child_spec_t spec = { .argv = SH ("echo three >&3; echo six >&6; echo four >&4; exec ls /proc/self/fd"),
                              .extra_fds = 4 };
    begin_kid (driver->arg, &spec);
}

static void test_extra_fds (void **state)
{
    kid_t kid = { 0 };

    (void) state;
    run_kid (&kid, begin_fds);
    assert_string_equal (said (&kid, 1), "0\n1\n2\n3\n4\n5\n6\n7\n"); /* 7 is the folder it lists */
    assert_string_equal (said (&kid, 3), "three\n");
    assert_string_equal (said (&kid, 4), "four\n");
    assert_string_equal (said (&kid, 5), "");
    assert_string_equal (said (&kid, 6), "six\n");
    for (int i = 1; i < CHANNELS; i++)
        assert_true (kid.ended[i]);
    kid_done (&kid);
}

static void begin_file (driver_t *driver)
{
    ama_child_spec_t spec = { .argv = SH ("echo more; echo oops >&2"), .stdout_file = driver->name };
    begin_kid (driver->arg, &spec);
}

static void test_file (void **state)
{
    char folder[64], path[96], content[64] = "";
    kid_t kid = { 0 };
    ama_node_t *node = new_node (&(ama_node_conf_t){ 0 });
    driver_t driver = { .begin = begin_file, .arg = &kid };
    int fd;

    (void) state;
    (void) snprintf (path, sizeof path, "%s/out", temp_folder (folder, sizeof folder));
    for (int i = 0; i < 2; i++) {
        kid.driver = &driver;
        kid.over = kid.ended[2] = false;
        driver.name = path;
        assert_int_equal (drive (node, &driver), 0);
    }
    fd = open (path, O_RDONLY);
    assert_int_equal (read (fd, content, sizeof content), 10);
    (void) close (fd);
    assert_string_equal (content, "more\nmore\n"); /* appended */
    assert_string_equal (said (&kid, 1), "");
    assert_string_equal (said (&kid, 2), "oops\noops\n");
    kid_done (&kid);
    ama_node_destroy (&node, 1000);
    remove_folder (folder);
}

/* ---- input ---- */

static void answer_line (void *arg, int channel)
{
    kid_t *kid = arg;

    if (channel != 1 || kid->ended[1])
        return;
    if (++kid->ticks < 3)
        assert_int_equal (ama_child_write (kid->child, "again\n", 6), 0);
    else
        ama_child_close_input (kid->child);
}

static void begin_talk (driver_t *driver)
{
    kid_t *kid = driver->arg;
    ama_child_spec_t spec = { .argv = SH ("while read line; do echo $line; done; echo end"),
                              .keep_input = true,
                              .input = "first\n",
                              .input_size = 6 };

    kid->on_said = answer_line;
    begin_kid (kid, &spec);
}

static void test_talk (void **state)
{
    kid_t kid = { 0 };

    (void) state;
    run_kid (&kid, begin_talk);
    assert_string_equal (said (&kid, 1), "first\nagain\nagain\nend\n");
    kid_done (&kid);
}

static void begin_deaf (driver_t *driver)
{
    static char much[1 << 20];
    kid_t *kid = driver->arg;
    ama_child_spec_t spec = { .argv = SH ("exec sleep 60"), .keep_input = true };

    begin_kid (kid, &spec);
    assert_int_equal (ama_child_write (kid->child, much, sizeof much), 0);
    assert_int_equal (ama_child_write (kid->child, much, 1), AMA_E_BUSY); /* nobody reads */
    ama_child_close_input (kid->child);
    assert_int_equal (ama_child_write (kid->child, much, 1), AMA_E_CHILD);
    ama_child_kill (kid->child, true);
}

static void test_deaf (void **state)
{
    kid_t kid = { 0 };

    (void) state;
    run_kid (&kid, begin_deaf);
    assert_int_equal (kid.end.signal, SIGKILL);
    kid_done (&kid);
}

/* ---- much output, and a reader that rests ---- */

static void wake_up (void *arg)
{
    kid_t *kid = arg;

    /* while we rested nothing came, and the child could not go on */
    assert_int_equal (kid->said[1].size, kid->ticks);
    assert_false (kid->over);
    kid->on_said = NULL;
    ama_child_pause (kid->child, false);
}

static void rest_once (void *arg, int channel)
{
    kid_t *kid = arg;

    (void) channel;
    if (kid->ticks)
        return;
    kid->ticks = (int) kid->said[1].size;
    ama_child_pause (kid->child, true);
    kid->timer = ama_timer_new (kid->driver->ctx, wake_up, kid);
    ama_timer_after (kid->timer, 400);
}

static void begin_much (driver_t *driver)
{
    kid_t *kid = driver->arg;
    ama_child_spec_t spec = { .argv = SH ("head -c 10000000 /dev/zero") };

    kid->on_said = rest_once;
    begin_kid (kid, &spec);
}

static void test_much_with_a_pause (void **state)
{
    kid_t kid = { 0 };

    (void) state;
    run_kid (&kid, begin_much);
    assert_int_equal (kid.said[1].size, 10000000);
    assert_true (kid.end.ms >= 350);
    kid_done (&kid);
}

static void begin_little (driver_t *driver)
{
    kid_t *kid = driver->arg;
    /* it ends while we rest: what it wrote is not cut off, although the reader takes longer than the cut */
    ama_child_spec_t spec = { .argv = SH ("echo one; sleep 0.1; head -c 60000 /dev/zero") };

    kid->on_said = rest_once;
    begin_kid (kid, &spec);
}

static void test_ended_while_paused (void **state)
{
    kid_t kid = { 0 };

    (void) state;
    run_kid (&kid, begin_little);
    assert_int_equal (kid.said[1].size, 60004);
    kid_done (&kid);
}

static void begin_memory (driver_t *driver)
{
    ama_child_spec_t spec = { .argv = SH ("sleep 0.1; ulimit -v"), .memory_limit = 512 << 20 };
    begin_kid (driver->arg, &spec);
}

static void test_memory_limit (void **state)
{
    kid_t kid = { 0 };

    (void) state;
    run_kid (&kid, begin_memory);
    assert_string_equal (said (&kid, 1), "524288\n");
    kid_done (&kid);
}

/* ---- many ---- */

enum { MANY = 200 };

static void begin_many (driver_t *driver)
{
    kid_t *kids = driver->arg;
    ama_child_spec_t spec = { .argv = SH ("echo $$; exit 9") };

    for (int i = 0; i < MANY; i++) {
        kids[i].driver = driver;
        begin_kid (&kids[i], &spec);
    }
}

static void test_many (void **state)
{
    ama_node_t *node = new_node (&(ama_node_conf_t){ 0 });
    kid_t *kids = ama_calloc (MANY, sizeof *kids);
    driver_t driver = { .begin = begin_many, .arg = kids };
    int left = MANY;

    (void) state;
    for (int i = 0; i < MANY; i++)
        kids[i].left = &left;
    assert_int_equal (drive (node, &driver), 0);
    assert_int_equal (left, 0);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal (kids[i].end.code, 9);
        assert_true (atoi (said (&kids[i], 1)) > 0);
        kid_done (&kids[i]);
    }
    free (kids);
    ama_node_destroy (&node, 1000);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_ends),
        cmocka_unit_test (test_missing),
        cmocka_unit_test (test_surroundings),
        cmocka_unit_test (test_extra_fds),
        cmocka_unit_test (test_file),
        cmocka_unit_test (test_talk),
        cmocka_unit_test (test_deaf),
        cmocka_unit_test (test_much_with_a_pause),
        cmocka_unit_test (test_ended_while_paused),
        cmocka_unit_test (test_memory_limit),
        cmocka_unit_test (test_many),
    };
    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
