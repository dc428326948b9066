/* depot_actor.c - offers are pulled, gets are served; a stock does both. On its actor's own loop. Holds nothing that can not be offered again. */
#include "actors/depot/depot_actor.h"

#include "actors/base/ama_str.h"
#include "actors/depot/stock.h"
#include "messages/ama_types.h"
#include "messages/depot.h"

#include <stdlib.h>
#include <utlist.h>

typedef struct depot depot_t;

typedef struct offer {
    struct offer *prev, *next;
    depot_t *depot;
    ama_waiter_t waiter;
} offer_t;

struct depot {
    ama_ctx_t *ctx;
    ama_stock_t *stock;
    ama_keep_t *keep; /* NULL: all is kept */
    offer_t *offers;
};

static void free_offer (offer_t *offer)
{
    /* utlist: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    DL_DELETE (offer->depot->offers, offer);
    free (offer);
}

static void on_pulled (void *arg, const ama_err_t *err)
{
    offer_t *offer = arg;
    const ama_depot_kept_t kept = { 0 };

    if (err)
        (void) ama_refuse (offer->depot->ctx, &offer->waiter, err->code, "%s", err->text);
    else
        (void) ama_reply (offer->depot->ctx, &offer->waiter, AMA_MSG_DEPOT_KEPT, &kept);
    free_offer (offer);
}

static int on_offer (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    depot_t *self = state;
    const ama_depot_offer_t *said = body;
    ama_digest_t *digests = ama_calloc (said->n_files + 1, sizeof *digests);
    offer_t *offer = ama_calloc (1, sizeof *offer);

    (void) ctx, (void) err;
    *offer = (offer_t){ .depot = self, .waiter = ama_waiter (envelope) };
    DL_APPEND (self->offers, offer);
    for (size_t i = 0; i < said->n_files; i++)
        digests[i] = said->files[i].digest;
    ama_stock_pull (self->stock, envelope->src, digests, said->n_files, on_pulled, offer);
    free (digests);
    return 0;
}

static int on_get (ama_ctx_t *ctx, void *state, const ama_envelope_t *envelope, const void *body, ama_err_t *err)
{
    (void) ctx;
    return ama_stock_serve (((depot_t *) state)->stock, envelope, &((const ama_depot_get_t *) body)->digest, err);
}

static int init (ama_ctx_t *ctx, void *state, const void *config, ama_err_t *err)
{
    const ama_depot_conf_t *conf = config;
    depot_t *self = state;

    (void) err;
    self->ctx = ctx;
    self->stock = ama_stock_new (ctx, conf->cache_dir);
    self->keep = ama_keep_new (ctx, conf->cache_dir, &conf->keep, AMA_KEEP_DEPOT, NULL, NULL);
    return 0;
}

static void done (void *state)
{
    depot_t *self = state;

    ama_keep_destroy (&self->keep);
    ama_stock_destroy (&self->stock);
    while (self->offers)
        free_offer (self->offers); /* utlist: NOLINT(clang-analyzer-unix.Malloc) */
}

static const ama_handler_t handlers[] = {
    { AMA_MSG_DEPOT_OFFER, on_offer },
    { AMA_MSG_DEPOT_GET, on_get },
    AMA_HANDLER_END,
};

const ama_actor_def_t ama_depot_def = {
    .name = "depot",
    .role = AMA_ROLE_DEPOT,
    .state_size = sizeof (depot_t),
    .init = init,
    .done = done,
    .handlers = handlers,
};
