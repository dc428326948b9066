/* fetch_url.h - which repository addresses are understood, and which of them this system's policy allows
 *
 * Pure. Understood are https://, http://, ssh://, user@host:path, file:// and absolute paths; everything else, and everything in them
 * that could be taken for an option, a command or another protocol, is AMA_E_URL. Error texts never show a user or password that
 * stood in the address.
 */
#ifndef AMA_FETCHER_FETCH_URL_H
#define AMA_FETCHER_FETCH_URL_H

#include "actors/base/ama_err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AMA_FETCH_URL_MAX 4096

typedef enum { AMA_FETCH_LOCAL, AMA_FETCH_HTTPS, AMA_FETCH_HTTP, AMA_FETCH_SSH } ama_fetch_scheme_t;

/* In the order of the enum; the words of fetch.schemes too. */
#define AMA_FETCH_SCHEME_NAMES                                                                                         \
    {                                                                                                                  \
        "file", "https", "http", "ssh"                                                                                 \
    }

typedef struct {
    ama_fetch_scheme_t scheme;
    char *user;     /* owned; NULL if none; likewise below */
    char *password; /* that stood in the address */
    char *host;     /* lower case, an IPv6 address with its brackets; "" for a local path */
    char *path;     /* as the server sees it; a local path is absolute, without "." or double slashes */
    char *
        normal; /* the address without password, and without user unless ssh: same text = same mirror, and safe to show */
    uint16_t port; /* 0: the scheme's own */
} ama_fetch_url_t;

/* text may hold anything. 0 or AMA_E_URL. */
int ama_fetch_url_parse (const char *text, size_t size, ama_fetch_url_t *ret_url, ama_err_t *err);
void ama_fetch_url_done (ama_fetch_url_t *url);

typedef struct {
    bool schemes[4];    /* indexed by ama_fetch_scheme_t */
    char **hosts;       /* NULL-terminated, owned; NULL: any. "example.org", "example.org:8443", "*.example.org" */
    char **local_paths; /* NULL-terminated, owned; NULL: any, if schemes[AMA_FETCH_LOCAL] */
} ama_fetch_policy_t;

/* Copies. schemes: names out of https http ssh file, or NULL for all four (a system that serves its own user only). local_paths
 * allows these folders even if `file` is not among the schemes. 0 or AMA_E_INVALID. */
int ama_fetch_policy_init (ama_fetch_policy_t *policy, const char *const *schemes, const char *const *hosts,
                           const char *const *local_paths, ama_err_t *err);
void ama_fetch_policy_done (ama_fetch_policy_t *policy);

/* 0, or AMA_E_URL with the line of configuration that would allow it. Local paths are compared as text; the helper compares
 * what they really are. */
int ama_fetch_policy_allow (const ama_fetch_policy_t *policy, const ama_fetch_url_t *url, ama_err_t *err);

/* True if path is root or below it. */
bool ama_fetch_path_below (const char *path, const char *root);

#endif
