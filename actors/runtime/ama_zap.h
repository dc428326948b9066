/* ama_zap.h - answers libzmq's question who may connect over tcp (ZeroMQ RFC 27) (internal to actors/runtime)
 *
 * Without such a handler a CURVE server lets everybody in. So it is there before the first tcp port is opened, and ends after the last
 * was closed; should it ever not be there, the hub's own check is.
 */
#ifndef AMA_RUNTIME_ZAP_H
#define AMA_RUNTIME_ZAP_H

#include "actors/base/ama_err.h"

typedef struct ama_zap ama_zap_t;

#define AMA_ZAP_DOMAIN "amaterasu"

/* A thread that answers for every socket of zmq whose ZAP domain is AMA_ZAP_DOMAIN: who has a key of allowed_file (ama_keys.h) may enter, and the
 * User-Id of what he sends is that key. Has been asked about an unknown key, and has said no, when this returns. */
ama_zap_t *ama_zap_new (void *zmq, const char *allowed_file, ama_err_t *err);
void ama_zap_destroy (ama_zap_t **zap);

#endif
