/* scan_test.c - the lexer finds the calls that are there, and none that are not */
#include "actors/planner/scan.h"

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *label, *text, *expect; /* "line:col action.dataset; …" */
} cases[] = {
    { "plain", "val a = AmaContext.getDataFrame(\"start\", \"odd\")", "1:9 start.odd;" },
    { "with a format", "AmaContext.getDataset[T](\"start\", \"odd\", \"json\")", "1:1 start.odd;" },
    { "type arguments", "AmaContext.getRDD[Map[String, (Int, A => B)]](\"a\",\"b\")", "1:1 a.b;" },
    { "a type that does not close", "AmaContext.getRDD[(Int, Int](\"a\",\"b\")", "" },
    { "nested type", "AmaContext.getRDD[Map[String, Int]](\"a\",\"b\")", "1:1 a.b;" },
    { "over lines", "\nAmaContext\n  .getRDD [Int]\n (\n \"a\" ,\n \"b\"\n )", "2:1 a.b;" },
    { "comments inside", "AmaContext/*x*/.getRDD(// y\n\"a\",/* \"c\" */\"b\")", "1:1 a.b;" },
    { "line comment", "// AmaContext.getRDD(\"a\",\"b\")\n", "" },
    { "block comment", "/* /* */ AmaContext.getRDD(\"a\",\"b\") */ AmaContext.getRDD(\"c\",\"d\")", "1:40 c.d;" },
    { "in a string", "\"AmaContext.getRDD(\\\"a\\\",\\\"b\\\")\"", "" },
    { "in a long string", "\"\"\"AmaContext.getRDD(\"a\",\"b\") \" \"\"\"; AmaContext.getRDD(\"c\",\"d\")",
      "1:38 c.d;" },
    { "character literals",
      "val q = '\"'; AmaContext.getRDD(\"a\",\"b\"); val r = '\\''; AmaContext.getRDD(\"c\",\"d\")",
      "1:14 a.b;1:56 c.d;" },
    { "symbols", "$'a'x 'sym AmaContext.getRDD(\"a\",\"b\")", "1:12 a.b;" },
    { "not a literal", "AmaContext.getRDD(a, \"b\"); AmaContext.getRDD(\"a\", b); AmaContext.getRDD(\"a\" + x, \"b\")",
      "" },
    { "expression behind", "AmaContext.getRDD(\"a\", \"b\" + x)", "" },
    { "interpolated", "AmaContext.getRDD(s\"$a\", \"b\")", "" },
    { "escapes", "AmaContext.getRDD(\"a\\tb\", \"b\")", "" },
    { "other names",
      "MyAmaContext.getRDD(\"a\",\"b\"); AmaContext2.getRDD(\"a\",\"b\"); AmaContext.getOther(\"a\",\"b\")", "" },
    { "longer call", "AmaContext.getRDDs(\"a\",\"b\")", "" },
    { "unfinished", "AmaContext.getRDD(\"a", "" },
    { "unfinished type", "AmaContext.getRDD[Int", "" },
    { "unfinished comment", "/* AmaContext", "" },
    { "empty names", "AmaContext.getRDD(\"\", \"b\")", "" },
    { "qualified", "org.x.AmaContext.getRDD(\"a\",\"b\")", "1:7 a.b;" },
    { "only the word", "AmaContext", "" },
};

static void on_hit (const ama_scan_hit_t *hit, void *arg)
{
    ama_str_printf (arg, "%u:%u %s.%s;", hit->line, hit->column, hit->action, hit->dataset);
}

static void test_table (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        ama_str_t got = { 0 };
        size_t size = strlen (cases[i].text);
        char *exact = malloc (size ? size : 1); /* so that reading behind the end is seen */
        memcpy (exact, cases[i].text, size);
        ama_scan_scala (exact, size, on_hit, &got);
        if (strcmp (got.data ? got.data : "", cases[i].expect) != 0)
            fail_msg ("%s: expected %s, got %s", cases[i].label, cases[i].expect, got.data ? got.data : "");
        free (exact);
        ama_str_done (&got);
    }
}

static const struct {
    const char *text, *expect; /* "line:col names; …" */
} sql_cases[] = {
    { "select * from AMACONTEXT_start_odd", "1:15 start_odd;" },
    { "select\n * from amacontext_Start_Odd a,ama_context_b_c", "2:9 Start_Odd;2:32 b_c;" },
    { "`AMACONTEXT_step-1_odd`", "1:1 step-1_odd;" },
    { "-- AMACONTEXT_a_b\n'AMACONTEXT_a_b' \"AMACONTEXT_a_b\" /* AMACONTEXT_a_b\n */ x", "" },
    { "'it''s' AMACONTEXT_a_b '\\' AMACONTEXT_c_d'", "1:9 a_b;" },
    { "MYAMACONTEXT_a_b AMACONTEXT_ AMACONTEXT", "" },
    { "'open AMACONTEXT_a_b", "" },
    { "`open AMACONTEXT_a_b", "" },
    { "/* open AMACONTEXT_a_b", "" },
    { "AMACONTEXT_a_b", "1:1 a_b;" },
    { "", "" },
};

static void on_word (const char *names, uint32_t line, uint32_t column, void *arg)
{
    ama_str_printf (arg, "%u:%u %s;", line, column, names);
}

static void test_sql (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (sql_cases); i++) {
        ama_str_t got = { 0 };
        size_t size = strlen (sql_cases[i].text);
        char *exact = malloc (size ? size : 1);
        memcpy (exact, sql_cases[i].text, size);
        ama_scan_sql (exact, size, on_word, &got);
        if (strcmp (got.data ? got.data : "", sql_cases[i].expect) != 0)
            fail_msg ("%s: expected %s, got %s", sql_cases[i].text, sql_cases[i].expect, got.data ? got.data : "");
        free (exact);
        ama_str_done (&got);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_table), cmocka_unit_test (test_sql) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
