/* jar_text_test.c - the properties of a program for spark-submit, and the error in what it says */
#include "agent/runners/spark/jar_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static ama_plan_setting_t setting (const char *key, const char *json)
{
    return (ama_plan_setting_t){ .key = (char *) key, .value = (char *) json };
}

static void expect (const ama_attempt_start_t *start, size_t first, const char *wanted)
{
    ama_str_t out = { 0 };

    ama_jar_properties (start, first, &out);
    assert_string_equal (out.data, wanted);
    ama_str_done (&out);
}

#define DEFAULTS(job)                                                                                                  \
    "spark.master=local[*]\nspark.app.name=" job "\nspark.ui.enabled=false\nspark.ui.showConsoleProgress=false\n"

static void properties (void **state)
{
    char *jars[] = { "/c/main.jar", "/c/a.jar", "/c/b.jar" };
    ama_plan_setting_t spark[] = {
        setting ("spark.a", "\"1\""),
        setting ("spark.b", "true"),
        setting ("spark.c", "\"two\\nlines\\t\""),
        setting ("spark.d", "\"  b\\\\s\""),
        setting ("odd key:=#", "\"=: #\""),
        setting ("spark.jars", "\"/mine.jar\""),
    };
    ama_plan_setting_t executor[] = { setting ("NAME", "\"v\"") };
    ama_attempt_start_t start = { .job = "a job", .environment = { .master = "" } };

    (void) state;
    expect (&start, 0, DEFAULTS ("a job"));
    start.environment.master = "local[2]";
    start.memory = 700u << 20;
    start.jars = jars;
    start.n_jars = 3;
    expect (&start, 1,
            DEFAULTS ("a job") "spark.master=local[2]\nspark.driver.memory=700m\nspark.jars=/c/a.jar,/c/b.jar\n");
    start.n_jars = 1;
    expect (&start, 1, DEFAULTS ("a job") "spark.master=local[2]\nspark.driver.memory=700m\n");
    start.environment.spark = spark;
    start.environment.n_spark = ARRAY_SIZE (spark);
    start.environment.spark_env = executor;
    start.environment.n_spark_env = 1;
    start.memory = 0;
    expect (&start, 0,
            DEFAULTS ("a job") "spark.a=1\nspark.b=true\nspark.c=two\\nlines\\t\nspark.d=\\ \\ b\\\\s\n"
                               "odd\\ key\\:\\=\\#==: #\nspark.jars=/mine.jar\nspark.executorEnv.NAME=v\n"
                               "spark.master=local[2]\nspark.jars=/mine.jar,/c/main.jar\n");
}

static void errors (void **state)
{
    static const struct {
        const char *tail, *name, *message;
        bool memory;
    } cases[] = {
        { "", "", "", false },
        { "all is well\n", "", "", false },
        { "Exception in thread \"main\" org.example.Trouble: why\n\tat x\n", "org.example.Trouble", "why", false },
        { "x\nException in thread \"main\" org.example.Trouble", "org.example.Trouble", "", false },
        { "Exception in thread \"main\" a.A: one\nException in thread \"main\" b.B: two: three\n", "b.B", "two: three",
          false },
        { "Error: Failed to load class a.B.\n", "spark-submit", "Failed to load class a.B.", false },
        { "Exception in thread \"main\" a.A: one\nError: late\n", "a.A", "one", false },
        { "Exception in thread \"main\" java.lang.OutOfMemoryError: Java heap space\n", "java.lang.OutOfMemoryError",
          "Java heap space", true },
        { "an Error: inside\n", "", "", false },
    };
    static const char thread[] = "Exception in thread \"main\" ";
    char *text = ama_calloc (1, 5000);
    ama_jar_error_t error;

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        ama_jar_error (cases[i].tail, strlen (cases[i].tail), &error);
        assert_string_equal (error.name, cases[i].name);
        assert_string_equal (error.message, cases[i].message);
        assert_int_equal (error.out_of_memory, cases[i].memory);
    }
    ama_jar_error (NULL, 0, &error);
    assert_string_equal (error.name, "");
    memset (text, 'x', 4999);
    for (size_t i = 0; i < sizeof thread - 1; i++)
        text[i] = thread[i];
    ama_jar_error (text, 4999, &error);
    assert_int_equal (strlen (error.name), sizeof error.name - 1);
    free (text);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (properties), cmocka_unit_test (errors) };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
