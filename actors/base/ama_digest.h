/* ama_digest.h - SHA-256 (FIPS 180-4) of buffers and files, through libsodium */
#ifndef AMA_BASE_DIGEST_H
#define AMA_BASE_DIGEST_H

#include "actors/base/ama_err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AMA_DIGEST_TEXT 65 /* 64 hex digits and NUL */

typedef struct {
    uint8_t b[32];
} ama_digest_t;

typedef struct {
    _Alignas(8) unsigned char opaque[128];
} ama_digest_state_t;

void ama_digest_start (ama_digest_state_t *state);
void ama_digest_add (ama_digest_state_t *state, const void *bytes, size_t size);
ama_digest_t ama_digest_end (ama_digest_state_t *state);

ama_digest_t ama_digest_of (const void *bytes, size_t size);
/* Digest of a file's bytes. 0 or AMA_E_IO / AMA_E_NOT_FOUND. */
int ama_digest_file (const char *path, ama_digest_t *ret_digest, ama_err_t *err);

bool ama_digest_equal (const ama_digest_t *a, const ama_digest_t *b);
/* Lower-case hex; buf of at least AMA_DIGEST_TEXT bytes; returns buf. */
const char *ama_digest_text (const ama_digest_t *digest, char *buf);
int ama_digest_parse (const char *text, ama_digest_t *ret_digest);

#endif
