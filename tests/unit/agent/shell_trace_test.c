/* shell_trace_test.c - trace records in, steps of top-level statements out, as a table */
#include "agent/runners/shell/shell_trace.h"

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Statements at lines 1, 2-4, 6, 7-8, 10. */
static const char script[] = "a\nb \\\n\\\nc\n\nd\ne \\\nf\n# g\nh\n";

/* A record is +DEPTH:LINE[<TOP][ WORDS], several are separated by ';'. Other text stands for itself. end ok, end bad: the script ends.
 * Expected: +N statement N (from 0) begins, -N it ends; then the open one, its last inner line, n for nested. */
static const struct {
    const char *name;
    const char *records;
    const char *steps;
} cases[] = {
    { "line by line", "+1:1;+1:2;+1:6;+1:7;+1:10;end ok", "+0 -0 +1 -1 +2 -2 +3 -3 +4 -4" },
    { "several commands of one statement", "+1:2;+1:3;+1:4;+1:2", "+0 -0 +1 |1 2" },
    { "definitions are passed", "+1:1;+1:10;end ok", "+0 -0 +1 -1 +2 -2 +3 -3 +4 -4" },
    { "definitions at the end are passed", "+1:6;end ok", "+0 -0 +1 -1 +2 -2 +3 -3 +4 -4" },
    { "after an exit nothing is passed", "+1:1;+1:2 exit 0;end ok", "+0 -0 +1 -1" },
    { "failed: the open one stays", "+1:1;+1:2 false;end bad", "+0 -0 +1 |1 2" },
    { "nothing was traced", "end bad", "" },
    { "inside a function", "+1:6 f;+1:1<6 x;+1:2<6 y", "+0 -0 +1 -1 +2 |2 2n" },
    { "substitution comes first", "+2:1;+1:1;+2:2;+2:5;+1:3", "+0 -0 +1 |1 3" },
    { "substitution with strange lines", "+1:1;+2:2;+2:6;+2:10;+1:4", "+0 -0 +1 |1 4" },
    { "next statement begins with a substitution", "+1:1;+2:6", "+0 -0 +1 -1 +2 |2 6" },
    { "eval counts lines of its own", "+1:1 eval x;+2:1;+2:2;+2:6;+1:6", "+0 -0 +1 -1 +2 |2 6" },
    { "a late background job moves nothing", "+1:6;+1:2;+1:7", "+0 -0 +1 -1 +2 -2 +3 |3 7" },
    { "a trap at exit moves nothing", "+1:10;+1:1 bye;end ok", "+0 -0 +1 -1 +2 -2 +3 -3 +4 -4" },
    { "lines of no statement", "+1:9;+1:5;+1:99", "" },
    { "second lines of words are no records", "+1:1 x='\n+ y\n+ z;+1:6", "+0 -0 +1 -1 +2 |2 6" },
    { "wrong token, no token, no depth", "\n+\x1dtoken 1 |s\x1d x;\n+\x1dTOKEN1 |s\x1d;\nx;\n+;\n++++;", "" },
    { "numbers too large", "+1:9999999999", "" },
};

static void on_step (size_t index, bool begun, void *arg)
{
    ama_str_printf (arg, "%s%c%zu", ((ama_str_t *) arg)->size ? " " : "", begun ? '+' : '-', index);
}

static void play (const char *records, size_t step, ama_str_t *got)
{
    ama_shell_split_t split;
    ama_shell_trace_t *trace;
    ama_shell_at_t at;
    ama_str_t bytes = { 0 };
    char *copy = ama_strdup (records), *save = NULL, end = 0;

    ama_shell_split (&split, script, strlen (script), 1000);
    assert_int_equal (split.count, 5);
    trace = ama_shell_trace_new (&split, "TOKEN", on_step, got);
    for (char *record = strtok_r (copy, ";", &save); record; record = strtok_r (NULL, ";", &save)) {
        int depth, taken = 0;
        char line[16] = "", top[16] = "";

        if (sscanf (record, "+%d:%15[0-9]%n<%15[0-9]%n", &depth, line, &taken, top, &taken) >= 2) {
            for (; depth; depth--)
                ama_str_putc (&bytes, '+');
            ama_str_printf (&bytes, "\x1dTOKEN %s %s|./a b.sh\x1d%s\n", line, top, record + taken);
        }
        else if (ama_str_starts (record, "end "))
            end = record[4];
        else
            ama_str_puts (&bytes, record);
    }
    for (size_t i = 0; i < bytes.size; i += step)
        ama_shell_trace_feed (trace, bytes.data + i, i + step < bytes.size ? step : bytes.size - i);
    if (end)
        ama_shell_trace_end (trace, end == 'o');
    ama_shell_trace_at (trace, &at);
    if (at.index >= 0) {
        ama_str_printf (got, " |%ld %u%s", at.index, at.line, at.nested ? "n" : "");
        assert_string_equal (at.source, "./a b.sh");
    }
    ama_shell_trace_destroy (&trace);
    ama_shell_split_done (&split);
    ama_str_done (&bytes);
    free (copy);
}

static void trace_table (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++)
        for (size_t step = 1; step < 4096; step = step * 3 + 1) {
            ama_str_t got = { 0 };

            play (cases[i].records, step, &got);
            if (strcmp (got.data ? got.data : "", cases[i].steps) != 0)
                fail_msg ("%s, %zu bytes at a time: \"%s\", not \"%s\"", cases[i].name, step, got.data ? got.data : "",
                          cases[i].steps);
            ama_str_done (&got);
        }
}

static void endless_line_is_bounded (void **state)
{
    ama_shell_split_t split;
    ama_shell_trace_t *trace;
    ama_str_t got = { 0 };
    char block[65536];

    (void) state;
    ama_shell_split (&split, script, strlen (script), 1000);
    trace = ama_shell_trace_new (&split, "TOKEN", on_step, &got);
    memset (block, '+', sizeof block);
    for (int i = 0; i < 1000; i++)
        ama_shell_trace_feed (trace, block, sizeof block);
    ama_shell_trace_feed (trace, "\n+\x1dTOKEN 6 |s\x1d x\n", 17);
    assert_string_equal (got.data, "+0 -0 +1 -1 +2");
    ama_str_done (&got);
    ama_shell_trace_destroy (&trace);
    ama_shell_split_done (&split);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (trace_table),
        cmocka_unit_test (endless_line_is_bounded),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
