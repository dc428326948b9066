/* output_test.c - bytes in, output events out, as a table; and nothing is lost on the way */
#include "agent/runners/output.h"

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BAD "\xef\xbf\xbd"

/* In input '|' ends one read, '!' is a flush, '$' the end. Each event of the result stands in brackets, a partial one in braces. */
static const struct {
    const char *name;
    const char *input;
    const char *events;
} cases[] = {
    { "a line", "abc\n", "[abc]" },
    { "two lines", "a\nb\n", "[a][b]" },
    { "empty lines", "\n\na\n", "[][][a]" },
    { "a line in three reads", "a|b|c\n", "[abc]" },
    { "an unfinished line waits", "a\nb", "[a]" },
    { "and goes out when it has waited", "a\nb!c\n", "[a]{b}[c]" },
    { "nothing to flush", "a\n!!", "[a]" },
    { "unfinished at the end", "a$", "{a}" },
    { "colours and carriage returns stay", "\x1b[1mx\r\n", "[\x1b[1mx\r]" },
    { "not UTF-8", "a\xff\xc0z\n", "[a" BAD BAD "z]" },
    { "a character in two reads", "\xe2\x82|\xac\n", "[\xe2\x82\xac]" },
    { "a flush does not cut a character", "a\xe2\x82!\xac\n", "{a}[\xe2\x82\xac]" },
    { "a character that never comes", "a\xe2\x82!$", "{a}{" BAD BAD "}" },
    { "surrogates and overlong forms", "\xed\xa0\x80\xc0\x80\n", "[" BAD BAD BAD BAD BAD "]" },
    { "many lines share an event", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\nx",
      "[1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17]" },
    { "but not the end of one that began before", "x|1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\n",
      "[x1][2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17]" },
};

static void on_text (const char *text, size_t size, bool partial, void *arg)
{
    assert_int_equal (strlen (text), size);
    assert_true (ama_utf8_valid (text, size));
    ama_str_printf (arg, partial ? "{%s}" : "[%s]", text);
}

static void output_table (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        ama_str_t got = { 0 };
        ama_output_t *output = ama_output_new (on_text, &got);
        const char *at = cases[i].input;

        while (*at) {
            size_t length = strcspn (at, "|!$");
            ama_output_feed (output, at, length);
            at += length;
            if (*at == '!' || *at == '$')
                ama_output_flush (output, *at == '$');
            at += *at != '\0';
        }
        if (strcmp (got.data ? got.data : "", cases[i].events) != 0)
            fail_msg ("%s: %s, not %s", cases[i].name, got.data ? got.data : "", cases[i].events);
        ama_output_destroy (&output);
        ama_str_done (&got);
    }
}

static void on_nul (const char *text, size_t size, bool partial, void *arg)
{
    (void) partial;
    assert_string_equal (text, "a" BAD "b");
    assert_int_equal (size, 5);
    ++*(int *) arg;
}

static void nul_is_replaced (void **state)
{
    int count = 0;
    ama_output_t *output = ama_output_new (on_nul, &count);

    (void) state;
    ama_output_feed (output, "a\0b\n", 4);
    assert_int_equal (count, 1);
    ama_output_destroy (&output);
}

typedef struct {
    ama_str_t text;
    size_t largest;
    size_t events;
} sum_t;

static void on_sum (const char *text, size_t size, bool partial, void *arg)
{
    sum_t *sum = arg;

    ama_str_add (&sum->text, text, size);
    if (!partial)
        ama_str_putc (&sum->text, '\n');
    if (size > sum->largest)
        sum->largest = size;
    sum->events++;
}

/* Lines of all lengths, cut anywhere: the events give back the bytes. */
static void nothing_is_lost (void **state)
{
    ama_str_t all = { 0 };
    uint32_t seed = 7;

    (void) state;
    for (int i = 0; i < 3000; i++) {
        size_t length;
        seed = seed * 1664525 + 1013904223;
        length = i % 500 == 499 ? 200000 : (seed >> 16) % 90;
        for (size_t c = 0; c < length; c++)
            ama_str_puts (&all, c % 7 ? "x" : "\xc3\xa9");
        ama_str_putc (&all, '\n');
    }
    ama_str_puts (&all, "without newline");
    for (size_t step = 1; step < 300000; step = step * 7 + 3) {
        sum_t sum = { 0 };
        ama_output_t *output = ama_output_new (on_sum, &sum);

        for (size_t at = 0; at < all.size; at += step) {
            ama_output_feed (output, all.data + at, at + step < all.size ? step : all.size - at);
            if (at % 11 == 0)
                ama_output_flush (output, false);
        }
        ama_output_flush (output, true);
        assert_int_equal (sum.text.size, all.size);
        assert_memory_equal (sum.text.data, all.data, all.size);
        assert_true (sum.largest <= AMA_OUTPUT_CHUNK);
        if (step > 60000)
            assert_true (sum.events < 600);
        ama_output_destroy (&output);
        ama_str_done (&sum.text);
    }
    ama_str_done (&all);
}

static void an_endless_binary_line_is_bounded (void **state)
{
    sum_t sum = { 0 };
    ama_output_t *output = ama_output_new (on_sum, &sum);
    char block[10000];

    (void) state;
    memset (block, 0x80, sizeof block);
    for (int i = 0; i < 2000; i++) {
        ama_output_feed (output, block, sizeof block);
        assert_true (ama_output_pending (output) <= AMA_OUTPUT_CHUNK);
    }
    ama_output_flush (output, true);
    assert_true (sum.largest <= 131072);
    assert_int_equal (sum.text.size, 3L * 2000 * (long) sizeof block);
    ama_output_destroy (&output);
    ama_str_done (&sum.text);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (output_table),
        cmocka_unit_test (nul_is_replaced),
        cmocka_unit_test (nothing_is_lost),
        cmocka_unit_test (an_endless_binary_line_is_bounded),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
