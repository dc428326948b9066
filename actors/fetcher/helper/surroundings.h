/* surroundings.h - what main found in the process environment; constant after that */
#ifndef AMA_FETCHER_HELPER_SURROUNDINGS_H
#define AMA_FETCHER_HELPER_SURROUNDINGS_H

/* Borrowed from the environment; NULL if not set. */
typedef struct {
    const char *home;
    const char *ssh_agent;  /* SSH_AUTH_SOCK */
    const char *ca_file;    /* SSL_CERT_FILE, as OpenSSL and others read it */
    const char *ca_dir;     /* SSL_CERT_DIR */
    const char *proxies[4]; /* http_proxy and https_proxy, in both spellings; libgit2 decides which it uses */
} ama_fetch_surroundings_t;

const ama_fetch_surroundings_t *ama_fetch_surroundings (void);

#endif
