/* bad_server.h - a git server in this process: libgit2 speaks its own protocol, but to bytes of a file instead of a socket */
#ifndef AMA_TESTS_FETCHER_BAD_SERVER_H
#define AMA_TESTS_FETCHER_BAD_SERVER_H

#include <stdbool.h>
#include <stddef.h>

/* From here on http:// is this server: what stands before the first "PACK" is announced, the rest is sent. Copies the bytes. mend: with
 * the right lengths of lines and checksums, which a fuzzer would not find. */
void bad_server_set (const void *bytes, size_t size, bool mend);

#endif
