/* reads_test.c - every spelling of a read is found, with its place, and how far it can be trusted; trees of any depth are walked */
#include "actors/planner/reads.h"

#include "actors/base/ama_str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Expected: "line:col action.dataset" with ? for what is no literal, @ before a named dataset, > before one that is written; then ! if a mistake in it is an error, ~ if
 * the context may be another's. */
typedef struct {
    const char *text, *expect;
} case_t;

static const case_t scala[] = {
    { "val a = AmaContext.getDataFrame(\"s\", \"odd\")", "1:9 s.odd!;" },
    { "val a = AmaContext.getRDD[(String, Int)](\"s\", \"odd\").count", "1:9 s.odd!;" },
    { "AmaContext.getDataset[T](\"s\", \"odd\", \"json\")", "1:1 s.odd!;" },
    { "AmaContext.getDataFrame(action = \"s\", name = \"odd\")", "1:1 s.odd!;" },
    { "AmaContext.getDataFrame(name = \"odd\", action = \"s\")", "1:1 s.odd!;" },
    { "AmaContext.getDataFrame(\"\"\"s\"\"\", \"odd\")", "1:1 s.odd!;" },
    { "org.x.AmaContext.getRDD(\"a\", \"b\")", "1:7 a.b!;" },
    { "AmaContext getDataFrame (\"s\", \"odd\")", "1:1 s.odd;" }, /* infix: its other side might not be run */
    { "AmaContext.getDataFrame(s\"$x\", \"odd\")", "1:1 ?.odd!;" },
    { "AmaContext.getDataFrame(\"s\", name)", "1:1 s.?!;" },
    { "val f = AmaContext.getDataFrame _", "1:9 ?.?;" },
    { "import AmaContext._\ngetDataFrame(\"s\", \"odd\")", "2:1 s.odd~;" },
    { "val c = AmaContext; c.getRDD(\"s\", \"odd\")", "1:21 s.odd~;" },
    { "if (x) AmaContext.getDataFrame(\"s\", \"odd\")", "1:8 s.odd;" },
    { "Try(AmaContext.getDataFrame(\"s\", \"odd\"))", "1:5 s.odd;" },
    { "lazy val a = AmaContext.getDataFrame(\"s\", \"odd\")", "1:14 s.odd;" },
    { "def f = AmaContext.getDataFrame(\"s\", \"odd\")", "1:9 s.odd;" },
    { "object AmaContext { }\nAmaContext.getDataFrame(\"s\", \"odd\")", "2:1 s.odd;" },
    { "import mine.AmaContext\nAmaContext.getDataFrame(\"s\", \"odd\")", "2:1 s.odd;" },
    { "import org.apache.amaterasu.executor.runtime.AmaContext\nAmaContext.getDataFrame(\"s\", \"odd\")",
      "2:1 s.odd!;" },
    { "val d = df.where($\"n\" > 1)\nAmaContext.getDataFrame(\"s\", \"odd\")", "2:1 s.odd!;" },
    { "val = )\nAmaContext.getDataFrame(\"s\", \"odd\")", "2:1 s.odd;" }, /* not the grammar's: the lexer finds it */
    { "AmaContext.getDataset(\"trips\")", "1:1 @trips!;" },
    { "AmaContext.persist(\"trips\", df, true)", "1:1 >trips!;" },
    { "df.persist()", "" },
    { "// AmaContext.getRDD(\"a\", \"b\")\nval s = \"AmaContext.getRDD(a)\"", "" },
    { "def getDataFrame(a: String) = 1", "" },
};

static const case_t python[] = {
    { "a = ama_context.get_dataframe(\"s\", 'odd')", "1:5 s.odd!;" },
    { "a = ama_context.get_dataframe(dataset_name='odd', action_name='s', format='json')", "1:5 s.odd!;" },
    { "ama_context.get_dataframe('''s''', r'odd')", "1:1 s.odd!;" },
    { "ama_context.get_dataframe(f's{x}', 'odd')", "1:1 ?.odd!;" },
    { "ama_context.get_dataframe(b's', 'odd')", "1:1 ?.odd!;" },
    { "ama_context.get_dataframe('s' 't', 'o\\x41')", "1:1 ?.?!;" },
    { "ama_context.get_dataframe(*args)", "1:1 ?.?!;" },
    { "ama_context.get_dataframe('s', **more)", "1:1 ?.?!;" },
    { "f = ama_context.get_dataframe", "1:5 ?.?;" },
    { "getattr(ama_context, 'get_dataframe')('s', 'odd')", "1:22 ?.?~;" },
    { "c = AmaContext.builder().build()\nc.get_dataframe('s', 'odd')", "2:1 s.odd~;" },
    { "ama_context = AmaContext.builder().build()\nama_context.get_dataframe('s', 'odd')", "2:1 s.odd!;" },
    { "ama_context = Fake()\nama_context.get_dataframe('s', 'odd')", "2:1 s.odd;" },
    { "try:\n    ama_context.get_dataframe('s', 'odd')\nexcept E: pass", "2:5 s.odd;" },
    { "def f():\n  return ama_context.get_dataframe('s', 'odd')", "2:10 s.odd;" },
    { "x = a or ama_context.get_dataframe('s', 'odd')", "1:10 s.odd;" },
    { "print(ama_context.get_dataframe('s', 'odd').count())", "1:7 s.odd!;" },
    { "ama_context.get_dataset('trips')", "1:1 @trips!;" },
    { "client.get_dataset('trips')", "1:1 @trips~;" },
    { "client.get_dataset(name)", "" },
    { "ama_context.persist('trips', df)", "1:1 >trips!;" },
    { "df.persist(level)", "" },
    { "# ama_context.get_dataframe('s', 'odd')\n'''ama_context.get_dataframe'''", "" },
};

static const case_t r[] = {
    { "x <- getDataFrame(\"s\", 'odd')", "1:6 s.odd!;" },
    { "AmaContext$getDataFrame(action = \"s\", name = \"odd\")", "1:1 s.odd!;" },
    { "getDataFrame(\"s\", n)", "1:1 s.?!;" },
    { "getDataFrame(\"s\", paste0(\"o\", \"dd\"))", "1:1 s.?!;" },
    { "get <- getDataFrame", "1:8 ?.?;" },
    { "lapply(names, getDataFrame, action = \"s\")", "1:15 ?.?;" },
    { "do.call(\"getDataFrame\", list(\"s\", \"odd\"))", "1:9 ?.?~;" },
    { "AmaContext[[\"getDataFrame\"]](\"s\", \"odd\")", "1:13 ?.?~;" },
    { "if (a) getDataFrame(\"s\", \"odd\")", "1:8 s.odd;" },
    { "try(getDataFrame(\"s\", \"odd\"))", "1:5 s.odd;" }, /* arguments are promises */
    { "getDataFrame(\"s\", \"odd\") |> head()", "1:1 s.odd;" },
    { "f <- function(x) getDataFrame(x, \"odd\")", "1:18 ?.odd;" },
    { "getDataFrame <- function(...) 1\ngetDataFrame(\"s\", \"odd\")", "2:1 s.odd;" },
    { "library(other)\ngetDataFrame(\"s\", \"odd\")", "2:1 s.odd;" },
    { "AmaContext$getDataset(\"trips\")", "1:1 @trips!;" },
    { "AmaContext$persist(\"trips\", df)", "1:1 >trips!;" },
    { "# getDataFrame(\"s\", \"odd\")", "" },
};

static void on_read (const ama_read_t *read, void *arg)
{
    static const char *const signs[] = { "", "@", ">" };

    ama_str_printf (arg, "%u:%u %s", read->line, read->column, signs[read->kind]);
    if (read->kind == AMA_READS_ACTION)
        ama_str_printf (arg, "%s.", read->action ? read->action : "?");
    ama_str_printf (arg, "%s%s%s;", read->dataset ? read->dataset : "?", read->sure ? "!" : "", read->known ? "" : "~");
}

static void check (ama_tree_language_t language, const case_t *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ama_str_t got = { 0 };
        size_t size = strlen (cases[i].text);
        char *exact = malloc (size); /* so that reading behind the end is seen */
        memcpy (exact, cases[i].text, size);
        assert_int_equal (ama_reads_find (language, exact, size, on_read, &got), 0);
        if (strcmp (got.data ? got.data : "", cases[i].expect) != 0)
            fail_msg ("%s: expected %s, got %s", cases[i].text, cases[i].expect, got.data ? got.data : "");
        free (exact);
        ama_str_done (&got);
    }
}

static void test_scala (void **state)
{
    (void) state;
    check (AMA_TREE_SCALA, scala, ARRAY_SIZE (scala));
}

static void test_python (void **state)
{
    (void) state;
    check (AMA_TREE_PYTHON, python, ARRAY_SIZE (python));
}

static void test_r (void **state)
{
    (void) state;
    check (AMA_TREE_R, r, ARRAY_SIZE (r));
}

/* Brackets as deep as they may be, and too many: nothing recurses, and nothing reaches what the library can not count. */
static void test_deep (void **state)
{
    static const char *const calls[] = { "AmaContext.getDataFrame(\"s\", \"odd\")",
                                         "ama_context.get_dataframe(\"s\", \"odd\")", "getDataFrame(\"s\", \"odd\")" };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (calls); i++)
        for (int deep = 1000; deep <= 100000; deep *= 10)
            for (int closed = 0; closed < 2; closed++) {
                ama_str_t text = { 0 }, got = { 0 };
                for (int k = 0; k < deep; k++)
                    ama_str_putc (&text, '(');
                ama_str_puts (&text, calls[i]);
                for (int k = 0; k < deep && closed; k++)
                    ama_str_putc (&text, ')');
                int rc = ama_reads_find ((ama_tree_language_t) i, text.data, text.size, on_read, &got);
                assert_true (rc == AMA_E_LIMIT || (rc == 0 && deep < 100000));
                if (rc == 0 && closed && deep == 1000)
                    assert_non_null (strstr (got.data ? got.data : "", "s.odd"));
                ama_str_done (&text);
                ama_str_done (&got);
            }
}

static void test_limit (void **state)
{
    ama_str_t text = { 0 }, got = { 0 };

    (void) state;
    ama_str_puts (&text, "ama_context.get_dataframe('s', 'odd')\n");
    while (text.size <= AMA_TREE_SOURCE_MAX)
        ama_str_puts (&text, "# a line of the file that makes it larger than anybody's\n");
    assert_int_equal (ama_reads_find (AMA_TREE_PYTHON, text.data, text.size, on_read, &got), AMA_E_LIMIT);
    assert_int_equal (got.size, 0);
    ama_str_done (&text);
}

static void test_first_error (void **state)
{
    static const struct {
        ama_tree_language_t language;
        const char *text;
        uint32_t line; /* 0: none */
    } cases[] = {
        { AMA_TREE_PYTHON, "x = 1\nif x:\n    y = (2\n", 3 },
        { AMA_TREE_PYTHON, "x = 1\ny = = 2\n", 2 },
        { AMA_TREE_PYTHON, "match x:\n    case [1, *y]: print(f'{y!r:>{z}}')\n", 0 },
        { AMA_TREE_PYTHON, "type A[T] = list[T]\nasync def f(): return [x async for x in y]\nawait f()\n", 0 },
        { AMA_TREE_R, "x <- 1\ny <- (2\n", 2 },
        { AMA_TREE_R, "f <- \\(x) x |> g()\ny <- r\"(a\\b)\"\n`a b` <- 1 %in% 2\n", 0 },
        { AMA_TREE_SCALA, "val a = (1, 2\nval b = 3", 2 },
        { AMA_TREE_SCALA, "val d = df.where($\"n\" > 1)\n  .select($\"a\", 'b)\n", 0 },
        { AMA_TREE_BASH, "echo a\nif true; then\n", 2 },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        uint32_t line = 0, column = 0;
        TSTree *tree;
        assert_int_equal (ama_tree_parse (cases[i].language, cases[i].text, strlen (cases[i].text), &tree), 0);
        bool found = ama_tree_first_error (tree, &line, &column);
        ts_tree_delete (tree);
        if (found != (cases[i].line > 0) || (found && (line > cases[i].line || !column)))
            fail_msg ("%s: line %u, column %u", cases[i].text, line, column);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_scala), cmocka_unit_test (test_python), cmocka_unit_test (test_r),
        cmocka_unit_test (test_deep),  cmocka_unit_test (test_limit),  cmocka_unit_test (test_first_error),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
