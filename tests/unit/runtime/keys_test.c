/* keys_test.c - the list of who may join over tcp: what it may hold, how it changes; and files of keys */
#include "actors/base/ama_str.h"
#include "actors/runtime/ama_keys.h"
#include "tests/unit/table.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define A    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define B    "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
#define ZERO "0000000000000000000000000000000000000000"

static char folder[64];

static int make_folder (void **state)
{
    (void) state;
    (void) snprintf (folder, sizeof folder, "/tmp/ama-keys-XXXXXX");
    return mkdtemp (folder) ? 0 : -1;
}

static int remove_folder (void **state)
{
    char command[96];

    (void) state;
    (void) snprintf (command, sizeof command, "rm -rf %s", folder);
    return system (command);
}

static const char *at (const char *name)
{
    static char path[2][128];
    static int n;

    n = !n;
    (void) snprintf (path[n], sizeof path[n], "%s/%s", folder, name);
    return path[n];
}

static void write_file (const char *path, const char *text, unsigned mode)
{
    int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true (fd >= 0 && write (fd, text, strlen (text)) == (ssize_t) strlen (text));
    assert_int_equal (fchmod (fd, mode), 0);
    (void) close (fd);
}

/* ---- reading ---- */

static const struct {
    const char *name, *text;
    int count, code; /* count: of keys, if code is 0 */
    const char *error;
} lists[] = {
    { "empty", "", 0, 0, NULL },
    { "comments", "# who\n\n  \t\n\t# boss operator\n", 0, 0, NULL },
    { "one", "boss operator " A "\n", 1, 0, NULL },
    { "no last newline", "boss\toperator \t" A, 1, 0, NULL },
    { "all roles", "a operator " A "\nb submitter " B "\n", 2, 0, NULL },
    { "a word too few", "# x\nboss operator\n", 0, AMA_E_SYNTAX, "f:2: a line is: name, role, public key" },
    { "a word too many", "boss operator " A " x\n", 0, AMA_E_SYNTAX, "f:1: a line is" },
    { "a role that is none", "boss king " A "\n", 0, AMA_E_INVALID, "f:1: \"king\" is no role: operator, submitter" },
    { "a role of another kind", "boss hub " A "\n", 0, AMA_E_INVALID, "f:1: \"hub\" is no role" },
    { "a role in capitals", "boss Operator " A "\n", 0, AMA_E_INVALID, "is no role" },
    { "a name with a slash", "a/b viewer " A "\n", 0, AMA_E_INVALID, "f:1: a name has at most 64" },
    { "a name that begins with a dot", ".b viewer " A "\n", 0, AMA_E_INVALID, "f:1: a name has" },
    { "a short key", "b viewer AAAA\n", 0, AMA_E_INVALID, "f:1: the key of b is no public key" },
    { "a long key", "b viewer A" A "\n", 0, AMA_E_INVALID, "f:1: a name has at most 64 characters, a key has 40" },
    { "a key that is none",
      "b viewer \\"
      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
      0, AMA_E_INVALID, "no public key" },
    { "the key of zeros", "b viewer " ZERO "\n", 0, AMA_E_INVALID, "f:1: the key of b is no public key" },
    { "a name twice", "b viewer " A "\nb agent " B "\n", 0, AMA_E_DUPKEY, "f:2: there is a key named b already" },
    { "a key twice", "b viewer " A "\nc agent " A "\n", 0, AMA_E_DUPKEY, "f:2: c has the same key as b" },
    { "a control character", "b viewer\r " A "\n", 0, AMA_E_SYNTAX, "f:1: a character that may not" },
    { "UTF-8", "b\xc3\xa9 viewer " A "\n", 0, AMA_E_SYNTAX, "f:1: a character that may not" },
};

static void test_lists (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (lists); i++) {
        ama_keys_t keys;
        ama_err_t err = { 0 };
        int rc = ama_keys_parse (lists[i].text, strlen (lists[i].text), "f", &keys, &err);

        if (rc != lists[i].code || (rc == 0 && (int) keys.count != lists[i].count)
            || (rc < 0 && (!strstr (err.text, lists[i].error) || err.code != rc)))
            fail_msg ("%s: %d, %zu keys, %s", lists[i].name, rc, keys.count, err.text);
        ama_keys_done (&keys);
    }
}

static void test_bounds (void **state)
{
    ama_str_t text = { 0 };
    ama_keys_t keys;
    ama_err_t err = { 0 };

    (void) state;
    for (int i = 0; i < 4097; i++)
        ama_str_printf (&text, "n%d viewer %.35s%05d\n", i, A, i + 1);
    assert_int_equal (ama_keys_parse (text.data, text.size, "f", &keys, &err), AMA_E_LIMIT);
    assert_string_equal (err.text, "f:4097: more than 4096 keys");
    ama_str_clear (&text);
    ama_str_printf (&text, "%257s", "x");
    assert_int_equal (ama_keys_parse (text.data, text.size, "f", &keys, &err), AMA_E_LIMIT);
    assert_int_equal (ama_keys_parse ("a\0b viewer " A, 51, "f", &keys, &err), AMA_E_SYNTAX);
    ama_str_done (&text);
}

/* ---- changing ---- */

static void test_change (void **state)
{
    const char *file = at ("allowed");
    ama_key_t key = { "boss", AMA_KEY_OPERATOR, A };
    ama_keys_t keys;
    ama_err_t err = { 0 };
    struct stat st;
    char *text = NULL;
    size_t size;

    (void) state;
    assert_int_equal (ama_keys_load (file, &keys, &err), AMA_E_NOT_FOUND);
    assert_int_equal (ama_keys_add (file, &key, &err), 0);
    assert_int_equal (stat (file, &st), 0);
    assert_int_equal (st.st_mode & 0777, 0600);
    assert_int_equal (ama_keys_add (file, &key, &err), AMA_E_EXISTS);
    write_file (file, "# ours\nboss operator " A, 0600);
    key = (ama_key_t){ "eye", AMA_KEY_VIEWER, B };
    assert_int_equal (ama_keys_add (file, &key, &err), 0);
    assert_int_equal (ama_keys_revoke (file, "boss", &err), 0);
    assert_int_equal (ama_keys_revoke (file, "boss", &err), AMA_E_NOT_FOUND);
    assert_int_equal (ama_keys_revoke (file, "# ours", &err), AMA_E_NOT_FOUND);
    assert_int_equal (ama_key_file_read (file, true, &text, &size, &err), 0);
    assert_string_equal (text, "# ours\neye viewer " B "\n");
    free (text);
    (void) chmod (file, 0640);
    assert_int_equal (ama_keys_load (file, &keys, &err), AMA_E_AUTH);
    assert_int_equal (ama_keys_add (file, &key, &err), AMA_E_AUTH);
    (void) unlink (file);
}

static void test_refresh (void **state)
{
    const char *file = at ("watched");
    ama_keys_watch_t watch = { .file = file };
    ama_err_t err = { 0 };

    (void) state;
    assert_false (ama_keys_refresh (&watch, &err)); /* not there: empty */
    write_file (file, "boss operator " A "\n", 0600);
    assert_true (ama_keys_refresh (&watch, &err));
    assert_false (ama_keys_refresh (&watch, &err));
    assert_non_null (ama_keys_find (&watch.keys, A));
    write_file (file, "boss operator\n", 0600);
    assert_true (ama_keys_refresh (&watch, &err));
    assert_int_equal (err.code, AMA_E_SYNTAX);
    assert_true (watch.broken && ama_keys_find (&watch.keys, A));
    write_file (file, "boss operator " B "\n", 0600);
    assert_true (ama_keys_refresh (&watch, &err));
    assert_true (!watch.broken && !ama_keys_find (&watch.keys, A) && ama_keys_find (&watch.keys, B));
    assert_int_equal (ama_keys_revoke (file, "boss", &err), 0);
    assert_true (ama_keys_refresh (&watch, &err));
    assert_int_equal (watch.keys.count, 0);
    (void) unlink (file);
    assert_true (ama_keys_refresh (&watch, &err));
    assert_false (watch.broken);
    ama_keys_done (&watch.keys);
}

/* ---- pairs ---- */

static void test_pairs (void **state)
{
    const char *path = at ("pair");
    ama_key_pair_t made, read = { 0 };
    char public_file[160], key[AMA_KEY_TEXT];
    ama_err_t err = { 0 };

    (void) state;
    (void) snprintf (public_file, sizeof public_file, "%s.pub", path);
    ama_key_pair_new (&made);
    assert_int_equal (ama_key_pair_write (path, &made, &err), 0);
    assert_int_equal (ama_key_pair_write (path, &made, &err), AMA_E_EXISTS);
    assert_int_equal (ama_key_pair_read (path, &read, &err), 0);
    assert_string_equal (read.public_key, made.public_key);
    assert_string_equal (read.secret_key, made.secret_key);
    assert_int_equal (ama_key_read_public (public_file, key, &err), 0);
    assert_string_equal (key, made.public_key);
    assert_int_equal (ama_key_read_public (path, key, &err), 0); /* who names the secret one means the public one */
    assert_string_equal (key, made.public_key);
    assert_int_equal (ama_key_read_public (made.public_key, key, &err), 0);
    assert_int_equal (ama_key_read_public (ZERO, key, &err), AMA_E_NOT_FOUND);
    (void) chmod (path, 0604);
    assert_int_equal (ama_key_pair_read (path, &read, &err), AMA_E_AUTH);
    assert_null (strstr (err.text, made.secret_key));
    write_file (path, "two\nlines\n", 0600);
    assert_int_equal (ama_key_pair_read (path, &read, &err), AMA_E_INVALID);
    assert_int_equal (ama_key_pair_read (at ("none"), &read, &err), AMA_E_NOT_FOUND);
    assert_int_equal (ama_key_pair_read (folder, &read, &err), AMA_E_AUTH);
}

/* What can not be written leaves nothing; what is no key is said to be none. */
static void test_no_files (void **state)
{
    ama_key_t key = { "boss", AMA_KEY_OPERATOR, A };
    ama_key_pair_t made, read = { 0 };
    char public_file[160], text[AMA_KEY_TEXT], *content = NULL;
    const char *path;
    ama_err_t err = { 0 };
    size_t size;
    int fd;

    (void) state;
    ama_key_pair_new (&made);
    assert_int_equal (ama_keys_add (at ("no/such/folder"), &key, &err), AMA_E_IO);
    assert_int_equal (ama_keys_revoke (at ("no/such/folder"), "boss", &err), AMA_E_IO);
    assert_int_equal (ama_key_file_replace (at ("no/such/folder"), "x", 1, &err), AMA_E_NOT_FOUND);
    assert_int_equal (ama_key_pair_write (at ("no/such/folder"), &made, &err), AMA_E_NOT_FOUND);
    path = at ("half");
    (void) snprintf (public_file, sizeof public_file, "%s.pub", path);
    write_file (public_file, "of another\n", 0600);
    assert_int_equal (ama_key_pair_write (path, &made, &err), AMA_E_EXISTS);
    assert_int_equal (access (path, F_OK), -1); /* not a secret key beside the public one of another */
    assert_int_equal (ama_key_read_public (public_file, text, &err), AMA_E_INVALID);
    write_file (path, "forty characters, but they are no key...\n", 0600);
    assert_int_equal (ama_key_pair_read (path, &read, &err), AMA_E_INVALID);
    assert_int_equal (read.secret_key[0], '\0');
    fd = open (path, O_WRONLY);
    assert_int_equal (ftruncate (fd, (1 << 20) + 1), 0);
    (void) close (fd);
    assert_int_equal (ama_key_file_read (path, true, &content, &size, &err), AMA_E_LIMIT);
    assert_null (content);
    assert_int_equal (mkdir (at ("folder"), 0700), 0);
    assert_int_equal (ama_key_file_replace (at ("folder"), "x", 1, &err), AMA_E_IO);
    assert_int_equal (rmdir (at ("folder")), 0); /* as it was, and nothing beside it */
    (void) unlink (path);
    (void) unlink (public_file);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_lists),   cmocka_unit_test (test_bounds), cmocka_unit_test (test_change),
        cmocka_unit_test (test_refresh), cmocka_unit_test (test_pairs),  cmocka_unit_test (test_no_files),
    };
    return cmocka_run_group_tests (tests, make_folder, remove_folder);
}
