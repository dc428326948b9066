/* conf_test.c - amad.yaml becomes a struct, and every mistake in it names its line and key */
#include "config/ama_conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_defaults (void **state)
{
    ama_problems_t problems = { 0 };
    ama_amad_conf_t conf;

    (void) state;
    assert_int_equal (ama_amad_conf_load (NULL, &conf, &problems), 0);
    assert_null (conf.data_dir);
    assert_null (conf.fetch.hosts);
    assert_true (conf.resources.cpus <= 0);
    assert_true (!conf.retention.runs && !conf.retention.age_ms);
    assert_int_equal (conf.log.level, AMA_CONF_LOG_LEVEL_INFO);
    assert_int_equal (conf.log.format, AMA_CONF_LOG_FORMAT_TEXT);
    assert_int_equal (problems.count, 0);
    ama_amad_conf_done (&conf);
}

static void test_full (void **state)
{
    static const char text[] = "data-dir: var/amad\n"
                               "resources: {cpus: 2.5, memory: 12g}\n"
                               "fetch:\n"
                               "  schemes: https\n"
                               "  hosts: [git.example.org, '*.example.net']\n"
                               "  sshKey: /etc/key\n"
                               "clusters: {mesos: {secret: {file: x}, roles: [a, b]}}\n"
                               "placement: {fetcher: process}\n"
                               "retention: {runs: 100, age: 12h}\n"
                               "log: {level: debug, format: json}\n";
    ama_problems_t problems = { 0 };
    ama_amad_conf_t conf;

    (void) state;
    assert_int_equal (ama_amad_conf_parse ("amad.yaml", text, sizeof text - 1, "/srv", &conf, &problems), 0);
    assert_string_equal (conf.data_dir, "/srv/var/amad");
    assert_true (conf.resources.cpus > 2.49 && conf.resources.cpus < 2.51);
    assert_int_equal (conf.resources.memory, 12ULL << 30);
    assert_string_equal (conf.fetch.schemes[0], "https");
    assert_null (conf.fetch.schemes[1]);
    assert_string_equal (conf.fetch.hosts[1], "*.example.net");
    assert_string_equal (conf.fetch.ssh_key, "/etc/key");
    assert_string_equal (ama_conf_pair (&conf.clusters, "mesos.secret.file"), "x");
    assert_string_equal (ama_conf_pair (&conf.clusters, "mesos.roles.1"), "b");
    assert_string_equal (ama_conf_pair (&conf.placement, "fetcher"), "process");
    assert_null (ama_conf_pair (&conf.placement, "planner"));
    assert_int_equal (conf.retention.runs, 100);
    assert_int_equal (conf.retention.age_ms, 12 * 3600000LL);
    assert_int_equal (conf.log.level, AMA_CONF_LOG_LEVEL_DEBUG);
    assert_int_equal (conf.log.format, AMA_CONF_LOG_FORMAT_JSON);
    assert_int_equal (problems.errors, 0);
    ama_amad_conf_done (&conf);
    ama_problems_done (&problems);
}

static const struct {
    const char *text, *expect;
} wrong[] = {
    { "data_dri: x\n",
      "amad.yaml:1:1: error: unknown key ‘data_dri’ in amad.yaml (did you mean data-dir?) [AMA-E0020]" },
    { "log:\n  level: loud\n",
      "amad.yaml:2:10: error: log.level is ‘loud’, allowed is one of: error warn info debug trace" },
    { "log: {leevl: info}\n", "amad.yaml:1:7: error: unknown key ‘leevl’ in log (did you mean level?)" },
    { "log: debug\n", "amad.yaml:1:6: error: log must be a map, not text" },
    { "resources: {cpus: -1}\n", "amad.yaml:1:19: error: resources.cpus is ‘-1’, allowed is 0.1 to 4096" },
    { "resources: {memory: 12}\n", "resources.memory is ‘12’, allowed is 64m to 64t (a number alone is bytes)" },
    { "retention: {age: soon}\n", "retention.age must be a duration from 1h to 3650d, not ‘soon’" },
    { "retention: {runs: 0}\n", "retention.runs" },
    { "fetch: {schemes: [https, ftp]}\n", "fetch.schemes: ‘ftp’ is none of: https ssh http file" },
    { "fetch: {hosts: {a: b}}\n", "fetch.hosts must be a list, not a map" },
    { "listen: 'localhost:80'\n", "listen: ‘localhost:80’ is no endpoint (tcp://HOST:PORT or ipc:///PATH)" },
    { "listen: ['tcp://*:99999']\n", "is no endpoint" },
    { "placement: {plannner: thread}\n", "placement: ‘plannner’ is none of: fetcher planner" },
    { "placement: {planner: moon}\n", "placement.planner: ‘moon’ is none of: thread process remote" },
    { "retention: {age: 1d}\nretention: {age: 2d}\n",
      "amad.yaml:2:1: error: the key ‘retention’ stands twice, first on line 1" },
    { "[a]\n", "amad.yaml must be a map, not a list" },
    { "a: [\n", "amad.yaml:2:1: error:" },
};

static void test_wrong (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (wrong); i++) {
        ama_problems_t problems = { 0 };
        ama_amad_conf_t conf;
        ama_str_t text = { 0 };

        assert_true (ama_amad_conf_parse ("amad.yaml", wrong[i].text, strlen (wrong[i].text), "/", &conf, &problems)
                     < 0);
        ama_problems_text (&problems, &text);
        if (!strstr (text.data, wrong[i].expect))
            fail_msg ("%s: expected %s, got %s", wrong[i].text, wrong[i].expect, text.data);
        assert_int_equal (conf.log.format, AMA_CONF_LOG_FORMAT_TEXT);
        ama_amad_conf_done (&conf);
        ama_problems_done (&problems);
        ama_str_done (&text);
    }
}

/* The example says what the defaults are, and every line of it can be switched on. */
static void test_example (void **state)
{
    const char *root = getenv ("AMA_SOURCE_DIR");
    ama_problems_t problems = { 0 };
    ama_amad_conf_t conf;
    ama_str_t text = { 0 };
    char path[4096], line[1024];
    FILE *file;

    (void) state;
    (void) snprintf (path, sizeof path, "%s/config/amad.yaml", root ? root : ".");
    assert_int_equal (ama_amad_conf_load (path, &conf, &problems), 0);
    assert_int_equal (problems.count, 0);
    ama_amad_conf_done (&conf);
    file = fopen (path, "re");
    assert_non_null (file);
    while (fgets (line, sizeof line, file)) /* "#key:" and "#  key:" are options, "# text" is talk */
        ama_str_puts (&text, line[0] == '#' && (line[1] != ' ' || line[2] == ' ') ? line + 1 : line);
    (void) fclose (file);
    assert_int_equal (ama_amad_conf_parse ("amad.yaml", text.data, text.size, "/", &conf, &problems), 0);
    assert_int_equal (problems.errors, 0);
    assert_string_equal (conf.data_dir, "/var/lib/amad");
    assert_string_equal (conf.fetch.local_paths[0], "/srv/git");
    ama_amad_conf_done (&conf);
    ama_problems_done (&problems);
    ama_str_done (&text);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_defaults),
        cmocka_unit_test (test_full),
        cmocka_unit_test (test_wrong),
        cmocka_unit_test (test_example),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
