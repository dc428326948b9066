/* remote.c - keys for an amad on another machine. Called by main, before the actor.
 *
 * The keys of known servers lie beside amad.yaml of this user, in `servers`: one `ENDPOINT PUBLIC-KEY` a line.
 */
#include "client/remote.h"

#include "actors/base/ama_str.h"
#include "actors/runtime/ama_knock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KNOCK_MS = 10000 };

static char *servers_file (const ama_paths_t *paths)
{
    const char *slash = strrchr (paths->config_file, '/');
    ama_str_t path = { 0 };

    ama_str_printf (&path, "%.*s/servers", slash ? (int) (slash - paths->config_file) : 1,
                    slash ? paths->config_file : ".");
    return ama_str_take (&path);
}

/* 0: *ret_key is it; AMA_E_NOT_FOUND; AMA_E_SYNTAX. */
static int find_in (char *text, const char *file, const char *endpoint, char ret_key[AMA_KEY_TEXT], ama_err_t *err)
{
    char *rest = NULL;
    int n = 0;

    for (char *line = text; line; line = rest) {
        char *end = strchr (line, '\n'), *key;
        n++;
        rest = end ? end + 1 : NULL;
        if (end)
            *end = '\0';
        if (!*line || *line == '#')
            continue;
        key = strchr (line, ' ');
        if (!key || !ama_key_is_public (key + 1))
            return ama_err_set (err, AMA_E_SYNTAX, "%s:%d: a line is: endpoint, public key", file, n);
        *key++ = '\0';
        if (strcmp (line, endpoint) == 0) {
            memcpy (ret_key, key, AMA_KEY_TEXT);
            return 0;
        }
    }
    return ama_err_set (err, AMA_E_NOT_FOUND, "the key of %s is not known", endpoint);
}

static int known_key (const char *file, const char *endpoint, char ret_key[AMA_KEY_TEXT], ama_err_t *err)
{
    char *text = NULL;
    size_t size = 0;
    int rc = ama_key_file_read (file, true, &text, &size, err);

    if (rc == 0)
        rc = find_in (text, file, endpoint, ret_key, err);
    free (text);
    return rc;
}

int ama_remote_trust (const ama_paths_t *paths, const char *endpoint, const char *key, ama_err_t *err)
{
    char known[AMA_KEY_TEXT], *file = servers_file (paths), *text = NULL, *slash = strrchr (file, '/');
    ama_str_t out = { 0 };
    size_t size = 0;
    int rc = known_key (file, endpoint, known, err);

    if (rc == 0) {
        rc = strcmp (known, key) == 0
                 ? 0
                 : ama_err_set (err, AMA_E_EXISTS,
                                "another key of %s is in %s already; if it has changed, take that line out", endpoint,
                                file);
        free (file);
        return rc;
    }
    if (rc == AMA_E_NOT_FOUND) {
        *slash = '\0';
        rc = ama_paths_mkdir (file, err);
        *slash = '/';
    }
    if (rc == 0 && (rc = ama_key_file_read (file, true, &text, &size, err)) == AMA_E_NOT_FOUND)
        rc = 0;
    if (rc == 0) {
        ama_str_add (&out, text ? text : "", size);
        if (text && size && text[size - 1] != '\n')
            ama_str_putc (&out, '\n');
        ama_str_printf (&out, "%s %s\n", endpoint, key);
        rc = ama_key_file_replace (file, out.data, out.size, err);
    }
    ama_str_done (&out);
    free (text);
    free (file);
    return rc;
}

static int read_server_key (ama_remote_t *remote, const char *endpoint, const char *text, const ama_paths_t *paths,
                            ama_err_t *err)
{
    char *file;
    int rc;

    if (text)
        return ama_key_read_public (text, remote->server_key, err);
    file = servers_file (paths);
    rc = known_key (file, endpoint, remote->server_key, err);
    free (file);
    if (rc == AMA_E_NOT_FOUND)
        return ama_err_set (err, AMA_E_USAGE,
                            "the key of %s is not known: `ama keys trust %s PUB` once, or --server-key PUB", endpoint,
                            endpoint);
    return rc;
}

int ama_remote_open (ama_remote_t *remote, const char *endpoint, const ama_args_t *args, const ama_paths_t *paths,
                     ama_err_t *err)
{
    const char *key = ama_args_get (args, "key");
    int rc;

    *remote = (ama_remote_t){ 0 };
    if (!key)
        return ama_err_set (err, AMA_E_USAGE, "%s needs a key: --key FILE (`ama keygen --output FILE` makes one)",
                            endpoint);
    rc = ama_key_pair_read (key, &remote->pair, err);
    if (rc == 0)
        rc = read_server_key (remote, endpoint, ama_args_get (args, "server-key"), paths, err);
    if (rc < 0)
        return rc;
    remote->curve = (ama_node_curve_t){ .public_key = remote->pair.public_key,
                                        .secret_key = remote->pair.secret_key,
                                        .server_key = remote->server_key };
    return ama_knock (endpoint, &remote->curve, KNOCK_MS, err);
}

void ama_remote_done (ama_remote_t *remote)
{
    ama_key_pair_wipe (&remote->pair);
}
