/* kernelspec_test.c - which kernel.json counts, and what is refused in one */
#include "actors/base/ama_str.h"
#include "agent/runners/jupyter/kernelspec.h"
#include "tests/unit/table.h"

#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *text;
    int code;
    const char *why;
} specs[] = {
    { "{\"argv\": [\"a\"]}", 0, "" },
    { "{\"argv\": [\"a\", \"{connection_file}\"], \"env\": {\"A\": \"b=c\"}, \"interrupt_mode\": \"message\"}", 0, "" },
    { "", AMA_E_SYNTAX, "line 1" },
    { "{", AMA_E_SYNTAX, "line 1" },
    { "[]", AMA_E_SYNTAX, "no map" },
    { "{}", AMA_E_SYNTAX, "argv" },
    { "{\"argv\": []}", AMA_E_SYNTAX, "argv" },
    { "{\"argv\": [\"\"]}", AMA_E_SYNTAX, "argv begins" },
    { "{\"argv\": [\"a\", 1]}", AMA_E_SYNTAX, "word 2" },
    { "{\"argv\": [\"a\"], \"env\": []}", AMA_E_SYNTAX, "env is no map" },
    { "{\"argv\": [\"a\"], \"env\": {\"A=\": \"b\"}}", AMA_E_SYNTAX, "no variable" },
    { "{\"argv\": [\"a\"], \"env\": {\"A\": 1}}", AMA_E_SYNTAX, "no variable" },
};

static void test_parse (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (specs); i++) {
        ama_kernelspec_t spec;
        ama_err_t err = { 0 };

        ROW_ASSERT (specs[i].text,
                    ama_kernelspec_parse (specs[i].text, strlen (specs[i].text), &spec, &err) == specs[i].code);
        ROW_ASSERT (specs[i].text, strstr (err.text, specs[i].why) != NULL);
        ama_kernelspec_done (&spec);
    }
}

static void put (const char *root, const char *name, const char *text)
{
    ama_str_t path = { 0 };
    FILE *file;

    ama_str_printf (&path, "%s/kernels", root);
    (void) mkdir (path.data, 0700);
    ama_str_printf (&path, "/%s", name);
    assert_int_equal (mkdir (path.data, 0700), 0);
    ama_str_puts (&path, "/kernel.json");
    file = fopen (path.data, "we");
    assert_non_null (file);
    (void) fputs (text, file);
    assert_int_equal (fclose (file), 0);
    ama_str_done (&path);
}

static void remove_all (const char *path)
{
    ama_str_t command = { 0 };

    ama_str_printf (&command, "rm -rf '%s'", path);
    assert_int_equal (system (command.data), 0);
    ama_str_done (&command);
}

static void test_find (void **state)
{
    char first[] = "/tmp/ama-spec-XXXXXX", second[] = "/tmp/ama-spec-XXXXXX";
    const char *const data[] = { "/nowhere", first, second, NULL };
    ama_kernelspec_t spec;
    ama_err_t err;
    char **command;

    (void) state;
    assert_non_null (mkdtemp (first));
    assert_non_null (mkdtemp (second));
    put (second, "both", "{\"argv\": [\"second\"]}");
    put (first, "Both", "{\"argv\": [\"first\", \"-f={connection_file}\", \"{resource_dir}/x\", \"{other}\"]}");
    put (second, "broken", "{\"argv\": 1}");
    put (second, ".hidden", "{\"argv\": [\"x\"]}");

    assert_int_equal (ama_kernelspec_find (data, "bOTH", &spec, &err), 0);
    command = ama_kernelspec_command (&spec, "/c.json");
    assert_string_equal (command[0], "first");
    assert_string_equal (command[1], "-f=/c.json");
    assert_true (ama_str_starts (command[2], first) && ama_str_ends (command[2], "/kernels/Both/x"));
    assert_string_equal (command[3], "{other}");
    assert_null (command[4]);
    ama_strv_free (command);
    ama_kernelspec_done (&spec);

    assert_int_equal (ama_kernelspec_find (data, "broken", &spec, &err), AMA_E_SYNTAX);
    assert_non_null (strstr (err.text, "/kernels/broken/kernel.json: argv"));
    assert_int_equal (ama_kernelspec_find (data, "none", &spec, &err), AMA_E_NOT_FOUND);
    assert_non_null (strstr (err.text, "no kernel none is installed"));
    assert_non_null (strstr (err.text, "Both"));
    assert_null (strstr (err.text, "hidden"));
    assert_int_equal (ama_kernelspec_find (data, "../both", &spec, &err), AMA_E_INVALID);
    assert_int_equal (ama_kernelspec_find (data, ".hidden", &spec, &err), AMA_E_INVALID);
    remove_all (first);
    remove_all (second);
}

static void test_folders (void **state)
{
    static const char *const expected[] = { "/a", "/b", "/home/u/.local/share/jupyter", "/usr/local/share/jupyter",
                                            "/usr/share/jupyter" };
    char **folders = ama_kernelspec_folders ("/a::relative:/b:", "/home/u");

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (expected); i++)
        assert_string_equal (folders[i], expected[i]);
    assert_null (folders[ARRAY_SIZE (expected)]);
    ama_strv_free (folders);
    folders = ama_kernelspec_folders (NULL, NULL);
    assert_string_equal (folders[0], "/usr/local/share/jupyter");
    ama_strv_free (folders);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_parse), cmocka_unit_test (test_find),
                                        cmocka_unit_test (test_folders) };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
