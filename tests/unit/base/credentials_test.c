/* credentials_test.c - which entry of a password file answers for a name and a URL */
#include "actors/base/ama_credentials.h"
#include "tests/unit/table.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_TEXT                                                                                                      \
    "# comment\n"                                                                                                      \
    "\n"                                                                                                               \
    "house            deploy  pass word \n"                                                                            \
    "git.example.org  bot     host-pass\r\n"                                                                           \
    "git.example.org:8443  bot  port-pass\n"                                                                           \
    "https://git.example.org/team  team  team-pass\n"                                                                  \
    "https://git.example.org/team/a/  a  a-pass\n"                                                                     \
    "  house          second  never"

static const struct {
    const char *what, *name, *url, *user, *password;
} rows[] = {
    { "by name", "house", NULL, "deploy", "pass word " },
    { "name wins over url", "house", "https://git.example.org/team/a", "deploy", "pass word " },
    { "by host", NULL, "https://git.example.org/other", "bot", "host-pass" },
    { "by host and port", NULL, "https://git.example.org:8443/other", "bot", "port-pass" },
    { "url above", NULL, "https://git.example.org/team/b.git", "team", "team-pass" },
    { "longest url", NULL, "https://git.example.org/team/a/x", "a", "a-pass" },
    { "the url itself", NULL, "https://git.example.org/team/a", "a", "a-pass" },
    { "only whole segments", NULL, "https://git.example.org/teamwork", "bot", "host-pass" },
    { "other scheme is another url", NULL, "http://git.example.org/team/a", "bot", "host-pass" },
    { "unknown name", "cellar", NULL, NULL, NULL },
    { "unknown name falls back to the url", "cellar", "ssh://git.example.org/x", "bot", "host-pass" },
    { "a host that only begins alike", NULL, "https://git.example.organic/x", NULL, NULL },
    { "no url at all", NULL, "git.example.org", NULL, NULL },
    { "comments are no entries", "#", NULL, NULL, NULL },
};

static void lookups (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_credentials_t found = { 0 };
        int rc = ama_credentials_parse (FILE_TEXT, strlen (FILE_TEXT), "file", rows[i].name, rows[i].url, &found, NULL);
        ROW_ASSERT (rows[i].what, rc == (rows[i].user ? 0 : AMA_E_NOT_FOUND));
        if (rc == 0) {
            ROW_EQUAL (rows[i].what, found.user, rows[i].user);
            ROW_EQUAL (rows[i].what, found.password, rows[i].password);
        }
        ama_credentials_done (&found);
        assert_null (found.password);
    }
}

static void bad_lines (void **state)
{
    static const struct {
        const char *text;
        size_t size;
    } bad[] = { { "a\n", 2 }, { "a b\n", 4 }, { "a b  \n", 6 }, { "x y z\na b", 9 }, { "a b c\0d\n", 8 } };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (bad); i++) {
        ama_credentials_t found = { 0 };
        ama_err_t err = { 0 };
        assert_int_equal (ama_credentials_parse (bad[i].text, bad[i].size, "f", "a", NULL, &found, &err), AMA_E_SYNTAX);
        assert_null (found.user);
        assert_non_null (strstr (err.text, i == 3 ? "f:2:" : "f:1:"));
    }
}

static void open_to_others (void **state)
{
    char path[] = "/tmp/ama-credentials-XXXXXX";
    int fd = mkstemp (path);
    ama_credentials_t found = { 0 };
    ama_err_t err = { 0 };

    (void) state;
    assert_true (fd >= 0);
    assert_int_equal (write (fd, "a b c\n", 6), 6);
    assert_int_equal (fchmod (fd, 0640), 0);
    assert_int_equal (ama_credentials_find (path, "a", NULL, &found, &err), AMA_E_AUTH);
    assert_int_equal (fchmod (fd, 0600), 0);
    assert_int_equal (ama_credentials_find (path, "a", NULL, &found, &err), 0);
    assert_string_equal (found.password, "c");
    ama_credentials_done (&found);
    assert_int_equal (unlink (path), 0);
    assert_int_equal (ama_credentials_find (path, "a", NULL, &found, &err), AMA_E_IO);
    (void) close (fd);
}

/* What is no password file is not read at all: not a folder, and not one that is too big. */
static void no_file (void **state)
{
    char path[] = "/tmp/ama-credentials-XXXXXX";
    int fd = mkstemp (path);
    ama_credentials_t found = { 0 };
    ama_err_t err = { 0 };

    (void) state;
    assert_true (fd >= 0);
    assert_int_equal (ama_credentials_find ("/tmp", "a", NULL, &found, &err), AMA_E_AUTH);
    assert_string_equal (err.text, "/tmp is not a regular file");
    assert_int_equal (write (fd, "a b c\n", 6), 6);
    assert_int_equal (ftruncate (fd, (1 << 20) + 1), 0);
    assert_int_equal (ama_credentials_find (path, "a", NULL, &found, &err), AMA_E_LIMIT);
    assert_non_null (strstr (err.text, "1048577 bytes"));
    assert_null (found.password);
    assert_int_equal (unlink (path), 0);
    (void) close (fd);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (lookups), cmocka_unit_test (bad_lines),
                                        cmocka_unit_test (open_to_others), cmocka_unit_test (no_file) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
