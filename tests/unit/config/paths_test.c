/* paths_test.c - default folders as a table: what stands in the environment, where things lie */
#include "config/ama_paths.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONG "/a/very/long/path/that/somebody/really/uses/on/a/build/machine/with/nested/workspaces"

typedef struct {
    const char *label;
    ama_paths_env_t env;
    const char *state, *cache, *endpoint, *config;
} path_case_t;

static const path_case_t cases[] = {
    { "home only",
      { .home = "/home/u", .uid = 7 },
      "/home/u/.local/state/amaterasu",
      "/home/u/.cache/amaterasu",
      "ipc:///tmp/amaterasu-7/hub.sock",
      "/home/u/.config/amaterasu/amad.yaml" },
    { "xdg",
      { .home = "/home/u",
        .xdg_state = "/s",
        .xdg_cache = "/c",
        .xdg_config = "/f/",
        .xdg_runtime = "/run/user/7",
        .uid = 7 },
      "/s/amaterasu",
      "/c/amaterasu",
      "ipc:///run/user/7/amaterasu/hub.sock",
      "/f/amaterasu/amad.yaml" },
    { "relative xdg values do not count",
      { .home = "/home/u", .xdg_state = "s", .xdg_cache = "", .xdg_runtime = "run", .tmp = "/var/tmp", .uid = 7 },
      "/home/u/.local/state/amaterasu",
      "/home/u/.cache/amaterasu",
      "ipc:///var/tmp/amaterasu-7/hub.sock",
      "/home/u/.config/amaterasu/amad.yaml" },
    { "systemd unit, first of a list, no home",
      { .unit_state = "/var/lib/amad:/var/lib/b",
        .unit_cache = "/var/cache/amad",
        .unit_config = "/etc/amad",
        .unit_runtime = "/run/amad",
        .xdg_state = "/s" },
      "/var/lib/amad",
      "/var/cache/amad",
      "ipc:///run/amad/hub.sock",
      "/etc/amad/amad.yaml" },
    { "data dir wins over all but the cache",
      { .data_dir = "/d/", .home = "/home/u", .xdg_state = "/s", .unit_state = "/var/lib/amad" },
      "/d",
      "/home/u/.cache/amaterasu",
      "ipc:///d/run/hub.sock",
      "/d/amad.yaml" },
    { "long data dir: sockets go to a short folder of the user",
      { .data_dir = LONG, .xdg_runtime = "/run/user/7" },
      LONG,
      LONG "/cache",
      "ipc:///run/user/7/amaterasu-6b74f09d445c/hub.sock",
      LONG "/amad.yaml" },
    { "long tmp is not used",
      { .home = "/h", .tmp = LONG, .uid = 7 },
      "/h/.local/state/amaterasu",
      "/h/.cache/amaterasu",
      "ipc:///tmp/amaterasu-7/hub.sock",
      "/h/.config/amaterasu/amad.yaml" },
};

static void test_table (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        ama_paths_t paths;
        ama_err_t err = { 0 };

        print_message ("  %s\n", cases[i].label);
        assert_int_equal (ama_paths_init (&paths, &cases[i].env, &err), 0);
        assert_string_equal (paths.state, cases[i].state);
        assert_string_equal (paths.cache, cases[i].cache);
        assert_string_equal (paths.hub_endpoint, cases[i].endpoint);
        assert_string_equal (paths.config_file, cases[i].config);
        ama_paths_done (&paths);
    }
}

static void test_nothing_set (void **state)
{
    ama_paths_t paths;
    ama_err_t err = { 0 };

    (void) state;
    assert_int_equal (ama_paths_init (&paths, &(ama_paths_env_t){ 0 }, &err), AMA_E_NOT_FOUND);
    assert_non_null (strstr (err.text, "--data-dir"));
}

static void test_relative_data_dir (void **state)
{
    char *cwd = getcwd (NULL, 0), expected[4096];
    ama_paths_t paths;

    (void) state;
    assert_non_null (cwd);
    assert_int_equal (ama_paths_init (&paths, &(ama_paths_env_t){ .data_dir = "d" }, NULL), 0);
    snprintf (expected, sizeof expected, "%s/d", cwd);
    assert_string_equal (paths.state, expected);
    ama_paths_done (&paths);
    free (cwd);
}

static void test_make (void **state)
{
    char folder[] = "/tmp/ama-paths-XXXXXX", data[64], run[80];
    ama_paths_t paths;
    ama_err_t err = { 0 };
    struct stat st;

    (void) state;
    assert_non_null (mkdtemp (folder));
    snprintf (data, sizeof data, "%s/a/b", folder);
    snprintf (run, sizeof run, "%s/run", data);
    assert_int_equal (ama_paths_init (&paths, &(ama_paths_env_t){ .data_dir = data }, &err), 0);
    assert_int_equal (ama_paths_make (&paths, &err), 0);
    assert_int_equal (stat (run, &st), 0);
    assert_int_equal (st.st_mode & 0777, 0700);

    /* opened to others by somebody: closed again */
    assert_int_equal (chmod (run, 0755), 0);
    assert_int_equal (ama_paths_make (&paths, &err), 0);
    assert_int_equal (stat (run, &st), 0);
    assert_int_equal (st.st_mode & 0777, 0700);

    /* a link in its place is refused */
    assert_int_equal (rmdir (run), 0);
    assert_int_equal (symlink ("/tmp", run), 0);
    assert_int_equal (ama_paths_make (&paths, &err), AMA_E_PATH);

    /* a file where a folder should be */
    assert_int_equal (unlink (run), 0);
    assert_int_equal (symlink ("/dev/null", run), 0);
    assert_int_equal (ama_paths_make (&paths, &err), AMA_E_IO);

    unlink (run);
    rmdir (paths.cache);
    rmdir (data);
    snprintf (data, sizeof data, "%s/a", folder);
    rmdir (data);
    assert_int_equal (rmdir (folder), 0);
    ama_paths_done (&paths);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_table),
        cmocka_unit_test (test_nothing_set),
        cmocka_unit_test (test_relative_data_dir),
        cmocka_unit_test (test_make),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
