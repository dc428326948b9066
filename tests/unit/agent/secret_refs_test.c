/* secret_refs_test.c - references in settings, the values in their place; files that hold values, and those that are refused */
#include "actors/base/ama_secret.h"
#include "agent/masker.h"
#include "agent/secret_files.h"
#include "agent/secret_refs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void names (void **state)
{
    static const struct {
        const char *text, *name;
    } cases[] = {
        { "secret://a", "a" },
        { "secret://Db-1.x_y", "Db-1.x_y" },
        { "secret://", NULL },
        { "secret://.a", NULL },
        { "secret://a/b", NULL },
        { "secret://a b", NULL },
        { "Secret://a", NULL },
        { " secret://a", NULL },
        { "secret://\xc3\xa4", NULL },
        { "secret://a@dev", NULL },
        { "secret:/a", NULL },
        { "", NULL },
        { "secret://a234567890123456789012345678901234567890123456789012345678901234",
          "a234567890123456789012345678901234567890123456789012345678901234" },
        { "secret://a2345678901234567890123456789012345678901234567890123456789012345", NULL },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        const char *name = ama_secret_name (cases[i].text);
        if (!cases[i].name)
            assert_null (name);
        else
            assert_string_equal (name, cases[i].name);
    }
}

/* The secrets a and b have values, c has none. */
static void filling (void **state)
{
    static const struct {
        const char *json, *filled;
    } cases[] = {
        { "\"secret://a\"", "\"va\\\"lue\"" },
        { "\"secret://c\"", "\"secret://c\"" },
        { "\"secret://\"", "\"secret://\"" },
        { "\"a secret://a\"", "\"a secret://a\"" },
        { "\"\\\"secret://a\"", "\"\\\"secret://a\"" },
        { "[1.10, \"secret://a\", {\"secret://a\" : \"secret://b\"}, \"\\\\\"]",
          "[1.10, \"va\\\"lue\", {\"secret://a\" : \"secret://a\"}, \"\\\\\"]" },
        { "12", "12" },
        { "\"secret://a", "\"secret://a" }, /* no JSON */
        { "", "" },
    };
    ama_secret_t secrets[] = { { .name = (char *) "a", .value = (char *) "va\"lue" },
                               { .name = (char *) "b", .value = (char *) "secret://a" },
                               { .name = (char *) "c" } };
    const ama_secret_list_t list = { .items = secrets, .count = 3 };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        ama_plan_setting_t setting = { .value = ama_strdup (cases[i].json) };
        ama_secret_list_fill (&list, &setting, 1);
        assert_string_equal (setting.value, cases[i].filled);
        free (setting.value);
    }
}

static void listing (void **state)
{
    ama_plan_setting_t settings[] = {
        { .key = (char *) "x", .value = (char *) "\"secret://a\"", .file = (char *) "f", .line = 3 },
        { .key = (char *) "y",
          .value = (char *) "[\"secret://a\", \"secret://-bad\"]",
          .file = (char *) "g",
          .line = 4 },
        { .key = (char *) "z", .value = (char *) "\"plain\"", .file = (char *) "g", .line = 5 },
    };
    ama_secret_list_t list = { 0 };

    (void) state;
    assert_true (ama_secret_refs_in (settings, 3));
    assert_false (ama_secret_refs_in (settings + 2, 1));
    ama_secret_list_add (&list, settings, 1, false);
    ama_secret_list_add (&list, settings, 3, true);
    assert_int_equal (list.count, 2);
    assert_string_equal (list.items[0].name, "a");
    assert_string_equal (list.items[0].key, "x");
    assert_int_equal (list.items[0].line, 3);
    assert_true (list.items[0].needed);
    assert_string_equal (list.items[1].name, "-bad");
    ama_secret_list_done (&list);
    for (int i = 0; i < AMA_SECRETS_MAX + 1; i++) {
        char value[32];
        ama_plan_setting_t one = { .key = (char *) "k", .value = value, .file = (char *) "f" };
        (void) snprintf (value, sizeof value, "\"secret://s%d\"", i);
        ama_secret_list_add (&list, &one, 1, true);
        assert_int_equal (list.full, i == AMA_SECRETS_MAX);
    }
    ama_secret_list_done (&list);
}

static void write_file (const char *path, const char *bytes, size_t size, mode_t mode)
{
    int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true (fd >= 0);
    assert_int_equal (write (fd, bytes, size), (ssize_t) size);
    assert_int_equal (fchmod (fd, mode), 0);
    assert_int_equal (close (fd), 0);
}

static void files (void **state)
{
    static const struct {
        mode_t mode;
        int file, credential;
    } cases[] = {
        { 0600, 0, 0 },          { 0400, 0, 0 },
        { 0440, AMA_E_AUTH, 0 }, { 0604, AMA_E_AUTH, AMA_E_AUTH },
        { 0620, AMA_E_AUTH, 0 }, { 0602, AMA_E_AUTH, AMA_E_AUTH },
    };
    static const char *const envs[] = { "", ".", "..", "../dev", "dev/.", "nope" };
    char dir[] = "/tmp/ama-secrets-XXXXXX", path[128], flat[128];
    ama_str_t out = { 0 };
    ama_err_t err;

    (void) state;
    assert_non_null (mkdtemp (dir));
    (void) snprintf (path, sizeof path, "%s/dev", dir);
    assert_int_equal (mkdir (path, 0700), 0);
    (void) snprintf (path, sizeof path, "%s/dev/x", dir);
    (void) snprintf (flat, sizeof flat, "%s/dev@x", dir);
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        write_file (path, "the value\r\n", 11, cases[i].mode);
        write_file (flat, "the value\n", 10, cases[i].mode);
        ama_str_clear (&out);
        assert_int_equal (ama_secret_file_read (dir, "dev", "x", &out, &err), cases[i].file);
        assert_int_equal (ama_secret_check (&out, &err), 0);
        assert_string_equal (out.data ? out.data : "", cases[i].file ? "" : "the value");
        ama_str_clear (&out);
        assert_int_equal (ama_secret_credential_read (dir, "dev", "x", &out, &err), cases[i].credential);
        assert_int_equal (out.size, cases[i].credential ? 0 : 10);
        assert_int_equal (unlink (path), 0);
        assert_int_equal (unlink (flat), 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE (envs); i++)
        assert_int_equal (ama_secret_file_read (dir, envs[i], "x", &out, &err), AMA_E_NOT_FOUND);
    (void) snprintf (path, sizeof path, "%s/dev", dir);
    assert_int_equal (ama_secret_file_read (dir, "dev", ".", &out, &err), AMA_E_AUTH); /* a folder */
    assert_int_equal (rmdir (path), 0);
    assert_int_equal (rmdir (dir), 0);
    ama_str_done (&out);
}

static void texts (void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        int code;
        size_t left;
    } cases[] = {
        { "a\n\n", 3, 0, 2 },
        { "a\r\n", 3, 0, 1 },
        { "a\r", 2, 0, 2 },
        { "\n", 1, 0, 0 },
        { "\r\n", 2, 0, 0 },
        { "", 0, 0, 0 },
        { "a\0b", 3, AMA_E_INVALID, 3 },
        { "\xff", 1, AMA_E_INVALID, 1 },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        ama_str_t text = { 0 };
        ama_str_add (&text, cases[i].bytes, cases[i].size);
        assert_int_equal (ama_secret_check (&text, NULL), cases[i].code);
        assert_int_equal (text.size, cases[i].left);
        ama_str_done (&text);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (names), cmocka_unit_test (filling), cmocka_unit_test (listing),
        cmocka_unit_test (files), cmocka_unit_test (texts),
    };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
