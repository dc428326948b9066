/* resolve_lock.c - locks as documents and digests. Called by resolve_store.c on the worker's thread, and by tests; no state. */
#include "actors/resolver/resolve_lock.h"

#include "actors/resolver/resolve_answer.h"
#include "messages/resolve.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, NAME_MAX_BYTES = 200 };

void ama_resolve_lock_done (ama_resolve_lock_t *lock)
{
    for (size_t i = 0; i < lock->n_files; i++) {
        free (lock->files[i].coordinates);
        free (lock->files[i].name);
    }
    free (lock->files);
    *lock = (ama_resolve_lock_t){ 0 };
}

/* ---- the document ---- */

void ama_resolve_lock_encode (const ama_resolve_lock_t *lock, ama_str_t *out)
{
    ama_digest_t whole = ama_resolve_lock_digest (lock);
    json_t *files = json_array (), *document;
    char hex[AMA_DIGEST_TEXT], *text;

    for (size_t i = 0; i < lock->n_files; i++) {
        const ama_resolve_locked_t *one = &lock->files[i];
        json_t *file = json_pack ("{s:s, s:s, s:s, s:I}", "coordinates", one->coordinates, "name", one->name, "sha256",
                                  ama_digest_text (&one->digest, hex), "size", (json_int_t) one->size);
        BUG_ON (!file || json_array_append_new (files, file) < 0);
    }
    document = json_pack ("{s:i, s:s, s:o}", "version", VERSION, "lock", ama_digest_text (&whole, hex), "files", files);
    text = document ? json_dumps (document, JSON_INDENT (1)) : NULL;
    BUG_ON (!text);
    ama_str_puts (out, text);
    ama_str_putc (out, '\n');
    free (text);
    json_decref (document);
}

static bool name_ok (const char *name)
{
    return *name && *name != '.' && !strchr (name, '/') && strlen (name) <= 255;
}

static bool take_file (json_t *item, ama_resolve_locked_t *file)
{
    const char *coordinates, *name, *sha256;
    json_int_t size;

    if (json_unpack (item, "{s:s, s:s, s:s, s:I}", "coordinates", &coordinates, "name", &name, "sha256", &sha256,
                     "size", &size)
            < 0
        || size < 0 || !name_ok (name) || !ama_resolve_coordinates_ok (coordinates)
        || ama_digest_parse (sha256, &file->digest) < 0)
        return false;
    file->coordinates = ama_strdup (coordinates);
    file->name = ama_strdup (name);
    file->size = (uint64_t) size;
    return true;
}

int ama_resolve_lock_decode (const char *text, size_t size, ama_resolve_lock_t *ret_lock, ama_err_t *err)
{
    json_t *document =
        size <= AMA_RESOLVE_LOCK_BYTES_MAX ? json_loadb (text, size, JSON_REJECT_DUPLICATES, NULL) : NULL;
    json_t *files = json_object_get (document, "files");
    ama_resolve_lock_t lock = { 0 };
    const char *sum = json_string_value (json_object_get (document, "lock"));
    ama_digest_t expected, whole;
    bool ok = json_integer_value (json_object_get (document, "version")) == VERSION && json_is_array (files)
              && json_array_size (files) <= AMA_RESOLVE_REPLY_FILES_MAX && sum
              && ama_digest_parse (sum, &expected) == 0;

    if (ok)
        lock.files = ama_calloc (json_array_size (files) + 1, sizeof *lock.files);
    for (size_t i = 0; ok && i < json_array_size (files); i++) {
        ok = take_file (json_array_get (files, i), &lock.files[i]);
        lock.n_files += ok;
    }
    json_decref (document);
    if (ok) {
        whole = ama_resolve_lock_digest (&lock);
        ok = ama_digest_equal (&whole, &expected);
    }
    if (!ok) {
        ama_resolve_lock_done (&lock);
        return ama_err_set (err, AMA_E_DECODE, "no lock, or a damaged one");
    }
    *ret_lock = lock;
    return 0;
}

/* ---- digests ---- */

static int compare_lines (const void *a, const void *b)
{
    return strcmp (*(char *const *) a, *(char *const *) b);
}

ama_digest_t ama_resolve_lock_digest (const ama_resolve_lock_t *lock)
{
    char **lines = ama_calloc (lock->n_files + 1, sizeof *lines), hex[AMA_DIGEST_TEXT];
    ama_digest_state_t state;

    for (size_t i = 0; i < lock->n_files; i++) {
        ama_str_t line = { 0 };
        ama_str_printf (&line, "%s %s\n", lock->files[i].coordinates, ama_digest_text (&lock->files[i].digest, hex));
        lines[i] = ama_str_take (&line);
    }
    qsort (lines, lock->n_files, sizeof *lines, compare_lines);
    ama_digest_start (&state);
    for (size_t i = 0; i < lock->n_files; i++) {
        ama_digest_add (&state, lines[i], strlen (lines[i]));
        free (lines[i]);
    }
    free (lines);
    return ama_digest_end (&state);
}

static bool is_changing (const char *coordinates)
{
    return strstr (coordinates, "-SNAPSHOT") != NULL;
}

bool ama_resolve_lock_is_changing (const ama_resolve_lock_t *lock)
{
    for (size_t i = 0; i < lock->n_files; i++)
        if (is_changing (lock->files[i].coordinates))
            return true;
    return false;
}

static int compare_files (const void *a, const void *b)
{
    return strcmp (((const ama_resolve_locked_t *) a)->coordinates, ((const ama_resolve_locked_t *) b)->coordinates);
}

/* By coordinates. The array is the caller's, what its items point to is the lock's. */
static ama_resolve_locked_t *sorted (const ama_resolve_lock_t *lock)
{
    ama_resolve_locked_t *files = ama_calloc (lock->n_files + 1, sizeof *files);

    for (size_t i = 0; i < lock->n_files; i++)
        files[i] = lock->files[i];
    qsort (files, lock->n_files, sizeof *files, compare_files);
    return files;
}

int ama_resolve_lock_compare (const ama_resolve_lock_t *before, const ama_resolve_lock_t *now, ama_err_t *err)
{
    ama_resolve_locked_t *old = sorted (before), *new = sorted (now);
    size_t i = 0, j = 0;
    int rc = 0;

    while (rc == 0 && i < before->n_files && j < now->n_files) {
        int order = strcmp (old[i].coordinates, new[j].coordinates);
        if (order == 0 && !is_changing (old[i].coordinates) && !ama_digest_equal (&old[i].digest, &new[j].digest))
            rc = ama_err_set (err, AMA_E_INTEGRITY, "%.300s is not the file it was when these dependencies were locked",
                              old[i].coordinates);
        i += order <= 0;
        j += order >= 0;
    }
    free (old);
    free (new);
    return rc;
}

/* ---- names ---- */

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

char *ama_resolve_lock_name (const char *coordinates, const char *path)
{
    const char *slash = strrchr (path, '/'), *file = slash ? slash + 1 : path, *dot = strrchr (file, '.');
    bool plain = dot && dot[1] && strlen (dot) <= 8 && strspn (dot + 1, letters) == strlen (dot + 1), first = false;
    ama_str_t name = { 0 };

    ama_str_puts (&name, coordinates);
    if (name.size > NAME_MAX_BYTES) { /* the end tells more than the beginning, but could be another's end too */
        char hex[AMA_DIGEST_TEXT];
        ama_digest_t digest = ama_digest_of (coordinates, strlen (coordinates));
        ama_str_clear (&name);
        ama_str_printf (&name, "%.16s-%s", ama_digest_text (&digest, hex),
                        coordinates + strlen (coordinates) - NAME_MAX_BYTES + 32);
    }
    for (char *c = name.data; *c; c++) { /* Spark takes lists of URIs: a comma or percent sign would be its own */
        if (*c == ':' && !first) {
            first = true;
            *c = '_';
        }
        else if (*c == ':')
            *c = '-';
        else if (!strchr (letters, *c) && !strchr ("._+-", *c))
            *c = '_';
    }
    ama_str_puts (&name, plain ? dot : ".jar");
    return ama_str_take (&name);
}
