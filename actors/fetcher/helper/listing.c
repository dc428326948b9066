/* listing.c - digest of a folder, one level at a time. Helper program only. */
#include "actors/fetcher/helper/listing.h"

#include <stdlib.h>
#include <string.h>

void ama_fetch_listing_add (ama_fetch_listing_t *listing, ama_fetch_kind_t kind, const char *name, ama_digest_t digest)
{
    if (listing->n == listing->room) {
        listing->room = listing->room ? listing->room * 2 : 16;
        listing->entries = ama_realloc (listing->entries, listing->room * sizeof *listing->entries);
    }
    listing->entries[listing->n++] = (ama_fetch_entry_t){ ama_strdup (name), kind, digest };
}

static int by_name (const void *a, const void *b)
{
    return strcmp (((const ama_fetch_entry_t *) a)->name, ((const ama_fetch_entry_t *) b)->name);
}

ama_digest_t ama_fetch_listing_end (ama_fetch_listing_t *listing)
{
    ama_digest_state_t state;

    if (listing->n)
        qsort (listing->entries, listing->n, sizeof *listing->entries, by_name);
    ama_digest_start (&state);
    for (size_t i = 0; i < listing->n; i++) {
        const ama_fetch_entry_t *entry = &listing->entries[i];
        char kind = (char) entry->kind;
        ama_digest_add (&state, &kind, 1);
        ama_digest_add (&state, entry->name, strlen (entry->name) + 1);
        ama_digest_add (&state, entry->digest.b, sizeof entry->digest.b);
    }
    ama_fetch_listing_done (listing);
    return ama_digest_end (&state);
}

void ama_fetch_listing_done (ama_fetch_listing_t *listing)
{
    for (size_t i = 0; i < listing->n; i++)
        free (listing->entries[i].name);
    free (listing->entries);
    *listing = (ama_fetch_listing_t){ 0 };
}
