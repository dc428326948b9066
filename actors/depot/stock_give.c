/* stock_give.c - what a stock has for others: files in streams, trees packed, and the depot told of them. On the actor's thread; packing on the worker's. */
#include "actors/depot/stock_in.h"
#include "actors/depot/tree_file.h"

#include "actors/base/ama_str.h"
#include "messages/ama_types.h"
#include "messages/depot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

enum { PART = 256 << 10, OFFER_MS = 600000 };

/* ---- files in streams ---- */

struct stock_send {
    stock_send_t *prev, *next;
    ama_stock_t *stock;
    ama_stream_t *stream;
    int fd;
    uint64_t sent;
    uint8_t part[PART]; /* read already, while the stream takes no more */
    size_t size;
};

static void free_send (stock_send_t *send)
{
    DL_DELETE (send->stock->sends, send);
    send->stock->n_sends--;
    (void) close (send->fd);
    free (send);
}

static void on_closed (ama_stream_t *stream, void *arg)
{
    (void) stream;
    free_send (arg);
}

static void on_writable (ama_stream_t *stream, void *arg)
{
    stock_send_t *send = arg;

    for (;;) {
        ama_depot_part_t body = { .data = { send->part, send->size } };
        ama_depot_end_t end = { .size = send->sent };
        ssize_t n;
        if (send->size) {
            if (ama_stream_send (stream, AMA_MSG_DEPOT_PART, &body) < 0)
                return;
            send->sent += send->size;
            send->size = 0;
        }
        n = read (send->fd, send->part, sizeof send->part);
        if (n > 0) {
            send->size = (size_t) n;
            continue;
        }
        end.size = send->sent;
        if (n < 0)
            ama_stream_fail (&send->stream, AMA_E_IO, strerror (errno));
        else
            ama_stream_end (&send->stream, AMA_MSG_DEPOT_END, &end);
        free_send (send);
        return;
    }
}

int ama_stock_serve (ama_stock_t *stock, const ama_envelope_t *request, const ama_digest_t *digest, ama_err_t *err)
{
    char *path = stock_find (stock, digest), hex[AMA_DIGEST_TEXT];
    int fd = path ? open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    stock_send_t *send;

    free (path);
    if (fd < 0)
        return ama_err_set (err, AMA_E_NOT_FOUND, "%s is not here", ama_digest_text (digest, hex));
    if (stock->n_sends == STOCK_SENDS_MAX) {
        (void) close (fd);
        return ama_err_set (err, AMA_E_BUSY, "%d files are being sent", STOCK_SENDS_MAX);
    }
    send = ama_calloc (1, sizeof *send);
    send->stock = stock;
    send->fd = fd;
    DL_APPEND (stock->sends, send);
    stock->n_sends++;
    send->stream = ama_stream_new (stock->ctx, request, on_writable, on_closed, send);
    on_writable (send->stream, send);
    return 0;
}

void stock_end_sends (ama_stock_t *stock)
{
    while (stock->sends)
        free_send (stock->sends); /* utlist: NOLINT(clang-analyzer-unix.Malloc) */
}

/* ---- trees ---- */

typedef struct {
    ama_stock_t *stock;
    char *folder, *scratch, *tree, *link;
    ama_digest_t digest;
    bool known; /* packed before: what lies on the disk is only looked at */
    int rc;
    ama_err_t err;
    ama_stock_tree_fn *fn;
    void *arg;
} packing_t;

static const ama_digest_t *packed (const ama_stock_t *stock, const char *folder)
{
    for (size_t i = 0; i < STOCK_PACKED_MAX; i++)
        if (stock->packed[i].folder && strcmp (stock->packed[i].folder, folder) == 0)
            return &stock->packed[i].digest;
    return NULL;
}

static void remember (ama_stock_t *stock, packing_t *packing)
{
    size_t at = stock->n_packed++ % STOCK_PACKED_MAX;

    free (stock->packed[at].folder);
    stock->packed[at].folder = packing->folder;
    stock->packed[at].digest = packing->digest;
    packing->folder = NULL;
}

static int pack (packing_t *self)
{
    char *blob;
    int rc = stock_make_room (self->scratch, &self->err);

    if (rc == 0)
        rc = ama_tree_pack (self->folder, self->scratch, &self->digest, &self->err);
    if (rc < 0)
        return rc;
    blob = stock_path (self->stock, STOCK_BLOB, &self->digest, "");
    if (rename (self->scratch, blob) < 0)
        rc = ama_err_set (&self->err, AMA_E_IO, "%s: %s", blob, strerror (errno));
    free (blob);
    return rc;
}

static void do_pack (void *arg)
{
    packing_t *self = arg;
    char *blob = stock_path (self->stock, STOCK_BLOB, &self->digest, "");

    if (!self->known || !stock_use (self->stock, STOCK_BLOB, &self->digest)
        || !stock_file_holds (self->stock, blob, &self->digest)) {
        self->known = false;
        self->rc = pack (self);
    }
    free (blob);
    if (self->rc < 0)
        return;
    self->tree = stock_path (self->stock, STOCK_TREE, &self->digest, "tree");
    if (!stock_use (self->stock, STOCK_TREE, &self->digest) || !stock_tree_holds (self->stock, self->tree))
        self->rc = stock_link_tree (self->stock, self->folder, self->tree, self->link, &self->err);
}

static void on_packed (void *arg)
{
    packing_t *self = arg;

    if (!self->stock->ending) {
        if (self->rc == 0 && !packed (self->stock, self->folder))
            remember (self->stock, self);
        self->fn (self->arg, self->rc < 0 ? NULL : self->tree, &self->digest, self->rc < 0 ? &self->err : NULL);
    }
    free (self->folder);
    free (self->scratch);
    free (self->tree);
    free (self->link);
    free (self);
}

void ama_stock_add_tree (ama_stock_t *stock, const char *folder, ama_stock_tree_fn *fn, void *arg)
{
    packing_t *self = ama_calloc (1, sizeof *self);
    const ama_digest_t *known = packed (stock, folder);
    ama_str_t name = { 0 };

    *self = (packing_t){ .stock = stock, .folder = ama_strdup (folder), .known = known != NULL, .fn = fn, .arg = arg };
    if (known)
        self->digest = *known;
    ama_str_printf (&name, "%s/depot/new", stock->cache);
    self->scratch = stock_scratch (stock, name.data);
    ama_str_clear (&name);
    ama_str_printf (&name, "%s/trees/new", stock->cache);
    self->link = stock_scratch (stock, name.data);
    ama_str_done (&name);
    ama_worker_submit (stock->worker, do_pack, on_packed, self);
}

/* ---- the depot is told ---- */

typedef struct {
    ama_stock_fn *fn;
    void *arg;
} offer_t;

static void on_kept (ama_ctx_t *ctx, const ama_envelope_t *envelope, const void *body, const ama_err_t *err, void *arg)
{
    offer_t offer = *(offer_t *) arg;

    (void) ctx, (void) envelope, (void) body;
    free (arg);
    offer.fn (offer.arg, err);
}

void ama_stock_offer (ama_stock_t *stock, const ama_digest_t *digests, size_t n, ama_stock_fn *fn, void *arg)
{
    offer_t *offer = ama_malloc (sizeof *offer);
    ama_depot_offer_t body = { .files = ama_calloc (n + 1, sizeof *body.files), .n_files = n };

    *offer = (offer_t){ fn, arg };
    for (size_t i = 0; i < n; i++)
        body.files[i].digest = digests[i];
    (void) ama_ask (stock->ctx, "depot", AMA_MSG_DEPOT_OFFER, &body, OFFER_MS, 0, on_kept, offer);
    free (body.files);
}
