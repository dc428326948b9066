/* child_kill_test.c - how child processes are made to end, with all their kin */
#include "tests/unit/runtime/child_scene.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

/* ---- the kill ladder ---- */

static void kill_when_ready (void *arg, int channel)
{
    kid_t *kid = arg;

    if (channel == 1 && !kid->ticks && strchr (said (kid, 1), '\n')) {
        kid->ticks = 1;
        ama_child_kill (kid->child, false);
    }
}

typedef struct {
    const char *name, *script;
    int code, signal;
    int64_t least_ms, most_ms;
    const char *out_end; /* how the output ends */
} ladder_case_t;

static const ladder_case_t ladder[] = {
    { "obeys", "echo ready; exec sleep 60", -1, SIGTERM, 0, 200, "ready\n" },
    { "tidies up and obeys", "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done", 3, 0, 0, 250,
      "bye\n" },
    { "ignores SIGTERM", "trap '' TERM; echo ready; while :; do sleep 0.05; done", -1, SIGKILL, 290, 900, "ready\n" },
    { "a whole family ignores it", "trap '' TERM; sleep 60 & sh -c 'sleep 60 & sleep 60' & echo ready; wait", -1,
      SIGKILL, 290, 900, "ready\n" },
    { "stopped", "echo ready; kill -STOP $$", -1, SIGTERM, 0, 250, "ready\n" },
    { "obeys, but its grandchild does not", "(trap '' TERM; while :; do sleep 0.05; done) & echo ready; exec sleep 60",
      -1, SIGTERM, 0, 250, "ready\n" },
};

static const ladder_case_t *ladder_case;

static void begin_ladder (driver_t *driver)
{
    kid_t *kid = driver->arg;
    ama_child_spec_t spec = { .argv = SH (ladder_case->script), .grace_ms = 300 };

    kid->on_said = kill_when_ready;
    begin_kid (kid, &spec);
}

/* No process of this group but zombies, which wait for init to reap them. */
static bool group_is_empty_now (pid_t group)
{
    DIR *proc = opendir ("/proc");
    bool empty = true;

    assert_non_null (proc);
    for (struct dirent *entry; (entry = readdir (proc));) {
        char path[300], line[512] = "", *after_name, state;
        int fd, parent, its_group;

        (void) snprintf (path, sizeof path, "/proc/%s/stat", entry->d_name);
        if (atoi (entry->d_name) <= 0 || (fd = open (path, O_RDONLY)) < 0)
            continue;
        if (read (fd, line, sizeof line - 1) > 0 && (after_name = strrchr (line, ')'))
            && sscanf (after_name, ") %c %d %d", &state, &parent, &its_group) == 3 && its_group == group
            && state != 'Z')
            empty = false;
        (void) close (fd);
    }
    (void) closedir (proc);
    return empty;
}

/* A killed process needs a moment to be gone. */
static bool group_is_empty (pid_t group)
{
    for (int i = 0; i < 200; i++) {
        if (group_is_empty_now (group))
            return true;
        (void) usleep (5000);
    }
    return false;
}

static pid_t last_pid;

static void begin_ladder_noting_pid (driver_t *driver)
{
    begin_ladder (driver);
    last_pid = ama_child_pid (((kid_t *) driver->arg)->child);
}

static void test_ladder (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (ladder); i++) {
        kid_t kid = { 0 };
        ladder_case = &ladder[i];
        run_kid (&kid, begin_ladder_noting_pid);
        if (kid.end.code != ladder[i].code || kid.end.signal != ladder[i].signal || kid.end.ms < ladder[i].least_ms
            || !ama_str_ends (said (&kid, 1), ladder[i].out_end))
            fail_msg ("%s: code %d signal %d %lld ms \"%s\"", ladder[i].name, kid.end.code, kid.end.signal,
                      (long long) kid.end.ms, said (&kid, 1));
        if (!group_is_empty (last_pid))
            fail_msg ("%s: something is left", ladder[i].name);
        kid_done (&kid);
    }
}

static void begin_timeout (driver_t *driver)
{
    ama_child_spec_t spec = { .argv = SH ("exec sleep 60"), .timeout_ms = 60 };
    begin_kid (driver->arg, &spec);
}

static void test_timeout (void **state)
{
    kid_t kid = { 0 };

    (void) state;
    run_kid (&kid, begin_timeout);
    assert_true (kid.end.timed_out);
    assert_int_equal (kid.end.signal, SIGTERM);
    assert_true (kid.end.ms >= 55);
    kid_done (&kid);
}

/* ---- children that stay, and those that must not ---- */

static void begin_release (driver_t *driver)
{
    kid_t *kid = driver->arg;
    ama_child_spec_t spec = { .argv = SH ("exec sleep 60") };

    begin_kid (kid, &spec);
    last_pid = ama_child_pid (kid->child);
    ama_child_release (&kid->child);
    assert_null (kid->child);
    kid->over = true;
    ama_exit (driver->ctx, 0, NULL);
}

static void test_release (void **state)
{
    kid_t kid = { 0 };

    (void) state;
    run_kid (&kid, begin_release);
    assert_int_equal (kill (last_pid, 0), 0); /* it lives on */
    (void) kill (last_pid, SIGKILL);
    assert_int_equal (waitpid (last_pid, NULL, 0), last_pid);
    kid_done (&kid);
}

static void begin_left_behind (driver_t *driver)
{
    kid_t *kid = driver->arg;
    ama_child_spec_t spec = { .argv = SH ("trap '' TERM; sleep 60 & wait") };

    begin_kid (kid, &spec);
    last_pid = ama_child_pid (kid->child);
    kid->over = true;
    ama_exit (driver->ctx, 0, NULL);
}

static void test_left_behind (void **state)
{
    kid_t kid = { 0 };

    (void) state;
    run_kid (&kid, begin_left_behind);
    assert_true (group_is_empty (last_pid)); /* an actor leaves no process */
    kid_done (&kid);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_ladder),
        cmocka_unit_test (test_timeout),
        cmocka_unit_test (test_release),
        cmocka_unit_test (test_left_behind),
    };
    ama_node_prepare ();
    return cmocka_run_group_tests (tests, NULL, NULL);
}
