/* ama_keys.c - the list of those who may join over tcp. Read by the hub and by the ZAP handler, each for itself; changed by `ama keys`. */
#include "actors/runtime/ama_keys.h"

#include "actors/base/ama_str.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEYS_MAX = 4096, LINE_MAX_BYTES = 256 };

static const char *const role_names[] = { "operator", "submitter", "viewer", "agent", "actor" };

const char *ama_key_role_name (ama_key_role_t role)
{
    return (size_t) role < ARRAY_SIZE (role_names) ? role_names[role] : "?";
}

int ama_key_role_parse (const char *text, ama_key_role_t *ret_role, ama_err_t *err)
{
    for (size_t i = 0; i < ARRAY_SIZE (role_names); i++)
        if (strcmp (text, role_names[i]) == 0) {
            *ret_role = (ama_key_role_t) i;
            return 0;
        }
    return ama_err_set (err, AMA_E_INVALID, "\"%.40s\" is no role: " AMA_KEY_ROLE_WORDS, text);
}

/* ---- reading ---- */

static bool is_name (const char *text)
{
    size_t size = strspn (text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    return size && size < AMA_KEY_NAME_MAX && !text[size] && isalnum ((unsigned char) text[0]);
}

static int check (const ama_key_t *key, ama_err_t *err)
{
    if (!is_name (key->name))
        return ama_err_set (err, AMA_E_INVALID,
                            "a name has at most 64 of A-Z a-z 0-9 . _ - and begins with a letter or digit");
    if (!ama_key_is_public (key->key))
        return ama_err_set (err, AMA_E_INVALID, "the key of %s is no public key: 40 characters, as in a .pub file",
                            key->name);
    return 0;
}

/* The next word of a line that ends with a NUL; "" if there is none. */
static char *next_word (char **at)
{
    char *word = *at + strspn (*at, " \t");

    *at = word + strcspn (word, " \t");
    if (**at)
        *(*at)++ = '\0';
    return word;
}

static int parse_line (char *line, ama_key_t *ret_key, ama_err_t *err)
{
    const char *name = next_word (&line), *role = next_word (&line), *key = next_word (&line);

    if (!*key || *next_word (&line))
        return ama_err_set (err, AMA_E_SYNTAX, "a line is: name, role, public key");
    if (strlen (name) >= sizeof ret_key->name || strlen (key) >= sizeof ret_key->key)
        return ama_err_set (err, AMA_E_INVALID, "a name has at most 64 characters, a key has 40");
    (void) snprintf (ret_key->name, sizeof ret_key->name, "%s", name);
    (void) snprintf (ret_key->key, sizeof ret_key->key, "%s", key);
    return ama_key_role_parse (role, &ret_key->role, err) < 0 ? AMA_E_INVALID : check (ret_key, err);
}

static int add (ama_keys_t *keys, const ama_key_t *key, ama_err_t *err)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp (keys->items[i].name, key->name) == 0)
            return ama_err_set (err, AMA_E_DUPKEY, "there is a key named %s already", key->name);
        if (strcmp (keys->items[i].key, key->key) == 0)
            return ama_err_set (err, AMA_E_DUPKEY, "%s has the same key as %s", key->name, keys->items[i].name);
    }
    if (keys->count == KEYS_MAX)
        return ama_err_set (err, AMA_E_LIMIT, "more than %d keys", KEYS_MAX);
    keys->items = ama_realloc (keys->items, (keys->count + 1) * sizeof *keys->items);
    keys->items[keys->count++] = *key;
    return 0;
}

/* A line without its end. *ret_key has no name if there is nothing in it. */
static int take_line (const char *text, size_t size, ama_key_t *ret_key, ama_err_t *err)
{
    char line[LINE_MAX_BYTES + 1];
    size_t first = 0;

    *ret_key = (ama_key_t){ 0 };
    while (first < size && (text[first] == ' ' || text[first] == '\t'))
        first++;
    if (first == size || text[first] == '#')
        return 0;
    if (size > LINE_MAX_BYTES)
        return ama_err_set (err, AMA_E_LIMIT, "a line has at most %d bytes", LINE_MAX_BYTES);
    for (size_t i = 0; i < size; i++)
        if (text[i] != '\t' && (text[i] < 0x20 || text[i] > 0x7e))
            return ama_err_set (err, AMA_E_SYNTAX, "a character that may not stand in this file");
    memcpy (line, text, size);
    line[size] = '\0';
    return parse_line (line, ret_key, err);
}

int ama_keys_parse (const char *text, size_t size, const char *file, ama_keys_t *ret_keys, ama_err_t *err)
{
    const char *end = text + size;
    ama_keys_t keys = { 0 };
    ama_err_t why = { 0 };
    int rc = 0;

    for (size_t line = 1; rc == 0 && text < end; line++) {
        const char *stop = memchr (text, '\n', (size_t) (end - text));
        ama_key_t key;

        if (!stop)
            stop = end;
        rc = take_line (text, (size_t) (stop - text), &key, &why);
        if (rc == 0 && key.name[0])
            rc = add (&keys, &key, &why);
        if (rc < 0)
            (void) ama_err_set (err, rc, "%s:%zu: %s", file, line, why.text);
        text = stop < end ? stop + 1 : end;
    }
    if (rc < 0)
        ama_keys_done (&keys);
    *ret_keys = keys;
    return rc;
}

int ama_keys_load (const char *file, ama_keys_t *ret_keys, ama_err_t *err)
{
    size_t size = 0;
    char *text = NULL;
    int rc = ama_key_file_read (file, true, &text, &size, err);

    *ret_keys = (ama_keys_t){ 0 };
    if (rc == 0)
        rc = ama_keys_parse (text, size, file, ret_keys, err);
    free (text);
    return rc;
}

void ama_keys_done (ama_keys_t *keys)
{
    free (keys->items);
    *keys = (ama_keys_t){ 0 };
}

const ama_key_t *ama_keys_find (const ama_keys_t *keys, const char *key)
{
    for (size_t i = 0; i < keys->count; i++)
        if (strcmp (keys->items[i].key, key) == 0)
            return &keys->items[i];
    return NULL;
}

/* ---- reading again ---- */

/* Size and times could stay the same over a quick change in place; with a new file, as `ama keys` writes it, the inode differs. */
static void look_at (const char *file, uint64_t seen[4])
{
    struct stat st;

    memset (seen, 0, 4 * sizeof *seen);
    if (stat (file, &st) < 0)
        return;
    seen[0] = 1 + st.st_ino;
    seen[1] = (uint64_t) st.st_size << 16 ^ st.st_mode;
    seen[2] = (uint64_t) st.st_mtim.tv_sec * 1000000000u + (uint64_t) st.st_mtim.tv_nsec;
    seen[3] = (uint64_t) st.st_ctim.tv_sec * 1000000000u + (uint64_t) st.st_ctim.tv_nsec;
}

bool ama_keys_refresh (ama_keys_watch_t *watch, ama_err_t *err)
{
    uint64_t seen[4];
    ama_keys_t keys;
    int rc;

    look_at (watch->file, seen);
    if (memcmp (seen, watch->seen, sizeof seen) == 0)
        return false;
    memcpy (watch->seen, seen, sizeof seen);
    *err = (ama_err_t){ 0 };
    rc = ama_keys_load (watch->file, &keys, err);
    watch->broken = rc < 0 && rc != AMA_E_NOT_FOUND;
    if (!watch->broken) {
        ama_keys_done (&watch->keys);
        watch->keys = keys;
        *err = (ama_err_t){ 0 };
    }
    return true;
}

/* ---- changing ---- */

/* -1: err is set. */
static int lock_beside (const char *file, ama_err_t *err)
{
    ama_str_t path = { 0 };
    int fd;

    ama_str_printf (&path, "%s.lock", file);
    fd = open (path.data, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || flock (fd, LOCK_EX) < 0) {
        (void) ama_err_set (err, AMA_E_IO, "%s: %s", path.data, strerror (errno));
        if (fd >= 0)
            (void) close (fd);
        fd = -1;
    }
    ama_str_done (&path);
    return fd;
}

int ama_keys_add (const char *file, const ama_key_t *key, ama_err_t *err)
{
    ama_keys_t keys = { 0 };
    ama_str_t out = { 0 };
    size_t size = 0;
    char *text = NULL;
    int lock, rc = check (key, err);

    if (rc < 0 || (lock = lock_beside (file, err)) < 0)
        return rc < 0 ? rc : AMA_E_IO;
    rc = ama_key_file_read (file, true, &text, &size, err);
    if (rc == 0)
        rc = ama_keys_parse (text, size, file, &keys, err);
    else if (rc == AMA_E_NOT_FOUND)
        rc = 0;
    if (rc == 0 && add (&keys, key, err) < 0)
        rc = AMA_E_EXISTS;
    if (rc == 0) {
        ama_str_add (&out, text ? text : "", size);
        if (text && size && text[size - 1] != '\n')
            ama_str_putc (&out, '\n');
        ama_str_printf (&out, "%s %s %s\n", key->name, ama_key_role_name (key->role), key->key);
        rc = ama_key_file_replace (file, out.data, out.size, err);
    }
    if (rc < 0 && err)
        err->code = rc;
    (void) close (lock);
    ama_str_done (&out);
    ama_keys_done (&keys);
    free (text);
    return rc;
}

/* All lines but that of name. */
static int without (const char *text, size_t size, const char *name, ama_str_t *out)
{
    const char *end = text + size;
    int rc = AMA_E_NOT_FOUND;

    while (text < end) {
        const char *stop = memchr (text, '\n', (size_t) (end - text));
        ama_key_t key;

        stop = stop ? stop + 1 : end;
        (void) take_line (text, (size_t) (stop - text) - (stop[-1] == '\n'), &key, NULL);
        if (strcmp (key.name, name) == 0)
            rc = 0;
        else
            ama_str_add (out, text, (size_t) (stop - text));
        text = stop;
    }
    return rc;
}

int ama_keys_revoke (const char *file, const char *name, ama_err_t *err)
{
    ama_str_t out = { 0 };
    size_t size = 0;
    char *text = NULL;
    int rc, lock = lock_beside (file, err);

    if (lock < 0)
        return AMA_E_IO;
    rc = ama_key_file_read (file, true, &text, &size, err);
    if (rc == 0 && (!is_name (name) || without (text, size, name, &out) < 0))
        rc = ama_err_set (err, AMA_E_NOT_FOUND, "%s: nobody is named %.64s", file, name);
    if (rc == 0)
        rc = ama_key_file_replace (file, out.data ? out.data : "", out.size, err);
    (void) close (lock);
    ama_str_done (&out);
    free (text);
    return rc;
}
