/* known_hosts.h - the host keys that libssh2 is to see */
#ifndef AMA_FETCHER_HELPER_KNOWN_HOSTS_H
#define AMA_FETCHER_HELPER_KNOWN_HOSTS_H

#include "actors/base/ama_err.h"
#include "actors/base/ama_str.h"

/* Appends those lines of an OpenSSH known_hosts file that libssh2 understands: one it does not makes it refuse the whole file. Keys that
 * a @revoked line names are left out wherever they stand; certificate authorities are not supported. libgit2 asks a server for the kind
 * of key that comes first, so RSA comes last: libssh2 1.10 knows only its old SHA-1 form, which servers no longer offer. */
void ama_fetch_known_hosts_filter (const char *text, size_t size, ama_str_t *out);

#endif
