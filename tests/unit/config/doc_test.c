/* doc_test.c - what the document reader takes, what it refuses, and where it says the problem is */
#include "config/ama_doc.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
    const char *label;
    const char *text;
    size_t size;        /* 0: strlen */
    const char *expect; /* JSON of the root, or "line:col CODE fragment" */
} case_t;

static const case_t cases[] = {
    { "a map", "a: 1\nb: [x, 'y']\n", 0, "{\"a\":1,\"b\":[\"x\",\"y\"]}" },
    { "markers", "---\na: b\n...\n", 0, "{\"a\":\"b\"}" },
    { "types are the reader's", "[on, yes, no, 1.10, 0x10, 1_000, .inf, 007, true, ~, '']", 0,
      "[\"on\",\"yes\",\"no\",1.10,\"0x10\",\"1_000\",\".inf\",\"007\",true,null,\"\"]" },
    { "numbers JSON can not carry", "[12345678901234567890, 1e999, -5, 1., 99999999999999999]", 0,
      "[\"12345678901234567890\",\"1e999\",-5,\"1.\",99999999999999999]" },
    { "core tags", "[!!str 5, !!int 5, !!map {}]", 0, "[\"5\",5,{}]" },
    { "BOM",
      "\xef\xbb\xbf"
      "a: b",
      0, "{\"a\":\"b\"}" },
    { "empty", "", 0, "null" },
    { "only a marker", "---\n", 0, "null" },
    { "only comments", "# nothing\n# here\n", 0, "null" },
    { "aliases", "a: &x [1, 2]\nb: *x\n", 0, "{\"a\":[1,2],\"b\":[1,2]}" },
    { "JSON", "{\n\t\"a\": {\"b\":1},\n\t\"c\": \"\\ud83d\\ude00 \\/\\\\u0041\u2028\"\n}", 0,
      "{\"a\":{\"b\":1},\"c\":\"\U0001F600 /\\\\u0041 \"}" },
    { "duplicate key", "name: a\nflow: []\nname: b\n", 0, "3:1 AMA_E_DUPKEY first on line 1" },
    { "duplicate inside", "a:\n  - {x: 1, y: 2, x: 3}\n", 0, "2:18 AMA_E_DUPKEY first on line 2" },
    { "merge key", "a: &a {x: 1}\nb:\n  <<: *a\n", 0, "3:3 AMA_E_SYNTAX merge keys" },
    { "alias to itself", "a: &x [*x]\n", 0, "1:8 AMA_E_SYNTAX open node" },
    { "merge with itself", "&x {<<: *x}\n", 0, "1:5 AMA_E_SYNTAX merge keys" },
    { "unknown alias", "a: *b\n", 0, "1:4 AMA_E_SYNTAX unknown anchor" },
    { "list as key", "? [a, b]\n: c\n", 0, "1:3 AMA_E_SYNTAX a key that is a list" },
    { "python tag", "a: !!python/object/apply:os.system [id]\n", 0, "1:4 AMA_E_SYNTAX tags are not supported" },
    { "binary tag", "a: !!binary aGk=\n", 0, "1:4 AMA_E_SYNTAX tags" },
    { "local tag", "a: !ruby/object {}\n", 0, "1:4 AMA_E_SYNTAX tags" },
    { "two documents", "a: 1\n---\nb: 2\n", 0, "2:1 AMA_E_SYNTAX second document" },
    { "version", "%YAML 9.9\n---\na: 1\n", 0, "1:1 AMA_E_SYNTAX incompatible" },
    { "escaped NUL", "a: \"x\\0y\"\n", 0, "1:4 AMA_E_SYNTAX NUL" },
    { "raw NUL", "ab: x\0y\n", 8, "1:6 AMA_E_SYNTAX NUL" },
    { "surrogate", "a: \"\\ud800\"\n", 0, "1:7 AMA_E_SYNTAX Unicode" },
    { "latin-1", "a: x\nb: caf\xe9\n", 0, "2:7 AMA_E_SYNTAX not UTF-8" },
    { "UTF-16",
      "\xff\xfe"
      "a\0:\0 \0b\0",
      10, "1:1 AMA_E_SYNTAX UTF-16" },
    { "control character", "a: \x1b[31m\n", 0, "1:4 AMA_E_SYNTAX control characters" },
    { "tab as indentation", "a:\n\t- b\n", 0, "2:1 AMA_E_SYNTAX" },
    { "not closed", "a: [1, 2\nb: 3\n", 0, "2:2 AMA_E_SYNTAX" },
};

static void check_problem (const ama_problems_t *problems, const char *expect)
{
    const ama_problem_t *problem = &problems->items[0];
    char place[64];

    assert_true (problems->errors > 0);
    (void) snprintf (place, sizeof place, "%u:%u %s ", problem->line, problem->column, ama_err_name (problem->code));
    if (strncmp (expect, place, strlen (place) - 1) != 0)
        fail_msg ("expected %s, got %s%s", expect, place, problem->message);
    if (strlen (expect) > strlen (place) && !strstr (problem->message, expect + strlen (place)))
        fail_msg ("expected %s, got %s", expect, problem->message);
}

static void test_table (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        const case_t *c = &cases[i];
        ama_problems_t problems = { 0 };
        ama_str_t json = { 0 };
        ama_doc_t *doc = NULL;
        const char *name = strcmp (c->label, "JSON") == 0 ? "t.json" : "t.yml";
        int rc = ama_doc_parse (name, c->text, c->size ? c->size : strlen (c->text), NULL, &doc, &problems);

        if (rc == 0) {
            ama_yaml_json (ama_doc_root (doc), &json);
            if (strcmp (json.data, c->expect) != 0)
                fail_msg ("%s: expected %s, got %s", c->label, c->expect, json.data);
        }
        else {
            assert_null (doc);
            check_problem (&problems, c->expect);
        }
        ama_str_done (&json);
        ama_doc_destroy (&doc);
        ama_problems_done (&problems);
    }
}

static void repeat (ama_str_t *text, const char *what, size_t times)
{
    for (size_t i = 0; i < times; i++)
        ama_str_puts (text, what);
}

static void expect_limit (const ama_str_t *text, const char *fragment)
{
    ama_problems_t problems = { 0 };
    ama_doc_t *doc = NULL;

    assert_int_equal (ama_doc_parse ("t.yml", text->data, text->size, NULL, &doc, &problems), AMA_E_LIMIT);
    if (!strstr (problems.items[0].message, fragment))
        fail_msg ("expected %s, got %s", fragment, problems.items[0].message);
    ama_problems_done (&problems);
}

static void test_limits (void **state)
{
    ama_str_t text = { 0 };

    (void) state;
    repeat (&text, "[", 50000);
    expect_limit (&text, "depth 32");
    ama_str_clear (&text);
    repeat (&text, "? ", 20000);
    expect_limit (&text, "depth 32");
    ama_str_clear (&text);
    for (int i = 0; i < 100; i++) {
        repeat (&text, " ", (size_t) i);
        ama_str_puts (&text, "a:\n");
    }
    expect_limit (&text, "depth 32");
    ama_str_clear (&text);
    repeat (&text, "- x\n", 50001);
    expect_limit (&text, "50000 nodes");
    ama_str_clear (&text);
    ama_str_puts (&text, "a: ");
    repeat (&text, "x", (64u << 10) + 1);
    expect_limit (&text, "65536");
    ama_str_clear (&text);
    ama_str_puts (&text, "# ");
    repeat (&text, "0123456789abcdef", 300000);
    expect_limit (&text, "4194304 bytes");
    ama_str_clear (&text);
    ama_str_puts (&text, "a: &a [x,x,x,x,x,x,x,x,x,x]\n");
    for (char c = 'b'; c < 'j'; c++)
        ama_str_printf (&text, "%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c - 1, c - 1, c - 1, c - 1,
                        c - 1, c - 1, c - 1, c - 1, c - 1, c - 1);
    expect_limit (&text, "aliases");
    ama_str_clear (&text);
    ama_str_puts (&text, "- &a [[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]\n- [[[[[[[[[[[[[[[[*a]]]]]]]]]]]]]]]]\n");
    expect_limit (&text, "depth 32");
    ama_str_done (&text);
}

static void test_just_inside (void **state)
{
    ama_problems_t problems = { 0 };
    ama_str_t text = { 0 };
    ama_doc_t *doc = NULL;

    (void) state;
    repeat (&text, "[", 32);
    ama_str_puts (&text, "x");
    repeat (&text, "]", 32);
    assert_int_equal (ama_doc_parse ("t.yml", text.data, text.size, NULL, &doc, &problems), 0);
    ama_doc_destroy (&doc);
    ama_str_clear (&text);
    repeat (&text, "- x\n", 49999);
    assert_int_equal (ama_doc_parse ("t.yml", text.data, text.size, NULL, &doc, &problems), 0);
    assert_int_equal (ama_doc_root (doc)->count, 49999);
    ama_doc_destroy (&doc);
    ama_str_done (&text);
}

static void test_positions (void **state)
{
    static const char text[] = "job-name: é x\nflow:\n  - name: a\n    file: b\n";
    ama_problems_t problems = { 0 };
    ama_doc_t *doc = NULL;
    const ama_yaml_t *action;

    (void) state;
    assert_int_equal (ama_doc_parse ("maki.yml", text, sizeof text - 1, NULL, &doc, &problems), 0);
    action = ama_yaml_get (ama_doc_root (doc), "flow")->items[0];
    assert_int_equal (ama_yaml_pair (action, "file")->key->line, 4);
    assert_int_equal (ama_yaml_get (action, "file")->column, 11);
    assert_string_equal (ama_yaml_get (action, "file")->file, "maki.yml");
    assert_null (ama_yaml_get (action, "fil"));
    ama_doc_destroy (&doc);
}

/* A pipe that never ends is read up to the limit, not further. */
static void test_endless_pipe (void **state)
{
    ama_problems_t problems = { 0 };
    ama_doc_t *doc = NULL;
    int fd = open ("/dev/zero", O_RDONLY | O_CLOEXEC);

    (void) state;
    assert_true (fd >= 0);
    assert_int_equal (ama_doc_read ("endless", fd, NULL, &doc, &problems), AMA_E_LIMIT);
    ama_problems_done (&problems);
    (void) close (fd);
}

static void test_missing (void **state)
{
    ama_problems_t problems = { 0 };
    ama_doc_t *doc = NULL;

    (void) state;
    assert_int_equal (ama_doc_load ("/nonexistent/amad.yaml", NULL, &doc, &problems), AMA_E_NOT_FOUND);
    assert_int_equal (ama_doc_load ("/", NULL, &doc, &problems), AMA_E_IO);
    assert_int_equal (problems.errors, 2);
    ama_problems_done (&problems);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_table),     cmocka_unit_test (test_limits),       cmocka_unit_test (test_just_inside),
        cmocka_unit_test (test_positions), cmocka_unit_test (test_endless_pipe), cmocka_unit_test (test_missing),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
