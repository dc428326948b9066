/* keep_disk.h - what lies in a cache, and removing of it. All of it blocks: for a worker's thread.
 *
 * An entry is removed in two steps: it gets a name that nobody asks for, then its files go. Whoever is killed between them leaves something that the next who
 * looks removes. Entries whose lock somebody holds, or that were used since they were listed, stay.
 */
#ifndef AMA_DEPOT_KEEP_DISK_H
#define AMA_DEPOT_KEEP_DISK_H

#include "actors/depot/keep.h"

enum { KEEP_ID_TEXT = 65 };

typedef struct {
    ama_keep_kind_t kind;
    char id[KEEP_ID_TEXT];
    char link[KEEP_ID_TEXT]; /* the tree that is a link to this snapshot, "" for none: they go together */
    uint64_t bytes;
    int64_t used_ms; /* wall */
    bool needed;
} keep_entry_t;

typedef struct {
    keep_entry_t *items; /* longest unused first */
    size_t n;
    uint64_t bytes;
} keep_list_t;

/* At most AMA_KEEP_ENTRIES_MAX of each kind. known: an earlier list, since to count the bytes of a large tree takes long; it is put into another order. To be
 * freed with keep_list_done. */
void keep_list (const char *cache, unsigned kinds, keep_list_t *known, keep_list_t *ret_list);
void keep_list_done (keep_list_t *list);

/* What a killed program left: entries on their way out, and parts of transfers that nobody has written to for a day. */
void keep_sweep (const char *cache, unsigned kinds, int64_t wall_ms);

/* The first step; keep_sweep is the second. False: it stays. */
bool keep_unname (const char *cache, const keep_entry_t *entry);

#endif
