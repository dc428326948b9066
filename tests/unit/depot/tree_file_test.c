/* tree_file_test.c - trees as files: what goes in comes out, the same tree is the same bytes, and what no tree may say */
#include "actors/base/ama_str.h"
#include "actors/depot/tree_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];

static char *in (const char *name)
{
    ama_str_t path = { 0 };

    ama_str_printf (&path, "%s/%s", root, name);
    return ama_str_take (&path);
}

static void spill (const char *name, const char *bytes, size_t size, mode_t mode)
{
    char *path = in (name);
    FILE *file = fopen (path, "w");

    assert_non_null (file);
    assert_int_equal (fwrite (bytes, 1, size, file), size);
    assert_int_equal (fclose (file), 0);
    assert_int_equal (chmod (path, mode), 0);
    free (path);
}

static void folder (const char *name)
{
    char *path = in (name);

    assert_int_equal (mkdir (path, 0755), 0);
    free (path);
}

static int open_root (void **state)
{
    (void) state;
    (void) snprintf (root, sizeof root, "/tmp/ama-tree-XXXXXX");
    return mkdtemp (root) ? 0 : -1;
}

static int remove_root (void **state)
{
    (void) state;
    ama_tree_remove (root);
    return access (root, F_OK) == 0 ? -1 : 0;
}

static void make_tree (const char *name)
{
    char *path, text[64];

    folder (name);
    (void) snprintf (text, sizeof text, "%s/src", name);
    folder (text);
    (void) snprintf (text, sizeof text, "%s/src/a.sh", name);
    spill (text, "echo\n", 5, 0644);
    (void) snprintf (text, sizeof text, "%s/run", name);
    spill (text, "", 0, 0755);
    (void) snprintf (text, sizeof text, "%s/src/link", name);
    path = in (text);
    assert_int_equal (symlink ("../run", path), 0);
    free (path);
}

static void test_out_and_in (void **state)
{
    char *one = in ("one"), *two = in ("two"), *first = in ("first"), *second = in ("second"),
         *link = in ("two/src/link"), *script = in ("two/src/a.sh"), target[16] = "";
    ama_digest_t digest, again;
    struct stat st;
    ama_err_t err = { 0 };

    (void) state;
    make_tree ("one");
    assert_int_equal (ama_tree_pack (one, first, &digest, &err), 0);
    assert_int_equal (ama_tree_unpack (first, &digest, two, &err), 0);
    assert_int_equal (readlink (link, target, sizeof target), 6);
    assert_string_equal (target, "../run");
    assert_int_equal (stat (script, &st), 0);
    assert_int_equal (st.st_mode & 0777, 0444);
    assert_int_equal (stat (two, &st), 0);
    assert_int_equal (st.st_mode & 0777, 0555);
    assert_int_equal (ama_tree_pack (two, second, &again, &err), 0);
    assert_true (ama_digest_equal (&digest, &again));
    free (one), free (two), free (first), free (second), free (link), free (script);
}

/* Entries as text: "f path bytes", …; kind d has no bytes. */
static int unpack (const char *const *entries, bool whole, int flip)
{
    ama_str_t bytes = { 0 };
    char *file = in ("file"), *out = in ("out");
    ama_digest_t digest;
    ama_err_t err = { 0 };
    int rc;

    ama_str_puts (&bytes, "ama-tree 1\n");
    for (; *entries; entries++) {
        char path[64] = "", content[64] = "";
        uint32_t length;
        uint64_t size;
        (void) sscanf (*entries + 2, "%63s %63s", path, content);
        length = (uint32_t) strlen (path);
        size = strlen (content);
        ama_str_add (&bytes, *entries, 1);
        ama_str_add (&bytes, (char *) &length, sizeof length);
        ama_str_add (&bytes, path, length);
        ama_str_add (&bytes, (char *) &size, sizeof size);
        ama_str_add (&bytes, content, size);
    }
    if (whole)
        ama_str_putc (&bytes, '.');
    digest = ama_digest_of (bytes.data, bytes.size);
    if (flip >= 0)
        bytes.data[flip] = (char) (bytes.data[flip] ^ 1);
    spill ("file", bytes.data, bytes.size, 0600);
    rc = ama_tree_unpack (file, &digest, out, &err);
    ama_tree_remove (out);
    ama_str_done (&bytes);
    free (file), free (out);
    return rc;
}

static void test_bad (void **state)
{
    static const char *const bad[][4] = {
        { "f ../x a" },
        { "f /x a" },
        { "f a/../b x" },
        { "f ./a x" },
        { "f a//b x" },
        { "f a/b x" },
        { "d a b" },
        { "q a b" },
        { "l a /etc/passwd" },
        { "l a ../x" },
        { "d a", "l a/b ../../x" },
        { "l a b/../c" },
        { "l a b", "f a/c x" },
        { "f a x", "f a/b x" },
        { "d a", "l a/l .", "f a/l/x y" },
    };
    static const char *const good[] = { "d a", "f a/b x", "l a/c ../d", NULL };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (bad); i++)
        assert_true (unpack (bad[i], true, -1) < 0);
    assert_int_equal (unpack (good, true, -1), 0);
    assert_true (unpack (good, false, -1) < 0);
    for (int i = 0; i < 40; i++)
        assert_true (unpack (good, true, i) < 0);
}

static void test_what_is_no_file (void **state)
{
    char *tree = in ("pipes"), *pipe = in ("pipes/p"), *file = in ("pipe-file");
    ama_digest_t digest;
    ama_err_t err = { 0 };

    (void) state;
    folder ("pipes");
    assert_int_equal (mkfifo (pipe, 0600), 0);
    assert_int_equal (ama_tree_pack (tree, file, &digest, &err), AMA_E_PATH);
    assert_int_equal (access (file, F_OK), -1);
    free (tree), free (pipe), free (file);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_out_and_in), cmocka_unit_test (test_bad),
                                        cmocka_unit_test (test_what_is_no_file) };
    return cmocka_run_group_tests (tests, open_root, remove_root);
}
