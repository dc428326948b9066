/* ama_credentials.h - a file of user names and passwords, for git servers and package repositories
 *
 * One entry a line: `NAME-OR-URL USER PASSWORD`, separated by blanks; the password runs to the end of the line. Empty lines and lines
 * that begin with # are skipped. The file must belong to the reader and be closed to everybody else (0600).
 * What is looked up is, in this order: an entry of exactly that name; the longest entry that is a URL above the one asked for; an
 * entry that is its host, or host:port.
 */
#ifndef AMA_BASE_CREDENTIALS_H
#define AMA_BASE_CREDENTIALS_H

#include "actors/base/ama_err.h"

typedef struct {
    char *user; /* owned */
    char *password;
} ama_credentials_t;

/* name: of a credential or a package repository, or NULL. url: with scheme and without user, or NULL. 0, AMA_E_NOT_FOUND (no entry
 * matches), AMA_E_AUTH (the file is open to others, or not ours), AMA_E_SYNTAX, AMA_E_LIMIT or AMA_E_IO. The error names the file and
 * the line, never their content. */
int ama_credentials_find (const char *file, const char *name, const char *url, ama_credentials_t *ret_found,
                          ama_err_t *err);

/* The same over the text of a file; `file` is for error texts only. */
int ama_credentials_parse (const char *text, size_t size, const char *file, const char *name, const char *url,
                           ama_credentials_t *ret_found, ama_err_t *err);

/* Overwrites and frees. */
void ama_credentials_done (ama_credentials_t *credentials);

#endif
