/* lock_test.c - locks: there and back, damage, digests, what may change, names in the store */
#include "actors/resolver/resolve_lock.h"
#include "tests/unit/table.h"

/* "coordinates=SEED …": files whose digest is of SEED. */
static ama_resolve_lock_t lock_of (const char *text)
{
    ama_resolve_lock_t lock = { .files = ama_calloc (16, sizeof *lock.files) };
    char *all = ama_strdup (text), *rest = all;

    for (char *one; (one = strsep (&rest, " "));) {
        char *seed = strchr (one, '=');
        if (!seed)
            continue;
        *seed++ = '\0';
        lock.files[lock.n_files++] = (ama_resolve_locked_t){
            .coordinates = ama_strdup (one),
            .name = ama_resolve_lock_name (one, "/x/y.jar"),
            .digest = ama_digest_of (seed, strlen (seed)),
            .size = 5000000000u + strlen (seed),
        };
    }
    free (all);
    return lock;
}

static void there_and_back (void **state)
{
    ama_resolve_lock_t lock = lock_of ("g:b:1=x g:a:1:tests=y"), again;
    ama_digest_t one = ama_resolve_lock_digest (&lock), two;
    ama_str_t text = { 0 };

    (void) state;
    ama_resolve_lock_encode (&lock, &text);
    assert_int_equal (ama_resolve_lock_decode (text.data, text.size, &again, NULL), 0);
    two = ama_resolve_lock_digest (&again);
    assert_true (ama_digest_equal (&one, &two));
    assert_int_equal (again.n_files, 2);
    for (int i = 0; i < 2; i++) { /* the order of a class path is kept */
        assert_string_equal (again.files[i].coordinates, lock.files[i].coordinates);
        assert_string_equal (again.files[i].name, lock.files[i].name);
        assert_true (ama_digest_equal (&again.files[i].digest, &lock.files[i].digest));
        assert_int_equal (again.files[i].size, lock.files[i].size);
    }
    ama_resolve_lock_done (&again);
    /* any byte cut off or changed: no lock, or the very same one (white space, names of files) */
    for (size_t size = 0; size + 1 < text.size; size++)
        assert_int_equal (ama_resolve_lock_decode (text.data, size, &again, NULL), AMA_E_DECODE);
    for (size_t i = 0; i < text.size; i++) {
        text.data[i] ^= 1;
        if (ama_resolve_lock_decode (text.data, text.size, &again, NULL) == 0) {
            two = ama_resolve_lock_digest (&again);
            assert_true (ama_digest_equal (&one, &two));
            ama_resolve_lock_done (&again);
        }
        text.data[i] ^= 1;
    }
    ama_str_done (&text);
    ama_resolve_lock_done (&lock);
}

static void damaged (void **state)
{
#define SUM "0000000000000000000000000000000000000000000000000000000000000000"
    static const char *const rows[] = {
        "",
        "[]",
        "null",
        "{}",
        "{\"version\": 2, \"lock\": \"" SUM "\", \"files\": []}",
        "{\"version\": 1, \"lock\": \"" SUM "\", \"files\": []}",
        "{\"version\": 1, \"lock\": 7, \"files\": []}",
        "{\"version\": 1, \"lock\": \"x\", \"files\": {}}",
        "{\"version\": 1, \"version\": 1, \"lock\": \"" SUM "\", \"files\": []}",
        "{\"version\": 1, \"lock\": \"" SUM "\", \"files\": [7]}",
        "{\"version\": 1, \"lock\": \"" SUM
        "\", \"files\": [{\"coordinates\": \"g:a:1\", \"name\": \"../x\", \"sha256\": \"" SUM "\", \"size\": 1}]}",
        "{\"version\": 1, \"lock\": \"" SUM
        "\", \"files\": [{\"coordinates\": \"g:a:1\", \"name\": \"x\", \"sha256\": \"" SUM "\", \"size\": -1}]}",
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_resolve_lock_t lock;
        ROW_ASSERT (rows[i], ama_resolve_lock_decode (rows[i], strlen (rows[i]), &lock, NULL) == AMA_E_DECODE);
    }
}

static void digests (void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        { "g:a:1=x g:b:1=y", "g:b:1=y g:a:1=x", true },
        { "g:a:1=x g:b:1=y", "g:a:1=y g:b:1=x", false },
        { "g:a:1=x", "g:a:2=x", false },
        { "g:a:1=x", "g:a:1=y", false },
        { "g:a:1=x", "g:a:1=x g:a:1=x", false },
        { "", "", true },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_resolve_lock_t a = lock_of (rows[i].a), b = lock_of (rows[i].b);
        ama_digest_t one = ama_resolve_lock_digest (&a), two = ama_resolve_lock_digest (&b);
        ROW_ASSERT (rows[i].b, ama_digest_equal (&one, &two) == rows[i].same);
        ama_resolve_lock_done (&a);
        ama_resolve_lock_done (&b);
    }
}

static void compared (void **state)
{
    static const struct {
        const char *before, *now, *bad;
    } rows[] = {
        { "g:a:1=x g:b:1=y", "g:b:1=y g:a:1=x", NULL },
        { "g:a:1=x g:b:1=y", "g:b:1=z g:a:1=x", "g:b:1 is not" },
        { "g:a:1=x", "g:b:1=x", NULL }, /* another set altogether is for the resolver to say, not a swap */
        { "g:a:1=x g:c:1=y", "g:b:1=x g:c:1=z", "g:c:1 is not" },
        { "g:a:1-SNAPSHOT=x", "g:a:1-SNAPSHOT=y", NULL },
        { "", "g:a:1=x", NULL },
        { "g:a:1=x", "", NULL },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_resolve_lock_t before = lock_of (rows[i].before), now = lock_of (rows[i].now);
        ama_err_t err = { 0 };
        int rc = ama_resolve_lock_compare (&before, &now, &err);
        ROW_ASSERT (rows[i].now, rc == (rows[i].bad ? AMA_E_INTEGRITY : 0));
        ROW_ASSERT (rows[i].now, !rows[i].bad || strstr (err.text, rows[i].bad));
        ama_resolve_lock_done (&before);
        ama_resolve_lock_done (&now);
    }
}

static void changing (void **state)
{
    static const struct {
        const char *lock;
        bool changing;
    } rows[] = {
        { "g:a:1=x g:b:2-SNAPSHOT=y", true }, { "g:a:1=x", false }, { "", false }, { "g:a:1-SNAPSHOT:tests=x", true }
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        ama_resolve_lock_t lock = lock_of (rows[i].lock);
        ROW_ASSERT (rows[i].lock, ama_resolve_lock_is_changing (&lock) == rows[i].changing);
        ama_resolve_lock_done (&lock);
    }
}

static void names (void **state)
{
    static const struct {
        const char *coordinates, *path, *name;
    } rows[] = {
        { "org.x:a_2.13:1.0", "/c/a_2.13-1.0.jar", "org.x_a_2.13-1.0.jar" },
        { "org.x:a:1:tests", "/c/a-1-tests.jar", "org.x_a-1-tests.jar" },
        { "org.x:a:1", "/c/a-1.zip", "org.x_a-1.zip" },
        { "org.x:a:1", "/c/a", "org.x_a-1.jar" },
        { "org.x:a:1", "/c.d/a", "org.x_a-1.jar" },
        { "org.x:a:1", "/c/a.j/r", "org.x_a-1.jar" },
        { "org.x:a:1", "/c/a.extension-too-long", "org.x_a-1.jar" },
        { "org.x:a:1", "/c/a.", "org.x_a-1.jar" },
        { "org.x:a:1~rc,2%41#x", "/c/a.jar", "org.x_a-1_rc_2_41_x.jar" },
    };
    char longest[641];
    char *one, *two;

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (rows); i++) {
        char *name = ama_resolve_lock_name (rows[i].coordinates, rows[i].path);
        ROW_EQUAL (rows[i].path, name, rows[i].name);
        free (name);
    }
    memset (longest, 'g', sizeof longest - 1);
    longest[640] = '\0';
    longest[300] = longest[600] = ':';
    one = ama_resolve_lock_name (longest, "/x.jar");
    longest[0] = 'h';
    two = ama_resolve_lock_name (longest, "/x.jar");
    assert_true (strlen (one) < 255 && strlen (two) < 255);
    assert_string_not_equal (one, two);
    free (one);
    free (two);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (there_and_back), cmocka_unit_test (damaged),
                                        cmocka_unit_test (digests),        cmocka_unit_test (compared),
                                        cmocka_unit_test (changing),       cmocka_unit_test (names) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
