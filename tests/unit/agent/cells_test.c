/* cells_test.c - files cut into statements, and the places that tracebacks name */
#include "actors/base/ama_str.h"
#include "agent/runners/jupyter/cells.h"
#include "tests/unit/table.h"

/* "line-end_line:code|…" with line feeds as \n */
static const struct {
    const char *text;
    ama_kernel_split_t how;
    const char *marker, *parts;
} cuts[] = {
    { "", AMA_KERNEL_SPLIT_CELLS, "", "" },
    { " \n\n\t\n", AMA_KERNEL_SPLIT_CELLS, "", "" },
    { "a\nb\n", AMA_KERNEL_SPLIT_CELLS, "", "1-2:a/b|" },
    { "# %% one\n\na\n\n#%%\nb\nc\n# %%\n", AMA_KERNEL_SPLIT_CELLS, "", "3-3:a|6-7:b/c|" },
    { "x\n// %%\ny", AMA_KERNEL_SPLIT_CELLS, "", "1-1:x|3-3:y|" },
    { "print('# %%')\n", AMA_KERNEL_SPLIT_CELLS, "", "1-1:print('# %%')|" },
    { "# %%\na\n", AMA_KERNEL_SPLIT_WHOLE, "", "1-2:# %%/a|" },
    { "a\nb\n\n  \n\nc\n", AMA_KERNEL_SPLIT_BLANK, "", "1-2:a/b|6-6:c|" },
    { "a\n\r\nb\r\n", AMA_KERNEL_SPLIT_BLANK, "", "1-1:a|3-3:b|" },
    { "x\nQ a\nb\nQ c\n", AMA_KERNEL_SPLIT_MARKER, "^Q ", "1-1:x|2-3:Q a/b|4-4:Q c|" },
    { "Q a\n", AMA_KERNEL_SPLIT_MARKER, "(", "1-1:Q a|" },
};

static void test_cuts (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cuts); i++) {
        json_t *all = ama_cells_split (cuts[i].text, cuts[i].how, cuts[i].marker), *one;
        ama_str_t out = { 0 };
        size_t n;
        json_array_foreach (all, n, one)
        {
            ama_str_printf (&out, "%d-%d:", (int) json_integer_value (json_object_get (one, "line")),
                            (int) json_integer_value (json_object_get (one, "end_line")));
            for (const char *c = json_string_value (json_object_get (one, "code")); *c; c++)
                ama_str_putc (&out, *c == '\n' ? '/' : *c);
            ama_str_putc (&out, '|');
        }
        assert_string_equal (out.data ? out.data : "", cuts[i].parts);
        ama_str_done (&out);
        json_decref (all);
    }
}

static void test_plain (void **state)
{
    static const char *const table[][2] = { { "", "" },
                                            { "a\033[31mb\033[0mc", "abc" },
                                            { "\033]0;title\ax\033]8;;u\033\\y", "xy" },
                                            { "\033(Bz", "Bz" },
                                            { "end\033", "end" },
                                            { "end\033[3", "end" } };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (table); i++) {
        char *plain = ama_cells_plain (table[i][0], strlen (table[i][0]));
        assert_string_equal (plain, table[i][1]);
        free (plain);
    }
}

static const struct {
    const char *lines, *pattern, *language, *places; /* "execution:line …" */
} tracebacks[] = {
    { "\033[36mCell\033[39m\033[36m \033[39m\033[32mIn[1]\033[39m\033[32m, line 4\033[39m\n ---> 4\n|Cell In[2], line "
      "2, in f(n)\n",
      "", "python", "2:2 1:4 " },
    { "Cell In[1], line 4", "", "R", "" },
    { "Error on line 7 of it|nothing", "on line ([0-9]+)", "R", "0:7 " },
    { "line 0|line 99999999999999999999|line x", "line ([0-9]+)", "", "" },
    { "line 1", "line 1", "", "" },
    { "line 1", "line (", "", "" },
    { "1|2|3|4|5", "^([0-9])$", "", "0:5 0:4 0:3 " },
};

static void test_places (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (tracebacks); i++) {
        char *copy = ama_strdup (tracebacks[i].lines), *rest = copy, *line;
        json_t *lines = json_array ();
        ama_cells_place_t places[3];
        ama_str_t out = { 0 };
        size_t count;

        while ((line = strsep (&rest, "|")))
            (void) json_array_append_new (lines, json_string (line));
        count = ama_cells_places (lines, tracebacks[i].pattern, tracebacks[i].language, places, ARRAY_SIZE (places));
        for (size_t n = 0; n < count; n++)
            ama_str_printf (&out, "%u:%u ", places[n].execution, places[n].line);
        assert_string_equal (out.data ? out.data : "", tracebacks[i].places);
        ama_str_done (&out);
        json_decref (lines);
        free (copy);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_cuts), cmocka_unit_test (test_plain),
                                        cmocka_unit_test (test_places) };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
