/* wire_test.c - orders and reports survive the way there; what is no report is refused */
#include "actors/fetcher/fetch_wire.h"
#include "tests/unit/table.h"

static char *text (const char *from)
{
    return ama_strdup (from);
}

static void orders (void **state)
{
    char *helpers[] = { text ("/usr/bin/helper --quiet"), text ("other"), NULL };
    ama_fetch_order_t order = { text ("https://h/x"), text ("main"), text (""), text ("house"), true }, back;
    ama_fetch_settings_t settings, its;
    ama_str_t line = { 0 };
    ama_err_t err = { 0 };

    (void) state;
    ama_fetch_settings_init (&settings);
    settings.cache_dir = text ("/var/cache/\xc3\xa9");
    settings.credential_helpers = helpers;
    settings.files = 7;
    settings.pack_bytes = 1ULL << 40;
    ama_fetch_order_encode (&order, &settings, &line);
    assert_int_equal (line.data[line.size - 1], '\n');
    assert_int_equal (ama_fetch_order_decode (line.data, line.size - 1, &back, &its, &err), 0);
    assert_string_equal (back.url, order.url);
    assert_string_equal (back.ref, "main");
    assert_string_equal (back.commit, "");
    assert_string_equal (back.credential, "house");
    assert_true (back.worktree);
    assert_string_equal (its.cache_dir, settings.cache_dir);
    assert_string_equal (its.credential_helpers[0], helpers[0]);
    assert_null (its.credential_helpers[2]);
    assert_null (its.local_paths);
    assert_null (its.ssh_key);
    assert_int_equal (its.files, 7);
    assert_int_equal (its.depth, 64);
    assert_true (its.pack_bytes == 1ULL << 40);
    ama_fetch_order_done (&back);
    ama_fetch_settings_done (&its);
    ama_fetch_order_done (&order);
    settings.credential_helpers = NULL;
    ama_fetch_settings_done (&settings);
    ama_str_done (&line);
    free (helpers[0]);
    free (helpers[1]);
}

static void reports (void **state)
{
    char *warnings[] = { text ("one"), text ("two") };
    ama_fetch_report_t done = { .kind = AMA_FETCH_DONE,
                                .commit = text ("abc"),
                                .snapshot = text ("/c/s"),
                                .ref = text ("main"),
                                .subject = text ("first"),
                                .files = 3,
                                .bytes = 4,
                                .dirty = true,
                                .warnings = warnings,
                                .n_warnings = 2 },
                       back;
    ama_fetch_report_t failed = { .kind = AMA_FETCH_FAILED, .code = AMA_E_AUTH, .text = text ("no") };
    ama_str_t line = { 0 };

    (void) state;
    ama_fetch_report_encode (&done, &line);
    assert_int_equal (ama_fetch_report_decode (line.data, line.size - 1, &back, NULL), 0);
    assert_int_equal (back.kind, AMA_FETCH_DONE);
    assert_string_equal (back.snapshot, "/c/s");
    assert_int_equal (back.files, 3);
    assert_true (back.dirty && !back.cached);
    assert_int_equal (back.n_warnings, 2);
    assert_string_equal (back.warnings[1], "two");
    ama_fetch_report_done (&back);

    ama_str_clear (&line);
    ama_fetch_report_encode (&failed, &line);
    assert_int_equal (ama_fetch_report_decode (line.data, line.size - 1, &back, NULL), 0);
    assert_int_equal (back.code, AMA_E_AUTH);
    assert_string_equal (back.text, "no");
    ama_fetch_report_done (&back);
    ama_fetch_report_done (&failed);
    done.warnings = NULL;
    done.n_warnings = 0;
    ama_fetch_report_done (&done);
    ama_str_done (&line);
    free (warnings[0]);
    free (warnings[1]);
}

static void refused (void **state)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "3",
        "{}",
        "{\"report\":\"x\"}",
        "{\"report\":\"failed\",\"code\":0}",
        "{\"report\":\"failed\",\"code\":5}",
        "{\"report\":\"failed\",\"code\":-999}",
        "{\"report\":\"failed\"}",
        "{\"report\":\"done\"}",
        "{\"report\":\"done\",\"snapshot\":\"relative\"}",
        "{\"report\":\"done\",\"snapshot\":\"/s\",\"files\":-1}",
        "{\"report\":\"done\",\"snapshot\":\"/s\",\"files\":4294967296}",
        "{\"report\":\"done\",\"snapshot\":\"/s\",\"files\":\"1\"}",
        "{\"report\":\"done\",\"snapshot\":\"/s\",\"dirty\":1}",
        "{\"report\":\"done\",\"snapshot\":\"/s\",\"warnings\":\"x\"}",
        "{\"report\":\"done\",\"snapshot\":\"/s\",\"warnings\":[1]}",
        "{\"report\":\"done\",\"snapshot\":\"/s\\u0000\"}",
        "{\"report\":\"done\",\"snapshot\":\"/s\",\"snapshot\":\"/t\"}",
        "{\"report\":\"done\",\"snapshot\":\"/s\",\"subject\":\"\xff\"}",
        "{\"report\":\"done\",\"snapshot\":\"/s\"} x",
    };
    static char huge[AMA_FETCH_LINE_MAX + 2];
    ama_fetch_report_t report;

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (bad); i++) {
        ama_err_t err = { 0 };
        ROW_ASSERT (bad[i], ama_fetch_report_decode (bad[i], strlen (bad[i]), &report, &err) == AMA_E_DECODE);
        ROW_ASSERT (bad[i], err.text[0]);
    }
    memset (huge, ' ', sizeof huge);
    assert_int_equal (ama_fetch_report_decode (huge, sizeof huge, &report, NULL), AMA_E_DECODE);
}

static void clean_text (void **state)
{
    char *clean = ama_fetch_clean_text ("a\033[2Jb\xc3\xa9", 8, 256);

    (void) state;
    assert_string_equal (clean, "a\\x1b[2Jb\xc3\xa9");
    free (clean);
    clean = ama_fetch_clean_text ("\xc3\xa9\xc3\xa9\xc3\xa9", 6, 5);
    assert_true (strlen (clean) <= 5);
    assert_int_equal (strncmp (clean, "\xc3\xa9\xc3\xa9", 4), 0);
    free (clean);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (orders), cmocka_unit_test (reports),
                                        cmocka_unit_test (refused), cmocka_unit_test (clean_text) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
