/* shell_split_test.c - which lines belong to one top-level command of bash, as a table; and that bash agrees */
#include "agent/runners/shell/shell_split.h"

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *name;
    const char *script;
    const char *lines; /* first-last of each statement */
    bool broken;       /* bash does not accept the whole */
} cases[] = {
    { "nothing", "", "", false },
    { "only comments", "# a\n\n  # b\n", "", false },
    { "one line without newline", "echo a", "1", false },
    { "commands on one line are one", "a; b && c | d\ne", "1 2", false },
    { "comment behind", "a # if\nb", "1 2", false },
    { "hash inside a word", "a#if b\nc", "1 2", false },
    { "continued by backslash", "a \\\n  b\nc", "1-2 3", false },
    { "continued by operator", "a |\nb &&\n\n# why\nc\nd", "1-5 6", false },
    { "if", "if a; then\n b\nelif c\nthen d\nelse\n e\nfi\nf", "1-7 8", false },
    { "reserved words as arguments", "echo if for case {\necho }", "1 2", false },
    { "loops", "for i in 1 2\ndo\n a\ndone\nwhile b; do c; done\nuntil d; do\n e; done < f\ng", "1-4 5 6-7 8", false },
    { "for over arithmetic", "for ((i = 0; i < 2; i++)); do\n a\ndone\nfor ((;;)) { break\n}\nb", "1-3 4-5 6", false },
    { "for without in", "for i\ndo a\ndone\nfor i do\nb; done", "1-3 4-5", false },
    { "select", "select i in a b; do\n break\ndone\nc", "1-3 4", false },
    { "case", "case $x in\n a) b ;;\n (c|d)\n  e\n  ;;\n *) f\nesac\ng", "1-7 8", false },
    { "case falls through", "case $x in a) b ;& c) d ;;& e) f; esac\ng", "1 2", false },
    { "case inside a substitution", "x=$(case a in\n a) echo b;; esac)\nc", "1-2 3", false },
    { "empty case", "case x in\nesac\ny", "1-2 3", false },
    { "group and subshell", "{ a\n b; }\n( c\n d )\ne", "1-2 3-4 5", false },
    { "nested subshells are no arithmetic", "((a); (b\n))\nc", "1-2 3", false },
    { "arithmetic command", "(( x = 1 + (2 * 3),\n y = 2 ))\na", "1-2 3", false },
    { "arithmetic expansion with a shift", "x=$(( 1 << 2 ))\ny=$((x<<3))\nz", "1 2 3", false },
    { "test with regular expression", "[[ $a =~ ^(b|c)\n ]]\n[[ a < b &&\n c ]] && d\ne", "1-2 3-4 5", false },
    { "functions", "f() {\n a\n}\ng ()\n{\n b\n}\nfunction h {\n c\n}\nfunction i() ( d\n)\nj", "1-3 4-7 8-10 11-12 13",
      false },
    { "function with a loop as body", "f() for i in 1; do\n a; done\nb", "1-2 3", false },
    { "function with a redirection", "f() {\n a\n} > /dev/null\nb", "1-3 4", false },
    { "quotes", "a 'x\ny' \"z\n$(b \"c\nd\")\n\" $'e\\'\nf'\ng", "1-6 7", false },
    { "double quotes inside expansion", "a=\"${b:-\"c\nd\"}\"\ne", "1-2 3", false },
    { "quote inside a quoted expansion", "a=\"${b:-'c}\n'}\"\nd", "1-2 3", false },
    { "back quotes", "a=`b\nc`\nd", "1-2 3", false },
    { "process substitution", "a <(b\nc) >(d)\ne", "1-2 3", false },
    { "array", "a=(b # c\n d)\ne+=(f\n)\ndeclare -a g=(\nh )\ni", "1-2 3-4 5-6 7", false },
    { "extended glob", "shopt -s extglob\nls !(a|b) @(c)\nd", "1 2 3", true },
    { "here document", "cat <<X\nif\n\nX\na", "1-4 5", false },
    { "two here documents", "cat <<X <<-'Y Z'\na\nX\n\tb\n\tY Z\nc", "1-5 6", false },
    { "here document in a loop", "while a; do cat <<X\ndone\nX\ndone\nb", "1-4 5", false },
    { "here document in a substitution", "a=$(cat <<X\n)\nX\n)\nb", "1-4 5", false },
    { "here document in a pipeline", "cat <<X |\nb\nX\nc\nd", "1-4 5", false },
    { "quoted and escaped delimiters", "cat <<\"X\"\n$(\nX\ncat <<\\Y\n`\nY\na", "1-3 4-6 7", false },
    { "here string", "cat <<< a\nb <<<\"c\nd\"\ne", "1 2-3 4", false },
    { "redirections", "a >b 2>&1 <c\na &>b\na >|b 3<&-\nd", "1 2 3 4", false },
    { "background", "a &\nb & c\nd", "1 2 3", false },
    { "negation and time", "! if a\nthen b; fi\ntime {\nc; }\nd", "1-2 3-4 5", false },
    { "coproc", "coproc A {\n b\n}\ncoproc c\nd", "1-3 4 5", false },
    { "dollar in odd places", "a $\necho \"$\"\nb $# $$ $!\nc", "1 2 3 4", false },
    { "braces that are words", "a {b,c} ${d} {}\ne", "1 2", false },
    { "carriage returns", "a\r\nb\r\n", "1 2", true },
    { "unfinished quote", "a\nb 'c\nd", "1 2-3", true },
    { "unfinished here document", "a\ncat <<X\nb", "1 2-3", true },
    { "unfinished if", "a\nif b\nc", "1 2-3", true },
    { "stray closers", "}\n)\nfi\na", "1 2 3 4", true },
    { "too deep", "((((((((((\n((((((((((\na", "1-3", true },
};

static void split_table (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        ama_shell_split_t split;
        ama_str_t got = { 0 };

        ama_shell_split (&split, cases[i].script, strlen (cases[i].script), 1000);
        for (size_t s = 0; s < split.count; s++) {
            ama_str_printf (&got, s ? " %u" : "%u", split.items[s].line);
            if (split.items[s].end_line > split.items[s].line)
                ama_str_printf (&got, "-%u", split.items[s].end_line);
        }
        if (strcmp (got.data ? got.data : "", cases[i].lines) != 0)
            fail_msg ("%s: \"%s\", not \"%s\"", cases[i].name, got.data ? got.data : "", cases[i].lines);
        ama_str_done (&got);
        ama_shell_split_done (&split);
    }
}

static int bash_accepts (const char *text, size_t size)
{
    FILE *bash = popen ("bash -n 2> /dev/null", "w");
    int status;

    assert_non_null (bash);
    (void) fwrite (text, 1, size, bash);
    (void) fputc ('\n', bash);
    status = pclose (bash);
    return status == 0;
}

/* Where bash accepts a script, it accepts each statement alone. */
static void bash_agrees (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        ama_shell_split_t split;

        if (cases[i].broken)
            continue;
        if (!bash_accepts (cases[i].script, strlen (cases[i].script)))
            fail_msg ("%s: bash does not accept the case itself", cases[i].name);
        ama_shell_split (&split, cases[i].script, strlen (cases[i].script), 1000);
        for (size_t s = 0; s < split.count; s++)
            if (!bash_accepts (cases[i].script + split.items[s].offset, split.items[s].size))
                fail_msg ("%s: bash does not accept statement %zu alone", cases[i].name, s + 1);
        ama_shell_split_done (&split);
    }
}

static void find_by_line (void **state)
{
    static const char script[] = "a\n\nb \\\nc\n# d\ne";
    static const long expected[] = { -1, 0, -1, 1, 1, -1, 2, -1 };
    ama_shell_split_t split;

    (void) state;
    ama_shell_split (&split, script, strlen (script), 1000);
    for (uint32_t line = 0; line < ARRAY_SIZE (expected); line++)
        assert_int_equal (ama_shell_split_find (&split, line), expected[line]);
    ama_shell_split_done (&split);
}

static void last_one_holds_the_rest (void **state)
{
    static const char script[] = "a\nb\nc\nd\n";
    ama_shell_split_t split;

    (void) state;
    ama_shell_split (&split, script, strlen (script), 2);
    assert_int_equal (split.count, 2);
    assert_int_equal (split.items[1].line, 2);
    assert_int_equal (split.items[1].end_line, 4);
    ama_shell_split_done (&split);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (split_table),
        cmocka_unit_test (bash_agrees),
        cmocka_unit_test (find_by_line),
        cmocka_unit_test (last_one_holds_the_rest),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
