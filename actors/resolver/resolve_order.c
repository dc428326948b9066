/* resolve_order.c - checks and canonical form of requests. Called by resolver_actor.c on its thread and by tests; no state. */
#include "actors/resolver/resolve_order.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { QUOTE_MAX = 100 };

/* Of one jar, and of everything that one request downloads. */
static const uint64_t file_bytes_max = 2ULL << 30, total_bytes_max = 8ULL << 30;

static int refuse (ama_err_t *err, int code, const char *value, const char *what)
{
    ama_str_t text = { 0 };

    ama_str_escape (&text, value, strlen (value), QUOTE_MAX);
    (void) ama_err_set (err, code, "\"%s\" %s", text.data ? text.data : "", what);
    ama_str_done (&text);
    return code;
}

/* ---- coordinates ---- */

static int check_part (const char *part, const char *more, ama_err_t *err)
{
    if (strstr (part, "..") || strpbrk (part, "/\\") || *part == '.')
        return refuse (err, AMA_E_PATH, part, "could lead out of a folder: no part of an artifact's name");
    for (const char *c = part; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        if (!plain && !strchr (more, *c))
            return refuse (err, AMA_E_INVALID, part, "is no part of an artifact's name");
    }
    return *part ? 0 : ama_err_set (err, AMA_E_INVALID, "an artifact needs group, name and version");
}

static int check_version (const char *version, ama_err_t *err)
{
    size_t size = strlen (version);

    if (strpbrk (version, "[](),") || (size && version[size - 1] == '+') || strncasecmp (version, "latest", 6) == 0
        || strcasecmp (version, "release") == 0)
        return refuse (err, AMA_E_INVALID, version, "is not one version: the same job would get other files next week");
    return check_part (version, "._-+", err);
}

static int check_artifact (const ama_plan_artifact_t *artifact, ama_err_t *err)
{
    int rc = check_part (artifact->group, "._-", err);

    if (rc == 0)
        rc = check_part (artifact->name, "._-", err);
    return rc == 0 ? check_version (artifact->version, err) : rc;
}

/* ---- addresses ---- */

static bool is_loopback (const char *host)
{
    return strcasecmp (host, "localhost") == 0 || strcmp (host, "127.0.0.1") == 0 || strcmp (host, "[::1]") == 0;
}

/* entry: HOST, HOST:PORT or *.DOMAIN; place: HOST or HOST:PORT as the address has it. */
static bool matches (const char *entry, const char *host, const char *place)
{
    size_t n = strlen (host), m;

    if (entry[0] == '*' && entry[1] == '.') {
        m = strlen (entry + 1);
        return n > m && strcasecmp (host + n - m, entry + 1) == 0;
    }
    return strcasecmp (entry, host) == 0 || strcasecmp (entry, place) == 0;
}

static int check_host (const char *url, const char *authority, size_t size, bool https, const char *const *hosts,
                       ama_err_t *err)
{
    char *place = ama_strndup (authority, size), *host;
    size_t n = *place == '[' ? strcspn (place, "]") + 1 : strcspn (place, ":");
    int rc = 0;
    bool listed = !hosts;

    host = ama_strndup (place, n < size ? n : size);
    for (; !listed && *hosts; hosts++)
        listed = matches (*hosts, host, place);
    if (!*host || *host == '-' || (n < size && place[n + 1 + strspn (place + n + 1, "0123456789")]))
        rc = refuse (err, AMA_E_URL, url, "has no host");
    else if (!https && !is_loopback (host))
        rc = refuse (err, AMA_E_URL, url, "is plain http: anybody on the way could change the files");
    else if (!listed)
        rc = ama_err_set (
            err, AMA_E_URL,
            "the host %.200s is not allowed here; to allow it, add to amad.yaml: fetch: {hosts: [%.200s]}", host, host);
    free (host);
    free (place);
    return rc;
}

static int check_url (const char *url, const char *const *hosts, ama_err_t *err)
{
    bool https = strncasecmp (url, "https://", 8) == 0, http = strncasecmp (url, "http://", 7) == 0;
    const char *authority = url + (https ? 8 : 7);
    size_t size;

    if (!https && !http)
        return refuse (err, AMA_E_URL, url, "is no https address");
    for (const char *c = url; *c; c++)
        if ((unsigned char) *c <= ' ' || (unsigned char) *c >= 0x7f || strchr ("\\\"<>?#", *c))
            return refuse (err, AMA_E_URL, url, "holds a character that the address of a repository does not have");
    size = strcspn (authority, "/");
    if (memchr (authority, '@', size)) /* not shown: a password may stand there */
        return ama_err_set (err, AMA_E_URL, "a repository's address holds a user name; credentials come from a file");
    return check_host (url, authority, size, https, hosts, err);
}

static int check_repository (const ama_plan_repository_t *repository, const char *const *hosts, ama_err_t *err)
{
    int rc;

    if (!*repository->id || strpbrk (repository->id, "\t\n\r"))
        return refuse (err, AMA_E_INVALID, repository->id, "is no id of a repository");
    if (!*repository->url)
        return 0;
    rc = check_url (repository->url, hosts, err);
    return rc < 0 && err ? ama_err_prefix (err, "repository %.100s", repository->id) : rc;
}

/* ---- canonical form ---- */

static int compare_artifacts (const void *a_, const void *b_)
{
    const ama_plan_artifact_t *a = a_, *b = b_;
    int order = strcmp (a->group, b->group);

    if (!order)
        order = strcmp (a->name, b->name);
    return order ? order : strcmp (a->version, b->version);
}

static void sort_artifacts (ama_resolve_request_t *request)
{
    size_t kept = 0;

    if (!request->n_artifacts)
        return;
    qsort (request->artifacts, request->n_artifacts, sizeof *request->artifacts, compare_artifacts);
    for (size_t i = 1; i < request->n_artifacts; i++) {
        if (compare_artifacts (&request->artifacts[i], &request->artifacts[kept]) == 0)
            ama_plan_artifact_done (&request->artifacts[i]);
        else
            request->artifacts[++kept] = request->artifacts[i];
    }
    request->n_artifacts = kept + 1;
}

/* The same address twice, or the central one by its default. */
static void tidy_repositories (ama_resolve_request_t *request)
{
    size_t kept = 0;

    for (size_t i = 0; i < request->n_repositories; i++) {
        ama_plan_repository_t *one = &request->repositories[i];
        bool seen = false;
        for (size_t j = 0; j < kept; j++)
            seen = seen || strcmp (request->repositories[j].url, one->url) == 0;
        if (seen)
            ama_plan_repository_done (one);
        else
            request->repositories[kept++] = *one;
    }
    request->n_repositories = kept;
    if (kept)
        return;
    free (request->repositories);
    request->repositories = ama_calloc (1, sizeof *request->repositories);
    request->repositories[0] = (ama_plan_repository_t){ .id = ama_strdup ("central"), .url = ama_strdup ("") };
    request->n_repositories = 1;
}

static ama_digest_t digest_of_set (const ama_resolve_request_t *request)
{
    ama_str_t text = { 0 };
    ama_digest_t digest;

    if (request->lean)
        ama_str_puts (&text, "lean\n");
    for (size_t i = 0; i < request->n_repositories; i++)
        ama_str_printf (&text, "repository %s\n", request->repositories[i].url);
    for (size_t i = 0; i < request->n_artifacts; i++) {
        const ama_plan_artifact_t *one = &request->artifacts[i];
        ama_str_printf (&text, "artifact %s:%s:%s\n", one->group, one->name, one->version);
    }
    digest = ama_digest_of (text.data, text.size);
    ama_str_done (&text);
    return digest;
}

int ama_resolve_order_init (const ama_resolve_request_t *request, const char *const *hosts,
                            ama_resolve_order_t *ret_order, ama_err_t *err)
{
    int rc = 0;

    if (request->n_artifacts > AMA_RESOLVE_REQUEST_ARTIFACTS_MAX
        || request->n_repositories > AMA_RESOLVE_REQUEST_REPOSITORIES_MAX)
        return ama_err_set (err, AMA_E_LIMIT, "%zu artifacts of %zu repositories, the limits are %d and %d",
                            request->n_artifacts, request->n_repositories, AMA_RESOLVE_REQUEST_ARTIFACTS_MAX,
                            AMA_RESOLVE_REQUEST_REPOSITORIES_MAX);
    for (size_t i = 0; rc == 0 && i < request->n_repositories; i++)
        rc = check_repository (&request->repositories[i], hosts, err);
    for (size_t i = 0; rc == 0 && i < request->n_artifacts; i++)
        rc = check_artifact (&request->artifacts[i], err);
    if (rc < 0)
        return rc;
    *ret_order = (ama_resolve_order_t){ 0 };
    ama_resolve_request_copy (request, &ret_order->request);
    sort_artifacts (&ret_order->request);
    tidy_repositories (&ret_order->request);
    ret_order->set = digest_of_set (&ret_order->request);
    return 0;
}

void ama_resolve_order_done (ama_resolve_order_t *order)
{
    ama_resolve_request_done (&order->request);
    *order = (ama_resolve_order_t){ 0 };
}

bool ama_resolve_order_equal (const ama_resolve_order_t *a, const ama_resolve_order_t *b)
{
    return a->request.offline == b->request.offline && ama_digest_equal (&a->set, &b->set);
}

/* ---- for the child ---- */

static void put_value (ama_str_t *out, const char *value)
{
    ama_str_putc (out, '\t');
    for (const char *c = value; *c; c++) {
        const char *special = strchr ("\\\\t\tn\nr\r", *c);
        if (*c == '\\' || *c == '\t' || *c == '\n' || *c == '\r') {
            ama_str_putc (out, '\\');
            ama_str_putc (out, *c == '\\' ? '\\' : special[-1]);
        }
        else {
            ama_str_putc (out, *c);
        }
    }
}

void ama_resolve_order_encode (const ama_resolve_order_t *order, const char *cache,
                               const ama_credentials_t *credentials, ama_str_t *out)
{
    const ama_resolve_request_t *request = &order->request;

    ama_str_puts (out, "cache");
    put_value (out, cache);
    ama_str_printf (out, "\nlimits\t%" PRIu64 "\t%" PRIu64 "\n%s%s", file_bytes_max, total_bytes_max,
                    request->offline ? "offline\n" : "", request->lean ? "lean\n" : "");
    for (size_t i = 0; i < request->n_repositories; i++) {
        ama_str_puts (out, "repository");
        put_value (out, request->repositories[i].id);
        put_value (out, request->repositories[i].url);
        if (credentials[i].user) {
            put_value (out, credentials[i].user);
            put_value (out, credentials[i].password);
        }
        ama_str_putc (out, '\n');
    }
    for (size_t i = 0; i < request->n_artifacts; i++) {
        ama_str_puts (out, "artifact");
        put_value (out, request->artifacts[i].group);
        put_value (out, request->artifacts[i].name);
        put_value (out, request->artifacts[i].version);
        ama_str_putc (out, '\n');
    }
    ama_str_puts (out, "end\n");
}
