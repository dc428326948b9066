/* listing.h - the digest of a folder: kinds, names and contents of what lies in it, whatever the order it was read in
 *
 * A folder's digest is SHA-256 over its entries sorted by the bytes of their names, each as kind, name, NUL and the 32 bytes of its
 * own digest; a file's is that of its bytes, a link's that of its target. Owner, times and other mode bits do not count.
 */
#ifndef AMA_FETCHER_HELPER_LISTING_H
#define AMA_FETCHER_HELPER_LISTING_H

#include "actors/base/ama_digest.h"

#include <stddef.h>

typedef enum {
    AMA_FETCH_FILE = 'f',
    AMA_FETCH_PROGRAM = 'x',
    AMA_FETCH_LINK = 'l',
    AMA_FETCH_FOLDER = 'd'
} ama_fetch_kind_t;

typedef struct {
    char *name;
    ama_fetch_kind_t kind;
    ama_digest_t digest;
} ama_fetch_entry_t;

/* Zero-initialise. */
typedef struct {
    ama_fetch_entry_t *entries;
    size_t n, room;
} ama_fetch_listing_t;

void ama_fetch_listing_add (ama_fetch_listing_t *listing, ama_fetch_kind_t kind, const char *name, ama_digest_t digest);
/* Frees the listing too. */
ama_digest_t ama_fetch_listing_end (ama_fetch_listing_t *listing);
void ama_fetch_listing_done (ama_fetch_listing_t *listing);

#endif
