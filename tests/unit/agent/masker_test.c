/* masker_test.c - what is masked and what is not, as a table; then: no pieces, values or order of arrival make a difference */
#include "agent/masker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECRET "p@ss w/rd\"7+\xc3\xa4<"

static const struct {
    const char *name;
    const char *secret;
    const char *input; /* '|' ends a piece */
    const char *output;
} cases[] = {
    { "plain", SECRET, "a" SECRET "b", "a***b" },
    { "nothing", SECRET, "nothing of it: p@ss w/rd", "nothing of it: ***" },
    { "in two pieces", "hunter2-hunter3", "x hunter2-|hunter3 y", "x *** y" },
    { "byte by byte", "hunter2-x", "h|u|n|t|e|r|2|-|x|.", "***." },
    { "two in a row are one mark", "hunter2-x", "hunter2-xhunter2-x|hunter2-x", "***" },
    { "overlapping", "abcabcabc", "xabcabcabcabcy", "x***y" },
    { "a beginning that goes on otherwise", "hunter2-hunter3", "hunter2-hunter4", "hunter2-hunter4" },
    { "a beginning inside a beginning", "aaaaaaaab", "aaaaaaaaaaaab", "aaaa***" },
    { "the end of the stream, seven bytes", "hunter2-hunter3", "hunter2", "hunter2" },
    { "the end of the stream, eight bytes", "hunter2-hunter3", "hunter2-", "***" },
    { "cut by dots", "hunter2-hunter3", "|hunter2...|next", "***...next" },
    { "cut by an ellipsis", "hunter2-hunter3", "= hunt \xe2\x80\xa6", "= *** \xe2\x80\xa6" },
    { "cut, in pieces", "hunter2-hunter3", "= hunt| .|.|. and on", "= *** ... and on" },
    { "three bytes are no beginning", "hunter2-hunter3", "hun...", "hun..." },
    { "not cut", "hunter2-hunter3", "hunter. And on", "hunter. And on" },
    { "not cut either", "hunter2-hunter3", "hunter  ...", "hunter  ..." },
    { "JSON", SECRET, "{\"p\":\"p@ss w/rd\\\"7+\xc3\xa4<\"}", "{\"p\":\"***\"}" },
    { "JSON in ASCII", SECRET, "p@ss w/rd\\\"7+\\u00e4<", "***" },
    { "JSON with slashes", SECRET, "p@ss w\\/rd\\\"7+\xc3\xa4<", "***" },
    { "JSON for pages", SECRET, "p@ss w/rd\\\"7+\xc3\xa4\\u003c", "***" },
    { "JSON beyond the first plane", "key-\xf0\x9f\x94\x91-key", "key-\\ud83d\\udd11-key", "***" },
    { "as R and Python print it", "se\"cret\\key", "[1] se\"cret\\\\key", "[1] ***" },
    { "url", SECRET, "?p=p%40ss%20w%2Frd%227%2B%C3%A4%3C&q", "?p=***&q" },
    { "url in small letters", SECRET, "p%40ss%20w%2frd%227%2b%c3%a4%3c", "***" },
    { "form", SECRET, "p%40ss+w%2Frd%227%2B%C3%A4%3C", "***" },
    { "path of a url", SECRET, "p%40ss%20w/rd%227%2B%C3%A4%3C", "***" },
    { "base64", "hunter2-hunter3", "aHVudGVyMi1odW50ZXIz", "***" },
    { "base64 after one byte", "hunter2-hunter3", "eGh1bnRlcjItaHVudGVyMw==", "eG***w==" },
    { "base64 of user:password", "hunter2-hunter3", "Basic dTpodW50ZXIyLWh1bnRlcjM=", "Basic dTp***M=" },
    { "base64 of base64's own letters", "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", "__79_Pv6-fg=", "***g=" },
    { "a line of several", "first-line\r\nx\nlast-line-", "> first-line|\nx\n", "> ***\nx\n" },
    { "all lines", "first-line\nx\nlast-line-", "> first-line|\nx\nlast-|line-\n", "> ***\n" },
};

static void mask_table (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        ama_masker_t *masker = ama_masker_new ();
        ama_mask_stream_t *stream = ama_mask_stream_new (masker);
        ama_str_t got = { 0 };

        assert_int_equal (ama_masker_add (masker, cases[i].secret, strlen (cases[i].secret), NULL), 0);
        for (const char *at = cases[i].input; *at; at += *at == '|') {
            size_t size = strcspn (at, "|");
            ama_mask_stream_feed (stream, at, size, &got);
            at += size;
        }
        ama_mask_stream_end (stream, &got);
        if (strcmp (got.data ? got.data : "", cases[i].output) != 0)
            fail_msg ("%s: '%s', should be '%s'", cases[i].name, got.data, cases[i].output);
        ama_str_done (&got);
        ama_mask_stream_destroy (&stream);
        ama_masker_destroy (&masker);
    }
}

static void bounds (void **state)
{
    static const char large[AMA_MASK_VALUE_MAX + 1] = "x";
    ama_masker_t *masker = ama_masker_new ();
    ama_err_t err = { 0 };
    int rc = 0;

    (void) state;
    assert_true (ama_masker_is_empty (masker));
    assert_null (ama_masker_text (masker, "true"));
    assert_int_equal (ama_masker_add (masker, "1234567", 7, &err), AMA_E_INVALID);
    assert_int_equal (ama_masker_add (masker, large, sizeof large, &err), AMA_E_LIMIT);
    assert_true (ama_masker_is_empty (masker));
    for (int i = 0; i < 1000 && rc == 0; i++) {
        char value[8000];
        for (size_t j = 0; j < sizeof value; j++)
            value[j] = (char) (1 + (j * 7 + (size_t) i * 31 + j * j * (size_t) i) % 31);
        rc = ama_masker_add (masker, value, sizeof value, &err);
    }
    assert_int_equal (rc, AMA_E_LIMIT);
    ama_masker_destroy (&masker);
}

static void whole_texts (void **state)
{
    ama_masker_t *masker = ama_masker_new ();
    char *text;

    (void) state;
    assert_int_equal (ama_masker_add (masker, "hunter2-x", 9, NULL), 0);
    assert_int_equal (ama_masker_add (masker, "hunter2-x", 9, NULL), 0);
    assert_null (ama_masker_text (masker, ""));
    assert_null (ama_masker_text (masker, "hunter2- x"));
    text = ama_masker_text (masker, "a hunter2-x b aHVudGVyMi14 c");
    assert_string_equal (text, "a *** b *** c");
    free (text);
    ama_masker_destroy (&masker);
}

/* What ends inside another value's text is found there, too, although its own letters are all known already. */
static void one_begins_another (void **state)
{
    ama_masker_t *masker = ama_masker_new ();
    char *text;

    (void) state;
    assert_int_equal (ama_masker_add (masker, "password-of-mine", 16, NULL), 0);
    assert_int_equal (ama_masker_add (masker, "my-password-of-old", 18, NULL), 0);
    assert_int_equal (ama_masker_add (masker, "password", 8, NULL), 0);
    text = ama_masker_text (masker, "my-password is password, my-password-of");
    assert_string_equal (text, "my-*** is ***, ***");
    free (text);
    ama_masker_destroy (&masker);
}

/* A retry may find another value, while output of the run is held back. */
static void a_value_comes_later (void **state)
{
    ama_masker_t *masker = ama_masker_new ();
    ama_mask_stream_t *stream = ama_mask_stream_new (masker);
    ama_str_t got = { 0 };

    (void) state;
    ama_mask_stream_feed (stream, "second-1", 8, &got);
    assert_int_equal (ama_masker_add (masker, "first-1st-value", 15, NULL), 0);
    ama_mask_stream_feed (stream, " first-1st-valuefirst-1st", 25, &got);
    assert_int_equal (ama_masker_add (masker, "1st-second", 10, NULL), 0);
    ama_mask_stream_feed (stream, "-second first-1st-value", 23, &got);
    ama_mask_stream_end (stream, &got);
    assert_string_equal (got.data, "second-1 ***first-*** ***");
    ama_str_done (&got);
    ama_mask_stream_destroy (&stream);
    ama_masker_destroy (&masker);
}

/* ---- properties, over a small alphabet in which much overlaps ---- */

static uint64_t seed = 1;

static unsigned pick (unsigned below)
{
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned) (seed >> 33) % below;
}

static void in_pieces (const ama_masker_t *masker, const char *text, size_t size, ama_str_t *out)
{
    ama_mask_stream_t *stream = ama_mask_stream_new (masker);

    for (size_t at = 0, part; at < size; at += part) {
        part = 1 + pick (12);
        part = part < size - at ? part : size - at;
        ama_mask_stream_feed (stream, text + at, part, out);
    }
    ama_mask_stream_end (stream, out);
    ama_mask_stream_destroy (&stream);
}

static void one_story (void)
{
    ama_masker_t *masker = ama_masker_new ();
    char values[4][24], text[400];
    size_t n = 1 + pick (4), size = 0;
    ama_str_t pieces = { 0 };
    char *whole;

    for (size_t i = 0; i < n; i++) {
        size_t length = AMA_MASK_MIN + pick (8);
        for (size_t j = 0; j < length; j++)
            values[i][j] = "ab/ "[pick (pick (2) ? 2 : 4)];
        values[i][length] = '\0';
        assert_int_equal (ama_masker_add (masker, values[i], length, NULL), 0);
    }
    while (size < 300)
        if (pick (3))
            text[size++] = "ab/ .\n"[pick (6)];
        else {
            const char *value = values[pick ((unsigned) n)];
            size_t length = pick (2) ? strlen (value) : pick ((unsigned) strlen (value));
            memcpy (text + size, value, length);
            size += length;
        }
    text[size] = '\0';
    in_pieces (masker, text, size, &pieces);
    whole = ama_masker_text (masker, text);
    assert_string_equal (pieces.data, whole ? whole : text);
    for (size_t i = 0; i < n; i++)
        assert_null (strstr (pieces.data, values[i]));
    free (whole);
    ama_str_done (&pieces);
    ama_masker_destroy (&masker);
}

static void pieces_make_no_difference (void **state)
{
    (void) state;
    for (int i = 0; i < 3000; i++) {
        seed = (uint64_t) i + 1;
        one_story ();
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (mask_table),          cmocka_unit_test (bounds),
        cmocka_unit_test (whole_texts),         cmocka_unit_test (one_begins_another),
        cmocka_unit_test (a_value_comes_later), cmocka_unit_test (pieces_make_no_difference),
    };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
