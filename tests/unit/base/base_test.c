/* base_test.c - tables over actors/base: strings, sizes, durations, ids, digests, times, errors */
#include "actors/base/ama_clock.h"
#include "actors/base/ama_digest.h"
#include "actors/base/ama_id.h"
#include "actors/base/ama_log.h"
#include "actors/base/ama_str.h"
#include "tests/unit/table.h"

static void sizes (void **state)
{
    static const struct {
        const char *text;
        int code;
        uint64_t bytes;
    } rows[] = {
        { "0", 0, 0 },
        { "100", 0, 100 },
        { "512m", 0, 512ULL << 20 },
        { "512MB", 0, 512ULL << 20 },
        { "1.5g", 0, 3ULL << 29 },
        { "2GiB", 0, 2ULL << 30 },
        { "7k", 0, 7168 },
        { "1t", 0, 1ULL << 40 },
        { "", AMA_E_INVALID, 0 },
        { "-1", AMA_E_INVALID, 0 },
        { "m", AMA_E_INVALID, 0 },
        { "1x", AMA_E_INVALID, 0 },
        { "0x10", AMA_E_INVALID, 0 },
        { "1e3", AMA_E_INVALID, 0 },
        { "9999999p", AMA_E_INVALID, 0 },
        { "1 g", AMA_E_INVALID, 0 },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        uint64_t bytes = 0;
        ROW_ASSERT (rows[i].text, ama_parse_size (rows[i].text, &bytes) == rows[i].code);
        ROW_ASSERT (rows[i].text, bytes == rows[i].bytes);
    }
}

static void durations (void **state)
{
    static const struct {
        const char *text;
        int code;
        int64_t ms;
    } rows[] = {
        { "90", 0, 90000 },
        { "90s", 0, 90000 },
        { "1h30m", 0, 5400000 },
        { "PT1H30M", 0, 5400000 },
        { "250ms", 0, 250 },
        { "1d", 0, 86400000 },
        { "1.5s", 0, 1500 },
        { "0", 0, 0 },
        { "", AMA_E_INVALID, 0 },
        { "-1s", AMA_E_INVALID, 0 },
        { "1y", AMA_E_INVALID, 0 },
        { "1h30", AMA_E_INVALID, 0 },
        { "PT", AMA_E_INVALID, 0 },
        { "999999999999d", AMA_E_INVALID, 0 },
        { "P1D", 0, 86400000 },
        { "P1DT1H1.5S", 0, 90001500 },
        { "4.35s", 0, 4350 },
        { "1H30M", 0, 5400000 },
        { "P", AMA_E_INVALID, 0 },
        { "P1DT", AMA_E_INVALID, 0 },
        { "P1H", AMA_E_INVALID, 0 },
        { "PT1D", AMA_E_INVALID, 0 },
        { "0x10s", AMA_E_INVALID, 0 },
        { "1e3s", AMA_E_INVALID, 0 },
        { "1.s", AMA_E_INVALID, 0 },
        { "00000000000000000000000000000000000000001s", AMA_E_INVALID, 0 }, /* 42 characters */
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        int64_t ms = 0;
        ROW_ASSERT (rows[i].text, ama_parse_duration (rows[i].text, &ms) == rows[i].code);
        ROW_ASSERT (rows[i].text, ms == rows[i].ms);
    }
}

static void escapes (void **state)
{
    static const struct {
        const char *name, *text;
        size_t size;
        const char *json, *shown;
    } rows[] = {
        { "plain", "abc", 3, "abc", "abc" },
        { "quotes", "a\"b\\", 4, "a\\\"b\\\\", "a\"b\\" },
        { "controls", "\x1b[2J\n", 5, "\\u001b[2J\\n", "\\x1b[2J\\x0a" },
        { "white space", "a\t\r\n", 4, "a\\t\\r\\n", "a\\x09\\x0d\\x0a" },
        { "nul", "a\0b", 3, "a\\u0000b", "a\\x00b" },
        { "latin-1", "\xe9", 1, "\xef\xbf\xbd", "\\xe9" },
        { "overlong", "\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd", "\\xc0\\xaf" },
        { "bidi", "\xe2\x80\xae", 3, "\xe2\x80\xae", "\\u{202e}" },
        { "umlaut", "\xc3\xbc", 2, "\xc3\xbc", "\xc3\xbc" },
        { "in turn",
          "ab\xc3\xbc"
          "cd\"\x7f"
          "e\xff",
          10,
          "ab\xc3\xbc"
          "cd\\\"\\u007fe\xef\xbf\xbd",
          "ab\xc3\xbc"
          "cd\"\\x7fe\\xff" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_str_t out = { 0 };
        ama_str_json (&out, rows[i].text, rows[i].size);
        ROW_EQUAL (rows[i].name, out.data, rows[i].json);
        ama_str_clear (&out);
        ama_str_escape (&out, rows[i].text, rows[i].size, 80);
        ROW_EQUAL (rows[i].name, out.data, rows[i].shown);
        ama_str_done (&out);
    }
}

static void escape_is_cut (void **state)
{
    ama_str_t out = { 0 };

    (void) state;
    ama_str_escape (&out, "0123456789", 10, 4);
    assert_string_equal (out.data, "0123…");
    ama_str_done (&out);
}

static void utf8 (void **state)
{
    (void) state;
    assert_true (ama_utf8_valid ("", 0));
    assert_true (ama_utf8_valid ("\xf4\x8f\xbf\xbf", 4));
    assert_false (ama_utf8_valid ("\xf4\x90\x80\x80", 4));
    assert_false (ama_utf8_valid ("\xed\xa0\x80", 3));
    assert_false (ama_utf8_valid ("\xe2\x82", 2));
    assert_false (ama_utf8_valid ("\x80", 1));
}

static void growing (void **state)
{
    ama_str_t str = { 0 };
    char *taken;

    (void) state;
    for (int i = 0; i < 1000; i++)
        ama_str_printf (&str, "%d,", i);
    assert_int_equal (str.size, strlen (str.data));
    ama_str_cut (&str, 4);
    assert_int_equal (strncmp (str.data, "2,3,", 4), 0);
    taken = ama_str_take (&str);
    assert_null (str.data);
    free (taken);
    taken = ama_str_take (&str);
    assert_string_equal (taken, "");
    free (taken);
}

static void distances (void **state)
{
    (void) state;
    assert_int_equal (ama_str_distance ("retry", "retry"), 0);
    assert_int_equal (ama_str_distance ("rtery", "retry"), 1);
    assert_int_equal (ama_str_distance ("retries", "retry"), 3);
    assert_int_equal (ama_str_distance ("", "abc"), 3);
}

static void ids (void **state)
{
    static const uint8_t random[10] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
    ama_id_t id = ama_id_make (1767225600000, random), back, earlier, later;
    char text[AMA_ID_TEXT], lower[AMA_ID_TEXT];

    (void) state;
    assert_int_equal (ama_id_ms (id), 1767225600000);
    assert_int_equal (strlen (ama_id_text (id, text)), 26);
    assert_int_equal (ama_id_parse (text, &back), 0);
    assert_true (ama_id_equal (id, back));
    for (size_t i = 0; i < sizeof lower; i++)
        lower[i] = (char) (text[i] >= 'A' ? text[i] + 32 : text[i]);
    assert_int_equal (ama_id_parse (lower, &back), 0);
    assert_true (ama_id_equal (id, back));
    assert_int_equal (ama_id_parse ("8ZZZZZZZZZZZZZZZZZZZZZZZZZ", &back), AMA_E_INVALID); /* 129 bits */
    assert_int_equal (ama_id_parse ("01JDA7", &back), AMA_E_INVALID);
    assert_int_equal (ama_id_parse ("000000000000000000000000000", &back), AMA_E_INVALID); /* 27 of them */
    assert_int_equal (ama_id_parse ("0000000000000000000000000U", &back), AMA_E_INVALID);
    earlier = ama_id_new (1000);
    later = ama_id_new (900); /* the clock went back: ids still rise */
    assert_true (ama_id_compare (earlier, later) < 0);
    assert_true (ama_id_is_zero ((ama_id_t){ { 0 } }));
}

static void digests (void **state)
{
    ama_digest_t digest = ama_digest_of ("abc", 3), back; /* FIPS 180-4, example 1 */
    char text[AMA_DIGEST_TEXT];
    ama_err_t err;

    (void) state;
    assert_string_equal (ama_digest_text (&digest, text),
                         "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal (ama_digest_parse (text, &back), 0);
    assert_true (ama_digest_equal (&digest, &back));
    assert_int_equal (ama_digest_parse ("ba78", &back), AMA_E_INVALID);
    assert_int_equal (ama_digest_file ("/nonexistent", &back, &err), AMA_E_NOT_FOUND);
    assert_non_null (strstr (err.text, "/nonexistent"));
    assert_int_equal (ama_digest_file ("/", &back, &err), AMA_E_IO); /* it can be opened, but not read */
    assert_string_equal (err.text, "/: Is a directory");
}

static void times (void **state)
{
    char text[25], boot[AMA_BOOT_TEXT], again[AMA_BOOT_TEXT];

    (void) state;
    assert_int_equal (strlen (ama_boot_text (boot)), 36);
    assert_string_equal (ama_boot_text (again), boot);
    assert_string_equal (ama_time_text (1769860800123, text), "2026-01-31T12:00:00.123Z");
    assert_string_equal (ama_time_text (0, text), "1970-01-01T00:00:00.000Z");
    assert_string_equal (ama_time_text (1772506985007, text), "2026-03-03T03:03:05.007Z");
    assert_string_equal (ama_time_text (253402300799999, text), "9999-12-31T23:59:59.999Z");
    assert_string_equal (ama_time_text (-5, text), "1970-01-01T00:00:00.000Z");
    assert_string_equal (ama_time_text (INT64_MAX, text), "1970-01-01T00:00:00.000Z");
}

static void log_levels (void **state)
{
    static const char *const names[] = { "error", "warn", "info", "debug", "trace" };
    ama_log_level_t level = AMA_LOG_ERROR;

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (names); i++) {
        ROW_ASSERT (names[i], ama_log_level_parse (names[i], &level) == 0);
        ROW_ASSERT (names[i], level == (ama_log_level_t) i);
    }
    assert_int_equal (ama_log_level_parse ("warning", &level), AMA_E_INVALID);
    assert_int_equal (ama_log_level_parse ("", &level), AMA_E_INVALID);
    assert_int_equal (level, AMA_LOG_TRACE); /* as it was */
}

static void errors (void **state)
{
    ama_err_t err;
    char code[12];

    (void) state;
    assert_int_equal (ama_err_set (&err, AMA_E_PATH, "%s leaves the repository", "../x"), AMA_E_PATH);
    assert_int_equal (ama_err_prefix (&err, "maki.yml:%d", 3), AMA_E_PATH);
    assert_string_equal (err.text, "maki.yml:3: ../x leaves the repository");
    assert_string_equal (ama_err_name (AMA_E_AGAIN), "AMA_E_AGAIN");
    assert_string_equal (ama_err_name (-999), "AMA_E_?");
    assert_string_equal (ama_err_public (AMA_E_PATH, code, sizeof code), "AMA-E0004");
    assert_int_equal (ama_err_set (NULL, AMA_E_PATH, "nobody reads this"), AMA_E_PATH);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (sizes),         cmocka_unit_test (durations), cmocka_unit_test (escapes),
        cmocka_unit_test (escape_is_cut), cmocka_unit_test (utf8),      cmocka_unit_test (growing),
        cmocka_unit_test (distances),     cmocka_unit_test (ids),       cmocka_unit_test (digests),
        cmocka_unit_test (times),         cmocka_unit_test (errors),    cmocka_unit_test (log_levels),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
