/* bad_repo.c - the language of tests/bad/repo/trees */
#include "tests/unit/fetcher/bad_repo.h"

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

#include <fcntl.h>
#include <git2.h>
#include <git2/sys/odb_backend.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORD = 64, BYTES_MAX = 8 << 20, OBJECTS_MAX = 2000, TIMES_MAX = 65536, ENTRIES_MAX = 20000, NEST_MAX = 200 };

typedef struct {
    char label[WORD];
    git_oid id;
} object_t;

typedef struct {
    const char *folder, *outside;
    git_odb *odb;
    object_t objects[OBJECTS_MAX];
    size_t n_objects, bytes;
    ama_str_t tree;
    char tree_label[WORD]; /* "": no tree is open */
    git_oid last_tree, last_commit;
    bool any_tree, any_commit, any_ref;
    bad_ask_t *ask;
} maker_t;

/* ---- words ---- */

/* The rest of a line; what is not understood leaves it empty and bad. */
typedef struct {
    const char *at, *end;
    const char *outside;
    bool bad;
} line_t;

static void word (line_t *line, char buf[WORD])
{
    size_t n = 0;

    for (; line->at < line->end && *line->at != ' ' && n < WORD - 1; line->at++)
        buf[n++] = *line->at;
    buf[n] = '\0';
    if (!n || (line->at < line->end && *line->at != ' '))
        line->bad = true;
    if (line->at < line->end)
        line->at++;
}

static size_t number (line_t *line, size_t max)
{
    char buf[WORD];
    unsigned long value;

    word (line, buf);
    value = strspn (buf, "0123456789") == strlen (buf) ? strtoul (buf, NULL, 10) : ULONG_MAX;
    if (value > max)
        line->bad = true;
    return line->bad ? 0 : (size_t) value;
}

static unsigned hex_digit (char c)
{
    return c >= '0' && c <= '9' ? (unsigned) (c - '0') : c >= 'a' && c <= 'f' ? (unsigned) (c - 'a' + 10) : 16;
}

static void escaped (line_t *line, ama_str_t *out)
{
    static const char from[] = "nrt0\\\"", to[] = "\n\r\t\0\\\"";
    const char *known;

    if (line->at == line->end) {
        line->bad = true;
        return;
    }
    known = memchr (from, *line->at, sizeof from - 1);
    if (known) {
        ama_str_putc (out, to[known - from]);
    }
    else if (*line->at == 'o') {
        ama_str_puts (out, line->outside);
    }
    else if (*line->at == 'x' && line->end - line->at > 2 && hex_digit (line->at[1]) < 16
             && hex_digit (line->at[2]) < 16) {
        ama_str_putc (out, (char) (hex_digit (line->at[1]) << 4 | hex_digit (line->at[2])));
        line->at += 2;
    }
    else {
        line->bad = true;
    }
    line->at++;
}

static void piece (line_t *line, ama_str_t *out)
{
    ama_str_t one = { 0 };
    unsigned long times = 1;

    for (line->at++; !line->bad && line->at < line->end && *line->at != '"';)
        if (*line->at++ == '\\')
            escaped (line, &one);
        else
            ama_str_putc (&one, line->at[-1]);
    if (line->at++ >= line->end)
        line->bad = true;
    if (!line->bad && line->end - line->at > 1 && *line->at == '*') {
        for (times = 0, line->at++; line->at < line->end && hex_digit (*line->at) < 10 && times <= TIMES_MAX;
             line->at++)
            times = times * 10 + hex_digit (*line->at);
    }
    if (times * one.size > TIMES_MAX)
        line->bad = true;
    for (; !line->bad && times; times--)
        ama_str_add (out, one.data ? one.data : "", one.size);
    ama_str_done (&one);
}

/* To the end of the line. The caller frees out in any case. */
static void text (line_t *line, ama_str_t *out)
{
    ama_str_puts (out, "");
    if (line->at >= line->end)
        line->bad = true;
    while (!line->bad && line->at < line->end)
        if (*line->at == '"')
            piece (line, out);
        else
            line->bad = true;
}

/* ---- objects ---- */

static bool remember (maker_t *maker, const char *label, const git_oid *id)
{
    object_t *object = &maker->objects[maker->n_objects];

    if (maker->n_objects == OBJECTS_MAX)
        return false;
    (void) snprintf (object->label, sizeof object->label, "%s", label);
    object->id = *id;
    maker->n_objects++;
    return true;
}

static bool put (maker_t *maker, const char *label, git_object_t type, const ama_str_t *data, git_oid *ret_id)
{
    maker->bytes += data->size + 100;
    if (maker->bytes > BYTES_MAX
        || git_odb_write (ret_id, maker->odb, data->data ? data->data : "", data->size, type) < 0)
        return false;
    return remember (maker, label, ret_id);
}

static bool close_tree (maker_t *maker)
{
    char label[WORD];

    if (!maker->tree_label[0])
        return true;
    memcpy (label, maker->tree_label, sizeof label);
    maker->tree_label[0] = '\0';
    maker->any_tree = put (maker, label, GIT_OBJECT_TREE, &maker->tree, &maker->last_tree);
    return maker->any_tree;
}

static git_oid object (maker_t *maker, line_t *line)
{
    char label[WORD];
    git_oid id = { { 0 } };

    word (line, label);
    for (size_t i = maker->n_objects; i-- > 0;)
        if (strcmp (maker->objects[i].label, label) == 0)
            return maker->objects[i].id;
    if (strlen (label) != GIT_OID_HEXSZ || git_oid_fromstr (&id, label) < 0)
        line->bad = true;
    return id;
}

static void add_entry (maker_t *maker, const char *mode, const ama_str_t *name, const git_oid *id)
{
    ama_str_puts (&maker->tree, mode);
    ama_str_putc (&maker->tree, ' ');
    ama_str_add (&maker->tree, name->data, name->size);
    ama_str_putc (&maker->tree, '\0');
    ama_str_add (&maker->tree, id->id, GIT_OID_RAWSZ);
}

static bool do_blob (maker_t *maker, line_t *line)
{
    char label[WORD];
    ama_str_t data = { 0 };
    git_oid id;
    bool good;

    word (line, label);
    text (line, &data);
    good = !line->bad && put (maker, label, GIT_OBJECT_BLOB, &data, &id);
    ama_str_done (&data);
    return good;
}

static void loose_path (const maker_t *maker, const git_oid *id, char buf[PATH_MAX])
{
    char hex[GIT_OID_HEXSZ + 1];

    (void) git_oid_tostr (hex, sizeof hex, id);
    (void) snprintf (buf, PATH_MAX, "%s/objects/%.2s/%s", maker->folder, hex, hex + 2);
}

static bool do_lie (maker_t *maker, line_t *line)
{
    git_oid id = object (maker, line), lie;
    char from[PATH_MAX], to[PATH_MAX];
    ama_str_t data = { 0 };
    bool good;

    text (line, &data);
    good = !line->bad && put (maker, "", GIT_OBJECT_BLOB, &data, &lie);
    ama_str_done (&data);
    if (!good)
        return false;
    loose_path (maker, &lie, from);
    loose_path (maker, &id, to);
    return rename (from, to) == 0;
}

static bool do_tree (maker_t *maker, line_t *line)
{
    char label[WORD];

    word (line, label);
    ama_str_clear (&maker->tree);
    if (line->at < line->end)
        text (line, &maker->tree);
    if (!line->bad)
        memcpy (maker->tree_label, label, sizeof label);
    return !line->bad;
}

static bool do_entries (maker_t *maker, line_t *line, bool many)
{
    size_t n = many ? number (line, ENTRIES_MAX) : 1;
    ama_str_t name = { 0 }, numbered = { 0 };
    char mode[WORD];
    git_oid id;

    word (line, mode);
    id = object (maker, line);
    text (line, &name);
    line->bad = line->bad || !maker->tree_label[0] || maker->tree.size + n * (name.size + 100) > BYTES_MAX;
    for (size_t i = 0; !line->bad && i < n; i++) {
        ama_str_clear (&numbered);
        ama_str_add (&numbered, name.data, name.size);
        if (many)
            ama_str_printf (&numbered, "%05zu", i);
        add_entry (maker, mode, &numbered, &id);
    }
    ama_str_done (&name);
    ama_str_done (&numbered);
    return !line->bad;
}

static bool do_nest (maker_t *maker, line_t *line)
{
    size_t levels = number (line, NEST_MAX), width = number (line, 16);
    ama_str_t name = { 0 };

    if (line->bad || !maker->any_tree)
        return false;
    for (; levels; levels--) {
        ama_str_clear (&maker->tree);
        for (size_t i = 0; i < width; i++) {
            ama_str_clear (&name);
            ama_str_printf (&name, "d%zu", i);
            add_entry (maker, "40000", &name, &maker->last_tree);
        }
        if (!put (maker, "", GIT_OBJECT_TREE, &maker->tree, &maker->last_tree))
            break;
    }
    ama_str_done (&name);
    return !levels;
}

static bool commit_of (maker_t *maker, const char *label, const git_oid *tree, const char *subject)
{
    char hex[GIT_OID_HEXSZ + 1];
    ama_str_t data = { 0 };

    ama_str_printf (&data, "tree %s\nauthor t <t@t> 1 +0000\ncommitter t <t@t> 1 +0000\n\n%s",
                    git_oid_tostr (hex, sizeof hex, tree), subject);
    maker->any_commit = put (maker, label, GIT_OBJECT_COMMIT, &data, &maker->last_commit);
    ama_str_done (&data);
    return maker->any_commit;
}

static bool do_commit (maker_t *maker, line_t *line)
{
    ama_str_t subject = { 0 };
    char label[WORD];
    git_oid tree;
    bool good;

    word (line, label);
    tree = object (maker, line);
    text (line, &subject);
    good = !line->bad && commit_of (maker, label, &tree, subject.data);
    ama_str_done (&subject);
    return good;
}

/* ---- files ---- */

/* The path may come from a fuzzer. */
static bool write_file (maker_t *maker, const char *name, const char *bytes, size_t size)
{
    char path[PATH_MAX];
    size_t start = strlen (maker->folder) + 1;
    ssize_t wrote;
    int fd;

    if (!*name || *name == '/' || strstr (name, "..") || strstr (name, "//") || strlen (name) > 200)
        return false;
    for (const char *c = name; *c; c++)
        if (*c <= ' ' || *c == 0x7f)
            return false;
    (void) snprintf (path, sizeof path, "%s/%s", maker->folder, name);
    for (char *slash = path + start; (slash = strchr (slash, '/')); slash++) {
        *slash = '\0';
        (void) mkdir (path, 0755);
        *slash = '/';
    }
    fd = open (path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
               ama_str_starts (name, "hooks/") ? 0755 : 0644);
    if (fd < 0)
        return false;
    wrote = write (fd, bytes, size);
    (void) close (fd);
    return wrote == (ssize_t) size;
}

static bool do_file (maker_t *maker, line_t *line)
{
    ama_str_t data = { 0 };
    char name[WORD];
    bool good;

    word (line, name);
    text (line, &data);
    good = !line->bad && write_file (maker, name, data.data, data.size);
    ama_str_done (&data);
    return good;
}

static bool point (maker_t *maker, const char *name, const git_oid *id)
{
    char hex[GIT_OID_HEXSZ + 2];

    (void) git_oid_tostr (hex, sizeof hex, id);
    hex[GIT_OID_HEXSZ] = '\n';
    maker->any_ref = true;
    return write_file (maker, name, hex, GIT_OID_HEXSZ + 1);
}

static bool do_ref (maker_t *maker, line_t *line)
{
    char name[WORD];
    git_oid id;

    word (line, name);
    id = object (maker, line);
    return !line->bad && point (maker, name, &id);
}

static bool do_ask (maker_t *maker, line_t *line, bool pin)
{
    char asked[WORD];

    word (line, asked);
    if (line->bad)
        return false;
    if (pin)
        memcpy (maker->ask->commit, asked, sizeof asked);
    else
        memcpy (maker->ask->ref, asked, sizeof asked);
    return true;
}

/* ---- the whole ---- */

static bool one_line (maker_t *maker, line_t *line)
{
    char what[WORD];

    word (line, what);
    if (strcmp (what, "entry") == 0)
        return do_entries (maker, line, false);
    if (strcmp (what, "entries") == 0)
        return do_entries (maker, line, true);
    if (!close_tree (maker))
        return false;
    if (strcmp (what, "blob") == 0)
        return do_blob (maker, line);
    if (strcmp (what, "lie") == 0)
        return do_lie (maker, line);
    if (strcmp (what, "tree") == 0)
        return do_tree (maker, line);
    if (strcmp (what, "nest") == 0)
        return do_nest (maker, line);
    if (strcmp (what, "commit") == 0)
        return do_commit (maker, line);
    if (strcmp (what, "file") == 0)
        return do_file (maker, line);
    if (strcmp (what, "ref") == 0)
        return do_ref (maker, line);
    return (strcmp (what, "ask") == 0 || strcmp (what, "pin") == 0) && do_ask (maker, line, *what == 'p');
}

static void open_odb (maker_t *maker)
{
    char path[PATH_MAX];
    git_odb_backend *loose;

    (void) snprintf (path, sizeof path, "%s/objects", maker->folder);
    BUG_ON (mkdir (path, 0755) < 0);
    BUG_ON (git_odb_backend_loose (&loose, path, 1, 0, 0755, 0644) < 0);
    BUG_ON (git_odb_new (&maker->odb) < 0 || git_odb_add_backend (maker->odb, loose, 1) < 0);
}

static bool finish (maker_t *maker)
{
    char path[PATH_MAX];
    bool good = close_tree (maker);

    if (!maker->any_commit && maker->any_tree)
        good = commit_of (maker, "", &maker->last_tree, "bad\n") && good;
    if (!maker->any_ref && maker->any_commit)
        good = point (maker, "refs/heads/main", &maker->last_commit) && good;
    (void) snprintf (path, sizeof path, "%s/refs", maker->folder);
    (void) mkdir (path, 0755);
    (void) snprintf (path, sizeof path, "%s/HEAD", maker->folder);
    if (access (path, F_OK) < 0)
        good = write_file (maker, "HEAD", "ref: refs/heads/main\n", 21) && good;
    (void) snprintf (path, sizeof path, "%s/config", maker->folder);
    if (access (path, F_OK) < 0)
        good = write_file (maker, "config", "[core]\n\tbare = true\n", 20) && good;
    return good;
}

unsigned bad_repo_make (const char *bytes, size_t size, const char *folder, const char *outside, bad_ask_t *ret_ask)
{
    maker_t *maker = ama_calloc (1, sizeof *maker);
    const char *end = bytes + size;
    unsigned row = 0, first_bad = 0;

    *ret_ask = (bad_ask_t){ "", "" };
    maker->folder = folder;
    maker->outside = outside;
    maker->ask = ret_ask;
    open_odb (maker);
    for (const char *at = bytes, *stop; at < end; at = stop + 1) {
        line_t line = { .at = at, .outside = outside };
        stop = memchr (at, '\n', (size_t) (end - at));
        stop = stop ? stop : end;
        line.end = stop;
        row++;
        if (at < stop && *at != '#' && !one_line (maker, &line) && !first_bad)
            first_bad = row;
    }
    if (!finish (maker) && !first_bad)
        first_bad = row + 1;
    git_odb_free (maker->odb);
    ama_str_done (&maker->tree);
    free (maker);
    return first_bad;
}
