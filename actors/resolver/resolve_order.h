/* resolve_order.h - one request for jars: checked, in canonical form, with the digest under which its lock is kept
 *
 * Pure. Coordinates and addresses come from a repository that anybody may have written, so nothing that could be a path, an option or
 * another protocol passes (reliability: dependencies).
 */
#ifndef AMA_RESOLVER_RESOLVE_ORDER_H
#define AMA_RESOLVER_RESOLVE_ORDER_H

#include "actors/base/ama_credentials.h"
#include "messages/resolve.h"

typedef struct {
    /* Owned. Artifacts sorted and without repetitions; repositories in the order given, at least one; an empty URL is the central one. */
    ama_resolve_request_t request;
    ama_digest_t set; /* of addresses and coordinates: equal sets have one lock */
} ama_resolve_order_t;

/* Copies. hosts: NULL-terminated list of the only hosts allowed besides the central repository, or NULL. 0, AMA_E_PATH, AMA_E_INVALID,
 * AMA_E_URL or AMA_E_LIMIT; nothing to free then. */
int ama_resolve_order_init (const ama_resolve_request_t *request, const char *const *hosts,
                            ama_resolve_order_t *ret_order, ama_err_t *err);
void ama_resolve_order_done (ama_resolve_order_t *order);

/* Would one answer do for both? */
bool ama_resolve_order_equal (const ama_resolve_order_t *a, const ama_resolve_order_t *b);

/* The lines for the child's standard input, appended. credentials: one per repository, user NULL if there are none. The caller wipes
 * what it was given and got. */
void ama_resolve_order_encode (const ama_resolve_order_t *order, const char *cache,
                               const ama_credentials_t *credentials, ama_str_t *out);

#endif
