/* stock_in.h - the inside of a stock, shared by stock.c, stock_disk.c and stock_give.c */
#ifndef AMA_DEPOT_STOCK_IN_H
#define AMA_DEPOT_STOCK_IN_H

#include "actors/base/ama_clock.h"
#include "actors/depot/stock.h"
#include "actors/runtime/ama_worker.h"

#include <uthash.h>

enum { STOCK_SENDS_MAX = 256, STOCK_PACKED_MAX = 64 };
#define STOCK_FILE_MAX (8ull << 30)

typedef struct stock_job stock_job_t;
typedef struct stock_want stock_want_t;
typedef struct stock_send stock_send_t;
typedef struct stock_seen stock_seen_t;

struct ama_stock {
    ama_ctx_t *ctx;
    char *cache;
    char boot[AMA_BOOT_TEXT];
    ama_worker_t *worker;
    bool ending;
    stock_job_t *jobs;   /* hash by what is made */
    stock_want_t *wants; /* list */
    size_t transfers;
    uint64_t serial;     /* of names that are used once */
    stock_send_t *sends; /* list */
    size_t n_sends;
    struct {
        char *folder;
        ama_digest_t digest;
    } packed[STOCK_PACKED_MAX]; /* ring */
    size_t n_packed;
    stock_seen_t *seen; /* the worker's: files whose bytes were read and found good */
};

typedef enum { STOCK_BLOB, STOCK_JAR, STOCK_TREE } stock_kind_t;

/* ---- stock_disk.c: where things lie; blocks where it says so ---- */

/* False: it names no content. */
bool stock_parse (const char *path, stock_kind_t *ret_kind, ama_digest_t *ret_digest, const char **ret_name);
char *stock_path (const ama_stock_t *stock, stock_kind_t kind, const ama_digest_t *digest, const char *name);
/* Beside path, and used once. */
char *stock_scratch (ama_stock_t *stock, const char *path);
/* The folders above it. */
int stock_make_room (const char *path, ama_err_t *err);
bool stock_tree_holds (const ama_stock_t *stock, const char *tree);
/* Worker: does the file hold those bytes? Reads it once. What does not is removed. */
bool stock_file_holds (ama_stock_t *stock, const char *path, const ama_digest_t *digest);
void stock_forget_seen (ama_stock_t *stock);
/* It is used now, and so not removed by who keeps this cache small (keep.h). False: it is not there. */
bool stock_use (const ama_stock_t *stock, stock_kind_t kind, const ama_digest_t *digest);
/* Worker: makes the tree from a packed file. */
int stock_unpack (const ama_stock_t *stock, const char *file, const ama_digest_t *digest, const char *tree,
                  const char *scratch, ama_err_t *err);
/* Worker: a tree that is a link to folder. */
int stock_link_tree (const ama_stock_t *stock, const char *folder, const char *tree, const char *scratch,
                     ama_err_t *err);
/* A file that others may be given, and so in use: owned, or NULL. */
char *stock_find (const ama_stock_t *stock, const ama_digest_t *digest);

/* ---- stock_give.c ---- */

void stock_end_sends (ama_stock_t *stock);

#endif
