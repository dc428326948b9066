/* ama_keys.h - CURVE keys: pairs in files, and the file that says whose key may join over tcp, and as what
 *
 * A key is 40 characters of Z85 (ZeroMQ RFC 32). A secret key lies alone in a file that is its reader's and closed to others; the public
 * one beside it, in FILE.pub. The list of those who may join has one of them a line, `NAME ROLE PUBLIC-KEY`; empty lines and lines that
 * begin with # are skipped. Any thread.
 */
#ifndef AMA_RUNTIME_KEYS_H
#define AMA_RUNTIME_KEYS_H

#include "actors/base/ama_err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AMA_KEY_TEXT     41 /* with its NUL */
#define AMA_KEY_NAME_MAX 65 /* likewise */

/* What the owner of a key may be. Their order is that of the list of words. */
typedef enum { AMA_KEY_OPERATOR, AMA_KEY_SUBMITTER, AMA_KEY_VIEWER, AMA_KEY_AGENT, AMA_KEY_ACTOR } ama_key_role_t;

#define AMA_KEY_ROLE_WORDS "operator, submitter, viewer, agent or actor"

const char *ama_key_role_name (ama_key_role_t role);
/* 0 or AMA_E_INVALID. */
int ama_key_role_parse (const char *text, ama_key_role_t *ret_role, ama_err_t *err);

typedef struct {
    char name[AMA_KEY_NAME_MAX];
    ama_key_role_t role;
    char key[AMA_KEY_TEXT]; /* public */
} ama_key_t;

typedef struct {
    ama_key_t *items; /* owned */
    size_t count;
} ama_keys_t;

/* ---- the list ---- */

/* file: for error texts, which begin with `file:line:`. 0; AMA_E_SYNTAX, AMA_E_DUPKEY (a name or a key stands twice), AMA_E_INVALID,
 * AMA_E_LIMIT. */
int ama_keys_parse (const char *text, size_t size, const char *file, ama_keys_t *ret_keys, ama_err_t *err);
/* The file must be ours and closed to others. Also AMA_E_NOT_FOUND, AMA_E_AUTH, AMA_E_IO. */
int ama_keys_load (const char *file, ama_keys_t *ret_keys, ama_err_t *err);
void ama_keys_done (ama_keys_t *keys);
/* NULL: not there. */
const ama_key_t *ama_keys_find (const ama_keys_t *keys, const char *key);

/* Adds a line, or takes one away; all other lines stay as they are. The file is replaced as a whole and is on disk when this returns; two who do
 * that at the same time wait for each other. Add makes a file that is missing. AMA_E_EXISTS: the name or the key is there already;
 * AMA_E_NOT_FOUND: nobody has that name. */
int ama_keys_add (const char *file, const ama_key_t *key, ama_err_t *err);
int ama_keys_revoke (const char *file, const char *name, ama_err_t *err);

/* The list as it was last read, for one who asks again and again. Zero-initialise but for file, which is borrowed. */
typedef struct {
    const char *file;
    ama_keys_t keys;
    bool broken;      /* it can not be read now: nobody new is let in; keys is what it held before */
    uint64_t seen[4]; /* what the file looked like */
} ama_keys_watch_t;

/* Reads the file again if it has changed; true if it has (err->code is 0 if it could be read). A file that is gone is an empty one. */
bool ama_keys_refresh (ama_keys_watch_t *watch, ama_err_t *err);

/* ---- pairs ---- */

typedef struct {
    char public_key[AMA_KEY_TEXT], secret_key[AMA_KEY_TEXT];
} ama_key_pair_t;

/* 40 characters that are a public key (not that of zeros). */
bool ama_key_is_public (const char *text);
/* text: a public key, or a file that holds one. AMA_E_INVALID, AMA_E_NOT_FOUND, AMA_E_IO. */
int ama_key_read_public (const char *text, char ret_key[AMA_KEY_TEXT], ama_err_t *err);

void ama_key_pair_new (ama_key_pair_t *ret_pair);
/* Writes path (0600) and path.pub. AMA_E_EXISTS: one of them is there. */
int ama_key_pair_write (const char *path, const ama_key_pair_t *pair, ama_err_t *err);
/* path: of the secret one; the public one is made from it. AMA_E_NOT_FOUND, AMA_E_AUTH (open to others), AMA_E_INVALID. */
int ama_key_pair_read (const char *path, ama_key_pair_t *ret_pair, ama_err_t *err);
void ama_key_pair_wipe (ama_key_pair_t *pair);

/* ---- text files that are replaced as a whole ---- */

/* At most 1 MiB. AMA_E_NOT_FOUND, AMA_E_AUTH (private_only: not ours, or open to others), AMA_E_LIMIT, AMA_E_IO. Owned, with a NUL behind it. */
int ama_key_file_read (const char *path, bool private_only, char **ret_text, size_t *ret_size, ama_err_t *err);
/* Mode 0600; renamed into its place when it is on disk. */
int ama_key_file_replace (const char *path, const char *text, size_t size, ama_err_t *err);

#endif
