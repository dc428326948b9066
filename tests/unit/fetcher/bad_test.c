/* bad_test.c - every row of tests/bad/repo/EXPECT: its file is let loose on the helper's code, and the answer is the one that the row names
 *
 * What must hold besides (nothing outside is touched, limits, no trace of a failure) is checked by bad_box.c. tests/e2e_fetch/test_bad.py
 * does the same to the whole fetcher.
 */
#include "tests/unit/fetcher/bad_box.h"
#include "tests/unit/table.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "tests/bad/repo/"

static const bad_limits_t limits = {
    .file_bytes = 1 << 20, .tree_bytes = 2 << 20, .pack_bytes = 1 << 20, .files = 11000, .refs = 1000
};

typedef struct {
    char *file, *code;
    const char *ref; /* asks REF; of a server */
    char *facts[16];
    size_t n_facts;
} row_t;

/* ---- files ---- */

static ama_str_t read_file (const char *name)
{
    const char *root = getenv ("AMA_SOURCE_DIR");
    ama_str_t text = { 0 };
    char path[PATH_MAX], block[4096];
    FILE *file;

    (void) snprintf (path, sizeof path, "%s/" FOLDER "%s", root ? root : ".", name);
    file = fopen (path, "rb");
    if (!file)
        fail_msg ("can not read %s", path);
    for (size_t got; (got = fread (block, 1, sizeof block, file)) > 0;)
        ama_str_add (&text, block, got);
    (void) fclose (file);
    return text;
}

static size_t count_files (const char *folder)
{
    const char *root = getenv ("AMA_SOURCE_DIR");
    char path[PATH_MAX];
    size_t n = 0;
    DIR *dir;

    (void) snprintf (path, sizeof path, "%s/" FOLDER "%s", root ? root : ".", folder);
    dir = opendir (path);
    if (!dir)
        fail_msg ("can not list %s", path);
    for (struct dirent *entry; dir && (entry = readdir (dir));)
        n += entry->d_name[0] != '.';
    if (dir)
        (void) closedir (dir);
    return n;
}

/* ---- facts of a snapshot ---- */

/* \n \0 \xNN, as the table has them. */
static ama_str_t unescape (const char *text)
{
    ama_str_t out = { 0 };
    unsigned byte;

    ama_str_puts (&out, "");
    for (; *text; text++) {
        if (text[0] == '\\' && text[1] == 'n') {
            ama_str_putc (&out, '\n');
            text++;
        }
        else if (text[0] == '\\' && sscanf (text, "\\x%2x", &byte) == 1) {
            ama_str_putc (&out, (char) byte);
            text += 3;
        }
        else if (strncmp (text, "\\o", 2) == 0) {
            ama_str_puts (&out, bad_box_outside ());
            text++;
        }
        else {
            ama_str_putc (&out, *text);
        }
    }
    return out;
}

static bool holds_text (int root, const char *name, const ama_str_t *text)
{
    int fd = openat (root, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    char *got = ama_malloc (text->size + 1);
    bool same =
        fd >= 0 && read (fd, got, text->size + 1) == (ssize_t) text->size && memcmp (got, text->data, text->size) == 0;

    if (fd >= 0)
        (void) close (fd);
    free (got);
    return same;
}

static bool is_link (int root, const char *name, const ama_str_t *target)
{
    char got[PATH_MAX];
    ssize_t size = readlinkat (root, name, got, sizeof got);

    return size == (ssize_t) target->size && memcmp (got, target->data, target->size) == 0;
}

static bool is_empty_folder (int root, const char *name)
{
    struct stat st;

    return fstatat (root, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR (st.st_mode) && st.st_nlink == 2;
}

static bool warns (const ama_fetch_report_t *out, const char *text)
{
    for (size_t i = 0; i < out->n_warnings; i++)
        if (strstr (out->warnings[i], text))
            return true;
    return false;
}

/* NAME=TEXT, NAME->TARGET, NAME/ (an empty folder), warns TEXT, commit HEX, ref NAME */
static bool fact_holds (char *fact, int root, const ama_fetch_report_t *out)
{
    char *equals = strchr (fact, '='), *arrow = strstr (fact, "->"), *split = arrow ? arrow : equals;
    ama_str_t name, value;
    bool holds;

    if (ama_str_starts (fact, "warns "))
        return warns (out, fact + 6);
    if (ama_str_starts (fact, "commit "))
        return strcmp (out->commit, fact + 7) == 0;
    if (ama_str_starts (fact, "ref "))
        return strcmp (out->ref ? out->ref : "", fact + 4) == 0;
    if (!split)
        return ama_str_ends (fact, "/") && is_empty_folder (root, fact);
    *split = '\0';
    name = unescape (fact);
    value = unescape (split + (arrow ? 2 : 1));
    holds = arrow ? is_link (root, name.data, &value) : holds_text (root, name.data, &value);
    ama_str_done (&name);
    ama_str_done (&value);
    return holds;
}

static void check_facts (row_t *row, const ama_fetch_report_t *out)
{
    int root = open (out->snapshot, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (size_t i = 0; i < row->n_facts; i++) {
        char fact[1024];
        (void) snprintf (fact, sizeof fact, "%s", row->facts[i]);
        if (!fact_holds (fact, root, out))
            fail_msg ("%s: not so: %s", row->file, row->facts[i]);
    }
    (void) close (root);
}

/* ---- rows ---- */

static void check_row (row_t *row)
{
    ama_str_t bytes = read_file (row->file);
    ama_fetch_report_t out;
    ama_err_t err = { 0 };
    unsigned line = 0;
    int rc = ama_str_starts (row->file, "trees/")
                 ? bad_box_repo (bytes.data, bytes.size, &limits, &out, &line, &err)
                 : bad_box_server (bytes.data, bytes.size, row->ref, false, &limits, &out, &err);

    if (line)
        fail_msg ("%s: line %u means nothing", row->file, line);
    if (strcmp (rc ? ama_err_name (rc) : "ok", row->code) != 0)
        fail_msg ("%s: %s %s, not %s", row->file, rc ? ama_err_name (rc) : "ok", err.text, row->code);
    if (rc == 0)
        check_facts (row, &out);
    else if (row->n_facts && !strstr (err.text, row->facts[0]))
        fail_msg ("%s: the text is '%s', not '…%s…'", row->file, err.text, row->facts[0]);
    assert_null (strchr (err.text, '\x1b'));
    bad_box_clear (&out);
    ama_str_done (&bytes);
}

/* "FILE CODE [asks REF; ]FACT; FACT" */
static bool split_row (char *line, row_t *ret_row)
{
    char *rest = NULL, *at;

    *ret_row = (row_t){ .ref = "" };
    ret_row->file = strtok_r (line, " ", &rest);
    ret_row->code = strtok_r (NULL, " ", &rest);
    if (!ret_row->file || *ret_row->file == '#')
        return false;
    assert_non_null (ret_row->code);
    for (at = rest; at && *at;) {
        char *next = strstr (at, "; ");
        if (next)
            *next = '\0';
        while (*at == ' ')
            at++;
        assert_true (ret_row->n_facts < ARRAY_SIZE (ret_row->facts));
        if (ama_str_starts (at, "asks "))
            ret_row->ref = at + 5;
        else if (*at)
            ret_row->facts[ret_row->n_facts++] = at;
        at = next ? next + 2 : NULL;
    }
    return true;
}

static void test_table (void **state)
{
    ama_str_t table = read_file ("EXPECT");
    char *rest = NULL;
    size_t rows = 0;
    row_t row;

    (void) state;
    for (char *line = strtok_r (table.data, "\n", &rest); line; line = strtok_r (NULL, "\n", &rest))
        if (split_row (line, &row)) {
            if (getenv ("AMA_BAD_SHOW"))
                (void) fprintf (stderr, "%s\n", row.file);
            check_row (&row);
            rows++;
        }
    assert_int_equal (rows, count_files ("trees") + count_files ("packs"));
    ama_str_done (&table);
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (test_table) };

    return cmocka_run_group_tests_name ("fetcher: bad repositories and servers", tests, NULL, NULL);
}
