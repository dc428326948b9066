/* pattern_test.c - expressions that may be compiled, and those that would take all memory */
#include "actors/base/ama_pattern.h"

#include "actors/base/ama_str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void table (void **state)
{
    static const struct {
        const char *pattern;
        bool cheap;
    } cases[] = {
        { "", true },
        { "(connection|read) timed? ?out", true },
        { "In \\[([0-9]+)\\], line ([0-9]+)", true },
        { "^[[:space:]]*[]+]+[^]+]+$", true },
        { "(a+b+)+ (c|d)+ .*?x+?", true },
        { "(a)+(b)+(c)+(d)+(e)+(f)+(g)+(h)+(i)+(j)+(k)+(l)+", true },
        { "\\(\\+\\+\\+\\+\\+\\+\\+\\+\\+\\+\\+\\+\\+\\+\\+\\+", true },
        { "a{3}b{2,5}", true },
        { "[+", true },
        { "a{", true },
        { ")+", true },
        { "(a)\\1", false },
        { "(a{1000}){1000}", false },
        { "a{99999999999999999999}", false },
        { "a++++++++++++++++++++++++++++++", false },
        { "((((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+)+)", false },
        { "((((a{10})+){10})+){10}", false },
        { "o++*++++++++++ny", false },
        { "o++++*++++++++ny", false },
        { "(a*){1000}", false },
        { "(a{0,1}){1000}", false },
        { "(a|){1000}", false },
        { "(|a){1000}", false },
        { "((b||a)+){1000}", false },
        { "(a|b){400}", true },
        { "(a*){200}", true },
        { "(a[*?]\\*){400}", true },
    };
    ama_str_t deep = { 0 };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (ama_pattern_is_cheap (cases[i].pattern) != cases[i].cheap)
            fail_msg ("%s", cases[i].pattern);
    for (int i = 0; i < 100; i++)
        ama_str_putc (&deep, '(');
    assert_false (ama_pattern_is_cheap (deep.data));
    ama_str_done (&deep);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (table) };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
