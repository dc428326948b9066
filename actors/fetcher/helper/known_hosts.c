/* known_hosts.c - a known_hosts file without what libssh2 1.10 can not read. Helper program only; no state. */
#include "actors/fetcher/helper/known_hosts.h"

#include <stdbool.h>
#include <string.h>

enum { HOSTS_BYTES = 200 }; /* libssh2 holds names in 256 bytes */

typedef struct {
    const char *data;
    size_t size;
} slice_t;

typedef struct {
    slice_t whole, hosts, type, key;
    bool revoked, usable;
} line_t;

static slice_t word (slice_t *rest)
{
    slice_t found;

    while (rest->size && (*rest->data == ' ' || *rest->data == '\t')) {
        rest->data++;
        rest->size--;
    }
    found = (slice_t){ rest->data, 0 };
    while (rest->size && *rest->data != ' ' && *rest->data != '\t') {
        rest->data++;
        rest->size--;
        found.size++;
    }
    return found;
}

/* Best first. */
static const char *const types[] = {
    "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa", "ssh-dss"
};

static bool is_type (slice_t type, const char *name)
{
    return type.size == strlen (name) && memcmp (type.data, name, type.size) == 0;
}

static bool is_base64 (slice_t key)
{
    if (key.size < 16)
        return false;
    for (size_t i = 0; i < key.size; i++)
        if (!key.data[i] || !strchr ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=", key.data[i]))
            return false;
    return true;
}

static bool next_line (slice_t *rest, line_t *ret_line)
{
    const char *stop = rest->size ? memchr (rest->data, '\n', rest->size) : NULL;
    line_t line = { .whole = { rest->data, stop ? (size_t) (stop - rest->data) : rest->size } };
    slice_t left = line.whole;

    if (!rest->size)
        return false;
    rest->data += stop ? line.whole.size + 1 : line.whole.size;
    rest->size -= stop ? line.whole.size + 1 : line.whole.size;
    if (left.size && left.data[left.size - 1] == '\r')
        left.size--;
    line.hosts = word (&left);
    if (line.hosts.size && line.hosts.data[0] == '@') {
        line.revoked = line.hosts.size == 8 && memcmp (line.hosts.data, "@revoked", 8) == 0;
        line.hosts = word (&left);
        line.type = word (&left);
        line.key = word (&left);
    }
    else {
        line.type = word (&left);
        line.key = word (&left);
        line.usable =
            line.hosts.size && line.hosts.data[0] != '#' && line.hosts.size <= HOSTS_BYTES && is_base64 (line.key);
    }
    *ret_line = line;
    return true;
}

static bool is_revoked (slice_t rest, slice_t key)
{
    line_t line;

    while (next_line (&rest, &line))
        if (line.revoked && line.key.size == key.size && memcmp (line.key.data, key.data, key.size) == 0)
            return true;
    return false;
}

static void add_line (ama_str_t *out, const line_t *line)
{
    ama_str_add (out, line->hosts.data, line->hosts.size);
    ama_str_putc (out, ' ');
    ama_str_add (out, line->type.data, line->type.size);
    ama_str_putc (out, ' ');
    ama_str_add (out, line->key.data, line->key.size);
    ama_str_putc (out, '\n');
}

void ama_fetch_known_hosts_filter (const char *text, size_t size, ama_str_t *out)
{
    const slice_t all = { text, size };
    bool any_revoked = size && memmem (text, size, "@revoked", 8);

    for (size_t i = 0; i < ARRAY_SIZE (types); i++) {
        slice_t rest = all;
        line_t line;
        while (next_line (&rest, &line))
            if (line.usable && is_type (line.type, types[i]) && !(any_revoked && is_revoked (all, line.key)))
                add_line (out, &line);
    }
}
