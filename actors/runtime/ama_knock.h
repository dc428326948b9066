/* ama_knock.h - does an amad answer at a tcp endpoint, and does it know our key? */
#ifndef AMA_RUNTIME_KNOCK_H
#define AMA_RUNTIME_KNOCK_H

#include "actors/runtime/ama_node.h"

/* Makes a connection, shows the key, and ends it. 0; AMA_E_AUTH: it has another key than server_key, or does not know ours;
 * AMA_E_UNREACHABLE: nobody listens there, or does not answer in time; AMA_E_INVALID: no endpoint. Blocks. */
int ama_knock (const char *endpoint, const ama_node_curve_t *curve, int patience_ms, ama_err_t *err);

#endif
