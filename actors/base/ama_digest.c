/* ama_digest.c - SHA-256. Any thread.
 *
 * libcrypto's, which uses the processor's own instructions (four times as fast as libsodium's), by the functions that keep their state where
 * the caller has it: no allocation for each of the many small digests of the journal.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "actors/base/ama_digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

_Static_assert(sizeof (SHA256_CTX) <= sizeof (((ama_digest_state_t *) 0)->opaque), "state fits");

static SHA256_CTX *inner (ama_digest_state_t *state)
{
    return (SHA256_CTX *) (void *) state->opaque;
}

void ama_digest_start (ama_digest_state_t *state)
{
    (void) SHA256_Init (inner (state));
}

void ama_digest_add (ama_digest_state_t *state, const void *bytes, size_t size)
{
    if (size)
        (void) SHA256_Update (inner (state), bytes, size);
}

ama_digest_t ama_digest_end (ama_digest_state_t *state)
{
    ama_digest_t digest;

    (void) SHA256_Final (digest.b, inner (state));
    return digest;
}

ama_digest_t ama_digest_of (const void *bytes, size_t size)
{
    ama_digest_state_t state;

    ama_digest_start (&state);
    ama_digest_add (&state, bytes, size);
    return ama_digest_end (&state);
}

int ama_digest_file (const char *path, ama_digest_t *ret_digest, ama_err_t *err)
{
    ama_digest_state_t state;
    unsigned char block[16384];
    ssize_t got;
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return ama_err_set (err, errno == ENOENT ? AMA_E_NOT_FOUND : AMA_E_IO, "%s: %s", path, strerror (errno));
    ama_digest_start (&state);
    while ((got = read (fd, block, sizeof block)) > 0)
        ama_digest_add (&state, block, (size_t) got);
    if (got < 0) {
        int saved = errno;
        (void) close (fd);
        return ama_err_set (err, AMA_E_IO, "%s: %s", path, strerror (saved));
    }
    (void) close (fd);
    *ret_digest = ama_digest_end (&state);
    return 0;
}

bool ama_digest_equal (const ama_digest_t *a, const ama_digest_t *b)
{
    return sodium_memcmp (a->b, b->b, sizeof a->b) == 0;
}

const char *ama_digest_text (const ama_digest_t *digest, char *buf)
{
    return sodium_bin2hex (buf, AMA_DIGEST_TEXT, digest->b, sizeof digest->b);
}

int ama_digest_parse (const char *text, ama_digest_t *ret_digest)
{
    ama_digest_t digest;
    size_t got;

    if (strlen (text) != 64 || sodium_hex2bin (digest.b, sizeof digest.b, text, 64, NULL, &got, NULL) || got != 32)
        return AMA_E_INVALID;
    *ret_digest = digest;
    return 0;
}
