/* fetch_policy.c - which of the well-formed addresses this system may fetch from. Used by the core; no state beyond the policy. */
#include "actors/fetcher/fetch_url.h"

#include "actors/base/ama_str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const scheme_names[] = AMA_FETCH_SCHEME_NAMES;

int ama_fetch_policy_init (ama_fetch_policy_t *policy, const char *const *schemes, const char *const *hosts,
                           const char *const *local_paths, ama_err_t *err)
{
    *policy = (ama_fetch_policy_t){ 0 };
    for (size_t s = 0; s < ARRAY_SIZE (scheme_names); s++)
        policy->schemes[s] = !schemes;
    for (size_t i = 0; schemes && schemes[i]; i++) {
        size_t s = 0;
        while (s < ARRAY_SIZE (scheme_names) && strcmp (schemes[i], scheme_names[s]) != 0)
            s++;
        if (s == ARRAY_SIZE (scheme_names))
            return ama_err_set (err, AMA_E_INVALID, "fetch.schemes: %s is none of https, ssh, http, file", schemes[i]);
        policy->schemes[s] = true;
    }
    for (size_t i = 0; local_paths && local_paths[i]; i++)
        if (local_paths[i][0] != '/')
            return ama_err_set (err, AMA_E_INVALID, "fetch.local-paths: %s is not absolute", local_paths[i]);
    policy->hosts = ama_strv_copy (hosts);
    policy->local_paths = ama_strv_copy (local_paths);
    return 0;
}

void ama_fetch_policy_done (ama_fetch_policy_t *policy)
{
    ama_strv_free (policy->hosts);
    ama_strv_free (policy->local_paths);
    *policy = (ama_fetch_policy_t){ 0 };
}

bool ama_fetch_path_below (const char *path, const char *root)
{
    size_t size = strlen (root);

    while (size && root[size - 1] == '/')
        size--;
    return strncmp (path, root, size) == 0 && (path[size] == '\0' || path[size] == '/');
}

static int allow_local (const ama_fetch_policy_t *policy, const ama_fetch_url_t *url, ama_err_t *err)
{
    if (!policy->local_paths && policy->schemes[AMA_FETCH_LOCAL])
        return 0;
    for (size_t i = 0; policy->local_paths && policy->local_paths[i]; i++)
        if (ama_fetch_path_below (url->path, policy->local_paths[i]))
            return 0;
    return ama_err_set (
        err, AMA_E_URL,
        "%s: repositories of the server's own disk are not allowed here; to allow it, add to amad.yaml: "
        "fetch: {local-paths: [%s]}",
        url->normal, url->path);
}

static bool host_matches (const char *allowed, const ama_fetch_url_t *url)
{
    size_t size = strlen (url->host);
    char port[8] = "";

    if (allowed[0] == '*' && allowed[1] == '.')
        return ama_str_ends (url->host, allowed + 1) && size > strlen (allowed + 1);
    if (strncasecmp (allowed, url->host, size) != 0)
        return false;
    if (url->port)
        (void) snprintf (port, sizeof port, ":%u", url->port);
    return allowed[size] == '\0' || (port[0] && strcmp (allowed + size, port) == 0);
}

static int refuse_scheme (const ama_fetch_policy_t *policy, const ama_fetch_url_t *url, ama_err_t *err)
{
    ama_str_t words = { 0 };
    int rc;

    for (size_t s = 0; s < ARRAY_SIZE (scheme_names); s++)
        if (policy->schemes[s] || s == url->scheme)
            ama_str_printf (&words, "%s%s", words.size ? ", " : "", scheme_names[s]);
    rc = ama_err_set (err, AMA_E_URL,
                      "%s: %s is not allowed here; to allow it, add to amad.yaml: fetch: {schemes: [%s]}", url->normal,
                      scheme_names[url->scheme], words.data);
    ama_str_done (&words);
    return rc;
}

int ama_fetch_policy_allow (const ama_fetch_policy_t *policy, const ama_fetch_url_t *url, ama_err_t *err)
{
    if (url->scheme == AMA_FETCH_LOCAL)
        return allow_local (policy, url, err);
    if (!policy->schemes[url->scheme])
        return refuse_scheme (policy, url, err);
    if (!policy->hosts)
        return 0;
    for (size_t i = 0; policy->hosts[i]; i++)
        if (host_matches (policy->hosts[i], url))
            return 0;
    return ama_err_set (err, AMA_E_URL,
                        "%s: the host is not allowed here; to allow it, add to amad.yaml: fetch: {hosts: [%s]}",
                        url->normal, url->host);
}
