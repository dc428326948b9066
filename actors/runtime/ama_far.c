/* ama_far.c - keys of a program that joins over tcp. Called by main, before its node. */
#include "actors/runtime/ama_far.h"

#include "actors/base/ama_log.h"
#include "actors/runtime/ama_knock.h"

enum { PATIENCE_MS = 5000 };

int ama_far_open (ama_far_t *ret_far, const char *endpoint, const char *key_file, const char *server_key,
                  ama_err_t *err)
{
    ama_err_t why = { 0 };
    int rc;

    *ret_far = (ama_far_t){ 0 };
    if (!key_file || !server_key)
        return ama_err_set (err, AMA_E_USAGE, "%s is joined with --key FILE and --server-key PUB", endpoint);
    rc = ama_key_pair_read (key_file, &ret_far->pair, err);
    if (rc == 0)
        rc = ama_key_read_public (server_key, ret_far->server_key, err);
    if (rc < 0)
        return rc;
    ret_far->curve = (ama_node_curve_t){ .public_key = ret_far->pair.public_key,
                                         .secret_key = ret_far->pair.secret_key,
                                         .server_key = ret_far->server_key };
    rc = ama_knock (endpoint, &ret_far->curve, PATIENCE_MS, &why);
    if (rc == AMA_E_UNREACHABLE) {
        ama_log (AMA_LOG_WARN, "link", "%s; it goes on trying", why.text);
        return 0;
    }
    return rc < 0 ? ama_err_set (err, rc, "%s", why.text) : 0;
}

void ama_far_done (ama_far_t *far)
{
    ama_key_pair_wipe (&far->pair);
}
