/* notebook_test.c - what parameters look like in each language, and where their cell goes */
#include "agent/runners/jupyter/notebook.h"
#include "tests/unit/table.h"

static const struct {
    const char *language, *value, *line; /* NULL: it can not be written */
} values[] = {
    { "python", "\"a\\\"\\\\\\n$é\"", "p = \"a\\\"\\\\\\n$é\"" },
    { "python", "[true, null, 1.5, {\"k\": -3}]", "p = [True, None, 1.5, {\"k\": -3}]" },
    { "R", "[false, null, {\"k\": \"v\"}]", "p = list(FALSE, NULL, list(\"k\" = \"v\"))" },
    { "bash", "\"it's $x\"", "p='it'\\''s $x'" },
    { "bash", "12", "p=12" },
    { "bash", "[1]", NULL },
    { "scala", "{\"a\": [1]}", "val p = Map(\"a\" -> Seq(1))" },
    { "julia", "\"$x\"", "p = \"\\$x\"" },
    { "python", "no json", "p = \"no json\"" },
    { "cobol", "1", NULL },
    { "", "1", NULL },
};

static ama_notebook_t *notebook_of (const char *cells, const char *language)
{
    ama_str_t text = { 0 };
    ama_notebook_t *notebook;

    ama_str_printf (&text,
                    "{\"cells\": [%s], \"metadata\": {\"kernelspec\": {\"language\": \"%s\"}}, \"nbformat\": 4, "
                    "\"nbformat_minor\": 5}",
                    cells, language);
    assert_int_equal (ama_notebook_parse (text.data, text.size, &notebook, NULL), 0);
    ama_str_done (&text);
    return notebook;
}

static void test_values (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (values); i++) {
        ama_notebook_t *notebook = notebook_of ("", values[i].language);
        ama_plan_setting_t param = { .key = (char *) "p", .value = (char *) values[i].value };
        int rc = ama_notebook_inject (notebook, &param, 1, NULL);
        json_t *statements = ama_notebook_statements (notebook, "f");
        const char *code = json_string_value (json_object_get (json_array_get (statements, 0), "code"));
        ama_str_t line = { 0 };

        ama_str_printf (&line, "%s\n", values[i].line ? values[i].line : "");
        ROW_ASSERT (values[i].value, (rc == 0) == (values[i].line != NULL));
        if (rc == 0)
            ROW_EQUAL (values[i].value, strchr (code, '\n') + 1, line.data);
        else
            assert_int_equal (rc, AMA_E_UNSUPPORTED);
        ama_str_done (&line);
        json_decref (statements);
        ama_notebook_destroy (&notebook);
    }
}

#define CELL(ID, TAG)                                                                                                  \
    "{\"cell_type\": \"code\", \"id\": \"" ID "\", \"metadata\": {\"tags\": [\"" TAG                                   \
    "\"]}, \"outputs\": [], \"execution_count\": null, \"source\": \"" ID "\"}"

static const struct {
    const char *cells, *order; /* of the sources' first letters; #: the injected one */
} places[] = {
    { CELL ("a", "x") "," CELL ("b", "x"), "#ab" },
    { CELL ("a", "x") "," CELL ("b", "parameters") "," CELL ("c", "x"), "ab#c" },
    { CELL ("a", "injected-parameters") "," CELL ("b", "parameters"), "#b" },
    { CELL ("a", "parameters") "," CELL ("b", "injected-parameters") "," CELL ("c", "x"), "a#c" },
};

static void test_places (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (places); i++) {
        ama_notebook_t *notebook = notebook_of (places[i].cells, "python");
        ama_plan_setting_t param = { .key = (char *) "p", .value = (char *) "1" };
        char order[16] = "";
        json_t *statements, *one;
        size_t n;

        assert_int_equal (ama_notebook_inject (notebook, &param, 1, NULL), 0);
        statements = ama_notebook_statements (notebook, "f");
        json_array_foreach (statements, n, one) order[n] = json_string_value (json_object_get (one, "code"))[0];
        ROW_EQUAL (places[i].order, order, places[i].order);
        json_decref (statements);
        ama_notebook_destroy (&notebook);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_values), cmocka_unit_test (test_places) };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
