/* answer_test.c - the child's lines: what is understood, what makes an answer void, and that cuts do not matter */
#include "actors/resolver/resolve_answer.h"
#include "tests/unit/table.h"

#define FILE_A "file\tg:a:1\t10\t/c/a-1.jar\n"

static const struct {
    const char *what, *lines;
    int code; /* of the whole */
    const char *text;
    size_t files;
} rows[] = {
    { "nothing", "", AMA_E_CHILD, "without an answer", 0 },
    { "no files", "done\t0\t0\n", 0, "", 0 },
    { "a file", FILE_A "done\t1\t3\n", 0, "", 1 },
    { "a classifier", "file\tg:a:1:tests\t10\t/c/a-1-tests.jar\ndone\t1\t0\n", 0, "", 1 },
    { "no end", FILE_A, AMA_E_CHILD, "without an answer", 1 },
    { "half a line", FILE_A "done\t1\t3", AMA_E_CHILD, "without an answer", 1 },
    { "another number of files", FILE_A "done\t2\t3\n", AMA_E_CHILD, "does not fit", 1 },
    { "more after the end", "done\t0\t0\n" FILE_A, AMA_E_CHILD, "after its end", 0 },
    { "two ends", "done\t0\t0\nfailed\tauth\tx\n", AMA_E_CHILD, "after its end", 0 },
    { "a failure", FILE_A "failed\tnot_found\ta:b:1 not found in x\n", AMA_E_NOT_FOUND, "a:b:1 not found in x", 1 },
    { "every class", "failed\tunreachable\t\n", AMA_E_UNREACHABLE, "did not say why", 0 },
    { "", "failed\tauth\ty\n", AMA_E_AUTH, "y", 0 },
    { "", "failed\tintegrity\ty\n", AMA_E_INTEGRITY, "y", 0 },
    { "", "failed\turl\ty\n", AMA_E_URL, "y", 0 },
    { "", "failed\ttimeout\ty\n", AMA_E_TIMEOUT, "y", 0 },
    { "", "failed\tlimit\ty\n", AMA_E_LIMIT, "y", 0 },
    { "", "failed\tnospace\ty\n", AMA_E_NOSPACE, "y", 0 },
    { "", "failed\trequest\ty\n", AMA_E_INVALID, "y", 0 },
    { "", "failed\tsetup\ty\n", AMA_E_UNSUPPORTED, "y", 0 },
    { "", "failed\tio\ty\n", AMA_E_IO, "y", 0 },
    { "an unknown class", "failed\todd\ty\n", AMA_E_CHILD, "no failure", 0 },
    { "no class", "failed\n", AMA_E_CHILD, "no failure", 0 },
    { "a text with controls", "failed\turl\ta\\tb\\nc\x1b[2J\n", AMA_E_URL, "a\\x09b\\x0ac\\x1b[2J", 0 },
    { "an unknown word", "hello\n", AMA_E_CHILD, "a word", 0 },
    { "an empty line", "\n", AMA_E_CHILD, "a word", 0 },
    { "a bad escape", "note\ta\\x\n", AMA_E_CHILD, "escape", 0 },
    { "an unfinished escape", "note\ta\\\n", AMA_E_CHILD, "escape", 0 },
    { "too many values", "note\ta\tb\tc\td\te\n", AMA_E_CHILD, "too many values", 0 },
    { "a note without text", "note\n", AMA_E_CHILD, "no note", 0 },
    { "a negative progress", "progress\t-1\t0\t0\n", AMA_E_CHILD, "no progress", 0 },
    { "a large progress", "progress\t99999999999999999999\t0\t0\n", AMA_E_CHILD, "no progress", 0 },
    { "an odd progress", "progress\t1x\t0\t0\n", AMA_E_CHILD, "no progress", 0 },
    { "a file without path", "file\tg:a:1\t10\n", AMA_E_CHILD, "no file", 0 },
    { "a relative path", "file\tg:a:1\t10\tc/a.jar\n", AMA_E_CHILD, "a path", 0 },
    { "two parts", "file\tg:a\t10\t/c/a.jar\n", AMA_E_CHILD, "no file", 0 },
    { "five parts", "file\tg:a:1:2:3\t10\t/c/a.jar\n", AMA_E_CHILD, "no file", 0 },
    { "an empty part", "file\tg::1\t10\t/c/a.jar\n", AMA_E_CHILD, "no file", 0 },
    { "parts that are paths", "file\tg:../a:1\t10\t/c/a.jar\n", AMA_E_CHILD, "no file", 0 },
    { "an odd version", "file\tg:a:1~rc@2\t10\t/c/a-1.jar\ndone\t1\t3\n", 0, "", 1 },
    { "a quote", "file\tg:a:1'\t10\t/c/a-1.jar\ndone\t1\t3\n", AMA_E_CHILD, "no file", 0 },
    { "parts that are hidden", "file\tg:.a:1\t10\t/c/a.jar\n", AMA_E_CHILD, "no file", 0 },
};

static void feed (ama_resolve_answer_t *answer, const char *lines, size_t step, ama_err_t *err)
{
    size_t size = strlen (lines);

    for (size_t at = 0; at < size; at += step)
        (void) ama_resolve_answer_feed (answer, lines + at, size - at < step ? size - at : step, NULL, NULL,
                                        err->code ? NULL : err);
}

static void table (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++)
        for (size_t step = 1; step < 200; step = step * 2 + 1) {
            ama_resolve_answer_t answer = { 0 };
            ama_err_t voided = { 0 }, err = { 0 };
            feed (&answer, rows[i].lines, step, &voided);
            if (ama_resolve_answer_end (&answer, &err) != rows[i].code)
                fail_msg ("%s (%s): %s %s", rows[i].what, rows[i].lines, ama_err_name (err.code), err.text);
            ROW_ASSERT (rows[i].what,
                        !rows[i].code || strstr (err.text, rows[i].text) || strstr (voided.text, rows[i].text));
            ROW_ASSERT (rows[i].what, answer.n_files == rows[i].files);
            ROW_ASSERT (rows[i].what, answer.broken == (voided.code != 0));
            ama_resolve_answer_done (&answer);
        }
}

static void on_step (const ama_resolve_step_t *step, void *arg)
{
    ama_str_printf (arg, "%s %llu/%llu %llu; ", step->note ? step->note : "-", (unsigned long long) step->done,
                    (unsigned long long) step->total, (unsigned long long) step->bytes);
}

static void steps (void **state)
{
    static const char lines[] = "note\tpreparing\\tit\nprogress\t2\t0\t100\nprogress\t9\t12\t3100000\n";
    ama_resolve_answer_t answer = { 0 };
    ama_str_t log = { 0 };

    (void) state;
    assert_int_equal (ama_resolve_answer_feed (&answer, lines, sizeof lines - 1, on_step, &log, NULL), 0);
    assert_string_equal (log.data, "preparing\\x09it 0/0 0; - 2/0 100; - 9/12 3100000; ");
    ama_resolve_answer_done (&answer);
    ama_str_done (&log);
}

static void values (void **state)
{
    static const char lines[] = "file\torg.x:a_2.13:1.0+b\t4294967296\t/c/a b\\\\c.jar\ndone\t1\t7\n";
    ama_resolve_answer_t answer = { 0 };

    (void) state;
    assert_int_equal (ama_resolve_answer_feed (&answer, lines, sizeof lines - 1, NULL, NULL, NULL), 0);
    assert_string_equal (answer.files[0].coordinates, "org.x:a_2.13:1.0+b");
    assert_string_equal (answer.files[0].path, "/c/a b\\c.jar");
    assert_int_equal (answer.files[0].size, 4294967296);
    assert_int_equal (answer.downloads, 7);
    ama_resolve_answer_done (&answer);
}

static void bounds (void **state)
{
    ama_resolve_answer_t answer = { 0 };
    char *line = ama_malloc (AMA_RESOLVE_LINE_MAX + 2);
    ama_err_t err;

    (void) state;
    memset (line, 'x', AMA_RESOLVE_LINE_MAX + 2);
    assert_int_equal (ama_resolve_answer_feed (&answer, line, AMA_RESOLVE_LINE_MAX + 1, NULL, NULL, &err),
                      AMA_E_DECODE);
    assert_non_null (strstr (err.text, "too long"));
    assert_true (answer.rest.size <= AMA_RESOLVE_LINE_MAX);
    ama_resolve_answer_done (&answer);
    assert_int_equal (ama_resolve_answer_feed (&answer, "no\0te", 5, NULL, NULL, &err), AMA_E_DECODE);
    ama_resolve_answer_done (&answer);
    for (int i = 0; i < 10000; i++)
        assert_int_equal (ama_resolve_answer_feed (&answer, FILE_A, sizeof FILE_A - 1, NULL, NULL, &err), 0);
    assert_int_equal (ama_resolve_answer_feed (&answer, FILE_A, sizeof FILE_A - 1, NULL, NULL, &err), AMA_E_LIMIT);
    assert_int_equal (ama_resolve_answer_end (&answer, &err), AMA_E_LIMIT);
    assert_non_null (strstr (err.text, "more than 10000 files"));
    ama_resolve_answer_done (&answer);
    free (line);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (table), cmocka_unit_test (steps), cmocka_unit_test (values),
                                        cmocka_unit_test (bounds) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
