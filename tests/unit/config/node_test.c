/* node_test.c - scalars as types, keys as words, problems as text */
#include "config/ama_doc.h"
#include "config/ama_words.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
    const char *type, *text, *expect; /* expect: the value, or a fragment of the message */
} case_t;

static const case_t cases[] = {
    { "bool", "true", "1" },
    { "bool", "false", "0" },
    { "bool", "yes", "must be true or false, not ‘yes’" },
    { "bool", "'true'", "must be true or false" },
    { "bool", "True", "must be true or false" },
    { "bool", "[]", "not a list" },
    { "int", "3", "3" },
    { "int", "-1", "‘-1’, allowed is 1 to 100" },
    { "int", "1e99", "whole number from 1 to 100, not ‘1e99’" },
    { "int", "0x10", "not ‘0x10’" },
    { "int", "1_000", "not ‘1_000’" },
    { "int", ".inf", "not ‘.inf’" },
    { "int", "yes", "not ‘yes’" },
    { "int", "99999999999999999999999", "allowed is 1 to 100" },
    { "int", "~", "not nothing" },
    { "int", "{}", "not a map" },
    { "double", "0.5", "0.5" },
    { "double", "1e3", "must be a number" },
    { "double", "200", "allowed is 0 to 128" },
    { "double", ".5", "must be a number" },
    { "size", "512m", "536870912" },
    { "size", "1.5g", "1610612736" },
    { "size", "1PB", "‘1PB’, allowed is 1m to 64t" },
    { "size", "512", "allowed is 1m to 64t" },
    { "size", "much", "must be a size" },
    { "duration", "90", "90000" },
    { "duration", "1h30m", "5400000" },
    { "duration", "PT1H30M", "5400000" },
    { "duration", "99999999999", "allowed is 1ms to 30d" },
    { "duration", "0x10s", "must be a duration" },
    { "duration", "soon", "must be a duration from 1ms to 30d, not ‘soon’" },
    { "line", "hello there", "hello there" },
    { "line", "\"a\\nb\"", "control characters: ‘a\\x0ab’" },
    { "line", "\"\\e[31m\"", "control characters" },
    { "line", "\"a\\u202eb\"", "control characters: ‘a\\u{202e}b’" },
    { "line", "\"a\\u2028b\"", "control characters" },
    { "line", "''", "is empty" },
    { "text", "\"a\\nb\"", "a\nb" },
    { "text", "123456789012345678901", "21 bytes, the limit is 20" },
    { "choice", "linear", "1" },
    { "choice", "line", "one of: constant linear exponential" },
};

static int read_as (const char *type, const ama_yaml_t *node, char *out, size_t room, ama_problems_t *problems)
{
    const char *text = "";
    bool flag = false;
    int64_t number = 0;
    uint64_t bytes = 0;
    double real = 0;
    int index = 0, rc;

    if (strcmp (type, "bool") == 0) {
        rc = ama_yaml_bool (node, "x", &flag, problems);
        (void) snprintf (out, room, "%d", flag);
    }
    else if (strcmp (type, "int") == 0) {
        rc = ama_yaml_int (node, "x", 1, 100, &number, problems);
        (void) snprintf (out, room, "%" PRId64, number);
    }
    else if (strcmp (type, "double") == 0) {
        rc = ama_yaml_double (node, "x", 0, 128, &real, problems);
        (void) snprintf (out, room, "%g", real);
    }
    else if (strcmp (type, "size") == 0) {
        rc = ama_yaml_size (node, "x", 1u << 20, 64ULL << 40, &bytes, problems);
        (void) snprintf (out, room, "%" PRIu64, bytes);
    }
    else if (strcmp (type, "duration") == 0) {
        rc = ama_yaml_duration (node, "x", 1, 30LL * 86400000, &number, problems);
        (void) snprintf (out, room, "%" PRId64, number);
    }
    else if (strcmp (type, "choice") == 0) {
        rc = ama_yaml_choice (node, "x", "constant linear exponential", &index, problems);
        (void) snprintf (out, room, "%d", index);
    }
    else {
        rc = strcmp (type, "line") == 0 ? ama_yaml_line (node, "x", 20, &text, problems)
                                        : ama_yaml_text (node, "x", 20, &text, problems);
        (void) snprintf (out, room, "%s", text);
    }
    return rc;
}

static void test_readers (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        ama_problems_t problems = { 0 };
        ama_doc_t *doc = NULL;
        char doc_text[256], got[256];
        int size = snprintf (doc_text, sizeof doc_text, "x: %s\n", cases[i].text), rc;

        assert_int_equal (ama_doc_parse ("t.yml", doc_text, (size_t) size, NULL, &doc, &problems), 0);
        rc = read_as (cases[i].type, ama_yaml_get (ama_doc_root (doc), "x"), got, sizeof got, &problems);
        assert_int_equal (rc<0, problems.errors> 0);
        if (rc < 0 ? !strstr (problems.items[0].message, cases[i].expect) : strcmp (got, cases[i].expect) != 0)
            fail_msg ("%s %s: expected %s, got %s", cases[i].type, cases[i].text, cases[i].expect,
                      rc < 0 ? problems.items[0].message : got);
        ama_doc_destroy (&doc);
        ama_problems_done (&problems);
    }
}

static void test_words (void **state)
{
    static const ama_word_t words[] = { { "max-delay", NULL, 0 },
                                        { "attempts", "tries", 0 },
                                        { "schedule", NULL, AMA_WORD_LATER } };
    static const char text[] = "maxDelay: 1\ntries: 2\nmax_delay: 3\nattemts: 4\nschedule: x\nzzzzzz: 1\n";
    ama_problems_t problems = { 0 };
    ama_slot_t slots[3];
    ama_doc_t *doc = NULL;
    ama_str_t out = { 0 };

    (void) state;
    assert_int_equal (ama_doc_parse ("t.yml", text, sizeof text - 1, NULL, &doc, &problems), 0);
    assert_int_equal (ama_words_match (ama_doc_root (doc), "retry", words, 3, slots, AMA_STRANGERS_ERROR, &problems),
                      AMA_E_INVALID);
    assert_string_equal (slots[0].value->text, "1");
    assert_string_equal (slots[1].value->text, "2");
    ama_problems_sort (&problems);
    ama_problems_text (&problems, &out);
    assert_string_equal (
        out.data,
        "t.yml:3:1: error: ‘max_delay’ is the same key as ‘maxDelay’ on line 1 (two spellings of one key; keep one of "
        "them) [AMA-E0003]\n"
        "t.yml:4:1: error: unknown key ‘attemts’ in retry (did you mean attempts?) [AMA-E0020]\n"
        "t.yml:5:1: warning: schedule is not used yet (it has no effect) [AMA-E0009]\n"
        "t.yml:6:1: error: unknown key ‘zzzzzz’ in retry (known: max-delay attempts schedule) [AMA-E0020]\n");
    ama_str_done (&out);
    ama_doc_destroy (&doc);
    ama_problems_done (&problems);
}

static void test_nearest (void **state)
{
    static const char *const names[] = { "start", "step2", "alert", NULL, "a" };

    (void) state;
    assert_string_equal (ama_nearest ("strat", names, 5), "start");
    assert_string_equal (ama_nearest ("Start", names, 5), "start");
    assert_string_equal (ama_nearest ("step-2", names, 5), "step2");
    assert_null (ama_nearest ("finish", names, 5));
    assert_null (ama_nearest ("b", names, 5));
}

/* Whatever stands in a document, a line of ours stays one line, and short. */
static void test_quoting (void **state)
{
    ama_problems_t problems = { 0 };
    ama_str_t out = { 0 };
    char big[5000];

    (void) state;
    memset (big, '\n', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    (void) ama_problems_add (&problems, false, AMA_E_PATH, "ma\nki.yml", 1, 2, "a\nb", "bad %s\n", AMA_QUOTE (big));
    ama_problems_text (&problems, &out);
    assert_ptr_equal (strchr (out.data, '\n'), out.data + out.size - 1);
    assert_true (out.size < 600);
    ama_str_done (&out);
    ama_problems_done (&problems);
    for (int i = 0; i < AMA_PROBLEMS_MAX + 10; i++)
        (void) ama_problems_add (&problems, false, AMA_E_PATH, "f", 1, 1, NULL, "n");
    assert_int_equal (problems.count, AMA_PROBLEMS_MAX);
    assert_int_equal (problems.errors, AMA_PROBLEMS_MAX + 10);
    ama_problems_done (&problems);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_readers),
        cmocka_unit_test (test_words),
        cmocka_unit_test (test_nearest),
        cmocka_unit_test (test_quoting),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
